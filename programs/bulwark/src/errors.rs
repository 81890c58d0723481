//! Every error of the program, with what to do about it. Where numbers explain a refusal they are in the
//! transaction's log.

use anchor_lang::prelude::*;
use bulwark_engine::EngineError;
use bytemuck::Contiguous;

use crate::oracle::OracleError;

/// Errors, from 6000 on.
#[error_code]
#[derive(PartialEq, Eq, Contiguous)]
pub enum BulwarkError {
    /// See the message.
    #[msg("an amount does not fit: use a smaller one")]
    Overflow,
    /// See the message.
    #[msg("amount is zero: pass at least one unit; a claim is paid by settle_position, not closed")]
    ZeroAmount,
    /// See the message.
    #[msg("price out of range: a lot or token unit must be worth between 2^-12 and 2^14 quote units")]
    PriceOutOfRange,
    /// See the message.
    #[msg("this oracle print is older than the stored one: pass the newest price account")]
    PublishTimeWentBack,
    /// See the message.
    #[msg("this oracle print is ahead of the clock: wait, or pass another price account")]
    PublishTimeInFuture,
    /// See the message.
    #[msg("no oracle source has a young enough print: post a new one, then refresh")]
    NoValidSource,
    /// See the message.
    #[msg("the secondary oracle counts only while the primary is dead: pass a current primary account")]
    PrimaryStillValid,
    /// See the message.
    #[msg("the secondary oracle is known to be alive: pass a current secondary account")]
    SecondaryStillValid,
    /// See the message.
    #[msg("the stored price is too old for this: send refresh_market or refresh_vault first")]
    PriceStale,
    /// See the message.
    #[msg("the price's confidence interval is too wide for this: wait for a narrower print")]
    PriceWide,
    /// See the message.
    #[msg("the two oracle sources disagree: wait until they agree, then refresh")]
    PriceDivergent,
    /// See the message.
    #[msg("lots must be a multiple of the market's step")]
    NotAMultipleOfStep,
    /// See the message.
    #[msg("more lots than the position has: use u64::MAX to close all")]
    CloseExceedsPosition,
    /// See the message.
    #[msg(
        "the slot holds a position or claim of the other side: close it, or settle_position once cash has arrived"
    )]
    OppositeSide,
    /// See the message.
    #[msg("no position in this market")]
    NoPosition,
    /// See the message.
    #[msg("the fill would be worse than the limit price: widen the limit or trade less")]
    LimitPrice,
    /// See the message.
    #[msg("the trade would move the price beyond max_impact: trade less")]
    ImpactTooLarge,
    /// See the message.
    #[msg("the position would be worth less than min_notional: trade more, or close it whole")]
    BelowMinNotional,
    /// See the message.
    #[msg("open interest would exceed its cap: trade less")]
    OpenInterestCap,
    /// See the message.
    #[msg("skew would exceed its share of the market's equity: trade less, or the other side")]
    SkewCap,
    /// See the message.
    #[msg(
        "traders' profit is at its share of the market's cash: no increase until allocate_liquidity or a price move"
    )]
    ProfitCap,
    /// See the message.
    #[msg("the account would hold too large a share of its side: trade less")]
    ShareCap,
    /// See the message.
    #[msg("the vault's deposit cap is reached: deposit less")]
    DepositCap,
    /// See the message.
    #[msg("more than may leave the vault now: see the log for what may; withdraw less, or later")]
    OutflowLimit,
    /// See the message.
    #[msg("not a valid trigger: see the log for the field and its range")]
    InvalidTrigger,
    /// See the message.
    #[msg("the mark price has not reached the trigger: refresh the market, or wait")]
    TriggerNotMet,
    /// See the message.
    #[msg("no trigger with this id: it was executed or cancelled")]
    NoTrigger,
    /// See the message.
    #[msg("all 8 trigger slots are in use: cancel one first")]
    NoFreeTriggerSlot,
    /// See the message.
    #[msg("junior shares are worth under a thousandth of a quote unit: no deposits until they recover")]
    SharePriceTooLow,
    /// See the message.
    #[msg("the pool owes its senior shares more than it is worth: no deposits until it recovers")]
    SeniorImpaired,
    /// See the message.
    #[msg("the senior claim would exceed its ratio to the junior tranche: more junior or less senior first")]
    SeniorRatio,
    /// See the message.
    #[msg("too early to redeem or cancel this ticket: see the log for the seconds left")]
    RedeemTooEarly,
    /// See the message.
    #[msg("the redeem window is over: send cancel_redeem, then request_redeem again")]
    RedeemTooLate,
    /// See the message.
    #[msg("the unstake cooldown is not over: see the log for the seconds left")]
    UnstakeTooEarly,
    /// See the message.
    #[msg("the window to take the stake out is over: request again")]
    UnstakeTooLate,
    /// See the message.
    #[msg("the account holds its maintenance requirement: there is nothing to liquidate")]
    Healthy,
    /// See the message.
    #[msg("the pool takes at once only what brings the skew nearer to zero: wait until the auction is over")]
    SkewWouldGrow,
    /// See the message.
    #[msg("another position of the account requires more: liquidate that one first")]
    NotTheWorst,
    /// See the message.
    #[msg("neither the traders' profit nor the skew is above its limit: nothing to deleverage")]
    NotExposed,
    /// See the message.
    #[msg("only positions of the side that the skew is on are reduced: pass another account")]
    LighterSide,
    /// See the message.
    #[msg("the account's leverage is below the cut-off: pass another account, or wait until it has fallen")]
    BelowCutoff,
    /// See the message.
    #[msg("the pool's money in this market is not used up: nothing to rebalance")]
    NotExhausted,
    /// See the message.
    #[msg(
        "no position is known to be in profit by more than rounding: send settle_position for the winners first"
    )]
    NoWinners,
    /// See the message.
    #[msg("the account is not bankrupt: see the log for what it still has")]
    NotBankrupt,
    /// See the message.
    #[msg("the account owes nothing for this market: pass one where it lost")]
    NoDebtHere,
    /// See the message.
    #[msg("the market settles: send settle_position, nothing else changes a position")]
    Settling,
    /// See the message.
    #[msg(
        "claims on a settling market are paid after the last position is settled and the last debt resolved"
    )]
    ClaimsWait,
    /// See the message.
    #[msg("the shares are worth nothing after the fee: keep them")]
    WorthNothing,
    /// See the message.
    #[msg("the pool's cash is in the markets: send allocate_liquidity for a market above its target first")]
    PoolIdle,
    /// See the message.
    #[msg(
        "what is left of the pool would be too little for its exposure: wait until skew or deposits change"
    )]
    PoolUtilisation,
    /// See the message.
    #[msg("what would be paid is less than the minimum asked for")]
    BelowMinimumAmount,
    /// See the message.
    #[msg("equity would be below the margin requirement: deposit more or reduce")]
    InsufficientMargin,
    /// See the message.
    #[msg("a parameter is outside its hard bound: see the log for its name and range")]
    ParameterOutOfBounds,
    /// See the message.
    #[msg("the balance is smaller than the amount")]
    InsufficientBalance,
    /// See the message.
    #[msg("the amount buys less than one share: deposit more")]
    TooSmallForOneShare,
    /// See the message.
    #[msg("stored state is corrupt: send check_invariants and report it")]
    Corrupt,
    /// See the message.
    #[msg("the oracle account is not owned by the configured program")]
    OracleWrongOwner,
    /// See the message.
    #[msg("the oracle account is not the configured one")]
    OracleWrongAccount,
    /// See the message.
    #[msg("the oracle account carries another feed: pass the configured feed")]
    OracleWrongFeed,
    /// See the message.
    #[msg("the price update is not fully verified: post it with full verification")]
    OracleNotFullyVerified,
    /// See the message.
    #[msg("the oracle account cannot be read")]
    OracleMalformed,
    /// See the message.
    #[msg("the oracle does not trade at present: wait, or use the secondary source")]
    OracleNotTrading,
    /// See the message.
    #[msg("the oracle's price is zero or negative")]
    OracleNonPositivePrice,
    /// See the message.
    #[msg("both configured oracle accounts must be passed")]
    OracleAccountMissing,
    /// See the message.
    #[msg("this source is not configured: leave the account out")]
    OracleNotConfigured,
    /// See the message.
    #[msg("signer is not allowed to do this")]
    Unauthorized,
    /// See the message.
    #[msg("signer is not the program's upgrade authority")]
    NotUpgradeAuthority,
    /// See the message.
    #[msg("this action is paused: see the pause bits of exchange and market")]
    Paused,
    /// See the message.
    #[msg("the market is reduce-only: positions can only be closed")]
    ReduceOnly,
    /// See the message.
    #[msg("all 16 position slots are in use: close one first")]
    NoFreePositionSlot,
    /// See the message.
    #[msg("all 8 collateral slots are in use: withdraw one first")]
    NoFreeCollateralSlot,
    /// See the message.
    #[msg("only owner and delegate may deposit a collateral that the account does not hold yet")]
    NewCollateralByStranger,
    /// See the message.
    #[msg(
        "the margin account still holds something, or a market still holds something back for it: close, withdraw, settle_position"
    )]
    AccountNotEmpty,
    /// See the message.
    #[msg("signed for an earlier incarnation of this account: sign again")]
    WrongIncarnation,
    /// See the message.
    #[msg(
        "an account is missing: see the instruction for what must follow, markets before vaults, in slot order"
    )]
    AccountMissing,
    /// See the message.
    #[msg("this is not the expected market or vault: pass them in slot order")]
    WrongAccount,
    /// See the message.
    #[msg("an account was passed twice")]
    DuplicateAccount,
    /// See the message.
    #[msg("the mint has an extension that can change amounts or authority")]
    UnsupportedMint,
    /// See the message.
    #[msg(
        "the token account must be initialized, of the right mint and owner, without delegate or close authority"
    )]
    BadTokenAccount,
    /// See the message.
    #[msg("the vault's balance changed by another amount than the transfer named")]
    TransferMismatch,
    /// See the message.
    #[msg("the shares received would be fewer than the minimum asked for")]
    BelowMinimumShares,
    /// See the message.
    #[msg(
        "nothing to move: the market is at its target, has lost what it was lent, or the pool has no idle cash"
    )]
    NothingToAllocate,
    /// See the message.
    #[msg("limit of markets or vaults reached")]
    TooManyListings,
    /// See the message.
    #[msg("a parameter would be less strict than it is: see the log for which; propose_change")]
    Loosens,
    /// See the message.
    #[msg("a parameter would move further than one change may: see the log for which, and how far it may")]
    StepTooLarge,
    /// See the message.
    #[msg("a parameter that hurts users has one step a week: see the log for which, and the seconds left")]
    StepTooSoon,
    /// See the message.
    #[msg("these parameters are in force already: nothing to do")]
    NothingChanges,
    /// See the message.
    #[msg("the delay of the change is not over: see the log for the seconds left")]
    ChangeTooEarly,
    /// See the message.
    #[msg("the change has lapsed: cancel_change returns its rent, then propose_change again")]
    ChangeExpired,
    /// See the message.
    #[msg(
        "the target or the admin has changed since this was proposed: cancel_change, then propose_change again"
    )]
    ChangeVoid,
    /// See the message.
    #[msg("the listing was not executed yet: send execute_change first")]
    ChangeNotExecuted,
    /// See the message.
    #[msg("the listing was executed already: send create_vault or create_market")]
    ChangeIsExecuted,
    /// See the message.
    #[msg("the change's number was used, or is more than 1,000 ahead: take the exchange's next_change")]
    BadNonce,
    /// See the message.
    #[msg("tighten takes parameters and ReduceOnly: everything else waits, propose_change")]
    NotTightenable,
    /// See the message.
    #[msg(
        "the market can't go from its present status to this one: ReduceOnly comes before Settling and Active"
    )]
    BadTransition,
    /// See the message.
    #[msg("the change makes no sense: see the instruction's documentation for the fields that must be set")]
    InvalidPayload,
    /// See the message.
    #[msg("the admin signs for now, not for later: send without a durable nonce")]
    DurableNonce,
    /// See the message.
    #[msg("ways out were paused a short time ago: see the log for when they can be again")]
    ExitPauseTooSoon,
    /// See the message.
    #[msg("nobody is nominated, or somebody else: nominate_admin first")]
    NoNomination,
    /// See the message.
    #[msg(
        "the market is not settled to the last position, claim and debt: settle_position, resolve_bankruptcy"
    )]
    MarketNotEmpty,
    /// See the message.
    #[msg("the oracle printed within a day: the price of settlement is the oracle's, pass 0")]
    OracleAlive,
    /// See the message.
    #[msg("the market had a price within max_outage: refresh_market, there is nothing to suspend")]
    NoOutage,
    /// See the message.
    #[msg("the market was not suspended for an outage, or not for long enough: see max_outage")]
    NotSuspended,
}

impl From<EngineError> for BulwarkError {
    fn from(error: EngineError) -> Self {
        use bulwark_engine::price::Validity;
        match error {
            EngineError::Overflow => Self::Overflow,
            EngineError::ZeroAmount => Self::ZeroAmount,
            EngineError::PriceOutOfRange => Self::PriceOutOfRange,
            EngineError::PublishTimeWentBack { .. } => Self::PublishTimeWentBack,
            EngineError::PublishTimeInFuture { .. } => Self::PublishTimeInFuture,
            EngineError::NoValidSource { .. } => Self::NoValidSource,
            EngineError::PrimaryStillValid { .. } => Self::PrimaryStillValid,
            EngineError::SecondaryStillValid { .. } => Self::SecondaryStillValid,
            EngineError::PriceNotUsable { validity, .. } => match validity {
                Validity::Divergent => Self::PriceDivergent,
                Validity::Wide => Self::PriceWide,
                Validity::Stale | Validity::Fresh => Self::PriceStale,
            },
            EngineError::NotAMultipleOfStep { .. } => Self::NotAMultipleOfStep,
            EngineError::CloseExceedsPosition { .. } => Self::CloseExceedsPosition,
            EngineError::OppositeSide => Self::OppositeSide,
            EngineError::NoPosition => Self::NoPosition,
            EngineError::LimitPrice { .. } => Self::LimitPrice,
            EngineError::ImpactTooLarge { .. } => Self::ImpactTooLarge,
            EngineError::BelowMinNotional { .. } => Self::BelowMinNotional,
            EngineError::OpenInterestCap { .. } => Self::OpenInterestCap,
            EngineError::SkewCap { .. } => Self::SkewCap,
            EngineError::ProfitCap { .. } => Self::ProfitCap,
            EngineError::ShareCap { .. } => Self::ShareCap,
            EngineError::DepositCap { .. } => Self::DepositCap,
            EngineError::OutflowLimit { .. } => Self::OutflowLimit,
            EngineError::InvalidTrigger(_) => Self::InvalidTrigger,
            EngineError::TriggerNotMet { .. } => Self::TriggerNotMet,
            EngineError::SharePriceTooLow { .. } => Self::SharePriceTooLow,
            EngineError::SeniorImpaired { .. } => Self::SeniorImpaired,
            EngineError::SeniorRatio { .. } => Self::SeniorRatio,
            EngineError::RedeemTooEarly { .. } => Self::RedeemTooEarly,
            EngineError::RedeemTooLate => Self::RedeemTooLate,
            EngineError::UnstakeTooEarly { .. } => Self::UnstakeTooEarly,
            EngineError::UnstakeTooLate => Self::UnstakeTooLate,
            EngineError::Healthy { .. } => Self::Healthy,
            EngineError::SkewWouldGrow { .. } => Self::SkewWouldGrow,
            EngineError::RefreshFirst => Self::PriceStale,
            EngineError::NotTheWorst { .. } => Self::NotTheWorst,
            EngineError::NotExposed => Self::NotExposed,
            EngineError::LighterSide => Self::LighterSide,
            EngineError::BelowCutoff { .. } => Self::BelowCutoff,
            EngineError::NotExhausted { .. } => Self::NotExhausted,
            EngineError::NoWinners => Self::NoWinners,
            EngineError::NotBankrupt(_) => Self::NotBankrupt,
            EngineError::Settling => Self::Settling,
            EngineError::ClaimsWait { .. } => Self::ClaimsWait,
            EngineError::WorthNothing { .. } => Self::WorthNothing,
            EngineError::PoolIdle { .. } => Self::PoolIdle,
            EngineError::PoolUtilisation { .. } => Self::PoolUtilisation,
            EngineError::InsufficientMargin { .. } => Self::InsufficientMargin,
            EngineError::ParameterOutOfBounds { .. } => Self::ParameterOutOfBounds,
            EngineError::InsufficientBalance { .. } => Self::InsufficientBalance,
            EngineError::TooSmallForOneShare => Self::TooSmallForOneShare,
            EngineError::Loosens { .. } => Self::Loosens,
            EngineError::StepTooLarge { .. } => Self::StepTooLarge,
            EngineError::StepTooSoon { .. } => Self::StepTooSoon,
            EngineError::NothingChanges => Self::NothingChanges,
            EngineError::ChangeTooEarly { .. } => Self::ChangeTooEarly,
            EngineError::ChangeExpired => Self::ChangeExpired,
            EngineError::ExitPauseTooSoon { .. } => Self::ExitPauseTooSoon,
            EngineError::MarketNotEmpty => Self::MarketNotEmpty,
            EngineError::OracleAlive { .. } => Self::OracleAlive,
            EngineError::Corrupt(_) => Self::Corrupt,
        }
    }
}

impl From<OracleError> for BulwarkError {
    fn from(error: OracleError) -> Self {
        match error {
            OracleError::WrongOwner => Self::OracleWrongOwner,
            OracleError::WrongAccount => Self::OracleWrongAccount,
            OracleError::WrongFeed => Self::OracleWrongFeed,
            OracleError::NotFullyVerified => Self::OracleNotFullyVerified,
            OracleError::Malformed => Self::OracleMalformed,
            OracleError::NotTrading => Self::OracleNotTrading,
            OracleError::NonPositivePrice => Self::OracleNonPositivePrice,
        }
    }
}

/// Why something was refused, while it still matters whether the engine or the program said so.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The engine.
    Engine(EngineError),
    /// The program.
    Program(Error),
}

impl From<EngineError> for Refusal {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Program(error)
    }
}

impl From<BulwarkError> for Refusal {
    fn from(error: BulwarkError) -> Self {
        Self::Program(error.into())
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Engine(error) => {
                // Off the chain a log would go to the output of whoever only asked.
                if cfg!(target_os = "solana") {
                    msg!("{}", error);
                }
                BulwarkError::from(error).into()
            }
            Refusal::Program(error) => error,
        }
    }
}

/// Turns an engine result into a program result, with the numbers in the log.
pub(crate) trait OrProgramError<T> {
    /// `Ok` or the error of the program.
    fn or_error(self) -> Result<T>;
}

impl<T> OrProgramError<T> for bulwark_engine::Result<T> {
    fn or_error(self) -> Result<T> {
        self.map_err(|error| Refusal::Engine(error).into())
    }
}
