//! What is listed: an exchange on which limits are met, and markets that get into trouble.

use bulwark_sdk::address;
use bulwark_sdk::engine::carry::CarryParams;
use bulwark_sdk::engine::collateral::CollateralParams;
use bulwark_sdk::engine::deleverage::DeleverageParams;
use bulwark_sdk::engine::governance::ExchangeParams;
use bulwark_sdk::engine::margin::RiskGroups;
use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::outflow::OutflowParams;
use bulwark_sdk::engine::pool::PoolParams;
use bulwark_sdk::engine::volatility::VolatilityParams;
use bulwark_sdk::engine::waterfall::WaterfallParams;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::listings::VaultListing;
use bulwark_sdk::program::instructions::InitializeExchangeArgs;
use bulwark_sdk::program::oracle::OracleSource;
use solana_signer::Signer;

use super::{ASSETS, TOKEN_DECIMALS, TWO_SOURCES, narrow, oracles, print};
use crate::fixtures::{self, Asset, DOLLAR, QUOTE_DECIMALS};
use crate::world::World;

/// An exchange on which redemptions are quick and limits are met: `World::empty` with other parameters.
pub(super) fn exchange() -> World {
    let mut world = World::bare();
    let mint = fixtures::address("USDC");
    world.create_mint(mint, QUOTE_DECIMALS);
    let usual = world.initialize_args();
    let args = InitializeExchangeArgs {
        pool_params: PoolParams {
            redeem_delay: 3_600,
            senior_rate_ppm: 300_000,
            max_senior_ratio_ppm: 500_000,
            max_utilisation_ppm: 100_000,
            ..usual.pool_params
        },
        quote_params: CollateralParams {
            outflow: OutflowParams { floor: 20_000 * DOLLAR, max_ppm: 50_000, _padding: 0 },
            ..fixtures::collateral_params(20_000_000 * DOLLAR)
        },
        exchange_params: ExchangeParams {
            risk_groups: RiskGroups { offset_ppm: [500_000, 0, 0, 0, 0, 0, 0, 0] },
            ..usual.exchange_params
        },
        ..usual
    };
    let deployer = world.deployer.insecure_clone();
    let init = ix::initialize_exchange(deployer.pubkey(), (mint, address::TOKEN_PROGRAM), args);
    world.send(&[init], &[&deployer]).expect("initialize_exchange");
    world.listings.vaults.push(VaultListing::of_mint(mint, address::TOKEN_PROGRAM));
    world.open_cap();
    world
}

/// Parameters of a market: see the head of this module. Prices move a hundred times as wildly here as they do
/// elsewhere, so margin and spread follow them at a smaller multiple; carry runs fast, so that it is felt.
fn params(market: usize, asset: &Asset) -> MarketParams {
    let live = asset.live_params();
    let waterfall = WaterfallParams { first_loss_ppm: 5_000, backing_ppm: 5_000, ..live.waterfall };
    let usual = MarketParams {
        waterfall,
        deleverage: DeleverageParams { inventory_cap: 150_000 * DOLLAR, ..live.deleverage },
        target_weight_ppm: 500_000,
        oi_margin_low: 200_000 * DOLLAR,
        oi_margin_high: 20_000_000 * DOLLAR,
        risk_group: 1,
        carry: CarryParams {
            funding_velocity_ppm: 10_000_000,
            borrow_base_ppm: 500,
            borrow_slope_ppm: 20_000,
            borrow_steep_ppm: 200_000,
            ..live.carry
        },
        volatility: VolatilityParams {
            spread_sigma_ppm: 500_000,
            mmf_sigma_ppm: 1_500_000,
            imf_sigma_ppm: 600_000,
            ..live.volatility
        },
        ..live
    };
    match market {
        0 => usual,
        1 => MarketParams {
            max_oi: asset.lots_worth(600_000),
            share_floor: asset.lots_worth(200_000),
            target_weight_ppm: 400_000,
            taker_fee_ppm: 0,
            base_spread_ppm: 0,
            conf_spread_ppm: 0,
            carry: CarryParams { funding_max_ppm: 500, ..usual.carry },
            volatility: VolatilityParams { spread_sigma_ppm: 0, ..usual.volatility },
            waterfall: WaterfallParams { first_loss_ppm: 0, ..waterfall },
            deleverage: DeleverageParams { inventory_cap: 80_000 * DOLLAR, ..usual.deleverage },
            ..usual
        },
        _ => MarketParams {
            skew_scale: asset.lots_worth(20_000_000),
            max_impact_ppm: 10_000,
            mmf_ppm: 40_000,
            max_skew_ppm: 2_000_000,
            profit_cap_ppm: 900_000,
            target_weight_ppm: 50_000,
            max_share_ppm: 1_000_000,
            min_notional: 1,
            step: 1,
            risk_group: 0,
            waterfall: WaterfallParams { tail: 1, first_loss_ppm: 0, ..waterfall },
            deleverage: DeleverageParams {
                inventory_cap: 60_000 * DOLLAR,
                keeper_tip: 1,
                profit_high_ppm: 700_000,
                profit_target_ppm: 600_000,
            },
            ..usual
        },
    }
}

/// Parameters of a vault: its cap is met by two generous depositors, its soft cap by one, and not everything leaves in
/// an hour.
fn collateral(market: usize) -> CollateralParams {
    let one = 10_u64.pow(u32::from(TOKEN_DECIMALS[market]));
    let tokens = |dollars: u64| {
        let tokens = u128::from(dollars) * u128::from(one) * 100_000_000
            / u128::try_from(ASSETS[market].price).expect("above zero");
        u64::try_from(tokens).expect("fits")
    };
    let cap = 50_000 * one;
    CollateralParams {
        soft_cap: tokens(if market == TWO_SOURCES { 15_000 } else { 60_000 }),
        outflow: OutflowParams { floor: tokens(20_000).min(cap / 20), max_ppm: 100_000, _padding: 0 },
        ..fixtures::collateral_params(cap)
    }
}

/// Lists an asset as a market and as a collateral.
pub(super) fn list(world: &mut World, market: usize, asset: &Asset) {
    for source in 0..2 {
        print(world, (market, source), (asset.price, 1), 0);
    }
    let second =
        if market == TWO_SOURCES { fixtures::pyth_source(asset.feed(1)) } else { OracleSource::NONE };
    let sources = [fixtures::pyth_source(asset.feed(0)), second];
    let listed = world.list_active(sources, params(market, asset), oracles(market));
    assert_eq!(listed.expect("create_market"), narrow(market));

    let mint = fixtures::address(&format!("{} mint", asset.name));
    world.create_mint(mint, TOKEN_DECIMALS[market]);
    let (token, listing) = ((mint, address::TOKEN_PROGRAM), (sources, collateral(market)));
    world.list_collateral(token, listing, oracles(market)).expect("create_vault");
    if market != TWO_SOURCES {
        world.open_cap(); // the other's cap opens while the walk goes on
    }
}
