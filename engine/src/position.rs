//! A position is two numbers.
//!
//! `(b, q)` on one side of one market, carry-normalised, is worth `PnL = b·(P − C_side) + q`. Opening at
//! `F` sets `q = −b·(F − C)`; funding and borrow fees only move `C`, so a position needs no carry snapshot
//! and an idle one is always worth its true value. The formula is linear: sums of positions obey it too,
//! which the ladder and the book live by.
//!
//! A position with `b = 0` and `q > 0` is a *claim*: realised profit that the market's cash could not pay yet.

use bytemuck::{Pod, Zeroable};

use crate::units::{Lots, NormalPrice, Quote, Side};
use crate::wide;
use crate::{EngineError, Result};

/// One slot of a margin account.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct Position {
    /// Signed lots `b`.
    pub lots: Lots,
    /// Carry-normalised quote `q`, quote units.
    pub quote: Quote,
    /// Unwind factor of the bucket when this position joined it, 1.0 = 2^63.
    pub unwind: u64,
    /// When the position last grew, unix seconds.
    pub increased_at: i64,
    /// Market index.
    pub market: u16,
    /// 1 if the slot holds a position or a claim.
    pub in_use: u8,
    /// [`Side`] as a byte; a claim keeps the side that it came from.
    pub side: u8,
    /// Bucket of the side's ladder that the position is a member of.
    pub bucket: u8,
    /// Explicit padding.
    pub _padding: [u8; 3],
}

impl Default for Position {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl Position {
    /// An empty slot.
    pub const EMPTY: Self = Self {
        lots: Lots::ZERO,
        quote: Quote::ZERO,
        unwind: 0,
        increased_at: 0,
        market: 0,
        in_use: 0,
        side: 0,
        bucket: 0,
        _padding: [0; 3],
    };

    /// A position of `side` in `market` that holds nothing yet.
    #[must_use]
    pub const fn new(market: u16, side: Side) -> Self {
        Self { market, in_use: 1, side: side.to_byte(), ..Self::EMPTY }
    }

    /// Whether the slot holds a position or a claim.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.in_use != 0
    }

    /// Whether this is a claim: profit realised and not yet paid.
    #[must_use]
    pub fn is_claim(&self) -> bool {
        self.is_open() && self.lots == Lots::ZERO
    }

    /// The side.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`] for a byte that is neither.
    pub fn side(&self) -> Result<Side> {
        Side::from_byte(self.side)
    }
}

/// The two numbers alone: a position with its pending unwind applied, or a sum of positions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holding {
    /// Signed lots.
    pub lots: Lots,
    /// Carry-normalised quote.
    pub quote: Quote,
}

impl Holding {
    /// `b·(P − C) + q`, rounded down: what the holder can count on.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn pnl(self, price: NormalPrice) -> Result<Quote> {
        price.mul_floor(self.lots)?.plus(self.quote)
    }

    /// The holding after a fill that costs the holder `cost` quote units (negative: receives).
    ///
    /// `q −= cost − Δ·C`, rounded down; `carry_part` is `floor(Δ·C)`.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn increased(self, delta: Lots, cost: Quote, carry_part: Quote) -> Result<Self> {
        Ok(Self { lots: self.lots.plus(delta)?, quote: self.quote.minus(cost)?.plus(carry_part)? })
    }

    /// Closes `count` lots with a fill that costs `cost`, and says what that realised.
    ///
    /// `part = floor(q·d/|b|)`, `realised = −cost + Δ·C + part`: value is conserved exactly, the rest keeps
    /// `q − part`.
    ///
    /// # Errors
    /// [`EngineError::CloseExceedsPosition`], [`EngineError::Overflow`].
    pub fn decreased(self, count: u64, cost: Quote, carry_part: Quote) -> Result<(Self, Quote)> {
        let held = self.lots.count();
        if count > held {
            return Err(EngineError::CloseExceedsPosition { asked: count, held });
        }
        let part = Quote(wide::mul_div_floor_signed(self.quote.0, count, held)?);
        let side = if self.lots.0 < 0 { Side::Short } else { Side::Long };
        let rest =
            Self { lots: self.lots.plus(Lots::on(side, count)?.negated())?, quote: self.quote.minus(part)? };
        Ok((rest, Quote::ZERO.minus(cost)?.plus(carry_part)?.plus(part)?))
    }

    /// Carry-normalised entry price `−q/b`, rounded to the side's worse, clamped to the type's range (which
    /// lies beyond every price: a clamped entry is never in profit, or by less than it truly is).
    /// `None` without lots.
    #[must_use]
    pub fn entry(self) -> Option<NormalPrice> {
        if self.lots == Lots::ZERO {
            return None;
        }
        let quote = i128::from(self.quote.0).wrapping_shl(crate::units::NORMAL_FRACTION); // |q| < 2^63: fits
        let lots = i128::from(self.lots.count());
        let magnitude = quote.checked_div(lots)?;
        let exact = magnitude.wrapping_mul(lots) == quote;
        // −q/b is −(q/|b|) for a long, to be rounded up, and q/|b| for a short, to be rounded down.
        let entry = match (self.lots.0 > 0, exact) {
            (true, true) => magnitude.checked_neg()?,
            (true, false) => magnitude.checked_neg()?.checked_add(i128::from(quote < 0))?,
            (false, true) => magnitude,
            (false, false) => magnitude.checked_sub(i128::from(quote < 0))?,
        };
        let (min, max) = (i128::from(i64::MIN), i128::from(i64::MAX));
        i64::try_from(entry.clamp(min, max)).ok().map(NormalPrice)
    }
}
