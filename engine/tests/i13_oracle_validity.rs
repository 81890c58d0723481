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
    Action, Age, MAX_LEAD_SECONDS, OracleParams, OracleState, Print, Reading, Selection, Validity,
    half_spread_ppm, lower_bound, normalise, select, upper_bound,
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
        2 => reading.prop_map(Selection::Secondary),
        1 => Just(Selection::Divergent),
    ]
}

proptest! {
    #![proptest_config(config(500))]

    #[test]
    fn publish_times_never_go_back_and_one_time_has_one_price(
        selections in prop::collection::vec((any_selection(), 0..20_i64), 1..30),
    ) {
        let mut state = OracleState::first(&reading(ONE, NOW - 40));
        let mut now = NOW - 40;
        for (selection, dt) in selections {
            now += dt;
            let before = state;
            let accepted = state.accept(selection, &PARAMS, now);
            prop_assert!(state.publish_time >= before.publish_time && state.primary_time >= before.primary_time);
            prop_assert!(state.publish_time == before.publish_time || state.publish_time <= now + MAX_LEAD_SECONDS);
            if state.publish_time == before.publish_time {
                prop_assert_eq!((state.price, state.ema), (before.price, before.ema));
            }
            match (accepted, selection) {
                (Err(_), _) => prop_assert_eq!(state, before, "a refused print changes nothing"),
                (Ok(()), Selection::Divergent) => prop_assert_eq!(state, OracleState { divergent: 1, ..before }),
                (Ok(()), Selection::Primary(r) | Selection::Secondary(r)) => {
                    prop_assert_eq!((state.publish_time, state.divergent), (r.publish_time, 0));
                    let primary = matches!(selection, Selection::Primary(_));
                    prop_assert_eq!(state.primary_time, if primary { r.publish_time } else { before.primary_time });
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
        state.accept(Selection::Primary(reading(to, NOW + dt)), &params, NOW + dt).unwrap();
        let moved = state.ema.to_bits();
        prop_assert!((from.min(to)..=from.max(to)).contains(&moved));
        prop_assert!(moved.abs_diff(from) <= from / 50);
        // A gap longer than 60 s counts as 60 s.
        let mut clamped = OracleState::first(&reading(from, NOW));
        clamped.accept(Selection::Primary(reading(to, NOW + dt.min(60))), &params, NOW + dt).unwrap();
        prop_assert_eq!(clamped.ema, state.ema);
    }

    #[test]
    fn a_print_is_converted_exactly_rounded_down_with_its_confidence_rounded_up(
        mantissa in any::<u64>(), shift in 0..64_u32, conf in any::<u32>(), exponent in -25..25_i32,
        quote_decimals in 0..=9_u8, lot_decimals in 0..=18_u8,
    ) {
        let print = Print { price: mantissa >> shift, conf: conf.into(), exponent, publish_time: NOW };
        let power = exponent + i32::from(quote_decimals) - i32::from(lot_decimals);
        let exact = |n: u64| int(n) * int(10).pow(power) * int(ONE);
        let fits = |bits: &model::Exact| *bits <= int(u64::MAX);
        let bits = exact(print.price).floor();
        let usable = power.abs() <= 19
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
        bits in ONE / 8..ONE * 8, conf in 0..ONE, base in 0..=10_000_u32, multiple in 0..=5_000_000_u32,
    ) {
        let state = OracleState { conf, ..oracle(bits) };
        let ppm = (int(conf) * int(1_000_000) / int(bits)).ceil();
        let expected = (ppm * ratio(multiple, 1_000_000)).ceil().max(int(base));
        prop_assert_eq!(int(half_spread_ppm(&state, base, multiple).unwrap()), expected);
        let (low, high) = (of_price(lower_bound(&state).unwrap()), of_price(upper_bound(&state).unwrap()));
        let (mark, conf) = (of_price(price(bits)), ratio(conf, ONE));
        prop_assert_eq!(low, (&mark - &conf).max(of_price(Price::MIN)));
        prop_assert_eq!(high, (mark + conf).min(of_price(Price::MAX)));
    }
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
fn the_primary_counts_while_it_is_valid() {
    let state = oracle(ONE);
    let (a, b) = (reading(ONE, NOW), reading(ONE + 7, NOW));
    let chosen = |readings| select(&state, &PARAMS, readings, NOW);
    assert_eq!(chosen([Some(a), None]), Ok(Selection::Primary(a)));
    assert_eq!(chosen([Some(a), Some(b)]), Ok(Selection::Primary(a)));
    let late = NOW + 60;
    assert_eq!(select(&state, &PARAMS, [Some(a), Some(b)], late), Ok(Selection::Primary(a)));
}

#[test]
fn the_secondary_counts_only_when_the_market_has_not_seen_the_primary_for_as_long() {
    let b = |now| reading(ONE, now);
    let state = oracle(ONE); // primary seen at NOW
    for (now, dead) in [(NOW + 60, false), (NOW + 61, true)] {
        for primary in [None, Some(reading(ONE, now - 61))] {
            let chosen = select(&state, &PARAMS, [primary, Some(b(now))], now);
            let alive = EngineError::PrimaryStillValid { age_seconds: 60 };
            assert_eq!(chosen, if dead { Ok(Selection::Secondary(b(now))) } else { Err(alive) });
        }
    }
    // A secondary print does not make the primary dead for longer or shorter.
    let mut state = state;
    state.accept(Selection::Secondary(b(NOW + 61)), &PARAMS, NOW + 61).unwrap();
    assert_eq!((state.primary_time, state.publish_time), (NOW, NOW + 61));
    // The primary comes back: it counts again at once.
    let back = reading(ONE, NOW + 62);
    let chosen = select(&state, &PARAMS, [Some(back), Some(b(NOW + 62))], NOW + 62);
    assert_eq!(chosen, Ok(Selection::Primary(back)));
}

#[test]
fn without_a_valid_source_the_best_age_is_told() {
    let state = oracle(ONE);
    let chosen = |readings| select(&state, &PARAMS, readings, NOW);
    let none = |age_seconds| Err(EngineError::NoValidSource { age_seconds, limit_seconds: 60 });
    assert_eq!(chosen([None, None]), none(i64::MAX));
    assert_eq!(chosen([Some(reading(ONE, NOW - 61)), None]), none(61));
    assert_eq!(chosen([Some(reading(ONE, NOW - 99)), Some(reading(ONE, NOW - 70))]), none(70));
}

#[test]
fn two_valid_sources_diverge_beyond_two_percent_of_the_lower() {
    let state = oracle(ONE);
    let low = 1_000_000_000;
    for (high, apart) in [(1_020_000_000, false), (1_020_000_001, true)] {
        for readings in [[low, high], [high, low]] {
            let [a, b] = readings.map(|bits| Some(reading(bits, NOW)));
            let expected = if apart { Selection::Divergent } else { Selection::Primary(a.unwrap()) };
            assert_eq!(select(&state, &PARAMS, [a, b], NOW), Ok(expected));
        }
    }
    // Only a valid source can disagree.
    let old = Some(reading(low / 2, NOW - 61));
    let a = reading(low, NOW);
    assert_eq!(select(&state, &PARAMS, [Some(a), old], NOW), Ok(Selection::Primary(a)));
}

#[test]
fn an_old_print_of_the_primary_cannot_make_a_market_divergent() {
    // Whoever may choose which signed print to pass must not dispute a price with one that came before it.
    let state = oracle(ONE);
    let (old, b) = (reading(ONE / 2, NOW - 30), reading(ONE, NOW));
    let error = EngineError::PublishTimeWentBack { offered: NOW - 30, stored: NOW };
    assert_eq!(select(&state, &PARAMS, [Some(old), Some(b)], NOW), Err(error));
}

#[test]
fn two_prints_of_one_second_keep_the_price_and_the_wider_confidence() {
    let mut state = OracleState { conf: 5, ..oracle(ONE) };
    let same = |conf| Selection::Primary(Reading { price: price(ONE * 2), conf, publish_time: NOW });
    state.accept(same(9), &PARAMS, NOW).unwrap();
    assert_eq!((state.price, state.conf), (price(ONE), 9));
    state.accept(same(1), &PARAMS, NOW).unwrap();
    assert_eq!(state.conf, 9);
    state.accept(Selection::Primary(Reading { conf: 1, ..reading(ONE, NOW + 1) }), &PARAMS, NOW).unwrap();
    assert_eq!(state.conf, 1);
}

#[test]
fn a_print_too_old_or_too_far_ahead_is_refused() {
    let mut state = oracle(ONE);
    let old = state.accept(Selection::Primary(reading(ONE, NOW - 1)), &PARAMS, NOW);
    assert_eq!(old, Err(EngineError::PublishTimeWentBack { offered: NOW - 1, stored: NOW }));
    let ahead = state.accept(Selection::Primary(reading(ONE, NOW + 31)), &PARAMS, NOW);
    assert_eq!(ahead, Err(EngineError::PublishTimeInFuture { lead_seconds: 31 }));
    assert_eq!(state.accept(Selection::Primary(reading(ONE, NOW + 30)), &PARAMS, NOW), Ok(()));
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
    state.accept(Selection::Primary(self::reading(ONE / 100 * 101, NOW + 60)), &PARAMS, NOW + 60).unwrap();
    let moved = state.ema.to_bits() - ONE;
    assert!((5_559_700..5_559_900).contains(&moved), "{moved}");
    assert_eq!(state.strict().low, state.ema);
    assert_eq!(state.strict().high, state.price);
}
