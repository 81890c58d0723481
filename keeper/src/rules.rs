//! What the keeper may do, in the exchange's own units.

use anyhow::{Context as _, Result};

use crate::config::Config;

/// Limits and thresholds. Amounts are quote units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Least profit of paid work, after fees.
    pub min_profit: i64,
    /// Most worth of one takeover.
    pub max_takeover: u64,
    /// Most worth of positions that are kept; 0: none is.
    pub max_inventory: u64,
    /// Initial margin of the keeper's account that stays free.
    pub min_free_margin: u64,
    /// Most worth of bought collateral that is held.
    pub max_collateral: u64,
    /// Age at which a price in use is refreshed, seconds.
    pub max_age: i64,
    /// Change of a price that is taken in before that, ppm.
    pub min_move_ppm: u32,
    /// Least amount worth moving between pool and market.
    pub min_allocation: u64,
    /// Fees worth distributing.
    pub min_fees: u64,
    /// Quote units per whole SOL, if it is configured.
    pub sol_price: Option<u64>,
    /// Seconds after which less is distributed, too.
    pub max_fee_age: i64,
}

impl Rules {
    /// Of a configuration, for an exchange whose quote token has so many decimals.
    ///
    /// # Errors
    /// An amount that does not fit.
    pub fn new(config: &Config, decimals: u8) -> Result<Self> {
        let amounts = config.amounts(decimals)?;
        Ok(Self {
            min_profit: i64::try_from(amounts.min_profit).context("limits.min_profit")?,
            max_takeover: amounts.max_takeover,
            max_inventory: amounts.max_inventory,
            min_free_margin: amounts.min_free_margin,
            max_collateral: amounts.max_collateral,
            max_age: i64::try_from(config.refresh.max_age_secs).context("refresh.max_age_secs")?,
            min_move_ppm: config.refresh.min_move_ppm,
            min_allocation: amounts.min_allocation,
            min_fees: amounts.min_fees,
            sol_price: amounts.sol_price,
            max_fee_age: i64::try_from(config.sweep.max_age_secs).context("sweep.max_age_secs")?,
        })
    }
}
