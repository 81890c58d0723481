//! Every number of the story, worked out a second time: plain integer arithmetic from the formulas and the parameters,
//! sharing no code with the program. Prices and the clock are what it is told; all else it works out itself.
//!
//! | module | for |
//! |---|---|
//! | this one | price curve, fees, funding, positions |
//! | [`ladder`] | who is in profit, and what an unwind takes |
//! | [`auction`] | what an account in trouble has to give up, and for what |
//! | [`waterfall`] | who pays for what margin did not cover, and what a market pays that can't pay all |

pub mod auction;
pub mod ladder;
pub mod waterfall;

use bulwark_sdk::engine::market::MarketParams;

use ladder::{Key, ModelLadder};

/// A price has 32 fractional bits.
const ONE: i128 = 1 << 32;
const PPM: i128 = 1_000_000;
/// Seconds of a day.
const DAY: i128 = 86_400;

/// A market: its parameters, its money and its positions.
pub struct ModelMarket {
    params: MarketParams,
    /// Quote units per lot, 32 fractional bits.
    price: i128,
    /// Funding rate per day, 48 fractional bits.
    funding_rate: i128,
    /// Longs and shorts.
    sides: [ModelLadder; 2],
    /// Until when funding has been paid.
    accrued_at: i64,
    /// Pool money in the market, quote units.
    pub cash: i128,
    /// The market's own insurance, quote units.
    pub insurance: i128,
    /// Fees for pool, insurance fund and protocol, quote units.
    pub fees: [i128; 3],
    /// Losses that were booked and not paid, quote units.
    pub unbacked: i128,
}

/// A trader's position in a market, or a claim if it has no lots.
#[derive(Clone, Copy, Default)]
pub struct ModelPosition {
    lots: i128,
    /// What the lots brought in, funding that was paid before they were bought put back on.
    quote: i128,
    /// Where the ladder keeps it, and how far that had been unwound when it came.
    filed: Option<(usize, Key, i128)>,
    /// When lots were bought or taken over last.
    increased_at: i64,
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
        let sides = [ModelLadder::new(1), ModelLadder::new(-1)];
        let (cash, insurance, fees, unbacked) = (0, 0, [0; 3], 0);
        Self { params, price: 0, funding_rate: 0, sides, accrued_at: now, cash, insurance, fees, unbacked }
    }

    /// Lets funding accrue: the rate changes by `velocity · skew / scale` a day per day, its mean is paid.
    pub fn accrue(&mut self, now: i64) {
        let seconds = i128::from(now - self.accrued_at).min(3_600); // an idle market does not jump
        self.accrued_at = now;
        if self.sides.iter().all(|side| side.lots() == 0) {
            self.funding_rate = 0; // nobody is left to pay
            return;
        }
        let (velocity, skew) = (i128::from(self.params.carry.funding_velocity_ppm), self.skew());
        let share = (skew.abs() << 48) / i128::from(self.params.skew_scale);
        let change = velocity * seconds * share / (DAY * PPM) * skew.signum();
        let (before, after) = (self.funding_rate, self.funding_rate + change);
        self.funding_rate = after;
        let paid = (before + after) * seconds * self.price;
        // Longs pay the next step above, shorts receive the one below.
        let [above, below] = if paid > 0 { [1, 0] } else { [0, -1] };
        let steps = paid.abs() / (2 * DAY * ONE) * paid.signum();
        if paid != 0 {
            self.sides[0].carry += steps + above;
            self.sides[1].carry += steps + below;
        }
    }

    /// Funding rate per day, 48 fractional bits.
    pub fn funding_rate(&self) -> i128 {
        self.funding_rate
    }

    /// The carry indices of longs and shorts, 48 fractional bits.
    pub fn carry(&self) -> [i128; 2] {
        [self.sides[0].carry, self.sides[1].carry]
    }

    /// Net lots of all traders.
    pub fn skew(&self) -> i128 {
        self.sides[0].lots() + self.sides[1].lots()
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
        let curve = self.along_curve(lots);
        let worth = ceil(lots.abs() * self.price, ONE);
        let spread = ceil(worth * i128::from(self.params.base_spread_ppm), PPM);
        let fee = ceil(worth * i128::from(self.params.taker_fee_ppm), PPM);
        let fee_insurance = fee * i128::from(self.params.insurance_share_ppm) / PPM;
        let fee_protocol = fee * i128::from(self.params.protocol_share_ppm) / PPM;
        let realised = self.fill(position, lots, curve + spread);
        let fee_pool = fee - fee_insurance - fee_protocol;
        let parts = [fee_pool, fee_insurance, fee_protocol];
        self.fees.iter_mut().zip(parts).for_each(|(sum, part)| *sum += part);
        Expected { curve, spread, fee_pool, fee_insurance, fee_protocol, realised }
    }

    /// `Δ·P·(1 + (2S + Δ) / 2K)`, against who trades.
    fn along_curve(&self, lots: i128) -> i128 {
        let doubled = 2 * i128::from(self.params.skew_scale);
        ceil(lots * self.price * (doubled + 2 * self.skew() + lots), doubled * ONE)
    }

    /// Adds lots to a position at this cost, or takes them off; what that realises moves from the market's cash.
    fn fill(&mut self, position: &mut ModelPosition, lots: i128, cost: i128) -> i128 {
        let side = usize::from(if position.lots == 0 { lots < 0 } else { position.lots < 0 });
        let carry = (lots * self.sides[side].carry) >> 48;
        self.take_out(position); // pending unwinds are applied
        if position.lots * lots >= 0 {
            position.increased_at = self.accrued_at;
        }
        let realised = position.fill(lots, cost - carry);
        self.put_back(position, side);
        self.cash -= realised;
        realised
    }

    /// Files a position anew. A profit is realised as far as its holder owes quote, all of it here, but not while an exit would
    /// pay for being so quick: returns how much.
    pub fn settle(&mut self, position: &mut ModelPosition, owed: i128) -> i128 {
        let side = usize::from(position.lots < 0);
        let payable = self.cash - (self.unbacked - owed);
        let quick = self.accrued_at - position.increased_at < i64::from(self.params.toxic_window);
        let profit = if quick { 0 } else { self.pnl(position).min(owed).min(payable).max(0) };
        self.take_out(position);
        position.quote -= profit;
        self.put_back(position, side);
        self.cash -= profit;
        profit
    }

    /// What a position is worth now, quote units rounded down.
    pub fn pnl(&self, position: &ModelPosition) -> i128 {
        let Some((side, ..)) = position.filed else { return 0 };
        let (lots, quote) = self.held(position);
        ((lots * self.normal(side)) >> 48) + quote
    }

    /// The price as a side's positions see it, carry taken off, 48 fractional bits.
    fn normal(&self, side: usize) -> i128 {
        (self.price << 16) - self.sides[side].carry
    }

    /// What the market's money is worth for the pool: less what the traders are owed, rounded up.
    pub fn equity(&self) -> i128 {
        let owed = |side: usize| {
            let ladder = &self.sides[side];
            ladder.quote() - ((-ladder.lots() * self.normal(side)) >> 48)
        };
        self.cash - owed(0) - owed(1)
    }
}

impl ModelPosition {
    /// Signed lots, pending unwinds not applied.
    pub fn lots(&self) -> i128 {
        self.lots
    }

    /// Lots and quote.
    pub fn numbers(&self) -> [i128; 2] {
        [self.lots, self.quote]
    }

    /// Adds lots at a cost, or takes lots off and says what that realised: their part of `quote`, rounded down.
    fn fill(&mut self, lots: i128, cost: i128) -> i128 {
        let closes = self.lots.signum() == -lots.signum();
        let part = if closes { (self.quote * lots.abs()).div_euclid(self.lots.abs()) } else { cost };
        self.lots += lots;
        self.quote -= part;
        if closes { part - cost } else { 0 }
    }
}

impl Expected {
    /// The whole fee.
    pub fn fee(&self) -> i128 {
        self.fee_pool + self.fee_insurance + self.fee_protocol
    }
}

/// What redeeming `shares` of `supply` pays from a pool worth `nav`: their part with a thousand virtual ones or without, the
/// lesser, less the fee.
pub fn redemption(shares: u64, (nav, supply): (i128, u64), fee_ppm: u32) -> [i128; 2] {
    let part = |more: i128| i128::from(shares) * (nav + more) / (i128::from(supply) + more);
    let value = part(1_000).min(part(0));
    let fee = ceil(value * i128::from(fee_ppm), PPM);
    [value - fee, fee]
}

fn ceil(a: i128, b: i128) -> i128 {
    a.div_euclid(b) + i128::from(a.rem_euclid(b) != 0)
}

/// `amount · share`, a share of 2^32, rounded down.
fn share(amount: i128, share: i128) -> i128 {
    (amount * share) >> 32
}
