//! Prices: a refresh that speaks for the account is not left out, and an oracle that dies in the middle stops one leg and
//! nothing else.

use bulwark_sdk::engine::price::DEAD_AFTER;
use bulwark_sdk::engine::units::Side;
use bulwark_tests::Trader;
use bulwark_tests::fixtures::{DOLLAR, PRINT};

use crate::support::*;

const LOTS: u64 = 100 * ONE;

/// Long in A, which has lost; short in B.
fn hedged() -> (Scene, Trader, Trader) {
    let mut scene = Scene::new(params());
    let victim = scene.funded_trader(1_300 * DOLLAR);
    let taker = scene.funded_trader(100_000 * DOLLAR);
    scene.hold(&victim, A, Side::Long, LOTS);
    scene.hold(&victim, B, Side::Short, 4 * LOTS / 5);
    (scene, victim, taker)
}

#[test]
fn attack_a_refresh_that_speaks_for_the_account_is_not_left_out() {
    // M2: B has fallen too, the short has won what the long lost; the attacker would like to be judged at the old price.
    let (mut scene, victim, taker) = hedged();
    scene.dead[1] = true;
    scene.prices[1] = 115 * PRINT;
    scene.go(A, 11_500);
    let now = scene.now();
    assert!(scene.first(&victim).is_some(), "for a minute the old price counts: {}", scene.now());
    for seconds in [61, 120, DEAD_AFTER - 5] {
        scene.set_clock(now + seconds);
        scene.refresh();
        refused(scene.liquidate(&taker, &victim.margin, A, u64::MAX), "PriceStale");
        refused(scene.liquidate_to_pool(&victim.margin, A, Some(taker.margin)), "PriceStale");
    }
    scene.dead[1] = false;
    scene.refresh();
    refused(scene.liquidate(&taker, &victim.margin, A, u64::MAX), "Healthy");
    refused(scene.liquidate_to_pool(&victim.margin, A, Some(taker.margin)), "Healthy");
}

#[test]
fn attack_10_a_market_that_dies_in_the_middle_holds_up_its_own_leg_only() {
    let (mut scene, victim, taker) = hedged();
    scene.go(A, 11_850);
    scene.liquidate(&taker, &victim.margin, A, 0).expect("starts");
    // The worst leg's oracle dies: nobody is filled at its price, and for ten minutes nobody knows whether it is dead.
    scene.dead[0] = true;
    scene.wait(25);
    refused(scene.liquidate(&taker, &victim.margin, A, u64::MAX), "PriceStale");
    let died = scene.market(A).core.oracle.publish_time;
    scene.set_clock(died + DEAD_AFTER + 1);
    scene.refresh();
    // Then it counts at its last price and needs nothing. The rest of the account is judged, and closed if that is not
    // enough, by the other leg alone.
    refused(scene.liquidate(&taker, &victim.margin, B, u64::MAX), "Healthy");
    let [equity, requirement] = scene.health(&victim);
    let short = scene.lots(&victim, B);
    assert!(equity > requirement && short != 0);
    scene.go(B, 13_300);
    let taken = fill(&scene.liquidate(&taker, &victim.margin, B, u64::MAX).expect("the other leg"));
    assert!(taken.elapsed == 0, "a new auction: the old one has lapsed");
    let paid = scene.quote(&victim);
    refused(scene.liquidate(&taker, &victim.margin, A, u64::MAX), "PriceStale");
    refused(scene.resolve_bankruptcy(&victim.margin, A), "NotBankrupt");
    // It comes back at half the price: what is left is closed, what was lost is resolved.
    scene.dead[0] = false;
    scene.go(A, 6_000);
    scene.close_out(&victim, Some(taker.margin));
    assert!(scene.quote(&victim) < 0 && paid > scene.quote(&victim));
    let resolved = [A, B].map(|m| scene.resolve_bankruptcy(&victim.margin, m).is_ok());
    assert!(resolved[0] && scene.quote(&victim) == 0, "{resolved:?} {}", scene.quote(&victim));
}

#[test]
fn attack_nobody_is_resolved_or_deleveraged_at_a_doubtful_price() {
    let mut scene = Scene::new(params());
    let victim = scene.funded_trader(700 * DOLLAR);
    scene.hold(&victim, A, Side::Long, LOTS);
    scene.go(A, 11_000);
    scene.close_out(&victim, None);
    assert!(scene.quote(&victim) < 0);
    let mut wide = scene.fork();
    wide.confs[0] = 3 * PRINT.cast_unsigned();
    wide.wait(3);
    refused(wide.resolve_bankruptcy(&victim.margin, A), "PriceWide");
    refused(wide.send(&[bulwark_sdk::instruction::rebalance_market(A)], &[]), "PriceWide");
    let mut stale = scene.fork();
    stale.dead[0] = true;
    stale.wait(15);
    refused(stale.resolve_bankruptcy(&victim.margin, A), "PriceStale");
    refused(stale.send(&[bulwark_sdk::instruction::rebalance_market(A)], &[]), "PriceStale");
    scene.resolve(&victim, A);
}

#[test]
fn attack_a_wide_price_takes_only_who_is_in_trouble_at_its_better_end() {
    let mut scene = Scene::new(params());
    let victim = scene.funded_trader(1_300 * DOLLAR);
    let taker = scene.funded_trader(100_000 * DOLLAR);
    scene.hold(&victim, A, Side::Long, LOTS);
    scene.confs[0] = 3 * PRINT.cast_unsigned(); // 2.6 %
    scene.go(A, 11_450);
    assert!(scene.health(&victim)[0] < scene.health(&victim)[1], "below in the middle");
    refused(scene.liquidate(&taker, &victim.margin, A, u64::MAX), "Healthy");
    refused(scene.liquidate_to_pool(&victim.margin, A, Some(taker.margin)), "Healthy");
    scene.go(A, 11_150);
    scene.liquidate(&taker, &victim.margin, A, u64::MAX).expect("below at the better end too");
}
