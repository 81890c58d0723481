//! What is read while a session lasts: the clock and the oracles in every tick, the exchange's own accounts now and then.

use std::sync::Arc;
use std::time::Duration;

use bulwark_sdk::Pubkey;
use bulwark_sdk::listings::Listings;
use bulwark_sdk::rpc::{Client, MarketContext, Raw, RpcError};
use tokio::sync::mpsc::Sender;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::source::Snapshot;

/// Ticks between two looks at the exchange's own accounts.
const TICKS_PER_LOOK: u32 = 12;

/// What was read.
pub(super) enum Heard {
    /// Clock and oracle accounts.
    Pulse(Vec<(Pubkey, Option<Raw>)>),
    /// The exchange with its markets and vaults, and the lamports of the keeper's wallet.
    Look(Box<MarketContext>, Option<u64>),
    /// Every account of the program, and after how many interruptions of the stream it was asked for.
    Snapshot(u64, anyhow::Result<Snapshot>),
    /// Listings are out of date.
    Outdated,
    /// The node did not answer.
    Silence(String),
}

/// A task that ends with its session.
pub(super) struct Task(JoinHandle<()>);

impl Task {
    pub(super) fn spawn(task: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(task))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What the follower reads.
pub(super) struct Follower {
    pub(super) client: Client,
    pub(super) wallet: Pubkey,
    pub(super) listings: Arc<Listings>,
    pub(super) pulse_keys: Vec<Pubkey>,
    pub(super) tick: Duration,
}

impl Follower {
    /// Reads until nobody listens any more.
    pub(super) async fn follow(self, tell: Sender<Heard>) {
        let mut ticks = interval(self.tick);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut count = 0_u32;
        loop {
            ticks.tick().await;
            count = count.wrapping_add(1);
            let heard =
                if count.is_multiple_of(TICKS_PER_LOOK) { self.look().await } else { self.pulse().await };
            if tell.send(heard).await.is_err() {
                return;
            }
        }
    }

    async fn pulse(&self) -> Heard {
        match self.client.raw_accounts(&self.pulse_keys).await {
            Ok((_, accounts)) => Heard::Pulse(self.pulse_keys.iter().copied().zip(accounts).collect()),
            Err(error) => Heard::Silence(error.to_string()),
        }
    }

    async fn look(&self) -> Heard {
        let lamports = self.client.rpc().get_balance(&self.wallet);
        let (context, lamports) = tokio::join!(self.client.market_context(&self.listings), lamports);
        match context {
            Ok(context) => Heard::Look(Box::new(context), lamports.ok()),
            Err(RpcError::ListingsOutOfDate | RpcError::Missing { .. }) => Heard::Outdated,
            Err(error) => Heard::Silence(error.to_string()),
        }
    }
}
