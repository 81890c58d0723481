//! List a collateral.

use anchor_lang::prelude::*;
use anchor_spl::token_interface::{Mint, TokenAccount, TokenInterface};
use bulwark_engine::collateral::{Collateral, CollateralParams};

use crate::errors::{BulwarkError, OrProgramError as _};
use crate::events::VaultCreated;
use crate::oracle::OracleSource;
use crate::prices;
use crate::state::{self, Exchange, VERSION, Vault};
use crate::tokens::require_supported;

/// What the new vault is like.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct CreateVaultArgs {
    /// Primary and secondary oracle.
    pub sources: [OracleSource; 2],
    /// Haircuts, cap and oracle parameters.
    pub params: CollateralParams,
}

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
    /// CHECK: the primary source; checked against the arguments.
    pub primary: UncheckedAccount<'info>,
    /// CHECK: the secondary source, required if one is configured; checked like the primary.
    pub secondary: Option<UncheckedAccount<'info>>,
    /// Token program of the mint.
    pub token_program: Interface<'info, TokenInterface>,
    /// Creates the accounts.
    pub system_program: Program<'info, System>,
}

pub(crate) fn handler(ctx: Context<CreateVault>, args: &CreateVaultArgs) -> Result<()> {
    require_supported(&ctx.accounts.mint.to_account_info())?;
    args.params.validate().or_error()?;
    let mut exchange = ctx.accounts.exchange.load_mut()?;
    let accounts = [Some(ctx.accounts.primary.as_ref()), ctx.accounts.secondary.as_deref()];
    let decimals = (exchange.quote_decimals, ctx.accounts.mint.decimals);
    let oracle = prices::first(&args.sources, accounts, decimals, &args.params.oracle)?;

    let mut vault = ctx.accounts.vault.load_init()?;
    vault.mint = ctx.accounts.mint.key();
    vault.token_account = ctx.accounts.token_account.key();
    vault.index = state::next_index(&mut exchange.vault_count)?;
    vault.decimals = ctx.accounts.mint.decimals;
    vault.bump = ctx.bumps.vault;
    vault.version = VERSION;
    vault.sources = args.sources;
    vault.core = Collateral::listed(args.params, oracle, Clock::get()?.unix_timestamp);

    emit!(VaultCreated { vault: vault.index, mint: vault.mint });
    Ok(())
}
