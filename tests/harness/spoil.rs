//! Every way to pass the accounts of an instruction wrongly: replaced by everything they could be confused with, swapped,
//! unsigned, read-only, missing.

use bulwark_sdk::{Instruction, Pubkey};
use solana_keypair::Keypair;
use solana_signer::Signer;

use crate::fixtures;
use crate::world::World;

/// `(instruction, change, why the other account is as good)`; a change ending in `*` stands for all that begin so.
pub type Row = (&'static str, &'static str, &'static str);

/// The row of a table for a change.
#[must_use]
pub fn legitimate(table: &[Row], instruction: &str, change: &str) -> Option<usize> {
    table.iter().position(|(name, text, _)| {
        *name == instruction
            && text.strip_suffix('*').map_or(change == *text, |prefix| change.starts_with(prefix))
    })
}

/// A valid instruction, and what is around it.
pub struct Call<'a> {
    /// Names of its accounts; those beyond are remaining accounts.
    pub accounts: &'a [&'static str],
    /// The instruction.
    pub instruction: &'a Instruction,
    /// Everybody who has a key.
    pub keys: &'a [Keypair],
    /// Everything there is: what accounts can be confused with.
    pub known: &'a [(String, Pubkey)],
}

#[derive(Clone, Copy)]
enum Change {
    Replace(usize, Pubkey),
    Swap(usize, usize),
    Unsigned(usize),
    ReadOnly(usize),
    Truncate(usize),
}

impl Call<'_> {
    /// Every spoiled form of the instruction and what was done to it. Whoever has a key signs in a signer's place. Writes
    /// the copies that belong to another program.
    pub fn spoiled(&self, world: &mut World) -> Vec<(String, Instruction)> {
        let changes = self.changes(world);
        changes.into_iter().map(|change| (self.describe(change), self.with(change))).collect()
    }

    fn account_name(&self, index: usize) -> String {
        let remaining = || format!("remaining {}", index - self.accounts.len());
        self.accounts.get(index).map_or_else(remaining, |name| (*name).to_string())
    }

    fn known_name(&self, key: &Pubkey) -> String {
        let known = self.known.iter().find(|(_, k)| k == key);
        known.map_or_else(|| "a copy owned by another program".into(), |(name, _)| name.clone())
    }

    fn describe(&self, change: Change) -> String {
        match change {
            Change::Replace(i, key) => format!("{} := {}", self.account_name(i), self.known_name(&key)),
            Change::Swap(i, j) => format!("{} <> {}", self.account_name(i), self.account_name(j)),
            Change::Unsigned(i) => format!("{} does not sign", self.account_name(i)),
            Change::ReadOnly(i) => format!("{} is read-only", self.account_name(i)),
            Change::Truncate(n) => format!("{} and all after it missing", self.account_name(n)),
        }
    }

    /// Writes a copy of each account of the instruction that has data, owned by another program.
    fn forge_copies(&self, world: &mut World) -> Vec<(usize, Pubkey)> {
        let mut copies = Vec::new();
        for (i, meta) in self.instruction.accounts.iter().enumerate() {
            let Some(mut account) = world.svm.get_account(&meta.pubkey) else { continue };
            if account.data.is_empty() || account.executable {
                continue;
            }
            let key = fixtures::address(&format!("copy {i}"));
            account.owner = fixtures::address("another program");
            world.svm.set_account(key, account).expect("set account");
            copies.push((i, key));
        }
        copies
    }

    fn changes(&self, world: &mut World) -> Vec<Change> {
        let copies = self.forge_copies(world);
        let mut changes: Vec<Change> = copies.into_iter().map(|(i, key)| Change::Replace(i, key)).collect();
        let metas = &self.instruction.accounts;
        for (i, meta) in metas.iter().enumerate() {
            let others = self.known.iter().map(|(_, key)| *key).filter(|key| *key != meta.pubkey);
            changes.extend(others.map(|key| Change::Replace(i, key)));
            changes.extend((0..i).filter(|j| metas[*j].pubkey != meta.pubkey).map(|j| Change::Swap(j, i)));
            changes.extend(meta.is_signer.then_some(Change::Unsigned(i)));
            changes.extend(meta.is_writable.then_some(Change::ReadOnly(i)));
            changes.push(Change::Truncate(i));
        }
        changes
    }

    fn with(&self, change: Change) -> Instruction {
        let mut spoiled = self.instruction.clone();
        let metas = &mut spoiled.accounts;
        let can_sign = |key: &Pubkey| self.keys.iter().any(|k| k.pubkey() == *key);
        match change {
            Change::Replace(i, key) => {
                metas[i].pubkey = key;
                metas[i].is_signer &= can_sign(&key);
            }
            Change::Swap(i, j) => {
                (metas[i].pubkey, metas[j].pubkey) = (metas[j].pubkey, metas[i].pubkey);
                for k in [i, j] {
                    metas[k].is_signer &= can_sign(&metas[k].pubkey);
                }
            }
            Change::Unsigned(i) => metas[i].is_signer = false,
            Change::ReadOnly(i) => metas[i].is_writable = false,
            Change::Truncate(n) => metas.truncate(n),
        }
        spoiled
    }
}
