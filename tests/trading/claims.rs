//! Profit beyond a market's cash waits as a claim in that market and is nobody else's concern.

use bulwark_sdk::address;
use bulwark_sdk::engine::margin::HealthType;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::events::PositionSettled;
use bulwark_sdk::program::state::Market;
use bulwark_tests::fixtures::{BTC_ASSET, DOLLAR, PRINT, SOL_ASSET};
use bulwark_tests::{BTC, SOL, SOL_VAULT, Trader, World};

use crate::support::{PubkeyOf as _, drain, refresh, refused, state};

struct Scene {
    world: World,
    winner: Trader,
    loser: Trader,
    bystander: Trader,
}

/// SOL went from 150 to 165 dollars; a long is owed about 9,000, a short owes about 4,500, the market has 4,000.
fn scene() -> Scene {
    let mut world = World::new();
    let [winner, loser, bystander] = [100_000; 3].map(|dollars| world.funded_trader(dollars * DOLLAR));
    world.deposit_collateral(&bystander, SOL_VAULT, SOL_ASSET.one()).expect("collateral");
    world.open(&winner, SOL, Side::Long, 600 * SOL_ASSET.one()).expect("open");
    world.open(&loser, SOL, Side::Short, 300 * SOL_ASSET.one()).expect("open");
    world.open(&bystander, BTC, Side::Long, BTC_ASSET.one() / 10).expect("open");
    refresh(&mut world, (SOL, &SOL_ASSET), 165 * PRINT, 0);
    drain(&mut world, SOL, 4_000 * DOLLAR);
    Scene { world, winner, loser, bystander }
}

/// The same after the winner has closed. Returns his claim.
fn claimed() -> (Scene, u64) {
    let mut scene = scene();
    let claim = scene.world.close(&scene.winner, SOL, u64::MAX).expect("close").trade().claim;
    (scene, claim)
}

/// Settles for anyone: nobody signs but who pays the transaction.
fn settle(world: &mut World, who: &Trader) -> PositionSettled {
    let outcome = world.send(&[ix::settle_position(who.margin, SOL)], &[]).expect("settle_position");
    match outcome.events.as_slice() {
        [Event::PositionSettled(settled)] => settled.clone(),
        other => panic!("one event of settling, not {other:?}"),
    }
}

fn cash(world: &World) -> u64 {
    world.market(SOL).core.book.cash
}

#[test]
fn what_cash_covers_is_paid_and_the_rest_is_a_claim() {
    let Scene { mut world, winner, .. } = scene();
    let (before, quote) = (state(&world), world.margin(&winner.margin).quote.0);
    let trade = world.close(&winner, SOL, u64::MAX).expect("close").trade().clone();
    assert_eq!(trade.paid, 4_000 * DOLLAR.cast_signed());
    assert!(trade.claim > 4_000 * DOLLAR && trade.realised == trade.paid + trade.claim.cast_signed());
    assert_eq!((trade.position_lots, trade.position_quote), (0, trade.claim.cast_signed()));
    let fee = trade.fee_pool + trade.fee_insurance + trade.fee_protocol;
    let account = world.margin(&winner.margin);
    assert_eq!(account.quote.0 - quote, trade.paid - fee.cast_signed());
    let book = world.market(SOL).core.book;
    assert_eq!((book.cash, book.unpaid_claims, book.long.lots), (0, trade.claim, 0));
    assert_eq!(book.long.cost.0, trade.claim.cast_signed(), "it keeps its place in the ladder");
    assert!(account.positions[0].is_claim());
    // Pool, other market, insurance, vaults and every other account: untouched to the byte.
    for (key, data) in state(&world) {
        let touched = before.get(&key) != Some(&data);
        assert_eq!(touched, key == winner.margin || key == address::market(SOL), "{key}");
    }
}

#[test]
fn a_claim_is_paid_when_cash_arrives_and_its_slot_is_freed() {
    let (Scene { mut world, winner, loser, .. }, claim) = claimed();
    assert_eq!(settle(&mut world, &winner).claim_paid, 0, "nothing there yet");
    let quote = world.margin(&winner.margin).quote.0;
    world.close(&loser, SOL, u64::MAX).expect("a loss moves to cash at once");
    let arrived = cash(&world);
    assert!(arrived > 0 && arrived < claim);
    let paid = settle(&mut world, &winner);
    assert_eq!((paid.claim_paid, paid.loss), (arrived, 0));
    assert_eq!(paid.position_quote, (claim - arrived).cast_signed());
    assert_eq!(world.margin(&winner.margin).quote.0 - quote, arrived.cast_signed());
    let book = world.market(SOL).core.book;
    assert_eq!((book.cash, book.unpaid_claims), (0, claim - arrived));
    // The rest.
    let left = claim - arrived;
    world.tamper::<bulwark_sdk::program::state::Pool>(&address::pool(), |p| p.core.idle -= left + 7);
    world.tamper::<Market>(&address::market(SOL), |m| m.core.book.cash += left + 7);
    let paid = settle(&mut world, &winner);
    assert_eq!((paid.claim_paid, paid.position_lots, paid.position_quote), (left, 0, 0));
    assert_eq!((cash(&world), world.market(SOL).core.book.unpaid_claims), (7, 0));
    assert_eq!(world.margin(&winner.margin).position(SOL), None, "the slot is free");
    let again = ix::settle_position(winner.margin, SOL);
    refused(&mut world, again, &[], "NoPosition", "nothing left");
    let all = world.margin(&winner.margin).quote.units_or_zero();
    world.withdraw(&winner, 0, (winner.tokens, all)).expect("withdraw-all works to the unit");
}

#[test]
fn settling_collects_a_losers_loss_only_while_claims_wait() {
    let Scene { mut world, winner, loser, .. } = scene();
    let settled = settle(&mut world, &loser);
    assert_eq!(settled.loss, 0, "no claims, no collection");
    world.close(&winner, SOL, u64::MAX).expect("close");
    let health = |w: &World| w.health(&loser.margin, HealthType::Maint);
    let (before, quote) = (health(&world), world.margin(&loser.margin).quote.0);
    let settled = settle(&mut world, &loser);
    assert!(settled.loss > 4_000 * DOLLAR, "about 4,500 dollars");
    assert_eq!(cash(&world), settled.loss);
    assert_eq!(quote - world.margin(&loser.margin).quote.0, settled.loss.cast_signed());
    assert_eq!(health(&world), before, "variation margin does not change equity");
    assert_eq!(settle(&mut world, &loser).loss, 0, "nothing more at this price");
    // A winner loses nothing by being settled.
    refresh(&mut world, (SOL, &SOL_ASSET), 160 * PRINT, 0);
    let before = world.margin(&loser.margin);
    let settled = settle(&mut world, &loser);
    assert_eq!((settled.loss, settled.claim_paid), (0, 0), "in profit by now");
    assert_eq!(world.margin(&loser.margin).quote, before.quote);
}

#[test]
fn a_loss_is_collected_only_at_a_fresh_price_and_a_claim_is_paid_at_any() {
    for (what, age, conf) in [("Wide", 0, 6 * PRINT as u64), ("Stale", 61, 0)] {
        let (Scene { mut world, winner, loser, .. }, _) = claimed();
        refresh(&mut world, (SOL, &SOL_ASSET), 165 * PRINT, conf);
        world.advance(age);
        assert_eq!(settle(&mut world, &loser).loss, 0, "{what}");
        world.tamper::<bulwark_sdk::program::state::Pool>(&address::pool(), |p| p.core.idle -= 5);
        world.tamper::<Market>(&address::market(SOL), |m| m.core.book.cash += 5);
        assert_eq!(settle(&mut world, &winner).claim_paid, 5, "{what}: owed whatever the price");
    }
}

#[test]
fn collecting_a_loss_may_turn_a_balance_negative_and_leaves_the_account_as_healthy() {
    let Scene { mut world, winner, .. } = scene();
    // A short of about 9,900 dollars on 600 dollars, and a rise of 7 %.
    drain(&mut world, SOL, 1_000_000 * DOLLAR);
    let thin = world.funded_trader(600 * DOLLAR);
    world.open(&thin, SOL, Side::Short, 60 * SOL_ASSET.one()).expect("open");
    refresh(&mut world, (SOL, &SOL_ASSET), 177 * PRINT, 0);
    drain(&mut world, SOL, 1_000 * DOLLAR);
    world.close(&winner, SOL, u64::MAX).expect("close");
    let before = world.health(&thin.margin, HealthType::Maint);
    let loss = settle(&mut world, &thin).loss;
    assert!(loss > 700 * DOLLAR);
    assert!(world.margin(&thin.margin).quote.0 < 0);
    assert_eq!(world.health(&thin.margin, HealthType::Maint), before);
}

#[test]
fn an_emptied_market_is_not_refilled_by_the_pool() {
    let (Scene { mut world, winner, bystander, .. }, _) = claimed();
    refresh(&mut world, (BTC, &BTC_ASSET), BTC_ASSET.price, 0);
    let allocate = ix::allocate_liquidity(&world.listings, SOL);
    refused(&mut world, allocate, &[], "NothingToAllocate", "it has had its share");
    assert_eq!(settle(&mut world, &winner).claim_paid, 0);
    world.close(&bystander, BTC, u64::MAX).expect("the other market pays as ever");
}

#[test]
fn settling_without_a_position_is_refused() {
    let Scene { mut world, bystander, loser, .. } = scene();
    refused(
        &mut world,
        ix::settle_position(bystander.margin, SOL),
        &[],
        "NoPosition",
        "in another market only",
    );
    let empty = world.trader(0);
    refused(&mut world, ix::settle_position(empty.margin, SOL), &[], "NoPosition", "never traded");
    let mut other = ix::settle_position(loser.margin, SOL);
    other.accounts[0].pubkey = address::market(BTC);
    refused(&mut world, other, &[], "AccountDiscriminatorMismatch", "no margin account");
}

#[test]
fn settling_often_is_settling_once() {
    // Field note 17: the number of cranks must not matter.
    let (Scene { mut world, winner, loser, .. }, _) = claimed();
    settle(&mut world, &loser);
    settle(&mut world, &winner);
    let (market, accounts) = (world.market(SOL), [&winner, &loser].map(|t| world.margin(&t.margin)));
    for _ in 0..5 {
        settle(&mut world, &winner);
        settle(&mut world, &loser);
    }
    assert_eq!(world.market(SOL).core, market.core);
    for (trader, before) in [&winner, &loser].into_iter().zip(accounts) {
        let after = world.margin(&trader.margin);
        assert_eq!((after.quote, after.positions), (before.quote, before.positions));
    }
}

#[test]
fn a_claim_cannot_be_closed_and_takes_no_trade_on_the_other_side() {
    let (Scene { mut world, winner, .. }, _) = claimed();
    let close = world.close_instruction(&winner, SOL, u64::MAX);
    refused(&mut world, close, &[&winner.key], "ZeroAmount", "all of nothing");
    let close = world.close_instruction(&winner, SOL, SOL_ASSET.one());
    refused(&mut world, close, &[&winner.key], "CloseExceedsPosition", "more than nothing");
    let open = world.open_instruction(&winner, SOL, Side::Short, SOL_ASSET.one());
    refused(&mut world, open, &[&winner.key], "OppositeSide", "it keeps its side");
}

#[test]
fn a_claim_that_becomes_a_position_again_is_not_lost() {
    let (Scene { mut world, winner, .. }, claim) = claimed();
    // Room for an increase: the market gets its cash back, and the claim is left where it is.
    world
        .tamper::<bulwark_sdk::program::state::Pool>(&address::pool(), |p| p.core.idle -= 1_000_000 * DOLLAR);
    world.tamper::<Market>(&address::market(SOL), |m| m.core.book.cash += 1_000_000 * DOLLAR);
    let quote = world.margin(&winner.margin).quote.0;
    let open = world.open(&winner, SOL, Side::Long, 10 * SOL_ASSET.one()).expect("open").trade().clone();
    assert_eq!(open.position_quote, claim.cast_signed() - open.curve - open.spread.cast_signed());
    assert_eq!(world.market(SOL).core.book.unpaid_claims, 0, "it is part of a position now");
    let close = world.close(&winner, SOL, u64::MAX).expect("close").trade().clone();
    let costs = open.curve + close.curve + (open.spread + close.spread).cast_signed();
    assert_eq!(close.realised, claim.cast_signed() - costs);
    let fees: u64 = [&open, &close].iter().map(|t| t.fee_pool + t.fee_insurance + t.fee_protocol).sum();
    assert_eq!(world.margin(&winner.margin).quote.0 - quote, close.realised - fees.cast_signed());
}

#[test]
fn a_claim_alone_locks_no_balance_when_the_oracle_dies() {
    // A claim is owed whatever the price is: nothing of this account is at risk, no leg has to be valued.
    let (Scene { mut world, winner, .. }, _) = claimed();
    let sol = world.deposit_collateral(&winner, SOL_VAULT, 7).expect("collateral");
    world.advance(3_600);
    let all = world.margin(&winner.margin).quote.units_or_zero();
    world.withdraw(&winner, SOL_VAULT, (sol, 7)).expect("all collateral");
    world.withdraw(&winner, 0, (winner.tokens, all)).expect("all quote");
    let close = ix::close_margin_account(winner.key.pubkey_(), winner.margin);
    refused(&mut world, close, &[&winner.key], "AccountNotEmpty", "it is owed something");
}

#[test]
fn a_claim_in_a_dead_market_stops_nothing_elsewhere() {
    let (Scene { mut world, winner, .. }, _) = claimed();
    world.advance(3_600);
    world.move_price(BTC, BTC_ASSET.price);
    world.open(&winner, BTC, Side::Long, BTC_ASSET.one() / 10).expect("no lots, no price needed");
    world.withdraw(&winner, 0, (winner.tokens, DOLLAR)).expect("withdraw above the other market's margin");
}
