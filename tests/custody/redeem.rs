//! `request_redeem`, `redeem`, `cancel_redeem`: two steps, a delay between them, and the lower of two values.

use bulwark_sdk::engine::pool::{Ticket, TrancheKind};
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::events::{RedeemCancelled, RedeemRequested, Redeemed};
use bulwark_sdk::program::state::{Market, Pause, RedeemTicket, VERSION};
use bulwark_sdk::{Instruction, address};
use bulwark_tests::fixtures::*;
use bulwark_tests::{Keypair, SOL, Signer, Trader, World};

use crate::provider::*;
use crate::support::*;

const JUNIOR: TrancheKind = TrancheKind::Junior;
const SENIOR: TrancheKind = TrancheKind::Senior;

/// A pool of idle cash alone: a million of the junior, half a million of the senior.
fn two() -> (World, Provider, Provider) {
    let mut world = World::empty();
    let junior = Provider::with_shares(&mut world, JUNIOR, 1_000_000);
    let senior = Provider::with_shares(&mut world, SENIOR, 500_000);
    (world, junior, senior)
}

/// Two juniors of a million each, and nobody else.
fn juniors() -> (World, Provider, Provider) {
    let mut world = World::empty();
    let [a, b] = [1_000_000; 2].map(|amount| Provider::with_shares(&mut world, JUNIOR, amount));
    (world, a, b)
}

#[test]
fn a_ticket_of_either_tranche_is_paid_to_the_unit_and_closed() {
    // After a day the senior is owed 500,000 · (1 + 0.08/365) = 500,109: the junior has 999,891. The senior asks
    // for what it was worth at the request.
    let table = [(JUNIOR, 300_000, 300_000, 299_967, 300), (SENIOR, 500_000, 500_000, 500_000, 500)];
    for (tranche, shares, asked, value, fee) in table {
        let (mut world, junior, senior) = two();
        let provider = if tranche == JUNIOR { junior } else { senior };
        let owner = provider.trader.key.pubkey();
        let sponsor = world.keypair();
        let sponsor = with_lamports(&mut world, sponsor);
        let (rich, held) = (lamports(&world, &sponsor.pubkey()), provider.held(&world));

        let keys = (owner, sponsor.pubkey(), provider.shares);
        let request = ix::request_redeem(&world.listings, tranche, keys, (7, shares));
        let outcome = accept(&mut world, &request, &[&provider.trader.key, &sponsor]);
        let tranche = tranche.to_byte();
        let requested =
            RedeemRequested { provider: owner, nonce: 7, sequence: 2, tranche, shares, value: asked };
        assert_eq!(event(&outcome), &Event::RedeemRequested(requested));
        let ticket = provider.ticket(&world, 7);
        assert_eq!((ticket.owner, ticket.payer, ticket.nonce), (owner, sponsor.pubkey(), 7));
        assert_eq!(ticket.core, Ticket { shares, value: asked, requested_at: GENESIS });
        assert_eq!((ticket.tranche, ticket.version), (tranche, VERSION));
        let rent = world.svm.minimum_balance_for_rent_exemption(RedeemTicket::SPACE);
        assert_eq!(lamports(&world, &sponsor.pubkey()), rich - rent);
        // The shares are burned, and still there.
        assert_eq!(provider.held(&world), held - shares);
        let core = world.pool().core;
        assert_eq!([core.junior.shares, core.senior.shares], [1_000_000, 500_000]);
        shares_add_up(&world);

        world.advance(DELAY);
        let (redeem, paid) = (provider.redeem_instruction(&world, 7, 0), value - fee);
        let outcome = accept(&mut world, &redeem, &[&provider.trader.key]);
        let redeemed = Redeemed {
            provider: owner,
            nonce: 7,
            sequence: 3,
            vault_sequence: 2,
            tranche,
            shares,
            paid,
            fee,
            shares_left: 0,
            nav: 1_500_000,
        };
        assert_eq!(event(&outcome), &Event::Redeemed(redeemed));
        let (pool, vault) = (world.pool(), world.vault(0));
        assert_eq!((pool.core.idle, vault.core.recorded), (1_500_000 - paid, 1_500_000 - paid));
        assert_eq!((pool.sequence, vault.sequence), (4, 3));
        assert_eq!(
            (provider.quote(&world), world.token_balance(&vault.token_account)),
            (paid, 1_500_000 - paid)
        );
        assert_eq!(pool.core.junior.shares + pool.core.senior.shares, 1_500_000 - shares);
        assert_eq!(pool.core.junior.redeeming + pool.core.senior.redeeming, 0);
        shares_add_up(&world);
        // The ticket is gone, and its rent is with who paid it.
        assert_eq!(lamports(&world, &provider.ticket_key(7)), 0);
        assert_eq!(lamports(&world, &sponsor.pubkey()), rich);
    }
}

#[test]
fn the_delay_is_over_at_its_second_and_not_before() {
    let (mut world, junior, senior) = two();
    for provider in [&junior, &senior] {
        provider.request(&mut world, 0, 100_000);
    }
    for (passed, left) in [(0, 86_400), (1, 86_399), (86_399, 1)] {
        world.set_clock(GENESIS + passed);
        for provider in [&junior, &senior] {
            let redeem = provider.redeem_instruction(&world, 0, 0);
            let says =
                ("RedeemTooEarly", &*format!("too early to redeem or cancel the ticket: wait {left} s"));
            refuse_saying(&mut world, &redeem, &[&provider.trader.key], says);
        }
    }
    world.advance(1);
    for provider in [&junior, &senior] {
        assert_eq!(provider.redeem(&mut world, 0).shares, 100_000);
    }
}

#[test]
fn the_signed_minimum_is_a_bound_to_the_unit() {
    let (mut world, junior, _) = two();
    junior.request(&mut world, 0, 300_000);
    world.advance(DELAY);
    for more in [299_668, u64::MAX] {
        let redeem = junior.redeem_instruction(&world, 0, more);
        refuse(&mut world, &redeem, &[&junior.trader.key], "BelowMinimumAmount");
    }
    let redeem = junior.redeem_instruction(&world, 0, 299_667);
    accept(&mut world, &redeem, &[&junior.trader.key]);
    assert_eq!(junior.quote(&world), 299_667);
}

#[test]
fn the_lower_of_the_values_at_request_and_now_is_paid() {
    type Change = fn(&mut World);
    // Of two million, 500,000 come or go: a share is worth 1.25 or 0.75.
    let table: [(Change, u64); 3] =
        [(|_| (), 300_000), (|w| earn(w, 500_000), 300_000), (|w| lose(w, 500_000), 225_000)];
    for (change, value) in table {
        let (mut world, a, b) = juniors();
        assert_eq!(a.request(&mut world, 0, 300_000), 300_000);
        change(&mut world);
        world.advance(DELAY);
        let (others, left) = (b.worth(&world), nav(&world).low);
        let redeemed = a.redeem(&mut world, 0);
        assert_eq!((redeemed.paid + redeemed.fee, redeemed.fee), (value, value / 1_000));
        // What was not paid is with those who stay.
        assert_eq!(nav(&world).low, left - redeemed.paid);
        assert!(b.worth(&world) >= others);
    }
    // Between request and payment it was different: that does not count.
    let (mut world, a, _) = juniors();
    a.request(&mut world, 0, 300_000);
    lose(&mut world, 500_000);
    earn(&mut world, 500_000);
    world.advance(DELAY);
    assert_eq!(a.redeem(&mut world, 0).paid, 299_700);
}

/// Ten million in two markets, of which 100,000 shares are A's, and a trader long a thousand SOL.
fn with_trader() -> (World, Provider, Trader) {
    let mut world = markets();
    let a = Provider::with_shares(&mut world, JUNIOR, 100_000 * DOLLAR);
    Provider::with_shares(&mut world, JUNIOR, 9_900_000 * DOLLAR);
    for market in [SOL, BTC] {
        allocate(&mut world, market);
    }
    let trader = world.funded_trader(100_000 * DOLLAR);
    world.open(&trader, SOL, Side::Long, 1_000 * SOL_ASSET.one()).expect("open");
    (world, a, trader)
}

#[test]
fn what_traders_win_meanwhile_lowers_the_payment_and_what_they_lose_does_not_raise_it() {
    for (price, gain) in [(120, 30_000), (180, -30_000_i64)] {
        let (mut world, a, _) = with_trader();
        let asked = a.request(&mut world, 0, 100_000 * DOLLAR);
        world.advance(DELAY);
        world.settle_price(SOL, price * PRINT);
        world.set_price(BTC, BTC_ASSET.price);
        let redeemed = a.redeem(&mut world, 0);
        let value = redeemed.paid + redeemed.fee;
        if gain > 0 {
            assert_eq!(value, asked);
        } else {
            // A hundredth of what the trader won.
            let lost = asked - value;
            assert!(lost.abs_diff(gain.unsigned_abs() * DOLLAR / 100) < DOLLAR / 10, "{lost}");
        }
    }
}

#[test]
fn attack_a_spike_at_the_moment_of_redemption_pays_nothing_more() {
    // The trader loses 30 dollars a SOL for one print: the average has hardly moved, and the lower of both counts.
    let (mut world, a, _) = with_trader();
    a.request(&mut world, 0, 100_000 * DOLLAR);
    lose(&mut world, 1_000_000 * DOLLAR);
    wait(&mut world, DELAY);
    let mut spiked = world.fork();
    let [calm, spike] = [(&mut world, 150), (&mut spiked, 120)].map(|(world, price)| {
        world.move_price(SOL, price * PRINT);
        a.redeem(world, 0).paid
    });
    // At the price of the print a hundredth of 30,000 dollars more.
    assert!(spike >= calm && spike - calm < DOLLAR, "{calm} {spike}");
    // At the request it is the same: a spike is not written into the ticket.
    let (mut world, a, _) = with_trader();
    let mut spiked = world.fork();
    spiked.move_price(SOL, 120 * PRINT);
    world.move_price(SOL, 150 * PRINT);
    let [calm, spike] = [&mut world, &mut spiked].map(|world| a.request(world, 0, 100_000 * DOLLAR));
    assert!(spike >= calm && spike - calm < DOLLAR, "{calm} {spike}");
}

#[test]
fn the_fee_stays_with_those_who_stay() {
    let (mut world, a, b) = juniors();
    a.request(&mut world, 0, 1_000_000);
    world.advance(DELAY);
    let redeemed = a.redeem(&mut world, 0);
    assert_eq!((redeemed.paid, redeemed.fee, world.pool().core.idle), (999_000, 1_000, 1_001_000));
    // The virtual thousand has its part of it.
    assert_eq!(b.worth(&world), 1_000_000 * 1_002_000 / 1_001_000);
}

#[test]
fn zero_too_many_and_worthless_shares_are_not_requested() {
    let (mut world, junior, senior) = two();
    Provider::with_shares(&mut world, JUNIOR, 1_000_000);
    let table = [
        (0, "ZeroAmount"),
        (1, "WorthNothing"), // a unit, and the fee of a unit
        (1_000_001, "insufficient funds"),
        (2_000_001, "InsufficientBalance"),
        (u64::MAX, "InsufficientBalance"),
    ];
    for (shares, name) in table {
        let request = junior.request_instruction(&world, 0, shares);
        refuse(&mut world, &request, &[&junior.trader.key], name);
    }
    let request = senior.request_instruction(&world, 0, 500_001);
    refuse(&mut world, &request, &[&senior.trader.key], "InsufficientBalance");
    assert_eq!(junior.request(&mut world, 0, 2), 2);
    assert_eq!(junior.request(&mut world, 1, 999_998), 999_998);
    assert_eq!(junior.held(&world), 0);
}

/// What a price that is not Fresh is called, and how it comes about: older by this many seconds, or one of the others.
type Spoil = fn(&mut Market, i64);
const SPOILED: [(&str, Spoil); 3] = [
    ("PriceStale", |m, age| m.core.oracle.publish_time -= age),
    ("PriceWide", |m, _| m.core.oracle.conf = m.core.oracle.price.to_bits() / 100 + 1),
    ("PriceDivergent", |m, _| m.core.oracle.divergent = 1),
];

#[test]
fn a_price_that_is_not_fresh_in_any_market_stops_request_and_redemption_and_never_cancelling() {
    let (mut world, a, _) = with_trader();
    in_both_markets(&mut world);
    a.request(&mut world, 0, 1_000 * DOLLAR);
    wait(&mut world, DELAY);
    let check = |world: &mut World, instruction: &Instruction, tolerated: i64| {
        for market in [SOL, BTC] {
            for (name, spoil) in SPOILED {
                let svm = world.svm.clone();
                world.tamper::<Market>(&address::market(market), |m| spoil(m, tolerated + 1));
                refuse(world, instruction, &[&a.trader.key], name);
                let cancel = a.cancel_instruction(world, 0);
                accept(world, &cancel, &[&a.trader.key]);
                world.svm = svm;
            }
        }
        let svm = world.svm.clone();
        world.tamper::<Market>(&address::market(SOL), |m| m.core.oracle.publish_time -= tolerated);
        accept(world, instruction, &[&a.trader.key]);
        world.svm = svm;
    };
    // As for margin, and as for a trade: a provider must not be paid at a price that he knows to be old.
    let (request, redeem) = (a.request_instruction(&world, 1, 1_000), a.redeem_instruction(&world, 0, 0));
    check(&mut world, &request, 60);
    check(&mut world, &redeem, 5);
}

/// Cancels, and checks the event and that nobody has gained or lost anything.
#[track_caller]
fn cancels(world: &mut World, (a, b): (&Provider, &Provider), shares: u64) {
    let (pool, others, held) = (world.pool(), b.worth(world), a.held(world));
    let (value, sequence) = (worth(world, a.tranche, held + shares), pool.sequence);
    let cancel = a.cancel_instruction(world, 0);
    let outcome = accept(world, &cancel, &[&a.trader.key]);
    let (provider, tranche) = (a.trader.key.pubkey(), a.tranche.to_byte());
    let cancelled = RedeemCancelled { provider, nonce: 0, sequence, tranche, shares };
    assert_eq!(event(&outcome), &Event::RedeemCancelled(cancelled));
    assert_eq!((a.held(world), a.worth(world), b.worth(world)), (held + shares, value, others));
    let core = world.pool().core;
    assert_eq!((core.idle, core.junior.shares, core.senior.shares), {
        let before = pool.core;
        (before.idle, before.junior.shares, before.senior.shares)
    });
    assert_eq!((core.junior.redeeming, core.senior.redeeming), (0, 0));
    assert_eq!(lamports(world, &a.ticket_key(0)), 0);
    shares_add_up(world);
}

#[test]
fn cancelling_gives_exactly_the_shares_back_and_earns_nothing() {
    type Change = fn(&mut World);
    let table: [Change; 3] = [|_| (), |w| earn(w, 500_000), |w| lose(w, 200_000)];
    for change in table {
        for after in [MIN_AGE, DELAY - 1, DELAY, DELAY + WINDOW, 10 * DELAY] {
            let (mut world, junior, senior) = two();
            let other = Provider::with_shares(&mut world, JUNIOR, 1_000_000);
            for (a, b) in [(&junior, &other), (&senior, &other)] {
                a.request(&mut world, 0, 200_000);
                change(&mut world);
                world.advance(after);
                cancels(&mut world, (a, b), 200_000);
            }
        }
    }
}

#[test]
fn the_rest_of_a_ticket_paid_in_part_can_be_cancelled() {
    let (mut world, a, b) = juniors();
    a.request(&mut world, 0, 500_000);
    world.advance(DELAY);
    world.tamper::<bulwark_sdk::program::state::Vault>(&world.listings.vaults[0].address.clone(), |v| {
        v.core.params.outflow.floor = 0;
        v.core.params.outflow.max_ppm = 50_000;
    });
    let redeemed = a.redeem(&mut world, 0);
    // A twentieth of two million that stood for a day.
    assert_eq!((redeemed.paid, redeemed.shares_left), (100_000, 500_000 - redeemed.shares));
    assert_eq!(redeemed.shares, 100_101, "100,101 less a fee of 101");
    cancels(&mut world, (&a, &b), redeemed.shares_left);
    assert_eq!(a.held(&world), 1_000_000 - 100_101);
}

#[test]
fn with_everything_paused_a_ticket_is_cancelled_but_not_paid() {
    let (mut world, a, b) = juniors();
    a.request(&mut world, 0, 500_000);
    world.advance(DELAY);
    world.pause(u8::MAX);
    let redeem = a.redeem_instruction(&world, 0, 0);
    refuse(&mut world, &redeem, &[&a.trader.key], "Paused");
    cancels(&mut world, (&a, &b), 500_000);
}

#[test]
fn while_other_ways_out_are_paused_a_ticket_is_paid() {
    for bits in [Pause::WITHDRAW.0, Pause::STAKE.0, !Pause::LIQUIDITY.0] {
        let (mut world, a, _) = juniors();
        a.request(&mut world, 0, 500_000);
        world.advance(DELAY);
        world.pause(bits);
        let redeem = a.redeem_instruction(&world, 0, 0);
        accept(&mut world, &redeem, &[&a.trader.key]);
        assert_eq!(a.held(&world), 500_000, "{bits}");
    }
}

#[test]
fn nobody_redeems_or_cancels_the_ticket_of_others() {
    let (mut world, a, b) = juniors();
    for provider in [&a, &b] {
        provider.request(&mut world, 0, 500_000);
    }
    world.advance(DELAY);
    let (redeem, cancel) = (a.redeem_instruction(&world, 0, 0), a.cancel_instruction(&world, 0));
    let thieves: [&Keypair; 2] = [&b.trader.key, &world.admin.insecure_clone()];
    for (instruction, own) in [(&redeem, (7, b.trader.tokens)), (&cancel, (6, b.shares))] {
        refuse(&mut world, &unsigned(instruction, 0), &[], "AccountNotSigner");
        for thief in thieves {
            let stolen = with_account(instruction, 0, thief.pubkey());
            refuse(&mut world, &stolen, &[thief], "Unauthorized");
            refuse(&mut world, &with_account(&stolen, own.0, own.1), &[thief], "Unauthorized");
        }
        // Nor does the owner send it elsewhere.
        refuse(&mut world, &with_account(instruction, own.0, own.1), &[&a.trader.key], "BadTokenAccount");
    }
    // Shares of somebody else are not put into a ticket either.
    let request = a.request_instruction(&world, 1, 1_000);
    refuse(&mut world, &with_account(&request, 6, b.shares), &[&a.trader.key], "BadTokenAccount");
}

#[test]
fn attack_a_junior_ticket_does_not_come_back_as_senior_shares() {
    let (mut world, junior, _) = two();
    junior.request(&mut world, 0, 100_000);
    world.advance(MIN_AGE);
    let cancel = junior.cancel_instruction(&world, 0);
    let mint = address::share_mint(SENIOR);
    let senior = world.create_tokens(mint, junior.trader.key.pubkey(), 0);
    let key = &junior.trader.key;
    refuse(&mut world, &with_account(&with_account(&cancel, 5, mint), 6, senior), &[key], "WrongAccount");
    refuse(&mut world, &with_account(&cancel, 5, mint), &[key], "BadTokenAccount");
    refuse(&mut world, &with_account(&cancel, 6, senior), &[key], "BadTokenAccount");
}
