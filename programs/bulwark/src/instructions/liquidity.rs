//! What adding and redeeming liquidity share: the pool's value, and its share tokens.

use anchor_lang::prelude::*;
use anchor_spl::token::Token;
use anchor_spl::token_interface::{self, Burn, MintTo, TokenAccount};
use bulwark_engine::pool::Nav;
use bulwark_engine::price::{Action, Age};

use crate::errors::{BulwarkError, OrProgramError as _};
use crate::health::view;
use crate::state::{Exchange, Market, Pool};

/// What the pool is worth with every market but `skip`, from the accounts that follow the instruction's own in index
/// order. Every market that holds positions must be Fresh at `age`.
///
/// # Errors
/// A missing or another account; a price that is not Fresh.
pub(super) fn nav(
    pool: &Pool,
    (markets, skip): (impl Iterator<Item = u16>, Option<u16>),
    accounts: &[AccountInfo<'_>],
    (age, now): (Age, i64),
) -> Result<Nav> {
    let (mut nav, mut accounts) = (Nav::of_pool(&pool.core), accounts.iter());
    for index in markets.filter(|&i| Some(i) != skip) {
        let market = view::<Market>(accounts.next())?;
        require!(market.index == index, BulwarkError::WrongAccount);
        nav = plus_market(nav, &market, (age, now))?;
    }
    Ok(nav)
}

/// With one market more, which must be Fresh at `age` unless it holds no positions: then no price changes its worth.
///
/// # Errors
/// A price that is not Fresh.
pub(super) fn plus_market(nav: Nav, market: &Market, (age, now): (Age, i64)) -> Result<Nav> {
    let core = &market.core;
    if core.book.long.lots != 0 || core.book.short.lots != 0 {
        core.oracle.require(&core.params.oracle, (Action::PoolShares, age), now).or_error()?;
    }
    nav.plus_market(core).or_error()
}

/// A mint of shares and a holder's account of it. The mint is one whose address the program has stored.
pub(super) struct Shares<'a, 'info> {
    /// Token program of the shares.
    pub program: &'a Program<'info, Token>,
    /// Mint.
    pub mint: &'a UncheckedAccount<'info>,
    /// The holder's account.
    pub account: &'a InterfaceAccount<'info, TokenAccount>,
}

impl<'info> Shares<'_, 'info> {
    /// Mints shares to the holder, signed by the exchange.
    ///
    /// # Errors
    /// Whatever the token program refuses.
    pub fn mint(&self, amount: u64, exchange: &AccountLoader<'info, Exchange>) -> Result<()> {
        let seeds: &[&[&[u8]]] = &[&[Exchange::SEED, &[exchange.load()?.bump]]];
        let (mint, to) = (self.mint.to_account_info(), self.account.to_account_info());
        let cpi = MintTo { mint, to, authority: exchange.to_account_info() };
        token_interface::mint_to(CpiContext::new_with_signer(*self.program.key, cpi, seeds), amount)
    }

    /// Burns shares of the holder, who signs.
    ///
    /// # Errors
    /// Whatever the token program refuses.
    pub fn burn(&self, amount: u64, authority: AccountInfo<'info>) -> Result<()> {
        let (mint, from) = (self.mint.to_account_info(), self.account.to_account_info());
        token_interface::burn(CpiContext::new(*self.program.key, Burn { mint, from, authority }), amount)
    }
}
