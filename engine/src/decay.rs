//! How much of the past is left.
//!
//! Averages forget exponentially: after `dt` seconds a weight with half-life `H` has shrunk to
//! `2^(−dt/H)`. The power is a whole-number shift, at most one factor of `2^(−1/2)` and the Taylor series
//! of `e^(−x·ln 2)` on the remaining half, good to 3e-6.

use crate::wide::{self, Round};
use crate::{EngineError, Result};

/// 1.0 in the unsigned Q32 that weights use.
pub const ONE: u64 = 1 << 32;

/// `2^(−1/2)` in Q32.
const HALF_STEP: u64 = 3_037_000_500;

/// `ln(2)^k / k!` in Q32 for k = 5 … 1.
const SERIES: [u64; 5] = [5_726_720, 41_309_550, 238_388_332, 1_031_764_991, 2_977_044_472];

/// `2^(−elapsed/half_life)` as Q32 in `0..=ONE`; falls with `elapsed` for half-lives of up to a day, whose
/// seconds are longer than the error of the series.
///
/// # Errors
/// [`EngineError::ParameterOutOfBounds`] for a half-life of zero.
pub fn remaining(elapsed: u32, half_life: u32) -> Result<u64> {
    let (Some(whole), Some(rest)) = (elapsed.checked_div(half_life), elapsed.checked_rem(half_life)) else {
        let (value, min, max) = (0, 1, u64::from(u32::MAX));
        return Err(EngineError::ParameterOutOfBounds { name: "half_life", value, min, max });
    };
    let fraction = wide::mul_div(u64::from(rest), ONE, u64::from(half_life), Round::Down)?;
    let (fraction, factor) =
        if fraction >= ONE / 2 { (fraction.wrapping_sub(ONE / 2), HALF_STEP) } else { (fraction, ONE) };
    let mut sum = 0;
    for term in SERIES {
        // Horner with alternating signs: sum = x·(c − sum), every intermediate within [0, 1).
        sum = mul_q32(fraction, term.saturating_sub(sum));
    }
    Ok(mul_q32(ONE.saturating_sub(sum), factor).unbounded_shr(whole))
}

/// Product of two Q32 numbers of at most 1.0, rounded down.
fn mul_q32(a: u64, b: u64) -> u64 {
    wide::low(wide::product(a, b) >> 32)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::float_arithmetic, clippy::as_conversions)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_exact_power() {
        for half_life in [1, 7, 60, 300, 1800, 86_400, u32::MAX] {
            for elapsed in [0, 1, 2, 3, 30, 59, 60, 150, 300, 899, 1800, 3600, 86_400] {
                let exact = (-(f64::from(elapsed)) / f64::from(half_life)).exp2();
                let got = remaining(elapsed, half_life).unwrap() as f64 / ONE as f64;
                assert!((got - exact).abs() < 3e-6, "{elapsed}/{half_life}: {got} for {exact}");
            }
        }
    }

    #[test]
    fn what_is_left_falls_with_time_for_half_lives_of_up_to_a_day() {
        for half_life in [1, 2, 60, 300, 1800, 86_400] {
            let mut last = ONE;
            for elapsed in 1..3 * half_life {
                let left = remaining(elapsed, half_life).unwrap();
                assert!(left < last, "{elapsed}/{half_life}: {left} after {last}");
                last = left;
            }
        }
    }

    #[test]
    fn nothing_is_forgotten_at_once_and_a_half_life_leaves_half() {
        assert_eq!(remaining(0, 300).unwrap(), ONE);
        assert_eq!(remaining(300, 300).unwrap(), ONE / 2);
        assert_eq!(remaining(64 * 300, 300).unwrap(), 0);
        assert!(remaining(1, 0).is_err());
    }
}
