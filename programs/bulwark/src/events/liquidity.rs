//! Events of the pool: in, out, and to and from the markets.

use anchor_lang::prelude::*;

/// A provider added liquidity.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiquidityAdded {
    /// Provider.
    pub provider: Pubkey,
    /// Number of this event among the pool's.
    pub sequence: u64,
    /// Number of this event among the quote vault's.
    pub vault_sequence: u64,
    /// 0 junior, 1 senior.
    pub tranche: u8,
    /// Quote units added.
    pub amount: u64,
    /// Shares minted.
    pub shares: u64,
    /// Net asset value before, at the price worse for the provider.
    pub nav: u64,
}

/// Pool shares were put into a ticket.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedeemRequested {
    /// Provider.
    pub provider: Pubkey,
    /// Which of the provider's tickets.
    pub nonce: u64,
    /// Number of this event among the pool's.
    pub sequence: u64,
    /// 0 junior, 1 senior.
    pub tranche: u8,
    /// Shares burned.
    pub shares: u64,
    /// What they are worth, quote units.
    pub value: u64,
}

/// Pool shares were taken back out of a ticket.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedeemCancelled {
    /// Provider.
    pub provider: Pubkey,
    /// Which of the provider's tickets.
    pub nonce: u64,
    /// Number of this event among the pool's.
    pub sequence: u64,
    /// 0 junior, 1 senior.
    pub tranche: u8,
    /// Shares minted again.
    pub shares: u64,
}

/// A ticket was paid, whole or in part.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redeemed {
    /// Provider.
    pub provider: Pubkey,
    /// Which of the provider's tickets.
    pub nonce: u64,
    /// Number of this event among the pool's.
    pub sequence: u64,
    /// Number of this event among the quote vault's.
    pub vault_sequence: u64,
    /// 0 junior, 1 senior.
    pub tranche: u8,
    /// Shares redeemed.
    pub shares: u64,
    /// Quote units paid.
    pub paid: u64,
    /// Fee that stays in the pool, quote units.
    pub fee: u64,
    /// Shares that stay in the ticket.
    pub shares_left: u64,
    /// Net asset value before, at the price worse for the provider.
    pub nav: u64,
}

/// Pool money moved to (> 0) or from (< 0) a market.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiquidityAllocated {
    /// Market index.
    pub market: u16,
    /// Number of this event among the market's.
    pub sequence: u64,
    /// Number of this event among the pool's.
    pub pool_sequence: u64,
    /// Quote units moved to the market.
    pub amount: i64,
    /// Pool principal lent to the market afterwards.
    pub committed: u64,
}

/// A market's fees were distributed.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarketSwept {
    /// Market index.
    pub market: u16,
    /// Number of this event among the market's.
    pub sequence: u64,
    /// Number of this event among the pool's.
    pub pool_sequence: u64,
    /// To the pool.
    pub pool: u64,
    /// Number of this event among the insurance fund's.
    pub fund_sequence: u64,
    /// To the insurance fund.
    pub insurance: u64,
    /// Part of that for the stakers.
    pub staked: u64,
    /// To the protocol.
    pub protocol: u64,
    /// Share of the open-interest cap that the insurance fund covers, ppm.
    pub oi_scale_ppm: u32,
}
