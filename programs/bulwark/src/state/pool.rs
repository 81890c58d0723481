//! The pool: liquidity providers' money that no market has.

use anchor_lang::prelude::*;

/// The tokenised liquidity pool. Seeds: `pool`.
#[account(zero_copy)]
#[derive(Debug)]
#[repr(C)]
pub struct Pool {
    /// Cash that is committed to no market, quote units.
    pub idle: u64,
    /// Number of events emitted so far.
    pub sequence: u64,
    /// First-loss shares.
    pub junior: Tranche,
    /// Bump of the address.
    pub bump: u8,
    /// Layout version.
    pub version: u8,
    /// Explicit padding.
    pub _padding: [u8; 6],
    /// Room for later fields.
    pub reserved: [u8; 128],
}

/// One class of shares.
#[zero_copy]
#[derive(Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Tranche {
    /// Mint of the shares. Seeds: `shares`, name of the tranche.
    pub mint: Pubkey,
    /// Shares issued.
    pub shares: u64,
}

impl Pool {
    /// Seed of the address.
    pub const SEED: &'static [u8] = b"pool";
    /// First seed of a share mint's address.
    pub const SHARES_SEED: &'static [u8] = b"shares";
    /// Second seed of the junior share mint's address.
    pub const JUNIOR_SEED: &'static [u8] = b"junior";
    /// Bytes of the account.
    pub const SPACE: usize = 8 + size_of::<Self>();
}

const _: () = assert!(Pool::SPACE == 8 + 64 + 128);
