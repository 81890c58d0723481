//! Become the admin, after the delay of the nomination. What the former admin has proposed is void.

use anchor_lang::prelude::*;

use crate::errors::{BulwarkError, OrProgramError as _};
use crate::events::AdminChanged;
use crate::signing;
use crate::state::Exchange;

/// Accounts of `accept_admin`.
#[derive(Accounts)]
pub struct AcceptAdmin<'info> {
    /// The nominated admin.
    pub nominee: Signer<'info>,
    /// The exchange.
    #[account(mut)]
    pub exchange: AccountLoader<'info, Exchange>,
    /// CHECK: the instructions sysvar: the admin signs for now, not for later.
    #[account(address = solana_instructions_sysvar::ID @ BulwarkError::WrongAccount)]
    pub instructions: UncheckedAccount<'info>,
}

pub(crate) fn handler(ctx: Context<AcceptAdmin>) -> Result<()> {
    let accounts = &ctx.accounts;
    let (mut exchange, nominee) = (accounts.exchange.load_mut()?, accounts.nominee.key());
    let nominated = exchange.pending_admin == nominee && nominee != Pubkey::default();
    require!(nominated, BulwarkError::NoNomination);
    signing::require_fresh(&accounts.instructions)?;
    exchange.nomination.require_ripe(Clock::get()?.unix_timestamp).or_error()?;

    let from = core::mem::replace(&mut exchange.admin, nominee);
    exchange.pending_admin = Pubkey::default();
    exchange.nomination = Default::default();
    exchange.admin_epoch = exchange.admin_epoch.wrapping_add(1);
    emit!(AdminChanged { from, to: nominee });
    Ok(())
}
