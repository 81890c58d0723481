//! A market with a handful of accounts, driven by random operations, and what must hold after each.

use bulwark_engine::Result;
use bulwark_engine::carry::CarryParams;
use bulwark_engine::deleverage::DeleverageParams;
use bulwark_engine::fill::Curve;
use bulwark_engine::ladder::{BUCKETS, FRACTION_ONE, Ladder, UnwindReport};
use bulwark_engine::market::{Market, MarketParams};
use bulwark_engine::position::{Holding, Position};
use bulwark_engine::price::{OracleParams, OracleState, Reading};
use bulwark_engine::trade::{Order, Owes, SettleReport, TradeReport};
use bulwark_engine::units::{Lots, MAX_LOTS, NormalPrice, Price, Quote, Side};
use bulwark_engine::volatility::VolatilityParams;
use bulwark_engine::waterfall::WaterfallParams;
use bytemuck::Zeroable;
use fixed::types::I80F48;
use proptest::prelude::*;

use super::{Exact, Model, curve_cost, int, of_carry, of_price, pnl, ratio, spread_cost};

/// Accounts of a world.
pub const ACCOUNTS: usize = 6;
/// The clock of every test: prices are always fresh.
pub const NOW: i64 = 1_000_000;
/// Half a quote unit per lot.
pub const HALF: u64 = 1 << 31;
/// One quote unit per lot.
pub const ONE: u64 = 1 << 32;

/// Nobody stands behind the market but its winners and its pool money.
pub const WATERFALL: WaterfallParams =
    WaterfallParams { reserve_share_ppm: 0, first_loss_ppm: 0, backing_ppm: 0, tail: 0, _padding: [0; 3] };

/// Exposure is never reduced, keepers are paid nothing.
pub const DELEVERAGE: DeleverageParams = DeleverageParams {
    inventory_cap: u64::MAX,
    keeper_tip: 0,
    profit_high_ppm: 1_000_000,
    profit_target_ppm: 900_000,
};

/// Parameters with caps far away, fees and spread on.
pub const PARAMS: MarketParams = MarketParams {
    skew_scale: 1_000_000_000_000,
    max_oi: MAX_LOTS,
    share_floor: MAX_LOTS,
    min_notional: 1,
    step: 1,
    oi_margin_low: MAX_LOTS,
    oi_margin_high: u64::MAX,
    taker_fee_ppm: 500,
    insurance_share_ppm: 200_000,
    protocol_share_ppm: 100_000,
    base_spread_ppm: 100,
    conf_spread_ppm: 1_000_000,
    max_impact_ppm: 50_000,
    max_skew_ppm: 2_000_000,
    profit_cap_ppm: 1_000_000,
    max_share_ppm: 1_000_000,
    mmf_ppm: 120_000,
    imf_ppm: 200_000,
    profit_weight_ppm: 500_000,
    liquidation_fee_ppm: 10_000,
    max_gap_ppm: 50_000,
    target_weight_ppm: 100_000,
    toxic_window: 0,
    toxic_fee_ppm: 0,
    lot_decimals: 9,
    risk_group: 0,
    max_outage: 3_600,
    carry: CarryParams::NONE,
    volatility: VolatilityParams::NONE,
    waterfall: WATERFALL,
    deleverage: DELEVERAGE,
    oracle: OracleParams::DEFAULT,
};

/// The price with these bits.
pub fn price(bits: u64) -> Price {
    Price::from_bits(bits).unwrap()
}

/// A fresh, certain price.
pub fn oracle(bits: u64) -> OracleState {
    OracleState::first(&Reading { price: price(bits), conf: 0, publish_time: NOW })
}

/// A new market.
pub fn market(params: &MarketParams, bits: u64, cash: u64) -> Box<Market> {
    let mut market = Box::new(Market::zeroed());
    market.initialize(params, oracle(bits)).unwrap();
    market.book.cash = cash;
    market
}

/// An order without limit.
pub fn order(lots: u64) -> Order {
    Order { lots, limit: None, now: NOW }
}

/// An account: what the market owes it or it owes is in `position`, the rest in `quote`.
#[derive(Clone, Copy, Debug)]
pub struct Account {
    /// Quote balance.
    pub quote: i64,
    /// Its only slot.
    pub position: Position,
}

/// One step of a history.
#[derive(Clone, Copy, Debug)]
pub enum Op {
    /// Adds lots; `side` counts for an empty slot only.
    Increase { who: usize, side: Side, lots: u64 },
    /// Closes that many eighths of the position, all at 8.
    Decrease { who: usize, eighths: u64 },
    /// Settles.
    Settle { who: usize },
    /// Moves price and average.
    Price { bits: u64 },
    /// Moves both carry indices, Q48.
    Carry { long: i64, short: i64 },
    /// Unwinds `h / 2^32` of a side's winners.
    Unwind { side: Side, h: u64 },
    /// Moves all but `left` of the pool's money out of the market, or back in.
    Lend { left: u64 },
}

/// What an operation did.
#[derive(Clone, Copy, Debug)]
pub enum Done {
    /// Increase or decrease.
    Trade(TradeReport),
    /// Settle.
    Settle(SettleReport),
    /// Unwind.
    Unwind(UnwindReport),
    /// Price, carry or cash.
    Moved,
}

/// A market and its accounts.
#[derive(Clone)]
pub struct World {
    /// The market.
    pub market: Box<Market>,
    /// The accounts.
    pub accounts: Vec<Account>,
    /// Money taken out of the market's cash.
    pub outside: i128,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let book = &self.market.book;
        let totals = [&book.long, &book.short].map(|side| (side.lots, side.cost, side.carry));
        write!(f, "World {{ {:?}, cash {}, {totals:?}, {:?} }}", self.market.oracle, book.cash, self.accounts)
    }
}

impl World {
    /// A world at a price.
    pub fn new(params: &MarketParams, bits: u64, cash: u64) -> Self {
        let accounts = vec![Account { quote: 0, position: Position::EMPTY }; ACCOUNTS];
        Self { market: market(params, bits, cash), accounts, outside: 0 }
    }

    /// Applies an operation. An error discards everything, as a failed transaction does.
    pub fn apply(&mut self, op: &Op) -> Result<Done> {
        let mut next = self.clone();
        let done = next.run(op)?;
        *self = next;
        Ok(done)
    }

    fn run(&mut self, op: &Op) -> Result<Done> {
        let market = &mut self.market;
        match *op {
            Op::Increase { who, side, lots } => {
                let account = &mut self.accounts[who];
                let position = &mut account.position;
                let side = if position.is_open() { position.side()? } else { side };
                if !position.is_open() {
                    *position = Position::new(0, side);
                }
                let report = market.increase(position, side, &order(lots))?;
                account.quote += report.quote_change.0;
                Ok(Done::Trade(report))
            }
            Op::Decrease { who, eighths } => {
                let account = &mut self.accounts[who];
                let held = market.book.side(account.position.side()?).member(&account.position)?.lots.count();
                let lots = if eighths >= 8 { Order::ALL } else { held / 8 * eighths };
                let report = market.decrease(&mut account.position, &order(lots))?;
                account.quote += report.quote_change.0;
                Ok(Done::Trade(report))
            }
            Op::Settle { who } => {
                let account = &mut self.accounts[who];
                let report = market.settle(&mut account.position, (Owes::default(), NOW))?;
                account.quote += report.quote_change.0;
                Ok(Done::Settle(report))
            }
            Op::Price { bits } => {
                market.oracle = oracle(bits);
                Ok(Done::Moved)
            }
            Op::Carry { long, short } => {
                market.book.long.carry.set(I80F48::from_bits(i128::from(long)));
                market.book.short.carry.set(I80F48::from_bits(i128::from(short)));
                Ok(Done::Moved)
            }
            Op::Unwind { side, h } => {
                let mark = market.mark();
                Ok(Done::Unwind(market.book.side_mut(side).unwind(mark, h)?))
            }
            Op::Lend { left } => {
                self.outside += i128::from(market.book.cash) - i128::from(left);
                market.book.cash = left;
                Ok(Done::Moved)
            }
        }
    }

    /// What an account's position holds with its pending unwind applied.
    pub fn holding(&self, who: usize) -> Holding {
        let position = &self.accounts[who].position;
        if !position.is_open() {
            return Holding::default();
        }
        self.market.book.side(position.side().unwrap()).member(position).unwrap()
    }

    /// As [`World::holding`], not rounded: `(b·A/A_joined, q·A/A_joined)`.
    pub fn unrounded(&self, who: usize) -> (Exact, Exact) {
        let position = &self.accounts[who].position;
        if !position.is_open() {
            return (int(0), int(0));
        }
        let ladder = self.market.book.side(position.side().unwrap());
        let left = ratio(ladder.bucket(position.bucket).unwrap().unwind, position.unwind);
        (int(position.lots.0) * &left, int(position.quote.0) * left)
    }

    /// As [`World::value`], but a pending unwind is not rounded: no less than settling would leave.
    pub fn unrounded_value(&self, who: usize) -> Exact {
        let Ok(side) = self.accounts[who].position.side() else { return int(self.accounts[who].quote) };
        let (b, q) = self.unrounded(who);
        int(self.accounts[who].quote) + b * self.normal(side) + q
    }

    /// Mark price less the side's carry.
    pub fn normal(&self, side: Side) -> Exact {
        of_price(self.market.mark()) - of_carry(self.market.book.side(side).carry)
    }

    /// The exact PnL of what an account would hold when settled.
    pub fn pnl(&self, who: usize) -> Exact {
        let position = &self.accounts[who].position;
        let Ok(side) = position.side() else { return int(0) };
        pnl(self.holding(who), &of_price(self.market.mark()), &of_carry(self.market.book.side(side).carry))
    }

    /// Quote and exact PnL of an account.
    pub fn value(&self, who: usize) -> Exact {
        int(self.accounts[who].quote) + self.pnl(who)
    }

    /// Sum of all values.
    pub fn values(&self) -> Exact {
        (0..ACCOUNTS).fold(int(0), |sum, who| sum + self.value(who))
    }

    /// All money there is: every quote balance, cash, insurance, fees and what was moved out.
    pub fn money(&self) -> i128 {
        let quotes: i128 = self.accounts.iter().map(|a| i128::from(a.quote)).sum();
        quotes + i128::from(self.market.book.tokens().unwrap()) + self.outside
    }

    /// Σq over the claims.
    pub fn claims(&self) -> u64 {
        let claims = self.accounts.iter().filter(|a| a.position.is_claim());
        claims.map(|a| u64::try_from(a.position.quote.0).unwrap()).sum()
    }

    /// The buckets that an unwind would scale now.
    pub fn unwound_buckets(&self, side: Side) -> Vec<u8> {
        let (mut after, mark) = (self.clone(), self.market.mark());
        after.market.book.side_mut(side).unwind(mark, FRACTION_ONE / 2).unwrap();
        let (a, b) = (&self.market.book.side(side).buckets, &after.market.book.side(side).buckets);
        (0..BUCKETS).filter(|&i| a[i].unwind != b[i].unwind).map(|i| u8::try_from(i).unwrap()).collect()
    }

    /// The accounts in these buckets of a side.
    pub fn members(&self, side: Side, buckets: &[u8]) -> Vec<usize> {
        let inside = |p: &Position| p.is_open() && p.side() == Ok(side) && buckets.contains(&p.bucket);
        (0..ACCOUNTS).filter(|&who| inside(&self.accounts[who].position)).collect()
    }

    /// An account has lots or a claim on the side.
    pub fn is_on(&self, who: usize, side: Side) -> bool {
        self.accounts[who].position.is_open() && self.accounts[who].position.side() == Ok(side)
    }
}

/// A world and the exact model of it, in lockstep.
#[derive(Clone)]
pub struct Twin {
    /// The engine.
    pub world: World,
    /// The reference.
    pub model: Model,
    /// Trades so far: each rounds by less than 6 units.
    pub trades: u32,
}

impl Twin {
    /// Both at a price.
    pub fn new(params: &MarketParams, bits: u64, cash: u64) -> Self {
        Self {
            world: World::new(params, bits, cash),
            model: Model::new(price(bits), cash, ACCOUNTS),
            trades: 0,
        }
    }

    /// Applies the operation to both if the engine accepts it.
    pub fn apply(&mut self, op: &Op) -> Result<Done> {
        let (skew, curve) = (self.world.market.book.skew()?.0, self.world.market.curve(NOW)?);
        let before = self.world.clone();
        let done = self.world.apply(op)?;
        let fill = |lots: i64| {
            let cost = curve_cost(&curve, clamp(&curve), skew, lots) + spread_cost(&curve, lots);
            let notional = int(lots.unsigned_abs()) * of_price(curve.price);
            (cost, notional * ratio(self.world.market.params.taker_fee_ppm, 1_000_000))
        };
        match (*op, done) {
            (Op::Increase { who, .. }, Done::Trade(report)) => {
                let (cost, fee) = fill(report.fill.lots.0);
                let side = self.world.accounts[who].position.side()?;
                self.model.increase(who, (side, report.fill.lots.0), &cost, &fee);
                self.trades += 1;
            }
            (Op::Decrease { who, .. }, Done::Trade(report)) => {
                let (cost, fee) = fill(report.fill.lots.0);
                self.model.decrease(who, report.fill.lots.0, &cost, &fee);
                self.trades += 1;
            }
            (Op::Price { bits }, _) => self.model.price = of_price(price(bits)),
            (Op::Carry { long, short }, _) => {
                self.model.carry = [ratio(long, 1_u64 << 48), ratio(short, 1_u64 << 48)];
            }
            (Op::Unwind { side, h }, _) => {
                let members = before.members(side, &before.unwound_buckets(side));
                self.model.unwind(&members, &ratio(FRACTION_ONE - h, FRACTION_ONE));
            }
            (Op::Lend { left }, _) => self.model.cash = int(left),
            _ => {}
        }
        Ok(done)
    }
}

/// What scaling a bucket of factor `unwind` by `h / 2^32` may add to this signed amount of it, at most: `A'/A` lies in
/// `(1 − h − 1/A, 1 − h]`, amounts above zero are scaled by the upper bound, rounded up, those below by the lower one with
/// `|v|/A` rounded up too. It is exact, but for one rounding, where `A·(1 − h)` is whole.
pub fn grain(unwind: u64, h: u64, amount: i64) -> Exact {
    let scaled = u128::from(unwind) * u128::from(FRACTION_ONE - h);
    if scaled.trailing_zeros() >= 32 {
        return int(1);
    }
    int(1 + u32::from(amount < 0)) + ratio(amount.unsigned_abs(), unwind)
}

/// Where the line of a curve is clamped: `K·max_impact`, rounded down to a lot.
pub fn clamp(curve: &Curve) -> u64 {
    let clamp = u128::from(curve.skew_scale) * u128::from(curve.max_impact_ppm) / 1_000_000;
    u64::try_from(clamp).unwrap()
}

/// Lots of any magnitude up to `2^bits`.
pub fn any_lots(bits: u32) -> impl Strategy<Value = u64> {
    (0..bits).prop_flat_map(|k| (1_u64 << k)..=(2_u64 << k))
}

/// Either side.
pub fn any_side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Long), Just(Side::Short)]
}

/// Trades and settlements that don't move the price.
pub fn any_trade() -> impl Strategy<Value = Op> {
    let who = 0..ACCOUNTS;
    prop_oneof![
        4 => (who.clone(), any_side(), any_lots(33)).prop_map(|(who, side, lots)| Op::Increase { who, side, lots }),
        3 => (who.clone(), 1..=8_u64).prop_map(|(who, eighths)| Op::Decrease { who, eighths }),
        1 => who.prop_map(|who| Op::Settle { who }),
    ]
}

/// A move of price (0.125 to 8) or of carry (±0.25).
pub fn any_move() -> impl Strategy<Value = Op> {
    let carry = -(1_i64 << 46)..(1_i64 << 46);
    prop_oneof![
        3 => (ONE / 8..ONE * 8).prop_map(|bits| Op::Price { bits }),
        1 => (carry.clone(), carry).prop_map(|(long, short)| Op::Carry { long, short }),
    ]
}

/// A fraction to unwind: up to all but 2^-32, mostly up to a half, sometimes so little that only rounding moves.
pub fn any_fraction() -> impl Strategy<Value = u64> {
    prop_oneof![7 => 0..=FRACTION_ONE / 2, 1 => 0..FRACTION_ONE, 1 => 0..64_u64]
}

/// An unwind of a side's winners.
pub fn any_unwind() -> impl Strategy<Value = Op> {
    (any_side(), any_fraction()).prop_map(|(side, h)| Op::Unwind { side, h })
}

/// The pool's money is moved out, or back in.
pub fn any_lend() -> impl Strategy<Value = Op> {
    prop_oneof![Just(0), 0..1_000_000_u64, Just(1_u64 << 50)].prop_map(|left| Op::Lend { left })
}

/// A ladder with positions that never traded: what a unit test of the ladder alone needs.
pub fn ladder(side: Side, bits: u64) -> Box<Ladder> {
    let mut ladder = Box::new(Ladder::zeroed());
    ladder.initialize(side, price(bits));
    ladder
}

/// A position of `lots` with quote `q`, made a member.
pub fn join(ladder: &mut Ladder, lots: u64, q: i64) -> Position {
    let side = ladder.side().unwrap();
    let mut position = Position::new(0, side);
    position.lots = Lots::on(side, lots).unwrap();
    position.quote = Quote(q);
    ladder.join(&mut position).unwrap();
    position
}

/// As [`join`], in a market that counts its positions.
pub fn admit(market: &mut Market, side: Side, lots: u64, q: i64) -> Position {
    market.book.positions += u64::from(lots != 0);
    join(market.book.side_mut(side), lots, q)
}

/// A price without carry.
pub fn plain(price: Price) -> NormalPrice {
    NormalPrice::new(price, bulwark_engine::units::CarryIndex::default()).unwrap()
}
