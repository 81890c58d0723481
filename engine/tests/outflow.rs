//! Tokens leave a vault at a bounded rate, whoever deposits and withdraws, and however often.
//!
//! The bound: the balance never falls below the line, `anchor − limit`. The anchor falls by at most `limit·t/1 h` in a
//! time `t`, and a unit of rounding for every look at it; so from any moment on the balance stays above the anchor
//! that there was less `limit·(1 + t/1 h)`, with the largest limit in force meanwhile. In an hour that is twice the
//! limit. What had arrived too late for the anchor may leave on top of it. And the anchor rises by at most as much, or in a
//! young vault by the same share of the balance, a thousandth of the cap at most: who wants to hold it up against the
//! others has to leave tokens there, and for long.

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
const DAY: i64 = 24 * HOUR;

fn params(max_ppm: u32, floor: u64) -> OutflowParams {
    OutflowParams { floor, max_ppm, _padding: 0 }
}

fn any_params() -> impl Strategy<Value = OutflowParams> {
    (10_000..=1_000_000_u32, prop_oneof![2 => Just(0), 1 => any_lots(30)])
        .prop_map(|(max_ppm, floor)| params(max_ppm, floor))
}

/// A cap: it bounds nothing here but how slowly the anchor may rise.
fn any_cap() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), any_lots(45), Just(u64::MAX)]
}

/// A vault of this cap that stands at its anchor.
fn vault(outflow: OutflowParams, max_deposits: u64, balance: u64) -> Collateral {
    Collateral {
        params: CollateralParams { outflow, max_deposits, ..COLLATERAL },
        recorded: balance,
        outflow: Outflow { anchor: balance, updated_at: NOW },
        ..collateral([300_000, 100_000], oracle(ONE))
    }
}

/// `max(anchor·share, floor)`, rounded up.
fn limit_of(params: &OutflowParams, anchor: u64) -> Exact {
    (int(anchor) * ratio(params.max_ppm, 1_000_000)).ceil().max(int(params.floor))
}

fn limit(vault: &Collateral) -> Exact {
    limit_of(&vault.params.outflow, vault.outflow.anchor)
}

/// How fast the anchor may move an hour, towards this balance.
fn pace((params, cap): (&OutflowParams, u64), anchor: u64, balance: u64) -> Exact {
    let limit = limit_of(params, anchor);
    let young = (int(balance) * ratio(params.max_ppm, 1_000_000)).ceil().min(int(cap / 1_000));
    if balance > anchor { limit.max(young) } else { limit }
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
    (prop_oneof![3 => Just(0), 3 => 1..=60_i64, 3 => 0..=HOUR, 2 => 0..=3 * HOUR, 1 => 0..=2 * DAY], step)
}

/// An hour in parts.
fn any_hour() -> impl Strategy<Value = Vec<i64>> {
    prop::collection::vec(0..=120_i64, 1..30).prop_map(|mut waits| {
        waits.push(HOUR - waits.iter().sum::<i64>());
        waits
    })
}

/// The anchor after these waits, each looked at, and after their sum, looked at once.
fn sliced_and_once(state: (&OutflowParams, u64), anchor: u64, balance: u64, waits: &[i64]) -> [Exact; 2] {
    let start = Outflow { anchor, updated_at: NOW };
    let (mut once, mut sliced, mut now) = (start, start, NOW);
    for wait in waits {
        now += wait;
        sliced.advance(state, balance, now).unwrap();
    }
    once.advance(state, balance, now).unwrap();
    assert_eq!((once.updated_at, sliced.updated_at), (now, now));
    [sliced, once].map(|state| int(state.anchor))
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn between_any_two_moments_no_more_leaves_than_the_limit_and_its_share_of_the_time(
        outflow in any_params(), cap in any_cap(), balance in any_lots(36), moves in prop::collection::vec(any_move(), 1..40),
    ) {
        let mut vault = vault(outflow, cap, balance);
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
                let gone = int(earlier.outflow.anchor.min(earlier.recorded)) - int(vault.recorded);
                prop_assert!(gone <= most, "{} in {} s, limit {}", gone, now - then, largest);
            }
        }
    }

    /// Who brings tokens and leaves them there raises the line against the others by the limit an hour, or in a young vault by a
    /// thousandth of the cap, and no faster, however much it is and whatever else is done; only a day without any movement
    /// at all counts in full.
    #[test]
    fn standing_capital_raises_the_anchor_by_no_more_than_the_limit_an_hour(
        outflow in any_params(), cap in any_cap(), balance in any_lots(36),
        moves in prop::collection::vec((any_move(), any_lots(40)), 1..40),
    ) {
        let (mut vault, mut now) = (vault(outflow, cap, balance), NOW);
        let mut seen = vec![(now, vault)];
        for ((wait, step), more) in moves {
            now += wait.min(DAY - 1);
            vault.receive(more, now).unwrap(); // stands at least to the next move
            let releasable = vault.releasable(now).unwrap();
            match step {
                Move::In(amount) => vault.receive(amount, now).unwrap(),
                Move::Out(amount) => vault.release(amount.min(releasable), now).unwrap(),
                Move::Drain => vault.release(releasable, now).unwrap(),
                Move::Flash(amount) => {
                    vault.receive(amount, now).unwrap();
                    vault.release(amount, now).unwrap();
                }
            }
            seen.push((now, vault));
            let mut fastest = int(0);
            for (then, earlier) in seen.iter().rev() {
                fastest = fastest.max(pace((&outflow, cap), earlier.outflow.anchor, earlier.recorded));
                let risen = int(vault.outflow.anchor) - int(earlier.outflow.anchor);
                prop_assert!(risen <= &fastest * ratio(now - then, HOUR), "{} in {} s", risen, now - then);
            }
        }
    }

    /// The line is the anchor less a share of it, or less the floor; what may leave is what is above it.
    #[test]
    fn the_line_is_the_anchor_less_what_may_leave(outflow in any_params(), anchor in any_lots(50), balance in any_lots(50)) {
        let mut vault = vault(outflow, u64::MAX, balance);
        vault.outflow.anchor = anchor;
        let exact = (int(anchor) - limit(&vault)).max(int(0));
        prop_assert_eq!(int(vault.outflow.line(&outflow).unwrap()), exact.clone());
        prop_assert_eq!(int(vault.releasable(NOW).unwrap()), (int(balance) - exact).max(int(0)));
    }

    /// Tokens that come and go at once change nothing for anybody, in whatever order, and raise no limit in between.
    #[test]
    fn what_comes_and_goes_at_once_changes_nothing(
        outflow in any_params(), cap in any_cap(), balance in any_lots(40), anchor in any_lots(40), amounts in prop::collection::vec(any_lots(50), 1..10),
        part in 0..=8_u64, wait in 0..=HOUR,
    ) {
        let now = NOW + wait;
        let mut vault = vault(outflow, cap, balance);
        vault.outflow.anchor = anchor.min(balance);
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

    /// While the balance stands at its anchor time does nothing, however it is sliced.
    #[test]
    fn time_may_be_sliced_while_the_balance_stands(
        outflow in any_params(), cap in any_cap(), balance in any_lots(60), waits in any_hour(),
    ) {
        prop_assert_eq!(sliced_and_once((&outflow, cap), balance, balance, &waits), [int(balance), int(balance)]);
    }

    /// An hour at once or in n parts: where the floor, the balance or the cap sets the pace the anchor moves by the same,
    /// but for a unit in each part, downwards.
    #[test]
    fn an_hour_may_be_sliced_while_the_pace_stands(
        anchor in any_lots(40), balance in any_lots(40), floor in any_lots(42), waits in any_hour(), by in 0..3_u8,
    ) {
        let least = anchor.max(balance).div_ceil(100);
        let rises = by > 0 && balance > anchor;
        let floor = if rises { 0 } else { floor.max(least) };
        let cap = if by == 1 { least * 1_000 } else { u64::MAX }; // a hundredth of the balance either way
        let (outflow, cap) = (params(10_000, floor), if rises { cap } else { 0 });
        let [sliced, once] = sliced_and_once((&outflow, cap), anchor, balance, &waits);
        prop_assert!(sliced <= once && &once - &sliced <= int(waits.len()), "{} and {}", sliced, once);
        // And it is the pace itself, but for the 3600th that is rounded down.
        let pace = pace((&outflow, cap), anchor, balance);
        let moved = (once - int(anchor)).abs();
        let exact = pace.min(int(balance.abs_diff(anchor)));
        prop_assert!((&moved - &exact).abs() <= exact / int(1_000_000) + int(1));
    }

    /// Where the share sets it the pace follows the anchor: in parts it falls by less and rises by more, by the square of the
    /// share; further down it comes by the units only.
    #[test]
    fn an_hour_in_parts_bends_by_the_square_of_the_share(
        outflow in any_params(), cap in any_cap(), anchor in any_lots(40), balance in any_lots(40), waits in any_hour(),
    ) {
        let [sliced, once] = sliced_and_once((&outflow, cap), anchor, balance, &waits);
        prop_assert!(&once - &sliced <= int(waits.len()), "{} and {}", sliced, once);
        // e^x − 1 − x ≤ 0.72 x² up to one.
        let pace = pace((&outflow, cap), anchor, balance) + int(1);
        let bend = &pace * ratio(outflow.max_ppm, 1_000_000) * ratio(72, 100);
        prop_assert!(sliced - once <= bend + pace / int(1_000_000) + int(2));
    }

    /// The anchor never leaves the range of what stood; after a day that nobody looked it is what stood, and before that it
    /// has come nearer by the pace.
    #[test]
    fn the_anchor_follows_what_stood(
        outflow in any_params(), cap in any_cap(), balance in any_lots(62), anchor in any_lots(58),
        wait in prop_oneof![0..3 * HOUR, 0..2 * DAY, Just(DAY - 1), Just(DAY)],
    ) {
        let mut state = Outflow { anchor, updated_at: NOW };
        state.advance((&outflow, cap), balance, NOW + wait).unwrap();
        let (low, high) = (balance.min(anchor), balance.max(anchor));
        prop_assert!(state.anchor >= low && state.anchor <= high);
        prop_assert!(wait < DAY || state.anchor == balance);
        // A second is a 3600th of 2^32, rounded down; a rise is rounded down too, a fall up.
        let exact = pace((&outflow, cap), anchor, balance) * ratio(wait * ((1_i64 << 32) / HOUR), 1_i64 << 32);
        let step = if balance > anchor { exact.floor() } else { exact.ceil() };
        prop_assert!(wait >= DAY || int(state.anchor.abs_diff(anchor)) == step.min(int(balance.abs_diff(anchor))));
        prop_assert!(wait == 0 || balance >= anchor || state.anchor < anchor, "it falls by every second");
        let same = state;
        state.advance((&outflow, cap), 0, NOW + wait).unwrap();
        state.advance((&outflow, cap), 0, NOW).unwrap();
        prop_assert_eq!(state, same, "no time, or time that goes back, is none");
    }

    /// Without a floor a share of next to nothing is still a unit: a few units leave by at least one at once, and one in
    /// every hour, to the last.
    #[test]
    fn dust_can_always_leave(
        max_ppm in 10_000..=1_000_000_u32, cap in any_cap(), balance in 1..=200_u64, above in 0..=1_000_u64,
    ) {
        let mut vault = vault(params(max_ppm, 0), cap, balance);
        for hour in 0.. {
            let releasable = vault.releasable(NOW + hour * HOUR).unwrap();
            prop_assert!(releasable >= vault.recorded.min(1), "{} of {}", releasable, vault.recorded);
            prop_assert!(int(releasable) >= limit_of(&vault.params.outflow, vault.recorded), "and the share of it");
            if vault.recorded == 0 {
                break;
            }
            vault.release(releasable, NOW + hour * HOUR).unwrap();
            prop_assert!(hour < 200, "{} left", vault.recorded);
        }
        // An anchor that stands above what is left comes down by a unit a second at least: it stops nobody for good.
        vault.recorded = balance;
        vault.outflow.anchor = balance + above;
        let began = vault.outflow.updated_at;
        let mut now = began;
        while vault.releasable(now).unwrap() == 0 {
            vault.receive(0, now).unwrap();
            now += 1;
            prop_assert!(now - began <= 1_200, "{:?}", vault.outflow);
        }
    }
}

#[test]
fn an_outflow_by_hand() {
    // A tenth of 36 000.
    let mut vault = vault(params(100_000, 0), 1_000_000, 36_000);
    let refused = EngineError::OutflowLimit { amount: 3_601, available: 3_600 };
    assert_eq!(vault.release(3_601, NOW), Err(refused));
    vault.release(3_600, NOW).unwrap();
    assert_eq!((vault.recorded, vault.releasable(NOW)), (32_400, Ok(0)));
    // Ten minutes later the anchor has fallen by a sixth of 3600, and what may leave is what is above nine tenths of it.
    assert_eq!(vault.releasable(NOW + 600), Ok(32_400 - 31_860));
    // An hour later it is the balance: the next tenth.
    assert_eq!(vault.releasable(NOW + 3_600), Ok(3_240));
    // What arrives may leave again at once; the anchor rises by 3600 an hour, rounded down, and what is below it stays.
    vault.receive(72_000, NOW).unwrap();
    assert_eq!(vault.releasable(NOW), Ok(72_000));
    assert_eq!(vault.releasable(NOW + 1_800), Ok(104_400 - (37_799 - 3_780)));
    assert_eq!(vault.releasable(NOW + 3_600), Ok(104_400 - (39_599 - 3_960)));
    assert_eq!(vault.releasable(NOW + DAY - 1), Ok(104_400 - 9 * 10_440), "18 hours are enough");
    // A thousandth of a larger cap is faster, up to a tenth of the balance an hour.
    let capped = |max_deposits, after| {
        let mut vault = vault;
        vault.params.max_deposits = max_deposits;
        vault.releasable(NOW + after).unwrap()
    };
    assert_eq!(capped(5_000_000, HOUR), 104_400 - (40_999 - 4_100));
    assert_eq!([10_440_000, u64::MAX].map(|cap| capped(cap, HOUR)), [104_400 - (46_439 - 4_644); 2]);
    assert_eq!(capped(u64::MAX, 7 * HOUR), 10_440);
    // A day counts in full, whatever the pace; a second less does not.
    let mut slow = slow_vault();
    assert_eq!(slow.releasable(NOW + DAY - 1), Ok(1_000_000 - (1_000 + 239 - 13)));
    assert_eq!(slow.releasable(NOW + DAY), Ok(10_000));
    slow.receive(0, NOW + DAY - 1).unwrap();
    assert_eq!(slow.outflow, Outflow { anchor: 1_239, updated_at: NOW + DAY - 1 });
    assert!(slow.releasable(NOW + DAY).unwrap() > 990_000, "a movement, and the day begins anew");
    let balance = vault.recorded;
    let missing = EngineError::InsufficientBalance { balance, needed: balance + 1 };
    assert_eq!(vault.release(balance + 1, NOW), Err(missing));
    assert_eq!(vault.receive(u64::MAX, NOW), Err(EngineError::Overflow));
    // A vault just listed lets go what came, until the anchor has followed.
    let mut fresh = Collateral {
        params: CollateralParams { outflow: params(10_000, 7), ..COLLATERAL },
        ..collateral([300_000, 100_000], oracle(ONE))
    };
    assert_eq!((fresh.outflow, fresh.releasable(NOW)), (Outflow::new(NOW), Ok(0)));
    fresh.receive(1_000, NOW).unwrap();
    let after = |wait| fresh.releasable(NOW + wait).unwrap();
    assert_eq!([0, HOUR, 10 * HOUR, DAY].map(after), [1_000, 998, 908, 10], "1 % of it an hour");
    fresh.recorded = 5;
    assert_eq!(fresh.releasable(NOW + 2 * HOUR), Ok(5), "the floor empties a small vault");
}

/// A million stands over an anchor of a thousand: 1 %, no floor, no cap to speak of.
fn slow_vault() -> Collateral {
    let mut vault = vault(params(10_000, 0), 0, 1_000_000);
    vault.outflow.anchor = 1_000;
    vault
}

/// A hundred times the vault for an hour, and away again: it has raised the line against the others by a tenth, for an hour.
#[test]
fn to_stand_for_an_hour_buys_an_hour() {
    let mut vault = vault(params(100_000, 0), 1_000_000, 36_000);
    vault.receive(3_600_000, NOW).unwrap();
    vault.release(3_600_000, NOW + HOUR).unwrap();
    assert_eq!(vault.outflow.anchor, 39_599);
    assert_eq!(vault.releasable(NOW + HOUR), Ok(36_000 - (39_599 - 3_960)));
    assert_eq!(vault.releasable(NOW + 2 * HOUR), Ok(3_600));
}

/// Borrowed tokens that come and go in one transaction, again and again, stop nobody.
#[test]
fn going_in_and_out_blocks_nobody() {
    let mut vault = vault(params(100_000, 0), 1_000_000, 36_000);
    for _ in 0..100 {
        vault.receive(3_600_000, NOW + 1).unwrap();
        vault.release(3_600_000, NOW + 1).unwrap();
    }
    assert_eq!((vault.recorded, vault.releasable(NOW + 1)), (36_000, Ok(3_600)));
}
