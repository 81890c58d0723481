//! What a test expects of an instruction: that it goes through, or that it is refused by name and changes nothing.

use bulwark_sdk::event::Event;
use bulwark_sdk::{Instruction, Pubkey};
use solana_keypair::Keypair;

use crate::snapshot::Snapshot;
use crate::world::{Failure, Outcome, World};

/// What a refusal is called: the name of the error of program, framework or token program, or the runtime's own.
pub fn label(failure: &Failure) -> String {
    if let Some(name) = &failure.name {
        return name.clone();
    }
    // System program: `Create Account: account … already in use`; token programs: `Program log: Error: …`.
    let told = failure.logs.iter().find_map(|line| {
        let line = line.strip_prefix("Program log: ").unwrap_or(line);
        match line.split_once("Error: ") {
            Some(("", what)) => Some(what.to_string()),
            _ if line.ends_with("already in use") => Some("already in use".into()),
            _ if line.starts_with("Transfer: insufficient lamports") => Some("insufficient lamports".into()),
            _ => None,
        }
    });
    told.unwrap_or_else(|| failure.error.clone())
}

/// Asserts that a result is a refusal of this name.
#[track_caller]
pub fn refused(result: Result<Outcome, Failure>, name: &str) {
    match result {
        Ok(outcome) => panic!("{name} expected, but it went through: {:?}", outcome.events),
        Err(failure) => assert_eq!(label(&failure), name, "{}", failure.logs.join("\n")),
    }
}

/// Sends one instruction and asserts that it is refused by this name and that nothing at all has changed.
#[track_caller]
pub fn refuse(world: &mut World, instruction: &Instruction, signers: &[&Keypair], name: &str) {
    let before = Snapshot::take(world);
    let result = world.send_unchecked(std::slice::from_ref(instruction), signers);
    refused(result, name);
    assert_eq!(before.changes(world), [], "{name}");
}

/// Sends one instruction that must go through with I1 intact.
#[track_caller]
pub fn accept(world: &mut World, instruction: &Instruction, signers: &[&Keypair]) -> Outcome {
    match world.send(std::slice::from_ref(instruction), signers) {
        Ok(outcome) => outcome,
        Err(failure) => panic!("{}\n{}", failure.error, failure.logs.join("\n")),
    }
}

/// The only event of an outcome.
#[track_caller]
pub fn event(outcome: &Outcome) -> &Event {
    assert_eq!(outcome.events.len(), 1, "{:?}", outcome.events);
    &outcome.events[0]
}

/// The same instruction with one account replaced.
pub fn with_account(instruction: &Instruction, index: usize, key: Pubkey) -> Instruction {
    let mut changed = instruction.clone();
    changed.accounts[index].pubkey = key;
    changed
}
