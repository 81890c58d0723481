//! Who signs what, and that the admin signs for now: never under a durable nonce.

mod durable;
mod table;

use std::collections::BTreeSet;

use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::state::Exchange;
use bulwark_sdk::{AccountMeta, Pubkey, address};
use bulwark_tests::{Failure, Outcome, Signer, World, fixtures};
use table::{May, ROWS, Row, Stage};

use crate::stage::{refuse, refused};

/// Asserts that it went through, or was refused for this reason.
#[track_caller]
fn assert_outcome(row: &Row, by: &str, outcome: Result<Outcome, Failure>, expected: Result<(), &str>) {
    match (outcome, expected) {
        (Ok(_), Ok(())) => (),
        (Err(failure), Err(name)) if failure.is(name) => (),
        (outcome, _) => panic!("{} by {by}: {expected:?} expected: {outcome:?}", row.name),
    }
}

#[test]
fn each_office_does_what_is_its_own() {
    let stage = Stage::new();
    for row in ROWS {
        for (by, key, may) in row.offices(&stage) {
            let mut world = stage.world.fork();
            let instruction = (row.build)(&mut world, &stage, key);
            let expected = match may {
                May::Always | May::Now => Ok(()),
                May::Not(name) => Err(name),
            };
            if let Err(name) = expected {
                refuse(&mut world, &[instruction], &[key], name);
            } else {
                let outcome = world.send(&[instruction], &[key]);
                assert_outcome(&row, by, outcome, expected);
            }
        }
    }
}

/// Whoever is named signs.
#[test]
fn nobody_acts_without_a_signature() {
    let stage = Stage::new();
    for row in ROWS {
        for (by, key, may) in row.offices(&stage) {
            if matches!(may, May::Not(_)) {
                continue;
            }
            let mut world = stage.world.fork();
            let mut instruction = (row.build)(&mut world, &stage, key);
            assert_eq!(
                (instruction.accounts[0].pubkey, instruction.accounts[0].is_signer),
                (key.pubkey(), true)
            );
            let missing = world.send(&[instruction.clone()], &[]);
            assert!(missing.is_err_and(|failure| failure.error.starts_with("missing signature")), "{by}");
            instruction.accounts[0].is_signer = false;
            refuse(&mut world, &[instruction], &[], "AccountNotSigner");
        }
    }
}

/// A forged list of instructions, whose first is a harmless one, takes in nobody.
#[test]
fn the_instructions_are_those_of_the_runtime() {
    let stage = Stage::new();
    for row in ROWS {
        for (_, key, may) in row.offices(&stage) {
            if matches!(may, May::Not(_)) {
                continue;
            }
            let mut world = stage.world.fork();
            let instruction = (row.build)(&mut world, &stage, key);
            let place = instruction.accounts.iter().position(|meta| meta.pubkey == address::INSTRUCTIONS);
            let place = place.unwrap_or_else(|| panic!("{} does not look at the transaction", row.name));
            for fake in [forged(&mut world), Pubkey::new_unique(), address::SYSTEM_PROGRAM, address::PROGRAM]
            {
                let mut wrong = instruction.clone();
                wrong.accounts[place] = AccountMeta::new_readonly(fake, false);
                refuse(&mut world, &[wrong], &[key], "WrongAccount");
            }
        }
    }
}

/// One instruction of the system program with no accounts and no data, as the sysvar would hold it.
fn forged(world: &mut World) -> Pubkey {
    let mut data = vec![1, 0, 4, 0, 0, 0];
    data.extend(address::SYSTEM_PROGRAM.as_ref());
    data.extend([0, 0, 0, 0]);
    let key = fixtures::address("forged instructions");
    world.set_account(key, anchor_lang::pubkey!("Sysvar1111111111111111111111111111111111111"), data);
    key
}

/// Whatever looks at the transaction around it does so for the sake of a signature, and is in the table.
#[test]
fn the_table_is_of_all_that_is_signed_for_now() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../programs/bulwark/src/instructions");
    let mut looking = BTreeSet::new();
    for file in std::fs::read_dir(directory).expect("the program's source") {
        let path = file.expect("a file").path();
        if std::fs::read_to_string(&path).expect("a text").contains("solana_instructions_sysvar::ID") {
            looking.insert(path.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_string());
        }
    }
    let name = |row: &Row| row.name.split(':').next().expect("a name").to_string();
    assert_eq!(ROWS.iter().map(name).collect::<BTreeSet<_>>(), looking);
    assert_eq!(looking.len(), 9);
}

#[test]
fn a_key_that_is_admin_and_guardian_is_both() {
    let stage = Stage::new();
    let mut world = stage.world.fork();
    let both = stage.admin.pubkey();
    world.tamper::<Exchange>(&address::exchange(), |exchange| exchange.guardian = both);
    let pause = ix::set_pause(both, None, 1);
    durable::send(&mut world, &stage, &[pause], &[&stage.admin]).expect("as the guardian");
    let nominate = ix::nominate_admin(both, stage.stranger.pubkey());
    refused(durable::send(&mut world, &stage, &[nominate], &[&stage.admin]), "DurableNonce");
}
