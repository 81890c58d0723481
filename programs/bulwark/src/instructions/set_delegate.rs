//! Set who may trade an account besides its owner. What an earlier delegate left to be executed goes with him.

use anchor_lang::prelude::*;
use bulwark_engine::trigger::Trigger;

use crate::errors::BulwarkError;
use crate::events::{CancelReason, DelegateSet, TriggerCancelled};
use crate::state::MarginAccount;

/// Accounts of `set_delegate`.
#[derive(Accounts)]
pub struct SetDelegate<'info> {
    /// Owner.
    pub owner: Signer<'info>,
    /// The account.
    #[account(mut)]
    pub margin_account: AccountLoader<'info, MarginAccount>,
}

pub(crate) fn handler(ctx: Context<SetDelegate>, incarnation: u64, delegate: Pubkey) -> Result<()> {
    let mut account = ctx.accounts.margin_account.load_mut()?;
    require!(account.owner == ctx.accounts.owner.key(), BulwarkError::Unauthorized);
    require!(account.incarnation == incarnation, BulwarkError::WrongIncarnation);
    let key = ctx.accounts.margin_account.key();
    if account.delegate != delegate {
        for trigger in account.triggers.iter_mut().filter(|t| t.is_set() && t.by_delegate != 0) {
            emit!(TriggerCancelled { account: key, id: trigger.id, reason: CancelReason::DelegateChanged });
            *trigger = Trigger::default();
        }
    }
    account.delegate = delegate;
    emit!(DelegateSet { account: key, delegate });
    Ok(())
}
