//! Prices, trades, claims, health and events of the compiled program, through the SDK.

mod absent;
mod attacks;
mod authority;
mod average;
mod claims;
mod disputes;
mod feeds;
mod fills;
mod limits;
mod margin;
mod preview;
mod quote_price;
mod refusals;
mod replay;
mod round_trips;
mod shape;
mod sources;
mod story;
mod support;
mod unwinds;
mod validity;
