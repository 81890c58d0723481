//! I7 where the pool is who takes a position: at once only what brings the skew nearer to zero, at no cost to the pool;
//! along its curve once the auction has failed.
//!
//! Rounding: the mark is rounded in favour of the account, so the pool may lose less than a unit in a call.

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
use bulwark_engine::auction::{Moment, Offer, SHARE_ONE};
use bulwark_engine::ladder::WHOLE;
use bulwark_engine::liquidation::PoolFill;
use bulwark_engine::margin::{Health, HealthType, Portfolio, Relief, RiskGroups};
use bulwark_engine::market::MarketParams;
use bulwark_engine::position::Position;
use bulwark_engine::units::{Lots, Quote, Side};
use distress::{Scene, any_scene};
use model::world::{NOW, ONE, PARAMS, admit, any_lots, any_side, market};
use model::{config, curve_cost, int, of_price, ratio};
use num_traits::Signed;
use proptest::prelude::*;

fn unwound(scene: &Scene) -> bool {
    let book = &scene.market.book;
    [&book.long, &book.short].iter().any(|side| side.buckets.iter().any(|bucket| bucket.unwind != WHOLE))
}

proptest! {
    #![proptest_config(config(600))]

    #[test]
    fn the_pool_takes_at_once_only_what_reduces_its_skew_and_loses_nothing_by_it(
        scene in any_scene(), insurance in 0..1_000_u64,
    ) {
        prop_assume!(scene.health().excess().unwrap() < Quote::ZERO);
        let skew = scene_skew(&scene);
        let mut scene = scene;
        scene.market.book.insurance = insurance;
        let before = scene.clone();
        let lot = before.lot();
        let offer = before.pool_offer(PoolFill::Reducing, 0);
        let params = before.market.params;
        let heavy = if before.side() == Side::Long { skew > 0 } else { skew < 0 };
        let report = match scene.take_back(&offer, PoolFill::Reducing) {
            Err(EngineError::SkewWouldGrow { skew: told }) => {
                // The lighter side, or neither the skew nor what may be taken without leaving too little has a step.
                let step = lot.held.saturating_sub(params.step);
                let enough = lot.held > params.step && lot.mark.mul_floor(step).unwrap() >= params.min_notional;
                prop_assert!(told == skew && (!heavy || skew.unsigned_abs() < params.step || !enough));
                prop_assert_eq!(before.market.reducible(before.side(), (&lot, &offer)), Ok(0));
                return Ok(());
            }
            report => report.unwrap(),
        };
        prop_assert!(heavy);
        // As many whole steps as the skew has and as leave enough, if not all that the offer is for.
        let left = lot.mark.mul_floor(lot.held - report.lots).unwrap();
        prop_assert!(report.lots == lot.held || report.lots % params.step == 0 && left >= params.min_notional);
        prop_assert!(report.lots <= offer.lots.min(skew.unsigned_abs()));
        if report.lots < offer.lots {
            let next = report.lots + params.step;
            let more = next <= skew.unsigned_abs() && next < lot.held
                && lot.mark.mul_floor(lot.held - next).unwrap() >= params.min_notional;
            prop_assert!(!more, "a step more could be taken");
        }
        let after = scene_skew(&scene);
        let (fell, lots) = (skew.abs() - after.abs(), i64::try_from(report.lots).unwrap());
        // Whoever leaves an unwound bucket may take rounding with it: less than a lot for each member.
        let slack = if unwound(&before) { i64::try_from(before.positions.len()).unwrap() } else { 0 };
        prop_assert!(lots > 0 && (fell - lots).abs() <= slack, "{} to {}", skew, after);
        prop_assert_eq!(before.money(), scene.money() + i128::from(report.keeper));
        // Half of the concession is the keeper's, or the tip if that is more; the insurance has the rest, and gives what lacks.
        let kept = int(report.keeper) + int(report.insurance.0);
        let worth = u128::from(lot.mark.mul_floor(report.lots).unwrap());
        let taker = worth * u128::from(params.taker_fee_ppm) / 1_000_000;
        let tip = int(params.deleverage.keeper_tip).min(&kept + int(taker / 2));
        let due = (&kept / int(2)).floor().max(tip);
        prop_assert_eq!(int(report.keeper), due.min(int(insurance) + &kept));
        let notional = int(report.lots) * of_price(before.market.mark());
        let concession = notional * ratio(offer.concession, 1_u64 << 32);
        prop_assert!(kept <= concession && kept > concession - int(2));
        prop_assert_eq!(int(scene.market.book.insurance) - int(insurance), int(report.insurance.0));
        let equity = scene.market_equity() - before.market_equity();
        prop_assert!(equity > int(-1), "{}", equity);
        if !before.equity().is_negative() {
            let floor = before.equity() * scene.requirement() / before.requirement() - int(2);
            prop_assert!(scene.equity() >= floor && scene.equity() >= int(-1));
        }
    }

    #[test]
    fn a_failed_auction_ends_on_the_curve_or_at_the_neutral_concession_and_the_rest_is_the_insurances(
        scene in any_scene(), insurance in 0..1_000_u64, unbacked in prop_oneof![3 => Just(0), 1 => 0..2_000_000_u64],
    ) {
        prop_assume!(scene.health().excess().unwrap() < Quote::ZERO);
        let mut scene = scene;
        scene.market.book.insurance = insurance;
        scene.market.book.unbacked = unbacked.min(scene.market.book.cash + insurance);
        let before = scene.clone();
        let (lot, params) = (before.lot(), before.market.params);
        let offer = before.pool_offer(PoolFill::Takeover, 50);
        let report = scene.take_back(&offer, PoolFill::Takeover).unwrap();
        prop_assert_eq!(report.lots, offer.lots, "either side, always");

        // Along the curve without spread, but never worse than the mark less π_zero.
        let curve = before.market.curve(NOW).unwrap();
        let sign = if before.side() == Side::Long { -1 } else { 1 };
        let delta = i64::try_from(report.lots).unwrap() * sign;
        let exact = curve_cost(&curve, model::world::clamp(&curve), scene_skew(&before), delta);
        let notional = int(report.lots) * of_price(lot.mark);
        let mark = if sign < 0 { -notional.ceil() } else { notional.floor() };
        let most = int(lot.part(report.lots, offer.concession).unwrap());
        let neutral = &notional * ratio(lot.mmf_ppm, 1_000_000) * before.equity() / before.requirement();
        prop_assert!(most <= neutral.max(int(0)));
        let cost = exact.ceil().min(&mark + &most);
        prop_assert_eq!(int(report.cost.0), cost.clone(), "no spread");
        // The fee is what is left of π_zero, at most its share.
        let left = &most - (&cost - &mark).max(int(0));
        let fee = left.min(int(lot.part(report.lots, offer.fee).unwrap()));
        let charged = int(report.paid.0) - int(report.quote_change.0);
        prop_assert_eq!(charged, fee.clone());

        // The tip: from the insurance, at most what it got and half a taker fee, and nothing that losers owe.
        let worth = u128::from(lot.mark.mul_floor(report.lots).unwrap());
        let taker = worth * u128::from(params.taker_fee_ppm) / 1_000_000;
        let due = int(params.deleverage.keeper_tip).min(&fee + int(taker / 2));
        let tokens = scene.market.book.tokens().unwrap() + report.keeper;
        let spare = int(tokens.saturating_sub(scene.market.book.unbacked));
        let tip = due.min(int(insurance) + &fee).min(spare);
        prop_assert_eq!(int(report.keeper), tip.clone());
        prop_assert_eq!(int(report.insurance.0), &fee - &tip);
        prop_assert_eq!(int(scene.market.book.insurance), int(insurance) + fee - tip);
        prop_assert_eq!(before.money(), scene.money() + i128::from(report.keeper));
        // What the account gives up beyond the mark is what the pool gets.
        let charged = report.paid.0 - report.quote_change.0;
        let moved = scene.value(0) + int(charged) - before.value(0) + scene.market_equity() - before.market_equity();
        let dust = if unwound(&before) { int(1_000) * of_price(before.market.mark()) } else { int(0) };
        prop_assert!(!moved.is_negative() && moved <= dust, "{}", moved);
    }

    /// Whatever skew and curve make of the price: the account is no worse off for it.
    #[test]
    fn equity_over_requirement_never_falls_by_a_takeover_of_the_pool_whatever_the_curve_says(
        scene in any_scene(), elapsed in 0..60_u64, lean in prop::option::of((any_side(), any_lots(40))), scale in any_lots(36),
    ) {
        prop_assume!(scene.health().excess().unwrap() < Quote::ZERO);
        let mut scene = scene;
        scene.market.params.skew_scale = scale;
        if let Some((side, lots)) = lean {
            let worth = scene.market.mark().mul_floor(lots).unwrap().cast_signed();
            admit(&mut scene.market, side, lots, if side == Side::Long { -worth } else { worth });
        }
        let before = scene.clone();
        let offer = before.pool_offer(PoolFill::Takeover, elapsed);
        scene.take_back(&offer, PoolFill::Takeover).unwrap();
        let (equity, requirement) = (before.equity(), before.requirement());
        let (then, needed) = (scene.equity(), scene.requirement());
        if equity.is_negative() {
            prop_assert!(then >= equity - int(1), "nothing is taken from who has nothing");
        } else {
            let floor = &equity * &needed / &requirement - int(2);
            prop_assert!(then >= floor && then >= int(-1), "{} < {}", then, floor);
        }
    }

    /// What the curve costs is part of the size: the account is 5 % above its requirement unless all of it went. The curve and the
    /// mark round by less than a unit each, the offer as that of an auction.
    #[test]
    fn a_takeover_of_the_pool_restores_the_account_whatever_the_curve_says(
        scene in any_scene(), elapsed in 0..60_u64, lean in prop::option::of((any_side(), any_lots(40))), scale in any_lots(36),
    ) {
        prop_assume!(scene.health().excess().unwrap() < Quote::ZERO);
        let mut scene = scene;
        scene.market.params.skew_scale = scale;
        if let Some((side, lots)) = lean {
            let worth = scene.market.mark().mul_floor(lots).unwrap().cast_signed();
            admit(&mut scene.market, side, lots, if side == Side::Long { -worth } else { worth });
        }
        let (before, lot) = (scene.clone(), scene.lot());
        let offer = before.pool_offer(PoolFill::Takeover, elapsed);
        let report = scene.take_back(&offer, PoolFill::Takeover).unwrap();
        prop_assert_eq!(report.lots, offer.lots);
        if report.lots < lot.held {
            let slack = ratio(lot.mark.mul_ceil(lot.held).unwrap(), SHARE_ONE) * int(3) + int(8);
            let missing = scene.requirement() * ratio(21, 20) - scene.equity();
            prop_assert!(missing <= slack, "{} of {:?}", missing, report);
        }
        // No less is offered than an auction would that has come to its end, and a mark without impact costs nothing.
        let flat = Offer::at_the_end(&lot, (before.health(), before.moment(elapsed)), 0).unwrap();
        prop_assert!(flat.lots <= offer.lots && flat.concession == offer.concession && flat.fee == offer.fee);
    }
}

fn scene_skew(scene: &Scene) -> i64 {
    scene.market.book.skew().unwrap().0
}

/// A long of 1 000 lots at 1, and a short so that the skew is `skew`; E is half of MM.
fn by_hand(params: &MarketParams, short: u64) -> Scene {
    let mut market = market(params, ONE, 1 << 30);
    let long = admit(&mut market, Side::Long, 1_000, -1_000);
    let other = admit(&mut market, Side::Short, short, i64::try_from(short).unwrap());
    let positions = vec![long, Position::EMPTY, other];
    Scene { market, positions, quotes: vec![60, 0, 0], elsewhere: Health::default() }
}

#[test]
fn the_pool_takes_no_more_than_the_skew_by_hand() {
    // mmf 12 %: MM 120, E 60. π_zero 6 %, π_0 0.2 %, and no fee: x = (126 − 60) / (0.126 − 0.002) = 532.3.
    let mut scene = by_hand(&PARAMS, 900);
    let offer = scene.pool_offer(PoolFill::Reducing, 0);
    assert_eq!((offer.lots, offer.fee), (533, 0));
    let report = scene.take_back(&offer, PoolFill::Reducing).unwrap();
    assert_eq!((report.lots, report.cost, report.keeper, report.insurance), (100, Quote(-100), 0, Quote(0)));
    assert_eq!(scene.market.book.skew(), Ok(Lots(0)));
    let refused = scene.take_back(&offer, PoolFill::Reducing);
    assert_eq!(refused, Err(EngineError::SkewWouldGrow { skew: 0 }), "nothing is left to reduce");
    let mut light = by_hand(&PARAMS, 1_100);
    let refused = light.take_back(&offer, PoolFill::Reducing);
    assert_eq!(refused, Err(EngineError::SkewWouldGrow { skew: -100 }));
}

#[test]
fn a_skew_that_is_no_multiple_of_the_step_is_reduced_by_whole_steps_by_hand() {
    // An unwind leaves any number of lots.
    let mut scene = by_hand(&MarketParams { step: 10, ..PARAMS }, 895);
    let offer = scene.pool_offer(PoolFill::Reducing, 0);
    let report = scene.take_back(&offer, PoolFill::Reducing).unwrap();
    assert_eq!((report.lots, scene_skew(&scene)), (100, 5));
    let refused = scene.take_back(&offer, PoolFill::Reducing);
    assert_eq!(refused, Err(EngineError::SkewWouldGrow { skew: 5 }), "less than a step");
}

#[test]
fn fewer_steps_are_taken_where_the_rest_would_be_too_small_by_hand() {
    // The offer is for 579, the skew is 550; of 1 000 lots 500 at least must be left.
    let mut scene = by_hand(&MarketParams { min_notional: 500, ..PARAMS }, 450);
    let offer = Offer { lots: 579, ..scene.pool_offer(PoolFill::Reducing, 0) };
    assert_eq!(scene.take_back(&offer, PoolFill::Reducing).map(|report| report.lots), Ok(500));
    let mut scene = by_hand(&MarketParams { min_notional: 500, step: 7, ..PARAMS }, 450);
    assert_eq!(scene.take_back(&offer, PoolFill::Reducing).map(|report| report.lots), Ok(497));
    let mut scene = by_hand(&MarketParams { min_notional: 995, step: 7, ..PARAMS }, 450);
    assert_eq!(scene.take_back(&offer, PoolFill::Reducing), Err(EngineError::SkewWouldGrow { skew: 550 }));
    // What the offer is for as a whole goes as a whole.
    let mut scene = by_hand(&MarketParams { min_notional: 995, ..PARAMS }, 0);
    let all = Offer { lots: 1_000, ..offer };
    assert_eq!(scene.take_back(&all, PoolFill::Reducing).map(|report| report.lots), Ok(1_000));
}

#[test]
fn what_may_not_be_moved_by_hand() {
    let scene = by_hand(&MarketParams { step: 10, min_notional: 100, ..PARAMS }, 900);
    let lot = scene.lot();
    let offer = Offer::at(&lot, scene.health(), scene.moment(0)).unwrap();
    let take = |most| scene.clone().take_at(&lot, &offer, most).map(|report| report.lots);
    assert_eq!(take(0), Err(EngineError::ZeroAmount));
    assert_eq!(take(105), Err(EngineError::NotAMultipleOfStep { lots: 105, step: 10 }));
    assert_eq!(take(90), Err(EngineError::BelowMinNotional { notional: 90, minimum: 100 }), "the taker's");
    assert_eq!(take(100), Ok(100));
    let all = Offer { lots: 950, ..offer };
    let left = scene.clone().take_at(&lot, &all, u64::MAX);
    assert_eq!(left, Err(EngineError::BelowMinNotional { notional: 50, minimum: 100 }), "the account's");
    let mut opposite = scene.clone();
    opposite.positions[1] = admit(&mut opposite.market, Side::Short, 500, 500);
    assert_eq!(opposite.take_at(&lot, &offer, 100), Err(EngineError::OppositeSide));
}

/// A long and a short of one group with an offset of 60 %, and the account's health.
fn grouped([long, short]: [u64; 2], quote: i64) -> Health {
    let market = market(&PARAMS, ONE, 1 << 30);
    let leg = |side, lots: u64| {
        let mut position = Position::new(0, side);
        position.lots = Lots::on(side, lots).unwrap();
        position.quote = Quote(-position.lots.0);
        position.unwind = WHOLE;
        let health = Health::of_position(&market, &position, HealthType::Maint, NOW).unwrap();
        (health, position)
    };
    let mut portfolio = Portfolio::default();
    portfolio.add(Health { equity: Quote(quote), requirement: Quote::ZERO }).unwrap();
    for (health, position) in [leg(Side::Long, long), leg(Side::Short, short)] {
        portfolio.add_position(health, 1, &position).unwrap();
    }
    portfolio.health(&RiskGroups { offset_ppm: [600_000; 8] }).unwrap()
}

proptest! {
    #![proptest_config(config(1_000))]

    /// What a lot frees for sure is `1 − offset` of its requirement, on whichever side it is: with that, equity over
    /// requirement never falls, even when the larger side becomes the smaller one.
    #[test]
    fn with_the_offset_taken_off_a_leg_of_a_group_never_leaves_it_worse(
        long in 1_000_000..1_000_000_000_u64, short in 1_000_000..1_000_000_000_u64, part in 1..=1_000_u64,
        health in 0..1_000_i64, elapsed in 0..30_u64,
    ) {
        let quote = grouped([long, short], 0).requirement.0 / 1_000 * health;
        let before = grouped([long, short], quote);
        let mut market = market(&PARAMS, ONE, 1 << 30);
        let position = admit(&mut market, Side::Long, long, -i64::try_from(long).unwrap());
        let lot = market.lot(&position, Relief { requirement: 1, free: 0, offset_ppm: 600_000 }, NOW).unwrap();
        let offer = Offer::at(&lot, before, Moment::of(before, elapsed).unwrap()).unwrap();
        let lots = (offer.lots * part / 1_000).max(1);
        let paid = lot.part(lots, offer.concession).unwrap() + lot.part(lots, offer.fee).unwrap();
        let after = grouped([long - lots, short], quote - i64::try_from(paid).unwrap());
        let floor = int(before.equity.0) * int(after.requirement.0) / int(before.requirement.0);
        prop_assert!(int(after.equity.0) >= floor - int(3), "{:?} {:?}", before, after);
    }
}

#[test]
fn without_the_offset_the_larger_side_may_be_reduced_down_to_the_smaller_one_by_hand() {
    // Long 1 000, short 900, each needs 12 %: 120 + 0.4·108 = 163.2. Of E = 0.9·MM, at the neutral concession of 10.8 %,
    // the first 100 lots leave the ratio where it was: they free all of their requirement, 12 of 163.2.
    let before = grouped([1_000_000, 900_000], 146_880);
    assert_eq!((before.equity.0, before.requirement.0), (146_880, 163_200));
    let first = grouped([900_000, 900_000], 146_880 - 10_800);
    assert_eq!((first.equity.0, first.requirement.0), (136_080, 151_200), "0.9 still");
    // The next free 40 %: at the same concession the ratio falls.
    let next = grouped([500_000, 900_000], 136_080 - 43_200);
    assert_eq!((next.equity.0, next.requirement.0), (92_880, 132_000), "0.70");
}
