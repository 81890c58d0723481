//! The exchange: who may decide what, and what is paused.

use anchor_lang::prelude::*;
use bulwark_engine::collateral::QuoteWeight;
use bulwark_engine::margin::RiskGroups;

/// The one account of the whole deployment. Seeds: `exchange`.
#[account(zero_copy)]
#[derive(Debug)]
#[repr(C)]
pub struct Exchange {
    /// Lists assets, changes parameters.
    pub admin: Pubkey,
    /// May pause and tighten.
    pub guardian: Pubkey,
    /// Token account owner that protocol fees are collected to.
    pub fee_recipient: Pubkey,
    /// Mint of the quote token.
    pub quote_mint: Pubkey,
    /// Vault account of the quote token.
    pub quote_vault: Pubkey,
    /// Protocol fees not collected yet, quote units.
    pub protocol_fees: u64,
    /// Incarnation id of the next margin account.
    pub next_incarnation: u64,
    /// What a positive quote balance counts for in initial margin.
    pub quote_weight: QuoteWeight,
    /// What a keeper is paid for executing a trigger, quote units.
    pub trigger_fee: u64,
    /// Debt of quote that an account may carry while it is healthy: beyond it, anyone may buy its collateral, quote units.
    pub auto_exchange_threshold: u64,
    /// Offsets of the risk groups.
    pub risk_groups: RiskGroups,
    /// Markets created so far: indices are below it.
    pub market_count: u16,
    /// Vaults created so far, the quote vault with index 0 included.
    pub vault_count: u16,
    /// Paused actions, see [`Pause`].
    pub pause: u8,
    /// Decimals of the quote mint.
    pub quote_decimals: u8,
    /// Bump of the address.
    pub bump: u8,
    /// Layout version.
    pub version: u8,
    /// Explicit padding.
    pub _padding: [u8; 8],
    /// Room for later fields.
    pub reserved: [u8; 128],
}

impl Exchange {
    /// First seed of the address.
    pub const SEED: &'static [u8] = b"exchange";
    /// Most markets: one transaction must be able to value the whole pool.
    pub const MAX_MARKETS: u16 = 32;
    /// Bytes of the account.
    pub const SPACE: usize = 8 + size_of::<Self>();
}

/// Actions that can be paused; close, deposit, liquidation and bankruptcy cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause(pub u8);

impl Pause {
    /// Increase positions.
    pub const INCREASE: Self = Self(1);
    /// Withdraw.
    pub const WITHDRAW: Self = Self(2);
    /// Add or redeem liquidity.
    pub const LIQUIDITY: Self = Self(4);
    /// Stake or unstake.
    pub const STAKE: Self = Self(8);

    /// Whether `bits` has this one set.
    #[must_use]
    pub const fn is_set(self, bits: u8) -> bool {
        bits & self.0 != 0
    }
}

const _: () = assert!(Exchange::SPACE == 8 + 384);
