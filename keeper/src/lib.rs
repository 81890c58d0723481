//! Liquidator and crank bot.
