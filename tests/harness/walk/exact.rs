//! The formulas of the exchange in plain 128-bit integers, from their description and not from the engine.
//!
//! Values are exact in units of 2^-48 quote units, the finest fraction that the program stores; nothing here
//! rounds unless its name says so.

use bulwark_sdk::engine::market::Market as Core;
use bulwark_sdk::engine::price::{OracleParams, OracleState};
use bulwark_sdk::engine::units::{Price, Side};

/// One quote unit.
pub const UNIT: i128 = 1 << 48;

/// `a·b / d` towards −∞, where `a·b` may be too large for 128 bits.
#[must_use]
pub fn mul_div_floor(a: i128, b: i128, d: i128) -> i128 {
    a.div_euclid(d) * b + (a.rem_euclid(d) * b).div_euclid(d)
}

/// `a·b / d` towards +∞.
#[must_use]
pub fn mul_div_ceil(a: i128, b: i128, d: i128) -> i128 {
    -mul_div_floor(-a, b, d)
}

/// Quote units of an exact value, towards −∞.
#[must_use]
pub fn floor(exact: i128) -> i128 {
    exact >> 48
}

/// `+1` for a long, `−1` for a short.
#[must_use]
pub const fn sign(side: Side) -> i128 {
    match side {
        Side::Long => 1,
        Side::Short => -1,
    }
}

/// Price and carry of a market: what a position's worth depends on. `P` and `C` in units of 2^-48.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Price.
    pub price: i128,
    /// Carry index of longs and of shorts.
    pub carry: [i128; 2],
}

impl Mark {
    /// Live price and carry.
    #[must_use]
    pub fn of(core: &Core) -> Self {
        let carry = |side| core.book.side(side).carry.get().to_bits();
        Self { price: bits(core.oracle.price), carry: Side::BOTH.map(carry) }
    }

    /// The same with another price.
    #[must_use]
    pub fn at(self, price: i128) -> Self {
        Self { price, ..self }
    }

    /// Carry index of a side.
    #[must_use]
    pub const fn carry(&self, side: Side) -> i128 {
        self.carry[side as usize]
    }

    /// Formula (1): `b·(P − C) + q`.
    #[must_use]
    pub fn value(&self, held: &Held) -> i128 {
        held.b * (self.price - self.carry(held.side)) + held.q * UNIT
    }
}

/// A Q32.32 price in units of 2^-48.
#[must_use]
pub fn bits(price: Price) -> i128 {
    i128::from(price.to_bits()) << 16
}

/// Unwind factor of what was never unwound.
pub const WHOLE: i128 = 1 << 63;

/// A position: two numbers on a side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Side.
    pub side: Side,
    /// Signed lots, every unwind applied.
    pub b: i128,
    /// Carry-normalised quote, every unwind applied.
    pub q: i128,
    /// When it was increased last, unix seconds.
    pub since: i64,
    /// What it was when it was filed last.
    pub joined: Joined,
}

/// A position as it joined a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joined {
    /// Signed lots.
    pub b: i128,
    /// Carry-normalised quote.
    pub q: i128,
    /// Unwind factor of the bucket then.
    pub left: i128,
    /// The bucket.
    pub bucket: usize,
}

impl Held {
    /// A position that holds nothing yet.
    #[must_use]
    pub const fn new(side: Side) -> Self {
        Self { side, b: 0, q: 0, since: 0, joined: Joined { b: 0, q: 0, left: WHOLE, bucket: 0 } }
    }

    /// What is left of it in a bucket with the unwind factor `left`: both numbers towards −∞.
    #[must_use]
    pub fn unwound_to(self, left: i128) -> Self {
        let Joined { b, q, left: whole, .. } = self.joined;
        Self { b: mul_div_floor(left, b, whole), q: mul_div_floor(left, q, whole), ..self }
    }

    /// Lots and quote that unwinds have taken since it was filed: the lots without sign.
    #[must_use]
    pub const fn unwound(&self) -> (i128, i128) {
        (self.joined.b.abs() - self.b.abs(), self.q - self.joined.q)
    }

    /// Price less carry at which it breaks even, rounded to the worse for its side, as far as 64 bits reach; none for
    /// a claim.
    #[must_use]
    pub fn entry(&self) -> Option<i128> {
        let q = self.q << 48;
        let exact = match self.b {
            0 => return None,
            1.. => mul_div_ceil(-q, 1, self.b),
            _ => q.div_euclid(-self.b),
        };
        Some(exact.clamp(i64::MIN.into(), i64::MAX.into()))
    }

    /// Adds `delta` lots that cost `cost`: `q −= Δ·(F − C)`.
    pub fn increase(&mut self, delta: i128, cost: i128, mark: &Mark) {
        self.b += delta;
        self.q += floor(delta * mark.carry(self.side)) - cost;
    }

    /// Trades away `−delta` of its lots at a cost of `cost` and says what that realises.
    pub fn decrease(&mut self, delta: i128, cost: i128, mark: &Mark) -> i128 {
        let part = mul_div_floor(self.q, delta.abs(), self.b.abs());
        self.q -= part;
        self.b += delta;
        floor(delta * mark.carry(self.side)) - cost + part
    }

    /// Whether this is profit that waits for cash.
    #[must_use]
    pub const fn is_claim(&self) -> bool {
        self.joined.b == 0
    }
}

/// `ppm` of an amount, rounded down.
#[must_use]
pub fn ppm(amount: i128, ppm: u32) -> i128 {
    mul_div_floor(amount, ppm.into(), 1_000_000)
}

/// `ppm` of an amount, rounded up.
#[must_use]
pub fn ppm_ceil(amount: i128, ppm: u32) -> i128 {
    mul_div_ceil(amount, ppm.into(), 1_000_000)
}

/// Worth of lots at a Q32.32 price, rounded down.
#[must_use]
pub fn worth(lots: i128, price: i128) -> i128 {
    mul_div_floor(lots, price, 1 << 32)
}

/// Worth of lots at a Q32.32 price, rounded up.
#[must_use]
pub fn worth_ceil(lots: i128, price: i128) -> i128 {
    mul_div_ceil(lots, price, 1 << 32)
}

/// The pool's price curve: formula (3), clamped.
#[derive(Clone, Copy, Debug)]
pub struct Curve {
    /// Mark price, Q32.32.
    price: i128,
    scale: i128,
    clamp: i128,
}

impl Curve {
    /// A market's.
    #[must_use]
    pub fn of(core: &Core) -> Self {
        let scale = i128::from(core.params.skew_scale);
        let clamp = scale * i128::from(core.params.max_impact_ppm) / 1_000_000;
        Self { price: i128::from(core.oracle.price.to_bits()), scale, clamp }
    }

    /// Twice the integral of the clamped skew from 0 to `x`.
    fn area(&self, x: i128) -> i128 {
        let x = x.abs();
        if x <= self.clamp { x * x } else { self.clamp * (2 * x - self.clamp) }
    }

    /// Whether the line is clamped at this skew.
    #[must_use]
    pub fn is_clamped(&self, skew: i128) -> bool {
        skew.abs() > self.clamp
    }

    /// What `delta` lots cost at `skew`, quote units, rounded up once.
    #[must_use]
    pub fn cost(&self, skew: i128, delta: i128) -> i128 {
        let lots = 2 * self.scale * delta + self.area(skew + delta) - self.area(skew);
        mul_div_ceil(lots, self.price, (2 * self.scale) << 32)
    }

    /// What the traders' skew is worth beyond its mark: the premium that closing it along the curve pays,
    /// in units of 2^-48, rounded down.
    #[must_use]
    pub fn premium(&self, skew: i128) -> i128 {
        mul_div_floor(self.area(skew), self.price << 16, 2 * self.scale)
    }
}

/// Fee on `lots` at the live price.
#[must_use]
pub fn taker_fee(core: &Core, lots: i128) -> i128 {
    let notional = mul_div_ceil(lots.abs(), i128::from(core.oracle.price.to_bits()), 1 << 32);
    mul_div_ceil(notional, i128::from(core.params.taker_fee_ppm), 1_000_000)
}

/// The spread on `lots`: the configured one, what the confidence asks for, or `k·σ·√(age + 0.4 s)`.
#[must_use]
pub fn spread(core: &Core, lots: i128, now: i64) -> i128 {
    let (params, price) = (&core.params, i128::from(core.oracle.price.to_bits()));
    let conf = mul_div_ceil(i128::from(core.oracle.conf), 1_000_000, price);
    let from_conf = mul_div_ceil(conf, i128::from(params.conf_spread_ppm), 1_000_000);
    let age = i128::from(now - core.oracle.publish_time).clamp(0, 3_600);
    let root = ((10 * age + 4) * 100_000_000_000).isqrt() + 1; // ppm
    let moved = mul_div_ceil(i128::from(core.volatility.sigma_ppm), root, 1_000_000);
    let from_sigma =
        mul_div_ceil(moved, i128::from(params.volatility.spread_sigma_ppm), 1_000_000).min(10_000);
    let half = from_conf.max(from_sigma).max(i128::from(params.base_spread_ppm)).min(890_000);
    mul_div_ceil(mul_div_ceil(lots.abs(), price, 1 << 32), half, 1_000_000)
}

/// What closing `lots` in profit so long after the last increase pays at most.
#[must_use]
pub fn toxic_fee(core: &Core, lots: i128, elapsed: i64) -> i128 {
    let (params, window) = (&core.params, i128::from(core.params.toxic_window));
    let left = window - i128::from(elapsed.max(0));
    if left <= 0 {
        return 0;
    }
    let notional = mul_div_ceil(lots.abs(), i128::from(core.oracle.price.to_bits()), 1 << 32);
    let whole = mul_div_ceil(notional, i128::from(params.toxic_fee_ppm), 1_000_000);
    mul_div_ceil(whole, left, window)
}

/// What a fill of `lots` may cost under a limit price, Q32.32; `None` if the limit is beyond the range of prices on the
/// generous side and takes any.
#[must_use]
pub fn allowed_by(limit: u64, lots: i128) -> Option<i128> {
    let any = if lots > 0 { limit > Price::MAX.to_bits() } else { limit < Price::MIN.to_bits() };
    (!any).then(|| mul_div_ceil(lots, i128::from(limit), 1 << 32))
}

/// State of a price, as the table of what it may be used for names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// Young, narrow, undisputed.
    Fresh,
    /// Too wide.
    Wide,
    /// Too old.
    Stale,
    /// Disputed.
    Divergent,
}

/// State of a price for a use that allows `limit` seconds.
#[must_use]
pub fn validity(oracle: &OracleState, params: &OracleParams, limit: u32, now: i64) -> Validity {
    if oracle.divergent != 0 {
        Validity::Divergent
    } else if now - oracle.publish_time > i64::from(limit) {
        Validity::Stale
    } else if i128::from(oracle.conf) * 1_000_000
        > i128::from(oracle.price.to_bits()) * i128::from(params.max_conf_ppm)
    {
        Validity::Wide
    } else {
        Validity::Fresh
    }
}
