//! I13, where prices come from: whoever refreshes chooses neither which source counts nor whether it is heard.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::EngineError;
use bulwark_engine::price::{
    Age, MAX_LEAD_SECONDS, OracleParams, OracleState, Reading, Selection, Validity, select,
};
use model::config;
use model::world::{HALF, NOW, ONE, oracle, price};
use proptest::prelude::*;

const PARAMS: OracleParams = OracleParams::DEFAULT;
/// Agrees with a price of one.
const NEAR: u64 = ONE + ONE / 100;
/// Does not.
const FAR: u64 = ONE + ONE / 20;

fn reading(bits: u64, publish_time: i64) -> Reading {
    Reading { price: price(bits), conf: 0, publish_time }
}

fn some(bits: u64, publish_time: i64) -> Option<Reading> {
    Some(reading(bits, publish_time))
}

/// What a refresh does. An error changes nothing.
fn refresh(
    state: &mut OracleState,
    readings: [Option<Reading>; 2],
    now: i64,
) -> Result<Selection, EngineError> {
    let selection = select(state, &PARAMS, readings, now)?;
    state.accept(selection, &PARAMS)?;
    Ok(selection)
}

/// A market that has seen both sources at `NOW`.
fn both_seen() -> OracleState {
    OracleState { secondary_time: NOW, ..oracle(ONE) }
}

fn any_reading() -> impl Strategy<Value = Option<Reading>> {
    let prices = prop_oneof![Just(ONE), Just(NEAR), Just(FAR), ONE / 2..ONE * 2];
    prop::option::weighted(0.8, (prices, -100..40_i64)).prop_map(|r| r.map(|(bits, dt)| reading(bits, dt)))
}

proptest! {
    #![proptest_config(config(1_000))]

    /// Whatever accounts are passed: times never go back, none lies further ahead than the lead, a source is
    /// used alone only after the other's silence, and one that was valid is seen.
    #[test]
    fn no_choice_of_accounts_turns_back_time_or_silences_a_source(
        steps in prop::collection::vec(([any_reading(), any_reading()], 0..40_i64), 1..40),
    ) {
        let (mut state, mut now) = (oracle(ONE), NOW);
        for (readings, dt) in steps {
            now += dt;
            let readings = readings.map(|r| r.map(|r| Reading { publish_time: now + r.publish_time, ..r }));
            let before = state;
            let Ok(selection) = refresh(&mut state, readings, now) else {
                prop_assert_eq!(state, before);
                continue;
            };
            let times = |s: &OracleState| [s.publish_time, s.primary_time, s.secondary_time];
            for (a, b) in times(&before).into_iter().zip(times(&state)) {
                prop_assert!(a <= b && b <= now + MAX_LEAD_SECONDS);
            }
            let alive = |time: i64| now - time <= 60 && time <= now + MAX_LEAD_SECONDS;
            for (reading, seen) in readings.iter().zip([state.primary_time, state.secondary_time]) {
                prop_assert!(reading.is_none_or(|r| !alive(r.publish_time) || seen >= r.publish_time));
            }
            match selection {
                Selection::Primary(r) => {
                    prop_assert!(!alive(before.secondary_time) && alive(r.publish_time));
                    prop_assert_eq!(Some(r), readings[0]);
                }
                Selection::Secondary(r) => {
                    prop_assert!(!alive(before.primary_time) && alive(r.publish_time));
                    prop_assert_eq!(Some(r), readings[1]);
                }
                Selection::Agreed(r, time) => {
                    prop_assert_eq!((Some(r), Some(time)), (readings[0], readings[1].map(|b| b.publish_time)));
                    prop_assert!(alive(time) && alive(r.publish_time));
                }
                Selection::Divergent(seen) => {
                    prop_assert_eq!(seen.map(Some), readings.map(|r| r.map(|r| r.publish_time)));
                    prop_assert!(seen.into_iter().all(alive) && state.divergent == 1);
                }
            }
        }
    }
}

#[test]
fn the_primary_counts_while_it_is_valid() {
    let state = oracle(ONE); // has never seen a secondary
    let (a, b) = (reading(ONE, NOW), reading(ONE + 7, NOW - 3));
    let chosen = |readings, now| select(&state, &PARAMS, readings, now);
    assert_eq!(chosen([Some(a), None], NOW), Ok(Selection::Primary(a)));
    assert_eq!(chosen([Some(a), Some(b)], NOW), Ok(Selection::Agreed(a, NOW - 3)));
    assert_eq!(chosen([Some(a), Some(b)], NOW + 57), Ok(Selection::Agreed(a, NOW - 3)));
    assert_eq!(chosen([Some(a), Some(b)], NOW + 58), Ok(Selection::Primary(a)), "the secondary is too old");
    assert_eq!(chosen([Some(a), None], NOW + 60), Ok(Selection::Primary(a)));
}

#[test]
fn the_secondary_counts_only_when_the_market_has_not_seen_the_primary_for_as_long() {
    let b = |now| reading(ONE, now);
    let state = oracle(ONE); // primary seen at NOW
    for (now, dead) in [(NOW + 60, false), (NOW + 61, true)] {
        for primary in [None, some(ONE, now - 61)] {
            let chosen = select(&state, &PARAMS, [primary, Some(b(now))], now);
            let alive = EngineError::PrimaryStillValid { age_seconds: 60 };
            assert_eq!(chosen, if dead { Ok(Selection::Secondary(b(now))) } else { Err(alive) });
        }
    }
    // A secondary print does not make the primary dead for longer or shorter.
    let mut state = state;
    refresh(&mut state, [None, Some(b(NOW + 61))], NOW + 61).unwrap();
    assert_eq!((state.primary_time, state.secondary_time, state.publish_time), (NOW, NOW + 61, NOW + 61));
    // The primary comes back: it counts again at once, together with the secondary.
    let back = reading(ONE, NOW + 62);
    let both = [Some(back), Some(b(NOW + 62))];
    assert_eq!(refresh(&mut state, both, NOW + 62), Ok(Selection::Agreed(back, NOW + 62)));
}

#[test]
fn the_primary_counts_alone_only_when_the_market_has_not_seen_the_secondary_for_as_long() {
    let a = |now| reading(ONE, now);
    for (now, dead) in [(NOW + 60, false), (NOW + 61, true)] {
        for secondary in [None, some(ONE, now - 61)] {
            let chosen = select(&both_seen(), &PARAMS, [Some(a(now)), secondary], now);
            let alive = EngineError::SecondaryStillValid { age_seconds: 60 };
            assert_eq!(chosen, if dead { Ok(Selection::Primary(a(now))) } else { Err(alive) });
        }
    }
    // A primary print does not make the secondary alive for longer or shorter.
    let mut state = both_seen();
    refresh(&mut state, [Some(a(NOW + 61)), None], NOW + 61).unwrap();
    assert_eq!((state.primary_time, state.secondary_time), (NOW + 61, NOW));
    // It comes back and is heard again at once: the next refresh needs it.
    refresh(&mut state, [Some(a(NOW + 62)), some(ONE, NOW + 62)], NOW + 62).unwrap();
    let alone = refresh(&mut state, [Some(a(NOW + 63)), None], NOW + 63);
    assert_eq!(alone, Err(EngineError::SecondaryStillValid { age_seconds: 1 }));
}

#[test]
fn attack_leaving_out_the_source_that_would_dispute_the_price() {
    // The primary is manipulated to 1.05; the secondary still says 1 and would make the market Divergent.
    let mut state = both_seen();
    for wait in [1, 30, 60] {
        let now = NOW + wait;
        for old in [None, some(FAR, now - 61), some(ONE, NOW - 61)] {
            let refused = refresh(&mut state, [some(FAR, now), old], now);
            assert_eq!(refused, Err(EngineError::SecondaryStillValid { age_seconds: wait }), "{old:?}");
        }
    }
    assert_eq!(state, both_seen());
    // Heard, it disputes; and having been heard disputing, it can be left out no sooner.
    let disputed = refresh(&mut state, [some(FAR, NOW + 50), some(ONE, NOW + 40)], NOW + 50);
    assert_eq!(disputed, Ok(Selection::Divergent([NOW + 50, NOW + 40])));
    let alone = |state: &mut OracleState, now| refresh(state, [some(FAR, now), some(ONE, NOW + 40)], now);
    assert_eq!(state.validity(&PARAMS, Age::Margin, NOW + 50), Ok(Validity::Divergent));
    let left_out = refresh(&mut state, [some(FAR, NOW + 100), None], NOW + 100);
    assert_eq!(left_out, Err(EngineError::SecondaryStillValid { age_seconds: 60 }));
    assert!(matches!(alone(&mut state, NOW + 100), Ok(Selection::Divergent(_))), "60 s old: valid");
    // After max_margin_age of real silence the primary counts alone and ends the dispute.
    let silent = refresh(&mut state, [some(FAR, NOW + 101), some(ONE, NOW + 40)], NOW + 101);
    assert_eq!(silent, Ok(Selection::Primary(reading(FAR, NOW + 101))));
    assert_eq!((state.price, state.divergent, state.secondary_time), (price(FAR), 0, NOW + 40));
}

#[test]
fn attack_choosing_the_fallback_after_a_dispute() {
    // A dispute keeps the price as it is, but the primary has been seen: the secondary can't count alone.
    let mut state = both_seen();
    refresh(&mut state, [some(ONE, NOW + 50), some(FAR, NOW + 50)], NOW + 50).unwrap();
    assert_eq!((state.publish_time, state.price), (NOW, price(ONE)));
    assert_eq!((state.primary_time, state.secondary_time), (NOW + 50, NOW + 50));
    for (now, old) in [(NOW + 61, None), (NOW + 110, some(ONE, NOW + 49))] {
        let refused = refresh(&mut state, [old, some(FAR, now)], now);
        assert_eq!(refused, Err(EngineError::PrimaryStillValid { age_seconds: now - NOW - 50 }));
    }
    assert_eq!(state.divergent, 1);
    let now = NOW + 111;
    assert_eq!(refresh(&mut state, [None, some(FAR, now)], now), Ok(Selection::Secondary(reading(FAR, now))));
}

#[test]
fn attack_ending_a_dispute_with_a_print_from_before_it() {
    // Pull updates can be posted by anyone: whoever refreshes chooses among all prints of the last 60 s.
    let agreed = |state: &mut OracleState, readings| {
        matches!(refresh(state, readings, NOW + 51), Ok(Selection::Agreed(..)))
    };
    let mut state = both_seen();
    refresh(&mut state, [some(FAR, NOW + 50), some(ONE, NOW + 50)], NOW + 50).unwrap();
    // The secondary had agreed with the primary 20 s ago; its later word is already known.
    assert!(!agreed(&mut state.clone(), [some(FAR, NOW + 51), some(FAR, NOW + 30)]));
    // So for the primary: its print from before the move.
    assert!(!agreed(&mut state, [some(ONE, NOW + 30), some(ONE, NOW + 51)]));
}

#[test]
fn attack_disputing_a_price_with_an_old_print_of_the_secondary() {
    // Both have moved by 5 % together; the secondary's print from before the move must not dispute that.
    let mut state = both_seen();
    refresh(&mut state, [some(FAR, NOW + 50), some(FAR, NOW + 50)], NOW + 50).unwrap();
    let refused = refresh(&mut state, [some(FAR, NOW + 51), some(ONE, NOW + 1)], NOW + 51);
    assert_eq!(refused, Err(EngineError::PublishTimeWentBack { offered: NOW + 1, stored: NOW + 50 }));
}

#[test]
fn a_pinned_source_that_is_absent_is_silent_at_once_and_the_other_is_still_needed() {
    let now = NOW + 1;
    let trusting = |pinned| move |readings| select(&both_seen().trusting(pinned), &PARAMS, readings, now);
    let (a, b) = (reading(ONE, now), reading(NEAR, now));
    for pinned in [[true, false], [true, true]] {
        assert_eq!(trusting(pinned)([None, Some(b)]), Ok(Selection::Secondary(b)));
        assert_eq!(trusting(pinned)([Some(a), Some(b)]), Ok(Selection::Agreed(a, now)));
    }
    for pinned in [[false, true], [true, true]] {
        assert_eq!(trusting(pinned)([Some(a), None]), Ok(Selection::Primary(a)));
    }
    let refused = Err(EngineError::SecondaryStillValid { age_seconds: 1 });
    assert_eq!(trusting([true, false])([Some(a), None]), refused);
    let refused = Err(EngineError::PrimaryStillValid { age_seconds: 1 });
    assert_eq!(trusting([false, true])([None, Some(b)]), refused);
    assert_eq!(both_seen().trusting([false, false]), both_seen());
}

#[test]
fn without_a_valid_source_the_best_age_is_told() {
    for state in [oracle(ONE), both_seen()] {
        let chosen = |readings| select(&state, &PARAMS, readings, NOW);
        let none = |age_seconds| Err(EngineError::NoValidSource { age_seconds, limit_seconds: 60 });
        assert_eq!(chosen([None, None]), none(i64::MAX));
        assert_eq!(chosen([some(ONE, NOW - 61), None]), none(61));
        assert_eq!(chosen([some(ONE, NOW - 99), some(ONE, NOW - 70)]), none(70));
    }
}

#[test]
fn two_valid_sources_diverge_beyond_two_percent_of_the_lower() {
    let low = 1_000_000_000;
    for (high, apart) in [(1_020_000_000, false), (1_020_000_001, true)] {
        for bits in [[low, high], [high, low]] {
            let [a, b] = [reading(bits[0], NOW), reading(bits[1], NOW - 1)];
            let agreed = Selection::Agreed(a, NOW - 1);
            let expected = if apart { Selection::Divergent([NOW, NOW - 1]) } else { agreed };
            assert_eq!(select(&oracle(ONE), &PARAMS, [Some(a), Some(b)], NOW), Ok(expected));
        }
    }
    // Only a valid source can disagree.
    let a = reading(low, NOW);
    let old = select(&oracle(ONE), &PARAMS, [Some(a), some(low / 2, NOW - 61)], NOW);
    assert_eq!(old, Ok(Selection::Primary(a)));
}

#[test]
fn an_old_print_of_the_primary_cannot_make_a_market_divergent() {
    // Whoever may choose which signed print to pass must not dispute a price with one that came before it.
    let error = EngineError::PublishTimeWentBack { offered: NOW - 30, stored: NOW };
    let chosen = select(&oracle(ONE), &PARAMS, [some(HALF, NOW - 30), some(ONE, NOW)], NOW);
    assert_eq!(chosen, Err(error));
}

#[test]
fn a_print_too_far_ahead_is_no_print_whichever_source_it_is_of() {
    let state = both_seen();
    let chosen = |readings| select(&state, &PARAMS, readings, NOW);
    let (near, ahead) = (some(ONE, NOW + 30), some(ONE, NOW + 31));
    assert_eq!(chosen([near, near]), Ok(Selection::Agreed(reading(ONE, NOW + 30), NOW + 30)));
    // The other is alone, which is for a source that is silent; and nobody silences one by its future.
    assert_eq!(chosen([near, ahead]), Err(EngineError::SecondaryStillValid { age_seconds: 0 }));
    assert_eq!(chosen([ahead, near]), Err(EngineError::PrimaryStillValid { age_seconds: 0 }));
    for readings in [[ahead, None], [None, ahead], [ahead, ahead], [some(ONE, NOW - 61), ahead]] {
        assert_eq!(chosen(readings), Err(EngineError::PublishTimeInFuture { lead_seconds: 31 }));
    }
    // A source at fault by its clock does not stop one that was never seen with it.
    let alone = select(&oracle(ONE), &PARAMS, [near, some(FAR, NOW + 1_000)], NOW);
    assert_eq!(alone, Ok(Selection::Primary(reading(ONE, NOW + 30))));
    // A lead makes no source look alive for longer than its print is young.
    let led = OracleState { secondary_time: NOW + 30, ..state };
    let primary = |now| select(&led, &PARAMS, [some(ONE, now), None], now);
    assert_eq!(primary(NOW + 90), Err(EngineError::SecondaryStillValid { age_seconds: 60 }));
    assert_eq!(primary(NOW + 91), Ok(Selection::Primary(reading(ONE, NOW + 91))));
}
