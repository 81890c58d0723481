//! Two sources that disagree: whoever refreshes can neither raise, hide nor end a dispute by choosing old prints.

use bulwark_sdk::engine::price::OracleState;
use bulwark_sdk::instruction::OracleAccounts;
use bulwark_sdk::program::oracle::SourceKind::{PythPull, PythPush, Switchboard};
use bulwark_tests::World;
use bulwark_tests::fixtures::{DOLLAR, PRINT, SOL_ASSET};

use crate::feeds::{Feed, Listed, feeds, list_market, list_vault};
use crate::sources::{bits, every_listing};
use crate::support::{PubkeyOf as _, refused};

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
    let listed = list_market(&mut world, &feeds(SOL_ASSET, &[PythPull, PythPush]));
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
    let listed = list_market(&mut world, &feeds(SOL_ASSET, &[PythPush, PythPull]));
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

/// A print of `price` dollars made now at an address of the caller's own, as anyone may post one.
fn posted(world: &mut World, feed: &Feed, n: u8, price: i64) -> bulwark_sdk::Pubkey {
    let key = World::oracle_key(&feed.asset, 100 + n);
    let data = feed.bytes(&crate::feeds::print_at(world.now(), price * PRINT, 0));
    world.set_account(key, feed.owner(), data);
    key
}

#[test]
fn attack_an_old_pair_of_prints_does_not_end_a_dispute() {
    for list in [list_market, list_vault] {
        let mut world = World::empty();
        let listed = list(&mut world, &feeds(SOL_ASSET, &[PythPull, PythPull]));
        let [a, b] = listed.feeds[..] else { panic!("two feeds") };
        // Two pairs that agree: one older than the price, and the price itself. Both are within the margin age.
        let mut pairs = Vec::new();
        for n in [0, 2] {
            world.advance(10);
            pairs.push([posted(&mut world, &a, n, 150), posted(&mut world, &b, n + 1, 150)]);
        }
        let refresh = |[primary, secondary]: [bulwark_sdk::Pubkey; 2]| {
            listed.refresh_with(OracleAccounts { primary, secondary: Some(secondary) })
        };
        world.send(&[refresh(pairs[1])], &[]).expect("they agree");
        world.advance(10);
        let current = [posted(&mut world, &a, 4, 160), posted(&mut world, &b, 5, 150)];
        world.send(&[refresh(current)], &[]).expect("marks the dispute");
        let disputed = listed.oracle(&world);
        assert_eq!((disputed.divergent, disputed.publish_time), (1, world.now() - 10));
        // Together with each other or with what the market has seen, at once and to the end of the margin age.
        for age in [0, 40] {
            world.advance(age);
            let what = format!("{age} s later");
            for [old_a, old_b] in &pairs {
                for pair in [[*old_a, *old_b], [*old_a, current[1]], [current[0], *old_b]] {
                    refused(&mut world, refresh(pair), &[], "PublishTimeWentBack", &what);
                }
            }
        }
        world.send(&[refresh(current)], &[]).expect("the same prints say the same");
        assert_eq!(listed.oracle(&world).divergent, 1);
        world.advance(1);
        let agreed = [posted(&mut world, &a, 6, 160), posted(&mut world, &b, 7, 160)];
        world.send(&[refresh(agreed)], &[]).expect("a later pair that agrees");
        let oracle = listed.oracle(&world);
        assert_eq!((oracle.divergent, oracle.price.to_bits()), (0, bits(&SOL_ASSET, 160 * PRINT, 0).0));
    }
}

#[test]
fn attack_an_old_agreeing_secondary_does_not_hide_a_dispute() {
    for (kind, list) in [PythPull, PythPush, Switchboard].into_iter().flat_map(|kind| {
        [list_market, list_vault].map(|list| (kind, list as fn(&mut World, &[Feed]) -> Listed))
    }) {
        let mut world = World::empty();
        let listed = list(&mut world, &feeds(SOL_ASSET, &[kind, PythPull]));
        let [primary, secondary] = listed.feeds[..] else { panic!("two feeds") };
        let refresh = |secondary| {
            listed.refresh_with(OracleAccounts { primary: primary.key(), secondary: Some(secondary) })
        };
        // At 160 a while ago, at 150 since; then the primary alone is back at 160.
        world.advance(10);
        let old = posted(&mut world, &secondary, 0, 160);
        world.advance(10);
        primary.print(&mut world, (150 * PRINT, 0), 0);
        let seen = posted(&mut world, &secondary, 1, 150);
        world.send(&[refresh(seen)], &[]).expect("they agree on 150");
        world.advance(1);
        primary.print(&mut world, (160 * PRINT, 0), 0);
        let what = format!("{kind:?} {:?}", listed.place);
        refused(&mut world, refresh(old), &[], "PublishTimeWentBack", &what);
        world.send(&[refresh(seen)], &[]).expect("the last one seen may be passed again");
        assert_eq!(listed.oracle(&world).divergent, 1, "{what}");
        refused(&mut world, refresh(old), &[], "PublishTimeWentBack", &what);
    }
}

#[test]
fn a_divergent_market_blocks_everything_but_deposits_and_free_withdrawals() {
    use bulwark_sdk::engine::units::Side;
    let mut world = World::empty();
    let listed = list_market(&mut world, &feeds(SOL_ASSET, &[PythPull, Switchboard]));
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
