//! The quote token has a price too: a balance counts for at most its face, a debt always for all of it.

use bulwark_sdk::address;
use bulwark_sdk::engine::margin::HealthType;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::listings::VaultListing;
use bulwark_sdk::program::instructions::InitializeExchangeArgs;
use bulwark_sdk::program::oracle::SourceKind;
use bulwark_tests::fixtures::{self, Asset, DOLLAR, PRINT, QUOTE_DECIMALS};
use bulwark_tests::{Trader, World};

use crate::feeds::{Listed, Place, feeds};
use crate::support::{MARKET, PubkeyOf as _, UNI, refused, uni_params, uni_world};

/// The quote token, priced like any asset: one unit of it is one quote unit.
const USD: Asset = Asset { name: "USD", lot_decimals: QUOTE_DECIMALS, price: PRINT };

/// What a balance counts for at most while the oracle is not alive: 10 % haircut.
const FLOOR: u32 = 900_000;

/// An exchange whose quote token has two oracles, with a market of [`UNI`].
fn world() -> (World, Listed) {
    let (mut world, mint) = (World::bare(), fixtures::address("USDC"));
    world.create_mint(mint, QUOTE_DECIMALS);
    let feeds = feeds(USD, &[SourceKind::PythPull, SourceKind::PythPush]);
    let quote_sources = [feeds[0].source(), feeds[1].source()];
    let args = InitializeExchangeArgs { quote_sources, ..world.initialize_args() };
    let deployer = world.deployer.insecure_clone();
    let init = ix::initialize_exchange(deployer.pubkey_(), (mint, address::TOKEN_PROGRAM), args);
    world.send(&[init], &[&deployer]).expect("initialize_exchange");
    world.listings.vaults.push(VaultListing::of_mint(mint, address::TOKEN_PROGRAM));
    world.list_market(&UNI, uni_params());
    let provider = world.trader(10_000_000 * DOLLAR);
    world.add_liquidity(&provider, 10_000_000 * DOLLAR).expect("add_liquidity");
    world.send(&[ix::allocate_liquidity(&world.listings, MARKET)], &[]).expect("allocate_liquidity");
    (world, Listed { feeds, place: Place::Vault(0, mint) })
}

/// Prints of both sources a second later; what a balance counts for afterwards, ppm.
fn refresh_both(world: &mut World, usd: &Listed, prices: [i64; 2]) -> u32 {
    world.advance(1);
    for (feed, price) in usd.feeds.iter().zip(prices) {
        feed.print(world, (price, 0), 0);
    }
    usd.send(world).expect("refresh_vault");
    refresh_market(world);
    weight(world)
}

/// As [`refresh_both`], of one mind.
fn refresh(world: &mut World, usd: &Listed, price: i64) -> u32 {
    refresh_both(world, usd, [price; 2])
}

fn refresh_market(world: &mut World) {
    world.print(&UNI, UNI.price, 0);
    world.send(&[ix::refresh_market(MARKET, World::oracles(&UNI))], &[]).expect("refresh_market");
}

fn weight(world: &World) -> u32 {
    world.exchange().quote_weight.at(world.now())
}

/// What a balance of 10,000 dollars counts for in an increase, ppm: as the program decides, and as the SDK says.
fn counts(world: &mut World, trader: &Trader) -> u32 {
    let (init, maint) = (HealthType::Init, HealthType::Maint);
    let [weighted, face] = [init, maint].map(|kind| world.health(&trader.margin, kind).equity.0);
    assert_eq!(face, 10_000_000_000, "maintenance margin takes it at face");
    // 20x, less costs of 7 bp of the notional and a little impact: 96 % of that goes, 100 % does not.
    let most = u64::try_from(weighted * 20 / 1_000_000).expect("positive");
    for (dollars, name) in [(most, "InsufficientMargin"), (most / 100 * 96, "")] {
        let lots = UNI.lots_worth(dollars) / 1_000_000 * 1_000_000;
        let open = world.open_instruction(trader, MARKET, Side::Long, lots);
        if name.is_empty() {
            world.fork().send(&[open], &[&trader.key]).expect("within the weighted balance");
        } else {
            refused(world, open, &[&trader.key], name, "beyond the weighted balance");
        }
    }
    u32::try_from(weighted / 10_000).expect("ppm")
}

#[test]
fn a_balance_counts_at_the_lower_of_one_price_and_average() {
    let (mut world, usd) = world();
    assert_eq!(weight(&world), FLOOR, "the floor until an oracle says otherwise");
    assert_eq!(refresh(&mut world, &usd, PRINT), 1_000_000);
    assert_eq!(refresh(&mut world, &usd, 2 * PRINT), 1_000_000, "never more than its face");
    // 0.95 is not exact in binary: rounded down.
    assert_eq!(refresh(&mut world, &usd, 95_000_000), 949_999);
    let dipped = refresh(&mut world, &usd, PRINT);
    let average = world.vault(0).core.oracle.ema.to_bits();
    let expected = (u128::from(average) * 1_000_000) >> 32;
    assert_eq!(u128::from(dipped), expected.min(1_000_000), "the average remembers");
}

#[test]
fn before_the_first_refresh_a_balance_counts_the_floor() {
    let (mut world, usd) = world();
    let trader = world.funded_trader(10_000 * DOLLAR);
    assert_eq!(counts(&mut world, &trader), FLOOR);
    world.advance(1_000_000);
    refresh_market(&mut world);
    assert_eq!(counts(&mut world, &trader), FLOOR, "however long that is");
    refresh(&mut world, &usd, PRINT);
    assert_eq!(counts(&mut world, &trader), 1_000_000);
}

#[test]
fn a_stale_quote_price_leaves_the_floor_and_no_more_than_it_said() {
    for (price, fresh, stale) in [
        (PRINT, 1_000_000, FLOOR),
        (2 * PRINT, 1_000_000, FLOOR),
        (PRINT / 100 * 95, 949_999, FLOOR),
        (PRINT / 2, 500_000, 500_000),
    ] {
        let (mut world, usd) = world();
        let trader = world.funded_trader(10_000 * DOLLAR);
        assert_eq!(refresh(&mut world, &usd, price), fresh);
        // The age counts from the print, and 60 s is not too old.
        for (age, expected) in [(60, fresh), (1, stale), (1_000_000, stale)] {
            world.advance(age);
            refresh_market(&mut world);
            assert_eq!(counts(&mut world, &trader), expected, "{price}: {age} s later");
        }
        // A print that is old already when it comes in lives the shorter for it.
        for feed in &usd.feeds {
            feed.print(&mut world, (price, 0), 59);
        }
        usd.send(&mut world).expect("refresh_vault");
        let fresh = weight(&world);
        world.advance(1);
        assert_eq!(weight(&world), fresh, "60 s old");
        world.advance(1);
        assert_eq!(weight(&world), fresh.min(FLOOR), "61 s old");
    }
}

#[test]
fn a_disputed_quote_price_leaves_the_floor_and_no_more_than_it_said() {
    for (price, fresh, disputed) in [(PRINT, 1_000_000, FLOOR), (PRINT / 2, 500_000, 500_000)] {
        let (mut world, usd) = world();
        let trader = world.funded_trader(10_000 * DOLLAR);
        assert_eq!(refresh(&mut world, &usd, price), fresh);
        // 2 % apart is not a dispute.
        assert_eq!(refresh_both(&mut world, &usd, [price, price / 100 * 102]), fresh);
        assert_eq!(refresh_both(&mut world, &usd, [price, price / 100 * 102 + 1]), disputed);
        assert_eq!(counts(&mut world, &trader), disputed);
        world.advance(61);
        refresh_market(&mut world);
        assert_eq!(counts(&mut world, &trader), disputed, "disputed and stale");
        assert_eq!(refresh(&mut world, &usd, price), fresh, "they agree again");
        assert_eq!(counts(&mut world, &trader), fresh);
    }
}

#[test]
fn a_depegged_balance_opens_less_and_keeps_no_one_from_closing() {
    let (mut world, usd) = world();
    let trader = world.funded_trader(10_000 * DOLLAR);
    let weight = u64::from(refresh(&mut world, &usd, 50_000_000));
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
    refresh(&mut world, &usd, 10_000_000);
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
    let refresh = ix::refresh_vault((0, &mint), World::oracles(&USD));
    refused(&mut world, refresh, &[], "OracleNotConfigured", "nobody was named to price it");
    for _ in 0..2 {
        assert_eq!(weight(&world), 1_000_000, "at any time");
        world.advance(1_000_000);
    }
}
