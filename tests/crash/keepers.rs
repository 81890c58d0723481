//! What keepers do every second: a liquidator who wants his price, a crank that hands over what he leaves, and whoever buys
//! collateral and resolves what is bankrupt. An auction lapses after 10 slots without a call: the crank calls in every second.

use std::collections::BTreeMap;

use bulwark_sdk::Pubkey;
use bulwark_sdk::engine::auction::{LAPSE_SLOTS, SHARE_ONE};
use bulwark_sdk::event::Event;
use bulwark_sdk::program::state::MarginAccount;
use bulwark_tests::fixtures::{AUTO_EXCHANGE_THRESHOLD, DOLLAR};
use bulwark_tests::{BTC, SOL, SOL_VAULT, Trader, World};

use crate::payers::Payment;
use crate::reduce;
use bulwark_tests::crowd::Crowd;

/// Concession that a liquidator waits for, ppm: what it costs him to get out again, and a gain.
pub const WANTED_PPM: u64 = 10_000;
/// One that no auction offers: he stays at home.
pub const NONE_WANTED_PPM: u64 = 1_000_000;

/// Liquidator and crank, and what became of everybody in trouble.
pub struct Keepers {
    /// Takes positions over, and closes them at once.
    pub liquidator: Trader,
    /// Is paid for calls.
    pub crank: Trader,
    /// Slot at which an account got into trouble, while it is there.
    in_trouble: BTreeMap<usize, u64>,
    /// Slots from trouble to closed or restored, of every time that it happened.
    pub durations: Vec<u64>,
    /// Concession that the liquidator waits for, ppm.
    wanted_ppm: u64,
    /// Who paid for every bankruptcy.
    pub payments: Vec<Payment>,
}

impl Keepers {
    /// Keepers with a million dollars to work with.
    pub fn new(world: &mut World, wanted_ppm: u64) -> Self {
        let liquidator = world.funded_trader(1_000_000 * DOLLAR);
        let crank = world.funded_trader(10 * DOLLAR);
        Self {
            liquidator,
            crank,
            in_trouble: BTreeMap::new(),
            durations: vec![],
            wanted_ppm,
            payments: vec![],
        }
    }

    /// Whether nobody is in trouble.
    pub fn nobody_in_trouble(&self) -> bool {
        self.in_trouble.is_empty()
    }

    /// Notes who is in trouble, and who is not any more.
    pub fn watch(&mut self, crowd: &Crowd) {
        let slot = crowd.world.slot();
        let accounts: Vec<_> = crowd.traders.iter().map(|t| crowd.world.margin(&t.margin)).collect();
        crowd.world.ask(|snapshot| {
            for (n, account) in accounts.iter().enumerate() {
                let distress = snapshot.distress(account, slot).expect("distress");
                match (distress, self.in_trouble.get(&n).copied()) {
                    (Some(_), None) => {
                        self.in_trouble.insert(n, slot);
                    }
                    (None, Some(since)) => {
                        self.in_trouble.remove(&n);
                        self.durations.push(slot - since);
                    }
                    _ => {}
                }
            }
        });
    }

    /// Everybody in trouble is dealt with as far as the rules allow.
    pub fn act(&mut self, crowd: &mut Crowd) {
        let troubled: Vec<usize> = self.in_trouble.keys().copied().collect();
        for n in troubled {
            let key = crowd.traders[n].margin;
            for _ in 0..8 {
                if !self.help(&mut crowd.world, &key) {
                    break;
                }
            }
        }
        for n in 0..crowd.traders.len() {
            let key = crowd.traders[n].margin;
            let account = crowd.world.margin(&key);
            if account.quote.0 >= 0 {
                continue;
            }
            let debt = account.quote.0.unsigned_abs();
            if has_collateral(&account) {
                if debt > AUTO_EXCHANGE_THRESHOLD {
                    let bought =
                        crowd.world.liquidate_collateral(&self.liquidator, &key, SOL_VAULT, u64::MAX);
                    bought.expect("the exchange does not lend so much");
                }
            } else if !account.has_positions() {
                for market in [SOL, BTC] {
                    if crowd.world.margin(&key).debts.lost(market).expect("a market") > 0 {
                        self.payments.push(Payment::resolve(crowd, (n, market)));
                    }
                }
            }
        }
        for market in [SOL, BTC] {
            reduce::above_the_cutoff(crowd, market, &self.crank);
        }
        self.watch(crowd);
    }

    /// One call for an account in trouble; whether it went through and there may be more to do.
    fn help(&mut self, world: &mut World, key: &Pubkey) -> bool {
        let (account, slot) = (world.margin(key), world.slot());
        let Some(distress) = world.ask(|s| s.distress(&account, slot)).expect("distress") else {
            return false;
        };
        let Some(market) = distress.first else {
            return world.liquidate_collateral(&self.liquidator, key, SOL_VAULT, u64::MAX).is_ok();
        };
        let offer = world.ask(|s| s.offer(&account, market, &distress)).expect("an offer");
        if offer.concession >= self.wanted_ppm * SHARE_ONE / 1_000_000
            && world.liquidate(&self.liquidator, key, market, u64::MAX).is_ok()
        {
            world.close(&self.liquidator, market, u64::MAX).expect("the liquidator closes");
            return true;
        }
        // Either lots went, or the auction began or goes on.
        let outcome = world.liquidate_to_pool(key, market, Some(self.crank.margin)).expect("a call");
        let lapsed = account.auction.started != 0 && slot - account.auction.touched > LAPSE_SLOTS;
        let called = |e: &Event| if let Event::AuctionCalled(e) = e { Some(e.elapsed) } else { None };
        if let Some(elapsed) = outcome.events.iter().find_map(called) {
            assert_eq!(elapsed, distress.moment.elapsed, "the SDK knows where the auction is");
            assert!(!lapsed || elapsed == 0, "after a gap the auction begins again");
        }
        outcome.events.iter().any(|e| matches!(e, Event::Liquidated(_)))
    }
}

/// Whether an account holds collateral.
pub fn has_collateral(account: &MarginAccount) -> bool {
    account.collaterals.iter().any(|c| c.amount != 0)
}
