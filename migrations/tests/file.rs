//! The risk file: every mistake has its line.

use std::path::{Path, PathBuf};

use bulwark_migrate::RiskFile;
use bulwark_migrate::cluster::Genesis;
use bulwark_migrate::file::Problem;
use bulwark_sdk::engine::carry::CarryParams;
use bulwark_sdk::engine::price::OracleParams;
use bulwark_sdk::program::state::MarketStatus;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn text() -> String {
    std::fs::read_to_string(path("localnet.toml")).unwrap()
}

fn problems(text: &str) -> Vec<Problem> {
    RiskFile::parse(text, Path::new("")).unwrap_err()
}

/// The line of the `n`th place where `what` stands, from 1.
fn line(text: &str, what: &str, n: usize) -> usize {
    text.lines().enumerate().filter(|(_, line)| line.contains(what)).nth(n).unwrap().0 + 1
}

#[test]
fn the_files_of_the_repository_are_right() {
    for name in ["localnet.toml", "mainnet.toml"] {
        RiskFile::load(&path(name)).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn a_file_names_its_cluster() {
    let [local, mainnet] =
        ["localnet.toml", "mainnet.toml"].map(|name| RiskFile::load(&path(name)).unwrap().genesis);
    assert_eq!(local, Genesis::Any);
    let Genesis::Hash(hash) = mainnet else { panic!("any cluster") };
    assert_eq!(hash.to_string(), "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d");
}

#[test]
fn a_lot_on_mainnet_may_be_worth_what_coins_cost() {
    let file = RiskFile::load(&path("mainnet.toml")).unwrap();
    // A lot of 10^-n is worth 0.01 to 1 millionth of a dollar: from 10^(n - 8) to 10^(n - 6) dollars a coin.
    for (market, price) in file.markets.iter().zip([150, 110_000, 3_800]) {
        let (least, most) = (10_u64.pow(u32::from(market.params.lot_decimals) - 8), 2);
        assert!(
            least * 2 < price && price * most < least * 100,
            "{}: {least} to {}",
            market.name,
            least * 100
        );
    }
    let btc = &file.markets[1].params;
    assert_eq!((btc.lot_decimals, btc.max_oi, btc.step), (12, 40_000_000_000_000, 100_000_000));
}

#[test]
fn amounts_are_in_human_units_and_what_is_left_out_is_the_engines_default() {
    let file = RiskFile::load(&path("localnet.toml")).unwrap();
    let [sol, btc] = &file.markets[..] else { panic!("two markets") };
    assert_eq!((sol.index, btc.index, sol.status), (0, 1, MarketStatus::Active));
    // 10^-9 SOL and 10^-11 BTC a lot, 10^-6 of a dollar a unit.
    assert_eq!((sol.params.step, sol.params.max_oi), (1_000_000, 30_000_000_000_000));
    assert_eq!((btc.params.step, btc.params.max_oi), (10_000_000, 8_000_000_000_000));
    assert_eq!((sol.params.min_notional, btc.params.min_notional), (10_000_000, 10_000_000));
    assert_eq!((sol.params.carry, sol.params.oracle), (CarryParams::DEFAULT, OracleParams::DEFAULT));
    assert_eq!(file.exchange.trigger_fee, 100_000);
    assert_eq!(file.vaults[0].params.max_deposits, 30_000_000_000_000);
}

#[test]
fn every_bound_that_is_broken_is_reported_with_its_line() {
    let text = text()
        .replace("taker_fee_ppm = 500", "taker_fee_ppm = 10_001")
        .replace("max_gap_ppm = 19_000", "max_gap_ppm = 999")
        .replace("delay = 172_800", "delay = 3_600")
        .replace("trigger_fee = \"0.10\"", "trigger_fee = \"10.000001\"")
        .replace("redeem_fee_ppm = 1_000", "redeem_fee_ppm = 1_000_000")
        .replace("floor = \"1_500\"", "floor = \"1_500.000000001\"");
    let found = problems(&text);
    let told: Vec<_> = found.iter().map(|p| (p.line, p.key.as_str(), p.message.as_str())).collect();
    let at = |what| line(&text, what, 0);
    let expected = [
        (at("trigger_fee"), "exchange.trigger_fee", "10.000001 is outside 0 to 10"),
        (at("delay = 3_600"), "exchange.delay", "3600 is outside 86400 to 604800"),
        (at("redeem_fee_ppm"), "pool.redeem_fee_ppm", "1000000 is outside 0 to 10000"),
        (at("1_500.0"), "vault[0].params.outflow.floor", "1500.000000001 is outside 0 to 1500"),
        (at("taker_fee_ppm"), "preset.major.taker_fee_ppm", "10001 is outside 0 to 10000"),
        (at("max_gap_ppm"), "preset.major.max_gap_ppm", "999 is outside 1000 to 500000"),
    ];
    assert_eq!(told, expected);
    let trigger = &found[0];
    assert_eq!(trigger.column, text.lines().nth(trigger.line - 1).unwrap().find('"').unwrap() + 1);
}

#[test]
fn a_parameter_beyond_its_bound_is_named_whichever_it_is() {
    let text = text();
    let (from, to) = (line(&text, "[preset.major]", 0), text.lines().count());
    // Bounded only by what can be counted, or by each other.
    let unbounded = ["inventory_cap", "oi_margin_low", "oi_margin_high"];
    let mut tried = 0;
    for number in from..to {
        let one = text.lines().nth(number).unwrap();
        let Some((key, value)) = one.split_once(" = ") else { continue };
        let plain = value.trim_matches('"').replace(['_', '.'], "");
        if plain.parse::<u64>().is_err() || key == "index" || unbounded.contains(&key) {
            continue;
        }
        let huge = if value.starts_with('"') { "\"9_000_000_000\"" } else { "4_000_000_000" };
        let changed: Vec<String> = text
            .lines()
            .enumerate()
            .map(|(at, line)| if at == number { format!("{key} = {huge}") } else { line.to_string() })
            .collect();
        let found = problems(&changed.join("\n"));
        assert!(found.iter().any(|p| p.line == number + 1 && p.key.ends_with(key)), "{key}: {found:?}");
        tried += 1;
    }
    assert!(tried > 30, "{tried}");
}

#[test]
fn a_default_that_does_not_fit_beside_the_rest_is_reported_at_its_table() {
    let text = text().replace(
        "lot_decimals = 9\n",
        "lot_decimals = 9\noracle = { max_margin_age = 20, max_trade_age = 30 }\n",
    );
    let [problem] = &problems(&text)[..] else { panic!("one problem") };
    assert_eq!(
        (problem.line, problem.key.as_str()),
        (line(&text, "max_margin_age", 0), "market[0].params.oracle.max_margin_age")
    );
    assert_eq!(problem.message, "20 is outside 30 to 300");
}

#[test]
fn an_unknown_key_is_refused_wherever_it_is() {
    for (place, key) in [
        ("[cluster]", "cluster.surprise"),
        ("[quote.params]", "quote.params.surprise"),
        ("[preset.major.waterfall]", "preset.major.waterfall.surprise"),
        ("[[vault]]", "vault[0].surprise"),
        ("[market.params]", "market[0].params.surprise"),
    ] {
        let text = text().replacen(place, &format!("{place}\nsurprise = 1"), 1);
        let [problem] = &problems(&text)[..] else { panic!("one problem at {place}") };
        assert_eq!((problem.line, problem.key.as_str()), (line(&text, "surprise", 0), key));
        assert_eq!((problem.column, problem.message.as_str()), (1, "is not a key that this file has"));
    }
}

#[test]
fn a_missing_key_is_reported_at_the_table_that_it_belongs_in() {
    let text = text()
        .replacen("skew_scale = \"1_000_000\"\n", "", 1)
        .replace("rpc = \"http://127.0.0.1:8899\"\n", "")
        .replace("genesis = \"any\"\n", "");
    let found: Vec<_> = problems(&text).into_iter().map(|p| (p.line, p.key, p.message)).collect();
    let missing = "is missing".to_string();
    let expected = [
        (line(&text, "[cluster]", 0), "cluster.rpc".to_string(), missing.clone()),
        (line(&text, "[cluster]", 0), "cluster.genesis".to_string(), missing.clone()),
        (line(&text, "[market.params]", 0), "market[0].params.skew_scale".to_string(), missing),
    ];
    assert_eq!(found, expected);
}

#[test]
fn what_makes_no_sense_is_refused_with_what_would() {
    let feed = "ef0d8b6fda2ceba41da15d4095d1da392a0d2f8ed0c6c7bc0f4cfac8c280b56d";
    for (from, to, key, message) in [
        (
            "min_notional = \"10\"",
            "min_notional = 10",
            "preset.major.min_notional",
            "a decimal number in quotes",
        ),
        (
            "min_notional = \"10\"",
            "min_notional = \"-10\"",
            "preset.major.min_notional",
            "not a decimal number",
        ),
        ("step = \"0.001\"", "step = \"0.0000000001\"", "market[0].params.step", "more than 9 decimals"),
        ("mmf_ppm = 31_000", "mmf_ppm = -31_000", "preset.major.mmf_ppm", "not negative"),
        ("tail = 0", "tail = 300", "preset.major.waterfall.tail", "too large"),
        ("status = \"active\"", "status = \"settling\"", "market[0].status", "a proposal of its own"),
        ("index = 1", "index = 0", "market[1].index", "another market"),
        ("index = 1", "index = 32", "market[1].index", "below 32"),
        ("preset = \"major\"", "preset = \"minor\"", "market[0].preset", "no [preset.minor]"),
        ("genesis = \"any\"", "genesis = \"mainnet\"", "cluster.genesis", "solana genesis-hash"),
        ("http://127.0.0.1:8899", "https://example.com", "cluster.genesis", "on this machine only"),
        ("decimals = 6", "decimals = 600", "quote.decimals", "too large"),
        (feed, &feed[..62], "vault[0].primary.pyth_pull", "64 hex digits"),
        ("mint = \"So1", "mint = \"Xo0", "vault[0].mint", "base58"),
        (
            "mint = \"So11111111111111111111111111111111111111112\"",
            "mint = \"EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v\"",
            "vault[0].mint",
            "listed already",
        ),
        ("{ pyth_pull", "{ pith_pull", "vault[0].primary", "one of the keys"),
        (
            "[exchange]",
            "[exchange]\nrisk_groups = { offset_ppm = [1, 2] }",
            "exchange.risk_groups.offset_ppm",
            "eight",
        ),
    ] {
        let text = text().replacen(from, to, 1);
        let found = problems(&text);
        assert!(found.iter().any(|p| p.key == key && p.message.contains(message)), "{to}: {found:?}");
    }
}

#[test]
fn a_mistake_of_syntax_has_its_line() {
    let text = text().replace("[pool]", "[pool");
    let found = problems(&text);
    assert_eq!(found[0].line, line(&text, "[pool", 0));
}
