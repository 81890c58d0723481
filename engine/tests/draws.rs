//! What a market may draw on others in a day comes back within a day, whatever was drawn and however little is left of it.
//!
//! In any window of `w` days no more than `1 + w` of the largest limit is drawn. What was drawn leaks at the rate of the limit, or
//! of the level itself if the limit has shrunk below it, so a day without a draw empties it.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::backstop::{Backstop, Stake};
use bulwark_engine::market::{Market, MarketParams};
use bulwark_engine::units::Side;
use bulwark_engine::waterfall::{Fund, Loss, WaterfallParams, WaterfallReport};
use model::config;
use model::world::{NOW, ONE, PARAMS, WATERFALL, admit, any_lots, any_side, market, oracle};
use proptest::prelude::*;

const DAY: i64 = 86_400;

fn params(reserve_share_ppm: u32, first_loss_ppm: u32) -> MarketParams {
    let waterfall = WaterfallParams { reserve_share_ppm, first_loss_ppm, ..WATERFALL };
    MarketParams { waterfall, ..PARAMS }
}

fn fund(reserve: u64, stake: u64) -> Fund {
    let backstop = Backstop { active: Stake { value: stake, shares: stake }, ..Backstop::default() };
    Fund { reserve, backstop, ..Fund::default() }
}

fn resolve(market: &mut Market, fund: &mut Fund, (debt, side): (u64, Side), now: i64) -> WaterfallReport {
    market.oracle.publish_time = now;
    market.resolve(fund, &Loss { debt, side, now }).unwrap()
}

/// What is left in the buckets of reserve, backstop, first loss, longs and shorts.
fn levels(market: &Market) -> [u64; 5] {
    let draws = &market.draws;
    let [long, short] = draws.winners;
    [draws.reserve, draws.backstop, draws.first_loss, long, short].map(|drawn| drawn.level)
}

fn share(amount: u64, ppm: u32) -> u64 {
    u64::try_from(u128::from(amount) * u128::from(ppm) / 1_000_000).unwrap()
}

proptest! {
    #![proptest_config(config(800))]

    /// As much was drawn as there was, the sources have shrunk to anything or nothing, and it was any losses long ago.
    #[test]
    fn a_day_after_the_last_draw_a_whole_limit_is_there_again(
        reserve in any_lots(36), stake in any_lots(36), share_ppm in 0..=1_000_000_u32, first in 0..=100_000_u32, cash in any_lots(36),
        losses in prop::collection::vec((any_lots(36), any_side(), 0..DAY), 1..8), wait in DAY..30 * DAY,
        left in (any_lots(36), any_lots(36), any_lots(36)),
    ) {
        let mut market = market(&params(share_ppm, first), ONE, 1 << 50);
        admit(&mut market, Side::Long, 1 << 34, -(1 << 33));
        admit(&mut market, Side::Short, 1 << 34, 1 << 35);
        let (mut fund, mut now) = (self::fund(reserve, stake), NOW);
        for &(debt, side, after) in &losses {
            now += after;
            resolve(&mut market, &mut fund, (debt, side), now);
        }
        // Everything is smaller now: the limits too.
        fund = self::fund(left.0.min(reserve), left.1.min(stake));
        market.book.cash = cash.min(left.2);
        let mut fresh = market.clone();
        fresh.draws = bulwark_engine::waterfall::Draws::default();
        let mut fresh_fund = fund;
        now += wait;
        for side in [Side::Long, Side::Short] {
            let (debt, limit) = (u64::MAX >> 2, share(fund.reserve, share_ppm));
            let report = resolve(&mut market, &mut fund, (debt, side), now);
            let expected = resolve(&mut fresh, &mut fresh_fund, (debt, side), now);
            prop_assert_eq!(report, expected, "as if nothing had ever been drawn");
            prop_assert!(side == Side::Short || report.reserve == limit);
        }
        prop_assert_eq!(levels(&market), levels(&fresh));
    }

    /// Every second of a day counts: with a limit that stays, what was drawn is gone after a day, however often one looks, but
    /// for less than a unit each time.
    #[test]
    fn looking_in_between_loses_no_more_than_a_unit_each_time(
        reserve in 1_u64 << 24..1 << 36, looks in prop::collection::vec(0..DAY, 0..20),
    ) {
        let mut market = market(&params(1_000_000, 0), ONE, 0);
        let mut fund = self::fund(reserve, 0);
        prop_assert_eq!(resolve(&mut market, &mut fund, (u64::MAX >> 2, Side::Long), NOW).reserve, reserve);
        let (mut looks, mut drawn) = (looks, 0);
        looks.sort_unstable();
        for &at in looks.iter().chain([&DAY]) {
            fund = self::fund(reserve, 0);
            drawn += resolve(&mut market, &mut fund, (1, Side::Long), NOW + at).reserve;
            let all = i128::from(reserve) - i128::from(market.draws.reserve.level);
            // What may be drawn is what has leaked, all in all: reserve · elapsed / day.
            let leaked = i128::from(reserve) * i128::from(at) / i128::from(DAY);
            let slack = i128::try_from(looks.len()).unwrap() + 1;
            prop_assert!(all + i128::from(drawn) <= leaked && all + i128::from(drawn) >= leaked - slack, "{} of {}", all, leaked);
        }
    }
}

#[test]
fn each_bucket_empties_within_a_day_by_hand() {
    // A reserve of 1 000, all of it drawn: the limit is nothing until something comes in.
    let mut market = market(&params(1_000_000, 0), ONE, 0);
    let mut fund = fund(1_000, 0);
    assert_eq!(resolve(&mut market, &mut fund, (5_000, Side::Long), NOW).reserve, 1_000);
    let draw = |at: i64| {
        let (mut market, mut fund) = (market.clone(), self::fund(100, 0));
        let taken = resolve(&mut market, &mut fund, (5_000, Side::Long), NOW + at).reserve;
        (taken, levels(&market)[0])
    };
    // 100 come in: half a day later 500 have leaked, which still leaves more than the limit; after 0.95 days half of it is free.
    assert_eq!(draw(DAY / 2), (0, 500));
    assert_eq!(draw(DAY * 19 / 20), (50, 100));
    assert_eq!(draw(DAY - 1), (99, 100), "1 000/86 400 are left: rounded up");
    assert_eq!(draw(DAY), (100, 100));
}

#[test]
fn longs_and_shorts_have_a_day_each_by_hand() {
    // Longs and shorts in profit by 1 000 each; half of either a day.
    let mut market = market(&params(0, 0), ONE, 1 << 40);
    admit(&mut market, Side::Long, 2_000, -1_000);
    admit(&mut market, Side::Short, 2_000, 3_000);
    market.oracle = oracle(ONE);
    let mut fund = Fund::default();
    assert_eq!(
        resolve(&mut market, &mut fund, (5_000, Side::Short), NOW).deleveraged,
        500,
        "longs answer for shorts"
    );
    assert_eq!(levels(&market), [0, 0, 0, 500, 0]);
    assert_eq!(resolve(&mut market, &mut fund, (5_000, Side::Long), NOW).deleveraged, 500);
    assert_eq!(levels(&market), [0, 0, 0, 500, 500]);
    assert_eq!(resolve(&mut market, &mut fund, (5_000, Side::Short), NOW).deleveraged, 0);
    // Six hours: an eighth of what they had, a quarter of what they are left with; a day: half of it.
    assert_eq!(resolve(&mut market.clone(), &mut fund, (5_000, Side::Short), NOW + DAY / 4).deleveraged, 125);
    assert_eq!(resolve(&mut market, &mut fund, (5_000, Side::Short), NOW + DAY).deleveraged, 250);
}
