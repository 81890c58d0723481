//! What an account is worth and needs, added up leg by leg and group by group; and what follows from the sum: whether it is
//! in trouble, which position is the worst, what closing one frees.

use super::{Doubt, Health, HealthType, RiskGroups};
use crate::collateral::Collateral;
use crate::market::Market;
use crate::position::Position;
use crate::units::{PPM_ONE, Quote, Side, ppm_ceil};
use crate::{EngineError, Result};

/// What closing a position frees of the account's requirement, quote units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Relief {
    /// What the position requires by itself.
    pub requirement: u64,
    /// Part of that which is freed in full.
    pub free: u64,
    /// Share of the rest that the risk group takes back, ppm.
    pub offset_ppm: u32,
}

/// What an account is worth and needs, group by group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Portfolio {
    /// Equity and requirement of everything in no group.
    alone: Health,
    /// Long and short requirements by group, quote units.
    groups: [[Quote; 2]; 8],
    /// What may be there beyond the equity, as [`HealthType::Liquidate`] says.
    doubt: Doubt,
    /// Largest requirement of a position counted, quote units.
    worst: Quote,
}

impl Portfolio {
    /// Adds what belongs to no risk group: quote, collateral.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn add(&mut self, health: Health) -> Result<()> {
        self.alone = self.alone.plus(health)?;
        Ok(())
    }

    /// Adds a position. Returns what it requires.
    ///
    /// # Errors
    /// As [`Health::of_position`].
    pub fn count(
        &mut self,
        market: &Market,
        position: &Position,
        (kind, now): (HealthType, i64),
    ) -> Result<Quote> {
        let health = if kind == HealthType::Liquidate {
            let (health, doubt) = Health::of_position_in_doubt(market, position, now)?;
            self.doubt = self.doubt.plus(doubt)?;
            health
        } else {
            Health::of_position(market, position, kind, now)?
        };
        self.worst = self.worst.max(health.requirement);
        self.add_position(health, market.params.risk_group, position)?;
        Ok(health.requirement)
    }

    /// Adds a collateral.
    ///
    /// # Errors
    /// As [`Health::of_collateral`].
    pub fn count_collateral(
        &mut self,
        collateral: &Collateral,
        amount: u64,
        (kind, now): (HealthType, i64),
    ) -> Result<()> {
        if kind != HealthType::Liquidate {
            return self.add(Health::of_collateral(collateral, amount, kind, now)?);
        }
        let (sure, doubt) = collateral.value_in_doubt(amount, now)?;
        self.doubt = self.doubt.plus(doubt)?;
        self.add(Health { equity: Quote::from_units(sure)?, requirement: Quote::ZERO })
    }

    /// Health of an account that is to be liquidated: at the live prices, if it is below its requirement even with all doubt
    /// in its favour.
    ///
    /// # Errors
    /// [`EngineError::Healthy`], [`EngineError::RefreshFirst`] if only prices that need a refresh may save it,
    /// [`EngineError::Overflow`].
    pub fn in_trouble(&self, groups: &RiskGroups) -> Result<Health> {
        let health = self.health(groups)?;
        let requirement = health.requirement;
        let equity = health.equity.plus(self.doubt.wide)?;
        if equity >= requirement {
            return Err(EngineError::Healthy { equity: equity.0, requirement: requirement.0 });
        }
        if equity.plus(self.doubt.stale)? >= requirement {
            return Err(EngineError::RefreshFirst);
        }
        Ok(health)
    }

    /// Equity with all doubt in the account's favour.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn equity_in_doubt(&self) -> Result<Quote> {
        self.alone.equity.plus(self.doubt.all()?)
    }

    /// `Ok` if no position counted so far requires more than this one: the worst goes first.
    ///
    /// # Errors
    /// [`EngineError::NotTheWorst`].
    pub fn require_worst(&self, requirement: Quote) -> Result<()> {
        let (this, worst) = (requirement.0, self.worst.0);
        if this < worst { Err(EngineError::NotTheWorst { this, worst }) } else { Ok(()) }
    }

    /// What of a position's requirement is freed by closing it, counted in here with this requirement: in full as long as its
    /// side stays the larger one of the group, beyond that the group's offset is lost.
    ///
    /// # Errors
    /// [`EngineError::Overflow`], [`EngineError::Corrupt`].
    pub fn relief(
        &self,
        (group, position): (u8, &Position),
        requirement: Quote,
        groups: &RiskGroups,
    ) -> Result<Relief> {
        let slot = usize::from(group).checked_sub(1).and_then(|i| self.groups.get(i));
        let free = match slot {
            None => requirement,
            Some(&[long, short]) if position.side()? == Side::Long => long.minus(short)?,
            Some(&[long, short]) => short.minus(long)?,
        };
        let free = free.min(requirement).units_or_zero();
        Ok(Relief { requirement: requirement.units_or_zero(), free, offset_ppm: groups.offset(group) })
    }

    /// Adds a position's health, on its side of its market's group.
    ///
    /// # Errors
    /// [`EngineError::Overflow`], [`EngineError::Corrupt`].
    pub fn add_position(&mut self, health: Health, group: u8, position: &Position) -> Result<()> {
        let slot = usize::from(group).checked_sub(1).and_then(|i| self.groups.get_mut(i));
        let Some([long, short]) = slot else { return self.add(health) };
        let sum = if position.side()? == Side::Long { long } else { short };
        *sum = sum.plus(health.requirement)?;
        self.add(Health { requirement: Quote::ZERO, ..health })
    }

    /// The account's health.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn health(&self, groups: &RiskGroups) -> Result<Health> {
        let mut sum = self.alone;
        for ([long, short], offset) in self.groups.into_iter().zip(groups.offset_ppm) {
            if long == Quote::ZERO && short == Quote::ZERO {
                continue;
            }
            let rest = ppm_ceil(long.min(short).units_or_zero(), PPM_ONE.saturating_sub(offset))?;
            let group = long.max(short).plus(Quote::from_units(rest)?)?;
            sum.requirement = sum.requirement.plus(group)?;
        }
        Ok(sum)
    }
}
