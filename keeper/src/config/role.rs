//! Kinds of work, in the order in which they are done when there is more work than room for it.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::text;

/// A kind of work. Ordered by urgency: what comes first is done first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Brings prices to the chain that somebody needs.
    Refresh,
    /// Takes positions and collateral of accounts in trouble over, or hands them to the pool.
    Liquidate,
    /// Has debts paid that no margin covers any more.
    Bankruptcy,
    /// Reduces exposed markets, and rebalances those that owe more than they have.
    Deleverage,
    /// Executes triggers whose price has come.
    Trigger,
    /// Settles claims, pending unwinds, and positions in a market that settles.
    Settle,
    /// Moves cash between the pool and its markets to their targets.
    Allocate,
    /// Distributes fees.
    Sweep,
}

impl Role {
    /// All of them, the most urgent first.
    pub const ALL: [Self; 8] = [
        Self::Refresh,
        Self::Liquidate,
        Self::Bankruptcy,
        Self::Deleverage,
        Self::Trigger,
        Self::Settle,
        Self::Allocate,
        Self::Sweep,
    ];

    /// Whether solvency depends on it: such work has room and fees where other work has none left.
    #[must_use]
    pub const fn is_vital(self) -> bool {
        matches!(self, Self::Refresh | Self::Liquidate | Self::Bankruptcy | Self::Deleverage)
    }

    /// Its name in configuration, metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refresh => "refresh",
            Self::Liquidate => "liquidate",
            Self::Bankruptcy => "bankruptcy",
            Self::Deleverage => "deleverage",
            Self::Trigger => "trigger",
            Self::Settle => "settle",
            Self::Allocate => "allocate",
            Self::Sweep => "sweep",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// No role has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no role: take any of {all}", all = Role::ALL.map(Role::as_str).join(", "))]
pub struct NoRole(String);

impl FromStr for Role {
    type Err = NoRole;

    fn from_str(text: &str) -> Result<Self, NoRole> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or_else(|| NoRole(text.to_string()))
    }
}

/// The roles that a keeper has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Roles(#[serde(with = "text::set")] BTreeSet<Role>);

impl Roles {
    /// Whether this role is among them.
    #[must_use]
    pub fn contains(&self, role: Role) -> bool {
        self.0.contains(&role)
    }

    /// Each of them, the most urgent first.
    pub fn iter(&self) -> impl Iterator<Item = Role> + '_ {
        self.0.iter().copied()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Default for Roles {
    fn default() -> Self {
        Role::ALL.into_iter().collect()
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Self {
        Self(roles.into_iter().collect())
    }
}

impl<const N: usize> From<[Role; N]> for Roles {
    fn from(roles: [Role; N]) -> Self {
        roles.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_found_by_its_name_only() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        let error = "Liquidate".parse::<Role>().unwrap_err().to_string();
        assert!(error.starts_with("\"Liquidate\" is no role: take any of refresh, liquidate,"), "{error}");
    }

    #[test]
    fn roles_come_by_urgency_however_they_were_named() {
        let roles = Roles::from([Role::Sweep, Role::Liquidate, Role::Sweep]);
        assert_eq!(roles.iter().collect::<Vec<_>>(), [Role::Liquidate, Role::Sweep]);
        assert!(roles.contains(Role::Sweep) && !roles.contains(Role::Refresh));
        assert!(Role::ALL.is_sorted());
    }
}
