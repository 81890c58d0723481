//! Orders whose price has come are executed, for the fee that the exchange sets.

use bulwark_sdk::Pubkey;
use bulwark_sdk::engine::margin::HealthType;
use bulwark_sdk::engine::price::{Action, Age};
use bulwark_sdk::engine::trigger::Trigger;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::health::{Intent, Snapshot};
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::state::{MarginAccount, Market, MarketStatus, Pause};
use bulwark_sdk::refresh::Leg;

use super::{Fresh, Motive, Plan, PlanError, View};
use crate::rules::Rules;
use crate::work::Work;

pub(super) fn find(view: View<'_>) -> Vec<Work> {
    let now = view.moment().now;
    let priced = view.markets().filter(|market| is_priced(market, now));
    let met = priced.flat_map(|market| {
        let met = view.book.triggers_met(market.index, market.core.mark()).into_iter();
        met.filter(move |(key, id)| *key != view.own.margin && is_worth_it(view, (key, *id), market))
    });
    met.map(|(key, id)| Work::Trigger(key, id)).collect()
}

fn is_worth_it(view: View<'_>, (key, id): (&Pubkey, u64), market: &Market) -> bool {
    let Some(account) = view.book.get(key) else { return false };
    ix::find_trigger(account, id)
        .is_some_and(|trigger| pays((view.snapshot, view.rules), (account, trigger), market))
}

/// Whether it would be executed, and pay. What has expired, was placed in an earlier market of this index, or is beyond what the
/// account can do, is only cancelled, and nobody is paid for that; a fill beyond the limit price, a cap or a pause is refused.
fn pays(
    (snapshot, rules): (&Snapshot<'_>, &Rules),
    what: (&MarginAccount, &Trigger),
    market: &Market,
) -> bool {
    let alive = what.1.generation == market.generation && !what.1.is_expired(snapshot.now);
    let least = u64::try_from(rules.min_profit).unwrap_or(0).max(1);
    alive && fee(snapshot, what, market).is_some_and(|fee| fee >= least)
}

/// What executing it pays the keeper, quote units; `None` if it would not be executed.
fn fee(
    snapshot: &Snapshot<'_>,
    (account, trigger): (&MarginAccount, &Trigger),
    market: &Market,
) -> Option<u64> {
    let (now, params) = (snapshot.now, &snapshot.exchange.params);
    let (intent, order, kind) = if trigger.is_reduce_only().ok()? {
        let order = trigger.reduction(&market.core, account.position_in(market.index), now);
        (Intent::Close, order, HealthType::Maint)
    } else {
        let stopped = Pause::INCREASE.is_set(snapshot.exchange.pause | market.pause);
        if stopped || !market.is(MarketStatus::Active) {
            return None;
        }
        (Intent::Open(Side::from_byte(trigger.side).ok()?), trigger.order(now), HealthType::Init)
    };
    let done = snapshot.quote(account, (market.index, intent), &order.ok()?).ok()?;
    let mut after = snapshot.clone();
    after.markets.insert(market.index, &done.market);
    let free = after.health(&done.account, kind).ok()?.excess().ok()?;
    let due = Trigger::keeper_fee(params.trigger_fee, done.report.fee, done.account.quote);
    Some(due.min(free.units_or_zero()))
}

/// The trader does not choose the moment, so only an undoubted price will do.
fn is_priced(market: &Market, now: i64) -> bool {
    let core = &market.core;
    core.oracle.require(&core.params.oracle, (Action::Increase, Age::Trade), now).is_ok()
}

pub(super) fn plan(fresh: &Fresh<'_>, id: u64) -> Result<Plan, PlanError> {
    let margin = fresh.account()?;
    let Some(trigger) = ix::find_trigger(margin.account, id) else { return Ok(Plan::Nothing) };
    let (market, now) = (fresh.market(trigger.market)?, fresh.context.now);
    let met = is_priced(market, now) && trigger.require_met(market.core.mark()).is_ok();
    if !met || !pays((&fresh.context.snapshot(), fresh.rules), (margin.account, trigger), market) {
        return Ok(Plan::Nothing);
    }
    let main = vec![ix::execute_trigger(fresh.listings(), margin, id, fresh.pay_to())?];
    let refreshes = fresh.refreshes(&[margin.account], Some(Leg::Market(trigger.market)))?;
    Ok(Plan::one(Motive::Profit, refreshes, main))
}
