//! The reference: risk.md's formulas in exact rationals, without ladder, laziness or rounding.
//!
//! Positions are a list. An unwind is applied at once to every winner that it reaches, claims are positions
//! without lots, and a fill is integrated piece by piece under the clamped line. What the engine computes in
//! integers must agree with this up to the rounding that each test states.

#![allow(dead_code, reason = "every test crate uses its own part of the model")]

pub mod carry;
pub mod garbage;
pub mod pool;
pub mod vault;
pub mod world;

use bulwark_engine::fill::Curve;
use bulwark_engine::position::Holding;
use bulwark_engine::units::{CarryIndex, NormalPrice, Price, Side};
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{Signed, Zero};
use proptest::test_runner::{Config, RngSeed};

/// An exact number.
pub type Exact = BigRational;

/// Deterministic configuration. `BULWARK_TEST_EFFORT=n` multiplies the number of cases by n.
pub fn config(cases: u32) -> Config {
    let effort = std::env::var("BULWARK_TEST_EFFORT").ok().and_then(|x| x.parse().ok()).unwrap_or(1_u32);
    Config {
        cases: cases.saturating_mul(effort),
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(0x00B1_1A4C),
        ..Config::default()
    }
}

/// A whole number.
pub fn int(n: impl Into<BigInt>) -> Exact {
    Exact::from_integer(n.into())
}

/// `numerator / denominator`.
pub fn ratio(numerator: impl Into<BigInt>, denominator: impl Into<BigInt>) -> Exact {
    Exact::new(numerator.into(), denominator.into())
}

/// The number that a Q32.32 price stands for.
pub fn of_price(price: Price) -> Exact {
    ratio(price.to_bits(), 1_u64 << 32)
}

/// The number that a carry index stands for.
pub fn of_carry(carry: CarryIndex) -> Exact {
    ratio(carry.get().to_bits(), 1_u64 << 48)
}

/// The number that a carry-normalised price stands for.
pub fn of_normal(price: NormalPrice) -> Exact {
    ratio(price.0, 1_u64 << 48)
}

/// Formula (1): `b·(P − C) + q`.
pub fn pnl(holding: Holding, price: &Exact, carry: &Exact) -> Exact {
    int(holding.lots.0) * (price - carry) + int(holding.quote.0)
}

/// Formula (3) without spread, clamped: `∫ P·(1 + clamp(x/K, ±L/K)) dx` from `skew` to `skew + delta`,
/// piece by piece: the integrand is linear between `−L` and `L` and constant outside.
pub fn curve_cost(curve: &Curve, clamp: u64, skew: i64, delta: i64) -> Exact {
    let (from, to) = (int(skew), int(skew) + int(delta));
    let (low, high) = (from.clone().min(to.clone()), from.max(to));
    let (scale, limit) = (int(curve.skew_scale), int(clamp));
    let mut cuts = vec![low.clone()];
    for cut in [-limit.clone(), limit.clone()] {
        if cut > low && cut < high {
            cuts.push(cut);
        }
    }
    cuts.push(high);
    let line = |x: &Exact| int(1) + x.clone().min(limit.clone()).max(-limit.clone()) / &scale;
    let area = cuts.windows(2).fold(Exact::zero(), |sum, piece| {
        sum + (&piece[1] - &piece[0]) * (line(&piece[0]) + line(&piece[1])) / int(2)
    });
    let area = if delta < 0 { -area } else { area };
    area * of_price(curve.price)
}

/// The spread of a fill: `|Δ|·P·half_spread`.
pub fn spread_cost(curve: &Curve, delta: i64) -> Exact {
    int(delta).abs() * of_price(curve.price) * ratio(curve.half_spread_ppm, 1_000_000)
}

/// Whether `smaller ≤ larger ≤ smaller + slack`.
pub fn within_above(smaller: &Exact, larger: &Exact, slack: &Exact) -> bool {
    smaller <= larger && larger <= &(smaller + slack)
}

/// A position or a claim.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Side.
    pub side: Side,
    /// Signed lots.
    pub b: Exact,
    /// Carry-normalised quote.
    pub q: Exact,
}

/// One market and its traders, account by account.
#[derive(Clone, Debug)]
pub struct Model {
    /// Pool money in the market.
    pub cash: Exact,
    /// Fees taken.
    pub fees: Exact,
    /// Mark price.
    pub price: Exact,
    /// Carry index of longs and shorts.
    pub carry: [Exact; 2],
    /// Quote balance of each account.
    pub quotes: Vec<Exact>,
    /// The position of each account.
    pub entries: Vec<Option<Entry>>,
}

impl Model {
    /// A market with `cash` and `accounts` empty accounts.
    pub fn new(price: Price, cash: u64, accounts: usize) -> Self {
        Self {
            cash: int(cash),
            fees: Exact::zero(),
            price: of_price(price),
            carry: [Exact::zero(), Exact::zero()],
            quotes: vec![Exact::zero(); accounts],
            entries: vec![None; accounts],
        }
    }

    fn carry_of(&self, side: Side) -> Exact {
        self.carry[usize::from(side.to_byte())].clone()
    }

    /// `q −= Δ·(F − C)`, `b += Δ`, where `cost = Δ·F`.
    pub fn increase(&mut self, who: usize, (side, delta): (Side, i64), cost: &Exact, fee: &Exact) {
        let carry = self.carry_of(side);
        let entry = self.entries[who].get_or_insert(Entry { side, b: Exact::zero(), q: Exact::zero() });
        entry.q -= cost - int(delta) * carry;
        entry.b += int(delta);
        self.charge(who, fee);
    }

    /// `part = q·d/|b|`, `realised = s·d·(F − C) + part`; what cash covers of a profit is paid, the rest stays.
    pub fn decrease(&mut self, who: usize, delta: i64, cost: &Exact, fee: &Exact) {
        let mut entry = self.entries[who].take().unwrap();
        let part = &entry.q * int(delta).abs() / entry.b.abs();
        let realised = int(delta) * self.carry_of(entry.side) - cost + &part;
        entry.q -= part;
        entry.b += int(delta);
        let paid = realised.clone().min(self.cash.clone());
        self.cash -= &paid;
        self.quotes[who] += &paid;
        entry.q += realised - paid;
        if !(entry.b.is_zero() && entry.q.is_zero()) {
            self.entries[who] = Some(entry);
        }
        self.charge(who, fee);
    }

    /// Unwinds all but the share `left` of these accounts' positions at their own entry.
    pub fn unwind(&mut self, members: &[usize], left: &Exact) {
        for &who in members {
            if let Some(entry) = &mut self.entries[who] {
                entry.b *= left;
                entry.q *= left;
            }
        }
    }

    /// Formula (1) for an account's position.
    pub fn pnl(&self, who: usize) -> Exact {
        self.entries[who]
            .as_ref()
            .map_or_else(Exact::zero, |entry| &entry.b * (&self.price - self.carry_of(entry.side)) + &entry.q)
    }

    /// Quote and PnL of an account.
    pub fn value(&self, who: usize) -> Exact {
        &self.quotes[who] + self.pnl(who)
    }

    /// Formula (2).
    pub fn traders_pnl(&self) -> Exact {
        (0..self.entries.len()).fold(Exact::zero(), |sum, who| sum + self.pnl(who))
    }

    fn charge(&mut self, who: usize, fee: &Exact) {
        self.quotes[who] -= fee;
        self.fees += fee;
    }
}
