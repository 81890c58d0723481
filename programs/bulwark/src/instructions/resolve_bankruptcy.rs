//! Pay what a bankrupt account owes for a market: the whole waterfall in one instruction. What the account itself is owed by
//! markets is paid first, and what they can't pay is forfeited. For anyone to call, never paused.

use anchor_lang::prelude::*;
use bulwark_engine::position::Position;
use bulwark_engine::waterfall::{Loss, WaterfallReport};

use super::settle_position;
use crate::errors::{BulwarkError, OrProgramError as _};
use crate::events::{BankruptcyResolved, ClaimForfeited, MarketSettling};
use crate::health::{view, view_mut};
use crate::state::{self, InsuranceFund, MarginAccount, Market, MarketStatus};

/// Accounts of `resolve_bankruptcy`. Remaining: the markets of the account's claims but this one, writable.
#[derive(Accounts)]
pub struct ResolveBankruptcy<'info> {
    /// The bankrupt account.
    #[account(mut)]
    pub margin_account: AccountLoader<'info, MarginAccount>,
    /// A market where it lost.
    #[account(mut)]
    pub market: AccountLoader<'info, Market>,
    /// The insurance fund.
    #[account(mut)]
    pub insurance_fund: AccountLoader<'info, InsuranceFund>,
}

/// The market of a claim: the named one, or one of those that follow.
fn with_market<T>(
    index: u16,
    (named, others): (&mut Market, &[AccountInfo<'_>]),
    operation: impl FnOnce(&mut Market) -> Result<T>,
) -> Result<T> {
    if named.index == index {
        return operation(named);
    }
    for info in others {
        if view::<Market>(Some(info))?.index == index {
            return operation(&mut *view_mut::<Market>(Some(info))?);
        }
    }
    err!(BulwarkError::AccountMissing)
}

/// Pays the account's claims as far as their markets can now, or sets them off against what it owes there.
fn pay_claims(
    (key, account): (Pubkey, &mut MarginAccount),
    (named, others): (&mut Market, &[AccountInfo<'_>]),
    now: i64,
) -> Result<()> {
    for slot in 0..account.positions.len() {
        let claim = |account: &MarginAccount| account.positions.get(slot).copied().filter(Position::is_claim);
        // Set off first, then paid: a settling market does one at a time.
        while let Some(Position { market, .. }) = claim(account) {
            let again = with_market(market, (&mut *named, others), |market| {
                let (held, index) = (account.debts.held(market.index).or_error()?, market.index);
                let debt = account.debts.share(index, account.quote).or_error()?;
                let (settling, sets_off) = (market.core.is_settling(), debt > 0 && market.core.book.cash > 0);
                if settling && !sets_off && !market.core.pays_claims(held, now) {
                    // What it will bring is not known before every position is settled, which anyone can do.
                    require!(market.core.book.positions == 0, BulwarkError::ClaimsWait);
                    return Ok(false);
                }
                settle_position::settle((key, &mut *account), market, now)?;
                Ok(settling && sets_off)
            })?;
            if !again {
                break;
            }
        }
    }
    Ok(())
}

/// Cancels what is left of the account's claims: it can't be paid to somebody whose debt others pay.
fn forfeit(
    (key, account): (Pubkey, &mut MarginAccount),
    (named, others): (&mut Market, &[AccountInfo<'_>]),
) -> Result<()> {
    for position in account.positions.iter_mut().filter(|p| p.is_open()) {
        with_market(position.market, (&mut *named, others), |market| {
            let claim = market.core.forfeit(position).or_error()?;
            let sequence = state::next(&mut market.sequence)?;
            emit!(ClaimForfeited { account: key, market: market.index, sequence, claim });
            Ok(())
        })?;
    }
    Ok(())
}

/// Freezes a market whose traders are owed more than it has.
fn settle_if_short(market: &mut Market, report: &WaterfallReport, now: i64) -> Result<()> {
    let short = report.traders > 0 && market.core.is_insolvent().or_error()?;
    if short && !market.core.is_settling() {
        let price = market.core.begin_settling(None, now).or_error()?.to_bits();
        market.set_status(MarketStatus::Settling);
        let sequence = state::next(&mut market.sequence)?;
        emit!(MarketSettling { market: market.index, sequence, price });
    }
    Ok(())
}

pub(crate) fn handler<'info>(ctx: Context<'info, ResolveBankruptcy<'info>>) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    let key = ctx.accounts.margin_account.key();
    let mut account = ctx.accounts.margin_account.load_mut()?;
    let mut market = ctx.accounts.market.load_mut()?;
    let mut fund = ctx.accounts.insurance_fund.load_mut()?;
    let others = ctx.remaining_accounts;
    pay_claims((key, &mut account), (&mut market, others), now)?;
    account.legs().require_bankrupt(account.quote).or_error()?;
    let index = market.index;
    let (debt, side) =
        (account.debts.share(index, account.quote).or_error()?, account.debts.side(index).or_error()?);
    require!(debt > 0, BulwarkError::NoDebtHere);

    forfeit((key, &mut account), (&mut market, others))?;
    account.lift(&mut market).or_error()?;
    let report = market.core.resolve(&mut fund.core, &Loss { debt, side, now }).or_error()?;
    account.forgive(&mut market, &report).or_error()?;
    fund.core.cover(&mut market.core).or_error()?;

    emit!(BankruptcyResolved {
        account: key,
        market: index,
        sequence: state::next(&mut market.sequence)?,
        fund_sequence: state::next(&mut fund.sequence)?,
        side: side.to_byte(),
        debt,
        price: market.core.mark().to_bits(),
        insurance: report.insurance,
        reserve: report.reserve,
        backstop: report.backstop,
        first_loss: report.first_loss,
        deleveraged: report.deleveraged,
        pool: report.pool,
        traders: report.traders,
        unpaid: report.unpaid,
        winners: report.winners,
        fraction: report.fraction,
        surplus: report.surplus,
        oi_scale_ppm: market.core.oi_scale_ppm,
    });
    settle_if_short(&mut market, &report, now)
}
