//! A close in profit soon after the increase pays for the free option on the oracle's latency, from its profit alone.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::market::MarketParams;
use bulwark_engine::trade::{Order, TradeReport};
use bulwark_engine::units::{MAX_LOTS, Side};
use model::world::{HALF, NOW, ONE, Op, PARAMS, World, any_lots, any_side, oracle};
use model::{Exact, config, int, of_price, ratio};
use proptest::prelude::*;

fn params(skew_scale: u64, window: u32, fee: u32) -> MarketParams {
    MarketParams {
        skew_scale,
        taker_fee_ppm: 0,
        base_spread_ppm: 0,
        toxic_window: window,
        toxic_fee_ppm: fee,
        ..PARAMS
    }
}

/// Account 0 opened now; the price has moved since, and so has the clock.
fn opened(params: &MarketParams, side: Side, lots: u64, to: u64, wait: i64) -> World {
    let mut world = World::new(params, HALF, 1 << 50);
    world.market.params.min_notional = 0;
    world.apply(&Op::Increase { who: 0, side, lots }).unwrap();
    world.market.oracle = oracle(to);
    world.market.oracle.publish_time = NOW + wait;
    world
}

fn close(world: &mut World, lots: u64, now: i64) -> TradeReport {
    let account = &mut world.accounts[0];
    let report = world.market.decrease(&mut account.position, &Order { lots, limit: None, now }).unwrap();
    account.quote += report.quote_change.0;
    report
}

/// Closes the parts one by one in one second, then the rest. What was paid, and the fees.
fn close_in_parts(world: &mut World, parts: &[u64], now: i64) -> (i64, u64) {
    let (mut paid, mut fees) = (0, 0);
    for &part in parts.iter().chain(&[Order::ALL]) {
        let held = world.accounts[0].position.lots.count();
        if held == 0 || (part != Order::ALL && part >= held) {
            continue;
        }
        let report = close(world, part, now);
        assert_eq!(report.claim, 0);
        paid += report.paid.0;
        fees += report.toxic_fee;
    }
    (paid, fees)
}

/// Prices near the entry, where profit and fee are of one size.
fn near() -> impl Strategy<Value = u64> {
    prop_oneof![3 => HALF - HALF / 100..HALF + HALF / 100, 1 => ONE / 8..ONE * 8]
}

proptest! {
    #![proptest_config(config(1_000))]

    /// `min(profit, notional·fee·(window − elapsed)/window)`, rounded up; of a loss nothing.
    #[test]
    fn the_fee_is_the_decaying_share_and_never_more_than_the_profit(
        side in any_side(), lots in any_lots(33), to in near(), window in 0..=600_u32, fee in 0..=10_000_u32,
        wait in 0..=700_i64,
    ) {
        let mut world = opened(&params(1 << 50, window, fee), side, lots, to, wait);
        let (money, cash) = (world.money(), world.market.book.cash);
        let report = close(&mut world, Order::ALL, NOW + wait);
        let left = (i64::from(window) - wait).max(0);
        let whole = (int(report.fill.notional) * ratio(fee, 1_000_000)).ceil();
        let share = if left == 0 { int(0) } else { (whole * ratio(left, window)).ceil() };
        prop_assert_eq!(int(report.toxic_fee), share.min(int(report.realised.0).max(int(0))));
        prop_assert!(report.toxic_fee == 0 || wait < i64::from(window), "nothing from the end of the window on");
        // It stays in cash; nobody else gets anything of it.
        let kept = report.realised.0 - report.toxic_fee.cast_signed();
        prop_assert_eq!((report.paid.0, report.claim, report.quote_change.0, report.fee), (kept, 0, kept, 0));
        prop_assert_eq!(i128::from(world.market.book.cash), i128::from(cash) - i128::from(kept));
        prop_assert_eq!((world.money(), world.market.book.fees.total()), (money, Ok(0)));
        prop_assert!(report.realised.0 >= 0 || report.toxic_fee == 0, "losses pay nothing");
        prop_assert!(report.realised.0 < 0 || report.paid.0 >= 0, "a profit never becomes a loss");
    }

    /// On a flat curve the parts of a close pay what the whole pays, but for the units that each part rounds.
    #[test]
    fn splitting_a_close_does_not_lower_the_fee(
        side in any_side(), lots in any_lots(30), to in near(), wait in 0..30_i64,
        parts in prop::collection::vec(any_lots(28), 1..6),
    ) {
        let world = opened(&params(MAX_LOTS, 30, 5_000), side, lots, to, wait);
        let (mut whole, mut split) = (world.clone(), world);
        let whole = close_in_parts(&mut whole, &[], NOW + wait);
        let (paid, fees) = close_in_parts(&mut split, &parts, NOW + wait);
        let rounding = 4 * i64::try_from(parts.len() + 1).unwrap();
        prop_assert!(fees.cast_signed() >= whole.1.cast_signed() - rounding, "{} of {}", fees, whole.1);
        prop_assert!(paid <= whole.0 + rounding, "{} of {}", paid, whole.0);
    }

    /// On a bent curve the first lots of a close earn more than the last ones, and each part pays by its own profit: what
    /// that saves is at most the bend, `lots²·P/K`, over all the lots.
    #[test]
    fn what_splitting_a_close_saves_is_less_than_what_the_curve_bends(
        side in any_side(), lots in any_lots(30), to in near(), wait in 0..30_i64,
        parts in prop::collection::vec(any_lots(28), 1..6),
        scale in 36..50_u32,
    ) {
        let world = opened(&params(1 << scale, 30, 5_000), side, lots, to, wait);
        let bend = int(lots) * int(lots) * of_price(world.market.mark()) / int(1_u64 << scale);
        let (mut whole, mut split) = (world.clone(), world);
        let whole = close_in_parts(&mut whole, &[], NOW + wait);
        let (paid, fees) = close_in_parts(&mut split, &parts, NOW + wait);
        let rounding: Exact = int(4 * (parts.len() + 1));
        prop_assert!(int(fees) >= int(whole.1) - &bend - &rounding, "{} of {}", fees, whole.1);
        prop_assert!(int(paid - whole.0) <= bend + rounding, "{} of {}", paid, whole.0);
    }

    /// The fee falls with time, and an increase of any size starts the window again.
    #[test]
    fn the_fee_falls_with_time_and_begins_again_with_an_increase(
        side in any_side(), lots in any_lots(30), up in 1..100_u64, wait in 0..30_i64, more in 0..30_i64,
        added in 1..1_000_u64,
    ) {
        let to = if side == Side::Long { HALF + HALF / 100 * up } else { HALF - HALF / 200 * up };
        let closed = |wait| opened(&params(1 << 50, 30, 5_000), side, lots, to, wait);
        let fee = |wait| close(&mut closed(wait), Order::ALL, NOW + wait).toxic_fee;
        prop_assert!(fee(wait + more) <= fee(wait));
        prop_assert_eq!(fee(30), 0);
        let mut world = opened(&params(1 << 50, 30, 5_000), side, lots, to, 30);
        let order = Order { lots: added, limit: None, now: NOW + 30 };
        world.market.increase(&mut world.accounts[0].position, side, &order).unwrap();
        let late = close(&mut world, Order::ALL, NOW + 30);
        let share = (int(late.fill.notional) * ratio(5_000, 1_000_000)).ceil();
        prop_assert_eq!(int(late.toxic_fee), share.min(int(late.realised.0).max(int(0))));
    }
}

#[test]
fn a_toxic_fee_by_hand() {
    // 1000 lots from 0.5 to 0.75: a profit of 249 after a unit of impact; 0.4 % of 750 is 3, two thirds of it are left
    // after 10 s.
    let world = opened(&params(1 << 50, 30, 4_000), Side::Long, 1_000, ONE / 4 * 3, 10);
    let report = close(&mut world.clone(), Order::ALL, NOW + 10);
    assert_eq!((report.realised.0, report.toxic_fee, report.paid.0), (249, 2, 247));
    // With a claim: the fee comes first, and what cash does not cover of the rest waits.
    let mut poor = world.clone();
    poor.market.book.cash = 100;
    let report = close(&mut poor, Order::ALL, NOW + 10);
    assert_eq!((report.toxic_fee, report.paid.0, report.claim, poor.market.book.cash), (2, 100, 147, 0));
    // A window of zero is none, and a clock before the increase counts as its second.
    let mut free = world.clone();
    free.market.params.toxic_window = 0;
    assert_eq!(close(&mut free, Order::ALL, NOW + 10).toxic_fee, 0);
    let mut early = world;
    early.accounts[0].position.increased_at = NOW + 1_000;
    assert_eq!(close(&mut early, Order::ALL, NOW + 10).toxic_fee, 3);
}
