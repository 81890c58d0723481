//! A loss that was booked but not paid is not money.
//!
//! A realised loss moves to the market's `cash` at once, so an account's quote may fall below zero: its collateral stands
//! for it. Until the debt is repaid, that part of `cash` has no tokens behind it. The account remembers in which market
//! it lost what it owes, the market remembers the sum as [`Book::unbacked`], and pays nobody from it: a winner waits with a
//! claim instead of walking away with other people's tokens. If the debt is never repaid, the waterfall of that very
//! market takes the loss back out of `cash`.
//!
//! Invariant I17: what all accounts owe is at most what the markets hold back for it, market by market.

use bytemuck::{Pod, Zeroable};

use crate::book::Book;
use crate::units::{Quote, Side};
use crate::wide::{self, Round};
use crate::{EngineError, Result};

/// Markets that an account can owe for: all there can be.
pub const MARKETS: usize = 32;

/// What an account owes, by the markets where it was lost.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct Debts {
    /// Losses of longs and of shorts that were not paid, by market index, quote units. Together at least what the account
    /// owes: what it repays outside of a market counts for all of them in proportion.
    pub lost: [[u64; 2]; MARKETS],
    /// What the markets hold back for the account, by market index, quote units: at least what was lost, until the account
    /// next meets the market.
    pub held: [u64; MARKETS],
    /// Sum of what was lost.
    pub total: u64,
}

/// What a quote balance owes, quote units.
#[must_use]
pub const fn owed(quote: Quote) -> u64 {
    if quote.0 < 0 { quote.0.unsigned_abs() } else { 0 }
}

impl Debts {
    /// What the market holds back for the account, quote units.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`] beyond the last market.
    pub fn held(&self, market: u16) -> Result<u64> {
        self.held.get(usize::from(market)).copied().ok_or(INDEX)
    }

    /// Whether the markets hold nothing back for the account.
    #[must_use]
    pub fn is_clear(&self) -> bool {
        self.total == 0 && self.held == [0; MARKETS]
    }

    /// What was lost in a market and is not repaid, quote units.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`] beyond the last market, [`EngineError::Overflow`].
    pub fn lost(&self, market: u16) -> Result<u64> {
        let [long, short] = self.lost.get(usize::from(market)).copied().ok_or(INDEX)?;
        long.checked_add(short).ok_or(EngineError::Overflow)
    }

    /// Side of the positions that lost most in a market: small losses on the other one can't turn the waterfall round.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`] beyond the last market.
    pub fn side(&self, market: u16) -> Result<Side> {
        let [long, short] = self.lost.get(usize::from(market)).copied().ok_or(INDEX)?;
        Ok(if long >= short { Side::Long } else { Side::Short })
    }

    /// First half of an operation of the account in a market: its own debt does not stand against its own profit.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`] if the market does not know the debt.
    pub fn lift(&self, market: u16, book: &mut Book) -> Result<()> {
        let left = book.unbacked.checked_sub(self.held(market)?);
        book.unbacked = left.ok_or(EngineError::Corrupt("a debt that its market does not know"))?;
        Ok(())
    }

    /// Second half: adds what the operation changed the balance `quote` by, and returns the new balance.
    ///
    /// What the balance fell below zero by is owed for this market, what it rose by is repaid to this market first.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`], [`EngineError::Overflow`].
    pub fn post(
        &mut self,
        (market, side): (u16, Side),
        (quote, change): (Quote, Quote),
        book: &mut Book,
    ) -> Result<Quote> {
        let after = quote.plus(change)?;
        self.repaid(owed(quote))?;
        let (grown, fallen) =
            (owed(after).saturating_sub(owed(quote)), owed(quote).saturating_sub(owed(after)));
        let [long, short] = self.lost.get_mut(usize::from(market)).ok_or(INDEX)?;
        let (this, other) = if side == Side::Long { (long, short) } else { (short, long) };
        let (mine, rest) = (fallen.min(*this), fallen.saturating_sub(*this).min(*other));
        *this = this.saturating_sub(mine).checked_add(grown).ok_or(EngineError::Overflow)?;
        *other = other.saturating_sub(rest);
        let left = self.total.saturating_sub(mine).saturating_sub(rest); // parts of the total: exact
        self.total = left.checked_add(grown).ok_or(EngineError::Overflow)?;
        self.hold_back(market, book)?;
        Ok(after)
    }

    /// Brings the losses down to what is still owed: repaid outside of a market, in proportion, rounded up.
    fn repaid(&mut self, owed: u64) -> Result<()> {
        if self.total <= owed {
            return Ok(());
        }
        let (total, mut sum) = (self.total, 0_u64);
        for slot in self.lost.iter_mut().flatten().filter(|slot| **slot != 0) {
            *slot = wide::mul_div(*slot, owed, total, Round::Up)?;
            sum = sum.checked_add(*slot).ok_or(EngineError::Overflow)?;
        }
        self.total = sum;
        Ok(())
    }

    /// Has the market hold back what was lost there.
    fn hold_back(&mut self, market: u16, book: &mut Book) -> Result<()> {
        let lost = self.lost(market)?;
        *self.held.get_mut(usize::from(market)).ok_or(INDEX)? = lost;
        book.unbacked = book.unbacked.checked_add(lost).ok_or(EngineError::Overflow)?;
        Ok(())
    }

    /// Part of the balance's debt that falls on a market: in proportion to the losses, rounded up.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`] beyond the last market.
    pub fn share(&self, market: u16, quote: Quote) -> Result<u64> {
        match self.lost(market)? {
            0 => Ok(0),
            lost => wide::mul_div(owed(quote).min(self.total), lost, self.total, Round::Up),
        }
    }

    /// Second half of a resolution of the debt `quote` in a market: forgets its part but for what no tier had.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`] beyond the last market, [`EngineError::Overflow`].
    pub fn forgive(&mut self, market: u16, (quote, unpaid): (Quote, u64), book: &mut Book) -> Result<()> {
        self.repaid(owed(quote))?;
        let (lost, side) = (self.lost(market)?, self.side(market)?);
        let left = unpaid.min(lost);
        self.total = self.total.saturating_sub(lost.saturating_sub(left)); // a part of the total: exact
        let slot = self.lost.get_mut(usize::from(market)).ok_or(INDEX)?;
        *slot = if side == Side::Long { [left, 0] } else { [0, left] };
        self.hold_back(market, book)
    }
}

const INDEX: EngineError = EngineError::Corrupt("market index");

const _: () = assert!(size_of::<Debts>() == 24 * MARKETS + 8);
