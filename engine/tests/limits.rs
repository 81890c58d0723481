//! Caps at both sides of their boundary; allocation.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::EngineError;
use bulwark_engine::allocation::allocate;
use bulwark_engine::limits::{credit, require_caps, shrink};
use bulwark_engine::market::{Market, MarketParams};
use bulwark_engine::price::OracleState;
use bulwark_engine::units::{Lots, MAX_LOTS, Quote, Side};
use model::config;
use model::world::{HALF, ONE, Op, PARAMS, World, admit, join, market, oracle, price};
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
    // Of zero: no increase at all, also below the floor.
    for share_floor in [0, 100, MAX_LOTS] {
        let params = MarketParams { share_floor, max_share_ppm: 0, ..PARAMS };
        for side in Side::BOTH {
            let refused = caps(&book(&params, 100, 100), side, 1, 0);
            assert_eq!(refused, Err(EngineError::ShareCap { lots: 1, cap: 0 }));
        }
    }
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
        admit(&mut market, Side::Long, 1, profit - 1);
        market
    };
    assert_eq!(caps(&with_profit(300), Side::Long, 1, 1), Ok(()));
    assert_eq!(
        caps(&with_profit(301), Side::Long, 1, 1),
        Err(EngineError::ProfitCap { profit: 301, cap: 300 })
    );
    assert_eq!(caps(&with_profit(-500), Side::Long, 1, 1), Ok(()));
    // Of zero: no increase at all, whether traders are at a profit, even or at a loss.
    let params = MarketParams { profit_cap_ppm: 0, ..PARAMS };
    for (quote, profit) in [(0, 1), (-1, 0), (-500, 0)] {
        let mut market = book(&params, 100, 100);
        admit(&mut market, Side::Long, 1, quote);
        for side in Side::BOTH {
            assert_eq!(caps(&market, side, 1, 1), Err(EngineError::ProfitCap { profit, cap: 0 }));
        }
    }
    // The least cap above zero leaves traders at no profit alone.
    let params = MarketParams { profit_cap_ppm: 1, ..PARAMS };
    assert_eq!(caps(&book(&params, 100, 100), Side::Long, 1, 0), Ok(()));
}

#[test]
fn a_cap_of_zero_stops_every_increase_and_no_decrease() {
    let open = Op::Increase { who: 0, side: Side::Long, lots: 1_000 };
    type Close = fn(&mut MarketParams);
    let caps: [Close; 3] = [|p| p.max_oi = 0, |p| p.max_share_ppm = 0, |p| p.profit_cap_ppm = 0];
    for close in caps {
        let mut world = World::new(&PARAMS, ONE, 2_000_000);
        world.apply(&open).unwrap();
        close(&mut world.market.params);
        world.apply(&open).unwrap_err();
        world.apply(&Op::Increase { who: 1, side: Side::Short, lots: 1_000 }).unwrap_err();
        world.apply(&Op::Settle { who: 0 }).unwrap();
        world.apply(&Op::Decrease { who: 0, eighths: 4 }).unwrap();
        world.apply(&Op::Decrease { who: 0, eighths: 8 }).unwrap();
    }
}

#[test]
fn balances_grow_to_the_last_unit_and_shrink_to_zero() {
    assert_eq!(credit(u64::MAX - 1, 1), Ok(u64::MAX));
    assert_eq!(credit(u64::MAX, 1), Err(EngineError::Overflow));
    assert_eq!(shrink(10, 10), Ok(0));
    assert_eq!(shrink(10, 11), Err(EngineError::InsufficientBalance { balance: 10, needed: 11 }));
}

#[test]
fn allocation_fills_to_the_target_and_does_not_refill_a_loss() {
    let mut market = market(&PARAMS, ONE, 0);
    let mut idle = 1_500;
    assert_eq!(allocate(&mut market, &mut idle, 1_000), Ok(Quote(1_000)));
    assert_eq!(allocate(&mut market, &mut idle, 1_000), Ok(Quote(0)));
    assert_eq!((market.book.cash, market.book.committed, idle), (1_000, 1_000, 500));
    market.book.cash = 200; // 800 were lost
    assert_eq!(allocate(&mut market, &mut idle, 1_000), Ok(Quote(0)));
    assert_eq!(allocate(&mut market, &mut idle, 1_100), Ok(Quote(100)), "a higher target is a decision");
    market.book.cash = 1_500; // and won back more
    assert_eq!(allocate(&mut market, &mut idle, 1_000), Ok(Quote(-500)));
    assert_eq!((market.book.cash, market.book.committed, idle), (1_000, 1_000, 900), "400 of it were profit");
    assert_eq!(allocate(&mut market, &mut idle, 300), Ok(Quote(-700)), "all principal");
    assert_eq!((market.book.cash, market.book.committed, idle), (300, 300, 1_600));
}

#[test]
fn profit_that_came_back_pays_for_no_loss() {
    let (mut market, mut idle) = (market(&PARAMS, ONE, 0), 100_000);
    allocate(&mut market, &mut idle, 1_000).unwrap();
    market.book.cash += 5_000; // earned
    assert_eq!(allocate(&mut market, &mut idle, 1_000), Ok(Quote(-5_000)));
    assert_eq!((market.book.cash, market.book.committed, idle), (1_000, 1_000, 104_000));
    let mut drained = 0;
    for _ in 0..10 {
        drained += std::mem::take(&mut market.book.cash);
        assert_eq!(allocate(&mut market, &mut idle, 1_000), Ok(Quote(0)));
    }
    assert_eq!((drained, idle), (1_000, 104_000), "the target, once");
    // What is lost stays lost: a smaller target and back again lends nothing either.
    for target in [0, 500, 1_000] {
        assert_eq!(allocate(&mut market, &mut idle, target), Ok(Quote(0)));
    }
    market.book.cash = 1_200; // until it is earned again
    assert_eq!(allocate(&mut market, &mut idle, 1_000), Ok(Quote(-200)));
    assert_eq!((market.book.committed, idle), (1_000, 104_200));
}

#[test]
fn a_price_that_moves_and_returns_takes_no_principal_for_good() {
    // Nothing was earned: 300 longs are 150 under water for a moment, then even again.
    let mut market = market(&PARAMS, ONE, 0);
    let mut idle = 1_000;
    allocate(&mut market, &mut idle, 1_000).unwrap();
    admit(&mut market, Side::Long, 300, -300);
    market.oracle = oracle(HALF);
    assert_eq!(allocate(&mut market, &mut idle, 1_000), Ok(Quote(-150)));
    market.oracle = oracle(ONE);
    assert_eq!(allocate(&mut market, &mut idle, 1_000), Ok(Quote(150)), "was principal, comes back");
    assert_eq!((market.book.cash, market.book.committed, idle), (1_000, 1_000, 0));
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

/// What may happen to a market's money.
#[derive(Clone, Copy, Debug)]
enum Fortune {
    Allocate(u64),
    Earn(u64),
    /// So many eighths of the cash are drained.
    Lose(u64),
    /// Traders come to own this position: equity and what the skew needs change.
    Promise(u64, i64),
}

fn any_fortune() -> impl Strategy<Value = Fortune> {
    prop_oneof![
        3 => prop_oneof![Just(0), Just(1_000_000), 0..1_u64 << 30].prop_map(Fortune::Allocate),
        2 => (0..1_u64 << 30).prop_map(Fortune::Earn),
        2 => (0..=8_u64).prop_map(Fortune::Lose),
        1 => (1..1_u64 << 20, -(1_i64 << 28)..1 << 28).prop_map(|(lots, q)| Fortune::Promise(lots, q)),
    ]
}

proptest! {
    #![proptest_config(config(500))]

    #[test]
    fn allocation_moves_money_and_makes_none(
        cash in 0..1_u64 << 40, idle in 0..1_u64 << 40, target in 0..1_u64 << 40, committed in 0..1_u64 << 40,
        lots in 1..1_u64 << 36, entry in HALF..ONE * 2,
    ) {
        let mut market = market(&PARAMS, ONE, cash);
        let cost = i64::try_from(price(entry).mul_ceil(lots).unwrap()).unwrap();
        admit(&mut market, Side::Long, lots, -cost);
        market.book.committed = committed;
        let (mut left, profit) = (idle, market.book.traders_pnl(price(ONE)).unwrap().units_or_zero());
                let moved = allocate(&mut market, &mut left, target).unwrap().0;
        prop_assert_eq!(market.book.cash + left, cash + idle);
        prop_assert_eq!(i128::from(market.book.cash) - i128::from(cash), i128::from(moved));
        if moved > 0 {
            let equity = market.book.equity(price(ONE)).unwrap().units_or_zero();
            prop_assert_eq!(market.book.committed, committed + moved.cast_unsigned());
            prop_assert!(equity <= target && market.book.committed <= target);
        } else {
            // Of what came back the realised profit, cash above principal, is no principal.
            let principal = moved.unsigned_abs().saturating_sub(cash.saturating_sub(committed));
            prop_assert_eq!(market.book.committed, committed.saturating_sub(principal));
        }
        if moved < 0 {
            prop_assert!(market.book.cash >= profit, "what traders are owed stays");
            prop_assert!(market.book.equity(price(ONE)).unwrap().units_or_zero() >= target);
        }
    }

    /// Whatever is earned, lost, and decided about the target: the pool is never out of more than the largest
    /// target so far, and of its own money no more than that is ever lost.
    #[test]
    fn a_market_never_loses_more_of_the_pools_money_than_its_largest_target(
        steps in prop::collection::vec(any_fortune(), 1..80), start in 0..1_u64 << 40, ema in HALF..ONE * 2,
    ) {
        let (mut market, mut idle) = (market(&PARAMS, ONE, 0), start);
        market.oracle.ema = price(ema);
        let (mut earned, mut lost, mut largest, mut lent, mut returned) = (0, 0, 0, 0, 0);
        for step in steps {
            let (cash, committed) = (market.book.cash, market.book.committed);
            match step {
                Fortune::Allocate(target) => {
                    largest = largest.max(target);
                    let moved = allocate(&mut market, &mut idle, target).unwrap().0;
                    lent += moved.max(0).cast_unsigned();
                    returned += committed.saturating_sub(market.book.committed);
                    prop_assert!(moved <= 0 || market.book.committed == committed + moved.cast_unsigned());
                    prop_assert!(committed.saturating_sub(market.book.committed) <= moved.min(0).unsigned_abs());
                }
                Fortune::Earn(amount) => {
                    market.book.cash += amount;
                    earned += amount;
                }
                Fortune::Lose(part) => {
                    market.book.cash = cash - cash / 8 * part - cash % 8 * u64::from(part == 8);
                    lost += cash - market.book.cash;
                }
                Fortune::Promise(lots, quote) => {
                    admit(&mut market, Side::Long, lots, quote);
                }
            }
            prop_assert_eq!(market.book.committed, lent - returned, "what was lent and has not come back");
            prop_assert!(market.book.committed <= largest, "{} of {}", market.book.committed, largest);
            prop_assert!(start.saturating_sub(idle) <= market.book.committed, "{} are gone", start - idle);
            prop_assert!(lost <= earned + largest, "{} of {}", lost, earned);
            prop_assert_eq!(market.book.cash + idle + lost, start + earned);
        }
    }
}

/// What losers have not paid yet backs no new risk; the trader's own debt is lifted before he is judged.
#[test]
fn caps_are_those_of_what_is_payable() {
    // Skew of 100 lots at one; longs entered at 0.9 in the second case: a profit of 10.
    let skew = MarketParams { max_skew_ppm: 100_000, ..PARAMS };
    let mut market = book(&skew, 100, 0);
    assert_eq!(caps(&market, Side::Long, 1, 0), Ok(()), "a tenth of 1 000");
    (market.book.cash, market.book.unbacked) = (1_500, 500);
    assert_eq!(caps(&market, Side::Long, 1, 0), Ok(()));
    market.book.unbacked = 501;
    assert_eq!(caps(&market, Side::Long, 1, 0), Err(EngineError::SkewCap { notional: 100, cap: 99 }));
    let profit = MarketParams { profit_cap_ppm: 10_000, ..PARAMS };
    let mut market = self::market(&profit, ONE, 1_500);
    join(&mut market.book.long, 100, -90);
    market.book.unbacked = 500;
    assert_eq!(caps(&market, Side::Long, 1, 0), Ok(()));
    market.book.unbacked = 501;
    assert_eq!(caps(&market, Side::Long, 1, 0), Err(EngineError::ProfitCap { profit: 10, cap: 9 }));
}
