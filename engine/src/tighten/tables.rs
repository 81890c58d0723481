//! The tables: one row for each parameter.
//!
//! Ratios in ppm; `up` and `down` are the largest rise and fall of one change as shares of the present value, `least` is
//! what it may move by however small it is.

use super::{Governed, Rule, Safer, Step};
use crate::collateral::CollateralParams;
use crate::governance::{ExchangeParams, InsuranceParams};
use crate::market::MarketParams;
use crate::pool::PoolParams;

macro_rules! governed {
    ($type:ty { $($field:ident $(. $part:ident)* $([$index:literal])? : $safer:ident, $step:expr;)+ }) => {
        impl Governed for $type {
            const RULES: &'static [Rule] = &[$(
                Rule {
                    name: concat!(stringify!($field) $(, ".", stringify!($part))* $(, "[", $index, "]")?),
                    safer: Safer::$safer,
                    step: $step,
                },
            )+];
            type Values = [u64; Self::RULES.len()];

            fn values(&self) -> Self::Values {
                [$(u64::from(self.$field $(.$part)* $([$index])?)),+]
            }
        }
    };
}

const fn bounded(up_ppm: u32, down_ppm: u32, least: u64) -> Step {
    Step::Bounded { up_ppm, down_ppm, least }
}

/// Of `u32::MAX` as a rise: as far as the hard bounds.
const ANY: u32 = u32::MAX;
/// Down to zero.
const TO_ZERO: u32 = 1_000_000;
/// Twice what it was, or half.
const TWICE: Step = bounded(1_000_000, 500_000, 1);
/// Twice what it was, anything from zero, or as low as one likes.
const DOUBLED: Step = Step::Doubled { down_ppm: TO_ZERO };
/// A limit in lots: twice what it was, and lots worth some hundred thousand to some million dollars in any case.
const LIMIT_IN_LOTS: Step = bounded(1_000_000, TO_ZERO, 1 << 43);
/// A limit in quote units: twice what it was, and some million dollars in any case.
const LIMIT_IN_UNITS: Step = bounded(1_000_000, TO_ZERO, 1 << 43);
/// A limit in ppm of something: twice what it was, and ten points in any case.
const LIMIT_IN_PPM: Step = bounded(1_000_000, TO_ZERO, 100_000);

governed!(MarketParams {
    skew_scale: Neither, TWICE;
    max_oi: Lower, LIMIT_IN_LOTS;
    share_floor: Lower, LIMIT_IN_LOTS;
    min_notional: Neither, TWICE;
    step: Neither, TWICE;
    oi_margin_low: Lower, LIMIT_IN_UNITS;
    oi_margin_high: Lower, LIMIT_IN_UNITS;
    taker_fee_ppm: Neither, Step::Free;
    insurance_share_ppm: Neither, Step::Free;
    protocol_share_ppm: Neither, Step::Free;
    base_spread_ppm: Neither, Step::Free;
    conf_spread_ppm: Neither, Step::Free;
    max_impact_ppm: Neither, bounded(1_000_000, 500_000, 1_000);
    max_skew_ppm: Lower, Step::Doubled { down_ppm: 500_000 };
    profit_cap_ppm: Lower, LIMIT_IN_PPM;
    max_share_ppm: Lower, LIMIT_IN_PPM;
    mmf_ppm: Higher, bounded(250_000, 200_000, 1_000);
    imf_ppm: Higher, bounded(ANY, 333_000, 1_000);
    profit_weight_ppm: Lower, bounded(0, TO_ZERO, 250_000);
    liquidation_fee_ppm: Neither, bounded(500_000, 500_000, 1_000);
    max_gap_ppm: Higher, bounded(ANY, 200_000, 1_000);
    target_weight_ppm: Neither, bounded(500_000, TO_ZERO, 50_000);
    toxic_window: Neither, Step::Free;
    toxic_fee_ppm: Neither, Step::Free;
    lot_decimals: Fixed, Step::Free;
    risk_group: Neither, Step::Free;
    max_outage: Lower, Step::Free;
    carry.funding_velocity_ppm: Neither, Step::Free;
    carry.funding_max_ppm: Neither, bounded(1_000_000, TO_ZERO, 10_000);
    carry.borrow_base_ppm: Neither, bounded(1_000_000, TO_ZERO, 100);
    carry.borrow_slope_ppm: Neither, bounded(1_000_000, TO_ZERO, 1_000);
    carry.borrow_steep_ppm: Neither, bounded(1_000_000, TO_ZERO, 10_000);
    carry.borrow_kink_ppm: Neither, Step::Free;
    volatility.spread_sigma_ppm: Neither, bounded(500_000, 500_000, 1_000_000);
    volatility.mmf_sigma_ppm: Higher, bounded(250_000, 200_000, 500_000);
    volatility.imf_sigma_ppm: Higher, bounded(ANY, 333_000, 500_000);
    volatility.sigma_floor_ppm: Neither, bounded(250_000, 500_000, 5);
    waterfall.reserve_share_ppm: Neither, LIMIT_IN_PPM;
    waterfall.first_loss_ppm: Neither, bounded(500_000, 500_000, 10_000);
    waterfall.backing_ppm: Higher, bounded(ANY, 500_000, 5_000);
    waterfall.tail: Neither, Step::Free;
    deleverage.inventory_cap: Neither, TWICE;
    deleverage.keeper_tip: Neither, Step::Free;
    deleverage.profit_high_ppm: Neither, bounded(0, 0, 100_000);
    deleverage.profit_target_ppm: Neither, bounded(0, 0, 100_000);
    oracle.max_conf_ppm: Neither, TWICE;
    oracle.max_divergence_ppm: Neither, TWICE;
    oracle.max_trade_age: Neither, TWICE;
    oracle.max_margin_age: Neither, TWICE;
    oracle.ema_half_life: Neither, TWICE;
});

governed!(CollateralParams {
    max_deposits: Lower, DOUBLED;
    soft_cap: Lower, DOUBLED;
    outflow.floor: Lower, Step::Doubled { down_ppm: 500_000 };
    outflow.max_ppm: Lower, TWICE;
    haircut_init_ppm: Higher, bounded(ANY, 500_000, 25_000);
    haircut_maint_ppm: Higher, bounded(0, 0, 25_000);
    cap_growth_ppm: Lower, bounded(1_000_000, TO_ZERO, 10_000);
    oracle.max_conf_ppm: Neither, TWICE;
    oracle.max_divergence_ppm: Neither, TWICE;
    oracle.max_trade_age: Neither, TWICE;
    oracle.max_margin_age: Neither, TWICE;
    oracle.ema_half_life: Neither, TWICE;
});

governed!(PoolParams {
    redeem_delay: Neither, TWICE;
    redeem_fee_ppm: Neither, bounded(1_000_000, TO_ZERO, 1_000);
    senior_rate_ppm: Neither, bounded(500_000, TO_ZERO, 20_000);
    max_senior_ratio_ppm: Neither, Step::Doubled { down_ppm: 200_000 };
    max_utilisation_ppm: Neither, bounded(200_000, 200_000, 0);
    redeem_window: Neither, TWICE;
});

governed!(ExchangeParams {
    risk_groups.offset_ppm[0]: Lower, bounded(0, 0, 50_000);
    risk_groups.offset_ppm[1]: Lower, bounded(0, 0, 50_000);
    risk_groups.offset_ppm[2]: Lower, bounded(0, 0, 50_000);
    risk_groups.offset_ppm[3]: Lower, bounded(0, 0, 50_000);
    risk_groups.offset_ppm[4]: Lower, bounded(0, 0, 50_000);
    risk_groups.offset_ppm[5]: Lower, bounded(0, 0, 50_000);
    risk_groups.offset_ppm[6]: Lower, bounded(0, 0, 50_000);
    risk_groups.offset_ppm[7]: Lower, bounded(0, 0, 50_000);
    trigger_fee: Neither, Step::Free;
    auto_exchange_threshold: Neither, DOUBLED;
    delay: Higher, Step::Free;
});

governed!(InsuranceParams {
    stake_income_ppm: Neither, Step::Free;
});
