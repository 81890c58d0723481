//! The risk file: what a cluster should be, in human units. Mistakes are reported all at once, each with its line.

use std::path::{Path, PathBuf};

use bulwark_sdk::Pubkey;
use bulwark_sdk::engine::collateral::CollateralParams;
use bulwark_sdk::engine::governance::{ExchangeParams, InsuranceParams};
use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::pool::PoolParams;
use bulwark_sdk::program::oracle::OracleSource;
use bulwark_sdk::program::state::{Exchange, MarketStatus};
use thiserror::Error;

use crate::bounds;
use crate::cluster::{Genesis, is_local};
use crate::document::Document;
pub use crate::document::Problem;
use crate::fields::{self, Decimals, Place};
use crate::party::Role;
use crate::sources;

/// Why a file can't be used.
#[derive(Debug, Error)]
pub enum FileError {
    /// It can't be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is wrong.
    #[error("{}", lines(path, problems))]
    Wrong {
        /// The file.
        path: PathBuf,
        /// Every mistake, in the order of the file.
        problems: Vec<Problem>,
    },
}

fn lines(path: &Path, problems: &[Problem]) -> String {
    let lines = problems.iter().map(|problem| format!("{}:{problem}", path.display()));
    lines.collect::<Vec<_>>().join("\n")
}

/// Who does what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roles {
    /// The program's upgrade authority: deploys and initialises.
    pub deployer: Role,
    /// The exchange's admin: proposes.
    pub admin: Role,
    /// Pays rents and fees.
    pub payer: Role,
    /// The guardian.
    pub guardian: Role,
    /// Owner of the token account that protocol fees are collected to.
    pub fee_recipient: Role,
}

/// The program as it should be deployed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramFile {
    /// The compiled program.
    pub so: PathBuf,
    /// Key pair of its address, for the first deployment.
    pub keypair: Option<PathBuf>,
}

/// A token as it should be listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultFile {
    /// Name for people.
    pub name: String,
    /// Mint.
    pub mint: Pubkey,
    /// Decimals of the mint: amounts in the file are in whole tokens.
    pub decimals: u8,
    /// Primary and secondary oracle.
    pub sources: [OracleSource; 2],
    /// Haircuts and limits.
    pub params: CollateralParams,
}

/// A market as it should be listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarketFile {
    /// Name for people.
    pub name: String,
    /// Its index on the exchange.
    pub index: u16,
    /// `Active` or `ReduceOnly`.
    pub status: MarketStatus,
    /// Primary and secondary oracle.
    pub sources: [OracleSource; 2],
    /// Risk parameters.
    pub params: MarketParams,
}

/// A risk file without mistakes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RiskFile {
    /// JSON-RPC endpoint of the cluster.
    pub rpc: String,
    /// Which cluster that is.
    pub genesis: Genesis,
    /// Who does what.
    pub roles: Roles,
    /// The program.
    pub program: ProgramFile,
    /// The quote token.
    pub quote: VaultFile,
    /// Parameters of the exchange.
    pub exchange: ExchangeParams,
    /// Parameters of the pool.
    pub pool: PoolParams,
    /// Parameters of the insurance fund.
    pub insurance: InsuranceParams,
    /// Collaterals in the order in which they are listed.
    pub vaults: Vec<VaultFile>,
    /// Markets in the order of their indices.
    pub markets: Vec<MarketFile>,
}

impl RiskFile {
    /// Reads a file. Paths in it are relative to it.
    ///
    /// # Errors
    /// [`FileError`] with every mistake.
    pub fn load(path: &Path) -> Result<Self, FileError> {
        let unreadable = |source| FileError::Unreadable { path: path.to_path_buf(), source };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, folder).map_err(|problems| FileError::Wrong { path: path.to_path_buf(), problems })
    }

    /// Reads a text whose paths are relative to `folder`.
    ///
    /// # Errors
    /// Every mistake, in the order of the text.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, Vec<Problem>> {
        let document = Document::parse(text)?;
        let file = Reader { document: &document, folder }.file();
        let problems = document.finish();
        match file {
            Some(file) if problems.is_empty() => Ok(file),
            _ => Err(problems),
        }
    }

    /// Decimals of the quote token.
    #[must_use]
    pub fn quote_decimals(&self) -> u8 {
        self.quote.decimals
    }
}

/// What `cluster.genesis` must be.
const HASH: &str = "must be a genesis hash, as `solana genesis-hash` prints it";

struct Reader<'d, 'a> {
    document: &'d Document<'a>,
    folder: &'d Path,
}

impl Reader<'_, '_> {
    fn file(&self) -> Option<RiskFile> {
        let document = self.document;
        // Everything is read before anything is missed, so that all mistakes come out at once.
        let rpc = document.need_text("cluster.rpc").map(str::to_string);
        let genesis = self.genesis(rpc.as_deref());
        let roles = self.roles();
        let program = self.program();
        let quote = self.vault("quote", None);
        let decimals =
            Decimals { quote: quote.as_ref().map_or(6, |quote| quote.decimals), ..Decimals::default() };
        let place = |table| Place { table, preset: None, decimals };
        let exchange: ExchangeParams = fields::read(document, &place("exchange"));
        bounds::check(document, &place("exchange"), &exchange, ExchangeParams::validate);
        self.require_groups();
        let pool: PoolParams = fields::read(document, &place("pool"));
        bounds::check(document, &place("pool"), &pool, PoolParams::validate);
        let insurance: InsuranceParams = fields::read(document, &place("insurance"));
        bounds::check(document, &place("insurance"), &insurance, InsuranceParams::validate);
        let table = |array: &str, index: usize| format!("{array}[{index}]");
        let vaults: Vec<_> =
            (0..document.count("vault")).map(|i| self.vault(&table("vault", i), Some(decimals))).collect();
        let markets: Vec<_> =
            (0..document.count("market")).map(|i| self.market(&table("market", i), decimals)).collect();
        self.require_distinct(&quote, &vaults, &markets);
        let mut markets: Vec<MarketFile> = markets.into_iter().collect::<Option<_>>()?;
        markets.sort_by_key(|market| market.index);
        let vaults = vaults.into_iter().collect::<Option<_>>()?;
        Some(RiskFile {
            rpc: rpc?,
            genesis: genesis?,
            roles: roles?,
            program: program?,
            quote: quote?,
            exchange,
            pool,
            insurance,
            vaults,
            markets,
        })
    }

    fn genesis(&self, rpc: Option<&str>) -> Option<Genesis> {
        let path = "cluster.genesis";
        let text = self.document.need_text(path)?;
        if text == "any" {
            if rpc.is_some_and(|rpc| !is_local(rpc)) {
                self.document
                    .wrong_at(path, format!("\"any\" is for an endpoint on this machine only: {HASH}"));
            }
            return Some(Genesis::Any);
        }
        let hash = text.parse().ok().map(Genesis::Hash);
        if hash.is_none() {
            self.document.wrong_at(path, HASH);
        }
        hash
    }

    fn roles(&self) -> Option<Roles> {
        let role = |name: &str| {
            let text = self.document.need_text(&format!("roles.{name}"))?;
            Some(Role::parse(text, self.folder))
        };
        let (deployer, admin, payer) = (role("deployer"), role("admin"), role("payer"));
        let (guardian, fee_recipient) = (role("guardian"), role("fee_recipient"));
        Some(Roles {
            deployer: deployer?,
            admin: admin?,
            payer: payer?,
            guardian: guardian?,
            fee_recipient: fee_recipient?,
        })
    }

    fn program(&self) -> Option<ProgramFile> {
        let so = self.document.need_text("program.so").map(|path| self.folder.join(path));
        let keypair = self.document.text("program.keypair").map(|path| self.folder.join(path));
        Some(ProgramFile { so: so?, keypair })
    }

    /// A table of `[preset]` that a listing leaves keys to.
    fn preset(&self, table: &str) -> Option<String> {
        let path = format!("{table}.preset");
        let name = self.document.text(&path)?;
        let preset = format!("preset.{name}");
        if self.document.find(&preset).is_none() {
            self.document.wrong_at(&path, format!("there is no [preset.{name}] in this file"));
        }
        Some(preset)
    }

    fn vault(&self, table: &str, quote: Option<Decimals>) -> Option<VaultFile> {
        let path = |key: &str| format!("{table}.{key}");
        let name = self.document.need_text(&path("name")).map(str::to_string);
        let mint = self.document.need(&path("mint")).and_then(|_| self.document.key(&path("mint")));
        let decimals: Option<u8> = self.document.need_number(&path("decimals"));
        let sources = sources::read(self.document, table, quote.is_some());
        let tokens = decimals.unwrap_or(0);
        let decimals_of = Decimals { tokens, ..quote.unwrap_or_default() };
        let (params_table, preset) = (path("params"), self.preset(table));
        let place = Place { table: &params_table, preset: preset.as_deref(), decimals: decimals_of };
        let params: CollateralParams = fields::read(self.document, &place);
        match quote {
            Some(_) => bounds::check(self.document, &place, &params, CollateralParams::validate),
            None => bounds::check(self.document, &place, &params, CollateralParams::validate_limits),
        }
        Some(VaultFile { name: name?, mint: mint?, decimals: decimals?, sources: sources?, params })
    }

    fn market(&self, table: &str, quote: Decimals) -> Option<MarketFile> {
        let path = |key: &str| format!("{table}.{key}");
        let name = self.document.need_text(&path("name")).map(str::to_string);
        let index: Option<u16> = self.document.need_number(&path("index"));
        if index.is_some_and(|index| index >= Exchange::MAX_MARKETS) {
            self.document.wrong_at(&path("index"), format!("must be below {}", Exchange::MAX_MARKETS));
        }
        let status = self.status(&path("status"));
        let sources = sources::read(self.document, table, true);
        let (params_table, preset) = (path("params"), self.preset(table));
        let place = Place { table: &params_table, preset: preset.as_deref(), decimals: quote };
        let lots = self.document.number(&place.path(self.document, "lot_decimals"));
        let lots = lots.and_then(|lots| u8::try_from(lots).ok()).unwrap_or(0);
        let place = Place { decimals: Decimals { lots, ..quote }, ..place };
        let params: MarketParams = fields::read(self.document, &place);
        bounds::check(self.document, &place, &params, MarketParams::validate);
        Some(MarketFile { name: name?, index: index?, status: status?, sources: sources?, params })
    }

    fn status(&self, path: &str) -> Option<MarketStatus> {
        match self.document.need_text(path)? {
            "active" => Some(MarketStatus::Active),
            "reduce_only" => Some(MarketStatus::ReduceOnly),
            _ => {
                let why =
                    "must be \"active\" or \"reduce_only\": a market is wound up by a proposal of its own";
                self.document.wrong_at(path, why);
                None
            }
        }
    }

    fn require_groups(&self) {
        let path = "exchange.risk_groups.offset_ppm";
        if self.document.find(path).is_some() && self.document.count(path) != 8 {
            self.document.wrong_at(path, "must be an array of eight numbers, one for each risk group");
        }
    }

    fn require_distinct(
        &self,
        quote: &Option<VaultFile>,
        vaults: &[Option<VaultFile>],
        markets: &[Option<MarketFile>],
    ) {
        let mut mints: Vec<Pubkey> = quote.iter().map(|quote| quote.mint).collect();
        for (index, vault) in vaults.iter().enumerate() {
            let Some(vault) = vault else { continue };
            if mints.contains(&vault.mint) {
                self.document.wrong_at(&format!("vault[{index}].mint"), "is listed already, further up");
            }
            mints.push(vault.mint);
        }
        for (at, market) in markets.iter().enumerate() {
            let Some(market) = market else { continue };
            let before = || markets[..at].iter().flatten();
            if before().any(|other| other.index == market.index) {
                self.document
                    .wrong_at(&format!("market[{at}].index"), "is the index of another market further up");
            }
            // A listing that was proposed is told by what it says: two can't say the same.
            if before().any(|other| other.sources == market.sources) {
                self.document
                    .wrong_at(&format!("market[{at}].primary"), "is the source of another market further up");
            }
        }
    }
}
