//! I10: a round trip at one price never profits, and splitting an order never helps.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::EngineError;
use bulwark_engine::fill::Curve;
use bulwark_engine::units::Lots;
use model::world::{ACCOUNTS, Done, ONE, Op, PARAMS, World, any_lots, any_side, clamp, price};
use model::{config, curve_cost, int, of_price, ratio, spread_cost, within_above};
use proptest::prelude::*;

fn any_curve() -> impl Strategy<Value = Curve> {
    let bits = prop_oneof![ONE / 100..=ONE, 1_u64 << 20..=1 << 46];
    (bits, 1..=1_u64 << 50, 0..=100_000_u32, 0..=60_000_u32).prop_map(
        |(bits, skew_scale, max_impact_ppm, half_spread_ppm)| Curve {
            price: price(bits),
            skew_scale,
            max_impact_ppm,
            half_spread_ppm,
        },
    )
}

fn any_signed(bits: u32) -> impl Strategy<Value = i64> {
    (any_lots(bits), any::<bool>())
        .prop_map(|(lots, sign)| if sign { lots.cast_signed() } else { -lots.cast_signed() })
}

proptest! {
    #![proptest_config(config(1_000))]

    #[test]
    fn a_fill_costs_the_integral_rounded_up_once(curve in any_curve(), skew in any_signed(48), delta in any_signed(46)) {
        let fill = curve.fill(Lots(skew), Lots(delta)).unwrap();
        let exact = curve_cost(&curve, clamp(&curve), skew, delta);
        prop_assert_eq!(int(fill.curve.0), exact.ceil());
        let notional = (int(delta.unsigned_abs()) * of_price(curve.price)).ceil();
        prop_assert_eq!(int(fill.notional), notional.clone());
        let spread = spread_cost(&curve, delta);
        prop_assert!(within_above(&spread, &int(fill.spread), &int(2)), "{} for {}", fill.spread, spread);
        prop_assert_eq!(int(fill.spread), (notional * ratio(curve.half_spread_ppm, 1_000_000)).ceil());
        prop_assert_eq!(fill.cost.0, fill.curve.0 + i64::try_from(fill.spread).unwrap());
        // The clamp: the average price is within max_impact of the mark.
        let mark = int(delta) * of_price(curve.price);
        let room = int(delta.unsigned_abs()) * of_price(curve.price) * ratio(curve.max_impact_ppm, 1_000_000) + int(1);
        prop_assert!((int(fill.curve.0) - mark.clone()) <= room && (mark - int(fill.curve.0)) <= room);
    }

    #[test]
    fn the_parts_of_an_order_never_cost_less_than_the_whole(
        curve in any_curve(), skew in any_signed(48), parts in prop::collection::vec(any_lots(40), 2..8), side in any_side(),
    ) {
        let signed = |lots: u64| Lots::on(side, lots).unwrap();
        let whole = curve.fill(Lots(skew), signed(parts.iter().sum())).unwrap();
        let (mut at, mut cost, mut along) = (Lots(skew), 0, 0);
        for &part in &parts {
            let fill = curve.fill(at, signed(part)).unwrap();
            at = at.plus(signed(part)).unwrap();
            cost += fill.cost.0;
            along += fill.curve.0;
        }
        prop_assert!(cost >= whole.cost.0, "{} for {}", cost, whole.cost.0);
        let count = i64::try_from(parts.len()).unwrap();
        prop_assert!(along - whole.curve.0 < count, "along the curve: less than a unit per part");
    }

    #[test]
    fn a_round_trip_along_the_curve_never_profits(curve in any_curve(), skew in any_signed(48), delta in any_signed(46)) {
        let there = curve.fill(Lots(skew), Lots(delta)).unwrap();
        let back = curve.fill(Lots(skew + delta), Lots(-delta)).unwrap();
        prop_assert!(there.curve.0 + back.curve.0 >= 0 && there.curve.0 + back.curve.0 <= 1);
        prop_assert!(there.cost.0 + back.cost.0 >= 0);
    }

    #[test]
    fn an_increase_is_refused_exactly_where_the_clamp_would_bind(
        curve in any_curve(), skew in any_signed(48), delta in any_signed(46),
    ) {
        let (limit, after) = (clamp(&curve), skew + delta);
        let refused = after.unsigned_abs() > limit && after.unsigned_abs() > skew.unsigned_abs();
        let answer = curve.require_impact(Lots(skew), Lots(delta));
        let error = EngineError::ImpactTooLarge { skew: after.unsigned_abs(), limit };
        prop_assert_eq!(answer, if refused { Err(error) } else { Ok(()) });
        if !refused && skew.unsigned_abs() <= limit {
            // Formula (3) as it stands, without a clamp.
            let fill = curve.fill(Lots(skew), Lots(delta)).unwrap();
            let average = int(1) + (int(2) * int(skew) + int(delta)) / (int(2) * int(curve.skew_scale));
            prop_assert_eq!(int(fill.curve.0), (int(delta) * of_price(curve.price) * average).ceil());
        }
    }

    #[test]
    fn a_limit_bounds_the_fill_to_the_unit(
        curve in any_curve(), skew in any_signed(40), delta in any_signed(40), off in -2_000_000_i64..2_000_000,
    ) {
        let fill = curve.fill(Lots(skew), Lots(delta)).unwrap();
        let bits = curve.price.to_bits().saturating_add_signed(off).clamp(1 << 20, 1 << 46);
        // A buyer pays at most, a seller receives at least, the limit on every lot, rounded in its favour.
        let allowed = (int(delta) * of_price(price(bits))).ceil();
        prop_assert_eq!(fill.require_limit(Some(price(bits))).is_ok(), int(fill.cost.0) <= allowed);
        prop_assert!(fill.require_limit(None).is_ok());
    }
}

/// A market with somebody's skew, a carry, and a price.
fn any_world() -> impl Strategy<Value = World> {
    let carry = -(1_i64 << 46)..(1_i64 << 46);
    (ONE / 100..=ONE, carry.clone(), carry, any_side(), any_lots(33), 0..=10_000_u32, 0..=10_000_u32)
        .prop_map(|(bits, long, short, side, lots, fee, spread)| {
            let mut params = PARAMS;
            params.taker_fee_ppm = fee;
            params.base_spread_ppm = spread;
            params.min_notional = 1;
            let mut world = World::new(&params, bits, 1 << 50);
            world.apply(&Op::Carry { long, short }).unwrap();
            let _ = world.apply(&Op::Increase { who: ACCOUNTS - 1, side, lots });
            world.market.params.min_notional = 0; // single lots too
            world
        })
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn a_round_trip_through_the_market_never_profits_and_costs_spread_and_fees(
        mut world in any_world(), side in any_side(), lots in any_lots(33),
    ) {
        let (mut cost, before) = (0, world.accounts[0].quote);
        if let Ok(Done::Trade(opened)) = world.apply(&Op::Increase { who: 0, side, lots }) {
            let Ok(Done::Trade(closed)) = world.apply(&Op::Decrease { who: 0, eighths: 8 }) else {
                return Err(TestCaseError::fail("closing is always possible"));
            };
            for report in [opened, closed] {
                cost += i64::try_from(report.fill.spread + report.fee).unwrap();
            }
            prop_assert!(!world.accounts[0].position.is_open());
        }
        let change = world.accounts[0].quote - before;
        // Beyond spread and fees: two roundings of the curve, one of the carry.
        prop_assert!(change <= -cost && change >= -cost - 2, "{} for {}", change, cost);
    }

    #[test]
    fn a_split_order_never_ends_better_than_the_whole(
        world in any_world(), side in any_side(), parts in prop::collection::vec(any_lots(28), 2..6), up in any::<bool>(),
    ) {
        let (mut whole, mut split) = (world.clone(), world);
        let opened = whole.apply(&Op::Increase { who: 0, side, lots: parts.iter().sum() });
        prop_assume!(opened.is_ok());
        for &lots in &parts {
            let part = split.apply(&Op::Increase { who: 0, side, lots });
            prop_assert!(part.is_ok());
        }
        let bits = whole.market.mark().to_bits();
        for world in [&mut whole, &mut split] {
            world.apply(&Op::Price { bits: if up { bits * 2 } else { bits / 2 } }).unwrap();
        }
        prop_assert!(whole.value(0) >= split.value(0), "opening");
        // Closing the whole in parts: eighth by eighth, then the rest.
        let mut at_once = whole.clone();
        at_once.apply(&Op::Decrease { who: 0, eighths: 8 }).unwrap();
        for _ in 0..parts.len() {
            let _ = whole.apply(&Op::Decrease { who: 0, eighths: 1 });
        }
        whole.apply(&Op::Decrease { who: 0, eighths: 8 }).unwrap();
        prop_assert!(at_once.accounts[0].quote >= whole.accounts[0].quote, "closing");
    }
}

#[test]
fn a_fill_by_hand() {
    // Price 0.5, scale 1000, skew 0: 100 lots cost 50 · (1 + 100/2000) = 52.5, spread 1 % of 50 = 0.5.
    let curve =
        Curve { price: price(ONE / 2), skew_scale: 1000, max_impact_ppm: 100_000, half_spread_ppm: 10_000 };
    let buy = curve.fill(Lots(0), Lots(100)).unwrap();
    assert_eq!((buy.notional, buy.curve.0, buy.spread, buy.cost.0), (50, 53, 1, 54));
    // Back: receives 52.5, rounded down, less spread.
    let sell = curve.fill(Lots(100), Lots(-100)).unwrap();
    assert_eq!((sell.notional, sell.curve.0, sell.spread, sell.cost.0), (50, -52, 1, -51));
    // Beyond the clamp at 100 lots the marginal price stays at 0.55: 100 lots more cost 55.
    assert_eq!(curve.fill(Lots(100), Lots(100)).unwrap().curve.0, 55);
    assert_eq!(curve.fill(Lots(0), Lots(0)), Err(EngineError::ZeroAmount));
    assert_eq!(curve.require_impact(Lots(0), Lots(100)), Ok(()));
    assert!(curve.require_impact(Lots(0), Lots(101)).is_err());
    assert_eq!(curve.require_impact(Lots(300), Lots(-100)), Ok(()), "nearer to zero");
}
