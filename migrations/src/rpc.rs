//! A cluster over JSON-RPC, by the SDK's client.

use std::time::Duration;

use anchor_lang::Discriminator;
use bulwark_sdk::Pubkey;
use bulwark_sdk::rpc::{Client, FeePolicy, Options, RpcError, SendError};
use bytemuck::Pod;
use futures_util::{StreamExt, TryStreamExt, stream};
use solana_account::Account;
use solana_hash::Hash;
use solana_keypair::Keypair;
use solana_signer::Signer;

use crate::chain::{Batch, Chain, ChainError};

/// Accounts that one request may ask for.
const ACCOUNTS: usize = 100;
/// Transactions that are under way at once.
const UNDER_WAY: usize = 24;
/// How often a transaction's fate is asked for.
const POLL: Duration = Duration::from_millis(100);

/// A cluster over JSON-RPC.
pub struct RpcChain {
    client: Client,
    options: Options,
}

impl RpcChain {
    /// The cluster at an endpoint, paying no priority fee.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self::with_fee(url, FeePolicy::None)
    }

    /// The cluster at an endpoint, paying for being included early.
    #[must_use]
    pub fn with_fee(url: &str, fee: FeePolicy) -> Self {
        // Nothing is subscribed to, so no websocket is needed.
        let options = Options { poll: POLL, ..Options::default().with_fee(fee) };
        Self { client: Client::new(url, ""), options }
    }

    async fn deliver(&self, batch: Batch<'_>) -> Result<(), ChainError> {
        let needed = |key: &Pubkey| {
            let metas = batch.instructions.iter().flat_map(|instruction| &instruction.accounts);
            metas.into_iter().any(|meta| meta.is_signer && meta.pubkey == *key)
        };
        let mut signers: Vec<&Keypair> = Vec::new();
        for signer in &batch.signers {
            let key = signer.pubkey();
            let known = signers.iter().any(|known| known.pubkey() == key);
            if signers.is_empty() || !known && needed(&key) {
                signers.push(signer);
            }
        }
        self.client.send(&batch.instructions, &signers, &self.options).await.map_err(refused)?;
        Ok(())
    }
}

impl Chain for RpcChain {
    async fn genesis(&self) -> Result<Hash, ChainError> {
        let answer = self.client.rpc().get_genesis_hash().await;
        answer.map_err(|error| unreachable(RpcError::from(error)))
    }

    async fn accounts(&self, addresses: &[Pubkey]) -> Result<Vec<Option<Account>>, ChainError> {
        let mut found = Vec::with_capacity(addresses.len());
        for addresses in addresses.chunks(ACCOUNTS) {
            let answer = self.client.rpc().get_multiple_accounts(addresses).await;
            found.extend(answer.map_err(|error| unreachable(RpcError::from(error)))?);
        }
        Ok(found)
    }

    async fn all<T: Pod + Discriminator>(&self) -> Result<Vec<(Pubkey, Box<T>)>, ChainError> {
        self.client.fetch_all().await.map_err(unreachable)
    }

    async fn send(&self, batch: Batch<'_>) -> Result<(), ChainError> {
        self.deliver(batch).await
    }

    async fn send_all(&self, batches: Vec<Batch<'_>>) -> Result<(), ChainError> {
        stream::iter(batches).map(|batch| self.deliver(batch)).buffer_unordered(UNDER_WAY).try_collect().await
    }
}

fn unreachable(error: RpcError) -> ChainError {
    ChainError::Unreachable(error.to_string())
}

fn refused(error: SendError) -> ChainError {
    match error {
        SendError::Rpc(error) => unreachable(error),
        SendError::Failed(failure) => ChainError::Refused { error: failure.to_string(), logs: failure.logs },
        SendError::Unknown { .. } | SendError::Expired(_) => ChainError::Unreachable(error.to_string()),
        _ => ChainError::Refused { error: error.to_string(), logs: Vec::new() },
    }
}
