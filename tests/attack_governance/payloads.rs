//! Parameters as tight, and as loose, as one step goes.

use bulwark_sdk::engine::collateral::CollateralParams;
use bulwark_sdk::engine::governance::{ExchangeParams, InsuranceParams, MAX_DELAY, MIN_DELAY};
use bulwark_sdk::engine::margin::{MAX_OFFSET_PPM, RiskGroups};
use bulwark_sdk::engine::market::{AUCTION_START_PPM, MarketParams};
use bulwark_sdk::engine::outflow::OutflowParams;
use bulwark_sdk::engine::pool::PoolParams;
use bulwark_sdk::engine::tighten::{self, Effect, Governed, Safer};
use bulwark_sdk::engine::volatility::VolatilityParams;
use bulwark_sdk::engine::waterfall::WaterfallParams;
use bulwark_sdk::program::oracle::OracleSource;
use bulwark_sdk::program::state::ChangePayload;
use bulwark_tests::fixtures::{self, collateral_params};
use bulwark_tests::{BTC, SOL, SOL_VAULT, World};

use crate::stage::FAKE;

/// A step of so many ppm, or of `least` if that is more.
fn by(from: u32, ppm: u32, least: u32) -> u32 {
    u32::try_from(u64::from(from) * u64::from(ppm) / 1_000_000).expect("fits").max(least)
}

/// A market's parameters as tight as one step makes them; those that hurt users only with `gradual`.
pub fn tight_market(from: &MarketParams, gradual: bool) -> MarketParams {
    let step = u32::from(gradual);
    let mmf_ppm = (from.mmf_ppm + step * by(from.mmf_ppm, 250_000, 1_000)).min(800_000);
    let room = mmf_ppm - from.max_impact_ppm - from.liquidation_fee_ppm - AUCTION_START_PPM;
    let sigma = from.volatility.mmf_sigma_ppm;
    let to = MarketParams {
        max_oi: 0,
        share_floor: 0,
        oi_margin_low: 0,
        oi_margin_high: 1,
        max_skew_ppm: from.max_skew_ppm - step * by(from.max_skew_ppm, 500_000, 0),
        profit_cap_ppm: 0,
        max_share_ppm: 0,
        mmf_ppm,
        imf_ppm: 1_000_000,
        profit_weight_ppm: 0,
        max_gap_ppm: room.clamp(from.max_gap_ppm, 500_000),
        max_outage: 600,
        volatility: VolatilityParams {
            mmf_sigma_ppm: (sigma + step * by(sigma, 250_000, 500_000)).min(20_000_000),
            imf_sigma_ppm: 20_000_000,
            ..from.volatility
        },
        waterfall: WaterfallParams { backing_ppm: 500_000, ..from.waterfall },
        ..*from
    };
    let bounds = ["oi_margin_low", "oi_margin_high", "imf_ppm", "max_gap_ppm", "max_outage"];
    let more = ["volatility.imf_sigma_ppm", "waterfall.backing_ppm"];
    require_tightest((from, &to), gradual, &[&bounds[..], &more[..]].concat());
    to
}

/// A vault's parameters as tight as one step makes them; those that hurt users only with `gradual`.
pub fn tight_vault(from: &CollateralParams, gradual: bool) -> CollateralParams {
    let (step, outflow) = (u32::from(gradual), from.outflow);
    let to = CollateralParams {
        max_deposits: 0,
        soft_cap: 0,
        outflow: OutflowParams {
            floor: outflow.floor - u64::from(step) * (outflow.floor / 2),
            max_ppm: (outflow.max_ppm - step * by(outflow.max_ppm, 500_000, 1)).max(50_000),
            ..outflow
        },
        haircut_init_ppm: 1_000_000,
        haircut_maint_ppm: (from.haircut_maint_ppm + step * 25_000).min(1_000_000),
        cap_growth_ppm: 10_000,
        ..*from
    };
    require_tightest((from, &to), gradual, &["haircut_init_ppm", "cap_growth_ppm", "outflow.max_ppm"]);
    to
}

/// The exchange's parameters as tight as one step makes them.
pub fn tight_exchange(from: &ExchangeParams) -> ExchangeParams {
    let offset_ppm = from.risk_groups.offset_ppm.map(|offset| offset.saturating_sub(50_000));
    let to = ExchangeParams { risk_groups: RiskGroups { offset_ppm }, delay: MAX_DELAY, ..*from };
    require_tightest((from, &to), true, &["delay"]);
    to
}

/// Checks that nothing could be tighter: every row that has a safe direction is as far as a step goes, or at a hard bound
/// and named.
#[track_caller]
fn require_tightest<T: Governed>((from, to): (&T, &T), gradual: bool, bounded: &[&str]) {
    for moved in tighten::moves(from, to) {
        let rule = moved.rule;
        let (least, most) = moved.reach().expect("valid");
        let tightest = match rule.safer {
            Safer::Lower => moved.to == least,
            Safer::Higher => moved.to == most,
            Safer::Neither | Safer::Fixed => moved.to == moved.from,
        };
        let held = rule.is_gradual() && !gradual && moved.to == moved.from;
        assert!(tightest || held || bounded.contains(&rule.name), "{moved:?}");
        assert!(!matches!(moved.effect(), Effect::Loosens | Effect::Shifts), "{moved:?}");
        moved.require_step().expect("one step");
    }
}

/// A market's parameters as loose as one step makes them.
pub fn loose_market(from: &MarketParams) -> MarketParams {
    let mmf_ppm = from.mmf_ppm - by(from.mmf_ppm, 200_000, 1_000);
    MarketParams {
        max_oi: from.max_oi + from.max_oi.max(1 << 43),
        share_floor: from.share_floor + from.share_floor.max(1 << 43),
        oi_margin_low: from.oi_margin_low + (1 << 43),
        oi_margin_high: from.oi_margin_high + (1 << 43),
        max_impact_ppm: from.max_impact_ppm / 2,
        max_skew_ppm: (from.max_skew_ppm * 2).min(2_000_000),
        profit_cap_ppm: (from.profit_cap_ppm + 100_000).min(1_000_000),
        max_share_ppm: (from.max_share_ppm + 100_000).min(1_000_000),
        mmf_ppm,
        imf_ppm: (from.imf_ppm - by(from.imf_ppm, 333_000, 1_000)).max((mmf_ppm * 5).div_ceil(4)),
        profit_weight_ppm: (from.profit_weight_ppm + 250_000).min(1_000_000),
        liquidation_fee_ppm: from.liquidation_fee_ppm / 2,
        max_gap_ppm: from.max_gap_ppm - by(from.max_gap_ppm, 200_000, 1_000),
        target_weight_ppm: (from.target_weight_ppm * 3 / 2).min(1_000_000),
        max_outage: 43_200,
        volatility: VolatilityParams {
            mmf_sigma_ppm: from.volatility.mmf_sigma_ppm - by(from.volatility.mmf_sigma_ppm, 200_000, 0),
            imf_sigma_ppm: from.volatility.imf_sigma_ppm - by(from.volatility.imf_sigma_ppm, 333_000, 0),
            ..from.volatility
        },
        waterfall: WaterfallParams { backing_ppm: from.waterfall.backing_ppm / 2, ..from.waterfall },
        ..*from
    }
}

/// A vault's parameters as loose as one step makes them; a cap of zero rises to so many token units, worth ten million dollars.
pub fn loose_vault(from: &CollateralParams, listed: u64) -> CollateralParams {
    let twice = |cap: u64| if cap == 0 { listed } else { cap * 2 };
    let max_deposits = twice(from.max_deposits);
    CollateralParams {
        max_deposits,
        soft_cap: twice(from.soft_cap),
        outflow: OutflowParams {
            floor: (from.outflow.floor * 2).min(max_deposits / 20).max(from.outflow.floor),
            max_ppm: (from.outflow.max_ppm * 2).min(1_000_000),
            ..from.outflow
        },
        haircut_init_ppm: (from.haircut_init_ppm / 2).max(25_000),
        haircut_maint_ppm: from.haircut_maint_ppm.saturating_sub(25_000).max(10_000),
        cap_growth_ppm: (from.cap_growth_ppm * 2).min(1_000_000),
        ..*from
    }
}

/// The exchange's parameters as loose as one step makes them.
pub fn loose_exchange(from: &ExchangeParams) -> ExchangeParams {
    let offset_ppm = from.risk_groups.offset_ppm.map(|offset| (offset + 50_000).min(MAX_OFFSET_PPM));
    ExchangeParams {
        risk_groups: RiskGroups { offset_ppm },
        trigger_fee: 10_000_000,
        auto_exchange_threshold: from.auto_exchange_threshold * 2,
        delay: MIN_DELAY,
        ..*from
    }
}

/// The pool's parameters, as far against its providers as one step goes.
pub fn harsh_pool(from: &PoolParams) -> PoolParams {
    PoolParams {
        redeem_delay: from.redeem_delay * 2,
        redeem_window: (from.redeem_window / 2).max(3_600),
        redeem_fee_ppm: (from.redeem_fee_ppm * 2).min(10_000),
        max_utilisation_ppm: from.max_utilisation_ppm * 4 / 5,
        ..*from
    }
}

/// The source of the attacker's token.
pub fn fake_sources() -> [OracleSource; 2] {
    [fixtures::pyth_source(FAKE.feed(0)), OracleSource::NONE]
}

/// The attacker's token as a collateral that counts for as much as any may, and opens as fast, up to ten million dollars.
pub fn fake_collateral() -> CollateralParams {
    CollateralParams {
        haircut_init_ppm: 20_000,
        haircut_maint_ppm: 10_000,
        ..collateral_params(10_000_000_000_000)
    }
}

/// Everything that the attacker wants, each as far as one step goes and the bounds allow, for what is in force now.
pub fn wishes(world: &World, attacker: bulwark_sdk::Pubkey) -> Vec<ChangePayload> {
    let mut wishes = Vec::new();
    for market in [SOL, BTC] {
        let params = loose_market(&world.market(market).core.params);
        params.validate().expect("within the bounds");
        wishes.push(ChangePayload::MarketParams { market, params });
        wishes.push(ChangePayload::MarketSources { market, sources: fake_sources() });
        wishes.push(ChangePayload::Unpause { market: Some(market), bits: 5 });
    }
    // Ten million dollars, or as much in SOL at 150.
    for (vault, listed) in [(0, 10_000_000_000_000), (SOL_VAULT, 66_666_000_000_000)] {
        let params = loose_vault(&world.vault(vault).core.params, listed);
        wishes.push(ChangePayload::VaultParams { vault, params });
        wishes.push(ChangePayload::VaultSources { vault, sources: fake_sources() });
    }
    let fund = world.fund().core.params();
    let stake_income_ppm = 1_000_000 - fund.stake_income_ppm / 2;
    wishes.extend([
        ChangePayload::ExchangeParams { params: loose_exchange(&world.exchange().params) },
        ChangePayload::PoolParams { params: harsh_pool(&world.pool().core.params) },
        ChangePayload::InsuranceParams { params: InsuranceParams { stake_income_ppm } },
        ChangePayload::CreateVault { mint: fake_mint(), sources: fake_sources(), params: fake_collateral() },
        ChangePayload::CreateMarket { sources: fake_sources(), params: FAKE.listed_params() },
        ChangePayload::Guardian { guardian: attacker },
        ChangePayload::FeeRecipient { fee_recipient: attacker },
        ChangePayload::Unpause { market: None, bits: 15 },
    ]);
    wishes
}

/// Mint of the attacker's token.
pub fn fake_mint() -> bulwark_sdk::Pubkey {
    fixtures::address("FAKE")
}
