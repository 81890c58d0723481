//! Pool money goes to the markets that lack it, and comes back from those that have too much.

use bulwark_sdk::engine::allocation;
use bulwark_sdk::engine::price::{Action, Age};
use bulwark_sdk::health::{HealthError, Snapshot};
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::state::{Market, MarketStatus, Pool};
use bulwark_sdk::refresh::Leg;

use super::{Fresh, Motive, Plan, PlanError, View};
use crate::work::Work;

pub(super) fn find(view: View<'_>) -> Vec<Work> {
    let least = view.rules.min_allocation;
    let amount = |market: &Market| amount((view.snapshot, &view.state.pool), market).unwrap_or(0);
    let due = view.markets().filter(|market| amount(market).unsigned_abs() >= least.max(1));
    due.map(|market| Work::Allocate(market.index)).collect()
}

/// What would move to the market, quote units: below zero, back to the pool.
fn amount((snapshot, pool): (&Snapshot<'_>, &Pool), market: &Market) -> Result<i64, HealthError> {
    let now = snapshot.now;
    for market in snapshot.markets.values() {
        let core = &market.core;
        if core.book.long.lots != 0 || core.book.short.lots != 0 {
            core.oracle.require(&core.params.oracle, (Action::PoolShares, Age::Margin), now)?;
        }
    }
    let (nav, mut core, mut pool) = (snapshot.nav(pool)?, market.core, pool.core);
    core.accrue(now)?;
    pool.accrue(now);
    let base = nav.low.saturating_sub(pool.pending(&nav)?);
    let active = market.status == MarketStatus::Active.to_byte();
    let target = allocation::target(&core, base, active)?;
    Ok(allocation::allocate(&mut core, &mut pool.idle, target)?.0)
}

pub(super) fn plan(fresh: &Fresh<'_>, index: u16) -> Result<Plan, PlanError> {
    let (snapshot, market) = (fresh.context.snapshot(), fresh.market(index)?);
    let amount = amount((&snapshot, &fresh.context.pool), market)?;
    if amount.unsigned_abs() < fresh.rules.min_allocation.max(1) {
        return Ok(Plan::Nothing);
    }
    // What the pool is worth was judged by the prices after a refresh: those are to be stored.
    let mut legs = fresh.stored.snapshot().old_markets(Age::Margin)?;
    let all = fresh.stored.markets.keys().map(|index| Leg::Market(*index));
    let moved: Vec<Leg> = all.filter(|leg| fresh.has_moved(*leg) && !legs.contains(leg)).collect();
    legs.extend(moved);
    let refreshes = fresh.refresh(&legs);
    let main = vec![ix::allocate_liquidity(fresh.listings(), index)];
    Ok(Plan::one(Motive::Service, refreshes, main))
}
