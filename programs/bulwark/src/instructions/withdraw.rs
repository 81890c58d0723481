//! Move tokens from a margin account to its owner.

use anchor_lang::prelude::*;
use anchor_spl::token_interface::{TokenAccount, TokenInterface};
use bulwark_engine::auction::Auction;
use bulwark_engine::limits;
use bulwark_engine::margin::{Health, HealthType, Legs};
use bulwark_engine::units::Quote;

use crate::errors::{BulwarkError, OrProgramError as _};
use crate::events::Withdrawn;
use crate::health;
use crate::state::{self, Exchange, MarginAccount, Pause, Vault};
use crate::tokens::Transfer;

/// How much to withdraw.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct WithdrawArgs {
    /// Incarnation id of the margin account.
    pub incarnation: u64,
    /// Token units.
    pub amount: u64,
}

/// Accounts of `withdraw`. Remaining, if anything is at risk afterwards: the account's markets, then its
/// other vaults, in slot order.
#[derive(Accounts)]
pub struct Withdraw<'info> {
    /// Owner of the margin account: a delegate may not withdraw.
    pub owner: Signer<'info>,
    /// The exchange: signs for its vaults.
    pub exchange: AccountLoader<'info, Exchange>,
    /// Account to debit.
    #[account(mut)]
    pub margin_account: AccountLoader<'info, MarginAccount>,
    /// Vault of the token.
    #[account(mut, has_one = mint @ BulwarkError::WrongAccount, has_one = token_account @ BulwarkError::WrongAccount)]
    pub vault: AccountLoader<'info, Vault>,
    /// The vault's tokens.
    #[account(mut)]
    pub token_account: InterfaceAccount<'info, TokenAccount>,
    /// A token account of the owner.
    #[account(mut)]
    pub destination: InterfaceAccount<'info, TokenAccount>,
    /// CHECK: mint of the token: the vault names it, and the token program reads it.
    pub mint: UncheckedAccount<'info>,
    /// Token program of the mint.
    pub token_program: Interface<'info, TokenInterface>,
}

impl<'info> Withdraw<'info> {
    fn validate(&self, args: &WithdrawArgs) -> Result<()> {
        let account = self.margin_account.load()?;
        require!(account.owner == self.owner.key(), BulwarkError::Unauthorized);
        require!(account.incarnation == args.incarnation, BulwarkError::WrongIncarnation);
        let now = Clock::get()?.unix_timestamp;
        require!(!self.exchange.load()?.stops_exit(Pause::WITHDRAW, now), BulwarkError::Paused);
        Ok(())
    }

    fn transfer(&mut self, amount: u64) -> Result<()> {
        let (program, mint) = (&self.token_program, (&self.mint, self.vault.load()?.decimals));
        Transfer { program, mint, from: &mut self.token_account, to: &mut self.destination }.push(
            amount,
            &self.exchange,
            self.owner.key,
        )
    }
}

/// Takes `amount` off the account's balance of the vault's token. Quote can be withdrawn down to zero, not
/// borrowed.
fn debit(account: &mut MarginAccount, vault: &Vault, amount: u64) -> Result<()> {
    if vault.is_quote() {
        let left = limits::shrink(account.quote.units_or_zero(), amount).or_error()?;
        account.quote = Quote::from_units(left).or_error()?;
    } else {
        let slot = account.collateral_or_free(vault.index).ok_or(BulwarkError::InsufficientBalance)?;
        slot.amount = limits::shrink(slot.amount, amount).or_error()?;
    }
    Ok(())
}

pub(crate) fn handler<'info>(ctx: Context<'info, Withdraw<'info>>, args: &WithdrawArgs) -> Result<()> {
    ctx.accounts.validate(args)?;
    let now = Clock::get()?.unix_timestamp;
    {
        let mut account = ctx.accounts.margin_account.load_mut()?;
        let mut vault = ctx.accounts.vault.load_mut()?;
        debit(&mut account, &vault, args.amount)?;
        vault.core.release(args.amount, now).or_error()?;
        if !account.is_unencumbered() {
            require_initial_margin(&account, &vault, &ctx, now)?;
            account.auction = Auction::default(); // out of trouble
        }
        emit!(Withdrawn {
            account: ctx.accounts.margin_account.key(),
            vault: vault.index,
            sequence: state::next(&mut vault.sequence)?,
            amount: args.amount,
        });
    }
    ctx.accounts.transfer(args.amount)
}

/// Strict prices, initial haircuts, profit at zero.
fn require_initial_margin<'info>(
    account: &MarginAccount,
    vault: &Vault,
    ctx: &Context<'info, Withdraw<'info>>,
    now: i64,
) -> Result<()> {
    let health = HealthType::Withdraw;
    let named = (!vault.is_quote()).then_some(vault.index);
    let others = Legs { skip_vault: named, ..account.legs() };
    let mut portfolio = health::of_legs(&others, &mut ctx.remaining_accounts.iter(), (health, now))?;
    if let Some(slot) = account.collaterals.iter().find(|c| c.amount != 0 && Some(c.vault) == named) {
        let leg = Health::of_collateral(&vault.core, slot.amount, health, now).or_error()?;
        portfolio.add(leg).or_error()?;
    }
    let exchange = ctx.accounts.exchange.load()?;
    let quote = Health::of_quote(account.quote, exchange.quote_weight.at(now), health).or_error()?;
    portfolio.add(quote).or_error()?;
    portfolio.health(&exchange.params.risk_groups).and_then(Health::require).or_error()
}
