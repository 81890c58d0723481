//! The pool's money and shares, and what the markets get of it.

use bulwark_sdk::Pubkey;
use bulwark_sdk::program::events::{
    LiquidityAdded, LiquidityAllocated, MarketSwept, RedeemCancelled, RedeemRequested, Redeemed,
};

use super::{Reference, Shares, Ticket, Verdict, require};
use crate::walk::exact::{mul_div_ceil, mul_div_floor, ppm};
use crate::walk::stage::Stage;
use crate::walk::state::State;

/// A rate of 100 % for a year of 365 days, in ppm times seconds.
const ONE_PER_YEAR: i128 = 1_000_000 * 31_536_000;

impl Shares {
    /// What a senior share is owed grows at the senior rate while there are any.
    fn accrue(&mut self, rate_ppm: u32, now: i64) {
        let seconds = i128::from((now - self.accrued_at).max(0));
        self.accrued_at = self.accrued_at.max(now);
        if self.all[1] > 0 {
            self.index += mul_div_floor(self.index, i128::from(rate_ppm) * seconds, ONE_PER_YEAR);
        }
    }
}

fn ticket(stage: &Stage, owner: &Pubkey, nonce: u64) -> Result<usize, String> {
    stage.ticket(owner, nonce).ok_or_else(|| format!("unknown ticket {nonce} of {owner}"))
}

impl Reference {
    fn coupon(&mut self, after: &State) {
        self.ledger.pool.accrue(after.pool().core.params.senior_rate_ppm, after.now);
    }

    pub(super) fn added(&mut self, e: &LiquidityAdded, after: &State) -> Verdict {
        self.coupon(after);
        self.ledger.pool.idle += i128::from(e.amount);
        self.ledger.pool.all[usize::from(e.tranche)] += i128::from(e.shares);
        self.flow(0, i128::from(e.amount), after)
    }

    pub(super) fn requested(&mut self, e: &RedeemRequested, stage: &Stage, after: &State) -> Verdict {
        self.coupon(after);
        let (tranche, shares) = (usize::from(e.tranche), i128::from(e.shares));
        self.ledger.pool.redeeming[tranche] += shares;
        let slot = &mut self.ledger.tickets[ticket(stage, &e.provider, e.nonce)?];
        let new = Ticket { tranche, shares, value: i128::from(e.value), since: after.now };
        let old = slot.replace(new);
        require(old.is_none(), || format!("a ticket in place of {old:?}"))
    }

    /// The ticket keeps its worth at the request in proportion to its shares; the fee follows from what was paid.
    pub(super) fn redeemed(&mut self, e: &Redeemed, stage: &Stage, after: &State) -> Verdict {
        self.coupon(after);
        let params = &after.pool().core.params;
        let [shares, paid, fee, left] = [e.shares, e.paid, e.fee, e.shares_left].map(i128::from);
        let due = mul_div_ceil(paid + fee, i128::from(params.redeem_fee_ppm), 1_000_000);
        require(fee == due, || format!("fee {fee} for {due}"))?;
        let slot = &mut self.ledger.tickets[ticket(stage, &e.provider, e.nonce)?];
        let held = slot.ok_or("no such ticket")?;
        let told = (usize::from(e.tranche), shares + left);
        require(told == (held.tranche, held.shares), || format!("{told:?} of {held:?}"))?;
        let [delay, window] = [params.redeem_delay, params.redeem_window].map(i64::from);
        let late = after.now - held.since - delay;
        require((0..=window).contains(&late), || format!("{held:?} paid at {}", after.now))?;
        let value = mul_div_floor(held.value, left, held.shares);
        // A tenth or more opens a new window.
        let since = if 10 * shares >= held.shares { after.now - delay } else { held.since };
        *slot = (left > 0).then_some(Ticket { shares: left, value, since, ..held });
        let pool = &mut self.ledger.pool;
        pool.all[held.tranche] -= shares;
        pool.redeeming[held.tranche] -= shares;
        pool.idle -= paid;
        self.flow(0, -paid, after)
    }

    pub(super) fn taken_back(&mut self, e: &RedeemCancelled, stage: &Stage, after: &State) -> Verdict {
        let held = self.ledger.tickets[ticket(stage, &e.provider, e.nonce)?].take();
        let held = held.ok_or("no such ticket")?;
        let told = (usize::from(e.tranche), i128::from(e.shares));
        require(told == (held.tranche, held.shares), || format!("{told:?} of {held:?}"))?;
        require(after.now >= held.since + 3_600, || format!("{held:?} taken back at {}", after.now))?;
        self.ledger.pool.redeeming[held.tranche] -= held.shares;
        Ok(())
    }

    /// What comes back is realised profit first, cash beyond the principal, and then principal.
    pub(super) fn allocated(&mut self, e: &LiquidityAllocated, after: &State) -> Verdict {
        let (market, amount) = (usize::from(e.market), i128::from(e.amount));
        self.accrue(market, after);
        self.coupon(after);
        let till = &mut self.ledger.tills[market];
        let profit = (till.cash - till.committed).max(0);
        till.committed += if amount > 0 { amount } else { (amount + profit).min(0) };
        let committed = till.committed;
        require(committed == i128::from(e.committed), || format!("{} for {committed}", e.committed))?;
        till.cash += amount;
        self.ledger.pool.idle -= amount;
        self.flows[market].lent += amount;
        self.lend(market, after);
        Ok(())
    }

    /// Nothing while cash does not cover what nobody has paid. Stakers have their part of the fund's income.
    pub(super) fn swept(&mut self, e: &MarketSwept, after: &State) -> Verdict {
        let told = [e.pool, e.insurance, e.protocol].map(i128::from);
        let (ledger, market) = (&mut self.ledger, usize::from(e.market));
        let till = &mut ledger.tills[market];
        let fees = if till.is_covered() { std::mem::take(&mut till.fees) } else { [0; 3] };
        require(told == fees, || format!("swept {told:?} of {fees:?}"))?;
        ledger.pool.idle += fees[0];
        let share = ppm(fees[1], after.fund().core.stake_income_ppm);
        let staked = if ledger.fund.active.shares == 0 { 0 } else { share };
        require(i128::from(e.staked) == staked, || format!("stakers get {} for {staked}", e.staked))?;
        ledger.fund.active.value += staked;
        ledger.fund.reserve += fees[1] - staked;
        ledger.protocol += fees[2];
        self.cover(market, after)?;
        let scale = self.ledger.tills[market].scale;
        require(e.oi_scale_ppm == scale, || format!("scale {} for {scale}", e.oi_scale_ppm))
    }
}
