//! Pool money goes where its target says, and a loss is not refilled.
//!
//! Idle cash becomes a market's cash up to the market's share of the net asset value. What a market was
//! lent and has not given back is its `committed` principal; giving back realised profit, cash beyond that
//! principal, does not lower it. Room is
//! measured against the larger of that and its equity, so a market that lost its cash is not topped up by
//! itself, and all that a manipulated market can take from the pool is its target (I17).

use crate::market::Market;
use crate::units::{PPM, Quote, ppm_floor};
use crate::wide::{self, Round};
use crate::{EngineError, Result};

/// Equity that the market should have: its weight of the net asset value, rounded down; nothing unless active.
///
/// # Errors
/// [`EngineError::Overflow`] never for a valid weight.
pub fn target(market: &Market, nav: u64, active: bool) -> Result<u64> {
    if active { ppm_floor(nav, market.params.target_weight_ppm) } else { Ok(0) }
}

/// Moves money between `idle` and the market's cash towards `target` equity. Returns what moved: into the
/// market > 0, back to the pool < 0.
///
/// # Errors
/// [`EngineError::Settling`] until a settling market has paid everybody, [`EngineError::Overflow`].
pub fn allocate(market: &mut Market, idle: &mut u64, target: u64) -> Result<Quote> {
    if market.is_settling() && !market.book.is_settled()? {
        return Err(EngineError::Settling); // what is there may be the traders'
    }
    let [equity, highest] = market.book.equity_range(market.oracle.strict())?;
    let (book_cash, lent) = (market.book.cash, market.book.committed);
    let room = target.saturating_sub(highest.max(lent)).min(*idle);
    let (change, cash, left, committed) = if room > 0 {
        let change = Quote::from_units(room)?;
        (change, book_cash.checked_add(room), idle.checked_sub(room), lent.checked_add(room))
    } else {
        let excess = equity.saturating_sub(target.max(needed(market)?)).min(market.book.payable());
        let principal = excess.saturating_sub(book_cash.saturating_sub(lent)); // realised profit goes first
        let change = Quote::ZERO.minus(Quote::from_units(excess)?)?;
        let committed = Some(lent.saturating_sub(principal));
        (change, book_cash.checked_sub(excess), idle.checked_add(excess), committed)
    };
    market.book.cash = cash.ok_or(EngineError::Overflow)?;
    *idle = left.ok_or(EngineError::Overflow)?;
    market.book.committed = committed.ok_or(EngineError::Overflow)?;
    Ok(change)
}

/// Equity that the market's skew needs at its cap, quote units, rounded up; everything if the cap is zero.
fn needed(market: &Market) -> Result<u64> {
    let skew = market.oracle.strict().high.mul_ceil(market.book.skew()?.count())?;
    match (skew, market.params.max_skew_ppm) {
        (0, _) => Ok(0),
        (_, 0) => Ok(u64::MAX),
        (skew, cap) => wide::mul_div(skew, PPM, u64::from(cap), Round::Up),
    }
}
