//! I11: the borrow rate follows utilisation from event to event, and carry stays with the lots that were held while it
//! grew: through partial increases and decreases, through flips, through moves of the price.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::carry::CarryParams;
use bulwark_engine::market::MarketParams;
use bulwark_engine::position::Position;
use bulwark_engine::price::{OracleState, Reading, Selection};
use bulwark_engine::trade::{Order, Owes};
use bulwark_engine::units::Side;
use model::carry::{Carry, book};
use model::world::{Account, HALF, NOW, ONE, PARAMS, World, any_lots, any_side, price};
use model::{Exact, config, int, of_price, ratio};
use num_traits::Signed;
use proptest::prelude::*;

fn any_borrow() -> impl Strategy<Value = CarryParams> {
    (0..=10_000_u32, 0..=100_000_u32, 0..=1_000_000_u32, 100_000..=950_000_u32).prop_map(
        |(borrow_base_ppm, borrow_slope_ppm, borrow_steep_ppm, borrow_kink_ppm)| CarryParams {
            borrow_base_ppm,
            borrow_slope_ppm,
            borrow_steep_ppm,
            borrow_kink_ppm,
            ..CarryParams::NONE
        },
    )
}

/// The kinked line, exact.
fn kinked(params: &CarryParams, utilisation: u32) -> Exact {
    let (used, kink) = (int(utilisation), int(params.borrow_kink_ppm));
    let below = int(params.borrow_slope_ppm) * used.clone().min(kink.clone()) / &kink;
    let above = (used - &kink).max(int(0)) / (int(1_000_000) - kink);
    int(params.borrow_base_ppm) + below + int(params.borrow_steep_ppm) * above
}

proptest! {
    #![proptest_config(config(1_000))]

    #[test]
    fn the_borrow_rate_is_the_kinked_line_rounded_up(
        params in any_borrow(), a in 0..=1_000_000_u32, b in 0..=1_000_000_u32,
    ) {
        prop_assert_eq!(params.validate(), Ok(()));
        let rate = |at| int(params.borrow_rate(at));
        for at in [a, 0, params.borrow_kink_ppm, 1_000_000] {
            let exact = kinked(&params, at);
            prop_assert!(rate(at) >= exact && rate(at) < exact + int(2), "each of two slopes rounds");
        }
        prop_assert_eq!(rate(a) <= rate(b), a <= b || rate(a) == rate(b));
        let CarryParams { borrow_base_ppm: base, borrow_slope_ppm: slope, borrow_steep_ppm: steep, .. } = params;
        prop_assert_eq!(params.borrow_rate(0), base);
        prop_assert_eq!(params.borrow_rate(params.borrow_kink_ppm), base + slope);
        prop_assert_eq!(params.borrow_rate(1_000_000), base + slope + steep);
        prop_assert_eq!(params.borrow_rate(u32::MAX), base + slope + steep, "more than full is full");
    }

    /// `|S|·P / E_m` by the equity that the book has now, at most full, rounded up.
    #[test]
    fn the_borrow_rate_in_force_is_that_of_the_utilisation(
        params in any_borrow(), long in any_lots(40), short in any_lots(40), bits in ONE / 8..ONE * 8,
        cash in any_lots(44), from in ONE / 8..ONE,
    ) {
        let mut market = book(&MarketParams { carry: params, ..PARAMS }, from, [long, short]);
        market.oracle.price = price(bits);
        market.book.cash = cash;
        market.update_borrow_rate().unwrap();
        let notional = (int(long.abs_diff(short)) * of_price(market.mark())).ceil();
        let equity = int(market.book.equity(market.mark()).unwrap().0);
        let expected = if notional == int(0) {
            0
        } else if notional >= equity {
            params.borrow_rate(1_000_000)
        } else {
            let used = (notional * int(1_000_000) / equity).ceil().to_integer();
            params.borrow_rate(u32::try_from(used).unwrap())
        };
        prop_assert_eq!(market.carry.borrow_ppm, expected);
    }
}

/// One step of a history: after `wait` seconds, account `who` trades.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Opens or adds on the side; a position on the other side is closed first: a flip.
    Buy(usize, Side, u64),
    /// Closes that many quarters.
    Close(usize, u64),
    /// Settles.
    Settle(usize),
    /// Anyone accrues.
    Accrue,
}

fn any_step() -> impl Strategy<Value = (i64, Step)> {
    let who = 0..3_usize;
    let step = prop_oneof![
        4 => (who.clone(), any_side(), any_lots(30)).prop_map(|(who, side, lots)| Step::Buy(who, side, lots.max(16))),
        2 => (who.clone(), 1..=4_u64).prop_map(|(who, quarters)| Step::Close(who, quarters)),
        1 => who.prop_map(Step::Settle),
        1 => Just(Step::Accrue),
    ];
    (prop_oneof![Just(0), 1..=60_i64, 0..=5_000_i64], step)
}

/// What an account should have: its costs and, lot by lot and second by second, its carry.
#[derive(Clone, Debug)]
struct Ledger {
    lots: Exact,
    side: Side,
    spent: Exact,
    /// Trades and settlements, each of which rounds by two units at most.
    calls: i64,
}

/// A market whose carry is fast, and the exact model beside it.
struct Watched {
    world: World,
    model: Carry,
    ledgers: Vec<Ledger>,
    now: i64,
    accruals: usize,
}

impl Watched {
    fn new(params: &MarketParams, cash: u64) -> Self {
        let mut world = World::new(params, HALF, cash);
        world.market.params.min_notional = 0;
        let ledger = Ledger { lots: int(0), side: Side::Long, spent: int(0), calls: 0 };
        let model = Carry::of(&world.market);
        Self { world, model, ledgers: vec![ledger; 3], now: NOW, accruals: 0 }
    }

    /// Time passes: every account pays what its lots owe, at the skew and the borrow rate that held meanwhile.
    fn wait(&mut self, seconds: i64) {
        self.now += seconds;
        let market = &self.world.market;
        let rates = (market.book.skew().unwrap().0, market.carry.borrow_ppm);
        let before = self.model.index.clone();
        self.forget_if_empty();
        let market = &mut self.world.market;
        self.model.accrue(&market.params, rates, &of_price(market.mark()), self.now);
        for ledger in &mut self.ledgers {
            let side = usize::from(ledger.side.to_byte());
            ledger.spent += &ledger.lots * (&self.model.index[side] - &before[side]);
        }
        self.accruals += usize::from(seconds > 0);
        market.oracle.publish_time = self.now;
    }

    /// With the last position the rate is gone, in that second: a flip that empties the book begins at none.
    fn forget_if_empty(&mut self) {
        if self.ledgers.iter().all(|ledger| ledger.lots == int(0)) {
            self.model.idle(self.now);
        }
    }

    fn increase(&mut self, who: usize, side: Side, lots: u64) {
        let account = &mut self.world.accounts[who];
        let mut position = if account.position.is_open() { account.position } else { Position::new(0, side) };
        let mut market = self.world.market.clone();
        let order = Order { lots, limit: None, now: self.now };
        let Ok(report) = market.increase(&mut position, side, &order) else { return };
        (self.world.market, account.position) = (market, position);
        account.quote += report.quote_change.0;
        let ledger = &mut self.ledgers[who];
        ledger.side = side;
        ledger.lots += int(report.fill.lots.0);
        ledger.spent += int(report.fill.cost.0);
        ledger.calls += 1;
    }

    fn decrease(&mut self, who: usize, lots: u64) {
        let Account { quote, position } = &mut self.world.accounts[who];
        let order = Order { lots, limit: None, now: self.now };
        let Ok(report) = self.world.market.decrease(position, &order) else { return };
        *quote += report.quote_change.0;
        let ledger = &mut self.ledgers[who];
        ledger.lots += int(report.fill.lots.0);
        ledger.spent += int(report.fill.cost.0);
        ledger.calls += 1;
        self.forget_if_empty();
    }

    fn step(&mut self, wait: i64, step: Step) {
        self.wait(wait);
        match step {
            Step::Buy(who, side, lots) => {
                let position = &self.world.accounts[who].position;
                if position.is_open() && position.side() != Ok(side) {
                    self.decrease(who, Order::ALL);
                }
                self.increase(who, side, lots);
            }
            Step::Close(who, quarters) => {
                let held = self.world.accounts[who].position.lots.count();
                self.decrease(who, if quarters == 4 { Order::ALL } else { held / 4 * quarters });
            }
            Step::Settle(who) => {
                let _ = self
                    .world
                    .market
                    .settle(&mut self.world.accounts[who].position, (Owes::default(), self.now));
                self.ledgers[who].calls += 1;
            }
            Step::Accrue => self.world.market.accrue(self.now).unwrap(),
        }
        // Some steps do nothing, and then time passes with the next that does.
        self.world.market.accrue(self.now).unwrap();
    }
}

fn fast(skew_scale: u64) -> MarketParams {
    let carry = CarryParams {
        funding_velocity_ppm: 10_000_000,
        funding_max_ppm: 500_000,
        borrow_base_ppm: 10_000,
        borrow_slope_ppm: 100_000,
        borrow_steep_ppm: 1_000_000,
        borrow_kink_ppm: 500_000,
    };
    MarketParams { skew_scale, taker_fee_ppm: 0, base_spread_ppm: 0, carry, ..PARAMS }
}

proptest! {
    #![proptest_config(config(200))]

    /// Field note 25. The reference knows lots, sides and seconds, and nothing of indices joined at or normalised quotes.
    #[test]
    fn carry_is_paid_by_the_lots_that_were_held_while_it_grew(
        steps in prop::collection::vec(any_step(), 1..40), cash in 36..44_u32,
    ) {
        let mut case = Watched::new(&fast(1 << 36), 1 << cash);
        case.world.market.params.max_skew_ppm = u32::MAX; // utilisation beyond full too
        for (wait, step) in steps {
            case.step(wait, step);
            let market = &case.world.market;
            // The rate itself: every accrual is off by 3 of 2^-48 a day at most, for at most an hour each.
            let (n, mark) = (case.accruals, of_price(market.mark()));
            let index = (int(2 * n) + ratio(3 * n * n, 24) * &mark) / int(1_u64 << 48);
            for (who, ledger) in case.ledgers.iter().enumerate() {
                prop_assert_eq!(&int(case.world.holding(who).lots.0), &ledger.lots);
                let exact = &ledger.lots * &mark - &ledger.spent;
                let dust = int(1_u64 << 36) * &index;
                let value = case.world.value(who);
                prop_assert!(value <= &exact + &dust, "{} of {}: {:?}", value, exact, step);
                prop_assert!(value >= exact - dust - int(2 * ledger.calls), "{:?}", step);
            }
            for side in 0..2 {
                prop_assert!((&Carry::of(market).index[side] - &case.model.index[side]).abs() <= index);
            }
        }
    }

    /// Carry is accrued at the price, skew and borrow rate before a print, and at the new ones after it.
    #[test]
    fn a_print_changes_what_carry_costs_from_then_on(
        long in any_lots(36), short in any_lots(36), to in ONE / 8..ONE * 2, wait in 1..=3_000_i64, elapsed in 0..=1_i64,
    ) {
        let mut market = book(&fast(1 << 36), HALF, [long, short]);
        market.update_borrow_rate().unwrap();
        let (mut model, now) = (Carry::of(&market), NOW + wait);
        let skew = market.book.skew().unwrap().0;
        model.accrue(&market.params, (skew, market.carry.borrow_ppm), &of_price(price(HALF)), now);
        let publish_time = NOW + elapsed * wait;
        let reading = Reading { price: price(to), conf: 0, publish_time };
        market.refresh(Selection::Primary(reading), now).unwrap();
        let slack = (int(4) + ratio(8, 24)) / int(1_u64 << 48);
        for side in 0..2 {
            prop_assert!((&Carry::of(&market).index[side] - &model.index[side]).abs() <= slack, "at the old price");
        }
        let bits = if elapsed == 0 { HALF } else { to };
        prop_assert_eq!(market.mark(), price(bits), "a print of the stored second is not taken in");
        let mut expected = market.clone();
        expected.update_borrow_rate().unwrap();
        prop_assert_eq!(market.carry.borrow_ppm, expected.carry.borrow_ppm, "the rate of the new price");
        model.accrue(&market.params, (skew, market.carry.borrow_ppm), &of_price(price(bits)), now + wait);
        market.accrue(now + wait).unwrap();
        for side in 0..2 {
            let off = (&Carry::of(&market).index[side] - &model.index[side]).abs();
            prop_assert!(off <= slack.clone() * int(2), "at the new price");
        }
    }
}

/// Each of them settles the time before it first; the next accrual of the same second finds nothing to do.
#[test]
fn whatever_touches_a_position_accrues() {
    let mut case = Watched::new(&fast(1 << 36), 1 << 30);
    case.increase(0, Side::Long, 1 << 20);
    let steps = [
        Step::Buy(0, Side::Long, 1 << 10),
        Step::Close(0, 1),
        Step::Settle(0),
        Step::Buy(1, Side::Short, 1 << 10),
        Step::Close(0, 4),
    ];
    for step in steps {
        case.wait(60);
        let before = Carry::of(&case.world.market);
        match step {
            Step::Buy(who, side, lots) => case.increase(who, side, lots),
            Step::Close(who, quarters) => case.decrease(who, if quarters == 4 { Order::ALL } else { 1 << 8 }),
            Step::Settle(who) => {
                case.world
                    .market
                    .settle(&mut case.world.accounts[who].position, (Owes::default(), case.now))
                    .unwrap();
            }
            Step::Accrue => {}
        }
        let after = Carry::of(&case.world.market);
        assert!(after.at == case.now && after.index[0] > before.index[0], "{step:?}");
    }
}

/// After every trade the borrow rate is that of the book as it is then.
#[test]
fn a_trade_sets_the_borrow_rate_of_the_book_that_it_leaves() {
    let mut case = Watched::new(&fast(1 << 36), 1 << 30);
    let rate = |case: &Watched| case.world.market.carry.borrow_ppm;
    assert_eq!(rate(&case), 0);
    case.increase(0, Side::Long, 1 << 30);
    // Half of the cash at half a unit per lot, less what the curve earned: 50 % is the kink.
    assert!((100_000..=110_000).contains(&rate(&case)), "{}", rate(&case));
    let one_sided = rate(&case);
    case.increase(1, Side::Short, 1 << 29);
    assert!(rate(&case) < one_sided && rate(&case) > 10_000);
    case.increase(2, Side::Short, 1 << 29);
    assert_eq!(rate(&case), 0, "balanced");
    case.decrease(0, Order::ALL);
    assert!(rate(&case) > one_sided - 10, "the shorts are alone");
    case.decrease(1, Order::ALL);
    case.decrease(2, Order::ALL);
    assert_eq!(rate(&case), 0);
}

/// A long that becomes a short while longs pay: it pays up to the flip, and receives from then on.
#[test]
fn a_flip_pays_on_one_side_and_receives_on_the_other() {
    let mut params = fast(1 << 30);
    (params.carry.borrow_base_ppm, params.carry.borrow_slope_ppm, params.carry.borrow_steep_ppm) = (0, 0, 0);
    let mut case = Watched::new(&params, 1 << 40);
    case.increase(1, Side::Long, 1 << 25); // somebody's skew, for good
    case.wait(3_600);
    case.increase(0, Side::Long, 1 << 20);
    let at = |case: &mut Watched, wait| {
        case.wait(wait);
        case.world.market.accrue(case.now).unwrap();
        (case.world.value(0), Carry::of(&case.world.market).index)
    };
    let (opened, flipping) = (at(&mut case, 0), at(&mut case, 3_600));
    case.decrease(0, Order::ALL);
    case.increase(0, Side::Short, 1 << 20);
    let (flipped, last) = (at(&mut case, 0), at(&mut case, 3_600));
    assert_eq!(flipped.1, flipping.1);
    let lots = int(1 << 20);
    assert_eq!(&opened.0 - &flipping.0, &lots * (&flipping.1[0] - &opened.1[0]), "paid as a long");
    assert_eq!(&last.0 - &flipped.0, &lots * (&last.1[1] - &flipped.1[1]), "received as a short");
    assert!(&opened.0 - &flipping.0 > int(100) && &last.0 - &flipped.0 > int(100));
}

/// Without the stored publish time there is no event: the oracle state alone does not move carry.
#[test]
fn a_dispute_accrues_and_leaves_the_rate() {
    let mut market = book(&fast(1 << 30), HALF, [1 << 20, 0]);
    market.update_borrow_rate().unwrap();
    let rate = market.carry.borrow_ppm;
    let before = Carry::of(&market).index;
    market.refresh(Selection::Divergent([NOW + 10, NOW + 10]), NOW + 10).unwrap();
    assert!(Carry::of(&market).index[0] > before[0] && market.carry.borrow_ppm == rate);
    assert_eq!(market.oracle.divergent, 1);
    let stale = OracleState { publish_time: NOW - 1, ..market.oracle };
    let reading = Reading { price: stale.price, conf: 0, publish_time: stale.publish_time };
    assert!(market.refresh(Selection::Primary(reading), NOW + 20).is_err());
}
