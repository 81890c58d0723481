//! Exposure is reduced before it becomes a loss, and nobody loses equity by it.
//!
//! When the traders' profit outgrows the pool's money, or their skew its inventory cap, positions of the heavy side are
//! closed at the mark, without fee, until a target is reached. Every refresh notes since when that is so. A cut-off leverage
//! falls from the highest by 5 % every two slots: any account above it can be reduced, by anyone, down to it and no further
//! than the target asks for; the others cannot be touched. So while somebody calls in every step, the order of calls and
//! who calls does not decide who is reduced.
//!
//! When the pool's money in a market is used up, at the live price and at the average, the winners of the heavy side are
//! unwound by what is missing: [`Market::rebalance`], the same share of profit for all.
//!
//! Invariant I5: an account's equity and the pool's value stay what they are, to the unit; the skew falls; below the
//! cut-off the call fails.

use bytemuck::{Pod, Zeroable};

use crate::ladder::unwind_fraction;
use crate::liquidation::LiquidationReport;
use crate::margin::Relief;
use crate::market::Market;
use crate::position::Position;
use crate::price::{Action, Age, within};
use crate::units::{Lots, NormalPrice, PPM, PPM_ONE, Quote, Side, ppm_floor};
use crate::waterfall::MAX_UNWIND;
use crate::wide::{self, Round};
use crate::{EngineError, Result};

/// 1.0 of a leverage, Q32.
const ONE: u64 = 1 << 32;
/// What is left of the cut-off after every step: 95 %, Q32 rounded down.
const STEP: u64 = 4_080_218_931;
/// Slots of a step.
const STEP_SLOTS: u64 = 2;
/// Slots without a refresh after which the cut-off starts anew from the highest leverage.
pub const MAX_GAP_SLOTS: u64 = 25;
/// Share of the inventory cap at which deleveraging ends, ppm.
const INVENTORY_TARGET_PPM: u32 = 900_000;

/// When a market reduces exposure, and what keepers are paid.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "borsh", derive(borsh::BorshDeserialize))]
#[cfg_attr(all(feature = "borsh", not(feature = "idl-build")), derive(borsh::BorshSerialize))]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct DeleverageParams {
    /// Worth of the skew at which exposure is reduced, quote units; it ends at 90 % of it.
    pub inventory_cap: u64,
    /// Flat pay of a keeper for handing a position to the pool or for reducing one, quote units, from the market's
    /// insurance; never more than what the insurance got for it and half a taker fee.
    pub keeper_tip: u64,
    /// Traders' profit at which exposure is reduced, ppm of the market's cash.
    pub profit_high_ppm: u32,
    /// Traders' profit at which that ends, ppm of the market's cash.
    pub profit_target_ppm: u32,
}

impl DeleverageParams {
    /// Worth of the skew at which deleveraging ends, quote units.
    fn inventory_target(&self) -> Result<u64> {
        ppm_floor(self.inventory_cap, INVENTORY_TARGET_PPM)
    }

    /// Checks the hard bounds of the program: the target lies below the trigger; a tip is at most `min_notional`.
    ///
    /// # Errors
    /// [`EngineError::ParameterOutOfBounds`] naming the first field outside.
    pub fn validate(&self, min_notional: u64) -> Result<()> {
        within("inventory_cap", self.inventory_cap, 1, u64::MAX)?;
        within("keeper_tip", self.keeper_tip, 0, min_notional)?;
        within("profit_high_ppm", self.profit_high_ppm, 100_000, PPM_ONE)?;
        within("profit_target_ppm", self.profit_target_ppm, 50_000, self.profit_high_ppm.saturating_sub(1))
    }
}

/// What an unwind of winners did to a market without pool money, quote units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RebalanceReport {
    /// Side whose winners were unwound.
    pub side: Side,
    /// What was missing.
    pub deficit: u64,
    /// What the winners were owed.
    pub winners: u64,
    /// Share of their profit that was unwound, in units of 2^-32.
    pub fraction: u64,
    /// Profit by which the market's debt to its traders fell.
    pub booked: u64,
    /// Lots by which open interest fell.
    pub lots: u64,
}

/// `max leverage · 0.95^(elapsed / 2)`, Q32 rounded down.
///
/// # Errors
/// [`EngineError::Overflow`] never for a fraction above zero.
pub fn cutoff(mmf_ppm: u32, elapsed: u64) -> Result<u64> {
    let mut cutoff = wide::mul_div(ONE, PPM, u64::from(mmf_ppm), Round::Down)?;
    let (mut factor, mut steps) = (STEP, elapsed.div_euclid(STEP_SLOTS).min(1 << 10));
    while steps > 0 {
        if steps & 1 == 1 {
            cutoff = wide::mul_div(cutoff, factor, ONE, Round::Down)?;
        }
        factor = wide::mul_div(factor, factor, ONE, Round::Down)?;
        steps >>= 1;
    }
    Ok(cutoff)
}

impl Market {
    /// Whether traders' profit or skew is above its limit, or its target if `ending`.
    fn is_exposed(&self, ending: bool) -> Result<bool> {
        let params = &self.params.deleverage;
        let (share, inventory) = if ending {
            (params.profit_target_ppm, params.inventory_target()?)
        } else {
            (params.profit_high_ppm, params.inventory_cap)
        };
        let (profit, skew) = self.exposure()?;
        Ok(skew > 0 && (profit > ppm_floor(self.book.payable(), share)? || skew > inventory))
    }

    /// Traders' profit, and worth of their skew rounded up, quote units.
    fn exposure(&self) -> Result<(u64, u64)> {
        let profit = self.book.traders_pnl(self.mark())?.units_or_zero();
        Ok((profit, self.mark().mul_ceil(self.book.skew()?.count())?))
    }

    /// Notes at `slot` whether exposure has to be reduced: since when, or not any more. Comes after every refresh.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn watch_exposure(&mut self, slot: u64) -> Result<()> {
        // The cut-off does not fall while nobody looks.
        let gap = slot.saturating_sub(core::mem::replace(&mut self.exposure_seen, slot));
        let running = self.deleveraging_since != 0 && gap <= MAX_GAP_SLOTS;
        let since = if running { self.deleveraging_since } else { slot };
        self.deleveraging_since = if self.is_exposed(running)? { since } else { 0 };
        Ok(())
    }

    /// The cut-off leverage at `slot`, Q32: from the highest at the first refresh that found exposure above its limit.
    ///
    /// # Errors
    /// [`EngineError::NotExposed`], [`EngineError::Settling`], a price that is not Fresh, [`EngineError::Overflow`].
    pub fn cutoff(&mut self, slot: u64, now: i64) -> Result<u64> {
        self.require_trading()?;
        self.oracle.require(&self.params.oracle, (Action::Waterfall, Age::Trade), now)?;
        self.accrue(now)?;
        self.watch_exposure(slot)?;
        match self.deleveraging_since {
            0 => Err(EngineError::NotExposed),
            since => cutoff(self.mmf_ppm(), slot.saturating_sub(since)),
        }
    }

    /// Reduces a position of the heavy side, of an account of this equity, to the cut-off leverage, or as far as the targets
    /// ask for: at the mark, without fee. The keeper's tip comes from the market's insurance.
    ///
    /// # Errors
    /// [`EngineError::LighterSide`], [`EngineError::BelowCutoff`], [`EngineError::NoPosition`], [`EngineError::Overflow`].
    pub fn deleverage_position(
        &mut self,
        position: &mut Position,
        (equity, cutoff): (Quote, u64),
        now: i64,
    ) -> Result<LiquidationReport> {
        let lot = self.lot(position, Relief::default(), now)?;
        let (side, skew) = (position.side()?, self.book.skew()?);
        if self.heavy_side()? != Some(side) {
            return Err(EngineError::LighterSide);
        }
        let notional = self.mark().mul_floor(lot.held)?;
        let allowed = wide::mul_div(equity.units_or_zero(), cutoff, ONE, Round::Down).unwrap_or(u64::MAX);
        let over = notional.saturating_sub(allowed);
        if over == 0 {
            return Err(EngineError::BelowCutoff { notional, allowed });
        }
        let lots = wide::mul_div(over, ONE, self.mark().to_bits(), Round::Up)?;
        let lots = lots.min(self.lots_to_target(position, lot.held)?);
        let lots =
            lots.checked_next_multiple_of(lot.step).unwrap_or(u64::MAX).min(lot.held).min(skew.count());
        let kept = self.mark().mul_floor(lot.held.saturating_sub(lots))?;
        let lots = if kept < lot.min_notional { lot.held.min(skew.count()) } else { lots };
        let report = self.close_at_mark(position, lots, now)?;
        if !self.is_exposed(true)? {
            self.deleveraging_since = 0;
        }
        self.tipped(report)
    }

    /// Lots of a position whose closing brings skew and profit to their targets, rounded up; all `held` if the position has
    /// no profit to realise.
    fn lots_to_target(&self, position: &Position, held: u64) -> Result<u64> {
        let (book, params) = (&self.book, &self.params.deleverage);
        let (profit, skew) = self.exposure()?;
        let over = skew.saturating_sub(params.inventory_target()?);
        let for_skew = wide::mul_div(over, ONE, self.mark().to_bits(), Round::Up)?;

        // What is realised leaves profit and cash alike: T − r = φ·(cash − r).
        let over = profit.saturating_sub(ppm_floor(book.payable(), params.profit_target_ppm)?);
        let rest = u64::from(PPM_ONE.saturating_sub(params.profit_target_ppm));
        let realised = wide::mul_div(over, PPM, rest, Round::Up).unwrap_or(u64::MAX);
        let ladder = book.side(position.side()?);
        let own = ladder.member(position)?.pnl(NormalPrice::new(self.mark(), ladder.carry)?)?.units_or_zero();
        let for_profit = if realised >= own { held } else { wide::mul_div(held, realised, own, Round::Up)? };
        Ok(for_skew.max(if over == 0 { 0 } else { for_profit }))
    }

    /// The side that the traders' skew is on; none without skew.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn heavy_side(&self) -> Result<Option<Side>> {
        let skew = self.book.skew()?;
        Ok(match skew {
            Lots::ZERO => None,
            Lots(1..) => Some(Side::Long),
            Lots(_) => Some(Side::Short),
        })
    }

    /// Unwinds winners of the heavy side (of the other one, if that is owed more and the heavy side less than what is missing)
    /// by what the market lacks, at the better of live price and average.
    ///
    /// # Errors
    /// [`EngineError::NotExhausted`] while the market is worth something at either price, [`EngineError::NoWinners`], a
    /// price that is not Fresh, [`EngineError::Overflow`].
    pub fn rebalance(&mut self, now: i64) -> Result<RebalanceReport> {
        self.oracle.require(&self.params.oracle, (Action::Waterfall, Age::Trade), now)?;
        self.accrue(now)?;
        self.require_trading()?;
        let (mark, equity) = (self.mark(), self.equity_at_best()?);
        if equity >= Quote::ZERO {
            return Err(EngineError::NotExhausted { equity: equity.0 });
        }
        let mut side = self.heavy_side()?.unwrap_or(Side::Long);
        let (deficit, mut winners) = (equity.0.unsigned_abs(), self.book.side(side).winners(mark)?);
        if winners < deficit {
            let others = self.book.side(side.opposite()).winners(mark)?;
            (side, winners) = if others > winners { (side.opposite(), others) } else { (side, winners) };
        }
        if winners == 0 {
            return Err(EngineError::NoWinners);
        }
        let fraction = unwind_fraction(deficit, winners, MAX_UNWIND)?;
        let report = self.book.side_mut(side).unwind(mark, fraction)?;
        if report.booked == 0 {
            return Err(EngineError::NoWinners); // all that is missing is rounding
        }
        self.update_borrow_rate()?;
        Ok(RebalanceReport { side, deficit, winners, fraction, booked: report.booked, lots: report.lots })
    }
}

const _: () = assert!(size_of::<DeleverageParams>() == 24);
