//! The auction's clock: nobody holds it up, turns it back or forward, and it does not go on for ever.

use bulwark_sdk::engine::auction::{LAPSE_SLOTS, RAMP_SLOTS, TAKEOVER_SLOTS};
use bulwark_sdk::engine::units::Side;
use bulwark_tests::Trader;
use bulwark_tests::fixtures::DOLLAR;

use crate::support::*;

const LOTS: u64 = 100 * ONE;

/// Somebody below margin on the lighter side, which the pool does not want at once; a liquidator.
fn trouble() -> (Scene, Trader, Trader) {
    let mut scene = Scene::new(params());
    let honest = scene.funded_trader(100_000 * DOLLAR);
    scene.hold(&honest, A, Side::Short, 3 * LOTS);
    let [victim, keeper] = [700, 100_000].map(|amount| scene.funded_trader(amount * DOLLAR));
    scene.hold(&victim, A, Side::Long, LOTS);
    scene.go(A, 12_150);
    (scene, victim, keeper)
}

/// Equity over requirement.
fn ratio(scene: &Scene, who: &Trader) -> f64 {
    let [equity, requirement] = scene.health(who);
    equity as f64 / requirement as f64
}

#[test]
fn attack_35_without_any_bidder_the_pool_takes_over_in_twenty_seconds() {
    let (mut scene, victim, _) = trouble();
    assert_eq!(
        called(scene.liquidate_to_pool(&victim.margin, A, None)),
        0,
        "an early call starts the auction"
    );
    let mut elapsed = 0;
    while elapsed < TAKEOVER_SLOTS - 1 {
        let slots = LAPSE_SLOTS.min(TAKEOVER_SLOTS - 1 - elapsed);
        scene.wait(slots);
        elapsed += slots;
        assert_eq!(called(scene.liquidate_to_pool(&victim.margin, A, None)), elapsed, "and keeps it running");
    }
    scene.wait(1);
    let given = fill(&scene.liquidate_to_pool(&victim.margin, A, None).expect("the pool must"));
    assert_eq!(given.elapsed, TAKEOVER_SLOTS);
    assert!(scene.first(&victim).is_none() && scene.health(&victim)[0] > 0);
}

#[test]
fn attack_a_keeper_who_starts_and_never_takes_stops_nobody() {
    let (mut scene, victim, hostile) = trouble();
    scene.liquidate(&hostile, &victim.margin, A, 0).expect("starts");
    for n in 1..=5 {
        scene.wait(2);
        assert_eq!(called(scene.liquidate(&hostile, &victim.margin, A, 0)), 2 * n);
    }
    let mut taken = scene.fork();
    let other = taken.funded_trader(100_000 * DOLLAR);
    let before = ratio(&taken, &victim);
    let fill = fill(&taken.liquidate(&other, &victim.margin, A, u64::MAX).expect("another one takes it"));
    assert_eq!(fill.elapsed, 10);
    assert!(ratio(&taken, &victim) >= before);
    // Nor does a clock that he lets run give anybody more than what leaves the account as well off.
    scene.call_for(&hostile, &victim, A, RAMP_SLOTS + 100);
    let before = ratio(&scene, &victim);
    let fill = super::support::fill(&scene.liquidate(&hostile, &victim.margin, A, u64::MAX).expect("late"));
    assert!(fill.elapsed >= 100);
    let notional = fill.cost.unsigned_abs() + fill.concession;
    assert!(u128::from(fill.concession) * 1_000_000 <= u128::from(notional) * 31_000, "at most the margin");
    assert!(ratio(&scene, &victim) >= before - 1e-6);
    assert!(scene.health(&victim)[0] >= 0);
}

#[test]
fn attack_dust_in_every_slot_does_not_hold_the_auction_up() {
    let (mut scene, victim, hostile) = trouble();
    // He holds a position, so that dust does not make one that is too small.
    scene.hold(&hostile, A, Side::Long, ONE);
    let start = (scene.slot(), scene.wealth([&hostile]), scene.health(&victim)[0]);
    let mut lowest = ratio(&scene, &victim);
    let mut concessions = 0;
    while scene.slot() - start.0 < TAKEOVER_SLOTS {
        let taken = fill(&scene.liquidate(&hostile, &victim.margin, A, STEP).expect("dust"));
        concessions += taken.concession;
        assert_eq!(taken.lots, STEP);
        let now = ratio(&scene, &victim);
        assert!(now >= lowest - 1e-9, "{now} {lowest}");
        lowest = now;
        scene.wait(1);
    }
    // What he took is what was offered, and the clock has not stood still for it.
    let given = fill(&scene.liquidate_to_pool(&victim.margin, A, None).expect("the pool takes the rest"));
    assert!(given.elapsed >= TAKEOVER_SLOTS && scene.first(&victim).is_none());
    assert_eq!(scene.wealth([&hostile]) - start.1, i128::from(concessions));
    assert!(concessions < 50 * 125_000 / 30, "a thirtieth of fifty steps at most: {concessions}");
}

#[test]
fn attack_parts_within_a_slot_get_no_more_than_the_whole() {
    // A fill raises equity over requirement; the next one in the same slot is not offered more for it.
    let (scene, victim, hostile) = trouble();
    for slots in [0, 10, 20, 60] {
        let mut whole = scene.fork();
        whole.liquidate(&hostile, &victim.margin, A, 0).expect("starts");
        whole.hold(&hostile, A, Side::Long, ONE);
        whole.wait(slots);
        let mut parts = whole.fork();
        let one = fill(&whole.liquidate(&hostile, &victim.margin, A, u64::MAX).expect("all at once"));
        let (mut concession, mut lots) = (0, 0);
        while lots < one.lots {
            let most = (one.lots / 40).max(STEP) / STEP * STEP;
            let Ok(outcome) = parts.liquidate(&hostile, &victim.margin, A, most.min(one.lots - lots)) else {
                break;
            };
            let part = fill(&outcome);
            (concession, lots) = (concession + part.concession, lots + part.lots);
        }
        let fair = u128::from(one.concession) * u128::from(lots) / u128::from(one.lots);
        assert!(
            u128::from(concession) <= fair + 1,
            "{slots}: {concession} for {lots}, {} for {}",
            one.concession,
            one.lots
        );
    }
}

#[test]
fn attack_a_deposit_in_the_middle_turns_no_clock_and_is_not_lost() {
    let (mut scene, victim, keeper) = trouble();
    scene.liquidate(&keeper, &victim.margin, A, 0).expect("starts");
    scene.wait(5);
    // A stranger's unit neither restarts nor ends it.
    let stranger = scene.trader(10 * DOLLAR);
    let vault = scene.listings.vaults[0];
    let gift = |amount| {
        bulwark_sdk::instruction::deposit(
            bulwark_tests::Signer::pubkey(&stranger.key),
            victim.margin,
            &vault,
            (stranger.tokens, amount),
        )
    };
    scene.send(&[gift(1)], &[&stranger.key]).expect("a unit");
    let mut gifted = scene.fork();
    let with_gift = fill(&gifted.liquidate(&keeper, &victim.margin, A, u64::MAX).expect("goes on"));
    assert_eq!(with_gift.elapsed, 5);
    // Half of what is missing: fewer lots go, at the same moment of the auction, and E/MM does not fall.
    let [equity, requirement] = scene.health(&victim);
    let half = u64::try_from((requirement - equity) / 2).expect("missing");
    let mut helped = scene.fork();
    helped.create_and_deposit(&victim, half);
    let before = ratio(&helped, &victim);
    let with_help = fill(&helped.liquidate(&keeper, &victim.margin, A, u64::MAX).expect("still below"));
    assert_eq!(with_help.elapsed, 5);
    assert!(with_help.lots < with_gift.lots, "{} {}", with_help.lots, with_gift.lots);
    assert!(ratio(&helped, &victim) >= before);
    // All of it: nobody may touch the account any more.
    scene.create_and_deposit(&victim, 2 * half + 2);
    refused(scene.liquidate(&keeper, &victim.margin, A, u64::MAX), "Healthy");
    refused(scene.liquidate_to_pool(&victim.margin, A, None), "Healthy");
}

#[test]
fn attack_28_no_auction_survives_its_reason() {
    // Recovered by a deposit of twice what is missing; the flag is still there, and means nothing: a slot more than
    // an auction lapses in after the last call a new fall begins a new auction at the lowest concession.
    let (mut scene, victim, keeper) = trouble();
    scene.liquidate(&keeper, &victim.margin, A, 0).expect("starts");
    scene.wait(LAPSE_SLOTS / 2);
    scene.create_and_deposit(&victim, 100 * DOLLAR);
    refused(scene.liquidate(&keeper, &victim.margin, A, u64::MAX), "Healthy");
    let mut traded = scene.fork();
    traded.create_and_deposit(&victim, 300 * DOLLAR);
    traded.hold(&victim, B, Side::Long, ONE / 5); // it may do whatever its margin allows
    scene.wait(LAPSE_SLOTS + 1 - LAPSE_SLOTS / 2 - 3);
    scene.go(A, 12_050);
    let taken = fill(&scene.liquidate(&keeper, &victim.margin, A, u64::MAX).expect("below again"));
    assert_eq!(taken.elapsed, 0);
    let notional = taken.cost.unsigned_abs() + taken.concession;
    assert!(taken.concession <= notional / 500, "0.2 % at most");
    // Whoever is above initial margin after a withdrawal or an increase has no auction at all.
    assert_eq!(traded.margin(&victim.margin).auction, Default::default());
    traded.go(A, 11_700);
    let taken = fill(&traded.liquidate(&keeper, &victim.margin, A, u64::MAX).expect("below again"));
    assert_eq!(taken.elapsed, 0);
    // And a fill that restores the account ends it.
    let (mut scene, victim, keeper) = trouble();
    scene.liquidate(&keeper, &victim.margin, A, u64::MAX).expect("restores");
    assert_eq!(scene.margin(&victim.margin).auction, Default::default());
}

#[test]
fn attack_the_clock_of_the_positions_is_not_that_of_the_collateral() {
    // M3: nobody waits with the positions until the collateral that is sold after them is given away.
    let mut scene = Scene::new(params());
    let victim = scene.with_gold(1, 10 * ONE);
    let honest = scene.funded_trader(100_000 * DOLLAR);
    scene.hold(&honest, A, Side::Short, 3 * LOTS);
    scene.hold(&victim, A, Side::Long, LOTS);
    let keeper = scene.funded_trader(100_000 * DOLLAR);
    scene.go(A, 11_200);
    scene.liquidate(&keeper, &victim.margin, A, 0).expect("starts");
    // The hostile keeper lets 140 slots pass: the discount of a collateral without positions would be everything.
    scene.call_for(&keeper, &victim, A, 140);
    scene.liquidate_to_pool(&victim.margin, A, None).expect("the pool takes the position");
    assert_eq!(scene.margin(&victim.margin).position(A), None);
    let [equity, _] = scene.health(&victim);
    assert!(equity < 0, "the debt is more than the collateral counts for: {equity}");
    let sale = sold(&scene.liquidate_collateral(&keeper, &victim.margin, GOLD, u64::MAX).expect("buys"));
    assert!(sale.discount <= (1 << 32) / 500, "0.2 % at most: {}", sale.discount);
    let worth = i128::from(sale.amount) / 8;
    assert!(i128::from(sale.proceeds) >= worth * 998 / 1_000, "{} of {worth}", sale.proceeds);
}

#[test]
fn attack_39_carry_of_an_idle_market_does_not_jump_over_the_margin() {
    // Nobody refreshes for ten hours; the first who does accrues an hour at most, and the account is where it was but for
    // that.
    let carry = bulwark_sdk::engine::carry::CarryParams::DEFAULT;
    let mut scene = Scene::new(bulwark_sdk::engine::market::MarketParams { carry, ..params() });
    let victim = scene.funded_trader(1_000 * DOLLAR);
    scene.hold(&victim, A, Side::Long, LOTS);
    let before = scene.worth(&victim.margin);
    let mut hour = scene.fork();
    hour.wait(9_000);
    scene.wait(90_000);
    let [after, an_hour] = [&scene, &hour].map(|s| before - s.worth(&victim.margin));
    assert!(after <= an_hour + 1, "{after} in ten hours, {an_hour} in one");
    assert!(scene.first(&victim).is_none());
}
