//! Orders that wait for a price, and who executes them.

use bulwark_sdk::engine::trigger::{Trigger, TriggerKind};
use bulwark_sdk::engine::units::Side;

use super::Chooser;
use crate::walk::stage::{ACCOUNTS, ASSETS, MARKETS, TWO_SOURCES, narrow};
use crate::walk::state::State;
use crate::walk::step::{Step, Wish};

impl Chooser {
    /// A limit entry anywhere, or a way out of a position that there is.
    pub(super) fn place_trigger(&mut self, state: &State) {
        use TriggerKind::{Limit, StopLoss, TakeProfit};
        let kind = self.rng.pick(&[Limit, TakeProfit, StopLoss]);
        let anywhere = (self.account(state), self.rng.index(MARKETS));
        let (account, market) = if kind == Limit { anywhere } else { self.member(state).unwrap_or(anywhere) };
        let mut order = self.order(state, account, market);
        if kind != Limit {
            let part = order.lots;
            // All, a part, or all but what would be too small to stay.
            let held = state
                .margin(account)
                .and_then(|a| Some(a.positions[a.position(narrow(market))?].lots.count()));
            let step = state.market(market).core.params.step;
            let nearly = held.unwrap_or(part).saturating_sub(step).max(step) / step * step;
            order.lots = self.rng.weighted(&[(6, u64::MAX), (2, part), (1, nearly)]);
        }
        let mark = state.market(market).core.mark().to_bits();
        let near = mark - mark / 50 + self.rng.below(mark / 25);
        let any = self.rng.word();
        let price = self.rng.weighted(&[(20, near), (6, mark), (1, any), (1, 0)]);
        let life = self.rng.weighted(&[(2, 30), (6, 5_000), (6, 100_000), (1, 0), (1, 7_776_001)]);
        let wish = Wish { kind, price, order, expiry: state.now + life };
        let (by, flaw) = (self.trader(state, account), self.flaw());
        self.push(Step::PlaceTrigger { by, account, wish, flaw });
    }

    /// A trigger, if one is found soon.
    fn trigger(&mut self, state: &State) -> Option<(usize, Trigger)> {
        (0..20).find_map(|_| {
            let account = self.account(state);
            let set = state.margin(account)?.triggers.iter().filter(|t| t.is_set());
            let set: Vec<Trigger> = set.copied().collect();
            (!set.is_empty()).then(|| (account, self.rng.pick(&set)))
        })
    }

    /// Mostly brings the price that it waits for. The keeper is somebody, nobody, or an account that may be closed.
    pub(super) fn execute_trigger(&mut self, state: &State) {
        let Some((account, trigger)) = self.trigger(state) else { return };
        let market = usize::from(trigger.market);
        self.prepare(state, market);
        if !self.rng.one_in(4) {
            let price = self.beyond(market, &trigger);
            self.push(Step::Wait { seconds: 1 });
            self.prices[market] = price;
            self.quote(market, price);
        }
        if market != TWO_SOURCES && self.rng.one_in(8) {
            // Another leg's sources disagree by then, and time has passed since the last accrual.
            let (price, age) = (self.prices[TWO_SOURCES] / 100 * 105, 0);
            let conf = price.unsigned_abs() / 10_000;
            self.push(Step::Wait { seconds: 1 });
            self.push(Step::Print { market: TWO_SOURCES, source: 1, price, conf, age });
            self.push(Step::RefreshMarket { market: TWO_SOURCES });
        }
        let (keeper, any) = (self.account(state), self.rng.index(ACCOUNTS));
        let keeper = self.rng.weighted(&[(10, Some(keeper)), (5, None), (1, Some(any)), (1, Some(account))]);
        let wrong = Some(self.rng.index(MARKETS));
        let market = self.rng.weighted(&[(24, None), (1, wrong)]);
        let id = self.rng.weighted(&[(30, trigger.id), (1, trigger.id + 1)]);
        let flaw = self.flaw();
        self.push(Step::ExecuteTrigger { account, id, keeper, market, flaw });
    }

    /// A print at the trigger's price or a little beyond.
    fn beyond(&mut self, market: usize, trigger: &Trigger) -> i64 {
        let asset = &ASSETS[market];
        let exact = (u128::from(trigger.trigger_price) * u128::from(asset.one()) * 100) >> 32;
        let exact = i64::try_from(exact).unwrap_or(i64::MAX).clamp(asset.price / 5, asset.price * 5);
        let falls =
            (trigger.kind == TriggerKind::TakeProfit.to_byte()) != (trigger.side == Side::Long.to_byte());
        let ppm = self.rng.weighted(&[(1, 0), (4, 200), (2, 5_000)]);
        exact + exact / 1_000_000 * if falls { -ppm } else { ppm }
    }

    pub(super) fn cancel_trigger(&mut self, state: &State) {
        let Some((account, trigger)) = self.trigger(state) else { return };
        let id = self.rng.weighted(&[(12, trigger.id), (1, trigger.id + 1), (1, 0)]);
        let by =
            if self.rng.one_in(4) { self.rng.index(self.actors.len()) } else { self.trader(state, account) };
        let flaw = self.flaw();
        self.push(Step::CancelTrigger { by, account, id, flaw });
    }
}
