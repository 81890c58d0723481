//! What the network itself promises.

use std::process::Stdio;

use bulwark_localnet::wallets::set_lamports;
use bulwark_localnet::{Localnet, Options};
use bulwark_sdk::engine::margin::HealthType;
use bulwark_sdk::rpc::Client;
use bulwark_tests::fixtures::PRINT;
use serde_json::{Value, json};
use solana_signer::Signer;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use crate::actor::{Actor, DOLLAR, ONE_SOL, SOL, network, refusal, soon};

#[tokio::test]
async fn a_reset_begins_anew_at_the_same_address() {
    let (mut network, client) = network().await;
    let trader = Actor::funded(&network, &client, ("trader", 100)).await;
    let owner = trader.key.pubkey();
    assert_eq!(client.margin_accounts(&owner).await.unwrap().len(), 1);
    network.oracles().set("SOL", 90 * PRINT).await.unwrap();
    network.oracles().freeze("BTC").await.unwrap();
    network.reset().await.unwrap();
    assert_eq!(network.oracles().price("SOL").await.unwrap(), 150 * PRINT);
    assert_eq!(client.margin_accounts(&owner).await.unwrap().len(), 0);
    // All is as it was at first, and trades.
    let trader = Actor::funded(&network, &client, ("trader", 1_000)).await;
    trader.buy(ONE_SOL).await.unwrap();
    let context = trader.context().await;
    assert!(context.snapshot().health(&context.account, HealthType::Init).unwrap().equity.0 > 0);
}

#[tokio::test]
async fn a_network_goes_on_however_much_was_written_to_it() {
    let (network, client) = network().await;
    let somebody = solana_keypair::Keypair::new().pubkey();
    // The chain tells its embedder of each of them, and waits when nobody takes it: after a thousand and some.
    for lamports in 1..=3_000 {
        let written = set_lamports(network.cheats(), &somebody, 1_000_000 * lamports);
        soon(written).await.unwrap();
    }
    assert_eq!(client.rpc().get_balance(&somebody).await.unwrap(), 3_000_000_000);
}

#[tokio::test]
async fn a_price_that_was_set_counts_with_the_next_refresh() {
    let (network, client) = network().await;
    let trader = Actor::funded(&network, &client, ("trader", 1_000)).await;
    for dollars in [151, 152, 153] {
        network.oracles().set("SOL", dollars * PRINT).await.unwrap();
        trader.buy(ONE_SOL).await.unwrap();
        let price = trader.context().await.all.markets[&SOL].core.mark();
        assert_eq!(price.mul_ceil(ONE_SOL).unwrap(), dollars.unsigned_abs() * DOLLAR);
    }
}

#[tokio::test]
async fn a_frozen_oracle_grows_old_until_it_prints_again() {
    let (network, client) = network().await;
    let trader = Actor::funded(&network, &client, ("trader", 10_000)).await;
    network.oracles().freeze("SOL").await.unwrap();
    network.advance(120).await.unwrap();
    assert_eq!(refusal(trader.buy(ONE_SOL).await), "NoValidSource");
    network.oracles().resume("SOL").await.unwrap();
    trader.buy(ONE_SOL).await.unwrap();
    assert!(
        network.oracles().set("DOGE", PRINT).await.unwrap_err().to_string().contains("there are BTC, SOL")
    );
}

#[tokio::test]
async fn keys_and_description_are_written_and_prices_walk() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("localnet");
    let options = Options { folder: Some(folder.clone()), walk: true, ..Options::for_tests() };
    let network = Localnet::start(options).await.unwrap();
    let text = std::fs::read_to_string(folder.join("localnet.json")).unwrap();
    let description: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(description["rpcUrl"], network.description().rpc_url.as_str());
    assert_eq!(description["markets"][1]["name"], "BTC-PERP");
    for (name, wallet) in description["wallets"].as_object().unwrap() {
        let bytes: Vec<u8> =
            serde_json::from_str(&std::fs::read_to_string(wallet["path"].as_str().unwrap()).unwrap())
                .unwrap();
        let key = solana_keypair::Keypair::try_from(bytes.as_slice()).unwrap();
        assert_eq!(
            (key.pubkey().to_string().as_str(), bytes.len()),
            (wallet["pubkey"].as_str().unwrap(), 64),
            "{name}"
        );
    }
    let first = network.oracles().price("SOL").await.unwrap();
    let moved = async {
        while network.oracles().price("SOL").await.unwrap() == first {
            tokio::task::yield_now().await;
        }
    };
    soon(moved).await;
    let (ports, client) =
        (network.description().rpc_url.clone(), Client::new(&network.description().rpc_url, ""));
    network.stop().await.unwrap();
    assert!(client.rpc().get_slot().await.is_err(), "{ports} is free");
}

/// A network in a process of its own, which takes commands on a pipe.
struct Piped {
    child: tokio::process::Child,
    commands: tokio::process::ChildStdin,
    answers: tokio::io::Lines<BufReader<tokio::process::ChildStdout>>,
}

impl Piped {
    async fn start() -> (Self, Value) {
        let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("piped");
        let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_bulwark-localnet"))
            .args(["--rpc-port", "0", "--ws-port", "0", "--still", "--json", "--control", "--folder"])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let commands = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut piped = Self { child, commands, answers };
        // The first answer is a whole network, which takes what it takes.
        let description = piped.answer().await;
        (piped, description)
    }

    async fn answer(&mut self) -> Value {
        let line = self.answers.next_line().await.unwrap().expect("an answer");
        serde_json::from_str(&line).unwrap()
    }

    async fn say(&mut self, line: &str) -> Value {
        self.commands.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        soon(self.answer()).await
    }
}

#[tokio::test]
async fn a_network_of_its_own_process_does_what_it_is_told() {
    let (mut piped, description) = Piped::start().await;
    let client = Client::new(description["rpcUrl"].as_str().unwrap(), description["wsUrl"].as_str().unwrap());
    let oracle = description["markets"][0]["oracle"].as_str().unwrap().parse().unwrap();
    let print = || async { client.rpc().get_account(&oracle).await.unwrap().data };
    // Price and publish time of a Pyth update.
    let number = |data: &[u8], at: usize| i64::from_le_bytes(data[at..at + 8].try_into().unwrap());
    let before = print().await;
    assert_eq!(number(&before, 73), 150 * PRINT);
    assert_eq!(piped.say("price SOL 165.5").await, json!({ "done": "price SOL 165.5" }));
    assert_eq!(number(&print().await, 73), 165 * PRINT + PRINT / 2);
    piped.say("advance 3600").await;
    assert!(number(&print().await, 93) >= number(&before, 93) + 3_600);
    assert!(piped.say("price DOGE 1").await["error"].as_str().unwrap().contains("there are BTC, SOL"));
    assert_eq!(piped.say("drop").await["done"], "drop");
    // It ends with its parent.
    let Piped { mut child, commands, .. } = piped;
    drop(commands);
    assert!(soon(child.wait()).await.unwrap().success());
    assert!(client.rpc().get_slot().await.is_err());
}
