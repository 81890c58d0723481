//! Set who may trade an account besides its owner.

use anchor_lang::prelude::*;

use crate::errors::BulwarkError;
use crate::events::DelegateSet;
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
    account.delegate = delegate;
    emit!(DelegateSet { account: ctx.accounts.margin_account.key(), delegate });
    Ok(())
}
