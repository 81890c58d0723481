//! The compiled program in an embedded runtime: what tests, benchmarks and the demonstration share.
//!
//! [`World`] is a chain with one exchange on it. Everything goes through the Rust SDK, and the ledger
//! identity I1 is checked after every transaction, successful or not.

pub mod actors;
pub mod copies;
pub mod crash;
pub mod crowd;
pub mod distress;
pub mod expect;
pub mod fixtures;
pub mod governance;
pub mod ledger;
pub mod listing;
pub mod multisig;
pub mod oracle_accounts;
pub mod prices;
pub mod snapshot;
pub mod spoil;
pub mod tokens;
pub mod walk;
pub mod world;

pub use actors::Trader;
pub use copies::Copies;
pub use fixtures::{BTC, SOL, SOL_VAULT};
pub use multisig::Multisig;
pub use solana_keypair::Keypair;
pub use solana_signer::Signer;
pub use world::{Failure, Outcome, World};
