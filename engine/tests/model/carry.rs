//! Funding and borrow in exact numbers: the clamped line is integrated piece by piece.

use bulwark_engine::carry::{CarryState, MAX_ACCRUAL, RATE_ONE};
use bulwark_engine::market::{Market, MarketParams};
use bulwark_engine::units::{Lots, Quote, Side};
use num_traits::{Signed, Zero};

use super::world::{NOW, admit, market};
use super::{Exact, int, of_carry, ratio};

/// Rate of one side or the other, and what a lot has paid.
#[derive(Clone, Debug)]
pub struct Carry {
    /// Funding rate, 1 = 100 % a day.
    pub rate: Exact,
    /// Carry index of longs and shorts.
    pub index: [Exact; 2],
    /// Until when both have grown.
    pub at: i64,
}

/// The rate after `days` along `clamp(from + slope·t, ±max)`, and the area under it.
pub fn clamped_line(from: &Exact, slope: &Exact, max: &Exact, days: &Exact) -> (Exact, Exact) {
    let from = from.clone().clamp(-max.clone(), max.clone());
    if slope.is_zero() {
        return (from.clone(), from * days);
    }
    let top = if slope.is_negative() { -max.clone() } else { max.clone() };
    let hit = (&top - &from) / slope;
    if &hit >= days {
        let to = &from + slope * days;
        let area = (from + &to) / int(2) * days;
        return (to, area);
    }
    let area = (from + &top) / int(2) * &hit + &top * (days - hit);
    (top, area)
}

impl Carry {
    /// What the engine stores.
    pub fn of(market: &Market) -> Self {
        let CarryState { funding_rate, accrued_at, .. } = market.carry;
        let index = [&market.book.long, &market.book.short].map(|side| of_carry(side.carry));
        Self { rate: ratio(funding_rate, RATE_ONE), index, at: accrued_at }
    }

    /// Lets time pass over a book that holds nothing: the rate is forgotten.
    pub fn idle(&mut self, now: i64) {
        self.rate = int(0);
        self.at = self.at.max(now);
    }

    /// Lets time pass at a skew, a price and a borrow rate.
    pub fn accrue(&mut self, params: &MarketParams, (skew, borrow_ppm): (i64, u32), price: &Exact, now: i64) {
        if now <= self.at {
            return;
        }
        let days = ratio((now - self.at).min(MAX_ACCRUAL), 86_400);
        self.at = now;
        let max = ratio(params.carry.funding_max_ppm, 1_000_000);
        let share = ratio(skew, params.skew_scale).clamp(int(-1), int(1));
        let slope = share * ratio(params.carry.funding_velocity_ppm, 1_000_000);
        let (rate, area) = clamped_line(&self.rate, &slope, &max, &days);
        self.rate = rate;
        for index in &mut self.index {
            *index += &area * price;
        }
        let borrow = ratio(borrow_ppm, 1_000_000) * days * price;
        match skew.signum() {
            1 => self.index[0] += borrow,
            -1 => self.index[1] -= borrow,
            _ => {}
        }
    }
}

/// A market whose book holds these lots, entered at about its price, with plenty of cash.
pub fn book(params: &MarketParams, bits: u64, lots: [u64; 2]) -> Box<Market> {
    let mut market = market(params, bits, 1 << 50);
    for side in Side::BOTH {
        let count = lots[usize::from(side.to_byte())];
        if count > 0 {
            let worth = market.mark().mul_floor(count).unwrap().cast_signed();
            admit(&mut market, side, count, if side == Side::Long { -worth } else { worth });
        }
    }
    assert_eq!(market.carry.accrued_at, NOW);
    market
}

/// `Σ b·(P − C) + q` over the book, not rounded.
pub fn traders_pnl(market: &Market) -> Exact {
    let price = super::of_price(market.mark());
    Side::BOTH.into_iter().fold(Exact::zero(), |sum, side| {
        let ladder = market.book.side(side);
        let Quote(cost) = ladder.cost;
        let Lots(lots) = Lots::on(side, ladder.lots).unwrap();
        sum + int(lots) * (&price - of_carry(ladder.carry)) + int(cost)
    })
}
