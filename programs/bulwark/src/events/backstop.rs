//! Events of the insurance fund: donations, and stake in and out.

use anchor_lang::prelude::*;

/// Somebody gave to the insurance fund's reserve.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InsuranceFunded {
    /// Donor.
    pub donor: Pubkey,
    /// Number of this event among the insurance fund's.
    pub sequence: u64,
    /// Number of this event among the quote vault's.
    pub vault_sequence: u64,
    /// Quote units.
    pub amount: u64,
}

/// Quote tokens were staked behind the markets.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackstopStaked {
    /// Staker.
    pub staker: Pubkey,
    /// Number of this event among the insurance fund's.
    pub sequence: u64,
    /// Number of this event among the quote vault's.
    pub vault_sequence: u64,
    /// Quote units.
    pub amount: u64,
    /// Shares minted.
    pub shares: u64,
}

/// Stake was put into a ticket.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnstakeRequested {
    /// Staker.
    pub staker: Pubkey,
    /// Which of the staker's tickets.
    pub nonce: u64,
    /// Number of this event among the insurance fund's.
    pub sequence: u64,
    /// Shares burned.
    pub shares: u64,
    /// Shares of the cooling side that the ticket holds.
    pub cooling: u64,
    /// What they are worth, quote units.
    pub value: u64,
}

/// A ticket's stake was paid, whole or in part.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unstaked {
    /// Staker.
    pub staker: Pubkey,
    /// Which of the staker's tickets.
    pub nonce: u64,
    /// Number of this event among the insurance fund's.
    pub sequence: u64,
    /// Number of this event among the quote vault's.
    pub vault_sequence: u64,
    /// Shares of the cooling side that were paid.
    pub cooling: u64,
    /// Quote units paid.
    pub paid: u64,
    /// Shares that stay in the ticket.
    pub cooling_left: u64,
}

/// A ticket's stake is active again.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnstakeCancelled {
    /// Staker.
    pub staker: Pubkey,
    /// Which of the staker's tickets.
    pub nonce: u64,
    /// Number of this event among the insurance fund's.
    pub sequence: u64,
    /// Shares of the cooling side that the ticket held.
    pub cooling: u64,
    /// Shares minted.
    pub shares: u64,
}
