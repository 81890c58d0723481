//! A redeem ticket: pool shares on their way out.

use anchor_lang::prelude::*;
use bulwark_engine::pool::Ticket;

/// Shares that wait for their redemption: they are burned, and count as shares until they are paid or given back.
/// Seeds: `redeem`, owner, nonce (u64, little endian).
#[account(zero_copy)]
#[derive(Debug)]
#[repr(C)]
pub struct RedeemTicket {
    /// Who gets the money, or the shares back.
    pub owner: Pubkey,
    /// Who paid the rent and gets it back.
    pub payer: Pubkey,
    /// Shares, their worth at the request, and its time.
    pub core: Ticket,
    /// Chosen by the owner: one ticket for each.
    pub nonce: u64,
    /// Tranche of the shares: 0 junior, 1 senior.
    pub tranche: u8,
    /// Bump of the address.
    pub bump: u8,
    /// Layout version.
    pub version: u8,
    /// Explicit padding.
    pub _padding: [u8; 5],
    /// Room for later fields.
    pub reserved: [u8; 32],
}

impl RedeemTicket {
    /// First seed of the address.
    pub const SEED: &'static [u8] = b"redeem";
    /// Bytes of the account.
    pub const SPACE: usize = 8 + size_of::<Self>();
}

const _: () = assert!(RedeemTicket::SPACE == 8 + 64 + 24 + 16 + 32);
