//! What happens next.
//!
//! Mostly what sensible people would do, so that most of it is accepted and the books fill; sometimes nonsense.
//! A habit pushes one step or a short story of several; a table says how often.

use std::collections::VecDeque;

use bulwark_sdk::Pubkey;
use bulwark_sdk::engine::units::Side;

use super::rng::Rng;
use super::stage::{ACCOUNTS, ACTORS, ASSETS, MARKETS, SUBS, Stage, TOKEN_DECIMALS, TWO_SOURCES, VAULTS};
use super::state::State;
use super::step::{Flaw, Step, Trade};
use crate::fixtures::DOLLAR;

/// Makes up the next steps.
pub struct Chooser {
    rng: Rng,
    actors: Vec<Pubkey>,
    /// What the oracles printed last.
    prices: [i64; MARKETS],
    queue: VecDeque<Step>,
}

type Habit = fn(&mut Chooser, &State);

/// What people do, and how often.
const HABITS: [(u64, Habit); 20] = [
    (24, Chooser::tick),
    (4, Chooser::wait),
    (3, Chooser::jump),
    (3, Chooser::odd_print),
    (30, Chooser::open),
    (16, Chooser::close),
    (3, Chooser::round_trip),
    (6, Chooser::settle),
    (7, Chooser::deposit),
    (4, Chooser::repay),
    (6, Chooser::withdraw),
    (2, Chooser::add_liquidity),
    (5, Chooser::allocate),
    (2, Chooser::sweep),
    (2, Chooser::check_invariants),
    (2, Chooser::open_or_close_account),
    (1, Chooser::set_delegate),
    (1, Chooser::squeeze),
    (2, Chooser::leave),
    (1, Chooser::donate),
];

impl Chooser {
    /// The steps of a seed; everybody begins with a deposit.
    #[must_use]
    pub fn new(seed: u64, stage: &Stage) -> Self {
        let prices = ASSETS.map(|asset| asset.price);
        let mut chooser =
            Self { rng: Rng::new(seed), actors: stage.actors.clone(), prices, queue: VecDeque::new() };
        for actor in 1..ACTORS {
            let (account, amount) = (actor * SUBS, chooser.rng.magnitude(2_000, 100_000) * DOLLAR);
            chooser.push(Step::Deposit { actor, account, vault: 0, amount, flaw: Flaw::None });
        }
        chooser
    }

    /// The next step.
    pub fn next(&mut self, state: &State) -> Step {
        loop {
            if let Some(step) = self.queue.pop_front() {
                return step;
            }
            self.rng.weighted(&HABITS)(self, state);
        }
    }

    fn push(&mut self, step: Step) {
        self.queue.push_back(step);
    }

    // ---- prices and time ----

    /// A new price: mostly near the last one, sometimes a jump of up to 30 %, and not ever farther from where it began.
    fn moved(&mut self, market: usize, jump: bool) -> i64 {
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
    fn quote(&mut self, market: usize, price: i64) {
        let conf = u64::try_from(price / 10_000).expect("above zero");
        for source in 0..=u8::from(market == TWO_SOURCES) {
            self.push(Step::Print { market, source, price, conf, age: 0 });
        }
        self.push(Step::RefreshMarket { market });
        if self.rng.one_in(3) {
            self.push(Step::RefreshVault { vault: market + 1 });
        }
    }

    fn tick(&mut self, _: &State) {
        let (market, seconds) = (self.rng.index(MARKETS), self.rng.between(0, 3));
        self.push(Step::Wait { seconds });
        let price = self.moved(market, false);
        self.quote(market, price);
    }

    fn wait(&mut self, _: &State) {
        let most = self.rng.weighted(&[(6, 10), (3, 120), (1, 20_000)]);
        let seconds = self.rng.between(0, most);
        self.push(Step::Wait { seconds });
    }

    fn jump(&mut self, _: &State) {
        let market = self.rng.index(MARKETS);
        self.push(Step::Wait { seconds: 1 });
        let price = self.moved(market, true);
        self.quote(market, price);
    }

    /// A print that is wide, old, ahead of the clock or of one source only, or none at all.
    fn odd_print(&mut self, _: &State) {
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
    fn prepare(&mut self, state: &State, market: usize) {
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

    // ---- accounts ----

    fn account(&mut self, state: &State) -> usize {
        let mut account = self.rng.index(ACCOUNTS);
        for _ in 0..5 {
            if state.margin(account).is_some() {
                break;
            }
            account = self.rng.index(ACCOUNTS);
        }
        account
    }

    /// An account that has a position, mostly with lots, and where, if it is found soon.
    fn member(&mut self, state: &State) -> Option<(usize, usize)> {
        let claims = self.rng.one_in(8);
        (0..12).find_map(|_| {
            let account = self.account(state);
            let open = state.margin(account)?.positions.iter().filter(|p| p.is_open());
            let open = open.filter(|p| claims || !p.is_claim());
            let markets: Vec<usize> = open.map(|p| usize::from(p.market)).collect();
            (!markets.is_empty()).then(|| (account, self.rng.pick(&markets)))
        })
    }

    fn flaw(&mut self) -> Flaw {
        if !self.rng.one_in(24) {
            return Flaw::None;
        }
        let (actor, which, with) = (self.rng.index(ACTORS), self.rng.index(12), self.rng.index(1_000));
        let replaced = Flaw::Replaced(which, with);
        self.rng.pick(&[
            Flaw::FirstArgument,
            Flaw::Stranger(actor),
            Flaw::Unsigned,
            Flaw::Missing,
            replaced,
            replaced,
        ])
    }

    /// The owner, mostly.
    fn somebody(&mut self, account: usize) -> usize {
        if self.rng.one_in(30) { self.rng.index(ACTORS) } else { Stage::owner(account) }
    }

    /// The owner, mostly; sometimes the delegate, if there is one, or anybody.
    fn trader(&mut self, state: &State, account: usize) -> usize {
        let delegate = state.margin(account).map(|a| a.delegate);
        let delegate = (0..ACTORS).find(|&actor| Some(self.actors[actor]) == delegate);
        delegate.filter(|_| self.rng.one_in(3)).unwrap_or_else(|| self.somebody(account))
    }

    fn open_or_close_account(&mut self, state: &State) {
        let (account, flaw) = (self.rng.index(ACCOUNTS), self.flaw());
        if state.margin(account).is_none() || self.rng.one_in(10) {
            self.push(Step::OpenAccount { actor: Stage::owner(account), sub: account % SUBS });
        } else {
            self.push(Step::CloseAccount { account, flaw });
        }
    }

    fn set_delegate(&mut self, state: &State) {
        let (account, actor, flaw) = (self.account(state), self.rng.index(ACTORS), self.flaw());
        let delegate = (!self.rng.one_in(4)).then_some(actor);
        self.push(Step::SetDelegate { account, delegate, flaw });
    }

    /// Takes everything out of an account without positions, and closes it.
    fn leave(&mut self, state: &State) {
        let idle = |&account: &usize| {
            state.margin(account).is_some_and(|a| a.quote.0 >= 0 && !a.positions.iter().any(|p| p.is_open()))
        };
        let Some(account) = (0..8).map(|_| self.rng.index(ACCOUNTS)).find(idle) else { return };
        for vault in 0..VAULTS {
            let amount = balance(state, account, vault);
            self.push(Step::Withdraw { account, vault, amount, flaw: Flaw::None });
        }
        self.push(Step::CloseAccount { account, flaw: Flaw::None });
    }

    // ---- money ----

    fn dollars(&mut self, most: u64) -> u64 {
        let amount = self.rng.magnitude(1, most) * DOLLAR + self.rng.below(DOLLAR);
        self.rng.weighted(&[(60, amount), (1, 0), (1, 1), (1, u64::MAX)])
    }

    /// Token units worth that many dollars at the first price.
    fn tokens(&mut self, vault: usize, most: u64) -> u64 {
        let Some(market) = vault.checked_sub(1) else { return self.dollars(most) };
        let one = 10_u128.pow(u32::from(TOKEN_DECIMALS[market]));
        let price = u128::try_from(ASSETS[market].price).expect("above zero");
        let amount = u128::from(self.rng.magnitude(1, most)) * one * 100_000_000 / price;
        let amount = u64::try_from(amount).expect("fits") + self.rng.below(100);
        self.rng.weighted(&[(60, amount), (1, 0), (1, 1), (1, u64::MAX)])
    }

    fn deposit(&mut self, state: &State) {
        let (account, flaw) = (self.account(state), self.flaw());
        let vault = if self.rng.one_in(2) { 0 } else { self.rng.index(VAULTS) };
        let most = if self.rng.one_in(20) { 5_000_000 } else { 60_000 };
        let (actor, amount) = (self.somebody(account), self.tokens(vault, most));
        self.push(Step::Deposit { actor, account, vault, amount, flaw });
    }

    /// Pays a debt, to the unit or with something on top.
    fn repay(&mut self, state: &State) {
        let account = self.account(state);
        let quote = state.margin(account).map_or(0, |a| a.quote.0);
        let extra = if self.rng.one_in(2) { 0 } else { self.rng.below(50_000 * DOLLAR) };
        let amount = quote.min(0).unsigned_abs() + extra;
        let (actor, flaw) = (Stage::owner(account), Flaw::None);
        self.push(Step::Deposit { actor, account, vault: 0, amount, flaw });
    }

    fn withdraw(&mut self, state: &State) {
        let (account, mut vault, flaw) = (self.account(state), self.rng.index(VAULTS), self.flaw());
        if balance(state, account, vault) == 0 && !self.rng.one_in(8) {
            vault = 0;
        }
        let balance = balance(state, account, vault);
        let part = balance / (1 + self.rng.below(20));
        let most = balance.saturating_add(1);
        let amount = self.rng.weighted(&[(8, part), (3, balance), (1, most), (1, u64::MAX), (1, 0)]);
        if self.rng.one_in(2) {
            for market in 0..MARKETS {
                self.push(Step::RefreshVault { vault: market + 1 });
            }
        }
        let market = self.rng.index(MARKETS);
        self.prepare(state, market);
        self.push(Step::Withdraw { account, vault, amount, flaw });
    }

    fn add_liquidity(&mut self, state: &State) {
        for market in 0..MARKETS {
            self.prepare(state, market);
        }
        let most = if self.rng.one_in(10) { 8_000_000 } else { 60_000 };
        let (actor, amount, flaw) = (self.rng.index(ACTORS), self.dollars(most), self.flaw());
        self.push(Step::AddLiquidity { actor, amount, flaw });
    }

    fn allocate(&mut self, state: &State) {
        let market = self.rng.index(MARKETS);
        self.prepare(state, market);
        self.push(Step::Allocate { market });
    }

    fn sweep(&mut self, _: &State) {
        let market = self.rng.index(MARKETS);
        self.push(Step::Sweep { market });
    }

    fn donate(&mut self, _: &State) {
        let (vault, amount) = (self.rng.index(VAULTS), self.rng.magnitude(1, 1 << 30));
        self.push(Step::Donate { vault, amount });
    }

    fn check_invariants(&mut self, _: &State) {
        let (market, vault) = (self.rng.index(MARKETS), self.rng.index(VAULTS));
        self.push(Step::CheckInvariants { market, vault });
    }

    // ---- trades ----

    /// A multiple of the step, mostly.
    fn round_to_step(&mut self, state: &State, market: usize, lots: u64) -> u64 {
        let step = state.market(market).core.params.step;
        let round = (lots / step).max(1) * step;
        self.rng.weighted(&[(50, round), (1, lots), (1, 0), (1, 1), (1, u64::MAX), (1, 1 << 60)])
    }

    /// Lots worth a multiple of what the account has, or anything.
    fn size(&mut self, state: &State, account: usize, market: usize) -> u64 {
        let quote = state.margin(account).map_or(0, |a| a.quote.units_or_zero() / DOLLAR).min(1 << 30);
        let leverage = self.rng.weighted(&[(2, 1), (3, 4), (3, 10), (2, 18), (1, 25)]);
        let most = self.rng.weighted(&[(4, 10_000), (3, 80_000), (1, 1_000_000)]);
        let dollars = if self.rng.one_in(4) { self.rng.magnitude(12, 400_000) } else { quote * leverage };
        self.round_to_step(state, market, ASSETS[market].lots_worth(dollars.clamp(12, most)))
    }

    fn limit(&mut self, state: &State, market: usize) -> Option<u64> {
        let mark = state.market(market).core.mark().to_bits();
        let near = mark - mark / 100 + self.rng.below(mark / 50);
        let any = self.rng.word();
        self.rng.weighted(&[(16, None), (3, Some(near)), (1, Some(any))])
    }

    fn order(&mut self, state: &State, account: usize, market: usize) -> Trade {
        let slot = state.margin(account).and_then(|a| a.position(market as u16).map(|i| a.positions[i]));
        let held = slot.and_then(|p| p.side().ok()).filter(|_| !self.rng.one_in(10));
        let side = held.unwrap_or(self.rng.pick(&Side::BOTH));
        let (lots, limit) = (self.size(state, account, market), self.limit(state, market));
        Trade { market, side, lots, limit }
    }

    fn open(&mut self, state: &State) {
        let (account, market, flaw) = (self.account(state), self.rng.index(MARKETS), self.flaw());
        self.prepare(state, market);
        let (order, by) = (self.order(state, account, market), self.trader(state, account));
        self.push(Step::Open { by, account, order, flaw });
    }

    fn close(&mut self, state: &State) {
        let (account, market) = self.member(state).unwrap_or((self.rng.index(ACCOUNTS), 0));
        self.prepare(state, market);
        let slot = state.margin(account).and_then(|a| a.position(market as u16).map(|i| a.positions[i]));
        let held = slot.map_or(0, |p| p.lots.count());
        let part = held / (1 + self.rng.below(5));
        let part = self.round_to_step(state, market, part);
        let lots = self.rng.weighted(&[(5, u64::MAX), (5, part), (1, held), (1, held + 1)]);
        let side = slot.and_then(|p| p.side().ok()).unwrap_or(Side::Long);
        let order = Trade { market, side, lots, limit: self.limit(state, market) };
        let (by, flaw) = (self.trader(state, account), self.flaw());
        self.push(Step::Close { by, account, order, flaw });
    }

    fn round_trip(&mut self, state: &State) {
        let (account, market) = (self.account(state), self.rng.index(MARKETS));
        self.prepare(state, market);
        let order = Trade { limit: None, ..self.order(state, account, market) };
        self.push(Step::RoundTrip { account, order });
    }

    fn settle(&mut self, state: &State) {
        let (account, market) = self.member(state).unwrap_or((self.rng.index(ACCOUNTS), 0));
        self.push(Step::Settle { account, market });
    }

    /// Several accounts on one side, a price that runs away their way, and everybody takes profit: the thin
    /// market's cash does not reach.
    fn squeeze(&mut self, state: &State) {
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

/// What an account has of a vault's token.
fn balance(state: &State, account: usize, vault: usize) -> u64 {
    state.margin(account).map_or(0, |a| match vault {
        0 => a.quote.units_or_zero(),
        _ => a.collaterals.iter().filter(|c| usize::from(c.vault) == vault).map(|c| c.amount).sum(),
    })
}
