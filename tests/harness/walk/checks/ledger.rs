//! Where the money is: I1, I2, I4, I17.

use bulwark_sdk::engine::margin::HealthType;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::program::events::LiquidationKind;

use super::Moment;
use crate::walk::exact::{Mark, UNIT, bits};
use crate::walk::reference::{Holder, Ledger, Verdict, require};
use crate::walk::stage::{ACTORS, Stage, VAULTS};

/// What the ledgers have of a vault's token.
fn of_vault(ledger: &Ledger, vault: usize) -> i128 {
    let holders = ledger.holders.iter().flatten();
    if vault != 0 {
        return holders.map(|h| h.collaterals[vault]).sum();
    }
    let tills = ledger.tills.iter().map(|t| t.cash + t.insurance + t.fees.iter().sum::<i128>());
    let venue = ledger.pool.idle + ledger.fund.total() + ledger.protocol;
    holders.map(|h| h.quote).sum::<i128>() + tills.sum::<i128>() + venue
}

/// Per mint: tokens = Σ ledgers = what the vault records, to the unit.
pub(super) fn i1_ledgers_are_tokens(m: &Moment<'_>) -> Verdict {
    for vault in 0..VAULTS {
        let tokens = i128::from(m.after.vault_tokens(vault)) - m.donated[vault];
        let (recorded, sum) = (m.is.recorded[vault], of_vault(m.is, vault));
        require(tokens == recorded && recorded == sum, || {
            format!("vault {vault}: {tokens} tokens, {recorded} recorded, {sum} in the ledgers")
        })?;
    }
    Ok(())
}

/// What a market owes by the totals of its two ladders, exact.
fn owed(m: &Moment<'_>, market: usize, mark: &Mark) -> i128 {
    let book = &m.after.market(market).core.book;
    let sides = [&book.long, &book.short].map(|ladder| {
        let held = ladder.holding().expect("totals are in range");
        let side = ladder.side().expect("a side");
        i128::from(held.lots.0) * (mark.price - mark.carry(side)) + i128::from(held.quote.0) * UNIT
    });
    sides.iter().sum()
}

/// What the buckets of a market may be worth more than their members: what unwinds have rounded, exact.
fn dust(m: &Moment<'_>, market: usize, mark: &Mark) -> i128 {
    let of_side = |side: Side| {
        let each = m.reference.dust[market][side as usize].iter().sum::<i128>();
        each * ((mark.price - mark.carry(side)).abs() + UNIT)
    };
    Side::BOTH.map(of_side).iter().sum()
}

/// At the live price, the average and twice the price: what the ladders say that traders are owed is what the
/// positions, settled one by one, are worth, and the dust of unwinds. The engine's own number is that rounded up by less
/// than a unit per side. Together with the cash that is all the money there is.
pub(super) fn i2_the_parts_are_the_whole(m: &Moment<'_>) -> Verdict {
    let (marks, mut whole, mut more) = (m.marks(), of_vault(m.is, 0) * UNIT, 0);
    for (market, mark) in marks.iter().enumerate() {
        let core = &m.after.market(market).core;
        for price in [mark.price, bits(core.oracle.ema), 2 * mark.price] {
            let at = mark.at(price);
            let (total, members) = (owed(m, market, &at), m.is.members(market).map(|h| at.value(h)));
            let (members, dust) = (members.sum::<i128>(), dust(m, market, &at));
            // Twice the price is nothing that a short's lots, which round the other way, were unwound at.
            let least = if price == mark.price || dust == 0 { 0 } else { -dust };
            require((least..=dust).contains(&(total - members)), || {
                format!("market {market} at {price}: {total} owed, positions worth {members}, dust {dust}")
            })?;
        }
        let (exact, engine) = (owed(m, market, mark), core.book.traders_pnl(core.mark()));
        let rounded = engine.map_or(i128::MIN, |q| i128::from(q.0) * UNIT) - exact;
        require((0..2 * UNIT).contains(&rounded), || format!("market {market}: T is off by {rounded}"))?;
        whole -= m.is.tills[market].cash * UNIT - exact; // E_m
        more += dust(m, market, mark);
    }
    let values: i128 = m.is.holders.iter().flatten().map(|h| h.value(&marks)).sum();
    let rest = m.is.pool.idle + m.is.fund.total() + m.is.protocol;
    let tills: i128 = m.is.tills.iter().map(|t| t.insurance + t.fees.iter().sum::<i128>()).sum();
    let missing = whole - values - (rest + tills) * UNIT;
    require((0..=more).contains(&missing), || format!("{missing}/2^48 units belong to nobody"))
}

/// Tokens move between wallets and vaults as the events say: nobody's wallet grows but by a withdrawal from an
/// account, or the redemption of a ticket, of its owner.
pub(super) fn i4_money_leaves_by_withdrawal_only(m: &Moment<'_>) -> Verdict {
    let mut inflow = [0_i128; VAULTS];
    let mut outflow = [[0_i128; VAULTS]; ACTORS];
    for event in m.events() {
        match event {
            Event::Deposited(e) => inflow[usize::from(e.vault)] += i128::from(e.amount),
            Event::LiquidityAdded(e) => inflow[0] += i128::from(e.amount),
            Event::InsuranceFunded(e) => inflow[0] += i128::from(e.amount),
            Event::BackstopStaked(e) => inflow[0] += i128::from(e.amount),
            Event::Unstaked(e) => {
                let actor = m.stage.actor(&e.staker).ok_or("unknown staker")?;
                outflow[actor][0] += i128::from(e.paid);
            }
            Event::Redeemed(e) => {
                let actor = m.stage.actor(&e.provider).ok_or("unknown provider")?;
                outflow[actor][0] += i128::from(e.paid);
            }
            Event::Withdrawn(e) => {
                let account = m.stage.account(&e.account).ok_or("unknown account")?;
                outflow[Stage::owner(account)][usize::from(e.vault)] += i128::from(e.amount);
            }
            _ => {}
        }
    }
    for vault in 0..VAULTS {
        let place = Stage::vault_tokens(vault);
        let change = |place| i128::from(m.after.tokens(place)) - i128::from(m.before.tokens(place));
        let out: i128 = outflow.iter().map(|of| of[vault]).sum();
        let given = matches!(m.step, super::Step::Donate { vault: to, .. } if *to == vault);
        let (moved, mut wallets) = (change(place), 0);
        require(given || moved == inflow[vault] - out, || format!("vault {vault} moved {moved}"))?;
        for (actor, of) in outflow.iter().enumerate() {
            let gained = change(Stage::wallet(actor, vault));
            require(gained <= of[vault], || format!("actor {actor} gained {gained} of vault {vault}"))?;
            wallets += gained;
        }
        require(given || wallets == -moved, || format!("wallets moved {wallets}, vault {vault} {moved}"))?;
    }
    Ok(())
}

/// Who has withdrawn, increased or taken something over with something at risk is above the initial margin that this asks for.
pub(super) fn i4_what_is_left_suffices(m: &Moment<'_>) -> Verdict {
    for (index, event) in m.events().iter().enumerate() {
        let (key, kind) = match event {
            Event::Withdrawn(e) => (e.account, HealthType::Withdraw),
            Event::Traded(e) if e.lots.signum() == e.position_lots.signum() => (e.account, HealthType::Init),
            Event::Liquidated(e) if e.kind == LiquidationKind::Takeover => (e.liquidator, HealthType::Init),
            Event::CollateralSold(e) => (e.liquidator, HealthType::Init),
            _ => continue,
        };
        let place = m.stage.account(&key).ok_or("unknown account")?;
        let account = m.after.margin(place).ok_or("the account was closed")?;
        let rest = &m.events()[index + 1..];
        let last = rest.is_empty() || matches!(rest, [Event::TriggerExecuted(_)]);
        if !last || account.is_unencumbered() {
            continue; // what followed in the same transaction has changed it, or nothing is at risk
        }
        let health = m.after.snapshot().health(account, kind).map_err(|e| format!("no health: {e}"))?;
        health.require().map_err(|e| format!("account {place} for {kind:?}: {e}"))?;
    }
    Ok(())
}

/// What a market has paid to its traders is covered by what the pool lent it and what they lost; what is left of that,
/// less the losses that nobody brought, is its cash, to the unit.
pub(super) fn i17_traders_get_what_came_in(m: &Moment<'_>) -> Verdict {
    for (market, (flows, till)) in m.reference.flows.iter().zip(&m.is.tills).enumerate() {
        let covered = flows.lent + flows.lost - flows.forgiven;
        require(flows.paid <= covered, || format!("market {market} paid more than came in: {flows:?}"))?;
        let left = covered - flows.paid;
        require(till.cash == left, || format!("market {market}: cash {} for {left}", till.cash))?;
    }
    Ok(())
}

/// A loss that was booked but not brought is held back: what accounts owe for a market is what it does not pay out, which
/// is no more than it has; and nobody owes more than the markets know of. So every balance above zero is backed.
pub(super) fn i17_debts_are_held_back(m: &Moment<'_>) -> Verdict {
    let holders = || m.is.holders.iter().flatten();
    for (market, till) in m.is.tills.iter().enumerate() {
        let owed: i128 = holders().map(|h| h.debts.held[market]).sum();
        require(owed == till.unbacked, || format!("market {market}: {owed} owed, {till:?}"))?;
        let there = till.cash + till.insurance + till.fees.iter().sum::<i128>();
        require(there >= till.unbacked, || format!("market {market} holds {there} of {till:?}"))?;
    }
    for (account, holder) in m.is.holders.iter().enumerate() {
        let Some(Holder { debts, .. }) = holder else { continue };
        let sum: i128 = debts.lost.iter().flatten().sum();
        let owed = holder.map_or(0, |h| h.owed());
        let held = debts.lost.iter().zip(debts.held).all(|(lost, held)| lost.iter().sum::<i128>() <= held);
        let holds = debts.total == sum && owed <= debts.total && held;
        require(holds, || format!("account {account} owes {owed}, known are {debts:?}"))?;
    }
    let (owed, held): (i128, i128) =
        (holders().map(Holder::owed).sum(), m.is.tills.iter().map(|till| till.unbacked).sum());
    require(owed <= held, || format!("{owed} owed, {held} held back"))
}
