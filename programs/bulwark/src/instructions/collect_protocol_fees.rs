//! Move the protocol's fees to the recorded recipient.

use anchor_lang::prelude::*;
use anchor_spl::token_interface::{TokenAccount, TokenInterface};
use bulwark_engine::limits::shrink;

use crate::errors::{BulwarkError, OrProgramError as _};
use crate::events::ProtocolFeesCollected;
use crate::signing;
use crate::state::{self, Exchange, Pause, Vault};
use crate::tokens::Transfer;

/// Accounts of `collect_protocol_fees`.
#[derive(Accounts)]
pub struct CollectProtocolFees<'info> {
    /// Admin.
    pub admin: Signer<'info>,
    /// The exchange: signs for its vaults.
    #[account(mut, has_one = quote_vault @ BulwarkError::WrongAccount)]
    pub exchange: AccountLoader<'info, Exchange>,
    /// Vault of the quote token.
    #[account(mut, has_one = mint @ BulwarkError::WrongAccount, has_one = token_account @ BulwarkError::WrongAccount)]
    pub quote_vault: AccountLoader<'info, Vault>,
    /// The vault's tokens.
    #[account(mut)]
    pub token_account: InterfaceAccount<'info, TokenAccount>,
    /// A quote token account of the recorded recipient.
    #[account(mut)]
    pub destination: InterfaceAccount<'info, TokenAccount>,
    /// CHECK: mint of the token: the vault names it, and the token program reads it.
    pub mint: UncheckedAccount<'info>,
    /// Token program of the quote mint.
    pub token_program: Interface<'info, TokenInterface>,
    /// CHECK: the instructions sysvar: the admin signs for now, not for later.
    #[account(address = solana_instructions_sysvar::ID @ BulwarkError::WrongAccount)]
    pub instructions: UncheckedAccount<'info>,
}

impl CollectProtocolFees<'_> {
    fn transfer(&mut self, amount: u64, recipient: &Pubkey) -> Result<()> {
        let (program, mint) = (&self.token_program, (&self.mint, self.quote_vault.load()?.decimals));
        Transfer { program, mint, from: &mut self.token_account, to: &mut self.destination }.push(
            amount,
            &self.exchange,
            recipient,
        )
    }
}

pub(crate) fn handler(ctx: Context<CollectProtocolFees>, amount: u64) -> Result<()> {
    let accounts = &mut *ctx.accounts;
    let now = Clock::get()?.unix_timestamp;
    let recipient = {
        let mut exchange = accounts.exchange.load_mut()?;
        let mut vault = accounts.quote_vault.load_mut()?;
        signing::require_admin(&exchange, accounts.admin.key, &accounts.instructions)?;
        require!(!exchange.stops_exit(Pause::WITHDRAW, now), BulwarkError::Paused);
        exchange.protocol_fees = shrink(exchange.protocol_fees, amount).or_error()?;
        vault.core.release(amount, now).or_error()?;
        let (vault_sequence, recipient) = (state::next(&mut vault.sequence)?, exchange.fee_recipient);
        emit!(ProtocolFeesCollected { vault_sequence, recipient, amount });
        recipient
    };
    accounts.transfer(amount, &recipient)
}
