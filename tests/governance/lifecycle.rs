//! The life of a market as governance moves it: listed, activated, stopped; and every move that there is not.

use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::events::MarketStatusChanged;
use bulwark_sdk::program::state::{Change, ChangePayload, MarketStatus};
use bulwark_sdk::{address, program::state::Market};
use bulwark_tests::fixtures::DOLLAR;
use bulwark_tests::{Keypair, Signer as _, World};

use crate::scene::*;
use MarketStatus::{Active, ReduceOnly, Settling};

/// Seconds without a price after which the fixtures' markets can be suspended.
const OUTAGE: i64 = 3_600;

fn changed(market: u16, sequence: u64, status: MarketStatus, outage: bool) -> Event {
    Event::MarketStatusChanged(MarketStatusChanged { market, sequence, status, outage })
}

#[test]
fn a_listed_market_waits_for_a_change_and_a_fresh_price_before_anybody_is_in_it() {
    let mut world = World::empty();
    let provider = world.trader(10_000_000 * DOLLAR);
    world.add_liquidity(&provider, 10_000_000 * DOLLAR).expect("add_liquidity");
    let trader = world.funded_trader(10_000 * DOLLAR);
    assert_eq!(list(&mut world, &UNI, UNI.listed_params()), A);
    assert_eq!(life(&world, A), (ReduceOnly, false, 1, 0));

    // Fresh as it is, nothing can be opened, there is nothing to close, and no pool money goes there.
    let open = world.open_instruction(&trader, A, Side::Long, ONE);
    let close = world.close_instruction(&trader, A, u64::MAX);
    let allocate = ix::allocate_liquidity(&world.listings, A);
    refuse(&mut world, &open, &[&trader.key], "ReduceOnly");
    refuse(&mut world, &close, &[&trader.key], "NoPosition");
    refuse(&mut world, &allocate, &[], "NothingToAllocate");
    // Nobody has suspended it, so nobody resumes it, however long it waits.
    refuse(&mut world, &ix::suspend_market(A), &[], "ReduceOnly");
    world.advance(10 * OUTAGE);
    print(&mut world, (A, &UNI), (UNI.price, 0));
    refuse(&mut world, &ix::resume_market(A), &[], "NotSuspended");

    let nonce = ripe(&mut world, to(A, Active));
    // The price of two days ago, one that is a second too old, and one that nobody is sure of.
    refuse_execution(&mut world, (nonce, None), "PriceStale");
    print(&mut world, (A, &UNI), (UNI.price, 0));
    world.advance(61);
    refuse_execution(&mut world, (nonce, None), "PriceStale");
    print(&mut world, (A, &UNI), (UNI.price, UNI.price.unsigned_abs() / 99));
    refuse_execution(&mut world, (nonce, None), "PriceWide");
    assert_eq!(life(&world, A), (ReduceOnly, false, 1, 0));
    world.advance(1);
    print(&mut world, (A, &UNI), (UNI.price, 0));
    world.advance(60);

    let sequence = world.market(A).sequence;
    let (payer, rent) = (world.payer.pubkey(), lamports(&world, &address::change(nonce)));
    let rich = lamports(&world, &payer);
    assert_eq!(rent, world.svm.minimum_balance_for_rent_exemption(Change::SPACE));
    let outcome = world.execute(nonce, None).expect("execute_change");
    assert_eq!(outcome.events[0], changed(A, sequence, Active, false));
    assert_eq!(outcome.events.len(), 2, "and that it was executed");
    assert_eq!(life(&world, A), (Active, false, 2, 0));
    assert!(lamports(&world, &payer) > rich && lamports(&world, &address::change(nonce)) == 0);

    print(&mut world, (A, &UNI), (UNI.price, 0));
    accept(&mut world, &allocate, &[]);
    accept(&mut world, &open, &[&trader.key]);
    let close = world.close_instruction(&trader, A, u64::MAX);
    accept(&mut world, &close, &[&trader.key]);
}

#[test]
fn a_change_lets_a_market_only_be_reduced_whatever_its_price() {
    let (mut world, ..) = two_markets();
    let trader = world.funded_trader(10_000 * DOLLAR);
    world.open(&trader, A, Side::Long, ONE).expect("open");
    let (_, _, revision, _) = life(&world, A);
    let nonce = ripe(&mut world, to(A, ReduceOnly));
    let sequence = world.market(A).sequence;
    let outcome = world.execute(nonce, None).expect("with a price of two days ago");
    assert_eq!(outcome.events[0], changed(A, sequence, ReduceOnly, false));
    assert_eq!(life(&world, A), (ReduceOnly, false, revision + 1, 0));

    print(&mut world, (A, &UNI), (UNI.price, 0));
    let [open, more] = [Side::Short, Side::Long].map(|side| world.open_instruction(&trader, A, side, ONE));
    refuse(&mut world, &open, &[&trader.key], "ReduceOnly");
    refuse(&mut world, &more, &[&trader.key], "ReduceOnly");
    world.advance(OUTAGE);
    print(&mut world, (A, &UNI), (UNI.price, 0));
    refuse(&mut world, &ix::resume_market(A), &[], "NotSuspended");
    world.close(&trader, A, ONE / 2).expect("close a part");
    world.close(&trader, A, u64::MAX).expect("close");
    // The pool's money can leave it, and none goes back.
    print(&mut world, (B, &DUO), (DUO.price, 0));
    let allocate = ix::allocate_liquidity(&world.listings, A);
    accept(&mut world, &allocate, &[]);
    assert_eq!(world.market(A).core.book.cash, 0);
    refuse(&mut world, &allocate, &[], "NothingToAllocate");
    // The other market goes on.
    world.open(&trader, B, Side::Long, ONE).expect("open");
}

#[test]
fn admin_and_guardian_stop_a_market_at_once_and_nobody_else_does() {
    let (mut world, ..) = two_markets();
    let trader = world.funded_trader(10_000 * DOLLAR);
    let stranger = funded(&mut world);
    let payload = to(A, ReduceOnly);
    let by_stranger = tighten(&world, &stranger, payload);
    refuse(&mut world, &by_stranger, &[&stranger], "Unauthorized");
    for who in [world.admin.insecure_clone(), world.guardian.insecure_clone()] {
        let mut world = world.fork();
        let (_, _, revision, _) = life(&world, A);
        let sequence = world.market(A).sequence;
        let stop = tighten(&world, &who, payload);
        let outcome = accept(&mut world, &stop, &[&who]);
        assert_eq!(outcome.events[0], changed(A, sequence, ReduceOnly, false));
        assert_eq!(life(&world, A), (ReduceOnly, false, revision + 1, 0));
        assert_eq!(life(&world, B).0, Active);
        let open = world.open_instruction(&trader, A, Side::Long, ONE);
        refuse(&mut world, &open, &[&trader.key], "ReduceOnly");
        // Nor the way back.
        for status in [Active, Settling] {
            let tighten = tighten(&world, &who, to(A, status));
            refuse(&mut world, &tighten, &[&who], "NotTightenable");
        }
    }
}

/// How a market that nobody is in comes into each part of its life.
fn lives() -> [(&'static str, World); 4] {
    let (active, ..) = two_markets();
    let mut stopped = active.fork();
    stop(&mut stopped, A);
    let mut suspended = active.fork();
    suspended.advance(OUTAGE + 1);
    accept(&mut suspended, &ix::suspend_market(A), &[]);
    let mut settling = stopped.fork();
    settle(&mut settling, (A, &UNI), UNI.price);
    [("active", active), ("reduce-only", stopped), ("suspended", suspended), ("settling", settling)]
}

#[test]
fn every_move_is_allowed_or_refused_as_the_table_says() {
    // To be reduced, activated, settled: by a change, and at once.
    let table = [
        ["", "BadTransition", "BadTransition", "", "BadTransition", "BadTransition"],
        ["BadTransition", "", "", "BadTransition", "NotTightenable", "NotTightenable"],
        ["", "", "", "", "NotTightenable", "NotTightenable"],
        ["BadTransition"; 6],
    ];
    for ((from, world), row) in lives().into_iter().zip(table) {
        let guardian = world.guardian.insecure_clone();
        for (n, expected) in row.into_iter().enumerate() {
            let mut world = world.fork();
            let status = [ReduceOnly, Active, Settling][n % 3];
            let (before, what) = (life(&world, A), format!("{from} to {status:?}"));
            if n < 3 && expected.is_empty() {
                let nonce = ripe(&mut world, to(A, status));
                print(&mut world, (A, &UNI), (UNI.price, 0));
                world.execute(nonce, None).expect(&what);
            } else if n < 3 {
                refuse_proposal(&mut world, to(A, status), expected);
            } else {
                let tighten = tighten(&world, &guardian, to(A, status));
                if expected.is_empty() {
                    accept(&mut world, &tighten, &[&guardian]);
                } else {
                    refuse(&mut world, &tighten, &[&guardian], expected);
                }
            }
            let moved = (status, false, before.2 + 1, 0);
            assert_eq!(life(&world, A), if expected.is_empty() { moved } else { before }, "{what}");
        }
    }
}

#[test]
fn only_a_settlement_has_a_price() {
    for (from, world) in lives() {
        for status in [ReduceOnly, Active] {
            let mut world = world.fork();
            let payload = ChangePayload::MarketStatus { market: A, status, price: 1 << 30 };
            let possible = match from {
                "active" => status == ReduceOnly,
                "reduce-only" => status == Active,
                "suspended" => true,
                _ => false,
            };
            let name = if possible { "InvalidPayload" } else { "BadTransition" };
            refuse_proposal(&mut world, payload, name);
            let guardian = world.guardian.insecure_clone();
            let tighten = tighten(&world, &guardian, payload);
            refuse(&mut world, &tighten, &[&guardian], name);
        }
    }
}

#[test]
fn a_move_voids_what_was_proposed_before_it() {
    let (mut world, ..) = two_markets();
    let proposed = [
        to(A, ReduceOnly),
        ChangePayload::MarketParams { market: A, params: UNI.listed_params() },
        ChangePayload::MarketParams { market: B, params: DUO.listed_params() },
    ]
    .map(|payload| world.propose(payload).expect("propose_change"));
    stop(&mut world, A);
    world.set_clock(world.change(proposed[2]).timelock.eta);
    for nonce in &proposed[..2] {
        refuse_execution(&mut world, (*nonce, None), "ChangeVoid");
    }
    world.execute(proposed[2], None).expect("the other market was not moved");
    // What is proposed for a market that can't be activated twice is void once it was.
    let twice = [0; 2].map(|_| world.propose(to(A, Active)).expect("propose_change"));
    world.set_clock(world.change(twice[1]).timelock.eta);
    print(&mut world, (A, &UNI), (UNI.price, 0));
    world.execute(twice[1], None).expect("in whatever order");
    refuse_execution(&mut world, (twice[0], None), "ChangeVoid");
}

#[test]
fn a_moved_market_is_named_by_the_change_and_by_the_account() {
    let (mut world, ..) = two_markets();
    let nonce = ripe(&mut world, to(A, ReduceOnly));
    let execute = ix::execute_change(&world.listings, &world.change(nonce), None).expect("builds");
    let place = execute.accounts.iter().position(|a| a.pubkey == address::market(A)).expect("the market");
    let other = with_account(&execute, place, address::market(B));
    refuse(&mut world, &other, &[], "WrongAccount");
    let none = with_account(&execute, place, address::PROGRAM);
    refuse(&mut world, &none, &[], "AccountMissing");
    let guardian: Keypair = world.guardian.insecure_clone();
    let tighten = tighten(&world, &guardian, to(A, ReduceOnly));
    let place = tighten.accounts.iter().position(|a| a.pubkey == address::market(A)).expect("the market");
    let other = with_account(&tighten, place, address::market(B));
    refuse(&mut world, &other, &[&guardian], "WrongAccount");
    accept(&mut world, &execute, &[]);
    assert_eq!([life(&world, A).0, life(&world, B).0], [ReduceOnly, Active]);
    let pair = [A, B].map(|market| world.get::<Market>(&address::market(market)).index);
    assert_eq!(pair, [A, B]);
}
