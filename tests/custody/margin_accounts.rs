//! `open_margin_account`, `close_margin_account`, `set_delegate`: whose account it is, and which incarnation.

use bulwark_sdk::engine::position::Position;
use bulwark_sdk::engine::units::{Quote, Side};
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction::{self as ix, Margin};
use bulwark_sdk::program::events::{DelegateSet, MarginAccountClosed, MarginAccountOpened};
use bulwark_sdk::program::state::{MarginAccount, VERSION};
use bulwark_sdk::{Instruction, Pubkey, address};
use bulwark_tests::fixtures::*;
use bulwark_tests::{Keypair, SOL, SOL_VAULT, Signer, Trader, World};

use crate::support::*;

/// The lamports that a margin account takes.
fn rent(world: &World) -> u64 {
    world.svm.minimum_balance_for_rent_exemption(MarginAccount::SPACE)
}

fn owner_and_sponsor(world: &mut World) -> (Keypair, Keypair) {
    let (owner, sponsor) = (world.keypair(), world.keypair());
    let sponsor = with_lamports(world, sponsor);
    (owner, sponsor)
}

#[test]
fn an_account_opens_empty_with_an_incarnation_of_its_own_and_its_payer_pays_the_rent() {
    let mut world = World::empty();
    let (owner, sponsor) = owner_and_sponsor(&mut world);
    for (sub_id, incarnation) in [(0, 1), (1, 2), (u16::MAX, 3)] {
        let had = lamports(&world, &sponsor.pubkey());
        let open = ix::open_margin_account(owner.pubkey(), sponsor.pubkey(), sub_id);
        let outcome = accept(&mut world, &open, &[&owner, &sponsor]);

        let address = address::margin_account(&owner.pubkey(), sub_id);
        let (account, owner) = (address, owner.pubkey());
        let opened = MarginAccountOpened { account, owner, sub_id, incarnation };
        assert_eq!(event(&outcome), &Event::MarginAccountOpened(opened));
        assert_eq!(had - lamports(&world, &sponsor.pubkey()), rent(&world));
        assert_eq!(world.exchange().next_incarnation, incarnation + 1);

        let account = world.margin(&address);
        assert_eq!((account.owner, account.delegate), (owner, Pubkey::default()));
        assert_eq!((account.sub_id, account.incarnation, account.version), (sub_id, incarnation, VERSION));
        assert!(account.is_empty());
    }
}

#[test]
fn an_account_opens_once_at_its_owners_address_and_only_with_both_signatures() {
    let mut world = World::empty();
    let (owner, sponsor) = owner_and_sponsor(&mut world);
    let signers = [&owner, &sponsor];
    let open = ix::open_margin_account(owner.pubkey(), sponsor.pubkey(), 0);
    refuse(&mut world, &unsigned(&open, 0), &signers, "AccountNotSigner");
    refuse(&mut world, &unsigned(&open, 1), &signers, "AccountNotSigner");
    // Another owner's address, or another sub-id's.
    refuse(&mut world, &with_account(&open, 0, sponsor.pubkey()), &signers, "ConstraintSeeds");
    let elsewhere = address::margin_account(&owner.pubkey(), 1);
    refuse(&mut world, &with_account(&open, 3, elsewhere), &signers, "ConstraintSeeds");
    accept(&mut world, &open, &signers);
    refuse(&mut world, &open, &signers, "already in use");
}

#[test]
fn attack_lamports_sent_ahead_do_not_stop_opening_and_come_back_on_closing() {
    for dust in [1, 1_000_000_000] {
        let mut world = World::empty();
        let (owner, sponsor) = owner_and_sponsor(&mut world);
        let margin = address::margin_account(&owner.pubkey(), 0);
        send_dust(&mut world, margin, dust);
        let open = ix::open_margin_account(owner.pubkey(), sponsor.pubkey(), 0);
        accept(&mut world, &open, &[&owner, &sponsor]);
        let held = rent(&world).max(dust);
        assert_eq!(lamports(&world, &margin), held);
        send_dust(&mut world, margin, 7);
        accept(&mut world, &ix::close_margin_account(owner.pubkey(), margin), &[&owner]);
        assert_eq!(lamports(&world, &owner.pubkey()), held + 7);
    }
}

#[test]
fn closing_returns_the_rent_to_the_lamport_and_leaves_nothing() {
    let mut world = World::new();
    let trader = world.trader(0);
    let incarnation = world.margin(&trader.margin).incarnation;
    let close = ix::close_margin_account(trader.key.pubkey(), trader.margin);
    let outcome = accept(&mut world, &close, &[&trader.key]);
    let closed = MarginAccountClosed { account: trader.margin, incarnation };
    assert_eq!(event(&outcome), &Event::MarginAccountClosed(closed));
    assert_eq!(lamports(&world, &trader.key.pubkey()), rent(&world));
    assert_eq!(lamports(&world, &trader.margin), 0);
    assert!(world.svm.get_account(&trader.margin).is_none_or(|a| a.data.is_empty()));
    refuse(&mut world, &close, &[&trader.key], "AccountOwnedByWrongProgram");
}

#[test]
fn an_account_that_holds_anything_at_all_cannot_be_closed() {
    type Give = fn(&mut World, &Trader);
    let claim = |account: &mut MarginAccount| {
        account.positions[3] = Position { quote: Quote(1), ..Position::new(SOL, Side::Long) };
    };
    let table: [(&str, Give); 5] = [
        ("one unit of quote", |w, t| {
            w.deposit(t, 1).expect("deposit");
        }),
        ("one unit of collateral", |w, t| {
            w.deposit_collateral(t, SOL_VAULT, 1).expect("deposit");
        }),
        ("a debt", |w, t| w.tamper::<MarginAccount>(&t.margin, |a| a.quote = Quote(-1))),
        ("a position", |w, t| {
            w.deposit(t, 100 * DOLLAR).expect("deposit");
            w.open(t, SOL, Side::Short, SOL_ASSET.one() / 10).expect("open");
            w.tamper::<MarginAccount>(&t.margin, |a| a.quote = Quote::ZERO);
        }),
        ("a claim", |_, _| ()),
    ];
    for (what, give) in table {
        let mut world = World::new();
        let trader = world.trader(100 * DOLLAR);
        give(&mut world, &trader);
        if what == "a claim" {
            world.tamper(&trader.margin, claim);
        }
        let close = ix::close_margin_account(trader.key.pubkey(), trader.margin);
        refuse(&mut world, &close, &[&trader.key], "AccountNotEmpty");
    }
}

/// A trader with money, a position and a delegate.
fn delegated() -> (World, Trader, Keypair) {
    let mut world = World::new();
    let trader = world.funded_trader(10_000 * DOLLAR);
    let delegate = world.keypair();
    let set = world.delegate_instruction(&trader, delegate.pubkey());
    let outcome = accept(&mut world, &set, &[&trader.key]);
    let expected = DelegateSet { account: trader.margin, delegate: delegate.pubkey() };
    assert_eq!(event(&outcome), &Event::DelegateSet(expected));
    assert_eq!(world.margin(&trader.margin).delegate, delegate.pubkey());
    (world, trader, delegate)
}

/// A trade of the trader's, signed by someone else.
fn signed_by(instruction: &Instruction, key: &Keypair) -> Instruction {
    with_account(instruction, 0, key.pubkey())
}

#[test]
fn a_delegate_may_trade_until_the_owner_says_otherwise() {
    let (mut world, trader, delegate) = delegated();
    let open = signed_by(&world.open_instruction(&trader, SOL, Side::Long, SOL_ASSET.one()), &delegate);
    accept(&mut world, &open, &[&delegate]);
    let close = signed_by(&world.close_instruction(&trader, SOL, SOL_ASSET.one() / 2), &delegate);
    accept(&mut world, &close, &[&delegate]);

    let nobody = world.delegate_instruction(&trader, Pubkey::default());
    accept(&mut world, &nobody, &[&trader.key]);
    assert_eq!(world.margin(&trader.margin).delegate, Pubkey::default());
    refuse(&mut world, &open, &[&delegate], "Unauthorized");
    refuse(&mut world, &close, &[&delegate], "Unauthorized");
    // The default key is nobody, not anybody.
    refuse(&mut world, &unsigned(&with_account(&open, 0, Pubkey::default()), 0), &[], "AccountNotSigner");
}

#[test]
fn a_delegate_may_not_withdraw() {
    let (mut world, trader, delegate) = delegated();
    let mint = world.listings.vaults[0].mint;
    let own = world.create_tokens(mint, delegate.pubkey(), 0);
    for destination in [own, trader.tokens] {
        let withdraw = withdraw_instruction(&world, &trader, 0, (destination, 1));
        refuse(&mut world, &signed_by(&withdraw, &delegate), &[&delegate], "Unauthorized");
    }
}

#[test]
fn nobody_but_the_owner_closes_an_account_or_sets_its_delegate() {
    let (mut world, trader, delegate) = delegated();
    world.withdraw(&trader, 0, (trader.tokens, 10_000 * DOLLAR)).expect("withdraw");
    let stranger = world.keypair();
    let admin = world.admin.insecure_clone();
    for imposter in [&delegate, &stranger, &admin] {
        let mut set = world.delegate_instruction(&trader, imposter.pubkey());
        set.accounts[0].pubkey = imposter.pubkey();
        refuse(&mut world, &set, &[imposter], "Unauthorized");
        let close = ix::close_margin_account(imposter.pubkey(), trader.margin);
        refuse(&mut world, &close, &[imposter], "Unauthorized");
    }
    let set = world.delegate_instruction(&trader, stranger.pubkey());
    refuse(&mut world, &unsigned(&set, 0), &[], "AccountNotSigner");
    let close = ix::close_margin_account(trader.key.pubkey(), trader.margin);
    refuse(&mut world, &unsigned(&close, 0), &[], "AccountNotSigner");
    accept(&mut world, &close, &[&trader.key]);
}

#[test]
fn attack_replaying_what_was_signed_for_an_earlier_account_at_the_same_address() {
    let mut world = World::new();
    let trader = world.trader(10_000 * DOLLAR);
    world.deposit(&trader, 5_000 * DOLLAR).expect("deposit");
    let open = world.open_instruction(&trader, SOL, Side::Long, SOL_ASSET.one());
    let close = world.close_instruction(&trader, SOL, u64::MAX);
    let withdraw = withdraw_instruction(&world, &trader, 0, (trader.tokens, DOLLAR));
    let delegate = world.keypair();
    let appoint = world.delegate_instruction(&trader, delegate.pubkey());
    accept(&mut world, &appoint, &[&trader.key]);
    world.withdraw(&trader, 0, (trader.tokens, 5_000 * DOLLAR)).expect("withdraw");

    // Closed and opened again in one transaction, by instructions that name no incarnation.
    let (owner, payer) = (trader.key.pubkey(), world.payer.pubkey());
    let (first, mut steps) = (
        world.margin(&trader.margin).incarnation,
        vec![ix::close_margin_account(owner, trader.margin), ix::open_margin_account(owner, payer, 0)],
    );
    steps.push(deposit_instruction(&world, &trader, 5_000 * DOLLAR));
    world.send(&steps, &[&trader.key]).expect("close and open");
    assert!(world.margin(&trader.margin).incarnation > first);

    for old in [&open, &withdraw, &appoint] {
        refuse(&mut world, old, &[&trader.key], "WrongIncarnation");
    }
    assert_eq!(
        world.margin(&trader.margin).delegate,
        Pubkey::default(),
        "none until the owner says so again"
    );
    let mut later = world.margin(&trader.margin);
    later.incarnation += 1;
    let later = ix::set_delegate(Margin { address: trader.margin, account: &later }, delegate.pubkey());
    refuse(&mut world, &later, &[&trader.key], "WrongIncarnation");
    let appoint = world.delegate_instruction(&trader, delegate.pubkey());
    accept(&mut world, &appoint, &[&trader.key]);
    assert_eq!(world.margin(&trader.margin).delegate, delegate.pubkey());
    world.open(&trader, SOL, Side::Long, SOL_ASSET.one()).expect("signed for this account");
    refuse(&mut world, &close, &[&trader.key], "WrongIncarnation");
    world.close(&trader, SOL, u64::MAX).expect("signed for this account");
}

#[test]
fn attack_a_closed_account_does_not_come_back_by_paying_its_rent() {
    let mut world = World::new();
    let trader = world.trader(1_000);
    let close = ix::close_margin_account(trader.key.pubkey(), trader.margin);
    let refund = anchor_lang::solana_program::system_instruction::transfer(
        &world.payer.pubkey(),
        &trader.margin,
        rent(&world),
    );
    let deposit = deposit_instruction(&world, &trader, 1_000);
    let before = Snapshot::take(&world);
    let revived = world.send(&[close.clone(), refund.clone(), deposit.clone()], &[&trader.key]);
    refused(revived, "AccountOwnedByWrongProgram");
    assert_eq!(before.changes(&world), []);
    world.send(&[close, refund], &[&trader.key]).expect("lamports at an address that nobody owns");
    refuse(&mut world, &deposit, &[&trader.key], "AccountOwnedByWrongProgram");
}
