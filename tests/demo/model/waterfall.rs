//! Who pays for what margin did not cover, and what a market pays that can't pay all.

use super::{ModelMarket, ModelPosition, PPM, ceil};
use crate::model::ladder::Key;

/// The insurance fund.
#[derive(Clone, Copy, Default)]
pub struct ModelFund {
    /// Reserve.
    pub reserve: i128,
    /// Stake that earns.
    pub active: i128,
    /// Stake on its way out.
    pub cooling: i128,
}

impl ModelFund {
    /// All stake.
    pub fn stake(&self) -> i128 {
        self.active + self.cooling
    }

    /// Moves shares of the only staker to the cooling side. Returns what they are worth.
    pub fn cool(&mut self, shares: i128, supply: i128) -> i128 {
        let part = |more: i128| shares * (self.active + more) / (supply + more);
        let value = part(1_000).min(part(0));
        self.active -= value;
        self.cooling += value;
        value
    }

    /// Takes a loss from both sides in proportion, what rounds from the cooling one.
    fn slash(&mut self, taken: i128) {
        if taken > 0 {
            let cooling = ceil(taken * self.cooling, self.stake()).min(taken);
            self.cooling -= cooling;
            self.active -= taken - cooling;
        }
    }

    /// Income: the stakers' part, if there is stake, and the rest for the reserve. Returns the former.
    pub fn earn(&mut self, income: i128, stakers_ppm: u32) -> i128 {
        let staked = if self.active > 0 { income * i128::from(stakers_ppm) / PPM } else { 0 };
        (self.active, self.reserve) = (self.active + staked, self.reserve + income - staked);
        staked
    }
}

/// Who pays how much of a debt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tiers {
    /// The market's insurance.
    pub insurance: i128,
    /// A share of the fund's reserve.
    pub reserve: i128,
    /// Half of the stake.
    pub backstop: i128,
    /// Winners of the other side, half of their profit at most.
    pub deleveraged: i128,
    /// The pool's money in this market.
    pub pool: i128,
    /// What the market owes its traders.
    pub traders: i128,
    /// What the winners were owed.
    pub winners: i128,
    /// Share of it that was unwound, in units of 2^-32.
    pub fraction: i128,
    /// What the unwind took beyond the debt.
    pub surplus: i128,
}

/// Takes as much of what is left as there is.
fn take(from: &mut i128, most: i128, left: &mut i128) -> i128 {
    let taken = (*from).min(most).min(*left).max(0);
    (*from, *left) = (*from - taken, *left - taken);
    taken
}

impl ModelMarket {
    /// Everybody pays his part of a debt that a position of `side` left, none of them having paid today.
    pub fn resolve(&mut self, fund: &mut ModelFund, (side, debt): (usize, i128)) -> Tiers {
        let (mut tiers, mut left) = (Tiers::default(), debt);
        tiers.insurance = take(&mut self.insurance, debt, &mut left);
        let thin = self.params.waterfall.tail != 0;
        if thin {
            self.deleverage(&mut tiers, &mut left, 1 - side);
        }
        let most = fund.reserve * i128::from(self.params.waterfall.reserve_share_ppm) / PPM;
        tiers.reserve = take(&mut fund.reserve, most, &mut left);
        tiers.backstop = take(&mut fund.stake(), fund.stake() / 2, &mut left);
        fund.slash(tiers.backstop);
        if !thin {
            self.deleverage(&mut tiers, &mut left, 1 - side);
        }
        let most = self.equity();
        tiers.pool = take(&mut self.cash, most, &mut left);
        tiers.traders = take(&mut self.cash, debt, &mut left);
        for fees in &mut self.fees {
            tiers.traders += take(fees, debt, &mut left);
        }
        tiers
    }

    fn deleverage(&mut self, tiers: &mut Tiers, left: &mut i128, winners: usize) {
        tiers.winners = self.winners(winners);
        let wanted = (*left).min(tiers.winners / 2);
        if wanted == 0 {
            return;
        }
        let unwound = self.unwind(winners, wanted);
        tiers.fraction = unwound.fraction;
        tiers.deleveraged = take(&mut self.cash, unwound.booked, left);
        if *left == 0 {
            tiers.surplus = unwound.booked - tiers.deleveraged;
            self.cash -= tiers.surplus;
            self.insurance += tiers.surplus;
        }
    }

    /// Closes a position at the frozen price of a market that settles: a loss is paid, a profit becomes a claim. Returns what the
    /// balance changes by.
    pub fn close_finally(&mut self, position: &mut ModelPosition) -> i128 {
        let (pnl, (side, key)) = (self.pnl(position), filed(position));
        self.take_out(position);
        let loss = pnl.min(0);
        self.cash -= loss;
        (position.lots, position.quote) = (0, pnl.max(0));
        self.put_back_at(position, side, Some(key));
        loss
    }

    /// Pays a claim `cash / Σ claims` of what it is, when nobody owes anything.
    pub fn pay_claim(&mut self, position: &mut ModelPosition) -> i128 {
        self.take_out(position);
        let all = position.quote + self.sides.iter().map(|side| side.quote()).sum::<i128>();
        let paid = position.quote * self.cash.min(all) / all;
        self.cash -= paid;
        *position = ModelPosition::default();
        paid
    }
}

fn filed(position: &ModelPosition) -> (usize, Key) {
    let (side, key, _) = position.filed.expect("an open position");
    (side, key)
}
