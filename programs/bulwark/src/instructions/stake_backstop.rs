//! Stake quote tokens behind the markets, for shares of the backstop: they earn a part of the insurance fund's income, and
//! lose what the waterfall takes.

use anchor_lang::prelude::*;
use anchor_spl::token::Token;
use anchor_spl::token_interface::{TokenAccount, TokenInterface};

use super::liquidity::Shares;
use crate::errors::{BulwarkError, OrProgramError as _};
use crate::events::BackstopStaked;
use crate::state::{self, Exchange, InsuranceFund, Pause, Vault};
use crate::tokens::{Transfer, require_plain};

/// Accounts of `stake_backstop`.
#[derive(Accounts)]
pub struct StakeBackstop<'info> {
    /// Owner of the tokens.
    pub staker: Signer<'info>,
    /// The exchange: mints the shares.
    #[account(has_one = quote_vault @ BulwarkError::WrongAccount)]
    pub exchange: AccountLoader<'info, Exchange>,
    /// The insurance fund.
    #[account(mut, has_one = share_mint @ BulwarkError::WrongAccount)]
    pub insurance_fund: AccountLoader<'info, InsuranceFund>,
    /// Vault of the quote token.
    #[account(mut, has_one = mint @ BulwarkError::WrongAccount, has_one = token_account @ BulwarkError::WrongAccount)]
    pub quote_vault: AccountLoader<'info, Vault>,
    /// The vault's tokens.
    #[account(mut)]
    pub token_account: InterfaceAccount<'info, TokenAccount>,
    /// The staker's tokens.
    #[account(mut)]
    pub source: InterfaceAccount<'info, TokenAccount>,
    /// CHECK: mint of the token: the vault names it, and the token program reads it.
    pub mint: UncheckedAccount<'info>,
    /// CHECK: mint of the backstop's shares: its address is checked, and the token program reads it.
    #[account(mut)]
    pub share_mint: UncheckedAccount<'info>,
    /// The staker's shares.
    #[account(mut)]
    pub shares: InterfaceAccount<'info, TokenAccount>,
    /// Token program of the quote mint.
    pub token_program: Interface<'info, TokenInterface>,
    /// Token program of the shares.
    pub share_token_program: Program<'info, Token>,
}

impl<'info> StakeBackstop<'info> {
    fn validate(&self) -> Result<()> {
        require!(!Pause::STAKE.is_set(self.exchange.load()?.pause), BulwarkError::Paused);
        require!(self.shares.mint == self.share_mint.key(), BulwarkError::BadTokenAccount);
        require_plain(&self.shares, self.staker.key)
    }

    fn transfer(&mut self, amount: u64) -> Result<u64> {
        let authority = self.staker.to_account_info();
        let (program, mint) = (&self.token_program, (&self.mint, self.quote_vault.load()?.decimals));
        Transfer { program, mint, from: &mut self.source, to: &mut self.token_account }
            .pull(amount, authority)
    }
}

pub(crate) fn handler(ctx: Context<StakeBackstop>, amount: u64, min_shares: u64) -> Result<()> {
    ctx.accounts.validate()?;
    let received = ctx.accounts.transfer(amount)?;
    let shares = {
        let mut fund = ctx.accounts.insurance_fund.load_mut()?;
        let mut vault = ctx.accounts.quote_vault.load_mut()?;
        vault.core.receive(received, Clock::get()?.unix_timestamp).or_error()?;
        let shares = fund.core.backstop.stake(received).or_error()?;
        require!(shares >= min_shares, BulwarkError::BelowMinimumShares);
        emit!(BackstopStaked {
            staker: ctx.accounts.staker.key(),
            sequence: state::next(&mut fund.sequence)?,
            vault_sequence: state::next(&mut vault.sequence)?,
            amount: received,
            shares,
        });
        shares
    };
    let StakeBackstop { share_token_program: program, share_mint: mint, shares: account, .. } =
        &*ctx.accounts;
    Shares { program, mint, account }.mint(shares, &ctx.accounts.exchange)
}
