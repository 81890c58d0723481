//! I9: more collateral or more quote never worsens health, whatever it is wanted for; and what health is made of.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::EngineError;
use bulwark_engine::collateral::{Collateral, QuoteWeight};
use bulwark_engine::margin::{Health, HealthType};
use bulwark_engine::market::Market;
use bulwark_engine::price::{OracleState, Validity};
use bulwark_engine::units::{Price, Quote, Side};
use fixed::types::I80F48;
use model::vault::collateral;
use model::world::{HALF, NOW, ONE, Op, PARAMS, World, any_lots, any_side, oracle, price};
use model::{config, int, of_price, ratio};
use proptest::prelude::*;

const TYPES: [HealthType; 3] = [HealthType::Init, HealthType::Withdraw, HealthType::Maint];

fn any_state() -> impl Strategy<Value = OracleState> {
    (ONE / 8..ONE * 8, ONE / 8..ONE * 8, 0..ONE, -90..=0_i64, 0..10_u8).prop_map(
        |(live, ema, conf, age, divergent)| {
            let divergent = u8::from(divergent == 0);
            OracleState {
                ema: price(ema),
                conf: conf / 64,
                publish_time: NOW + age,
                divergent,
                ..oracle(live)
            }
        },
    )
}

fn any_collateral() -> impl Strategy<Value = Collateral> {
    (any_state(), 0..=1_000_000_u32, 0..=1_000_000_u32)
        .prop_map(|(oracle, init, maint)| collateral([init, maint], oracle))
}

/// A world with one position at a price, an average and a carry that have moved.
fn any_position() -> impl Strategy<Value = World> {
    let carry = -(1_i64 << 46)..(1_i64 << 46);
    (any_side(), any_lots(33), ONE / 8..ONE * 8, ONE / 8..ONE * 8, carry).prop_map(
        |(side, lots, live, ema, carry)| {
            let mut world = World::new(&PARAMS, HALF, 1 << 40);
            let lots = lots.max(16);
            world.apply(&Op::Increase { who: 0, side, lots }).unwrap();
            world.market.oracle = OracleState { ema: price(ema), ..oracle(live) };
            world.market.book.side_mut(side).carry.set(I80F48::from_bits(i128::from(carry)));
            world
        },
    )
}

proptest! {
    #![proptest_config(config(1_000))]

    #[test]
    fn more_quote_never_worsens_health(quote in any::<i64>(), more in any::<u64>(), weight in 0..=1_000_000_u32) {
        for health in TYPES {
            let a = Health::of_quote(Quote(quote), weight, health).unwrap();
            let b = Health::of_quote(Quote(quote.saturating_add_unsigned(more)), weight, health).unwrap();
            prop_assert!(b.equity >= a.equity && b.requirement == a.requirement);
            prop_assert!(a.equity.0 <= quote || quote < 0);
            prop_assert!(quote >= 0 || a.equity.0 == quote, "a debt counts in full");
        }
    }

    #[test]
    fn more_collateral_never_worsens_health(collateral in any_collateral(), amount in 0..1_u64 << 50, more in 0..1_u64 << 50) {
        for health in TYPES {
            let a = Health::of_collateral(&collateral, amount, health, NOW);
            let b = Health::of_collateral(&collateral, amount + more, health, NOW);
            match (a, b) {
                (Ok(a), Ok(b)) => prop_assert!(b.equity >= a.equity && a.equity >= Quote::ZERO && b.requirement.0 == 0),
                (Err(a), Err(b)) => {
                    prop_assert_eq!(&a, &b);
                    prop_assert!(health != HealthType::Init, "initial margin is never refused");
                }
                (a, b) => prop_assert!(false, "{:?} {:?}", a, b),
            }
        }
    }

    #[test]
    fn a_collateral_is_worth_its_price_less_its_haircut(collateral in any_collateral(), amount in 0..1_u64 << 50) {
        let (valued, narrow) = (
            collateral.oracle.divergent == 0 && NOW - collateral.oracle.publish_time <= 60,
            collateral.oracle.conf <= collateral.oracle.price.to_bits() / 100,
        );
        let (live, low) = (of_price(collateral.oracle.price), of_price(collateral.oracle.price.min(collateral.oracle.ema)));
        for (health, price, haircut) in [
            (HealthType::Init, &low, collateral.params.haircut_init_ppm),
            (HealthType::Withdraw, &low, collateral.params.haircut_init_ppm),
            (HealthType::Maint, &live, collateral.params.haircut_maint_ppm),
        ] {
            let value = collateral.value(amount, health, NOW);
            if valued && (narrow || health == HealthType::Maint) {
                let exact = int(amount) * price * ratio(1_000_000 - haircut, 1_000_000);
                let value = int(value.unwrap());
                prop_assert!(value <= exact && exact < value.clone() + int(2), "{} of {}", value, exact);
            } else if health == HealthType::Init {
                prop_assert_eq!(value, Ok(0));
            } else {
                let refused = matches!(value, Err(EngineError::PriceNotUsable { .. }));
                prop_assert!(refused);
            }
        }
    }

    #[test]
    fn a_position_counts_as_the_formula_says(world in any_position()) {
        let (market, position) = (&world.market, &world.accounts[0].position);
        let [init, withdraw, maint] = TYPES.map(|t| Health::of_position(market, position, t, NOW).unwrap());
        let notional = |price: Price| (int(position.lots.count()) * of_price(price)).ceil();
        let share = |amount: model::Exact, ppm: u32| (amount * ratio(ppm, 1_000_000)).ceil();
        let strict = market.oracle.strict();
        prop_assert_eq!(int(maint.equity.0), world.pnl(0).floor());
        prop_assert_eq!(int(maint.requirement.0), share(notional(market.mark()), PARAMS.mmf_ppm));
        prop_assert_eq!(int(init.requirement.0), share(notional(strict.high), PARAMS.imf_ppm));
        let mut worse = world.clone();
        worse.market.oracle.price = if position.side() == Ok(Side::Long) { strict.low } else { strict.high };
        let pnl = worse.pnl(0).floor();
        let weighted = if pnl > int(0) { (&pnl * ratio(PARAMS.profit_weight_ppm, 1_000_000)).floor() } else { pnl.clone() };
        prop_assert_eq!(int(init.equity.0), weighted);
        prop_assert_eq!(int(withdraw.equity.0), pnl.min(int(0)));
        prop_assert_eq!(withdraw.requirement, init.requirement);
        // In order: what allows more asks for more.
        prop_assert!(withdraw.equity <= init.equity && init.equity <= maint.equity.max(Quote::ZERO));
        prop_assert!(init.requirement >= maint.requirement);
    }

    #[test]
    fn a_sum_of_parts_is_the_sum_and_its_excess_the_difference(
        a in any::<i32>(), b in any::<i32>(), c in any::<i32>(), d in any::<i32>(),
    ) {
        let part = |e: i32, r: i32| Health { equity: Quote(e.into()), requirement: Quote(r.into()) };
        let sum = part(a, b).plus(part(c, d)).unwrap();
        prop_assert_eq!(sum.equity.0, i64::from(a) + i64::from(c));
        prop_assert_eq!(sum.excess().unwrap().0, i64::from(a) + i64::from(c) - i64::from(b) - i64::from(d));
        prop_assert_eq!(sum.require().is_ok(), sum.equity >= sum.requirement);
    }
}

#[test]
fn a_position_by_hand() {
    let mut world = World::new(&PARAMS, HALF, 1 << 40);
    world.apply(&Op::Increase { who: 0, side: Side::Long, lots: 1_000 }).unwrap();
    // Cost: 500 and a fraction along the curve → 501, spread 0.05 → 1. Mark 0.75, average 0.5.
    world.market.oracle = OracleState { ema: price(HALF), ..oracle(ONE / 4 * 3) };
    let health = |t| Health::of_position(&world.market, &world.accounts[0].position, t, NOW).unwrap();
    let numbers = |t| (health(t).equity.0, health(t).requirement.0);
    assert_eq!(numbers(HealthType::Maint), (248, 90), "750 − 502; 12 % of 750");
    assert_eq!(numbers(HealthType::Init), (-2, 150), "500 − 502; 20 % of 750");
    assert_eq!(numbers(HealthType::Withdraw), (-2, 150));
}

#[test]
fn a_position_without_a_usable_price_has_no_health() {
    let mut world = World::new(&PARAMS, HALF, 1 << 40);
    world.apply(&Op::Increase { who: 0, side: Side::Long, lots: 1_000 }).unwrap();
    let usable = |world: &World, now| {
        TYPES.map(|t| Health::of_position(&world.market, &world.accounts[0].position, t, now).is_ok())
    };
    assert_eq!(usable(&world, NOW + 60), [true; 3]);
    assert_eq!(usable(&world, NOW + 61), [false; 3]);
    world.market.oracle.conf = HALF / 99;
    assert_eq!(usable(&world, NOW), [true, false, true], "a wide price values, but not for a withdrawal");
    world.market.oracle.divergent = 1;
    assert_eq!(usable(&world, NOW), [false; 3]);
}

#[test]
fn a_collateral_without_a_fresh_price_by_hand() {
    let fresh = oracle(HALF);
    let refused =
        |validity, age_seconds| Err(EngineError::PriceNotUsable { validity, age_seconds, limit_seconds: 60 });
    let value =
        |oracle, now| TYPES.map(|health| collateral([200_000, 100_000], oracle).value(1_000, health, now));
    assert_eq!(value(fresh, NOW), [Ok(400), Ok(400), Ok(450)]);
    assert_eq!(value(fresh, NOW + 60), [Ok(400), Ok(400), Ok(450)]);
    let stale = refused(Validity::Stale, 61);
    assert_eq!(value(fresh, NOW + 61), [Ok(0), stale, stale]);
    let wide = OracleState { conf: HALF / 99, ..fresh };
    assert_eq!(value(wide, NOW), [Ok(0), refused(Validity::Wide, 0), Ok(450)]);
    assert_eq!(value(wide, NOW + 61), [Ok(0), stale, stale], "too old to be wide");
    let divergent = refused(Validity::Divergent, 0);
    assert_eq!(value(OracleState { divergent: 1, ..wide }, NOW), [Ok(0), divergent, divergent]);
}

/// The quote token as a collateral: floor 80 %.
fn quote(oracle: OracleState) -> Collateral {
    collateral([200_000, 100_000], oracle)
}

#[test]
fn the_quote_token_counts_for_no_more_than_its_floor_without_an_undisputed_price() {
    let weight = |oracle, now| QuoteWeight::of(&quote(oracle)).unwrap().at(now);
    assert_eq!([NOW + 60, NOW + 61].map(|now| weight(oracle(ONE), now)), [1_000_000, 800_000]);
    assert_eq!([NOW + 60, NOW + 61].map(|now| weight(oracle(HALF), now)), [500_000, 500_000], "not for more");
    assert_eq!(weight(OracleState { divergent: 1, ..oracle(ONE) }, NOW), 800_000);
    assert_eq!(QuoteWeight::WHOLE.at(i64::MAX), 1_000_000);
    let unrefreshed = QuoteWeight::unrefreshed(&quote(oracle(ONE)).params);
    assert_eq!([i64::MIN, NOW, i64::MAX].map(|now| unrefreshed.at(now)), [800_000; 3]);
}

#[test]
fn a_claim_is_worth_the_same_whatever_the_price_is() {
    let mut world = World::new(&PARAMS, HALF, 1 << 40);
    world.apply(&Op::Increase { who: 0, side: Side::Long, lots: 1_000 }).unwrap();
    world.apply(&Op::Price { bits: ONE }).unwrap();
    world.apply(&Op::Lend { left: 0 }).unwrap();
    world.apply(&Op::Decrease { who: 0, eighths: 8 }).unwrap();
    let claim = world.accounts[0].position;
    assert!(claim.is_claim());
    let health = |market: &Market, now| TYPES.map(|t| Health::of_position(market, &claim, t, now).unwrap());
    let fresh = health(&world.market, NOW);
    assert_eq!(fresh[2], Health { equity: claim.quote, requirement: Quote::ZERO });
    assert_eq!(fresh[1], Health::default(), "not withdrawn against");
    world.market.oracle.divergent = 1;
    world.market.oracle.price = price(HALF / 8);
    assert_eq!(health(&world.market, NOW + 1_000), fresh);
}

#[test]
fn the_quote_token_counts_for_its_price_and_never_for_more_than_one() {
    let weight = |live, ema| {
        QuoteWeight::of(&quote(OracleState { ema: price(ema), ..oracle(live) })).unwrap().at(NOW + 60)
    };
    assert_eq!(weight(ONE, ONE), 1_000_000);
    assert_eq!(weight(ONE * 2, ONE * 2), 1_000_000);
    assert_eq!(weight(ONE, HALF), 500_000, "the worse of live and average");
    assert_eq!(weight(HALF, ONE), 500_000);
    assert_eq!(weight(ONE - 1, ONE), 999_999, "rounded down");
}
