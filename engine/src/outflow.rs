//! Tokens leave a vault at a bounded rate.
//!
//! A leaky bucket: what leaves fills it, what arrives empties it, and so does time. Its size is a share of the vault's
//! average balance of the last day, so whatever goes wrong elsewhere, a vault loses at most that share in an hour. The
//! average counts the balance that stood over the time that passed: tokens that arrive and leave at once do not
//! raise it. Money that comes in frees as much room and no more than was taken, so going in and out blocks nobody,
//! and deposits bank no allowance.

use bytemuck::{Pod, Zeroable};

use crate::price::within;
use crate::units::ppm_floor;
use crate::wide::{self, Round};
use crate::{EngineError, Result};

/// Seconds in which a full bucket runs empty.
const HOUR: u64 = 3_600;
/// Seconds that the average looks back.
const DAY: u64 = 86_400;
/// 1.0 in Q32: shares of hour and day are products, not divisions.
const ONE: u64 = 1 << 32;

/// How fast tokens may leave.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "borsh", derive(borsh::BorshDeserialize))]
#[cfg_attr(all(feature = "borsh", not(feature = "idl-build")), derive(borsh::BorshSerialize))]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct OutflowParams {
    /// What may leave in an hour however small the average is, token units.
    pub floor: u64,
    /// What may leave in an hour, ppm of the average balance.
    pub max_ppm: u32,
    /// Explicit padding.
    pub _padding: u32,
}

impl OutflowParams {
    /// Checks the hard bounds of the program; the floor is at most 5 % of the vault's cap.
    ///
    /// # Errors
    /// [`EngineError::ParameterOutOfBounds`] naming the first field outside.
    pub fn validate(&self, cap: u64) -> Result<()> {
        within("outflow floor", self.floor, 0, cap.div_euclid(20))?;
        within("outflow max_ppm", self.max_ppm, 10_000, 1_000_000)
    }
}

/// What left lately.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct Outflow {
    /// Average balance, token units.
    pub average: u64,
    /// What is in the bucket, token units.
    pub level: u64,
    /// When both were last brought up to date, unix seconds.
    pub updated_at: i64,
}

impl Outflow {
    /// A vault that has just been listed.
    #[must_use]
    pub const fn new(now: i64) -> Self {
        Self { average: 0, level: 0, updated_at: now }
    }

    /// Size of the bucket, token units.
    ///
    /// # Errors
    /// [`EngineError::Overflow`] never for a valid share.
    pub fn limit(&self, params: &OutflowParams) -> Result<u64> {
        Ok(ppm_floor(self.average, params.max_ppm)?.max(params.floor))
    }

    /// Lets the time since the last update pass over a vault that held `balance`: the bucket leaks `limit·dt/1 h`, the
    /// average moves by `dt/24 h` of the difference.
    ///
    /// # Errors
    /// [`EngineError::Overflow`] never for a stored state.
    pub fn advance(&mut self, params: &OutflowParams, balance: u64, now: i64) -> Result<()> {
        let elapsed = u64::try_from(now.saturating_sub(self.updated_at)).unwrap_or(0);
        if elapsed == 0 {
            return Ok(());
        }
        let leaked = wide::mul_div(self.limit(params)?, share(elapsed, HOUR), ONE, Round::Down)?;
        self.level = self.level.saturating_sub(leaked);
        let step = wide::mul_div(balance.abs_diff(self.average), share(elapsed, DAY), ONE, Round::Down)?;
        self.average = if balance > self.average {
            self.average.saturating_add(step)
        } else {
            self.average.saturating_sub(step)
        };
        self.updated_at = now;
        Ok(())
    }

    /// Counts what arrived: it makes room for as much to leave.
    pub const fn arrived(&mut self, amount: u64) {
        self.level = self.level.saturating_sub(amount);
    }

    /// Counts what leaves, if the bucket holds it.
    ///
    /// # Errors
    /// [`EngineError::OutflowLimit`] with what would still be allowed.
    pub fn leave(&mut self, params: &OutflowParams, amount: u64) -> Result<()> {
        let available = self.limit(params)?.saturating_sub(self.level);
        if amount > available {
            return Err(EngineError::OutflowLimit { amount, available });
        }
        self.level = self.level.saturating_add(amount);
        Ok(())
    }
}

/// `elapsed / whole` in Q32, at most 1.0, rounded down.
const fn share(elapsed: u64, whole: u64) -> u64 {
    if elapsed >= whole { ONE } else { elapsed.wrapping_mul(ONE.div_euclid(whole)) }
}

const _: () = assert!(size_of::<OutflowParams>() == 16 && size_of::<Outflow>() == 24);
