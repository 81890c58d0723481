//! A market without pool money: its winners share what is missing, whichever side they are on.

use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::events::MarketRebalanced;
use bulwark_tests::fixtures::DOLLAR;
use bulwark_tests::{Failure, Trader};

use crate::support::*;

const LOTS: u64 = 100 * ONE;

/// Shorts from 200 dollars that have won 8,000 dollars at 120; longs are twice as many and have lost 1,000. There is
/// pool money of 3,000 dollars: 4,000 are missing.
fn exhausted(decoy: bool) -> (Scene, [Trader; 2], Option<Trader>) {
    let mut scene = Scene::new(free());
    let [short, long] = [(); 2].map(|()| scene.funded_trader(50_000 * DOLLAR));
    scene.settle_at(A, 20_000);
    scene.hold(&short, A, Side::Short, LOTS);
    let decoy = decoy.then(|| {
        scene.settle_at(A, 10_000);
        let who = scene.funded_trader(1_000 * DOLLAR);
        scene.hold(&who, A, Side::Long, 110 * STEP);
        who
    });
    scene.settle_at(A, 12_500);
    scene.hold(&long, A, Side::Long, 2 * LOTS);
    scene.settle_at(A, 12_000);
    scene.drain(A, 3_000 * DOLLAR);
    (scene, [short, long], decoy)
}

fn rebalance(scene: &mut Scene) -> Result<MarketRebalanced, Failure> {
    let outcome = scene.send(&[ix::rebalance_market(A)], &[])?;
    let [Event::MarketRebalanced(event)] = &outcome.events[..] else { panic!("{:?}", outcome.events) };
    Ok(event.clone())
}

#[test]
fn attack_winners_do_not_hide_behind_a_heavy_side_that_has_lost() {
    let (mut scene, [short, long], _) = exhausted(false);
    let before = (scene.won(&short, A), scene.won(&long, A), scene.wealth([&short, &long]));
    let event = rebalance(&mut scene).expect("4,000 are missing");
    assert_eq!(event.side, Side::Short.to_byte());
    nearly(event.deficit, 4_000 * DOLLAR);
    nearly(before.0 - scene.won(&short, A), dollars(4_000));
    assert_eq!(scene.won(&long, A), before.1, "the losers lose nothing more");
    refused(rebalance(&mut scene), "NotExhausted");
    assert!(scene.wealth([&short, &long]) < before.2);
    scene.consistent(A, &[&short, &long]);
}

#[test]
fn attack_a_small_winner_on_the_heavy_side_does_not_hide_the_large_one() {
    // The short opens a long of ten dollars that wins two: less than is missing, so the side that is owed more pays, at once.
    let (mut scene, [short, long], decoy) = exhausted(true);
    let decoy = decoy.expect("a decoy");
    let before = [&short, &long, &decoy].map(|who| scene.won(who, A));
    near(before[2], 2_200_000);
    // Half of what he has won is enough: one call, and nobody else pays.
    let mut enough = scene.fork();
    enough.drain(A, 3_100 * DOLLAR);
    let event = rebalance(&mut enough).expect("something is missing");
    assert_eq!(event.side, Side::Short.to_byte(), "the first call reaches the large winner");
    nearly(before[0] - enough.won(&short, A), dollars(3_902));
    assert_eq!([&long, &decoy].map(|who| enough.won(who, A)), before[1..], "nobody else pays");
    refused(rebalance(&mut enough), "NotExhausted");
    enough.consistent(A, &[&short, &long, &decoy]);
    // It is not, by the decoy's two dollars: then that is what is missing, and the decoy loses them, by half at each call.
    let event = rebalance(&mut scene).expect("something is missing");
    assert_eq!(event.side, Side::Short.to_byte(), "the first call reaches the large winner");
    nearly(before[0] - scene.won(&short, A), dollars(4_000));
    let mut calls = 1;
    while let Ok(event) = rebalance(&mut scene) {
        calls += 1;
        assert!(calls < 30 && event.side == Side::Long.to_byte(), "{calls}: {event:?}");
    }
    println!("{calls} calls, {} of what the decoy won is left", scene.won(&decoy, A));
    near(scene.won(&decoy, A), 0);
    near(before[0] - scene.won(&short, A), dollars(4_000));
    assert_eq!(scene.won(&long, A), before[1], "the losers lose nothing more");
    refused(rebalance(&mut scene), "NoWinners"); // all that is missing is rounding:
    let core = scene.market(A).core;
    let missing = -core.book.equity(core.mark()).expect("equity").0;
    assert!((1..10).contains(&missing), "{missing}");
    scene.consistent(A, &[&short, &long, &decoy]);
}

#[test]
fn attack_rebalancing_again_and_again_takes_no_more_than_is_missing() {
    // Less pool money than half of what was won: every call halves, and it ends where the market has what it owes.
    let (mut scene, [short, long], _) = exhausted(false);
    scene.drain(A, 500 * DOLLAR);
    let before = scene.won(&short, A);
    let mut calls = 0;
    while rebalance(&mut scene).is_ok() {
        calls += 1;
        assert!(calls < 10);
    }
    assert!(calls > 1);
    nearly(before - scene.won(&short, A), dollars(6_500));
    let book = scene.market(A).core.book;
    let equity = book.equity(scene.market(A).core.mark()).expect("equity").0;
    assert!((0..100).contains(&equity), "not a unit more than rounding: {equity}");
    // He is paid in full what is left, and nothing is left for nobody.
    scene.close(&long, A, u64::MAX).expect("close");
    scene.close(&short, A, u64::MAX).expect("close");
    nearly(scene.wealth([&short]), dollars(50_000 + 1_500));
    assert!(scene.market(A).core.book.unpaid_claims < 10_000, "but for what the average differs by");
}
