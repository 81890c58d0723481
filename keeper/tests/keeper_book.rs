//! The keeper's page of the book names what there is: keys with their defaults, metrics, alarms, what `/healthz` says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use bulwark_keeper::config::{Address, Amount, Config, Role, Roles};
use bulwark_keeper::http::Health;
use bulwark_keeper::metrics::{Kind, Metrics, Outcome, PREFIX};
use toml::{Table, Value};

fn read(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn page() -> String {
    read("docs/src/operations/keeper.md")
}

/// The part of a page under a heading of the second level.
fn section(page: &str, heading: &str) -> String {
    let start = format!("## {heading}");
    let lines = page.lines().skip_while(|line| *line != start).skip(1);
    let text: Vec<_> = lines.take_while(|line| !line.starts_with("## ")).collect();
    assert!(!text.is_empty(), "no section {heading}");
    text.join("\n")
}

/// Cells of the rows of a section's table, by the name in the first.
fn rows(section: &str) -> BTreeMap<String, Vec<String>> {
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let (name, rest) = row.split_once("` |").expect("a name in backticks");
        let cells = rest.trim_end_matches('|').split('|').map(|cell| cell.trim().to_string());
        (name.to_string(), cells.collect())
    })
    .collect()
}

/// Every key of a configuration with its value. Oracles are no keys of their own.
fn keys(config: &Config) -> BTreeMap<String, Value> {
    fn flatten(prefix: &str, table: Table, into: &mut BTreeMap<String, Value>) {
        for (key, value) in table {
            let key = format!("{prefix}{key}");
            match value {
                Value::Table(table) if key != "refresh.accounts" => flatten(&format!("{key}."), table, into),
                value => drop(into.insert(key, value)),
            }
        }
    }
    let mut all = BTreeMap::new();
    flatten("", toml::from_str(&config.to_toml().unwrap()).unwrap(), &mut all);
    all
}

fn with_everything() -> Config {
    let mut config = Config { margin_account: Some(Address([7; 32].into())), ..Config::default() };
    config.cluster.genesis = Some("hash".into());
    config.fees.fixed = Some(1);
    config.fees.sol_price = Some(Amount::from(1));
    config
}

fn default_cell(key: &str, value: Option<&Value>) -> String {
    match value {
        Some(_) if key == "roles" => "all".into(),
        Some(Value::String(text)) => format!("`{text}`"),
        Some(Value::Table(_)) | None => "–".into(),
        Some(other) => format!("`{other}`"),
    }
}

#[test]
fn the_table_of_keys_has_every_key_with_its_default() {
    let documented = rows(&section(&page(), "Configuration"));
    let (all, defaults) = (keys(&with_everything()), keys(&Config::default()));
    assert_eq!(documented.keys().collect::<Vec<_>>(), all.keys().collect::<Vec<_>>());
    assert_eq!(Config::default().roles, Roles::from(Role::ALL));
    for (key, cells) in &documented {
        assert_eq!(cells[0], default_cell(key, defaults.get(key)), "{key}");
        assert_eq!(cells.len(), 3, "{key}");
    }
}

#[test]
fn the_example_has_every_key() {
    let (mut found, mut table) = (BTreeSet::new(), String::new());
    for line in read("keeper/keeper.example.toml").lines() {
        let line = line.trim_start_matches("# ");
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            found.insert(name.to_string());
            table = format!("{name}.");
        } else if let Some((key, _)) = line.split_once(" = ") {
            found.insert(format!("{table}{key}"));
        }
    }
    for key in keys(&with_everything()).keys() {
        assert!(found.contains(key), "{key} is not in the example");
    }
}

#[test]
fn the_table_of_metrics_has_every_metric() {
    let documented = rows(&section(&page(), "Metrics"));
    let metrics = Metrics::new().unwrap();
    let existing = metrics.catalogue().iter().map(|metric| {
        let kind = match metric.kind {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
            Kind::Histogram => "histogram",
        };
        let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let labels = if labels.is_empty() { "–".into() } else { labels.join(", ") };
        (metric.name.trim_start_matches(PREFIX).to_string(), vec![kind.to_string(), labels])
    });
    let documented: BTreeMap<_, _> =
        documented.into_iter().map(|(name, cells)| (name, cells[..2].to_vec())).collect();
    assert_eq!(documented, existing.collect());
    for outcome in Outcome::ALL {
        assert!(page().contains(&format!("`{}`", outcome.as_str())), "{}", outcome.as_str());
    }
}

#[test]
fn the_table_of_roles_has_every_role() {
    let documented: BTreeSet<_> = rows(&section(&page(), "What it does")).into_keys().collect();
    assert_eq!(documented, Role::ALL.map(|role| role.to_string()).into());
}

/// Names of metrics in a text, without what histograms add.
fn names_of_metrics(text: &str) -> BTreeSet<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let names = text.match_indices(PREFIX).map(|(at, _)| {
        let name: String = text[at..].chars().take_while(|c| plain(*c)).collect();
        name.trim_end_matches("_bucket").trim_end_matches("_sum").to_string()
    });
    names.filter(|name| name != PREFIX).collect()
}

#[test]
fn alarms_ask_for_metrics_and_labels_that_exist() {
    let (rules, metrics) = (read("keeper/alerts.yaml"), Metrics::new().unwrap());
    let asked = names_of_metrics(&rules);
    assert!(asked.len() > 10);
    for name in asked {
        assert!(metrics.catalogue().iter().any(|metric| metric.name == name), "{name}");
    }
    for (label, values) in [
        ("role", Role::ALL.map(Role::as_str).to_vec()),
        ("outcome", Outcome::ALL.map(Outcome::as_str).to_vec()),
    ] {
        let matchers = [format!("{label}=\""), format!("{label}=~\"")];
        for found in matchers.iter().flat_map(|matcher| rules.split(matcher.as_str()).skip(1)) {
            let (asked, _) = found.split_once('"').expect("a closing quote");
            assert!(asked.split('|').all(|value| values.contains(&value)), "{label} {asked}");
        }
    }
}

#[test]
fn every_alarm_has_a_page_of_the_runbook_and_the_other_way_round() {
    let rules = read("keeper/alerts.yaml");
    let alarms: Vec<_> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    let runbook = section(&page(), "Runbook");
    let headings: Vec<_> = runbook.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    assert_eq!(alarms, headings);
    assert_eq!(rules.matches("severity: ").count(), alarms.len(), "each says how much it hurts");
    assert_eq!(rules.matches("expr: ").count(), alarms.len());
}

#[test]
fn every_alarm_has_a_test_that_it_fires() {
    let (rules, tests) = (read("keeper/alerts.yaml"), read("keeper/alerts.test.yaml"));
    for alarm in rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        let fires = format!("alertname: {alarm}, exp_alerts: [{{ exp_labels:");
        assert!(tests.contains(&fires), "{alarm}");
    }
}

#[test]
fn everything_that_health_says_is_named() {
    let mut config = Config::default();
    config.http.max_silence_secs = 0;
    let health = Health::new(&config);
    health.set_stream_lag(u64::MAX);
    health.set_lamports(0);
    health.set_fee_budget_exhausted(true);
    let problems = health.problems();
    assert_eq!(problems.len(), 5);
    let said = section(&page(), "Metrics");
    for problem in problems {
        assert!(said.contains(&format!("`{}`", problem.name)), "{}", problem.name);
    }
}
