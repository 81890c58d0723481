//! Simulate, send, confirm.
//!
//! A transaction is simulated first; one that fails there is never sent. Then it is signed and sent, again and again, until
//! it is confirmed or its blockhash has expired. It is signed anew only when the old one can't land any more: the blockhash
//! has expired for *finalized* blocks, and a node that has seen that block does not know the signature. So nothing happens
//! twice, and when nobody can say what happened, [`SendError::Unknown`] says so instead of trying once more.

use std::time::Duration;

use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use solana_hash::Hash;
use solana_message::{AddressLookupTableAccount, VersionedMessage};
use solana_rpc_client_api::config::RpcSimulateTransactionConfig;
use solana_signature::Signature;
use solana_signer::SignerError;
use solana_signer::signers::Signers;
use solana_transaction::versioned::VersionedTransaction;

use crate::event::{Event, ParsedLog, parse_log};

use super::failure::{Failure, Trace};
use super::fees::{FeePolicy, MAX_COMPUTE_UNITS, budget, compute_limit};
use super::pack::{Footprint, PackError, pack};
use super::{Client, SendError};

/// How to send.
#[derive(Clone, Debug)]
pub struct Options {
    /// What to pay for being included early.
    pub fee: FeePolicy,
    /// Lookup tables that shorten the message.
    pub tables: Vec<AddressLookupTableAccount>,
    /// How often to sign anew after a blockhash expired. Two: about four minutes in all.
    pub resigns: u32,
    /// How long to wait between two looks at what became of it.
    pub poll: Duration,
    /// How long the node may fail to answer, once something was sent, before [`SendError::Unknown`].
    pub patience: Duration,
    /// How long one blockhash may take to be included or to expire, before [`SendError::Unknown`]: a chain that stands still, or
    /// was begun anew, does neither.
    pub deadline: Duration,
    /// Whether to wait for the log of a transaction that did what it should: without it the receipt names no events.
    pub log: bool,
}

impl Default for Options {
    fn default() -> Self {
        let (poll, patience, deadline) =
            (Duration::from_millis(400), Duration::from_secs(60), Duration::from_secs(300));
        Self { fee: FeePolicy::None, tables: Vec::new(), resigns: 2, poll, patience, deadline, log: true }
    }
}

impl Options {
    /// With this fee policy.
    #[must_use]
    pub fn with_fee(mut self, fee: FeePolicy) -> Self {
        self.fee = fee;
        self
    }

    /// With these lookup tables.
    #[must_use]
    pub fn with_tables(mut self, tables: impl IntoIterator<Item = AddressLookupTableAccount>) -> Self {
        self.tables = tables.into_iter().collect();
        self
    }
}

/// A transaction that passed its simulation and fits.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Who pays.
    pub payer: Pubkey,
    /// All instructions: compute limit and price first, then the caller's.
    pub instructions: Vec<Instruction>,
    /// How many of them are not the caller's.
    pub extra: usize,
    /// Lookup tables.
    pub tables: Vec<AddressLookupTableAccount>,
    /// Compute units that the simulation used.
    pub simulated_units: u64,
    /// Compute limit.
    pub limit: u32,
    /// Priority fee, micro-lamports per compute unit.
    pub price: Option<u64>,
    /// Bytes and locks, at most: without a price it is a little shorter.
    pub footprint: Footprint,
    /// Slot of the simulation.
    pub slot: u64,
    /// What the simulation's log says: the events that are to be expected.
    pub log: ParsedLog,
}

/// A transaction that did what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Its signature.
    pub signature: Signature,
    /// Slot that included it.
    pub slot: u64,
    /// Compute units it used, if the node says so.
    pub units: Option<u64>,
    /// Its events.
    pub events: Vec<Event>,
    /// Whether these are all its events. `false` if the log was cut, or the node did not give it: read the accounts instead.
    pub complete: bool,
}

impl Prepared {
    /// The message for a blockhash.
    ///
    /// # Errors
    /// [`PackError`], never for what [`Client::prepare`] gave.
    pub fn message(&self, blockhash: Hash) -> Result<VersionedMessage, PackError> {
        pack(&self.payer, &self.instructions, &self.tables, blockhash)
    }

    /// Explains why it failed.
    pub(super) fn failure(
        &self,
        error: solana_transaction_error::TransactionError,
        trace: Trace,
    ) -> SendError {
        SendError::Failed(Box::new(Failure::new(error, &self.instructions, self.extra, trace)))
    }
}

/// Accounts that instructions write, the payer first, each once.
fn writable(payer: &Pubkey, instructions: &[Instruction]) -> Vec<Pubkey> {
    let metas = instructions.iter().flat_map(|instruction| &instruction.accounts);
    let mut keys = vec![*payer];
    for meta in metas.filter(|meta| meta.is_writable) {
        if !keys.contains(&meta.pubkey) {
            keys.push(meta.pubkey);
        }
    }
    keys
}

/// The first signer.
pub(super) fn payer_of(signers: &(impl Signers + ?Sized)) -> Result<Pubkey, SendError> {
    Ok(signers.try_pubkeys()?.first().copied().ok_or(SignerError::NotEnoughSigners)?)
}

impl Client {
    /// Simulates instructions, without signatures, and gives them a compute limit and a price. They must not set a compute
    /// budget themselves.
    ///
    /// # Errors
    /// [`SendError::Failed`] if the simulation failed, [`SendError::Pack`] if it does not fit.
    pub async fn prepare(
        &self,
        instructions: &[Instruction],
        payer: &Pubkey,
        options: &Options,
    ) -> Result<Prepared, SendError> {
        let free = options.fee.pays().then_some(0);
        let mut all = budget(MAX_COMPUTE_UNITS, free);
        let extra = all.len();
        all.extend_from_slice(instructions);
        let message = pack(payer, &all, &options.tables, Hash::default())?;
        let footprint = Footprint::of(&message);
        let mut prepared = Prepared {
            payer: *payer,
            instructions: all,
            extra,
            tables: options.tables.clone(),
            simulated_units: 0,
            limit: MAX_COMPUTE_UNITS,
            price: None,
            footprint,
            slot: 0,
            log: ParsedLog::default(),
        };
        self.simulate(&mut prepared, message).await?;
        prepared.limit = compute_limit(prepared.simulated_units);
        prepared.price = self.fee(options.fee, prepared.limit, &writable(payer, instructions)).await?;
        let budget = budget(prepared.limit, prepared.price);
        prepared.extra = budget.len();
        prepared.instructions.splice(..extra, budget);
        Ok(prepared)
    }

    async fn simulate(&self, prepared: &mut Prepared, message: VersionedMessage) -> Result<(), SendError> {
        let config = RpcSimulateTransactionConfig {
            replace_recent_blockhash: true,
            commitment: Some(self.commitment()),
            ..RpcSimulateTransactionConfig::default()
        };
        let signatures = vec![Signature::default(); usize::from(message.header().num_required_signatures)];
        let transaction = VersionedTransaction { signatures, message };
        let answer = self.rpc.simulate_transaction_with_config(&transaction, config).await?;
        let (slot, result) = (answer.context.slot, answer.value);
        let units = result.units_consumed;
        let logs = result.logs.unwrap_or_default();
        if let Some(error) = result.err {
            return Err(prepared.failure(error.into(), Trace { logs, units, signature: None }));
        }
        prepared.slot = slot;
        prepared.simulated_units = units.unwrap_or(u64::from(MAX_COMPUTE_UNITS));
        prepared.log = parse_log(&logs);
        Ok(())
    }

    /// Simulates, signs, sends and confirms. The first signer pays.
    ///
    /// # Errors
    /// [`SendError`]; after any of them but [`SendError::Unknown`] the transaction has not happened and can't any more.
    pub async fn send(
        &self,
        instructions: &[Instruction],
        signers: &(impl Signers + Sync + ?Sized),
        options: &Options,
    ) -> Result<Receipt, SendError> {
        let payer = payer_of(signers)?;
        let prepared = self.prepare(instructions, &payer, options).await?;
        self.submit(&prepared, signers, options).await
    }
}
