//! A liquidation is an auction that ends in seconds.
//!
//! Who takes over a position of an account below maintenance margin is paid a price concession that starts small and
//! rises with every slot, up to `π_zero`, the concession at which equity over requirement stays what it is. What is left
//! below `π_zero` goes to the market's insurance. So the account never leaves a fill worse off than it entered it,
//! the first to be content wins, and after a takeover time anyone may hand the position to the pool: delay, not
//! price, is what creates bad debt. All prices are relative to the live mark; there is nothing to restart when it moves.
//!
//! Invariant I7: equity over requirement never falls by a fill at `π_zero` or better; a fee never makes equity negative;
//! an account at or above its requirement cannot be liquidated.

use bytemuck::{Pod, Zeroable};

use crate::margin::Health;
use crate::market::AUCTION_START_PPM;
use crate::units::{PPM, Price, Quote};
use crate::wide::{self, Round};
use crate::{EngineError, Result};

/// Slots until the concession is at its highest.
pub const RAMP_SLOTS: u64 = 20;
/// Slots after which the pool takes over whatever nobody wanted.
pub const TAKEOVER_SLOTS: u64 = 50;
/// Slots without a call after which an auction is over: every call says that the account is still in trouble, one that
/// recovered and fell again gets a new auction.
pub const LAPSE_SLOTS: u64 = 10;
/// The same for an account without positions, whose collateral is sold.
pub const COLLATERAL_LAPSE_SLOTS: u64 = 50;
/// A share of 1.0 as the auction computes with it.
pub const SHARE_ONE: u64 = 1 << 32;
/// Equity over requirement that a liquidation restores, as `21 / 20`.
const TARGET: (u64, u64) = (21, 20);

/// The auction of an account, in slots; all zeros: none.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct Auction {
    /// Slot of the first call.
    pub started: u64,
    /// Slot of the last call.
    pub touched: u64,
    /// Equity over requirement at the first call of that slot, Q32.
    pub ratio: u64,
    /// 1 while the account sells collateral and holds no position any more.
    pub collateral_only: u8,
    /// Explicit padding.
    pub _padding: [u8; 7],
}

/// Where an auction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Slots since the first call.
    pub elapsed: u64,
    /// Equity over requirement that the concession is worked out with, Q32: a fill raises it, but not for another one in
    /// the same slot, so cutting a takeover into parts pays nothing.
    pub ratio: u64,
}

impl Moment {
    /// The first call of a slot, `elapsed` slots into the auction of an account of this health.
    ///
    /// # Errors
    /// [`EngineError::Healthy`] at or above the requirement, [`EngineError::Overflow`].
    pub fn of(health: Health, elapsed: u64) -> Result<Self> {
        require_unhealthy(health)?;
        let (equity, requirement) = (health.equity.units_or_zero(), health.requirement.units_or_zero());
        Ok(Self { elapsed, ratio: wide::mul_div(equity, SHARE_ONE, requirement.max(1), Round::Down)? })
    }
}

impl Auction {
    /// Whether somebody has called within the last slots.
    #[must_use]
    pub const fn is_running(&self, slot: u64) -> bool {
        let lapse = if self.collateral_only == 0 { LAPSE_SLOTS } else { COLLATERAL_LAPSE_SLOTS };
        self.started != 0 && slot.saturating_sub(self.touched) <= lapse
    }

    /// Counts a call at `slot` for an account of this health, with or without `positions`: what it has to sell when they are
    /// gone is another auction.
    ///
    /// # Errors
    /// [`EngineError::Healthy`] at or above the requirement, [`EngineError::Overflow`].
    pub fn call(&mut self, slot: u64, (health, positions): (Health, bool)) -> Result<Moment> {
        let running = self.is_running(slot) && (self.collateral_only == 0) == positions;
        let again = running && self.touched == slot;
        if !running {
            self.started = slot;
        }
        self.collateral_only = u8::from(!positions);
        let fresh = Moment::of(health, slot.saturating_sub(self.started))?;
        self.ratio = if again { fresh.ratio.min(self.ratio) } else { fresh.ratio };
        self.touched = slot;
        Ok(Moment { ratio: self.ratio, ..fresh })
    }

    /// Ends the auction of an account that is out of trouble: 5 % above its requirement.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn end_if_over(&mut self, health: Health) -> Result<()> {
        if health.equity >= target(health.requirement)? {
            *self = Self::default();
        }
        Ok(())
    }
}

/// `Ok` below the requirement.
fn require_unhealthy(Health { equity, requirement }: Health) -> Result<()> {
    if equity >= requirement {
        return Err(EngineError::Healthy { equity: equity.0, requirement: requirement.0 });
    }
    Ok(())
}

/// The position that is on offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lot {
    /// Lots held.
    pub held: u64,
    /// Lots that one call may take.
    pub most: u64,
    /// Mark price.
    pub mark: Price,
    /// What a unit of notional frees of the account's requirement for sure, ppm.
    pub mmf_ppm: u32,
    /// Liquidation fee, ppm.
    pub fee_ppm: u32,
    /// Orders are multiples of this, lots.
    pub step: u64,
    /// Least worth of what may be left, quote units.
    pub min_notional: u64,
}

/// What the auction offers at a moment. Shares are of notional, Q32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// Concession to who takes over.
    pub concession: u64,
    /// Fee to the market's insurance.
    pub fee: u64,
    /// Lots that restore the account; all if less would not, or too little would be left.
    pub lots: u64,
}

impl Offer {
    /// The offer for `lot` of an account of this health, at a moment of its auction.
    ///
    /// With `π_zero = mmf · max(E, 0) / MM` and `π_0 = min(0.2 %, π_zero / 4)` the concession is
    /// `π_0 + (π_zero − π_0) · min(t, ramp) / ramp`, the fee `min(liquidation fee, π_zero − π)`, and
    /// `x · P = (1.05·MM − E) / (1.05·mmf − π − fee)`. Shares are rounded down, lots up to the next step.
    ///
    /// # Errors
    /// [`EngineError::Healthy`] at or above the requirement, [`EngineError::Overflow`].
    pub fn at(lot: &Lot, health: Health, moment: Moment) -> Result<Self> {
        let highest = neutral(lot, moment)?;
        let concession = ramp(highest, moment.elapsed)?;
        let fee = of_ppm(lot.fee_ppm)?.min(highest.saturating_sub(concession));
        Self::sized(lot, health, (concession, fee))
    }

    /// The offer of the pool for what reduces its skew: the concession of the start.
    ///
    /// # Errors
    /// As [`Offer::at`].
    pub fn at_once(lot: &Lot, health: Health, moment: Moment) -> Result<Self> {
        Self::sized(lot, health, (lowest(neutral(lot, moment)?)?, 0))
    }

    /// The offer of the pool when nobody else took the position: along its curve, at a concession of `π_zero` at most, and of
    /// what the curve leaves of that the insurance gets the fee. `impact` is the concession of the curve for the whole
    /// position, Q32: what is taken costs no more, so the lots restore the account.
    ///
    /// # Errors
    /// As [`Offer::at`].
    pub fn at_the_end(lot: &Lot, (health, moment): (Health, Moment), impact: u64) -> Result<Self> {
        let (highest, fee) = (neutral(lot, moment)?, of_ppm(lot.fee_ppm)?);
        let expected = impact.min(highest);
        let offer = Self::sized(lot, health, (expected, fee.min(highest.saturating_sub(expected))))?;
        Ok(Self { concession: highest, fee, ..offer })
    }

    /// With the lots that restore the account.
    fn sized(lot: &Lot, health: Health, (concession, fee): (u64, u64)) -> Result<Self> {
        require_unhealthy(health)?;
        let Health { equity, requirement } = health;
        let missing = target(requirement)?.minus(equity)?.units_or_zero();
        let freed = wide::mul_div(of_ppm(lot.mmf_ppm)?, TARGET.0, TARGET.1, Round::Down)?
            .saturating_sub(concession)
            .saturating_sub(fee);
        Ok(Self { concession, fee, lots: lot.restoring(missing, freed)? })
    }
}

/// `π_zero`: the concession at which equity over requirement stays constant, Q32 rounded down.
fn neutral(lot: &Lot, moment: Moment) -> Result<u64> {
    wide::mul_div(of_ppm(lot.mmf_ppm)?, moment.ratio, SHARE_ONE, Round::Down)
}

/// `π_0` for this highest concession, Q32.
fn lowest(highest: u64) -> Result<u64> {
    Ok(of_ppm(AUCTION_START_PPM)?.min(highest.div_euclid(4)))
}

/// `π_0 + (highest − π_0) · min(elapsed, ramp) / ramp`, Q32 rounded down.
pub(crate) fn ramp(highest: u64, elapsed: u64) -> Result<u64> {
    let start = lowest(highest)?;
    let rise = highest.saturating_sub(start);
    Ok(start.saturating_add(wide::mul_div(rise, elapsed.min(RAMP_SLOTS), RAMP_SLOTS, Round::Down)?))
}

/// `lots` rounded down to whole steps.
pub(crate) fn whole_steps(lots: u64, step: u64) -> u64 {
    lots.saturating_sub(lots.checked_rem(step).unwrap_or(0))
}

/// `1.05 · MM`, rounded up.
pub(crate) fn target(requirement: Quote) -> Result<Quote> {
    Quote::from_units(wide::mul_div(requirement.units_or_zero(), TARGET.0, TARGET.1, Round::Up)?)
}

/// A ratio in Q32, rounded down.
pub(crate) fn of_ppm(ppm: u32) -> Result<u64> {
    wide::mul_div(u64::from(ppm), SHARE_ONE, PPM, Round::Down)
}

impl Lot {
    /// The lots that bring in `missing` quote units when a unit of notional brings `freed` (Q32): up to the next step, all
    /// if there are not enough or the rest would be too small.
    fn restoring(&self, missing: u64, freed: u64) -> Result<u64> {
        let notional = wide::mul_div(missing, SHARE_ONE, freed, Round::Up);
        let lots = notional.and_then(|n| wide::mul_div(n, SHARE_ONE, self.mark.to_bits(), Round::Up));
        let lots = lots.ok().and_then(|lots| lots.checked_next_multiple_of(self.step));
        let Some(lots) = lots.filter(|&lots| lots < self.held) else { return Ok(self.most) };
        let lots = lots.min(self.most);
        let left = self.mark.mul_floor(self.held.saturating_sub(lots))?;
        Ok(if left < self.min_notional { self.most } else { lots })
    }

    /// Up to `lots`, as many as the pool may take without turning its skew round: whole steps, and one less where the
    /// rest would be too small otherwise.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub(crate) fn reducing(&self, lots: u64, skew: u64) -> Result<u64> {
        if lots <= skew {
            return Ok(lots);
        }
        // An unwind leaves any number of lots: the skew need not be a multiple of the step.
        let keep = wide::mul_div(self.min_notional, SHARE_ONE, self.mark.to_bits(), Round::Up)?;
        let most = self.held.saturating_sub(keep);
        Ok(whole_steps(skew.min(most), self.step))
    }

    /// `share` (Q32) of the worth of `lots`, quote units rounded down.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn part(&self, lots: u64, share: u64) -> Result<u64> {
        wide::mul_div(self.mark.mul_floor(lots)?, share, SHARE_ONE, Round::Down)
    }
}

const _: () = assert!(size_of::<Auction>() == 32);
