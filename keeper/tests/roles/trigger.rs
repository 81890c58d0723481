//! Orders whose price has come are executed, and pay.

use bulwark_keeper::config::Role;
use bulwark_keeper::work::Work;
use bulwark_sdk::address;
use bulwark_sdk::engine::trigger::TriggerKind;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction::{self as ix, Margin, Order, TriggerOrder};
use bulwark_sdk::program::state::{MarginAccount, Market};
use bulwark_tests::fixtures::{DOLLAR, TRIGGER_FEE};
use bulwark_tests::{SOL, Signer as _, Trader, World};

use crate::bot::{Bot, Did};
use crate::stage::*;

/// Places a take-profit for a long position at so many thousandths of the first price, for an hour. Returns its id.
fn arm(world: &mut World, who: &Trader, thousandths: u64) -> u64 {
    let mark = world.market(SOL).core.mark().to_bits();
    let (held, step) = (lots(world, &who.margin, SOL), world.market(SOL).core.params.step);
    let order = Order { market: SOL, lots: held / 2 / step * step, limit_price: 0 };
    let trigger = TriggerOrder {
        kind: TriggerKind::TakeProfit,
        side: Side::Long,
        trigger_price: mark / 1_000 * thousandths,
        order,
        expiry: world.now() + 3_600,
    };
    let account = world.margin(&who.margin);
    let margin = Margin { address: who.margin, account: &account };
    let place = ix::place_trigger(&world.listings, who.key.pubkey(), margin, &trigger).expect("builds");
    let outcome = world.send(&[place], &[&who.key]).expect("place_trigger");
    match &outcome.events[..] {
        [Event::TriggerPlaced(placed)] => placed.id,
        other => panic!("{other:?}"),
    }
}

/// A long whose take-profit waits at 1 % above.
fn scene() -> (World, Trader, u64, Bot) {
    let mut world = World::new();
    let trader = holder(&mut world, 20_000, (SOL, Side::Long), 40_000);
    let id = arm(&mut world, &trader, 1_010);
    let bot = Bot::new(&mut world, 0).only([Role::Trigger]);
    (world, trader, id, bot)
}

fn rise(world: &mut World, thousandths: i64) {
    world.advance(1);
    print(world, SOL, at(SOL, thousandths));
}

fn waiting(world: &World, who: &Trader) -> usize {
    world.margin(&who.margin).triggers.iter().filter(|trigger| trigger.is_set()).count()
}

#[test]
fn a_trigger_whose_price_the_oracle_has_printed_is_executed_and_the_keeper_is_paid() {
    let (mut world, trader, id, mut bot) = scene();
    rise(&mut world, 1_009);
    assert_eq!(bot.find(&world), []);
    rise(&mut world, 1_011);
    let held = lots(&world, &trader.margin, SOL);
    let (work, _, earned) = only(bot.round(&mut world));
    assert_eq!(work, Work::Trigger(trader.margin, id));
    assert_eq!((earned, bot.purse(&world).quote.0), (TRIGGER_FEE.cast_signed(), TRIGGER_FEE.cast_signed()));
    assert!(lots(&world, &trader.margin, SOL) < held && waiting(&world, &trader) == 0);
    assert_eq!(bot.find(&world), []);
}

#[test]
fn what_has_expired_or_is_of_an_earlier_market_is_not_touched() {
    let (world, _, _, mut bot) = scene();
    let mut late = world.fork();
    late.advance(3_601);
    rise(&mut late, 1_020);
    assert_eq!(bot.find(&late), []);
    let mut other = world.fork();
    rise(&mut other, 1_020);
    assert_eq!(bot.find(&other).len(), 1);
    other.tamper::<Market>(&address::market(SOL), |market| market.generation += 1);
    assert_eq!(bot.find(&other), []);
}

#[test]
fn a_fee_below_the_least_profit_is_left_to_others() {
    let (mut world, trader, id, mut bot) = scene();
    bot.rules.min_profit = TRIGGER_FEE.cast_signed() + 1;
    rise(&mut world, 1_020);
    assert_eq!(bot.find(&world), []);
    assert_eq!(waiting(&world, &trader), 1);
    bot.rules.min_profit = TRIGGER_FEE.cast_signed();
    assert_eq!(only(bot.round(&mut world)).0, Work::Trigger(trader.margin, id));
}

#[test]
fn the_price_of_a_trigger_has_to_be_beyond_doubt() {
    let (mut world, _, _, mut bot) = scene();
    world.advance(1);
    world.print(&World::asset(SOL), at(SOL, 1_020), at(SOL, 30).unsigned_abs());
    assert_eq!(bot.find(&world), [], "wide");
    rise(&mut world, 1_020);
    assert_eq!(bot.find(&world).len(), 1);
    world.advance(6);
    assert_eq!(bot.find(&world), [], "old");
}

#[test]
fn many_at_once_are_all_executed_also_two_of_one_account() {
    let (mut world, trader, _, mut bot) = scene();
    arm(&mut world, &trader, 1_012);
    let others = [1, 2, 3].map(|n| holder(&mut world, 20_000, (SOL, Side::Long), n * 10_000));
    for other in &others {
        arm(&mut world, other, 1_011);
    }
    rise(&mut world, 1_013);
    assert_eq!(bot.find(&world).len(), 5);
    let did = bot.rounds(&mut world, 3);
    let executed = did.iter().filter(|(_, did)| matches!(did, Did::Done(_, earned) if *earned > 0)).count();
    assert_eq!(executed, 5, "{did:?}");
    assert!(others.iter().chain([&trader]).all(|who| waiting(&world, who) == 0));
    assert!(bot.purse(&world).quote.0 > 0 && bot.purse(&world).quote.0 <= (5 * DOLLAR / 10).cast_signed());
}

#[test]
fn what_would_be_refused_or_only_cancelled_is_left_alone() {
    let (mut world, trader, _, mut bot) = scene();
    let fall = |world: &mut World| {
        rise(world, 1_000);
        world.set_price(SOL, at(SOL, 1_000));
    };
    // A limit price that no fill can meet.
    world.tamper::<MarginAccount>(&trader.margin, |account| account.triggers[0].limit_price = u64::MAX / 2);
    rise(&mut world, 1_020);
    assert_eq!(bot.find(&world), []);
    // Its position is gone.
    world.tamper::<MarginAccount>(&trader.margin, |account| account.triggers[0].limit_price = 0);
    assert_eq!(bot.find(&world).len(), 1);
    fall(&mut world);
    world.close(&trader, SOL, u64::MAX).expect("close");
    rise(&mut world, 1_020);
    assert_eq!(bot.find(&world), []);
}

#[test]
fn a_trigger_of_its_own_is_left_to_others() {
    let (mut world, trader, _, mut other) = scene();
    let mut bot = Bot::of(trader).only([Role::Trigger]);
    rise(&mut world, 1_020);
    assert_eq!(bot.find(&world), []);
    assert_eq!(other.find(&world).len(), 1);
}
