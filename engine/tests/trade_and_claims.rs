//! Opening, closing and settling by hand; claims wait, are paid, and collect losses (I17).

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::EngineError;
use bulwark_engine::ladder::FRACTION_ONE;
use bulwark_engine::market::MarketParams;
use bulwark_engine::position::Position;
use bulwark_engine::price::OracleState;
use bulwark_engine::trade::{Order, SettleReport, TradeReport};
use bulwark_engine::units::{Price, Side};
use model::world::{
    ACCOUNTS, Done, HALF, NOW, ONE, Op, PARAMS, World, any_lend, any_move, any_trade, any_unwind, join,
    order, price,
};
use model::{config, int, ratio, within_above};
use proptest::prelude::*;

const LONG: Op = Op::Increase { who: 0, side: Side::Long, lots: 1_000 };
const CLOSE: Op = Op::Decrease { who: 0, eighths: 8 };

fn trade(world: &mut World, op: Op) -> TradeReport {
    match world.apply(&op) {
        Ok(Done::Trade(report)) => report,
        other => panic!("{op:?}: {other:?}"),
    }
}

fn settle(world: &mut World, who: usize) -> SettleReport {
    match world.apply(&Op::Settle { who }) {
        Ok(Done::Settle(report)) => report,
        other => panic!("settle {who}: {other:?}"),
    }
}

/// A curve steep enough to see: scale 1e6 lots, spread and fee 1 %.
fn steep() -> World {
    let params =
        MarketParams { skew_scale: 1_000_000, base_spread_ppm: 10_000, taker_fee_ppm: 10_000, ..PARAMS };
    World::new(&params, HALF, 1_000_000)
}

#[test]
fn a_long_by_hand() {
    let mut world = steep();
    // 1000 lots at 0.5: 500 · (1 + 1000/2e6) = 500.25 → 501, spread 5, fee 5.
    let opened = trade(&mut world, LONG);
    assert_eq!((opened.fill.curve.0, opened.fill.spread, opened.fee, opened.quote_change.0), (501, 5, 5, -5));
    assert_eq!((opened.fees.insurance, opened.fees.protocol, opened.fees.pool), (1, 0, 4));
    assert_eq!((world.accounts[0].position.lots.0, world.accounts[0].position.quote.0), (1000, -506));
    // At 1.0, carry 0.01: closing receives 1000 · (1 + 1000/2e6) = 1000.5 → 1000, less spread 10 and carry 10.
    world.apply(&Op::Price { bits: ONE }).unwrap();
    world.apply(&Op::Carry { long: (1 << 48) / 100, short: 0 }).unwrap();
    let closed = trade(&mut world, CLOSE);
    assert_eq!((closed.fill.curve.0, closed.fill.spread, closed.fee), (-1000, 10, 10));
    assert_eq!((closed.realised.0, closed.paid.0, closed.claim), (474, 474, 0), "1000 − 10 − 10 − 506");
    assert_eq!(closed.quote_change.0, 464);
    assert_eq!(world.accounts[0].position, Position::EMPTY);
    assert_eq!((world.market.book.cash, world.market.book.fees.total()), (1_000_000 - 474, Ok(15)));
}

#[test]
fn a_short_by_hand() {
    let mut world = steep();
    // Sells 1000 at 0.5 · (1 − 1000/2e6) = 499.75 → 499, less spread 5.
    let opened = trade(&mut world, Op::Increase { who: 0, side: Side::Short, lots: 1_000 });
    assert_eq!((opened.fill.curve.0, opened.fill.cost.0), (-499, -494));
    assert_eq!((world.accounts[0].position.lots.0, world.accounts[0].position.quote.0), (-1000, 494));
    // At 1.0 a loss: buys 400 back from −1000 to −600 at 1 − 1600/2e6 = 399.68 → 400, spread 4.
    world.apply(&Op::Price { bits: ONE }).unwrap();
    let position = &mut world.accounts[0].position;
    let part = world.market.decrease(position, &order(400)).unwrap();
    assert_eq!(
        (part.fill.cost.0, part.realised.0, part.paid.0),
        (404, -207, -207),
        "494 · 0.4 = 197.6 → 197"
    );
    assert_eq!((position.lots.0, position.quote.0), (-600, 297));
    assert_eq!(world.market.book.cash, 1_000_207);
}

proptest! {
    #![proptest_config(config(200))]

    /// Formula (1) to the unit: curve and carry round twice each and the quote share once.
    #[test]
    fn opening_moving_and_closing_pays_the_formula(
        side in prop_oneof![Just(Side::Long), Just(Side::Short)], lots in 2..1_u64 << 33, from in HALF..ONE,
        to in ONE / 8..ONE * 8, carry in -(1_i64 << 46)..(1_i64 << 46),
    ) {
        let mut twin = model::world::Twin::new(&PARAMS, from, 1 << 50);
        twin.world.market.params.min_notional = 0;
        let mut off = int(0);
        for op in [
            Op::Increase { who: 0, side, lots },
            Op::Price { bits: to },
            Op::Carry { long: carry, short: carry },
            CLOSE,
        ] {
            if let Done::Trade(report) = twin.apply(&op).unwrap() {
                let curve = twin.world.market.curve(NOW).unwrap();
                let lots = report.fill.lots.0;
                let spread = model::spread_cost(&curve, lots);
                let fee = int(lots.unsigned_abs()) * model::of_price(curve.price)
                    * model::ratio(PARAMS.taker_fee_ppm, 1_000_000);
                prop_assert!(within_above(&spread, &int(report.fill.spread), &int(2)));
                prop_assert!(within_above(&fee, &int(report.fee), &int(2)));
                off += int(report.fill.spread) - spread + int(report.fee) - fee;
            }
        }
        let paid = int(twin.world.accounts[0].quote) + off;
        prop_assert!(within_above(&paid, &twin.model.value(0), &int(4)), "{} of {}", paid, twin.model.value(0));
    }

    #[test]
    fn unpaid_claims_never_fall_short_of_the_claims_and_settling_keeps_every_value(
        history in prop::collection::vec(
            prop_oneof![6 => any_trade(), 3 => any_move(), 1 => any_unwind(), 2 => any_lend()], 1..60,
        ),
    ) {
        let mut world = World::new(&PARAMS, HALF, 1 << 30);
        for op in &history {
            let before = world.clone();
            let Ok(done) = world.apply(op) else { continue };
            prop_assert_eq!(world.market.book.unpaid_claims, world.claims(), "as stored, unwinds pending: an upper bound");
            let settled: i64 = (0..ACCOUNTS).filter(|&i| world.accounts[i].position.is_claim())
                .map(|i| world.holding(i).quote.0).sum();
            prop_assert!(i64::try_from(world.market.book.unpaid_claims).unwrap() >= settled);
            for account in world.accounts.iter().map(|a| a.position) {
                prop_assert!(!account.is_claim() || account.quote.0 > 0, "a claim is owed something");
            }
            if let (Op::Settle { who }, Done::Settle(report)) = (*op, done) {
                prop_assert_eq!(world.value(who), before.value(who));
                prop_assert!(report.claim_paid == 0 || report.loss == 0);
                let waiting = before.market.book.unpaid_claims > 0;
                if before.holding(who).lots.0 == 0 {
                    // Less than a lot was left, so less than a lot's entry price was owed, and a rounding.
                    let was = before.accounts[who].position;
                    prop_assert!(report.loss == 0 || int(report.loss) < -ratio(was.quote.0, was.lots.0) + int(1));
                } else {
                    prop_assert!(report.loss == 0 || waiting, "only claims collect");
                }
            }
        }
    }

    /// I17: whatever happens, traders are paid no more than cash and what others lost.
    #[test]
    fn traders_take_no_more_than_cash_and_what_they_lost(
        history in prop::collection::vec(prop_oneof![6 => any_trade(), 3 => any_move()], 1..60),
    ) {
        let cash = 1 << 20;
        let mut world = World::new(&PARAMS, HALF, cash);
        for op in &history {
            let _ = world.apply(op);
            let quotes: i128 = world.accounts.iter().map(|a| i128::from(a.quote)).sum();
            prop_assert!(quotes <= i128::from(cash), "{}", quotes);
        }
    }
}

/// Account 0 is long with a profit, account 1 short with a loss; the pool's money is gone.
fn short_of_cash() -> World {
    let mut world = World::new(&PARAMS, HALF, 1 << 40);
    world.apply(&Op::Increase { who: 0, side: Side::Long, lots: 1_000_000 }).unwrap();
    world.apply(&Op::Increase { who: 1, side: Side::Short, lots: 400_000 }).unwrap();
    world.apply(&Op::Price { bits: ONE }).unwrap();
    world.apply(&Op::Lend { left: 1_000 }).unwrap();
    world
}

#[test]
fn what_cash_cannot_pay_waits_as_a_claim_and_is_paid_when_cash_arrives() {
    let mut world = short_of_cash();
    let closed = trade(&mut world, CLOSE);
    assert_eq!((closed.paid.0, closed.claim), (1_000, closed.realised.0.unsigned_abs() - 1_000));
    let claim = closed.claim;
    let position = world.accounts[0].position;
    assert!(position.is_claim() && position.quote.0.unsigned_abs() == claim);
    assert_eq!((world.market.book.cash, world.market.book.unpaid_claims), (0, claim));
    // Nothing there: nothing paid, nothing lost.
    assert_eq!(settle(&mut world, 0).claim_paid, 0);
    assert_eq!(world.market.book.unpaid_claims, claim);
    // A part arrives, then the rest.
    world.apply(&Op::Lend { left: 300 }).unwrap();
    assert_eq!(settle(&mut world, 0).quote_change.0, 300);
    assert_eq!(world.market.book.unpaid_claims, claim - 300);
    world.apply(&Op::Lend { left: claim }).unwrap();
    assert_eq!(settle(&mut world, 0).claim_paid, claim - 300);
    assert_eq!((world.market.book.cash, world.market.book.unpaid_claims), (300, 0));
    assert_eq!(world.accounts[0].position, Position::EMPTY);
    assert_eq!(world.apply(&Op::Settle { who: 0 }).err(), Some(EngineError::NoPosition));
}

#[test]
fn losses_are_collected_only_while_claims_wait() {
    let mut world = short_of_cash();
    assert_eq!(settle(&mut world, 1).loss, 0, "no claim, no collection");
    trade(&mut world, CLOSE);
    let (value, equity) = (world.value(1), world.market.book.equity(price(ONE)).unwrap());
    let collected = settle(&mut world, 1);
    assert!(collected.loss > 199_000 && world.market.book.cash == collected.loss);
    assert_eq!((world.value(1), world.market.book.equity(price(ONE)).unwrap()), (value, equity));
    assert_eq!(world.pnl(1), int(0), "nothing is left to lose at this price");
    assert_eq!(settle(&mut world, 1).loss, 0, "once");
    // And the winner is paid with it.
    assert_eq!(settle(&mut world, 0).claim_paid, collected.loss);
}

#[test]
fn losses_are_not_collected_at_a_price_that_is_not_fresh() {
    let mut world = short_of_cash();
    trade(&mut world, CLOSE);
    let fresh = world.market.oracle;
    for oracle in [
        OracleState { conf: ONE / 50, ..fresh },
        OracleState { publish_time: NOW - 61, ..fresh },
        OracleState { divergent: 1, ..fresh },
    ] {
        world.market.oracle = oracle;
        assert_eq!(settle(&mut world, 1).loss, 0, "{oracle:?}");
    }
}

#[test]
fn a_winner_is_not_collected_from_while_claims_wait() {
    let mut world = short_of_cash();
    world.apply(&Op::Increase { who: 2, side: Side::Long, lots: 1_000 }).unwrap_err();
    trade(&mut world, CLOSE);
    world.apply(&Op::Price { bits: HALF / 2 }).unwrap();
    let before = world.accounts[1];
    let report = settle(&mut world, 1);
    assert_eq!((report.loss, report.quote_change.0, world.accounts[1].quote), (0, 0, before.quote));
}

#[test]
fn a_partial_close_beyond_cash_leaves_the_rest_in_the_position() {
    let mut world = short_of_cash();
    let report = trade(&mut world, Op::Decrease { who: 0, eighths: 4 });
    assert_eq!(report.paid.0, 1_000);
    assert!(report.claim > 200_000);
    // 0.5 · 500 000 is owed on the open half and the claim on top.
    assert!(!world.accounts[0].position.is_claim() && world.pnl(0) > int(250_000 + 200_000));
    assert_eq!(world.market.book.unpaid_claims, 0, "counts as profit of the position until it is closed");
    let rest = trade(&mut world, CLOSE);
    assert_eq!((rest.paid.0, rest.claim), (0, world.market.book.unpaid_claims));
}

#[test]
fn a_claim_joins_the_next_position_on_its_side() {
    let mut world = short_of_cash();
    trade(&mut world, CLOSE);
    world.apply(&Op::Lend { left: 1 << 40 }).unwrap();
    let (claim, value) = (world.market.book.unpaid_claims, world.value(0));
    let other = world.market.increase(&mut world.accounts[0].position.clone(), Side::Short, &order(1_000));
    assert_eq!(other, Err(EngineError::OppositeSide));
    let opened = trade(&mut world, LONG);
    let cost = opened.fill.cost.0 - 1_000 + i64::try_from(opened.fee).unwrap();
    assert_eq!(world.value(0), value - int(cost), "a thousand lots at one");
    assert_eq!(world.market.book.unpaid_claims, 0);
    assert!(claim > 0 && world.pnl(0) >= int(claim - 2));
}

#[test]
fn a_slot_that_is_not_in_use_cannot_increase() {
    let mut world = World::new(&PARAMS, HALF, 1 << 40);
    let before = world.market.clone();
    for side in [Side::Long, Side::Short] {
        let mut slot = Position { side: side.to_byte(), ..Position::EMPTY };
        let refused = world.market.increase(&mut slot, side, &order(1_000));
        assert_eq!(refused, Err(EngineError::NoPosition));
        assert!(world.market == before && slot == Position { side: side.to_byte(), ..Position::EMPTY });
        let mut slot = Position::new(0, side);
        assert!(world.market.clone().increase(&mut slot, side, &order(1_000)).is_ok());
    }
}

#[test]
fn an_unwound_short_owes_a_lot_until_it_is_bought_back() {
    // The mirror of the next: one lot sold for a unit at 2; half of it is a lot still, and nothing for it.
    let mut world =
        World::new(&MarketParams { taker_fee_ppm: 0, base_spread_ppm: 0, ..PARAMS }, HALF, 1 << 40);
    world.market.params.min_notional = 0;
    world.apply(&Op::Price { bits: 2 * ONE }).unwrap();
    world.apply(&Op::Increase { who: 0, side: Side::Short, lots: 1 }).unwrap();
    world.apply(&Op::Price { bits: HALF }).unwrap();
    world.apply(&Op::Unwind { side: Side::Short, h: FRACTION_ONE / 2 }).unwrap();
    let (held, book) = (world.holding(0), &world.market.book);
    assert_eq!((held.lots.0, held.quote.0), (-1, 0), "q = 1: 2 − impact → 1");
    assert_eq!((book.short.lots, book.short.cost.0), (0, 1), "the book owes no less");
    let report = settle(&mut world, 0);
    assert_eq!((report.unwound.lots, report.unwound.quote.0, report.loss), (0, -1, 0));
    assert_eq!((world.market.book.short.lots, world.market.book.short.cost.0), (1, 0));
    let closed = trade(&mut world, CLOSE);
    assert_eq!((closed.fill.lots.0, closed.paid.0), (1, -1), "half a unit, rounded up");
    assert_eq!((world.accounts[0].position, world.market.book.short.lots), (Position::EMPTY, 0));
}

#[test]
fn dust_that_an_unwind_left_is_settled_and_frees_the_slot() {
    // One lot bought at 0.5: half of it is no lot and a cost of a unit.
    let mut world = World::new(&PARAMS, HALF, 1 << 40);
    world.market.params.min_notional = 0;
    world.apply(&Op::Increase { who: 0, side: Side::Long, lots: 1 }).unwrap();
    world.apply(&Op::Price { bits: ONE * 8 }).unwrap();
    let before = world.accounts[0].quote;
    world.apply(&Op::Unwind { side: Side::Long, h: FRACTION_ONE / 2 }).unwrap();
    let held = world.holding(0);
    assert_eq!((held.lots.0, held.quote.0), (0, -1), "q = −2: 0.5 + impact → 1, spread → 1");
    assert_eq!(trade_error(&mut world, CLOSE), EngineError::ZeroAmount, "must be settled first");
    let report = settle(&mut world, 0);
    assert_eq!((report.unwound.lots, report.loss, report.quote_change.0), (1, 1, -1));
    assert_eq!((world.accounts[0].position, world.accounts[0].quote), (Position::EMPTY, before - 1));
    assert_eq!(world.market.book.long.lots, 0, "the bucket's dust is gone with its last member");
}

fn trade_error(world: &mut World, op: Op) -> EngineError {
    world.apply(&op).unwrap_err()
}

#[test]
fn an_order_of_the_wrong_size_is_refused() {
    let params = MarketParams { step: 10, min_notional: 100, ..PARAMS };
    let mut world = World::new(&params, ONE, 1 << 40);
    let increase = |lots| Op::Increase { who: 0, side: Side::Long, lots };
    assert_eq!(trade_error(&mut world, increase(0)), EngineError::ZeroAmount);
    assert_eq!(
        trade_error(&mut world, increase(105)),
        EngineError::NotAMultipleOfStep { lots: 105, step: 10 }
    );
    let small = EngineError::BelowMinNotional { notional: 90, minimum: 100 };
    assert_eq!(trade_error(&mut world, increase(90)), small);
    trade(&mut world, increase(200));
    let close = |lots| world.market.clone().decrease(&mut world.accounts[0].position.clone(), &order(lots));
    assert_eq!(close(201), Err(EngineError::CloseExceedsPosition { asked: 201, held: 200 }));
    assert_eq!(close(15), Err(EngineError::NotAMultipleOfStep { lots: 15, step: 10 }));
    assert_eq!(close(110), Err(small));
    assert!(close(100).is_ok());
    assert!(close(200).is_ok() && close(Order::ALL).is_ok());
    assert_eq!(close(0), Err(EngineError::ZeroAmount));
    // The whole goes whatever its size: half of it was unwound.
    world.apply(&Op::Price { bits: ONE * 2 }).unwrap();
    world.apply(&Op::Unwind { side: Side::Long, h: FRACTION_ONE / 2 + 1 }).unwrap();
    assert_eq!(world.holding(0).lots.0, 99);
    assert_eq!(trade(&mut world, CLOSE).fill.lots.0, -99);
    let again = world.market.decrease(&mut world.accounts[0].position, &order(Order::ALL));
    assert_eq!(again, Err(EngineError::NoPosition));
}

#[test]
fn a_trade_needs_a_young_price_and_a_close_may_use_a_wide_one_at_its_spread() {
    let mut world = World::new(&PARAMS, HALF, 1 << 40);
    trade(&mut world, LONG);
    world.market.oracle.conf = HALF / 50; // 2 %
    assert!(matches!(trade_error(&mut world, LONG), EngineError::PriceNotUsable { .. }));
    assert_eq!(trade(&mut world.clone(), CLOSE).fill.spread, 10, "2 % of 500");
    world.market.oracle.conf = 0;
    world.market.oracle.publish_time = NOW - 6;
    assert!(matches!(trade_error(&mut world, LONG), EngineError::PriceNotUsable { .. }));
    assert!(matches!(trade_error(&mut world, CLOSE), EngineError::PriceNotUsable { .. }));
    world.market.oracle.publish_time = NOW - 5;
    trade(&mut world, LONG);
    trade(&mut world, CLOSE);
}

#[test]
fn a_limit_price_bounds_the_fill() {
    let mut world = World::new(&PARAMS, HALF, 1 << 40);
    let buy = |world: &World, limit| {
        let mut position = Position::new(0, Side::Long);
        let order = Order { limit: Some(price(limit)), ..order(1_000) };
        world.market.clone().increase(&mut position, Side::Long, &order)
    };
    // 501 and 1 of spread: 0.502 a lot.
    assert_eq!(buy(&world, ONE * 501 / 1000), Err(EngineError::LimitPrice { cost: 502, allowed: 501 }));
    assert!(buy(&world, ONE * 502 / 1000).is_ok());
    trade(&mut world, LONG);
    let sell = |world: &World, limit| {
        let order = Order { limit: Some(price(limit)), ..order(Order::ALL) };
        world.market.clone().decrease(&mut world.accounts[0].position.clone(), &order)
    };
    assert!(sell(&world, ONE * 499 / 1000).is_ok(), "500 less 1");
    assert_eq!(sell(&world, HALF), Err(EngineError::LimitPrice { cost: -499, allowed: -500 }));
}

#[test]
fn a_clients_limit_beyond_the_range_is_no_limit_on_the_generous_side_only() {
    let (min, max) = (Price::MIN.to_bits(), Price::MAX.to_bits());
    assert_eq!(Order::limit(Side::Long, u64::MAX), Ok(None));
    assert_eq!(Order::limit(Side::Long, max + 1), Ok(None));
    assert_eq!(Order::limit(Side::Long, max), Ok(Some(Price::MAX)));
    assert_eq!(Order::limit(Side::Long, min - 1), Err(EngineError::PriceOutOfRange));
    assert_eq!(Order::limit(Side::Short, 0), Ok(None));
    assert_eq!(Order::limit(Side::Short, min), Ok(Some(Price::MIN)));
    assert_eq!(Order::limit(Side::Short, max + 1), Err(EngineError::PriceOutOfRange));
}

#[test]
fn a_position_that_was_not_settled_cannot_leave() {
    let mut ladder = model::world::ladder(Side::Long, ONE);
    let mut position = join(&mut ladder, 1_000, -500);
    ladder.unwind(price(ONE), FRACTION_ONE / 4).unwrap();
    assert_eq!(ladder.leave(&position), Err(EngineError::Corrupt("ladder: unsettled position")));
    ladder.settle(&mut position).unwrap();
    assert_eq!((position.lots.0, position.quote.0), (750, -375));
    ladder.leave(&position).unwrap();
}
