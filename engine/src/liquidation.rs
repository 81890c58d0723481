//! A position in trouble changes hands, or goes back to the pool.
//!
//! A takeover moves lots from one account to another at the mark less a concession: the market is between the two and
//! neither gains nor loses, open interest and skew stay. A close against the pool happens at the mark less the
//! concession of the auction's start while it brings the skew nearer to zero, and along the price curve once the
//! auction has failed. Whatever rounds, rounds in favour of the account in trouble: everybody else acts.

use crate::auction::{Lot, Offer};
use crate::fill::Curve;
use crate::ladder::Unwound;
use crate::market::Market;
use crate::position::{Holding, Position};
use crate::price::{Action, Age};
use crate::units::{Lots, PPM_ONE, Quote, Side, ppm_floor};
use crate::{EngineError, Result};

/// What a liquidation moved, quote units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LiquidationReport {
    /// Lots taken off the position.
    pub lots: u64,
    /// Signed cost of closing them: positive for a short, which buys.
    pub cost: Quote,
    /// Part of the cost that is the price concession.
    pub concession: u64,
    /// Pending unwind that was applied first.
    pub unwound: Unwound,
    /// PnL realised by the lots, fee excluded.
    pub realised: Quote,
    /// Part of `realised` that moved between `cash` and the account.
    pub paid: Quote,
    /// Part of `realised` that stays in the slot as a claim.
    pub claim: u64,
    /// What the market's insurance gained, or gave to the keeper (< 0).
    pub insurance: Quote,
    /// What the keeper is paid.
    pub keeper: u64,
    /// Change of the account's quote balance.
    pub quote_change: Quote,
}

/// How the pool takes a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolFill {
    /// At once, at the mark less the concession, which keeper and insurance share: the traders' skew must fall.
    Reducing,
    /// Along the price curve, after the auction has failed; the keeper is paid this tip from the market's insurance.
    Takeover {
        /// Quote units, as far as the insurance has them.
        tip: u64,
    },
}

impl Market {
    /// The position as an auction offers it; `offset_ppm` of its risk group, if the group's other side is the larger one.
    ///
    /// # Errors
    /// [`EngineError::NoPosition`] without lots, a price that is neither Fresh nor Wide, [`EngineError::Overflow`].
    pub fn lot(&self, position: &Position, offset_ppm: u32, now: i64) -> Result<Lot> {
        self.oracle.require(&self.params.oracle, (Action::Liquidate, Age::Margin), now)?;
        if !position.is_open() {
            return Err(EngineError::NoPosition);
        }
        let held = self.book.side(position.side()?).member(position)?.lots.count();
        if held == 0 {
            return Err(EngineError::NoPosition);
        }
        let kept = PPM_ONE.saturating_sub(offset_ppm);
        let mmf_ppm = ppm_floor(u64::from(self.mmf_ppm()), kept)?;
        Ok(Lot {
            held,
            mark: self.mark(),
            mmf_ppm: u32::try_from(mmf_ppm).map_err(|_| EngineError::Overflow)?,
            fee_ppm: self.params.liquidation_fee_ppm,
            step: self.params.step,
            min_notional: self.params.min_notional,
        })
    }

    /// Moves up to `most` lots from one position to another of the same side, at the offer.
    ///
    /// # Errors
    /// [`EngineError::ZeroAmount`], [`EngineError::NotAMultipleOfStep`], [`EngineError::BelowMinNotional`] for what either
    /// would be left with, [`EngineError::OppositeSide`], [`EngineError::Overflow`].
    pub fn take_over(
        &mut self,
        [from, to]: [&mut Position; 2],
        (lot, offer): (&Lot, &Offer),
        (most, now): (u64, i64),
    ) -> Result<LiquidationReport> {
        let side = from.side()?;
        if to.side()? != side {
            return Err(EngineError::OppositeSide);
        }
        let lots = cut(lot, offer.lots.min(most))?;
        let (concession, fee) = (lot.part(lots, offer.concession)?, lot.part(lots, offer.fee)?);
        let cost = self.at_mark(side, lots)?.plus(Quote::from_units(concession)?)?;
        let report = LiquidationReport { concession, ..self.close_lots(from, (lots, cost), now)? };

        let delta = Lots::on(side, lots)?;
        let carry_part = self.book.side(side).carry.mul_floor(delta)?;
        self.take_out(to)?;
        let held = Holding { lots: to.lots, quote: to.quote };
        self.put_back(to, held.increased(delta, Quote::ZERO.minus(cost)?, carry_part)?)?;
        to.increased_at = now;
        self.require_min_notional(to.lots.count())?;
        self.update_borrow_rate()?;
        self.share_out(report, (0, fee))
    }

    /// Closes lots of the offer against the pool.
    ///
    /// # Errors
    /// [`EngineError::SkewWouldGrow`] for a [`PoolFill::Reducing`] of the lighter side, [`EngineError::Overflow`].
    pub fn take_back(
        &mut self,
        position: &mut Position,
        (lot, offer): (&Lot, &Offer),
        (fill, now): (PoolFill, i64),
    ) -> Result<LiquidationReport> {
        let (side, skew) = (position.side()?, self.book.skew()?);
        let (lots, cost, fees) = match fill {
            PoolFill::Reducing => {
                let heavy = if skew.0 > 0 { Side::Long } else { Side::Short };
                if skew == Lots::ZERO || heavy != side {
                    return Err(EngineError::SkewWouldGrow { skew: skew.0 });
                }
                // An unwind leaves any number of lots: the skew need not be a multiple of the step.
                let lots =
                    if offer.lots <= skew.count() { offer.lots } else { lot.whole_steps(skew.count()) };
                let lots = cut(lot, lots)?;
                let concession = lot.part(lots, offer.concession)?;
                let keeper = concession.div_euclid(2);
                (lots, self.at_mark(side, lots)?, (keeper, concession.saturating_sub(keeper)))
            }
            PoolFill::Takeover { .. } => {
                let lots = cut(lot, offer.lots)?;
                let curve = Curve { half_spread_ppm: 0, ..self.curve(now)? };
                (lots, curve.fill(skew, Lots::on(side.opposite(), lots)?)?.cost, (0, 0))
            }
        };
        let report = self.close_lots(position, (lots, cost), now)?;
        self.update_borrow_rate()?;
        let report = self.share_out(report, fees)?;
        match fill {
            PoolFill::Reducing => Ok(report),
            PoolFill::Takeover { tip } => self.tip(report, tip),
        }
    }

    /// Signed cost of closing lots of a side at the mark, rounded in favour of who held them.
    fn at_mark(&self, side: Side, lots: u64) -> Result<Quote> {
        match side {
            Side::Long => Quote::ZERO.minus(Quote::from_units(self.mark().mul_ceil(lots)?)?),
            Side::Short => Quote::from_units(self.mark().mul_floor(lots)?),
        }
    }

    /// Takes lots off a position at this cost and moves what that realises.
    fn close_lots(
        &mut self,
        position: &mut Position,
        (lots, cost): (u64, Quote),
        now: i64,
    ) -> Result<LiquidationReport> {
        self.accrue(now)?;
        let side = position.side()?;
        let unwound = self.take_out(position)?;
        let carry_part = self.book.side(side).carry.mul_floor(Lots::on(side.opposite(), lots)?)?;
        let holding = Holding { lots: position.lots, quote: position.quote };
        let (rest, realised) = holding.decreased(lots, cost, carry_part)?;
        let (paid, claim) = self.pay(realised)?;
        self.put_back(position, Holding { quote: rest.quote.plus(Quote::from_units(claim)?)?, ..rest })?;
        Ok(LiquidationReport {
            lots,
            cost,
            unwound,
            realised,
            paid,
            claim,
            quote_change: paid,
            ..LiquidationReport::default()
        })
    }

    /// Takes the keeper's pay and the insurance's fee from the account.
    fn share_out(
        &mut self,
        report: LiquidationReport,
        (keeper, insurance): (u64, u64),
    ) -> Result<LiquidationReport> {
        self.book.insurance = self.book.insurance.checked_add(insurance).ok_or(EngineError::Overflow)?;
        let fees = Quote::from_units(keeper)?.plus(Quote::from_units(insurance)?)?;
        let quote_change = report.quote_change.minus(fees)?;
        Ok(LiquidationReport { keeper, insurance: Quote::from_units(insurance)?, quote_change, ..report })
    }

    /// Pays the keeper from the market's insurance, as far as it has the tip.
    fn tip(&mut self, report: LiquidationReport, tip: u64) -> Result<LiquidationReport> {
        let keeper = tip.min(self.book.insurance);
        self.book.insurance = self.book.insurance.saturating_sub(keeper); // at most insurance: exact
        Ok(LiquidationReport { keeper, insurance: Quote::ZERO.minus(Quote::from_units(keeper)?)?, ..report })
    }
}

/// `lots` as they can be closed: all, or a multiple of the step that leaves enough.
fn cut(lot: &Lot, lots: u64) -> Result<u64> {
    if lots == 0 {
        return Err(EngineError::ZeroAmount);
    }
    if lots >= lot.held {
        return Ok(lot.held);
    }
    if lots.checked_rem(lot.step) != Some(0) {
        return Err(EngineError::NotAMultipleOfStep { lots, step: lot.step });
    }
    let (notional, minimum) = (lot.mark.mul_floor(lot.held.saturating_sub(lots))?, lot.min_notional);
    if notional < minimum { Err(EngineError::BelowMinNotional { notional, minimum }) } else { Ok(lots) }
}
