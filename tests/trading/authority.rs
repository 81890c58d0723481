//! Who may trade, and which accounts a trade must be given.

use bulwark_sdk::engine::units::Side;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::{AccountMeta, Instruction, Pubkey, address};
use bulwark_tests::fixtures::{BTC_ASSET, DOLLAR, SOL_ASSET};
use bulwark_tests::{BTC, SOL, SOL_VAULT, Trader, World};

use crate::support::{PubkeyOf as _, refused};

const LOTS: u64 = 1_000_000_000;

/// Both trades of a trader who is long SOL, with another authority in the place of his.
fn trades(world: &World, trader: &Trader, authority: Pubkey) -> [Instruction; 2] {
    let mut trades = [
        world.open_instruction(trader, SOL, Side::Long, LOTS),
        world.close_instruction(trader, SOL, LOTS / 2),
    ];
    for trade in &mut trades {
        trade.accounts[0].pubkey = authority;
    }
    trades
}

fn long_sol() -> (World, Trader) {
    let mut world = World::new();
    let trader = world.funded_trader(10_000 * DOLLAR);
    world.open(&trader, SOL, Side::Long, LOTS).expect("open");
    (world, trader)
}

#[test]
fn only_owner_and_delegate_may_trade() {
    let (mut world, trader) = long_sol();
    let other = world.funded_trader(1_000 * DOLLAR);
    let delegate = world.keypair();
    let admin = world.admin.insecure_clone();
    for key in [&other.key, &delegate, &admin] {
        for trade in trades(&world, &trader, key.pubkey_()) {
            refused(&mut world, trade, &[key], "Unauthorized", "a stranger");
        }
    }
    let set = world.delegate_instruction(&trader, delegate.pubkey_());
    world.send(&[set], &[&trader.key]).expect("set_delegate");
    for trade in trades(&world, &trader, delegate.pubkey_()) {
        world.send(&[trade], &[&delegate]).expect("the delegate trades");
    }
    for trade in trades(&world, &trader, trader.key.pubkey_()) {
        world.send(&[trade], &[&trader.key]).expect("so does the owner still");
    }
    // Another delegate in its place, then nobody: the old one is out.
    for next in [other.key.pubkey_(), Pubkey::default()] {
        let set = world.delegate_instruction(&trader, next);
        world.send(&[set], &[&trader.key]).expect("set_delegate");
        for trade in trades(&world, &trader, delegate.pubkey_()) {
            refused(&mut world, trade, &[&delegate], "Unauthorized", "a revoked delegate");
        }
    }
}

#[test]
fn a_trade_without_the_signature_is_refused() {
    let (mut world, trader) = long_sol();
    for mut trade in trades(&world, &trader, trader.key.pubkey_()) {
        trade.accounts[0].is_signer = false;
        refused(&mut world, trade, &[], "AccountNotSigner", "the owner named, not signing");
    }
    // An account without a delegate: the default key is nobody.
    assert_eq!(world.margin(&trader.margin).delegate, Pubkey::default());
    for mut trade in trades(&world, &trader, Pubkey::default()) {
        trade.accounts[0].is_signer = false;
        refused(&mut world, trade, &[], "AccountNotSigner", "the default key");
    }
}

#[test]
fn a_delegate_may_not_withdraw_nor_appoint() {
    let (mut world, trader) = long_sol();
    let delegate = world.keypair();
    let set = world.delegate_instruction(&trader, delegate.pubkey_());
    world.send(&[set], &[&trader.key]).expect("set_delegate");
    let account = world.margin(&trader.margin);
    let margin = ix::Margin { address: trader.margin, account: &account };
    let own = world.create_tokens(world.listings.vaults[0].mint, delegate.pubkey_(), 0);
    let mut withdraw = ix::withdraw(&world.listings, margin, 0, (own, 1)).expect("builds");
    withdraw.accounts[0].pubkey = delegate.pubkey_();
    refused(&mut world, withdraw, &[&delegate], "Unauthorized", "withdraw");
    let mut appoint = world.delegate_instruction(&trader, trader.tokens);
    appoint.accounts[0].pubkey = delegate.pubkey_();
    refused(&mut world, appoint, &[&delegate], "Unauthorized", "set_delegate");
}

#[test]
fn attack_a_trade_signed_for_a_closed_account_does_not_run_on_its_successor() {
    let mut world = World::new();
    let trader = world.funded_trader(10_000 * DOLLAR);
    let open = world.open_instruction(&trader, SOL, Side::Long, LOTS);
    world.send(std::slice::from_ref(&open), &[&trader.key]).expect("open");
    let close = world.close_instruction(&trader, SOL, u64::MAX);
    world.send(std::slice::from_ref(&close), &[&trader.key]).expect("close");
    let friend = world.keypair();
    let appoint = world.delegate_instruction(&trader, friend.pubkey_());
    let rest = world.margin(&trader.margin).quote.units_or_zero();
    world.withdraw(&trader, 0, (trader.tokens, rest)).expect("withdraw");
    let owner = trader.key.pubkey_();
    world
        .send(&[ix::close_margin_account(owner, trader.margin)], &[&trader.key])
        .expect("close_margin_account");
    let again = ix::open_margin_account(owner, world.payer.pubkey_(), 0);
    world.send(&[again], &[&trader.key]).expect("open_margin_account");
    world.deposit(&trader, rest).expect("deposit");
    refused(&mut world, open, &[&trader.key], "WrongIncarnation", "open");
    world.open(&trader, SOL, Side::Long, LOTS).expect("signed anew");
    refused(&mut world, close, &[&trader.key], "WrongIncarnation", "close");
    refused(&mut world, appoint, &[&trader.key], "WrongIncarnation", "set_delegate");
    let appoint = world.delegate_instruction(&trader, friend.pubkey_());
    world.send(&[appoint], &[&trader.key]).expect("signed anew");
    assert_eq!(world.margin(&trader.margin).delegate, friend.pubkey_());
}

/// Long SOL and BTC, SOL and a second collateral: a third market is to be traded.
fn many_legs() -> (World, Trader, u16) {
    let mut world = World::new();
    let third = bulwark_tests::fixtures::Asset { name: "ETH", ..BTC_ASSET };
    let market = world.list_market(&third, third.market_params());
    let vault = world.list_vault(&third, 11, u64::MAX);
    world.refresh_sol_vault();
    let provider = world.trader(30_000_000 * DOLLAR);
    world.add_liquidity(&provider, 30_000_000 * DOLLAR).expect("add_liquidity");
    world.send(&[ix::allocate_liquidity(&world.listings, market)], &[]).expect("allocate_liquidity");
    let trader = world.funded_trader(10_000 * DOLLAR);
    world.deposit_collateral(&trader, SOL_VAULT, SOL_ASSET.one()).expect("collateral");
    world.deposit_collateral(&trader, vault, third.one()).expect("collateral");
    world.open(&trader, SOL, Side::Long, LOTS).expect("open");
    world.open(&trader, BTC, Side::Long, BTC_ASSET.one() / 10).expect("open");
    (world, trader, market)
}

#[test]
fn the_accounts_of_all_other_legs_must_follow_in_slot_order() {
    let (mut world, trader, market) = many_legs();
    let open = world.open_instruction(&trader, market, Side::Long, BTC_ASSET.one() / 1000);
    let own = 4;
    assert_eq!(open.accounts.len(), own + 4, "two markets and two vaults");
    let key = |n: usize| open.accounts[own + n].clone();
    // A market's bytes under another program.
    let forged = Pubkey::new_from_array([0x77; 32]);
    let copy = world.svm.get_account(&key(0).pubkey).expect("market").data.to_vec();
    world.set_account(forged, address::SYSTEM_PROGRAM, copy);
    let forged = AccountMeta::new_readonly(forged, false);
    let traded = AccountMeta::new_readonly(address::market(market), false);
    let cases: [(&str, Vec<AccountMeta>, &str); 11] = [
        ("none", vec![], "AccountMissing"),
        ("the last one missing", vec![key(0), key(1), key(2)], "AccountMissing"),
        ("the first one missing", vec![key(1), key(2), key(3)], "WrongAccount"),
        ("a market missing in the middle", vec![key(0), key(2), key(3)], "WrongAccount"),
        ("a market twice", vec![key(0), key(0), key(2), key(3)], "WrongAccount"),
        ("a vault twice", vec![key(0), key(1), key(2), key(2)], "WrongAccount"),
        ("markets swapped", vec![key(1), key(0), key(2), key(3)], "WrongAccount"),
        ("vaults swapped", vec![key(0), key(1), key(3), key(2)], "WrongAccount"),
        ("vaults first", vec![key(2), key(3), key(0), key(1)], "WrongAccount"),
        ("a market of another program", vec![forged, key(1), key(2), key(3)], "WrongAccount"),
        ("the traded market again", vec![traded, key(1), key(2), key(3)], "DuplicateAccount"),
    ];
    for (what, rest, name) in cases {
        let mut wrong = open.clone();
        wrong.accounts.truncate(own);
        wrong.accounts.extend(rest);
        refused(&mut world, wrong, &[&trader.key], name, what);
    }
    world.send(&[open], &[&trader.key]).expect("in order");
}

#[test]
fn a_trade_takes_no_account_for_another() {
    let (mut world, trader, market) = many_legs();
    let other = world.funded_trader(1_000 * DOLLAR);
    let open = world.open_instruction(&trader, market, Side::Long, BTC_ASSET.one() / 1000);
    let forge = |world: &mut World, key: Pubkey, byte: u8| {
        let data = world.svm.get_account(&key).expect("account").data.to_vec();
        let forged = Pubkey::new_from_array([byte; 32]);
        world.set_account(forged, address::SYSTEM_PROGRAM, data);
        forged
    };
    let [exchange, margin, forged_market] = [
        forge(&mut world, address::exchange(), 0x61),
        forge(&mut world, trader.margin, 0x62),
        forge(&mut world, address::market(market), 0x63),
    ];
    let cases = [
        ("a forged exchange", 1, exchange, "AccountOwnedByWrongProgram"),
        ("a forged margin account", 2, margin, "AccountOwnedByWrongProgram"),
        ("a forged market", 3, forged_market, "AccountOwnedByWrongProgram"),
        ("a pool as exchange", 1, address::pool(), "AccountDiscriminatorMismatch"),
        ("a market as margin account", 2, address::market(SOL), "AccountDiscriminatorMismatch"),
        ("a vault as market", 3, world.listings.vaults[0].address, "AccountDiscriminatorMismatch"),
        ("another's margin account", 2, other.margin, "Unauthorized"),
    ];
    for (what, slot, key, name) in cases {
        let mut wrong = open.clone();
        wrong.accounts[slot].pubkey = key;
        refused(&mut world, wrong, &[&trader.key], name, what);
    }
    for slot in [2, 3] {
        let mut wrong = open.clone();
        wrong.accounts[slot].is_writable = false;
        refused(&mut world, wrong, &[&trader.key], "ConstraintMut", "read-only");
    }
    let mut side = open.clone();
    side.data[16] = 2; // discriminator, incarnation, side
    refused(&mut world, side, &[&trader.key], "Corrupt", "a side that is none");
}
