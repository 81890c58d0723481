//! What happened, with every amount that a replay of the ledger needs.
//!
//! Events of a market, a vault and the pool carry that account's sequence number: an indexer that applies
//! them from zero reproduces every balance. They are written to the transaction's log, which the runtime cuts at
//! 10 kB: another program in the same transaction can fill it first. The sequence number then shows a gap, and
//! the accounts themselves are the way to catch up.

use anchor_lang::prelude::*;

/// The exchange exists.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeInitialized {
    /// Admin.
    pub admin: Pubkey,
    /// Guardian.
    pub guardian: Pubkey,
    /// Mint of the quote token.
    pub quote_mint: Pubkey,
}

/// A collateral was listed.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultCreated {
    /// Vault index.
    pub vault: u16,
    /// Mint.
    pub mint: Pubkey,
}

/// A market was listed.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarketCreated {
    /// Market index.
    pub market: u16,
    /// Price at creation, Q32.32 quote units per lot.
    pub price: u64,
}

/// A market's price was refreshed.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarketRefreshed {
    /// Market index.
    pub market: u16,
    /// Number of this event among the market's.
    pub sequence: u64,
    /// Price, Q32.32 quote units per lot.
    pub price: u64,
    /// Confidence, same unit.
    pub conf: u64,
    /// Average, same unit.
    pub ema: u64,
    /// Publish time of the price, unix seconds.
    pub publish_time: i64,
    /// Whether two valid sources disagree.
    pub divergent: bool,
}

/// A vault's price was refreshed.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultRefreshed {
    /// Vault index.
    pub vault: u16,
    /// Number of this event among the vault's.
    pub sequence: u64,
    /// Price, Q32.32 quote units per token unit.
    pub price: u64,
    /// Confidence, same unit.
    pub conf: u64,
    /// Average, same unit.
    pub ema: u64,
    /// Publish time of the price, unix seconds.
    pub publish_time: i64,
    /// Whether two valid sources disagree.
    pub divergent: bool,
}

/// A margin account was opened.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarginAccountOpened {
    /// Address.
    pub account: Pubkey,
    /// Owner.
    pub owner: Pubkey,
    /// Which of the owner's accounts.
    pub sub_id: u16,
    /// Unique id of this account.
    pub incarnation: u64,
}

/// An empty margin account was closed.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarginAccountClosed {
    /// Address.
    pub account: Pubkey,
    /// Unique id of the account.
    pub incarnation: u64,
}

/// The delegate of an account changed.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DelegateSet {
    /// Address of the account.
    pub account: Pubkey,
    /// New delegate; all zeros: nobody.
    pub delegate: Pubkey,
}

/// Tokens came in.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deposited {
    /// Margin account.
    pub account: Pubkey,
    /// Vault index; 0 is the quote token.
    pub vault: u16,
    /// Number of this event among the vault's.
    pub sequence: u64,
    /// Token units credited.
    pub amount: u64,
}

/// Tokens went out.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdrawn {
    /// Margin account.
    pub account: Pubkey,
    /// Vault index; 0 is the quote token.
    pub vault: u16,
    /// Number of this event among the vault's.
    pub sequence: u64,
    /// Token units debited.
    pub amount: u64,
}

/// A position was increased or decreased.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traded {
    /// Margin account.
    pub account: Pubkey,
    /// Market index.
    pub market: u16,
    /// Number of this event among the market's.
    pub sequence: u64,
    /// Signed lots of the fill, bought > 0.
    pub lots: i64,
    /// Mark price, Q32.32 quote units per lot.
    pub price: u64,
    /// Signed cost along the price curve, without spread, quote units.
    pub curve: i64,
    /// Spread paid.
    pub spread: u64,
    /// Fee that goes to the pool.
    pub fee_pool: u64,
    /// Fee that goes to the insurance fund.
    pub fee_insurance: u64,
    /// Fee that goes to the protocol.
    pub fee_protocol: u64,
    /// PnL realised, fee excluded.
    pub realised: i64,
    /// Part of `realised` that moved between the market's cash and the account.
    pub paid: i64,
    /// Part of `realised` left as a claim.
    pub claim: u64,
    /// Lots taken by a pending unwind before the trade.
    pub unwound_lots: u64,
    /// Change of `q` by a pending unwind before the trade.
    pub unwound_quote: i64,
    /// Signed lots of the position after the trade.
    pub position_lots: i64,
    /// `q` of the position after the trade.
    pub position_quote: i64,
}

/// A position was settled.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PositionSettled {
    /// Margin account.
    pub account: Pubkey,
    /// Market index.
    pub market: u16,
    /// Number of this event among the market's.
    pub sequence: u64,
    /// Lots taken by a pending unwind.
    pub unwound_lots: u64,
    /// Change of `q` by a pending unwind.
    pub unwound_quote: i64,
    /// Claim paid from the market's cash.
    pub claim_paid: u64,
    /// Loss moved to the market's cash.
    pub loss: u64,
    /// Signed lots of the position afterwards.
    pub position_lots: i64,
    /// `q` of the position afterwards.
    pub position_quote: i64,
}

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
    /// Quote units added.
    pub amount: u64,
    /// Shares minted.
    pub shares: u64,
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
    /// To the insurance fund.
    pub insurance: u64,
    /// To the protocol.
    pub protocol: u64,
}

/// The invariants that the passed accounts decide were checked.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvariantsChecked {
    /// Whether all held; if not, withdrawals and increases are paused now.
    pub ok: bool,
}
