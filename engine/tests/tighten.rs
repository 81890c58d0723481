//! The tables of `tighten`: nothing is left out of them, and what they say, by hand.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests assert"
)]

mod model;

use std::collections::BTreeSet;
use std::mem::offset_of;
use std::ops::Range;

use bulwark_engine::EngineError;
use bulwark_engine::collateral::CollateralParams;
use bulwark_engine::governance::{ExchangeParams, InsuranceParams};
use bulwark_engine::margin::RiskGroups;
use bulwark_engine::market::MarketParams;
use bulwark_engine::pool::PoolParams;
use bulwark_engine::tighten::Safer::{Fixed, Higher, Lower, Neither};
use bulwark_engine::tighten::{Governed, Move, Rule, Safer, require_tighter};
use bytemuck::{Pod, bytes_of, bytes_of_mut};
use model::vault::COLLATERAL;
use model::world::PARAMS;

const MARKET_PADDING: [Range<usize>; 2] = [
    padding::<3>(offset_of!(MarketParams, waterfall._padding)),
    padding::<4>(offset_of!(MarketParams, oracle._padding)),
];
const COLLATERAL_PADDING: [Range<usize>; 3] = [
    padding::<4>(offset_of!(CollateralParams, outflow._padding)),
    padding::<4>(offset_of!(CollateralParams, _padding)),
    padding::<4>(offset_of!(CollateralParams, oracle._padding)),
];
const EXCHANGE_PADDING: [Range<usize>; 1] = [padding::<4>(offset_of!(ExchangeParams, _padding))];

const fn padding<const BYTES: usize>(offset: usize) -> Range<usize> {
    offset..offset + BYTES
}

fn values<T: Governed>(params: &T) -> Vec<u64> {
    params.values().into_iter().collect()
}

/// Flips every byte: one of padding moves nothing, any other one moves one value by as much as it stands for in it, and
/// every value moves by its bytes from the lowest on.
fn require_complete<T: Governed + Pod>(base: &T, padding: &[Range<usize>]) {
    let before = values(base);
    assert_eq!(T::RULES.len(), before.len());
    let mut bytes_of_value = vec![0; before.len()];
    for index in 0..size_of::<T>() {
        let mut changed = *base;
        bytes_of_mut(&mut changed)[index] ^= 1;
        let after = values(&changed);
        let moved: Vec<_> = (0..before.len()).filter(|&i| before[i] != after[i]).collect();
        if padding.iter().any(|range| range.contains(&index)) {
            assert!(moved.is_empty(), "byte {index} is padding");
            continue;
        }
        let [value] = moved[..] else { panic!("byte {index} moves {moved:?}") };
        assert_eq!(before[value] ^ after[value], 1 << (8 * bytes_of_value[value]), "byte {index}");
        bytes_of_value[value] += 1;
    }
    for (rule, bytes) in T::RULES.iter().zip(bytes_of_value) {
        assert!(bytes > 0, "nothing moves {}", rule.name);
    }
    let names: BTreeSet<_> = T::RULES.iter().map(|rule| rule.name).collect();
    assert_eq!(names.len(), T::RULES.len(), "names are unique");
}

#[test]
fn every_field_is_in_its_table_once_and_padding_is_not() {
    require_complete(&PARAMS, &MARKET_PADDING);
    require_complete(&COLLATERAL, &COLLATERAL_PADDING);
    require_complete(&PoolParams::DEFAULT, &[]);
    require_complete(&EXCHANGE, &EXCHANGE_PADDING);
    require_complete(&InsuranceParams { stake_income_ppm: 500_000 }, &[]);
    let rows = [
        MarketParams::RULES.len(),
        CollateralParams::RULES.len(),
        PoolParams::RULES.len(),
        ExchangeParams::RULES.len(),
        InsuranceParams::RULES.len(),
    ];
    assert_eq!(rows, [50, 12, 6, 11, 1]);
}

#[test]
fn padding_is_where_two_sets_of_parameters_may_differ_without_a_change() {
    let mut padded = COLLATERAL;
    padded.outflow._padding = 1;
    padded._padding = 2;
    padded.oracle._padding = 3;
    assert_ne!(bytes_of(&padded), bytes_of(&COLLATERAL));
    assert_eq!(require_tighter(&COLLATERAL, &padded, (0, 0)), Err(EngineError::NothingChanges));
}

// ---- What the tables say ----

const EXCHANGE: ExchangeParams = ExchangeParams {
    risk_groups: RiskGroups { offset_ppm: [300_000; 8] },
    trigger_fee: 100_000,
    auto_exchange_threshold: 1_000_000_000,
    delay: 172_800,
    _padding: 0,
};

/// A value beside which the least step is nothing: 10^15.
const E: u64 = 1_000_000_000_000_000;
const MAX: u64 = u64::MAX;

/// What one change reaches from [`E`] and from zero.
type Reach = [(u64, u64); 2];

const FREE: Reach = [(0, MAX), (0, MAX)];
const TWICE_OR_HALF: Reach = [(E / 2, 2 * E), (0, 1)];
const DOUBLED: Reach = [(0, 2 * E), (0, MAX)];
/// 2^43 is 8,796,093,022,208.
const LIMIT: Reach = [(0, 2 * E), (0, 8_796_093_022_208)];
const LIMIT_IN_PPM: Reach = [(0, 2 * E), (0, 100_000)];

const fn twice_from(least: u64) -> Reach {
    [(0, 2 * E), (0, least)]
}

const fn points(least: u64) -> Reach {
    [(E - least, E + least), (0, least)]
}

/// Name, safe direction, reach.
type Row = (&'static str, Safer, Reach);

const MARKET: &[Row] = &[
    ("skew_scale", Neither, TWICE_OR_HALF),
    ("max_oi", Lower, LIMIT),
    ("share_floor", Lower, LIMIT),
    ("min_notional", Neither, TWICE_OR_HALF),
    ("step", Neither, TWICE_OR_HALF),
    ("oi_margin_low", Lower, LIMIT),
    ("oi_margin_high", Lower, LIMIT),
    ("taker_fee_ppm", Neither, FREE),
    ("insurance_share_ppm", Neither, FREE),
    ("protocol_share_ppm", Neither, FREE),
    ("base_spread_ppm", Neither, FREE),
    ("conf_spread_ppm", Neither, FREE),
    ("max_impact_ppm", Neither, [(E / 2, 2 * E), (0, 1_000)]),
    ("max_skew_ppm", Lower, [(E / 2, 2 * E), (0, MAX)]),
    ("profit_cap_ppm", Lower, LIMIT_IN_PPM),
    ("max_share_ppm", Lower, LIMIT_IN_PPM),
    ("mmf_ppm", Higher, [(E / 5 * 4, E / 4 * 5), (0, 1_000)]),
    ("imf_ppm", Higher, [(E / 1_000 * 667, MAX), (0, MAX)]),
    ("profit_weight_ppm", Lower, [(0, E + 250_000), (0, 250_000)]),
    ("liquidation_fee_ppm", Neither, [(E / 2, E / 2 * 3), (0, 1_000)]),
    ("max_gap_ppm", Higher, [(E / 5 * 4, MAX), (0, MAX)]),
    ("target_weight_ppm", Neither, [(0, E / 2 * 3), (0, 50_000)]),
    ("toxic_window", Neither, FREE),
    ("toxic_fee_ppm", Neither, FREE),
    ("lot_decimals", Fixed, [(E, E), (0, 0)]),
    ("risk_group", Neither, FREE),
    ("max_outage", Lower, FREE),
    ("carry.funding_velocity_ppm", Neither, FREE),
    ("carry.funding_max_ppm", Neither, twice_from(10_000)),
    ("carry.borrow_base_ppm", Neither, twice_from(100)),
    ("carry.borrow_slope_ppm", Neither, twice_from(1_000)),
    ("carry.borrow_steep_ppm", Neither, twice_from(10_000)),
    ("carry.borrow_kink_ppm", Neither, FREE),
    ("volatility.spread_sigma_ppm", Neither, [(E / 2, E / 2 * 3), (0, 1_000_000)]),
    ("volatility.mmf_sigma_ppm", Higher, [(E / 5 * 4, E / 4 * 5), (0, 500_000)]),
    ("volatility.imf_sigma_ppm", Higher, [(E / 1_000 * 667, MAX), (0, MAX)]),
    ("volatility.sigma_floor_ppm", Neither, [(E / 2, E / 4 * 5), (0, 5)]),
    ("waterfall.reserve_share_ppm", Neither, LIMIT_IN_PPM),
    ("waterfall.first_loss_ppm", Neither, [(E / 2, E / 2 * 3), (0, 10_000)]),
    ("waterfall.backing_ppm", Higher, [(E / 2, MAX), (0, MAX)]),
    ("waterfall.tail", Neither, FREE),
    ("deleverage.inventory_cap", Neither, TWICE_OR_HALF),
    ("deleverage.keeper_tip", Neither, FREE),
    ("deleverage.profit_high_ppm", Neither, points(100_000)),
    ("deleverage.profit_target_ppm", Neither, points(100_000)),
    ("oracle.max_conf_ppm", Neither, TWICE_OR_HALF),
    ("oracle.max_divergence_ppm", Neither, TWICE_OR_HALF),
    ("oracle.max_trade_age", Neither, TWICE_OR_HALF),
    ("oracle.max_margin_age", Neither, TWICE_OR_HALF),
    ("oracle.ema_half_life", Neither, TWICE_OR_HALF),
];

const VAULT: &[Row] = &[
    ("max_deposits", Lower, DOUBLED),
    ("soft_cap", Lower, DOUBLED),
    ("outflow.floor", Lower, [(E / 2, 2 * E), (0, MAX)]),
    ("outflow.max_ppm", Lower, TWICE_OR_HALF),
    ("haircut_init_ppm", Higher, [(E / 2, MAX), (0, MAX)]),
    ("haircut_maint_ppm", Higher, points(25_000)),
    ("cap_growth_ppm", Lower, twice_from(10_000)),
    ("oracle.max_conf_ppm", Neither, TWICE_OR_HALF),
    ("oracle.max_divergence_ppm", Neither, TWICE_OR_HALF),
    ("oracle.max_trade_age", Neither, TWICE_OR_HALF),
    ("oracle.max_margin_age", Neither, TWICE_OR_HALF),
    ("oracle.ema_half_life", Neither, TWICE_OR_HALF),
];

const POOL: &[Row] = &[
    ("redeem_delay", Neither, TWICE_OR_HALF),
    ("redeem_fee_ppm", Neither, twice_from(1_000)),
    ("senior_rate_ppm", Neither, [(0, E / 2 * 3), (0, 20_000)]),
    ("max_senior_ratio_ppm", Neither, [(E / 5 * 4, 2 * E), (0, MAX)]),
    ("max_utilisation_ppm", Neither, [(E / 5 * 4, E / 5 * 6), (0, 0)]),
    ("redeem_window", Neither, TWICE_OR_HALF),
];

const EXCHANGE_ROWS: &[Row] = &[
    ("risk_groups.offset_ppm[0]", Lower, points(50_000)),
    ("risk_groups.offset_ppm[1]", Lower, points(50_000)),
    ("risk_groups.offset_ppm[2]", Lower, points(50_000)),
    ("risk_groups.offset_ppm[3]", Lower, points(50_000)),
    ("risk_groups.offset_ppm[4]", Lower, points(50_000)),
    ("risk_groups.offset_ppm[5]", Lower, points(50_000)),
    ("risk_groups.offset_ppm[6]", Lower, points(50_000)),
    ("risk_groups.offset_ppm[7]", Lower, points(50_000)),
    ("trigger_fee", Neither, FREE),
    ("auto_exchange_threshold", Neither, DOUBLED),
    ("delay", Higher, FREE),
];

const INSURANCE: &[Row] = &[("stake_income_ppm", Neither, FREE)];

fn require_rows<T: Governed>(rows: &[Row]) {
    let found: Vec<Row> = T::RULES
        .iter()
        .map(|rule| {
            (rule.name, rule.safer, [E, 0].map(|from| Move { rule, from, to: from }.reach().unwrap()))
        })
        .collect();
    for (found, row) in found.iter().zip(rows) {
        assert_eq!(found, row);
    }
    assert_eq!(found.len(), rows.len());
}

#[test]
fn every_parameter_has_its_safe_direction_and_its_step() {
    require_rows::<MarketParams>(MARKET);
    require_rows::<CollateralParams>(VAULT);
    require_rows::<PoolParams>(POOL);
    require_rows::<ExchangeParams>(EXCHANGE_ROWS);
    require_rows::<InsuranceParams>(INSURANCE);
}

fn rule<T: Governed>(name: &str) -> &'static Rule {
    T::RULES.iter().find(|rule| rule.name == name).unwrap()
}

#[test]
fn what_may_rise_to_its_bound_falls_by_a_share_or_by_a_least_step() {
    // (from, least): a share of the present value would be less than the step.
    for (rule, from, least) in [
        (rule::<MarketParams>("imf_ppm"), 2_500, 1_500),
        (rule::<MarketParams>("max_gap_ppm"), 4_500, 3_500),
        (rule::<MarketParams>("volatility.imf_sigma_ppm"), 1_400_000, 900_000),
        (rule::<MarketParams>("waterfall.backing_ppm"), 9_000, 4_000),
        (rule::<CollateralParams>("haircut_init_ppm"), 49_000, 24_000),
    ] {
        assert_eq!(Move { rule, from, to: 0 }.reach(), Ok((least, MAX)), "{}", rule.name);
    }
}

fn gradual<T: Governed>() -> Vec<&'static str> {
    T::RULES.iter().filter(|rule| rule.is_gradual()).map(|rule| rule.name).collect()
}

#[test]
fn what_hurts_users_when_it_is_tightened_is_gradual_and_nothing_else() {
    assert_eq!(gradual::<MarketParams>(), ["max_skew_ppm", "mmf_ppm", "volatility.mmf_sigma_ppm"]);
    assert_eq!(gradual::<CollateralParams>(), ["outflow.floor", "outflow.max_ppm", "haircut_maint_ppm"]);
    let offsets: Vec<_> = (0..8).map(|group| format!("risk_groups.offset_ppm[{group}]")).collect();
    assert_eq!(gradual::<ExchangeParams>(), offsets);
    assert!(gradual::<PoolParams>().is_empty() && gradual::<InsuranceParams>().is_empty());
}
