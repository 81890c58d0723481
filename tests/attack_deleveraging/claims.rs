//! What a bankrupt is owed is paid to him once, before others pay for him.

use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::program::events::{BankruptcyResolved, ClaimForfeited};
use bulwark_tests::Trader;
use bulwark_tests::fixtures::DOLLAR;

use crate::support::*;

const LOTS: u64 = 100 * ONE;

/// An account with a claim of 1,500 dollars on A, which has `cash` dollars, that has lost 2,000 and `debt` more in B.
fn owed_and_owing(cash: u64, debt: i64) -> (Scene, Trader) {
    let mut scene = Scene::new(free());
    let who = scene.funded_trader(2_000 * DOLLAR);
    scene.hold(&who, A, Side::Long, LOTS);
    scene.settle_at(A, 14_000);
    scene.drain(A, 0);
    scene.close(&who, A, u64::MAX).expect("close");
    nearly(scene.market(A).core.book.unpaid_claims, 1_500 * DOLLAR);
    scene.hold(&who, B, Side::Long, LOTS);
    scene.go(B, 12_500 - 2_000 - debt);
    scene.close(&who, B, u64::MAX).expect("close");
    nearly(scene.quote(&who), -dollars(debt.into()));
    let pool = scene.pool().core.idle;
    scene.tamper::<bulwark_sdk::program::state::Market>(&bulwark_sdk::address::market(A), |m| {
        m.core.book.cash += cash * DOLLAR;
    });
    scene.tamper::<bulwark_sdk::program::state::Pool>(&bulwark_sdk::address::pool(), |p| {
        p.core.idle = pool - cash * DOLLAR;
    });
    (scene, who)
}

/// The resolution, and what was forfeited.
fn resolve(scene: &mut Scene, who: &Trader, market: u16) -> (BankruptcyResolved, Vec<ClaimForfeited>) {
    let outcome = scene.resolve_bankruptcy(&who.margin, market).expect("resolves");
    let forfeited = |e: &Event| if let Event::ClaimForfeited(e) = e { Some(e.clone()) } else { None };
    (resolved(&outcome), outcome.events.iter().filter_map(forfeited).collect())
}

#[test]
fn attack_37_a_claim_counts_once_in_a_bankruptcy() {
    // What A can pay is paid before B's tiers do; the rest of the claim is gone, and has been counted against nothing.
    for (cash, paid, lost) in [(0, 0, 1_500), (1_000, 1_000, 500), (1_500, 1_500, 0), (9_000, 1_500, 0)] {
        let (mut scene, who) = owed_and_owing(cash, 2_000);
        let (venue, wealth) = (scene.venue(), scene.wealth([&who]));
        let (event, forfeited) = resolve(&mut scene, &who, B);
        nearly(event.debt, (2_000 - paid) * DOLLAR);
        nearly(forfeited.iter().map(|f| f.claim).sum::<u64>(), lost * DOLLAR);
        assert_eq!(scene.quote(&who), 0);
        assert!(scene.margin(&who.margin).positions.iter().all(|p| !p.is_open()));
        let book = scene.market(A).core.book;
        nearly(book.cash, (cash - paid) * DOLLAR);
        assert_eq!((book.unpaid_claims, book.long.cost.0, book.long.buckets[64].members), (0, 0, 0));
        // What the account was worth below zero is what the venue has lost: 500 dollars, whatever was paid in which order.
        nearly(wealth, -dollars(500));
        nearly(venue - scene.venue(), dollars(500));
        refused(scene.resolve_bankruptcy(&who.margin, B), "NotBankrupt");
        refused(scene.settle(&who.margin, A), "NoPosition");
    }
}

#[test]
fn attack_a_claim_that_is_worth_the_debt_is_not_taken_for_it() {
    // 1,400 are owed and 1,500 claimed: nothing is resolved, however little of the claim can be paid now.
    for cash in [0, 1, 1_399] {
        let (mut scene, who) = owed_and_owing(cash, 1_400);
        refused(scene.resolve_bankruptcy(&who.margin, B), "NotBankrupt");
        // Paid in part, it still is worth as much as what is owed.
        if cash > 0 {
            scene.settle(&who.margin, A).expect("pays what there is");
            refused(scene.resolve_bankruptcy(&who.margin, B), "NotBankrupt");
        }
        nearly(scene.wealth([&who]), dollars(100));
    }
    // And when it can be paid, it is, by whoever likes; the account goes on with a hundred dollars.
    let (mut scene, who) = owed_and_owing(1_500, 1_400);
    refused(scene.resolve_bankruptcy(&who.margin, B), "NotBankrupt");
    scene.settle(&who.margin, A).expect("pays");
    nearly(scene.quote(&who), dollars(100));
    near(scene.market(A).core.book.unpaid_claims, 0);
}

#[test]
fn attack_a_claim_does_not_pay_in_two_markets() {
    // Debts in A and in B and one claim of 1,500 on A. What is paid of it lowers both debts once; the market that is resolved
    // second has no claim to pay with any more.
    for order in [[A, B], [B, A]] {
        let (mut scene, who) = owed_and_owing(1_000, 2_000);
        // 800 of the debt were lost in A.
        let moved = 800 * DOLLAR;
        let index = [A, B].map(usize::from);
        tamper_account(&mut scene, &who, |a| {
            a.debts.lost[index[1]][0] -= moved;
            a.debts.held[index[1]] -= moved;
            a.debts.lost[index[0]][0] += moved;
            a.debts.held[index[0]] += moved;
        });
        for (market, sign) in [(A, true), (B, false)] {
            scene.tamper::<bulwark_sdk::program::state::Market>(&bulwark_sdk::address::market(market), |m| {
                let book = &mut m.core.book;
                let change = |x: u64| if sign { x + moved } else { x - moved };
                (book.unbacked, book.cash) = (change(book.unbacked), change(book.cash));
            });
        }
        let venue = scene.venue();
        let all: u64 = order
            .into_iter()
            .filter_map(|m| scene.resolve_bankruptcy(&who.margin, m).ok())
            .map(|outcome| resolved(&outcome).debt)
            .sum();
        // A has 1,800 dollars, 800 of them his own debt: that is no reason not to pay him, so all of the claim is paid.
        nearly(all, 500 * DOLLAR);
        assert_eq!(scene.quote(&who), 0);
        nearly(venue - scene.venue(), dollars(500));
        for market in [A, B] {
            let book = scene.market(market).core.book;
            assert_eq!((book.unbacked, book.unpaid_claims), (0, 0), "{order:?} {market}");
        }
    }
}
