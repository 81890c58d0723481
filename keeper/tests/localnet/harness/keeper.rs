//! A keeper in this process, with the default configuration unless a test says otherwise.

use std::sync::Arc;

use bulwark_keeper::config::Config;
use bulwark_keeper::http::Health;
use bulwark_keeper::metrics::Metrics;
use bulwark_keeper::run::{self, Summary};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::reading::Reading;
use super::stage::{Stage, soon};

/// Dollars that a keeper takes positions over with.
pub const CAPITAL: u64 = 200_000;

/// A running keeper.
pub struct Keeper {
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<anyhow::Result<Summary>>,
}

/// The default configuration of a keeper that signs for a funded wallet.
pub fn config(stage: &Stage, wallet: &str) -> Config {
    let urls = stage.network.description();
    Config::for_tests((&urls.rpc_url, &urls.ws_url), stage.network.wallets().key(wallet))
}

impl Keeper {
    /// A keeper by default, with capital, of the wallet that is meant for one; at work when this returns.
    pub async fn start(stage: &Stage) -> Self {
        stage.fund("keeper", CAPITAL).await;
        let keeper = Self::with(config(stage, "keeper"));
        keeper.at_work().await;
        keeper
    }

    pub fn with(config: Config) -> Self {
        let (metrics, health) = (Arc::new(Metrics::new().unwrap()), Arc::new(Health::new(&config)));
        let (stop, stopped) = oneshot::channel();
        let stopped = async { stopped.await.unwrap_or_default() };
        let task = tokio::spawn(run::run(config, metrics.clone(), health.clone(), stopped));
        Self { metrics, health, stop, task }
    }

    pub fn reading(&self) -> Reading {
        Reading::of(&self.metrics.render().unwrap())
    }

    /// Waits until what it counts is so.
    pub async fn until(&self, so: impl Fn(&Reading) -> bool) {
        soon(async {
            while !so(&self.reading()) {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        })
        .await;
    }

    /// Waits until it has read everything and its streams stand.
    pub async fn at_work(&self) {
        self.until(|reading| reading.get("synced") == 1).await;
    }

    /// Names of what is wrong with it.
    pub fn problems(&self) -> Vec<String> {
        self.health.problems().into_iter().map(|problem| problem.name).collect()
    }

    /// Has it end, and what is under way with it.
    pub async fn stop(self) -> (Reading, Summary) {
        self.stop.send(()).unwrap();
        let summary = soon(self.task).await.unwrap().unwrap();
        (Reading::of(&self.metrics.render().unwrap()), summary)
    }

    /// Waits until it ends by itself.
    pub async fn end(self) -> (Reading, Summary) {
        let summary = soon(self.task).await.unwrap().unwrap();
        (Reading::of(&self.metrics.render().unwrap()), summary)
    }
}
