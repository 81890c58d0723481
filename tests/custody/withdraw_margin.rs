//! `withdraw` against initial margin: the last unit that health allows goes out, the next one does not.

use std::collections::BTreeMap;

use bulwark_sdk::engine::margin::{Health, HealthType};
use bulwark_sdk::engine::units::{Quote, Side};
use bulwark_sdk::health::Snapshot as Prices;
use bulwark_sdk::program::state::{Exchange, MarginAccount};
use bulwark_sdk::{Pubkey, address};
use bulwark_tests::fixtures::*;
use bulwark_tests::{SOL, SOL_VAULT, Trader, World};

use crate::support::*;

/// Health for a withdrawal, by the SDK, of an account as it would be.
fn health(world: &World, account: &MarginAccount, kind: HealthType) -> Health {
    let exchange = world.exchange();
    let markets: Vec<_> = exchange.markets().map(|i| world.market(i)).collect();
    let vaults: Vec<_> = (0..exchange.vault_count).map(|i| world.vault(i)).collect();
    let prices = Prices {
        exchange: &exchange,
        markets: markets.iter().map(|m| (m.index, &**m)).collect::<BTreeMap<_, _>>(),
        vaults: vaults.iter().map(|v| (v.index, &**v)).collect(),
        now: world.now(),
    };
    prices.health(account, kind).expect("health")
}

/// The account after a withdrawal, if it has that much.
fn after(account: &MarginAccount, vault: u16, amount: u64) -> Option<MarginAccount> {
    let mut account = *account;
    if vault == 0 {
        account.quote = Quote(account.quote.0.checked_sub_unsigned(amount)?);
        return (account.quote >= Quote::ZERO).then_some(account);
    }
    let slot = account.collaterals.iter_mut().find(|slot| slot.vault == vault)?;
    slot.amount = slot.amount.checked_sub(amount)?;
    Some(account)
}

/// The most that can be withdrawn by the SDK's health: a search that knows nothing of the formulas.
fn most(world: &World, margin: &Pubkey, vault: u16) -> u64 {
    let account = world.margin(margin);
    let fits = |amount| {
        let account = after(&account, vault, amount);
        account.is_some_and(|a| health(world, &a, HealthType::Withdraw).require().is_ok())
    };
    let (mut low, mut high) = (0, 1 << 60);
    assert!(fits(low) && !fits(high));
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        *if fits(middle) { &mut low } else { &mut high } = middle;
    }
    low
}

/// Ten thousand dollars and 100 SOL, long 300 SOL and short half a BTC.
fn new() -> (World, Trader, Pubkey) {
    let mut world = World::new();
    let trader = world.funded_trader(10_000 * DOLLAR);
    let sol = world.deposit_collateral(&trader, SOL_VAULT, 100_000_000_000).expect("deposit");
    world.open(&trader, SOL, Side::Long, 300 * SOL_ASSET.one()).expect("open");
    world.open(&trader, BTC, Side::Short, BTC_ASSET.one() / 2).expect("open");
    (world, trader, sol)
}

/// The most goes out, one unit more does not.
fn at_the_boundary(world: &mut World, trader: &Trader, vault: u16, destination: Pubkey) {
    let limit = most(world, &trader.margin, vault);
    assert!(limit > 0);
    let more = withdraw_instruction(world, trader, vault, (destination, limit + 1));
    refuse(world, &more, &[&trader.key], "InsufficientMargin");
    let had = world.token_balance(&destination);
    world.withdraw(trader, vault, (destination, limit)).expect("the limit");
    assert_eq!(world.token_balance(&destination), had + limit);
    let one = withdraw_instruction(world, trader, vault, (destination, 1));
    refuse(world, &one, &[&trader.key], "InsufficientMargin");
}

#[test]
fn the_last_unit_of_collateral_that_health_allows_goes_out_and_the_next_does_not() {
    let (mut world, trader, sol) = new();
    world.withdraw(&trader, 0, (trader.tokens, 9_000 * DOLLAR)).expect("withdraw");
    at_the_boundary(&mut world, &trader, SOL_VAULT, sol);
    // What is left is margin: value and requirement meet, to less than a unit of collateral.
    let left = health(&world, &world.margin(&trader.margin), HealthType::Withdraw);
    assert_eq!(left.excess(), Ok(Quote::ZERO), "a token unit is worth 0.15 quote units");
}

#[test]
fn the_last_unit_of_quote_that_health_allows_goes_out_and_the_next_does_not() {
    let (mut world, trader, sol) = new();
    world.withdraw(&trader, SOL_VAULT, (sol, 100_000_000_000)).expect("withdraw");
    let account = world.margin(&trader.margin);
    let excess = health(&world, &account, HealthType::Withdraw).excess().expect("excess");
    assert_eq!(most(&world, &trader.margin, 0), excess.0.unsigned_abs(), "quote counts one for one");
    at_the_boundary(&mut world, &trader, 0, trader.tokens);
}

#[test]
fn a_quote_token_below_one_counts_for_less() {
    let (mut world, trader, sol) = new();
    world.withdraw(&trader, SOL_VAULT, (sol, 100_000_000_000)).expect("withdraw");
    let full = most(&world, &trader.margin, 0);
    world.tamper::<Exchange>(&address::exchange(), |e| e.quote_weight.fresh_ppm = 950_000);
    assert!(most(&world, &trader.margin, 0) < full);
    at_the_boundary(&mut world, &trader, 0, trader.tokens);
}

#[test]
fn profit_does_not_count_for_a_withdrawal() {
    let (mut world, trader, sol) = new();
    world.close(&trader, BTC, u64::MAX).expect("close");
    world.withdraw(&trader, SOL_VAULT, (sol, 100_000_000_000)).expect("withdraw");
    let before = most(&world, &trader.margin, 0);
    // 300 SOL gain 30 dollars each: 9000 dollars of profit, and 450 more of initial margin.
    world.settle_price(SOL, 180 * PRINT);
    world.refresh_sol_vault();
    let account = world.margin(&trader.margin);
    let profit = health(&world, &account, HealthType::Maint).equity.0 - account.quote.0;
    assert!(profit > 8_900 * DOLLAR as i64, "{profit}");
    assert!(most(&world, &trader.margin, 0) < before, "the requirement grew, the profit does not help");
    at_the_boundary(&mut world, &trader, 0, trader.tokens);
    // Realised, it is quote like any other.
    world.close(&trader, SOL, u64::MAX).expect("close");
    let all = quote(&world, &trader.margin).unsigned_abs();
    assert!(all > 9_000 * DOLLAR);
    world.withdraw(&trader, 0, (trader.tokens, all)).expect("all of it");
}

#[test]
fn a_loss_counts_in_full_for_a_withdrawal() {
    let (mut world, trader, sol) = new();
    world.withdraw(&trader, SOL_VAULT, (sol, 100_000_000_000)).expect("withdraw");
    let before = most(&world, &trader.margin, 0);
    world.settle_price(BTC, 63_000 * PRINT);
    world.set_price(SOL, SOL_ASSET.price);
    // Short half a BTC, 3000 dollars up: 1500 dollars lost, 75 dollars more of margin.
    let taken = before - most(&world, &trader.margin, 0);
    assert!(taken.abs_diff(1_575 * DOLLAR) <= 1_000, "{taken}");
    at_the_boundary(&mut world, &trader, 0, trader.tokens);
}

#[test]
fn attack_pumping_the_price_for_a_moment_does_not_raise_what_collateral_is_worth() {
    let (mut world, trader, sol) = new();
    world.withdraw(&trader, 0, (trader.tokens, 9_000 * DOLLAR)).expect("withdraw");
    world.close(&trader, SOL, u64::MAX).expect("close");
    world.advance(1);
    for (market, price) in [(SOL, SOL_ASSET.price), (BTC, BTC_ASSET.price)] {
        world.set_price(market, price);
    }
    world.refresh_sol_vault();
    let before = most(&world, &trader.margin, SOL_VAULT);
    world.advance(1);
    world.print(&SOL_ASSET, 10 * SOL_ASSET.price, 1);
    world.refresh_sol_vault();
    // The average moves by 2 % at most: so much less collateral is needed, and no more.
    let after = most(&world, &trader.margin, SOL_VAULT);
    let (needed, now) = (100_000_000_000 - before, 100_000_000_000 - after);
    assert!(now <= needed && needed - now <= needed / 50, "{needed} {now}");
    at_the_boundary(&mut world, &trader, SOL_VAULT, sol);
}
