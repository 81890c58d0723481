//! A chain with one exchange on it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::OnceLock;

use anchor_spl::token::spl_token;
use anchor_lang::solana_program::program_pack::Pack;
use bulwark_sdk::account::decode_copy;
use bulwark_sdk::engine::margin::{Health, HealthType};
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::{Event, parse_log};
use bulwark_sdk::health::Snapshot;
use bulwark_sdk::instruction::{self as ix, Margin, OracleAccounts, Order};
use bulwark_sdk::listings::{Listings, VaultListing};
use bulwark_sdk::program::instructions::{CreateMarketArgs, CreateVaultArgs, InitializeExchangeArgs};
use bulwark_sdk::program::oracle::OracleSource;
use bulwark_sdk::program::state::{Exchange, MarginAccount, Market, MarketStatus, Pool, Vault};
use bulwark_sdk::{Instruction, Pubkey, address};
use litesvm::LiteSVM;
use litesvm::types::TransactionMetadata;
use solana_account::Account;
use solana_clock::Clock;
use solana_keypair::Keypair;
use solana_message::Message;
use solana_signer::Signer;
use solana_transaction::Transaction;

use crate::fixtures::{self, Asset, BTC_ASSET, DOLLAR, EXPONENT, GENESIS, QUOTE_DECIMALS, SOL_ASSET};
use crate::ledger;
use crate::oracle_accounts::{self, PYTH_RECEIVER, Print, Verification};

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

/// A trader or provider with tokens and a margin account.
pub struct Trader {
    /// Signs.
    pub key: Keypair,
    /// The margin account, sub-id 0.
    pub margin: Pubkey,
    /// The quote token account.
    pub tokens: Pubkey,
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
    let default = || {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        target.join("deploy/bulwark.so")
    };
    let named = || std::env::var_os("BULWARK_SO").map(PathBuf::from);
    let path = PROGRAM_PATH.get().cloned().or_else(named).unwrap_or_else(default);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}; run `make build` first", path.display()))
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
        clock.slot = u64::try_from((unix_timestamp - GENESIS).max(0)).unwrap_or(0) * 5 / 2 + 1_000;
        clock.unix_timestamp = unix_timestamp;
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
        let payer = self.payer.insecure_clone();
        let mut all = vec![&payer];
        all.extend(signers.iter().copied().filter(|s| s.pubkey() != payer.pubkey()));
        let message = Message::new(instructions, Some(&payer.pubkey()));
        let needed = usize::from(message.header.num_required_signatures);
        all.retain(|s| message.account_keys[..needed].contains(&s.pubkey()));
        let mut transaction = Transaction::new_unsigned(message);
        if let Err(error) = transaction.try_sign(&all, self.svm.latest_blockhash()) {
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

    /// The exchange.
    #[must_use]
    pub fn exchange(&self) -> Box<Exchange> {
        self.get(&address::exchange())
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
    pub fn tamper<T: bytemuck::Pod + anchor_lang::Discriminator>(&mut self, key: &Pubkey, change: impl FnOnce(&mut T)) {
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
        let exchange = self.exchange();
        let markets: Vec<_> = (0..exchange.market_count).map(|i| self.market(i)).collect();
        let vaults: Vec<_> = (0..exchange.vault_count).map(|i| self.vault(i)).collect();
        question(&Snapshot {
            exchange: &exchange,
            markets: markets.iter().map(|m| (m.index, &**m)).collect(),
            vaults: vaults.iter().map(|v| (v.index, &**v)).collect(),
            now: self.now(),
        })
    }

    // ---- tokens ----

    /// Creates a classic mint whose authority nobody has the key of.
    pub fn create_mint(&mut self, mint: Pubkey, decimals: u8) {
        let state = spl_token::state::Mint { decimals, is_initialized: true, ..Default::default() };
        let mut data = vec![0; spl_token::state::Mint::LEN];
        state.pack_into_slice(&mut data);
        self.set_account(mint, address::TOKEN_PROGRAM, data);
    }

    /// Creates a token account that holds `amount`.
    pub fn create_tokens(&mut self, mint: Pubkey, owner: Pubkey, amount: u64) -> Pubkey {
        let key = self.keypair().pubkey();
        self.write_tokens(key, |state| (state.mint, state.owner, state.amount) = (mint, owner, amount));
        key
    }

    /// Writes a token account, starting from an empty one.
    pub fn write_tokens(&mut self, key: Pubkey, change: impl FnOnce(&mut spl_token::state::Account)) {
        let mut state = match self.svm.get_account(&key) {
            Some(account) => spl_token::state::Account::unpack_from_slice(&account.data).expect("token account"),
            None => spl_token::state::Account {
                state: spl_token::state::AccountState::Initialized,
                ..Default::default()
            },
        };
        change(&mut state);
        let mut data = vec![0; spl_token::state::Account::LEN];
        state.pack_into_slice(&mut data);
        self.set_account(key, address::TOKEN_PROGRAM, data);
    }

    /// Balance of a token account.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    pub fn token_balance(&self, key: &Pubkey) -> u64 {
        let account = self.svm.get_account(key).expect("token account");
        u64::from_le_bytes(account.data[64..72].try_into().expect("eight bytes"))
    }

    /// Writes any account, rent-exempt.
    pub fn set_account(&mut self, key: Pubkey, owner: Pubkey, data: Vec<u8>) {
        let lamports = self.svm.minimum_balance_for_rent_exemption(data.len());
        let account = Account { lamports, data, owner, executable: false, rent_epoch: u64::MAX };
        self.svm.set_account(key, account).expect("set account");
    }

    // ---- oracles ----

    /// Address of the `n`th oracle account of an asset in these fixtures.
    #[must_use]
    pub fn oracle_key(asset: &Asset, n: u8) -> Pubkey {
        fixtures::address(&format!("{} oracle {n}", asset.name))
    }

    /// The primary oracle alone.
    #[must_use]
    pub fn oracles(asset: &Asset) -> OracleAccounts {
        OracleAccounts { primary: Self::oracle_key(asset, 0), secondary: None }
    }

    /// Writes the asset's Pyth pull account: price and confidence in dollars with eight decimals, now.
    pub fn print(&mut self, asset: &Asset, price: i64, conf: u64) {
        let print =
            Print { price, conf, exponent: EXPONENT, publish_time: self.now(), posted_slot: 0 };
        let data = oracle_accounts::pyth_pull(asset.feed(0), &print, Verification::Full);
        self.set_account(Self::oracle_key(asset, 0), PYTH_RECEIVER, data);
    }

    /// Prints a price with a confidence of 1 bp now, and refreshes a market with it.
    ///
    /// # Panics
    /// If the refresh is refused.
    pub fn set_price(&mut self, market: u16, price: i64) -> Outcome {
        let asset = Self::asset(market);
        self.print(&asset, price, u64::try_from(price / 10_000).expect("positive"));
        self.send(&[ix::refresh_market(market, Self::oracles(&asset))], &[]).expect("refresh_market")
    }

    /// Advances the clock by a second, prints a price and refreshes: the usual way to move a market.
    pub fn move_price(&mut self, market: u16, price: i64) -> Outcome {
        self.advance(1);
        self.set_price(market, price)
    }

    /// Moves the average to the price too: as many steps as it takes.
    pub fn settle_price(&mut self, market: u16, price: i64) {
        while {
            self.advance(60);
            self.set_price(market, price);
            let oracle = self.market(market).core.oracle;
            oracle.ema.to_bits().abs_diff(oracle.price.to_bits()) > oracle.price.to_bits() / 1_000_000
        } {}
    }

    /// Refreshes the SOL vault from the SOL oracle account.
    ///
    /// # Panics
    /// If the refresh is refused.
    pub fn refresh_sol_vault(&mut self) -> Outcome {
        let mint = self.listings.vaults[usize::from(fixtures::SOL_VAULT)].mint;
        self.send(&[ix::refresh_vault(&mint, Self::oracles(&SOL_ASSET))], &[]).expect("refresh_vault")
    }

    /// The asset of a market of [`World::new`].
    #[must_use]
    pub fn asset(market: u16) -> Asset {
        if market == fixtures::SOL { SOL_ASSET } else { BTC_ASSET }
    }

    // ---- listing ----

    /// Lists an active market.
    ///
    /// # Panics
    /// If it is refused.
    pub fn list_market(&mut self, asset: &Asset, params: bulwark_sdk::engine::market::MarketParams) -> u16 {
        let index = self.exchange().market_count;
        self.print(asset, asset.price, 1);
        let admin = self.admin.insecure_clone();
        let args = CreateMarketArgs {
            index,
            status: MarketStatus::Active,
            sources: [fixtures::pyth_source(asset.feed(0)), OracleSource::NONE],
            params,
        };
        let steps = ix::create_market((admin.pubkey(), self.payer.pubkey()), Self::oracles(asset), args);
        self.send(&steps, &[&admin]).expect("create_market");
        self.listings.markets.push(address::market(index));
        index
    }

    /// Lists an asset as collateral.
    ///
    /// # Panics
    /// If it is refused.
    pub fn list_vault(&mut self, asset: &Asset, decimals: u8, max_deposits: u64) -> u16 {
        let index = self.exchange().vault_count;
        let mint = fixtures::address(&format!("mint {index} {}", asset.name));
        self.create_mint(mint, decimals);
        self.print(asset, asset.price, 1);
        let admin = self.admin.insecure_clone();
        let args = CreateVaultArgs {
            sources: [fixtures::pyth_source(asset.feed(0)), OracleSource::NONE],
            params: fixtures::collateral_params(max_deposits),
        };
        let token = (mint, address::TOKEN_PROGRAM);
        let create = ix::create_vault((admin.pubkey(), self.payer.pubkey()), token, Self::oracles(asset), args);
        self.send(&[create], &[&admin]).expect("create_vault");
        self.listings.vaults.push(VaultListing::of_mint(mint, address::TOKEN_PROGRAM));
        index
    }

    // ---- actors ----

    /// A trader with an open margin account and `quote` units in the wallet.
    ///
    /// # Panics
    /// If opening the account is refused.
    pub fn trader(&mut self, quote: u64) -> Trader {
        let key = self.keypair();
        let tokens = self.create_tokens(self.listings.vaults[0].mint, key.pubkey(), quote);
        let open = ix::open_margin_account(key.pubkey(), self.payer.pubkey(), 0);
        self.send(&[open], &[&key]).expect("open_margin_account");
        Trader { margin: address::margin_account(&key.pubkey(), 0), key, tokens }
    }

    /// A trader who has deposited `quote` units.
    ///
    /// # Panics
    /// If a transaction is refused.
    pub fn funded_trader(&mut self, quote: u64) -> Trader {
        let trader = self.trader(quote);
        self.deposit(&trader, quote).expect("deposit");
        trader
    }

    /// Deposits quote.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn deposit(&mut self, trader: &Trader, amount: u64) -> Result<Outcome, Failure> {
        let vault = self.listings.vaults[0];
        let deposit = ix::deposit(trader.key.pubkey(), trader.margin, &vault, (trader.tokens, amount));
        self.send(&[deposit], &[&trader.key])
    }

    /// Gives the trader `amount` units of a collateral and deposits them. Returns the token account.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn deposit_collateral(&mut self, trader: &Trader, vault: u16, amount: u64) -> Result<Pubkey, Failure> {
        let listing = self.listings.vaults[usize::from(vault)];
        let source = self.create_tokens(listing.mint, trader.key.pubkey(), amount);
        let deposit = ix::deposit(trader.key.pubkey(), trader.margin, &listing, (source, amount));
        self.send(&[deposit], &[&trader.key]).map(|_| source)
    }

    /// Withdraws to a token account of the trader.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn withdraw(
        &mut self,
        trader: &Trader,
        vault: u16,
        (destination, amount): (Pubkey, u64),
    ) -> Result<Outcome, Failure> {
        let account = self.margin(&trader.margin);
        let margin = Margin { address: trader.margin, account: &account };
        let withdraw = ix::withdraw(&self.listings, margin, vault, (destination, amount)).expect("builds");
        self.send(&[withdraw], &[&trader.key])
    }

    /// The instruction that increases a position at any price.
    ///
    /// # Panics
    /// If it can't be built.
    #[must_use]
    pub fn open_instruction(&self, trader: &Trader, market: u16, side: Side, lots: u64) -> Instruction {
        let account = self.margin(&trader.margin);
        let margin = Margin { address: trader.margin, account: &account };
        let limit_price = if side == Side::Long { u64::MAX } else { 0 };
        let order = Order { market, lots, limit_price };
        ix::open_position(&self.listings, trader.key.pubkey(), margin, (side, order)).expect("builds")
    }

    /// The instruction that decreases a position at any price.
    ///
    /// # Panics
    /// If it can't be built.
    #[must_use]
    pub fn close_instruction(&self, trader: &Trader, market: u16, lots: u64) -> Instruction {
        let account = self.margin(&trader.margin);
        let margin = Margin { address: trader.margin, account: &account };
        let slot = account.position(market).map(|i| account.positions[i]);
        let limit_price = match slot.map(|p| p.side) {
            Some(1) => u64::MAX,
            _ => 0,
        };
        let order = Order { market, lots, limit_price };
        ix::close_position(&self.listings, trader.key.pubkey(), margin, order).expect("builds")
    }

    /// Increases a position at any price.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn open(&mut self, trader: &Trader, market: u16, side: Side, lots: u64) -> Result<Outcome, Failure> {
        let open = self.open_instruction(trader, market, side, lots);
        self.send(&[open], &[&trader.key])
    }

    /// Decreases a position at any price; `u64::MAX` closes all.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn close(&mut self, trader: &Trader, market: u16, lots: u64) -> Result<Outcome, Failure> {
        let close = self.close_instruction(trader, market, lots);
        self.send(&[close], &[&trader.key])
    }

    /// Adds liquidity from the trader's wallet. Returns the token account with the shares.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn add_liquidity(&mut self, trader: &Trader, amount: u64) -> Result<Pubkey, Failure> {
        let owner = trader.key.pubkey();
        let shares = self.create_tokens(address::junior_mint(), owner, 0);
        let keys = (owner, trader.tokens, shares);
        let add = ix::add_liquidity(&self.listings, keys, (amount, 0)).expect("builds");
        self.send(&[add], &[&trader.key]).map(|_| shares)
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
