//! When a ticket can be redeemed and when it can be cancelled: to the second, by whom, and in whose favour.

use anchor_lang::solana_program::program_option::COption;
use bulwark_sdk::engine::governance::MAX_EXIT_PAUSE;
use bulwark_sdk::engine::pool::TrancheKind;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::events::{RedeemCancelled, Redeemed};
use bulwark_sdk::program::state::{Exchange, Pause, Pool, RedeemTicket, Vault};
use bulwark_sdk::{Instruction, Pubkey, address};
use bulwark_tests::fixtures::*;
use bulwark_tests::{Keypair, SOL, Signer, World};

use crate::provider::*;
use crate::support::*;

/// Providers of both tranches, and another junior one, of a million each; a tenth of it may leave in an hour.
fn new() -> (World, [Provider; 2], Provider) {
    let mut world = World::empty();
    let other = Provider::with_shares(&mut world, TrancheKind::Junior, 1_000_000);
    let providers = TrancheKind::BOTH.map(|tranche| Provider::with_shares(&mut world, tranche, 1_000_000));
    let vault = world.listings.vaults[0].address;
    world.tamper::<Vault>(&vault, |v| {
        (v.core.params.outflow.floor, v.core.params.outflow.max_ppm) = (0, 100_000);
    });
    (world, providers, other)
}

/// The cancellation by somebody else, to these shares.
fn cancel_by(world: &World, provider: &Provider, (who, shares): (&Keypair, Pubkey)) -> Instruction {
    ix::cancel_redeem(who.pubkey(), &provider.ticket(world, 0), shares)
}

/// A redemption that is too early by so many seconds.
#[track_caller]
fn too_early(world: &mut World, provider: &Provider, seconds: i64) {
    let redeem = provider.redeem_instruction(world, 0, 0);
    let says = ("RedeemTooEarly", &*format!("too early to redeem or cancel the ticket: wait {seconds} s"));
    refuse_saying(world, &redeem, &[&provider.trader.key], says);
}

/// A redemption that is too late.
#[track_caller]
fn too_late(world: &mut World, provider: &Provider) {
    let redeem = provider.redeem_instruction(world, 0, 0);
    let says = ("RedeemTooLate", "the ticket's window is over: cancel it, and request again");
    refuse_saying(world, &redeem, &[&provider.trader.key], says);
}

/// Redeems in a copy of the chain: what was paid.
#[track_caller]
fn would_redeem(world: &World, provider: &Provider) -> Redeemed {
    provider.redeem(&mut world.fork(), 0)
}

#[test]
fn a_ticket_is_redeemed_from_the_first_second_of_its_window_to_the_last() {
    for (delay, window) in [(86_400, 21_600), (3_600, 3_600), (2_592_000, 172_800), (3_600, 172_800)] {
        let (mut world, providers, _) = new();
        world.tamper::<Pool>(&address::pool(), |pool| {
            pool.core.params.redeem_delay = u32::try_from(delay).expect("small");
            pool.core.params.redeem_window = u32::try_from(window).expect("small");
        });
        for provider in &providers {
            provider.request(&mut world, 0, 50_000);
        }
        for provider in &providers {
            world.set_clock(GENESIS + delay - 1);
            too_early(&mut world, provider, 1);
            for inside in [delay, delay + 1, delay + window - 1, delay + window] {
                world.set_clock(GENESIS + inside);
                assert_eq!(would_redeem(&world, provider).shares_left, 0);
            }
            for outside in [delay + window + 1, delay + 10 * window, 1_000_000_000] {
                world.set_clock(GENESIS + outside);
                too_late(&mut world, provider);
            }
        }
    }
}

#[test]
fn a_payment_of_a_part_begins_the_window_anew_and_a_refusal_does_not() {
    let (mut world, [a, _], _) = new();
    a.request(&mut world, 0, 900_000);
    // In the last second of the first window a tenth of three millions is paid, and the rest waits from then on.
    world.advance(DELAY + WINDOW);
    for _ in 0..2 {
        let before = a.ticket(&world, 0).core;
        let redeemed = a.redeem(&mut world, 0);
        let ticket = a.ticket(&world, 0).core;
        assert!(redeemed.paid > 200_000 && redeemed.shares_left == before.shares - redeemed.shares);
        assert_eq!((ticket.shares, ticket.requested_at), (redeemed.shares_left, world.now() - DELAY));
        assert_eq!(u128::from(ticket.value), {
            u128::from(before.value) * u128::from(ticket.shares) / u128::from(before.shares)
        });
        // Nothing more may leave now, and that renews nothing: neither seconds nor hours later.
        let redeem = a.redeem_instruction(&world, 0, 0);
        refuse(&mut world, &redeem, &[&a.trader.key], "OutflowLimit");
        assert_eq!(a.ticket(&world, 0).core.requested_at, world.now() - DELAY);
        world.advance(WINDOW);
        let svm = world.svm.clone();
        world.advance(1);
        too_late(&mut world, &a);
        world.svm = svm;
    }
    assert!(a.redeem(&mut world, 0).paid > 50_000, "now it is the senior's cushion");
}

#[test]
fn a_payment_begins_the_window_anew_if_it_takes_a_tenth_of_the_ticket() {
    // Shares in the ticket, what may leave, shares that it takes: 90,500 are a tenth of 905,000 and of no more.
    for (held, room, shares, renews) in [
        (905_000, 90_408, 90_499, false),
        (905_000, 90_409, 90_500, true),
        (905_001, 90_409, 90_500, false),
        (905_001, 90_410, 90_501, true),
        (905_010, 90_410, 90_501, true),
        (905_011, 90_410, 90_501, false),
        (905_000, 1, 2, false),
    ] {
        for at in [DELAY, DELAY + WINDOW] {
            let mut world = World::empty();
            let [a, _] =
                [1, 2].map(|n| Provider::with_shares(&mut world, TrancheKind::Junior, n * 1_000_000));
            let trader = world.funded_trader(1_000_000);
            let vault = world.listings.vaults[0].address;
            world.tamper::<Vault>(&vault, |v| {
                (v.core.params.outflow.floor, v.core.params.outflow.max_ppm) = (0, 100_000);
            });
            a.request(&mut world, 0, held);
            let before = a.ticket(&world, 0).core.requested_at;
            world.advance(at);
            // A tenth of four millions may leave: a trader takes the rest of it.
            world.withdraw(&trader, 0, (trader.tokens, 400_000 - room)).expect("withdraw");
            let redeemed = a.redeem(&mut world, 0);
            assert_eq!((redeemed.paid, redeemed.shares), (room, shares), "{held}");
            let ticket = a.ticket(&world, 0).core;
            assert_eq!((ticket.shares, ticket.value), (held - shares, held - shares));
            let opens = if renews { world.now() } else { before + DELAY };
            assert_eq!(ticket.requested_at, opens - DELAY, "{held} {room}");
            // The rest is paid to the last second of that window and not after it.
            world.set_clock(opens + WINDOW);
            if at == DELAY || renews {
                assert!(would_redeem(&world, &a).paid > 300_000);
            }
            world.advance(1);
            too_late(&mut world, &a);
        }
    }
}

#[test]
fn a_ticket_that_nothing_was_paid_of_ends_with_its_window() {
    let (mut world, [a, _], other) = new();
    let trader = world.funded_trader(1_000_000);
    a.request(&mut world, 0, 900_000);
    world.advance(DELAY);
    // Somebody else takes all that may leave: the ticket's owner comes too late by nobody's fault.
    world.withdraw(&trader, 0, (trader.tokens, 400_000)).expect("withdraw");
    let redeem = a.redeem_instruction(&world, 0, 0);
    refuse(&mut world, &redeem, &[&a.trader.key], "OutflowLimit");
    world.advance(WINDOW + 1);
    too_late(&mut world, &a);
    let cancel = cancel_by(&world, &a, (&other.trader.key, a.shares));
    accept(&mut world, &cancel, &[&other.trader.key]);
    assert_eq!(a.held(&world), 1_000_000);
    a.request(&mut world, 0, 10_000);
    too_early(&mut world, &a, DELAY);
}

#[test]
fn a_ticket_stands_for_an_hour_before_its_owner_can_cancel_it() {
    for delay in [DELAY, MIN_AGE] {
        let (mut world, providers, _) = new();
        world.tamper::<Pool>(&address::pool(), |pool| {
            pool.core.params.redeem_delay = u32::try_from(delay).expect("small");
        });
        for provider in &providers {
            provider.request(&mut world, 0, 50_000);
        }
        for (passed, left) in [(0, MIN_AGE), (1, MIN_AGE - 1), (MIN_AGE - 1, 1)] {
            world.set_clock(GENESIS + passed);
            for provider in &providers {
                let cancel = provider.cancel_instruction(&world, 0);
                let says =
                    ("RedeemTooEarly", &*format!("too early to redeem or cancel the ticket: wait {left} s"));
                refuse_saying(&mut world, &cancel, &[&provider.trader.key], says);
            }
        }
        world.advance(1);
        for provider in &providers {
            provider.cancel(&mut world, 0);
            assert_eq!(provider.held(&world), 1_000_000);
        }
    }
}

#[test]
fn the_rest_of_a_payment_in_part_can_be_cancelled_at_once() {
    let (mut world, [a, _], _) = new();
    world.tamper::<Pool>(&address::pool(), |pool| pool.core.params.redeem_delay = 3_600);
    a.request(&mut world, 0, 900_000);
    world.advance(MIN_AGE);
    let left = a.redeem(&mut world, 0).shares_left;
    a.cancel(&mut world, 0);
    assert_eq!(a.held(&world), 100_000 + left);
}

#[test]
fn attack_asking_and_taking_it_back_does_not_drain_a_market() {
    let mut world = markets();
    let a = Provider::with_shares(&mut world, TrancheKind::Junior, 900_000 * DOLLAR);
    Provider::with_shares(&mut world, TrancheKind::Junior, 100_000 * DOLLAR);
    assert_eq!(allocate(&mut world, SOL).unsigned_abs(), 400_000 * DOLLAR);
    let request = a.request_instruction(&world, 0, 900_000 * DOLLAR);
    let pull = ix::allocate_liquidity(&world.listings, SOL);
    // What a request keeps out of the markets leaves them: 360,000 of the 400,000.
    let mut copy = world.fork();
    copy.send(&[request.clone(), pull.clone()], &[&a.trader.key]).expect("a request that stands");
    assert_eq!(copy.market(SOL).core.book.cash, 40_000 * DOLLAR);
    let cancel = a.cancel_instruction(&copy, 0);
    // Not for free: neither in one transaction nor before the hour is over.
    let before = Snapshot::take(&world);
    for all in
        [vec![&request, &pull, &cancel], vec![&request, &cancel], vec![&request, &pull, &cancel, &pull]]
    {
        let all: Vec<_> = all.into_iter().cloned().collect();
        refused(world.send_unchecked(&all, &[&a.trader.key]), "RedeemTooEarly");
        assert_eq!(before.changes(&world), []);
    }
    copy.advance(MIN_AGE - 1);
    refuse(&mut copy, &cancel, &[&a.trader.key], "RedeemTooEarly");
}

#[test]
fn within_the_window_a_ticket_is_its_owners_alone() {
    let (mut world, providers, other) = new();
    let admin = world.admin.insecure_clone();
    for provider in &providers {
        provider.request(&mut world, 0, 50_000);
    }
    for passed in [0, MIN_AGE, DELAY - 1, DELAY, DELAY + WINDOW - 1, DELAY + WINDOW] {
        world.set_clock(GENESIS + passed);
        for provider in &providers {
            for who in [&other.trader.key, &admin] {
                let cancel = cancel_by(&world, provider, (who, provider.shares));
                refuse(&mut world, &cancel, &[who], "Unauthorized");
                refuse(&mut world, &unsigned(&cancel, 0), &[], "AccountNotSigner");
            }
        }
    }
}

#[test]
fn after_the_window_anyone_returns_the_shares_to_their_owner_and_the_rent_to_its_payer() {
    let (mut world, providers, other) = new();
    let sponsor = world.keypair();
    let sponsor = with_lamports(&mut world, sponsor);
    let rich = lamports(&world, &sponsor.pubkey());
    for provider in &providers {
        let keys = (provider.trader.key.pubkey(), sponsor.pubkey(), provider.shares);
        let request = ix::request_redeem(&world.listings, provider.tranche, keys, (0, 50_000));
        accept(&mut world, &request, &[&provider.trader.key, &sponsor]);
    }
    let rent = world.svm.minimum_balance_for_rent_exemption(RedeemTicket::SPACE);
    assert_eq!(lamports(&world, &sponsor.pubkey()), rich - 2 * rent);
    world.advance(DELAY + WINDOW + 1);
    let who = &other.trader.key;
    for (n, provider) in providers.iter().enumerate() {
        let (owner, mint) = (provider.trader.key.pubkey(), address::share_mint(provider.tranche));
        let before = world.pool();
        // Not to the caller's own shares, the payer's, or an account of the owner that others can empty.
        let own = world.create_tokens(mint, who.pubkey(), 0);
        let payers = world.create_tokens(mint, sponsor.pubkey(), 0);
        let [lent, closable] = [0, 1].map(|_| world.create_tokens(mint, owner, 0));
        world.write_tokens(lent, |tokens| tokens.delegate = COption::Some(who.pubkey()));
        world.write_tokens(closable, |tokens| tokens.close_authority = COption::Some(who.pubkey()));
        for shares in [own, payers, lent, closable] {
            let cancel = cancel_by(&world, provider, (who, shares));
            refuse(&mut world, &cancel, &[who], "BadTokenAccount");
        }
        // Nor the rent to the caller, or the owner; nor the shares of the other tranche.
        let cancel = cancel_by(&world, provider, (who, provider.shares));
        for payer in [who.pubkey(), owner] {
            refuse(&mut world, &with_account(&cancel, 1, payer), &[who], "WrongAccount");
        }
        let wrong = address::share_mint(TrancheKind::BOTH[1 - n]);
        let wrong_shares = world.create_tokens(wrong, owner, 0);
        let swapped = with_account(&with_account(&cancel, 5, wrong), 6, wrong_shares);
        refuse(&mut world, &swapped, &[who], "WrongAccount");
        refuse(&mut world, &unsigned(&cancel, 0), &[], "AccountNotSigner");

        let (poor, held) = (lamports(&world, &who.pubkey()), other.held(&world));
        let outcome = accept(&mut world, &cancel, &[who]);
        let cancelled = RedeemCancelled {
            provider: owner,
            nonce: 0,
            sequence: before.sequence,
            tranche: provider.tranche.to_byte(),
            shares: 50_000,
        };
        assert_eq!(event(&outcome), &Event::RedeemCancelled(cancelled));
        assert_eq!((provider.held(&world), other.held(&world)), (1_000_000, held));
        assert_eq!(lamports(&world, &who.pubkey()), poor);
        assert_eq!(lamports(&world, &provider.ticket_key(0)), 0);
        let core = world.pool().core;
        assert_eq!((core.idle, core.junior.shares, core.senior.shares), {
            (before.core.idle, before.core.junior.shares, before.core.senior.shares)
        });
        shares_add_up(&world);
        refuse(&mut world, &cancel, &[who], "AccountOwnedByWrongProgram");
    }
    assert_eq!(lamports(&world, &sponsor.pubkey()), rich);
    assert_eq!([world.pool().core.junior.redeeming, world.pool().core.senior.redeeming], [0, 0]);
}

#[test]
fn after_the_window_a_stranger_may_choose_among_the_owners_accounts_and_pauses_do_not_matter() {
    let (mut world, [a, _], other) = new();
    a.request(&mut world, 0, 50_000);
    world.advance(DELAY + WINDOW + 1);
    world.pause(u8::MAX);
    let second = world.create_tokens(address::share_mint(a.tranche), a.trader.key.pubkey(), 0);
    let cancel = cancel_by(&world, &a, (&other.trader.key, second));
    accept(&mut world, &cancel, &[&other.trader.key]);
    assert_eq!((world.token_balance(&second), a.held(&world)), (50_000, 950_000));
    shares_add_up(&world);
}

#[test]
fn a_window_that_a_pause_cut_runs_again_from_its_end_and_no_other_does() {
    for (bits, cut) in [(Pause::LIQUIDITY.0, true), (!Pause::LIQUIDITY.0, false)] {
        let (mut world, [a, _], other) = new();
        a.request(&mut world, 0, 50_000);
        world.advance(DELAY);
        world.pause(bits);
        if cut {
            let redeem = a.redeem_instruction(&world, 0, 0);
            refuse(&mut world, &redeem, &[&a.trader.key], "Paused");
        } else {
            assert_eq!(would_redeem(&world, &a).shares_left, 0);
        }
        world.advance(MAX_EXIT_PAUSE);
        let cancel = cancel_by(&world, &a, (&other.trader.key, a.shares));
        for seconds in [0, WINDOW] {
            world.advance(seconds);
            if cut {
                assert_eq!(would_redeem(&world, &a).shares_left, 0);
                refuse(&mut world, &cancel, &[&other.trader.key], "Unauthorized");
            } else {
                too_late(&mut world, &a);
            }
        }
        world.advance(1);
        too_late(&mut world, &a);
        accept(&mut world, &cancel, &[&other.trader.key]);
    }
}

#[test]
fn books_that_do_not_add_up_stop_withdrawals_and_no_redemption() {
    let (mut world, [a, _], _) = new();
    a.request(&mut world, 0, 50_000);
    world.advance(DELAY);
    world.tamper::<Exchange>(&address::exchange(), |exchange| {
        (exchange.pause, exchange.broken) = (BROKEN, 1);
    });
    assert_eq!(would_redeem(&world, &a).shares_left, 0);
}

#[test]
fn attack_a_window_is_not_kept_open_by_payments_that_the_owner_makes_small() {
    let (mut world, [a, _], _) = new();
    // The same owner's margin: a tenth of what is in the vault.
    let trader = world.funded_trader(1_000_000);
    a.request(&mut world, 0, 100_000);
    world.advance(DELAY);
    for n in 0..10 {
        // In the last second of the window he takes all but two units out, is paid those, and brings the rest back.
        world.advance(WINDOW);
        let available = world.vault(0).core.releasable(world.now()).expect("releasable");
        let amount = available - 2;
        let out = withdraw_instruction(&world, &trader, 0, (trader.tokens, amount));
        let back = deposit_instruction(&world, &trader, amount);
        let redeem = a.redeem_instruction(&world, 0, 0);
        let result = world.send_unchecked(&[out, redeem, back], &[&trader.key, &a.trader.key]);
        if n == 0 {
            result.expect("it is still his window");
        } else {
            refused(result, "RedeemTooLate");
        }
    }
    assert!(a.ticket(&world, 0).core.shares > 99_990, "next to nothing was paid");
    // Two and a half days after the window he sees a loss coming, and leaves before it.
    too_late(&mut world, &a);
}
