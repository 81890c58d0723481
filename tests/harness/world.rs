//! A chain with one exchange on it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use bulwark_sdk::account::decode_copy;
use bulwark_sdk::engine::governance::{DEFAULT_DELAY, ExchangeParams, InsuranceParams};
use bulwark_sdk::engine::margin::{Health, HealthType, RiskGroups};
use bulwark_sdk::event::{Event, parse_log};
use bulwark_sdk::health::Snapshot;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::listings::{Listings, VaultListing};
use bulwark_sdk::program::instructions::InitializeExchangeArgs;
use bulwark_sdk::program::oracle::OracleSource;
use bulwark_sdk::program::state::{Exchange, InsuranceFund, MarginAccount, Market, Pool, Vault};
use bulwark_sdk::{Instruction, Pubkey, address};
use litesvm::LiteSVM;
use litesvm::types::TransactionMetadata;
use solana_account::ReadableAccount as _;
use solana_clock::Clock;
use solana_keypair::Keypair;
use solana_message::Message;
use solana_signer::Signer;
use solana_transaction::Transaction;

use crate::copies::Copies;
use crate::fixtures::{self, BTC_ASSET, DOLLAR, GENESIS, QUOTE_DECIMALS, SOL_ASSET};
use crate::ledger;

/// A chain with one exchange on it.
pub struct World {
    /// The runtime.
    pub svm: LiteSVM,
    /// Pays fees and rents.
    pub payer: Keypair,
    /// Admin of the exchange.
    pub admin: Keypair,
    /// Guardian of the exchange.
    pub guardian: Keypair,
    /// Upgrade authority of the program.
    pub deployer: Keypair,
    /// What is listed.
    pub listings: Listings,
    /// Tokens sent to vaults from outside, by vault index: they belong to nobody.
    pub donated: BTreeMap<u16, u64>,
    /// Compute units of the last transaction that went through.
    pub compute_units: u64,
    /// Every event since the chain began, in order.
    pub journal: Vec<Event>,
    keys: u64,
}

/// A transaction that went through.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Compute units of the whole transaction.
    pub compute_units: u64,
    /// Events in order.
    pub events: Vec<Event>,
    /// The log.
    pub logs: Vec<String>,
}

/// A transaction that was refused.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The runtime's error.
    pub error: String,
    /// Name of the program's error, from the log.
    pub name: Option<String>,
    /// The log.
    pub logs: Vec<String>,
}

static PROGRAM_PATH: OnceLock<PathBuf> = OnceLock::new();

/// Names the compiled program for all worlds of this process; the first call counts.
pub fn use_program(path: PathBuf) {
    let _ = PROGRAM_PATH.set(path);
}

/// The compiled program, as [`use_program`], the environment or the build names it.
///
/// # Panics
/// If it was not built.
#[must_use]
pub fn program_bytes() -> Vec<u8> {
    read_program(&program_path())
}

/// Another program that the build compiles beside it.
///
/// # Panics
/// If it was not built.
#[must_use]
pub fn neighbour_bytes(file: &str) -> Vec<u8> {
    read_program(&program_path().with_file_name(file))
}

fn program_path() -> PathBuf {
    let default = || {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        target.join("deploy/bulwark.so")
    };
    let named = || std::env::var_os("BULWARK_SO").map(PathBuf::from);
    PROGRAM_PATH.get().cloned().or_else(named).unwrap_or_else(default)
}

fn read_program(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}; run `make build` first", path.display()))
}

impl World {
    /// A chain with the program deployed and nothing else.
    ///
    /// # Panics
    /// If the program was not built or the runtime refuses it.
    #[must_use]
    pub fn bare() -> Self {
        let mut svm = LiteSVM::new().with_log_bytes_limit(Some(100_000));
        svm.add_program(address::PROGRAM, &program_bytes()).expect("the program loads");
        let mut world = Self {
            svm,
            payer: Keypair::new_from_array([1; 32]),
            admin: Keypair::new_from_array([2; 32]),
            guardian: Keypair::new_from_array([3; 32]),
            deployer: Keypair::new_from_array([4; 32]),
            listings: Listings::default(),
            donated: BTreeMap::new(),
            compute_units: 0,
            journal: Vec::new(),
            keys: 100,
        };
        for key in [world.payer.pubkey(), world.admin.pubkey(), world.deployer.pubkey()] {
            world.svm.airdrop(&key, 1_000_000_000_000).expect("airdrop");
        }
        world.set_upgrade_authority(world.deployer.pubkey());
        world.svm.set_sysvar(&Clock { slot: 1_000, unix_timestamp: GENESIS, ..Clock::default() });
        world.set_clock(GENESIS);
        world
    }

    /// A copy: what happens to one does not happen to the other.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self {
            svm: self.svm.clone(),
            payer: self.payer.insecure_clone(),
            admin: self.admin.insecure_clone(),
            guardian: self.guardian.insecure_clone(),
            deployer: self.deployer.insecure_clone(),
            listings: self.listings.clone(),
            donated: self.donated.clone(),
            journal: self.journal.clone(),
            ..*self
        }
    }

    /// Writes the upgrade authority into the program's data account: tag 3, slot, `Some(authority)`.
    fn set_upgrade_authority(&mut self, authority: Pubkey) {
        let key = address::program_data();
        let mut account = self.svm.get_account(&key).expect("program data");
        account.data[12] = 1;
        account.data[13..45].copy_from_slice(authority.as_ref());
        self.svm.set_account(key, account).expect("set account");
    }

    /// An exchange with the quote vault and nothing listed.
    ///
    /// # Panics
    /// If a transaction is refused.
    #[must_use]
    pub fn empty() -> Self {
        let mut world = Self::bare();
        let mint = fixtures::address("USDC");
        world.create_mint(mint, QUOTE_DECIMALS);
        let args = world.initialize_args();
        let deployer = world.deployer.insecure_clone();
        let init = ix::initialize_exchange(deployer.pubkey(), (mint, address::TOKEN_PROGRAM), args);
        world.send(&[init], &[&deployer]).expect("initialize_exchange");
        world.listings.vaults.push(VaultListing::of_mint(mint, address::TOKEN_PROGRAM));
        world
    }

    /// The arguments that [`World::empty`] initializes with.
    #[must_use]
    pub fn initialize_args(&self) -> InitializeExchangeArgs {
        InitializeExchangeArgs {
            admin: self.admin.pubkey(),
            guardian: self.guardian.pubkey(),
            fee_recipient: fixtures::address("fee recipient"),
            quote_sources: [OracleSource::NONE; 2],
            quote_params: fixtures::collateral_params(1_000_000_000 * DOLLAR),
            pool_params: fixtures::POOL_PARAMS,
            exchange_params: ExchangeParams {
                risk_groups: RiskGroups::default(),
                trigger_fee: fixtures::TRIGGER_FEE,
                auto_exchange_threshold: fixtures::AUTO_EXCHANGE_THRESHOLD,
                delay: DEFAULT_DELAY,
                _padding: 0,
            },
            insurance_params: InsuranceParams { stake_income_ppm: fixtures::STAKE_INCOME_PPM },
        }
    }

    /// An exchange with a SOL and a BTC market, SOL as collateral, and 10 million dollars in the pool, 4 of
    /// them allocated to each market.
    ///
    /// # Panics
    /// If a transaction is refused.
    #[must_use]
    pub fn new() -> Self {
        let mut world = Self::empty();
        world.list_market(&SOL_ASSET, SOL_ASSET.market_params());
        world.list_market(&BTC_ASSET, BTC_ASSET.market_params());
        world.list_vault(&SOL_ASSET, 9, 1_000_000_000_000_000);
        let provider = world.trader(10_000_000 * DOLLAR);
        world.add_liquidity(&provider, 10_000_000 * DOLLAR).expect("add_liquidity");
        for market in [fixtures::SOL, fixtures::BTC] {
            world.send(&[ix::allocate_liquidity(&world.listings, market)], &[]).expect("allocate_liquidity");
        }
        world
    }

    // ---- chain ----

    /// The clock, unix seconds.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.svm.get_sysvar::<Clock>().unix_timestamp
    }

    /// Sets the clock; slots follow at 400 ms.
    pub fn set_clock(&mut self, unix_timestamp: i64) {
        let mut clock = self.svm.get_sysvar::<Clock>();
        let slot = u64::try_from((unix_timestamp - GENESIS).max(0)).unwrap_or(0) * 5 / 2 + 1_000;
        // A clock that is set back takes its slots with it; one that goes on never loses one.
        clock.slot = if unix_timestamp < clock.unix_timestamp { slot } else { slot.max(clock.slot) };
        clock.unix_timestamp = unix_timestamp;
        self.svm.set_sysvar(&clock);
    }

    /// The slot.
    #[must_use]
    pub fn slot(&self) -> u64 {
        self.svm.get_sysvar::<Clock>().slot
    }

    /// Moves the clock by slots of 400 ms.
    pub fn advance_slots(&mut self, slots: u64) {
        let mut clock = self.svm.get_sysvar::<Clock>();
        clock.slot += slots;
        let time = GENESIS + i64::try_from((clock.slot - 1_000) * 2 / 5).expect("a clock");
        clock.unix_timestamp = time.max(clock.unix_timestamp);
        self.svm.set_sysvar(&clock);
    }

    /// Moves the clock.
    pub fn advance(&mut self, seconds: i64) {
        self.set_clock(self.now() + seconds);
    }

    /// A fresh key pair, the same in every run.
    pub fn keypair(&mut self) -> Keypair {
        self.keys += 1;
        let mut seed = [0x42; 32];
        seed[..8].copy_from_slice(&self.keys.to_le_bytes());
        Keypair::new_from_array(seed)
    }

    /// Sends a transaction of these instructions, paid by the payer, and checks I1.
    ///
    /// # Errors
    /// [`Failure`] if the runtime or the program refuses it.
    ///
    /// # Panics
    /// If I1 does not hold afterwards.
    pub fn send(&mut self, instructions: &[Instruction], signers: &[&Keypair]) -> Result<Outcome, Failure> {
        let result = self.send_unchecked(instructions, signers);
        let _ = ledger::check(self);
        result
    }

    /// As [`World::send`] without the check, for tests that break the ledger on purpose.
    ///
    /// # Errors
    /// [`Failure`] if the runtime or the program refuses it.
    pub fn send_unchecked(
        &mut self,
        instructions: &[Instruction],
        signers: &[&Keypair],
    ) -> Result<Outcome, Failure> {
        self.svm.expire_blockhash();
        let (payer, blockhash) = (self.payer.pubkey(), self.svm.latest_blockhash());
        self.send_message(Message::new_with_blockhash(instructions, Some(&payer), &blockhash), signers)
    }

    /// Sends a message with the blockhash that it has, for tests of durable nonces. The payer signs, too.
    ///
    /// # Errors
    /// [`Failure`] if the runtime or the program refuses it.
    pub fn send_message(&mut self, message: Message, signers: &[&Keypair]) -> Result<Outcome, Failure> {
        let (payer, blockhash) = (self.payer.insecure_clone(), message.recent_blockhash);
        let mut all = vec![&payer];
        all.extend(signers.iter().copied().filter(|s| s.pubkey() != payer.pubkey()));
        let needed = usize::from(message.header.num_required_signatures);
        all.retain(|s| message.account_keys[..needed].contains(&s.pubkey()));
        let mut transaction = Transaction::new_unsigned(message);
        if let Err(error) = transaction.try_sign(&all, blockhash) {
            return Err(Failure { error: format!("missing signature: {error}"), name: None, logs: vec![] });
        }
        match self.svm.send_transaction(transaction) {
            Ok(TransactionMetadata { compute_units_consumed: compute_units, logs, .. }) => {
                let parsed = parse_log(&logs);
                assert!(!parsed.truncated, "log truncated");
                self.journal.extend(parsed.events.iter().cloned());
                self.compute_units = compute_units;
                Ok(Outcome { compute_units, events: parsed.events, logs })
            }
            Err(failed) => {
                let logs = failed.meta.logs;
                let name = logs.iter().rev().find_map(|l| {
                    let rest = l.split_once("Error Code: ")?.1;
                    Some(rest.split_once('.')?.0.to_string())
                });
                Err(Failure { error: format!("{:?}", failed.err), name, logs })
            }
        }
    }

    // ---- accounts ----

    /// Copies an account of the program.
    ///
    /// # Panics
    /// If there is none, or of another type.
    #[must_use]
    pub fn get<T: bytemuck::Pod + anchor_lang::Discriminator>(&self, key: &Pubkey) -> Box<T> {
        decode_copy(&self.svm.get_account(key).expect("account exists").data).expect("account decodes")
    }

    /// Every account of a type, in no order.
    #[must_use]
    pub fn all<T: bytemuck::Pod + anchor_lang::Discriminator>(&self) -> Vec<(Pubkey, Box<T>)> {
        let accounts = self.svm.accounts_db().inner.iter();
        let own = accounts.filter(|(_, account)| *account.owner() == address::PROGRAM);
        own.filter_map(|(key, account)| Some((*key, decode_copy(account.data()).ok()?))).collect()
    }

    /// The exchange.
    #[must_use]
    pub fn exchange(&self) -> Box<Exchange> {
        self.get(&address::exchange())
    }

    /// The insurance fund.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn fund(&self) -> Box<InsuranceFund> {
        self.get(&address::insurance_fund())
    }

    /// The pool.
    #[must_use]
    pub fn pool(&self) -> Box<Pool> {
        self.get(&address::pool())
    }

    /// A market.
    #[must_use]
    pub fn market(&self, index: u16) -> Box<Market> {
        self.get(&address::market(index))
    }

    /// A vault.
    #[must_use]
    pub fn vault(&self, index: u16) -> Box<Vault> {
        self.get(&self.listings.vaults[usize::from(index)].address)
    }

    /// A margin account.
    #[must_use]
    pub fn margin(&self, key: &Pubkey) -> Box<MarginAccount> {
        self.get(key)
    }

    /// Changes an account of the program behind its back, for tests of corrupt or rare states.
    pub fn tamper<T: bytemuck::Pod + anchor_lang::Discriminator>(
        &mut self,
        key: &Pubkey,
        change: impl FnOnce(&mut T),
    ) {
        let mut value = self.get::<T>(key);
        change(&mut value);
        let mut account = self.svm.get_account(key).expect("account exists");
        account.data[8..8 + size_of::<T>()].copy_from_slice(bytemuck::bytes_of(&*value));
        self.svm.set_account(*key, account).expect("set account");
    }

    /// Health of a margin account by the SDK.
    ///
    /// # Panics
    /// If it can't be computed.
    #[must_use]
    pub fn health(&self, margin: &Pubkey, kind: HealthType) -> Health {
        self.ask(|snapshot| snapshot.health(&self.margin(margin), kind).expect("health"))
    }

    /// PnL of an account's position in a market by the SDK, zero without one.
    ///
    /// # Panics
    /// If it can't be computed.
    #[must_use]
    pub fn pnl(&self, margin: &Pubkey, market: u16) -> i64 {
        let account = self.margin(margin);
        let slot = account.position(market);
        slot.map_or(0, |slot| self.ask(|snapshot| snapshot.pnl(&account.positions[slot]).expect("pnl").0))
    }

    /// Asks the SDK about everything that is listed, as it is now.
    pub fn ask<T>(&self, question: impl FnOnce(&Snapshot<'_>) -> T) -> T {
        question(&Copies::of(self).snapshot())
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl Outcome {
    /// The only trade among the events.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn trade(&self) -> &bulwark_sdk::program::events::Traded {
        self.events
            .iter()
            .find_map(|e| if let Event::Traded(t) = e { Some(t) } else { None })
            .expect("a trade")
    }
}

impl Failure {
    /// Whether the program refused with this error.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name.as_deref() == Some(name)
    }
}
