//! Makes metrics and keeps a list of them, which the documentation is compared with.

use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    Result,
};

use super::Level;

/// What the names of all metrics begin with.
pub const PREFIX: &str = "bulwark_keeper_";

/// Kind of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Goes up and down.
    Gauge,
    /// Only goes up.
    Counter,
    /// Counts values by how large they are.
    Histogram,
}

/// A metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name, with [`PREFIX`].
    pub name: String,
    /// Its kind.
    pub kind: Kind,
    /// What it is.
    pub help: &'static str,
    /// Its labels.
    pub labels: Vec<&'static str>,
}

/// Where metrics are made.
#[derive(Default)]
pub(super) struct Register {
    pub(super) registry: Registry,
    pub(super) catalogue: Vec<Metric>,
}

impl Register {
    fn add<C: Collector + Clone + 'static>(
        &mut self,
        kind: Kind,
        (name, help, labels): (&str, &'static str, &[&'static str]),
        make: impl FnOnce(Opts) -> Result<C>,
    ) -> Result<C> {
        let name = format!("{PREFIX}{name}");
        let collector = make(Opts::new(&name, help))?;
        self.registry.register(Box::new(collector.clone()))?;
        self.catalogue.push(Metric { name, kind, help, labels: labels.to_vec() });
        Ok(collector)
    }

    pub(super) fn level(&mut self, name: &str, help: &'static str) -> Result<Level> {
        self.add(Kind::Gauge, (name, help, &[]), IntGauge::with_opts).map(Level)
    }

    pub(super) fn levels(
        &mut self,
        name: &str,
        help: &'static str,
        labels: &[&'static str],
    ) -> Result<IntGaugeVec> {
        self.add(Kind::Gauge, (name, help, labels), |opts| IntGaugeVec::new(opts, labels))
    }

    pub(super) fn counter(&mut self, name: &str, help: &'static str) -> Result<IntCounter> {
        self.add(Kind::Counter, (name, help, &[]), IntCounter::with_opts)
    }

    pub(super) fn counters(
        &mut self,
        name: &str,
        help: &'static str,
        labels: &[&'static str],
    ) -> Result<IntCounterVec> {
        self.add(Kind::Counter, (name, help, labels), |opts| IntCounterVec::new(opts, labels))
    }

    pub(super) fn histogram(&mut self, name: &str, help: &'static str, buckets: &[f64]) -> Result<Histogram> {
        let with = |opts| Histogram::with_opts(HistogramOpts::from(opts).buckets(buckets.to_vec()));
        self.add(Kind::Histogram, (name, help, &[]), with)
    }

    pub(super) fn histograms(
        &mut self,
        (name, help): (&str, &'static str),
        labels: &[&'static str],
        buckets: &[f64],
    ) -> Result<HistogramVec> {
        let with = |opts| HistogramVec::new(HistogramOpts::from(opts).buckets(buckets.to_vec()), labels);
        self.add(Kind::Histogram, (name, help, labels), with)
    }
}
