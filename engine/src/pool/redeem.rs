//! The way out: a request, a delay, and gates that fill a ticket in part rather than refuse it.

use bytemuck::{Pod, Zeroable};

use super::{Nav, Pool, Tranche, TrancheKind};
use crate::governance::ExitPause;
use crate::units::{PPM, ppm_ceil, ppm_floor};
use crate::wide::{self, Round};
use crate::{EngineError, Result};

/// Seconds that a ticket stands at least before it can be cancelled.
pub const MIN_TICKET_AGE: i64 = 3_600;

/// A request to redeem shares.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct Ticket {
    /// Shares not redeemed yet; zero is an empty ticket.
    pub shares: u64,
    /// What they were worth at the request, quote units.
    pub value: u64,
    /// When it was made, unix seconds.
    pub requested_at: i64,
}

/// What a redemption did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedeemReport {
    /// Shares that were burned.
    pub shares: u64,
    /// Their value before the fee, quote units.
    pub value: u64,
    /// The part of the value that stays in the pool's idle cash, quote units, rounded up.
    pub fee: u64,
    /// What left the pool's idle cash, quote units; at least one.
    pub paid: u64,
}

impl Pool {
    /// Puts shares into a ticket. They stay shares, with all gains and losses, until they are redeemed.
    ///
    /// # Errors
    /// [`EngineError::ZeroAmount`]; [`EngineError::InsufficientBalance`] if the tranche has fewer shares
    /// outside tickets; [`EngineError::WorthNothing`]; [`EngineError::Overflow`].
    pub fn request(&mut self, kind: TrancheKind, shares: u64, nav: &Nav, now: i64) -> Result<Ticket> {
        self.accrue(now);
        if shares == 0 {
            return Err(EngineError::ZeroAmount);
        }
        let Tranche { shares: all, redeeming } = *self.tranche(kind);
        let balance = all.checked_sub(redeeming).ok_or(CORRUPT)?;
        if shares > balance {
            return Err(EngineError::InsufficientBalance { balance, needed: shares });
        }
        let value = self.share_value(kind, shares, nav.low)?;
        self.after_fee(value)?;
        self.tranche_mut(kind).redeeming = redeeming.checked_add(shares).ok_or(EngineError::Overflow)?;
        Ok(Ticket { shares, value, requested_at: now })
    }

    /// Whether a ticket's time is over: then anyone may give its shares back.
    #[must_use]
    pub fn is_over(&self, ticket: &Ticket, now: i64) -> bool {
        now > self.opens(ticket).saturating_add(i64::from(self.params.redeem_window))
    }

    /// The ticket with the window that it has if a pause has cut its own, see [`ExitPause::reopened`].
    #[must_use]
    pub fn reopened(&self, ticket: &Ticket, exits: &ExitPause, way_out: (u8, i64)) -> Ticket {
        let times = [self.params.redeem_delay, self.params.redeem_window].map(i64::from);
        Ticket { requested_at: exits.reopened(ticket.requested_at, times, way_out), ..*ticket }
    }

    /// When a ticket can be redeemed from, unix seconds.
    fn opens(&self, ticket: &Ticket) -> i64 {
        ticket.requested_at.saturating_add(i64::from(self.params.redeem_delay))
    }

    /// Empties a ticket and returns its shares; nothing is gained or lost by it. What is about to leave is kept out of the
    /// markets, so a ticket stands for [`MIN_TICKET_AGE`] at least.
    ///
    /// # Errors
    /// [`EngineError::RedeemTooEarly`] before that, [`EngineError::ZeroAmount`] for an empty ticket,
    /// [`EngineError::Corrupt`] for one of another pool.
    pub fn cancel(&mut self, kind: TrancheKind, ticket: &mut Ticket, now: i64) -> Result<u64> {
        let seconds_left = ticket.requested_at.saturating_add(MIN_TICKET_AGE).saturating_sub(now);
        if seconds_left > 0 {
            return Err(EngineError::RedeemTooEarly { seconds_left });
        }
        let Ticket { shares, .. } = core::mem::take(ticket);
        if shares == 0 {
            return Err(EngineError::ZeroAmount);
        }
        let tranche = self.tranche_mut(kind);
        tranche.redeeming = tranche.redeeming.checked_sub(shares).ok_or(CORRUPT)?;
        Ok(shares)
    }

    /// Redeems a ticket at the lower of its value at the request and now, as far as the gates allow: idle cash, what
    /// may leave the vault, utilisation, and for junior shares the senior's ratio. The rest stays in the ticket, rounded down.
    /// A redemption in part takes shares of the same price; what it loses by rounding is worth a unit at most. If it takes a
    /// tenth of the ticket the window begins anew: it is the pool that could not pay.
    ///
    /// # Errors
    /// [`EngineError::RedeemTooEarly`]; [`EngineError::RedeemTooLate`] after the window; [`EngineError::ZeroAmount`] for an empty ticket;
    /// [`EngineError::WorthNothing`]; if a gate leaves nothing to pay [`EngineError::PoolIdle`],
    /// [`EngineError::OutflowLimit`], [`EngineError::PoolUtilisation`] or [`EngineError::SeniorRatio`], with what paying the whole ticket would
    /// lead to; [`EngineError::Corrupt`] for a ticket of another pool; [`EngineError::Overflow`].
    pub fn redeem(
        &mut self,
        kind: TrancheKind,
        ticket: &mut Ticket,
        nav: &Nav,
        now: i64,
    ) -> Result<RedeemReport> {
        self.accrue(now);
        let opens = self.opens(ticket);
        if now < opens {
            return Err(EngineError::RedeemTooEarly { seconds_left: opens.saturating_sub(now) });
        }
        if self.is_over(ticket, now) {
            return Err(EngineError::RedeemTooLate);
        }
        if ticket.shares == 0 {
            return Err(EngineError::ZeroAmount);
        }
        let held = ticket.shares;
        let whole = self.share_value(kind, held, nav.low)?.min(ticket.value);
        let report = self.fill(kind, held, whole, nav)?;
        let left = held.checked_sub(report.shares).ok_or(CORRUPT)?;
        *ticket = Ticket {
            shares: left,
            value: wide::mul_div(ticket.value, left, held, Round::Down)?,
            requested_at: if report.shares >= held.div_ceil(10) {
                now.saturating_sub(i64::from(self.params.redeem_delay))
            } else {
                ticket.requested_at
            },
        };
        let tranche = self.tranche_mut(kind);
        tranche.shares = tranche.shares.checked_sub(report.shares).ok_or(CORRUPT)?;
        tranche.redeeming = tranche.redeeming.checked_sub(report.shares).ok_or(CORRUPT)?;
        self.idle = self.idle.checked_sub(report.paid).ok_or(CORRUPT)?;
        Ok(report)
    }

    /// What the gates let through of `shares` that are worth `whole` quote units.
    fn fill(&self, kind: TrancheKind, shares: u64, whole: u64, nav: &Nav) -> Result<RedeemReport> {
        let (asked, fee) = self.after_fee(whole)?;
        let (room, refusal) = self.tightest_gate(kind, asked, nav)?;
        if asked <= room {
            return Ok(RedeemReport { shares, value: whole, fee, paid: asked });
        }
        // Of shares and units the finer decides: a cheap share is not redeemed for less than a unit, a dear one
        // is not burned for a part of its value.
        let value = self.most_before_fee(room);
        let round = if shares >= whole { Round::Up } else { Round::Down };
        let burned = wide::mul_div(shares, value, whole, round)?;
        let value = wide::mul_div(whole, burned, shares, Round::Down)?.min(value);
        let Ok((paid, fee)) = self.after_fee(value) else { return Err(refusal) };
        Ok(RedeemReport { shares: burned, value, fee, paid })
    }

    /// The least that a gate allows to be paid, quote units, and what it says if `asked` is too much.
    fn tightest_gate(&self, kind: TrancheKind, asked: u64, nav: &Nav) -> Result<(u64, EngineError)> {
        let (params, idle) = (&self.params, self.idle);
        let mut tightest = (idle, EngineError::PoolIdle { asked, idle });
        if nav.releasable < idle {
            let available = nav.releasable;
            tightest = (available, EngineError::OutflowLimit { amount: asked, available });
        }
        let needed = backing(nav.used, params.max_utilisation_ppm);
        let room = nav.low.saturating_sub(needed);
        if room < tightest.0 {
            let cap = ppm_floor(nav.low.saturating_sub(asked), params.max_utilisation_ppm)?;
            tightest = (room, EngineError::PoolUtilisation { used: nav.used, cap });
        }
        if kind == TrancheKind::Junior {
            let (senior, junior) = (self.senior_claim()?, self.tranche_value(kind, nav.low)?);
            let room = junior.saturating_sub(backing(senior, params.max_senior_ratio_ppm));
            if room < tightest.0 {
                let cap = ppm_floor(junior.saturating_sub(asked), params.max_senior_ratio_ppm)?;
                tightest = (room, EngineError::SeniorRatio { senior, cap });
            }
        }
        Ok(tightest)
    }

    /// `value` without the fee, and the fee, rounded up.
    ///
    /// # Errors
    /// [`EngineError::WorthNothing`] if nothing is left.
    fn after_fee(&self, value: u64) -> Result<(u64, u64)> {
        let fee = ppm_ceil(value, self.params.redeem_fee_ppm)?;
        match value.checked_sub(fee) {
            Some(paid) if paid > 0 => Ok((paid, fee)),
            _ => Err(EngineError::WorthNothing { value, fee }),
        }
    }

    /// The largest value of which no more than `paid` is left after the fee.
    fn most_before_fee(&self, paid: u64) -> u64 {
        // ⌊value · kept⌋ ≤ paid as long as value · kept < paid + 1.
        let kept = PPM.saturating_sub(u64::from(self.params.redeem_fee_ppm)).max(1);
        let most = wide::product(paid, PPM).saturating_add(u128::from(PPM.saturating_sub(1)));
        most.checked_div(u128::from(kept)).and_then(|x| u64::try_from(x).ok()).unwrap_or(u64::MAX)
    }
}

/// Shares in tickets and what the tranche counts must agree.
const CORRUPT: EngineError = EngineError::Corrupt("shares in tickets");

/// The least amount of which `ratio_ppm` covers `amount`, rounded up; everything if there is none.
fn backing(amount: u64, ratio_ppm: u32) -> u64 {
    if amount == 0 {
        return 0;
    }
    wide::mul_div(amount, PPM, u64::from(ratio_ppm), Round::Up).unwrap_or(u64::MAX)
}
