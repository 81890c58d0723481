//! An account's health is the sum over its legs: each once, in slot order, but for those left out.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::EngineError;
use bulwark_engine::margin::{Health, HealthType, MAX_COLLATERALS, MAX_POSITIONS, RiskGroups};
use bulwark_engine::position::Position;
use bulwark_engine::price::OracleState;
use bulwark_engine::units::Side;
use model::config;
use model::vault::{Account, Asked, Leg, Refusal};
use model::world::{HALF, NOW, ONE, any_lots, any_side};
use proptest::prelude::*;

const TYPES: [HealthType; 3] = [HealthType::Init, HealthType::Withdraw, HealthType::Maint];

/// No offset in any group: health is a plain sum.
const PLAIN: RiskGroups = RiskGroups { offset_ppm: [0; 8] };

fn any_positions() -> impl Strategy<Value = Vec<Option<Leg>>> {
    let position =
        (any_side(), any_lots(33), ONE / 8..ONE * 4, 0..=8_u8).prop_map(|(s, n, p, g)| (s, n.max(16), p, g));
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
            prop_assert_eq!(account.health(skips, kind, &PLAIN), Ok(sum));
            prop_assert_eq!(&account.shelf.asked, &asked);
        }
    }

    /// What is left out and its part make the whole.
    #[test]
    fn a_leg_left_out_is_missing_by_its_own_part(positions in any_positions(), amounts in any_amounts()) {
        let mut account = Account::new(&positions, &amounts);
        for kind in TYPES {
            let whole = account.health([None; 2], kind, &PLAIN).unwrap();
            for position in account.positions.into_iter().filter(Position::is_open) {
                let part = Health::of_position(&account.shelf.markets[&position.market], &position, kind, NOW);
                let rest = account.health([Some(position.market), None], kind, &PLAIN).unwrap();
                prop_assert_eq!(rest.plus(part.unwrap()), Ok(whole));
            }
            for slot in account.collaterals.into_iter().filter(|c| c.amount != 0) {
                let part = Health::of_collateral(&account.shelf.vaults[&slot.vault], slot.amount, kind, NOW);
                let rest = account.health([None, Some(slot.vault)], kind, &PLAIN).unwrap();
                prop_assert_eq!(rest.plus(part.unwrap()), Ok(whole));
            }
        }
    }
}

/// Three positions and three collaterals; the second of each is in market and vault 99.
fn three() -> Account {
    Account::new(
        &[
            Some((Side::Long, 1_000, ONE, 0)),
            Some((Side::Short, 2_000, HALF, 0)),
            Some((Side::Long, 3_000, HALF, 0)),
        ],
        &[(1_000, ONE), (2_000, HALF), (3_000, ONE)],
    )
}

#[test]
fn an_account_without_legs_has_no_health_and_asks_for_nothing() {
    let mut account = Account::new(&[None], &[(0, ONE)]);
    for kind in TYPES {
        assert_eq!(account.health([None; 2], kind, &PLAIN), Ok(Health::default()));
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
        assert_eq!(account.health([None; 2], kind, &PLAIN), Err(Refusal::NoMarket(99)));
        assert_eq!(account.shelf.asked, [Market(100), Market(99)]);
        assert_eq!(account.health([Some(99), None], kind, &PLAIN), Err(Refusal::NoVault(99)));
        assert_eq!(account.shelf.asked, [Market(100), Market(98), Vault(100), Vault(99)]);
        assert!(account.health([Some(99); 2], kind, &PLAIN).is_ok(), "what is left out need not be listed");
        assert_eq!(account.shelf.asked, [Market(100), Market(98), Vault(100), Vault(98)]);
    }
}

#[test]
fn what_a_leg_refuses_is_returned_by_what_it_is_asked_for() {
    let spoilt = |spoil: fn(&mut OracleState)| {
        let mut account = three();
        spoil(&mut account.shelf.vaults.get_mut(&99).unwrap().oracle);
        TYPES.map(|kind| {
            let without = account.health([None, Some(99)], kind, &PLAIN).unwrap();
            match account.health([None; 2], kind, &PLAIN) {
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
        let refused = account.health([None; 2], kind, &PLAIN);
        assert!(matches!(refused, Err(Refusal::Engine(EngineError::PriceNotUsable { .. }))));
        assert!(account.health([Some(99), None], kind, &PLAIN).is_ok());
    }
}
