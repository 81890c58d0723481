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
use crate::units::{PPM, Price, Quote};
use crate::wide::{self, Round};
use crate::{EngineError, Result};

/// Slots until the concession is at its highest.
pub const RAMP_SLOTS: u64 = 20;
/// Slots after which the pool takes over whatever nobody wanted.
pub const TAKEOVER_SLOTS: u64 = 50;
/// Slots without a call after which an auction is over: an account that recovered and fell again gets a new one.
pub const LAPSE_SLOTS: u64 = 150;
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
}

impl Auction {
    /// Counts a call at `slot` and says how many slots the auction has been running.
    pub const fn call(&mut self, slot: u64) -> u64 {
        if self.started == 0 || slot.saturating_sub(self.touched) > LAPSE_SLOTS {
            self.started = slot;
        }
        self.touched = slot;
        slot.saturating_sub(self.started)
    }
}

/// The position that is on offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lot {
    /// Lots held.
    pub held: u64,
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
    /// The offer for `lot` of an account of this health, `elapsed` slots into its auction.
    ///
    /// With `π_zero = mmf · max(E, 0) / MM` and `π_0 = min(0.2 %, π_zero / 4)` the concession is
    /// `π_0 + (π_zero − π_0) · min(t, ramp) / ramp`, the fee `min(liquidation fee, π_zero − π)`, and
    /// `x · P = (1.05·MM − E) / (1.05·mmf − π − fee)`. Shares are rounded down, lots up to the next step.
    ///
    /// # Errors
    /// [`EngineError::Healthy`] at or above the requirement, [`EngineError::Overflow`].
    pub fn at(lot: &Lot, health: Health, elapsed: u64) -> Result<Self> {
        let Health { equity, requirement } = health;
        if equity >= requirement {
            return Err(EngineError::Healthy { equity: equity.0, requirement: requirement.0 });
        }
        let (mmf, highest) = (of_ppm(lot.mmf_ppm)?, neutral(lot, health)?);
        let start = of_ppm(crate::market::AUCTION_START_PPM)?.min(highest.div_euclid(4));
        let risen =
            wide::mul_div(highest.saturating_sub(start), elapsed.min(RAMP_SLOTS), RAMP_SLOTS, Round::Down)?;
        let concession = start.saturating_add(risen);
        let fee = of_ppm(lot.fee_ppm)?.min(highest.saturating_sub(concession));
        let missing = target(requirement)?.minus(equity)?.units_or_zero();
        let freed = wide::mul_div(mmf, TARGET.0, TARGET.1, Round::Down)?
            .saturating_sub(concession)
            .saturating_sub(fee);
        Ok(Self { concession, fee, lots: lot.restoring(missing, freed)? })
    }

    /// The offer of the pool: the concession of the start for what reduces its skew.
    ///
    /// # Errors
    /// As [`Offer::at`].
    pub fn of_pool(lot: &Lot, health: Health) -> Result<Self> {
        let start = Self::at(lot, health, 0)?;
        Ok(Self { fee: 0, ..start })
    }
}

/// `π_zero`: the concession at which equity over requirement stays constant, Q32 rounded down.
fn neutral(lot: &Lot, health: Health) -> Result<u64> {
    let (equity, requirement) = (health.equity.units_or_zero(), health.requirement.units_or_zero());
    wide::mul_div(of_ppm(lot.mmf_ppm)?, equity, requirement.max(1), Round::Down)
}

/// `1.05 · MM`, rounded up.
fn target(requirement: Quote) -> Result<Quote> {
    Quote::from_units(wide::mul_div(requirement.units_or_zero(), TARGET.0, TARGET.1, Round::Up)?)
}

/// A ratio in Q32, rounded down.
fn of_ppm(ppm: u32) -> Result<u64> {
    wide::mul_div(u64::from(ppm), SHARE_ONE, PPM, Round::Down)
}

impl Lot {
    /// The lots that bring in `missing` quote units when a unit of notional brings `freed` (Q32): up to the next step, all
    /// if there are not enough or the rest would be too small.
    fn restoring(&self, missing: u64, freed: u64) -> Result<u64> {
        let notional = wide::mul_div(missing, SHARE_ONE, freed, Round::Up);
        let lots = notional.and_then(|n| wide::mul_div(n, SHARE_ONE, self.mark.to_bits(), Round::Up));
        let lots = lots.ok().and_then(|lots| lots.checked_next_multiple_of(self.step));
        let Some(lots) = lots.filter(|&lots| lots < self.held) else { return Ok(self.held) };
        let left = self.mark.mul_floor(self.held.saturating_sub(lots))?;
        Ok(if left < self.min_notional { self.held } else { lots })
    }

    /// `lots` rounded down to the step.
    pub(crate) fn whole_steps(&self, lots: u64) -> u64 {
        lots.saturating_sub(lots.checked_rem(self.step).unwrap_or(0))
    }

    /// `share` (Q32) of the worth of `lots`, quote units rounded down.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn part(&self, lots: u64, share: u64) -> Result<u64> {
        wide::mul_div(self.mark.mul_floor(lots)?, share, SHARE_ONE, Round::Down)
    }
}

const _: () = assert!(size_of::<Auction>() == 16);
