//! The way out of the pool: I12.

use bulwark_sdk::event::Event;

use super::Moment;
use super::pool::{ROUNDED, nav, others_keep_their_worth, tranches, worth};
use crate::walk::exact::{mul_div_ceil, mul_div_floor};
use crate::walk::reference::{Shares, Verdict, require};
use crate::walk::stage::MARKETS;
use crate::walk::step::{Flaw, Step};

/// A request, a redemption and its cancellation leave what all the others' shares are worth as it was.
pub(super) fn i12_a_way_out_costs_the_others_nothing(m: &Moment<'_>) -> Verdict {
    for event in m.events() {
        match event {
            Event::Redeemed(e) => others_keep_their_worth(m, (usize::from(e.tranche), i128::from(e.shares)))?,
            Event::RedeemRequested(_) | Event::RedeemCancelled(_) => {
                others_keep_their_worth(m, (0, 0))?;
                let same = m.was.pool.all == m.is.pool.all && m.was.pool.idle == m.is.pool.idle;
                require(same, || format!("{event:?} moved shares or money"))?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// A request is worth what its shares are, at the price worse for their holder; a ticket is paid at most the less of
/// that and what they are worth now, in proportion, and what is left is as exposed as it was: utilisation and the
/// senior's ratio are kept.
pub(super) fn i12_a_ticket_is_paid_the_less_of_then_and_now(m: &Moment<'_>) -> Verdict {
    let index = m.is.pool.index;
    for event in m.events() {
        match event {
            Event::RedeemRequested(e) => {
                let shares = (usize::from(e.tranche), i128::from(e.shares));
                let now = worth(&m.was.pool, index, shares, nav(m, m.was)[0]);
                let told = i128::from(e.value);
                require((now - ROUNDED..=now).contains(&told), || format!("{told} for {now}"))?;
            }
            Event::Redeemed(e) => {
                let ticket = m.stage.ticket(&e.provider, e.nonce).and_then(|t| m.was.tickets[t]);
                let ticket = ticket.ok_or("no such ticket")?;
                let [shares, value] = [i128::from(e.shares), i128::from(e.paid) + i128::from(e.fee)];
                let then = mul_div_ceil(ticket.value, shares, ticket.shares);
                let now = worth(&m.was.pool, index, (ticket.tranche, shares), nav(m, m.was)[0]);
                let most = then.min(now + 1);
                require(value <= most, || format!("{value} of {then} then and {now} now"))?;
                // Paid in part, the shares that are gone had the same price: a unit and a share are what rounding costs.
                let unit = 2 + mul_div_ceil(ticket.value, 1, ticket.shares);
                let least = mul_div_floor(ticket.value, shares, ticket.shares).min(now - ROUNDED);
                require(value >= least - unit, || format!("{value} for shares worth {least}"))?;
                gates(m, ticket.tranche)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// `Σ |S|·P` at the higher price, each market rounded up.
fn exposure(m: &Moment<'_>) -> i128 {
    let used = |market: usize| {
        let oracle = &m.after.market(market).core.oracle;
        let price = oracle.price.to_bits().max(oracle.ema.to_bits());
        mul_div_ceil(m.is.skew(market).abs(), i128::from(price), 1 << 32)
    };
    (0..MARKETS).map(used).sum()
}

/// After a redemption the pool's exposure is within its limit, and the senior claim, if juniors left, within its ratio.
fn gates(m: &Moment<'_>, tranche: usize) -> Verdict {
    let params = &m.after.pool().core.params;
    let (low, used) = (nav(m, m.is)[0], exposure(m));
    let cap = mul_div_ceil(low + 1, i128::from(params.max_utilisation_ppm), 1_000_000);
    require(used <= cap, || format!("exposure {used} above {cap}"))?;
    let [junior, senior] = tranches(&m.is.pool, low);
    let cap = mul_div_ceil(junior + ROUNDED, i128::from(params.max_senior_ratio_ppm), 1_000_000);
    require(tranche == 1 || senior <= cap, || format!("{senior} senior on {junior} junior"))
}

/// What each gate lets through of a tranche, by the name of its refusal, before the step.
fn rooms(m: &Moment<'_>, tranche: usize) -> [(&'static str, i128); 4] {
    let (params, low) = (&m.after.pool().core.params, nav(m, m.was)[0]);
    let vault = &m.before.vault(0).core.params;
    let limits = (&vault.outflow, vault.max_deposits);
    let backing = |amount, ppm: u32| mul_div_ceil(amount, 1_000_000, i128::from(ppm));
    let mut pool = m.before.pool().core;
    pool.accrue(m.after.now);
    let pool = Shares { index: i128::from(pool.senior_index), ..m.was.pool };
    let [junior, senior] = tranches(&pool, low);
    let ratio = if tranche == 0 { junior - backing(senior, params.max_senior_ratio_ppm) } else { i128::MAX };
    [
        ("PoolIdle", pool.idle),
        ("OutflowLimit", m.was.anchors[0].room(limits, m.was.recorded[0], m.after.now)),
        ("PoolUtilisation", low - backing(exposure(m), params.max_utilisation_ppm)),
        ("SeniorRatio", ratio),
    ]
}

/// A ticket that is not paid whole is paid what the tightest gate lets through, but for the price of a share and a few
/// units; and one that is refused for a gate finds it shut.
pub(super) fn i12_a_gate_lets_through_what_it_can(m: &Moment<'_>) -> Verdict {
    let Step::Redeem { actor, nonce, flaw: Flaw::None, .. } = *m.step else { return Ok(()) };
    let place = m.stage.ticket(&m.stage.actors[actor], nonce).ok_or("unknown ticket")?;
    let (Some(ticket), Some(sent)) = (m.was.tickets[place], m.sent) else { return Ok(()) };
    let (rooms, price) = (rooms(m, ticket.tranche), mul_div_ceil(ticket.value, 1, ticket.shares));
    let little = price + 2 + ROUNDED;
    match sent {
        Err(name) => {
            let open = rooms.into_iter().find(|(gate, room)| gate == name && *room > little);
            require(open.is_none(), || format!("refused though {open:?} is open for shares at {price}"))
        }
        Ok(events) => {
            let Some(Event::Redeemed(e)) = events.first() else { return Ok(()) };
            let room = rooms.into_iter().map(|(_, room)| room).min().unwrap_or(0);
            let paid = i128::from(e.paid);
            require(paid <= room + ROUNDED, || format!("{paid} through {rooms:?}"))?;
            let enough = e.shares_left == 0 || paid >= room - little;
            require(enough, || format!("only {paid} through {rooms:?} for shares at {price}"))
        }
    }
}

/// The tranches together are worth no more than the pool, and all shares of one no more than it.
pub(super) fn i12_junior_bears_losses_first(m: &Moment<'_>) -> Verdict {
    let pool = &m.is.pool;
    for nav in nav(m, m.is) {
        let [junior, senior] =
            [0, 1].map(|tranche| worth(pool, pool.index, (tranche, pool.all[tranche]), nav));
        require(junior + senior <= nav, || format!("{junior} and {senior} of {nav}"))?;
        let claim = (pool.all[1] * pool.index) >> 56;
        let whole = senior == claim || junior == 0;
        require(whole, || format!("the senior has {senior} of {claim}, the junior {junior}"))?;
    }
    let gone = m.is.pool.index < m.was.pool.index;
    require(!gone, || "what a senior share is owed fell".into())
}
