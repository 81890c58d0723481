//! Token accounts that others have a hand in, and mints that are more than they seem.

use anchor_lang::solana_program::program_option::COption;
use anchor_lang::solana_program::program_pack::Pack;
use anchor_spl::token::spl_token;
use anchor_spl::token::spl_token::state::AccountState;
use anchor_spl::token_2022::spl_token_2022::extension::ExtensionType;
use anchor_spl::token_2022::spl_token_2022::state::Mint as Mint2022;
use bulwark_sdk::engine::pool::TrancheKind;
use bulwark_sdk::instruction::{self as ix, Margin};
use bulwark_sdk::listings::VaultListing;
use bulwark_sdk::program::oracle::OracleSource;
use bulwark_sdk::program::state::{ChangePayload, RedeemTicket};
use bulwark_sdk::{Instruction, Pubkey, address};
use bulwark_tests::fixtures::{self, *};
use bulwark_tests::{Signer, Trader, World};

use crate::provider::{DELAY, wait};
use crate::support::*;

/// A trader with tokens, money deposited and pool shares, and the instructions that name a token account of
/// the trader, with its place in each.
fn new() -> (World, Trader, Vec<(&'static str, Instruction, usize)>) {
    let mut world = World::new();
    let trader = world.trader(10_000);
    world.deposit(&trader, 5_000).expect("deposit");
    let shares = world.add_liquidity(&trader, 1_000).expect("add_liquidity");
    let keys = (trader.key.pubkey(), world.payer.pubkey(), shares);
    let request = |nonce| ix::request_redeem(&world.listings, TrancheKind::Junior, keys, (nonce, 100));
    let (requests, last) = ([request(0), request(1)], request(2));
    world.send(&requests, &[&trader.key]).expect("request_redeem");
    wait(&mut world, DELAY);
    let tickets = [0, 1].map(|n| world.get::<RedeemTicket>(&address::redeem_ticket(&trader.key.pubkey(), n)));
    let redeem = ix::redeem(&world.listings, &tickets[0], (trader.tokens, 1)).expect("builds");
    let cancel = ix::cancel_redeem(trader.key.pubkey(), &tickets[1], shares);
    let keys = (trader.key.pubkey(), trader.tokens, shares);
    let add = ix::add_liquidity(&world.listings, TrancheKind::Junior, keys, (1_000, 1)).expect("builds");
    let deposit = deposit_instruction(&world, &trader, 1_000);
    let withdraw = withdraw_instruction(&world, &trader, 0, (trader.tokens, 1_000));
    let instructions = vec![
        ("deposit from", deposit, 4),
        ("withdraw to", withdraw, 5),
        ("add liquidity from", add.clone(), 5),
        ("shares to", add, 8),
        ("request redeem from", last, 6),
        ("redeem to", redeem, 7),
        ("cancel redeem to", cancel, 6),
    ];
    (world, trader, instructions)
}

#[test]
fn a_token_account_that_is_not_the_signers_alone_is_refused() {
    type Spoil = fn(&mut spl_token::state::Account);
    let table: [(&str, &str, Spoil); 6] = [
        ("another mint", "BadTokenAccount", |a| a.mint = fixtures::address("mint 1 SOL")),
        ("another owner", "BadTokenAccount", |a| a.owner = fixtures::address("somebody")),
        ("a delegate", "BadTokenAccount", |a| a.delegate = COption::Some(fixtures::address("somebody"))),
        ("a close authority", "BadTokenAccount", |a| a.close_authority = COption::Some(a.owner)),
        ("frozen", "BadTokenAccount", |a| a.state = AccountState::Frozen),
        ("not initialized", "UninitializedAccount", |a| a.state = AccountState::Uninitialized),
    ];
    let (mut world, trader, instructions) = new();
    for (what, instruction, place) in instructions {
        let valid = world.svm.get_account(&instruction.accounts[place].pubkey).expect("token account");
        for (how, name, spoil) in table {
            let key = fixtures::address("spoiled");
            world.svm.set_account(key, valid.clone()).expect("set account");
            world.write_tokens(key, spoil);
            println!("{what}: {how}");
            refuse(&mut world, &with_account(&instruction, place, key), &[&trader.key], name);
        }
        accept(&mut world, &instruction, &[&trader.key]);
    }
}

#[test]
fn a_vault_is_neither_source_nor_destination_of_its_own_transfers() {
    let (mut world, trader, instructions) = new();
    let own = world.listings.vaults[0].token_account;
    for (_, instruction, place) in instructions {
        let circular = with_account(&instruction, place, own);
        let moves = instruction.accounts.iter().any(|meta| meta.pubkey == own);
        let name = if moves { "ConstraintDuplicateMutableAccount" } else { "BadTokenAccount" };
        refuse(&mut world, &circular, &[&trader.key], name);
    }
}

#[test]
fn a_frozen_vault_stops_transfers_by_the_token_programs_own_error() {
    let (mut world, trader, instructions) = new();
    let own = world.listings.vaults[0].token_account;
    world.write_tokens(own, |a| a.state = AccountState::Frozen);
    for (_, instruction, _) in instructions {
        if instruction.accounts.iter().any(|meta| meta.pubkey == own) {
            refuse(&mut world, &instruction, &[&trader.key], "Account is frozen");
        } else {
            accept(&mut world, &instruction, &[&trader.key]); // shares alone
        }
    }
}

/// A Token-2022 mint with these extensions: base, padding to 165 bytes, account type, then type, length, value.
fn mint_2022(extensions: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let freeze_authority = COption::Some(fixtures::address("issuer"));
    let state =
        spl_token::state::Mint { decimals: 9, is_initialized: true, freeze_authority, ..Default::default() };
    let mut data = vec![0; spl_token::state::Mint::LEN];
    state.pack_into_slice(&mut data);
    if !extensions.is_empty() {
        data.resize(165, 0);
        data.push(1);
    }
    for (kind, value) in extensions {
        data.extend(kind.to_le_bytes());
        data.extend(u16::try_from(value.len()).expect("short").to_le_bytes());
        data.extend(value);
    }
    data
}

/// An extension of its proper length, each byte set to `fill`.
fn extension(kind: ExtensionType, fill: u8) -> (u16, Vec<u8>) {
    let variable = matches!(kind, ExtensionType::TokenMetadata);
    let total = || ExtensionType::try_calculate_account_len::<Mint2022>(&[kind]).expect("sized");
    let length = if variable { 80 } else { total() - 165 - 1 - 4 };
    (kind.into(), vec![fill; length])
}

/// A chain with a mint of these bytes, and the instruction that lists it at the price of SOL.
fn listing(data: Vec<u8>) -> (World, VaultListing, Instruction) {
    let mut world = World::new();
    let mint = fixtures::address("Token-2022 mint");
    world.set_account(mint, address::TOKEN_2022_PROGRAM, data);
    let sources = [fixtures::pyth_source(SOL_ASSET.feed(0)), OracleSource::NONE];
    let listing = ChangePayload::CreateVault { mint, sources, params: collateral_params(1_000_000) };
    let change = world.approve(listing).expect("a change waits for no mint");
    let signers = (world.admin.pubkey(), world.payer.pubkey());
    let oracles = World::oracles(&SOL_ASSET);
    let create = ix::create_vault(signers, (mint, address::TOKEN_2022_PROGRAM), oracles, &change);
    (world, VaultListing::of_mint(mint, address::TOKEN_2022_PROGRAM), create)
}

/// A Token-2022 token account.
fn tokens_2022(world: &mut World, mint: Pubkey, owner: Pubkey, amount: u64) -> Pubkey {
    let key = world.create_tokens(mint, owner, amount);
    let data = world.svm.get_account(&key).expect("token account").data;
    world.set_account(key, address::TOKEN_2022_PROGRAM, data);
    key
}

/// Lists the mint and moves 1000 units in and 400 out.
fn round_trip(data: Vec<u8>) {
    let (mut world, vault, create) = listing(data);
    let admin = world.admin.insecure_clone();
    accept(&mut world, &create, &[&admin]);
    world.listings.vaults.push(vault);
    world.open_cap();
    let trader = world.trader(0);
    let source = tokens_2022(&mut world, vault.mint, trader.key.pubkey(), 1_000);
    let deposit = ix::deposit(trader.key.pubkey(), trader.margin, &vault, (source, 1_000));
    accept(&mut world, &deposit, &[&trader.key]);
    let slot = world.margin(&trader.margin).collaterals[0];
    assert_eq!((slot.vault, slot.amount, world.vault(2).core.recorded), (2, 1_000, 1_000));
    world.withdraw(&trader, 2, (source, 400)).expect("withdraw");
    assert_eq!((world.token_balance(&source), world.vault(2).core.recorded), (400, 600));
}

#[test]
fn a_token_2022_mint_without_extensions_or_with_harmless_ones_is_collateral_like_any_other() {
    round_trip(mint_2022(&[]));
    round_trip(mint_2022(&[extension(ExtensionType::MetadataPointer, 3)]));
    let all = [
        ExtensionType::MetadataPointer,
        ExtensionType::TokenMetadata,
        ExtensionType::GroupPointer,
        ExtensionType::TokenGroup,
        ExtensionType::GroupMemberPointer,
        ExtensionType::TokenGroupMember,
    ];
    round_trip(mint_2022(&all.map(|kind| extension(kind, 3))));
}

const HARMFUL: [ExtensionType; 12] = [
    ExtensionType::TransferFeeConfig,
    ExtensionType::MintCloseAuthority,
    ExtensionType::ConfidentialTransferMint,
    ExtensionType::DefaultAccountState,
    ExtensionType::NonTransferable,
    ExtensionType::InterestBearingConfig,
    ExtensionType::PermanentDelegate,
    ExtensionType::TransferHook,
    ExtensionType::ConfidentialTransferFeeConfig,
    ExtensionType::ConfidentialMintBurn,
    ExtensionType::ScaledUiAmount,
    ExtensionType::Pausable,
];

#[test]
fn attack_a_mint_that_can_change_amounts_or_take_tokens_back_is_not_listed() {
    for kind in HARMFUL {
        // Alone, and behind a harmless one.
        for extensions in
            [vec![extension(kind, 1)], vec![extension(ExtensionType::MetadataPointer, 3), extension(kind, 1)]]
        {
            println!("{kind:?}");
            let (mut world, vault, create) = listing(mint_2022(&extensions));
            let admin = world.admin.insecure_clone();
            refuse(&mut world, &create, &[&admin], "UnsupportedMint");

            // Nor is it the quote token of a new exchange.
            let mint = world.svm.get_account(&vault.mint).expect("mint");
            let mut bare = World::bare();
            bare.svm.set_account(vault.mint, mint).expect("set account");
            let deployer = bare.deployer.insecure_clone();
            let token = (vault.mint, address::TOKEN_2022_PROGRAM);
            let init = ix::initialize_exchange(deployer.pubkey(), token, bare.initialize_args());
            refuse(&mut bare, &init, &[&deployer], "UnsupportedMint");
        }
    }
}

#[test]
fn a_mint_with_an_extension_that_nobody_knows_is_not_listed() {
    let (mut world, _, create) = listing(mint_2022(&[(9_999, vec![1; 32])]));
    let admin = world.admin.insecure_clone();
    refuse(&mut world, &create, &[&admin], "InvalidAccountData");
}

/// Appends an extension to a mint (account type 1) or a token account (2).
fn append(world: &mut World, key: Pubkey, kind: ExtensionType, account_type: u8, value: Vec<u8>) {
    let mut account = world.svm.get_account(&key).expect("account");
    account.data.resize(165, 0);
    account.data.push(account_type);
    account.data.extend(u16::from(kind).to_le_bytes());
    account.data.extend(u16::try_from(value.len()).expect("short").to_le_bytes());
    account.data.extend(value);
    account.lamports = world.svm.minimum_balance_for_rent_exemption(account.data.len());
    world.svm.set_account(key, account).expect("set account");
}

/// Should a listed mint ever charge a fee all the same: 100 basis points, at most a million units.
fn charge_fees(world: &mut World, mint: Pubkey, accounts: [Pubkey; 2]) {
    let mut config = vec![0; 108];
    for fee in [72, 90] {
        config[fee + 8..fee + 16].copy_from_slice(&1_000_000_u64.to_le_bytes());
        config[fee + 16..fee + 18].copy_from_slice(&100_u16.to_le_bytes());
    }
    append(world, mint, ExtensionType::TransferFeeConfig, 1, config);
    for key in accounts {
        append(world, key, ExtensionType::TransferFeeAmount, 2, vec![0; 8]);
    }
}

#[test]
fn attack_quote_and_liquidity_are_credited_with_what_arrived_too() {
    let mut world = World::bare();
    let vault = VaultListing::of_mint(fixtures::address("Token-2022 quote"), address::TOKEN_2022_PROGRAM);
    world.set_account(vault.mint, address::TOKEN_2022_PROGRAM, mint_2022(&[]));
    let deployer = world.deployer.insecure_clone();
    let token = (vault.mint, address::TOKEN_2022_PROGRAM);
    let init = ix::initialize_exchange(deployer.pubkey(), token, world.initialize_args());
    accept(&mut world, &init, &[&deployer]);
    world.listings.vaults.push(vault);
    world.open_cap();
    let trader = world.trader(0);
    let source = tokens_2022(&mut world, vault.mint, trader.key.pubkey(), 3_000);
    charge_fees(&mut world, vault.mint, [source, vault.token_account]);

    let deposit = ix::deposit(trader.key.pubkey(), trader.margin, &vault, (source, 1_000));
    accept(&mut world, &deposit, &[&trader.key]);
    assert_eq!((quote(&world, &trader.margin), world.vault(0).core.recorded), (990, 990));
    let shares = world.create_tokens(address::share_mint(TrancheKind::Junior), trader.key.pubkey(), 0);
    let keys = (trader.key.pubkey(), source, shares);
    let add = ix::add_liquidity(&world.listings, TrancheKind::Junior, keys, (2_000, 1_980)).expect("builds");
    accept(&mut world, &add, &[&trader.key]);
    assert_eq!((world.pool().core.idle, world.vault(0).core.recorded), (1_980, 2_970));
    assert_eq!(world.token_balance(&shares), 1_980);
}

#[test]
fn attack_a_deposit_is_credited_with_what_arrived_not_with_what_was_sent() {
    let (mut world, vault, create) = listing(mint_2022(&[]));
    let admin = world.admin.insecure_clone();
    accept(&mut world, &create, &[&admin]);
    world.listings.vaults.push(vault);
    world.open_cap();
    let trader = world.trader(0);
    let source = tokens_2022(&mut world, vault.mint, trader.key.pubkey(), 1_000);

    charge_fees(&mut world, vault.mint, [source, vault.token_account]);
    let deposit = ix::deposit(trader.key.pubkey(), trader.margin, &vault, (source, 1_000));
    let outcome = accept(&mut world, &deposit, &[&trader.key]);
    let bulwark_sdk::event::Event::Deposited(deposited) = event(&outcome) else { panic!("{outcome:?}") };
    assert_eq!(deposited.amount, 990);
    assert_eq!((world.token_balance(&source), world.token_balance(&vault.token_account)), (0, 990));
    assert_eq!(
        (world.margin(&trader.margin).collaterals[0].amount, world.vault(2).core.recorded),
        (990, 990)
    );

    // What leaves the vault is what is debited; the fee is the receiver's.
    world.withdraw(&trader, 2, (source, 500)).expect("withdraw");
    assert_eq!((world.token_balance(&source), world.token_balance(&vault.token_account)), (495, 490));
    let account = world.margin(&trader.margin);
    let margin = Margin { address: trader.margin, account: &account };
    let more = ix::withdraw(&world.listings, margin, 2, (source, 491)).expect("builds");
    refuse(&mut world, &more, &[&trader.key], "InsufficientBalance");
}
