//! Tokens leave a vault at a bounded rate.
//!
//! A vault's balance may not fall below its anchor less a share of it, and the anchor follows the balance at that share an
//! hour, up and down: whatever goes wrong elsewhere, the share can leave at once, and in every hour the share of what is
//! left, and no more.
//! The anchor moves with time alone, so tokens that come and go at once change nothing for anybody, whoever brings
//! tokens can take them away again, and to hold the anchor up against the others takes tokens that stay.
//!
//! It is a rule about balances and not about flows on purpose. A bucket that counts what leaves can be kept full for
//! nothing by who deposits and withdraws borrowed tokens in one transaction, and then it stops everybody else.

use bytemuck::{Pod, Zeroable};

use crate::Result;
use crate::price::within;
use crate::units::ppm_ceil;
use crate::wide::{self, Round};

/// Seconds in which the anchor moves by what may leave.
const HOUR: u64 = 3_600;
/// After a day without a movement the anchor is at the balance.
const DAY: u64 = 86_400;
/// 1.0 in Q32: a share of the hour is a product, not a division.
const ONE: u64 = 1 << 32;

/// How fast tokens may leave.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "borsh", derive(borsh::BorshDeserialize))]
#[cfg_attr(all(feature = "borsh", not(feature = "idl-build")), derive(borsh::BorshSerialize))]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct OutflowParams {
    /// What may leave at once, and in every hour, however low the anchor is, token units.
    pub floor: u64,
    /// What may leave at once, and in every hour, ppm of the anchor.
    pub max_ppm: u32,
    /// Explicit padding.
    pub _padding: u32,
}

impl OutflowParams {
    /// Checks the hard bounds of the program: the floor is at most 5 % of the vault's cap; at the smallest share, 5 % an hour,
    /// seven tenths of a vault can leave within the shortest delay of a change.
    ///
    /// # Errors
    /// [`crate::EngineError::ParameterOutOfBounds`] naming the first field outside.
    pub fn validate(&self, cap: u64) -> Result<()> {
        within("outflow floor", self.floor, 0, cap.div_euclid(20))?;
        within("outflow max_ppm", self.max_ppm, 50_000, 1_000_000)
    }
}

/// What a vault's balance is measured against.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct Outflow {
    /// The balance as far as the anchor has followed it, token units.
    pub anchor: u64,
    /// When it was last brought up to date, unix seconds.
    pub updated_at: i64,
}

impl Outflow {
    /// A vault that has just been listed.
    #[must_use]
    pub const fn new(now: i64) -> Self {
        Self { anchor: 0, updated_at: now }
    }

    /// The least balance that must stay, token units: the anchor less what may leave.
    ///
    /// # Errors
    /// [`crate::EngineError::Overflow`] never for a valid share.
    pub fn line(&self, params: &OutflowParams) -> Result<u64> {
        Ok(self.anchor.saturating_sub(self.limit(params)?))
    }

    /// What may leave at once, and in every hour, token units.
    fn limit(&self, params: &OutflowParams) -> Result<u64> {
        Ok(ppm_ceil(self.anchor, params.max_ppm)?.max(params.floor))
    }

    /// Lets the time since the last update pass over a vault of this cap that held `balance`: the anchor moves towards it by
    /// no more than `dt / 1 h` of what may leave. Upwards, so that the anchor of a young vault leaves zero, by the same share
    /// of the balance if that is more, or of a thousandth of the cap at most. Falls are rounded up, rises down.
    ///
    /// # Errors
    /// [`crate::EngineError::Overflow`] never for a stored state.
    pub fn advance(&mut self, (params, cap): (&OutflowParams, u64), balance: u64, now: i64) -> Result<()> {
        let elapsed = u64::try_from(now.saturating_sub(self.updated_at)).unwrap_or(0);
        if elapsed == 0 {
            return Ok(());
        }
        self.updated_at = now;
        if elapsed >= DAY {
            self.anchor = balance;
            return Ok(());
        }
        let hours = elapsed.wrapping_mul(ONE.div_euclid(HOUR)); // below 2^37
        let (limit, difference) = (self.limit(params)?, balance.abs_diff(self.anchor));
        self.anchor = if balance > self.anchor {
            let young = cap.div_euclid(1_000).min(ppm_ceil(balance, params.max_ppm)?);
            let step = wide::mul_div(limit.max(young), hours, ONE, Round::Down).unwrap_or(u64::MAX);
            self.anchor.saturating_add(step.min(difference))
        } else {
            let step = wide::mul_div(limit, hours, ONE, Round::Up).unwrap_or(u64::MAX);
            self.anchor.saturating_sub(step.min(difference))
        };
        Ok(())
    }

    /// What may leave of `balance` at the time of the last update, token units.
    ///
    /// # Errors
    /// [`crate::EngineError::Overflow`] never for a valid share.
    pub fn available(&self, params: &OutflowParams, balance: u64) -> Result<u64> {
        Ok(balance.saturating_sub(self.line(params)?))
    }
}

const _: () = assert!(size_of::<OutflowParams>() == 16 && size_of::<Outflow>() == 16);
