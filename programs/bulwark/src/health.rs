//! The walk over a margin account's other legs.
//!
//! Health needs the markets and vaults of everything the account holds. They follow an instruction's own
//! accounts in slot order, markets first, without those that the instruction names itself. Identity is
//! owner, discriminator and index: only the listing instructions write such accounts, at a derived address
//! and one for each index, so no address needs to be derived again.

use core::slice::Iter;
use std::cell::{Ref, RefMut};

use anchor_lang::Discriminator;
use anchor_lang::prelude::*;
use bulwark_engine::collateral::Collateral;
use bulwark_engine::margin::{Directory, Health, HealthType, Legs, Portfolio};
use bulwark_engine::market as engine;
use bytemuck::Pod;

use crate::errors::{BulwarkError, Refusal};
use crate::state::{Exchange, MarginAccount, Market, Vault};

/// What the legs are worth and need, from the accounts that follow the instruction's own.
///
/// # Errors
/// A missing account or one that is not next in slot order; a price that the health type cannot use.
pub(crate) fn of_legs(
    legs: &Legs<'_>,
    remaining: &mut Iter<'_, AccountInfo<'_>>,
    what: (HealthType, i64),
) -> core::result::Result<Portfolio, Refusal> {
    legs.portfolio(&mut Remaining(remaining), what)
}

/// Initial health of a whole account: its position in `market`, its other legs, its quote balance.
///
/// # Errors
/// As [`of_legs`].
pub(crate) fn initial(
    exchange: &Exchange,
    account: &MarginAccount,
    market: Option<&Market>,
    (legs, now): (&mut Iter<'_, AccountInfo<'_>>, i64),
) -> core::result::Result<Health, Refusal> {
    let (what, named) = ((HealthType::Init, now), market.map(|market| market.index));
    let mut sum = of_legs(&Legs { skip_market: named, ..account.legs() }, legs, what)?;
    if let Some((market, position)) = market.and_then(|m| Some((m, account.position_in(m.index)?))) {
        // Whoever changes a position has asked for its price already.
        let leg = Health::of_position_at_stored_price(&market.core, position, what.0)?;
        sum.add_position(leg, market.core.params.risk_group, position)?;
    }
    sum.add(Health::of_quote(account.quote, exchange.quote_weight.at(now), HealthType::Init)?)?;
    Ok(sum.health(&exchange.params.risk_groups)?)
}

/// The accounts that follow the instruction's own, in the order in which they are asked for.
struct Remaining<'w, 'a, 'info>(&'w mut Iter<'a, AccountInfo<'info>>);

impl Directory for Remaining<'_, '_, '_> {
    type Error = Refusal;

    fn market<T>(
        &mut self,
        index: u16,
        read: impl FnOnce(&engine::Market) -> bulwark_engine::Result<T>,
    ) -> core::result::Result<T, Refusal> {
        let market = view::<Market>(self.0.next())?;
        if market.index != index {
            return Err(BulwarkError::WrongAccount.into());
        }
        Ok(read(&market.core)?)
    }

    fn collateral<T>(
        &mut self,
        index: u16,
        read: impl FnOnce(&Collateral) -> bulwark_engine::Result<T>,
    ) -> core::result::Result<T, Refusal> {
        let vault = view::<Vault>(self.0.next())?;
        if vault.index != index {
            return Err(BulwarkError::WrongAccount.into());
        }
        Ok(read(&vault.core)?)
    }
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

/// Writes a zero-copy account of this program in place.
///
/// # Errors
/// As [`view`]; [`BulwarkError::WrongAccount`] for one that was not passed as writable.
pub(crate) fn view_mut<'a, T: Pod + Discriminator>(
    account: Option<&'a AccountInfo<'_>>,
) -> Result<RefMut<'a, T>> {
    let account = account.ok_or(BulwarkError::AccountMissing)?;
    require!(*account.owner == crate::ID && account.is_writable, BulwarkError::WrongAccount);
    let data = account.try_borrow_mut_data().map_err(|_| BulwarkError::DuplicateAccount)?;
    let pod = RefMut::filter_map(data, |data| {
        let (discriminator, body) = data.split_first_chunk_mut::<8>()?;
        if *discriminator != *T::DISCRIMINATOR {
            return None;
        }
        bytemuck::try_from_bytes_mut::<T>(body.get_mut(..size_of::<T>())?).ok()
    });
    pod.map_err(|_| BulwarkError::WrongAccount.into())
}
