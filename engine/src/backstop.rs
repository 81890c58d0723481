//! Stake that stands behind every market.
//!
//! Stakers put quote tokens behind the insurance reserve and are paid a part of its income for it. Their shares are
//! worth their part of what is staked, which a loss makes smaller. Who wants to leave moves the stake to the cooling side:
//! there it earns nothing and is slashed like the rest until it is paid, after a cooldown and within a window, at the
//! lower of what it was worth then and is worth now.
//!
//! Invariant I15: stake in cooldown is slashed like the rest; nobody leaves before a loss that was booked. Rounding
//! stays with those who stay.

use bytemuck::{Pod, Zeroable};

use crate::governance::ExitPause;
use crate::wide::{self, Round};
use crate::{EngineError, Result};

/// Shares and quote units that exist in addition to the real ones: the first staker cannot inflate the price.
pub const VIRTUAL: u64 = 1_000;
/// Seconds from the request to the payment.
pub const COOLDOWN: i64 = 14 * 86_400;
/// Seconds after the cooldown in which the stake can be taken out.
pub const WINDOW: i64 = 2 * 86_400;

/// Stake that is treated alike.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct Stake {
    /// What it is worth, quote units.
    pub value: u64,
    /// Shares that divide it.
    pub shares: u64,
}

/// The staked backstop.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct Backstop {
    /// Earns, and is slashed.
    pub active: Stake,
    /// Is slashed only.
    pub cooling: Stake,
}

/// Stake on its way out.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct UnstakeRequest {
    /// Shares of the cooling side.
    pub shares: u64,
    /// What they were worth at the request, quote units.
    pub value: u64,
    /// When it was made, unix seconds.
    pub requested_at: i64,
}

impl UnstakeRequest {
    /// The request with the window that it has if a pause has cut its own, see [`ExitPause::reopened`].
    #[must_use]
    pub const fn reopened(self, exits: &ExitPause, way_out: (u8, i64)) -> Self {
        let requested_at = exits.reopened(self.requested_at, [COOLDOWN, WINDOW], way_out);
        Self { requested_at, ..self }
    }

    /// Whether the window is over: the stake can only become active again.
    #[must_use]
    pub const fn is_over(&self, now: i64) -> bool {
        now > self.requested_at.saturating_add(COOLDOWN).saturating_add(WINDOW)
    }
}

impl Stake {
    /// Takes `amount` in for shares, rounded down.
    fn put(&mut self, amount: u64) -> Result<u64> {
        let (shares, value) = (plus(self.shares, VIRTUAL)?, plus(self.value, VIRTUAL)?);
        let issued = wide::mul_div(amount, shares, value, Round::Down)?;
        if issued == 0 {
            return Err(EngineError::TooSmallForOneShare);
        }
        (self.shares, self.value) = (plus(self.shares, issued)?, plus(self.value, amount)?);
        Ok(issued)
    }

    /// What `shares` are worth, quote units rounded down: never more than their part of what is really there.
    fn worth(&self, shares: u64) -> Result<u64> {
        if shares == 0 {
            return Ok(0);
        }
        let with_virtual =
            wide::mul_div(shares, plus(self.value, VIRTUAL)?, plus(self.shares, VIRTUAL)?, Round::Down)?;
        Ok(with_virtual.min(wide::mul_div(shares, self.value, self.shares, Round::Down)?))
    }

    /// Takes shares out; `paid` of their worth goes with them.
    fn take(&mut self, shares: u64, paid: u64) -> Result<()> {
        let minus = |balance: u64, needed: u64| {
            balance.checked_sub(needed).ok_or(EngineError::InsufficientBalance { balance, needed })
        };
        (self.shares, self.value) = (minus(self.shares, shares)?, minus(self.value, paid)?);
        Ok(())
    }
}

impl Backstop {
    /// All stake, quote units.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn value(&self) -> Result<u64> {
        plus(self.active.value, self.cooling.value)
    }

    /// Stakes `amount` quote units for shares, rounded down.
    ///
    /// # Errors
    /// [`EngineError::ZeroAmount`], [`EngineError::TooSmallForOneShare`], [`EngineError::Overflow`].
    pub fn stake(&mut self, amount: u64) -> Result<u64> {
        if amount == 0 {
            return Err(EngineError::ZeroAmount);
        }
        self.active.put(amount)
    }

    /// Adds income to what earns. Without stake it is not taken.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn earn(&mut self, income: u64) -> Result<u64> {
        if self.active.shares == 0 {
            return Ok(0);
        }
        self.active.value = plus(self.active.value, income)?;
        Ok(income)
    }

    /// Moves active shares to the cooling side at what they are worth.
    ///
    /// # Errors
    /// [`EngineError::ZeroAmount`], [`EngineError::InsufficientBalance`], [`EngineError::TooSmallForOneShare`].
    pub fn request(&mut self, shares: u64, now: i64) -> Result<UnstakeRequest> {
        if shares == 0 {
            return Err(EngineError::ZeroAmount);
        }
        if shares > self.active.shares {
            return Err(EngineError::InsufficientBalance { balance: self.active.shares, needed: shares });
        }
        let value = self.active.worth(shares)?;
        self.active.take(shares, value)?;
        let cooling = self.cooling.put(value)?;
        Ok(UnstakeRequest { shares: cooling, value: self.cooling.worth(cooling)?, requested_at: now })
    }

    /// Pays a request: the lower of its value then and now, as far as `available` quote units reach; the rest stays
    /// requested. What the shares are worth beyond that goes to the active side, or to who stays cooling if nobody is active.
    ///
    /// # Errors
    /// [`EngineError::UnstakeTooEarly`], [`EngineError::UnstakeTooLate`] after the window, [`EngineError::ZeroAmount`] for an
    /// empty request or without anything available.
    pub fn unstake(&mut self, request: &mut UnstakeRequest, available: u64, now: i64) -> Result<u64> {
        if request.shares == 0 || available == 0 {
            return Err(EngineError::ZeroAmount);
        }
        let opens = request.requested_at.saturating_add(COOLDOWN);
        if now < opens {
            return Err(EngineError::UnstakeTooEarly { seconds_left: opens.saturating_sub(now) });
        }
        if request.is_over(now) {
            return Err(EngineError::UnstakeTooLate);
        }
        let due = self.cooling.worth(request.shares)?.min(request.value);
        let part = |whole: u64, round| match available < due {
            true => wide::mul_div(whole, available, due, round),
            false => Ok(whole),
        };
        let (shares, value) = (part(request.shares, Round::Up)?, part(request.value, Round::Down)?);
        let worth = self.cooling.worth(shares)?;
        let paid = worth.min(value).min(available);
        self.cooling.take(shares, worth)?;
        request.shares = request.shares.saturating_sub(shares);
        request.value = request.value.saturating_sub(value);
        let surplus = worth.saturating_sub(paid);
        let stay = if self.active.shares == 0 { &mut self.cooling } else { &mut self.active };
        stay.value = plus(stay.value, surplus)?;
        Ok(paid)
    }

    /// Takes a request back: its stake is active again, at what it is worth. Returns the shares; none if it is worth less than
    /// one, which the others keep.
    ///
    /// # Errors
    /// [`EngineError::ZeroAmount`] for an empty request, [`EngineError::Overflow`].
    pub fn restake(&mut self, request: &mut UnstakeRequest) -> Result<u64> {
        let UnstakeRequest { shares, .. } = core::mem::take(request);
        if shares == 0 {
            return Err(EngineError::ZeroAmount);
        }
        let worth = self.cooling.worth(shares)?;
        self.cooling.take(shares, worth)?;
        match self.active.put(worth) {
            Err(EngineError::TooSmallForOneShare) => {
                self.active.value = plus(self.active.value, worth)?;
                Ok(0)
            }
            issued => issued,
        }
    }

    /// Takes up to `loss` from both sides in proportion, at most `limit`. Returns what was taken.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn slash(&mut self, loss: u64, limit: u64) -> Result<u64> {
        let all = self.value()?;
        let taken = loss.min(limit).min(all);
        if taken == 0 {
            return Ok(0);
        }
        // The cooling side's part is rounded up, so it never fares better than the active one by a unit.
        let cooling = wide::mul_div(taken, self.cooling.value, all, Round::Up)?.min(taken);
        self.cooling.value = self.cooling.value.saturating_sub(cooling);
        self.active.value =
            self.active.value.checked_sub(taken.saturating_sub(cooling)).ok_or(EngineError::Overflow)?;
        Ok(taken)
    }
}

fn plus(a: u64, b: u64) -> Result<u64> {
    a.checked_add(b).ok_or(EngineError::Overflow)
}

const _: () = assert!(size_of::<Backstop>() == 32 && size_of::<UnstakeRequest>() == 24);
