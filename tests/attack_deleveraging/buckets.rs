//! However many buckets hold winners, one call unwinds them all by the same share; and a market without any pays too.

use bulwark_sdk::engine::ladder::{BUCKETS, WHOLE};
use bulwark_sdk::engine::units::{NormalPrice, Quote, Side};
use bulwark_sdk::program::state::Market;
use bulwark_sdk::{address, instruction as ix};
use bulwark_tests::fixtures::DOLLAR;
use bulwark_tests::{Trader, World};

use crate::stage::market;
use crate::support::*;

/// Compute units that a transaction has by default for an instruction.
const UNITS: u64 = 200_000;

#[test]
fn attack_winners_spread_over_sixty_four_buckets_pay_the_same_share() {
    // Entries over four octaves, one trader each; a short of 100 units from 121 dollars owes when the price is 130.
    let mut scene = Scene::of(World::empty(), [market(true); 2]);
    let mut winners: Vec<Trader> = Vec::new();
    for n in 0..64_i64 {
        let cents = ((1_250 << (n / 16)) * (33 + 2 * (n % 16)) / 32) * 5 / 8;
        scene.go(A, cents);
        let who = scene.funded_trader(5_000 * DOLLAR);
        scene.hold(&who, A, Side::Long, 10 * ONE);
        winners.push(who);
    }
    let loser = scene.funded_trader(900 * DOLLAR);
    scene.hold(&loser, A, Side::Short, 100 * ONE);
    scene.go(A, 13_400);
    let mut numbers: Vec<u8> = winners.iter().map(|w| scene.margin(&w.margin).positions[0].bucket).collect();
    numbers.dedup();
    assert_eq!(numbers.len(), 64, "a bucket each");
    scene.close_out(&loser, None);
    let before: Vec<i128> = winners.iter().map(|w| scene.won(w, A)).collect();
    let wealth = scene.wealth(&winners);
    let outcome = scene.resolve_bankruptcy(&loser.margin, A).expect("resolves");
    let event = resolved(&outcome);
    println!("64 buckets: {} units, {event:?}", outcome.compute_units);
    assert!(outcome.compute_units < UNITS);
    assert!(event.debt > 100 * DOLLAR && event.deleveraged + 64 >= event.debt, "{event:?}");
    for (who, before) in winners.iter().zip(&before) {
        let share = (before - scene.won(who, A)) << 32;
        let exact = before * i128::from(event.fraction);
        assert!(share >= exact && share - exact < 4 << 32, "{before}: {share} {exact}");
    }
    let taken = wealth - scene.wealth(&winners);
    assert!(
        taken >= i128::from(event.deleveraged) && taken <= i128::from(event.debt + event.surplus) + 200,
        "{taken}"
    );
    let all: Vec<&Trader> = winners.iter().collect();
    for part in all.chunks(16) {
        scene.consistent(A, part);
    }
}

/// A winner in every bucket of the longs, unwound before, as the market sees it.
fn fill_buckets(scene: &mut Scene) {
    scene.tamper::<Market>(&address::market(A), |m| {
        let price = NormalPrice::new(m.core.mark(), m.core.book.long.carry).expect("in range").0;
        let ladder = &mut m.core.book.long;
        for bucket in &mut ladder.buckets {
            (bucket.lots, bucket.cost) = (bucket.lots + ONE, Quote(bucket.cost.0 - 1_000_000));
            (bucket.bound, bucket.unwind, bucket.members) =
                (NormalPrice(price / 2), WHOLE / 3 * 2, bucket.members + 1);
            ladder.lots += ONE;
            ladder.cost = Quote(ladder.cost.0 - 1_000_000);
        }
        assert_eq!(ladder.buckets.len(), BUCKETS);
        m.core.book.positions += 128;
    });
}

#[test]
fn attack_full_ladders_stop_no_call() {
    // Winners in all 128 buckets: nobody has to know them, and no call needs more than a transaction has by default.
    let mut scene = Scene::of(World::empty(), [market(true); 2]);
    fill_buckets(&mut scene);
    let loser = scene.bankrupt(A, Side::Short, 1_000 * DOLLAR);
    let mark = scene.market(A).core.mark();
    let won = scene.market(A).core.book.long.winners(mark).expect("winners");
    let outcome = scene.resolve_bankruptcy(&loser.margin, A).expect("resolves");
    let event = resolved(&outcome);
    println!("128 buckets: {} units", outcome.compute_units);
    assert!(outcome.compute_units < UNITS);
    assert_eq!((event.winners, event.deleveraged + event.pool), (won, 1_000 * DOLLAR));
    assert!(event.pool <= 2 * 128 + 2, "two units a bucket at most: {event:?}");
    // Every bucket has given its part.
    let (ladder, left) = (scene.market(A).core.book.long, (1 << 32) - event.fraction);
    for bucket in &ladder.buckets {
        assert_eq!(
            bucket.unwind,
            u64::try_from((u128::from(WHOLE / 3 * 2) * u128::from(left)) >> 32).expect("fits")
        );
    }
    // Trading, refreshing and rebalancing go on.
    let trader = scene.funded_trader(5_000 * DOLLAR);
    let open = scene.open(&trader, A, Side::Short, 10 * ONE).expect("open");
    let close = scene.close(&trader, A, u64::MAX).expect("close");
    scene.drain(A, 1_000 * DOLLAR);
    let rebalance = scene.send(&[ix::rebalance_market(A)], &[]).expect("rebalances");
    for outcome in [open, close, rebalance] {
        assert!(outcome.compute_units < UNITS, "{}", outcome.compute_units);
    }
}

#[test]
fn attack_15_a_market_without_open_interest_pays_a_debt() {
    // Whoever divides the loss by the open interest fails here. The tiers pay in their order, with or without insurance.
    for (tail, insured, reserve) in
        [(false, 500, 10_000), (true, 500, 10_000), (false, 0, 10_000), (true, 0, 0)]
    {
        let mut scene = Scene::of(World::empty(), [market(tail); 2]);
        scene.insure(A, insured * DOLLAR);
        if reserve > 0 {
            scene.fund_with(reserve, 0);
        }
        let loser = scene.funded_trader(700 * DOLLAR);
        scene.hold(&loser, A, Side::Long, 100 * ONE);
        scene.go(A, 11_400);
        let venue = scene.venue();
        scene.close_out(&loser, None);
        let book = scene.market(A).core.book;
        assert_eq!((book.long.lots, book.short.lots, book.positions), (0, 0, 0));
        let event = scene.resolve(&loser, A);
        near(event.debt, 400 * DOLLAR);
        let expected =
            if insured > 0 { [1, 0, 0] } else { [0, u64::from(reserve > 0), u64::from(reserve == 0)] };
        for (paid, whole) in [event.insurance, event.reserve, event.pool].into_iter().zip(expected) {
            assert_eq!(paid, whole * event.debt, "{event:?}");
        }
        // What the market was owed and did not get is all that the venue has lost, whoever of it pays.
        near(venue - scene.venue(), i128::from(event.debt));
        scene.consistent(A, &[&loser]);
        assert_eq!(scene.market(A).core.book.unbacked, 0);
    }
}
