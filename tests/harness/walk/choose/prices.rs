//! How prices and time go on.

use super::Chooser;
use crate::walk::stage::{ASSETS, MARKETS, TWO_SOURCES};
use crate::walk::state::State;
use crate::walk::step::Step;

impl Chooser {
    /// A new price: mostly near the last one, sometimes a jump of up to 30 %, and not ever farther from where it began.
    pub(super) fn moved(&mut self, market: usize, jump: bool) -> i64 {
        let widest = if jump { 300_000 } else { self.rng.weighted(&[(6, 2_000), (3, 15_000), (1, 60_000)]) };
        let (price, start) = (self.prices[market], ASSETS[market].price);
        let mut ppm = self.rng.between(-widest, widest);
        if (price > start * 2 && ppm > 0 || price < start / 2 && ppm < 0) && !self.rng.one_in(4) {
            ppm = -ppm;
        }
        let price = price + price / 1_000_000 * ppm;
        self.prices[market] = price.clamp(start / 5, start * 5);
        self.prices[market]
    }

    /// Prints of all of the market's sources, a basis point wide, then a refresh.
    pub(super) fn quote(&mut self, market: usize, price: i64) {
        let conf = u64::try_from(price / 10_000).expect("above zero");
        for source in 0..=u8::from(market == TWO_SOURCES) {
            self.push(Step::Print { market, source, price, conf, age: 0 });
        }
        self.push(Step::RefreshMarket { market });
        if self.rng.one_in(5) {
            self.push(Step::RefreshVault { vault: market + 1 });
        }
    }

    /// The same prices again, only younger, of the markets whose prices are too old to trade at.
    pub(super) fn freshen(&mut self, state: &State) {
        for market in 0..MARKETS {
            let oracle = &state.market(market).core.oracle;
            if state.now.saturating_sub(oracle.publish_time) > 3 || oracle.divergent != 0 {
                self.again(market);
            }
        }
    }

    /// The same price again, only younger.
    pub(super) fn again(&mut self, market: usize) {
        self.quote(market, self.prices[market]);
    }

    /// New prices of everything, and now.
    pub(super) fn quote_all(&mut self) {
        for market in 0..MARKETS {
            let price = self.moved(market, false);
            self.quote(market, price);
        }
    }

    pub(super) fn tick(&mut self, _: &State) {
        let (market, seconds) = (self.rng.index(MARKETS), self.rng.between(0, 3));
        self.push(Step::Wait { seconds });
        let price = self.moved(market, false);
        self.quote(market, price);
    }

    pub(super) fn wait(&mut self, _: &State) {
        let most = self.rng.weighted(&[(6, 10), (3, 120), (1, 20_000)]);
        let seconds = self.rng.between(0, most);
        self.push(Step::Wait { seconds });
    }

    pub(super) fn jump(&mut self, _: &State) {
        let market = self.rng.index(MARKETS);
        self.push(Step::Wait { seconds: 1 });
        let price = self.moved(market, true);
        self.quote(market, price);
    }

    /// A print that is wide, old, ahead of the clock or of one source only, or none at all.
    pub(super) fn odd_print(&mut self, _: &State) {
        let market = self.rng.index(MARKETS);
        let mut price = self.moved(market, false);
        let per = self.rng.weighted(&[(4, 10_000), (6, 60), (1, 1)]);
        let age = self.rng.weighted(&[(4, 0), (2, 4), (2, 45), (1, 300), (1, -20), (1, -60)]);
        let source = u8::from(market == TWO_SOURCES && self.rng.one_in(2));
        if self.rng.one_in(3) {
            price += price / 20;
        }
        price = self.rng.weighted(&[(30, price), (1, 0), (1, -price), (1, i64::MAX)]);
        let conf = price.unsigned_abs() / per;
        self.push(Step::Wait { seconds: 1 });
        self.push(Step::Print { market, source, price, conf, age });
        self.push(Step::RefreshMarket { market });
        if self.rng.one_in(2) {
            self.push(Step::RefreshVault { vault: market + 1 });
        }
    }

    /// Mostly sees to it that the prices that a trade needs are young: its market's, and all others for margin.
    pub(super) fn prepare(&mut self, state: &State, market: usize) {
        if self.rng.one_in(12) {
            return;
        }
        for each in 0..MARKETS {
            let oracle = &state.market(each).core.oracle;
            let limit = if each == market { 3 } else { 40 };
            if state.now - oracle.publish_time > limit || oracle.divergent != 0 {
                let price = self.moved(each, false);
                self.quote(each, price);
            }
        }
    }
}
