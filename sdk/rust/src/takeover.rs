//! What a liquidator gets who takes a position over, and what closing it to the pool would leave.

use bulwark::state::{MarginAccount, Market};
use bulwark_engine::EngineError;
use bulwark_engine::auction::TAKEOVER_SLOTS;
use bulwark_engine::liquidation::{LiquidationReport, PoolFill};
use bulwark_engine::trade::Order;
use bulwark_engine::units::Quote;

use crate::health::{Distress, HealthError, Intent, Snapshot};

/// What `liquidate` would do, as the program would do it at this state and clock.
#[derive(Clone, Debug)]
pub struct Takeover {
    /// What would move.
    pub report: LiquidationReport,
    /// The liquidator's account afterwards.
    pub liquidator: Box<MarginAccount>,
    /// The market afterwards.
    pub market: Box<Market>,
}

impl Snapshot<'_> {
    /// What `liquidate` would do with at most so many lots (`u64::MAX`: all that the auction offers) of the account's position
    /// in a market. The liquidator's margin and the limit price are the program's to check.
    ///
    /// # Errors
    /// What the engine refuses; [`HealthError::NoFreeSlot`].
    pub fn take_over(
        &self,
        [account, liquidator]: [&MarginAccount; 2],
        (index, most): (u16, u64),
        distress: &Distress,
    ) -> Result<Takeover, HealthError> {
        let (lot, offer) = self.lot_and_offer(account, index, distress)?;
        let mut given = Box::new(*account);
        let (mut taker, mut market) = (Box::new(*liquidator), Box::new(*self.find_market(index)?));
        given.lift(&mut market)?;
        let from = given.position_mut(index).ok_or(EngineError::NoPosition)?;
        let to = taker.position_or_free(index, from.side()?).ok_or(HealthError::NoFreeSlot)?;
        let report = market.core.take_over([from, to], (&lot, &offer), (most, self.now))?;
        Ok(Takeover { report, liquidator: taker, market })
    }

    /// Lots of the account's position in a market that the pool would take now: what brings its skew nearer to zero, or, once
    /// the auction has run its time, what restores the account. 0: a call only starts the auction, or keeps it running.
    ///
    /// # Errors
    /// What the engine refuses.
    pub fn pool_takes(
        &self,
        account: &MarginAccount,
        index: u16,
        distress: &Distress,
    ) -> Result<u64, HealthError> {
        let (lot, _) = self.lot_and_offer(account, index, distress)?;
        let core = &self.find_market(index)?.core;
        let side = account.position_in(index).ok_or(EngineError::NoPosition)?.side()?;
        let late = distress.moment.elapsed >= TAKEOVER_SLOTS;
        let fill = if late { PoolFill::Takeover } else { PoolFill::Reducing };
        let offer = core.pool_offer((fill, self.now), (side, &lot), (distress.health, distress.moment))?;
        Ok(if late { offer.lots } else { core.reducible(side, (&lot, &offer))? })
    }

    /// Quote units by which a takeover that is closed to the pool at once changes what the liquidator owned: concession less
    /// spread, impact and fee. Everything that the liquidator held there before stays, and what part of its profit is realised by
    /// the way does not count. Without a position there it is the change of the quote balance.
    ///
    /// # Errors
    /// As [`Snapshot::quote`] and [`Snapshot::pnl`].
    pub fn gain_of_closing(&self, liquidator: &MarginAccount, taken: &Takeover) -> Result<i64, HealthError> {
        let index = taken.market.index;
        let mut after = self.clone();
        after.markets.insert(index, &taken.market);
        let order = Order { lots: taken.report.lots, limit: None, now: self.now };
        let closed = after.quote(&taken.liquidator, (index, Intent::Close), &order)?;
        let pnl = |account: &MarginAccount, market: &Snapshot<'_>| {
            account.position_in(index).map_or(Ok(Quote::ZERO), |position| market.pnl(position))
        };
        let before = liquidator.quote.plus(pnl(liquidator, self)?)?;
        after.markets.insert(index, &closed.market);
        let left = closed.account.quote.plus(pnl(&closed.account, &after)?)?;
        Ok(left.minus(before)?.0)
    }
}
