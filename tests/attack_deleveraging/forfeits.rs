//! Claims on a market that settles, of an account that owes elsewhere: set off, paid, and forfeited in this order.

use bulwark_sdk::engine::settlement::PATIENCE;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_tests::Trader;
use bulwark_tests::fixtures::DOLLAR;

use crate::support::*;

const LOTS: u64 = 100 * ONE;

/// A settles at 110 dollars with 1,500 dollars for claims of 3,000: 750 of `debtor`, 1,500 of `own`, 750 of `honest`. The
/// debtor, whose claim is there already, has lost `lost` cents a unit on thirty in B beyond his thousand dollars.
struct Settling {
    scene: Scene,
    debtor: Trader,
    own: Trader,
    honest: Trader,
}

impl Settling {
    fn new(lost: i64) -> Self {
        let mut scene = Scene::new(free());
        scene.insure(B, 2_000 * DOLLAR);
        let [debtor, own, honest] = [1_000, 50_000, 50_000].map(|d| scene.funded_trader(d * DOLLAR));
        for (who, lots) in [(&debtor, LOTS), (&own, 2 * LOTS), (&honest, LOTS)] {
            scene.hold(who, A, Side::Short, lots);
        }
        scene.settle_at(A, 11_000);
        scene.drain(A, 1_500 * DOLLAR);
        scene.hold(&debtor, B, Side::Long, 30 * ONE);
        let loser = scene.bankrupt(A, Side::Long, 5_000 * DOLLAR);
        let event = scene.resolve(&loser, A);
        nearly(event.deleveraged, 3_000 * DOLLAR);
        assert!(scene.market(A).core.is_settling());
        nearly(scene.market(A).core.book.cash, 1_500 * DOLLAR);
        scene.settle(&debtor.margin, A).expect("its position");
        scene.go(B, 12_500 - lost);
        scene.close(&debtor, B, u64::MAX).expect("close");
        Self { scene, debtor, own, honest }
    }

    /// Everybody's position, then every claim that is left.
    fn settle_all(&mut self) {
        for _ in 0..2 {
            for who in [&self.debtor, &self.own, &self.honest] {
                let _ = self.scene.settle(&who.margin, A);
            }
        }
    }
}

#[test]
fn attack_no_claim_is_taken_for_one_unit_of_debt() {
    // The debtor owes 500 for B and claims 750 on A, at its face; half of that will be paid. Early nobody knows what
    // it will bring, and nothing is resolved; late, when his claim is due, it is paid first, and others pay what is left.
    let mut early = Settling::new(5_000);
    nearly(early.scene.quote(&early.debtor), -dollars(500));
    refused(early.scene.resolve_bankruptcy(&early.debtor.margin, B), "ClaimsWait");
    early.scene.wait(216_000);
    for who in [&early.own, &early.honest] {
        refused(early.scene.resolve_bankruptcy(&early.debtor.margin, B), "ClaimsWait");
        early.scene.settle(&who.margin, A).expect("its position");
    }
    let event = early.scene.resolve(&early.debtor, B);
    nearly(event.debt, 125 * DOLLAR);
    early.settle_all();
    for (who, expected) in [(&early.own, 50_750), (&early.honest, 50_375)] {
        nearly(early.scene.wealth([who]), dollars(expected));
    }
    // A debt of one unit more than nothing, with a claim that is due: paid, and no bankruptcy.
    let mut due = Settling::new(5_000);
    let quote = due.scene.quote(&due.debtor);
    due.scene.create_and_deposit(&due.debtor, quote.unsigned_abs() - 1);
    for who in [&due.own, &due.honest] {
        due.scene.settle(&who.margin, A).expect("its position");
    }
    refused(due.scene.resolve_bankruptcy(&due.debtor.margin, B), "NotBankrupt");
    due.settle_all();
    nearly(due.scene.wealth([&due.debtor]), dollars(375));
}

/// What `own` and `honest` have won, and what B paid, if somebody tries to resolve the debtor before the others are settled, or
/// nobody does; who is settled first.
fn resolved_when(early: bool, own_first: bool) -> [i128; 3] {
    let mut s = Settling::new(5_840);
    nearly(s.scene.quote(&s.debtor), -dollars(752));
    for own in [own_first, !own_first] {
        if early {
            refused(s.scene.resolve_bankruptcy(&s.debtor.margin, B), "ClaimsWait");
        }
        let who = if own { &s.own } else { &s.honest };
        s.scene.settle(&who.margin, A).expect("its position, for anyone to call");
    }
    let event = s.scene.resolve(&s.debtor, B);
    s.settle_all();
    let won = [&s.own, &s.honest].map(|who| s.scene.wealth([who]) - dollars(50_000));
    [won[0], won[1], i128::from(event.debt)]
}

#[test]
fn attack_resolving_before_others_are_settled_moves_nothing_to_them() {
    // The debtor owes two dollars more than the face of his claim, half of which will be paid. Resolved early he would lose that
    // half to the others who claim on A, and B would pay it for him: it is refused until all are settled.
    let outcomes = [false, true].map(|early| [false, true].map(|own| resolved_when(early, own)));
    println!("own, honest, paid by B: {outcomes:?}");
    for [own, honest, debt] in outcomes.into_iter().flatten() {
        nearly(own, dollars(750));
        nearly(honest, dollars(375));
        nearly(debt, dollars(377));
    }
    let [late, early] = outcomes.map(|[outcome, _]| outcome);
    for (early, late) in early.into_iter().zip(late) {
        assert!(early.abs_diff(late) <= 2, "{early} {late}");
    }
}

/// An account with gold that has turned to dust and is gone, which owes about 6,000 dollars for A and has a claim of 875 there;
/// A settles. The winner of the other claim.
fn with_set_off() -> (Scene, Trader, Trader) {
    let mut scene = Scene::new(free());
    let debtor = scene.with_gold(100, 1_000 * ONE);
    scene.hold(&debtor, A, Side::Long, 2 * LOTS);
    scene.settle_at(A, 9_500);
    scene.close(&debtor, A, u64::MAX).expect("close");
    nearly(scene.quote(&debtor), -dollars(5_900));
    let winner = scene.funded_trader(50_000 * DOLLAR);
    scene.hold(&debtor, A, Side::Short, LOTS / 2);
    scene.hold(&winner, A, Side::Short, 4 * LOTS);
    scene.settle_at(A, 6_000);
    scene.drain(A, 6_500 * DOLLAR);
    let loser = scene.bankrupt(A, Side::Long, 9_000 * DOLLAR);
    let event = scene.resolve(&loser, A);
    assert!(event.traders > 0 && scene.market(A).core.is_settling(), "{event:?}");
    for who in [&debtor, &winner] {
        scene.settle(&who.margin, A).expect("its position");
    }
    (scene, debtor, winner)
}

#[test]
fn attack_a_debt_is_resolved_after_it_was_set_off() {
    // Whoever resolves first, or settles first, or waits for the patience to end: the claim is set off in full against what its
    // holder owes there, and the tiers pay the rest.
    let (scene, debtor, winner) = with_set_off();
    let claim = scene.margin(&debtor.margin).positions[0].quote.0;
    let owed = scene.quote(&debtor);
    assert!(claim > 0 && owed < -claim, "{claim} {owed}");
    let mut results = Vec::new();
    for case in 0..3 {
        let mut scene = scene.fork();
        scene.go(GOLD + 1, 30);
        let buyer = scene.funded_trader(1_000 * DOLLAR);
        while scene.margin(&debtor.margin).holds(GOLD) {
            scene
                .press_debtor(&buyer, (&debtor.margin, Some(A)), GOLD, u64::MAX)
                .expect("whoever owes a market that settles sells");
            scene.wait(20);
        }
        let brought = scene.quote(&debtor) - owed;
        match case {
            0 => {}
            1 => drop(scene.settle(&debtor.margin, A).expect("sets off")),
            _ => scene.wait(u64::try_from(PATIENCE).expect("fits") * 5 / 2 + 10),
        }
        let outcome = scene.resolve_bankruptcy(&debtor.margin, A).expect("resolves");
        let forfeited = outcome.events.iter().any(|e| matches!(e, Event::ClaimForfeited(f) if f.claim > 0));
        assert!(!forfeited, "{case}");
        let event = resolved(&outcome);
        nearly(event.debt, i128::from(-owed - brought - claim));
        scene.settle(&winner.margin, A).expect("is paid");
        let book = scene.market(A).core.book;
        assert_eq!((book.unbacked, book.positions, book.unpaid_claims, scene.quote(&debtor)), (0, 0, 0, 0));
        results.push(scene.wealth([&winner]));
    }
    println!("the winner has {results:?}");
    assert!(results.iter().all(|r| r.abs_diff(results[0]) < 1_000), "{results:?}");
}
