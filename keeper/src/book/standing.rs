//! How an account stands, and who in trouble comes first.
//!
//! The judgement itself is [`Snapshot::distress`], the engine's; this gives its answers names, and an order: whoever is
//! nearest to owing more than he has is helped first, for there delay turns into bad debt.

use std::cmp::Ordering;

use bulwark_sdk::Pubkey;
use bulwark_sdk::engine::EngineError;
use bulwark_sdk::engine::margin::Health;
use bulwark_sdk::health::{HealthError, Snapshot};
use bulwark_sdk::program::state::MarginAccount;

/// How an account stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// At or above its requirement with every doubt in its favour.
    Healthy,
    /// It can be liquidated.
    InTrouble(Trouble),
    /// Only a price that somebody has to refresh may save it.
    Doubtful,
    /// It can't be judged: a market or vault is missing, or a sum does not fit.
    Unknown,
}

/// An account that can be liquidated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Its health at the live prices, quote units.
    pub health: Health,
    /// Market of the position that has to go first; `None` without positions: then collateral is sold.
    pub first: Option<u16>,
    /// Slot at which the book first saw it in trouble; kept while it stays so.
    pub since: u64,
}

impl Standing {
    /// Judges an account that stood like `before`.
    pub(super) fn of(
        account: &MarginAccount,
        (snapshot, slot): (&Snapshot<'_>, u64),
        before: Option<&Self>,
    ) -> Self {
        let since = before.and_then(Self::trouble).map_or(slot, |trouble| trouble.since);
        match snapshot.distress(account, slot) {
            Ok(None) => Self::Healthy,
            Ok(Some(distress)) => {
                Self::InTrouble(Trouble { health: distress.health, first: distress.first, since })
            }
            Err(HealthError::Engine(EngineError::RefreshFirst)) => Self::Doubtful,
            Err(_) => Self::Unknown,
        }
    }

    /// What trouble it is in.
    #[must_use]
    pub const fn trouble(&self) -> Option<&Trouble> {
        match self {
            Self::InTrouble(trouble) => Some(trouble),
            _ => None,
        }
    }
}

/// Place of an account in the order of help: the lowest equity over requirement first, the larger requirement among equals,
/// then the lower equity (that of accounts which require nothing and owe), then the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rank {
    /// Its health: equity below the requirement.
    pub health: Health,
    /// Its address.
    pub key: Pubkey,
    /// Its place in the book.
    pub entry: u32,
}

impl Ord for Rank {
    fn cmp(&self, other: &Self) -> Ordering {
        let (a, b) = (self.health, other.health);
        // a.E/a.R against b.E/b.R with R ≥ 0; products of 64 bits fit. R = 0 means E < 0: below every ratio.
        let cross = |x: Health, y: Health| i128::from(x.equity.0) * i128::from(y.requirement.0.max(0));
        let ratio = cross(a, b).cmp(&cross(b, a));
        let rest = || (b.requirement, a.equity, self.key).cmp(&(a.requirement, b.equity, other.key));
        ratio.then_with(rest).then(self.entry.cmp(&other.entry))
    }
}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
