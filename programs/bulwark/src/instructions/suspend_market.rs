//! Stop increases of a market that has had no price for its `max_outage`. For anyone to call; `resume_market` undoes it once
//! there is a price again.

use anchor_lang::prelude::*;

use crate::errors::BulwarkError;
use crate::events::MarketStatusChanged;
use crate::state::{self, Market, MarketStatus};

/// Accounts of `suspend_market`.
#[derive(Accounts)]
pub struct SuspendMarket<'info> {
    /// The market.
    #[account(mut)]
    pub market: AccountLoader<'info, Market>,
}

pub(crate) fn handler(ctx: Context<SuspendMarket>) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    let mut market = ctx.accounts.market.load_mut()?;
    require!(market.is(MarketStatus::Active), BulwarkError::ReduceOnly);
    require!(market.core.is_out(now), BulwarkError::NoOutage);

    let status = MarketStatus::ReduceOnly;
    (market.status, market.suspended_at) = (status.to_byte(), now);
    let sequence = state::next(&mut market.sequence)?;
    emit!(MarketStatusChanged { market: market.index, sequence, status, outage: true });
    Ok(())
}
