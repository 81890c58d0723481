//! A delegate's triggers go with him, the owner's stay.

use bulwark_sdk::Pubkey;
use bulwark_sdk::engine::trigger::Trigger;
use bulwark_sdk::engine::trigger::TriggerKind::{Limit, StopLoss};
use bulwark_sdk::engine::units::Side::Long;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction as ix;
use bulwark_tests::fixtures::{DOLLAR, PRINT};
use bulwark_tests::{Keypair, Outcome, Trader, World};

use crate::support::{
    MARKET, PubkeyOf as _, arm, cancel_instruction, execute, execute_instruction, mark, move_uni,
    place_instruction, refused, trigger, uni_params, uni_world, waiting,
};

/// 80 units of base: 10,000 dollars.
const LOTS: u64 = 80_000_000_000;

/// A long of 20,000 dollars with a delegate, and a keeper.
fn scene() -> (World, Trader, Trader, Keypair) {
    let mut world = uni_world(uni_params());
    let [trader, keeper] = [10_000; 2].map(|dollars| world.funded_trader(dollars * DOLLAR));
    move_uni(&mut world, 125 * PRINT);
    world.open(&trader, MARKET, Long, 2 * LOTS).expect("open");
    let delegate = world.keypair();
    appoint(&mut world, &trader, delegate.pubkey_());
    (world, trader, keeper, delegate)
}

fn appoint(world: &mut World, trader: &Trader, delegate: Pubkey) -> Outcome {
    let set = world.delegate_instruction(trader, delegate);
    world.send(&[set], &[&trader.key]).expect("set_delegate")
}

/// Places a stop-loss of all at the mark with this signature. Returns its id.
fn arm_as(world: &mut World, trader: &Trader, signer: &Keypair) -> u64 {
    let order = trigger(world, (StopLoss, Long), u64::MAX, mark(world));
    let mut place = place_instruction(world, trader, &order);
    place.accounts[0].pubkey = signer.pubkey_();
    let outcome = world.send(&[place], &[signer]).expect("place_trigger");
    let [Event::TriggerPlaced(placed)] = &outcome.events[..] else { panic!("{outcome:?}") };
    placed.id
}

/// What the events say: the ids that were cancelled with the delegate, and who is the next.
fn gone(outcome: &Outcome, trader: &Trader) -> (Vec<u64>, Pubkey) {
    let Some((Event::DelegateSet(set), cancelled)) = outcome.events.split_last() else {
        panic!("{outcome:?}")
    };
    assert_eq!(set.account, trader.margin);
    let ids = cancelled.iter().map(|event| {
        let Event::TriggerCancelled(cancelled) = event else { panic!("{outcome:?}") };
        assert_eq!(cancelled.account, trader.margin);
        assert_eq!(format!("{:?}", cancelled.reason), "DelegateChanged");
        cancelled.id
    });
    (ids.collect(), set.delegate)
}

#[test]
fn a_dismissed_delegate_takes_his_triggers_along_and_no_others() {
    for replaced in [false, true] {
        let (mut world, trader, keeper, delegate) = scene();
        let ids: Vec<u64> = [&trader.key, &delegate, &delegate, &trader.key, &delegate]
            .into_iter()
            .map(|signer| arm_as(&mut world, &trader, signer))
            .collect();
        assert_eq!(ids, [1, 2, 3, 4, 5]);
        let placed_by: Vec<u8> =
            world.margin(&trader.margin).triggers.iter().map(|t| t.by_delegate).collect();
        assert_eq!(placed_by, [0, 1, 1, 0, 1, 0, 0, 0]);
        let orders = ids.iter().map(|&id| execute_instruction(&world, &trader, id, Some(&keeper)));
        let orders: Vec<_> = orders.collect();
        world.fork().send(&orders[1..2], &[]).expect("as long as he is the delegate");

        let mut expected = *world.margin(&trader.margin);
        let next = if replaced { world.keypair().pubkey_() } else { Pubkey::default() };
        let outcome = appoint(&mut world, &trader, next);
        assert_eq!(gone(&outcome, &trader), (vec![2, 3, 5], next));
        expected.delegate = next;
        for slot in [1, 2, 4] {
            expected.triggers[slot] = Trigger::default();
        }
        let account = world.margin(&trader.margin);
        assert!(bytemuck::bytes_of(&*account) == bytemuck::bytes_of(&expected), "the slots and nothing else");
        for (id, order) in ids.into_iter().zip(orders) {
            if [1, 4].contains(&id) {
                let trade = world.fork().send(&[order], &[]).expect("the owner's").trade().clone();
                assert_eq!(trade.position_lots, 0);
            } else {
                refused(&mut world, order, &[], "NoTrigger", "dismissed");
            }
        }
    }
}

#[test]
fn the_same_delegate_again_changes_nothing() {
    let (mut world, trader, _, delegate) = scene();
    let id = arm_as(&mut world, &trader, &delegate);
    let before = world.margin(&trader.margin);
    let outcome = appoint(&mut world, &trader, delegate.pubkey_());
    assert_eq!(gone(&outcome, &trader), (vec![], delegate.pubkey_()));
    assert!(bytemuck::bytes_of(&*before) == bytemuck::bytes_of(&*world.margin(&trader.margin)));
    assert_eq!(waiting(&world, &trader), [id]);
}

#[test]
fn attack_a_delegate_who_returns_finds_nothing_that_he_left() {
    let (mut world, trader, keeper, delegate) = scene();
    // All eight slots are his.
    let ids: Vec<u64> = (0..8).map(|_| arm_as(&mut world, &trader, &delegate)).collect();
    let order = execute_instruction(&world, &trader, ids[0], Some(&keeper));
    assert_eq!(gone(&appoint(&mut world, &trader, Pubkey::default()), &trader).0, ids);
    assert!(waiting(&world, &trader).is_empty());
    assert_eq!(gone(&appoint(&mut world, &trader, delegate.pubkey_()), &trader).0, [0; 0]);
    refused(&mut world, order, &[], "NoTrigger", "he is back, they are not");
    assert_eq!(arm_as(&mut world, &trader, &delegate), 9, "ids never return");
    // Away and back in one transaction is a change too.
    let [away, back] =
        [Pubkey::default(), delegate.pubkey_()].map(|key| world.delegate_instruction(&trader, key));
    world.send(&[away, back], &[&trader.key]).expect("set_delegate twice");
    assert!(waiting(&world, &trader).is_empty());
}

#[test]
fn a_slot_that_a_delegate_left_is_the_owners_when_he_uses_it() {
    let (mut world, trader, keeper, delegate) = scene();
    let his = arm_as(&mut world, &trader, &delegate);
    let cancel = cancel_instruction(&world, trader.key.pubkey_(), &trader, his);
    world.send(&[cancel], &[&trader.key]).expect("cancel_trigger");
    let own = arm_as(&mut world, &trader, &trader.key);
    assert_eq!(world.margin(&trader.margin).triggers[0].id, own, "the same slot");
    // And the other way round: a slot of the owner's that the delegate takes.
    let second = arm_as(&mut world, &trader, &trader.key);
    let cancel = cancel_instruction(&world, delegate.pubkey_(), &trader, second);
    world.send(&[cancel], &[&delegate]).expect("a delegate cancels what he likes");
    let his = arm_as(&mut world, &trader, &delegate);
    assert_eq!(world.margin(&trader.margin).triggers[1].id, his);
    assert_eq!(gone(&appoint(&mut world, &trader, Pubkey::default()), &trader).0, [his]);
    assert_eq!(execute(&mut world, &trader, own, Some(&keeper)).expect("his own").trade().position_lots, 0);
}

#[test]
fn an_owner_who_is_his_own_delegate_keeps_his_triggers() {
    let (mut world, trader, _, delegate) = scene();
    let his = arm_as(&mut world, &trader, &delegate);
    assert_eq!(gone(&appoint(&mut world, &trader, trader.key.pubkey_()), &trader).0, [his]);
    let own = arm_as(&mut world, &trader, &trader.key);
    for next in [Pubkey::default(), trader.key.pubkey_(), delegate.pubkey_()] {
        assert_eq!(gone(&appoint(&mut world, &trader, next), &trader), (vec![], next));
        assert_eq!(waiting(&world, &trader), [own]);
    }
}

#[test]
fn only_the_owner_makes_a_delegates_triggers_go() {
    let (mut world, trader, stranger, delegate) = scene();
    let his = arm_as(&mut world, &trader, &delegate);
    let own = arm(&mut world, &trader, (Limit, Long), LOTS, 1 << 28);
    for key in [&stranger.key, &delegate] {
        let mut set = world.delegate_instruction(&trader, Pubkey::default());
        set.accounts[0].pubkey = key.pubkey_();
        refused(&mut world, set, &[key], "Unauthorized", "no owner");
    }
    let mut account = *world.margin(&trader.margin);
    account.incarnation += 1;
    let other = ix::Margin { address: trader.margin, account: &account };
    let set = ix::set_delegate(other, Pubkey::default());
    refused(&mut world, set, &[&trader.key], "WrongIncarnation", "another account at this address");
    assert_eq!(waiting(&world, &trader), [his, own]);
}
