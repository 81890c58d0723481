//! Exposure that is reduced before it becomes a loss.

use bulwark_sdk::program::events::{Liquidated, MarketRebalanced};

use super::waterfall::fraction;
use super::{Reference, Verdict, place, require};
use crate::walk::auction::cutoff;
use crate::walk::exact::{Held, bits, floor, mul_div_ceil, mul_div_floor, ppm, sign, worth, worth_ceil};
use crate::walk::health::standing;
use crate::walk::stage::Stage;
use crate::walk::state::State;

/// Slots without a look after which the cut-off starts anew.
const MAX_GAP: i128 = 25;

impl Reference {
    /// Whether traders' profit or skew is above its limit, or its target.
    fn is_exposed(&self, market: usize, ending: bool, after: &State) -> bool {
        let params = &after.market(market).core.params.deleverage;
        let (share, inventory) = if ending {
            (params.profit_target_ppm, ppm(params.inventory_cap.into(), 900_000))
        } else {
            (params.profit_high_ppm, params.inventory_cap.into())
        };
        let (till, dynamics) = (&self.ledger.tills[market], &self.ledger.dynamics[market]);
        let profit = (till.cash - self.ledger.equity(market, &dynamics.mark())).max(0);
        let skew = worth_ceil(self.ledger.skew(market).abs(), dynamics.price);
        skew > 0 && (profit > ppm(till.payable(), share) || skew > inventory)
    }

    /// Every refresh notes since when exposure has to be reduced, until it need not.
    pub(super) fn watch_exposure(&mut self, market: usize, after: &State) {
        let (till, slot) = (&mut self.ledger.tills[market], i128::from(after.slot));
        let gap = slot - std::mem::replace(&mut till.exposure_seen, slot);
        let since = if gap <= MAX_GAP { till.deleveraging_since } else { 0 };
        let exposed = self.is_exposed(market, since != 0, after);
        let first = if since != 0 { since } else { slot };
        self.ledger.tills[market].deleveraging_since = if exposed { first } else { 0 };
    }

    /// Down to the cut-off leverage, at the mark: `x = ceil((Λ − λ)·E / P)`.
    pub(super) fn deleveraged(&mut self, e: &Liquidated, stage: &Stage, after: &State) -> Verdict {
        let (account, market, slot) =
            (place(stage, &e.account)?, usize::from(e.market), i128::from(after.slot));
        self.accrue(market, after);
        self.watch_exposure(market, after);
        let since = self.ledger.tills[market].deleveraging_since;
        require(since != 0, || "deleveraged without need".into())?;
        let elapsed = slot - since;
        require(i128::from(e.elapsed) == elapsed, || format!("slot {} for {elapsed}", e.elapsed))?;
        let holder = self.ledger.holders[account].as_ref().ok_or("not open")?;
        let (standing, held) = (standing(&self.ledger, holder, after), holder.positions[market]);
        let held = held.ok_or("no position")?;
        let mmf = u32::try_from(self.ledger.dynamics[market].fractions[1]).map_err(|e| e.to_string())?;
        let equity = (standing.equity + standing.doubt + standing.stale).max(0);
        let allowed = mul_div_floor(equity, cutoff(mmf, elapsed), 1 << 32);

        let params = &after.market(market).core.params;
        let (price, skew) = (self.ledger.dynamics[market].price, self.ledger.skew(market));
        require(skew.signum() == sign(held.side), || format!("{held:?} of the lighter side"))?;
        let whole = held.b.abs();
        let over = worth(whole, price) - allowed;
        require(over > 0, || format!("{held:?} below the cut-off"))?;
        let step = i128::from(params.step);
        let needed = self.lots_to_target(market, &held, after);
        let lots = mul_div_ceil(mul_div_ceil(over, 1 << 32, price).min(needed), 1, step) * step;
        let lots = lots.min(whole).min(skew.abs());
        let dust = worth(whole - lots, price) < i128::from(params.min_notional);
        let lots = if dust { whole.min(skew.abs()) } else { lots };

        self.lift(account, market);
        let cost = self.at_mark(market, held.side, lots);
        let (now, realised, paid) = self.closed(e, account, lots, cost)?;
        self.lend(market, after);
        let expected = [lots, cost, 0, realised, paid, paid, now.b, now.q, 0, 0];
        let [lots, concession] = [e.lots, e.concession].map(u64::cast_signed);
        let told = [
            lots,
            e.cost,
            concession,
            e.realised,
            e.paid,
            e.quote_change,
            e.position_lots,
            e.position_quote,
            e.liquidator_lots,
            e.liquidator_quote,
        ];
        require(told.map(i128::from) == expected, || format!("{told:?} for {expected:?}"))?;
        if !self.is_exposed(market, true, after) {
            self.ledger.tills[market].deleveraging_since = 0;
        }
        let tip = self.tip(market, (lots.into(), 0), after);
        self.post(account, (market, held.side), paid)?;
        self.keeper_paid(e, stage, (tip, 0))
    }

    /// Lots that bring skew and profit to their targets, by what closing them at the mark realises.
    fn lots_to_target(&self, market: usize, held: &Held, after: &State) -> i128 {
        let params = &after.market(market).core.params.deleverage;
        let (till, dynamics) = (&self.ledger.tills[market], &self.ledger.dynamics[market]);
        let (mark, price, whole) = (dynamics.mark(), dynamics.price, held.b.abs());
        let skew = worth_ceil(self.ledger.skew(market).abs(), price);
        let over = (skew - ppm(params.inventory_cap.into(), 900_000)).max(0);
        let for_skew = mul_div_ceil(over, 1 << 32, price);
        let profit = (till.cash - self.ledger.equity(market, &mark)).max(0);
        let over = (profit - ppm(till.payable(), params.profit_target_ppm)).max(0);
        let realised = mul_div_ceil(over, 1_000_000, 1_000_000 - i128::from(params.profit_target_ppm));
        let own = floor(mark.value(held)).max(0);
        let for_profit = match over {
            0 => 0,
            _ if realised >= own => whole,
            _ => mul_div_ceil(whole, realised, own),
        };
        for_skew.max(for_profit)
    }

    /// Of the heavy side's winners what the market lacks at the better of live price and average.
    pub(super) fn rebalanced(&mut self, e: &MarketRebalanced, [before, after]: [&State; 2]) -> Verdict {
        use bulwark_sdk::engine::units::Side;
        let market = usize::from(e.market);
        self.accrue(market, after);
        let mark = self.ledger.dynamics[market].mark();
        let average = mark.at(bits(before.market(market).core.oracle.ema));
        let equity = [mark, average].map(|mark| self.ledger.equity(market, &mark));
        let deficit = -equity[0].max(equity[1]);
        let winners = Side::BOTH.map(|side| self.ledger.ladders[market][side as usize].winners(&mark));
        let heavy = if self.ledger.skew(market) < 0 { Side::Short } else { Side::Long };
        let [first, others] = [heavy, heavy.opposite()].map(|side| winners[side as usize]);
        let side = if first < deficit && others > first { heavy.opposite() } else { heavy };
        let owed = winners[side as usize];
        require(deficit > 0 && owed > 0, || format!("rebalanced for {deficit} from {owed}"))?;
        let share = fraction(deficit, owed);
        self.unwind((market, side), share, after)?;
        let unwind = self.unwindings.last().map(|done| done.unwind).unwrap_or_default();
        self.lend(market, after);
        let told = [e.deficit, e.winners, e.fraction, e.booked, e.lots, e.price].map(i128::from);
        let expected = [deficit, owed, share, unwind.booked, unwind.lots, mark.price >> 16];
        require(told == expected && e.side == side as u8, || format!("{told:?} for {expected:?}"))
    }
}
