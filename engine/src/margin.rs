//! An account is worth a sum, and needs a sum.
//!
//! `E = quote + Σ collateral·(1 − haircut) + Σ uPnL` against `Σ |N|·fraction`. One walk over an account's
//! slots serves every question, by what it is asked for: initial margin values everything at the strict
//! price and counts profit at a weight (never for a withdrawal), maintenance margin at the live price in
//! full. Assets round down, requirements up.
//!
//! Markets of one risk group move together: with `L` and `S` the long and short requirements inside it, the group needs
//! `max(L, S) + (1 − offset)·min(L, S)`.
//!
//! Invariant I9: more collateral never worsens health.

mod portfolio;

pub use portfolio::{Portfolio, Relief};

use bytemuck::{Pod, Zeroable};

use crate::collateral::Collateral;
use crate::market::Market;
use crate::position::Position;
use crate::price::{self, Action, Age, Validity, within};
use crate::units::{NormalPrice, PPM_ONE, Quote, Side, ppm_ceil, ppm_floor};
use crate::{EngineError, Result};

/// Positions an account can hold.
pub const MAX_POSITIONS: usize = 16;
/// Volatile collaterals an account can hold.
pub const MAX_COLLATERALS: usize = 8;
/// Risk groups.
pub const GROUPS: u8 = 8;
/// What a price that needs a refresh may have moved in an account's favour, ppm: who liquidates has to refresh a leg that
/// matters, and a leg that doesn't can't stop him.
pub const STALE_DOUBT_PPM: u32 = 250_000;
/// Largest offset inside a risk group, ppm: what is left is 40 % of the smaller side at least.
pub const MAX_OFFSET_PPM: u32 = 600_000;

/// What the health is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthType {
    /// May increase: strict prices, initial haircuts and fractions, profit at its weight.
    Init,
    /// May withdraw: as `Init`, with profit at zero.
    Withdraw,
    /// May stay: live prices, maintenance haircuts and fractions.
    Maint,
    /// Must go: as `Maint`, with doubt in the account's favour. A Wide price is moved by its confidence, a leg whose
    /// price is dead or disputed counts at its last price without haircut and needs nothing; one that is merely stale has to
    /// be refreshed first.
    Liquidate,
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
    /// A decrease that passes this needs no other account: the legs it does not touch count the same. With
    /// `offset_ppm` of the leg's risk group, of the requirement that it gave up only `1 − offset` is sure to be gone.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn is_no_worse_than(self, before: Self, offset_ppm: u32) -> Result<bool> {
        let freed = before.requirement.minus(self.requirement)?;
        let sure = match u64::try_from(freed.0) {
            Ok(freed) => Quote::from_units(ppm_floor(freed, PPM_ONE.saturating_sub(offset_ppm))?)?,
            Err(_) => freed,
        };
        Ok(self.equity.plus(sure)? >= before.equity)
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
        if !position.is_claim() && health != HealthType::Liquidate {
            // A claim is owed whatever the price is.
            market.oracle.require(&market.params.oracle, (action, Age::Margin), now)?;
        }
        if health == HealthType::Liquidate {
            let (sure, doubt) = Self::of_position_in_doubt(market, position, now)?;
            return Ok(Self { equity: sure.equity.plus(doubt.all()?)?, ..sure });
        }
        Self::of_position_at_stored_price(market, position, health)
    }

    /// As [`HealthType::Liquidate`] says: health at the live price, and what the position may be worth beyond that.
    fn of_position_in_doubt(market: &Market, position: &Position, now: i64) -> Result<(Self, Doubt)> {
        let sure = Self::of_position_at_stored_price(market, position, HealthType::Maint)?;
        let (oracle, side) = (&market.oracle, position.side()?);
        if position.is_claim() {
            return Ok((sure, Doubt::default())); // owed whatever the price is
        }
        let unknown = Self { requirement: Quote::ZERO, ..sure };
        let better = match (oracle.validity(&market.params.oracle, Age::Margin, now)?, side) {
            (Validity::Fresh, _) => return Ok((sure, Doubt::default())),
            (Validity::Wide, Side::Long) => price::upper_bound(oracle)?,
            (Validity::Wide, Side::Short) => price::lower_bound(oracle)?,
            (Validity::Stale, _) if !oracle.is_dead(now) => {
                let lots = market.book.side(side).member(position)?.lots.count();
                let stale = ppm_ceil(market.mark().mul_ceil(lots)?, STALE_DOUBT_PPM)?;
                return Ok((unknown, Doubt { stale: Quote::from_units(stale)?, ..Doubt::default() }));
            }
            _ => return Ok((unknown, Doubt::default())),
        };
        let ladder = market.book.side(side);
        let equity = ladder.member(position)?.pnl(NormalPrice::new(better, ladder.carry)?)?;
        Ok((sure, Doubt { wide: equity.minus(sure.equity)?, ..Doubt::default() }))
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
            (HealthType::Maint | HealthType::Liquidate, _) => {
                (market.mark(), market.mark(), market.mmf_ppm())
            }
            (_, Side::Long) => (strict.low, strict.high, market.imf_ppm()?),
            (_, Side::Short) => (strict.high, strict.high, market.imf_ppm()?),
        };
        let mut pnl = holding.pnl(NormalPrice::new(price, ladder.carry)?)?;
        if market.is_settling() && holding.lots.count() == 0 {
            pnl = Quote::from_units(market.claim_at_best(pnl.units_or_zero())?)?;
        }
        let equity = match health {
            // What a settling market will pay is not known yet.
            HealthType::Init if market.is_settling() => pnl.min(Quote::ZERO),
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

/// What a leg may be worth beyond its worth at the stored price, quote units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Doubt {
    /// Because its price is wide.
    pub wide: Quote,
    /// Because nobody has refreshed its price.
    pub stale: Quote,
}

impl Doubt {
    pub fn all(self) -> Result<Quote> {
        self.wide.plus(self.stale)
    }

    fn plus(self, other: Self) -> Result<Self> {
        Ok(Self { wide: self.wide.plus(other.wide)?, stale: self.stale.plus(other.stale)? })
    }
}

/// Offsets of the risk groups: governance sets them, the exchange stores them.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "borsh", derive(borsh::BorshDeserialize))]
#[cfg_attr(all(feature = "borsh", not(feature = "idl-build")), derive(borsh::BorshSerialize))]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct RiskGroups {
    /// What the smaller side's requirement is reduced by, ppm, of groups 1 to 8.
    pub offset_ppm: [u32; 8],
}

impl RiskGroups {
    /// Checks the hard bounds of the program.
    ///
    /// # Errors
    /// [`EngineError::ParameterOutOfBounds`].
    pub fn validate(&self) -> Result<()> {
        self.offset_ppm
            .iter()
            .try_for_each(|&offset| within("risk group offset_ppm", offset, 0, MAX_OFFSET_PPM))
    }

    /// Offset of a group, ppm; nothing for group 0.
    #[must_use]
    pub fn offset(&self, group: u8) -> u32 {
        let slot = usize::from(group).checked_sub(1).and_then(|i| self.offset_ppm.get(i));
        slot.copied().unwrap_or(0)
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
    fn market<T>(
        &mut self,
        index: u16,
        read: impl FnOnce(&Market) -> Result<T>,
    ) -> core::result::Result<T, Self::Error>;

    /// Lets `read` see the collateral of vault `index`.
    ///
    /// # Errors
    /// If there is no such vault at hand, or what `read` says.
    fn collateral<T>(
        &mut self,
        index: u16,
        read: impl FnOnce(&Collateral) -> Result<T>,
    ) -> core::result::Result<T, Self::Error>;
}

impl Legs<'_> {
    /// Sum over the legs in slot order, positions first: the one walk that program and clients share.
    ///
    /// # Errors
    /// Whatever a leg or its listing refuses.
    pub fn portfolio<L: Directory>(
        &self,
        directory: &mut L,
        (kind, now): (HealthType, i64),
    ) -> core::result::Result<Portfolio, L::Error> {
        let (mut sum, what) = (Portfolio::default(), (kind, now));
        for position in self.positions.iter().filter(|p| p.is_open() && Some(p.market) != self.skip_market) {
            directory.market(position.market, |market| sum.count(market, position, what))?;
        }
        for slot in self.collaterals.iter().filter(|c| c.amount != 0 && Some(c.vault) != self.skip_vault) {
            directory.collateral(slot.vault, |held| sum.count_collateral(held, slot.amount, what))?;
        }
        Ok(sum)
    }
}
