//! Cancel a trigger: by owner or delegate at any time, by anyone once it has expired.

use anchor_lang::prelude::*;
use bulwark_engine::trigger::Trigger;

use super::trade;
use crate::events::{CancelReason, TriggerCancelled};
use crate::state::MarginAccount;

/// Accounts of `cancel_trigger`.
#[derive(Accounts)]
pub struct CancelTrigger<'info> {
    /// Owner or delegate of the margin account; anyone if the trigger has expired.
    pub authority: Signer<'info>,
    /// The trader's account.
    #[account(mut)]
    pub margin_account: AccountLoader<'info, MarginAccount>,
}

pub(crate) fn handler(ctx: Context<CancelTrigger>, incarnation: u64, id: u64) -> Result<()> {
    let mut account = ctx.accounts.margin_account.load_mut()?;
    let expired = account.trigger(id)?.is_expired(Clock::get()?.unix_timestamp);
    if !expired {
        trade::require_trader(&account, ctx.accounts.authority.key, incarnation)?;
    }
    *account.trigger(id)? = Trigger::default();
    let reason = if expired { CancelReason::Expired } else { CancelReason::Request };
    emit!(TriggerCancelled { account: ctx.accounts.margin_account.key(), id, reason });
    Ok(())
}
