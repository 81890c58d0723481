//! Over JSON-RPC: `getProgramAccounts`, then `programSubscribe`.

use std::time::Duration;

use anyhow::Context as _;
use bulwark_sdk::Pubkey;
use bulwark_sdk::rpc::{Client, Subscription, Update};

use super::{Notice, Snapshot, Source};

/// How often all accounts are asked for at one slot, and the wait in between.
const TRIES: u32 = 5;
const CATCH_UP: Duration = Duration::from_secs(2);

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
            // Behind one address may be nodes that are behind: they catch up with this slot.
            let mut tries = TRIES;
            let accounts = loop {
                tries -= 1;
                match client.fetch_everything(slot).await {
                    Ok(accounts) => break accounts,
                    Err(error) if tries == 0 => return Err(error).context("reading the program's accounts"),
                    Err(_) => tokio::time::sleep(CATCH_UP).await,
                }
            };
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
