//! A transaction with a durable nonce begins by advancing it.

use anchor_lang::solana_program::system_instruction::{
    advance_nonce_account, create_nonce_account, transfer,
};
use bulwark_sdk::program::state::Exchange;
use bulwark_sdk::{Instruction, Pubkey, address};
use bulwark_tests::{Failure, Keypair, Multisig, Outcome, Signer, World};
use solana_message::Message;

use super::assert_outcome;
use super::table::{May, ROWS, Stage};
use crate::stage::{govern, lamports, refused};

/// Creates a nonce account of the payer's.
pub fn create(world: &mut World) -> Pubkey {
    let (key, payer) = (world.keypair(), world.payer.insecure_clone());
    let create = create_nonce_account(&payer.pubkey(), &key.pubkey(), &payer.pubkey(), 10_000_000);
    world.send(&create, &[&payer, &key]).expect("a nonce account");
    key.pubkey()
}

fn advance(world: &World, nonce: &Pubkey) -> Instruction {
    advance_nonce_account(nonce, &world.payer.pubkey())
}

/// Where a nonce account holds what stands in for the blockhash.
fn stored(world: &World, nonce: &Pubkey) -> [u8; 32] {
    world.svm.get_account(nonce).expect("a nonce account").data[40..72].try_into().expect("a hash")
}

/// Sends a transaction that was signed long ago: its blockhash is that of the nonce account, which it advances first.
pub fn send(
    world: &mut World,
    stage: &Stage,
    instructions: &[Instruction],
    signers: &[&Keypair],
) -> Result<Outcome, Failure> {
    let (payer, nonce) = (world.payer.pubkey(), stage.nonce);
    let all: Vec<_> = [advance(world, &nonce)].into_iter().chain(instructions.iter().cloned()).collect();
    let mut message = Message::new(&all, Some(&payer));
    message.recent_blockhash = stored(world, &nonce).into();
    for _ in 0..3 {
        world.svm.expire_blockhash();
    }
    assert_ne!(message.recent_blockhash, world.svm.latest_blockhash());
    world.send_message(message, signers)
}

#[test]
fn a_durable_nonce_is_good_for_what_anybody_signs() {
    let stage = Stage::new();
    let mut world = stage.world.fork();
    let (from, to) = (stage.stranger.pubkey(), Pubkey::new_unique());
    let before = stored(&world, &stage.nonce);
    let pay = transfer(&from, &to, 1_000_000_000);
    send(&mut world, &stage, std::slice::from_ref(&pay), &[&stage.stranger]).expect("it is durable");
    assert_eq!(lamports(&world, &to), 1_000_000_000);
    assert_ne!(stored(&world, &stage.nonce), before, "and used up");
    // Without the nonce account the same old hash is worth nothing.
    let mut message = Message::new(&[pay], Some(&world.payer.pubkey()));
    message.recent_blockhash = before.into();
    assert!(world.send_message(message, &[&stage.stranger]).is_err());
}

#[test]
fn nobody_but_the_guardian_in_an_emergency_signs_in_advance() {
    let stage = Stage::new();
    for row in ROWS {
        for (by, key, may) in row.offices(&stage) {
            let mut world = stage.world.fork();
            let instruction = (row.build)(&mut world, &stage, key);
            let outcome = send(&mut world, &stage, &[instruction], &[key]);
            let expected = match may {
                May::Always => Ok(()),
                May::Now => Err("DurableNonce"),
                May::Not(name) => Err(name),
            };
            assert_outcome(&row, by, outcome, expected);
        }
    }
}

/// A transaction may begin so and have a young blockhash all the same: it is refused alike.
#[test]
fn a_nonce_advanced_first_is_refused_whatever_the_blockhash() {
    let stage = Stage::new();
    let longer = |mut advance: Instruction| {
        advance.data.push(0);
        advance
    };
    for row in ROWS {
        let [(by, key, may), ..] = row.offices(&stage);
        if !matches!(may, May::Now) {
            continue;
        }
        for trailing in [false, true] {
            let mut world = stage.world.fork();
            let instruction = (row.build)(&mut world, &stage, key);
            let first = advance(&world, &stage.nonce);
            let first = if trailing { longer(first) } else { first };
            let outcome = world.send(&[first, instruction], &[key]);
            assert_outcome(&row, by, outcome, Err("DurableNonce"));
        }
    }
}

/// Only the first instruction makes a transaction durable.
#[test]
fn a_nonce_advanced_later_is_harmless() {
    let stage = Stage::new();
    for row in ROWS {
        for (by, key, may) in row.offices(&stage) {
            if matches!(may, May::Not(_)) {
                continue;
            }
            let mut world = stage.world.fork();
            let instruction = (row.build)(&mut world, &stage, key);
            let last = advance(&world, &stage.nonce);
            let outcome = world.fork().send(&[instruction.clone(), last.clone()], &[key]);
            assert_outcome(&row, by, outcome, Ok(()));
            let pay = transfer(&world.payer.pubkey(), &stage.stranger.pubkey(), 1);
            let outcome = world.send(&[pay, last, instruction], &[key]);
            assert_outcome(&row, by, outcome, Ok(()));
        }
    }
}

/// As the admin, a multisig is called from its own program: what counts is the transaction around it.
#[test]
fn a_multisig_that_is_the_admin_executes_for_now() {
    let stage = Stage::new();
    for row in ROWS {
        let [(by, _, may), ..] = row.offices(&stage);
        if !matches!(may, May::Now) {
            continue;
        }
        let mut world = stage.world.fork();
        let instruction = (row.build)(&mut world, &stage, &stage.admin);
        let (multisig, index) = approved(&mut world, instruction, &stage.admin.pubkey());
        world.tamper::<Exchange>(&address::exchange(), |exchange| exchange.admin = multisig.vault());
        let member = &multisig.members[0];
        let execute = multisig.execute_instruction(&world, member.pubkey(), index);
        let outcome = send(&mut world.fork(), &stage, std::slice::from_ref(&execute), &[member]);
        assert_outcome(&row, by, outcome, Err("DurableNonce"));
        let first = advance(&world, &stage.nonce);
        let outcome = world.fork().send(&[first.clone(), execute.clone()], &[member]);
        assert_outcome(&row, by, outcome, Err("DurableNonce"));
        assert_outcome(&row, by, world.send(&[execute, first], &[member]), Ok(()));
    }
}

/// Its members may keep what stops harm, and nothing else.
#[test]
fn a_multisig_that_is_the_guardian_keeps_pausing_and_tightening_ready() {
    let stage = Stage::new();
    let mut kept = 0;
    for row in ROWS {
        let [_, (by, _, may), ..] = row.offices(&stage);
        let expected = match may {
            May::Always => Ok(()),
            May::Now => Err("DurableNonce"),
            May::Not(name) => Err(name),
        };
        kept += usize::from(expected.is_ok());
        let mut world = stage.world.fork();
        let instruction = (row.build)(&mut world, &stage, &stage.guardian);
        let (multisig, index) = approved(&mut world, instruction, &stage.guardian.pubkey());
        world.tamper::<Exchange>(&address::exchange(), |exchange| exchange.guardian = multisig.vault());
        let member = &multisig.members[0];
        let execute = multisig.execute_instruction(&world, member.pubkey(), index);
        assert_outcome(&row, by, send(&mut world, &stage, &[execute], &[member]), expected);
    }
    assert_eq!(kept, 5, "two to tighten, two to pause, and what anyone may");
}

/// A multisig whose members have approved an instruction with its vault in the place of a signer.
fn approved(world: &mut World, mut instruction: Instruction, signer: &Pubkey) -> (Multisig, u64) {
    let multisig = Multisig::new(world, 2, 3);
    for meta in instruction.accounts.iter_mut().filter(|meta| meta.pubkey == *signer) {
        meta.pubkey = multisig.vault();
    }
    let index = multisig.propose(world, &multisig.members[0], &instruction).expect("propose");
    for member in &multisig.members[..2] {
        multisig.approve(world, member, index).expect("approve");
    }
    (multisig, index)
}

#[test]
fn a_multisig_does_not_accept_its_nomination_in_advance() {
    let stage = Stage::new();
    let mut world = stage.world.fork();
    let mut other = world.fork();
    let accept = bulwark_sdk::instruction::accept_admin(stage.nominee.pubkey());
    let (multisig, index) = approved(&mut world, accept, &stage.nominee.pubkey());
    world.tamper::<Exchange>(&address::exchange(), |exchange| exchange.pending_admin = multisig.vault());
    let member = &multisig.members[0];
    let execute = multisig.execute_instruction(&world, member.pubkey(), index);
    refused(send(&mut world, &stage, std::slice::from_ref(&execute), &[member]), "DurableNonce");
    world.send(&[execute], &[member]).expect("for now");
    assert_eq!(world.exchange().admin, multisig.vault());
    // By its two steps, too.
    let multisig = Multisig::new(&mut other, 2, 3);
    govern(&mut other, &multisig);
    assert_eq!(other.exchange().admin, multisig.vault());
}
