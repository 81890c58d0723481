//! A market that settles pays everybody the same part, and nobody holds that up.

use bulwark_sdk::engine::settlement::PATIENCE;
use bulwark_sdk::engine::units::Side;
use bulwark_tests::Trader;
use bulwark_tests::fixtures::DOLLAR;

use crate::support::*;

const LOTS: u64 = 100 * ONE;
/// Slots of ten days.
const TEN_DAYS: u64 = 2_160_000;

/// A trader without collateral who owes 500 dollars for A and has won 5,000 in B; a short in A who has won more than A has.
/// A long on 700 dollars loses 6,500, and the market settles.
fn settling(claim: bool) -> (Scene, Trader, Trader) {
    let mut scene = Scene::new(free());
    let loser = scene.funded_trader(700 * DOLLAR);
    let winner = scene.funded_trader(5_000 * DOLLAR);
    scene.hold(&loser, A, Side::Long, LOTS);
    scene.hold(&winner, A, Side::Short, LOTS);

    let debtor = scene.funded_trader(2_000 * DOLLAR);
    scene.hold(&debtor, B, Side::Long, LOTS);
    scene.settle_at(B, 17_500);
    scene.hold(&debtor, A, Side::Long, LOTS);
    scene.go(A, 10_000);
    scene.close(&debtor, A, u64::MAX).expect("close");
    scene.go(A, 12_500);
    near(scene.quote(&debtor), -dollars(500));
    if claim {
        scene.drain(B, 0);
        scene.close(&debtor, B, u64::MAX).expect("close");
    }

    scene.drain(A, 1_000 * DOLLAR);
    scene.settle_at(A, 6_000);
    scene.close_out(&loser, None);
    let resolved = scene.resolve(&loser, A);
    assert!(resolved.traders > 0 && scene.market(A).core.is_settling(), "{resolved:?}");
    scene.settle(&winner.margin, A).expect("its position");
    refused(scene.settle(&winner.margin, A), "ClaimsWait");
    (scene, winner, debtor)
}

/// Tries whatever anyone may send to make the debtor pay, now and ten days later. Whether the winner's claim was paid.
fn is_paid_in_ten_days((mut scene, winner, debtor): (Scene, Trader, Trader)) -> bool {
    let buyer = scene.funded_trader(100_000 * DOLLAR);
    for _ in 0..2 {
        let _ = scene.press_debtor(&buyer, (&debtor.margin, Some(A)), GOLD, u64::MAX);
        let _ = scene.liquidate(&buyer, &debtor.margin, B, u64::MAX);
        let _ = scene.liquidate_to_pool(&debtor.margin, B, None);
        for market in [A, B] {
            let _ = scene.settle(&debtor.margin, market);
            let _ = scene.resolve_bankruptcy(&debtor.margin, market);
        }
        if scene.settle(&winner.margin, A).is_ok() {
            return true;
        }
        scene.wait(TEN_DAYS);
    }
    false
}

#[test]
fn attack_a_debtor_with_profit_on_paper_elsewhere_holds_up_no_claim() {
    assert!(is_paid_in_ten_days(settling(false)));
}

#[test]
fn attack_a_debtor_with_a_claim_elsewhere_holds_up_no_claim() {
    assert!(is_paid_in_ten_days(settling(true)));
}

/// A winner with a claim of 6,500 dollars on a market that settles with 1,000 dollars and what a debtor with so much gold owes
/// for it: 1,500. The debtor's gold is worth 125 dollars a unit.
fn with_gold(gold: u64) -> (Scene, Trader, Trader) {
    let mut scene = Scene::new(free());
    let debtor = scene.with_gold(1_000, gold);
    scene.hold(&debtor, A, Side::Long, LOTS);
    scene.go(A, 10_000);
    scene.close(&debtor, A, u64::MAX).expect("close");
    scene.go(A, 12_500);
    nearly(scene.quote(&debtor), -dollars(1_500));
    let winner = scene.funded_trader(5_000 * DOLLAR);
    scene.hold(&winner, A, Side::Short, LOTS);
    scene.settle_at(A, 6_000);
    scene.drain(A, 2_500 * DOLLAR);
    let loser = scene.bankrupt(A, Side::Long, 6_500 * DOLLAR);
    let event = scene.resolve(&loser, A);
    assert!(event.traders > 0 && scene.market(A).core.is_settling(), "{event:?}");
    nearly(scene.market(A).core.book.payable(), 1_000 * DOLLAR);
    scene.settle(&winner.margin, A).expect("its position");
    refused(scene.settle(&winner.margin, A), "ClaimsWait");
    (scene, winner, debtor)
}

#[test]
fn attack_a_debtor_with_collateral_is_made_to_pay_at_once_and_loses_two_thousandths() {
    let (mut scene, winner, debtor) = with_gold(20 * ONE);
    let before = scene.wealth([&debtor]);
    let (who, quote) = (scene.funded_trader(100_000 * DOLLAR), scene.quote(&winner));
    // Not in the name of a market that needs nothing, and not for more than he owes.
    let mut threshold = scene.fork();
    threshold.create_and_deposit(&debtor, 600 * DOLLAR);
    refused(threshold.press_debtor(&who, (&debtor.margin, Some(B)), GOLD, u64::MAX), "Healthy");
    refused(threshold.press_debtor(&who, (&debtor.margin, None), GOLD, u64::MAX), "Healthy");
    let sale =
        sold(&threshold.press_debtor(&who, (&debtor.margin, Some(A)), GOLD, u64::MAX).expect("presses"));
    nearly(sale.proceeds, 900 * DOLLAR);
    let sale = sold(&scene.press_debtor(&who, (&debtor.margin, Some(A)), GOLD, u64::MAX).expect("presses"));
    nearly(sale.proceeds, 1_500 * DOLLAR);
    assert!(sale.discount <= (1 << 32) / 500);
    assert!(before - scene.wealth([&debtor]) <= dollars(1_500) / 498, "{before} {}", scene.wealth([&debtor]));
    scene.settle(&debtor.margin, A).expect("has repaid");
    scene.settle(&winner.margin, A).expect("is paid");
    nearly(scene.quote(&winner) - quote, dollars(2_500));
    let book = scene.market(A).core.book;
    assert_eq!((book.unbacked, book.unpaid_claims, book.positions), (0, 0, 0));
}

#[test]
fn attack_a_debtor_whose_collateral_nobody_prices_holds_up_no_claim_for_longer_than_a_week() {
    // The gold's oracle dies: it fades from the second day on, and is nobody's any more after seven; by then claims are paid
    // without him. Whichever comes first, the winner has what is there: all of it if the gold was bought, his share if not.
    for (bought, expected) in [(false, 1_000), (true, 2_500)] {
        let (mut scene, winner, debtor) = with_gold(1_000 * ONE);
        scene.dead[2] = true;
        let (buyer, quote) = (scene.funded_trader(100_000 * DOLLAR), scene.quote(&winner));
        let start = scene.now();
        while scene.settle(&winner.margin, A).is_err() {
            scene.wait(54_000);
            assert!(scene.now() - start <= PATIENCE + 21_600, "a week, and a call of six hours");
            if bought {
                let _ = scene.press_debtor(&buyer, (&debtor.margin, Some(A)), GOLD, u64::MAX);
                let _ = scene.settle(&debtor.margin, A);
            }
        }
        let days = (scene.now() - start) / 86_400;
        println!("bought {bought}: paid after {days} days");
        if !bought {
            nearly(scene.quote(&winner) - quote, dollars(expected));
        } else {
            assert!(scene.quote(&winner) - quote >= 1_000 * DOLLAR.cast_signed() - 1_000_000);
            assert!(
                scene.quote(&winner) - quote <= i64::try_from(dollars(expected)).expect("fits") + 1_000_000
            );
        }
    }
}

#[test]
fn attack_a_debtor_who_pays_late_does_not_take_the_claims_of_others_with_him() {
    // He owns the pool's shares and waits for the week to pass: then what he pays is the pool's. The winner, or anyone, sells his
    // gold before that; only if nobody does so for a week, the pool has what the winner has not, and nobody has more than before.
    let (scene, winner, debtor) = with_gold(20 * ONE);
    let mut late = scene.fork();
    late.wait(u64::try_from(PATIENCE).expect("fits") * 5 / 2 + 10);
    let (total, quote) = (late.wealth([&winner, &debtor]) + late.venue(), late.quote(&winner));
    late.settle(&winner.margin, A).expect("is paid");
    nearly(late.quote(&winner) - quote, dollars(1_000));
    let owed = late.quote(&debtor).unsigned_abs();
    late.create_and_deposit(&debtor, owed);
    late.settle(&debtor.margin, A).expect("has repaid");
    let allocate = bulwark_sdk::instruction::allocate_liquidity(&late.listings, A);
    late.send(&[allocate], &[]).expect("the rest is the pool's");
    let after = late.wealth([&winner, &debtor]) + late.venue();
    nearly(after - total, dollars(1_500));
    assert_eq!(late.market(A).core.book.cash, 0);
    // In time.
    let mut early = scene.fork();
    early.create_and_deposit(&debtor, owed);
    early.settle(&debtor.margin, A).expect("has repaid");
    early.settle(&winner.margin, A).expect("is paid");
    nearly(early.quote(&winner) - quote, dollars(2_500));
}
