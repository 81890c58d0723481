//! Dust: nothing is too small to be closed, and rounding pays nobody, however often.

use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::units::Side;
use bulwark_tests::Trader;
use bulwark_tests::fixtures::DOLLAR;

use crate::support::*;

/// Any number of lots is an order, at a price of 0.12123 quote units a lot: everything rounds.
fn odd() -> MarketParams {
    MarketParams { step: 1, min_notional: DOLLAR, ..free() }
}

fn trouble(side: Side, cents: i64) -> (Scene, Trader, Trader) {
    let mut scene = Scene::new(odd());
    let victim = scene.funded_trader(700 * DOLLAR);
    let taker = scene.funded_trader(100_000 * DOLLAR);
    scene.hold(&victim, A, side, 100_000_000_007);
    scene.hold(&taker, A, side, 10_000_000_003);
    scene.go(A, cents);
    (scene, victim, taker)
}

#[test]
fn attack_21_two_hundred_takeovers_of_a_few_lots_pay_nobody() {
    for (side, cents) in [(Side::Long, 12_123), (Side::Short, 12_937)] {
        let (mut scene, victim, taker) = trouble(side, cents);
        let mut whole = scene.fork();
        let before = [scene.wealth([&victim]), scene.wealth([&taker]), scene.venue()];
        let [mut lots, mut concessions, mut fees] = [0; 3];
        for n in 0..200 {
            let taken = fill(&scene.liquidate(&taker, &victim.margin, A, 1 + n % 13).expect("dust"));
            (lots, concessions) = (lots + taken.lots, concessions + taken.concession);
            fees += taken.insurance.unsigned_abs();
        }
        let after = [scene.wealth([&victim]), scene.wealth([&taker]), scene.venue()];
        // The taker gets the concession at most and the venue loses nothing. What rounds, rounds for the victim.
        assert!(after[1] - before[1] <= i128::from(concessions), "{side:?} {before:?} {after:?}");
        assert!(after[2] >= before[2] - 1, "{side:?} {before:?} {after:?}");
        assert!(after[0] + after[1] <= before[0] + before[1] + 1, "{side:?} {before:?} {after:?}");
        // Once is as good as often, for whoever takes.
        let once = fill(&whole.liquidate(&taker, &victim.margin, A, lots).expect("at once"));
        assert!(once.concession >= concessions && once.insurance.unsigned_abs() >= fees);
        assert!(whole.wealth([&taker]) >= after[1] - 1);
        scene.consistent(A, &[&victim, &taker]);
    }
}

#[test]
fn attack_17_three_hundred_settlements_move_nothing() {
    let (mut scene, victim, taker) = trouble(Side::Long, 12_123);
    let before = (scene.wealth([&victim]), scene.wealth([&taker]), scene.venue());
    for _ in 0..150 {
        scene.settle(&victim.margin, A).expect("settle");
        scene.settle(&taker.margin, A).expect("settle");
    }
    assert_eq!((scene.wealth([&victim]), scene.wealth([&taker]), scene.venue()), before);
}

#[test]
fn attack_31_no_call_is_of_nothing_or_leaves_too_little() {
    let mut scene = Scene::new(params());
    let victim = scene.funded_trader(700 * DOLLAR);
    let taker = scene.funded_trader(100_000 * DOLLAR);
    scene.hold(&victim, A, Side::Long, 100 * ONE);
    scene.go(A, 12_150);
    scene.liquidate(&taker, &victim.margin, A, 0).expect("starts");
    assert_eq!(called(scene.liquidate(&taker, &victim.margin, A, 0)), 0, "nothing moves");
    refused(scene.liquidate(&taker, &victim.margin, A, 1), "NotAMultipleOfStep");
    refused(scene.liquidate(&taker, &victim.margin, A, STEP + 1), "NotAMultipleOfStep");
    // A step is worth 12 cents, less than a position may be.
    refused(scene.liquidate(&taker, &victim.margin, A, STEP), "BelowMinNotional");
    refused(scene.liquidate(&taker, &victim.margin, B, u64::MAX), "NoPosition");
    // More than is offered is cut down to that, and what is left is nothing or enough.
    for slots in [0, 10, 20, 60] {
        let mut scene = scene.fork();
        scene.call_for(&taker, &victim, A, slots);
        refused(scene.fork().liquidate(&taker, &victim.margin, A, STEP), "BelowMinNotional");
        let taken = fill(&scene.liquidate(&taker, &victim.margin, A, u64::MAX).expect("cut down"));
        let left = scene.lots(&victim, A).unsigned_abs();
        assert_eq!(taken.lots + left, 100 * ONE);
        assert!(left == 0 || left / 8 >= 10 * DOLLAR, "{slots}: {left}");
    }
}

#[test]
fn attack_31_the_smallest_account_is_closed_and_resolved() {
    // Ten dollars that become four cents: too small to be taken over, not too small for the pool.
    let mut scene = Scene::new(params());
    let victim = scene.funded_trader(DOLLAR);
    let taker = scene.funded_trader(1_000 * DOLLAR);
    scene.hold(&victim, A, Side::Long, 80 * STEP);
    scene.go(A, 50);
    refused(scene.liquidate(&taker, &victim.margin, A, u64::MAX), "BelowMinNotional");
    let fills = scene.close_out(&victim, Some(taker.margin));
    assert_eq!(fills.iter().map(|f| f.lots).sum::<u64>(), 80 * STEP);
    let debt = scene.quote(&victim);
    assert!(debt < 0);
    assert_eq!(scene.resolve(&victim, A).debt, debt.unsigned_abs());
    let close = bulwark_sdk::instruction::close_margin_account(
        bulwark_tests::Signer::pubkey(&victim.key),
        victim.margin,
    );
    scene.send(&[close], &[&victim.key]).expect("nothing is left of it");
}

#[test]
fn attack_a_skew_of_less_than_a_step_starts_the_auction_and_is_no_refusal() {
    // L1: the heavy side leads by less than a step, the pool can take nothing at once: the clock must start all the same.
    let mut scene = Scene::new(params());
    let victim = scene.funded_trader(700 * DOLLAR);
    let [other, winner] = [(); 2].map(|()| scene.funded_trader(100_000 * DOLLAR));
    scene.hold(&victim, A, Side::Long, 100 * ONE);
    scene.hold(&other, A, Side::Short, 100 * ONE);
    // An unwind of the shorts leaves a number of lots that is no multiple of anything.
    scene.go(A, 12_150);
    scene.tamper::<bulwark_sdk::program::state::Market>(&bulwark_sdk::address::market(A), |m| {
        let price = m.core.mark();
        m.core.book.short.unwind(price, 20).expect("unwind");
    });
    let skew = scene.market(A).core.book.skew().expect("skew").0;
    assert!(0 < skew && skew < STEP.cast_signed(), "{skew}");
    let started =
        scene.liquidate_to_pool(&victim.margin, A, Some(winner.margin)).expect("starts the auction");
    assert!(liquidated(&started).is_empty());
    assert!(scene.margin(&victim.margin).auction.started != 0);
    for n in 1..5 {
        scene.wait(10);
        assert_eq!(called(scene.liquidate_to_pool(&victim.margin, A, None)), 10 * n);
    }
    scene.wait(10);
    assert_eq!(fill(&scene.liquidate_to_pool(&victim.margin, A, None).expect("takeover")).elapsed, 50);
}
