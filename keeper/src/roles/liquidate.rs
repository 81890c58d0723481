//! Accounts in trouble: who takes their positions, and when.
//!
//! In the order of preference: what brings the pool's skew nearer to zero goes to the pool at once, without capital and
//! paid. Else the keeper's own account takes the position over as soon as the auction's concession is more than closing it to
//! the pool costs, and closes it in the same transaction, so that no price can move in between; or keeps it, if it may hold
//! inventory. Until then a call every few slots keeps the auction running: after 50 slots the pool takes whatever is left.

use std::cmp::Reverse;

use bulwark_sdk::Instruction;
use bulwark_sdk::engine::auction::LAPSE_SLOTS;
use bulwark_sdk::engine::margin::HealthType;
use bulwark_sdk::engine::position::Position;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::health::{Distress, HealthError, Snapshot};
use bulwark_sdk::instruction::{self as ix, Liquidator, Margin, Order};
use bulwark_sdk::program::state::{MarginAccount, Market};
use bulwark_sdk::refresh::Leg;
use bulwark_sdk::takeover::Takeover as Taken;

use super::collateral::{self, Purchase};
use super::{Attempt, Fresh, Motive, Plan, PlanError, View};
use crate::earnings::cost;
use crate::rules::Rules;
use crate::state::State;
use crate::work::Work;

/// Slots after the last call at which the next one is made: half of what an auction may go without.
const CALL_AGAIN: u64 = LAPSE_SLOTS / 2;
/// Accounts that are named at once.
const AT_ONCE: usize = 256;
/// How often a takeover is halved until the keeper's margin carries it.
const HALVINGS: u32 = 6;

/// A takeover that the keeper's account can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Takeover {
    /// Most lots to take; `u64::MAX`: what the auction offers.
    most: u64,
    /// Lots that it comes to.
    lots: u64,
    /// Whether they are closed at once.
    close: bool,
}

/// What to do about an account in trouble now.
#[derive(Clone, Copy, Debug)]
enum Decision {
    /// Hand the position in this market to the pool, or have the auction begin or go on.
    ToPool(u16),
    /// Take the position in this market over.
    TakeOver(u16, Takeover),
    /// Buy collateral, or have the auction of it begin or go on.
    Buy(Purchase),
    /// Wait for a better concession: the auction runs.
    Wait,
}

/// Who decides by what.
pub(super) struct Desk<'a> {
    pub snapshot: &'a Snapshot<'a>,
    pub slot: u64,
    pub rules: &'a Rules,
    /// The keeper's own account, if it is open.
    pub purse: Option<&'a MarginAccount>,
    /// What the least transaction costs, quote units.
    pub fee: i64,
}

/// What a transaction without a priority fee costs, quote units.
fn least_fee(state: &State, rules: &Rules) -> i64 {
    state.worth_of_lamports(cost(1, 0, None), rules.sol_price).max(1)
}

pub(super) fn find(view: View<'_>) -> Vec<Work> {
    let desk = Desk {
        snapshot: view.snapshot,
        slot: view.moment().slot,
        rules: view.rules,
        purse: view.book.get(&view.own.margin),
        fee: least_fee(view.state, view.rules),
    };
    let others = view.book.troubled().filter(|(key, _)| **key != view.own.margin);
    let mut work = Vec::new();
    for (key, _) in others.filter(|(key, _)| (view.ready)(&Work::Liquidate(**key))) {
        let Some(account) = view.book.get(key) else { continue };
        if work.len() == AT_ONCE {
            break;
        }
        // What can't be judged now, such as without a price, is not named: to be refused for it would make it rest for
        // longer than it takes.
        if !matches!(desk.decide(account), Ok(None | Some(Decision::Wait)) | Err(_)) {
            work.push(Work::Liquidate(*key));
        }
    }
    let others = view.book.indebted().filter(|(key, _)| **key != view.own.margin);
    let sellers = others.filter(|(_, account)| matches!(desk.debt_sale(account), Ok(Some(_))));
    work.extend(sellers.map(|(key, _)| Work::SellCollateral(*key)));
    work.extend(desk.overloaded().into_iter().map(Work::Unload).find(|work| (view.ready)(work)));
    work
}

impl<'a> Desk<'a> {
    /// By accounts that were just read, and what health is asked of them.
    pub(super) fn of(fresh: &Fresh<'a>, snapshot: &'a Snapshot<'a>) -> Self {
        let (slot, fee) = (fresh.context.clock_slot, least_fee(fresh.state, fresh.rules));
        Self { snapshot, slot, rules: fresh.rules, purse: fresh.purse, fee }
    }

    /// `None` for an account that is not in trouble.
    fn decide(&self, account: &MarginAccount) -> Result<Option<Decision>, HealthError> {
        let Some(distress) = self.snapshot.distress(account, self.slot)? else { return Ok(None) };
        let sale = || self.margin_sale(account, &distress).map_or(Decision::Wait, Decision::Buy);
        let Some(index) = distress.first else { return Ok(Some(sale())) };
        match self.snapshot.pool_takes(account, index, &distress) {
            Ok(0) => {}
            Ok(_) => return Ok(Some(Decision::ToPool(index))),
            // Without a price for the position collateral may help.
            Err(_) => return Ok(Some(sale())),
        }
        if let Some(purse) = self.purse
            && let Some(takeover) = self.takeover([account, purse], index, &distress)
        {
            return Ok(Some(Decision::TakeOver(index, takeover)));
        }
        let called = self.slot.saturating_sub(account.auction.touched);
        let running = account.auction.is_running(self.slot) && called < CALL_AGAIN;
        Ok(Some(if running { Decision::Wait } else { Decision::ToPool(index) }))
    }

    fn market(&self, index: u16) -> Result<&Market, HealthError> {
        self.snapshot.markets.get(&index).copied().ok_or(HealthError::UnknownMarket(index))
    }

    /// The largest takeover that the keeper's margin carries, if it pays: closed at once, or kept as inventory.
    fn takeover(&self, accounts: [&MarginAccount; 2], index: u16, distress: &Distress) -> Option<Takeover> {
        // More than lots can count is no limit.
        let cap = self.snapshot.lots_worth(index, self.rules.max_takeover).unwrap_or(u64::MAX);
        let offered = self.snapshot.take_over(accounts, (index, u64::MAX), distress).ok()?.report.lots;
        let step = self.market(index).ok()?.core.params.step.max(1);
        let mut lots = offered.min(cap);
        for _ in 0..=HALVINGS {
            let most = if lots == offered { u64::MAX } else { lots - lots % step };
            let taken = self.snapshot.take_over(accounts, (index, most), distress).ok();
            let close =
                taken.filter(|taken| self.carries(taken)).and_then(|taken| self.pays(accounts[1], &taken));
            if let Some(close) = close {
                return Some(Takeover { most, lots, close });
            }
            lots = lots / 2 / step * step;
        }
        None
    }

    /// Whether the keeper's initial margin carries it, with what has to stay free.
    fn carries(&self, taken: &Taken) -> bool {
        let mut after = self.snapshot.clone();
        after.markets.insert(taken.market.index, &taken.market);
        let free = after.health(&taken.liquidator, HealthType::Init).and_then(|health| Ok(health.excess()?));
        free.is_ok_and(|free| free.0 >= 0 && free.units_or_zero() >= self.rules.min_free_margin)
    }

    /// Whether it is closed at once, at a profit, or kept; `None` if neither is worth it.
    fn pays(&self, purse: &MarginAccount, taken: &Taken) -> Option<bool> {
        let least = self.rules.min_profit.max(1);
        if self.snapshot.gain_of_closing(purse, taken).is_ok_and(|gain| gain >= least) {
            return Some(true);
        }
        let held = inventory(self.snapshot, &taken.liquidator);
        let concession = i64::try_from(taken.report.concession).unwrap_or(i64::MAX);
        (held <= self.rules.max_inventory && concession >= least).then_some(false)
    }

    /// Markets of a keeper that holds more than it may, the largest position first, if it may hold anything at all: without
    /// inventory whatever is there is somebody's own position.
    fn overloaded(&self) -> Vec<u16> {
        let Some(purse) = self.purse.filter(|_| self.rules.max_inventory != 0) else { return Vec::new() };
        if inventory(self.snapshot, purse) <= self.rules.max_inventory {
            return Vec::new();
        }
        let mut held = held(self.snapshot, purse);
        held.sort_unstable_by_key(|(worth, _)| Reverse(*worth));
        held.into_iter().map(|(_, market)| market).collect()
    }
}

/// Worth of each position of an account, quote units, and its market.
fn held(snapshot: &Snapshot<'_>, account: &MarginAccount) -> Vec<(u64, u16)> {
    let open = account.positions.iter().filter(|p| p.is_open() && !p.is_claim());
    let worth = |position: &Position| {
        let core = &snapshot.markets.get(&position.market)?.core;
        let lots = core.book.side(Side::from_byte(position.side).ok()?).member(position).ok()?.lots.count();
        Some((core.notional(lots).ok()?, position.market))
    };
    open.filter_map(worth).collect()
}

/// Worth of all positions of an account, quote units.
#[must_use]
pub fn inventory(snapshot: &Snapshot<'_>, account: &MarginAccount) -> u64 {
    held(snapshot, account).iter().fold(0, |sum, (worth, _)| sum.saturating_add(*worth))
}

pub(super) fn plan(fresh: &Fresh<'_>) -> Result<Plan, PlanError> {
    let (margin, snapshot) = (fresh.account()?, fresh.context.snapshot());
    let desk = Desk::of(fresh, &snapshot);
    Ok(match desk.decide(margin.account)? {
        None => Plan::Nothing,
        Some(Decision::Wait) => Plan::Wait,
        Some(Decision::ToPool(index)) => Plan::Try(vec![to_pool(fresh, margin, index)?]),
        Some(Decision::TakeOver(index, what)) => {
            let taken = take_over(fresh, margin, (index, what))?;
            // If the mark has moved on, at least the auction goes on.
            Plan::Try(vec![taken, to_pool(fresh, margin, index)?])
        }
        Some(Decision::Buy(purchase)) => Plan::Try(collateral::buy(fresh, margin, purchase)?),
    })
}

fn to_pool(fresh: &Fresh<'_>, margin: Margin<'_>, index: u16) -> Result<Attempt, PlanError> {
    let main = vec![ix::liquidate_to_pool(fresh.listings(), margin, index, fresh.pay_to())?];
    let refreshes = fresh.refreshes(&[margin.account], Some(Leg::Market(index)))?;
    Ok(Attempt { refreshes, main, motive: Motive::Service })
}

fn take_over(
    fresh: &Fresh<'_>,
    margin: Margin<'_>,
    (index, what): (u16, Takeover),
) -> Result<Attempt, PlanError> {
    let purse = fresh.purse.ok_or(PlanError::Gone("the keeper's margin account"))?;
    let own = Margin { address: fresh.own.margin, account: purse };
    let side = margin.account.position_in(index).and_then(|position| position.side().ok());
    let side = side.ok_or(PlanError::Gone("the position"))?;
    // No worse than the mark that it was decided by.
    let limit_price = fresh.market(index)?.core.mark().to_bits();
    let order = Order { market: index, lots: what.most, limit_price };
    let liquidator = Liquidator { authority: fresh.own.authority, margin: own };
    let mut main = vec![ix::liquidate(fresh.listings(), liquidator, margin, order)?];
    if what.close {
        main.push(close(fresh, own, (index, side, closing_lots(purse, what.lots, index)))?);
    }
    let refreshes = fresh.refreshes(&[margin.account, purse], Some(Leg::Market(index)))?;
    Ok(Attempt { refreshes, main, motive: Motive::Profit })
}

/// All that there is, unless the keeper held something there before.
fn closing_lots(purse: &MarginAccount, lots: u64, index: u16) -> u64 {
    if purse.position_in(index).is_some() { lots } else { u64::MAX }
}

/// Closes lots of the keeper's position. Its legs are those of an account that holds it: it may not yet.
fn close(
    fresh: &Fresh<'_>,
    own: Margin<'_>,
    (index, side, lots): (u16, Side, u64),
) -> Result<Instruction, PlanError> {
    let limit_price = if side == Side::Long { 0 } else { u64::MAX };
    let mut holding = *own.account;
    let _ = holding.position_or_free(index, side).ok_or(HealthError::NoFreeSlot)?;
    let own = Margin { address: own.address, account: &holding };
    let order = Order { market: index, lots, limit_price };
    Ok(ix::close_position(fresh.listings(), fresh.own.authority, own, order)?)
}

pub(super) fn plan_unload(fresh: &Fresh<'_>, index: u16) -> Result<Plan, PlanError> {
    let snapshot = fresh.context.snapshot();
    let Some(purse) = fresh.purse else { return Ok(Plan::Nothing) };
    let excess = inventory(&snapshot, purse).saturating_sub(fresh.rules.max_inventory);
    let Some(position) = purse.position_in(index).filter(|_| excess > 0) else { return Ok(Plan::Nothing) };
    // A twentieth more, so that not every rise of a price asks for another transaction.
    let excess = excess.saturating_add(fresh.rules.max_inventory / 20);
    let core = &fresh.market(index)?.core;
    let step = core.params.step.max(1);
    let lots = snapshot.lots_worth(index, excess).unwrap_or(u64::MAX).saturating_add(step);
    let own = Margin { address: fresh.own.margin, account: purse };
    let side = Side::from_byte(position.side).map_err(HealthError::from)?;
    let whole = core.book.side(side).member(position).map_err(HealthError::from)?.lots.count();
    // What would be less than a position may be goes, too.
    let least = core.params.min_notional;
    let rest = core.notional(whole.saturating_sub(lots)).map_err(HealthError::from)?;
    let lots = if lots >= whole || rest < least { u64::MAX } else { lots };
    let main = vec![close(fresh, own, (index, side, lots))?];
    let refreshes = fresh.refreshes(&[purse], Some(Leg::Market(index)))?;
    Ok(Plan::one(Motive::Service, refreshes, main))
}
