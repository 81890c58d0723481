//! Fills and settlements.

use bulwark_sdk::engine::units::Side;
use bulwark_sdk::program::events::{PositionSettled, Traded};

use super::{Reference, Verdict, require};
use crate::walk::exact::{self, Curve, Held, Validity, floor};
use crate::walk::stage::Stage;
use crate::walk::state::State;

impl Reference {
    /// Moves a realised amount: all of a loss, of a profit what cash covers. Returns what moved.
    fn pay(&mut self, market: usize, realised: i128) -> i128 {
        let (till, flows) = (&mut self.ledger.tills[market], &mut self.flows[market]);
        let paid = realised.min(till.cash);
        till.cash -= paid;
        *(if paid < 0 { &mut flows.lost } else { &mut flows.paid }) += paid.abs();
        paid
    }

    pub(super) fn traded(&mut self, e: &Traded, stage: &Stage, after: &State) -> Verdict {
        let (market, delta) = (usize::from(e.market), i128::from(e.lots));
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
        let unwound = (e.unwound_lots, e.unwound_quote);
        require(unwound == (0, 0), || format!("nothing was unwound: {unwound:?}"))?;

        let side = if delta > 0 { Side::Long } else { Side::Short };
        let held = self.holder(stage, &e.account)?.positions[market];
        let mut now = held.unwrap_or(Held { side, b: 0, q: 0, since: 0 });
        let (mut realised, mut paid, mut toxic) = (0, 0, 0);
        if now.side == side {
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

        for (sum, fee) in self.ledger.tills[market].fees.iter_mut().zip(fees) {
            *sum += fee;
        }
        let holder = self.holder(stage, &e.account)?;
        holder.quote += paid - fee;
        holder.positions[market] = ((now.b, now.q) != (0, 0)).then_some(now);
        self.lend(market, after);
        Ok(())
    }

    /// A claim is paid as far as cash reaches; a loss is collected only while claims wait, at a Fresh price.
    pub(super) fn settled(&mut self, e: &PositionSettled, stage: &Stage, after: &State) -> Verdict {
        let market = usize::from(e.market);
        let core = &after.market(market).core;
        self.accrue(market, after);
        let mark = self.ledger.dynamics[market].mark();
        let held = self.holder(stage, &e.account)?.positions[market];
        let Some(mut now) = held else { return Err("settled what is not there".into()) };
        let oracle = &core.params.oracle;
        let fresh =
            exact::validity(&core.oracle, oracle, oracle.max_margin_age, after.now) == Validity::Fresh;
        let mut paid = 0;
        if now.is_claim() {
            paid = self.pay(market, now.q);
        } else if self.ledger.claims(market) > 0 && fresh {
            paid = self.pay(market, floor(mark.value(&now)).min(0));
        }
        now.q -= paid;
        let expected = [paid.max(0), (-paid).max(0), now.b, now.q];
        let told = [e.claim_paid.cast_signed(), e.loss.cast_signed(), e.position_lots, e.position_quote];
        let told: [i128; 4] = told.map(i128::from);
        require(told == expected, || format!("{told:?} for {expected:?}"))?;
        let unwound = (e.unwound_lots, e.unwound_quote);
        require(unwound == (0, 0), || format!("nothing was unwound: {unwound:?}"))?;
        let holder = self.holder(stage, &e.account)?;
        holder.quote += paid;
        holder.positions[market] = ((now.b, now.q) != (0, 0)).then_some(now);
        Ok(())
    }
}
