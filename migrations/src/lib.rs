//! Deploys Bulwark on a cluster, initialises it, and keeps its parameters as one risk file says.
//!
//! Nothing is kept between runs. Every run reads the chain, compares it with the file and works out what is missing;
//! what is there already is left alone, and a run that failed half way is simply run again. What only governance may
//! decide is written as proposals, and carried out by a later run once their delay is over.
//!
//! | module | for |
//! |---|---|
//! | [`mod@file`] | the risk file: every mistake in it with line and column |
//! | [`cluster`] | which cluster a file is for |
//! | [`party`] | who signs: key pairs, or addresses of whom nobody has the key here |
//! | [`chain`] | what is asked of a cluster; [`rpc`] asks it over JSON-RPC |
//! | [`state`] | what is on the chain |
//! | [`program`] | the program's bytes: compare, upload, deploy, upgrade |
//! | [`mod@plan`] | what is left to do |
//! | [`mod@apply`] | doing it |

pub mod apply;
pub mod chain;
pub mod cluster;
pub mod file;
pub mod party;
pub mod plan;
pub mod program;
pub mod rpc;
pub mod state;

mod begin;
mod bounds;
mod document;
mod fields;
mod gradual;
mod proposals;
mod show;
mod sources;
mod wants;

pub use apply::{Applied, apply};
pub use chain::{Chain, ChainError};
pub use file::RiskFile;
pub use party::{Parties, Party};
pub use plan::{Options, Plan, plan};
