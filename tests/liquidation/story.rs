//! From a crash to the books: what happens to an account in trouble, step by step.

use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::program::events::LiquidationKind;
use bulwark_tests::fixtures::{DOLLAR, PRINT, SOL_ASSET};
use bulwark_tests::{SOL, World};

#[test]
fn a_position_in_trouble_is_taken_over_at_a_rising_concession_then_by_the_pool() {
    let mut world = World::new();
    let victim = world.funded_trader(1_000 * DOLLAR);
    let liquidator = world.funded_trader(100_000 * DOLLAR);
    world.open(&victim, SOL, Side::Long, 100 * SOL_ASSET.one()).expect("open");
    assert!(world.liquidate(&liquidator, &victim.margin, SOL, u64::MAX).expect_err("healthy").is("Healthy"));

    world.move_price(SOL, 144 * PRINT);
    let outcome = world.liquidate(&liquidator, &victim.margin, SOL, 0).expect("starts the auction");
    assert!(matches!(outcome.events[..], [Event::AuctionCalled(_)]));
    world.advance_slots(10);
    let outcome = world.liquidate(&liquidator, &victim.margin, SOL, u64::MAX).expect("takes over");
    println!("{} CU {:?}", outcome.compute_units, outcome.events);
    let Event::Liquidated(fill) = &outcome.events[0] else { panic!("{outcome:?}") };
    assert_eq!((fill.kind, fill.elapsed), (LiquidationKind::Takeover, 10));
}
