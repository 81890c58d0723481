//! The insurance fund: what stands between a bankrupt account and the winners.

use anchor_lang::prelude::*;

/// The insurance fund. Seeds: `insurance`.
#[account(zero_copy)]
#[derive(Debug)]
#[repr(C)]
pub struct InsuranceFund {
    /// Reserve, quote units.
    pub reserve: u64,
    /// First-loss stake, quote units.
    pub staked: u64,
    /// Bump of the address.
    pub bump: u8,
    /// Layout version.
    pub version: u8,
    /// Explicit padding.
    pub _padding: [u8; 6],
    /// Room for later fields.
    pub reserved: [u8; 128],
}

impl InsuranceFund {
    /// Seed of the address.
    pub const SEED: &'static [u8] = b"insurance";
    /// Bytes of the account.
    pub const SPACE: usize = 8 + size_of::<Self>();
}

const _: () = assert!(InsuranceFund::SPACE == 8 + 24 + 128);
