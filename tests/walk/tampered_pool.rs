//! The checks on carry, volatility, limits, triggers and tickets can fail.

use bulwark_sdk::engine::pool::TrancheKind;
use bulwark_sdk::engine::trigger::{Trigger, TriggerKind};
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::program::state::{Market, RedeemTicket, Vault};
use bulwark_tests::fixtures::{DOLLAR, TRIGGER_FEE};
use bulwark_tests::walk::Walk;
use bulwark_tests::walk::stage::{ASSETS, NONCES, Stage};
use bulwark_tests::walk::step::{Flaw, Step, Trade, Wish};

use super::tampered::{
    ALICE, BOB, HERS, HIS, account, broken_after, found, found_after, long, market, pool, refresh, scene,
    take,
};

const JUNIOR: TrancheKind = TrancheKind::Junior;
const SENIOR: TrancheKind = TrancheKind::Senior;
const NONE: Flaw = Flaw::None;

/// Bob has junior and senior shares, and a ticket of half of each whose delay is over.
fn providing() -> Walk {
    let mut walk = scene();
    for (nonce, tranche) in [(0, JUNIOR), (1, SENIOR)] {
        take(&mut walk, &Step::AddLiquidity { actor: BOB, tranche, amount: 20_000 * DOLLAR, flaw: NONE });
        let shares = walk.stage.state(&walk.world).tokens(Stage::shares(BOB, tranche as usize)) / 2;
        take(&mut walk, &Step::RequestRedeem { actor: BOB, tranche, nonce, shares, flaw: NONE });
    }
    take(&mut walk, &Step::Wait { seconds: 3_600 });
    refresh(&mut walk);
    walk
}

const fn redeem(nonce: u64) -> Step {
    Step::Redeem { actor: BOB, nonce, least: 0, flaw: NONE }
}

fn ticket(walk: &mut Walk, nonce: usize, change: impl FnOnce(&mut RedeemTicket)) {
    let key = walk.stage.keys[Stage::ticket_place(BOB * NONCES + nonce)];
    walk.world.tamper::<RedeemTicket>(&key, change);
}

/// Alice waits with a take-profit of half her position, at the price that holds; Bob is the keeper.
fn waiting() -> Walk {
    let mut walk = scene();
    let price = walk.world.market(0).core.mark().to_bits();
    let expiry = walk.world.now() + 100;
    let order = Trade { market: 0, side: Side::Long, lots: 5 * ASSETS[0].one(), limit: None };
    let wish = Wish { kind: TriggerKind::TakeProfit, price, order, expiry };
    take(&mut walk, &Step::PlaceTrigger { by: ALICE, account: HERS, wish, flaw: NONE });
    walk
}

const EXECUTE: Step =
    Step::ExecuteTrigger { account: HERS, id: 1, keeper: Some(HIS), market: None, flaw: NONE };

#[test]
fn what_time_does_is_found_by_the_reference() {
    let tampers: [fn(&mut Market); 6] = [
        |m| m.core.carry.funding_rate += 1,
        |m| m.core.carry.borrow_ppm += 1,
        |m| m.core.volatility.drifting_mmf += 1,
        |m| m.core.volatility.sigma_ppm += 1,
        |m| m.core.volatility.imf_ppm -= 1,
        |m| m.core.carry.accrued_at -= 1,
    ];
    for tamper in tampers {
        let mut walk = scene();
        take(&mut walk, &Step::Wait { seconds: 60 });
        let price = ASSETS[0].price + ASSETS[0].price / 1_000;
        take(&mut walk, &Step::Print { market: 0, source: 0, price, conf: 1, age: 0 });
        let step = Step::RefreshMarket { market: 0 };
        found_after(&mut walk, &step, |walk| market(walk, 0, tamper), "the reference agrees");
    }
}

#[test]
fn variances_that_no_print_explains_are_found_by_the_reference() {
    for (index, change) in [(0, 1_000_000_000), (1, 1_000_000_000)] {
        let mut walk = scene();
        market(&mut walk, 0, |m| m.core.volatility.variances[index] += change);
        found(&mut walk, "the reference agrees");
    }
}

#[test]
fn a_margin_fraction_that_jumps_is_found() {
    let mut walk = scene();
    market(&mut walk, 0, |m| m.core.volatility.drifting_mmf += 1 << 20);
    found(&mut walk, "margin fractions drift slowly");
    let mut walk = scene();
    market(&mut walk, 0, |m| m.core.volatility.imf_ppm = m.core.volatility.mmf_ppm);
    found(&mut walk, "margin fractions drift slowly");
}

#[test]
fn what_leaves_unnoticed_by_the_limiter_is_found_by_the_reference() {
    let step = Step::Withdraw { by: BOB, account: HIS, vault: 0, amount: 100 * DOLLAR, flaw: NONE };
    let meddle = |walk: &mut Walk| {
        let key = walk.stage.keys[Stage::vault(0)];
        walk.world.tamper::<Vault>(&key, |vault| vault.core.outflow.anchor -= 1);
    };
    found_after(&mut scene(), &step, meddle, "the reference agrees");
}

#[test]
fn a_share_in_no_wallet_and_no_ticket_is_found_by_i12() {
    for nonce in 0..2 {
        let mut walk = providing();
        ticket(&mut walk, nonce, |ticket| ticket.core.shares += 1);
        found(&mut walk, "I12: shares");
        let mut walk = providing();
        pool(&mut walk, |pool| pool.core.senior.redeeming += 1);
        found(&mut walk, "I12: shares");
    }
}

#[test]
fn a_redemption_that_takes_from_the_others_is_found_by_i12() {
    for nonce in 0..2 {
        let meddle = |walk: &mut Walk| pool(walk, |pool| pool.core.idle -= 20 * DOLLAR);
        found_after(&mut providing(), &redeem(nonce), meddle, "I12: a way out");
    }
}

#[test]
fn a_ticket_paid_more_than_it_was_worth_is_found_by_i12() {
    let mut walk = providing();
    // Worth more now than at the request, and the ticket says that it always was.
    pool(&mut walk, |pool| pool.core.idle += 100_000 * DOLLAR);
    ticket(&mut walk, 0, |ticket| ticket.core.value += 100 * DOLLAR);
    found_after(&mut walk, &redeem(0), |_| (), "I12: a ticket");
}

#[test]
fn a_request_that_moves_money_is_found_by_i12() {
    let step = Step::RequestRedeem { actor: BOB, tranche: JUNIOR, nonce: 2, shares: 1_000_000, flaw: NONE };
    let meddle = |walk: &mut Walk| pool(walk, |pool| pool.core.idle -= 1);
    found_after(&mut providing(), &step, meddle, "I12: a way out");
    let step = Step::CancelRedeem { actor: BOB, nonce: 0, flaw: NONE };
    found_after(&mut providing(), &step, meddle, "I12: a way out");
}

#[test]
fn a_coupon_that_is_taken_back_is_found_by_i12() {
    let mut walk = providing();
    pool(&mut walk, |pool| pool.core.senior_index -= 1);
    found(&mut walk, "I12: a tranche");
}

#[test]
fn redemptions_that_somebody_else_signed_are_found() {
    let meddle = |walk: &mut Walk| {
        let owner = walk.stage.actors[ALICE];
        walk.stage.actors[BOB] = owner;
    };
    let mut walk = providing();
    let broken = broken_after(&mut walk, &redeem(0), meddle);
    assert!(!broken.is_empty(), "the provider is nobody that the stage knows");
}

#[test]
fn a_trigger_executed_short_of_its_price_is_found() {
    let meddle = |walk: &mut Walk| {
        market(walk, 0, |m| {
            let bits = m.core.oracle.price.to_bits() - 1;
            m.core.oracle.price = bulwark_sdk::engine::units::Price::from_bits(bits).expect("in range");
        });
    };
    found_after(&mut waiting(), &EXECUTE, meddle, "a trigger keeps its word");
    let broken = waiting().take(&EXECUTE);
    assert_eq!(broken, [], "it is in order otherwise");
}

#[test]
fn a_trigger_that_does_other_than_it_said_is_found() {
    let tampers: [fn(&mut Trigger); 2] = [
        |trigger| trigger.lots *= 2,
        |trigger| {
            (trigger.kind, trigger.limit_price) = (TriggerKind::Limit.to_byte(), u64::MAX);
        },
    ];
    for tamper in tampers {
        let mut walk = waiting();
        account(&mut walk, HERS, |a| tamper(&mut a.triggers[0]));
        found_after(&mut walk, &EXECUTE, |_| (), "a trigger keeps its word");
    }
}

#[test]
fn a_keeper_who_gets_more_or_less_than_the_fee_is_found() {
    for change in [-1, 1, TRIGGER_FEE.cast_signed()] {
        let meddle = |walk: &mut Walk| account(walk, HIS, |a| a.quote.0 += change);
        found_after(&mut waiting(), &EXECUTE, meddle, "a keeper gets the fee");
        let meddle = |walk: &mut Walk| account(walk, HIS, |a| a.quote.0 += change);
        found_after(&mut waiting(), &EXECUTE, meddle, "I16");
    }
}

#[test]
fn a_cancelled_trigger_that_changes_more_is_found() {
    let cancel = Step::CancelTrigger { by: ALICE, account: HERS, id: 1, flaw: NONE };
    let meddle = |walk: &mut Walk| market(walk, 0, |m| m.sequence += 1);
    found_after(&mut waiting(), &cancel, meddle, "a trigger is cancelled");
    let meddle = |walk: &mut Walk| account(walk, HERS, |a| a.triggers[0].id = 1);
    found_after(&mut waiting(), &cancel, meddle, "a trigger is cancelled");
}

#[test]
fn a_trade_that_was_quoted_otherwise_is_found() {
    let mut walk = scene();
    market(&mut walk, 0, |m| m.core.params.taker_fee_ppm += 1);
    let step = Step::Close { by: ALICE, account: HERS, order: long(0, u64::MAX), flaw: NONE };
    found_after(&mut walk, &step, |_| (), "a quote is what happens");
}

#[test]
fn a_trigger_cancelled_without_need_is_found() {
    let mut walk = waiting();
    // On the chain there is nothing to take profit of; before, as the check sees it, there was.
    let side = Side::Short.to_byte();
    account(&mut walk, HERS, |a| {
        a.triggers[0].side = side;
        a.triggers[0].limit_price = u64::MAX;
    });
    found_after(&mut walk, &EXECUTE, |_| (), "a trigger is cancelled for a reason");
}

#[test]
fn a_gate_that_is_shut_without_need_is_found_by_i12() {
    let mut walk = providing();
    // As the check sees it there is cash; on the chain there is almost none.
    pool(&mut walk, |pool| pool.core.idle = DOLLAR);
    found_after(&mut walk, &redeem(0), |_| (), "I12: a gate");
}
