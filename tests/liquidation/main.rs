//! Auctions, the waterfall, deleveraging, settlement and the backstop of the compiled program, through the SDK.

mod access;
mod auctions;
mod backstop;
mod bankruptcy;
mod collateral;
mod coverage;
mod deleveraging;
mod instances;
mod legs;
mod rebalancing;
mod settlement;
mod settlement_debts;
mod story;
mod support;
mod takers;
mod to_pool;
mod waterfall;
