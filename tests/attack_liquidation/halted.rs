//! A leg whose feed has stopped: how long, and by how much, it protects the others from being liquidated.

use bulwark_sdk::engine::price::DEAD_AFTER;
use bulwark_sdk::engine::units::Side;
use bulwark_tests::Trader;
use bulwark_tests::fixtures::DOLLAR;

use crate::support::*;

const LOTS: u64 = 100 * ONE;

/// A long of 12,500 dollars in A on 700 dollars, and one of so many lots in B, whose feed stops; then A falls to this price.
fn halted(lots: u64, cents: i64) -> (Scene, Trader, Trader) {
    let mut scene = Scene::new(free());
    let victim = scene.funded_trader(700 * DOLLAR);
    let taker = scene.funded_trader(100_000 * DOLLAR);
    scene.hold(&victim, B, Side::Long, lots);
    scene.hold(&victim, A, Side::Long, LOTS);
    scene.dead[usize::from(B)] = true;
    scene.wait(155); // 62 seconds
    scene.go(A, cents);
    (scene, victim, taker)
}

#[test]
fn attack_a_tiny_leg_with_a_halted_feed_stops_no_liquidation() {
    // Ten dollars of B may have risen by two and a half: the victim lacks more, so nobody has to wait for that feed.
    let (mut scene, victim, taker) = halted(100 * STEP, 12_150);
    let taken = fill(&scene.fork().liquidate(&taker, &victim.margin, A, u64::MAX).expect("takes over"));
    assert!(taken.lots > 0);
    // Down to nothing, through the pool, and resolved but for the tiny leg.
    scene.go(A, 11_000);
    while scene.lots(&victim, A) != 0 {
        scene.liquidate_to_pool(&victim.margin, A, None).expect("a fill, or a call");
        scene.wait(5);
    }
    assert!(scene.quote(&victim) < -i64::try_from(790 * DOLLAR).expect("fits"));
    // That one holds up the resolution: it can't be closed without a price. What is owed is nobody's money meanwhile.
    refused(scene.resolve_bankruptcy(&victim.margin, A), "NotBankrupt");
    nearly(scene.market(A).core.book.unbacked, 800 * DOLLAR);
    scene.dead[usize::from(B)] = false;
    scene.refresh();
    scene.close_out(&victim, None);
    let paid = scene.resolve(&victim, A);
    nearly(paid.debt, 800 * DOLLAR);
    assert_eq!(scene.market(A).core.book.unbacked, 0);
}

#[test]
fn attack_a_halted_leg_that_may_save_its_account_does_so_for_ten_minutes() {
    // The victim lacks two dollars, or two hundred, and the leg may be worth that much more: until it is dead, somebody would have
    // to refresh it. Then it counts for what it was worth at last, and needs nothing.
    for (lots, cents) in [(100 * STEP, 12_175), (8 * ONE, 12_000)] {
        let (mut scene, victim, taker) = halted(lots, cents);
        let died = scene.market(B).core.oracle.publish_time;
        for seconds in [70, 300, DEAD_AFTER] {
            scene.set_clock(died + seconds);
            scene.refresh();
            refused(scene.liquidate(&taker, &victim.margin, A, u64::MAX), "PriceStale");
            refused(scene.liquidate_to_pool(&victim.margin, A, None), "PriceStale");
        }
        scene.set_clock(died + DEAD_AFTER + 1);
        scene.refresh();
        let before = scene.health(&victim);
        assert!(before[0] < before[1], "{before:?}");
        let taken = fill(&scene.liquidate(&taker, &victim.margin, A, u64::MAX).expect("takes over"));
        assert_eq!(taken.elapsed, 0, "at the lowest concession");
        assert!(scene.health(&victim)[0] >= 0);
    }
}

#[test]
fn attack_a_refused_refresh_does_not_age_an_auction() {
    // While the leg is in doubt no call counts: the attacker, who could refresh it and does not, finds the clock where it was.
    let (mut scene, victim, taker) = halted(8 * ONE, 12_000);
    scene.dead[usize::from(B)] = false;
    scene.refresh();
    called(scene.liquidate(&taker, &victim.margin, A, 0));
    scene.dead[usize::from(B)] = true;
    let started = scene.margin(&victim.margin).auction.started;
    for _ in 0..8 {
        scene.wait(25);
        let call = scene.liquidate(&taker, &victim.margin, A, 0);
        let seconds = scene.now() - scene.market(B).core.oracle.publish_time;
        assert_eq!(call.is_ok(), seconds <= 60, "{seconds}: {call:?}");
    }
    scene.dead[usize::from(B)] = false;
    scene.refresh();
    assert_eq!(called(scene.liquidate(&taker, &victim.margin, A, 0)), 0, "it has lapsed");
    assert!(scene.margin(&victim.margin).auction.started > started);
}
