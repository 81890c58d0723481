//! What people do with the pool.

use bulwark_sdk::engine::pool::TrancheKind;

use super::Chooser;
use crate::walk::stage::{ACTORS, MARKETS, NONCES, Stage, TICKETS};
use crate::walk::state::State;
use crate::walk::step::{Flaw, Step};

impl Chooser {
    pub(super) fn add_liquidity(&mut self, _: &State) {
        let most = self.rng.weighted(&[(4, 60_000), (4, 800_000), (1, 8_000_000)]);
        let amount = self.dollars(most);
        self.add_to(TrancheKind::Junior, amount);
    }

    /// Often about what the junior tranche allows, or more.
    pub(super) fn add_senior(&mut self, state: &State) {
        let pool = &state.pool().core;
        let nav = state.snapshot().nav(state.pool()).map_or(0, |nav| nav.low);
        let claim = pool.senior_claim().unwrap_or(0);
        let cap = nav.saturating_sub(claim) / 1_000_000 * u64::from(pool.params.max_senior_ratio_ppm);
        let room = cap.saturating_sub(claim);
        let near = room - room / 100 + self.rng.below(room / 50 + 1);
        let any = self.dollars(800_000);
        let amount = self.rng.weighted(&[(3, any), (2, near)]);
        self.add_to(TrancheKind::Senior, amount);
    }

    fn add_to(&mut self, tranche: TrancheKind, amount: u64) {
        if !self.rng.one_in(12) {
            self.quote_all();
        }
        let (actor, flaw) = (self.rng.index(ACTORS), self.flaw());
        self.push(Step::AddLiquidity { actor, tranche, amount, flaw });
        if self.rng.one_in(2) {
            (0..MARKETS).for_each(|market| self.push(Step::Allocate { market }));
        }
    }

    /// Somebody who has shares, if one is found soon.
    fn provider(&mut self, state: &State) -> (usize, TrancheKind, u64) {
        for _ in 0..8 {
            let (actor, tranche) = (self.rng.index(ACTORS), self.rng.pick(&TrancheKind::BOTH));
            let shares = state.tokens(Stage::shares(actor, tranche as usize));
            if shares > 0 {
                return (actor, tranche, shares);
            }
        }
        (self.rng.index(ACTORS), TrancheKind::Junior, 0)
    }

    pub(super) fn request_redeem(&mut self, state: &State) {
        let (actor, tranche, held) = self.provider(state);
        let part = held / (1 + self.rng.below(6));
        let few = self.rng.below(3_000);
        let shares = self.rng.weighted(&[(8, part), (8, held), (2, few), (1, held + 1), (1, u64::MAX)]);
        let free = |nonce: &usize| state.ticket(actor * NONCES + nonce).is_none();
        let free = (0..NONCES).find(free).filter(|_| !self.rng.one_in(16));
        let nonce = free.unwrap_or(self.rng.index(NONCES)) as u64;
        if !self.rng.one_in(8) {
            self.quote_all();
        }
        if self.rng.one_in(3) {
            (0..MARKETS).for_each(|market| self.push(Step::Allocate { market })); // as little as can be stays idle
        }
        let flaw = self.flaw();
        self.push(Step::RequestRedeem { actor, tranche, nonce, shares, flaw });
    }

    /// A ticket, if one is found soon.
    fn ticket(&mut self, state: &State) -> usize {
        let any = (0..30).map(|_| self.rng.index(TICKETS)).find(|&ticket| state.ticket(ticket).is_some());
        any.unwrap_or(self.rng.index(TICKETS))
    }

    /// Mostly after the delay.
    pub(super) fn redeem(&mut self, state: &State) {
        let ticket = self.ticket(state);
        let open = state.ticket(ticket).map_or(0, |t| t.core.requested_at + 3_600);
        if state.now < open && !self.rng.one_in(4) {
            let late = self.rng.between(-1, 60).max(state.now - open);
            self.push(Step::Wait { seconds: open - state.now + late });
        }
        if !self.rng.one_in(12) {
            self.quote_all();
        }
        if self.rng.one_in(4) {
            (0..MARKETS).for_each(|market| self.push(Step::Allocate { market })); // what tickets need comes back
        }
        let (actor, nonce, flaw) = (ticket / NONCES, (ticket % NONCES) as u64, self.flaw());
        let least = self.rng.weighted(&[(16, 0), (1, 1_000), (1, u64::MAX)]);
        self.push(Step::Redeem { actor, nonce, least, flaw });
    }

    pub(super) fn cancel_redeem(&mut self, state: &State) {
        let (ticket, flaw) = (self.ticket(state), self.flaw());
        let flaw = if self.rng.one_in(6) { Flaw::Stranger(self.rng.index(ACTORS)) } else { flaw };
        self.push(Step::CancelRedeem { actor: ticket / NONCES, nonce: (ticket % NONCES) as u64, flaw });
    }
}
