//! Where a page is, and what belongs into a cell of its tables.

use std::path::PathBuf;

use serde_json::Value;

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The interface description.
pub fn idl() -> Value {
    let path = repository().join("idl/bulwark.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("JSON")
}

/// Writes a page of the reference if `BOOK_WRITE` is set; otherwise it must be what is committed.
pub fn check(name: &str, text: &str) {
    let path = repository().join("docs/src/reference").join(name);
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    if committed == text {
        return;
    }
    if std::env::var_os("BOOK_WRITE").is_some() {
        std::fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        return;
    }
    let differs = |(now, then): &(&str, &str)| now != then;
    let line = text.lines().zip(committed.lines()).position(|pair| differs(&pair));
    let line = line.unwrap_or_else(|| text.lines().count().min(committed.lines().count()));
    panic!(
        "docs/src/reference/{name} is not current from line {} on: run `make book-pages` and commit it",
        line + 1
    );
}

/// The documentation of something in the interface description, on one line and fit for a cell.
pub fn docs(of: &Value) -> String {
    let lines = of["docs"].as_array().into_iter().flatten().filter_map(Value::as_str);
    cell(&lines.collect::<Vec<_>>().join(" "))
}

/// Text that stands in a cell as it is.
pub fn cell(text: &str) -> String {
    let plain = text.replace("[`", "`").replace("`]", "`");
    plain.replace('|', "\\|").replace('<', "&lt;").replace('*', "\\*").replace("  ", " ").trim().to_string()
}

/// A number with its thousands apart; powers of two and the largest numbers by name.
pub fn number(value: u64) -> String {
    if value == u64::MAX {
        return "no limit".to_string();
    }
    if value >= 1 << 32 && value.is_power_of_two() {
        return format!("2^{}", value.ilog2());
    }
    let digits = value.to_string();
    let mut grouped = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A ratio in ppm, in per cent.
pub fn percent(ppm: u32) -> String {
    let (whole, rest) = (ppm / 10_000, ppm % 10_000);
    if rest == 0 {
        return format!("{whole} %");
    }
    format!("{whole}.{} %", format!("{rest:04}").trim_end_matches('0'))
}
