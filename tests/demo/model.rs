//! What every trade should pay, worked out a second time: plain integer arithmetic from the formulas and the
//! parameters, sharing no code with the program.

use bulwark_sdk::engine::market::MarketParams;

/// A price has 32 fractional bits.
const ONE: i128 = 1 << 32;
const PPM: i128 = 1_000_000;
/// Seconds of a day.
const DAY: i128 = 86_400;

/// A market: its parameters, and where on its curve the traders are.
pub struct ModelMarket {
    params: MarketParams,
    /// Quote units per lot, 32 fractional bits.
    price: i128,
    /// Net lots of all traders.
    skew: i128,
    /// Funding rate per day, 48 fractional bits.
    funding_rate: i128,
    /// Funding that a lot of each side has paid since the beginning, 48 fractional bits: longs and shorts.
    carry: [i128; 2],
    /// Until when it has been paid.
    accrued_at: i64,
}

/// A trader's position in a market.
#[derive(Clone, Copy, Default)]
pub struct ModelPosition {
    lots: i128,
    /// What the lots cost, funding that was paid before they were bought taken off.
    cost: i128,
}

/// What a trade should pay, quote units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Along the price curve, positive when buying.
    pub curve: i128,
    /// Spread.
    pub spread: i128,
    /// The pool's part of the fee.
    pub fee_pool: i128,
    /// The insurance fund's part of the fee.
    pub fee_insurance: i128,
    /// The protocol's part of the fee.
    pub fee_protocol: i128,
    /// Profit or loss realised.
    pub realised: i128,
}

impl ModelMarket {
    /// A market that nobody has traded in.
    pub fn new(params: MarketParams, now: i64) -> Self {
        Self { params, price: 0, skew: 0, funding_rate: 0, carry: [0; 2], accrued_at: now }
    }

    /// Lets funding accrue: the rate changes by `velocity · skew / scale` a day per day, its mean is paid.
    pub fn accrue(&mut self, now: i64) {
        let seconds = i128::from(now - self.accrued_at).min(3_600); // an idle market does not jump
        self.accrued_at = now;
        if self.skew == 0 {
            self.funding_rate = 0; // one trader in each market: without a skew nobody is left to pay
            return;
        }
        let velocity = i128::from(self.params.carry.funding_velocity_ppm);
        let share = (self.skew.abs() << 48) / i128::from(self.params.skew_scale);
        let change = velocity * seconds * share / (DAY * PPM) * self.skew.signum();
        let (before, after) = (self.funding_rate, self.funding_rate + change);
        self.funding_rate = after;
        let paid = (before + after) * seconds * self.price;
        // Longs pay the next step above, shorts receive the one below.
        let [above, below] = if paid > 0 { [1, 0] } else { [0, -1] };
        let steps = paid.abs() / (2 * DAY * ONE) * paid.signum();
        if paid != 0 {
            self.carry[0] += steps + above;
            self.carry[1] += steps + below;
        }
    }

    /// Funding rate per day, 48 fractional bits.
    pub fn funding_rate(&self) -> i128 {
        self.funding_rate
    }

    /// The carry indices of longs and shorts, 48 fractional bits.
    pub fn carry(&self) -> [i128; 2] {
        self.carry
    }

    /// Sets the price: dollars per whole base, eight decimals.
    pub fn set_price(&mut self, price: i64) {
        // Eight decimals against the six of a quote unit.
        let unit = 100 * 10_i128.pow(self.params.lot_decimals.into());
        self.price = i128::from(price) * ONE / unit;
    }

    /// Quote units per lot, 32 fractional bits.
    pub fn price(&self) -> i128 {
        self.price
    }

    /// Trades `lots`, bought > 0, with oracles confident enough for the base spread.
    pub fn trade(&mut self, position: &mut ModelPosition, lots: i64) -> Expected {
        let lots = i128::from(lots);
        // Δ·P·(1 + (2S + Δ) / 2K), against the trader.
        let doubled = 2 * i128::from(self.params.skew_scale);
        let curve = ceil(lots * self.price * (doubled + 2 * self.skew + lots), doubled * ONE);
        let worth = ceil(lots.abs() * self.price, ONE);
        let spread = ceil(worth * i128::from(self.params.base_spread_ppm), PPM);
        let fee = ceil(worth * i128::from(self.params.taker_fee_ppm), PPM);
        let fee_insurance = fee * i128::from(self.params.insurance_share_ppm) / PPM;
        let fee_protocol = fee * i128::from(self.params.protocol_share_ppm) / PPM;
        self.skew += lots;
        let side = if position.lots + lots < 0 || position.lots < 0 { 1 } else { 0 };
        let carry = (lots * self.carry[side]) >> 48;
        let realised = position.fill(lots, curve + spread - carry);
        let fee_pool = fee - fee_insurance - fee_protocol;
        Expected { curve, spread, fee_pool, fee_insurance, fee_protocol, realised }
    }
}

impl ModelPosition {
    /// Signed lots.
    pub fn lots(&self) -> i128 {
        self.lots
    }

    /// Adds lots and their cost, or takes lots off and says what that realised.
    fn fill(&mut self, lots: i128, cost: i128) -> i128 {
        let closes = self.lots.signum() == -lots.signum();
        let part = if closes { ceil(self.cost * lots.abs(), self.lots.abs()) } else { -cost };
        self.lots += lots;
        self.cost -= part;
        if closes { -cost - part } else { 0 }
    }
}

impl Expected {
    /// The whole fee.
    pub fn fee(&self) -> i128 {
        self.fee_pool + self.fee_insurance + self.fee_protocol
    }
}

/// What redeeming `shares` of `supply` pays from a pool worth `nav`: their part with a thousand virtual ones, less the
/// fee.
pub fn redemption(shares: u64, (nav, supply): (u64, u64), fee_ppm: u32) -> [i128; 2] {
    let [shares, nav, supply] = [shares, nav, supply].map(i128::from);
    let value = shares * (nav + 1_000) / (supply + 1_000);
    let fee = ceil(value * i128::from(fee_ppm), PPM);
    [value - fee, fee]
}

fn ceil(a: i128, b: i128) -> i128 {
    a.div_euclid(b) + i128::from(a.rem_euclid(b) != 0)
}
