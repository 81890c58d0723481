//! Close a market that has settled to the last position, claim and debt: what is left goes to the pool, the insurance fund and
//! the protocol, the rent to who paid it, and its index to the next market. For anyone to call.

use anchor_lang::prelude::*;
use bulwark_engine::book::Fees;
use bulwark_engine::limits::credit;

use crate::errors::{BulwarkError, OrProgramError as _};
use crate::events::MarketClosed;
use crate::state::{self, Exchange, InsuranceFund, Market, Pool};

/// Accounts of `close_market`.
#[derive(Accounts)]
pub struct CloseMarket<'info> {
    /// CHECK: who paid the market's rent: gets it back.
    #[account(mut, constraint = market.load()?.payer == payer.key() @ BulwarkError::WrongAccount)]
    pub payer: UncheckedAccount<'info>,
    /// The exchange.
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

pub(crate) fn handler(ctx: Context<CloseMarket>) -> Result<()> {
    {
        let mut exchange = ctx.accounts.exchange.load_mut()?;
        let mut market = ctx.accounts.market.load_mut()?;
        let mut pool = ctx.accounts.pool.load_mut()?;
        let mut fund = ctx.accounts.insurance_fund.load_mut()?;

        let (Fees { pool: to_pool, insurance, protocol }, own) = market.core.close().or_error()?;
        pool.core.idle = credit(pool.core.idle, to_pool).or_error()?;
        let [staked, _] = fund.core.earn(insurance).or_error()?;
        fund.core.reserve = credit(fund.core.reserve, own).or_error()?;
        fund.core.uncover(&market.core).or_error()?;
        exchange.protocol_fees = credit(exchange.protocol_fees, protocol).or_error()?;
        exchange.close_market(market.index)?;

        emit!(MarketClosed {
            market: market.index,
            sequence: state::next(&mut market.sequence)?,
            pool_sequence: state::next(&mut pool.sequence)?,
            pool: to_pool,
            fund_sequence: state::next(&mut fund.sequence)?,
            insurance: credit(insurance, own).or_error()?,
            staked,
            protocol,
        });
    }
    ctx.accounts.market.close(ctx.accounts.payer.to_account_info())
}
