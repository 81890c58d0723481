//! What a trade must keep: caps, its own limit price, and the account's health.

use bulwark_sdk::engine::margin::HealthType;
use bulwark_sdk::engine::trade::Order;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::health::{HealthError, Intent, Preview};
use bulwark_sdk::program::events::Traded;
use bulwark_sdk::program::state::MarginAccount;

use super::Moment;
use crate::walk::exact::{
    Curve, Mark, UNIT, allowed_by, floor, mul_div_ceil, mul_div_floor, ppm, ppm_ceil, worth_ceil,
};
use crate::walk::reference::{Ledger, Verdict, require};
use crate::walk::stage::narrow;
use crate::walk::step::{Flaw, Step, Trade};

/// The only trade of a step: what a transaction of several does is not asked for its parts.
fn only_trade<'a>(m: &Moment<'a>) -> Option<&'a Traded> {
    match m.sent?.as_ref().ok()?.as_slice() {
        [Event::Traded(e)] | [Event::Traded(e), Event::TriggerExecuted(_)] => Some(e),
        _ => None,
    }
}

/// After an increase the position is worth its minimum, and open interest, the account's share of it, skew, impact and
/// the traders' profit are within their caps.
pub(super) fn an_increase_keeps_the_caps(m: &Moment<'_>) -> Verdict {
    let Some(e) = only_trade(m).filter(|e| e.lots.signum() == e.position_lots.signum()) else {
        return Ok(());
    };
    let market = usize::from(e.market);
    let core = &m.after.market(market).core;
    let (params, price) = (&core.params, i128::from(core.oracle.price.to_bits()));
    let side = if e.lots > 0 { Side::Long } else { Side::Short };
    let oi = m.is.sides(market)[side as usize].0.abs();
    let most = ppm(params.max_oi.into(), m.was.tills[market].scale);
    require(oi <= most, || format!("open interest {oi} above {most}"))?;
    let lots = i128::from(e.position_lots).abs();
    let share = ppm(oi, params.max_share_ppm);
    require(lots <= share || oi <= i128::from(params.share_floor), || format!("{lots} of {oi} lots"))?;
    let worth = mul_div_floor(lots, price, 1 << 32);
    require(worth >= i128::from(params.min_notional), || format!("a position worth {worth}"))?;

    let (was, is) = (m.was.skew(market), m.is.skew(market));
    // What losers owe is nothing to lend against.
    let cash = (m.is.tills[market].cash - m.was.tills[market].unbacked).max(0);
    let mark = Mark::of(core);
    let owed = m.is.owed(market, &mark);
    let profit = ppm(cash, params.profit_cap_ppm);
    require(owed <= profit * UNIT, || format!("traders' profit {owed}/2^48 above {profit}"))?;
    if is.abs() > was.abs() {
        require(!Curve::of(core).is_clamped(is), || format!("skew {is} is where the curve is clamped"))?;
        let cap = ppm((cash - mul_div_ceil(owed, 1, UNIT) + 1).max(0), params.max_skew_ppm);
        let worth = mul_div_ceil(is.abs(), price, 1 << 32);
        require(worth <= cap, || format!("skew worth {worth} above {cap}"))?;
    }
    Ok(())
}

/// A fill costs no more than the limit price allows, fees excluded.
pub(super) fn a_fill_keeps_its_limit(m: &Moment<'_>) -> Verdict {
    let (Step::Open { order, flaw: Flaw::None, .. } | Step::Close { order, flaw: Flaw::None, .. }) = m.step
    else {
        return Ok(());
    };
    let (Trade { limit: Some(limit), .. }, Some(e)) = (order, only_trade(m)) else { return Ok(()) };
    let cost = i128::from(e.curve) + i128::from(e.spread);
    let allowed = allowed_by(*limit, i128::from(e.lots)).unwrap_or(cost);
    require(cost <= allowed, || format!("costs {cost}, the limit allows {allowed}"))
}

/// What the SDK says that a step's trade would do, on the accounts as they were; `None` if none was tried.
fn quoted(m: &Moment<'_>) -> Option<Result<Preview, HealthError>> {
    let (Step::Open { account, order, .. } | Step::Close { account, order, .. }) = m.step else {
        return None;
    };
    let opens = matches!(m.step, Step::Open { .. });
    let (intent, direction) =
        if opens { (Intent::Open(order.side), order.side) } else { (Intent::Close, order.side.opposite()) };
    let any = if direction == Side::Long { u64::MAX } else { 0 };
    let limit = Order::limit(direction, order.limit.unwrap_or(any)).ok()?;
    let asked = Order { lots: order.lots, limit, now: m.before.now };
    let holder = m.before.margin(*account)?;
    Some(m.before.snapshot().quote(holder, (narrow(order.market), intent), &asked))
}

/// Refusals of the engine's that have to do with the trade alone.
const OF_THE_TRADE: [&str; 10] = [
    "LimitPrice",
    "ImpactTooLarge",
    "OpenInterestCap",
    "SkewCap",
    "ProfitCap",
    "ShareCap",
    "BelowMinNotional",
    "NotAMultipleOfStep",
    "OppositeSide",
    "CloseExceedsPosition",
];

/// What the SDK says that a trade would do is what it does; and what is refused, it refuses.
pub(super) fn a_quote_is_what_happens(m: &Moment<'_>) -> Verdict {
    let (Some(quote), Some(sent)) = (quoted(m), m.sent) else { return Ok(()) };
    let (Step::Open { account, order, flaw, .. } | Step::Close { account, order, flaw, .. }) = m.step else {
        return Ok(());
    };
    if let Err(name) = sent {
        let wrong = *flaw == Flaw::None && OF_THE_TRADE.contains(&name.as_str()) && quote.is_ok();
        return require(!wrong, || format!("quoted {quote:?}, refused with {name}"));
    }
    let Some(e) = only_trade(m) else { return Ok(()) };
    if m.stage.account(&e.account) != Some(*account) || usize::from(e.market) != order.market {
        return Ok(()); // a flawed instruction named another
    }
    let Preview { report, position, .. } = quote.map_err(|e| format!("the quote is refused: {e}"))?;
    let told = [report.fill.lots.0, report.fill.curve.0, report.realised.0, report.paid.0];
    let is = [e.lots, e.curve, e.realised, e.paid];
    require(told == is, || format!("quoted {report:?}, got {e:?}"))?;
    let told = [report.fill.spread, report.fee, report.toxic_fee, report.claim];
    let is = [e.spread, e.fee_pool + e.fee_insurance + e.fee_protocol, e.toxic_fee, e.claim];
    require(told == is, || format!("quoted {report:?}, got {e:?}"))?;
    let (told, is) = ((position.lots.0, position.quote.0), (e.position_lots, e.position_quote));
    require(told == is, || format!("quoted {position:?}, got {e:?}"))
}

/// The account as it was, with its pending unwinds applied: whoever leaves a bucket last leaves it as new.
fn unwound(m: &Moment<'_>, account: &MarginAccount) -> MarginAccount {
    let mut account = *account;
    for position in account.positions.iter_mut().filter(|p| p.is_open()) {
        let (market, side) = (usize::from(position.market), position.side().expect("a side"));
        let [before, after] = [m.before, m.after].map(|state| state.market(market).core.book.side(side));
        before.settle(position).expect("a member");
        position.unwind = after.bucket(position.bucket).expect("a bucket").unwind;
    }
    account
}

/// A decrease leaves the account's excess over maintenance margin no lower than it was, or leaves it healthy; where the
/// other legs have no price, the traded leg and the quote balance alone must not fall.
pub(super) fn a_decrease_helps_or_leaves_enough(m: &Moment<'_>) -> Verdict {
    let Some(e) = only_trade(m).filter(|e| e.lots.signum() != e.position_lots.signum()) else {
        return Ok(());
    };
    let (market, place) = (usize::from(e.market), m.stage.account(&e.account).ok_or("unknown account")?);
    // The traded leg and the quote balance at the price and the carry of after.
    let excess = |ledger: &Ledger| {
        let holder = ledger.holders[place].ok_or("no account")?;
        let dynamics = &m.is.dynamics[market];
        let leg = holder.positions[market].map_or(0, |held| {
            let mmf = u32::try_from(dynamics.fractions[1]).unwrap_or(u32::MAX);
            let needs = ppm_ceil(worth_ceil(held.b.abs(), dynamics.price), mmf);
            floor(dynamics.mark().value(&held)) - needs
        });
        Ok::<i128, String>(holder.quote + leg)
    };
    let account = m.after.margin(place);
    let whole = |account: Option<&MarginAccount>| {
        let health = m.after.snapshot().health(account?, HealthType::Maint).ok()?;
        health.excess().ok()
    };
    let before = m.before.margin(place).map(|account| unwound(m, account));
    if let (Some(before), Some(after)) = (whole(before.as_ref()), whole(account)) {
        // Two requirements of a group are rounded up.
        let holds = after.0 >= before.0 - 2 || after.0 >= 0;
        return require(holds, || format!("excess fell from {} to {}", before.0, after.0));
    }
    // Carry is that of now for both: it is no part of the decrease.
    let (before, after) = (excess(m.was)?, excess(m.is)?);
    if after >= before {
        return Ok(());
    }
    let account = account.ok_or("no account")?;
    let health = m.after.snapshot().health(account, HealthType::Maint).map_err(|e| e.to_string())?;
    health.require().map_err(|e| format!("excess fell from {before} to {after}: {e}"))
}
