//! Instructions to a message: does it fit?

use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use solana_hash::Hash;
use solana_message::{AddressLookupTableAccount, VersionedMessage, v0};
use thiserror::Error;

/// Most bytes of a transaction.
pub const MAX_BYTES: usize = 1_232;
/// Most accounts that a transaction may lock, those from lookup tables included.
pub const MAX_LOCKS: usize = 64;
const SIGNATURE_BYTES: usize = 64;

/// What a transaction takes of what it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// Bytes, signatures included, of [`MAX_BYTES`].
    pub bytes: usize,
    /// Accounts, of [`MAX_LOCKS`].
    pub locks: usize,
}

/// Why instructions make no transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PackError {
    /// Too long.
    #[error(
        "the transaction is {bytes} bytes long, {} too many: pass a lookup table, or split it",
        bytes.saturating_sub(MAX_BYTES)
    )]
    TooLong {
        /// Bytes it would have.
        bytes: usize,
    },
    /// Too many accounts.
    #[error(
        "the transaction locks {locks} accounts, {} too many: split it",
        locks.saturating_sub(MAX_LOCKS)
    )]
    TooManyLocks {
        /// Accounts it would lock.
        locks: usize,
    },
    /// More accounts than a message can number.
    #[error("the instructions name more than 256 accounts: split them")]
    TooManyKeys,
}

impl Footprint {
    /// Of a message, with the signatures it asks for.
    #[must_use]
    pub fn of(message: &VersionedMessage) -> Self {
        let signatures = usize::from(message.header().num_required_signatures);
        let looked_up = message.address_table_lookups().unwrap_or_default();
        let looked_up: usize =
            looked_up.iter().map(|table| table.writable_indexes.len() + table.readonly_indexes.len()).sum();
        // One byte says how many signatures there are: there is room for fewer than 128.
        let bytes = 1 + signatures * SIGNATURE_BYTES + message.serialize().len();
        Self { bytes, locks: message.static_account_keys().len() + looked_up }
    }

    /// Whether a transaction may be that large.
    ///
    /// # Errors
    /// [`PackError`], which says by how much it is too large.
    pub fn check(self) -> Result<Self, PackError> {
        match self {
            Self { bytes, .. } if bytes > MAX_BYTES => Err(PackError::TooLong { bytes }),
            Self { locks, .. } if locks > MAX_LOCKS => Err(PackError::TooManyLocks { locks }),
            fits => Ok(fits),
        }
    }
}

/// A version 0 message; accounts that a table holds take one byte each instead of 32. Tables that save nothing are left out.
///
/// # Errors
/// [`PackError`] if it does not fit into a transaction.
pub fn pack(
    payer: &Pubkey,
    instructions: &[Instruction],
    tables: &[AddressLookupTableAccount],
    blockhash: Hash,
) -> Result<VersionedMessage, PackError> {
    let message = v0::Message::try_compile(payer, instructions, tables, blockhash);
    let message = VersionedMessage::V0(message.map_err(|_| PackError::TooManyKeys)?);
    Footprint::of(&message).check()?;
    Ok(message)
}

#[cfg(test)]
mod tests {
    use anchor_lang::prelude::AccountMeta;

    use super::*;

    fn naming(accounts: usize, data: usize) -> Instruction {
        let keys = (0..accounts).map(|_| AccountMeta::new_readonly(Pubkey::new_unique(), false));
        Instruction { program_id: Pubkey::new_unique(), accounts: keys.collect(), data: vec![7; data] }
    }

    fn table_of(instruction: &Instruction) -> AddressLookupTableAccount {
        let addresses = instruction.accounts.iter().map(|meta| meta.pubkey).collect();
        AddressLookupTableAccount { key: Pubkey::new_unique(), addresses }
    }

    #[test]
    fn the_last_byte_that_fits_and_the_first_that_does_not() {
        let payer = Pubkey::new_unique();
        // Signature 65, version 1, header 3, keys 1 + 2 · 32, blockhash 32, instructions 1, program 1, accounts 1,
        // length 2, no tables 1.
        let room = MAX_BYTES - (65 + 1 + 3 + 65 + 32 + 1 + 1 + 1 + 2 + 1);
        let message = pack(&payer, &[naming(0, room)], &[], Hash::default()).unwrap();
        assert_eq!(Footprint::of(&message), Footprint { bytes: MAX_BYTES, locks: 2 });
        let refused = pack(&payer, &[naming(0, room + 1)], &[], Hash::default()).unwrap_err();
        assert_eq!(refused, PackError::TooLong { bytes: MAX_BYTES + 1 });
        assert!(refused.to_string().contains(", 1 too many"));
    }

    #[test]
    fn accounts_of_a_table_count_as_locks() {
        let (payer, fits, over) = (Pubkey::new_unique(), naming(62, 0), naming(63, 0));
        let message = pack(&payer, std::slice::from_ref(&fits), &[table_of(&fits)], Hash::default()).unwrap();
        assert_eq!(Footprint::of(&message).locks, 64);
        let refused =
            pack(&payer, std::slice::from_ref(&over), &[table_of(&over)], Hash::default()).unwrap_err();
        assert_eq!(refused, PackError::TooManyLocks { locks: 65 });
        assert!(matches!(pack(&payer, &[fits], &[], Hash::default()), Err(PackError::TooLong { .. })));
        assert_eq!(pack(&payer, &[naming(300, 0)], &[], Hash::default()), Err(PackError::TooManyKeys));
    }
}
