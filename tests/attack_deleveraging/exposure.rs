//! Exposure deleveraging.

use bulwark_sdk::address;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::program::state::Market;
use bulwark_tests::fixtures::DOLLAR;

use crate::support::*;

#[test]
fn attack_a_market_above_its_cap_is_reduced_by_calls_that_anyone_may_send() {
    // A skew of a million dollars against a cap of 100,000, held at ten times leverage. The cut-off is there after 46 slots:
    // 32.3 · 0.95^23 = 9.9. A keeper calls in every slot.
    let mut scene = Scene::new(params());
    scene.tamper::<Market>(&address::market(A), |m| {
        m.core.params.deleverage.inventory_cap = 100_000 * DOLLAR;
    });
    let who = scene.funded_trader(100_000 * DOLLAR);
    scene.hold(&who, A, Side::Long, 8_000 * ONE);
    let reduced = (0..300).any(|_| {
        scene.wait(1);
        scene.auto_deleverage(&who.margin, A, None).is_ok()
    });
    assert!(reduced, "two minutes of calls, and the state is {:?}", scene.market(A).core.deleveraging_since);
}
