//! What was refused is not tried again at once.
//!
//! Each piece of work rests by itself, twice as long after each refusal of the same kind, up to half a minute, so that an account that can't be
//! helped costs less and less, and never the others' turn. How long exactly is a matter of chance: keepers that failed together
//! do not come back together.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use tokio::time::Instant;

use crate::work::Work;

/// After the first refusal.
const FIRST: Duration = Duration::from_secs(1);
/// The longest rest.
const LONGEST: Duration = Duration::from_secs(30);
/// Failures of the node in a row after which nothing is expected of it any more.
const HOPES: u32 = 5;

#[derive(Clone, Debug)]
struct Rest {
    until: Instant,
    reason: String,
    times: u32,
}

/// Work that rests.
#[derive(Debug, Default)]
pub struct Backoff {
    resting: HashMap<Work, Rest>,
    /// How often in a row the node failed work: it did not answer, or did not include it.
    unserved: HashMap<Work, u32>,
    chance: RandomState,
}

impl Backoff {
    /// Whether work may be tried.
    #[must_use]
    pub fn is_ready(&self, work: &Work, now: Instant) -> bool {
        self.resting.get(work).is_none_or(|rest| rest.until <= now)
    }

    /// Work was refused for a reason, such as an error's name. Returns how long it rests; another reason begins anew.
    pub fn refused(&mut self, work: &Work, reason: &str, now: Instant) -> Duration {
        let before = self.resting.get(work).filter(|rest| rest.reason == reason);
        let times = before.map_or(0, |rest| rest.times.saturating_add(1));
        let whole = FIRST.saturating_mul(1_u32.checked_shl(times).unwrap_or(u32::MAX)).min(LONGEST);
        let rest = self.about(whole, (work, times));
        let entry = Rest { until: now + rest, reason: reason.to_string(), times };
        self.resting.insert(work.clone(), entry);
        rest
    }

    /// How often in a row work was refused for this reason.
    #[must_use]
    pub fn times(&self, work: &Work, reason: &str) -> u32 {
        let rest = self.resting.get(work).filter(|rest| rest.reason == reason);
        rest.map_or(0, |rest| rest.times.saturating_add(1))
    }

    /// Work rests for so long, whatever was before.
    pub fn pause(&mut self, work: &Work, rest: Duration, now: Instant) {
        let entry = Rest { until: now + rest, reason: String::new(), times: 0 };
        self.resting.insert(work.clone(), entry);
    }

    /// Work was done, or is not to be done any more.
    pub fn done(&mut self, work: &Work) {
        self.resting.remove(work);
    }

    /// Whether the node did its part for work, however it ended.
    pub fn served(&mut self, work: &Work, served: bool) {
        if served {
            self.unserved.remove(work);
        } else {
            *self.unserved.entry(work.clone()).or_default() += 1;
        }
    }

    /// Whether some work is going to be tried again since the node failed it: unless it did so again and again.
    #[must_use]
    pub fn hopes(&self) -> bool {
        self.unserved.values().any(|times| *times <= HOPES)
    }

    /// How much work was refused and rests. What has rested for long enough twice over, and is not under way, is forgotten.
    pub fn count(&mut self, now: Instant, under_way: &HashSet<Work>) -> usize {
        self.resting.retain(|work, rest| rest.until + LONGEST > now || under_way.contains(work));
        self.unserved.retain(|work, _| self.resting.contains_key(work));
        self.resting.values().filter(|rest| rest.until > now && !rest.reason.is_empty()).count()
    }

    /// Three quarters of a time to five quarters of it.
    fn about(&self, whole: Duration, what: (&Work, u32)) -> Duration {
        let chance = u32::from(self.chance.hash_one(what).to_le_bytes()[0]);
        (whole * 3 / 4).saturating_add(whole / 512 * chance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn each_refusal_of_the_same_kind_rests_about_twice_as_long_up_to_half_a_minute() {
        let (mut backoff, work, now) = (Backoff::default(), Work::Sweep(1), Instant::now());
        let mut last = Duration::ZERO;
        for times in 0..12 {
            let rest = backoff.refused(&work, "Paused", now);
            let whole = Duration::from_secs((1 << times).min(30));
            assert!(rest >= whole * 3 / 4 && rest <= whole * 5 / 4, "{rest:?} of {whole:?}");
            assert!(!backoff.is_ready(&work, now) && backoff.is_ready(&work, now + rest));
            assert!(backoff.is_ready(&Work::Sweep(2), now), "others do not rest");
            last = rest;
        }
        assert!(last > MINUTE / 3);
        assert_eq!(backoff.times(&work, "Paused"), 12);
        assert!(backoff.refused(&work, "ZeroAmount", now) < Duration::from_secs(2), "another reason");
        backoff.done(&work);
        assert!(backoff.is_ready(&work, now));
    }

    #[test]
    fn what_rests_no_more_is_forgotten() {
        let (mut backoff, now) = (Backoff::default(), Instant::now());
        backoff.refused(&Work::Sweep(1), "Paused", now);
        backoff.pause(&Work::Sweep(2), MINUTE, now);
        backoff.served(&Work::Sweep(2), false);
        let under_way = HashSet::from([Work::Sweep(2)]);
        assert_eq!(backoff.count(now, &under_way), 1, "a pause is no refusal");
        assert_eq!(backoff.count(now + 5 * MINUTE, &under_way), 0);
        assert_eq!(backoff.resting.len(), 1);
        assert!(backoff.hopes(), "what is under way is not forgotten");
        backoff.count(now + 5 * MINUTE, &HashSet::new());
        assert!(backoff.resting.is_empty() && !backoff.hopes());
    }

    #[test]
    fn a_node_that_fails_again_and_again_takes_hope_away() {
        let (mut backoff, work, other) = (Backoff::default(), Work::Sweep(1), Work::Sweep(2));
        assert!(!backoff.hopes());
        for _ in 0..HOPES {
            backoff.served(&work, false);
            assert!(backoff.hopes());
        }
        backoff.served(&work, false);
        assert!(!backoff.hopes());
        backoff.served(&other, false);
        assert!(backoff.hopes(), "for another");
        backoff.served(&other, true);
        backoff.served(&work, true);
        assert!(!backoff.hopes(), "nothing is left to be tried again");
        backoff.served(&work, false);
        assert!(backoff.hopes(), "it is counted anew");
    }
}
