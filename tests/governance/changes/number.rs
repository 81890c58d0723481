//! Changes are numbered: no number is used twice, and signatures for several can be collected side by side.

use bulwark_sdk::address;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::state::Exchange;
use bulwark_tests::{Failure, Outcome, Signer, World};
use solana_account::Account;

use crate::stage::{cancel, lamports, propose_by, refused, stake_income};

fn propose(world: &mut World, nonce: u64) -> Result<Outcome, Failure> {
    let payer = world.payer.insecure_clone();
    propose_by(world, &payer, nonce, stake_income(1))
}

/// Asserts which numbers there may be after the next one was set.
#[track_caller]
fn assert_numbers(next: u64, numbers: &[(u64, Result<u64, &str>)]) {
    let mut world = World::empty();
    world.tamper::<Exchange>(&address::exchange(), |exchange| exchange.next_change = next);
    for (number, expected) in numbers {
        let mut world = world.fork();
        match (propose(&mut world, *number), expected) {
            (Ok(_), Ok(after)) => assert_eq!(world.exchange().next_change, *after, "{number}"),
            (result, Err(name)) => {
                refused(result, name);
                assert_eq!(world.exchange().next_change, next, "{number}");
            }
            (Err(failure), Ok(_)) => panic!("{number}: {failure:?}"),
        }
    }
}

#[test]
fn a_number_is_the_next_or_one_of_the_thousand_from_it_on() {
    let bad = Err("BadNonce");
    assert_numbers(
        0,
        &[(0, Ok(1)), (1, Ok(2)), (999, Ok(1_000)), (1_000, bad), (u64::MAX, bad), (1 << 32, bad)],
    );
    assert_numbers(
        5_000,
        &[(0, bad), (4_999, bad), (5_000, Ok(5_001)), (5_999, Ok(6_000)), (6_000, bad), (u64::MAX, bad)],
    );
}

#[test]
fn the_last_number_of_all_is_never_used() {
    let last = u64::MAX;
    assert_numbers(last - 1, &[(last - 1, Ok(last)), (last, Err("Overflow")), (last - 2, Err("BadNonce"))]);
    assert_numbers(last, &[(last, Err("Overflow")), (0, Err("BadNonce")), (last - 1, Err("BadNonce"))]);
    assert_numbers(last - 1_000, &[(last - 1, Ok(last)), (last, Err("BadNonce"))]);
}

#[test]
fn gaps_stay_gaps() {
    let mut world = World::empty();
    for number in [3, 500, 1_000] {
        propose(&mut world, number).expect("propose_change");
        for below in [0, number - 1] {
            refused(propose(&mut world, below), "BadNonce");
        }
    }
    assert_eq!(world.exchange().next_change, 1_001);
}

#[test]
fn a_number_is_not_used_again_after_its_change_is_gone() {
    let mut world = World::empty();
    let admin = world.admin.insecure_clone();
    let (executed, cancelled) = (world.propose(stake_income(1)), world.propose(stake_income(2)));
    let [executed, cancelled] = [executed, cancelled].map(|nonce| nonce.expect("propose_change"));
    assert!(propose(&mut world, executed).is_err(), "while it is there");
    cancel(&mut world, &admin, cancelled).expect("cancel_change");
    world.set_clock(world.change(executed).timelock.eta);
    world.execute(executed, None).expect("execute_change");
    for gone in [executed, cancelled] {
        refused(propose(&mut world, gone), "BadNonce");
    }
    propose(&mut world, cancelled + 1).expect("the next");
}

#[test]
fn a_refused_proposal_uses_no_number() {
    let mut world = World::empty();
    refused(world.propose(stake_income(1_000_001)), "ParameterOutOfBounds");
    assert_eq!(world.exchange().next_change, 0);
    assert_eq!(world.propose(stake_income(1_000_000)).expect("propose_change"), 0);
}

#[test]
fn two_proposals_of_one_transaction_have_two_numbers() {
    let mut world = World::empty();
    let admin = world.admin.insecure_clone();
    let keys = (admin.pubkey(), world.payer.pubkey());
    let propose =
        |number, ppm| ix::propose_change(&world.listings, keys, number, stake_income(ppm)).expect("builds");
    let [twice, both] = [[propose(0, 1), propose(0, 2)], [propose(0, 1), propose(1, 2)]];
    assert!(world.send(&twice, &[&admin]).is_err());
    world.send(&both, &[&admin]).expect("propose_change");
    assert_eq!(
        [0, 1].map(|nonce| world.change(nonce).payload().expect("a payload")),
        [stake_income(1), stake_income(2)]
    );
}

#[test]
fn lamports_at_the_address_of_a_change_that_will_be_do_not_stop_it() {
    let mut world = World::empty();
    for (nonce, sent) in [(0, 1), (1, 1_000_000_000)] {
        let key = address::change(nonce);
        world.svm.set_account(key, Account { lamports: sent, ..Account::default() }).expect("set account");
        propose(&mut world, nonce).expect("propose_change");
        let rent = world.svm.minimum_balance_for_rent_exemption(bulwark_sdk::program::state::Change::SPACE);
        assert_eq!(lamports(&world, &key), rent.max(sent));
    }
}
