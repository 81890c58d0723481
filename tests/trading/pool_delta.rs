//! What the pool is exposed to is the opposite of what its traders hold, and a hedge of it is flat.

use bulwark_sdk::address;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::program::state::Market;
use bulwark_tests::fixtures::{DOLLAR, PRINT};
use bulwark_tests::{BTC, SOL, Trader, World};

use crate::support::{Rng, drain};

/// Σ of what these traders hold in a market, from their accounts.
fn held(world: &World, traders: &[Trader], market: u16) -> i128 {
    let lots = |t: &Trader| {
        let account = world.margin(&t.margin);
        account.position(market).map_or(0, |slot| i128::from(account.positions[slot].lots.0))
    };
    traders.iter().map(lots).sum()
}

/// `lots` at the mark, towards zero.
fn worth(world: &World, market: u16, lots: i128) -> i128 {
    lots * i128::from(world.market(market).core.mark().to_bits()) / (1 << 32)
}

fn equity(world: &World, market: u16) -> i64 {
    world.ask(|snapshot| snapshot.pool_delta(market).expect("delta").equity.0)
}

#[test]
fn the_pools_delta_is_the_opposite_of_its_traders_and_its_hedge_is_flat() {
    let mut world = World::new();
    let mut rng = Rng::new(31_337);
    let traders: Vec<_> = (0..5).map(|_| world.funded_trader(500_000 * DOLLAR)).collect();
    let mut signs = [[0; 2]; 2];
    for step in 0..120 {
        let (who, market) = (&traders[rng.below(5) as usize], rng.pick(&[SOL, BTC]));
        let asset = World::asset(market);
        let lots = asset.lots_worth(1_000 + rng.below(90_000)).next_multiple_of(asset.one() / 1_000);
        let _ = match rng.below(3) {
            0 => world.close(who, market, u64::MAX),
            _ => world.open(who, market, rng.pick(&Side::BOTH), lots),
        };
        let mut total = 0;
        for market in [SOL, BTC] {
            let (delta, lots) =
                (world.ask(|s| s.pool_delta(market).expect("delta")), held(&world, &traders, market));
            let notional = worth(&world, market, -lots);
            assert_eq!((i128::from(delta.lots.0), i128::from(delta.notional.0)), (-lots, notional), "{step}");
            let core = world.market(market).core;
            assert_eq!(delta.equity, core.book.equity(core.mark()).expect("equity"));
            signs[usize::from(market)][usize::from(lots > 0)] += usize::from(lots != 0);
            total += notional;
        }
        assert_eq!(i128::from(world.ask(|s| s.total_pool_delta().expect("total")).0), total, "{step}");

        // Somebody who holds the opposite elsewhere gains what the pool loses, whatever the price does.
        for market in [SOL, BTC] {
            let asset = World::asset(market);
            let percent = i64::try_from(95 + rng.below(11)).expect("small");
            let (from, before) = (world.market(market).core.mark().to_bits(), equity(&world, market));
            let hedge = held(&world, &traders, market);
            world.move_price(market, asset.price / 100 * percent + 4_321);
            let moved = i128::from(world.market(market).core.mark().to_bits()) - i128::from(from);
            let gained = (hedge * moved) >> 32;
            let apart = i128::from(equity(&world, market) - before) + gained;
            assert!(apart.abs() <= 3, "{step}: the hedged pool moved by {apart} units");
        }
    }
    assert!(signs.as_flattened().iter().all(|n| *n > 10), "{signs:?}: too tame");
}

#[test]
fn a_claim_is_no_exposure_and_an_unwind_shrinks_it() {
    let mut world = World::new();
    let [winner, other] = [(); 2].map(|()| world.funded_trader(100_000 * DOLLAR));
    let one = World::asset(SOL).one();
    world.open(&winner, SOL, Side::Long, 300 * one).expect("open");
    world.open(&other, SOL, Side::Short, 100 * one).expect("open");
    world.move_price(SOL, 170 * PRINT);
    let lots = |world: &World| world.ask(|s| s.pool_delta(SOL).expect("delta").lots.0);
    assert_eq!(lots(&world), -200 * one.cast_signed());
    let mut unwound = world.fork();
    unwound.tamper::<Market>(&address::market(SOL), |m| {
        let price = m.core.mark();
        m.core.book.long.unwind(price, 1 << 31).expect("unwind");
    });
    assert!(lots(&unwound).abs_diff(-50 * one.cast_signed()) <= 1, "half of the winner's lots are gone");
    drain(&mut world, SOL, 100 * DOLLAR);
    assert!(world.close(&winner, SOL, u64::MAX).expect("close").trade().claim > 0);
    assert_eq!(lots(&world), 100 * one.cast_signed(), "the short alone");
    let total = world.ask(|s| s.total_pool_delta().expect("total").0);
    assert_eq!(i128::from(total), worth(&world, SOL, 100 * i128::from(one)));
}

#[test]
fn without_positions_there_is_nothing_to_hedge() {
    let world = World::new();
    for market in [SOL, BTC] {
        let delta = world.ask(|s| s.pool_delta(market).expect("delta"));
        assert_eq!((delta.lots.0, delta.notional.0), (0, 0));
        assert_eq!(delta.equity.0, 4_000_000 * DOLLAR.cast_signed());
    }
    assert_eq!(world.ask(|s| s.total_pool_delta().expect("total").0), 0);
    assert!(world.ask(|s| s.pool_delta(2).is_err()), "no such market");
}
