//! The binary itself: environment, exit codes, signals.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};

use bulwark_keeper::cli::signals;

/// Set by the test that ends the keeper that it starts.
const STARTED: &str = "KEEPER_TEST_STARTED";

/// The keeper with these arguments and these variables, and no others of its own.
fn keeper(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keeper"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("BULWARK_KEEPER_")) {
        command.env_remove(name);
    }
    command.args(arguments).envs(variables.iter().copied()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn the_environment_overrides_defaults_and_flags_override_the_environment() {
    let variables = [
        ("BULWARK_KEEPER_RPC_URL", "https://node.example/SECRET"),
        ("BULWARK_KEEPER_ROLES", "liquidate,trigger"),
        ("BULWARK_KEEPER_SUB_ID", "7"),
        ("BULWARK_KEEPER_DRY_RUN", "true"),
        ("BULWARK_KEEPER_SET", "limits.concurrency=3;limits.max_takeover=1_000.5"),
    ];
    let output = keeper(&["config", "--sub-id", "9"], &variables);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    for line in [
        "roles = [\"liquidate\", \"trigger\"]",
        "sub_id = 9",
        "dry_run = true",
        "rpc_url = \"https://node.example/…\"",
        "concurrency = 3",
        "max_takeover = \"1000.5\"",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line} is not in\n{shown}");
    }
    assert!(!shown.contains("SECRET"));
}

#[test]
fn help_shows_no_secret_of_the_environment() {
    let output = keeper(&["run", "--help"], &[("BULWARK_KEEPER_RPC_URL", "https://node.example/SECRET")]);
    assert!(output.status.success() && !text(&output.stdout).contains("SECRET"));
}

#[test]
fn a_wrong_configuration_ends_with_2_and_a_failure_with_1() {
    let refused = keeper(&["config", "--set", "fees.percentile=101"], &[]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("fees.percentile: 101 is too much: at most 100"));

    let unsigned = keeper(&["run", "--keypair", "/nowhere/id.json"], &[]);
    assert_eq!(unsigned.status.code(), Some(2), "{}", text(&unsigned.stderr));
    assert!(text(&unsigned.stderr).contains("/nowhere/id.json"));

    let unknown = keeper(&["run", "--no-such-flag"], &[]);
    assert_eq!(unknown.status.code(), Some(2));
}

/// What [`the_first_signal_asks_and_the_second_ends`] starts: a keeper that never ends by itself.
#[test]
#[ignore = "is started by the other test"]
fn a_keeper_that_takes_its_time() {
    // Nothing but the other test can end it, so nobody else may start it.
    if std::env::var_os(STARTED).is_none() {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let stop = signals::listen().unwrap();
        assert!(!stop.is_set());
        println!("\nworking");
        stop.clone().wait().await;
        assert!(stop.is_set());
        println!("\nending");
        std::future::pending::<()>().await;
    });
}

#[test]
fn the_first_signal_asks_and_the_second_ends() {
    for kinds in [["-TERM", "-INT"], ["-INT", "-TERM"]] {
        let myself = std::env::current_exe().unwrap();
        let test = ["--exact", "a_keeper_that_takes_its_time", "--ignored", "--nocapture"];
        let mut child =
            Command::new(myself).args(test).env(STARTED, "1").stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for (state, kind) in ["working", "ending"].into_iter().zip(kinds) {
            assert!(lines.any(|line| line.unwrap() == state), "{state}");
            let sent = Command::new("kill").args([kind, &child.id().to_string()]).status().unwrap();
            assert!(sent.success());
        }
        assert_eq!(child.wait().unwrap().code(), Some(signals::ENDED_AT_ONCE));
    }
}
