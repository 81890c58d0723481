//! What `open_position` and `close_position` share: their accounts and their event.

use anchor_lang::prelude::*;
use bulwark_engine::position::Position;
use bulwark_engine::trade::TradeReport;

use crate::errors::BulwarkError;
use crate::events::Traded;
use crate::state::{self, Exchange, MarginAccount, Market};

/// Accounts of a trade. Remaining: the account's other markets, then its vaults, in slot order.
#[derive(Accounts)]
pub struct Trade<'info> {
    /// Owner or delegate of the margin account.
    pub authority: Signer<'info>,
    /// The exchange.
    pub exchange: AccountLoader<'info, Exchange>,
    /// The trader's account.
    #[account(mut)]
    pub margin_account: AccountLoader<'info, MarginAccount>,
    /// The market.
    #[account(mut)]
    pub market: AccountLoader<'info, Market>,
}

/// `Ok` if `signer` may trade this very incarnation of the account.
///
/// # Errors
/// [`BulwarkError::Unauthorized`], [`BulwarkError::WrongIncarnation`].
pub(super) fn require_trader(account: &MarginAccount, signer: &Pubkey, incarnation: u64) -> Result<()> {
    require!(account.may_trade(signer), BulwarkError::Unauthorized);
    require!(account.incarnation == incarnation, BulwarkError::WrongIncarnation);
    Ok(())
}

/// The event of a trade.
pub(super) fn event(
    account: Pubkey,
    market: &mut Market,
    position: &Position,
    report: &TradeReport,
) -> Result<Traded> {
    Ok(Traded {
        account,
        market: market.index,
        sequence: state::next(&mut market.sequence)?,
        lots: report.fill.lots.0,
        price: market.core.mark().to_bits(),
        curve: report.fill.curve.0,
        spread: report.fill.spread,
        fee_pool: report.fees.pool,
        fee_insurance: report.fees.insurance,
        fee_protocol: report.fees.protocol,
        realised: report.realised.0,
        paid: report.paid.0,
        claim: report.claim,
        unwound_lots: report.unwound.lots,
        unwound_quote: report.unwound.quote.0,
        position_lots: position.lots.0,
        position_quote: position.quote.0,
    })
}
