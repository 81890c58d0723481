//! The pool by hand: numbers that can be checked in the head, every error, every bound on both sides.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::EngineError;
use bulwark_engine::pool::TrancheKind::{Junior, Senior};
use bulwark_engine::pool::{Nav, Pool, PoolParams, RedeemReport, Tranche, TrancheKind};
use bulwark_engine::price::OracleState;
use bytemuck::Zeroable;
use model::pool::{NOW, TRANCHED, UNIT, filled, leave, new};
use model::world::{HALF, ONE, PARAMS, admit, market, oracle, price};

const YEAR: i64 = 31_536_000;

fn at(pool: &Pool) -> Nav {
    Nav::of_pool(pool)
}

#[test]
fn every_parameter_is_bounded_on_both_sides() {
    type Set = fn(&mut PoolParams, u32);
    let bounds: [(&str, Set, u32, u32); 6] = [
        ("redeem_delay", |p, x| p.redeem_delay = x, 3_600, 2_592_000),
        ("redeem_window", |p, x| p.redeem_window = x, 3_600, 172_800),
        ("redeem_fee_ppm", |p, x| p.redeem_fee_ppm = x, 0, 10_000),
        ("senior_rate_ppm", |p, x| p.senior_rate_ppm = x, 0, 300_000),
        ("max_senior_ratio_ppm", |p, x| p.max_senior_ratio_ppm = x, 0, 3_000_000),
        ("max_utilisation_ppm", |p, x| p.max_utilisation_ppm = x, 100_000, 900_000),
    ];
    assert_eq!(PoolParams::DEFAULT.validate(), Ok(()));
    for (name, set, min, max) in bounds {
        for (value, inside) in
            [(Some(min), true), (Some(max), true), (min.checked_sub(1), false), (Some(max + 1), false)]
        {
            let Some(value) = value else { continue };
            let mut params = PoolParams::DEFAULT;
            set(&mut params, value);
            let error = EngineError::ParameterOutOfBounds {
                name,
                value: value.into(),
                min: min.into(),
                max: max.into(),
            };
            assert_eq!(params.validate(), if inside { Ok(()) } else { Err(error) });
            assert_eq!(Pool::zeroed().initialize(&params, 0).is_ok(), inside);
        }
    }
}

#[test]
fn tranches_have_a_stored_form() {
    for kind in TrancheKind::BOTH {
        assert_eq!(TrancheKind::from_byte(kind.to_byte()), Ok(kind));
    }
    assert_eq!([Junior, Senior].map(TrancheKind::to_byte), [0, 1]);
    assert_eq!(TrancheKind::from_byte(2), Err(EngineError::Corrupt("tranche")));
}

#[test]
fn a_new_pool_is_empty_and_a_share_begins_at_one() {
    let mut pool = new(&TRANCHED);
    assert_eq!((pool.senior_index, pool.accrued_at, at(&pool).low), (UNIT, NOW, 0));
    assert_eq!(pool.issue(Junior, 1_000, &at(&Pool::zeroed()), NOW), Ok(1_000));
    let nav = at(&pool);
    assert_eq!(pool.issue(Senior, 1_000, &nav, NOW), Ok(1_000));
    assert_eq!((pool.idle, pool.junior.shares, pool.senior.shares), (2_000, 1_000, 1_000));
    assert_eq!(pool.issue(Junior, 0, &nav, NOW), Err(EngineError::ZeroAmount));
}

#[test]
fn a_market_counts_at_the_price_that_is_worse_for_who_acts() {
    // Cash 1000, 100 lots long entered at one: even at one, 50 lost at a half, which the pool has won.
    let mut market = market(&PARAMS, ONE, 1_000);
    admit(&mut market, bulwark_engine::units::Side::Long, 100, -100);
    market.oracle = OracleState { ema: price(HALF), ..oracle(ONE) };
    market.book.fees.pool = 7;
    market.book.fees.insurance = 9;
    let mut pool = new(&TRANCHED);
    pool.idle = 500;
    let nav = at(&pool).plus_market(&market).unwrap();
    assert_eq!(nav, Nav { low: 1_500, high: 1_558, used: 100, releasable: u64::MAX });
    // Shorts count the same, at the higher price and rounded up.
    admit(&mut market, bulwark_engine::units::Side::Short, 203, 203);
    market.oracle = OracleState { ema: price(ONE + HALF), ..oracle(ONE) };
    let nav = nav.plus_market(&market).unwrap();
    // Net short 103: at 1.5 they lost 51.5 to the pool, rounded against who acts: a unit a side for a deposit.
    assert_eq!(
        nav,
        Nav { low: 2_500, high: 1_558 + 1_000 + 51 + 2 + 7, used: 100 + 155, releasable: u64::MAX }
    );
    // More loss than cash is not the pool's.
    market.book.cash = 0;
    admit(&mut market, bulwark_engine::units::Side::Long, 1_000, 5_000);
    assert_eq!(at(&pool).plus_market(&market).unwrap().low, 500);
    pool.idle = 1 << 63;
    assert_eq!(at(&pool).plus_market(&market), Err(EngineError::Overflow));
}

#[test]
fn who_deposits_pays_the_highest_and_who_redeems_gets_the_lowest() {
    let mut pool = filled(&PoolParams::DEFAULT, 9_000, 0);
    pool.idle = 19_000;
    let nav = Nav { low: 19_000, high: 39_000, used: 0, releasable: u64::MAX };
    assert_eq!(pool.issue(Junior, 4_000, &nav, NOW), Ok(1_000), "40 000 for 10 000 with the virtual ones");
    pool.junior.shares = 9_000;
    pool.idle = 19_000;
    let report = leave(&mut pool, Junior, 1_000, &nav).unwrap();
    assert_eq!(report, RedeemReport { shares: 1_000, value: 2_000, fee: 0, paid: 2_000 });
    assert_eq!((pool.idle, pool.junior), (17_000, Tranche { shares: 8_000, redeeming: 0 }));
}

#[test]
fn the_first_depositor_cannot_inflate_the_share_price() {
    // One share bought, a million given away: the next deposit loses at most a share's worth, a thousandth of it.
    let mut pool = filled(&PoolParams::DEFAULT, 1, 0);
    pool.idle += 1_000_000;
    let nav = at(&pool);
    assert_eq!(pool.issue(Junior, 1_000, &nav, NOW), Err(EngineError::TooSmallForOneShare));
    assert_eq!(pool.issue(Junior, 10_000, &nav, NOW), Ok(9), "10 000 · 1001 / 1 001 001 = 9.99");
    let nav = at(&pool).low;
    assert_eq!(pool.share_value(Junior, 9, nav), Ok(9_008));
    assert_eq!(pool.share_value(Junior, 1, nav), Ok(1_000), "all that the attacker gets back");
}

#[test]
fn below_one_a_share_is_worth_its_part_of_what_is_there() {
    let pool = filled(&PoolParams::DEFAULT, 1_000_000, 0);
    // With the virtual units half the shares would be worth 749 of 500.
    assert_eq!(pool.share_value(Junior, 500_000, 500), Ok(250));
    assert_eq!(pool.share_value(Junior, 1_000_000, 500), Ok(500));
    assert_eq!(pool.share_value(Junior, 1_000_000, 1_000_000), Ok(1_000_000));
    assert_eq!(pool.share_value(Junior, 1_000_000, 2_000_000), Ok(1_999_000), "2 001 000 / 1.001");
    assert_eq!(pool.share_value(Junior, 0, 500), Ok(0));
    let error = EngineError::InsufficientBalance { balance: 1_000_000, needed: 1_000_001 };
    assert_eq!(pool.share_value(Junior, 1_000_001, 500), Err(error));
}

#[test]
fn losses_go_to_the_junior_first_and_the_senior_gets_its_coupon() {
    let mut pool = filled(&TRANCHED, 1_000, 1_000);
    pool.accrue(NOW + YEAR);
    assert_eq!(pool.senior_index, UNIT + UNIT / 10);
    assert_eq!(pool.senior_claim(), Ok(1_099), "floor(UNIT / 10) is just below");
    for (nav, junior, senior) in [(3_000, 1_901, 1_099), (1_099, 0, 1_099), (1_000, 0, 1_000), (0, 0, 0)] {
        assert_eq!(pool.tranche_value(Junior, nav), Ok(junior));
        assert_eq!(pool.tranche_value(Senior, nav), Ok(senior));
        assert_eq!(pool.share_value(Senior, 500, nav), Ok(senior / 2));
    }
    assert_eq!(pool.share_value(Senior, 500, 3_000), Ok(549));
}

#[test]
fn whatever_prices_a_share_accrues_first() {
    let (pool, later) = (filled(&TRANCHED, 10_000, 1_000), NOW + YEAR);
    let nav = at(&pool);
    let index = UNIT + UNIT / 10;
    let mut issued = pool;
    assert_eq!(issued.issue(Senior, 1_100, &nav, later), Ok(1_000));
    let mut asked = pool;
    assert_eq!(asked.request(Senior, 1_000, &nav, later).unwrap().value, 1_099);
    // A junior share is worth less by the coupon of the delay.
    let mut redeemed = pool;
    let mut ticket = redeemed.request(Junior, 5_500, &nav, NOW).unwrap();
    ticket.requested_at = later - i64::from(TRANCHED.redeem_delay);
    let report = redeemed.redeem(Junior, &mut ticket, &nav, later).unwrap();
    assert_eq!((ticket.shares, report.paid), (0, 5_445), "5500 · 9901 / 10 000, below a price of one");
    for pool in [issued, asked, redeemed] {
        assert_eq!((pool.senior_index, pool.accrued_at), (index, later));
    }
}

#[test]
fn the_index_stands_without_time_without_seniors_and_at_its_end() {
    let mut pool = filled(&TRANCHED, 1_000, 0);
    pool.accrue(NOW + YEAR);
    assert_eq!((pool.senior_index, pool.accrued_at), (UNIT, NOW + YEAR), "for nobody");
    let nav = at(&pool);
    pool.issue(Senior, 1_000, &nav, NOW + YEAR).unwrap();
    for now in [NOW + YEAR, NOW, i64::MIN] {
        pool.accrue(now);
        assert_eq!((pool.senior_index, pool.accrued_at), (UNIT, NOW + YEAR));
    }
    pool.accrue(i64::MAX);
    assert_eq!(pool.senior_index / (UNIT / 10), 10 + 136, "no more than 2^32 seconds at once");
    pool.params.senior_rate_ppm = 300_000;
    for _ in 0..20 {
        pool.accrued_at = i64::MIN;
        pool.accrue(i64::MAX);
    }
    assert_eq!(pool.senior_index, u64::MAX);
    assert_eq!(pool.senior_claim(), Ok(255_999));
}

#[test]
fn senior_shares_are_limited_by_the_junior_at_its_lowest() {
    let mut pool = filled(&TRANCHED, 1_000, 0);
    let nav = Nav { low: 900, high: 5_000, used: 0, releasable: u64::MAX };
    assert_eq!(
        { pool }.issue(Senior, 901, &nav, NOW),
        Err(EngineError::SeniorRatio { senior: 901, cap: 900 })
    );
    assert_eq!({ pool }.issue(Senior, 900, &nav, NOW), Ok(900));
    pool.params.max_senior_ratio_ppm = 0;
    assert_eq!(pool.issue(Senior, 1, &nav, NOW), Err(EngineError::SeniorRatio { senior: 1, cap: 0 }));
    let mut pool = filled(&TRANCHED, 1_000, 500);
    pool.senior_index = UNIT * 2;
    assert_eq!({ pool }.issue(Senior, 1, &at(&pool), NOW), Err(EngineError::TooSmallForOneShare));
    assert_eq!(
        pool.issue(Senior, 2, &at(&pool), NOW),
        Err(EngineError::SeniorRatio { senior: 1_002, cap: 500 }),
        "the coupon counts"
    );
}

#[test]
fn an_impaired_senior_stops_deposits_of_both() {
    let pool = filled(&TRANCHED, 1_000, 1_000);
    for kind in TrancheKind::BOTH {
        let nav = Nav { low: 999, high: 5_000, used: 0, releasable: u64::MAX };
        let error = EngineError::SeniorImpaired { claim: 1_000, nav: 999 };
        assert_eq!({ pool }.issue(kind, 10, &nav, NOW), Err(error));
    }
    let whole = Nav { low: 1_000, high: 1_000, used: 0, releasable: u64::MAX };
    assert_eq!(
        { pool }.issue(Senior, 10, &whole, NOW),
        Err(EngineError::SeniorRatio { senior: 1_010, cap: 0 })
    );
    assert_eq!({ pool }.issue(Junior, 10, &whole, NOW), Ok(20), "a junior share at 1000 / 2000");
}

#[test]
fn a_tranche_worth_less_than_a_thousandth_takes_no_deposits() {
    let pool = filled(&PoolParams::DEFAULT, 10_000_000, 0);
    let nav = |low| Nav { low, high: low, used: 0, releasable: u64::MAX };
    // 10 001 000 shares, a thousandth of which are 10 001.
    let error = EngineError::SharePriceTooLow { value: 9_000, shares: 10_000_000 };
    assert_eq!({ pool }.issue(Junior, 10, &nav(9_000), NOW), Err(error));
    assert_eq!({ pool }.issue(Junior, 10, &nav(9_001), NOW), Ok(10_000));
}

#[test]
fn value_without_shares_belongs_to_the_virtual_ones() {
    let mut pool = new(&PoolParams::DEFAULT);
    pool.idle = 9_000;
    assert_eq!(pool.share_value(Junior, 0, 9_000), Ok(0));
    assert_eq!(pool.issue(Junior, 10_000, &at(&pool), NOW), Ok(1_000), "ten units a share");
    assert_eq!(pool.share_value(Junior, 1_000, 19_000), Ok(10_000));
    // Seniors without juniors get their claim and no more.
    let mut pool = filled(&TRANCHED, 1_000, 1_000);
    pool.junior.shares = 0;
    assert_eq!(pool.share_value(Senior, 1_000, 2_000), Ok(1_000));
}

#[test]
fn a_wiped_pool_can_be_asked_everything() {
    let pool = filled(&TRANCHED, 1_000, 1_000);
    let nav = Nav { low: 0, high: 0, used: 50, releasable: u64::MAX };
    assert_eq!(pool.pending(&nav), Ok(0));
    for kind in TrancheKind::BOTH {
        assert_eq!(pool.share_value(kind, 1_000, 0), Ok(0));
        assert!(matches!({ pool }.request(kind, 1_000, &nav, NOW), Err(EngineError::WorthNothing { .. })));
        assert!(matches!({ pool }.issue(kind, 1_000, &nav, NOW), Err(EngineError::SeniorImpaired { .. })));
        // Of a ticket from before nothing is burned; it can be taken back, or waits for better times.
        let mut asked = pool;
        let mut ticket = asked.request(kind, 500, &at(&pool), NOW).unwrap();
        let refused = { asked }.redeem(kind, &mut { ticket }, &nav, NOW + 86_400);
        assert_eq!(refused, Err(EngineError::WorthNothing { value: 0, fee: 0 }));
        assert_eq!(asked.cancel(kind, &mut ticket, NOW + 3_600), Ok(500));
    }
}

#[test]
fn amounts_at_the_end_of_the_range_are_refused_or_exact() {
    let mut pool = new(&PoolParams::DEFAULT);
    let nav = at(&pool);
    assert_eq!({ pool }.issue(Junior, u64::MAX, &nav, NOW), Ok(u64::MAX));
    assert_eq!(
        pool.issue(Junior, u64::MAX, &Nav { low: 0, high: u64::MAX, used: 0, releasable: u64::MAX }, NOW),
        Err(EngineError::Overflow)
    );
    pool.idle = u64::MAX;
    assert_eq!({ pool }.issue(Junior, 1, &nav, NOW), Err(EngineError::Overflow));
    pool.senior = Tranche { shares: u64::MAX, redeeming: 0 };
    assert_eq!(pool.senior_claim(), Ok(u64::MAX));
    assert_eq!(pool.share_value(Senior, u64::MAX, 1 << 63), Ok(1 << 63));
    pool.senior_index = UNIT * 2;
    assert_eq!(pool.senior_claim(), Err(EngineError::Overflow));
}
