//! The fee on an exit right after an increase: whoever owes and has his profit realised before he closes does not save it.

use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::units::Side;

use crate::support::*;

/// Somebody with gold owes 400 dollars. He opens a quarter of a million, the oracle moves by a tenth of a percent a second later,
/// and he closes; settled in between or not. What he has gained.
fn exit(settled: bool) -> i128 {
    let mut scene = Scene::new(MarketParams { toxic_window: 30, toxic_fee_ppm: 1_000, ..free() });
    let own = scene.with_gold(100, 1_000 * ONE);
    scene.hold(&own, A, Side::Long, 100 * ONE);
    scene.go(A, 12_000);
    scene.close(&own, A, u64::MAX).expect("close");
    scene.go(A, 12_500);
    nearly(scene.quote(&own), -dollars(400));
    let before = scene.wealth([&own]);
    scene.hold(&own, A, Side::Long, 2_000 * ONE);
    scene.prices[0] = scene.prices[0] / 1_000 * 1_001;
    scene.wait(3);
    if settled {
        scene.settle(&own.margin, A).expect("for anyone to call");
    }
    scene.close(&own, A, u64::MAX).expect("close");
    scene.wealth([&own]) - before
}

#[test]
fn attack_settling_before_an_exit_does_not_save_its_fee() {
    // 250 dollars won, of which the fee leaves eight; whatever is settled in between.
    let (plain, settled) = (exit(false), exit(true));
    println!("{plain} closed at once, {settled} settled before");
    assert!((0..=dollars(20)).contains(&plain), "{plain}");
    near(settled, plain);
}
