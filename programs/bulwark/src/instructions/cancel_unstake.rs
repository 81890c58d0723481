//! Take the stake back out of a ticket: it is active again, at what it is worth now. For the owner, and for anyone once the
//! ticket's window is over. Never paused: it only undoes a request.

use anchor_lang::prelude::*;
use anchor_spl::token::Token;
use anchor_spl::token_interface::TokenAccount;

use super::liquidity::Shares;
use crate::errors::{BulwarkError, OrProgramError as _};
use crate::events::UnstakeCancelled;
use crate::state::{self, Exchange, InsuranceFund, Pause, UnstakeTicket};
use crate::tokens::require_plain;

/// Accounts of `cancel_unstake`.
#[derive(Accounts)]
pub struct CancelUnstake<'info> {
    /// Owner of the ticket; anyone once its window is over.
    pub authority: Signer<'info>,
    /// CHECK: who paid the ticket's rent: gets it back.
    #[account(mut, constraint = ticket.load()?.payer == payer.key() @ BulwarkError::WrongAccount)]
    pub payer: UncheckedAccount<'info>,
    /// The exchange: mints the shares.
    pub exchange: AccountLoader<'info, Exchange>,
    /// The insurance fund.
    #[account(mut, has_one = share_mint @ BulwarkError::WrongAccount)]
    pub insurance_fund: AccountLoader<'info, InsuranceFund>,
    /// The ticket.
    #[account(mut, close = payer)]
    pub ticket: AccountLoader<'info, UnstakeTicket>,
    /// CHECK: mint of the backstop's shares: its address is checked, and the token program reads it.
    #[account(mut)]
    pub share_mint: UncheckedAccount<'info>,
    /// Shares of the ticket's owner.
    #[account(mut)]
    pub shares: InterfaceAccount<'info, TokenAccount>,
    /// Token program of the shares.
    pub share_token_program: Program<'info, Token>,
}

pub(crate) fn handler(ctx: Context<CancelUnstake>) -> Result<()> {
    let accounts = &*ctx.accounts;
    let shares = {
        let mut ticket = accounts.ticket.load_mut()?;
        let mut fund = accounts.insurance_fund.load_mut()?;
        let now = Clock::get()?.unix_timestamp;
        let reopened = ticket.core.reopened(&accounts.exchange.load()?.exits, (Pause::STAKE.0, now));
        let may = ticket.owner == accounts.authority.key() || reopened.is_over(now);
        require!(may, BulwarkError::Unauthorized);
        require!(accounts.shares.mint == accounts.share_mint.key(), BulwarkError::BadTokenAccount);
        require_plain(&accounts.shares, &ticket.owner)?;
        let cooling = ticket.core.shares;
        let shares = fund.core.backstop.restake(&mut ticket.core).or_error()?;
        emit!(UnstakeCancelled {
            staker: ticket.owner,
            nonce: ticket.nonce,
            sequence: state::next(&mut fund.sequence)?,
            cooling,
            shares,
        });
        shares
    };
    if shares == 0 {
        return Ok(()); // worth less than one
    }
    let (program, mint) = (&accounts.share_token_program, &accounts.share_mint);
    let account = &accounts.shares;
    Shares { program, mint, account }.mint(shares, &accounts.exchange)
}
