//! Ways in which a keeper could take a trigger out that its owner could still have had executed.

use bulwark_sdk::address;
use bulwark_sdk::engine::margin::HealthType;
use bulwark_sdk::engine::trigger::TriggerKind::{Limit, StopLoss};
use bulwark_sdk::engine::units::Side::{Long, Short};
use bulwark_sdk::event::Event;
use bulwark_sdk::program::state::{MarginAccount, Market};
use bulwark_tests::fixtures::{DOLLAR, PRINT};

use crate::support::{
    MARKET, arm, execute, execute_instruction, mark, move_uni, print_now, refused, uni_params, uni_world,
    waiting,
};

/// 80 units of base: 10,000 dollars.
const LOTS: u64 = 80_000_000_000;

#[test]
fn attack_a_keeper_cannot_cancel_a_stop_loss_at_a_wide_print() {
    let mut world = uni_world(uni_params());
    let (trader, keeper) = (world.funded_trader(600 * DOLLAR), world.funded_trader(DOLLAR));
    move_uni(&mut world, 125 * PRINT);
    world.open(&trader, MARKET, Long, LOTS).expect("open");
    let at = mark(&world);
    let id = arm(&mut world, &trader, (StopLoss, Long), u64::MAX, at);
    // 6.4 % of spread are more than the account has: it would end below zero.
    world.advance(1);
    print_now(&mut world, 125 * PRINT, (8 * PRINT).cast_unsigned());
    let early = execute_instruction(&world, &trader, id, Some(&keeper));
    refused(&mut world, early, &[], "PriceWide", "it waits for a narrower print");
    world.advance(1);
    print_now(&mut world, 125 * PRINT, 0);
    assert_eq!(
        execute(&mut world, &trader, id, Some(&keeper)).expect("narrow again").trade().position_lots,
        0
    );
}

#[test]
fn attack_a_keeper_cannot_cancel_an_entry_by_asking_for_his_fee() {
    let mut world = uni_world(uni_params());
    let (trader, keeper) = (world.funded_trader(10_000 * DOLLAR), world.funded_trader(DOLLAR));
    move_uni(&mut world, 125 * PRINT);
    let mut probe = world.fork();
    probe.open(&trader, MARKET, Long, LOTS).expect("open");
    let spare = probe.health(&trader.margin, HealthType::Init).excess().expect("excess").0;
    world.withdraw(&trader, 0, (trader.tokens, spare.unsigned_abs())).expect("withdraw");
    let at = mark(&world);
    let id = arm(&mut world, &trader, (Limit, Long), LOTS, at);
    // It goes through for nothing, as it does for one who asks for nothing.
    for keeper_or_none in [Some(&keeper), None] {
        let mut world = world.fork();
        let outcome = execute(&mut world, &trader, id, keeper_or_none).expect("only the fee is missing");
        assert_eq!(outcome.trade().lots.unsigned_abs(), LOTS);
        assert!(waiting(&world, &trader).is_empty());
        let excess = world.health(&trader.margin, HealthType::Init).excess().expect("excess").0;
        assert_eq!(excess, 0, "nothing is left, and nothing is missing");
        assert_eq!(world.margin(&keeper.margin).quote.0, DOLLAR.cast_signed());
    }
}

#[test]
fn an_exit_against_a_flipped_position_behind_unwinds_is_cancelled() {
    let mut world = uni_world(uni_params());
    let (trader, keeper) = (world.funded_trader(10_000 * DOLLAR), world.funded_trader(DOLLAR));
    move_uni(&mut world, 125 * PRINT);
    world.open(&trader, MARKET, Short, LOTS).expect("open");
    let at = mark(&world);
    let id = arm(&mut world, &trader, (StopLoss, Long), u64::MAX, at);
    // As if it had joined a bucket that was halved thirty times before.
    world.tamper::<MarginAccount>(&trader.margin, |a| a.positions[0].unwind = 1 << 33);
    world.tamper::<Market>(&address::market(MARKET), |m| {
        let bucket = m.core.book.short.buckets.iter_mut().find(|b| b.members > 0);
        bucket.expect("a bucket").unwind = 1 << 33;
    });
    let outcome = execute(&mut world, &trader, id, Some(&keeper)).expect("cancelled, not stuck");
    assert!(matches!(outcome.events[..], [Event::TriggerCancelled(_)]), "{outcome:?}");
}
