//! Move tokens into a margin account. Anyone may deposit for anyone, but only owner and delegate a collateral
//! that the account does not hold yet; never paused.

use anchor_lang::prelude::*;
use anchor_spl::token_interface::{TokenAccount, TokenInterface};
use bulwark_engine::limits;
use bulwark_engine::units::Quote;

use crate::errors::{BulwarkError, OrProgramError as _};
use crate::events::Deposited;
use crate::state::{self, MarginAccount, Vault};
use crate::tokens::Transfer;

/// Accounts of `deposit`.
#[derive(Accounts)]
pub struct Deposit<'info> {
    /// Owner of the tokens.
    pub depositor: Signer<'info>,
    /// Account to credit.
    #[account(mut)]
    pub margin_account: AccountLoader<'info, MarginAccount>,
    /// Vault of the token.
    #[account(mut, has_one = mint @ BulwarkError::WrongAccount, has_one = token_account @ BulwarkError::WrongAccount)]
    pub vault: AccountLoader<'info, Vault>,
    /// The vault's tokens.
    #[account(mut)]
    pub token_account: InterfaceAccount<'info, TokenAccount>,
    /// The depositor's tokens.
    #[account(mut)]
    pub source: InterfaceAccount<'info, TokenAccount>,
    /// CHECK: mint of the token: the vault names it, and the token program reads it.
    pub mint: UncheckedAccount<'info>,
    /// Token program of the mint.
    pub token_program: Interface<'info, TokenInterface>,
}

impl<'info> Deposit<'info> {
    fn transfer(&mut self, amount: u64) -> Result<u64> {
        let authority = self.depositor.to_account_info();
        let (program, mint) = (&self.token_program, (&self.mint, self.vault.load()?.decimals));
        Transfer { program, mint, from: &mut self.source, to: &mut self.token_account }
            .pull(amount, authority)
    }
}

pub(crate) fn handler(ctx: Context<Deposit>, amount: u64) -> Result<()> {
    let received = ctx.accounts.transfer(amount)?;

    let now = Clock::get()?.unix_timestamp;
    let mut vault = ctx.accounts.vault.load_mut()?;
    let mut account = ctx.accounts.margin_account.load_mut()?;
    vault.core.receive(received, now).or_error()?;
    if vault.is_quote() {
        // Margin can always be topped up in quote; the quote vault's cap is on pool liquidity.
        account.credit(Quote::from_units(received).or_error()?).or_error()?;
    } else {
        vault.core.require_cap(vault.core.recorded, now).or_error()?;
        // A stranger's dust must not take a slot that the owner needs.
        let may_add = account.may_trade(ctx.accounts.depositor.key) || account.holds(vault.index);
        require!(may_add, BulwarkError::NewCollateralByStranger);
        let slot = account.collateral_or_free(vault.index).ok_or(BulwarkError::NoFreeCollateralSlot)?;
        slot.amount = limits::credit(slot.amount, received).or_error()?;
    }

    emit!(Deposited {
        account: ctx.accounts.margin_account.key(),
        vault: vault.index,
        sequence: state::next(&mut vault.sequence)?,
        amount: received,
    });
    Ok(())
}
