//! I17: a loss that was booked but not paid is not money.
//!
//! Random histories of several accounts in several markets: trades, prices, deposits, withdrawals, settlements, pool fills,
//! allocations, sweeps and bankruptcies. After every step what all accounts owe is at most what the markets hold back for it,
//! market by market what accounts remember is what the market does, and its tokens cover it: so nobody is ever paid from it.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::auction::{Moment, Offer};
use bulwark_engine::debt::{Debts, owed};
use bulwark_engine::deleverage::DeleverageParams;
use bulwark_engine::liquidation::PoolFill;
use bulwark_engine::margin::{Health, HealthType, Relief};
use bulwark_engine::market::{Market, MarketParams};
use bulwark_engine::position::Position;
use bulwark_engine::trade::{Order, Owes};
use bulwark_engine::units::{Quote, Side};
use bulwark_engine::waterfall::{Fund, Loss, WaterfallParams};
use bulwark_engine::{EngineError, Result, allocation};
use bytemuck::Zeroable;
use model::config;
use model::world::{
    DELEVERAGE, HALF, NOW, ONE, PARAMS, WATERFALL, any_lots, any_side, market, oracle, order,
};
use proptest::prelude::*;

const TRADERS: usize = 4;
const PLACES: usize = 3;

#[derive(Clone, Copy, Debug)]
enum Op {
    Increase { side: Side, lots: u64 },
    Decrease { eighths: u64 },
    Settle,
    Price { bits: u64 },
    Deposit { amount: u64 },
    Withdraw,
    PoolFill { takeover: bool },
    Allocate { target: u64 },
    Sweep,
    Resolve,
}

/// An operation, who does it and where.
type Step = (Op, usize, usize);

fn any_step() -> impl Strategy<Value = Step> {
    let op = prop_oneof![
        6 => (any_side(), any_lots(33)).prop_map(|(side, lots)| Op::Increase { side, lots }),
        5 => (1..=8_u64).prop_map(|eighths| Op::Decrease { eighths }),
        3 => Just(Op::Settle),
        5 => (ONE / 8..ONE * 8).prop_map(|bits| Op::Price { bits }),
        2 => any_lots(33).prop_map(|amount| Op::Deposit { amount }),
        2 => Just(Op::Withdraw),
        3 => any::<bool>().prop_map(|takeover| Op::PoolFill { takeover }),
        2 => prop_oneof![Just(0), any_lots(36)].prop_map(|target| Op::Allocate { target }),
        1 => Just(Op::Sweep),
        3 => Just(Op::Resolve),
    ];
    (op, 0..TRADERS, 0..PLACES)
}

#[derive(Clone, Debug)]
struct Trader {
    quote: i64,
    debts: Debts,
    slots: [Position; PLACES],
}

#[derive(Clone)]
struct World {
    traders: Vec<Trader>,
    markets: Vec<Market>,
    fund: Fund,
    idle: u64,
    /// Fees swept and pay that keepers took.
    gone: u64,
    /// Tokens that came in less those that left.
    tokens: i128,
}

impl World {
    fn new(reserve: u64, insurance: u64) -> Self {
        let trader = Trader { quote: 0, debts: Debts::zeroed(), slots: [Position::EMPTY; PLACES] };
        let waterfall = WaterfallParams { reserve_share_ppm: 300_000, ..WATERFALL };
        let deleverage = DeleverageParams { keeper_tip: 1_000, ..DELEVERAGE };
        let mut market =
            *market(&MarketParams { waterfall, deleverage, min_notional: 1_000, ..PARAMS }, HALF, 1 << 50);
        market.book.insurance = insurance;
        let (traders, markets) = (vec![trader; TRADERS], vec![market; PLACES]);
        let fund = Fund { reserve, ..Fund::default() };
        let mut world = Self { traders, markets, fund, idle: 0, gone: 0, tokens: 0 };
        world.tokens = world.money();
        world
    }

    /// Takes the pool's money out of all markets but what is left.
    fn lend(&mut self, left: u64) {
        for market in &mut self.markets {
            self.tokens -= i128::from(market.book.cash - left);
            market.book.cash = left;
        }
    }

    /// An operation of the account in the market, between the halves of the debt's own.
    fn trade(&mut self, (op, who, place): Step) -> Result<()> {
        let (trader, market) = (&mut self.traders[who], &mut self.markets[place]);
        let (index, slot) = (u16::try_from(place).unwrap(), &mut trader.slots[place]);
        let here = trader.debts.share(index, Quote(trader.quote))?;
        let owes = Owes { here, all: owed(Quote(trader.quote)) };
        trader.debts.lift(index, &mut market.book)?;
        let (mut side, mut pay) = (slot.side()?, None);
        let change = match op {
            Op::Increase { side: wanted, lots } => {
                side = if slot.is_open() { side } else { wanted };
                if !slot.is_open() {
                    *slot = Position::new(index, side);
                }
                market.increase(slot, side, &order(lots))?.quote_change
            }
            Op::Decrease { eighths } => {
                let held = market.book.side(side).member(slot)?.lots.count();
                let lots = if eighths == 8 { Order::ALL } else { held / 8 * eighths };
                market.decrease(slot, &order(lots))?.quote_change
            }
            Op::PoolFill { takeover } => {
                let fill = if takeover { PoolFill::Takeover } else { PoolFill::Reducing };
                let lot = market.lot(slot, Relief::default(), NOW)?;
                let leg = Health::of_position(market, slot, HealthType::Maint, NOW)?;
                // Collateral elsewhere makes it half healthy.
                let health = Health { equity: Quote(leg.requirement.0 / 2), ..leg };
                let place = (health, Moment::of(health, 50)?);
                let offer = market.pool_offer((fill, NOW), (side, &lot), place)?;
                let report = market.take_back(slot, (&lot, &offer), (fill, NOW))?;
                pay = Some(report);
                report.quote_change
            }
            _ => market.settle(slot, (owes, NOW))?.quote_change,
        };
        let quote = trader.debts.post((index, side), (Quote(trader.quote), change), &mut market.book)?;
        trader.quote = quote.0;
        if let Some(report) = pay {
            self.gone += market.pay_keeper(report, true)?.keeper;
        }
        Ok(())
    }

    fn run(&mut self, step: Step) -> Result<()> {
        let (op, who, place) = step;
        let (trader, market) = (&mut self.traders[who], &mut self.markets[place]);
        match op {
            Op::Price { bits } => market.oracle = oracle(bits),
            Op::Deposit { amount } => {
                trader.quote += i64::try_from(amount).unwrap();
                self.tokens += i128::from(amount);
            }
            Op::Withdraw => {
                let all = trader.quote.max(0);
                trader.quote -= all;
                self.tokens -= i128::from(all);
            }
            Op::Allocate { target } => {
                allocation::allocate(market, &mut self.idle, target)?;
            }
            Op::Sweep => self.gone += market.sweep().total()?,
            Op::Resolve => self.resolve(who, place)?,
            _ => self.trade(step)?,
        }
        Ok(())
    }

    fn resolve(&mut self, who: usize, place: usize) -> Result<()> {
        for claim in
            (0..PLACES).filter(|&place| self.traders[who].slots[place].is_claim()).collect::<Vec<_>>()
        {
            self.trade((Op::Settle, who, claim))?; // paid as far as there is something
        }
        let trader = &mut self.traders[who];
        let open = trader.slots.iter().any(|slot| slot.is_open() && !slot.is_claim());
        let claims: i64 = trader.slots.iter().map(|slot| slot.quote.0).sum();
        let index = u16::try_from(place).unwrap();
        let debt = trader.debts.share(index, Quote(trader.quote))?;
        if open || trader.quote + claims >= 0 || debt == 0 {
            return Err(EngineError::NotBankrupt(""));
        }
        for (market, slot) in self.markets.iter_mut().zip(&mut trader.slots) {
            market.forfeit(slot)?;
        }
        let (market, side) = (&mut self.markets[place], trader.debts.side(index)?);
        trader.debts.lift(index, &mut market.book)?;
        let report = market.resolve(&mut self.fund, &Loss { debt, side, now: NOW })?;
        assert_eq!(report.unpaid, 0, "a market has what backs a debt that it knows of");
        trader.debts.forgive(index, (Quote(trader.quote), report.unpaid), &mut market.book)?;
        trader.quote += i64::try_from(debt - report.unpaid).unwrap();
        Ok(())
    }

    fn apply(&mut self, step: Step) -> Result<()> {
        let mut next = self.clone();
        next.run(step)?;
        *self = next;
        Ok(())
    }

    /// Every token is on some ledger, and debts are the only ones below zero.
    fn money(&self) -> i128 {
        let quotes: i128 = self.traders.iter().map(|trader| i128::from(trader.quote)).sum();
        let books: i128 = self.markets.iter().map(|market| i128::from(market.book.tokens().unwrap())).sum();
        quotes + books + i128::from(self.fund.reserve) + i128::from(self.idle) + i128::from(self.gone)
    }

    fn require(&self) {
        assert_eq!(self.money(), self.tokens, "money");
        let mut unbacked = 0;
        for (place, market) in self.markets.iter().enumerate() {
            let known: u64 = self.traders.iter().map(|trader| trader.debts.held[place]).sum();
            assert_eq!(market.book.unbacked, known, "what accounts remember");
            assert!(
                market.book.tokens().unwrap() >= known,
                "{} of {known} is there",
                market.book.tokens().unwrap()
            );
            unbacked += i128::from(known);
        }
        let mut all = 0;
        for trader in &self.traders {
            let Debts { lost, held, total, .. } = trader.debts;
            assert_eq!(lost.iter().flatten().sum::<u64>(), total);
            assert!(lost.iter().zip(&held).all(|([a, b], held)| a + b <= *held), "held back until they meet");
            assert!(owed(Quote(trader.quote)) <= total, "{} of {total}", trader.quote);
            all += i128::from(owed(Quote(trader.quote)));
        }
        assert!(all <= unbacked);
        // So what is paid out of the quote balances above zero, and every other ledger, is really there.
        let due: i128 = self.traders.iter().map(|trader| i128::from(trader.quote.max(0))).sum();
        assert!(due <= self.tokens, "{due} of {}", self.tokens);
    }
}

proptest! {
    #![proptest_config(config(600))]

    /// Who wins is paid from what is backed, his own debt apart; the pool, its fees' owners and keepers likewise.
    #[test]
    fn what_accounts_owe_is_held_back_market_by_market_over_any_history(
        opened in prop::collection::vec((any_side(), 12..33_u32), TRADERS * PLACES),
        steps in prop::collection::vec(any_step(), 1..80), cash in prop_oneof![Just(0), any_lots(34)],
        reserve in prop_oneof![Just(0), any_lots(30)], insurance in prop_oneof![Just(0), any_lots(20)],
    ) {
        let mut world = World::new(reserve, insurance);
        for (i, &(side, bits)) in opened.iter().enumerate() {
            world.apply((Op::Increase { side, lots: 1 << bits }, i % TRADERS, i / TRADERS)).unwrap();
        }
        world.lend(cash);
        for &step in &steps {
            let before = world.clone();
            if world.apply(step).is_err() {
                continue;
            }
            world.require();
            let (op, who, place) = step;
            let (was, is) = (&before.markets[place].book, &world.markets[place].book);
            let own = before.traders[who].debts.held[place];
            let gained = world.traders[who].quote - before.traders[who].quote;
            if matches!(op, Op::Decrease { .. } | Op::Settle | Op::PoolFill { .. }) && gained > 0 {
                let backed = was.cash.saturating_sub(was.unbacked - own);
                prop_assert!(gained.unsigned_abs() <= backed, "{} of {} backed", gained, backed);
            }
            if matches!(op, Op::Allocate { .. } | Op::Sweep) {
                let left = was.tokens().unwrap().saturating_sub(is.tokens().unwrap());
                prop_assert!(left <= was.tokens().unwrap() - was.unbacked, "nobody takes what is not backed");
            }
        }
    }
}

/// Nobody else holds anything here: what a keeper is paid must not be what the account in trouble owes itself.
#[test]
fn a_keeper_is_not_paid_from_a_loss_that_the_account_has_not_paid_by_hand() {
    // A long of 100 000 lots entered at 1, mark 0.9: a loss of 10 000. All of the account's worth is collateral.
    let mut market = market(&MarketParams { min_notional: 1_000, ..PARAMS }, ONE, 0);
    let mut position = model::world::admit(&mut market, Side::Long, 100_000, -100_000);
    market.oracle = oracle(ONE / 10 * 9);
    let requirement = Health::of_position(&market, &position, HealthType::Maint, NOW).unwrap().requirement;
    let health = Health { equity: Quote(requirement.0 / 2), requirement };
    let lot = market.lot(&position, Relief::default(), NOW).unwrap();
    let moment = Moment::of(health, 0).unwrap();
    let offer = Offer { lots: lot.held, ..Offer::at_once(&lot, health, moment).unwrap() };
    let mut debts = Debts::zeroed();
    debts.lift(0, &mut market.book).unwrap();
    let report = market.take_back(&mut position, (&lot, &offer), (PoolFill::Reducing, NOW)).unwrap();
    debts.post((0, Side::Long), (Quote::ZERO, report.quote_change), &mut market.book).unwrap();
    let book = &market.book;
    assert!(
        book.tokens().unwrap() >= book.unbacked,
        "{} of {}, {report:?}",
        book.tokens().unwrap(),
        book.unbacked
    );
}
