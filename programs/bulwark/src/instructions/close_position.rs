//! Decrease or close a position. Never paused, and never short of initial margin: it must not lower the
//! excess over maintenance margin, or else must leave the account healthy.

use anchor_lang::prelude::*;
use bulwark_engine::margin::{Health, HealthType, Legs};
use bulwark_engine::position::Position;
use bulwark_engine::trade::Order;
use bulwark_engine::units::Quote;

use super::trade::{self, Trade};
use crate::errors::{BulwarkError, OrProgramError as _};
use crate::health;
use crate::state::Market;

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

/// The traded leg together with the quote balance, under maintenance margin.
fn leg(market: &Market, position: &Position, quote: Quote) -> Result<Health> {
    let health = HealthType::Maint;
    let balance = Health { equity: quote, requirement: Quote::ZERO };
    if !position.is_open() {
        return Ok(balance);
    }
    let leg = Health::of_position_at_stored_price(&market.core, position, health).or_error()?;
    leg.plus(balance).or_error()
}

pub(crate) fn handler<'info>(ctx: Context<'info, Trade<'info>>, args: &ClosePositionArgs) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    let mut account = ctx.accounts.margin_account.load_mut()?;
    let mut market = ctx.accounts.market.load_mut()?;
    trade::require_trader(&account, ctx.accounts.authority.key, args.incarnation)?;

    let quote = account.quote;
    let slot = account.position_mut(market.index).ok_or(BulwarkError::NoPosition)?;
    let before = leg(&market, slot, quote)?;
    let direction = slot.side().or_error()?.opposite();
    let order = Order { lots: args.lots, limit: Order::limit(direction, args.limit_price).or_error()?, now };
    let report = market.core.decrease(slot, &order).or_error()?;
    let position = *slot;
    let quote = account.credit(report.quote_change).or_error()?;
    let after = leg(&market, &position, quote)?;

    if !after.is_no_worse_than(before).or_error()? {
        let others = Legs { skip_market: Some(market.index), ..account.legs() };
        let others = health::of_legs(&others, ctx.remaining_accounts, (HealthType::Maint, now))?;
        others.plus(after).and_then(Health::require).or_error()?;
    }

    emit!(trade::event(ctx.accounts.margin_account.key(), &mut market, &position, &report)?);
    Ok(())
}
