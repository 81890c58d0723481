//! Collateral of accounts that have to sell: in trouble without positions, or owing more than they may.
//!
//! The keeper buys what it may hold and can pay for, at a discount that the engine names, and of several collaterals the one
//! that brings most. When it can't buy, it calls the auction of an account in trouble now and then, so that the discount goes on rising
//! for whoever can. What is worth less than the calls of an auction would cost is bought at whatever discount there is: one
//! transaction, and nobody has to come back for it.

use bulwark_sdk::engine::auction::COLLATERAL_LAPSE_SLOTS;
use bulwark_sdk::engine::debt;
use bulwark_sdk::engine::margin::HealthType;
use bulwark_sdk::engine::sale::Reason;
use bulwark_sdk::health::{Distress, HealthError};
use bulwark_sdk::instruction::{self as ix, Liquidator, Margin};
use bulwark_sdk::program::state::{MarginAccount, Market, Vault};
use bulwark_sdk::refresh::Leg;

use super::liquidate::Desk;
use super::{Attempt, Fresh, Motive, Plan, PlanError};

/// Slots after the last call at which the next one is made: half of what an auction of collateral may go without.
const CALL_AGAIN: u64 = COLLATERAL_LAPSE_SLOTS / 2;
/// About so many calls take an auction to its last discount.
const CALLS: i64 = 256;
/// What is paid above a worth by rounding, quote units: its floor, and two ceilings of the price.
const ROUNDED: i64 = 3;

/// What is bought of whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Purchase {
    vault: u16,
    /// Most token units; `u64::MAX`: all there is, 0: none, the auction is only called.
    amount: u64,
    /// Market that is in need of what the account owes, if that is the reason.
    creditor: Option<u16>,
    /// Whether the auction is to be called if buying does not pay.
    call: bool,
}

/// Why an account sells.
#[derive(Clone, Copy)]
enum Why<'a> {
    Trouble(&'a Distress),
    /// For so many quote units.
    Debt(u64),
}

impl Desk<'_> {
    /// What to buy of an account in trouble; `None`: wait.
    pub(super) fn margin_sale(&self, account: &MarginAccount, distress: &Distress) -> Option<Purchase> {
        let auction = &account.auction;
        let called = self.slot.saturating_sub(auction.touched);
        let running = auction.is_running(self.slot) && auction.collateral_only != 0 && called < CALL_AGAIN;
        let call = !account.has_positions() && !running;
        let why = Why::Trouble(distress);
        let worth = i64::try_from(self.collateral(account)).unwrap_or(i64::MAX);
        let is_dust = worth <= self.fee.saturating_mul(CALLS);
        // A call that is due costs as much: to buy in its place costs nothing more, but for what is rounded against the buyer.
        let least = match (call, is_dust) {
            (true, true) => -ROUNDED,
            (true, false) => self.rules.min_profit.max(1),
            (false, _) => self.least_gain(),
        };
        if let Some((vault, amount)) = self.bargain(account, why, least) {
            return Some(Purchase { vault, amount, creditor: None, call });
        }
        let vault = self.for_sale(account, why).next()?.0.index;
        let worth_calling = call && !is_dust && self.purse.is_some();
        worth_calling.then_some(Purchase { vault, amount: 0, creditor: None, call })
    }

    /// What to buy of an account that is not in trouble and has to sell for its debt.
    ///
    /// # Errors
    /// [`HealthError`].
    pub(super) fn debt_sale(&self, account: &MarginAccount) -> Result<Option<Purchase>, HealthError> {
        let owed = debt::owed(account.quote);
        let has_some = account.collaterals.iter().any(|slot| slot.amount != 0);
        if owed == 0 || !has_some || self.snapshot.distress(account, self.slot)?.is_some() {
            return Ok(None);
        }
        let (due, creditor) = if owed > self.snapshot.exchange.params.auto_exchange_threshold {
            (owed, None)
        } else {
            let pressing = |market: &&Market| {
                let share = account.debts.share(market.index, account.quote).unwrap_or(0);
                Some((market.core.pressing(share), Some(market.index))).filter(|(due, _)| *due > 0)
            };
            let Some(due) = self.snapshot.markets.values().find_map(pressing) else { return Ok(None) };
            due
        };
        let bargain = self.bargain(account, Why::Debt(due), self.least_gain());
        Ok(bargain.map(|(vault, amount)| Purchase { vault, amount, creditor, call: false }))
    }

    /// Least gain that is worth a transaction of its own, quote units.
    fn least_gain(&self) -> i64 {
        self.rules.min_profit.max(1).saturating_add(self.fee)
    }

    /// The collateral whose discount brings most, and how much of it may be bought; `None` if nothing brings `least` quote units.
    fn bargain(&self, account: &MarginAccount, why: Why<'_>, least: i64) -> Option<(u16, u64)> {
        let (purse, spend) = (self.purse?, self.spend()?);
        let offers = self.for_sale(account, why).filter_map(|(vault, held, discount)| {
            let has_slot = purse.collaterals.iter().any(|slot| slot.amount == 0 || slot.vault == vault.index);
            let price = vault.core.oracle.price;
            let afford =
                u64::try_from((u128::from(spend) << 32) / u128::from(price.to_bits())).unwrap_or(u64::MAX);
            let wanted = match why {
                Why::Debt(due) => due,
                Why::Trouble(distress) => {
                    let what = (account.quote, account.has_positions());
                    vault.core.wanted(distress.health, what, discount).ok()?
                }
            };
            let sale = vault.core.sell((held, afford), wanted, discount).ok().filter(|_| has_slot)?;
            let worth = i64::try_from(price.mul_floor(sale.amount).ok()?).ok()?;
            let gain = worth.checked_sub(i64::try_from(sale.proceeds).ok()?)?;
            let amount = if afford >= held { u64::MAX } else { afford };
            (gain >= least && sale.amount > 0).then_some((gain, (vault.index, amount)))
        });
        Some(offers.max()?.1)
    }

    /// Collaterals of an account that can be sold now: vault, token units held, discount (Q32).
    fn for_sale<'b>(
        &'b self,
        account: &'b MarginAccount,
        why: Why<'b>,
    ) -> impl Iterator<Item = (&'b Vault, u64, u64)> {
        let reason = match why {
            Why::Debt(_) => Reason::Debt,
            Why::Trouble(distress) => {
                Reason::Margin { elapsed: distress.moment.elapsed, positions: account.has_positions() }
            }
        };
        let held = account.collaterals.iter().filter(|slot| slot.amount != 0);
        held.filter_map(move |slot| {
            let vault = *self.snapshot.vaults.get(&slot.vault)?;
            Some((vault, slot.amount, vault.core.discount(reason, self.snapshot.now).ok()?))
        })
    }

    /// Quote units that may be spent: what is there, as far as the limit on collateral and the margin that has to stay free
    /// allow.
    fn spend(&self) -> Option<u64> {
        let purse = self.purse?;
        let room = self.rules.max_collateral.saturating_sub(self.collateral(purse));
        let free =
            self.snapshot.health(purse, HealthType::Init).and_then(|health| Ok(health.excess()?)).ok()?;
        let free = free.units_or_zero().saturating_sub(self.rules.min_free_margin);
        Some(room.min(free).min(purse.quote.units_or_zero()))
    }

    /// Worth of all collateral of an account at its last prices, quote units.
    fn collateral(&self, account: &MarginAccount) -> u64 {
        let held = account.collaterals.iter().filter(|slot| slot.amount != 0);
        let worth = held.filter_map(|slot| {
            self.snapshot.vaults.get(&slot.vault)?.core.oracle.price.mul_ceil(slot.amount).ok()
        });
        worth.fold(0, u64::saturating_add)
    }
}

pub(super) fn plan(fresh: &Fresh<'_>) -> Result<Plan, PlanError> {
    let (margin, snapshot) = (fresh.account()?, fresh.context.snapshot());
    match Desk::of(fresh, &snapshot).debt_sale(margin.account)? {
        Some(purchase) => Ok(Plan::Try(buy(fresh, margin, purchase)?)),
        None => Ok(Plan::Nothing),
    }
}

/// The purchase, and the call instead of it where one is due.
pub(super) fn buy(
    fresh: &Fresh<'_>,
    margin: Margin<'_>,
    purchase: Purchase,
) -> Result<Vec<Attempt>, PlanError> {
    let purse = fresh.purse.ok_or(PlanError::Gone("the keeper's margin account"))?;
    let margin_of_own = Margin { address: fresh.own.margin, account: purse };
    let own = Liquidator { authority: fresh.own.authority, margin: margin_of_own };
    let vault = fresh.context.vaults.get(&purchase.vault).ok_or(PlanError::Gone("the vault"))?;
    let price = vault.core.oracle.price.to_bits();
    let refreshes = fresh.refreshes(&[margin.account, purse], Some(Leg::Vault(purchase.vault)))?;
    let attempt = |motive, amount: u64| -> Result<Attempt, PlanError> {
        let what = (purchase.vault, amount, price);
        let main = vec![ix::liquidate_collateral(fresh.listings(), own, (margin, purchase.creditor), what)?];
        Ok(Attempt { refreshes: refreshes.clone(), main, motive })
    };
    let mut attempts = Vec::new();
    if purchase.amount > 0 {
        let motive = if purchase.call { Motive::Service } else { Motive::Profit };
        attempts.push(attempt(motive, purchase.amount)?);
    }
    if purchase.call {
        attempts.push(attempt(Motive::Service, 0)?);
    }
    Ok(attempts)
}
