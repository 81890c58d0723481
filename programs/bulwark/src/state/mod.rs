//! What the program stores: one account type per file.
//!
//! All are zero-copy: `repr(C)` pods without implicit padding, read and written in place. Layouts are part
//! of the interface; sizes are asserted at compile time in each file.

mod change;
mod exchange;
mod insurance_fund;
mod margin_account;
mod market;
mod pool;
mod redeem_ticket;
mod unstake_ticket;
mod vault;

pub use change::{Change, ChangePayload};
pub use exchange::{Exchange, Pause};
pub use insurance_fund::InsuranceFund;
pub use margin_account::MarginAccount;
pub use market::{Market, MarketStatus};
pub use pool::Pool;
pub use redeem_ticket::RedeemTicket;
pub use unstake_ticket::UnstakeTicket;
pub use vault::Vault;

use anchor_lang::prelude::*;

use crate::errors::BulwarkError;

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

/// Takes the next index of a listing.
///
/// # Errors
/// [`BulwarkError::TooManyListings`] after 2^16 of them.
pub(crate) fn next_index(count: &mut u16) -> Result<u16> {
    let index = *count;
    *count = index.checked_add(1).ok_or(BulwarkError::TooManyListings)?;
    Ok(index)
}
