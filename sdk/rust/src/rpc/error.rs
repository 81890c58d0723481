//! What can go wrong between here and the chain.

use anchor_lang::prelude::Pubkey;
use solana_pubsub_client::pubsub_client::PubsubClientError;
use solana_rpc_client_api::client_error::Error as NodeError;
use solana_signature::Signature;
use solana_signer::SignerError;
use thiserror::Error;

use crate::account::DecodeError;
use crate::health::HealthError;
use crate::instruction::BuildError;

use super::failure::Failure;
use super::pack::PackError;

/// Why something could not be read.
#[derive(Debug, Error)]
pub enum RpcError {
    /// The node can't be reached, or refused.
    #[error("the RPC node: {0}")]
    Node(#[source] Box<NodeError>),
    /// The websocket can't be reached, or refused.
    #[error("the websocket: {0}")]
    Websocket(#[source] Box<PubsubClientError>),
    /// The websocket did not answer in time.
    #[error("the websocket did not answer within {0} s: check its URL")]
    WebsocketTimeout(u64),
    /// An account that has to be there is not.
    #[error("there is no {what} at {key}: check the cluster's URL, and that the exchange is initialised")]
    Missing {
        /// What it would be.
        what: &'static str,
        /// Where it would be.
        key: Pubkey,
    },
    /// Another program's account.
    #[error("{key} belongs to {owner}, not to the program that was expected: check the address")]
    WrongOwner {
        /// The account.
        key: Pubkey,
        /// Whose it is.
        owner: Pubkey,
    },
    /// An account of another type.
    #[error("{key}: {error}")]
    Decode {
        /// The account.
        key: Pubkey,
        /// What is wrong with it.
        error: DecodeError,
    },
    /// Bytes that are not what the node says.
    #[error("the node's answer about {0} can't be read: use another node")]
    Garbled(Pubkey),
    /// A transaction that is neither included nor expired.
    #[error("the chain neither includes it nor lets its blockhash expire: check that the chain moves")]
    NoVerdict,
    /// Not a lookup table, or one that is being closed.
    #[error("{0} is no lookup table, or is being closed: use another one")]
    UnusableTable(Pubkey),
    /// Something was listed or closed since they were loaded.
    #[error("the listings are out of date: load them again")]
    ListingsOutOfDate,
}

/// Why a transaction did not do what it should. Only [`SendError::Unknown`] leaves open whether it did.
#[derive(Debug, Error)]
pub enum SendError {
    /// A node did not answer before anything was sent.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// An instruction can't be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The context lacks something.
    #[error(transparent)]
    Health(#[from] HealthError),
    /// It does not fit.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// A signer refused, or one is missing.
    #[error("signing: {0}")]
    Sign(#[from] SignerError),
    /// It failed: in simulation, without having been sent, or on the chain.
    #[error(transparent)]
    Failed(Box<Failure>),
    /// Each of its blockhashes expired without it, so it can't land any more.
    #[error(
        "not included before its blockhash expired, {0} times: pay a higher priority fee and send it again"
    )]
    Expired(u32),
    /// It was sent, and then the node did not say what became of it.
    #[error(
        "{signature} was sent, but the node does not say what became of it: look it up before sending again ({error})"
    )]
    Unknown {
        /// Its signature.
        signature: Signature,
        /// What the node said last.
        error: Box<RpcError>,
    },
}

impl From<NodeError> for RpcError {
    fn from(error: NodeError) -> Self {
        Self::Node(Box::new(error))
    }
}

impl From<PubsubClientError> for RpcError {
    fn from(error: PubsubClientError) -> Self {
        Self::Websocket(Box::new(error))
    }
}

impl From<NodeError> for SendError {
    fn from(error: NodeError) -> Self {
        Self::Rpc(error.into())
    }
}
