//! Prices that dip below the requirement for a moment, again and again: the time in between, in which the account is well, is
//! no time of its auction.

use bulwark_sdk::engine::auction::{COLLATERAL_LAPSE_SLOTS, LAPSE_SLOTS, RAMP_SLOTS};
use bulwark_sdk::engine::units::Side;
use bulwark_tests::Trader;
use bulwark_tests::fixtures::DOLLAR;

use crate::support::*;

const LOTS: u64 = 100 * ONE;
/// Prices at which the victim is two and a half dollars below its requirement, and half a dollar above.
const DIP: i64 = 12_175;
const WELL: i64 = 12_178;

/// Somebody who is just well, and who would like him not to be.
fn edge() -> (Scene, Trader, Trader) {
    let mut scene = Scene::new(free());
    let honest = scene.funded_trader(100_000 * DOLLAR);
    scene.hold(&honest, A, Side::Short, 3 * LOTS);
    let [victim, hostile] = [700, 100_000].map(|amount| scene.funded_trader(amount * DOLLAR));
    scene.hold(&victim, A, Side::Long, LOTS);
    scene.go(A, WELL);
    (scene, victim, hostile)
}

/// So many dips so many slots apart, each of which the attacker calls; at the last he takes what he is offered. His concession,
/// ppm of what he takes, and what the victim keeps of what it had, ppm.
fn after_dips(count: usize, slots: u64) -> [i128; 2] {
    let (mut scene, victim, hostile) = edge();
    for n in 1..=count {
        refused(scene.liquidate(&hostile, &victim.margin, A, 0), "Healthy");
        scene.wait(slots - 6);
        scene.go(A, DIP);
        let had = scene.health(&victim)[0];
        if n == count {
            let taken = fill(&scene.liquidate(&hostile, &victim.margin, A, u64::MAX).expect("a dip"));
            let notional = i128::from(taken.cost.unsigned_abs() + taken.concession);
            let kept = i128::from(scene.health(&victim)[0]) * 1_000_000 / i128::from(had);
            return [i128::from(taken.concession) * 1_000_000 / notional, kept];
        }
        called(scene.liquidate(&hostile, &victim.margin, A, 0));
        scene.go(A, WELL);
    }
    panic!("no dips")
}

#[test]
fn attack_dips_a_minute_apart_begin_a_new_auction_each() {
    let once = after_dips(1, 150);
    for (count, slots) in [(2, 150), (30, 150), (2, LAPSE_SLOTS + 1), (30, LAPSE_SLOTS + 1)] {
        let dips = after_dips(count, slots);
        assert_eq!(dips, once, "{count} dips {slots} slots apart");
    }
    println!("concession in ppm, and what the victim keeps: {once:?}");
    assert!(once[0] <= 2_000 && once[1] >= 900_000);
}

#[test]
fn attack_dips_closer_together_take_no_more_than_what_keeps_the_ratio() {
    // Closer together than an auction lapses the clock goes on. Whatever it shows, equity over requirement does not fall, and
    // it shows no more than the slots from the first dip to the last: three of them, ten slots apart each, are the whole ramp.
    let once = after_dips(1, LAPSE_SLOTS);
    for (count, slots) in [(2, 7), (3, 7), (2, LAPSE_SLOTS), (3, LAPSE_SLOTS), (5, LAPSE_SLOTS)] {
        let [concession, kept] = after_dips(count, slots);
        println!("{count} dips {slots} slots apart: {concession} ppm, {kept} ppm kept");
        let elapsed = i128::from((u64::try_from(count).expect("small") - 1) * slots);
        assert!(concession <= ramp(once[0], elapsed) && kept >= 0, "{concession} {kept}");
    }
}

/// What the auction offers after so many slots at most, ppm: from what it starts with to the margin.
fn ramp(start: i128, elapsed: i128) -> i128 {
    let slots = i128::from(RAMP_SLOTS);
    start + (31_000 - start) * elapsed.min(slots) / slots + 1
}

#[test]
fn attack_two_dips_are_ten_slots_of_an_auction_at_most() {
    // Two dips no further apart than an auction lapses are ten slots of the ramp, half of what there is: 1.6 % of what is taken.
    // A slot further apart they are nothing.
    let [once, twice, apart] = [(1, LAPSE_SLOTS), (2, LAPSE_SLOTS), (2, LAPSE_SLOTS + 1)]
        .map(|(count, slots)| after_dips(count, slots));
    println!("{once:?} at once, {twice:?} after two dips, {apart:?} a slot further apart");
    assert!(twice[0] <= ramp(once[0], i128::from(LAPSE_SLOTS)), "{once:?} {twice:?}");
    assert!(twice[0] <= 16_500 && twice[1] >= 850_000, "{once:?} {twice:?}");
    assert_eq!(apart, once);
}

/// An account without positions that owes 950 dollars, with gold that counts for a dollar more, and at another price for a
/// dollar less. The attacker calls at dips of three slots, so many slots apart, for an hour and a half, and buys at the last one.
/// Discounts of the first and the last, what he gains, and what the venue loses by it.
fn gold_dips(slots: u64) -> ([u64; 2], [i128; 2]) {
    let mut scene = Scene::new(free());
    let victim = scene.with_gold(1_000, 8_010_000_000);
    let buyer = scene.funded_trader(100_000 * DOLLAR);
    scene.hold(&victim, A, Side::Long, 975 * LOTS / 1_000);
    scene.go(A, 10_500);
    scene.close(&victim, A, u64::MAX).expect("close");
    let (mut first, mut last) = (None, 0);
    for _ in 0..13_500 / slots {
        scene.go(GOLD + 1, 12_500);
        assert!(scene.health(&victim)[0] >= 0, "{:?}", scene.health(&victim));
        refused(scene.liquidate_collateral(&buyer, &victim.margin, GOLD, u64::MAX), "Healthy");
        scene.wait(slots - 6);
        scene.go(GOLD + 1, 12_480);
        assert!(scene.health(&victim)[0] < 0);
        let mut offered = scene.fork();
        let sale =
            sold(&offered.liquidate_collateral(&buyer, &victim.margin, GOLD, u64::MAX).expect("a dip"));
        scene.liquidate_collateral(&buyer, &victim.margin, GOLD, 0).expect("a call");
        first.get_or_insert(sale.discount);
        last = sale.discount;
    }
    let before = scene.wealth([&buyer]);
    scene.liquidate_collateral(&buyer, &victim.margin, GOLD, u64::MAX).expect("a dip");
    let left = -scene.wealth([&victim]);
    ([first.expect("a dip"), last], [scene.wealth([&buyer]) - before, left.max(0)])
}

#[test]
fn attack_dips_of_a_collateral_further_apart_than_it_lapses_begin_a_new_auction_each() {
    // For an hour and a half, each dip begins anew at two thousandths.
    for slots in [COLLATERAL_LAPSE_SLOTS + 1, COLLATERAL_LAPSE_SLOTS + 10, 500] {
        let ([first, last], [gained, lost]) = gold_dips(slots);
        assert_eq!((first, last, lost), (last, last, 0), "{slots}");
        assert!(gained <= dollars(2) && last <= (1 << 32) / 500, "{slots}");
    }
}

#[test]
fn attack_dips_of_a_collateral_are_not_hours_of_an_auction() {
    let ([first, last], [gained, lost]) = gold_dips(500);
    let percent = |share: u64| (u128::from(share) * 100) >> 32;
    println!(
        "{} % off at first, {} % at last; {gained} gained, {lost} left unpaid",
        percent(first),
        percent(last)
    );
    assert!(
        percent(last) <= 10 && lost == 0,
        "in all it was in trouble for less than a minute: {} %",
        percent(last)
    );
}
