//! A fill is priced by the integral of a clamped line.
//!
//! The pool quotes the marginal price `P·(1 + clamp(x/K, ±max_impact))` at skew `x`, with `K` the skew scale.
//! A fill from `S` to `S + Δ` costs the integral, which inside the clamp is
//! `Δ·P·(1 + (2S + Δ)/(2K))`. One potential prices every trade, so splitting an order changes nothing and a
//! round trip costs nothing but spread and fees (I10); a close is never refused for its impact, and an
//! increase is refused where the clamp would begin to bind.
//!
//! The cost is computed exactly in 192 bits and rounded once, against the trader. Rounding up is
//! subadditive: the parts of a split order never cost less than the whole.

use crate::units::{Lots, MAX_LOTS, Price, Quote, ppm_ceil};
use crate::wide::{self, Round};
use crate::{EngineError, Result};

/// Shape of the pool's price curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Curve {
    /// Mark price.
    pub price: Price,
    /// Skew at which the line would reach 100 %, lots.
    pub skew_scale: u64,
    /// Where the line is clamped, ppm of the price.
    pub max_impact_ppm: u32,
    /// Half the spread, ppm of the price.
    pub half_spread_ppm: u32,
}

/// What a fill costs the trader, in quote units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fill {
    /// Signed lots `Δ`: bought > 0.
    pub lots: Lots,
    /// Worth of the lots at the mark price, rounded up.
    pub notional: u64,
    /// Signed cost along the curve, without spread: positive when buying.
    pub curve: Quote,
    /// Spread.
    pub spread: u64,
    /// `curve + spread`: what the trader pays, fees excluded.
    pub cost: Quote,
}

impl Curve {
    /// |skew| from which on the line is clamped, lots, rounded down.
    ///
    /// # Errors
    /// [`EngineError::Overflow`] for a skew scale above [`MAX_LOTS`].
    pub fn clamp_at(&self) -> Result<u64> {
        crate::units::ppm_floor(self.skew_scale, self.max_impact_ppm)
    }

    /// Prices a fill of `delta` lots at skew `skew`.
    ///
    /// # Errors
    /// [`EngineError::ZeroAmount`], [`EngineError::Overflow`].
    pub fn fill(&self, skew: Lots, delta: Lots) -> Result<Fill> {
        if delta == Lots::ZERO {
            return Err(EngineError::ZeroAmount);
        }
        if self.skew_scale == 0 || self.skew_scale > MAX_LOTS {
            return Err(EngineError::Overflow);
        }
        let clamp = self.clamp_at()?;
        // 2K·Δ + 2G(S+Δ) − 2G(S), with 2G(x) = x² up to the clamp and 2L|x| − L² beyond: below 2^124.
        let doubled_scale = self.skew_scale.wrapping_shl(1);
        let straight = i128::from(delta.0).wrapping_mul(i128::from(doubled_scale));
        let bent = potential(skew.plus(delta)?, clamp).wrapping_sub(potential(skew, clamp));
        let numerator = straight.wrapping_add(bent);
        let round = if delta.0 > 0 { Round::Up } else { Round::Down };
        let magnitude =
            wide::mul_div_wide(numerator.unsigned_abs(), self.price.to_bits(), doubled_scale, round)?;
        let curve = Quote(wide::with_sign(magnitude, numerator < 0)?);
        let notional = self.price.mul_ceil(delta.count())?;
        let spread = ppm_ceil(notional, self.half_spread_ppm)?;
        let cost = curve.plus(Quote::from_units(spread)?)?;
        Ok(Fill { lots: delta, notional, curve, spread, cost })
    }

    /// Refuses an increase that ends where the curve is clamped, unless it brings the skew nearer to zero.
    ///
    /// # Errors
    /// [`EngineError::ImpactTooLarge`].
    pub fn require_impact(&self, skew: Lots, delta: Lots) -> Result<()> {
        let (before, after, limit) = (skew.count(), skew.plus(delta)?.count(), self.clamp_at()?);
        if after > limit && after > before {
            return Err(EngineError::ImpactTooLarge { skew: after, limit });
        }
        Ok(())
    }
}

impl Fill {
    /// Checks that the fill price, fees excluded, is no worse than `limit`: a buyer pays at most
    /// `ceil(Δ·limit)`, a seller receives at least `floor(|Δ|·limit)`. `None` is no limit.
    ///
    /// # Errors
    /// [`EngineError::LimitPrice`].
    pub fn require_limit(&self, limit: Option<Price>) -> Result<()> {
        require_limit(self.lots, self.cost, limit)
    }
}

/// `Ok` if buying (> 0) or selling these lots at this signed cost is no worse than the limit price.
///
/// # Errors
/// [`EngineError::LimitPrice`].
pub fn require_limit(lots: Lots, cost: Quote, limit: Option<Price>) -> Result<()> {
    let Some(limit) = limit else { return Ok(()) };
    let allowed = if lots.0 > 0 {
        Quote::from_units(limit.mul_ceil(lots.count())?)?
    } else {
        Quote(wide::with_sign(limit.mul_floor(lots.count())?, true)?)
    };
    if cost > allowed {
        return Err(EngineError::LimitPrice { cost: cost.0, allowed: allowed.0 });
    }
    Ok(())
}

/// `2·∫ clamp(t, ±clamp) dt` from 0 to `x`: `x²`, or `2L|x| − L²` beyond the clamp. Below 2^121.
fn potential(x: Lots, clamp: u64) -> i128 {
    let (x, clamp) = (x.count(), clamp.min(MAX_LOTS));
    let doubled = if x <= clamp {
        wide::product(x, x)
    } else {
        wide::product(clamp, x.wrapping_shl(1).wrapping_sub(clamp)) // x > L: positive, below 2^61
    };
    i128::try_from(doubled).unwrap_or(0) // below 2^121: always fits
}
