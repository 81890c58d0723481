//! Health, PnL and quotes of a margin account, by the engine that the program runs.

use std::collections::BTreeMap;

use bulwark::state::{Exchange, MarginAccount, Market, Pool, Vault};
use bulwark_engine::EngineError;
use bulwark_engine::auction::{Lot, Moment, Offer};
use bulwark_engine::collateral::Collateral;
use bulwark_engine::margin::{Directory, Health, HealthType};
use bulwark_engine::pool::{Nav, TrancheKind};
use bulwark_engine::position::Position;
use bulwark_engine::trade::{Order, TradeReport};
use bulwark_engine::units::{Lots, NormalPrice, Quote, Side};
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
#[derive(Clone, Debug)]
pub struct Preview {
    /// What would move.
    pub report: TradeReport,
    /// The position afterwards.
    pub position: Position,
    /// The account afterwards.
    pub account: Box<MarginAccount>,
    /// The market afterwards.
    pub market: Box<Market>,
}

/// What somebody wants to do with a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Increase it, or open one on this side.
    Open(Side),
    /// Decrease or close it.
    Close,
}

/// What the pool is exposed to in a market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolDelta {
    /// Signed lots that the pool is long or short.
    pub lots: Lots,
    /// Their worth at the live price, signed, quote units rounded towards zero.
    pub notional: Quote,
    /// The market's equity at the live price, quote units.
    pub equity: Quote,
}

/// An account that can be liquidated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Distress {
    /// Its health at the live prices.
    pub health: Health,
    /// Where its auction is, if it is called now.
    pub moment: Moment,
    /// Market of the position that has to go first; `None` without positions: then collateral is sold.
    pub first: Option<u16>,
}

impl Snapshot<'_> {
    /// Health of a whole account.
    ///
    /// # Errors
    /// [`HealthError`] if the snapshot lacks a leg or a price is not usable.
    pub fn health(&self, account: &MarginAccount, kind: HealthType) -> Result<Health, HealthError> {
        let mut portfolio = account.legs().portfolio(&mut &*self, (kind, self.now))?;
        let weight = self.exchange.quote_weight.at(self.now);
        portfolio.add(Health::of_quote(account.quote, weight, kind)?)?;
        Ok(portfolio.health(&self.exchange.params.risk_groups)?)
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

    /// What the pool is worth, from every market.
    ///
    /// # Errors
    /// [`HealthError`] if the snapshot lacks a market.
    pub fn nav(&self, pool: &Pool) -> Result<Nav, HealthError> {
        let markets = self.exchange.markets().map(|index| self.find_market(index));
        markets
            .into_iter()
            .try_fold(Nav::of_pool(&pool.core), |nav, market| Ok(nav.plus_market(&market?.core)?))
    }

    /// Quote units that shares of a tranche are worth at the price that is worse for their holder, rounded down. Needs
    /// every market in the snapshot.
    ///
    /// # Errors
    /// [`HealthError`].
    pub fn share_value(&self, pool: &Pool, tranche: TrancheKind, shares: u64) -> Result<u64, HealthError> {
        let mut core = pool.core;
        core.accrue(self.now);
        Ok(core.share_value(tranche, shares, self.nav(pool)?.low)?)
    }

    /// What the pool is exposed to in a market: the opposite of what its traders hold together. A hedger takes the other
    /// side of it elsewhere.
    ///
    /// # Errors
    /// [`HealthError`].
    pub fn pool_delta(&self, market: u16) -> Result<PoolDelta, HealthError> {
        let core = &self.find_market(market)?.core;
        let lots = core.book.skew()?.negated();
        let worth = Quote::from_units(core.mark().mul_floor(lots.count())?)?;
        let notional = if lots.0 < 0 { Quote::ZERO.minus(worth)? } else { worth };
        Ok(PoolDelta { lots, notional, equity: core.book.equity(core.mark())? })
    }

    /// Sum of [`Snapshot::pool_delta`] over every market, quote units: what the pool gains if every price doubles, to
    /// first order.
    ///
    /// # Errors
    /// [`HealthError`].
    pub fn total_pool_delta(&self) -> Result<Quote, HealthError> {
        self.exchange
            .markets()
            .try_fold(Quote::ZERO, |sum, market| Ok(sum.plus(self.pool_delta(market)?.notional)?))
    }

    /// Lots, a multiple of the market's step, that are worth at most `notional` quote units at its live price.
    ///
    /// # Errors
    /// [`HealthError::UnknownMarket`]; [`EngineError::Overflow`] for more lots than 64 bits hold.
    pub fn lots_worth(&self, market: u16, notional: u64) -> Result<u64, HealthError> {
        let core = &self.find_market(market)?.core;
        let lots = (u128::from(notional) << 32) / u128::from(core.mark().to_bits());
        let lots = u64::try_from(lots).map_err(|_| EngineError::Overflow)?;
        Ok(lots - lots % core.params.step.max(1))
    }

    /// What a trade would do, exactly as the program would do it at this state and clock.
    ///
    /// # Errors
    /// What the engine refuses; margin, pause and market status are the program's to check.
    pub fn quote(
        &self,
        account: &MarginAccount,
        (market, intent): (u16, Intent),
        order: &Order,
    ) -> Result<Preview, HealthError> {
        let (mut account, mut market) = (Box::new(*account), Box::new(*self.find_market(market)?));
        let (side, report, position) = match intent {
            Intent::Open(side) => {
                let slot = account.position_or_free(market.index, side).ok_or(HealthError::NoFreeSlot)?;
                let report = market.core.increase(slot, side, order)?;
                let position = *slot;
                // Its own debt backs no new risk: the caps are judged without it.
                account.lift(&mut market)?;
                (side, report, position)
            }
            Intent::Close => {
                account.lift(&mut market)?;
                let slot = account.position_mut(market.index).ok_or(EngineError::NoPosition)?;
                let side = slot.side()?;
                (side, market.core.decrease(slot, order)?, *slot)
            }
        };
        account.post(&mut market, side, report.quote_change)?;
        Ok(Preview { report, position, account, market })
    }

    /// What a liquidator finds at `slot`; `None` for an account that is healthy with every doubt in its favour.
    ///
    /// # Errors
    /// [`HealthError`].
    pub fn distress(&self, account: &MarginAccount, slot: u64) -> Result<Option<Distress>, HealthError> {
        let what = (HealthType::Liquidate, self.now);
        let mut all = account.legs().portfolio(&mut &*self, what)?;
        all.add(Health { equity: account.quote, requirement: Quote::ZERO })?;
        let health = match all.in_trouble(&self.exchange.params.risk_groups) {
            Ok(health) => health,
            Err(EngineError::Healthy { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let moment = { account.auction }.call(slot, (health, account.has_positions()))?;
        let mut worst: Option<(Quote, u16)> = None;
        for position in account.positions.iter().filter(|p| p.is_open() && !p.is_claim()) {
            let market = &self.find_market(position.market)?.core;
            let requirement = Health::of_position(market, position, what.0, what.1)?.requirement;
            if worst.is_none_or(|(most, _)| requirement > most) {
                worst = Some((requirement, position.market));
            }
        }
        Ok(Some(Distress { health, moment, first: worst.map(|(_, market)| market) }))
    }

    /// What the auction offers of the account's position in a market at this moment.
    ///
    /// # Errors
    /// [`HealthError`], a price that can't be used.
    pub fn offer(
        &self,
        account: &MarginAccount,
        market: u16,
        distress: &Distress,
    ) -> Result<Offer, HealthError> {
        Ok(self.lot_and_offer(account, market, distress)?.1)
    }

    pub(crate) fn lot_and_offer(
        &self,
        account: &MarginAccount,
        market: u16,
        distress: &Distress,
    ) -> Result<(Lot, Offer), HealthError> {
        let core = &self.find_market(market)?.core;
        let position = account.position_in(market).ok_or(EngineError::NoPosition)?;
        let what = (HealthType::Liquidate, self.now);
        let all = account.legs().portfolio(&mut &*self, what)?;
        let requirement = Health::of_position(core, position, what.0, what.1)?.requirement;
        let group = (core.params.risk_group, position);
        let relief = all.relief(group, requirement, &self.exchange.params.risk_groups)?;
        let lot = core.lot(position, relief, self.now)?;
        Ok((lot, Offer::at(&lot, distress.health, distress.moment)?))
    }

    pub(crate) fn find_market(&self, index: u16) -> Result<&Market, HealthError> {
        self.markets.get(&index).copied().ok_or(HealthError::UnknownMarket(index))
    }

    pub(crate) fn find_vault(&self, index: u16) -> Result<&Vault, HealthError> {
        self.vaults.get(&index).copied().ok_or(HealthError::UnknownVault(index))
    }
}

impl Directory for &Snapshot<'_> {
    type Error = HealthError;

    fn market<T>(
        &mut self,
        index: u16,
        read: impl FnOnce(&bulwark_engine::market::Market) -> bulwark_engine::Result<T>,
    ) -> Result<T, HealthError> {
        Ok(read(&self.find_market(index)?.core)?)
    }

    fn collateral<T>(
        &mut self,
        index: u16,
        read: impl FnOnce(&Collateral) -> bulwark_engine::Result<T>,
    ) -> Result<T, HealthError> {
        let vault = self.find_vault(index)?;
        Ok(read(&vault.core)?)
    }
}
