//! When a change can be executed, as the SDK and the program see it.

use bulwark_sdk::explain::Status;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::oracle::OracleSource;
use bulwark_sdk::program::state::ChangePayload;
use bulwark_tests::fixtures::{self, SOL_ASSET};
use bulwark_tests::{SOL, World};

use super::{explain, explain_stored};
use crate::changes::kinds::{cases, print_all, world};
use crate::stage::{DAY, WEEK, hand_over, stake_income, taker_fee, tighten};

/// What `execute_change` makes of a change at this clock.
fn executed(world: &World, nonce: u64) -> Result<(), String> {
    let mut world = world.fork();
    let execute = ix::execute_change(&world.listings, &world.change(nonce), None).expect("builds");
    world.send(&[execute], &[]).map(drop).map_err(|failure| failure.name.expect("a name"))
}

#[track_caller]
fn assert_status(world: &World, nonce: u64, status: Status, outcome: Result<(), &str>) {
    assert_eq!(explain_stored(world, nonce).status, status);
    assert_eq!(executed(world, nonce), outcome.map_err(str::to_string));
}

#[test]
fn the_status_is_what_execution_makes_of_it() {
    let mut world = World::empty();
    let now = world.now();
    let nonce = world.propose(stake_income(1)).expect("propose_change");
    let (eta, expiry) = (now + 2 * DAY, now + 2 * DAY + WEEK);
    for (moment, status, outcome) in [
        (now, Status::Waits(2 * DAY), Err("ChangeTooEarly")),
        (eta - 1, Status::Waits(1), Err("ChangeTooEarly")),
        (eta, Status::Ripe(WEEK), Ok(())),
        (expiry, Status::Ripe(0), Ok(())),
        (expiry + 1, Status::Expired, Err("ChangeExpired")),
    ] {
        world.set_clock(moment);
        assert_status(&world, nonce, status, outcome);
        let explained = explain_stored(&world, nonce);
        assert_eq!((explained.nonce, explained.eta, explained.expiry), (nonce, eta, expiry));
        assert_eq!(explained.explanation, explain(&world, &stake_income(1)));
    }
}

#[test]
fn the_status_of_a_listing_is_executed_once_it_is() {
    let mut world = World::empty();
    let sources = [fixtures::pyth_source(SOL_ASSET.feed(0)), OracleSource::NONE];
    let listing = ChangePayload::CreateMarket { sources, params: SOL_ASSET.listed_params() };
    let nonce = world.propose(listing).expect("propose_change");
    world.set_clock(world.change(nonce).timelock.eta);
    assert_status(&world, nonce, Status::Ripe(WEEK), Ok(()));
    world.execute(nonce, None).expect("execute_change");
    assert_status(&world, nonce, Status::Executed(WEEK), Err("ChangeIsExecuted"));
    world.advance(WEEK);
    assert_status(&world, nonce, Status::Executed(0), Err("ChangeIsExecuted"));
    world.advance(1);
    assert_status(&world, nonce, Status::Expired, Err("ChangeIsExecuted"));
}

/// Every case against every other one of the same target, and under another admin.
#[test]
fn void_is_said_of_what_is_void() {
    let base = world();
    let all = cases(&base);
    let mut proposed = base.fork();
    let nonces: Vec<_> =
        all.iter().map(|case| proposed.propose(case.payload).expect("propose_change")).collect();
    proposed.set_clock(proposed.change(nonces[0]).timelock.eta);
    print_all(&mut proposed);
    let mut void = 0;
    for (first, nonce) in all.iter().zip(&nonces) {
        let mut world = proposed.fork();
        world.execute(*nonce, first.oracles).expect("execute_change");
        for (second, other) in all.iter().zip(&nonces).filter(|(_, other)| *other != nonce) {
            let outcome = world.fork().execute(*other, second.oracles).map(drop);
            let status = explain_stored(&world, *other).status;
            match outcome {
                Ok(()) => assert_eq!(status, Status::Ripe(WEEK)),
                Err(failure) => {
                    assert!(failure.is("ChangeVoid"), "{failure:?}");
                    assert_eq!(status, Status::Void);
                    void += 1;
                }
            }
        }
    }
    // Three of SOL, two of BTC, two of each vault.
    assert_eq!(void, 6 + 2 + 2 + 2);
    let next = proposed.keypair();
    hand_over(&mut proposed, &next);
    for nonce in nonces {
        assert_eq!(explain_stored(&proposed, nonce).status, Status::Void);
    }
}

#[test]
fn void_is_said_before_it_is_ripe_and_expired_after_all() {
    let mut world = World::new();
    let guardian = world.guardian.insecure_clone();
    let payload = taker_fee(&world, SOL, 600);
    let nonce = world.propose(payload).expect("propose_change");
    let mut params = world.market(SOL).core.params;
    params.max_outage /= 2;
    tighten(&mut world, &guardian, ChangePayload::MarketParams { market: SOL, params }).expect("tighten");
    assert_status(&world, nonce, Status::Void, Err("ChangeTooEarly"));
    world.set_clock(world.change(nonce).timelock.eta);
    assert_status(&world, nonce, Status::Void, Err("ChangeVoid"));
    world.advance(WEEK + 1);
    assert_status(&world, nonce, Status::Expired, Err("ChangeExpired"));
}

#[test]
fn a_change_that_was_put_off_waits_for_as_long_as_it_is() {
    let mut world = World::empty();
    let (now, mut params) = (world.now(), world.pool().core.params);
    params.redeem_delay *= 2;
    let [longer, nonce] = [ChangePayload::PoolParams { params }, stake_income(1)]
        .map(|payload| world.propose(payload).expect("propose_change"));
    world.set_clock(now + 2 * DAY);
    assert_status(&world, nonce, Status::Ripe(WEEK), Ok(()));
    world.execute(longer, None).expect("execute_change");
    // Twice a day, a window of six hours, half a day.
    let put_off = 18 * 3_600;
    assert_status(&world, nonce, Status::Waits(put_off), Err("ChangeTooEarly"));
    assert_eq!(explain_stored(&world, nonce).eta, now + 2 * DAY + put_off);
    world.advance(put_off);
    assert_status(&world, nonce, Status::Ripe(WEEK), Ok(()));
}
