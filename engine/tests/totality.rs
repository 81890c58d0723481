//! No input makes the engine panic: overflow checks are on, and whatever bytes a market and a position hold,
//! every operation says Ok or Err.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::allocation;
use bulwark_engine::audit::MemberSum;
use bulwark_engine::collateral::{Collateral, QuoteWeight};
use bulwark_engine::decay;
use bulwark_engine::fill::Curve;
use bulwark_engine::ladder::{BUCKETS, FRACTION_ONE, unwind_fraction};
use bulwark_engine::margin::{Health, HealthType};
use bulwark_engine::market::Market;
use bulwark_engine::pool::{Nav, Pool, PoolParams, Ticket, TrancheKind};
use bulwark_engine::position::{Holding, Position};
use bulwark_engine::price::{
    OracleState, Print, Reading, Selection, half_spread_ppm, lower_bound, normalise, select, upper_bound,
};
use bulwark_engine::trade::{Order, Owes};
use bulwark_engine::units::{Lots, Price, Quote, Side};
use model::config;
use model::garbage::{any_market, any_position, any_word, pod};
use model::world::{HALF, NOW, Op, PARAMS, World, any_move, any_side, any_trade, any_unwind};
use proptest::prelude::*;

fn any_order() -> impl Strategy<Value = Order> {
    let lots = prop_oneof![2 => any_word(), 1 => Just(Order::ALL), 3 => 0..1_000_u64];
    let limit =
        prop::option::weighted(0.2, (1_u64 << 20..=1 << 46).prop_map(|bits| Price::from_bits(bits).unwrap()));
    let now = prop_oneof![3 => Just(NOW), 1 => any::<i64>()];
    (lots, limit, now).prop_map(|(lots, limit, now)| Order { lots, limit, now })
}

/// Every question and every operation, each on its own copy.
fn use_all(market: &Market, position: &Position, side: Side, order: &Order, word: u64) {
    let now = order.now;
    let mut sums = [MemberSum::default(); BUCKETS];
    for side in Side::BOTH {
        let ladder = market.book.side(side);
        let _ = (ladder.holding(), ladder.winners(market.mark()), ladder.member(position));
        let _ = (ladder.count_member(&mut sums, position), ladder.agrees_with(&sums));
        for h in [word % FRACTION_ONE, FRACTION_ONE - 1, word] {
            let _ = ladder.clone().unwind(market.mark(), h);
        }
        let (mut copy, mut member) = (*ladder, *position);
        let _ = (copy.settle(&mut member), copy.leave(&member), copy.join(&mut member));
    }
    let book = &market.book;
    let _ = (book.skew(), book.traders_pnl(market.mark()), book.equity(market.mark()), book.tokens());
    let _ = (
        book.equity_range(market.oracle.strict()),
        market.curve(now),
        market.split_fee(word),
        market.notional(word),
    );
    for health in [HealthType::Init, HealthType::Withdraw, HealthType::Maint] {
        let _ = Health::of_position(market, position, health, now);
        let _ = Health::of_position_at_stored_price(market, position, health);
        let _ = Health::of_quote(position.quote, market.params.imf_ppm, health);
    }
    let _ = market.params.validate();
    let mut a = Box::new(*market);
    let _ = a.initialize(&market.params, market.oracle);
    let (mut a, mut p) = (Box::new(*market), *position);
    let _ = a.increase(&mut p, side, order);
    let (mut a, mut p) = (Box::new(*market), *position);
    let _ = a.decrease(&mut p, order);
    let (mut a, mut p) = (Box::new(*market), *position);
    let _ = a.settle(&mut p, (Owes { here: word, all: word.rotate_left(7) }, now));
    let mut a = Box::new(*market);
    let _ = (a.accrue(now), a.update_borrow_rate(), a.accrue(word.cast_signed()), a.imf_ppm(), a.mmf_ppm());
    let reading = Reading { price: market.mark(), conf: word, publish_time: now };
    for selection in [Selection::Primary(reading), Selection::Divergent([now, word.cast_signed()])] {
        let mut a = Box::new(*market);
        let _ = (a.refresh(selection, now), a.refresh(selection, word.cast_signed()));
    }
    let (mut a, mut idle) = (Box::new(*market), word);
    let _ = allocation::allocate(&mut a, &mut idle, word.rotate_left(17));
    let _ = a.sweep();
}

fn use_oracle(state: &OracleState, collateral: &Collateral, words: [u64; 4], now: i64) {
    let [a, b, c, d] = words;
    let exponent = i32::try_from(d % 64).unwrap() - 32;
    let print = Print { price: a, conf: b, exponent, publish_time: c.cast_signed() };
    let [decimals, lots, ..] = d.to_le_bytes();
    let _ = normalise(&print, decimals, lots);
    let _ = normalise(&Print { exponent: i32::MIN, ..print }, 0, 255);
    let reading = Reading { price: state.price, conf: b, publish_time: c.cast_signed() };
    for readings in
        [[Some(reading), Some(reading)], [None, Some(reading)], [Some(reading), None], [None, None]]
    {
        if let Ok(selection) = select(state, &collateral.params.oracle, readings, now) {
            let _ = { *state }.accept(selection, &collateral.params.oracle);
        }
    }
    for selection in [
        Selection::Primary(reading),
        Selection::Secondary(reading),
        Selection::Agreed(reading, d.cast_signed()),
        Selection::Divergent([c.cast_signed(), d.cast_signed()]),
    ] {
        let _ = { *state }.accept(selection, &collateral.params.oracle);
    }
    let _ = (half_spread_ppm(state, 1, u32::MAX), lower_bound(state), upper_bound(state), state.conf_ppm());
    let _ = (QuoteWeight::of(collateral).map(|weight| weight.at(now)), collateral.params.validate());
    for health in [HealthType::Init, HealthType::Withdraw, HealthType::Maint] {
        let _ = collateral.value(a, health, now);
    }
    let _ = (collateral.cap(now), collateral.require_cap(a, now), collateral.haircut_init_ppm());
    let _ = (collateral.releasable(now), collateral.params.validate_limits());
    let mut copy = *collateral;
    let _ =
        (copy.receive(a, now), copy.release(b, now), copy.receive(c, d.cast_signed()), copy.release(a, now));
}

fn use_pool(pool: &Pool, ticket: &Ticket, market: &Market, [low, high, used, amount]: [u64; 4], now: i64) {
    let nav = Nav { low, high, used, releasable: u64::MAX };
    let _ = (
        Nav::of_pool(pool).plus_market(market),
        nav.plus_market(market),
        pool.pending(&nav),
        pool.is_over(ticket, now),
    );
    let _ = ({ *pool }.initialize(&pool.params, now), pool.senior_claim());
    for kind in TrancheKind::BOTH {
        let _ = (pool.tranche_value(kind, low), pool.share_value(kind, amount, high));
        let _ = ({ *pool }.issue(kind, amount, &nav, now), { *pool }.request(kind, amount, &nav, now));
        let _ = (
            { *pool }.cancel(kind, &mut { *ticket }, now),
            { *pool }.redeem(kind, &mut { *ticket }, &nav, now),
        );
    }
}

proptest! {
    #![proptest_config(config(5_000))]

    #[test]
    fn garbage_in_a_pool_or_a_ticket_is_refused_or_survived(
        words in prop::collection::vec(any_word(), 4..20), market in any_market(), sound in any::<bool>(), now in any::<i64>(),
    ) {
        let (mut pool, ticket) = (pod::<Pool>(&words), pod::<Ticket>(&words[1..]));
        if sound {
            pool.params = PoolParams::DEFAULT;
            pool.senior_index = 1 << 56;
        }
        use_pool(&pool, &ticket, &market, [words[0], words[1], words[2], words[3]], now);
        use_pool(&pool, &ticket, &market, [words[3], words[2], words[1], words[0]], NOW);
    }

    #[test]
    fn garbage_in_a_market_or_a_position_is_refused_or_survived(
        market in any_market(), position in any_position(), side in any_side(), order in any_order(), word in any_word(),
    ) {
        use_all(&market, &position, side, &order, word);
    }

    #[test]
    fn garbage_in_prices_and_collaterals_is_refused_or_survived(
        words in prop::collection::vec(any_word(), 4..20), now in any::<i64>(),
    ) {
        let (state, collateral) = (pod::<OracleState>(&words), pod::<Collateral>(&words));
        use_oracle(&state, &collateral, [words[0], words[1], words[2], words[3]], now);
        use_oracle(&collateral.oracle, &collateral, [words[3], words[2], words[1], words[0]], NOW);
    }

    #[test]
    fn garbage_in_the_small_functions_is_refused_or_survived(
        [a, b, c] in prop::array::uniform3(any_word()), x in any::<u32>(), y in any::<u32>(), bits in 1_u64 << 20..=1 << 46,
    ) {
        let price = Price::from_bits(bits).unwrap();
        let curve = Curve { price, skew_scale: a, max_impact_ppm: x, half_spread_ppm: y };
        let _ = (curve.fill(Lots(b.cast_signed()), Lots(c.cast_signed())), curve.require_impact(Lots(b.cast_signed()), Lots(c.cast_signed())));
        let holding = Holding { lots: Lots(a.cast_signed()), quote: Quote(b.cast_signed()) };
        let _ = (holding.entry(), holding.decreased(c, Quote(b.cast_signed()), Quote(a.cast_signed())));
        let _ = holding.increased(Lots(c.cast_signed()), Quote(a.cast_signed()), Quote(b.cast_signed()));
        let _ = (decay::remaining(x, y), unwind_fraction(a, b, c));
    }

    /// A sound market with a few words of garbage written over it, mid-history.
    #[test]
    fn a_damaged_market_is_refused_or_survived(
        history in prop::collection::vec(prop_oneof![4 => any_trade(), 1 => any_move(), 1 => any_unwind()], 1..12),
        damage in prop::collection::vec((0..1_400_usize, any_word()), 1..6), more in prop::collection::vec(any_trade(), 1..6),
        order in any_order(), word in any_word(),
    ) {
        let mut world = World::new(&PARAMS, HALF, 1 << 40);
        for op in &history {
            let _ = world.apply(op);
        }
        for &(at, word) in &damage {
            let bytes = bytemuck::bytes_of_mut(&mut *world.market);
            let at = at * 8 % (bytes.len() - 8);
            bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
        }
        for op in &more {
            let (market, mut position) = (&mut world.market, world.accounts[0].position);
            match *op {
                Op::Increase { side, .. } => { let _ = market.increase(&mut position, side, &order); }
                Op::Decrease { .. } => { let _ = market.decrease(&mut position, &order); }
                _ => { let _ = market.settle(&mut position, (Owes::default(), NOW)); }
            }
        }
        for account in &world.accounts {
            use_all(&world.market, &account.position, Side::Long, &order, word);
        }
    }
}
