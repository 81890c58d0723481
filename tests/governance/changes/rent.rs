//! The rent of a change goes back to whoever paid it.

use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::state::Change;
use bulwark_sdk::{Instruction, Pubkey, address};
use bulwark_tests::{Keypair, Signer, World};

use crate::stage::{cancel, funded, is_gone, lamports, propose_by, refuse, set_lamports, stake_income};

/// A change that somebody has paid for, ripe, with a lamport more than it needs.
fn stage() -> (World, Keypair, u64) {
    let mut world = World::empty();
    let payer = funded(&mut world);
    propose_by(&mut world, &payer, 0, stake_income(1)).expect("propose_change");
    let key = address::change(0);
    let rent = lamports(&world, &key);
    assert_eq!(rent, world.svm.minimum_balance_for_rent_exemption(Change::SPACE));
    set_lamports(&mut world, key, rent + 1);
    world.set_clock(world.change(0).timelock.eta);
    (world, payer, rent + 1)
}

/// Asserts that an instruction, whose `place`th account is the payer, pays him and would pay nobody else.
#[track_caller]
fn assert_paid_back(
    stage: (World, Keypair, u64),
    instruction: &Instruction,
    place: usize,
    signers: &[&Keypair],
) {
    let (mut world, payer, rent) = stage;
    assert_eq!(instruction.accounts[place].pubkey, payer.pubkey());
    let strangers =
        [world.admin.pubkey(), world.guardian.pubkey(), address::exchange(), Pubkey::new_unique()];
    for other in strangers {
        let mut wrong = instruction.clone();
        wrong.accounts[place].pubkey = other;
        refuse(&mut world, &[wrong], signers, "WrongAccount");
    }
    let before = lamports(&world, &payer.pubkey());
    world.send(std::slice::from_ref(instruction), signers).expect("goes through");
    assert_eq!(lamports(&world, &payer.pubkey()), before + rent);
    assert!(is_gone(&world, &address::change(0)));
}

#[test]
fn whoever_executes_pays_the_rent_back() {
    let stage = stage();
    let execute = ix::execute_change(&stage.0.listings, &stage.0.change(0), None).expect("builds");
    assert_paid_back(stage, &execute, 0, &[]);
}

#[test]
fn whoever_cancels_pays_the_rent_back() {
    let (world, ..) = stage();
    let (admin, guardian) = (world.admin.insecure_clone(), world.guardian.insecure_clone());
    for by in [admin, guardian] {
        let stage = stage();
        let instruction = ix::cancel_change(by.pubkey(), &stage.0.change(0));
        assert_paid_back(stage, &instruction, 1, &[&by]);
    }
    let (mut world, payer, rent) = stage();
    let stranger = world.keypair();
    world.set_clock(world.change(0).timelock.expiry + 1);
    let instruction = ix::cancel_change(stranger.pubkey(), &world.change(0));
    assert_paid_back((world, payer, rent), &instruction, 1, &[&stranger]);
}

#[test]
fn a_change_is_executed_once() {
    let (mut world, ..) = stage();
    let execute = ix::execute_change(&world.listings, &world.change(0), None).expect("builds");
    refuse(&mut world, &[execute.clone(), execute.clone()], &[], "AccountOwnedByWrongProgram");
    world.send(std::slice::from_ref(&execute), &[]).expect("execute_change");
    refuse(&mut world, &[execute], &[], "AccountOwnedByWrongProgram");
}

#[test]
fn a_change_does_not_come_back_with_lamports() {
    let (mut world, ..) = stage();
    let execute = ix::execute_change(&world.listings, &world.change(0), None).expect("builds");
    let payer = world.payer.insecure_clone();
    let revive = anchor_lang::solana_program::system_instruction::transfer(
        &payer.pubkey(),
        &address::change(0),
        1_000_000_000,
    );
    let revived = [execute.clone(), revive.clone(), execute.clone()];
    refuse(&mut world, &revived, &[&payer], "AccountOwnedByWrongProgram");
    world.send(&revived[..2], &[&payer]).expect("execute_change");
    refuse(&mut world, &[execute], &[], "AccountOwnedByWrongProgram");
}

#[test]
fn a_cancelled_change_is_neither_executed_nor_cancelled_again() {
    let (mut world, ..) = stage();
    let (admin, change) = (world.admin.insecure_clone(), world.change(0));
    let execute = ix::execute_change(&world.listings, &change, None).expect("builds");
    let again = ix::cancel_change(admin.pubkey(), &change);
    refuse(&mut world, &[again.clone(), again.clone()], &[&admin], "AccountOwnedByWrongProgram");
    refuse(&mut world, &[again.clone(), execute.clone()], &[&admin], "AccountOwnedByWrongProgram");
    cancel(&mut world, &admin, 0).expect("cancel_change");
    refuse(&mut world, &[again], &[&admin], "AccountOwnedByWrongProgram");
    refuse(&mut world, &[execute], &[], "AccountOwnedByWrongProgram");
}
