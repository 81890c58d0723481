//! What is in force, to compare with later: nothing may be looser than it was.

use bulwark_sdk::engine::collateral::CollateralParams;
use bulwark_sdk::engine::governance::{ExchangeParams, InsuranceParams};
use bulwark_sdk::engine::pool::PoolParams;
use bulwark_sdk::engine::tighten::{self, Effect, Governed};
use bulwark_sdk::program::oracle::OracleSource;
use bulwark_sdk::program::state::{Exchange, Market, MarketStatus, Vault};
use bulwark_tests::{BTC, SOL, SOL_VAULT, World};

/// Everything that governance decides, at a moment.
pub struct InForce {
    markets: [Box<Market>; 2],
    vaults: [Box<Vault>; 2],
    caps: [u64; 2],
    exchange: Box<Exchange>,
    pool: PoolParams,
    fund: InsuranceParams,
}

impl InForce {
    /// What is in force now.
    pub fn now(world: &World) -> Self {
        let vaults = [0, SOL_VAULT].map(|vault| world.vault(vault));
        let caps = vaults.each_ref().map(|vault| vault.core.cap(world.now()).expect("valid"));
        Self {
            markets: [SOL, BTC].map(|market| world.market(market)),
            vaults,
            caps,
            exchange: world.exchange(),
            pool: world.pool().core.params,
            fund: world.fund().core.params(),
        }
    }

    /// Checks that nothing is looser now: no parameter, no cap, no margin, no line; that nothing was shifted between users;
    /// and that everybody in office still is.
    ///
    /// # Panics
    /// If something is.
    #[track_caller]
    pub fn require_no_looser(&self, world: &World) {
        let now = Self::now(world);
        for (before, after) in self.markets.iter().zip(&now.markets) {
            no_looser(&before.core.params, &after.core.params);
            assert!(after.core.mmf_ppm() >= before.core.mmf_ppm(), "maintenance margin in force");
            let [least, imf] = [before, after].map(|market| market.core.volatility.imf_ppm);
            assert!(imf >= least, "initial margin in force");
            assert!(same_sources(&before.sources, &after.sources));
            assert_eq!(before.generation, after.generation);
            let stopped = after.is(MarketStatus::ReduceOnly) && before.is(MarketStatus::Active);
            assert!(after.status == before.status || stopped, "status {}", after.status);
            assert_eq!(before.pause & !after.pause, 0, "a pause was cleared");
        }
        for (before, after) in self.vaults.iter().zip(&now.vaults) {
            no_looser::<CollateralParams>(&before.core.params, &after.core.params);
            assert!(same_sources(&before.sources, &after.sources));
            // The line that the limit of before would draw at the anchor of now.
            let [line, least] =
                [after, before].map(|vault| after.core.outflow.line(&vault.core.params.outflow));
            assert!(line.expect("valid") >= least.expect("valid"), "the outflow's line");
        }
        for (before, after) in self.caps.iter().zip(&now.caps) {
            assert!(after <= before, "cap {before} -> {after}");
        }
        no_looser::<ExchangeParams>(&self.exchange.params, &now.exchange.params);
        no_looser(&self.pool, &now.pool);
        no_looser(&self.fund, &now.fund);
        let office = |e: &Exchange| {
            [e.admin, e.guardian, e.fee_recipient, e.quote_vault, e.quote_mint].map(|key| key.to_bytes())
        };
        assert_eq!(office(&self.exchange), office(&now.exchange));
        let listed = |e: &Exchange| (e.vault_count, e.market_count, e.closed_markets, e.admin_epoch);
        assert_eq!(listed(&self.exchange), listed(&now.exchange));
        let [weight, most] = [&now, self].map(|f| f.exchange.quote_weight.at(world.now()));
        assert!(weight <= most, "what quote counts for");
        assert_eq!(self.exchange.pause & !now.exchange.pause, 0, "a pause was cleared");
    }
}

#[track_caller]
fn no_looser<T: Governed>(before: &T, after: &T) {
    for moved in tighten::moves(before, after) {
        assert!(matches!(moved.effect(), Effect::Same | Effect::Tightens), "{moved:?}");
    }
}

fn same_sources(before: &[OracleSource; 2], after: &[OracleSource; 2]) -> bool {
    before == after
}
