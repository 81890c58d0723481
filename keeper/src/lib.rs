//! Liquidator and crank bot.

pub mod oracles;
pub mod source;
pub mod state;
