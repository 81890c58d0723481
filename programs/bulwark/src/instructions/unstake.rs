//! Pay an unstake ticket after its cooldown and within its window, as far as the vault may let go; the rest stays in the
//! ticket. An empty ticket is closed.

use anchor_lang::prelude::*;
use anchor_spl::token_interface::{TokenAccount, TokenInterface};

use crate::errors::{BulwarkError, OrProgramError as _};
use crate::events::Unstaked;
use crate::state::{self, Exchange, InsuranceFund, Pause, UnstakeTicket, Vault};
use crate::tokens::Transfer;

/// Accounts of `unstake`.
#[derive(Accounts)]
pub struct Unstake<'info> {
    /// Owner of the ticket.
    pub staker: Signer<'info>,
    /// CHECK: who paid the ticket's rent: gets it back with the last of the stake.
    #[account(mut, constraint = ticket.load()?.payer == payer.key() @ BulwarkError::WrongAccount)]
    pub payer: UncheckedAccount<'info>,
    /// The exchange: signs for its vaults.
    #[account(has_one = quote_vault @ BulwarkError::WrongAccount)]
    pub exchange: AccountLoader<'info, Exchange>,
    /// The insurance fund.
    #[account(mut)]
    pub insurance_fund: AccountLoader<'info, InsuranceFund>,
    /// The ticket.
    #[account(mut)]
    pub ticket: AccountLoader<'info, UnstakeTicket>,
    /// Vault of the quote token.
    #[account(mut, has_one = mint @ BulwarkError::WrongAccount, has_one = token_account @ BulwarkError::WrongAccount)]
    pub quote_vault: AccountLoader<'info, Vault>,
    /// The vault's tokens.
    #[account(mut)]
    pub token_account: InterfaceAccount<'info, TokenAccount>,
    /// A quote token account of the staker.
    #[account(mut)]
    pub destination: InterfaceAccount<'info, TokenAccount>,
    /// CHECK: mint of the token: the vault names it, and the token program reads it.
    pub mint: UncheckedAccount<'info>,
    /// Token program of the quote mint.
    pub token_program: Interface<'info, TokenInterface>,
}

impl<'info> Unstake<'info> {
    fn validate(&self) -> Result<()> {
        require!(self.ticket.load()?.owner == self.staker.key(), BulwarkError::Unauthorized);
        let now = Clock::get()?.unix_timestamp;
        require!(!self.exchange.load()?.stops_exit(Pause::STAKE, now), BulwarkError::Paused);
        Ok(())
    }

    fn transfer(&mut self, amount: u64) -> Result<()> {
        let (program, mint) = (&self.token_program, (&self.mint, self.quote_vault.load()?.decimals));
        Transfer { program, mint, from: &mut self.token_account, to: &mut self.destination }.push(
            amount,
            &self.exchange,
            self.staker.key,
        )
    }
}

pub(crate) fn handler(ctx: Context<Unstake>, min_amount: u64) -> Result<()> {
    ctx.accounts.validate()?;
    let now = Clock::get()?.unix_timestamp;
    let (paid, left) = {
        let mut fund = ctx.accounts.insurance_fund.load_mut()?;
        let mut ticket = ctx.accounts.ticket.load_mut()?;
        let mut vault = ctx.accounts.quote_vault.load_mut()?;
        let before = ticket.core.shares;
        let exits = ctx.accounts.exchange.load()?.exits;
        ticket.core = ticket.core.reopened(&exits, (Pause::STAKE.0, now));
        let releasable = vault.core.releasable(now).or_error()?;
        let paid = fund.core.backstop.unstake(&mut ticket.core, releasable, now).or_error()?;
        require!(paid >= min_amount, BulwarkError::BelowMinimumAmount);
        vault.core.release(paid, now).or_error()?;
        emit!(Unstaked {
            staker: ticket.owner,
            nonce: ticket.nonce,
            sequence: state::next(&mut fund.sequence)?,
            vault_sequence: state::next(&mut vault.sequence)?,
            cooling: before.saturating_sub(ticket.core.shares),
            paid,
            cooling_left: ticket.core.shares,
        });
        (paid, ticket.core.shares)
    };
    if paid > 0 {
        ctx.accounts.transfer(paid)?;
    }
    if left == 0 {
        ctx.accounts.ticket.close(ctx.accounts.payer.to_account_info())?;
    }
    Ok(())
}
