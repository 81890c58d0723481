//! The exchange: who may decide what, and what is paused.

use anchor_lang::prelude::*;
use bulwark_engine::collateral::QuoteWeight;
use bulwark_engine::governance::{ExchangeParams, ExitPause, Timelock};

use crate::errors::BulwarkError;

/// The one account of the whole deployment. Seeds: `exchange`.
#[account(zero_copy)]
#[derive(Debug)]
#[repr(C)]
pub struct Exchange {
    /// Lists assets, changes parameters.
    pub admin: Pubkey,
    /// Nominated as the next admin; all zeros: nobody.
    pub pending_admin: Pubkey,
    /// May pause and tighten.
    pub guardian: Pubkey,
    /// Token account owner that protocol fees are collected to.
    pub fee_recipient: Pubkey,
    /// Mint of the quote token.
    pub quote_mint: Pubkey,
    /// Vault account of the quote token.
    pub quote_vault: Pubkey,
    /// When the nominated admin may accept.
    pub nomination: Timelock,
    /// Protocol fees not collected yet, quote units.
    pub protocol_fees: u64,
    /// Incarnation id of the next margin account.
    pub next_incarnation: u64,
    /// Least number of the next proposed change.
    pub next_change: u64,
    /// What a positive quote balance counts for in initial margin.
    pub quote_weight: QuoteWeight,
    /// The last pause of ways out: their bits stop the ways in for as long as they are set, the ways out for half a day.
    pub exits: ExitPause,
    /// When a parameter that hurts users was last tightened at once, unix seconds.
    pub stepped_at: i64,
    /// Offsets of the risk groups, fees and delays.
    pub params: ExchangeParams,
    /// Version of the parameters: a change that was proposed for another one is void.
    pub revision: u32,
    /// How many admins there were before: what one of them has proposed is void under the next.
    pub admin_epoch: u32,
    /// How many guardians there were before.
    pub guardian_epoch: u32,
    /// How many recipients of fees there were before.
    pub recipient_epoch: u32,
    /// How often another bit was set: a change that clears bits is void once there are more of them.
    pub pauses: u32,
    /// Bits of the indices below `market_count` whose markets were closed: the next market takes the lowest.
    pub closed_markets: u32,
    /// Indices that markets have had so far are below it.
    pub market_count: u16,
    /// Vaults created so far, the quote vault with index 0 included.
    pub vault_count: u16,
    /// How many markets each index has had before the present one.
    pub generations: [u8; 32],
    /// Paused actions, see [`Pause`].
    pub pause: u8,
    /// 1 once the program has found its own books wrong: nobody withdraws until a change clears the bit.
    pub broken: u8,
    /// Decimals of the quote mint.
    pub quote_decimals: u8,
    /// Bump of the address.
    pub bump: u8,
    /// Layout version.
    pub version: u8,
    /// Explicit padding.
    pub _padding: [u8; 7],
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

    /// Indices of the markets that there are, in order.
    pub fn markets(&self) -> impl Iterator<Item = u16> + use<> {
        let closed = self.closed_markets;
        (0..self.market_count).filter(move |&index| !has_bit(closed, index))
    }

    /// Index that the next market takes: the lowest free one.
    ///
    /// # Errors
    /// [`BulwarkError::TooManyListings`].
    pub fn next_market(&self) -> Result<u16> {
        let free = (0..self.market_count).find(|&index| has_bit(self.closed_markets, index));
        let index = free.unwrap_or(self.market_count);
        require!(index < Self::MAX_MARKETS, BulwarkError::TooManyListings);
        Ok(index)
    }

    /// Counts a market that takes an index. Returns how many had it before.
    ///
    /// # Errors
    /// [`BulwarkError::TooManyListings`].
    pub(crate) fn open_market(&mut self, index: u16) -> Result<u8> {
        self.closed_markets &= !bit(index);
        self.market_count = self.market_count.max(index.saturating_add(1));
        let generation = self.generations.get(usize::from(index)).copied();
        Ok(generation.ok_or(BulwarkError::TooManyListings)?)
    }

    /// Frees the index of a market that is closed.
    ///
    /// # Errors
    /// [`BulwarkError::WrongAccount`] beyond the last index.
    pub(crate) fn close_market(&mut self, index: u16) -> Result<()> {
        self.closed_markets |= bit(index);
        let generation = self.generations.get_mut(usize::from(index)).ok_or(BulwarkError::WrongAccount)?;
        *generation = generation.wrapping_add(1);
        Ok(())
    }

    /// Sets pause bits at `now`; those that stop ways out do so for a bounded time. Where ways out can't be stopped again yet,
    /// bits that are new stop the ways in alone. Returns all bits that are set.
    ///
    /// # Errors
    /// See [`ExitPause::begin`], if no bit is new either.
    pub(crate) fn set_pause(&mut self, bits: u8, now: i64) -> bulwark_engine::Result<u8> {
        let (until, new) = (self.exits.until, self.pause | bits != self.pause);
        let begun = match bits & Pause::EXITS {
            0 => Ok(()),
            exits => self.exits.begin(exits, now),
        };
        if !new {
            begun?;
        }
        if new || self.exits.until != until {
            self.pauses = self.pauses.wrapping_add(1);
        }
        self.pause |= bits;
        Ok(self.pause)
    }

    /// Clears pause bits at `now`.
    pub(crate) const fn clear_pause(&mut self, bits: u8, now: i64) {
        self.pause &= !bits;
        self.exits.lift(bits, now);
        if Pause::WITHDRAW.is_set(bits) {
            self.broken = 0;
        }
    }

    /// Pauses what could make a broken ledger worse, until governance has looked at it.
    pub(crate) const fn trip(&mut self) {
        if self.broken == 0 {
            // Also if the bits are set already: what was proposed to clear them did not know.
            self.pauses = self.pauses.wrapping_add(1);
        }
        self.pause |= Pause::INCREASE.0 | Pause::WITHDRAW.0;
        self.broken = 1;
    }

    /// Whether a way out is paused at `now`: bits that outlast the pause of the ways out stop only ways in.
    #[must_use]
    pub const fn stops_exit(&self, pause: Pause, now: i64) -> bool {
        self.exits.stops(pause.0, now) || self.broken != 0 && Pause::WITHDRAW.is_set(pause.0)
    }
}

fn bit(index: u16) -> u32 {
    1_u32.checked_shl(u32::from(index)).unwrap_or(0)
}

fn has_bit(bits: u32, index: u16) -> bool {
    bits & bit(index) != 0
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
    /// All of the exchange.
    pub const ALL: u8 = 15;
    /// Those of a market: increase, and pool money in and out.
    pub const OF_A_MARKET: u8 = 5;
    /// Those that stop ways out of the exchange.
    pub const EXITS: u8 = 14;

    /// Whether `bits` has this one set.
    #[must_use]
    pub const fn is_set(self, bits: u8) -> bool {
        bits & self.0 != 0
    }
}

const _: () = assert!(Exchange::SPACE == 8 + 6 * 32 + 16 + 3 * 8 + 16 + 24 + 8 + 56 + 72 + 128);
