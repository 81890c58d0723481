//! The insurance fund: donations, and stake in and out.

use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use bulwark::state::{UnstakeTicket, Vault};
use bulwark::{accounts, instruction as data};

use super::{BuildError, instruction};
use crate::address::{self, SYSTEM_PROGRAM, TOKEN_PROGRAM};
use crate::listings::{Listings, VaultListing};

fn quote(listings: &Listings) -> Result<&VaultListing, BuildError> {
    listings.vault(Vault::QUOTE).ok_or(BuildError::UnknownVault(Vault::QUOTE))
}

/// Donates `amount` quote units from `source` to the reserve. Signed by the owner of `source`.
///
/// # Errors
/// [`BuildError::UnknownVault`] without the quote vault.
pub fn fund_insurance(
    listings: &Listings,
    donor: Pubkey,
    (source, amount): (Pubkey, u64),
) -> Result<Instruction, BuildError> {
    let vault = quote(listings)?;
    let accounts = accounts::FundInsurance {
        donor,
        exchange: address::exchange(),
        insurance_fund: address::insurance_fund(),
        quote_vault: vault.address,
        token_account: vault.token_account,
        source,
        mint: vault.mint,
        token_program: vault.token_program,
    };
    Ok(instruction(&accounts, &data::FundInsurance { amount }))
}

/// Stakes `amount` quote units from `source` for at least `min_shares` shares to the token account `shares`. Signed by the
/// owner of both.
///
/// # Errors
/// [`BuildError::UnknownVault`] without the quote vault.
pub fn stake_backstop(
    listings: &Listings,
    (staker, source, shares): (Pubkey, Pubkey, Pubkey),
    (amount, min_shares): (u64, u64),
) -> Result<Instruction, BuildError> {
    let vault = quote(listings)?;
    let accounts = accounts::StakeBackstop {
        staker,
        exchange: address::exchange(),
        insurance_fund: address::insurance_fund(),
        quote_vault: vault.address,
        token_account: vault.token_account,
        source,
        mint: vault.mint,
        share_mint: address::backstop_mint(),
        shares,
        token_program: vault.token_program,
        share_token_program: TOKEN_PROGRAM,
    };
    Ok(instruction(&accounts, &data::StakeBackstop { amount, min_shares }))
}

/// Puts backstop shares of the token account `shares` into the staker's ticket `nonce`. Signed by staker and payer.
#[must_use]
pub fn request_unstake(
    (staker, payer, shares): (Pubkey, Pubkey, Pubkey),
    (nonce, amount): (u64, u64),
) -> Instruction {
    let accounts = accounts::RequestUnstake {
        staker,
        payer,
        insurance_fund: address::insurance_fund(),
        ticket: address::unstake_ticket(&staker, nonce),
        share_mint: address::backstop_mint(),
        shares,
        share_token_program: TOKEN_PROGRAM,
        system_program: SYSTEM_PROGRAM,
    };
    instruction(&accounts, &data::RequestUnstake { nonce, shares: amount })
}

/// Pays a ticket, at least `min_amount` quote units, to the quote token account `destination` of its owner, who signs.
///
/// # Errors
/// [`BuildError::UnknownVault`] without the quote vault.
pub fn unstake(
    listings: &Listings,
    ticket: &UnstakeTicket,
    (destination, min_amount): (Pubkey, u64),
) -> Result<Instruction, BuildError> {
    let vault = quote(listings)?;
    let accounts = accounts::Unstake {
        staker: ticket.owner,
        payer: ticket.payer,
        exchange: address::exchange(),
        insurance_fund: address::insurance_fund(),
        ticket: address::unstake_ticket(&ticket.owner, ticket.nonce),
        quote_vault: vault.address,
        token_account: vault.token_account,
        destination,
        mint: vault.mint,
        token_program: vault.token_program,
    };
    Ok(instruction(&accounts, &data::Unstake { min_amount }))
}

/// Makes the stake of a ticket active again, shares to the token account `shares` of its owner. Signed by the owner, or by
/// anyone once the ticket's window is over.
#[must_use]
pub fn cancel_unstake(authority: Pubkey, ticket: &UnstakeTicket, shares: Pubkey) -> Instruction {
    let accounts = accounts::CancelUnstake {
        authority,
        payer: ticket.payer,
        exchange: address::exchange(),
        insurance_fund: address::insurance_fund(),
        ticket: address::unstake_ticket(&ticket.owner, ticket.nonce),
        share_mint: address::backstop_mint(),
        shares,
        share_token_program: TOKEN_PROGRAM,
    };
    instruction(&accounts, &data::CancelUnstake {})
}
