//! Activate a market again that was suspended for an outage: once its price is Fresh, and it was suspended for as long as its
//! `max_outage`. For anyone to call; what governance has stopped, only governance activates.

use anchor_lang::prelude::*;
use bulwark_engine::price::{Action, Age};

use crate::errors::{BulwarkError, OrProgramError as _};
use crate::events::MarketStatusChanged;
use crate::state::{self, Market, MarketStatus};

/// Accounts of `resume_market`.
#[derive(Accounts)]
pub struct ResumeMarket<'info> {
    /// The market.
    #[account(mut)]
    pub market: AccountLoader<'info, Market>,
}

pub(crate) fn handler(ctx: Context<ResumeMarket>) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    let mut market = ctx.accounts.market.load_mut()?;
    let core = &market.core;
    let since = now.saturating_sub(market.suspended_at);
    let suspended = market.suspended_at != 0 && market.is(MarketStatus::ReduceOnly);
    require!(suspended && since >= i64::from(core.params.max_outage), BulwarkError::NotSuspended);
    core.oracle.require(&core.params.oracle, (Action::Increase, Age::Margin), now).or_error()?;

    let status = MarketStatus::Active;
    (market.status, market.suspended_at) = (status.to_byte(), 0);
    let sequence = state::next(&mut market.sequence)?;
    emit!(MarketStatusChanged { market: market.index, sequence, status, outage: true });
    Ok(())
}
