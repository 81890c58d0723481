//! What a keeper counts, for Prometheus.
//!
//! Every metric has a handle of its own with typed labels, so that no name is written twice and labels stay few: roles,
//! outcomes and legs are bounded by what they are, errors are names of the program's or the runtime's own, and beyond a number of
//! them `other`. Series with known labels exist from the start with zero: a rate of something that never happened is zero, not
//! absent. Money is in quote units or lamports, whole numbers; what does not fit is shown as the largest.

use prometheus::{HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry, TextEncoder};

use crate::config::Role;

mod labels;
mod memory;
mod register;
#[cfg(test)]
mod tests;

pub use labels::{Outcome, Refusals};
pub use register::{Kind, Metric, PREFIX};

use register::Register;

/// All of them.
#[derive(Debug)]
pub struct Metrics {
    /// Margin accounts in the book.
    pub accounts: Level,
    /// Those in trouble.
    pub accounts_in_trouble: Level,
    /// Those that nobody can judge until a price was refreshed.
    pub accounts_doubtful: Level,
    /// Those that owe quote, or for which a market holds something back.
    pub accounts_indebted: Level,
    /// Tasks that wait since they failed.
    pub backing_off: Level,
    /// Transactions under way.
    pub in_flight: Level,
    /// Newest slot that was heard of.
    pub slot: Level,
    /// Wall clock less the chain's clock, seconds.
    pub clock_lag_seconds: Level,
    /// Slots that the stream is behind the node.
    pub stream_lag_slots: Level,
    /// 1 once everything was read and streams stand, else 0.
    pub synced: Level,
    /// Equity of the own account, quote units.
    pub own_equity: Level,
    /// Initial margin of the own account that is free, quote units.
    pub own_free_margin: Level,
    /// Worth of taken-over positions, quote units.
    pub own_inventory: Level,
    /// Lamports of the fee payer.
    pub own_lamports: Level,
    /// Bytes of the book.
    pub book_bytes: Level,
    /// Fees of transactions that were sent, lamports; one that was not included in the end costs nothing after all.
    pub fees_lamports: IntCounter,
    /// Connections that were lost and made again.
    pub reconnects: IntCounter,
    /// Readings of everything.
    pub resyncs: IntCounter,
    /// Accounts that a reading of everything found other than the stream had left them.
    pub resync_differences: IntCounter,
    /// Judgements of accounts.
    pub evaluated: IntCounter,
    /// Transactions that were not sent since the hour's fees were spent.
    pub fee_budget_exhausted: IntCounter,
    /// Seconds that judging all accounts takes after one price.
    pub evaluation_seconds: prometheus::Histogram,
    /// Slots from when an account was first seen in trouble until it is closed or restored.
    pub slots_in_trouble: prometheus::Histogram,
    resident_bytes: Level,
    price_age_seconds: IntGaugeVec,
    fees_age_seconds: IntGaugeVec,
    transactions: IntCounterVec,
    refusals: Refusals,
    lost_races: IntCounterVec,
    earned: IntCounterVec,
    tasks: IntCounterVec,
    done: IntCounterVec,
    action_seconds: HistogramVec,
    registry: Registry,
    catalogue: Vec<Metric>,
}

/// A number that goes up and down.
#[derive(Clone, Debug)]
pub struct Level(IntGauge);

impl Level {
    /// Shows a number; one that does not fit as the largest or least.
    pub fn set<N: TryInto<i64> + PartialOrd + Default>(&self, value: N) {
        let fallback = if value < N::default() { i64::MIN } else { i64::MAX };
        self.0.set(value.try_into().unwrap_or(fallback));
    }

    /// What is shown.
    #[must_use]
    pub fn get(&self) -> i64 {
        self.0.get()
    }
}

/// Shows a value of a leg, or that there is none.
fn show(levels: &IntGaugeVec, leg: &str, value: Option<i64>) {
    match value {
        Some(value) => levels.with_label_values(&[leg]).set(value),
        // Fails for a leg that was never there, which is what is wanted.
        None => drop(levels.remove_label_values(&[leg])),
    }
}

/// Of an evaluation: from a tenth of a millisecond to seconds.
const EVALUATION: [f64; 11] = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0];
/// Of an action: from a simulation to the end of two blockhashes.
const ACTION: [f64; 10] = [0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 180.0];
/// Around what an auction takes: 10 slots to keep it running, 50 until the pool takes over.
const TROUBLE: [f64; 12] = [1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 25.0, 35.0, 50.0, 75.0, 100.0, 200.0];

impl Metrics {
    /// All of them, at zero.
    ///
    /// # Errors
    /// Never but for a name that stands twice, which the tests would find.
    pub fn new() -> prometheus::Result<Self> {
        let mut to = Register::default();
        let metrics = Self {
            accounts: to.level("accounts", "Margin accounts in the book")?,
            accounts_in_trouble: to
                .level("accounts_in_trouble", "Margin accounts below maintenance margin")?,
            accounts_doubtful: to
                .level("accounts_doubtful", "Margin accounts that need a price to be judged")?,
            accounts_indebted: to
                .level("accounts_indebted", "Margin accounts that owe quote or have something held back")?,
            backing_off: to.level("backing_off", "Tasks that wait since they failed")?,
            in_flight: to.level("in_flight", "Pieces of work under way")?,
            slot: to.level("slot", "Newest slot that was heard of")?,
            clock_lag_seconds: to.level("clock_lag_seconds", "Wall clock less the clock of the chain")?,
            stream_lag_slots: to.level("stream_lag_slots", "Slots that the stream is behind the node")?,
            synced: to.level("synced", "1 once everything was read and the streams stand")?,
            own_equity: to.level("own_equity", "Equity of the own margin account, quote units")?,
            own_free_margin: to
                .level("own_free_margin", "Free initial margin of the own account, quote units")?,
            own_inventory: to.level("own_inventory", "Worth of positions taken over, quote units")?,
            own_lamports: to.level("own_lamports", "Lamports of the fee payer")?,
            book_bytes: to.level("book_bytes", "Memory of the book of margin accounts")?,
            resident_bytes: to.level("resident_bytes", "Resident memory of the process")?,
            price_age_seconds: to.levels("price_age_seconds", "Age of a stored price", &["leg"])?,
            fees_age_seconds: to.levels(
                "fees_age_seconds",
                "For how long fees of a market have waited to be distributed",
                &["leg"],
            )?,
            transactions: to.counters(
                "transactions_total",
                "Transactions by how they ended",
                &["role", "outcome"],
            )?,
            refusals: Refusals::new(to.counters(
                "refusals_total",
                "Refused attempts by the name of the error",
                &["role", "error"],
            )?),
            lost_races: to.counters(
                "lost_races_total",
                "Work that somebody else had done first",
                &["role"],
            )?,
            earned: to.counters("earned_quote_units_total", "Earned before fees, quote units", &["role"])?,
            tasks: to.counters("tasks_total", "Tasks that were begun", &["role"])?,
            done: to.counters("done_total", "Tasks that did what they should", &["role"])?,
            fees_lamports: to
                .counter("fees_lamports_total", "Fees of transactions that were sent, lamports")?,
            reconnects: to.counter("reconnects_total", "Streams that were lost and connected again")?,
            resyncs: to.counter("resyncs_total", "Readings of everything")?,
            resync_differences: to.counter(
                "resync_differences_total",
                "Accounts that a reading found other than the stream left them",
            )?,
            evaluated: to.counter("evaluated_total", "Judgements of margin accounts")?,
            fee_budget_exhausted: to.counter(
                "fee_budget_exhausted_total",
                "Transactions not sent since the fees of the hour were spent",
            )?,
            evaluation_seconds: to.histogram(
                "evaluation_seconds",
                "Judging accounts after one price",
                &EVALUATION,
            )?,
            slots_in_trouble: to.histogram(
                "slots_in_trouble",
                "Slots until an account was out of trouble",
                &TROUBLE,
            )?,
            action_seconds: to.histograms(
                ("action_seconds", "An action from its begin to its end"),
                &["role"],
                &ACTION,
            )?,
            registry: to.registry,
            catalogue: to.catalogue,
        };
        metrics.begin_at_zero();
        Ok(metrics)
    }

    fn begin_at_zero(&self) {
        for role in Role::ALL.map(Role::as_str) {
            for counters in [&self.lost_races, &self.earned, &self.tasks, &self.done] {
                counters.with_label_values(&[role]);
            }
            for outcome in Outcome::ALL {
                self.transactions.with_label_values(&[role, outcome.as_str()]);
            }
            self.action_seconds.with_label_values(&[role]);
        }
    }

    /// An attempt ended.
    pub fn transaction(&self, role: Role, outcome: Outcome) {
        self.transactions.with_label_values(&[role.as_str(), outcome.as_str()]).inc();
    }

    /// An attempt was refused with an error of this name; numbers and addresses do not belong into it.
    pub fn refusal(&self, role: Role, error: &str) {
        self.refusals.count(role, error);
    }

    /// Somebody else was first.
    pub fn lost_race(&self, role: Role) {
        self.lost_races.with_label_values(&[role.as_str()]).inc();
    }

    /// A task did what it should, and earned so many quote units, before fees.
    pub fn done(&self, role: Role, quote_units: u64) {
        self.done.with_label_values(&[role.as_str()]).inc();
        self.earned.with_label_values(&[role.as_str()]).inc_by(quote_units);
    }

    /// A task was begun.
    pub fn task(&self, role: Role) {
        self.tasks.with_label_values(&[role.as_str()]).inc();
    }

    /// An action took so many seconds.
    pub fn action(&self, role: Role, took: std::time::Duration) {
        self.action_seconds.with_label_values(&[role.as_str()]).observe(took.as_secs_f64());
    }

    /// The stored price of a market or vault is so many seconds old; `None` if nobody depends on it.
    pub fn price_age(&self, leg: &str, seconds: Option<i64>) {
        show(&self.price_age_seconds, leg, seconds);
    }

    /// Fees of a market have waited for so many seconds; `None` without any.
    pub fn fees_age(&self, leg: &str, seconds: Option<i64>) {
        show(&self.fees_age_seconds, leg, seconds);
    }

    /// Markets and vaults are listed anew: some may be gone.
    pub fn forget_legs(&self) {
        self.price_age_seconds.reset();
        self.fees_age_seconds.reset();
    }

    /// Every metric that there is.
    #[must_use]
    pub fn catalogue(&self) -> &[Metric] {
        &self.catalogue
    }

    /// All of them in the text form of Prometheus.
    ///
    /// # Errors
    /// Never for what [`Metrics::new`] gave.
    pub fn render(&self) -> prometheus::Result<String> {
        if let Some(bytes) = memory::resident_bytes() {
            self.resident_bytes.set(bytes);
        }
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}
