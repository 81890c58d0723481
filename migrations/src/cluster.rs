//! Which cluster a file is for: the same addresses stand on every one.

use solana_hash::Hash;

use crate::chain::{Chain, ChainError};
use crate::file::RiskFile;

/// The cluster that a file is for, as `cluster.genesis` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Genesis {
    /// Whichever is there: a local network begins anew each time.
    Any,
    /// The one with this genesis hash.
    Hash(Hash),
}

/// Whether an endpoint is on this machine.
#[must_use]
pub fn is_local(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
    let host = authority.rsplit('@').next().unwrap_or("");
    let name =
        host.rsplit_once(':').map_or(host, |(name, port)| if port.contains(']') { host } else { name });
    ["127.0.0.1", "localhost", "[::1]"].contains(&name)
}

/// `Ok` if this is the cluster that the file is for.
///
/// # Errors
/// [`ChainError::OtherCluster`], [`ChainError::Unreachable`].
pub(crate) async fn require(chain: &impl Chain, file: &RiskFile) -> Result<(), ChainError> {
    let Genesis::Hash(wanted) = file.genesis else { return Ok(()) };
    match chain.genesis().await? {
        found if found == wanted => Ok(()),
        found => Err(ChainError::OtherCluster { found, wanted }),
    }
}

#[cfg(test)]
mod tests {
    use super::is_local;

    #[test]
    fn only_this_machine_is_local() {
        for url in
            ["http://127.0.0.1:8899", "http://localhost/", "ws://[::1]:8900/x", "localhost:1", "http://[::1]"]
        {
            assert!(is_local(url), "{url}");
        }
        for url in [
            "https://api.mainnet-beta.solana.com",
            "http://localhost.example.com:8899",
            "http://localhost:1@example.com/",
            "http://example.com/?localhost",
            "http://127.0.0.12:8899",
            "",
        ] {
            assert!(!is_local(url), "{url}");
        }
    }
}
