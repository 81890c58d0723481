//! The pool: liquidity providers' money, and the shares that divide it.

use anchor_lang::prelude::*;
use bulwark_engine::pool as engine;
use bulwark_engine::pool::TrancheKind;

/// The tokenised liquidity pool. Seeds: `pool`.
#[account(zero_copy)]
#[derive(Debug)]
#[repr(C)]
pub struct Pool {
    /// Mints of junior and senior shares. Seeds: `shares`, name of the tranche.
    pub share_mints: [Pubkey; 2],
    /// Number of events emitted so far.
    pub sequence: u64,
    /// Parameters, idle cash and shares.
    pub core: engine::Pool,
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

impl Pool {
    /// Seed of the address.
    pub const SEED: &'static [u8] = b"pool";
    /// First seed of a share mint's address.
    pub const SHARES_SEED: &'static [u8] = b"shares";
    /// Second seed of the junior share mint's address.
    pub const JUNIOR_SEED: &'static [u8] = b"junior";
    /// Second seed of the senior share mint's address.
    pub const SENIOR_SEED: &'static [u8] = b"senior";
    /// Bytes of the account.
    pub const SPACE: usize = 8 + size_of::<Self>();

    /// The tranche whose shares this mint issues.
    #[must_use]
    pub fn tranche(&self, mint: &Pubkey) -> Option<TrancheKind> {
        TrancheKind::BOTH.into_iter().zip(self.share_mints).find(|(_, m)| m == mint).map(|(kind, _)| kind)
    }
}

const _: () = assert!(Pool::SPACE == 8 + 64 + 8 + size_of::<engine::Pool>() + 8 + 128);
