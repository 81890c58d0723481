//! Files, flags and mistakes.

use std::path::Path;

use bulwark_sdk::rpc::FeePolicy;

use super::*;

const EXAMPLE: &str = include_str!("../../keeper.example.toml");

fn refusal(text: &str) -> String {
    Config::parse(text).expect_err(text).to_string()
}

fn set(settings: &[&str]) -> Overrides {
    Overrides { set: settings.iter().map(ToString::to_string).collect(), ..Overrides::default() }
}

#[test]
fn the_example_says_what_holds_without_it() {
    assert_eq!(Config::parse(EXAMPLE).unwrap(), Config::default());
    assert_eq!(Config::load(&Overrides::default()).unwrap(), Config::default());
}

/// Lines such as `# fixed = 10_000` are keys without a default.
#[test]
fn what_the_example_has_commented_out_is_possible_too() {
    let mut lines = Vec::new();
    for line in EXAMPLE.lines() {
        let key = line
            .strip_prefix("# ")
            .filter(|rest| rest.split_once(" = ").is_some_and(|(key, _)| !key.contains(' ')));
        lines.push(key.unwrap_or(line).replace('…', "11111111111111111111111111111111"));
    }
    let config = Config::parse(&lines.join("\n").replace("max_lamports = 50_000\n", "")).unwrap();
    assert_eq!(config.fees.fixed, Some(10_000));
    assert_eq!(config.fee_policy(), FeePolicy::Fixed(10_000));
    assert!(config.margin_account.is_some() && config.cluster.genesis.is_some());
    assert_eq!(config.refresh.accounts.len(), 1);
    assert_eq!(config.fees.sol_price, Some(Amount::from(150)));
}

#[test]
fn what_is_printed_is_what_holds() {
    let mut config = Config::parse("roles = ['sweep']\n[fees]\nfixed = 7\n[http]\nlisten = ''").unwrap();
    config.refresh.accounts.insert(Feed([7; 32]), [Address(Pubkey::new_unique())].into());
    assert_eq!(Config::parse(&config.to_toml().unwrap()).unwrap(), config);
}

#[test]
fn nothing_secret_is_printed() {
    let keypair = Keypair::new();
    let secret = keypair.to_base58_string();
    let config = Config::for_tests(("https://node.example/SECRET", "wss://n.example/?key=SECRET"), keypair);
    for shown in [config.to_toml().unwrap(), format!("{config:?}")] {
        assert!(!shown.contains("SECRET") && !shown.contains(&secret), "{shown}");
        assert!(shown.contains("https://node.example"), "{shown}");
    }
}

#[test]
fn an_unknown_key_is_named_with_those_that_there_are() {
    let error = refusal("[limits]\nmax_inventroy = '5'");
    assert!(error.contains("unknown field `max_inventroy`") && error.contains("`max_inventory`"), "{error}");
    assert!(error.contains("line 2"), "{error}");
    let error = Config::load(&set(&["fees.percentil=3"])).unwrap_err().to_string();
    assert!(error.contains("unknown field `percentil`") && error.contains("fees"), "{error}");
}

#[test]
fn each_value_that_is_not_possible_is_named_with_what_is() {
    for (text, parts) in [
        ("roles = ['liquidator']", ["roles", "take any of refresh, liquidate"]),
        ("roles = []", ["roles", "leave the key out"]),
        ("margin_account = 'me'", ["margin_account", "32 bytes in base58"]),
        ("sub_id = 70000", ["sub_id", "u16"]),
        ("dry_run = 'yes'", ["dry_run", "boolean"]),
        ("allow = ['x']", ["allow", "32 bytes in base58"]),
        ("cluster = { rpc_url = 'localhost:8899' }", ["cluster.rpc_url", "http:// or https://"]),
        ("cluster = { ws_url = 'http://localhost' }", ["cluster.ws_url", "ws:// or wss://"]),
        ("cluster = { commitment = 'sure' }", ["commitment", "`processed`, `confirmed`"]),
        ("cluster = { genesis = 'mainnet' }", ["cluster.genesis", "solana genesis-hash"]),
        ("timing = { tick_ms = 0 }", ["timing.tick_ms: 0 is too little", "at least 10"]),
        ("timing = { resync_secs = 1 }", ["timing.resync_secs", "at least 5"]),
        ("timing = { shutdown_secs = 90000 }", ["timing.shutdown_secs", "at most 3600"]),
        ("timing = { poll_ms = -1 }", ["poll_ms", "u64"]),
        ("fees = { percentile = 101 }", ["fees.percentile: 101 is too much", "at most 100"]),
        ("fees = { fixed = 50000 }", ["fees.fixed", "would pay 70000 lamports"]),
        ("fees = { sol_price = 150 }", ["sol_price", "string"]),
        ("fees = { sol_price = 'high' }", ["sol_price", "decimal number of quote tokens"]),
        ("fees = { max_lamports_per_hour = 0 }", ["fees.max_lamports_per_hour", "at least 1"]),
        ("limits = { concurrency = 0 }", ["limits.concurrency", "at least 1"]),
        ("limits = { min_profit = '-1' }", ["min_profit", "decimal number of quote tokens"]),
        ("refresh = { max_age_secs = 0 }", ["refresh.max_age_secs", "at least 1"]),
        ("refresh = { min_move_ppm = 2000000 }", ["refresh.min_move_ppm", "at most 1000000"]),
        ("refresh = { accounts = { sol = [] } }", ["accounts", "64 hexadecimal digits"]),
        ("sweep = { max_age_secs = 0 }", ["sweep.max_age_secs", "at least 1"]),
        ("http = { listen = 'here' }", ["listen", "127.0.0.1:9464"]),
        ("http = { max_lag_slots = 0 }", ["http.max_lag_slots", "at least 1"]),
        ("log = { format = 'xml' }", ["format", "`text` or `json`"]),
        ("log = { filter = 'a=b=c' }", ["log.filter", "write it as RUST_LOG"]),
    ] {
        let error = refusal(text);
        assert!(parts.iter().all(|part| error.contains(part)), "{text}: {error}");
    }
}

#[test]
fn all_values_out_of_bounds_are_told_at_once() {
    let error = refusal("[fees]\npercentile = 200\n[limits]\nconcurrency = 0");
    assert_eq!(error.lines().count(), 2, "{error}");
}

#[test]
fn an_account_cannot_be_allowed_and_denied() {
    let account = Pubkey::new_unique();
    let error = refusal(&format!("allow = ['{account}']\ndeny = ['{account}']"));
    assert!(error.contains(&account.to_string()) && error.starts_with("deny"), "{error}");
}

#[test]
fn allow_and_deny_say_on_which_accounts_it_acts() {
    let [one, two] = [Pubkey::new_unique(), Pubkey::new_unique()];
    let mut config = Config::default();
    assert!(config.acts_on(&one));
    config.deny.insert(Address(two));
    assert!(config.acts_on(&one) && !config.acts_on(&two));
    config.allow.insert(Address(two));
    assert!(!config.acts_on(&one) && !config.acts_on(&two), "denied is denied");
}

#[test]
fn flags_override_the_file_and_settings_override_flags() {
    let folder = std::env::temp_dir().join(format!("keeper-config-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("keeper.toml");
    let text = "keypair = 'me.json'\nsub_id = 3\n[fees]\npercentile = 60\n[limits]\nconcurrency = 2";
    std::fs::write(&path, text).unwrap();
    let mut overrides = Overrides { config: Some(path), ..Overrides::default() };

    let config = Config::load(&overrides).unwrap();
    assert_eq!((config.sub_id, config.fees.percentile), (3, 60));
    assert_eq!(config.keypair, Wallet::File(folder.join("me.json")), "seen from the folder of the file");

    overrides.sub_id = Some(4);
    overrides.keypair = Some("other.json".into());
    overrides.dry_run = Some(true);
    overrides.rpc_url = Some("http://localhost:1".into());
    overrides.set = vec!["limits.min_profit=5".into(), "limits.concurrency = 8".into(), "sub_id=5".into()];
    let config = Config::load(&overrides).unwrap();
    assert_eq!((config.sub_id, config.limits.concurrency, config.fees.percentile), (5, 8, 60));
    assert_eq!(config.limits.min_profit, Amount::from(5), "an amount needs no quotes of its own there");
    assert_eq!(config.keypair, Wallet::File(Path::new("other.json").into()));
    assert!(config.dry_run && config.cluster.rpc_url.as_str() == "http://localhost:1");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_setting_that_is_none_says_how_to_write_one() {
    for bad in ["limits", "=4", "limits..x=4", "limits.concurrency=many"] {
        let error = Config::load(&set(&[bad])).expect_err(bad).to_string();
        assert!(error.contains("KEY=VALUE") || error.contains("concurrency"), "{bad}: {error}");
    }
}

#[test]
fn a_file_that_is_not_there_and_a_key_pair_that_is_none_are_named() {
    let nowhere = Overrides { config: Some("/nowhere/keeper.toml".into()), ..Overrides::default() };
    let error = Config::load(&nowhere).unwrap_err().to_string();
    assert!(error.starts_with("/nowhere/keeper.toml") && error.contains("--config"), "{error}");
    let config = Config { keypair: Wallet::File("/nowhere/id.json".into()), ..Config::default() };
    let error = config.keypair().unwrap_err().to_string();
    assert!(error.contains("/nowhere/id.json") && error.contains("JSON array of 64 bytes"), "{error}");
}

#[test]
fn the_own_account_is_the_key_pairs_unless_another_is_named() {
    let keypair = Keypair::new();
    let mut config = Config { sub_id: 2, ..Config::default() };
    assert_eq!(config.own_account(&keypair), address::margin_account(&keypair.pubkey(), 2));
    let other = Pubkey::new_unique();
    config.margin_account = Some(Address(other));
    assert_eq!(config.own_account(&keypair), other);
}

#[test]
fn only_the_cluster_that_is_meant_will_do() {
    let hash = "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d";
    assert!(Cluster::default().is(hash));
    let cluster = Cluster { genesis: Some(hash.to_string()), ..Cluster::default() };
    assert!(cluster.is(hash) && !cluster.is("EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG"));
}
