//! Other oracles of a market or a vault: alive, agreeing with each other and with what still prices it.

use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::oracle::SourceKind;
use bulwark_sdk::program::state::ChangePayload;
use bulwark_tests::World;
use bulwark_tests::fixtures::{Asset, DOLLAR, PRINT};

use crate::feeds::*;
use crate::scene::*;
use SourceKind::{PythPull, PythPush, Switchboard};

#[test]
fn every_kind_of_source_takes_the_place_of_another_and_the_former_is_a_stranger() {
    let new = [
        vec![PythPull],
        vec![PythPush],
        vec![Switchboard],
        vec![PythPush, PythPull],
        vec![PythPull, Switchboard],
    ];
    for place in PLACES {
        for kinds in &new {
            let mut world = world();
            let feeds: Vec<Feed> = (0..).zip(kinds).map(|(n, kind)| feed(*kind, n)).collect();
            let nonce = ripe(&mut world, place.change(pair(&feeds)));
            both(&mut world, UNI.price);
            world.advance(1);
            // A dollar more: within two percent.
            for feed in &feeds {
                feed.print(&mut world, 126 * PRINT, 0);
            }
            let (_, revision) = place.sources(&world);
            let outcome = world.execute(nonce, Some(accounts(&feeds))).expect("execute_change");
            assert!(matches!(event(&outcome), Event::ChangeExecuted(e) if e.nonce == nonce));
            assert_eq!(place.sources(&world), (pair(&feeds), revision + 1));
            let oracle = place.oracle(&world);
            assert_eq!(oracle.price.to_bits(), bits(126 * PRINT), "taken in at once");
            let second = if feeds.len() > 1 { world.now() } else { 0 };
            assert_eq!((oracle.publish_time, oracle.primary_time), (world.now(), world.now()));
            assert_eq!((oracle.secondary_time, oracle.divergent), (second, 0));

            world.advance(1);
            world.print(&UNI, UNI.price, 0);
            let old = place.refresh(&world, World::oracles(&UNI));
            let name = if kinds[0] == PythPull { "OracleWrongFeed" } else { "OracleWrongOwner" };
            refuse(&mut world, &old, &[], name);
            for feed in &feeds {
                feed.print(&mut world, 127 * PRINT, 0);
            }
            let refresh = place.refresh(&world, accounts(&feeds));
            accept(&mut world, &refresh, &[]);
            assert_eq!(place.oracle(&world).price.to_bits(), bits(127 * PRINT));
        }
    }
}

#[test]
fn a_new_source_must_print_before_it_counts() {
    for place in PLACES {
        let mut world = world();
        let new = [feed(PythPush, 0), feed(Switchboard, 1)];
        let alone = world.propose(place.change(pair(&new[..1]))).expect("propose_change");
        let two = ripe(&mut world, place.change(pair(&new)));
        both(&mut world, UNI.price);
        world.advance(5);
        let stored = (place.sources(&world), place.oracle(&world));
        // Not without its account, with another, or with one that has nothing to say.
        refuse_execution(&mut world, (alone, None), "OracleAccountMissing");
        refuse_execution(&mut world, (alone, Some(World::oracles(&UNI))), "OracleWrongOwner");
        refuse_execution(&mut world, (alone, Some(accounts(&[new[1]]))), "OracleWrongOwner");
        new[0].print(&mut world, UNI.price, 61);
        refuse_execution(&mut world, (alone, Some(accounts(&new[..1]))), "NoValidSource");
        new[0].print(&mut world, 0, 0);
        refuse_execution(&mut world, (alone, Some(accounts(&new[..1]))), "OracleNonPositivePrice");
        new[0].print(&mut world, UNI.price, -31);
        refuse_execution(&mut world, (alone, Some(accounts(&new[..1]))), "PublishTimeInFuture");
        // Older than the last print of the former one.
        new[0].print(&mut world, UNI.price, 6);
        refuse_execution(&mut world, (alone, Some(accounts(&new[..1]))), "PublishTimeWentBack");
        // Of two, both.
        new[0].print(&mut world, UNI.price, 0);
        new[1].print(&mut world, UNI.price, 61);
        refuse_execution(&mut world, (two, Some(accounts(&new[..1]))), "OracleAccountMissing");
        refuse_execution(&mut world, (two, Some(accounts(&new))), "NoValidSource");
        new[1].print(&mut world, UNI.price, 0);
        new[0].print(&mut world, UNI.price, 61);
        refuse_execution(&mut world, (two, Some(accounts(&new))), "NoValidSource");
        // And of one, one.
        new[0].print(&mut world, UNI.price, 0);
        refuse_execution(&mut world, (alone, Some(accounts(&new))), "OracleNotConfigured");
        assert_eq!((place.sources(&world), place.oracle(&world)), stored);
        world.fork().execute(two, Some(accounts(&new))).expect("both are alive");
        world.execute(alone, Some(accounts(&new[..1]))).expect("it is alive");
    }
}

#[test]
fn two_new_sources_must_agree_with_each_other() {
    for place in PLACES {
        let mut world = world();
        let new = [feed(PythPull, 0), feed(PythPush, 1)];
        let nonce = ripe(&mut world, place.change(pair(&new)));
        both(&mut world, UNI.price);
        world.advance(1);
        // Two percent of the lower is 2.5 dollars.
        let limit = 125 * PRINT + 5 * PRINT / 2;
        for (prices, agree) in [
            ([UNI.price, limit], true),
            ([limit, UNI.price], true),
            ([UNI.price, limit + 1_000], false),
            ([limit + 1_000, UNI.price], false),
        ] {
            let mut world = world.fork();
            for (feed, price) in new.iter().zip(prices) {
                feed.print(&mut world, price, 0);
            }
            if agree {
                world.execute(nonce, Some(accounts(&new))).expect("they agree");
                assert_eq!(place.oracle(&world).price.to_bits(), bits(prices[0]), "the primary's");
            } else {
                refuse_execution(&mut world, (nonce, Some(accounts(&new))), "PriceDivergent");
            }
        }
    }
}

/// Whether a change to a source with this price goes through, so many seconds after the last print.
fn goes(world: &World, place: Place, (nonce, new): (u64, Feed), (price, passed): (i64, i64)) -> bool {
    let mut world = world.fork();
    world.advance(passed);
    new.print(&mut world, price, 0);
    let before = place.oracle(&world);
    match world.execute(nonce, Some(accounts(&[new]))) {
        Ok(_) => {
            assert_eq!(place.oracle(&world).price.to_bits(), bits(price));
            true
        }
        Err(failure) => {
            assert_eq!(
                label(&failure),
                "PriceDivergent",
                "{place:?} {price} {passed} {}",
                failure.logs.join("\n")
            );
            assert_eq!(place.oracle(&world), before);
            false
        }
    }
}

/// What two percent apart is, and what double and half are.
const CLOSE: [(i64, bool); 4] = [
    (125 * PRINT + 5 * PRINT / 2, true),
    (125 * PRINT + 5 * PRINT / 2 + 1_000, false),
    (125 * PRINT * 50 / 51 + 1_000, true),
    (125 * PRINT * 50 / 51 - 1_000, false),
];
const DOUBLE: [(i64, bool); 4] = [
    (250 * PRINT, true),
    (250 * PRINT + 1_000, false),
    (125 * PRINT / 2, true),
    (125 * PRINT / 2 - 1_000, false),
];

#[test]
fn a_new_source_agrees_with_a_price_that_lives_and_is_near_one_of_the_last_day() {
    for place in PLACES {
        let mut world = world();
        let new = feed(PythPush, 0);
        let nonce = ripe(&mut world, place.change(pair(&[new])));
        both(&mut world, UNI.price);
        for passed in [1, 60] {
            for (price, agrees) in CLOSE {
                assert_eq!(goes(&world, place, (nonce, new), (price, passed)), agrees, "{place:?} {price}");
            }
        }
        for passed in [61, 86_400] {
            for (price, agrees) in DOUBLE {
                assert_eq!(goes(&world, place, (nonce, new), (price, passed)), agrees, "{place:?} {price}");
            }
        }
        for price in [1_000 * PRINT, PRINT] {
            assert!(goes(&world, place, (nonce, new), (price, 86_401)), "{place:?} {price}");
        }
        // A price of which nobody is sure is alive.
        world.advance(1);
        world.print(&UNI, UNI.price, UNI.price.unsigned_abs() / 50);
        let refresh = place.refresh(&world, World::oracles(&UNI));
        accept(&mut world, &refresh, &[]);
        for (price, agrees) in CLOSE {
            assert_eq!(goes(&world, place, (nonce, new), (price, 1)), agrees, "{place:?} {price}, wide");
        }
    }
}

#[test]
fn where_nothing_new_can_come_in_a_wrong_source_is_replaced_by_one_that_disagrees() {
    for place in PLACES {
        let mut world = world();
        let guardian = world.guardian.insecure_clone();
        match place {
            Place::Market(market) => stop(&mut world, market),
            Place::Vault(vault) => {
                let mut params = world.vault(vault).core.params;
                params.max_deposits = 0;
                let close = tighten(&world, &guardian, ChangePayload::VaultParams { vault, params });
                accept(&mut world, &close, &[&guardian]);
            }
        }
        let new = feed(PythPush, 0);
        let nonce = ripe(&mut world, place.change(pair(&[new])));
        both(&mut world, UNI.price);
        for passed in [1, 60, 61, 86_400] {
            for (price, agrees) in DOUBLE {
                assert_eq!(goes(&world, place, (nonce, new), (price, passed)), agrees, "{place:?} {price}");
            }
        }
        assert!(goes(&world, place, (nonce, new), (1_000 * PRINT, 86_401)));
    }
}

#[test]
fn where_nobody_is_a_new_source_says_what_it_likes() {
    for place in PLACES {
        let mut world = empty();
        let new = feed(PythPush, 0);
        let nonce = ripe(&mut world, place.change(pair(&[new])));
        both(&mut world, UNI.price);
        for price in [1_000 * PRINT, PRINT] {
            assert!(goes(&world, place, (nonce, new), (price, 1)), "{place:?} {price}");
        }
        // Somebody comes before it is executed: then it binds.
        let trader = world.funded_trader(10_000 * DOLLAR);
        match place {
            Place::Market(market) => world.open(&trader, market, Side::Short, ONE).map(|_| ()),
            Place::Vault(vault) => world.deposit_collateral(&trader, vault, 1).map(|_| ()),
        }
        .expect("comes in");
        assert!(!goes(&world, place, (nonce, new), (1_000 * PRINT, 1)), "{place:?}");
    }
}

#[test]
fn a_dead_oracle_is_replaced_and_the_market_goes_on() {
    let mut world = world();
    let trader = world.funded_trader(10_000 * DOLLAR);
    world.open(&trader, A, Side::Long, 2 * ONE).expect("open");
    world.advance(3_601);
    accept(&mut world, &ix::suspend_market(A), &[]);
    let new = [feed(PythPush, 0), feed(PythPull, 1)];
    // Two days without a price, and then one that is four times as high: nobody can say that it is wrong.
    let nonce = ripe(&mut world, Place::Market(A).change(pair(&new)));
    let close = world.close_instruction(&trader, A, ONE);
    refuse(&mut world, &close, &[&trader.key], "PriceStale");
    for feed in &new {
        feed.print(&mut world, 500 * PRINT, 0);
    }
    world.execute(nonce, Some(accounts(&new))).expect("execute_change");
    accept(&mut world, &close, &[&trader.key]);
    accept(&mut world, &ix::resume_market(A), &[]);
    world.advance(1);
    for feed in &new {
        feed.print(&mut world, 500 * PRINT, 0);
    }
    let refresh = ix::refresh_market(A, accounts(&new));
    accept(&mut world, &refresh, &[]);
    world.open(&trader, A, Side::Long, ONE).expect("open");
}

#[test]
fn two_that_dispute_are_replaced_by_one() {
    // The stored price does not live while it is disputed: the new source decides.
    let mut world = world();
    let two = [feed(PythPush, 0), feed(PythPush, 1)];
    let place = Place::Market(A);
    let nonce = ripe(&mut world, place.change(pair(&two)));
    both(&mut world, UNI.price);
    for feed in &two {
        feed.print(&mut world, UNI.price, 0);
    }
    world.execute(nonce, Some(accounts(&two))).expect("execute_change");
    let new = feed(PythPull, 2);
    let nonce = ripe(&mut world, place.change(pair(&[new])));
    for (feed, price) in two.iter().zip([UNI.price, UNI.price]) {
        feed.print(&mut world, price, 0);
    }
    let refresh = place.refresh(&world, accounts(&two));
    accept(&mut world, &refresh, &[]);
    world.advance(1);
    for (feed, price) in two.iter().zip([UNI.price, 140 * PRINT]) {
        feed.print(&mut world, price, 0);
    }
    accept(&mut world, &refresh, &[]);
    assert_eq!(place.oracle(&world).divergent, 1);
    new.print(&mut world, 140 * PRINT, 0);
    world.execute(nonce, Some(accounts(&[new]))).expect("execute_change");
    let oracle = place.oracle(&world);
    assert_eq!((oracle.divergent, oracle.price.to_bits()), (0, bits(140 * PRINT)));
    assert_eq!(oracle.secondary_time, 0, "what the former second one printed is forgotten");
}

#[test]
fn a_change_of_sources_voids_and_is_voided() {
    for place in PLACES {
        let mut world = world();
        let new = feed(PythPush, 0);
        let nonces = [feed(PythPush, 0), feed(PythPull, 1)]
            .map(|feed| world.propose(place.change(pair(&[feed]))).expect("propose_change"));
        world.set_clock(world.change(nonces[1]).timelock.eta);
        new.print(&mut world, UNI.price, 0);
        world.execute(nonces[0], Some(accounts(&[new]))).expect("execute_change");
        feed(PythPull, 1).print(&mut world, UNI.price, 0);
        refuse_execution(&mut world, (nonces[1], Some(accounts(&[feed(PythPull, 1)]))), "ChangeVoid");
        // Nobody changes sources at once.
        let guardian = world.guardian.insecure_clone();
        for who in [guardian, world.admin.insecure_clone()] {
            let now = tighten(&world, &who, place.change(pair(&[feed(PythPull, 1)])));
            refuse(&mut world, &now, &[&who], "NotTightenable");
        }
    }
}

#[test]
fn a_switchboard_price_below_eighteen_dollars_is_a_price() {
    // Switchboard prints eighteen decimals, and a lot has three more than a quote unit: together more than 10^19 can divide.
    let cheap = Asset { name: "UNI", lot_decimals: 9, price: 25 * PRINT };
    let mut world = World::empty();
    let source = Feed { asset: cheap, kind: Switchboard, n: 0 };
    source.print(&mut world, 25 * PRINT, 0);
    let market = world
        .list_active(pair(&[source]), cheap.market_params(), accounts(&[source]))
        .expect("listed at 25 dollars");
    let refresh = ix::refresh_market(market, accounts(&[source]));
    for price in [19 * PRINT, 18 * PRINT, PRINT] {
        world.advance(1);
        source.print(&mut world, price, 0);
        world.send(std::slice::from_ref(&refresh), &[]).expect("refresh_market");
        let dollars = u64::try_from(price / PRINT).expect("positive");
        assert_eq!(world.market(market).core.mark().to_bits(), dollars * (1 << 32) / 1_000);
    }
}
