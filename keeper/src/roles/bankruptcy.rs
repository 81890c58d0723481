//! What nobody can pay any more is paid by the waterfall, at once: until then redemptions wait and winners do not know.

use bulwark_sdk::engine::debt;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::state::MarginAccount;
use bulwark_sdk::refresh::Leg;

use super::{Fresh, Motive, Plan, PlanError, View};
use crate::work::Work;

pub(super) fn find(view: View<'_>) -> Vec<Work> {
    let mut work: Vec<Work> = Vec::new();
    for (key, account) in view.book.indebted().filter(|(_, account)| is_bankrupt(account)) {
        let owes = view.state.markets.keys().filter(|market| owes(account, **market) > 0);
        work.extend(owes.map(|market| Work::Resolve(*key, *market)));
    }
    let now = view.moment().now;
    let used_up = view.markets().filter(|market| { market.core }.rebalance(now).is_ok());
    work.extend(used_up.map(|market| Work::Rebalance(market.index)));
    work
}

fn is_bankrupt(account: &MarginAccount) -> bool {
    account.legs().require_bankrupt(account.quote).is_ok()
}

/// Part of its debt that falls on a market, quote units.
fn owes(account: &MarginAccount, market: u16) -> u64 {
    if debt::owed(account.quote) == 0 { 0 } else { account.debts.share(market, account.quote).unwrap_or(0) }
}

pub(super) fn plan(fresh: &Fresh<'_>, market: u16) -> Result<Plan, PlanError> {
    let margin = fresh.account()?;
    if !is_bankrupt(margin.account) || owes(margin.account, market) == 0 {
        return Ok(Plan::Nothing);
    }
    let main = vec![ix::resolve_bankruptcy(fresh.listings, margin, market)?];
    let refreshes = fresh.refresh(&[Leg::Market(market)]);
    Ok(Plan::Try(vec![Fresh::attempt(Motive::Service, refreshes, main)]))
}

pub(super) fn plan_rebalance(fresh: &Fresh<'_>, index: u16) -> Result<Plan, PlanError> {
    if { fresh.market(index)?.core }.rebalance(fresh.context.now).is_err() {
        return Ok(Plan::Nothing);
    }
    let refreshes = fresh.refresh(&[Leg::Market(index)]);
    Ok(Plan::Try(vec![Fresh::attempt(Motive::Service, refreshes, vec![ix::rebalance_market(index)])]))
}
