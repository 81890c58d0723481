//! Prices that something depends on are kept young, and so is carry, which accrues with them.
//!
//! What the keeper itself does brings the prices it needs, and everything is judged by forecasts. So a refresh for its own
//! sake is needed only so often that traders and providers find no stale market, that volatility sees the prices of a move,
//! and that a market above its exposure limit is looked at: its cut-off falls only while somebody looks.

use bulwark_sdk::engine::deleverage::MAX_GAP_SLOTS;
use bulwark_sdk::engine::price::{Action, Age, OracleParams, OracleState, Validity};
use bulwark_sdk::engine::units::{PPM, Price};
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::state::{Market, MarketStatus, Vault};
use bulwark_sdk::refresh::Leg;

use super::{Fresh, Motive, Plan, PlanError, View};
use crate::state::Listed;
use crate::work::Work;

/// Refreshes in one transaction.
const TOGETHER: usize = 6;

pub(super) fn find(view: View<'_>) -> Vec<Work> {
    let state = view.state;
    let markets = state.markets.iter().filter(|(_, market)| market_is_due(view, market));
    let vaults = state.vaults.iter().filter(|(index, vault)| vault_is_due(view, **index, vault));
    let markets = markets.map(|(index, _)| Leg::Market(*index));
    let due: Vec<Leg> = markets.chain(vaults.map(|(index, _)| Leg::Vault(*index))).collect();
    let mut work: Vec<Work> = due.chunks(TOGETHER).map(|legs| Work::Refresh(legs.to_vec())).collect();
    for market in state.markets.values() {
        work.extend(status((&market.stored, &market.forecast), view.moment().now));
    }
    work
}

fn market_is_due(view: View<'_>, market: &Listed<Market>) -> bool {
    let (before, after) = (&market.stored.core, &market.forecast.core);
    let in_use = before.book.positions != 0 || view.book.has_triggers(market.stored.index);
    let kept_open = needs_to_be_heard(&market.stored, view.moment().now);
    if !market.refreshable || !(in_use || before.deleveraging_since != 0 || kept_open) {
        return false;
    }
    let seen = view.moment().slot.saturating_sub(before.exposure_seen);
    let unseen = is_watched(&market.stored, &market.forecast) && seen > MAX_GAP_SLOTS / 3;
    unseen || price_is_due(view, (&before.oracle, &after.oracle), &before.params.oracle)
}

fn vault_is_due(view: View<'_>, index: u16, vault: &Listed<Vault>) -> bool {
    let (before, after) = (&vault.stored.core, &vault.forecast.core);
    let in_use = index == Vault::QUOTE || before.recorded != 0;
    vault.refreshable && in_use && price_is_due(view, (&before.oracle, &after.oracle), &before.params.oracle)
}

/// Whether somebody has to look at a market's exposure again and again, before a refresh or after it.
fn is_watched(before: &Market, after: &Market) -> bool {
    before.core.deleveraging_since != 0 || after.core.deleveraging_since != 0
}

/// Whether a refresh takes in anything that is not stored yet.
fn has_news(before: &OracleState, after: &OracleState) -> bool {
    after.publish_time > before.publish_time || after.divergent != before.divergent
}

/// Whether a refresh brings something new that is worth it: the stored price is old or unsure, or has moved.
fn price_is_due(
    view: View<'_>,
    (before, after): (&OracleState, &OracleState),
    params: &OracleParams,
) -> bool {
    let (now, rules) = (view.moment().now, view.rules);
    let limit = rules.max_age.min(i64::from(params.max_margin_age / 2));
    let old = now.saturating_sub(before.publish_time) >= limit;
    let unsure = before.validity(params, Age::Margin, now) != Ok(Validity::Fresh);
    has_news(before, after) && (old || unsure || moved(before.price, after.price, rules.min_move_ppm))
}

/// Whether a price moved by at least so much.
fn moved(from: Price, to: Price, ppm: u32) -> bool {
    let change = u128::from(from.to_bits().abs_diff(to.to_bits()));
    change.saturating_mul(u128::from(PPM)) >= u128::from(from.to_bits()).saturating_mul(u128::from(ppm))
}

/// Whether even an empty market needs a price: so that it does not count as without one, or to be resumed.
fn needs_to_be_heard(market: &Market, now: i64) -> bool {
    let (core, active) = (&market.core, market.status == MarketStatus::Active.to_byte());
    let age = now.saturating_sub(core.oracle.publish_time);
    active && age > i64::from(core.params.max_outage / 2) || is_over(market, now)
}

/// Whether a market was suspended for as long as it takes.
fn is_over(market: &Market, now: i64) -> bool {
    let since = now.saturating_sub(market.suspended_at);
    let suspended = market.suspended_at != 0 && market.status == MarketStatus::ReduceOnly.to_byte();
    suspended && since >= i64::from(market.core.params.max_outage)
}

/// What has to be done about a market whose price is gone, or back. While the oracle speaks a refresh is what helps.
fn status((stored, forecast): (&Market, &Market), now: i64) -> Option<Work> {
    let core = &stored.core;
    let active = stored.status == MarketStatus::Active.to_byte();
    if active && core.is_out(now) && forecast.core.is_out(now) {
        return Some(Work::Suspend(stored.index));
    }
    let priced = core.oracle.require(&core.params.oracle, (Action::Increase, Age::Margin), now).is_ok();
    (is_over(stored, now) && priced).then_some(Work::Resume(stored.index))
}

pub(super) fn plan(legs: &[Leg], fresh: &Fresh<'_>) -> Plan {
    // Somebody else may have been there meanwhile.
    let brings = |leg: &&Leg| {
        let (before, after) = (fresh.stored.oracle(**leg), fresh.context.oracle(**leg));
        before.zip(after).is_some_and(|(before, after)| has_news(before, after))
    };
    let watched = |leg: &&Leg| {
        let Leg::Market(index) = leg else { return false };
        let (before, after) = (fresh.stored.markets.get(index), fresh.context.markets.get(index));
        before.zip(after).is_some_and(|(before, after)| is_watched(before, after))
    };
    let due: Vec<Leg> = legs.iter().filter(|leg| brings(leg) || watched(leg)).copied().collect();
    let refreshes = fresh.refresh(&due);
    match refreshes.is_empty() {
        true => Plan::Nothing,
        false => Plan::one(Motive::Service, Vec::new(), refreshes),
    }
}

/// A market is suspended or resumed by its stored price: nobody is helped by a refresh in front.
pub(super) fn plan_status(work: &Work, fresh: &Fresh<'_>, index: u16) -> Result<Plan, PlanError> {
    let stored = fresh.stored.markets.get(&index).ok_or(PlanError::Gone("the market"))?;
    let main = match status((stored, fresh.market(index)?), fresh.stored.now) {
        Some(now) if now != *work => return Ok(Plan::Nothing),
        None => return Ok(Plan::Nothing),
        Some(Work::Suspend(_)) => ix::suspend_market(index),
        Some(_) => ix::resume_market(index),
    };
    Ok(Plan::one(Motive::Service, Vec::new(), vec![main]))
}
