use bulwark_sdk::engine::units::Side;
use bulwark_tests::{SOL, World, fixtures::*};

#[test]
fn smoke() {
    let mut world = World::new();
    let trader = world.funded_trader(10_000 * DOLLAR);
    let open = world.open(&trader, SOL, Side::Long, 100 * SOL_ASSET.one()).expect("open");
    println!("{open:?}");
    let o = world.move_price(SOL, 160_00000000);
    println!("refresh {}", o.compute_units);
    let close = world.close(&trader, SOL, u64::MAX).expect("close");
    println!("{close:?}");
    let o = world.deposit(&trader, 0).unwrap_err();
    println!("{o:?}");
    let q = world.margin(&trader.margin).quote.0 as u64;
    let o = world.withdraw(&trader, 0, (trader.tokens, q)).expect("w");
    println!("{o:?}");
    world.withdraw(&trader, 0, (trader.tokens, q)).unwrap_err();
    let o=world.deposit(&trader, 5000).unwrap();
    println!("{o:?}");
}
