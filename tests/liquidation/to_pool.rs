//! Handing a position to the pool: at once what brings the skew nearer to zero, anything after the auction, and the keeper's
//! pay.

use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction::{self as ix, Margin};
use bulwark_sdk::program::events::LiquidationKind;
use bulwark_tests::Trader;
use bulwark_tests::fixtures::{DOLLAR, PRINT};

use crate::support::*;

/// 125 dollars less a sixteenth.
const FALLEN: i64 = 117 * PRINT + PRINT * 3 / 16;

/// A long of 100 UNI with 218 dollars of equity against `shorts` of somebody else, and a keeper with nothing.
fn scene(shorts: u64) -> (Stage, Trader, Trader) {
    let mut stage = Stage::new();
    let victim = stage.holder(1_000, (A, Side::Long), 100 * ONE);
    if shorts > 0 {
        stage.holder(1_000_000, (A, Side::Short), shorts);
    }
    let keeper = stage.trader(0);
    stage.move_to(A, FALLEN);
    (stage, victim, keeper)
}

/// Lets slots pass in which the keeper calls the auction often enough.
fn wait(stage: &mut Stage, (victim, keeper): (&Trader, &Trader), slots: u64) {
    stage.keep_calling((keeper, victim), A, slots);
}

fn hand_over(
    stage: &mut Stage,
    victim: &Trader,
    keeper: Option<&Trader>,
) -> bulwark_sdk::program::events::Liquidated {
    liquidated(
        &stage.liquidate_to_pool(&victim.margin, A, keeper.map(|k| k.margin)).expect("liquidate_to_pool"),
    )
}

#[test]
fn what_reduces_the_skew_goes_at_once_at_the_first_concession_and_half_of_it_is_the_keepers() {
    let (mut stage, victim, keeper) = scene(0);
    let (quote, equity) = (stage.quote(&victim.margin), stage.equity(&victim.margin));
    let fill = hand_over(&mut stage, &victim, Some(&keeper));
    assert_eq!((fill.kind, fill.elapsed), (LiquidationKind::PoolReduction, 0));
    // (1.05·363.28125 − 218.125) / (3.255 % − 0.2 %) = 5,346.0 dollars, to the next step.
    near(worth(fill.lots, stage.mark(A)), 5_346_000_000, 117_188, "lots");
    let concession = worth(fill.lots, stage.mark(A)) / 500;
    near(fill.concession.into(), 0, 0, "the position is closed at the mark");
    near(stage.quote(&keeper.margin), concession / 2, 2, "half");
    assert_eq!(stage.quote(&keeper.margin), i128::from(fill.keeper));
    near(stage.insurance(A), concession - concession / 2, 3, "the other half");
    assert_eq!(stage.insurance(A), i128::from(fill.insurance));
    near(stage.equity(&victim.margin), equity - concession, 3, "paid by the account");
    assert_eq!(stage.quote(&victim.margin), quote + i128::from(fill.quote_change));
    assert!(20 * stage.equity(&victim.margin) >= 21 * stage.requirement(&victim.margin), "restored");
    assert_eq!(stage.market(A).core.book.long.lots, 100 * ONE - fill.lots);
    assert_eq!((fill.liquidator, fill.liquidator_lots), (keeper.margin, 0));
    stage.check_invariants(A, &[&victim, &keeper]);
}

#[test]
fn without_a_keeper_the_insurance_keeps_his_part() {
    let (mut stage, victim, keeper) = scene(0);
    let mut alone = stage.fork();
    let with = hand_over(&mut stage, &victim, Some(&keeper));
    let without = hand_over(&mut alone, &victim, None);
    assert_eq!((without.keeper, without.liquidator), (0, victim.margin));
    assert_eq!(alone.insurance(A), stage.insurance(A) + i128::from(with.keeper));
    assert_eq!(without.quote_change, with.quote_change, "the account pays the same");
}

#[test]
fn the_account_itself_is_not_the_keeper() {
    let (mut stage, victim, _) = scene(0);
    let account = stage.margin(&victim.margin);
    let margin = Margin { address: victim.margin, account: &account };
    let call = ix::liquidate_to_pool(&stage.listings, margin, A, Some(victim.margin)).expect("builds");
    refused(&mut stage, call, &[], "DuplicateAccount", "paid by itself");
}

#[test]
fn no_more_goes_at_once_than_the_skew_and_none_of_the_lighter_side() {
    // 20 UNI of skew: 20 go, although 45 are due.
    let (mut stage, victim, keeper) = scene(80 * ONE);
    let fill = hand_over(&mut stage, &victim, Some(&keeper));
    assert_eq!(fill.lots, 20 * ONE);
    let book = stage.market(A).core.book;
    assert_eq!((book.long.lots, book.short.lots), (80 * ONE, 80 * ONE));
    // Now it is balanced: nothing to reduce.
    let outcome = stage.liquidate_to_pool(&victim.margin, A, Some(keeper.margin)).expect("a call");
    assert!(matches!(outcome.events[..], [Event::AuctionCalled(_)]));
    // The lighter side: the first call starts the auction, the next ones keep it running.
    let (mut stage, victim, keeper) = scene(200 * ONE);
    let outcome = stage.liquidate_to_pool(&victim.margin, A, Some(keeper.margin)).expect("starts");
    assert!(matches!(outcome.events[..], [Event::AuctionCalled(_)]));
    for (slots, elapsed) in [(1, 1), (10, 11), (10, 21), (10, 31), (10, 41), (8, 49)] {
        stage.pass(slots);
        let outcome = stage.liquidate_to_pool(&victim.margin, A, Some(keeper.margin)).expect("a call");
        let [Event::AuctionCalled(called)] = &outcome.events[..] else { panic!("{outcome:?}") };
        assert_eq!((called.elapsed, stage.quote(&keeper.margin)), (elapsed, 0), "before slot 50");
    }
    stage.pass(1);
    assert_eq!(hand_over(&mut stage, &victim, Some(&keeper)).elapsed, 50);
}

#[test]
fn a_skew_that_is_no_multiple_of_the_step_is_reduced_by_whole_steps() {
    let (mut stage, victim, keeper) = scene(80 * ONE);
    stage.move_to(A, 110 * PRINT);
    stage.unwind_half(A, Side::Short);
    // 40 UNI of shorts are left, less a rounding: the skew is 60 UNI and a bit.
    let skew = stage.market(A).core.book.skew().expect("skew").0;
    assert!((60 * ONE.cast_signed()..60 * ONE.cast_signed() + 10).contains(&skew), "{skew}");
    let fill = hand_over(&mut stage, &victim, Some(&keeper));
    assert_eq!(fill.lots, 60 * ONE, "all are due, 60 reduce");
}

#[test]
fn after_50_slots_the_pool_takes_over_along_the_curve() {
    let (mut stage, victim, keeper) = scene(200 * ONE);
    stage.liquidate_to_pool(&victim.margin, A, None).expect("starts");
    wait(&mut stage, (&victim, &keeper), 50);
    let fill = hand_over(&mut stage, &victim, Some(&keeper));
    assert_eq!((fill.kind, fill.elapsed), (LiquidationKind::PoolTakeover, 50));
    // As much as restores the account at the curve of all of it, from −100 to −200 UNI of skew: 0.015 %, and the fee. So
    // 163.3203125 / (3.255 % − 0.515 %) = 5,960.6 dollars: 50.864 UNI.
    assert_eq!(fill.lots, 50_864_000_000);
    // Along the curve that is from −100 to −150.864: 1 − 125.432/1,000,000 of the mark.
    let mark = worth(fill.lots, stage.mark(A));
    near(fill.cost.into(), -mark + mark * 125_432 / 1_000_000_000, 2, "curve");
    near(fill.insurance.into(), mark * 5_000 / 1_000_000, 2, "the fee: there is equity for it");
    near(
        stage.equity(&victim.margin),
        218_125_000 - mark * 5_125_432 / 1_000_000_000,
        4,
        "the rest is the account's",
    );
    assert!(20 * stage.equity(&victim.margin) >= 21 * stage.requirement(&victim.margin), "restored");
    let book = stage.market(A).core.book;
    assert_eq!((book.long.lots, book.short.lots), (100 * ONE - fill.lots, 200 * ONE));
}

#[test]
fn the_pool_never_pays_less_than_leaves_the_account_at_zero() {
    // A curve of 0.5 % at most, reached at once; the equity is 0.198 % of the position.
    let (mut stage, victim, keeper) = scene(200 * ONE);
    stage.set_params(A, |p| p.skew_scale = 10_000_000_000_000);
    stage.move_to(A, 115 * PRINT + PRINT * 15 / 64);
    assert_eq!(stage.equity(&victim.margin), 22_812_500);
    stage.liquidate_to_pool(&victim.margin, A, None).expect("starts");
    wait(&mut stage, (&victim, &keeper), 50);
    let fill = hand_over(&mut stage, &victim, Some(&keeper));
    near(i128::from(fill.cost) + worth(100 * ONE, stage.mark(A)), 22_812_500, 4, "π_zero and no more");
    assert_eq!((fill.insurance, fill.keeper), (0, 0), "no fee is left to take");
    let left = stage.quote(&victim.margin);
    assert!((0..=4).contains(&left), "{left}");
}

#[test]
fn the_pool_takes_the_heavy_side_over_at_a_curve_that_pays_for_it() {
    let (mut stage, victim, keeper) = scene(0);
    stage.liquidate_to_pool(&victim.margin, B, None).expect_err("no position there");
    let taker = stage.funded_trader(100_000 * DOLLAR);
    stage.liquidate(&taker, &victim.margin, A, 0).expect("starts");
    wait(&mut stage, (&victim, &keeper), 50);
    let fill = hand_over(&mut stage, &victim, Some(&keeper));
    // At no concession: 163.3203125 / (3.255 % − 0.5 %) = 5,928.1 dollars, 50.587 UNI.
    assert_eq!((fill.kind, fill.lots), (LiquidationKind::PoolTakeover, 50_587_000_000));
    // From 100 UNI of skew to 49.413: 74.7 millionths above the mark.
    let mark = worth(fill.lots, stage.mark(A));
    near(fill.cost.into(), -mark - mark * 74_706 / 1_000_000_000, 20, "the curve pays for it");
}

#[test]
fn the_tip_of_a_takeover_is_flat_and_bounded_by_what_it_brings() {
    // (tip, taker fee, price, paid): fee of 0.5 % of 5,960.6 dollars; without equity there is none, and half a
    // taker fee of 0.05 % of 11,230.46875 dollars is 2.807617.
    let table = [
        (DOLLAR, 0, FALLEN, 1_000_000),
        (10 * DOLLAR, 0, FALLEN, 10_000_000),
        (10 * DOLLAR, 0, 112 * PRINT + PRINT * 39 / 128, 0),
        (DOLLAR, 500, 112 * PRINT + PRINT * 39 / 128, 1_000_000),
        (10 * DOLLAR, 500, 112 * PRINT + PRINT * 39 / 128, 2_807_617),
    ];
    for (tip, fee, price, paid) in table {
        let (mut stage, victim, keeper) = scene(200 * ONE);
        for market in [A, B] {
            stage.set_params(market, |p| (p.deleverage.keeper_tip, p.taker_fee_ppm) = (tip, fee));
        }
        stage.insure(A, 100 * DOLLAR);
        stage.move_to(A, price);
        stage.liquidate_to_pool(&victim.margin, A, Some(keeper.margin)).expect("starts");
        assert_eq!(stage.quote(&keeper.margin), 0, "a start is not paid");
        wait(&mut stage, (&victim, &keeper), 50);
        let mut alone = stage.fork();
        let before = stage.insurance(A);
        let fill = hand_over(&mut stage, &victim, Some(&keeper));
        assert_eq!((i128::from(fill.keeper), stage.quote(&keeper.margin)), (paid, paid), "{tip} {fee}");
        let without = hand_over(&mut alone, &victim, None);
        assert_eq!((without.keeper, i128::from(without.insurance)), (0, i128::from(fill.insurance) + paid));
        assert_eq!(stage.insurance(A) - before, i128::from(fill.insurance));
    }
}

#[test]
fn the_tip_is_no_more_than_the_insurance_has() {
    let (mut stage, victim, keeper) = scene(200 * ONE);
    for market in [A, B] {
        stage.set_params(market, |p| (p.deleverage.keeper_tip, p.taker_fee_ppm) = (DOLLAR, 500));
    }
    stage.insure(A, 300);
    stage.move_to(A, 112 * PRINT + PRINT * 39 / 128);
    stage.liquidate_to_pool(&victim.margin, A, None).expect("starts");
    wait(&mut stage, (&victim, &keeper), 50);
    let fill = hand_over(&mut stage, &victim, Some(&keeper));
    assert_eq!((fill.keeper, fill.insurance, stage.insurance(A)), (300, -300, 0));
}

#[test]
fn a_short_is_handed_over_the_same_way() {
    let mut stage = Stage::new();
    let victim = stage.holder(1_000, (A, Side::Short), 100 * ONE);
    let keeper = stage.trader(0);
    stage.move_to(A, 132 * PRINT + PRINT * 13 / 16);
    let fill = hand_over(&mut stage, &victim, Some(&keeper));
    assert_eq!((fill.side, fill.kind), (1, LiquidationKind::PoolReduction));
    // (1.05·411.71875 − 218.125) / 3.055 % = 7,010.9 dollars.
    near(worth(fill.lots, stage.mark(A)), 7_010_894_000, 132_813, "lots");
    near(fill.cost.into(), worth(fill.lots, stage.mark(A)), 1, "bought back at the mark");
    near(stage.quote(&keeper.margin), 7_010_894_000 / 1_000, 200, "0.1 %");
    assert!(20 * stage.equity(&victim.margin) >= 21 * stage.requirement(&victim.margin));
}
