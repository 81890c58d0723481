//! The checks on liquidation, deleveraging, the waterfall and the backstop can fail.

use bulwark_sdk::address;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::program::state::{InsuranceFund, UnstakeTicket};
use bulwark_tests::fixtures::DOLLAR;
use bulwark_tests::walk::Walk;
use bulwark_tests::walk::stage::{ASSETS, NONCES, Stage, TWO_SOURCES};
use bulwark_tests::walk::step::{Flaw, Step, Taking, Trade};

use super::tampered::{ALICE, BOB, HERS, HIS, account, found, found_after, market, scene, take};

const NONE: Flaw = Flaw::None;
const SOL: usize = 0;

fn fund(walk: &mut Walk, change: impl FnOnce(&mut InsuranceFund)) {
    walk.world.tamper::<InsuranceFund>(&address::insurance_fund(), change);
}

/// Prints and takes in a price of a market, in per mille of the first.
fn quote(walk: &mut Walk, market: usize, permille: i64) {
    for (each, asset) in ASSETS.iter().enumerate() {
        let permille = if each == market { permille } else { 1_000 };
        let price = asset.price / 1_000 * permille;
        for source in 0..2 {
            take(walk, &Step::Print { market: each, source, price, conf: 1, age: 0 });
        }
        take(walk, &Step::RefreshMarket { market: each });
    }
}

fn deposit(walk: &mut Walk, actor: usize, account: usize, dollars: u64) {
    take(walk, &Step::Deposit { actor, account, vault: 0, amount: dollars * DOLLAR, flaw: NONE });
}

fn open(walk: &mut Walk, (by, account): (usize, usize), market: usize, side: Side, dollars: u64) {
    let step = if market == TWO_SOURCES { 1 } else { ASSETS[market].one() / 1_000 };
    let lots = ASSETS[market].lots_worth(dollars) / step * step;
    take(walk, &Step::Open { by, account, order: Trade { market, side, lots, limit: None }, flaw: NONE });
}

/// Carol is long with little margin and below her requirement; Bob has money.
fn distressed() -> (Walk, usize) {
    let mut walk = scene();
    let (carol, hers) = (3, 6);
    deposit(&mut walk, carol, hers, 130);
    open(&mut walk, (carol, hers), SOL, Side::Long, 1_500);
    take(&mut walk, &Step::Wait { seconds: 1 });
    quote(&mut walk, SOL, 935);
    (walk, hers)
}

/// Bob is short in the thin market and bankrupt; Alice, who is long there, has won.
fn bankrupt() -> Walk {
    let mut walk = scene();
    deposit(&mut walk, ALICE, HERS, 60_000);
    open(&mut walk, (ALICE, HERS), TWO_SOURCES, Side::Long, 60_000);
    open(&mut walk, (BOB, HIS), TWO_SOURCES, Side::Short, 60_000);
    take(&mut walk, &Step::Wait { seconds: 1 });
    quote(&mut walk, TWO_SOURCES, 1_600);
    for _ in 0..6 {
        let step = Step::LiquidateToPool { account: HIS, market: TWO_SOURCES, keeper: None, flaw: NONE };
        take(&mut walk, &step);
        take(&mut walk, &Step::Slots { slots: 10 });
        quote(&mut walk, TWO_SOURCES, 1_600);
    }
    walk
}

const RESOLVE: Step = Step::Resolve { account: HIS, market: TWO_SOURCES, flaw: NONE };

#[test]
fn a_fill_that_takes_too_much_is_found_by_i7() {
    let (mut walk, hers) = distressed();
    let step = Step::LiquidateToPool { account: hers, market: SOL, keeper: Some(HIS), flaw: NONE };
    found_after(&mut walk, &step, |walk| account(walk, hers, |a| a.quote.0 -= 10 * DOLLAR as i64), "I7");
    let (mut walk, hers) = distressed();
    let order = Taking { market: SOL, lots: u64::MAX, limit: None };
    let step = Step::Liquidate { by: BOB, liquidator: HIS, account: hers, order, flaw: NONE };
    let meddle = |walk: &mut Walk| account(walk, hers, |a| a.quote.0 -= 10 * DOLLAR as i64);
    found_after(&mut walk, &step, meddle, "I7");
}

#[test]
fn a_concession_that_nobody_offered_is_found_by_the_reference_and_by_i16() {
    for name in ["the reference agrees", "I16"] {
        let (mut walk, hers) = distressed();
        let order = Taking { market: SOL, lots: u64::MAX, limit: None };
        let step = Step::Liquidate { by: BOB, liquidator: HIS, account: hers, order, flaw: NONE };
        let meddle = |walk: &mut Walk| account(walk, HIS, |a| a.quote.0 += 5);
        found_after(&mut walk, &step, meddle, name);
    }
}

#[test]
fn an_auction_that_did_not_begin_is_found_by_the_reference() {
    let (mut walk, hers) = distressed();
    let order = Taking { market: SOL, lots: 0, limit: None };
    let step = Step::Liquidate { by: BOB, liquidator: HIS, account: hers, order, flaw: NONE };
    let meddle = |walk: &mut Walk| account(walk, hers, |a| a.auction.started -= 10);
    found_after(&mut walk, &step, meddle, "the reference agrees");
}

#[test]
fn a_refusal_of_what_was_due_is_found() {
    let (mut walk, hers) = distressed();
    account(&mut walk, hers, |a| a.quote.0 += 1_000 * DOLLAR as i64);
    let step = Step::LiquidateToPool { account: hers, market: SOL, keeper: None, flaw: NONE };
    let broken = walk.take(&step);
    assert!(broken.iter().any(|(name, _)| name.starts_with("a liquidation is refused")), "{broken:#?}");
}

#[test]
fn equity_that_deleveraging_takes_is_found_by_i5() {
    let mut walk = scene();
    deposit(&mut walk, BOB, HIS, 20_000);
    open(&mut walk, (BOB, HIS), SOL, Side::Long, 160_000);
    take(&mut walk, &Step::Wait { seconds: 1 });
    quote(&mut walk, SOL, 1_000);
    for _ in 0..5 {
        take(&mut walk, &Step::Slots { slots: 20 });
        quote(&mut walk, SOL, 1_000);
    }
    let step = Step::Deleverage { account: HIS, market: SOL, keeper: None, flaw: NONE };
    found_after(&mut walk, &step, |walk| account(walk, HIS, |a| a.quote.0 -= DOLLAR as i64), "I5");
}

#[test]
fn a_winner_who_loses_more_than_his_share_is_found_by_i6() {
    let lose = |walk: &mut Walk| {
        account(walk, HERS, |a| {
            let thin = a.positions.iter_mut().find(|p| usize::from(p.market) == TWO_SOURCES && p.is_open());
            thin.expect("a position").quote.0 -= 100 * DOLLAR as i64;
        });
    };
    found_after(&mut bankrupt(), &RESOLVE, lose, "I6");
}

#[test]
fn a_tier_that_pays_before_its_turn_is_found_by_i8() {
    let meddle = |walk: &mut Walk| market(walk, TWO_SOURCES, |m| m.core.params.waterfall.tail = 0);
    found_after(&mut bankrupt(), &RESOLVE, meddle, "I8");
}

#[test]
fn a_debt_that_its_market_forgets_is_found_by_i17() {
    let mut walk = bankrupt();
    market(&mut walk, TWO_SOURCES, |m| m.core.book.unbacked -= 1);
    found(&mut walk, "I17: debts");
    let mut walk = bankrupt();
    account(&mut walk, HIS, |a| a.quote.0 -= 1);
    found(&mut walk, "I17: debts");
}

#[test]
fn stake_that_is_not_counted_is_found_by_i15() {
    let tampers: [fn(&mut InsuranceFund); 2] =
        [|fund| fund.core.backstop.active.shares += 1, |fund| fund.core.backstop.cooling.shares += 1];
    for tamper in tampers {
        let mut walk = scene();
        fund(&mut walk, tamper);
        found(&mut walk, "I15");
    }
}

#[test]
fn stake_that_leaves_with_more_than_its_worth_is_found_by_i12() {
    let mut walk = scene();
    take(&mut walk, &Step::Stake { actor: BOB, amount: 1_000 * DOLLAR, flaw: NONE });
    let shares = 500 * DOLLAR;
    take(&mut walk, &Step::RequestUnstake { actor: BOB, nonce: 0, shares, flaw: NONE });
    take(&mut walk, &Step::Wait { seconds: 14 * 86_400 });
    // What his ticket was worth is more than what it is: a slash that the ticket forgot.
    let ticket = walk.stage.keys[Stage::unstake_place(BOB * NONCES)];
    walk.world.tamper::<UnstakeTicket>(&ticket, |t| t.core.value += 100);
    let step = Step::Unstake { actor: BOB, nonce: 0, least: 0, flaw: NONE };
    let meddle = |walk: &mut Walk| fund(walk, |fund| fund.core.backstop.active.value -= 100);
    found_after(&mut walk, &step, meddle, "I12: a stake");
}

#[test]
fn a_bankruptcy_that_no_call_resolves_would_be_found_by_i14() {
    let mut walk = bankrupt();
    let helped = bulwark_tests::walk::rescue::i14_everybody_can_be_helped(&walk.world, &walk.stage);
    assert!(helped.is_ok_and(|rounds| rounds > 0));
    // Without a debt that a market knows of, nobody pays.
    account(&mut walk, HIS, |a| {
        a.debts.lost = [[0; 2]; 32];
        a.debts.held = [0; 32];
        a.debts.total = 0;
    });
    let helped = bulwark_tests::walk::rescue::i14_everybody_can_be_helped(&walk.world, &walk.stage);
    assert!(helped.is_err_and(|text| text.starts_with("nothing helps")));
}
