//! The insurance fund: what stands between a bankrupt account and the winners.

use anchor_lang::prelude::*;
use bulwark_engine::waterfall::Fund;

/// The insurance fund. Seeds: `insurance`.
#[account(zero_copy)]
#[derive(Debug)]
#[repr(C)]
pub struct InsuranceFund {
    /// Mint of the stake's shares. Seeds: `shares`, `backstop`.
    pub share_mint: Pubkey,
    /// Number of events emitted so far.
    pub sequence: u64,
    /// Reserve and stake, and what they cover.
    pub core: Fund,
    /// Bump of the address.
    pub bump: u8,
    /// Layout version.
    pub version: u8,
    /// Explicit padding.
    pub _padding: [u8; 2],
    /// Version of the parameters: a change that was proposed for another one is void.
    pub revision: u32,
    /// Room for later fields.
    pub reserved: [u8; 128],
}

impl InsuranceFund {
    /// Second seed of the share mint's address.
    pub const BACKSTOP_SEED: &'static [u8] = b"backstop";
    /// Seed of the address.
    pub const SEED: &'static [u8] = b"insurance";
    /// Bytes of the account.
    pub const SPACE: usize = 8 + size_of::<Self>();
}

const _: () = assert!(InsuranceFund::SPACE == 8 + 40 + size_of::<Fund>() + 8 + 128);
