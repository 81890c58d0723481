//! The pool: in, out, and to and from the markets.

use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use bulwark::state::{RedeemTicket, Vault};
use bulwark::{accounts, instruction as data};
use bulwark_engine::pool::TrancheKind;

use super::{BuildError, instruction, with_readonly};
use crate::address::{self, SYSTEM_PROGRAM, TOKEN_PROGRAM};
use crate::listings::Listings;

/// Adds `amount` quote units from `source` to the pool for at least `min_shares` shares of a tranche to the token
/// account `shares`. Signed by the owner of both.
///
/// # Errors
/// [`BuildError::UnknownVault`] without the quote vault.
pub fn add_liquidity(
    listings: &Listings,
    tranche: TrancheKind,
    (provider, source, shares): (Pubkey, Pubkey, Pubkey),
    (amount, min_shares): (u64, u64),
) -> Result<Instruction, BuildError> {
    let vault = listings.vault(Vault::QUOTE).ok_or(BuildError::UnknownVault(Vault::QUOTE))?;
    let accounts = accounts::AddLiquidity {
        provider,
        exchange: address::exchange(),
        pool: address::pool(),
        quote_vault: vault.address,
        token_account: vault.token_account,
        source,
        mint: vault.mint,
        share_mint: address::share_mint(tranche),
        shares,
        token_program: vault.token_program,
        share_token_program: TOKEN_PROGRAM,
    };
    let instruction = instruction(&accounts, &data::AddLiquidity { amount, min_shares });
    Ok(with_readonly(instruction, listings.markets.values().copied()))
}

/// Puts pool shares of the token account `shares` into the provider's ticket `nonce`. Signed by provider and payer.
#[must_use]
pub fn request_redeem(
    listings: &Listings,
    tranche: TrancheKind,
    (provider, payer, shares): (Pubkey, Pubkey, Pubkey),
    (nonce, amount): (u64, u64),
) -> Instruction {
    let accounts = accounts::RequestRedeem {
        provider,
        payer,
        exchange: address::exchange(),
        pool: address::pool(),
        ticket: address::redeem_ticket(&provider, nonce),
        share_mint: address::share_mint(tranche),
        shares,
        share_token_program: TOKEN_PROGRAM,
        system_program: SYSTEM_PROGRAM,
    };
    let instruction = instruction(&accounts, &data::RequestRedeem { nonce, shares: amount });
    with_readonly(instruction, listings.markets.values().copied())
}

/// Pays a ticket, at least `min_amount` quote units, to the quote token account `destination` of its owner, who signs.
///
/// # Errors
/// [`BuildError::UnknownVault`] without the quote vault.
pub fn redeem(
    listings: &Listings,
    ticket: &RedeemTicket,
    (destination, min_amount): (Pubkey, u64),
) -> Result<Instruction, BuildError> {
    let vault = listings.vault(Vault::QUOTE).ok_or(BuildError::UnknownVault(Vault::QUOTE))?;
    let accounts = accounts::Redeem {
        provider: ticket.owner,
        payer: ticket.payer,
        exchange: address::exchange(),
        pool: address::pool(),
        ticket: address::redeem_ticket(&ticket.owner, ticket.nonce),
        quote_vault: vault.address,
        token_account: vault.token_account,
        destination,
        mint: vault.mint,
        token_program: vault.token_program,
    };
    let instruction = instruction(&accounts, &data::Redeem { min_amount });
    Ok(with_readonly(instruction, listings.markets.values().copied()))
}

/// Takes the shares of a ticket back to the token account `shares` of its owner. Signed by the owner, or by anyone once
/// the ticket's window is over.
#[must_use]
pub fn cancel_redeem(authority: Pubkey, ticket: &RedeemTicket, shares: Pubkey) -> Instruction {
    let tranche = if ticket.tranche == 0 { TrancheKind::Junior } else { TrancheKind::Senior };
    let accounts = accounts::CancelRedeem {
        authority,
        payer: ticket.payer,
        exchange: address::exchange(),
        pool: address::pool(),
        ticket: address::redeem_ticket(&ticket.owner, ticket.nonce),
        share_mint: address::share_mint(tranche),
        shares,
        share_token_program: TOKEN_PROGRAM,
    };
    instruction(&accounts, &data::CancelRedeem {})
}

/// Moves pool money to or from a market towards its target. No signer.
#[must_use]
pub fn allocate_liquidity(listings: &Listings, market: u16) -> Instruction {
    let own = address::market(market);
    let accounts =
        accounts::AllocateLiquidity { exchange: address::exchange(), pool: address::pool(), market: own };
    let others = listings.markets.values().copied().filter(|key| *key != own);
    with_readonly(instruction(&accounts, &data::AllocateLiquidity {}), others)
}

/// Distributes a market's fees. No signer.
#[must_use]
pub fn sweep_market(market: u16) -> Instruction {
    let accounts = accounts::SweepMarket {
        exchange: address::exchange(),
        market: address::market(market),
        pool: address::pool(),
        insurance_fund: address::insurance_fund(),
    };
    instruction(&accounts, &data::SweepMarket {})
}
