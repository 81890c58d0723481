//! A token that backs an account is worth less the more of it there is, and moves at a bounded rate.
//!
//! A collateral counts at its price less a haircut: strict price and initial haircut for new risk, live price and
//! maintenance haircut to stay. Beyond its soft cap the initial haircut grows with the deposited total, so that a crowded
//! collateral stops adding buying power but never liquidates anyone. Deposits end at a cap that grows from zero by
//! a bounded share a day; withdrawals keep above the line of [`crate::outflow`].

use bytemuck::{Pod, Zeroable};

use crate::margin::HealthType;
use crate::outflow::{Outflow, OutflowParams};
use crate::price::{Action, Age, OracleParams, OracleState, Selection, within};
use crate::units::{PPM, PPM_ONE, ppm_floor};
use crate::wide::{self, Round};
use crate::{EngineError, Result};

/// Most that the cap of a new collateral may be worth, quote units: ten million dollars of six decimals.
pub const MAX_LISTED_WORTH: u64 = 10_000_000_000_000;
/// Parts per million times seconds of a day.
const PPM_DAY: u64 = 86_400_000_000;

/// Haircuts of a collateral, its limits, and how its oracle is judged.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "borsh", derive(borsh::BorshDeserialize))]
#[cfg_attr(all(feature = "borsh", not(feature = "idl-build")), derive(borsh::BorshSerialize))]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct CollateralParams {
    /// Cap of all deposits together, token units. Zero forbids deposits.
    pub max_deposits: u64,
    /// Deposits from which on the initial haircut grows with the total, token units.
    pub soft_cap: u64,
    /// How fast tokens may leave.
    pub outflow: OutflowParams,
    /// Haircut for initial margin, ppm.
    pub haircut_init_ppm: u32,
    /// Haircut for maintenance margin, ppm.
    pub haircut_maint_ppm: u32,
    /// Growth of the cap in force from zero, ppm of `max_deposits` per day.
    pub cap_growth_ppm: u32,
    /// Explicit padding.
    pub _padding: u32,
    /// How the oracle is judged.
    pub oracle: OracleParams,
}

impl CollateralParams {
    /// Checks the hard bounds of the program: haircuts in order, at least 2 % for initial margin; the cap takes at least
    /// a day to open.
    ///
    /// # Errors
    /// [`EngineError::ParameterOutOfBounds`] naming the first field outside.
    pub fn validate(&self) -> Result<()> {
        self.validate_haircuts()?;
        self.validate_limits()
    }

    /// The part of [`CollateralParams::validate`] that applies to the quote token too: it has no haircut but the floor of its
    /// weight, and none beyond 100 %.
    ///
    /// # Errors
    /// [`EngineError::ParameterOutOfBounds`] naming the first field outside.
    pub fn validate_limits(&self) -> Result<()> {
        within("haircut_init_ppm", self.haircut_init_ppm, 0, PPM_ONE)?;
        within("haircut_maint_ppm", self.haircut_maint_ppm, 0, PPM_ONE)?;
        within("cap_growth_ppm", self.cap_growth_ppm, 10_000, 1_000_000)?;
        self.outflow.validate(self.max_deposits)?;
        self.oracle.validate()
    }

    fn validate_haircuts(&self) -> Result<()> {
        within("haircut_init_ppm", self.haircut_init_ppm, 20_000, 1_000_000)?;
        within("haircut_maint_ppm", self.haircut_maint_ppm, 10_000, self.haircut_init_ppm)
    }

    /// Checks the hard bounds for a change of present parameters. The floor of the outflow is a way out: it is not bounded
    /// by a cap that is lowered, only a higher one is.
    ///
    /// # Errors
    /// [`EngineError::ParameterOutOfBounds`] naming the first field outside.
    pub fn validate_change(&self, from: &Self, is_quote: bool) -> Result<()> {
        if !is_quote {
            self.validate_haircuts()?;
        }
        let cap = if self.outflow.floor > from.outflow.floor { self.max_deposits } else { u64::MAX };
        Self { max_deposits: cap, ..*self }.validate_limits()
    }
}

/// A collateral: haircuts, price in quote units per token unit, and the tokens that came in.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct Collateral {
    /// Haircuts, limits and oracle parameters.
    pub params: CollateralParams,
    /// Price.
    pub oracle: OracleState,
    /// Tokens that the ledger accounts for, token units.
    pub recorded: u64,
    /// Cap that was in force when the ramp began, token units.
    pub ramp_from: u64,
    /// When the ramp began, unix seconds.
    pub ramp_since: i64,
    /// Below what the tokens may not fall.
    pub outflow: Outflow,
}

impl Collateral {
    /// A collateral that is listed now: its cap starts at zero.
    ///
    /// # Errors
    /// See [`Collateral::require_cap_worth`].
    pub fn listed(params: CollateralParams, oracle: OracleState, now: i64) -> Result<Self> {
        let none = CollateralParams { max_deposits: 0, ..params };
        let mut listed = Self::new(none, oracle, now);
        listed.require_cap_worth(&params)?;
        listed.params = params;
        Ok(listed)
    }

    /// A vault without tokens.
    #[must_use]
    pub const fn new(params: CollateralParams, oracle: OracleState, now: i64) -> Self {
        let outflow = Outflow::new(now);
        Self { params, oracle, recorded: 0, ramp_from: 0, ramp_since: now, outflow }
    }

    /// `Ok` if a cap that was zero is worth no more than [`MAX_LISTED_WORTH`] at the last price: it is as if the collateral
    /// were listed. A cap that is not zero may double, and one that is may return to what is there.
    ///
    /// # Errors
    /// [`EngineError::ParameterOutOfBounds`] with the worth.
    pub fn require_cap_worth(&self, params: &CollateralParams) -> Result<()> {
        if self.params.max_deposits != 0 || params.max_deposits <= self.recorded {
            return Ok(());
        }
        let worth = self.oracle.price.mul_floor(params.max_deposits).unwrap_or(u64::MAX);
        within("worth of max_deposits", worth, 0, MAX_LISTED_WORTH)
    }

    /// Puts other parameters in force at `now`. A lower cap counts at once; a higher one is reached by a ramp that begins at
    /// what was in force, and the anchor of the outflow has moved under the old limit until now.
    ///
    /// # Errors
    /// See [`Collateral::require_cap_worth`]; [`EngineError::Overflow`] never for valid parameters.
    pub fn change_params(&mut self, params: &CollateralParams, now: i64) -> Result<()> {
        self.require_cap_worth(params)?;
        self.outflow.advance((&self.params.outflow, self.params.max_deposits), self.recorded, now)?;
        self.ramp_from = self.cap(now)?.min(params.max_deposits);
        self.ramp_since = now;
        self.params = *params;
        Ok(())
    }

    /// Takes in the first print of other sources. It must agree with a price that is alive, unless nothing can be deposited,
    /// see [`OracleState::succeed`]; in an empty vault nothing needs to.
    ///
    /// # Errors
    /// As [`OracleState::succeed`] and [`OracleState::accept`].
    pub fn change_sources(&mut self, selection: Selection, now: i64) -> Result<()> {
        let waived = self.params.max_deposits == 0;
        if self.recorded != 0 {
            self.oracle.succeed(&selection, &self.params.oracle, (waived, now))?;
        }
        self.oracle.forget_sources();
        self.oracle.accept(selection, &self.params.oracle)
    }

    /// The deposit cap in force, token units: `min(max_deposits, from + max_deposits · growth · days)`.
    ///
    /// # Errors
    /// [`EngineError::Overflow`] never for valid parameters.
    pub fn cap(&self, now: i64) -> Result<u64> {
        let params = &self.params;
        let elapsed = u64::try_from(now.saturating_sub(self.ramp_since)).unwrap_or(0);
        let grown = u64::from(params.cap_growth_ppm).saturating_mul(elapsed).min(PPM_DAY);
        let grown = wide::mul_div(params.max_deposits, grown, PPM_DAY, Round::Down)?;
        Ok(self.ramp_from.saturating_add(grown).min(params.max_deposits))
    }

    /// Counts tokens that arrived.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn receive(&mut self, amount: u64, now: i64) -> Result<()> {
        self.outflow.advance((&self.params.outflow, self.params.max_deposits), self.recorded, now)?;
        self.recorded = self.recorded.checked_add(amount).ok_or(EngineError::Overflow)?;
        Ok(())
    }

    /// Counts tokens that leave.
    ///
    /// # Errors
    /// [`EngineError::InsufficientBalance`], [`EngineError::OutflowLimit`].
    pub fn release(&mut self, amount: u64, now: i64) -> Result<()> {
        let balance = self.recorded;
        let left = balance.checked_sub(amount);
        let left = left.ok_or(EngineError::InsufficientBalance { balance, needed: amount })?;
        self.outflow.advance((&self.params.outflow, self.params.max_deposits), balance, now)?;
        let available = self.outflow.available(&self.params.outflow, balance)?;
        if amount > available {
            return Err(EngineError::OutflowLimit { amount, available });
        }
        self.recorded = left;
        Ok(())
    }

    /// What may leave at `now`, token units.
    ///
    /// # Errors
    /// [`EngineError::Overflow`] never for a stored state.
    pub fn releasable(&self, now: i64) -> Result<u64> {
        let mut outflow = self.outflow;
        outflow.advance((&self.params.outflow, self.params.max_deposits), self.recorded, now)?;
        outflow.available(&self.params.outflow, self.recorded)
    }

    /// `Ok` if `total` token units are within the cap in force.
    ///
    /// # Errors
    /// [`EngineError::DepositCap`] with both.
    pub fn require_cap(&self, total: u64, now: i64) -> Result<()> {
        let cap = self.cap(now)?;
        if total > cap { Err(EngineError::DepositCap { total, cap }) } else { Ok(()) }
    }

    /// Haircut for initial margin as one would quote it, ppm: `1 − (1 − h) · min(1, soft_cap / total)`, rounded up.
    ///
    /// # Errors
    /// [`EngineError::Overflow`] never.
    pub fn haircut_init_ppm(&self) -> Result<u32> {
        let params = &self.params;
        if self.recorded <= params.soft_cap {
            return Ok(params.haircut_init_ppm);
        }
        let kept = u64::from(PPM_ONE.saturating_sub(params.haircut_init_ppm));
        let counted = wide::mul_div(kept, params.soft_cap, self.recorded, Round::Down)?;
        u32::try_from(PPM.saturating_sub(counted)).map_err(|_| EngineError::Overflow)
    }

    /// Worth of `amount` token units after the haircut, rounded down.
    ///
    /// For initial margin a price that is not Fresh makes the collateral worth nothing: a dead oracle must not
    /// freeze the rest of the account. A withdrawal it stops. Maintenance margin takes a Fresh or Wide price
    /// and refuses any other, for a collateral that can't be priced is no reason to liquidate.
    ///
    /// # Errors
    /// [`EngineError::PriceNotUsable`] except for initial margin, [`EngineError::Overflow`].
    pub fn value(&self, amount: u64, health: HealthType, now: i64) -> Result<u64> {
        if health == HealthType::Liquidate {
            let (sure, doubt) = self.value_in_doubt(amount, now)?;
            return sure.checked_add(doubt.all()?.units_or_zero()).ok_or(EngineError::Overflow);
        }
        let action = if health == HealthType::Maint { Action::Close } else { Action::Withdraw };
        match (self.oracle.require(&self.params.oracle, (action, Age::Margin), now), health) {
            (Err(_), HealthType::Init) => return Ok(0),
            (usable, _) => usable?,
        };
        let (price, haircut) = match health {
            HealthType::Init | HealthType::Withdraw => {
                (self.oracle.strict().low, self.params.haircut_init_ppm)
            }
            HealthType::Maint | HealthType::Liquidate => (self.oracle.price, self.params.haircut_maint_ppm),
        };
        let counted = ppm_floor(price.mul_floor(amount)?, PPM_ONE.saturating_sub(haircut))?;
        if health == HealthType::Maint || self.recorded <= self.params.soft_cap {
            return Ok(counted);
        }
        // All deposits together count for as much as at the soft cap: one more never makes its depositor poorer.
        wide::mul_div(counted, self.params.soft_cap, self.recorded, Round::Down)
    }
}

/// What a positive balance of the quote token counts for in initial margin.
///
/// `min(1, price)` while its oracle is alive and undisputed, and at most the configured floor otherwise.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct QuoteWeight {
    /// Last moment at which `fresh_ppm` counts, unix seconds.
    pub until: i64,
    /// Weight while the oracle is alive, ppm.
    pub fresh_ppm: u32,
    /// Most that counts when it is not, ppm.
    pub floor_ppm: u32,
}

impl QuoteWeight {
    /// A quote token without an oracle counts in full.
    pub const WHOLE: Self = Self { until: i64::MAX, fresh_ppm: 1_000_000, floor_ppm: 1_000_000 };

    /// The weight before the oracle was first refreshed: the floor.
    #[must_use]
    pub const fn unrefreshed(params: &CollateralParams) -> Self {
        let floor_ppm = PPM_ONE.saturating_sub(params.haircut_init_ppm);
        Self { until: i64::MIN, fresh_ppm: floor_ppm, floor_ppm }
    }

    /// The same with the floor of other parameters; a quote token without an oracle counts in full whatever they are.
    #[must_use]
    pub fn with_floor(self, params: &CollateralParams) -> Self {
        if self == Self::WHOLE {
            self
        } else {
            Self { floor_ppm: Self::unrefreshed(params).floor_ppm, ..self }
        }
    }

    /// The weight that a refreshed oracle gives.
    ///
    /// # Errors
    /// [`EngineError::Overflow`] never for a price in range.
    pub fn of(quote: &Collateral) -> Result<Self> {
        let (oracle, params) = (&quote.oracle, &quote.params);
        let fresh = oracle.strict().low.mul_floor(PPM)?.min(PPM);
        let until = match oracle.divergent {
            0 => oracle.publish_time.saturating_add(i64::from(params.oracle.max_margin_age)),
            _ => i64::MIN,
        };
        Ok(Self {
            until,
            fresh_ppm: u32::try_from(fresh).map_err(|_| EngineError::Overflow)?,
            ..Self::unrefreshed(params)
        })
    }

    /// The weight at `now`, ppm.
    #[must_use]
    pub fn at(&self, now: i64) -> u32 {
        if now <= self.until { self.fresh_ppm } else { self.fresh_ppm.min(self.floor_ppm) }
    }
}
