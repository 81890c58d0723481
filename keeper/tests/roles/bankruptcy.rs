//! What nobody can pay any more is paid by the waterfall at once, in every market that it is owed in.

use bulwark_keeper::config::Role;
use bulwark_keeper::work::Work;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::program::state::{MarginAccount, Market};
use bulwark_sdk::{Pubkey, address};
use bulwark_tests::fixtures::DOLLAR;
use bulwark_tests::{BTC, SOL, Trader, World};

use crate::bot::Bot;
use crate::stage::*;

fn keeper(world: &mut World) -> Bot {
    Bot::new(world, 1_000).only([Role::Bankruptcy])
}

/// Somebody who owes so many dollars for SOL and has nothing.
fn ruined(world: &mut World, dollars: u64) -> Trader {
    let trader = world.trader(0);
    indebt(world, &trader, dollars, SOL);
    trader
}

fn fresh(world: &mut World) {
    world.advance(1);
    for market in [SOL, BTC] {
        print(world, market, at(market, 1_000));
    }
}

fn owes(world: &World, who: &Pubkey) -> bool {
    world.margin(who).quote.0 < 0
}

#[test]
fn who_owes_and_has_nothing_is_resolved_at_once() {
    let mut world = World::new();
    let (debtor, mut bot) = (ruined(&mut world, 300), keeper(&mut world));
    world.advance(60);
    fresh(&mut world);
    let (work, outcome, _) = only(bot.round(&mut world));
    assert_eq!(work, Work::Resolve(debtor.margin, SOL));
    assert_eq!(count(&outcome, |event| matches!(event, Event::BankruptcyResolved(_))), 1);
    assert!(!owes(&world, &debtor.margin) && world.margin(&debtor.margin).debts.is_clear());
    assert_eq!(bot.find(&world), []);
}

#[test]
fn who_has_a_position_or_collateral_left_is_not_bankrupt_yet() {
    let mut world = World::new();
    let (debtor, mut bot) = (ruined(&mut world, 300), keeper(&mut world));
    world.deposit_collateral(&debtor, bulwark_tests::SOL_VAULT, 1).expect("anyone may give");
    fresh(&mut world);
    assert_eq!(bot.find(&world), []);
    let holder = holder(&mut world, 10_000, (SOL, Side::Long), 10_000);
    indebt(&mut world, &holder, 12_000, SOL);
    assert_eq!(bot.find(&world), []);
}

#[test]
fn without_a_price_that_is_beyond_doubt_nothing_is_sent() {
    let mut world = World::new();
    let (_, mut bot) = (ruined(&mut world, 300), keeper(&mut world));
    world.advance(30);
    assert_eq!(bot.find(&world), [], "30 seconds old");
    world.print(&World::asset(SOL), at(SOL, 1_000), at(SOL, 30).unsigned_abs());
    assert_eq!(bot.find(&world), [], "wide");
}

#[test]
fn a_debt_in_two_markets_is_resolved_in_both() {
    let mut world = World::new();
    let (debtor, mut bot) = (ruined(&mut world, 300), keeper(&mut world));
    // 200 dollars more, for BTC.
    let more = 200 * DOLLAR;
    world.tamper::<MarginAccount>(&debtor.margin, |account| {
        account.quote.0 -= more.cast_signed();
        account.debts.total += more;
        account.debts.lost[usize::from(BTC)][0] = more;
        account.debts.held[usize::from(BTC)] = more;
    });
    world.tamper::<bulwark_sdk::program::state::Pool>(&address::pool(), |p| p.core.idle += more);
    world.tamper::<Market>(&address::market(BTC), |m| m.core.book.unbacked += more);
    fresh(&mut world);
    assert_eq!(bot.find(&world), [SOL, BTC].map(|market| Work::Resolve(debtor.margin, market)));
    bot.rounds(&mut world, 3);
    assert!(!owes(&world, &debtor.margin) && world.margin(&debtor.margin).debts.is_clear());
}

/// Owes for SOL, and has a claim on BTC, which has nothing; the claim is for so many hundred dollars.
fn with_claim(world: &mut World, hundreds: u64, owed: u64) -> Trader {
    let who = holder(world, 10_000, (BTC, Side::Short), hundreds * 1_000);
    world.move_price(BTC, at(BTC, 900));
    drain(world, BTC, 0);
    world.close(&who, BTC, u64::MAX).expect("a tenth won");
    assert!(world.margin(&who.margin).position_in(BTC).is_some_and(|p| p.is_claim()));
    indebt(world, &who, 10_000 + owed, SOL);
    who
}

#[test]
fn claims_that_are_worth_less_than_the_debt_do_not_hold_it_up() {
    let mut world = World::new();
    let mut bot = keeper(&mut world);
    let debtor = with_claim(&mut world, 1, 500);
    world.advance(1);
    print(&mut world, SOL, at(SOL, 1_000));
    print(&mut world, BTC, at(BTC, 900));
    let did = bot.rounds(&mut world, 5);
    assert!(did.iter().any(|(work, _)| *work == Work::Resolve(debtor.margin, SOL)), "{did:?}");
    let forfeited = world.journal.iter().filter(|event| matches!(event, Event::ClaimForfeited(_)));
    assert_eq!(forfeited.count(), 1);
    assert!(!owes(&world, &debtor.margin) && !holds(&world, &debtor.margin, BTC));
}

#[test]
fn claims_that_are_worth_the_debt_are_paid_first_and_nobody_else_pays() {
    let mut world = World::new();
    let mut bot = keeper(&mut world);
    let debtor = with_claim(&mut world, 9, 500);
    world.advance(1);
    print(&mut world, SOL, at(SOL, 1_000));
    print(&mut world, BTC, at(BTC, 900));
    let resolved = |work: &Work| matches!(work, Work::Resolve(..));
    assert!(!bot.find(&world).iter().any(resolved), "900 dollars are claimed, 500 owed");
    drain(&mut world, BTC, 1_000 * DOLLAR);
    bot.roles = bulwark_keeper::config::Roles::default();
    let did = bot.rounds(&mut world, 5);
    assert!(did.iter().any(|(work, _)| *work == Work::Settle(debtor.margin, BTC)), "{did:?}");
    assert!(!did.iter().any(|(work, _)| resolved(work)), "{did:?}");
    assert!(world.margin(&debtor.margin).quote.0 > 0);
    assert_eq!(world.market(SOL).core.book.unbacked, 0, "what was held back is released");
}

#[test]
fn a_claim_on_a_market_that_settles_is_waited_for_until_its_positions_are_settled() {
    let mut world = World::new();
    let longs = [20_000, 30_000].map(|worth| holder(&mut world, 50_000, (SOL, Side::Long), worth));
    ruined(&mut world, 100_000);
    world.settle_price(SOL, at(SOL, 1_100));
    world.set_price(BTC, at(BTC, 1_000));
    drain(&mut world, SOL, 100_000 * DOLLAR);
    let mut bot = keeper(&mut world);
    bot.rounds(&mut world, 5);
    assert!(world.market(SOL).core.is_settling());
    // One of those who won is owed a thousand dollars, and owes five thousand for BTC.
    let who = longs[0].margin;
    world.settle(&who, SOL).expect("settle_position");
    assert!(world.margin(&who).position_in(SOL).is_some_and(|p| p.is_claim()));
    let has = world.margin(&who).quote.units_or_zero() / DOLLAR;
    indebt(&mut world, &longs[0], has + 5_000, BTC);
    world.advance(1);
    print(&mut world, BTC, at(BTC, 1_000));
    assert_eq!(bot.find(&world), [], "what the claim will bring is not known yet");
    let mut settled = world.fork();
    settled.settle(&longs[1].margin, SOL).expect("settle_position");
    assert_eq!(bot.find(&settled), [Work::Resolve(who, BTC)]);
    bot.roles = bulwark_keeper::config::Roles::default();
    let did = bot.rounds(&mut world, 12);
    assert!(did.iter().any(|(work, _)| *work == Work::Resolve(who, BTC)), "{did:?}");
    assert!(!owes(&world, &who) && !holds(&world, &who, SOL));
}

#[test]
fn a_market_whose_money_is_used_up_is_rebalanced() {
    let mut world = World::new();
    let mut bot = keeper(&mut world);
    let winner = holder(&mut world, 100_000, (SOL, Side::Long), 100_000);
    world.settle_price(SOL, at(SOL, 1_100));
    assert_eq!(bot.find(&world), []);
    drain(&mut world, SOL, 6_000 * DOLLAR);
    let (work, outcome, _) = only(bot.round(&mut world));
    assert_eq!(work, Work::Rebalance(SOL));
    assert_eq!(count(&outcome, |event| matches!(event, Event::MarketRebalanced(_))), 1);
    assert!(bot.rounds(&mut world, 4).len() < 4, "until nothing is missing but what rounding leaves");
    assert!(lots(&world, &winner.margin, SOL) > 0);
}
