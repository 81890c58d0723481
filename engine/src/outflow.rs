//! Tokens leave a vault at a bounded rate.
//!
//! A vault's balance may not fall below its average of the last hour less a share of it: whatever goes wrong elsewhere,
//! that share can leave at once and as much in every hour, and no more. The average counts the balance that stood over
//! the time that passed, so tokens that come and go at once change nothing for anybody, and whoever brings tokens can take
//! them away again. What has just arrived is protected as the average rises, within about an hour.
//!
//! It is a rule about balances and not about flows on purpose. A bucket that counts what leaves can be kept full for
//! nothing by who deposits and withdraws borrowed tokens in one transaction, and then it stops everybody else.

use bytemuck::{Pod, Zeroable};

use crate::Result;
use crate::price::within;
use crate::units::ppm_floor;
use crate::wide::{self, Round};

/// Seconds that the average looks back.
const HOUR: u64 = 3_600;
/// 1.0 in Q32: a share of the hour is a product, not a division.
const ONE: u64 = 1 << 32;

/// How fast tokens may leave.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "borsh", derive(borsh::BorshDeserialize))]
#[cfg_attr(all(feature = "borsh", not(feature = "idl-build")), derive(borsh::BorshSerialize))]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct OutflowParams {
    /// What may leave at once, and in every hour, however small the average is, token units.
    pub floor: u64,
    /// What may leave at once, and in every hour, ppm of the average balance.
    pub max_ppm: u32,
    /// Explicit padding.
    pub _padding: u32,
}

impl OutflowParams {
    /// Checks the hard bounds of the program; the floor is at most 5 % of the vault's cap.
    ///
    /// # Errors
    /// [`crate::EngineError::ParameterOutOfBounds`] naming the first field outside.
    pub fn validate(&self, cap: u64) -> Result<()> {
        within("outflow floor", self.floor, 0, cap.div_euclid(20))?;
        within("outflow max_ppm", self.max_ppm, 10_000, 1_000_000)
    }
}

/// The average of a vault's balance.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct Outflow {
    /// Average balance, token units.
    pub average: u64,
    /// When it was last brought up to date, unix seconds.
    pub updated_at: i64,
}

impl Outflow {
    /// A vault that has just been listed.
    #[must_use]
    pub const fn new(now: i64) -> Self {
        Self { average: 0, updated_at: now }
    }

    /// The least balance that must stay, token units: the average less the share that may leave.
    ///
    /// # Errors
    /// [`crate::EngineError::Overflow`] never for a valid share.
    pub fn line(&self, params: &OutflowParams) -> Result<u64> {
        let limit = ppm_floor(self.average, params.max_ppm)?.max(params.floor);
        Ok(self.average.saturating_sub(limit))
    }

    /// Lets the time since the last update pass over a vault that held `balance`: the average moves by `dt / 1 h` of the
    /// difference, rounded so that it falls in any case and rises at the latest when that is a unit.
    ///
    /// # Errors
    /// [`crate::EngineError::Overflow`] never for a stored state.
    pub fn advance(&mut self, balance: u64, now: i64) -> Result<()> {
        let elapsed = u64::try_from(now.saturating_sub(self.updated_at)).unwrap_or(0);
        if elapsed == 0 {
            return Ok(());
        }
        let share = if elapsed >= HOUR { ONE } else { elapsed.wrapping_mul(ONE.div_euclid(HOUR)) };
        let round = if balance > self.average { Round::Down } else { Round::Up };
        let step = wide::mul_div(balance.abs_diff(self.average), share, ONE, round)?;
        self.average = if balance > self.average {
            self.average.saturating_add(step)
        } else {
            self.average.saturating_sub(step)
        };
        self.updated_at = now;
        Ok(())
    }

    /// What may leave of `balance` at the time of the last update, token units.
    ///
    /// # Errors
    /// [`crate::EngineError::Overflow`] never for a valid share.
    pub fn available(&self, params: &OutflowParams, balance: u64) -> Result<u64> {
        Ok(balance.saturating_sub(self.line(params)?))
    }
}

const _: () = assert!(size_of::<OutflowParams>() == 16 && size_of::<Outflow>() == 16);
