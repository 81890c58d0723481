//! What a trade must keep: caps, its own limit price, and the account's health.

use bulwark_sdk::engine::margin::{Health, HealthType};
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::program::events::Traded;
use bulwark_sdk::program::state::{MarginAccount, Market};

use super::Moment;
use crate::walk::exact::{Curve, Mark, UNIT, mul_div_ceil, mul_div_floor};
use crate::walk::reference::{Verdict, require};
use crate::walk::step::{Flaw, Step, Trade};

/// The only trade of a step: what a transaction of several does is not asked for its parts.
fn only_trade<'a>(m: &Moment<'a>) -> Option<&'a Traded> {
    match m.sent?.as_ref().ok()?.as_slice() {
        [Event::Traded(e)] => Some(e),
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
    let allowed = mul_div_ceil(i128::from(e.lots), i128::from(*limit), 1 << 32);
    require(cost <= allowed, || format!("costs {cost}, the limit allows {allowed}"))
}

/// A decrease leaves the excess over maintenance margin no lower than it was, or leaves the account healthy.
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
    let before = excess(m.before.margin(place), m.before.market(market))?;
    let after = excess(account, m.after.market(market))?;
    if after >= before {
        return Ok(());
    }
    let account = account.ok_or("no account")?;
    let health = m.after.snapshot().health(account, HealthType::Maint).map_err(|e| e.to_string())?;
    health.require().map_err(|e| format!("excess fell from {before} to {after}: {e}"))
}
