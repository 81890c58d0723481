//! What answers of the SDK are computed from, copied off the chain.

use bulwark_sdk::health::Snapshot;
use bulwark_sdk::program::state::{Exchange, Market, Vault};

use crate::world::World;

/// Copies of everything that an SDK answer needs.
#[derive(Clone)]
pub struct Copies {
    /// The exchange.
    pub exchange: Box<Exchange>,
    /// Markets in order.
    pub markets: Vec<Box<Market>>,
    /// Vaults in order.
    pub vaults: Vec<Vault>,
    /// Clock, unix seconds.
    pub now: i64,
}

impl Copies {
    /// Reads the chain.
    #[must_use]
    pub fn of(world: &World) -> Self {
        let exchange = world.exchange();
        let markets = exchange.markets().map(|i| world.market(i)).collect();
        let vaults = (0..exchange.vault_count).map(|i| *world.vault(i)).collect();
        Self { exchange, markets, vaults, now: world.now() }
    }

    /// What the SDK takes.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot<'_> {
        Snapshot {
            exchange: &self.exchange,
            markets: self.markets.iter().map(|m| (m.index, &**m)).collect(),
            vaults: self.vaults.iter().map(|v| (v.index, v)).collect(),
            now: self.now,
        }
    }
}
