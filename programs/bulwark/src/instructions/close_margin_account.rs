//! Close an empty margin account.

use anchor_lang::prelude::*;

use crate::errors::BulwarkError;
use crate::events::MarginAccountClosed;
use crate::state::MarginAccount;

/// Accounts of `close_margin_account`.
#[derive(Accounts)]
pub struct CloseMarginAccount<'info> {
    /// Owner; receives the rent.
    #[account(mut)]
    pub owner: Signer<'info>,
    /// The account to close.
    #[account(mut, close = owner)]
    pub margin_account: AccountLoader<'info, MarginAccount>,
}

pub(crate) fn handler(ctx: Context<CloseMarginAccount>) -> Result<()> {
    let account = ctx.accounts.margin_account.load()?;
    require!(account.owner == ctx.accounts.owner.key(), BulwarkError::Unauthorized);
    require!(account.is_empty(), BulwarkError::AccountNotEmpty);
    let address = ctx.accounts.margin_account.key();
    emit!(MarginAccountClosed { account: address, incarnation: account.incarnation });
    Ok(())
}
