//! What happens next.
//!
//! Mostly what sensible people would do, so that most of it is accepted and the books fill; sometimes nonsense.
//! A habit pushes one step or a short story of several; a table says how often.

mod backstop;
mod custody;
mod distress;
mod prices;
mod shares;
mod stories;
mod trades;
mod triggers;

use std::collections::VecDeque;

use bulwark_sdk::Pubkey;

use super::rng::Rng;
use super::stage::{ACCOUNTS, ACTORS, ASSETS, MARKETS, SUBS, Stage};
use super::state::State;
use super::step::{Flaw, Step};
use crate::fixtures::DOLLAR;

/// Makes up the next steps.
pub struct Chooser {
    rng: Rng,
    actors: Vec<Pubkey>,
    /// What the oracles printed last.
    prices: [i64; MARKETS],
    queue: VecDeque<Step>,
    /// How often somebody looks after accounts in trouble, of eight times: nobody may be there for long.
    watch: u64,
}

type Habit = fn(&mut Chooser, &State);

/// What people do, and how often.
const HABITS: [(u64, Habit); 43] = [
    (14, Chooser::tick),
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
    (10, Chooser::place_trigger),
    (12, Chooser::execute_trigger),
    (2, Chooser::cancel_trigger),
    (3, Chooser::add_liquidity),
    (2, Chooser::add_senior),
    (6, Chooser::request_redeem),
    (12, Chooser::redeem),
    (1, Chooser::cancel_redeem),
    (5, Chooser::allocate),
    (2, Chooser::sweep),
    (2, Chooser::check_invariants),
    (2, Chooser::open_or_close_account),
    (1, Chooser::set_delegate),
    (1, Chooser::squeeze),
    (1, Chooser::leave),
    (1, Chooser::donate),
    (8, Chooser::liquidate),
    (3, Chooser::crash),
    (4, Chooser::bid),
    (2, Chooser::exchange_debts),
    (2, Chooser::resolve),
    (4, Chooser::deleverage),
    (3, Chooser::rebalance),
    (6, Chooser::wind_up),
    (4, Chooser::pawn),
    (3, Chooser::unwind),
    (2, Chooser::exposure),
    (2, Chooser::fund_insurance),
    (2, Chooser::stake),
    (2, Chooser::request_unstake),
    (2, Chooser::unstake),
    (2, Chooser::cancel_unstake),
];

impl Chooser {
    /// The steps of a seed; everybody begins with a deposit.
    #[must_use]
    pub fn new(seed: u64, stage: &Stage) -> Self {
        let prices = ASSETS.map(|asset| asset.price);
        let mut chooser = Self {
            rng: Rng::new(seed),
            actors: stage.actors.clone(),
            prices,
            queue: VecDeque::new(),
            watch: 4,
        };
        for actor in 1..ACTORS {
            let (account, amount) = (actor * SUBS, chooser.rng.magnitude(2_000, 100_000) * DOLLAR);
            chooser.push(Step::Deposit { actor, account, vault: 0, amount, flaw: Flaw::None });
        }
        // A market that was ever short of money is not refilled, and one that settles ends: in some walks that comes first.
        if seed % 4 == 3 {
            chooser.ruin();
        }
        chooser
    }

    /// The next step.
    pub fn next(&mut self, state: &State) -> Step {
        loop {
            if let Some(step) = self.queue.pop_front() {
                return step;
            }
            if self.rng.one_in(40) {
                self.watch = self.rng.pick(&[0, 1, 3, 6]);
            }
            if self.rng.below(8) < self.watch && self.keep(state) {
                continue;
            }
            self.rng.weighted(&HABITS)(self, state);
        }
    }

    fn push(&mut self, step: Step) {
        self.queue.push_back(step);
    }

    fn account(&mut self, state: &State) -> usize {
        let mut account = self.rng.index(ACCOUNTS);
        for _ in 0..8 {
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
}
