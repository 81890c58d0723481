//! Prints that a refresh refuses, each by name, with nothing changed.

use bulwark_sdk::Pubkey;
use bulwark_sdk::instruction::OracleAccounts;
use bulwark_sdk::program::oracle::SourceKind;
use bulwark_tests::World;
use bulwark_tests::fixtures::{BTC_ASSET, PRINT, SOL_ASSET};
use bulwark_tests::oracle_accounts::{Print, PushStatus, Verification, pyth_pull, pyth_push};

use crate::feeds::{Feed, KINDS, Listed, feeds, list_market, list_vault, print_at};
use crate::support::{refused, state};

/// The account to pass and the error to expect.
pub type Case = (&'static str, fn(&mut World, &Feed), &'static str);

fn write(world: &mut World, feed: &Feed, data: Vec<u8>) {
    world.set_account(feed.key(), feed.owner(), data);
}

fn now(world: &World, price: i64, conf: u64) -> Print {
    print_at(world.now(), price, conf)
}

/// What every format must refuse.
pub const COMMON: [Case; 12] = [
    ("61 s old", |w, f| f.print(w, (150 * PRINT, 0), 61), "NoValidSource"),
    ("31 s ahead", |w, f| f.print(w, (150 * PRINT, 0), -31), "PublishTimeInFuture"),
    ("before the stored one", |w, f| f.print(w, (150 * PRINT, 0), 11), "PublishTimeWentBack"),
    ("zero", |w, f| f.print(w, (0, 0), 0), "OracleNonPositivePrice"),
    ("negative", |w, f| f.print(w, (-150 * PRINT, 0), 0), "OracleNonPositivePrice"),
    ("most negative", |w, f| f.print(w, (i64::MIN, 0), 0), "OracleNonPositivePrice"),
    ("too large", |w, f| f.print(w, (i64::MAX, 0), 0), "PriceOutOfRange"),
    ("too small", |w, f| f.print(w, (1, 0), 0), "PriceOutOfRange"),
    (
        "another program's",
        |w, f| {
            let data = f.bytes(&now(w, 150 * PRINT, 0));
            w.set_account(f.key(), Pubkey::new_from_array([9; 32]), data);
        },
        "OracleWrongOwner",
    ),
    (
        "truncated",
        |w, f| {
            let mut data = f.bytes(&now(w, 150 * PRINT, 0));
            data.truncate(data.len() - 80);
            write(w, f, data);
        },
        "OracleMalformed",
    ),
    ("empty", |w, f| write(w, f, vec![]), "OracleMalformed"),
    (
        "of another type",
        |w, f| {
            let mut data = f.bytes(&now(w, 150 * PRINT, 0));
            data[..8].fill(0);
            write(w, f, data);
        },
        "OracleMalformed",
    ),
];

/// What only Pyth pull can get wrong.
pub const PULL: [Case; 5] = [
    (
        "another feed",
        |w, f| {
            let data = pyth_pull(BTC_ASSET.feed(0), &now(w, 150 * PRINT, 0), Verification::Full);
            write(w, f, data);
        },
        "OracleWrongFeed",
    ),
    (
        "another n of the asset",
        |w, f| {
            let data = pyth_pull(SOL_ASSET.feed(1), &now(w, 150 * PRINT, 0), Verification::Full);
            write(w, f, data);
        },
        "OracleWrongFeed",
    ),
    (
        "partially verified",
        |w, f| {
            let data = pyth_pull(SOL_ASSET.feed(0), &now(w, 150 * PRINT, 0), Verification::Partial(12));
            write(w, f, data);
        },
        "OracleNotFullyVerified",
    ),
    ("exponent too large", |w, f| exponent(w, f, 20), "PriceOutOfRange"),
    ("exponent too small", |w, f| exponent(w, f, i32::MIN), "PriceOutOfRange"),
];

/// What only Pyth push can get wrong.
pub const PUSH: [Case; 5] = [
    ("unknown", |w, f| status(w, f, PushStatus::Unknown), "OracleNotTrading"),
    ("halted", |w, f| status(w, f, PushStatus::Halted), "OracleNotTrading"),
    ("auction", |w, f| status(w, f, PushStatus::Auction), "OracleNotTrading"),
    ("exponent too large", |w, f| exponent(w, f, i32::MAX), "PriceOutOfRange"),
    ("exponent too small", |w, f| exponent(w, f, -30), "PriceOutOfRange"),
];

/// What only Switchboard can get wrong.
pub const SWITCHBOARD: [Case; 3] = [
    ("too few samples", |w, f| byte(w, f, 2360, 2), "OracleNotTrading"),
    ("its authority may write", |w, f| byte(w, f, 2213, 1), "OracleNotFullyVerified"),
    ("negative range", |w, f| byte(w, f, 2312 + 15, 0x80), "OracleMalformed"),
];

fn exponent(world: &mut World, feed: &Feed, exponent: i32) {
    let data = feed.bytes(&Print { exponent, ..now(world, 150, 0) });
    write(world, feed, data);
}

fn status(world: &mut World, feed: &Feed, status: PushStatus) {
    let data = pyth_push(&now(world, 150 * PRINT, 0), status);
    write(world, feed, data);
}

fn byte(world: &mut World, feed: &Feed, offset: usize, value: u8) {
    let mut data = feed.bytes(&now(world, 150 * PRINT, 0));
    data[offset] = value;
    write(world, feed, data);
}

/// A market and a vault of this format, ten seconds after a good print.
fn listings(kind: SourceKind) -> Vec<(World, Listed)> {
    [list_market, list_vault]
        .map(|list| {
            let mut world = World::empty();
            let listed = list(&mut world, &feeds(SOL_ASSET, &[kind]));
            world.advance(100);
            listed.feeds[0].print(&mut world, (151 * PRINT, 0), 10);
            listed.send(&mut world).expect("a good print");
            (world, listed)
        })
        .into()
}

#[test]
fn a_bad_print_is_refused_by_name_and_changes_nothing() {
    for (kind, own) in KINDS.into_iter().zip([&PULL[..], &PUSH, &SWITCHBOARD]) {
        for (world, listed) in listings(kind) {
            for (case, spoil, name) in COMMON.iter().chain(own) {
                let mut world = world.fork();
                spoil(&mut world, &listed.feeds[0]);
                let what = format!("{kind:?} {:?} {case}", listed.place);
                refused(&mut world, listed.refresh(), &[], name, &what);
            }
        }
    }
}

#[test]
fn the_bounds_of_time_are_exact() {
    for kind in KINDS {
        for (world, listed) in listings(kind) {
            for age in [-30, 0, 10] {
                let mut world = world.fork();
                listed.feeds[0].print(&mut world, (152 * PRINT, 0), age);
                listed.send(&mut world).unwrap_or_else(|e| panic!("{kind:?} {age} s old: {e:?}"));
            }
            let mut world = world.fork();
            world.advance(50);
            listed.send(&mut world).expect("60 s old is not too old");
        }
    }
}

#[test]
fn a_print_of_the_stored_second_changes_neither_price_nor_average_but_may_widen() {
    for (mut world, listed) in listings(SourceKind::PythPull) {
        let before = listed.oracle(&world);
        for (conf, expected) in [(5_000_000, 5_000_000), (1_000_000, 5_000_000), (7_000_000, 7_000_000)] {
            listed.feeds[0].print(&mut world, (155 * PRINT, conf), 10);
            listed.send(&mut world).expect("refresh");
            let after = listed.oracle(&world);
            assert_eq!(
                (after.price, after.ema, after.publish_time),
                (before.price, before.ema, before.publish_time)
            );
            let conf = (u128::from(expected as u64) << 32).div_ceil(100_000_000_000);
            assert_eq!(u128::from(after.conf), conf);
        }
    }
}

#[test]
fn a_missing_or_superfluous_secondary_is_refused() {
    for (mut world, listed) in listings(SourceKind::PythPull) {
        let primary = listed.feeds[0].key();
        let superfluous = listed.refresh_with(OracleAccounts { primary, secondary: Some(primary) });
        refused(&mut world, superfluous, &[], "OracleNotConfigured", "superfluous");
    }
    for list in [list_market, list_vault] {
        let mut world = World::empty();
        let listed = list(&mut world, &feeds(SOL_ASSET, &[SourceKind::PythPull, SourceKind::PythPush]));
        world.advance(1);
        listed.feeds[0].print(&mut world, (151 * PRINT, 0), 0);
        let [primary, secondary] = [listed.feeds[0].key(), listed.feeds[1].key()];
        let missing = listed.refresh_with(OracleAccounts { primary, secondary: None });
        refused(&mut world, missing, &[], "OracleAccountMissing", "missing");
        let swapped = OracleAccounts { primary: secondary, secondary: Some(primary) };
        refused(&mut world, listed.refresh_with(swapped), &[], "OracleWrongOwner", "swapped");
        let twice = OracleAccounts { primary, secondary: Some(primary) };
        refused(&mut world, listed.refresh_with(twice), &[], "OracleWrongOwner", "primary twice");
    }
}

#[test]
fn attack_wrong_feed_another_address_of_the_right_program() {
    // Push and Switchboard feeds are their address: a genuine account of another asset must not pass.
    for kind in [SourceKind::PythPush, SourceKind::Switchboard] {
        for (mut world, listed) in listings(kind) {
            let other = Feed { asset: BTC_ASSET, ..listed.feeds[0] };
            other.print(&mut world, (150 * PRINT, 0), 0);
            let accounts = OracleAccounts { primary: other.key(), secondary: None };
            refused(&mut world, listed.refresh_with(accounts), &[], "OracleWrongAccount", "another address");
        }
    }
    // A pull update may live anywhere.
    for (mut world, listed) in listings(SourceKind::PythPull) {
        let elsewhere = World::oracle_key(&SOL_ASSET, 99);
        let data = listed.feeds[0].bytes(&now(&world, 152 * PRINT, 0));
        world.set_account(elsewhere, listed.feeds[0].owner(), data);
        let accounts = OracleAccounts { primary: elsewhere, secondary: None };
        let before = state(&world);
        world.send(&[listed.refresh_with(accounts)], &[]).expect("refresh");
        assert!(state(&world) != before);
    }
}

#[test]
fn attack_a_listing_before_the_first_print_starts_no_average_at_zero() {
    for kind in KINDS {
        let mut world = World::empty();
        let feeds = feeds(SOL_ASSET, &[kind]);
        let listed = list_market(&mut world, &feeds);
        let oracle = listed.oracle(&world);
        assert_eq!(oracle.ema, oracle.price, "the average starts at the price");
        // A second listing with a dead feed is refused.
        world.advance(61);
        let (sources, params) = (world.market(0).sources, SOL_ASSET.market_params());
        let listing = world.list_active(sources, params, crate::feeds::accounts(&feeds));
        let failure = listing.expect_err("no print, no listing");
        assert!(failure.is("NoValidSource"), "{failure:?}");
        assert_eq!(world.exchange().market_count, 1);
    }
}
