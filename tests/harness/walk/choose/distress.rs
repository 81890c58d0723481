//! Crashes, and what liquidators and keepers make of them: present, late, absent or hostile.

use bulwark_sdk::engine::position::Position;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::health::Distress;

use super::Chooser;
use crate::fixtures::DOLLAR;
use crate::walk::stage::{ACCOUNTS, MARKETS, Stage, VAULTS};
use crate::walk::state::State;
use crate::walk::step::{Flaw, Step, Taking, Trade};

/// Everybody who can be liquidated now, and what there is to be done first.
fn distressed(state: &State) -> Vec<(usize, Distress)> {
    let snapshot = state.snapshot();
    let distress = |account: usize| {
        let found = snapshot.distress(state.margin(account)?, state.slot).ok().flatten()?;
        Some((account, found))
    };
    (0..ACCOUNTS).filter_map(distress).collect()
}

impl Chooser {
    /// Somebody with money, or the unfortunate's own other account.
    pub(super) fn liquidator(&mut self, state: &State, account: usize) -> usize {
        let own = account ^ 1;
        if self.rng.one_in(8) && state.margin(own).is_some() {
            return own;
        }
        let rich = |&a: &usize| {
            a != account && state.margin(a).is_some_and(|m| m.quote.0 > 20_000 * DOLLAR.cast_signed())
        };
        (0..12).map(|_| self.rng.index(ACCOUNTS)).find(rich).unwrap_or(self.rng.index(ACCOUNTS))
    }

    /// Mostly brings what a takeover or a purchase needs.
    pub(super) fn fund_if_poor(&mut self, state: &State, account: usize) {
        let quote = state.margin(account).map_or(0, |a| a.quote.0);
        if quote < 15_000 * DOLLAR.cast_signed() && !self.rng.one_in(4) {
            self.funded(account, 20_000);
        }
    }

    pub(super) fn funded(&mut self, account: usize, dollars: u64) {
        let (actor, vault, amount, flaw) = (Stage::owner(account), 0, dollars * DOLLAR, Flaw::None);
        self.push(Step::Deposit { actor, account, vault, amount, flaw });
    }

    /// A takeover of the worst leg, mostly; or another leg, a few lots, none at all.
    fn take_over(&mut self, state: &State, (account, distress): (usize, &Distress)) {
        let first = distress.first.map_or(0, usize::from);
        let any = self.rng.index(MARKETS);
        let market = self.rng.weighted(&[(12, first), (1, any)]);
        let liquidator = self.liquidator(state, account);
        let step = state.market(market).core.params.step;
        let few = self.rng.magnitude(1, 1 << 20);
        let part = few * step;
        let lots = self.rng.weighted(&[(10, u64::MAX), (4, part), (1, 0), (1, few), (1, step)]);
        let by = self.trader(state, liquidator);
        let (limit, flaw) = (self.limit(state, market).filter(|_| self.rng.one_in(3)), self.flaw());
        self.fund_if_poor(state, liquidator);
        let order = Taking { market, lots, limit };
        self.push(Step::Liquidate { by, liquidator, account, order, flaw });
    }

    fn hand_to_pool(&mut self, state: &State, (account, distress): (usize, &Distress)) {
        let first = distress.first.map_or(0, usize::from);
        let any = self.rng.index(MARKETS);
        let market = self.rng.weighted(&[(16, first), (1, any)]);
        let (keeper, own, flaw) = (self.account(state), account, self.flaw());
        let keeper = self.rng.weighted(&[(8, Some(keeper)), (4, None), (1, Some(own))]);
        self.push(Step::LiquidateToPool { account, market, keeper, flaw });
    }

    fn buy_collateral(&mut self, state: &State, account: usize) {
        let Some(margin) = state.margin(account) else { return };
        let held: Vec<_> = margin.collaterals.iter().filter(|c| c.amount != 0).collect();
        if held.is_empty() {
            return;
        }
        let slot = held[self.rng.index(held.len())];
        let (vault, held) = (usize::from(slot.vault), slot.amount);
        let vault = if self.rng.one_in(20) { self.rng.index(VAULTS) } else { vault };
        let part = held / (1 + self.rng.below(8));
        let amount = self.rng.weighted(&[(8, u64::MAX), (4, part), (1, 1), (1, 0)]);
        let liquidator = self.liquidator(state, account);
        self.fund_if_poor(state, liquidator);
        let (by, flaw) = (self.trader(state, liquidator), self.flaw());
        let any = Some(self.rng.index(MARKETS));
        let creditor = self.rng.weighted(&[(2, None), (1, any)]);
        self.push(Step::LiquidateCollateral { by, liquidator, account, creditor, vault, amount, flaw });
    }

    /// Looks for somebody in trouble, mostly with fresh prices; sometimes bothers somebody who is not.
    pub(super) fn liquidate(&mut self, state: &State) {
        let market = self.rng.index(MARKETS);
        if !self.rng.one_in(8) {
            self.freshen(state);
        }
        let found = distressed(state);
        if found.is_empty() {
            if self.rng.one_in(8) {
                let account = self.account(state);
                let distress = Distress {
                    health: bulwark_sdk::engine::margin::Health::default(),
                    moment: bulwark_sdk::engine::auction::Moment { elapsed: 0, ratio: 0 },
                    first: u16::try_from(market).ok(),
                };
                match self.rng.below(3) {
                    0 => self.take_over(state, (account, &distress)),
                    1 => self.hand_to_pool(state, (account, &distress)),
                    _ => self.buy_collateral(state, account),
                }
            }
            return;
        }
        let (account, distress) = &found[self.rng.index(found.len())];
        let late = self.rng.weighted(&[(8, 0), (3, 4), (3, 12), (3, 19), (1, 28)]);
        match distress.first {
            None => {
                if late > 0 {
                    self.push(Step::Slots { slots: 2 * late });
                }
                self.buy_collateral(state, *account);
            }
            Some(_) => {
                if late > 0 {
                    let calls = self.rng.weighted(&[(3, 1), (2, 3)]); // or nobody calls for long enough
                    for _ in 0..calls {
                        self.hand_to_pool(state, (*account, distress));
                        self.push(Step::Slots { slots: late });
                        (0..MARKETS).for_each(|market| self.again(market));
                    }
                }
                match self.rng.below(5) {
                    0 | 1 => self.hand_to_pool(state, (*account, distress)),
                    2 if self.rng.one_in(2) => self.buy_collateral(state, *account),
                    _ => self.take_over(state, (*account, distress)),
                }
                if self.rng.one_in(6) {
                    self.funded(*account, 500); // help in the middle of an auction
                }
            }
        }
    }

    /// Buys what stands for a debt that is larger than the exchange wants to lend.
    pub(super) fn exchange_debts(&mut self, state: &State) {
        let owes = |&a: &usize| state.margin(a).is_some_and(|m| m.quote.0 < 0);
        if let Some(account) = (0..ACCOUNTS).filter(owes).max_by_key(|_| self.rng.word()) {
            for vault in 1..VAULTS {
                self.push(Step::RefreshVault { vault });
            }
            self.buy_collateral(state, account);
        }
    }

    /// Runs the waterfall for whoever owes and may be bankrupt, sometimes while the winners run.
    pub(super) fn resolve(&mut self, state: &State) {
        let owes = |&a: &usize| state.margin(a).is_some_and(|m| m.quote.0 < 0);
        let bare = |&a: &usize| state.margin(a).is_some_and(|m| !m.has_positions());
        let found: Vec<usize> =
            (0..ACCOUNTS).filter(owes).filter(|a| bare(a) || self.rng.one_in(8)).collect();
        let Some(&account) = found.get(self.rng.index(found.len().max(1))) else { return };
        let debts = state.margin(account).map(|a| a.debts.held).unwrap_or_default();
        let owed: Vec<usize> = (0..MARKETS).filter(|&market| debts[market] > 0).collect();
        let any = self.rng.index(MARKETS);
        let market = owed.first().copied().filter(|_| !self.rng.one_in(12)).unwrap_or(any);
        self.again(market);
        let (hurry, flaw) = (self.rng.one_in(3), self.flaw());
        if hurry {
            self.run_from(state, market);
        }
        self.push(Step::Resolve { account, market, flaw });
        for &market in owed.iter().skip(1) {
            self.again(market);
            self.push(Step::Resolve { account, market, flaw: Flaw::None });
        }
    }

    /// A winner takes his profit before the loss is booked.
    fn run_from(&mut self, state: &State, market: usize) {
        let member = (0..ACCOUNTS).filter(|&a| {
            state
                .margin(a)
                .is_some_and(|m| m.positions.iter().any(|p| p.is_open() && usize::from(p.market) == market))
        });
        if let Some(account) = member.max_by_key(|_| self.rng.word()) {
            let order = Trade { market, side: Side::Long, lots: u64::MAX, limit: None };
            self.push(Step::Close { by: Stage::owner(account), account, order, flaw: Flaw::None });
        }
    }

    /// Several accounts at the highest leverage on one side, one on the other, and a gap: what follows is up to the
    /// keepers.
    pub(super) fn crash(&mut self, state: &State) {
        let (market, side) = (self.rng.index(MARKETS), self.rng.pick(&Side::BOTH));
        self.freshen(state);
        for number in 0..=self.rng.index(3) {
            let (margin, flaw) = (self.rng.magnitude(800, 12_000), Flaw::None);
            let pawned = self.rng.one_in(3);
            let Some(account) = self.newcomer(state, if pawned { 0 } else { margin }) else { continue };
            if pawned {
                let (vault, amount) = (1 + market, self.tokens(1 + market, margin));
                self.push(Step::Deposit { actor: Stage::owner(account), account, vault, amount, flaw });
                self.push(Step::RefreshVault { vault });
            }
            let side = if number == 2 { side.opposite() } else { side };
            for leverage in [9, 5] {
                self.trade(account, market, side, margin * leverage);
            }
        }
        let gap = self.rng.weighted(&[(5, 4), (5, 6), (4, 9), (2, 18), (1, 40)]);
        self.move_by(market, if side == Side::Long { -gap } else { gap });
    }

    /// What keepers do who look for work: liquidate, resolve.
    pub(super) fn keep(&mut self, state: &State) -> bool {
        let bare = |a: usize| state.margin(a).is_some_and(|m| m.quote.0 < 0 && !m.has_positions());
        if !distressed(state).is_empty() && !self.rng.one_in(4) {
            self.liquidate(state);
        } else if (0..ACCOUNTS).any(bare) {
            self.resolve(state);
        }
        !self.queue.is_empty()
    }

    /// Reduces exposure: whoever is on offer, again and again while the cut-off falls.
    pub(super) fn deleverage(&mut self, state: &State) {
        let exposed = |&market: &usize| {
            let core = &state.market(market).core;
            let skew = core.book.skew().map_or(0, |skew| skew.count());
            let worth = core.mark().mul_floor(skew).unwrap_or(0);
            let profit = core.book.traders_pnl(core.mark()).map_or(0, |q| q.units_or_zero());
            let params = &core.params.deleverage;
            worth > params.inventory_cap
                || profit > core.book.cash / 1_000_000 * u64::from(params.profit_high_ppm)
        };
        let found: Vec<usize> = (0..MARKETS).filter(exposed).collect();
        let any = self.rng.index(MARKETS);
        if found.is_empty() && !self.rng.one_in(10) {
            return;
        }
        let market = found.get(self.rng.index(found.len().max(1))).copied().unwrap_or(any);
        let heavy = state.market(market).core.heavy_side().ok().flatten();
        let here = |&a: &usize| {
            let at = |p: &Position| p.is_open() && usize::from(p.market) == market && p.side().ok() == heavy;
            state.margin(a).is_some_and(|m| m.positions.iter().any(at))
        };
        let mut open: Vec<usize> = (0..ACCOUNTS).filter(here).collect();
        for _ in 0..2 {
            let slots = self.rng.between(1, 70).unsigned_abs();
            self.push(Step::Slots { slots });
            self.again(market);
            self.rng.shuffle(&mut open);
            for &account in open.iter().take(3) {
                let (keeper, flaw) = (self.account(state), self.flaw());
                let keeper = self.rng.weighted(&[(8, Some(keeper)), (4, None), (1, Some(account))]);
                self.push(Step::Deleverage { account, market, keeper, flaw });
            }
            if self.rng.one_in(6) {
                let account = self.account(state); // whoever that is
                self.push(Step::Deleverage { account, market, keeper: None, flaw: Flaw::None });
            }
        }
    }

    /// Unwinds winners of a market without money.
    pub(super) fn rebalance(&mut self, state: &State) {
        let short = |&market: &usize| {
            let core = &state.market(market).core;
            core.book.equity(core.mark()).is_ok_and(|e| e.0 < 0)
        };
        let found = (0..MARKETS).find(short);
        if found.is_none() && !self.rng.one_in(10) {
            return;
        }
        let market = found.unwrap_or(self.rng.index(MARKETS));
        self.again(market);
        self.push(Step::Rebalance { market });
        if self.rng.one_in(3) {
            self.push(Step::Rebalance { market }); // at once again
        }
        let member = self.member(state);
        if let Some((account, market)) = member.filter(|_| self.rng.one_in(2)) {
            self.push(Step::Settle { account, market });
        }
    }

    /// Settles everybody in a market that settles, twice: positions first, claims then.
    pub(super) fn wind_up(&mut self, state: &State) {
        let settling = |&market: &usize| state.market(market).core.is_settling();
        let Some(market) = (0..MARKETS).find(settling) else { return };
        let member = |&a: &usize| {
            let at = |p: &Position| p.is_open() && usize::from(p.market) == market;
            state.margin(a).is_some_and(|m| m.positions.iter().any(at))
        };
        let owes = |&a: &usize| state.margin(a).is_some_and(|m| m.debts.held[market] > 0);
        let open: Vec<usize> = (0..ACCOUNTS).filter(member).collect();
        for _ in 0..2 {
            for &account in &open {
                if !self.rng.one_in(8) {
                    self.push(Step::Settle { account, market });
                }
            }
            for account in (0..ACCOUNTS).filter(owes).collect::<Vec<_>>() {
                self.push(Step::Resolve { account, market, flaw: Flaw::None });
            }
        }
    }
}
