//! While traders' profit or skew is above its limit, accounts of the heavy side above the cut-off leverage are reduced, the
//! highest leverage first.

use std::cmp::Reverse;

use bulwark_sdk::Pubkey;
use bulwark_sdk::engine::margin::{Health, HealthType};
use bulwark_sdk::engine::units::{Quote, Side};
use bulwark_sdk::forecast::Moment;
use bulwark_sdk::health::{HealthError, Snapshot};
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::state::{MarginAccount, Market};

use bulwark_sdk::refresh::Leg;

use super::{Fresh, Motive, Plan, PlanError, View};
use crate::work::Work;

/// Accounts that are named at once: they are worked off before the cut-off falls another step.
const AT_ONCE: usize = 64;

pub(super) fn find(view: View<'_>) -> Vec<Work> {
    let exposed = view.markets().filter(|market| market.core.deleveraging_since != 0);
    exposed.flat_map(|market| in_market(view, market)).collect()
}

fn in_market(view: View<'_>, market: &Market) -> Vec<Work> {
    let Ok(Some(heavy)) = market.core.heavy_side() else { return Vec::new() };
    let (index, what) = (market.index, (view.snapshot, view.moment()));
    // Nobody is paid for his own.
    let others = view
        .book
        .members(index)
        .filter(|(key, _)| **key != view.own.margin && (view.ready)(&Work::Deleverage(**key, index)));
    let members = others.filter(|(_, account)| {
        account.position_in(index).is_some_and(|p| p.side() == Ok(heavy) && !p.is_claim())
    });
    let leverage = |account| leverage(view.snapshot, account, market).ok().flatten();
    let mut all: Vec<(u128, Pubkey, &MarginAccount)> =
        members.filter_map(|(key, account)| Some((leverage(account)?, *key, account))).collect();
    all.sort_unstable_by_key(|(leverage, key, _)| Reverse((*leverage, *key)));
    let first = all.into_iter().take(AT_ONCE);
    let above = first.filter(|(_, _, account)| may_be_reduced(what, account, market).unwrap_or(false));
    above.map(|(_, key, _)| Work::Deleverage(key, index)).collect()
}

/// Leverage of a position, Q32: its worth over the equity of the account.
fn leverage(
    snapshot: &Snapshot<'_>,
    account: &MarginAccount,
    market: &Market,
) -> Result<Option<u128>, HealthError> {
    let Some(position) = account.position_in(market.index) else { return Ok(None) };
    let side = Side::from_byte(position.side)?;
    let held = market.core.book.side(side).member(position)?.lots.count();
    let notional = market.core.mark().mul_floor(held)?;
    let equity = equity(snapshot, account)?.units_or_zero().max(1);
    Ok(Some((u128::from(notional) << 32) / u128::from(equity)))
}

/// Whether the program would reduce a position now.
fn may_be_reduced(
    (snapshot, moment): (&Snapshot<'_>, Moment),
    account: &MarginAccount,
    market: &Market,
) -> Result<bool, HealthError> {
    let equity = equity(snapshot, account)?;
    let (mut core, Some(mut position)) = (market.core, account.position_in(market.index).copied()) else {
        return Ok(false);
    };
    let Ok(cutoff) = core.cutoff(moment.slot, moment.now) else { return Ok(false) };
    Ok(core.deleverage_position(&mut position, (equity, cutoff), moment.now).is_ok())
}

/// Equity of the whole account at live prices, every doubt in its favour.
fn equity(snapshot: &Snapshot<'_>, account: &MarginAccount) -> Result<Quote, HealthError> {
    let mut all = account.legs().portfolio(&mut &*snapshot, (HealthType::Liquidate, snapshot.now))?;
    all.add(Health { equity: account.quote, requirement: Quote::ZERO })?;
    Ok(all.equity_in_doubt()?)
}

pub(super) fn plan(fresh: &Fresh<'_>, index: u16) -> Result<Plan, PlanError> {
    let (margin, market, snapshot) = (fresh.account()?, fresh.market(index)?, fresh.context.snapshot());
    let moment = Moment { slot: fresh.context.clock_slot, now: fresh.context.now };
    if !may_be_reduced((&snapshot, moment), margin.account, market)? {
        return Ok(Plan::Nothing);
    }
    let main = vec![ix::auto_deleverage(fresh.listings(), margin, index, fresh.pay_to())?];
    let refreshes = fresh.refreshes(&[margin.account], Some(Leg::Market(index)))?;
    Ok(Plan::one(Motive::Service, refreshes, main))
}
