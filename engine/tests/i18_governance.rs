//! I18: nothing loosens before its delay, and nothing but tightening is instant.
//!
//! Exact: parameters are whole numbers, and a reach is a share of one rounded down.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::EngineError;
use bulwark_engine::collateral::CollateralParams;
use bulwark_engine::governance::{
    CHANGE_WINDOW, DEFAULT_DELAY, ExchangeParams, InsuranceParams, MAX_DELAY, MIN_DELAY, Timelock, wait,
};
use bulwark_engine::margin::RiskGroups;
use bulwark_engine::market::MarketParams;
use bulwark_engine::pool::PoolParams;
use bulwark_engine::tighten::{
    Effect, Governed, Move, Rule, STEP_INTERVAL, Safer, Step, moves, require_steps, require_tighter,
};
use bytemuck::{Pod, bytes_of_mut};
use model::config;
use model::vault::COLLATERAL;
use model::world::PARAMS;
use proptest::prelude::*;

const NOW: i64 = 1_800_000_000;
const WEEK: i64 = 604_800;
const DAY: i64 = 86_400;
const HOUR: i64 = 3_600;

const EXCHANGE: ExchangeParams = ExchangeParams {
    risk_groups: RiskGroups { offset_ppm: [600_000; 8] },
    trigger_fee: 100_000,
    auto_exchange_threshold: 1_000_000_000,
    delay: DEFAULT_DELAY,
    _padding: 0,
};
const INSURANCE: InsuranceParams = InsuranceParams { stake_income_ppm: 500_000 };

// ---- Parameters by the row of their table ----

fn value<T: Governed>(params: &T, row: usize) -> u64 {
    params.values().into_iter().nth(row).unwrap()
}

/// Sets the bytes of a row's value, as many as it has.
fn set<T: Governed + Pod>(params: &mut T, row: usize, to: u64) {
    let mut to = to.to_le_bytes().into_iter();
    for index in 0..size_of::<T>() {
        let mut probe = *params;
        bytes_of_mut(&mut probe)[index] ^= 1;
        if value(&probe, row) != value(params, row) {
            bytes_of_mut(params)[index] = to.next().unwrap();
        }
    }
}

/// Where an attempt puts a parameter.
#[derive(Clone, Copy, Debug)]
enum Target {
    /// The end of its reach on the safe side, less a part of the way in 256ths.
    Safer(u8),
    /// Beyond that end.
    TooFar(u64),
    /// The other side.
    Looser(u64),
    /// Anywhere.
    At(u64),
}

fn any_target() -> impl Strategy<Value = Target> {
    prop_oneof![
        12 => prop_oneof![Just(0), any::<u8>()].prop_map(Target::Safer),
        1 => (1..1_000_u64).prop_map(Target::TooFar),
        1 => (1..1_000_u64).prop_map(Target::Looser),
        1 => any::<u64>().prop_map(Target::At),
    ]
}

fn aim(rule: &'static Rule, from: u64, target: Target) -> u64 {
    let (least, most) = Move { rule, from, to: from }.reach().unwrap();
    // What may rise to its bound goes a part of the way.
    let most = most.min(from.saturating_mul(3).max(1_000));
    let lower = rule.safer != Safer::Higher;
    match target {
        Target::Safer(left) => {
            let part = |way: u64| way - way / 256 * u64::from(left);
            if lower { from - part(from - least) } else { from + part(most - from) }
        }
        Target::TooFar(by) if lower => least.saturating_sub(by),
        Target::TooFar(by) => most.saturating_add(by),
        Target::Looser(by) if lower => from.saturating_add(by),
        Target::Looser(by) => from.saturating_sub(by),
        Target::At(to) => to,
    }
}

/// Seconds since the last attempt, and what it moves: rows, counted around, and where to.
type Attempt = (i64, Vec<(usize, Target)>);

fn any_attempts() -> impl Strategy<Value = Vec<Attempt>> {
    let seconds = prop_oneof![3 => 0..3 * DAY, 2 => Just(WEEK), 1 => WEEK - 1..WEEK + 1];
    let targets = prop::collection::vec((any::<usize>(), any_target()), 1..3);
    prop::collection::vec((seconds, targets), 1..24)
}

/// Tries one set of parameters after the other; what is accepted is in force.
fn only_tightens<T: Governed + Pod>(base: &T, attempts: &[Attempt]) -> Result<(), TestCaseError> {
    let rows: Vec<usize> = (0..T::RULES.len()).filter(|&row| T::RULES[row].safer != Safer::Neither).collect();
    let (mut params, mut stepped_at, mut now) = (*base, 0, NOW);
    let mut steps: Vec<i64> = vec![];
    for (seconds, targets) in attempts {
        now += seconds;
        let mut to = params;
        for &(row, target) in targets {
            // Mostly what has a safe direction.
            let row = rows.get(row % (rows.len() + 1)).map_or(row % T::RULES.len(), |&row| row);
            let aimed = aim(&T::RULES[row], value(&params, row), target);
            set(&mut to, row, aimed);
        }
        let Ok(next) = require_tighter(&params, &to, (stepped_at, now)) else { continue };
        prop_assert_eq!(
            require_steps(&params, &to),
            Ok(()),
            "what is instant is no longer step than a change"
        );
        let moved: Vec<Move> = moves(&params, &to).filter(|moved| moved.from != moved.to).collect();
        prop_assert!(!moved.is_empty());
        for moved in &moved {
            prop_assert_eq!(moved.effect(), Effect::Tightens, "{:?}", moved);
        }
        if moved.iter().any(|moved| moved.rule.is_gradual()) {
            steps.push(now);
            prop_assert_eq!(next, now);
        } else {
            prop_assert_eq!(next, stepped_at);
        }
        (params, stepped_at) = (to, next);
    }
    for moved in moves(base, &params) {
        prop_assert!(matches!(moved.effect(), Effect::Same | Effect::Tightens), "{:?}", moved);
    }
    prop_assert!(i64::try_from(steps.len()).unwrap() <= 1 + (now - NOW) / WEEK, "{} steps", steps.len());
    for pair in steps.windows(2) {
        prop_assert!(pair[1] - pair[0] >= STEP_INTERVAL);
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn i18_no_sequence_of_tightenings_loosens_a_market(attempts in any_attempts()) {
        let loose = MarketParams { mmf_ppm: 5_000, max_skew_ppm: 2_000_000, ..PARAMS };
        only_tightens(&loose, &attempts)?;
    }

    #[test]
    fn i18_no_sequence_of_tightenings_loosens_a_collateral(attempts in any_attempts()) {
        let mut loose = CollateralParams { haircut_maint_ppm: 10_000, ..COLLATERAL };
        loose.outflow.floor = 1 << 50;
        only_tightens(&loose, &attempts)?;
    }

    #[test]
    fn i18_no_sequence_of_tightenings_moves_anything_but_offsets_and_delay(attempts in any_attempts()) {
        only_tightens(&EXCHANGE, &attempts)?;
        only_tightens(&PoolParams::DEFAULT, &attempts)?;
        only_tightens(&INSURANCE, &attempts)?;
    }
}

#[test]
fn i18_a_gradual_parameter_can_step_once_a_week_and_then_at_once() {
    let (mut offset, mut stepped_at, mut steps) = (600_000, 0, 0);
    for day in 0..=28 {
        let [from, to] = [offset, offset - 50_000]
            .map(|offset| ExchangeParams { risk_groups: RiskGroups { offset_ppm: [offset; 8] }, ..EXCHANGE });
        if let Ok(next) = require_tighter(&from, &to, (stepped_at, NOW + day * DAY)) {
            (offset, stepped_at, steps) = (offset - 50_000, next, steps + 1);
        }
    }
    assert_eq!((steps, offset), (5, 350_000), "at the start, and after every week");
}

// ---- One change ----

/// Whether a change from `from` to `to` is within the step, multiplied out.
fn within_step(rule: &Rule, from: u64, to: u64) -> bool {
    let [from, to] = [from, to].map(u128::from);
    let (rise, fall) = (to.saturating_sub(from), from.saturating_sub(to));
    let share = |moved: u128, ppm: u32| moved * 1_000_000 <= from * u128::from(ppm);
    if rule.safer == Safer::Fixed {
        return from == to;
    }
    match rule.step {
        Step::Free => true,
        Step::Doubled { down_ppm } => from == 0 || to <= 2 * from && share(fall, down_ppm),
        Step::Bounded { up_ppm, down_ppm, least } => {
            let least = u128::from(least);
            let up = up_ppm == u32::MAX || rise <= least || share(rise, up_ppm);
            up && (fall <= least || share(fall, down_ppm))
        }
    }
}

fn any_rule() -> impl Strategy<Value = &'static Rule> {
    let all: Vec<&'static Rule> = [
        MarketParams::RULES,
        CollateralParams::RULES,
        PoolParams::RULES,
        ExchangeParams::RULES,
        InsuranceParams::RULES,
    ]
    .concat()
    .into_iter()
    .map(|rule| &*Box::leak(Box::new(rule)))
    .collect();
    prop::sample::select(all)
}

/// Of any magnitude.
fn any_value() -> impl Strategy<Value = u64> {
    prop_oneof![1 => Just(0), 9 => (0..64_u32).prop_flat_map(|k| (1_u64 << k)..=u64::MAX >> (63 - k))]
}

/// Near the ends of what one change reaches, or anywhere.
fn any_step() -> impl Strategy<Value = (&'static Rule, u64, u64)> {
    (any_rule(), any_value(), any_value(), 0..7_u64, 0..4_u8).prop_map(|(rule, from, to, by, end)| {
        let (least, most) = Move { rule, from, to: from }.reach().unwrap();
        let to = match end {
            0 => least.saturating_add(by).saturating_sub(3),
            1 => most.saturating_sub(3).saturating_add(by),
            2 => from.saturating_add(by).saturating_sub(3),
            _ => to,
        };
        (rule, from, to)
    })
}

proptest! {
    #![proptest_config(config(20_000))]

    #[test]
    fn i18_one_change_reaches_its_step_and_no_further((rule, from, to) in any_step()) {
        let step = Move { rule, from, to };
        let (least, most) = step.reach().unwrap();
        prop_assert!(least <= from && from <= most);
        match step.require_step() {
            Ok(()) => prop_assert!(within_step(rule, from, to), "{:?}", step),
            Err(error) => {
                prop_assert!(!within_step(rule, from, to), "{:?}", step);
                prop_assert_eq!(error, EngineError::StepTooLarge { name: rule.name, from, to, least, most });
            }
        }
    }
}

// ---- The delay ----

prop_compose! {
    fn any_pool()(redeem_delay in 3_600..=2_592_000_u32, redeem_window in 3_600..=172_800_u32) -> PoolParams {
        PoolParams { redeem_delay, redeem_window, ..PoolParams::DEFAULT }
    }
}

proptest! {
    #![proptest_config(config(2_000))]

    #[test]
    fn i18_a_change_waits_a_day_and_longer_than_a_redemption_takes(
        delay in MIN_DELAY..=MAX_DELAY, pool in any_pool(), now in 0..1_i64 << 40,
    ) {
        let seconds = wait(delay, &pool);
        let exit = i64::from(pool.redeem_delay) + i64::from(pool.redeem_window) + 12 * HOUR;
        let lock = Timelock::new(now, seconds);
        prop_assert!(lock.eta >= now + 24 * HOUR && lock.eta >= now + exit && lock.eta >= now + i64::from(delay));
        prop_assert!(lock.eta == now + exit || lock.eta == now + i64::from(delay), "and no longer than that");
        prop_assert_eq!(lock.expiry, lock.eta + 7 * DAY);
    }

    #[test]
    fn i18_a_change_is_ripe_from_its_delay_on_for_a_week(
        now in 0..1_i64 << 40, seconds in 0..60 * DAY, at in prop_oneof![-3..3_i64, WEEK - 3..WEEK + 3, -WEEK..2 * WEEK],
    ) {
        let lock = Timelock::new(now, seconds);
        let moment = now + seconds + at;
        let expected = match at {
            i64::MIN..=-1 => Err(EngineError::ChangeTooEarly { seconds_left: -at }),
            0..=CHANGE_WINDOW => Ok(()),
            _ => Err(EngineError::ChangeExpired),
        };
        prop_assert_eq!(lock.require_ripe(moment), expected);
        prop_assert_eq!(lock.is_over(moment), expected == Err(EngineError::ChangeExpired));
    }

    #[test]
    fn i18_what_takes_longer_by_now_delays_a_change_and_nothing_hastens_it(
        now in 0..1_i64 << 40, seconds in 0..60 * DAY, moment in -90 * DAY..90 * DAY,
    ) {
        let lock = Timelock::new(now, seconds);
        let later = lock.not_before(now + moment);
        prop_assert_eq!(later.eta, (now + moment).max(lock.eta));
        prop_assert_eq!(later.expiry, later.eta + 7 * DAY, "its window is whole");
    }
}
