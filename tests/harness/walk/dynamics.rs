//! What time and prints do: carry, volatility and the outflow limit, by their descriptions.
//!
//! The [`reference`](mod@super::reference) keeps these numbers itself and compares them with the chain's to the last bit; the two
//! variances alone are taken over from the chain, once they are found to be within the error of its power series.

use bulwark_sdk::engine::market::{Market as Core, MarketParams};
use bulwark_sdk::engine::outflow::{Outflow, OutflowParams};
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::engine::volatility::VolatilityParams;

use super::exact::{Mark, bits, mul_div_ceil, mul_div_floor};
use super::reference::{Verdict, require};

const PPM: i128 = 1_000_000;
const DAY: i128 = 86_400;
const HOUR: i128 = 3_600;
/// A unit of the drifting maintenance fraction and of a variance.
const FRACTION: i128 = 1 << 16;

/// Price, carry and volatility of a market.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dynamics {
    /// Price, Q32.32.
    pub price: i128,
    /// Its time.
    pub publish_time: i64,
    /// Funding rate, Q48 per day.
    pub funding: i128,
    /// Borrow rate, ppm per day.
    pub borrow: i128,
    /// When carry accrued.
    pub accrued_at: i64,
    /// Carry index of longs and shorts, Q48.
    pub carry: [i128; 2],
    /// Fast and slow variance, ppm² per second, 16 fractional bits.
    pub variances: [i128; 2],
    /// Maintenance fraction, ppm, 16 fractional bits.
    pub drifting: i128,
    /// When it drifted.
    pub drifted_at: i64,
    /// σ, maintenance and initial fraction, ppm.
    pub fractions: [i128; 3],
    /// Since when the market settles; 0 while it does not.
    pub settling_since: i64,
}

/// `Σb` and `Σq` of a side.
pub type Total = (i128, i128);

impl Dynamics {
    /// Reads a market.
    #[must_use]
    pub fn read(core: &Core) -> Self {
        let (carry, vol) = (&core.carry, &core.volatility);
        Self {
            price: i128::from(core.oracle.price.to_bits()),
            publish_time: core.oracle.publish_time,
            funding: i128::from(carry.funding_rate),
            borrow: i128::from(carry.borrow_ppm),
            accrued_at: carry.accrued_at,
            carry: Side::BOTH.map(|side| core.book.side(side).carry.get().to_bits()),
            variances: vol.variances.map(i128::from),
            drifting: i128::from(vol.drifting_mmf),
            drifted_at: vol.drifted_at,
            fractions: [vol.sigma_ppm, vol.mmf_ppm, vol.imf_ppm].map(i128::from),
            settling_since: core.settling_since,
        }
    }

    /// What positions are worth by.
    #[must_use]
    pub const fn mark(&self) -> Mark {
        Mark { price: self.price << 16, carry: self.carry }
    }

    /// Funding and borrow up to `now`, an hour at most.
    pub fn accrue(&mut self, params: &MarketParams, sides: [Total; 2], now: i64) {
        let elapsed = now - self.accrued_at;
        let [(long, _), (short, _)] = sides;
        if long == 0 && short == 0 {
            self.funding = 0; // nobody is left to pay
            self.accrued_at = self.accrued_at.max(now);
            return;
        }
        if elapsed <= 0 || self.settling_since != 0 {
            return;
        }
        self.accrued_at = now;
        let skew = long + short;
        let seconds = i128::from(elapsed).min(HOUR);
        self.fund(params, skew, seconds);
        if skew != 0 && self.borrow != 0 {
            // dB = P·borrow·dt / 86400, rounded up, against the heavier side.
            let grown = mul_div_ceil(self.borrow * seconds * self.price, 1 << 16, DAY * PPM);
            self.carry[usize::from(skew < 0)] += skew.signum() * grown;
        }
    }

    /// The rate follows the skew; `dF = P·∫rate dt / 86400` under the clamped line.
    fn fund(&mut self, params: &MarketParams, skew: i128, seconds: i128) {
        let (carry, scale) = (&params.carry, i128::from(params.skew_scale));
        let max = (i128::from(carry.funding_max_ppm) << 48) / PPM;
        let share = (skew.abs().min(scale) << 48) / scale;
        let change = i128::from(carry.funding_velocity_ppm) * seconds * share / (DAY * PPM);
        let from = self.funding;
        let free = from + skew.signum() * change;
        self.funding = free.clamp(-max, max);
        // What the line has beyond the clamp is a triangle.
        let cut = (free - self.funding).abs();
        let triangle = if cut == 0 { 0 } else { cut * cut * seconds / change };
        let doubled = (from + free) * seconds - free.signum() * triangle;
        if doubled == 0 {
            return;
        }
        let down = doubled.abs() * self.price / ((2 * DAY) << 32);
        // The pool rounds: who pays pays the next step.
        let moved = if doubled > 0 { [down + 1, down] } else { [-down, -down - 1] };
        self.carry = [self.carry[0] + moved[0], self.carry[1] + moved[1]];
    }

    /// The borrow rate that skew, price and equity ask for.
    pub fn lend(&mut self, params: &MarketParams, cash: i128, sides: [Total; 2]) {
        let carry = &params.carry;
        let [base, slope, steep, kink] =
            [carry.borrow_base_ppm, carry.borrow_slope_ppm, carry.borrow_steep_ppm, carry.borrow_kink_ppm]
                .map(i128::from);
        let skew = sides[0].0 + sides[1].0;
        let notional = mul_div_ceil(skew.abs(), self.price, 1 << 32);
        let mark = self.mark();
        let owed = Side::BOTH.into_iter().zip(sides).map(|(side, (b, q))| {
            let worth = b * (mark.price - mark.carry(side));
            -((-worth) >> 48) + q
        });
        let equity = (cash - owed.sum::<i128>()).max(0);
        let used = if notional >= equity { PPM } else { mul_div_ceil(notional, PPM, equity) };
        let below = mul_div_ceil(slope, used.min(kink), kink);
        let above = mul_div_ceil(steep, (used - kink).max(0), PPM - kink);
        let nobody = notional == 0 || self.settling_since != 0;
        self.borrow = if nobody { 0 } else { base + below + above };
    }

    /// A print `elapsed` seconds after the one at `from`: `var ← var + w·(r²/Δt − var)`, and σ.
    ///
    /// # Errors
    /// If the chain's variances are not those.
    pub fn observe(
        &mut self,
        from: i128,
        elapsed: i64,
        params: &VolatilityParams,
        told: [i128; 2],
    ) -> Verdict {
        let moved = mul_div_ceil((self.price - from).abs(), PPM, from).min(100_000);
        let sample = moved * moved * FRACTION / i128::from(elapsed);
        for ((old, new), half_life) in self.variances.iter_mut().zip(told).zip([1_800.0, 86_400.0]) {
            let left = (-(elapsed as f64) / half_life).exp2();
            let expected = *old as f64 * left + sample as f64 * (1.0 - left);
            let error = (sample - *old).abs() as f64 * 4e-6 + 2.0;
            let off = (new as f64 - expected).abs();
            require(off <= error, || format!("variance {new} for {expected} ± {error} after {elapsed} s"))?;
            *old = new;
        }
        let variance = self.variances[0].max(self.variances[1]);
        let root = variance.isqrt() + i128::from(variance.isqrt().pow(2) < variance);
        self.fractions[0] = mul_div_ceil(root, 1, 256).max(i128::from(params.sigma_floor_ppm));
        Ok(())
    }

    /// The maintenance fraction goes towards `4.5·σ·√30 s + fee`, by 10 % up or 5 % down an hour at most.
    pub fn drift(&mut self, params: &MarketParams, now: i64) {
        let (vol, sigma) = (&params.volatility, self.fractions[0]);
        let root = mul_div_ceil(sigma, 5_477_226, PPM);
        let moved = mul_div_ceil(root, i128::from(vol.mmf_sigma_ppm), PPM);
        let dynamic =
            if moved == 0 { 0 } else { (moved + i128::from(params.liquidation_fee_ppm)).min(600_000) };
        let target = dynamic.max(i128::from(params.mmf_ppm)) * FRACTION;
        let elapsed = i128::from((now - self.drifted_at).max(0)).min(HOUR);
        let step = |ppm| self.drifting * ppm * elapsed / (PPM * HOUR);
        self.drifting = if target > self.drifting {
            (self.drifting + step(95_310)).min(target) // ln 1.1
        } else {
            (self.drifting - step(50_000)).max(target)
        };
        self.drifted_at = self.drifted_at.max(now);
    }

    /// The fractions that follow from σ and the drifting one.
    pub fn settle_fractions(&mut self, params: &MarketParams) {
        let (vol, sigma) = (&params.volatility, self.fractions[0]);
        let mmf = mul_div_ceil(self.drifting, 1, FRACTION);
        let ahead = mul_div_ceil(sigma * 30, i128::from(vol.imf_sigma_ppm), PPM);
        let imf = ahead.max(mul_div_ceil(mmf, 8, 5)).min(PPM).max(i128::from(params.imf_ppm));
        self.fractions = [sigma, mmf, imf];
    }

    /// Price of before in the unit of a [`Mark`].
    #[must_use]
    pub fn is_priced_like(&self, core: &Core) -> bool {
        self.price << 16 == bits(core.oracle.price)
    }
}

/// What a vault's balance is measured against, token units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Anchor {
    /// The balance as far as it has been followed.
    pub at: i128,
    /// Until when.
    pub updated_at: i64,
}

impl Anchor {
    /// Reads a vault's.
    #[must_use]
    pub fn read(outflow: &Outflow) -> Self {
        Self { at: i128::from(outflow.anchor), updated_at: outflow.updated_at }
    }

    /// What may leave at once, and in every hour.
    #[must_use]
    pub fn limit(&self, params: &OutflowParams) -> i128 {
        mul_div_ceil(self.at, i128::from(params.max_ppm), PPM).max(i128::from(params.floor))
    }

    /// Time passes over a vault of this balance and cap: it follows by the limit an hour, and within a day.
    pub fn pass(&mut self, (params, cap): (&OutflowParams, u64), balance: i128, now: i64) {
        let elapsed = i128::from((now - self.updated_at).max(0));
        self.updated_at = self.updated_at.max(now);
        let (limit, hours) = (self.limit(params), elapsed * ((1 << 32) / HOUR));
        if elapsed >= DAY {
            self.at = balance;
        } else if balance > self.at {
            let young = mul_div_ceil(balance, i128::from(params.max_ppm), PPM).min(i128::from(cap / 1_000));
            let step = mul_div_floor(limit.max(young), hours, 1 << 32);
            self.at = (self.at + step).min(balance);
        } else {
            self.at = (self.at - mul_div_ceil(limit, hours, 1 << 32)).max(balance);
        }
    }

    /// What may leave of this balance at `now`.
    #[must_use]
    pub fn room(mut self, (params, cap): (&OutflowParams, u64), balance: i128, now: i64) -> i128 {
        self.pass((params, cap), balance, now);
        balance - (self.at - self.limit(params)).max(0)
    }
}
