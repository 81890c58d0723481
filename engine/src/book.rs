//! A market owes its traders `T(P)` and owns `cash`.
//!
//! Positions are linear, so the total trader PnL of a market at any price is two sums:
//! `T(P) = Σ_side [ b_side·(P − C_side) + q_side ]`. `cash ≥ 0` is the pool's money committed to this market;
//! realised profit is paid from it and from nothing else, so a market can never lose more than its own
//! cash. Market equity is `E_m(P) = cash − T(P)`.
//!
//! What the losers have not paid yet is in `cash`, but nobody is paid from it: see [`crate::debt`].
//!
//! Part of I2 and I17: every operation of the book moves exactly as much out of one ledger number as into
//! the others.

use bytemuck::{Pod, Zeroable};

use crate::ladder::Ladder;
use crate::price::StrictPrice;
use crate::units::{Lots, NormalPrice, Price, Quote, Side};
use crate::{EngineError, Result};

/// Accrued fees by who will get them, quote units. `sweep_market` moves them on.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct Fees {
    /// The pool's part.
    pub pool: u64,
    /// The insurance fund's part.
    pub insurance: u64,
    /// The protocol's part.
    pub protocol: u64,
}

impl Fees {
    /// Adds `other` part by part.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn add(&mut self, other: &Self) -> Result<()> {
        let sum = |a: u64, b: u64| a.checked_add(b).ok_or(EngineError::Overflow);
        *self = Self {
            pool: sum(self.pool, other.pool)?,
            insurance: sum(self.insurance, other.insurance)?,
            protocol: sum(self.protocol, other.protocol)?,
        };
        Ok(())
    }

    /// Sum of the parts.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn total(&self) -> Result<u64> {
        self.pool
            .checked_add(self.insurance)
            .and_then(|x| x.checked_add(self.protocol))
            .ok_or(EngineError::Overflow)
    }
}

/// The money and the positions of one market, quote units.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct Book {
    /// Pool money committed to this market.
    pub cash: u64,
    /// The market's own insurance.
    pub insurance: u64,
    /// Fees not swept yet.
    pub fees: Fees,
    /// Claims not paid yet: an upper bound of Σq over positions with b = 0.
    pub unpaid_claims: u64,
    /// Pool principal that was lent to `cash` and has not come back, whatever became of it.
    pub committed: u64,
    /// Positions that hold lots, pending unwinds not applied: a claim is none.
    pub positions: u64,
    /// Booked losses that the losers have not paid: nobody is paid from them. At most cash, insurance and fees together.
    pub unbacked: u64,
    /// Longs.
    pub long: Ladder,
    /// Shorts.
    pub short: Ladder,
}

impl Book {
    /// Prepares the zeroed book of a new market in place.
    pub fn initialize(&mut self, price: Price) {
        self.long.initialize(Side::Long, price);
        self.short.initialize(Side::Short, price);
    }

    /// One side's ladder.
    #[must_use]
    pub const fn side(&self, side: Side) -> &Ladder {
        match side {
            Side::Long => &self.long,
            Side::Short => &self.short,
        }
    }

    /// One side's ladder.
    pub const fn side_mut(&mut self, side: Side) -> &mut Ladder {
        match side {
            Side::Long => &mut self.long,
            Side::Short => &mut self.short,
        }
    }

    /// Net trader lots `S = Σb`.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn skew(&self) -> Result<Lots> {
        self.long.holding()?.lots.plus(self.short.holding()?.lots)
    }

    /// `T(P)`: what the traders' positions are worth together, each side rounded up.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn traders_pnl(&self, price: Price) -> Result<Quote> {
        let mut sum = Quote::ZERO;
        for ladder in [&self.long, &self.short] {
            let holding = ladder.holding()?;
            // Rounding −PnL down rounds what is owed up.
            let at = NormalPrice::new(price, ladder.carry)?;
            let owed = Quote::ZERO.minus(at.mul_floor(holding.lots.negated())?)?.plus(holding.quote)?;
            sum = sum.plus(owed)?;
        }
        Ok(sum)
    }

    /// `E_m(P) = cash − T(P)`.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn equity(&self, price: Price) -> Result<Quote> {
        Quote::from_units(self.cash)?.minus(self.traders_pnl(price)?)
    }

    /// Lowest and highest `max(E_m, 0)` over the strict pair. A market's loss stops at its cash, so a
    /// negative equity is nobody's but its traders'.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn equity_range(&self, price: StrictPrice) -> Result<[u64; 2]> {
        let (a, b) = (self.equity(price.low)?.units_or_zero(), self.equity(price.high)?.units_or_zero());
        Ok([a.min(b), a.max(b)])
    }

    /// Whether nobody is owed anything any more, and nobody owes.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn is_settled(&self) -> Result<bool> {
        let claims = self.long.cost.plus(self.short.cost)?;
        Ok(self.positions == 0 && self.unbacked == 0 && claims <= Quote::ZERO)
    }

    /// Whether nobody is in it any more: settled, and no member left in any bucket.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn is_empty(&self) -> Result<bool> {
        let members = [&self.long, &self.short].into_iter().flat_map(|side| side.buckets.iter());
        Ok(self.is_settled()? && members.into_iter().all(|bucket| bucket.members == 0))
    }

    /// Part of `cash` that traders and the pool can be paid from, quote units.
    #[must_use]
    pub const fn payable(&self) -> u64 {
        self.cash.saturating_sub(self.unbacked)
    }

    /// Whether fees and insurance may leave: `cash` alone covers what is not backed.
    #[must_use]
    pub const fn is_covered(&self) -> bool {
        self.cash >= self.unbacked
    }

    /// Sum of the market's terms of the ledger identity I1: cash, insurance and fees.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn tokens(&self) -> Result<u64> {
        self.cash
            .checked_add(self.insurance)
            .and_then(|x| x.checked_add(self.fees.total().ok()?))
            .ok_or(EngineError::Overflow)
    }
}
