//! All of it together: listen, judge, find, begin, until somebody says stop.
//!
//! One task owns what is known and decides; reading, acting and listening happen in tasks of their own and tell it what they
//! found. A session lasts as long as what was learned at its beginning holds: when something is listed or closed, or the chain
//! has begun anew, everything is read again.

mod follow;
mod session;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::state::MarginAccount;
use bulwark_sdk::rpc::{self, Client};
use solana_keypair::Keypair;
use solana_signer::Signer;

use crate::act::{Actor, Together};
use crate::config::{Config, ConfigError};
use crate::dispatch::Dispatcher;
pub use crate::dispatch::Summary;
use crate::http::Health;
use crate::ledger::Ledger;
use crate::metrics::Metrics;
use crate::roles::Own;
use crate::rules::Rules;
use crate::source::RpcSource;

use session::{End, Session};

/// Wait after a session that could not begin: at first, and at most.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// Time for a transaction to be included before it is judged anew.
const INCLUDED_WITHIN: Duration = Duration::from_secs(12);

/// What all sessions share.
struct Keeper {
    config: Config,
    client: Client,
    signer: Arc<Keypair>,
    own: Own,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
}

/// Runs a keeper until `stop` is done, or, with `once`, until nothing is left to do. What is under way by then is waited for.
///
/// # Errors
/// A key, an amount or a cluster that is not what the configuration says; with `once`, a node that does not answer.
pub async fn run(
    config: Config,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    stop: impl Future<Output = ()> + Send,
) -> Result<Summary> {
    let (client, signer) = (config.client(), config.keypair()?);
    let own = Own { authority: signer.pubkey(), margin: config.own_account(&signer) };
    let keeper = Keeper { config, client, signer, own, metrics, health };
    tokio::pin!(stop);
    let mut dispatcher = None;
    let mut wait = FIRST_WAIT;
    loop {
        let session = keeper.session(&mut dispatcher, stop.as_mut());
        match session.await {
            Ok(End::Stopped) => break,
            Ok(End::Anew(why)) => {
                tracing::warn!(why, "reading everything again");
                wait = FIRST_WAIT;
            }
            // What is wrong with the configuration trying again does not mend.
            Err(error) if keeper.config.once || error.is::<ConfigError>() => return Err(error),
            Err(error) => tracing::error!(error = format!("{error:#}"), "can't work: trying again"),
        }
        keeper.health.set_synced(false);
        keeper.metrics.synced.set(0);
        tokio::select! {
            () = stop.as_mut() => break,
            () = tokio::time::sleep(wait) => {}
        }
        wait = (wait * 2).min(LONGEST_WAIT);
    }
    let summary = match &mut dispatcher {
        Some(dispatcher) => keeper.drain(dispatcher).await,
        None => Summary::default(),
    };
    tracing::info!(?summary, "stopped");
    Ok(summary)
}

impl Keeper {
    async fn session(
        &self,
        dispatcher: &mut Option<Dispatcher>,
        stop: impl Future<Output = ()> + Send + Unpin,
    ) -> Result<End> {
        self.require_cluster().await?;
        let tables = self.tables().await?;
        // It listens before anything is read, so that nothing is missed.
        let source = RpcSource::connect(self.client.clone()).await?;
        let mut session = Session::open(self, source).await?;
        let rules = session.rules.clone();
        if dispatcher.is_none() {
            self.open_account().await?;
            let limit = usize::from(self.config.limits.concurrency);
            *dispatcher = Some(Dispatcher::new(Arc::new(self.actor(rules, tables)), limit));
        }
        let Some(dispatcher) = dispatcher else { bail!("no dispatcher") };
        session.run(dispatcher, stop).await
    }

    /// # Errors
    /// Another cluster than the configured one.
    async fn require_cluster(&self) -> Result<()> {
        let genesis =
            self.client.rpc().get_genesis_hash().await.context("asking for the cluster's genesis")?;
        let genesis = genesis.to_string();
        if !self.config.cluster.is(&genesis) {
            bail!(ConfigError::Mismatch(format!(
                "cluster.rpc_url: this cluster's genesis is {genesis}, not the one of cluster.genesis: check both"
            )));
        }
        Ok(())
    }

    async fn tables(&self) -> Result<Vec<rpc::AddressLookupTableAccount>> {
        let mut tables = Vec::new();
        for table in &self.config.cluster.lookup_tables {
            tables.push(self.client.lookup_table(&table.0).await.context("cluster.lookup_tables")?);
        }
        Ok(tables)
    }

    /// Opens the keeper's own margin account if it is not there: without one nobody is paid. Its rent comes back when it is
    /// closed.
    async fn open_account(&self) -> Result<()> {
        let present = self.client.fetch::<MarginAccount>(&self.own.margin).await?;
        if let Some(account) = present {
            if !account.may_trade(&self.own.authority) {
                bail!(ConfigError::Mismatch(format!(
                    "margin_account: {} is neither owner nor delegate of {}: name an account of its own, or set it as delegate",
                    self.own.authority, self.own.margin
                )));
            }
            return Ok(());
        }
        if self.config.margin_account.is_some() {
            bail!(ConfigError::Mismatch(format!(
                "margin_account: {} is not open: open it first",
                self.own.margin
            )));
        }
        if self.config.dry_run {
            tracing::warn!(account = %self.own.margin, "the keeper's margin account is not open: nobody would be paid");
            return Ok(());
        }
        let open = ix::open_margin_account(self.own.authority, self.own.authority, self.config.sub_id);
        self.client.send(&[open], &[&*self.signer], &rpc::Options::default()).await.with_context(|| {
            format!(
                "opening the keeper's margin account {}: does {} have lamports?",
                self.own.margin, self.own.authority
            )
        })?;
        tracing::info!(account = %self.own.margin, "opened the keeper's margin account; takeovers need a deposit");
        Ok(())
    }

    fn actor(&self, rules: Rules, tables: Vec<rpc::AddressLookupTableAccount>) -> Actor {
        let poll = self.config.timing.poll();
        let fee = self.config.fee_policy();
        // Signed once: what is not included in time is judged anew, and sent for a higher fee. Should both be included, the
        // second finds nothing to do. What it earns is known from the simulation: its log would be another wait.
        let deadline = INCLUDED_WITHIN;
        let options =
            rpc::Options { poll, resigns: 0, fee, tables, deadline, log: false, ..rpc::Options::default() };
        Actor {
            client: self.client.clone(),
            signer: Arc::clone(&self.signer),
            own: self.own,
            rules,
            options,
            dry_run: self.config.dry_run,
            ledger: Ledger::new(self.config.fees.max_lamports_per_hour),
            metrics: Arc::clone(&self.metrics),
            together: Together::default(),
        }
    }

    /// Waits for what is under way, as long as the configuration allows.
    async fn drain(&self, dispatcher: &mut Dispatcher) -> Summary {
        let left = dispatcher.in_flight();
        if left > 0 {
            tracing::info!(left, "waiting for what is under way");
        }
        let all = async { while dispatcher.ended().await.is_some() {} };
        if tokio::time::timeout(self.config.timing.shutdown(), all).await.is_err() {
            tracing::warn!(
                left = dispatcher.in_flight(),
                "not waited for: what was sent may still be included"
            );
        }
        self.metrics.in_flight.set(0);
        dispatcher.summary
    }
}
