//! What is missing of the prices that a step is judged by.

use bulwark_sdk::address;
use bulwark_sdk::engine::EngineError;
use bulwark_sdk::engine::market::{Market, MarketParams};
use bulwark_sdk::engine::price::{OracleState, Reading};
use bulwark_sdk::program::oracle::OracleSource;
use bulwark_sdk::program::state::{ChangePayload, MarketStatus};
use bulwark_sdk::units::format_amount;
use bytemuck::Zeroable;

use super::Planner;
use crate::state::State;

impl Planner<'_> {
    /// What is missing of the prices that an execution needs.
    pub(super) fn price_for(&self, payload: &ChangePayload) -> Option<String> {
        match payload {
            ChangePayload::MarketStatus { market, status: MarketStatus::Active, .. } => {
                let market = self.file.markets.iter().find(|file| file.index == *market)?;
                let decimals = market.params.lot_decimals;
                self.too_old(&market.sources, decimals, market.params.oracle.max_margin_age)
            }
            ChangePayload::MarketSources { market, sources } => {
                let params = &self.deployed.markets.get(market)?.core.params;
                self.too_old(sources, params.lot_decimals, params.oracle.max_margin_age)
            }
            ChangePayload::VaultSources { vault, sources } => {
                let vault = self.deployed.vaults.get(vault)?;
                self.too_old(sources, vault.decimals, vault.core.params.oracle.max_margin_age)
            }
            _ => None,
        }
    }

    /// What is missing of the prices that a listing needs, or wrong with a lot at them.
    pub(super) fn price_for_listing(&self, payload: &ChangePayload) -> Option<String> {
        match payload {
            ChangePayload::CreateMarket { sources, params } => self
                .too_old(sources, params.lot_decimals, params.oracle.max_margin_age)
                .or_else(|| lot_refused(self.state, (sources, params), self.file.quote.decimals)),
            ChangePayload::CreateVault { mint, sources, params } => {
                let decimals = self.state.mints.get(mint)?.decimals;
                self.too_old(sources, decimals, params.oracle.max_margin_age)
            }
            _ => None,
        }
    }

    /// Which of the sources has no price, or one that is older than `limit` seconds.
    pub(super) fn too_old(&self, sources: &[OracleSource; 2], decimals: u8, limit: u32) -> Option<String> {
        sources.iter().filter(|source| source.is_some()).find_map(|source| {
            let account = address::oracle(source)?;
            match self.state.reading(source, (self.file.quote.decimals, decimals)) {
                None => Some(format!("the oracle account {account} has no price")),
                Some(reading) => {
                    let age = self.state.now.saturating_sub(reading.publish_time);
                    (age > i64::from(limit)).then(|| {
                        format!(
                            "the price in oracle account {account} is {age} s old, at most {limit} s count"
                        )
                    })
                }
            }
        })
    }
}

/// Why a market could not be created at the price of its primary source: the worth of a lot is decided for good.
pub(crate) fn lot_refused(
    state: &State,
    (sources, params): (&[OracleSource; 2], &MarketParams),
    quote: u8,
) -> Option<String> {
    let Some(reading) = state.reading(&sources[0], (quote, params.lot_decimals)) else {
        return Some("its primary oracle has no price".to_string());
    };
    is_refused(params, &reading).then(|| describe(params.lot_decimals, &reading, quote))
}

/// Whether the engine would refuse the worth of a lot.
fn is_refused(params: &MarketParams, reading: &Reading) -> bool {
    let created = Market::zeroed().initialize(params, OracleState::first(reading));
    matches!(created, Err(EngineError::ParameterOutOfBounds { name, .. }) if name.starts_with("worth of a lot"))
}

/// Price and worth in decimals.
fn describe(lot_decimals: u8, reading: &Reading, quote: u8) -> String {
    let bits = u128::from(reading.price.to_bits());
    let show = |scaled: u128, decimals| {
        let amount = i64::try_from(scaled >> 32).unwrap_or(i64::MAX);
        format_amount(amount, decimals)
    };
    let price = show(bits.saturating_mul(10_u128.saturating_pow(lot_decimals.into())), quote);
    let worth = show(bits.saturating_mul(1_000_000), 6);
    let other = if bits > 1 << 32 { "more" } else { "fewer" };
    format!(
        "at the price {price} a lot of 10^-{lot_decimals} is worth {worth} units of the quote token, it must be worth 0.01 to 1: \
         choose {other} lot_decimals"
    )
}

#[cfg(test)]
mod tests {
    use bulwark_sdk::engine::price::{Print, normalise};
    use bulwark_tests::fixtures::BTC_ASSET;

    use super::*;

    fn refused(lot_decimals: u8, price: u64) -> Option<String> {
        let params = MarketParams { lot_decimals, ..BTC_ASSET.market_params() };
        params.validate().unwrap();
        let print = Print { price, conf: 0, exponent: 0, publish_time: 1 };
        let reading = normalise(&print, 6, lot_decimals).unwrap();
        is_refused(&params, &reading).then(|| describe(lot_decimals, &reading, 6))
    }

    #[test]
    fn a_lot_is_worth_a_hundredth_to_one() {
        let said = refused(11, 120_000).unwrap();
        assert!(
            said.contains("at the price 119999.99") && said.contains("is worth 1.199999 units"),
            "{said}"
        );
        assert!(said.ends_with("choose more lot_decimals"), "{said}");
        assert!(refused(12, 9_900).unwrap().ends_with("choose fewer lot_decimals"));
        for (lot_decimals, price) in [(11, 99_999), (11, 1_001), (12, 10_001), (12, 120_000), (12, 999_999)] {
            assert_eq!(refused(lot_decimals, price), None, "{lot_decimals} at {price}");
        }
    }
}
