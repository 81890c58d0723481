//! Who pays for a loss that margin did not cover, and in which order.
//!
//! | tier | source | limit |
//! |---|---|---|
//! | 1 | the market's insurance | all |
//! | 2 | the insurance fund's reserve | a share per market and day |
//! | 3 | the staked backstop | half of it per event |
//! | 4 | the pool's first loss | a share of the market's equity per day, none by default |
//! | 5 | winners on the other side of the same market | half of every profit |
//! | 6 | the pool's money in this market | its equity |
//! | 7 | nobody: the market has to settle | |
//!
//! A thin market runs tier 5 before 2 to 4, so that whoever attacks it is paid by his own winners. Everything happens
//! in one call, so there is never a loss pending that somebody could run from.
//!
//! Invariant I8: a tier is used only when the one before is at its limit; the parts sum to the loss; nothing becomes
//! negative. Invariant I6 is the ladder's: winners lose a share of profit, the same for all.

use bytemuck::{Pod, Zeroable};

use crate::backstop::Backstop;
use crate::ladder::{FRACTION_ONE, unwind_fraction};
use crate::market::Market;
use crate::units::{Side, ppm_floor};
use crate::wide::{self, Round};
use crate::{EngineError, Result};

/// Largest share of winners' profit that one event takes, in units of 2^-32.
pub const MAX_UNWIND: u64 = FRACTION_ONE / 2;
/// Largest share of the backstop that one event takes, ppm.
pub const MAX_SLASH_PPM: u32 = 500_000;
const DAY: u64 = 86_400;

/// The insurance fund's money, quote units.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct Fund {
    /// Reserve: no way out but the waterfall.
    pub reserve: u64,
    /// First-loss stake.
    pub backstop: Backstop,
}

/// How far a market may draw on others.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "borsh", derive(borsh::BorshDeserialize))]
#[cfg_attr(all(feature = "borsh", not(feature = "idl-build")), derive(borsh::BorshSerialize))]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct WaterfallParams {
    /// Share of the reserve that may be drawn in a day, ppm.
    pub reserve_share_ppm: u32,
    /// Share of the market's equity that the pool loses first in a day, ppm.
    pub first_loss_ppm: u32,
    /// 1 for a thin market: its winners pay before the fund.
    pub tail: u8,
    /// Explicit padding.
    pub _padding: [u8; 7],
}

/// A bucket that a day empties.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct Drawn {
    /// What was drawn and has not leaked yet, quote units.
    pub level: u64,
    /// When it last leaked, unix seconds.
    pub updated_at: i64,
}

/// What a market has drawn lately.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct Draws {
    /// Of the reserve.
    pub reserve: Drawn,
    /// Of the pool's first loss.
    pub first_loss: Drawn,
}

/// Who stands behind a market, and how far.
#[derive(Debug)]
pub struct Backers<'a> {
    /// The insurance fund.
    pub fund: &'a mut Fund,
    /// What the market has drawn lately.
    pub draws: &'a mut Draws,
    /// How far it may.
    pub params: WaterfallParams,
}

/// A loss that nobody has paid yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Quote units.
    pub debt: u64,
    /// Side of the position that made it.
    pub side: Side,
    /// Clock, unix seconds.
    pub now: i64,
}

/// Who paid how much, quote units. The parts sum to the debt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WaterfallReport {
    /// Tier 1.
    pub insurance: u64,
    /// Tier 2.
    pub reserve: u64,
    /// Tier 3.
    pub backstop: u64,
    /// Tier 4.
    pub first_loss: u64,
    /// Tier 5.
    pub deleveraged: u64,
    /// Tier 6.
    pub pool: u64,
    /// Tier 7.
    pub unpaid: u64,
    /// Share of the winners' profit that was unwound, in units of 2^-32.
    pub fraction: u64,
    /// What the winners were owed before, quote units.
    pub winners: u64,
    /// What the unwind took beyond the loss: to the market's insurance, quote units.
    pub surplus: u64,
}

impl WaterfallReport {
    /// Sum of the parts.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn total(&self) -> Result<u64> {
        [self.reserve, self.backstop, self.first_loss, self.deleveraged, self.pool, self.unpaid]
            .into_iter()
            .try_fold(self.insurance, |sum, part| sum.checked_add(part).ok_or(EngineError::Overflow))
    }
}

impl Drawn {
    /// Draws up to `wanted` of what a day's `limit` still allows.
    fn draw(&mut self, wanted: u64, limit: u64, now: i64) -> Result<u64> {
        let elapsed = u64::try_from(now.saturating_sub(self.updated_at)).unwrap_or(0).min(DAY);
        let leaked = wide::mul_div(limit, elapsed, DAY, Round::Down)?;
        self.level = self.level.saturating_sub(leaked);
        self.updated_at = self.updated_at.max(now);
        let drawn = wanted.min(limit.saturating_sub(self.level));
        self.level = self.level.saturating_add(drawn);
        Ok(drawn)
    }
}

impl Market {
    /// Runs the waterfall for a loss made in this market.
    ///
    /// # Errors
    /// [`EngineError::ZeroAmount`] without a debt, [`EngineError::Overflow`].
    pub fn resolve(&mut self, backers: &mut Backers<'_>, loss: &Loss) -> Result<WaterfallReport> {
        if loss.debt == 0 {
            return Err(EngineError::ZeroAmount);
        }
        self.accrue(loss.now)?;
        let (mut report, mut left) = (WaterfallReport::default(), loss.debt);
        report.insurance = take(&mut self.book.insurance, &mut left);
        let tail = backers.params.tail != 0;
        if tail {
            self.deleverage(&mut report, &mut left, loss)?;
        }
        self.draw_on(backers, &mut report, &mut left, loss.now)?;
        if !tail {
            self.deleverage(&mut report, &mut left, loss)?;
        }
        let equity = self.book.equity(self.mark())?.units_or_zero();
        report.pool = self.pay_from_cash(&mut left, equity);
        report.unpaid = left;
        self.update_borrow_rate()?;
        Ok(report)
    }

    /// Tiers 2 to 4.
    fn draw_on(
        &mut self,
        backers: &mut Backers<'_>,
        report: &mut WaterfallReport,
        left: &mut u64,
        now: i64,
    ) -> Result<()> {
        let Backers { fund, draws, params } = backers;
        let limit = ppm_floor(fund.reserve, params.reserve_share_ppm)?;
        report.reserve = draws.reserve.draw((*left).min(fund.reserve), limit, now)?;
        fund.reserve = fund.reserve.saturating_sub(report.reserve); // at most the reserve: exact
        *left = left.saturating_sub(report.reserve);

        let limit = ppm_floor(fund.backstop.value()?, MAX_SLASH_PPM)?;
        report.backstop = fund.backstop.slash(*left, limit)?;
        *left = left.saturating_sub(report.backstop);

        let equity = self.book.equity(self.mark())?.units_or_zero();
        let limit = ppm_floor(equity, params.first_loss_ppm)?;
        let allowed = draws.first_loss.draw((*left).min(self.book.cash), limit, now)?;
        report.first_loss = self.pay_from_cash(left, allowed);
        Ok(())
    }

    /// Tier 5: unwinds the same share of every winner on the other side, and pays from the cash that this frees.
    fn deleverage(&mut self, report: &mut WaterfallReport, left: &mut u64, loss: &Loss) -> Result<()> {
        let (mark, winners) = (self.mark(), loss.side.opposite());
        report.winners = self.book.side(winners).winners(mark)?;
        if *left == 0 || report.winners == 0 {
            return Ok(());
        }
        report.fraction = unwind_fraction(*left, report.winners, MAX_UNWIND)?;
        let booked = self.book.side_mut(winners).unwind(mark, report.fraction)?.booked;
        report.deleveraged = self.pay_from_cash(left, booked);
        // Rounding takes a few units more than the loss: they are nobody's profit.
        let surplus = booked.saturating_sub(report.deleveraged).min(self.book.cash);
        if *left == 0 {
            self.book.cash = self.book.cash.saturating_sub(surplus); // at most cash: exact
            self.book.insurance = self.book.insurance.checked_add(surplus).ok_or(EngineError::Overflow)?;
            report.surplus = surplus;
        }
        Ok(())
    }

    /// Pays up to `most` of what is left from the market's cash.
    fn pay_from_cash(&mut self, left: &mut u64, most: u64) -> u64 {
        let paid = (*left).min(most).min(self.book.cash);
        self.book.cash = self.book.cash.saturating_sub(paid); // at most cash: exact
        *left = left.saturating_sub(paid);
        paid
    }
}

/// Takes as much of `left` as a balance has.
fn take(balance: &mut u64, left: &mut u64) -> u64 {
    let taken = (*left).min(*balance);
    *balance = balance.saturating_sub(taken);
    *left = left.saturating_sub(taken);
    taken
}

const _: () =
    assert!(size_of::<Fund>() == 40 && size_of::<WaterfallParams>() == 16 && size_of::<Draws>() == 32);
