//! Move idle pool cash to a market, or a market's excess back, towards its target weight. For anyone to
//! call: the target decides, not the caller.

use anchor_lang::prelude::*;
use bulwark_engine::allocation;
use bulwark_engine::price::Age;
use bulwark_engine::units::Quote;

use super::liquidity;
use crate::errors::{BulwarkError, OrProgramError as _};
use crate::events::LiquidityAllocated;
use crate::state::{self, Exchange, Market, MarketStatus, Pause, Pool};

/// Accounts of `allocate_liquidity`. Remaining: every other market in index order.
#[derive(Accounts)]
pub struct AllocateLiquidity<'info> {
    /// The exchange.
    pub exchange: AccountLoader<'info, Exchange>,
    /// The pool.
    #[account(mut)]
    pub pool: AccountLoader<'info, Pool>,
    /// The market.
    #[account(mut)]
    pub market: AccountLoader<'info, Market>,
}

pub(crate) fn handler<'info>(ctx: Context<'info, AllocateLiquidity<'info>>) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    let exchange = ctx.accounts.exchange.load()?;
    let mut pool = ctx.accounts.pool.load_mut()?;
    let mut market = ctx.accounts.market.load_mut()?;
    let listed = (exchange.markets(), Some(market.index));
    let others = liquidity::nav(&pool, listed, ctx.remaining_accounts, (Age::Margin, now))?;
    let nav = liquidity::plus_market(others, &market, (Age::Margin, now))?;
    market.core.accrue(now).or_error()?;
    pool.core.accrue(now);
    // What is about to leave is kept out of the markets.
    let base = nav.low.saturating_sub(pool.core.pending(&nav).or_error()?);
    let active = market.status == MarketStatus::Active.to_byte();
    let target = allocation::target(&market.core, base, active).or_error()?;
    let Quote(amount) = allocation::allocate(&mut market.core, &mut pool.core.idle, target).or_error()?;
    market.core.update_borrow_rate().or_error()?;
    require!(amount != 0, BulwarkError::NothingToAllocate);
    // Providers leave through idle cash: what comes back to it is never paused.
    let paused = Pause::LIQUIDITY.is_set(exchange.pause | market.pause);
    require!(!paused || amount < 0, BulwarkError::Paused);

    emit!(LiquidityAllocated {
        market: market.index,
        sequence: state::next(&mut market.sequence)?,
        pool_sequence: state::next(&mut pool.sequence)?,
        amount,
        committed: market.core.book.committed,
    });
    Ok(())
}
