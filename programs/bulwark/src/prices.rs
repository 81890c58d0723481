//! From the configured oracle accounts to what they say together: what refreshing and listing share.

use anchor_lang::prelude::*;
use bulwark_engine::price::{self, OracleParams, OracleState, Reading, Selection};
use bytemuck::Zeroable as _;

use crate::errors::{BulwarkError, OrProgramError as _};
use crate::oracle::{self, OracleSource};

/// Primary and optional secondary oracle account.
pub(crate) type Accounts<'a, 'info> = [Option<&'a AccountInfo<'info>>; 2];

/// What the sources say to a stored price at `now`.
///
/// # Errors
/// An account that is not the configured one, or whatever [`price::select`] refuses.
pub(crate) fn select(
    (oracle, params): (&OracleState, &OracleParams),
    sources: &[OracleSource; 2],
    (accounts, decimals): (Accounts<'_, '_>, (u8, u8)),
    now: i64,
) -> Result<Selection> {
    let readings = read(sources, accounts, decimals)?;
    let known = oracle.trusting(sources.map(|s| s.pins_address()));
    price::select(&known, params, readings, now).or_error()
}

/// What sources say that nobody has asked before: valid now, and all that are configured in agreement.
///
/// # Errors
/// Whatever the sources or their judgement refuse.
pub(crate) fn agreed(
    sources: &[OracleSource; 2],
    (accounts, decimals): (Accounts<'_, '_>, (u8, u8)),
    params: &OracleParams,
    now: i64,
) -> Result<Selection> {
    require!(sources.first().is_some_and(OracleSource::is_some), BulwarkError::OracleAccountMissing);
    let readings = read(sources, accounts, decimals)?;
    let selection = price::select(&OracleState::zeroed(), params, readings, now).or_error()?;
    let two = sources.iter().all(OracleSource::is_some);
    match selection {
        Selection::Agreed(..) => Ok(selection),
        Selection::Primary(_) if !two => Ok(selection),
        Selection::Divergent(_) => err!(BulwarkError::PriceDivergent),
        Selection::Primary(_) | Selection::Secondary(_) => err!(BulwarkError::NoValidSource),
    }
}

/// The first print of a new listing. A listing without one would start its average at zero.
///
/// # Errors
/// As [`agreed`].
pub(crate) fn first(
    sources: &[OracleSource; 2],
    accounts: (Accounts<'_, '_>, (u8, u8)),
    params: &OracleParams,
) -> Result<OracleState> {
    let selection = agreed(sources, accounts, params, Clock::get()?.unix_timestamp)?;
    OracleState::of(selection, params).or_error()
}

/// Reads a primary and an optional secondary oracle account. Both must be passed when both are configured:
/// the program decides which one counts.
///
/// # Errors
/// A missing or unexpected secondary account; an account that is not the configured one. A genuine account
/// without a usable price counts as absent.
fn read(
    sources: &[OracleSource; 2],
    accounts: Accounts<'_, '_>,
    (quote_decimals, lot_decimals): (u8, u8),
) -> Result<[Option<Reading>; 2]> {
    let (mut readings, mut failure) = ([None, None], None);
    for ((reading, source), account) in readings.iter_mut().zip(sources).zip(accounts) {
        let Some(account) = account else {
            require!(!source.is_some(), BulwarkError::OracleAccountMissing);
            continue;
        };
        require!(source.is_some(), BulwarkError::OracleNotConfigured);
        let data = account.try_borrow_data()?;
        let print = oracle::read(source, account.key, account.owner, &data).map_err(BulwarkError::from);
        let normal = |p| price::normalise(&p, quote_decimals, lot_decimals).map_err(BulwarkError::from);
        let pinned = source.pins_address() && source.feed == account.key.to_bytes();
        match print.and_then(normal) {
            Ok(print) => *reading = Some(print),
            // Whatever is wrong with the account that was asked for, the caller could pass no other.
            Err(error) if pinned || is_silence(error) => failure = failure.or(Some(error)),
            Err(error) => return Err(error.into()),
        }
    }
    match (readings, failure) {
        ([None, None], Some(error)) => Err(error.into()),
        _ => Ok(readings),
    }
}

/// Whether the source itself gave no price, as opposed to somebody passing the wrong account.
fn is_silence(error: BulwarkError) -> bool {
    use BulwarkError::{OracleNonPositivePrice, OracleNotTrading, PriceOutOfRange};
    matches!(error, OracleNotTrading | OracleNonPositivePrice | PriceOutOfRange)
}
