//! Claims are paid as soon as they can be, and a market that settles comes to its end.

use bulwark_keeper::config::{Role, Roles};
use bulwark_keeper::work::Work;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_tests::fixtures::DOLLAR;
use bulwark_tests::{BTC, SOL, Trader, World};

use crate::bot::{Bot, Did};
use crate::stage::*;

/// Somebody who won about a thousand dollars in BTC, whose market has nothing.
fn scene() -> (World, Trader, Bot) {
    let mut world = World::new();
    let winner = holder(&mut world, 10_000, (BTC, Side::Short), 10_000);
    world.move_price(BTC, at(BTC, 900));
    drain(&mut world, BTC, 0);
    world.close(&winner, BTC, u64::MAX).expect("a tenth won");
    assert!(claim(&world, &winner) > 900 * DOLLAR);
    let bot = Bot::new(&mut world, 0).only([Role::Settle]);
    (world, winner, bot)
}

fn claim(world: &World, who: &Trader) -> u64 {
    let account = world.margin(&who.margin);
    account.position_in(BTC).filter(|p| p.is_claim()).map_or(0, |p| p.quote.units_or_zero())
}

#[test]
fn a_claim_waits_without_calls_and_is_paid_as_soon_as_there_is_money() {
    let (mut world, winner, mut bot) = scene();
    assert_eq!(bot.find(&world), []);
    let (claimed, before) = (claim(&world, &winner), world.margin(&winner.margin).quote.0);
    drain(&mut world, BTC, 400 * DOLLAR);
    assert_eq!(only(bot.round(&mut world)).0, Work::Settle(winner.margin, BTC));
    assert_eq!(claim(&world, &winner), claimed - 400 * DOLLAR, "as far as it goes");
    assert_eq!(bot.find(&world), []);
    drain(&mut world, BTC, 4_000 * DOLLAR);
    only(bot.round(&mut world));
    assert_eq!((claim(&world, &winner), holds(&world, &winner.margin, BTC)), (0, false));
    assert_eq!(world.margin(&winner.margin).quote.0 - before, claimed.cast_signed());
    assert_eq!(bot.find(&world), []);
}

#[test]
fn losses_that_a_claim_waits_for_are_collected() {
    let (mut world, winner, mut bot) = scene();
    drain(&mut world, BTC, 4_000_000 * DOLLAR);
    let loser = holder(&mut world, 10_000, (BTC, Side::Long), 20_000);
    drain(&mut world, BTC, 0);
    world.move_price(BTC, at(BTC, 880));
    assert_eq!(bot.find(&world), [Work::Settle(loser.margin, BTC)]);
    let did = bot.rounds(&mut world, 5);
    assert!(did.iter().any(|(work, _)| *work == Work::Settle(winner.margin, BTC)), "{did:?}");
    assert!(did.iter().all(|(_, did)| matches!(did, Did::Done(..))), "{did:?}");
    assert!(claim(&world, &winner) < 700 * DOLLAR);
}

#[test]
fn a_debt_that_was_repaid_is_released() {
    let (mut world, _, mut bot) = scene();
    let debtor = world.trader(300 * DOLLAR);
    indebt(&mut world, &debtor, 300, SOL);
    assert_eq!(world.market(SOL).core.book.unbacked, 300 * DOLLAR);
    assert_eq!(bot.find(&world), []);
    world.deposit(&debtor, 1).expect("deposit");
    assert_eq!(bot.find(&world), [], "a transaction for a millionth of a dollar");
    world.deposit(&debtor, 300 * DOLLAR - 1).expect("deposit");
    assert_eq!(only(bot.round(&mut world)).0, Work::Settle(debtor.margin, SOL));
    assert_eq!(world.market(SOL).core.book.unbacked, 0);
    assert_eq!(bot.find(&world), []);
}

#[test]
fn a_market_that_settles_is_settled_to_the_last_position_and_closed() {
    let mut world = World::new();
    let longs = [20_000, 30_000].map(|worth| holder(&mut world, 50_000, (SOL, Side::Long), worth));
    let short = holder(&mut world, 50_000, (SOL, Side::Short), 5_000);
    let other = holder(&mut world, 50_000, (BTC, Side::Long), 10_000);
    // They won 5,000 of which nobody has anything, and somebody owes a fortune.
    let debtor = world.trader(0);
    indebt(&mut world, &debtor, 100_000, SOL);
    world.settle_price(SOL, at(SOL, 1_100));
    world.set_price(BTC, at(BTC, 1_000));
    drain(&mut world, SOL, 100_000 * DOLLAR);
    let mut bot = Bot::new(&mut world, 0).only([Role::Bankruptcy, Role::Settle]);
    let did = bot.rounds(&mut world, 12);
    let closed = world.journal.iter().filter(|event| matches!(event, Event::MarketClosed(_))).count();
    let settling = world.journal.iter().filter(|event| matches!(event, Event::MarketSettling(_))).count();
    assert_eq!((settling, closed), (1, 1), "{did:?}");
    assert!(!world.exchange().markets().any(|index| index == SOL));
    for who in longs.iter().chain([&short]) {
        assert!(!holds(&world, &who.margin, SOL));
    }
    assert!(holds(&world, &other.margin, BTC), "the other market goes on");
    bot.roles = Roles::default();
    let left: Vec<Work> =
        bot.find(&world).into_iter().filter(|w| !matches!(w, Work::Allocate(_) | Work::Sweep(_))).collect();
    assert_eq!(left, []);
}
