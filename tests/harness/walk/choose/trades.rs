//! What people do in the markets.

use bulwark_sdk::engine::position::Position;
use bulwark_sdk::engine::units::Side;

use super::Chooser;
use crate::fixtures::DOLLAR;
use crate::walk::stage::{ACCOUNTS, ASSETS, MARKETS, Stage, TWO_SOURCES, narrow};
use crate::walk::state::State;
use crate::walk::step::{Flaw, Step, Trade};

impl Chooser {
    /// A multiple of the step, mostly.
    pub(super) fn round_to_step(&mut self, state: &State, market: usize, lots: u64) -> u64 {
        let step = state.market(market).core.params.step;
        let round = (lots / step).max(1) * step;
        let few = 1 + self.rng.below(9);
        self.rng.weighted(&[(50, round), (1, lots), (1, 0), (4, few * step), (1, u64::MAX), (1, 1 << 60)])
    }

    /// Lots worth a multiple of what the account has, or anything.
    pub(super) fn size(&mut self, state: &State, account: usize, market: usize) -> u64 {
        let quote = state.margin(account).map_or(0, |a| a.quote.units_or_zero() / DOLLAR).min(1 << 30);
        let leverage = self.rng.weighted(&[(2, 1), (3, 4), (3, 10), (2, 18), (1, 25)]);
        let most = self.rng.weighted(&[(4, 10_000), (3, 80_000), (1, 1_000_000)]);
        let dollars = if self.rng.one_in(4) { self.rng.magnitude(12, 400_000) } else { quote * leverage };
        self.round_to_step(state, market, ASSETS[market].lots_worth(dollars.clamp(12, most)))
    }

    pub(super) fn limit(&mut self, state: &State, market: usize) -> Option<u64> {
        let mark = state.market(market).core.mark().to_bits();
        let near = mark - mark / 100 + self.rng.below(mark / 50);
        let any = self.rng.word();
        self.rng.weighted(&[(16, None), (3, Some(near)), (1, Some(any))])
    }

    pub(super) fn order(&mut self, state: &State, account: usize, market: usize) -> Trade {
        let slot = position(state, account, market);
        let held = slot.and_then(|p| p.side().ok()).filter(|_| !self.rng.one_in(10));
        let side = held.unwrap_or(self.rng.pick(&Side::BOTH));
        let (lots, limit) = (self.size(state, account, market), self.limit(state, market));
        Trade { market, side, lots, limit }
    }

    pub(super) fn open(&mut self, state: &State) {
        let (account, market, flaw) = (self.account(state), self.rng.index(MARKETS), self.flaw());
        self.prepare(state, market);
        let (order, by) = (self.order(state, account, market), self.trader(state, account));
        self.push(Step::Open { by, account, order, flaw });
    }

    pub(super) fn close(&mut self, state: &State) {
        let (account, market) = self.member(state).unwrap_or((self.rng.index(ACCOUNTS), 0));
        self.prepare(state, market);
        let slot = position(state, account, market);
        let held = slot.map_or(0, |p| p.lots.count());
        let part = held / (1 + self.rng.below(5));
        let part = self.round_to_step(state, market, part);
        let lots = self.rng.weighted(&[(5, u64::MAX), (5, part), (1, held), (1, held + 1)]);
        let side = slot.and_then(|p| p.side().ok()).unwrap_or(Side::Long);
        let order = Trade { market, side, lots, limit: self.limit(state, market) };
        let (by, flaw) = (self.trader(state, account), self.flaw());
        self.push(Step::Close { by, account, order, flaw });
    }

    pub(super) fn round_trip(&mut self, state: &State) {
        let (account, market) = (self.account(state), self.rng.index(MARKETS));
        self.prepare(state, market);
        let order = Trade { limit: None, ..self.order(state, account, market) };
        self.push(Step::RoundTrip { account, order });
    }

    pub(super) fn settle(&mut self, state: &State) {
        let (account, market) = self.member(state).unwrap_or((self.rng.index(ACCOUNTS), 0));
        self.push(Step::Settle { account, market });
    }

    /// Several accounts on one side, a price that runs away their way, and everybody takes profit: the thin
    /// market's cash does not reach.
    pub(super) fn squeeze(&mut self, state: &State) {
        if self.rng.one_in(2) {
            return; // it takes a market long to recover
        }
        let (market, side) = (self.rng.weighted(&[(3, TWO_SOURCES), (1, 0)]), self.rng.pick(&Side::BOTH));
        let accounts: Vec<usize> = (0..6).map(|_| self.account(state)).collect();
        self.prepare(state, market);
        for &account in &accounts {
            let (by, vault, flaw) = (Stage::owner(account), 0, Flaw::None);
            self.push(Step::Deposit { actor: by, account, vault, amount: 40_000 * DOLLAR, flaw });
            let lots = self.rng.between(20_000, 60_000).unsigned_abs();
            let lots = self.round_to_step(state, market, ASSETS[market].lots_worth(lots));
            self.push(Step::Open { by, account, order: Trade { market, side, lots, limit: None }, flaw });
        }
        for _ in 0..3 {
            let price = self.prices[market] / 100 * if side == Side::Long { 128 } else { 78 };
            self.prices[market] = price.clamp(ASSETS[market].price / 5, ASSETS[market].price * 5);
            self.push(Step::Wait { seconds: 1 });
            self.quote(market, self.prices[market]);
        }
        for &account in &accounts {
            let order = Trade { market, side, lots: u64::MAX, limit: None };
            let by = Stage::owner(account);
            self.push(Step::Close { by, account, order, flaw: Flaw::None });
        }
        if self.rng.one_in(2) {
            self.push(Step::Wait { seconds: 1 });
            let price = self.moved(market, true);
            self.quote(market, price);
        }
        for &account in &accounts {
            self.push(Step::Settle { account, market });
        }
    }
}

/// An account's position or claim in a market.
fn position(state: &State, account: usize, market: usize) -> Option<Position> {
    let account = state.margin(account)?;
    account.position(narrow(market)).map(|slot| account.positions[slot])
}
