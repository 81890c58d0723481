//! Winners who leave before a loss is resolved keep what is theirs, are paid from what is there, and no more.

use bulwark_sdk::engine::units::Side;
use bulwark_tests::fixtures::DOLLAR;
use bulwark_tests::{Trader, World};

use crate::stage::market;
use crate::support::*;

const LOTS: u64 = 100 * ONE;

/// A long of the attacker loses 1,200 dollars of 700; four shorts of his and one of somebody else have won 300 each. The
/// long is closed out, nobody has resolved yet.
fn closed_out(tail: bool, cash: u64) -> (Scene, Vec<Trader>, Trader) {
    let mut scene = Scene::of(World::empty(), [market(tail); 2]);
    scene.fund_with(10_000, 0);
    let mut own = vec![scene.funded_trader(700 * DOLLAR)];
    scene.hold(&own[0], A, Side::Long, LOTS);
    for _ in 0..4 {
        let winner = scene.funded_trader(1_000 * DOLLAR);
        scene.hold(&winner, A, Side::Short, LOTS / 4);
        own.push(winner);
    }
    let honest = scene.funded_trader(1_000 * DOLLAR);
    scene.hold(&honest, A, Side::Short, LOTS / 4);
    scene.go(A, 11_300);
    scene.drain(A, cash * DOLLAR);
    scene.close_out(&own[0], None);
    (scene, own, honest)
}

#[test]
fn attack_several_winners_leave_in_the_transaction_that_resolves() {
    // The transaction closes all four and resolves. In a thin market they have left before the loss was known, so it falls on who
    // stays, half of his profit, then on the fund; together they have no more than the debt that their own loser leaves.
    for tail in [false, true] {
        let (mut scene, own, honest) = closed_out(tail, 4_000_000);
        let venue = scene.venue();
        let mut calls: Vec<_> = own[1..].iter().map(|w| scene.close_instruction(w, A, u64::MAX)).collect();
        let account = scene.margin(&own[0].margin);
        let margin = bulwark_sdk::instruction::Margin { address: own[0].margin, account: &account };
        calls.push(bulwark_sdk::instruction::resolve_bankruptcy(&scene.listings, margin, A).expect("builds"));
        let signers: Vec<_> = own[1..].iter().map(|w| &w.key).collect();
        let event = resolved(&scene.send(&calls, &signers).expect("in one transaction"));
        println!("tail {tail}: {event:?}");
        let gained = scene.wealth(&own) - dollars(4_700);
        nearly(gained, dollars(500));
        let lost = dollars(1_300) - scene.wealth([&honest]);
        nearly(lost, if tail { dollars(150) } else { 0 });
        nearly(event.reserve, if tail { 350 } else { 500 } * DOLLAR);
        // Nobody else pays anything, and the parts are the whole.
        nearly(gained - lost, i128::from(event.reserve));
        nearly(venue - scene.venue(), i128::from(event.reserve));
    }
}

#[test]
fn attack_a_winner_who_closes_in_the_slot_of_the_bankruptcy_is_not_paid_from_the_debt() {
    // The market has nothing but what the loser lost: 1,200, of which 500 are not paid. The first two who leave have 600, the
    // third 100 and a claim of 200, the fourth a claim of 300; a claim keeps its place and pays its part like a position.
    let (mut scene, own, honest) = closed_out(true, 0);
    nearly(scene.market(A).core.book.payable(), 700 * DOLLAR);
    for winner in &own[1..] {
        scene.close(winner, A, u64::MAX).expect("close");
    }
    let book = scene.market(A).core.book;
    assert_eq!(book.payable(), 0);
    nearly(book.unpaid_claims, 500 * DOLLAR);
    for (winner, expected) in own[1..].iter().zip([1_300, 1_300, 1_100, 1_000]) {
        nearly(scene.quote(winner), dollars(expected));
    }
    let event = scene.resolve(&own[0], A);
    // 800 dollars are still owed to winners: half of that at most.
    nearly(event.deleveraged, 400 * DOLLAR);
    nearly(event.reserve, 100 * DOLLAR);
    for (winner, expected) in own[1..].iter().zip([1_300, 1_300, 1_200, 1_150]) {
        let _ = scene.settle(&winner.margin, A);
        nearly(scene.wealth([winner]), dollars(expected));
    }
    nearly(scene.wealth([&honest]), dollars(1_150));
    // Two of his four have kept all, as the rules have it for who leaves before; the bound is the debt.
    assert!(scene.wealth(&own) - dollars(4_700) <= dollars(500));
    scene.consistent(A, &own.iter().chain([&honest]).collect::<Vec<_>>());
}
