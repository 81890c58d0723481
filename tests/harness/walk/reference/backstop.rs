//! Stake in and out, and donations.

use bulwark_sdk::program::events::{
    BackstopStaked, InsuranceFunded, UnstakeCancelled, UnstakeRequested, Unstaked,
};

use super::{Cooling, Reference, Stake, Verdict, require};
use crate::walk::exact::{mul_div_ceil, mul_div_floor};
use crate::walk::stage::Stage;
use crate::walk::state::State;

/// Shares and quote units that exist in addition to the real ones.
const VIRTUAL: i128 = 1_000;
/// Seconds from a request to its payment.
pub const COOLDOWN: i64 = 14 * 86_400;
/// Seconds in which it can be paid.
pub const WINDOW: i64 = 2 * 86_400;

impl Stake {
    /// Takes an amount in; the shares for it, rounded down.
    fn put(&mut self, amount: i128) -> i128 {
        let shares = mul_div_floor(amount, self.shares + VIRTUAL, self.value + VIRTUAL);
        self.shares += shares;
        self.value += amount;
        shares
    }

    /// What shares are worth: with the virtual ones, and never more than their part of what is there.
    #[must_use]
    pub fn worth(&self, shares: i128) -> i128 {
        if shares == 0 {
            return 0;
        }
        let with = mul_div_floor(shares, self.value + VIRTUAL, self.shares + VIRTUAL);
        with.min(mul_div_floor(shares, self.value, self.shares))
    }
}

impl Reference {
    pub(super) fn funded(&mut self, e: &InsuranceFunded, after: &State) -> Verdict {
        self.ledger.fund.reserve += i128::from(e.amount);
        self.flow(0, e.amount.into(), after)
    }

    pub(super) fn staked(&mut self, e: &BackstopStaked, after: &State) -> Verdict {
        let expected = self.ledger.fund.active.put(e.amount.into());
        require(i128::from(e.shares) == expected, || format!("{} shares for {expected}", e.shares))?;
        self.flow(0, e.amount.into(), after)
    }

    fn cooling(
        &mut self,
        stage: &Stage,
        e: (&bulwark_sdk::Pubkey, u64),
    ) -> Result<&mut Option<Cooling>, String> {
        let ticket = stage.ticket(e.0, e.1).ok_or("unknown unstake ticket")?;
        Ok(&mut self.ledger.cooling[ticket])
    }

    /// Active shares become cooling ones of the same worth.
    pub(super) fn cools(&mut self, e: &UnstakeRequested, stage: &Stage, after: &State) -> Verdict {
        let fund = &mut self.ledger.fund;
        let (shares, worth) = (i128::from(e.shares), fund.active.worth(e.shares.into()));
        fund.active.shares -= shares;
        fund.active.value -= worth;
        let cooling = fund.cooling.put(worth);
        let value = fund.cooling.worth(cooling);
        let told = (i128::from(e.cooling), i128::from(e.value));
        require(told == (cooling, value), || format!("{told:?} for {:?}", (cooling, value)))?;
        let new = Cooling { shares: cooling, value, since: after.now };
        let old = self.cooling(stage, (&e.staker, e.nonce))?.replace(new);
        require(old.is_none(), || format!("a ticket in place of {old:?}"))
    }

    /// The less of then and now, in the window, as far as the vault lets go; what is worth more stays with the others.
    pub(super) fn unstaked(&mut self, e: &Unstaked, stage: &Stage, after: &State) -> Verdict {
        let params = &after.vault(0).core.params;
        let limits = (&params.outflow, params.max_deposits);
        let room = self.ledger.anchors[0].room(limits, self.ledger.recorded[0], after.now);
        let room = room.min(self.ledger.recorded[0]);
        let ticket = self.cooling(stage, (&e.staker, e.nonce))?.ok_or("no unstake ticket")?;
        let late = after.now - ticket.since - COOLDOWN;
        require((0..=WINDOW).contains(&late), || format!("{ticket:?} paid at {}", after.now))?;
        let fund = &mut self.ledger.fund;
        let due = fund.cooling.worth(ticket.shares).min(ticket.value);
        let (shares, value) = if room < due {
            (mul_div_ceil(ticket.shares, room, due), mul_div_floor(ticket.value, room, due))
        } else {
            (ticket.shares, ticket.value)
        };
        let worth = fund.cooling.worth(shares);
        let paid = worth.min(value).min(room);
        fund.cooling.shares -= shares;
        fund.cooling.value -= worth;
        let stay = if fund.active.shares == 0 { &mut fund.cooling } else { &mut fund.active };
        stay.value += worth - paid;
        let left = Cooling { shares: ticket.shares - shares, value: ticket.value - value, ..ticket };
        *self.cooling(stage, (&e.staker, e.nonce))? = (left.shares > 0).then_some(left);
        let told = [e.cooling, e.paid, e.cooling_left].map(i128::from);
        let expected = [shares, paid, left.shares];
        require(told == expected, || format!("{told:?} for {expected:?}"))?;
        self.flow(0, -paid, after)
    }

    /// Active again, at what it is worth.
    pub(super) fn restaked(&mut self, e: &UnstakeCancelled, stage: &Stage) -> Verdict {
        let ticket = self.cooling(stage, (&e.staker, e.nonce))?.take().ok_or("no unstake ticket")?;
        let fund = &mut self.ledger.fund;
        let worth = fund.cooling.worth(ticket.shares);
        fund.cooling.shares -= ticket.shares;
        fund.cooling.value -= worth;
        // Worth less than a share, it is the others'.
        let shares = fund.active.put(worth);
        let told = [e.cooling, e.shares].map(i128::from);
        require(told == [ticket.shares, shares], || format!("{told:?} for {ticket:?} as {shares}"))
    }
}
