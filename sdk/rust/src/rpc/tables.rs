//! Address lookup tables of the exchange: with one, an account takes one byte of a message instead of 32.
//!
//! A table is made once and extended when something is listed; anybody can use anybody's, so an operator makes one for all.
//! Addresses can be used from the slot after the one that added them.

use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use bulwark::oracle::OracleSource;
use bulwark_engine::pool::TrancheKind;
use solana_address_lookup_table_interface::instruction::{create_lookup_table, extend_lookup_table};
use solana_address_lookup_table_interface::program::ID as TABLE_PROGRAM;
use solana_address_lookup_table_interface::state::AddressLookupTable;
use solana_message::AddressLookupTableAccount;

use crate::address;
use crate::listings::Listings;

use super::context::MarketContext;
use super::fetch::Raw;
use super::{Client, RpcError};

/// Most addresses of a table.
pub const MAX_ADDRESSES: usize = 256;
/// Addresses that one transaction adds: their bytes, two signatures and a compute budget fit.
pub const ADDRESSES_PER_EXTENSION: usize = 25;

/// Every address of the exchange that instructions name, each once: programs and sysvars, the exchange's own accounts, vaults
/// with mints and token accounts, markets, and the oracles of all of them. Those that a table has keep their place when
/// something is listed later only if they are appended: see [`missing`].
#[must_use]
pub fn lookup_table_keys(listings: &Listings, context: &MarketContext) -> Vec<Pubkey> {
    let mut keys = vec![
        address::SYSTEM_PROGRAM,
        address::TOKEN_PROGRAM,
        address::TOKEN_2022_PROGRAM,
        address::INSTRUCTIONS,
        address::exchange(),
        address::pool(),
        address::insurance_fund(),
        address::share_mint(TrancheKind::Junior),
        address::share_mint(TrancheKind::Senior),
        address::backstop_mint(),
    ];
    keys.extend(listings.vaults.iter().flat_map(|vault| [vault.address, vault.token_account, vault.mint]));
    keys.extend(listings.markets.values());
    keys.extend(context.vaults.values().flat_map(|vault| oracles(&vault.sources)));
    keys.extend(context.markets.values().flat_map(|market| oracles(&market.sources)));
    let mut once = Vec::with_capacity(keys.len());
    for key in keys {
        if !once.contains(&key) {
            once.push(key);
        }
    }
    once
}

fn oracles(sources: &[OracleSource; 2]) -> Vec<Pubkey> {
    sources.iter().filter_map(address::oracle).collect()
}

/// Keys that no table has yet: what to extend one by.
#[must_use]
pub fn missing(tables: &[AddressLookupTableAccount], keys: &[Pubkey]) -> Vec<Pubkey> {
    let has = |key: &&Pubkey| !tables.iter().any(|table| table.addresses.contains(key));
    keys.iter().filter(has).copied().collect()
}

/// Creates an empty table for this slot, which must be a recent one. Returns its address, too. Signed by the payer.
#[must_use]
pub fn create(authority: Pubkey, payer: Pubkey, recent_slot: u64) -> (Instruction, Pubkey) {
    create_lookup_table(authority, payer, recent_slot)
}

/// Adds keys to a table: each instruction is a transaction of its own, to be sent in order. Signed by authority and payer.
#[must_use]
pub fn extend(table: Pubkey, (authority, payer): (Pubkey, Pubkey), keys: &[Pubkey]) -> Vec<Instruction> {
    let extension = |keys: &[Pubkey]| extend_lookup_table(table, authority, Some(payer), keys.to_vec());
    keys.chunks(ADDRESSES_PER_EXTENSION).map(extension).collect()
}

impl Client {
    /// A table with the addresses that can be used now.
    ///
    /// # Errors
    /// [`RpcError`]; [`RpcError::UnusableTable`] if it is no table, or is being closed.
    pub async fn lookup_table(&self, key: &Pubkey) -> Result<AddressLookupTableAccount, RpcError> {
        let answer = self.rpc.get_ui_account_with_config(key, self.account_config()).await?;
        let account = answer.value.ok_or(RpcError::Missing { what: "lookup table", key: *key })?;
        read(*key, &Raw::new(key, &account)?, answer.context.slot)
    }
}

fn read(key: Pubkey, raw: &Raw, slot: u64) -> Result<AddressLookupTableAccount, RpcError> {
    if raw.owner != TABLE_PROGRAM {
        return Err(RpcError::WrongOwner { key, owner: raw.owner });
    }
    let table = AddressLookupTable::deserialize(&raw.data).map_err(|_| RpcError::UnusableTable(key))?;
    if table.meta.deactivation_slot != u64::MAX {
        return Err(RpcError::UnusableTable(key));
    }
    let fresh = usize::from(table.meta.last_extended_slot_start_index);
    let usable = if slot > table.meta.last_extended_slot { table.addresses.len() } else { fresh };
    Ok(AddressLookupTableAccount { key, addresses: table.addresses.iter().take(usable).copied().collect() })
}

#[cfg(test)]
mod tests {
    use solana_address_lookup_table_interface::state::LookupTableMeta;

    use super::*;
    use crate::rpc::pack::{Footprint, pack};

    fn table(meta: LookupTableMeta, addresses: &[Pubkey]) -> Raw {
        let table = AddressLookupTable { meta, addresses: addresses.into() };
        Raw { owner: TABLE_PROGRAM, data: table.serialize_for_tests().unwrap() }
    }

    #[test]
    fn addresses_of_this_slot_can_not_be_used_yet() {
        let keys: Vec<Pubkey> = (0..5).map(|_| Pubkey::new_unique()).collect();
        let meta = LookupTableMeta {
            last_extended_slot: 9,
            last_extended_slot_start_index: 3,
            ..Default::default()
        };
        let raw = table(meta, &keys);
        assert_eq!(read(Pubkey::default(), &raw, 9).unwrap().addresses, keys[..3]);
        assert_eq!(read(Pubkey::default(), &raw, 10).unwrap().addresses, keys);
    }

    #[test]
    fn a_table_that_is_being_closed_is_refused() {
        let raw = table(LookupTableMeta { deactivation_slot: 4, ..Default::default() }, &[]);
        assert!(matches!(read(Pubkey::default(), &raw, 5), Err(RpcError::UnusableTable(_))));
        let foreign = Raw { owner: address::PROGRAM, ..raw };
        assert!(matches!(read(Pubkey::default(), &foreign, 5), Err(RpcError::WrongOwner { .. })));
    }

    #[test]
    fn an_extension_fits_with_a_second_signer_and_a_budget() {
        let keys: Vec<Pubkey> = (0..60).map(|_| Pubkey::new_unique()).collect();
        let (authority, payer) = (Pubkey::new_unique(), Pubkey::new_unique());
        let extensions = extend(Pubkey::new_unique(), (authority, payer), &keys);
        assert_eq!(extensions.len(), 3);
        let mut instructions = super::super::fees::budget(1_400_000, Some(u64::MAX));
        instructions.push(extensions[0].clone());
        let message = pack(&payer, &instructions, &[], solana_hash::Hash::default()).unwrap();
        assert_eq!(message.header().num_required_signatures, 2);
        assert!(Footprint::of(&message).bytes <= 1_232);
    }

    #[test]
    fn what_a_table_has_is_not_missing() {
        let keys: Vec<Pubkey> = (0..4).map(|_| Pubkey::new_unique()).collect();
        let table = AddressLookupTableAccount { key: Pubkey::new_unique(), addresses: keys[1..3].to_vec() };
        assert_eq!(missing(&[table], &keys), [keys[0], keys[3]]);
    }
}
