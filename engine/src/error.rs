//! Every way in which the engine says no, with the numbers that explain it.

use thiserror::Error;

use crate::price::Validity;

/// Why an operation was refused. What the caller passed as `&mut` may be half changed and must be discarded,
/// as a failed transaction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EngineError {
    /// A parameter that would not be at least as strict as it is.
    #[error("{name} = {to} is not at least as strict as {from}: propose a change")]
    Loosens {
        /// Name of the parameter.
        name: &'static str,
        /// Present value.
        from: u64,
        /// Wanted value.
        to: u64,
    },
    /// A parameter that one change may not move so far.
    #[error("{name} cannot go from {from} to {to} at once: one change reaches {least}..={most}")]
    StepTooLarge {
        /// Name of the parameter.
        name: &'static str,
        /// Present value.
        from: u64,
        /// Wanted value.
        to: u64,
        /// Least value that one change reaches.
        least: u64,
        /// Largest one.
        most: u64,
    },
    /// A second step of a parameter that hurts users, within a week.
    #[error("{name} has a step a week: {seconds_left} s are left")]
    StepTooSoon {
        /// Name of the parameter.
        name: &'static str,
        /// Seconds until the next step.
        seconds_left: i64,
    },
    /// Parameters that are in force already.
    #[error("these parameters are in force already")]
    NothingChanges,
    /// A change whose delay is not over.
    #[error("the change can be executed in {seconds_left} s")]
    ChangeTooEarly {
        /// Seconds left.
        seconds_left: i64,
    },
    /// A change whose window is over.
    #[error("the change has lapsed: propose it again")]
    ChangeExpired,
    /// A pause of the ways out too soon after the last one.
    #[error(
        "withdrawals, redemptions and unstaking were paused a short time ago: not again for {seconds_left} s"
    )]
    ExitPauseTooSoon {
        /// Seconds left.
        seconds_left: i64,
    },
    /// A market that is not idle: somebody is in it, owes it or is owed.
    #[error("the market is not empty: settle every position, resolve every debt and pay every claim first")]
    MarketNotEmpty,
    /// An oracle that works: governance does not name prices then.
    #[error("the oracle printed {age_seconds} s ago: governance names a price only after a day without one")]
    OracleAlive {
        /// Age of the last print, seconds.
        age_seconds: i64,
    },
    /// A result does not fit its unit.
    #[error("amount out of range: the result does not fit")]
    Overflow,
    /// A price outside what the engine computes with (see [`crate::units::Price`]).
    #[error("price out of range: a lot must be worth between 2^-12 and 2^14 quote units")]
    PriceOutOfRange,
    /// A print older than the one that is stored.
    #[error(
        "oracle print of {offered} is older than the stored one of {stored}: pass the newest price account"
    )]
    PublishTimeWentBack {
        /// Publish time of the print that was offered, unix seconds.
        offered: i64,
        /// Publish time that is stored, unix seconds.
        stored: i64,
    },
    /// A print too far ahead of the clock.
    #[error("oracle print is {lead_seconds} s ahead of the clock: wait or use another price account")]
    PublishTimeInFuture {
        /// How far ahead, seconds.
        lead_seconds: i64,
    },
    /// No source is valid.
    #[error("no valid oracle source: the best print is {age_seconds} s old, the limit is {limit_seconds}")]
    NoValidSource {
        /// Age of the youngest readable print, seconds; `i64::MAX` if none was readable.
        age_seconds: i64,
        /// Largest allowed age, seconds.
        limit_seconds: i64,
    },
    /// The secondary source was offered while the primary is alive.
    #[error("the primary oracle printed {age_seconds} s ago: pass a current account of the primary source")]
    PrimaryStillValid {
        /// Age of the last primary print that the market has seen, seconds.
        age_seconds: i64,
    },
    /// A dead secondary source was offered while the market knows it alive.
    #[error(
        "the secondary oracle printed {age_seconds} s ago: pass a current account of the secondary source"
    )]
    SecondaryStillValid {
        /// Age of the last secondary print that the market has seen, seconds.
        age_seconds: i64,
    },
    /// The stored price may not be used for this action.
    #[error("price is {validity:?} ({age_seconds} s old, the limit is {limit_seconds}): refresh it first")]
    PriceNotUsable {
        /// State of the price.
        validity: Validity,
        /// Age of the price, seconds.
        age_seconds: i64,
        /// Largest allowed age, seconds.
        limit_seconds: i64,
    },
    /// An amount of zero.
    #[error("amount is zero")]
    ZeroAmount,
    /// Lots that are not a multiple of the market's step.
    #[error("{lots} lots is not a multiple of the market's step of {step}")]
    NotAMultipleOfStep {
        /// Lots asked for.
        lots: u64,
        /// Step of the market.
        step: u64,
    },
    /// More lots than the position has.
    #[error("cannot close {asked} lots of a position of {held}")]
    CloseExceedsPosition {
        /// Lots asked for.
        asked: u64,
        /// Lots held.
        held: u64,
    },
    /// An increase against an open position on the other side.
    #[error("the position is on the other side: close it first")]
    OppositeSide,
    /// The slot holds no position.
    #[error("no position in this market")]
    NoPosition,
    /// The fill would be worse than the limit price.
    #[error("fill costs {cost} quote units, the limit price allows {allowed}")]
    LimitPrice {
        /// Signed cost of the fill for the trader, quote units.
        cost: i64,
        /// Largest signed cost that the limit allows, quote units.
        allowed: i64,
    },
    /// The fill would move the curve beyond `max_impact`.
    #[error("skew after the fill is {skew} lots, max_impact allows {limit}")]
    ImpactTooLarge {
        /// |skew| after the fill, lots.
        skew: u64,
        /// |skew| at which the curve is clamped, lots.
        limit: u64,
    },
    /// What remains would be worth less than `min_notional`.
    #[error("position would be worth {notional} quote units, the minimum is {minimum}")]
    BelowMinNotional {
        /// Notional after the trade, quote units.
        notional: u64,
        /// The market's minimum, quote units.
        minimum: u64,
    },
    /// A side's open interest would exceed its cap.
    #[error("open interest would be {lots} lots, the cap is {cap}")]
    OpenInterestCap {
        /// Open interest of the side after the trade, lots.
        lots: u64,
        /// Cap, lots.
        cap: u64,
    },
    /// Skew would exceed its share of market equity.
    #[error("skew would be {notional} quote units, the market's equity allows {cap}")]
    SkewCap {
        /// |S|·P after the trade, quote units.
        notional: u64,
        /// Cap, quote units.
        cap: u64,
    },
    /// Traders' profit is too large a share of the market's cash.
    #[error("traders' profit is {profit} quote units, the market's cash allows {cap}")]
    ProfitCap {
        /// T(P) after the trade, quote units.
        profit: u64,
        /// Cap, quote units.
        cap: u64,
    },
    /// The account would hold too large a share of its side.
    #[error("position would be {lots} lots, the account's share of the side is capped at {cap}")]
    ShareCap {
        /// Lots of the position after the trade.
        lots: u64,
        /// Cap, lots.
        cap: u64,
    },
    /// A collateral's deposit cap.
    #[error("deposits would be {total}, the cap is {cap}")]
    DepositCap {
        /// Deposits after the operation, token units.
        total: u64,
        /// Cap, token units.
        cap: u64,
    },
    /// A vault's limit of what may leave in an hour.
    #[error("{amount} is more than the {available} that may leave the vault now: withdraw less, or later")]
    OutflowLimit {
        /// Amount asked for, token units.
        amount: u64,
        /// What may leave now, token units.
        available: u64,
    },
    /// A trigger that makes no sense.
    #[error("not a valid trigger: {0}")]
    InvalidTrigger(&'static str),
    /// The mark price has not reached the trigger's.
    #[error("the mark price is {mark}, the trigger waits for {trigger} (Q32.32)")]
    TriggerNotMet {
        /// Mark price, Q32.32 quote units per lot.
        mark: u64,
        /// Price of the trigger, Q32.32 quote units per lot.
        trigger: u64,
    },
    /// Equity is below the requirement.
    #[error("equity is {equity} quote units, the requirement is {requirement}: deposit or reduce")]
    InsufficientMargin {
        /// Equity under the health type that was asked for, quote units.
        equity: i64,
        /// Requirement, quote units.
        requirement: i64,
    },
    /// Nothing to liquidate: the account holds its requirement.
    #[error(
        "equity is {equity} quote units, the maintenance requirement {requirement}: the account is healthy"
    )]
    Healthy {
        /// Equity, quote units.
        equity: i64,
        /// Maintenance requirement, quote units.
        requirement: i64,
    },
    /// The pool takes a position at once only if that brings the traders' skew nearer to zero.
    #[error("the skew is {skew} lots: the pool takes the other side only after the auction")]
    SkewWouldGrow {
        /// Net trader lots, signed.
        skew: i64,
    },
    /// A price that nobody has refreshed may speak for the account.
    #[error("a leg of the account has a price that needs a refresh: refresh its markets and vaults first")]
    RefreshFirst,
    /// Another position of the account needs more.
    #[error("the position requires {this} quote units, another one {worst}: liquidate that one first")]
    NotTheWorst {
        /// Requirement of the position, quote units.
        this: i64,
        /// Largest requirement of another one, quote units.
        worst: i64,
    },
    /// Neither profit nor skew is at its limit.
    #[error("neither the traders' profit nor the skew is above its limit: there is nothing to deleverage")]
    NotExposed,
    /// Only positions of the side that the skew is on are reduced.
    #[error("the position is not on the side of the skew: pass an account of the heavier side")]
    LighterSide,
    /// The account's leverage is below the cut-off.
    #[error(
        "the position is worth {notional} quote units, the cut-off leverage allows {allowed}: wait or pass another account"
    )]
    BelowCutoff {
        /// Worth of the position, quote units.
        notional: u64,
        /// What the account's equity allows at the cut-off, quote units.
        allowed: u64,
    },
    /// The market still has money of the pool.
    #[error("the market's equity is {equity} quote units at the better price: it is not used up")]
    NotExhausted {
        /// Equity, quote units.
        equity: i64,
    },
    /// No bucket is wholly in profit, or what is missing is less than rounding.
    #[error(
        "no position is known to be in profit by more than rounding: settle positions, so that they are filed where they belong"
    )]
    NoWinners,
    /// The account still has something to pay with, or owes nothing.
    #[error("the account is not bankrupt: {0}")]
    NotBankrupt(&'static str),
    /// The market settles.
    #[error("the market settles: settle_position is the way out")]
    Settling,
    /// Claims on a settling market are paid last.
    #[error(
        "{positions} positions are not settled and {unbacked} quote units owed yet: claims are paid after that"
    )]
    ClaimsWait {
        /// Positions that are still open.
        positions: u64,
        /// What losers owe, quote units.
        unbacked: u64,
    },
    /// A parameter outside its hard bound.
    #[error("parameter {name} = {value} is outside {min}..={max}")]
    ParameterOutOfBounds {
        /// Name of the parameter.
        name: &'static str,
        /// Value that was offered.
        value: u64,
        /// Least value that the program allows.
        min: u64,
        /// Largest value that the program allows.
        max: u64,
    },
    /// A balance is smaller than what is to be taken from it.
    #[error("balance is {balance}, {needed} is needed")]
    InsufficientBalance {
        /// Balance.
        balance: u64,
        /// Amount asked for.
        needed: u64,
    },
    /// A share issue that would mint nothing.
    #[error("the amount buys less than one share")]
    TooSmallForOneShare,
    /// A junior share is worth less than a thousandth of a quote unit.
    #[error(
        "{shares} shares are worth {value} quote units, under a thousandth each: no deposits until they recover"
    )]
    SharePriceTooLow {
        /// Worth of the tranche at its highest, quote units.
        value: u64,
        /// Shares of the tranche.
        shares: u64,
    },
    /// The pool owes its senior shares more than it is worth.
    #[error(
        "senior shares are owed {claim} quote units of a pool worth {nav}: no deposits until it recovers"
    )]
    SeniorImpaired {
        /// What the senior shares are owed, quote units.
        claim: u64,
        /// Net asset value at its lowest, quote units.
        nav: u64,
    },
    /// The senior claim would exceed its ratio to the junior tranche.
    #[error(
        "the senior claim would be {senior} quote units, the junior tranche allows {cap}: more junior or less senior first"
    )]
    SeniorRatio {
        /// Senior claim after the operation, quote units.
        senior: u64,
        /// Largest claim for what the junior tranche would be worth, quote units.
        cap: u64,
    },
    /// The redeem delay is not over.
    #[error("too early to redeem or cancel the ticket: wait {seconds_left} s")]
    RedeemTooEarly {
        /// Seconds until it can be redeemed, or cancelled.
        seconds_left: i64,
    },
    /// The redeem window is over.
    #[error("the ticket's window is over: cancel it, and request again")]
    RedeemTooLate,
    /// The unstake cooldown is not over.
    #[error("the stake can be taken out in {seconds_left} s: wait")]
    UnstakeTooEarly {
        /// Seconds until it can be.
        seconds_left: i64,
    },
    /// The unstake window is over.
    #[error("the window to take the stake out is over: request again")]
    UnstakeTooLate,
    /// Shares that are worth nothing after the fee.
    #[error("the shares are worth {value} quote units, the fee is {fee}: nothing would be paid, keep them")]
    WorthNothing {
        /// Worth of the shares, quote units.
        value: u64,
        /// Fee, quote units.
        fee: u64,
    },
    /// The pool's cash is in the markets.
    #[error(
        "redemption of {asked} quote units, the pool has {idle} idle: allocate liquidity back from a market first"
    )]
    PoolIdle {
        /// What the whole ticket would be paid, quote units.
        asked: u64,
        /// Idle cash, quote units.
        idle: u64,
    },
    /// What would be left of the pool is too little for its exposure.
    #[error(
        "the markets use {used} quote units of the pool, after the redemption it would allow {cap}: wait until skew or deposits change"
    )]
    PoolUtilisation {
        /// Exposure, quote units.
        used: u64,
        /// Largest exposure after paying the whole ticket, quote units.
        cap: u64,
    },
    /// A stored state that no sequence of operations can produce.
    #[error("corrupt state: {0}")]
    Corrupt(&'static str),
}
