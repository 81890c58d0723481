//! Oracle accounts and the refreshes that take them in.

use bulwark_sdk::Pubkey;
use bulwark_sdk::instruction::{self as ix, OracleAccounts};

use crate::fixtures::{self, Asset, BTC_ASSET, EXPONENT, SOL_ASSET};
use crate::oracle_accounts::{self, PYTH_RECEIVER, Print, Verification};
use crate::world::{Outcome, World};

impl World {
    /// Address of the `n`th oracle account of an asset in these fixtures.
    #[must_use]
    pub fn oracle_key(asset: &Asset, n: u8) -> Pubkey {
        fixtures::address(&format!("{} oracle {n}", asset.name))
    }

    /// The primary oracle alone.
    #[must_use]
    pub fn oracles(asset: &Asset) -> OracleAccounts {
        OracleAccounts { primary: Self::oracle_key(asset, 0), secondary: None }
    }

    /// Writes the asset's Pyth pull account: price and confidence in dollars with eight decimals, now.
    pub fn print(&mut self, asset: &Asset, price: i64, conf: u64) {
        let print = Print { price, conf, exponent: EXPONENT, publish_time: self.now(), posted_slot: 0 };
        let data = oracle_accounts::pyth_pull(asset.feed(0), &print, Verification::Full);
        self.set_account(Self::oracle_key(asset, 0), PYTH_RECEIVER, data);
    }

    /// Prints a price with a confidence of 1 bp now, and refreshes a market with it.
    ///
    /// # Panics
    /// If the refresh is refused.
    pub fn set_price(&mut self, market: u16, price: i64) -> Outcome {
        let asset = Self::asset(market);
        self.print(&asset, price, u64::try_from(price / 10_000).expect("positive"));
        self.send(&[ix::refresh_market(market, Self::oracles(&asset))], &[]).expect("refresh_market")
    }

    /// Advances the clock by a second, prints a price and refreshes: the usual way to move a market.
    pub fn move_price(&mut self, market: u16, price: i64) -> Outcome {
        self.advance(1);
        self.set_price(market, price)
    }

    /// Moves the average to the price too: as many steps as it takes.
    pub fn settle_price(&mut self, market: u16, price: i64) {
        while {
            self.advance(60);
            self.set_price(market, price);
            let oracle = self.market(market).core.oracle;
            oracle.ema.to_bits().abs_diff(oracle.price.to_bits()) > oracle.price.to_bits() / 1_000_000
        } {}
    }

    /// Refreshes the SOL vault from the SOL oracle account.
    ///
    /// # Panics
    /// If the refresh is refused.
    pub fn refresh_sol_vault(&mut self) -> Outcome {
        let mint = self.listings.vaults[usize::from(fixtures::SOL_VAULT)].mint;
        self.send(&[ix::refresh_vault((fixtures::SOL_VAULT, &mint), Self::oracles(&SOL_ASSET))], &[])
            .expect("refresh_vault")
    }

    /// The asset of a market of [`World::new`].
    #[must_use]
    pub fn asset(market: u16) -> Asset {
        if market == fixtures::SOL { SOL_ASSET } else { BTC_ASSET }
    }
}
