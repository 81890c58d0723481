//! Open a margin account.

use anchor_lang::prelude::*;
use bulwark_engine::EngineError;

use crate::errors::OrProgramError as _;
use crate::events::MarginAccountOpened;
use crate::state::{Exchange, MarginAccount, VERSION};

/// Accounts of `open_margin_account`.
#[derive(Accounts)]
#[instruction(sub_id: u16)]
pub struct OpenMarginAccount<'info> {
    /// Owner of the new account.
    pub owner: Signer<'info>,
    /// Pays the rent.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// The exchange: hands out the incarnation id.
    #[account(mut)]
    pub exchange: AccountLoader<'info, Exchange>,
    /// The new account.
    #[account(
        init, payer = payer, space = MarginAccount::SPACE,
        seeds = [MarginAccount::SEED, owner.key().as_ref(), &sub_id.to_le_bytes()], bump
    )]
    pub margin_account: AccountLoader<'info, MarginAccount>,
    /// Creates the account.
    pub system_program: Program<'info, System>,
}

pub(crate) fn handler(ctx: Context<OpenMarginAccount>, sub_id: u16) -> Result<()> {
    let mut exchange = ctx.accounts.exchange.load_mut()?;
    let incarnation = exchange.next_incarnation;
    exchange.next_incarnation = incarnation.checked_add(1).ok_or(EngineError::Overflow).or_error()?;

    let mut account = ctx.accounts.margin_account.load_init()?;
    account.owner = ctx.accounts.owner.key();
    account.sub_id = sub_id;
    account.incarnation = incarnation;
    account.bump = ctx.bumps.margin_account;
    account.version = VERSION;

    let (account, owner) = (ctx.accounts.margin_account.key(), ctx.accounts.owner.key());
    emit!(MarginAccountOpened { account, owner, sub_id, incarnation });
    Ok(())
}
