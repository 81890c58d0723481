//! An unstake ticket: stake on its way out.

use anchor_lang::prelude::*;
use bulwark_engine::backstop::UnstakeRequest;

/// Stake that cools down: its shares are burned, and it is slashed like the rest until it is paid.
/// Seeds: `unstake`, owner, nonce (u64, little endian).
#[account(zero_copy)]
#[derive(Debug)]
#[repr(C)]
pub struct UnstakeTicket {
    /// Who gets the money, or the shares back.
    pub owner: Pubkey,
    /// Who paid the rent and gets it back.
    pub payer: Pubkey,
    /// Shares of the cooling side, their worth at the request, and its time.
    pub core: UnstakeRequest,
    /// Chosen by the owner: one ticket for each.
    pub nonce: u64,
    /// Bump of the address.
    pub bump: u8,
    /// Layout version.
    pub version: u8,
    /// Explicit padding.
    pub _padding: [u8; 6],
    /// Room for later fields.
    pub reserved: [u8; 32],
}

impl UnstakeTicket {
    /// First seed of the address.
    pub const SEED: &'static [u8] = b"unstake";
    /// Bytes of the account.
    pub const SPACE: usize = 8 + size_of::<Self>();
}

const _: () = assert!(UnstakeTicket::SPACE == 8 + 64 + 24 + 16 + 32);
