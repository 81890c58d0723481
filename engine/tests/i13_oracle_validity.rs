//! I13: publish times never go back, and every cell of the table of actions holds.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::EngineError;
use bulwark_engine::price::{
    Action, Age, MAX_HALF_SPREAD_PPM, OracleParams, OracleState, Print, Reading, Selection, Validity,
    half_spread_ppm, lower_bound, normalise, upper_bound,
};
use bulwark_engine::units::Price;
use model::world::{NOW, ONE, oracle, price};
use model::{config, int, of_price, ratio};
use num_traits::Pow;
use proptest::prelude::*;

const PARAMS: OracleParams = OracleParams::DEFAULT;

fn reading(bits: u64, publish_time: i64) -> Reading {
    Reading { price: price(bits), conf: 0, publish_time }
}

fn any_selection() -> impl Strategy<Value = Selection> {
    let reading = (ONE / 8..ONE * 8, 0..ONE, -40..40_i64).prop_map(|(bits, conf, dt)| Reading {
        price: price(bits),
        conf,
        publish_time: NOW + dt,
    });
    prop_oneof![
        4 => reading.clone().prop_map(Selection::Primary),
        2 => reading.clone().prop_map(Selection::Secondary),
        2 => (reading, -40..40_i64).prop_map(|(r, dt)| Selection::Agreed(r, NOW + dt)),
        1 => (-40..40_i64, -40..40_i64).prop_map(|(a, b)| Selection::Divergent([NOW + a, NOW + b])),
    ]
}

proptest! {
    #![proptest_config(config(500))]

    #[test]
    fn publish_times_never_go_back_and_one_time_has_one_price(
        selections in prop::collection::vec(any_selection(), 1..30),
    ) {
        let mut state = OracleState::first(&reading(ONE, NOW - 40));
        for selection in selections {
            let before = state;
            let accepted = state.accept(selection, &PARAMS);
            prop_assert!(state.publish_time >= before.publish_time);
            prop_assert!(state.primary_time >= before.primary_time && state.secondary_time >= before.secondary_time);
            if state.publish_time == before.publish_time {
                prop_assert_eq!((state.price, state.ema), (before.price, before.ema));
            }
            match (accepted, selection) {
                (Err(_), _) => prop_assert_eq!(state, before, "a refused print changes nothing"),
                (Ok(()), Selection::Divergent([a, b])) => {
                    let (primary_time, secondary_time) = (before.primary_time.max(a), before.secondary_time.max(b));
                    let seen = OracleState { divergent: 1, primary_time, secondary_time, ..before };
                    prop_assert_eq!(state, seen, "but for what was seen, nothing changes");
                }
                (Ok(()), Selection::Primary(r) | Selection::Secondary(r) | Selection::Agreed(r, _)) => {
                    prop_assert_eq!((state.publish_time, state.divergent), (r.publish_time, 0));
                    let [a, b] = match selection {
                        Selection::Secondary(_) => [before.primary_time, r.publish_time],
                        Selection::Agreed(_, b) => [r.publish_time, b],
                        _ => [r.publish_time, before.secondary_time],
                    };
                    prop_assert_eq!(state.primary_time, before.primary_time.max(a));
                    prop_assert_eq!(state.secondary_time, before.secondary_time.max(b));
                }
            }
        }
    }

    /// The average moves towards the price, never beyond it, and by at most 2 % of itself per print.
    #[test]
    fn one_print_moves_the_average_by_at_most_two_percent(
        from in ONE / 8..ONE * 8, to in ONE / 8..ONE * 8, dt in 1..1_000_i64, half_life in 60..=3_600_u32,
    ) {
        let mut state = OracleState::first(&reading(from, NOW));
        let params = OracleParams { ema_half_life: half_life, ..PARAMS };
        state.accept(Selection::Primary(reading(to, NOW + dt)), &params).unwrap();
        let moved = state.ema.to_bits();
        prop_assert!((from.min(to)..=from.max(to)).contains(&moved));
        prop_assert!(moved.abs_diff(from) <= from / 50);
        // A gap longer than 60 s counts as 60 s.
        let mut clamped = OracleState::first(&reading(from, NOW));
        clamped.accept(Selection::Primary(reading(to, NOW + dt.min(60))), &params).unwrap();
        prop_assert_eq!(clamped.ema, state.ema);
    }

    #[test]
    fn a_print_is_converted_exactly_rounded_down_with_its_confidence_rounded_up(
        mantissa in any::<u64>(), shift in 0..64_u32, conf in any::<u32>(), exponent in -30..25_i32,
        quote_decimals in 0..=9_u8, lot_decimals in 0..=18_u8,
    ) {
        let print = Print { price: mantissa >> shift, conf: conf.into(), exponent, publish_time: NOW };
        let power = exponent + i32::from(quote_decimals) - i32::from(lot_decimals);
        let exact = |n: u64| int(n) * int(10).pow(power) * int(ONE);
        let fits = |bits: &model::Exact| *bits <= int(u64::MAX);
        let bits = exact(print.price).floor();
        let usable = (-38..=19).contains(&power)
            && bits >= int(Price::MIN.to_bits())
            && bits <= int(Price::MAX.to_bits())
            && fits(&exact(print.conf).ceil());
        match normalise(&print, quote_decimals, lot_decimals) {
            Ok(reading) => {
                prop_assert!(usable);
                prop_assert_eq!(int(reading.price.to_bits()), bits.clone());
                prop_assert_eq!(int(reading.conf), exact(print.conf).ceil());
                prop_assert!((exact(print.price) - &bits) * int(1_000_000) < bits, "loses less than 1 ppm");
            }
            Err(error) => {
                prop_assert_eq!(error, EngineError::PriceOutOfRange);
                prop_assert!(!usable);
            }
        }
    }

    #[test]
    fn the_spread_is_the_larger_of_base_and_confidence(
        bits in ONE / 8..ONE * 8, conf in any_conf(), base in 0..=10_000_u32, multiple in 0..=5_000_000_u32,
    ) {
        let state = OracleState { conf, ..oracle(bits) };
        let ppm = (int(conf) * int(1_000_000) / int(bits)).ceil();
        let expected = (ppm * ratio(multiple, 1_000_000)).ceil().max(int(base)).min(int(MAX_HALF_SPREAD_PPM));
        prop_assert_eq!(int(half_spread_ppm(&state, base.into(), multiple).unwrap()), expected);
        let (low, high) = (of_price(lower_bound(&state).unwrap()), of_price(upper_bound(&state).unwrap()));
        let (mark, conf) = (of_price(price(bits)), ratio(conf, ONE));
        prop_assert_eq!(low, (&mark - &conf).max(of_price(Price::MIN)));
        prop_assert_eq!(high, (mark + conf).min(of_price(Price::MAX)));
    }
}

/// Up to the largest that a reading can have.
fn any_conf() -> impl Strategy<Value = u64> {
    prop_oneof![0..ONE, 0..=u64::MAX / 5_000_000]
}

/// The table of risk.md section 4: Fresh, Wide, Stale, Divergent.
const TABLE: [(Action, [bool; 4]); 8] = [
    (Action::Increase, [true, false, false, false]),
    (Action::Close, [true, true, false, false]),
    (Action::Deposit, [true, true, true, true]),
    (Action::WithdrawUnencumbered, [true, true, true, true]),
    (Action::Withdraw, [true, false, false, false]),
    (Action::Liquidate, [true, true, false, false]),
    (Action::Waterfall, [true, false, false, false]),
    (Action::PoolShares, [true, false, false, false]),
];

#[test]
fn every_cell_of_the_table_holds_for_either_age_limit() {
    let fresh = oracle(ONE);
    let wide = OracleState { conf: ONE / 100 + 1, ..fresh };
    let stale = |seconds: i64| OracleState { publish_time: NOW - seconds, ..fresh };
    let divergent = OracleState { divergent: 1, ..fresh };
    for (limit, seconds) in [(Age::Trade, 5), (Age::Margin, 60)] {
        let states = [
            (Validity::Fresh, fresh),
            (Validity::Wide, wide),
            (Validity::Stale, stale(seconds + 1)),
            (Validity::Divergent, divergent),
        ];
        for (action, cells) in TABLE {
            for ((validity, state), allowed) in states.into_iter().zip(cells) {
                let answer = state.require(&PARAMS, (action, limit), NOW);
                let age_seconds = NOW - state.publish_time;
                let error = EngineError::PriceNotUsable { validity, age_seconds, limit_seconds: seconds };
                assert_eq!(
                    answer,
                    if allowed { Ok(validity) } else { Err(error) },
                    "{action:?} {validity:?}"
                );
            }
        }
    }
}

#[test]
fn the_boundaries_of_validity_are_inclusive() {
    let fresh = oracle(ONE);
    let at = |state: &OracleState, limit, now| state.validity(&PARAMS, limit, now).unwrap();
    assert_eq!(at(&fresh, Age::Trade, NOW + 5), Validity::Fresh);
    assert_eq!(at(&fresh, Age::Trade, NOW + 6), Validity::Stale);
    assert_eq!(at(&fresh, Age::Margin, NOW + 60), Validity::Fresh);
    assert_eq!(at(&fresh, Age::Margin, NOW + 61), Validity::Stale);
    assert_eq!(at(&fresh, Age::Trade, NOW - 30), Validity::Fresh, "a print ahead of the clock is young");
    let conf = |conf| OracleState { conf, ..fresh };
    assert_eq!(at(&conf(ONE / 100), Age::Trade, NOW), Validity::Fresh);
    assert_eq!(at(&conf(ONE / 100 + 1), Age::Trade, NOW), Validity::Wide);
    // The worse wins: disputed before old before wide.
    let all = OracleState { divergent: 1, publish_time: NOW - 100, conf: ONE, ..fresh };
    assert_eq!(at(&all, Age::Trade, NOW), Validity::Divergent);
    assert_eq!(at(&OracleState { divergent: 0, ..all }, Age::Trade, NOW), Validity::Stale);
}

#[test]
fn two_prints_of_one_second_keep_the_price_and_the_wider_confidence() {
    let mut state = OracleState { conf: 5, ..oracle(ONE) };
    let same = |conf| Selection::Primary(Reading { price: price(ONE * 2), conf, publish_time: NOW });
    state.accept(same(9), &PARAMS).unwrap();
    assert_eq!((state.price, state.conf), (price(ONE), 9));
    state.accept(same(1), &PARAMS).unwrap();
    assert_eq!(state.conf, 9);
    state.accept(Selection::Primary(Reading { conf: 1, ..reading(ONE, NOW + 1) }), &PARAMS).unwrap();
    assert_eq!(state.conf, 1);
}

#[test]
fn a_print_older_than_the_stored_one_is_refused_and_changes_nothing() {
    let mut state = OracleState { divergent: 1, secondary_time: NOW - 9, ..oracle(ONE) };
    let before = state;
    let old = reading(ONE, NOW - 1);
    for selection in [Selection::Primary(old), Selection::Secondary(old), Selection::Agreed(old, NOW)] {
        let error = EngineError::PublishTimeWentBack { offered: NOW - 1, stored: NOW };
        assert_eq!(state.accept(selection, &PARAMS), Err(error));
        assert_eq!(state, before);
    }
    assert_eq!(state.accept(Selection::Agreed(reading(ONE, NOW), NOW - 1), &PARAMS), Ok(()));
    assert_eq!((state.divergent, state.secondary_time), (0, NOW - 1));
}

#[test]
fn prints_by_hand() {
    // BTC at 60 000 with exponent −8, lots of 1e-11: 60 000 · 10^(6 − 11) = 0.6 quote units a lot.
    let print = Print { price: 6_000_000_000_000, conf: 1, exponent: -8, publish_time: NOW };
    let reading = normalise(&print, 6, 11).unwrap();
    assert_eq!(reading.price.to_bits(), 6 * ONE / 10);
    assert_eq!(reading.conf, 1, "rounded up");
    // SOL at 150, lots of 1e-9: 0.15.
    let print = Print { price: 15_000_000_000, conf: 15_000_000, exponent: -8, publish_time: NOW };
    let reading = normalise(&print, 6, 9).unwrap();
    assert_eq!(reading.price.to_bits(), 15 * ONE / 100);
    let state = OracleState::first(&reading);
    assert_eq!(state.conf_ppm(), Ok(1001), "0.1 % and a rounding");
    assert_eq!(half_spread_ppm(&state, 100, 2_000_000), Ok(2002));
    // Half-life 300 s, 60 s later, price 1 % up: 1 − 2^(−1/5) = 12.94 % of the way.
    let mut state = oracle(ONE);
    state.accept(Selection::Primary(self::reading(ONE / 100 * 101, NOW + 60)), &PARAMS).unwrap();
    let moved = state.ema.to_bits() - ONE;
    assert!((5_559_700..5_559_900).contains(&moved), "{moved}");
    assert_eq!(state.strict().low, state.ema);
    assert_eq!(state.strict().high, state.price);
}
