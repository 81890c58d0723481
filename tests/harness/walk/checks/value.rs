//! What acting is worth: I10, I16.

use bulwark_sdk::Pubkey;
use bulwark_sdk::event::Event;
use bulwark_sdk::program::events::{Liquidated, LiquidationKind, Traded};

use super::Moment;
use crate::walk::exact::{Curve, UNIT};
use crate::walk::reference::{Unwinding, Verdict, require};
use crate::walk::stage::{ACCOUNTS, MARKETS};
use crate::walk::step::Step;

/// Spread and fees of a trade, exact.
fn costs(e: &Traded) -> i128 {
    let parts = [e.spread, e.fee_pool, e.fee_insurance, e.fee_protocol, e.toxic_fee].map(i128::from);
    parts.iter().sum::<i128>() * UNIT
}

/// By how much each account's value (quote and PnL at the price and carry that hold now) changed. The price of a market
/// that was frozen in the step is the one before.
fn gains(m: &Moment<'_>) -> [i128; ACCOUNTS] {
    let marks = std::array::from_fn(|market| {
        let (was, is) = (&m.was.dynamics[market], &m.is.dynamics[market]);
        let froze = was.settling_since != is.settling_since;
        m.marks()[market].at(if froze { was.price << 16 } else { is.price << 16 })
    });
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

/// What an event may add to an account's value, exact, and how many units its roundings may give and take.
#[derive(Clone, Copy)]
struct Allowed {
    account: usize,
    gain: i128,
    given: i128,
    taken: i128,
}

impl Allowed {
    fn of(m: &Moment<'_>, key: &Pubkey, gain: i128, taken: i128) -> Option<Self> {
        m.stage.account(key).map(|account| Self { account, gain, given: 0, taken })
    }
}

/// Lots that change hands at a price that is rounded in favour of who had to give them: he may gain a unit.
fn handed_over(m: &Moment<'_>, e: &Liquidated) -> Vec<Allowed> {
    let price = m.marks()[usize::from(e.market)].price;
    let sign = if e.side == 0 { 1 } else { -1 };
    let given = i128::from(e.cost) * UNIT + sign * i128::from(e.lots) * price;
    let fees = i128::from(e.paid) - i128::from(e.quote_change);
    let account = Allowed::of(m, &e.account, -given - fees * UNIT, 3);
    let other = match e.kind {
        LiquidationKind::Takeover => Allowed::of(m, &e.liquidator, given, 2),
        _ => Allowed::of(m, &e.liquidator, i128::from(e.keeper) * UNIT, 0).filter(|_| e.keeper > 0),
    };
    account.into_iter().chain(other).collect()
}

/// What an event may give and take.
///
/// A fill along the curve gives the account the premium by which the traders' skew falls. Whoever brings the
/// skew nearer to zero earns it, and it was paid by who made the skew; nothing else is ever given. A new instruction
/// that moves value between accounts gets its arm here.
fn allowed(m: &Moment<'_>, event: &Event, skews: &mut [i128; MARKETS]) -> Vec<Allowed> {
    let one = |key: &Pubkey, gain, taken| Allowed::of(m, key, gain, taken).into_iter().collect::<Vec<_>>();
    match event {
        Event::TriggerExecuted(e) => {
            let fee = i128::from(e.fee) * UNIT;
            [one(&e.account, -fee, 0), one(&e.keeper, fee, 0)].concat()
        }
        Event::Deposited(e) if e.vault == 0 => one(&e.account, i128::from(e.amount) * UNIT, 0),
        Event::Withdrawn(e) if e.vault == 0 => one(&e.account, -i128::from(e.amount) * UNIT, 0),
        Event::Traded(e) => {
            let market = usize::from(e.market);
            let (curve, skew) = (Curve::of(&m.after.market(market).core), &mut skews[market]);
            let was = *skew;
            *skew += i128::from(e.lots);
            let premium = curve.premium(was) - curve.premium(*skew);
            // The premium itself is rounded in the last of 48 bits.
            one(&e.account, premium - costs(e) + 1, 3)
        }
        Event::PositionSettled(e) => {
            let mut all = one(&e.account, -i128::from(e.forgone) * UNIT, 1);
            let settles = m.is.dynamics[usize::from(e.market)].settling_since != 0;
            // What is left of an unwound position may be a unit below zero: that is nobody's then.
            all.iter_mut().for_each(|a| a.given = i128::from(settles));
            all
        }
        Event::Liquidated(e) => handed_over(m, e),
        Event::CollateralSold(e) => {
            let paid = i128::from(e.proceeds) * UNIT;
            [one(&e.account, paid, 0), one(&e.liquidator, -paid, 0)].concat()
        }
        Event::ClaimForfeited(e) => one(&e.account, -i128::from(e.claim) * UNIT, 1),
        Event::BankruptcyResolved(e) => one(&e.account, i128::from(e.debt - e.unpaid) * UNIT, 0),
        _ => Vec::new(),
    }
}

/// At the price that holds, no step adds to anybody's value but what it brings in or was allowed, nor takes more
/// than a few roundings; those who do not act keep theirs exactly, but for winners who are unwound: they are judged by I6.
pub(super) fn i16_nobody_gains_by_acting(m: &Moment<'_>) -> Verdict {
    let (mut most, mut least) = ([0; ACCOUNTS], [0; ACCOUNTS]);
    let mut skews = std::array::from_fn(|market| m.was.skew(market));
    for event in m.events() {
        for Allowed { account, gain, given, taken } in allowed(m, event, &mut skews) {
            most[account] += gain + given * UNIT;
            least[account] += gain - taken * UNIT;
        }
    }
    for (account, gain) in gains(m).into_iter().enumerate() {
        let unwound = m.reference.unwindings.iter().any(|u| {
            m.was.holders[account]
                .is_some_and(|h| h.positions[u.market].is_some_and(|held| u.takes_from(&held)))
        });
        // Of an unwound position either number may round up to a unit or a lot less than it did the last time.
        let lots = |u: &Unwinding| UNIT + (u.mark.price - u.mark.carry[u.side]).abs();
        let rounded: i128 = m.reference.unwindings.iter().filter(|_| unwound).map(lots).sum();
        let (most, least) = (most[account] + rounded, least[account]);
        require(gain <= most, || {
            let [was, is] = [m.was, m.is].map(|ledger| ledger.holders[account].map(|h| h.positions));
            format!("account {account} gains {gain}, allowed is {most}: {was:?} became {is:?}")
        })?;
        require(unwound || gain >= least, || {
            format!("account {account} gains {gain}, at least {least} was due")
        })?;
    }
    Ok(())
}
