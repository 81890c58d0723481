//! No input makes carry, volatility, outflow, margin or triggers panic: whatever bytes they are given, they say
//! Ok or Err.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::carry::CarryParams;
use bulwark_engine::collateral::{Collateral, CollateralParams};
use bulwark_engine::margin::{
    CollateralSlot, Health, HealthType, Legs, MAX_COLLATERALS, MAX_POSITIONS, Portfolio, RiskGroups,
};
use bulwark_engine::market::MarketParams;
use bulwark_engine::outflow::{Outflow, OutflowParams};
use bulwark_engine::position::Position;
use bulwark_engine::trigger::Trigger;
use bulwark_engine::units::{Price, Quote};
use bulwark_engine::volatility::{VolatilityParams, VolatilityState};
use model::config;
use model::garbage::{any_market, any_position, any_word, pod};
use model::vault::Shelf;
use model::world::NOW;
use proptest::prelude::*;

proptest! {
    #![proptest_config(config(3_000))]

    #[test]
    fn garbage_in_carry_and_volatility_is_refused_or_survived(
        words in prop::collection::vec(any_word(), 4..20), now in any::<i64>(), elapsed in any::<u32>(), age in any_word(),
        bits in prop::array::uniform2(1_u64 << 20..=1 << 46),
    ) {
        let (volatility, carry) = (pod::<VolatilityParams>(&words), pod::<CarryParams>(&words));
        let (params, state) = (pod::<MarketParams>(&words), pod::<VolatilityState>(&words));
        let _ = (volatility.validate(), carry.validate(), params.validate());
        let _ = (carry.borrow_rate(elapsed), carry.borrow_rate(elapsed % 1_000_001));
        let _ = VolatilityState::initial(&params, now);
        let _ = state.half_spread_ppm(&volatility, age);
        let _ = { *state }.observe(bits.map(|bits| Price::from_bits(bits).unwrap()), elapsed, &volatility);
        let _ = { *state }.drift(&params, now);
    }

    #[test]
    fn garbage_in_an_outflow_is_refused_or_survived(
        words in prop::collection::vec(any_word(), 4..20), now in any::<i64>(), [amount, cap] in prop::array::uniform2(any_word()),
        wait in 0..100_000_i64,
    ) {
        let (outflow, params) = (pod::<Outflow>(&words), pod::<OutflowParams>(&words));
        let _ = (params.validate(amount), outflow.line(&params), outflow.available(&params, amount));
        for now in [now, outflow.updated_at.saturating_add(wait)] {
            let _ = { *outflow }.advance((&params, cap), amount, now);
        }
        let _ = pod::<CollateralParams>(&words).validate();
    }

    #[test]
    fn garbage_in_an_account_is_refused_or_survived(
        market in any_market(), words in prop::collection::vec(any_word(), 4..20), now in any::<i64>(), skip in any::<u16>(),
    ) {
        let positions = pod::<[Position; MAX_POSITIONS]>(&words);
        let collaterals = pod::<[CollateralSlot; MAX_COLLATERALS]>(&words);
        let groups = pod::<RiskGroups>(&words);
        let mut shelf = Shelf::default();
        for position in positions.iter() {
            shelf.markets.entry(position.market).or_insert_with(|| market.clone());
        }
        for slot in collaterals.iter() {
            shelf.vaults.insert(slot.vault, *pod::<Collateral>(&words));
        }
        let (skip_market, skip_vault) = (Some(skip), None);
        let legs = Legs { positions: &positions, collaterals: &collaterals, skip_market, skip_vault };
        for kind in [HealthType::Init, HealthType::Withdraw, HealthType::Maint] {
            for now in [now, NOW] {
                let _ = legs.portfolio(&mut shelf, (kind, now)).map(|sum| sum.health(&groups));
            }
        }
    }

    #[test]
    fn garbage_in_a_portfolio_is_refused_or_survived(
        words in prop::collection::vec(any_word(), 4..20), position in any_position(), offset in any::<u32>(),
        group in any::<u8>(),
    ) {
        let groups = pod::<RiskGroups>(&words);
        let _ = (groups.validate(), groups.offset(group));
        let [a, b, c, d] = [0, 1, 2, 3].map(|i| Quote(words[i].cast_signed()));
        let (health, other) = (Health { equity: a, requirement: b }, Health { equity: c, requirement: d });
        let _ = (health.is_no_worse_than(other, offset), health.plus(other), health.excess(), health.require());
        let mut portfolio = Portfolio::default();
        for (health, group) in [(health, 0), (other, 1), (health, group), (other, 8), (health, 1)] {
            let _ = (portfolio.add_position(health, group, &position), portfolio.add(other));
            let _ = (portfolio.health(&groups), portfolio.health(&RiskGroups::default()));
        }
    }

    #[test]
    fn garbage_in_a_trigger_is_refused_or_survived(
        words in prop::collection::vec(any_word(), 1..8), kind in 0..4_u8, side in 0..3_u8, sane in any::<bool>(),
        market in any_market(), position in any_position(), [step, fee] in prop::array::uniform2(any_word()), now in any::<i64>(),
        bits in 1_u64 << 20..=1 << 46,
    ) {
        let mut trigger = *pod::<Trigger>(&words);
        if sane {
            (trigger.kind, trigger.side) = (kind, side);
        }
        let mark = Price::from_bits(bits).unwrap();
        let _ = (trigger.is_set(), trigger.validate(step, now), trigger.is_reduce_only(), trigger.is_expired(now));
        let _ = (trigger.require_met(mark).map_err(|e| trigger.is_cancelled_by(&e)), trigger.order(now));
        let _ = (trigger.reduction(&market, None, now), trigger.reduction(&market, Some(&position), now));
        let _ = Trigger::keeper_fee(step, fee, position.quote);
    }
}
