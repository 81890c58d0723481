//! A bucket is known by its worst entry: what somebody gains who puts a small position with a worse one beside his winner.

use bulwark_sdk::engine::carry::CarryParams;
use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::units::Side;
use bulwark_tests::fixtures::DOLLAR;
use bulwark_tests::{Trader, World};

use crate::stage::market;
use crate::support::*;

const LOTS: u64 = 100 * ONE;

/// A thin market in which long and short of 100 units are the attacker's, from 132.70 dollars, and the fund has 10,000. The
/// price falls to 125.20 at once: the long has lost 86 dollars more than it had. What the attacker gains.
fn gap(decoy: bool) -> i128 {
    let mut scene = Scene::of(World::empty(), [market(true); 2]);
    scene.fund_with(10_000, 0);
    let own: Vec<Trader> = [664, 664, 1_000].map(|d| scene.funded_trader(d * DOLLAR)).into();
    let honest = scene.funded_trader(100_000 * DOLLAR);
    let start = scene.wealth(&own);
    if decoy {
        // The bucket is as wide as a sixteenth of 125 dollars.
        scene.settle_at(A, 12_510);
        scene.hold(&own[2], A, Side::Short, 80 * STEP);
    }
    scene.settle_at(A, 13_270);
    scene.hold(&own[0], A, Side::Long, LOTS);
    scene.hold(&own[1], A, Side::Short, LOTS);
    scene.hold(&honest, A, Side::Long, LOTS);
    scene.go(A, 12_520);
    scene.close_out(&own[0], None);
    let event = scene.resolve(&own[0], A);
    println!("decoy {decoy}: {event:?}");
    near(event.debt, 86 * DOLLAR);
    scene.wealth(&own) - start
}

#[test]
fn attack_a_decoy_in_the_bucket_shields_a_winner_for_less_than_the_width_of_a_bucket() {
    // Without it his winner pays for his loser. With it the fund does: as long as the price has moved by less than the bucket is
    // wide, which is a sixteenth at most, and by more than the margin. That is 1.25 % of the notional, once.
    let (plain, shielded) = (gap(false), gap(true));
    println!("{plain} without, {shielded} with");
    near(plain, 0);
    assert!(shielded <= dollars(13_270) / 80, "{shielded}");
    assert!(shielded <= dollars(86));
}

/// What is different from case to case when carry has moved a decoy away from its bucket.
#[derive(Clone, Copy)]
struct Case {
    /// Whether there is one.
    decoy: bool,
    /// Whether it is closed in the end.
    gone: bool,
    /// Whether its bucket is empty for a moment, before the price jumps.
    emptied: bool,
    /// Whether somebody else holds 60 units from 121 dollars: the next bucket.
    beside: bool,
}

/// Who paid how much, quote units.
#[derive(Debug)]
struct Paid {
    debt: u64,
    winners: u64,
    fund: u64,
    /// What the attacker's two winners gave of it, and the one beside them.
    own: i128,
    beside: i128,
}

/// The same with funding of 10 % a day, the highest, for a day: longs pay. A long that was opened at first breaks even at
/// 110 % of the price by now, and the bucket that it shares with two new ones remembers that. Their side is the attacker's; a
/// short of his owes 310 dollars after a jump by 8 %. They have won 1,212 dollars.
fn drifted(case: Case) -> Paid {
    let carry = CarryParams { funding_max_ppm: 100_000, ..CarryParams::NONE };
    let mut scene = Scene::of(World::empty(), [MarketParams { carry, ..market(true) }; 2]);
    scene.fund_with(10_000, 0);
    let own: Vec<Trader> = [100, 5_000, 5_000, 700].map(|d| scene.funded_trader(d * DOLLAR)).into();
    let beside = scene.funded_trader(5_000 * DOLLAR);
    scene.settle_at(A, 12_510);
    if case.decoy {
        scene.hold(&own[0], A, Side::Long, 80 * STEP);
    }
    // As after two days of a one-sided market: the rate itself is not what is attacked here.
    scene.tamper::<bulwark_sdk::program::state::Market>(&bulwark_sdk::address::market(A), |m| {
        m.core.carry.funding_rate = 1 << 48;
        m.core.carry.funding_rate /= 10;
    });
    for _ in 0..24 {
        scene.wait(9_000);
    }
    if case.beside {
        scene.go(A, 12_100);
        scene.hold(&beside, A, Side::Long, 60 * ONE);
        scene.go(A, 12_510);
    }
    for who in &own[1..3] {
        scene.hold(who, A, Side::Long, 60 * ONE);
    }
    scene.hold(&own[3], A, Side::Short, 100 * ONE);
    // Whatever anyone can do about it: file them all again, in any order.
    for who in own.iter().chain(&own[..3]) {
        let _ = scene.settle(&who.margin, A);
    }
    if case.gone {
        scene.close(&own[0], A, u64::MAX).expect("close");
    }
    if case.emptied {
        for who in &own[1..3] {
            scene.close(who, A, u64::MAX).expect("close");
        }
        for who in &own[1..3] {
            scene.hold(who, A, Side::Long, 60 * ONE);
        }
    }
    scene.go(A, 13_520);
    scene.close_out(&own[3], None);
    let won = |scene: &Scene| {
        let other = if case.beside { scene.won(&beside, A) } else { 0 };
        [own[1..3].iter().map(|who| scene.won(who, A)).sum(), other]
    };
    let before = won(&scene);
    let event = scene.resolve(&own[3], A);
    let after = won(&scene);
    assert_eq!(event.debt, event.deleveraged + event.reserve, "{event:?}");
    Paid {
        debt: event.debt,
        winners: event.deleveraged,
        fund: event.reserve,
        own: before[0] - after[0],
        beside: before[1] - after[1],
    }
}

const PLAIN: Case = Case { decoy: false, gone: false, emptied: false, beside: false };
const DECOY: Case = Case { decoy: true, ..PLAIN };

#[test]
fn attack_known_limit_a_worst_entry_that_carry_has_moved_away_shields_its_bucket_from_an_unwind() {
    // A bucket remembers its worst entry until it is empty, though carry has moved that away, its owner was filed elsewhere, and
    // even when he has left: 310 dollars that the bucket's winners owe are the fund's to pay.
    let plain = drifted(PLAIN);
    near(plain.debt, 310 * DOLLAR);
    near(plain.winners, plain.debt);
    near(plain.own, plain.debt);
    for case in [DECOY, Case { gone: true, ..DECOY }] {
        let shielded = drifted(case);
        println!("{plain:?} without a decoy, {shielded:?} with one");
        nearly(shielded.debt, plain.debt);
        assert_eq!((shielded.winners, shielded.own, shielded.fund), (0, 0, shielded.debt));
    }
}

#[test]
fn attack_known_limit_the_shield_ends_when_the_bucket_is_empty() {
    // Those whom it shields have closed and opened again: nobody remembers the decoy, and they pay everything.
    let emptied = drifted(Case { emptied: true, ..DECOY });
    println!("{emptied:?}");
    nearly(emptied.debt, 310 * DOLLAR);
    near(emptied.winners, emptied.debt);
    near(emptied.own, emptied.debt);
    assert!(emptied.fund < 1_000);
}

#[test]
fn attack_known_limit_the_shield_is_that_of_one_bucket_and_other_winners_pay_instead() {
    // Somebody in the next bucket has won 852 dollars. Without a decoy he pays his share of 310 dollars, 41 %; with one he
    // pays them alone, up to half of what he has won in a day, and the fund pays nothing.
    let [plain, shielded] = [PLAIN, DECOY].map(|case| drifted(Case { beside: true, ..case }));
    println!("{plain:?} without a decoy, {shielded:?} with one");
    near(plain.winners, plain.debt);
    near(plain.own + plain.beside, plain.debt);
    nearly(plain.beside, i128::from(plain.debt) * 852 / (852 + 1_212));
    nearly(shielded.debt, plain.debt);
    near(shielded.winners, shielded.debt);
    near(shielded.beside, shielded.debt);
    assert!(shielded.own == 0 && plain.fund.max(shielded.fund) < 10, "but for rounding");
}
