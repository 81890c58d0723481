//! Who owes a market that settles: his losses, his collateral, his own claim, and a week of patience.

use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_tests::Trader;
use bulwark_tests::fixtures::{DOLLAR, PRINT};

use crate::settlement::{Scene, settled};
use crate::support::*;

const WEEK: i64 = 7 * 86_400;
/// What the loser of the scene has lost.
const LOST: i128 = 50_822_250;

/// The market settles and the loser has this much quote, and UNI as collateral.
fn scene(quote: i128, uni: u64) -> Scene {
    let mut scene = Scene::ruined(280 * DOLLAR);
    if uni > 0 {
        scene.stage.deposit_collateral(&scene.loser, TOKEN, uni).expect("collateral");
    }
    scene.stage.take_quote(&scene.loser.margin, 5_000_000_000 - quote);
    scene.ruin();
    scene
}

fn unbacked(scene: &Scene) -> u64 {
    scene.stage.market(A).core.book.unbacked
}

/// Pays both claims, the second first. What each got.
fn pay(scene: &mut Scene) -> [u64; 2] {
    let mut paid = [0; 2];
    for i in [1, 0] {
        let key = scene.winners[i].margin;
        paid[i] = settled(scene.stage.settle(&key, A)).claim_paid;
    }
    paid
}

/// Both got their part of so much.
fn pro_rata(paid: [u64; 2], claims: [u64; 2], there: u64) {
    let all: i128 = claims.iter().copied().map(i128::from).sum();
    for i in 0..2 {
        near(paid[i].into(), i128::from(claims[i]) * i128::from(there) / all, 2, "pro rata");
    }
}

#[test]
fn a_loser_who_goes_bankrupt_meanwhile_is_resolved_out_of_what_the_others_share() {
    let mut scene = scene(20_000_000, 0);
    scene.settle_all();
    let loser = scene.loser.margin;
    near(-scene.stage.quote(&loser), LOST - 20_000_000, 1, "owed");
    let (owed, cash) = (-scene.stage.quote(&loser), scene.cash());
    assert_eq!(i128::from(unbacked(&scene)), owed);
    let claims = scene.claims();
    for i in 0..2 {
        let key = scene.winners[i].margin;
        is(scene.stage.settle(&key, A), "ClaimsWait");
    }
    // The insurance fund pays its part first; nobody is unwound any more, and the pool has nothing here.
    let giver = scene.stage.trader(1_000 * DOLLAR);
    scene.stage.fund_insurance(&giver, 40 * DOLLAR).expect("fund_insurance");
    let outcome = scene.stage.resolve_bankruptcy(&loser, A).expect("resolve_bankruptcy");
    assert_eq!(outcome.events.len(), 1, "it settles already: {outcome:?}");
    let e = resolved(&outcome);
    assert_eq!(
        (i128::from(e.debt), e.reserve, e.deleveraged, e.fraction, e.unpaid),
        (owed, 10 * DOLLAR, 0, 0, 0)
    );
    assert_eq!(e.pool + e.traders, e.debt - e.reserve);
    assert_eq!((unbacked(&scene), scene.stage.quote(&loser)), (0, 0));
    assert_eq!(scene.cash(), cash - e.pool - e.traders);
    let there = scene.cash();
    let paid = pay(&mut scene);
    pro_rata(paid, claims, there);
    assert!(scene.cash() <= 2);
}

#[test]
fn whoever_owes_it_is_pressed_for_that_much_however_little() {
    // 30.82225 dollars: far below the thousand that the exchange lends.
    let mut scene = scene(20_000_000, 10 * ONE);
    scene.settle_all();
    let (loser, buyer) = (scene.loser.margin, scene.stage.funded_trader(10_000 * DOLLAR));
    let owed = -scene.stage.quote(&loser);
    near(owed, LOST - 20_000_000, 1, "owed");
    let (claims, cash) = (scene.claims(), scene.cash());
    is(scene.stage.resolve_bankruptcy(&loser, A), "NotBankrupt");
    is(scene.stage.liquidate_collateral(&buyer, &loser, TOKEN, u64::MAX), "Healthy");
    is(scene.stage.press_debtor(&buyer, (&loser, Some(B)), TOKEN, u64::MAX), "Healthy");
    let outcome = scene.stage.press_debtor(&buyer, (&loser, Some(A)), TOKEN, u64::MAX).expect("pressed");
    let Event::CollateralSold(e) = &outcome.events[0] else { panic!("{outcome:?}") };
    near(e.proceeds.into(), owed, 2, "what it owes");
    // At the price of the collateral, 112.3046875 less 0.2 %.
    near(e.amount.into(), owed * 1_024 * 1_000 / 115 / 998, 20, "UNI for it");
    assert!((0..=2).contains(&scene.stage.quote(&loser)));
    // The market learns of it when the account next meets it.
    let first = scene.winners[0].margin;
    is(scene.stage.settle(&first, A), "ClaimsWait");
    is(scene.stage.press_debtor(&buyer, (&loser, Some(A)), TOKEN, u64::MAX), "Healthy");
    let e = settled(scene.stage.settle(&loser, A));
    assert_eq!((e.loss, e.claim_paid), (0, 0));
    assert_eq!((unbacked(&scene), scene.cash()), (0, cash));
    pro_rata(pay(&mut scene), claims, cash);
}

#[test]
fn a_claim_is_set_off_against_what_its_holder_owes_here_before_the_others_are_paid() {
    // The first winner owes 20 dollars to this very market.
    let mut scene = Scene::ruined(300 * DOLLAR);
    let first = scene.winners[0].margin;
    scene.stage.take_quote(&first, 10_020_000_000);
    let owing = scene.stage.market(A).core.book.unbacked;
    scene.stage.owe(&first, A, Side::Long);
    assert_eq!(scene.stage.market(A).core.book.unbacked, owing + 20 * DOLLAR);
    scene.ruin();
    scene.settle_all();
    let (claims, cash) = (scene.claims(), scene.cash());
    let second = scene.winners[1].margin;
    is(scene.stage.settle(&second, A), "ClaimsWait");
    let e = settled(scene.stage.settle(&first, A));
    assert_eq!((e.claim_paid, e.forgone, scene.stage.quote(&first)), (20 * DOLLAR, 0, 0));
    assert_eq!(
        (scene.claim(0), scene.cash(), unbacked(&scene)),
        (claims[0] - 20 * DOLLAR, cash - 20 * DOLLAR, 0)
    );
    // What is left of it is a claim as any other.
    let (claims, cash) = (scene.claims(), scene.cash());
    let paid = pay(&mut scene);
    pro_rata(paid, claims, cash);
    assert_eq!(scene.stage.quote(&first), i128::from(paid[0]));
}

#[test]
fn a_debtor_who_can_not_be_made_to_pay_holds_the_others_up_for_a_week() {
    // His collateral finds no buyer. The market began to settle at the first second of the week.
    let mut scene = scene(20_000_000, 10 * ONE);
    let began = scene.stage.now();
    assert_eq!(scene.stage.market(A).core.settling_since, began);
    scene.settle_all();
    let (claims, cash, debt) = (scene.claims(), scene.cash(), unbacked(&scene));
    let first = scene.winners[0].margin;
    for seconds in [0, WEEK - 1, WEEK] {
        scene.stage.set_clock(began + seconds);
        is(scene.stage.settle(&first, A), "ClaimsWait");
    }
    scene.stage.set_clock(began + WEEK + 1);
    let paid = pay(&mut scene);
    pro_rata(paid, claims, cash - debt);
    assert!(scene.cash() >= debt && scene.cash() <= debt + 2, "what he owes is not there");
    // When he pays after all, it is the pool's.
    scene.stage.refresh();
    let buyer = scene.stage.funded_trader(10_000 * DOLLAR);
    let loser = scene.loser.margin;
    scene.stage.press_debtor(&buyer, (&loser, Some(A)), TOKEN, u64::MAX).expect("pressed");
    let allocate = bulwark_sdk::instruction::allocate_liquidity(&scene.stage.listings, A);
    is(scene.stage.send(std::slice::from_ref(&allocate), &[]), "Settling");
    scene.stage.settle(&loser, A).expect("nothing is held back any more");
    let (idle, left) = (scene.stage.pool().core.idle, scene.cash());
    scene.stage.send(&[allocate], &[]).expect("allocate_liquidity");
    assert_eq!((scene.cash(), scene.stage.pool().core.idle), (0, idle + left));
}

#[test]
fn an_open_position_holds_the_claims_up_until_anybody_settles_it() {
    let mut scene = Scene::new();
    let [first, second, loser, taker] = scene.holders().map(|t| t.margin);
    for key in [first, second, taker] {
        scene.stage.settle(&key, A).expect("settle_position");
    }
    scene.stage.advance(4 * WEEK);
    is(scene.stage.settle(&first, A), "ClaimsWait");
    scene.stage.settle(&loser, A).expect("for anyone to call");
    scene.stage.settle(&first, A).expect("paid");
}

/// A debtor without collateral who owes 30.82 dollars and holds DUO.
fn with_duo(price: i64) -> (Scene, Trader) {
    let mut scene = Scene::ruined(280 * DOLLAR);
    scene.stage.open(&scene.loser, B, Side::Long, 8 * ONE).expect("open");
    scene.stage.take_quote(&scene.loser.margin, 4_980_000_000);
    scene.ruin();
    scene.stage.settle_at(B, price);
    scene.settle_all();
    let loser = Trader { key: scene.loser.key.insecure_clone(), ..scene.loser };
    (scene, loser)
}

#[test]
fn his_profit_in_another_market_pays_what_he_owes() {
    // 8 DUO that won 12.5 dollars each: 100, of which 30.82225 are due.
    let (mut scene, loser) = with_duo(137 * PRINT + PRINT / 2);
    let (claims, cash) = (scene.claims(), scene.cash());
    let owed = -scene.stage.quote(&loser.margin);
    let equity = scene.stage.equity(&loser.margin);
    let e = settled(scene.stage.settle(&loser.margin, B));
    assert_eq!((i128::from(e.profit), e.loss, e.position_lots), (owed, 0, 8_000_000_000));
    assert_eq!(scene.stage.quote(&loser.margin), 0, "the rest stays in the position");
    assert_eq!(scene.stage.equity(&loser.margin), equity);
    scene.stage.settle(&loser.margin, A).expect("nothing is held back any more");
    pro_rata(pay(&mut scene), claims, cash);
    scene.stage.check_invariants(B, &[&scene.other, &loser]);
}

#[test]
fn without_profit_or_margin_he_is_liquidated_and_bankrupt() {
    // 8 DUO that lost 12.5 each.
    let (mut scene, loser) = with_duo(112 * PRINT + PRINT / 2);
    let claims = scene.claims();
    is(scene.stage.settle(&scene.winners[0].margin, A), "ClaimsWait");
    let e = settled(scene.stage.settle(&loser.margin, B));
    assert_eq!((e.profit, e.loss), (0, 0), "nobody waits there");
    scene.stage.liquidate(&scene.taker, &loser.margin, B, u64::MAX).expect("liquidate");
    let owed = -scene.stage.quote(&loser.margin);
    near(owed, 130_822_250 + 9_000, 10_000, "both losses");
    scene.stage.resolve_bankruptcy(&loser.margin, B).expect("for DUO the pool");
    near(-scene.stage.quote(&loser.margin), 30_822_250, 1, "left");
    let e = resolved(&scene.stage.resolve_bankruptcy(&loser.margin, A).expect("resolve_bankruptcy"));
    near(e.debt.into(), 30_822_250, 1, "for UNI those who wait");
    let there = scene.cash();
    pro_rata(pay(&mut scene), claims, there);
}

#[test]
fn a_claim_on_it_keeps_a_debt_elsewhere_from_being_resolved_until_all_positions_are_settled() {
    // The first winner owes 40 dollars for DUO; his claim of 50.83 is worth no more than what there is: 47 %.
    let mut scene = Scene::ruined(280 * DOLLAR);
    let first = scene.winners[0].margin;
    scene.stage.take_quote(&first, 10_040_000_000);
    scene.stage.owe(&first, B, Side::Long);
    scene.ruin();
    is(scene.stage.resolve_bankruptcy(&first, B), "NotBankrupt");
    // What the claim brings is not known before everything is settled.
    scene.stage.settle(&first, A).expect("settle_position");
    for left in [3, 2, 1] {
        assert_eq!(scene.stage.market(A).core.book.positions, left);
        is(scene.stage.resolve_bankruptcy(&first, B), "ClaimsWait");
        let key = scene.holders()[4 - left as usize].margin;
        scene.stage.settle(&key, A).expect("for anyone to call");
    }
    let (claims, cash) = (scene.claims(), scene.cash());
    let outcome = scene.stage.resolve_bankruptcy(&first, B).expect("resolve_bankruptcy");
    let Event::PositionSettled(e) = &outcome.events[0] else { panic!("{outcome:?}") };
    let part = i128::from(claims[0]) * i128::from(cash) / i128::from(claims[0] + claims[1]);
    near(e.claim_paid.into(), part, 1, "his part is paid first");
    near(resolved(&outcome).debt.into(), 40_000_000 - part, 1, "others pay the rest");
    assert!(!scene.stage.position(&first, A).is_open());
    let second = scene.winners[1].margin;
    let e = settled(scene.stage.settle(&second, A));
    near(e.claim_paid.into(), i128::from(cash) - part, 2, "the other one's part is what it was");
}

#[test]
fn what_a_settling_market_owes_backs_no_new_position_and_no_withdrawal() {
    // 10 DUO at 125 ask for 62.5 dollars and cost a bit of the curve; the position, and then the claim, is worth 50 or 60.
    for as_claim in [false, true] {
        let mut scene = Scene::new();
        if as_claim {
            scene.settle_all();
        }
        let who = scene.winners[0].margin;
        let worth = scene.stage.equity(&who) - scene.stage.quote(&who);
        assert!(worth > 50_000_000, "{worth}");
        for (left, enough) in [(62_000_000, false), (63_000_000, true)] {
            let mut scene = scene.fork();
            let surplus = scene.stage.quote(&who) - left;
            scene.stage.take_quote(&who, surplus);
            let call = scene.stage.open_instruction(&scene.winners[0], B, Side::Long, 10 * ONE);
            if enough {
                scene.stage.send(&[call], &[&scene.winners[0].key]).expect("on its quote alone");
                let all = scene.stage.withdraw(&scene.winners[0], 0, (scene.winners[0].tokens, 2 * DOLLAR));
                is(all, "InsufficientMargin");
            } else {
                let key = scene.winners[0].key.insecure_clone();
                refused(&mut scene.stage, call, &[&key], "InsufficientMargin", "on the claim");
            }
        }
    }
}
