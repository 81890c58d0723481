//! Caps at both sides of their boundary; allocation; shares.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::allocation::allocate;
use bulwark_engine::limits::{grow, require_caps, shrink};
use bulwark_engine::market::{Market, MarketParams};
use bulwark_engine::price::OracleState;
use bulwark_engine::units::{Lots, Quote, Side};
use bulwark_engine::{EngineError, shares};
use model::world::{HALF, ONE, Op, PARAMS, World, join, market, oracle, price};
use model::{config, int, ratio};
use proptest::prelude::*;

/// A book of these lots at one quote unit each, entered at one: no profit, and cash of 1000.
fn book(params: &MarketParams, long: u64, short: u64) -> Box<Market> {
    let mut market = market(params, ONE, 1_000);
    for (ladder, lots, sign) in [(&mut market.book.long, long, -1), (&mut market.book.short, short, 1)] {
        if lots > 0 {
            join(ladder, lots, sign * lots.cast_signed());
        }
    }
    market
}

fn caps(market: &Market, side: Side, lots: u64, skew_before: i64) -> Result<(), EngineError> {
    require_caps(market, (side, Lots::on(side, lots).unwrap()), Lots(skew_before))
}

#[test]
fn open_interest_is_capped_per_side() {
    let params = MarketParams { max_oi: 100, ..PARAMS };
    assert_eq!(caps(&book(&params, 100, 100), Side::Long, 1, 0), Ok(()));
    assert_eq!(
        caps(&book(&params, 101, 100), Side::Long, 1, 0),
        Err(EngineError::OpenInterestCap { lots: 101, cap: 100 })
    );
    assert_eq!(
        caps(&book(&params, 100, 101), Side::Short, 1, 0),
        Err(EngineError::OpenInterestCap { lots: 101, cap: 100 })
    );
    assert_eq!(
        caps(&book(&params, 101, 100), Side::Short, 1, 0),
        Ok(()),
        "the other side's is not this trade's"
    );
    let params = MarketParams { max_oi: 0, ..PARAMS };
    assert!(caps(&book(&params, 1, 0), Side::Long, 1, 0).is_err());
}

#[test]
fn an_accounts_share_is_capped_above_the_floor() {
    let params = MarketParams { share_floor: 100, max_share_ppm: 250_000, ..PARAMS };
    assert_eq!(caps(&book(&params, 100, 100), Side::Long, 100, 0), Ok(()), "at the floor");
    assert_eq!(caps(&book(&params, 104, 100), Side::Long, 26, 0), Ok(()));
    assert_eq!(
        caps(&book(&params, 104, 100), Side::Long, 27, 0),
        Err(EngineError::ShareCap { lots: 27, cap: 26 })
    );
    assert_eq!(
        caps(&book(&params, 107, 100), Side::Long, 27, 0),
        Err(EngineError::ShareCap { lots: 27, cap: 26 }),
        "rounded down"
    );
    let params = MarketParams { share_floor: 0, max_share_ppm: 0, ..PARAMS };
    assert!(caps(&book(&params, 100, 100), Side::Long, 1, 0).is_err());
}

#[test]
fn skew_is_capped_by_equity_unless_it_shrinks() {
    // Equity 1000, cap 50 %.
    let params = MarketParams { max_skew_ppm: 500_000, ..PARAMS };
    for (long, short, side) in [(600, 100, Side::Long), (100, 600, Side::Short)] {
        assert_eq!(caps(&book(&params, long, short), side, 1, 0), Ok(()), "500 of 500");
    }
    let error = Err(EngineError::SkewCap { notional: 501, cap: 500 });
    assert_eq!(caps(&book(&params, 601, 100), Side::Long, 1, 0), error);
    assert_eq!(caps(&book(&params, 100, 601), Side::Short, 1, 0), error);
    // A trade that brings an excessive skew nearer to zero, or leaves it, is not refused.
    assert_eq!(caps(&book(&params, 800, 100), Side::Short, 1, 701), Ok(()));
    assert_eq!(caps(&book(&params, 800, 100), Side::Short, 1, 700), Ok(()));
    assert!(caps(&book(&params, 800, 100), Side::Long, 1, 699).is_err());
    assert_eq!(caps(&book(&params, 100, 800), Side::Long, 1, -701), Ok(()));
    let params = MarketParams { max_skew_ppm: 0, ..PARAMS };
    assert!(caps(&book(&params, 1, 0), Side::Long, 1, 0).is_err());
    assert_eq!(caps(&book(&params, 1, 1), Side::Long, 1, -1), Ok(()));
}

#[test]
fn skew_through_the_market_is_capped_and_may_always_shrink() {
    let mut world = World::new(&MarketParams { max_skew_ppm: 500_000, ..PARAMS }, ONE, 2_000_000);
    let increase = |who, side, lots| Op::Increase { who, side, lots };
    assert!(matches!(world.apply(&increase(0, Side::Long, 1_000_300)), Err(EngineError::SkewCap { .. })));
    world.apply(&increase(0, Side::Long, 900_000)).unwrap();
    world.apply(&Op::Lend { left: 1_000 }).unwrap();
    assert!(matches!(world.apply(&increase(0, Side::Long, 1)), Err(EngineError::SkewCap { .. })));
    world.apply(&increase(1, Side::Short, 1)).unwrap();
    world.apply(&increase(1, Side::Short, 500_000)).unwrap();
}

#[test]
fn the_traders_profit_is_capped_by_cash() {
    let params = MarketParams { profit_cap_ppm: 300_000, max_skew_ppm: 2_000_000, ..PARAMS };
    let with_profit = |profit: i64| {
        let mut market = book(&params, 100, 100);
        join(&mut market.book.long, 1, profit - 1);
        market
    };
    assert_eq!(caps(&with_profit(300), Side::Long, 1, 1), Ok(()));
    assert_eq!(
        caps(&with_profit(301), Side::Long, 1, 1),
        Err(EngineError::ProfitCap { profit: 301, cap: 300 })
    );
    assert_eq!(caps(&with_profit(-500), Side::Long, 1, 1), Ok(()));
    // Of zero: not a unit of profit, but traders at a loss may still increase.
    let params = MarketParams { profit_cap_ppm: 0, ..PARAMS };
    let mut market = book(&params, 100, 100);
    assert_eq!(caps(&market, Side::Long, 1, 0), Ok(()));
    join(&mut market.book.long, 1, 0);
    assert_eq!(caps(&market, Side::Long, 1, 1), Err(EngineError::ProfitCap { profit: 1, cap: 0 }));
}

#[test]
fn deposits_grow_to_their_cap_and_balances_shrink_to_zero() {
    assert_eq!(grow(90, 10, 100), Ok(100));
    assert_eq!(grow(90, 11, 100), Err(EngineError::DepositCap { total: 101, cap: 100 }));
    assert!(grow(0, 1, 0).is_err());
    assert_eq!(grow(u64::MAX, 1, u64::MAX), Err(EngineError::Overflow));
    assert_eq!(shrink(10, 10), Ok(0));
    assert_eq!(shrink(10, 11), Err(EngineError::InsufficientBalance { balance: 10, needed: 11 }));
}

#[test]
fn allocation_fills_to_the_target_and_does_not_refill_a_loss() {
    let mut market = market(&PARAMS, ONE, 0);
    let mut idle = 1_500;
    assert_eq!(allocate(&mut market, &mut idle, 1_000), Ok(Quote(1_000)));
    assert_eq!(allocate(&mut market, &mut idle, 1_000), Ok(Quote(0)));
    assert_eq!((market.book.cash, market.book.committed, idle), (1_000, Quote(1_000), 500));
    market.book.cash = 200; // 800 were lost
    assert_eq!(allocate(&mut market, &mut idle, 1_000), Ok(Quote(0)));
    assert_eq!(allocate(&mut market, &mut idle, 1_100), Ok(Quote(100)), "a higher target is a decision");
    market.book.cash = 1_500; // and won back more
    assert_eq!(allocate(&mut market, &mut idle, 1_000), Ok(Quote(-500)));
    assert_eq!((market.book.cash, market.book.committed, idle), (1_000, Quote(600), 900));
}

#[test]
fn allocation_leaves_what_the_skew_needs() {
    let params = MarketParams { max_skew_ppm: 500_000, ..PARAMS };
    let mut market = book(&params, 300, 0); // skew 300 needs 600
    let mut idle = 0;
    assert_eq!(allocate(&mut market, &mut idle, 100), Ok(Quote(-400)));
    market.oracle = OracleState { ema: price(ONE * 2), ..oracle(ONE) };
    market.book.cash = 2_000; // at 2: profit 300, equity 1700, skew 600 needs 1200
    assert_eq!(allocate(&mut market, &mut idle, 100), Ok(Quote(-500)));
    market.params.max_skew_ppm = 0;
    assert_eq!(allocate(&mut market, &mut idle, 100), Ok(Quote(0)), "a cap of zero needs everything");
}

proptest! {
    #![proptest_config(config(500))]

    #[test]
    fn allocation_moves_money_and_makes_none(
        cash in 0..1_u64 << 40, idle in 0..1_u64 << 40, target in 0..1_u64 << 40, committed in -(1_i64 << 40)..1 << 40,
        lots in 1..1_u64 << 36, entry in HALF..ONE * 2,
    ) {
        let mut market = market(&PARAMS, ONE, cash);
        let cost = i64::try_from(price(entry).mul_ceil(lots).unwrap()).unwrap();
        join(&mut market.book.long, lots, -cost);
        market.book.committed = Quote(committed);
        let (mut left, profit) = (idle, market.book.traders_pnl(price(ONE)).unwrap().units_or_zero());
        let moved = allocate(&mut market, &mut left, target).unwrap().0;
        prop_assert_eq!(market.book.cash + left, cash + idle);
        prop_assert_eq!(i128::from(market.book.cash) - i128::from(cash), i128::from(moved));
        prop_assert_eq!(market.book.committed.0, committed + moved);
        if moved > 0 {
            let equity = market.book.equity(price(ONE)).unwrap().units_or_zero();
            prop_assert!(equity <= target && market.book.committed.units_or_zero() <= target);
        }
        if moved < 0 {
            prop_assert!(market.book.cash >= profit, "what traders are owed stays");
            prop_assert!(market.book.equity(price(ONE)).unwrap().units_or_zero() >= target);
        }
    }

    /// Issue and value round down: a deposit never buys more than its part, and nobody else's share falls.
    #[test]
    fn a_deposit_and_its_redemption_never_profit(
        nav in 0..1_u64 << 50, supply in 0..1_u64 << 50, amount in 1..1_u64 << 50,
    ) {
        let virtual_price = ratio(nav + shares::VIRTUAL, supply + shares::VIRTUAL);
        match shares::issue(amount, nav, supply) {
            Ok(issued) => {
                prop_assert_eq!(int(issued), (int(amount) / &virtual_price).floor());
                prop_assert!(shares::value(issued, nav + amount, supply + issued).unwrap() <= amount);
                let after = ratio(nav + amount + shares::VIRTUAL, supply + issued + shares::VIRTUAL);
                prop_assert!(after >= virtual_price);
            }
            Err(error) => {
                prop_assert_eq!(error, EngineError::TooSmallForOneShare);
                prop_assert!(int(amount) < virtual_price);
            }
        }
    }
}

#[test]
fn the_first_depositor_cannot_inflate_the_share_price() {
    // One share bought, a million given away: the next deposit loses at most a share's worth, a thousandth of it.
    let bought = shares::issue(1, 0, 0).unwrap();
    assert_eq!(bought, 1);
    let nav = 1 + 1_000_000;
    let victim = shares::issue(10_000, nav, bought).unwrap();
    assert_eq!(victim, 9, "10 000 · 1001 / 1 001 001 = 9.99");
    let (nav, supply) = (nav + 10_000, bought + victim);
    assert_eq!(shares::value(victim, nav, supply), Ok(9_008));
    assert_eq!(shares::value(bought, nav, supply), Ok(1_000), "all that the attacker gets back");
    assert_eq!(shares::nav(5, [Ok(6), Ok(7)]), Ok(18));
    assert!(shares::issue(0, 0, 0).is_err());
}
