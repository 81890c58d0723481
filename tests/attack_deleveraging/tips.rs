//! Whoever opens a position only to be reduced or handed to the pool by his own keeper pays more than the keeper gets.

use bulwark_sdk::engine::deleverage::DeleverageParams;
use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::units::Side;
use bulwark_tests::fixtures::{DOLLAR, KEEPER_TIP};

use crate::support::*;

/// Tips of up to `tip`, and a cap of the skew at 50,000 dollars.
fn scene(tip: u64) -> Scene {
    let deleverage =
        DeleverageParams { inventory_cap: 50_000 * DOLLAR, keeper_tip: tip, ..params().deleverage };
    let mut scene = Scene::new(MarketParams { deleverage, ..params() });
    scene.insure(A, 1_000 * DOLLAR);
    scene
}

#[test]
fn attack_cycles_of_opening_and_being_reduced_for_tips_lose_money() {
    // The largest tip that can be set, called as often as possible, on either side. A hundred thousand dollars at ten times
    // leverage: the cap is 50,000, so half and a tenth of it goes, in small parts.
    for (tip, side) in [(KEEPER_TIP, Side::Long), (10 * DOLLAR, Side::Long), (10 * DOLLAR, Side::Short)] {
        let mut scene = scene(tip);
        let (whale, keeper) = (scene.funded_trader(12_000 * DOLLAR), scene.trader(0));
        let start = (scene.wealth([&whale, &keeper]), scene.venue());
        let mut calls = 0;
        for _ in 0..3 {
            scene.hold(&whale, A, side, 800 * ONE);
            for _ in 0..100 {
                scene.wait(1);
                calls += usize::from(scene.auto_deleverage(&whale.margin, A, Some(keeper.margin)).is_ok());
            }
            scene.close(&whale, A, u64::MAX).expect("close");
        }
        let tips = scene.wealth([&keeper]);
        let lost = start.0 - scene.wealth([&whale, &keeper]);
        println!("{side:?}: {calls} calls, {tips} of tips, {lost} lost");
        assert!(calls > 10 && tips > 0, "{calls} {tips}");
        // Half of the fee on what was reduced at most.
        assert!(lost > tips, "{lost} {tips}");
        assert!(scene.venue() - start.1 == lost, "what he lost the venue has");
    }
}

#[test]
fn attack_in_a_market_without_fees_there_are_no_tips() {
    let deleverage =
        DeleverageParams { inventory_cap: 50_000 * DOLLAR, keeper_tip: 10 * DOLLAR, ..params().deleverage };
    let mut scene = Scene::new(MarketParams { deleverage, ..free() });
    scene.insure(A, 1_000 * DOLLAR);
    let (whale, keeper) = (scene.funded_trader(12_000 * DOLLAR), scene.trader(0));
    scene.hold(&whale, A, Side::Long, 800 * ONE);
    let mut calls = 0;
    for _ in 0..100 {
        scene.wait(1);
        calls += usize::from(scene.auto_deleverage(&whale.margin, A, Some(keeper.margin)).is_ok());
    }
    assert!(calls > 0);
    assert_eq!((scene.wealth([&keeper]), scene.market(A).core.book.insurance), (0, 1_000 * DOLLAR));
}

#[test]
fn attack_pushing_a_market_over_its_cap_to_reduce_others_pays_no_more_than_any_keeper_gets() {
    // Others hold 49,000 dollars at twenty times leverage. The attacker adds 2,000, at a leverage of one: they are reduced, he
    // is not, and his keeper has the tips. Nobody loses equity; what the keeper gets is at most half a fee on what was reduced,
    // and no more than the 90 % mark leaves over.
    let mut scene = scene(10 * DOLLAR);
    let others = [(); 4].map(|()| scene.funded_trader(700 * DOLLAR));
    for other in &others {
        scene.hold(other, A, Side::Long, 98 * ONE);
    }
    let own = scene.funded_trader(2_100 * DOLLAR);
    let keeper = scene.trader(0);
    let (before, held) = (others.each_ref().map(|o| scene.wealth([o])), 4 * 98 * ONE);
    let start = scene.wealth([&own, &keeper]);
    scene.hold(&own, A, Side::Long, 16 * ONE);
    for _ in 0..120 {
        scene.wait(1);
        for other in &others {
            let _ = scene.auto_deleverage(&other.margin, A, Some(keeper.margin));
        }
    }
    refused(scene.auto_deleverage(&own.margin, A, Some(keeper.margin)), "NotExposed");
    for (other, before) in others.iter().zip(before) {
        let after = scene.wealth([other]);
        assert!(after >= before - 1, "{before} {after}");
    }
    let left: u64 = others.iter().map(|o| scene.lots(o, A).unsigned_abs()).sum();
    let (tips, reduced) = (scene.wealth([&keeper]), i128::from(held - left) / 8);
    println!("{tips} of tips for {reduced} of notional");
    assert!(tips > 0 && tips <= reduced * 250 / 1_000_000, "half of a fee of five basis points");
    assert!(reduced <= dollars(51_000 - 45_000 + 300), "down to 90 % of the cap");
    scene.close(&own, A, u64::MAX).expect("close");
    println!("the attacker has {} more", scene.wealth([&own, &keeper]) - start);
    assert!(scene.wealth([&own, &keeper]) < start, "his own two fees and two spreads are more");
}
