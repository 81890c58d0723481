//! What happened, with every amount that a replay of the ledger needs.
//!
//! Events of a market, a vault and the pool carry that account's sequence number: an indexer that applies
//! them from zero reproduces every balance. They are written to the transaction's log, which the runtime cuts at
//! 10 kB: another program in the same transaction can fill it first. The sequence number then shows a gap, and
//! the accounts themselves are the way to catch up.

mod backstop;
mod governance;
mod liquidation;
mod liquidity;

pub use backstop::*;
pub use governance::*;
pub use liquidation::*;
pub use liquidity::*;

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
    /// Carry index of the longs, Q80.48 quote units per lot.
    pub carry_long: i128,
    /// Carry index of the shorts, Q80.48 quote units per lot.
    pub carry_short: i128,
    /// Funding rate per day, signed Q48: longs pay while it is positive.
    pub funding_rate: i64,
    /// Borrow rate of the heavier side, ppm per day.
    pub borrow_ppm: u32,
    /// Volatility, ppm per √second.
    pub sigma_ppm: u32,
    /// Maintenance margin fraction in force, ppm.
    pub mmf_ppm: u32,
    /// Initial margin fraction in force before open interest is looked at, ppm.
    pub imf_ppm: u32,
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
    /// PnL realised, fees excluded.
    pub realised: i64,
    /// Toxic-exit fee: part of a profit that stays in the market's cash.
    pub toxic_fee: u64,
    /// Part of `realised − toxic_fee` that moved between the market's cash and the account.
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

/// A trigger was placed. Prices are Q32.32 quote units per lot.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TriggerPlaced {
    /// Margin account.
    pub account: Pubkey,
    /// Market index.
    pub market: u16,
    /// Id, unique among the account's triggers.
    pub id: u64,
    /// 0 limit, 1 take-profit, 2 stop-loss.
    pub kind: u8,
    /// Side of the position: 0 long, 1 short.
    pub side: u8,
    /// Lots; `u64::MAX` closes all.
    pub lots: u64,
    /// Mark price that it waits for.
    pub trigger_price: u64,
    /// Worst fill price.
    pub limit_price: u64,
    /// Last moment at which it can be executed, unix seconds.
    pub expiry: i64,
}

/// A trigger was executed; the trade is an event of its own before this one.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TriggerExecuted {
    /// Margin account.
    pub account: Pubkey,
    /// Market index.
    pub market: u16,
    /// Number of this event among the market's.
    pub sequence: u64,
    /// Id of the trigger.
    pub id: u64,
    /// Margin account that the keeper's fee went to; the trader's own if nobody was paid.
    pub keeper: Pubkey,
    /// Fee, quote units.
    pub fee: u64,
}

/// Why a trigger is gone without a trade.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelReason {
    /// Owner or delegate cancelled it.
    Request,
    /// Its time was over.
    Expired,
    /// When its price came, the account could not do it: margin, no position left, or a size that is not allowed.
    Failed,
    /// A delegate had placed it, and the delegate changed.
    DelegateChanged,
    /// Its market was closed; another one has taken the index.
    MarketClosed,
}

/// A trigger was cancelled.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TriggerCancelled {
    /// Margin account.
    pub account: Pubkey,
    /// Id of the trigger.
    pub id: u64,
    /// Why.
    pub reason: CancelReason,
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
    /// Profit realised at mark because the account owed quote.
    pub profit: u64,
    /// Part of a claim that a settled market could not pay.
    pub forgone: u64,
    /// Signed lots of the position afterwards.
    pub position_lots: i64,
    /// `q` of the position afterwards.
    pub position_quote: i64,
}

/// The invariants that the passed accounts decide were checked.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvariantsChecked {
    /// Whether all held; if not, withdrawals and increases are paused now.
    pub ok: bool,
}
