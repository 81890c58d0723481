//! Who takes a position over: the liquidator's account after it.

use bulwark_sdk::address;
use bulwark_sdk::engine::position::Position;
use bulwark_sdk::engine::units::{Lots, Side};
use bulwark_sdk::program::state::{MarginAccount, Market};
use bulwark_tests::Trader;
use bulwark_tests::fixtures::{DOLLAR, PRINT};

use crate::support::*;

/// A long of 100 UNI on 1,000 dollars at 15/16 of its entry: 6,392 dollars of it are on offer.
fn scene() -> (Stage, Trader) {
    let mut stage = Stage::new();
    let victim = stage.holder(1_000, (A, Side::Long), 100 * ONE);
    stage.settle_at(A, 117 * PRINT + PRINT * 3 / 16);
    (stage, victim)
}

#[test]
fn who_takes_over_must_hold_initial_margin_after_it() {
    let (mut stage, victim) = scene();
    // 100,000 dollars would be enough for anything. 5 % of 5,859.375 dollars are 292.96875; the concession of 0.2 % is
    // 11.71875 of profit, of which half counts: 287.11 dollars are needed.
    let [poor, rich] = [287 * DOLLAR, 288 * DOLLAR].map(|quote| stage.funded_trader(quote));
    let call = stage.liquidate_instruction(&poor, &victim.margin, A, 50 * ONE);
    refused(&mut stage, call, &[&poor.key], "InsufficientMargin", "287 dollars");
    stage.fork().take_over(&poor, &victim, A, 49 * ONE);
    let fill = stage.take_over(&rich, &victim, A, 50 * ONE);
    assert_eq!(fill.lots, 50 * ONE);
    near(stage.equity(&rich.margin), 288_000_000 + 11_718_750, 3, "and the concession");
}

#[test]
fn the_average_counts_against_who_takes_over() {
    // The average is still where the price was: at 125 dollars 50 UNI ask for 312.5 less 5.86 of profit.
    let mut stage = Stage::new();
    let victim = stage.holder(1_000, (A, Side::Long), 100 * ONE);
    stage.settle_at(A, 117 * PRINT + PRINT * 3 / 16);
    let high = stage.market(B).core.oracle.price;
    stage.tamper::<Market>(&address::market(A), |m| m.core.oracle.ema = high);
    let [poor, rich] = [306 * DOLLAR, 307 * DOLLAR].map(|quote| stage.funded_trader(quote));
    is(stage.liquidate(&poor, &victim.margin, A, 50 * ONE), "InsufficientMargin");
    stage.take_over(&rich, &victim, A, 50 * ONE);
}

#[test]
fn what_he_holds_elsewhere_counts_too() {
    let (mut stage, victim) = scene();
    // 100 DUO ask for 625 of 900 dollars.
    let taker = stage.holder(900, (B, Side::Short), 100 * ONE);
    is(stage.liquidate(&taker, &victim.margin, A, 50 * ONE), "InsufficientMargin");
    let fill = stage.take_over(&taker, &victim, A, 40 * ONE);
    assert_eq!((fill.lots, stage.position(&taker.margin, A).lots.0), (40 * ONE, 40_000_000_000));
}

#[test]
fn his_own_position_of_that_side_grows_and_one_of_the_other_side_is_refused() {
    let (mut stage, victim) = scene();
    let long = stage.holder(10_000, (A, Side::Long), 10 * ONE);
    let short = stage.holder(10_000, (A, Side::Short), 10 * ONE);
    let call = stage.liquidate_instruction(&short, &victim.margin, A, 20 * ONE);
    refused(&mut stage, call, &[&short.key], "OppositeSide", "a short");
    let before = stage.position(&long.margin, A);
    let fill = stage.take_over(&long, &victim, A, 20 * ONE);
    let after = stage.position(&long.margin, A);
    assert_eq!((after.lots.0, after.quote.0), (30_000_000_000, before.quote.0 + fill.cost));
    assert_eq!((fill.liquidator_lots, fill.liquidator_quote), (after.lots.0, after.quote.0));
    stage.check_invariants(A, &[&victim, &long, &short]);
}

#[test]
fn he_needs_a_free_slot() {
    let (mut stage, victim) = scene();
    let taker = stage.funded_trader(100_000 * DOLLAR);
    let call = stage.liquidate_instruction(&taker, &victim.margin, A, 20 * ONE);
    stage.tamper::<MarginAccount>(&taker.margin, |account| {
        for (slot, market) in account.positions.iter_mut().zip(10..) {
            *slot = Position { lots: Lots(1), ..Position::new(market, Side::Long) };
        }
    });
    refused(&mut stage, call.clone(), &[&taker.key], "NoFreePositionSlot", "sixteen positions elsewhere");
    stage.tamper::<MarginAccount>(&taker.margin, |account| account.positions = [Position::EMPTY; 16]);
    stage.send(&[call], &[&taker.key]).expect("a free slot");
}

#[test]
fn he_holds_at_least_the_minimum_afterwards() {
    let (mut stage, victim) = scene();
    let taker = stage.funded_trader(100_000 * DOLLAR);
    // 10 dollars are 0.0853… UNI at 117.1875.
    let call = stage.liquidate_instruction(&taker, &victim.margin, A, 85_000_000);
    refused(&mut stage, call, &[&taker.key], "BelowMinNotional", "9.96 dollars");
    assert_eq!(stage.take_over(&taker, &victim, A, 86_000_000).lots, 86_000_000);
    // Then more of any size.
    assert_eq!(stage.take_over(&taker, &victim, A, 1_000_000).lots, 1_000_000);
}

#[test]
fn nobody_takes_over_his_own_account_and_another_account_of_his_gains_nothing() {
    let (mut stage, victim) = scene();
    let own = stage.liquidate_instruction(&victim, &victim.margin, A, 20 * ONE);
    refused(&mut stage, own, &[&victim.key], "DuplicateAccount", "himself");
    let other = stage.funded_trader(100_000 * DOLLAR);
    let sum = |stage: &Stage| stage.equity(&victim.margin) + stage.equity(&other.margin);
    for slots in [0, 10, 10] {
        if slots > 0 {
            stage.pass(slots);
        }
        let (before, insurance) = (sum(&stage), stage.insurance(A));
        stage.take_over(&other, &victim, A, 10 * ONE);
        assert!(sum(&stage) <= before - (stage.insurance(A) - insurance), "the fee is lost to both");
    }
}

#[test]
fn nothing_that_can_be_paused_stops_a_liquidation() {
    let (mut stage, victim) = scene();
    let taker = stage.funded_trader(100_000 * DOLLAR);
    stage.pause(u8::MAX);
    stage.tamper::<Market>(&address::market(A), |m| (m.pause, m.status) = (u8::MAX, 0));
    assert_eq!(stage.take_over(&taker, &victim, A, 20 * ONE).lots, 20 * ONE);
    let fill =
        liquidated(&stage.liquidate_to_pool(&victim.margin, A, Some(taker.margin)).expect("heavy side"));
    assert!(fill.lots > 0);
}

#[test]
fn caps_do_not_bind_who_takes_over() {
    // Open interest does not change: a full market can still be liquidated.
    let (mut stage, victim) = scene();
    let taker = stage.funded_trader(100_000 * DOLLAR);
    stage.set_params(A, |p| (p.max_oi, p.share_floor, p.max_share_ppm, p.max_skew_ppm) = (0, 0, 0, 0));
    is(stage.open(&taker, A, Side::Long, ONE), "OpenInterestCap");
    assert_eq!(stage.take_over(&taker, &victim, A, 20 * ONE).lots, 20 * ONE);
}
