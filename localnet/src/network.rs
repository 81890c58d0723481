//! Endpoint, exchange, oracles and wallets together.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use bulwark_migrate::RiskFile;
use bulwark_sdk::address;
use bulwark_sdk::program::oracle::OracleSource;
use serde::Serialize;

use crate::cheats::Cheats;
use crate::endpoint::{Endpoint, Ports, repository};
use crate::oracles::Oracles;
use crate::stage::Stage;
use crate::wallets::{WalletFile, Wallets};

/// How a network is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens.
    pub ports: Ports,
    /// Milliseconds of a slot.
    pub slot_ms: u32,
    /// Decides the walk of the prices.
    pub seed: u64,
    /// Whether prices walk by themselves; they are printed every second in any case.
    pub walk: bool,
    /// Where keys and description are written; nowhere without a folder.
    pub folder: Option<PathBuf>,
    /// The compiled program.
    pub so: PathBuf,
    /// The risk file.
    pub risk_file: PathBuf,
}

impl Options {
    /// For `make localnet`: the usual ports, walking prices, everything written to `target/localnet`.
    #[must_use]
    pub fn usual() -> Self {
        let folder = Some(repository().join("target/localnet"));
        Self { ports: Ports::USUAL, walk: true, folder, ..Self::for_tests() }
    }

    /// For tests: any free ports, prices that stand until they are moved, nothing written.
    #[must_use]
    pub fn for_tests() -> Self {
        Self {
            ports: Ports::ANY,
            slot_ms: 400,
            seed: 1,
            walk: false,
            folder: None,
            so: program(),
            risk_file: repository().join("migrations/localnet.toml"),
        }
    }
}

/// The compiled program, as the environment or the build names it.
fn program() -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from);
    std::env::var_os("BULWARK_SO").map_or_else(|| target.join("deploy/bulwark.so"), PathBuf::from)
}

/// What a client has to know of a network: the content of `localnet.json`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Description {
    /// JSON-RPC endpoint.
    pub rpc_url: String,
    /// Websocket endpoint.
    pub ws_url: String,
    /// The program.
    pub program: String,
    /// Mint of the quote token.
    pub quote_mint: String,
    /// Markets in the order of their indices.
    pub markets: Vec<MarketDescription>,
    /// Vaults in the order of their indices; the first one is the quote token's.
    pub vaults: Vec<VaultDescription>,
    /// Everybody who is funded.
    pub wallets: BTreeMap<String, WalletFile>,
}

/// A market of a network.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MarketDescription {
    /// Index.
    pub index: u16,
    /// Name for people.
    pub name: String,
    /// Address.
    pub address: String,
    /// A lot is 10^-`lot_decimals` of the base asset.
    pub lot_decimals: u8,
    /// Account that its price is read from.
    pub oracle: String,
}

/// A vault of a network.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VaultDescription {
    /// Index.
    pub index: u16,
    /// Name for people.
    pub name: String,
    /// Mint.
    pub mint: String,
    /// Decimals of the mint.
    pub decimals: u8,
    /// Address.
    pub address: String,
    /// Account that its price is read from; none for the quote token.
    pub oracle: Option<String>,
}

/// A running network. It ends when this is dropped.
pub struct Localnet {
    endpoint: Endpoint,
    cheats: Arc<Cheats>,
    oracles: Oracles,
    wallets: Wallets,
    file: RiskFile,
    description: Description,
    options: Options,
}

impl Localnet {
    /// Starts a network: the exchange is initialised, its markets are active, the pool has money, everybody has funds.
    ///
    /// # Errors
    /// Node or the compiled program is missing, a port is in use, the risk file is wrong.
    pub async fn start(options: Options) -> Result<Self> {
        let file = RiskFile::load(&options.risk_file)?;
        let endpoint = Endpoint::start(options.ports, options.slot_ms).await?;
        let cheats = Arc::new(Cheats::new(&endpoint.urls().rpc_url));
        let oracles = Oracles::of(&file, Arc::clone(&cheats), (options.seed, options.walk))?;
        let wallets = Wallets::new(&file.quote.mint);
        let folder = options.folder.as_deref();
        if let Some(folder) = folder {
            std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        }
        let description = describe(&endpoint, &file, wallets.write(folder)?);
        let mut network = Self { endpoint, cheats, oracles, wallets, file, description, options };
        network.set_stage().await?;
        network.write_description()?;
        Ok(network)
    }

    async fn set_stage(&mut self) -> Result<()> {
        let stage = Stage {
            cheats: &self.cheats,
            oracles: &self.oracles,
            wallets: &self.wallets,
            file: &self.file,
            so: &self.options.so,
            rpc_url: &self.description.rpc_url,
        };
        stage.set().await?;
        self.oracles.start();
        Ok(())
    }

    fn write_description(&self) -> Result<()> {
        let Some(folder) = &self.options.folder else { return Ok(()) };
        let path = folder.join("localnet.json");
        let text = serde_json::to_string_pretty(&self.description)?;
        std::fs::write(&path, format!("{text}\n")).with_context(|| path.display().to_string())
    }

    /// What clients have to know.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Everybody who is funded.
    #[must_use]
    pub fn wallets(&self) -> &Wallets {
        &self.wallets
    }

    /// The prices.
    #[must_use]
    pub fn oracles(&self) -> &Oracles {
        &self.oracles
    }

    /// What only a local endpoint allows.
    #[must_use]
    pub fn cheats(&self) -> &Cheats {
        &self.cheats
    }

    /// The chain's clock, unix seconds.
    ///
    /// # Errors
    /// The endpoint does not answer.
    pub async fn now(&self) -> Result<i64> {
        Ok(self.cheats.clock().await?.unix_timestamp)
    }

    /// Moves the clock by so many seconds, and prints all prices that are not frozen.
    ///
    /// # Errors
    /// The endpoint refuses.
    pub async fn advance(&self, seconds: i64) -> Result<()> {
        self.cheats.travel(self.now().await? + seconds).await?;
        self.oracles.print().await
    }

    /// Cuts every connection; the chain stays as it is.
    ///
    /// # Errors
    /// The endpoint is gone.
    pub async fn drop_connections(&mut self) -> Result<()> {
        self.endpoint.drop_connections().await
    }

    /// Begins anew, at the same URLs: an empty chain that is made an exchange again, and first prices.
    ///
    /// # Errors
    /// As [`Localnet::start`].
    pub async fn reset(&mut self) -> Result<()> {
        self.oracles.stop();
        self.oracles.restore().await;
        self.endpoint.restart().await?;
        self.set_stage().await
    }

    /// Ends it, and waits until its ports are free.
    ///
    /// # Errors
    /// The endpoint does not end.
    pub async fn stop(self) -> Result<()> {
        let Self { endpoint, oracles, .. } = self;
        drop(oracles);
        endpoint.stop().await
    }
}

fn describe(endpoint: &Endpoint, file: &RiskFile, wallets: BTreeMap<String, WalletFile>) -> Description {
    let urls = endpoint.urls().clone();
    let oracle = |source: &OracleSource| address::oracle(source).map(|key| key.to_string());
    let market = |market: &bulwark_migrate::file::MarketFile| MarketDescription {
        index: market.index,
        name: market.name.clone(),
        address: address::market(market.index).to_string(),
        lot_decimals: market.params.lot_decimals,
        oracle: oracle(&market.sources[0]).unwrap_or_default(),
    };
    let vaults = std::iter::once(&file.quote).chain(&file.vaults);
    let vault = |(index, vault): (u16, &bulwark_migrate::file::VaultFile)| VaultDescription {
        index,
        name: vault.name.clone(),
        mint: vault.mint.to_string(),
        decimals: vault.decimals,
        address: address::vault(&vault.mint).to_string(),
        oracle: oracle(&vault.sources[0]),
    };
    Description {
        rpc_url: urls.rpc_url,
        ws_url: urls.ws_url,
        program: address::PROGRAM.to_string(),
        quote_mint: file.quote.mint.to_string(),
        markets: file.markets.iter().map(market).collect(),
        vaults: (0..).zip(vaults).map(vault).collect(),
        wallets,
    }
}
