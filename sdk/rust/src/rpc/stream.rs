//! Accounts and events as they change, over a websocket that is connected again when it breaks.
//!
//! What happened while it was broken is not told later: after [`Update::Reconnected`] read what you follow again, by
//! [`Client::fetch`] or [`Client::context`]. A subscription stands when the call returns, so what is read afterwards misses
//! nothing. Dropping it ends it.
//!
//! ```no_run
//! use bulwark_sdk::program::state::Market;
//! use bulwark_sdk::rpc::{Client, Update};
//!
//! # async fn run(client: Client) -> Result<(), bulwark_sdk::rpc::RpcError> {
//! let mut markets = client.accounts::<Market>(Vec::new()).await?;
//! while let Some(update) = markets.next().await {
//!     match update {
//!         Update::Item { slot, value: (key, market) } => println!("{slot}: {key} {}", market.index),
//!         Update::Reconnected => println!("read the markets again"),
//!     }
//! }
//! # Ok(())
//! # }
//! ```

use std::pin::Pin;
use std::task::{Context as Polling, Poll};

use anchor_lang::Discriminator;
use anchor_lang::prelude::Pubkey;
use bytemuck::Pod;
use futures_util::Stream;
use futures_util::future::BoxFuture;
use solana_account_decoder_client_types::UiAccount;
use solana_pubsub_client::nonblocking::pubsub_client::PubsubClient;
use solana_rpc_client_api::config::{
    RpcProgramAccountsConfig, RpcTransactionLogsConfig, RpcTransactionLogsFilter,
};
use solana_rpc_client_api::filter::RpcFilterType;
use solana_rpc_client_api::response::{Response, RpcKeyedAccount, RpcLogsResponse};
use solana_signature::Signature;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::address;
use crate::event::{Event, parse_log};
use crate::sequence::{Gap, Sequences};

use super::connection::{Notices, Patience, Subscribe, follow};
use super::fetch::Raw;
use super::{Client, RpcError};

/// What a subscription tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update<T> {
    /// Something is new.
    Item {
        /// Slot that it is of.
        slot: u64,
        /// What is new.
        value: T,
    },
    /// The connection was lost and is there again: read what is followed once more.
    Reconnected,
}

/// Events of one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventBatch {
    /// The transaction.
    pub signature: Signature,
    /// Its events, in order.
    pub events: Vec<Event>,
    /// Whether its log was cut: events of it may be missing.
    pub truncated: bool,
    /// What was missed before, by the numbers that events carry.
    pub gaps: Vec<Gap>,
}

/// A stream of updates. Dropping it ends the subscription.
#[derive(Debug)]
pub struct Subscription<T> {
    updates: mpsc::Receiver<Update<T>>,
    task: JoinHandle<()>,
}

impl<T> Subscription<T> {
    pub(super) fn new(updates: mpsc::Receiver<Update<T>>, task: JoinHandle<()>) -> Self {
        Self { updates, task }
    }

    /// The next update; waits for it. `None` only when the runtime is shut down.
    pub async fn next(&mut self) -> Option<Update<T>> {
        self.updates.recv().await
    }
}

impl<T> Stream for Subscription<T> {
    type Item = Update<T>;

    fn poll_next(mut self: Pin<&mut Self>, polling: &mut Polling<'_>) -> Poll<Option<Self::Item>> {
        self.updates.poll_recv(polling)
    }
}

impl<T> Drop for Subscription<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct OfProgram(RpcProgramAccountsConfig);
struct OfAccount(Pubkey, solana_rpc_client_api::config::RpcAccountInfoConfig);
struct OfLogs(RpcTransactionLogsConfig);

impl Subscribe for OfProgram {
    type Notice = Response<RpcKeyedAccount>;

    fn subscribe<'a>(&'a self, socket: &'a PubsubClient) -> BoxFuture<'a, Notices<'a, Self::Notice>> {
        Box::pin(async { Ok(socket.program_subscribe(&address::PROGRAM, Some(self.0.clone())).await?.0) })
    }
}

impl Subscribe for OfAccount {
    type Notice = Response<UiAccount>;

    fn subscribe<'a>(&'a self, socket: &'a PubsubClient) -> BoxFuture<'a, Notices<'a, Self::Notice>> {
        Box::pin(async { Ok(socket.account_subscribe(&self.0, Some(self.1.clone())).await?.0) })
    }
}

impl Subscribe for OfLogs {
    type Notice = Response<RpcLogsResponse>;

    fn subscribe<'a>(&'a self, socket: &'a PubsubClient) -> BoxFuture<'a, Notices<'a, Self::Notice>> {
        let filter = RpcTransactionLogsFilter::Mentions(vec![address::PROGRAM.to_string()]);
        Box::pin(async { Ok(socket.logs_subscribe(filter, self.0.clone()).await?.0) })
    }
}

impl Client {
    /// Accounts of a type as they change; only those that pass the filters, at most two, such as a margin account's owner.
    /// An account that is closed is not told: its last content stays the last.
    ///
    /// # Errors
    /// [`RpcError`] if the first connection fails.
    pub async fn accounts<T: Pod + Discriminator + Send>(
        &self,
        filters: Vec<RpcFilterType>,
    ) -> Result<Subscription<(Pubkey, Box<T>)>, RpcError> {
        let config = self.program_config::<T>(filters);
        follow((&self.ws_url, Patience::default()), OfProgram(config), |notice: Response<RpcKeyedAccount>| {
            let key: Pubkey = notice.value.pubkey.parse().ok()?;
            let account = Raw::new(&key, &notice.value.account).ok()?.decode(&key).ok()?;
            Some((notice.context.slot, (key, account)))
        })
        .await
    }

    /// Every account of the program as it changes, of whatever type: address and data. An account that is closed is not told.
    ///
    /// # Errors
    /// [`RpcError`] if the first connection fails.
    pub async fn everything(&self) -> Result<Subscription<(Pubkey, Vec<u8>)>, RpcError> {
        let wanted = OfProgram(self.everything_config());
        follow((&self.ws_url, Patience::default()), wanted, |notice: Response<RpcKeyedAccount>| {
            let key: Pubkey = notice.value.pubkey.parse().ok()?;
            let raw = Raw::new(&key, &notice.value.account).ok()?;
            Some((notice.context.slot, (key, raw.data)))
        })
        .await
    }

    /// One account as it changes; `None` once it is closed, or another program's or another type's.
    ///
    /// # Errors
    /// [`RpcError`] if the first connection fails.
    pub async fn account<T: Pod + Discriminator + Send>(
        &self,
        key: Pubkey,
    ) -> Result<Subscription<Option<Box<T>>>, RpcError> {
        let wanted = OfAccount(key, self.account_config());
        follow((&self.ws_url, Patience::default()), wanted, move |notice: Response<UiAccount>| {
            let account = Raw::new(&key, &notice.value).and_then(|raw| raw.decode(&key));
            Some((notice.context.slot, account.ok()))
        })
        .await
    }

    /// Events of all transactions that succeed, transaction by transaction; those without events are left out.
    ///
    /// # Errors
    /// [`RpcError`] if the first connection fails.
    pub async fn events(&self) -> Result<Subscription<EventBatch>, RpcError> {
        let config = RpcTransactionLogsConfig { commitment: Some(self.commitment()) };
        let mut sequences = Sequences::default();
        follow(
            (&self.ws_url, Patience::default()),
            OfLogs(config),
            move |notice: Response<RpcLogsResponse>| {
                Some((notice.context.slot, batch(&notice.value, &mut sequences)?))
            },
        )
        .await
    }
}

/// `None` without anything to tell; what a failed transaction wrote to its log has not happened.
fn batch(notice: &RpcLogsResponse, sequences: &mut Sequences) -> Option<EventBatch> {
    if notice.err.is_some() {
        return None;
    }
    let log = parse_log(&notice.logs);
    let gaps: Vec<Gap> = log.events.iter().flat_map(|event| sequences.follow(event)).collect();
    let signature = notice.signature.parse().ok()?;
    let batch = EventBatch { signature, events: log.events, truncated: log.truncated, gaps };
    (batch.truncated || !batch.events.is_empty()).then_some(batch)
}

#[cfg(test)]
mod tests {
    use anchor_lang::Event as _;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use bulwark::events::InvariantsChecked;
    use solana_transaction_error::TransactionError;

    use super::*;

    fn notice(lines: &[String], err: Option<TransactionError>) -> RpcLogsResponse {
        let signature = Signature::default().to_string();
        RpcLogsResponse { signature, err: err.map(Into::into), logs: lines.to_vec() }
    }

    fn log() -> Vec<String> {
        let program = address::PROGRAM;
        let data = STANDARD.encode(InvariantsChecked { ok: true }.data());
        vec![format!("Program {program} invoke [1]"), format!("Program data: {data}")]
    }

    #[test]
    fn what_a_failed_transaction_logged_is_no_event() {
        let mut sequences = Sequences::default();
        let events = batch(&notice(&log(), None), &mut sequences).map(|batch| batch.events);
        assert_eq!(events, Some(vec![Event::InvariantsChecked(InvariantsChecked { ok: true })]));
        let failed = notice(&log(), Some(TransactionError::AccountNotFound));
        assert_eq!(batch(&failed, &mut sequences), None);
    }

    #[test]
    fn a_cut_log_is_told_even_without_events() {
        let mut sequences = Sequences::default();
        let cut = batch(&notice(&["Log truncated".to_string()], None), &mut sequences);
        assert!(cut.is_some_and(|batch| batch.truncated && batch.events.is_empty()));
        assert_eq!(batch(&notice(&[], None), &mut sequences), None);
    }
}
