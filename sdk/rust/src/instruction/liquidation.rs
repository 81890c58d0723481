//! Liquidation, bankruptcy and deleveraging: the calls of liquidators and keepers.

use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::{AccountMeta, Instruction};
use bulwark::instructions::{LiquidateArgs, LiquidateCollateralArgs};
use bulwark::state::MarginAccount;
use bulwark::{accounts, instruction as data};

use super::{BuildError, Margin, Order, instruction, with_readonly};
use crate::address;
use crate::listings::Listings;

/// Who takes a position or a collateral over: owner or delegate of a margin account, and that account.
#[derive(Clone, Copy, Debug)]
pub struct Liquidator<'a> {
    /// Signs.
    pub authority: Pubkey,
    /// Takes over, and pays.
    pub margin: Margin<'a>,
}

fn market(listings: &Listings, index: u16) -> Result<Pubkey, BuildError> {
    listings.market(index).copied().ok_or(BuildError::UnknownMarket(index))
}

/// Takes over up to `order.lots` of the account's position in `order.market` at `order.limit_price` or better: the highest
/// for a long, the lowest for a short. `u64::MAX` lots take what the auction offers, 0 only starts it. Signed by the
/// liquidator.
///
/// # Errors
/// [`BuildError`] if the listings are out of date.
pub fn liquidate(
    listings: &Listings,
    liquidator: Liquidator<'_>,
    margin: Margin<'_>,
    order: Order,
) -> Result<Instruction, BuildError> {
    let legs = |account: &MarginAccount| listings.legs(account, Some(order.market), None);
    let own = legs(margin.account).ok_or(BuildError::UnknownLeg)?;
    let taker = legs(liquidator.margin.account).ok_or(BuildError::UnknownLeg)?;
    let accounts = accounts::Liquidate {
        liquidator: liquidator.authority,
        exchange: address::exchange(),
        margin_account: margin.address,
        liquidator_account: liquidator.margin.address,
        market: market(listings, order.market)?,
    };
    let incarnation = liquidator.margin.account.incarnation;
    let args = LiquidateArgs { incarnation, lots: order.lots, limit_price: order.limit_price };
    Ok(with_readonly(instruction(&accounts, &data::Liquidate { args }), own.into_iter().chain(taker)))
}

/// Hands the account's position in a market to the pool; the pay goes to the margin account `keeper`. No signer.
///
/// # Errors
/// [`BuildError`] if the listings are out of date.
pub fn liquidate_to_pool(
    listings: &Listings,
    margin: Margin<'_>,
    index: u16,
    keeper: Option<Pubkey>,
) -> Result<Instruction, BuildError> {
    let legs = listings.legs(margin.account, Some(index), None).ok_or(BuildError::UnknownLeg)?;
    let accounts = accounts::LiquidateToPool {
        exchange: address::exchange(),
        margin_account: margin.address,
        market: market(listings, index)?,
        keeper_account: keeper,
    };
    Ok(with_readonly(instruction(&accounts, &data::LiquidateToPool {}), legs))
}

/// Buys up to `amount` token units of the account's collateral in a vault, at `limit_price` (Q32.32 quote units per token
/// unit) or better. With the market `creditor`, which settles or has claims waiting and which the account owes for, any debt
/// is reason enough. Signed by the liquidator.
///
/// # Errors
/// [`BuildError`] if the listings are out of date.
pub fn liquidate_collateral(
    listings: &Listings,
    liquidator: Liquidator<'_>,
    (margin, creditor): (Margin<'_>, Option<u16>),
    (vault, amount, limit_price): (u16, u64, u64),
) -> Result<Instruction, BuildError> {
    let listing = listings.vault(vault).ok_or(BuildError::UnknownVault(vault))?;
    let own = listings.legs(margin.account, None, Some(vault)).ok_or(BuildError::UnknownLeg)?;
    let buyer = listings.legs_after_buying(liquidator.margin.account, vault).ok_or(BuildError::UnknownLeg)?;
    let accounts = accounts::LiquidateCollateral {
        liquidator: liquidator.authority,
        exchange: address::exchange(),
        margin_account: margin.address,
        liquidator_account: liquidator.margin.address,
        vault: listing.address,
        market: creditor.map(|index| market(listings, index)).transpose()?,
    };
    let incarnation = liquidator.margin.account.incarnation;
    let args = LiquidateCollateralArgs { incarnation, amount, limit_price };
    let keys = own.into_iter().chain(buyer);
    Ok(with_readonly(instruction(&accounts, &data::LiquidateCollateral { args }), keys))
}

/// Pays what a bankrupt account owes for a market. No signer.
///
/// # Errors
/// [`BuildError`] if the listings are out of date.
pub fn resolve_bankruptcy(
    listings: &Listings,
    margin: Margin<'_>,
    index: u16,
) -> Result<Instruction, BuildError> {
    let accounts = accounts::ResolveBankruptcy {
        margin_account: margin.address,
        market: market(listings, index)?,
        insurance_fund: address::insurance_fund(),
    };
    let mut resolve = instruction(&accounts, &data::ResolveBankruptcy {});
    let claims = margin.account.positions.iter().filter(|p| p.is_open() && p.market != index);
    for claim in claims {
        resolve.accounts.push(AccountMeta::new(market(listings, claim.market)?, false));
    }
    Ok(resolve)
}

/// Reduces the account's position in a market to the cut-off leverage; the tip goes to the margin account `keeper`. No
/// signer.
///
/// # Errors
/// [`BuildError`] if the listings are out of date.
pub fn auto_deleverage(
    listings: &Listings,
    margin: Margin<'_>,
    index: u16,
    keeper: Option<Pubkey>,
) -> Result<Instruction, BuildError> {
    let legs = listings.legs(margin.account, Some(index), None).ok_or(BuildError::UnknownLeg)?;
    let accounts = accounts::AutoDeleverage {
        margin_account: margin.address,
        market: market(listings, index)?,
        keeper_account: keeper,
    };
    Ok(with_readonly(instruction(&accounts, &data::AutoDeleverage {}), legs))
}

/// Unwinds the winners of a market whose pool money is used up. No signer.
#[must_use]
pub fn rebalance_market(index: u16) -> Instruction {
    let accounts = accounts::RebalanceMarket { market: address::market(index) };
    instruction(&accounts, &data::RebalanceMarket {})
}
