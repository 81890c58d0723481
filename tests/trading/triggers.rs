//! Triggers that execute: when, what they trade, who is paid, and what is left of them.

use bulwark_sdk::address;
use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::trade::Order;
use bulwark_sdk::engine::trigger::Trigger;
use bulwark_sdk::engine::trigger::TriggerKind::{self, Limit, StopLoss, TakeProfit};
use bulwark_sdk::engine::units::Side::{self, Long, Short};
use bulwark_sdk::event::Event;
use bulwark_sdk::health::Intent;
use bulwark_sdk::program::state::Market;
use bulwark_tests::fixtures::{DOLLAR, PRINT, TRIGGER_FEE};
use bulwark_tests::{Copies, Trader, World};

use crate::support::{
    MARKET, UNI, arm, execute, execute_instruction, mark, move_uni, place, print_now, refresh, refused,
    state, trigger, uni_world, waiting,
};

/// 80 units of base: 10,000 dollars.
const LOTS: u64 = 80_000_000_000;

/// Every trigger, and whether it waits for a rise.
pub const CASES: [(TriggerKind, Side, bool); 6] = [
    (Limit, Long, false),
    (Limit, Short, true),
    (TakeProfit, Long, true),
    (TakeProfit, Short, false),
    (StopLoss, Long, false),
    (StopLoss, Short, true),
];

fn live_params() -> MarketParams {
    MarketParams { skew_scale: 1_000_000_000_000_000, ..UNI.live_params() }
}

/// A live market at 125 dollars, a trader who has what this kind of trigger needs, and a keeper.
pub fn scene(kind: TriggerKind, side: Side) -> (World, Trader, Trader) {
    let mut world = uni_world(live_params());
    let [trader, keeper] = [10_000; 2].map(|dollars| world.funded_trader(dollars * DOLLAR));
    if kind != Limit {
        move_uni(&mut world, 125 * PRINT);
        world.open(&trader, MARKET, side, 2 * LOTS).expect("open");
    }
    world.advance(10);
    print_now(&mut world, 125 * PRINT, 0);
    (world, trader, keeper)
}

#[test]
fn a_trigger_executes_at_its_price_and_beyond_and_not_a_step_before() {
    for (kind, side, rise) in CASES {
        let what = format!("{kind:?} {side:?}");
        let (mut world, trader, keeper) = scene(kind, side);
        let step = |toward: bool, n: u64| if toward { mark(&world) + n } else { mark(&world) - n };
        let [early, exact, beyond, far] = [step(rise, 1), mark(&world), step(!rise, 1), step(!rise, 1 << 26)];
        let ids = [early, exact, beyond, far].map(|at| arm(&mut world, &trader, (kind, side), LOTS, at));
        let too_early = execute_instruction(&world, &trader, ids[0], Some(&keeper));
        refused(&mut world, too_early, &[], "TriggerNotMet", &what);
        for id in &ids[1..] {
            let mut world = world.fork();
            let outcome =
                execute(&mut world, &trader, *id, Some(&keeper)).unwrap_or_else(|e| panic!("{what}: {e:?}"));
            assert_eq!(outcome.trade().lots.unsigned_abs(), LOTS, "{what}");
            assert!(!waiting(&world, &trader).contains(id), "{what}");
        }
        // The mark counts, not the oracle account: it must have been refreshed.
        let moved = if rise { 125 * PRINT + 1_000 } else { 125 * PRINT - 1_000 };
        world.advance(1);
        world.print(&UNI, moved, 0);
        let not_refreshed = execute_instruction(&world, &trader, ids[0], Some(&keeper));
        refused(&mut world, not_refreshed, &[], "TriggerNotMet", &what);
        print_now(&mut world, moved, 0);
        execute(&mut world, &trader, ids[0], Some(&keeper)).unwrap_or_else(|e| panic!("{what}: {e:?}"));
    }
}

#[test]
fn a_trigger_fills_what_the_sdk_quotes_and_does_what_its_owner_would_have_done() {
    for (kind, side, _) in CASES {
        for (move_to, late) in [(125 * PRINT, 0), (127 * PRINT, 3), (123 * PRINT, 5)] {
            let what = format!("{kind:?} {side:?} {move_to} {late}");
            let (mut world, trader, keeper) = scene(kind, side);
            let at = if (kind == TakeProfit) == (side == Long) { 1 << 20 } else { 1 << 46 };
            let id = arm(&mut world, &trader, (kind, side), LOTS, at);
            world.advance(40);
            refresh(&mut world, (MARKET, &UNI), move_to, 12_345);
            world.advance(late);

            let (copies, before) = (Copies::of(&world), world.margin(&trader.margin));
            let intent = if kind == Limit { Intent::Open(side) } else { Intent::Close };
            let order = Order { lots: LOTS, limit: None, now: world.now() };
            let quote = copies.snapshot().quote(&before, (MARKET, intent), &order).expect("quote");

            let mut by_hand = world.fork();
            let sent = match kind {
                Limit => by_hand.open(&trader, MARKET, side, LOTS),
                TakeProfit | StopLoss => by_hand.close(&trader, MARKET, LOTS),
            };
            let sent = sent.expect("by hand").trade().clone();
            let trade = execute(&mut world, &trader, id, Some(&keeper)).expect("execute").trade().clone();
            assert_eq!(trade, sent, "{what}");
            assert_eq!(
                (trade.curve, trade.spread),
                (quote.report.fill.curve.0, quote.report.fill.spread),
                "{what}"
            );
            assert_eq!(
                (trade.realised, trade.paid),
                (quote.report.realised.0, quote.report.paid.0),
                "{what}"
            );

            // Besides fee, slot and event number it is the owner's trade, to the byte.
            by_hand.tamper::<Market>(&address::market(MARKET), |m| m.sequence += 1);
            let (ours, theirs) = (state(&world), state(&by_hand));
            for (key, data) in &ours {
                let differs = *key == trader.margin || *key == keeper.margin;
                assert_eq!(theirs.get(key) != Some(data), differs, "{what}: {key}");
            }
            let (mut ours, theirs) = (world.margin(&trader.margin), by_hand.margin(&trader.margin));
            assert_eq!(ours.triggers[0], Trigger::default(), "{what}: the slot is free");
            assert_eq!(theirs.quote.0 - ours.quote.0, TRIGGER_FEE.cast_signed(), "{what}");
            assert_eq!(theirs.quote.0 - before.quote.0, quote.report.quote_change.0, "{what}");
            (ours.quote, ours.triggers) = (theirs.quote, theirs.triggers);
            assert_eq!(bytemuck::bytes_of(&*ours), bytemuck::bytes_of(&*theirs), "{what}");
        }
    }
}

#[test]
fn the_fee_moves_from_the_trader_to_the_keeper_and_without_one_nobody_is_paid() {
    for (kind, side, _) in CASES {
        let (mut world, trader, keeper) = scene(kind, side);
        let at = mark(&world);
        let id = arm(&mut world, &trader, (kind, side), LOTS, at);
        let quotes = |w: &World| [&trader, &keeper].map(|t| w.margin(&t.margin).quote.0);
        let [mut paid, mut unpaid] = [world.fork(), world.fork()];
        let events = execute(&mut paid, &trader, id, Some(&keeper)).expect("execute").events;
        let [Event::Traded(trade), Event::TriggerExecuted(executed)] = &events[..] else {
            panic!("a trade and its trigger, not {events:?}")
        };
        assert_eq!((executed.account, executed.market, executed.id), (trader.margin, MARKET, id));
        assert_eq!((executed.keeper, executed.fee), (keeper.margin, TRIGGER_FEE));
        assert_eq!((trade.account, executed.sequence), (trader.margin, trade.sequence + 1));
        assert_eq!(paid.market(MARKET).sequence, executed.sequence + 1, "numbers without a gap");

        let events = execute(&mut unpaid, &trader, id, None).expect("execute").events;
        let Some(Event::TriggerExecuted(executed)) = events.last() else { panic!("{events:?}") };
        assert_eq!((executed.keeper, executed.fee), (trader.margin, 0));
        let fee = TRIGGER_FEE.cast_signed();
        let ([a, b], [c, d]) = (quotes(&paid), quotes(&unpaid));
        assert_eq!([c - a, b - d], [fee, fee], "{kind:?} {side:?}");
        assert_eq!(d, quotes(&world)[1], "the keeper who was not named has what he had");
    }
}

#[test]
fn a_trigger_executes_once() {
    for (kind, side, _) in CASES {
        let (mut world, trader, keeper) = scene(kind, side);
        let at = mark(&world);
        let id = arm(&mut world, &trader, (kind, side), LOTS, at);
        let again = execute_instruction(&world, &trader, id, Some(&keeper));
        world.send(std::slice::from_ref(&again), &[]).expect("once");
        refused(&mut world, again, &[], "NoTrigger", "twice");
    }
}

#[test]
fn a_trigger_lives_to_the_second_of_its_expiry_and_is_cancelled_after_it() {
    for (kind, side, _) in CASES {
        let (mut world, trader, keeper) = scene(kind, side);
        let order = trigger(&world, (kind, side), LOTS, mark(&world));
        let id = place(&mut world, &trader, &order);
        let mut last = world.fork();
        last.set_clock(order.expiry);
        print_now(&mut last, 125 * PRINT, 0);
        let outcome = execute(&mut last, &trader, id, Some(&keeper)).expect("the last second");
        assert_eq!(outcome.trade().lots.unsigned_abs(), LOTS);

        world.set_clock(order.expiry + 1);
        let before = state(&world);
        let mut account = world.margin(&trader.margin);
        // No price is needed, whatever the market is like.
        let outcome = execute(&mut world, &trader, id, Some(&keeper)).expect("cancelled");
        let Event::TriggerCancelled(cancelled) = &outcome.events[..][0] else { panic!("{outcome:?}") };
        assert_eq!(outcome.events.len(), 1);
        assert_eq!((cancelled.account, cancelled.id), (trader.margin, id));
        assert_eq!(format!("{:?}", cancelled.reason), "Expired");
        account.triggers[0] = Trigger::default();
        let same = bytemuck::bytes_of(&*account) == bytemuck::bytes_of(&*world.margin(&trader.margin));
        assert!(same, "{kind:?} {side:?}: the slot and nothing else");
        for (key, data) in state(&world) {
            assert!(key == trader.margin || before.get(&key) == Some(&data), "{key}");
        }
    }
}

#[test]
fn a_reduction_larger_than_the_position_closes_it_whole_and_never_flips_it() {
    for kind in [TakeProfit, StopLoss] {
        for side in Side::BOTH {
            for lots in [2 * LOTS, 2 * LOTS + 1_000_000, 1 << 59, u64::MAX] {
                let (mut world, trader, keeper) = scene(kind, side);
                let lots = if lots == u64::MAX { lots } else { lots / 1_000_000 * 1_000_000 };
                let at = mark(&world);
                let id = arm(&mut world, &trader, (kind, side), lots, at);
                let trade = execute(&mut world, &trader, id, Some(&keeper)).expect("execute").trade().clone();
                assert_eq!(
                    (trade.lots.unsigned_abs(), trade.position_lots),
                    (2 * LOTS, 0),
                    "{kind:?} {side:?} {lots}"
                );
                let account = world.margin(&trader.margin);
                assert_eq!(account.position(MARKET), None, "{kind:?} {side:?} {lots}");
            }
        }
    }
}
