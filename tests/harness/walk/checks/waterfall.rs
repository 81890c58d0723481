//! Who pays for losses, and how much of it: I6, I8, I15.

use bulwark_sdk::event::Event;
use bulwark_sdk::program::events::BankruptcyResolved;

use super::Moment;
use crate::walk::exact::{UNIT, mul_div_floor, ppm};
use crate::walk::ladder::SHARE;
use crate::walk::reference::{Stake, Unwinding, Verdict, require};
use crate::walk::stage::{ACTORS, BACKSTOP, Stage};

/// An unwind takes the same share of profit from every winner of its buckets, at most the profit, and nothing from anybody
/// else; what they lose together is at least what was booked, but for dust that was there before.
pub(super) fn i6_winners_lose_the_same_share(m: &Moment<'_>) -> Verdict {
    for unwinding in &m.reference.unwindings {
        let mut taken = 0;
        for (account, (was, is)) in m.was.holders.iter().zip(&m.is.holders).enumerate() {
            let position = |holder: &Option<crate::walk::reference::Holder>| {
                holder.and_then(|h| h.positions[unwinding.market])
            };
            let (Some(was), Some(is)) = (position(was), position(is)) else { continue };
            if !unwinding.takes_from(&was) {
                require(was == is, || format!("account {account} had {was:?} and has {is:?}"))?;
                continue;
            }
            let mark = unwinding.mark;
            let (before, after) = (mark.value(&was), mark.value(&is));
            taken += before - after;
            fair(unwinding, (before, after), (mark.price - mark.carry(was.side)).abs())
                .map_err(|e| format!("account {account}: {e}"))?;
        }
        let dust = m.reference.dust(unwinding.market, unwinding.side);
        let booked = unwinding.unwind.booked * UNIT;
        let price = unwinding.mark.price;
        require(taken + dust * (2 * price + UNIT) >= booked, || format!("{taken} taken, {booked} booked"))?;
    }
    Ok(())
}

/// A share of what it was worth, rounded by a lot and a unit at most, and by the last bit of the factor.
fn fair(unwinding: &Unwinding, (before, after): (i128, i128), lot: i128) -> Verdict {
    let lost = before - after;
    let due = mul_div_floor(unwinding.fraction, before, SHARE);
    let rounding = 2 * (lot + UNIT) + (before.abs() >> 36);
    require(lost >= -rounding && lost <= before.max(0) + rounding, || format!("lost {lost} of {before}"))?;
    require((lost - due).abs() <= rounding, || format!("lost {lost} of {before}, {due} is the share"))
}

fn resolutions<'a>(m: &Moment<'a>) -> impl Iterator<Item = &'a BankruptcyResolved> {
    let events = m.sent.and_then(|sent| sent.as_ref().ok()).map_or(&[][..], Vec::as_slice);
    events.iter().filter_map(|event| if let Event::BankruptcyResolved(e) = event { Some(e) } else { None })
}

/// The tiers sum to the debt, and one is used only when the one before it is at its limit.
pub(super) fn i8_a_tier_pays_when_the_one_before_cannot(m: &Moment<'_>) -> Verdict {
    for e in resolutions(m) {
        let market = usize::from(e.market);
        let parts =
            [e.insurance, e.reserve, e.backstop, e.first_loss, e.deleveraged, e.pool, e.traders, e.unpaid];
        let sum: i128 = parts.iter().map(|part| i128::from(*part)).sum();
        require(sum == i128::from(e.debt), || format!("{sum} of {}", e.debt))?;

        let (was, is, params) =
            (&m.was.tills[market], &m.is.tills[market], &m.after.market(market).core.params.waterfall);
        let fund = &m.was.fund;
        let insured = i128::from(e.insurance) == was.insurance;
        let reserve = is.draws[0].level >= ppm(fund.reserve, params.reserve_share_ppm);
        let backstop = is.draws[1].level >= ppm(fund.staked(), 500_000) || fund.staked() == 0;
        let side = 3 + usize::from(1 - e.side);
        let drawn = is.draws[side].level >= (i128::from(e.winners) + was.draws[side].level) / 2;
        let winners = e.winners == 0
            || drawn
            || e.fraction == 1 << 31
            || e.fraction > 0 && rest(e, params.tail == 1) <= dust(m, e);
        let settling = m.was.dynamics[market].settling_since != 0;
        let winners = winners || settling || i128::from(e.deleveraged) >= was.cash;
        // First to last as this market has them: each with whether it is at its limit.
        let fund = [(e.reserve, reserve), (e.backstop, backstop), (e.first_loss, true)];
        let own = [(e.deleveraged, winners)];
        let middle = if params.tail == 1 { [&own[..], &fund[..]] } else { [&fund[..], &own[..]] };
        let last = [(e.pool, true), (e.traders, is.cash == 0), (e.unpaid, true)];
        let tiers = [&[(e.insurance, insured)][..], middle[0], middle[1], &last[..]].concat();
        for (i, (_, spent)) in tiers.iter().enumerate() {
            let later = tiers[i + 1..].iter().any(|(paid, _)| *paid > 0);
            require(*spent || !later, || format!("tier {i} of {tiers:?} was not at its limit: {e:?}"))?;
        }
        let mark = m.is.dynamics[market].mark();
        let broke = m.is.equity(market, &mark) <= 0;
        require(e.traders == 0 || broke || settling, || format!("traders pay where there is equity: {e:?}"))?;
    }
    Ok(())
}

/// What tier 5 left for those after it, by rounding if it was not at its limit.
fn rest(e: &BankruptcyResolved, tail: bool) -> i128 {
    let fund = if tail { [e.reserve, e.backstop, e.first_loss] } else { [0; 3] };
    fund.into_iter().chain([e.pool, e.traders, e.unpaid]).map(i128::from).sum()
}

/// What an unwind may book less than it was meant to: a bucket's rounding each.
fn dust(m: &Moment<'_>, e: &BankruptcyResolved) -> i128 {
    let price = m.is.dynamics[usize::from(e.market)].price >> 32;
    let buckets = m.reference.unwindings.iter().map(|u| u.buckets.len() as i128).sum::<i128>();
    let dust = m.reference.dust(e.market.into(), 0) + m.reference.dust(e.market.into(), 1);
    (3 * buckets + dust) * (price + 2)
}

/// A loss takes the same part of what earns and of what cools, but for a unit that the cooling side has less; there are as
/// many shares as were minted and are in tickets.
pub(super) fn i15_stake_is_slashed_alike(m: &Moment<'_>) -> Verdict {
    let (was, is) = (&m.was.fund, &m.is.fund);
    let slashed: i128 = resolutions(m).map(|e| i128::from(e.backstop)).sum();
    if slashed > 0 {
        let lost = |was: &Stake, is: &Stake| was.value - is.value;
        let (active, cooling) = (lost(&was.active, &is.active), lost(&was.cooling, &is.cooling));
        require(active + cooling == slashed, || format!("{active} and {cooling} of {slashed}"))?;
        let due = mul_div_floor(slashed, was.cooling.value, was.staked());
        require((due..=due + 1).contains(&cooling), || format!("{cooling} of the cooling, {due} due"))?;
    }
    let tickets: i128 = m.is.cooling.iter().flatten().map(|ticket| ticket.shares).sum();
    require(tickets == is.cooling.shares, || format!("{tickets} in tickets, {:?}", is.cooling))?;
    let supply = i128::from(m.after.share_supply(BACKSTOP));
    require(supply == is.active.shares, || format!("{supply} minted, {:?}", is.active))?;
    for actor in 0..ACTORS {
        let place = Stage::shares(actor, BACKSTOP);
        let got = i128::from(m.after.tokens(place)) - i128::from(m.before.tokens(place));
        let due: i128 = m.events().iter().map(|event| issued(event, &m.stage.actors[actor])).sum();
        require(got == due, || format!("actor {actor} got {got} shares, {due} are due"))?;
    }
    Ok(())
}

fn issued(event: &Event, to: &bulwark_sdk::Pubkey) -> i128 {
    match event {
        Event::BackstopStaked(e) if e.staker == *to => e.shares.into(),
        Event::UnstakeCancelled(e) if e.staker == *to => e.shares.into(),
        Event::UnstakeRequested(e) if e.staker == *to => -i128::from(e.shares),
        _ => 0,
    }
}

/// A stake's price falls by a loss alone: neither who comes nor who leaves makes it lower, but for a unit that all shares
/// share; and nobody is paid more than his shares were worth when he asked, nor than they are worth.
pub(super) fn i12_a_stake_is_nobodys_way_out(m: &Moment<'_>) -> Verdict {
    if resolutions(m).next().is_some() {
        return Ok(());
    }
    let (was, is) = (&m.was.fund, &m.is.fund);
    for (was, is) in [(&was.active, &is.active), (&was.cooling, &is.cooling)] {
        if was.shares > 0 && is.shares > 0 {
            let (before, after) = (was.worth(was.shares), is.worth(was.shares.min(is.shares)));
            let before = before.min(was.worth(was.shares.min(is.shares)));
            require(after >= before - 1, || format!("{was:?} became {is:?}"))?;
        }
    }
    for event in m.events() {
        let Event::Unstaked(e) = event else { continue };
        let ticket = m.stage.ticket(&e.staker, e.nonce).and_then(|ticket| m.was.cooling[ticket]);
        let ticket = ticket.ok_or("no unstake ticket")?;
        let now = was.cooling.worth(e.cooling.into());
        let then = mul_div_floor(ticket.value, e.cooling.into(), ticket.shares);
        let paid = i128::from(e.paid);
        require(paid <= now && paid <= then + 1, || format!("{paid} of {then} then and {now} now"))?;
    }
    Ok(())
}
