//! Why a liquidator, a keeper or a staker is turned away: the reason that is given is true.

use super::Moment;
use crate::walk::auction::{Lot, TAKEOVER};
use crate::walk::exact::{bits, ppm, sign};
use crate::walk::health::{Standing, standing};
use crate::walk::reference::{Ledger, Verdict, require};
use crate::walk::stage::NONCES;
use crate::walk::step::{Flaw, Step};

const NOT_OPEN: &str = "AccountOwnedByWrongProgram";

const TAKE: [&str; 22] = [
    "Healthy",
    "NotTheWorst",
    "NoPosition",
    "ZeroAmount",
    "NotAMultipleOfStep",
    "BelowMinNotional",
    "OppositeSide",
    "LimitPrice",
    "InsufficientMargin",
    "DuplicateAccount",
    "ConstraintDuplicateMutableAccount",
    "Unauthorized",
    "PriceStale",
    "PriceWide",
    "PriceDivergent",
    "PriceOutOfRange", // a limit that no price can meet
    "Settling",
    "InsufficientBalance", // of collateral, or of the buyer's quote
    "WrongAccount",        // the quote vault
    "AccountMissing",
    "Overflow", // see below
    NOT_OPEN,
];

const POOL: [&str; 12] = [
    "Healthy",
    "NotTheWorst",
    "NoPosition",
    "SkewWouldGrow",
    "ZeroAmount",
    "DuplicateAccount",
    "ConstraintDuplicateMutableAccount",
    "PriceStale",
    "PriceWide",
    "PriceDivergent",
    "Settling",
    NOT_OPEN,
];

const DELEVERAGE: [&str; 12] = [
    "NotExposed",
    "LighterSide",
    "BelowCutoff",
    "NoPosition",
    "ZeroAmount",
    "DuplicateAccount",
    "ConstraintDuplicateMutableAccount",
    "PriceStale",
    "PriceWide",
    "PriceDivergent",
    "Settling",
    NOT_OPEN,
];

/// Reasons that a step of sensible arguments may be refused for; `None`: any.
pub(super) fn reasons(step: &Step) -> Option<&'static [&'static str]> {
    Some(match step {
        Step::Liquidate { flaw: Flaw::None, .. } | Step::LiquidateCollateral { flaw: Flaw::None, .. } => {
            &TAKE
        }
        Step::LiquidateToPool { flaw: Flaw::None, .. } => &POOL,
        Step::Deleverage { flaw: Flaw::None, .. } => &DELEVERAGE,
        Step::Resolve { flaw: Flaw::None, .. } => &[
            "NotBankrupt",
            "NoDebtHere",
            "ClaimsWait",
            "PriceStale",
            "PriceWide",
            "PriceDivergent",
            NOT_OPEN,
        ],
        Step::Rebalance { .. } => {
            &["NotExhausted", "NoWinners", "PriceStale", "PriceWide", "PriceDivergent", "Settling"]
        }
        Step::FundInsurance { flaw: Flaw::None, .. } => &["ZeroAmount", "insufficient funds"],
        Step::Stake { flaw: Flaw::None, .. } => &["ZeroAmount", "TooSmallForOneShare", "insufficient funds"],
        Step::RequestUnstake { flaw: Flaw::None, .. } => &[
            "ZeroAmount",
            "InsufficientBalance",
            "TooSmallForOneShare",
            "insufficient funds",
            "InstructionError(0, Custom(0))", // the system program: the ticket is there
        ],
        Step::Unstake { flaw: Flaw::None, .. } => &[
            "UnstakeTooEarly",
            "UnstakeTooLate",
            "ZeroAmount", // nothing may leave the vault
            "BelowMinimumAmount",
            "OutflowLimit",
            "AccountNotInitialized",
            NOT_OPEN,
        ],
        Step::CancelUnstake { flaw: Flaw::None, .. } => {
            &["TooSmallForOneShare", "AccountNotInitialized", NOT_OPEN]
        }
        _ => return None,
    })
}

/// The ledger as the refused instruction had it: carry of a market accrued to now.
fn accrued(m: &Moment<'_>, market: usize) -> Ledger {
    let mut ledger = m.was.clone();
    let sides = ledger.sides(market);
    ledger.dynamics[market].accrue(&m.after.market(market).core.params, sides, m.after.now);
    ledger
}

fn judged(m: &Moment<'_>, ledger: &Ledger, account: usize) -> Option<Standing> {
    ledger.holders[account].as_ref().map(|holder| standing(ledger, holder, m.after))
}

/// Healthy, not the worst leg, not bankrupt, not exposed and so on are what the model finds too.
pub(super) fn a_liquidation_is_refused_for_its_reason(m: &Moment<'_>) -> Verdict {
    let Some(Err(name)) = m.sent else { return Ok(()) };
    let right = match *m.step {
        Step::Liquidate { account, order, flaw: Flaw::None, .. } => taken(m, (account, order.market), name),
        Step::LiquidateToPool { account, market, flaw: Flaw::None, .. } => taken(m, (account, market), name),
        Step::LiquidateCollateral { account, vault, flaw: Flaw::None, .. } => sold(m, (account, vault), name),
        Step::Resolve { account, market, flaw: Flaw::None } => resolved(m, (account, market), name),
        Step::Deleverage { account, market, flaw: Flaw::None, .. } => deleveraged(m, (account, market), name),
        Step::Rebalance { market } => rebalanced(m, market, name),
        Step::Settle { account, market } => settled(m, (account, market), name),
        Step::Unstake { actor, nonce, flaw: Flaw::None, .. } => {
            let ticket = usize::try_from(nonce).ok().map(|nonce| actor * NONCES + nonce);
            let since = ticket.and_then(|ticket| m.was.cooling[ticket]).map(|ticket| ticket.since);
            let late = since.map(|since| m.after.now - since - 14 * 86_400);
            match name.as_str() {
                "UnstakeTooEarly" => late.is_some_and(|late| late < 0),
                "UnstakeTooLate" => late.is_some_and(|late| late > 2 * 86_400),
                _ => true,
            }
        }
        _ => true,
    };
    require(right, || format!("{:?} refused with {name}", m.step))
}

fn taken(m: &Moment<'_>, (account, market): (usize, usize), name: &str) -> bool {
    let ledger = accrued(m, market);
    let Some(standing) = judged(m, &ledger, account) else { return true };
    let held = ledger.holders[account].and_then(|h| h.positions[market]);
    let auction = ledger.holders[account].map(|h| h.auction).unwrap_or_default();
    let slot = i128::from(m.after.slot);
    let elapsed = if auction.is_running(slot) { slot - auction.started } else { 0 };
    let skew = ledger.skew(market);
    let heavy = held.is_some_and(|held| sign(held.side) == skew.signum());
    match name {
        "Healthy" => !standing.in_trouble(),
        "NotTheWorst" => standing.in_trouble() && !standing.is_worst(market),
        "NoPosition" => held.is_none_or(|held| held.b == 0),
        "Settling" => ledger.dynamics[market].settling_since != 0,
        "SkewWouldGrow" => {
            standing.in_trouble() && auction.is_running(slot) && elapsed < TAKEOVER && {
                // No lots of the offer, or of a lot, bring the skew nearer to zero.
                let params = &m.after.market(market).core.params;
                let step = i128::from(params.step);
                let price = ledger.dynamics[market].price;
                let held = held.map_or(0, |held| held.b.abs());
                let lot = Lot { held, price, most: held, mmf: 0, params };
                !heavy || lot.reducing(held, skew.abs()) < step || skew.abs() < held
            }
        }
        "Overflow" => false,
        "ZeroAmount" => match *m.step {
            Step::Liquidate { .. } => false,
            _ => false,
        },
        _ => true,
    }
}

fn sold(m: &Moment<'_>, (account, vault): (usize, usize), name: &str) -> bool {
    let Some(standing) = judged(m, m.was, account) else { return true };
    let holder = m.was.holders[account].unwrap_or_default();
    let named = if let Step::LiquidateCollateral { creditor, .. } = *m.step { creditor } else { None };
    match name {
        "Healthy" => {
            let least = i128::from(m.after.exchange().params.auto_exchange_threshold);
            let needed = named.is_some_and(|market| {
                let settles = m.was.dynamics[market].settling_since != 0;
                (settles || m.was.waiting(market) > 0) && holder.debts.share(market, holder.owed()) > 0
            });
            !standing.in_trouble() && holder.owed() <= least && !needed
        }
        "WrongAccount" => vault == 0,
        "NotTheWorst" | "NoPosition" | "Overflow" | "AccountMissing" | "Settling" => false,
        _ => true,
    }
}

fn resolved(m: &Moment<'_>, (account, market): (usize, usize), name: &str) -> bool {
    let Some(holder) = m.was.holders[account] else { return true };
    // A claim is paid first, as far as its market can; what is left counts, on a market that settles for a week.
    let claims: i128 = holder.positions.iter().flatten().map(|held| held.q).sum();
    let sold = holder.collaterals.iter().all(|amount| *amount == 0);
    let certain = holder.owed() > claims && sold && !holder.has_positions();
    let possible = sold && !holder.has_positions() && holder.quote < 0;
    match name {
        "NotBankrupt" => !certain,
        "NoDebtHere" => possible && holder.debts.lost[market] == [0, 0],
        _ => possible,
    }
}

fn deleveraged(m: &Moment<'_>, (account, market): (usize, usize), name: &str) -> bool {
    let ledger = accrued(m, market);
    let held = ledger.holders[account].and_then(|h| h.positions[market]);
    let skew = ledger.skew(market);
    match name {
        "NoPosition" => held.is_none_or(|held| held.b == 0),
        "LighterSide" => held.is_some_and(|held| sign(held.side) != skew.signum()),
        "Settling" => ledger.dynamics[market].settling_since != 0,
        "NotExposed" => {
            let params = &m.after.market(market).core.params.deleverage;
            let mark = ledger.dynamics[market].mark();
            let profit = ledger.tills[market].cash - ledger.equity(market, &mark);
            let worth = crate::walk::exact::worth_ceil(skew.abs(), mark.price >> 16);
            let till = &ledger.tills[market];
            let above = |share, cap: i128| profit > ppm(till.payable(), share) || worth > cap;
            !(skew != 0 && above(params.profit_high_ppm, params.inventory_cap.into()))
        }
        _ => true,
    }
}

fn rebalanced(m: &Moment<'_>, market: usize, name: &str) -> bool {
    let ledger = accrued(m, market);
    let mark = ledger.dynamics[market].mark();
    let average = mark.at(bits(m.before.market(market).core.oracle.ema));
    let equity = ledger.equity(market, &mark).max(ledger.equity(market, &average));
    match name {
        "NotExhausted" => equity >= 0,
        "NoWinners" => equity < 0,
        "Settling" => ledger.dynamics[market].settling_since != 0,
        _ => true,
    }
}

fn settled(m: &Moment<'_>, (account, market): (usize, usize), name: &str) -> bool {
    let holder = m.was.holders[account].unwrap_or_default();
    let settling = m.was.dynamics[market].settling_since != 0;
    let positions = m.was.tills[market].positions;
    match name {
        "NoPosition" => holder.positions[market].is_none() && holder.debts.held[market] == 0,
        "ClaimsWait" => settling && (positions > 0 || m.was.tills[market].unbacked > 0),
        _ => true,
    }
}
