//! Hand a position of an account below maintenance margin to the pool: at once what brings the traders' skew nearer to
//! zero, and whatever nobody wanted once the auction has run its time. For anyone to call, and paid. A call that comes too
//! early starts the auction, or keeps it running. Never paused.

use anchor_lang::prelude::*;
use bulwark_engine::auction::TAKEOVER_SLOTS;
use bulwark_engine::liquidation::PoolFill;
use bulwark_engine::position::Position;

use super::liquidation::{Case, Fill, pay_keeper};
use crate::errors::{BulwarkError, OrProgramError as _};
use crate::events::{AuctionCalled, LiquidationKind};
use crate::state::{self, Exchange, MarginAccount, Market};

/// Accounts of `liquidate_to_pool`. Remaining: the account's other markets, then its vaults, in slot order.
#[derive(Accounts)]
pub struct LiquidateToPool<'info> {
    /// The exchange.
    pub exchange: AccountLoader<'info, Exchange>,
    /// The account in trouble.
    #[account(mut)]
    pub margin_account: AccountLoader<'info, MarginAccount>,
    /// The market.
    #[account(mut)]
    pub market: AccountLoader<'info, Market>,
    /// Margin account that the keeper's pay goes to; without one it goes to the market's insurance.
    #[account(mut)]
    pub keeper_account: Option<AccountLoader<'info, MarginAccount>>,
}

pub(crate) fn handler<'info>(ctx: Context<'info, LiquidateToPool<'info>>) -> Result<()> {
    let Clock { unix_timestamp: now, slot, .. } = Clock::get()?;
    let (accounts, key) = (&*ctx.accounts, ctx.accounts.margin_account.key());
    let keeper = accounts.keeper_account.as_ref();
    let liquidator = keeper.map_or(key, Key::key);
    require!(keeper.is_none() || liquidator != key, BulwarkError::DuplicateAccount);
    let exchange = accounts.exchange.load()?;
    let mut account = accounts.margin_account.load_mut()?;
    let mut market = accounts.market.load_mut()?;

    let mut legs = ctx.remaining_accounts.iter();
    let case = Case::open(&exchange, (&account, &mut market), &mut legs, now)?;
    let moment = account.call_auction(slot, case.health).or_error()?;
    let fill = if moment.elapsed < TAKEOVER_SLOTS { PoolFill::Reducing } else { PoolFill::Takeover };
    let (what, whose) = ((case.side, &case.lot), (case.health, moment));
    let offer = market.core.pool_offer((fill, now), what, whose).or_error()?;
    let too_early =
        fill == PoolFill::Reducing && market.core.reducible(case.side, (&case.lot, &offer)).or_error()? == 0;
    if too_early {
        let (sequence, elapsed) = (state::next(&mut market.sequence)?, moment.elapsed);
        emit!(AuctionCalled { account: key, market: market.index, sequence, elapsed });
        return Ok(());
    }

    account.lift(&mut market).or_error()?;
    let position = account.position_mut(market.index).ok_or(BulwarkError::NoPosition)?;
    let report = market.core.take_back(position, (&case.lot, &offer), (fill, now)).or_error()?;
    let positions = [*position, Position::EMPTY];
    account.post(&mut market, case.side, report.quote_change).or_error()?;
    case.close(&exchange, &mut account, (&market, now)).or_error()?;
    let report = pay_keeper(keeper, &mut market, report)?;

    let kind = match fill {
        PoolFill::Reducing => LiquidationKind::PoolReduction,
        PoolFill::Takeover => LiquidationKind::PoolTakeover,
    };
    let (elapsed, side) = (moment.elapsed, case.side);
    emit!(Fill { account: key, liquidator, kind, elapsed, side, positions, report }.event(&mut market)?);
    Ok(())
}
