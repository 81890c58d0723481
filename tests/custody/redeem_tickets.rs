//! Tickets as accounts: one for each nonce, closed once, and never older than their request.

use bulwark_sdk::engine::pool::TrancheKind;
use bulwark_sdk::program::state::RedeemTicket;
use bulwark_sdk::{Instruction, Pubkey, address};
use bulwark_tests::{Signer, World};

use anchor_lang::solana_program::instruction::AccountMeta;

use crate::provider::*;
use crate::support::*;

/// A provider with a million junior shares, and another one.
fn new() -> (World, Provider) {
    let mut world = World::empty();
    let provider = Provider::with_shares(&mut world, TrancheKind::Junior, 1_000_000);
    Provider::with_shares(&mut world, TrancheKind::Junior, 1_000_000);
    (world, provider)
}

/// The system program's transfer.
fn pay(from: Pubkey, to: Pubkey, lamports: u64) -> Instruction {
    let accounts = vec![AccountMeta::new(from, true), AccountMeta::new(to, false)];
    let data = [&2_u32.to_le_bytes()[..], &lamports.to_le_bytes()].concat();
    Instruction { program_id: address::SYSTEM_PROGRAM, accounts, data }
}

#[test]
fn a_nonce_is_one_ticket_and_another_nonce_another() {
    let (mut world, a) = new();
    a.request(&mut world, 5, 1_000);
    for shares in [1_000, 2_000] {
        let again = a.request_instruction(&world, 5, shares);
        refuse(&mut world, &again, &[&a.trader.key], "already in use");
    }
    for nonce in [0, 6, u64::MAX] {
        a.request(&mut world, nonce, 1_000);
    }
    world.advance(DELAY);
    for nonce in [u64::MAX, 5, 0, 6] {
        assert_eq!(a.redeem(&mut world, nonce).nonce, nonce);
    }
    // The ticket of one nonce at the address of another.
    let request = a.request_instruction(&world, 1, 1_000);
    refuse(&mut world, &with_account(&request, 4, a.ticket_key(2)), &[&a.trader.key], "ConstraintSeeds");
}

#[test]
fn attack_a_ticket_opened_again_does_not_inherit_the_delay() {
    let (mut world, a) = new();
    // Closed by payment, and by cancelling.
    for cancel in [false, true] {
        a.request(&mut world, 0, 10_000);
        world.advance(DELAY);
        if cancel {
            a.cancel(&mut world, 0);
        } else {
            a.redeem(&mut world, 0);
        }
        a.request(&mut world, 0, 20_000);
        let ticket = a.ticket(&world, 0).core;
        assert_eq!((ticket.shares, ticket.requested_at), (20_000, world.now()));
        let too_early = |world: &mut World, left: &str| {
            let redeem = a.redeem_instruction(world, 0, 0);
            refuse_saying(world, &redeem, &[&a.trader.key], ("RedeemTooEarly", left));
        };
        too_early(&mut world, "wait 86400 s");
        world.advance(DELAY - 1);
        too_early(&mut world, "wait 1 s");
        world.advance(1);
        assert_eq!(a.redeem(&mut world, 0).shares, 20_000);
    }
    // Nor within one transaction.
    a.request(&mut world, 0, 10_000);
    world.advance(DELAY);
    let (cancel, redeem) = (a.cancel_instruction(&world, 0), a.redeem_instruction(&world, 0, 0));
    let request = a.request_instruction(&world, 0, 10_000);
    let before = Snapshot::take(&world);
    for both in [[&cancel, &request, &redeem], [&redeem, &request, &redeem]] {
        let result = world.send_unchecked(&both.map(Clone::clone), &[&a.trader.key]);
        refused(result, "RedeemTooEarly");
        assert_eq!(before.changes(&world), []);
    }
    world.send(&[cancel, request], &[&a.trader.key]).expect("a new request");
    assert_eq!(a.ticket(&world, 0).core.requested_at, world.now());
    shares_add_up(&world);
}

#[test]
fn attack_a_closed_ticket_is_not_kept_alive_by_lamports_and_paid_twice() {
    let (mut world, a) = new();
    a.request(&mut world, 0, 10_000);
    world.advance(DELAY);
    let rent = world.svm.minimum_balance_for_rent_exemption(RedeemTicket::SPACE);
    let revive = pay(world.payer.pubkey(), a.ticket_key(0), rent);
    let (redeem, cancel) = (a.redeem_instruction(&world, 0, 0), a.cancel_instruction(&world, 0));
    for first in [&redeem, &cancel] {
        for second in [&redeem, &cancel] {
            for between in [vec![], vec![revive.clone()]] {
                let all = [vec![first.clone()], between, vec![second.clone()]].concat();
                let before = Snapshot::take(&world);
                let result = world.send_unchecked(&all, &[&a.trader.key]);
                refused(result, "AccountOwnedByWrongProgram");
                assert_eq!(before.changes(&world), []);
            }
        }
    }
    a.redeem(&mut world, 0);
    for instruction in [redeem, cancel] {
        refuse(&mut world, &instruction, &[&a.trader.key], "AccountOwnedByWrongProgram");
    }
}

#[test]
fn attack_lamports_sent_ahead_do_not_stop_a_request_and_go_back_with_the_rent() {
    let rent = World::bare().svm.minimum_balance_for_rent_exemption(RedeemTicket::SPACE);
    for dust in [1, rent - 1, rent, 10 * rent] {
        let (mut world, a) = new();
        let sponsor = world.keypair();
        let sponsor = with_lamports(&mut world, sponsor);
        let (rich, key) = (lamports(&world, &sponsor.pubkey()), a.ticket_key(0));
        send_dust(&mut world, key, dust);
        let keys = (a.trader.key.pubkey(), sponsor.pubkey(), a.shares);
        let request = bulwark_sdk::instruction::request_redeem(&world.listings, a.tranche, keys, (0, 1_000));
        accept(&mut world, &request, &[&a.trader.key, &sponsor]);
        send_dust(&mut world, key, dust);
        world.advance(MIN_AGE);
        a.cancel(&mut world, 0);
        assert_eq!(lamports(&world, &sponsor.pubkey()), rich + 2 * dust);
    }
}

#[test]
fn the_rent_goes_to_who_paid_it_and_to_nobody_else() {
    let (mut world, a) = new();
    a.request(&mut world, 0, 1_000);
    world.advance(DELAY);
    for instruction in [a.redeem_instruction(&world, 0, 0), a.cancel_instruction(&world, 0)] {
        for key in [a.trader.key.pubkey(), world.admin.pubkey()] {
            refuse(&mut world, &with_account(&instruction, 1, key), &[&a.trader.key], "WrongAccount");
        }
    }
}

#[test]
fn attack_a_sponsor_who_gives_the_wallet_away_holds_no_ticket_hostage() {
    for redeems in [true, false] {
        let (mut world, a) = new();
        let sponsor = world.keypair();
        let sponsor = with_lamports(&mut world, sponsor);
        let keys = (a.trader.key.pubkey(), sponsor.pubkey(), a.shares);
        let request = bulwark_sdk::instruction::request_redeem(&world.listings, a.tranche, keys, (0, 1_000));
        accept(&mut world, &request, &[&a.trader.key, &sponsor]);
        world.advance(DELAY);
        // The system program's assign: a wallet can be given to any program by who has its key.
        let data = [&1_u32.to_le_bytes()[..], address::TOKEN_PROGRAM.as_ref()].concat();
        let accounts = vec![AccountMeta::new(sponsor.pubkey(), true)];
        let assign = Instruction { program_id: address::SYSTEM_PROGRAM, accounts, data };
        accept(&mut world, &assign, &[&sponsor]);
        if redeems {
            assert_eq!(a.redeem(&mut world, 0).shares_left, 0);
        } else {
            a.cancel(&mut world, 0);
        }
    }
}
