//! What a keeper is told: where the cluster is, who signs, which work it does, and what it may spend and hold.
//!
//! One TOML file, every key of which has a default where one is safe; flags and the environment override it (see
//! [`Overrides`]). Nothing in it is a secret but what an endpoint's address may hold, and that is never shown. A mistake is
//! refused before anything starts, with its key, what is allowed there, and what to do: an unknown key too, since a
//! limit that is misspelt would be no limit.
//!
//! | module | for |
//! |---|---|
//! | [`load`] | file, flags and environment made one |
//! | `check`, `defaults` | bounds of every number, and what holds without one |
//! | [`amount`] | money as people write it, and in quote units |
//! | [`role`] | kinds of work |
//! | [`secrets`] | what must not be written |
//! | [`text`] | addresses, feeds and endpoints as text |
//! | [`wallet`] | who signs |

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bulwark_sdk::rpc::{Client, CommitmentConfig, FeePolicy};
use bulwark_sdk::{Pubkey, address};
use serde::{Deserialize, Serialize};
use solana_keypair::Keypair;
use solana_signer::Signer;

pub mod amount;
mod check;
mod defaults;
pub mod load;
pub mod role;
pub mod secrets;
#[cfg(test)]
mod tests;
pub mod text;
pub mod wallet;

pub use amount::{Amount, Amounts};
pub use load::Overrides;
pub use role::{Role, Roles};
pub use secrets::Secrets;
pub use text::{Address, Endpoint, Feed};
pub use wallet::Wallet;

/// Everything that a keeper is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Kinds of work it does.
    pub roles: Roles,
    /// Pays fees, and is owner or delegate of the margin account.
    pub keypair: Wallet,
    /// Margin account that takes positions over. Without it the key pair's own account number `sub_id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub margin_account: Option<Address>,
    /// Number of the key pair's own margin account.
    pub sub_id: u16,
    /// Finds and simulates everything, and sends nothing.
    pub dry_run: bool,
    /// Margin accounts it acts on; empty: on all.
    #[serde(with = "text::set")]
    pub allow: BTreeSet<Address>,
    /// Margin accounts it never acts on.
    #[serde(with = "text::set")]
    pub deny: BTreeSet<Address>,
    /// Ends once everything that is to be done at the moment was done. No key of the file: `keeper run --once`.
    #[serde(skip)]
    pub once: bool,
    /// Where the cluster is.
    pub cluster: Cluster,
    /// How often, and for how long.
    pub timing: Timing,
    /// What transactions may cost.
    pub fees: Fees,
    /// What it may hold and earn.
    pub limits: Limits,
    /// Prices that it brings.
    pub refresh: Refresh,
    /// Cash between pool and markets.
    pub allocate: Allocate,
    /// Distribution of fees.
    pub sweep: Sweep,
    /// Metrics and health.
    pub http: Http,
    /// What it writes.
    pub log: Log,
}

/// Where the cluster is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cluster {
    /// JSON-RPC of a node.
    pub rpc_url: Endpoint,
    /// Websocket of a node.
    pub ws_url: Endpoint,
    /// What is read and confirmed.
    pub commitment: Commitment,
    /// Genesis hash: another cluster is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub genesis: Option<String>,
    /// Address lookup tables that shorten transactions.
    #[serde(with = "text::set")]
    pub lookup_tables: BTreeSet<Address>,
}

/// How sure a state of the chain has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Commitment {
    /// The newest that the node has executed, which may be taken back.
    Processed,
    /// Two thirds of the stake voted for it.
    Confirmed,
    /// Nothing can take it back.
    Finalized,
}

/// How often, and for how long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timing {
    /// Milliseconds between two looks for work when nothing happens.
    pub tick_ms: u64,
    /// Seconds between two readings of everything, against what a stream may have lost.
    pub resync_secs: u64,
    /// Seconds between two judgements of all accounts, beside those that a price or a change asks for.
    pub sweep_secs: u64,
    /// Seconds that what is under way has to end in when the keeper is stopped.
    pub shutdown_secs: u64,
    /// Milliseconds between two looks at what became of a transaction.
    pub poll_ms: u64,
}

/// What transactions may cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fees {
    /// Percentile, 0 to 100, of what was lately paid for the same accounts.
    pub percentile: u8,
    /// Micro-lamports per compute unit, in place of the percentile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixed: Option<u64>,
    /// Most lamports of one transaction above the base fee, as many times as much for several liquidations that go together.
    pub max_lamports: u64,
    /// Most lamports of all transactions in an hour. Beyond it nothing is sent until the hour has passed.
    pub max_lamports_per_hour: u64,
    /// Lamports of the fee payer below which `/healthz` complains.
    pub min_lamports: u64,
    /// Quote tokens per SOL, for what fees are worth. Without it the price of the vault or market of SOL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sol_price: Option<Amount>,
}

/// What it may hold and earn. Amounts are in quote tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Pieces of work under way at the same time.
    pub concurrency: u16,
    /// Least profit of a paid action, after fees.
    pub min_profit: Amount,
    /// Largest worth of one takeover.
    pub max_takeover: Amount,
    /// Largest worth of taken-over positions that are kept. 0: each takeover is closed to the pool in its own transaction, or not
    /// made.
    pub max_inventory: Amount,
    /// Initial margin of the own account that stays free.
    pub min_free_margin: Amount,
    /// Largest worth of bought collateral that is held.
    pub max_collateral: Amount,
}

/// Prices that it brings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Refresh {
    /// Age in seconds from which the stored price of a market with positions is refreshed.
    pub max_age_secs: u64,
    /// Distance of the oracle's price from the stored one, in ppm, from which it is refreshed before its age asks for it.
    pub min_move_ppm: u32,
    /// Other accounts with updates of an oracle; the freshest counts.
    pub accounts: BTreeMap<Feed, BTreeSet<Address>>,
}

/// Cash between pool and markets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Allocate {
    /// Least amount worth a transaction, in quote tokens.
    pub min_amount: Amount,
}

/// Distribution of fees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sweep {
    /// Fees of a market from which it is swept, in quote tokens.
    pub min_fees: Amount,
    /// Seconds after which a market is swept whatever its fees are.
    pub max_age_secs: u64,
}

/// Metrics and health.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Address and port of `/metrics` and `/healthz`; none: not served.
    #[serde(with = "text::listen")]
    pub listen: Option<SocketAddr>,
    /// Seconds without the chain's clock from which `/healthz` complains.
    pub max_silence_secs: u64,
    /// Slots that the stream may be behind the node before `/healthz` complains.
    pub max_lag_slots: u64,
}

/// What it writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// For people or for machines.
    pub format: LogFormat,
    /// What is written, in the form of `RUST_LOG`, which overrides it.
    pub filter: String,
}

/// Form of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// A line of text for each event.
    Text,
    /// A JSON object in a line for each event.
    Json,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("{file}: {1}: name another with --config, or write one after keeper.example.toml", file = .0.display())]
    Unreadable(PathBuf, std::io::Error),
    /// The file is not what it should be.
    #[error("{file}: {1}", file = .0.display())]
    File(PathBuf, String),
    /// A flag, or a variable of the environment, is not what it should be.
    #[error("what flags and environment say is not possible: {0}")]
    Override(String),
    /// Values out of bounds, or amounts that the exchange's token cannot express: each with its key.
    #[error("{}", .0.join("\n"))]
    Wrong(Vec<String>),
    /// The cluster shows that something else is meant: its genesis, or whose an account is. The text names the key.
    #[error("{0}")]
    Mismatch(String),
    /// The key pair can't be read.
    #[error("keypair: {file}: {1}: name a file with a key pair, a JSON array of 64 bytes as solana-keygen writes it", file = .0.display())]
    Wallet(PathBuf, String),
}

impl Config {
    /// A configuration for tests: nodes and a key pair in memory, no HTTP.
    #[must_use]
    pub fn for_tests((rpc_url, ws_url): (&str, &str), keypair: Keypair) -> Self {
        let cluster = Cluster { rpc_url: rpc_url.into(), ws_url: ws_url.into(), ..Cluster::default() };
        let http = Http { listen: None, ..Http::default() };
        Self { keypair: Wallet::Memory(Arc::new(keypair)), cluster, http, ..Self::default() }
    }

    /// A client of the cluster. Nothing is sent yet.
    #[must_use]
    pub fn client(&self) -> Client {
        let Cluster { rpc_url, ws_url, commitment, .. } = &self.cluster;
        Client::with_commitment(rpc_url.as_str(), ws_url.as_str(), (*commitment).into())
    }

    /// What a transaction pays to be included early: never more than `fees.max_lamports` for each piece of work in it.
    #[must_use]
    pub fn fee_policy(&self) -> FeePolicy {
        let Fees { percentile, fixed, max_lamports, .. } = self.fees;
        fixed.map_or(FeePolicy::Recent { percentile, cap: max_lamports }, FeePolicy::Fixed)
    }

    /// The key pair that signs.
    ///
    /// # Errors
    /// [`ConfigError::Wallet`].
    pub fn keypair(&self) -> Result<Arc<Keypair>, ConfigError> {
        self.keypair.open()
    }

    /// The margin account that takes positions over, for the key pair that signs.
    #[must_use]
    pub fn own_account(&self, keypair: &Keypair) -> Pubkey {
        let own = || address::margin_account(&keypair.pubkey(), self.sub_id);
        self.margin_account.map_or_else(own, |Address(account)| account)
    }

    /// Whether it may act on a margin account, by `allow` and `deny`.
    #[must_use]
    pub fn acts_on(&self, account: &Pubkey) -> bool {
        let account = Address(*account);
        (self.allow.is_empty() || self.allow.contains(&account)) && !self.deny.contains(&account)
    }

    /// The whole of it as TOML, with defaults, without secrets: of an endpoint only scheme and host.
    ///
    /// # Errors
    /// [`ConfigError::Override`] for what TOML cannot express, such as a number above 2^63.
    pub fn to_toml(&self) -> Result<String, ConfigError> {
        toml::to_string(self).map_err(|error| ConfigError::Override(error.to_string()))
    }
}

impl Cluster {
    /// Whether a genesis hash is of the cluster that is meant.
    #[must_use]
    pub fn is(&self, genesis: &str) -> bool {
        self.genesis.as_deref().is_none_or(|wanted| wanted == genesis)
    }
}

impl Timing {
    /// `tick_ms`.
    #[must_use]
    pub const fn tick(&self) -> Duration {
        Duration::from_millis(self.tick_ms)
    }

    /// `resync_secs`.
    #[must_use]
    pub const fn resync(&self) -> Duration {
        Duration::from_secs(self.resync_secs)
    }

    /// `shutdown_secs`.
    #[must_use]
    pub const fn shutdown(&self) -> Duration {
        Duration::from_secs(self.shutdown_secs)
    }

    /// `poll_ms`.
    #[must_use]
    pub const fn poll(&self) -> Duration {
        Duration::from_millis(self.poll_ms)
    }
}

impl From<Commitment> for CommitmentConfig {
    fn from(commitment: Commitment) -> Self {
        match commitment {
            Commitment::Processed => Self::processed(),
            Commitment::Confirmed => Self::confirmed(),
            Commitment::Finalized => Self::finalized(),
        }
    }
}
