//! I7: liquidating oneself gains nothing, and an auction ends where it said it would.
//!
//! Victim, taker and keeper may be one person: whatever fill ends a position, the three together are worth no more after it than
//! before, at the mark, but for the unit that the mark is rounded by in favour of the account and, where the pool is who takes
//! the position, half a taker fee: less than what it has cost to open it. What the market and its insurance have falls by no
//! more than that.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests assert"
)]

#[path = "model/distress.rs"]
mod distress;
mod model;

use bulwark_engine::auction::{Auction, RAMP_SLOTS, TAKEOVER_SLOTS};
use bulwark_engine::liquidation::PoolFill;
use bulwark_engine::units::Quote;
use distress::{Scene, any_scene};
use model::{Exact, config, int, of_price, ratio};
use num_traits::Signed;
use proptest::prelude::*;

/// What the market has of its own, at the mark: pool money, insurance and fees.
fn venue(scene: &Scene) -> Exact {
    let book = &scene.market.book;
    scene.market_equity() + int(book.insurance) + int(book.fees.total().unwrap())
}

/// What victim and taker are worth at the mark.
fn worth(scene: &Scene) -> Exact {
    scene.value(0) + scene.value(1)
}

proptest! {
    #![proptest_config(config(600))]

    #[test]
    fn victim_and_taker_together_never_gain_by_a_takeover(
        scene in any_scene(), elapsed in 0..60_u64, most in prop_oneof![Just(u64::MAX), 1..1_u64 << 33],
    ) {
        prop_assume!(scene.health().excess().unwrap() < Quote::ZERO);
        let (before, mut scene) = (scene.clone(), scene);
        let step = scene.market.params.step;
        let Ok(_) = scene.take_over(elapsed, (most / step).max(1).saturating_mul(step)) else { return Ok(()) };
        prop_assert!(worth(&scene) <= worth(&before), "the market's carry rounds against them");
        prop_assert!(venue(&scene) >= venue(&before));
    }

    #[test]
    fn victim_and_keeper_together_gain_no_more_than_half_a_taker_fee_by_what_the_pool_takes_at_once(
        scene in any_scene(), insurance in 0..1_000_000_u64,
    ) {
        prop_assume!(scene.health().excess().unwrap() < Quote::ZERO);
        let mut scene = scene;
        scene.market.book.insurance = insurance;
        let before = scene.clone();
        let Ok(report) = scene.take_back(&before.pool_offer(PoolFill::Reducing, 0), PoolFill::Reducing) else { return Ok(()) };
        let gained = worth(&scene) + int(report.keeper) - worth(&before);
        let half = int(report.lots) * of_price(before.market.mark()) * ratio(before.market.params.taker_fee_ppm, 2_000_000);
        prop_assert!(gained < &half + int(1), "{} with a tip of {}", gained, report.keeper);
        prop_assert!(venue(&scene) - venue(&before) > -half - int(1));
        // While the account pays a concession, not a unit but what the mark is rounded by.
        let paid = report.insurance.0 + i64::try_from(report.keeper).unwrap();
        prop_assert!(paid < i64::try_from(report.keeper).unwrap() || gained < int(1), "{}", gained);
    }

    /// On a flat curve, where the pool's price is the mark, so that all that is gained is the tip: never more than half a
    /// taker fee beyond what the account paid itself, which to open the position alone has cost a whole one.
    #[test]
    fn victim_and_keeper_together_gain_no_more_than_half_a_taker_fee_by_what_the_pool_takes_at_the_end(
        scene in any_scene(), insurance in 0..1_000_000_u64, elapsed in TAKEOVER_SLOTS..99, fee in prop_oneof![Just(0), 0..1_000_u32],
    ) {
        prop_assume!(scene.health().excess().unwrap() < Quote::ZERO);
        let mut scene = scene;
        scene.market.book.insurance = insurance;
        scene.market.params.max_impact_ppm = 0;
        scene.market.params.taker_fee_ppm = fee;
        let before = scene.clone();
        let offer = before.pool_offer(PoolFill::Takeover, elapsed);
        let report = scene.take_back(&offer, PoolFill::Takeover).unwrap();
        let gained = worth(&scene) + int(report.keeper) - worth(&before);
        let half = int(report.lots) * of_price(before.market.mark()) * ratio(fee, 2_000_000);
        prop_assert!(gained < &half + int(1), "{} with a tip of {}", gained, report.keeper);
        prop_assert!(venue(&scene) - venue(&before) > -half - int(1));
    }

    /// Hysteresis: an account that was restored by one call is 5 % above its requirement, its auction is over, and a
    /// price a little against it does not start another one.
    #[test]
    fn an_account_that_was_restored_stays_restored_through_a_small_move(scene in any_scene(), elapsed in 0..RAMP_SLOTS) {
        prop_assume!(scene.health().excess().unwrap() < Quote::ZERO);
        let (mut scene, mut auction) = (scene, Auction::default());
        auction.call(1_000, (scene.health(), true)).unwrap();
        let lots = scene.lot().held;
        let Ok(report) = scene.call(&mut auction, 1_000 + elapsed, u64::MAX) else { return Ok(()) };
        let left = report.lots < lots;
        // A few units of rounding of a large position may leave it a hair below 105 %.
        let health = scene.health();
        auction.end_if_over(health).unwrap();
        let over = int(health.equity.0) * int(20) >= int(health.requirement.0) * int(21);
        prop_assert_eq!(auction == Auction::default(), over);
        if left && over {
            let move_against = health.requirement.0 / 21;
            let mut later = scene.clone();
            later.quotes[0] -= move_against;
            prop_assert!(later.health().excess().unwrap() >= Quote::ZERO, "{:?}", later.health());
            prop_assert!(auction.call(1_000 + elapsed, (later.health(), true)).is_err());
        }
        if left && health.excess().unwrap() < Quote::ZERO {
            prop_assert!((health.excess().unwrap().0 * 20).abs() <= health.requirement.0.max(200));
        }
        prop_assert!(!scene.requirement().is_negative());
    }
}

/// No fee is charged to who has nothing, and the keeper may be the same.
#[test]
fn a_keeper_of_a_position_without_equity_is_paid_half_a_taker_fee_by_hand() {
    use bulwark_engine::deleverage::DeleverageParams;
    use bulwark_engine::margin::Health;
    use bulwark_engine::market::MarketParams;
    use bulwark_engine::position::Position;
    use bulwark_engine::units::Side;
    use model::world::{DELEVERAGE, ONE, PARAMS, admit, market};
    // 100 000 lots at 1, bought for a fee of 50; the account has nothing left. The tip would be 1 000.
    let deleverage = DeleverageParams { keeper_tip: 1_000, ..DELEVERAGE };
    let params = MarketParams { deleverage, min_notional: 1_000, max_impact_ppm: 0, ..PARAMS };
    let mut market = market(&params, ONE, 1 << 30);
    market.book.insurance = 5_000;
    let long = admit(&mut market, Side::Long, 100_000, -100_000);
    let positions = vec![long, Position::EMPTY];
    let mut scene = Scene { market, positions, quotes: vec![0, 0], elsewhere: Health::default() };
    let report = scene.take_back(&scene.pool_offer(PoolFill::Takeover, 50), PoolFill::Takeover).unwrap();
    assert_eq!((report.quote_change, report.paid), (Quote(0), Quote(0)), "the account gives nothing");
    assert_eq!((report.keeper, scene.market.book.insurance), (25, 4_975));
}
