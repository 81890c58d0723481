//! Take over a position of an account below maintenance margin: the liquidator's own margin account takes up to the lots
//! that restore the account, at the mark less a concession that rises with every slot of the auction. The first call starts
//! the auction; with no lots a call only does that, or keeps it running. Never paused.

use anchor_lang::prelude::*;
use bulwark_engine::auction::{Moment, Offer};
use bulwark_engine::fill;
use bulwark_engine::liquidation::LiquidationReport;
use bulwark_engine::trade::Order;
use bulwark_engine::units::{Lots, Quote};

use super::liquidation::{Case, Fill};
use super::trade;
use crate::errors::{BulwarkError, OrProgramError as _, Refusal};
use crate::events::{AuctionCalled, LiquidationKind};
use crate::health;
use crate::state::{self, Exchange, MarginAccount, Market};

/// What the liquidator takes at most, and at what price.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiquidateArgs {
    /// Incarnation id of the liquidator's margin account.
    pub incarnation: u64,
    /// Most lots to take, a multiple of the market's step; `u64::MAX` takes what the auction offers, 0 only calls it.
    pub lots: u64,
    /// Worst price, Q32.32 quote units per lot: the highest for a long, the lowest for a short.
    pub limit_price: u64,
}

/// Accounts of `liquidate`. Remaining: the account's other markets, then its vaults, in slot order; then those of the
/// liquidator's account.
#[derive(Accounts)]
pub struct Liquidate<'info> {
    /// Owner or delegate of the liquidator's account.
    pub liquidator: Signer<'info>,
    /// The exchange.
    pub exchange: AccountLoader<'info, Exchange>,
    /// The account in trouble.
    #[account(mut)]
    pub margin_account: AccountLoader<'info, MarginAccount>,
    /// Takes the position over.
    #[account(mut)]
    pub liquidator_account: AccountLoader<'info, MarginAccount>,
    /// The market.
    #[account(mut)]
    pub market: AccountLoader<'info, Market>,
}

/// Moves the lots from one account to the other.
fn take_over(
    (from, to, market): (&mut MarginAccount, &mut MarginAccount, &mut Market),
    (case, moment): (&Case, Moment),
    args: &LiquidateArgs,
    now: i64,
) -> core::result::Result<LiquidationReport, Refusal> {
    let offer = Offer::at(&case.lot, case.health, moment)?;
    from.lift(market)?;
    let index = market.index;
    let taken = to.position_or_free(index, case.side).ok_or(BulwarkError::NoFreePositionSlot)?;
    let given = from.position_mut(index).ok_or(BulwarkError::NoPosition)?;
    let report = market.core.take_over([given, taken], (&case.lot, &offer), (args.lots, now))?;
    let limit = Order::limit(case.side, args.limit_price)?;
    fill::require_limit(Lots::on(case.side, report.lots)?, Quote::ZERO.minus(report.cost)?, limit)?;
    from.post(market, case.side, report.quote_change)?;
    Ok(report)
}

pub(crate) fn handler<'info>(ctx: Context<'info, Liquidate<'info>>, args: &LiquidateArgs) -> Result<()> {
    let Clock { unix_timestamp: now, slot, .. } = Clock::get()?;
    let accounts = &*ctx.accounts;
    let (key, taker_key) = (accounts.margin_account.key(), accounts.liquidator_account.key());
    require!(key != taker_key, BulwarkError::DuplicateAccount);
    let exchange = accounts.exchange.load()?;
    let mut account = accounts.margin_account.load_mut()?;
    let mut taker = accounts.liquidator_account.load_mut()?;
    let mut market = accounts.market.load_mut()?;
    trade::require_trader(&taker, accounts.liquidator.key, args.incarnation)?;

    let mut legs = ctx.remaining_accounts.iter();
    let case = Case::open(&exchange, (&account, &mut market), &mut legs, now)?;
    let moment = account.call_auction(slot, case.health).or_error()?;
    if args.lots == 0 {
        let (sequence, elapsed) = (state::next(&mut market.sequence)?, moment.elapsed);
        emit!(AuctionCalled { account: key, market: market.index, sequence, elapsed });
        return Ok(());
    }
    let report = take_over((&mut account, &mut taker, &mut market), (&case, moment), args, now)?;
    health::initial(&exchange, &taker, Some(&market), (&mut legs, now))?.require().or_error()?;
    case.close(&exchange, &mut account, (&market, now)).or_error()?;

    let index = market.index;
    let positions = [&mut account, &mut taker].map(|a| a.position_mut(index).copied().unwrap_or_default());
    let (kind, elapsed, side) = (LiquidationKind::Takeover, moment.elapsed, case.side);
    let fill = Fill { account: key, liquidator: taker_key, kind, elapsed, side, positions, report };
    emit!(fill.event(&mut market)?);
    Ok(())
}
