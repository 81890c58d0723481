//! What every operation on a position is made of: out of its bucket, money, and into a bucket again.

use bulwark_sdk::engine::units::Side;

use super::{Debts, Reference, Unwinding, Verdict, require};
use crate::walk::exact::{Held, mul_div_ceil};
use crate::walk::state::State;

impl Debts {
    /// What was repaid outside of a market counts for all losses in proportion, rounded up.
    pub(super) fn repaid(&mut self, owed: i128) {
        if self.total > owed {
            let total = self.total;
            self.lost = self.lost.map(|sides| sides.map(|lost| mul_div_ceil(lost, owed, total)));
            self.total = self.lost.iter().flatten().sum();
        }
    }

    /// The part of a debt that falls on a market, rounded up.
    #[must_use]
    pub fn share(&self, market: usize, owed: i128) -> i128 {
        let lost: i128 = self.lost[market].iter().sum();
        if lost == 0 { 0 } else { mul_div_ceil(owed.min(self.total), lost, self.total) }
    }
}

/// Lots without sign and quote that an unwind had taken.
pub(super) type Taken = (i128, i128);

impl Reference {
    /// First half of an operation of an account in a market: its own debt does not stand against its profit.
    pub(super) fn lift(&mut self, account: usize, market: usize) {
        let debt = self.ledger.holders[account].map_or(0, |h| h.debts.held[market]);
        self.ledger.tills[market].unbacked -= debt;
    }

    /// Second half: what the balance has fallen below zero by is owed for this market; what has been repaid meanwhile is
    /// not owed for it any more.
    pub(super) fn post(&mut self, account: usize, (market, side): (usize, Side), change: i128) -> Verdict {
        let holder = self.ledger.holders[account].as_mut().ok_or("not open")?;
        let owed = holder.owed();
        holder.quote += change;
        let (now, debts) = (holder.owed(), &mut holder.debts);
        debts.repaid(owed);
        let grown = (now - owed).max(0);
        let fallen = (owed - now).max(0);
        let (this, other) = (side as usize, side.opposite() as usize);
        let lost = &mut debts.lost[market];
        let mine = fallen.min(lost[this]);
        let rest = (fallen - mine).min(lost[other]);
        lost[this] += grown - mine;
        lost[other] -= rest;
        debts.total += grown - mine - rest;
        debts.held[market] = lost.iter().sum();
        self.ledger.tills[market].unbacked += debts.held[market];
        Ok(())
    }

    /// Moves a realised amount: all of a loss, of a profit what may be paid. Returns what moved.
    pub(super) fn pay(&mut self, market: usize, realised: i128) -> i128 {
        let (till, flows) = (&mut self.ledger.tills[market], &mut self.flows[market]);
        let paid = realised.min(till.payable());
        till.cash -= paid;
        *(if paid < 0 { &mut flows.lost } else { &mut flows.paid }) += paid.abs();
        paid
    }

    /// Takes what an account holds in a market out of its bucket.
    pub(super) fn take_out(
        &mut self,
        account: usize,
        market: usize,
    ) -> Result<Option<(Held, Taken)>, String> {
        let holder = self.ledger.holders[account].as_mut().ok_or("not open")?;
        let Some(held) = holder.positions[market].take() else { return Ok(None) };
        let ladder = &mut self.ledger.ladders[market][held.side as usize];
        ladder.leave(&held)?;
        self.ledger.tills[market].positions -= i128::from(!held.is_claim());
        if ladder.buckets[held.joined.bucket].members == 0 {
            self.dust[market][held.side as usize][held.joined.bucket] = 0;
        }
        Ok(Some((held, held.unwound())))
    }

    /// Files what is left.
    pub(super) fn put_back(&mut self, account: usize, market: usize, mut held: Held) -> Verdict {
        if (held.b, held.q) == (0, 0) {
            return Ok(());
        }
        require(held.b != 0 || held.q > 0, || format!("{held:?} owes without lots"))?;
        let mark = self.ledger.dynamics[market].mark();
        self.ledger.ladders[market][held.side as usize].join(&mut held, &mark);
        self.ledger.tills[market].positions += i128::from(!held.is_claim());
        let holder = self.ledger.holders[account].as_mut().ok_or("not open")?;
        holder.positions[market] = Some(held);
        Ok(())
    }

    /// Unwinds a share of the winners of a side, every member at once.
    pub(super) fn unwind(
        &mut self,
        (market, side): (usize, Side),
        fraction: i128,
        after: &State,
    ) -> Result<i128, String> {
        let mark = self.ledger.dynamics[market].mark();
        let now = after.market(market).core.book.side(side);
        let ladder = &mut self.ledger.ladders[market][side as usize];
        let (unwind, buckets) = ladder.unwind(fraction, &mark, &crate::walk::ladder::Ladder::read(now))?;
        for &number in &buckets {
            let bucket = ladder.buckets[number];
            self.dust[market][side as usize][number] +=
                3 + i128::from(bucket.members) + bucket.lots.max(bucket.cost.abs()) / bucket.left;
            for held in self.ledger.holders.iter_mut().flatten().filter_map(|h| h.positions[market].as_mut())
            {
                if held.side == side && held.joined.bucket == number {
                    *held = held.unwound_to(bucket.left);
                }
            }
        }
        self.unwindings.push(Unwinding { market, side: side as usize, fraction, buckets, unwind, mark });
        Ok(unwind.booked)
    }
}
