//! Orders that wait for a price do what they say, and keepers get what they are due.

use bulwark_sdk::engine::EngineError;
use bulwark_sdk::engine::margin::HealthType;
use bulwark_sdk::engine::trigger::{Trigger, TriggerKind};
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::program::events::{CancelReason, Traded, TriggerExecuted};

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

        let long = trigger.side == Side::Long.to_byte();
        let entry = trigger.kind == TriggerKind::Limit.to_byte();
        require((lots > 0) == (long == entry), || format!("{lots} lots for {trigger:?}"))?;
        let account = m.stage.account(&e.account).ok_or("unknown account")?;
        let held = m.was.holders[account].and_then(|h| h.positions[usize::from(t.market)]);
        let (was, is) = (held.map_or(0, |h| h.b), i128::from(t.position_lots));
        require(is == was + lots, || format!("{was} and {lots} lots are {is}"))?;
        // More than its lots only to close what would be too small to stay.
        let core = &m.after.market(usize::from(t.market)).core;
        let rest = ((was.abs() - i128::from(trigger.lots)) * i128::from(t.price)) >> 32;
        let dust = !entry && is == 0 && rest < i128::from(core.params.min_notional);
        let within = lots.abs() <= i128::from(trigger.lots) || dust;
        require(within, || format!("{lots} lots of {trigger:?}"))?;
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
            CancelReason::DelegateChanged => {
                trigger.by_delegate == 1 && matches!(m.step, Step::SetDelegate { .. })
            }
            CancelReason::Failed => {
                !late && met(m, trigger)? && matches!(m.step, Step::ExecuteTrigger { .. })
            }
            CancelReason::MarketClosed => false, // no market is closed in a walk
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
        let gone = m.events().iter().filter(|e| matches!(e, Event::TriggerCancelled(_))).count();
        require(count(m.is) + gone == count(m.was), || format!("{gone} triggers should be gone"))?;
    }
    Ok(())
}

/// Of a trigger that was cancelled when its price had come: the engine refuses the trade for good, or the SDK finds too
/// little margin after it, and every price that says so is fresh.
fn impossible(m: &Moment<'_>, account: usize, trigger: &Trigger) -> Verdict {
    let (mut market, now) = (Box::new(*m.before.market(usize::from(trigger.market))), m.after.now);
    let mut holder = Box::new(*m.before.margin(account).ok_or("no account")?);
    // Its own debt does not stand against it.
    holder.lift(&mut market).map_err(|e| e.to_string())?;
    let entry = trigger.kind == TriggerKind::Limit.to_byte();
    let side = Side::from_byte(trigger.side).map_err(|e| e.to_string())?;
    let traded = if entry {
        let slot = holder.position_or_free(trigger.market, side).ok_or("no slot")?;
        trigger.order(now).and_then(|order| market.core.increase(slot, side, &order))
    } else {
        let slot = holder.position_mut(trigger.market);
        let order = trigger.reduction(&market.core, slot.as_deref(), now);
        order.and_then(|order| market.core.decrease(slot.ok_or(EngineError::NoPosition)?, &order))
    };
    let report = match traded {
        Ok(report) => report,
        Err(EngineError::NoPosition | EngineError::OppositeSide | EngineError::NotAMultipleOfStep { .. }) => {
            return Ok(());
        }
        Err(EngineError::BelowMinNotional { .. }) if entry => return Ok(()),
        Err(other) => return Err(format!("cancelled for what passes: {other}")),
    };
    require(entry, || format!("a way out cancelled that was there: {report:?}"))?;
    holder.quote.0 += report.quote_change.0;
    let mut snapshot = m.before.snapshot();
    snapshot.now = now;
    snapshot.markets.insert(trigger.market, &market);
    let health = snapshot
        .health(&holder, HealthType::Init)
        .map_err(|e| format!("cancelled though nobody knows: {e}"))?;
    require(health.require().is_err(), || format!("cancelled, but {health:?} after it"))?;
    let was = m.was.holders[account].unwrap_or_default();
    let fresh = judged_by_fresh_prices(m, &was, usize::from(trigger.market));
    require(fresh, || "cancelled for prices that have to be refreshed".into())
}

/// The exchange's fee as far as the taker fee and the trader's quote reach: of an entry no more than its margin can
/// spare, of a way out all if the account stays healthy, or else nothing.
fn due(m: &Moment<'_>, (e, t): (&TriggerExecuted, &Traded)) -> Result<u64, String> {
    let account = m.stage.account(&e.account).ok_or("unknown account")?;
    let mut holder = Box::new(*m.after.margin(account).ok_or("no account")?);
    holder.quote.0 += e.fee.cast_signed(); // before the fee
    let most = m.after.exchange().params.trigger_fee.min(t.fee_pool + t.fee_insurance + t.fee_protocol);
    let most = most.min(holder.quote.units_or_zero());
    let snapshot = m.after.snapshot();
    if t.lots.signum() == t.position_lots.signum() {
        let health = snapshot.health(&holder, HealthType::Init).map_err(|e| e.to_string())?;
        return Ok(most.min(health.excess().map_err(|e| e.to_string())?.units_or_zero()));
    }
    holder.quote.0 -= most.cast_signed();
    let healthy = snapshot.health(&holder, HealthType::Maint).is_ok_and(|health| health.require().is_ok());
    Ok(if healthy { most } else { 0 })
}

/// Exactly what is due, if an account was named; nothing otherwise.
pub(super) fn a_keeper_gets_the_fee(m: &Moment<'_>) -> Verdict {
    let executed = m.events().iter().find_map(|e| match e {
        Event::TriggerExecuted(e) => Some(e),
        _ => None,
    });
    let traded = m.events().iter().find_map(|e| if let Event::Traded(e) = e { Some(e) } else { None });
    let (Some(e), Some(t), Step::ExecuteTrigger { keeper, flaw: Flaw::None, .. }) =
        (executed, traded, m.step)
    else {
        return Ok(());
    };
    let TriggerExecuted { fee, keeper: told, account, .. } = e;
    let expected = match keeper {
        Some(keeper) => (due(m, (e, t))?, m.stage.keys[Stage::margin(*keeper)]),
        None => (0, *account),
    };
    require((*fee, *told) == expected, || format!("{fee} to {told} for {expected:?}"))?;
    let Some(keeper) = *keeper else { return Ok(()) };
    let quote = |ledger: &crate::walk::reference::Ledger| ledger.holders[keeper].map_or(0, |h| h.quote);
    let got = quote(m.is) - quote(m.was);
    require(got == i128::from(*fee), || format!("the keeper got {got} of {fee}"))
}
