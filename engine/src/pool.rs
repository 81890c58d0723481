//! A pool of two tranches.
//!
//! The pool is the counterparty of every market. It is worth its net asset value, `NAV = idle + Σ max(E_m, 0)`,
//! and two kinds of shares divide it. The senior tranche is owed its *claim*: shares times an index that grows at
//! a fixed rate. It is worth `min(claim, NAV)`; the junior tranche is worth the rest. So the junior takes losses
//! first and keeps what is earned beyond the coupon, and the senior is hit only when the junior is gone.
//!
//! A market is worth something between two prices, live and average, so the pool has a lowest and a highest
//! value: who deposits pays the price of the highest, who redeems gets that of the lowest. A redemption
//! takes two steps, a request and, after a delay, the payment of the lower of what the shares were worth then and
//! are worth now, within a window that is short against the delay: who sees a loss coming has to be in his window by
//! chance to leave before it. What idle cash, utilisation or the senior's cushion
//! does not allow stays in the ticket.
//!
//! Invariant I12, at every value between lowest and highest:
//!
//! * a deposit or redemption never lowers what another's shares are worth, of either tranche. Whatever
//!   rounds, rounds to those who stay; so does the fee;
//! * the tranches are worth the NAV together, and all shares together are paid no more than it;
//! * [`VIRTUAL`] junior shares and assets stop the first depositor from inflating the price: to move the price
//!   of a share by a factor an attacker must give away a thousand times what a victim could lose. They
//!   are a premium on shares only: below a price of one they would be worth more than they brought, at the cost
//!   of the last to leave, so there a share is worth no more than its part of what is really there.
//!
//! At the edges: NAV without junior shares belongs to the virtual ones, so a new share is dear and gets nothing
//! of it. While the senior's claim exceeds the lowest NAV no shares are issued, for a deposit would fill the
//! hole and not be worth what was paid; and a junior share of less than a thousandth of a unit is not issued
//! either, so that the number of shares stays in proportion to the money. Shares worth nothing can't be
//! redeemed, only kept. Nothing else stops in a wiped pool, and income ends all of it by itself.

mod params;
mod redeem;

pub use params::{PoolParams, TrancheKind};
pub use redeem::{MIN_TICKET_AGE, RedeemReport, Ticket};

use bytemuck::{Pod, Zeroable};

use crate::market::Market;
use crate::units::{Quote, ppm_floor};
use crate::wide::{self, Round};
use crate::{EngineError, Result};

/// Junior shares and quote units that exist in addition to the real ones; also the most junior shares that a
/// quote unit buys.
pub const VIRTUAL: u64 = 1_000;

/// Fraction bits of [`Pool::senior_index`]: at 1 ppm a year a second is worth 2284 of its units, so that flooring
/// at every second loses less than a two-thousandth of the smallest coupon, and 256 still fits.
pub const INDEX_FRACTION: u32 = 56;

/// The shares of a tranche.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct Tranche {
    /// All shares.
    pub shares: u64,
    /// Those in tickets: a part of `shares` that earns and loses like the rest.
    pub redeeming: u64,
}

/// What the pool is worth, quote units: begin with the pool and add every market once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nav {
    /// For who redeems: every market at the price at which its equity is lowest, less what losers have not paid yet.
    pub low: u64,
    /// For who deposits: every market at the price at which its equity is highest, rounded up, and the pool's fees
    /// that were not swept yet, for they are earned already.
    pub high: u64,
    /// The pool's exposure: `Σ |S_m|` at the higher price, each market rounded up.
    pub used: u64,
    /// What may leave the vault now.
    pub releasable: u64,
}

impl Nav {
    /// The pool's idle cash.
    #[must_use]
    pub const fn of_pool(pool: &Pool) -> Self {
        Self { low: pool.idle, high: pool.idle, used: 0, releasable: u64::MAX }
    }

    /// With one market more. A market's loss stops at its cash: a negative equity counts as none.
    ///
    /// # Errors
    /// [`EngineError::Overflow`] if a sum reaches 2^63.
    pub fn plus_market(self, market: &Market) -> Result<Self> {
        let (book, price) = (&market.book, market.oracle.strict());
        let [lowest, highest] = book.equity_range(price)?;
        let used = price.high.mul_ceil(book.skew()?.count())?;
        // What a side is owed was rounded up: for who deposits the market is worth that unit more.
        let rounded = u64::from(book.long.lots != 0).wrapping_add(u64::from(book.short.lots != 0));
        let sum = |a: u64, b: u64| {
            let sum = a.checked_add(b).ok_or(EngineError::Overflow)?;
            Quote::from_units(sum).map(Quote::units_or_zero)
        };
        Ok(Self {
            low: sum(self.low, lowest.saturating_sub(book.unbacked))?,
            high: sum(sum(sum(self.high, highest)?, rounded)?, book.fees.pool)?,
            used: sum(self.used, used)?,
            releasable: self.releasable,
        })
    }
}

/// Parameters, idle cash and shares of the pool.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct Pool {
    /// Parameters. [`Pool::accrue`] before the senior rate changes.
    pub params: PoolParams,
    /// Cash that is in no market, quote units.
    pub idle: u64,
    /// Takes losses first.
    pub junior: Tranche,
    /// Takes losses last.
    pub senior: Tranche,
    /// What a senior share is owed, quote units, Q8.56.
    pub senior_index: u64,
    /// Until when the index has grown, unix seconds.
    pub accrued_at: i64,
}

impl Pool {
    /// Prepares a zeroed pool in place: a senior share begins at one quote unit.
    ///
    /// # Errors
    /// [`EngineError::ParameterOutOfBounds`].
    pub fn initialize(&mut self, params: &PoolParams, now: i64) -> Result<()> {
        params.validate()?;
        self.params = *params;
        self.senior_index = 1_u64.wrapping_shl(INDEX_FRACTION);
        self.accrued_at = now;
        Ok(())
    }

    /// Grows the senior index to `now` by `index · rate · dt / year`, rounded down: simple interest within a
    /// call, compound over calls. Nothing happens if the clock stands or goes back, and nothing is earned while
    /// there are no senior shares. An index at 2^8 stays there, after 18 years at the largest rate.
    pub fn accrue(&mut self, now: i64) {
        if now <= self.accrued_at {
            return;
        }
        let elapsed = u32::try_from(now.saturating_sub(self.accrued_at)).unwrap_or(u32::MAX);
        self.accrued_at = now;
        if self.senior.shares == 0 {
            return;
        }
        let rate_seconds = wide::product(u64::from(self.params.senior_rate_ppm), u64::from(elapsed)); // < 2^64
        let grown = wide::product(self.senior_index, wide::low(rate_seconds)) / ONE_PER_YEAR;
        self.senior_index = self.senior_index.saturating_add(u64::try_from(grown).unwrap_or(u64::MAX));
    }

    /// What the senior tranche is owed, quote units, rounded down. As of the last [`Pool::accrue`].
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn senior_claim(&self) -> Result<u64> {
        self.owed(self.senior.shares)
    }

    /// What a tranche is worth at the net asset value `nav`, quote units: the senior its claim or all there is,
    /// the junior the rest.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn tranche_value(&self, kind: TrancheKind, nav: u64) -> Result<u64> {
        let senior = self.senior_claim()?.min(nav);
        Ok(match kind {
            TrancheKind::Junior => nav.saturating_sub(senior),
            TrancheKind::Senior => senior,
        })
    }

    /// What `shares` of a tranche are worth at the net asset value `nav`, quote units, rounded down: of a
    /// senior that is whole the index price, of an impaired one their part; of the junior their part with the
    /// virtual shares and assets counted, or without them if that is less.
    ///
    /// # Errors
    /// [`EngineError::InsufficientBalance`] if the tranche has fewer shares, [`EngineError::Overflow`].
    pub fn share_value(&self, kind: TrancheKind, shares: u64, nav: u64) -> Result<u64> {
        let all = self.tranche(kind).shares;
        if shares > all {
            return Err(EngineError::InsufficientBalance { balance: all, needed: shares });
        }
        if shares == 0 {
            return Ok(0);
        }
        let value = self.tranche_value(kind, nav)?;
        match kind {
            TrancheKind::Senior if value == self.senior_claim()? => self.owed(shares),
            TrancheKind::Junior if value >= all => {
                wide::mul_div(shares, with_virtual(value)?, with_virtual(all)?, Round::Down)
            }
            TrancheKind::Junior | TrancheKind::Senior => wide::mul_div(shares, value, all, Round::Down),
        }
    }

    /// What all shares in tickets are worth, quote units, rounded down: keep that much out of the markets.
    /// As of the last [`Pool::accrue`].
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn pending(&self, nav: &Nav) -> Result<u64> {
        let junior = self.share_value(TrancheKind::Junior, self.junior.redeeming, nav.low)?;
        let senior = self.share_value(TrancheKind::Senior, self.senior.redeeming, nav.low)?;
        junior.checked_add(senior).ok_or(EngineError::Overflow)
    }

    /// Takes `amount` quote units into idle cash and issues shares, rounded down: junior ones at the highest
    /// value, senior ones at the index.
    ///
    /// # Errors
    /// [`EngineError::ZeroAmount`], [`EngineError::TooSmallForOneShare`];
    /// [`EngineError::SeniorImpaired`] if the senior is owed more than the lowest value;
    /// [`EngineError::SharePriceTooLow`] if a junior share is worth less than a thousandth of a unit;
    /// [`EngineError::SeniorRatio`] for senior shares beyond their ratio to the junior's lowest value;
    /// [`EngineError::Overflow`].
    pub fn issue(&mut self, kind: TrancheKind, amount: u64, nav: &Nav, now: i64) -> Result<u64> {
        self.accrue(now);
        if amount == 0 {
            return Err(EngineError::ZeroAmount);
        }
        let claim = self.senior_claim()?;
        if claim > nav.low {
            return Err(EngineError::SeniorImpaired { claim, nav: nav.low });
        }
        let shares = match kind {
            TrancheKind::Junior => {
                let (value, supply) = (self.tranche_value(kind, nav.high)?, self.junior.shares);
                let (assets, divisor) = (with_virtual(value)?, with_virtual(supply)?);
                if wide::product(assets, VIRTUAL) < u128::from(divisor) {
                    return Err(EngineError::SharePriceTooLow { value, shares: supply });
                }
                wide::mul_div(amount, divisor, assets, Round::Down)?
            }
            TrancheKind::Senior => {
                wide::mul_div(amount, 1_u64.wrapping_shl(INDEX_FRACTION), self.senior_index, Round::Down)?
            }
        };
        if shares == 0 {
            return Err(EngineError::TooSmallForOneShare);
        }
        let sum = |a: u64, b: u64| a.checked_add(b).ok_or(EngineError::Overflow);
        self.idle = sum(self.idle, amount)?;
        let tranche = self.tranche_mut(kind);
        tranche.shares = sum(tranche.shares, shares)?;
        if kind == TrancheKind::Senior {
            let cushion = self.tranche_value(TrancheKind::Junior, sum(nav.low, amount)?)?;
            let (senior, cap) = (self.senior_claim()?, ppm_floor(cushion, self.params.max_senior_ratio_ppm)?);
            if senior > cap {
                return Err(EngineError::SeniorRatio { senior, cap });
            }
        }
        Ok(shares)
    }

    /// What senior shares are owed, quote units, rounded down.
    fn owed(&self, shares: u64) -> Result<u64> {
        wide::shift_right(wide::product(shares, self.senior_index), INDEX_FRACTION, Round::Down)
    }

    const fn tranche(&self, kind: TrancheKind) -> &Tranche {
        match kind {
            TrancheKind::Junior => &self.junior,
            TrancheKind::Senior => &self.senior,
        }
    }

    const fn tranche_mut(&mut self, kind: TrancheKind) -> &mut Tranche {
        match kind {
            TrancheKind::Junior => &mut self.junior,
            TrancheKind::Senior => &mut self.senior,
        }
    }
}

/// A rate of 100 % for a year of 365 days, in ppm times seconds.
const ONE_PER_YEAR: u128 = 1_000_000 * 31_536_000;

fn with_virtual(amount: u64) -> Result<u64> {
    amount.checked_add(VIRTUAL).ok_or(EngineError::Overflow)
}
