//! Both sides of a trade are the attacker's, and a gap is larger than the margin: who pays his winner?

use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::engine::waterfall::WaterfallParams;
use bulwark_tests::Trader;
use bulwark_tests::fixtures::DOLLAR;

use crate::support::*;

const LOTS: u64 = 100 * ONE;

/// The attacker is long and short, an honest short stands beside him; the fund has 10,000 dollars, A no insurance. The price
/// falls from 125 to 113: the long owes 500 dollars more than it had.
fn gap(tail: bool) -> (Scene, [Trader; 2], Trader) {
    let waterfall = WaterfallParams { tail: u8::from(tail), ..free().waterfall };
    let mut scene = Scene::new(MarketParams { waterfall, ..free() });
    let donor = scene.trader(10_000 * DOLLAR);
    scene.fund_insurance(&donor, 10_000 * DOLLAR).expect("fund_insurance");
    let own = [700, 700].map(|d| scene.funded_trader(d * DOLLAR));
    let honest = scene.funded_trader(5_000 * DOLLAR);
    scene.hold(&own[0], A, Side::Long, LOTS);
    scene.hold(&own[1], A, Side::Short, LOTS);
    scene.hold(&honest, A, Side::Short, LOTS);
    scene.go(A, 11_300);
    (scene, own, honest)
}

/// Closes the loser out and resolves; the winner closes before (0), in the middle (1), afterwards (2) or not at all. Returns
/// what the attacker, the honest winner and the venue have more than if the loser had paid.
fn gains(tail: bool, winner_leaves: usize) -> [i128; 3] {
    let (mut scene, own, honest) = gap(tail);
    for step in 0..3 {
        if step == winner_leaves {
            scene.close(&own[1], A, u64::MAX).expect("close");
        }
        match step {
            0 => assert!(!scene.close_out(&own[0], None).is_empty()),
            1 => near(scene.resolve(&own[0], A).debt, 500 * DOLLAR),
            _ => {}
        }
    }
    scene.consistent(A, &[&own[0], &own[1], &honest]);
    let gained = [scene.wealth(&own) - dollars(1_400), scene.wealth([&honest]) - dollars(6_200)];
    [gained[0], gained[1], scene.venue() - dollars(10_008_800)]
}

/// Checks three amounts to a cent.
fn about(gains: [i128; 3], expected: [i128; 3]) {
    let close = |(a, b): (&i128, i128)| a.abs_diff(dollars(b)) < 10_000;
    assert!(gains.iter().zip(expected).all(close), "{gains:?}, not {expected:?}");
}

#[test]
fn attack_38_in_a_deep_market_a_gap_costs_the_reserve_and_no_winner() {
    // That is what the reserve is for: whoever the winner is, it pays at most a quarter of itself a day.
    for leaves in 0..4 {
        about(gains(false, leaves), [500, 0, -500]);
    }
}

#[test]
fn attack_38_in_a_thin_market_a_gap_costs_winners_and_not_the_reserve() {
    // Who stays pays his part. Who has left before the loss is known has left with his profit; those who stay pay for him, half
    // of their profit a day at most. The venue pays nothing in either case.
    for leaves in [2, 3] {
        about(gains(true, leaves), [250, -250, 0]);
    }
    for leaves in [0, 1] {
        about(gains(true, leaves), [500, -500, 0]);
    }
}

/// The attacker repeats it: so many long accounts of his fall over the same gap, one after the other. What he gains, what each
/// tier paid of it, and what the honest winner lost. Insurance of the market, reserve and stake have 1,000, 10,000 and 10,000.
fn repeated(tail: bool, times: usize) -> (i128, [u64; 7], i128) {
    let waterfall = WaterfallParams { tail: u8::from(tail), ..free().waterfall };
    let mut scene = Scene::new(MarketParams { waterfall, ..free() });
    scene.fund_with(10_000, 10_000);
    scene.insure(A, 1_000 * DOLLAR);
    let size = u64::try_from(times).expect("small") * LOTS;
    let losers: Vec<Trader> = (0..times).map(|_| scene.funded_trader(700 * DOLLAR)).collect();
    let winner = scene.funded_trader(100_000 * DOLLAR);
    let honest = scene.funded_trader(100_000 * DOLLAR);
    for loser in &losers {
        scene.hold(loser, A, Side::Long, LOTS);
    }
    scene.hold(&winner, A, Side::Short, size);
    scene.hold(&honest, A, Side::Short, LOTS);
    scene.go(A, 11_300);
    let mut sum = [0; 7];
    for loser in &losers {
        scene.close_out(loser, None);
        let tiers = paid(&scene.resolve(loser, A));
        sum.iter_mut().zip(tiers).for_each(|(sum, tier)| *sum += tier);
    }
    let all = losers.iter().chain([&winner]);
    let gained = scene.wealth(all) - dollars(100_000 + 700 * i128::try_from(times).expect("small"));
    (gained, sum, dollars(101_200) - scene.wealth([&honest]))
}

#[test]
fn attack_38_what_a_self_trade_gains_is_bounded_by_insurance_and_a_day_of_the_fund() {
    // A gap of 9.6 % over a margin of 5.6 %, forty times 500 dollars. Nobody can make the gap; whoever foresees it gains what his
    // losers leave unpaid less what his own winner pays of it. In a deep market that is the market's insurance, a fifth of the
    // reserve and a third of the stake at most; then his own profit pays, half of it; the rest is the pool's.
    for (tail, times) in [(false, 2), (false, 40), (true, 2), (true, 40)] {
        let (gained, [insurance, reserve, backstop, first, deleveraged, pool, traders], lost) =
            repeated(tail, times);
        println!(
            "tail {tail}, {times} times: gained {gained}, insurance {insurance} reserve {reserve} stake {backstop} \
             winners {deleveraged} pool {pool}, the honest winner lost {lost}"
        );
        let debts = insurance + reserve + backstop + first + deleveraged + pool + traders;
        assert_eq!((first, traders), (0, 0));
        assert!(debts.abs_diff(500 * DOLLAR * u64::try_from(times).expect("small")) < 5 * DOLLAR, "{debts}");
        // The gain is exactly what others paid: insurance, fund, pool, and the honest winner his part of the winners' tier.
        assert!((gained - i128::from(insurance + reserve + backstop + pool) - lost).abs() < 5_000_000);
        assert!(insurance <= 1_001 * DOLLAR && reserve <= 2_500 * DOLLAR && backstop <= 5_000 * DOLLAR);
        assert!(lost <= dollars(600), "half of the honest profit");
        let fund = i128::from(reserve + backstop);
        match (tail, times) {
            (_, 2) => nearly(gained, dollars(1_000)),
            (false, _) => assert!(gained <= dollars(20_000) / 2 + fund),
            // In a thin market the fund pays only when the winners have given their half.
            (true, _) => assert!(deleveraged >= debts / 2 && fund <= dollars(7_500)),
        }
    }
}
