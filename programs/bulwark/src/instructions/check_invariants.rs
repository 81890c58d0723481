//! Recompute what the passed accounts decide. For anyone to call; a mismatch pauses withdrawals and
//! increases of the whole exchange, a match changes nothing.

use anchor_lang::prelude::*;
use anchor_spl::token_interface::TokenAccount;
use bulwark_engine::audit::MemberSums;
use bulwark_engine::book::Book;
use bulwark_engine::position::Position;
use bulwark_engine::units::Side;

use crate::errors::BulwarkError;
use crate::events::InvariantsChecked;
use crate::health::view;
use crate::state::{Exchange, MarginAccount, Market, Vault};

/// Accounts of `check_invariants`. Remaining: margin accounts that may hold positions in `market`, in
/// ascending order of address; all of them, for the full check.
#[derive(Accounts)]
pub struct CheckInvariants<'info> {
    /// The exchange: gets the pause bits.
    #[account(mut)]
    pub exchange: AccountLoader<'info, Exchange>,
    /// A market whose ladders are to be checked.
    pub market: Option<AccountLoader<'info, Market>>,
    /// A vault whose tokens are to be checked.
    pub vault: Option<AccountLoader<'info, Vault>>,
    /// The vault's tokens.
    pub token_account: Option<InterfaceAccount<'info, TokenAccount>>,
}

/// The token account holds at least what the ledger accounts for. It may hold more: anyone can send it
/// tokens, and nobody is credited for them.
fn vault_holds(vault: &Vault, token_account: Option<&InterfaceAccount<'_, TokenAccount>>) -> Result<bool> {
    let tokens = token_account.ok_or(BulwarkError::AccountMissing)?;
    require!(tokens.key() == vault.token_account, BulwarkError::WrongAccount);
    Ok(tokens.amount >= vault.core.recorded)
}

/// I3 for a market and the members among `accounts`.
fn ladders_hold(market: &Market, accounts: &[AccountInfo<'_>]) -> Result<bool> {
    let mut sums: Box<[MemberSums; 2]> = bytemuck::zeroed_box();
    let mut previous = Pubkey::default();
    for info in accounts {
        require!(*info.key > previous, BulwarkError::DuplicateAccount);
        previous = *info.key;
        let account = view::<MarginAccount>(Some(info))?;
        let position = account.positions.iter().find(|p| p.is_open() && p.market == market.index);
        if position.is_some_and(|p| count(&market.core.book, &mut sums, p).is_err()) {
            return Ok(false); // no operation writes a position that its ladder cannot know
        }
    }
    let [longs, shorts] = sums.as_ref();
    let book = &market.core.book;
    Ok(book.long.agrees_with(longs).unwrap_or(false) && book.short.agrees_with(shorts).unwrap_or(false))
}

fn count(book: &Book, sums: &mut [MemberSums; 2], position: &Position) -> bulwark_engine::Result<()> {
    let [longs, shorts] = sums;
    match position.side()? {
        Side::Long => book.long.count_member(longs, position),
        Side::Short => book.short.count_member(shorts, position),
    }
}

pub(crate) fn handler<'info>(ctx: Context<'info, CheckInvariants<'info>>) -> Result<()> {
    let mut ok = true;
    if let Some(vault) = &ctx.accounts.vault {
        ok &= vault_holds(&*vault.load()?, ctx.accounts.token_account.as_ref())?;
    }
    if let Some(market) = &ctx.accounts.market {
        ok &= ladders_hold(&*market.load()?, ctx.remaining_accounts)?;
    }
    if !ok {
        ctx.accounts.exchange.load_mut()?.trip();
    }
    emit!(InvariantsChecked { ok });
    Ok(())
}
