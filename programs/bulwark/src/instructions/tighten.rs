//! Put stricter parameters in force at once, or stop a market's increases. By the admin or the guardian; every field must be at
//! least as strict as it is.

use anchor_lang::prelude::*;

use crate::errors::BulwarkError;
use crate::events::Tightened;
use crate::governance::{Stage, Targets};
use crate::signing;
use crate::state::{ChangePayload, Exchange, InsuranceFund, Market, Pool, Vault};

/// Accounts of `tighten`.
#[derive(Accounts)]
pub struct Tighten<'info> {
    /// Admin or guardian.
    pub authority: Signer<'info>,
    /// The exchange.
    #[account(mut)]
    pub exchange: AccountLoader<'info, Exchange>,
    /// The market that it is about.
    #[account(mut)]
    pub market: Option<AccountLoader<'info, Market>>,
    /// The vault that it is about.
    #[account(mut)]
    pub vault: Option<AccountLoader<'info, Vault>>,
    /// The pool, if it is about the pool.
    #[account(mut)]
    pub pool: Option<AccountLoader<'info, Pool>>,
    /// The insurance fund, if it is about the fund.
    #[account(mut)]
    pub insurance_fund: Option<AccountLoader<'info, InsuranceFund>>,
    /// CHECK: the instructions sysvar: the admin signs for now, not for later.
    #[account(address = solana_instructions_sysvar::ID @ BulwarkError::WrongAccount)]
    pub instructions: UncheckedAccount<'info>,
}

pub(crate) fn handler(ctx: Context<Tighten>, payload: &ChangePayload) -> Result<()> {
    let accounts = &ctx.accounts;
    let authority = accounts.authority.key();
    signing::require_admin_or_guardian(&*accounts.exchange.load()?, &authority, &accounts.instructions)?;
    let targets = Targets {
        exchange: &accounts.exchange,
        market: accounts.market.as_ref(),
        vault: accounts.vault.as_ref(),
        pool: accounts.pool.as_ref(),
        insurance_fund: accounts.insurance_fund.as_ref(),
        oracles: [None; 2],
    };
    targets.run(payload, Stage::Tightened, Clock::get()?.unix_timestamp)?;
    emit!(Tightened { authority, payload: *payload });
    Ok(())
}
