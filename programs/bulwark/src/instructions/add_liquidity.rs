//! Add liquidity to the pool for junior shares.

use anchor_lang::prelude::*;
use anchor_spl::token::Token;
use anchor_spl::token_interface::{self, Mint, MintTo, TokenAccount, TokenInterface};
use bulwark_engine::price::Age;
use bulwark_engine::{limits, shares};

use crate::errors::{BulwarkError, OrProgramError as _};
use crate::events::LiquidityAdded;
use crate::health;
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
    /// Mint of the junior shares.
    #[account(mut)]
    pub share_mint: InterfaceAccount<'info, Mint>,
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
        require!(self.pool.load()?.junior.mint == self.share_mint.key(), BulwarkError::WrongAccount);
        require!(self.source.key() != self.token_account.key(), BulwarkError::DuplicateAccount);
        require!(self.source.mint == self.mint.key(), BulwarkError::BadTokenAccount);
        require!(self.shares.mint == self.share_mint.key(), BulwarkError::BadTokenAccount);
        require_plain(&self.source, self.provider.key)?;
        require_plain(&self.shares, self.provider.key)
    }

    fn transfer(&mut self, amount: u64) -> Result<u64> {
        let authority = self.provider.to_account_info();
        let (program, mint) = (&self.token_program, (&self.mint, self.quote_vault.load()?.decimals));
        Transfer { program, mint, from: &mut self.source, to: &mut self.token_account }
            .pull(amount, authority)
    }

    fn mint_shares(&self, amount: u64) -> Result<()> {
        let seeds: &[&[&[u8]]] = &[&[Exchange::SEED, &[self.exchange.load()?.bump]]];
        let cpi = MintTo {
            mint: self.share_mint.to_account_info(),
            to: self.shares.to_account_info(),
            authority: self.exchange.to_account_info(),
        };
        let program = *self.share_token_program.key;
        token_interface::mint_to(CpiContext::new_with_signer(program, cpi, seeds), amount)
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

        let mut nav = pool.idle;
        let mut markets = ctx.remaining_accounts.iter();
        for index in 0..exchange.market_count {
            // As young as for a trade: a provider must not deposit at a price that he knows to be old.
            let value = health::of_market(markets.next(), index, (Age::Trade, now), shares::value_for_issue)?;
            nav = shares::nav(nav, value).or_error()?;
        }
        let shares = shares::issue(received, nav, pool.junior.shares).or_error()?;
        require!(shares >= min_shares, BulwarkError::BelowMinimumShares);

        limits::grow(nav, received, vault.core.params.max_deposits).or_error()?;
        vault.recorded = limits::credit(vault.recorded, received).or_error()?;
        pool.idle = limits::credit(pool.idle, received).or_error()?;
        pool.junior.shares = limits::credit(pool.junior.shares, shares).or_error()?;
        emit!(LiquidityAdded {
            provider: ctx.accounts.provider.key(),
            sequence: state::next(&mut pool.sequence)?,
            vault_sequence: state::next(&mut vault.sequence)?,
            amount: received,
            shares,
            nav,
        });
        shares
    };
    ctx.accounts.mint_shares(shares)
}
