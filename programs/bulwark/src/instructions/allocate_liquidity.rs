//! Move idle pool cash to a market, or a market's excess back, towards its target weight. For anyone to
//! call: the target decides, not the caller.

use anchor_lang::prelude::*;
use bulwark_engine::price::{Action, Age};
use bulwark_engine::units::Quote;
use bulwark_engine::{allocation, shares};

use crate::errors::{BulwarkError, OrProgramError as _};
use crate::events::LiquidityAllocated;
use crate::health;
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
    require!(!Pause::LIQUIDITY.is_set(exchange.pause | market.pause), BulwarkError::Paused);

    let params = market.core.params;
    market.core.oracle.require(&params.oracle, (Action::PoolShares, Age::Margin), now).or_error()?;
    let own = shares::value_for_redeem(&market.core).or_error()?;
    let mut nav = shares::nav(pool.idle, own).or_error()?;
    let mut others = ctx.remaining_accounts.iter();
    for index in (0..exchange.market_count).filter(|&i| i != market.index) {
        let at = (Age::Margin, now);
        let equity = health::of_market(others.next(), index, at, shares::value_for_redeem)?;
        nav = shares::nav(nav, equity).or_error()?;
    }
    let active = market.status == MarketStatus::Active.to_byte();
    let target = allocation::target(&market.core, nav, active).or_error()?;
    let Quote(amount) = allocation::allocate(&mut market.core, &mut pool.idle, target).or_error()?;
    require!(amount != 0, BulwarkError::NothingToAllocate);

    emit!(LiquidityAllocated {
        market: market.index,
        sequence: state::next(&mut market.sequence)?,
        pool_sequence: state::next(&mut pool.sequence)?,
        amount,
        committed: market.core.book.committed,
    });
    Ok(())
}
