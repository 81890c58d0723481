//! List a collateral, as an executed change says. Its deposit cap grows from zero.

use anchor_lang::prelude::*;
use anchor_spl::token_interface::{Mint, TokenAccount, TokenInterface};
use bulwark_engine::collateral::Collateral;

use crate::errors::{BulwarkError, OrProgramError as _};
use crate::events::VaultCreated;
use crate::prices;
use crate::signing;
use crate::state::{self, Change, ChangePayload, Exchange, VERSION, Vault};
use crate::tokens::require_supported;

/// Accounts of `create_vault`.
#[derive(Accounts)]
pub struct CreateVault<'info> {
    /// Admin.
    pub admin: Signer<'info>,
    /// Pays the rent.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// The exchange.
    #[account(mut, has_one = admin @ BulwarkError::Unauthorized)]
    pub exchange: AccountLoader<'info, Exchange>,
    /// The executed change that lists it.
    #[account(mut, close = change_payer)]
    pub change: AccountLoader<'info, Change>,
    /// CHECK: who paid the rent of the change: gets it back.
    #[account(mut, constraint = change.load()?.payer == change_payer.key() @ BulwarkError::WrongAccount)]
    pub change_payer: UncheckedAccount<'info>,
    /// The new vault.
    #[account(init, payer = payer, space = Vault::SPACE, seeds = [Vault::SEED, mint.key().as_ref()], bump)]
    pub vault: AccountLoader<'info, Vault>,
    /// The vault's token account.
    #[account(
        init, payer = payer, seeds = [Vault::TOKENS_SEED, mint.key().as_ref()], bump,
        token::mint = mint, token::authority = exchange, token::token_program = token_program
    )]
    pub token_account: Box<InterfaceAccount<'info, TokenAccount>>,
    /// Mint of the collateral.
    pub mint: Box<InterfaceAccount<'info, Mint>>,
    /// CHECK: the primary source; checked against the change.
    pub primary: UncheckedAccount<'info>,
    /// CHECK: the secondary source, required if one is configured; checked like the primary.
    pub secondary: Option<UncheckedAccount<'info>>,
    /// Token program of the mint.
    pub token_program: Interface<'info, TokenInterface>,
    /// CHECK: the instructions sysvar: the admin signs for now, not for later.
    #[account(address = solana_instructions_sysvar::ID @ BulwarkError::WrongAccount)]
    pub instructions: UncheckedAccount<'info>,
    /// Creates the accounts.
    pub system_program: Program<'info, System>,
}

pub(crate) fn handler(ctx: Context<CreateVault>) -> Result<()> {
    let accounts = &ctx.accounts;
    signing::require_fresh(&accounts.instructions)?;
    require_supported(&accounts.mint.to_account_info())?;
    let now = Clock::get()?.unix_timestamp;
    let listing = accounts.change.load()?.listing(&*accounts.exchange.load()?, now)?;
    let ChangePayload::CreateVault { mint, sources, params } = listing else {
        return err!(BulwarkError::WrongAccount);
    };
    require!(mint == accounts.mint.key(), BulwarkError::WrongAccount);
    let mut exchange = accounts.exchange.load_mut()?;
    let oracles = [Some(accounts.primary.as_ref()), accounts.secondary.as_deref()];
    let decimals = (exchange.quote_decimals, accounts.mint.decimals);
    let oracle = prices::first(&sources, (oracles, decimals), &params.oracle)?;

    let mut vault = accounts.vault.load_init()?;
    vault.mint = mint;
    vault.token_account = accounts.token_account.key();
    vault.index = state::next_index(&mut exchange.vault_count)?;
    vault.decimals = accounts.mint.decimals;
    vault.bump = ctx.bumps.vault;
    vault.version = VERSION;
    vault.sources = sources;
    vault.core = Collateral::listed(params, oracle, now).or_error()?;

    emit!(VaultCreated { vault: vault.index, mint });
    Ok(())
}
