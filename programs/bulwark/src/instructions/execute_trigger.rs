//! Execute a trigger whose price has come. For anyone to call, and paid by the trader.
//!
//! A trigger that has expired, or that the account can't do any more (no margin for an entry, no position left), is
//! cancelled: the call succeeds, nothing is traded and nothing is paid. Whatever passes by itself (a price that needs a
//! refresh or is wide, a pause, a fill beyond the limit, a cap) fails the call and leaves the trigger. The keeper is paid
//! the exchange's fee, as far as the taker fee of the trade and the trader's quote reach, if the trader stays healthy.

use anchor_lang::prelude::*;
use bulwark_engine::margin::{HealthType, Legs};
use bulwark_engine::price::{Action, Age};
use bulwark_engine::trigger::{Trigger, TriggerKind};
use bulwark_engine::units::{Quote, Side};
use bytemuck::Pod;

use super::trade::{self, Desk, Done};
use crate::errors::{BulwarkError, OrProgramError as _, Refusal};
use crate::events::{CancelReason, TriggerCancelled, TriggerExecuted};
use crate::health;
use crate::state::{self, Exchange, MarginAccount, Market};

/// Accounts of `execute_trigger`. Remaining: the trader's other markets, then its vaults, in slot order.
#[derive(Accounts)]
pub struct ExecuteTrigger<'info> {
    /// The exchange.
    pub exchange: AccountLoader<'info, Exchange>,
    /// The trader's account.
    #[account(mut)]
    pub margin_account: AccountLoader<'info, MarginAccount>,
    /// The trigger's market.
    #[account(mut)]
    pub market: AccountLoader<'info, Market>,
    /// Margin account that the fee goes to; without one nobody is paid.
    #[account(mut)]
    pub keeper_account: Option<AccountLoader<'info, MarginAccount>>,
}

/// Runs the trigger's order.
fn run(desk: &mut Desk<'_, '_>, trigger: &Trigger, now: i64) -> core::result::Result<Done, Refusal> {
    // The trader does not choose the moment, so only an undoubted price will do.
    let core = &desk.market.core;
    core.oracle.require(&core.params.oracle, (Action::Increase, Age::Trade), now)?;
    trigger.require_met(core.mark())?;
    let side = Side::from_byte(trigger.side)?;
    match TriggerKind::from_byte(trigger.kind)? {
        TriggerKind::Limit => {
            trade::require_open(desk.exchange, desk.market)?;
            desk.increase(side, &trigger.order(now)?)
        }
        TriggerKind::TakeProfit | TriggerKind::StopLoss => {
            let position = desk.account.position_mut(desk.market.index).copied();
            desk.decrease(&trigger.reduction(&desk.market.core, position.as_ref(), now)?)
        }
    }
}

/// Whether a refusal cancels the trigger. A collateral or quote token whose price needs a refresh counts less than it is
/// worth: then the caller has to refresh it first.
fn is_cancelled(trigger: &Trigger, refusal: &Refusal, desk: &Desk<'_, '_>, now: i64) -> Result<bool> {
    let Refusal::Engine(error) = refusal else { return Ok(false) };
    if !trigger.is_cancelled_by(error) {
        return Ok(false);
    }
    if matches!(error, bulwark_engine::EngineError::InsufficientMargin { .. }) {
        let others = Legs { skip_market: Some(desk.market.index), ..desk.account.legs() };
        health::of_legs(&others, &mut desk.legs.iter(), (HealthType::Withdraw, now))?;
        require!(now <= desk.exchange.quote_weight.until, BulwarkError::PriceStale);
    }
    Ok(true)
}

/// A copy on the heap: a market is larger than a stack frame.
fn copy_of<T: Pod>(value: &T) -> Box<T> {
    let mut copy = bytemuck::zeroed_box();
    bytemuck::bytes_of_mut::<T>(&mut copy).copy_from_slice(bytemuck::bytes_of(value));
    copy
}

fn restore<T: Pod>(value: &mut T, before: &T) {
    bytemuck::bytes_of_mut(value).copy_from_slice(bytemuck::bytes_of(before));
}

pub(crate) fn handler<'info>(ctx: Context<'info, ExecuteTrigger<'info>>, id: u64) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    let exchange = ctx.accounts.exchange.load()?;
    let mut account = ctx.accounts.margin_account.load_mut()?;
    let mut market = ctx.accounts.market.load_mut()?;
    let key = ctx.accounts.margin_account.key();
    let mut keeper = match &ctx.accounts.keeper_account {
        Some(keeper) => {
            require!(keeper.key() != key, BulwarkError::DuplicateAccount);
            Some(keeper.load_mut()?)
        }
        None => None,
    };

    let trigger = *account.trigger(id)?;
    require!(trigger.market == market.index, BulwarkError::WrongAccount);
    *account.trigger(id)? = Trigger::default();
    if trigger.generation != market.generation {
        emit!(TriggerCancelled { account: key, id, reason: CancelReason::MarketClosed });
        return Ok(());
    }
    if trigger.is_expired(now) {
        emit!(TriggerCancelled { account: key, id, reason: CancelReason::Expired });
        return Ok(());
    }

    let keeper_fee = if keeper.is_some() { exchange.params.trigger_fee } else { 0 };
    // An increase is judged after it was made: a refused one is taken back from this copy.
    let before = (copy_of(&*account), copy_of(&*market));
    let legs = ctx.remaining_accounts;
    let mut desk = Desk { exchange: &exchange, account: &mut account, market: &mut market, legs, keeper_fee };
    match run(&mut desk, &trigger, now) {
        Ok(done) => {
            emit!(desk.event(key, &done)?);
            let fee = done.keeper_fee;
            if let Some(keeper) = &mut keeper {
                keeper.credit(Quote::from_units(fee).or_error()?).or_error()?;
            }
            let sequence = state::next(&mut market.sequence)?;
            let keeper = ctx.accounts.keeper_account.as_ref().map_or(key, |keeper| keeper.key());
            emit!(TriggerExecuted { account: key, market: market.index, sequence, id, keeper, fee });
        }
        Err(refusal) if is_cancelled(&trigger, &refusal, &desk, now)? => {
            restore(&mut *account, &before.0);
            restore(&mut *market, &before.1);
            emit!(TriggerCancelled { account: key, id, reason: CancelReason::Failed });
        }
        Err(refusal) => return Err(refusal.into()),
    }
    Ok(())
}
