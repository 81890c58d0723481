//! The walk over a margin account's other legs.
//!
//! Health needs the markets and vaults of everything the account holds. They follow an instruction's own
//! accounts in slot order, markets first, without those that the instruction names itself. Identity is
//! owner, discriminator and index: only the listing instructions write such accounts, at a derived address
//! and one for each index, so no address needs to be derived again.

use std::cell::Ref;

use anchor_lang::Discriminator;
use anchor_lang::prelude::*;
use bulwark_engine::margin::{Collateral, Directory, Health, HealthType, Legs};
use bulwark_engine::price::{Action, Age};
use bulwark_engine::{EngineError, market as engine};
use bytemuck::Pod;

use crate::errors::{BulwarkError, OrProgramError as _};
use crate::state::{Market, Vault};

/// Health of the legs, from the accounts that follow the instruction's own.
///
/// # Errors
/// A missing account or one that is not next in slot order; a price that the health type cannot use.
pub(crate) fn of_legs(
    legs: &Legs<'_>,
    remaining: &[AccountInfo<'_>],
    what: (HealthType, i64),
) -> Result<Health> {
    legs.health(&mut Remaining(remaining.iter()), what).map_err(|Refused(error)| error)
}

/// The accounts that follow the instruction's own, in the order in which they are asked for.
struct Remaining<'a, 'info>(core::slice::Iter<'a, AccountInfo<'info>>);

/// A program error that engine errors turn into.
struct Refused(Error);

impl From<EngineError> for Refused {
    fn from(error: EngineError) -> Self {
        msg!("{}", error);
        Self(BulwarkError::from(error).into())
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl Directory for Remaining<'_, '_> {
    type Error = Refused;

    fn market(
        &mut self,
        index: u16,
        read: impl FnOnce(&engine::Market) -> bulwark_engine::Result<Health>,
    ) -> core::result::Result<Health, Refused> {
        let market = view::<Market>(self.0.next())?;
        if market.index != index {
            return Err(Refused(BulwarkError::WrongAccount.into()));
        }
        Ok(read(&market.core)?)
    }

    fn collateral(
        &mut self,
        index: u16,
        read: impl FnOnce(&Collateral) -> bulwark_engine::Result<Health>,
    ) -> core::result::Result<Health, Refused> {
        let vault = view::<Vault>(self.0.next())?;
        if vault.index != index {
            return Err(Refused(BulwarkError::WrongAccount.into()));
        }
        Ok(read(&vault.core)?)
    }
}

/// What market `index`, the next of the accounts, counts for by `value`, at a Fresh price.
///
/// # Errors
/// A missing or another account; a price that is not Fresh at this age.
pub(crate) fn of_market(
    account: Option<&AccountInfo<'_>>,
    index: u16,
    (age, now): (Age, i64),
    value: impl FnOnce(&engine::Market) -> bulwark_engine::Result<u64>,
) -> Result<u64> {
    let market = view::<Market>(account)?;
    require!(market.index == index, BulwarkError::WrongAccount);
    let core = &market.core;
    core.oracle.require(&core.params.oracle, (Action::PoolShares, age), now).or_error()?;
    value(core).or_error()
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
