//! The floors' arithmetic, by numbers that one can check by hand.

use std::cell::Cell;

use bulwark_sdk::engine::margin::RiskGroups;

use super::*;
use bulwark_keeper_bench::{Crowd, Dice, carry};

thread_local! {
    /// How many times the slack is given away.
    pub static GENEROSITY: Cell<u64> = const { Cell::new(1) };
}

/// See the one outside of tests.
pub fn generosity() -> u64 {
    GENEROSITY.get()
}

/// One in the fraction of a normal price.
const ONE: i64 = 1 << NORMAL_FRACTION;

fn leg(count: u64, worth: u64, grouped: bool) -> Option<Leg> {
    Some(Leg { gauge: Gauge([10 * ONE, 9 * ONE]), count, worth, grouped })
}

fn shared(slack: i64, given: &[Option<Leg>]) -> Option<Vec<Floors>> {
    let mut legs = [None; LEGS];
    legs[..given.len()].copy_from_slice(given);
    share_out(slack, legs).map(|floors| floors[..given.len()].to_vec())
}

#[test]
fn the_share_of_a_lot_is_the_slack_by_the_lots() {
    // 100 lots and 204 units of slack, 4 of which stay: 2 units a lot. In 1/2^48 one less for rounding.
    let floors = shared(204, &[leg(100, 1_000, true)]);
    assert_eq!(floors, Some(vec![Floors([8 * ONE + 1, 7 * ONE + 1])]));
    // Outside of a group only what is left after the requirement counts.
    let floors = shared(204, &[leg(100, 1_000, false)]);
    assert_eq!(floors, Some(vec![Floors([i64::MIN, 7 * ONE + 1])]));
}

#[test]
fn legs_share_in_proportion_to_their_worth() {
    // 408 − 8 = 400 units: 300 for the first, 3 a lot; 100 for the second, half a unit a lot.
    let floors = shared(408, &[leg(100, 3_000, true), leg(200, 1_000, true)]);
    let (first, second) = (Floors([7 * ONE + 1, 6 * ONE + 1]), Floors([19 * ONE / 2 + 1, 17 * ONE / 2 + 1]));
    assert_eq!(floors, Some(vec![first, second]));
}

#[test]
fn a_claim_takes_no_share_and_needs_no_floor() {
    let floors = shared(208, &[leg(100, 1_000, true), leg(0, 0, true)]);
    assert_eq!(floors, Some(vec![Floors([8 * ONE + 1, 7 * ONE + 1]), Floors::NEVER]));
}

#[test]
fn without_slack_beyond_rounding_there_is_no_floor() {
    assert_eq!(shared(ROUNDING - 1, &[leg(1, 1, true)]), None);
    assert_eq!(shared(-1, &[leg(1, 1, true)]), None);
    assert!(shared(ROUNDING, &[leg(1, 1, true)]).is_some());
    assert_eq!(shared(-1, &[]), None);
    assert_eq!(shared(0, &[]), Some(vec![]));
}

#[test]
fn a_gauge_at_its_floor_is_not_below_it() {
    let gauge = Gauge([10, 9]);
    assert!(!gauge.is_below(Floors([10, 9])));
    assert!(gauge.is_below(Floors([11, 9])));
    assert!(gauge.is_below(Floors([10, 10])));
    assert!(gauge.is_below(Floors::ALWAYS));
    assert!(!gauge.is_below(Floors::NEVER));
}

#[test]
fn a_lot_is_worth_price_less_carry_and_requires_a_fraction_of_the_price() {
    let mut crowd = Crowd::new(1, 0);
    let core = &mut crowd.markets[0].core;
    core.oracle.price = Price::from_bits(1 << 31).unwrap(); // half a unit
    (core.book.long.carry, core.book.short.carry) = (carry(1 << 46), carry(1 << 45)); // a quarter, an eighth
    core.volatility.mmf_ppm = 250_000; // requires an eighth
    assert_eq!(Gauge::of_side(core, Side::Long), Some(Gauge([ONE / 4, ONE / 8])));
    assert_eq!(Gauge::of_side(core, Side::Short), Some(Gauge([-ONE * 3 / 8, -ONE / 2])));
    core.settling_since = 1;
    assert_eq!(Gauge::of_side(core, Side::Long), None);
}

#[test]
fn a_token_unit_is_worth_its_price_less_the_haircut_until_a_dead_price_fades() {
    let mut crowd = Crowd::new(1, 0);
    let (now, core) = (crowd.now, &mut crowd.vaults[1].core);
    core.oracle.price = Price::from_bits(1 << 32).unwrap();
    core.params.haircut_maint_ppm = 250_000;
    assert_eq!(Gauge::of_vault(core, now), Some(Gauge([ONE * 3 / 4; 2])));
    assert!(Gauge::of_vault(core, now + 86_400).is_some());
    assert_eq!(Gauge::of_vault(core, now + 7 * 86_400), None);
}

#[test]
fn who_is_at_a_floor_of_each_leg_is_healthy_still() {
    // Every leg as low as its floors allow, all at once: prices first, then the requirement too.
    let mut dice = Dice::new(7);
    let (mut tried, mut near) = (0, 0);
    for seed in 0..400 {
        let mut crowd = Crowd::new(seed, 1);
        crowd.exchange.params.risk_groups = RiskGroups { offset_ppm: [(dice.next() % 600_001) as u32; 8] };
        let (_, account) = crowd.accounts.pop().unwrap();
        let Some(floors) = guard(&account, &crowd.snapshot()) else { continue };
        let slack_before = excess(&crowd, &account);
        lower(&mut crowd, &account, floors, &mut dice);
        let slack = excess(&crowd, &account);
        assert!(slack >= 0, "seed {seed}: {slack} of {slack_before} left");
        tried += 1;
        near += u64::from(slack < slack_before / 20);
    }
    assert!(tried > 300 && near > 50, "{tried} accounts, {near} brought near to trouble");
}

fn excess(crowd: &Crowd, account: &MarginAccount) -> i64 {
    let snapshot = crowd.snapshot();
    snapshot.health(account, HealthType::Maint).unwrap().excess().unwrap().0
}

/// Moves prices of an account's markets against it until the next step would be below a floor.
fn lower(crowd: &mut Crowd, account: &MarginAccount, floors: [Floors; LEGS], dice: &mut Dice) {
    let positions = account.positions.iter().filter(|p| p.is_open());
    for (position, floor) in positions.zip(floors) {
        let side = position.side().unwrap();
        let core = &mut crowd.markets[usize::from(position.market)].core;
        if dice.chance(50) {
            core.volatility.mmf_ppm += 1_000; // a part of the fall is the requirement's
            if Gauge::of_side(core, side).unwrap().is_below(floor) {
                core.volatility.mmf_ppm -= 1_000;
            }
        }
        let mut step = core.oracle.price.to_bits() / 2;
        while step > 0 {
            let before = core.oracle.price;
            let bits = before.to_bits();
            let bits = if side == Side::Long { bits - step } else { bits + step };
            core.oracle.price = Price::from_bits(bits).unwrap();
            if Gauge::of_side(core, side).unwrap().is_below(floor) {
                core.oracle.price = before;
                step /= 2;
            }
        }
    }
    let first = account.positions.iter().filter(|p| p.is_open()).count();
    for (slot, floor) in account.collaterals.iter().filter(|c| c.amount != 0).zip(&floors[first..]) {
        let core = &mut crowd.vaults[usize::from(slot.vault)].core;
        let mut step = core.oracle.price.to_bits() / 2;
        while step > 0 {
            let before = core.oracle.price;
            core.oracle.price = Price::from_bits(before.to_bits() - step).unwrap();
            if Gauge::of_vault(core, crowd.now).unwrap().is_below(*floor) {
                core.oracle.price = before;
                step /= 2;
            }
        }
    }
}
