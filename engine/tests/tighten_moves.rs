//! `tighten`, one move at a time and whole sets of parameters, by hand.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::EngineError;
use bulwark_engine::governance::{ExchangeParams, MAX_DELAY};
use bulwark_engine::margin::RiskGroups;
use bulwark_engine::market::MarketParams;
use bulwark_engine::pool::PoolParams;
use bulwark_engine::tighten::Safer::{Fixed, Higher, Lower, Neither};
use bulwark_engine::tighten::{
    Effect, Move, Rule, STEP_INTERVAL, Safer, Step, moves, require_steps, require_tighter,
};
use model::world::PARAMS;

const MAX: u64 = u64::MAX;

const EXCHANGE: ExchangeParams = ExchangeParams {
    risk_groups: RiskGroups { offset_ppm: [300_000; 8] },
    trigger_fee: 100_000,
    auto_exchange_threshold: 1_000_000_000,
    delay: 172_800,
    _padding: 0,
};

#[test]
fn a_rule_is_gradual_if_its_step_is_bounded_in_its_safe_direction() {
    let bounded = |up_ppm, down_ppm| Step::Bounded { up_ppm, down_ppm, least: 1 };
    let doubled = |down_ppm| Step::Doubled { down_ppm };
    for (safer, step, gradual) in [
        (Lower, bounded(0, 999_999), true),
        (Lower, bounded(0, 1_000_000), false),
        (Lower, doubled(999_999), true),
        (Lower, doubled(1_000_000), false),
        (Higher, bounded(u32::MAX - 1, 0), true),
        (Higher, bounded(u32::MAX, 0), false),
        (Higher, doubled(0), false),
        (Lower, Step::Free, false),
        (Higher, Step::Free, false),
        (Neither, bounded(0, 0), false),
        (Neither, doubled(0), false),
        (Fixed, bounded(0, 0), false),
    ] {
        assert_eq!(Rule { name: "it", safer, step }.is_gradual(), gradual, "{safer:?}, {step:?}");
    }
}

// ---- One move ----

const fn bounded(safer: Safer, up_ppm: u32, down_ppm: u32, least: u64) -> Rule {
    Rule { name: "it", safer, step: Step::Bounded { up_ppm, down_ppm, least } }
}

static RISES: Rule = bounded(Higher, 250_000, 100_000, 3);
static FALLS: Rule = bounded(Lower, u32::MAX, 1_000_000, 3);
static DOUBLES: Rule = Rule { name: "it", safer: Neither, step: Step::Doubled { down_ppm: 250_000 } };
static ANYTHING: Rule = Rule { name: "it", safer: Neither, step: Step::Free };
static NOTHING: Rule = Rule { name: "it", safer: Fixed, step: Step::Free };

#[test]
fn a_move_tightens_towards_its_safe_side_and_loosens_away_from_it() {
    for (rule, from, to, effect) in [
        (&RISES, 7, 8, Effect::Tightens),
        (&RISES, 8, 7, Effect::Loosens),
        (&FALLS, 8, 7, Effect::Tightens),
        (&FALLS, 7, 8, Effect::Loosens),
        (&ANYTHING, 7, 8, Effect::Shifts),
        (&ANYTHING, 8, 7, Effect::Shifts),
        (&NOTHING, 7, 8, Effect::Shifts),
    ] {
        assert_eq!(Move { rule, from, to }.effect(), effect, "{from} -> {to}");
        assert_eq!(Move { rule, from, to: from }.effect(), Effect::Same);
    }
}

#[test]
fn one_change_reaches_a_share_rounded_down_or_the_least_step() {
    for (rule, from, reach) in [
        // A quarter up, a tenth down, three at least.
        (&RISES, 100, (90, 125)),
        (&RISES, 99, (90, 123)),
        (&RISES, 10, (7, 13)),
        (&RISES, 2, (0, 5)),
        (&RISES, 0, (0, 3)),
        (&RISES, MAX, (MAX - MAX / 10, MAX)),
        (&FALLS, 100, (0, MAX)),
        (&FALLS, 0, (0, MAX)),
        // To twice, a quarter down; from zero anywhere.
        (&DOUBLES, 100, (75, 200)),
        (&DOUBLES, 3, (3, 6)),
        (&DOUBLES, 1, (1, 2)),
        (&DOUBLES, 0, (0, MAX)),
        (&DOUBLES, MAX, (MAX - MAX / 4, MAX)),
        (&ANYTHING, 100, (0, MAX)),
        (&NOTHING, 100, (100, 100)),
        (&NOTHING, 0, (0, 0)),
    ] {
        assert_eq!(Move { rule, from, to: 0 }.reach(), Ok(reach), "{rule:?} from {from}");
        let (least, most) = reach;
        let step = |to| Move { rule, from, to }.require_step();
        for to in [least, from, most] {
            assert_eq!(step(to), Ok(()), "{rule:?}: {from} -> {to}");
        }
        for to in [least.checked_sub(1), most.checked_add(1)].into_iter().flatten() {
            let too_large = EngineError::StepTooLarge { name: "it", from, to, least, most };
            assert_eq!(step(to), Err(too_large), "{rule:?}: {from} -> {to}");
        }
    }
}

// ---- Sets of parameters ----

const NOW: i64 = 1_800_000_000;
const NEVER: (i64, i64) = (0, NOW);

#[test]
fn a_set_moves_field_by_field_in_the_order_of_the_table() {
    let to = PoolParams { redeem_delay: 1, redeem_window: 6, ..PoolParams::DEFAULT };
    let all: Vec<_> = moves(&PoolParams::DEFAULT, &to).map(|m| (m.rule.name, m.from, m.to)).collect();
    let expected = [
        ("redeem_delay", 86_400, 1),
        ("redeem_fee_ppm", 0, 0),
        ("senior_rate_ppm", 0, 0),
        ("max_senior_ratio_ppm", 0, 0),
        ("max_utilisation_ppm", 800_000, 800_000),
        ("redeem_window", 21_600, 6),
    ];
    assert_eq!(all, expected);
}

#[test]
fn a_change_that_goes_too_far_names_the_first_field_and_its_reach() {
    let to = MarketParams { max_impact_ppm: 100_001, mmf_ppm: 150_001, ..PARAMS };
    let too_large = EngineError::StepTooLarge {
        name: "max_impact_ppm",
        from: 50_000,
        to: 100_001,
        least: 25_000,
        most: 100_000,
    };
    assert_eq!(require_steps(&PARAMS, &to), Err(too_large));
    let (name, from, to) = ("mmf_ppm", 120_000, 150_001);
    let too_large = EngineError::StepTooLarge { name, from, to, least: 96_000, most: 150_000 };
    assert_eq!(require_steps(&PARAMS, &MarketParams { mmf_ppm: 150_001, ..PARAMS }), Err(too_large));
    assert_eq!(require_steps(&PARAMS, &MarketParams { mmf_ppm: 150_000, ..PARAMS }), Ok(()));
    assert_eq!(require_steps(&PARAMS, &PARAMS), Ok(()), "a change may change nothing");
    let (name, from, to) = ("lot_decimals", 9, 8);
    let fixed = EngineError::StepTooLarge { name, from, to, least: 9, most: 9 };
    assert_eq!(require_steps(&PARAMS, &MarketParams { lot_decimals: 8, ..PARAMS }), Err(fixed));
}

#[test]
fn tightening_refuses_the_first_field_that_is_not_at_least_as_strict() {
    let refused = |to: MarketParams, name, values: (u64, u64)| {
        let loosens = EngineError::Loosens { name, from: values.0, to: values.1 };
        assert_eq!(require_tighter(&PARAMS, &to, NEVER), Err(loosens));
    };
    let tight = MarketParams { max_oi: 1, imf_ppm: 1_000_000, ..PARAMS };
    assert!(require_tighter(&PARAMS, &tight, NEVER).is_ok());
    refused(MarketParams { mmf_ppm: 119_999, ..tight }, "mmf_ppm", (120_000, 119_999));
    refused(MarketParams { profit_weight_ppm: 500_001, ..tight }, "profit_weight_ppm", (500_000, 500_001));
    refused(MarketParams { taker_fee_ppm: 501, ..tight }, "taker_fee_ppm", (500, 501));
    refused(MarketParams { taker_fee_ppm: 499, ..tight }, "taker_fee_ppm", (500, 499));
    refused(MarketParams { lot_decimals: 10, ..tight }, "lot_decimals", (9, 10));
}

#[test]
fn tightening_refuses_a_step_too_large_by_its_reach_and_a_set_that_is_in_force() {
    let (name, from, to) = ("mmf_ppm", 120_000, 150_001);
    let too_large = EngineError::StepTooLarge { name, from, to, least: 96_000, most: 150_000 };
    let high = |mmf_ppm| MarketParams { mmf_ppm, ..PARAMS };
    assert_eq!(require_tighter(&PARAMS, &high(150_001), NEVER), Err(too_large));
    assert_eq!(require_tighter(&PARAMS, &high(150_000), NEVER), Ok(NOW));
    assert_eq!(require_tighter(&PARAMS, &PARAMS, NEVER), Err(EngineError::NothingChanges));
}

#[test]
fn a_gradual_parameter_has_one_step_a_week_and_the_others_as_many_as_one_likes() {
    let gradual = ExchangeParams { risk_groups: RiskGroups { offset_ppm: [250_000; 8] }, ..EXCHANGE };
    let free = ExchangeParams { delay: MAX_DELAY, ..EXCHANGE };
    let both = ExchangeParams { delay: MAX_DELAY, ..gradual };
    assert_eq!(STEP_INTERVAL, 604_800);
    for (ago, seconds_left) in [(0, 604_800), (1, 604_799), (604_799, 1)] {
        let too_soon = EngineError::StepTooSoon { name: "risk_groups.offset_ppm[0]", seconds_left };
        for to in [gradual, both] {
            assert_eq!(require_tighter(&EXCHANGE, &to, (NOW - ago, NOW)), Err(too_soon), "{ago} s ago");
        }
        assert_eq!(require_tighter(&EXCHANGE, &free, (NOW - ago, NOW)), Ok(NOW - ago), "it does not count");
    }
    for ago in [604_800, 604_801, NOW] {
        assert_eq!(require_tighter(&EXCHANGE, &gradual, (NOW - ago, NOW)), Ok(NOW), "{ago} s ago");
        assert_eq!(require_tighter(&EXCHANGE, &both, (NOW - ago, NOW)), Ok(NOW));
        assert_eq!(require_tighter(&EXCHANGE, &free, (NOW - ago, NOW)), Ok(NOW - ago), "it does not count");
    }
}
