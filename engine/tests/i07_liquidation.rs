//! I7: a liquidation never leaves an account worse off than it found it, and takes no more than it must.
//!
//! Rounding, in quote units: of a takeover the market keeps less than one (carry), all shares round down, and the
//! requirement counts up. So equity over requirement may fall by what [`SLACK`] units are worth.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests assert"
)]

#[path = "model/distress.rs"]
mod distress;
mod model;

use bulwark_engine::EngineError;
use bulwark_engine::auction::{Auction, Lot, Moment, Offer, RAMP_SLOTS, SHARE_ONE};
use bulwark_engine::liquidation::{LiquidationReport, PoolFill};
use bulwark_engine::margin::{Health, Relief};
use bulwark_engine::units::Quote;
use distress::{Scene, any_scene};
use model::world::{NOW, ONE, price};
use model::{Exact, config, int, of_price, ratio};
use num_traits::Signed;
use proptest::prelude::*;

const SLACK: i64 = 2;

fn share(bits: u64) -> Exact {
    ratio(bits, SHARE_ONE)
}

/// Whatever a fill may be asked for: all, or some steps.
fn any_most() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![Just(None), (1..1_u64 << 33).prop_map(Some)]
}

/// What taking over whole steps, `most` lots of them, reports; `None` if too little would be left.
fn taken_over(scene: &mut Scene, elapsed: u64, most: Option<u64>) -> Option<LiquidationReport> {
    let step = scene.market.params.step;
    let most = most.map_or(u64::MAX, |most| (most / step * step).max(step));
    match scene.take_over(elapsed, most) {
        Err(EngineError::BelowMinNotional { .. }) => None,
        report => Some(report.unwrap()),
    }
}

proptest! {
    #![proptest_config(config(600))]

    #[test]
    fn equity_over_requirement_never_falls_by_a_takeover(
        scene in any_scene(), elapsed in 0..60_u64, most in any_most(),
    ) {
        prop_assume!(scene.health().excess().unwrap() < Quote::ZERO);
        let before = scene.clone();
        let mut scene = scene;
        let Some(report) = taken_over(&mut scene, elapsed, most) else { return Ok(()) };
        let (equity, requirement) = (before.equity(), before.requirement());
        let (then, needed) = (scene.equity(), scene.requirement());
        prop_assert!(needed <= requirement);
        if equity.is_negative() {
            prop_assert_eq!((report.concession, report.insurance), (0, Quote::ZERO));
            prop_assert!(then >= equity - int(1), "nothing is taken from who has nothing");
        } else {
            prop_assert!(then >= int(-1), "{then}");
            let floor = &equity * &needed / &requirement - int(SLACK);
            prop_assert!(then >= floor, "{} < {}", then, floor);
        }
    }

    #[test]
    fn a_takeover_moves_everything_to_the_unit_and_leaves_market_and_skew_alone(
        scene in any_scene(), elapsed in 0..60_u64, most in any_most(),
    ) {
        prop_assume!(scene.health().excess().unwrap() < Quote::ZERO);
        let before = scene.clone();
        let mut scene = scene;
        let Some(report) = taken_over(&mut scene, elapsed, most) else { return Ok(()) };
        prop_assert_eq!(before.money(), scene.money(), "money");
        let fee = int(report.insurance.0);
        prop_assert_eq!(int(scene.market.book.insurance - before.market.book.insurance), fee.clone());
        // What the two lose besides the fee is the market's, and less than a unit of rounding in the carry.
        let gained = scene.value(0) + scene.value(1) - before.value(0) - before.value(1);
        prop_assert!(gained <= -&fee && gained > -fee - int(2), "{}", gained);
        let equity = scene.market_equity() - before.market_equity();
        let (book, was) = (&scene.market.book, &before.market.book);
        prop_assert!(!equity.is_negative(), "{}", equity);
        let unwound = before.positions.iter().any(|p| p.is_open()
            && was.side(p.side().unwrap()).bucket(p.bucket).unwrap().unwind != 1 << 63);
        if !unwound {
            prop_assert!(equity <= int(1), "{}", equity);
            prop_assert_eq!((book.long.lots, book.short.lots), (was.long.lots, was.short.lots));
            prop_assert_eq!(book.skew(), was.skew());
        }
        prop_assert_eq!(scene.positions[1].side(), Ok(before.side()));
        // The taker pays the mark less the concession, give or take the unit that the mark is rounded by.
        let paid = scene.value(1) - before.value(1) - int(report.concession);
        prop_assert!(paid.abs() <= int(2), "{}", paid);
        for who in 2..scene.positions.len() {
            prop_assert_eq!(scene.value(who), before.value(who), "bystanders");
        }
    }

    #[test]
    fn the_concession_rises_from_its_start_to_the_neutral_one_and_stays(scene in any_scene()) {
        let (lot, health) = (scene.lot(), scene.health());
        prop_assume!(health.excess().unwrap() < Quote::ZERO);
        let equity = int(health.equity.0.max(0));
        let neutral = ratio(lot.mmf_ppm, 1_000_000) * equity / int(health.requirement.0);
        // In units of 2^-32: ratio, mmf and product each lose less than one to the neutral concession (mmf is at most 0.8),
        // the ramp one more, a quarter of it no more than that.
        let bit = ratio(4, SHARE_ONE);
        let start = ratio(2_000, 1_000_000).min(&neutral / int(4));
        let mut last = 0;
        for elapsed in 0..60 {
            let offer = Offer::at(&lot, health, scene.moment(elapsed)).unwrap();
            let part = ratio(elapsed.min(RAMP_SLOTS), RAMP_SLOTS);
            let exact = &start + (&neutral - &start) * part;
            prop_assert!(share(offer.concession) <= exact && share(offer.concession) > &exact - &bit);
            prop_assert!(offer.concession >= last);
            prop_assert!(elapsed <= RAMP_SLOTS || offer.concession == last);
            prop_assert!(share(offer.concession) + share(offer.fee) <= neutral);
            let fee = ratio(lot.fee_ppm, 1_000_000).min(&neutral - share(offer.concession));
            prop_assert!(share(offer.fee) <= fee && share(offer.fee) > fee - &bit);
            last = offer.concession;
        }
    }

    #[test]
    fn the_lots_restore_the_account_and_one_step_less_does_not(scene in any_scene(), elapsed in 0..60_u64) {
        let (lot, health) = (scene.lot(), scene.health());
        prop_assume!(health.excess().unwrap() < Quote::ZERO);
        let offer = Offer::at(&lot, health, scene.moment(elapsed)).unwrap();
        let slack = ratio(lot.mark.mul_ceil(lot.held).unwrap(), SHARE_ONE) * int(3) + int(3);
        // E − (π + fee)·x·P − 1.05·(MM − mmf·x·P)
        let excess = |lots: u64| {
            let worth = int(lots) * of_price(lot.mark);
            let freed = ratio(lot.mmf_ppm, 1_000_000) * ratio(21, 20) - share(offer.concession) - share(offer.fee);
            int(health.equity.0) - ratio(21, 20) * int(health.requirement.0) + worth * freed
        };
        let left = |lots: u64| lot.mark.mul_floor(lot.held - lots).unwrap();
        if offer.lots < lot.held {
            prop_assert_eq!(offer.lots % lot.step, 0);
            prop_assert!(left(offer.lots) >= lot.min_notional);
            prop_assert!(excess(offer.lots) >= -slack.clone());
            prop_assert!(excess(offer.lots - lot.step) <= slack, "a step more than needed");
        } else {
            prop_assert_eq!(offer.lots, lot.held);
            // The last number of steps that is not all would leave too little, or does not restore.
            let most = (lot.held - 1) / lot.step * lot.step;
            prop_assert!(left(most) < lot.min_notional || excess(most) <= slack.clone()
                || left(needed(&lot, &excess)) < lot.min_notional);
        }
        let (mut after, all) = (scene, offer.lots == lot.held);
        if after.take_at(&lot, &offer, u64::MAX).is_ok() && !all {
            let missing = after.requirement() * ratio(21, 20) - after.equity();
            prop_assert!(missing <= slack + int(3), "{}", missing);
        }
    }

    /// The concession is worked out once a slot: the parts of a takeover pay what one call would have for their lots, or
    /// less by rounding, and together they take no more than restores the account. Each call rounds health by less than
    /// 2 units, which may ask for another step.
    #[test]
    fn cutting_a_takeover_within_a_slot_pays_nothing_more(
        scene in any_scene(), elapsed in 0..30_u64, parts in 1..12_u64, most in any_most(),
    ) {
        prop_assume!(scene.health().excess().unwrap() < Quote::ZERO);
        let (lot, step) = (scene.lot(), scene.market.params.step);
        let mut auction = Auction::default();
        auction.call(1_000, (scene.health(), true)).unwrap();
        scene.keep_calling(&mut auction, 1_000 + elapsed);
        let moment = auction.call(1_000 + elapsed, (scene.health(), true)).unwrap();
        prop_assert_eq!(moment.elapsed, elapsed);
        let first = Offer::at(&lot, scene.health(), moment).unwrap();
        let most = most.map_or((lot.held / parts / step * step).max(step), |most| (most / step * step).max(step));
        let (mut cut, mut fees, mut concession, mut lots, mut calls) = (scene.clone(), 0, 0, 0, 0);
        while cut.positions[0].is_open() && !cut.positions[0].is_claim() && calls < parts {
            let Ok(report) = cut.call(&mut auction, 1_000 + elapsed, most) else { break };
            (concession, lots) = (concession + report.concession, lots + report.lots);
            fees += report.insurance.units_or_zero();
            calls += 1;
        }
        prop_assert!(concession <= lot.part(lots, first.concession).unwrap(), "a lot is conceded what it was at first");
        // A ratio that rounds down takes a bit from the concession, which the fee may get.
        prop_assert!(concession + fees <= lot.part(lots, first.concession + first.fee + 1).unwrap() + calls);
        let freed = ratio(lot.mmf_ppm, 1_000_000) * ratio(21, 20) - share(first.concession) - share(first.fee) - share(4);
        if first.lots < lot.held && freed.is_positive() {
            let more = int(4 * (calls + 1)) / freed / of_price(lot.mark) + int(step);
            let all = lots == lot.held; // the last step of what is left may be too small to be left
            prop_assert!(all || int(lots) <= int(first.lots) + more, "{} of {}", lots, first.lots);
        }
    }

    /// Over several slots the concession follows the ratio that the fills before raised, up to the neutral one, at which
    /// it would not have risen: taker and insurance never get more for a lot than what was neutral at the beginning.
    #[test]
    fn cutting_a_takeover_over_slots_never_pays_more_than_the_neutral_concession(
        scene in any_scene(), elapsed in 0..30_u64, parts in 1..12_u64, wait in 0..3_u64,
    ) {
        let health = scene.health();
        prop_assume!(health.excess().unwrap() < Quote::ZERO && health.equity > Quote::ZERO);
        let (before, step) = (scene.clone(), scene.market.params.step);
        let (mut scene, mut paid, mut calls, mut auction) = (scene, int(0), 0, Auction::default());
        let most = (before.lot().held / parts / step * step).max(step);
        auction.call(1_000, (health, true)).unwrap();
        for part in 0..parts {
            if !scene.positions[0].is_open() || scene.positions[0].is_claim() {
                break;
            }
            let Ok(report) = scene.call(&mut auction, 1_000 + elapsed + part * wait, most) else { break };
            paid += int(report.concession) + int(report.insurance.0);
            calls += 1;
        }
        let freed = before.requirement() - scene.requirement();
        let neutral = before.equity() * freed / before.requirement();
        prop_assert!(paid <= &neutral + int(calls * SLACK), "{} of {}", paid, neutral);
    }

    #[test]
    fn an_account_at_or_above_its_requirement_is_left_alone(scene in any_scene(), more in prop_oneof![Just(0), 0..1_000_i64], t in 0..99_u64) {
        let (lot, health) = (scene.lot(), scene.health());
        let healthy = Health { equity: Quote(health.requirement.0 + more), ..health };
        let refused = EngineError::Healthy { equity: healthy.equity.0, requirement: healthy.requirement.0 };
        let below = Health { equity: Quote(health.requirement.0 - 1), ..health };
        let moment = Moment::of(below, t).unwrap();
        prop_assert_eq!(Offer::at(&lot, healthy, moment), Err(refused));
        prop_assert!(Offer::at(&lot, below, moment).is_ok());
        for fill in [PoolFill::Reducing, PoolFill::Takeover] {
            let offer = |health| scene.market.pool_offer((fill, NOW), (scene.side(), &lot), (health, moment));
            prop_assert_eq!(offer(healthy), Err(refused));
            prop_assert!(offer(below).is_ok());
        }
        prop_assert_eq!(Moment::of(healthy, t), Err(refused));
        prop_assert_eq!(Auction::default().call(t, (healthy, true)), Err(refused));
    }
}

/// The least lots that restore, by halving.
fn needed(lot: &Lot, excess: &impl Fn(u64) -> Exact) -> u64 {
    let (mut low, mut high) = (0, lot.held / lot.step);
    while low < high {
        let middle = (low + high) / 2;
        if excess(middle * lot.step).is_negative() {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low * lot.step
}

const fn lot(held: u64, step: u64, min_notional: u64, mmf_ppm: u32) -> (u64, u64, u64, u32) {
    (held, step, min_notional, mmf_ppm)
}

fn made((held, step, min_notional, mmf_ppm): (u64, u64, u64, u32)) -> Lot {
    Lot { held, most: held, mark: price(ONE), mmf_ppm, fee_ppm: 10_000, step, min_notional }
}

fn health(equity: i64, requirement: i64) -> Health {
    Health { equity: Quote(equity), requirement: Quote(requirement) }
}

fn offered(lot: &Lot, health: Health, elapsed: u64) -> Offer {
    Offer::at(lot, health, Moment::of(health, elapsed).unwrap()).unwrap()
}

#[test]
fn an_offer_by_hand() {
    // 100 000 lots at 1, mmf 10 %, E 5 000 of MM 10 000: π_zero 5 %, start 0.2 %, fee 1 %.
    let on_offer = made(lot(100_000, 1, 1, 100_000));
    let at = |t| offered(&on_offer, health(5_000, 10_000), t);
    let ppm = |share: u64| (u128::from(share) * 1_000_000).div_ceil(u128::from(SHARE_ONE));
    assert_eq!((ppm(at(0).concession), ppm(at(0).fee)), (2_000, 10_000));
    // x = (10 500 − 5 000) / (0.105 − 0.002 − 0.01) = 59 139.8
    assert_eq!(at(0).lots, 59_140);
    assert_eq!((ppm(at(10).concession), ppm(at(10).fee)), (26_000, 10_000));
    assert_eq!(at(10).lots, 79_711);
    assert_eq!((ppm(at(20).concession), ppm(at(20).fee)), (50_000, 0));
    assert_eq!(at(20).lots, 100_000, "5 500 / 0.055: all");
    assert_eq!(at(20), at(1_000));
}

#[test]
fn what_would_leave_too_little_or_frees_nothing_takes_all_by_hand() {
    let at = |parts| offered(&made(parts), health(5_000, 10_000), 0).lots;
    assert_eq!(at(lot(100_000, 1, 40_860, 100_000)), 59_140);
    assert_eq!(at(lot(100_000, 1, 40_861, 100_000)), 100_000);
    assert_eq!(at(lot(100_000, 1_000, 1, 100_000)), 60_000);
    assert_eq!(at(lot(100_000, 70_000, 1, 100_000)), 70_000);
    assert_eq!(at(lot(60_000, 70_000, 1, 100_000)), 60_000);
    assert_eq!(at(lot(100_000, 1, 1, 0)), 100_000, "a leg that frees nothing goes as a whole");
    let broke = offered(&made(lot(100_000, 1, 1, 100_000)), health(-1, 10_000), 20);
    assert_eq!((broke.concession, broke.fee), (0, 0));
}

#[test]
fn a_lot_needs_a_position_and_a_price_by_hand() {
    use bulwark_engine::position::Position;
    use bulwark_engine::units::Side;
    let mut market = model::world::market(&model::world::PARAMS, ONE, 1 << 40);
    assert_eq!(market.lot(&Position::EMPTY, Relief::default(), NOW), Err(EngineError::NoPosition));
    let claim = model::world::admit(&mut market, Side::Long, 0, 5);
    assert_eq!(
        market.lot(&claim, Relief::default(), NOW),
        Err(EngineError::NoPosition),
        "a claim is no position"
    );
    let held = model::world::admit(&mut market, Side::Short, 1_000, 900);
    let offset = Relief { requirement: 120, free: 0, offset_ppm: 400_000 };
    let (mmf, most) = market.lot(&held, offset, NOW).map(|lot| (lot.mmf_ppm, lot.most)).unwrap();
    assert_eq!((mmf, most), (72_000, 1_000), "60 % of 12 %");
    market.oracle.divergent = 1;
    assert!(matches!(market.lot(&held, Relief::default(), NOW), Err(EngineError::PriceNotUsable { .. })));
    assert_eq!(held.side(), Ok(Side::Short));
}

/// Each fill below the neutral concession makes the account healthier, and so the next one dearer, but not in this slot.
#[test]
fn cutting_a_takeover_pays_nothing_within_a_slot_and_no_more_than_the_ramps_end_over_slots_by_hand() {
    // A long of 10^9 lots at 1, mmf 12 %: MM 120 m, E 60 m. Ten slots on: π 3.1 %, fee 1 %.
    let scene = {
        let mut market = model::world::market(&model::world::PARAMS, ONE, 1 << 40);
        let long = model::world::admit(
            &mut market,
            bulwark_engine::units::Side::Long,
            1_000_000_000,
            -1_000_000_000,
        );
        let positions = vec![long, bulwark_engine::position::Position::EMPTY];
        distress::Scene { market, positions, quotes: vec![60_000_000, 0], elsewhere: Health::default() }
    };
    let run = |slots: &mut dyn Iterator<Item = u64>, most| {
        let (mut scene, mut auction, mut sum) = (scene.clone(), Auction::default(), [0; 3]);
        auction.call(1_000, (scene.health(), true)).unwrap();
        while scene.positions[0].is_open() {
            let Ok(report) = scene.call(&mut auction, 1_000 + slots.next().unwrap(), most) else { break };
            let parts = [report.concession, report.lots, report.insurance.units_or_zero()];
            sum = [0, 1, 2].map(|i| sum[i] + parts[i]);
        }
        sum
    };
    let whole = run(&mut std::iter::once(10).chain(10..), u64::MAX);
    assert_eq!(whole, [24_070_587, 776_470_587, 7_764_705]);
    // In parts of 10^7 lots: as much for a lot, and it ends when the account is healthy.
    let cut = run(&mut std::iter::repeat(10), 10_000_000);
    assert_eq!(cut, [23_559_924, 760_000_000, 7_599_924]);
    // Two parts a slot: more for a lot as the ratio rises, never more than the 6 % of the ramp's end.
    let slow = run(&mut (10..).flat_map(|slot| [slot; 2]), 10_000_000);
    assert_eq!(slow, [58_242_578, 999_999_985, 1_757_420]);
    // There nothing is gained by it.
    assert_eq!(run(&mut std::iter::repeat(20), u64::MAX), [59_999_999, 1_000_000_000, 0]);
    assert_eq!(run(&mut (20..), 10_000_000), [59_999_999, 1_000_000_000, 0]);
}
