//! Where to connect and who signs, from the environment: for scripts and examples.

use std::env;
use std::path::PathBuf;

use solana_keypair::{Keypair, read_keypair_file};
use thiserror::Error;

use super::Client;

/// A wallet that can't be read.
#[derive(Debug, Error)]
#[error("{}: {reason}: name a keypair file, a JSON array of 64 bytes, in BULWARK_KEYPAIR", path.display())]
pub struct WalletError {
    /// The file.
    path: PathBuf,
    /// What is wrong.
    reason: String,
}

fn named(variable: &str, default: &str) -> String {
    env::var(variable).unwrap_or_else(|_| default.to_string())
}

impl Client {
    /// A client of the nodes that `BULWARK_RPC_URL` and `BULWARK_WS_URL` name; of a node on this machine without them.
    #[must_use]
    pub fn from_env() -> Self {
        Self::new(
            named("BULWARK_RPC_URL", "http://127.0.0.1:8899"),
            named("BULWARK_WS_URL", "ws://127.0.0.1:8900"),
        )
    }
}

/// The wallet in the file that `BULWARK_KEYPAIR` names; the local network's trader without it.
///
/// # Errors
/// [`WalletError`].
pub fn wallet() -> Result<Keypair, WalletError> {
    let path = PathBuf::from(named("BULWARK_KEYPAIR", "target/localnet/trader.json"));
    read_keypair_file(&path).map_err(|error| WalletError { path, reason: error.to_string() })
}
