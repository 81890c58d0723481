//! Pay a redeem ticket after its delay and within its window, whole or as far as the pool can; what is left stays in
//! the ticket. An empty ticket is closed.

use anchor_lang::prelude::*;
use anchor_spl::token_interface::{TokenAccount, TokenInterface};
use bulwark_engine::pool::{Nav, TrancheKind};
use bulwark_engine::price::Age;

use super::liquidity;
use crate::errors::{BulwarkError, OrProgramError as _};
use crate::events::Redeemed;
use crate::state::{self, Exchange, Pause, Pool, RedeemTicket, Vault};
use crate::tokens::Transfer;

/// Accounts of `redeem`. Remaining: every market in index order.
#[derive(Accounts)]
pub struct Redeem<'info> {
    /// Owner of the ticket.
    pub provider: Signer<'info>,
    /// CHECK: who paid the ticket's rent: gets it back with the last of the shares.
    #[account(mut, constraint = ticket.load()?.payer == payer.key() @ BulwarkError::WrongAccount)]
    pub payer: UncheckedAccount<'info>,
    /// The exchange: signs for its vaults.
    #[account(has_one = quote_vault @ BulwarkError::WrongAccount)]
    pub exchange: AccountLoader<'info, Exchange>,
    /// The pool.
    #[account(mut)]
    pub pool: AccountLoader<'info, Pool>,
    /// The ticket.
    #[account(mut)]
    pub ticket: AccountLoader<'info, RedeemTicket>,
    /// Vault of the quote token.
    #[account(mut, has_one = mint @ BulwarkError::WrongAccount, has_one = token_account @ BulwarkError::WrongAccount)]
    pub quote_vault: AccountLoader<'info, Vault>,
    /// The vault's tokens.
    #[account(mut)]
    pub token_account: InterfaceAccount<'info, TokenAccount>,
    /// A quote token account of the provider.
    #[account(mut)]
    pub destination: InterfaceAccount<'info, TokenAccount>,
    /// CHECK: mint of the token: the vault names it, and the token program reads it.
    pub mint: UncheckedAccount<'info>,
    /// Token program of the quote mint.
    pub token_program: Interface<'info, TokenInterface>,
}

impl<'info> Redeem<'info> {
    fn validate(&self) -> Result<()> {
        require!(self.ticket.load()?.owner == self.provider.key(), BulwarkError::Unauthorized);
        let now = Clock::get()?.unix_timestamp;
        require!(!self.exchange.load()?.stops_exit(Pause::LIQUIDITY, now), BulwarkError::Paused);
        Ok(())
    }

    fn transfer(&mut self, amount: u64) -> Result<()> {
        let (program, mint) = (&self.token_program, (&self.mint, self.quote_vault.load()?.decimals));
        Transfer { program, mint, from: &mut self.token_account, to: &mut self.destination }.push(
            amount,
            &self.exchange,
            self.provider.key,
        )
    }
}

pub(crate) fn handler<'info>(ctx: Context<'info, Redeem<'info>>, min_amount: u64) -> Result<()> {
    ctx.accounts.validate()?;
    let now = Clock::get()?.unix_timestamp;
    let (paid, left) = {
        let mut pool = ctx.accounts.pool.load_mut()?;
        let mut ticket = ctx.accounts.ticket.load_mut()?;
        let mut vault = ctx.accounts.quote_vault.load_mut()?;
        let listed = (ctx.accounts.exchange.load()?.markets(), None);
        let nav = liquidity::nav(&pool, listed, ctx.remaining_accounts, (Age::Trade, now))?;
        let nav = Nav { releasable: vault.core.releasable(now).or_error()?, ..nav };
        let tranche = TrancheKind::from_byte(ticket.tranche).or_error()?;
        let exits = ctx.accounts.exchange.load()?.exits;
        ticket.core = pool.core.reopened(&ticket.core, &exits, (Pause::LIQUIDITY.0, now));
        let report = pool.core.redeem(tranche, &mut ticket.core, &nav, now).or_error()?;
        require!(report.paid >= min_amount, BulwarkError::BelowMinimumAmount);
        vault.core.release(report.paid, now).or_error()?;

        emit!(Redeemed {
            provider: ticket.owner,
            nonce: ticket.nonce,
            sequence: state::next(&mut pool.sequence)?,
            vault_sequence: state::next(&mut vault.sequence)?,
            tranche: ticket.tranche,
            shares: report.shares,
            paid: report.paid,
            fee: report.fee,
            shares_left: ticket.core.shares,
            nav: nav.low,
        });
        (report.paid, ticket.core.shares)
    };
    ctx.accounts.transfer(paid)?;
    if left == 0 {
        ctx.accounts.ticket.close(ctx.accounts.payer.to_account_info())?;
    }
    Ok(())
}
