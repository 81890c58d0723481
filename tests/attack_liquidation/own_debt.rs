//! What somebody owes a market is no backing for new risk of his in it.

use bulwark_sdk::engine::units::Side;
use bulwark_tests::Trader;
use bulwark_tests::fixtures::DOLLAR;

use crate::support::*;

const LOTS: u64 = 100 * ONE;

/// A trader with much gold who owes 1,500 dollars for A; A has 1,600 dollars, so 100 that anybody may count on.
fn owing() -> (Scene, Trader) {
    let mut scene = Scene::new(free());
    let who = scene.with_gold(1_000, 1_000 * ONE);
    scene.hold(&who, A, Side::Long, LOTS);
    scene.go(A, 10_000);
    scene.close(&who, A, u64::MAX).expect("close");
    scene.go(A, 12_500);
    scene.drain(A, 1_600 * DOLLAR);
    nearly(scene.market(A).core.book.payable(), 100 * DOLLAR);
    (scene, who)
}

#[test]
fn attack_caps_are_not_lifted_by_ones_own_debt() {
    // A skew of as much as the market has of its own is allowed: 100 dollars, for him like for anybody else.
    let (mut scene, who) = owing();
    let other = scene.funded_trader(10_000 * DOLLAR);
    for (trader, side) in [(&who, Side::Long), (&who, Side::Short), (&other, Side::Long)] {
        let mut scene = scene.fork();
        refused(scene.open(trader, A, side, 2 * ONE), "SkewCap");
        scene.open(trader, A, side, ONE * 79 / 100).expect("99 dollars");
        refused(scene.open(trader, A, side, ONE), "SkewCap");
    }
    // Paid, it counts.
    let owed = scene.quote(&who).unsigned_abs();
    scene.create_and_deposit(&who, owed);
    refused(scene.fork().open(&other, A, Side::Long, 10 * ONE), "SkewCap");
    scene.settle(&who.margin, A).expect("brings the market up to date");
    scene.open(&other, A, Side::Long, 10 * ONE).expect("1,250 dollars of 1,600");
}

#[test]
fn attack_profits_beyond_the_cap_are_not_hidden_behind_ones_own_debt() {
    // The cap on the traders' profit is 70 % of 100 dollars: a small long of his that has won more stops him, though the market
    // has 1,600 with what he owes.
    let (mut scene, who) = owing();
    scene.hold(&who, A, Side::Long, 79 * ONE / 100);
    scene.settle_at(A, 22_500);
    refused(scene.open(&who, A, Side::Short, ONE), "OppositeSide");
    let other = scene.funded_trader(10_000 * DOLLAR);
    for trader in [&who, &other] {
        let failure = scene.fork().open(trader, A, Side::Long, 100 * STEP).expect_err("a cap");
        assert!(failure.is("ProfitCap") || failure.is("SkewCap"), "{failure:?}");
    }
    refused(scene.fork().open(&other, A, Side::Short, 700 * STEP), "ProfitCap");
}

#[test]
fn attack_a_round_trip_with_a_debt_pays_nobody_from_it() {
    // He wins 79 dollars while 1,500 of his own are in the market: his debt falls by them, no token leaves.
    let (mut scene, who) = owing();
    let before = (scene.wealth([&who]), scene.quote(&who));
    scene.hold(&who, A, Side::Long, 79 * ONE / 100);
    scene.settle_at(A, 22_500);
    let closed = scene.close(&who, A, u64::MAX).expect("close");
    assert_eq!(closed.trade().claim, 0);
    nearly(scene.quote(&who) - before.1, dollars(79));
    nearly(scene.wealth([&who]) - before.0, dollars(79));
    let book = scene.market(A).core.book;
    nearly(book.unbacked, (1_500 - 79) * DOLLAR);
    nearly(book.payable(), 100 * DOLLAR);
    refused(scene.withdraw(&who, 0, (who.tokens, 1)), "InsufficientBalance");
}
