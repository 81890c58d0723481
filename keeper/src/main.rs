//! Liquidator and crank bot.

use std::process::ExitCode;

use bulwark_keeper::cli::{self, Cli, Started};
use bulwark_keeper::run;
use clap::Parser as _;

fn main() -> ExitCode {
    cli::main(Cli::parse(), |Started { config, metrics, health, stop }| async move {
        run::run(config, metrics, health, stop.wait()).await.map(drop)
    })
}
