//! Decimal amounts and prices to the integers of the program and back.
//!
//! Nothing here is a float: text goes in, integers come out, and what does not fit exactly is refused.

use bulwark_engine::units::Price;
use thiserror::Error;

/// Why a number can't be converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UnitError {
    /// Not a plain decimal number.
    #[error("not a decimal number")]
    NotANumber,
    /// More decimals than the unit has.
    #[error("more than {0} decimals")]
    TooPrecise(u8),
    /// Too large, or outside the range of prices.
    #[error("out of range")]
    OutOfRange,
}

/// Smallest units of a decimal amount: `parse_amount("1.5", 6)` is 1 500 000.
///
/// # Errors
/// [`UnitError`].
pub fn parse_amount(text: &str, decimals: u8) -> Result<u64, UnitError> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) {
        return Err(UnitError::NotANumber);
    }
    let missing = usize::from(decimals).checked_sub(fraction.len()).ok_or(UnitError::TooPrecise(decimals))?;
    let all = format!("{whole}{fraction}{}", "0".repeat(missing));
    all.parse().map_err(|_| UnitError::OutOfRange)
}

/// Smallest units of an amount as files of settings write it: with underscores wherever they help, and `max` for the largest
/// number. `read_amount("10_000.50", 6)` is 10 000 500 000.
///
/// # Errors
/// [`UnitError`].
pub fn read_amount(text: &str, decimals: u8) -> Result<u64, UnitError> {
    if text == "max" { Ok(u64::MAX) } else { parse_amount(&text.replace('_', ""), decimals) }
}

/// Decimal form of an amount of smallest units: `format_amount(-1_500_000, 6)` is `-1.500000`.
#[must_use]
pub fn format_amount(amount: i64, decimals: u8) -> String {
    let width = usize::from(decimals) + 1;
    let digits = format!("{:0width$}", amount.unsigned_abs());
    let (whole, fraction) = digits.split_at(digits.len() - usize::from(decimals));
    let sign = if amount < 0 { "-" } else { "" };
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// Price per lot (Q32.32) of a decimal price per whole base, rounded down.
///
/// # Errors
/// [`UnitError`].
pub fn parse_price(text: &str, quote_decimals: u8, lot_decimals: u8) -> Result<Price, UnitError> {
    const PRECISION: u8 = 9;
    let scaled = u128::from(parse_amount(text, PRECISION)?) << 32;
    let exponent = i32::from(quote_decimals) - i32::from(lot_decimals) - i32::from(PRECISION);
    let power = 10_u128.checked_pow(exponent.unsigned_abs()).ok_or(UnitError::OutOfRange)?;
    let bits = if exponent < 0 { scaled.checked_div(power) } else { scaled.checked_mul(power) };
    let bits = bits.and_then(|b| u64::try_from(b).ok()).ok_or(UnitError::OutOfRange)?;
    Price::from_bits(bits).map_err(|_| UnitError::OutOfRange)
}

/// Decimal price per whole base of a price per lot, rounded down to `decimals`.
#[must_use]
pub fn format_price(price: Price, (quote_decimals, lot_decimals): (u8, u8), decimals: u8) -> String {
    let exponent = i32::from(lot_decimals) + i32::from(decimals) - i32::from(quote_decimals);
    let bits = u128::from(price.to_bits());
    let power = 10_u128.saturating_pow(exponent.unsigned_abs());
    let scaled = if exponent < 0 { bits / power } else { bits.saturating_mul(power) };
    // Half a step of the last digit, so that a price that was rounded down on its way in reads as it went in.
    let units = (scaled + (1 << 31)) >> 32;
    i64::try_from(units).map_or_else(|_| "out of range".into(), |u| format_amount(u, decimals))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_go_in_and_out_exactly() {
        assert_eq!(parse_amount("1.5", 6), Ok(1_500_000));
        assert_eq!(parse_amount(".5", 1), Ok(5));
        assert_eq!(parse_amount("7", 0), Ok(7));
        assert_eq!(parse_amount("1.23", 1), Err(UnitError::TooPrecise(1)));
        assert_eq!(parse_amount("99999999999999999999", 0), Err(UnitError::OutOfRange));
        for bad in ["", ".", "-1", "1e3", "1.2.3", "１"] {
            assert_eq!(parse_amount(bad, 6), Err(UnitError::NotANumber), "{bad}");
        }
        assert_eq!(format_amount(-1_500_000, 6), "-1.500000");
        assert_eq!(format_amount(5, 6), "0.000005");
        assert_eq!(format_amount(5, 0), "5");
        assert_eq!(format_amount(i64::MIN, 6), "-9223372036854.775808");
    }

    #[test]
    fn settings_may_have_underscores_and_no_limit() {
        assert_eq!(read_amount("10_000.50", 6), Ok(10_000_500_000));
        assert_eq!(read_amount("max", 6), Ok(u64::MAX));
        for bad in ["", "_", "maximal", "-1"] {
            assert_eq!(read_amount(bad, 6), Err(UnitError::NotANumber), "{bad}");
        }
    }

    #[test]
    fn prices_go_in_and_out_to_the_precision_of_the_program() {
        // SOL: 150 USDC, 10^-9 SOL a lot: 0.15 units.
        let sol = parse_price("150", 6, 9).unwrap();
        assert_eq!(sol.to_bits(), (15_u64 << 32) / 100);
        assert_eq!(format_price(sol, (6, 9), 2), "150.00");
        let btc = parse_price("60123.45", 6, 11).unwrap();
        assert_eq!(format_price(btc, (6, 11), 2), "60123.45");
        assert_eq!(parse_price("0", 6, 9), Err(UnitError::OutOfRange));
    }
}
