//! Health as a liquidation asks for it: doubt about a price counts for the account.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::EngineError;
use bulwark_engine::margin::{Health, HealthType, Portfolio, RiskGroups};
use bulwark_engine::position::Position;
use bulwark_engine::price::DEAD_AFTER;
use bulwark_engine::sale::{DECAY, OUTAGE};
use bulwark_engine::units::{Price, Quote, Side};
use model::config;
use model::vault::{Account, Refusal, collateral};
use model::world::{HALF, NOW, ONE, PARAMS, admit, any_lots, any_side, market, oracle, price};
use proptest::prelude::*;

const LATER: i64 = NOW + 1_000_000;
const DAY: i64 = 86_400;

/// A market at `mark` with a position entered at one.
fn entered(side: Side, lots: u64, mark: u64) -> (Box<bulwark_engine::market::Market>, Position) {
    let mut market = market(&PARAMS, ONE, 1 << 50);
    let cost = lots.cast_signed();
    let position = admit(&mut market, side, lots, if side == Side::Long { -cost } else { cost });
    market.oracle = oracle(mark);
    (market, position)
}

proptest! {
    #![proptest_config(config(500))]

    #[test]
    fn a_fresh_price_counts_as_for_maintenance(
        side in any_side(), lots in any_lots(36), mark in ONE / 2..ONE * 2, amount in any_lots(36),
    ) {
        let (market, position) = entered(side, lots, mark);
        let at = |kind| Health::of_position(&market, &position, kind, NOW).unwrap();
        prop_assert_eq!(at(HealthType::Liquidate), at(HealthType::Maint));
        let token = collateral([300_000, 100_000], oracle(mark));
        let worth = |kind| token.value(amount, kind, NOW);
        prop_assert_eq!(worth(HealthType::Liquidate), worth(HealthType::Maint));
    }

    #[test]
    fn a_wide_price_is_moved_by_its_confidence_to_the_accounts_good(
        side in any_side(), lots in any_lots(36), mark in ONE / 2..ONE * 2, conf in 0..ONE / 2, amount in any_lots(36),
    ) {
        let (mut market, position) = entered(side, lots, mark);
        market.oracle.conf = conf.max(mark / 4);
        let at = |kind| Health::of_position(&market, &position, kind, NOW).unwrap();
        let (sure, doubt) = (at(HealthType::Maint), at(HealthType::Liquidate));
        prop_assert_eq!(doubt.requirement, sure.requirement);
        let moved = price(match side {
            Side::Long => mark + market.oracle.conf,
            Side::Short => (mark - market.oracle.conf).max(Price::MIN.to_bits()),
        });
        let mut shifted = market.clone();
        shifted.oracle = oracle(moved.to_bits());
        let there = Health::of_position(&shifted, &position, HealthType::Maint, NOW).unwrap();
        prop_assert_eq!(doubt.equity, there.equity);
        prop_assert!(doubt.equity >= sure.equity);
        let token = collateral([300_000, 100_000], market.oracle);
        let worth = |kind| token.value(amount, kind, NOW).unwrap();
        prop_assert!(worth(HealthType::Liquidate) >= worth(HealthType::Maint));
    }

    #[test]
    fn a_position_that_nobody_can_price_needs_nothing_and_counts_at_its_last_price_and_a_collateral_fades(
        side in any_side(), lots in any_lots(36), mark in ONE / 2..ONE * 2, disputed in any::<bool>(), amount in any_lots(36),
        age in prop_oneof![61..DEAD_AFTER + 9, 61..DAY * 9, Just(OUTAGE), Just(OUTAGE + DECAY)],
    ) {
        let (mut market, position) = entered(side, lots, mark);
        let sure = Health::of_position(&market, &position, HealthType::Maint, NOW).unwrap();
        let now = NOW + if disputed { age - 61 } else { age };
        market.oracle.divergent = u8::from(disputed);
        let refused = Health::of_position(&market, &position, HealthType::Maint, now);
        let refused = matches!(refused, Err(EngineError::PriceNotUsable { .. }));
        prop_assert!(refused);
        let token = collateral([300_000, 100_000], market.oracle);
        if !disputed && age <= DEAD_AFTER {
            // It needs nothing, and with all doubt it is worth a quarter of its worth more.
            let leg = Health::of_position(&market, &position, HealthType::Liquidate, now).unwrap();
            let worth = |worth: u64| worth.div_ceil(4).cast_signed();
            let whole = price(mark).mul_floor(amount).unwrap();
            let more = worth(price(mark).mul_ceil(lots).unwrap());
            prop_assert_eq!(leg, Health { equity: Quote(sure.equity.0 + more), requirement: Quote::ZERO });
            let found = token.value(amount, HealthType::Liquidate, now).unwrap();
            prop_assert_eq!(found.cast_signed(), whole.cast_signed() + worth(whole));
            return Ok(());
        }
        let doubt = Health::of_position(&market, &position, HealthType::Liquidate, now).unwrap();
        prop_assert_eq!(doubt, Health { equity: sure.equity, requirement: Quote::ZERO });
        // No haircut for a day; then its worth fades to nothing within six more.
        let dead = (now - NOW - OUTAGE).clamp(0, DECAY);
        let left = 1_000_000 - u128::from(dead.unsigned_abs()) * 1_000_000 / u128::from(DECAY.unsigned_abs());
        let counted = u128::from(price(mark).mul_floor(amount).unwrap()) * left / 1_000_000;
        prop_assert_eq!(token.value(amount, HealthType::Liquidate, now).map(u128::from), Ok(counted));
    }

    /// An account below its requirement stays so with a speck of a dead collateral, and one above it above.
    #[test]
    fn dust_of_a_dead_collateral_decides_nothing(
        side in any_side(), lots in 1_u64 << 20..1 << 30, dust in 1..100_u64, quote in -(1_i64 << 30)..1 << 30,
    ) {
        let mut account = Account::new(&[Some((side, lots, HALF, 0))], &[(dust, ONE)]);
        let health = |account: &mut Account, skip| {
            let legs = account.health([None, skip], HealthType::Liquidate, &RiskGroups::default()).unwrap();
            legs.plus(Health { equity: Quote(quote), requirement: Quote::ZERO }).unwrap()
        };
        account.shelf.vaults.get_mut(&100).unwrap().oracle.divergent = 1;
        let maint = account.health([None; 2], HealthType::Maint, &RiskGroups::default());
        let refused = matches!(maint, Err(Refusal::Engine(EngineError::PriceNotUsable { .. })));
        prop_assert!(refused);
        let (with, without) = (health(&mut account, None), health(&mut account, Some(100)));
        prop_assert_eq!(with.requirement, without.requirement);
        prop_assert_eq!(with.equity.0 - without.equity.0, dust.cast_signed());
        if without.excess().unwrap().0.abs() > 100 {
            prop_assert_eq!(with.require().is_ok(), without.require().is_ok());
        }
    }
}

proptest! {
    #![proptest_config(config(500))]

    /// A Wide price decides in the account's favour whether it is in trouble, and counts as it is for all that follows.
    #[test]
    fn doubt_counts_for_the_gate_and_not_for_the_health_behind_it(
        side in any_side(), lots in 1_u64 << 20..1 << 36, mark in ONE / 2..ONE * 2, wide in any::<[bool; 2]>(),
        conf in 0..ONE / 2, amount in any_lots(36), quote in -(1_i64 << 37)..1 << 37,
    ) {
        let (mut market, position) = entered(side, lots, mark);
        let mut token = collateral([300_000, 100_000], oracle(mark));
        let conf = conf.max(mark / 4);
        market.oracle.conf = if wide[0] { conf } else { 0 };
        token.oracle.conf = if wide[1] { conf } else { 0 };
        let sum = |kind| {
            let mut sum = Portfolio::default();
            sum.add(Health { equity: Quote(quote), requirement: Quote::ZERO }).unwrap();
            sum.count(&market, &position, (kind, NOW)).unwrap();
            sum.count_collateral(&token, amount, (kind, NOW)).unwrap();
            sum
        };
        let groups = RiskGroups::default();
        let (live, doubtful) = (sum(HealthType::Maint), sum(HealthType::Liquidate));
        let live = live.health(&groups).unwrap();
        prop_assert_eq!(doubtful.health(&groups).unwrap(), live);
        let most = [
            Health::of_position(&market, &position, HealthType::Liquidate, NOW).unwrap().equity.0,
            token.value(amount, HealthType::Liquidate, NOW).unwrap().cast_signed(),
            quote,
        ];
        let (most, needed) = (most.iter().sum::<i64>(), live.requirement.0);
        prop_assert!(most >= live.equity.0 && (wide != [false; 2] || most == live.equity.0));
        let expected = if most >= needed {
            Err(EngineError::Healthy { equity: most, requirement: needed })
        } else {
            Ok(live)
        };
        prop_assert_eq!(doubtful.in_trouble(&groups), expected);
    }

    #[test]
    fn the_worst_of_the_legs_counted_is_the_one_that_requires_most(
        legs in prop::collection::vec((any_side(), any_lots(36), ONE / 2..ONE * 2), 1..8),
    ) {
        let (mut sum, mut worst) = (Portfolio::default(), 0);
        for &(side, lots, mark) in &legs {
            let (market, position) = entered(side, lots, mark);
            sum.count(&market, &position, (HealthType::Liquidate, NOW)).unwrap();
            worst = worst.max(Health::of_position(&market, &position, HealthType::Liquidate, NOW).unwrap().requirement.0);
        }
        prop_assert_eq!(sum.require_worst(Quote(worst)), Ok(()));
        let refused = EngineError::NotTheWorst { this: worst - 1, worst };
        prop_assert_eq!(sum.require_worst(Quote(worst - 1)), Err(refused));
    }
}

#[test]
fn by_hand() {
    // 1 000 long at 1, mark 0.75 ± 0.25: −250 at the mark, nothing at its upper end; 12 % of 750.
    let (mut market, position) = entered(Side::Long, 1_000, ONE / 4 * 3);
    let at = |market: &bulwark_engine::market::Market, now| {
        Health::of_position(market, &position, HealthType::Liquidate, now).unwrap()
    };
    assert_eq!(at(&market, NOW), Health { equity: Quote(-250), requirement: Quote(90) });
    market.oracle.conf = ONE / 4;
    assert_eq!(at(&market, NOW), Health { equity: Quote(0), requirement: Quote(90) });
    assert_eq!(at(&market, LATER), Health { equity: Quote(-250), requirement: Quote(0) });
    let claim = admit(&mut market, Side::Short, 0, 77);
    let owed = Health::of_position(&market, &claim, HealthType::Liquidate, LATER).unwrap();
    assert_eq!(owed, Health { equity: Quote(77), requirement: Quote(0) }, "a claim is owed at any price");
}
