//! What the SDK shows of an account is what the program does with it: liquidation prices, entries, what needs a refresh.

use bulwark_sdk::engine::margin::HealthType;
use bulwark_sdk::engine::price::Age;
use bulwark_sdk::engine::trade::Order;
use bulwark_sdk::engine::units::{Price, Side};
use bulwark_sdk::health::Intent;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::state::Market;
use bulwark_sdk::refresh::Leg;
use bulwark_sdk::{Pubkey, address};
use bulwark_tests::fixtures::{BTC_ASSET, DOLLAR, PRINT, SOL_ASSET};
use bulwark_tests::{BTC, SOL, SOL_VAULT, Trader, World};

/// A world with carry and volatility, and traders long and short in both markets, one with SOL as collateral.
fn scene() -> (World, Vec<Trader>) {
    let mut world = World::new();
    for (market, asset) in [(SOL, SOL_ASSET), (BTC, BTC_ASSET)] {
        let live = asset.live_params();
        world.tamper::<Market>(&address::market(market), |m| m.core.params = live);
    }
    let traders: Vec<Trader> = (0..4).map(|_| world.funded_trader(3_000 * DOLLAR)).collect();
    world.deposit_collateral(&traders[3], SOL_VAULT, 20 * SOL_ASSET.one()).expect("collateral");
    for (trader, side) in traders.iter().zip([Side::Long, Side::Short, Side::Long, Side::Short]) {
        world.open(trader, SOL, side, 100 * SOL_ASSET.one()).expect("open");
    }
    world.open(&traders[2], BTC, Side::Short, BTC_ASSET.one() / 10).expect("open");
    world.open(&traders[3], BTC, Side::Long, BTC_ASSET.one() / 10).expect("open");
    for minutes in 1..10 {
        world.advance(60);
        world.set_price(SOL, (150 + minutes % 3) * PRINT);
        world.set_price(BTC, 60_000 * PRINT);
        world.refresh_sol_vault();
    }
    (world, traders)
}

fn with_price(world: &World, market: u16, price: Price) -> World {
    let mut other = world.fork();
    other.tamper::<Market>(&address::market(market), |m| {
        (m.core.oracle.price, m.core.oracle.conf) = (price, 0);
    });
    other
}

fn can_be_liquidated(world: &World, margin: &Pubkey) -> bool {
    let account = world.margin(margin);
    world.ask(|snapshot| snapshot.distress(&account, world.slot()).expect("distress").is_some())
}

#[test]
fn at_its_liquidation_price_an_account_can_be_liquidated_and_a_step_before_it_can_not() {
    let (world, traders) = scene();
    let mut found = 0;
    for trader in &traders {
        let account = world.margin(&trader.margin);
        assert!(!can_be_liquidated(&world, &trader.margin));
        for position in account.positions.iter().filter(|p| p.is_open()) {
            let price = world.ask(|s| s.liquidation_price(&account, position.market).expect("price"));
            let Some(price) = price else { continue };
            let bits = price.to_bits();
            let better = if position.side().expect("side") == Side::Long { bits + 1 } else { bits - 1 };
            let better = Price::from_bits(better).expect("price");
            assert!(can_be_liquidated(&with_price(&world, position.market, price), &trader.margin));
            assert!(!can_be_liquidated(&with_price(&world, position.market, better), &trader.margin));
            found += 1;
        }
    }
    assert!(found >= 5, "{found} of 6 positions have a price that decides");
}

#[test]
fn the_program_liquidates_at_that_price_and_refuses_a_step_before() {
    let (world, traders) = scene();
    let account = world.margin(&traders[0].margin);
    let price = world.ask(|s| s.liquidation_price(&account, SOL).expect("asked")).expect("a price");
    let better = Price::from_bits(price.to_bits() + 1).expect("price");
    for (price, expected) in [(price, true), (better, false)] {
        let mut world = with_price(&world, SOL, price);
        let account = world.margin(&traders[0].margin);
        let margin = ix::Margin { address: traders[0].margin, account: &account };
        let call = ix::liquidate_to_pool(&world.listings, margin, SOL, None).expect("builds");
        let failure = world.send(&[call], &[]).err();
        // The auction has just begun: nobody hands anything to the pool yet. A healthy account has none.
        let healthy = failure.is_some_and(|failure| failure.is("Healthy"));
        assert_eq!(healthy, !expected, "at {}", price.to_bits());
    }
}

#[test]
fn a_position_is_worth_nothing_at_its_entry_and_its_pnl_is_that_of_the_program() {
    let (world, traders) = scene();
    for trader in &traders {
        let account = world.margin(&trader.margin);
        let view = world.ask(|snapshot| snapshot.view(&account).expect("view"));
        assert_eq!(view.maintenance.expect("fresh"), world.health(&trader.margin, HealthType::Maint));
        for position in &view.positions {
            assert_eq!(position.pnl.0, world.pnl(&trader.margin, position.market));
            let entry = u64::try_from(position.entry.expect("a position")).expect("above zero");
            let at_entry = with_price(&world, position.market, Price::from_bits(entry).expect("price"));
            // Rounded to the holder's worse: a bit in his favour, and less than a step of the price times the lots.
            let left = at_entry.pnl(&trader.margin, position.market);
            let step = i64::try_from(position.lots >> 32).expect("lots") + 1;
            assert!((0..=step).contains(&left), "{left} of at most {step} at {entry}");
        }
    }
}

#[test]
fn the_health_after_a_quote_is_the_health_after_the_trade() {
    let (mut world, traders) = scene();
    let lots = 10 * SOL_ASSET.one();
    for (trader, intent) in [(&traders[0], Intent::Open(Side::Long)), (&traders[1], Intent::Close)] {
        let (account, now) = (world.margin(&trader.margin), world.now());
        let order = Order { lots, limit: None, now };
        let (account_after, health) = world.ask(|snapshot| {
            let preview = snapshot.quote(&account, (SOL, intent), &order).expect("quote");
            let mut later = snapshot.clone();
            later.markets.insert(SOL, &preview.market);
            (preview.account.clone(), later.health(&preview.account, HealthType::Init).expect("health"))
        });
        match intent {
            Intent::Open(side) => world.open(trader, SOL, side, lots).expect("open"),
            Intent::Close => world.close(trader, SOL, lots).expect("close"),
        };
        let is = world.margin(&trader.margin);
        assert_eq!(
            (is.quote, is.positions, is.debts),
            (account_after.quote, account_after.positions, account_after.debts)
        );
        assert_eq!(world.health(&trader.margin, HealthType::Init), health);
    }
}

#[test]
fn a_trade_refreshes_its_market_and_what_is_old_and_no_more() {
    let (mut world, traders) = scene();
    let legs = |world: &World, trader: &Trader, traded| {
        let account = world.margin(&trader.margin);
        world.ask(|snapshot| snapshot.old_legs(&account, traded).expect("legs"))
    };
    assert_eq!(legs(&world, &traders[3], None), []);
    assert_eq!(legs(&world, &traders[3], Some(SOL)), [Leg::Market(SOL)]);
    world.advance(31); // margin takes prices of a minute
    world.set_price(BTC, 60_000 * PRINT);
    assert_eq!(
        legs(&world, &traders[3], Some(BTC)),
        [Leg::Market(BTC), Leg::Market(SOL), Leg::Vault(SOL_VAULT)]
    );
    assert_eq!(legs(&world, &traders[0], None), [Leg::Market(SOL)]);
    let markets = |age| world.ask(|snapshot| snapshot.old_markets(age).expect("markets"));
    assert_eq!(markets(Age::Margin), [Leg::Market(SOL)]);
    assert_eq!(markets(Age::Trade), [Leg::Market(SOL), Leg::Market(BTC)]);
}
