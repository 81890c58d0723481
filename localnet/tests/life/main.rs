//! End to end over JSON-RPC and websocket: each test has a network of its own, whose clock and prices it moves.

mod actor;
mod governance;
mod liquidation;
mod network;
mod redemption;
mod stream;
mod trading;
