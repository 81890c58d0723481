//! A network of one's own, a client of it, and bystanders who make a side heavy.

use std::future::Future;
use std::time::Duration;

use bulwark_localnet::{Localnet, Options};
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::instruction::{self as ix, Order};
use bulwark_sdk::listings::Listings;
use bulwark_sdk::program::state::Vault;
use bulwark_sdk::rpc::{self, Client, CommitmentConfig, Context};
use bulwark_sdk::{Instruction, Pubkey, address};
use solana_keypair::Keypair;
use solana_signer::Signer;
use tokio::sync::{Mutex, MutexGuard};

/// Market of SOL.
pub const SOL: u16 = 0;
/// Market of BTC.
pub const BTC: u16 = 1;
/// Vault of SOL.
pub const SOL_VAULT: u16 = 1;
/// Quote units of a dollar.
pub const DOLLAR: u64 = 1_000_000;
/// Lots of a thousandth of a SOL, and lamports of one.
pub const MILLI_SOL: u64 = 1_000_000;
/// Lots of a thousandth of a BTC.
pub const MILLI_BTC: u64 = 100_000_000;
/// Longest wait for anything that has no time of its own.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Held by the test whose network it is: what is measured in slots is measured on a machine that does nothing else.
static ALONE: Mutex<()> = Mutex::const_new(());

/// A network and a client that sees what was processed last.
pub struct Stage {
    pub network: Localnet,
    pub client: Client,
    pub listings: Listings,
    _alone: MutexGuard<'static, ()>,
}

/// How tests send: they look often.
pub fn options() -> rpc::Options {
    rpc::Options { poll: Duration::from_millis(50), ..rpc::Options::default() }
}

/// What comes within the patience of a test.
pub async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it comes in time")
}

impl Stage {
    /// With `RUST_LOG`, keepers of this process write what they do.
    pub async fn start() -> Self {
        if let Ok(filter) = std::env::var("RUST_LOG") {
            let _ = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).try_init();
        }
        let alone = ALONE.lock().await;
        let network = Localnet::start(Options::for_tests()).await.unwrap_or_else(|error| panic!("{error:#}"));
        let urls = network.description();
        let client = Client::with_commitment(&urls.rpc_url, &urls.ws_url, CommitmentConfig::processed());
        let listings = client.listings().await.unwrap();
        Self { network, client, listings, _alone: alone }
    }

    /// A funded wallet's margin account 0, opened with so many dollars in it.
    pub async fn fund(&self, name: &str, dollars: u64) -> Pubkey {
        let (key, source) = (self.network.wallets().key(name), self.network.wallets().get(name).quote);
        let (owner, margin) = (key.pubkey(), address::margin_account(&key.pubkey(), 0));
        let vault = self.listings.vault(Vault::QUOTE).unwrap();
        let open = ix::open_margin_account(owner, owner, 0);
        let deposit = ix::deposit(owner, margin, vault, (source, dollars * DOLLAR));
        self.client.send(&[open, deposit], &[&key], &options()).await.unwrap();
        margin
    }

    /// The same for an account that may be open already.
    pub async fn refund(&self, name: &str, dollars: u64) {
        let (key, source) = (self.network.wallets().key(name), self.network.wallets().get(name).quote);
        let (owner, margin) = (key.pubkey(), address::margin_account(&key.pubkey(), 0));
        let open = self.client.margin_accounts(&owner).await.unwrap().is_empty();
        let open = open.then(|| ix::open_margin_account(owner, owner, 0));
        let vault = self.listings.vault(Vault::QUOTE).unwrap();
        let deposit = ix::deposit(owner, margin, vault, (source, dollars * DOLLAR));
        let instructions: Vec<Instruction> = open.into_iter().chain([deposit]).collect();
        self.client.send(&instructions, &[&key], &options()).await.unwrap();
    }

    pub async fn context(&self, margin: &Pubkey) -> Context {
        self.client.context(&self.listings, margin).await.unwrap()
    }

    /// Increases a position of a wallet's margin account 0, at whatever price.
    pub async fn increase(&self, name: &str, (market, side): (u16, Side), lots: u64) {
        let key = self.network.wallets().key(name);
        let context = self.context(&address::margin_account(&key.pubkey(), 0)).await;
        let order = Order { market, lots, limit_price: any_price(side) };
        let open = ix::open_position(&self.listings, key.pubkey(), context.margin(), (side, order)).unwrap();
        self.client.send_refreshed((&context, Some(market)), &[open], &[&key], &options()).await.unwrap();
    }

    /// A bystander with much money who holds a short of so many lots, and so makes that side of the market heavier.
    pub async fn short(&self, name: &str, market: u16, lots: u64) {
        self.fund(name, 900_000).await;
        self.increase(name, (market, Side::Short), lots).await;
    }
}

/// A limit that any fill that increases this side keeps.
pub fn any_price(side: Side) -> u64 {
    match side {
        Side::Long => u64::MAX,
        Side::Short => 0,
    }
}

/// A key pair that nobody else has.
pub fn fresh() -> Keypair {
    Keypair::new()
}
