//! When a change can be executed: not before its delay is over, nor before a redemption that was asked for when it was
//! proposed is; and for a week.

use bulwark_sdk::address;
use bulwark_sdk::engine::governance::{DEFAULT_DELAY, MAX_DELAY, MIN_DELAY};
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::oracle::OracleSource;
use bulwark_sdk::program::state::{Change, ChangePayload, Exchange};
use bulwark_tests::{Failure, Signer, World, fixtures};

use crate::stage::{DAY, HOUR, WEEK, cancel, initialized, refuse, refused, stake_income, tighten};

/// `[delay, redeem_delay, redeem_window]` in force, and how long a change waits.
const WAITS: [([u32; 3], i64); 9] = [
    ([86_400, 3_600, 3_600], 86_400),
    ([86_400, 39_600, 3_600], 86_400),
    ([86_400, 39_601, 3_600], 86_401),
    ([86_400, 39_600, 3_601], 86_401),
    ([172_800, 86_400, 21_600], 172_800),
    ([604_800, 86_400, 21_600], 604_800),
    ([604_800, 540_000, 21_601], 604_801),
    ([86_400, 2_592_000, 172_800], 2_808_000),
    ([604_800, 2_592_000, 172_800], 2_808_000),
];

fn empty([delay, redeem_delay, redeem_window]: [u32; 3]) -> Result<World, Failure> {
    initialized(|args| {
        args.exchange_params.delay = delay;
        args.pool_params.redeem_delay = redeem_delay;
        args.pool_params.redeem_window = redeem_window;
    })
}

fn another_guardian() -> ChangePayload {
    ChangePayload::Guardian { guardian: fixtures::address("next guardian") }
}

fn pool_redeems_after(world: &World, redeem_delay: u32) -> ChangePayload {
    let mut params = world.pool().core.params;
    params.redeem_delay = redeem_delay;
    ChangePayload::PoolParams { params }
}

fn delay(world: &World, delay: u32) -> ChangePayload {
    let mut params = world.exchange().params;
    params.delay = delay;
    ChangePayload::ExchangeParams { params }
}

/// Asserts that a change can be executed in its window, ends included, and at no other time.
#[track_caller]
fn assert_window(world: &World, nonce: u64, [eta, expiry]: [i64; 2]) {
    let at = |moment: i64| {
        let mut world = world.fork();
        world.set_clock(moment);
        world
    };
    let execute =
        |world: &World| ix::execute_change(&world.listings, &world.change(nonce), None).expect("builds");
    for early in [world.change(nonce).proposed_at, eta - 1] {
        let mut world = at(early);
        let execute = execute(&world);
        refuse(&mut world, &[execute], &[], "ChangeTooEarly");
    }
    for ripe in [eta, expiry] {
        at(ripe).execute(nonce, None).unwrap_or_else(|e| panic!("at {ripe}: {e:?}"));
    }
    for late in [expiry + 1, expiry + DAY, i64::MAX] {
        let mut world = at(expiry);
        // Slots don't go so far.
        let mut clock = world.svm.get_sysvar::<solana_clock::Clock>();
        clock.unix_timestamp = late;
        world.svm.set_sysvar(&clock);
        let execute = execute(&world);
        refuse(&mut world, &[execute], &[], "ChangeExpired");
    }
}

#[test]
fn a_delay_is_a_day_at_least_and_a_week_at_most_from_the_beginning() {
    assert_eq!([MIN_DELAY, DEFAULT_DELAY, MAX_DELAY].map(i64::from), [DAY, 2 * DAY, WEEK]);
    for (delay, allowed) in [(0, false), (86_399, false), (86_400, true), (604_800, true), (604_801, false)] {
        match (empty([delay, 86_400, 21_600]), allowed) {
            (Ok(world), true) => assert_eq!(world.exchange().params.delay, delay),
            (result, _) => refused(result, "ParameterOutOfBounds"),
        }
    }
}

#[test]
fn no_change_makes_the_delay_shorter_than_a_day_or_longer_than_a_week() {
    let mut world = World::empty();
    for (seconds, allowed) in [(0, false), (86_399, false), (86_400, true), (604_800, true), (604_801, false)]
    {
        let payload = delay(&world, seconds);
        let mut fork = world.fork();
        match (fork.propose(payload), allowed) {
            (Ok(nonce), true) => {
                fork.set_clock(fork.change(nonce).timelock.eta);
                fork.execute(nonce, None).expect("execute_change");
                assert_eq!(fork.exchange().params.delay, seconds);
            }
            (result, _) => refused(result, "ParameterOutOfBounds"),
        }
    }
    let (payload, guardian) = (delay(&world, 604_801), world.guardian.insecure_clone());
    refused(tighten(&mut world, &guardian, payload), "ParameterOutOfBounds");
}

#[test]
fn a_change_waits_for_its_delay_or_as_long_as_a_redemption_takes() {
    for (params, wait) in WAITS {
        let mut world = empty(params).expect("initialize_exchange");
        let (nonce, now) = (world.propose(stake_income(1)).expect("propose_change"), world.now());
        let lock = world.change(nonce).timelock;
        assert_eq!([lock.eta, lock.expiry], [now + wait, now + wait + WEEK], "{params:?}");
        let Some(Event::ChangeProposed(event)) = world.journal.last() else { panic!("an event") };
        assert_eq!([event.eta, event.expiry], [lock.eta, lock.expiry], "{params:?}");
        assert_window(&world, nonce, [lock.eta, lock.expiry]);
    }
}

#[test]
fn another_guardian_waits_for_two_days_whatever_the_delay() {
    for (params, wait) in [
        ([86_400, 3_600, 3_600], 2 * DAY),
        ([172_800, 3_600, 3_600], 2 * DAY),
        ([604_800, 3_600, 3_600], 2 * DAY),
        ([604_800, 86_400, 86_401], 2 * DAY + 12 * HOUR + 1),
    ] {
        let mut world = empty(params).expect("initialize_exchange");
        let (nonce, now) = (world.propose(another_guardian()).expect("propose_change"), world.now());
        assert_window(&world, nonce, [now + wait, now + wait + WEEK]);
    }
}

#[test]
fn a_listing_can_be_executed_in_its_window_only() {
    let mut world = World::empty();
    let listing = ChangePayload::CreateMarket {
        sources: [fixtures::pyth_source(fixtures::SOL_ASSET.feed(0)), OracleSource::NONE],
        params: fixtures::SOL_ASSET.listed_params(),
    };
    let (nonce, now) = (world.propose(listing).expect("propose_change"), world.now());
    assert_window(&world, nonce, [now + 2 * DAY, now + 2 * DAY + WEEK]);
}

/// What was promised to be over before a change would be in force takes longer since.
#[test]
fn a_longer_redemption_since_then_puts_a_change_off() {
    let mut world = empty([86_400, 86_400, 21_600]).expect("initialize_exchange");
    let (proposed, exit) = (world.now(), 21_600 + 12 * HOUR);
    let longer = pool_redeems_after(&world, 172_800);
    let longer = world.propose(longer).expect("propose_change");
    let pending =
        [stake_income(1), another_guardian()].map(|payload| world.propose(payload).expect("propose_change"));
    let stored = pending.map(|nonce| world.change(nonce).timelock);
    assert_eq!(stored.map(|lock| lock.eta - proposed), [DAY + exit, 2 * DAY]);

    world.set_clock(world.change(longer).timelock.eta);
    world.execute(longer, None).expect("execute_change");
    for (nonce, lock) in pending.into_iter().zip(stored) {
        let ripe = proposed + 2 * DAY + exit;
        assert_window(&world, nonce, [ripe, lock.expiry + (ripe - lock.eta)]);
        assert_eq!(world.change(nonce).timelock, lock, "what is stored stays");
    }
}

#[test]
fn a_change_that_was_put_off_beyond_its_window_has_a_week_from_there_but_anyone_may_cancel_it() {
    let mut world = empty([86_400, 1_296_000, 21_600]).expect("initialize_exchange");
    let (proposed, exit) = (world.now(), 21_600 + 12 * HOUR);
    let longer = pool_redeems_after(&world, 2_592_000);
    let longer = world.propose(longer).expect("propose_change");
    let nonce = world.propose(stake_income(1)).expect("propose_change");
    let lock = world.change(nonce).timelock;
    assert_eq!([lock.eta, lock.expiry], [proposed + 15 * DAY + exit, proposed + 22 * DAY + exit]);
    world.set_clock(lock.eta);
    world.execute(longer, None).expect("execute_change");

    let stranger = world.keypair();
    let ripe = proposed + 30 * DAY + exit;
    for (moment, name) in [
        (lock.eta, "ChangeTooEarly"),
        (lock.expiry, "ChangeTooEarly"),
        (ripe - 1, "ChangeTooEarly"),
        (ripe + WEEK + 1, "ChangeExpired"),
    ] {
        world.set_clock(moment);
        let execute = ix::execute_change(&world.listings, &world.change(nonce), None).expect("builds");
        refuse(&mut world, &[execute], &[], name);
        if moment <= lock.expiry {
            refused(cancel(&mut world, &stranger, nonce), "Unauthorized");
        }
    }
    cancel(&mut world, &stranger, nonce).expect("cancel_change");
}

#[test]
fn a_shorter_redemption_or_delay_since_then_brings_no_change_forward() {
    let mut world = empty([172_800, 259_200, 21_600]).expect("initialize_exchange");
    let (proposed, wait) = (world.now(), 3 * DAY + 21_600 + 12 * HOUR);
    let sooner = [pool_redeems_after(&world, 129_600), delay(&world, 86_400)];
    let sooner = sooner.map(|payload| world.propose(payload).expect("propose_change"));
    let nonce = world.propose(stake_income(1)).expect("propose_change");
    // As if those had been proposed long before.
    for key in sooner.map(address::change) {
        world.tamper::<Change>(&key, |change| {
            (change.proposed_at, change.timelock.eta) = (proposed - 30 * DAY, proposed);
        });
    }
    for early in sooner {
        world.execute(early, None).expect("execute_change");
    }
    assert_eq!((world.pool().core.params.redeem_delay, world.exchange().params.delay), (129_600, 86_400));
    assert_window(&world, nonce, [proposed + wait, proposed + wait + WEEK]);
}

#[test]
fn a_longer_delay_since_then_leaves_what_was_proposed_as_it_is() {
    let mut world = World::empty();
    let (nonce, proposed) = (world.propose(stake_income(1)).expect("propose_change"), world.now());
    let (payload, guardian) = (delay(&world, 604_800), world.guardian.insecure_clone());
    tighten(&mut world, &guardian, payload).expect("tighten");
    assert_window(&world, nonce, [proposed + 2 * DAY, proposed + 2 * DAY + WEEK]);
    let next = world.propose(stake_income(1)).expect("propose_change");
    assert_eq!(world.change(next).timelock.eta, proposed + WEEK);
}

#[test]
fn a_change_of_the_delay_waits_for_the_delay_that_it_ends() {
    let mut world = empty([604_800, 3_600, 3_600]).expect("initialize_exchange");
    let (payload, proposed) = (delay(&world, 86_400), world.now());
    let nonce = world.propose(payload).expect("propose_change");
    assert_window(&world, nonce, [proposed + WEEK, proposed + 2 * WEEK]);
    world.set_clock(proposed + WEEK);
    world.execute(nonce, None).expect("execute_change");
    let next = world.propose(stake_income(1)).expect("propose_change");
    assert_eq!(world.change(next).timelock.eta, proposed + WEEK + DAY);
}

#[test]
fn whoever_holds_no_key_executes() {
    let mut world = World::empty();
    let nonce = world.propose(stake_income(1)).expect("propose_change");
    world.set_clock(world.change(nonce).timelock.eta);
    let execute = ix::execute_change(&world.listings, &world.change(nonce), None).expect("builds");
    assert!(execute.accounts.iter().all(|meta| !meta.is_signer));
    let offices = [world.admin.pubkey(), world.guardian.pubkey()];
    assert!(execute.accounts.iter().all(|meta| !offices.contains(&meta.pubkey)));
    world.tamper::<Exchange>(&address::exchange(), |exchange| exchange.pause = 0b1111);
    world.execute(nonce, None).expect("no pause stops it");
}
