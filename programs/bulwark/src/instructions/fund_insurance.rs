//! Donate quote tokens to the insurance fund's reserve. For anyone, and no way back: the waterfall is the only one out.

use anchor_lang::prelude::*;
use anchor_spl::token_interface::{TokenAccount, TokenInterface};
use bulwark_engine::limits;

use crate::errors::{BulwarkError, OrProgramError as _};
use crate::events::InsuranceFunded;
use crate::state::{self, Exchange, InsuranceFund, Vault};
use crate::tokens::Transfer;

/// Accounts of `fund_insurance`.
#[derive(Accounts)]
pub struct FundInsurance<'info> {
    /// Owner of the tokens.
    pub donor: Signer<'info>,
    /// The exchange.
    #[account(has_one = quote_vault @ BulwarkError::WrongAccount)]
    pub exchange: AccountLoader<'info, Exchange>,
    /// The insurance fund.
    #[account(mut)]
    pub insurance_fund: AccountLoader<'info, InsuranceFund>,
    /// Vault of the quote token.
    #[account(mut, has_one = mint @ BulwarkError::WrongAccount, has_one = token_account @ BulwarkError::WrongAccount)]
    pub quote_vault: AccountLoader<'info, Vault>,
    /// The vault's tokens.
    #[account(mut)]
    pub token_account: InterfaceAccount<'info, TokenAccount>,
    /// The donor's tokens.
    #[account(mut)]
    pub source: InterfaceAccount<'info, TokenAccount>,
    /// CHECK: mint of the token: the vault names it, and the token program reads it.
    pub mint: UncheckedAccount<'info>,
    /// Token program of the quote mint.
    pub token_program: Interface<'info, TokenInterface>,
}

impl<'info> FundInsurance<'info> {
    fn transfer(&mut self, amount: u64) -> Result<u64> {
        let authority = self.donor.to_account_info();
        let (program, mint) = (&self.token_program, (&self.mint, self.quote_vault.load()?.decimals));
        Transfer { program, mint, from: &mut self.source, to: &mut self.token_account }
            .pull(amount, authority)
    }
}

pub(crate) fn handler(ctx: Context<FundInsurance>, amount: u64) -> Result<()> {
    let received = ctx.accounts.transfer(amount)?;
    let mut fund = ctx.accounts.insurance_fund.load_mut()?;
    let mut vault = ctx.accounts.quote_vault.load_mut()?;
    vault.core.receive(received, Clock::get()?.unix_timestamp).or_error()?;
    fund.core.reserve = limits::credit(fund.core.reserve, received).or_error()?;

    emit!(InsuranceFunded {
        donor: ctx.accounts.donor.key(),
        sequence: state::next(&mut fund.sequence)?,
        vault_sequence: state::next(&mut vault.sequence)?,
        amount: received,
    });
    Ok(())
}
