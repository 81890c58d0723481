//! A trigger fires exactly where it should, is placed only if it makes sense, and reduces no more than there is.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::EngineError;
use bulwark_engine::ladder::FRACTION_ONE;
use bulwark_engine::position::Position;
use bulwark_engine::trade::Order;
use bulwark_engine::trigger::{MAX_LIFE, Trigger, TriggerKind};
use bulwark_engine::units::{Price, Quote, Side};
use model::world::{HALF, NOW, ONE, Op, PARAMS, World, any_lots, any_side, price};
use model::{config, int, of_price};
use proptest::prelude::*;

const KINDS: [TriggerKind; 3] = [TriggerKind::Limit, TriggerKind::TakeProfit, TriggerKind::StopLoss];

fn trigger(kind: TriggerKind, side: Side) -> Trigger {
    Trigger {
        id: 1,
        lots: 100,
        trigger_price: ONE,
        limit_price: ONE,
        expiry: NOW + 60,
        market: 7,
        kind: kind.to_byte(),
        side: side.to_byte(),
        by_delegate: 0,
        generation: 0,
        _padding: [0; 2],
    }
}

fn any_trigger() -> impl Strategy<Value = Trigger> {
    (0..3_usize, any_side()).prop_map(|(kind, side)| trigger(KINDS[kind], side))
}

/// A long enters at or below, takes profit at or above, stops at or below; a short the other way round.
#[test]
fn a_trigger_fires_at_its_price_and_beyond_on_one_side() {
    use Side::{Long, Short};
    use TriggerKind::{Limit, StopLoss, TakeProfit};
    for (kind, side, [below, above]) in [
        (Limit, Long, [true, false]),
        (TakeProfit, Long, [false, true]),
        (StopLoss, Long, [true, false]),
        (Limit, Short, [false, true]),
        (TakeProfit, Short, [true, false]),
        (StopLoss, Short, [false, true]),
    ] {
        let trigger = trigger(kind, side);
        for (mark, met) in [
            (ONE, true),
            (ONE - 1, below),
            (Price::MIN.to_bits(), below),
            (ONE + 1, above),
            (Price::MAX.to_bits(), above),
        ] {
            let expected = if met { Ok(()) } else { Err(EngineError::TriggerNotMet { mark, trigger: ONE }) };
            assert_eq!(trigger.require_met(price(mark)), expected, "{kind:?} {side:?} at {mark}");
        }
    }
}

#[test]
fn bytes_name_kinds_and_sides_or_nothing() {
    for kind in KINDS {
        assert_eq!(TriggerKind::from_byte(kind.to_byte()), Ok(kind));
        assert_eq!(kind.is_reduce_only(), kind != TriggerKind::Limit);
        assert_eq!(trigger(kind, Side::Long).is_reduce_only(), Ok(kind.is_reduce_only()));
    }
    assert_eq!(KINDS.map(TriggerKind::to_byte), [0, 1, 2]);
    for byte in 3..=u8::MAX {
        let bad = Trigger { kind: byte, ..trigger(TriggerKind::Limit, Side::Long) };
        let refused = TriggerKind::from_byte(byte).unwrap_err();
        assert!(matches!(refused, EngineError::InvalidTrigger(_)));
        assert_eq!((bad.is_reduce_only(), bad.validate(1, NOW)), (Err(refused), Err(refused)));
        assert_eq!((bad.require_met(price(ONE)), bad.order(NOW)), (Err(refused), Err(refused)));
        if byte > 1 {
            let bad = Trigger { side: byte, ..trigger(TriggerKind::Limit, Side::Long) };
            assert_eq!(bad.validate(1, NOW), Err(EngineError::Corrupt("side")));
        }
    }
}

proptest! {
    #![proptest_config(config(500))]

    #[test]
    fn a_trigger_lives_up_to_ninety_days(
        trigger in any_trigger(), life in prop_oneof![-2..=2_i64, MAX_LIFE - 2..=MAX_LIFE + 2, 1..=MAX_LIFE], late in -5..=5_i64,
    ) {
        let trigger = Trigger { expiry: NOW + life, ..trigger };
        prop_assert_eq!(trigger.validate(1, NOW).is_ok(), life > 0 && life <= MAX_LIFE);
        prop_assert_eq!(trigger.is_expired(trigger.expiry + late), late > 0, "its last second counts");
    }

    #[test]
    fn lots_are_multiples_of_the_step(trigger in any_trigger(), lots in 0..1_000_u64, step in 1..20_u64) {
        let trigger = Trigger { lots, ..trigger };
        let expected = match lots {
            0 => Err(EngineError::ZeroAmount),
            _ if lots % step == 0 => Ok(()),
            _ => Err(EngineError::NotAMultipleOfStep { lots, step }),
        };
        prop_assert_eq!(trigger.validate(step, NOW), expected);
        let all = Trigger { lots: Order::ALL, ..trigger }.validate(7, NOW);
        let entry = trigger.kind == TriggerKind::Limit.to_byte();
        prop_assert_eq!(all.is_ok(), !entry, "an entry has no whole: 2^64 − 1 is no multiple of seven");
    }

    /// The order that a trigger sends buys where it opens a long or closes a short, and is bounded by its limit price.
    #[test]
    fn the_order_is_bounded_on_the_side_on_which_it_trades(
        trigger in any_trigger(), bits in 1_u64 << 20..=1 << 46, now in any::<i64>(),
    ) {
        let (lots, limit_price) = (trigger.lots, bits);
        let order = Trigger { limit_price, ..trigger }.order(now).unwrap();
        prop_assert_eq!(order, Order { lots, limit: Some(price(bits)), now });
        let buys = (trigger.kind == TriggerKind::Limit.to_byte()) == (trigger.side == Side::Long.to_byte());
        for (limit_price, none) in [(0, !buys), (u64::MAX, buys)] {
            let trigger = Trigger { limit_price, ..trigger };
            let expected = if none { Ok(None) } else { Err(EngineError::PriceOutOfRange) };
            prop_assert_eq!(trigger.order(now).map(|order| order.limit), expected);
            prop_assert_eq!(trigger.validate(1, NOW).is_ok(), none);
        }
    }

    /// A reduction closes what it names, or all if less than the minimum would be left, an unwind applied; and a position on the
    /// other side is not its own.
    #[test]
    fn a_reduction_is_cut_down_to_what_is_held(
        trigger in any_trigger(), lots in prop_oneof![3 => any_lots(24), 1 => Just(Order::ALL)], held in 16..1_u64 << 24,
        other in any_side(), least in prop_oneof![Just(None), (1..1_u64 << 22).prop_map(Some)], unwound in any::<bool>(),
    ) {
        let (trigger, side) = (Trigger { lots, ..trigger }, Side::from_byte(trigger.side).unwrap());
        let mut world = World::new(&PARAMS, HALF, 1 << 40);
        world.apply(&Op::Increase { who: 0, side: other, lots: held }).unwrap();
        if unwound {
            world.apply(&Op::Price { bits: if other == Side::Long { ONE } else { HALF / 2 } }).unwrap();
            world.apply(&Op::Unwind { side: other, h: FRACTION_ONE / 4 }).unwrap();
        }
        let held = world.holding(0).lots.count();
        let left = world.market.notional(held.saturating_sub(lots)).unwrap();
        world.market.params.min_notional = least.unwrap_or(left).max(1); // often just what would be left
        let market = &world.market;
        let order = trigger.reduction(market, Some(&world.accounts[0].position), NOW);
        if other == side {
            let exact = (int(held.saturating_sub(lots)) * of_price(market.mark())).floor();
            let lots = if exact < int(market.params.min_notional) { Order::ALL } else { lots };
            prop_assert_eq!(order, Ok(Order { lots, ..trigger.order(NOW).unwrap() }));
            prop_assert!(lots == Order::ALL || lots < held);
        } else {
            prop_assert_eq!(order, Err(EngineError::NoPosition));
        }
        for nothing in [None, Some(&Position::EMPTY)] {
            prop_assert_eq!(trigger.reduction(market, nothing, NOW), Err(EngineError::NoPosition));
        }
    }

    #[test]
    fn a_keeper_is_paid_no_more_than_the_taker_fee_and_what_there_is(fee in any::<u64>(), taker in any::<u64>(), quote in any::<i64>()) {
        let paid = Trigger::keeper_fee(fee, taker, Quote(quote));
        prop_assert_eq!(paid, fee.min(taker).min(u64::try_from(quote).unwrap_or(0)));
    }
}

#[test]
fn a_trigger_price_is_a_price() {
    let base = trigger(TriggerKind::StopLoss, Side::Long);
    let with = |trigger_price| Trigger { trigger_price, ..base }.validate(1, NOW);
    assert_eq!([Price::MIN.to_bits(), HALF, Price::MAX.to_bits()].map(with), [Ok(()); 3]);
    for bits in [0, Price::MIN.to_bits() - 1, Price::MAX.to_bits() + 1, u64::MAX] {
        assert_eq!(with(bits), Err(EngineError::PriceOutOfRange));
    }
    assert_eq!(
        base.validate(0, NOW),
        Err(EngineError::NotAMultipleOfStep { lots: 100, step: 0 }),
        "no panic"
    );
    assert!(base.is_set() && !Trigger::default().is_set());
}

/// What an account can't mend by waiting cancels an entry; what protects a position stays while there is one.
#[test]
fn what_cancels_a_trigger_and_what_it_waits_through() {
    let cancelled = |error| KINDS.map(|kind| trigger(kind, Side::Long).is_cancelled_by(&error));
    let step = EngineError::NotAMultipleOfStep { lots: 1, step: 2 };
    for error in [EngineError::NoPosition, EngineError::OppositeSide, step] {
        assert_eq!(cancelled(error), [true; 3], "{error}");
    }
    let margin = EngineError::InsufficientMargin { equity: 0, requirement: 1 };
    for error in [margin, EngineError::BelowMinNotional { notional: 0, minimum: 1 }] {
        assert_eq!(cancelled(error), [true, false, false], "{error}");
    }
    for error in [
        EngineError::LimitPrice { cost: 2, allowed: 1 },
        EngineError::TriggerNotMet { mark: 1, trigger: 2 },
        EngineError::OpenInterestCap { lots: 1, cap: 0 },
        EngineError::SkewCap { notional: 1, cap: 0 },
        EngineError::ProfitCap { profit: 1, cap: 0 },
        EngineError::ShareCap { lots: 1, cap: 0 },
        EngineError::ImpactTooLarge { skew: 1, limit: 0 },
        EngineError::Overflow,
    ] {
        assert_eq!(cancelled(error), [false; 3], "{error}");
    }
}
