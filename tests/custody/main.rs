//! Custody: listing, margin accounts, tokens in and out, pool liquidity and the audit, over the program as
//! compiled. One file per capability; `support` and `instances` hold what they share.

mod allocation;
mod bad_accounts;
mod deposit;
mod empty_markets;
mod governance_instances;
mod initialize;
mod instances;
mod invariants;
mod liquidity;
mod liquidity_instances;
mod listing;
mod margin_accounts;
mod most_markets;
mod outflow;
mod outflow_attacks;
mod parameter_bounds;
mod pause;
mod provider;
mod redeem;
mod redeem_gates;
mod redeem_tickets;
mod redeem_window;
mod share_values;
mod support;
mod token_accounts;
mod tranches;
mod vault_limits;
mod withdraw;
mod withdraw_margin;
