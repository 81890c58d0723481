//! What the program stores: one account type per file.
//!
//! All are zero-copy: `repr(C)` pods without implicit padding, read and written in place. Layouts are part
//! of the interface; sizes are asserted at compile time in each file.

mod exchange;
mod insurance_fund;
mod margin_account;
mod market;
mod pool;
mod vault;

pub use exchange::{Exchange, Pause};
pub use insurance_fund::InsuranceFund;
pub use margin_account::MarginAccount;
pub use market::{Market, MarketStatus};
pub use pool::{Pool, Tranche};
pub use vault::Vault;

use anchor_lang::prelude::*;

use crate::errors::BulwarkError;
use crate::oracle::{self, OracleSource};
use bulwark_engine::price::{self, Reading};

/// Layout version that this program writes.
pub const VERSION: u8 = 1;

/// The number of an account's next event.
///
/// # Errors
/// Never in practice: after 2^64 events.
pub(crate) fn next(sequence: &mut u64) -> Result<u64> {
    let number = *sequence;
    *sequence = number.checked_add(1).ok_or(BulwarkError::Overflow)?;
    Ok(number)
}

/// Reads a primary and an optional secondary oracle account. Both must be passed when both are configured:
/// the program decides which one counts.
///
/// # Errors
/// A missing or unexpected secondary account; an account that is not the configured one. A genuine account
/// without a usable price counts as absent.
pub(crate) fn read_sources(
    sources: &[OracleSource; 2],
    accounts: [Option<&AccountInfo<'_>>; 2],
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
