//! What it costs to hold a position: funding and borrow.
//!
//! Funding has a velocity: while longs outweigh shorts its daily rate rises, in proportion to the skew, and the
//! other way round, so that the rate settles where the book balances. Longs pay it to shorts (or receive it); what
//! the two sides do not net goes to or comes from the pool. Borrow is the price of the pool's risk: the heavier side
//! pays a kinked rate of the pool's utilisation `|S|·P / E_m`.
//!
//! Carry only ever moves the carry indices of the two sides, so no position is touched. Every accrual takes skew, price
//! and borrow rate as they have been since the last event that changed one of them, and integrates the clamped
//! funding rate exactly: accruing `T` once or in `n` parts differs by rounding only (I11).

use bytemuck::{Pod, Zeroable};
use fixed::types::I80F48;

use crate::market::Market;
use crate::price::within;
use crate::units::{Lots, PPM, Quote};
use crate::wide::{self, Round};
use crate::{EngineError, Result};

/// Longest time that one accrual counts, seconds: an idle market cannot jump.
pub const MAX_ACCRUAL: i64 = 3_600;
/// A daily funding rate of 100 %.
pub const RATE_ONE: u64 = 1 << 48;
const SECONDS_PER_DAY: u64 = 86_400;
const PPM_SECONDS_PER_DAY: u64 = SECONDS_PER_DAY * PPM;

/// How fast carry grows. All rates in ppm per day.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "borsh", derive(borsh::BorshDeserialize))]
#[cfg_attr(all(feature = "borsh", not(feature = "idl-build")), derive(borsh::BorshSerialize))]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct CarryParams {
    /// Change of the funding rate per day while the skew is at the skew scale or beyond.
    pub funding_velocity_ppm: u32,
    /// Largest funding rate, either way.
    pub funding_max_ppm: u32,
    /// Borrow rate of the smallest utilisation.
    pub borrow_base_ppm: u32,
    /// What the borrow rate gains up to the kink.
    pub borrow_slope_ppm: u32,
    /// What it gains from there to full utilisation.
    pub borrow_steep_ppm: u32,
    /// Utilisation of the kink, ppm.
    pub borrow_kink_ppm: u32,
}

impl CarryParams {
    /// A market without carry.
    pub const NONE: Self = Self {
        funding_velocity_ppm: 0,
        funding_max_ppm: 0,
        borrow_base_ppm: 0,
        borrow_slope_ppm: 0,
        borrow_steep_ppm: 0,
        borrow_kink_ppm: 800_000,
    };

    /// Velocity 200 % a day per day, at most 10 % a day; borrow 0.03 % a day at 80 % utilisation, 0.6 % at full.
    pub const DEFAULT: Self = Self {
        funding_velocity_ppm: 2_000_000,
        funding_max_ppm: 100_000,
        borrow_base_ppm: 50,
        borrow_slope_ppm: 250,
        borrow_steep_ppm: 5_700,
        borrow_kink_ppm: 800_000,
    };

    /// Checks the hard bounds of the program.
    ///
    /// # Errors
    /// [`EngineError::ParameterOutOfBounds`] naming the first field outside.
    pub fn validate(&self) -> Result<()> {
        within("funding_velocity_ppm", self.funding_velocity_ppm, 0, 10_000_000)?;
        within("funding_max_ppm", self.funding_max_ppm, 0, 1_000_000)?;
        within("borrow_base_ppm", self.borrow_base_ppm, 0, 10_000)?;
        within("borrow_slope_ppm", self.borrow_slope_ppm, 0, 100_000)?;
        within("borrow_steep_ppm", self.borrow_steep_ppm, 0, 1_000_000)?;
        within("borrow_kink_ppm", self.borrow_kink_ppm, 100_000, 950_000)
    }

    /// The kinked borrow rate at a utilisation of at most 100 %, ppm per day, rounded up.
    #[must_use]
    pub fn borrow_rate(&self, utilisation_ppm: u32) -> u32 {
        let [base, slope, steep, kink] =
            [self.borrow_base_ppm, self.borrow_slope_ppm, self.borrow_steep_ppm, self.borrow_kink_ppm]
                .map(u64::from);
        let used = u64::from(utilisation_ppm).min(PPM);
        let part = |gain: u64, of: u64, whole: u64| {
            gain.saturating_mul(of)
                .checked_next_multiple_of(whole)
                .and_then(|x| x.checked_div(whole))
                .unwrap_or(gain)
        };
        let above = part(steep, used.saturating_sub(kink), PPM.saturating_sub(kink));
        let rate = base.saturating_add(part(slope, used.min(kink), kink)).saturating_add(above);
        u32::try_from(rate).unwrap_or(u32::MAX) // bounded by validate to below 2^21
    }
}

/// Rates as they have been since the last event.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct CarryState {
    /// Funding rate per day, signed Q48: longs pay while it is positive.
    pub funding_rate: i64,
    /// When carry was last accrued, unix seconds.
    pub accrued_at: i64,
    /// Borrow rate of the heavier side, ppm per day.
    pub borrow_ppm: u32,
    /// Explicit padding.
    pub _padding: u32,
}

/// A funding rate after some seconds, and the area under it.
struct Drift {
    /// Rate at the end, Q48 per day.
    rate: i64,
    /// Twice the integral of the rate over the time, Q48 per day times seconds.
    doubled_area: i64,
}

impl Market {
    /// Accrues funding and borrow up to `now`. Must come before anything that changes price, skew or cash.
    ///
    /// `dF = P·∫rate dt / 86400` is added to both indices: rounded up for longs and down for shorts, by at most 2^-48 quote
    /// units per lot of what the stored rates give; the change of a rate itself is rounded down. `dB = P·borrow·dt / 86400`, rounded up, moves the heavier side's index against it.
    ///
    /// # Errors
    /// [`EngineError::Overflow`] never for a stored state.
    pub fn accrue(&mut self, now: i64) -> Result<()> {
        if self.book.long.lots == 0 && self.book.short.lots == 0 {
            self.carry.funding_rate = 0; // nobody pays, and who comes next must not meet an old rate
            self.carry.accrued_at = self.carry.accrued_at.max(now);
            return Ok(());
        }
        let elapsed = now.saturating_sub(self.carry.accrued_at);
        if elapsed <= 0 || self.is_settling() {
            return Ok(());
        }
        self.carry.accrued_at = now;
        let skew = self.book.skew()?;
        let seconds = u64::try_from(elapsed.min(MAX_ACCRUAL)).map_err(|_| EngineError::Overflow)?;
        self.accrue_funding(skew, seconds)?;
        self.accrue_borrow(skew, seconds)
    }

    fn accrue_funding(&mut self, skew: Lots, seconds: u64) -> Result<()> {
        let Drift { rate, doubled_area } = self.drift(skew, seconds)?;
        self.carry.funding_rate = rate;
        if doubled_area == 0 {
            return Ok(());
        }
        let price = self.mark().to_bits();
        let area = u128::from(doubled_area.unsigned_abs());
        let down = i128::from(wide::mul_div_wide(area, price, 2 * SECONDS_PER_DAY, Round::Down)?);
        // Next step up: a whole step also where the division was exact, which no one can feel.
        let up = down.wrapping_add(1);
        let [longs, shorts] =
            if doubled_area > 0 { [up, down] } else { [down.wrapping_neg(), up.wrapping_neg()] };
        self.move_index(Lots(1), longs)?;
        self.move_index(Lots(-1), shorts)
    }

    /// `rate' = clamp(rate + velocity·clamp(S/K, ±1)·dt, ±max)`, and the area under the clamped line.
    fn drift(&self, skew: Lots, seconds: u64) -> Result<Drift> {
        let params = &self.params.carry;
        let max = wide::mul_div(u64::from(params.funding_max_ppm), RATE_ONE, PPM, Round::Down)?;
        let max = wide::with_sign(max, false)?;
        let from = self.carry.funding_rate.clamp(max.wrapping_neg(), max);
        let scale = self.params.skew_scale;
        let share = wide::mul_div(skew.count().min(scale), RATE_ONE, scale, Round::Down)?;
        let velocity = u64::from(params.funding_velocity_ppm).saturating_mul(seconds); // below 2^36
        let change = wide::mul_div(velocity, share, PPM_SECONDS_PER_DAY, Round::Down)?;
        let free = from.checked_add(wide::with_sign(change, skew.0 < 0)?).ok_or(EngineError::Overflow)?;
        let rate = free.clamp(max.wrapping_neg(), max);
        let seconds = wide::with_sign(seconds, false)?;
        let area =
            from.checked_add(free).and_then(|x| x.checked_mul(seconds)).ok_or(EngineError::Overflow)?;
        // Beyond the clamp the line leaves a triangle of height `cut` over the time `dt·cut/change`.
        let cut = free.abs_diff(rate);
        if cut == 0 {
            return Ok(Drift { rate, doubled_area: area });
        }
        let over = cut.checked_mul(seconds.unsigned_abs()).ok_or(EngineError::Overflow)?;
        let triangle = wide::with_sign(wide::mul_div(cut, over, change, Round::Down)?, free < 0)?;
        Ok(Drift { rate, doubled_area: area.checked_sub(triangle).ok_or(EngineError::Overflow)? })
    }

    fn accrue_borrow(&mut self, skew: Lots, seconds: u64) -> Result<()> {
        if skew == Lots::ZERO || self.carry.borrow_ppm == 0 {
            return Ok(());
        }
        let rate = u128::from(u64::from(self.carry.borrow_ppm).saturating_mul(seconds)).wrapping_shl(48);
        let grown = wide::mul_div_wide(rate, self.mark().to_bits(), PPM_SECONDS_PER_DAY, Round::Up)?;
        let grown = i128::from(grown);
        self.move_index(skew, if skew.0 > 0 { grown } else { grown.wrapping_neg() })
    }

    /// Adds `change`, Q48 quote units per lot, to the index of the side that `sign` is on.
    fn move_index(&mut self, sign: Lots, change: i128) -> Result<()> {
        let ladder = if sign.0 > 0 { &mut self.book.long } else { &mut self.book.short };
        let moved = ladder.carry.get().checked_add(I80F48::from_bits(change)).ok_or(EngineError::Overflow)?;
        ladder.carry.set(moved);
        Ok(())
    }

    /// Sets the borrow rate to what skew, price and equity now ask for. Comes after whatever changed one of them, so
    /// that the rate holds until the next event.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn update_borrow_rate(&mut self) -> Result<()> {
        let notional = self.mark().mul_ceil(self.book.skew()?.count())?;
        self.carry.borrow_ppm = match notional {
            0 => 0,
            _ if self.is_settling() => 0,
            _ => self.params.carry.borrow_rate(utilisation_ppm(notional, self.book.equity(self.mark())?)?),
        };
        Ok(())
    }
}

/// `|S|·P / E_m`, at most 100 %, rounded up.
fn utilisation_ppm(notional: u64, equity: Quote) -> Result<u32> {
    let equity = equity.units_or_zero();
    if notional >= equity {
        return u32::try_from(PPM).map_err(|_| EngineError::Overflow);
    }
    u32::try_from(wide::mul_div(notional, PPM, equity, Round::Up)?).map_err(|_| EngineError::Overflow)
}

const _: () = assert!(size_of::<CarryParams>() == 24 && size_of::<CarryState>() == 24);
