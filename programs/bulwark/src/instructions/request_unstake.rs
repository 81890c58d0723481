//! Put backstop shares into a ticket: the first step of leaving. The shares are burned; their stake earns nothing and is
//! slashed like the rest until it is paid. Never paused.

use anchor_lang::prelude::*;
use anchor_spl::token::Token;
use anchor_spl::token_interface::TokenAccount;

use super::liquidity::Shares;
use crate::errors::{BulwarkError, OrProgramError as _};
use crate::events::UnstakeRequested;
use crate::state::{self, InsuranceFund, UnstakeTicket, VERSION};
use crate::tokens::require_plain;

/// Accounts of `request_unstake`.
#[derive(Accounts)]
#[instruction(nonce: u64)]
pub struct RequestUnstake<'info> {
    /// Owner of the shares.
    pub staker: Signer<'info>,
    /// Pays the rent of the ticket, and gets it back.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// The insurance fund.
    #[account(mut, has_one = share_mint @ BulwarkError::WrongAccount)]
    pub insurance_fund: AccountLoader<'info, InsuranceFund>,
    /// The new ticket.
    #[account(
        init, payer = payer, space = UnstakeTicket::SPACE,
        seeds = [UnstakeTicket::SEED, staker.key().as_ref(), &nonce.to_le_bytes()], bump
    )]
    pub ticket: AccountLoader<'info, UnstakeTicket>,
    /// CHECK: mint of the backstop's shares: its address is checked, and the token program reads it.
    #[account(mut)]
    pub share_mint: UncheckedAccount<'info>,
    /// The staker's shares.
    #[account(mut)]
    pub shares: InterfaceAccount<'info, TokenAccount>,
    /// Token program of the shares.
    pub share_token_program: Program<'info, Token>,
    /// Creates the ticket.
    pub system_program: Program<'info, System>,
}

pub(crate) fn handler(ctx: Context<RequestUnstake>, nonce: u64, shares: u64) -> Result<()> {
    let accounts = &*ctx.accounts;
    require!(accounts.shares.mint == accounts.share_mint.key(), BulwarkError::BadTokenAccount);
    require_plain(&accounts.shares, accounts.staker.key)?;
    {
        let mut fund = accounts.insurance_fund.load_mut()?;
        let mut ticket = accounts.ticket.load_init()?;
        ticket.core = fund.core.backstop.request(shares, Clock::get()?.unix_timestamp).or_error()?;
        ticket.owner = accounts.staker.key();
        ticket.payer = accounts.payer.key();
        ticket.nonce = nonce;
        ticket.bump = ctx.bumps.ticket;
        ticket.version = VERSION;
        emit!(UnstakeRequested {
            staker: ticket.owner,
            nonce,
            sequence: state::next(&mut fund.sequence)?,
            shares,
            cooling: ticket.core.shares,
            value: ticket.core.value,
        });
    }
    let (program, mint) = (&accounts.share_token_program, &accounts.share_mint);
    let account = &accounts.shares;
    Shares { program, mint, account }.burn(shares, accounts.staker.to_account_info())
}
