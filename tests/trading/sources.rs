//! Which oracle source counts: the program decides, not the caller.

use bulwark_sdk::engine::price::OracleState;
use bulwark_sdk::program::oracle::SourceKind;
use bulwark_tests::World;
use bulwark_tests::fixtures::{Asset, BTC_ASSET, DOLLAR, PRINT, SOL_ASSET};

use crate::feeds::{Feed, KINDS, Listed, feeds, list_market, list_vault};
use crate::support::{PubkeyOf as _, ceil, refused};

/// A market and a vault for every pair of formats, primary and secondary, and for every format alone.
fn every_listing(asset: Asset, check: impl Fn(World, Listed, &str)) {
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
fn bits(asset: &Asset, price: i64, conf: u64) -> (u64, u64) {
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
        // The old update again; the market has seen the primary 60 s ago, then 61 s ago.
        world.svm.set_account(primary.key(), old).expect("set account");
        for (age, works) in [(20, false), (40, false), (1, true)] {
            world.advance(age);
            secondary.print(&mut world, (152 * PRINT, 0), 0);
            if works {
                listed.send(&mut world).expect(what);
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
        world.svm.set_account(secondary.key(), old).expect("set account");
        for (age, works) in [(20, false), (40, false), (1, true)] {
            world.advance(age);
            primary.print(&mut world, (180 * PRINT, 0), 0);
            if works {
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

#[test]
fn two_valid_sources_that_differ_are_divergent_until_they_agree() {
    every_listing(SOL_ASSET, |mut world, listed, what| {
        let [primary, secondary] = listed.feeds[..] else { return };
        // 2 % of the lower one, whichever that is.
        let cases = [
            (150, 152_99000000, 0),
            (150, 153_01000000, 1),
            (151, 151 * PRINT, 0),
            (151, 148_00000000, 1),
            (151, 148_10000000, 0),
        ];
        for (price, other, divergent) in cases {
            let before = listed.oracle(&world);
            world.advance(1);
            primary.print(&mut world, (price * PRINT, 0), 0);
            secondary.print(&mut world, (other, 0), 0);
            listed.send(&mut world).expect(what);
            let oracle = listed.oracle(&world);
            assert_eq!(oracle.divergent, divergent, "{what}: {price} against {other}");
            if divergent == 1 {
                let price = |o: &OracleState| (o.price, o.ema, o.conf, o.publish_time);
                assert_eq!(price(&oracle), price(&before), "{what}: a dispute leaves the price as it was");
            }
        }
    });
}

#[test]
fn attack_an_older_primary_print_cannot_dispute_a_newer_price() {
    let mut world = World::empty();
    let listed = list_market(&mut world, &feeds(SOL_ASSET, &[SourceKind::PythPull, SourceKind::PythPush]));
    let old = world.svm.get_account(&listed.feeds[0].key()).expect("primary");
    world.advance(10);
    for feed in &listed.feeds {
        feed.print(&mut world, (160 * PRINT, 0), 0);
    }
    listed.send(&mut world).expect("refresh");
    world.svm.set_account(listed.feeds[0].key(), old).expect("set account");
    refused(&mut world, listed.refresh(), &[], "PublishTimeWentBack", "an old print of 150 against 160");
}

#[test]
fn attack_an_old_secondary_print_cannot_dispute_a_fresh_primary() {
    // Anyone may post an old pull update to an address of his own and pass it: in a fast market that would
    // freeze closes and liquidations at will, for as long as the chosen print is within the margin age.
    let mut world = World::empty();
    let listed = list_market(&mut world, &feeds(SOL_ASSET, &[SourceKind::PythPush, SourceKind::PythPull]));
    world.advance(50);
    for feed in &listed.feeds {
        feed.print(&mut world, (156 * PRINT, 0), 0);
    }
    listed.send(&mut world).expect("both agree on 156");
    world.advance(1);
    listed.feeds[0].print(&mut world, (156 * PRINT, 0), 0);
    listed.feeds[1].print(&mut world, (150 * PRINT, 0), 51);
    // The market has seen a newer one, which agreed.
    refused(&mut world, listed.refresh(), &[], "PublishTimeWentBack", "51 s old against a current price");
}

type Spoil = (&'static str, SourceKind, fn(&mut World, &Feed));

/// With a primary like this the secondary takes over once the primary was not seen for the margin age, and
/// not before.
fn counts_as_absent(cases: &[Spoil]) {
    for (what, kind, spoil) in cases {
        let mut world = World::empty();
        let listed = list_market(&mut world, &feeds(SOL_ASSET, &[*kind, SourceKind::PythPull]));
        world.advance(60);
        listed.feeds[1].print(&mut world, (151 * PRINT, 0), 0);
        spoil(&mut world, &listed.feeds[0]);
        refused(&mut world, listed.refresh(), &[], "PrimaryStillValid", what);
        world.advance(1);
        listed.feeds[1].print(&mut world, (151 * PRINT, 0), 0);
        listed.send(&mut world).expect(what);
        assert_eq!(listed.oracle(&world).price.to_bits(), bits(&SOL_ASSET, 151 * PRINT, 0).0, "{what}");
    }
}

#[test]
fn a_primary_that_has_no_price_counts_as_absent() {
    counts_as_absent(&[
        ("halted", SourceKind::PythPush, |world, feed| edit(world, feed, 224, &2_u32.to_le_bytes())),
        ("zero", SourceKind::PythPull, |world, feed| feed.print(world, (0, 0), 0)),
        ("no result yet", SourceKind::Switchboard, |world, feed| edit(world, feed, 2368, &[0; 8])),
    ]);
}

#[test]
fn a_primary_with_too_few_samples_counts_as_absent() {
    counts_as_absent(&[("too few", SourceKind::Switchboard, |world, feed| edit(world, feed, 2360, &[2]))]);
}

#[test]
fn a_primary_with_a_price_out_of_range_counts_as_absent() {
    counts_as_absent(&[
        ("too large", SourceKind::PythPush, |world, feed| feed.print(world, (i64::MAX, 0), 0)),
        ("too small", SourceKind::PythPull, |world, feed| feed.print(world, (1, 0), 0)),
    ]);
}

/// Overwrites bytes of a feed's account.
fn edit(world: &mut World, feed: &Feed, offset: usize, bytes: &[u8]) {
    let mut account = world.svm.get_account(&feed.key()).expect("oracle account");
    account.data[offset..offset + bytes.len()].copy_from_slice(bytes);
    world.svm.set_account(feed.key(), account).expect("set account");
}

#[test]
fn a_divergent_market_blocks_everything_but_deposits_and_free_withdrawals() {
    use bulwark_sdk::engine::units::Side;
    let mut world = World::empty();
    let listed = list_market(&mut world, &feeds(SOL_ASSET, &[SourceKind::PythPull, SourceKind::Switchboard]));
    let provider = world.trader(1_000_000 * DOLLAR);
    world.add_liquidity(&provider, 1_000_000 * DOLLAR).expect("add_liquidity");
    let allocate = bulwark_sdk::instruction::allocate_liquidity(&world.listings, 0);
    world.send(std::slice::from_ref(&allocate), &[]).expect("allocate_liquidity");
    let trader = world.funded_trader(10_000 * DOLLAR);
    let idle = world.funded_trader(10_000 * DOLLAR);
    world.open(&trader, 0, Side::Long, SOL_ASSET.one()).expect("open");

    world.advance(1);
    listed.feeds[0].print(&mut world, (150 * PRINT, 0), 0);
    listed.feeds[1].print(&mut world, (160 * PRINT, 0), 0);
    listed.send(&mut world).expect("marks the market");

    let open = world.open_instruction(&trader, 0, Side::Long, SOL_ASSET.one());
    let close = world.close_instruction(&trader, 0, u64::MAX);
    let account = world.margin(&trader.margin);
    let margin = bulwark_sdk::instruction::Margin { address: trader.margin, account: &account };
    let withdraw =
        bulwark_sdk::instruction::withdraw(&world.listings, margin, 0, (trader.tokens, 1)).expect("builds");
    for (what, instruction) in
        [("open", open), ("close", close), ("withdraw", withdraw), ("allocate", allocate)]
    {
        refused(&mut world, instruction, &[&trader.key], "PriceDivergent", what);
    }
    let source = world.create_tokens(world.listings.vaults[0].mint, idle.key.pubkey_(), 10);
    let deposit = bulwark_sdk::instruction::deposit(
        idle.key.pubkey_(),
        trader.margin,
        &world.listings.vaults[0],
        (source, 10),
    );
    world.send(&[deposit], &[&idle.key]).expect("a deposit always works");
    world.withdraw(&idle, 0, (idle.tokens, 10_000 * DOLLAR)).expect("nothing of his is at risk");

    world.advance(1);
    listed.feeds[0].print(&mut world, (160 * PRINT, 0), 0);
    listed.feeds[1].print(&mut world, (160 * PRINT, 0), 0);
    listed.send(&mut world).expect("clears the mark");
    world.close(&trader, 0, u64::MAX).expect("works again");
}
