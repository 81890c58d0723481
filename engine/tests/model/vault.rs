//! Collaterals whose limits are far away, and an account with everything that it is listed in.

use std::collections::HashMap;

use bulwark_engine::collateral::{Collateral, CollateralParams};
use bulwark_engine::margin::{
    CollateralSlot, Directory, Health, HealthType, Legs, MAX_COLLATERALS, MAX_POSITIONS, RiskGroups,
};
use bulwark_engine::market::{Market, MarketParams};
use bulwark_engine::outflow::OutflowParams;
use bulwark_engine::position::Position;
use bulwark_engine::price::{OracleParams, OracleState};
use bulwark_engine::units::Side;
use bulwark_engine::{EngineError, Result};

use super::world::{HALF, NOW, PARAMS, market, oracle, order};

/// A cap and a soft cap that nobody reaches, haircuts of 30 % and 10 %.
pub const COLLATERAL: CollateralParams = CollateralParams {
    max_deposits: u64::MAX,
    soft_cap: u64::MAX,
    outflow: OutflowParams { floor: 0, max_ppm: 1_000_000, _padding: 0 },
    haircut_init_ppm: 300_000,
    haircut_maint_ppm: 100_000,
    cap_growth_ppm: 1_000_000,
    _padding: 0,
    oracle: OracleParams::DEFAULT,
};

/// A collateral with these haircuts, listed now.
pub const fn collateral([init, maint]: [u32; 2], oracle: OracleState) -> Collateral {
    let params = CollateralParams { haircut_init_ppm: init, haircut_maint_ppm: maint, ..COLLATERAL };
    Collateral::new(params, oracle, NOW)
}

/// Why a listing refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    NoMarket(u16),
    NoVault(u16),
    Engine(EngineError),
}

impl From<EngineError> for Refusal {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

/// A leg that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Market(u16),
    Vault(u16),
}

/// Markets and collaterals at hand, and which of them were asked for.
#[derive(Clone, Default)]
pub struct Shelf {
    pub markets: HashMap<u16, Box<Market>>,
    pub vaults: HashMap<u16, Collateral>,
    pub asked: Vec<Asked>,
}

impl Directory for Shelf {
    type Error = Refusal;

    fn market<T>(
        &mut self,
        index: u16,
        read: impl FnOnce(&Market) -> Result<T>,
    ) -> core::result::Result<T, Refusal> {
        self.asked.push(Asked::Market(index));
        Ok(read(self.markets.get(&index).ok_or(Refusal::NoMarket(index))?)?)
    }

    fn collateral<T>(
        &mut self,
        index: u16,
        read: impl FnOnce(&Collateral) -> Result<T>,
    ) -> core::result::Result<T, Refusal> {
        self.asked.push(Asked::Vault(index));
        Ok(read(self.vaults.get(&index).ok_or(Refusal::NoVault(index))?)?)
    }
}

/// A leg to be: side, lots, price at which it is valued, and risk group of its market.
pub type Leg = (Side, u64, u64, u8);

/// An account and what it is listed in. Markets and vaults are numbered as their slots, backwards from 100.
#[derive(Clone)]
pub struct Account {
    pub positions: [Position; MAX_POSITIONS],
    pub collaterals: [CollateralSlot; MAX_COLLATERALS],
    pub shelf: Shelf,
}

impl Account {
    /// Opens every leg at half a unit; collaterals are amounts at a price.
    pub fn new(positions: &[Option<Leg>], amounts: &[(u64, u64)]) -> Self {
        let mut account = Self {
            positions: [Position::EMPTY; MAX_POSITIONS],
            collaterals: [CollateralSlot::default(); MAX_COLLATERALS],
            shelf: Shelf::default(),
        };
        for (index, leg) in (0_u16..).zip(positions) {
            let Some((side, lots, bits, risk_group)) = *leg else { continue };
            let params = MarketParams { risk_group, ..PARAMS };
            let (number, mut market) = (100 - index, market(&params, HALF, 1 << 40));
            let slot = &mut account.positions[usize::from(index)];
            *slot = Position::new(number, side);
            market.increase(slot, side, &order(lots)).unwrap();
            market.oracle = oracle(bits);
            account.shelf.markets.insert(number, market);
        }
        for (index, &(amount, bits)) in (0_u16..).zip(amounts) {
            let vault = 100 - index;
            account.collaterals[usize::from(index)] = CollateralSlot { amount, vault, ..Default::default() };
            if amount != 0 {
                account.shelf.vaults.insert(vault, collateral([300_000, 100_000], oracle(bits)));
            }
        }
        account
    }

    /// Health of all legs but those left out.
    pub fn health(
        &mut self,
        [skip_market, skip_vault]: [Option<u16>; 2],
        kind: HealthType,
        groups: &RiskGroups,
    ) -> core::result::Result<Health, Refusal> {
        let legs =
            Legs { positions: &self.positions, collaterals: &self.collaterals, skip_market, skip_vault };
        self.shelf.asked.clear();
        Ok(legs.portfolio(&mut self.shelf, (kind, NOW))?.health(groups)?)
    }
}
