//! Every parameter, how it is set, its hard bounds among the others as they are in the base, and a value with room on both
//! sides for one change.

use bulwark_sdk::engine::carry::CarryParams;
use bulwark_sdk::engine::collateral::CollateralParams;
use bulwark_sdk::engine::deleverage::DeleverageParams;
use bulwark_sdk::engine::governance::{ExchangeParams, InsuranceParams};
use bulwark_sdk::engine::margin::RiskGroups;
use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::outflow::OutflowParams;
use bulwark_sdk::engine::pool::PoolParams;
use bulwark_sdk::engine::price::OracleParams;
use bulwark_sdk::engine::volatility::VolatilityParams;
use bulwark_sdk::engine::waterfall::WaterfallParams;
use bulwark_tests::fixtures::SOL_ASSET;

/// A parameter, how to set it, its least and largest value, and one in between.
pub type Row<P> = (&'static str, fn(&mut P, u64), u64, u64, u64);

const MAX: u64 = u64::MAX;
const MAX_LOTS: u64 = 1 << 60;

fn small<T: TryFrom<u64, Error: std::fmt::Debug>>(value: u64) -> T {
    T::try_from(value).expect("it fits")
}

/// Gap-safe whatever one other parameter is, initial margin at its top.
pub fn market_base() -> MarketParams {
    MarketParams {
        min_notional: 10_000_000,
        oi_margin_low: 1_000,
        oi_margin_high: MAX,
        insurance_share_ppm: 200_000,
        protocol_share_ppm: 0,
        max_impact_ppm: 5_000,
        liquidation_fee_ppm: 5_000,
        max_gap_ppm: 19_000,
        mmf_ppm: 520_000,
        imf_ppm: 1_000_000,
        carry: CarryParams::DEFAULT,
        volatility: VolatilityParams::DEFAULT,
        deleverage: DeleverageParams {
            inventory_cap: 1 << 40,
            keeper_tip: 0,
            profit_high_ppm: 900_000,
            profit_target_ppm: 50_000,
        },
        waterfall: WaterfallParams { backing_ppm: 20_000, ..SOL_ASSET.market_params().waterfall },
        oracle: OracleParams::DEFAULT,
        ..SOL_ASSET.market_params()
    }
}

pub const MARKET: [Row<MarketParams>; 50] = [
    ("skew_scale", |p, v| p.skew_scale = v, 1, MAX_LOTS, 1 << 30),
    ("max_oi", |p, v| p.max_oi = v, 0, MAX_LOTS, 1 << 30),
    ("share_floor", |p, v| p.share_floor = v, 0, MAX_LOTS, 1 << 30),
    ("min_notional", |p, v| p.min_notional = v, 1, 1_000_000_000, 10_000_000),
    ("step", |p, v| p.step = v, 1, MAX_LOTS, 1 << 20),
    ("oi_margin_low", |p, v| p.oi_margin_low = v, 0, MAX_LOTS, 1 << 30),
    ("oi_margin_high", |p, v| p.oi_margin_high = v, 1_001, MAX, 1 << 44),
    ("taker_fee_ppm", |p, v| p.taker_fee_ppm = small(v), 0, 10_000, 500),
    ("insurance_share_ppm", |p, v| p.insurance_share_ppm = small(v), 0, 1_000_000, 200_000),
    // The protocol's share is at most half, and what insurance leaves.
    ("protocol_share_ppm", |p, v| p.protocol_share_ppm = small(v), 0, 500_000, 100_000),
    ("base_spread_ppm", |p, v| p.base_spread_ppm = small(v), 0, 10_000, 200),
    ("conf_spread_ppm", |p, v| p.conf_spread_ppm = small(v), 0, 5_000_000, 1_000_000),
    ("max_impact_ppm", |p, v| p.max_impact_ppm = small(v), 0, 100_000, 20_000),
    ("max_skew_ppm", |p, v| p.max_skew_ppm = small(v), 0, 2_000_000, 600_000),
    ("profit_cap_ppm", |p, v| p.profit_cap_ppm = small(v), 0, 1_000_000, 200_000),
    ("max_share_ppm", |p, v| p.max_share_ppm = small(v), 0, 1_000_000, 200_000),
    // Impact, liquidation fee and gap of the base, and 0.2 %; four fifths of initial margin.
    ("mmf_ppm", |p, v| p.mmf_ppm = small(v), 31_000, 800_000, 520_000),
    ("imf_ppm", |p, v| p.imf_ppm = small(v), 650_000, 1_000_000, 990_000),
    ("profit_weight_ppm", |p, v| p.profit_weight_ppm = small(v), 0, 1_000_000, 500_000),
    ("liquidation_fee_ppm", |p, v| p.liquidation_fee_ppm = small(v), 0, 50_000, 20_000),
    ("max_gap_ppm", |p, v| p.max_gap_ppm = small(v), 1_000, 500_000, 100_000),
    ("target_weight_ppm", |p, v| p.target_weight_ppm = small(v), 0, 1_000_000, 200_000),
    ("toxic_window", |p, v| p.toxic_window = small(v), 0, 600, 30),
    ("toxic_fee_ppm", |p, v| p.toxic_fee_ppm = small(v), 0, 10_000, 1_000),
    ("lot_decimals", |p, v| p.lot_decimals = small(v), 0, 18, 9),
    ("risk_group", |p, v| p.risk_group = small(v), 0, 8, 4),
    ("max_outage", |p, v| p.max_outage = small(v), 600, 43_200, 3_600),
    ("carry.funding_velocity_ppm", |p, v| p.carry.funding_velocity_ppm = small(v), 0, 10_000_000, 2_000_000),
    ("carry.funding_max_ppm", |p, v| p.carry.funding_max_ppm = small(v), 0, 1_000_000, 100_000),
    ("carry.borrow_base_ppm", |p, v| p.carry.borrow_base_ppm = small(v), 0, 10_000, 200),
    ("carry.borrow_slope_ppm", |p, v| p.carry.borrow_slope_ppm = small(v), 0, 100_000, 2_000),
    ("carry.borrow_steep_ppm", |p, v| p.carry.borrow_steep_ppm = small(v), 0, 1_000_000, 20_000),
    ("carry.borrow_kink_ppm", |p, v| p.carry.borrow_kink_ppm = small(v), 100_000, 950_000, 800_000),
    (
        "volatility.spread_sigma_ppm",
        |p, v| p.volatility.spread_sigma_ppm = small(v),
        0,
        10_000_000,
        4_000_000,
    ),
    ("volatility.mmf_sigma_ppm", |p, v| p.volatility.mmf_sigma_ppm = small(v), 0, 20_000_000, 4_000_000),
    ("volatility.imf_sigma_ppm", |p, v| p.volatility.imf_sigma_ppm = small(v), 0, 20_000_000, 6_000_000),
    ("volatility.sigma_floor_ppm", |p, v| p.volatility.sigma_floor_ppm = small(v), 0, 1_000, 100),
    ("waterfall.reserve_share_ppm", |p, v| p.waterfall.reserve_share_ppm = small(v), 0, 1_000_000, 200_000),
    ("waterfall.first_loss_ppm", |p, v| p.waterfall.first_loss_ppm = small(v), 0, 100_000, 40_000),
    ("waterfall.backing_ppm", |p, v| p.waterfall.backing_ppm = small(v), 0, 500_000, 20_000),
    ("waterfall.tail", |p, v| p.waterfall.tail = small(v), 0, 1, 0),
    ("deleverage.inventory_cap", |p, v| p.deleverage.inventory_cap = v, 1, MAX, 1 << 40),
    // At most what a position must be worth.
    ("deleverage.keeper_tip", |p, v| p.deleverage.keeper_tip = v, 0, 10_000_000, 1_000_000),
    (
        "deleverage.profit_high_ppm",
        |p, v| p.deleverage.profit_high_ppm = small(v),
        100_000,
        1_000_000,
        800_000,
    ),
    (
        "deleverage.profit_target_ppm",
        |p, v| p.deleverage.profit_target_ppm = small(v),
        50_000,
        899_999,
        500_000,
    ),
    ("oracle.max_conf_ppm", |p, v| p.oracle.max_conf_ppm = small(v), 1_000, 50_000, 10_000),
    ("oracle.max_divergence_ppm", |p, v| p.oracle.max_divergence_ppm = small(v), 5_000, 100_000, 20_000),
    ("oracle.max_trade_age", |p, v| p.oracle.max_trade_age = small(v), 3, 60, 10),
    ("oracle.max_margin_age", |p, v| p.oracle.max_margin_age = small(v), 20, 300, 60),
    ("oracle.ema_half_life", |p, v| p.oracle.ema_half_life = small(v), 60, 3_600, 300),
];

/// A cap of a thousand million, haircuts of 10 % and 1 %.
pub const VAULT_BASE: CollateralParams = CollateralParams {
    max_deposits: 1_000_000_000,
    soft_cap: 1_000_000_000,
    outflow: OutflowParams { floor: 0, max_ppm: 1_000_000, _padding: 0 },
    haircut_init_ppm: 100_000,
    haircut_maint_ppm: 10_000,
    cap_growth_ppm: 1_000_000,
    _padding: 0,
    oracle: OracleParams::DEFAULT,
};

pub const VAULT: [Row<CollateralParams>; 12] = [
    ("max_deposits", |p, v| p.max_deposits = v, 0, MAX, 1_000_000_000),
    ("soft_cap", |p, v| p.soft_cap = v, 0, MAX, 1_000_000_000),
    // A twentieth of the cap.
    ("outflow.floor", |p, v| p.outflow.floor = v, 0, 50_000_000, 20_000_000),
    ("outflow.max_ppm", |p, v| p.outflow.max_ppm = small(v), 50_000, 1_000_000, 200_000),
    ("haircut_init_ppm", |p, v| p.haircut_init_ppm = small(v), 20_000, 1_000_000, 200_000),
    // At most the initial one.
    ("haircut_maint_ppm", |p, v| p.haircut_maint_ppm = small(v), 10_000, 100_000, 50_000),
    ("cap_growth_ppm", |p, v| p.cap_growth_ppm = small(v), 10_000, 1_000_000, 100_000),
    ("oracle.max_conf_ppm", |p, v| p.oracle.max_conf_ppm = small(v), 1_000, 50_000, 10_000),
    ("oracle.max_divergence_ppm", |p, v| p.oracle.max_divergence_ppm = small(v), 5_000, 100_000, 20_000),
    ("oracle.max_trade_age", |p, v| p.oracle.max_trade_age = small(v), 3, 60, 10),
    ("oracle.max_margin_age", |p, v| p.oracle.max_margin_age = small(v), 20, 300, 60),
    ("oracle.ema_half_life", |p, v| p.oracle.ema_half_life = small(v), 60, 3_600, 300),
];

/// The quote token's haircuts are the floor of its weight in margin: anything up to 100 %.
pub fn quote() -> [Row<CollateralParams>; 12] {
    VAULT.map(|row| match row {
        (name, set, _, _, from) if name.starts_with("haircut") => (name, set, 0, 1_000_000, from),
        row => row,
    })
}

pub const POOL: [Row<PoolParams>; 6] = [
    ("redeem_delay", |p, v| p.redeem_delay = small(v), 3_600, 2_592_000, 86_400),
    ("redeem_fee_ppm", |p, v| p.redeem_fee_ppm = small(v), 0, 10_000, 2_000),
    ("senior_rate_ppm", |p, v| p.senior_rate_ppm = small(v), 0, 300_000, 80_000),
    ("max_senior_ratio_ppm", |p, v| p.max_senior_ratio_ppm = small(v), 0, 3_000_000, 750_000),
    ("max_utilisation_ppm", |p, v| p.max_utilisation_ppm = small(v), 100_000, 900_000, 500_000),
    ("redeem_window", |p, v| p.redeem_window = small(v), 3_600, 172_800, 21_600),
];

pub const EXCHANGE_BASE: ExchangeParams = ExchangeParams {
    risk_groups: RiskGroups { offset_ppm: [0; 8] },
    trigger_fee: 100_000,
    auto_exchange_threshold: 1_000_000_000,
    delay: 172_800,
    _padding: 0,
};

pub const EXCHANGE: [Row<ExchangeParams>; 11] = [
    ("risk_groups.offset_ppm[0]", |p, v| p.risk_groups.offset_ppm[0] = small(v), 0, 600_000, 300_000),
    ("risk_groups.offset_ppm[1]", |p, v| p.risk_groups.offset_ppm[1] = small(v), 0, 600_000, 300_000),
    ("risk_groups.offset_ppm[2]", |p, v| p.risk_groups.offset_ppm[2] = small(v), 0, 600_000, 300_000),
    ("risk_groups.offset_ppm[3]", |p, v| p.risk_groups.offset_ppm[3] = small(v), 0, 600_000, 300_000),
    ("risk_groups.offset_ppm[4]", |p, v| p.risk_groups.offset_ppm[4] = small(v), 0, 600_000, 300_000),
    ("risk_groups.offset_ppm[5]", |p, v| p.risk_groups.offset_ppm[5] = small(v), 0, 600_000, 300_000),
    ("risk_groups.offset_ppm[6]", |p, v| p.risk_groups.offset_ppm[6] = small(v), 0, 600_000, 300_000),
    ("risk_groups.offset_ppm[7]", |p, v| p.risk_groups.offset_ppm[7] = small(v), 0, 600_000, 300_000),
    ("trigger_fee", |p, v| p.trigger_fee = v, 0, 10_000_000, 1_000_000),
    ("auto_exchange_threshold", |p, v| p.auto_exchange_threshold = v, 0, 1_000_000_000_000, 1_000_000_000),
    ("delay", |p, v| p.delay = small(v), 86_400, 604_800, 172_800),
];

pub const INSURANCE: [Row<InsuranceParams>; 1] =
    [("stake_income_ppm", |p, v| p.stake_income_ppm = small(v), 0, 1_000_000, 500_000)];
