//! The exchange as it would be at other prices.
//!
//! A copy of everything that was read, in which prices are taken for sure, fresh and undisputed, and some of them are moved.
//! The engine then answers about the copy as it does about the chain: nothing here knows what a position is worth.
//!
//! If all markets move, the price of every volatile collateral moves likewise. If one market moves alone, the collaterals
//! move with it whose price comes from the same primary source: what falls as SOL-PERP falls is also the SOL that backs it.
//! The quote token stays what it is, and a market that settles stays at the price that it settles at.

use std::str::FromStr;

use bulwark_sdk::address;
use bulwark_sdk::engine::EngineError;
use bulwark_sdk::engine::price::OracleState;
use bulwark_sdk::engine::units::{PPM, Price};
use bulwark_sdk::engine::wide::{Round, mul_div};
use bulwark_sdk::program::oracle::OracleSource;
use bulwark_sdk::rpc::MarketContext;
use bulwark_sdk::view::sure;
use serde::Serialize;

/// Whose price moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Target {
    /// All markets, and volatile collateral with them.
    AllMarkets,
    /// One market, and collateral of the same primary price source.
    Market(u16),
}

/// A relative move of a price, whole per cent above −100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Shock(i32);

impl Shock {
    /// A move by so many per cent. `None` for one that leaves nothing of the price, and beyond +1000.
    #[must_use]
    pub fn percent(percent: i32) -> Option<Self> {
        (-99..=1_000).contains(&percent).then_some(Self(percent))
    }

    /// The price after it, rounded down.
    ///
    /// # Errors
    /// [`EngineError::PriceOutOfRange`] if the program has no such price.
    pub fn of(self, price: Price) -> Result<Price, EngineError> {
        let hundredths = u64::try_from(100_i32.saturating_add(self.0)).map_err(|_| EngineError::Overflow)?;
        let moved = mul_div(price.to_bits(), hundredths.saturating_mul(PPM / 100), PPM, Round::Down);
        Price::from_bits(moved.map_err(|_| EngineError::PriceOutOfRange)?)
    }
}

impl FromStr for Shock {
    type Err = String;

    /// Whole per cent with a sign or without: `-30`, `5`.
    fn from_str(text: &str) -> Result<Self, String> {
        let percent = text.trim().parse().ok().and_then(Self::percent);
        percent.ok_or_else(|| format!("{text:?} is no shock: name whole per cent from -99 to 1000"))
    }
}

impl std::fmt::Display for Shock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:+} %", self.0)
    }
}

/// A copy in which the last prices are taken for sure, fresh and undisputed.
#[must_use]
pub fn at_stored_prices(context: &MarketContext) -> MarketContext {
    let mut copy = context.clone();
    let now = copy.now;
    copy.markets.values_mut().for_each(|market| market.core.oracle = sure(market.core.oracle, now));
    copy.vaults.values_mut().for_each(|vault| vault.core.oracle = sure(vault.core.oracle, now));
    copy
}

/// A copy of [`at_stored_prices`] with the prices of a target moved, average included. What has no price there that the
/// program could take is left out, so that the engine says that it does not know about who depends on it.
#[must_use]
pub fn shocked(sure: &MarketContext, target: Target, shock: Shock) -> MarketContext {
    let mut copy = sure.clone();
    let moved = |oracle: &mut OracleState| {
        let prices = shock.of(oracle.price).and_then(|price| Ok((price, shock.of(oracle.ema)?)));
        prices.map(|(price, ema)| (oracle.price, oracle.ema) = (price, ema)).is_ok()
    };
    let source = match target {
        Target::AllMarkets => None,
        Target::Market(index) => sure.markets.get(&index).map(|market| market.sources[0]),
    };
    copy.markets.retain(|&index, market| {
        let meant = target == Target::AllMarkets || target == Target::Market(index);
        !meant || market.core.is_settling() || moved(&mut market.core.oracle)
    });
    copy.vaults.retain(|_, vault| {
        let meant = !vault.is_quote()
            && match source {
                None => target == Target::AllMarkets,
                Some(source) => is_same(&source, &vault.sources[0]),
            };
        !meant || moved(&mut vault.core.oracle)
    });
    copy
}

/// Whether two configured sources are the same one; no source is not.
fn is_same(one: &OracleSource, other: &OracleSource) -> bool {
    one == other && address::oracle(one).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shock_moves_a_price_by_its_per_cent_rounded_down() {
        let price = Price::from_bits(1_000_000_001 << 8).unwrap();
        let at = |percent| Shock::percent(percent).unwrap().of(price).map(Price::to_bits);
        assert_eq!(at(0), Ok(1_000_000_001 << 8));
        assert_eq!(at(-10), Ok(230_400_000_230));
        assert_eq!(at(25), Ok(320_000_000_320));
        assert_eq!(Shock::percent(-20).unwrap().of(Price::MIN), Err(EngineError::PriceOutOfRange));
        assert_eq!(Shock::percent(5).unwrap().of(Price::MAX), Err(EngineError::PriceOutOfRange));
    }

    #[test]
    fn a_price_can_not_fall_by_all_of_itself() {
        assert_eq!(Shock::percent(-100), None);
        assert_eq!(Shock::percent(1_001), None);
        assert_eq!(Shock::percent(5).unwrap().to_string(), "+5 %");
        assert_eq!("-30".parse(), Ok(Shock(-30)));
        for bad in ["", "-100", "5.5", "5%"] {
            assert!(bad.parse::<Shock>().unwrap_err().contains("whole per cent"), "{bad}");
        }
    }
}
