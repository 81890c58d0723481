//! Margin and spread follow volatility: variance, σ, spread, the drift of the maintenance fraction, and the initial
//! fraction with open interest.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::decay;
use bulwark_engine::market::MarketParams;
use bulwark_engine::price::{OracleState, Reading, Selection};
use bulwark_engine::volatility::{
    HALF_LIVES, MAX_DYNAMIC_MMF_PPM, MAX_VOLATILE_SPREAD_PPM, VolatilityParams, VolatilityState,
};
use model::carry::book;
use model::world::{HALF, NOW, ONE, PARAMS, any_lots, market, oracle, price};
use model::{Exact, config, int, of_price, ratio};
use num_traits::Signed;
use proptest::prelude::*;

/// Fraction of variances and of the drifting fraction.
const FRACTION: u64 = 1 << 16;

/// A market in which everything follows volatility as it does by default.
const LIVELY: MarketParams = MarketParams { volatility: VolatilityParams::DEFAULT, ..PARAMS };

fn any_volatility() -> impl Strategy<Value = VolatilityParams> {
    (0..=10_000_000_u32, 0..=20_000_000_u32, 0..=20_000_000_u32, 0..=1_000_u32).prop_map(
        |(spread_sigma_ppm, mmf_sigma_ppm, imf_sigma_ppm, sigma_floor_ppm)| VolatilityParams {
            spread_sigma_ppm,
            mmf_sigma_ppm,
            imf_sigma_ppm,
            sigma_floor_ppm,
        },
    )
}

fn any_market() -> impl Strategy<Value = MarketParams> {
    (any_volatility(), 112_000..=640_000_u32, 0..=1_000_000_u32).prop_map(|(volatility, mmf_ppm, imf)| {
        let least = u32::try_from((u64::from(mmf_ppm) * 5).div_ceil(4)).unwrap();
        MarketParams { volatility, mmf_ppm, imf_ppm: imf.clamp(least, 1_000_000), ..PARAMS }
    })
}

/// σ of any magnitude that prints can make.
fn any_sigma() -> impl Strategy<Value = u32> {
    (0..24_u32).prop_flat_map(|k| (1_u32 << k) - 1..(2_u32 << k))
}

/// A state that is where its parameters want it, but for σ.
fn at(params: &MarketParams, sigma_ppm: u32) -> VolatilityState {
    VolatilityState { sigma_ppm, ..VolatilityState::initial(params, NOW).unwrap() }
}

/// `a² ≥ b` for `a ≥ 0`.
fn root_is_at_most(a: &Exact, square: &Exact) -> bool {
    &(a * a) >= square
}

proptest! {
    #![proptest_config(config(1_000))]

    /// `var + w·(r²/Δt − var)` with the engine's own `w`: the sample rounded down, the variance up.
    #[test]
    fn each_print_moves_the_variances_by_the_formula(
        params in any_volatility(), start in prop::array::uniform2(0..1_u64 << 50),
        prints in prop::collection::vec((prop_oneof![3 => HALF - HALF / 100..HALF + HALF / 100, 1 => 1_u64 << 20..=1 << 46], 1..20_000_u32), 1..20),
    ) {
        let mut state = VolatilityState { variances: start, ..VolatilityState::default() };
        let mut last = HALF;
        for (to, elapsed) in prints {
            let before = state.variances;
            state.observe([price(last), price(to)], elapsed, &params).unwrap();
            let moved = (ratio(last.abs_diff(to), last) * int(1_000_000)).ceil().min(int(100_000));
            let sample = (&moved * &moved * int(FRACTION) / int(elapsed)).floor();
            for (i, half_life) in HALF_LIVES.into_iter().enumerate() {
                let weight = int(1) - ratio(decay::remaining(elapsed, half_life).unwrap(), decay::ONE);
                let exact = int(before[i]) + weight * (&sample - int(before[i]));
                prop_assert_eq!(int(state.variances[i]), exact.ceil());
            }
            last = to;
        }
    }

    /// σ is the root of the larger variance, rounded up to a whole ppm, and the floor at least.
    #[test]
    fn sigma_is_the_root_rounded_up(params in any_volatility(), start in prop::array::uniform2(any_lots(61))) {
        let mut state = VolatilityState { variances: start, ..VolatilityState::default() };
        state.observe([price(HALF); 2], 1, &params).unwrap();
        let variance = ratio(*state.variances.iter().max().unwrap(), FRACTION);
        let sigma = int(state.sigma_ppm);
        prop_assert!(&sigma * &sigma >= variance);
        prop_assert!(state.sigma_ppm >= params.sigma_floor_ppm);
        let less = sigma - int(1);
        prop_assert!(state.sigma_ppm == params.sigma_floor_ppm || &less * &less < variance);
    }

    /// `k·σ·√(age + 0.4)`, rounded up three times, at most 1 %.
    #[test]
    fn the_spread_grows_with_age_and_sigma(
        params in any_volatility(), sigma in any_sigma(), age in 0..=3_600_u64, more in 0..=3_600_u64, up in any::<u16>(),
    ) {
        let spread = |sigma_ppm, age| {
            VolatilityState { sigma_ppm, ..VolatilityState::default() }.half_spread_ppm(&params, age).unwrap()
        };
        let found = int(spread(sigma, age));
        let multiple = ratio(params.spread_sigma_ppm, 1_000_000);
        let square = &multiple * &multiple * int(sigma) * int(sigma) * (int(age) + ratio(2, 5));
        prop_assert!(found == int(MAX_VOLATILE_SPREAD_PPM) || root_is_at_most(&found, &square));
        prop_assert!(found <= int(MAX_VOLATILE_SPREAD_PPM));
        let slack = int(1) + &multiple * (int(1) + int(2) * ratio(sigma, 1_000_000));
        prop_assert!(found <= slack || !root_is_at_most(&(found - slack), &square));
        prop_assert!(spread(sigma, age + more) >= spread(sigma, age));
        prop_assert!(spread(sigma + u32::from(up), age) >= spread(sigma, age));
        prop_assert_eq!(spread(sigma, 3_600 + more), spread(sigma, 3_600), "an hour at most");
    }

    /// The curve takes the largest of base, confidence and volatility.
    #[test]
    fn the_curve_has_the_widest_spread(
        params in any_market(), sigma in 0..10_000_u32, age in 0..60_i64, conf in 0..HALF / 20, base in 0..=10_000_u32,
    ) {
        let mut market = market(&MarketParams { base_spread_ppm: base, ..params }, HALF, 0);
        market.volatility.sigma_ppm = sigma;
        market.oracle.conf = conf;
        let volatile = market.volatility.half_spread_ppm(&params.volatility, age.unsigned_abs()).unwrap();
        let wide = market.oracle.conf_ppm().unwrap();
        let widest = u64::from(base).max(volatile).max(wide).min(890_000);
        prop_assert_eq!(u64::from(market.curve(NOW + age).unwrap().half_spread_ppm), widest);
        prop_assert_eq!(market.curve(NOW - age).unwrap().half_spread_ppm, market.curve(NOW).unwrap().half_spread_ppm);
    }

    /// The target: base, or `k·σ·√30 s + fee` if that is more, at most 60 %; in the end the fraction is there, from above and
    /// below.
    #[test]
    fn the_maintenance_fraction_reaches_its_target(
        params in any_market(), sigma in any_sigma(), from in 5_000..=800_000_u64,
    ) {
        let mut state = at(&params, sigma);
        state.drifting_mmf = from * FRACTION;
        let (mut hours, mut rises) = (0, Vec::new());
        loop {
            let before = state.drifting_mmf;
            hours += 1;
            state.drift(&params, NOW + hours * 3_600).unwrap();
            rises.push(state.drifting_mmf > before);
            if state.drifting_mmf == before {
                break;
            }
            prop_assert!(hours < 120, "60 % from 0.5 % takes 53 hours at a tenth each, back at a twentieth 94");
        }
        rises.pop(); // the last step stood still
        prop_assert!(rises.windows(2).all(|pair| pair[0] == pair[1]), "up or down, and never past it");
        let (found, base) = (int(state.mmf_ppm), int(params.mmf_ppm));
        let multiple = ratio(params.volatility.mmf_sigma_ppm, 1_000_000);
        let square = &multiple * &multiple * int(sigma) * int(sigma) * int(30);
        let dynamic = &found - int(params.liquidation_fee_ppm);
        prop_assert!(found == base || found == int(MAX_DYNAMIC_MMF_PPM) || root_is_at_most(&dynamic, &square));
        prop_assert!(found >= base && found <= base.clone().max(int(MAX_DYNAMIC_MMF_PPM)));
        let slack = int(1) + &multiple * int(18); // √30 is rounded by less than a millionth of the largest σ
        prop_assert!(found == base || dynamic <= slack || !root_is_at_most(&(dynamic - slack), &square));
    }

    /// At most +10 % and −5 % from any refresh to any other within an hour, however the time between is sliced.
    #[test]
    fn the_maintenance_fraction_drifts_by_a_tenth_up_and_a_twentieth_down_an_hour(
        params in any_market(), from in 5_000..=800_000_u64,
        waits in prop::collection::vec((prop_oneof![3 => 0..=300_i64, 1 => 0..=10_000_i64], any_sigma()), 1..40),
    ) {
        let mut state = at(&params, 0);
        state.drifting_mmf = from * FRACTION;
        let mut seen = vec![(NOW, state.drifting_mmf)];
        for (wait, sigma) in waits {
            state.sigma_ppm = sigma;
            let now = seen.last().unwrap().0 + wait;
            state.drift(&params, now).unwrap();
            prop_assert_eq!(u64::from(state.mmf_ppm), state.drifting_mmf.div_ceil(FRACTION));
            let last = int(seen.last().unwrap().1);
            prop_assert!(int(state.drifting_mmf) <= &last * ratio(1_095_310, 1_000_000), "an hour at most counts");
            prop_assert!(int(state.drifting_mmf) >= last * ratio(95, 100));
            for &(_, earlier) in seen.iter().filter(|(time, _)| now - time <= 3_600) {
                prop_assert!(int(state.drifting_mmf) <= int(earlier) * ratio(110, 100));
                prop_assert!(int(state.drifting_mmf) >= int(earlier) * ratio(95, 100));
            }
            seen.push((now, state.drifting_mmf));
        }
    }

    /// A refresh observes the move from the stored price to the print's, over the time between them.
    #[test]
    fn a_refresh_observes_the_move(params in any_market(), bits in ONE / 8..ONE * 8, wait in 1..10_000_i64) {
        let mut market = market(&params, HALF, 0);
        let mut expected = market.volatility;
        expected.drift(&params, NOW + wait + 5).unwrap();
        expected.observe([price(HALF), price(bits)], u32::try_from(wait).unwrap(), &params.volatility).unwrap();
        expected.set_fractions(&params).unwrap();
        let reading = Reading { price: price(bits), conf: 0, publish_time: NOW + wait };
        market.refresh(Selection::Primary(reading), NOW + wait + 5).unwrap();
        prop_assert_eq!(market.volatility, expected);
    }

    /// Whatever a print says and however long nobody refreshed: the requirement to stay rises by less than a tenth.
    #[test]
    fn one_print_moves_the_maintenance_fraction_by_less_than_a_tenth(
        params in any_market(), bits in 1_u64 << 20..=1 << 46, wait in 1..100_000_i64, sigma in any_sigma(),
        lots in any_lots(30),
    ) {
        let mut market = book(&params, HALF, [lots, lots]);
        let sigma = sigma.min(1 << 20);
        market.volatility.sigma_ppm = sigma;
        market.volatility.variances = [(u64::from(sigma) * u64::from(sigma)) << 16; 2];
        let before = market.volatility;
        let reading = Reading { price: price(bits), conf: 0, publish_time: NOW + wait };
        market.refresh(Selection::Primary(reading), NOW + wait).unwrap();
        let after = market.volatility;
        prop_assert!(int(after.mmf_ppm) <= int(before.mmf_ppm) * ratio(1_096, 1_000) + int(1));
        prop_assert!(int(after.mmf_ppm) + int(1) >= int(before.mmf_ppm) * ratio(95, 100));
        prop_assert_eq!(market.mmf_ppm(), after.mmf_ppm);
        // And a second refresh in the same second moves it no further.
        market.refresh(Selection::Primary(reading), NOW + wait).unwrap();
        prop_assert_eq!(market.volatility, after);
    }

    /// A print after a gap of any length, an hour and more of drift that nobody took: the requirement to stay goes where it
    /// would have gone without the print, wherever that is. Where it was at its target it does not move at all; the initial
    /// fraction follows the print at once.
    #[test]
    fn no_print_moves_the_maintenance_fraction_by_itself(
        params in any_market(), bits in prop::array::uniform2(1_u64 << 20..=1 << 46), wait in 1..100_000_i64, late in 0..60_i64,
        sigma in any_sigma(), from in prop_oneof![Just(None), (5_000..=800_000_u64).prop_map(Some)], lots in any_lots(30),
    ) {
        let mut market = book(&params, HALF, [lots, lots]);
        if let Some(from) = from {
            market.volatility.sigma_ppm = sigma;
            market.volatility.drifting_mmf = from * FRACTION;
            market.volatility.set_fractions(&params).unwrap();
        }
        let (before, now) = (market.volatility, NOW + wait + late);
        let printed = bits.map(|bits| {
            let mut market = market.clone();
            let reading = Reading { price: price(bits), conf: 0, publish_time: NOW + wait };
            market.refresh(Selection::Primary(reading), now).unwrap();
            market.volatility
        });
        let mut alone = before;
        alone.drift(&params, now).unwrap();
        for after in printed {
            prop_assert_eq!((after.drifting_mmf, after.mmf_ppm, after.drifted_at), (alone.drifting_mmf, alone.mmf_ppm, now));
            prop_assert!(from.is_some() || (after.drifting_mmf, after.mmf_ppm) == (before.drifting_mmf, before.mmf_ppm));
            let by_sigma = (int(after.sigma_ppm) * int(30) * ratio(params.volatility.imf_sigma_ppm, 1_000_000)).ceil();
            prop_assert!(int(after.imf_ppm) >= by_sigma.min(int(1_000_000)), "in the same refresh");
        }
    }

    /// `max(base, 1.6·mmf, k·σ·30)`, at most 100 %, without any drift.
    #[test]
    fn the_initial_fraction_follows_at_once(params in any_market(), sigma in any_sigma(), from in 5_000..=800_000_u64) {
        let mut state = at(&params, sigma);
        state.drifting_mmf = from * FRACTION;
        state.drift(&params, NOW).unwrap();
        prop_assert_eq!(state.drifting_mmf, from * FRACTION, "no time, no drift");
        let by_sigma = (int(sigma) * int(30) * ratio(params.volatility.imf_sigma_ppm, 1_000_000)).ceil();
        let by_mmf = (int(from) * ratio(16, 10)).ceil();
        prop_assert_eq!(int(state.imf_ppm), by_sigma.max(by_mmf).min(int(1_000_000)).max(int(params.imf_ppm)));
    }

    /// `imf + clamp((OI·P − low)/(high − low), 0, 1)·(1 − imf)` of the larger side, rounded up, and never below what
    /// volatility asks.
    #[test]
    fn the_initial_fraction_grows_with_open_interest(
        params in any_market(), volatile in 0..=1_000_000_u32, low in 0..1_u64 << 40, range in 1..1_u64 << 40,
        lots in prop::array::uniform2(0..1_u64 << 42),
    ) {
        let params = MarketParams { oi_margin_low: low, oi_margin_high: low + range, ..params };
        let mut market = book(&params, HALF, lots);
        market.volatility.imf_ppm = volatile.max(params.imf_ppm);
        let found = |market: &bulwark_engine::market::Market| int(market.imf_ppm().unwrap());
        let larger = (int(*lots.iter().max().unwrap()) * of_price(price(HALF))).ceil();
        let share = ((larger - int(low)) / int(range)).clamp(int(0), int(1));
        let exact = int(params.imf_ppm) + share * int(1_000_000 - params.imf_ppm);
        let least = int(market.volatility.imf_ppm);
        let exact = exact.max(least.clone());
        prop_assert!(found(&market) >= exact && found(&market) < exact + int(2));
        // Exact where the range begins and ends.
        let with = |worth: u64| {
            let mut market = market.clone();
            market.book.long.lots = worth * 2;
            market.book.short.lots = 0;
            found(&market)
        };
        prop_assert_eq!((with(low), with(low + range), with(low + range + 1_000)), (least, int(1_000_000), int(1_000_000)));
        market.book.short.lots = 0;
        let before = found(&market);
        market.book.long.lots += 1_000;
        prop_assert!(found(&market) >= before, "monotone");
    }
}

/// An hour in 3600 refreshes or in one: nearly a tenth up either way, nearly a twentieth down.
#[test]
fn an_hour_of_drift_by_hand() {
    for (sigma, from, slices, [low, high]) in [
        (100_000, 200_000, 3_600, [219_990, 220_000]),
        (100_000, 200_000, 60, [219_970, 220_000]),
        (100_000, 200_000, 1, [219_062, 219_062]),
        (0, 200_000, 3_600, [190_000, 190_246]),
        (0, 200_000, 1, [190_000, 190_000]),
    ] {
        let mut state = at(&LIVELY, sigma);
        state.drifting_mmf = from * FRACTION;
        for slice in 1..=slices {
            state.drift(&LIVELY, NOW + 3_600 / slices * slice).unwrap();
        }
        assert!((low..=high).contains(&state.mmf_ppm), "{} in {slices}", state.mmf_ppm);
        assert!(
            state.drifting_mmf * 10 <= from * FRACTION * 11
                && state.drifting_mmf * 20 >= from * FRACTION * 19
        );
    }
}

/// A move of the same size at every print: after a half-life the fast variance is half of it, after two three quarters.
#[test]
fn a_half_life_of_prints_brings_half_of_their_variance() {
    for (elapsed, count) in [(1, 1_800), (5, 360), (60, 30), (900, 2), (1_800, 1)] {
        let mut state = VolatilityState::default();
        for expected in [ratio(1, 2), ratio(3, 4)] {
            for _ in 0..count {
                state
                    .observe([price(ONE), price(ONE + ONE / 1_000)], elapsed, &VolatilityParams::NONE)
                    .unwrap();
            }
            let exact = int(1_000_000) * int(FRACTION) / int(elapsed) * expected;
            let off = (int(state.variances[0]) - &exact).abs() / exact;
            assert!(off < ratio(count.max(10), 100_000), "{count} prints every {elapsed} s: off by {off}");
        }
    }
}

/// 0.1 % every second: 1000 ppm per √s in the long run; the margin that it asks for comes by and by, the initial one at
/// once.
#[test]
fn volatility_by_hand() {
    let mut market = market(&LIVELY, ONE, 0);
    assert_eq!((market.volatility.sigma_ppm, market.mmf_ppm(), market.imf_ppm()), (20, 120_000, Ok(200_000)));
    assert_eq!(market.curve(NOW).unwrap().half_spread_ppm, 100, "3 · 20 · √0.4 = 38 is less than the base");
    market.volatility.variances = [1_000_000 * FRACTION; 2];
    let reading = Reading { price: price(ONE + ONE / 1_000), conf: 0, publish_time: NOW + 1 };
    market.refresh(Selection::Primary(reading), NOW + 1).unwrap();
    // 4.5 · 1000 · √30 = 24 648 and the fee is less than the base; 6 · 1000 · 30 = 180 000 too.
    assert_eq!(
        (market.volatility.sigma_ppm, market.mmf_ppm(), market.imf_ppm()),
        (1_000, 120_000, Ok(200_000))
    );
    assert_eq!(
        market.curve(NOW + 1).unwrap().half_spread_ppm,
        1_899,
        "3 · 1000 · √0.4 = 1897.4, rounded up on the way"
    );
    assert_eq!(
        market.curve(NOW + 5).unwrap().half_spread_ppm,
        6_294,
        "3 · 1000 · √4.4 = 6292.9, rounded up on the way"
    );
    // Six times as wild: 4.5 · 6000 · √30 + 10 000 = 157 886, 1.6 of what has drifted, 6 · 6000 · 30 = 1 080 000.
    market.volatility.variances = [36_000_000 * FRACTION; 2];
    let reading = Reading { price: price(ONE), conf: 0, publish_time: NOW + 2 };
    market.refresh(Selection::Primary(reading), NOW + 2).unwrap();
    assert!((5_990..=6_000).contains(&market.volatility.sigma_ppm));
    assert_eq!((market.mmf_ppm(), market.imf_ppm()), (120_000, Ok(1_000_000)), "the second before was calm");
    let reading = Reading { publish_time: NOW + 3, ..reading };
    market.refresh(Selection::Primary(reading), NOW + 3).unwrap();
    assert_eq!(
        (market.mmf_ppm(), market.imf_ppm()),
        (120_004, Ok(1_000_000)),
        "120 000 · 0.09531 / 3600 = 3.2"
    );
}

/// Nobody refreshed for an hour, then the price has jumped: that print does not move the maintenance fraction by a ppm,
/// and the hour after it moves it by less than a tenth.
#[test]
fn one_print_after_an_hour_without_any_does_not_move_the_maintenance_fraction() {
    for bits in [ONE / 2, ONE * 9 / 10, ONE * 11 / 10, ONE * 2] {
        let mut market = market(&LIVELY, ONE, 0);
        let mut print = |publish_time| {
            let reading = Reading { price: price(bits), conf: 0, publish_time };
            market.refresh(Selection::Primary(reading), publish_time).unwrap();
            (market.volatility.drifting_mmf, market.mmf_ppm(), market.imf_ppm().unwrap())
        };
        // 10 % in an hour: 1667 ppm per √s, three quarters of its square in the fast variance: 30 · 6 · 1444 = 259 920.
        let (drifting, mmf, imf) = print(NOW + 3_600);
        assert_eq!((drifting, mmf), (120_000 * FRACTION, 120_000));
        assert!((259_000..262_000).contains(&imf), "{imf}: the initial fraction has seen it");
        assert_eq!(print(NOW + 3_600), (drifting, mmf, imf), "nor does the second in its second");
        assert!((120_000..=132_000).contains(&print(NOW + 7_200).1));
    }
    // With a target above what is in force it is the hour that counts, and not what the print says.
    let mut wild = market(&LIVELY, ONE, 0);
    wild.volatility.sigma_ppm = 10_000;
    wild.volatility.variances = [100_000_000 * FRACTION; 2];
    let after = [ONE / 2, ONE, ONE * 2].map(|bits| {
        let mut market = wild.clone();
        let reading = Reading { price: price(bits), conf: 0, publish_time: NOW + 3_600 };
        market.refresh(Selection::Primary(reading), NOW + 3_600).unwrap();
        market.mmf_ppm()
    });
    assert_eq!(after, [131_438; 3], "120 000 · 1.09531 = 131 437.2");
}

/// A dispute is no print: nothing is observed, but the fraction drifts on.
#[test]
fn what_is_no_new_print_is_not_observed() {
    let mut market = market(&LIVELY, ONE, 0);
    market.volatility.sigma_ppm = 10_000;
    let before = market.volatility;
    market.refresh(Selection::Divergent([NOW + 60, NOW + 60]), NOW + 60).unwrap();
    assert_eq!((market.volatility.variances, market.volatility.sigma_ppm), (before.variances, 10_000));
    assert!(market.mmf_ppm() > before.mmf_ppm);
    let again = OracleState { price: price(ONE * 2), ..oracle(ONE) };
    let reading = Reading { price: again.price, conf: 0, publish_time: NOW };
    market.refresh(Selection::Primary(reading), NOW + 60).unwrap();
    assert_eq!((market.volatility.variances, market.mark()), (before.variances, price(ONE)));
}
