//! What a refresh would make of a market or a vault, worked out here by the program's own code.
//!
//! A market holds the price of its last refresh; its oracle may know a newer one. Whoever wants to act at the newer price puts
//! a refresh in front, so what counts for him is the market after it. Nobody has to pay for a refresh only to look.

use anchor_lang::prelude::Pubkey;
use bulwark::oracle::{self, OracleSource};
use bulwark::prices::{self, Seen};
use bulwark::state::{Market, Vault};

/// A clock that programs see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Slot.
    pub slot: u64,
    /// Unix seconds.
    pub now: i64,
}

/// Publish time of the price that an account holds for a source, unix seconds; `None` if it holds none that the source
/// accepts.
#[must_use]
pub fn published(source: &OracleSource, (address, owner, data): (&Pubkey, &Pubkey, &[u8])) -> Option<i64> {
    oracle::read(source, address, owner, data).ok().map(|print| print.publish_time)
}

/// The market after a refresh with these accounts, primary and secondary. `None` if the program would refuse it.
#[must_use]
pub fn market(
    market: &Market,
    (accounts, quote_decimals): ([Option<Seen<'_>>; 2], u8),
    moment: Moment,
) -> Option<Box<Market>> {
    let mut after = Box::new(*market);
    let refreshed = prices::refresh_market(&mut after, (accounts, quote_decimals), (moment.slot, moment.now));
    refreshed.ok().map(|()| after)
}

/// The vault after a refresh with these accounts, primary and secondary. `None` if the program would refuse it.
#[must_use]
pub fn vault(
    vault: &Vault,
    (accounts, quote_decimals): ([Option<Seen<'_>>; 2], u8),
    moment: Moment,
) -> Option<Box<Vault>> {
    let mut after = Box::new(*vault);
    prices::refresh_vault(&mut after, (accounts, quote_decimals), moment.now).ok().map(|()| after)
}
