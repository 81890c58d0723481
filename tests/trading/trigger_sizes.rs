//! How much an exit takes off, and what becomes of a size that the market does not take any more.

use bulwark_sdk::address;
use bulwark_sdk::engine::trigger::TriggerKind::{Limit, StopLoss, TakeProfit};
use bulwark_sdk::engine::units::Side::{self, Long};
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::state::Market;
use bulwark_tests::fixtures::{DOLLAR, PRINT};

use crate::support::{
    MARKET, PubkeyOf as _, arm, drain, execute, execute_instruction, mark, move_uni, print_now, refused,
    waiting,
};
use crate::trigger_waits::cancelled;
use crate::triggers::scene;

/// 80 units of base: 10,000 dollars.
const LOTS: u64 = 80_000_000_000;
/// 10 dollars, the least that may stay.
const LEAST: u64 = 80_000_000;
const STEP: u64 = 1_000_000;

#[test]
fn an_exit_that_would_leave_dust_takes_all() {
    for kind in [TakeProfit, StopLoss] {
        for side in Side::BOTH {
            for (left, stays) in [(LEAST + STEP, true), (LEAST, true), (LEAST - STEP, false), (STEP, false)] {
                let (mut world, trader, keeper) = scene(kind, side);
                let at = mark(&world);
                let id = arm(&mut world, &trader, (kind, side), 2 * LOTS - left, at);
                let by_hand = world.fork().close(&trader, MARKET, 2 * LOTS - left);
                let what = format!("{kind:?} {side:?}, {left} would be left");
                assert_eq!(by_hand.is_ok(), stays, "{what}: its owner may ask for no such thing");
                let trade = execute(&mut world, &trader, id, Some(&keeper)).expect(&what).trade().clone();
                let left = if stays { left } else { 0 };
                assert_eq!(trade.position_lots.unsigned_abs(), left, "{what}");
                assert_eq!(trade.lots.unsigned_abs(), 2 * LOTS - left, "{what}");
                assert!(waiting(&world, &trader).is_empty(), "{what}");
            }
        }
    }
}

#[test]
fn an_exit_of_a_position_that_has_become_dust_takes_all() {
    let (mut world, trader, keeper) = scene(StopLoss, Long);
    world.close(&trader, MARKET, 2 * LOTS - LEAST).expect("close");
    world.advance(1);
    print_now(&mut world, 100 * PRINT, 0);
    let at = mark(&world);
    // Of 8 dollars a single step.
    let id = arm(&mut world, &trader, (StopLoss, Long), STEP, at);
    let trade = execute(&mut world, &trader, id, Some(&keeper)).expect("exit").trade().clone();
    assert_eq!((trade.lots.unsigned_abs(), trade.position_lots), (LEAST, 0));
}

#[test]
fn an_exit_of_a_position_that_is_no_multiple_of_the_step_takes_all_or_whole_steps() {
    let (world, trader, keeper) = scene(StopLoss, Long);
    let step = 3 * STEP;
    assert!(!(2 * LOTS).is_multiple_of(step));
    for (lots, left) in [(u64::MAX, 0), (2 * LOTS, 0), (LOTS / step * step, 2 * LOTS - LOTS / step * step)] {
        let mut world = world.fork();
        let at = mark(&world);
        let id = arm(&mut world, &trader, (StopLoss, Long), lots, at);
        world.tamper::<Market>(&address::market(MARKET), |m| m.core.params.step = step);
        let trade = execute(&mut world, &trader, id, Some(&keeper)).expect("exit").trade().clone();
        assert_eq!(trade.position_lots.unsigned_abs(), left, "{lots}");
    }
}

#[test]
fn a_size_that_the_market_does_not_take_any_more_is_cancelled() {
    let (world, trader, keeper) = scene(StopLoss, Long);
    let at = mark(&world);
    for kind in [Limit, StopLoss] {
        let mut world = world.fork();
        let id = arm(&mut world, &trader, (kind, Long), LOTS, at);
        world.tamper::<Market>(&address::market(MARKET), |m| m.core.params.step = 3 * STEP);
        cancelled(&mut world, &trader, id, &keeper, "no multiple of the new step");
    }
    // An entry that would be dust: its owner chose a size that only a higher price allows.
    let (mut world, trader, keeper) = scene(Limit, Long);
    let at = mark(&world);
    let [small, enough] = [LEAST - STEP, LEAST].map(|lots| arm(&mut world, &trader, (Limit, Long), lots, at));
    cancelled(&mut world, &trader, small, &keeper, "less than may stay");
    execute(&mut world, &trader, enough, Some(&keeper)).expect("as much as may stay");
    let topped_up = arm(&mut world, &trader, (Limit, Long), STEP, at);
    execute(&mut world, &trader, topped_up, Some(&keeper)).expect("what there is counts");
}

#[test]
fn attack_an_exit_without_margin_waits_as_long_as_there_is_a_position() {
    // 3.24 % for leaving, half of it fee and half of it spread, where 3.1 % of margin are freed: a dear market.
    let (mut world, trader, keeper) = scene(StopLoss, Long);
    world.tamper::<Market>(&address::market(MARKET), |m| {
        let params = &mut m.core.params;
        (params.taker_fee_ppm, params.base_spread_ppm) = (16_200, 16_200);
    });
    // 20,000 dollars and 10,000 of margin: 48.5 % down, 300 are left, and 334 are asked for.
    move_uni(&mut world, 125 * PRINT * 515 / 1_000);
    let at = mark(&world);
    let [all, part] = [u64::MAX, LOTS].map(|lots| arm(&mut world, &trader, (StopLoss, Long), lots, at));
    for id in [all, part] {
        for keeper in [Some(&keeper), None] {
            let execute = execute_instruction(&world, &trader, id, keeper);
            refused(&mut world, execute, &[], "InsufficientMargin", "it waits");
        }
    }
    assert_eq!(waiting(&world, &trader), [all, part]);
    let more = world.trader(100 * DOLLAR);
    let gift = ix::deposit(
        more.key.pubkey_(),
        trader.margin,
        &world.listings.vaults[0],
        (more.tokens, 100 * DOLLAR),
    );
    world.send(&[gift], &[&more.key]).expect("deposit");
    let trade = execute(&mut world, &trader, all, Some(&keeper)).expect("with margin").trade().clone();
    assert_eq!(trade.position_lots, 0);
    cancelled(&mut world, &trader, part, &keeper, "now there is none");
}

#[test]
fn a_claim_is_no_position_to_leave() {
    let (mut world, trader, keeper) = scene(TakeProfit, Long);
    move_uni(&mut world, 150 * PRINT);
    drain(&mut world, MARKET, 0);
    let at = mark(&world);
    let id = arm(&mut world, &trader, (TakeProfit, Long), u64::MAX, at);
    let trade = world.close(&trader, MARKET, u64::MAX).expect("close").trade().clone();
    assert!(trade.claim > 0 && world.margin(&trader.margin).position(MARKET).is_some());
    cancelled(&mut world, &trader, id, &keeper, "a claim is owed whatever the price");
}
