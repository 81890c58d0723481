//! Invariants I10 and I16: a round trip at one price never profits, splitting never helps, and rounding
//! gives nothing away, however the trades are cut and interleaved.

use bulwark_sdk::engine::margin::HealthType;
use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::position::Position;
use bulwark_sdk::engine::trade::Order;
use bulwark_sdk::engine::units::Side;
use bulwark_tests::fixtures::{DOLLAR, PRINT};
use bulwark_tests::{Trader, World};

use crate::support::{MARKET, Rng, UNI, free_params, move_uni, uni_params, uni_world};

const STEP: u64 = 1_000_000;
/// A price that Q32.32 does not hold exactly, so that everything rounds.
const ODD: i64 = 123_45678901;

fn quote(world: &World, trader: &Trader) -> i64 {
    world.margin(&trader.margin).quote.0
}

/// A world at the odd price in which somebody else holds `skew` steps (short if negative).
fn skewed(params: MarketParams, skew: i64) -> World {
    let mut world = uni_world(params);
    let other = world.funded_trader(5_000_000 * DOLLAR);
    move_uni(&mut world, ODD);
    if skew != 0 {
        let side = if skew > 0 { Side::Long } else { Side::Short };
        world.open(&other, MARKET, side, skew.unsigned_abs() * STEP).expect("skew");
    }
    world
}

#[test]
fn a_round_trip_at_one_price_never_profits() {
    for (params, free) in [(free_params(), true), (uni_params(), false)] {
        for skew in [0, 777_777, -777_777] {
            let world = skewed(params, skew);
            for side in Side::BOTH {
                for steps in [82, 1_001, 33_333, 1_200_007] {
                    let mut world = world.fork();
                    let trader = world.funded_trader(1_000_000 * DOLLAR);
                    let before = quote(&world, &trader);
                    let open = world.open(&trader, MARKET, side, steps * STEP).expect("open");
                    let close = world.close(&trader, MARKET, u64::MAX).expect("close");
                    let cost = |o: &bulwark_tests::Outcome| {
                        let t = o.trade();
                        i64::try_from(t.spread + t.fee_pool + t.fee_insurance + t.fee_protocol)
                            .expect("small")
                    };
                    let (lost, charged) = (before - quote(&world, &trader), cost(&open) + cost(&close));
                    let what = format!("free {free} skew {skew} {side:?} {steps}");
                    assert!(lost >= charged, "{what}: {lost} for {charged}");
                    assert!(lost <= charged + 1, "{what}: the curve gives back all but its rounding");
                }
            }
        }
    }
}

#[test]
fn splitting_an_order_never_helps_and_costs_no_more_than_rounding() {
    for (params, skew) in [(free_params(), 0), (uni_params(), 555_555), (uni_params(), -555_555)] {
        let world = skewed(params, skew);
        for side in Side::BOTH {
            let lots = 999_990 * STEP;
            let mut whole = world.fork();
            let trader = whole.funded_trader(1_000_000 * DOLLAR);
            whole.open(&trader, MARKET, side, lots).expect("open");
            let opened = quote(&whole, &trader) + whole.margin(&trader.margin).positions[0].quote.0;
            let mut closed = whole.fork();
            closed.close(&trader, MARKET, u64::MAX).expect("close");
            for parts in [2, 10, 30] {
                let mut split = world.fork();
                let trader = split.funded_trader(1_000_000 * DOLLAR);
                for _ in 0..parts {
                    split.open(&trader, MARKET, side, lots / parts).expect("open");
                }
                let account = split.margin(&trader.margin);
                assert_eq!(account.positions[0].lots.count(), lots);
                let got = account.quote.0 + account.positions[0].quote.0;
                // One unit each for curve, spread and fee of every part.
                let most = 3 * i64::try_from(parts).expect("small");
                assert!(
                    (opened - most..=opened).contains(&got),
                    "open {side:?} in {parts}: {got} for {opened}"
                );

                let mut split = whole.fork();
                for part in 0..parts {
                    split
                        .close(&trader, MARKET, if part == parts - 1 { u64::MAX } else { lots / parts })
                        .expect("close");
                }
                let (got, once) = (quote(&split, &trader), quote(&closed, &trader));
                assert!((once - most..=once).contains(&got), "close {side:?} in {parts}: {got} for {once}");
            }
        }
    }
}

#[test]
fn a_partial_close_leaves_the_rest_as_it_was_worth() {
    let world = skewed(free_params(), 0);
    for side in Side::BOTH {
        let mut world = world.fork();
        let trader = world.funded_trader(1_000_000 * DOLLAR);
        world.open(&trader, MARKET, side, 999_983 * STEP).expect("open");
        for (price, steps) in [(130, 333_331), (110, 1), (125, 333_337)] {
            move_uni(&mut world, price * PRINT + 12_345_678);
            let worth = |w: &World| w.health(&trader.margin, HealthType::Maint).equity.0;
            let before = worth(&world);
            let mark = world.market(MARKET).core.mark();
            let out = world.close(&trader, MARKET, steps * STEP).expect("close");
            // Against the mark the fill gives up its impact; what is left must be worth what it was.
            let trade = out.trade();
            let at_mark = mark.mul_floor(steps * STEP).expect("fits").cast_signed()
                * if side == Side::Long { -1 } else { 1 };
            let impact = trade.curve - at_mark;
            let change = worth(&world) - before;
            assert!(
                (-impact - 2..=-impact + 1).contains(&change),
                "{side:?} {price}: {change} for an impact of {impact}"
            );
        }
    }
}

#[test]
fn attack_self_trading_both_sides_at_one_price_extracts_nothing() {
    let seed = 77;
    let mut rng = Rng::new(seed);
    let mut world = uni_world(free_params());
    let actors = [0; 3].map(|_| world.funded_trader(1_000_000 * DOLLAR));
    let outsider = world.funded_trader(1_000_000 * DOLLAR);
    move_uni(&mut world, ODD);
    world.open(&outsider, MARKET, Side::Short, 432_109 * STEP).expect("open");
    let cash = world.market(MARKET).core.book.cash;
    for step in 0..150 {
        let who = &actors[rng.below(3) as usize];
        let steps = 81 + rng.below(900_000);
        let held = world.margin(&who.margin).positions[0];
        let result = if held.is_open() && rng.below(2) == 0 {
            let all = rng.below(2) == 0 || held.lots.count() < (steps + 81) * STEP;
            world.close(who, MARKET, if all { u64::MAX } else { steps * STEP })
        } else {
            let side = if held.is_open() { held.side().expect("side") } else { rng.pick(&Side::BOTH) };
            world.open(who, MARKET, side, steps * STEP)
        };
        if let Err(failure) = result {
            assert!(failure.is("ImpactTooLarge"), "seed {seed} step {step}: {failure:?}");
        }
    }
    for who in &actors {
        if world.margin(&who.margin).positions[0].is_open() {
            world.close(who, MARKET, u64::MAX).expect("close");
        }
    }
    let sum: i64 = actors.iter().map(|a| quote(&world, a)).sum();
    let put_in = 3_000_000 * DOLLAR.cast_signed();
    assert!(sum <= put_in, "seed {seed}: {} units gained", sum - put_in);
    assert!(sum >= put_in - 2 * 150, "seed {seed}: rounding alone is lost");
    let after = world.market(MARKET).core.book.cash;
    assert_eq!((after - cash).cast_signed(), put_in - sum, "what they lost is the pool's");
}

#[test]
fn attack_dust_trades_milk_no_unit() {
    // Ten thousand smallest trades on a market without fee and spread, on the engine that the program runs.
    let params = MarketParams { step: 1, min_notional: 1, ..free_params() };
    let mut world = uni_world(params);
    move_uni(&mut world, ODD);
    let mut market = world.market(MARKET).core;
    let mut rng = Rng::new(5);
    let mut balance = 0;
    let mut positions = Side::BOTH.map(|side| Position::new(MARKET, side));
    for _ in 0..10_000 {
        let slot = rng.below(2) as usize;
        let (side, position) = (Side::BOTH[slot], &mut positions[slot]);
        if !position.is_open() {
            *position = Position::new(MARKET, side);
        }
        let order = Order { lots: 9 + rng.below(60), limit: None, now: world.now() };
        let report = if position.lots.count() > 0 && rng.below(2) == 0 {
            let held = position.lots.count();
            let lots = if held < order.lots + 10 { Order::ALL } else { order.lots };
            market.decrease(position, &Order { lots, ..order })
        } else {
            market.increase(position, side, &order)
        };
        balance += report.expect("trade").quote_change.0;
    }
    for position in positions.iter_mut().filter(|p| p.lots.count() > 0) {
        let all = Order { lots: Order::ALL, limit: None, now: world.now() };
        balance += market.decrease(position, &all).expect("close").quote_change.0;
    }
    assert!(balance <= 0, "{balance} units milked");
    assert!(balance > -20_000, "at most a unit or two a trade");
}

#[test]
fn attack_smallest_trades_on_chain_milk_no_unit() {
    let params = MarketParams { step: 1, min_notional: 1, taker_fee_ppm: 1, ..free_params() };
    let mut world = uni_world(params);
    let trader = world.funded_trader(10 * DOLLAR);
    move_uni(&mut world, ODD);
    for n in 0..40 {
        let before = quote(&world, &trader);
        let open = world.open(&trader, MARKET, Side::BOTH[n % 2], 9).expect("open");
        let close = world.close(&trader, MARKET, u64::MAX).expect("close");
        for trade in [open.trade(), close.trade()] {
            assert_eq!(
                trade.fee_pool + trade.fee_insurance + trade.fee_protocol,
                1,
                "a fee is never rounded to nothing"
            );
            assert_eq!((trade.fee_insurance, trade.fee_protocol), (0, 0), "nor is a share rounded up");
        }
        assert!(quote(&world, &trader) <= before - 2, "both fees are gone at least");
    }
}

#[test]
fn attack_trading_ahead_of_a_known_print_pays_fees_and_spread_first() {
    // Fees of 5 bp and spreads of 2 bp on both ways: 14 bp. A print known in advance must move more than that.
    for (bp, profits) in [(0, false), (7, false), (13, false), (16, true)] {
        for side in Side::BOTH {
            let mut world = uni_world(uni_params());
            let trader = world.funded_trader(100_000 * DOLLAR);
            move_uni(&mut world, UNI.price);
            let lots = 80_000 * STEP;
            world.open(&trader, MARKET, side, lots).expect("open");
            let next = UNI.price / 10_000 * if side == Side::Long { 10_000 + bp } else { 10_000 - bp };
            move_uni(&mut world, next);
            world.close(&trader, MARKET, u64::MAX).expect("close");
            let gain = quote(&world, &trader) - 100_000 * DOLLAR.cast_signed();
            assert_eq!(gain > 0, profits, "{bp} bp {side:?}: {gain}");
            // 10,000 dollars of notional: what is left of a move of b bp is b − 14 bp, within the second order.
            assert!((gain - (bp - 14) * DOLLAR.cast_signed()).abs() < 20_000, "{bp} bp {side:?}: {gain}");
        }
    }
}
