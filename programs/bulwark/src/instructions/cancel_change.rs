//! Cancel a change: by the admin or the guardian before it is carried out, by anyone once it has lapsed or another admin is in
//! office. The guardian can't cancel the change that replaces him.

use anchor_lang::prelude::*;

use crate::errors::BulwarkError;
use crate::events::ChangeCancelled;
use crate::signing;
use crate::state::{Change, ChangePayload, Exchange};

/// Accounts of `cancel_change`.
#[derive(Accounts)]
pub struct CancelChange<'info> {
    /// Admin or guardian; anyone once it can't be executed any more.
    pub authority: Signer<'info>,
    /// CHECK: who paid the rent of the change: gets it back.
    #[account(mut, constraint = change.load()?.payer == payer.key() @ BulwarkError::WrongAccount)]
    pub payer: UncheckedAccount<'info>,
    /// The exchange.
    pub exchange: AccountLoader<'info, Exchange>,
    /// The change.
    #[account(mut, close = payer)]
    pub change: AccountLoader<'info, Change>,
    /// CHECK: the instructions sysvar: the admin signs for now, not for later.
    #[account(address = solana_instructions_sysvar::ID @ BulwarkError::WrongAccount)]
    pub instructions: UncheckedAccount<'info>,
}

impl CancelChange<'_> {
    fn validate(&self) -> Result<()> {
        let (exchange, change) = (self.exchange.load()?, self.change.load()?);
        let now = Clock::get()?.unix_timestamp;
        if change.timelock.is_over(now) || change.admin_epoch != exchange.admin_epoch {
            return Ok(());
        }
        let replaces_guardian = matches!(change.payload()?, ChangePayload::Guardian { .. });
        if exchange.guardian == self.authority.key() && !replaces_guardian {
            // The next number is known in advance: a cancellation that was signed long ago could meet any change.
            return signing::require_fresh(&self.instructions);
        }
        signing::require_admin(&exchange, self.authority.key, &self.instructions)
    }
}

pub(crate) fn handler(ctx: Context<CancelChange>) -> Result<()> {
    ctx.accounts.validate()?;
    let nonce = ctx.accounts.change.load()?.nonce;
    emit!(ChangeCancelled { nonce, authority: ctx.accounts.authority.key() });
    Ok(())
}
