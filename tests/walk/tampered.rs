//! The checks can fail: each case changes the chain behind the program's back, and the check that it is about
//! says so.

use bulwark_sdk::address;
use bulwark_sdk::engine::pool::TrancheKind;
use bulwark_sdk::engine::price::OracleState;
use bulwark_sdk::engine::units::{Price, Side};
use bulwark_sdk::program::state::{MarginAccount, Market, Pool, Vault};
use bulwark_tests::fixtures::{DOLLAR, address as made_up};
use bulwark_tests::walk::Walk;
use bulwark_tests::walk::checks::Broken;
use bulwark_tests::walk::stage::{ASSETS, MARKETS, SUBS, Stage};
use bulwark_tests::walk::step::{Flaw, Step, Trade};

/// Two actors, and their first accounts.
pub const ALICE: usize = 1;
pub const BOB: usize = 2;
pub const HERS: usize = ALICE * SUBS;
pub const HIS: usize = BOB * SUBS;
/// The first position of an account is in its first slot.
const SLOT: usize = 0;

pub const fn long(market: usize, lots: u64) -> Trade {
    Trade { market, side: Side::Long, lots, limit: None }
}

/// Takes a step that goes through and is found in order.
#[track_caller]
pub fn take(walk: &mut Walk, step: &Step) {
    let before = walk.coverage.accepted.values().sum::<u64>();
    assert_eq!(walk.take(step), []);
    assert_eq!(walk.coverage.accepted.values().sum::<u64>(), before + 1, "{step:?} is refused");
}

/// New prints of the first prices, taken in by markets and vaults.
pub fn refresh(walk: &mut Walk) {
    take(walk, &Step::Wait { seconds: 1 });
    for (market, asset) in ASSETS.iter().enumerate() {
        for source in 0..2 {
            take(walk, &Step::Print { market, source, price: asset.price, conf: 1, age: 0 });
        }
        take(walk, &Step::RefreshMarket { market });
        take(walk, &Step::RefreshVault { vault: market + 1 });
    }
}

/// Alice is long ten SOL, Bob has money, prices are fresh.
pub fn scene() -> Walk {
    let mut walk = Walk::new(0);
    for (actor, account) in [(ALICE, HERS), (BOB, HIS)] {
        let (vault, amount, flaw) = (0, 10_000 * DOLLAR, Flaw::None);
        take(&mut walk, &Step::Deposit { actor, account, vault, amount, flaw });
    }
    refresh(&mut walk);
    let order = long(0, 10 * ASSETS[0].one());
    take(&mut walk, &Step::Open { by: ALICE, account: HERS, order, flaw: Flaw::None });
    walk
}

/// Nothing is sent, but the check of this name fails.
#[track_caller]
pub fn found(walk: &mut Walk, name: &str) {
    found_after(walk, &Step::Wait { seconds: 0 }, |_| (), name);
}

/// The step goes through, something more happens, and the check of this name fails.
#[track_caller]
pub fn found_after(walk: &mut Walk, step: &Step, meddle: impl FnOnce(&mut Walk), name: &str) {
    let broken = broken_after(walk, step, meddle);
    assert!(broken.iter().any(|(check, _)| check.starts_with(name)), "{name} among {broken:#?}");
}

/// The step goes through and something more happens: what the checks find.
#[track_caller]
pub fn broken_after(walk: &mut Walk, step: &Step, meddle: impl FnOnce(&mut Walk)) -> Vec<Broken> {
    let refused = walk.coverage.refused.clone();
    let broken = walk.take_and(step, meddle);
    assert_eq!(walk.coverage.refused, refused, "{step:?} is refused");
    broken
}

pub fn market(walk: &mut Walk, market: usize, change: impl FnOnce(&mut Market)) {
    let key = walk.stage.keys[Stage::market(market)];
    walk.world.tamper::<Market>(&key, change);
}

pub fn pool(walk: &mut Walk, change: impl FnOnce(&mut Pool)) {
    walk.world.tamper::<Pool>(&address::pool(), change);
}

pub fn account(walk: &mut Walk, account: usize, change: impl FnOnce(&mut MarginAccount)) {
    let key = walk.stage.keys[Stage::margin(account)];
    walk.world.tamper::<MarginAccount>(&key, change);
}

#[test]
fn what_sends_nothing_or_is_refused_changes_nothing() {
    let mut walk = scene();
    pool(&mut walk, |pool| pool.sequence += 1);
    found(&mut walk, "a refusal changes nothing");
    market(&mut walk, 0, |m| m.sequence += 1);
    let broken = walk.take(&Step::OpenAccount { actor: ALICE, sub: 0 });
    assert!(broken.iter().any(|(name, _)| name.starts_with("a refusal")), "{broken:#?}");
    assert_eq!(walk.coverage.refused.len(), 1, "she has one already");
}

#[test]
fn a_unit_that_changes_hands_is_found_by_the_reference() {
    let mut walk = scene();
    account(&mut walk, HERS, |a| a.quote.0 += 1);
    account(&mut walk, HIS, |a| a.quote.0 -= 1);
    found(&mut walk, "the reference agrees");
}

#[test]
fn a_trade_that_its_account_does_not_show_is_found_by_the_reference() {
    let mut walk = scene();
    let step = Step::Close { by: ALICE, account: HERS, order: long(0, u64::MAX), flaw: Flaw::None };
    let meddle = |walk: &mut Walk| account(walk, HERS, |a| a.positions[SLOT].in_use = 1);
    found_after(&mut walk, &step, meddle, "the reference agrees");
}

#[test]
fn a_trade_that_somebody_else_signed_is_found() {
    let mut walk = scene();
    let step = Step::Close { by: ALICE, account: HERS, order: long(0, u64::MAX), flaw: Flaw::None };
    let meddle = |walk: &mut Walk| account(walk, HERS, |a| a.owner = made_up("Mallory"));
    found_after(&mut walk, &step, meddle, "who may, acts");
}

#[test]
fn a_unit_that_comes_from_nowhere_is_found_by_i1() {
    let mut walk = scene();
    pool(&mut walk, |pool| pool.core.idle += 1);
    found(&mut walk, "I1");
    let mut walk = scene();
    let vault = walk.stage.keys[Stage::vault(1)];
    walk.world.tamper::<Vault>(&vault, |vault| vault.core.recorded += 1);
    found(&mut walk, "I1");
}

#[test]
fn ladders_that_owe_other_than_positions_are_worth_are_found_by_i2() {
    let tampers: [fn(&mut Market); 2] = [|m| m.core.book.long.cost.0 += 1, |m| m.core.book.short.lots += 1];
    for tamper in tampers {
        let mut walk = scene();
        market(&mut walk, 0, tamper);
        found(&mut walk, "I2");
    }
}

#[test]
fn a_bucket_that_is_not_its_members_is_found_by_i3() {
    let tampers: [fn(&mut MarginAccount); 4] = [
        |account| account.positions[SLOT].bucket ^= 1,
        |account| account.positions[SLOT].lots.0 /= 2,
        |account| account.positions[SLOT].quote.0 -= 1,
        |account| account.positions[SLOT].side = Side::Short.to_byte(),
    ];
    for tamper in tampers {
        let mut walk = scene();
        account(&mut walk, HERS, tamper);
        found(&mut walk, "I3");
    }
}

#[test]
fn a_bound_that_leaves_a_member_out_is_found_by_i3() {
    let mut walk = scene();
    market(&mut walk, 0, |m| {
        for bucket in m.core.book.long.buckets.iter_mut().filter(|b| b.members > 0) {
            bucket.bound.0 -= 1;
        }
    });
    found(&mut walk, "I3");
}

#[test]
fn tokens_that_leave_without_a_withdrawal_are_found_by_i4() {
    let mut walk = scene();
    let [vault, wallet] = [Stage::vault_tokens(0), Stage::wallet(BOB, 0)].map(|place| walk.stage.keys[place]);
    walk.world.write_tokens(vault, |tokens| tokens.amount -= 5);
    walk.world.write_tokens(wallet, |tokens| tokens.amount += 5);
    found(&mut walk, "I4: money leaves");
}

#[test]
fn a_withdrawal_that_leaves_too_little_is_found_by_i4() {
    let mut walk = scene();
    let step = Step::Withdraw { by: ALICE, account: HERS, vault: 0, amount: DOLLAR, flaw: Flaw::None };
    let meddle = |walk: &mut Walk| account(walk, HERS, |a| a.quote.0 = DOLLAR as i64);
    found_after(&mut walk, &step, meddle, "I4: what is left");
}

#[test]
fn a_round_trip_that_costs_less_than_its_fees_is_found_by_i10() {
    let mut walk = scene();
    let step = Step::RoundTrip { account: HIS, order: long(0, 10 * ASSETS[0].one()) };
    let meddle = |walk: &mut Walk| account(walk, HIS, |a| a.quote.0 += DOLLAR as i64);
    found_after(&mut walk, &step, meddle, "I10");
}

#[test]
fn carry_that_the_pool_does_not_get_is_found_by_i11() {
    let mut walk = scene();
    market(&mut walk, 0, |m| m.core.book.long.lots += 1_000);
    assert_ne!(walk.take(&Step::Wait { seconds: 0 }), [], "totals and members differ from here on");
    market(&mut walk, 0, |m| m.core.book.long.carry.set("0.25".parse().expect("a number")));
    found(&mut walk, "I11");
}

#[test]
fn a_deposit_that_gets_too_many_shares_is_found_by_i12() {
    let step = Step::AddLiquidity {
        actor: BOB,
        tranche: TrancheKind::Junior,
        amount: 1_000 * DOLLAR,
        flaw: Flaw::None,
    };
    let meddle = |walk: &mut Walk| pool(walk, |pool| pool.core.idle -= 100);
    found_after(&mut scene(), &step, meddle, "I12: a deposit");
}

#[test]
fn shares_that_were_not_minted_are_found_by_i12() {
    let mut walk = scene();
    pool(&mut walk, |pool| pool.core.junior.shares += 1);
    found(&mut walk, "I12: shares");
}

#[test]
fn a_price_that_goes_back_in_time_or_changes_within_its_second_is_found_by_i13() {
    let tampers: [fn(&mut OracleState); 4] = [
        |oracle| oracle.publish_time -= 1,
        |oracle| oracle.primary_time -= 1,
        |oracle| oracle.publish_time += 1_000,
        |oracle| oracle.price = Price::from_bits(oracle.price.to_bits() + 1).expect("in range"),
    ];
    for tamper in tampers {
        let mut walk = scene();
        market(&mut walk, 0, |m| tamper(&mut m.core.oracle));
        found(&mut walk, "I13: time goes on");
    }
}

#[test]
fn a_price_that_was_not_to_be_used_is_found_by_i13() {
    let open = Step::Open { by: BOB, account: HIS, order: long(0, ASSETS[0].one()), flaw: Flaw::None };
    let close = Step::Close { by: ALICE, account: HERS, order: long(0, u64::MAX), flaw: Flaw::None };
    let withdraw = Step::Withdraw { by: ALICE, account: HERS, vault: 0, amount: DOLLAR, flaw: Flaw::None };
    let add =
        Step::AddLiquidity { actor: BOB, tranche: TrancheKind::Junior, amount: DOLLAR, flaw: Flaw::None };
    let wide: fn(&mut OracleState) = |oracle| oracle.conf = oracle.price.to_bits() / 50;
    let stale: fn(&mut OracleState) = |oracle| oracle.publish_time -= 61;
    let disputed: fn(&mut OracleState) = |oracle| oracle.divergent = 1;
    for (step, tamper) in [
        (open, wide),
        (open, stale),
        (open, disputed),
        (close, stale),
        (close, disputed),
        (withdraw, wide),
        (withdraw, stale),
        (add, wide),
        (add, disputed),
    ] {
        let meddle = |walk: &mut Walk| market(walk, 0, |m| tamper(&mut m.core.oracle));
        found_after(&mut scene(), &step, meddle, "I13: prices are used");
    }
}

#[test]
fn a_refusal_for_prices_that_are_good_is_found_by_i13() {
    let mut walk = scene();
    take(&mut walk, &Step::Wait { seconds: 100 });
    let open = Step::Open { by: BOB, account: HIS, order: long(0, ASSETS[0].one()), flaw: Flaw::None };
    assert_eq!(walk.take(&open), []);
    assert_eq!(walk.coverage.refused["PriceStale"], 1);
    let meddle = |walk: &mut Walk| {
        for index in 0..MARKETS {
            market(walk, index, |m| m.core.oracle.publish_time += 100);
        }
    };
    let broken = walk.take_and(&open, meddle);
    assert!(broken.iter().any(|(name, _)| name.starts_with("I13: prices")), "{broken:#?}");
}

#[test]
fn value_that_nobody_is_due_is_found_by_i16() {
    let tampers: [fn(&mut MarginAccount); 3] = [
        |account| account.positions[SLOT].quote.0 += 1,
        |account| account.quote.0 += 1,
        |account| account.quote.0 -= 1,
    ];
    for tamper in tampers {
        let mut walk = scene();
        account(&mut walk, HERS, tamper);
        found(&mut walk, "I16");
    }
}

#[test]
fn a_trade_that_gives_a_unit_too_much_is_found_by_i16() {
    let mut walk = scene();
    let step = Step::Close { by: ALICE, account: HERS, order: long(0, u64::MAX), flaw: Flaw::None };
    // The trade rounds up to three times against her: one unit may be hers after all, four are not.
    let meddle = |walk: &mut Walk| account(walk, HERS, |a| a.quote.0 += 4);
    found_after(&mut walk, &step, meddle, "I16");
}

#[test]
fn cash_that_nobody_lent_or_lost_is_found_by_i17() {
    let mut walk = scene();
    market(&mut walk, 1, |m| m.core.book.cash += 1);
    found(&mut walk, "I17");
}

#[test]
fn an_account_that_nobody_knows_is_found() {
    let mut walk = scene();
    walk.world.set_account(made_up("stray"), address::PROGRAM, vec![0; 16]);
    pool(&mut walk, |pool| pool.sequence += 1);
    found(&mut walk, "every account is known");
}
