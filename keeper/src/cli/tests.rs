//! Command lines.

use clap::CommandFactory as _;

use super::*;
use crate::config::{Log, Role};

fn parse(line: &str) -> Result<Command, clap::Error> {
    Cli::try_parse_from(line.split_whitespace()).map(|cli| cli.command)
}

fn run(line: &str) -> Run {
    match parse(line).unwrap() {
        Command::Run(run) => run,
        Command::Config(_) | Command::Report(_) => panic!("{line} runs nothing"),
    }
}

#[test]
fn the_command_line_is_well_formed() {
    Cli::command().debug_assert();
}

#[test]
fn a_report_tries_the_usual_shocks_or_those_that_are_named() {
    let look = |line: &str| match parse(line).unwrap() {
        Command::Report(look) => look,
        _ => panic!("{line} is no report"),
    };
    let usual = look("keeper report");
    let options = ReportOptions::default();
    assert_eq!((usual.top, usual.history, usual.json), (options.top, options.history, false));
    assert_eq!(usual.shocks, options.shocks);
    let named = look("keeper report --json --top 3 --shocks -50,7 --history 0");
    assert_eq!(named.shocks, [-50, 7].map(|percent| Shock::percent(percent).unwrap()));
    assert!(named.json && named.top == 3 && named.history == 0);
    assert!(parse("keeper report --shocks all").is_err());
}

#[test]
fn flags_say_what_is_overridden_and_nothing_else() {
    let run = run("keeper run --once --dry-run --roles liquidate,sweep --rpc-url http://a --ws-url ws://a \
                   --keypair k.json --sub-id 3 --listen 127.0.0.1:0 --log-format json \
                   --set limits.concurrency=4 --set fees.percentile=75;sub_id=1");
    let overrides = &run.overrides;
    assert!(run.once && overrides.dry_run == Some(true));
    assert_eq!(overrides.roles, [Role::Liquidate, Role::Sweep]);
    assert_eq!(overrides.rpc_url.as_deref(), Some("http://a"));
    assert_eq!(overrides.sub_id, Some(3));
    assert_eq!(overrides.set, ["limits.concurrency=4", "fees.percentile=75", "sub_id=1"]);
    let config = Config::load(overrides).unwrap();
    assert_eq!((config.limits.concurrency, config.fees.percentile, config.sub_id), (4, 75, 1));
    assert!(!self::run("keeper run").once);
    assert_eq!(self::run("keeper run").overrides, Overrides::default());
}

#[test]
fn a_dry_run_can_be_switched_off_again() {
    assert_eq!(run("keeper run --dry-run=false").overrides.dry_run, Some(false));
    assert_eq!(run("keeper run --dry-run --once").overrides.dry_run, Some(true));
}

#[test]
fn what_is_no_flag_or_no_role_is_refused() {
    for (line, named) in [
        ("keeper", "Usage"),
        ("keeper run --roles liquidator", "take any of refresh, liquidate"),
        ("keeper run --sub-id many", "--sub-id"),
        ("keeper config --once", "--once"),
        ("keeper walk", "walk"),
    ] {
        let error = parse(line).expect_err(line).to_string();
        assert!(error.contains(named), "{line}: {error}");
    }
}

#[test]
fn every_flag_but_those_of_a_moment_has_a_variable() {
    let command = Cli::command();
    let run = command.find_subcommand("run").unwrap();
    for flag in run.get_arguments().filter(|flag| !["once", "help"].contains(&flag.get_id().as_str())) {
        let name = flag.get_env().and_then(|name| name.to_str()).unwrap_or("");
        let expected = format!("BULWARK_KEEPER_{}", flag.get_id().as_str().to_uppercase());
        assert_eq!(name, expected);
    }
}

#[test]
fn what_is_logged_has_no_secrets() {
    let mut config = Config::default();
    config.cluster.rpc_url = "https://node.example/TOPSECRET".into();
    let path = std::env::temp_dir().join(format!("keeper-log-{}", std::process::id()));
    let to = std::fs::File::create(&path).unwrap();
    let discreet = logging::Discreet { secrets: Secrets::of(&config), to };
    let subscriber = tracing_subscriber::fmt().json().with_writer(discreet).finish();
    tracing::subscriber::with_default(subscriber, || {
        tracing::warn!(error = "https://node.example/TOPSECRET does not answer", "lost");
    });
    let written = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(written.contains("https://node.example/… does not answer"), "{written}");
    assert!(!written.contains("TOPSECRET"), "{written}");
}

#[test]
fn the_environment_overrides_the_filter_of_the_log() {
    let log = Log { filter: "warn".into(), ..Log::default() };
    let shown = |environment: Option<&str>| {
        logging::filter(&log, environment.map(str::to_string)).map(|filter| filter.to_string())
    };
    assert_eq!(shown(None).unwrap(), "warn");
    assert_eq!(shown(Some("")).unwrap(), "warn");
    assert_eq!(shown(Some("debug")).unwrap(), "debug");
    assert!(shown(Some("a=b=c")).unwrap_err().to_string().contains("RUST_LOG"));
}
