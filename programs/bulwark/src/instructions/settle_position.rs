//! Settle a position: apply a pending unwind, pay a claim, collect the losses that claims wait for, let profit pay what its
//! holder owes, file the position under its present entry price; in a market that settles, close it at the frozen price. For anyone to call.

use anchor_lang::prelude::*;
use bulwark_engine::debt;
use bulwark_engine::position::Position;
use bulwark_engine::trade::{Owes, SettleReport};

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

/// Settles the account's position in a market and says so. Returns what is left in the slot.
///
/// # Errors
/// No position, and nothing that the market holds back for the account; what the engine refuses.
pub(super) fn settle(
    (key, account): (Pubkey, &mut MarginAccount),
    market: &mut Market,
    now: i64,
) -> Result<Position> {
    // Even without a position, the market may still hold back for a debt that the account has repaid.
    let held_back = account.debts.held(market.index).or_error()? > 0;
    let here = account.debts.share(market.index, account.quote).or_error()?;
    let debts = Owes { here, all: debt::owed(account.quote) };
    account.lift(market).or_error()?;
    let mut none = Position::EMPTY;
    let slot = account.position_mut(market.index);
    require!(slot.is_some() || held_back, BulwarkError::NoPosition);
    let slot = slot.unwrap_or(&mut none);
    let side = slot.side().or_error()?;
    let report = match slot.is_open() {
        true => market.core.settle(slot, (debts, now)).or_error()?,
        false => SettleReport::default(),
    };
    let position = *slot;
    account.post(market, side, report.quote_change).or_error()?;

    emit!(PositionSettled {
        account: key,
        market: market.index,
        sequence: state::next(&mut market.sequence)?,
        unwound_lots: report.unwound.lots,
        unwound_quote: report.unwound.quote.0,
        claim_paid: report.claim_paid,
        loss: report.loss,
        profit: report.profit,
        forgone: report.forgone,
        position_lots: position.lots.0,
        position_quote: position.quote.0,
    });
    Ok(position)
}

pub(crate) fn handler(ctx: Context<SettlePosition>) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    let key = ctx.accounts.margin_account.key();
    let mut account = ctx.accounts.margin_account.load_mut()?;
    let mut market = ctx.accounts.market.load_mut()?;
    settle((key, &mut account), &mut market, now).map(|_| ())
}
