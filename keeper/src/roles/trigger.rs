//! Orders whose price has come are executed, for the fee that the exchange sets.

use bulwark_sdk::Pubkey;
use bulwark_sdk::engine::price::{Action, Age};
use bulwark_sdk::engine::trigger::Trigger;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::state::Market;

use bulwark_sdk::refresh::Leg;

use super::{Fresh, Motive, Plan, PlanError, View};
use crate::work::Work;

pub(super) fn find(view: View<'_>) -> Vec<Work> {
    let now = view.moment().now;
    let priced = view.markets().filter(|market| is_priced(market, now));
    let met = priced.flat_map(|market| {
        let met = view.book.triggers_met(market.index, market.core.mark()).into_iter();
        met.filter(move |(key, id)| is_alive(view, (key, *id), (market, now)))
    });
    met.map(|(key, id)| Work::Trigger(key, id)).collect()
}

/// Whether it would be executed: what has expired, or was placed in an earlier market of this index, is only cancelled.
fn is_alive(view: View<'_>, (key, id): (&Pubkey, u64), (market, now): (&Market, i64)) -> bool {
    let triggers = view.book.get(key).map(|account| &account.triggers);
    let trigger = triggers.and_then(|all| all.iter().find(|trigger| trigger.is_set() && trigger.id == id));
    trigger.is_some_and(|t| t.generation == market.generation && !t.is_expired(now))
}

/// The trader does not choose the moment, so only an undoubted price will do.
fn is_priced(market: &Market, now: i64) -> bool {
    let core = &market.core;
    core.oracle.require(&core.params.oracle, (Action::Increase, Age::Trade), now).is_ok()
}

pub(super) fn plan(fresh: &Fresh<'_>, id: u64) -> Result<Plan, PlanError> {
    let margin = fresh.account()?;
    let find = |trigger: &&Trigger| trigger.is_set() && trigger.id == id;
    let Some(trigger) = margin.account.triggers.iter().find(find) else { return Ok(Plan::Nothing) };
    let (market, now) = (fresh.market(trigger.market)?, fresh.context.now);
    let met = is_priced(market, now) && trigger.require_met(market.core.mark()).is_ok();
    if !met || trigger.generation != market.generation || trigger.is_expired(now) {
        return Ok(Plan::Nothing);
    }
    let main = vec![ix::execute_trigger(fresh.listings, margin, id, fresh.pay_to())?];
    let refreshes = fresh.refreshes(&[margin.account], Some(Leg::Market(trigger.market)))?;
    Ok(Plan::Try(vec![Fresh::attempt(Motive::Profit, refreshes, main)]))
}
