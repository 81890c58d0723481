//! Execute a change whose delay is over. For anyone to call; a change whose target or admin has changed since is void.
//! A listing is marked as executed and stays for `create_vault` or `create_market`; everything else is done.

use anchor_lang::prelude::*;

use crate::errors::{BulwarkError, OrProgramError as _};
use crate::events::ChangeExecuted;
use crate::governance::{Stage, Targets};
use crate::state::{Change, Exchange, InsuranceFund, Market, Pool, Vault};

/// Accounts of `execute_change`.
#[derive(Accounts)]
pub struct ExecuteChange<'info> {
    /// CHECK: who paid the rent of the change: gets it back.
    #[account(mut, constraint = change.load()?.payer == payer.key() @ BulwarkError::WrongAccount)]
    pub payer: UncheckedAccount<'info>,
    /// The exchange.
    #[account(mut)]
    pub exchange: AccountLoader<'info, Exchange>,
    /// The change.
    #[account(mut)]
    pub change: AccountLoader<'info, Change>,
    /// The market that it is about.
    #[account(mut)]
    pub market: Option<AccountLoader<'info, Market>>,
    /// The vault that it is about.
    #[account(mut)]
    pub vault: Option<AccountLoader<'info, Vault>>,
    /// The pool: who asked for his money when it was proposed has it by now.
    #[account(mut)]
    pub pool: AccountLoader<'info, Pool>,
    /// The insurance fund, if it is about the fund.
    #[account(mut)]
    pub insurance_fund: Option<AccountLoader<'info, InsuranceFund>>,
    /// CHECK: the new primary source; checked against the change.
    pub primary: Option<UncheckedAccount<'info>>,
    /// CHECK: the new secondary source, required if one is configured; checked like the primary.
    pub secondary: Option<UncheckedAccount<'info>>,
}

pub(crate) fn handler(ctx: Context<ExecuteChange>) -> Result<()> {
    let accounts = &ctx.accounts;
    let now = Clock::get()?.unix_timestamp;
    let targets = Targets {
        exchange: &accounts.exchange,
        market: accounts.market.as_ref(),
        vault: accounts.vault.as_ref(),
        pool: Some(&accounts.pool),
        insurance_fund: accounts.insurance_fund.as_ref(),
        oracles: [accounts.primary.as_deref(), accounts.secondary.as_deref()],
    };
    let done = {
        let mut change = accounts.change.load_mut()?;
        require!(change.executed == 0, BulwarkError::ChangeIsExecuted);
        let payload = change.payload()?;
        change.ripens(&payload, &accounts.pool.load()?.core.params).require_ripe(now).or_error()?;
        let same = change.admin_epoch == accounts.exchange.load()?.admin_epoch
            && change.revision == targets.revision(&payload)?;
        require!(same, BulwarkError::ChangeVoid);
        targets.run(&payload, Stage::Executed, now)?;
        change.executed = 1;
        emit!(ChangeExecuted { nonce: change.nonce, payload_hash: change.payload_hash });
        !payload.is_listing()
    };
    if done {
        accounts.change.close(accounts.payer.to_account_info())?;
    }
    Ok(())
}
