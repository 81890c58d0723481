//! The table of compute units: as JSON for tools, as Markdown for people, and the comparison of two.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value};

/// One instruction, or a variant of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Name of the instruction, variant in brackets.
    pub name: String,
    /// Compute units by shape.
    pub units: Vec<u64>,
}

/// Compute units of every instruction at every shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Names of the columns.
    pub shapes: Vec<String>,
    /// In the order of the listing.
    pub rows: Vec<Row>,
}

/// The most that an instruction may cost at a shape.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Row.
    pub row: &'static str,
    /// Column.
    pub shape: &'static str,
    /// Compute units.
    pub limit: u64,
}

const fn budget(row: &'static str, shape: &'static str, limit: u64) -> Budget {
    Budget { row, shape, limit }
}

/// All budgets.
pub const BUDGETS: [Budget; 33] = [
    budget("execute_change", "one", 15_000),
    budget("execute_change (sources)", "one", 15_000),
    budget("execute_change (vault)", "one", 15_000),
    budget("tighten", "one", 10_000),
    budget("refresh_market", "one", 11_000),
    budget("refresh_market (carry)", "one", 11_000),
    budget("deposit", "one", 7_500),
    budget("withdraw", "one", 11_000),
    budget("open_position", "one", 16_000),
    budget("open_position", "max", 75_000),
    budget("open_position (increase)", "one", 16_000),
    budget("open_position (increase)", "max", 75_000),
    budget("close_position", "one", 16_000),
    budget("close_position (partial)", "one", 16_000),
    budget("settle_position", "one", 8_000),
    budget("execute_trigger", "one", 22_000),
    budget("execute_trigger (take-profit)", "one", 22_000),
    budget("execute_trigger (cancelled)", "one", 22_000),
    budget("add_liquidity", "eight", 40_000),
    budget("redeem", "eight", 40_000),
    budget("liquidate", "one", 20_000),
    budget("liquidate", "max", 90_000),
    budget("liquidate_to_pool", "one", 18_000),
    budget("liquidate_to_pool (takeover)", "one", 18_000),
    budget("liquidate_collateral", "max", 90_000),
    budget("resolve_bankruptcy", "one", 60_000),
    budget("resolve_bankruptcy (128 buckets)", "one", 60_000),
    budget("rebalance_market (128 buckets)", "one", 60_000),
    budget("auto_deleverage", "one", 18_000),
    budget("stake_backstop", "one", 12_000),
    budget("request_unstake", "one", 12_000),
    budget("unstake", "one", 12_000),
    budget("cancel_unstake", "one", 12_000),
];

/// A number may rise by this share of the committed one, percent.
const TOLERANCE_PERCENT: u64 = 2;

const FIRST_COLUMN: &str = "instruction";
const LAST_COLUMN: &str = "budget";

impl Table {
    /// `{ "instruction": { "shape": compute_units } }`.
    pub fn to_json(&self) -> Value {
        let row = |row: &Row| {
            let cells =
                self.shapes.iter().zip(&row.units).map(|(shape, &units)| (shape.clone(), units.into()));
            (row.name.clone(), Value::Object(cells.collect()))
        };
        Value::Object(self.rows.iter().map(row).collect::<Map<_, _>>())
    }

    /// A Markdown table, aligned for reading as it is.
    pub fn to_markdown(&self) -> String {
        let shapes = self.shapes.iter().map(String::as_str);
        let mut lines = vec![cells([FIRST_COLUMN].into_iter().chain(shapes).chain([LAST_COLUMN]))];
        for row in &self.rows {
            let units = row.units.iter().map(|&u| thousands(u));
            lines.push([row.name.clone()].into_iter().chain(units).chain([budget_cell(&row.name)]).collect());
        }
        markdown(&lines)
    }

    /// Reads the table that [`Table::to_markdown`] wrote, wherever it stands in `text`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_markdown(text: &str) -> Result<Self, String> {
        let mut lines = text.lines().skip_while(|l| split(l).first() != Some(&FIRST_COLUMN));
        let header = split(lines.next().ok_or("no table of compute units")?);
        let shapes: Vec<String> =
            header.iter().skip(1).take_while(|c| **c != LAST_COLUMN).map(|c| (*c).into()).collect();
        let mut rows: Vec<Row> = Vec::new();
        for line in lines.skip(1).take_while(|l| l.starts_with('|')) {
            let cells = split(line);
            let numbers = cells.iter().skip(1).take(shapes.len());
            let units = numbers.map(|c| c.replace(',', "").parse()).collect::<Result<Vec<u64>, _>>();
            let units = units.ok().filter(|u| u.len() == shapes.len()).ok_or(format!("not a row: {line}"))?;
            if rows.iter().any(|r| r.name == cells[0]) {
                return Err(format!("two rows of {}", cells[0]));
            }
            rows.push(Row { name: cells[0].into(), units });
        }
        Ok(Self { shapes, rows })
    }

    /// Everything in `self` that the committed table does not allow.
    pub fn offences(&self, committed: &Self) -> Vec<String> {
        let (new, old) = (self.by_cell(), committed.by_cell());
        let mut offences = self.over_budget();
        for (cell, units) in &new {
            match old.get(cell) {
                None => offences.push(format!("{cell}: not in the table")),
                Some(before) if units * 100 > before * (100 + TOLERANCE_PERCENT) => {
                    offences.push(format!("{cell}: {}", change(*before, *units)));
                }
                Some(_) => {}
            }
        }
        let gone = old.keys().filter(|cell| !new.contains_key(*cell));
        offences.extend(gone.map(|cell| format!("{cell}: in the table, but not measured")));
        offences
    }

    /// Numbers that fell so far that the committed table should say so.
    pub fn improvements(&self, committed: &Self) -> Vec<String> {
        let old = committed.by_cell();
        let fallen = self.by_cell().into_iter().filter_map(|(cell, units)| {
            let before = *old.get(&cell)?;
            let fell = units * 100 < before * (100 - TOLERANCE_PERCENT);
            fell.then(|| format!("{cell}: {}", change(before, units)))
        });
        fallen.collect()
    }

    /// Numbers above their budget.
    pub fn over_budget(&self) -> Vec<String> {
        let cells = self.by_cell();
        let over = BUDGETS.iter().filter_map(|budget| {
            let cell = cell_name(budget.row, budget.shape);
            let units = *cells.get(&cell)?;
            let text =
                || format!("{cell}: {} is over the budget of {}", thousands(units), thousands(budget.limit));
            (units > budget.limit).then(text)
        });
        over.collect()
    }

    fn by_cell(&self) -> BTreeMap<String, u64> {
        let cells = |row: &Row| {
            let named = self.shapes.iter().zip(row.units.clone());
            named.map(|(shape, units)| (cell_name(&row.name, shape), units)).collect::<Vec<_>>()
        };
        self.rows.iter().flat_map(cells).collect()
    }
}

fn cell_name(row: &str, shape: &str) -> String {
    format!("{row} at {shape}")
}

fn change(before: u64, after: u64) -> String {
    let hundredths = after.abs_diff(before) * 10_000 / before.max(1);
    let sign = if after < before { '-' } else { '+' };
    format!(
        "{} → {} ({sign}{}.{:02} %)",
        thousands(before),
        thousands(after),
        hundredths / 100,
        hundredths % 100
    )
}

fn budget_cell(row: &str) -> String {
    let of_row = BUDGETS.iter().filter(|b| b.row == row);
    of_row.map(|b| format!("{} at {}", thousands(b.limit), b.shape)).collect::<Vec<_>>().join(", ")
}

fn cells<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    names.into_iter().map(Into::into).collect()
}

/// Cells of a line of a Markdown table.
fn split(line: &str) -> Vec<&str> {
    line.trim().trim_matches('|').split('|').map(str::trim).collect()
}

/// Lines of cells, the first of them the header, as a Markdown table: names to the left, the rest to the right.
pub fn markdown(lines: &[Vec<String>]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let width =
        |i: usize| lines.iter().filter_map(|l| l.get(i)).map(|c| c.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        for (i, (cell, &width)) in line.iter().zip(&widths).enumerate() {
            let _ =
                if i == 0 { write!(text, "| {cell:<width$} ") } else { write!(text, "| {cell:>width$} ") };
        }
        text.push_str("|\n");
        if number == 0 {
            let rule = |(i, width): (usize, &usize)| {
                if i == 0 { format!("|-{:-<width$}-", "") } else { format!("|-{:-<width$}:", "") }
            };
            text.extend(widths.iter().enumerate().map(rule));
            text.push_str("|\n");
        }
    }
    text
}

/// `1234567` as `1,234,567`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[(&str, [u64; 2])]) -> Table {
        let rows = rows.iter().map(|(name, units)| Row { name: (*name).into(), units: units.to_vec() });
        Table { shapes: vec!["one".into(), "max".into()], rows: rows.collect() }
    }

    #[test]
    fn markdown_reads_back_with_text_around_it() {
        let written = table(&[("deposit", [7_000, 1_234_567]), ("settle_position (loss)", [9, 10])]);
        let text =
            format!("# Title\n\n| other | x |\n|-|-|\n| a | 1 |\n\n{}\nMore.\n", written.to_markdown());
        assert_eq!(Table::from_markdown(&text), Ok(written));
    }

    #[test]
    fn what_is_no_table_is_refused() {
        assert!(Table::from_markdown("").is_err());
        let header = "| instruction | one | budget |\n|-|-|-|\n";
        assert!(Table::from_markdown(&format!("{header}| deposit | many | |\n")).is_err());
        assert!(Table::from_markdown(&format!("{header}| deposit |\n")).is_err());
        let twice = format!("{header}| deposit | 1 | |\n| deposit | 1 | |\n");
        assert_eq!(Table::from_markdown(&twice), Err("two rows of deposit".into()));
    }

    #[test]
    fn a_rise_of_two_percent_is_allowed_and_no_more() {
        let committed = table(&[("sweep_market", [5_000, 5_000])]);
        assert_eq!(table(&[("sweep_market", [5_100, 1])]).offences(&committed), [""; 0]);
        let offences = table(&[("sweep_market", [5_101, 5_000])]).offences(&committed);
        assert_eq!(offences, ["sweep_market at one: 5,000 → 5,101 (+2.02 %)"]);
    }

    #[test]
    fn a_row_is_missing_on_either_side() {
        let (a, b) = (table(&[("a", [1, 1])]), table(&[("b", [1, 1])]));
        let offences = a.offences(&b);
        assert_eq!(offences.len(), 4);
        assert!(offences.contains(&"a at one: not in the table".into()));
        assert!(offences.contains(&"b at max: in the table, but not measured".into()));
    }

    #[test]
    fn a_budget_binds_whatever_the_table_says() {
        let over = table(&[("open_position", [16_000, 75_001])]);
        assert_eq!(over.offences(&over), ["open_position at max: 75,001 is over the budget of 75,000"]);
        assert_eq!(table(&[("open_position", [16_000, 75_000])]).over_budget(), [""; 0]);
    }

    #[test]
    fn what_fell_is_an_improvement_not_an_offence() {
        let (committed, now) = (table(&[("a", [1_000, 1_000])]), table(&[("a", [980, 979])]));
        assert_eq!(now.offences(&committed), [""; 0]);
        assert_eq!(now.improvements(&committed), ["a at max: 1,000 → 979 (-2.10 %)"]);
    }

    #[test]
    fn json_has_instruction_shape_units() {
        let json = table(&[("a", [1, 2]), ("b", [3, 4])]).to_json();
        assert_eq!(json, serde_json::json!({ "a": { "one": 1, "max": 2 }, "b": { "one": 3, "max": 4 } }));
    }

    #[test]
    fn thousands_are_separated() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
    }
}
