//! Money that is owed is no money: nobody is paid from it, it stays where it was lost, and no fee adds to it.

use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::units::{Quote, Side};
use bulwark_tests::Trader;
use bulwark_tests::fixtures::DOLLAR;

use crate::support::*;

const LOTS: u64 = 100 * ONE;

/// What of the account's debt falls on each market.
fn shares(scene: &Scene, who: &Trader) -> [u64; 2] {
    let account = scene.margin(&who.margin);
    [A, B].map(|market| account.debts.share(market, account.quote).expect("share"))
}

/// A trader with gold who owes 1,500 dollars for A, where the price is 125 again.
fn owing(scene: &mut Scene) -> Trader {
    let who = scene.with_gold(1_000, 1_000 * ONE);
    scene.hold(&who, A, Side::Long, LOTS);
    scene.go(A, 10_000);
    scene.close(&who, A, u64::MAX).expect("close");
    scene.go(A, 12_500);
    near(shares(scene, &who)[0], 1_500 * DOLLAR);
    assert_eq!(shares(scene, &who)[1], 0);
    who
}

#[test]
fn attack_taking_over_with_an_account_that_owes_pays_nobody_from_its_debt() {
    // H2: market A has 4,000 dollars, 1,500 of which the taker owes. The victim's long has won 3,000, its short in B lost
    // as much and more. The attacker owns both and wants the 3,000 in cash.
    let mut scene = Scene::new(free());
    let taker = owing(&mut scene);
    let victim = scene.funded_trader(3_600 * DOLLAR);
    scene.hold(&victim, A, Side::Long, 2 * LOTS);
    scene.hold(&victim, B, Side::Short, 3 * LOTS / 2);
    scene.go(A, 14_000);
    scene.go(B, 16_300);
    scene.drain(A, 4_000 * DOLLAR);
    assert_eq!(scene.first(&victim), Some(A));
    let book = scene.market(A).core.book;
    near(book.unbacked, 1_500 * DOLLAR);
    let (owed, payable) = (book.unbacked, book.payable());
    let before = (scene.wealth([&taker, &victim]), scene.quote(&victim));
    let taken = fill(&scene.liquidate(&taker, &victim.margin, A, u64::MAX).expect("takes over"));
    assert_eq!(taken.lots, 2 * LOTS, "the whole of it");
    assert_eq!(taken.paid, payable.cast_signed(), "what is backed");
    assert!(taken.claim > 400 * DOLLAR, "the rest waits: {}", taken.claim);
    assert_eq!(scene.quote(&victim) - before.1, taken.quote_change);
    let book = scene.market(A).core.book;
    assert_eq!((book.cash, book.unbacked), (owed, owed));
    assert!(scene.wealth([&taker, &victim]) <= before.0);
}

#[test]
fn attack_repaying_between_two_losses_does_not_move_a_debt_to_another_market() {
    // H1: 1,500 are owed for A; 1,200 are paid in, then 1,200 lost in B. A is owed 300, B 1,200.
    for (first, second) in [(A, B), (B, A)] {
        let mut scene = Scene::new(free());
        let who = scene.with_gold(1_000, 100 * ONE);
        scene.hold(&who, first, Side::Long, LOTS);
        scene.go(first, 10_000);
        scene.close(&who, first, u64::MAX).expect("close");
        scene.create_and_deposit(&who, 1_200 * DOLLAR);
        scene.hold(&who, second, Side::Long, LOTS);
        scene.go(second, 11_300);
        scene.close(&who, second, u64::MAX).expect("close");
        let owed = shares(&scene, &who);
        let expected = if first == A { [300, 1_200] } else { [1_200, 300] };
        for (owed, expected) in owed.into_iter().zip(expected) {
            near(owed, expected * DOLLAR);
        }
        // The gold turns to dust, and each market pays its own.
        scene.go(2, 30);
        let buyer = scene.funded_trader(1_000 * DOLLAR);
        while scene.margin(&who.margin).holds(GOLD) {
            scene.liquidate_collateral(&buyer, &who.margin, GOLD, u64::MAX).expect("in trouble");
            scene.wait(20);
        }
        let cash = [A, B].map(|m| scene.market(m).core.book.cash);
        for (market, expected) in [(A, expected[0]), (B, expected[1])] {
            let paid = scene.resolve(&who, market);
            let proceeds = 30 * DOLLAR;
            assert!(
                paid.debt <= (expected + 1) * DOLLAR && paid.debt + proceeds >= expected * DOLLAR,
                "{paid:?}"
            );
            assert_eq!(cash[usize::from(market)] - scene.market(market).core.book.cash, paid.pool);
        }
        assert_eq!(scene.margin(&who.margin).quote, Quote::ZERO);
    }
}

#[test]
fn attack_a_debt_that_was_repaid_elsewhere_is_released_by_anyone() {
    // What the market holds back for somebody who has paid in meanwhile holds up nobody: settling frees it.
    let mut scene = Scene::new(free());
    let who = owing(&mut scene);
    scene.create_and_deposit(&who, 2_000 * DOLLAR);
    near(scene.market(A).core.book.unbacked, 1_500 * DOLLAR);
    scene.settle(&who.margin, A).expect("for anyone to call");
    assert_eq!(scene.market(A).core.book.unbacked, 0);
    refused(scene.settle(&who.margin, A), "NoPosition");
}

#[test]
fn attack_no_keeper_is_paid_from_what_a_loser_owes() {
    // H3: the market has nothing of its own. What the victim's gold stands for is booked, as cash and as insurance, and the
    // attacker's keeper would like half of the concession in tokens.
    for slots in [0, 5, 60] {
        let mut scene = Scene::new(free());
        let victim = scene.with_gold(1, 8 * ONE);
        let keeper = scene.funded_trader(DOLLAR);
        scene.hold(&victim, A, Side::Long, LOTS);
        scene.go(A, 11_800);
        scene.drain(A, 0);
        let before = scene.wealth([&keeper]);
        if slots > 0 {
            scene.liquidate(&keeper, &victim.margin, A, 0).expect("starts");
        }
        scene.call_for(&keeper, &victim, A, slots);
        let given = fill(
            &scene.liquidate_to_pool(&victim.margin, A, Some(keeper.margin)).expect("the pool takes it"),
        );
        let book = scene.market(A).core.book;
        assert!(given.insurance > 0 && book.insurance > 0, "{given:?}");
        let paid = scene.wealth([&keeper]) - before;
        let left = i128::from(book.tokens().expect("tokens")) - i128::from(book.unbacked);
        assert_eq!(
            (paid, left + paid),
            (i128::from(given.keeper), dollars(1)),
            "the dollar that it had, no more"
        );
    }
}

#[test]
fn attack_33_no_fee_or_concession_makes_a_debt() {
    // From 97 % of the requirement to a unit, at every moment of the auction, by either call, on either side.
    for (side, heavy) in [(Side::Long, true), (Side::Long, false), (Side::Short, true), (Side::Short, false)]
    {
        let mut scene = Scene::new(MarketParams { liquidation_fee_ppm: 5_000, ..free() });
        let victim = scene.funded_trader(700 * DOLLAR);
        let [taker, honest] = [(); 2].map(|()| scene.funded_trader(100_000 * DOLLAR));
        scene.hold(&victim, A, side, LOTS);
        if !heavy {
            scene.hold(&honest, A, side.opposite(), 3 * LOTS);
        }
        scene.go(A, if side == Side::Long { 12_200 } else { 12_800 });
        let equity = scene.health(&victim)[0].unsigned_abs();
        for left in [1, 2, 1_000, DOLLAR, 50 * DOLLAR, 350 * DOLLAR] {
            let mut scene = scene.fork();
            let taken = equity - left;
            tamper_account(&mut scene, &victim, |a| a.quote.0 -= taken.cast_signed());
            scene.tamper::<bulwark_sdk::program::state::Pool>(&bulwark_sdk::address::pool(), |p| {
                p.core.idle += taken;
            });
            scene.liquidate(&taker, &victim.margin, A, 0).expect("starts");
            for slots in [0, 7, 20, 60] {
                let mut over = scene.fork();
                over.call_for(&taker, &victim, A, slots);
                let before = over.health(&victim);
                over.liquidate(&taker, &victim.margin, A, u64::MAX).expect("takes over");
                let after = over.health(&victim);
                assert!(after[0] >= 0, "{side:?} {left} {slots}: {before:?} {after:?}");
                let mut pool = scene.fork();
                pool.call_for(&taker, &victim, A, slots);
                if heavy || slots >= 50 {
                    pool.liquidate_to_pool(&victim.margin, A, Some(taker.margin)).expect("the pool takes it");
                    assert!(pool.health(&victim)[0] >= 0, "{side:?} {heavy} {left} {slots}");
                }
            }
        }
    }
}
