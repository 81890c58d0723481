//! What is counted, and how it reads.

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;

fn line(text: &str, series: &str) -> Option<String> {
    let start = format!("{PREFIX}{series} ");
    text.lines().find_map(|line| line.strip_prefix(&start)).map(str::to_string)
}

#[test]
fn every_series_with_known_labels_begins_at_zero() {
    let text = Metrics::new().unwrap().render().unwrap();
    for role in Role::ALL {
        for outcome in Outcome::ALL {
            let series = format!("transactions_total{{outcome=\"{}\",role=\"{role}\"}}", outcome.as_str());
            assert_eq!(line(&text, &series).as_deref(), Some("0"), "{series}");
        }
        assert!(line(&text, &format!("earned_quote_units_total{{role=\"{role}\"}}")).is_some());
    }
    assert_eq!(line(&text, "synced").as_deref(), Some("0"));
    assert_eq!(line(&text, "slots_in_trouble_bucket{le=\"50\"}").as_deref(), Some("0"));
}

#[test]
fn what_is_counted_is_shown() {
    let metrics = Metrics::new().unwrap();
    metrics.transaction(Role::Liquidate, Outcome::DryRun);
    metrics.done(Role::Liquidate, 1_500_000);
    metrics.lost_race(Role::Trigger);
    metrics.task(Role::Sweep);
    metrics.action(Role::Settle, Duration::from_millis(300));
    metrics.slots_in_trouble.observe(12.0);
    metrics.own_equity.set(-5_i64);
    metrics.price_age("market 0", Some(7));
    metrics.fees_age("market 0", Some(3_600));
    metrics.refusal(Role::Liquidate, "NotTheWorst");
    let text = metrics.render().unwrap();
    for (series, value) in [
        ("transactions_total{outcome=\"dry_run\",role=\"liquidate\"}", "1"),
        ("earned_quote_units_total{role=\"liquidate\"}", "1500000"),
        ("done_total{role=\"liquidate\"}", "1"),
        ("lost_races_total{role=\"trigger\"}", "1"),
        ("tasks_total{role=\"sweep\"}", "1"),
        ("action_seconds_bucket{role=\"settle\",le=\"0.5\"}", "1"),
        ("slots_in_trouble_bucket{le=\"10\"}", "0"),
        ("slots_in_trouble_bucket{le=\"15\"}", "1"),
        ("own_equity", "-5"),
        ("price_age_seconds{leg=\"market 0\"}", "7"),
        ("fees_age_seconds{leg=\"market 0\"}", "3600"),
        ("refusals_total{error=\"NotTheWorst\",role=\"liquidate\"}", "1"),
    ] {
        assert_eq!(line(&text, series).as_deref(), Some(value), "{series}");
    }
    metrics.price_age("market 0", None);
    metrics.fees_age("market 0", None);
    metrics.price_age("market 9", None);
    assert!(!metrics.render().unwrap().contains("market 0"));
    metrics.price_age("market 1", Some(7));
    metrics.fees_age("market 1", Some(7));
    metrics.forget_legs();
    assert!(!metrics.render().unwrap().contains("market 1"));
}

#[test]
fn labels_of_refusals_stay_few_whatever_errors_there_are() {
    let metrics = Metrics::new().unwrap();
    for number in 0..1_000 {
        metrics.refusal(Role::Liquidate, &format!("Error{number}"));
    }
    metrics.refusal(Role::Liquidate, "a sentence: with 5 numbers");
    let text = metrics.render().unwrap();
    assert_eq!(text.matches("refusals_total{").count(), Refusals::MOST + 1);
    let others = line(&text, "refusals_total{error=\"other\",role=\"liquidate\"}");
    assert_eq!(others.as_deref(), Some("801"));
}

#[test]
fn an_amount_that_does_not_fit_is_the_largest() {
    let metrics = Metrics::new().unwrap();
    metrics.own_lamports.set(u64::MAX);
    assert_eq!(metrics.own_lamports.get(), i64::MAX);
    metrics.own_equity.set(i128::MIN);
    assert_eq!(metrics.own_equity.get(), i64::MIN);
}

#[test]
fn the_catalogue_has_what_is_shown_once_it_was_used() {
    let metrics = Metrics::new().unwrap();
    metrics.price_age("market 0", Some(0));
    metrics.fees_age("market 0", Some(0));
    metrics.refusal(Role::Sweep, "Healthy");
    let text = metrics.render().unwrap();
    let shown: BTreeSet<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let kind = |kind| match kind {
        Kind::Gauge => "gauge",
        Kind::Counter => "counter",
        Kind::Histogram => "histogram",
    };
    let listed: Vec<_> =
        metrics.catalogue().iter().map(|metric| format!("{} {}", metric.name, kind(metric.kind))).collect();
    assert_eq!(shown, listed.iter().map(String::as_str).collect());
    for metric in metrics.catalogue() {
        assert_eq!(metric.kind == Kind::Counter, metric.name.ends_with("_total"), "{}", metric.name);
    }
}

#[test]
fn the_process_has_some_memory() {
    let text = Metrics::new().unwrap().render().unwrap();
    let bytes: u64 = line(&text, "resident_bytes").unwrap().parse().unwrap();
    assert!(bytes > 1 << 20, "{bytes}");
}
