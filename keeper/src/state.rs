//! The exchange with its markets and vaults, as stored and as a refresh would make them now.
//!
//! Everything is judged by the forecast: a position that is in trouble at the oracle's price is in trouble for whoever puts a
//! refresh in front of his call. So the keeper pays for refreshes only when something depends on them.

use std::collections::BTreeMap;

use bulwark_sdk::account::decode_copy;
use bulwark_sdk::forecast::Moment;
use bulwark_sdk::health::Snapshot;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::listings::Listings;
use bulwark_sdk::program::state::{Exchange, InsuranceFund, MarginAccount, Market, Pool, Vault};
use bulwark_sdk::refresh::Leg;
use bulwark_sdk::rpc::context::clock;
use bulwark_sdk::rpc::{MarketContext, Raw};
use bulwark_sdk::{Instruction, Pubkey, address};

use crate::oracles::Oracles;

/// Mint of wrapped SOL, whose unit is a lamport.
const WRAPPED_SOL: Pubkey = Pubkey::from_str_const("So11111111111111111111111111111111111111112");
/// Lamports of a SOL.
const LAMPORTS: u128 = 1_000_000_000;

/// An account of the program.
#[derive(Clone, Debug)]
pub enum Part {
    /// A margin account: the book's.
    Margin(Box<MarginAccount>),
    /// The exchange.
    Exchange(Box<Exchange>),
    /// The pool.
    Pool(Box<Pool>),
    /// The insurance fund.
    Fund(Box<InsuranceFund>),
    /// A market.
    Market(Box<Market>),
    /// A vault.
    Vault(Box<Vault>),
}

impl Part {
    /// What an account of the program is; `None` for tickets and changes, which the keeper has nothing to do with.
    #[must_use]
    pub fn read(data: &[u8]) -> Option<Self> {
        decode_copy(data)
            .map(Self::Margin)
            .or_else(|_| decode_copy(data).map(Self::Market))
            .or_else(|_| decode_copy(data).map(Self::Vault))
            .or_else(|_| decode_copy(data).map(Self::Exchange))
            .or_else(|_| decode_copy(data).map(Self::Pool))
            .or_else(|_| decode_copy(data).map(Self::Fund))
            .ok()
    }
}

/// A market or a vault.
#[derive(Clone, Debug)]
pub struct Listed<T> {
    /// Slot that it was stored at, as far as known.
    pub slot: u64,
    /// As it is stored.
    pub stored: Box<T>,
    /// As a refresh would make it; the stored one if there is nothing to refresh.
    pub forecast: Box<T>,
    /// Whether a refresh would go through.
    pub refreshable: bool,
}

impl<T: Clone> Listed<T> {
    fn new(slot: u64, stored: Box<T>) -> Self {
        Self { slot, forecast: stored.clone(), stored, refreshable: false }
    }

    fn foresee(&mut self, forecast: Option<Box<T>>) {
        self.refreshable = forecast.is_some();
        self.forecast = forecast.unwrap_or_else(|| self.stored.clone());
    }
}

/// The exchange.
#[derive(Clone, Debug)]
pub struct State {
    /// Addresses that instructions name.
    pub listings: Listings,
    /// The exchange.
    pub exchange: Box<Exchange>,
    /// The pool.
    pub pool: Box<Pool>,
    /// The insurance fund.
    pub fund: Box<InsuranceFund>,
    /// Markets by index.
    pub markets: BTreeMap<u16, Listed<Market>>,
    /// Vaults by index.
    pub vaults: BTreeMap<u16, Listed<Vault>>,
    /// Clock that programs see.
    pub moment: Moment,
    /// Oracle accounts.
    pub oracles: Oracles,
    /// Slots of exchange, pool and fund.
    slots: [u64; 3],
}

impl State {
    /// What a node says of the exchange.
    #[must_use]
    pub fn new(listings: Listings, context: MarketContext, oracles: Oracles) -> Self {
        let MarketContext { slot, clock_slot, now, exchange, pool, insurance_fund, markets, vaults } =
            context;
        let markets = markets.into_iter().map(|(index, market)| (index, Listed::new(slot, market)));
        let vaults = vaults.into_iter().map(|(index, vault)| (index, Listed::new(slot, vault)));
        Self {
            listings,
            exchange,
            pool,
            fund: insurance_fund,
            markets: markets.collect(),
            vaults: vaults.collect(),
            moment: Moment { slot: clock_slot, now },
            oracles,
            slots: [slot; 3],
        }
    }

    /// Takes in a part as it is at a slot. Says which market or vault it is; an older one, or one that is not listed yet,
    /// changes nothing.
    pub fn take(&mut self, part: Part, slot: u64) -> Option<Leg> {
        let [exchange, pool, fund] = &mut self.slots;
        match part {
            Part::Market(market) => {
                let (leg, listed) = (Leg::Market(market.index), self.markets.get_mut(&market.index)?);
                return listed.take(market, slot).then_some(leg);
            }
            Part::Vault(vault) => {
                let (leg, listed) = (Leg::Vault(vault.index), self.vaults.get_mut(&vault.index)?);
                return listed.take(vault, slot).then_some(leg);
            }
            Part::Exchange(new) => newer((&mut self.exchange, exchange), new, slot),
            Part::Pool(new) => newer((&mut self.pool, pool), new, slot),
            Part::Fund(new) => newer((&mut self.fund, fund), new, slot),
            Part::Margin(_) => {}
        }
        None
    }

    /// The slot to take a part in with that a stream tells of at `slot`. A stream tells in order, whichever slot a node names
    /// to it: what has no smaller number than the last event that is known is no older.
    #[must_use]
    pub fn slot_of_news(&self, part: &Part, slot: u64) -> u64 {
        let known = match part {
            Part::Market(market) => {
                self.markets.get(&market.index).map(|k| (k.slot, k.stored.sequence <= market.sequence))
            }
            Part::Vault(vault) => {
                self.vaults.get(&vault.index).map(|k| (k.slot, k.stored.sequence <= vault.sequence))
            }
            _ => None,
        };
        known.filter(|(_, newer)| *newer).map_or(slot, |(known, _)| slot.max(known))
    }

    /// Whether something was listed or closed since the listings were read.
    #[must_use]
    pub fn is_outdated(&self) -> bool {
        let vaults = self.listings.vaults.len() != usize::from(self.exchange.vault_count);
        vaults || !self.exchange.markets().eq(self.listings.markets.keys().copied())
    }

    /// Addresses to look at in every pulse: the clock, then every oracle account.
    #[must_use]
    pub fn pulse_keys(&self) -> Vec<Pubkey> {
        let markets = self.markets.values().map(|market| &market.stored.sources);
        let sources = markets.chain(self.vaults.values().map(|vault| &vault.stored.sources)).flatten();
        let mut oracles: Vec<Pubkey> = sources.flat_map(|source| self.oracles.candidates(source)).collect();
        oracles.sort_unstable();
        oracles.dedup();
        std::iter::once(address::CLOCK).chain(oracles).collect()
    }

    /// Takes in what those addresses hold. `false` if there is no clock.
    pub fn pulse(&mut self, read: Vec<(Pubkey, Option<Raw>)>) -> bool {
        let mut heard = None;
        self.oracles.take(read.into_iter().filter_map(|(key, account)| match key == address::CLOCK {
            true => {
                heard = account.and_then(|account| clock(&account.data));
                None
            }
            false => Some((key, account)),
        }));
        if let Some((slot, now)) = heard {
            self.moment = Moment { slot, now };
        }
        heard.is_some()
    }

    /// Works out anew what a refresh would make of everything.
    pub fn foresee(&mut self) {
        let legs: Vec<Leg> = self.legs().collect();
        for leg in legs {
            self.foresee_one(leg);
        }
    }

    /// Every market and vault.
    pub fn legs(&self) -> impl Iterator<Item = Leg> {
        let markets = self.markets.keys().copied().map(Leg::Market);
        markets.chain(self.vaults.keys().copied().map(Leg::Vault))
    }

    /// Works out anew what a refresh would make of one of them.
    pub fn foresee_one(&mut self, leg: Leg) {
        let (decimals, moment) = (self.exchange.quote_decimals, self.moment);
        match leg {
            Leg::Market(index) => {
                let Some(listed) = self.markets.get_mut(&index) else { return };
                listed.foresee(self.oracles.foresee_market(&listed.stored, decimals, moment));
            }
            Leg::Vault(index) => {
                let Some(listed) = self.vaults.get_mut(&index) else { return };
                listed.foresee(self.oracles.foresee_vault(&listed.stored, decimals, moment));
            }
        }
    }

    /// Puts forecasts in the place of what a node says is stored.
    pub fn foresee_context(&self, context: &mut MarketContext) {
        let decimals = context.exchange.quote_decimals;
        let moment = Moment { slot: context.clock_slot, now: context.now };
        for market in context.markets.values_mut() {
            if let Some(after) = self.oracles.foresee_market(market, decimals, moment) {
                *market = after;
            }
        }
        for vault in context.vaults.values_mut() {
            if let Some(after) = self.oracles.foresee_vault(vault, decimals, moment) {
                *vault = after;
            }
        }
    }

    /// What health is asked of, after a refresh of everything.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot<'_> {
        Snapshot {
            exchange: &self.exchange,
            markets: self.markets.iter().map(|(index, listed)| (*index, &*listed.forecast)).collect(),
            vaults: self.vaults.iter().map(|(index, listed)| (*index, &*listed.forecast)).collect(),
            now: self.moment.now,
        }
    }

    /// Quote units that lamports are worth, rounded up: at a price of so many units per SOL, else at that of the vault of wrapped
    /// SOL; nothing without either.
    #[must_use]
    pub fn worth_of_lamports(&self, lamports: u64, sol_price: Option<u64>) -> i64 {
        let per_sol = |price| u64::try_from((u128::from(lamports) * u128::from(price)).div_ceil(LAMPORTS));
        let worth = match sol_price {
            Some(price) => per_sol(price).unwrap_or(u64::MAX),
            None => {
                let sol = self.vaults.values().find(|vault| vault.stored.mint == WRAPPED_SOL);
                sol.and_then(|sol| sol.forecast.core.oracle.price.mul_ceil(lamports).ok()).unwrap_or(0)
            }
        };
        i64::try_from(worth).unwrap_or(i64::MAX)
    }

    /// Takes the oracles' prices into a market or a vault, from the freshest accounts. `None` without a source.
    #[must_use]
    pub fn refresh(&self, leg: Leg) -> Option<Instruction> {
        match leg {
            Leg::Market(index) => {
                let oracles = self.oracles.accounts(&self.markets.get(&index)?.stored.sources)?;
                Some(ix::refresh_market(index, oracles))
            }
            Leg::Vault(index) => {
                let vault = &self.vaults.get(&index)?.stored;
                Some(ix::refresh_vault((index, &vault.mint), self.oracles.accounts(&vault.sources)?))
            }
        }
    }
}

impl<T: Clone> Listed<T> {
    /// `false` for an older one.
    fn take(&mut self, new: Box<T>, slot: u64) -> bool {
        let newer = slot >= self.slot;
        if newer {
            *self = Self::new(slot, new);
        }
        newer
    }
}

fn newer<T>((known, known_slot): (&mut Box<T>, &mut u64), new: Box<T>, slot: u64) {
    if slot >= *known_slot {
        (*known, *known_slot) = (new, slot);
    }
}
