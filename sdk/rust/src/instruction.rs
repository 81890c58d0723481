//! Every instruction of the program. Accounts that health needs are added from the [`Listings`]; signed
//! arguments name the incarnation of the margin account that was read.

use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::{AccountMeta, Instruction};
use anchor_lang::{InstructionData, ToAccountMetas};
use bulwark::instructions::{ClosePositionArgs, InitializeExchangeArgs, OpenPositionArgs, WithdrawArgs};
use bulwark::state::{MarginAccount, Vault};
use bulwark::{accounts, instruction as data};
use bulwark_engine::pool::TrancheKind;
use bulwark_engine::units::Side;
use thiserror::Error;

use crate::address::{self, PROGRAM, SYSTEM_PROGRAM, TOKEN_PROGRAM};
use crate::listings::{Listings, VaultListing};

mod backstop;
mod governance;
mod lifecycle;
mod liquidation;
mod liquidity;
mod tokens;
mod triggers;

pub use backstop::*;
pub use governance::*;
pub use lifecycle::*;
pub use liquidation::*;
pub use liquidity::*;
pub use tokens::*;
pub use triggers::*;

/// Why an instruction can't be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BuildError {
    /// No such vault in the listings.
    #[error("vault {0} is not in the listings: load them again")]
    UnknownVault(u16),
    /// No such market in the listings.
    #[error("market {0} is not in the listings: load them again")]
    UnknownMarket(u16),
    /// No such trigger in the account.
    #[error("the account has no trigger {0}: read it again")]
    UnknownTrigger(u64),
    /// A change whose payload can't be read.
    #[error("change {0} has no readable payload: read it again")]
    UnreadableChange(u64),
    /// The margin account holds something that the listings lack.
    #[error("the margin account holds a market or vault that is not in the listings: load them again")]
    UnknownLeg,
}

/// Primary and optional secondary oracle accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OracleAccounts {
    /// Primary.
    pub primary: Pubkey,
    /// Secondary, if one is configured.
    pub secondary: Option<Pubkey>,
}

/// A margin account as it was read.
#[derive(Clone, Copy, Debug)]
pub struct Margin<'a> {
    /// Its address.
    pub address: Pubkey,
    /// Its content.
    pub account: &'a MarginAccount,
}

/// A trade. Prices are Q32.32 quote units per lot, fees excluded; see [`crate::units`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Market index.
    pub market: u16,
    /// Lots; `u64::MAX` closes all.
    pub lots: u64,
    /// Worst fill price.
    pub limit_price: u64,
}

fn instruction(accounts: &impl ToAccountMetas, data: &impl InstructionData) -> Instruction {
    Instruction { program_id: PROGRAM, accounts: accounts.to_account_metas(None), data: data.data() }
}

fn with_readonly(mut instruction: Instruction, keys: impl IntoIterator<Item = Pubkey>) -> Instruction {
    instruction.accounts.extend(keys.into_iter().map(|key| AccountMeta::new_readonly(key, false)));
    instruction
}

/// Creates the exchange. Signed by the program's upgrade authority.
#[must_use]
pub fn initialize_exchange(
    deployer: Pubkey,
    (mint, token_program): (Pubkey, Pubkey),
    args: InitializeExchangeArgs,
) -> Instruction {
    let accounts = accounts::InitializeExchange {
        deployer,
        program: PROGRAM,
        program_data: address::program_data(),
        exchange: address::exchange(),
        quote_vault: address::vault(&mint),
        token_account: address::vault_tokens(&mint),
        pool: address::pool(),
        junior_mint: address::share_mint(TrancheKind::Junior),
        senior_mint: address::share_mint(TrancheKind::Senior),
        insurance_fund: address::insurance_fund(),
        backstop_mint: address::backstop_mint(),
        mint,
        token_program,
        share_token_program: TOKEN_PROGRAM,
        system_program: SYSTEM_PROGRAM,
    };
    instruction(&accounts, &data::InitializeExchange { args })
}

/// Takes the oracles' prices into a market. No signer.
#[must_use]
pub fn refresh_market(index: u16, oracles: OracleAccounts) -> Instruction {
    let accounts = accounts::RefreshMarket {
        exchange: address::exchange(),
        market: address::market(index),
        primary: oracles.primary,
        secondary: oracles.secondary,
    };
    instruction(&accounts, &data::RefreshMarket {})
}

/// Takes the oracles' prices into a vault, given by index and mint. No signer.
#[must_use]
pub fn refresh_vault(vault: (u16, &Pubkey), oracles: OracleAccounts) -> Instruction {
    let (index, mint) = vault;
    let quote = index == Vault::QUOTE;
    let accounts = accounts::RefreshVault {
        exchange: address::exchange(),
        vault: address::vault(mint),
        primary: oracles.primary,
        secondary: oracles.secondary,
    };
    let mut refresh = instruction(&accounts, &data::RefreshVault {});
    // Only the quote vault's refresh writes the exchange; the others leave it to be read side by side.
    for meta in refresh.accounts.iter_mut().filter(|m| m.pubkey == accounts.exchange) {
        meta.is_writable = quote;
    }
    refresh
}

/// Opens a margin account. Signed by owner and payer.
#[must_use]
pub fn open_margin_account(owner: Pubkey, payer: Pubkey, sub_id: u16) -> Instruction {
    let accounts = accounts::OpenMarginAccount {
        owner,
        payer,
        exchange: address::exchange(),
        margin_account: address::margin_account(&owner, sub_id),
        system_program: SYSTEM_PROGRAM,
    };
    instruction(&accounts, &data::OpenMarginAccount { sub_id })
}

/// Closes an empty margin account. Signed by the owner, who gets the rent.
#[must_use]
pub fn close_margin_account(owner: Pubkey, margin_account: Pubkey) -> Instruction {
    instruction(&accounts::CloseMarginAccount { owner, margin_account }, &data::CloseMarginAccount {})
}

/// Sets the delegate; the default key is nobody. Signed by the owner.
#[must_use]
pub fn set_delegate(margin: Margin<'_>, delegate: Pubkey) -> Instruction {
    let (owner, incarnation) = (margin.account.owner, margin.account.incarnation);
    let accounts = accounts::SetDelegate { owner, margin_account: margin.address };
    instruction(&accounts, &data::SetDelegate { incarnation, delegate })
}

/// Deposits `amount` token units from `source` to a margin account. Signed by the owner of `source`.
#[must_use]
pub fn deposit(
    depositor: Pubkey,
    margin_account: Pubkey,
    vault: &VaultListing,
    (source, amount): (Pubkey, u64),
) -> Instruction {
    let accounts = accounts::Deposit {
        depositor,
        margin_account,
        vault: vault.address,
        token_account: vault.token_account,
        source,
        mint: vault.mint,
        token_program: vault.token_program,
    };
    instruction(&accounts, &data::Deposit { amount })
}

/// Withdraws `amount` token units to a token account of the owner, who signs.
///
/// # Errors
/// [`BuildError`] if the listings are out of date.
pub fn withdraw(
    listings: &Listings,
    margin: Margin<'_>,
    vault: u16,
    (destination, amount): (Pubkey, u64),
) -> Result<Instruction, BuildError> {
    let listing = listings.vault(vault).ok_or(BuildError::UnknownVault(vault))?;
    let skip = (vault != Vault::QUOTE).then_some(vault);
    let legs = listings.legs(margin.account, None, skip).ok_or(BuildError::UnknownLeg)?;
    let accounts = accounts::Withdraw {
        owner: margin.account.owner,
        exchange: address::exchange(),
        margin_account: margin.address,
        vault: listing.address,
        token_account: listing.token_account,
        destination,
        mint: listing.mint,
        token_program: listing.token_program,
    };
    let args = WithdrawArgs { incarnation: margin.account.incarnation, amount };
    Ok(with_readonly(instruction(&accounts, &data::Withdraw { args }), legs))
}

fn trade(
    listings: &Listings,
    authority: Pubkey,
    margin: Margin<'_>,
    market: u16,
) -> Result<(accounts::Trade, Vec<Pubkey>), BuildError> {
    let legs = listings.legs(margin.account, Some(market), None).ok_or(BuildError::UnknownLeg)?;
    let accounts = accounts::Trade {
        authority,
        exchange: address::exchange(),
        margin_account: margin.address,
        market: *listings.market(market).ok_or(BuildError::UnknownMarket(market))?,
    };
    Ok((accounts, legs))
}

/// Increases a position. Signed by owner or delegate.
///
/// # Errors
/// [`BuildError`] if the listings are out of date.
pub fn open_position(
    listings: &Listings,
    authority: Pubkey,
    margin: Margin<'_>,
    (side, order): (Side, Order),
) -> Result<Instruction, BuildError> {
    let (accounts, legs) = trade(listings, authority, margin, order.market)?;
    let args = OpenPositionArgs {
        incarnation: margin.account.incarnation,
        side: side.to_byte(),
        lots: order.lots,
        limit_price: order.limit_price,
    };
    Ok(with_readonly(instruction(&accounts, &data::OpenPosition { args }), legs))
}

/// Decreases or closes a position. Signed by owner or delegate.
///
/// # Errors
/// [`BuildError`] if the listings are out of date.
pub fn close_position(
    listings: &Listings,
    authority: Pubkey,
    margin: Margin<'_>,
    order: Order,
) -> Result<Instruction, BuildError> {
    let (accounts, legs) = trade(listings, authority, margin, order.market)?;
    let (incarnation, lots, limit_price) = (margin.account.incarnation, order.lots, order.limit_price);
    let args = ClosePositionArgs { incarnation, lots, limit_price };
    Ok(with_readonly(instruction(&accounts, &data::ClosePosition { args }), legs))
}

/// Settles a position. No signer.
#[must_use]
pub fn settle_position(margin_account: Pubkey, market: u16) -> Instruction {
    let market = address::market(market);
    instruction(&accounts::SettlePosition { margin_account, market }, &data::SettlePosition {})
}

/// Checks a vault, a market and the market's members, as far as they are passed. No signer.
#[must_use]
pub fn check_invariants(
    vault: Option<&VaultListing>,
    market: Option<u16>,
    members: impl IntoIterator<Item = Pubkey>,
) -> Instruction {
    let accounts = accounts::CheckInvariants {
        exchange: address::exchange(),
        market: market.map(address::market),
        vault: vault.map(|v| v.address),
        token_account: vault.map(|v| v.token_account),
    };
    let mut members: Vec<Pubkey> = members.into_iter().collect();
    members.sort_unstable();
    with_readonly(instruction(&accounts, &data::CheckInvariants {}), members)
}
