//! A source without a usable price. One whose address is pinned counts as absent at once, whatever is wrong with
//! its account: its passer had no choice. A Pyth pull update is chosen by its passer: one that is silent counts
//! as absent only once the market has not seen its source for the margin age, and one that is no update of this
//! feed is an error.

use bulwark_sdk::instruction::OracleAccounts;
use bulwark_sdk::program::oracle::SourceKind::{self, PythPull, PythPush, Switchboard};
use bulwark_tests::World;
use bulwark_tests::fixtures::{BTC_ASSET, PRINT, SOL_ASSET};

use crate::feeds::{Feed, KINDS, Listed, feeds, list_market, list_vault};
use crate::refusals::{COMMON, Case, PULL, PUSH, SWITCHBOARD};
use crate::sources::bits;
use crate::support::refused;

/// Errors of a pull update that its source gave, as opposed to the passer.
const SILENCE: [&str; 5] =
    ["NoValidSource", "PublishTimeInFuture", "OracleNotTrading", "OracleNonPositivePrice", "PriceOutOfRange"];

/// Everything that can be wrong with an account of this format.
fn cases(kind: SourceKind) -> impl Iterator<Item = &'static Case> {
    let own = match kind {
        PythPush => &PUSH[..],
        Switchboard => &SWITCHBOARD,
        _ => &PULL,
    };
    COMMON.iter().filter(|case| case.2 != "PublishTimeWentBack").chain(own)
}

/// A market and a vault with sources of these formats, as they were listed.
fn listings(kinds: [SourceKind; 2]) -> [(World, Listed); 2] {
    [list_market, list_vault].map(|list| {
        let mut world = World::empty();
        let listed = list(&mut world, &feeds(SOL_ASSET, &kinds));
        (world, listed)
    })
}

fn price(listed: &Listed, world: &World) -> u64 {
    listed.oracle(world).price.to_bits()
}

/// `PULL` has one case that spoils the feed with the id of its neighbour: here that is the neighbour's own.
fn fits(case: &Case, slot: usize) -> bool {
    slot == 0 || case.0 != "another n of the asset"
}

#[test]
fn a_pinned_source_without_a_usable_price_is_absent_at_once() {
    for kind in [PythPush, Switchboard] {
        for other in KINDS {
            for (slot, kinds) in [(0, [kind, other]), (1, [other, kind])] {
                for (world, listed) in listings(kinds) {
                    for (what, spoil, _) in cases(kind) {
                        let (mut world, what) = (world.fork(), format!("{kinds:?} {slot} {what}"));
                        // The market has seen both a second ago.
                        world.advance(100);
                        for feed in &listed.feeds {
                            feed.print(&mut world, (150 * PRINT, 0), 0);
                        }
                        listed.send(&mut world).expect(&what);
                        world.advance(1);
                        spoil(&mut world, &listed.feeds[slot]);
                        listed.feeds[1 - slot].print(&mut world, (190 * PRINT, 0), 0);
                        listed.send(&mut world).unwrap_or_else(|e| panic!("{what}: {e:?}"));
                        assert_eq!(price(&listed, &world), bits(&SOL_ASSET, 190 * PRINT, 0).0, "{what}");
                        // It is back, and counts at once again.
                        world.advance(1);
                        for feed in &listed.feeds {
                            feed.print(&mut world, (191 * PRINT, 0), 0);
                        }
                        listed.send(&mut world).expect(&what);
                        let oracle = listed.oracle(&world);
                        assert_eq!(
                            [oracle.primary_time, oracle.secondary_time],
                            [world.now(); 2],
                            "{what}: both are seen"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn a_pull_update_without_a_price_is_absent_only_after_the_margin_age() {
    for other in KINDS {
        for (slot, kinds, guard) in
            [(0, [PythPull, other], "PrimaryStillValid"), (1, [other, PythPull], "SecondaryStillValid")]
        {
            for (world, listed) in listings(kinds) {
                for (what, spoil, name) in cases(PythPull).filter(|case| fits(case, slot)) {
                    let (mut world, what) = (world.fork(), format!("{kinds:?} {slot} {what}"));
                    world.advance(100);
                    for feed in &listed.feeds {
                        feed.print(&mut world, (150 * PRINT, 0), 0);
                    }
                    listed.send(&mut world).expect(&what);
                    let silent = SILENCE.contains(name);
                    for (age, dead) in [(1, false), (59, false), (1, true)] {
                        world.advance(age);
                        spoil(&mut world, &listed.feeds[slot]);
                        listed.feeds[1 - slot].print(&mut world, (151 * PRINT, 0), 0);
                        if dead && silent {
                            listed.send(&mut world).unwrap_or_else(|e| panic!("{what}: {e:?}"));
                            let expected = bits(&SOL_ASSET, 151 * PRINT, 0).0;
                            assert_eq!(price(&listed, &world), expected, "{what}");
                        } else {
                            let name = if silent { guard } else { name };
                            refused(&mut world, listed.refresh(), &[], name, &what);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn attack_a_pinned_source_cannot_be_made_absent_by_another_account() {
    for kind in [PythPush, Switchboard] {
        for (slot, kinds) in [(0, [kind, PythPull]), (1, [PythPull, kind])] {
            for (mut world, listed) in listings(kinds) {
                world.advance(1);
                let pinned = listed.feeds[slot];
                for feed in &listed.feeds {
                    feed.print(&mut world, (151 * PRINT, 0), 0);
                }
                let with = |key| {
                    let mut keys = [listed.feeds[0].key(), listed.feeds[1].key()];
                    keys[slot] = key;
                    listed.refresh_with(OracleAccounts { primary: keys[0], secondary: Some(keys[1]) })
                };
                let stranger = Feed { asset: BTC_ASSET, ..pinned };
                stranger.print(&mut world, (151 * PRINT, 0), 0);
                let what = format!("{kinds:?}: a genuine feed that is not this one");
                refused(&mut world, with(stranger.key()), &[], "OracleWrongAccount", &what);
                // Silent, malformed or nobody's: not the pinned account, so no silence of the source.
                for data in [pinned.bytes(&crate::feeds::print_at(world.now(), 0, 0)), vec![]] {
                    world.set_account(stranger.key(), pinned.owner(), data);
                    refused(&mut world, with(stranger.key()), &[], "OracleWrongAccount", &what);
                }
                let nobody = World::oracle_key(&SOL_ASSET, 77);
                refused(&mut world, with(nobody), &[], "OracleWrongOwner", "an account that does not exist");
            }
        }
    }
}

#[test]
fn two_sources_without_a_usable_price_are_no_price() {
    for (mut world, listed) in listings([PythPush, Switchboard]) {
        let [primary, secondary] = listed.feeds[..] else { panic!("two feeds") };
        world.advance(1);
        primary.print(&mut world, (0, 0), 0);
        secondary.print(&mut world, (i64::MAX, 0), 0);
        refused(&mut world, listed.refresh(), &[], "OracleNonPositivePrice", "the primary's is named");
        secondary.print(&mut world, (150 * PRINT, 0), 61);
        refused(&mut world, listed.refresh(), &[], "NoValidSource", "one silent, one old");
        secondary.print(&mut world, (150 * PRINT, 0), 60);
        refused(&mut world, listed.refresh(), &[], "PublishTimeWentBack", "young enough, before the price");
    }
}

#[test]
fn a_print_too_far_ahead_is_absent_beside_a_valid_one_and_refused_alone() {
    for kinds in [PythPush, Switchboard].into_iter().flat_map(|a| KINDS.map(|b| [a, b])) {
        for (mut world, listed) in listings(kinds) {
            let [ahead, other] = listed.feeds[..] else { panic!("two feeds") };
            let what = format!("{kinds:?} {:?}", listed.place);
            world.advance(61);
            // 31 s: absent, the secondary counts alone. No dispute, whatever the print says.
            ahead.print(&mut world, (190 * PRINT, 0), -31);
            other.print(&mut world, (151 * PRINT, 0), 0);
            listed.send(&mut world).expect(&what);
            let oracle = listed.oracle(&world);
            assert_eq!((price(&listed, &world), oracle.divergent), (bits(&SOL_ASSET, 151 * PRINT, 0).0, 0));
            assert_eq!(oracle.primary_time, world.now() - 61, "{what}: not seen");
            // Nothing valid beside it.
            for age in [-31, 61] {
                other.print(&mut world, (151 * PRINT, 0), age);
                refused(&mut world, listed.refresh(), &[], "PublishTimeInFuture", &what);
            }
            // 30 s: it counts.
            other.print(&mut world, (151 * PRINT, 0), 0);
            ahead.print(&mut world, (190 * PRINT, 0), -30);
            listed.send(&mut world).expect(&what);
            assert_eq!(listed.oracle(&world).divergent, 1, "{what}: two valid sources disagree");
        }
    }
}
