//! I16: rounding gives nothing away. No sequence of operations at one price leaves a group of accounts with more
//! than it had, and at moving prices none leaves an account with more than the exact arithmetic does. Unwinds
//! included, on either side: neither they nor settling them leaves anybody with more than its share.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::units::Side;
use model::world::{
    ACCOUNTS, Done, NOW, ONE, Op, PARAMS, Twin, World, any_fraction, any_lots, any_move, any_side,
    any_unwind, clamp, price,
};
use model::{Exact, config, curve_cost, int, of_carry, of_price, ratio};
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
    let (curve, skew) = (world.market.curve(NOW).unwrap(), world.market.book.skew().unwrap().0);
    world.values() - int(skew) * of_price(curve.price) + curve_cost(&curve, clamp(&curve), 0, skew)
}

/// As [`liquidation_value`] with pending unwinds not rounded.
fn unrounded_liquidation_value(world: &World) -> Exact {
    let values = (0..ACCOUNTS).fold(int(0), |sum, who| sum + world.unrounded_value(who));
    let (curve, skew) = (world.market.curve(NOW).unwrap(), world.market.book.skew().unwrap().0);
    values - int(skew) * of_price(curve.price) + curve_cost(&curve, clamp(&curve), 0, skew)
}

/// After unwinds the book's skew differs from that of its members by dust, which leaves with the last of them.
/// What the curve's premium changes by when it does: at most `max_impact` of the dust's worth.
fn dust_premium(before: &World, after: &World, traded: i64) -> Exact {
    let curve = after.market.curve(NOW).unwrap();
    let [was, is] = [before, after].map(|w| w.market.book.skew().unwrap().0);
    let dust = is - was - traded;
    let premium = curve_cost(&curve, clamp(&curve), was + traded, dust) - int(dust) * of_price(curve.price);
    let most = int(dust.unsigned_abs()) * of_price(curve.price) * ratio(curve.max_impact_ppm, 1_000_000);
    assert!(premium <= most && -premium.clone() <= most);
    premium
}

/// The factor of the bucket that account 0 is in.
fn unwind_of(world: &World) -> Option<u64> {
    let position = &world.accounts[0].position;
    let ladder = world.market.book.side(position.side().ok()?);
    position.is_open().then(|| ladder.bucket(position.bucket).unwrap().unwind)
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

    /// Between unwinds nobody's trading or settling raises what the group can liquidate for, counting what an
    /// unwind left unrounded; no unwind raises any account's value. Only `P ≥ C`: below its carry a lot is a debt.
    #[test]
    fn no_operation_at_one_price_extracts_from_unwinds(
        bits in ONE / 100..=ONE, start in ONE / 100..=ONE, carry in any_carry(),
        opening in prop::collection::vec(any_step(), 1..12),
        steps in prop::collection::vec(prop_oneof![4 => any_step(), 2 => any_unwind()], 1..60),
    ) {
        let mut world = bare_world(start, (0, 0));
        for op in &opening {
            let _ = world.apply(op);
        }
        world.apply(&Op::Price { bits }).unwrap();
        let top = i64::try_from(bits << 16).unwrap();
        world.apply(&Op::Carry { long: carry.0.min(top), short: carry.1.min(top) }).unwrap();
        for op in &steps {
            let before = world.clone();
            let traded = match world.apply(op) {
                Ok(Done::Trade(report)) => report.fill.lots.0,
                Ok(_) => 0,
                Err(_) => continue,
            };
            if let Op::Unwind { side, .. } = *op {
                for who in 0..ACCOUNTS {
                    let (was, is) = (before.unrounded_value(who), world.unrounded_value(who));
                    prop_assert!(is <= was && world.value(who) <= is, "{:?} gives {}", op, is - was);
                    prop_assert!(world.is_on(who, side) || world.accounts[who].position == before.accounts[who].position);
                }
                continue;
            }
            let gain = unrounded_liquidation_value(&world) - unrounded_liquidation_value(&before);
            let allowed = dust_premium(&before, &world, traded);
            prop_assert!(gain <= allowed, "{:?} extracts {}, more than {}", op, gain, allowed);
        }
    }

    /// A position opened, unwound any number of times and closed, at any prices in between, leaves no more than
    /// the exact arithmetic with the same shares does.
    #[test]
    fn an_unwound_position_closes_for_no_more_than_its_exact_share(
        side in any_side(), lots in prop_oneof![3 => 1..100_u64, 1 => any_lots(33)], from in ONE / 4..=ONE / 2,
        steps in prop::collection::vec((0..ONE / 4, any_fraction(), any::<bool>()), 1..10), to in ONE / 100..=ONE,
    ) {
        let mut world = bare_world(from, (0, 0));
        world.apply(&Op::Increase { who: 0, side, lots }).unwrap();
        let opened = world.accounts[0];
        let mut left = int(1);
        for &(move_by, h, settles) in &steps {
            let bits = if side == Side::Long { ONE / 2 + move_by } else { ONE / 4 - move_by / 2 };
            world.apply(&Op::Price { bits }).unwrap();
            let before = unwind_of(&world);
            world.apply(&Op::Unwind { side, h }).unwrap();
            left *= before.map_or(int(1), |a| ratio(unwind_of(&world).unwrap(), a));
            if settles {
                let _ = world.apply(&Op::Settle { who: 0 });
            }
        }
        world.apply(&Op::Price { bits: to }).unwrap();
        let carry = of_carry(world.market.book.side(side).carry);
        let exact = int(opened.quote)
            + left * (int(opened.position.lots.0) * (of_price(price(to)) - carry) + int(opened.position.quote.0));
        prop_assert!(world.value(0) <= exact, "{} of {}", world.value(0), exact);
        let held = int(world.holding(0).lots.0);
        let _ = world.apply(&Op::Settle { who: 0 });
        let _ = world.apply(&Op::Decrease { who: 0, eighths: 8 });
        prop_assert!(!world.accounts[0].position.is_open());
        // Alone in the market: closing along the curve pays up to b²·P/2K more than the mark.
        let premium = &held * &held * of_price(price(to)) / int(1_u64 << 41);
        prop_assert!(int(world.accounts[0].quote) <= exact + premium);
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
