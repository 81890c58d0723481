//! Whether anything at all has changed.

use std::collections::HashMap;

use bulwark_sdk::Pubkey;
use solana_account::AccountSharedData;
use solana_signer::Signer;

use crate::world::World;

/// Sysvar of recent blockhashes.
const BLOCKHASHES: Pubkey = anchor_lang::pubkey!("SysvarRecentB1ockHashes11111111111111111111");

/// Every account of the chain at a moment, byte for byte.
pub struct Snapshot(HashMap<Pubkey, AccountSharedData>);

impl Snapshot {
    /// Takes one.
    #[must_use]
    pub fn take(world: &World) -> Self {
        Self(world.svm.accounts_db().inner.clone())
    }

    /// Addresses that differ now; the payer of fees and the blockhash that each transaction uses up do not count.
    #[must_use]
    pub fn changes(&self, world: &World) -> Vec<Pubkey> {
        let now = &world.svm.accounts_db().inner;
        let keys = self.0.keys().chain(now.keys().filter(|key| !self.0.contains_key(*key)));
        let expected = [world.payer.pubkey(), BLOCKHASHES];
        keys.filter(|key| !expected.contains(key) && self.0.get(*key) != now.get(*key)).copied().collect()
    }
}
