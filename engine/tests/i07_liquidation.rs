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
use bulwark_engine::auction::{Auction, LAPSE_SLOTS, Lot, Offer, RAMP_SLOTS, SHARE_ONE};
use bulwark_engine::liquidation::LiquidationReport;
use bulwark_engine::margin::Health;
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
        let bit = ratio(3, SHARE_ONE);
        let start = ratio(2_000, 1_000_000).min(&neutral / int(4));
        let mut last = 0;
        for elapsed in 0..60 {
            let offer = Offer::at(&lot, health, elapsed).unwrap();
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
        let offer = Offer::at(&lot, health, elapsed).unwrap();
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

    /// However a takeover is cut, taker and insurance together never get more than the concession that was neutral
    /// at the beginning, on the lots that moved: what one call at the end of the ramp would pay for them. Each call
    /// rounds by [`SLACK`] units.
    #[test]
    fn cutting_a_takeover_never_pays_more_than_the_neutral_concession(
        scene in any_scene(), elapsed in 0..30_u64, parts in 1..12_u64,
    ) {
        let health = scene.health();
        prop_assume!(health.excess().unwrap() < Quote::ZERO && health.equity > Quote::ZERO);
        let (before, step) = (scene.clone(), scene.market.params.step);
        let (mut scene, mut paid, mut calls) = (scene, int(0), 0);
        let most = (before.lot().held / parts / step * step).max(step);
        for _ in 0..parts {
            if !scene.positions[0].is_open() || scene.positions[0].is_claim() {
                break;
            }
            let Ok(report) = scene.take_over(elapsed, most) else { break };
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
        prop_assert_eq!(Offer::at(&lot, healthy, t), Err(refused));
        prop_assert_eq!(Offer::of_pool(&lot, healthy), Err(refused));
        let below = Health { equity: Quote(health.requirement.0 - 1), ..health };
        prop_assert!(Offer::at(&lot, below, t).is_ok());
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
    Lot { held, mark: price(ONE), mmf_ppm, fee_ppm: 10_000, step, min_notional }
}

fn health(equity: i64, requirement: i64) -> Health {
    Health { equity: Quote(equity), requirement: Quote(requirement) }
}

#[test]
fn an_offer_by_hand() {
    // 100 000 lots at 1, mmf 10 %, E 5 000 of MM 10 000: π_zero 5 %, start 0.2 %, fee 1 %.
    let on_offer = made(lot(100_000, 1, 1, 100_000));
    let at = |t| Offer::at(&on_offer, health(5_000, 10_000), t).unwrap();
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
    let at = |parts| Offer::at(&made(parts), health(5_000, 10_000), 0).unwrap().lots;
    assert_eq!(at(lot(100_000, 1, 40_860, 100_000)), 59_140);
    assert_eq!(at(lot(100_000, 1, 40_861, 100_000)), 100_000);
    assert_eq!(at(lot(100_000, 1_000, 1, 100_000)), 60_000);
    assert_eq!(at(lot(100_000, 70_000, 1, 100_000)), 70_000);
    assert_eq!(at(lot(60_000, 70_000, 1, 100_000)), 60_000);
    assert_eq!(at(lot(100_000, 1, 1, 0)), 100_000, "a leg that frees nothing goes as a whole");
    let broke = Offer::at(&made(lot(100_000, 1, 1, 100_000)), health(-1, 10_000), 20).unwrap();
    assert_eq!((broke.concession, broke.fee), (0, 0));
}

#[test]
fn an_auction_starts_runs_and_lapses_by_hand() {
    let mut auction = Auction::default();
    assert_eq!(auction.call(1_000), 0);
    assert_eq!((auction.started, auction.touched), (1_000, 1_000));
    assert_eq!(auction.call(1_007), 7);
    assert_eq!(auction.call(1_007 + LAPSE_SLOTS), 7 + LAPSE_SLOTS, "150 slots without a call: it runs on");
    assert_eq!(auction.started, 1_000);
    assert_eq!(auction.call(auction.touched + LAPSE_SLOTS + 1), 0, "151: a new one");
    assert_eq!(auction.started, auction.touched);
    assert_eq!(auction.call(auction.touched + 20), 20);
    assert_eq!(
        auction.call(auction.touched - 5),
        15,
        "the clock of slots cannot run backwards below the start"
    );
    assert_eq!(LAPSE_SLOTS, 150);
}

#[test]
fn a_lot_needs_a_position_and_a_price_by_hand() {
    use bulwark_engine::position::Position;
    use bulwark_engine::units::Side;
    let mut market = model::world::market(&model::world::PARAMS, ONE, 1 << 40);
    assert_eq!(market.lot(&Position::EMPTY, 0, NOW), Err(EngineError::NoPosition));
    let claim = model::world::join(&mut market.book.long, 0, 5);
    assert_eq!(market.lot(&claim, 0, NOW), Err(EngineError::NoPosition), "a claim is no position");
    let held = model::world::join(&mut market.book.short, 1_000, 900);
    assert_eq!(market.lot(&held, 400_000, NOW).unwrap().mmf_ppm, 72_000, "60 % of 12 %");
    market.oracle.divergent = 1;
    assert!(matches!(market.lot(&held, 0, NOW), Err(EngineError::PriceNotUsable { .. })));
    assert_eq!(held.side(), Ok(Side::Short));
}

/// Within the ramp each fill below the neutral concession makes the account healthier, and so the next one dearer:
/// parts at one moment pay the taker more than the whole, never more than the end of the ramp would.
#[test]
fn what_cutting_a_takeover_within_the_ramp_gains_by_hand() {
    // A long of 10^9 lots at 1, mmf 12 %: MM 120 m, E 60 m. Ten slots on: π 3.1 %, fee 1 %.
    let scene = {
        let mut market = model::world::market(&model::world::PARAMS, ONE, 1 << 40);
        let long = model::world::join(&mut market.book.long, 1_000_000_000, -1_000_000_000);
        let positions = vec![long, bulwark_engine::position::Position::EMPTY];
        distress::Scene { market, positions, quotes: vec![60_000_000, 0], elsewhere: Health::default() }
    };
    let run = |elapsed, most| {
        let (mut scene, mut paid, mut lots) = (scene.clone(), 0, 0);
        while scene.positions[0].is_open() {
            let Ok(report) = scene.take_over(elapsed, most) else { break };
            (paid, lots) = (paid + report.concession, lots + report.lots);
            if most == u64::MAX {
                break;
            }
        }
        (paid, lots)
    };
    let (whole, cut) = (run(10, u64::MAX), run(10, 10_000_000));
    assert_eq!(whole, (24_070_587, 776_470_587));
    assert_eq!(cut, (33_378_084, 850_000_000), "in parts of 10^7 lots: 39 % more, on 9 % more lots");
    assert!(int(cut.0) <= ratio(6, 100) * int(cut.1), "the end of the ramp would pay 6 %");
    // There nothing is gained by it.
    assert_eq!(run(20, u64::MAX), (59_999_999, 1_000_000_000));
    assert_eq!(run(20, 10_000_000), (59_999_999, 1_000_000_000));
}
