//! All accounts of the exchange at a moment, and what the Rust SDK says of them.

use anchor_lang::Discriminator;
use bulwark_sdk::Pubkey;
use bulwark_sdk::engine::pool::TrancheKind;
use bulwark_sdk::engine::price::Age;
use bulwark_sdk::program::state::{InsuranceFund, MarginAccount, Pool};
use bulwark_tests::walk::rng::Rng;
use bulwark_tests::walk::stage::{ACCOUNTS, Stage};
use bulwark_tests::{Copies, World};
use bytemuck::Pod;
use serde_json::{Value, json};

use crate::leaves::{self, base64};
use crate::portfolios;

/// The exchange at a moment.
pub struct Scene {
    /// The exchange with its markets, its vaults and the clock.
    pub copies: Copies,
    /// Slot.
    pub slot: u64,
    /// The pool.
    pub pool: Box<Pool>,
    /// The insurance fund.
    pub fund: Box<InsuranceFund>,
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
        let known = (0..ACCOUNTS).map(|account| stage.keys[Stage::margin(account)]);
        let open = known
            .filter(|key| world.svm.get_account(key).is_some_and(|a| a.data.len() == MarginAccount::SPACE));
        let accounts = open.map(|key| (key, world.margin(&key))).filter(|(_, account)| !account.is_empty());
        Self {
            copies: Copies::of(world),
            slot: world.slot(),
            accounts: accounts.collect(),
            pool: world.pool(),
            fund: world.fund(),
        }
    }

    /// Everything that is written down.
    pub fn write(&self, rng: &mut Rng) -> Value {
        let snapshot = self.copies.snapshot();
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
        let deltas = self.copies.exchange.markets().map(|market| {
            portfolios::said(snapshot.pool_delta(market), |delta| {
                json!([delta.lots.0.to_string(), delta.notional.0.to_string(), delta.equity.0.to_string()])
            })
        });
        let old_markets = [Age::Trade, Age::Margin]
            .map(|age| portfolios::said(snapshot.old_markets(age), |legs| portfolios::legs(&legs)));
        json!({
            "now": self.copies.now.to_string(),
            "slot": self.slot.to_string(),
            "exchange": account(&*self.copies.exchange),
            "pool": account(&*self.pool),
            "insuranceFund": account(&*self.fund),
            "markets": self.copies.markets.iter().map(|market| account(&**market)).collect::<Value>(),
            "vaults": self.copies.vaults.iter().map(account).collect::<Value>(),
            "junior": junior,
            "senior": senior,
            "nav": nav,
            "deltas": deltas.collect::<Value>(),
            "oldMarkets": old_markets,
            "portfolios": (0..self.accounts.len()).map(|n| portfolios::write(self, n, rng)).collect::<Value>(),
        })
    }
}
