//! A hedge is liquidated by what closing it frees: in full while its side of the risk group is the larger one, and beyond that
//! by `1 − offset`. A call takes lots of one rate only, so it neither stops short of restoring the account nor goes a step
//! too far, and equity over requirement never falls, before the crossing, at it and after it.
//!
//! Rounding: each leg's requirement counts up by less than 1.2 units and the group's by one, equity down by less than two in a
//! fill; the part that is free is told in units.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::auction::{Lot, Moment, Offer, SHARE_ONE};
use bulwark_engine::margin::{Health, HealthType, Portfolio, Relief, RiskGroups};
use bulwark_engine::market::{Market, MarketParams};
use bulwark_engine::position::Position;
use bulwark_engine::units::{Quote, Side};
use model::world::{NOW, ONE, PARAMS, admit, any_lots, any_side, market, oracle};
use model::{Exact, config, int, of_price, ratio};
use proptest::prelude::*;

const GROUPS: RiskGroups = RiskGroups { offset_ppm: [600_000; 8] };
const SLACK: i64 = 8;

/// A long and a short in two markets of one group, and who takes over in each of them.
#[derive(Clone)]
struct Scene {
    markets: [Box<Market>; 2],
    positions: [Position; 2],
    takers: [Position; 2],
    quote: Quote,
}

impl std::fmt::Debug for Scene {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let marks = [0, 1].map(|i: usize| {
            (self.markets[i].mark(), self.markets[i].params.step, self.markets[i].params.min_notional)
        });
        write!(f, "{:?} {marks:?} {:?}", self.positions.map(|p| (p.lots, p.quote)), self.quote)
    }
}

impl Scene {
    fn new(lots: [u64; 2], marks: [u64; 2], (step, min_notional): (u64, u64)) -> Self {
        let mut markets = marks
            .map(|_| market(&MarketParams { risk_group: 1, step, min_notional, ..PARAMS }, ONE, 1 << 50));
        let mut enter = |i: usize| {
            let (side, worth) = (Side::BOTH[i], lots[i].cast_signed());
            let position = admit(&mut markets[i], side, lots[i], if i == 0 { -worth } else { worth });
            // Who holds enough already may take any number of lots.
            let taker = admit(&mut markets[i], side, 1 << 34, if i == 0 { -(1 << 34) } else { 1 << 34 });
            markets[i].oracle = oracle(marks[i]);
            [position, taker]
        };
        let [long, short] = [0, 1].map(&mut enter);
        let (positions, takers) = ([long[0], short[0]], [long[1], short[1]]);
        Self { markets, positions, takers, quote: Quote::ZERO }
    }

    /// Gives the account an equity of this part of its requirement, ppm.
    fn with_health(mut self, part: u64) -> Self {
        let Health { equity, requirement } = self.health();
        let wanted = u128::from(requirement.units_or_zero()) * u128::from(part) / 1_000_000;
        self.quote = Quote(i64::try_from(wanted).unwrap() - equity.0);
        self
    }

    fn open(&self) -> impl Iterator<Item = usize> {
        (0..2).filter(|&i| self.positions[i].is_open() && !self.positions[i].is_claim())
    }

    fn portfolio(&self) -> Portfolio {
        let mut sum = Portfolio::default();
        sum.add(Health { equity: self.quote, requirement: Quote::ZERO }).unwrap();
        for i in self.open() {
            sum.count(&self.markets[i], &self.positions[i], (HealthType::Liquidate, NOW)).unwrap();
        }
        sum
    }

    fn health(&self) -> Health {
        self.portfolio().health(&GROUPS).unwrap()
    }

    fn requires(&self, i: usize) -> Quote {
        Health::of_position(&self.markets[i], &self.positions[i], HealthType::Liquidate, NOW)
            .unwrap()
            .requirement
    }

    fn relief(&self, i: usize) -> Relief {
        self.portfolio().relief((1, &self.positions[i]), self.requires(i), &GROUPS).unwrap()
    }

    fn lot(&self, i: usize) -> Lot {
        self.markets[i].lot(&self.positions[i], self.relief(i), NOW).unwrap()
    }

    /// Exact requirement of the group when so many lots of a leg are closed.
    fn left(&self, i: usize, closed: &Exact) -> Exact {
        let mmf = ratio(120_000, 1_000_000);
        let mut sides = [int(0), int(0)];
        for j in self.open() {
            let lots = int(self.positions[j].lots.count()) - if i == j { closed.clone() } else { int(0) };
            sides[j] = lots * of_price(self.markets[j].mark()) * &mmf;
        }
        let [long, short] = sides;
        long.clone().max(short.clone()) + long.min(short) * ratio(4, 10)
    }

    /// The second account takes over what is offered of a leg.
    fn take(&mut self, i: usize, elapsed: u64) -> (Offer, u64) {
        let (lot, health) = (self.lot(i), self.health());
        let offer = Offer::at(&lot, health, Moment::of(health, elapsed).unwrap()).unwrap();
        let pair = [&mut self.positions[i], &mut self.takers[i]];
        let report = self.markets[i].take_over(pair, (&lot, &offer), (u64::MAX, NOW)).unwrap();
        self.quote = self.quote.plus(report.quote_change).unwrap();
        (offer, report.lots)
    }

    /// The leg that requires most.
    fn worst(&self) -> usize {
        self.open().max_by_key(|&i| self.requires(i)).unwrap()
    }
}

prop_compose! {
    fn any_scene()(
        lots in [any_lots(33), any_lots(33)], marks in [ONE / 2..ONE * 2, ONE / 2..ONE * 2], near in prop::option::of(0..2_000_u64),
        step in prop_oneof![3 => Just(1), 1 => 1..1_000_u64], least in prop_oneof![3 => Just(1), 1 => any_lots(24)], part in 0..1_000_000_u64,
    ) -> Scene {
        // Often the sides are almost the same.
        let [long, short] = lots;
        let short = near.map_or(short, |near| {
            let even = u128::from(long) * u128::from(marks[0]) / u128::from(marks[1]);
            (u64::try_from(even).unwrap() + near).saturating_sub(1_000).max(1)
        });
        Scene::new([long, short], marks, (step, least)).with_health(part)
    }
}

proptest! {
    #![proptest_config(config(800))]

    /// From call to call, the worst leg first, until the account is restored or has nothing left.
    #[test]
    fn a_hedge_is_restored_without_a_step_too_much_and_never_made_worse(scene in any_scene(), elapsed in 0..30_u64) {
        let (mut scene, mut calls) = (scene, 0);
        while scene.open().next().is_some() && scene.health().excess().unwrap() < Quote::ZERO {
            let (before, i) = (scene.clone(), scene.worst());
            let (lot, relief, was) = (before.lot(i), before.relief(i), before.health());
            let (offer, lots) = scene.take(i, elapsed);
            let is = scene.health();
            calls += 1;
            prop_assert!(calls <= 12, "{calls} calls");

            // E/MM does not fall.
            let floor = int(was.equity.0) * int(is.requirement.0) / int(was.requirement.0);
            prop_assert!(int(is.equity.0) >= floor.clone().min(int(was.equity.0)) - int(SLACK), "{:?} to {:?}", was, is);

            // 1.05·MM is reached, unless the call was all that is freed at this rate.
            let slack = int(SLACK) + ratio(lot.mark.mul_ceil(lot.held).unwrap(), SHARE_ONE) * int(3);
            let missing = int(is.requirement.0) * ratio(21, 20) - int(is.equity.0);
            prop_assert!(lots == lot.most || missing <= slack, "{} after {} of {:?}", missing, lots, lot);

            // A step less would not have been enough. What the group frees of the first step, if it frees less than one in
            // full, comes on top; a lot that can't be divided there because the rest would be too small goes as the dearer part.
            let free = u64::try_from(u128::from(lot.held) * u128::from(relief.free) / u128::from(relief.requirement)).unwrap();
            let whole_steps = free / lot.step * lot.step;
            let divided = lot.most < lot.held || whole_steps == 0 || relief.free >= relief.requirement;
            let forced = lots == lot.held && lot.min_notional > 1;
            if divided && !forced && lots > lot.step {
                let less = int(lots - lot.step);
                let worth = &less * of_price(lot.mark);
                let paid = (ratio(offer.concession, SHARE_ONE) + ratio(offer.fee, SHARE_ONE)) * worth;
                let excess = int(was.equity.0) - paid - before.left(i, &less) * ratio(21, 20);
                let first = int(lot.step) * of_price(lot.mark) * ratio(63, 100) * ratio(120_000, 1_000_000) + int(1);
                let on_top = if lot.most == lot.held && relief.free > 0 && relief.free < relief.requirement { first } else { int(0) };
                prop_assert!(excess <= slack + on_top, "{} with a step less of {}", excess, lots);
            }
        }
        let health = scene.health();
        prop_assert!(scene.open().next().is_none() || health.excess().unwrap() >= Quote::ZERO);
    }

    /// What a leg's relief promises is what the group gives, at any point: its sum of legs, with a part of this one gone.
    #[test]
    fn relief_is_what_the_group_gives_for_any_part_of_a_leg(
        legs in prop::collection::vec((any_side(), any_lots(40), 0..4_u8), 1..8), who in any::<prop::sample::Index>(),
        part in 0..=1_u64 << 16, offset in 0..=600_000_u32,
    ) {
        let groups = RiskGroups { offset_ppm: [offset; 8] };
        let who = who.index(legs.len());
        let sum = |gone: u64| {
            let mut sum = Portfolio::default();
            for (i, &(side, requirement, group)) in legs.iter().enumerate() {
                let left = requirement - if i == who { gone } else { 0 };
                let health = Health { equity: Quote::ZERO, requirement: Quote(left.cast_signed()) };
                sum.add_position(health, group, &Position::new(0, side)).unwrap();
            }
            sum
        };
        let (side, requirement, group) = legs[who];
        let place = (group, &Position::new(0, side));
        let relief = sum(0).relief(place, Quote(requirement.cast_signed()), &groups).unwrap();
        let of = |wanted: Side| legs.iter().filter(|leg| leg.2 == group && leg.0 == wanted).map(|leg| leg.1).sum::<u64>();
        let larger = of(side).saturating_sub(of(side.opposite())).min(requirement);
        let expected = if group == 0 { (requirement, 0) } else { (larger, offset) };
        prop_assert_eq!((relief.requirement, relief.free, relief.offset_ppm), (requirement, expected.0, expected.1));
        let gone = u64::try_from((u128::from(requirement) * u128::from(part)) >> 16).unwrap();
        let freed = sum(0).health(&groups).unwrap().requirement.0 - sum(gone).health(&groups).unwrap().requirement.0;
        let full = gone.min(relief.free);
        let exact = int(full) + int(gone - full) * ratio(1_000_000 - relief.offset_ppm, 1_000_000);
        prop_assert!(int(freed) > &exact - int(1) && int(freed) < &exact + int(1), "{} of {}", freed, exact);
    }
}

/// Long 100 000 and short 20 000 lots at 1, mmf 12 %, offset 60 %: 12 000 + 0.4 · 2 400 = 12 960.
fn hedged(part: u64) -> Scene {
    Scene::new([100_000, 20_000], [ONE, ONE], (1, 1)).with_health(part)
}

#[test]
fn a_hedge_that_is_restored_before_the_crossing_by_hand() {
    let mut scene = hedged(500_000);
    assert_eq!(scene.health(), Health { equity: Quote(6_480), requirement: Quote(12_960) });
    assert_eq!(scene.relief(0), Relief { requirement: 12_000, free: 9_600, offset_ppm: 600_000 });
    assert_eq!((scene.lot(0).most, scene.lot(0).mmf_ppm), (80_000, 120_000));
    assert_eq!(scene.relief(1).free, 0, "the smaller side frees 40 %");
    assert_eq!((scene.lot(1).most, scene.lot(1).mmf_ppm), (20_000, 48_000));
    // x = (13 608 − 6 480) / (0.126 − 0.002 − 0.01) = 62 526.3: 37 473 left need 4 497 + 960.
    assert_eq!(scene.take(0, 0).1, 62_527);
    let health = scene.health();
    assert_eq!((health.equity, health.requirement), (Quote(5_730), Quote(5_457)));
    assert_eq!(5_730 * 20 / 21, 5_457, "1.05 and no more");
}

#[test]
fn a_hedge_that_needs_more_than_the_crossing_goes_step_by_step_by_hand() {
    // E 3 000: 93 053 lots at the rate of the first, but only 80 000 of them free in full.
    let mut scene = hedged(231_482);
    assert_eq!(scene.health().equity, Quote(3_000));
    assert_eq!(scene.take(0, 0).1, 80_000);
    assert_eq!(scene.health(), Health { equity: Quote(2_042), requirement: Quote(3_360) }, "2 400 + 960");
    assert_eq!((scene.lot(0).most, scene.lot(0).mmf_ppm), (20_000, 48_000), "from here on 40 %");
    // x = (3 528 − 2 042) / (0.0504 − 0.012) = 38 698: all. Then the short alone, in full.
    assert_eq!(scene.take(0, 0).1, 20_000);
    assert_eq!(scene.health(), Health { equity: Quote(1_804), requirement: Quote(2_400) });
    assert_eq!((scene.lot(1).most, scene.lot(1).mmf_ppm), (20_000, 120_000));
    // x = (2 520 − 1 804) / (0.126 − 0.012) = 6 280.7.
    assert_eq!(scene.take(1, 0).1, 6_281);
    let health = scene.health();
    assert!(health.equity.0 * 20 >= health.requirement.0 * 21, "{health:?}");
}

#[test]
fn where_the_rest_would_be_too_small_the_dearer_rate_counts_for_all_by_hand() {
    // Of 80 000 free lots the step leaves none, or what is left beyond them is less than the least notional.
    let lot = |terms| {
        let scene = Scene::new([100_000, 20_000], [ONE, ONE], terms).with_health(500_000);
        let lot = scene.lot(0);
        (lot.most, lot.mmf_ppm)
    };
    assert_eq!(lot((30_000, 1)), (60_000, 120_000), "whole steps");
    assert_eq!(lot((90_000, 1)), (100_000, 48_000), "less than a step");
    assert_eq!(lot((1, 20_000)), (80_000, 120_000));
    assert_eq!(lot((1, 20_001)), (100_000, 48_000));
    // Nearly even: what is freed in full is too little for anybody to take over.
    let near = |least| {
        let scene = Scene::new([100_000, 95_000], [ONE, ONE], (1, least)).with_health(500_000);
        let lot = scene.lot(0);
        (lot.most, lot.mmf_ppm)
    };
    assert_eq!([near(5_000), near(5_001)], [(5_000, 120_000), (100_000, 48_000)]);
}
