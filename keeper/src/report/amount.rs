//! Amounts of money as a report carries them.
//!
//! Quote units are whole numbers beyond what JSON's numbers hold exactly, so they are strings of digits there, and decimal
//! amounts for people. The engine has computed them; here they are only added up and written down. So are prices, with as
//! many digits as the program's form of them is good for.

use std::iter::Sum;

use bulwark_sdk::engine::units::{Price, Quote};
use bulwark_sdk::units::{format_amount, format_price};
use serde::{Serialize, Serializer};

/// A signed sum of smallest units of a token; of the quote token where nothing else is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(pub i128);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Decimal form: `1500000` of six decimals is `1.500000`.
    #[must_use]
    pub fn text(self, decimals: u8) -> String {
        i64::try_from(self.0).map_or_else(|_| "out of range".into(), |units| format_amount(units, decimals))
    }

    /// Adds to it; a sum beyond 128 bits stays at the largest there is.
    pub fn add(&mut self, other: impl Into<Self>) {
        self.0 = self.0.saturating_add(other.into().0);
    }

    /// `self − other`.
    #[must_use]
    pub fn minus(self, other: impl Into<Self>) -> Self {
        Self(self.0.saturating_sub(other.into().0))
    }
}

impl From<i64> for Amount {
    fn from(units: i64) -> Self {
        Self(units.into())
    }
}

impl From<u64> for Amount {
    fn from(units: u64) -> Self {
        Self(units.into())
    }
}

impl From<Quote> for Amount {
    fn from(quote: Quote) -> Self {
        quote.0.into()
    }
}

impl Sum for Amount {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        let mut sum = Self::ZERO;
        amounts.for_each(|amount| sum.add(amount));
        sum
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// `part / whole` in ppm, rounded down, for printing. `None` of nothing; clamped to what JSON's numbers hold exactly.
#[must_use]
pub fn ratio_ppm(part: Amount, whole: Amount) -> Option<i64> {
    const EXACT: i128 = 1 << 53;
    let scaled = part.0.saturating_mul(1_000_000).checked_div_euclid(whole.0)?;
    i64::try_from(scaled.clamp(-EXACT, EXACT)).ok()
}

/// A share in ppm as per cent: `-12500` is `-1.2500 %`.
#[must_use]
pub fn percent(ppm: i64) -> String {
    format!("{} %", format_amount(ppm, 4))
}

/// A price per whole base with nine digits or eight decimals; `decimals` are those of the quote token and of a lot.
#[must_use]
pub fn price_text(price: Price, decimals: (u8, u8)) -> String {
    const DIGITS: usize = 9;
    let whole = format_price(price, decimals, 0).len();
    format_price(price, decimals, u8::try_from(DIGITS.saturating_sub(whole)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use bulwark_sdk::units::parse_price;

    use super::*;

    #[test]
    fn a_price_reads_as_it_went_in_and_has_no_digit_that_rounding_made() {
        for (text, lot_decimals) in [("60000.0000", 11), ("150.000000", 9), ("0.00001234", 0)] {
            assert_eq!(price_text(parse_price(text, 6, lot_decimals).unwrap(), (6, lot_decimals)), text);
        }
    }

    #[test]
    fn amounts_are_decimals_for_people_and_strings_of_units_in_json() {
        let amount = Amount::from(u64::MAX);
        assert_eq!(serde_json::to_string(&amount).unwrap(), "\"18446744073709551615\"");
        assert_eq!(amount.text(6), "out of range");
        assert_eq!(Amount::from(-1_500_000_i64).text(6), "-1.500000");
        assert_eq!([1_i64, -3].map(Amount::from).into_iter().sum::<Amount>(), Amount(-2));
    }

    #[test]
    fn ratios_round_down_and_of_nothing_there_is_none() {
        assert_eq!(ratio_ppm(Amount(1), Amount(3)), Some(333_333));
        assert_eq!(ratio_ppm(Amount(-1), Amount(3)), Some(-333_334));
        assert_eq!(ratio_ppm(Amount(1), Amount::ZERO), None);
        assert_eq!(ratio_ppm(Amount(i128::MAX), Amount(1)), Some(1 << 53));
        assert_eq!(percent(-12_500), "-1.2500 %");
    }
}
