//! The walk over a margin account's other legs.
//!
//! Health needs the markets and vaults of everything the account holds. They follow an instruction's own
//! accounts in slot order, markets first, without those that the instruction names itself. Identity is
//! owner, discriminator and index: only `create_market` and `create_vault` write such accounts, one for
//! each index, so no address needs to be derived again.

use std::cell::Ref;

use anchor_lang::prelude::*;
use anchor_lang::Discriminator;
use bulwark_engine::margin::{Health, HealthType};
use bulwark_engine::price::{Action, Age};
use bytemuck::Pod;

use crate::errors::{BulwarkError, OrProgramError as _};
use crate::state::{MarginAccount, Market, Vault};

/// The legs that an instruction has accounts of its own for.
#[derive(Clone, Copy, Default)]
pub(crate) struct Skip {
    /// Market index.
    pub market: Option<u16>,
    /// Vault index.
    pub vault: Option<u16>,
}

/// Health of every leg but the skipped ones and the quote balance.
///
/// # Errors
/// A missing account or one that is not next in slot order; a price that the health type cannot use.
pub(crate) fn of_other_legs(
    account: &MarginAccount,
    skip: Skip,
    remaining: &[AccountInfo<'_>],
    (health, now): (HealthType, i64),
) -> Result<Health> {
    let mut remaining = remaining.iter();
    let mut sum = Health::default();
    for position in account.positions.iter().filter(|p| p.is_open() && Some(p.market) != skip.market) {
        let market = view::<Market>(remaining.next())?;
        require!(market.index == position.market, BulwarkError::WrongAccount);
        let leg = Health::of_position(&market.core, position, health, now).or_error()?;
        sum = sum.plus(leg).or_error()?;
    }
    for slot in account.collaterals.iter().filter(|c| c.amount != 0 && Some(c.vault) != skip.vault) {
        let vault = view::<Vault>(remaining.next())?;
        require!(vault.index == slot.vault, BulwarkError::WrongAccount);
        let leg = Health::of_collateral(&vault.core, slot.amount, health, now).or_error()?;
        sum = sum.plus(leg).or_error()?;
    }
    Ok(sum)
}

/// Lowest and highest equity of market `index` over live price and average, for pool shares.
///
/// # Errors
/// A missing or another account; a price that is not Fresh.
pub(crate) fn market_equity(account: Option<&AccountInfo<'_>>, index: u16, now: i64) -> Result<[u64; 2]> {
    let market = view::<Market>(account)?;
    require!(market.index == index, BulwarkError::WrongAccount);
    let (core, action) = (&market.core, (Action::PoolShares, Age::Margin));
    core.oracle.require(&core.params.oracle, action, now).or_error()?;
    core.book.equity_range(core.oracle.strict()).or_error()
}

/// Reads a zero-copy account of this program in place.
///
/// # Errors
/// [`BulwarkError::AccountMissing`], [`BulwarkError::WrongAccount`] for a foreign owner or another type,
/// [`BulwarkError::DuplicateAccount`] if the instruction already writes it.
pub(crate) fn view<'a, T: Pod + Discriminator>(account: Option<&'a AccountInfo<'_>>) -> Result<Ref<'a, T>> {
    let account = account.ok_or(BulwarkError::AccountMissing)?;
    require!(*account.owner == crate::ID, BulwarkError::WrongAccount);
    let data = account.try_borrow_data().map_err(|_| BulwarkError::DuplicateAccount)?;
    let pod = Ref::filter_map(data, |data| {
        let body = data.strip_prefix(T::DISCRIMINATOR)?.get(..size_of::<T>())?;
        bytemuck::try_from_bytes::<T>(body).ok()
    });
    pod.map_err(|_| BulwarkError::WrongAccount.into())
}
