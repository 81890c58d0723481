//! What may not be refused.

use bulwark_sdk::program::state::MarginAccount;

use super::Moment;
use crate::walk::reference::{Verdict, require};
use crate::walk::stage::Stage;
use crate::walk::step::{Flaw, Step, Trade};

/// Refusals that are the program's or the runtime's fault, whatever was asked.
const NEVER: [&str; 6] = [
    "Corrupt",
    "TransferMismatch",
    "ProgramFailedToComplete",
    "ComputationalBudgetExceeded",
    "UnbalancedInstruction",
    "InvalidRealloc",
];

/// Why a refresh, a settlement and so on of sensible arguments may be refused; `None`: for many reasons.
fn reasons(step: &Step) -> Option<&'static [&'static str]> {
    const NOT_OPEN: &str = "AccountOwnedByWrongProgram";
    match step {
        Step::Sweep { .. } | Step::CheckInvariants { .. } => Some(&[]),
        Step::Settle { .. } => Some(&["NoPosition", "ClaimsWait", NOT_OPEN]),
        Step::Allocate { .. } => {
            Some(&["NothingToAllocate", "Settling", "PriceStale", "PriceWide", "PriceDivergent"])
        }
        Step::Deposit { flaw: Flaw::None, .. } => {
            Some(&["ZeroAmount", "insufficient funds", "DepositCap", "NewCollateralByStranger", NOT_OPEN])
        }
        Step::Liquidate { .. }
        | Step::LiquidateToPool { .. }
        | Step::LiquidateCollateral { .. }
        | Step::Resolve { .. }
        | Step::Deleverage { .. }
        | Step::Rebalance { .. }
        | Step::FundInsurance { .. }
        | Step::Stake { .. }
        | Step::RequestUnstake { .. }
        | Step::Unstake { .. }
        | Step::CancelUnstake { .. } => super::reasons::reasons(step),
        Step::Close { flaw: Flaw::None, order: Trade { lots: u64::MAX, limit: None, .. }, .. } => Some(&[
            "NoPosition",
            "Settling",
            "ZeroAmount",      // a claim: it is settled, not closed
            "PriceOutOfRange", // the order is of the other side, and so is its limit
            "Unauthorized",
            "InsufficientMargin",
            "PriceStale",
            "PriceWide", // of another leg
            "PriceDivergent",
            NOT_OPEN,
        ]),
        Step::PlaceTrigger { .. } => None,
        Step::CancelTrigger { flaw: Flaw::None, .. } => {
            Some(&["NoTrigger", "Unauthorized", "WrongIncarnation", NOT_OPEN])
        }
        Step::CancelRedeem { flaw: Flaw::None, .. } => {
            Some(&["RedeemTooEarly", NOT_OPEN, "AccountNotInitialized"])
        }
        Step::ExecuteTrigger { flaw: Flaw::None, .. } => Some(&EXECUTE),
        Step::AddLiquidity { flaw: Flaw::None, .. } => Some(&ADD),
        Step::RequestRedeem { flaw: Flaw::None, .. } => Some(&REQUEST),
        Step::Redeem { flaw: Flaw::None, .. } => Some(&REDEEM),
        _ => None,
    }
}

/// What passes by itself, the caps, and an account that is not the one that was asked for.
const EXECUTE: [&str; 19] = [
    "Settling",
    "ReduceOnly", // a market that settles
    "Overflow",   // see below
    "NoTrigger",
    "TriggerNotMet",
    "LimitPrice",
    "PriceStale",
    "PriceWide",
    "PriceDivergent",
    "ImpactTooLarge",
    "OpenInterestCap",
    "ShareCap",
    "SkewCap",
    "ProfitCap",
    "WrongAccount",
    "AccountOwnedByWrongProgram", // account or keeper is closed
    "ConstraintDuplicateMutableAccount",
    "DuplicateAccount",
    "InsufficientMargin", // of a way out
];

const ADD: [&str; 10] = [
    "ZeroAmount",
    "TooSmallForOneShare",
    "insufficient funds",
    "DepositCap",
    "SeniorImpaired",
    "SeniorRatio",
    "SharePriceTooLow",
    "PriceStale",
    "PriceWide",
    "PriceDivergent",
];

const REQUEST: [&str; 8] = [
    "ZeroAmount",
    "InsufficientBalance",
    "insufficient funds",
    "WorthNothing",
    "PriceStale",
    "PriceWide",
    "PriceDivergent",
    "InstructionError(0, Custom(0))", // the system program: the ticket is there
];

const REDEEM: [&str; 13] = [
    "RedeemTooEarly",
    "RedeemTooLate",
    "WorthNothing",
    "PoolIdle",
    "OutflowLimit",
    "PoolUtilisation",
    "SeniorRatio",
    "BelowMinimumAmount",
    "PriceStale",
    "PriceWide",
    "PriceDivergent",
    "AccountOwnedByWrongProgram",
    "AccountNotInitialized",
];

/// A refusal has a reason: the program never finds its own state corrupt, most things are refused for a short list of
/// reasons only, and what is nobody's risk can be withdrawn as fast as anything may.
pub(super) fn a_refusal_has_a_reason(m: &Moment<'_>) -> Verdict {
    let Some(Err(name)) = m.sent else { return Ok(()) };
    let name = name.as_str();
    require(!NEVER.iter().any(|never| name.contains(never)), || format!("refused with {name}"))?;
    if let Some(reasons) = reasons(m.step) {
        require(reasons.contains(&name), || format!("{:?} refused with {name}", m.step))?;
    }
    if let (Step::ExecuteTrigger { account, id, .. }, "Overflow") = (m.step, name) {
        // Any size can be placed; what is larger than any order is asked for again and again.
        let lots = m.was.holders[*account].and_then(|h| h.trigger(*id).map(|t| t.lots));
        require(lots.is_some_and(|lots| lots >> 52 > 0), || format!("{lots:?} lots overflow"))?;
    }
    if let Step::Withdraw { by, account, vault, amount, flaw: Flaw::None } = *m.step {
        let own = by == Stage::owner(account);
        let free = m.before.margin(account).is_some_and(MarginAccount::is_unencumbered);
        let holder = m.was.holders[account].unwrap_or_default();
        let balance = if vault == 0 { holder.quote } else { holder.collaterals[vault] };
        let params = &m.before.vault(vault).core.params;
        let limits = (&params.outflow, params.max_deposits);
        let room = m.was.anchors[vault].room(limits, m.was.recorded[vault], m.after.now);
        let covered = i128::from(amount) <= balance.min(m.was.recorded[vault]).min(room);
        let due = own && free && amount > 0 && covered;
        require(!due, || format!("{amount} of {balance} with nothing at risk refused with {name}"))?;
    }
    Ok(())
}
