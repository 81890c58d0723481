//! Health as a liquidation asks for it: doubt about a price counts for the account.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::EngineError;
use bulwark_engine::margin::{Health, HealthType, RiskGroups};
use bulwark_engine::position::Position;
use bulwark_engine::units::{Price, Quote, Side};
use model::config;
use model::vault::{Account, Refusal, collateral};
use model::world::{HALF, NOW, ONE, PARAMS, any_lots, any_side, join, market, oracle, price};
use proptest::prelude::*;

const LATER: i64 = NOW + 1_000_000;

/// A market at `mark` with a position entered at one.
fn entered(side: Side, lots: u64, mark: u64) -> (Box<bulwark_engine::market::Market>, Position) {
    let mut market = market(&PARAMS, ONE, 1 << 50);
    let cost = lots.cast_signed();
    let position = join(market.book.side_mut(side), lots, if side == Side::Long { -cost } else { cost });
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
    fn a_stale_or_disputed_leg_needs_nothing_and_counts_at_its_last_price(
        side in any_side(), lots in any_lots(36), mark in ONE / 2..ONE * 2, disputed in any::<bool>(), amount in any_lots(36),
    ) {
        let (mut market, position) = entered(side, lots, mark);
        let sure = Health::of_position(&market, &position, HealthType::Maint, NOW).unwrap();
        let now = if disputed { NOW } else { LATER };
        market.oracle.divergent = u8::from(disputed);
        let refused = Health::of_position(&market, &position, HealthType::Maint, now);
        let refused = matches!(refused, Err(EngineError::PriceNotUsable { .. }));
        prop_assert!(refused);
        let doubt = Health::of_position(&market, &position, HealthType::Liquidate, now).unwrap();
        prop_assert_eq!(doubt, Health { equity: sure.equity, requirement: Quote::ZERO });
        let token = collateral([300_000, 100_000], market.oracle);
        prop_assert_eq!(token.value(amount, HealthType::Liquidate, now), price(mark).mul_floor(amount), "no haircut");
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
    let claim = join(&mut market.book.short, 0, 77);
    let owed = Health::of_position(&market, &claim, HealthType::Liquidate, LATER).unwrap();
    assert_eq!(owed, Health { equity: Quote(77), requirement: Quote(0) }, "a claim is owed at any price");
}
