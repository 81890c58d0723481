//! A crowded collateral adds no buying power, and a new one opens slowly.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::EngineError;
use bulwark_engine::collateral::{Collateral, CollateralParams};
use bulwark_engine::margin::HealthType;
use model::vault::{COLLATERAL, collateral};
use model::world::{HALF, NOW, ONE, any_lots, oracle};
use model::{config, int, of_price, ratio};
use proptest::prelude::*;

const DAY: i64 = 86_400;

fn any_haircuts() -> impl Strategy<Value = [u32; 2]> {
    (20_000..=1_000_000_u32, 10_000..=1_000_000_u32).prop_map(|(init, maint)| [init, maint.min(init)])
}

fn crowded(haircuts: [u32; 2], soft_cap: u64, recorded: u64) -> Collateral {
    let mut collateral = collateral(haircuts, oracle(HALF));
    (collateral.params.soft_cap, collateral.recorded) = (soft_cap, recorded);
    collateral
}

/// A collateral whose cap opens by so much a day.
fn opening(max_deposits: u64, cap_growth_ppm: u32, ramp_from: u64) -> Collateral {
    let params = CollateralParams { max_deposits, cap_growth_ppm, ..COLLATERAL };
    Collateral { params, ramp_from, ..collateral([300_000, 100_000], oracle(ONE)) }
}

fn any_cap() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), any_lots(62), Just(u64::MAX)]
}

proptest! {
    #![proptest_config(config(1_000))]

    /// `1 − (1 − h)·min(1, soft_cap/total)`, rounded up; for maintenance margin crowding counts nothing.
    #[test]
    fn the_initial_haircut_grows_with_the_crowd(
        haircuts in any_haircuts(), soft_cap in any_lots(62), recorded in any_lots(62), amount in any_lots(40),
        more in any_lots(60),
    ) {
        let collateral = crowded(haircuts, soft_cap, recorded);
        let counted = int(1_000_000 - haircuts[0]) * ratio(soft_cap, recorded).min(int(1));
        let exact = (int(1_000_000) - counted).ceil();
        prop_assert_eq!(int(collateral.haircut_init_ppm().unwrap()), exact.clone());
        for kind in [HealthType::Init, HealthType::Withdraw] {
            let worth = (int(amount) * of_price(collateral.oracle.price)).floor();
            let counted = (worth * ratio(1_000_000 - haircuts[0], 1_000_000)).floor();
            let counted = (counted * ratio(soft_cap, recorded).min(int(1))).floor();
            prop_assert_eq!(int(collateral.value(amount, kind, NOW).unwrap()), counted);
        }
        let alone = crowded(haircuts, u64::MAX, 0);
        let maint = |collateral: &Collateral| collateral.value(amount, HealthType::Maint, NOW);
        prop_assert_eq!(maint(&collateral), maint(&alone), "a crowd liquidates nobody");
        let fuller = crowded(haircuts, soft_cap, recorded + more);
        prop_assert!(fuller.haircut_init_ppm().unwrap() >= collateral.haircut_init_ppm().unwrap());
    }

    #[test]
    fn the_initial_haircut_at_the_soft_cap_and_at_twice(haircuts in any_haircuts(), soft_cap in 1..1_u64 << 62) {
        let at = |soft_cap, recorded| crowded(haircuts, soft_cap, recorded).haircut_init_ppm().unwrap();
        prop_assert_eq!([0, soft_cap / 2, soft_cap].map(|total| at(soft_cap, total)), [haircuts[0]; 3]);
        prop_assert_eq!(at(soft_cap, 2 * soft_cap), 1_000_000 - (1_000_000 - haircuts[0]) / 2);
        prop_assert_eq!(at(0, soft_cap), 1_000_000, "without a soft cap nothing counts");
        prop_assert_eq!(at(0, 0), haircuts[0]);
        prop_assert_eq!(at(1, u64::MAX), 1_000_000);
    }

    /// All deposits together never count for more than at the soft cap, and beyond it for no less but for rounding.
    #[test]
    fn the_buying_power_of_a_collateral_is_bounded(
        haircuts in any_haircuts(), soft_cap in any_lots(50), recorded in any_lots(52),
    ) {
        let worth = crowded(haircuts, soft_cap, recorded).value(recorded, HealthType::Init, NOW).unwrap();
        let unit = of_price(model::world::price(HALF));
        let best = int(soft_cap.min(recorded)) * &unit * (int(1) - ratio(haircuts[0], 1_000_000));
        prop_assert!(int(worth) <= best);
        prop_assert!(int(worth) + int(2) >= best);
    }

    /// I9 with the crowd that one is oneself: a deposit never makes its depositor poorer, whoever else is in, by more than
    /// two roundings.
    #[test]
    fn a_deposit_never_makes_its_depositor_poorer(
        haircuts in any_haircuts(), soft_cap in any_lots(50), own in any_lots(50), others in prop_oneof![Just(0), any_lots(50)],
        more in any_lots(50),
    ) {
        let worth = |kind, own: u64| crowded(haircuts, soft_cap, own + others).value(own, kind, NOW).unwrap();
        for kind in [HealthType::Init, HealthType::Withdraw] {
            let (before, after) = (worth(kind, own), worth(kind, own + more));
            prop_assert!(after + 2 >= before, "{} to {}", before, after);
            let alone = own + more + others <= soft_cap;
            prop_assert!(!alone || after >= before, "below the soft cap nothing is lost at all");
        }
        prop_assert!(worth(HealthType::Maint, own + more) >= worth(HealthType::Maint, own));
    }

    /// Without the rounding of the haircut: what `own` of `total` counts for, in millionths of a token unit, never falls.
    #[test]
    fn a_share_of_the_crowd_never_shrinks_by_a_deposit(
        haircuts in any_haircuts(), soft_cap in any_lots(50), own in any_lots(50), others in any_lots(50), more in any_lots(50),
    ) {
        let share = |own: u64| {
            let haircut = int(crowded(haircuts, soft_cap, own + others).haircut_init_ppm().unwrap());
            [int(own) * (int(1_000_000) - &haircut), int(own) * (int(1_000_001) - haircut)]
        };
        prop_assert!(share(own + more)[1] > share(own)[0], "the formula lies between what is found and a ppm more");
    }

    /// From nothing at the listing, by a bounded share of the cap a day, to the cap and no further.
    #[test]
    fn the_cap_opens_by_a_share_a_day(
        max in any_cap(), growth in 10_000..=1_000_000_u32, from in any_cap(), a in 0..200 * DAY, b in 0..200 * DAY,
    ) {
        let collateral = opening(max, growth, from);
        prop_assert_eq!(collateral.params.validate(), Ok(()));
        let cap = |after| int(collateral.cap(NOW + after).unwrap());
        let exact = int(max) * ratio(growth, 1_000_000) * ratio(a, DAY);
        prop_assert_eq!(cap(a), (int(from) + exact.min(int(max)).floor()).min(int(max)));
        prop_assert_eq!(cap(-a - 1), int(from.min(max)), "before it began nothing has grown");
        let most = int(max) * ratio(growth, 1_000_000) * ratio(b, DAY) + int(1);
        prop_assert!(cap(a + b) >= cap(a) && cap(a + b) - cap(a) <= most);
        // Full after 1 / growth days, whatever it began with, and not a second before.
        let days = i64::from(1_000_000_u32.div_ceil(growth));
        prop_assert_eq!(cap(days * DAY), int(max));
        prop_assert_eq!(cap(i64::MAX - NOW), int(max));
        let listed = Collateral::new(collateral.params, collateral.oracle, NOW);
        prop_assert_eq!((listed.cap(NOW), listed.recorded, listed.ramp_since), (Ok(0), 0, NOW));
        let early = listed.cap(NOW + (days - 1) * DAY).unwrap();
        prop_assert!(max == 0 || early < max || growth == 1_000_000);
        let total = collateral.cap(NOW + a).unwrap();
        prop_assert_eq!(collateral.require_cap(total, NOW + a), Ok(()));
        if let Some(total) = total.checked_add(1) {
            prop_assert_eq!(collateral.require_cap(total, NOW + a), Err(EngineError::DepositCap { total, cap: total - 1 }));
        }
    }

    #[test]
    fn what_comes_and_goes_is_recorded(amounts in prop::collection::vec((any::<bool>(), any_lots(40)), 1..30)) {
        let mut collateral = opening(u64::MAX, 1_000_000, 0);
        let mut held = 0_u64;
        for (arrives, amount) in amounts {
            if arrives {
                collateral.receive(amount, NOW).unwrap();
                held += amount;
            } else {
                let released = collateral.release(amount, NOW);
                let missing = EngineError::InsufficientBalance { balance: held, needed: amount };
                prop_assert_eq!(released, if amount <= held { Ok(()) } else { Err(missing) });
                held -= if amount <= held { amount } else { 0 };
            }
            prop_assert_eq!(collateral.recorded, held);
        }
    }
}

#[test]
fn a_cap_by_hand() {
    // 10 % of 1000 a day.
    let collateral = opening(1_000, 100_000, 0);
    let cap = |seconds| collateral.cap(NOW + seconds).unwrap();
    assert_eq!([0, 863, 864, DAY, 10 * DAY - 1, 10 * DAY].map(cap), [0, 0, 1, 100, 999, 1_000]);
    // Raised to 2000 while 300 were in force: 200 a day from there.
    let raised = opening(2_000, 100_000, 300);
    assert_eq!([0, DAY, 8 * DAY, 9 * DAY].map(|s| raised.cap(NOW + s).unwrap()), [300, 500, 1_900, 2_000]);
    // Lowered below what was in force: at once.
    assert_eq!(opening(100, 10_000, 300).cap(NOW), Ok(100));
    assert_eq!(
        opening(0, 1_000_000, 300).require_cap(1, NOW),
        Err(EngineError::DepositCap { total: 1, cap: 0 })
    );
}

#[test]
fn a_crowd_by_hand() {
    // 30 % up to 1000 tokens: from there on 700 of them count, 53.4 % off at 1500, 79.1 % at 3334.
    let value = |recorded, kind| crowded([300_000, 100_000], 1_000, recorded).value(200, kind, NOW).unwrap();
    let both = |recorded| [value(recorded, HealthType::Init), value(recorded, HealthType::Maint)];
    assert_eq!([1_000, 1_500, 3_334].map(both), [[70, 90], [46, 90], [20, 90]]);
    let haircut = |recorded| crowded([300_000, 100_000], 1_000, recorded).haircut_init_ppm().unwrap();
    assert_eq!([1_001, 1_500, 2_000, 3_334].map(haircut), [300_700, 533_334, 650_000, 790_042]);
    // Alone in it, from the soft cap to ten times as much: 700 at half a unit each, all the way.
    let all = |recorded| {
        crowded([300_000, 100_000], 1_000, recorded).value(recorded, HealthType::Init, NOW).unwrap()
    };
    assert_eq!([500, 1_000, 2_000, 4_000, 10_000].map(all), [175, 350, 350, 350, 350]);
}
