//! A cluster over JSON-RPC.

use std::time::Duration;

use bulwark_sdk::{Pubkey, address};
use futures_util::{StreamExt, TryStreamExt, stream};
use solana_account::Account;
use solana_account_decoder_client_types::UiAccountEncoding;
use solana_commitment_config::CommitmentConfig;
use solana_keypair::Keypair;
use solana_message::Message;
use solana_rpc_client::nonblocking::rpc_client::RpcClient;
use solana_rpc_client_api::client_error::{Error as ClientError, ErrorKind};
use solana_rpc_client_api::config::{RpcAccountInfoConfig, RpcProgramAccountsConfig};
use solana_rpc_client_api::filter::{Memcmp, RpcFilterType};
use solana_rpc_client_api::request::{RpcError, RpcResponseErrorData};
use solana_signer::Signer;
use solana_transaction::Transaction;

use crate::chain::{Batch, Chain, ChainError};

/// Accounts that one request may ask for.
const ACCOUNTS: usize = 100;
/// Transactions that are under way at once.
const UNDER_WAY: usize = 24;
/// How often a transaction's fate is asked for.
const POLL: Duration = Duration::from_millis(40);
/// When a transaction is sent again: the first one may have been dropped.
const AGAIN: u32 = 50;

/// A cluster over JSON-RPC.
pub struct RpcChain {
    client: RpcClient,
}

impl RpcChain {
    /// The cluster at an endpoint.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self { client: RpcClient::new_with_commitment(url.to_string(), CommitmentConfig::confirmed()) }
    }

    /// The client.
    #[must_use]
    pub fn client(&self) -> &RpcClient {
        &self.client
    }

    async fn deliver(&self, batch: Batch<'_>) -> Result<(), ChainError> {
        let mut signers: Vec<&Keypair> = Vec::new();
        for signer in batch.signers {
            if !signers.iter().any(|known| known.pubkey() == signer.pubkey()) {
                signers.push(signer);
            }
        }
        let payer = signers.first().map(|payer| payer.pubkey());
        let blockhash = self.client.get_latest_blockhash().await.map_err(told)?;
        let message = Message::new_with_blockhash(&batch.instructions, payer.as_ref(), &blockhash);
        let mut transaction = Transaction::new_unsigned(message);
        let unsigned =
            |error| ChainError::Refused { error: format!("a signature is missing: {error}"), logs: vec![] };
        transaction.try_sign(&signers, blockhash).map_err(unsigned)?;
        let signature = self.client.send_transaction(&transaction).await.map_err(told)?;
        for round in 1_u32.. {
            let status = self.client.get_signature_status(&signature).await.map_err(told)?;
            match status {
                Some(Ok(())) => return Ok(()),
                Some(Err(error)) => {
                    return Err(ChainError::Refused { error: error.to_string(), logs: vec![] });
                }
                None => {}
            }
            if round % AGAIN == 0 {
                let alive = self.client.is_blockhash_valid(&blockhash, CommitmentConfig::processed()).await;
                if !alive.map_err(told)? {
                    break;
                }
                self.client.send_transaction(&transaction).await.map_err(told)?;
            }
            tokio::time::sleep(POLL).await;
        }
        Err(ChainError::Unreachable(format!("transaction {signature} was dropped: run this again")))
    }
}

impl Chain for RpcChain {
    async fn accounts(&self, addresses: &[Pubkey]) -> Result<Vec<Option<Account>>, ChainError> {
        let mut found = Vec::with_capacity(addresses.len());
        for addresses in addresses.chunks(ACCOUNTS) {
            found.extend(self.client.get_multiple_accounts(addresses).await.map_err(told)?);
        }
        Ok(found)
    }

    async fn of_kind(&self, discriminator: &[u8]) -> Result<Vec<(Pubkey, Account)>, ChainError> {
        let begins = RpcFilterType::Memcmp(Memcmp::new_raw_bytes(0, discriminator.to_vec()));
        let config = RpcProgramAccountsConfig {
            filters: Some(vec![begins]),
            account_config: RpcAccountInfoConfig {
                encoding: Some(UiAccountEncoding::Base64),
                ..RpcAccountInfoConfig::default()
            },
            ..RpcProgramAccountsConfig::default()
        };
        let found = self.client.get_program_ui_accounts_with_config(&address::PROGRAM, config).await;
        let found = found.map_err(told)?;
        Ok(found.into_iter().filter_map(|(key, account)| Some((key, account.to_account()?))).collect())
    }

    async fn send(&self, batch: Batch<'_>) -> Result<(), ChainError> {
        self.deliver(batch).await
    }

    async fn send_all(&self, batches: Vec<Batch<'_>>) -> Result<(), ChainError> {
        stream::iter(batches).map(|batch| self.deliver(batch)).buffer_unordered(UNDER_WAY).try_collect().await
    }
}

fn told(error: ClientError) -> ChainError {
    let ErrorKind::RpcError(RpcError::RpcResponseError { message, data, .. }) = error.kind() else {
        return ChainError::Unreachable(error.to_string());
    };
    match data {
        RpcResponseErrorData::SendTransactionPreflightFailure(failure) => {
            let error = failure.err.as_ref().map_or(message.clone(), |error| format!("{error:?}"));
            ChainError::Refused { error, logs: failure.logs.clone().unwrap_or_default() }
        }
        _ => ChainError::Refused { error: message.clone(), logs: Vec::new() },
    }
}
