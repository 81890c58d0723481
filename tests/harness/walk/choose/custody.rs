//! What people do with their accounts and money.

use super::Chooser;
use crate::fixtures::DOLLAR;
use crate::walk::stage::{ACCOUNTS, ACTORS, ASSETS, MARKETS, SUBS, Stage, TOKEN_DECIMALS, VAULTS};
use crate::walk::state::State;
use crate::walk::step::{Flaw, Step};

impl Chooser {
    pub(super) fn open_or_close_account(&mut self, state: &State) {
        let (account, flaw) = (self.rng.index(ACCOUNTS), self.flaw());
        if state.margin(account).is_none() || self.rng.one_in(10) {
            self.push(Step::OpenAccount { actor: Stage::owner(account), sub: account % SUBS });
        } else {
            self.push(Step::CloseAccount { account, flaw });
        }
    }

    pub(super) fn set_delegate(&mut self, state: &State) {
        let (account, actor, flaw) = (self.account(state), self.rng.index(ACTORS), self.flaw());
        let delegate = (!self.rng.one_in(4)).then_some(actor);
        self.push(Step::SetDelegate { account, delegate, flaw });
    }

    /// Takes everything out of an account without positions, and closes it.
    pub(super) fn leave(&mut self, state: &State) {
        let idle = |&account: &usize| {
            state.margin(account).is_some_and(|a| a.quote.0 >= 0 && !a.positions.iter().any(|p| p.is_open()))
        };
        let Some(account) = (0..8).map(|_| self.rng.index(ACCOUNTS)).find(idle) else { return };
        for vault in 0..VAULTS {
            let amount = balance(state, account, vault);
            if amount > 0 {
                let by = Stage::owner(account);
                self.push(Step::Withdraw { by, account, vault, amount, flaw: Flaw::None });
            }
        }
        self.push(Step::CloseAccount { account, flaw: Flaw::None });
    }

    pub(super) fn dollars(&mut self, most: u64) -> u64 {
        let amount = self.rng.magnitude(1, most) * DOLLAR + self.rng.below(DOLLAR);
        self.rng.weighted(&[(60, amount), (1, 0), (1, 1), (1, u64::MAX)])
    }

    /// Token units worth that many dollars at the first price.
    pub(super) fn tokens(&mut self, vault: usize, most: u64) -> u64 {
        let Some(market) = vault.checked_sub(1) else { return self.dollars(most) };
        let one = 10_u128.pow(u32::from(TOKEN_DECIMALS[market]));
        let price = u128::try_from(ASSETS[market].price).expect("above zero");
        let amount = u128::from(self.rng.magnitude(1, most)) * one * 100_000_000 / price;
        let amount = u64::try_from(amount).expect("fits") + self.rng.below(100);
        self.rng.weighted(&[(60, amount), (1, 0), (1, 1), (1, u64::MAX)])
    }

    pub(super) fn deposit(&mut self, state: &State) {
        let (account, flaw) = (self.account(state), self.flaw());
        let vault = if self.rng.one_in(2) { 0 } else { self.rng.index(VAULTS) };
        let most = if self.rng.one_in(20) { 5_000_000 } else { 60_000 };
        let (actor, amount) = (self.somebody(account), self.tokens(vault, most));
        self.push(Step::Deposit { actor, account, vault, amount, flaw });
    }

    /// Pays a debt, to the unit or with something on top.
    pub(super) fn repay(&mut self, state: &State) {
        let account = self.account(state);
        let quote = state.margin(account).map_or(0, |a| a.quote.0);
        let extra = if self.rng.one_in(2) { 0 } else { self.rng.below(50_000 * DOLLAR) };
        let amount = quote.min(0).unsigned_abs() + extra;
        let (actor, flaw) = (Stage::owner(account), Flaw::None);
        self.push(Step::Deposit { actor, account, vault: 0, amount, flaw });
    }

    pub(super) fn withdraw(&mut self, state: &State) {
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
        let by = self.trader(state, account);
        self.push(Step::Withdraw { by, account, vault, amount, flaw });
    }

    pub(super) fn allocate(&mut self, state: &State) {
        let market = self.rng.index(MARKETS);
        self.prepare(state, market);
        self.push(Step::Allocate { market });
    }

    pub(super) fn sweep(&mut self, _: &State) {
        let market = self.rng.index(MARKETS);
        self.push(Step::Sweep { market });
    }

    pub(super) fn donate(&mut self, _: &State) {
        let (vault, amount) = (self.rng.index(VAULTS), self.rng.magnitude(1, 1 << 30));
        self.push(Step::Donate { vault, amount });
    }

    pub(super) fn check_invariants(&mut self, _: &State) {
        let (market, vault) = (self.rng.index(MARKETS), self.rng.index(VAULTS));
        self.push(Step::CheckInvariants { market, vault });
    }
}

/// What an account has of a vault's token.
fn balance(state: &State, account: usize, vault: usize) -> u64 {
    state.margin(account).map_or(0, |a| match vault {
        0 => a.quote.units_or_zero(),
        _ => a.collaterals.iter().filter(|c| usize::from(c.vault) == vault).map(|c| c.amount).sum(),
    })
}
