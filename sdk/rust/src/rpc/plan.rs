//! The refreshes that instructions need, in front of them: in one transaction if it fits, in earlier ones otherwise.

use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use solana_hash::Hash;
use solana_message::AddressLookupTableAccount;
use solana_signer::signers::Signers;

use super::context::Context;
use super::fees::{FeePolicy, MAX_COMPUTE_UNITS, budget};
use super::pack::{PackError, pack};
use super::send::{Options, Receipt};
use super::{Client, SendError};

/// What a transaction is packed with.
#[derive(Clone, Copy, Debug)]
pub struct Packing<'a> {
    /// Who pays.
    pub payer: Pubkey,
    /// Lookup tables.
    pub tables: &'a [AddressLookupTableAccount],
    /// Whether it sets a price, which takes room.
    pub fee: FeePolicy,
}

impl Packing<'_> {
    /// Whether instructions fit into one transaction, compute budget included.
    ///
    /// # Errors
    /// [`PackError`], which says by how much they don't.
    pub fn fits(&self, instructions: &[Instruction]) -> Result<(), PackError> {
        let mut all = budget(MAX_COMPUTE_UNITS, self.fee.pays().then_some(0));
        all.extend_from_slice(instructions);
        pack(&self.payer, &all, self.tables, Hash::default()).map(drop)
    }
}

/// Transactions, to be sent in order, each the last one's successor: the last one does `main`, with as many of the first
/// `refreshes` in front as fit; the others go ahead of it. So what stands first is refreshed last: a trade's own market.
///
/// # Errors
/// [`PackError`] if `main` does not fit by itself.
pub fn split(
    packing: Packing<'_>,
    refreshes: &[Instruction],
    main: &[Instruction],
) -> Result<Vec<Vec<Instruction>>, PackError> {
    let with = |count: usize| [refreshes.get(..count).unwrap_or_default(), main].concat();
    let fits = |count: &usize| packing.fits(&with(*count)).is_ok();
    packing.fits(main)?;
    let near = (0..=refreshes.len()).rev().find(fits).unwrap_or(0);
    let mut transactions: Vec<Vec<Instruction>> = Vec::new();
    for refresh in refreshes.iter().skip(near) {
        if let Some(last) = transactions.last_mut() {
            last.push(refresh.clone());
            if packing.fits(last).is_ok() {
                continue;
            }
            last.pop();
        }
        packing.fits(std::slice::from_ref(refresh))?;
        transactions.push(vec![refresh.clone()]);
    }
    transactions.push(with(near));
    Ok(transactions)
}

impl Client {
    /// Sends instructions that need the margin of the context's account, with the refreshes that it needs in front: of
    /// `traded`, if that is a market, and of all that is old. Usually one transaction; earlier ones, for what did not fit,
    /// only refresh, so nothing is lost when a later one fails. The receipt is of the last one.
    ///
    /// # Errors
    /// [`SendError`], like [`Client::send`].
    pub async fn send_refreshed(
        &self,
        (context, traded): (&Context, Option<u16>),
        instructions: &[Instruction],
        signers: &(impl Signers + Sync + ?Sized),
        options: &Options,
    ) -> Result<Receipt, SendError> {
        let refreshes = context.snapshot().refresh_account(&context.account, traded)?;
        self.send_after(&refreshes, instructions, signers, options).await
    }

    /// Sends instructions with refreshes in front, such as those of [`crate::health::Snapshot::refresh_pool`], like
    /// [`Client::send_refreshed`].
    ///
    /// # Errors
    /// [`SendError`], like [`Client::send`].
    pub async fn send_after(
        &self,
        refreshes: &[Instruction],
        instructions: &[Instruction],
        signers: &(impl Signers + Sync + ?Sized),
        options: &Options,
    ) -> Result<Receipt, SendError> {
        let payer = super::send::payer_of(signers)?;
        let packing = Packing { payer, tables: &options.tables, fee: options.fee };
        let mut transactions = split(packing, refreshes, instructions)?;
        let last = transactions.pop().unwrap_or_default();
        for ahead in &transactions {
            self.send(ahead, signers, options).await.map_err(|error| error.behind(ahead.len()))?;
        }
        let in_front = last.len().saturating_sub(instructions.len());
        self.send(&last, signers, options).await.map_err(|error| error.behind(in_front))
    }
}

impl SendError {
    /// Numbers instructions as the caller does, who did not see so many in front.
    fn behind(mut self, in_front: usize) -> Self {
        if let Self::Failed(failure) = &mut self {
            failure.instruction = failure.instruction.and_then(|index| index.checked_sub(in_front));
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use anchor_lang::prelude::AccountMeta;
    use serde_json::json;
    use solana_keypair::Keypair;

    use super::*;
    use crate::rpc::fake::{Chain, FakeNode};

    fn naming(accounts: usize) -> Instruction {
        let keys = (0..accounts).map(|_| AccountMeta::new(Pubkey::new_unique(), false));
        Instruction { program_id: crate::address::PROGRAM, accounts: keys.collect(), data: vec![0; 8] }
    }

    fn packing() -> Packing<'static> {
        Packing { payer: Pubkey::new_unique(), tables: &[], fee: FeePolicy::None }
    }

    #[test]
    fn what_fits_stays_together_in_order() {
        let (refreshes, main) = (vec![naming(2), naming(2)], vec![naming(3)]);
        let whole = split(packing(), &refreshes, &main).unwrap();
        assert_eq!(whole, [[refreshes, main].concat()]);
    }

    #[test]
    fn what_does_not_fit_goes_ahead_and_the_first_refresh_stays() {
        // 1,232 bytes hold 32 keys or so, of which payer, program and budget take three.
        let refreshes: Vec<Instruction> = (0..20).map(|_| naming(4)).collect();
        let main = vec![naming(10)];
        let parts = split(packing(), &refreshes, &main).unwrap();
        let packing = packing();
        assert!(parts.iter().all(|part| packing.fits(part).is_ok()));
        let (last, ahead) = parts.split_last().unwrap();
        assert_eq!((&last[0], last.last()), (&refreshes[0], main.last()));
        let near = last.len() - 1;
        assert_eq!(ahead.concat(), refreshes[near..], "each refresh once, in order");
        let fuller = [&refreshes[..=near], &main[..]].concat();
        assert!(packing.fits(&fuller).is_err(), "no more would have fitted");
    }

    #[tokio::test]
    async fn a_failure_names_the_callers_instruction() {
        for (failed, named) in [(1, None), (2, None), (3, Some(0)), (4, Some(1))] {
            // The compute limit is instruction 0, the refreshes are 1 and 2.
            let error = json!({ "InstructionError": [failed, { "Custom": 7 }] });
            let (_, client) = FakeNode::client(Chain { simulation: Some(error), ..Chain::default() });
            let (refreshes, main) = ([naming(1), naming(1)], [naming(2), naming(2)]);
            let sent = client.send_after(&refreshes, &main, &[&Keypair::new()], &Options::default()).await;
            let Err(SendError::Failed(failure)) = sent else { panic!("{sent:?}") };
            assert_eq!(failure.instruction, named);
        }
    }

    #[test]
    fn what_never_fits_is_refused() {
        assert!(split(packing(), &[], &[naming(40)]).is_err());
        assert!(split(packing(), &[naming(40)], &[naming(1)]).is_err());
        assert_eq!(split(packing(), &[], &[naming(1)]).unwrap().len(), 1);
    }
}
