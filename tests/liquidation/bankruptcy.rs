//! Who is bankrupt, for which market the waterfall runs, and what becomes of what he is owed.

use bulwark_sdk::address;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::state::Market;
use bulwark_tests::fixtures::{DOLLAR, PRINT};
use bulwark_tests::{Outcome, Signer as _, Trader};

use crate::support::*;

/// 125 dollars less 13/128: 100 UNI lose 1,269.53125, and lost 0.625 to the curve.
const CRASHED: i64 = 112 * PRINT + PRINT * 39 / 128;

/// A long of 100 UNI on 1,000 dollars after the crash, and who has taken it over; nobody else.
fn scene() -> (Stage, Trader, Trader) {
    let mut stage = Stage::new();
    let bankrupt = stage.holder(1_000, (A, Side::Long), 100 * ONE);
    let taker = stage.funded_trader(1_000_000 * DOLLAR);
    stage.settle_at(A, CRASHED);
    stage.take_over(&taker, &bankrupt, A, u64::MAX);
    assert_eq!(stage.quote(&bankrupt.margin), -270_156_250);
    (stage, bankrupt, taker)
}

/// Refuses, saying this.
#[track_caller]
fn not_bankrupt(stage: &mut Stage, who: &Trader, market: u16, why: &str) {
    let before = state(stage);
    let failure = stage.resolve_bankruptcy(&who.margin, market).expect_err(why);
    assert!(failure.is("NotBankrupt"), "{failure:?}");
    assert!(failure.logs.iter().any(|line| line.contains(why)), "{why}: {:?}", failure.logs);
    assert!(state(stage) == before);
}

#[test]
fn who_owes_nothing_or_still_has_something_is_not_bankrupt() {
    let (mut stage, bankrupt, taker) = scene();
    not_bankrupt(&mut stage, &taker, A, "it owes nothing");
    // A unit of collateral, worth nothing to speak of.
    let mut with = stage.fork();
    with.deposit_collateral(&bankrupt, TOKEN, 1).expect("anyone may give");
    not_bankrupt(&mut with, &bankrupt, A, "it holds collateral");
    // Repaid to the unit by somebody.
    let mut paid = stage.fork();
    paid.write_tokens(bankrupt.tokens, |t| t.amount = 270_156_250);
    paid.deposit(&bankrupt, 270_156_250).expect("deposit");
    not_bankrupt(&mut paid, &bankrupt, A, "it owes nothing");
    paid.settle(&bankrupt.margin, A).expect("the market holds nothing back any more");
    assert_eq!(paid.market(A).core.book.unbacked, 0);
    // With a position in another market.
    let mut stage = Stage::new();
    let victim = stage.holder(10_000, (A, Side::Long), 100 * ONE);
    stage.open(&victim, B, Side::Long, ONE).expect("open");
    stage.take_quote(&victim.margin, 9_000_000_000);
    let taker = stage.funded_trader(1_000_000 * DOLLAR);
    stage.settle_at(A, CRASHED);
    not_bankrupt(&mut stage, &victim, A, "it owes nothing");
    stage.take_over(&taker, &victim, A, u64::MAX);
    not_bankrupt(&mut stage, &victim, A, "it holds a position");
    stage.take_over(&taker, &victim, B, u64::MAX);
    assert_eq!(resolved(&stage.resolve_bankruptcy(&victim.margin, A).expect("now")).pool, 270_156_250);
}

#[test]
fn a_market_where_nothing_was_lost_does_not_pay() {
    let (mut stage, bankrupt, _) = scene();
    is(stage.resolve_bankruptcy(&bankrupt.margin, B), "NoDebtHere");
    stage.resolve_bankruptcy(&bankrupt.margin, A).expect("here");
    not_bankrupt(&mut stage, &bankrupt, A, "it owes nothing");
}

#[test]
fn it_needs_a_fresh_price_as_young_as_a_trades() {
    let (stage, bankrupt, _) = scene();
    let at = |change: &dyn Fn(&mut Stage)| {
        let mut stage = stage.fork();
        change(&mut stage);
        stage.resolve_bankruptcy(&bankrupt.margin, A).err().and_then(|failure| failure.name)
    };
    assert_eq!(at(&|s| s.advance(5)), None);
    assert_eq!(at(&|s| s.advance(6)).as_deref(), Some("PriceStale"));
    let wide = |s: &mut Stage| {
        s.advance(1);
        s.refresh_one(A, 2 * PRINT.unsigned_abs());
    };
    assert_eq!(at(&wide).as_deref(), Some("PriceWide"));
    let disputed = |s: &mut Stage| s.tamper::<Market>(&address::market(A), |m| m.core.oracle.divergent = 1);
    assert_eq!(at(&disputed).as_deref(), Some("PriceDivergent"));
}

/// Lost 270.15625 dollars for UNI beyond his money and then 469.15 dollars for DUO: 80 fell by 3/64.
fn twice() -> (Stage, Trader, Trader) {
    let mut stage = Stage::new();
    let bankrupt = stage.holder(20_000, (A, Side::Long), 100 * ONE);
    stage.open(&bankrupt, B, Side::Long, 80 * ONE).expect("open");
    stage.take_quote(&bankrupt.margin, 19_000_000_000);
    let taker = stage.funded_trader(1_000_000 * DOLLAR);
    stage.settle_at(A, CRASHED);
    stage.take_over(&taker, &bankrupt, A, u64::MAX);
    stage.settle_at(B, 119 * PRINT + PRINT * 9 / 64);
    stage.take_over(&taker, &bankrupt, B, u64::MAX);
    (stage, bankrupt, taker)
}

#[test]
fn two_markets_pay_in_proportion_to_what_was_lost_in_each() {
    let (mut stage, bankrupt, _) = twice();
    // 1,000 dollars were there: UNI took them and left 270.15625, DUO 468.75 and 0.4 of the curve.
    let debts = stage.margin(&bankrupt.margin).debts;
    assert_eq!(
        (debts.lost(0).expect("UNI"), debts.lost(1).expect("DUO"), debts.total),
        (270_156_250, 469_150_000, 739_306_250)
    );
    // Somebody repays 139.30625: 600 are owed, in the same proportion.
    stage.write_tokens(bankrupt.tokens, |t| t.amount = 139_306_250);
    stage.deposit(&bankrupt, 139_306_250).expect("deposit");
    let share = |lost: i128| lost * 600_000_000 / 739_306_250;
    for (first, second) in [(A, B), (B, A)] {
        let mut stage = stage.fork();
        let e = resolved(&stage.resolve_bankruptcy(&bankrupt.margin, first).expect("the first"));
        near(e.debt.into(), share(if first == A { 270_156_250 } else { 469_150_000 }), 1, "first");
        assert_eq!(stage.market(first).core.book.unbacked, 0);
        near(-stage.quote(&bankrupt.margin), 600_000_000 - i128::from(e.debt), 0, "left");
        is(stage.resolve_bankruptcy(&bankrupt.margin, first), "NoDebtHere");
        let e = resolved(&stage.resolve_bankruptcy(&bankrupt.margin, second).expect("the second"));
        near(e.debt.into(), share(if second == A { 270_156_250 } else { 469_150_000 }), 1, "second");
        assert_eq!(stage.quote(&bankrupt.margin), 0);
        assert!(stage.margin(&bankrupt.margin).debts.is_clear());
        let close = ix::close_margin_account(bankrupt.key.pubkey(), bankrupt.margin);
        stage.send(&[close], &[&bankrupt.key]).expect("an empty account");
    }
}

/// A debt of 270.15625 dollars for UNI, and a claim on DUO, whose market has nothing.
fn with_claim(duo: u64) -> (Stage, Trader, Trader, u64) {
    let mut stage = Stage::new();
    let who = stage.holder(20_000, (A, Side::Long), 100 * ONE);
    stage.open(&who, B, Side::Short, duo).expect("open");
    stage.take_quote(&who.margin, 19_000_000_000);
    let taker = stage.funded_trader(1_000_000 * DOLLAR);
    stage.settle_at(B, 120 * PRINT);
    stage.drain(B, 0);
    stage.close(&who, B, u64::MAX).expect("5 dollars won on each");
    let claim = stage.position(&who.margin, B);
    assert!(claim.is_claim());
    let won = u64::try_from(claim.quote.0).expect("a claim");
    near(won.into(), i128::from(duo) * 5 / 1_000, 20_000, "all that was won");
    (stage, who, taker, won)
}

fn names(outcome: &Outcome) -> Vec<&'static str> {
    let name = |event: &Event| match event {
        Event::PositionSettled(_) => "settled",
        Event::ClaimForfeited(_) => "forfeited",
        Event::BankruptcyResolved(_) => "resolved",
        Event::MarketSettling(_) => "settling",
        _ => "?",
    };
    outcome.events.iter().map(name).collect()
}

#[test]
fn what_he_is_owed_is_paid_as_far_as_it_can_be_and_the_rest_is_forfeited() {
    let (mut stage, who, taker, claim) = with_claim(10 * ONE);
    stage.settle_at(A, 112 * PRINT);
    stage.take_over(&taker, &who, A, u64::MAX);
    let owed = -stage.quote(&who.margin);
    assert!(owed > i128::from(claim), "{owed} owed, {claim} claimed");
    // The market of the claim gets 20 dollars.
    stage.drain(B, 20 * DOLLAR);
    let outcome = stage.resolve_bankruptcy(&who.margin, A).expect("resolve");
    assert_eq!(names(&outcome), ["settled", "forfeited", "resolved"]);
    let Event::PositionSettled(settled) = &outcome.events[0] else { panic!() };
    assert_eq!((settled.market, settled.claim_paid), (B, 20 * DOLLAR));
    let Event::ClaimForfeited(forfeited) = &outcome.events[1] else { panic!() };
    assert_eq!((forfeited.account, forfeited.market, forfeited.claim), (who.margin, B, claim - 20 * DOLLAR));
    assert_eq!(i128::from(resolved(&outcome).debt), owed - 20_000_000, "others pay the rest");
    let book = stage.market(B).core.book;
    assert_eq!((book.cash, book.unpaid_claims, book.short.cost.0), (0, 0, 0));
    assert_eq!((stage.position(&who.margin, B).is_open(), stage.quote(&who.margin)), (false, 0));
    stage.check_invariants(B, &[&who, &taker]);
}

#[test]
fn who_is_owed_as_much_as_he_owes_is_not_bankrupt() {
    let (mut stage, who, taker, claim) = with_claim(60 * ONE);
    stage.settle_at(A, CRASHED);
    stage.take_over(&taker, &who, A, u64::MAX);
    let owed = -stage.quote(&who.margin);
    assert!(owed < i128::from(claim), "{owed} owed, {claim} claimed");
    not_bankrupt(&mut stage, &who, A, "its claims are worth what it owes");
    // The claim pays the debt: the other market's cash arrives.
    stage.drain(B, claim);
    not_bankrupt(&mut stage, &who, A, "it owes nothing");
    stage.settle(&who.margin, B).expect("the claim is paid");
    assert_eq!(stage.quote(&who.margin), i128::from(claim) - owed);
    stage.settle(&who.margin, A).expect("and nothing held back");
    assert_eq!(stage.market(A).core.book.unbacked, 0);
}

#[test]
fn the_markets_of_his_claims_must_be_passed_and_writable() {
    let (mut stage, who, taker, _) = with_claim(10 * ONE);
    stage.settle_at(A, 112 * PRINT);
    stage.take_over(&taker, &who, A, u64::MAX);
    let account = stage.margin(&who.margin);
    let margin = ix::Margin { address: who.margin, account: &account };
    let call = ix::resolve_bankruptcy(&stage.listings, margin, A).expect("builds");
    assert_eq!(call.accounts.len(), 4);
    let mut missing = call.clone();
    missing.accounts.truncate(3);
    refused(&mut stage, missing, &[], "AccountMissing", "no market of the claim");
    let mut read = call.clone();
    read.accounts[3].is_writable = false;
    refused(&mut stage, read, &[], "WrongAccount", "read-only");
    for (key, name) in [
        (address::market(A), "DuplicateAccount"),
        (taker.margin, "WrongAccount"),
        (address::pool(), "WrongAccount"),
        (stage.listings.vaults[0].token_account, "WrongAccount"),
    ] {
        let mut other = call.clone();
        other.accounts[3].pubkey = key;
        refused(&mut stage, other, &[], name, "another account");
    }
    stage.send(&[call], &[]).expect("as it should be");
}
