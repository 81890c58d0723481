//! Longs and shorts of one risk group offset each other's margin; and whether a decrease made an account worse is known
//! from the one leg that it touched.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::EngineError;
use bulwark_engine::margin::{GROUPS, Health, HealthType, MAX_OFFSET_PPM, Portfolio, RiskGroups};
use bulwark_engine::position::Position;
use bulwark_engine::units::{Quote, Side};
use model::vault::{Account, Leg};
use model::world::{ONE, any_lots, any_side};
use model::{Exact, config, int, ratio};
use proptest::prelude::*;

const TYPES: [HealthType; 3] = [HealthType::Init, HealthType::Withdraw, HealthType::Maint];

/// A leg's equity and requirement, its group (9 is no group) and its side.
#[derive(Clone, Copy, Debug)]
struct Part {
    health: Health,
    group: u8,
    side: Side,
}

fn any_part(requirement: impl Strategy<Value = u64>) -> impl Strategy<Value = Part> {
    (-(1_i64 << 50)..1 << 50, requirement, 0..=9_u8, any_side()).prop_map(
        |(equity, requirement, group, side)| {
            let health = Health { equity: Quote(equity), requirement: Quote(requirement.cast_signed()) };
            Part { health, group, side }
        },
    )
}

fn any_requirement() -> impl Strategy<Value = u64> {
    prop_oneof![1 => Just(0), 2 => 0..10_u64, 4 => any_lots(50)]
}

fn any_parts() -> impl Strategy<Value = Vec<Part>> {
    prop::collection::vec(any_part(any_requirement()), 0..12)
}

fn any_groups() -> impl Strategy<Value = RiskGroups> {
    let offset = prop_oneof![Just(0), Just(MAX_OFFSET_PPM), 0..=MAX_OFFSET_PPM];
    prop::collection::vec(offset, 8)
        .prop_map(|offsets| RiskGroups { offset_ppm: offsets.try_into().unwrap() })
}

fn portfolio(parts: &[Part]) -> Portfolio {
    let mut portfolio = Portfolio::default();
    for part in parts {
        portfolio.add_position(part.health, part.group, &Position::new(0, part.side)).unwrap();
    }
    portfolio
}

fn health(parts: &[Part], groups: &RiskGroups) -> Health {
    portfolio(parts).health(groups).unwrap()
}

/// Long and short requirement of a group; all of both of group 0 (or 9), which offsets nothing.
fn sides(parts: &[Part], group: u8) -> [Exact; 2] {
    Side::BOTH.map(|side| {
        let inside = parts.iter().filter(|part| part.group == group && part.side == side);
        inside.fold(int(0), |sum, part| sum + int(part.health.requirement.0))
    })
}

proptest! {
    #![proptest_config(config(1_000))]

    /// `max(L, S) + (1 − offset)·min(L, S)` per group, the second term rounded up; equity is a plain sum.
    #[test]
    fn the_requirement_is_that_of_the_formula(parts in any_parts(), groups in any_groups()) {
        let found = health(&parts, &groups);
        let equity: i64 = parts.iter().map(|part| part.health.equity.0).sum();
        prop_assert_eq!(found.equity.0, equity);
        let (mut exact, mut low, mut high) = (int(0), int(0), int(0));
        for group in 0..=9_u8 {
            let [long, short] = sides(&parts, group);
            let (sum, larger, smaller) = (&long + &short, long.clone().max(short.clone()), long.min(short));
            let offset = if (1..=GROUPS).contains(&group) { groups.offset_ppm[usize::from(group) - 1] } else { 0 };
            prop_assert_eq!(groups.offset(group), offset);
            exact += &larger + (smaller * ratio(1_000_000 - offset, 1_000_000)).ceil();
            low += if offset == 0 { sum.clone() } else { larger.max(&sum * ratio(4, 10)) };
            high += sum;
        }
        prop_assert_eq!(int(found.requirement.0), exact.clone());
        prop_assert!(low <= exact && exact <= high);
        prop_assert_eq!(int(health(&parts, &RiskGroups::default()).requirement.0), high, "no offset: a plain sum");
    }

    /// I9: what is added without a requirement leaves it as it is and adds its worth; a leg more adds no more than its own
    /// requirement, and takes none away.
    #[test]
    fn health_is_monotone(
        parts in any_parts(), groups in any_groups(), more in any_part(any_requirement()), worth in 0..1_i64 << 50,
    ) {
        let before = health(&parts, &groups);
        let mut richer = portfolio(&parts);
        richer.add(Health { equity: Quote(worth), requirement: Quote::ZERO }).unwrap();
        let expected = Health { equity: Quote(before.equity.0 + worth), ..before };
        prop_assert_eq!(richer.health(&groups), Ok(expected));
        let after = health(&[&parts[..], &[more]].concat(), &groups);
        prop_assert!(after.requirement >= before.requirement);
        prop_assert!(after.requirement.0 <= before.requirement.0 + more.health.requirement.0);
        // The order in which legs are added is nobody's choice.
        let mut reversed = [&parts[..], &[more]].concat();
        reversed.reverse();
        prop_assert_eq!(health(&reversed, &groups), after);
        // More offset never asks for more.
        let whole = RiskGroups { offset_ppm: [MAX_OFFSET_PPM; 8] };
        prop_assert!(health(&parts, &whole).requirement <= before.requirement);
    }

    /// If the leg alone says that it is no worse, `E − requirement` of the account did not fall, whatever else it holds.
    #[test]
    fn a_leg_that_is_no_worse_makes_no_account_worse(
        others in any_parts(), groups in any_groups(), leg in any_part(any_requirement()), share in 0..=1_u128 << 20,
        rises in any::<bool>(),
        slip in prop_oneof![-3..=3_i64, -(1_i64 << 50)..1 << 50],
    ) {
        let requirement = leg.health.requirement.0;
        let changed = i64::try_from((u128::from(requirement.unsigned_abs()) * share) >> 20).unwrap();
        let left = if rises { requirement + changed } else { requirement - changed };
        let offset = groups.offset(leg.group);
        // Around where the answer turns: what is sure to be freed, and a little.
        let sure = int(requirement - left) * if rises { int(1) } else { ratio(1_000_000 - offset, 1_000_000) };
        let sure = i64::try_from(sure.to_integer()).unwrap();
        let after = Health { equity: Quote(leg.health.equity.0 - sure + slip), requirement: Quote(left) };
        let says = after.is_no_worse_than(leg.health, offset).unwrap();
        prop_assert_eq!(says, slip >= 0, "exactly at the boundary");
        let excess = |health| self::health(&[&others[..], &[Part { health, ..leg }]].concat(), &groups).excess().unwrap();
        if says {
            prop_assert!(excess(after) >= excess(leg.health));
        }
        if offset == 0 {
            prop_assert_eq!(says, excess(after) >= excess(leg.health), "without offset it is the very question");
        }
    }

    /// The same through real markets: legs are summed by the group that their market names.
    #[test]
    fn an_account_is_offset_by_the_groups_of_its_markets(
        legs in prop::collection::vec((any_side(), any_lots(33), ONE / 8..ONE * 4, 0..=8_u8), 1..=16),
        groups in any_groups(),
    ) {
        let leg = |(side, lots, bits, group): Leg| Some((side, lots.max(16), bits, group));
        let legs: Vec<Option<Leg>> = legs.into_iter().map(leg).collect();
        let mut account = Account::new(&legs, &[]);
        for kind in TYPES {
            let parts: Vec<Part> = account.positions.iter().zip(&legs).map(|(position, leg)| {
                let (side, _, _, group) = leg.unwrap();
                let market = &account.shelf.markets[&position.market];
                let health = Health::of_position(market, position, kind, model::world::NOW).unwrap();
                Part { health, group, side }
            }).collect();
            let expected = health(&parts, &groups);
            prop_assert_eq!(account.health([None; 2], kind, &groups).unwrap(), expected);
        }
    }
}

#[test]
fn groups_by_hand() {
    let leg = |side, requirement, group| Part {
        health: Health { equity: Quote(10), requirement: Quote(requirement) },
        group,
        side,
    };
    let mut groups = RiskGroups::default();
    (groups.offset_ppm[0], groups.offset_ppm[7]) = (600_000, 500_000);
    let one = [leg(Side::Long, 1_000, 1), leg(Side::Short, 700, 1)];
    assert_eq!(
        health(&one, &groups),
        Health { equity: Quote(20), requirement: Quote(1_280) },
        "1000 + 0.4 · 700"
    );
    let apart = [leg(Side::Long, 1_000, 1), leg(Side::Short, 700, 2)];
    assert_eq!(health(&apart, &groups).requirement, Quote(1_700));
    let none = [leg(Side::Long, 1_000, 0), leg(Side::Short, 700, 0)];
    assert_eq!(health(&none, &groups).requirement, Quote(1_700), "no group offsets nothing");
    let last = [leg(Side::Long, 7, 8), leg(Side::Short, 7, 8), leg(Side::Long, 0, 8)];
    assert_eq!(health(&last, &groups).requirement, Quote(11), "7 + 3.5, rounded up");
    // A hedge that is closed frees 40 % of its requirement: equity that it costs beyond that makes the account worse.
    let before = Health { equity: Quote(500), requirement: Quote(700) };
    let after = |equity| Health { equity: Quote(equity), requirement: Quote::ZERO };
    assert_eq!(after(220).is_no_worse_than(before, 600_000), Ok(true));
    assert_eq!(after(219).is_no_worse_than(before, 600_000), Ok(false));
    assert_eq!(after(-200).is_no_worse_than(before, 0), Ok(true));
    let overflow = Health { equity: Quote(i64::MAX), requirement: Quote(i64::MIN) };
    assert_eq!(before.is_no_worse_than(overflow, 0), Err(EngineError::Overflow));
}
