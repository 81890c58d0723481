//! Who is liquidated or deleveraged, and what that leaves: I5, I7.

use bulwark_sdk::event::Event;
use bulwark_sdk::program::events::{Liquidated, LiquidationKind};

use super::Moment;
use crate::walk::exact::sign;
use crate::walk::health::{Standing, standing};
use crate::walk::reference::{Holder, Ledger, Verdict, require};
use crate::walk::step::{Flaw, Step};

/// An account before the step and after it, both by the carry and the prices of after.
fn standings(m: &Moment<'_>, account: usize) -> Option<[Standing; 2]> {
    let judged = |holder: &Holder| standing(m.is, holder, m.after);
    Some([judged(m.was.holders[account].as_ref()?), judged(m.is.holders[account].as_ref()?)])
}

fn liquidations<'a>(m: &Moment<'a>) -> impl Iterator<Item = &'a Liquidated> {
    let events = m.sent.and_then(|sent| sent.as_ref().ok()).map_or(&[][..], Vec::as_slice);
    events.iter().filter_map(|event| if let Event::Liquidated(e) = event { Some(e) } else { None })
}

/// A fill takes lots off an account that is below its requirement, and never makes its equity over requirement worse, but
/// for a few units of rounding; a fee never makes its equity negative.
pub(super) fn i7_a_fill_makes_nobody_worse(m: &Moment<'_>) -> Verdict {
    for e in liquidations(m).filter(|e| e.kind != LiquidationKind::Deleveraging) {
        let account = m.stage.account(&e.account).ok_or("unknown account")?;
        let [was, is] = standings(m, account).ok_or("not open")?;
        require(was.in_trouble(), || format!("{was:?} was liquidated"))?;
        let (before, after) = (was.equity * is.requirement, (is.equity + 4) * was.requirement);
        let better = if was.equity > 0 { after >= before } else { is.equity >= was.equity - 4 };
        require(better, || format!("{was:?} became {is:?} by {e:?}"))?;
        require(was.equity < 0 || is.equity >= -4, || format!("{was:?} became {is:?} by {e:?}"))?;
        let fee = i128::from(e.paid) - i128::from(e.quote_change);
        require(was.equity > 0 || fee <= 0, || format!("{fee} charged to {was:?}"))?;
        require(i128::from(e.position_lots).abs() < held(m.was, account, e), || {
            format!("{e:?} took nothing")
        })?;
    }
    Ok(())
}

fn held(ledger: &Ledger, account: usize, e: &Liquidated) -> i128 {
    let position = ledger.holders[account].and_then(|h| h.positions[usize::from(e.market)]);
    position.map_or(0, |held| held.b.abs())
}

/// A sale brings what it takes from the account's worth, where that still holds positions; and never more quote than it
/// was short of, but for the unit that it is rounded by.
pub(super) fn i7_a_sale_is_worth_its_price(m: &Moment<'_>) -> Verdict {
    for event in m.events() {
        let Event::CollateralSold(e) = event else { continue };
        let account = m.stage.account(&e.account).ok_or("unknown account")?;
        let [was, is] = standings(m, account).ok_or("not open")?;
        let holder = m.was.holders[account].ok_or("not open")?;
        if holder.has_positions() || !was.in_trouble() {
            require(is.equity >= was.equity - 4, || format!("{was:?} became {is:?} by {e:?}"))?;
        }
        let wanted = (was.requirement - holder.quote).max(0);
        // One more token unit is what the amount was rounded up by.
        let unit = i128::from(e.price >> 32) + 2;
        require(i128::from(e.proceeds) <= wanted + unit, || format!("{} for {wanted}", e.proceeds))?;
    }
    Ok(())
}

/// Who asks for fewer lots gets those; nobody is given more than he asked for.
pub(super) fn a_liquidator_gets_what_he_asked_for(m: &Moment<'_>) -> Verdict {
    let Step::Liquidate { order, account, liquidator, flaw: Flaw::None, .. } = *m.step else { return Ok(()) };
    for e in liquidations(m) {
        let lots = i128::from(e.lots);
        let whole = lots == held(m.was, account, e);
        require(lots <= i128::from(order.lots) || whole, || format!("{lots} lots of {}", order.lots))?;
        let places = [&e.account, &e.liquidator].map(|key| m.stage.account(key));
        require(places == [Some(account), Some(liquidator)], || format!("{places:?} for {:?}", m.step))?;
        let limit = order.limit.unwrap_or(if e.side == 0 { u64::MAX } else { 0 });
        let bought = if e.side == 0 { lots } else { -lots };
        let allowed = crate::walk::exact::allowed_by(limit, bought).unwrap_or(i128::MAX);
        require(-i128::from(e.cost) <= allowed, || format!("{e:?} beyond the limit {limit}"))?;
    }
    Ok(())
}

/// Exposure deleveraging leaves equity as it is to the unit, of the account and of the market; skew falls, towards zero
/// and not beyond; nobody is closed for more than his leverage asks for.
pub(super) fn i5_deleveraging_costs_nobody(m: &Moment<'_>) -> Verdict {
    for e in liquidations(m).filter(|e| e.kind == LiquidationKind::Deleveraging) {
        let (account, market) =
            (m.stage.account(&e.account).ok_or("unknown account")?, usize::from(e.market));
        let [was, is] = standings(m, account).ok_or("not open")?;
        let change = is.equity - was.equity;
        require((-3..=1).contains(&change), || format!("{was:?} became {is:?} by {e:?}"))?;
        let mark = m.is.dynamics[market].mark();
        let pool = m.is.equity(market, &mark) - m.was.equity(market, &mark);
        // The last one to leave a bucket leaves what unwinds have rounded to the pool.
        let dust = m.reference.dust(market, usize::from(e.side)) * ((mark.price >> 48) + 2);
        require((-2..=5 + dust).contains(&pool), || {
            format!("the market's equity changed by {pool} by {e:?}")
        })?;
        let (was, is) = (m.was.skew(market), m.is.skew(market));
        // What unwinds have rounded may leave with the lots.
        let dust = m.reference.dust(market, usize::from(e.side));
        let falls = is.abs() < was.abs() + dust && is * was.signum() >= -dust;
        require(falls, || format!("skew {was} became {is} by {e:?}"))?;
        let side = m.was.holders[account].and_then(|h| h.positions[market]).map(|held| sign(held.side));
        require(side == Some(was.signum()), || format!("{side:?} reduced at skew {was}"))?;
    }
    Ok(())
}
