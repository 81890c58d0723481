//! What is on the chain, read anew for every plan.

use std::collections::BTreeMap;

use bulwark_sdk::engine::price::{self, Reading};
use bulwark_sdk::explain::InForce;
use bulwark_sdk::health::Snapshot;
use bulwark_sdk::listings::{Listings, VaultListing};
use bulwark_sdk::program::oracle::{self, OracleSource};
use bulwark_sdk::program::state::{Change, Exchange, InsuranceFund, Market, Pool, Vault};
use bulwark_sdk::{Pubkey, address};
use solana_account::Account;
use solana_clock::Clock;

use crate::chain::{Chain, ChainError, decode};
use crate::file::RiskFile;

/// Clock sysvar.
pub(crate) const CLOCK: Pubkey = solana_clock::sysvar::ID;

/// A mint, as far as listings need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mint {
    /// Its token program.
    pub token_program: Pubkey,
    /// Decimals.
    pub decimals: u8,
}

/// An initialised exchange with all that governance can change.
#[derive(Debug)]
pub struct Deployed {
    /// The exchange.
    pub exchange: Box<Exchange>,
    /// The pool.
    pub pool: Box<Pool>,
    /// The insurance fund.
    pub fund: Box<InsuranceFund>,
    /// Vaults by index.
    pub vaults: BTreeMap<u16, Box<Vault>>,
    /// Markets by index.
    pub markets: BTreeMap<u16, Box<Market>>,
    /// Changes by number.
    pub changes: BTreeMap<u64, Box<Change>>,
    /// What instructions need to know of it.
    pub listings: Listings,
}

/// What is on the chain.
#[derive(Debug)]
pub struct State {
    /// The chain's clock, unix seconds.
    pub now: i64,
    /// The exchange, once it is initialised.
    pub deployed: Option<Deployed>,
    /// The mints that the file names, as far as they exist.
    pub mints: BTreeMap<Pubkey, Mint>,
    /// The oracle accounts of the file's sources, as far as they exist.
    oracles: BTreeMap<Pubkey, Account>,
}

impl State {
    /// Reads it.
    ///
    /// # Errors
    /// [`ChainError`].
    pub async fn read(chain: &impl Chain, file: &RiskFile) -> Result<Self, ChainError> {
        let clock = chain.accounts(&[CLOCK]).await?.pop().flatten();
        let now = clock.as_ref().and_then(unix_timestamp).ok_or_else(|| ChainError::BadAccount {
            address: CLOCK,
            error: "the cluster has no clock: is this a Solana endpoint?".to_string(),
        })?;
        let vaults = || std::iter::once(&file.quote).chain(&file.vaults);
        let mints: Vec<Pubkey> = vaults().map(|vault| vault.mint).collect();
        let found = chain.accounts(&mints).await?;
        let mints = mints.into_iter().zip(found).filter_map(|(key, account)| Some((key, mint(&account?)?)));
        let sources = vaults().map(|v| v.sources).chain(file.markets.iter().map(|m| m.sources));
        let oracles: Vec<Pubkey> = sources.flatten().filter_map(|source| address::oracle(&source)).collect();
        let found = chain.accounts(&oracles).await?;
        let oracles = oracles.into_iter().zip(found).filter_map(|(key, account)| Some((key, account?)));
        let (mints, oracles) = (mints.collect(), oracles.collect());
        Ok(Self { now, deployed: Deployed::read(chain).await?, mints, oracles })
    }

    /// What a source prints, in quote units per lot of `decimals`; `None` if its account is not there, or holds no price.
    #[must_use]
    pub fn reading(&self, source: &OracleSource, (quote, decimals): (u8, u8)) -> Option<Reading> {
        let key = address::oracle(source)?;
        let account = self.oracles.get(&key)?;
        let print = oracle::read(source, &key, &account.owner, &account.data).ok()?;
        price::normalise(&print, quote, decimals).ok()
    }
}

impl Deployed {
    async fn read(chain: &impl Chain) -> Result<Option<Self>, ChainError> {
        let keys = [address::exchange(), address::pool(), address::insurance_fund()];
        let found = existing(chain.accounts(&keys).await?);
        let [Some(exchange), Some(pool), Some(fund)] = &found[..] else { return Ok(None) };
        let exchange: Box<Exchange> = decode(keys[0], exchange)?;
        let markets: Vec<u16> = exchange.markets().collect();
        let keys_of: Vec<Pubkey> = markets.iter().map(|&index| address::market(index)).collect();
        let found = existing(chain.accounts(&keys_of).await?);
        let mut by_index = BTreeMap::new();
        for ((index, key), account) in markets.into_iter().zip(keys_of).zip(found) {
            let missing =
                || ChainError::BadAccount { address: key, error: "the market is gone: try again".into() };
            by_index.insert(index, decode(key, &account.ok_or_else(missing)?)?);
        }
        let mut vaults = BTreeMap::new();
        for (_, vault) in chain.all::<Vault>().await? {
            vaults.insert(vault.index, vault);
        }
        let mut changes = BTreeMap::new();
        for (_, change) in chain.all::<Change>().await? {
            changes.insert(change.nonce, change);
        }
        let listings = Listings::new(listings(chain, &vaults).await?, &exchange);
        let (pool, fund) = (decode(keys[1], pool)?, decode(keys[2], fund)?);
        Ok(Some(Self { exchange, pool, fund, vaults, markets: by_index, changes, listings }))
    }

    /// What the SDK computes answers from.
    #[must_use]
    pub fn snapshot(&self, now: i64) -> Snapshot<'_> {
        Snapshot {
            exchange: &self.exchange,
            markets: self.markets.iter().map(|(index, market)| (*index, &**market)).collect(),
            vaults: self.vaults.iter().map(|(index, vault)| (*index, &**vault)).collect(),
            now,
        }
    }

    /// What explanations compare with.
    #[must_use]
    pub fn in_force<'a>(&'a self, snapshot: &'a Snapshot<'a>) -> InForce<'a> {
        InForce { snapshot, pool: &self.pool, insurance_fund: &self.fund }
    }

    /// The vault of a mint.
    #[must_use]
    pub fn vault_of(&self, mint: &Pubkey) -> Option<&Vault> {
        self.vaults.values().find(|vault| vault.mint == *mint).map(|vault| &**vault)
    }
}

/// Anybody can send lamports ahead to an address where there is nothing yet: that is no account of the program's.
fn existing(found: Vec<Option<Account>>) -> Vec<Option<Account>> {
    let is_there = |account: &Account| account.owner != address::SYSTEM_PROGRAM || !account.data.is_empty();
    found.into_iter().map(|account| account.filter(is_there)).collect()
}

async fn listings(
    chain: &impl Chain,
    vaults: &BTreeMap<u16, Box<Vault>>,
) -> Result<Vec<VaultListing>, ChainError> {
    let mints: Vec<Pubkey> = vaults.values().map(|vault| vault.mint).collect();
    let found = chain.accounts(&mints).await?;
    let programs = found.into_iter().map(|account| account.map_or(address::TOKEN_PROGRAM, |mint| mint.owner));
    Ok(mints.into_iter().zip(programs).map(|(mint, program)| VaultListing::of_mint(mint, program)).collect())
}

/// Decimals are at byte 44 of a mint, of either token program.
fn mint(account: &Account) -> Option<Mint> {
    let known = [address::TOKEN_PROGRAM, address::TOKEN_2022_PROGRAM].contains(&account.owner);
    let decimals = *account.data.get(44)?;
    (known && account.data.len() >= 82).then_some(Mint { token_program: account.owner, decimals })
}

/// Unix seconds of a clock sysvar: its last field.
fn unix_timestamp(account: &Account) -> Option<i64> {
    let bytes = account.data.get(32..size_of::<Clock>())?;
    Some(i64::from_le_bytes(bytes.try_into().ok()?))
}
