//! The quote token has a price too: a balance counts for at most its face, a debt always for all of it.

use bulwark_sdk::engine::margin::HealthType;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::listings::VaultListing;
use bulwark_sdk::program::instructions::InitializeExchangeArgs;
use bulwark_sdk::program::oracle::OracleSource;
use bulwark_sdk::{Pubkey, address};
use bulwark_tests::World;
use bulwark_tests::fixtures::{self, Asset, DOLLAR, PRINT, QUOTE_DECIMALS};

use crate::support::{MARKET, PubkeyOf as _, UNI, refused, uni_params, uni_world};

/// The quote token, priced like any asset: one unit of it is one quote unit.
const USD: Asset = Asset { name: "USD", lot_decimals: QUOTE_DECIMALS, price: PRINT };

/// An exchange whose quote token has an oracle, with a market of [`UNI`].
fn world() -> (World, Pubkey) {
    let (mut world, mint) = (World::bare(), fixtures::address("USDC"));
    world.create_mint(mint, QUOTE_DECIMALS);
    let quote_sources = [fixtures::pyth_source(USD.feed(0)), OracleSource::NONE];
    let args = InitializeExchangeArgs { quote_sources, ..world.initialize_args() };
    let deployer = world.deployer.insecure_clone();
    let init = ix::initialize_exchange(deployer.pubkey_(), (mint, address::TOKEN_PROGRAM), args);
    world.send(&[init], &[&deployer]).expect("initialize_exchange");
    world.listings.vaults.push(VaultListing::of_mint(mint, address::TOKEN_PROGRAM));
    world.list_market(&UNI, uni_params());
    let provider = world.trader(10_000_000 * DOLLAR);
    world.add_liquidity(&provider, 10_000_000 * DOLLAR).expect("add_liquidity");
    world.send(&[ix::allocate_liquidity(&world.listings, MARKET)], &[]).expect("allocate_liquidity");
    (world, mint)
}

/// A print of the quote token; what a balance counts for afterwards, ppm.
fn refresh(world: &mut World, mint: &Pubkey, price: i64) -> u32 {
    world.advance(1);
    world.print(&USD, price, 0);
    world.send(&[ix::refresh_vault(mint, World::oracles(&USD))], &[]).expect("refresh_vault");
    world.print(&UNI, UNI.price, 0);
    world.send(&[ix::refresh_market(MARKET, World::oracles(&UNI))], &[]).expect("refresh_market");
    world.exchange().quote_weight_ppm
}

#[test]
fn a_balance_counts_at_the_lower_of_one_price_and_average() {
    let (mut world, mint) = world();
    assert_eq!(world.exchange().quote_weight_ppm, 1_000_000, "one until an oracle says otherwise");
    assert_eq!(refresh(&mut world, &mint, PRINT), 1_000_000);
    assert_eq!(refresh(&mut world, &mint, 2 * PRINT), 1_000_000, "never more than its face");
    // 0.95 is not exact in binary: rounded down.
    assert_eq!(refresh(&mut world, &mint, 95_000_000), 949_999);
    let dipped = refresh(&mut world, &mint, PRINT);
    let average = world.vault(0).core.oracle.ema.to_bits();
    let expected = (u128::from(average) * 1_000_000) >> 32;
    assert_eq!(u128::from(dipped), expected.min(1_000_000), "the average remembers");
}

#[test]
fn a_depegged_balance_opens_less_and_keeps_no_one_from_closing() {
    let (mut world, mint) = world();
    let trader = world.funded_trader(10_000 * DOLLAR);
    let weight = u64::from(refresh(&mut world, &mint, 50_000_000));
    assert_eq!(weight, 500_000);
    // 5 % of margin and a little cost: 10,000 dollars at half weight carry 90,000, not 190,000.
    let open =
        world.open_instruction(&trader, MARKET, Side::Long, UNI.lots_worth(190_000) / 1_000_000 * 1_000_000);
    refused(&mut world, open, &[&trader.key], "InsufficientMargin", "at face it would do");
    world.open(&trader, MARKET, Side::Long, UNI.one() * 720).expect("90,000 dollars");
    let (init, maint) = (HealthType::Init, HealthType::Maint);
    let quote = world.margin(&trader.margin).quote.0;
    let gap = world.health(&trader.margin, maint).equity.0 - world.health(&trader.margin, init).equity.0;
    assert_eq!(gap, quote - quote / 2, "maintenance margin takes it at face");
    refresh(&mut world, &mint, 10_000_000);
    assert!(world.health(&trader.margin, init).require().is_err());
    world.close(&trader, MARKET, u64::MAX).expect("close");
    let rest = world.margin(&trader.margin).quote.units_or_zero();
    world.withdraw(&trader, 0, (trader.tokens, rest)).expect("tokens are tokens");
}

#[test]
fn a_quote_token_without_oracle_takes_no_print() {
    let mut world = uni_world(uni_params());
    let mint = world.listings.vaults[0].mint;
    world.print(&USD, 50_000_000, 0);
    let refresh = ix::refresh_vault(&mint, World::oracles(&USD));
    refused(&mut world, refresh, &[], "OracleNotConfigured", "nobody was named to price it");
    assert_eq!(world.exchange().quote_weight_ppm, 1_000_000);
}
