//! Claims are paid as soon as their market can, debts that were repaid stop holding others up, and a market that settles is
//! settled to the last position and closed.

use bulwark_sdk::engine::debt;
use bulwark_sdk::engine::position::Position;
use bulwark_sdk::engine::trade::Owes;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::state::{MarginAccount, Market};
use bulwark_sdk::refresh::Leg;

use super::{Fresh, Motive, Plan, PlanError, View};
use crate::rules::Rules;
use crate::work::Work;

/// Losers of a market that are named at once: claims wait for no more than there is.
const AT_ONCE: usize = 64;

pub(super) fn find(view: View<'_>) -> Vec<Work> {
    let (mut work, now) = (Vec::new(), view.moment().now);
    for market in view.markets() {
        if market.core.is_settling() {
            let members = view.book.members(market.index);
            let due = members.filter(|(_, account)| is_due(account, market, (view.rules, now)));
            work.extend(due.map(|(key, _)| Work::Settle(*key, market.index)));
            if { market.core }.close().is_ok() {
                work.push(Work::Close(market.index));
            }
        }
    }
    let what = (view.rules, now);
    let trading = |market: &&Market| !market.core.is_settling();
    for (key, account) in view.book.claimants().chain(view.book.indebted()) {
        // Members of a market that settles were looked at; who has no position is none of them.
        let other = |market: &&Market| trading(market) || account.position_in(market.index).is_none();
        let due = view.markets().filter(other).filter(|market| is_due(account, market, what));
        work.extend(due.map(|market| Work::Settle(*key, market.index)));
    }
    for market in view.markets().filter(trading).filter(|market| market.core.pressing(u64::MAX) > 0) {
        let losers = view.book.members(market.index).filter(|(key, account)| {
            (view.ready)(&Work::Settle(**key, market.index)) && is_due(account, market, what)
        });
        work.extend(losers.take(AT_ONCE).map(|(key, _)| Work::Settle(*key, market.index)));
    }
    work.sort_unstable();
    work.dedup();
    work
}

/// Whether settling changes anything that somebody waits for.
fn is_due(account: &MarginAccount, market: &Market, (rules, now): (&Rules, i64)) -> bool {
    let (core, index) = (&market.core, market.index);
    let held = account.debts.held(index).unwrap_or(0);
    let here = account.debts.share(index, account.quote).unwrap_or(0);
    // All of it, or as much as a transaction that nobody pays for is worth: prices move in every slot.
    let enough = |all: u64| all.min(rules.min_fees).max(1);
    let Some(position) = account.position_in(index) else {
        // Repaid, and still held back: by the unit if somebody waits for it.
        let least = if core.pressing(u64::MAX) > 0 || core.is_settling() { 1 } else { enough(held) };
        return held.saturating_sub(here) >= least;
    };
    let debts = Owes { here, all: debt::owed(account.quote) };
    match (core.is_settling(), position.is_claim()) {
        (true, true) => core.pays_claims(held, now) || (here > 0 && core.book.cash > 0),
        (true, false) => true,
        (false, true) => brings(market, position, (debts, now)) >= enough(position.quote.units_or_zero()),
        // Profit that pays a debt, and losses that claims wait for.
        (false, false) => {
            let (waits, brings) = (core.pressing(u64::MAX), brings(market, position, (debts, now)));
            (here > 0 || waits > 0) && brings >= enough(if here > 0 { here } else { waits })
        }
    }
}

/// Quote units that settling moves.
fn brings(market: &Market, position: &Position, what: (Owes, i64)) -> u64 {
    let (mut core, mut position) = (market.core, *position);
    core.settle(&mut position, what).map_or(0, |report| report.quote_change.0.unsigned_abs())
}

pub(super) fn plan(fresh: &Fresh<'_>, index: u16) -> Result<Plan, PlanError> {
    let (margin, market) = (fresh.account()?, fresh.market(index)?);
    if !is_due(margin.account, market, (fresh.rules, fresh.context.now)) {
        return Ok(Plan::Nothing);
    }
    let refreshes = if market.core.is_settling() { Vec::new() } else { fresh.refresh(&[Leg::Market(index)]) };
    let main = vec![ix::settle_position(margin.address, index)];
    Ok(Plan::one(Motive::Service, refreshes, main))
}

pub(super) fn plan_close(fresh: &Fresh<'_>, index: u16) -> Result<Plan, PlanError> {
    let market = fresh.market(index)?;
    if { market.core }.close().is_err() {
        return Ok(Plan::Nothing);
    }
    let main = vec![ix::close_market(index, market.payer)];
    Ok(Plan::one(Motive::Service, Vec::new(), main))
}
