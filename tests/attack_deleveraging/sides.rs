//! Which side lost decides which winners pay: nobody turns that round with a small loss on the other side, or by paying in
//! between two losses.

use bulwark_sdk::engine::units::Side;
use bulwark_sdk::program::events::BankruptcyResolved;
use bulwark_tests::Trader;
use bulwark_tests::fixtures::DOLLAR;

use crate::support::*;

const LOTS: u64 = 100 * ONE;

/// A thin market at 125 dollars with a long that has won 2,500 dollars, a short that has won 2,500, and the attacker with gold.
fn thin() -> (Scene, [Trader; 2], Trader) {
    let mut scene = Scene::of(bulwark_tests::World::empty(), [crate::stage::market(true); 2]);
    let [long, short] = [(); 2].map(|()| scene.funded_trader(50_000 * DOLLAR));
    scene.settle_at(A, 10_000);
    scene.hold(&long, A, Side::Long, LOTS);
    scene.settle_at(A, 15_000);
    scene.hold(&short, A, Side::Short, LOTS);
    scene.settle_at(A, 12_500);
    let own = scene.with_gold(1, 100 * ONE);
    (scene, [long, short], own)
}

/// A position of the attacker that loses about so many dollars; the price comes back.
fn lose(scene: &mut Scene, own: &Trader, side: Side, lots: u64, cents: i64) {
    scene.hold(own, A, side, lots);
    scene.go(A, if side == Side::Long { 12_500 - cents } else { 12_500 + cents });
    scene.close(own, A, u64::MAX).expect("close");
    scene.go(A, 12_500);
}

/// The gold turns to dust and somebody has it; then the market pays.
fn resolve(scene: &mut Scene, own: &Trader) -> BankruptcyResolved {
    scene.go(GOLD + 1, 30);
    let buyer = scene.funded_trader(1_000 * DOLLAR);
    while scene.margin(&own.margin).holds(GOLD) {
        scene.liquidate_collateral(&buyer, &own.margin, GOLD, u64::MAX).expect("in trouble");
        scene.wait(20);
    }
    scene.resolve(own, A)
}

#[test]
fn attack_small_losses_on_the_other_side_do_not_turn_the_waterfall_round() {
    // A long loses 500 dollars; short steps of 20 dollars before it, after it, or both.
    for (before, after) in [(0, 0), (5, 0), (0, 5), (10, 10)] {
        let (mut scene, [long, short], own) = thin();
        for _ in 0..before {
            lose(&mut scene, &own, Side::Short, 10 * ONE, 200);
        }
        lose(&mut scene, &own, Side::Long, LOTS, 500);
        for _ in 0..after {
            lose(&mut scene, &own, Side::Short, 10 * ONE, 200);
        }
        let won = [scene.won(&long, A), scene.won(&short, A)];
        let resolved = resolve(&mut scene, &own);
        assert_eq!(resolved.side, Side::Long.to_byte());
        let lost = [won[0] - scene.won(&long, A), won[1] - scene.won(&short, A)];
        assert_eq!(lost[0], 0, "{before} {after}: the longs have nothing to do with it");
        near(lost[1], i128::from(resolved.deleveraged));
        near(resolved.deleveraged, resolved.debt);
    }
}

#[test]
fn attack_the_side_turns_for_no_less_than_the_loss_itself() {
    // Whoever would rather have the longs pay has to lose more as a short than as a long, of his own: 501 after 500. He who
    // owns the short winner saves a part of 1,001 that way, and has lost 501 more for it.
    let (mut scene, [long, short], own) = thin();
    lose(&mut scene, &own, Side::Long, LOTS, 500);
    let mut cheap = scene.fork();
    let first = resolve(&mut cheap, &own);
    lose(&mut scene, &own, Side::Short, LOTS, 501);
    let won = [scene.won(&long, A), scene.won(&short, A)];
    let second = resolve(&mut scene, &own);
    assert_eq!((first.side, second.side), (0, 1));
    assert!(second.debt > 2 * first.debt, "{} {}", first.debt, second.debt);
    assert_eq!(won[1], scene.won(&short, A));
    near(won[0] - scene.won(&long, A), i128::from(second.debt));
}

#[test]
fn attack_a_deposit_between_two_losses_does_not_move_a_debt_to_the_other_side() {
    // He has a dollar. 500 lost as a long, 400 paid in, 300 lost as a short: 99 and 300 are owed, so the longs pay. Paid in
    // after both losses it counts for both: of 799 half is left.
    for (between, expected) in [(true, [99_000_000, 300_000_000]), (false, [249_187_735, 149_812_265])] {
        let (mut scene, _, own) = thin();
        lose(&mut scene, &own, Side::Long, LOTS, 500);
        if between {
            scene.create_and_deposit(&own, 400 * DOLLAR);
        }
        lose(&mut scene, &own, Side::Short, LOTS, 300);
        if !between {
            scene.create_and_deposit(&own, 400 * DOLLAR);
        }
        scene.settle(&own.margin, A).expect("brings the debt up to date");
        let [long, short] = scene.margin(&own.margin).debts.lost[usize::from(A)];
        near(long, expected[0]);
        near(short, expected[1]);
    }
}

#[test]
fn attack_small_steps_on_one_side_do_not_double_what_the_other_side_pays() {
    // What one side's winners have paid today does not count for the other side's limit: after thirty small bankruptcies of
    // shorts, which the longs pay, a large one of a long takes half of the shorts' profit and not more, as it does without them;
    // and the other way round.
    for large in Side::BOTH {
        let (scene, [long, short], _) = thin();
        let payers = if large == Side::Long { &short } else { &long };
        let mut lost = Vec::new();
        for steps in [0, 30] {
            let mut scene = scene.fork();
            for _ in 0..steps {
                let who = scene.bankrupt(A, large.opposite(), 40 * DOLLAR);
                near(scene.resolve(&who, A).deleveraged, 40 * DOLLAR);
                scene.refresh();
            }
            let before = scene.won(payers, A);
            nearly(before, dollars(2_500));
            let who = scene.bankrupt(A, large, 5_000 * DOLLAR);
            let event = scene.resolve(&who, A);
            lost.push(before - scene.won(payers, A));
            near(event.deleveraged, lost[lost.len() - 1]);
        }
        nearly(lost[0], dollars(1_250));
        near(lost[1], lost[0]);
    }
}
