//! Who cancels a change, and when.

use bulwark_sdk::event::Event;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::events::ChangeCancelled;
use bulwark_sdk::program::state::{ChangePayload, Exchange};
use bulwark_sdk::{Pubkey, address};
use bulwark_tests::snapshot::Snapshot;
use bulwark_tests::{Keypair, Signer, World, fixtures};

use super::kinds::{cases, world};
use crate::stage::{
    cancel, funded, hand_over, is_gone, lamports, propose_by, refuse, remove, set_lamports, stake_income,
};

#[track_caller]
fn refuse_cancellation(world: &mut World, by: &Keypair, nonce: u64) {
    let cancel = ix::cancel_change(by.pubkey(), &world.change(nonce));
    refuse(world, &[cancel], &[by], "Unauthorized");
}

fn another_guardian(to: Pubkey) -> ChangePayload {
    ChangePayload::Guardian { guardian: to }
}

#[test]
fn admin_and_guardian_cancel_any_change_but_that_of_the_guardian() {
    let mut base = world();
    let (payer, stranger) = (funded(&mut base), base.keypair());
    let offices = [base.admin.insecure_clone(), base.guardian.insecure_clone()];
    for case in cases(&base) {
        let mut proposed = base.fork();
        propose_by(&mut proposed, &payer, 7, case.payload).expect("propose_change");
        refuse_cancellation(&mut proposed, &stranger, 7);
        refuse_cancellation(&mut proposed, &payer, 7);
        for (by, is_guardian) in [(&offices[0], false), (&offices[1], true)] {
            let mut world = proposed.fork();
            if is_guardian && matches!(case.payload, ChangePayload::Guardian { .. }) {
                refuse_cancellation(&mut world, by, 7);
                continue;
            }
            // Nothing but the change goes, and nobody but its payer has the rent.
            let mut expected = world.fork();
            set_lamports(&mut expected, payer.pubkey(), lamports(&base, &payer.pubkey()));
            remove(&mut expected, address::change(7));
            let outcome = cancel(&mut world, by, 7).expect("cancel_change");
            assert_eq!(Snapshot::take(&expected).changes(&world), [], "{:?}", case.payload);
            let event = ChangeCancelled { nonce: 7, authority: by.pubkey() };
            assert_eq!(outcome.events, [Event::ChangeCancelled(event)]);
        }
    }
}

#[test]
fn anyone_cancels_a_change_that_has_lapsed() {
    let mut base = world();
    let stranger = base.keypair();
    for case in cases(&base) {
        let mut world = base.fork();
        let nonce = world.propose(case.payload).expect("propose_change");
        let lock = world.change(nonce).timelock;
        for moment in [lock.eta, lock.expiry] {
            world.set_clock(moment);
            refuse_cancellation(&mut world, &stranger, nonce);
        }
        world.set_clock(lock.expiry + 1);
        cancel(&mut world, &stranger, nonce).expect("cancel_change");
        assert!(is_gone(&world, &address::change(nonce)));
    }
}

#[test]
fn anyone_cancels_what_a_former_admin_has_proposed() {
    let mut world = World::empty();
    let (stranger, next) = (world.keypair(), world.keypair());
    let payloads = [stake_income(1), another_guardian(stranger.pubkey())];
    let nonces = payloads.map(|payload| world.propose(payload).expect("propose_change"));
    hand_over(&mut world, &next);
    for nonce in nonces {
        assert!(world.now() <= world.change(nonce).timelock.expiry);
        cancel(&mut world, &stranger, nonce).expect("cancel_change");
    }
    let again = world.propose(stake_income(1)).expect("propose_change");
    refuse_cancellation(&mut world, &stranger, again);
}

#[test]
fn the_guardian_does_not_cancel_his_replacement_and_the_admin_does() {
    let mut world = World::empty();
    let (admin, guardian) = (world.admin.insecure_clone(), world.guardian.insecure_clone());
    // Not even one that would leave him in office.
    for to in [fixtures::address("next guardian"), guardian.pubkey(), Pubkey::default()] {
        let nonce = world.propose(another_guardian(to)).expect("propose_change");
        refuse_cancellation(&mut world, &guardian, nonce);
        let mut ripe = world.fork();
        ripe.set_clock(world.change(nonce).timelock.expiry);
        refuse_cancellation(&mut ripe, &guardian, nonce);
        cancel(&mut world, &admin, nonce).expect("cancel_change");
    }
    let nonce = world.propose(another_guardian(Pubkey::default())).expect("propose_change");
    world.set_clock(world.change(nonce).timelock.expiry + 1);
    cancel(&mut world, &guardian, nonce).expect("as anyone");
}

#[test]
fn a_former_guardian_cancels_nothing_and_the_new_one_does() {
    let mut world = World::empty();
    let (former, next) = (world.guardian.insecure_clone(), world.keypair());
    let replaced = world.propose(another_guardian(next.pubkey())).expect("propose_change");
    let pending = world.propose(stake_income(1)).expect("propose_change");
    refuse_cancellation(&mut world, &next, pending);
    world.set_clock(world.change(replaced).timelock.eta);
    world.execute(replaced, None).expect("execute_change");
    refuse_cancellation(&mut world, &former, pending);
    cancel(&mut world, &next, pending).expect("cancel_change");
}

#[test]
fn a_former_admin_cancels_nothing_of_his_successor() {
    let mut world = World::empty();
    let (former, next) = (world.admin.insecure_clone(), world.keypair());
    hand_over(&mut world, &next);
    let nonce = world.propose(stake_income(1)).expect("propose_change");
    refuse_cancellation(&mut world, &former, nonce);
    cancel(&mut world, &next, nonce).expect("cancel_change");
}

#[test]
fn an_admin_who_is_the_guardian_too_cancels_his_replacement() {
    let mut world = World::empty();
    let admin = world.admin.insecure_clone();
    world.tamper::<Exchange>(&address::exchange(), |exchange| exchange.guardian = admin.pubkey());
    let nonce = world.propose(another_guardian(Pubkey::default())).expect("propose_change");
    cancel(&mut world, &admin, nonce).expect("cancel_change");
}

#[test]
fn a_ripe_change_can_still_be_cancelled_and_a_void_one_by_its_admin() {
    let mut world = World::empty();
    let (guardian, stranger) = (world.guardian.insecure_clone(), world.keypair());
    let [first, second, third] =
        [1, 2, 3].map(|ppm| world.propose(stake_income(ppm)).expect("propose_change"));
    world.set_clock(world.change(first).timelock.eta);
    cancel(&mut world, &guardian, first).expect("cancel_change");
    world.execute(second, None).expect("execute_change");
    refuse_cancellation(&mut world, &stranger, third);
    let admin = world.admin.insecure_clone();
    cancel(&mut world, &admin, third).expect("cancel_change");
}
