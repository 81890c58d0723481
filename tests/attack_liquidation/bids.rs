//! Bids of nothing: for a minute, and for many, a collateral is not given away.

use bulwark_sdk::engine::auction::{COLLATERAL_LAPSE_SLOTS, TAKEOVER_SLOTS};
use bulwark_sdk::engine::units::Side;
use bulwark_tests::Trader;
use bulwark_tests::fixtures::DOLLAR;

use crate::support::*;

const LOTS: u64 = 100 * ONE;

/// Somebody who owes 2,000 dollars of a closed position, with 2,000 dollars of gold, and who would like to have it.
fn debtor() -> (Scene, Trader, Trader) {
    let mut scene = Scene::new(free());
    let victim = scene.with_gold(1_000, 16 * ONE);
    let buyer = scene.funded_trader(100_000 * DOLLAR);
    scene.hold(&victim, A, Side::Long, 3 * LOTS / 2);
    scene.go(A, 10_500);
    scene.close(&victim, A, u64::MAX).expect("close");
    scene.go(A, 12_500);
    (scene, victim, buyer)
}

#[test]
fn attack_35_a_bid_of_nothing_within_a_minute_gets_nothing() {
    // Black Thursday, with the attacker alone: he waits as long as he dares. What he pays after so many slots, of the gold's worth.
    for (slots, least) in [(0, 998), (20, 950), (TAKEOVER_SLOTS, 950), (150, 939), (900, 860), (4_550, 475)] {
        let (mut scene, victim, buyer) = debtor();
        let before = (scene.wealth([&buyer]), scene.gold(&victim));
        let mut waited = 0;
        scene.liquidate_collateral(&buyer, &victim.margin, GOLD, 0).expect("starts the auction");
        while waited < slots {
            let step = (slots - waited).min(COLLATERAL_LAPSE_SLOTS);
            scene.wait(step);
            waited += step;
            scene.liquidate_collateral(&buyer, &victim.margin, GOLD, 0).expect("keeps it running");
        }
        let sale = sold(&scene.liquidate_collateral(&buyer, &victim.margin, GOLD, u64::MAX).expect("buys"));
        assert!(sale.amount <= before.1);
        let worth = i128::from(sale.amount) / 8;
        let share = i128::from(sale.proceeds) * 1_000 / worth;
        println!("{slots} slots: {share} of a thousand");
        assert!((least - 2..=least + 2).contains(&share), "{slots}: {share}");
        assert!(scene.wealth([&buyer]) - before.0 <= worth * (1_002 - least) / 1_000 + 1);
    }
}

#[test]
fn attack_the_clearing_clock_is_no_older_than_the_last_position() {
    // The attacker keeps an auction of the victim's position running for minutes: when the position is gone the collateral
    // begins anew, at two thousandths off, and a stop of the calls for four minutes takes it back there.
    let mut scene = Scene::new(params());
    let victim = scene.with_gold(1, 10 * ONE);
    let honest = scene.funded_trader(100_000 * DOLLAR);
    scene.hold(&honest, A, Side::Short, 3 * LOTS);
    scene.hold(&victim, A, Side::Long, LOTS);
    let keeper = scene.funded_trader(100_000 * DOLLAR);
    scene.go(A, 11_200);
    scene.liquidate(&keeper, &victim.margin, A, 0).expect("starts");
    scene.call_for(&keeper, &victim, A, 1_500);
    // With positions, however late, no more off than the haircut, and no more of it than the fees that it owes.
    let offered = scene.fork().liquidate_collateral(&keeper, &victim.margin, GOLD, u64::MAX);
    let sale = sold(&offered.expect("buys"));
    assert!(
        sale.discount <= (1 << 32) / 20 && sale.proceeds <= scene.quote(&victim).unsigned_abs() + 1,
        "{sale:?}"
    );
    scene.liquidate_to_pool(&victim.margin, A, None).expect("the pool takes the position");
    assert_eq!(scene.lots(&victim, A), 0);
    for slots in [0, COLLATERAL_LAPSE_SLOTS + 1, COLLATERAL_LAPSE_SLOTS + 1] {
        scene.wait(slots);
        let offered = scene.fork().liquidate_collateral(&keeper, &victim.margin, GOLD, u64::MAX);
        let sale = sold(&offered.expect("buys"));
        assert!(sale.discount <= (1 << 32) / 500, "{slots}: {}", sale.discount);
        scene.liquidate_collateral(&keeper, &victim.margin, GOLD, 0).expect("a call");
    }
}
