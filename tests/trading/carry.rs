//! Funding and borrow on the chain, against the formulas of section 6 in exact integers of their own.

use bulwark_sdk::address;
use bulwark_sdk::engine::carry::{CarryParams, CarryState};
use bulwark_sdk::engine::margin::HealthType;
use bulwark_sdk::engine::market::{Market as Core, MarketParams};
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::state::Market;
use bulwark_tests::fixtures::{DOLLAR, PRINT};
use bulwark_tests::{Trader, World, ledger};

use crate::support::{Cost, Held, MARKET, UNI, ceil, move_uni, print_now, signed, uni_params, uni_world};

/// 80 units of base: 10,000 dollars.
const LOTS: u64 = 80_000_000_000;
const DAY: i128 = 86_400;

fn params() -> MarketParams {
    MarketParams {
        carry: CarryParams { funding_max_ppm: 20_000, ..CarryParams::DEFAULT },
        conf_spread_ppm: 0,
        ..uni_params()
    }
}

/// Two longs of 200,000 and 100,000 dollars and a short of 100,000, on a scale of which their skew is `share`.
fn scene(share_ppm: u64) -> (World, [Trader; 3]) {
    let mut world = uni_world(params());
    let traders = [(); 3].map(|()| world.funded_trader(100_000 * DOLLAR));
    move_uni(&mut world, 125 * PRINT);
    for (trader, (side, lots)) in
        traders.iter().zip([(Side::Long, 20 * LOTS), (Side::Long, 10 * LOTS), (Side::Short, 10 * LOTS)])
    {
        world.open(trader, MARKET, side, lots).expect("open");
    }
    scale(&mut world, share_ppm);
    (world, traders)
}

/// Makes the skew this share of the skew scale.
fn scale(world: &mut World, share_ppm: u64) {
    let skew = world.market(MARKET).core.book.skew().expect("skew").count();
    world.tamper::<Market>(&address::market(MARKET), |m| {
        m.core.params.skew_scale =
            u64::try_from(u128::from(skew) * 1_000_000 / u128::from(share_ppm)).expect("fits");
    });
}

/// Lets time pass and refreshes at this price.
fn pass(world: &mut World, seconds: i64, price: i64) {
    world.advance(seconds);
    print_now(world, price, 0);
}

/// Carry indices of longs and shorts, Q48 quote units per lot.
fn indices(core: &Core) -> [i128; 2] {
    [&core.book.long, &core.book.short].map(|ladder| ladder.carry.get().to_bits())
}

/// What accruing `seconds` must do: funding rate (Q48 a day) and both indices (Q48), to a few steps of 2^-48.
struct Expected {
    rate: i128,
    funding: i128,
    borrow: i128,
    skew: i128,
}

fn expected(core: &Core, seconds: i128) -> Expected {
    let carry = &core.params.carry;
    let price = i128::from(core.mark().to_bits());
    let skew = i128::from(core.book.long.lots) - i128::from(core.book.short.lots);
    // Everything at 60 bits of fraction: rates per day, the slope per day and second.
    let scale = i128::from(core.params.skew_scale);
    let share = (skew.clamp(-scale, scale) << 60) / scale;
    let slope = i128::from(carry.funding_velocity_ppm) * share / (1_000_000 * DAY);
    let max = (i128::from(carry.funding_max_ppm) << 60) / 1_000_000;
    let from = i128::from(core.carry.funding_rate) << 12;
    let end = from + slope * seconds;
    let doubled = if end.abs() <= max {
        (from + end) * seconds
    } else {
        // Along the line until it meets the bound, along the bound from there.
        let bound = max * end.signum();
        let gap = bound - from;
        2 * bound * seconds - gap * gap / slope
    };
    let utilisation = ceil(ceil(skew.abs() * price, 1 << 32) * 1_000_000, equity(core)).min(1_000_000);
    let kink = i128::from(carry.borrow_kink_ppm);
    let below = ceil(i128::from(carry.borrow_slope_ppm) * utilisation.min(kink), kink);
    let above = ceil(i128::from(carry.borrow_steep_ppm) * (utilisation - kink).max(0), 1_000_000 - kink);
    let borrow = if skew == 0 { 0 } else { i128::from(carry.borrow_base_ppm) + below + above };
    assert_eq!(i128::from(core.carry.borrow_ppm), borrow, "the borrow rate is what the utilisation asks for");
    Expected {
        rate: end.clamp(-max, max) >> 12,
        funding: ((doubled * price) / (2 * DAY)) >> 44,
        borrow: ((borrow * seconds * price) << 16) / (DAY * 1_000_000),
        skew,
    }
}

/// `cash − T(P)`, each side's PnL from its totals.
fn equity(core: &Core) -> i128 {
    let price = i128::from(core.mark().to_bits()) << 16;
    let [long, short] = indices(core);
    let book = &core.book;
    let side = |lots: u64, sign: i128, index: i128, cost: i64| {
        ceil(sign * i128::from(lots) * (price - index), 1 << 48) + i128::from(cost)
    };
    i128::from(book.cash)
        - side(book.long.lots, 1, long, book.long.cost.0)
        - side(book.short.lots, -1, short, book.short.cost.0)
}

/// Accrues `seconds` of wall time and checks rate and indices against [`expected`] for `counted` seconds.
fn check(world: &mut World, (seconds, counted): (i64, i64), price: i64, what: &str) {
    let before = world.market(MARKET).core;
    let expected = expected(&before, i128::from(counted));
    pass(world, seconds, price);
    let after = world.market(MARKET).core;
    let near = |got: i128, exact: i128, steps: i128| {
        assert!((got - exact).abs() <= steps, "{what}: {got} for {exact}");
    };
    near(i128::from(after.carry.funding_rate), expected.rate, 3);
    let [long, short] = [0, 1].map(|i| indices(&after)[i] - indices(&before)[i]);
    let (heavier_long, heavier_short) = (expected.skew > 0, expected.skew < 0);
    near(long, expected.funding + if heavier_long { expected.borrow } else { 0 }, 5);
    near(short, expected.funding - if heavier_short { expected.borrow } else { 0 }, 5);
    // Rounding is against the traders: longs never pay less, shorts never get more.
    assert!(long >= short, "{what}: what longs pay covers what shorts get");
    assert_eq!(after.carry.accrued_at, world.now());
}

#[test]
fn funding_and_borrow_are_what_the_formulas_say() {
    // Below the scale, at it, and three times beyond it, where the velocity is clamped.
    for share in [1_000, 300_000, 1_000_000, 3_000_000] {
        let (mut world, traders) = scene(share);
        let prices = [125 * PRINT, 126 * PRINT, 124 * PRINT + 77];
        for (n, seconds) in [1, 7, 59, 600, 1_800, 3_599, 3_600, 3_600, 3_600].into_iter().enumerate() {
            check(&mut world, (seconds, seconds), prices[n % 3], &format!("{share} {n}"));
        }
        // The other way: shorts outweigh, the rate turns.
        world.close(&traders[0], MARKET, u64::MAX).expect("close");
        world.close(&traders[1], MARKET, 9 * LOTS).expect("close");
        scale(&mut world, share);
        let high = world.market(MARKET).core.carry.funding_rate;
        for n in 0..12 {
            check(&mut world, (3_000, 3_000), prices[n % 3], &format!("{share} back {n}"));
        }
        let low = world.market(MARKET).core.carry.funding_rate;
        assert!(high > 0 && low < high, "the rate follows the skew: {high} {low}");
        if share >= 1_000_000 {
            let max = (1_i64 << 48) / 50;
            assert_eq!((high, low < 0), (max, true), "2 % a day is the most, and it turns");
            (0..20).for_each(|_| pass(&mut world, 3_600, 125 * PRINT));
            assert_eq!(world.market(MARKET).core.carry.funding_rate, -max, "the other way too");
        }
    }
}

#[test]
fn attack_days_of_downtime_accrue_one_hour() {
    for seconds in [3_601, 86_400, 30 * 86_400] {
        let (mut world, _) = scene(500_000);
        check(&mut world, (600, 600), 125 * PRINT, "warm");
        let mut hour = world.fork();
        check(&mut world, (seconds, 3_600), 125 * PRINT, "idle");
        pass(&mut hour, 3_600, 125 * PRINT);
        let [idle, hour] = [&world, &hour].map(|w| w.market(MARKET).core);
        assert_eq!(indices(&idle), indices(&hour), "{seconds}");
        assert_eq!(
            (idle.carry.funding_rate, idle.carry.borrow_ppm),
            (hour.carry.funding_rate, hour.carry.borrow_ppm)
        );
    }
}

#[test]
fn a_market_without_positions_and_rate_accrues_nothing() {
    let mut world = uni_world(params());
    for _ in 0..5 {
        pass(&mut world, 3_600, 125 * PRINT);
    }
    let core = world.market(MARKET).core;
    let still = CarryState { accrued_at: world.now(), ..CarryState::default() };
    assert_eq!((indices(&core), core.carry), ([0, 0], still));
}

#[test]
fn attack_who_comes_into_an_empty_market_meets_no_old_rate() {
    let (mut world, traders) = scene(1_000_000);
    (0..5).for_each(|_| pass(&mut world, 3_600, 125 * PRINT));
    let rate = world.market(MARKET).core.carry.funding_rate;
    assert_eq!(rate, (1_i64 << 48) / 50, "2 % a day");
    // A side without lots is not yet an empty market.
    world.close(&traders[2], MARKET, u64::MAX).expect("close");
    pass(&mut world, 60, 125 * PRINT);
    assert_eq!(world.market(MARKET).core.carry.funding_rate, rate);
    for long in &traders[..2] {
        world.close(long, MARKET, u64::MAX).expect("close");
    }
    for seconds in [1, 3, 86_400] {
        // By a refresh, or by the very trade.
        for refreshed in [false, true] {
            let mut world = world.fork();
            let before = indices(&world.market(MARKET).core);
            world.advance(seconds);
            if refreshed || seconds > 5 {
                print_now(&mut world, 125 * PRINT, 0);
                assert_eq!(world.market(MARKET).core.carry.funding_rate, 0, "{seconds}");
            }
            world.open(&traders[2], MARKET, Side::Short, LOTS / 100).expect("open");
            let core = world.market(MARKET).core;
            assert_eq!((core.carry.funding_rate, indices(&core)), (0, before), "{seconds}");
        }
    }
}

#[test]
fn attack_who_comes_in_the_second_of_the_last_close_meets_no_old_rate() {
    let (mut world, traders) = scene(1_000_000);
    (0..5).for_each(|_| pass(&mut world, 3_600, 125 * PRINT));
    for trader in &traders {
        world.close(trader, MARKET, u64::MAX).expect("close");
    }
    world.open(&traders[2], MARKET, Side::Short, LOTS / 100).expect("open");
    assert_eq!(world.market(MARKET).core.carry.funding_rate, 0);
}

/// What the traders are worth, and what everything is worth.
fn worth(world: &World, traders: &[Trader]) -> ([i64; 3], i128) {
    let value = |t: &Trader| world.margin(&t.margin).quote.0 + world.pnl(&t.margin, MARKET);
    let values = [0, 1, 2].map(|n| value(&traders[n]));
    let core = world.market(MARKET).core;
    let ledger = ledger::check(world);
    let rest =
        ledger.idle + ledger.fees + ledger.insurance_fund + ledger.market_insurance + ledger.protocol_fees;
    (values, values.iter().map(|v| i128::from(*v)).sum::<i128>() + equity(&core) + rest)
}

#[test]
fn what_longs_pay_is_what_shorts_and_the_pool_receive() {
    let (mut world, traders) = scene(1_000_000);
    let tokens = ledger::check(&world).tokens;
    let (before, whole) = worth(&world, &traders);
    for n in 0..24 {
        let before = worth(&world, &traders);
        pass(&mut world, 3_600, 125 * PRINT);
        let after = worth(&world, &traders);
        let [big, small, short] = [0, 1, 2].map(|n| after.0[n] - before.0[n]);
        assert!(big < 0 && small < 0 && short > 0, "{n}: {big} {small} {short}");
        // Twice the lots pay twice the carry; the short gets the funding that as many longs pay, without the borrow.
        assert!((big - 2 * small).abs() <= 3, "{n}: {big} {small}");
        assert!(short <= -small, "{n}: {short} {small}");
        assert!((after.1 - tokens).abs() <= 5 && (whole - tokens).abs() <= 5, "{n}: NAV identity");
    }
    let (after, _) = worth(&world, &traders);
    let [big, small, short] = [0, 1, 2].map(|n| after[n] - before[n]);
    let pool = equity(&world.market(MARKET).core);
    assert!(
        big + small + short < -1_000 * DOLLAR.cast_signed(),
        "the pool earns: {big} {small} {short} {pool}"
    );
}

#[test]
fn a_crank_every_second_and_one_of_an_hour_agree() {
    const SECONDS: i64 = 3_600;
    for share in [300_000, 1_000_000] {
        let (mut often, traders) = scene(share);
        pass(&mut often, 60, 125 * PRINT);
        let mut once = often.fork();
        let refresh = ix::refresh_market(MARKET, World::oracles(&UNI));
        for _ in 0..SECONDS {
            often.advance(1);
            often.print(&UNI, 125 * PRINT, 0);
            often.send_unchecked(std::slice::from_ref(&refresh), &[]).expect("refresh_market");
        }
        pass(&mut once, SECONDS, 125 * PRINT);
        let [a, b] = [&often, &once].map(|w| worth(w, &traders).0);
        let start = worth(&once, &traders).0;
        for (n, lots) in [20 * LOTS, 10 * LOTS, 10 * LOTS].into_iter().enumerate() {
            // Each accrual rounds an index up by two steps of 2^-48 at most, and the rate down by one.
            let bound = i64::try_from((u128::from(lots) * 3 * SECONDS as u128) >> 48).expect("small") + 2;
            let apart = a[n] - b[n];
            assert!((-bound..=1).contains(&apart), "{share} {n}: {apart}, {bound} are allowed");
            assert!(bound < SECONDS && start[n] != 0);
        }
        let [a, b] = [&often, &once].map(|w| w.market(MARKET).core.carry.funding_rate);
        assert!(a.abs_diff(b) <= 2 * SECONDS.unsigned_abs(), "{share}: {a} {b}");
    }
}

/// A position as the formulas of section 2 have it, carry-normalised.
#[derive(Default)]
struct Normal(Held);

impl Normal {
    fn index(core: &Core, long: bool) -> i128 {
        indices(core)[usize::from(!long)]
    }

    fn open(&mut self, core: &Core, delta: i64) {
        self.0.open(delta, &Cost::of(core, delta));
        self.0.q += (i128::from(delta) * Self::index(core, delta > 0)) >> 48;
    }

    /// Takes off `count` lots of the side; what that realises, fees excluded.
    fn close(&mut self, core: &Core, count: u64) -> i128 {
        let delta = -self.0.b.signum() as i64 * count.cast_signed();
        let carry = (i128::from(delta) * Self::index(core, self.0.b > 0)) >> 48;
        self.0.close(count, &Cost::of(core, delta)) + carry
    }
}

#[test]
fn attack_carry_stays_right_through_increases_partial_closes_and_a_flip() {
    for first in Side::BOTH {
        let (mut world, [_, _, other]) = scene(1_500);
        let trader = world.funded_trader(100_000 * DOLLAR);
        let mut model = Normal::default();
        let act = |world: &mut World, model: &mut Normal, side: Side, lots: u64, what: &str| {
            print_now(world, 125 * PRINT, 0);
            let (core, quote) = (world.market(MARKET).core, world.margin(&trader.margin).quote.0);
            let opening = model.0.b == 0 || (model.0.b > 0) == (side == Side::Long);
            let trade = if opening {
                model.open(&core, signed(side, lots));
                world.open(&trader, MARKET, side, lots).expect(what).trade().clone()
            } else {
                let realised = model.close(&core, lots);
                let trade = world.close(&trader, MARKET, lots).expect(what).trade().clone();
                assert_eq!(i128::from(trade.realised), realised, "{first:?} {what}: realised to the unit");
                assert_eq!(trade.paid, trade.realised);
                trade
            };
            let fees = (trade.fee_pool + trade.fee_insurance + trade.fee_protocol).cast_signed();
            assert_eq!(world.margin(&trader.margin).quote.0 - quote, trade.paid - fees, "{first:?} {what}");
            let held = Held::in_account(&world.margin(&trader.margin), MARKET);
            assert_eq!(held, model.0, "{first:?} {what}: the two numbers");
        };
        let steps = [
            (first, 10 * LOTS, "open"),
            (first, 5 * LOTS, "increase"),
            (first.opposite(), 4 * LOTS, "partial close"),
            (first, LOTS, "increase again"),
            (first.opposite(), 12 * LOTS, "close"),
            (first.opposite(), 7 * LOTS, "flip"),
            (first.opposite(), LOTS, "increase after the flip"),
            (first, 8 * LOTS, "close after the flip"),
        ];
        for (n, (side, lots, what)) in steps.into_iter().enumerate() {
            act(&mut world, &mut model, side, lots, what);
            let (value, before) = (world.pnl(&trader.margin, MARKET), world.market(MARKET).core);
            pass(&mut world, 3_000 + n as i64, 125 * PRINT);
            let after = world.market(MARKET).core;
            let long = model.0.b > 0;
            let moved = Normal::index(&after, long) - Normal::index(&before, long);
            let paid =
                (i128::from(world.pnl(&trader.margin, MARKET) - value) + ((model.0.b * moved) >> 48)).abs();
            assert!(paid <= 2, "{first:?} after {what}: {paid} units off its own side's index");
            assert!(
                moved != 0 && (model.0.b == 0 || value != world.pnl(&trader.margin, MARKET)),
                "{what}: no carry"
            );
        }
        assert_eq!(model.0, Held::default());
        world.close(&other, MARKET, u64::MAX).expect("the other leaves too");
    }
}

#[test]
fn health_sees_carry() {
    let (mut world, traders) = scene(1_000_000);
    let before = traders.each_ref().map(|t| world.health(&t.margin, HealthType::Maint));
    let quotes = traders.each_ref().map(|t| world.margin(&t.margin).quote.0);
    (0..10).for_each(|_| pass(&mut world, 3_600, 125 * PRINT));
    for (n, trader) in traders.iter().enumerate() {
        let (health, quote) =
            (world.health(&trader.margin, HealthType::Maint), world.margin(&trader.margin).quote.0);
        assert_eq!(quote, quotes[n], "nothing was realised");
        assert_eq!(health.requirement, before[n].requirement, "the same notional");
        let change = health.equity.0 - before[n].equity.0;
        assert_eq!(change > 0, n == 2, "longs are worth less, the short is worth more: {change}");
        assert!(change.unsigned_abs() > 10 * DOLLAR, "{change}");
        assert_eq!(health.equity.0, quote + world.pnl(&trader.margin, MARKET));
    }
}

#[test]
fn carry_alone_takes_the_right_to_withdraw() {
    let (mut world, [long, ..]) = scene(1_000_000);
    let excess = world.health(&long.margin, HealthType::Withdraw).excess().expect("excess").0;
    let mut at_once = world.fork();
    at_once.withdraw(&long, 0, (long.tokens, excess.unsigned_abs())).expect("all of the excess");
    pass(&mut world, 3_600, 125 * PRINT);
    let failure = world.withdraw(&long, 0, (long.tokens, excess.unsigned_abs())).expect_err("an hour later");
    assert!(failure.is("InsufficientMargin"), "{failure:?}");
}
