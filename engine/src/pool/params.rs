//! What a pool is told.

use bytemuck::{Pod, Zeroable};

use crate::price::within;
use crate::{EngineError, Result};

/// Parameters of a pool. Ratios in ppm.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "borsh", derive(borsh::BorshDeserialize))]
#[cfg_attr(all(feature = "borsh", not(feature = "idl-build")), derive(borsh::BorshSerialize))]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct PoolParams {
    /// Seconds between request and redemption.
    pub redeem_delay: u32,
    /// Fee of a redemption; stays in the pool.
    pub redeem_fee_ppm: u32,
    /// What a senior share earns in a year of 365 days.
    pub senior_rate_ppm: u32,
    /// Largest senior claim, ppm of the junior's value. Zero forbids senior shares.
    pub max_senior_ratio_ppm: u32,
    /// Largest exposure that a redemption may leave, ppm of the net asset value.
    pub max_utilisation_ppm: u32,
    /// Seconds after the delay in which a ticket can be redeemed: one that could wait for bad news would be a free option
    /// to leave before them.
    pub redeem_window: u32,
}

impl PoolParams {
    /// A day's delay and six hours' window, no fee, no senior shares, 80 % utilisation.
    pub const DEFAULT: Self = Self {
        redeem_delay: 86_400,
        redeem_fee_ppm: 0,
        senior_rate_ppm: 0,
        max_senior_ratio_ppm: 0,
        max_utilisation_ppm: 800_000,
        redeem_window: 21_600,
    };

    /// Checks the hard bounds of the program.
    ///
    /// # Errors
    /// [`EngineError::ParameterOutOfBounds`] naming the first field outside.
    pub fn validate(&self) -> Result<()> {
        within("redeem_delay", self.redeem_delay, 3_600, 2_592_000)?;
        within("redeem_window", self.redeem_window, 3_600, 172_800)?;
        within("redeem_fee_ppm", self.redeem_fee_ppm, 0, 10_000)?;
        within("senior_rate_ppm", self.senior_rate_ppm, 0, 300_000)?;
        within("max_senior_ratio_ppm", self.max_senior_ratio_ppm, 0, 3_000_000)?;
        within("max_utilisation_ppm", self.max_utilisation_ppm, 100_000, 900_000)
    }
}

/// Which part of the pool a share is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum TrancheKind {
    /// Takes losses first and keeps the remaining income.
    Junior = 0,
    /// Earns a fixed rate and is hit when the junior is gone.
    Senior = 1,
}

impl TrancheKind {
    /// Both, in the order in which they take losses.
    pub const BOTH: [Self; 2] = [Self::Junior, Self::Senior];

    /// The stored form.
    #[must_use]
    pub const fn to_byte(self) -> u8 {
        match self {
            Self::Junior => 0,
            Self::Senior => 1,
        }
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`] for anything but 0 and 1.
    pub const fn from_byte(byte: u8) -> Result<Self> {
        match byte {
            0 => Ok(Self::Junior),
            1 => Ok(Self::Senior),
            _ => Err(EngineError::Corrupt("tranche")),
        }
    }
}
