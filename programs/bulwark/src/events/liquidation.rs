//! Events of liquidation, bankruptcy, deleveraging and settlement.

use anchor_lang::prelude::*;

/// A liquidation auction began, or was kept running: the account is still in trouble.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuctionCalled {
    /// Margin account.
    pub account: Pubkey,
    /// Market of the position that goes first.
    pub market: u16,
    /// Number of this event among the market's.
    pub sequence: u64,
    /// Slots since it began.
    pub elapsed: u64,
}

/// How a position was taken off an account that did not ask for it.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiquidationKind {
    /// Another margin account took it over.
    Takeover,
    /// The pool took what reduces its skew.
    PoolReduction,
    /// The pool took what nobody wanted.
    PoolTakeover,
    /// It was reduced to the cut-off leverage, the account was healthy.
    Deleveraging,
}

/// Lots were taken off a position.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Liquidated {
    /// Margin account.
    pub account: Pubkey,
    /// Market index.
    pub market: u16,
    /// Number of this event among the market's.
    pub sequence: u64,
    /// Margin account that took the lots over, or that the keeper's pay went to; the account itself if nobody was paid.
    pub liquidator: Pubkey,
    /// How.
    pub kind: LiquidationKind,
    /// Slots since the auction, or the deleveraging of the market, began.
    pub elapsed: u64,
    /// Side of the position: 0 long, 1 short.
    pub side: u8,
    /// Lots.
    pub lots: u64,
    /// Mark price, Q32.32 quote units per lot.
    pub price: u64,
    /// Signed cost of closing them, quote units: negative for a long, which sells. With a takeover the other account's position
    /// grows by the lots at this cost.
    pub cost: i64,
    /// Part of the cost that is the price concession.
    pub concession: u64,
    /// PnL realised, fee excluded.
    pub realised: i64,
    /// Part of `realised` that moved between the market's cash and the account.
    pub paid: i64,
    /// Part of `realised` left as a claim.
    pub claim: u64,
    /// Change of the market's insurance.
    pub insurance: i64,
    /// What the keeper's margin account was paid.
    pub keeper: u64,
    /// Change of the account's quote balance.
    pub quote_change: i64,
    /// Lots taken by a pending unwind before.
    pub unwound_lots: u64,
    /// Change of `q` by a pending unwind before.
    pub unwound_quote: i64,
    /// Signed lots of the position afterwards.
    pub position_lots: i64,
    /// `q` of the position afterwards.
    pub position_quote: i64,
    /// Signed lots of the position of who took over, afterwards; 0 if nobody did.
    pub liquidator_lots: i64,
    /// `q` of that position.
    pub liquidator_quote: i64,
}

/// Collateral changed hands for quote.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollateralSold {
    /// Margin account that sold.
    pub account: Pubkey,
    /// Vault index.
    pub vault: u16,
    /// Number of this event among the vault's.
    pub sequence: u64,
    /// Margin account that bought.
    pub liquidator: Pubkey,
    /// Token units.
    pub amount: u64,
    /// Price, Q32.32 quote units per token unit.
    pub price: u64,
    /// Discount, Q32.
    pub discount: u64,
    /// Quote units paid.
    pub proceeds: u64,
}

/// A claim of a bankrupt account was cancelled.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimForfeited {
    /// Margin account.
    pub account: Pubkey,
    /// Market index.
    pub market: u16,
    /// Number of this event among the market's.
    pub sequence: u64,
    /// The claim, quote units.
    pub claim: u64,
}

/// The waterfall paid a market's part of a bankrupt account's debt. The tiers and `unpaid` sum to the debt.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BankruptcyResolved {
    /// Margin account.
    pub account: Pubkey,
    /// Market index.
    pub market: u16,
    /// Number of this event among the market's.
    pub sequence: u64,
    /// Number of this event among the insurance fund's.
    pub fund_sequence: u64,
    /// Side of the positions that made the debt: 0 long, 1 short.
    pub side: u8,
    /// The market's part of the debt, quote units.
    pub debt: u64,
    /// Mark price, Q32.32 quote units per lot.
    pub price: u64,
    /// Tier 1: the market's insurance.
    pub insurance: u64,
    /// Tier 2: the insurance fund's reserve.
    pub reserve: u64,
    /// Tier 3: the staked backstop.
    pub backstop: u64,
    /// Tier 4: the pool's first loss.
    pub first_loss: u64,
    /// Tier 5: winners of the other side.
    pub deleveraged: u64,
    /// Tier 6: the pool's money in the market.
    pub pool: u64,
    /// Tier 7: what the market owes its traders.
    pub traders: u64,
    /// What no tier had.
    pub unpaid: u64,
    /// What the winners were owed before tier 5.
    pub winners: u64,
    /// Share of that which was unwound, in units of 2^-32.
    pub fraction: u64,
    /// What rounding took beyond the debt: to the market's insurance.
    pub surplus: u64,
    /// Share of the open-interest cap that the insurance fund covers afterwards, ppm.
    pub oi_scale_ppm: u32,
}

/// Winners of a market were unwound because its pool money is used up.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarketRebalanced {
    /// Market index.
    pub market: u16,
    /// Number of this event among the market's.
    pub sequence: u64,
    /// Side of the winners: 0 long, 1 short.
    pub side: u8,
    /// Mark price, Q32.32 quote units per lot.
    pub price: u64,
    /// What was missing, quote units.
    pub deficit: u64,
    /// What the winners were owed before.
    pub winners: u64,
    /// Share of that which was unwound, in units of 2^-32.
    pub fraction: u64,
    /// Profit by which the market's debt to its traders fell.
    pub booked: u64,
    /// Lots by which open interest fell.
    pub lots: u64,
}

/// A market settles from now on.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarketSettling {
    /// Market index.
    pub market: u16,
    /// Number of this event among the market's.
    pub sequence: u64,
    /// Frozen price, Q32.32 quote units per lot.
    pub price: u64,
}
