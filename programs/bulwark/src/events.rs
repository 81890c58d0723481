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

/// The invariants that the passed accounts decide were checked.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvariantsChecked {
    /// Whether all held; if not, withdrawals and increases are paused now.
    pub ok: bool,
}
