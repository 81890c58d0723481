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
/// Visits on each walk.
const VISITS: i64 = 30;
/// Walks.
const SEEDS: u64 = 4;

/// Who visits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Visitor {
    /// Has all the money that it takes.
    Rich,
    /// Comes when prices have jumped, with all the money that it takes.
    AfterAJump([i64; 3]),
    /// May do little of everything, and may keep some.
    Limited,
    /// Has nothing.
    Poor,
}

impl Visitor {
    /// The kinds in turn; prices jump another way each time.
    fn of(visit: i64) -> Self {
        let jump = |n: i64| {
            [850, 930, 980, 1_020, 1_070, 1_180][usize::try_from((visit / 4 * n) % 6).expect("small")]
        };
        match visit % 4 {
            0 => Self::Rich,
            1 => Self::AfterAJump([jump(1), jump(2), jump(5)]),
            2 => Self::Limited,
            _ => Self::Poor,
        }
    }

    fn bot(self, world: &mut World) -> Bot {
        match self {
            Self::Rich | Self::AfterAJump(_) => {
                let mut bot = Bot::new(world, 15_000_000);
                bot.rules.max_takeover = u64::MAX;
                bot.rules.max_collateral = 15_000_000 * DOLLAR;
                bot
            }
            Self::Limited => {
                let mut bot = Bot::new(world, 2_000);
                bot.rules.max_takeover = 1_000 * DOLLAR;
                bot.rules.max_collateral = 500 * DOLLAR;
                bot.rules.max_inventory = 3_000 * DOLLAR;
                bot
            }
            Self::Poor => Bot::new(world, 0),
        }
    }

    /// Whether everybody in trouble can be helped by it alone, and after how many looks nothing may be left to do: an auction of every
    /// account, one after another.
    fn looks(self) -> (bool, usize) {
        match self {
            Self::Rich | Self::AfterAJump(_) => (true, 600),
            Self::Limited | Self::Poor => (false, 60),
        }
    }
}

/// Slots pass, and the oracles print what they printed last, or so many thousandths of it.
fn wait(world: &mut World, slots: u64, thousandths: [i64; 3]) {
    world.advance_slots(slots);
    let there: Vec<u16> = world.exchange().markets().collect();
    for (market, asset) in ASSETS.iter().enumerate().filter(|(market, _)| there.contains(&narrow(*market))) {
        let bits = u128::from(world.market(narrow(market)).core.mark().to_bits());
        let price = i64::try_from((bits * u128::from(asset.one()) * 100) >> 32).expect("a price");
        for source in 0..2 {
            stage::print(world, (market, source), ((price * thousandths[market] / 1_000).max(1), 0), 0);
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

/// Lets a keeper work on a copy of the chain. What it did, by the first word of it.
fn visit(walk: &Walk, visitor: Visitor, counts: &mut BTreeMap<String, usize>) {
    let mut world = walk.world.fork();
    // A print may be ahead of the clock, and the next one has to be later.
    wait(&mut world, 100, [1_000; 3]);
    let mut bot = visitor.bot(&mut world);
    let (helps, looks) = visitor.looks();
    let (mut recent, mut jump) =
        (Vec::new(), if let Visitor::AfterAJump(jump) = visitor { jump } else { [1_000; 3] });
    for _ in 0..looks {
        wait(&mut world, 2, std::mem::replace(&mut jump, [1_000; 3]));
        let did = bot.round(&mut world);
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
        let done =
            |(work, did): &(Work, Did)| matches!(did, Did::Done(..)) && !matches!(work, Work::Refresh(_));
        let busy = did.iter().any(done);
        recent = did;
        if !busy && troubled(&bot, &world).is_empty() {
            return;
        }
    }
    let left = troubled(&bot, &world);
    assert!(!helps, "{visitor:?}: {left:?} are in trouble after {looks} looks; the last one: {recent:?}");
}

#[test]
fn on_a_random_walk_nothing_is_refused_and_nobody_is_left_in_trouble() {
    let mut counts = BTreeMap::new();
    for seed in 1..=SEEDS {
        let mut walk = Walk::new(seed);
        for n in 0..VISITS {
            walk.run(EVERY).unwrap_or_else(|failure| panic!("{failure}"));
            visit(&walk, Visitor::of(n + i64::try_from(seed).expect("small")), &mut counts);
        }
    }
    println!("{counts:#?}");
    for word in ["liquidate", "resolve", "settle", "deleverage", "sweep", "allocate", "trigger"] {
        assert!(counts.contains_key(&format!("{word} done")), "never: {word}\n{counts:#?}");
    }
}
