//! I16: rounding gives nothing away. No sequence of operations at one price leaves a group of accounts with more
//! than it had, and at moving prices none leaves an account with more than the exact arithmetic does.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use model::world::{ACCOUNTS, ONE, Op, PARAMS, Twin, World, any_lots, any_move, any_side, clamp};
use model::{Exact, config, curve_cost, int, of_price};
use proptest::prelude::*;

/// Parameters without fee, spread and minimum: nothing but rounding is left to the venue.
fn bare() -> bulwark_engine::market::MarketParams {
    bulwark_engine::market::MarketParams {
        taker_fee_ppm: 0,
        base_spread_ppm: 0,
        skew_scale: 1 << 40,
        ..PARAMS
    }
}

fn bare_world(bits: u64, carry: (i64, i64)) -> World {
    let mut world = World::new(&bare(), bits, 1 << 50);
    world.market.params.min_notional = 0;
    world.apply(&Op::Carry { long: carry.0, short: carry.1 }).unwrap();
    world
}

fn any_carry() -> impl Strategy<Value = (i64, i64)> {
    (-(1_i64 << 46)..(1_i64 << 46), -(1_i64 << 46)..(1_i64 << 46))
}

/// Mostly a few lots, where rounding weighs most.
fn any_step() -> impl Strategy<Value = Op> {
    let who = 0..ACCOUNTS;
    let lots = prop_oneof![3 => 1..8_u64, 1 => 1..1_000_u64, 1 => any_lots(34)];
    prop_oneof![
        4 => (who.clone(), any_side(), lots).prop_map(|(who, side, lots)| Op::Increase { who, side, lots }),
        3 => (who.clone(), 1..=8_u64).prop_map(|(who, eighths)| Op::Decrease { who, eighths }),
        1 => who.prop_map(|who| Op::Settle { who }),
    ]
}

/// What the accounts would have after closing everything along the curve without rounding: values at mark,
/// and the curve's price for bringing the skew back to zero.
fn liquidation_value(world: &World) -> Exact {
    let (curve, skew) = (world.market.curve().unwrap(), world.market.book.skew().unwrap().0);
    world.values() - int(skew) * of_price(curve.price) + curve_cost(&curve, clamp(&curve), 0, skew)
}

proptest! {
    #![proptest_config(config(250))]

    #[test]
    fn no_operation_at_one_price_raises_what_colluding_accounts_can_liquidate_for(
        bits in ONE / 100..=ONE, carry in any_carry(), steps in prop::collection::vec(any_step(), 1..60),
    ) {
        let mut world = bare_world(bits, carry);
        let mut value = liquidation_value(&world);
        for op in &steps {
            if world.apply(op).is_ok() {
                let now = liquidation_value(&world);
                prop_assert!(now <= value, "{:?} extracts {}", op, now - value);
                value = now;
            }
        }
    }

    #[test]
    fn colluding_accounts_end_with_no_more_than_nothing(
        bits in ONE / 100..=ONE, carry in any_carry(), steps in prop::collection::vec(any_step(), 1..60),
    ) {
        let mut world = bare_world(bits, carry);
        let trades = u32::try_from(steps.iter().filter(|op| world.apply(op).is_ok()).count() + ACCOUNTS).unwrap();
        for who in 0..ACCOUNTS {
            if world.accounts[who].position.is_open() {
                world.apply(&Op::Decrease { who, eighths: 8 }).unwrap();
            }
        }
        let sum: i64 = world.accounts.iter().map(|a| a.quote).sum();
        prop_assert!(sum <= 0 && sum > -3 * i64::from(trades), "{}", sum);
        prop_assert_eq!(world.money(), 1 << 50);
    }

    /// One account alone, opening and closing in odd pieces: it never ends above zero, one lot at a time.
    #[test]
    fn a_single_account_extracts_nothing_lot_by_lot(
        bits in ONE / 100..=ONE, carry in any_carry(), side in any_side(),
        pieces in prop::collection::vec((1..5_u64, 0..9_u64), 1..40),
    ) {
        let mut world = bare_world(bits, carry);
        for &(lots, eighths) in &pieces {
            let _ = world.apply(&Op::Increase { who: 0, side, lots });
            let _ = world.apply(&Op::Decrease { who: 0, eighths });
            let _ = world.apply(&Op::Settle { who: 0 });
        }
        let _ = world.apply(&Op::Decrease { who: 0, eighths: 8 });
        prop_assert!(!world.accounts[0].position.is_open());
        prop_assert!(world.accounts[0].quote <= 0, "{}", world.accounts[0].quote);
    }

    #[test]
    fn an_account_never_has_more_than_the_exact_amount_when_prices_move(
        bits in ONE / 100..=ONE, steps in prop::collection::vec(prop_oneof![4 => any_step(), 1 => any_move()], 1..50),
    ) {
        let mut twin = Twin::new(&bare(), bits, 1 << 50);
        twin.world.market.params.min_notional = 0;
        for op in &steps {
            let _ = twin.apply(op);
            for who in 0..ACCOUNTS {
                let (engine, exact) = (twin.world.value(who), twin.model.value(who));
                prop_assert!(engine <= exact, "{:?}: {} more than exact", op, engine - exact);
            }
        }
    }
}
