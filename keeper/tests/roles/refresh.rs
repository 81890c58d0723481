//! Prices that somebody needs are kept young; nothing is paid for the others.

use bulwark_keeper::config::Role;
use bulwark_keeper::work::Work;
use bulwark_sdk::engine::deleverage::MAX_GAP_SLOTS;
use bulwark_sdk::engine::trigger::TriggerKind;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::instruction::{self as ix, Margin, Order, TriggerOrder};
use bulwark_sdk::program::state::MarketStatus;
use bulwark_sdk::refresh::Leg;
use bulwark_tests::fixtures::{DOLLAR, SOL_ASSET};
use bulwark_tests::oracle_accounts::{self, PYTH_RECEIVER, Print, Verification};
use bulwark_tests::{BTC, SOL, SOL_VAULT, Signer as _, World};

use crate::bot::{Bot, Did};
use crate::stage::{at, holder, only, print, set_params};

fn refresher(world: &mut World) -> Bot {
    Bot::new(world, 1_000).only([Role::Refresh])
}

/// One SOL long, and SOL's price of now in the market.
fn scene() -> (World, Bot) {
    let mut world = World::new();
    holder(&mut world, 10_000, (SOL, Side::Long), 10_000);
    let bot = refresher(&mut world);
    (world, bot)
}

#[test]
fn an_old_price_in_use_is_refreshed_once_a_newer_one_is_there() {
    let (mut world, mut bot) = scene();
    world.advance(19);
    print(&mut world, SOL, at(SOL, 1_000));
    assert_eq!(bot.find(&world), [], "19 seconds old");
    world.advance(1);
    assert_eq!(bot.find(&world), [Work::Refresh(vec![Leg::Market(SOL)])]);
    world.advance(1);
    print(&mut world, SOL, at(SOL, 1_000));
    let (_, outcome, _) = only(bot.round(&mut world));
    assert_eq!(outcome.events.len(), 1, "{outcome:?}");
    assert_eq!(world.market(SOL).core.oracle.publish_time, world.now());
    assert_eq!(bot.find(&world), []);
}

#[test]
fn what_somebody_else_has_refreshed_is_not_refreshed_again() {
    let (mut world, mut bot) = scene();
    world.advance(21);
    print(&mut world, SOL, at(SOL, 1_000));
    let [work] = &bot.find(&world)[..] else { panic!("one refresh") };
    assert!(matches!(refresher(&mut world).act(&mut world, work), Did::Done(..)));
    assert!(matches!(bot.act(&mut world, work), Did::Nothing));
}

#[test]
fn without_a_newer_print_nothing_is_sent_however_old_the_price_is() {
    let (mut world, mut bot) = scene();
    for seconds in [30, 60, 600] {
        world.advance(seconds);
        assert_eq!(bot.find(&world), []);
    }
}

#[test]
fn a_price_that_moved_by_the_least_move_is_refreshed_and_one_that_moved_less_is_not() {
    let (world, mut bot) = scene();
    for (price, due) in
        [(1_000_000, false), (1_001_999, false), (1_002_001, true), (997_999, true), (998_001, false)]
    {
        let mut world = world.fork();
        world.advance(1);
        print(&mut world, SOL, SOL_ASSET.price / 1_000_000 * price);
        assert_eq!(!bot.find(&world).is_empty(), due, "{price}");
        assert_eq!(bot.round(&mut world).len(), usize::from(due));
    }
}

#[test]
fn a_market_that_nobody_is_in_is_not_refreshed_but_one_with_a_trigger_is() {
    let (mut world, mut bot) = scene();
    let trader = world.funded_trader(10_000 * DOLLAR);
    world.advance(21);
    print(&mut world, BTC, at(BTC, 1_100));
    assert_eq!(bot.find(&world), [], "BTC moved by a tenth, and nobody holds any");
    let account = world.margin(&trader.margin);
    let margin = Margin { address: trader.margin, account: &account };
    let order = Order { market: BTC, lots: World::asset(BTC).one(), limit_price: u64::MAX };
    let mark = world.market(BTC).core.mark().to_bits();
    let trigger = TriggerOrder {
        kind: TriggerKind::Limit,
        side: Side::Long,
        trigger_price: mark / 2,
        order,
        expiry: world.now() + 3_600,
    };
    let place = ix::place_trigger(&world.listings, trader.key.pubkey(), margin, &trigger).expect("builds");
    world.send(&[place], &[&trader.key]).expect("place_trigger");
    assert_eq!(bot.find(&world), [Work::Refresh(vec![Leg::Market(BTC)])]);
}

#[test]
fn all_that_is_due_goes_in_one_transaction() {
    let (mut world, mut bot) = scene();
    let trader = holder(&mut world, 50_000, (BTC, Side::Short), 20_000);
    world.deposit_collateral(&trader, SOL_VAULT, SOL_ASSET.one()).expect("collateral");
    world.advance(25);
    for market in [SOL, BTC] {
        print(&mut world, market, at(market, 1_000));
    }
    let (work, ..) = only(bot.round(&mut world));
    assert_eq!(work, Work::Refresh(vec![Leg::Market(SOL), Leg::Market(BTC), Leg::Vault(SOL_VAULT)]));
    let now = world.now();
    assert_eq!([SOL, BTC].map(|market| world.market(market).core.oracle.publish_time), [now; 2]);
    assert_eq!(world.vault(SOL_VAULT).core.oracle.publish_time, now);
    assert_eq!(bot.find(&world), []);
}

#[test]
fn an_exposed_market_is_looked_at_often_enough_that_its_cutoff_falls() {
    let (mut world, mut bot) = scene();
    set_params(&mut world, SOL, |params| params.deleverage.inventory_cap = 5_000 * DOLLAR);
    let (mut began, mut looks) = (None, 0);
    for _ in 0..60 {
        world.advance(1);
        print(&mut world, SOL, at(SOL, 1_000));
        for (work, did) in bot.round(&mut world) {
            assert!(matches!(did, Did::Done(..)), "{work}: {did:?}");
            looks += 1;
        }
        let core = world.market(SOL).core;
        assert_ne!(core.deleveraging_since, 0, "found by the first look");
        assert_eq!(core.deleveraging_since, *began.get_or_insert(core.deleveraging_since));
        assert!(world.slot() - core.exposure_seen <= MAX_GAP_SLOTS);
    }
    // A look after more than eight slots: every four seconds.
    assert!((15..=16).contains(&looks), "{looks}");
}

#[test]
fn of_several_accounts_of_a_feed_the_freshest_one_is_taken() {
    let (mut world, mut bot) = scene();
    let other = World::oracle_key(&SOL_ASSET, 7);
    bot.feeds.entry(SOL_ASSET.feed(0)).or_default().push(other);
    let post = |world: &mut World, thousandths: i64, age: i64| {
        let publish_time = world.now() - age;
        let print =
            Print { price: at(SOL, thousandths), conf: 1, exponent: -8, publish_time, posted_slot: 0 };
        let data = oracle_accounts::pyth_pull(SOL_ASSET.feed(0), &print, Verification::Full);
        world.set_account(other, PYTH_RECEIVER, data);
    };
    world.advance(30);
    post(&mut world, 1_010, 0);
    only(bot.round(&mut world));
    let price = |world: &World| world.market(SOL).core.oracle.price.to_bits();
    let first = price(&world);
    // The usual one is ahead again.
    world.advance(30);
    post(&mut world, 1_020, 10);
    print(&mut world, SOL, at(SOL, 1_030));
    only(bot.round(&mut world));
    let ppm = |price: u64| u128::from(price) * 1_010_000 / u128::from(first);
    assert!(ppm(price(&world)).abs_diff(1_030_000) <= 1, "{}", ppm(price(&world)));
}

#[test]
fn a_market_without_a_price_is_suspended_and_resumed_when_it_has_one_for_long_enough() {
    let (mut world, mut bot) = scene();
    let active = |world: &World| world.market(SOL).status == MarketStatus::Active.to_byte();
    let outage = i64::from(world.market(SOL).core.params.max_outage);
    let hear_of_btc = |world: &mut World| drop(world.set_price(BTC, at(BTC, 1_000)));
    world.advance(outage);
    hear_of_btc(&mut world);
    assert_eq!(bot.find(&world), [], "to the second");
    world.advance(1);
    assert_eq!(only(bot.round(&mut world)).0, Work::Suspend(SOL));
    assert!(!active(&world));
    assert_eq!(bot.find(&world), [], "once");
    // There is a price again, but it has to be there for as long.
    world.advance(60);
    print(&mut world, SOL, at(SOL, 990));
    assert_eq!(only(bot.round(&mut world)).0, Work::Refresh(vec![Leg::Market(SOL)]));
    assert_eq!(bot.find(&world), []);
    world.advance(outage - 60);
    hear_of_btc(&mut world);
    print(&mut world, SOL, at(SOL, 991));
    bot.rounds(&mut world, 3);
    assert!(active(&world));
}

#[test]
fn a_market_whose_oracle_speaks_is_not_suspended_only_because_nobody_has_used_it() {
    let (mut world, mut bot) = scene();
    for _ in 0..240 {
        world.advance(60);
        for market in [SOL, BTC] {
            print(&mut world, market, at(market, 1_000));
        }
        for (work, did) in bot.rounds(&mut world, 3) {
            assert!(matches!(work, Work::Refresh(_)), "{work}: {did:?}");
        }
    }
    assert_eq!(world.market(BTC).status, MarketStatus::Active.to_byte());
}

#[test]
fn a_market_that_was_suspended_while_empty_is_resumed_all_the_same() {
    let (mut world, mut bot) = scene();
    let outage = i64::from(world.market(BTC).core.params.max_outage);
    world.advance(outage + 1);
    print(&mut world, SOL, at(SOL, 1_000));
    world.send(&[ix::suspend_market(BTC)], &[]).expect("suspend_market");
    world.advance(outage);
    for market in [SOL, BTC] {
        print(&mut world, market, at(market, 1_000));
    }
    bot.rounds(&mut world, 4);
    assert_eq!(world.market(BTC).status, MarketStatus::Active.to_byte());
}

#[test]
fn a_price_that_the_program_would_not_take_is_not_sent() {
    let (mut world, mut bot) = scene();
    world.advance(30);
    // Of the future: beyond what the program allows.
    let publish_time = world.now() + 1_000;
    let print = Print { price: at(SOL, 1_100), conf: 1, exponent: -8, publish_time, posted_slot: 0 };
    let data = oracle_accounts::pyth_pull(SOL_ASSET.feed(0), &print, Verification::Full);
    world.set_account(World::oracle_key(&SOL_ASSET, 0), PYTH_RECEIVER, data);
    assert_eq!(bot.find(&world), []);
    // Not fully verified.
    world.advance(1);
    let print = Print { publish_time: world.now(), ..print };
    let data = oracle_accounts::pyth_pull(SOL_ASSET.feed(0), &print, Verification::Partial(5));
    world.set_account(World::oracle_key(&SOL_ASSET, 0), PYTH_RECEIVER, data);
    assert_eq!(bot.find(&world), []);
}
