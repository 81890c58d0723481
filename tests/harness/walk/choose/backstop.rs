//! What people do with the insurance fund.

use super::Chooser;
use crate::fixtures::DOLLAR;
use crate::walk::stage::{ACTORS, BACKSTOP, MARKETS, NONCES, Stage, TICKETS};
use crate::walk::state::State;
use crate::walk::step::{Flaw, Step};

/// Seconds from a request to its payment, and in which it can be paid.
const COOLDOWN: i64 = 14 * 86_400;
const WINDOW: i64 = 2 * 86_400;

impl Chooser {
    pub(super) fn fund_insurance(&mut self, _: &State) {
        let (actor, amount, flaw) = (self.rng.index(ACTORS), self.dollars(8_000), self.flaw());
        self.push(Step::FundInsurance { actor, amount, flaw });
        let market = self.rng.index(MARKETS);
        self.push(Step::Sweep { market });
    }

    pub(super) fn stake(&mut self, _: &State) {
        let (actor, flaw) = (self.rng.index(ACTORS), self.flaw());
        let (dust, amount) = (self.rng.below(2_000), self.dollars(20_000));
        let amount = self.rng.weighted(&[(12, amount), (1, dust)]);
        self.push(Step::Stake { actor, amount, flaw });
    }

    pub(super) fn request_unstake(&mut self, state: &State) {
        let staked = |&actor: &usize| state.tokens(Stage::shares(actor, BACKSTOP)) > 0;
        let actor = (0..8).map(|_| self.rng.index(ACTORS)).find(staked).unwrap_or(self.rng.index(ACTORS));
        let held = state.tokens(Stage::shares(actor, BACKSTOP));
        let part = held / (1 + self.rng.below(6));
        let few = self.rng.below(3_000);
        let shares = self.rng.weighted(&[(8, part), (3, held), (1, few), (1, held + 1), (1, u64::MAX)]);
        let free = |nonce: &usize| state.unstake_ticket(actor * NONCES + nonce).is_none();
        let free = (0..NONCES).find(free).filter(|_| !self.rng.one_in(16));
        let nonce = free.unwrap_or(self.rng.index(NONCES)) as u64;
        let flaw = self.flaw();
        self.push(Step::RequestUnstake { actor, nonce, shares, flaw });
    }

    fn unstake_ticket(&mut self, state: &State) -> usize {
        let there = |&ticket: &usize| state.unstake_ticket(ticket).is_some();
        let any = (0..30).map(|_| self.rng.index(TICKETS)).find(there);
        any.unwrap_or(self.rng.index(TICKETS))
    }

    /// Mostly within the window: two weeks are not long to wait for.
    pub(super) fn unstake(&mut self, state: &State) {
        let ticket = self.unstake_ticket(state);
        if state.unstake_ticket(ticket).is_none() && !self.rng.one_in(8) {
            return;
        }
        let open = state.unstake_ticket(ticket).map_or(0, |t| t.core.requested_at + COOLDOWN);
        if state.now < open && self.rng.one_in(2) {
            let late = self.rng.weighted(&[(1, -1), (1, 0), (6, 600), (1, WINDOW), (1, WINDOW + 2)]);
            self.push(Step::Wait { seconds: open - state.now + late });
        }
        let (actor, nonce) = (ticket / NONCES, (ticket % NONCES) as u64);
        let flaw = self.flaw().greedy();
        let least = self.rng.weighted(&[(16, 0), (1, DOLLAR), (1, u64::MAX)]);
        self.push(Step::Unstake { actor, nonce, least, flaw });
    }

    /// The owner at any time; anybody after the window.
    pub(super) fn cancel_unstake(&mut self, state: &State) {
        let (ticket, flaw) = (self.unstake_ticket(state), self.flaw().greedy());
        let other = self.rng.index(ACTORS);
        let stranger = if other.is_multiple_of(2) { Flaw::Thief(other) } else { Flaw::Stranger(other) };
        let by_another = self.rng.one_in(2);
        let over = state.unstake_ticket(ticket).map_or(0, |t| t.core.requested_at + COOLDOWN + WINDOW + 1);
        if by_another && state.now < over && self.rng.one_in(3) {
            self.push(Step::Wait { seconds: over - state.now });
        }
        let flaw = if by_another { stranger } else { flaw };
        self.push(Step::CancelUnstake { actor: ticket / NONCES, nonce: (ticket % NONCES) as u64, flaw });
    }
}
