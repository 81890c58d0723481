//! I18: nobody is locked in. Ways out are stopped for half a day at most, then not again for two days, and whoever waits to
//! leave has a whole window.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::EngineError;
use bulwark_engine::governance::{EXIT_REST, ExitPause, MAX_EXIT_PAUSE};
use model::config;
use proptest::prelude::*;

const NOW: i64 = 1_800_000_000;
const HOUR: i64 = 3_600;

#[derive(Clone, Copy, Debug)]
enum Op {
    Begin(u8),
    Lift(u8),
}

/// Seconds since the last operation, and which.
type Call = (i64, Op);

fn any_calls() -> impl Strategy<Value = Vec<Call>> {
    let bits = prop_oneof![2 => Just(14), 1 => (1..8_u8).prop_map(|bits| 2 * bits)];
    let op = prop_oneof![
        3 => bits.clone().prop_map(Op::Begin),
        1 => bits.prop_map(Op::Lift),
    ];
    let seconds = prop_oneof![
        2 => 0..14 * HOUR,
        1 => prop_oneof![Just(12 * HOUR), Just(48 * HOUR), Just(48 * HOUR - 1), Just(12 * HOUR - 1), 0..2_i64],
        1 => 0..72 * HOUR,
    ];
    prop::collection::vec((seconds, op), 1..40)
}

/// The pause as it was from each moment on, first the moment before any call.
fn run(calls: &[Call]) -> Vec<(i64, ExitPause)> {
    let (mut now, mut exits) = (NOW, ExitPause::default());
    let mut states = vec![(now, exits)];
    for &(seconds, op) in calls {
        now += seconds;
        match op {
            Op::Begin(bits) => drop(exits.begin(bits, now)),
            Op::Lift(bits) => exits.lift(bits, now),
        }
        states.push((now, exits));
    }
    states
}

/// When any of `bits` was stopped: from, until, in order, at least two days after the last call.
fn stopped(states: &[(i64, ExitPause)], bits: u8) -> Vec<(i64, i64)> {
    let mut intervals: Vec<(i64, i64)> = vec![];
    for (i, &(from, exits)) in states.iter().enumerate() {
        let next = states.get(i + 1).map_or(i64::MAX, |&(next, _)| next);
        if !exits.stops(bits, from) || from == next {
            continue;
        }
        let until = exits.until.min(next);
        assert!(exits.stops(bits, until - 1) && !exits.stops(bits, exits.until), "{exits:?}");
        match intervals.last_mut() {
            Some(last) if last.1 == from => last.1 = until,
            _ => intervals.push((from, until)),
        }
    }
    intervals
}

/// Most seconds of the intervals within any `seconds` in a row.
fn most_within(intervals: &[(i64, i64)], seconds: i64) -> i64 {
    let ends = intervals.iter().flat_map(|&(from, until)| [from, until]);
    let starts = ends.flat_map(|end| [end, end - seconds]);
    let within = |start: i64| -> i64 {
        intervals.iter().map(|&(from, until)| (until.min(start + seconds) - from.max(start)).max(0)).sum()
    };
    starts.map(within).max().unwrap_or(0)
}

/// The pause at a moment.
fn at(states: &[(i64, ExitPause)], moment: i64) -> ExitPause {
    states.iter().rev().find(|&&(from, _)| from <= moment).map_or(ExitPause::default(), |&(_, exits)| exits)
}

proptest! {
    #![proptest_config(config(2_000))]

    #[test]
    fn i18_ways_out_are_stopped_for_half_a_day_of_any_sixty_hours(calls in any_calls(), bit in 1..4_u32) {
        let states = run(&calls);
        for bits in [14, 1 << bit] {
            let intervals = stopped(&states, bits);
            prop_assert!(intervals.iter().all(|&(from, until)| until - from <= 12 * HOUR), "{:?}", intervals);
            prop_assert!(most_within(&intervals, 60 * HOUR) <= 12 * HOUR, "{:?}", intervals);
        }
        // A way out that is lifted alone may be stopped again while the pause runs, but not beyond its end.
        let pauses: Vec<_> = stopped(&states, 14);
        for pair in pauses.windows(2) {
            prop_assert!(pair[1].0 - pair[0].1 >= 48 * HOUR, "{:?}", pauses);
        }
    }

    #[test]
    fn i18_a_pause_that_runs_is_not_extended_and_one_that_is_refused_says_when(calls in any_calls(), bits in 1..8_u8) {
        for (now, exits) in run(&calls) {
            let bits = 2 * bits;
            let mut after = exits;
            match after.begin(bits, now) {
                Ok(()) if now < exits.until => {
                    prop_assert_eq!((after.since, after.until), (exits.since, exits.until));
                    prop_assert_eq!((after.bits, after.stopping), (exits.bits | bits, exits.stopping | bits));
                }
                Ok(()) => {
                    prop_assert_eq!((after.since, after.until), (now, now + MAX_EXIT_PAUSE));
                    prop_assert_eq!((after.bits, after.stopping), (bits, bits));
                    prop_assert!(exits == ExitPause::default() || now >= exits.until + EXIT_REST);
                }
                Err(error) => {
                    prop_assert_eq!(after, exits);
                    let seconds_left = exits.until + 48 * HOUR - now;
                    prop_assert_eq!(error, EngineError::ExitPauseTooSoon { seconds_left });
                    let too_soon = Err(EngineError::ExitPauseTooSoon { seconds_left: 1 });
                    prop_assert_eq!(after.begin(bits, now + seconds_left - 1), too_soon);
                    prop_assert_eq!(after.begin(bits, now + seconds_left), Ok(()));
                }
            }
        }
    }

    #[test]
    fn i18_a_lifted_pause_stops_what_is_left_of_it_and_ends_no_later(calls in any_calls(), lifted in 1..8_u8, seconds in 0..13 * HOUR) {
        for (now, exits) in run(&calls) {
            let (mut after, moment) = (exits, now + seconds);
            after.lift(2 * lifted, moment);
            for bit in [2, 4, 8] {
                let expected = exits.stops(bit, moment) && (2 * lifted) & bit == 0;
                prop_assert_eq!(after.stops(bit, moment), expected);
            }
            prop_assert!(after.until <= exits.until && after.since == exits.since && after.bits == exits.bits);
            prop_assert!(after.until == exits.until || !after.stops(14, moment));
        }
    }
}

// ---- Windows ----

#[derive(Clone, Copy, Debug)]
struct Scene {
    exits: ExitPause,
    requested_at: i64,
    times: [i64; 2],
    bit: u8,
}

impl Scene {
    fn opens(&self) -> i64 {
        self.requested_at + self.times[0]
    }

    fn closes(&self) -> i64 {
        self.opens() + self.times[1]
    }

    fn reopened(&self, now: i64) -> i64 {
        self.exits.reopened(self.requested_at, self.times, (self.bit, now))
    }
}

prop_compose! {
    /// A pause, and a ticket whose window begins or ends about when the pause does.
    fn any_scene()(
        delay in HOUR..30 * 24 * HOUR, window in HOUR..=48 * HOUR, runs in 1..=12 * HOUR, bits in 1..8_u8, bit in 1..4_u32,
        near in prop_oneof![-2..=2_i64, -60 * HOUR..60 * HOUR], (opening, beginning) in any::<(bool, bool)>(),
    ) -> Scene {
        let exits = ExitPause { since: NOW, until: NOW + runs, bits: 2 * bits, ..ExitPause::default() };
        let end = if beginning { exits.since } else { exits.until } + near;
        let opens = if opening { end } else { end - window };
        Scene { exits, requested_at: opens - delay, times: [delay, window], bit: 1 << bit }
    }
}

proptest! {
    #![proptest_config(config(5_000))]

    #[test]
    fn i18_a_window_that_a_pause_has_cut_is_whole_again_after_it(scene in any_scene(), now in -3 * HOUR..80 * HOUR) {
        let Scene { exits, bit, .. } = scene;
        let now = NOW + now;
        // Some second of the window, both ends included, was a second of the pause.
        let cut = exits.bits & bit != 0 && scene.opens().max(exits.since) <= scene.closes().min(exits.until - 1);
        let reopened = Scene { requested_at: scene.reopened(now), ..scene };
        if cut && now > scene.closes() {
            prop_assert_eq!((reopened.opens(), reopened.closes()), (exits.until, exits.until + scene.times[1]));
            let later = reopened.closes() + 1;
            prop_assert_eq!(reopened.reopened(later), reopened.requested_at, "one window for a pause");
        } else {
            prop_assert_eq!(reopened.requested_at, scene.requested_at, "not cut, or not over");
        }
        prop_assert_eq!(reopened.reopened(now), reopened.requested_at);
    }

    /// The longest window is as long as the rest between two pauses.
    #[test]
    fn i18_whatever_is_paused_a_ticket_has_a_whole_window(
        calls in any_calls(), bit in 1..4_u32, requested in 0..400 * HOUR, delay in HOUR..48 * HOUR, window in HOUR..=48 * HOUR,
    ) {
        let states = run(&calls);
        let (bit, opens) = (1 << bit, NOW + requested + delay);
        let usable = |moment: i64| {
            let exits = at(&states, moment);
            let opens = exits.reopened(opens - delay, [delay, window], (bit, moment)) + delay;
            (opens..=opens + window).contains(&moment) && !exits.stops(bit, moment)
        };
        // The first pause that has to do with it, as it was in the end, gives it another one.
        let cuts = |exits: &ExitPause| {
            let met = exits.until > opens && exits.since <= opens + window && exits.since < exits.until;
            exits.bits & bit != 0 && met
        };
        let ended = states.iter().enumerate().map(|(i, &(_, exits))| {
            (exits, states.get(i + 1).is_none_or(|&(_, next)| next.since != exits.since))
        });
        let cut = ended.filter(|&(_, last)| last).map(|(exits, _)| exits).find(cuts);
        let from = cut.map_or(opens, |exits| exits.until);
        let moments = states.iter().map(|&(moment, _)| moment).filter(|moment| (from..from + window).contains(moment));
        for moment in moments.chain([from, from + window / 2, from + window - 1]) {
            prop_assert!(usable(moment), "{} s after {}: {:?}", moment - from, from - NOW, at(&states, moment));
        }
    }
}

#[test]
fn i18_pauses_can_follow_each_other_after_two_days() {
    let calls: Vec<_> = (0..100).map(|_| (HOUR, Op::Begin(2))).collect();
    let hours: Vec<_> = stopped(&run(&calls), 2)
        .iter()
        .map(|&(from, until)| [(from - NOW) / HOUR, (until - NOW) / HOUR])
        .collect();
    assert_eq!(hours, [[1, 13], [61, 73]]);
    assert_eq!(most_within(&stopped(&run(&calls), 2), 60 * HOUR), 12 * HOUR, "the bound is reached");
}
