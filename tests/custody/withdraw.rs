//! `withdraw`: by the owner, to a token account of the owner, down to zero and no further.

use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::program::events::Withdrawn;
use bulwark_sdk::program::state::{Market, Vault};
use bulwark_sdk::{Pubkey, address};
use bulwark_tests::fixtures::*;
use bulwark_tests::{SOL, SOL_VAULT, Signer, Trader, World};

use crate::support::*;

const QUOTE: u64 = 1_234_567;
const COLLATERAL: u64 = 7_000_000_000;

/// A trader with quote and SOL deposited, nothing open; the SOL token account.
fn new() -> (World, Trader, Pubkey) {
    let mut world = World::new();
    let trader = world.funded_trader(QUOTE);
    let sol = world.deposit_collateral(&trader, SOL_VAULT, COLLATERAL).expect("deposit");
    (world, trader, sol)
}

#[test]
fn tokens_move_from_the_vault_to_the_owner_and_off_the_ledger_to_the_unit() {
    let (mut world, trader, sol) = new();
    // Liquidity and a deposit of quote came before, a refresh and a deposit of SOL before.
    let table = [(0, trader.tokens, QUOTE, 2), (SOL_VAULT, sol, COLLATERAL, 2)];
    for (vault, destination, total, first) in table {
        for (sequence, amount) in [(first, 1), (first + 1, total - 1)] {
            let before = world.vault(vault);
            let held = world.token_balance(&before.token_account);
            let got = world.token_balance(&destination);
            let outcome = world.withdraw(&trader, vault, (destination, amount)).expect("withdraw");
            let expected = Withdrawn { account: trader.margin, vault, sequence, amount };
            assert_eq!(event(&outcome), &Event::Withdrawn(expected));
            assert_eq!(world.vault(vault).sequence, sequence + 1);
            assert_eq!(world.token_balance(&destination), got + amount);
            assert_eq!(world.token_balance(&before.token_account), held - amount);
            assert_eq!(world.vault(vault).core.recorded, before.core.recorded - amount);
        }
    }
    assert!(world.margin(&trader.margin).is_empty());
}

#[test]
fn zero_is_refused_and_so_is_more_than_the_account_has() {
    let (mut world, trader, sol) = new();
    for (vault, destination, total) in [(0, trader.tokens, QUOTE), (SOL_VAULT, sol, COLLATERAL)] {
        let table =
            [(0, "ZeroAmount"), (total + 1, "InsufficientBalance"), (u64::MAX, "InsufficientBalance")];
        for (amount, name) in table {
            let withdraw = withdraw_instruction(&world, &trader, vault, (destination, amount));
            refuse(&mut world, &withdraw, &[&trader.key], name);
        }
    }
    // A vault that the account holds nothing of.
    let vault = world.list_vault(&SOL_ASSET, 9, 1_000);
    let mint = world.listings.vaults[usize::from(vault)].mint;
    let destination = world.create_tokens(mint, trader.key.pubkey(), 0);
    let withdraw = withdraw_instruction(&world, &trader, vault, (destination, 1));
    refuse(&mut world, &withdraw, &[&trader.key], "InsufficientBalance");
}

#[test]
fn only_the_owner_withdraws_and_only_to_a_token_account_of_the_owner() {
    let (mut world, trader, _) = new();
    let thief = world.trader(0);
    let admin = world.admin.insecure_clone();
    let to_thief = withdraw_instruction(&world, &trader, 0, (thief.tokens, 1));
    for imposter in [&thief.key, &admin] {
        refuse(&mut world, &with_account(&to_thief, 0, imposter.pubkey()), &[imposter], "Unauthorized");
    }
    refuse(&mut world, &to_thief, &[&trader.key], "BadTokenAccount");
    let to_owner = withdraw_instruction(&world, &trader, 0, (trader.tokens, 1));
    refuse(&mut world, &unsigned(&to_owner, 0), &[], "AccountNotSigner");
    accept(&mut world, &to_owner, &[&trader.key]);
}

#[test]
fn with_nothing_at_risk_everything_can_be_withdrawn_whatever_the_oracles_say() {
    let (mut world, trader, sol) = new();
    world.advance(1_000_000);
    let vault = world.listings.vaults[usize::from(SOL_VAULT)].address;
    world.tamper::<Vault>(&vault, |v| (v.core.oracle.divergent, v.core.oracle.conf) = (1, u64::MAX / 2));
    world.withdraw(&trader, SOL_VAULT, (sol, COLLATERAL)).expect("volatile collateral too");
    world.withdraw(&trader, 0, (trader.tokens, QUOTE)).expect("quote");
}

/// Makes a stored price unusable for a withdrawal.
type Spoil = fn(&mut World);

const MARKET: [(&str, Spoil); 3] = [
    ("PriceStale", |w| stale(w, &address::market(SOL))),
    ("PriceWide", |w| {
        w.tamper::<Market>(&address::market(SOL), |m| m.core.oracle.conf = wide(m.core.oracle.price))
    }),
    ("PriceDivergent", |w| w.tamper::<Market>(&address::market(SOL), |m| m.core.oracle.divergent = 1)),
];

const VAULT: [(&str, Spoil); 3] = [
    ("PriceStale", |w| {
        let key = w.listings.vaults[1].address;
        w.tamper::<Vault>(&key, |v| v.core.oracle.publish_time = GENESIS - 61);
    }),
    ("PriceWide", |w| {
        let key = w.listings.vaults[1].address;
        w.tamper::<Vault>(&key, |v| v.core.oracle.conf = wide(v.core.oracle.price));
    }),
    ("PriceDivergent", |w| {
        let key = w.listings.vaults[1].address;
        w.tamper::<Vault>(&key, |v| v.core.oracle.divergent = 1);
    }),
];

/// One second older than margin tolerates.
fn stale(world: &mut World, market: &Pubkey) {
    world.tamper::<Market>(market, |m| m.core.oracle.publish_time = GENESIS - 61);
}

/// Just wider than 1 % of the price.
fn wide(price: bulwark_sdk::engine::units::Price) -> u64 {
    price.to_bits() / 100 + 1
}

#[test]
fn with_a_position_open_a_withdrawal_needs_a_fresh_price_of_every_leg() {
    for (name, spoil) in MARKET.into_iter().chain(VAULT) {
        let (mut world, trader, sol) = new();
        world.open(&trader, SOL, Side::Long, SOL_ASSET.one() / 10).expect("open");
        spoil(&mut world);
        for (vault, destination) in [(0, trader.tokens), (SOL_VAULT, sol)] {
            let withdraw = withdraw_instruction(&world, &trader, vault, (destination, 1));
            refuse(&mut world, &withdraw, &[&trader.key], name);
        }
    }
}

#[test]
fn with_a_debt_a_withdrawal_of_collateral_needs_a_fresh_price() {
    for (name, spoil) in VAULT {
        let (mut world, trader, sol) = in_debt();
        world.withdraw(&trader, SOL_VAULT, (sol, 1)).expect("fresh");
        spoil(&mut world);
        let withdraw = withdraw_instruction(&world, &trader, SOL_VAULT, (sol, 1));
        refuse(&mut world, &withdraw, &[&trader.key], name);
    }
}

/// A trader without a position whose loss exceeded the quote balance; clock and prices as at the start.
fn in_debt() -> (World, Trader, Pubkey) {
    let (mut world, trader, sol) = new();
    world.open(&trader, SOL, Side::Long, SOL_ASSET.one()).expect("open");
    world.tamper::<Market>(&address::market(SOL), |m| m.core.oracle.price = lower(m.core.oracle.price));
    world.close(&trader, SOL, u64::MAX).expect("close");
    assert!(quote(&world, &trader.margin) < 0);
    (world, trader, sol)
}

/// 2 % below.
fn lower(price: bulwark_sdk::engine::units::Price) -> bulwark_sdk::engine::units::Price {
    bulwark_sdk::engine::units::Price::from_bits(price.to_bits() / 100 * 98).expect("in range")
}

#[test]
fn quote_cannot_be_borrowed_against_collateral() {
    let (mut world, trader, sol) = new();
    world.withdraw(&trader, 0, (trader.tokens, QUOTE)).expect("down to zero");
    // A thousand dollars of SOL, and not a unit of quote against it.
    let withdraw = withdraw_instruction(&world, &trader, 0, (trader.tokens, 1));
    refuse(&mut world, &withdraw, &[&trader.key], "InsufficientBalance");
    world.withdraw(&trader, SOL_VAULT, (sol, COLLATERAL)).expect("the SOL itself");

    let (mut world, trader, _) = in_debt();
    let withdraw = withdraw_instruction(&world, &trader, 0, (trader.tokens, 1));
    refuse(&mut world, &withdraw, &[&trader.key], "InsufficientBalance");
}

#[test]
fn a_withdrawal_cannot_leave_out_or_swap_a_leg() {
    let (mut world, trader, sol) = new();
    world.open(&trader, SOL, Side::Long, SOL_ASSET.one() / 10).expect("open");
    let quote = withdraw_instruction(&world, &trader, 0, (trader.tokens, 1));
    let named = quote.accounts.len() - 2;
    let legs = [address::market(SOL), world.listings.vaults[1].address];
    assert_eq!(quote.accounts[named..].iter().map(|m| m.pubkey).collect::<Vec<_>>(), legs);

    let mut missing = quote.clone();
    missing.accounts.truncate(named);
    refuse(&mut world, &missing, &[&trader.key], "AccountMissing");
    missing.accounts.push(quote.accounts[named].clone());
    refuse(&mut world, &missing, &[&trader.key], "AccountMissing");
    let mut swapped = quote.clone();
    swapped.accounts.swap(named, named + 1);
    refuse(&mut world, &swapped, &[&trader.key], "WrongAccount");
    refuse(&mut world, &with_account(&quote, named, address::market(BTC)), &[&trader.key], "WrongAccount");
    refuse(&mut world, &with_account(&quote, named + 1, legs[0]), &[&trader.key], "WrongAccount");
    // The vault that is withdrawn from is named already and not passed again.
    let mut twice = withdraw_instruction(&world, &trader, SOL_VAULT, (sol, 1));
    twice.accounts.insert(8, quote.accounts[named + 1].clone());
    refuse(&mut world, &twice, &[&trader.key], "DuplicateAccount");
    accept(&mut world, &quote, &[&trader.key]);
}
