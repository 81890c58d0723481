//! What listing a collateral and listing a market share.

use anchor_lang::prelude::*;
use bulwark_engine::price::{self, OracleParams, OracleState, Selection};
use bytemuck::Zeroable as _;

use crate::errors::{BulwarkError, OrProgramError as _};
use crate::oracle::OracleSource;
use crate::state::read_sources;

/// The first print of a new listing: valid now, both sources in agreement. A listing without one would
/// start its average at zero.
///
/// # Errors
/// Whatever the sources or their judgement refuse.
pub(super) fn first_price(
    sources: &[OracleSource; 2],
    accounts: [Option<&AccountInfo<'_>>; 2],
    decimals: (u8, u8),
    params: &OracleParams,
) -> Result<OracleState> {
    require!(sources.first().is_some_and(OracleSource::is_some), BulwarkError::OracleAccountMissing);
    let readings = read_sources(sources, accounts, decimals)?;
    let now = Clock::get()?.unix_timestamp;
    let selection = price::select(&OracleState::zeroed(), params, readings, now).or_error()?;
    let two = sources.iter().all(OracleSource::is_some);
    let reading = match selection {
        Selection::Agreed(reading, _) => reading,
        Selection::Primary(reading) if !two => reading,
        Selection::Divergent(_) => return err!(BulwarkError::PriceDivergent),
        Selection::Primary(_) | Selection::Secondary(_) => return err!(BulwarkError::NoValidSource),
    };
    let mut oracle = OracleState::first(&reading);
    oracle.accept(selection, params).or_error()?;
    Ok(oracle)
}

/// Takes the next index.
///
/// # Errors
/// [`BulwarkError::TooManyListings`] after 2^16 of them.
pub(super) fn next_index(count: &mut u16) -> Result<u16> {
    let index = *count;
    *count = index.checked_add(1).ok_or(BulwarkError::TooManyListings)?;
    Ok(index)
}
