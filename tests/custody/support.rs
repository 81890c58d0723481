//! What the custody tests share: refusals that must leave the chain as it was, and small builders.

use bulwark_sdk::engine::units::Side;
use bulwark_sdk::instruction::{self as ix, Margin};
use bulwark_sdk::program::state::{MarginAccount, Pause};
use bulwark_sdk::{Instruction, Pubkey};
pub use bulwark_tests::expect::*;
use bulwark_tests::fixtures::*;
pub use bulwark_tests::snapshot::Snapshot;
use bulwark_tests::{Keypair, Signer, Trader, World};
use solana_account::ReadableAccount;

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
