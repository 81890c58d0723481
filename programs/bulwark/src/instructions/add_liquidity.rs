//! Add liquidity to the pool for junior or senior shares, as the share mint says.

use anchor_lang::prelude::*;
use anchor_spl::token::Token;
use anchor_spl::token_interface::{TokenAccount, TokenInterface};
use bulwark_engine::limits;
use bulwark_engine::price::Age;

use super::liquidity::{self, Shares};
use crate::errors::{BulwarkError, OrProgramError as _};
use crate::events::LiquidityAdded;
use crate::state::{self, Exchange, Pause, Pool, Vault};
use crate::tokens::{Transfer, require_plain};

/// Accounts of `add_liquidity`. Remaining: every market in index order.
#[derive(Accounts)]
pub struct AddLiquidity<'info> {
    /// Owner of the tokens.
    pub provider: Signer<'info>,
    /// The exchange: mints the shares.
    #[account(has_one = quote_vault @ BulwarkError::WrongAccount)]
    pub exchange: AccountLoader<'info, Exchange>,
    /// The pool.
    #[account(mut)]
    pub pool: AccountLoader<'info, Pool>,
    /// Vault of the quote token.
    #[account(mut, has_one = mint @ BulwarkError::WrongAccount, has_one = token_account @ BulwarkError::WrongAccount)]
    pub quote_vault: AccountLoader<'info, Vault>,
    /// The vault's tokens.
    #[account(mut)]
    pub token_account: InterfaceAccount<'info, TokenAccount>,
    /// The provider's tokens.
    #[account(mut)]
    pub source: InterfaceAccount<'info, TokenAccount>,
    /// CHECK: mint of the token: the vault names it, and the token program reads it.
    pub mint: UncheckedAccount<'info>,
    /// CHECK: mint of the shares, the junior or the senior one: its address is checked, and the token program reads it.
    #[account(mut)]
    pub share_mint: UncheckedAccount<'info>,
    /// The provider's shares.
    #[account(mut)]
    pub shares: InterfaceAccount<'info, TokenAccount>,
    /// Token program of the quote mint.
    pub token_program: Interface<'info, TokenInterface>,
    /// Token program of the shares.
    pub share_token_program: Program<'info, Token>,
}

impl<'info> AddLiquidity<'info> {
    fn validate(&self) -> Result<()> {
        require!(!Pause::LIQUIDITY.is_set(self.exchange.load()?.pause), BulwarkError::Paused);
        require!(self.shares.mint == self.share_mint.key(), BulwarkError::BadTokenAccount);
        require_plain(&self.shares, self.provider.key)
    }

    fn transfer(&mut self, amount: u64) -> Result<u64> {
        let authority = self.provider.to_account_info();
        let (program, mint) = (&self.token_program, (&self.mint, self.quote_vault.load()?.decimals));
        Transfer { program, mint, from: &mut self.source, to: &mut self.token_account }
            .pull(amount, authority)
    }
}

pub(crate) fn handler<'info>(
    ctx: Context<'info, AddLiquidity<'info>>,
    amount: u64,
    min_shares: u64,
) -> Result<()> {
    ctx.accounts.validate()?;
    let now = Clock::get()?.unix_timestamp;
    let received = ctx.accounts.transfer(amount)?;
    let shares = {
        let exchange = ctx.accounts.exchange.load()?;
        let mut pool = ctx.accounts.pool.load_mut()?;
        let mut vault = ctx.accounts.quote_vault.load_mut()?;
        let tranche = pool.tranche(&ctx.accounts.share_mint.key()).ok_or(BulwarkError::WrongAccount)?;

        // As young as for a trade: a provider must not deposit at a price that he knows to be old.
        let listed = (exchange.markets(), None);
        let nav = liquidity::nav(&pool, listed, ctx.remaining_accounts, (Age::Trade, now))?;
        let shares = pool.core.issue(tranche, received, &nav, now).or_error()?;
        require!(shares >= min_shares, BulwarkError::BelowMinimumShares);
        vault.core.receive(received, now).or_error()?;
        vault.core.require_cap(limits::credit(nav.high, received).or_error()?, now).or_error()?;

        emit!(LiquidityAdded {
            provider: ctx.accounts.provider.key(),
            sequence: state::next(&mut pool.sequence)?,
            vault_sequence: state::next(&mut vault.sequence)?,
            tranche: tranche.to_byte(),
            amount: received,
            shares,
            nav: nav.high,
        });
        shares
    };
    let AddLiquidity { share_token_program: program, share_mint: mint, shares: account, .. } = &*ctx.accounts;
    Shares { program, mint, account }.mint(shares, &ctx.accounts.exchange)
}
