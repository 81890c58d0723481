//! `initialize_exchange`: once, by the upgrade authority, whatever was sent to the addresses before.

use anchor_lang::solana_program::program_option::COption;
use anchor_lang::solana_program::program_pack::Pack;
use anchor_spl::token::spl_token;
use bulwark_sdk::engine::collateral::CollateralParams;
use bulwark_sdk::engine::governance::{ExitPause, Timelock};
use bulwark_sdk::engine::pool::TrancheKind;
use bulwark_sdk::engine::price::OracleParams;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::events::ExchangeInitialized;
use bulwark_sdk::program::oracle::OracleSource;
use bulwark_sdk::program::state::{Exchange, InsuranceFund, Pool, VERSION, Vault};
use bulwark_sdk::{Instruction, Pubkey, address};
use bulwark_tests::fixtures::{self, *};
use bulwark_tests::{SOL, SOL_VAULT, Signer, World};

use crate::support::*;

fn usdc() -> Pubkey {
    fixtures::address("USDC")
}

/// A chain with the program and the quote mint, and the instruction that creates the exchange.
fn before() -> (World, Instruction) {
    let mut world = World::bare();
    world.create_mint(usdc(), QUOTE_DECIMALS);
    let token = (usdc(), address::TOKEN_PROGRAM);
    let init = ix::initialize_exchange(world.deployer.pubkey(), token, world.initialize_args());
    (world, init)
}

/// Everything that the instruction creates.
fn created() -> [Pubkey; 7] {
    let mint = usdc();
    [
        address::exchange(),
        address::vault(&mint),
        address::vault_tokens(&mint),
        address::pool(),
        address::share_mint(TrancheKind::Junior),
        address::share_mint(TrancheKind::Senior),
        address::insurance_fund(),
    ]
}

#[test]
fn the_exchange_starts_with_exactly_what_its_arguments_say() {
    let (mut world, init) = before();
    let deployer = world.deployer.insecure_clone();
    let had = lamports(&world, &deployer.pubkey());
    let outcome = accept(&mut world, &init, &[&deployer]);

    let (admin, guardian) = (world.admin.pubkey(), world.guardian.pubkey());
    let expected = Event::ExchangeInitialized(ExchangeInitialized { admin, guardian, quote_mint: usdc() });
    assert_eq!(event(&outcome), &expected);

    let exchange = world.exchange();
    assert_eq!((exchange.admin, exchange.guardian), (admin, guardian));
    assert_eq!(exchange.fee_recipient, fixtures::address("fee recipient"));
    assert_eq!((exchange.quote_mint, exchange.quote_vault), (usdc(), address::vault(&usdc())));
    assert_eq!((exchange.protocol_fees, exchange.next_incarnation), (0, 1));
    assert_eq!((exchange.quote_weight.at(0), exchange.quote_decimals), (1_000_000, QUOTE_DECIMALS));
    assert_eq!((exchange.market_count, exchange.vault_count, exchange.pause), (0, 1, 0));
    assert_eq!(exchange.params, world.initialize_args().exchange_params);
    // Nobody is nominated, nothing was ever proposed, changed, closed or paused.
    assert_eq!((exchange.pending_admin, exchange.nomination), (Pubkey::default(), Timelock::default()));
    assert_eq!((exchange.next_change, exchange.stepped_at, exchange.exits), (0, 0, ExitPause::default()));
    assert_eq!((exchange.revision, exchange.pauses, exchange.broken), (0, 0, 0));
    assert_eq!((exchange.admin_epoch, exchange.guardian_epoch, exchange.recipient_epoch), (0, 0, 0));
    assert_eq!((exchange.closed_markets, exchange.generations), (0, [0; 32]));

    let vault = world.get::<Vault>(&address::vault(&usdc()));
    assert_eq!((vault.mint, vault.token_account), (usdc(), address::vault_tokens(&usdc())));
    assert_eq!((vault.core.recorded, vault.sequence, vault.index, vault.decimals), (0, 0, 0, QUOTE_DECIMALS));
    assert_eq!(vault.sources, [OracleSource::NONE; 2]);
    assert_eq!(vault.core.params, world.initialize_args().quote_params);

    let pool = world.pool();
    assert_eq!((pool.core.idle, pool.sequence, pool.core.junior.shares), (0, 0, 0));
    assert_eq!(pool.share_mints, TrancheKind::BOTH.map(address::share_mint));
    assert_eq!(pool.core.params, world.initialize_args().pool_params);
    let fund = world.get::<InsuranceFund>(&address::insurance_fund());
    assert_eq!((fund.core.reserve, fund.core.backstop.value()), (0, Ok(0)));
    assert_eq!((fund.share_mint, fund.core.stake_income_ppm), (address::backstop_mint(), STAKE_INCOME_PPM));
    assert_eq!([exchange.version, vault.version, pool.version, fund.version], [VERSION; 4]);

    let tokens = world.svm.get_account(&vault.token_account).expect("token account");
    let tokens = spl_token::state::Account::unpack(&tokens.data).expect("token account");
    assert_eq!((tokens.mint, tokens.owner, tokens.amount), (usdc(), address::exchange(), 0));
    assert_eq!((tokens.delegate, tokens.close_authority), (COption::None, COption::None));
    let tranches = TrancheKind::BOTH.map(address::share_mint);
    for mint in tranches.into_iter().chain([address::backstop_mint()]) {
        let mint = world.svm.get_account(&mint).expect("share mint");
        let mint = spl_token::state::Mint::unpack(&mint.data).expect("share mint");
        assert_eq!((mint.supply, mint.decimals), (0, QUOTE_DECIMALS));
        assert_eq!(
            (mint.mint_authority, mint.freeze_authority),
            (COption::Some(address::exchange()), COption::None)
        );
    }

    // The deployer paid the rents and nothing else.
    let sizes = [Exchange::SPACE, Vault::SPACE, 165, Pool::SPACE, 82, 82, 82, InsuranceFund::SPACE];
    let rents: u64 = sizes.iter().map(|size| world.svm.minimum_balance_for_rent_exemption(*size)).sum();
    assert_eq!(had - lamports(&world, &deployer.pubkey()), rents);
}

#[test]
fn attack_initialize_front_running() {
    let (mut world, init) = before();
    let thief = world.keypair();
    let thief = with_lamports(&mut world, thief);
    let as_thief = with_account(&init, 0, thief.pubkey());
    refuse(&mut world, &as_thief, &[&thief], "NotUpgradeAuthority");
    let admin = world.admin.insecure_clone();
    refuse(&mut world, &with_account(&init, 0, admin.pubkey()), &[&admin], "NotUpgradeAuthority");
    refuse(&mut world, &unsigned(&init, 0), &[], "AccountNotSigner");

    // A program data account of another program names the thief, but is not this program's.
    let mut other = world.svm.get_account(&address::program_data()).expect("program data");
    other.data[13..45].copy_from_slice(thief.pubkey().as_ref());
    let key = fixtures::address("other program data");
    world.svm.set_account(key, other).expect("set account");
    refuse(&mut world, &with_account(&as_thief, 2, key), &[&thief], "WrongAccount");

    // A frozen program has no upgrade authority: then nobody may, not even who passes zeros.
    let mut data = world.svm.get_account(&address::program_data()).expect("program data");
    data.data[12] = 0;
    world.svm.set_account(address::program_data(), data).expect("set account");
    let deployer = world.deployer.insecure_clone();
    refuse(&mut world, &init, &[&deployer], "NotUpgradeAuthority");
}

#[test]
fn the_exchange_is_created_once() {
    let (mut world, init) = before();
    let deployer = world.deployer.insecure_clone();
    accept(&mut world, &init, &[&deployer]);
    refuse(&mut world, &init, &[&deployer], "already in use");
    // Nor with another quote mint.
    let mint = fixtures::address("other mint");
    world.create_mint(mint, 6);
    let token = (mint, address::TOKEN_PROGRAM);
    let other = ix::initialize_exchange(deployer.pubkey(), token, world.initialize_args());
    refuse(&mut world, &other, &[&deployer], "already in use");
}

#[test]
fn the_quote_oracle_must_be_judged_within_the_hard_bounds() {
    let good = OracleParams::DEFAULT;
    let table = [
        OracleParams { max_conf_ppm: 999, ..good },
        OracleParams { max_conf_ppm: 50_001, ..good },
        OracleParams { max_divergence_ppm: 4_999, ..good },
        OracleParams { max_divergence_ppm: 100_001, ..good },
        OracleParams { max_trade_age: 2, ..good },
        OracleParams { max_trade_age: 61, ..good },
        OracleParams { max_margin_age: 19, ..good },
        OracleParams { max_margin_age: 301, ..good },
        OracleParams { ema_half_life: 59, ..good },
        OracleParams { ema_half_life: 3_601, ..good },
    ];
    let (mut world, _) = before();
    let deployer = world.deployer.insecure_clone();
    for oracle in table {
        let mut args = world.initialize_args();
        args.quote_params = CollateralParams { oracle, ..args.quote_params };
        let init = ix::initialize_exchange(deployer.pubkey(), (usdc(), address::TOKEN_PROGRAM), args);
        refuse(&mut world, &init, &[&deployer], "ParameterOutOfBounds");
    }
}

#[test]
fn attack_lamports_sent_ahead_do_not_stop_initialize() {
    for dust in [1, 1_000_000_000] {
        let (mut world, init) = before();
        for key in created() {
            send_dust(&mut world, key, dust);
        }
        let deployer = world.deployer.insecure_clone();
        accept(&mut world, &init, &[&deployer]);
        assert_eq!(world.exchange().admin, world.admin.pubkey());
    }
}

#[test]
fn attack_lamports_and_tokens_sent_afterwards_change_nothing() {
    let mut world = World::new();
    let trader = world.funded_trader(10_000 * DOLLAR);
    let pdas = created().into_iter().chain([address::market(SOL), address::market(BTC), trader.margin]);
    for key in pdas.collect::<Vec<_>>() {
        send_dust(&mut world, key, 1);
    }
    for (vault, listing) in [(0, world.listings.vaults[0]), (SOL_VAULT, world.listings.vaults[1])] {
        world.write_tokens(listing.token_account, |tokens| tokens.amount += 777);
        world.donated.insert(vault, 777);
        let check = ix::check_invariants(Some(&listing), Some(SOL), [trader.margin]);
        accept(&mut world, &check, &[]);
        assert_eq!(world.exchange().pause, 0, "a donation is no reason to pause");
    }
    world.deposit_collateral(&trader, SOL_VAULT, 1_000_000_000).expect("deposit");
    world.open(&trader, SOL, Side::Long, SOL_ASSET.one()).expect("open");
    world.close(&trader, SOL, u64::MAX).expect("close");
    let sol = world.create_tokens(world.listings.vaults[1].mint, trader.key.pubkey(), 0);
    world.withdraw(&trader, SOL_VAULT, (sol, 1_000_000_000)).expect("withdraw");
    let left = quote(&world, &trader.margin).unsigned_abs();
    world.withdraw(&trader, 0, (trader.tokens, left)).expect("withdraw");
    // Nobody was credited for the donation.
    assert_eq!(world.token_balance(&world.listings.vaults[1].token_account), 777);
}
