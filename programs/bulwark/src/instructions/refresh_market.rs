//! Take the configured oracles' prices into a market: carry accrues, volatility and margin follow. For anyone to call.

use anchor_lang::prelude::*;
use bulwark_engine::market as engine;

use crate::events::MarketRefreshed;
use crate::prices;
use crate::state::{self, Exchange, Market};

/// Accounts of `refresh_market`.
#[derive(Accounts)]
pub struct RefreshMarket<'info> {
    /// The exchange.
    pub exchange: AccountLoader<'info, Exchange>,
    /// The market.
    #[account(mut)]
    pub market: AccountLoader<'info, Market>,
    /// CHECK: the primary source; owner, address or feed are checked against the market's configuration.
    pub primary: UncheckedAccount<'info>,
    /// CHECK: the secondary source, required if one is configured; checked like the primary.
    pub secondary: Option<UncheckedAccount<'info>>,
}

pub(crate) fn handler(ctx: Context<RefreshMarket>) -> Result<()> {
    let mut market = ctx.accounts.market.load_mut()?;
    let accounts = [Some(ctx.accounts.primary.as_ref()), ctx.accounts.secondary.as_deref()];
    let quote_decimals = ctx.accounts.exchange.load()?.quote_decimals;
    let Clock { unix_timestamp: now, slot, .. } = Clock::get()?;
    prices::look(accounts, |seen| prices::refresh_market(&mut market, (seen, quote_decimals), (slot, now)))?;
    let engine::Market { oracle, carry, volatility, .. } = market.core;
    emit!(MarketRefreshed {
        market: market.index,
        sequence: state::next(&mut market.sequence)?,
        price: oracle.price.to_bits(),
        conf: oracle.conf,
        ema: oracle.ema.to_bits(),
        publish_time: oracle.publish_time,
        divergent: oracle.divergent != 0,
        carry_long: market.core.book.long.carry.get().to_bits(),
        carry_short: market.core.book.short.carry.get().to_bits(),
        funding_rate: carry.funding_rate,
        borrow_ppm: carry.borrow_ppm,
        sigma_ppm: volatility.sigma_ppm,
        mmf_ppm: volatility.mmf_ppm,
        imf_ppm: volatility.imf_ppm,
    });
    Ok(())
}
