//! Bulwark's risk engine.
//!
//! Everything that decides about money lives here: pricing, positions, the ladder of winners, margin and
//! limits. The crate is pure and total. It knows no blockchain, no clock, no allocation and no floating
//! point; every operation either returns a report of what it moved or an [`EngineError`]. After an error
//! the caller must discard what it passed as `&mut`, as a failed transaction does: it may be half changed.
//!
//! Rounding goes against the account that acts and in favour of the venue, unless a function says
//! otherwise. Invariants are numbered I1–I18; those that these modules decide (I2, I3, I6–I13, I15–I17) have
//! property tests named after them under `tests/`.
//!
//! | module | its one idea |
//! |---|---|
//! | [`units`] | a newtype per unit; conversions round by name |
//! | [`wide`] | products wider than 64 bits, divided with a named rounding |
//! | [`decay`] | how much of the past is left after `dt` |
//! | [`price`] | from an oracle's print to a price that may be used, and for what |
//! | [`volatility`] | margin and spread follow volatility |
//! | [`carry`] | what it costs to hold a position: funding and borrow |
//! | [`position`] | a position is two numbers |
//! | [`ladder`] | who is in profit, known without a list of accounts |
//! | [`book`] | a market owes its traders `T(P)` and owns `cash` |
//! | [`fill`] | a fill is priced by the integral of a clamped line |
//! | [`market`] | one market: parameters, price and book together |
//! | [`trade`] | increase, decrease, settle: the only ways a position changes |
//! | [`debt`] | a loss that was booked but not paid is not money |
//! | [`auction`] | a liquidation is an auction that ends in seconds |
//! | [`backstop`] | stake that stands behind every market |
//! | [`liquidation`] | a position in trouble changes hands, or goes back to the pool |
//! | [`sale`] | a collateral is sold for quote, by the account it stands for |
//! | [`bankruptcy`] | when an account has nothing left to pay with |
//! | [`waterfall`] | who pays for a loss that margin did not cover |
//! | [`coverage`] | risk may not outgrow what stands behind it |
//! | [`deleverage`] | exposure is reduced before it becomes a loss |
//! | [`settlement`] | a market that owes more than it has pays everybody the same part |
//! | [`trigger`] | orders that wait for a price |
//! | [`collateral`] | a token that backs an account counts less the more of it there is |
//! | [`outflow`] | tokens leave a vault at a bounded rate |
//! | [`margin`] | an account is worth a sum, and needs a sum |
//! | [`allocation`] | pool money goes where its target says, and a loss is not refilled |
//! | [`audit`] | what a market's account and its members' must agree on |
//! | [`limits`] | what may grow, and how far |
//! | [`tighten`] | which way is safe, for every parameter, and how far one change may go |
//! | [`governance`] | when governance may act, and for how long it may stop anybody |
//! | [`pool`] | two tranches: one takes the losses, one the coupon |
#![cfg_attr(not(feature = "idl-build"), no_std)]

pub mod allocation;
pub mod auction;
pub mod audit;
pub mod backstop;
pub mod bankruptcy;
pub mod book;
pub mod carry;
pub mod collateral;
pub mod coverage;
pub mod debt;
pub mod decay;
pub mod deleverage;
pub mod error;
pub mod fill;
pub mod governance;
pub mod ladder;
pub mod limits;
pub mod liquidation;
pub mod margin;
pub mod market;
pub mod outflow;
pub mod pool;
pub mod position;
pub mod price;
pub mod sale;
pub mod settlement;
pub mod tighten;
pub mod trade;
pub mod trigger;
pub mod units;
pub mod volatility;
pub mod waterfall;
pub mod wide;

pub use error::EngineError;

/// Result of an engine operation.
pub type Result<T> = core::result::Result<T, EngineError>;
