//! Who pays for a loss that margin did not cover, and in which order.
//!
//! | tier | source | limit |
//! |---|---|---|
//! | 1 | the market's insurance | all |
//! | 2 | the insurance fund's reserve | a share per market and day |
//! | 3 | the staked backstop | half of it per market and day |
//! | 4 | the pool's first loss | a share of the market's equity per day, none by default |
//! | 5 | winners on the other side of the same market | half of their profit a day |
//! | 6 | the pool's money in this market | its equity |
//! | 7 | what the market owes its traders | it has to settle: [`crate::settlement`] |
//!
//! A thin market runs tier 5 before 2 to 4: what an attack on it wins is taken from that market's own winners first, and
//! not from the fund. Everything happens
//! in one call, so there is never a loss pending that somebody could run from.
//!
//! Invariant I8: a tier is used only when the one before is at its limit; the parts sum to the loss; nothing becomes
//! negative. Invariant I6 is the ladder's: winners lose a share of profit, the same for all.

use bytemuck::{Pod, Zeroable};

use crate::backstop::Backstop;
use crate::book::Fees;
use crate::coverage::Cover;
use crate::ladder::{FRACTION_ONE, unwind_fraction};
use crate::limits::credit;
use crate::market::Market;
use crate::price::{Action, Age, within};
use crate::units::{PPM_ONE, Side, ppm_floor};
use crate::wide::{self, Round};
use crate::{EngineError, Result};

/// Largest share of winners' profit that one market takes in a day, in units of 2^-32.
pub const MAX_UNWIND: u64 = FRACTION_ONE / 2;
/// Largest share of the backstop that a market takes in a day, ppm.
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
    /// What the markets ask for, and have of their own.
    pub cover: Cover,
    /// Stakers' part of the fund's income, ppm.
    pub stake_income_ppm: u32,
    /// Explicit padding.
    pub _padding: u32,
}

impl Fund {
    /// Takes income in: the stakers' part, rounded down, as far as there is stake; the rest is reserve. Returns both.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn earn(&mut self, income: u64) -> Result<[u64; 2]> {
        let earned = self.backstop.earn(ppm_floor(income, self.stake_income_ppm)?)?;
        let kept = income.saturating_sub(earned); // at most the income: exact
        self.reserve = credit(self.reserve, kept)?;
        Ok([earned, kept])
    }
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
    /// Backing that the market's open interest asks for, ppm of its worth.
    pub backing_ppm: u32,
    /// 1 for a thin market: its winners pay before the fund.
    pub tail: u8,
    /// Explicit padding.
    pub _padding: [u8; 3],
}

impl WaterfallParams {
    /// Checks the hard bounds of the program: the pool loses first at most 10 % of a market's equity a day.
    ///
    /// # Errors
    /// [`EngineError::ParameterOutOfBounds`] naming the first field outside.
    pub fn validate(&self) -> Result<()> {
        within("reserve_share_ppm", self.reserve_share_ppm, 0, PPM_ONE)?;
        within("first_loss_ppm", self.first_loss_ppm, 0, 100_000)?;
        within("backing_ppm", self.backing_ppm, 0, 500_000)?;
        within("tail", self.tail, 0, 1)
    }
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
    /// Of the backstop.
    pub backstop: Drawn,
    /// Of the pool's first loss.
    pub first_loss: Drawn,
    /// Of the profit of winners who are long, and short.
    pub winners: [Drawn; 2],
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
    /// Tier 7: from the cash that the market owes its traders, and its fees. Above zero the market has to settle.
    pub traders: u64,
    /// What no tier had. Zero for a debt that the market knew of, see [`crate::debt`].
    pub unpaid: u64,
    /// Share of the winners' profit that was unwound, in units of 2^-32.
    pub fraction: u64,
    /// What the winners were owed before, quote units.
    pub winners: u64,
    /// What the unwind took beyond the loss: to the market's insurance, quote units.
    pub surplus: u64,
}

impl WaterfallReport {
    /// What the tiers paid, quote units.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn paid(&self) -> Result<u64> {
        Ok(self.total()?.saturating_sub(self.unpaid)) // a part of the total: exact
    }

    /// Sum of the parts.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn total(&self) -> Result<u64> {
        let tiers = [self.reserve, self.backstop, self.first_loss, self.deleveraged, self.pool, self.traders];
        tiers
            .into_iter()
            .chain([self.unpaid])
            .try_fold(self.insurance, |sum, part| sum.checked_add(part).ok_or(EngineError::Overflow))
    }
}

impl Drawn {
    /// Draws up to `wanted` of what a day's `limit` still allows.
    fn draw(&mut self, wanted: u64, limit: u64, now: i64) -> Result<u64> {
        let elapsed = u64::try_from(now.saturating_sub(self.updated_at)).unwrap_or(0).min(DAY);
        // The limit may have shrunk with what was drawn: a day empties the bucket all the same.
        let leaked = wide::mul_div(limit.max(self.level), elapsed, DAY, Round::Down)?;
        self.level = self.level.saturating_sub(leaked);
        self.updated_at = self.updated_at.max(now);
        let drawn = wanted.min(limit.saturating_sub(self.level));
        self.level = self.level.saturating_add(drawn);
        Ok(drawn)
    }
}

impl Market {
    /// Runs the waterfall for a loss made in this market, whose debt was lifted ([`crate::debt::Debts::lift`]).
    ///
    /// # Errors
    /// [`EngineError::ZeroAmount`] without a debt, a price that is not Fresh, [`EngineError::Overflow`].
    pub fn resolve(&mut self, fund: &mut Fund, loss: &Loss) -> Result<WaterfallReport> {
        if loss.debt == 0 {
            return Err(EngineError::ZeroAmount);
        }
        self.oracle.require(&self.params.oracle, (Action::Waterfall, Age::Trade), loss.now)?;
        self.accrue(loss.now)?;
        let (mut report, mut left) = (WaterfallReport::default(), loss.debt);
        report.insurance = take(&mut self.book.insurance, &mut left);
        let tail = self.params.waterfall.tail != 0;
        if tail {
            self.deleverage(&mut report, &mut left, loss)?;
        }
        self.draw_on(fund, &mut report, &mut left, loss.now)?;
        if !tail {
            self.deleverage(&mut report, &mut left, loss)?;
        }
        let equity = self.book.equity(self.mark())?.units_or_zero();
        report.pool = self.pay_from_cash(&mut left, equity);
        report.traders = take(&mut self.book.cash, &mut left);
        let Fees { pool, insurance, protocol } = &mut self.book.fees;
        for fees in [pool, insurance, protocol] {
            report.traders = credit(report.traders, take(fees, &mut left))?;
        }
        report.unpaid = left;
        self.update_borrow_rate()?;
        Ok(report)
    }

    /// Tiers 2 to 4.
    fn draw_on(
        &mut self,
        fund: &mut Fund,
        report: &mut WaterfallReport,
        left: &mut u64,
        now: i64,
    ) -> Result<()> {
        let (params, draws) = (self.params.waterfall, &mut self.draws);
        let limit = ppm_floor(fund.reserve, params.reserve_share_ppm)?;
        report.reserve = draws.reserve.draw((*left).min(fund.reserve), limit, now)?;
        fund.reserve = fund.reserve.saturating_sub(report.reserve); // at most the reserve: exact
        *left = left.saturating_sub(report.reserve);

        let limit = ppm_floor(fund.backstop.value()?, MAX_SLASH_PPM)?;
        let allowed = draws.backstop.draw((*left).min(limit), limit, now)?;
        report.backstop = fund.backstop.slash(*left, allowed)?;
        *left = left.saturating_sub(report.backstop);

        let equity = self.book.equity(self.mark())?.units_or_zero();
        let limit = ppm_floor(equity, params.first_loss_ppm)?;
        let allowed = self.draws.first_loss.draw((*left).min(self.book.cash), limit, now)?;
        report.first_loss = self.pay_from_cash(left, allowed);
        Ok(())
    }

    /// Tier 5: unwinds the same share of every winner on the other side, and pays from the cash that this frees.
    fn deleverage(&mut self, report: &mut WaterfallReport, left: &mut u64, loss: &Loss) -> Result<()> {
        let (mark, winners) = (self.mark(), loss.side.opposite());
        report.winners = self.book.side(winners).winners(mark)?;
        // While the market settles, its claims share what is missing in another way.
        if *left == 0 || report.winners == 0 || self.is_settling() {
            return Ok(());
        }
        // Half of what they are owed and were owed before the day's other losses, however many there are.
        let [long, short] = &mut self.draws.winners;
        let drawn = if winners == Side::Long { long } else { short };
        let limit = credit(report.winners, drawn.level)?.div_euclid(2);
        let allowed = drawn.draw(*left, limit, loss.now)?;
        if allowed == 0 {
            return Ok(());
        }
        report.fraction = unwind_fraction(allowed, report.winners, MAX_UNWIND)?;
        let booked = self.book.side_mut(winners).unwind(mark, report.fraction)?.booked;
        report.deleveraged = self.pay_from_cash(left, booked);
        // Rounding takes a few units more than the loss: they are nobody's profit.
        let surplus = booked.saturating_sub(report.deleveraged).min(self.book.payable());
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
    assert!(size_of::<Fund>() == 64 && size_of::<WaterfallParams>() == 16 && size_of::<Draws>() == 80);
