//! I11: what traders pay in carry is what others and the pool receive, and time may be sliced at will.
//!
//! The funding rate is kept in 2^-48 a day. One accrual rounds its change and its clamp down, by `1 + 10/24` and
//! 1 at most, so after `n` accruals within an hour the stored rate is `n + 2` off the exact line at most, and the integral
//! at price `P` `P·(n + 3)/24` off in the unit 2^-48 of the indices. Each index is then rounded by one unit at most, longs
//! up and shorts down; borrow by one more on the heavier side. [`slack`] is that bound. For a lot worth up to
//! one quote unit and 2^40 lots it is less than `n/100 + 1` quote units.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::carry::{CarryParams, CarryState, MAX_ACCRUAL, RATE_ONE};
use bulwark_engine::market::{Market, MarketParams};
use bulwark_engine::units::Side;
use model::carry::{Carry, book, clamped_line, traders_pnl};
use model::world::{HALF, NOW, ONE, PARAMS, any_lots};
use model::{Exact, config, int, of_price, ratio};
use num_traits::Signed;
use proptest::prelude::*;

fn any_params() -> impl Strategy<Value = MarketParams> {
    let funding = (0..=10_000_000_u32, prop_oneof![0..=1_000_000_u32, 0..=1_000_u32]);
    (any_lots(41), funding).prop_map(|(skew_scale, (funding_velocity_ppm, funding_max_ppm))| MarketParams {
        skew_scale,
        carry: CarryParams { funding_velocity_ppm, funding_max_ppm, ..CarryParams::NONE },
        ..PARAMS
    })
}

/// Any rate, often at or beyond the clamp of the parameters.
fn any_rate() -> impl Strategy<Value = i64> {
    let one = RATE_ONE.cast_signed();
    prop_oneof![Just(0), -one..=one, -one / 1_000..=one / 1_000, -2_i64..=2]
}

fn any_book() -> impl Strategy<Value = [u64; 2]> {
    let lots = || prop_oneof![1 => Just(0), 4 => any_lots(40)];
    prop_oneof![4 => [lots(), lots()], 1 => any_lots(40).prop_map(|lots| [lots, lots])]
}

/// A market with carry on, and the seconds that its accruals wait: an hour together at most.
fn any_case() -> impl Strategy<Value = (Box<Market>, Vec<i64>)> {
    let slices = prop_oneof![
        prop::collection::vec(1..=60_i64, 1..60),
        prop::collection::vec(1..=720_i64, 1..=5),
        Just(vec![1; 100]),
    ];
    (any_params(), ONE / 100..=ONE, any_book(), any_rate(), prop_oneof![Just(0), 0..20_000_u32], slices)
        .prop_map(|(params, bits, lots, rate, borrow, slices)| {
            let mut market = book(&params, bits, lots);
            (market.carry.funding_rate, market.carry.borrow_ppm) = (rate, borrow);
            (market, slices)
        })
}

/// 2^-48: the unit of an index.
fn unit() -> Exact {
    ratio(1, 1_u64 << 48)
}

/// How far from exact `n` accruals within an hour leave an index at most.
fn slack(market: &Market, n: usize) -> Exact {
    (int(2 * n) + of_price(market.mark()) * ratio(n + 3, 24)) * unit()
}

fn skew(market: &Market) -> i64 {
    market.book.skew().unwrap().0
}

fn is_empty(market: &Market) -> bool {
    market.book.long.lots == 0 && market.book.short.lots == 0
}

/// The exact indices after these waits.
fn exact(market: &Market, waits: &[i64]) -> Carry {
    let (mut model, mut now) = (Carry::of(market), NOW);
    for wait in waits {
        now += wait;
        if is_empty(market) {
            model.idle(now);
        }
        model.accrue(&market.params, (skew(market), market.carry.borrow_ppm), &of_price(market.mark()), now);
    }
    model
}

fn accrued(market: &Market, waits: &[i64]) -> Box<Market> {
    let (mut market, mut now) = (Box::new(*market), NOW);
    for wait in waits {
        now += wait;
        market.accrue(now).unwrap();
    }
    market
}

fn indices(market: &Market) -> [Exact; 2] {
    Carry::of(market).index
}

proptest! {
    #![proptest_config(config(150))]

    /// Against exact rationals that know the clamp: longs are at most `P·4/24` units of 2^-48 under, shorts over.
    #[test]
    fn the_indices_follow_the_integral_of_the_clamped_line((market, slices) in any_case()) {
        let wait = slices.iter().sum();
        let (after, exact) = (accrued(&market, &[wait]), exact(&market, &[wait]));
        let [long, short] = indices(&after);
        let (under, over) = (of_price(market.mark()) * ratio(4, 24) * unit(), int(2) * unit());
        prop_assert!(long >= &exact.index[0] - &under, "longs pay too little");
        prop_assert!(short <= &exact.index[1] + &under, "shorts receive too much");
        prop_assert!(long <= &exact.index[0] + &over + &under && short >= &exact.index[1] - &over - &under);
        prop_assert!((Carry::of(&after).rate - exact.rate).abs() <= int(3) * unit());
    }

    /// Against the line that the stored rates draw there is no slack on the wrong side at all.
    #[test]
    fn longs_round_up_and_shorts_down((mut market, slices) in any_case()) {
        prop_assume!(!is_empty(&market));
        market.carry.borrow_ppm = 0;
        let max = ratio(market.params.carry.funding_max_ppm, 1_000_000);
        for wait in slices {
            let before = Carry::of(&market);
            let now = before.at + wait;
            market.accrue(now).unwrap();
            let after = Carry::of(&market);
            if before.rate.abs() > max || after.rate.abs() + unit() >= max {
                continue; // the line bends on its way
            }
            let grown = (before.rate + after.rate) / int(2) * ratio(wait, 86_400) * of_price(market.mark());
            let [long, short] = [0, 1].map(|side| &after.index[side] - &before.index[side]);
            prop_assert!(long >= grown && long <= &grown + unit(), "{} for {}", long, grown);
            prop_assert!(short <= grown && short >= &grown - unit(), "{} for {}", short, grown);
        }
    }

    /// Once or in n parts: each index within [`slack`] of the exact one, the traders' worth within it times the lots.
    #[test]
    fn time_may_be_sliced_at_will((market, slices) in any_case()) {
        let (once, sliced) = (accrued(&market, &[slices.iter().sum()]), accrued(&market, &slices));
        let (a, b, n) = (indices(&once), indices(&sliced), slices.len());
        let exact = exact(&market, &slices);
        let bound = slack(&market, n);
        for side in 0..2 {
            prop_assert!((&b[side] - &exact.index[side]).abs() <= bound);
            prop_assert!((&a[side] - &b[side]).abs() <= &bound + slack(&market, 1));
        }
        let worth = [&once, &sliced].map(|market| market.book.traders_pnl(market.mark()).unwrap().0);
        let lots = int(market.book.long.lots) + int(market.book.short.lots);
        let apart = int((worth[0] - worth[1]).abs());
        prop_assert!(apart <= lots * (bound + slack(&market, 1)) + int(2), "{} units", apart);
        prop_assert!(apart <= int(n) / int(20) + int(4), "at most 2^41 lots of one unit");
    }

    /// What all traders lose is what the pool gains: of the exact carry nothing but dust is lost, and that to the pool.
    #[test]
    fn what_traders_pay_is_what_the_others_and_the_pool_receive((market, slices) in any_case()) {
        let (after, exact) = (accrued(&market, &slices), exact(&market, &slices));
        let (before, n) = (Carry::of(&market), slices.len());
        let lots = [int(market.book.long.lots), -int(market.book.short.lots)];
        let part = |side: usize, index: &[Exact; 2]| &lots[side] * (&index[side] - &before.index[side]);
        let paid = |index: &[Exact; 2]| part(0, index) + part(1, index);
        let pool = traders_pnl(&market) - traders_pnl(&after);
        prop_assert_eq!(&pool, &paid(&indices(&after)), "paid less received");
        prop_assert_eq!(after.book.cash, market.book.cash);
        let equity = |market: &Market| int(market.book.equity(market.mark()).unwrap().0);
        prop_assert!((equity(&after) - equity(&market) - &pool).abs() < int(2), "the pool's part is its equity's");
        let held = &lots[0] - &lots[1];
        let dust = pool - paid(&exact.index);
        prop_assert!(dust <= &held * slack(&market, n));
        // In the pool's favour but for what the rate itself was rounded by: 2^40 lots of a unit each never feel it.
        let rate = of_price(market.mark()) * ratio(n + 3, 24) * unit();
        prop_assert!(dust >= -held * rate, "{}", dust);
    }

    /// A balanced book pays itself; the pool takes the dust and never gives any.
    #[test]
    fn a_balanced_book_pays_itself((mut market, slices) in any_case(), lots in any_lots(40)) {
        let (rate, params) = (market.carry.funding_rate, market.params);
        market = book(&params, market.mark().to_bits(), [lots, lots]);
        market.carry.funding_rate = rate;
        let after = accrued(&market, &slices);
        let dust = traders_pnl(&market) - traders_pnl(&after);
        let most = int(lots) * int(slices.len()) * unit();
        prop_assert!(!dust.is_negative() && dust <= most, "{}", dust);
        let max = ratio(params.carry.funding_max_ppm, 1_000_000);
        let from = Carry::of(&market).rate.clamp(-max.clone(), max);
        prop_assert!((Carry::of(&after).rate - from).abs() <= unit(), "no skew, no drift");
    }

    /// From rest, funding flows from the heavier side to the lighter; borrow on top moves the heavier side's index alone.
    #[test]
    fn the_heavier_side_pays((mut market, slices) in any_case()) {
        market.carry.funding_rate = 0;
        let borrow = market.carry.borrow_ppm;
        market.carry.borrow_ppm = 0;
        let funding = indices(&accrued(&market, &slices));
        market.carry.borrow_ppm = borrow;
        let both = indices(&accrued(&market, &slices));
        let skew = int(skew(&market)).signum();
        for index in &funding {
            prop_assert!(!(index * &skew).is_negative() || index.abs() <= slack(&market, slices.len()));
        }
        let waited: i64 = slices.iter().sum();
        let exact = ratio(borrow, 1_000_000) * ratio(waited, 86_400) * of_price(market.mark());
        let grown = [&both[0] - &funding[0], &funding[1] - &both[1]];
        for (side, sign) in [(0, int(1)), (1, int(-1))] {
            if skew == sign {
                prop_assert!(grown[side] >= exact && grown[side] <= &exact + int(slices.len()) * unit());
            } else {
                prop_assert_eq!(&grown[side], &int(0), "the lighter side owes the pool nothing");
            }
        }
    }

    #[test]
    fn an_accrual_counts_an_hour_at_most_and_a_clock_that_goes_back_nothing(
        (market, _) in any_case(), wait in MAX_ACCRUAL..1 << 40, back in 0..1_i64 << 40,
    ) {
        let (hour, longer) = (accrued(&market, &[MAX_ACCRUAL]), accrued(&market, &[wait]));
        prop_assert_eq!(indices(&hour), indices(&longer));
        prop_assert_eq!(hour.carry.funding_rate, longer.carry.funding_rate);
        prop_assert_eq!(longer.carry.accrued_at, NOW + wait, "what was not counted is gone");
        let mut same = longer.clone();
        same.accrue(NOW + wait - back).unwrap();
        prop_assert!(same == longer, "not a byte");
    }
}

/// The same as the engine's two pieces, as a sum of many thin ones: the reference is not its own judge.
#[test]
fn the_reference_agrees_with_thin_slices() {
    for (from, slope, max) in [(0, 7, 2), (-3, 9, 2), (3, -30, 2), (1, 0, 2), (-1, 1, 2), (5, 4, 0)] {
        let (whole, area) = clamped_line(&int(from), &int(slope), &int(max), &int(1));
        let (mut rate, mut sum) = (int(from).clamp(int(-max), int(max)), int(0));
        for _ in 0..1_000 {
            let next = (&rate + ratio(slope, 1_000)).clamp(int(-max), int(max));
            sum += (&rate + &next) / int(2_000);
            rate = next;
        }
        assert_eq!(rate, whole);
        assert!((sum - area).abs() <= ratio(slope.abs(), 1_000_000), "but for the slice that bends");
    }
}

#[test]
fn an_idle_market_does_not_jump() {
    let params = MarketParams { skew_scale: 1_000, carry: CarryParams::DEFAULT, ..PARAMS };
    let mut market = book(&params, HALF, [0, 0]);
    market.accrue(NOW + 1_000_000).unwrap();
    assert_eq!((indices(&market), market.carry.funding_rate), ([int(0), int(0)], 0));
    // A rate that was left behind is nobody's, and who comes next does not meet it.
    let mut left = market.clone();
    left.carry.funding_rate = RATE_ONE.cast_signed() / 20;
    left.accrue(NOW + 1_000_001).unwrap();
    assert_eq!((indices(&left), left.carry.funding_rate), ([int(0), int(0)], 0));
    // Skew that comes after a million seconds pays from then on.
    model::world::admit(&mut market, Side::Long, 1_000, -500);
    market.accrue(NOW + 1_000_001).unwrap();
    let [long, short] = indices(&market);
    let second = clamped_line(&int(0), &int(2), &ratio(1, 10), &ratio(1, 86_400)).1 / int(2);
    assert!(long >= second && long <= &second + unit() && short <= second && short >= &second - unit());
    // And a million seconds with it count as an hour.
    let mut hour = market.clone();
    hour.accrue(NOW + 1_003_601).unwrap();
    market.accrue(NOW + 2_000_000).unwrap();
    assert_eq!(indices(&market), indices(&hour));
}

/// The last position leaves in the second of the last accrual: the rate goes with it, whenever the next one comes.
#[test]
fn a_book_that_empties_leaves_no_rate_behind() {
    let params = MarketParams { skew_scale: 1_000, carry: CarryParams::DEFAULT, ..PARAMS };
    let left = CarryState { funding_rate: RATE_ONE.cast_signed() / 20, ..book(&params, HALF, [0, 0]).carry };
    for now in [NOW - 1, NOW, NOW + 1] {
        let mut market = book(&params, HALF, [0, 0]);
        market.carry = left;
        market.accrue(now).unwrap();
        assert_eq!((market.carry.funding_rate, market.carry.accrued_at), (0, NOW.max(now)));
        // Who joins in that second pays as the first one in a market that was always empty.
        let mut fresh = book(&params, HALF, [0, 0]);
        fresh.accrue(now).unwrap();
        for market in [&mut market, &mut fresh] {
            model::world::admit(market, Side::Long, 1_000, -500);
            market.accrue(NOW + 600).unwrap();
        }
        assert_eq!((market.carry, indices(&market)), (fresh.carry, indices(&fresh)));
        // In a book with positions no time is no time.
        let mut held = book(&params, HALF, [1_000, 0]);
        held.carry = left;
        held.accrue(NOW).unwrap();
        assert_eq!(held.carry, left);
    }
}

#[test]
fn funding_by_hand() {
    // Velocity 6 a day per day at full skew: an hour adds 25 % a day, 12.5 % on the mean. The clamp is at 50 %.
    let carry =
        CarryParams { funding_velocity_ppm: 6_000_000, funding_max_ppm: 500_000, ..CarryParams::NONE };
    let params = MarketParams { skew_scale: 2_000, carry, ..PARAMS };
    let market = book(&params, HALF, [4_000, 2_000]);
    let quarter = RATE_ONE.cast_signed() / 4;
    let bits = |market: &Market| Side::BOTH.map(|side| market.book.side(side).carry.get().to_bits());
    // 12.5 % · 0.5 / 24 per lot and hour is 1/384; in units of 2^-48 that is no whole number.
    let after = accrued(&market, &[3_600]);
    assert_eq!((after.carry.funding_rate, bits(&after)), (quarter, [(1 << 48) / 384 + 1, (1 << 48) / 384]));
    // 37.5 % on the mean of the second hour; the third stays at the clamp: 1/384 + 3/384 + 4/384.
    let after = accrued(&market, &[3_600, 3_600, 3_600]);
    let exact = (1_i128 << 48) / 48;
    assert_eq!(after.carry.funding_rate, 2 * quarter);
    assert_eq!(bits(&after), [exact + 2, exact - 1], "a third and two roundings up and down");
    // The mirror: shorts pay, rounded up, and longs receive no more than the exact.
    let mirror = accrued(&book(&params, HALF, [2_000, 4_000]), &[3_600]);
    assert_eq!(
        (mirror.carry.funding_rate, bits(&mirror)),
        (-quarter, [-((1 << 48) / 384), -((1 << 48) / 384) - 1])
    );
    // Half the skew, half the speed.
    assert_eq!(accrued(&book(&params, HALF, [3_000, 2_000]), &[3_600]).carry.funding_rate, quarter / 2);
}
