//! An async client over JSON-RPC and websocket, for bots and traders. Behind the feature `rpc`.
//!
//! | module | for |
//! |---|---|
//! | [`fetch`](Client::fetch) | accounts by type, checked for owner and discriminator |
//! | [`context`] | all that a margin account's health and instructions need, in one round trip |
//! | [`plan`] | the refreshes that instructions need, in front of them |
//! | [`pack`] | messages: size, locks, lookup tables |
//! | [`fees`] | compute limit and priority fee |
//! | [`send`] | simulate, send, confirm |
//! | [`tables`] | address lookup tables of the exchange |
//! | [`failure`] | why a transaction failed, in the program's own words |
//! | [`stream`] | accounts and events as they change |
//! | [`from_env`](Client::from_env), [`wallet`] | where and who, from the environment |
//!
//! ```no_run
//! use bulwark_sdk::rpc::{Client, Options};
//! use bulwark_sdk::{address, instruction};
//! use solana_keypair::Keypair;
//! use solana_signer::Signer;
//!
//! # async fn run(owner: Keypair) -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new("http://127.0.0.1:8899", "ws://127.0.0.1:8900");
//! let open = instruction::open_margin_account(owner.pubkey(), owner.pubkey(), 0);
//! let receipt = client.send(&[open], &[&owner], &Options::default()).await?;
//! println!("{} in slot {}: {:?}", receipt.signature, receipt.slot, receipt.events);
//!
//! let listings = client.listings().await?;
//! let margin = address::margin_account(&owner.pubkey(), 0);
//! let context = client.context(&listings, &margin).await?;
//! println!("{:?}", context.snapshot().health(&context.account, bulwark_sdk::engine::margin::HealthType::Init)?);
//! # Ok(())
//! # }
//! ```

use std::sync::Arc;
use std::time::Duration;

use solana_rpc_client::nonblocking::rpc_client::RpcClient;

mod anchor_errors;
mod confirm;
#[cfg(test)]
mod confirm_tests;
mod connection;
pub mod context;
mod environment;
mod error;
pub mod failure;
#[cfg(test)]
mod fake;
pub mod fees;
mod fetch;
pub mod pack;
pub mod plan;
pub mod send;
pub mod stream;
pub mod tables;

pub use context::{Context, MarketContext};
pub use environment::{WalletError, wallet};
pub use error::{RpcError, SendError};
pub use failure::{Cause, Failure};
pub use fees::FeePolicy;
pub use fetch::Raw;
pub use pack::{Footprint, PackError};
pub use send::{Options, Prepared, Receipt};
pub use solana_commitment_config::CommitmentConfig;
pub use solana_message::AddressLookupTableAccount;
pub use solana_rpc_client;
pub use solana_signature::Signature;
pub use stream::{EventBatch, Subscription, Update};

/// Connection to a cluster. Cheap to clone: clones share their connections.
#[derive(Clone)]
pub struct Client {
    rpc: Arc<RpcClient>,
    ws_url: Arc<str>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (url, ws_url) = (self.rpc.url(), &self.ws_url);
        f.debug_struct("Client").field("rpc_url", &url).field("ws_url", ws_url).finish()
    }
}

impl Client {
    /// A client of the nodes at these addresses, which reads and confirms at `confirmed`. Nothing is sent yet.
    #[must_use]
    pub fn new(rpc_url: impl Into<String>, ws_url: impl Into<String>) -> Self {
        Self::with_commitment(rpc_url, ws_url, CommitmentConfig::confirmed())
    }

    /// A client that reads and confirms at this commitment.
    #[must_use]
    pub fn with_commitment(
        rpc_url: impl Into<String>,
        ws_url: impl Into<String>,
        commitment: CommitmentConfig,
    ) -> Self {
        let timeout = Duration::from_secs(30);
        Self::from_rpc(
            RpcClient::new_with_timeout_and_commitment(rpc_url.into(), timeout, commitment),
            ws_url,
        )
    }

    /// A client over an RPC client of one's own, with its commitment: for headers, time limits, or another transport.
    #[must_use]
    pub fn from_rpc(rpc: RpcClient, ws_url: impl Into<String>) -> Self {
        Self { rpc: Arc::new(rpc), ws_url: ws_url.into().into() }
    }

    /// The client underneath, for whatever else a node answers.
    #[must_use]
    pub fn rpc(&self) -> &RpcClient {
        &self.rpc
    }

    /// What it reads and confirms at.
    #[must_use]
    pub fn commitment(&self) -> CommitmentConfig {
        self.rpc.commitment()
    }
}
