//! Products wider than 64 bits.
//!
//! A product of two 64-bit words always fits 128 bits, so multiplying first and dividing last loses
//! nothing until the division, which says how it rounds. Divisors are kept to 64 bits: a 128-bit divisor
//! costs hundreds of instructions on the chain, a 64-bit one a few dozen.

use crate::{EngineError, Result};

/// Which way a division rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Round {
    /// Towards zero.
    Down,
    /// Away from zero.
    Up,
}

/// `a · b`, exact.
#[must_use]
pub fn product(a: u64, b: u64) -> u128 {
    u128::from(a).wrapping_mul(u128::from(b)) // (2^64 − 1)^2 < 2^128
}

/// `a · b`, exact.
#[must_use]
pub fn product_signed(a: i64, b: i64) -> i128 {
    i128::from(a).wrapping_mul(i128::from(b)) // 2^63 · 2^63 < 2^127
}

/// `value / 2^bits` for `bits` below 64.
///
/// # Errors
/// [`EngineError::Overflow`] if the result does not fit 64 bits.
pub fn shift_right(value: u128, bits: u32, round: Round) -> Result<u64> {
    let quotient = u64::try_from(value.wrapping_shr(bits)).map_err(|_| EngineError::Overflow)?;
    let lost = round == Round::Up && low(value).unbounded_shl(64_u32.wrapping_sub(bits)) != 0;
    quotient.checked_add(u64::from(lost)).ok_or(EngineError::Overflow)
}

/// `a · b / divisor`.
///
/// # Errors
/// [`EngineError::Overflow`] if the result does not fit or `divisor` is zero.
pub fn mul_div(a: u64, b: u64, divisor: u64, round: Round) -> Result<u64> {
    if b == divisor && divisor != 0 {
        return Ok(a);
    }
    let product = product(a, b);
    if divisor.is_power_of_two() {
        return shift_right(product, divisor.trailing_zeros(), round);
    }
    let quotient = if let Ok(small) = u64::try_from(product) {
        u128::from(small.checked_div(divisor).ok_or(EngineError::Overflow)?)
    } else {
        product.checked_div(u128::from(divisor)).ok_or(EngineError::Overflow)?
    };
    let quotient = u64::try_from(quotient).map_err(|_| EngineError::Overflow)?;
    let lost = round == Round::Up && self::product(quotient, divisor) != product;
    quotient.checked_add(u64::from(lost)).ok_or(EngineError::Overflow)
}

/// `a · b / divisor` for a signed `a`, rounded towards −∞.
///
/// # Errors
/// As [`mul_div`].
pub fn mul_div_floor_signed(a: i64, b: u64, divisor: u64) -> Result<i64> {
    let round = if a < 0 { Round::Up } else { Round::Down };
    with_sign(mul_div(a.unsigned_abs(), b, divisor, round)?, a < 0)
}

/// `a · b / divisor` for a signed `a`, rounded towards +∞.
///
/// # Errors
/// As [`mul_div`].
pub fn mul_div_ceil_signed(a: i64, b: u64, divisor: u64) -> Result<i64> {
    let round = if a < 0 { Round::Down } else { Round::Up };
    with_sign(mul_div(a.unsigned_abs(), b, divisor, round)?, a < 0)
}

/// `a · b / (divisor · 2^32)` for a 128-bit `a`: the exact 192-bit product is divided limb by limb.
///
/// # Errors
/// [`EngineError::Overflow`] if the result does not fit 64 bits or `divisor` is zero.
pub fn mul_div_wide(a: u128, b: u64, divisor: u64, round: Round) -> Result<u64> {
    let bottom = product(low(a), b);
    let top = product(high(a), b).wrapping_add(u128::from(high(bottom))); // < 2^128: (2^64−1)^2 + 2^64
    let (quotient_top, rest) = div_rem(u128::from(high(top)), divisor)?;
    let (quotient_mid, rest) = div_rem(join(low(top), rest), divisor)?;
    let (quotient_low, rest) = div_rem(join(low(bottom), rest), divisor)?;
    if quotient_top != 0 || quotient_mid >> 32 != 0 {
        return Err(EngineError::Overflow);
    }
    let exact = rest == 0;
    let quotient = shift_right(join(quotient_low, quotient_mid), 32, Round::Down)?;
    let lost = round == Round::Up && !(exact && quotient_low.trailing_zeros() >= 32);
    quotient.checked_add(u64::from(lost)).ok_or(EngineError::Overflow)
}

/// `−value` or `value`.
///
/// # Errors
/// [`EngineError::Overflow`] if the result does not fit.
pub fn with_sign(value: u64, negative: bool) -> Result<i64> {
    let signed = if negative { 0_i64.checked_sub_unsigned(value) } else { 0_i64.checked_add_unsigned(value) };
    signed.ok_or(EngineError::Overflow)
}

/// Quotient and remainder of a dividend below `divisor · 2^64`.
fn div_rem(dividend: u128, divisor: u64) -> Result<(u64, u64)> {
    if let Ok(small) = u64::try_from(dividend) {
        let quotient = small.checked_div(divisor).ok_or(EngineError::Overflow)?;
        return Ok((quotient, small.wrapping_sub(quotient.wrapping_mul(divisor))));
    }
    let quotient = dividend.checked_div(u128::from(divisor)).ok_or(EngineError::Overflow)?;
    let quotient = u64::try_from(quotient).map_err(|_| EngineError::Overflow)?;
    let rest = dividend.wrapping_sub(product(quotient, divisor));
    Ok((quotient, low(rest)))
}

/// Low word.
#[must_use]
#[allow(clippy::as_conversions, reason = "truncation is what this function is for")]
pub const fn low(value: u128) -> u64 {
    value as u64
}

/// High word.
#[must_use]
pub const fn high(value: u128) -> u64 {
    low(value >> 64)
}

/// The value with these words.
#[must_use]
pub fn join(low: u64, high: u64) -> u128 {
    u128::from(high) << 64 | u128::from(low)
}

/// Two's complement of the words.
pub(crate) fn join_signed(low: u64, high: u64) -> i128 {
    i128::from_le_bytes(join(low, high).to_le_bytes())
}

/// Words of the two's complement, low first.
pub(crate) fn split_signed(value: i128) -> [u64; 2] {
    let value = u128::from_le_bytes(value.to_le_bytes());
    [low(value), high(value)]
}
