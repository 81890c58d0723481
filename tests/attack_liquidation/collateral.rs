//! Collateral: bought at a price of now or not at all, never more than is needed, and never stuck without a buyer.

use bulwark_sdk::engine::auction::COLLATERAL_LAPSE_SLOTS;
use bulwark_sdk::engine::sale::{DECAY, OUTAGE};
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_tests::Trader;
use bulwark_tests::fixtures::{DOLLAR, PRINT};

use crate::support::*;

const LOTS: u64 = 100 * ONE;

/// Somebody who owes 2,000 dollars of a closed position, with so much gold, and a buyer.
fn debtor(gold: u64) -> (Scene, Trader, Trader) {
    let mut scene = Scene::new(free());
    let victim = scene.with_gold(1_000, gold);
    let buyer = scene.funded_trader(100_000 * DOLLAR);
    scene.hold(&victim, A, Side::Long, 3 * LOTS / 2);
    scene.go(A, 10_500);
    scene.close(&victim, A, u64::MAX).expect("close");
    scene.go(A, 12_500);
    near(scene.quote(&victim), -dollars(2_000));
    (scene, victim, buyer)
}

#[test]
fn attack_a_collateral_is_not_bought_at_an_old_price() {
    // H4: gold has gone from 125 to 140 dollars; the buyer would like 125, and nobody has refreshed the vault yet.
    let (mut scene, victim, buyer) = debtor(100 * ONE);
    scene.dead[2] = true;
    scene.prices[2] = 140 * PRINT;
    for slots in [15, 10, 100] {
        scene.wait(slots); // 6, 10 and 50 seconds
        refused(scene.liquidate_collateral(&buyer, &victim.margin, GOLD, u64::MAX), "PriceStale");
    }
    scene.dead[2] = false;
    scene.refresh();
    let sale = sold(
        &scene.liquidate_collateral(&buyer, &victim.margin, GOLD, u64::MAX).expect("at the price of now"),
    );
    let worth = i128::from(sale.amount) * 140 / 1_000;
    assert!(i128::from(sale.proceeds) >= worth * 998 / 1_000, "{sale:?}");
    near(scene.quote(&victim), 0);
}

#[test]
fn attack_a_healthy_debtors_collateral_is_not_bought_at_a_wide_price() {
    let (mut scene, victim, buyer) = debtor(100 * ONE);
    scene.confs[2] = 3 * PRINT.cast_unsigned();
    scene.go(2, 12_500);
    refused(scene.liquidate_collateral(&buyer, &victim.margin, GOLD, u64::MAX), "PriceWide");
    // Nor that of an account that is in trouble at the middle of the interval only.
    let (mut scene, victim, buyer) = debtor(165 * ONE / 10);
    scene.confs[2] = 3 * PRINT.cast_unsigned();
    scene.go(2, 12_650); // counts for 1,983 dollars, for 2,030 at the upper end
    assert!(scene.health(&victim)[0] < 0 && scene.first(&victim).is_none());
    refused(scene.liquidate_collateral(&buyer, &victim.margin, GOLD, u64::MAX), "PriceWide");
}

#[test]
fn attack_dust_of_collateral_two_hundred_times_costs_the_buyer() {
    let (mut scene, victim, buyer) = debtor(100 * ONE);
    let before = (scene.wealth([&buyer]), scene.worth(&victim.margin), scene.venue());
    for n in 0..200 {
        // A token unit is worth an eighth of a quote unit, and a quote unit is the least that is paid.
        scene.liquidate_collateral(&buyer, &victim.margin, GOLD, 1 + n % 7).expect("dust");
    }
    let after = (scene.wealth([&buyer]), scene.worth(&victim.margin), scene.venue());
    assert!(after.0 < before.0 && after.1 > before.1, "{before:?} {after:?}");
    assert_eq!(after.2, before.2, "{before:?} {after:?}");
    let nothing = scene.liquidate_collateral(&buyer, &victim.margin, GOLD, 0).expect("a call");
    assert!(nothing.events.is_empty() && scene.wealth([&buyer]) == after.0);
}

#[test]
fn attack_more_than_is_owed_is_not_bought() {
    let (mut scene, victim, buyer) = debtor(100 * ONE);
    let sale = sold(&scene.liquidate_collateral(&buyer, &victim.margin, GOLD, u64::MAX).expect("buys"));
    assert!(sale.amount < 17 * ONE, "of a hundred, what 2,000 dollars need: {}", sale.amount);
    assert!((0..2).contains(&scene.quote(&victim)));
    refused(scene.liquidate_collateral(&buyer, &victim.margin, GOLD, u64::MAX), "Healthy");
    // A debt below the threshold is nobody's business while no market waits for it.
    let (mut scene, victim, buyer) = debtor(100 * ONE);
    scene.create_and_deposit(&victim, 1_001 * DOLLAR);
    refused(scene.liquidate_collateral(&buyer, &victim.margin, GOLD, u64::MAX), "Healthy");
    refused(scene.press_debtor(&buyer, (&victim.margin, Some(A)), GOLD, u64::MAX), "Healthy");
    refused(scene.press_debtor(&buyer, (&victim.margin, Some(B)), GOLD, u64::MAX), "Healthy");
}

#[test]
fn attack_a_collateral_without_buyers_clears_and_the_first_to_want_it_has_it() {
    // Black Thursday. The attacker would like the gold for nothing: he starts the clock with a unit, and waits.
    let (mut scene, victim, attacker) = debtor(16 * ONE);
    assert!(scene.health(&victim)[0] < 0);
    let start = scene.slot();
    let mut last = 0;
    let honest = scene.funded_trader(100_000 * DOLLAR);
    for slots in [0, 20, 30, 100].into_iter().chain([600; 15]) {
        let mut left: u64 = slots;
        while left > COLLATERAL_LAPSE_SLOTS {
            scene.wait(COLLATERAL_LAPSE_SLOTS);
            left -= COLLATERAL_LAPSE_SLOTS;
            scene.liquidate_collateral(&attacker, &victim.margin, GOLD, 0).expect("keeps it running");
        }
        scene.wait(left);
        let sale = sold(&scene.liquidate_collateral(&attacker, &victim.margin, GOLD, 1).expect("a unit"));
        assert!(sale.discount >= last);
        last = sale.discount;
        // Whoever pays more is served first: at any moment another one can have all of it.
        let mut other = scene.fork();
        let sale = sold(&other.liquidate_collateral(&honest, &victim.margin, GOLD, u64::MAX).expect("all"));
        assert_eq!((sale.discount, sale.amount), (last, scene.gold(&victim)));
        let elapsed = scene.slot() - start;
        let share = (u128::from(sale.discount) * 100) >> 32;
        assert!(elapsed > 50 || share <= 5, "{elapsed}: {share} %");
        assert!(elapsed > 150 || share <= 6, "{elapsed}: {share} % within a minute");
        assert!(elapsed > 900 || share <= 14, "{elapsed}: {share} % within six minutes");
    }
    assert_eq!(last, 1 << 32, "in the end it is free");
    // And the account is bankrupt, whatever became of the gold: nothing is stuck.
    let sale = sold(&scene.liquidate_collateral(&attacker, &victim.margin, GOLD, u64::MAX).expect("all"));
    assert_eq!(sale.proceeds, 0);
    let debt = scene.quote(&victim).unsigned_abs();
    assert_eq!(scene.resolve(&victim, A).debt, debt);
    assert_eq!(scene.quote(&victim), 0);
}

#[test]
fn attack_a_dead_collateral_is_sold_for_what_is_left_of_it_and_not_before_a_day() {
    // M2: leaving out the refresh of a vault for less than a day buys nothing at all.
    let (mut scene, victim, buyer) = debtor(16 * ONE);
    let died = scene.vault(GOLD).core.oracle.publish_time;
    scene.dead[2] = true;
    for seconds in [61, 600, 3_600, OUTAGE - 10] {
        let now = died + seconds;
        scene.set_clock(now);
        scene.refresh();
        let call = scene.liquidate_collateral(&buyer, &victim.margin, GOLD, u64::MAX);
        assert!(call.as_ref().is_err_and(|f| f.is("PriceStale") || f.is("Healthy")), "{seconds}: {call:?}");
    }
    let mut last = 0;
    for part in [1, 3, 6] {
        scene.set_clock(died + OUTAGE + DECAY * part / 6);
        scene.refresh();
        // Faded by a sixth the gold counts for 1,667 dollars, of 2,000 that are owed.
        let sale = sold(&scene.liquidate_collateral(&buyer, &victim.margin, GOLD, ONE).expect("in trouble"));
        assert!(sale.discount > last, "{part}");
        last = sale.discount;
        assert!(
            sale.discount.abs_diff((1 << 32) / 6 * part.cast_unsigned()) < 1 << 12,
            "{part}: {}",
            sale.discount
        );
    }
    assert_eq!(last, 1 << 32, "after a week it is given away");
    // Its holder can refresh at any time before, and all is as it was.
    scene.dead[2] = false;
    scene.refresh();
    let sale =
        sold(&scene.liquidate_collateral(&buyer, &victim.margin, GOLD, ONE).expect("at the price again"));
    assert!(sale.discount <= (1 << 32) / 20, "{}", sale.discount);
}

#[test]
fn attack_a_buyer_does_not_pay_with_what_he_owes_or_may_not_spend() {
    let (mut scene, victim, _) = debtor(100 * ONE);
    // No quote of his own: neither debt nor profit on paper nor a claim buys gold.
    let poor = scene.with_gold(10, 100 * ONE);
    scene.hold(&poor, A, Side::Long, LOTS);
    scene.go(A, 14_000);
    refused(scene.liquidate_collateral(&poor, &victim.margin, GOLD, u64::MAX), "InsufficientBalance");
    // Below initial margin he may not turn quote into what counts for less.
    let thin = scene.funded_trader(2_600 * DOLLAR);
    scene.hold(&thin, B, Side::Long, 4 * LOTS);
    refused(scene.liquidate_collateral(&thin, &victim.margin, GOLD, u64::MAX), "InsufficientMargin");
    let Event::CollateralSold(_) = &scene
        .liquidate_collateral(&thin, &victim.margin, GOLD, ONE)
        .expect("as far as his margin goes")
        .events[0]
    else {
        panic!("a sale")
    };
}
