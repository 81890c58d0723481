//! Put pool shares into a ticket: the first step of a redemption. The shares are burned and count on; `cancel_redeem` mints
//! them again.

use anchor_lang::prelude::*;
use anchor_spl::token::Token;
use anchor_spl::token_interface::TokenAccount;
use bulwark_engine::price::Age;

use super::liquidity::{self, Shares};
use crate::errors::{BulwarkError, OrProgramError as _};
use crate::events::RedeemRequested;
use crate::state::{self, Exchange, Pool, RedeemTicket, VERSION};
use crate::tokens::require_plain;

/// Accounts of `request_redeem`. Remaining: every market in index order.
#[derive(Accounts)]
#[instruction(nonce: u64)]
pub struct RequestRedeem<'info> {
    /// Owner of the shares.
    pub provider: Signer<'info>,
    /// Pays the rent of the ticket, and gets it back.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// The exchange.
    pub exchange: AccountLoader<'info, Exchange>,
    /// The pool.
    #[account(mut)]
    pub pool: AccountLoader<'info, Pool>,
    /// The new ticket.
    #[account(
        init, payer = payer, space = RedeemTicket::SPACE,
        seeds = [RedeemTicket::SEED, provider.key().as_ref(), &nonce.to_le_bytes()], bump
    )]
    pub ticket: AccountLoader<'info, RedeemTicket>,
    /// CHECK: mint of the shares, the junior or the senior one: its address is checked, and the token program reads it.
    #[account(mut)]
    pub share_mint: UncheckedAccount<'info>,
    /// The provider's shares.
    #[account(mut)]
    pub shares: InterfaceAccount<'info, TokenAccount>,
    /// Token program of the shares.
    pub share_token_program: Program<'info, Token>,
    /// Creates the ticket.
    pub system_program: Program<'info, System>,
}

pub(crate) fn handler<'info>(
    ctx: Context<'info, RequestRedeem<'info>>,
    nonce: u64,
    shares: u64,
) -> Result<()> {
    let accounts = &*ctx.accounts;
    require!(accounts.shares.mint == accounts.share_mint.key(), BulwarkError::BadTokenAccount);
    require_plain(&accounts.shares, accounts.provider.key)?;
    let now = Clock::get()?.unix_timestamp;
    {
        let mut pool = accounts.pool.load_mut()?;
        let mut ticket = accounts.ticket.load_init()?;
        let tranche = pool.tranche(&accounts.share_mint.key()).ok_or(BulwarkError::WrongAccount)?;
        let listed = (accounts.exchange.load()?.markets(), None);
        let nav = liquidity::nav(&pool, listed, ctx.remaining_accounts, (Age::Margin, now))?;
        ticket.core = pool.core.request(tranche, shares, &nav, now).or_error()?;
        ticket.owner = accounts.provider.key();
        ticket.payer = accounts.payer.key();
        ticket.nonce = nonce;
        ticket.tranche = tranche.to_byte();
        ticket.bump = ctx.bumps.ticket;
        ticket.version = VERSION;

        emit!(RedeemRequested {
            provider: ticket.owner,
            nonce,
            sequence: state::next(&mut pool.sequence)?,
            tranche: ticket.tranche,
            shares,
            value: ticket.core.value,
        });
    }
    let (program, mint) = (&accounts.share_token_program, &accounts.share_mint);
    let account = &accounts.shares;
    Shares { program, mint, account }.burn(shares, accounts.provider.to_account_info())
}
