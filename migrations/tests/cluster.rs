//! Over JSON-RPC, on a local endpoint: the command line, and the program's upload.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use bulwark_localnet::cheats::Cheats;
use bulwark_localnet::endpoint::{Endpoint, Ports};
use bulwark_localnet::{Localnet, Options};
use bulwark_migrate::Chain as _;
use bulwark_migrate::program::{Deployer, ProgramAction, compare};
use bulwark_migrate::rpc::RpcChain;
use bulwark_sdk::address;
use bulwark_tests::world::neighbour_bytes;
use serde_json::Value;
use solana_account::Account;
use solana_keypair::Keypair;
use solana_signer::Signer;

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn run(arguments: &[&str], file: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bulwark-migrate")).args(arguments).arg(file).output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The risk file of a network, whose keys are in a folder.
fn risk_file(network: &Localnet, folder: &Path, so: &Path) -> String {
    let keys = format!("{}/", folder.display());
    std::fs::read_to_string(Options::for_tests().risk_file)
        .unwrap()
        .replace("http://127.0.0.1:8899", &network.description().rpc_url)
        .replace("../target/localnet/", &keys)
        .replace("../target/deploy/bulwark.so", &so.display().to_string())
}

#[tokio::test]
async fn the_command_line_shows_does_and_waits() {
    let folder = folder("command-line");
    let options = Options { folder: Some(folder.clone()), ..Options::for_tests() };
    let so = options.so.clone();
    let network = Localnet::start(options).await.unwrap();
    let text = risk_file(&network, &folder, &so);
    let file = folder.join("risk.toml");
    let write = |text: &str| std::fs::write(&file, text).unwrap();

    write(&text);
    let plan = run(&["plan"], &file);
    assert_eq!(
        (code(&plan), plan.stdout.as_slice()),
        (0, &b"nothing to do: the chain is what the file says\n"[..])
    );
    assert_eq!(json(&run(&["plan", "--json"], &file))["steps"], Value::Array(vec![]));

    // Out of bounds: refused before anything is asked of the cluster.
    write(&text.replace("taker_fee_ppm = 500", "taker_fee_ppm = 50_000"));
    for command in ["check", "plan", "apply"] {
        let refused = run(&[command], &file);
        let told = String::from_utf8(refused.stderr.clone()).unwrap();
        assert_eq!(code(&refused), 1);
        let expected = ":17: preset.major.taker_fee_ppm: 50000 is outside 0 to 10000\n";
        assert!(told.starts_with(&format!("{}:", file.display())) && told.ends_with(expected), "{told}");
    }
    assert_eq!(json(&run(&["check", "--json"], &file))["problems"][0]["column"], 17);

    // Another cluster than the file's: refused with both hashes.
    let mainnet = "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d";
    let found = RpcChain::new(&network.description().rpc_url).genesis().await.unwrap().to_string();
    write(&text.replace("genesis = \"any\"", &format!("genesis = \"{mainnet}\"")));
    for command in ["plan", "apply"] {
        let refused = run(&[command], &file);
        let told = String::from_utf8(refused.stderr.clone()).unwrap();
        assert!(code(&refused) == 1 && told.contains(mainnet) && told.contains(&found), "{told}");
    }
    write(&text.replace("genesis = \"any\"", &format!("genesis = \"{found}\"")));
    assert_eq!(code(&run(&["plan"], &file)), 0);
    write(&text);
    let elsewhere = run(&["plan", "--rpc", "https://localhost.example.com"], &file);
    let told = String::from_utf8(elsewhere.stderr.clone()).unwrap();
    assert!(code(&elsewhere) == 1 && told.contains("on this machine only"), "{told}");

    // What the exchange has changed since its listing is not loosened unasked.
    write(&text.replace("delay = 172_800", "delay = 259_200"));
    assert_eq!(code(&run(&["apply"], &file)), 0);
    network.advance(172_810).await.unwrap();
    assert_eq!(code(&run(&["apply"], &file)), 0);
    write(&text);
    let held = run(&["apply", "--json"], &file);
    assert_eq!(code(&held), 2);
    assert!(json(&held)["left"]["conflicts"][0].as_str().unwrap().starts_with("exchange: delay is 259200"));
    assert_eq!(code(&run(&["apply", "--loosen"], &file)), 0);
    network.advance(259_210).await.unwrap();
    assert_eq!(code(&run(&["apply"], &file)), 0);
    assert_eq!(code(&run(&["plan"], &file)), 0);

    write(&text.replace("trigger_fee = \"0.10\"", "trigger_fee = \"0.25\""));
    assert_eq!(code(&run(&["check"], &file)), 0);
    let plan = run(&["plan", "--json"], &file);
    assert_eq!(code(&plan), 2);
    assert_eq!(json(&plan)["steps"][0]["explanation"], "  shifts   trigger_fee: 100000 -> 250000\n");
    let applied = run(&["apply", "--json"], &file);
    assert_eq!((code(&applied), json(&applied)["done"].as_array().unwrap().len()), (0, 1));
    // It waits, and nothing is proposed again.
    let again = run(&["apply", "--json"], &file);
    assert_eq!((code(&again), json(&again)["done"].as_array().unwrap().len()), (0, 0));
    let seconds = json(&again)["left"]["waiting"][0]["seconds_left"].as_i64().unwrap();
    assert_eq!(code(&run(&["plan"], &file)), 2);
    network.advance(seconds).await.unwrap();
    assert_eq!(code(&run(&["apply"], &file)), 0);
    assert_eq!(code(&run(&["plan"], &file)), 0);
}

#[tokio::test]
async fn a_program_is_uploaded_deployed_extended_and_upgraded() {
    let endpoint = Endpoint::start(Ports::ANY, 400).await.unwrap();
    let (chain, cheats) = (RpcChain::new(&endpoint.urls().rpc_url), Cheats::new(&endpoint.urls().rpc_url));
    let [authority, payer, program] = [1, 2, 3].map(|seed| Keypair::new_from_array([seed; 32]));
    for key in [&authority, &payer] {
        let funds =
            Account { lamports: 1_000_000_000_000, owner: address::SYSTEM_PROGRAM, ..Account::default() };
        cheats.set_account(&key.pubkey(), &funds).await.unwrap();
    }
    let deployer = Deployer { authority: &authority, payer: &payer };
    let (id, ids) = (program.pubkey(), authority.pubkey());
    let mut so = neighbour_bytes("bulwark_test_multisig.so");
    deployer.deploy(&chain, &program, &so).await.unwrap_or_else(|error| panic!("{error}"));
    let deployed = compare(&chain, (&id, &ids), &so).await.unwrap();
    assert_eq!(
        (deployed.action, deployed.authority, deployed.capacity),
        (ProgramAction::Nothing, Some(ids), so.len())
    );

    // A later build that needs more room.
    so.extend([7; 20_000]);
    let larger = compare(&chain, (&id, &ids), &so).await.unwrap();
    assert_eq!((larger.action, larger.chunks_left), (ProgramAction::Upgrade, larger.chunks));
    deployer.upgrade(&chain, (&id, larger.capacity), &so).await.unwrap_or_else(|error| panic!("{error}"));
    let upgraded = compare(&chain, (&id, &ids), &so).await.unwrap();
    assert_eq!((upgraded.action, upgraded.authority), (ProgramAction::Nothing, Some(ids)));
}
