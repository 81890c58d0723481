//! Triggers of the largest account fit one transaction.

use bulwark_sdk::engine::trigger::TriggerKind::{Limit, StopLoss};
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::instruction::{self as ix, TriggerOrder};
use bulwark_sdk::program::state::Market;
use bulwark_tests::World;
use bulwark_tests::fixtures::{DOLLAR, SOL_ASSET, TRIGGER_FEE};

use crate::shape::{PACKET, crowd, index, wire};
use crate::support::{
    PubkeyOf as _, cancel_instruction, execute_instruction, place, place_instruction, refused, trigger,
};

/// 5 bp of the 150 dollars that an order is worth: what its keeper is paid at most.
const PAID: u64 = 75_000;

#[test]
fn triggers_of_an_account_of_16_positions_and_8_collaterals_fit_one_transaction() {
    let (mut world, trader, _) = crowd();
    let keeper = world.funded_trader(DOLLAR);
    let (owner, one) = (trader.key.pubkey_(), SOL_ASSET.one());
    let mark = world.market(15).core.mark().to_bits();
    let order = |world: &World, kind, side, market, lots| {
        let order = trigger(world, (kind, side), lots, mark);
        TriggerOrder { order: ix::Order { market, ..order.order }, ..order }
    };
    let within = |what: &str, bytes: usize, units: u64, limit: u64| {
        println!("{what} at full shape: {bytes} bytes, {units} units");
        assert!(bytes <= PACKET && units <= limit, "{what}: {bytes} bytes, {units} units");
    };
    // An entry that becomes the 16th position, and one that makes it grow, beside triggers in every other slot.
    for n in 0..6 {
        let order = order(&world, StopLoss, Side::BOTH[n % 2], index(n), u64::MAX);
        let instruction = place_instruction(&world, &trader, &order);
        let units =
            world.send(std::slice::from_ref(&instruction), &[&trader.key]).expect("place").compute_units;
        within("place_trigger", wire(&instruction, &owner), units, 3_000);
    }
    for what in ["entry", "increase"] {
        let order = order(&world, Limit, Side::Long, 15, one);
        let id = place(&mut world, &trader, &order);
        let execute = execute_instruction(&world, &trader, id, Some(&keeper));
        assert_eq!(execute.accounts.len(), 4 + 15 + 8);
        let outcome = world.send(std::slice::from_ref(&execute), &[]).expect(what);
        within(what, wire(&execute, &owner), outcome.compute_units, 40_000);
        assert_eq!(outcome.trade().market, 15);
    }
    // An exit whose keeper is paid after a look at the whole account, and one that needs that look for itself too.
    let first = execute_instruction(&world, &trader, 1, Some(&keeper));
    let units = world.fork().send(std::slice::from_ref(&first), &[]).expect("exit").compute_units;
    within("exit", wire(&first, &owner), units, 40_000);
    // Five percent of fee are more than the 3.1 % of margin that it frees.
    world.tamper::<Market>(&world.listings.markets[&0].clone(), |m| m.core.params.taker_fee_ppm = 50_000);
    let dear = execute_instruction(&world, &trader, 1, Some(&keeper));
    let mut blind = dear.clone();
    blind.accounts.truncate(4);
    refused(&mut world, blind, &[], "AccountMissing", "it is judged by all legs");
    let outcome = world.send(std::slice::from_ref(&dear), &[]).expect("exit");
    within("exit judged by the whole account", wire(&dear, &owner), outcome.compute_units, 60_000);
    assert_eq!(world.margin(&trader.margin).position(0), None);
    assert_eq!(
        world.margin(&keeper.margin).quote.units_or_zero(),
        DOLLAR + 2 * PAID + TRIGGER_FEE,
        "for three trades"
    );

    world.withdraw(&trader, 0, (trader.tokens, 80_000 * DOLLAR)).expect("withdraw");
    // One that is cancelled for want of margin, after the whole account was walked twice.
    let order = order(&world, Limit, Side::Long, 16, 6_000 * one);
    let id = place(&mut world, &trader, &order);
    let before = world.get::<Market>(&world.listings.markets[&16]);
    let execute = execute_instruction(&world, &trader, id, Some(&keeper));
    let units = world.send(std::slice::from_ref(&execute), &[]).expect("cancelled").compute_units;
    within("cancelled execution", wire(&execute, &owner), units, 60_000);
    let after = world.get::<Market>(&world.listings.markets[&16]);
    assert!(bytemuck::bytes_of(&*after) == bytemuck::bytes_of(&*before), "untouched");
    let cancel = cancel_instruction(&world, owner, &trader, 2);
    let units = world.send(std::slice::from_ref(&cancel), &[&trader.key]).expect("cancel").compute_units;
    within("cancel_trigger", wire(&cancel, &owner), units, 3_000);
}
