//! Labels that can take few values only.

use std::collections::BTreeSet;
use std::sync::Mutex;

use prometheus::IntCounterVec;

use crate::config::Role;

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It did what it should.
    Confirmed,
    /// It was included and failed: its fee is lost.
    Failed,
    /// It was never included, and cannot be any more.
    Expired,
    /// Nobody can say.
    Unknown,
    /// The simulation failed, so it was not sent.
    Refused,
    /// It would have earned too little, so it was not sent.
    Unprofitable,
    /// It would have been sent, but for the dry run.
    DryRun,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Confirmed,
        Self::Failed,
        Self::Expired,
        Self::Unknown,
        Self::Refused,
        Self::Unprofitable,
        Self::DryRun,
    ];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Unknown => "unknown",
            Self::Refused => "refused",
            Self::Unprofitable => "unprofitable",
            Self::DryRun => "dry_run",
        }
    }
}

/// Refusals by the name of their error. What is no name, and whatever comes after [`Refusals::MOST`] names, is `other`.
#[derive(Debug)]
pub struct Refusals {
    counters: IntCounterVec,
    names: Mutex<BTreeSet<String>>,
}

impl Refusals {
    /// Names that are told apart. The program has fewer than 150 errors.
    pub const MOST: usize = 200;
    const OTHER: &'static str = "other";

    pub(super) const fn new(counters: IntCounterVec) -> Self {
        Self { counters, names: Mutex::new(BTreeSet::new()) }
    }

    pub(super) fn count(&self, role: Role, error: &str) {
        let name = if self.is_known(error) { error } else { Self::OTHER };
        self.counters.with_label_values(&[role.as_str(), name]).inc();
    }

    fn is_known(&self, error: &str) -> bool {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if error.is_empty() || error.len() > 64 || !error.bytes().all(plain) {
            return false;
        }
        let mut names = self.names.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        names.contains(error) || (names.len() < Self::MOST && names.insert(error.to_string()))
    }
}
