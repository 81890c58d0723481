//! Increase a position.

use anchor_lang::prelude::*;
use bulwark_engine::units::Side;

use super::trade::{self, Desk, Trade};
use crate::errors::OrProgramError as _;

/// What to buy or sell.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenPositionArgs {
    /// Incarnation id of the margin account.
    pub incarnation: u64,
    /// 0 long, 1 short.
    pub side: u8,
    /// Lots to add, a multiple of the market's step.
    pub lots: u64,
    /// Worst price, Q32.32 quote units per lot, fees excluded: the highest for a long, the lowest for a short.
    pub limit_price: u64,
}

pub(crate) fn handler<'info>(ctx: Context<'info, Trade<'info>>, args: &OpenPositionArgs) -> Result<()> {
    let exchange = ctx.accounts.exchange.load()?;
    let mut account = ctx.accounts.margin_account.load_mut()?;
    let mut market = ctx.accounts.market.load_mut()?;
    trade::require_trader(&account, ctx.accounts.authority.key, args.incarnation)?;
    trade::require_open(&exchange, &market)?;

    let side = Side::from_byte(args.side).or_error()?;
    let order = trade::order(side, args.lots, args.limit_price)?;
    let legs = ctx.remaining_accounts;
    let (exchange, account, market) = (&*exchange, &mut *account, &mut *market);
    let mut desk = Desk { exchange, account, market, legs, keeper_fee: 0 };
    let done = desk.increase(side, &order)?;

    emit!(desk.event(ctx.accounts.margin_account.key(), &done)?);
    Ok(())
}
