//! A change: what governance wants to do, for everybody to see before it can be done.

use anchor_lang::prelude::*;
use bulwark_engine::collateral::CollateralParams;
use bulwark_engine::governance::{self, DEFAULT_DELAY, ExchangeParams, InsuranceParams, Timelock};
use bulwark_engine::market::MarketParams;
use bulwark_engine::pool::PoolParams;
use solana_sha256_hasher::hash;

use super::{Exchange, MarketStatus};
use crate::errors::{BulwarkError, OrProgramError as _};
use crate::oracle::OracleSource;

/// What a change does. Whole parameter sets, so that what is signed is what will be in force.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangePayload {
    /// Other risk parameters of a market.
    MarketParams {
        /// Index of the market.
        market: u16,
        /// All of them.
        params: MarketParams,
    },
    /// Other oracles of a market.
    MarketSources {
        /// Index of the market.
        market: u16,
        /// Primary and secondary.
        sources: [OracleSource; 2],
    },
    /// Activates a market, lets it only be reduced, or settles it.
    MarketStatus {
        /// Index of the market.
        market: u16,
        /// What it becomes.
        status: MarketStatus,
        /// Price to settle at if there has been none for a day, Q32.32 quote units per lot; 0 for what the oracle says.
        price: u64,
    },
    /// Other haircuts and limits of a vault.
    VaultParams {
        /// Index of the vault.
        vault: u16,
        /// All of them.
        params: CollateralParams,
    },
    /// Other oracles of a vault.
    VaultSources {
        /// Index of the vault.
        vault: u16,
        /// Primary and secondary.
        sources: [OracleSource; 2],
    },
    /// Other parameters of the exchange.
    ExchangeParams {
        /// All of them.
        params: ExchangeParams,
    },
    /// Other parameters of the pool.
    PoolParams {
        /// All of them.
        params: PoolParams,
    },
    /// Other parameters of the insurance fund.
    InsuranceParams {
        /// All of them.
        params: InsuranceParams,
    },
    /// Lists a collateral: `create_vault` carries it out.
    CreateVault {
        /// Mint of the token.
        mint: Pubkey,
        /// Primary and secondary oracle.
        sources: [OracleSource; 2],
        /// Haircuts, cap and oracle parameters.
        params: CollateralParams,
    },
    /// Lists a market: `create_market` carries it out.
    CreateMarket {
        /// Primary and secondary oracle.
        sources: [OracleSource; 2],
        /// Risk parameters.
        params: MarketParams,
    },
    /// Another guardian.
    Guardian {
        /// Who.
        guardian: Pubkey,
    },
    /// Another owner of the token account that protocol fees are collected to.
    FeeRecipient {
        /// Who.
        fee_recipient: Pubkey,
    },
    /// Clears pause bits.
    Unpause {
        /// Of this market; of the exchange without one.
        market: Option<u16>,
        /// Which.
        bits: u8,
    },
}

impl ChangePayload {
    /// The stored kind: the number of the variant.
    #[must_use]
    pub const fn kind(&self) -> u8 {
        match self {
            Self::MarketParams { .. } => 0,
            Self::MarketSources { .. } => 1,
            Self::MarketStatus { .. } => 2,
            Self::VaultParams { .. } => 3,
            Self::VaultSources { .. } => 4,
            Self::ExchangeParams { .. } => 5,
            Self::PoolParams { .. } => 6,
            Self::InsuranceParams { .. } => 7,
            Self::CreateVault { .. } => 8,
            Self::CreateMarket { .. } => 9,
            Self::Guardian { .. } => 10,
            Self::FeeRecipient { .. } => 11,
            Self::Unpause { .. } => 12,
        }
    }

    /// Whether an instruction of its own carries it out once it is executed.
    #[must_use]
    pub const fn is_listing(&self) -> bool {
        matches!(self, Self::CreateVault { .. } | Self::CreateMarket { .. })
    }

    /// Seconds that it waits under a usual delay. Another guardian waits two days whatever is usual: the old one, who can't
    /// cancel it, can't make it longer either.
    #[must_use]
    pub fn wait(&self, usual: u32, pool: &PoolParams) -> i64 {
        let delay = if matches!(self, Self::Guardian { .. }) { DEFAULT_DELAY } else { usual };
        governance::wait(delay, pool)
    }
}

/// Bytes that the largest payload takes.
const PAYLOAD: usize = 512;

/// One proposed change. Seeds: `change`, nonce (u64, little endian).
#[account(zero_copy)]
#[derive(Debug)]
#[repr(C)]
pub struct Change {
    /// The admin who proposed it: it is void under the next one.
    pub proposer: Pubkey,
    /// Who paid the rent and gets it back.
    pub payer: Pubkey,
    /// SHA-256 of the payload.
    pub payload_hash: [u8; 32],
    /// Its number.
    pub nonce: u64,
    /// When it was proposed, unix seconds.
    pub proposed_at: i64,
    /// When it can be executed.
    pub timelock: Timelock,
    /// Version of its target when it was proposed.
    pub revision: u32,
    /// Which admin proposed it, see `Exchange::admin_epoch`.
    pub admin_epoch: u32,
    /// Bytes of the payload.
    pub payload_len: u16,
    /// Number of the payload's variant, see [`ChangePayload::kind`].
    pub kind: u8,
    /// 1 once a listing was executed and waits for `create_vault` or `create_market`.
    pub executed: u8,
    /// Bump of the address.
    pub bump: u8,
    /// Layout version.
    pub version: u8,
    /// Explicit padding.
    pub _padding: [u8; 2],
    /// [`ChangePayload`] as it is serialized.
    pub payload: [u8; PAYLOAD],
    /// Room for later fields.
    pub reserved: [u8; 64],
}

impl Change {
    /// First seed of the address.
    pub const SEED: &'static [u8] = b"change";
    /// Bytes of the account.
    pub const SPACE: usize = 8 + size_of::<Self>();

    /// Stores a payload with its hash.
    ///
    /// # Errors
    /// Never: the largest payload fits.
    pub(crate) fn set_payload(&mut self, payload: &ChangePayload) -> Result<()> {
        let mut left = self.payload.as_mut_slice();
        payload.serialize(&mut left)?;
        let unused = left.len();
        let length = PAYLOAD.checked_sub(unused).ok_or(BulwarkError::Overflow)?;
        let bytes = self.payload.get(..length).ok_or(BulwarkError::Overflow)?;
        self.payload_hash = hash(bytes).to_bytes();
        self.payload_len = u16::try_from(length).map_err(|_| BulwarkError::Overflow)?;
        self.kind = payload.kind();
        Ok(())
    }

    /// What it does.
    ///
    /// # Errors
    /// Never for a stored change.
    pub fn payload(&self) -> Result<ChangePayload> {
        let bytes = self.payload.get(..usize::from(self.payload_len)).ok_or(BulwarkError::Corrupt)?;
        Ok(ChangePayload::try_from_slice(bytes)?)
    }

    /// When it can be executed: no sooner than a redemption that was asked for when it was proposed is over by the pool's
    /// present parameters.
    #[must_use]
    pub fn ripens(&self, payload: &ChangePayload, pool: &PoolParams) -> Timelock {
        self.timelock.not_before(self.proposed_at.saturating_add(payload.wait(0, pool)))
    }

    /// Takes what an executed listing says.
    ///
    /// # Errors
    /// [`BulwarkError::ChangeNotExecuted`], [`BulwarkError::ChangeVoid`] under another admin, and once it has lapsed.
    pub(crate) fn listing(&self, exchange: &Exchange, now: i64) -> Result<ChangePayload> {
        require!(self.executed == 1, BulwarkError::ChangeNotExecuted);
        require!(self.admin_epoch == exchange.admin_epoch, BulwarkError::ChangeVoid);
        self.timelock.require_ripe(now).or_error()?;
        self.payload()
    }
}

const _: () = assert!(Change::SPACE == 8 + 96 + 32 + 16 + 512 + 64);
