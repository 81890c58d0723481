//! Rust client of Bulwark. Without RPC it builds instructions, reads accounts and events, and answers
//! questions about health and price with the engine itself; the feature `rpc` adds a client that fetches, sends and follows.
//!
//! | module | for |
//! |---|---|
//! | [`address`] | where every account is |
//! | [`listings`] | which vaults and markets there are: what instructions need to know of them |
//! | [`instruction`] | every instruction of the program, remaining accounts included |
//! | [`account`] | account bytes to structs, without a copy |
//! | [`health`] | health, PnL and quotes of a margin account |
//! | [`view`] | a margin account as one looks at it, with its liquidation prices |
//! | [`refresh`] | which prices an instruction needs anew, and the instructions that bring them |
//! | [`forecast`] | what a refresh would make of a market or a vault |
//! | [`takeover`] | what a liquidator gets who takes a position over |
//! | [`explain`] | what a governance change would do, for signers to check |
//! | [`event`] | events from transaction logs |
//! | [`sequence`] | events that were missed |
//! | [`units`] | decimal amounts and prices to the integers of the program and back |
//! | `rpc` | an async client over JSON-RPC and websocket, with the feature `rpc` |

pub mod account;
pub mod address;
pub mod event;
pub mod explain;
pub mod forecast;
pub mod health;
pub mod instruction;
pub mod listings;
pub mod refresh;
#[cfg(feature = "rpc")]
pub mod rpc;
pub mod sequence;
pub mod takeover;
pub mod units;
pub mod view;

/// The program of the README is compiled with the others of the documentation.
#[cfg(all(doctest, feature = "rpc"))]
#[doc = include_str!("../README.md")]
pub struct Readme;

pub use anchor_lang::prelude::Pubkey;
pub use anchor_lang::solana_program::instruction::{AccountMeta, Instruction};
pub use bulwark as program;
pub use bulwark_engine as engine;
