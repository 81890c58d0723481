//! A position in trouble changes hands, or goes back to the pool.
//!
//! A takeover moves lots from one account to another at the mark less a concession: the market is between the two and
//! neither gains nor loses, open interest and skew stay. A close against the pool happens at the mark less the
//! concession of the auction's start while it brings the skew nearer to zero, and along the price curve once the
//! auction has failed. Whatever rounds, rounds in favour of the account in trouble: everybody else acts.

use crate::auction::{Lot, Moment, Offer, SHARE_ONE, whole_steps};
use crate::fill::Curve;
use crate::ladder::Unwound;
use crate::limits::credit;
use crate::margin::{Health, Relief};
use crate::market::Market;
use crate::position::{Holding, Position};
use crate::price::{Action, Age};
use crate::units::{Lots, PPM_ONE, Quote, Side, ppm_floor};
use crate::wide::{self, Round};
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
    /// What is due to a keeper; after [`Market::pay_keeper`] what it was paid.
    pub keeper: u64,
    /// Change of the account's quote balance.
    pub quote_change: Quote,
}

/// How the pool takes a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolFill {
    /// At once, at the mark less the concession, which the insurance gets and shares with the keeper: the traders' skew must
    /// fall.
    Reducing,
    /// After the auction has failed: along the price curve, never below the concession of the offer; the keeper is paid
    /// a tip from the market's insurance.
    Takeover,
}

impl Market {
    /// The position as an auction offers it, with what closing it frees of the account's requirement. A call takes no more
    /// than what is freed at one rate.
    ///
    /// # Errors
    /// [`EngineError::NoPosition`] without lots, a price that is neither Fresh nor Wide, [`EngineError::Overflow`].
    pub fn lot(&self, position: &Position, relief: Relief, now: i64) -> Result<Lot> {
        self.require_trading()?;
        self.oracle.require(&self.params.oracle, (Action::Liquidate, Age::Trade), now)?;
        if !position.is_open() {
            return Err(EngineError::NoPosition);
        }
        let held = self.book.side(position.side()?).member(position)?.lots.count();
        if held == 0 {
            return Err(EngineError::NoPosition);
        }
        let lot = Lot {
            held,
            most: held,
            mark: self.mark(),
            mmf_ppm: self.mmf_ppm(),
            fee_ppm: self.params.liquidation_fee_ppm,
            step: self.params.step,
            min_notional: self.params.min_notional,
        };
        if relief.free >= relief.requirement {
            return Ok(lot);
        }
        let free = wide::mul_div(held, relief.free, relief.requirement.max(1), Round::Down)?;
        let free = whole_steps(free, lot.step);
        // Neither what is taken nor what is left may be too little for anybody to bother.
        let enough = |lots: u64| Ok(self.mark().mul_floor(lots)? >= lot.min_notional);
        if enough(free)? && enough(held.saturating_sub(free))? {
            return Ok(Lot { most: free, ..lot });
        }
        let kept = ppm_floor(u64::from(lot.mmf_ppm), PPM_ONE.saturating_sub(relief.offset_ppm))?;
        Ok(Lot { mmf_ppm: u32::try_from(kept).map_err(|_| EngineError::Overflow)?, ..lot })
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
    /// [`EngineError::SkewWouldGrow`] for a [`PoolFill::Reducing`] without [`Market::reducible`] lots,
    /// [`EngineError::Overflow`].
    pub fn take_back(
        &mut self,
        position: &mut Position,
        (lot, offer): (&Lot, &Offer),
        (fill, now): (PoolFill, i64),
    ) -> Result<LiquidationReport> {
        let (side, skew) = (position.side()?, self.book.skew()?);
        let (lots, cost, fees) = match fill {
            PoolFill::Reducing => {
                let lots = self.reducible(side, (lot, offer))?;
                if lots == 0 {
                    return Err(EngineError::SkewWouldGrow { skew: skew.0 });
                }
                let concession = lot.part(lots, offer.concession)?;
                (lots, self.at_mark(side, lots)?, (concession.div_euclid(2), concession))
            }
            PoolFill::Takeover => {
                let lots = cut(lot, offer.lots)?;
                let curve = self.along_the_curve(side, lots, now)?;
                let (mark, most) = (self.at_mark(side, lots)?, lot.part(lots, offer.concession)?);
                let cost = curve.min(mark.plus(Quote::from_units(most)?)?);
                let left = most.saturating_sub(cost.minus(mark)?.units_or_zero());
                (lots, cost, (0, lot.part(lots, offer.fee)?.min(left)))
            }
        };
        let report = self.close_lots(position, (lots, cost), now)?;
        self.update_borrow_rate()?;
        let report = self.share_out(report, fees)?;
        // An account that has nothing left pays no concession: then a keeper gets the tip at once.
        let tipped = self.tipped(report)?;
        Ok(LiquidationReport { keeper: tipped.keeper.max(report.keeper), ..report })
    }

    /// What the pool offers for the position of a side.
    ///
    /// # Errors
    /// As [`Offer::at`].
    pub fn pool_offer(
        &self,
        (fill, now): (PoolFill, i64),
        (side, lot): (Side, &Lot),
        (health, moment): (Health, Moment),
    ) -> Result<Offer> {
        if fill == PoolFill::Reducing {
            return Offer::at_once(lot, health, moment);
        }
        let cost = self.along_the_curve(side, lot.most, now)?;
        let (worse, worth) = (cost.minus(self.at_mark(side, lot.most)?)?, self.mark().mul_floor(lot.most)?);
        let impact = wide::mul_div(worse.units_or_zero(), SHARE_ONE, worth.max(1), Round::Up);
        Offer::at_the_end(lot, (health, moment), impact.unwrap_or(u64::MAX))
    }

    /// Lots of the offer that the pool can take at once: as many as bring the skew nearer to zero; none of the lighter side.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn reducible(&self, side: Side, (lot, offer): (&Lot, &Offer)) -> Result<u64> {
        if self.heavy_side()? != Some(side) {
            return Ok(0);
        }
        lot.reducing(offer.lots, self.book.skew()?.count())
    }

    /// Closes lots at the mark, without fee.
    pub(crate) fn close_at_mark(
        &mut self,
        position: &mut Position,
        lots: u64,
        now: i64,
    ) -> Result<LiquidationReport> {
        let cost = self.at_mark(position.side()?, lots)?;
        let report = self.close_lots(position, (lots, cost), now)?;
        self.update_borrow_rate()?;
        Ok(report)
    }

    /// Signed cost of closing lots of a side along the price curve, without spread.
    fn along_the_curve(&self, side: Side, lots: u64, now: i64) -> Result<Quote> {
        let curve = Curve { half_spread_ppm: 0, ..self.curve(now)? };
        Ok(curve.fill(self.book.skew()?, Lots::on(side.opposite(), lots)?)?.cost)
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

    /// Takes the insurance's part from the account, and says what of it is due to a keeper.
    fn share_out(
        &mut self,
        report: LiquidationReport,
        (keeper, insurance): (u64, u64),
    ) -> Result<LiquidationReport> {
        self.book.insurance = credit(self.book.insurance, insurance)?;
        let insurance = Quote::from_units(insurance)?;
        let quote_change = report.quote_change.minus(insurance)?;
        Ok(LiquidationReport { keeper, insurance, quote_change, ..report })
    }

    /// Pays a keeper what is due from the market's insurance, as far as it has that and it is not needed for what losers owe.
    /// Comes after the account's debt was posted. Without a keeper the insurance keeps it.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn pay_keeper(&mut self, report: LiquidationReport, present: bool) -> Result<LiquidationReport> {
        let spare = self.book.tokens()?.saturating_sub(self.book.unbacked);
        let due = if present { report.keeper } else { 0 };
        let keeper = due.min(self.book.insurance).min(spare);
        self.book.insurance = self.book.insurance.saturating_sub(keeper); // at most insurance: exact
        let insurance = report.insurance.minus(Quote::from_units(keeper)?)?;
        Ok(LiquidationReport { keeper, insurance, ..report })
    }

    /// With the tip that is due for closing these lots: never more than what the insurance got for it and half a taker fee,
    /// which is less than what it costs to bring such a position about.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub(crate) fn tipped(&self, report: LiquidationReport) -> Result<LiquidationReport> {
        let fee = ppm_floor(self.mark().mul_floor(report.lots)?, self.params.taker_fee_ppm)?;
        let most = credit(report.insurance.units_or_zero(), fee.div_euclid(2))?;
        Ok(LiquidationReport { keeper: self.params.deleverage.keeper_tip.min(most), ..report })
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
