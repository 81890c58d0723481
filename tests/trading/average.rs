//! The average that gates withdrawals and increases: slow, clamped, and the same however it is cranked.

use bulwark_tests::World;
use bulwark_tests::fixtures::PRINT;

use crate::support::{MARKET, UNI, refresh, uni_params, uni_world};

fn average(world: &World) -> u64 {
    world.market(MARKET).core.oracle.ema.to_bits()
}

/// A print of `price` after `seconds`.
fn print_after(world: &mut World, seconds: i64, price: i64) {
    world.advance(seconds - 1);
    refresh(world, (MARKET, &UNI), price, 0);
}

#[test]
fn one_print_moves_the_average_by_two_percent_at_most() {
    for (price, factor) in [(1_250 * PRINT, 102), (12 * PRINT, 98)] {
        let mut world = uni_world(uni_params());
        let start = average(&world);
        assert_eq!(start, 1 << 29);
        for _ in 0..3 {
            let before = average(&world);
            print_after(&mut world, 60, price);
            let step = (u128::from(before) * 20_000 / 1_000_000) as u64;
            let expected = if factor > 100 { before + step } else { before - step };
            assert_eq!(average(&world), expected, "to {price}");
        }
    }
}

#[test]
fn the_average_follows_its_half_life() {
    // 1 % away, one print per minute: five minutes leave half of the distance.
    let mut world = uni_world(uni_params());
    let (start, target) = (average(&world) as f64, average(&world) as f64 * 1.01);
    for minute in 1..=10 {
        print_after(&mut world, 60, 126_25000000);
        let left = (target - average(&world) as f64) / (target - start);
        let exact = 0.5_f64.powf(f64::from(minute) / 5.0);
        assert!((left - exact).abs() < 1e-4, "after {minute} min {left} is left, not {exact}");
    }
}

#[test]
fn attack_an_idle_crank_does_not_let_the_average_jump() {
    // A gap of an hour counts as one of 60 s.
    let world = uni_world(uni_params());
    let averages = [60, 61, 3_600, 86_400].map(|gap| {
        let mut world = world.fork();
        print_after(&mut world, gap, 126_00000000);
        average(&world)
    });
    assert_eq!(averages, [averages[0]; 4]);
    let mut world = world.fork();
    print_after(&mut world, 30, 126_00000000);
    assert!(average(&world) < averages[0], "half the time moves it less");
}

#[test]
fn attack_cranking_often_or_rarely_moves_the_average_alike() {
    let world = uni_world(uni_params());
    let averages = [1, 2, 5, 10, 60].map(|gap| {
        let mut world = world.fork();
        for _ in 0..60 / gap {
            print_after(&mut world, gap, 126_00000000);
        }
        average(&world)
    });
    for other in averages {
        // The decay of a second is exact to a few millionths; 60 of them, on 0.8 % of the price.
        assert!(other.abs_diff(averages[4]) < averages[4] / 100_000, "{averages:?}");
    }
}

#[test]
fn refreshing_twice_with_one_print_is_refreshing_once() {
    let mut world = uni_world(uni_params());
    print_after(&mut world, 10, 130 * PRINT);
    let once = world.market(MARKET);
    for _ in 0..5 {
        world
            .send(&[bulwark_sdk::instruction::refresh_market(MARKET, World::oracles(&UNI))], &[])
            .expect("refresh");
    }
    let after = world.market(MARKET);
    assert_eq!(after.core, once.core);
    assert_eq!(after.sequence, once.sequence + 5, "only the number of events moves");
}
