//! What was spent on fees lately. A keeper that something goes wrong with must not spend its wallet: beyond a limit for an
//! hour nothing is sent any more, and an alarm says so. The last quarter of it is kept for what solvency depends on.

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

    /// Sets lamports aside for a transaction that is about to be sent; `false` if the limit does not allow it: three quarters
    /// of it unless the transaction is vital.
    #[must_use]
    pub fn set_aside(&self, lamports: u64, (is_vital, now): (bool, Instant)) -> bool {
        let limit = if is_vital { self.limit } else { self.limit - self.limit / 4 };
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        while spent.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > SPAN) {
            spent.pop_front();
        }
        let sum = spent.iter().fold(0, |sum: u64, (_, lamports)| sum.saturating_add(*lamports));
        let allowed = sum.saturating_add(lamports) <= limit;
        if allowed {
            spent.push_back((now, lamports));
        }
        allowed
    }

    /// Takes back what was set aside for a transaction that can't be included any more.
    pub fn take_back(&self, lamports: u64) {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = spent.iter().rposition(|(_, of_one)| *of_one == lamports) {
            spent.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_limit_nothing_is_spent_until_an_hour_has_passed() {
        let (ledger, start) = (Ledger::new(100), Instant::now());
        let minute = |n: u64| (true, start + Duration::from_secs(60 * n));
        assert!(ledger.set_aside(60, minute(0)) && ledger.set_aside(40, minute(30)));
        assert!(!ledger.set_aside(1, minute(59)));
        assert!(!ledger.set_aside(61, minute(61)), "the second one still counts");
        assert!(ledger.set_aside(60, minute(61)));
    }

    #[test]
    fn the_last_quarter_is_kept_for_what_is_vital() {
        let (ledger, now) = (Ledger::new(100), Instant::now());
        assert!(!ledger.set_aside(76, (false, now)) && ledger.set_aside(75, (false, now)));
        assert!(!ledger.set_aside(1, (false, now)));
        assert!(ledger.set_aside(25, (true, now)) && !ledger.set_aside(1, (true, now)));
    }

    #[test]
    fn what_was_never_included_is_not_spent() {
        let (ledger, now) = (Ledger::new(100), Instant::now());
        assert!(ledger.set_aside(60, (true, now)) && ledger.set_aside(40, (true, now)));
        ledger.take_back(40);
        ledger.take_back(7);
        assert!(!ledger.set_aside(41, (true, now)) && ledger.set_aside(40, (true, now)));
    }
}
