//! 13 % in twelve minutes, and nobody else is there.

use std::collections::BTreeMap;

use bulwark_keeper::work::Work;
use bulwark_sdk::engine::margin::HealthType;
use bulwark_sdk::event::Event;
use bulwark_tests::World;
use bulwark_tests::crash;
use bulwark_tests::crowd::{Backing, Crowd};
use bulwark_tests::fixtures::{BTC_ASSET, DOLLAR, SOL_ASSET};

use crate::bot::{Bot, Did};

/// Seconds of calm after it.
const CALM: usize = 30;

/// Slots for which everybody was in trouble, as he stands at the oracles' prices.
#[derive(Default)]
struct Watch {
    since: BTreeMap<usize, u64>,
    slots: Vec<u64>,
}

impl Watch {
    fn look(&mut self, crowd: &Crowd) {
        let slot = crowd.world.slot();
        let accounts: Vec<_> =
            crowd.traders.iter().map(|trader| crowd.world.margin(&trader.margin)).collect();
        crowd.world.ask(|snapshot| {
            for (n, account) in accounts.iter().enumerate() {
                let troubled = snapshot.distress(account, slot).expect("a judgement").is_some();
                match self.since.get(&n) {
                    None if troubled => drop(self.since.insert(n, slot)),
                    Some(since) if !troubled => {
                        self.slots.push(slot - since);
                        self.since.remove(&n);
                    }
                    _ => {}
                }
            }
        });
    }
}

#[test]
fn a_keeper_alone_works_a_crash_off_within_25_slots_and_without_a_loss() {
    let backing = Backing { reserve: 4_000 * DOLLAR, stake: 1_500 * DOLLAR };
    let mut crowd = Crowd::new(backing, 4_000_000 * DOLLAR);
    let mut bot = Bot::new(&mut crowd.world, 1_000_000);
    bot.rules.max_collateral = 1_000_000 * DOLLAR;
    let (mut watch, mut earned, mut sent, mut idle) = (Watch::default(), 0, 0, 0);
    let path = crash::crash().into_iter().chain(std::iter::repeat_n(crash::END_PPM, CALM));
    for ppm in path.skip(1) {
        crowd.world.advance(1);
        // Whether somebody is in trouble is seen at the price that everybody could refresh to.
        let mut seen = Crowd { world: crowd.world.fork(), traders: Vec::new() };
        std::mem::swap(&mut seen.traders, &mut crowd.traders);
        seen.print(ppm);
        watch.look(&seen);
        std::mem::swap(&mut seen.traders, &mut crowd.traders);
        print_only(&mut crowd.world, ppm);
        for (work, did) in bot.round(&mut crowd.world) {
            match did {
                Did::Done(_, gain) => {
                    sent += 1;
                    earned += gain;
                }
                Did::Nothing => idle += 1,
                Did::Unprofitable => assert!(!matches!(work, Work::Resolve(..)), "{work}"),
                Did::Refused(failure) => panic!("{work}: {failure:?}"),
            }
        }
    }
    watch.slots.sort_unstable();
    let [least, median, most] = [0, watch.slots.len() / 2, watch.slots.len() - 1].map(|n| watch.slots[n]);
    println!(
        "{} times in trouble, slots {least}, {median}, {most}; {sent} transactions, {idle} pieces of work done by others of them, earned {earned}",
        watch.slots.len()
    );
    assert!(watch.since.is_empty(), "nobody is left in trouble: {:?}", watch.since);
    assert!(watch.slots.len() > 100 && most <= 25, "{most} slots");
    let resolved = crowd.world.journal.iter().filter(|e| matches!(e, Event::BankruptcyResolved(_)));
    assert_eq!(resolved.count(), 0, "no bad debt");
    for trader in &crowd.traders {
        let account = crowd.world.margin(&trader.margin);
        let owes = account.quote.0 < 0 && !account.has_positions();
        assert!(!owes || account.collaterals.iter().any(|slot| slot.amount != 0), "{}", account.quote.0);
    }
    let purse = bot.purse(&crowd.world);
    assert!(purse.positions.iter().all(|position| !position.is_open()), "everything was closed at once");
    let quote = crowd.world.health(&bot.trader.margin, HealthType::Maint).equity.0;
    assert!(quote > 0 && earned > 0);
}

/// The oracles print, and nobody refreshes.
fn print_only(world: &mut World, ppm: i64) {
    for asset in [SOL_ASSET, BTC_ASSET] {
        let price = asset.price / 1_000_000 * ppm;
        world.print(&asset, price, u64::try_from(price / 10_000).expect("positive"));
    }
}
