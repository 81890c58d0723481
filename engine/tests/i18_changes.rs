//! I18: what a change does when it comes into force. It reaches nobody by surprise: what has accrued stays, caps and
//! maintenance margin move at a bounded rate, and a named price is near the last one.
//!
//! Rounding: caps round down, so that one may rise by a unit more than its rate in any one span; fractions in force round up
//! to a ppm, by less than a ppm of what drifts.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::EngineError;
use bulwark_engine::carry::CarryParams;
use bulwark_engine::collateral::{Collateral, CollateralParams, MAX_LISTED_WORTH};
use bulwark_engine::market::{Market, MarketParams};
use bulwark_engine::outflow::OutflowParams;
use bulwark_engine::price::{Reading, Selection};
use bulwark_engine::settlement::PATIENCE;
use bulwark_engine::trade::Owes;
use bulwark_engine::units::Side;
use bulwark_engine::volatility::VolatilityParams;
use model::vault::COLLATERAL;
use model::world::{
    HALF, NOW, ONE, Op, PARAMS, World, admit, any_lots, any_trade, any_unwind, market, oracle, price,
};
use model::{config, int, ratio};
use proptest::prelude::*;

const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;

// ---- A collateral ----

prop_compose! {
    fn any_collateral_params()(
        max_deposits in prop_oneof![1 => Just(0), 6 => any_lots(40)], soft_cap in any_lots(40),
        max_ppm in 50_000..=1_000_000_u32, cap_growth_ppm in prop_oneof![Just(10_000), Just(1_000_000), 10_000..=1_000_000_u32],
    ) -> CollateralParams {
        let outflow = OutflowParams { floor: max_deposits / 20, max_ppm, _padding: 0 };
        CollateralParams { max_deposits, soft_cap, outflow, cap_growth_ppm, ..COLLATERAL }
    }
}

proptest! {
    #![proptest_config(config(2_000))]

    #[test]
    fn i18_a_cap_never_jumps_up_and_rises_by_its_growth_a_day_at_most(
        first in any_collateral_params(),
        changes in prop::collection::vec((any_collateral_params(), prop_oneof![0..DAY, Just(DAY), 0..100 * DAY]), 1..12),
    ) {
        let (mut vault, mut now) = (Collateral::listed(first, oracle(ONE), NOW).unwrap(), NOW);
        prop_assert_eq!(vault.cap(now), Ok(0));
        for (params, seconds) in changes {
            let (then, before) = (now, vault.cap(now).unwrap());
            now += seconds;
            let cap = vault.cap(now).unwrap();
            prop_assert!(before <= cap && cap <= vault.params.max_deposits);
            let max = int(vault.params.max_deposits);
            let risen = &max * ratio(vault.params.cap_growth_ppm, 1_000_000) * ratio(now - then, DAY);
            prop_assert!(int(cap) <= int(before) + risen + int(1), "{} -> {} in {} s", before, cap, seconds);
            vault.change_params(&params, now).unwrap();
            prop_assert_eq!(vault.params, params);
            prop_assert_eq!(vault.cap(now), Ok(cap.min(params.max_deposits)), "at once only down");
        }
        prop_assert_eq!(vault.cap(now + 100 * DAY), Ok(vault.params.max_deposits), "it opens in the end");
    }

    #[test]
    fn i18_what_may_leave_until_a_change_is_what_the_old_limit_said(
        [first, second] in prop::array::uniform2(any_collateral_params()), balance in any_lots(40), anchor in any_lots(40),
        seconds in 0..2 * DAY,
    ) {
        let mut vault = Collateral::new(first, oracle(ONE), NOW);
        (vault.recorded, vault.outflow.anchor) = (balance, anchor);
        let (mut old, now) = (vault, NOW + seconds);
        old.receive(0, now).unwrap();
        vault.change_params(&second, now).unwrap();
        prop_assert_eq!(vault.outflow, old.outflow);
        prop_assert_eq!(vault.recorded, balance);
    }

    #[test]
    fn i18_a_cap_that_was_zero_is_opened_to_ten_million_or_to_what_is_there(
        bits in (1_u64 << 20)..=1 << 46, max_deposits in any_lots(50), other in prop_oneof![Just(0), any_lots(50)],
        near in prop::option::of(-1..=1_i64),
    ) {
        let recorded = near.map_or(other, |by| max_deposits.saturating_add_signed(by));
        let closed = CollateralParams { max_deposits: 0, ..COLLATERAL };
        let mut vault = Collateral::new(closed, oracle(bits), NOW);
        vault.recorded = recorded;
        let open = CollateralParams { max_deposits, ..COLLATERAL };
        let worth = (u128::from(max_deposits) * u128::from(bits)) >> 32;
        let allowed = worth <= 10_000_000_000_000 || max_deposits <= recorded;
        prop_assert_eq!(vault.change_params(&open, NOW).is_ok(), allowed);
        prop_assert_eq!(u128::from(MAX_LISTED_WORTH), 10_000_000_000_000);
        prop_assert_eq!(Collateral::listed(open, oracle(bits), NOW).is_ok(), worth <= 10_000_000_000_000);
        vault.params.max_deposits = 1;
        prop_assert_eq!(vault.change_params(&open, NOW), Ok(()), "steps bound a cap that is open");
    }
}

// ---- A market ----

prop_compose! {
    fn any_market_params()(
        carry in (0..=10_000_000_u32, 0..=1_000_000_u32, 0..=10_000_u32, 0..=100_000_u32, 0..=1_000_000_u32, 100_000..=950_000_u32),
        mmf_ppm in prop_oneof![Just(112_000), Just(640_000), 112_000..=640_000_u32], imf in 0..=1_000_000_u32,
        mmf_sigma_ppm in 0..=20_000_000_u32, sigma_floor_ppm in prop_oneof![Just(0), 0..=1_000_u32], scale in any_lots(40),
    ) -> MarketParams {
        let (funding_velocity_ppm, funding_max_ppm, borrow_base_ppm, borrow_slope_ppm, borrow_steep_ppm, borrow_kink_ppm) = carry;
        MarketParams {
            mmf_ppm,
            imf_ppm: imf.max((mmf_ppm * 5).div_ceil(4)),
            skew_scale: scale,
            carry: CarryParams {
                funding_velocity_ppm, funding_max_ppm, borrow_base_ppm, borrow_slope_ppm, borrow_steep_ppm, borrow_kink_ppm,
            },
            volatility: VolatilityParams { mmf_sigma_ppm, sigma_floor_ppm, ..VolatilityParams::DEFAULT },
            ..PARAMS
        }
    }
}

prop_compose! {
    /// A market with positions on both sides, or on one.
    fn any_market()(
        params in any_market_params(), cash in any_lots(40), long in any_lots(36),
        short in prop_oneof![Just(None), any_lots(36).prop_map(Some)], rate in -(1_i64 << 44)..1 << 44,
    ) -> Box<Market> {
        let mut market = market(&params, HALF, cash);
        admit(&mut market, Side::Long, long, 0);
        if let Some(short) = short {
            admit(&mut market, Side::Short, short, 0);
        }
        market.carry.funding_rate = rate;
        market.update_borrow_rate().unwrap();
        market
    }
}

fn print(market: &mut Market, now: i64) {
    let reading = Reading { price: market.mark(), conf: 0, publish_time: now };
    market.refresh(Selection::Primary(reading), now).unwrap();
}

proptest! {
    #![proptest_config(config(1_000))]

    #[test]
    fn i18_what_has_accrued_before_a_change_accrued_under_the_old_parameters(
        before in any_market(), params in any_market_params(), [wait, later] in prop::array::uniform2(0..30 * DAY),
    ) {
        let (mut changed, mut old, now) = (before.clone(), before, NOW + wait);
        changed.change_params(&params, now).unwrap();
        old.accrue(now).unwrap();
        prop_assert_eq!(changed.params, params);
        prop_assert_eq!(changed.book, old.book, "carry, and nothing else of the book");
        prop_assert_eq!((changed.carry.funding_rate, changed.carry.accrued_at), (old.carry.funding_rate, now));
        // From then on under the new ones.
        old.params = params;
        old.update_borrow_rate().unwrap();
        prop_assert_eq!(changed.carry, old.carry);
        old.accrue(now + later).unwrap();
        changed.accrue(now + later).unwrap();
        prop_assert_eq!(changed.book, old.book);
    }

    #[test]
    fn i18_maintenance_margin_drifts_after_a_change_and_initial_margin_is_there_at_once(
        mut market in any_market(), params in any_market_params(), wait in 0..2 * HOUR,
        seconds in prop::collection::vec(prop_oneof![0..HOUR, Just(HOUR), 0..HOUR / 60], 1..12),
    ) {
        let mut now = NOW + wait;
        let mut old = market.clone();
        old.volatility.drift(&old.params.clone(), now).unwrap();
        market.change_params(&params, now).unwrap();
        prop_assert_eq!(market.volatility.drifting_mmf, old.volatility.drifting_mmf, "nothing at the change itself");
        prop_assert_eq!(market.mmf_ppm(), old.mmf_ppm());
        let sigma_ppm = old.volatility.sigma_ppm.max(params.volatility.sigma_floor_ppm);
        prop_assert_eq!(market.volatility.sigma_ppm, sigma_ppm, "a floor lifts at once");
        let least = params.imf_ppm.max((market.mmf_ppm() * 8).div_ceil(5).min(1_000_000));
        let moved = u64::from(market.volatility.sigma_ppm) * 30 * u64::from(params.volatility.imf_sigma_ppm);
        let moved = u32::try_from(moved.div_ceil(1_000_000).min(1_000_000)).unwrap();
        prop_assert_eq!(market.imf_ppm(), Ok(least.max(moved)));
        let mut history = vec![(now, market.volatility.drifting_mmf)];
        for seconds in seconds {
            now += seconds;
            print(&mut market, now);
            history.push((now, market.volatility.drifting_mmf));
            prop_assert_eq!(u64::from(market.mmf_ppm()), market.volatility.drifting_mmf.div_ceil(1 << 16));
        }
        for (i, &(then, from)) in history.iter().enumerate() {
            for &(now, to) in history[i..].iter().filter(|&&(now, _)| now - then <= HOUR) {
                prop_assert!(to * 10 <= from * 11 && to * 20 >= from * 19, "{} -> {} in {} s", from, to, now - then);
            }
        }
    }

    #[test]
    fn i18_a_risk_group_changes_only_without_positions(mut market in any_market(), group in 0..=8_u8, empty in any::<bool>()) {
        let params = MarketParams { risk_group: group, ..market.params };
        if empty {
            market.book.positions = 0;
        }
        let expected = if empty || group == 0 { Ok(()) } else { Err(EngineError::MarketNotEmpty) };
        prop_assert_eq!(market.change_params(&params, NOW), expected);
    }

    #[test]
    fn i18_a_named_price_is_near_the_last_one_and_there_was_none_for_a_day(
        mut market in any_market(), ratio in prop_oneof![Just(1_u64 << 31), Just(1 << 33), 0..1_u64 << 34], by in -2..=2_i64,
        age in prop_oneof![DAY - 2..DAY + 3, 0..3 * DAY], last in (1_u64 << 22)..1 << 44,
    ) {
        market.oracle = oracle(last);
        let named = u64::try_from((u128::from(last) * u128::from(ratio)) >> 32).unwrap().saturating_add_signed(by).max(1 << 20);
        let found = market.begin_settling(Some(price(named)), NOW + age);
        if age <= 86_400 {
            prop_assert_eq!(found, Err(EngineError::OracleAlive { age_seconds: age }));
        } else if 2 * named >= last && named <= 2 * last {
            prop_assert_eq!(found, Ok(price(named)));
            prop_assert_eq!((market.mark(), market.oracle.ema), (price(named), price(named)));
            prop_assert_eq!((market.settling_since, market.carry.funding_rate, market.carry.borrow_ppm), (NOW + age, 0, 0));
            prop_assert_eq!(market.begin_settling(Some(price(named)), NOW + age), Err(EngineError::Settling));
        } else {
            let (name, min, max) = ("settlement price (Q32.32)", last.div_ceil(2), 2 * last);
            prop_assert_eq!(found, Err(EngineError::ParameterOutOfBounds { name, value: named, min, max }));
        }
    }
}

// ---- The end of a market ----

fn close(world: &World) -> Result<u64, EngineError> {
    let mut market = world.market.clone();
    let (fees, insurance) = market.close()?;
    assert_eq!((market.book.tokens(), market.book.fees.total()), (Ok(0), Ok(0)), "nothing is left in it");
    Ok(fees.total().unwrap() + insurance)
}

/// Settles what is open, one after the other; between any two there is somebody in the market.
fn settle_all(world: &mut World) -> Result<(), TestCaseError> {
    for who in 0..world.accounts.len() {
        if !world.accounts[who].position.is_open() {
            continue;
        }
        prop_assert_eq!(close(world), Err(EngineError::MarketNotEmpty));
        let account = &mut world.accounts[who];
        let owes = (Owes::default(), NOW + PATIENCE + 1);
        account.quote += world.market.settle(&mut account.position, owes).unwrap().quote_change.0;
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn i18_a_market_is_closed_when_nobody_is_in_it_and_all_its_money_comes_out(
        ops in prop::collection::vec(prop_oneof![8 => any_trade(), 1 => any_unwind()], 1..20), insurance in 0..1_000_000_u64,
        last in ONE / 2..ONE * 2,
    ) {
        let mut world = World::new(&PARAMS, ONE, 1 << 40);
        world.market.book.insurance = insurance;
        for op in ops.into_iter().chain([Op::Price { bits: last }]) {
            let _ = world.apply(&op);
        }
        prop_assert_eq!(close(&world), Err(EngineError::MarketNotEmpty), "it trades");
        world.market.begin_settling(None, NOW).unwrap();
        // Positions, then what they have won.
        settle_all(&mut world)?;
        settle_all(&mut world)?;
        let money = world.market.book.tokens().unwrap();
        prop_assert_eq!(close(&world), Ok(money));
        world.market.book.unbacked = 1;
        prop_assert_eq!(close(&world), Err(EngineError::MarketNotEmpty), "somebody owes it");
    }
}

#[test]
fn i18_parameters_out_of_bounds_and_those_of_a_settling_market_are_not_put_in_force() {
    let mut market = market(&PARAMS, ONE, 0);
    let wide = MarketParams { max_gap_ppm: 500_001, ..PARAMS };
    let outside =
        EngineError::ParameterOutOfBounds { name: "max_gap_ppm", value: 500_001, min: 1_000, max: 500_000 };
    assert_eq!(market.change_params(&wide, NOW), Err(outside));
    market.begin_settling(None, NOW).unwrap();
    assert_eq!(market.change_params(&PARAMS, NOW), Err(EngineError::Settling));
}
