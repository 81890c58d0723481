//! What is wrong with a keeper at the moment.
//!
//! Whoever notices something writes it here; what nobody would notice, silence, is found when somebody asks.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::config::{Config, Fees, Http};

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Its name, for alarms: `not_synced`, `silent`, `stream_lag`, `fee_budget`, `lamports`, or one of whoever noticed it.
    pub name: String,
    /// What is wrong, and what to do.
    pub text: String,
}

/// What is known of a keeper's health. Shared: everything takes `&self`.
#[derive(Debug)]
pub struct Health {
    silence: Duration,
    lag_slots: u64,
    lamports: u64,
    state: RwLock<State>,
}

#[derive(Debug)]
struct State {
    synced: bool,
    /// When the chain's clock was heard last: its slot, its seconds, and by the own clock.
    heard: Option<(u64, i64)>,
    since: Instant,
    problems: BTreeMap<String, String>,
}

impl Health {
    /// Of a keeper that begins: not synced yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let (Http { max_silence_secs, max_lag_slots, .. }, Fees { min_lamports, .. }) =
            (&config.http, &config.fees);
        let (since, problems) = (Instant::now(), BTreeMap::new());
        Self {
            silence: Duration::from_secs(*max_silence_secs),
            lag_slots: *max_lag_slots,
            lamports: *min_lamports,
            state: RwLock::new(State { synced: false, heard: None, since, problems }),
        }
    }

    // What is written is whole at each step, so a panic of another writer spoils nothing.
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The chain's clock was heard: its slot, and its seconds since 1970. The same slot again is no news: a node that stands
    /// still answers too.
    pub fn heard_clock(&self, slot: u64, unix: i64) {
        let mut state = self.write();
        if state.heard.is_none_or(|(heard, _)| slot > heard) {
            (state.heard, state.since) = (Some((slot, unix)), Instant::now());
        }
    }

    /// A cluster that began anew, or another node, may be at an earlier slot: what is heard next counts.
    pub fn forget_clock(&self) {
        let mut state = self.write();
        (state.heard, state.since) = (None, Instant::now());
    }

    /// Whether everything was read and the streams stand.
    pub fn set_synced(&self, synced: bool) {
        self.write().synced = synced;
    }

    /// How many slots the stream is behind the node.
    pub fn set_stream_lag(&self, slots: u64) {
        let most = self.lag_slots;
        let late = || {
            format!(
                "the stream is {slots} slots behind, more than {most}: take another node, or a nearer one"
            )
        };
        self.problem("stream_lag", (slots > most).then(late));
    }

    /// Whether the hour's fees are spent.
    pub fn set_fee_budget_exhausted(&self, exhausted: bool) {
        let text = "fees.max_lamports_per_hour is spent, so nothing is sent until the hour has passed: look at what it was spent on";
        self.problem("fee_budget", exhausted.then(|| text.to_string()));
    }

    /// Lamports of the fee payer.
    pub fn set_lamports(&self, lamports: u64) {
        let least = self.lamports;
        let poor = || {
            format!(
                "the fee payer has {lamports} lamports, fewer than fees.min_lamports, {least}: send it some"
            )
        };
        self.problem("lamports", (lamports < least).then(poor));
    }

    /// Something is wrong, or, with `None`, is not any more.
    pub fn problem(&self, name: &str, text: Option<String>) {
        let mut state = self.write();
        match text {
            Some(text) => state.problems.insert(name.to_string(), text),
            None => state.problems.remove(name),
        };
    }

    /// Everything that is wrong now, by name.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        self.problems_at(Instant::now())
    }

    pub(super) fn problems_at(&self, now: Instant) -> Vec<Problem> {
        let state = self.read();
        let mut problems = state.problems.clone();
        if !state.synced {
            let text = "accounts and prices are not all read yet, or the streams do not stand: see the log";
            problems.insert("not_synced".into(), text.into());
        }
        let silent = now.saturating_duration_since(state.since);
        if silent > self.silence {
            let last = state
                .heard
                .map_or_else(|| "ever".into(), |(slot, unix)| format!("since slot {slot}, {unix}"));
            let text = format!(
                "no newer clock of the chain for {} s, {last}: is the node behind?",
                silent.as_secs()
            );
            problems.insert("silent".into(), text);
        }
        problems.into_iter().map(|(name, text)| Problem { name, text }).collect()
    }
}
