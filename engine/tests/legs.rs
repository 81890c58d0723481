//! An account's health is the sum over its legs: each once, in slot order, but for those left out.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use std::collections::HashMap;

use bulwark_engine::margin::{
    Collateral, CollateralParams, CollateralSlot, Directory, Health, HealthType, Legs, MAX_COLLATERALS,
    MAX_POSITIONS,
};
use bulwark_engine::market::Market;
use bulwark_engine::position::Position;
use bulwark_engine::price::{OracleParams, OracleState};
use bulwark_engine::units::Side;
use bulwark_engine::{EngineError, Result};
use model::config;
use model::world::{HALF, NOW, ONE, PARAMS, any_lots, any_side, market, oracle, order};
use proptest::prelude::*;

const TYPES: [HealthType; 3] = [HealthType::Init, HealthType::Withdraw, HealthType::Maint];

/// Why a listing refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
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
enum Asked {
    Market(u16),
    Vault(u16),
}

#[derive(Default)]
struct Shelf {
    markets: HashMap<u16, Box<Market>>,
    vaults: HashMap<u16, Collateral>,
    asked: Vec<Asked>,
}

impl Directory for Shelf {
    type Error = Refusal;

    fn market(
        &mut self,
        index: u16,
        read: impl FnOnce(&Market) -> Result<Health>,
    ) -> core::result::Result<Health, Refusal> {
        self.asked.push(Asked::Market(index));
        Ok(read(self.markets.get(&index).ok_or(Refusal::NoMarket(index))?)?)
    }

    fn collateral(
        &mut self,
        index: u16,
        read: impl FnOnce(&Collateral) -> Result<Health>,
    ) -> core::result::Result<Health, Refusal> {
        self.asked.push(Asked::Vault(index));
        Ok(read(self.vaults.get(&index).ok_or(Refusal::NoVault(index))?)?)
    }
}

/// An account and what it is listed in. Markets and vaults are numbered as their slots, backwards.
struct Account {
    positions: [Position; MAX_POSITIONS],
    collaterals: [CollateralSlot; MAX_COLLATERALS],
    shelf: Shelf,
}

impl Account {
    fn new(positions: &[Option<(Side, u64, u64)>], amounts: &[(u64, u64)]) -> Self {
        let mut account = Self {
            positions: [Position::EMPTY; MAX_POSITIONS],
            collaterals: [CollateralSlot::default(); MAX_COLLATERALS],
            shelf: Shelf::default(),
        };
        for (index, position) in (0_u16..).zip(positions) {
            let Some((side, lots, bits)) = *position else { continue };
            let (number, mut market) = (100 - index, market(&PARAMS, HALF, 1 << 40));
            let slot = &mut account.positions[usize::from(index)];
            *slot = Position::new(number, side);
            market.increase(slot, side, &order(lots)).unwrap();
            market.oracle = oracle(bits);
            account.shelf.markets.insert(number, market);
        }
        for (index, &(amount, bits)) in (0_u16..).zip(amounts) {
            let params = CollateralParams {
                max_deposits: u64::MAX,
                haircut_init_ppm: 300_000,
                haircut_maint_ppm: 100_000,
                oracle: OracleParams::DEFAULT,
            };
            let vault = 100 - index;
            account.collaterals[usize::from(index)] = CollateralSlot { amount, vault, ..Default::default() };
            if amount != 0 {
                account.shelf.vaults.insert(vault, Collateral { params, oracle: oracle(bits) });
            }
        }
        account
    }

    fn health(
        &mut self,
        [skip_market, skip_vault]: [Option<u16>; 2],
        kind: HealthType,
    ) -> core::result::Result<Health, Refusal> {
        let legs =
            Legs { positions: &self.positions, collaterals: &self.collaterals, skip_market, skip_vault };
        self.shelf.asked.clear();
        legs.health(&mut self.shelf, (kind, NOW))
    }
}

fn any_positions() -> impl Strategy<Value = Vec<Option<(Side, u64, u64)>>> {
    let position = (any_side(), any_lots(33), ONE / 8..ONE * 4).prop_map(|(s, n, p)| (s, n.max(16), p));
    prop::collection::vec(prop::option::of(position), 0..=MAX_POSITIONS)
}

fn any_amounts() -> impl Strategy<Value = Vec<(u64, u64)>> {
    let amount = prop_oneof![1 => Just(0), 2 => 1..1_u64 << 40];
    prop::collection::vec((amount, ONE / 8..ONE * 4), 0..=MAX_COLLATERALS)
}

proptest! {
    #![proptest_config(config(100))]

    #[test]
    fn health_is_the_sum_of_the_legs_in_slot_order_but_for_those_left_out(
        positions in any_positions(), amounts in any_amounts(),
        skips in prop::array::uniform2(prop::option::of(80..=101_u16)),
    ) {
        let mut account = Account::new(&positions, &amounts);
        for kind in TYPES {
            let (mut sum, mut asked) = (Health::default(), Vec::new());
            for position in account.positions.iter().filter(|p| p.is_open() && Some(p.market) != skips[0]) {
                let market = &account.shelf.markets[&position.market];
                sum = sum.plus(Health::of_position(market, position, kind, NOW).unwrap()).unwrap();
                asked.push(Asked::Market(position.market));
            }
            for slot in account.collaterals.iter().filter(|c| c.amount != 0 && Some(c.vault) != skips[1]) {
                let collateral = &account.shelf.vaults[&slot.vault];
                sum = sum.plus(Health::of_collateral(collateral, slot.amount, kind, NOW).unwrap()).unwrap();
                asked.push(Asked::Vault(slot.vault));
            }
            prop_assert_eq!(account.health(skips, kind), Ok(sum));
            prop_assert_eq!(&account.shelf.asked, &asked);
        }
    }

    /// What is left out and its part make the whole.
    #[test]
    fn a_leg_left_out_is_missing_by_its_own_part(positions in any_positions(), amounts in any_amounts()) {
        let mut account = Account::new(&positions, &amounts);
        for kind in TYPES {
            let whole = account.health([None; 2], kind).unwrap();
            for position in account.positions.into_iter().filter(Position::is_open) {
                let part = Health::of_position(&account.shelf.markets[&position.market], &position, kind, NOW);
                let rest = account.health([Some(position.market), None], kind).unwrap();
                prop_assert_eq!(rest.plus(part.unwrap()), Ok(whole));
            }
            for slot in account.collaterals.into_iter().filter(|c| c.amount != 0) {
                let part = Health::of_collateral(&account.shelf.vaults[&slot.vault], slot.amount, kind, NOW);
                let rest = account.health([None, Some(slot.vault)], kind).unwrap();
                prop_assert_eq!(rest.plus(part.unwrap()), Ok(whole));
            }
        }
    }
}

/// Three positions and three collaterals; the second of each is in market and vault 99.
fn three() -> Account {
    Account::new(
        &[Some((Side::Long, 1_000, ONE)), Some((Side::Short, 2_000, HALF)), Some((Side::Long, 3_000, HALF))],
        &[(1_000, ONE), (2_000, HALF), (3_000, ONE)],
    )
}

#[test]
fn an_account_without_legs_has_no_health_and_asks_for_nothing() {
    let mut account = Account::new(&[None], &[(0, ONE)]);
    for kind in TYPES {
        assert_eq!(account.health([None; 2], kind), Ok(Health::default()));
        assert_eq!(account.shelf.asked, []);
    }
}

#[test]
fn what_a_listing_refuses_is_returned_and_the_walk_ends_there() {
    use Asked::{Market, Vault};
    for kind in TYPES {
        let mut account = three();
        account.shelf.markets.remove(&99);
        account.shelf.vaults.remove(&99);
        assert_eq!(account.health([None; 2], kind), Err(Refusal::NoMarket(99)));
        assert_eq!(account.shelf.asked, [Market(100), Market(99)]);
        assert_eq!(account.health([Some(99), None], kind), Err(Refusal::NoVault(99)));
        assert_eq!(account.shelf.asked, [Market(100), Market(98), Vault(100), Vault(99)]);
        assert!(account.health([Some(99); 2], kind).is_ok(), "what is left out need not be listed");
        assert_eq!(account.shelf.asked, [Market(100), Market(98), Vault(100), Vault(98)]);
    }
}

#[test]
fn what_a_leg_refuses_is_returned_by_what_it_is_asked_for() {
    let spoilt = |spoil: fn(&mut OracleState)| {
        let mut account = three();
        spoil(&mut account.shelf.vaults.get_mut(&99).unwrap().oracle);
        TYPES.map(|kind| {
            let without = account.health([None, Some(99)], kind).unwrap();
            match account.health([None; 2], kind) {
                Ok(health) => Ok(health == without),
                Err(error) => {
                    assert!(
                        matches!(error, Refusal::Engine(EngineError::PriceNotUsable { .. })),
                        "{error:?}"
                    );
                    Err(())
                }
            }
        })
    };
    // Init counts an unusable collateral for nothing, Withdraw and Maint have no answer; Wide is good for Maint.
    assert_eq!(spoilt(|_| {}), [Ok(false); 3]);
    assert_eq!(spoilt(|o| o.publish_time = NOW - 61), [Ok(true), Err(()), Err(())]);
    assert_eq!(spoilt(|o| o.divergent = 1), [Ok(true), Err(()), Err(())]);
    assert_eq!(spoilt(|o| o.conf = HALF), [Ok(true), Err(()), Ok(false)]);
    // A market has no such mercy: without its price nothing is known of the account.
    let mut account = three();
    account.shelf.markets.get_mut(&99).unwrap().oracle.divergent = 1;
    for kind in TYPES {
        let refused = account.health([None; 2], kind);
        assert!(matches!(refused, Err(Refusal::Engine(EngineError::PriceNotUsable { .. }))));
        assert!(account.health([Some(99), None], kind).is_ok());
    }
}
