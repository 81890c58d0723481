//! Tokens leave a vault at a bounded rate, whoever deposits and withdraws, and however often.
//!
//! The bound: the balance never falls below the line, `average − limit`. So the average falls by at most
//! `limit·t/1 h` in a time `t`, and a unit of rounding for every look at it; and from any moment on the balance stays
//! above the average that there was less `limit·(1 + t/1 h)`, with the largest limit in force meanwhile. In an
//! hour that is twice the limit. What had arrived too late to be in the average may leave on top of it.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::EngineError;
use bulwark_engine::collateral::{Collateral, CollateralParams};
use bulwark_engine::outflow::{Outflow, OutflowParams};
use model::vault::{COLLATERAL, collateral};
use model::world::{NOW, ONE, any_lots, oracle};
use model::{Exact, config, int, ratio};
use num_traits::Signed;
use proptest::prelude::*;

const HOUR: i64 = 3_600;

fn params(max_ppm: u32, floor: u64) -> OutflowParams {
    OutflowParams { floor, max_ppm, _padding: 0 }
}

fn any_params() -> impl Strategy<Value = OutflowParams> {
    (10_000..=1_000_000_u32, prop_oneof![2 => Just(0), 1 => any_lots(30)])
        .prop_map(|(max_ppm, floor)| params(max_ppm, floor))
}

/// A vault that has held `balance` for as long as it looks back.
fn vault(outflow: OutflowParams, balance: u64) -> Collateral {
    Collateral {
        params: CollateralParams { outflow, ..COLLATERAL },
        recorded: balance,
        outflow: Outflow { average: balance, updated_at: NOW },
        ..collateral([300_000, 100_000], oracle(ONE))
    }
}

/// `max(average·share, floor)`.
fn limit(vault: &Collateral) -> Exact {
    let OutflowParams { floor, max_ppm, .. } = vault.params.outflow;
    (int(vault.outflow.average) * ratio(max_ppm, 1_000_000)).floor().max(int(floor))
}

/// Something that somebody does after a while.
#[derive(Clone, Copy, Debug)]
enum Move {
    /// Tokens arrive.
    In(u64),
    /// Someone tries to take that many.
    Out(u64),
    /// Someone takes all that may leave.
    Drain,
    /// In and out in one second.
    Flash(u64),
}

fn any_move() -> impl Strategy<Value = (i64, Move)> {
    let amount = || prop_oneof![any_lots(36), 0..1_u64 << 30];
    let step = prop_oneof![
        2 => amount().prop_map(Move::In),
        3 => amount().prop_map(Move::Out),
        4 => Just(Move::Drain),
        1 => amount().prop_map(Move::Flash),
    ];
    (prop_oneof![Just(0), 1..=60_i64, 0..=HOUR, 0..=3 * HOUR], step)
}

fn any_waits() -> impl Strategy<Value = Vec<i64>> {
    prop::collection::vec(0..=120_i64, 1..30)
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn between_any_two_moments_no_more_leaves_than_the_limit_and_its_share_of_the_time(
        outflow in any_params(), balance in any_lots(36), moves in prop::collection::vec(any_move(), 1..40),
    ) {
        let mut vault = vault(outflow, balance);
        let mut seen = vec![(NOW, vault)];
        for (wait, step) in moves {
            let now = seen.last().unwrap().0 + wait;
            let allowed = vault.releasable(now).unwrap();
            let mut next = vault;
            let done = match step {
                Move::In(amount) => next.receive(amount, now),
                Move::Out(amount) => {
                    let done = next.release(amount, now);
                    prop_assert_eq!(done.is_ok(), amount <= allowed);
                    done
                }
                Move::Drain => next.release(allowed, now),
                Move::Flash(amount) => next.receive(amount, now).and_then(|()| next.release(amount, now)),
            };
            if let Err(error) = done {
                let refused = matches!(error, EngineError::OutflowLimit { .. } | EngineError::InsufficientBalance { .. });
                prop_assert!(refused && matches!(step, Move::Out(_)), "{:?}: {}", step, error);
                continue;
            }
            vault = next;
            seen.push((now, vault));
            prop_assert!(vault.recorded >= vault.outflow.line(&outflow).unwrap(), "never below the line");
            let mut largest = int(0);
            for (looks, (then, earlier)) in seen.iter().rev().enumerate() {
                largest = largest.max(limit(earlier));
                let most = &largest * (int(1) + ratio(now - then, HOUR)) + int(looks);
                let gone = int(earlier.outflow.average.min(earlier.recorded)) - int(vault.recorded);
                prop_assert!(gone <= most, "{} in {} s, limit {}", gone, now - then, largest);
            }
        }
    }

    /// The line is the average less a share of it, or less the floor; what may leave is what is above it.
    #[test]
    fn the_line_is_the_average_less_what_may_leave(outflow in any_params(), average in any_lots(50), balance in any_lots(50)) {
        let mut vault = vault(outflow, balance);
        vault.outflow.average = average;
        let exact = (int(average) - limit(&vault)).max(int(0));
        prop_assert_eq!(int(vault.outflow.line(&outflow).unwrap()), exact.clone());
        prop_assert_eq!(int(vault.releasable(NOW).unwrap()), (int(balance) - exact).max(int(0)));
    }

    /// Tokens that come and go at once change nothing for anybody, in whatever order, and raise no limit in between.
    #[test]
    fn what_comes_and_goes_at_once_changes_nothing(
        outflow in any_params(), balance in any_lots(40), average in any_lots(40), amounts in prop::collection::vec(any_lots(50), 1..10),
        part in 0..=8_u64, wait in 0..=HOUR,
    ) {
        let now = NOW + wait;
        let mut vault = vault(outflow, balance);
        vault.outflow.average = average.min(balance);
        vault.receive(0, now).unwrap();
        let before = vault;
        let room = vault.releasable(now).unwrap();
        for &amount in &amounts {
            vault.receive(amount, now).unwrap();
            prop_assert_eq!(vault.releasable(now), Ok(room + amount), "what came may go, and no more");
            prop_assert_eq!(limit(&vault), limit(&before));
            vault.release(amount, now).unwrap();
        }
        let amount = room / 8 * part;
        vault.release(amount, now).unwrap();
        vault.receive(amount, now).unwrap();
        prop_assert_eq!(vault, before);
    }

    /// While the balance stands at its average time does nothing, however it is sliced.
    #[test]
    fn time_may_be_sliced_while_the_balance_stands(balance in any_lots(60), waits in any_waits()) {
        let (mut state, mut now) = (Outflow { average: balance, updated_at: NOW }, NOW);
        for wait in &waits {
            now += wait;
            state.advance(balance, now).unwrap();
        }
        prop_assert_eq!(state, Outflow { average: balance, updated_at: now });
    }

    /// A balance that has moved: once the average goes straight to it, in n parts it bends, by the square of the time over an hour;
    /// each part rounds by a unit, always downwards.
    #[test]
    fn time_may_be_sliced_while_the_average_moves_but_for_its_bend(balance in any_lots(40), average in any_lots(40), waits in any_waits()) {
        let start = Outflow { average, updated_at: NOW };
        let (mut once, mut sliced, mut now) = (start, start, NOW);
        for wait in &waits {
            now += wait;
            sliced.advance(balance, now).unwrap();
        }
        once.advance(balance, now).unwrap();
        let (gap, share) = (int(balance.abs_diff(average)), ratio(now - NOW, HOUR).min(int(1)));
        let exact = int(average) + (int(balance) - int(average)) * &share;
        let slack = &gap / int(1_000_000) + int(1);
        prop_assert!((int(once.average) - &exact).abs() <= slack);
        let bend = gap * &share * share / int(2);
        prop_assert!((int(sliced.average) - exact).abs() <= bend + slack + int(waits.len()));
    }

    /// The average never leaves the range of what stood; after an hour that nobody looked it is what stood.
    #[test]
    fn the_average_follows_what_stood(balance in any_lots(60), average in any_lots(60), wait in 0..3 * HOUR) {
        let mut state = Outflow { average, updated_at: NOW };
        state.advance(balance, NOW + wait).unwrap();
        let (low, high) = (balance.min(average), balance.max(average));
        prop_assert!(state.average >= low && state.average <= high);
        prop_assert!(wait < HOUR || state.average == balance);
        // A second is a 3600th of 2^32, rounded down; a rise is rounded down too, a fall up.
        let share = ratio(wait * ((1_i64 << 32) / HOUR), 1_i64 << 32);
        let exact = int(average) + (int(balance) - int(average)) * share;
        prop_assert!(wait >= HOUR || int(state.average) == exact.floor());
        prop_assert!(wait == 0 || balance >= average || state.average < average, "it falls by every second");
        let same = state;
        state.advance(0, NOW + wait).unwrap();
        state.advance(0, NOW).unwrap();
        prop_assert_eq!(state, same, "no time, or time that goes back, is none");
    }
}

#[test]
fn an_outflow_by_hand() {
    // A tenth of 36 000.
    let mut vault = vault(params(100_000, 0), 36_000);
    let refused = EngineError::OutflowLimit { amount: 3_601, available: 3_600 };
    assert_eq!(vault.release(3_601, NOW), Err(refused));
    vault.release(3_600, NOW).unwrap();
    assert_eq!((vault.recorded, vault.releasable(NOW)), (32_400, Ok(0)));
    // Ten minutes later the average has fallen by a sixth of 3600, and what may leave is what is above nine tenths of it.
    assert_eq!(vault.releasable(NOW + 600), Ok(32_400 - 31_860));
    // An hour later it is the balance: the next tenth.
    assert_eq!(vault.releasable(NOW + 3_600), Ok(3_240));
    // What arrives may leave again at once; after half an hour half of it is protected as the rest.
    vault.receive(72_000, NOW).unwrap();
    assert_eq!(vault.releasable(NOW), Ok(72_000));
    let half = 36_000 + (104_400 - 36_000) / 2;
    assert!(
        (104_400 - half / 10 * 9..=104_402 - half / 10 * 9).contains(&vault.releasable(NOW + 1_800).unwrap())
    );
    assert_eq!(vault.releasable(NOW + 3_600), Ok(10_440));
    let balance = vault.recorded;
    let missing = EngineError::InsufficientBalance { balance, needed: balance + 1 };
    assert_eq!(vault.release(balance + 1, NOW), Err(missing));
    assert_eq!(vault.receive(u64::MAX, NOW), Err(EngineError::Overflow));
    // A vault just listed lets go what came, until the average knows it.
    let mut fresh = Collateral {
        params: CollateralParams { outflow: params(10_000, 7), ..COLLATERAL },
        ..collateral([300_000, 100_000], oracle(ONE))
    };
    assert_eq!((fresh.outflow, fresh.releasable(NOW)), (Outflow::new(NOW), Ok(0)));
    fresh.receive(1_000, NOW).unwrap();
    assert_eq!([0, HOUR].map(|wait| fresh.releasable(NOW + wait).unwrap()), [1_000, 10]);
    fresh.recorded = 5;
    assert_eq!(fresh.releasable(NOW + 2 * HOUR), Ok(5), "the floor empties a small vault");
}

/// Borrowed tokens that come and go in one transaction, again and again, stop nobody.
#[test]
fn going_in_and_out_blocks_nobody() {
    let mut vault = vault(params(100_000, 0), 36_000);
    for _ in 0..100 {
        vault.receive(3_600_000, NOW + 1).unwrap();
        vault.release(3_600_000, NOW + 1).unwrap();
    }
    assert_eq!((vault.recorded, vault.releasable(NOW + 1)), (36_000, Ok(3_600)));
}
