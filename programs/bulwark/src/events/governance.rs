//! Events of governance: what was decided, by whom, and when it comes into force.

use anchor_lang::prelude::*;

use crate::state::{ChangePayload, MarketStatus};

/// A change was proposed.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeProposed {
    /// Its number.
    pub nonce: u64,
    /// The admin.
    pub proposer: Pubkey,
    /// First moment at which it can be executed, unix seconds.
    pub eta: i64,
    /// Last such moment.
    pub expiry: i64,
    /// SHA-256 of the payload.
    pub payload_hash: [u8; 32],
    /// What it does.
    pub payload: ChangePayload,
}

/// A change was executed. A listing then waits for `create_vault` or `create_market`.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeExecuted {
    /// Its number.
    pub nonce: u64,
    /// SHA-256 of the payload.
    pub payload_hash: [u8; 32],
}

/// A change was cancelled.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeCancelled {
    /// Its number.
    pub nonce: u64,
    /// Admin, guardian, or anyone once it can't be executed any more.
    pub authority: Pubkey,
}

/// Parameters were tightened at once.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tightened {
    /// Admin or guardian.
    pub authority: Pubkey,
    /// What is in force now.
    pub payload: ChangePayload,
}

/// Pause bits were set.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PauseSet {
    /// Admin or guardian.
    pub authority: Pubkey,
    /// The market; none for the exchange.
    pub market: Option<u16>,
    /// All bits that are set now.
    pub bits: u8,
    /// Until when ways out of the exchange are stopped, unix seconds.
    pub exits_until: i64,
}

/// An admin was nominated.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminNominated {
    /// Who; all zeros if a nomination was taken back.
    pub nominee: Pubkey,
    /// First moment at which the nominee can accept, unix seconds.
    pub eta: i64,
    /// Last such moment.
    pub expiry: i64,
}

/// The exchange has another admin.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminChanged {
    /// The former one.
    pub from: Pubkey,
    /// The new one.
    pub to: Pubkey,
}

/// A market moved on in its life.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarketStatusChanged {
    /// Market index.
    pub market: u16,
    /// Number of this event among the market's.
    pub sequence: u64,
    /// What it is now.
    pub status: MarketStatus,
    /// Whether for want of a price, or because there is one again.
    pub outage: bool,
}

/// A market was closed: what was left in it went where it belongs.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarketClosed {
    /// Market index.
    pub market: u16,
    /// Number of this event among the market's.
    pub sequence: u64,
    /// Number of this event among the pool's.
    pub pool_sequence: u64,
    /// To the pool's idle cash, quote units.
    pub pool: u64,
    /// Number of this event among the insurance fund's.
    pub fund_sequence: u64,
    /// To the insurance fund, quote units.
    pub insurance: u64,
    /// The stakers' part of it, quote units.
    pub staked: u64,
    /// To the protocol's fees, quote units.
    pub protocol: u64,
}

/// Protocol fees were collected.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtocolFeesCollected {
    /// Number of this event among the quote vault's.
    pub vault_sequence: u64,
    /// Owner of the token account that they went to.
    pub recipient: Pubkey,
    /// Quote units.
    pub amount: u64,
}
