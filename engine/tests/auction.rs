//! An auction runs as long as somebody calls it: fewer slots from call to call while the account holds positions than
//! while it only sells collateral. What is left to sell when the positions are gone is another auction.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::EngineError;
use bulwark_engine::auction::{Auction, COLLATERAL_LAPSE_SLOTS, LAPSE_SLOTS, SHARE_ONE};
use bulwark_engine::margin::Health;
use bulwark_engine::units::Quote;
use model::config;
use proptest::prelude::*;

fn health(equity: i64, requirement: i64) -> Health {
    Health { equity: Quote(equity), requirement: Quote(requirement) }
}

proptest! {
    #![proptest_config(config(1_000))]

    /// Whatever calls come: the clock of an auction began at a call, since when nobody waited longer than its stage allows, no
    /// position was gained or lost, and no call found the account 5 % above its requirement.
    #[test]
    fn the_clock_runs_from_the_first_of_the_calls_that_kept_it_running(
        calls in prop::collection::vec(
            (prop_oneof![3 => 0..=LAPSE_SLOTS + 2, 1 => 0..=COLLATERAL_LAPSE_SLOTS + 2], prop::bool::weighted(0.7), 0..1_200_i64),
            1..30,
        ),
    ) {
        let (mut auction, mut slot, mut began, mut last) = (Auction::default(), 1_000, 0, None);
        for &(wait, positions, equity) in &calls {
            slot += wait;
            let lapse = if positions { LAPSE_SLOTS } else { COLLATERAL_LAPSE_SLOTS };
            let before = auction;
            let called = auction.call(slot, (health(equity, 1_000), positions));
            if equity >= 1_000 {
                prop_assert_eq!(called, Err(EngineError::Healthy { equity, requirement: 1_000 }));
                auction = before; // a call that fails is none
                slot -= wait;
                continue;
            }
            if last.is_none_or(|stage| stage != positions) || wait > lapse {
                began = slot;
            }
            let moment = called.unwrap();
            prop_assert_eq!((moment.elapsed, auction.started, auction.touched), (slot - began, began, slot));
            prop_assert_eq!(auction.collateral_only, u8::from(!positions));
            prop_assert!(auction.is_running(slot + lapse) && !auction.is_running(slot + lapse + 1));
            last = Some(positions);
            auction.end_if_over(health(equity + 100, 1_000)).unwrap();
            if equity >= 950 {
                prop_assert_eq!(auction, Auction::default());
                last = None;
            }
        }
    }
}

#[test]
fn an_auction_starts_runs_and_lapses_by_hand() {
    let mut auction = Auction::default();
    let sick = health(5_000, 10_000);
    let mut call = |slot| {
        let moment = auction.call(slot, (sick, true)).unwrap();
        assert_eq!((moment.ratio, auction.ratio, auction.touched), (SHARE_ONE / 2, SHARE_ONE / 2, slot));
        (moment.elapsed, auction.started)
    };
    assert_eq!(call(1_000), (0, 1_000));
    assert_eq!(call(1_007), (7, 1_000));
    let last = 1_007 + LAPSE_SLOTS;
    assert_eq!(call(last), (7 + LAPSE_SLOTS, 1_000), "it runs on");
    let late = last + LAPSE_SLOTS + 1;
    assert_eq!(call(late), (0, late), "a slot more: a new one");
    assert_eq!(call(late + 8), (8, late));
    assert_eq!(call(late + 3), (3, late), "the clock of slots cannot run backwards below the start");
    assert!(auction.is_running(late + 3 + LAPSE_SLOTS) && !auction.is_running(late + 4 + LAPSE_SLOTS));
    assert!(!Auction::default().is_running(0));
}

#[test]
fn the_ratio_is_that_of_the_first_call_of_a_slot_or_lower_by_hand() {
    let mut auction = Auction::default();
    let mut ratio = |slot, equity| auction.call(slot, (health(equity, 10_000), true)).unwrap().ratio;
    assert_eq!(ratio(1_000, 5_000), SHARE_ONE / 2);
    assert_eq!(ratio(1_000, 7_500), SHARE_ONE / 2, "a fill has raised it");
    assert_eq!(ratio(1_000, 2_500), SHARE_ONE / 4, "another leg has fallen");
    assert_eq!(ratio(1_000, 5_000), SHARE_ONE / 4);
    assert_eq!(ratio(1_001, 7_500), SHARE_ONE / 4 * 3, "a new slot");
    assert_eq!(ratio(1_002, -1), 0);
    assert_eq!(ratio(1_003 + LAPSE_SLOTS, 5_000), SHARE_ONE / 2);
}

#[test]
fn an_auction_ends_5_percent_above_the_requirement_by_hand() {
    let running = Auction { started: 10, touched: 20, ratio: 30, ..Auction::default() };
    let after = |equity, requirement| {
        let mut auction = running;
        auction.end_if_over(health(equity, requirement)).unwrap();
        auction
    };
    assert_eq!(after(10_499, 10_000), running, "healthy is not enough");
    assert_eq!(after(10_500, 10_000), Auction::default());
    assert_eq!(after(1_051, 1_001), running, "1 051.05");
    assert_eq!(after(1_052, 1_001), Auction::default());
    assert_eq!(after(-5, 0), running);
}

#[test]
fn what_is_left_to_sell_without_positions_is_another_auction_by_hand() {
    let mut auction = Auction::default();
    let mut call = |slot, positions| {
        let moment = auction.call(slot, (health(-5, 0), positions)).unwrap();
        (moment.elapsed, auction.started)
    };
    assert_eq!(call(1_000, true), (0, 1_000));
    assert_eq!(call(1_010, true), (10, 1_000));
    assert_eq!(call(1_010, false), (0, 1_010), "the last position is gone");
    let slow = LAPSE_SLOTS + 1;
    assert_eq!(call(1_010 + slow, false), (slow, 1_010), "nobody else's margin waits for it");
    let last = 1_010 + slow + COLLATERAL_LAPSE_SLOTS;
    assert_eq!(call(last, false), (slow + COLLATERAL_LAPSE_SLOTS, 1_010), "it runs on");
    let late = last + COLLATERAL_LAPSE_SLOTS + 1;
    assert_eq!(call(late, false), (0, late), "a slot more: a new one");
    assert_eq!(call(late + 8, true), (0, late + 8), "nor is it the other way round");
}
