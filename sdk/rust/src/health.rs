//! Health, PnL and quotes of a margin account, by the engine that the program runs.

use std::collections::BTreeMap;

use bulwark::state::{Exchange, MarginAccount, Market, Pool, Vault};
use bulwark_engine::margin::{Collateral, Directory, Health, HealthType};
use bulwark_engine::position::Position;
use bulwark_engine::trade::{Order, TradeReport};
use bulwark_engine::units::{NormalPrice, Quote, Side};
use bulwark_engine::{EngineError, shares};
use thiserror::Error;

/// Accounts that answers are computed from, borrowed from wherever the caller keeps them.
#[derive(Clone, Debug)]
pub struct Snapshot<'a> {
    /// The exchange.
    pub exchange: &'a Exchange,
    /// Markets by index.
    pub markets: BTreeMap<u16, &'a Market>,
    /// Vaults by index.
    pub vaults: BTreeMap<u16, &'a Vault>,
    /// Clock, unix seconds.
    pub now: i64,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HealthError {
    /// The snapshot lacks a market.
    #[error("market {0} is not in the snapshot")]
    UnknownMarket(u16),
    /// The snapshot lacks a vault.
    #[error("vault {0} is not in the snapshot")]
    UnknownVault(u16),
    /// The account has no slot left.
    #[error("all position slots are in use")]
    NoFreeSlot,
    /// What the engine says.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// What a trade would do, exactly as the program would do it at this state and clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preview {
    /// What would move.
    pub report: TradeReport,
    /// The position afterwards.
    pub position: Position,
}

impl Snapshot<'_> {
    /// Health of a whole account.
    ///
    /// # Errors
    /// [`HealthError`] if the snapshot lacks a leg or a price is not usable.
    pub fn health(&self, account: &MarginAccount, kind: HealthType) -> Result<Health, HealthError> {
        let legs = account.legs().health(&mut self.clone(), (kind, self.now))?;
        Ok(legs.plus(Health::of_quote(account.quote, self.exchange.quote_weight.at(self.now), kind)?)?)
    }

    /// PnL of a position at the live price, pending unwind applied, quote units rounded down.
    ///
    /// # Errors
    /// [`HealthError`].
    pub fn pnl(&self, position: &Position) -> Result<Quote, HealthError> {
        let market = &self.find_market(position.market)?.core;
        let ladder = market.book.side(position.side()?);
        Ok(ladder.member(position)?.pnl(NormalPrice::new(market.mark(), ladder.carry)?)?)
    }

    /// Quote units that pool shares are worth at the price that is worse for their holder, rounded down. Needs
    /// every market in the snapshot.
    ///
    /// # Errors
    /// [`HealthError`].
    pub fn share_value(&self, pool: &Pool, shares: u64) -> Result<u64, HealthError> {
        let mut nav = pool.idle;
        for index in 0..self.exchange.market_count {
            nav = shares::nav(nav, shares::value_for_redeem(&self.find_market(index)?.core)?)?;
        }
        Ok(shares::value(shares, nav, pool.junior.shares)?)
    }

    /// What an increase would do.
    ///
    /// # Errors
    /// What the engine refuses; margin, pause and market status are the program's to check.
    pub fn preview_open(
        &self,
        account: &MarginAccount,
        (market, side): (u16, Side),
        order: &Order,
    ) -> Result<Preview, HealthError> {
        let (mut account, mut market) = (*account, Box::new(*self.find_market(market)?));
        let slot = account.position_or_free(market.index, side).ok_or(HealthError::NoFreeSlot)?;
        let report = market.core.increase(slot, side, order)?;
        Ok(Preview { report, position: *slot })
    }

    /// What a decrease would do.
    ///
    /// # Errors
    /// What the engine refuses; margin, pause and market status are the program's to check.
    pub fn preview_close(
        &self,
        account: &MarginAccount,
        market: u16,
        order: &Order,
    ) -> Result<Preview, HealthError> {
        let (mut account, mut market) = (*account, Box::new(*self.find_market(market)?));
        let slot = account.position_mut(market.index).ok_or(EngineError::NoPosition)?;
        let report = market.core.decrease(slot, order)?;
        Ok(Preview { report, position: *slot })
    }

    fn find_market(&self, index: u16) -> Result<&Market, HealthError> {
        self.markets.get(&index).copied().ok_or(HealthError::UnknownMarket(index))
    }
}

impl Directory for Snapshot<'_> {
    type Error = HealthError;

    fn market(
        &mut self,
        index: u16,
        read: impl FnOnce(&bulwark_engine::market::Market) -> bulwark_engine::Result<Health>,
    ) -> Result<Health, HealthError> {
        Ok(read(&self.find_market(index)?.core)?)
    }

    fn collateral(
        &mut self,
        index: u16,
        read: impl FnOnce(&Collateral) -> bulwark_engine::Result<Health>,
    ) -> Result<Health, HealthError> {
        let vault = self.vaults.get(&index).ok_or(HealthError::UnknownVault(index))?;
        Ok(read(&vault.core)?)
    }
}
