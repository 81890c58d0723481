//! A chain with one trader close to the edge and one far from it.

use bulwark_keeper::report::{Identity, Report, ReportOptions, Shock};
use bulwark_keeper::roles::Own;
use bulwark_sdk::Pubkey;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::program::state::MarginAccount;
use bulwark_sdk::rpc::MarketContext;
use bulwark_tests::fixtures::{DOLLAR, SOL_ASSET};
use bulwark_tests::{SOL, Signer as _, Trader, World};

/// A trader as a keeper.
pub fn whose(trader: &Trader) -> Own {
    Own { authority: trader.key.pubkey(), margin: trader.margin }
}

/// Everything that a report is computed from.
pub type Read = (MarketContext, Vec<(Pubkey, Box<MarginAccount>)>);

/// Reads a world as a node would serve it, with the margin accounts of these traders.
pub fn read(world: &World, traders: &[&Trader]) -> Read {
    let exchange = world.exchange();
    let markets = exchange.markets().map(|index| (index, world.market(index))).collect();
    let vaults = (0..exchange.vault_count).map(|index| (index, world.vault(index))).collect();
    let context = MarketContext {
        slot: world.slot(),
        clock_slot: world.slot(),
        now: world.now(),
        exchange,
        pool: world.pool(),
        insurance_fund: world.fund(),
        markets,
        vaults,
    };
    (context, traders.iter().map(|trader| (trader.margin, world.margin(&trader.margin))).collect())
}

/// The report on a world at these shocks, per cent.
pub fn report_on(world: &World, traders: &[&Trader], (own, shocks): (Option<&Identity>, &[i32])) -> Report {
    let (context, accounts) = read(world, traders);
    let shocks = shocks.iter().map(|&percent| Shock::percent(percent).expect("a shock")).collect();
    Report::of(&context, &accounts, own, &ReportOptions { shocks, ..ReportOptions::default() })
        .expect("a report")
}

/// 100 SOL long at 150 dollars on a thousand dollars, and the same on a hundred thousand.
pub fn edge_and_rock() -> (World, Trader, Trader) {
    let mut world = World::new();
    let (edge, rock) = (world.funded_trader(1_000 * DOLLAR), world.funded_trader(100_000 * DOLLAR));
    for trader in [&edge, &rock] {
        world.open(trader, SOL, Side::Long, 100 * SOL_ASSET.one()).expect("open");
    }
    (world, edge, rock)
}
