//! Which vaults and markets there are: what instructions need to know of them.

use std::collections::BTreeMap;

use anchor_lang::prelude::Pubkey;
use bulwark::state::{Exchange, MarginAccount};

use crate::address;

/// A vault as instructions name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VaultListing {
    /// Address of the vault.
    pub address: Pubkey,
    /// Mint.
    pub mint: Pubkey,
    /// The vault's token account.
    pub token_account: Pubkey,
    /// Token program of the mint.
    pub token_program: Pubkey,
}

/// Vaults and markets by index. Load it once; it changes only when something is listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listings {
    /// Vaults; 0 is the quote token.
    pub vaults: Vec<VaultListing>,
    /// Addresses of the markets; one that was closed is gone.
    pub markets: BTreeMap<u16, Pubkey>,
}

impl VaultListing {
    /// The listing of a mint.
    #[must_use]
    pub fn of_mint(mint: Pubkey, token_program: Pubkey) -> Self {
        let (address, token_account) = (address::vault(&mint), address::vault_tokens(&mint));
        Self { address, mint, token_account, token_program }
    }
}

impl Listings {
    /// Vaults in index order, and the markets that the exchange has.
    #[must_use]
    pub fn new(vaults: Vec<VaultListing>, exchange: &Exchange) -> Self {
        Self { vaults, markets: exchange.markets().map(|index| (index, address::market(index))).collect() }
    }

    /// The vault with this index.
    #[must_use]
    pub fn vault(&self, index: u16) -> Option<&VaultListing> {
        self.vaults.get(usize::from(index))
    }

    /// The market with this index.
    #[must_use]
    pub fn market(&self, index: u16) -> Option<&Pubkey> {
        self.markets.get(&index)
    }

    /// Addresses that the health of an account needs after it has bought some of a collateral. None for an account without
    /// positions, which needs no margin.
    #[must_use]
    pub fn legs_after_buying(&self, account: &MarginAccount, vault: u16) -> Option<Vec<Pubkey>> {
        if !account.has_positions() {
            return Some(Vec::new());
        }
        let mut account = *account;
        if let Some(slot) = account.collateral_or_free(vault) {
            slot.amount = slot.amount.max(1);
        }
        self.legs(&account, None, None)
    }

    /// Addresses that health needs: the account's markets, then its vaults, in slot order, without those
    /// that the instruction names itself. `None` if one is not listed here.
    #[must_use]
    pub fn legs(
        &self,
        account: &MarginAccount,
        skip_market: Option<u16>,
        skip_vault: Option<u16>,
    ) -> Option<Vec<Pubkey>> {
        let positions = account.positions.iter().filter(|p| p.is_open() && Some(p.market) != skip_market);
        let collaterals = account.collaterals.iter().filter(|c| c.amount != 0 && Some(c.vault) != skip_vault);
        let markets = positions.map(|p| self.market(p.market).copied());
        markets.chain(collaterals.map(|c| self.vault(c.vault).map(|v| v.address))).collect()
    }
}
