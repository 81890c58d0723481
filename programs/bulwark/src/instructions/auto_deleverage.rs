//! Reduce a position of the heavy side whose account is above the cut-off leverage, while traders' profit or skew is above
//! its limit: at the mark, without fee. For anyone to call, and paid from the market's insurance. Never paused.

use anchor_lang::prelude::*;
use bulwark_engine::margin::{Health, HealthType, Legs};
use bulwark_engine::position::Position;
use bulwark_engine::units::Quote;

use super::liquidation::{Fill, pay_keeper};
use crate::errors::{BulwarkError, OrProgramError as _, Refusal};
use crate::events::LiquidationKind;
use crate::health;
use crate::state::{MarginAccount, Market};

/// Accounts of `auto_deleverage`. Remaining: the account's other markets, then its vaults, in slot order.
#[derive(Accounts)]
pub struct AutoDeleverage<'info> {
    /// The account to reduce.
    #[account(mut)]
    pub margin_account: AccountLoader<'info, MarginAccount>,
    /// The market.
    #[account(mut)]
    pub market: AccountLoader<'info, Market>,
    /// Margin account that the keeper's tip goes to; without one it stays with the market's insurance.
    #[account(mut)]
    pub keeper_account: Option<AccountLoader<'info, MarginAccount>>,
}

/// Equity of the whole account at live prices, every doubt in its favour.
fn equity(
    account: &MarginAccount,
    market: &Market,
    (legs, now): (&[AccountInfo<'_>], i64),
) -> core::result::Result<Quote, Refusal> {
    let what = (HealthType::Liquidate, now);
    let others = Legs { skip_market: Some(market.index), ..account.legs() };
    let mut all = health::of_legs(&others, &mut legs.iter(), what)?;
    let position = account.position_in(market.index).ok_or(BulwarkError::NoPosition)?;
    all.count(&market.core, position, what)?;
    all.add(Health { equity: account.quote, requirement: Quote::ZERO })?;
    Ok(all.equity_in_doubt()?)
}

pub(crate) fn handler<'info>(ctx: Context<'info, AutoDeleverage<'info>>) -> Result<()> {
    let Clock { unix_timestamp: now, slot, .. } = Clock::get()?;
    let (accounts, key) = (&*ctx.accounts, ctx.accounts.margin_account.key());
    let keeper = accounts.keeper_account.as_ref();
    let liquidator = keeper.map_or(key, Key::key);
    require!(keeper.is_none() || liquidator != key, BulwarkError::DuplicateAccount);
    let mut account = accounts.margin_account.load_mut()?;
    let mut market = accounts.market.load_mut()?;

    let cutoff = market.core.cutoff(slot, now).or_error()?;
    let elapsed = slot.saturating_sub(market.core.deleveraging_since);
    let equity = equity(&account, &market, (ctx.remaining_accounts, now))?;
    account.lift(&mut market).or_error()?;
    let position = account.position_mut(market.index).ok_or(BulwarkError::NoPosition)?;
    let side = position.side().or_error()?;
    let report = market.core.deleverage_position(position, (equity, cutoff), now).or_error()?;
    let positions = [*position, Position::EMPTY];
    account.post(&mut market, side, report.quote_change).or_error()?;
    let report = pay_keeper(keeper, &mut market, report)?;

    let kind = LiquidationKind::Deleveraging;
    emit!(Fill { account: key, liquidator, kind, elapsed, side, positions, report }.event(&mut market)?);
    Ok(())
}
