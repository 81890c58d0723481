//! What the tests of governance start from, and how they see that something was refused.

use bulwark_sdk::engine::governance::InsuranceParams;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::listings::VaultListing;
use bulwark_sdk::program::instructions::InitializeExchangeArgs;
use bulwark_sdk::program::state::ChangePayload;
use bulwark_sdk::{Instruction, Pubkey, address};
use bulwark_tests::fixtures::{self, BTC_ASSET, SOL_ASSET};
use bulwark_tests::snapshot::Snapshot;
use bulwark_tests::{BTC, Failure, Keypair, Multisig, Outcome, SOL, Signer, World};
use solana_account::Account;

/// An hour, a day and a week, seconds.
pub const HOUR: i64 = 3_600;
pub const DAY: i64 = 24 * HOUR;
pub const WEEK: i64 = 7 * DAY;

/// An exchange with nothing listed, initialized with other arguments than usual.
pub fn initialized(change: impl FnOnce(&mut InitializeExchangeArgs)) -> Result<World, Failure> {
    let mut world = World::bare();
    let (mint, deployer) = (fixtures::address("USDC"), world.deployer.insecure_clone());
    world.create_mint(mint, fixtures::QUOTE_DECIMALS);
    let mut args = world.initialize_args();
    change(&mut args);
    let init = ix::initialize_exchange(deployer.pubkey(), (mint, address::TOKEN_PROGRAM), args);
    world.send_unchecked(&[init], &[&deployer])?;
    world.listings.vaults.push(VaultListing::of_mint(mint, address::TOKEN_PROGRAM));
    Ok(world)
}

/// The smallest change there is: of the stakers' income.
pub fn stake_income(ppm: u32) -> ChangePayload {
    ChangePayload::InsuranceParams { params: InsuranceParams { stake_income_ppm: ppm } }
}

/// The exchange's parameters with another fee of triggers.
pub fn trigger_fee(world: &World, trigger_fee: u64) -> ChangePayload {
    let mut params = world.exchange().params;
    params.trigger_fee = trigger_fee;
    ChangePayload::ExchangeParams { params }
}

/// A market's parameters with another fee.
pub fn taker_fee(world: &World, market: u16, taker_fee_ppm: u32) -> ChangePayload {
    let mut params = world.market(market).core.params;
    params.taker_fee_ppm = taker_fee_ppm;
    ChangePayload::MarketParams { market, params }
}

/// A key with some SOL.
pub fn funded(world: &mut World) -> Keypair {
    let key = world.keypair();
    world.svm.airdrop(&key.pubkey(), 10_000_000_000).expect("airdrop");
    key
}

/// Prints the first prices again, now, and takes them in everywhere.
pub fn refresh(world: &mut World) {
    world.set_price(SOL, SOL_ASSET.price);
    world.set_price(BTC, BTC_ASSET.price);
    world.refresh_sol_vault();
}

/// Has the present admin propose a change at somebody's cost.
pub fn propose_by(
    world: &mut World,
    payer: &Keypair,
    nonce: u64,
    payload: ChangePayload,
) -> Result<Outcome, Failure> {
    let admin = world.admin.insecure_clone();
    let keys = (admin.pubkey(), payer.pubkey());
    let propose = ix::propose_change(&world.listings, keys, nonce, payload).expect("a listed target");
    world.send(&[propose], &[&admin, payer])
}

/// Cancels a change.
pub fn cancel(world: &mut World, by: &Keypair, nonce: u64) -> Result<Outcome, Failure> {
    let change = world.change(nonce);
    world.send(&[ix::cancel_change(by.pubkey(), &change)], &[by])
}

/// Tightens something.
pub fn tighten(world: &mut World, by: &Keypair, payload: ChangePayload) -> Result<Outcome, Failure> {
    let tighten = ix::tighten(&world.listings, by.pubkey(), payload).expect("a listed target");
    world.send(&[tighten], &[by])
}

/// Makes somebody else the admin, by the two steps and with the delay in between.
pub fn hand_over(world: &mut World, to: &Keypair) {
    let admin = world.admin.insecure_clone();
    world.send(&[ix::nominate_admin(admin.pubkey(), to.pubkey())], &[&admin]).expect("nominate_admin");
    world.set_clock(world.exchange().nomination.eta);
    world.send(&[ix::accept_admin(to.pubkey())], &[to]).expect("accept_admin");
    world.admin = to.insecure_clone();
}

/// Asserts that it was refused, and why.
#[track_caller]
pub fn refused<T>(result: Result<T, Failure>, name: &str) {
    let failure = result.err().unwrap_or_else(|| panic!("{name} expected: it went through"));
    assert!(failure.is(name), "{name} expected: {failure:?}");
}

/// Asserts that instructions are refused, why, and that nothing has changed.
#[track_caller]
pub fn refuse(world: &mut World, instructions: &[Instruction], signers: &[&Keypair], name: &str) {
    let before = Snapshot::take(world);
    refused(world.send(instructions, signers), name);
    assert_eq!(before.changes(world), [], "{name}");
}

/// Whether there is nothing at an address any more, not even lamports.
pub fn is_gone(world: &World, key: &Pubkey) -> bool {
    world.svm.get_account(key).is_none()
}

/// Takes an account away.
pub fn remove(world: &mut World, key: Pubkey) {
    world.svm.set_account(key, Account::default()).expect("set account");
}

/// Lamports of an account; none if there is none.
pub fn lamports(world: &World, key: &Pubkey) -> u64 {
    world.svm.get_account(key).map_or(0, |account| account.lamports)
}

/// Sets the lamports of an account that there is.
pub fn set_lamports(world: &mut World, key: Pubkey, lamports: u64) {
    let account = world.svm.get_account(&key).expect("an account");
    world.svm.set_account(key, Account { lamports, ..account }).expect("set account");
}

/// Makes a multisig's vault the admin: nominated by the present one, accepted by its members.
pub fn govern(world: &mut World, multisig: &Multisig) {
    let admin = world.admin.insecure_clone();
    let nominate = ix::nominate_admin(admin.pubkey(), multisig.vault());
    world.send(&[nominate], &[&admin]).expect("nominate_admin");
    world.set_clock(world.exchange().nomination.eta);
    multisig.run(world, &ix::accept_admin(multisig.vault()), &[]).expect("accept_admin");
}
