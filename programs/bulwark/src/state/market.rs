//! A market: where its price comes from, and the engine's market in one piece.

use anchor_lang::prelude::*;
use bulwark_engine as engine;

use crate::oracle::OracleSource;

/// One market. Seeds: `market`, index (u16, little endian).
#[account(zero_copy)]
#[derive(Debug)]
#[repr(C)]
pub struct Market {
    /// Who paid the rent and gets it back.
    pub payer: Pubkey,
    /// Number of events emitted so far.
    pub sequence: u64,
    /// Index: identifies the market in margin accounts.
    pub index: u16,
    /// [`MarketStatus`] as a byte.
    pub status: u8,
    /// Paused actions of this market, see [`super::Pause`].
    pub pause: u8,
    /// Bump of the address.
    pub bump: u8,
    /// Layout version.
    pub version: u8,
    /// How many markets had this index before.
    pub generation: u8,
    /// Explicit padding.
    pub _padding: u8,
    /// Version of parameters, sources and status: a change that was proposed for another one is void.
    pub revision: u32,
    /// How often another pause bit was set.
    pub pauses: u32,
    /// When a parameter that hurts users was last tightened at once, unix seconds.
    pub stepped_at: i64,
    /// Since when increases are stopped for want of a price, unix seconds; 0 if they are not.
    pub suspended_at: i64,
    /// Primary and secondary oracle.
    pub sources: [OracleSource; 2],
    /// Parameters, price and book.
    pub core: engine::market::Market,
    /// Room for later fields.
    pub reserved: [u8; 96],
}

impl Market {
    /// Moves the market on in its life: changes that were proposed for it as it was are void.
    pub(crate) const fn set_status(&mut self, status: MarketStatus) {
        self.status = status.to_byte();
        self.suspended_at = 0;
        self.revision = self.revision.wrapping_add(1);
    }

    /// Sets pause bits. Returns all that are set.
    pub(crate) const fn set_pause(&mut self, bits: u8) -> u8 {
        if self.pause | bits != self.pause {
            self.pauses = self.pauses.wrapping_add(1);
        }
        self.pause |= bits;
        self.pause
    }

    /// Whether governance may move the market on to this part of its life.
    #[must_use]
    pub const fn may_become(&self, status: MarketStatus) -> bool {
        let reduce_only = self.is(MarketStatus::ReduceOnly);
        match status {
            MarketStatus::Active | MarketStatus::Settling => reduce_only,
            MarketStatus::ReduceOnly => {
                self.is(MarketStatus::Active) || reduce_only && self.suspended_at != 0
            }
        }
    }

    /// Whether the market is in this part of its life.
    #[must_use]
    pub const fn is(&self, status: MarketStatus) -> bool {
        self.status == status.to_byte()
    }

    /// First seed of the address.
    pub const SEED: &'static [u8] = b"market";
    /// Bytes of the account.
    pub const SPACE: usize = 8 + size_of::<Self>();
}

/// Where a market is in its life.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum MarketStatus {
    /// Positions can be closed, not increased.
    ReduceOnly,
    /// Everything is allowed.
    Active,
    /// Everybody is settled at a frozen price.
    Settling,
}

impl MarketStatus {
    /// The stored form.
    #[must_use]
    pub const fn to_byte(self) -> u8 {
        match self {
            Self::ReduceOnly => 0,
            Self::Active => 1,
            Self::Settling => 2,
        }
    }
}

const _: () = assert!(Market::SPACE == 8 + 40 + 8 + 24 + 144 + size_of::<engine::market::Market>() + 96);
