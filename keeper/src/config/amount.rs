//! Amounts of money as people write them, until the exchange says how many decimals its quote token has.
//!
//! An amount is a decimal number in quotes, of whole quote tokens: `"10_000.50"`. It is no float anywhere. What it is in quote
//! units is known once the exchange was read: [`Config::amounts`].

use std::fmt::{self, Display};
use std::str::FromStr;

use bulwark_sdk::units::{UnitError, read_amount};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Config, ConfigError, text};

/// No token has more decimals than this.
const MOST_DECIMALS: u8 = 18;

/// An amount of whole quote tokens, in decimal, without underscores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amount(String);

/// Text that is no amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no amount: write a decimal number of quote tokens in quotes, such as \"10_000.50\", or \"max\""
)]
pub struct NoAmount(String);

impl Amount {
    /// Quote units of it.
    ///
    /// # Errors
    /// [`UnitError`] when the quote token has fewer decimals, or the number is too large.
    pub fn in_units(&self, decimals: u8) -> Result<u64, UnitError> {
        read_amount(&self.0, decimals)
    }
}

impl FromStr for Amount {
    type Err = NoAmount;

    fn from_str(text: &str) -> Result<Self, NoAmount> {
        match read_amount(text, MOST_DECIMALS) {
            // What is too long for eighteen decimals may be fine for the token's own.
            Ok(_) | Err(UnitError::OutOfRange) => Ok(Self(text.replace('_', ""))),
            Err(_) => Err(NoAmount(text.to_string())),
        }
    }
}

impl From<u32> for Amount {
    fn from(whole: u32) -> Self {
        Self(whole.to_string())
    }
}

impl Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        text::read(from)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// All amounts of the configuration in quote units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amounts {
    /// `limits.min_profit`.
    pub min_profit: u64,
    /// `limits.max_takeover`.
    pub max_takeover: u64,
    /// `limits.max_inventory`.
    pub max_inventory: u64,
    /// `limits.min_free_margin`.
    pub min_free_margin: u64,
    /// `limits.max_collateral`.
    pub max_collateral: u64,
    /// `allocate.min_amount`.
    pub min_allocation: u64,
    /// `sweep.min_fees`.
    pub min_fees: u64,
    /// `fees.sol_price`: quote units per whole SOL.
    pub sol_price: Option<u64>,
}

impl Config {
    /// All amounts in units of a quote token with so many decimals.
    ///
    /// # Errors
    /// [`ConfigError::Wrong`] with every amount that the token cannot express.
    pub fn amounts(&self, decimals: u8) -> Result<Amounts, ConfigError> {
        let mut problems = Vec::new();
        let mut units = |key: &str, amount: &Amount| {
            amount.in_units(decimals).unwrap_or_else(|error| {
                let token = "the quote token of this exchange";
                problems.push(format!("{key}: \"{amount}\": {error} for {token}, which has {decimals}"));
                0
            })
        };
        let limits = &self.limits;
        let amounts = Amounts {
            min_profit: units("limits.min_profit", &limits.min_profit),
            max_takeover: units("limits.max_takeover", &limits.max_takeover),
            max_inventory: units("limits.max_inventory", &limits.max_inventory),
            min_free_margin: units("limits.min_free_margin", &limits.min_free_margin),
            max_collateral: units("limits.max_collateral", &limits.max_collateral),
            min_allocation: units("allocate.min_amount", &self.allocate.min_amount),
            min_fees: units("sweep.min_fees", &self.sweep.min_fees),
            sol_price: self.fees.sol_price.as_ref().map(|price| units("fees.sol_price", price)),
        };
        if problems.is_empty() { Ok(amounts) } else { Err(ConfigError::Wrong(problems)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_become_units_of_the_token_that_the_exchange_has() {
        let mut config = Config::default();
        config.limits.max_takeover = "50_000.5".parse().unwrap();
        config.limits.max_inventory = "max".parse().unwrap();
        config.fees.sol_price = Some("150".parse().unwrap());
        let amounts = config.amounts(6).unwrap();
        assert_eq!(amounts.max_takeover, 50_000_500_000);
        assert_eq!((amounts.max_inventory, amounts.sol_price), (u64::MAX, Some(150_000_000)));
    }

    #[test]
    fn an_amount_that_the_token_cannot_express_is_named_with_all_others() {
        let mut config = Config::default();
        config.limits.min_profit = "0.001".parse().unwrap();
        config.sweep.min_fees = "99_999_999_999_999_999_999".parse().unwrap();
        let error = config.amounts(2).unwrap_err().to_string();
        assert!(error.contains("limits.min_profit") && error.contains("sweep.min_fees"), "{error}");
        assert!(error.contains("more than 2 decimals"), "{error}");
    }

    #[test]
    fn what_is_no_decimal_number_is_no_amount() {
        for bad in ["", "-1", "1e3", "1,5", "ten", "0.0000000000000000001"] {
            assert!(bad.parse::<Amount>().is_err(), "{bad}");
        }
    }
}
