//! Pauses by `set_pause`: what each bit stops and for how long, who sets it, and that only a change clears it.

use std::collections::BTreeSet;

use bulwark_sdk::Instruction;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::events::PauseSet;
use bulwark_sdk::program::state::{ChangePayload, Pause};
use bulwark_tests::{Keypair, Signer as _, World};

use crate::calls::{Call, all};
use crate::cast::Cast;
use crate::scene::*;

/// Seconds for which ways out can be stopped.
pub const STOPPED: i64 = 43_200;
/// Seconds after that in which they can't be stopped again.
const REST: i64 = 172_800;
/// The program's list of entry points.
const ENTRY_POINTS: &str = include_str!("../../programs/bulwark/src/lib.rs");

/// Calls that a bit of the exchange stops for as long as it is set.
pub const WAYS_IN: [(Pause, &[&str]); 4] = [
    (Pause::INCREASE, &["open_position", "execute_trigger, entry"]),
    (Pause::WITHDRAW, &[]),
    (Pause::LIQUIDITY, &["add_liquidity", "allocate_liquidity, in"]),
    (Pause::STAKE, &["stake_backstop"]),
];

/// Calls that a bit of the exchange stops for half a day.
pub const WAYS_OUT: [(Pause, &[&str]); 4] = [
    (Pause::INCREASE, &[]),
    (Pause::WITHDRAW, &["withdraw", "withdraw, collateral", "collect_protocol_fees"]),
    (Pause::LIQUIDITY, &["redeem"]),
    (Pause::STAKE, &["unstake"]),
];

/// Calls on a market that a bit of that market stops.
const OF_A_MARKET: [(Pause, &[&str]); 2] = [
    (Pause::INCREASE, &["open_position", "execute_trigger, entry"]),
    (Pause::LIQUIDITY, &["allocate_liquidity, in"]),
];

pub fn stops(table: &[(Pause, &[&str])], bits: u8, name: &str) -> bool {
    table.iter().any(|(bit, calls)| bit.is_set(bits) && calls.contains(&name))
}

pub fn expected(stopped: bool) -> Result<(), String> {
    if stopped { Err("Paused".into()) } else { Ok(()) }
}

fn pause_by(who: &Keypair, market: Option<u16>, bits: u8) -> Instruction {
    ix::set_pause(who.pubkey(), market, bits)
}

/// The guardian sets bits.
#[track_caller]
pub fn pause(world: &mut World, market: Option<u16>, bits: u8) {
    let guardian = world.guardian.insecure_clone();
    accept(world, &pause_by(&guardian, market, bits), &[&guardian]);
}

/// Whether a call goes through so many seconds after bits were set, if any were.
fn run(cast: &Cast, call: &Call, paused: Option<(Option<u16>, u8)>, seconds: i64) -> Result<(), String> {
    let set = |world: &mut World| {
        if let Some((market, bits)) = paused {
            pause(world, market, bits);
        }
    };
    run_after(cast, call, set, seconds)
}

/// Whether a call goes through so many seconds after something was done.
pub fn run_after(
    cast: &Cast,
    call: &Call,
    what: impl FnOnce(&mut World),
    seconds: i64,
) -> Result<(), String> {
    let mut cast = cast.fork();
    (call.prepare)(&mut cast);
    what(&mut cast.world);
    cast.wait(seconds);
    let (instructions, keys) = (call.build)(&mut cast);
    let keys: Vec<&Keypair> = keys.iter().collect();
    cast.world.send(&instructions, &keys).map(|_| ()).map_err(|failure| label(&failure))
}

#[test]
fn every_instruction_is_tried() {
    let names = ENTRY_POINTS.lines().filter_map(|line| line.strip_prefix("    pub fn "));
    let mut named: BTreeSet<&str> = names.filter_map(|line| line.split(['<', '(']).next()).collect();
    assert!(named.remove("initialize_exchange"), "there is nothing to pause yet");
    let calls = all();
    let tried: BTreeSet<&str> = calls.iter().map(|c| c.name.split(", ").next().expect("a name")).collect();
    assert_eq!(tried, named);
    let shapes: BTreeSet<&str> = calls.iter().map(|call| call.name).collect();
    assert_eq!(shapes.len(), calls.len(), "each once");
    for (_, names) in WAYS_IN.iter().chain(&WAYS_OUT).chain(&OF_A_MARKET) {
        assert!(names.iter().all(|name| shapes.contains(name)));
    }
}

#[test]
fn without_a_pause_every_call_goes_through_all_day() {
    let cast = Cast::new();
    for call in all() {
        for seconds in [0, STOPPED - 1, STOPPED] {
            assert_eq!(run(&cast, &call, None, seconds), Ok(()), "{} after {seconds} s", call.name);
        }
    }
}

#[test]
fn a_bit_of_the_exchange_stops_what_it_names_and_the_ways_out_for_half_a_day() {
    let cast = Cast::new();
    for call in all() {
        for bits in [1, 2, 4, 8, 15] {
            for (seconds, ended) in [(0, false), (STOPPED - 1, false), (STOPPED, true)] {
                let (way_in, way_out) = (stops(&WAYS_IN, bits, call.name), stops(&WAYS_OUT, bits, call.name));
                let result = run(&cast, &call, Some((None, bits)), seconds);
                let what = format!("{} after {seconds} s of {bits}", call.name);
                assert_eq!(result, expected(way_in || way_out && !ended), "{what}");
            }
        }
    }
}

#[test]
fn a_bit_of_a_market_stops_what_it_names_in_that_market_until_a_change() {
    let cast = Cast::new();
    for call in all() {
        for bits in [1, 4, 5] {
            let stopped = stops(&OF_A_MARKET, bits, call.name);
            for seconds in [0, STOPPED] {
                let result = run(&cast, &call, Some((Some(A), bits)), seconds);
                assert_eq!(result, expected(stopped), "{} after {seconds} s of {bits}", call.name);
            }
            assert_eq!(
                run(&cast, &call, Some((Some(B), bits)), 0),
                Ok(()),
                "{} of {bits} elsewhere",
                call.name
            );
        }
    }
}

// ---- who sets and who clears ----

#[test]
fn bits_that_there_are_not_are_refused() {
    let (mut world, ..) = two_markets();
    let guardian = world.guardian.insecure_clone();
    for bits in 0..=255_u8 {
        let known = [(None, bits != 0 && bits < 16), (Some(A), matches!(bits, 1 | 4 | 5))];
        for (market, known) in known {
            let set = pause_by(&guardian, market, bits);
            if known {
                let mut world = world.fork();
                let outcome = accept(&mut world, &set, &[&guardian]);
                let exits_until = world.exchange().exits.until;
                assert_eq!(exits_until != 0, market.is_none() && bits & 14 != 0, "{bits}");
                let expected = PauseSet { authority: guardian.pubkey(), market, bits, exits_until };
                assert_eq!(event(&outcome), &Event::PauseSet(expected));
                let stored = match market {
                    Some(_) => (0, world.market(A).pause, 0),
                    None => (world.exchange().pause, 0, 0),
                };
                assert_eq!((world.exchange().pause, world.market(A).pause, world.market(B).pause), stored);
            } else {
                refuse(&mut world, &set, &[&guardian], "InvalidPayload");
                refuse_proposal(&mut world, ChangePayload::Unpause { market, bits }, "InvalidPayload");
            }
        }
    }
}

#[test]
fn admin_and_guardian_pause_and_nobody_else_does() {
    let (mut world, ..) = two_markets();
    let stranger = funded(&mut world);
    for market in [None, Some(A)] {
        refuse(&mut world, &pause_by(&stranger, market, 1), &[&stranger], "Unauthorized");
        for who in [world.admin.insecure_clone(), world.guardian.insecure_clone()] {
            accept(&mut world.fork(), &pause_by(&who, market, 1), &[&who]);
            let mut unsigned = pause_by(&who, market, 1);
            unsigned.accounts[0].is_signer = false;
            refuse(&mut world, &unsigned, &[], "AccountNotSigner");
        }
    }
}

#[test]
fn bits_add_up_and_nobody_clears_them_at_once() {
    let (mut world, ..) = two_markets();
    let [admin, guardian] = [world.admin.insecure_clone(), world.guardian.insecure_clone()];
    for (market, bits) in [(None, [1, 4, 8, 2]), (Some(A), [4, 1, 4, 1])] {
        let mut all = 0;
        for bit in bits {
            pause(&mut world, market, bit);
            all |= bit;
            let stored = market.map_or(world.exchange().pause, |market| world.market(market).pause);
            assert_eq!(stored, all);
        }
        // To set fewer is to set none anew; to clear is no tightening, for whomever.
        accept(&mut world, &pause_by(&guardian, market, 1), &[&guardian]);
        let stored = market.map_or(world.exchange().pause, |market| world.market(market).pause);
        assert_eq!(stored, all);
        for who in [&admin, &guardian] {
            let clear = tighten(&world, who, ChangePayload::Unpause { market, bits: 1 });
            refuse(&mut world, &clear, &[who], "NotTightenable");
        }
    }
}

#[test]
fn a_change_clears_the_bits_that_it_names_and_no_others() {
    for (market, set) in [(None, 15), (Some(A), 5)] {
        for cleared in (1..=set).filter(|bits| bits & !set == 0) {
            let (mut world, ..) = two_markets();
            pause(&mut world, market, set);
            pause(&mut world, Some(B), 5);
            let nonce = ripe(&mut world, ChangePayload::Unpause { market, bits: cleared });
            world.execute(nonce, None).expect("execute_change");
            let left = set & !cleared;
            let expected = if market.is_none() { (left, 0, 5) } else { (0, left, 5) };
            assert_eq!((world.exchange().pause, world.market(A).pause, world.market(B).pause), expected);
        }
    }
}

#[test]
fn what_would_clear_a_bit_is_void_once_another_was_set_and_not_if_it_was_set_again() {
    for (market, other) in [(None, 8), (Some(A), 4)] {
        let (mut world, ..) = two_markets();
        pause(&mut world, market, 1);
        let unpause = ChangePayload::Unpause { market, bits: 1 };
        let nonces = [(); 3].map(|()| world.propose(unpause).expect("propose_change"));
        world.set_clock(world.change(nonces[0]).timelock.eta - 1);
        pause(&mut world, market, 1);
        world.advance(1);
        world.fork().execute(nonces[0], None).expect("the same bit again");
        // Another bit, of another target, is another matter.
        pause(&mut world, if market.is_none() { Some(A) } else { None }, 1);
        pause(&mut world, Some(B), 4);
        world.execute(nonces[1], None).expect("another target");
        // Cleared or not: with a bit more, somebody has seen something else.
        pause(&mut world, market, other);
        refuse_execution(&mut world, (nonces[2], None), "ChangeVoid");
        refuse_execution(&mut world, (nonces[0], None), "ChangeVoid");
    }
}

#[test]
fn a_new_pause_of_the_ways_out_voids_what_would_clear_an_older_one() {
    let (mut world, ..) = two_markets();
    pause(&mut world, None, 2);
    world.advance(STOPPED + REST - 100);
    let nonces = [(); 2]
        .map(|()| world.propose(ChangePayload::Unpause { market: None, bits: 2 }).expect("propose_change"));
    world.advance(99);
    let guardian = world.guardian.insecure_clone();
    refuse(&mut world, &pause_by(&guardian, None, 2), &[&guardian], "ExitPauseTooSoon");
    world.set_clock(world.change(nonces[1]).timelock.eta);
    world.fork().execute(nonces[0], None).expect("nothing new until then");
    pause(&mut world, None, 2);
    for nonce in nonces {
        refuse_execution(&mut world, (nonce, None), "ChangeVoid");
    }
}

// ---- how long ----

/// Whether each way out is stopped.
pub fn stopped(world: &World) -> [bool; 3] {
    let exchange = world.exchange();
    [Pause::WITHDRAW, Pause::LIQUIDITY, Pause::STAKE].map(|bit| exchange.stops_exit(bit, world.now()))
}

#[test]
fn a_bit_that_is_added_does_not_lengthen_a_pause() {
    let (mut world, ..) = two_markets();
    let begun = world.now();
    pause(&mut world, None, 2);
    assert_eq!(world.exchange().exits.until, begun + STOPPED);
    for (passed, bits, expected) in [
        (1_000, 2, [true, false, false]),
        (20_000, 4, [true, true, false]),
        (STOPPED - 1, 8 | 2, [true, true, true]),
    ] {
        world.set_clock(begun + passed);
        pause(&mut world, None, bits);
        assert_eq!(world.exchange().exits.until, begun + STOPPED, "{bits}");
        assert_eq!(stopped(&world), expected);
    }
    world.advance(1);
    assert_eq!((stopped(&world), world.exchange().pause), ([false; 3], 14));
}

#[test]
fn between_two_pauses_of_the_ways_out_there_are_two_days_whatever_bits_they_are_of() {
    for first in [2, 4, 8] {
        let (mut world, ..) = two_markets();
        let guardian = world.guardian.insecure_clone();
        let begun = world.now();
        pause(&mut world, None, first);
        for passed in [STOPPED, STOPPED + 1, STOPPED + REST - 1] {
            world.set_clock(begun + passed);
            for who in [&guardian, &world.admin.insecure_clone()] {
                refuse(&mut world, &pause_by(who, None, first), &[who], "ExitPauseTooSoon");
            }
            // A bit that was not set yet stops the way in, and no way out.
            let mut world = world.fork();
            pause(&mut world, None, 14);
            assert_eq!((stopped(&world), world.exchange().pause), ([false; 3], 14));
            assert_eq!(world.exchange().exits.until, begun + STOPPED);
            refuse(&mut world, &pause_by(&guardian, None, 14), &[&guardian], "ExitPauseTooSoon");
        }
        // Increases have nothing to do with it.
        pause(&mut world, None, 1);
        world.set_clock(begun + STOPPED + REST);
        pause(&mut world, None, 12);
        assert_eq!(stopped(&world), [false, true, true]);
        assert_eq!(world.exchange().exits.until, begun + 2 * STOPPED + REST);
    }
}

#[test]
fn to_clear_a_bit_and_set_it_again_is_no_way_to_a_longer_pause() {
    let (mut world, ..) = two_markets();
    let guardian = world.guardian.insecure_clone();
    // A change that clears the bit is ripe when a second pause begins: it was proposed after an earlier one.
    pause(&mut world, None, 2);
    world.advance(STOPPED + REST - 172_800);
    let clear = |world: &mut World| {
        world.propose(ChangePayload::Unpause { market: None, bits: 2 }).expect("propose_change")
    };
    let early = clear(&mut world);
    world.set_clock(world.change(early).timelock.eta);
    pause(&mut world, None, 4);
    let begun = world.now();
    assert_eq!(stopped(&world), [false, true, false]);
    refuse_execution(&mut world, (early, None), "ChangeVoid");
    let ended = begun + STOPPED;
    let both = world.propose(ChangePayload::Unpause { market: None, bits: 6 }).expect("propose_change");
    world.set_clock(world.change(both).timelock.eta);
    world.execute(both, None).expect("execute_change");
    assert_eq!((world.exchange().pause, world.exchange().exits.until), (0, ended));
    assert!(world.now() < ended + REST);
    // The bits are clear: set anew they stop ways in at once, and ways out not before the two days are over.
    world.set_clock(ended + REST - 1);
    pause(&mut world, None, 4);
    assert_eq!((stopped(&world), world.exchange().pause), ([false; 3], 4));
    world.advance(1);
    accept(&mut world, &pause_by(&guardian, None, 4), &[&guardian]);
    assert_eq!(stopped(&world), [false, true, false]);
}
