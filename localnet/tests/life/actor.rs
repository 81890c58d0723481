//! Somebody with a wallet, by the SDK's client.

use std::future::Future;
use std::time::Duration;

use bulwark_localnet::{Localnet, Options};
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction::{self as ix, BuildError, Order};
use bulwark_sdk::listings::Listings;
use bulwark_sdk::program::state::Vault;
use bulwark_sdk::rpc::{self, Cause, Client, Context, Receipt, SendError};
use bulwark_sdk::{Instruction, Pubkey, address};
use solana_keypair::Keypair;
use solana_signer::Signer;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(60);
pub const SOL: u16 = 0;
pub const DOLLAR: u64 = 1_000_000;
/// Lots of a SOL.
pub const ONE_SOL: u64 = 1_000_000_000;

/// A network of one's own, and a client of it.
pub async fn network() -> (Localnet, Client) {
    let network = Localnet::start(Options::for_tests()).await.unwrap_or_else(|error| panic!("{error:#}"));
    let description = network.description();
    let client = Client::new(&description.rpc_url, &description.ws_url);
    (network, client)
}

/// What comes within the patience of a test.
pub async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it comes in time")
}

pub fn options() -> rpc::Options {
    rpc::Options { poll: Duration::from_millis(50), ..rpc::Options::default() }
}

pub struct Actor {
    pub client: Client,
    pub key: Keypair,
    pub margin: Pubkey,
    pub quote: Pubkey,
    pub listings: Listings,
}

impl Actor {
    /// With an open margin account.
    pub async fn open(network: &Localnet, client: &Client, name: &str) -> Self {
        let (key, quote) = (network.wallets().key(name), network.wallets().get(name).quote);
        let margin = address::margin_account(&key.pubkey(), 0);
        let listings = client.listings().await.unwrap();
        let actor = Self { client: client.clone(), key, margin, quote, listings };
        let open = ix::open_margin_account(actor.key.pubkey(), actor.key.pubkey(), 0);
        actor.send(&[open]).await.unwrap();
        actor
    }

    /// With an open margin account and so many dollars in it.
    pub async fn funded(network: &Localnet, client: &Client, (name, dollars): (&str, u64)) -> Self {
        let actor = Self::open(network, client, name).await;
        actor.deposit(dollars * DOLLAR).await;
        actor
    }

    pub async fn context(&self) -> Context {
        self.client.context(&self.listings, &self.margin).await.unwrap()
    }

    pub async fn send(&self, instructions: &[Instruction]) -> Result<Receipt, SendError> {
        self.client.send(instructions, &[&self.key], &options()).await
    }

    pub async fn deposit(&self, amount: u64) -> Receipt {
        let vault = self.listings.vault(Vault::QUOTE).unwrap();
        let deposit = ix::deposit(self.key.pubkey(), self.margin, vault, (self.quote, amount));
        self.send(&[deposit]).await.unwrap()
    }

    /// Sends what is built from the account as it is, with the refreshes that it needs.
    pub async fn act(
        &self,
        market: Option<u16>,
        build: impl FnOnce(&Context) -> Result<Instruction, BuildError>,
    ) -> Result<Receipt, SendError> {
        let context = self.context().await;
        let instruction = build(&context)?;
        self.client.send_refreshed((&context, market), &[instruction], &[&self.key], &options()).await
    }

    pub async fn buy(&self, lots: u64) -> Result<Receipt, SendError> {
        let order = Order { market: SOL, lots, limit_price: u64::MAX };
        let authority = self.key.pubkey();
        self.act(Some(SOL), |c| ix::open_position(&self.listings, authority, c.margin(), (Side::Long, order)))
            .await
    }

    pub async fn close(&self) -> Result<Receipt, SendError> {
        let order = Order { market: SOL, lots: u64::MAX, limit_price: 0 };
        let authority = self.key.pubkey();
        self.act(Some(SOL), |c| ix::close_position(&self.listings, authority, c.margin(), order)).await
    }

    /// Tokens in the wallet, quote units.
    pub async fn tokens(&self) -> u64 {
        tokens(&self.client, &self.quote).await
    }
}

/// Balance of a token account.
pub async fn tokens(client: &Client, account: &Pubkey) -> u64 {
    client.rpc().get_token_account_balance(account).await.unwrap().amount.parse().unwrap()
}

/// The only event of a kind.
pub fn only<'a, T>(receipt: &'a Receipt, pick: impl Fn(&'a Event) -> Option<T>) -> T {
    let mut found = receipt.events.iter().filter_map(pick);
    let first = found.next().unwrap_or_else(|| panic!("none among {:?}", receipt.events));
    assert!(found.next().is_none(), "{:?}", receipt.events);
    first
}

/// Name of the program's error.
pub fn refusal<T: std::fmt::Debug>(result: Result<T, SendError>) -> String {
    match result.unwrap_err() {
        SendError::Failed(failure) => match failure.cause {
            Cause::Bulwark(error) => format!("{error:?}"),
            cause => panic!("{cause:?}"),
        },
        error => panic!("{error}"),
    }
}
