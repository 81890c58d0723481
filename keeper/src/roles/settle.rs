//! Claims are paid as soon as their market can, debts that were repaid stop holding others up, and a market that settles is
//! settled to the last position and closed.

use bulwark_sdk::engine::debt;
use bulwark_sdk::engine::position::Position;
use bulwark_sdk::engine::trade::Owes;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::state::{MarginAccount, Market};
use bulwark_sdk::refresh::Leg;

use super::{Fresh, Motive, Plan, PlanError, View};
use crate::work::Work;

pub(super) fn find(view: View<'_>) -> Vec<Work> {
    let (mut work, now) = (Vec::new(), view.moment().now);
    for market in view.markets() {
        if market.core.is_settling() {
            let members = view.book.members(market.index);
            let due = members.filter(|(_, account)| is_due(account, market, now));
            work.extend(due.map(|(key, _)| Work::Settle(*key, market.index)));
            if { market.core }.close().is_ok() {
                work.push(Work::Close(market.index));
            }
        }
    }
    let trading = |market: &&Market| !market.core.is_settling();
    for (key, account) in view.book.claimants().chain(view.book.indebted()) {
        let due = view.markets().filter(trading).filter(|market| is_due(account, market, now));
        work.extend(due.map(|market| Work::Settle(*key, market.index)));
    }
    work.sort_unstable();
    work.dedup();
    work
}

/// Whether settling changes anything that somebody waits for.
fn is_due(account: &MarginAccount, market: &Market, now: i64) -> bool {
    let (core, index) = (&market.core, market.index);
    let held = account.debts.held(index).unwrap_or(0);
    let here = account.debts.share(index, account.quote).unwrap_or(0);
    let Some(position) = account.position_in(index) else {
        return held > here; // repaid, and still held back
    };
    let debts = Owes { here, all: debt::owed(account.quote) };
    match (core.is_settling(), position.is_claim()) {
        (true, true) => core.pays_claims(held, now) || (here > 0 && core.book.cash > 0),
        (true, false) => true,
        (false, true) => brings(market, position, (debts, now)),
        // Profit that pays a debt, and losses that claims wait for.
        (false, false) => (here > 0 || core.pressing(u64::MAX) > 0) && brings(market, position, (debts, now)),
    }
}

fn brings(market: &Market, position: &Position, what: (Owes, i64)) -> bool {
    let (mut core, mut position) = (market.core, *position);
    core.settle(&mut position, what).is_ok_and(|report| report.quote_change.0 != 0)
}

pub(super) fn plan(fresh: &Fresh<'_>, index: u16) -> Result<Plan, PlanError> {
    let (margin, market) = (fresh.account()?, fresh.market(index)?);
    if !is_due(margin.account, market, fresh.context.now) {
        return Ok(Plan::Nothing);
    }
    let refreshes = if market.core.is_settling() { Vec::new() } else { fresh.refresh(&[Leg::Market(index)]) };
    let main = vec![ix::settle_position(margin.address, index)];
    Ok(Plan::Try(vec![Fresh::attempt(Motive::Service, refreshes, main)]))
}

pub(super) fn plan_close(fresh: &Fresh<'_>, index: u16) -> Result<Plan, PlanError> {
    let market = fresh.market(index)?;
    if { market.core }.close().is_err() {
        return Ok(Plan::Nothing);
    }
    let main = vec![ix::close_market(index, market.payer)];
    Ok(Plan::Try(vec![Fresh::attempt(Motive::Service, Vec::new(), main)]))
}
