//! Nominate the next admin, who accepts after the delay. The guardian can take a nomination back.

use anchor_lang::prelude::*;
use bulwark_engine::governance::Timelock;

use crate::errors::BulwarkError;
use crate::events::AdminNominated;
use crate::signing;
use crate::state::Exchange;

/// Accounts of `nominate_admin`.
#[derive(Accounts)]
pub struct NominateAdmin<'info> {
    /// Admin; the guardian to take a nomination back.
    pub authority: Signer<'info>,
    /// The exchange.
    #[account(mut)]
    pub exchange: AccountLoader<'info, Exchange>,
    /// CHECK: the instructions sysvar: the admin signs for now, not for later.
    #[account(address = solana_instructions_sysvar::ID @ BulwarkError::WrongAccount)]
    pub instructions: UncheckedAccount<'info>,
}

pub(crate) fn handler(ctx: Context<NominateAdmin>, nominee: Pubkey) -> Result<()> {
    let accounts = &ctx.accounts;
    let mut exchange = accounts.exchange.load_mut()?;
    let (authority, nobody) = (accounts.authority.key, nominee == Pubkey::default());
    if nobody {
        require!(exchange.pending_admin != nominee, BulwarkError::NoNomination);
        signing::require_admin_or_guardian(&exchange, authority, &accounts.instructions)?;
        signing::require_fresh(&accounts.instructions)?;
    } else {
        signing::require_admin(&exchange, authority, &accounts.instructions)?;
    }
    exchange.pending_admin = nominee;
    exchange.nomination = match nobody {
        true => Timelock::default(),
        false => Timelock::new(Clock::get()?.unix_timestamp, i64::from(exchange.params.delay)),
    };
    let Timelock { eta, expiry } = exchange.nomination;
    emit!(AdminNominated { nominee, eta, expiry });
    Ok(())
}
