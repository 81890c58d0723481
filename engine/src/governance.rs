//! When governance may act, and for how long it may stop anybody.
//!
//! A change waits for its delay and lapses a week later. The delay is at least a day, compiled in, and never shorter than a
//! redemption takes: who asks for his money when a change is proposed has it before the change is in force. Ways out can
//! be paused for half a day, and then for two days not again, so that whoever holds all keys can't lock people in until
//! his change comes.
//!
//! Part of invariant I18.

use bytemuck::{Pod, Zeroable};

use crate::margin::RiskGroups;
use crate::pool::PoolParams;
use crate::price::within;
use crate::units::PPM_ONE;
use crate::waterfall::Fund;
use crate::{EngineError, Result};

/// Shortest delay of a change, seconds: a day.
pub const MIN_DELAY: u32 = 86_400;
/// Delay that an exchange should start with, seconds: two days.
pub const DEFAULT_DELAY: u32 = 172_800;
/// Longest delay, seconds: a week. A longer one would keep governance from its work.
pub const MAX_DELAY: u32 = 604_800;
/// Seconds after its delay in which a change can be executed: a week.
pub const CHANGE_WINDOW: i64 = 604_800;
/// Longest pause of the ways out, seconds: half a day.
pub const MAX_EXIT_PAUSE: i64 = 43_200;
/// Seconds after such a pause in which there can be no other: two days.
pub const EXIT_REST: i64 = 172_800;
/// How far ahead of the next number a change may be numbered: signatures for several are collected side by side.
pub const NONCE_AHEAD: u64 = 1_000;
/// Seconds without a price after which governance may name the price that a market settles at: a day.
pub const DEAD_FOR_SETTLEMENT: i64 = 86_400;

/// Largest fee of a trigger, quote units.
pub const MAX_TRIGGER_FEE: u64 = 10_000_000;
/// Largest debt that a healthy account may carry, quote units.
pub const MAX_AUTO_EXCHANGE_THRESHOLD: u64 = 1_000_000_000_000;

/// Parameters of the whole exchange.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "borsh", derive(borsh::BorshDeserialize))]
#[cfg_attr(all(feature = "borsh", not(feature = "idl-build")), derive(borsh::BorshSerialize))]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct ExchangeParams {
    /// Offsets of the risk groups.
    pub risk_groups: RiskGroups,
    /// What a keeper is paid for executing a trigger, quote units.
    pub trigger_fee: u64,
    /// Debt of quote that an account may carry while it is healthy: beyond it, anyone may buy its collateral, quote units.
    pub auto_exchange_threshold: u64,
    /// Delay of a change, seconds.
    pub delay: u32,
    /// Explicit padding.
    pub _padding: u32,
}

impl ExchangeParams {
    /// Checks the hard bounds of the program.
    ///
    /// # Errors
    /// [`EngineError::ParameterOutOfBounds`] naming the first field outside.
    pub fn validate(&self) -> Result<()> {
        self.risk_groups.validate()?;
        within("trigger_fee", self.trigger_fee, 0, MAX_TRIGGER_FEE)?;
        within("auto_exchange_threshold", self.auto_exchange_threshold, 0, MAX_AUTO_EXCHANGE_THRESHOLD)?;
        within("delay", self.delay, MIN_DELAY, MAX_DELAY)
    }
}

/// Parameters of the insurance fund.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "borsh", derive(borsh::BorshDeserialize))]
#[cfg_attr(all(feature = "borsh", not(feature = "idl-build")), derive(borsh::BorshSerialize))]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct InsuranceParams {
    /// Stakers' part of the insurance fund's income, ppm.
    pub stake_income_ppm: u32,
}

impl InsuranceParams {
    /// Checks the hard bounds of the program.
    ///
    /// # Errors
    /// [`EngineError::ParameterOutOfBounds`] naming the first field outside.
    pub fn validate(&self) -> Result<()> {
        within("stake_income_ppm", self.stake_income_ppm, 0, PPM_ONE)
    }
}

impl Fund {
    /// The fund's parameters.
    #[must_use]
    pub const fn params(&self) -> InsuranceParams {
        InsuranceParams { stake_income_ppm: self.stake_income_ppm }
    }

    /// Puts other parameters in force.
    pub const fn set_params(&mut self, params: &InsuranceParams) {
        self.stake_income_ppm = params.stake_income_ppm;
    }
}

/// When a decision can be carried out, unix seconds.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct Timelock {
    /// First moment.
    pub eta: i64,
    /// Last moment.
    pub expiry: i64,
}

impl Timelock {
    /// One that begins to run at `now`, for `delay` seconds.
    #[must_use]
    pub const fn new(now: i64, delay: i64) -> Self {
        let eta = now.saturating_add(delay);
        Self { eta, expiry: eta.saturating_add(CHANGE_WINDOW) }
    }

    /// The same, not ripe before `moment`: what was promised to be over by then may take longer since.
    #[must_use]
    pub const fn not_before(self, moment: i64) -> Self {
        let later = moment.saturating_sub(self.eta);
        if later > 0 { Self { eta: moment, expiry: self.expiry.saturating_add(later) } } else { self }
    }

    /// Whether it has lapsed.
    #[must_use]
    pub const fn is_over(&self, now: i64) -> bool {
        now > self.expiry
    }

    /// `Ok` within its window.
    ///
    /// # Errors
    /// [`EngineError::ChangeTooEarly`], [`EngineError::ChangeExpired`].
    pub const fn require_ripe(&self, now: i64) -> Result<()> {
        if now < self.eta {
            return Err(EngineError::ChangeTooEarly { seconds_left: self.eta.saturating_sub(now) });
        }
        if self.is_over(now) { Err(EngineError::ChangeExpired) } else { Ok(()) }
    }
}

/// Seconds that a change waits: `delay`, and as long as a redemption that is asked for now may take, with a pause of the
/// ways out in between.
#[must_use]
pub fn wait(delay: u32, pool: &PoolParams) -> i64 {
    let exit = i64::from(pool.redeem_delay)
        .saturating_add(i64::from(pool.redeem_window))
        .saturating_add(MAX_EXIT_PAUSE);
    i64::from(delay).max(exit)
}

/// Which ways out are paused, and until when.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct ExitPause {
    /// When the last pause began, unix seconds.
    pub since: i64,
    /// First moment at which nothing is stopped, unix seconds; 0 if there was no pause.
    pub until: i64,
    /// What it has stopped, as the caller numbers ways out: also what it stops no longer.
    pub bits: u8,
    /// What it stops until its end.
    pub stopping: u8,
    /// Explicit padding.
    pub _padding: [u8; 6],
}

impl ExitPause {
    /// Whether a way out is stopped at `now`.
    #[must_use]
    pub const fn stops(&self, bit: u8, now: i64) -> bool {
        now < self.until && self.stopping & bit != 0
    }

    /// Begins a pause of `bits`, or adds them to one that runs and ends no later for it.
    ///
    /// # Errors
    /// [`EngineError::ExitPauseTooSoon`] after a pause, until [`EXIT_REST`] is over.
    pub const fn begin(&mut self, bits: u8, now: i64) -> Result<()> {
        if now < self.until {
            self.bits |= bits;
            self.stopping |= bits;
            return Ok(());
        }
        let rested = self.until == 0 || now >= self.until.saturating_add(EXIT_REST);
        if !rested {
            let seconds_left = self.until.saturating_add(EXIT_REST).saturating_sub(now);
            return Err(EngineError::ExitPauseTooSoon { seconds_left });
        }
        let until = now.saturating_add(MAX_EXIT_PAUSE);
        *self = Self { since: now, until, bits, stopping: bits, _padding: [0; 6] };
        Ok(())
    }

    /// Stops these ways out no longer. A pause that stops nothing ends.
    pub const fn lift(&mut self, bits: u8, now: i64) {
        self.stopping &= !bits;
        if self.stopping == 0 && now < self.until {
            self.until = now;
        }
    }

    /// When a ticket counts as requested that had to wait so long and could then be used in a window. One whose window is
    /// over, and was cut by a pause of its way out, has a whole one again from the end of the pause.
    #[must_use]
    pub const fn reopened(&self, requested_at: i64, [delay, window]: [i64; 2], (bit, now): (u8, i64)) -> i64 {
        let opens = requested_at.saturating_add(delay);
        let closes = opens.saturating_add(window);
        let cut = self.bits & bit != 0 && self.until > opens && self.since <= closes;
        if cut && now > closes { self.until.saturating_sub(delay) } else { requested_at }
    }
}

const _: () = assert!(size_of::<ExchangeParams>() == 56 && size_of::<Timelock>() == 16);
