//! Accounts by type, checked for owner and discriminator.

use anchor_lang::Discriminator;
use anchor_lang::prelude::Pubkey;
use bulwark::state::{Exchange, MarginAccount, Vault};
use bytemuck::Pod;
use solana_account_decoder_client_types::{UiAccount, UiAccountEncoding};
use solana_rpc_client_api::config::{RpcAccountInfoConfig, RpcProgramAccountsConfig};
use solana_rpc_client_api::filter::{Memcmp, RpcFilterType};
use solana_rpc_client_api::request::MAX_MULTIPLE_ACCOUNTS;

use crate::account::decode_copy;
use crate::address;
use crate::listings::{Listings, VaultListing};

use super::{Client, RpcError};

/// How often the listings are read again when something is listed meanwhile.
const LISTING_ATTEMPTS: u32 = 5;

/// An account as the node has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw {
    /// Program that owns it.
    pub owner: Pubkey,
    /// Data.
    pub data: Vec<u8>,
}

impl Raw {
    pub(super) fn new(key: &Pubkey, account: &UiAccount) -> Result<Self, RpcError> {
        let owner = account.owner.parse().map_err(|_| RpcError::Garbled(*key))?;
        let data = account.data.decode().ok_or(RpcError::Garbled(*key))?;
        Ok(Self { owner, data })
    }

    pub(super) fn decode<T: Pod + Discriminator>(&self, key: &Pubkey) -> Result<Box<T>, RpcError> {
        if self.owner != address::PROGRAM {
            return Err(RpcError::WrongOwner { key: *key, owner: self.owner });
        }
        decode_copy(&self.data).map_err(|error| RpcError::Decode { key: *key, error })
    }
}

impl Client {
    pub(super) fn account_config(&self) -> RpcAccountInfoConfig {
        let (encoding, commitment) = (Some(UiAccountEncoding::Base64), Some(self.commitment()));
        RpcAccountInfoConfig { encoding, commitment, ..RpcAccountInfoConfig::default() }
    }

    /// An account of the program; `None` if there is none at that address.
    ///
    /// # Errors
    /// [`RpcError`]: another program's account, or another type's, is an error.
    pub async fn fetch<T: Pod + Discriminator>(&self, key: &Pubkey) -> Result<Option<Box<T>>, RpcError> {
        let found = self.rpc.get_ui_account_with_config(key, self.account_config()).await?.value;
        // A wallet's lamports at an address that has no account of the program yet are no account of it.
        let found = found.map(|account| Raw::new(key, &account)).transpose()?.filter(|raw| !raw.is_vacant());
        found.map(|raw| raw.decode(key)).transpose()
    }

    /// An account of the program that has to be there.
    ///
    /// # Errors
    /// [`RpcError`].
    pub async fn require<T: Pod + Discriminator>(
        &self,
        what: &'static str,
        key: Pubkey,
    ) -> Result<Box<T>, RpcError> {
        self.fetch(&key).await?.ok_or(RpcError::Missing { what, key })
    }

    /// Every account of the program, of whatever type, as of slot `at_least` or later.
    ///
    /// # Errors
    /// [`RpcError`]: the node is behind that slot, as one of several behind an address may be; some public nodes refuse this: use
    /// one that serves `getProgramAccounts`.
    pub async fn fetch_everything(&self, at_least: u64) -> Result<Vec<(Pubkey, Vec<u8>)>, RpcError> {
        let mut config = self.everything_config();
        config.account_config.min_context_slot = Some(at_least);
        let found = self.rpc.get_program_ui_accounts_with_config(&address::PROGRAM, config).await?;
        let read = |(key, account): (Pubkey, UiAccount)| Ok((key, Raw::new(&key, &account)?.data));
        found.into_iter().map(read).collect()
    }

    /// What asks for every account of the program.
    pub(super) fn everything_config(&self) -> RpcProgramAccountsConfig {
        RpcProgramAccountsConfig { account_config: self.account_config(), ..Default::default() }
    }

    /// All accounts of a type.
    ///
    /// # Errors
    /// [`RpcError`]; some public nodes refuse this: use one that serves `getProgramAccounts`.
    pub async fn fetch_all<T: Pod + Discriminator>(&self) -> Result<Vec<(Pubkey, Box<T>)>, RpcError> {
        self.fetch_where(Vec::new()).await
    }

    /// All accounts of a type that pass these filters, too: at most two.
    ///
    /// # Errors
    /// [`RpcError`].
    pub async fn fetch_where<T: Pod + Discriminator>(
        &self,
        filters: Vec<RpcFilterType>,
    ) -> Result<Vec<(Pubkey, Box<T>)>, RpcError> {
        let config = self.program_config::<T>(filters);
        let found = self.rpc.get_program_ui_accounts_with_config(&address::PROGRAM, config).await?;
        let decode = |(key, account): (Pubkey, UiAccount)| {
            let account = Raw::new(&key, &account)?.decode(&key)?;
            Ok((key, account))
        };
        found.into_iter().map(decode).collect()
    }

    /// What asks for accounts of a type that pass these filters, too.
    pub(super) fn program_config<T: Pod + Discriminator>(
        &self,
        filters: Vec<RpcFilterType>,
    ) -> RpcProgramAccountsConfig {
        let discriminator = Memcmp::new_base58_encoded(0, T::DISCRIMINATOR);
        let size = size_of::<T>() as u64 + 8;
        let own = [RpcFilterType::DataSize(size), RpcFilterType::Memcmp(discriminator)];
        let filters = Some(own.into_iter().chain(filters).collect());
        let account_config = self.account_config();
        RpcProgramAccountsConfig { filters, account_config, ..Default::default() }
    }

    /// The margin accounts of an owner, by the number that the owner gave them.
    ///
    /// # Errors
    /// [`RpcError`].
    pub async fn margin_accounts(
        &self,
        owner: &Pubkey,
    ) -> Result<Vec<(Pubkey, Box<MarginAccount>)>, RpcError> {
        let at = 8 + std::mem::offset_of!(MarginAccount, owner);
        let filter = RpcFilterType::Memcmp(Memcmp::new_base58_encoded(at, owner.as_ref()));
        let mut accounts = self.fetch_where::<MarginAccount>(vec![filter]).await?;
        accounts.sort_by_key(|(_, account)| account.sub_id);
        Ok(accounts)
    }

    /// Which vaults and markets there are. Load it once; it changes only when something is listed or closed.
    ///
    /// # Errors
    /// [`RpcError`].
    pub async fn listings(&self) -> Result<Listings, RpcError> {
        for _ in 0..LISTING_ATTEMPTS {
            let mut vaults = self.fetch_all::<Vault>().await?;
            let exchange = self.require::<Exchange>("exchange", address::exchange()).await?;
            vaults.sort_by_key(|(_, vault)| vault.index);
            if vaults.len() == usize::from(exchange.vault_count) {
                let mints: Vec<Pubkey> = vaults.iter().map(|(_, vault)| vault.mint).collect();
                return Ok(Listings::new(self.vault_listings(&mints).await?, &exchange));
            }
        }
        Err(RpcError::ListingsOutOfDate)
    }

    async fn vault_listings(&self, mints: &[Pubkey]) -> Result<Vec<VaultListing>, RpcError> {
        let (_, found) = self.raw_accounts(mints).await?;
        let listing = |(mint, raw): (&Pubkey, Option<Raw>)| {
            let raw = raw.ok_or(RpcError::Missing { what: "mint", key: *mint })?;
            if ![address::TOKEN_PROGRAM, address::TOKEN_2022_PROGRAM].contains(&raw.owner) {
                return Err(RpcError::WrongOwner { key: *mint, owner: raw.owner });
            }
            Ok(VaultListing::of_mint(*mint, raw.owner))
        };
        mints.iter().zip(found).map(listing).collect()
    }

    /// Accounts of any program in the order of the keys, and the least slot they were read at: up to 100 of them come in one
    /// round trip and are of one slot.
    ///
    /// # Errors
    /// [`RpcError`].
    pub async fn raw_accounts(&self, keys: &[Pubkey]) -> Result<(u64, Vec<Option<Raw>>), RpcError> {
        let (mut slot, mut found) = (None, Vec::with_capacity(keys.len()));
        for chunk in keys.chunks(MAX_MULTIPLE_ACCOUNTS) {
            let config = RpcAccountInfoConfig { min_context_slot: slot, ..self.account_config() };
            let answer = self.rpc.get_multiple_ui_accounts_with_config(chunk, config).await?;
            slot = slot.or(Some(answer.context.slot));
            for (key, account) in chunk.iter().zip(answer.value) {
                found.push(account.map(|account| Raw::new(key, &account)).transpose()?);
            }
        }
        match found.len() == keys.len() {
            true => Ok((slot.unwrap_or(0), found)),
            false => Err(RpcError::ListingsOutOfDate),
        }
    }
}

impl Raw {
    /// Lamports that somebody sent to an address that the program has no account at.
    fn is_vacant(&self) -> bool {
        self.owner == address::SYSTEM_PROGRAM && self.data.is_empty()
    }
}
