//! What acting is worth: I10, I16.

use bulwark_sdk::event::Event;
use bulwark_sdk::program::events::Traded;

use super::Moment;
use crate::walk::exact::{Curve, UNIT};
use crate::walk::reference::{Verdict, require};
use crate::walk::stage::{ACCOUNTS, MARKETS};
use crate::walk::step::Step;

/// Spread and fees of a trade, exact.
fn costs(e: &Traded) -> i128 {
    let parts = [e.spread, e.fee_pool, e.fee_insurance, e.fee_protocol, e.toxic_fee].map(i128::from);
    parts.iter().sum::<i128>() * UNIT
}

/// By how much each account's value (quote and PnL at the price and carry that hold now) changed.
fn gains(m: &Moment<'_>) -> [i128; ACCOUNTS] {
    let marks = m.marks();
    std::array::from_fn(|account| {
        let value =
            |holder: &Option<_>| holder.map_or(0, |h: crate::walk::reference::Holder| h.value(&marks));
        value(&m.is.holders[account]) - value(&m.was.holders[account])
    })
}

/// Opening and closing as much in one transaction takes at least spread and fees from the account.
pub(super) fn i10_a_round_trip_costs_spread_and_fees(m: &Moment<'_>) -> Verdict {
    let Step::RoundTrip { account, .. } = *m.step else { return Ok(()) };
    let trades = m.events().iter().filter_map(|e| if let Event::Traded(t) = e { Some(t) } else { None });
    let (cost, gain) = (trades.map(costs).sum::<i128>(), gains(m)[account]);
    require(gain <= -cost, || format!("gains {gain}, spread and fees are {cost}"))
}

/// What an event may add to an account's value, and how many units its roundings may take.
///
/// A fill along the curve gives the account the premium by which the traders' skew falls. Whoever brings the
/// skew nearer to zero earns it, and it was paid by who made the skew; nothing else is ever given. A new instruction
/// that moves value between accounts gets its arm here.
fn allowed(m: &Moment<'_>, event: &Event, skews: &mut [i128; MARKETS]) -> Vec<(usize, i128, i128)> {
    let one = match event {
        Event::TriggerExecuted(e) => {
            let (trader, keeper) = (m.stage.account(&e.account), m.stage.account(&e.keeper));
            let fee = i128::from(e.fee) * UNIT;
            let both = trader.map(|trader| (trader, -fee, 0)).into_iter();
            return both.chain(keeper.map(|keeper| (keeper, fee, 0))).collect();
        }
        Event::Deposited(e) if e.vault == 0 => (e.account, i128::from(e.amount) * UNIT, 0),
        Event::Withdrawn(e) if e.vault == 0 => (e.account, -i128::from(e.amount) * UNIT, 0),
        Event::Traded(e) => {
            let market = usize::from(e.market);
            let (curve, skew) = (Curve::of(&m.after.market(market).core), &mut skews[market]);
            let was = *skew;
            *skew += i128::from(e.lots);
            let premium = curve.premium(was) - curve.premium(*skew);
            (e.account, premium - costs(e), 3)
        }
        Event::PositionSettled(e) => (e.account, 0, 1),
        _ => return Vec::new(),
    };
    m.stage.account(&one.0).map(|account| (account, one.1, one.2)).into_iter().collect()
}

/// At the price that holds, no step adds to anybody's value but what it brings in or was allowed, nor takes more
/// than a few roundings; those who do not act keep theirs exactly.
pub(super) fn i16_nobody_gains_by_acting(m: &Moment<'_>) -> Verdict {
    let (mut most, mut rounded) = ([0; ACCOUNTS], [0; ACCOUNTS]);
    let mut skews = std::array::from_fn(|market| m.was.skew(market));
    for event in m.events() {
        for (account, gain, units) in allowed(m, event, &mut skews) {
            most[account] += gain;
            rounded[account] += units;
        }
    }
    for (account, gain) in gains(m).into_iter().enumerate() {
        let (most, least) = (most[account], most[account] - rounded[account] * UNIT);
        // The premium itself is rounded in the last of 48 bits.
        let trades = rounded[account] / 3;
        require(gain <= most + trades, || format!("account {account} gains {gain}, allowed is {most}"))?;
        require(gain >= least, || format!("account {account} gains {gain}, at least {least} was due"))?;
    }
    Ok(())
}
