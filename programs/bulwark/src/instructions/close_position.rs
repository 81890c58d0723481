//! Decrease or close a position. Never paused, and never short of initial margin: it must not lower the
//! excess over maintenance margin, or else must leave the account healthy.

use anchor_lang::prelude::*;

use super::trade::{self, Desk, Trade};
use crate::errors::{BulwarkError, OrProgramError as _};

/// What to close.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClosePositionArgs {
    /// Incarnation id of the margin account.
    pub incarnation: u64,
    /// Lots to take off, a multiple of the market's step; `u64::MAX` closes all.
    pub lots: u64,
    /// Worst price, Q32.32 quote units per lot, fees excluded: the lowest for a long, the highest for a short.
    pub limit_price: u64,
}

pub(crate) fn handler<'info>(ctx: Context<'info, Trade<'info>>, args: &ClosePositionArgs) -> Result<()> {
    let exchange = ctx.accounts.exchange.load()?;
    let mut account = ctx.accounts.margin_account.load_mut()?;
    let mut market = ctx.accounts.market.load_mut()?;
    trade::require_trader(&account, ctx.accounts.authority.key, args.incarnation)?;

    let position = account.position_mut(market.index).ok_or(BulwarkError::NoPosition)?;
    let direction = position.side().or_error()?.opposite();
    let order = trade::order(direction, args.lots, args.limit_price)?;
    let legs = ctx.remaining_accounts;
    let (exchange, account, market) = (&*exchange, &mut *account, &mut *market);
    let mut desk = Desk { exchange, account, market, legs, keeper_fee: 0 };
    let done = desk.decrease(&order)?;

    emit!(desk.event(ctx.accounts.margin_account.key(), &done)?);
    Ok(())
}
