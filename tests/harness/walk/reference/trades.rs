//! Fills and settlements.

use bulwark_sdk::engine::units::Side;
use bulwark_sdk::program::events::{PositionSettled, Traded};

use super::{Auction, Reference, Verdict, place, require};
use crate::walk::exact::{self, Curve, Held, Mark, Validity, floor, mul_div_floor};
use crate::walk::stage::Stage;
use crate::walk::state::State;

/// Seconds for which debts hold up the claims of a settling market.
const PATIENCE: i64 = 7 * 86_400;

impl Reference {
    pub(super) fn traded(&mut self, e: &Traded, stage: &Stage, after: &State) -> Verdict {
        let (market, delta) = (usize::from(e.market), i128::from(e.lots));
        let account = place(stage, &e.account)?;
        let core = &after.market(market).core;
        self.accrue(market, after);
        let (mark, curve, skew) =
            (self.ledger.dynamics[market].mark(), Curve::of(core), self.ledger.skew(market));
        let fees = [e.fee_pool, e.fee_insurance, e.fee_protocol].map(i128::from);
        let (fee, cost) = (fees.iter().sum::<i128>(), i128::from(e.curve) + i128::from(e.spread));
        // Formula (3), the spread of confidence, volatility and age, and the fee, from the parameters.
        let spread = exact::spread(core, delta, after.now);
        let expected = (curve.cost(skew, delta), spread, exact::taker_fee(core, delta));
        let told = (i128::from(e.curve), i128::from(e.spread), fee);
        require(told == expected, || {
            format!("curve, spread, fee: {told:?} for {expected:?} at skew {skew}")
        })?;

        self.lift(account, market);
        let side = if delta > 0 { Side::Long } else { Side::Short };
        let (mut now, unwound) = self.take_out(account, market)?.unwrap_or((Held::new(side), (0, 0)));
        let told = (i128::from(e.unwound_lots), i128::from(e.unwound_quote));
        require(told == unwound, || format!("unwound {told:?} for {unwound:?}"))?;
        let (mut realised, mut paid, mut toxic) = (0, 0, 0);
        let increase = now.side == side;
        if increase {
            now.increase(delta, cost, &mark);
            now.since = after.now;
        } else {
            require(delta.abs() <= now.b.abs(), || format!("{delta} lots closed of {now:?}"))?;
            realised = now.decrease(delta, cost, &mark);
            toxic = exact::toxic_fee(core, delta, after.now - now.since).min(realised.max(0));
            paid = self.pay(market, realised - toxic);
            now.q += realised - toxic - paid; // the claim
        }
        let expected = [realised, toxic, paid, realised - toxic - paid, now.b, now.q];
        let [toxic_fee, claim] = [e.toxic_fee, e.claim].map(u64::cast_signed);
        let told = [e.realised, toxic_fee, e.paid, claim, e.position_lots, e.position_quote];
        require(expected == told.map(i128::from), || format!("{told:?} for {expected:?}"))?;

        let closed = now.side;
        self.put_back(account, market, now)?;
        for (sum, fee) in self.ledger.tills[market].fees.iter_mut().zip(fees) {
            *sum += fee;
        }
        self.lend(market, after);
        self.post(account, (market, closed), paid - fee)?;
        if increase {
            self.holder(stage, &e.account)?.auction = Auction::default(); // it was found to hold initial margin
        }
        Ok(())
    }

    /// A claim is paid as far as cash reaches; a loss is collected only while claims wait, at a Fresh price, or if a
    /// position was unwound to nothing but a debt. In a market that settles everything is closed at its price.
    pub(super) fn settled(&mut self, e: &PositionSettled, stage: &Stage, after: &State) -> Verdict {
        let (market, account) = (usize::from(e.market), place(stage, &e.account)?);
        let core = &after.market(market).core;
        let holder = self.holder(stage, &e.account)?;
        let (owes, owed) = (holder.debts.held[market] > 0, holder.owed());
        let debt = holder.debts.share(market, owed);
        if self.ledger.holders[account].is_some_and(|h| h.positions[market].is_some()) {
            self.accrue(market, after);
        }
        let mark = self.ledger.dynamics[market].mark();
        self.lift(account, market);
        let taken = self.take_out(account, market)?;
        require(taken.is_some() || owes, || "settled what is not there".into())?;
        let there = taken.is_some();
        let (mut now, unwound) = taken.unwrap_or((Held::new(Side::Long), (0, 0)));
        let told = (i128::from(e.unwound_lots), i128::from(e.unwound_quote));
        require(told == unwound, || format!("unwound {told:?} for {unwound:?}"))?;
        let oracle = &core.params.oracle;
        let fresh =
            exact::validity(&core.oracle, oracle, oracle.max_margin_age, after.now) == Validity::Fresh;
        let (mut paid, mut forgone, claimed) = (0, 0, now.is_claim());
        let settles = self.ledger.dynamics[market].settling_since != 0;
        if !there {
            // Only what it has repaid is told to the market.
        } else if settles {
            (paid, forgone) = self.settle_finally(market, &mut now, (&mark, debt, after.now))?;
        } else if now.is_claim() {
            paid = self.pay(market, now.q.max(0));
        } else {
            // A profit as far as its holder owes; a loss while claims wait for cash.
            let worth = floor(mark.value(&now));
            let window = i64::from(core.params.toxic_window);
            let due = if fresh && after.now - now.since >= window { owed } else { 0 };
            let most = match (now.b, fresh) {
                (0, _) => i128::MAX,
                (_, true) => self.ledger.waiting(market),
                (_, false) => 0,
            };
            paid = self.pay(market, if worth > 0 { worth.min(due) } else { worth.max(-most) });
        }
        if !settles {
            now.q -= paid;
        }
        let gain = paid.max(0);
        let [claim, profit] = if claimed { [gain, 0] } else { [0, gain] };
        let expected = [claim, profit, (-paid).max(0), forgone, now.b, now.q];
        let [claim, profit, loss, lost] = [e.claim_paid, e.profit, e.loss, e.forgone].map(u64::cast_signed);
        let told = [claim, profit, loss, lost, e.position_lots, e.position_quote].map(i128::from);
        require(told == expected, || format!("{told:?} for {expected:?}"))?;
        let side = now.side;
        self.put_back(account, market, now)?;
        self.post(account, (market, side), paid)
    }

    /// At the frozen price a loss moves and a profit becomes a claim; when no positions and no debts are left, a claim is
    /// paid its part of the cash, and until then only set off against what its owner owes here. Returns what was paid, and what is nobody's.
    fn settle_finally(
        &mut self,
        market: usize,
        now: &mut Held,
        (mark, debt, time): (&Mark, i128, i64),
    ) -> Result<(i128, i128), String> {
        if !now.is_claim() {
            let worth = floor(mark.value(now));
            (now.b, now.q) = (0, worth.max(0));
            return Ok((self.pay(market, worth.min(0)), 0));
        }
        let claim = now.q.max(0);
        let set_off = claim.min(debt).min(self.ledger.tills[market].cash);
        if set_off > 0 {
            now.q -= set_off;
            self.ledger.tills[market].cash -= set_off;
            self.flows[market].paid += set_off;
            return Ok((set_off, 0));
        }
        (now.b, now.q) = (0, 0);
        let (open, unbacked) = (self.ledger.tills[market].positions, self.ledger.tills[market].unbacked);
        let late = time - self.ledger.dynamics[market].settling_since > PATIENCE;
        let due = open == 0 && (unbacked == 0 || late);
        require(due, || format!("paid while {open} open and {unbacked} owed wait"))?;
        let others: i128 = self.ledger.sides(market).iter().map(|side| side.1).sum();
        let (till, flows) = (&mut self.ledger.tills[market], &mut self.flows[market]);
        let all = others.max(0) + claim;
        let paid = mul_div_floor(claim, till.payable().min(all), all.max(1));
        till.cash -= paid;
        flows.paid += paid;
        Ok((paid, claim - paid))
    }
}
