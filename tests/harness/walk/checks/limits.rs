//! What a trade must keep: caps, its own limit price, and the account's health.

use bulwark_sdk::engine::margin::{Health, HealthType};
use bulwark_sdk::engine::trade::Order;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::health::{HealthError, Intent, Preview};
use bulwark_sdk::program::events::Traded;
use bulwark_sdk::program::state::{MarginAccount, Market};

use super::Moment;
use crate::walk::exact::{Curve, Mark, UNIT, allowed_by, mul_div_ceil, mul_div_floor};
use crate::walk::reference::{Verdict, require};
use crate::walk::stage::narrow;
use crate::walk::step::{Flaw, Step, Trade};

/// The only trade of a step: what a transaction of several does is not asked for its parts.
fn only_trade<'a>(m: &Moment<'a>) -> Option<&'a Traded> {
    match m.sent?.as_ref().ok()?.as_slice() {
        [Event::Traded(e)] | [Event::Traded(e), Event::TriggerExecuted(_)] => Some(e),
        _ => None,
    }
}

/// `ppm` of an amount, rounded down.
fn ppm(amount: i128, ppm: u32) -> i128 {
    mul_div_floor(amount, i128::from(ppm), 1_000_000)
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
    let oi = m.is.members(market).filter(|held| held.side == side).map(|held| held.b.abs()).sum::<i128>();
    require(oi <= i128::from(params.max_oi), || format!("open interest {oi}"))?;
    let lots = i128::from(e.position_lots).abs();
    let share = ppm(oi, params.max_share_ppm);
    require(lots <= share || oi <= i128::from(params.share_floor), || format!("{lots} of {oi} lots"))?;
    let worth = mul_div_floor(lots, price, 1 << 32);
    require(worth >= i128::from(params.min_notional), || format!("a position worth {worth}"))?;

    let (was, is) = (m.was.skew(market), m.is.skew(market));
    let (cash, mark) = (m.is.tills[market].cash, Mark::of(core));
    let owed = m.is.members(market).map(|held| mark.value(held)).sum::<i128>();
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
    let Preview { report, position } = quote.map_err(|e| format!("the quote is refused: {e}"))?;
    let told = [report.fill.lots.0, report.fill.curve.0, report.realised.0, report.paid.0];
    let is = [e.lots, e.curve, e.realised, e.paid];
    require(told == is, || format!("quoted {report:?}, got {e:?}"))?;
    let told = [report.fill.spread, report.fee, report.toxic_fee, report.claim];
    let is = [e.spread, e.fee_pool + e.fee_insurance + e.fee_protocol, e.toxic_fee, e.claim];
    require(told == is, || format!("quoted {report:?}, got {e:?}"))?;
    let (told, is) = ((position.lots.0, position.quote.0), (e.position_lots, e.position_quote));
    require(told == is, || format!("quoted {position:?}, got {e:?}"))
}

/// A decrease leaves the account's excess over maintenance margin no lower than it was, or leaves it healthy; where the
/// other legs have no price, the traded leg and the quote balance alone must not fall.
pub(super) fn a_decrease_helps_or_leaves_enough(m: &Moment<'_>) -> Verdict {
    let Some(e) = only_trade(m).filter(|e| e.lots.signum() != e.position_lots.signum()) else {
        return Ok(());
    };
    let (market, place) = (usize::from(e.market), m.stage.account(&e.account).ok_or("unknown account")?);
    let excess = |account: Option<&MarginAccount>, market: &Market| {
        let account = account.ok_or("no account")?;
        let mut sum = account.quote.0;
        if let Some(slot) = account.position(market.index) {
            let leg = Health::of_position_at_stored_price(
                &market.core,
                &account.positions[slot],
                HealthType::Maint,
            );
            sum += leg.and_then(Health::excess).map_err(|e| e.to_string())?.0;
        }
        Ok::<i64, String>(sum)
    };
    let account = m.after.margin(place);
    let whole = |account: Option<&MarginAccount>| {
        let health = m.after.snapshot().health(account?, HealthType::Maint).ok()?;
        health.excess().ok()
    };
    if let (Some(before), Some(after)) = (whole(m.before.margin(place)), whole(account)) {
        // Two requirements of a group are rounded up.
        let holds = after.0 >= before.0 - 2 || after.0 >= 0;
        return require(holds, || format!("excess fell from {} to {}", before.0, after.0));
    }
    // Carry is that of now for both: it is no part of the decrease.
    let before = excess(m.before.margin(place), m.after.market(market))?;
    let after = excess(account, m.after.market(market))?;
    if after >= before {
        return Ok(());
    }
    let account = account.ok_or("no account")?;
    let health = m.after.snapshot().health(account, HealthType::Maint).map_err(|e| e.to_string())?;
    health.require().map_err(|e| format!("excess fell from {before} to {after}: {e}"))
}
