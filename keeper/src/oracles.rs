//! Oracle accounts as they are now, before anybody has taken their prices into a market.
//!
//! A Pyth pull feed can be read from any account of its receiver that holds a full update of it: the sponsored one, which may
//! be a minute old, or one that somebody posts to. Of all accounts that are known for a source the freshest one counts.

use std::collections::{BTreeMap, HashMap};

use bulwark_sdk::forecast::{self, Moment, published};
use bulwark_sdk::instruction::OracleAccounts;
use bulwark_sdk::program::oracle::OracleSource;
use bulwark_sdk::program::prices::Seen;
use bulwark_sdk::program::state::{Market, Vault};
use bulwark_sdk::rpc::Raw;
use bulwark_sdk::{Pubkey, address};

/// Oracle accounts, by address.
#[derive(Clone, Debug, Default)]
pub struct Oracles {
    /// Further accounts of a feed or address, as configured.
    more: BTreeMap<[u8; 32], Vec<Pubkey>>,
    accounts: HashMap<Pubkey, Raw>,
}

/// The accounts of a listing's two sources.
pub type Sources = [OracleSource; 2];

impl Oracles {
    /// With further accounts to read Pyth pull feeds from, by feed.
    #[must_use]
    pub fn new(more: BTreeMap<[u8; 32], Vec<Pubkey>>) -> Self {
        Self { more, accounts: HashMap::new() }
    }

    /// Accounts that a source can be read from, the usual one first.
    pub fn candidates(&self, source: &OracleSource) -> impl Iterator<Item = Pubkey> {
        let more = if source.pins_address() { None } else { self.more.get(&source.feed) };
        address::oracle(source).into_iter().chain(more.into_iter().flatten().copied())
    }

    /// Takes in accounts as they were read.
    pub fn take(&mut self, read: impl IntoIterator<Item = (Pubkey, Option<Raw>)>) {
        for (key, account) in read {
            match account {
                Some(account) => drop(self.accounts.insert(key, account)),
                None => drop(self.accounts.remove(&key)),
            }
        }
    }

    /// The account with the latest price of a source; the usual one if none has any. `None` if no source is configured.
    #[must_use]
    pub fn pick(&self, source: &OracleSource) -> Option<Pubkey> {
        let usual = address::oracle(source)?;
        let time = |key: &Pubkey| {
            let account = self.accounts.get(key)?;
            published(source, (key, &account.owner, &account.data))
        };
        let priced = self.candidates(source).filter_map(|key| Some((time(&key)?, key)));
        // Of equally late ones the first.
        let latest = priced.reduce(|best, next| if next.0 > best.0 { next } else { best });
        Some(latest.map_or(usual, |(_, key)| key))
    }

    /// Accounts to refresh a listing from. `None` without a primary source.
    #[must_use]
    pub fn accounts(&self, [primary, secondary]: &Sources) -> Option<OracleAccounts> {
        Some(OracleAccounts { primary: self.pick(primary)?, secondary: self.pick(secondary) })
    }

    /// The same accounts as they were read. `None` if one is missing.
    fn seen(&self, sources: &Sources) -> Option<[Option<Seen<'_>>; 2]> {
        let seen = |key: Pubkey| {
            let (address, Raw { owner, data }) = self.accounts.get_key_value(&key)?;
            Some(Seen { address, owner, data })
        };
        let OracleAccounts { primary, secondary } = self.accounts(sources)?;
        Some([Some(seen(primary)?), secondary.map(|key| seen(key).ok_or(())).transpose().ok()?])
    }

    /// What a refresh would make of a market. `None` without a source, or if the program would refuse it.
    #[must_use]
    pub fn foresee_market(&self, market: &Market, quote_decimals: u8, moment: Moment) -> Option<Box<Market>> {
        forecast::market(market, (self.seen(&market.sources)?, quote_decimals), moment)
    }

    /// What a refresh would make of a vault. `None` without a source, or if the program would refuse it.
    #[must_use]
    pub fn foresee_vault(&self, vault: &Vault, quote_decimals: u8, moment: Moment) -> Option<Box<Vault>> {
        forecast::vault(vault, (self.seen(&vault.sources)?, quote_decimals), moment)
    }
}
