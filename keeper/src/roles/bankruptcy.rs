//! What nobody can pay any more is paid by the waterfall, at once: until then redemptions wait and winners do not know.

use bulwark_sdk::engine::debt;
use bulwark_sdk::engine::price::{Action, Age};
use bulwark_sdk::health::Snapshot;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::state::{MarginAccount, Market};
use bulwark_sdk::refresh::Leg;

use super::{Fresh, Motive, Plan, PlanError, View};
use crate::work::Work;

pub(super) fn find(view: View<'_>) -> Vec<Work> {
    let mut work: Vec<Work> = Vec::new();
    for (key, account) in view.book.indebted().filter(|(_, account)| is_bankrupt(account, view.snapshot)) {
        let owes = view.markets().filter(|market| pays(market, account, view.moment().now));
        work.extend(owes.map(|market| Work::Resolve(*key, market.index)));
    }
    let now = view.moment().now;
    let used_up = view.markets().filter(|market| { market.core }.rebalance(now).is_ok());
    work.extend(used_up.map(|market| Work::Rebalance(market.index)));
    work
}

/// Whether nobody but the waterfall can pay what an account owes, and what it is owed itself does not have to be waited for.
fn is_bankrupt(account: &MarginAccount, snapshot: &Snapshot<'_>) -> bool {
    let claims = account.positions.iter().filter(|position| position.is_claim());
    let mut markets = claims.filter_map(|claim| snapshot.markets.get(&claim.market));
    account.legs().require_bankrupt(account.quote).is_ok()
        && !markets.any(|market| claim_waits(market, account, snapshot.now))
}

/// Whether what a claim on a market that settles will bring is not known yet: its positions have to be settled first.
fn claim_waits(market: &Market, account: &MarginAccount, now: i64) -> bool {
    let (core, held) = (&market.core, account.debts.held(market.index).unwrap_or(0));
    let sets_off = owes(account, market.index) > 0 && core.book.cash > 0;
    core.is_settling() && core.book.positions != 0 && !sets_off && !core.pays_claims(held, now)
}

/// Whether a market can pay what an account owes for it: at a price that is beyond doubt.
fn pays(market: &Market, account: &MarginAccount, now: i64) -> bool {
    let core = &market.core;
    let priced = core.oracle.require(&core.params.oracle, (Action::Waterfall, Age::Trade), now).is_ok();
    priced && owes(account, market.index) > 0
}

/// Part of its debt that falls on a market, quote units.
fn owes(account: &MarginAccount, market: u16) -> u64 {
    if debt::owed(account.quote) == 0 { 0 } else { account.debts.share(market, account.quote).unwrap_or(0) }
}

pub(super) fn plan(fresh: &Fresh<'_>, market: u16) -> Result<Plan, PlanError> {
    let (margin, now) = (fresh.account()?, fresh.context.now);
    let bankrupt = is_bankrupt(margin.account, &fresh.context.snapshot());
    if !bankrupt || !pays(fresh.market(market)?, margin.account, now) {
        return Ok(Plan::Nothing);
    }
    let main = vec![ix::resolve_bankruptcy(fresh.listings(), margin, market)?];
    let refreshes = fresh.refresh(&[Leg::Market(market)]);
    Ok(Plan::one(Motive::Service, refreshes, main))
}

pub(super) fn plan_rebalance(fresh: &Fresh<'_>, index: u16) -> Result<Plan, PlanError> {
    if { fresh.market(index)?.core }.rebalance(fresh.context.now).is_err() {
        return Ok(Plan::Nothing);
    }
    let refreshes = fresh.refresh(&[Leg::Market(index)]);
    Ok(Plan::one(Motive::Service, refreshes, vec![ix::rebalance_market(index)]))
}
