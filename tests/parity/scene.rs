//! All accounts of the exchange at a moment, and what the Rust SDK says of them.

use anchor_lang::Discriminator;
use bulwark_sdk::Pubkey;
use bulwark_sdk::engine::pool::TrancheKind;
use bulwark_sdk::engine::price::Age;
use bulwark_sdk::health::Snapshot;
use bulwark_sdk::program::state::{Exchange, InsuranceFund, MarginAccount, Market, Pool, Vault};
use bulwark_tests::World;
use bulwark_tests::walk::rng::Rng;
use bulwark_tests::walk::stage::{ACCOUNTS, Stage};
use bytemuck::Pod;
use serde_json::{Value, json};

use crate::leaves::{self, base64};
use crate::portfolios;

/// The exchange at a moment.
pub struct Scene {
    /// Clock, unix seconds.
    pub now: i64,
    /// Slot.
    pub slot: u64,
    /// The exchange.
    pub exchange: Box<Exchange>,
    /// The pool.
    pub pool: Box<Pool>,
    /// The insurance fund.
    pub fund: Box<InsuranceFund>,
    /// Markets in order.
    pub markets: Vec<Box<Market>>,
    /// Vaults in order.
    pub vaults: Vec<Vault>,
    /// Margin accounts that hold something.
    pub accounts: Vec<(Pubkey, Box<MarginAccount>)>,
}

/// Bytes and values of an account.
fn account<T: Pod + Discriminator + std::fmt::Debug>(value: &T) -> Value {
    json!({ "data": base64(&bytes(value)), "leaves": leaves::of(value) })
}

/// An account as it is stored.
pub fn bytes<T: Pod + Discriminator>(value: &T) -> Vec<u8> {
    [T::DISCRIMINATOR, bytemuck::bytes_of(value)].concat()
}

impl Scene {
    /// What there is.
    pub fn of(world: &World, stage: &Stage) -> Self {
        let exchange = world.exchange();
        let known = (0..ACCOUNTS).map(|account| stage.keys[Stage::margin(account)]);
        let open = known
            .filter(|key| world.svm.get_account(key).is_some_and(|a| a.data.len() == MarginAccount::SPACE));
        let accounts = open.map(|key| (key, world.margin(&key))).filter(|(_, account)| !account.is_empty());
        Self {
            now: world.now(),
            slot: world.slot(),
            markets: exchange.markets().map(|index| world.market(index)).collect(),
            vaults: (0..exchange.vault_count).map(|index| *world.vault(index)).collect(),
            accounts: accounts.collect(),
            pool: world.pool(),
            fund: world.fund(),
            exchange,
        }
    }

    /// What answers are computed from.
    pub fn snapshot(&self) -> Snapshot<'_> {
        Snapshot {
            exchange: &self.exchange,
            markets: self.markets.iter().map(|market| (market.index, &**market)).collect(),
            vaults: self.vaults.iter().map(|vault| (vault.index, vault)).collect(),
            now: self.now,
        }
    }

    /// Everything that is written down.
    pub fn write(&self, rng: &mut Rng) -> Value {
        let snapshot = self.snapshot();
        let shares = |tranche: TrancheKind, rng: &mut Rng| {
            let shares = rng.magnitude(1, 1 << 44);
            let value = snapshot.share_value(&self.pool, tranche, shares);
            json!({ "shares": shares.to_string(), "value": portfolios::said(value, |v| json!(v.to_string())) })
        };
        let (junior, senior) = (shares(TrancheKind::Junior, rng), shares(TrancheKind::Senior, rng));
        let nav = portfolios::said(snapshot.nav(&self.pool), |nav| {
            json!([
                nav.low.to_string(),
                nav.high.to_string(),
                nav.used.to_string(),
                nav.releasable.to_string()
            ])
        });
        let deltas = self.exchange.markets().map(|market| {
            portfolios::said(snapshot.pool_delta(market), |delta| {
                json!([delta.lots.0.to_string(), delta.notional.0.to_string(), delta.equity.0.to_string()])
            })
        });
        let old_markets = [Age::Trade, Age::Margin]
            .map(|age| portfolios::said(snapshot.old_markets(age), |legs| portfolios::legs(&legs)));
        json!({
            "now": self.now.to_string(),
            "slot": self.slot.to_string(),
            "exchange": account(&*self.exchange),
            "pool": account(&*self.pool),
            "insuranceFund": account(&*self.fund),
            "markets": self.markets.iter().map(|market| account(&**market)).collect::<Value>(),
            "vaults": self.vaults.iter().map(account).collect::<Value>(),
            "junior": junior,
            "senior": senior,
            "nav": nav,
            "deltas": deltas.collect::<Value>(),
            "oldMarkets": old_markets,
            "portfolios": (0..self.accounts.len()).map(|n| portfolios::write(self, n, rng)).collect::<Value>(),
        })
    }
}
