//! The rules of the multisig of these tests, and that its vault signs for the program.

use bulwark_sdk::engine::units::Quote;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction::{self as ix, Margin};
use bulwark_sdk::{AccountMeta, Instruction, Pubkey, address};
use bulwark_tests::{Failure, Keypair, Multisig, Outcome, Signer, World};

/// Two of three, and the instruction with which its vault opens a margin account at the payer's cost.
fn stage() -> (World, Multisig, Instruction) {
    let mut world = World::empty();
    let multisig = Multisig::new(&mut world, 2, 3);
    let open = ix::open_margin_account(multisig.vault(), world.payer.pubkey(), 0);
    (world, multisig, open)
}

/// As [`stage`], with the instruction proposed and approved by the first two members.
fn approved() -> (World, Multisig, u64) {
    let (mut world, multisig, open) = stage();
    let index = multisig.propose(&mut world, &multisig.members[0], &open).expect("propose");
    for member in &multisig.members[..2] {
        multisig.approve(&mut world, member, index).expect("approve");
    }
    (world, multisig, index)
}

#[track_caller]
fn refused<T>(result: Result<T, Failure>, name: &str) {
    let failure = result.err().expect("a refusal");
    assert!(failure.is(name), "{name} expected: {failure:?}");
}

fn opened(world: &World, multisig: &Multisig) -> bool {
    world.svm.get_account(&address::margin_account(&multisig.vault(), 0)).is_some()
}

#[test]
fn who_is_not_a_member_does_not_propose() {
    let (mut world, multisig, open) = stage();
    let stranger = world.keypair();
    refused(multisig.propose(&mut world, &stranger, &open), "NotAMember");
}

#[test]
fn who_is_not_a_member_does_not_approve() {
    let (mut world, multisig, open) = stage();
    let index = multisig.propose(&mut world, &multisig.members[0], &open).expect("propose");
    let stranger = world.keypair();
    refused(multisig.approve(&mut world, &stranger, index), "NotAMember");
}

#[test]
fn who_is_not_a_member_does_not_execute() {
    let (mut world, multisig, index) = approved();
    let stranger = world.keypair();
    refused(multisig.execute(&mut world, (&stranger, index), &[]), "NotAMember");
    assert!(!opened(&world, &multisig));
}

#[test]
fn a_member_of_another_multisig_does_not_decide_here() {
    let (mut world, multisig, index) = approved();
    let other = Multisig::new(&mut world, 1, 1);
    let mut execute = multisig.execute_instruction(&world, other.members[0].pubkey(), index);
    execute.accounts[0].pubkey = other.address();
    refused(world.send(&[execute.clone()], &[&other.members[0]]), "ConstraintSeeds");
    execute.accounts[2].pubkey = other.vault();
    refused(world.send(&[execute], &[&other.members[0]]), "ConstraintHasOne");
}

#[test]
fn a_member_approves_once() {
    let (mut world, multisig, open) = stage();
    let member = &multisig.members[2];
    let index = multisig.propose(&mut world, &multisig.members[0], &open).expect("propose");
    multisig.approve(&mut world, member, index).expect("approve");
    refused(multisig.approve(&mut world, member, index), "AlreadyApproved");
}

#[test]
fn below_the_threshold_nothing_is_executed() {
    let (mut world, multisig, open) = stage();
    let member = &multisig.members[0];
    let index = multisig.propose(&mut world, member, &open).expect("propose");
    refused(multisig.execute(&mut world, (member, index), &[]), "NotEnoughApprovals");
    multisig.approve(&mut world, member, index).expect("approve");
    refused(multisig.execute(&mut world, (member, index), &[]), "NotEnoughApprovals");
    multisig.approve(&mut world, &multisig.members[1], index).expect("approve");
    assert!(!opened(&world, &multisig));
    multisig.execute(&mut world, (member, index), &[]).expect("execute");
    assert!(opened(&world, &multisig));
}

#[test]
fn a_proposal_is_executed_once() {
    let (mut world, multisig, index) = approved();
    let by = (&multisig.members[0], index);
    multisig.execute(&mut world, by, &[]).expect("execute");
    refused(multisig.execute(&mut world, by, &[]), "AlreadyExecuted");
}

#[test]
fn a_proposal_whose_instruction_is_refused_can_be_executed_later() {
    let (mut world, multisig, _) = stage();
    let (poor, by) = (world.keypair(), &multisig.members[0]);
    let open = ix::open_margin_account(multisig.vault(), poor.pubkey(), 0);
    assert!(multisig.run(&mut world, &open, &[&poor]).is_err());
    world.svm.airdrop(&poor.pubkey(), 1_000_000_000).expect("airdrop");
    multisig.execute(&mut world, (by, 0), &[&poor]).expect("execute");
    assert!(opened(&world, &multisig));
}

#[test]
fn other_accounts_than_those_proposed_are_refused() {
    let (mut world, multisig, index) = approved();
    let by = &multisig.members[0];
    let right = multisig.execute_instruction(&world, by.pubkey(), index);
    // Four of the multisig's own, the five of the instruction, the program.
    let (first, last) = (4, right.accounts.len() - 1);
    assert_eq!(last, 9);
    let attempt = |change: &dyn Fn(&mut Instruction)| -> Result<Outcome, Failure> {
        let mut wrong = right.clone();
        change(&mut wrong);
        world.fork().send(&[wrong], &[by])
    };
    for i in first..=last {
        let other = AccountMeta::new(address::TOKEN_PROGRAM, false);
        refused(attempt(&|w| w.accounts[i] = other.clone()), "WrongAccounts");
        refused(attempt(&|w| _ = w.accounts.remove(i)), "WrongAccounts");
        refused(attempt(&|w| w.accounts.insert(i, w.accounts[0].clone())), "WrongAccounts");
    }
    for i in first..last {
        refused(attempt(&|w| w.accounts.swap(i, i + 1)), "WrongAccounts");
    }
    // The exchange and the new account are written to.
    for i in [6, 7] {
        refused(attempt(&|w| w.accounts[i].is_writable = false), "WrongAccounts");
    }
    refused(attempt(&|w| w.accounts.truncate(first)), "WrongAccounts");
    attempt(&|_| ()).expect("as proposed");
    world.send(&[right], &[by]).expect("as proposed");
}

#[test]
fn who_signs_besides_the_vault_signs_the_outer_transaction() {
    let (mut world, multisig, _) = stage();
    let payer = world.keypair();
    world.svm.airdrop(&payer.pubkey(), 1_000_000_000).expect("airdrop");
    let open = ix::open_margin_account(multisig.vault(), payer.pubkey(), 7);
    let index = multisig.propose(&mut world, &multisig.members[0], &open).expect("propose");
    for member in &multisig.members[..2] {
        multisig.approve(&mut world, member, index).expect("approve");
    }
    let by = &multisig.members[0];
    let mut unsigned = multisig.execute_instruction(&world, by.pubkey(), index);
    unsigned.accounts.iter_mut().filter(|a| a.pubkey == payer.pubkey()).for_each(|a| a.is_signer = false);
    refused(world.send(&[unsigned], &[by]), "WrongAccounts");
    multisig.execute(&mut world, (by, index), &[&payer]).expect("execute");
}

#[test]
fn members_are_different_and_the_threshold_is_within_their_number() {
    let mut world = World::bare();
    let mut create = |threshold: u8, members: Vec<Keypair>| {
        Multisig::with_members(&mut world, threshold, members).map(|_| ())
    };
    let keys = |n: u8| (1..=n).map(|i| Keypair::new_from_array([i; 32])).collect::<Vec<_>>();
    refused(create(0, keys(2)), "WrongMembers");
    refused(create(3, keys(2)), "WrongMembers");
    refused(create(1, keys(0)), "WrongMembers");
    refused(create(1, keys(11)), "WrongMembers");
    refused(create(2, keys(2).into_iter().chain(keys(1)).collect()), "WrongMembers");
    create(10, keys(10)).expect("ten of ten");
}

#[test]
fn the_vault_owns_a_margin_account_as_any_key_does() {
    let (mut world, multisig, open) = stage();
    let (vault, listing) = (multisig.vault(), world.listings.vaults[0]);
    let done = multisig.run(&mut world, &open, &[]).expect("open_margin_account");
    assert!(matches!(&done.events[..], [Event::MarginAccountOpened(e)] if e.owner == vault));

    let margin = address::margin_account(&vault, 0);
    let tokens = world.create_tokens(listing.mint, vault, 100_000_000);
    let deposit = ix::deposit(vault, margin, &listing, (tokens, 100_000_000));
    multisig.run(&mut world, &deposit, &[]).expect("deposit");
    assert_eq!(world.margin(&margin).quote, Quote(100_000_000));

    let (delegate, account) = (Pubkey::new_unique(), world.margin(&margin));
    let set = ix::set_delegate(Margin { address: margin, account: &account }, delegate);
    assert!(world.send(std::slice::from_ref(&set), &[]).is_err(), "nobody has the vault's key");
    multisig.run(&mut world, &set, &[]).expect("set_delegate");
    assert_eq!(world.margin(&margin).delegate, delegate);
}

#[test]
fn the_vault_pays_rents_itself() {
    let (mut world, multisig, _) = stage();
    let open = ix::open_margin_account(multisig.vault(), multisig.vault(), 0);
    multisig.run(&mut world, &open, &[]).expect("open_margin_account");
    assert!(opened(&world, &multisig));
}
