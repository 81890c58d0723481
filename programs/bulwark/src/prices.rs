//! From the configured oracle accounts to what they say together: what refreshing and listing share. A refresh can be worked
//! out off the chain, too: [`refresh_market`] and [`refresh_vault`] take the accounts as they were read.

use anchor_lang::prelude::*;
use bulwark_engine::price::{self, OracleParams, OracleState, Reading, Selection};
use bytemuck::Zeroable as _;

use crate::errors::{BulwarkError, OrProgramError as _};
use crate::oracle::{self, OracleSource};
use crate::state::{Market, Vault};

/// Primary and optional secondary oracle account.
pub(crate) type Accounts<'a, 'info> = [Option<&'a AccountInfo<'info>>; 2];

/// An oracle account as it was read.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Address.
    pub address: &'a Pubkey,
    /// Program that owns it.
    pub owner: &'a Pubkey,
    /// Data.
    pub data: &'a [u8],
}

/// Looks into accounts of a transaction.
///
/// # Errors
/// What `ask` says; never because of the accounts, which nobody else has borrowed.
pub(crate) fn look<T>(
    [primary, secondary]: Accounts<'_, '_>,
    ask: impl FnOnce([Option<Seen<'_>>; 2]) -> Result<T>,
) -> Result<T> {
    let first = primary.map(|account| account.try_borrow_data()).transpose()?;
    let second = secondary.map(|account| account.try_borrow_data()).transpose()?;
    ask([seen(primary, first.as_deref()), seen(secondary, second.as_deref())])
}

fn seen<'a>(account: Option<&'a AccountInfo<'_>>, data: Option<&'a &mut [u8]>) -> Option<Seen<'a>> {
    let (account, data) = account.zip(data)?;
    Some(Seen { address: account.key, owner: account.owner, data })
}

/// Takes the sources' prices into a market at `slot` and `now`: carry accrues, volatility and margin follow.
///
/// # Errors
/// An account that is not the configured one, or whatever [`price::select`] and
/// [`bulwark_engine::market::Market::refresh`] refuse; then the market may be half changed.
pub fn refresh_market(
    market: &mut Market,
    (accounts, quote_decimals): ([Option<Seen<'_>>; 2], u8),
    (slot, now): (u64, i64),
) -> Result<()> {
    let decimals = (quote_decimals, market.core.params.lot_decimals);
    let stored = (&market.core.oracle, &market.core.params.oracle);
    let selection = select(stored, &market.sources, (accounts, decimals), now)?;
    market.core.refresh(selection, now).or_error()?;
    market.core.watch_exposure(slot).or_error()
}

/// Takes the sources' prices into a vault at `now`.
///
/// # Errors
/// As [`refresh_market`].
pub fn refresh_vault(
    vault: &mut Vault,
    (accounts, quote_decimals): ([Option<Seen<'_>>; 2], u8),
    now: i64,
) -> Result<()> {
    let (decimals, params) = ((quote_decimals, vault.decimals), vault.core.params.oracle);
    let selection = select((&vault.core.oracle, &params), &vault.sources, (accounts, decimals), now)?;
    vault.core.oracle.accept(selection, &params).or_error()
}

/// What the sources say to a stored price at `now`.
fn select(
    (oracle, params): (&OracleState, &OracleParams),
    sources: &[OracleSource; 2],
    (accounts, decimals): ([Option<Seen<'_>>; 2], (u8, u8)),
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
    let readings = look(accounts, |seen| read(sources, seen, decimals))?;
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
    accounts: [Option<Seen<'_>>; 2],
    (quote_decimals, lot_decimals): (u8, u8),
) -> Result<[Option<Reading>; 2]> {
    let (mut readings, mut failure) = ([None, None], None);
    for ((reading, source), account) in readings.iter_mut().zip(sources).zip(accounts) {
        let Some(account) = account else {
            require!(!source.is_some(), BulwarkError::OracleAccountMissing);
            continue;
        };
        require!(source.is_some(), BulwarkError::OracleNotConfigured);
        let print =
            oracle::read(source, account.address, account.owner, account.data).map_err(BulwarkError::from);
        let normal = |p| price::normalise(&p, quote_decimals, lot_decimals).map_err(BulwarkError::from);
        let pinned = source.pins_address() && source.feed == account.address.to_bytes();
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
