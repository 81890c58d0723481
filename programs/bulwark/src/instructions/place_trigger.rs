//! Place a trigger: a limit entry, a take-profit or a stop-loss that anyone may execute once its price has come.

use anchor_lang::prelude::*;
use bulwark_engine::trigger::Trigger;

use super::trade;
use crate::errors::{BulwarkError, OrProgramError as _};
use crate::events::TriggerPlaced;
use crate::state::{MarginAccount, Market};

/// What to do, and when. Prices are Q32.32 quote units per lot.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlaceTriggerArgs {
    /// Incarnation id of the margin account.
    pub incarnation: u64,
    /// 0 limit entry, 1 take-profit, 2 stop-loss.
    pub kind: u8,
    /// Side of the position that it opens, increases or decreases: 0 long, 1 short.
    pub side: u8,
    /// Whether it may only decrease a position: false for a limit entry, true for the others.
    pub reduce_only: bool,
    /// Lots, a multiple of the market's step; `u64::MAX` for all of a position that it decreases.
    pub lots: u64,
    /// Mark price to wait for.
    pub trigger_price: u64,
    /// Worst fill price, fees excluded.
    pub limit_price: u64,
    /// Last moment at which it can be executed, unix seconds; at most 90 days ahead.
    pub expiry: i64,
}

/// Accounts of `place_trigger`.
#[derive(Accounts)]
pub struct PlaceTrigger<'info> {
    /// Owner or delegate of the margin account.
    pub authority: Signer<'info>,
    /// The trader's account.
    #[account(mut)]
    pub margin_account: AccountLoader<'info, MarginAccount>,
    /// The market.
    pub market: AccountLoader<'info, Market>,
}

pub(crate) fn handler(ctx: Context<PlaceTrigger>, args: &PlaceTriggerArgs) -> Result<()> {
    let mut account = ctx.accounts.margin_account.load_mut()?;
    let market = ctx.accounts.market.load()?;
    trade::require_trader(&account, ctx.accounts.authority.key, args.incarnation)?;

    let trigger = Trigger {
        id: account.next_trigger()?,
        lots: args.lots,
        trigger_price: args.trigger_price,
        limit_price: args.limit_price,
        expiry: args.expiry,
        market: market.index,
        kind: args.kind,
        side: args.side,
        generation: market.generation,
        by_delegate: u8::from(account.owner != ctx.accounts.authority.key()),
        ..Trigger::default()
    };
    trigger.validate(market.core.params.step, Clock::get()?.unix_timestamp).or_error()?;
    require!(trigger.is_reduce_only().or_error()? == args.reduce_only, BulwarkError::InvalidTrigger);
    let slot = account.triggers.iter_mut().find(|t| !t.is_set()).ok_or(BulwarkError::NoFreeTriggerSlot)?;
    *slot = trigger;

    emit!(TriggerPlaced {
        account: ctx.accounts.margin_account.key(),
        market: trigger.market,
        id: trigger.id,
        kind: trigger.kind,
        side: trigger.side,
        lots: trigger.lots,
        trigger_price: trigger.trigger_price,
        limit_price: trigger.limit_price,
        expiry: trigger.expiry,
    });
    Ok(())
}
