//! Increase a position.

use anchor_lang::prelude::*;
use bulwark_engine::margin::{Health, HealthType, Legs};
use bulwark_engine::trade::Order;
use bulwark_engine::units::Side;

use super::trade::{self, Trade};
use crate::errors::{BulwarkError, OrProgramError as _};
use crate::health;
use crate::state::{Exchange, MarginAccount, Market, MarketStatus, Pause};

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

fn validate(
    exchange: &Exchange,
    account: &MarginAccount,
    market: &Market,
    call: (&Pubkey, u64),
) -> Result<()> {
    trade::require_trader(account, call.0, call.1)?;
    require!(!Pause::INCREASE.is_set(exchange.pause | market.pause), BulwarkError::Paused);
    require!(market.status == MarketStatus::Active.to_byte(), BulwarkError::ReduceOnly);
    Ok(())
}

pub(crate) fn handler<'info>(ctx: Context<'info, Trade<'info>>, args: &OpenPositionArgs) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    let exchange = ctx.accounts.exchange.load()?;
    let mut account = ctx.accounts.margin_account.load_mut()?;
    let mut market = ctx.accounts.market.load_mut()?;
    validate(&exchange, &account, &market, (ctx.accounts.authority.key, args.incarnation))?;

    let side = Side::from_byte(args.side).or_error()?;
    let order = Order { lots: args.lots, limit: Order::limit(side, args.limit_price).or_error()?, now };
    let slot = account.position_or_free(market.index, side).ok_or(BulwarkError::NoFreePositionSlot)?;
    let report = market.core.increase(slot, side, &order).or_error()?;
    let position = *slot;
    account.credit(report.quote_change).or_error()?;

    let health = HealthType::Init;
    let others = Legs { skip_market: Some(market.index), ..account.legs() };
    let others = health::of_legs(&others, ctx.remaining_accounts, (health, now))?;
    let leg = Health::of_position_at_stored_price(&market.core, &position, health).or_error()?;
    let quote = Health::of_quote(account.quote, exchange.quote_weight.at(now), health).or_error()?;
    others.plus(leg).and_then(|h| h.plus(quote)).and_then(Health::require).or_error()?;

    emit!(trade::event(ctx.accounts.margin_account.key(), &mut market, &position, &report)?);
    Ok(())
}
