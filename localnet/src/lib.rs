//! A whole Bulwark on this machine.
//!
//! [`Localnet::start`] starts a Solana endpoint (Surfpool behind two ports of ours), puts the compiled program, tokens
//! and funded wallets on it, makes the exchange what `migrations/localnet.toml` says by the library that does so on any
//! cluster, gives the pool money, and keeps the oracles moving. Tests and the keeper use the same as `make localnet`.
//!
//! | module | for |
//! |---|---|
//! | [`endpoint`] | the process with the endpoint: started, controlled, ended |
//! | [`cheats`] | what only a local endpoint allows: any account, any time |
//! | [`oracles`] | prices: they walk by themselves, stand where a test puts them, or freeze |
//! | [`wallets`] | who is funded, and the files with their keys |
//! | [`network`] | all of it together |
//! | [`control`] | commands for one that runs |

pub mod cheats;
pub mod control;
pub mod endpoint;
pub mod network;
pub mod oracles;
pub mod wallets;

mod stage;

pub use network::{Description, Localnet, Options};
pub use oracles::Oracles;
pub use wallets::{Wallet, Wallets};
