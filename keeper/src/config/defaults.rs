//! What holds where the file says nothing. `keeper.example.toml` says the same, with reasons.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};

use super::{
    Allocate, Amount, Cluster, Commitment, Fees, Http, Limits, Log, LogFormat, Refresh, Sweep, Timing,
};

impl Default for Cluster {
    fn default() -> Self {
        Self {
            rpc_url: "http://127.0.0.1:8899".into(),
            ws_url: "ws://127.0.0.1:8900".into(),
            commitment: Commitment::Confirmed,
            genesis: None,
            lookup_tables: BTreeSet::new(),
        }
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self { tick_ms: 400, resync_secs: 300, sweep_secs: 60, shutdown_secs: 60, poll_ms: 200 }
    }
}

impl Default for Fees {
    fn default() -> Self {
        Self {
            percentile: 50,
            fixed: None,
            max_lamports: 50_000,
            max_lamports_per_hour: 50_000_000,
            min_lamports: 100_000_000,
            sol_price: None,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            concurrency: 16,
            min_profit: Amount::from(0),
            max_takeover: Amount::from(50_000),
            max_inventory: Amount::from(0),
            min_free_margin: Amount::from(100),
            max_collateral: Amount::from(10_000),
        }
    }
}

impl Default for Refresh {
    fn default() -> Self {
        Self { max_age_secs: 20, min_move_ppm: 2_000, accounts: BTreeMap::new() }
    }
}

impl Default for Allocate {
    fn default() -> Self {
        Self { min_amount: Amount::from(1_000) }
    }
}

impl Default for Sweep {
    fn default() -> Self {
        Self { min_fees: Amount::from(10), max_age_secs: 3_600 }
    }
}

impl Default for Http {
    fn default() -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 9_464));
        Self { listen: Some(listen), max_silence_secs: 30, max_lag_slots: 150 }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".to_string() }
    }
}
