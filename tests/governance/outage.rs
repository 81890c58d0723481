//! A market whose oracle is silent: anyone stops its increases, and anyone lets it go on once it has a price again.

use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::events::MarketStatusChanged;
use bulwark_sdk::program::state::{ChangePayload, MarketStatus};
use bulwark_tests::fixtures::DOLLAR;
use bulwark_tests::{Trader, World};

use crate::scene::*;
use MarketStatus::{Active, ReduceOnly};

/// Seconds without a price after which the fixtures' markets can be suspended, and that it takes to resume them.
const OUTAGE: i64 = 3_600;

/// A long UNI position, and the UNI market suspended a second after its outage.
fn suspended() -> (World, Trader) {
    let (mut world, ..) = two_markets();
    let trader = world.funded_trader(10_000 * DOLLAR);
    world.open(&trader, A, Side::Long, 2 * ONE).expect("open");
    refresh(&mut world);
    world.advance(OUTAGE + 1);
    accept(&mut world, &ix::suspend_market(A), &[]);
    (world, trader)
}

fn fresh(world: &mut World) {
    print(world, (A, &UNI), (UNI.price, 0));
}

#[test]
fn anyone_suspends_a_market_once_its_outage_is_too_long_and_not_before() {
    let (mut world, ..) = two_markets();
    let trader = world.funded_trader(10_000 * DOLLAR);
    world.open(&trader, A, Side::Long, 2 * ONE).expect("open");
    refresh(&mut world);
    let (_, _, revision, _) = life(&world, A);
    for passed in [0, 1, 61, OUTAGE - 62] {
        world.advance(passed);
        refuse(&mut world, &ix::suspend_market(A), &[], "NoOutage");
    }
    // Its own limit, not the other market's: that one has had a price.
    world.advance(OUTAGE - (OUTAGE - 62) - 62);
    assert_eq!(world.now() - world.market(A).core.oracle.publish_time, OUTAGE);
    refuse(&mut world, &ix::suspend_market(A), &[], "NoOutage");
    print(&mut world, (B, &DUO), (DUO.price, 0));
    world.advance(1);
    refuse(&mut world, &ix::suspend_market(B), &[], "NoOutage");

    let sequence = world.market(A).sequence;
    let outcome = accept(&mut world, &ix::suspend_market(A), &[]);
    let expected = MarketStatusChanged { market: A, sequence, status: ReduceOnly, outage: true };
    assert_eq!(event(&outcome), &Event::MarketStatusChanged(expected));
    assert_eq!(life(&world, A), (ReduceOnly, true, revision, 0));
    assert_eq!(world.market(A).suspended_at, world.now());
    refuse(&mut world, &ix::suspend_market(A), &[], "ReduceOnly");
    assert_eq!(life(&world, B).0, Active);
}

#[test]
fn a_print_ends_an_outage_that_nobody_has_used() {
    let (mut world, ..) = two_markets();
    world.advance(10 * OUTAGE);
    assert!(world.fork().send(&[ix::suspend_market(A)], &[]).is_ok());
    // The oracle's account alone does not: it must be taken in.
    world.print(&UNI, UNI.price, 0);
    assert!(world.fork().send(&[ix::suspend_market(A)], &[]).is_ok());
    fresh(&mut world);
    refuse(&mut world, &ix::suspend_market(A), &[], "NoOutage");
}

#[test]
fn in_a_suspended_market_one_closes_as_soon_as_there_is_a_price_and_opens_nothing() {
    let (mut world, trader) = suspended();
    let close = world.close_instruction(&trader, A, ONE);
    refuse(&mut world, &close, &[&trader.key], "PriceStale");
    let open = world.open_instruction(&trader, A, Side::Long, ONE);
    refuse(&mut world, &open, &[&trader.key], "ReduceOnly");
    fresh(&mut world);
    refuse(&mut world, &open, &[&trader.key], "ReduceOnly");
    accept(&mut world, &close, &[&trader.key]);
    let allocate = ix::allocate_liquidity(&world.listings, A);
    print(&mut world, (B, &DUO), (DUO.price, 0));
    let cash = world.market(A).core.book.cash;
    accept(&mut world, &allocate, &[]);
    assert!(world.market(A).core.book.cash < cash / 100, "the pool leaves it");
    let close = world.close_instruction(&trader, A, u64::MAX);
    accept(&mut world, &close, &[&trader.key]);
}

#[test]
fn anyone_resumes_a_market_that_has_a_fresh_price_and_was_suspended_for_long_enough() {
    let (mut world, trader) = suspended();
    let (_, _, revision, _) = life(&world, A);
    let open = world.open_instruction(&trader, A, Side::Long, ONE);
    for passed in [0, 1, OUTAGE - 2] {
        world.advance(passed);
        fresh(&mut world);
        refuse(&mut world, &ix::resume_market(A), &[], "NotSuspended");
    }
    world.advance(1);
    assert_eq!(world.now() - world.market(A).suspended_at, OUTAGE);
    // Long enough, and the last price is a second old: it goes on. A minute later the price is not Fresh.
    accept(&mut world.fork(), &ix::resume_market(A), &[]);
    world.advance(60);
    refuse(&mut world, &ix::resume_market(A), &[], "PriceStale");
    print(&mut world, (A, &UNI), (UNI.price, UNI.price.unsigned_abs() / 99));
    refuse(&mut world, &ix::resume_market(A), &[], "PriceWide");
    world.advance(1);
    fresh(&mut world);

    let sequence = world.market(A).sequence;
    let outcome = accept(&mut world, &ix::resume_market(A), &[]);
    let expected = MarketStatusChanged { market: A, sequence, status: Active, outage: true };
    assert_eq!(event(&outcome), &Event::MarketStatusChanged(expected));
    assert_eq!(life(&world, A), (Active, false, revision, 0));
    refuse(&mut world, &ix::resume_market(A), &[], "NotSuspended");
    accept(&mut world, &open, &[&trader.key]);
    // A second outage is a new one: its time counts from its own suspension.
    world.advance(OUTAGE + 1);
    accept(&mut world, &ix::suspend_market(A), &[]);
    fresh(&mut world);
    refuse(&mut world, &ix::resume_market(A), &[], "NotSuspended");
}

#[test]
fn what_governance_has_stopped_is_not_resumed() {
    for at_once in [true, false] {
        let (mut world, _) = suspended();
        if at_once {
            stop(&mut world, A);
        } else {
            let nonce = ripe(&mut world, to(A, ReduceOnly));
            world.execute(nonce, None).expect("execute_change");
        }
        assert!(!life(&world, A).1);
        for _ in 0..3 {
            world.advance(OUTAGE);
            fresh(&mut world);
            refuse(&mut world, &ix::resume_market(A), &[], "NotSuspended");
        }
        activate(&mut world, (A, &UNI));
        assert_eq!(life(&world, A).0, Active);
    }
    // And one that was suspended is activated by a change without waiting for more than its delay.
    let (mut world, _) = suspended();
    activate(&mut world, (A, &UNI));
    assert_eq!((life(&world, A).0, life(&world, A).1), (Active, false));
    refuse(&mut world, &ix::resume_market(A), &[], "NotSuspended");
}

#[test]
fn an_outage_voids_no_change() {
    let (mut world, ..) = two_markets();
    let [stop, resumed] = [(); 2].map(|()| world.propose(to(A, ReduceOnly)).expect("propose_change"));
    let eta = world.change(resumed).timelock.eta;
    world.set_clock(eta - OUTAGE);
    accept(&mut world, &ix::suspend_market(A), &[]);
    world.set_clock(eta);
    world.fork().execute(stop, None).expect("while it is suspended");
    fresh(&mut world);
    accept(&mut world, &ix::resume_market(A), &[]);
    world.execute(resumed, None).expect("and once it was resumed");
    assert_eq!((life(&world, A).0, life(&world, A).1), (ReduceOnly, false));
    // A settlement that was proposed while it was suspended does not settle a market that trades again.
    activate(&mut world, (A, &UNI));
    world.advance(OUTAGE + 1);
    accept(&mut world, &ix::suspend_market(A), &[]);
    let nonces = [to(A, MarketStatus::Settling), to(A, Active)]
        .map(|payload| world.propose(payload).expect("propose_change"));
    world.set_clock(world.change(nonces[1]).timelock.eta);
    fresh(&mut world);
    accept(&mut world, &ix::resume_market(A), &[]);
    for nonce in nonces {
        refuse_execution(&mut world, (nonce, None), "BadTransition");
    }
}

#[test]
fn a_market_that_settles_is_neither_suspended_nor_resumed() {
    let (mut world, _) = suspended();
    fresh(&mut world);
    settle(&mut world, (A, &UNI), UNI.price);
    for _ in 0..2 {
        refuse(&mut world, &ix::suspend_market(A), &[], "ReduceOnly");
        refuse(&mut world, &ix::resume_market(A), &[], "NotSuspended");
        world.advance(10 * OUTAGE);
    }
}

#[test]
fn the_outage_is_what_the_market_says() {
    for seconds in [600_u16, 43_200] {
        let (mut world, ..) = two_markets();
        let mut params = world.market(A).core.params;
        params.max_outage = seconds;
        // As governance would; what of it may be done at once is not the question here.
        let nonce = ripe(&mut world, ChangePayload::MarketParams { market: A, params });
        world.execute(nonce, None).expect("execute_change");
        fresh(&mut world);
        world.advance(i64::from(seconds));
        refuse(&mut world, &ix::suspend_market(A), &[], "NoOutage");
        world.advance(1);
        accept(&mut world, &ix::suspend_market(A), &[]);
        world.advance(i64::from(seconds) - 1);
        fresh(&mut world);
        refuse(&mut world, &ix::resume_market(A), &[], "NotSuspended");
        world.advance(1);
        accept(&mut world, &ix::resume_market(A), &[]);
    }
}
