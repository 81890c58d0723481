//! What follows volatility on the chain: spread, maintenance and initial margin; and the price of leaving too soon.

use bulwark_sdk::address;
use bulwark_sdk::engine::margin::HealthType;
use bulwark_sdk::engine::market::{Market as Core, MarketParams};
use bulwark_sdk::engine::trade::Order;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::engine::volatility::VolatilityParams;
use bulwark_sdk::health::Intent;
use bulwark_sdk::program::state::Market;
use bulwark_tests::fixtures::{DOLLAR, PRINT};
use bulwark_tests::{Copies, Trader, World};

use crate::support::{MARKET, ceil, move_uni, open_at, print_now, refused, signed, uni_params, uni_world};

/// 80 units of base: 10,000 dollars.
const LOTS: u64 = 80_000_000_000;

/// What volatility asks for at most, ppm of half spread: 1 %.
const MOST: u64 = 10_000;

/// Volatility alone: neither carry nor toxic fee, nor margin that grows with open interest.
fn params() -> MarketParams {
    MarketParams { volatility: VolatilityParams::DEFAULT, ..uni_params() }
}

fn toxic_params() -> MarketParams {
    MarketParams { toxic_window: 30, toxic_fee_ppm: 1_000, base_spread_ppm: 0, ..uni_params() }
}

/// A second later, this price.
fn tick(world: &mut World, price: i64) {
    world.advance(1);
    print_now(world, price, 0);
}

/// The spread of an open of 10,000 dollars, ppm of the notional rounded down, as the program charges and the SDK quotes it.
fn spread_ppm(world: &World, who: &Trader) -> u64 {
    let mut world = world.fork();
    let (copies, account) = (Copies::of(&world), world.margin(&who.margin));
    let order = Order { lots: LOTS, limit: None, now: world.now() };
    let quote = copies.snapshot().quote(&account, (MARKET, Intent::Open(Side::Long)), &order).expect("quote");
    let trade = world.open(who, MARKET, Side::Long, LOTS).expect("open").trade().clone();
    assert_eq!((trade.spread, trade.curve), (quote.report.fill.spread, quote.report.fill.curve.0));
    trade.spread * 1_000_000 / quote.report.fill.notional
}

/// Whether `ppm` is `3·σ·√(age + 0.4 s)` rounded up, by squares.
fn is_three_sigma(ppm: u64, sigma: u32, age: u64) -> bool {
    // 10·ppm² against 9·σ²·(10·age + 4).
    let exact = 9 * u128::from(sigma).pow(2) * u128::from(10 * age + 4);
    let square = |x: u64| 10 * u128::from(x).pow(2);
    square(ppm) + 1 >= exact && square(ppm.saturating_sub(5)) <= exact
}

#[test]
fn the_spread_grows_with_volatility_and_with_the_age_of_the_price() {
    let mut world = uni_world(params());
    let trader = world.funded_trader(100_000 * DOLLAR);
    tick(&mut world, 125 * PRINT);
    assert_eq!(spread_ppm(&world, &trader), 200, "calm: the base spread");
    let mut last = 0;
    for move_ppm in [2_000, 10_000, 50_000] {
        for n in 0..20 {
            let step = 125 * PRINT / 1_000_000 * move_ppm;
            tick(&mut world, 125 * PRINT + if n % 2 == 0 { step } else { 0 });
        }
        let sigma = world.market(MARKET).core.volatility.sigma_ppm;
        let ages: Vec<u64> = (0..=5_u8)
            .map(|age| {
                let mut older = world.fork();
                older.advance(i64::from(age));
                let ppm = spread_ppm(&older, &trader);
                let least = ppm == 200 && 6 * sigma < 200;
                // 9·σ²·(age + 0.4 s) beyond the square of a percent.
                let most =
                    ppm == MOST && 9 * u64::from(sigma).pow(2) * u64::from(10 * age + 4) > 10 * MOST * MOST;
                let due = most || least || is_three_sigma(ppm, sigma, u64::from(age));
                assert!(due && ppm <= MOST, "σ {sigma}, {age} s: {ppm} ppm");
                ppm
            })
            .collect();
        assert!(ages.windows(2).all(|w| w[0] < w[1] || w == [MOST, MOST]), "{ages:?}");
        assert_eq!(ages.contains(&MOST), move_ppm == 50_000, "{ages:?}");
        assert!(ages[0] > last, "{ages:?} after {last}");
        last = ages[0];
    }
}

#[test]
fn a_print_ahead_of_the_clock_has_no_age() {
    let mut world = uni_world(params());
    let trader = world.funded_trader(100_000 * DOLLAR);
    for n in 0..20 {
        tick(&mut world, (125 + n % 2) * PRINT);
    }
    let now = spread_ppm(&world, &trader);
    world.tamper::<Market>(&address::market(MARKET), |m| m.core.oracle.publish_time += 20);
    assert_eq!(spread_ppm(&world, &trader), now);
}

/// `max(base, 4.5·σ·√30 s + fee)` in ppm, up to three units of rounding.
fn maintenance_target(core: &Core) -> u64 {
    let sigma = u128::from(core.volatility.sigma_ppm);
    // 4.5·σ·√30 = √(607.5·σ²)
    let moved = u64::try_from((6_075 * sigma * sigma).isqrt() * 1_000 / 3_162).expect("small");
    u64::from(core.params.mmf_ppm).max(moved + u64::from(core.params.liquidation_fee_ppm)).min(600_000)
}

#[test]
fn maintenance_margin_drifts_towards_its_target_by_ten_percent_an_hour_up_and_five_down() {
    // A print counts for 10 %: seldom ones keep the target far above a low base only.
    let low = MarketParams {
        mmf_ppm: 10_000,
        max_impact_ppm: 1_000,
        max_gap_ppm: 1_000,
        liquidation_fee_ppm: 5_000,
        ..params()
    };
    let cases = [
        (1, "every second", params()),
        (60, "every minute", params()),
        (1_800, "twice", low),
        (3_600, "once", low),
    ];
    for (every, what, params) in cases {
        let mut world = uni_world(params);
        tick(&mut world, 125 * PRINT);
        let calm = world.market(MARKET).core.mmf_ppm();
        assert_eq!(calm, params.mmf_ppm, "calm: the base");
        tick(&mut world, 165 * PRINT);
        assert_eq!(
            world.market(MARKET).core.mmf_ppm(),
            calm,
            "the print that raises the target moves nothing"
        );
        let mut hours = vec![calm];
        for n in 0..2 * 3_600 / every {
            world.advance(every);
            // Alternating prices keep the target far above.
            print_now(&mut world, (125 + (n % 2) * 40) * PRINT, 0);
            if (n + 1) * every % 3_600 == 0 {
                let core = world.market(MARKET).core;
                assert!(maintenance_target(&core) > 2 * u64::from(core.mmf_ppm()), "{what}: tame");
                hours.push(core.mmf_ppm());
            }
        }
        for hour in hours.windows(2) {
            let [from, to] = [hour[0], hour[1]].map(u64::from);
            assert!(to * 1_000 <= from * 1_100 + 1_000, "{what}: more than +10 % in an hour: {hours:?}");
            assert!(to * 1_000 >= from * 1_094, "{what}: it does move: {hours:?}");
        }
        // Idle for a week, it moves by an hour's worth.
        let mut idle = world.fork();
        idle.advance(7 * 86_400);
        print_now(&mut idle, 125 * PRINT, 0);
        let (from, to) = (u64::from(hours[2]), u64::from(idle.market(MARKET).core.mmf_ppm()));
        assert!(to * 1_000 <= from * 1_100 + 1_000, "{what}: {from} {to}");
    }
}

#[test]
fn maintenance_margin_falls_slower_than_it_rose() {
    let mut world = uni_world(params());
    world.tamper::<Market>(&address::market(MARKET), |m| {
        m.core.volatility.drifting_mmf = 100_000 << 16;
        m.core.volatility.mmf_ppm = 100_000;
    });
    tick(&mut world, 125 * PRINT);
    let start = world.market(MARKET).core.mmf_ppm();
    for _ in 0..60 {
        world.advance(60);
        print_now(&mut world, 125 * PRINT, 0);
    }
    let hour = world.market(MARKET).core.mmf_ppm();
    assert!((start / 100 * 95..=start * 952 / 1_000).contains(&hour), "{start} to {hour}");
    for _ in 0..40 {
        world.advance(3_600);
        print_now(&mut world, 125 * PRINT, 0);
    }
    assert_eq!(world.market(MARKET).core.mmf_ppm(), 31_000, "down to the base and not below");
}

#[test]
fn attack_one_crash_print_raises_what_nobody_has_to_hold() {
    // After any time without a print, every crash: requirements at an unchanged notional fraction.
    for (gap, price) in
        [1, 60, 3_600, 604_800].into_iter().flat_map(|g| [124, 110, 90, 63, 20].map(|p| (g, p)))
    {
        let mut world = uni_world(params());
        let (long, short) = (world.funded_trader(20_000 * DOLLAR), world.funded_trader(20_000 * DOLLAR));
        tick(&mut world, 125 * PRINT);
        world.open(&long, MARKET, Side::Long, LOTS).expect("open");
        world.open(&short, MARKET, Side::Short, LOTS).expect("open");
        let before = world.market(MARKET).core.volatility;
        world.advance(gap);
        print_now(&mut world, price * PRINT, 0);
        let core = world.market(MARKET).core;
        let after = core.volatility;
        assert!(gap > 1 || after.sigma_ppm > before.sigma_ppm, "{price}: σ sees it");
        assert_eq!(after.mmf_ppm, before.mmf_ppm, "{price}");
        for trader in [&long, &short] {
            let health = world.health(&trader.margin, HealthType::Maint);
            let notional = i128::from(core.notional(LOTS).expect("notional")) + 1;
            let old = ceil(notional * i128::from(before.mmf_ppm), 1_000_000);
            let rise = i128::from(health.requirement.0) - old;
            assert!(rise <= 1, "{price}: {rise} units more than before the crash");
        }
    }
}

#[test]
fn initial_margin_rises_at_once_and_refuses_what_it_allowed() {
    let mut world = uni_world(params());
    // 10 % above what 5 % asks for.
    let (trader, other) = (world.funded_trader(560 * DOLLAR), world.funded_trader(DOLLAR));
    tick(&mut world, 125 * PRINT);
    world.fork().open(&trader, MARKET, Side::Long, LOTS).expect("at 5 %");
    let calm = world.market(MARKET).core;
    assert_eq!(calm.imf_ppm().expect("imf"), 50_000);
    tick(&mut world, 120 * PRINT);
    tick(&mut world, 125 * PRINT);
    let wild = world.market(MARKET).core;
    let sigma = wild.volatility.sigma_ppm;
    assert!(sigma > 400, "{sigma}");
    // 6·σ·√900 s; the maintenance fraction has not moved.
    assert_eq!(u64::from(wild.imf_ppm().expect("imf")), (180 * u64::from(sigma)).min(1_000_000));
    assert!(wild.mmf_ppm() - calm.mmf_ppm() <= 2, "{} {}", wild.mmf_ppm(), calm.mmf_ppm());
    let open = open_at(&world, &trader, (MARKET, Side::Long), LOTS, u64::MAX);
    refused(&mut world, open, &[&trader.key], "InsufficientMargin", "the same trade after two wild prints");
    assert_eq!(world.margin(&other.margin).quote.0, DOLLAR.cast_signed());
}

#[test]
fn initial_margin_grows_with_open_interest_to_the_whole() {
    let scaled = |low: u64, high: u64| MarketParams {
        oi_margin_low: low * DOLLAR,
        oi_margin_high: high * DOLLAR,
        ..uni_params()
    };
    // 100,000 dollars of longs: below, at a quarter, at three quarters of the ramp, at its end and beyond.
    for (low, high, ppm) in [
        (100_000, 200_000, 50_000),
        (75_000, 175_000, 287_500),
        (25_000, 125_000, 762_500),
        (50_000, 100_000, 1_000_000),
        (10_000, 20_000, 1_000_000),
    ] {
        let mut world = uni_world(scaled(low, high));
        let trader = world.funded_trader(150_000 * DOLLAR);
        move_uni(&mut world, 125 * PRINT);
        world.open(&trader, MARKET, Side::Long, 10 * LOTS).expect("open");
        let (core, what) = (world.market(MARKET).core, format!("{low} {high}"));
        assert_eq!(core.imf_ppm().expect("imf"), ppm, "{what}");
        let health = world.health(&trader.margin, HealthType::Withdraw);
        assert_eq!(health.requirement.0, i64::from(ppm) * 100_000, "{what}: of 100,000 dollars");
        // The program draws the line at the same unit.
        let spare = health.excess().expect("excess").0.unsigned_abs();
        let failure = world.withdraw(&trader, 0, (trader.tokens, spare + 1)).expect_err("a unit more");
        assert!(failure.is("InsufficientMargin"), "{what}: {failure:?}");
        world.withdraw(&trader, 0, (trader.tokens, spare)).expect("to the unit");
        // The larger side counts, whichever it is; maintenance does not care.
        let maintenance = world.health(&trader.margin, HealthType::Maint).requirement.0;
        assert_eq!(maintenance, 31_000 * 100_000, "{what}");
    }
}

/// A position of 10,000 dollars opened at 125 dollars, then `after` seconds and this price: the exit.
fn exit(side: Side, price: i64, after: i64) -> (u64, bulwark_sdk::program::events::Traded) {
    let mut world = uni_world(toxic_params());
    let trader = world.funded_trader(100_000 * DOLLAR);
    move_uni(&mut world, 125 * PRINT);
    world.open(&trader, MARKET, side, LOTS).expect("open");
    world.advance(after);
    print_now(&mut world, price, 0);
    let (copies, account) = (Copies::of(&world), world.margin(&trader.margin));
    let order = Order { lots: u64::MAX, limit: None, now: world.now() };
    let quote = copies.snapshot().quote(&account, (MARKET, Intent::Close), &order).expect("quote");
    let cash = world.market(MARKET).core.book.cash;
    let outcome = world.close(&trader, MARKET, u64::MAX).expect("close");
    let trade = outcome.trade().clone();
    assert_eq!((trade.toxic_fee, trade.realised), (quote.report.toxic_fee, quote.report.realised.0));
    // The market keeps it: the pool's money.
    assert_eq!(trade.paid, trade.realised - trade.toxic_fee.cast_signed());
    let kept = world.market(MARKET).core.book.cash;
    assert_eq!(i128::from(kept) - i128::from(cash), -i128::from(trade.paid));
    let fees = trade.fee_pool + trade.fee_insurance + trade.fee_protocol;
    let change = world.margin(&trader.margin).quote.0 - account.quote.0;
    assert_eq!(change, trade.realised - trade.toxic_fee.cast_signed() - fees.cast_signed());
    let notional = quote.report.fill.notional;
    (notional, trade)
}

#[test]
fn an_exit_in_profit_pays_a_fee_that_falls_to_zero_over_the_window() {
    for (side, good) in [(Side::Long, 130), (Side::Short, 120)] {
        let mut last = u64::MAX;
        for after in [1, 7, 15, 29, 30, 31, 600] {
            let (notional, trade) = exit(side, good * PRINT, after);
            assert!(trade.realised > 300 * DOLLAR.cast_signed(), "{side:?} {after}: {}", trade.realised);
            let whole = notional.div_ceil(1_000);
            let due = if after < 30 { (whole * (30 - after.unsigned_abs())).div_ceil(30) } else { 0 };
            assert_eq!(trade.toxic_fee, due, "{side:?} {after}");
            assert!(due < last || due == 0);
            last = due;
        }
    }
}

#[test]
fn an_exit_at_a_loss_pays_no_such_fee_and_never_more_than_the_profit() {
    for (side, bad) in [(Side::Long, 124), (Side::Short, 126)] {
        for after in [1, 15] {
            let (_, trade) = exit(side, bad * PRINT, after);
            assert!(trade.realised < 0);
            assert_eq!(trade.toxic_fee, 0, "{side:?} {after}");
        }
        // A print that is worth a dollar or two: the share of notional would be ten.
        let (notional, trade) = exit(side, 125 * PRINT + signed(side, 2_000_000), 1);
        assert!((1..8 * DOLLAR.cast_signed()).contains(&trade.realised), "{}", trade.realised);
        assert!(notional / 1_000 * 29 / 30 > trade.realised.unsigned_abs());
        assert_eq!(
            (trade.toxic_fee, trade.paid),
            (trade.realised.unsigned_abs(), 0),
            "{side:?}: all of the profit"
        );
    }
}

#[test]
fn an_increase_starts_the_window_again_and_a_partial_exit_does_not() {
    let mut world = uni_world(toxic_params());
    let trader = world.funded_trader(100_000 * DOLLAR);
    move_uni(&mut world, 125 * PRINT);
    world.open(&trader, MARKET, Side::Long, 4 * LOTS).expect("open");
    world.advance(40);
    print_now(&mut world, 130 * PRINT, 0);
    let mut grown = world.fork();
    grown.open(&trader, MARKET, Side::Long, LOTS).expect("increase");
    let fee = |world: &mut World, lots| world.close(&trader, MARKET, lots).expect("close").trade().toxic_fee;
    assert_eq!(fee(&mut grown, LOTS), 10_400_000, "10 bp of 10,400 dollars");
    assert_eq!(fee(&mut world, LOTS), 0);
    world.advance(1);
    print_now(&mut world, 130 * PRINT, 0);
    assert_eq!(fee(&mut world, LOTS), 0, "a partial exit is no increase");
}

#[test]
fn attack_a_wick_leaves_a_close_payable() {
    // Ten percent and back, a tenth and back, tenfold and back, in two prints of a second each.
    for wick in [1_100, 900, 100, 10_000] {
        let mut world = uni_world(params());
        let (long, short) = (world.funded_trader(1_000 * DOLLAR), world.funded_trader(1_000 * DOLLAR));
        tick(&mut world, 125 * PRINT);
        world.open(&long, MARKET, Side::Long, LOTS).expect("open");
        world.open(&short, MARKET, Side::Short, LOTS).expect("open");
        let notional = world.market(MARKET).core.notional(LOTS).expect("notional");
        tick(&mut world, 125 * PRINT * wick / 1_000);
        tick(&mut world, 125 * PRINT);
        for age in 0..=5 {
            let mut world = world.fork();
            world.advance(age);
            for trader in [&long, &short] {
                let trade = world.close(trader, MARKET, u64::MAX).expect("close").trade().clone();
                assert!(trade.spread <= notional / 100 + 2, "{wick} {age}: {} of spread", trade.spread);
                assert!(age < 2 || trade.spread > notional / 100 - 2, "{wick} {age}: {}", trade.spread);
                assert_eq!(trade.position_lots, 0);
            }
        }
    }
}

#[test]
fn a_print_counts_for_a_tenth_of_the_price_at_most() {
    let sigma = |per_mille: i64| {
        let mut world = uni_world(params());
        tick(&mut world, 125 * PRINT);
        tick(&mut world, 125 * PRINT * per_mille / 1_000);
        world.market(MARKET).core.volatility
    };
    let tenth = sigma(1_100);
    for wick in [900, 1_101, 899, 500, 5, 2_000, 20_000] {
        assert_eq!(sigma(wick).variances, tenth.variances, "{wick}");
    }
    for less in [1_099, 901] {
        assert!(sigma(less).sigma_ppm < tenth.sigma_ppm, "{less}");
    }
    // 10 % in one second, of which the fast variance takes 1 − 2^(−1/1800): √(10^10 · 0.000385) and some rounding.
    assert!((1_960..1_965).contains(&tenth.sigma_ppm), "{}", tenth.sigma_ppm);
}
