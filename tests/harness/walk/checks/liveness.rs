//! What may not be refused.

use bulwark_sdk::program::state::MarginAccount;

use super::Moment;
use crate::walk::reference::{Verdict, require};
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
        Step::Settle { .. } => Some(&["NoPosition", NOT_OPEN]),
        Step::Allocate { .. } => Some(&["NothingToAllocate", "PriceStale", "PriceWide", "PriceDivergent"]),
        Step::Deposit { flaw: Flaw::None, .. } => {
            Some(&["ZeroAmount", "insufficient funds", "DepositCap", "NewCollateralByStranger", NOT_OPEN])
        }
        Step::Close { flaw: Flaw::None, order: Trade { lots: u64::MAX, limit: None, .. }, .. } => Some(&[
            "NoPosition",
            "ZeroAmount",      // a claim: it is settled, not closed
            "PriceOutOfRange", // the order is of the other side, and so is its limit
            "Unauthorized",
            "InsufficientMargin",
            "PriceStale",
            "PriceWide", // of another leg
            "PriceDivergent",
            NOT_OPEN,
        ]),
        _ => None,
    }
}

/// A refusal has a reason: the program never finds its own state corrupt, deposits and whole closes are refused for
/// a short list of reasons only, and what is nobody's risk can be withdrawn.
pub(super) fn a_refusal_has_a_reason(m: &Moment<'_>) -> Verdict {
    let Some(Err(name)) = m.sent else { return Ok(()) };
    let name = name.as_str();
    require(!NEVER.iter().any(|never| name.contains(never)), || format!("refused with {name}"))?;
    if let Some(reasons) = reasons(m.step) {
        require(reasons.contains(&name), || format!("{:?} refused with {name}", m.step))?;
    }
    if let Step::Withdraw { account, vault, amount, flaw: Flaw::None } = *m.step {
        let free = m.before.margin(account).is_some_and(MarginAccount::is_unencumbered);
        let holder = m.was.holders[account].unwrap_or_default();
        let balance = if vault == 0 { holder.quote } else { holder.collaterals[vault] };
        let covered = i128::from(amount) <= balance.min(m.was.recorded[vault]);
        let due = free && amount > 0 && covered;
        require(!due, || format!("{amount} of {balance} with nothing at risk refused with {name}"))?;
    }
    Ok(())
}
