//! Over JSON-RPC: `getProgramAccounts`, then `programSubscribe`.

use anyhow::Context as _;
use bulwark_sdk::Pubkey;
use bulwark_sdk::rpc::{Client, Subscription, Update};

use super::{Notice, Snapshot, Source};

/// A node's JSON-RPC and websocket endpoints.
#[derive(Debug)]
pub struct RpcSource {
    client: Client,
    changes: Subscription<(Pubkey, Vec<u8>)>,
}

impl RpcSource {
    /// Subscribes. What changes from now on is told, so a snapshot taken later misses nothing.
    ///
    /// # Errors
    /// The websocket can't be reached.
    pub async fn connect(client: Client) -> anyhow::Result<Self> {
        let changes = client.everything().await.context("subscribing to the program's accounts")?;
        Ok(Self { client, changes })
    }
}

impl Source for RpcSource {
    fn snapshot(&self) -> impl Future<Output = anyhow::Result<Snapshot>> + Send + 'static {
        let client = self.client.clone();
        async move {
            let commitment = client.commitment();
            let slot =
                client.rpc().get_slot_with_commitment(commitment).await.context("asking for the slot")?;
            let accounts = client.fetch_everything().await.context("reading the program's accounts")?;
            Ok(Snapshot { slot, accounts })
        }
    }

    async fn next(&mut self) -> Notice {
        match self.changes.next().await {
            Some(Update::Item { slot, value: account }) => Notice::Changed { slot, account },
            Some(Update::Reconnected) => Notice::Gap,
            None => Notice::End,
        }
    }
}
