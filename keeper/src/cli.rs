//! The command line: what is asked for, how it ends, and what it writes meanwhile.
//!
//! Exit codes are for whoever supervises a keeper: 0 it did what was asked, or ended since it was told to; 1 it failed, and may
//! be started again; 2 the configuration is wrong, so that starting it again helps nothing; 130 it was told twice to end.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use solana_signer::Signer as _;

use crate::config::{Config, ConfigError, Overrides, Secrets, Wallet};
use crate::http::{self, Health};
use crate::metrics::Metrics;
use crate::report::{self, ReportOptions, Shock};
use crate::roles::Own;

pub mod logging;
pub mod signals;
#[cfg(test)]
mod tests;

pub use signals::Stop;

/// Liquidator and crank bot of the Bulwark perpetuals clearinghouse.
///
/// Exit codes: 0 it did what was asked, or ended since it was told to; 1 it failed; 2 the configuration is wrong; 130 it was told
/// twice to end.
#[derive(Clone, Debug, Parser)]
#[command(name = "keeper", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Works until it is told to end: SIGINT or SIGTERM lets what is under way end, a second one ends at once.
    Run(Run),
    /// Prints one look at a cluster: accounts at risk, markets, solvency by price shock, and what the keeper has earned.
    Report(Look),
    /// Prints the configuration that file, environment and flags give together, as TOML, without secrets.
    Config(Overrides),
}

/// How to work.
#[derive(Args, Clone, Debug)]
pub struct Run {
    /// Does what there is to do at the moment, and ends.
    #[arg(long)]
    pub once: bool,
    /// The configuration.
    #[command(flatten)]
    pub overrides: Overrides,
}

/// What a report looks at.
#[derive(Args, Clone, Debug)]
pub struct Look {
    /// As JSON, amounts as strings of the quote token's smallest units.
    #[arg(long)]
    pub json: bool,
    /// How many of the accounts nearest to liquidation are named.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub top: usize,
    /// Moves of prices that are tried, whole per cent.
    #[arg(
        long,
        value_name = "PER CENT,…",
        value_delimiter = ',',
        allow_hyphen_values = true,
        default_value = "-30,-20,-10,-5,5,10,20,30"
    )]
    pub shocks: Vec<Shock>,
    /// How many of the last transactions of the keeper's margin account are read.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub history: usize,
    /// The configuration.
    #[command(flatten)]
    pub overrides: Overrides,
}

/// What a keeper works with.
pub struct Started {
    /// What it was told. The key pair is in memory.
    pub config: Config,
    /// What it counts.
    pub metrics: Arc<Metrics>,
    /// What is wrong with it.
    pub health: Arc<Health>,
    /// Done once it is to end.
    pub stop: Stop,
}

/// Does what the command line says; `work` is what a keeper does until it is to end.
pub fn main<F>(cli: Cli, work: impl FnOnce(Started) -> F) -> ExitCode
where
    F: Future<Output = anyhow::Result<()>>,
{
    let outcome = match cli.command {
        Command::Config(overrides) => show(&overrides),
        Command::Report(look) => print_report(&look),
        Command::Run(run) => in_runtime(run, work),
    };
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    eprintln!("keeper: {error:#}");
    if error.is::<ConfigError>() { ExitCode::from(2) } else { ExitCode::FAILURE }
}

fn show(overrides: &Overrides) -> anyhow::Result<()> {
    print!("{}", Config::load(overrides)?.to_toml()?);
    Ok(())
}

/// Without a key pair the keeper's own account is left out.
fn print_report(look: &Look) -> anyhow::Result<()> {
    let config = Config::load(&look.overrides)?;
    let own = config
        .keypair()
        .ok()
        .map(|keypair| Own { authority: keypair.pubkey(), margin: config.own_account(&keypair) });
    let options = ReportOptions { top: look.top, shocks: look.shocks.clone(), history: look.history };
    let runtime = tokio::runtime::Runtime::new().context("no runtime")?;
    let report = runtime.block_on(report::report(&config.client(), own, &options));
    let report = report.map_err(|error| hidden(&Secrets::of(&config), &error))?;
    if look.json {
        println!("{}", report.to_json()?)
    } else {
        print!("{report}")
    }
    Ok(())
}

fn hidden(secrets: &Secrets, error: &anyhow::Error) -> anyhow::Error {
    anyhow::Error::msg(secrets.hide(&format!("{error:#}")).into_owned())
}

fn in_runtime<F>(run: Run, work: impl FnOnce(Started) -> F) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>>,
{
    let mut config = Config::load(&run.overrides)?;
    config.once = run.once;
    // Read once, and before anything else: a keeper that finds out later that it cannot sign is of no use.
    config.keypair = Wallet::Memory(config.keypair()?);
    let secrets = Secrets::of(&config);
    logging::begin(&config)?;
    let runtime = tokio::runtime::Runtime::new().context("no runtime")?;
    let outcome = runtime.block_on(start(config, work));
    // What did not end in its time is not waited for.
    runtime.shutdown_background();
    match outcome {
        Err(error) if !error.is::<ConfigError>() => Err(hidden(&secrets, &error)),
        other => other,
    }
}

async fn start<F>(config: Config, work: impl FnOnce(Started) -> F) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>>,
{
    let (metrics, health) = (Arc::new(Metrics::new()?), Arc::new(Health::new(&config)));
    let stop = signals::listen().context("signals cannot be heard")?;
    if let Some(listen) = config.http.listen {
        // Until the very end: how a keeper ends is worth seeing too.
        let never = std::future::pending();
        let address = http::serve(listen, metrics.clone(), health.clone(), never).await?;
        tracing::info!(%address, "metrics and health are served");
    }
    work(Started { config, metrics, health, stop }).await
}
