//! Unwind the winners of a market whose pool money is used up, all by the same share of their profit. For anyone to call,
//! never paused.

use anchor_lang::prelude::*;

use crate::errors::OrProgramError as _;
use crate::events::MarketRebalanced;
use crate::state::{self, Market};

/// Accounts of `rebalance_market`.
#[derive(Accounts)]
pub struct RebalanceMarket<'info> {
    /// The market.
    #[account(mut)]
    pub market: AccountLoader<'info, Market>,
}

pub(crate) fn handler(ctx: Context<RebalanceMarket>) -> Result<()> {
    let mut market = ctx.accounts.market.load_mut()?;
    let report = market.core.rebalance(Clock::get()?.unix_timestamp).or_error()?;
    emit!(MarketRebalanced {
        market: market.index,
        sequence: state::next(&mut market.sequence)?,
        side: report.side.to_byte(),
        price: market.core.mark().to_bits(),
        deficit: report.deficit,
        winners: report.winners,
        fraction: report.fraction,
        booked: report.booked,
        lots: report.lots,
    });
    Ok(())
}
