//! The keeper against a local network: a crowd of traders, falling prices, and whoever watches independently of it.

mod crash;
mod day;
mod endpoint;
mod harness;
mod modes;
mod oracle;
mod poison;
mod restarts;
mod rivals;
mod unattended;
