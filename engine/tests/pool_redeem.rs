//! The way out of the pool by hand: delay, fee, and each gate at its boundary.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::EngineError;
use bulwark_engine::pool::TrancheKind::{Junior, Senior};
use bulwark_engine::pool::{Nav, Pool, PoolParams, RedeemReport, Ticket, Tranche, TrancheKind};
use model::pool::{NOW, TRANCHED, filled, leave};

/// When a ticket of [`NOW`] is due by default.
const DUE: i64 = NOW + 86_400;

fn at(pool: &Pool) -> Nav {
    Nav::of_pool(pool)
}

#[test]
fn a_ticket_is_paid_within_its_window_only_and_a_part_payment_opens_a_new_one() {
    let mut pool = filled(&PoolParams::DEFAULT, 10_000, 0);
    let ticket = pool.request(Junior, 4_000, &at(&pool), NOW).unwrap();
    let last = DUE + i64::from(PoolParams::DEFAULT.redeem_window);
    assert!({ pool }.redeem(Junior, &mut { ticket }, &at(&pool), last).is_ok());
    assert_eq!(
        { pool }.redeem(Junior, &mut { ticket }, &at(&pool), last + 1),
        Err(EngineError::RedeemTooLate)
    );
    assert_eq!([pool.is_over(&ticket, last), pool.is_over(&ticket, last + 1)], [false, true]);
    // The vault lets a thousand go, the rest waits for its own window.
    let tight = Nav { releasable: 1_000, ..at(&pool) };
    let mut ticket = ticket;
    assert_eq!(pool.redeem(Junior, &mut ticket, &tight, last).unwrap().paid, 1_000);
    assert_eq!((ticket.shares, pool.is_over(&ticket, last + 1)), (3_000, false));
    assert_eq!(pool.redeem(Junior, &mut ticket, &at(&pool), last + 21_600).unwrap().paid, 3_000);
}

#[test]
fn only_a_tenth_of_the_ticket_opens_a_new_window() {
    for (shares, part, renews) in
        [(4_000, 399, false), (4_000, 400, true), (4_001, 400, false), (4_001, 401, true), (9, 1, true)]
    {
        let mut pool = filled(&PoolParams::DEFAULT, 10_000, 0);
        let mut ticket = pool.request(Junior, shares, &at(&pool), NOW).unwrap();
        let last = DUE + i64::from(PoolParams::DEFAULT.redeem_window);
        let tight = Nav { releasable: part, ..at(&pool) };
        let report = pool.redeem(Junior, &mut ticket, &tight, last).unwrap();
        assert_eq!((report.shares, ticket.shares), (part, shares - part), "paid either way");
        assert_eq!(ticket.requested_at, if renews { last - (DUE - NOW) } else { NOW });
        assert_eq!(pool.is_over(&ticket, last + 1), !renews, "{part} of {shares}");
    }
}

/// A unit now and then renews nothing: the window ends when it would have.
#[test]
fn crumbs_do_not_keep_a_ticket_alive() {
    let mut pool = filled(&PoolParams::DEFAULT, 1_000_000, 0);
    let mut ticket = pool.request(Junior, 1_000_000, &at(&pool), NOW).unwrap();
    let last = DUE + i64::from(PoolParams::DEFAULT.redeem_window);
    for now in [DUE, DUE + 1, last - 1, last] {
        let crumb = Nav { releasable: 1, ..at(&pool) };
        assert_eq!(pool.redeem(Junior, &mut ticket, &crumb, now).unwrap().paid, 1);
    }
    let late = pool.redeem(Junior, &mut { ticket }, &at(&pool), last + 1);
    assert_eq!((late, pool.is_over(&ticket, last + 1)), (Err(EngineError::RedeemTooLate), true));
    assert_eq!(pool.cancel(Junior, &mut ticket, last + 1), Ok(999_996));
}

#[test]
fn what_may_leave_the_vault_is_a_gate_with_a_number() {
    let mut pool = filled(&PoolParams::DEFAULT, 10_000, 0);
    let mut ticket = pool.request(Junior, 4_000, &at(&pool), NOW).unwrap();
    let shut = Nav { releasable: 0, ..at(&pool) };
    let error = EngineError::OutflowLimit { amount: 4_000, available: 0 };
    assert_eq!(pool.redeem(Junior, &mut ticket, &shut, DUE), Err(error));
}

#[test]
fn a_ticket_waits_for_its_delay_and_is_paid_the_lower_value() {
    let mut pool = filled(&PoolParams::DEFAULT, 10_000, 0);
    let mut ticket = pool.request(Junior, 4_000, &at(&pool), NOW).unwrap();
    assert_eq!(ticket, Ticket { shares: 4_000, value: 4_000, requested_at: NOW });
    assert_eq!(pool.junior, Tranche { shares: 10_000, redeeming: 4_000 });
    assert_eq!(pool.pending(&at(&pool)), Ok(4_000));
    let error = EngineError::InsufficientBalance { balance: 6_000, needed: 6_001 };
    assert_eq!({ pool }.request(Junior, 6_001, &at(&pool), NOW), Err(error));
    let error = EngineError::RedeemTooEarly { seconds_left: 1 };
    assert_eq!({ pool }.redeem(Junior, &mut { ticket }, &at(&pool), DUE - 1), Err(error));
    // Twice as much now: the value at the request. Half: half.
    for (idle, paid) in [(20_000, 4_000), (5_000, 2_000)] {
        let mut pool = Pool { idle, ..pool };
        let mut ticket = ticket;
        let report = pool.redeem(Junior, &mut ticket, &at(&pool), DUE).unwrap();
        assert_eq!(report, RedeemReport { shares: 4_000, value: paid, fee: 0, paid });
        assert_eq!((pool.idle, pool.junior), (idle - paid, Tranche { shares: 6_000, redeeming: 0 }));
        assert_eq!((ticket.shares, ticket.value), (0, 0));
        assert_eq!(pool.redeem(Junior, &mut ticket, &at(&pool), DUE), Err(EngineError::ZeroAmount));
    }
    assert_eq!(pool.cancel(Junior, &mut ticket, NOW + 3_600), Ok(4_000));
    assert_eq!((pool.junior.redeeming, ticket), (0, Ticket::default()));
    assert_eq!(pool.cancel(Junior, &mut ticket, NOW + 3_600), Err(EngineError::ZeroAmount));
    let mut other = Ticket { shares: 1, value: 1, requested_at: 0 };
    assert!(matches!({ pool }.cancel(Junior, &mut other, NOW + 3_600), Err(EngineError::Corrupt(_))));
    let mut other = Ticket { shares: 1, value: 1, requested_at: NOW };
    assert!(matches!(pool.redeem(Junior, &mut other, &at(&pool), DUE), Err(EngineError::Corrupt(_))));
    assert_eq!(pool.request(Junior, 0, &at(&pool), NOW), Err(EngineError::ZeroAmount));
}

#[test]
fn the_fee_stays_in_the_pool_and_is_rounded_up() {
    let params = PoolParams { redeem_fee_ppm: 10_000, ..PoolParams::DEFAULT };
    let mut pool = filled(&params, 10_000, 0);
    let nav = at(&pool);
    let report = leave(&mut pool, Junior, 101, &nav).unwrap();
    assert_eq!(report, RedeemReport { shares: 101, value: 101, fee: 2, paid: 99 });
    assert_eq!((pool.idle, pool.junior.shares), (9_901, 9_899));
    let error = EngineError::WorthNothing { value: 1, fee: 1 };
    assert_eq!(leave(&mut pool, Junior, 1, &nav), Err(error), "all of it is fee");
    let error = EngineError::WorthNothing { value: 0, fee: 0 };
    assert_eq!(
        leave(&mut pool, Junior, 1, &Nav { low: 0, high: 0, used: 0, releasable: u64::MAX }),
        Err(error)
    );
}

#[test]
fn idle_cash_fills_in_part_and_the_rest_waits() {
    let mut pool = filled(&PoolParams::DEFAULT, 10_000, 0);
    let nav = at(&pool);
    let mut ticket = pool.request(Junior, 10_000, &nav, NOW).unwrap();
    pool.idle = 2_500; // the rest is in markets
    let report = pool.redeem(Junior, &mut ticket, &nav, DUE).unwrap();
    assert_eq!(report, RedeemReport { shares: 2_500, value: 2_500, fee: 0, paid: 2_500 });
    assert_eq!(ticket, Ticket { shares: 7_500, value: 7_500, requested_at: NOW });
    assert_eq!((pool.idle, pool.junior), (0, Tranche { shares: 7_500, redeeming: 7_500 }));
    let nav = Nav { low: 7_500, high: 7_500, used: 0, releasable: u64::MAX };
    let error = EngineError::PoolIdle { asked: 7_500, idle: 0 };
    assert_eq!(pool.redeem(Junior, &mut { ticket }, &nav, DUE), Err(error));
    // A fee comes on top of what idle cash is left.
    pool.params.redeem_fee_ppm = 10_000;
    pool.idle = 99;
    let report = pool.redeem(Junior, &mut ticket, &nav, DUE).unwrap();
    assert_eq!(
        report,
        RedeemReport { shares: 101, value: 101, fee: 2, paid: 99 },
        "no more than 101 gives 99"
    );
}

#[test]
fn a_part_takes_whole_shares_and_whole_units() {
    // Three shares of 1000: idle cash of 2500 pays two.
    let mut pool = filled(&PoolParams::DEFAULT, 3, 0);
    pool.idle = 1_002_000; // 1 003 000 / 1003
    let nav = at(&pool);
    let mut ticket = pool.request(Junior, 3, &nav, NOW).unwrap();
    assert_eq!(ticket.value, 3_000);
    pool.idle = 2_500;
    let report = pool.redeem(Junior, &mut ticket, &nav, DUE).unwrap();
    assert_eq!(report, RedeemReport { shares: 2, value: 2_000, fee: 0, paid: 2_000 });
    assert_eq!((ticket.shares, ticket.value), (1, 1_000));
    let error = EngineError::PoolIdle { asked: 1_000, idle: 500 };
    let nav = Nav { low: 1_000_000, ..nav };
    assert_eq!(pool.redeem(Junior, &mut ticket, &nav, DUE), Err(error), "not a share for half of it");
    // A thousand shares worth 300: a unit takes four, not three.
    let mut pool = filled(&PoolParams::DEFAULT, 1_000, 0);
    pool.idle = 300;
    let nav = at(&pool);
    let mut ticket = pool.request(Junior, 1_000, &nav, NOW).unwrap();
    pool.idle = 1;
    let report = pool.redeem(Junior, &mut ticket, &nav, DUE).unwrap();
    assert_eq!(report, RedeemReport { shares: 4, value: 1, fee: 0, paid: 1 });
    assert_eq!((ticket.shares, ticket.value), (996, 298), "298.8");
}

#[test]
fn utilisation_holds_back_what_the_exposure_needs() {
    // Exposure 800 needs 1000 at 80 %.
    for kind in TrancheKind::BOTH {
        let mut pool = filled(&TRANCHED, 1_000, 1_000);
        pool.params.senior_rate_ppm = 0;
        pool.params.max_senior_ratio_ppm = 3_000_000;
        let (empty, mut tight) = (at(&pool), at(&pool));
        tight.used = 800;
        assert_eq!(leave(&mut { pool }, kind, 600, &tight).unwrap().paid, 600);
        tight.used = 1_201;
        let report = leave(&mut { pool }, kind, 600, &tight).unwrap();
        assert_eq!((report.paid, report.shares), (498, 498), "1201 needs 1501.25");
        let mut ticket = pool.request(kind, 600, &empty, NOW).unwrap();
        tight.used = 1_600;
        let error = EngineError::PoolUtilisation { used: 1_600, cap: 1_120 };
        assert_eq!(pool.redeem(kind, &mut ticket, &tight, DUE), Err(error));
        tight.used = u64::MAX;
        let error = EngineError::PoolUtilisation { used: u64::MAX, cap: 1_120 };
        assert_eq!(pool.redeem(kind, &mut ticket, &tight, DUE), Err(error));
    }
}

#[test]
fn the_junior_may_not_leave_the_senior_without_its_cushion() {
    let mut pool = filled(&TRANCHED, 1_000, 600);
    pool.params.senior_rate_ppm = 0;
    let nav = at(&pool);
    let report = leave(&mut { pool }, Junior, 500, &nav).unwrap();
    assert_eq!((report.paid, report.shares), (400, 400), "600 must stay");
    let mut least = filled(&TRANCHED, 1_000, 1_000);
    let nav = at(&least);
    least.params.senior_rate_ppm = 0;
    let error = EngineError::SeniorRatio { senior: 1_000, cap: 500 };
    assert_eq!(leave(&mut { least }, Junior, 500, &nav), Err(error));
    assert_eq!(leave(&mut least, Senior, 500, &nav).unwrap().paid, 500, "the senior may");
    pool.params.max_senior_ratio_ppm = 0;
    let nav = at(&pool);
    let error = EngineError::SeniorRatio { senior: 600, cap: 0 };
    assert_eq!(leave(&mut { pool }, Junior, 1, &nav), Err(error), "not before the last senior has left");
    leave(&mut pool, Senior, 600, &nav).unwrap();
    let nav = at(&pool);
    assert_eq!(leave(&mut pool, Junior, 1_000, &nav).unwrap().paid, 1_000);
    assert_eq!((pool.idle, pool.junior, pool.senior), (0, Tranche::default(), Tranche::default()));
}

#[test]
fn every_refusal_says_its_numbers() {
    let errors = [
        (
            EngineError::RedeemTooEarly { seconds_left: 60 },
            "too early to redeem or cancel the ticket: wait 60 s",
        ),
        (
            EngineError::WorthNothing { value: 1, fee: 1 },
            "the shares are worth 1 quote units, the fee is 1: nothing would be paid, keep them",
        ),
    ];
    for (error, text) in errors {
        assert_eq!(error.to_string(), text);
    }
}
