//! Which oracle source counts: the program decides, not the caller.

use bulwark_tests::World;
use bulwark_tests::fixtures::{Asset, BTC_ASSET, PRINT, SOL_ASSET};

use crate::feeds::{KINDS, Listed, feeds, list_market, list_vault};
use crate::support::{ceil, refused};

/// A market and a vault for every pair of formats, primary and secondary, and for every format alone.
pub fn every_listing(asset: Asset, check: impl Fn(World, Listed, &str)) {
    let alone = KINDS.map(|kind| vec![kind]);
    let pairs = KINDS.into_iter().flat_map(|a| KINDS.map(|b| vec![a, b]));
    for kinds in alone.into_iter().chain(pairs) {
        for list in [list_market, list_vault] {
            let mut world = World::empty();
            let listed = list(&mut world, &feeds(asset, &kinds));
            let what = format!("{} {kinds:?} {:?}", asset.name, listed.place);
            check(world, listed, &what);
        }
    }
}

/// Q32.32 quote units per lot of a price with eight decimals, down; and of a confidence, up.
pub fn bits(asset: &Asset, price: i64, conf: u64) -> (u64, u64) {
    let unit = 10_i128.pow(u32::from(asset.lot_decimals) + 2);
    let price = (i128::from(price) << 32) / unit;
    (price as u64, ceil(i128::from(conf) << 32, unit) as u64)
}

#[test]
fn every_source_is_normalised_to_the_same_number_to_the_last_bit() {
    for (asset, price, conf) in
        [(SOL_ASSET, 151_12345678, 7_654_321), (BTC_ASSET, 60_123 * PRINT + 45_678_901, 12_345_678_901)]
    {
        every_listing(asset, |mut world, listed, what| {
            world.advance(3);
            for feed in &listed.feeds {
                feed.print(&mut world, (price, conf), 1);
            }
            let outcome = listed.send(&mut world).expect(what);
            let oracle = listed.oracle(&world);
            assert_eq!((oracle.price.to_bits(), oracle.conf), bits(&asset, price, conf), "{what}");
            assert_eq!(
                (oracle.publish_time, oracle.primary_time),
                (world.now() - 1, world.now() - 1),
                "{what}"
            );
            assert_eq!(outcome.events.len(), 1, "{what}");
        });
    }
}

#[test]
fn the_primary_counts_when_both_sources_are_valid() {
    every_listing(SOL_ASSET, |mut world, listed, what| {
        world.advance(1);
        for (feed, price) in listed.feeds.iter().zip([151 * PRINT, 152 * PRINT]) {
            feed.print(&mut world, (price, 0), 0);
        }
        listed.send(&mut world).expect(what);
        let oracle = listed.oracle(&world);
        assert_eq!(
            (oracle.price.to_bits(), oracle.divergent),
            (bits(&SOL_ASSET, 151 * PRINT, 0).0, 0),
            "{what}"
        );
    });
}

#[test]
fn the_secondary_counts_only_once_no_primary_print_was_seen_for_the_margin_age() {
    every_listing(SOL_ASSET, |mut world, listed, what| {
        let Some(secondary) = listed.feeds.get(1).copied() else { return };
        let born = world.now();
        // 60 s: the primary's print is still young enough, and counts although it is the older one.
        world.advance(60);
        secondary.print(&mut world, (151 * PRINT, 0), 0);
        listed.send(&mut world).expect(what);
        assert_eq!(listed.oracle(&world).publish_time, born, "{what}");
        // 61 s: dead.
        world.advance(1);
        secondary.print(&mut world, (152 * PRINT, 5), 0);
        listed.send(&mut world).expect(what);
        let oracle = listed.oracle(&world);
        assert_eq!((oracle.price.to_bits(), oracle.conf), bits(&SOL_ASSET, 152 * PRINT, 5), "{what}");
        assert_eq!((oracle.publish_time, oracle.primary_time), (born + 61, born), "{what}");
        // The primary lives again: it counts at once.
        world.advance(1);
        listed.feeds[0].print(&mut world, (153 * PRINT, 0), 0);
        listed.send(&mut world).expect(what);
        let oracle = listed.oracle(&world);
        assert_eq!(oracle.price.to_bits(), bits(&SOL_ASSET, 153 * PRINT, 0).0, "{what}");
        assert_eq!(oracle.primary_time, born + 62, "{what}");
    });
}

#[test]
fn attack_an_old_primary_account_does_not_force_the_fallback() {
    every_listing(SOL_ASSET, |mut world, listed, what| {
        let Some(secondary) = listed.feeds.get(1).copied() else { return };
        let primary = listed.feeds[0];
        let old = world.svm.get_account(&primary.key()).expect("primary");
        world.advance(50);
        primary.print(&mut world, (151 * PRINT, 0), 0);
        secondary.print(&mut world, (151 * PRINT, 0), 0);
        listed.send(&mut world).expect(what);
        // The old update again, 70 s old; the market has seen the primary 20 s, 60 s and 61 s ago. Anyone may
        // choose a pull update, nobody a pinned account: that one is silent, and the fallback counts at once.
        world.svm.set_account(primary.key(), old).expect("set account");
        for (age, dead) in [(20, false), (40, false), (1, true)] {
            world.advance(age);
            secondary.print(&mut world, (152 * PRINT, 0), 0);
            if dead || primary.is_pinned() {
                listed.send(&mut world).expect(what);
                let oracle = listed.oracle(&world);
                assert_eq!(oracle.price.to_bits(), bits(&SOL_ASSET, 152 * PRINT, 0).0, "{what}");
            } else {
                refused(&mut world, listed.refresh(), &[], "PrimaryStillValid", what);
            }
        }
    });
}

#[test]
fn attack_an_old_secondary_account_does_not_silence_the_source_that_would_object() {
    every_listing(SOL_ASSET, |mut world, listed, what| {
        let [primary, secondary] = listed.feeds[..] else { return };
        let old = world.svm.get_account(&secondary.key()).expect("secondary");
        world.advance(50);
        for feed in [primary, secondary] {
            feed.print(&mut world, (150 * PRINT, 0), 0);
        }
        listed.send(&mut world).expect(what);
        // The primary alone jumps; the secondary, seen 20 s, 60 s and 61 s ago, is passed as it was long before.
        // A pinned one can't be chosen: it is silent.
        world.svm.set_account(secondary.key(), old).expect("set account");
        for (age, dead) in [(20, false), (40, false), (1, true)] {
            world.advance(age);
            primary.print(&mut world, (180 * PRINT, 0), 0);
            if dead || secondary.is_pinned() {
                listed.send(&mut world).expect(what);
                assert_eq!(
                    listed.oracle(&world).price.to_bits(),
                    bits(&SOL_ASSET, 180 * PRINT, 0).0,
                    "{what}"
                );
            } else {
                refused(&mut world, listed.refresh(), &[], "SecondaryStillValid", what);
            }
        }
    });
}
