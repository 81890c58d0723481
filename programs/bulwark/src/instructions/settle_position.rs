//! Settle a position: apply a pending unwind, pay a claim, collect the losses that claims wait for, file
//! the position under its present entry price. For anyone to call.

use anchor_lang::prelude::*;

use crate::errors::{BulwarkError, OrProgramError as _};
use crate::events::PositionSettled;
use crate::state::{self, MarginAccount, Market};

/// Accounts of `settle_position`.
#[derive(Accounts)]
pub struct SettlePosition<'info> {
    /// Whose position.
    #[account(mut)]
    pub margin_account: AccountLoader<'info, MarginAccount>,
    /// In which market.
    #[account(mut)]
    pub market: AccountLoader<'info, Market>,
}

pub(crate) fn handler(ctx: Context<SettlePosition>) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    let mut account = ctx.accounts.margin_account.load_mut()?;
    let mut market = ctx.accounts.market.load_mut()?;

    let slot = account.position_mut(market.index).ok_or(BulwarkError::NoPosition)?;
    let report = market.core.settle(slot, now).or_error()?;
    let position = *slot;
    account.credit(report.quote_change).or_error()?;

    emit!(PositionSettled {
        account: ctx.accounts.margin_account.key(),
        market: market.index,
        sequence: state::next(&mut market.sequence)?,
        unwound_lots: report.unwound.lots,
        unwound_quote: report.unwound.quote.0,
        claim_paid: report.claim_paid,
        loss: report.loss,
        position_lots: position.lots.0,
        position_quote: position.quote.0,
    });
    Ok(())
}
