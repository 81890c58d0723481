//! Take the configured oracles' prices into a market. For anyone to call.

use anchor_lang::prelude::*;

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
    let decimals = (ctx.accounts.exchange.load()?.quote_decimals, market.core.params.lot_decimals);

    let (params, sources) = (market.core.params.oracle, market.sources);
    prices::refresh(&mut market.core.oracle, &params, &sources, (accounts, decimals))?;
    let oracle = market.core.oracle;
    emit!(MarketRefreshed {
        market: market.index,
        sequence: state::next(&mut market.sequence)?,
        price: oracle.price.to_bits(),
        conf: oracle.conf,
        ema: oracle.ema.to_bits(),
        publish_time: oracle.publish_time,
        divergent: oracle.divergent != 0,
    });
    Ok(())
}
