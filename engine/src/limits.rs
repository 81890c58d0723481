//! What may grow, and how far.
//!
//! Caps are checked on increases only: nothing here can stop anyone from reducing, closing or leaving. A
//! cap of zero forbids: every increase, or for the skew every one that makes it grow. Limits follow the market's own money, so a market that loses shrinks by itself.

use crate::market::Market;
use crate::units::{Lots, Quote, Side, ppm_floor};
use crate::{EngineError, Result};

/// The caps on an increase, judged by the book as it is after it: a side's open interest, the account's
/// share of it, skew against equity (unless the trade brought the skew nearer to zero), and the traders'
/// profit against cash.
///
/// # Errors
/// [`EngineError::OpenInterestCap`], [`EngineError::ShareCap`], [`EngineError::SkewCap`],
/// [`EngineError::ProfitCap`].
pub fn require_caps(market: &Market, (side, position): (Side, Lots), skew_before: Lots) -> Result<()> {
    let (params, book) = (&market.params, &market.book);
    let (lots, cap) = (book.side(side).lots, ppm_floor(params.max_oi, market.oi_scale_ppm)?);
    if lots > cap {
        return Err(EngineError::OpenInterestCap { lots, cap });
    }
    let cap = ppm_floor(lots, params.max_share_ppm)?;
    if position.count() > cap && (lots > params.share_floor || params.max_share_ppm == 0) {
        return Err(EngineError::ShareCap { lots: position.count(), cap });
    }
    let profit = book.traders_pnl(market.mark())?;
    let equity = Quote::from_units(book.payable())?.minus(profit)?.units_or_zero();
    let skew = book.skew()?.count();
    let (notional, cap) = (market.mark().mul_ceil(skew)?, ppm_floor(equity, params.max_skew_ppm)?);
    if skew > skew_before.count() && notional > cap {
        return Err(EngineError::SkewCap { notional, cap });
    }
    let (profit, cap) = (profit.units_or_zero(), ppm_floor(book.payable(), params.profit_cap_ppm)?);
    if profit > cap || params.profit_cap_ppm == 0 {
        return Err(EngineError::ProfitCap { profit, cap });
    }
    Ok(())
}

/// `balance + amount`.
///
/// # Errors
/// [`EngineError::Overflow`].
pub fn credit(balance: u64, amount: u64) -> Result<u64> {
    balance.checked_add(amount).ok_or(EngineError::Overflow)
}

/// `balance − amount`.
///
/// # Errors
/// [`EngineError::InsufficientBalance`].
pub fn shrink(balance: u64, amount: u64) -> Result<u64> {
    balance.checked_sub(amount).ok_or(EngineError::InsufficientBalance { balance, needed: amount })
}
