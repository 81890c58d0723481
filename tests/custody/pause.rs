//! Every pause bit against every instruction: a bit stops what it names and nothing else. The trigger that is executed is
//! an entry.

use bulwark_sdk::address;
use bulwark_sdk::program::state::{Exchange, Market, Pause};
use bulwark_tests::{BTC, Keypair, SOL, World};

use crate::instances::{Instance, on_stage};
use crate::support::{label, pause};

/// Instructions that a bit of the exchange stops.
const EXCHANGE: [(Pause, &[&str]); 4] = [
    (Pause::INCREASE, &["open_position", "execute_trigger"]),
    (Pause::WITHDRAW, &["withdraw"]),
    (Pause::LIQUIDITY, &["add_liquidity", "allocate_liquidity", "redeem"]),
    (Pause::STAKE, &[]),
];

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
            let result = run(&mut instance, |world| pause(world, bits));
            assert_eq!(
                result,
                expected(paused_by(&EXCHANGE, bits, instance.name)),
                "{} {bits}",
                instance.name
            );
        }
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
    const STOPPED: [&str; 6] =
        ["open_position", "execute_trigger", "withdraw", "add_liquidity", "allocate_liquidity", "redeem"];
    let all = |world: &mut World| {
        world.tamper::<Exchange>(&address::exchange(), |e| e.pause = u8::MAX);
        for index in [SOL, BTC] {
            world.tamper::<Market>(&address::market(index), |m| m.pause = u8::MAX);
        }
    };
    for mut instance in on_stage() {
        let stopped = STOPPED.contains(&plain(instance.name));
        assert_eq!(run(&mut instance, all), expected(stopped), "{}", instance.name);
    }
}
