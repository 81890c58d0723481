//! The keeper on a random walk of the whole exchange: whatever state it finds, nothing that it sends is refused, and nobody is
//! left in trouble whom the rules allow to help.
//!
//! Every few steps the keeper gets a copy of the chain with prices of now, and works until it finds nothing. The walk goes on as if it
//! had not been there.

use std::collections::BTreeMap;

use bulwark_keeper::work::Work;
use bulwark_sdk::Pubkey;
use bulwark_sdk::program::state::MarginAccount;
use bulwark_tests::World;
use bulwark_tests::fixtures::DOLLAR;
use bulwark_tests::walk::Walk;
use bulwark_tests::walk::stage::{self, ASSETS, narrow};

use crate::bot::{Bot, Did};

/// Steps between two visits of the keeper.
const EVERY: u64 = 60;
/// Looks after which nothing may be left to do: an auction of every account, one after another.
const LOOKS: usize = 600;

/// Slots pass, and the oracles print what they printed last.
fn wait(world: &mut World, slots: u64) {
    world.advance_slots(slots);
    let there: Vec<u16> = world.exchange().markets().collect();
    for (market, asset) in ASSETS.iter().enumerate().filter(|(market, _)| there.contains(&narrow(*market))) {
        let bits = u128::from(world.market(narrow(market)).core.mark().to_bits());
        let price = i64::try_from((bits * u128::from(asset.one()) * 100) >> 32).expect("a price");
        for source in 0..2 {
            stage::print(world, (market, source), (price.max(1), 0), 0);
        }
    }
}

/// Accounts in trouble at the oracles' prices.
fn troubled(bot: &Bot, world: &World) -> Vec<Pubkey> {
    let (state, slot) = (bot.state(world), world.slot());
    let snapshot = state.snapshot();
    let troubled = |account: &MarginAccount| !matches!(snapshot.distress(account, slot), Ok(None));
    world.all::<MarginAccount>().into_iter().filter(|(_, a)| troubled(a)).map(|(key, _)| key).collect()
}

/// Lets the keeper work on a copy of the chain. What it did, by the first word of it.
fn visit(walk: &Walk, counts: &mut BTreeMap<String, usize>) {
    let mut world = walk.world.fork();
    // A print may be ahead of the clock, and the next one has to be later.
    wait(&mut world, 100);
    let mut bot = Bot::new(&mut world, 20_000_000);
    bot.rules.max_takeover = u64::MAX;
    bot.rules.max_collateral = 20_000_000 * DOLLAR;
    let mut recent = Vec::new();
    for _ in 0..LOOKS {
        wait(&mut world, 2);
        let did = bot.round(&mut world);
        let waits = !troubled(&bot, &world).is_empty();
        for (work, did) in &did {
            let what = work.to_string();
            let how = match did {
                Did::Done(..) => "done",
                Did::Nothing => "nothing left",
                Did::Unprofitable => "unprofitable",
                Did::Refused(_) => "refused",
            };
            *counts.entry(format!("{} {how}", what.split(' ').next().unwrap_or(""))).or_default() += 1;
        }
        let busy = did.iter().any(|(work, did)| matches!(did, Did::Done(..)) && !matches!(work, Work::Refresh(_)));
        recent = did;
        if !waits && !busy {
            return;
        }
    }
    panic!("{:?} are in trouble after {LOOKS} looks; the last one: {recent:?}", troubled(&bot, &world));
}

#[test]
fn on_a_random_walk_nothing_is_refused_and_nobody_is_left_in_trouble() {
    let mut counts = BTreeMap::new();
    for seed in 1..=4 {
        let mut walk = Walk::new(seed);
        for _ in 0..25 {
            walk.run(EVERY).unwrap_or_else(|failure| panic!("{failure}"));
            visit(&walk, &mut counts);
        }
    }
    println!("{counts:#?}");
    for word in ["liquidate", "resolve", "settle", "deleverage", "sweep", "allocate", "trigger", "sell"] {
        assert!(counts.contains_key(&format!("{word} done")), "never: {word}\n{counts:#?}");
    }
}
