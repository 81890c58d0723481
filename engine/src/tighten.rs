//! Which way is safe, for every parameter, and how far one change may go.
//!
//! A parameter that has a safe direction can be moved in it at once, by the admin or the guardian. Everything else waits
//! for the delay of a `Change`. What is safe for the exchange may still hurt somebody who is in it: a higher maintenance
//! margin liquidates, a lower outflow limit keeps people in. So such parameters move in bounded steps whoever moves them,
//! and at once no more than one step a week: from one proposal to its execution there is one such step at most, two if
//! the delay is the longest. A parameter that merely shifts money between users (fees, spreads, who pays
//! first) has no safe direction at all.
//!
//! One table for each kind of parameters says it all: name, safe direction, step. The tables are the rows of
//! [`Governed`] for [`crate::market::MarketParams`], [`crate::collateral::CollateralParams`],
//! [`crate::pool::PoolParams`], [`crate::governance::ExchangeParams`] and [`crate::governance::InsuranceParams`].
//!
//! Invariant I18: nothing loosens before its delay; nothing but tightening is instant; each bound holds for the admin.

mod tables;

use crate::units::{PPM, PPM_ONE};
use crate::wide::{self, Round};
use crate::{EngineError, Result};

/// Seconds between two steps of a parameter that hurts users when it is tightened at once: a week, the longest delay.
pub const STEP_INTERVAL: i64 = 604_800;

/// In which direction a parameter protects the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Safer {
    /// Less is safer.
    Lower,
    /// More is safer.
    Higher,
    /// Either direction takes from somebody: only behind the delay.
    Neither,
    /// Decided at the listing, for good.
    Fixed,
}

/// How far one change may move a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// As far as the hard bounds.
    Free,
    /// By a share of what it was, or by `least` if that is more.
    Bounded {
        /// Largest rise, ppm of the present value.
        up_ppm: u32,
        /// Largest fall, ppm of the present value.
        down_ppm: u32,
        /// What it may move by in either direction however small it is.
        least: u64,
    },
    /// To twice what it was, from zero to anything: as for a listing, hard bounds and a ramp take care of that.
    Doubled {
        /// Largest fall, ppm of the present value.
        down_ppm: u32,
    },
}

/// What the tables say of one parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Name of the field, with the path to it.
    pub name: &'static str,
    /// Its safe direction.
    pub safer: Safer,
    /// Its step.
    pub step: Step,
}

/// What moving a parameter does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: it stays as it is.
    Same,
    /// Moves it in its safe direction.
    Tightens,
    /// Moves it against its safe direction.
    Loosens,
    /// It has no safe direction.
    Shifts,
}

/// One parameter before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// What the table says of it.
    pub rule: &'static Rule,
    /// Present value.
    pub from: u64,
    /// Wanted value.
    pub to: u64,
}

/// Parameters that governance changes.
pub trait Governed {
    /// One row for each field, in the order of [`Governed::values`].
    const RULES: &'static [Rule];
    /// All fields as numbers.
    type Values: IntoIterator<Item = u64>;

    /// The fields' values in the order of the table.
    fn values(&self) -> Self::Values;
}

/// Every field with its rule, before and after.
pub fn moves<T: Governed>(from: &T, to: &T) -> impl Iterator<Item = Move> {
    let values = from.values().into_iter().zip(to.values());
    T::RULES.iter().zip(values).map(|(rule, (from, to))| Move { rule, from, to })
}

impl Rule {
    /// Whether tightening it hurts users: then a step is bounded in the safe direction, too.
    #[must_use]
    pub const fn is_gradual(&self) -> bool {
        match (self.safer, self.step) {
            (Safer::Lower, Step::Bounded { down_ppm, .. } | Step::Doubled { down_ppm }) => down_ppm < PPM_ONE,
            (Safer::Higher, Step::Bounded { up_ppm, .. }) => up_ppm < u32::MAX,
            _ => false,
        }
    }
}

impl Move {
    /// What it does.
    #[must_use]
    pub const fn effect(&self) -> Effect {
        match self.rule.safer {
            _ if self.from == self.to => Effect::Same,
            Safer::Lower if self.to < self.from => Effect::Tightens,
            Safer::Higher if self.to > self.from => Effect::Tightens,
            Safer::Lower | Safer::Higher => Effect::Loosens,
            Safer::Neither | Safer::Fixed => Effect::Shifts,
        }
    }

    /// Least and largest value that one change can reach; the hard bounds come on top.
    ///
    /// # Errors
    /// [`EngineError::Overflow`] never.
    pub fn reach(&self) -> Result<(u64, u64)> {
        let from = self.from;
        let part = |ppm: u32| wide::mul_div(from, u64::from(ppm), PPM, Round::Down);
        Ok(match self.rule.step {
            _ if self.rule.safer == Safer::Fixed => (from, from),
            Step::Free => (0, u64::MAX),
            Step::Doubled { .. } if from == 0 => (0, u64::MAX),
            Step::Doubled { down_ppm } => (from.saturating_sub(part(down_ppm)?), from.saturating_mul(2)),
            Step::Bounded { up_ppm, down_ppm, least } => {
                let up = if up_ppm == u32::MAX { u64::MAX } else { part(up_ppm)?.max(least) };
                (from.saturating_sub(part(down_ppm)?.max(least)), from.saturating_add(up))
            }
        })
    }

    /// `Ok` if one change may go so far.
    ///
    /// # Errors
    /// [`EngineError::StepTooLarge`] naming the field and what can be reached.
    pub fn require_step(&self) -> Result<()> {
        let Self { rule, from, to } = *self;
        if from == to {
            return Ok(());
        }
        let (least, most) = self.reach()?;
        if (least..=most).contains(&to) {
            Ok(())
        } else {
            Err(EngineError::StepTooLarge { name: rule.name, from, to, least, most })
        }
    }
}

/// `Ok` if one change may go from one set of parameters to the other.
///
/// # Errors
/// [`EngineError::StepTooLarge`] naming the first field that goes too far, or is fixed.
pub fn require_steps<T: Governed>(from: &T, to: &T) -> Result<()> {
    moves(from, to).try_for_each(|moved| moved.require_step())
}

/// `Ok` if `to` can be put in force at once: every field is at least as strict, and one that hurts users has not moved for
/// a week. Returns when the next such step can be made from: `stepped_at` is when the last one was, unix seconds.
///
/// # Errors
/// [`EngineError::Loosens`] naming the first field that is not at least as strict, [`EngineError::StepTooLarge`],
/// [`EngineError::StepTooSoon`], [`EngineError::NothingChanges`].
pub fn require_tighter<T: Governed>(from: &T, to: &T, (stepped_at, now): (i64, i64)) -> Result<i64> {
    let (mut stepped, mut changed) = (stepped_at, false);
    for moved in moves(from, to).filter(|moved| moved.from != moved.to) {
        changed = true;
        let Move { rule: Rule { name, .. }, from, to } = moved;
        if moved.effect() != Effect::Tightens {
            return Err(EngineError::Loosens { name, from, to });
        }
        moved.require_step()?;
        if moved.rule.is_gradual() {
            let seconds_left = stepped_at.saturating_add(STEP_INTERVAL).saturating_sub(now);
            if seconds_left > 0 {
                return Err(EngineError::StepTooSoon { name, seconds_left });
            }
            stepped = now;
        }
    }
    if changed { Ok(stepped) } else { Err(EngineError::NothingChanges) }
}
