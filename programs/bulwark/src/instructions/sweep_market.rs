//! Distribute a market's accrued fees to the pool, the insurance fund and the protocol, and scale its cap of open interest
//! by what the fund covers. For anyone to call.

use anchor_lang::prelude::*;
use bulwark_engine::limits;

use crate::errors::OrProgramError as _;
use crate::events::MarketSwept;
use crate::state::{self, Exchange, InsuranceFund, Market, Pool};

/// Accounts of `sweep_market`.
#[derive(Accounts)]
pub struct SweepMarket<'info> {
    /// The exchange: holds the protocol's fees.
    #[account(mut)]
    pub exchange: AccountLoader<'info, Exchange>,
    /// The market.
    #[account(mut)]
    pub market: AccountLoader<'info, Market>,
    /// The pool.
    #[account(mut)]
    pub pool: AccountLoader<'info, Pool>,
    /// The insurance fund.
    #[account(mut)]
    pub insurance_fund: AccountLoader<'info, InsuranceFund>,
}

pub(crate) fn handler(ctx: Context<SweepMarket>) -> Result<()> {
    let mut exchange = ctx.accounts.exchange.load_mut()?;
    let mut market = ctx.accounts.market.load_mut()?;
    let mut pool = ctx.accounts.pool.load_mut()?;
    let mut fund = ctx.accounts.insurance_fund.load_mut()?;

    let fees = market.core.sweep();
    pool.core.idle = limits::credit(pool.core.idle, fees.pool).or_error()?;
    let [staked, _] = fund.core.earn(fees.insurance).or_error()?;
    fund.core.cover(&mut market.core).or_error()?;
    exchange.protocol_fees = limits::credit(exchange.protocol_fees, fees.protocol).or_error()?;

    emit!(MarketSwept {
        market: market.index,
        sequence: state::next(&mut market.sequence)?,
        pool_sequence: state::next(&mut pool.sequence)?,
        pool: fees.pool,
        fund_sequence: state::next(&mut fund.sequence)?,
        insurance: fees.insurance,
        staked,
        protocol: fees.protocol,
        oi_scale_ppm: market.core.oi_scale_ppm,
    });
    Ok(())
}
