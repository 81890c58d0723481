//! A share of the pool is worth its part of the net asset value.
//!
//! `NAV = idle + Σ max(E_m, 0)`, with every market valued at whichever of live price and average is worse
//! for who acts. Virtual shares and assets stop the first depositor from inflating the price (I12): to move
//! the price of a share by a factor an attacker must give away a thousand times what a victim could lose.

use crate::market::Market;
use crate::units::Quote;
use crate::wide::{self, Round};
use crate::{EngineError, Result};

/// Shares and quote units that exist in addition to the real ones.
pub const VIRTUAL: u64 = 1_000;

/// Shares that a deposit of `amount` mints at `nav` and `supply`, rounded down.
///
/// # Errors
/// [`EngineError::ZeroAmount`], [`EngineError::TooSmallForOneShare`], [`EngineError::Overflow`].
pub fn issue(amount: u64, nav: u64, supply: u64) -> Result<u64> {
    if amount == 0 {
        return Err(EngineError::ZeroAmount);
    }
    let shares = wide::mul_div(amount, with_virtual(supply)?, with_virtual(nav)?, Round::Down)?;
    if shares == 0 { Err(EngineError::TooSmallForOneShare) } else { Ok(shares) }
}

/// Quote units that `shares` are worth at `nav` and `supply`, rounded down.
///
/// # Errors
/// [`EngineError::Overflow`].
pub fn value(shares: u64, nav: u64, supply: u64) -> Result<u64> {
    wide::mul_div(shares, with_virtual(nav)?, with_virtual(supply)?, Round::Down)
}

/// What a market counts for when shares are issued: its equity at the price that is worse for a depositor, and
/// the pool's fees that were not swept yet, for they are earned already.
///
/// # Errors
/// [`EngineError::Overflow`].
pub fn value_for_issue(market: &Market) -> Result<u64> {
    let [_, highest] = market.book.equity_range(market.oracle.strict())?;
    highest.checked_add(market.book.fees.pool).ok_or(EngineError::Overflow)
}

/// What a market counts for when shares are redeemed or pool money is moved: its equity at the worse price.
///
/// # Errors
/// [`EngineError::Overflow`].
pub fn value_for_redeem(market: &Market) -> Result<u64> {
    let [lowest, _] = market.book.equity_range(market.oracle.strict())?;
    Ok(lowest)
}

/// Net asset value with one market more: start with the idle cash.
///
/// # Errors
/// [`EngineError::Overflow`] from 2^63 on.
pub fn nav(sum: u64, market: u64) -> Result<u64> {
    let sum = sum.checked_add(market).ok_or(EngineError::Overflow)?;
    Quote::from_units(sum).map(Quote::units_or_zero)
}

fn with_virtual(amount: u64) -> Result<u64> {
    amount.checked_add(VIRTUAL).ok_or(EngineError::Overflow)
}
