//! What people and programs read.

use bulwark_keeper::report::Identity;
use bulwark_keeper::report::history::Entries;
use bulwark_keeper::roles::Own;
use bulwark_sdk::Pubkey;
use serde_json::Value;

use crate::scene::{edge_and_rock, report_on, whose};

#[test]
fn the_text_has_its_tables_and_their_columns() {
    let (world, edge, rock) = edge_and_rock();
    let identity = Identity { own: whose(&rock), history: Ok(Entries::default()) };
    let text = report_on(&world, &[&edge, &rock], (Some(&identity), &[-10, 5])).to_string();
    let columns: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
        .collect();
    let has = |wanted: &[&str]| assert!(columns.iter().any(|line| line == wanted), "{wanted:?}\n{text}");
    has(&["account", "equity", "requirement", "ratio", "first", "distance", "standing", "auction"]);
    has(&[
        "market",
        "status",
        "price",
        "age",
        "oracle",
        "long",
        "short",
        "skew",
        "pool equity",
        "insurance",
        "required",
        "own cover",
        "OI scale",
        "remark",
    ]);
    has(&[
        "market",
        "shock",
        "below maint.",
        "negative",
        "unknown",
        "bad debt",
        "stands against",
        "insurance",
        "reserve",
        "stake",
        "left",
        "suffices",
    ]);
    has(&["shock", "0", "1"]);
    has(&["holds", "side", "amount", "mark", "worth", "unrealised PnL"]);
    has(&["what", "times", "amount"]);
    has(&["none: no transaction was found"]);
    // The one on the edge at −10 %, alone and together with the other market.
    let debt = columns.iter().filter(|line| line.get(1) == Some(&"-10 %") && line.get(3) == Some(&"1"));
    assert_eq!(debt.filter(|line| line.last() == Some(&"NO")).count(), 2, "{text}");
    assert!(text.contains(&edge.margin.to_string()));
}

#[test]
fn a_history_that_can_not_be_read_says_why_and_spoils_nothing_else() {
    let (world, edge, rock) = edge_and_rock();
    let history = Err("the node keeps none".to_string());
    let identity = Identity { own: whose(&rock), history };
    let report = report_on(&world, &[&edge, &rock], (Some(&identity), &[5]));
    let text = report.to_string();
    assert!(text.contains("Earnings: not known: the node keeps none"), "{text}");
    let own = report.own.expect("own");
    assert!(own.holdings.is_some() && own.earnings.is_none());
    let closed = Identity { own: Own { margin: Pubkey::default(), ..identity.own }, ..identity };
    assert!(report_on(&world, &[&edge], (Some(&closed), &[])).to_string().contains("not open"));
    assert!(report_on(&world, &[&edge], (None, &[])).to_string().contains("no key is configured"));
}

#[test]
fn amounts_are_strings_of_units_in_json() {
    let (world, edge, rock) = edge_and_rock();
    let report = report_on(&world, &[&edge, &rock], (None, &[-10]));
    let json: Value = serde_json::from_str(&report.to_json().expect("json")).expect("json");
    assert_eq!((&json["decimals"], &json["own"]), (&Value::from(6), &Value::Null));
    let equity = report.risks.nearest[0].equity.0.to_string();
    assert_eq!(json["risks"]["nearest"][0]["equity"], equity.as_str());
    assert_eq!(json["risks"]["counts"]["inTrouble"], 0);
    assert_eq!(json["solvency"][0]["target"], "allMarkets");
    assert_eq!(json["solvency"][1]["target"]["market"], 0);
    assert_eq!(json["solvency"][1]["shockPercent"], -10);
    assert_eq!(json["solvency"][1]["badDebt"], report.solvency[1].bad_debt.0.to_string().as_str());
}
