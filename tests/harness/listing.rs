//! Listing of markets and collaterals.

use bulwark_sdk::engine::collateral::CollateralParams;
use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::outflow::OutflowParams;
use bulwark_sdk::instruction::{self as ix, OracleAccounts};
use bulwark_sdk::listings::VaultListing;
use bulwark_sdk::program::oracle::OracleSource;
use bulwark_sdk::program::state::{ChangePayload, Market, MarketStatus, Vault};
use bulwark_sdk::{Pubkey, address};
use solana_signer::Signer;

use crate::fixtures::{self, Asset};
use crate::world::{Failure, Outcome, World};

/// A cap that any listing may have, token units: at most ten million dollars.
const LISTED_CAP: u64 = 1_000_000_000;

impl World {
    /// Lists a market and activates it, as it is two days after its listing but with the price of now.
    ///
    /// # Panics
    /// If it is refused.
    pub fn list_market(&mut self, asset: &Asset, params: MarketParams) -> u16 {
        self.print(asset, asset.price, 1);
        let sources = [fixtures::pyth_source(asset.feed(0)), OracleSource::NONE];
        self.list_active(sources, params, Self::oracles(asset)).expect("create_market")
    }

    /// Lists a market with these sources, whose accounts hold prices, and activates it at once.
    ///
    /// # Errors
    /// [`Failure`] if it is refused.
    pub fn list_active(
        &mut self,
        sources: [OracleSource; 2],
        params: MarketParams,
        oracles: OracleAccounts,
    ) -> Result<u16, Failure> {
        let index = self.exchange().next_market().expect("a free index");
        // Listed with a small weight; a larger one would take its time.
        let small = MarketParams { target_weight_ppm: params.target_weight_ppm.min(100_000), ..params };
        let change = self.approve(ChangePayload::CreateMarket { sources, params: small })?;
        let admin = self.admin.insecure_clone();
        let keys = (admin.pubkey(), self.payer.pubkey());
        self.send(&ix::create_market(keys, index, oracles, &change), &[&admin])?;
        self.listings.markets.insert(index, address::market(index));
        self.tamper::<Market>(&address::market(index), |market| market.core.params = params);
        self.activate(index);
        Ok(index)
    }

    /// Activates a market behind governance's back.
    pub fn activate(&mut self, market: u16) {
        let active = MarketStatus::Active.to_byte();
        self.tamper::<Market>(&address::market(market), |market| market.status = active);
    }

    /// Opens the deposit cap of the vault that was listed last, as two days would.
    pub fn open_cap(&mut self) {
        let vault = self.listings.vaults.last().expect("a vault").address;
        self.tamper::<Vault>(&vault, |vault| vault.core.ramp_since -= 172_800);
    }

    /// Lists a token as collateral, with these sources, whose accounts hold prices. Its cap is zero yet.
    ///
    /// # Errors
    /// [`Failure`] if it is refused.
    pub fn list_collateral(
        &mut self,
        (mint, token_program): (Pubkey, Pubkey),
        (sources, params): ([OracleSource; 2], CollateralParams),
        oracles: OracleAccounts,
    ) -> Result<Outcome, Failure> {
        // Listed small; a larger cap would take its time.
        let small = CollateralParams {
            max_deposits: params.max_deposits.min(LISTED_CAP),
            outflow: OutflowParams { floor: params.outflow.floor.min(LISTED_CAP / 20), ..params.outflow },
            ..params
        };
        let change = self.approve(ChangePayload::CreateVault { mint, sources, params: small })?;
        let admin = self.admin.insecure_clone();
        let keys = (admin.pubkey(), self.payer.pubkey());
        let create = ix::create_vault(keys, (mint, token_program), oracles, &change);
        let outcome = self.send(&[create], &[&admin])?;
        self.listings.vaults.push(VaultListing::of_mint(mint, token_program));
        self.tamper::<Vault>(&address::vault(&mint), |vault| vault.core.params = params);
        Ok(outcome)
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
        let sources = [fixtures::pyth_source(asset.feed(0)), OracleSource::NONE];
        let params = fixtures::collateral_params(max_deposits);
        let token = (mint, address::TOKEN_PROGRAM);
        self.list_collateral(token, (sources, params), Self::oracles(asset)).expect("create_vault");
        self.set_clock(now);
        self.print(asset, asset.price, 1);
        let refresh = ix::refresh_vault((index, &mint), Self::oracles(asset));
        self.send(&[refresh], &[]).expect("refresh_vault");
        index
    }
}
