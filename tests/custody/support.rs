//! What the custody tests share: refusals that must leave the chain as it was, and small builders.

use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction::{self as ix, Margin};
use bulwark_sdk::program::state::{MarginAccount, Pause};
use bulwark_sdk::{Instruction, Pubkey};
use bulwark_tests::fixtures::*;
pub use bulwark_tests::snapshot::Snapshot;
use bulwark_tests::{Failure, Keypair, Outcome, Signer, Trader, World};
use solana_account::ReadableAccount;

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

/// The same instruction without the signature of one account.
pub fn unsigned(instruction: &Instruction, index: usize) -> Instruction {
    let mut changed = instruction.clone();
    changed.accounts[index].is_signer = false;
    changed
}

/// The instruction of [`World::deposit`].
pub fn deposit_instruction(world: &World, trader: &Trader, amount: u64) -> Instruction {
    ix::deposit(trader.key.pubkey(), trader.margin, &world.listings.vaults[0], (trader.tokens, amount))
}

/// The instruction of [`World::withdraw`].
pub fn withdraw_instruction(world: &World, trader: &Trader, vault: u16, to: (Pubkey, u64)) -> Instruction {
    let account = world.margin(&trader.margin);
    let margin = Margin { address: trader.margin, account: &account };
    ix::withdraw(&world.listings, margin, vault, to).expect("builds")
}

/// Gives a key pair lamports to pay rents with.
pub fn with_lamports(world: &mut World, key: Keypair) -> Keypair {
    world.svm.airdrop(&key.pubkey(), 10_000_000_000).expect("airdrop");
    key
}

/// Sends lamports to an address whatever is there, as anyone can.
pub fn send_dust(world: &mut World, key: Pubkey, lamports: u64) {
    let mut account = world.svm.get_account(&key).unwrap_or_default();
    account.lamports += lamports;
    world.svm.set_account(key, account).expect("set account");
}

/// Lamports of an address.
pub fn lamports(world: &World, key: &Pubkey) -> u64 {
    world.svm.accounts_db().get_account_ref(key).map_or(0, ReadableAccount::lamports)
}

/// Both bits that a broken invariant sets.
pub const BROKEN: u8 = Pause::INCREASE.0 | Pause::WITHDRAW.0;

/// A trader with a position in either market: then both prices matter to the pool.
pub fn in_both_markets(world: &mut World) -> Trader {
    let trader = world.funded_trader(100_000 * DOLLAR);
    world.open(&trader, SOL, Side::Long, 10 * SOL_ASSET.one()).expect("open");
    world.open(&trader, BTC, Side::Short, BTC_ASSET.one() / 10).expect("open");
    trader
}

/// Quote balance of a margin account.
pub fn quote(world: &World, margin: &Pubkey) -> i64 {
    world.get::<MarginAccount>(margin).quote.0
}

/// As [`refuse`], and the log says this: the limit and the value.
#[track_caller]
pub fn refuse_saying(
    world: &mut World,
    instruction: &Instruction,
    signers: &[&Keypair],
    (name, text): (&str, &str),
) {
    let before = Snapshot::take(world);
    let result = world.send_unchecked(std::slice::from_ref(instruction), signers);
    let logs = result.as_ref().err().map(|failure| failure.logs.join("\n")).unwrap_or_default();
    refused(result, name);
    assert!(logs.contains(text), "{text:?} is not in the log:\n{logs}");
    assert_eq!(before.changes(world), [], "{name}");
}
