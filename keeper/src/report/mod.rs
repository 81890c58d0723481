//! One look at a cluster: who is at risk, what each market stands on, what a move of prices would leave unpaid, and what the
//! keeper has earned.
//!
//! Everything is read over RPC when it is asked for, and nothing is kept. [`read`] fetches, [`Report::of`] computes from what
//! was fetched alone, [`text`] prints. The numbers are the engine's; accounts are read after the markets, so what moves in
//! between may be seen once in one place and once in the other.
//!
//! | module | for |
//! |---|---|
//! | [`read`] | what a report is made of, from a node |
//! | [`risk`] | who is nearest to liquidation |
//! | [`markets`] | markets and the insurance fund at a glance |
//! | [`stress`] | the exchange as it would be at other prices |
//! | [`solvency`] | what a move would leave unpaid, and who would stand for it |
//! | [`own`] | the keeper's own margin account |
//! | [`history`] | what the keeper has earned and spent |
//! | [`amount`], [`table`], [`text`] | how it is written down |

pub mod amount;
pub mod history;
pub mod markets;
pub mod own;
pub mod read;
pub mod risk;
pub mod solvency;
pub mod stress;
pub mod table;
pub mod text;

use bulwark_sdk::Pubkey;
use bulwark_sdk::health::HealthError;
use bulwark_sdk::program::state::MarginAccount;
use bulwark_sdk::rpc::{Client, MarketContext};
use serde::Serialize;

use crate::roles;

pub use markets::{FundView, MarketView};
pub use own::{Identity, Own};
pub use risk::Risks;
pub use solvency::Scenario;
pub use stress::{Shock, Target};

/// What a report looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportOptions {
    /// How many of the accounts nearest to liquidation are named.
    pub top: usize,
    /// Moves of prices that are tried.
    pub shocks: Vec<Shock>,
    /// How many of the own margin account's last transactions are read.
    pub history: usize,
}

/// Moves that are tried unless others are named, per cent.
pub const SHOCKS: [i32; 8] = [-30, -20, -10, -5, 5, 10, 20, 30];

impl Default for ReportOptions {
    fn default() -> Self {
        Self { top: 20, shocks: SHOCKS.into_iter().filter_map(Shock::percent).collect(), history: 1_000 }
    }
}

/// One look at a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Slot that the markets were read at.
    pub slot: u64,
    /// Clock that programs saw then, unix seconds.
    pub now: i64,
    /// Decimals of the quote token: amounts are strings of its smallest units.
    pub decimals: u8,
    /// Accounts at risk.
    pub risks: Risks,
    /// Markets in index order.
    pub markets: Vec<MarketView>,
    /// The insurance fund.
    pub fund: FundView,
    /// Moves of all markets together, then of each alone.
    pub solvency: Vec<Scenario>,
    /// The keeper's own account, if it has a key.
    pub own: Option<Own>,
}

impl Report {
    /// Computes a report from what was read.
    ///
    /// # Errors
    /// [`HealthError`] if the engine can't value a market, the fund, or what the keeper holds.
    pub fn of(
        context: &MarketContext,
        accounts: &[(Pubkey, Box<MarginAccount>)],
        own: Option<&Identity>,
        options: &ReportOptions,
    ) -> Result<Self, HealthError> {
        let sure = stress::at_stored_prices(context);
        let (live, at_sure) = (context.snapshot(), sure.snapshot());
        let ground = risk::Ground { live: &live, sure: &at_sure, slot: context.clock_slot };
        Ok(Self {
            slot: context.slot,
            now: context.now,
            decimals: context.exchange.quote_decimals,
            risks: Risks::of(ground, accounts, options.top),
            markets: MarketView::all(context)?,
            fund: FundView::of(context)?,
            solvency: Scenario::all(&sure, accounts, &options.shocks)?,
            own: own.map(|identity| Own::of(ground, accounts, identity)).transpose()?,
        })
    }

    /// The report as JSON. Amounts are strings of smallest units.
    ///
    /// # Errors
    /// Never: every part of it can be written.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }
}

/// Reads a cluster and reports on it, and on the keeper's own account. A history that can't be
/// read does not fail the report: it says why.
///
/// # Errors
/// The node can't be reached or refuses `getProgramAccounts`; the engine can't value what was read.
pub async fn report(
    client: &Client,
    own: Option<roles::Own>,
    options: &ReportOptions,
) -> anyhow::Result<Report> {
    let (context, accounts) = read::exchange(client).await?;
    let identity = match own {
        None => None,
        Some(own) => {
            let history = read::history(client, own, options.history).await;
            Some(Identity { own, history: history.map_err(|error| format!("{error:#}")) })
        }
    };
    Ok(Report::of(&context, &accounts, identity.as_ref(), options)?)
}
