//! Accounts in trouble: any side, carry, pending unwinds, prices and cash, with or without other legs.

#![allow(dead_code, reason = "every test crate uses its own part")]

use bulwark_engine::Result;
use bulwark_engine::auction::{Auction, Lot, Moment, Offer};
use bulwark_engine::deleverage::DeleverageParams;
use bulwark_engine::liquidation::{LiquidationReport, PoolFill};
use bulwark_engine::margin::{Health, HealthType, Relief};
use bulwark_engine::market::{Market, MarketParams};
use bulwark_engine::position::Position;
use bulwark_engine::units::{Quote, Side};
use fixed::types::I80F48;
use proptest::prelude::*;

use crate::model::world::{DELEVERAGE, NOW, ONE, PARAMS, admit, any_lots, any_side, market, oracle, price};
use crate::model::{Exact, int, of_carry, of_price, pnl, ratio};

/// A market, its positions and what their owners have besides: the first is in trouble, the second may take over.
#[derive(Clone)]
pub struct Scene {
    pub market: Box<Market>,
    pub positions: Vec<Position>,
    pub quotes: Vec<i64>,
    /// Other legs of the account in trouble.
    pub elsewhere: Health,
}

impl std::fmt::Debug for Scene {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (book, params) = (&self.market.book, &self.market.params);
        let totals = [&book.long, &book.short].map(|side| (side.lots, side.cost, side.carry));
        let limits = (params.mmf_ppm, params.liquidation_fee_ppm, params.step, params.min_notional);
        let mark = self.market.mark();
        write!(
            f,
            "{mark:?} {limits:?} cash {} {totals:?} {:?} {:?} {:?}",
            book.cash, self.positions, self.quotes, self.elsewhere
        )
    }
}

impl Scene {
    /// The side of the first position.
    pub fn side(&self) -> Side {
        self.positions[0].side().unwrap()
    }

    fn lots(&self, who: usize) -> Exact {
        let position = &self.positions[who];
        if !position.is_open() {
            return int(0);
        }
        int(self.market.book.side(position.side().unwrap()).member(position).unwrap().lots.count())
    }

    /// Exact worth of a position and its owner's quote.
    pub fn value(&self, who: usize) -> Exact {
        let position = &self.positions[who];
        let quote = int(self.quotes[who]);
        if !position.is_open() {
            return quote;
        }
        let ladder = self.market.book.side(position.side().unwrap());
        let held = ladder.member(position).unwrap();
        quote + pnl(held, &of_price(self.market.mark()), &of_carry(ladder.carry))
    }

    /// Exact equity of the account in trouble.
    pub fn equity(&self) -> Exact {
        self.value(0) + int(self.elsewhere.equity.0)
    }

    /// Exact requirement of the account in trouble.
    pub fn requirement(&self) -> Exact {
        let mmf = ratio(self.market.mmf_ppm(), 1_000_000);
        self.lots(0) * of_price(self.market.mark()) * mmf + int(self.elsewhere.requirement.0)
    }

    /// The health that the engine finds.
    pub fn health(&self) -> Health {
        let quote = Health { equity: Quote(self.quotes[0]), requirement: Quote::ZERO };
        let sum = quote.plus(self.elsewhere).unwrap();
        if !self.positions[0].is_open() {
            return sum;
        }
        sum.plus(Health::of_position(&self.market, &self.positions[0], HealthType::Maint, NOW).unwrap())
            .unwrap()
    }

    /// The position on offer.
    pub fn lot(&self) -> Lot {
        self.market.lot(&self.positions[0], Relief::default(), NOW).unwrap()
    }

    /// The first call of a slot, so many slots into the auction.
    pub fn moment(&self, elapsed: u64) -> Moment {
        Moment::of(self.health(), elapsed).unwrap()
    }

    /// What the pool offers at the first call of a slot.
    pub fn pool_offer(&self, fill: PoolFill, elapsed: u64) -> Offer {
        let (lot, moment) = (self.lot(), self.moment(elapsed));
        self.market.pool_offer((fill, NOW), (self.side(), &lot), (self.health(), moment)).unwrap()
    }

    /// Exact `E_m`.
    pub fn market_equity(&self) -> Exact {
        let (book, mark) = (&self.market.book, of_price(self.market.mark()));
        Side::BOTH.into_iter().fold(int(book.cash), |sum, side| {
            let ladder = book.side(side);
            sum - pnl(ladder.holding().unwrap(), &mark, &of_carry(ladder.carry))
        })
    }

    /// All money.
    pub fn money(&self) -> i128 {
        let quotes: i128 = self.quotes.iter().map(|&quote| i128::from(quote)).sum();
        quotes + i128::from(self.market.book.tokens().unwrap())
    }

    /// The second account takes over what the auction offers now.
    pub fn take_over(&mut self, elapsed: u64, most: u64) -> Result<LiquidationReport> {
        let lot = self.lot();
        self.take_at(&lot, &Offer::at(&lot, self.health(), Moment::of(self.health(), elapsed)?)?, most)
    }

    /// Somebody calls the account's auction in every slot up to this one.
    pub fn keep_calling(&self, auction: &mut Auction, slot: u64) {
        let from = if auction.started == 0 { slot } else { auction.touched + 1 };
        for slot in from..=slot {
            let mut next = *auction;
            if next.call(slot, (self.health(), true)).is_ok() {
                *auction = next;
            }
        }
    }

    /// As [`Scene::take_over`], by a call of the account's auction at `slot`, which was kept running until then.
    pub fn call(&mut self, auction: &mut Auction, slot: u64, most: u64) -> Result<LiquidationReport> {
        self.keep_calling(auction, slot);
        let (lot, moment) = (self.lot(), auction.call(slot, (self.health(), true))?);
        self.take_at(&lot, &Offer::at(&lot, self.health(), moment)?, most)
    }

    /// The second account takes over at this offer. An error changes nothing.
    pub fn take_at(&mut self, lot: &Lot, offer: &Offer, most: u64) -> Result<LiquidationReport> {
        let mut next = self.clone();
        let [from, to] = &mut next.positions[..2] else { panic!() };
        if !to.is_open() {
            *to = Position::new(0, from.side()?);
        }
        let report = next.market.take_over([from, to], (lot, offer), (most, NOW))?;
        next.quotes[0] += report.quote_change.0;
        *self = next;
        Ok(report)
    }

    /// The pool takes the position. An error changes nothing.
    pub fn take_back(&mut self, offer: &Offer, fill: PoolFill) -> Result<LiquidationReport> {
        let (mut next, lot) = (self.clone(), self.lot());
        let report = next.market.take_back(&mut next.positions[0], (&lot, offer), (fill, NOW))?;
        next.quotes[0] += report.quote_change.0;
        let report = next.market.pay_keeper(report, true)?;
        *self = next;
        Ok(report)
    }
}

/// Parameters with any margin, fee, step and least notional.
pub fn any_params() -> impl Strategy<Value = MarketParams> {
    let step = prop_oneof![3 => Just(1), 1 => 1..1_000_u64];
    let least = prop_oneof![3 => Just(1), 1 => any_lots(28)];
    let tip = prop_oneof![Just(0), 0..1_000_u64];
    (0..=50_000_u32, 0..=50_000_u32, 0..=800_000_u32, step, least, tip).prop_map(
        |(fee, impact, mmf, step, least, tip)| {
            let mmf_ppm = mmf.max(fee + impact + 3_000).max(5_000);
            MarketParams {
                mmf_ppm,
                imf_ppm: 1_000_000,
                liquidation_fee_ppm: fee,
                max_impact_ppm: impact,
                max_gap_ppm: 1_000,
                step,
                min_notional: least,
                deleverage: DeleverageParams { keeper_tip: tip.min(least), ..DELEVERAGE },
                ..PARAMS
            }
        },
    )
}

fn enter(market: &mut Market, side: Side, lots: u64, entry: u64) -> Position {
    let cost = int(lots) * (of_price(price(entry)) - of_carry(market.book.side(side).carry));
    let q = if side == Side::Long { (-cost).floor() } else { cost.floor() };
    admit(market, side, lots, i64::try_from(q.to_integer()).unwrap())
}

prop_compose! {
    fn scene()(
        params in any_params(), side in any_side(), lots in any_lots(33), entries in prop::collection::vec(ONE / 2..ONE * 2, 2),
        taker in prop_oneof![Just(0), any_lots(33)],
        others in prop::collection::vec((any_side(), any_lots(33), ONE / 2..ONE * 2), 0..5),
        carry in prop_oneof![Just([0, 0]), [-(1_i64 << 45)..(1_i64 << 45), -(1_i64 << 45)..(1_i64 << 45)]],
        unwinds in prop::collection::vec((any_side(), 0..=1_u64 << 31, ONE / 2..ONE * 2), 0..3),
        mark in ONE / 2..ONE * 2, health in -200_000..1_200_000_i64, cash in prop_oneof![3 => Just(1_u64 << 50), 1 => 0..1_000_000_u64],
        elsewhere in prop_oneof![2 => Just((0, 0)), 1 => (-400..400_i64, 0..400_i64)],
    ) -> Scene {
        let mut market = market(&params, ONE, cash);
        for (side, carry) in Side::BOTH.into_iter().zip(carry) {
            market.book.side_mut(side).carry.set(I80F48::from_bits(i128::from(carry)));
        }
        let mut positions = vec![enter(&mut market, side, lots, entries[0]), Position::EMPTY];
        if taker != 0 {
            positions[1] = enter(&mut market, side, taker, entries[1]);
        }
        positions.extend(others.iter().map(|&(side, lots, entry)| enter(&mut market, side, lots, entry)));
        for &(side, h, at) in &unwinds {
            market.book.side_mut(side).unwind(price(at), h).unwrap();
        }
        market.oracle = oracle(mark);
        let quotes = vec![0; positions.len()];
        let mut scene = Scene { market, positions, quotes, elsewhere: Health::default() };
        let whole = |x: Exact| i64::try_from(x.floor().to_integer()).unwrap();
        let own = scene.requirement();
        let part = |percent: i64| Quote(whole(&own * ratio(percent, 100)));
        scene.elsewhere = Health { equity: part(elsewhere.0), requirement: part(elsewhere.1) };
        scene.quotes[0] = whole(scene.requirement() * ratio(health, 1_000_000) - scene.equity());
        scene
    }
}

/// Any scene in which the first account has lots, its equity −0.2 to 1.2 of its requirement.
pub fn any_scene() -> impl Strategy<Value = Scene> {
    scene().prop_filter("an unwind left no lots", |scene| scene.lots(0) > int(0))
}
