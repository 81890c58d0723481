//! Hard bounds of every parameter, at both sides.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::EngineError;
use bulwark_engine::carry::CarryParams;
use bulwark_engine::collateral::CollateralParams;
use bulwark_engine::deleverage::DeleverageParams;
use bulwark_engine::governance::{DEFAULT_DELAY, ExchangeParams, InsuranceParams};
use bulwark_engine::margin::RiskGroups;
use bulwark_engine::market::{Market, MarketParams};
use bulwark_engine::outflow::OutflowParams;
use bulwark_engine::price::OracleParams;
use bulwark_engine::units::MAX_LOTS;
use bulwark_engine::volatility::VolatilityParams;
use bytemuck::Zeroable;
use model::vault::COLLATERAL;
use model::world::{ONE, PARAMS, oracle};

/// A parameter, how to set it, and the values it may have in otherwise sound parameters.
type Row<P> = (&'static str, fn(&mut P, u64), u64, u64);

fn small(value: u64) -> u32 {
    u32::try_from(value).unwrap()
}

/// Parameters that leave every other bound out of the way: gap-safe with room, imf at its top.
const LOOSE: MarketParams = MarketParams {
    mmf_ppm: 800_000,
    imf_ppm: 1_000_000,
    oi_margin_low: 1_000,
    min_notional: 1_000,
    deleverage: DeleverageParams {
        inventory_cap: 1,
        keeper_tip: 0,
        profit_high_ppm: 900_000,
        profit_target_ppm: 50_000,
    },
    ..PARAMS
};

const MARKET: &[Row<MarketParams>] = &[
    ("skew_scale", |p, v| p.skew_scale = v, 1, MAX_LOTS),
    ("max_oi", |p, v| p.max_oi = v, 0, MAX_LOTS),
    ("share_floor", |p, v| p.share_floor = v, 0, MAX_LOTS),
    ("step", |p, v| p.step = v, 1, MAX_LOTS),
    ("min_notional", |p, v| p.min_notional = v, 1, 1_000_000_000),
    ("taker_fee_ppm", |p, v| p.taker_fee_ppm = small(v), 0, 10_000),
    // The protocol's share of the base is 10 %, the fund's 20 %.
    ("protocol_share_ppm", |p, v| p.protocol_share_ppm = small(v), 0, 500_000),
    ("base_spread_ppm", |p, v| p.base_spread_ppm = small(v), 0, 10_000),
    ("conf_spread_ppm", |p, v| p.conf_spread_ppm = small(v), 0, 5_000_000),
    ("max_impact_ppm", |p, v| p.max_impact_ppm = small(v), 0, 100_000),
    ("max_skew_ppm", |p, v| p.max_skew_ppm = small(v), 0, 2_000_000),
    ("profit_cap_ppm", |p, v| p.profit_cap_ppm = small(v), 0, 1_000_000),
    ("max_share_ppm", |p, v| p.max_share_ppm = small(v), 0, 1_000_000),
    ("liquidation_fee_ppm", |p, v| p.liquidation_fee_ppm = small(v), 0, 50_000),
    ("max_gap_ppm", |p, v| p.max_gap_ppm = small(v), 1_000, 500_000),
    ("profit_weight_ppm", |p, v| p.profit_weight_ppm = small(v), 0, 1_000_000),
    ("target_weight_ppm", |p, v| p.target_weight_ppm = small(v), 0, 1_000_000),
    ("lot_decimals", |p, v| p.lot_decimals = u8::try_from(v).unwrap(), 0, 18),
    // Gap-safe: 5 % impact, 1 % fee, 0.2 % start of the auction, 5 % gap.
    ("mmf_ppm", |p, v| p.mmf_ppm = small(v), 112_000, 800_000),
    ("imf_ppm", |p, v| p.imf_ppm = small(v), 1_000_000, 1_000_000),
    // Open interest of the base counts from a worth of 1000 units on.
    ("oi_margin_low", |p, v| p.oi_margin_low = v, 0, MAX_LOTS),
    ("oi_margin_high", |p, v| p.oi_margin_high = v, 1_001, u64::MAX),
    ("toxic_window", |p, v| p.toxic_window = small(v), 0, 600),
    ("toxic_fee_ppm", |p, v| p.toxic_fee_ppm = small(v), 0, 10_000),
    ("risk_group", |p, v| p.risk_group = u8::try_from(v).unwrap(), 0, 8),
    ("max_outage", |p, v| p.max_outage = u16::try_from(v).unwrap(), 600, 43_200),
    ("funding_max_ppm", |p, v| p.carry.funding_max_ppm = small(v), 0, 1_000_000),
    ("sigma_floor_ppm", |p, v| p.volatility.sigma_floor_ppm = small(v), 0, 1_000),
    ("max_conf_ppm", |p, v| p.oracle.max_conf_ppm = small(v), 1_000, 50_000),
    ("reserve_share_ppm", |p, v| p.waterfall.reserve_share_ppm = small(v), 0, 1_000_000),
    ("first_loss_ppm", |p, v| p.waterfall.first_loss_ppm = small(v), 0, 100_000),
    ("backing_ppm", |p, v| p.waterfall.backing_ppm = small(v), 0, 500_000),
    ("tail", |p, v| p.waterfall.tail = u8::try_from(v).unwrap(), 0, 1),
    ("inventory_cap", |p, v| p.deleverage.inventory_cap = v, 1, u64::MAX),
    // A tip is at most what a position must be worth; the target lies below the trigger.
    ("keeper_tip", |p, v| p.deleverage.keeper_tip = v, 0, 1_000),
    ("profit_high_ppm", |p, v| p.deleverage.profit_high_ppm = small(v), 100_000, 1_000_000),
    ("profit_target_ppm", |p, v| p.deleverage.profit_target_ppm = small(v), 50_000, 899_999),
];

const CARRY: &[Row<CarryParams>] = &[
    ("funding_velocity_ppm", |p, v| p.funding_velocity_ppm = small(v), 0, 10_000_000),
    ("funding_max_ppm", |p, v| p.funding_max_ppm = small(v), 0, 1_000_000),
    ("borrow_base_ppm", |p, v| p.borrow_base_ppm = small(v), 0, 10_000),
    ("borrow_slope_ppm", |p, v| p.borrow_slope_ppm = small(v), 0, 100_000),
    ("borrow_steep_ppm", |p, v| p.borrow_steep_ppm = small(v), 0, 1_000_000),
    ("borrow_kink_ppm", |p, v| p.borrow_kink_ppm = small(v), 100_000, 950_000),
];

const VOLATILITY: &[Row<VolatilityParams>] = &[
    ("spread_sigma_ppm", |p, v| p.spread_sigma_ppm = small(v), 0, 10_000_000),
    ("mmf_sigma_ppm", |p, v| p.mmf_sigma_ppm = small(v), 0, 20_000_000),
    ("imf_sigma_ppm", |p, v| p.imf_sigma_ppm = small(v), 0, 20_000_000),
    ("sigma_floor_ppm", |p, v| p.sigma_floor_ppm = small(v), 0, 1_000),
];

/// A vault of at most 1000 tokens.
const OUTFLOW: &[Row<OutflowParams>] = &[
    ("outflow floor", |p, v| p.floor = v, 0, 50),
    ("outflow max_ppm", |p, v| p.max_ppm = small(v), 50_000, 1_000_000),
];

const ORACLE: &[Row<OracleParams>] = &[
    ("max_conf_ppm", |p, v| p.max_conf_ppm = small(v), 1_000, 50_000),
    ("max_divergence_ppm", |p, v| p.max_divergence_ppm = small(v), 5_000, 100_000),
    ("max_trade_age", |p, v| p.max_trade_age = small(v), 3, 60),
    ("max_margin_age", |p, v| p.max_margin_age = small(v), 20, 300),
    ("ema_half_life", |p, v| p.ema_half_life = small(v), 60, 3_600),
];

const EXCHANGE: &[Row<ExchangeParams>] = &[
    ("risk group offset_ppm", |p, v| p.risk_groups.offset_ppm[0] = small(v), 0, 600_000),
    ("risk group offset_ppm", |p, v| p.risk_groups.offset_ppm[7] = small(v), 0, 600_000),
    ("trigger_fee", |p, v| p.trigger_fee = v, 0, 10_000_000),
    ("auto_exchange_threshold", |p, v| p.auto_exchange_threshold = v, 0, 1_000_000_000_000),
    // A day to a week.
    ("delay", |p, v| p.delay = small(v), 86_400, 604_800),
];

const INSURANCE: &[Row<InsuranceParams>] =
    &[("stake_income_ppm", |p, v| p.stake_income_ppm = small(v), 0, 1_000_000)];

/// A vault of at most 1000 tokens, whose initial haircut is 10 % and whose maintenance haircut is 1 %.
const VAULT: &[Row<CollateralParams>] = &[
    ("haircut_init_ppm", |p, v| p.haircut_init_ppm = small(v), 20_000, 1_000_000),
    ("haircut_maint_ppm", |p, v| p.haircut_maint_ppm = small(v), 10_000, 100_000),
    ("cap_growth_ppm", |p, v| p.cap_growth_ppm = small(v), 10_000, 1_000_000),
    ("outflow floor", |p, v| p.outflow.floor = v, 0, 50),
    ("outflow max_ppm", |p, v| p.outflow.max_ppm = small(v), 50_000, 1_000_000),
    ("max_conf_ppm", |p, v| p.oracle.max_conf_ppm = small(v), 1_000, 50_000),
];

/// Both ends are allowed, one beyond either is refused by the parameter's name.
fn require_bounds<P: Copy>(base: P, rows: &[Row<P>], validate: fn(&P) -> Result<(), EngineError>) {
    assert_eq!(validate(&base), Ok(()));
    for &(row, set, min, max) in rows {
        let with = |value| {
            let mut params = base;
            set(&mut params, value);
            validate(&params)
        };
        for value in [min, max] {
            assert_eq!(with(value), Ok(()), "{row} = {value}");
        }
        for value in [min.checked_sub(1), max.checked_add(1)].into_iter().flatten() {
            let Err(EngineError::ParameterOutOfBounds { name, value: found, .. }) = with(value) else {
                panic!("{row} = {value} was not refused");
            };
            assert_eq!((name, found), (row, value));
        }
    }
}

#[test]
fn every_parameter_of_a_market_is_bounded_on_both_sides() {
    require_bounds(LOOSE, MARKET, MarketParams::validate);
}

#[test]
fn every_parameter_of_carry_volatility_and_outflow_is_bounded_on_both_sides() {
    for base in [CarryParams::NONE, CarryParams::DEFAULT] {
        require_bounds(base, CARRY, CarryParams::validate);
    }
    for base in [VolatilityParams::NONE, VolatilityParams::DEFAULT] {
        require_bounds(base, VOLATILITY, VolatilityParams::validate);
    }
    let base = OutflowParams { floor: 0, max_ppm: 100_000, _padding: 0 };
    require_bounds(base, OUTFLOW, |outflow| outflow.validate(1_000));
    assert_eq!(base.validate(0), Ok(()), "a vault without deposits has no floor");
    assert!(OutflowParams { floor: 1, ..base }.validate(19).is_err(), "5 %, rounded down");
    assert!(OutflowParams { floor: u64::MAX / 20, ..base }.validate(u64::MAX).is_ok());
}

#[test]
fn every_parameter_of_exchange_and_insurance_fund_is_bounded_on_both_sides() {
    let base = ExchangeParams { delay: DEFAULT_DELAY, ..ExchangeParams::zeroed() };
    require_bounds(base, EXCHANGE, ExchangeParams::validate);
    require_bounds(InsuranceParams { stake_income_ppm: 0 }, INSURANCE, InsuranceParams::validate);
    assert!(ExchangeParams::zeroed().validate().is_err(), "no exchange without a delay");
}

#[test]
fn a_change_of_a_collateral_is_bounded_like_a_listing_but_for_the_floor_under_a_lower_cap() {
    let from = CollateralParams {
        max_deposits: 1_000,
        haircut_init_ppm: 100_000,
        haircut_maint_ppm: 10_000,
        ..COLLATERAL
    };
    require_bounds(from, VAULT, |to| {
        let from = CollateralParams { outflow: OutflowParams { floor: 0, ..to.outflow }, ..*to };
        to.validate_change(&from, false)
    });
    // The floor is a way out: a lower cap does not force it down, and only a higher floor is judged by it.
    let with = |floor| OutflowParams { floor, ..from.outflow };
    let from = CollateralParams { outflow: with(50), ..from };
    let change = |max_deposits, floor| {
        CollateralParams { max_deposits, outflow: with(floor), ..from }.validate_change(&from, false).is_ok()
    };
    assert!(change(0, 50) && change(0, 0) && change(1_000, 50) && change(1_020, 51));
    assert!(!change(1_000, 51) && !change(0, 51) && !change(1_019, 51));
    // The quote token has no haircuts.
    let quote = CollateralParams { haircut_init_ppm: 0, haircut_maint_ppm: 0, ..from };
    assert!(quote.validate_change(&quote, true).is_ok() && quote.validate_change(&quote, false).is_err());
}

#[test]
fn every_offset_of_a_risk_group_is_at_most_sixty_percent() {
    let with = |group: usize, offset| {
        let mut groups = RiskGroups::default();
        groups.offset_ppm[group] = offset;
        groups.validate()
    };
    assert_eq!(RiskGroups::default().validate(), Ok(()));
    for group in 0..8 {
        assert_eq!(with(group, 600_000), Ok(()));
        let (name, value) = ("risk group offset_ppm", 600_001);
        let refused = EngineError::ParameterOutOfBounds { name, value, min: 0, max: 600_000 };
        assert_eq!(with(group, 600_001), Err(refused));
        assert!(with(group, u32::MAX).is_err());
    }
}

#[test]
fn every_parameter_of_an_oracle_is_bounded_on_both_sides() {
    require_bounds(OracleParams::DEFAULT, ORACLE, OracleParams::validate);
}

#[test]
fn every_parameter_of_a_collateral_is_bounded_on_both_sides() {
    let base = CollateralParams {
        max_deposits: 1_000,
        haircut_init_ppm: 100_000,
        haircut_maint_ppm: 10_000,
        ..COLLATERAL
    };
    require_bounds(base, VAULT, CollateralParams::validate);
    for max_deposits in [0, u64::MAX] {
        for soft_cap in [0, u64::MAX] {
            let free = CollateralParams { max_deposits, soft_cap, ..base };
            assert_eq!(free.validate(), Ok(()), "zero forbids deposits, or any worth for initial margin");
        }
    }
}

#[test]
fn the_quote_token_has_limits_and_no_haircut() {
    let base =
        CollateralParams { max_deposits: 1_000, haircut_init_ppm: 0, haircut_maint_ppm: 0, ..COLLATERAL };
    assert!(base.validate().is_err());
    let limits: Vec<_> = VAULT.iter().filter(|row| !row.0.starts_with("haircut")).copied().collect();
    assert_eq!(limits.len() + 2, VAULT.len());
    require_bounds(base, &limits, CollateralParams::validate_limits);
}

#[test]
fn the_shares_of_a_fee_sum_to_at_most_all_of_it() {
    let with = |insurance, protocol| {
        MarketParams { insurance_share_ppm: insurance, protocol_share_ppm: protocol, ..LOOSE }
            .validate()
            .is_ok()
    };
    assert!(with(700_000, 300_000) && with(1_000_000, 0) && with(500_000, 500_000));
    assert!(!with(700_000, 300_001) && !with(1_000_000, 1) && !with(1_000_001, 0) && !with(400_000, 500_001));
}

#[test]
fn the_range_in_which_open_interest_counts_is_not_empty() {
    let with =
        |low, high| MarketParams { oi_margin_low: low, oi_margin_high: high, ..LOOSE }.validate().is_ok();
    assert!(with(0, 1) && with(1_000, 1_001) && with(MAX_LOTS, MAX_LOTS + 1) && with(0, u64::MAX));
    assert!(!with(0, 0) && !with(1_000, 1_000) && !with(1_000, 999) && !with(MAX_LOTS + 1, u64::MAX));
}

#[test]
fn initial_margin_is_at_least_five_quarters_of_maintenance_margin() {
    let with = |mmf, imf| MarketParams { mmf_ppm: mmf, imf_ppm: imf, ..PARAMS }.validate().is_ok();
    assert!(with(120_000, 150_000) && !with(120_000, 149_999));
    assert!(with(120_001, 150_002) && !with(120_001, 150_001), "rounded up");
}

#[test]
fn maintenance_margin_survives_the_gap_and_its_liquidation() {
    // max_impact + liquidation_fee + 0.2 % + max_gap, and never below 0.5 %.
    let calm = MarketParams { max_impact_ppm: 0, liquidation_fee_ppm: 0, max_gap_ppm: 1_000, ..PARAMS };
    let with = |params: MarketParams, mmf| MarketParams { mmf_ppm: mmf, ..params }.validate().is_ok();
    assert!(with(calm, 5_000) && !with(calm, 4_999));
    let wild =
        MarketParams { max_impact_ppm: 100_000, liquidation_fee_ppm: 50_000, max_gap_ppm: 500_000, ..LOOSE };
    assert!(with(wild, 652_000) && !with(wild, 651_999));
}

#[test]
fn a_new_market_needs_a_lot_worth_a_hundredth_to_one_unit() {
    let start = |bits| Market::zeroed().initialize(&PARAMS, oracle(bits)).is_ok();
    assert!(start(ONE) && !start(ONE + 1));
    assert!(start(42_949_673) && !start(42_949_672));
    let mut market = Market::zeroed();
    assert!(market.initialize(&MarketParams { step: 0, ..PARAMS }, oracle(ONE)).is_err());
    market.initialize(&PARAMS, oracle(ONE)).unwrap();
    assert_eq!((market.params, market.oracle), (PARAMS, oracle(ONE)));
    assert_eq!((market.book.cash, market.book.skew().unwrap().0), (0, 0));
}

#[test]
fn a_fee_is_split_without_remainder() {
    let market = model::world::market(&PARAMS, ONE, 0);
    for fee in [0, 1, 4, 5, 9, 10, 101, u64::MAX] {
        assert_eq!(market.split_fee(fee).unwrap().total(), Ok(fee));
    }
    let fees = market.split_fee(109).unwrap();
    assert_eq!((fees.insurance, fees.protocol, fees.pool), (21, 10, 78));
}
