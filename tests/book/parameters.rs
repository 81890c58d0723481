//! The page of parameters: what each is, its hard bounds, how far one change may move it, and which way is safe.

use std::fmt::Write as _;

use anchor_lang::{AnchorDeserialize, AnchorSerialize};
use bulwark_engine::carry::CarryParams;
use bulwark_engine::collateral::CollateralParams;
use bulwark_engine::governance::{self, DEFAULT_DELAY, ExchangeParams, InsuranceParams};
use bulwark_engine::market::MarketParams;
use bulwark_engine::pool::PoolParams;
use bulwark_engine::price::OracleParams;
use bulwark_engine::tighten::{Governed, Rule, STEP_INTERVAL, Safer, Step};
use bulwark_engine::units::PPM_ONE;
use bulwark_engine::volatility::VolatilityParams;
use bulwark_tests::fixtures;
use serde_json::Value;

use crate::page::{self, number, percent};
use crate::probe::{Check, Probe};

const HEAD: &str = "\
# Parameters

<!-- Made by tests/book from the engine's tables and checks: `make book-pages` writes it. -->

Every number that governance can set. *Bounds* are compiled into the program and hold for everybody. *One change* is how
far one change may move a parameter from what it is; the bounds hold besides. *Safer* is the direction in which it protects the
exchange: a move that way is a tightening, which admin or guardian can make at once; everything else waits for the
[delay](../concepts/governance.md). **Weekly** marks parameters whose tightening may hurt somebody who is in the exchange: at once they
move by one step, and then not again for a week. `ppm` is parts per million: 10,000 ppm are 1 %. *Default* is what the engine
proposes, where it does. Bounds that depend on other parameters are shown as they are (*here*) for a usual set of them.

";

/// One table.
struct Section<'a, P> {
    title: &'a str,
    intro: &'a str,
    kind: &'a str,
    valid: P,
    check: Check<P>,
    /// Another check, and for what it is.
    other: Option<(&'a str, Check<P>)>,
    /// Paths that begin so have a default: the value in `valid`.
    defaults: &'a [&'a str],
}

impl<P: Governed + AnchorSerialize + AnchorDeserialize> Section<'_, P> {
    fn write(&self, idl: &Value, page: &mut String) {
        let probe = Probe::new(idl, self.kind, (&self.valid, self.check));
        writeln!(page, "## {}\n\n{}\n", self.title, self.intro).expect("a string");
        page.push_str("| parameter | what it is | unit | bounds | one change | safer | default |\n|---|---|---|---|---|---|---|\n");
        let mut rows: Vec<(String, String)> = Vec::new();
        for (rule, value) in P::RULES.iter().zip(self.valid.values()) {
            let name = rule.name.replace("[0]", "[0…7]");
            if rule.name.ends_with(']') && !rule.name.ends_with("[0]") {
                let (_, first) = rows.last().expect("the first of them");
                assert_eq!(*first, self.rest(&probe, rule, value), "{} differs from the others", rule.name);
                continue;
            }
            rows.push((name, self.rest(&probe, rule, value)));
        }
        for (name, rest) in rows {
            writeln!(page, "| `{name}` | {rest} |").expect("a string");
        }
        page.push('\n');
        self.write_other(idl, &probe, page);
    }

    /// The cells behind the name.
    fn rest(&self, probe: &Probe<P>, rule: &Rule, value: u64) -> String {
        let field = probe.field(rule.name);
        let default = self.defaults.iter().any(|prefix| rule.name.starts_with(prefix));
        let default = if default { number(value) } else { "–".to_string() };
        let (step, safer) = (step(rule), safer(rule));
        let cells = [&field.docs, unit(rule.name), &bounds(probe, rule.name), &step, &safer, &default];
        cells.join(" | ")
    }

    /// Bounds that differ under the other check.
    fn write_other(&self, idl: &Value, usual: &Probe<P>, page: &mut String) {
        let Some((what, check)) = self.other else { return };
        let other = Probe::new(idl, self.kind, (&self.valid, check));
        let rows = P::RULES.iter().map(|rule| (rule.name, bounds(&other, rule.name)));
        let differs = rows.filter(|(name, bounds)| *bounds != self::bounds(usual, name));
        let list: Vec<String> = differs.map(|(name, bounds)| format!("`{name}` {bounds}")).collect();
        assert!(!list.is_empty(), "{what} is checked like the others");
        writeln!(page, "{what}: {}.\n", list.join("; ")).expect("a string");
    }
}

fn bounds<P: Governed + AnchorSerialize + AnchorDeserialize>(probe: &Probe<P>, path: &str) -> String {
    let bounds = probe.bounds(path);
    let most = if bounds.most == probe.field(path).most() { u64::MAX } else { bounds.most };
    let range = format!("{} to {}", number(bounds.least), number(most));
    if bounds.by.is_empty() {
        return range;
    }
    let by: Vec<String> = bounds.by.iter().map(|by| format!("`{by}`")).collect();
    format!("{range} here: depends on {}", by.join(", "))
}

fn step(rule: &Rule) -> String {
    match rule.step {
        _ if rule.safer == Safer::Fixed => "none: decided at the listing".to_string(),
        Step::Free => "as far as the bounds".to_string(),
        Step::Doubled { down_ppm } => {
            format!("to twice as much, from 0 to anything; {}", down(down_ppm, 0))
        }
        Step::Bounded { up_ppm: 0, down_ppm: 0, least } => format!("± {}", number(least)),
        Step::Bounded { up_ppm, down_ppm, least } => {
            let up = match up_ppm {
                u32::MAX => "up as far as the bounds".to_string(),
                0 => format!("+{}", number(least)),
                ppm => format!("+{}{}", percent(ppm), or_by(least)),
            };
            format!("{up}; {}", down(down_ppm, least))
        }
    }
}

fn down(ppm: u32, least: u64) -> String {
    if ppm == PPM_ONE { "down to 0".to_string() } else { format!("−{}{}", percent(ppm), or_by(least)) }
}

fn or_by(least: u64) -> String {
    if least == 0 { String::new() } else { format!(", or {}", number(least)) }
}

fn safer(rule: &Rule) -> String {
    let direction = match rule.safer {
        Safer::Lower => "lower",
        Safer::Higher => "higher",
        Safer::Neither | Safer::Fixed => "–",
    };
    if rule.is_gradual() { format!("{direction}, **weekly**") } else { direction.to_string() }
}

fn unit(path: &str) -> &'static str {
    match path {
        "carry.funding_velocity_ppm" => "ppm a day, per day",
        "carry.borrow_kink_ppm" => "ppm",
        "senior_rate_ppm" => "ppm a year",
        "cap_growth_ppm" => "ppm a day",
        "volatility.sigma_floor_ppm" => "ppm per √s",
        _ if path.starts_with("volatility.") => "ppm (1,000,000 is 1 σ)",
        _ if path.starts_with("carry.") => "ppm a day",
        _ if path.trim_end_matches(|c: char| "[]01234567".contains(c)).ends_with("_ppm") => "ppm",
        "skew_scale" | "max_oi" | "share_floor" | "step" => "lots",
        "min_notional" | "oi_margin_low" | "oi_margin_high" | "trigger_fee" | "auto_exchange_threshold" => {
            "quote units"
        }
        "deleverage.inventory_cap" | "deleverage.keeper_tip" => "quote units",
        "max_deposits" | "soft_cap" | "outflow.floor" => "token units",
        "toxic_window" | "max_outage" | "redeem_delay" | "redeem_window" | "delay" => "s",
        _ if path.starts_with("oracle.") => "s",
        "lot_decimals" => "decimals",
        "risk_group" => "number",
        "waterfall.tail" => "0 or 1",
        _ => panic!("{path} has no unit"),
    }
}

fn market() -> MarketParams {
    let valid = fixtures::SOL_ASSET.listed_params();
    MarketParams {
        carry: CarryParams::DEFAULT,
        volatility: VolatilityParams::DEFAULT,
        oracle: OracleParams::DEFAULT,
        ..valid
    }
}

fn exchange() -> ExchangeParams {
    ExchangeParams { delay: DEFAULT_DELAY, ..bytemuck::Zeroable::zeroed() }
}

fn constants() -> String {
    let days = |seconds: i64| format!("{} h", seconds / 3_600);
    let rows = [
        ("shortest delay of a change", days(i64::from(governance::MIN_DELAY))),
        ("longest delay of a change", days(i64::from(governance::MAX_DELAY))),
        ("a change can be executed for", days(governance::CHANGE_WINDOW)),
        ("between two steps of a **weekly** parameter", days(STEP_INTERVAL)),
        ("longest pause of the ways out", days(governance::MAX_EXIT_PAUSE)),
        ("then no other pause of them for", days(governance::EXIT_REST)),
        (
            "without a price, until governance may name the one to settle at",
            days(governance::DEAD_FOR_SETTLEMENT),
        ),
    ];
    let rows = rows.map(|(what, value)| format!("| {what} | {value} |\n")).concat();
    format!("## Times that nobody can change\n\n| what | how long |\n|---|---|\n{rows}")
}

#[test]
fn the_page_of_parameters_is_current() {
    let (idl, mut page) = (page::idl(), HEAD.to_string());
    Section {
        title: "Market",
        intro: "Lots are 10^-`lot_decimals` of the base asset; the worth of a lot is 0.01 to 1 quote unit when a market is created.",
        kind: "MarketParams",
        valid: market(),
        check: MarketParams::validate,
        other: Some(("A new market begins with narrower bounds", MarketParams::validate_listing)),
        defaults: &["carry.", "volatility.", "oracle."],
    }
    .write(&idl, &mut page);
    Section {
        title: "Vault",
        intro: "One for each collateral, and one for the quote token, whose haircuts are the floor of its weight.",
        kind: "CollateralParams",
        valid: fixtures::collateral_params(1_000_000_000_000_000),
        check: CollateralParams::validate,
        other: Some(("For the quote token", CollateralParams::validate_limits)),
        defaults: &["oracle."],
    }
    .write(&idl, &mut page);
    Section {
        title: "Pool",
        intro: "What providers may rely on moves behind the delay only.",
        kind: "PoolParams",
        valid: PoolParams::DEFAULT,
        check: PoolParams::validate,
        other: None,
        defaults: &[""],
    }
    .write(&idl, &mut page);
    Section {
        title: "Exchange",
        intro: "What all markets share.",
        kind: "ExchangeParams",
        valid: exchange(),
        check: ExchangeParams::validate,
        other: None,
        defaults: &["delay"],
    }
    .write(&idl, &mut page);
    Section {
        title: "Insurance fund",
        intro: "The reserve gets what the stakers do not.",
        kind: "InsuranceParams",
        valid: InsuranceParams { stake_income_ppm: 500_000 },
        check: InsuranceParams::validate,
        other: None,
        defaults: &[],
    }
    .write(&idl, &mut page);
    page.push_str(&constants());
    page::check("parameters.md", &page);
}
