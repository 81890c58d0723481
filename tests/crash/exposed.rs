//! A market whose skew is above its inventory cap.

use bulwark_sdk::engine::deleverage::DeleverageParams;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::instruction as ix;
use bulwark_tests::fixtures::{DOLLAR, PRINT, SOL_ASSET};
use bulwark_tests::{SOL, World};

#[test]
fn healthy_accounts_are_reduced_when_the_cutoff_reaches_them() {
    let mut world = World::empty();
    let mut params = SOL_ASSET.market_params();
    params.deleverage = DeleverageParams { inventory_cap: 50_000 * DOLLAR, ..params.deleverage };
    world.list_market(&SOL_ASSET, params);
    let provider = world.trader(10_000_000 * DOLLAR);
    world.add_liquidity(&provider, 10_000_000 * DOLLAR).expect("add_liquidity");
    world.send(&[ix::allocate_liquidity(&world.listings, SOL)], &[]).expect("allocate_liquidity");
    // Twelve times; the cut-off begins at 32 and is there after some 20 steps of two slots.
    let trader = world.funded_trader(5_000 * DOLLAR);
    world.open(&trader, SOL, Side::Long, SOL_ASSET.one() * 400).expect("open");
    let mut refusals = vec![];
    let begins = world.slot();
    for _ in 0..60 {
        world.advance_slots(2);
        world.set_price(SOL, 150 * PRINT);
        assert_eq!(world.market(SOL).core.deleveraging_since, begins + 2, "since the first refresh");
        match world.auto_deleverage(&trader.margin, SOL, None) {
            Ok(_) => {
                assert_eq!(refusals, ["BelowCutoff"; 20], "not a step earlier, nor later");
                return;
            }
            Err(failure) => refusals.push(failure.name.expect("a name")),
        }
    }
    panic!("never in 120 slots: {refusals:?}");
}
