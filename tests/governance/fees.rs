//! What the protocol has earned goes to the recorded recipient, as far as it is there and may leave, and nowhere else.

use anchor_lang::solana_program::program_option::COption;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::events::ProtocolFeesCollected;
use bulwark_sdk::program::state::{ChangePayload, Pause, Vault};
use bulwark_sdk::{Instruction, Pubkey, address};
use bulwark_tests::fixtures::{self, DOLLAR};
use bulwark_tests::{Signer as _, World, ledger};

use crate::scene::*;

/// Fees that were swept, and an account of their recipient.
struct Earned {
    world: World,
    fees: u64,
    to: Pubkey,
}

impl Earned {
    fn new() -> Self {
        let (mut world, ..) = two_markets();
        let trader = world.funded_trader(100_000 * DOLLAR);
        world.open(&trader, A, Side::Long, 1_000 * ONE).expect("open");
        world.close(&trader, A, u64::MAX).expect("close");
        accept(&mut world, &ix::sweep_market(A), &[]);
        let fees = world.exchange().protocol_fees;
        // A tenth of five hundredths of a percent of 125,000 dollars, twice.
        assert!(fees.abs_diff(12_500_000) < 100_000, "{fees}");
        let recipient = world.exchange().fee_recipient;
        let to = world.create_tokens(world.listings.vaults[0].mint, recipient, 0);
        Self { world, fees, to }
    }

    fn collect(&self, to: Pubkey, amount: u64) -> Instruction {
        let admin = self.world.admin.pubkey();
        ix::collect_protocol_fees(&self.world.listings, admin, (to, amount)).expect("builds")
    }

    #[track_caller]
    fn refuse(&mut self, call: &Instruction, name: &str) {
        let admin = self.world.admin.insecure_clone();
        refuse(&mut self.world, call, &[&admin], name);
    }

    #[track_caller]
    fn accept(&mut self, call: &Instruction) -> bulwark_tests::Outcome {
        let admin = self.world.admin.insecure_clone();
        accept(&mut self.world, call, &[&admin])
    }

    fn paid(&self) -> u64 {
        self.world.token_balance(&self.to)
    }
}

#[test]
fn what_was_earned_is_collected_in_parts_to_the_last_unit() {
    let mut earned = Earned::new();
    let (vault, before) = (earned.world.vault(0), ledger::check(&earned.world));
    let mut paid = 0;
    for amount in [1, earned.fees / 2, earned.fees - 1 - earned.fees / 2] {
        let sequence = earned.world.vault(0).sequence;
        let outcome = earned.accept(&earned.collect(earned.to, amount));
        paid += amount;
        let recipient = earned.world.exchange().fee_recipient;
        let expected = ProtocolFeesCollected { vault_sequence: sequence, recipient, amount };
        assert_eq!(event(&outcome), &Event::ProtocolFeesCollected(expected));
        assert_eq!((earned.paid(), earned.world.exchange().protocol_fees), (paid, earned.fees - paid));
    }
    assert_eq!(paid, earned.fees);
    assert_eq!(earned.world.vault(0).core.recorded, vault.core.recorded - paid);
    let after = ledger::check(&earned.world);
    assert_eq!((after.protocol_fees, after.tokens), (0, before.tokens - i128::from(paid)));
    assert_eq!((after.accounts, after.cash, after.idle), (before.accounts, before.cash, before.idle));
    earned.refuse(&earned.collect(earned.to, 1), "InsufficientBalance");
}

#[test]
fn no_more_than_there_is_and_not_nothing() {
    let mut earned = Earned::new();
    for (amount, name) in
        [(0, "ZeroAmount"), (earned.fees + 1, "InsufficientBalance"), (u64::MAX, "InsufficientBalance")]
    {
        earned.refuse(&earned.collect(earned.to, amount), name);
    }
    // What a market has not been swept of is not there yet.
    let trader = earned.world.funded_trader(100_000 * DOLLAR);
    refresh(&mut earned.world);
    earned.world.open(&trader, B, Side::Long, 100 * ONE).expect("open");
    assert!(earned.world.market(B).core.book.fees.protocol > 0);
    earned.refuse(&earned.collect(earned.to, earned.fees + 1), "InsufficientBalance");
    earned.accept(&earned.collect(earned.to, earned.fees));
}

#[test]
fn only_the_admin_collects() {
    let mut earned = Earned::new();
    let call = earned.collect(earned.to, 1);
    let recipient = funded(&mut earned.world);
    for who in [earned.world.guardian.insecure_clone(), recipient] {
        let by = with_account(&call, 0, who.pubkey());
        refuse(&mut earned.world, &by, &[&who], "Unauthorized");
    }
    let mut unsigned = call.clone();
    unsigned.accounts[0].is_signer = false;
    refuse(&mut earned.world, &unsigned, &[], "AccountNotSigner");
    earned.accept(&call);
}

#[test]
fn attack_fees_go_to_no_account_but_a_plain_one_of_the_recipient() {
    let mut earned = Earned::new();
    let world = &mut earned.world;
    let (mint, recipient) = (world.listings.vaults[0].mint, world.exchange().fee_recipient);
    let (admin, nobody) = (world.admin.pubkey(), fixtures::address("nobody"));
    let of = [admin, world.guardian.pubkey(), nobody, address::exchange()]
        .map(|owner| world.create_tokens(mint, owner, 0));
    let other_mint = fixtures::address("another mint");
    world.create_mint(other_mint, 6);
    let other = world.create_tokens(other_mint, recipient, 0);
    let [lent, closable, frozen] = [0; 3].map(|_| world.create_tokens(mint, recipient, 0));
    world.write_tokens(lent, |tokens| tokens.delegate = COption::Some(admin));
    world.write_tokens(closable, |tokens| tokens.close_authority = COption::Some(admin));
    world.write_tokens(frozen, |tokens| {
        tokens.state = anchor_spl::token::spl_token::state::AccountState::Frozen;
    });
    for to in of.into_iter().chain([other, lent, closable, frozen]) {
        earned.refuse(&earned.collect(to, 1), "BadTokenAccount");
    }
    let vault = earned.world.listings.vaults[0].token_account;
    earned.refuse(&earned.collect(vault, 1), "ConstraintDuplicateMutableAccount");
    earned.refuse(&earned.collect(recipient, 1), "AccountNotInitialized");
    // Any plain account of his will do.
    let second = earned.world.create_tokens(mint, recipient, 5);
    earned.accept(&earned.collect(second, 1));
    assert_eq!(earned.world.token_balance(&second), 6);
}

#[test]
fn attack_fees_come_from_the_quote_vault_alone() {
    let mut earned = Earned::new();
    earned.world.list_vault(&UNI, 9, 1_000_000 * ONE);
    let trader = earned.world.funded_trader(1_000 * DOLLAR);
    earned.world.deposit_collateral(&trader, 1, 100 * ONE).expect("deposit");
    let [quote, uni] = [0, 1].map(|index: usize| earned.world.listings.vaults[index]);
    let to = earned.world.create_tokens(uni.mint, earned.world.exchange().fee_recipient, 0);
    let call = earned.collect(earned.to, 1);
    let place = |key| call.accounts.iter().position(|account| account.pubkey == key).expect("an account");
    let (vault, tokens, mint) = (place(quote.address), place(quote.token_account), place(quote.mint));
    let whole = with_account(
        &with_account(&with_account(&call, vault, uni.address), tokens, uni.token_account),
        mint,
        uni.mint,
    );
    let whole = with_account(&whole, place(earned.to), to);
    earned.refuse(&whole, "WrongAccount");
    for (place, key) in [(vault, uni.address), (tokens, uni.token_account), (mint, uni.mint)] {
        earned.refuse(&with_account(&call, place, key), "WrongAccount");
    }
    earned.accept(&call);
}

#[test]
fn fees_leave_no_faster_than_anything_else() {
    let mut earned = Earned::new();
    let world = &mut earned.world;
    let vault = world.listings.vaults[0].address;
    world.tamper::<Vault>(&vault, |vault| {
        (vault.core.params.outflow.floor, vault.core.params.outflow.max_ppm) = (0, 50_000);
    });
    let trader = world.funded_trader(2_000_000 * DOLLAR);
    world.advance(86_400);
    // Somebody takes out all that may leave but a unit.
    let may = world.vault(0).core.releasable(world.now()).expect("releasable");
    assert!(may > earned.fees && may < 700_000 * DOLLAR);
    earned.world.withdraw(&trader, 0, (trader.tokens, may - 1)).expect("withdraw");
    earned.refuse(&earned.collect(earned.to, earned.fees), "OutflowLimit");
    earned.refuse(&earned.collect(earned.to, 2), "OutflowLimit");
    earned.accept(&earned.collect(earned.to, 1));
    earned.refuse(&earned.collect(earned.to, 1), "OutflowLimit");
    earned.world.advance(3_600);
    earned.accept(&earned.collect(earned.to, earned.fees - 1));
    // And what they took, nobody else can.
    let left = earned.world.vault(0).core.releasable(earned.world.now()).expect("releasable");
    let failure = earned.world.withdraw(&trader, 0, (trader.tokens, left + 1)).expect_err("the limit");
    assert_eq!(label(&failure), "OutflowLimit");
    earned.world.withdraw(&trader, 0, (trader.tokens, left)).expect("withdraw");
}

#[test]
fn a_pause_of_withdrawals_stops_fees_as_long_as_it_stops_users() {
    let mut earned = Earned::new();
    let guardian = earned.world.guardian.insecure_clone();
    for bits in [Pause::INCREASE.0, Pause::LIQUIDITY.0 | Pause::STAKE.0, Pause::WITHDRAW.0] {
        let mut paused = Earned { world: earned.world.fork(), ..earned };
        let set = ix::set_pause(guardian.pubkey(), None, bits);
        accept(&mut paused.world, &set, &[&guardian]);
        paused.world.advance(43_199);
        let call = paused.collect(paused.to, 1);
        if bits == Pause::WITHDRAW.0 {
            paused.refuse(&call, "Paused");
            paused.world.advance(1);
        }
        paused.accept(&call);
    }
    earned.accept(&earned.collect(earned.to, earned.fees));
}

#[test]
fn another_recipient_is_a_change_and_then_the_former_one_is_nobody() {
    let mut earned = Earned::new();
    let (next, third) = (fixtures::address("next recipient"), fixtures::address("third recipient"));
    let mint = earned.world.listings.vaults[0].mint;
    let to = earned.world.create_tokens(mint, next, 0);
    let change = |fee_recipient| ChangePayload::FeeRecipient { fee_recipient };
    let nonces = [next, third].map(|who| earned.world.propose(change(who)).expect("propose_change"));
    for who in [earned.world.admin.insecure_clone(), earned.world.guardian.insecure_clone()] {
        let now = tighten(&earned.world, &who, change(next));
        refuse(&mut earned.world, &now, &[&who], "NotTightenable");
    }
    earned.world.set_clock(earned.world.change(nonces[0]).timelock.eta - 1);
    refuse_execution(&mut earned.world, (nonces[0], None), "ChangeTooEarly");
    earned.refuse(&earned.collect(to, 1), "BadTokenAccount");
    earned.accept(&earned.collect(earned.to, 1));
    earned.world.advance(1);
    earned.world.execute(nonces[0], None).expect("execute_change");
    assert_eq!(earned.world.exchange().fee_recipient, next);
    earned.refuse(&earned.collect(earned.to, 1), "BadTokenAccount");
    let outcome = earned.accept(&earned.collect(to, earned.fees - 1));
    assert!(matches!(event(&outcome), Event::ProtocolFeesCollected(e) if e.recipient == next));
    assert_eq!((earned.world.token_balance(&to), earned.paid()), (earned.fees - 1, 1));
    // The other one was proposed for the former.
    refuse_execution(&mut earned.world, (nonces[1], None), "ChangeVoid");
}
