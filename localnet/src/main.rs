//! `make localnet`: a whole Bulwark on this machine, until Ctrl-C.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use bulwark_localnet::control::{Command, HELP};
use bulwark_localnet::endpoint::Ports;
use bulwark_localnet::{Description, Localnet, Options};
use clap::Parser;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::signal::unix::{SignalKind, signal};

/// A local Solana endpoint with Bulwark on it: two markets, moving oracles, funded wallets. Runs until Ctrl-C.
#[derive(Parser)]
#[command(name = "bulwark-localnet", version)]
struct Cli {
    /// Port of JSON-RPC; 0 for any free one.
    #[arg(long, default_value_t = Ports::USUAL.rpc)]
    rpc_port: u16,
    /// Port of the websocket; 0 for any free one.
    #[arg(long, default_value_t = Ports::USUAL.ws)]
    ws_port: u16,
    /// Milliseconds of a slot.
    #[arg(long, default_value_t = 400)]
    slot_ms: u32,
    /// Decides the walk of the prices.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Keeps prices where they are.
    #[arg(long)]
    still: bool,
    /// Prints one line of JSON when it is ready: the content of localnet.json.
    #[arg(long)]
    json: bool,
    /// Takes commands on stdin, a line each, answers each with a line, and ends when stdin is closed. At a terminal
    /// commands are taken in any case.
    #[arg(long)]
    control: bool,
    /// Folder for keys and localnet.json.
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// The compiled program.
    #[arg(long, value_name = "FILE")]
    so: Option<PathBuf>,
    /// The risk file.
    #[arg(long, value_name = "FILE")]
    risk_file: Option<PathBuf>,
}

impl Cli {
    fn options(&self) -> Options {
        let usual = Options::usual();
        Options {
            ports: Ports { rpc: self.rpc_port, ws: self.ws_port },
            slot_ms: self.slot_ms,
            seed: self.seed,
            walk: !self.still,
            folder: self.folder.clone().or(usual.folder),
            so: self.so.clone().unwrap_or(usual.so),
            risk_file: self.risk_file.clone().unwrap_or(usual.risk_file),
        }
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("localnet: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(run(&cli));
    // A thread may wait for the next line of a terminal: nobody waits for it.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("localnet: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: &Cli) -> Result<()> {
    let since = Instant::now();
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut network = tokio::select! {
        network = Localnet::start(cli.options()) => network?,
        _ = interrupt.recv() => return Ok(()),
        _ = terminate.recv() => return Ok(()),
    };
    if cli.json {
        println!("{}", serde_json::to_string(network.description())?);
    } else {
        show(network.description(), since);
    }
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        () = obey(cli, &mut network) => {}
    }
    network.stop().await
}

/// Does what stdin says, until it is closed; does nothing for ever where it is not to be read.
async fn obey(cli: &Cli, network: &mut Localnet) {
    if !cli.control && !std::io::stdin().is_terminal() {
        return std::future::pending().await;
    }
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if line.trim().is_empty() {
            continue;
        }
        let done = match Command::parse(&line) {
            Ok(command) => command.run(network).await,
            Err(error) => Err(error),
        };
        match done {
            Ok(()) if cli.json => println!("{}", json!({ "done": line.trim() })),
            Ok(()) => println!("done"),
            Err(error) if cli.json => println!("{}", json!({ "error": format!("{error:#}") })),
            Err(error) => println!("{error:#}"),
        }
    }
}

fn show(description: &Description, since: Instant) {
    println!("Bulwark is ready after {:.1} s\n", since.elapsed().as_secs_f32());
    println!("  RPC        {}", description.rpc_url);
    println!("  websocket  {}", description.ws_url);
    println!("  program    {}", description.program);
    for market in &description.markets {
        println!("  market {}   {} {}", market.index, market.name, market.address);
    }
    for vault in &description.vaults {
        println!("  vault {}    {} {}", vault.index, vault.name, vault.mint);
    }
    println!();
    for (name, wallet) in &description.wallets {
        let path = wallet.path.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
        println!("  {name:10} {} {path}", wallet.pubkey);
    }
    println!("\nCtrl-C stops it. Commands:\n{HELP}");
}
