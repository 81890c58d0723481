//! All that a margin account's health and instructions need, of one slot, in one round trip.

use std::collections::BTreeMap;

use anchor_lang::Discriminator;
use anchor_lang::prelude::Pubkey;
use bulwark::state::{Exchange, InsuranceFund, MarginAccount, Market, Pool, Vault};
use bulwark_engine::price::OracleState;
use bytemuck::Pod;

use crate::address;
use crate::explain::InForce;
use crate::health::Snapshot;
use crate::instruction::Margin;
use crate::listings::Listings;
use crate::refresh::Leg;

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

    /// The price of a market or a vault as it is stored; `None` if it is not listed.
    #[must_use]
    pub fn oracle(&self, leg: Leg) -> Option<&OracleState> {
        match leg {
            Leg::Market(index) => Some(&self.markets.get(&index)?.core.oracle),
            Leg::Vault(index) => Some(&self.vaults.get(&index)?.core.oracle),
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
        clock(&raw.data).ok_or(RpcError::Garbled(key))
    }
}

/// Slot and unix seconds of the clock sysvar.
#[must_use]
pub fn clock(data: &[u8]) -> Option<(u64, i64)> {
    let field = |at: usize| data.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
    let (slot, now) = field(0).zip(field(32))?;
    Some((u64::from_le_bytes(slot), i64::from_le_bytes(now)))
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

#[cfg(test)]
mod tests {
    use bytemuck::Zeroable;

    use super::*;
    use crate::listings::VaultListing;
    use crate::rpc::fake::{Chain, FakeNode};

    /// A chain with so many markets and vaults, a margin account, and the listings of it all.
    fn chain(markets: u16, vaults: u16) -> (Chain, Listings, Pubkey) {
        let (mut chain, margin) = (Chain { seen: 77, ..Chain::default() }, Pubkey::new_unique());
        let mut clock = [0_u8; 40];
        clock[..8].copy_from_slice(&76_u64.to_le_bytes());
        clock[32..].copy_from_slice(&1_700_000_000_i64.to_le_bytes());
        chain.accounts.insert(address::CLOCK.to_string(), (Pubkey::new_unique(), clock.to_vec()));
        let exchange = Exchange { market_count: markets, vault_count: vaults, ..Zeroable::zeroed() };
        chain.put(address::exchange(), &exchange);
        chain.put::<Pool>(address::pool(), &Zeroable::zeroed());
        chain.put::<InsuranceFund>(address::insurance_fund(), &Zeroable::zeroed());
        chain.put(margin, &MarginAccount { incarnation: 5, ..Zeroable::zeroed() });
        for index in 0..markets {
            chain.put(address::market(index), &Market { index, ..Zeroable::zeroed() });
        }
        let listed = (0..vaults).map(|index| {
            let listing = VaultListing::of_mint(Pubkey::new_unique(), address::TOKEN_PROGRAM);
            chain.put(listing.address, &Vault { index, ..Zeroable::zeroed() });
            listing
        });
        let listings = Listings::new(listed.collect(), &exchange);
        (chain, listings, margin)
    }

    #[tokio::test]
    async fn everything_comes_in_one_round_trip() {
        let (chain, listings, margin) = chain(32, 9);
        let (node, client) = FakeNode::client(chain);
        let context = client.context(&listings, &margin).await.unwrap();
        assert_eq!(node.0.lock().unwrap().reads.len(), 1);
        assert_eq!((context.all.slot, context.all.clock_slot, context.all.now), (77, 76, 1_700_000_000));
        assert_eq!((context.margin().address, context.margin().account.incarnation), (margin, 5));
        let snapshot = context.snapshot();
        assert_eq!((snapshot.markets.len(), snapshot.vaults.len(), snapshot.now), (32, 9, 1_700_000_000));
        assert!(snapshot.markets.iter().all(|(index, market)| *index == market.index));
    }

    #[tokio::test]
    async fn beyond_a_hundred_accounts_the_rest_is_not_older() {
        let (chain, listings, _) = chain(32, 100);
        let (node, client) = FakeNode::client(chain);
        assert_eq!(client.market_context(&listings).await.unwrap().vaults.len(), 100);
        let reads = node.0.lock().unwrap().reads.clone();
        assert_eq!(reads, [serde_json::Value::Null, serde_json::json!(77)]);
    }

    #[tokio::test]
    async fn listings_that_are_out_of_date_are_told() {
        let (chain, listings, margin) = chain(3, 2);
        let (node, client) = FakeNode::client(chain);
        let outdated = async || client.context(&listings, &margin).await;
        assert!(outdated().await.is_ok());
        let more = Exchange { market_count: 4, vault_count: 2, ..Zeroable::zeroed() };
        node.0.lock().unwrap().put(address::exchange(), &more);
        assert!(matches!(outdated().await, Err(RpcError::ListingsOutOfDate)), "one more market");
        node.0.lock().unwrap().accounts.remove(&address::market(1).to_string());
        assert!(matches!(outdated().await, Err(RpcError::ListingsOutOfDate)), "one market less");
    }

    #[tokio::test]
    async fn an_account_of_another_program_is_refused() {
        let (mut chain, listings, margin) = chain(1, 1);
        let foreign = Pubkey::new_unique();
        chain.accounts.get_mut(&address::pool().to_string()).unwrap().0 = foreign;
        let (_, client) = FakeNode::client(chain);
        let refused = client.context(&listings, &margin).await;
        assert!(matches!(refused, Err(RpcError::WrongOwner { owner, .. }) if owner == foreign));
        let missing = client.context(&listings, &Pubkey::new_unique()).await;
        assert!(matches!(missing, Err(RpcError::Missing { what: "margin account", .. })));
    }
}
