//! What a keeper counts, read from the text that Prometheus reads.

use std::collections::BTreeMap;

use bulwark_keeper::metrics::PREFIX;

/// All series of a keeper at one moment.
#[derive(Clone, Debug, Default)]
pub struct Reading(Vec<Series>);

#[derive(Clone, Debug)]
struct Series {
    name: String,
    labels: BTreeMap<String, String>,
    /// Whole numbers; of seconds, the part before the point.
    value: i64,
}

impl Reading {
    /// Reads the text form of Prometheus.
    pub fn of(text: &str) -> Self {
        Self(text.lines().filter(|line| !line.starts_with('#')).filter_map(series).collect())
    }

    /// Sum of all series of a metric that have these labels; 0 without any.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> i64 {
        let has = |series: &&Series| {
            let all = labels.iter().all(|(key, value)| series.labels.get(*key).is_some_and(|v| v == value));
            series.name.strip_prefix(PREFIX) == Some(name) && all
        };
        self.0.iter().filter(has).map(|series| series.value).sum()
    }

    /// A metric without labels.
    pub fn get(&self, name: &str) -> i64 {
        self.sum(name, &[])
    }

    /// Whether there is a series of a metric with this label.
    pub fn has(&self, name: &str, (key, value): (&str, &str)) -> bool {
        let is = |s: &Series| {
            s.name.strip_prefix(PREFIX) == Some(name) && s.labels.get(key).is_some_and(|v| v == value)
        };
        self.0.iter().any(is)
    }

    /// Transactions of all roles that ended so.
    pub fn ended(&self, outcome: &str) -> i64 {
        self.sum("transactions_total", &[("outcome", outcome)])
    }

    /// Transactions of a role that did what they should.
    pub fn confirmed(&self, role: &str) -> i64 {
        self.sum("transactions_total", &[("role", role), ("outcome", "confirmed")])
    }

    /// Tasks of a role that did what they should, whichever transactions they went in.
    pub fn done(&self, role: &str) -> i64 {
        self.sum("done_total", &[("role", role)])
    }

    /// Milliseconds that an action of a role takes on average.
    pub fn action_ms(&self, role: &str) -> i64 {
        let of = |name: &str| self.sum(name, &[("role", role)]);
        of("action_seconds_sum") * 1_000 / of("action_seconds_count").max(1)
    }

    /// Values of a metric that are not zero, by their labels, for people.
    pub fn tell(&self, name: &str) -> String {
        let own = self.0.iter().filter(|s| s.name.strip_prefix(PREFIX) == Some(name) && s.value != 0);
        let tell = |series: &Series| {
            let labels: Vec<&str> = series.labels.values().map(String::as_str).collect();
            format!("{} {}", labels.join(" "), series.value)
        };
        own.map(tell).collect::<Vec<_>>().join(", ")
    }
}

/// `name{key="value",…} number`.
fn series(line: &str) -> Option<Series> {
    let (series, value) = line.rsplit_once(' ')?;
    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=')?;
        Some((key.to_string(), value.trim_matches('"').to_string()))
    };
    let labels = labels.trim_end_matches('}').split(',').filter_map(pair).collect();
    let value = value.split('.').next()?.parse().ok()?;
    Some(Series { name: name.to_string(), labels, value })
}
