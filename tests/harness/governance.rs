//! Changes: proposed, waited for, executed.

use bulwark_sdk::address;
use bulwark_sdk::engine::governance::{ExitPause, MAX_EXIT_PAUSE};
use bulwark_sdk::instruction::{self as ix, OracleAccounts};
use bulwark_sdk::program::state::{Change, ChangePayload, Exchange, Pause};
use solana_clock::Clock;
use solana_signer::Signer;

use crate::world::{Failure, Outcome, World};

impl World {
    /// The stored change with this number.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn change(&self, nonce: u64) -> Box<Change> {
        self.get(&address::change(nonce))
    }

    /// The admin proposes a change. Returns its number.
    ///
    /// # Errors
    /// [`Failure`] if it is refused.
    ///
    /// # Panics
    /// If its target is not listed.
    pub fn propose(&mut self, payload: ChangePayload) -> Result<u64, Failure> {
        let (nonce, admin) = (self.exchange().next_change, self.admin.insecure_clone());
        let keys = (admin.pubkey(), self.payer.pubkey());
        let propose = ix::propose_change(&self.listings, keys, nonce, payload).expect("a listed target");
        self.send(&[propose], &[&admin]).map(|_| nonce)
    }

    /// Anyone executes a change; one of sources with the accounts of the new ones.
    ///
    /// # Errors
    /// [`Failure`] if it is refused.
    ///
    /// # Panics
    /// If its target is not listed.
    pub fn execute(&mut self, nonce: u64, oracles: Option<OracleAccounts>) -> Result<Outcome, Failure> {
        let change = self.change(nonce);
        let execute = ix::execute_change(&self.listings, &change, oracles).expect("a listed target");
        self.send(&[execute], &[])
    }

    /// Proposes a change, lets its delay pass, and executes it.
    ///
    /// # Errors
    /// [`Failure`] if either is refused.
    pub fn enact(&mut self, payload: ChangePayload) -> Result<Outcome, Failure> {
        let nonce = self.propose(payload)?;
        self.set_clock(self.change(nonce).timelock.eta);
        self.execute(nonce, None)
    }

    /// A listing that was proposed in good time and has just been executed: what `create_vault` and `create_market` need.
    ///
    /// # Errors
    /// [`Failure`] if it is refused.
    pub fn approve(&mut self, listing: ChangePayload) -> Result<Box<Change>, Failure> {
        let nonce = self.propose_in_time(listing)?;
        self.execute(nonce, None)?;
        Ok(self.change(nonce))
    }

    /// A change that was proposed just so long ago that it can be executed from now on. Returns its number.
    ///
    /// # Errors
    /// [`Failure`] if it is refused.
    pub fn propose_in_time(&mut self, payload: ChangePayload) -> Result<u64, Failure> {
        let clock = self.svm.get_sysvar::<Clock>();
        let wait = payload.wait(self.exchange().params.delay, &self.pool().core.params);
        self.set_clock(clock.unix_timestamp - wait);
        let proposed = self.propose(payload);
        self.svm.set_sysvar(&clock);
        proposed
    }

    /// Sets the exchange's pause bits behind governance's back, as if somebody had done so just now: those that stop ways out
    /// do it for as long as they can.
    pub fn pause(&mut self, bits: u8) {
        let (stopping, since) = (bits & Pause::EXITS, self.now());
        let exits = match stopping {
            0 => ExitPause::default(),
            bits => {
                ExitPause { since, until: since + MAX_EXIT_PAUSE, bits, stopping, ..ExitPause::default() }
            }
        };
        self.tamper::<Exchange>(&address::exchange(), |exchange| {
            (exchange.pause, exchange.exits) = (bits, exits);
        });
    }
}
