//! Who pays for what nobody brought: tier by tier, from the model's own numbers.

use bulwark_sdk::engine::units::Side;
use bulwark_sdk::program::events::{BankruptcyResolved, ClaimForfeited, MarketSettling};

use super::{Drawn, Reference, Verdict, place, require};
use crate::walk::exact::{Validity, bits, mul_div_ceil, mul_div_floor, ppm, ppm_ceil, validity, worth_ceil};
use crate::walk::ladder::SHARE;
use crate::walk::stage::Stage;
use crate::walk::state::State;

/// Seconds in which what was drawn leaks.
const DAY: i64 = 86_400;

impl Drawn {
    /// Draws up to `wanted` of what a day's limit leaves.
    fn draw(&mut self, wanted: i128, limit: i128, now: i64) -> i128 {
        let elapsed = (now - self.updated_at).clamp(0, DAY);
        self.level = (self.level - limit.max(self.level) * i128::from(elapsed) / i128::from(DAY)).max(0);
        self.updated_at = self.updated_at.max(now);
        let drawn = wanted.min((limit - self.level).max(0));
        self.level += drawn;
        drawn
    }
}

/// The least share of 2^32 that takes `deficit` from `winners`: a half at most.
pub(super) fn fraction(deficit: i128, winners: i128) -> i128 {
    if deficit >= winners { SHARE / 2 } else { mul_div_ceil(deficit, SHARE, winners).min(SHARE / 2) }
}

/// Takes as much of `left` as there is, at most `most`.
fn take(balance: &mut i128, left: &mut i128, most: i128) -> i128 {
    let taken = (*left).min(*balance).min(most).max(0);
    *balance -= taken;
    *left -= taken;
    taken
}

impl Reference {
    /// A claim of somebody who owes more than his claims are worth is nobody's.
    pub(super) fn forfeited(&mut self, e: &ClaimForfeited, stage: &Stage) -> Verdict {
        let (account, market) = (place(stage, &e.account)?, usize::from(e.market));
        let holder = self.holder(stage, &e.account)?;
        let bankrupt = holder.quote < 0 && holder.collaterals.iter().all(|amount| *amount == 0);
        require(bankrupt && !holder.has_positions(), || format!("forfeits with {holder:?}"))?;
        let (held, _) = self.take_out(account, market)?.ok_or("no claim")?;
        let expected = held.q.max(0);
        require(i128::from(e.claim) == expected, || format!("{} forfeited for {expected}", e.claim))
    }

    /// Whether tier 5 comes before the fund's money.
    fn is_tail(after: &State, market: usize) -> bool {
        after.market(market).core.params.waterfall.tail != 0
    }

    pub(super) fn resolved(&mut self, e: &BankruptcyResolved, stage: &Stage, after: &State) -> Verdict {
        let (account, market) = (place(stage, &e.account)?, usize::from(e.market));
        let core = &after.market(market).core;
        let holder = self.holder(stage, &e.account)?;
        let nothing = holder.positions.iter().flatten().next().is_none();
        let sold = holder.collaterals.iter().all(|amount| *amount == 0);
        require(nothing && sold && holder.quote < 0, || format!("resolved: {holder:?}"))?;
        let debts = holder.debts;
        let debt = debts.share(market, holder.owed());
        let [long, short] = debts.lost[market];
        let loser = if long >= short { Side::Long } else { Side::Short };
        let told = (i128::from(e.debt), e.side);
        require(told == (debt, loser as u8) && debt > 0, || format!("{told:?} for {debt} of {loser:?}"))?;

        self.lift(account, market);
        if self.ledger.dynamics[market].settling_since == 0 {
            let (oracle, params) = (&core.oracle, &core.params.oracle);
            // A market that this very call froze had a price that was good.
            let state = validity(oracle, params, params.max_trade_age, after.now);
            require(state == Validity::Fresh, || format!("resolved at a price that is {state:?}"))?;
        }
        self.accrue(market, after);
        let (mut left, mut told) = (debt, Tiers::default());
        told.insurance = take(&mut self.ledger.tills[market].insurance, &mut left, i128::MAX);
        if Self::is_tail(after, market) {
            self.winners_pay(&mut told, &mut left, (market, loser), after)?;
        }
        self.fund_pays(&mut told, &mut left, market, after);
        if !Self::is_tail(after, market) {
            self.winners_pay(&mut told, &mut left, (market, loser), after)?;
        }
        let equity = self.ledger.equity(market, &self.ledger.dynamics[market].mark()).max(0);
        let till = &mut self.ledger.tills[market];
        told.pool = take(&mut till.cash, &mut left, equity);
        let rest = take(&mut till.cash, &mut left, i128::MAX);
        self.flows[market].forgiven += told.pool + rest;
        told.traders = rest;
        for fees in &mut till.fees {
            told.traders += take(fees, &mut left, i128::MAX);
        }
        told.unpaid = left;
        require(told == Tiers::of(e), || format!("{:?} for {told:?}", Tiers::of(e)))?;
        self.lend(market, after);

        let holder = self.holder(stage, &e.account)?;
        holder.debts.repaid(holder.owed());
        holder.quote += debt - left;
        let lost: i128 = holder.debts.lost[market].iter().sum();
        let side = usize::from(holder.debts.lost[market][0] < holder.debts.lost[market][1]);
        let kept = left.min(lost);
        holder.debts.total -= lost - kept;
        holder.debts.lost[market] = [0, 0];
        holder.debts.lost[market][side] = kept;
        holder.debts.held[market] = kept;
        self.ledger.tills[market].unbacked += kept;
        self.cover(market, after)?;
        let scale = self.ledger.tills[market].scale;
        require(e.oi_scale_ppm == scale, || format!("scale {} for {scale}", e.oi_scale_ppm))
    }

    /// Tiers 2 to 4: a share of the reserve, of the stake and of the market's equity, each within a day's limit.
    fn fund_pays(&mut self, told: &mut Tiers, left: &mut i128, market: usize, after: &State) {
        let params = &after.market(market).core.params.waterfall;
        let equity = self.ledger.equity(market, &self.ledger.dynamics[market].mark()).max(0);
        let (till, fund) = (&mut self.ledger.tills[market], &mut self.ledger.fund);
        let limit = ppm(fund.reserve, params.reserve_share_ppm);
        told.reserve = till.draws[0].draw((*left).min(fund.reserve), limit, after.now);
        fund.reserve -= told.reserve;
        *left -= told.reserve;

        let all = fund.staked();
        let limit = ppm(all, 500_000);
        told.backstop = till.draws[1].draw((*left).min(limit), limit, after.now);
        if told.backstop > 0 {
            let cooling = mul_div_ceil(told.backstop, fund.cooling.value, all).min(told.backstop);
            fund.cooling.value -= cooling;
            fund.active.value -= told.backstop - cooling;
        }
        *left -= told.backstop;

        let limit = ppm(equity, params.first_loss_ppm);
        let allowed = till.draws[2].draw((*left).min(till.cash), limit, after.now);
        told.first_loss = take(&mut till.cash, left, allowed);
        self.flows[market].forgiven += told.first_loss;
    }

    /// Tier 5: the same share of every winner's profit on the other side. What rounding takes beyond the loss goes to the
    /// market's insurance.
    fn winners_pay(
        &mut self,
        told: &mut Tiers,
        left: &mut i128,
        (market, loser): (usize, Side),
        after: &State,
    ) -> Verdict {
        let mark = self.ledger.dynamics[market].mark();
        let side = loser.opposite();
        told.winners = self.ledger.ladders[market][side as usize].winners(&mark);
        if *left == 0 || told.winners == 0 || self.ledger.dynamics[market].settling_since != 0 {
            return Ok(());
        }
        // Half of what they are owed now and were before the day's other losses.
        let drawn = &mut self.ledger.tills[market].draws[3 + side as usize];
        let allowed = drawn.draw(*left, (told.winners + drawn.level) / 2, after.now);
        if allowed == 0 {
            return Ok(());
        }
        told.fraction = fraction(allowed, told.winners);
        let booked = self.unwind((market, side), told.fraction, after)?;
        let till = &mut self.ledger.tills[market];
        told.deleveraged = take(&mut till.cash, left, booked);
        if *left == 0 {
            told.surplus = (booked - told.deleveraged).min(till.payable());
            till.cash -= told.surplus;
            till.insurance += told.surplus;
        }
        self.flows[market].forgiven += told.deleveraged + told.surplus;
        Ok(())
    }

    /// Brings a market's part of what is asked for and there up to date, and its scale.
    pub(super) fn cover(&mut self, market: usize, after: &State) -> Verdict {
        let params = &after.market(market).core.params;
        let (price, lots) = (
            self.ledger.dynamics[market].price,
            self.ledger.sides(market).map(|side| side.0.abs()).into_iter().max().unwrap_or(0),
        );
        let required = ppm_ceil(worth_ceil(lots, price), params.waterfall.backing_ppm);
        let equity = self.ledger.equity(market, &self.ledger.dynamics[market].mark()).max(0);
        let (till, fund) = (&mut self.ledger.tills[market], &mut self.ledger.fund);
        let own = till.insurance + ppm(equity, params.waterfall.first_loss_ppm);
        for (i, new) in [required, own].into_iter().enumerate() {
            fund.cover[i] += new - till.cover[i];
            till.cover[i] = new;
        }
        let (there, wanted) = (fund.total() + fund.cover[1], mul_div_ceil(fund.cover[0], 3, 2));
        let scale = if there >= wanted { 1_000_000 } else { mul_div_floor(there, 1_000_000, wanted) };
        till.scale = u32::try_from(scale).map_err(|_| format!("scale {scale}"))?;
        Ok(())
    }

    /// A market whose traders are owed more than there is at either price: frozen at the one at which it owes less.
    pub(super) fn frozen(&mut self, e: &MarketSettling, [before, after]: [&State; 2]) -> Verdict {
        let market = usize::from(e.market);
        let mark = self.ledger.dynamics[market].mark();
        let average = mark.at(bits(before.market(market).core.oracle.ema));
        let [live, mean] = [mark, average].map(|mark| self.ledger.equity(market, &mark));
        require(live.max(mean) < 0, || format!("settles with {live} and {mean}"))?;
        let price = if mean > live { average.price } else { mark.price } >> 16;
        require(i128::from(e.price) == price, || format!("frozen at {} for {price}", e.price))?;
        let dynamics = &mut self.ledger.dynamics[market];
        require(dynamics.settling_since == 0, || "settles twice".into())?;
        dynamics.settling_since = after.now.max(1);
        (dynamics.price, dynamics.publish_time) = (price, i64::MAX);
        (dynamics.funding, dynamics.borrow) = (0, 0);
        Ok(())
    }
}

/// What each tier paid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tiers {
    insurance: i128,
    reserve: i128,
    backstop: i128,
    first_loss: i128,
    deleveraged: i128,
    pool: i128,
    traders: i128,
    unpaid: i128,
    winners: i128,
    fraction: i128,
    surplus: i128,
}

impl Tiers {
    fn of(e: &BankruptcyResolved) -> Self {
        Self {
            insurance: e.insurance.into(),
            reserve: e.reserve.into(),
            backstop: e.backstop.into(),
            first_loss: e.first_loss.into(),
            deleveraged: e.deleveraged.into(),
            pool: e.pool.into(),
            traders: e.traders.into(),
            unpaid: e.unpaid.into(),
            winners: e.winners.into(),
            fraction: e.fraction.into(),
            surplus: e.surplus.into(),
        }
    }
}
