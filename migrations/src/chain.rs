//! What is asked of a cluster.

use anchor_lang::Discriminator;
use bulwark_sdk::account::decode_copy;
use bulwark_sdk::{Instruction, Pubkey, address};
use bytemuck::Pod;
use solana_account::Account;
use solana_hash::Hash;
use solana_keypair::Keypair;
use thiserror::Error;

/// Why a cluster did not do it.
#[derive(Debug, Error)]
pub enum ChainError {
    /// It can't be reached, or gave no answer.
    #[error("{0}")]
    Unreachable(String),
    /// It refused a transaction.
    #[error("the transaction was refused: {error}{}", tail(logs))]
    Refused {
        /// What it said.
        error: String,
        /// The transaction's log, as far as there is one.
        logs: Vec<String>,
    },
    /// It is not the one that the file is for.
    #[error(
        "this is another cluster: its genesis hash is {found}, the file is for {wanted} (cluster.genesis)"
    )]
    OtherCluster {
        /// Its genesis hash.
        found: Hash,
        /// The file's.
        wanted: Hash,
    },
    /// An account is not what it should be.
    #[error("{address}: {error}")]
    BadAccount {
        /// Where.
        address: Pubkey,
        /// What is wrong.
        error: String,
    },
}

/// The last lines of a log.
fn tail(logs: &[String]) -> String {
    logs.iter().skip(logs.len().saturating_sub(4)).map(|line| format!("\n  {line}")).collect()
}

/// A transaction to be sent.
#[derive(Clone, Debug)]
pub struct Batch<'a> {
    /// Instructions.
    pub instructions: Vec<Instruction>,
    /// Who may have to sign; the first one pays the fee. Each signs once, however often it is named, and nobody in vain.
    pub signers: Vec<&'a Keypair>,
}

/// A cluster.
#[expect(async_fn_in_trait, reason = "everything here awaits where it is called; nothing is spawned")]
pub trait Chain {
    /// What tells this cluster from every other one.
    ///
    /// # Errors
    /// [`ChainError::Unreachable`].
    async fn genesis(&self) -> Result<Hash, ChainError>;

    /// Accounts, in the order in which they are asked for.
    ///
    /// # Errors
    /// [`ChainError::Unreachable`].
    async fn accounts(&self, addresses: &[Pubkey]) -> Result<Vec<Option<Account>>, ChainError>;

    /// All accounts of the program that are of a type.
    ///
    /// # Errors
    /// [`ChainError::Unreachable`], [`ChainError::BadAccount`].
    async fn all<T: Pod + Discriminator>(&self) -> Result<Vec<(Pubkey, Box<T>)>, ChainError>;

    /// Sends a transaction and waits until it is confirmed.
    ///
    /// # Errors
    /// [`ChainError::Refused`], [`ChainError::Unreachable`].
    async fn send(&self, batch: Batch<'_>) -> Result<(), ChainError>;

    /// Sends transactions that do not depend on each other. Returns when all are confirmed.
    ///
    /// # Errors
    /// The first one's; others may have gone through.
    async fn send_all(&self, batches: Vec<Batch<'_>>) -> Result<(), ChainError> {
        for batch in batches {
            self.send(batch).await?;
        }
        Ok(())
    }
}

/// Decodes an account of the program.
///
/// # Errors
/// [`ChainError::BadAccount`].
pub(crate) fn decode<T: Pod + Discriminator>(
    address: Pubkey,
    account: &Account,
) -> Result<Box<T>, ChainError> {
    if account.owner != address::PROGRAM {
        let error = format!("it belongs to the program {}, not to the exchange's", account.owner);
        return Err(ChainError::BadAccount { address, error });
    }
    decode_copy(&account.data).map_err(|error| ChainError::BadAccount { address, error: error.to_string() })
}
