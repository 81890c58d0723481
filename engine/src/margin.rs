//! An account is worth a sum, and needs a sum.
//!
//! `E = quote + Σ collateral·(1 − haircut) + Σ uPnL` against `Σ |N|·fraction`. One walk over an account's
//! slots serves every question, by what it is asked for: initial margin values everything at the strict
//! price and counts profit at a weight (never for a withdrawal), maintenance margin at the live price in
//! full. Assets round down, requirements up.
//!
//! Invariant I9: more collateral never worsens health.

use bytemuck::{Pod, Zeroable};

use crate::market::Market;
use crate::position::Position;
use crate::price::{Action, Age, OracleParams, OracleState, within};
use crate::units::{NormalPrice, PPM, Quote, Side, ppm_ceil, ppm_floor};
use crate::{EngineError, Result};

/// Positions an account can hold.
pub const MAX_POSITIONS: usize = 16;
/// Volatile collaterals an account can hold.
pub const MAX_COLLATERALS: usize = 8;

/// What the health is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthType {
    /// May increase: strict prices, initial haircuts and fractions, profit at its weight.
    Init,
    /// May withdraw: as `Init`, with profit at zero.
    Withdraw,
    /// May stay: live prices, maintenance haircuts and fractions.
    Maint,
}

/// Haircuts of a collateral and how its oracle is judged, as a vault account stores them.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "borsh", derive(borsh::BorshDeserialize))]
#[cfg_attr(all(feature = "borsh", not(feature = "idl-build")), derive(borsh::BorshSerialize))]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct CollateralParams {
    /// Cap of all deposits together, token units. Zero forbids deposits.
    pub max_deposits: u64,
    /// Haircut for initial margin, ppm.
    pub haircut_init_ppm: u32,
    /// Haircut for maintenance margin, ppm.
    pub haircut_maint_ppm: u32,
    /// How the oracle is judged.
    pub oracle: OracleParams,
}

impl CollateralParams {
    /// Checks the hard bounds of the program: haircuts in order, at least 2 % for initial margin.
    ///
    /// # Errors
    /// [`EngineError::ParameterOutOfBounds`] naming the first field outside.
    pub fn validate(&self) -> Result<()> {
        within("haircut_init_ppm", self.haircut_init_ppm, 20_000, 1_000_000)?;
        within("haircut_maint_ppm", self.haircut_maint_ppm, 10_000, self.haircut_init_ppm)?;
        self.oracle.validate()
    }
}

/// A collateral: haircuts and price in quote units per token unit.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct Collateral {
    /// Haircuts and oracle parameters.
    pub params: CollateralParams,
    /// Price.
    pub oracle: OracleState,
}

impl Collateral {
    /// Worth of `amount` token units after the haircut, rounded down.
    ///
    /// For initial margin a price that is not Fresh makes the collateral worth nothing: a dead oracle must not
    /// freeze the rest of the account. A withdrawal it stops. Maintenance margin takes a Fresh or Wide price
    /// and refuses any other, for a collateral that can't be priced is no reason to liquidate.
    ///
    /// # Errors
    /// [`EngineError::PriceNotUsable`] except for initial margin, [`EngineError::Overflow`].
    pub fn value(&self, amount: u64, health: HealthType, now: i64) -> Result<u64> {
        let action = if health == HealthType::Maint { Action::Close } else { Action::Withdraw };
        match (self.oracle.require(&self.params.oracle, (action, Age::Margin), now), health) {
            (Err(_), HealthType::Init) => return Ok(0),
            (usable, _) => usable?,
        };
        let (price, haircut) = match health {
            HealthType::Init | HealthType::Withdraw => {
                (self.oracle.strict().low, self.params.haircut_init_ppm)
            }
            HealthType::Maint => (self.oracle.price, self.params.haircut_maint_ppm),
        };
        ppm_floor(price.mul_floor(amount)?, 1_000_000_u32.saturating_sub(haircut))
    }
}

/// Value and requirement of an account, or of a part of one, quote units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// What it is worth.
    pub equity: Quote,
    /// What it needs.
    pub requirement: Quote,
}

impl Health {
    /// Sum of two parts.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn plus(self, other: Self) -> Result<Self> {
        Ok(Self {
            equity: self.equity.plus(other.equity)?,
            requirement: self.requirement.plus(other.requirement)?,
        })
    }

    /// `E − requirement`: above zero is room, below is shortfall.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn excess(self) -> Result<Quote> {
        self.equity.minus(self.requirement)
    }

    /// Whether this is at least as far from trouble as `before`: `E − requirement` did not fall.
    ///
    /// A decrease that passes this needs no other account: the legs it does not touch count the same.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn is_no_worse_than(self, before: Self) -> Result<bool> {
        Ok(self.excess()? >= before.excess()?)
    }

    /// `Ok` if `E ≥ requirement`.
    ///
    /// # Errors
    /// [`EngineError::InsufficientMargin`] with both numbers.
    pub fn require(self) -> Result<()> {
        if self.equity >= self.requirement {
            Ok(())
        } else {
            let (equity, requirement) = (self.equity.0, self.requirement.0);
            Err(EngineError::InsufficientMargin { equity, requirement })
        }
    }

    /// The quote balance: positive at `weight_ppm` for initial margin and withdrawals (the quote token may
    /// itself trade below one), a debt in full.
    ///
    /// # Errors
    /// [`EngineError::Overflow`] never for a weight of at most 100 %.
    pub fn of_quote(quote: Quote, weight_ppm: u32, health: HealthType) -> Result<Self> {
        let equity = match health {
            HealthType::Init | HealthType::Withdraw if quote > Quote::ZERO => {
                Quote::from_units(ppm_floor(quote.units_or_zero(), weight_ppm)?)?
            }
            _ => quote,
        };
        Ok(Self { equity, requirement: Quote::ZERO })
    }

    /// `amount` token units of a collateral.
    ///
    /// # Errors
    /// As [`Collateral::value`].
    pub fn of_collateral(collateral: &Collateral, amount: u64, health: HealthType, now: i64) -> Result<Self> {
        let equity = Quote::from_units(collateral.value(amount, health, now)?)?;
        Ok(Self { equity, requirement: Quote::ZERO })
    }

    /// A position with its pending unwind applied.
    ///
    /// # Errors
    /// [`EngineError::PriceNotUsable`] if the market's price is too old for margin or disputed, or Wide for a
    /// withdrawal; [`EngineError::Overflow`].
    pub fn of_position(market: &Market, position: &Position, health: HealthType, now: i64) -> Result<Self> {
        let action = if health == HealthType::Withdraw { Action::Withdraw } else { Action::Close };
        if !position.is_claim() {
            // A claim is owed whatever the price is.
            market.oracle.require(&market.params.oracle, (action, Age::Margin), now)?;
        }
        Self::of_position_at_stored_price(market, position, health)
    }

    /// As [`Health::of_position`] for a price that has been checked already.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn of_position_at_stored_price(
        market: &Market,
        position: &Position,
        health: HealthType,
    ) -> Result<Self> {
        let (side, params) = (position.side()?, &market.params);
        let ladder = market.book.side(side);
        let holding = ladder.member(position)?;
        let strict = market.oracle.strict();
        let (price, worst, fraction) = match (health, side) {
            (HealthType::Maint, _) => (market.mark(), market.mark(), params.mmf_ppm),
            (_, Side::Long) => (strict.low, strict.high, params.imf_ppm),
            (_, Side::Short) => (strict.high, strict.high, params.imf_ppm),
        };
        let pnl = holding.pnl(NormalPrice::new(price, ladder.carry)?)?;
        let equity = match health {
            HealthType::Init if pnl > Quote::ZERO => {
                Quote::from_units(ppm_floor(pnl.units_or_zero(), params.profit_weight_ppm)?)?
            }
            HealthType::Withdraw => pnl.min(Quote::ZERO),
            _ => pnl,
        };
        let requirement = Quote::from_units(ppm_ceil(worst.mul_ceil(holding.lots.count())?, fraction)?)?;
        Ok(Self { equity, requirement })
    }
}

/// What a positive balance of the quote token counts for in initial margin.
///
/// `min(1, price)` while its oracle is alive and undisputed, and at most the configured floor otherwise.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct QuoteWeight {
    /// Last moment at which `fresh_ppm` counts, unix seconds.
    pub until: i64,
    /// Weight while the oracle is alive, ppm.
    pub fresh_ppm: u32,
    /// Most that counts when it is not, ppm.
    pub floor_ppm: u32,
}

impl QuoteWeight {
    /// A quote token without an oracle counts in full.
    pub const WHOLE: Self = Self { until: i64::MAX, fresh_ppm: 1_000_000, floor_ppm: 1_000_000 };

    /// The weight before the oracle was first refreshed: the floor.
    #[must_use]
    pub const fn unrefreshed(params: &CollateralParams) -> Self {
        let floor_ppm = 1_000_000_u32.saturating_sub(params.haircut_init_ppm);
        Self { until: i64::MIN, fresh_ppm: floor_ppm, floor_ppm }
    }

    /// The weight that a refreshed oracle gives.
    ///
    /// # Errors
    /// [`EngineError::Overflow`] never for a price in range.
    pub fn of(quote: &Collateral) -> Result<Self> {
        let (oracle, params) = (&quote.oracle, &quote.params);
        let fresh = oracle.strict().low.mul_floor(PPM)?.min(PPM);
        let until = match oracle.divergent {
            0 => oracle.publish_time.saturating_add(i64::from(params.oracle.max_margin_age)),
            _ => i64::MIN,
        };
        Ok(Self {
            until,
            fresh_ppm: u32::try_from(fresh).map_err(|_| EngineError::Overflow)?,
            ..Self::unrefreshed(params)
        })
    }

    /// The weight at `now`, ppm.
    #[must_use]
    pub fn at(&self, now: i64) -> u32 {
        if now <= self.until { self.fresh_ppm } else { self.fresh_ppm.min(self.floor_ppm) }
    }
}

/// One volatile collateral of an account. Empty if `amount` is zero.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct CollateralSlot {
    /// Token units.
    pub amount: u64,
    /// Vault index.
    pub vault: u16,
    /// Explicit padding.
    pub _padding: [u8; 6],
}

/// What an account holds besides its quote balance.
#[derive(Clone, Copy, Debug)]
pub struct Legs<'a> {
    /// Positions and claims.
    pub positions: &'a [Position; MAX_POSITIONS],
    /// Volatile collaterals.
    pub collaterals: &'a [CollateralSlot; MAX_COLLATERALS],
    /// A market to leave out.
    pub skip_market: Option<u16>,
    /// A vault to leave out.
    pub skip_vault: Option<u16>,
}

/// Where the markets and collaterals of an account come from: a program finds them in the accounts that it
/// was passed, a client in its cache.
pub trait Directory {
    /// Why one could not be had.
    type Error: From<EngineError>;

    /// Lets `read` see market `index`.
    ///
    /// # Errors
    /// If there is no such market at hand, or what `read` says.
    fn market(
        &mut self,
        index: u16,
        read: impl FnOnce(&Market) -> Result<Health>,
    ) -> core::result::Result<Health, Self::Error>;

    /// Lets `read` see the collateral of vault `index`.
    ///
    /// # Errors
    /// If there is no such vault at hand, or what `read` says.
    fn collateral(
        &mut self,
        index: u16,
        read: impl FnOnce(&Collateral) -> Result<Health>,
    ) -> core::result::Result<Health, Self::Error>;
}

impl Legs<'_> {
    /// Sum over the legs in slot order, positions first: the one walk that program and clients share.
    ///
    /// # Errors
    /// Whatever a leg or its listing refuses.
    pub fn health<L: Directory>(
        &self,
        directory: &mut L,
        (kind, now): (HealthType, i64),
    ) -> core::result::Result<Health, L::Error> {
        let mut sum = Health::default();
        for position in self.positions.iter().filter(|p| p.is_open() && Some(p.market) != self.skip_market) {
            let read = |market: &Market| Health::of_position(market, position, kind, now);
            sum = sum.plus(directory.market(position.market, read)?)?;
        }
        for slot in self.collaterals.iter().filter(|c| c.amount != 0 && Some(c.vault) != self.skip_vault) {
            let read = |collateral: &Collateral| Health::of_collateral(collateral, slot.amount, kind, now);
            sum = sum.plus(directory.collateral(slot.vault, read)?)?;
        }
        Ok(sum)
    }
}
