//! `deposit`: anyone for anyone, never paused, credited with what arrived.

use bulwark_sdk::engine::units::{Quote, Side};
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::listings::VaultListing;
use bulwark_sdk::program::events::Deposited;
use bulwark_sdk::program::state::Vault;
use bulwark_sdk::{Instruction, Pubkey};
use bulwark_tests::fixtures::*;
use bulwark_tests::{Keypair, SOL, SOL_VAULT, Signer, Trader, World};

use crate::support::*;

const AMOUNT: u64 = 1_234_567;

/// A trader with quote in the wallet and nothing deposited.
fn new() -> (World, Trader) {
    let mut world = World::new();
    let trader = world.trader(AMOUNT);
    (world, trader)
}

#[test]
fn quote_moves_from_the_wallet_to_the_vault_and_to_the_ledger_to_the_unit() {
    let (mut world, trader) = new();
    // The liquidity of the world took number 0.
    for (sequence, amount) in [(1, AMOUNT - 1), (2, 1)] {
        let vault = world.vault(0);
        let (had, held) = (world.token_balance(&trader.tokens), world.token_balance(&vault.token_account));
        let outcome = world.deposit(&trader, amount).expect("deposit");
        let expected = Deposited { account: trader.margin, vault: 0, sequence, amount };
        assert_eq!(event(&outcome), &Event::Deposited(expected));
        assert_eq!(world.token_balance(&trader.tokens), had - amount);
        assert_eq!(world.token_balance(&vault.token_account), held + amount);
        assert_eq!(
            (world.vault(0).core.recorded, world.vault(0).sequence),
            (vault.core.recorded + amount, sequence + 1)
        );
    }
    assert_eq!(quote(&world, &trader.margin).unsigned_abs(), AMOUNT);
}

#[test]
fn collateral_fills_one_slot_and_leaves_quote_alone() {
    let (mut world, trader) = new();
    world.deposit_collateral(&trader, SOL_VAULT, 10).expect("deposit");
    world.deposit_collateral(&trader, SOL_VAULT, 5).expect("deposit");
    let account = world.margin(&trader.margin);
    assert_eq!((account.collaterals[0].vault, account.collaterals[0].amount), (SOL_VAULT, 15));
    assert!(account.collaterals[1..].iter().all(|slot| slot.amount == 0));
    assert_eq!(account.quote, Quote::ZERO);
    assert_eq!((world.vault(SOL_VAULT).core.recorded, world.vault(SOL_VAULT).sequence), (15, 3));
}

#[test]
fn anyone_may_deposit_for_anyone_but_only_tokens_of_their_own() {
    let (mut world, trader) = new();
    let friend = world.trader(AMOUNT);
    let listing = world.listings.vaults[0];
    let gift = ix::deposit(friend.key.pubkey(), trader.margin, &listing, (friend.tokens, 1));
    accept(&mut world, &gift, &[&friend.key]);
    assert_eq!((quote(&world, &trader.margin), quote(&world, &friend.margin)), (1, 0));
    let theft = ix::deposit(friend.key.pubkey(), friend.margin, &listing, (trader.tokens, 1));
    refuse(&mut world, &theft, &[&friend.key], "BadTokenAccount");
    refuse(&mut world, &unsigned(&gift, 0), &[], "AccountNotSigner");
}

#[test]
fn zero_is_refused_and_so_is_more_than_the_wallet_holds() {
    let (mut world, trader) = new();
    for (amount, name) in
        [(0, "ZeroAmount"), (AMOUNT + 1, "insufficient funds"), (u64::MAX, "insufficient funds")]
    {
        let deposit = deposit_instruction(&world, &trader, amount);
        refuse(&mut world, &deposit, &[&trader.key], name);
    }
    world.deposit(&trader, AMOUNT).expect("all of it");
}

#[test]
fn amounts_beyond_what_the_ledger_can_count_are_refused() {
    for (vault, amount, cap, name) in [
        (0, u64::MAX, u64::MAX, "Overflow"),
        (0, i64::MAX as u64, u64::MAX, "Overflow"),
        (SOL_VAULT, u64::MAX, u64::MAX, "Overflow"),
        (SOL_VAULT, u64::MAX - 1, u64::MAX - 1, "DepositCap"),
    ] {
        // One unit more is on the ledger already; tokens of that many units exist only here.
        let (mut world, trader) = new();
        let listing = world.listings.vaults[usize::from(vault)];
        world.deposit(&trader, AMOUNT).expect("deposit");
        world.deposit_collateral(&trader, SOL_VAULT, 1).expect("deposit");
        world.tamper::<Vault>(&listing.address, |v| v.core.params.max_deposits = cap);
        world.tamper::<Vault>(&listing.address, |v| v.core.recorded = 1);
        world.write_tokens(listing.token_account, |tokens| tokens.amount = 0);
        let source = world.create_tokens(listing.mint, trader.key.pubkey(), amount);
        let deposit = ix::deposit(trader.key.pubkey(), trader.margin, &listing, (source, amount));
        refuse(&mut world, &deposit, &[&trader.key], name);
    }
}

#[test]
fn the_cap_can_be_reached_exactly_and_not_passed() {
    let (mut world, trader) = new();
    let listing = world.listings.vaults[usize::from(SOL_VAULT)];
    let cap = world.vault(SOL_VAULT).core.recorded + 1_000;
    world.tamper::<Vault>(&listing.address, |v| v.core.params.max_deposits = cap);
    let source = world.create_tokens(listing.mint, trader.key.pubkey(), 2_000);
    let deposit = |amount| ix::deposit(trader.key.pubkey(), trader.margin, &listing, (source, amount));
    refuse(&mut world, &deposit(1_001), &[&trader.key], "DepositCap");
    accept(&mut world, &deposit(1_000), &[&trader.key]);
    refuse(&mut world, &deposit(1), &[&trader.key], "DepositCap");
    // Zero forbids, it does not mean "no limit".
    world.tamper::<Vault>(&listing.address, |v| v.core.params.max_deposits = 0);
    refuse(&mut world, &deposit(1), &[&trader.key], "DepositCap");
}

#[test]
fn margin_can_be_topped_up_in_quote_whatever_the_cap_of_liquidity() {
    let (mut world, trader) = new();
    let vault = world.listings.vaults[0].address;
    for (n, cap) in [0, 1, world.vault(0).core.recorded].into_iter().enumerate() {
        world.tamper::<Vault>(&vault, |v| v.core.params.max_deposits = cap);
        world.deposit(&trader, AMOUNT / 3).expect("deposit");
        assert_eq!(quote(&world, &trader.margin).unsigned_abs(), AMOUNT / 3 * (n as u64 + 1));
    }
}

/// SOL and eight more collaterals.
fn nine_collaterals(world: &mut World) -> Vec<(u16, VaultListing)> {
    let more: Vec<_> = (1..9).map(|_| world.list_vault(&SOL_ASSET, 9, 1_000)).collect();
    let all = [SOL_VAULT].into_iter().chain(more);
    all.map(|vault| (vault, world.listings.vaults[usize::from(vault)])).collect()
}

/// Deposits of one unit of each of these collaterals by someone.
fn dust(
    world: &mut World,
    key: &Keypair,
    margin: Pubkey,
    listings: &[(u16, VaultListing)],
) -> Vec<Instruction> {
    let one = |(_, listing): &(u16, VaultListing)| {
        let source = world.create_tokens(listing.mint, key.pubkey(), 10);
        ix::deposit(key.pubkey(), margin, listing, (source, 1))
    };
    listings.iter().map(one).collect()
}

#[test]
fn attack_a_strangers_dust_cannot_fill_the_slots_that_the_owner_needs() {
    let (mut world, trader) = new();
    let listings = nine_collaterals(&mut world);
    let (stranger, admin) = (world.keypair(), world.admin.insecure_clone());
    let of_stranger = dust(&mut world, &stranger, trader.margin, &listings);
    let of_admin = dust(&mut world, &admin, trader.margin, &listings[..1]);
    let of_owner = dust(&mut world, &trader.key, trader.margin, &listings);
    refuse(&mut world, &of_admin[0], &[&admin], "NewCollateralByStranger");
    for n in 0..8 {
        for deposit in &of_stranger[n..] {
            refuse(&mut world, deposit, &[&stranger], "NewCollateralByStranger");
        }
        accept(&mut world, &of_owner[n], &[&trader.key]);
        accept(&mut world, &of_stranger[n], &[&stranger]);
    }
    // All slots are taken: the ninth is no stranger's to add either, and quote needs no slot.
    refuse(&mut world, &of_stranger[8], &[&stranger], "NewCollateralByStranger");
    refuse(&mut world, &of_owner[8], &[&trader.key], "NoFreeCollateralSlot");
    let usdc = world.listings.vaults[0];
    let source = world.create_tokens(usdc.mint, stranger.pubkey(), 5);
    let top_up = ix::deposit(stranger.pubkey(), trader.margin, &usdc, (source, 5));
    accept(&mut world, &top_up, &[&stranger]);
    assert_eq!(quote(&world, &trader.margin), 5);
    let held = world.margin(&trader.margin).collaterals.map(|slot| (slot.vault, slot.amount));
    assert!(held.iter().zip(&listings).all(|(slot, (vault, _))| *slot == (*vault, 2)), "{held:?}");

    // What the owner took out wholly is not held, though its slot still names it.
    let (vault, listing) = listings[3];
    let out = world.create_tokens(listing.mint, trader.key.pubkey(), 0);
    world.withdraw(&trader, vault, (out, 1)).expect("withdraw");
    accept(&mut world, &of_stranger[3], &[&stranger]);
    world.withdraw(&trader, vault, (out, 2)).expect("withdraw");
    assert_eq!(world.margin(&trader.margin).collaterals[3].vault, vault);
    refuse(&mut world, &of_stranger[3], &[&stranger], "NewCollateralByStranger");
    accept(&mut world, &of_owner[8], &[&trader.key]);
}

#[test]
fn a_delegate_adds_collaterals_as_long_as_it_is_one() {
    let (mut world, trader) = new();
    let listings = nine_collaterals(&mut world);
    let (delegate, next) = (world.keypair(), world.keypair());
    let deposits = dust(&mut world, &delegate, trader.margin, &listings);
    // Delegate of another account is nobody here.
    let other = world.trader(0);
    let elsewhere = world.delegate_instruction(&other, delegate.pubkey());
    accept(&mut world, &elsewhere, &[&other.key]);
    refuse(&mut world, &deposits[0], &[&delegate], "NewCollateralByStranger");
    let appoint = world.delegate_instruction(&trader, delegate.pubkey());
    accept(&mut world, &appoint, &[&trader.key]);
    accept(&mut world, &deposits[0], &[&delegate]);
    for successor in [next.pubkey(), Pubkey::default()] {
        let dismiss = world.delegate_instruction(&trader, successor);
        accept(&mut world, &dismiss, &[&trader.key]);
        refuse(&mut world, &deposits[1], &[&delegate], "NewCollateralByStranger");
        accept(&mut world, &deposits[0], &[&delegate]);
    }
    assert_eq!(world.margin(&trader.margin).collaterals.map(|slot| slot.amount), [3, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn a_ninth_collateral_finds_no_slot_until_one_is_empty() {
    let (mut world, trader) = new();
    let mut sources = Vec::new();
    for n in 0..9 {
        let vault = if n == 0 { SOL_VAULT } else { world.list_vault(&SOL_ASSET, 9, 1_000) };
        let listing = world.listings.vaults[usize::from(vault)];
        let source = world.create_tokens(listing.mint, trader.key.pubkey(), 10);
        sources.push((vault, source, listing));
    }
    let deposit = |n: usize| {
        let (_, source, listing) = sources[n];
        ix::deposit(trader.key.pubkey(), trader.margin, &listing, (source, 1))
    };
    for n in 0..8 {
        accept(&mut world, &deposit(n), &[&trader.key]);
    }
    refuse(&mut world, &deposit(8), &[&trader.key], "NoFreeCollateralSlot");
    accept(&mut world, &deposit(3), &[&trader.key]);
    world.deposit(&trader, 1).expect("quote needs no slot");
    let (vault, source, _) = sources[3];
    world.withdraw(&trader, vault, (source, 2)).expect("withdraw");
    accept(&mut world, &deposit(8), &[&trader.key]);
    assert_eq!(world.margin(&trader.margin).collaterals[3].vault, sources[8].0, "the freed slot");
}

#[test]
fn a_dead_or_disputed_oracle_does_not_stop_a_deposit() {
    let (mut world, trader) = new();
    let mint = world.listings.vaults[usize::from(SOL_VAULT)].address;
    world.tamper::<Vault>(&mint, |v| v.core.oracle.divergent = 1);
    world.advance(1_000_000);
    world.deposit_collateral(&trader, SOL_VAULT, 5).expect("deposit");
    world.deposit(&trader, 5).expect("deposit");
}

#[test]
fn a_deposit_repays_a_debt_first() {
    let mut world = World::new();
    let trader = world.trader(1_000 * DOLLAR);
    world.deposit_collateral(&trader, SOL_VAULT, 100 * 1_000_000_000).expect("deposit");
    world.open(&trader, SOL, Side::Long, 10 * SOL_ASSET.one()).expect("open");
    world.settle_price(SOL, 140 * PRINT);
    world.refresh_sol_vault();
    world.close(&trader, SOL, u64::MAX).expect("close");
    let debt = quote(&world, &trader.margin);
    assert!(debt < 0, "a loss of about 100 dollars: {debt}");
    world.deposit(&trader, debt.unsigned_abs() - 1).expect("deposit");
    assert_eq!(quote(&world, &trader.margin), -1);
    world.deposit(&trader, 2).expect("deposit");
    assert_eq!(quote(&world, &trader.margin), 1);
}
