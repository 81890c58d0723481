//! What was spent on fees lately. A keeper that something goes wrong with must not spend its wallet: beyond a limit for an
//! hour nothing is sent any more, and an alarm says so.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The time that the limit is for.
const SPAN: Duration = Duration::from_secs(3_600);

/// Lamports spent within the last hour.
#[derive(Debug)]
pub struct Ledger {
    limit: u64,
    spent: Mutex<VecDeque<(Instant, u64)>>,
}

impl Ledger {
    /// With a limit, lamports an hour.
    #[must_use]
    pub const fn new(limit: u64) -> Self {
        Self { limit, spent: Mutex::new(VecDeque::new()) }
    }

    /// Sets lamports aside for a transaction that is about to be sent; `false` if the limit does not allow it.
    #[must_use]
    pub fn set_aside(&self, lamports: u64, now: Instant) -> bool {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        while spent.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > SPAN) {
            spent.pop_front();
        }
        let sum = spent.iter().fold(0, |sum: u64, (_, lamports)| sum.saturating_add(*lamports));
        let allowed = sum.saturating_add(lamports) <= self.limit;
        if allowed {
            spent.push_back((now, lamports));
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_limit_nothing_is_spent_until_an_hour_has_passed() {
        let (ledger, start) = (Ledger::new(100), Instant::now());
        let minute = |n: u64| start + Duration::from_secs(60 * n);
        assert!(ledger.set_aside(60, start) && ledger.set_aside(40, minute(30)));
        assert!(!ledger.set_aside(1, minute(59)));
        assert!(!ledger.set_aside(61, minute(61)), "the second one still counts");
        assert!(ledger.set_aside(60, minute(61)));
    }
}
