//! What became of a transaction that was sent.

use std::time::Duration;

use solana_commitment_config::CommitmentConfig;
use solana_rpc_client_api::config::UiTransactionEncoding;
use solana_rpc_client_api::config::{RpcSendTransactionConfig, RpcTransactionConfig};
use solana_signature::Signature;
use solana_signer::signers::Signers;
use solana_transaction::versioned::VersionedTransaction;
use solana_transaction_error::TransactionError;
use tokio::time::{Instant, sleep};

use crate::event::parse_log;

use super::failure::Trace;
use super::send::{Options, Prepared, Receipt};
use super::{Client, RpcError, SendError};

/// Looks between two sendings of the same transaction.
const LOOKS_PER_SENDING: u32 = 5;
/// Looks at a confirmed transaction's log before it is given up.
const LOG_LOOKS: u32 = 10;

/// What became of a signed transaction.
enum Fate {
    /// It is in a block.
    Landed { slot: u64, result: Result<(), TransactionError> },
    /// It never was, and can't be any more.
    Expired,
}

impl Client {
    /// Signs, sends and confirms what was prepared.
    ///
    /// # Errors
    /// [`SendError`], like [`Client::send`].
    pub async fn submit(
        &self,
        prepared: &Prepared,
        signers: &(impl Signers + Sync + ?Sized),
        options: &Options,
    ) -> Result<Receipt, SendError> {
        for _ in 0..=options.resigns {
            let latest = self.rpc.get_latest_blockhash_with_commitment_and_context(self.commitment()).await?;
            let (blockhash, last_height) = latest.value;
            let transaction = VersionedTransaction::try_new(prepared.message(blockhash)?, signers)?;
            if let Fate::Landed { slot, result } = self.deliver(&transaction, last_height, options).await? {
                let signature = signature_of(&transaction);
                return self.receipt(prepared, (signature, slot, result), options).await;
            }
        }
        Err(SendError::Expired(options.resigns.saturating_add(1)))
    }

    /// Sends one signed transaction until it landed or never can.
    async fn deliver(
        &self,
        transaction: &VersionedTransaction,
        last_height: u64,
        options: &Options,
    ) -> Result<Fate, SendError> {
        let signature = signature_of(transaction);
        let unknown = |error| SendError::Unknown { signature, error: Box::new(error) };
        let begun = Instant::now();
        let (mut looks, mut heard) = (0_u32, begun);
        loop {
            if looks.is_multiple_of(LOOKS_PER_SENDING) {
                // Whatever the node says to this, the transaction may have gone out: its status is what counts.
                let _ = self.rpc.send_transaction_with_config(transaction, sending()).await;
            }
            looks = looks.wrapping_add(1);
            match self.look(&signature, last_height).await {
                Ok(Some(fate)) => return Ok(fate),
                Ok(None) if begun.elapsed() >= options.deadline => return Err(unknown(RpcError::NoVerdict)),
                Ok(None) => heard = Instant::now(),
                Err(error) if heard.elapsed() >= options.patience => return Err(unknown(error)),
                Err(_) => {}
            }
            sleep(options.poll).await;
        }
    }

    /// What became of it; `None` as long as that is open.
    async fn look(&self, signature: &Signature, last_height: u64) -> Result<Option<Fate>, RpcError> {
        let recent = self.rpc.get_signature_statuses(&[*signature]).await?.value;
        if let Some(status) = recent.into_iter().flatten().next() {
            // What is merely processed may be on a fork.
            let landed = status.satisfies_commitment(at_least_confirmed(self.commitment()));
            return Ok(landed.then_some(Fate::Landed { slot: status.slot, result: status.status }));
        }
        // No block after this one can include it, and this one is final.
        let rooted = self.rpc.get_epoch_info_with_commitment(CommitmentConfig::finalized()).await?;
        if rooted.block_height <= last_height {
            return Ok(None);
        }
        let answer = self.rpc.get_signature_statuses_with_history(&[*signature]).await?;
        let seen = answer.context.slot >= rooted.absolute_slot;
        Ok(match answer.value.into_iter().flatten().next() {
            Some(status) => Some(Fate::Landed { slot: status.slot, result: status.status }),
            None if seen => Some(Fate::Expired),
            None => None,
        })
    }

    async fn receipt(
        &self,
        prepared: &Prepared,
        (signature, slot, result): (Signature, u64, Result<(), TransactionError>),
        options: &Options,
    ) -> Result<Receipt, SendError> {
        let trace = match options.log || result.is_err() {
            true => self.trace(signature, options.poll).await,
            false => None,
        };
        if let Err(error) = result {
            return Err(prepared
                .failure(error, trace.unwrap_or(Trace { signature: Some(signature), ..Trace::default() })));
        }
        let Some(Trace { logs, units, .. }) = trace else {
            return Ok(Receipt { signature, slot, units: None, events: Vec::new(), complete: false });
        };
        let log = parse_log(&logs);
        let complete = !log.truncated && !logs.is_empty();
        Ok(Receipt { signature, slot, units, events: log.events, complete })
    }

    /// Log and compute units of a transaction that landed; a node knows them a moment after it knows the status.
    async fn trace(&self, signature: Signature, poll: Duration) -> Option<Trace> {
        let config = RpcTransactionConfig {
            encoding: Some(UiTransactionEncoding::Base64),
            commitment: Some(at_least_confirmed(self.commitment())),
            max_supported_transaction_version: Some(0),
        };
        for look in 0..LOG_LOOKS {
            if look > 0 {
                sleep(poll).await;
            }
            let found = self.rpc.get_transaction_with_config(&signature, config).await;
            if let Some(meta) = found.ok().and_then(|found| found.transaction.meta) {
                let logs = Option::from(meta.log_messages).unwrap_or_default();
                let units = Option::from(meta.compute_units_consumed);
                return Some(Trace { logs, units, signature: Some(signature) });
            }
        }
        None
    }
}

fn signature_of(transaction: &VersionedTransaction) -> Signature {
    transaction.signatures.first().copied().unwrap_or_default()
}

/// It passed its simulation; whether it is sent again is decided here.
fn sending() -> RpcSendTransactionConfig {
    RpcSendTransactionConfig {
        skip_preflight: true,
        max_retries: Some(0),
        ..RpcSendTransactionConfig::default()
    }
}

/// Nodes give no transaction that is merely processed.
fn at_least_confirmed(commitment: CommitmentConfig) -> CommitmentConfig {
    if commitment.is_finalized() { commitment } else { CommitmentConfig::confirmed() }
}
