//! Commands for a network that runs: a line each, for people at a terminal and programs at a pipe.

use anyhow::{Context, Result, bail};
use bulwark_sdk::units::parse_amount;
use bulwark_tests::fixtures::EXPONENT;

use crate::network::Localnet;

/// What can be asked for, for people.
pub const HELP: &str = "\
price ASSET DOLLARS   puts a price, and keeps it there: price SOL 165.50
walk ASSET            lets it walk again, around where it is
freeze ASSET          prints it no longer: it grows old
resume ASSET          prints it again
advance SECONDS       moves the clock
drop                  cuts every connection
reset                 begins anew";

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Puts an asset's price, dollars with eight decimals.
    Price(String, i64),
    /// Lets it walk.
    Walk(String),
    /// Stops printing it.
    Freeze(String),
    /// Prints it again.
    Resume(String),
    /// Moves the clock by so many seconds.
    Advance(i64),
    /// Cuts every connection.
    Drop,
    /// Begins anew.
    Reset,
}

impl Command {
    /// Reads a line.
    ///
    /// # Errors
    /// No such command, with those that there are.
    pub fn parse(line: &str) -> Result<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        Ok(match words[..] {
            ["price", asset, dollars] => {
                let decimals = u8::try_from(EXPONENT.unsigned_abs())?;
                let price = parse_amount(dollars, decimals).with_context(|| format!("{dollars:?}"))?;
                Self::Price(asset.to_string(), i64::try_from(price)?)
            }
            ["walk", asset] => Self::Walk(asset.to_string()),
            ["freeze", asset] => Self::Freeze(asset.to_string()),
            ["resume", asset] => Self::Resume(asset.to_string()),
            ["advance", seconds] => match seconds.parse() {
                Ok(seconds @ 0..) => Self::Advance(seconds),
                _ => bail!("{seconds:?} is no number of seconds: the clock goes forward only"),
            },
            ["drop"] => Self::Drop,
            ["reset"] => Self::Reset,
            _ => bail!("no command {line:?}; there are:\n{HELP}"),
        })
    }

    /// Does it.
    ///
    /// # Errors
    /// No such asset; the endpoint refuses; the chain's clock stands still.
    pub async fn run(&self, network: &mut Localnet) -> Result<()> {
        match self {
            Self::Price(asset, price) => network.oracles().set(asset, *price).await,
            Self::Walk(asset) => network.oracles().walk(asset).await,
            Self::Freeze(asset) => network.oracles().freeze(asset).await,
            Self::Resume(asset) => network.oracles().resume(asset).await,
            Self::Advance(seconds) => network.advance(*seconds).await,
            Self::Drop => network.drop_connections().await,
            Self::Reset => network.reset().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_command() {
        let parse = |line| Command::parse(line).unwrap();
        assert_eq!(parse("price SOL 165.50"), Command::Price("SOL".into(), 16_550_000_000));
        assert_eq!(parse("  advance   3600 "), Command::Advance(3_600));
        assert_eq!(parse("freeze BTC"), Command::Freeze("BTC".into()));
        assert_eq!(parse("reset"), Command::Reset);
    }

    #[test]
    fn what_is_no_command_is_refused_with_those_that_there_are() {
        for (line, words) in [
            ("prize SOL 1", "freeze ASSET"),
            ("price SOL", "price ASSET DOLLARS"),
            ("price SOL -1", "not a decimal number"),
            ("advance -5", "forward only"),
        ] {
            let error = format!("{:#}", Command::parse(line).unwrap_err());
            assert!(error.contains(words), "{error}");
        }
    }
}
