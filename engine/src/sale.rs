//! A collateral is sold for quote, by the account it stands for.
//!
//! An account in trouble, or one that owes more quote than the exchange wants to lend, sells collateral at its price less a
//! discount. In an auction the discount rises to the maintenance haircut, at which the account's value stays what it
//! is: it counted for no more. An account without positions is all debt: there the discount goes on rising to
//! everything, so that a collateral without buyers still clears.
//!
//! A collateral whose price has been dead for a day loses its worth in the same way, within a week: somebody will take it,
//! or nobody will miss it.

use crate::auction::{SHARE_ONE, TAKEOVER_SLOTS, of_ppm, ramp, target};
use crate::collateral::Collateral;
use crate::debt::owed;
use crate::margin::{Doubt, Health, STALE_DOUBT_PPM};
use crate::price::{self, Action, Age, Validity};
use crate::units::{PPM, PPM_ONE, Price, Quote, ppm_ceil, ppm_floor};
use crate::wide::{self, Round};
use crate::{EngineError, Result};

/// Slots after the takeover time until the discount of a collateral is everything: an hour, for nobody else's margin waits
/// for it.
pub const CLEARING_SLOTS: u64 = 9_000;
/// Seconds without a usable price after which a collateral begins to lose its worth: anyone who is hurt by that has so long
/// to refresh it.
pub const OUTAGE: i64 = 86_400;
/// Seconds after that until it has none.
pub const DECAY: i64 = 6 * 86_400;

/// Why an account sells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It owes more quote than the exchange lends, or a market is in need of what it owes: at the smallest discount.
    Debt,
    /// It is below maintenance margin, its auction has been running for so many slots.
    Margin {
        /// Slots.
        elapsed: u64,
        /// Whether it still holds positions.
        positions: bool,
    },
}

/// What was sold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sale {
    /// Token units.
    pub amount: u64,
    /// Quote units for them, rounded up: the buyer acts.
    pub proceeds: u64,
    /// Discount to the price, Q32.
    pub discount: u64,
}

impl Collateral {
    /// Share of the worth that a dead price has lost, ppm.
    ///
    /// # Errors
    /// [`EngineError::Overflow`] never.
    pub fn faded_ppm(&self, now: i64) -> Result<u32> {
        let dead = now.saturating_sub(self.oracle.publish_time).saturating_sub(OUTAGE).clamp(0, DECAY);
        let (dead, all) = (u64::try_from(dead).unwrap_or(0), DECAY.unsigned_abs());
        u32::try_from(wide::mul_div(dead, PPM, all, Round::Down)?).map_err(|_| EngineError::Overflow)
    }

    /// The discount at `now`, Q32. A sale is a fill: its price must be as young as a trade's.
    ///
    /// # Errors
    /// [`EngineError::PriceNotUsable`]: for a [`Reason::Debt`] unless Fresh, for a [`Reason::Margin`] unless Fresh, Wide, or dead
    /// for so long that it begins to fade.
    pub fn discount(&self, reason: Reason, now: i64) -> Result<u64> {
        let faded = self.faded_ppm(now)?;
        let action = match reason {
            Reason::Margin { .. } if faded > 0 => return of_ppm(faded),
            Reason::Margin { .. } => Action::Liquidate,
            Reason::Debt => Action::Waterfall,
        };
        self.oracle.require(&self.params.oracle, (action, Age::Trade), now)?;
        let haircut = of_ppm(self.params.haircut_maint_ppm)?;
        let Reason::Margin { elapsed, positions } = reason else { return ramp(haircut, 0) };
        let risen = ramp(haircut, elapsed)?;
        let late = elapsed.saturating_sub(TAKEOVER_SLOTS).min(CLEARING_SLOTS);
        if positions || late == 0 {
            return Ok(risen);
        }
        let rest = wide::mul_div(SHARE_ONE.saturating_sub(risen), late, CLEARING_SLOTS, Round::Down)?;
        Ok(risen.saturating_add(rest))
    }

    /// What is sold to bring in `wanted` quote units, of what is `held` and at most `most`, at this discount.
    ///
    /// # Errors
    /// [`EngineError::ZeroAmount`] if nothing is wanted or offered, [`EngineError::Overflow`].
    pub fn sell(&self, (held, most): (u64, u64), wanted: u64, discount: u64) -> Result<Sale> {
        let kept = SHARE_ONE.saturating_sub(discount);
        let enough = match wide::mul_div(wanted, SHARE_ONE, kept, Round::Up) {
            Ok(worth) => wide::mul_div(worth, SHARE_ONE, self.oracle.price.to_bits(), Round::Up),
            Err(error) => Err(error),
        };
        let amount = enough.unwrap_or(held).min(held).min(most);
        if amount == 0 || wanted == 0 {
            return Err(EngineError::ZeroAmount);
        }
        let proceeds = wide::mul_div(self.oracle.price.mul_ceil(amount)?, kept, SHARE_ONE, Round::Up)?;
        Ok(Sale { amount, proceeds, discount })
    }

    /// Quote units that an account of this health and quote balance is to bring in: while it holds positions, what restores it
    /// at this discount, or its debt if that is more; never more than its debt and its requirement together.
    ///
    /// `(1.05·MM − E)·(1 − δ) / (h − δ)`: every unit sold at `1 − δ` counted for `1 − h`.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn wanted(&self, health: Health, (quote, positions): (Quote, bool), discount: u64) -> Result<u64> {
        let most = health.requirement.minus(quote)?.units_or_zero();
        if !positions {
            return Ok(most);
        }
        let gained = of_ppm(self.params.haircut_maint_ppm)?.saturating_sub(discount);
        let missing = target(health.requirement)?.minus(health.equity)?.units_or_zero();
        let kept = SHARE_ONE.saturating_sub(discount);
        let restoring = wide::mul_div(missing, kept, gained, Round::Up).unwrap_or(0);
        Ok(restoring.max(owed(quote)).min(most))
    }

    /// Worth of `amount` for an account that is to be liquidated, quote units rounded down: as it counts at the live
    /// price, and what it may be worth beyond that.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub(crate) fn value_in_doubt(&self, amount: u64, now: i64) -> Result<(u64, Doubt)> {
        let haircut = self.params.haircut_maint_ppm;
        let value = |price: Price, cut| ppm_floor(price.mul_floor(amount)?, PPM_ONE.saturating_sub(cut));
        let sure = value(self.oracle.price, haircut)?;
        let better = match self.oracle.validity(&self.params.oracle, Age::Margin, now)? {
            Validity::Fresh => sure,
            Validity::Wide => value(price::upper_bound(&self.oracle)?, haircut)?,
            Validity::Stale if !self.oracle.is_dead(now) => {
                let whole = value(self.oracle.price, 0)?;
                let more = ppm_ceil(whole, STALE_DOUBT_PPM)?.checked_add(whole.saturating_sub(sure));
                let stale = Quote::from_units(more.ok_or(EngineError::Overflow)?)?;
                return Ok((sure, Doubt { stale, ..Doubt::default() }));
            }
            Validity::Stale | Validity::Divergent => {
                return Ok((value(self.oracle.price, self.faded_ppm(now)?)?, Doubt::default()));
            }
        };
        let wide = Quote::from_units(better.saturating_sub(sure))?;
        Ok((sure, Doubt { wide, ..Doubt::default() }))
    }
}
