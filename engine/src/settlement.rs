//! A market that owes more than it has pays everybody the same part.
//!
//! When a loss has gone through all tiers and the market's equity is below zero, the market settles: its price is frozen,
//! nothing accrues, nobody trades. Anyone can settle anyone's position at the frozen price. What a position lost moves to
//! `cash`, what it won becomes a claim. When no position is left and nobody owes the market anything, every claim is
//! paid `cash / Σ claims` of what it is, at most all, whoever comes first: paying one in that proportion leaves the
//! proportion of the others as it is. What is left of a claim is nobody's; what is left of `cash` is the pool's. A debtor
//! who can't be made to pay holds the others up for a week: then what is there without him is paid out.
//!
//! The frozen price is the better one for the market of live price and average: one print cannot choose it.

use crate::book::Fees;
use crate::governance::DEAD_FOR_SETTLEMENT;
use crate::ladder::Unwound;
use crate::limits::credit;
use crate::market::Market;
use crate::position::{Holding, Position};
use crate::price::{Action, Age, within};
use crate::trade::SettleReport;
use crate::units::{NormalPrice, Price, Quote};
use crate::wide::{self, Round};
use crate::{EngineError, Result};

/// Seconds for which debts hold up the claims of a settling market.
pub const PATIENCE: i64 = 7 * 86_400;

impl Market {
    /// What debtors of the market are pressed for, quote units: `due` while it settles, else no more than what claims wait for.
    #[must_use]
    pub fn pressing(&self, due: u64) -> u64 {
        if self.is_settling() { due } else { due.min(self.waiting()) }
    }

    /// Claims that cash can't pay yet, quote units.
    pub(crate) const fn waiting(&self) -> u64 {
        self.book.unpaid_claims.saturating_sub(self.book.payable())
    }

    /// Whether the claims on a settling market are paid at `now`, to an account for which it holds back so much: when every
    /// position is settled, and nobody else owes anything or a week has passed.
    #[must_use]
    pub const fn pays_claims(&self, held: u64, now: i64) -> bool {
        let patient = now.saturating_sub(self.settling_since) <= PATIENCE;
        self.book.positions == 0 && (self.book.unbacked <= held || !patient)
    }

    /// Whether the oracle has had nothing to say for so long that increases may be stopped; never of a frozen price.
    #[must_use]
    pub fn is_out(&self, now: i64) -> bool {
        now.saturating_sub(self.oracle.publish_time) > i64::from(self.params.max_outage)
    }

    /// Whether the market settles.
    #[must_use]
    pub const fn is_settling(&self) -> bool {
        self.settling_since != 0
    }

    /// `Ok` while the market trades.
    ///
    /// # Errors
    /// [`EngineError::Settling`].
    pub(crate) const fn require_trading(&self) -> Result<()> {
        if self.is_settling() { Err(EngineError::Settling) } else { Ok(()) }
    }

    /// Freezes the price, and ends carry and margin. Returns the price: the better one for the market of live price and
    /// average, or what governance has named if there has been no price for [`DEAD_FOR_SETTLEMENT`]; that is at most twice
    /// the last price and at least half of it.
    ///
    /// # Errors
    /// [`EngineError::Settling`] if it settles already; a price that is not Fresh, or [`EngineError::OracleAlive`] and
    /// [`EngineError::ParameterOutOfBounds`] for a named one; [`EngineError::Overflow`].
    pub fn begin_settling(&mut self, named: Option<Price>, now: i64) -> Result<Price> {
        self.require_trading()?;
        match named {
            Some(price) => self.require_nameable(price, now)?,
            None => {
                self.oracle.require(&self.params.oracle, (Action::Waterfall, Age::Margin), now).map(|_| ())?
            }
        }
        self.accrue(now)?;
        let price = named.map_or_else(|| self.better_price(), Ok)?;
        self.oracle.freeze(price);
        self.carry.funding_rate = 0;
        self.carry.borrow_ppm = 0;
        self.settling_since = now.max(1);
        Ok(self.mark())
    }

    fn better_price(&self) -> Result<Price> {
        let (live, average) = (self.oracle.price, self.oracle.ema);
        let better = self.book.traders_pnl(average)? < self.book.traders_pnl(live)?;
        Ok(if better { average } else { live })
    }

    fn require_nameable(&self, price: Price, now: i64) -> Result<()> {
        let age_seconds = now.saturating_sub(self.oracle.publish_time);
        if age_seconds <= DEAD_FOR_SETTLEMENT {
            return Err(EngineError::OracleAlive { age_seconds });
        }
        let last = self.mark().to_bits();
        within("settlement price (Q32.32)", price.to_bits(), last.div_ceil(2), last.saturating_mul(2))
    }

    /// Takes out what is left in a market that nobody is in any more: its fees, with the cash among the pool's part, and its
    /// insurance.
    ///
    /// # Errors
    /// [`EngineError::MarketNotEmpty`]; [`EngineError::Overflow`].
    pub fn close(&mut self) -> Result<(Fees, u64)> {
        if !self.is_settling() || !self.book.is_empty()? {
            return Err(EngineError::MarketNotEmpty);
        }
        let mut fees = self.sweep();
        fees.pool = credit(fees.pool, core::mem::take(&mut self.book.cash))?;
        Ok((fees, core::mem::take(&mut self.book.insurance)))
    }

    /// Settles a position at the frozen price, or pays a claim when its time has come. Until then a claim is only set off
    /// against what its holder owes for this market.
    ///
    /// # Errors
    /// [`EngineError::ClaimsWait`] for a claim while positions or debts are left, [`EngineError::Overflow`].
    pub(crate) fn settle_finally(
        &mut self,
        position: &mut Position,
        (unwound, holding): (Unwound, Holding),
        (was_claim, debt, now): (bool, u64, i64),
    ) -> Result<SettleReport> {
        let report = SettleReport { unwound, ..SettleReport::default() };
        if !was_claim {
            let carry = self.book.side(position.side()?).carry;
            let pnl = holding.pnl(NormalPrice::new(self.mark(), carry)?)?;
            let loss = pnl.min(Quote::ZERO);
            self.pay(loss)?;
            let claim = Holding { quote: pnl.max(Quote::ZERO), ..Holding::default() };
            self.put_back(position, claim)?;
            return Ok(SettleReport { loss: loss.0.unsigned_abs(), quote_change: loss, ..report });
        }
        let claim = holding.quote.units_or_zero();
        let set_off = claim.min(debt).min(self.book.cash);
        if set_off > 0 {
            self.book.cash = self.book.cash.saturating_sub(set_off); // at most cash: exact
            let quote_change = Quote::from_units(set_off)?;
            self.put_back(position, Holding { quote: holding.quote.minus(quote_change)?, ..holding })?;
            return Ok(SettleReport { claim_paid: set_off, quote_change, ..report });
        }
        if !self.pays_claims(0, now) {
            let (positions, unbacked) = (self.book.positions, self.book.unbacked);
            return Err(EngineError::ClaimsWait { positions, unbacked });
        }
        // The ladders know the other claims; this one was taken out of them.
        let others = self.book.long.cost.plus(self.book.short.cost)?.units_or_zero();
        let all = others.checked_add(claim).ok_or(EngineError::Overflow)?;
        let paid = wide::mul_div(claim, self.book.payable().min(all), all.max(1), Round::Down)?;
        self.book.cash = self.book.cash.saturating_sub(paid); // at most cash: exact
        self.put_back(position, Holding::default())?;
        let forgone = claim.saturating_sub(paid);
        let quote_change = Quote::from_units(paid)?;
        Ok(SettleReport { claim_paid: paid, forgone, quote_change, ..report })
    }

    /// Most that a claim on a settling market can bring, quote units; its face value until every position is settled.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub(crate) fn claim_at_best(&self, claim: u64) -> Result<u64> {
        if self.book.positions != 0 {
            return Ok(claim);
        }
        let all = self.book.long.cost.plus(self.book.short.cost)?.units_or_zero().max(claim);
        wide::mul_div(claim, self.book.cash.min(all), all.max(1), Round::Down)
    }
}
