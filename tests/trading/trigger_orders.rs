//! Placing and cancelling triggers: who may, what is a trigger, and which accounts the three instructions take.

use anchor_lang::InstructionData as _;
use bulwark_sdk::engine::trigger::MAX_LIFE;
use bulwark_sdk::engine::trigger::TriggerKind::{Limit, StopLoss, TakeProfit};
use bulwark_sdk::engine::units::{MAX_LOTS, Price, Side};
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::instruction as data;
use bulwark_sdk::program::instructions::PlaceTriggerArgs;
use bulwark_sdk::program::state::MarginAccount;
use bulwark_sdk::{Instruction, Pubkey, address};
use bulwark_tests::fixtures::{BTC_ASSET, DOLLAR, PRINT};
use bulwark_tests::{Trader, World};

use crate::support::{
    MARKET, PubkeyOf as _, arm, cancel_instruction, execute, execute_instruction, mark, move_uni, place,
    place_instruction, refused, state, trigger, uni_params, uni_world, waiting,
};

const STEP: u64 = 1_000_000;
const LOTS: u64 = 80_000_000_000;

/// A long of 20,000 dollars, and another trader.
fn scene() -> (World, Trader, Trader) {
    let mut world = uni_world(uni_params());
    let [trader, other] = [10_000; 2].map(|dollars| world.funded_trader(dollars * DOLLAR));
    move_uni(&mut world, 125 * PRINT);
    world.open(&trader, MARKET, Side::Long, 2 * LOTS).expect("open");
    (world, trader, other)
}

/// A stop-loss with these arguments changed.
fn with_args(world: &World, who: &Trader, change: impl FnOnce(&mut PlaceTriggerArgs)) -> Instruction {
    let mut args = PlaceTriggerArgs {
        incarnation: world.margin(&who.margin).incarnation,
        kind: 2,
        side: 0,
        reduce_only: true,
        lots: LOTS,
        trigger_price: mark(world) / 2,
        limit_price: mark(world) / 4,
        expiry: world.now() + 60,
    };
    change(&mut args);
    let mut place = place_instruction(world, who, &trigger(world, (StopLoss, Side::Long), LOTS, 1 << 29));
    place.data = data::PlaceTrigger { args }.data();
    place
}

#[test]
fn a_trigger_is_stored_and_announced_as_it_was_placed() {
    let (mut world, trader, _) = scene();
    let order = trigger(&world, (TakeProfit, Side::Long), u64::MAX, 1 << 30);
    let instruction = place_instruction(&world, &trader, &order);
    let before = state(&world);
    let outcome = world.send(&[instruction], &[&trader.key]).expect("place_trigger");
    let [Event::TriggerPlaced(placed)] = &outcome.events[..] else { panic!("{outcome:?}") };
    let stored = world.margin(&trader.margin).triggers[0];
    assert_eq!((placed.account, placed.market, placed.id), (trader.margin, MARKET, 1));
    assert_eq!((stored.market, stored.id), (MARKET, 1));
    let as_placed = (1, 0, u64::MAX, 1 << 30, 0, order.expiry);
    let of_event =
        (placed.kind, placed.side, placed.lots, placed.trigger_price, placed.limit_price, placed.expiry);
    let of_slot =
        (stored.kind, stored.side, stored.lots, stored.trigger_price, stored.limit_price, stored.expiry);
    assert_eq!((of_event, of_slot), (as_placed, as_placed));
    for (key, data) in state(&world) {
        assert_eq!(before.get(&key) != Some(&data), key == trader.margin, "{key}");
    }
}

#[test]
fn what_is_no_trigger_is_refused_by_name() {
    type Change = fn(&mut PlaceTriggerArgs);
    let (mut world, trader, _) = scene();
    let cases: [(&str, Change, &str); 28] = [
        ("a kind that is none", |a| a.kind = 3, "InvalidTrigger"),
        ("a kind that is none", |a| a.kind = 255, "InvalidTrigger"),
        ("a side that is none", |a| a.side = 2, "Corrupt"),
        ("an entry that may only reduce", |a| (a.kind, a.reduce_only) = (0, true), "InvalidTrigger"),
        ("a take-profit that may open", |a| (a.kind, a.reduce_only) = (1, false), "InvalidTrigger"),
        ("a stop-loss that may open", |a| a.reduce_only = false, "InvalidTrigger"),
        ("no price", |a| a.trigger_price = 0, "PriceOutOfRange"),
        ("too low a price", |a| a.trigger_price = Price::MIN.to_bits() - 1, "PriceOutOfRange"),
        ("too high a price", |a| a.trigger_price = Price::MAX.to_bits() + 1, "PriceOutOfRange"),
        ("the highest price", |a| a.trigger_price = u64::MAX, "PriceOutOfRange"),
        ("a limit nobody can meet", |a| a.limit_price = Price::MAX.to_bits() + 1, "PriceOutOfRange"),
        ("a limit nobody can meet", |a| (a.side, a.limit_price) = (1, 0), "PriceOutOfRange"),
        (
            "a limit nobody can meet",
            |a| (a.kind, a.reduce_only, a.limit_price) = (0, false, Price::MIN.to_bits() - 1),
            "PriceOutOfRange",
        ),
        ("expired now", |a| a.expiry -= 60, "InvalidTrigger"),
        ("expired long ago", |a| a.expiry = 0, "InvalidTrigger"),
        ("expired before time", |a| a.expiry = i64::MIN, "InvalidTrigger"),
        ("beyond 90 days", |a| a.expiry += MAX_LIFE - 59, "InvalidTrigger"),
        ("for ever", |a| a.expiry = i64::MAX, "InvalidTrigger"),
        ("no lots", |a| a.lots = 0, "ZeroAmount"),
        ("less than a step", |a| a.lots = STEP - 1, "NotAMultipleOfStep"),
        ("steps and one", |a| a.lots += 1, "NotAMultipleOfStep"),
        ("steps less one", |a| a.lots -= 1, "NotAMultipleOfStep"),
        ("all for an entry", |a| (a.kind, a.reduce_only, a.lots) = (0, false, u64::MAX), "InvalidTrigger"),
        ("more than any order", |a| a.lots = MAX_LOTS + 1, "InvalidTrigger"),
        ("more than any order in steps", |a| a.lots = MAX_LOTS.next_multiple_of(STEP), "InvalidTrigger"),
        ("all but one", |a| a.lots = u64::MAX - 1, "InvalidTrigger"),
        ("the most, and no steps", |a| a.lots = MAX_LOTS, "NotAMultipleOfStep"),
        ("another incarnation", |a| a.incarnation += 1, "WrongIncarnation"),
    ];
    for (what, change, name) in cases {
        let place = with_args(&world, &trader, change);
        refused(&mut world, place, &[&trader.key], name, what);
    }
    let valid: [Change; 7] = [
        |_| (),
        |a| a.expiry -= 59,
        |a| a.expiry += MAX_LIFE - 60,
        |a| (a.trigger_price, a.limit_price) = (Price::MIN.to_bits(), Price::MAX.to_bits()),
        |a| (a.trigger_price, a.lots) = (Price::MAX.to_bits(), STEP),
        |a| (a.kind, a.reduce_only, a.lots) = (0, false, STEP),
        |a| a.lots = MAX_LOTS / STEP * STEP,
    ];
    for change in valid {
        let place = with_args(&world, &trader, change);
        world.send(&[place], &[&trader.key]).expect("valid");
    }
}

#[test]
fn a_ninth_trigger_is_refused_and_ids_never_return() {
    let (mut world, trader, _) = scene();
    let arm_one = |world: &mut World| arm(world, &trader, (StopLoss, Side::Long), LOTS, 1 << 28);
    let ids: Vec<_> = (0..8).map(|_| arm_one(&mut world)).collect();
    assert_eq!(ids, (1..=8).collect::<Vec<_>>());
    let ninth = place_instruction(&world, &trader, &trigger(&world, (Limit, Side::Long), LOTS, 1 << 28));
    refused(&mut world, ninth, &[&trader.key], "NoFreeTriggerSlot", "a ninth");
    let cancel = |world: &mut World, id| {
        let cancel = cancel_instruction(world, trader.key.pubkey_(), &trader, id);
        world.send(&[cancel], &[&trader.key]).expect("cancel_trigger")
    };
    cancel(&mut world, 3);
    assert_eq!(arm_one(&mut world), 9, "no number twice");
    assert_eq!(world.margin(&trader.margin).triggers[2].id, 9, "in the slot that was freed");
    for id in [9, 1, 2, 4, 5, 6, 7, 8] {
        cancel(&mut world, id);
    }
    assert!(waiting(&world, &trader).is_empty());
    assert_eq!(arm_one(&mut world), 10, "not even after all are gone");
    // By execution too.
    let entry = mark(&world);
    let id = arm(&mut world, &trader, (Limit, Side::Long), LOTS, entry);
    execute(&mut world, &trader, id, None).expect("execute");
    assert_eq!((id, arm_one(&mut world)), (11, 12));
}

#[test]
fn a_cancelled_trigger_leaves_an_empty_slot_and_its_number() {
    let (mut world, trader, _) = scene();
    let before = world.margin(&trader.margin);
    let id = arm(&mut world, &trader, (StopLoss, Side::Long), LOTS, 1 << 28);
    let cancel = cancel_instruction(&world, trader.key.pubkey_(), &trader, id);
    let outcome = world.send(std::slice::from_ref(&cancel), &[&trader.key]).expect("cancel_trigger");
    let [Event::TriggerCancelled(cancelled)] = &outcome.events[..] else { panic!("{outcome:?}") };
    assert_eq!((cancelled.account, cancelled.id), (trader.margin, id));
    assert_eq!(format!("{:?}", cancelled.reason), "Request");
    let mut expected = *before;
    expected.trigger_count = id;
    assert_eq!(bytemuck::bytes_of(&*world.margin(&trader.margin)), bytemuck::bytes_of(&expected));
    refused(&mut world, cancel, &[&trader.key], "NoTrigger", "twice");
    for id in [0, 2, u64::MAX] {
        // Zero stands for an empty slot.
        let cancel = cancel_instruction(&world, trader.key.pubkey_(), &trader, id);
        refused(&mut world, cancel, &[&trader.key], "NoTrigger", "no such trigger");
    }
}

#[test]
fn owner_and_delegate_place_and_cancel_and_nobody_else() {
    let (mut world, trader, other) = scene();
    let id = arm(&mut world, &trader, (StopLoss, Side::Long), LOTS, 1 << 28);
    let (delegate, admin, guardian) =
        (world.keypair(), world.admin.insecure_clone(), world.guardian.insecure_clone());
    let order = trigger(&world, (StopLoss, Side::Long), LOTS, 1 << 28);
    let signed_by = |world: &World, key: Pubkey| {
        let mut place = place_instruction(world, &trader, &order);
        place.accounts[0].pubkey = key;
        [place, cancel_instruction(world, key, &trader, id)]
    };
    for key in [&other.key, &delegate, &admin, &guardian] {
        for instruction in signed_by(&world, key.pubkey_()) {
            refused(&mut world, instruction, &[key], "Unauthorized", "a stranger");
        }
    }
    for key in [trader.key.pubkey_(), Pubkey::default()] {
        for mut instruction in signed_by(&world, key) {
            instruction.accounts[0].is_signer = false;
            refused(&mut world, instruction, &[], "AccountNotSigner", "named, not signing");
        }
    }
    let appoint = world.delegate_instruction(&trader, delegate.pubkey_());
    world.send(&[appoint], &[&trader.key]).expect("set_delegate");
    for instruction in signed_by(&world, delegate.pubkey_()) {
        world.send(&[instruction], &[&delegate]).expect("the delegate");
    }
    assert_eq!(waiting(&world, &trader), [2]);
    let dismiss = world.delegate_instruction(&trader, Pubkey::default());
    world.send(&[dismiss], &[&trader.key]).expect("set_delegate");
    for instruction in signed_by(&world, delegate.pubkey_()).into_iter().take(1) {
        refused(&mut world, instruction, &[&delegate], "Unauthorized", "dismissed");
    }
}

#[test]
fn anyone_cancels_an_expired_trigger_and_no_earlier() {
    let (mut world, trader, other) = scene();
    let order = trigger(&world, (StopLoss, Side::Long), LOTS, 1 << 28);
    let id = place(&mut world, &trader, &order);
    world.set_clock(order.expiry);
    let cancel = cancel_instruction(&world, other.key.pubkey_(), &trader, id);
    refused(&mut world, cancel.clone(), &[&other.key], "Unauthorized", "its last second");
    world.advance(1);
    let outcome = world.send(&[cancel], &[&other.key]).expect("expired");
    let [Event::TriggerCancelled(cancelled)] = &outcome.events[..] else { panic!("{outcome:?}") };
    assert_eq!(format!("{:?}", cancelled.reason), "Expired");
    assert!(waiting(&world, &trader).is_empty());
}

#[test]
fn attack_nothing_signed_for_a_closed_account_touches_the_triggers_of_the_next() {
    let (mut world, trader, _) = scene();
    let id = arm(&mut world, &trader, (StopLoss, Side::Long), u64::MAX, 1 << 28);
    let cancel = cancel_instruction(&world, trader.key.pubkey_(), &trader, id);
    let order = trigger(&world, (StopLoss, Side::Long), LOTS, 1 << 28);
    let place_again = place_instruction(&world, &trader, &order);
    world.close(&trader, MARKET, u64::MAX).expect("close");
    let quote = world.margin(&trader.margin).quote.units_or_zero();
    world.withdraw(&trader, 0, (trader.tokens, quote)).expect("withdraw");
    let owner = trader.key.pubkey_();
    let close = ix::close_margin_account(owner, trader.margin);
    world.send(&[close], &[&trader.key]).expect("a waiting trigger does not hold the account");
    let open = ix::open_margin_account(owner, world.payer.pubkey_(), 0);
    world.send(&[open], &[&trader.key]).expect("open_margin_account");
    assert!(waiting(&world, &trader).is_empty(), "triggers die with their account");
    assert_eq!(place(&mut world, &trader, &order), id, "the same number, another trigger");
    refused(&mut world, cancel, &[&trader.key], "WrongIncarnation", "cancel_trigger");
    refused(&mut world, place_again, &[&trader.key], "WrongIncarnation", "place_trigger");
}

#[test]
fn no_account_is_taken_for_another() {
    let (mut world, trader, keeper) = scene();
    let market = world.list_market(&BTC_ASSET, BTC_ASSET.market_params());
    let stop = mark(&world);
    let id = arm(&mut world, &trader, (StopLoss, Side::Long), LOTS, stop);
    let cancel = cancel_instruction(&world, trader.key.pubkey_(), &trader, id);
    let place = place_instruction(&world, &trader, &trigger(&world, (StopLoss, Side::Long), LOTS, 1 << 28));
    let execute = execute_instruction(&world, &trader, id, Some(&keeper));
    let forge = |world: &mut World, key: Pubkey, byte: u8| {
        let data = world.svm.get_account(&key).expect("account").data.to_vec();
        let forged = Pubkey::new_from_array([byte; 32]);
        world.set_account(forged, address::SYSTEM_PROGRAM, data);
        forged
    };
    let exchange = forge(&mut world, address::exchange(), 0x71);
    let margin = forge(&mut world, trader.margin, 0x72);
    let own_market = forge(&mut world, address::market(MARKET), 0x73);
    let elsewhere = "AccountOwnedByWrongProgram";
    let another_type = "AccountDiscriminatorMismatch";
    let (pool, markets) = (address::pool(), [address::market(MARKET), address::market(market)]);
    let cases = [
        ("place", &place, 1, margin, elsewhere),
        ("place", &place, 1, markets[0], another_type),
        ("place", &place, 1, keeper.margin, "Unauthorized"),
        ("place", &place, 2, own_market, elsewhere),
        ("place", &place, 2, pool, another_type),
        ("cancel", &cancel, 1, margin, elsewhere),
        ("cancel", &cancel, 1, pool, another_type),
        ("cancel another's", &cancel, 1, keeper.margin, "NoTrigger"),
        ("execute", &execute, 0, exchange, elsewhere),
        ("execute", &execute, 0, pool, another_type),
        ("execute", &execute, 1, margin, elsewhere),
        ("execute", &execute, 1, markets[0], another_type),
        ("execute", &execute, 2, own_market, elsewhere),
        ("execute", &execute, 2, pool, another_type),
        ("in another market", &execute, 2, markets[1], "WrongAccount"),
        ("paid to a forged account", &execute, 3, margin, elsewhere),
        ("paid to the pool", &execute, 3, pool, another_type),
    ];
    for (what, instruction, slot, key, name) in cases {
        let mut wrong = instruction.clone();
        wrong.accounts[slot].pubkey = key;
        refused(&mut world, wrong, &[&trader.key], name, &format!("{what} {slot}"));
    }
    for (instruction, slots) in [(&place, &[1][..]), (&cancel, &[1]), (&execute, &[1, 2, 3])] {
        for slot in slots {
            let mut wrong = instruction.clone();
            wrong.accounts[*slot].is_writable = false;
            refused(&mut world, wrong, &[&trader.key], "ConstraintMut", &format!("read-only {slot}"));
        }
    }
    // The keeper's account and the trader's are one, whichever of them was put in the other's place.
    for (slot, key) in [(1, keeper.margin), (3, trader.margin)] {
        let mut twice = execute.clone();
        twice.accounts[slot].pubkey = key;
        let before = state(&world);
        let failure = world.send(&[twice], &[]).expect_err("an account twice");
        assert!(failure.is("DuplicateAccount"), "{failure:?}");
        assert!(state(&world) == before);
    }
    let mut missing = execute.clone();
    missing.data = data::ExecuteTrigger { id: id + 1 }.data();
    refused(&mut world, missing, &[], "NoTrigger", "a number that nobody has");
    // Zero is the number of every empty slot.
    let mut empty = execute.clone();
    empty.data = data::ExecuteTrigger { id: 0 }.data();
    refused(&mut world, empty, &[], "NoTrigger", "the number of an empty slot");
    world.send(&[place, execute, cancel], &[&trader.key]).expect_err("executed, so nothing to cancel");
    assert_eq!(world.get::<MarginAccount>(&trader.margin).triggers[0].id, id);
}
