//! Listing of markets and collaterals.

use bulwark_sdk::address;
use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::listings::VaultListing;
use bulwark_sdk::program::instructions::{CreateMarketArgs, CreateVaultArgs};
use bulwark_sdk::program::oracle::OracleSource;
use bulwark_sdk::program::state::{MarketStatus, Vault};
use solana_signer::Signer;

use crate::fixtures::{self, Asset};
use crate::world::World;

impl World {
    /// Lists an active market.
    ///
    /// # Panics
    /// If it is refused.
    pub fn list_market(&mut self, asset: &Asset, params: MarketParams) -> u16 {
        let index = self.exchange().market_count;
        self.print(asset, asset.price, 1);
        let admin = self.admin.insecure_clone();
        let args = CreateMarketArgs {
            index,
            status: MarketStatus::Active,
            sources: [fixtures::pyth_source(asset.feed(0)), OracleSource::NONE],
            params,
        };
        let steps = ix::create_market((admin.pubkey(), self.payer.pubkey()), Self::oracles(asset), args);
        self.send(&steps, &[&admin]).expect("create_market");
        self.listings.markets.push(address::market(index));
        index
    }

    /// Opens the deposit cap of the vault that was listed last, as two days would.
    pub fn open_cap(&mut self) {
        let vault = self.listings.vaults.last().expect("a vault").address;
        self.tamper::<Vault>(&vault, |vault| vault.core.ramp_since -= 172_800);
    }

    /// Lists an asset as collateral as it is two days after its listing: the cap is open, the price of now.
    ///
    /// # Panics
    /// If it is refused.
    pub fn list_vault(&mut self, asset: &Asset, decimals: u8, max_deposits: u64) -> u16 {
        let (now, index) = (self.now(), self.exchange().vault_count);
        self.set_clock(now - 172_800);
        let mint = fixtures::address(&format!("mint {index} {}", asset.name));
        self.create_mint(mint, decimals);
        self.print(asset, asset.price, 1);
        let admin = self.admin.insecure_clone();
        let args = CreateVaultArgs {
            sources: [fixtures::pyth_source(asset.feed(0)), OracleSource::NONE],
            params: fixtures::collateral_params(max_deposits),
        };
        let token = (mint, address::TOKEN_PROGRAM);
        let create =
            ix::create_vault((admin.pubkey(), self.payer.pubkey()), token, Self::oracles(asset), args);
        self.send(&[create], &[&admin]).expect("create_vault");
        self.listings.vaults.push(VaultListing::of_mint(mint, address::TOKEN_PROGRAM));
        self.set_clock(now);
        self.print(asset, asset.price, 1);
        let refresh = ix::refresh_vault((index, &mint), Self::oracles(asset));
        self.send(&[refresh], &[]).expect("refresh_vault");
        index
    }
}
