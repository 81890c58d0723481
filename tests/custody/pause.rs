//! Every pause bit against every instruction: a bit stops what it names and nothing else, and a way out only while the pause
//! of the ways out lasts. The trigger that is executed is an entry.

use bulwark_sdk::address;
use bulwark_sdk::engine::governance::{ExitPause, MAX_EXIT_PAUSE};
use bulwark_sdk::program::state::{Exchange, Market, Pause};
use bulwark_tests::{BTC, Keypair, SOL, World};

use crate::instances::{Instance, on_stage};
use crate::support::{BROKEN, label};

/// Instructions that a bit of the exchange stops.
const EXCHANGE: [(Pause, &[&str]); 4] = [
    (Pause::INCREASE, &["open_position", "execute_trigger"]),
    (Pause::WITHDRAW, &["withdraw", "collect_protocol_fees"]),
    (Pause::LIQUIDITY, &["add_liquidity", "allocate_liquidity", "redeem"]),
    (Pause::STAKE, &[]),
];

/// Ways out among them: stopped only as long as the pause of the ways out lasts.
const EXITS: [&str; 3] = ["withdraw", "collect_protocol_fees", "redeem"];

/// Instructions on a market that a bit of that market stops.
const MARKET: [(Pause, &[&str]); 4] = [
    (Pause::INCREASE, &["open_position", "execute_trigger"]),
    (Pause::WITHDRAW, &[]),
    (Pause::LIQUIDITY, &["allocate_liquidity"]),
    (Pause::STAKE, &[]),
];

/// The name of an instruction without the shape of an instance.
fn plain(name: &str) -> &str {
    name.split_once(", ").map_or(name, |(plain, _)| plain)
}

fn paused_by(table: &[(Pause, &[&str])], bits: u8, name: &str) -> bool {
    let name = plain(name);
    table.iter().any(|(bit, stopped)| bit.is_set(bits) && stopped.contains(&name))
}

/// Runs the instance after `set`, which pauses something, and puts the chain back.
fn run(instance: &mut Instance, set: impl FnOnce(&mut World)) -> Result<(), String> {
    let svm = instance.world.svm.clone();
    set(&mut instance.world);
    let keys: Vec<_> = instance.keys.iter().collect::<Vec<&Keypair>>();
    let result = instance.world.send(std::slice::from_ref(&instance.instruction), &keys);
    instance.world.svm = svm;
    result.map(|_| ()).map_err(|failure| label(&failure))
}

fn expected(paused: bool) -> Result<(), String> {
    if paused { Err("Paused".into()) } else { Ok(()) }
}

#[test]
fn a_bit_of_the_exchange_stops_what_it_names_and_nothing_else() {
    for mut instance in on_stage() {
        for bits in 0..=15 {
            let result = run(&mut instance, |world| world.pause(bits));
            assert_eq!(
                result,
                expected(paused_by(&EXCHANGE, bits, instance.name)),
                "{} {bits}",
                instance.name
            );
        }
    }
}

/// Sets these bits with a pause of the ways out that has stopped them, and ends at `until`.
fn pause_until(world: &mut World, bits: u8, until: i64) {
    world.pause(bits);
    world.tamper::<Exchange>(&address::exchange(), |exchange| {
        (exchange.exits.since, exchange.exits.until) = (until - MAX_EXIT_PAUSE, until);
    });
}

#[test]
fn the_same_bits_stop_no_way_out_once_the_pause_of_the_ways_out_is_over() {
    for mut instance in on_stage() {
        for bits in 0..=15 {
            let exit = EXITS.contains(&plain(instance.name));
            let paused = expected(paused_by(&EXCHANGE, bits, instance.name) && !exit);
            // Over for so long that no ticket's window had a part in it.
            let until = instance.world.now() - 30 * MAX_EXIT_PAUSE;
            let result = run(&mut instance, |world| pause_until(world, bits, until));
            assert_eq!(result, paused, "{} {bits}", instance.name);
        }
        // To the second.
        if EXITS.contains(&plain(instance.name)) {
            let now = instance.world.now();
            for (until, stopped) in [(now, false), (now + 1, true)] {
                let result = run(&mut instance, |world| pause_until(world, Pause::ALL, until));
                assert_eq!(result, expected(stopped), "{} {until}", instance.name);
            }
        }
    }
}

#[test]
fn a_way_out_that_a_pause_stops_no_longer_is_open_whatever_else_it_stops() {
    for mut instance in on_stage() {
        for stopping in [0, Pause::WITHDRAW.0, Pause::LIQUIDITY.0, Pause::STAKE.0] {
            let result = run(&mut instance, |world| {
                world.pause(Pause::ALL);
                world.tamper::<Exchange>(&address::exchange(), |e| {
                    (e.pause, e.exits.stopping) = (stopping, stopping);
                });
            });
            let paused = paused_by(&EXCHANGE, stopping, instance.name);
            assert_eq!(result, expected(paused), "{} {stopping}", instance.name);
        }
    }
}

#[test]
fn books_that_do_not_add_up_stop_withdrawals_without_an_end_and_no_other_way_out() {
    let trip = |world: &mut World| {
        world.tamper::<Exchange>(&address::exchange(), |e| (e.pause, e.broken) = (BROKEN, 1));
    };
    for mut instance in on_stage() {
        let paused = expected(paused_by(&EXCHANGE, BROKEN, instance.name));
        assert_eq!(run(&mut instance, trip), paused, "{}", instance.name);
    }
}

#[test]
fn a_bit_of_a_market_stops_what_it_names_in_that_market_and_nothing_else() {
    for mut instance in on_stage() {
        for bits in 0..=15 {
            let market = |index| {
                move |world: &mut World| {
                    world.tamper::<Market>(&address::market(index), |m| m.pause = bits);
                }
            };
            let result = run(&mut instance, market(SOL));
            assert_eq!(result, expected(paused_by(&MARKET, bits, instance.name)), "{} {bits}", instance.name);
            assert_eq!(run(&mut instance, market(BTC)), Ok(()), "{} {bits} elsewhere", instance.name);
        }
    }
}

#[test]
fn with_every_bit_set_everywhere_one_can_still_deposit_close_settle_and_leave() {
    const STOPPED: [&str; 7] = [
        "open_position",
        "execute_trigger",
        "withdraw",
        "collect_protocol_fees",
        "add_liquidity",
        "allocate_liquidity",
        "redeem",
    ];
    let all = |world: &mut World| {
        world.pause(u8::MAX);
        for index in [SOL, BTC] {
            world.tamper::<Market>(&address::market(index), |m| m.pause = u8::MAX);
        }
    };
    let over = |world: &mut World| {
        all(world);
        world.tamper::<Exchange>(&address::exchange(), |e| e.exits = ExitPause::default());
    };
    for mut instance in on_stage() {
        let name = plain(instance.name);
        let (stopped, exit) = (STOPPED.contains(&name), EXITS.contains(&name));
        assert_eq!(run(&mut instance, all), expected(stopped), "{}", instance.name);
        assert_eq!(run(&mut instance, over), expected(stopped && !exit), "{}: over", instance.name);
    }
}
