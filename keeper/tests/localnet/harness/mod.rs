//! What the tests are made of.
//!
//! | module | for |
//! |---|---|
//! | [`stage`] | a network, a client, and bystanders |
//! | [`crowd`] | margin accounts by the hundred |
//! | [`crash`] | prices that fall in small steps |
//! | [`keeper`] | a keeper in this process |
//! | [`process`] | a keeper in one of its own |
//! | [`reading`] | what a keeper counts |
//! | [`observer`] | who was in trouble, from when to when, told by the chain and not by the keeper |

pub mod crash;
pub mod crowd;
pub mod keeper;
pub mod observer;
pub mod process;
pub mod reading;
pub mod stage;
