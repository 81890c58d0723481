//! Debtors who are well are pressed by claims that wait, and claims can be made on purpose: what that costs whom.

use bulwark_sdk::engine::units::Side;
use bulwark_tests::Trader;
use bulwark_tests::fixtures::DOLLAR;

use crate::support::*;

const LOTS: u64 = 100 * ONE;

/// A has `cash` dollars. The attacker's short has won 1,500 dollars; the victim's long, on much gold and a hundred dollars, has
/// lost as much. The victim, the attacker's account with the short, and another one of his that buys.
fn opponents(cash: u64) -> (Scene, Trader, [Trader; 2]) {
    let mut scene = Scene::new(free());
    let victim = scene.with_gold(100, 1_000 * ONE);
    let own = [10_000, 100_000].map(|d| scene.funded_trader(d * DOLLAR));
    scene.hold(&victim, A, Side::Long, LOTS);
    scene.hold(&own[0], A, Side::Short, LOTS);
    scene.go(A, 11_000);
    scene.drain(A, cash * DOLLAR);
    (scene, victim, own)
}

#[test]
fn attack_a_claim_made_on_purpose_presses_a_healthy_trader_at_two_thousandths() {
    // He closes for more than the market has, settles the victim's loss, and buys its gold. The victim had to pay that loss some
    // day; what it loses is two thousandths of it, and the attacker gains no more than that.
    for cash in [0, 600, 1_200, 1_499] {
        let (mut scene, victim, own) = opponents(cash);
        let before = (scene.wealth([&victim]), scene.wealth(&own), scene.venue());
        scene.close(&own[0], A, u64::MAX).expect("close");
        let waits = 1_500 - cash;
        nearly(scene.market(A).core.book.unpaid_claims, waits * DOLLAR);
        refused(scene.press_debtor(&own[1], (&victim.margin, Some(A)), GOLD, u64::MAX), "Healthy");
        // However often: what waits is realised, and no more.
        for _ in 0..3 {
            scene.settle(&victim.margin, A).expect("realises the loss");
            nearly(scene.quote(&victim), dollars(100) - i128::from(waits) * dollars(1));
        }
        // 100 dollars were there: the claim can have them.
        scene.settle(&own[0].margin, A).expect("what can be paid");
        let book = scene.market(A).core.book;
        let waiting = book.unpaid_claims.saturating_sub(book.payable());
        let bought = scene.press_debtor(&own[1], (&victim.margin, Some(A)), GOLD, u64::MAX);
        let proceeds = match bought {
            Ok(outcome) => sold(&outcome).proceeds,
            Err(failure) => {
                assert!(failure.is("Healthy") && waiting == 0, "{failure:?}");
                0
            }
        };
        assert!(proceeds <= waiting + 1_000, "{proceeds} {waiting}");
        let gained = scene.wealth(&own) - before.1;
        println!("cash {cash}: {waiting} waits, {proceeds} sold, the attacker gained {gained}");
        assert!(gained <= i128::from(proceeds) / 498 + 1_000, "{gained}");
        assert!(before.0 - scene.wealth([&victim]) <= i128::from(proceeds) / 498 + 1_000);
        nearly(scene.venue(), before.2);
    }
}

#[test]
fn attack_pressing_takes_no_more_than_waits_and_not_twice() {
    // Below the threshold: the victim owes 900 dollars, 300 wait. Those are sold for, once, whoever calls how often.
    let (mut scene, victim, own) = opponents(1_100);
    scene.create_and_deposit(&victim, 500 * DOLLAR);
    scene.close(&own[0], A, u64::MAX).expect("close");
    nearly(scene.market(A).core.book.unpaid_claims, 400 * DOLLAR);
    // 400 wait and 600 are there: settling realises the 400, and nobody owes anything or is pressed.
    let mut settled = scene.fork();
    settled.settle(&victim.margin, A).expect("realises what waits");
    nearly(settled.quote(&victim), dollars(200));
    refused(settled.press_debtor(&own[1], (&victim.margin, Some(A)), GOLD, u64::MAX), "Healthy");
    // He closes on his own instead: 600 are paid at once, more than wait, and nobody is pressed either.
    scene.close(&victim, A, u64::MAX).expect("close");
    nearly(scene.quote(&victim), -dollars(900));
    refused(scene.press_debtor(&own[1], (&victim.margin, Some(A)), GOLD, u64::MAX), "Healthy");
    scene.drain(A, 1_000 * DOLLAR); // 900 of them owed
    let book = scene.market(A).core.book;
    let waiting = book.unpaid_claims - book.payable();
    nearly(waiting, 300 * DOLLAR);
    let before = scene.wealth([&victim]);
    let sale =
        sold(&scene.press_debtor(&own[1], (&victim.margin, Some(A)), GOLD, u64::MAX).expect("presses"));
    assert!(sale.proceeds <= waiting + 1 && sale.discount <= (1 << 32) / 500, "{sale:?}");
    // In pieces it is not more, and once the claims are paid there is nothing to press for.
    let mut sum = sale.proceeds;
    scene.settle(&victim.margin, A).expect("has repaid a part");
    scene.settle(&own[0].margin, A).expect("is paid");
    while let Ok(outcome) = scene.press_debtor(&own[1], (&victim.margin, Some(A)), GOLD, u64::MAX) {
        sum += sold(&outcome).proceeds;
        assert!(sum <= waiting + 100, "{sum}");
        scene.settle(&victim.margin, A).expect("settle");
        let _ = scene.settle(&own[0].margin, A);
    }
    assert!(before - scene.wealth([&victim]) <= i128::from(sum) / 498 + 2);
    nearly(scene.quote(&victim), -dollars(600));
}

#[test]
fn attack_a_trader_who_owes_nothing_here_is_not_pressed_here() {
    let (mut scene, victim, own) = opponents(0);
    // His debt is for B; claims wait on A.
    let other = scene.with_gold(100, 100 * ONE);
    scene.hold(&other, B, Side::Long, LOTS / 2);
    scene.go(B, 11_000);
    scene.close(&other, B, u64::MAX).expect("close");
    nearly(scene.quote(&other), -dollars(650));
    scene.close(&own[0], A, u64::MAX).expect("close");
    for market in [Some(A), Some(B), None] {
        refused(scene.press_debtor(&own[1], (&other.margin, market), GOLD, u64::MAX), "Healthy");
        refused(scene.press_debtor(&own[1], (&victim.margin, market), GOLD, u64::MAX), "Healthy");
    }
}

#[test]
fn attack_a_small_claim_made_on_purpose_presses_for_no_more_than_waits() {
    // The market lacks a dollar, the victim has lost 1,500. However often it is settled, the dollar is realised: it does not come
    // to owe more than the exchange lends, so nobody sells its gold for more than waits. With nothing of its own, and with
    // a hundred dollars.
    for quote in [0, 100] {
        small_claim(quote);
    }
}

fn small_claim(quote: u64) {
    let (mut scene, victim, own) = opponents(1_499);
    let had = scene.quote(&victim);
    // What is taken from the account is the market's, as from any other loss that is realised.
    let taken = had - i64::try_from(quote * DOLLAR).expect("fits");
    tamper_account(&mut scene, &victim, |a| a.quote.0 -= taken);
    scene.tamper::<bulwark_sdk::program::state::Pool>(&bulwark_sdk::address::pool(), |p| {
        p.core.idle += taken.unsigned_abs();
    });
    scene.close(&own[0], A, u64::MAX).expect("close");
    let waits = scene.market(A).core.book.unpaid_claims;
    nearly(waits, DOLLAR);
    let before = scene.gold(&victim);
    for _ in 0..40 {
        scene.settle(&victim.margin, A).expect("realises what waits");
        let _ = scene.press_debtor(&own[1], (&victim.margin, Some(A)), GOLD, u64::MAX);
    }
    let sold = (before - scene.gold(&victim)) / 8;
    nearly(scene.quote(&victim), i128::from(quote * DOLLAR) - i128::from(waits) + i128::from(sold));
    assert!(sold <= waits + DOLLAR, "{sold} sold, {waits} waited");
}
