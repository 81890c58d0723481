//! Who was in trouble, and for how long: told by the chain, whatever the keeper says.
//!
//! An observer reads the exchange, the oracles and every margin account, again and again, and asks the engine who can be
//! liquidated at the prices that the oracles print now. A market's own price may be older: whoever liquidates brings
//! the newest one along. So an account's time begins with the print that brings it into trouble. It ends when the account is
//! out of it, or out of it at the prices that the exchange has taken in, and these are no older than the prints of the look
//! before: then it was brought out, and a later print has begun another time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bulwark_sdk::engine::margin::HealthType;
use bulwark_sdk::event::Event;
use bulwark_sdk::forecast::{self, Moment};
use bulwark_sdk::listings::Listings;
use bulwark_sdk::program::oracle::OracleSource;
use bulwark_sdk::program::prices::Seen;
use bulwark_sdk::program::state::MarginAccount;
use bulwark_sdk::refresh::legs_of;
use bulwark_sdk::rpc::{Client, EventBatch, MarketContext, Raw, RpcError, Subscription, Update};
use bulwark_sdk::{Pubkey, address};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::stage::{PATIENCE, Stage};

/// How often it looks: about once in a slot.
const EVERY: Duration = Duration::from_millis(400);

/// A time in which an account could be liquidated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub account: Pubkey,
    /// Slot at which it was seen first.
    pub from: u64,
    /// Slot at which it was seen to be over; `None` if it was not.
    pub until: Option<u64>,
}

/// What an observer saw.
#[derive(Clone, Debug, Default)]
pub struct Chronicle {
    pub troubles: Vec<Trouble>,
    /// Accounts that were worth less than nothing at some moment.
    pub insolvent: BTreeSet<Pubkey>,
    /// Debts that the waterfall paid.
    pub bankruptcies: usize,
    /// How often it looked.
    pub looks: usize,
    /// Slots at the first and at the last look.
    pub slots: (u64, u64),
    /// Insurance of the fund and of all markets at the first and at the last look, quote units.
    pub insurance: (u64, u64),
    /// The exchange at the last look, by what the oracles printed then.
    last: Option<MarketContext>,
    /// Whom it does not look at.
    ignored: Option<Pubkey>,
}

impl Chronicle {
    /// Slots that each trouble lasted, the shortest first; one that is not over counts until the last look.
    pub fn durations(&self) -> Vec<u64> {
        let last = self.slots.1;
        let mut slots: Vec<u64> =
            self.troubles.iter().map(|t| t.until.unwrap_or(last).saturating_sub(t.from)).collect();
        slots.sort_unstable();
        slots
    }

    /// Troubles that are not over.
    pub fn open(&self) -> usize {
        self.troubles.iter().filter(|trouble| trouble.until.is_none()).count()
    }

    /// Accounts that were in trouble.
    pub fn accounts(&self) -> BTreeSet<Pubkey> {
        self.troubles.iter().map(|trouble| trouble.account).collect()
    }
}

/// Watches until it is asked.
pub struct Observer {
    ignored: Option<Pubkey>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Chronicle>,
}

impl Observer {
    pub async fn start(stage: &Stage) -> Self {
        Self::but(stage, None).await
    }

    /// One who does not look at somebody.
    pub async fn but(stage: &Stage, ignored: Option<Pubkey>) -> Self {
        let (client, listings) = (stage.client.clone(), stage.listings.clone());
        let events = client.events().await.unwrap();
        let (stop, stopped) = oneshot::channel();
        let chronicle = Chronicle { ignored, ..Chronicle::default() };
        let task = tokio::spawn(watch((client, listings), (chronicle, events), stopped));
        Self { ignored, stop, task }
    }

    /// Waits until nobody is in trouble any more, looks once more, and tells.
    pub async fn calm(self, stage: &Stage) -> Chronicle {
        let calm = async {
            let others = |who: &Pubkey| Some(*who) != self.ignored;
            while troubled(stage).await.is_none_or(|troubled| troubled.iter().any(others)) {
                tokio::time::sleep(EVERY).await;
            }
        };
        // In time or not: what is left is in the chronicle.
        let _ = tokio::time::timeout(PATIENCE, calm).await;
        self.finish().await
    }

    /// Looks once more, and tells.
    pub async fn finish(self) -> Chronicle {
        self.stop.send(()).unwrap();
        self.task.await.unwrap()
    }
}

async fn watch(
    (client, listings): (Client, Listings),
    (mut chronicle, mut events): (Chronicle, Subscription<EventBatch>),
    mut stop: oneshot::Receiver<()>,
) -> Chronicle {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => drop(chronicle.look(&client, &listings).await),
            update = events.next() => chronicle.hear(update),
            _ = &mut stop => break,
        }
    }
    // The last look counts: what is left open, and the insurance.
    let last = async {
        while !chronicle.look(&client, &listings).await {
            tokio::time::sleep(EVERY).await;
        }
    };
    tokio::time::timeout(PATIENCE, last).await.expect("the endpoint answers in the end");
    chronicle
}

impl Chronicle {
    fn hear(&mut self, update: Option<Update<EventBatch>>) {
        if let Some(Update::Item { value, .. }) = update {
            let resolved = |event: &&Event| matches!(event, Event::BankruptcyResolved(_));
            self.bankruptcies += value.events.iter().filter(resolved).count();
        }
    }

    /// Looks once; an endpoint that does not answer, or has another chain meanwhile, is looked at again later. Whether it
    /// answered.
    async fn look(&mut self, client: &Client, listings: &Listings) -> bool {
        // Prices after the accounts: an account that is not helped yet does not look so by an older price.
        let Ok(accounts) = client.fetch_all::<MarginAccount>().await else { return false };
        let Ok((stored, all)) = stored_and_now(client, listings).await else { return false };
        let (slot, insurance) = (all.clock_slot, insurance(&all));
        if self.looks == 0 {
            (self.slots.0, self.insurance.0) = (slot, insurance);
        }
        (self.slots.1, self.insurance.1) = (slot, insurance);
        self.looks += 1;
        let (taken_in, snapshot) = (stored.snapshot(), all.snapshot());
        let ignored = self.ignored;
        for (address, account) in accounts.iter().filter(|(address, _)| Some(*address) != ignored) {
            // An account whose prices are of no use can't be judged: nothing changes for it.
            if let Ok(distress) = snapshot.distress(account, slot) {
                let restored = self.has_taken_in(&stored, account)
                    && matches!(taken_in.distress(account, slot), Ok(None));
                self.note(*address, slot, (restored, distress.is_some()));
            }
            let health = snapshot.health(account, HealthType::Maint);
            if health.is_ok_and(|health| health.equity.0 < 0) {
                self.insolvent.insert(*address);
            }
        }
        self.last = Some(all);
        true
    }

    /// Whether the prices of an account are no older than what the oracles had printed at the last look.
    fn has_taken_in(&self, stored: &MarketContext, account: &MarginAccount) -> bool {
        let Some(last) = &self.last else { return false };
        let published = |all: &MarketContext, leg| all.oracle(leg).map(|oracle| oracle.publish_time);
        legs_of(account).all(|leg| published(stored, leg) >= published(last, leg))
    }

    /// An account's time that is not over.
    fn time_of(&mut self, account: &Pubkey) -> Option<&mut Trouble> {
        self.troubles.iter_mut().rev().find(|time| time.account == *account && time.until.is_none())
    }

    fn note(&mut self, account: Pubkey, slot: u64, (restored, in_trouble): (bool, bool)) {
        let time = self.time_of(&account);
        let goes_on = time.is_some() && in_trouble && !restored;
        if let Some(time) = time.filter(|_| !goes_on) {
            time.until = Some(slot);
        }
        if in_trouble && !goes_on {
            self.troubles.push(Trouble { account, from: slot, until: None });
        }
    }
}

/// Who can be liquidated now; `None` if the endpoint does not say.
pub async fn troubled(stage: &Stage) -> Option<BTreeSet<Pubkey>> {
    let all = now(&stage.client, &stage.listings).await.ok()?;
    let accounts = stage.client.fetch_all::<MarginAccount>().await.ok()?;
    let snapshot = all.snapshot();
    let in_trouble =
        |account: &MarginAccount| matches!(snapshot.distress(account, all.clock_slot), Ok(Some(_)));
    Some(accounts.into_iter().filter(|(_, account)| in_trouble(account)).map(|(key, _)| key).collect())
}

/// Insurance of the fund and of all markets, quote units.
pub fn insurance(all: &MarketContext) -> u64 {
    let markets = all.markets.values().map(|market| market.core.book.insurance);
    markets.sum::<u64>() + all.insurance_fund.core.reserve
}

/// The exchange as it is once everything was refreshed with what the oracles print.
pub async fn now(client: &Client, listings: &Listings) -> Result<MarketContext, RpcError> {
    Ok(stored_and_now(client, listings).await?.1)
}

/// The exchange as it is stored, and as it is once everything was refreshed with what the oracles print.
async fn stored_and_now(
    client: &Client,
    listings: &Listings,
) -> Result<(MarketContext, MarketContext), RpcError> {
    let stored = client.market_context(listings).await?;
    let mut all = stored.clone();
    let markets = all.markets.values().map(|market| &market.sources);
    let vaults = all.vaults.values().map(|vault| &vault.sources);
    let keys: BTreeSet<Pubkey> =
        markets.chain(vaults).filter_map(|sources| address::oracle(&sources[0])).collect();
    let keys = Vec::from_iter(keys);
    let (_, prints) = client.raw_accounts(&keys).await?;
    let prints: BTreeMap<Pubkey, Option<Raw>> = keys.into_iter().zip(prints).collect();
    let (moment, decimals) = (Moment { slot: all.clock_slot, now: all.now }, all.exchange.quote_decimals);
    let seen = |sources: &[OracleSource; 2]| {
        let (address, account) = prints.get_key_value(&address::oracle(&sources[0])?)?;
        let account = account.as_ref()?;
        Some(([Some(Seen { address, owner: &account.owner, data: &account.data }), None], decimals))
    };
    // What the program would refuse leaves the price as it is.
    for market in all.markets.values_mut() {
        if let Some(after) = seen(&market.sources).and_then(|print| forecast::market(market, print, moment)) {
            *market = after;
        }
    }
    for vault in all.vaults.values_mut() {
        if let Some(after) = seen(&vault.sources).and_then(|print| forecast::vault(vault, print, moment)) {
            *vault = after;
        }
    }
    Ok((stored, all))
}
