//! Situations that chance alone brings about too rarely: short stories whose outcome is still open.

use bulwark_sdk::engine::units::Side;

use super::Chooser;
use crate::fixtures::DOLLAR;
use crate::walk::stage::{ACCOUNTS, ACTORS, ASSETS, MARKETS, SUBS, Stage, TWO_SOURCES, narrow};
use crate::walk::state::State;
use crate::walk::step::{Flaw, Step, Taking, Trade};

/// The first account of an actor.
const fn of(actor: usize) -> usize {
    actor * SUBS
}

impl Chooser {
    pub(super) fn trade(&mut self, account: usize, market: usize, side: Side, dollars: u64) {
        // At today's price, in whole steps.
        let first = u128::try_from(ASSETS[market].price).expect("above zero");
        let now = u128::try_from(self.prices[market]).expect("above zero");
        let dollars = u64::try_from(u128::from(dollars) * first / now).expect("fits");
        let step = if market == TWO_SOURCES { 1 } else { ASSETS[market].one() / 1_000 };
        let lots = ASSETS[market].lots_worth(dollars) / step * step;
        let order = Trade { market, side, lots, limit: None };
        self.push(Step::Open { by: Stage::owner(account), account, order, flaw: Flaw::None });
    }

    fn close_all(&mut self, account: usize, (market, side): (usize, Side)) {
        let order = Trade { market, side, lots: u64::MAX, limit: None };
        self.push(Step::Close { by: Stage::owner(account), account, order, flaw: Flaw::None });
    }

    /// The price moves by so many percent.
    pub(super) fn move_by(&mut self, market: usize, percent: i64) {
        self.move_ppm(market, percent * 10_000);
    }

    fn move_ppm(&mut self, market: usize, ppm: i64) {
        let (price, first) = (self.prices[market], ASSETS[market].price);
        self.prices[market] = (price / 1_000 * (1_000_000 + ppm) / 1_000).clamp(first / 5, first * 5);
        self.push(Step::Wait { seconds: 1 });
        self.again(market);
    }

    /// So many accounts without a position in a market, if there are.
    pub(super) fn absent(&mut self, state: &State, market: usize, number: usize) -> Vec<usize> {
        let here = |&account: &usize| {
            state.margin(account).is_some_and(|a| a.quote.0 >= 0 && a.position(narrow(market)).is_none())
        };
        let mut found: Vec<usize> = (0..ACCOUNTS).filter(here).collect();
        self.rng.shuffle(&mut found);
        found.truncate(number);
        found
    }

    fn buy(&mut self, (liquidator, account): (usize, usize), vault: usize, amount: u64) {
        let (by, creditor, flaw) = (Stage::owner(liquidator), None, Flaw::None);
        self.push(Step::LiquidateCollateral { by, liquidator, account, creditor, vault, amount, flaw });
    }

    /// Calls the pool at once, and often enough until it takes whatever nobody wanted.
    fn hand_over(&mut self, market: usize, accounts: &[usize], keeper: Option<usize>) {
        for slots in [1, 10, 10, 10, 10, 10, 4] {
            self.push(Step::Slots { slots });
            self.again(market);
            for &account in accounts {
                self.push(Step::LiquidateToPool { account, market, keeper, flaw: Flaw::None });
            }
        }
    }

    /// Somebody who begins with so much, if there is an account that holds no more than that and nothing else.
    pub(super) fn newcomer(&mut self, state: &State, dollars: u64) -> Option<usize> {
        let quote = |account: usize| state.margin(account).map_or(0, |a| a.quote.0);
        let plain = |&account: &usize| {
            let nothing = state.margin(account).is_none_or(|a| {
                !a.positions.iter().any(|p| p.is_open()) && a.collaterals.iter().all(|c| c.amount == 0)
            });
            nothing && (0..=(dollars * DOLLAR).cast_signed()).contains(&quote(account))
        };
        let mut found: Vec<usize> = (0..ACCOUNTS).filter(plain).collect();
        self.rng.shuffle(&mut found);
        let account = *found.first()?;
        if state.margin(account).is_none() {
            self.push(Step::OpenAccount { actor: Stage::owner(account), sub: account % SUBS });
        }
        let amount = dollars * DOLLAR - quote(account).unsigned_abs();
        let (actor, vault, flaw) = (Stage::owner(account), 0, Flaw::None);
        self.push(Step::Deposit { actor, account, vault, amount, flaw });
        Some(account)
    }

    /// An account a little below its requirement, and somebody who bids at once, in the middle of the ramp, at its end or
    /// when the auction has lapsed.
    pub(super) fn bid(&mut self, state: &State) {
        let (market, side) = (self.rng.index(MARKETS), self.rng.pick(&Side::BOTH));
        let margin = self.rng.magnitude(800, 9_000);
        self.freshen(state);
        let Some(account) = self.newcomer(state, margin) else { return };
        self.trade(account, market, side, margin * 10);
        self.trade(account, market, side, margin * 2);
        self.move_ppm(market, if side == Side::Long { -63_000 } else { 63_000 });
        let (liquidator, flaw) = (self.liquidator(state, account), Flaw::None);
        let by = Stage::owner(liquidator);
        self.fund_if_poor(state, liquidator);
        let bid = |lots| Step::Liquidate {
            by,
            liquidator,
            account,
            order: Taking { market, lots, limit: None },
            flaw,
        };
        let later = self.rng.weighted(&[(2, 0), (3, 7), (2, 21), (1, 30)]);
        let mut left = later;
        while left > 0 {
            self.push(bid(0));
            self.push(Step::Slots { slots: left.min(10) });
            self.again(market);
            left = left.saturating_sub(10);
        }
        let step = state.market(market).core.params.step;
        let part = ASSETS[market].lots_worth(margin) / step * step;
        let lots = self.rng.weighted(&[(4, u64::MAX), (2, part)]);
        self.push(bid(lots));
        if self.rng.one_in(2) {
            self.push(bid(u64::MAX)); // in the same slot once more
        }
    }

    /// Collateral alone, and a loss: somebody buys it for the debt while the account is healthy, or slot by slot cheaper
    /// when nobody wanted it.
    pub(super) fn pawn(&mut self, state: &State) {
        let (market, side, flaw) = (self.rng.index(2), self.rng.pick(&Side::BOTH), Flaw::None);
        let Some(account) = self.newcomer(state, 10) else { return };
        let (vault, worth) = (1 + market, self.rng.magnitude(6_000, 20_000));
        let amount = self.tokens(vault, worth).min(1 << 50);
        self.freshen(state);
        self.push(Step::Deposit { actor: Stage::owner(account), account, vault, amount, flaw });
        self.push(Step::RefreshVault { vault });
        let broke = self.rng.one_in(2);
        // As much as the crowd of depositors leaves him margin for.
        for tenths in if broke { [90, 40, 20, 10] } else { [40, 20, 10, 5] } {
            self.trade(account, market, side, worth * tenths / 10);
        }
        let percent = if broke { 16 } else { 6 };
        self.move_by(market, if side == Side::Long { -percent } else { percent });
        if !broke && self.rng.one_in(2) {
            // Not yet in trouble, or a little: who buys leaves the position where it is.
            let gap = self.rng.between(3, 9);
            self.move_by(market, if side == Side::Long { -gap } else { gap });
            let liquidator = self.liquidator(state, account);
            self.fund_if_poor(state, liquidator);
            self.push(Step::RefreshVault { vault });
            self.buy((liquidator, account), vault, u64::MAX);
        }
        if !broke {
            self.close_all(account, (market, side));
            let liquidator = self.liquidator(state, account);
            self.fund_if_poor(state, liquidator);
            self.push(Step::RefreshVault { vault });
            self.buy((liquidator, account), vault, u64::MAX);
        }
        self.hand_over(market, &[account], None);
        let last = self.rng.between(10, 50).unsigned_abs();
        for (slots, amount) in [(1, 0), (50, 0), (50, 0), (last, u64::MAX)] {
            let liquidator = self.liquidator(state, account);
            self.fund_if_poor(state, liquidator);
            self.push(Step::Slots { slots });
            self.again(market);
            self.push(Step::RefreshVault { vault });
            self.buy((liquidator, account), vault, amount);
        }
        self.push(Step::Resolve { account, market, flaw });
    }

    /// A large loser, and winners on the other side, who come back to what an unwind has left them.
    pub(super) fn unwind(&mut self, state: &State) {
        let (market, side) = (self.rng.index(MARKETS), self.rng.pick(&Side::BOTH));
        let winners = self.absent(state, market, 3);
        self.freshen(state);
        let size = if market == TWO_SOURCES { 60_000 } else { 150_000 };
        let Some(loser) = self.newcomer(state, size / 14) else { return };
        for winner in &winners {
            self.funded(*winner, 30_000);
            self.trade(*winner, market, side.opposite(), size / 3);
        }
        self.trade(loser, market, side, size / 2);
        self.trade(loser, market, side, size / 2);
        for _ in 0..2 {
            let gap = self.rng.between(10, 22);
            self.move_by(market, if side == Side::Long { -gap } else { gap });
        }
        self.hand_over(market, &[loser], winners.first().copied());
        if self.rng.one_in(4) {
            winners.iter().take(1).for_each(|winner| self.close_all(*winner, (market, side.opposite())));
        }
        self.push(Step::Resolve { account: loser, market, flaw: Flaw::None });
        for winner in &winners {
            match self.rng.below(3) {
                0 => self.push(Step::Settle { account: *winner, market }),
                1 => self.close_all(*winner, (market, side.opposite())),
                _ => {}
            }
        }
    }

    /// A position too large for what the pool wants to hold.
    pub(super) fn exposure(&mut self, state: &State) {
        let (market, side) = (self.rng.index(MARKETS), self.rng.pick(&Side::BOTH));
        self.freshen(state);
        for account in self.absent(state, market, 3) {
            let size = self.rng.between(30_000, 80_000).unsigned_abs();
            self.funded(account, size / 8);
            self.trade(account, market, side, size);
        }
        let gap = self.rng.between(-3, 3);
        self.move_by(market, gap);
    }

    /// Winners drain the thin market and wait with claims; then losers of their own side owe more than there is.
    pub(super) fn ruin(&mut self) {
        let (market, long, short) = (TWO_SOURCES, Side::Long, Side::Short);
        self.move_by(market, 0);
        for actor in [1, 2, 3, 4] {
            self.funded(of(actor), 30_000);
            self.trade(of(actor), market, long, 35_000);
        }
        self.funded(of(9), 10_000);
        self.trade(of(9), market, long, 500); // who is still there when it settles
        let doomed = of(6) + 1;
        self.push(Step::OpenAccount { actor: 6, sub: 1 });
        self.funded(doomed, 4_000);
        self.trade(doomed, market, long, 4_000);
        self.move_by(market, 45);
        for actor in [5, 6] {
            self.funded(of(actor), 30_000);
            self.trade(of(actor), market, short, 100_000);
        }
        let losers = [of(7) + 1, of(8) + 1];
        for loser in losers {
            self.push(Step::OpenAccount { actor: Stage::owner(loser), sub: 1 });
            self.funded(loser, 12_000);
            self.trade(loser, market, long, 30_000);
        }
        for actor in [5, 6] {
            self.close_all(of(actor), (market, short));
        }
        self.move_by(market, 60);
        for winner in [of(1), of(2), of(3), of(4), doomed] {
            self.close_all(winner, (market, long));
        }
        // Who waits with a claim here loses more elsewhere than that.
        self.again(0);
        self.trade(doomed, 0, long, 20_000);
        self.trade(doomed, 0, long, 20_000);
        self.move_by(0, -33);
        self.hand_over(0, &[doomed], None);
        self.again(market);
        self.push(Step::Resolve { account: doomed, market: 0, flaw: Flaw::None });
        let (actor, nonce, shares) = (ACTORS - 1, 0, 5_000_000_000);
        self.push(Step::RequestUnstake { actor, nonce, shares, flaw: Flaw::None });
        self.move_by(market, -85);
        self.hand_over(market, &losers, None);
        for account in losers {
            self.push(Step::Resolve { account, market: 1, flaw: Flaw::None }); // he owes nothing there
            self.push(Step::Resolve { account, market, flaw: Flaw::None });
        }
        // A claim is too early while a position is left.
        for account in [of(3), of(9), of(3), of(4), of(9)] {
            self.push(Step::Settle { account, market });
        }
        self.push(Step::Wait { seconds: 14 * 86_400 + 60 });
        self.push(Step::Unstake { actor, nonce, least: 0, flaw: Flaw::None });
    }
}
