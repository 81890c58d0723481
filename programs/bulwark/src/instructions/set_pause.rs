//! Set pause bits, of a market or of the whole exchange. By the guardian or the admin; only a change clears them. Ways out of
//! the exchange are stopped for half a day at most, see [`bulwark_engine::governance::ExitPause`].

use anchor_lang::prelude::*;

use crate::errors::{BulwarkError, OrProgramError as _};
use crate::events::PauseSet;
use crate::governance::require_bits;
use crate::signing;
use crate::state::{Exchange, Market};

/// Accounts of `set_pause`.
#[derive(Accounts)]
pub struct SetPause<'info> {
    /// Guardian or admin.
    pub authority: Signer<'info>,
    /// The exchange.
    #[account(mut)]
    pub exchange: AccountLoader<'info, Exchange>,
    /// The market; without one the whole exchange is paused.
    #[account(mut)]
    pub market: Option<AccountLoader<'info, Market>>,
    /// CHECK: the instructions sysvar: the admin signs for now, not for later.
    #[account(address = solana_instructions_sysvar::ID @ BulwarkError::WrongAccount)]
    pub instructions: UncheckedAccount<'info>,
}

pub(crate) fn handler(ctx: Context<SetPause>, bits: u8) -> Result<()> {
    let accounts = &ctx.accounts;
    let authority = accounts.authority.key();
    let mut exchange = accounts.exchange.load_mut()?;
    signing::require_admin_or_guardian(&exchange, &authority, &accounts.instructions)?;
    let mut market = accounts.market.as_ref().map(AccountLoader::load_mut).transpose()?;
    let index = market.as_ref().map(|market| market.index);
    require_bits(index, bits)?;

    let bits = match &mut market {
        Some(market) => market.set_pause(bits),
        None => exchange.set_pause(bits, Clock::get()?.unix_timestamp).or_error()?,
    };
    emit!(PauseSet { authority, market: index, bits, exits_until: exchange.exits.until });
    Ok(())
}
