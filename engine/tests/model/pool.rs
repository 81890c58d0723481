//! Pools to test: in any state, or filled at a price of one.

use bulwark_engine::EngineError;
use bulwark_engine::pool::{
    INDEX_FRACTION, Nav, Pool, PoolParams, RedeemReport, Ticket, Tranche, TrancheKind,
};
use bytemuck::Zeroable;
use proptest::prelude::*;
use proptest::sample::select;

/// The clock at the beginning.
pub const NOW: i64 = 1_000_000;
/// A senior share of one unit.
pub const UNIT: u64 = 1 << INDEX_FRACTION;
/// Gates wide open, least delay.
pub const OPEN: PoolParams = PoolParams {
    redeem_delay: 3_600,
    redeem_fee_ppm: 0,
    senior_rate_ppm: 0,
    max_senior_ratio_ppm: 3_000_000,
    max_utilisation_ppm: 900_000,
    redeem_window: 172_800,
};
/// A senior coupon of 10 % and as much senior as junior.
pub const TRANCHED: PoolParams =
    PoolParams { senior_rate_ppm: 100_000, max_senior_ratio_ppm: 1_000_000, ..PoolParams::DEFAULT };
/// When a ticket of [`NOW`] is due.
pub const DUE: i64 = NOW + 3_600;

/// An empty pool.
pub fn new(params: &PoolParams) -> Pool {
    let mut pool = Pool::zeroed();
    pool.initialize(params, NOW).unwrap();
    pool
}

/// Zero, or any magnitude up to `2^bits`.
pub fn any_amount(bits: u32) -> impl Strategy<Value = u64> {
    prop_oneof![1 => Just(0), 9 => (0..bits).prop_flat_map(|k| (1_u64 << k)..(2_u64 << k))]
}

/// Either tranche.
pub fn any_kind() -> impl Strategy<Value = TrancheKind> {
    select(&TrancheKind::BOTH[..])
}

prop_compose! {
    /// Any valid parameters with the least delay.
    pub fn any_params()(
        redeem_fee_ppm in prop_oneof![Just(0), 0..=10_000_u32], senior_rate_ppm in 0..=300_000_u32,
        max_senior_ratio_ppm in prop_oneof![Just(0), 0..=3_000_000_u32, Just(3_000_000)], max_utilisation_ppm in 100_000..=900_000_u32,
    ) -> PoolParams {
        PoolParams { redeem_fee_ppm, senior_rate_ppm, max_senior_ratio_ppm, max_utilisation_ppm, ..OPEN }
    }
}

prop_compose! {
    /// A pool in any state, healthy or not, and what its markets make of its value: a strict gap is common.
    pub fn any_pool()(
        params in any_params(), idle in any_amount(44), shares in any_amount(44), senior in any_amount(44),
        senior_index in UNIT..UNIT * 8, lowest in any_amount(44), gap in any_amount(40), used in any_amount(40),
        worth in prop_oneof![Just(None), (500..3_000_u64).prop_map(Some)],
    ) -> (Pool, Nav) {
        // Often about as many shares as the money accounts for.
        let shares = worth.map_or(shares, |w| u64::try_from(u128::from(idle + lowest) * 1_000 / u128::from(w)).unwrap());
        let senior = worth.map_or(senior, |w| (idle + lowest) / w);
        let pool = Pool {
            params, idle, senior_index, accrued_at: NOW,
            junior: Tranche { shares, redeeming: 0 }, senior: Tranche { shares: senior, redeeming: 0 },
        };
        (pool, Nav { low: idle + lowest, high: idle + lowest + gap, used, releasable: u64::MAX })
    }
}

/// A pool in which `shares` are in a ticket that is worth `value`, due.
pub fn with_ticket(pool: &Pool, kind: TrancheKind, shares: u64, value: u64) -> (Pool, Ticket) {
    let mut pool = *pool;
    match kind {
        TrancheKind::Junior => pool.junior.redeeming = shares,
        TrancheKind::Senior => pool.senior.redeeming = shares,
    }
    (pool, Ticket { shares, value, requested_at: NOW - 3_600 })
}

/// All shares, junior and senior.
pub fn shares_of(pool: &Pool) -> [u64; 2] {
    [pool.junior.shares, pool.senior.shares]
}

/// A pool with these junior and senior shares at a price of one, all of it idle.
pub fn filled(params: &PoolParams, junior: u64, senior: u64) -> Pool {
    let mut pool = new(params);
    for (kind, amount) in [(TrancheKind::Junior, junior), (TrancheKind::Senior, senior)] {
        if amount > 0 {
            let nav = Nav::of_pool(&pool);
            assert_eq!(pool.issue(kind, amount, &nav, NOW), Ok(amount));
        }
    }
    pool
}

/// Requests now and redeems after the delay at `nav`.
pub fn leave(
    pool: &mut Pool,
    kind: TrancheKind,
    shares: u64,
    nav: &Nav,
) -> Result<RedeemReport, EngineError> {
    let mut ticket = pool.request(kind, shares, nav, NOW)?;
    pool.redeem(kind, &mut ticket, nav, NOW + i64::from(pool.params.redeem_delay))
}
