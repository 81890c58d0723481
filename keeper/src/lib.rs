//! Liquidator and crank bot.
//!
//! | module | for |
//! |---|---|
//! | [`act`] | one piece of work: read again, plan, simulate, send |
//! | [`backoff`] | what was refused is not tried again at once |
//! | [`book`] | all margin accounts, judged |
//! | [`cli`] | the command line |
//! | [`config`] | what it is told: file, flags, environment |
//! | [`dispatch`] | which work is under way, and how much of it |
//! | [`earnings`] | what a transaction brings |
//! | [`http`] | `/metrics` and `/healthz` |
//! | [`ledger`] | what was spent in the last hour |
//! | [`metrics`] | what it counts |
//! | [`oracles`] | oracle accounts, and which of them is the freshest |
//! | [`report`] | one look at a cluster: risk, markets, solvency by price shock, own PnL |
//! | [`roles`] | what there is to do, by role, and how |
//! | [`rules`] | what the keeper may do, in quote units |
//! | [`run`] | all of it together |
//! | [`source`] | where it hears from the chain |
//! | [`state`] | the exchange, as stored and as a refresh would make it |
//! | [`work`] | one piece of work |

pub mod act;
pub mod backoff;
pub mod book;
pub mod cli;
pub mod config;
pub mod dispatch;
pub mod earnings;
pub mod http;
pub mod ledger;
pub mod metrics;
pub mod oracles;
pub mod report;
pub mod roles;
pub mod rules;
pub mod run;
pub mod source;
pub mod state;
pub mod work;
