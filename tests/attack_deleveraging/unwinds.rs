//! Dust: many unwinds, settled at different times, leave nobody with more than his share, and nothing behind.

use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::instruction as ix;
use bulwark_tests::fixtures::DOLLAR;
use bulwark_tests::{Trader, World};

use crate::stage::market;
use crate::support::*;

/// Lots as odd as they can be, any number is an order.
const ODD: [u64; 5] = [7_000_000_003, 13_000_000_007, 1_000_000_009, 29_000_000_011, 500_000_017];

/// Five members of one bucket of a side that have won about 1,000 dollars together.
fn members(side: Side) -> (Scene, Vec<Trader>) {
    let odd = MarketParams { step: 1, min_notional: DOLLAR, ..market(true) };
    let mut scene = Scene::of(World::empty(), [odd; 2]);
    scene.settle_at(A, 12_903);
    let members: Vec<Trader> = ODD
        .into_iter()
        .map(|lots| {
            let who = scene.funded_trader(5_000 * DOLLAR);
            scene.hold(&who, A, side, lots);
            who
        })
        .collect();
    scene.settle_at(A, if side == Side::Long { 14_877 } else { 10_877 });
    (scene, members)
}

#[test]
fn attack_thirty_unwinds_settled_at_different_times_leave_equal_shares() {
    for side in Side::BOTH {
        let (mut scene, members) = members(side);
        let before: Vec<i128> = members.iter().map(|m| scene.won(m, A)).collect();
        let all: i128 = before.iter().sum();
        let (venue, wealth) = (scene.venue(), scene.wealth(&members));
        let (mut debts, mut surplus, mut pool) = (0, 0, 0);
        for n in 0..30_usize {
            // A hundredth of what was won at first each time: less than half in all. An odd number of units.
            let debt = u64::try_from(all / 100).expect("positive") + 1;
            let loser = scene.bankrupt(A, side.opposite(), debt);
            let event = scene.resolve(&loser, A);
            // The surplus of one pays the first units of the next; what rounding leaves falls to the pool.
            assert_eq!(event.deleveraged + event.insurance + event.pool, debt, "{event:?}");
            assert!(event.pool < 5, "{event:?}");
            pool += i128::from(event.pool);
            (debts, surplus) = (debts + i128::from(debt), surplus + i128::from(event.surplus));
            for (who, member) in members.iter().enumerate() {
                if n % (who + 1) == 0 && who != 4 {
                    scene.settle(&member.margin, A).expect("settle"); // one always, one never
                }
            }
            scene.refresh();
        }
        scene.consistent(A, &members.iter().collect::<Vec<_>>());
        // The same share of what each had won, to a unit for every unwind; never less than the debts.
        let left: i128 = members.iter().map(|m| scene.won(m, A)).sum();
        assert!(
            all - left >= debts && all - left <= debts + surplus + 30 * 5 * 3,
            "{all} {left} {debts} {surplus}"
        );
        for (member, before) in members.iter().zip(&before) {
            let fair = before * left / all;
            let rest = scene.won(member, A);
            assert!(rest.abs_diff(fair) <= 90, "{side:?}: {rest} is not {fair}");
        }
        near(scene.wealth(&members) - wealth, left - all);
        // The venue has what the winners lost.
        let gained = scene.venue() - venue - debts;
        println!(
            "{side:?}: the venue gained {gained} units in 30 unwinds of five members, after the pool paid {pool}"
        );
        assert!((0..450).contains(&(gained + pool)), "{gained} {pool}");

        // Everybody leaves: nothing stays behind in the ladder, the last one takes the dust out.
        for member in &members {
            scene.close(member, A, u64::MAX).expect("close");
        }
        let book = scene.market(A).core.book;
        let ladder = book.side(side);
        assert_eq!((ladder.lots, ladder.cost.0, book.positions, book.unpaid_claims), (0, 0, 0, 0));
        let end = scene.wealth(&members);
        // The curve gives back what it took when they came.
        assert!(end <= wealth - debts + pool + 300, "{end} {wealth} {debts} {pool}");
    }
}

#[test]
fn attack_unwinding_to_nothing_leaves_no_position_that_pays_or_owes() {
    // A day apart, until no lot is left that is worth anything: the account is not stuck, and is not paid for it.
    for side in Side::BOTH {
        let (mut scene, members) = members(side);
        let last = &members[4];
        for other in &members[..4] {
            scene.close(other, A, u64::MAX).expect("close");
        }
        let start = scene.wealth([last]);
        for _ in 0..40 {
            let won = scene.won(last, A);
            if won < 2 {
                break;
            }
            let loser = scene.bankrupt(A, side.opposite(), u64::try_from(won).expect("positive"));
            scene.resolve(&loser, A);
            let settled = scene.settle(&last.margin, A);
            assert!(settled.is_ok(), "{settled:?}");
            scene.wait(216_000);
        }
        println!("{side:?}: {} lots left, {} won", scene.lots(last, A), scene.won(last, A));
        let end = scene.wealth([last]);
        assert!(
            end <= start && end >= dollars(5_000) - 40,
            "{start} {end}: he keeps what he came with, but for dust"
        );
        if scene.lots(last, A) != 0 {
            scene.close(last, A, u64::MAX).expect("close");
        }
        let book = scene.market(A).core.book;
        let ladder = book.side(side);
        assert_eq!((ladder.lots, ladder.cost.0, book.positions, book.unpaid_claims), (0, 0, 0, 0));
        let rest = scene.quote(last).unsigned_abs();
        scene.withdraw(last, 0, (last.tokens, rest)).expect("withdraw");
        let close = ix::close_margin_account(bulwark_tests::Signer::pubkey(&last.key), last.margin);
        scene.send(&[close], &[&last.key]).expect("nothing is left of it");
    }
}

#[test]
fn attack_dust_of_unwinds_does_not_hold_up_a_market_that_settles() {
    // Winners that were unwound seven times, then the market settles: every claim is paid, the same part of what it is to a
    // unit, and what is left goes back to the pool.
    let (mut scene, members) = members(Side::Short);
    for n in 0..7 {
        let loser = scene.bankrupt(A, Side::Long, 10 * DOLLAR + n);
        scene.resolve(&loser, A);
    }
    scene.settle(&members[1].margin, A).expect("settle");
    scene.drain(A, 100 * DOLLAR);
    let loser = scene.bankrupt(A, Side::Long, 2_000 * DOLLAR);
    let event = scene.resolve(&loser, A);
    assert!(event.traders > 0 && scene.market(A).core.is_settling(), "{event:?}");
    let before: Vec<i64> = members.iter().map(|m| scene.quote(m)).collect();
    let allocate = ix::allocate_liquidity(&scene.listings, A);
    for member in &members {
        refused(scene.send(std::slice::from_ref(&allocate), &[]), "Settling");
        scene.settle(&member.margin, A).expect("its position");
    }
    let claims: Vec<i64> = members.iter().map(|m| scene.margin(&m.margin).positions[0].quote.0).collect();
    let cash = scene.market(A).core.book.cash;
    let (mut paid, mut all) = (0, 0);
    for ((member, before), claim) in members.iter().zip(before).zip(&claims) {
        scene.settle(&member.margin, A).expect("its claim");
        (paid, all) = (paid + scene.quote(member) - before, all + claim);
    }
    assert!(u64::try_from(paid).expect("paid") <= cash, "{paid} {cash}");
    for member in &members {
        assert_eq!(scene.margin(&member.margin).position(A), None);
    }
    println!("{paid} of {all} paid, {cash} there");
    let book = scene.market(A).core.book;
    assert_eq!((book.positions, book.unbacked, book.short.lots, book.short.cost.0), (0, 0, 0, 0));
    assert!(book.cash < 100, "{}", book.cash);
    if book.cash > 0 {
        scene.send(&[allocate], &[]).expect("the rest is the pool's");
    }
    assert_eq!(scene.market(A).core.book.cash, 0);
}
