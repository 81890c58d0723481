//! Money goes where it is needed and comes back; fees are distributed when they are worth it.

use bulwark_keeper::config::Role;
use bulwark_keeper::work::Work;
use bulwark_sdk::address;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::program::state::Market;
use bulwark_tests::fixtures::DOLLAR;
use bulwark_tests::{BTC, SOL, World};

use crate::bot::Bot;
use crate::stage::*;

/// Four million dollars in each market are what each should have.
const TARGET: u64 = 4_000_000 * DOLLAR;

fn scene(role: Role) -> (World, Bot) {
    let mut world = World::new();
    let bot = Bot::new(&mut world, 0).only([role]);
    (world, bot)
}

/// A market has so much, and was lent no more: what it lost is not its to get again.
fn lend(world: &mut World, market: u16, left: u64) {
    drain(world, market, left);
    world.tamper::<Market>(&address::market(market), |m| m.core.book.committed = left.min(TARGET));
}

fn cash(world: &World, market: u16) -> u64 {
    world.market(market).core.book.cash
}

#[test]
fn a_market_that_lacks_money_gets_it_and_one_that_has_too_much_gives_it_back() {
    for there in [1_000_000, 5_000_000] {
        let (mut world, mut bot) = scene(Role::Allocate);
        assert_eq!(bot.find(&world), []);
        lend(&mut world, SOL, there * DOLLAR);
        assert_eq!(only(bot.round(&mut world)).0, Work::Allocate(SOL));
        assert_eq!(cash(&world, SOL), TARGET);
        assert_eq!(bot.find(&world), []);
    }
}

#[test]
fn what_a_market_has_lost_is_not_found() {
    let (mut world, mut bot) = scene(Role::Allocate);
    drain(&mut world, SOL, 1_000_000 * DOLLAR);
    assert_eq!(bot.find(&world), []);
}

#[test]
fn less_than_the_least_amount_is_not_moved() {
    for (missing, due) in [(1, false), (999, false), (1_001, true)] {
        for sign in [-1, 1] {
            let (mut world, mut bot) = scene(Role::Allocate);
            let there =
                TARGET.checked_add_signed(sign * (missing * DOLLAR).cast_signed()).expect("an amount");
            lend(&mut world, SOL, there);
            assert_eq!(!bot.find(&world).is_empty(), due, "{missing}");
            bot.rounds(&mut world, 2);
            assert_eq!(cash(&world, SOL), if due { TARGET } else { there });
        }
    }
}

#[test]
fn a_market_with_an_old_price_is_refreshed_first_and_without_a_newer_one_nothing_is_sent() {
    let (mut world, mut bot) = scene(Role::Allocate);
    holder(&mut world, 10_000, (BTC, Side::Long), 10_000);
    lend(&mut world, SOL, 1_000_000 * DOLLAR);
    assert_eq!(bot.find(&world), [Work::Allocate(SOL)]);
    world.advance(61);
    assert_eq!(bot.find(&world), [], "nobody knows what the pool is worth");
    print(&mut world, BTC, at(BTC, 1_000));
    assert_eq!(only(bot.round(&mut world)).0, Work::Allocate(SOL));
    assert_eq!(world.market(BTC).core.oracle.publish_time, world.now());
    assert!(cash(&world, SOL) > 3_990_000 * DOLLAR);
}

#[test]
fn money_moves_by_the_prices_that_it_was_judged_by() {
    let (mut world, mut bot) = scene(Role::Allocate);
    holder(&mut world, 400_000, (BTC, Side::Long), 1_000_000);
    bot.rounds(&mut world, 3);
    world.advance(1);
    // The pool loses 50,000 dollars that no market's stored price knows of yet.
    print(&mut world, BTC, at(BTC, 1_050));
    assert!(!bot.find(&world).is_empty());
    bot.rounds(&mut world, 3);
    assert_eq!(world.market(BTC).core.oracle.publish_time, world.now());
}

#[test]
fn fees_are_distributed_once_they_are_worth_it() {
    let (mut world, mut bot) = scene(Role::Sweep);
    assert_eq!(bot.find(&world), []);
    // 5 bp: 25 dollars of 50,000.
    holder(&mut world, 50_000, (SOL, Side::Long), 50_000);
    assert_eq!(only(bot.round(&mut world)).0, Work::Sweep(SOL));
    assert_eq!(world.market(SOL).core.book.fees.total().expect("a sum"), 0);
    assert_eq!(bot.find(&world), []);
}

#[test]
fn fees_that_a_market_keeps_for_what_is_not_backed_are_left_alone() {
    let (mut world, mut bot) = scene(Role::Sweep);
    holder(&mut world, 50_000, (SOL, Side::Long), 50_000);
    let debtor = world.trader(10_000 * DOLLAR);
    indebt(&mut world, &debtor, 20_000, SOL);
    drain(&mut world, SOL, 9_999 * DOLLAR);
    assert_eq!(bot.find(&world), []);
    world.advance(7_200);
    assert_eq!(bot.find(&world), [], "however long they wait");
    drain(&mut world, SOL, 20_000 * DOLLAR);
    assert_eq!(only(bot.round(&mut world)).0, Work::Sweep(SOL));
}

#[test]
fn smaller_fees_are_distributed_once_they_have_waited_long_enough_each_time() {
    let (mut world, mut bot) = scene(Role::Sweep);
    for _ in 0..2 {
        let price = at(SOL, 1_000);
        world.set_price(SOL, price);
        holder(&mut world, 50_000, (SOL, Side::Long), 5_000);
        assert_eq!(bot.find(&world), []);
        world.advance(3_599);
        assert_eq!(bot.find(&world), []);
        world.advance(1);
        assert_eq!(only(bot.round(&mut world)).0, Work::Sweep(SOL));
        assert_eq!(bot.find(&world), []);
        world.advance(1);
    }
}
