//! Margin follows volatility, or liquidation comes too late.
//!
//! Every print moves two variance estimates, a fast one with a half-life of 30 minutes and a slow one of 24 hours; the
//! larger counts, and never less than a floor. From it follow the spread that a price of a certain age must pay, the
//! maintenance fraction `4.5·σ·√30 s + liquidation fee` and the initial fraction `6·σ·√15 min`. The maintenance
//! fraction drifts towards its target by at most 10 % up and 5 % down an hour, so that volatility alone cannot
//! liquidate a book in one print; the initial fraction may rise at once.
//!
//! Variance is in ppm² of the price per second, with 16 fractional bits; σ in ppm per √second.

use bytemuck::{Pod, Zeroable};

use crate::decay;
use crate::market::{Market, MarketParams};
use crate::price::within;
use crate::units::{PPM, PPM_ONE, Price, ppm_ceil};
use crate::wide::{self, Round};
use crate::{EngineError, Result};

/// Half-lives of the two variances, seconds.
pub const HALF_LIVES: [u32; 2] = [1_800, 86_400];
/// Largest move of one print that counts, ppm: one misprint must not make the market unusable for hours.
const MAX_MOVE_PPM: u64 = 100_000;
/// Largest half spread that volatility alone asks for, ppm: what a close may cost does not grow without bound.
pub const MAX_VOLATILE_SPREAD_PPM: u64 = 10_000;
/// Fraction bits of a variance and of the drifting maintenance fraction.
const FRACTION: u32 = 16;
/// √30 s, ppm.
const LIQUIDATION_ROOT_PPM: u32 = 5_477_226;
/// √(15 min).
const HORIZON_ROOT: u64 = 30;
/// ln 1.1 an hour, ppm: steps of any length compound to at most +10 %.
const DRIFT_UP_PPM: u64 = 95_310;
/// 5 % an hour, ppm: one step of an hour takes 5 %, shorter ones compound to less.
const DRIFT_DOWN_PPM: u64 = 50_000;
const HOUR: u64 = 3_600;
/// Largest maintenance fraction that volatility alone asks for, ppm.
pub const MAX_DYNAMIC_MMF_PPM: u32 = 600_000;
/// What the initial fraction is at least, as a multiple of the maintenance fraction, ppm.
const IMF_OVER_MMF_PPM: u32 = 1_600_000;

/// How strongly spread and margin follow volatility: multiples of σ in ppm, 0 for not at all.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "borsh", derive(borsh::BorshDeserialize))]
#[cfg_attr(all(feature = "borsh", not(feature = "idl-build")), derive(borsh::BorshSerialize))]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct VolatilityParams {
    /// Half spread per `σ·√(age + 0.4 s)`.
    pub spread_sigma_ppm: u32,
    /// Maintenance fraction per `σ·√30 s`.
    pub mmf_sigma_ppm: u32,
    /// Initial fraction per `σ·√15 min`.
    pub imf_sigma_ppm: u32,
    /// Least σ, ppm per √second.
    pub sigma_floor_ppm: u32,
}

impl VolatilityParams {
    /// Nothing follows volatility.
    pub const NONE: Self =
        Self { spread_sigma_ppm: 0, mmf_sigma_ppm: 0, imf_sigma_ppm: 0, sigma_floor_ppm: 0 };

    /// Spread 3 σ, maintenance 4.5 σ, initial margin 6 σ; σ at least 20 ppm per √second, 11 % a year.
    pub const DEFAULT: Self = Self {
        spread_sigma_ppm: 3_000_000,
        mmf_sigma_ppm: 4_500_000,
        imf_sigma_ppm: 6_000_000,
        sigma_floor_ppm: 20,
    };

    /// Checks the hard bounds of the program.
    ///
    /// # Errors
    /// [`EngineError::ParameterOutOfBounds`] naming the first field outside.
    pub fn validate(&self) -> Result<()> {
        within("spread_sigma_ppm", self.spread_sigma_ppm, 0, 10_000_000)?;
        within("mmf_sigma_ppm", self.mmf_sigma_ppm, 0, 20_000_000)?;
        within("imf_sigma_ppm", self.imf_sigma_ppm, 0, 20_000_000)?;
        within("sigma_floor_ppm", self.sigma_floor_ppm, 0, 1_000)
    }
}

/// What a market knows of its volatility, and the margin fractions that follow from it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct VolatilityState {
    /// Fast and slow variance, ppm² per second with 16 fractional bits.
    pub variances: [u64; 2],
    /// Maintenance fraction as it drifts, ppm with 16 fractional bits.
    pub drifting_mmf: u64,
    /// When it last drifted, unix seconds.
    pub drifted_at: i64,
    /// σ, ppm per √second, rounded up.
    pub sigma_ppm: u32,
    /// Maintenance fraction, ppm, rounded up.
    pub mmf_ppm: u32,
    /// Initial fraction before open interest is looked at, ppm.
    pub imf_ppm: u32,
    /// Explicit padding.
    pub _padding: u32,
}

impl VolatilityState {
    /// The state of a market that was never refreshed: variance at its floor, fractions at their targets.
    ///
    /// # Errors
    /// [`EngineError::Overflow`] never for valid parameters.
    pub fn initial(params: &MarketParams, now: i64) -> Result<Self> {
        let floor = u64::from(params.volatility.sigma_floor_ppm);
        let variance = floor.saturating_mul(floor).wrapping_shl(FRACTION); // below 2^36
        let mut state = Self { variances: [variance; 2], drifted_at: now, ..Self::default() };
        state.sigma_ppm = params.volatility.sigma_floor_ppm;
        state.drifting_mmf = u64::from(state.target_mmf(params)?).wrapping_shl(FRACTION);
        state.set_fractions(params)?;
        Ok(state)
    }

    /// Counts the move from one print to the next, `elapsed` seconds later:
    /// `var ← var + w·(r²/Δt − var)`, `w = 1 − 2^(−Δt/H)`. Rises are rounded up, falls down.
    ///
    /// # Errors
    /// [`EngineError::Overflow`] never for prices in range and `elapsed > 0`.
    pub fn observe(&mut self, [from, to]: [Price; 2], elapsed: u32, params: &VolatilityParams) -> Result<()> {
        let (from, to) = (from.to_bits(), to.to_bits());
        let moved = wide::mul_div(from.abs_diff(to), PPM, from, Round::Up).unwrap_or(MAX_MOVE_PPM);
        let moved = moved.min(MAX_MOVE_PPM);
        let square = moved.saturating_mul(moved).wrapping_shl(FRACTION); // at most 2^50
        let sample = square.checked_div(u64::from(elapsed)).ok_or(EngineError::Overflow)?;
        for (variance, half_life) in self.variances.iter_mut().zip(HALF_LIVES) {
            let weight = decay::ONE.saturating_sub(decay::remaining(elapsed, half_life)?);
            let round = if sample > *variance { Round::Up } else { Round::Down };
            let step = wide::mul_div(sample.abs_diff(*variance), weight, decay::ONE, round)?;
            *variance = if sample > *variance {
                variance.saturating_add(step)
            } else {
                variance.saturating_sub(step)
            };
        }
        let variance = self.variances.into_iter().max().unwrap_or(0);
        // The root has half the fraction bits; one more than the root of one less is the root rounded up.
        let root = if variance == 0 { 0 } else { variance.wrapping_sub(1).isqrt().wrapping_add(1) };
        let sigma = u32::try_from(root.div_ceil(1 << (FRACTION / 2))).map_err(|_| EngineError::Overflow)?;
        self.sigma_ppm = sigma.max(params.sigma_floor_ppm);
        Ok(())
    }

    /// Lifts σ to a floor that was raised.
    pub(crate) fn floor_sigma(&mut self, params: &VolatilityParams) {
        self.sigma_ppm = self.sigma_ppm.max(params.sigma_floor_ppm);
    }

    /// Lets the maintenance fraction drift towards its target, and sets the initial fraction.
    ///
    /// # Errors
    /// [`EngineError::Overflow`] never for valid parameters.
    pub fn drift(&mut self, params: &MarketParams, now: i64) -> Result<()> {
        let elapsed = u64::try_from(now.saturating_sub(self.drifted_at)).unwrap_or(0).min(HOUR);
        let target = u64::from(self.target_mmf(params)?).wrapping_shl(FRACTION);
        let from = self.drifting_mmf;
        // from < 2^36, ppm·seconds < 2^29: fits.
        let step = |ppm: u64| {
            from.saturating_mul(ppm.saturating_mul(elapsed))
                .checked_div(PPM.saturating_mul(HOUR))
                .unwrap_or(0)
        };
        self.drifting_mmf = if target > from {
            from.saturating_add(step(DRIFT_UP_PPM)).min(target)
        } else {
            from.saturating_sub(step(DRIFT_DOWN_PPM)).max(target)
        };
        self.drifted_at = self.drifted_at.max(now);
        self.set_fractions(params)
    }

    /// `max(mmf_base, 4.5·σ·√30 s + liquidation fee)`.
    fn target_mmf(&self, params: &MarketParams) -> Result<u32> {
        let root = ppm_ceil(u64::from(self.sigma_ppm), LIQUIDATION_ROOT_PPM)?;
        let moved = ppm_ceil(root, params.volatility.mmf_sigma_ppm)?;
        let dynamic = match moved {
            0 => 0,
            _ => moved
                .saturating_add(u64::from(params.liquidation_fee_ppm))
                .min(u64::from(MAX_DYNAMIC_MMF_PPM)),
        };
        Ok(u32::try_from(dynamic).map_err(|_| EngineError::Overflow)?.max(params.mmf_ppm))
    }

    /// `imf = max(imf_base, 1.6·mmf, 6·σ·√15 min)`, at most 100 %. Comes after whatever changed σ or the parameters.
    ///
    /// # Errors
    /// [`EngineError::Overflow`] never for valid parameters.
    pub fn set_fractions(&mut self, params: &MarketParams) -> Result<()> {
        let mmf = self.drifting_mmf.div_ceil(1 << FRACTION);
        let moved = u64::from(self.sigma_ppm).saturating_mul(HORIZON_ROOT);
        let moved = ppm_ceil(moved, params.volatility.imf_sigma_ppm)?;
        let imf = moved.max(ppm_ceil(mmf, IMF_OVER_MMF_PPM)?).min(PPM);
        self.mmf_ppm = u32::try_from(mmf).map_err(|_| EngineError::Overflow)?;
        self.imf_ppm = u32::try_from(imf).map_err(|_| EngineError::Overflow)?.max(params.imf_ppm);
        Ok(())
    }

    /// Half spread that a price of this age pays for its volatility, ppm, rounded up: `k·σ·√(age + 0.4 s)`, at most
    /// [`MAX_VOLATILE_SPREAD_PPM`].
    ///
    /// # Errors
    /// [`EngineError::Overflow`] never for a valid state.
    pub fn half_spread_ppm(&self, params: &VolatilityParams, age_seconds: u64) -> Result<u64> {
        if params.spread_sigma_ppm == 0 {
            return Ok(0);
        }
        // √((10·age + 4)·10^11) is √(age + 0.4) in ppm; an age beyond an hour is no price to trade at.
        let tenths = age_seconds.min(HOUR).saturating_mul(10).saturating_add(4);
        let root = tenths.saturating_mul(100_000_000_000).isqrt().saturating_add(1);
        let root = u32::try_from(root).map_err(|_| EngineError::Overflow)?;
        let half_spread = ppm_ceil(ppm_ceil(u64::from(self.sigma_ppm), root)?, params.spread_sigma_ppm)?;
        Ok(half_spread.min(MAX_VOLATILE_SPREAD_PPM))
    }
}

impl Market {
    /// Maintenance margin fraction, ppm.
    #[must_use]
    pub const fn mmf_ppm(&self) -> u32 {
        if self.is_settling() { 0 } else { self.volatility.mmf_ppm }
    }

    /// Initial margin fraction, ppm: what volatility asks for, or more while open interest is large.
    ///
    /// `oi_scaled = imf + clamp((OI·P − low)/(high − low), 0, 1)·(1 − imf)` with the larger side's open interest.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn imf_ppm(&self) -> Result<u32> {
        if self.is_settling() {
            return Ok(0);
        }
        let (params, imf) = (&self.params, self.volatility.imf_ppm);
        let lots = self.book.long.lots.max(self.book.short.lots);
        let over = self.mark().mul_ceil(lots)?.saturating_sub(params.oi_margin_low);
        if over == 0 {
            return Ok(imf);
        }
        let range = params.oi_margin_high.saturating_sub(params.oi_margin_low);
        let share = wide::mul_div(over.min(range), PPM, range, Round::Up)?;
        let share = u32::try_from(share).map_err(|_| EngineError::Overflow)?;
        let room = u64::from(PPM_ONE.saturating_sub(params.imf_ppm));
        let scaled = u64::from(params.imf_ppm).saturating_add(ppm_ceil(room, share)?);
        Ok(u32::try_from(scaled).map_err(|_| EngineError::Overflow)?.max(imf))
    }
}

const _: () = assert!(size_of::<VolatilityParams>() == 16 && size_of::<VolatilityState>() == 48);
