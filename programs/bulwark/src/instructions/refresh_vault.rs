//! Take the configured oracles' prices into a vault. For anyone to call.

use anchor_lang::prelude::*;
use bulwark_engine::collateral::QuoteWeight;

use crate::errors::OrProgramError as _;
use crate::events::VaultRefreshed;
use crate::prices;
use crate::state::{self, Exchange, Vault};

/// Accounts of `refresh_vault`.
#[derive(Accounts)]
pub struct RefreshVault<'info> {
    /// The exchange; writable for the quote vault only, as it keeps what the quote token counts for.
    pub exchange: AccountLoader<'info, Exchange>,
    /// The vault.
    #[account(mut)]
    pub vault: AccountLoader<'info, Vault>,
    /// CHECK: the primary source; owner, address or feed are checked against the vault's configuration.
    pub primary: UncheckedAccount<'info>,
    /// CHECK: the secondary source, required if one is configured; checked like the primary.
    pub secondary: Option<UncheckedAccount<'info>>,
}

pub(crate) fn handler(ctx: Context<RefreshVault>) -> Result<()> {
    let mut vault = ctx.accounts.vault.load_mut()?;
    let accounts = [Some(ctx.accounts.primary.as_ref()), ctx.accounts.secondary.as_deref()];
    let quote_decimals = ctx.accounts.exchange.load()?.quote_decimals;
    let now = Clock::get()?.unix_timestamp;
    prices::look(accounts, |seen| prices::refresh_vault(&mut vault, (seen, quote_decimals), now))?;
    let oracle = vault.core.oracle;
    if vault.is_quote() {
        ctx.accounts.exchange.load_mut()?.quote_weight = QuoteWeight::of(&vault.core).or_error()?;
    }

    emit!(VaultRefreshed {
        vault: vault.index,
        sequence: state::next(&mut vault.sequence)?,
        price: oracle.price.to_bits(),
        conf: oracle.conf,
        ema: oracle.ema.to_bits(),
        publish_time: oracle.publish_time,
        divergent: oracle.divergent != 0,
    });
    Ok(())
}
