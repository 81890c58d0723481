//! Deploys and initialises Bulwark on a cluster from one risk file.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bulwark_migrate::apply::Applied;
use bulwark_migrate::cluster::{Genesis, is_local};
use bulwark_migrate::file::FileError;
use bulwark_migrate::plan::Signer;
use bulwark_migrate::rpc::RpcChain;
use bulwark_migrate::{Options, Parties, Plan, RiskFile, apply, plan};
use bulwark_sdk::rpc::FeePolicy;
use clap::{Args, Parser, Subcommand};
use serde::Serialize;

/// Makes a cluster what a risk file says: deploys, initialises, proposes what governance decides, carries out what is ripe.
///
/// Exit codes: 0 nothing is left to do but waiting and what was written to be signed, 1 a mistake or a failure, 2 `plan` has
/// steps, or `apply` has left some that are blocked or in conflict.
#[derive(Parser)]
#[command(name = "bulwark-migrate", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Checks a file without asking any cluster: bounds, sources, keys.
    Check(File),
    /// Shows what is left to do on the cluster, and does nothing.
    Plan(Cluster),
    /// Does what can be done now. Run it again when a proposal is ripe, or after a failure.
    Apply {
        #[command(flatten)]
        cluster: Cluster,
        /// Folder for what the admin has to sign, where its key pair is not here. It must have no proposals of an earlier run.
        #[arg(long, value_name = "DIR")]
        proposals: Option<PathBuf>,
    },
}

#[derive(Args)]
struct File {
    /// The risk file.
    file: PathBuf,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Cluster {
    #[command(flatten)]
    file: File,
    /// Another endpoint than the file names.
    #[arg(long, value_name = "URL")]
    rpc: Option<String>,
    /// Micro-lamports per compute unit, to be included early when a cluster is busy.
    #[arg(long, value_name = "PRICE", default_value_t = 0)]
    priority_fee: u64,
    /// Proposes what is looser in the file than on the chain, too. Without this it is a conflict, since the guardian may have
    /// tightened it.
    #[arg(long)]
    loosen: bool,
}

type Failure = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(&Cli::parse().command).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: &Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Check(file) => check(file),
        Command::Plan(cluster) => show(cluster).await,
        Command::Apply { cluster, proposals } => carry_out(cluster, proposals.as_deref()).await,
    }
}

fn check(file: &File) -> Result<ExitCode, Failure> {
    match RiskFile::load(&file.file) {
        Ok(_) if file.json => print(&serde_json::json!({ "problems": [] }))?,
        Ok(found) => {
            let (vaults, markets) = (found.vaults.len(), found.markets.len());
            println!("{}: {vaults} collaterals, {markets} markets, all within bounds", file.file.display());
        }
        Err(FileError::Wrong { problems, .. }) if file.json => {
            print(&serde_json::json!({ "problems": problems }))?;
            return Ok(ExitCode::FAILURE);
        }
        Err(error) => return Err(error.into()),
    }
    Ok(ExitCode::SUCCESS)
}

struct Loaded {
    chain: RpcChain,
    file: RiskFile,
    parties: Parties,
    so: Vec<u8>,
}

fn load(cluster: &Cluster) -> Result<Loaded, Failure> {
    let file = RiskFile::load(&cluster.file.file)?;
    let parties = Parties::load(&file)?;
    let path = &file.program.so;
    let so = std::fs::read(path).map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("{}: {error}: `make build` compiles the program", path.display()),
        )
    })?;
    let fee = match cluster.priority_fee {
        0 => FeePolicy::None,
        price => FeePolicy::Fixed(price),
    };
    let url = cluster.rpc.as_deref().unwrap_or(&file.rpc);
    if file.genesis == Genesis::Any && !is_local(url) {
        let hash = "put the hash that `solana genesis-hash` prints into the file";
        return Err(format!(
            "{url}: cluster.genesis = \"any\" is for an endpoint on this machine only: {hash}"
        )
        .into());
    }
    let chain = RpcChain::with_fee(url, fee);
    Ok(Loaded { chain, file, parties, so })
}

const fn options<'a>(cluster: &Cluster, proposals: Option<&'a Path>) -> Options<'a> {
    Options { proposals, loosen: cluster.loosen }
}

async fn show(cluster: &Cluster) -> Result<ExitCode, Failure> {
    let Loaded { chain, file, parties, so } = load(cluster)?;
    let plan: Plan = plan(&chain, (&file, &parties), &so, options(cluster, None)).await?;
    if cluster.file.json {
        print(&plan)?;
    } else {
        print!("{plan}");
    }
    Ok(if plan.is_done() { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

async fn carry_out(cluster: &Cluster, proposals: Option<&Path>) -> Result<ExitCode, Failure> {
    let Loaded { chain, file, parties, so } = load(cluster)?;
    let applied: Applied = apply(&chain, (&file, &parties), &so, options(cluster, proposals)).await?;
    let unsigned =
        applied.left.steps.iter().any(|step| step.signer == Signer::Admin && step.blocked.is_none());
    if unsigned && parties.admin.keypair.is_none() && proposals.is_none() {
        eprintln!("the admin's key pair is not here: --proposals DIR writes what it has to sign");
    }
    if cluster.file.json {
        print(&applied)?;
    } else {
        applied.done.iter().for_each(|done| println!("done: {done}"));
        applied.written.iter().for_each(|path| println!("written: {}", path.display()));
        print!("{}", applied.left);
    }
    Ok(if applied.is_settled() { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

fn print(value: &impl Serialize) -> Result<(), Failure> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}
