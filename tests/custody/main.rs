//! Custody: listing, margin accounts, tokens in and out, pool liquidity and the audit, over the program as
//! compiled. One file per capability; `support` and `instances` hold what they share.

mod allocation;
mod bad_accounts;
mod deposit;
mod initialize;
mod instances;
mod invariants;
mod liquidity;
mod listing;
mod margin_accounts;
mod pause;
mod support;
mod token_accounts;
mod withdraw;
mod withdraw_margin;
