//! A vault: one token that the exchange holds, the quote token or a volatile collateral.

use anchor_lang::prelude::*;
use bulwark_engine::collateral::Collateral;

use crate::oracle::OracleSource;

/// One token. Seeds: `vault`, mint.
#[account(zero_copy)]
#[derive(Debug)]
#[repr(C)]
pub struct Vault {
    /// Mint of the token.
    pub mint: Pubkey,
    /// Token account that holds the tokens, of the exchange's address. Seeds: `tokens`, mint.
    pub token_account: Pubkey,
    /// Number of events emitted so far.
    pub sequence: u64,
    /// Index: identifies the vault in margin accounts. 0 is the quote token.
    pub index: u16,
    /// Decimals of the mint.
    pub decimals: u8,
    /// Bump of the address.
    pub bump: u8,
    /// Layout version.
    pub version: u8,
    /// Explicit padding.
    pub _padding: [u8; 3],
    /// Version of parameters and sources: a change that was proposed for another one is void.
    pub revision: u32,
    /// Explicit padding.
    pub _padding2: u32,
    /// When a parameter that hurts users was last tightened at once, unix seconds.
    pub stepped_at: i64,
    /// Primary and secondary oracle.
    pub sources: [OracleSource; 2],
    /// Haircuts, limits, price, and the tokens that the ledger accounts for: the token account holds at least these.
    pub core: Collateral,
    /// Room for later fields.
    pub reserved: [u8; 96],
}

impl Vault {
    /// First seed of the address.
    pub const SEED: &'static [u8] = b"vault";
    /// First seed of the token account's address.
    pub const TOKENS_SEED: &'static [u8] = b"tokens";
    /// Index of the quote token's vault.
    pub const QUOTE: u16 = 0;
    /// Bytes of the account.
    pub const SPACE: usize = 8 + size_of::<Self>();

    /// Whether this holds the quote token.
    #[must_use]
    pub const fn is_quote(&self) -> bool {
        self.index == Self::QUOTE
    }
}

const _: () = assert!(Vault::SPACE == 8 + 80 + 16 + 144 + 168 + 96);
