//! Create the exchange. Signed by the program's upgrade authority, so that nobody can be first.

use anchor_lang::prelude::*;
use anchor_spl::token::Token;
use anchor_spl::token_interface::{Mint, TokenAccount, TokenInterface};
use bulwark_engine::collateral::{Collateral, CollateralParams, QuoteWeight};
use bulwark_engine::governance::{ExchangeParams, InsuranceParams};
use bulwark_engine::pool::PoolParams;
use bulwark_engine::price::{OracleState, Reading};
use bulwark_engine::units::Price;

use crate::errors::{BulwarkError, OrProgramError as _};
use crate::events::ExchangeInitialized;
use crate::governance::require_sources;
use crate::oracle::OracleSource;
use crate::program::Bulwark;
use crate::state::{self, Exchange, InsuranceFund, Pool, VERSION, Vault};
use crate::tokens::require_supported;

/// Who governs, and how the quote token is judged.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct InitializeExchangeArgs {
    /// Admin: a multisig.
    pub admin: Pubkey,
    /// Guardian: may pause and tighten.
    pub guardian: Pubkey,
    /// Owner of the token account that protocol fees are collected to.
    pub fee_recipient: Pubkey,
    /// Oracles of the quote token; all zeros: none, the token counts in full.
    pub quote_sources: [OracleSource; 2],
    /// Cap of all quote tokens, and how the quote token's oracle is judged.
    pub quote_params: CollateralParams,
    /// Redemption and tranches of the pool.
    pub pool_params: PoolParams,
    /// Risk groups, fees and the delay of changes.
    pub exchange_params: ExchangeParams,
    /// How the insurance fund's income is divided.
    pub insurance_params: InsuranceParams,
}

/// Accounts of `initialize_exchange`.
#[derive(Accounts)]
pub struct InitializeExchange<'info> {
    /// The program's upgrade authority; pays the rent.
    #[account(mut)]
    pub deployer: Signer<'info>,
    /// This program.
    #[account(constraint = program.programdata_address()? == Some(program_data.key()) @ BulwarkError::WrongAccount)]
    pub program: Program<'info, Bulwark>,
    /// Names the upgrade authority.
    #[account(constraint = program_data.upgrade_authority_address == Some(deployer.key()) @ BulwarkError::NotUpgradeAuthority)]
    pub program_data: Box<Account<'info, ProgramData>>,
    /// The exchange.
    #[account(init, payer = deployer, space = Exchange::SPACE, seeds = [Exchange::SEED], bump)]
    pub exchange: AccountLoader<'info, Exchange>,
    /// Vault of the quote token.
    #[account(init, payer = deployer, space = Vault::SPACE, seeds = [Vault::SEED, mint.key().as_ref()], bump)]
    pub quote_vault: AccountLoader<'info, Vault>,
    /// The vault's token account.
    #[account(
        init, payer = deployer, seeds = [Vault::TOKENS_SEED, mint.key().as_ref()], bump,
        token::mint = mint, token::authority = exchange, token::token_program = token_program
    )]
    pub token_account: Box<InterfaceAccount<'info, TokenAccount>>,
    /// The pool.
    #[account(init, payer = deployer, space = Pool::SPACE, seeds = [Pool::SEED], bump)]
    pub pool: AccountLoader<'info, Pool>,
    /// Mint of the junior shares.
    #[account(
        init, payer = deployer, seeds = [Pool::SHARES_SEED, Pool::JUNIOR_SEED], bump,
        mint::decimals = mint.decimals, mint::authority = exchange, mint::token_program = share_token_program
    )]
    pub junior_mint: Box<InterfaceAccount<'info, Mint>>,
    /// Mint of the senior shares.
    #[account(
        init, payer = deployer, seeds = [Pool::SHARES_SEED, Pool::SENIOR_SEED], bump,
        mint::decimals = mint.decimals, mint::authority = exchange, mint::token_program = share_token_program
    )]
    pub senior_mint: Box<InterfaceAccount<'info, Mint>>,
    /// The insurance fund.
    #[account(init, payer = deployer, space = InsuranceFund::SPACE, seeds = [InsuranceFund::SEED], bump)]
    pub insurance_fund: AccountLoader<'info, InsuranceFund>,
    /// Mint of the backstop's shares.
    #[account(
        init, payer = deployer, seeds = [Pool::SHARES_SEED, InsuranceFund::BACKSTOP_SEED], bump,
        mint::decimals = mint.decimals, mint::authority = exchange, mint::token_program = share_token_program
    )]
    pub backstop_mint: Box<InterfaceAccount<'info, Mint>>,
    /// Mint of the quote token.
    pub mint: Box<InterfaceAccount<'info, Mint>>,
    /// Token program of the quote mint.
    pub token_program: Interface<'info, TokenInterface>,
    /// Token program of the shares.
    pub share_token_program: Program<'info, Token>,
    /// Creates the accounts.
    pub system_program: Program<'info, System>,
}

impl InitializeExchange<'_> {
    fn create_exchange(&self, args: &InitializeExchangeArgs, bump: u8) -> Result<()> {
        let mut exchange = self.exchange.load_init()?;
        exchange.admin = args.admin;
        exchange.guardian = args.guardian;
        exchange.fee_recipient = args.fee_recipient;
        exchange.quote_mint = self.mint.key();
        exchange.quote_vault = self.quote_vault.key();
        exchange.quote_decimals = self.mint.decimals;
        exchange.next_incarnation = 1;
        state::next_index(&mut exchange.vault_count)?;
        let judged = args.quote_sources.iter().any(OracleSource::is_some);
        exchange.quote_weight =
            if judged { QuoteWeight::unrefreshed(&args.quote_params) } else { QuoteWeight::WHOLE };
        args.exchange_params.validate().or_error()?;
        exchange.params = args.exchange_params;
        exchange.bump = bump;
        exchange.version = VERSION;
        Ok(())
    }

    fn create_quote_vault(&self, args: &InitializeExchangeArgs, bump: u8) -> Result<()> {
        args.quote_params.validate_limits().or_error()?;
        require_sources(&args.quote_sources, false)?;
        let mut vault = self.quote_vault.load_init()?;
        vault.mint = self.mint.key();
        vault.token_account = self.token_account.key();
        vault.index = Vault::QUOTE;
        vault.decimals = self.mint.decimals;
        vault.bump = bump;
        vault.version = VERSION;
        vault.sources = args.quote_sources;
        // One until an oracle says otherwise.
        let price = Price::from_bits(1 << 32).or_error()?;
        let oracle = OracleState::first(&Reading { price, conf: 0, publish_time: 0 });
        vault.core = Collateral::new(args.quote_params, oracle, Clock::get()?.unix_timestamp);
        vault.core.ramp_from = args.quote_params.max_deposits; // the ramp is for what is listed later
        Ok(())
    }

    fn create_pool(&self, args: &InitializeExchangeArgs, bump: u8) -> Result<()> {
        let mut pool = self.pool.load_init()?;
        pool.share_mints = [self.junior_mint.key(), self.senior_mint.key()];
        pool.core.initialize(&args.pool_params, Clock::get()?.unix_timestamp).or_error()?;
        pool.bump = bump;
        pool.version = VERSION;
        Ok(())
    }

    fn create_insurance_fund(&self, args: &InitializeExchangeArgs, bump: u8) -> Result<()> {
        args.insurance_params.validate().or_error()?;
        let mut fund = self.insurance_fund.load_init()?;
        fund.share_mint = self.backstop_mint.key();
        fund.core.set_params(&args.insurance_params);
        fund.bump = bump;
        fund.version = VERSION;
        Ok(())
    }
}

pub(crate) fn handler(ctx: Context<InitializeExchange>, args: &InitializeExchangeArgs) -> Result<()> {
    require_supported(&ctx.accounts.mint.to_account_info())?;
    ctx.accounts.create_exchange(args, ctx.bumps.exchange)?;
    ctx.accounts.create_quote_vault(args, ctx.bumps.quote_vault)?;
    ctx.accounts.create_pool(args, ctx.bumps.pool)?;
    ctx.accounts.create_insurance_fund(args, ctx.bumps.insurance_fund)?;
    let quote_mint = ctx.accounts.mint.key();
    emit!(ExchangeInitialized { admin: args.admin, guardian: args.guardian, quote_mint });
    Ok(())
}
