//! Attacks on liquidation: whoever tries, gains nothing and stops nobody.

mod bids;
mod clock;
mod collateral;
mod debts;
mod delegates;
mod dips;
mod dust;
mod halted;
mod legs;
mod own_account;
mod own_debt;
mod pressing;
mod refresh;
mod replay;
mod shape;
mod support;
mod toxic;
