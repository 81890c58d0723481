//! What a report is made of, read from a node.
//!
//! A node may keep no history, or only a short one: then the rest of the report stands without it, and says why.

use anyhow::Context as _;
use bulwark_sdk::Pubkey;
use bulwark_sdk::event::parse_log;
use bulwark_sdk::program::state::MarginAccount;
use bulwark_sdk::rpc::solana_rpc_client::rpc_client::GetConfirmedSignaturesForAddress2Config;
use bulwark_sdk::rpc::{Client, CommitmentConfig, MarketContext, RpcError, Signature};
use futures_util::{StreamExt as _, TryStreamExt as _};
use solana_rpc_client_api::config::{RpcTransactionConfig, UiTransactionEncoding};

use super::history::{Entries, Entry};
use crate::roles;

/// Signatures that a node names in one answer.
const PAGE: usize = 1_000;
/// Transactions asked for at the same time.
const AT_ONCE: usize = 8;
/// How often the listings are read again when something is listed meanwhile.
const ATTEMPTS: usize = 3;

/// The exchange with every market and vault, and all margin accounts, read after it.
///
/// # Errors
/// The node can't be reached, refuses `getProgramAccounts`, or is of another cluster.
pub async fn exchange(client: &Client) -> anyhow::Result<(MarketContext, Vec<(Pubkey, Box<MarginAccount>)>)> {
    let mut context = Err(RpcError::ListingsOutOfDate);
    for _ in 0..ATTEMPTS {
        let listings = client.listings().await.context("the listings")?;
        context = client.market_context(&listings).await;
        if !matches!(context, Err(RpcError::ListingsOutOfDate)) {
            break;
        }
    }
    let accounts = client.fetch_all::<MarginAccount>().await.context("the margin accounts")?;
    Ok((context.context("the exchange")?, accounts))
}

/// The last `limit` transactions that name the margin account, newest first.
///
/// # Errors
/// The node does not serve `getSignaturesForAddress` or `getTransaction`.
pub async fn history(client: &Client, own: roles::Own, limit: usize) -> anyhow::Result<Entries> {
    let mut signatures = signatures(client, &own.margin, limit.saturating_add(1))
        .await
        .context("the node does not name the margin account's transactions (getSignaturesForAddress)")?;
    let cut = signatures.len() > limit;
    signatures.truncate(limit);
    let entries =
        futures_util::stream::iter(&signatures).map(|signature| entry(client, signature, &own.authority));
    let found: Vec<Option<Entry>> = entries
        .buffered(AT_ONCE)
        .try_collect()
        .await
        .context("the node does not serve the margin account's transactions (getTransaction)")?;
    let read: Vec<Entry> = found.into_iter().flatten().collect();
    Ok(Entries { missing: signatures.len().saturating_sub(read.len()), read, cut })
}

/// Signatures, newest first: as many as wanted, or all that there are.
async fn signatures(client: &Client, key: &Pubkey, wanted: usize) -> anyhow::Result<Vec<Signature>> {
    let mut found: Vec<Signature> = Vec::new();
    while found.len() < wanted {
        let config = GetConfirmedSignaturesForAddress2Config {
            before: found.last().copied(),
            until: None,
            limit: Some(wanted.saturating_sub(found.len()).min(PAGE)),
            commitment: Some(at_least_confirmed(client)),
        };
        let page = client.rpc().get_signatures_for_address_with_config(key, config).await?;
        if page.is_empty() {
            break;
        }
        for status in page {
            let signature = status.signature.parse();
            found.push(signature.with_context(|| format!("{:?} is no signature", status.signature))?);
        }
    }
    Ok(found)
}

/// A transaction; `None` if the node has it no more.
async fn entry(client: &Client, signature: &Signature, authority: &Pubkey) -> anyhow::Result<Option<Entry>> {
    let config = RpcTransactionConfig {
        encoding: Some(UiTransactionEncoding::Base64),
        commitment: Some(at_least_confirmed(client)),
        max_supported_transaction_version: Some(0),
    };
    let answer = client.rpc().get_transaction_with_config(signature, config).await;
    let found = match answer {
        Ok(found) => found,
        // A node answers null about what it has no more, which the client can't take for a transaction.
        Err(error)
            if matches!(error.kind(), solana_rpc_client_api::client_error::ErrorKind::SerdeJson(_)) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    let Some(meta) = found.transaction.meta else { return Ok(None) };
    let transaction = found.transaction.transaction.decode();
    let payer =
        transaction.and_then(|transaction| transaction.message.static_account_keys().first().copied());
    let logs: Vec<String> = Option::from(meta.log_messages).unwrap_or_default();
    let log = parse_log(&logs);
    Ok(Some(Entry {
        slot: found.slot,
        time: found.block_time,
        failed: meta.err.is_some(),
        fee: meta.fee,
        own_fee: payer == Some(*authority),
        events: log.events,
        truncated: log.truncated || logs.is_empty(),
    }))
}

/// Nodes have no history of what is merely processed.
fn at_least_confirmed(client: &Client) -> CommitmentConfig {
    let commitment = client.commitment();
    if commitment.is_finalized() { commitment } else { CommitmentConfig::confirmed() }
}

#[cfg(test)]
mod tests {
    use bulwark_sdk::rpc::solana_rpc_client::mock_sender::MocksMap;
    use bulwark_sdk::rpc::solana_rpc_client::nonblocking::rpc_client::RpcClient;
    use serde_json::{Value, json};
    use solana_rpc_client_api::request::RpcRequest;

    use super::*;

    /// A node that gives these answers in order.
    fn node(answers: impl IntoIterator<Item = (RpcRequest, Value)>) -> Client {
        let mocks: MocksMap = answers.into_iter().collect();
        Client::from_rpc(RpcClient::new_mock_with_mocks_map("answers", mocks), "")
    }

    fn page(signatures: &[Signature]) -> (RpcRequest, Value) {
        let status = |signature: &Signature| json!({ "signature": signature.to_string(), "slot": 1 });
        let page = signatures.iter().map(status).collect();
        (RpcRequest::GetSignaturesForAddress, Value::Array(page))
    }

    fn signature(n: u8) -> Signature {
        Signature::from([n; 64])
    }

    fn somebody() -> roles::Own {
        roles::Own { authority: Pubkey::new_unique(), margin: Pubkey::new_unique() }
    }

    #[tokio::test]
    async fn pages_are_read_until_there_is_none_or_enough() {
        let answers = || [page(&[signature(1), signature(2)]), page(&[signature(3)]), page(&[])];
        let read = |wanted| async move {
            signatures(&node(answers()), &Pubkey::new_unique(), wanted).await.unwrap().len()
        };
        assert_eq!((read(10).await, read(3).await, read(2).await), (3, 3, 2));
    }

    #[tokio::test]
    async fn a_transaction_that_the_node_has_no_more_is_missing_and_the_rest_is_cut() {
        let answers = [page(&[signature(1), signature(2)]), (RpcRequest::GetTransaction, Value::Null)];
        let entries = history(&node(answers), somebody(), 1).await.unwrap();
        assert_eq!(entries, Entries { read: Vec::new(), missing: 1, cut: true });
    }

    #[tokio::test]
    async fn a_node_that_names_no_transactions_is_told_from_one_that_has_none() {
        let none = history(&node([page(&[])]), somebody(), 5).await.unwrap();
        assert_eq!(none, Entries::default());
        let refused = node([(RpcRequest::GetSignaturesForAddress, json!("no index"))]);
        let error = history(&refused, somebody(), 5).await.unwrap_err();
        assert!(format!("{error:#}").contains("getSignaturesForAddress"), "{error:#}");
    }
}
