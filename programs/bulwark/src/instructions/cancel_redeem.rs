//! Take pool shares back out of a ticket, an hour after the request at the earliest; by anyone once its window is over.
//! Never paused: it only undoes a request.

use anchor_lang::prelude::*;
use anchor_spl::token::Token;
use anchor_spl::token_interface::TokenAccount;
use bulwark_engine::pool::TrancheKind;

use super::liquidity::Shares;
use crate::errors::{BulwarkError, OrProgramError as _};
use crate::events::RedeemCancelled;
use crate::state::{self, Exchange, Pause, Pool, RedeemTicket};
use crate::tokens::require_plain;

/// Accounts of `cancel_redeem`.
#[derive(Accounts)]
pub struct CancelRedeem<'info> {
    /// Owner of the ticket; anyone once its window is over.
    pub authority: Signer<'info>,
    /// CHECK: who paid the ticket's rent: gets it back.
    #[account(mut, constraint = ticket.load()?.payer == payer.key() @ BulwarkError::WrongAccount)]
    pub payer: UncheckedAccount<'info>,
    /// The exchange: mints the shares.
    pub exchange: AccountLoader<'info, Exchange>,
    /// The pool.
    #[account(mut)]
    pub pool: AccountLoader<'info, Pool>,
    /// The ticket.
    #[account(mut, close = payer)]
    pub ticket: AccountLoader<'info, RedeemTicket>,
    /// CHECK: mint of the shares: its address is checked, and the token program reads it.
    #[account(mut)]
    pub share_mint: UncheckedAccount<'info>,
    /// Shares of the ticket's owner.
    #[account(mut)]
    pub shares: InterfaceAccount<'info, TokenAccount>,
    /// Token program of the shares.
    pub share_token_program: Program<'info, Token>,
}

pub(crate) fn handler(ctx: Context<CancelRedeem>) -> Result<()> {
    let accounts = &*ctx.accounts;
    let shares = {
        let mut ticket = accounts.ticket.load_mut()?;
        let mut pool = accounts.pool.load_mut()?;
        let now = Clock::get()?.unix_timestamp;
        let way_out = (Pause::LIQUIDITY.0, now);
        let reopened = pool.core.reopened(&ticket.core, &accounts.exchange.load()?.exits, way_out);
        let may = ticket.owner == accounts.authority.key() || pool.core.is_over(&reopened, now);
        require!(may, BulwarkError::Unauthorized);
        require!(accounts.shares.mint == accounts.share_mint.key(), BulwarkError::BadTokenAccount);
        require_plain(&accounts.shares, &ticket.owner)?;
        let tranche = TrancheKind::from_byte(ticket.tranche).or_error()?;
        require!(pool.tranche(&accounts.share_mint.key()) == Some(tranche), BulwarkError::WrongAccount);
        let shares = pool.core.cancel(tranche, &mut ticket.core, now).or_error()?;
        emit!(RedeemCancelled {
            provider: ticket.owner,
            nonce: ticket.nonce,
            sequence: state::next(&mut pool.sequence)?,
            tranche: ticket.tranche,
            shares,
        });
        shares
    };
    let (program, mint) = (&accounts.share_token_program, &accounts.share_mint);
    let account = &accounts.shares;
    Shares { program, mint, account }.mint(shares, &accounts.exchange)
}
