//! Where the keeper hears from the chain: everything there is, once, and then every change of it.
//!
//! A source may miss something: a connection breaks, a node skips. Then it says [`Notice::Gap`], and the keeper takes another
//! snapshot; what it held back meanwhile only costs time, for whatever is done is judged by fresh accounts again. Another kind
//! of source, such as a gRPC stream of a validator's plugin, implements [`Source`].

mod rpc;

use std::fmt::Debug;

use bulwark_sdk::Pubkey;

pub use rpc::RpcSource;

/// An account of the program, of whatever type.
pub type Account = (Pubkey, Vec<u8>);

/// All accounts of the program.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Slot that none of them is older than.
    pub slot: u64,
    /// The accounts.
    pub accounts: Vec<Account>,
}

/// What a source says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// An account has changed.
    Changed {
        /// Slot that the content is of.
        slot: u64,
        /// Address and data.
        account: Account,
    },
    /// Something may have been missed.
    Gap,
    /// There is nothing more to come.
    End,
}

/// Accounts of the program as they change.
pub trait Source: Send {
    /// Takes a snapshot in the background.
    fn snapshot(&self) -> impl Future<Output = anyhow::Result<Snapshot>> + Send + 'static;

    /// The next notice; waits for it. Nothing is lost when the future is dropped.
    fn next(&mut self) -> impl Future<Output = Notice> + Send;
}
