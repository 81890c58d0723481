//! All that a margin account's health and instructions need, of one slot, in one round trip.

use std::collections::BTreeMap;

use anchor_lang::Discriminator;
use anchor_lang::prelude::Pubkey;
use bulwark::state::{Exchange, InsuranceFund, MarginAccount, Market, Pool, Vault};
use bytemuck::Pod;

use crate::address;
use crate::explain::InForce;
use crate::health::Snapshot;
use crate::instruction::Margin;
use crate::listings::Listings;

use super::fetch::Raw;
use super::{Client, RpcError};

/// The exchange with every market and vault, as of one slot.
#[derive(Clone, Debug)]
pub struct MarketContext {
    /// Slot that it was read at.
    pub slot: u64,
    /// Slot of the clock that programs see.
    pub clock_slot: u64,
    /// Clock that programs see, unix seconds.
    pub now: i64,
    /// The exchange.
    pub exchange: Box<Exchange>,
    /// The pool.
    pub pool: Box<Pool>,
    /// The insurance fund.
    pub insurance_fund: Box<InsuranceFund>,
    /// Markets by index.
    pub markets: BTreeMap<u16, Box<Market>>,
    /// Vaults by index.
    pub vaults: BTreeMap<u16, Box<Vault>>,
}

/// A margin account and everything around it, as of one slot.
#[derive(Clone, Debug)]
pub struct Context {
    /// The exchange with every market and vault.
    pub all: MarketContext,
    /// Address of the margin account.
    pub address: Pubkey,
    /// The margin account.
    pub account: Box<MarginAccount>,
}

impl MarketContext {
    /// What [`crate::health`] answers from, at the clock of the slot.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot<'_> {
        Snapshot {
            exchange: &self.exchange,
            markets: self.markets.iter().map(|(index, market)| (*index, &**market)).collect(),
            vaults: self.vaults.iter().map(|(index, vault)| (*index, &**vault)).collect(),
            now: self.now,
        }
    }

    /// What [`crate::explain`] compares a change with.
    #[must_use]
    pub fn in_force<'a>(&'a self, snapshot: &'a Snapshot<'a>) -> InForce<'a> {
        InForce { snapshot, pool: &self.pool, insurance_fund: &self.insurance_fund }
    }
}

impl Context {
    /// What [`crate::health`] answers from, at the clock of the slot.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot<'_> {
        self.all.snapshot()
    }

    /// The margin account as instructions take it.
    #[must_use]
    pub fn margin(&self) -> Margin<'_> {
        Margin { address: self.address, account: &self.account }
    }
}

/// Keys that were asked for and what came, taken off in the same order.
struct Answers<'a> {
    keys: std::slice::Iter<'a, Pubkey>,
    found: std::vec::IntoIter<Option<Raw>>,
}

impl Answers<'_> {
    fn raw(&mut self, what: &'static str) -> Result<(Pubkey, Raw), RpcError> {
        let (Some(key), Some(raw)) = (self.keys.next(), self.found.next()) else {
            return Err(RpcError::ListingsOutOfDate);
        };
        Ok((*key, raw.ok_or(RpcError::Missing { what, key: *key })?))
    }

    fn take<T: Pod + Discriminator>(&mut self, what: &'static str) -> Result<Box<T>, RpcError> {
        let (key, raw) = self.raw(what)?;
        raw.decode(&key)
    }

    /// One that the listings name: without it they are out of date.
    fn listed<T: Pod + Discriminator>(&mut self) -> Result<Box<T>, RpcError> {
        match self.take("listing") {
            Err(RpcError::Missing { .. } | RpcError::WrongOwner { .. }) => Err(RpcError::ListingsOutOfDate),
            other => other,
        }
    }

    fn clock(&mut self) -> Result<(u64, i64), RpcError> {
        let (key, raw) = self.raw("clock")?;
        let field = |at: usize| raw.data.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
        let (slot, now) = (field(0), field(32));
        let (slot, now) = slot.zip(now).ok_or(RpcError::Garbled(key))?;
        Ok((u64::from_le_bytes(slot), i64::from_le_bytes(now)))
    }
}

fn keys_of(listings: &Listings) -> Vec<Pubkey> {
    let fixed = [address::CLOCK, address::exchange(), address::pool(), address::insurance_fund()];
    let markets = listings.markets.values().copied();
    fixed.into_iter().chain(markets).chain(listings.vaults.iter().map(|vault| vault.address)).collect()
}

fn assemble(slot: u64, listings: &Listings, answers: &mut Answers<'_>) -> Result<MarketContext, RpcError> {
    let (clock_slot, now) = answers.clock()?;
    let exchange: Box<Exchange> = answers.take("exchange")?;
    let (pool, insurance_fund) = (answers.take("pool")?, answers.take("insurance fund")?);
    let (mut markets, mut vaults) = (BTreeMap::new(), BTreeMap::new());
    for index in listings.markets.keys() {
        markets.insert(*index, answers.listed::<Market>()?);
    }
    for _ in &listings.vaults {
        let vault = answers.listed::<Vault>()?;
        vaults.insert(vault.index, vault);
    }
    let same = exchange.markets().eq(listings.markets.keys().copied());
    if !same || vaults.len() != usize::from(exchange.vault_count) {
        return Err(RpcError::ListingsOutOfDate);
    }
    Ok(MarketContext { slot, clock_slot, now, exchange, pool, insurance_fund, markets, vaults })
}

impl Client {
    /// The exchange with every market and vault. One round trip and of one slot up to 100 accounts; beyond that, the others
    /// are of that slot or a later one.
    ///
    /// # Errors
    /// [`RpcError`]; [`RpcError::ListingsOutOfDate`] if something was listed or closed since.
    pub async fn market_context(&self, listings: &Listings) -> Result<MarketContext, RpcError> {
        let keys = keys_of(listings);
        let (slot, found) = self.raw_accounts(&keys).await?;
        assemble(slot, listings, &mut Answers { keys: keys.iter(), found: found.into_iter() })
    }

    /// A margin account and everything around it, like [`Client::market_context`].
    ///
    /// # Errors
    /// [`RpcError`]; [`RpcError::Missing`] if the account is not open.
    pub async fn context(&self, listings: &Listings, margin_account: &Pubkey) -> Result<Context, RpcError> {
        let mut keys = vec![*margin_account];
        keys.extend(keys_of(listings));
        let (slot, found) = self.raw_accounts(&keys).await?;
        let mut answers = Answers { keys: keys.iter(), found: found.into_iter() };
        let account = answers.take("margin account")?;
        let all = assemble(slot, listings, &mut answers)?;
        Ok(Context { all, address: *margin_account, account })
    }
}
