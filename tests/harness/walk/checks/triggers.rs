//! Orders that wait for a price do what they say, and keepers get what they are due.

use bulwark_sdk::engine::EngineError;
use bulwark_sdk::engine::margin::HealthType;
use bulwark_sdk::engine::trigger::{Trigger, TriggerKind};
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::program::events::{CancelReason, TriggerExecuted};

use super::Moment;
use super::oracle::judged_by_fresh_prices;
use crate::walk::exact::allowed_by;
use crate::walk::reference::{Verdict, require};
use crate::walk::stage::Stage;
use crate::walk::step::{Flaw, Step};

/// A trigger as it was before the step.
fn waiting<'a>(m: &Moment<'a>, account: &bulwark_sdk::Pubkey, id: u64) -> Result<&'a Trigger, String> {
    let holder = m.stage.account(account).and_then(|account| m.was.holders[account].as_ref());
    holder.and_then(|h| h.trigger(id)).ok_or_else(|| format!("no trigger {id}"))
}

/// Whether the mark is at the price that it waits for: who enters long or stops a short's loss the wrong way round never
/// is.
fn met(m: &Moment<'_>, trigger: &Trigger) -> Result<bool, String> {
    let mark = m.after.market(usize::from(trigger.market)).core.mark().to_bits();
    let long = Side::from_byte(trigger.side).map_err(|e| e.to_string())? == Side::Long;
    let low = mark <= trigger.trigger_price;
    let high = mark >= trigger.trigger_price;
    Ok(match TriggerKind::from_byte(trigger.kind).map_err(|e| e.to_string())? {
        TriggerKind::TakeProfit if long => high,
        TriggerKind::TakeProfit => low,
        TriggerKind::Limit | TriggerKind::StopLoss if long => low,
        TriggerKind::Limit | TriggerKind::StopLoss => high,
    })
}

/// It executes at its price or beyond, in time, for no more than its lots and at no worse than its limit; the ways out
/// only ever make a position smaller. Nothing trades without a signature but by a trigger.
pub(super) fn a_trigger_keeps_its_word(m: &Moment<'_>) -> Verdict {
    for (index, event) in m.events().iter().enumerate() {
        let Event::TriggerExecuted(e) = event else { continue };
        let Some(Event::Traded(t)) = index.checked_sub(1).map(|i| &m.events()[i]) else {
            return Err("executed without a trade".into());
        };
        let trigger = waiting(m, &e.account, e.id)?;
        let told = (t.account, t.market, e.market);
        let expected = (e.account, trigger.market, trigger.market);
        require(told == expected, || format!("{t:?} for {trigger:?}"))?;
        require(met(m, trigger)?, || format!("{trigger:?} at {}", t.price))?;
        require(m.after.now <= trigger.expiry, || format!("{trigger:?} after its time"))?;
        let lots = i128::from(t.lots);
        require(lots.unsigned_abs() <= u128::from(trigger.lots), || format!("{lots} lots of {trigger:?}"))?;

        let long = trigger.side == Side::Long.to_byte();
        let entry = trigger.kind == TriggerKind::Limit.to_byte();
        require((lots > 0) == (long == entry), || format!("{lots} lots for {trigger:?}"))?;
        let account = m.stage.account(&e.account).ok_or("unknown account")?;
        let held = m.was.holders[account].and_then(|h| h.positions[usize::from(t.market)]);
        let (was, is) = (held.map_or(0, |h| h.b), i128::from(t.position_lots));
        require(is == was + lots, || format!("{was} and {lots} lots are {is}"))?;
        let smaller = is.abs() < was.abs() && is * was >= 0;
        require(entry || smaller, || format!("a way out from {was} to {is}"))?;
        let cost = i128::from(t.curve) + i128::from(t.spread);
        let allowed = allowed_by(trigger.limit_price, lots).unwrap_or(cost);
        require(cost <= allowed, || format!("costs {cost}, the limit allows {allowed}"))?;
    }
    Ok(())
}

/// On request, which its owner or delegate signs; after its time; or when its price has come and the account can't do
/// it. No money moves.
pub(super) fn a_trigger_is_cancelled_for_a_reason(m: &Moment<'_>) -> Verdict {
    for event in m.events() {
        let Event::TriggerCancelled(e) = event else { continue };
        let trigger = waiting(m, &e.account, e.id)?;
        let late = m.after.now > trigger.expiry;
        let right = match e.reason {
            CancelReason::Request => !late && matches!(m.step, Step::CancelTrigger { .. }),
            CancelReason::Expired => late,
            CancelReason::Failed => {
                !late && met(m, trigger)? && matches!(m.step, Step::ExecuteTrigger { .. })
            }
        };
        require(right, || format!("{e:?} for {trigger:?} at {}", m.after.now))?;
        let account = m.stage.account(&e.account).ok_or("unknown account")?;
        if e.reason == CancelReason::Failed {
            impossible(m, account, trigger)?;
        }
        let own: Vec<_> =
            m.before.changes(m.after).filter(|place| *place != Stage::margin(account)).collect();
        require(own.is_empty(), || format!("a cancelled trigger changed {own:?}"))?;
        let count = |ledger: &crate::walk::reference::Ledger| {
            ledger.holders[account].map_or(0, |h| h.triggers.iter().filter(|t| t.is_set()).count())
        };
        require(count(m.is) + 1 == count(m.was), || "not one trigger is gone".into())?;
    }
    Ok(())
}

/// Of a trigger that was cancelled when its price had come: the engine refuses the trade for good, or the SDK finds too
/// little margin after it, and every price that says so is fresh.
fn impossible(m: &Moment<'_>, account: usize, trigger: &Trigger) -> Verdict {
    let (mut market, now) = (Box::new(*m.before.market(usize::from(trigger.market))), m.after.now);
    let mut holder = Box::new(*m.before.margin(account).ok_or("no account")?);
    let entry = trigger.kind == TriggerKind::Limit.to_byte();
    let side = Side::from_byte(trigger.side).map_err(|e| e.to_string())?;
    let traded = if entry {
        let slot = holder.position_or_free(trigger.market, side).ok_or("no slot")?;
        trigger.order(now).and_then(|order| market.core.increase(slot, side, &order))
    } else {
        let slot = holder.position_mut(trigger.market);
        let held = slot.as_ref().map_or(0, |p| p.lots.count());
        let order = trigger.reduction(slot.as_deref(), held, now);
        order.and_then(|order| market.core.decrease(slot.ok_or(EngineError::NoPosition)?, &order))
    };
    let report = match traded {
        Ok(report) => report,
        Err(
            EngineError::NoPosition
            | EngineError::OppositeSide
            | EngineError::BelowMinNotional { .. }
            | EngineError::NotAMultipleOfStep { .. },
        ) => return Ok(()),
        Err(other) => return Err(format!("cancelled for what passes: {other}")),
    };
    let paid = matches!(m.step, Step::ExecuteTrigger { keeper: Some(_), flaw: Flaw::None, .. });
    let fee = if paid { m.after.exchange().trigger_fee.cast_signed() } else { 0 };
    holder.quote.0 += report.quote_change.0 - fee;
    let mut snapshot = m.before.snapshot();
    snapshot.now = now;
    snapshot.markets.insert(trigger.market, &market);
    let kind = if entry { HealthType::Init } else { HealthType::Maint };
    let health = snapshot.health(&holder, kind).map_err(|e| format!("cancelled though nobody knows: {e}"))?;
    require(health.require().is_err(), || format!("cancelled, but {health:?} after it"))?;
    let was = m.was.holders[account].unwrap_or_default();
    let fresh = judged_by_fresh_prices(m, &was, usize::from(trigger.market));
    require(fresh, || "cancelled for prices that have to be refreshed".into())
}

/// Exactly the exchange's fee, if an account was named; nothing otherwise.
pub(super) fn a_keeper_gets_the_fee(m: &Moment<'_>) -> Verdict {
    let executed = m.events().iter().find_map(|e| match e {
        Event::TriggerExecuted(e) => Some(e),
        _ => None,
    });
    let (Some(e), Step::ExecuteTrigger { keeper, flaw: Flaw::None, .. }) = (executed, m.step) else {
        return Ok(());
    };
    let TriggerExecuted { fee, keeper: told, account, .. } = e;
    let expected = keeper.map_or((0, *account), |keeper| {
        (m.after.exchange().trigger_fee, m.stage.keys[Stage::margin(keeper)])
    });
    require((*fee, *told) == expected, || format!("{fee} to {told} for {expected:?}"))?;
    let Some(keeper) = *keeper else { return Ok(()) };
    let quote = |ledger: &crate::walk::reference::Ledger| ledger.holders[keeper].map_or(0, |h| h.quote);
    let got = quote(m.is) - quote(m.was);
    require(got == i128::from(*fee), || format!("the keeper got {got} of {fee}"))
}
