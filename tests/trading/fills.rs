//! What an open and a close pay: formulas (1) and (3) of the specification to the unit.

use bulwark_sdk::engine::units::Side;
use bulwark_tests::fixtures::DOLLAR;
use bulwark_tests::{BTC, SOL, World};

use crate::support::{Cost, Held, MARKET, Rng, move_uni, signed, uni_params, uni_world};

/// 2,000 units of base at 125 dollars.
const LOTS: u64 = 2_000_000_000_000;

#[test]
fn a_fill_pays_the_numbers_one_gets_by_hand() {
    // Scale 10^15 lots, 2·10^12 lots: impact 2/2000 = 0.1 % on 250,000 dollars; 2 bp spread, 5 bp fee.
    for (side, curve) in [(Side::Long, 250_250_000_000), (Side::Short, -249_750_000_000)] {
        let mut world = uni_world(uni_params());
        let trader = world.funded_trader(100_000 * DOLLAR);
        move_uni(&mut world, 125_00000000);
        let open = world.open(&trader, MARKET, side, LOTS).expect("open");
        let trade = open.trade();
        assert_eq!((trade.curve, trade.spread), (curve, 50_000_000));
        // 125 dollars of fee: 20 % insurance, 10 % protocol, the rest to the pool.
        assert_eq!(
            (trade.fee_pool, trade.fee_insurance, trade.fee_protocol),
            (87_500_000, 25_000_000, 12_500_000)
        );
        assert_eq!((trade.realised, trade.paid, trade.claim), (0, 0, 0));
        assert_eq!((trade.position_lots, trade.position_quote), (signed(side, LOTS), -curve - 50_000_000));
        assert_eq!(trade.price, 1 << 29);
        assert_eq!(world.margin(&trader.margin).quote.0, 99_875_000_000, "only the fee leaves the balance");

        // Back along the same curve: realised is twice the spread, and nothing else.
        let close = world.close(&trader, MARKET, u64::MAX).expect("close");
        let trade = close.trade();
        assert_eq!((trade.curve, trade.spread), (-curve, 50_000_000));
        assert_eq!((trade.realised, trade.paid, trade.claim), (-100_000_000, -100_000_000, 0));
        assert_eq!((trade.position_lots, trade.position_quote), (0, 0));
        assert_eq!(world.margin(&trader.margin).quote.0, 99_650_000_000);
    }
}

#[test]
fn every_open_and_close_pays_formula_one_to_the_unit() {
    let seed = 20_260_101;
    let mut rng = Rng::new(seed);
    let mut world = World::new();
    let traders = [0; 3].map(|_| world.funded_trader(3_000_000 * DOLLAR));
    let mut held = [[Held::default(); 2]; 3];
    let mut trades = 0;
    for step in 0..160 {
        let what = format!("seed {seed} step {step}");
        let market = rng.pick(&[SOL, BTC]);
        let asset = World::asset(market);
        if rng.below(3) == 0 {
            let price = asset.price / 100 * i64::try_from(90 + rng.below(21)).expect("small");
            world.move_price(market, price + i64::try_from(rng.below(1_000_000)).expect("small"));
        } else {
            world.advance(0);
        }
        let who = rng.below(3) as usize;
        let (trader, mine) = (&traders[who], &mut held[who][usize::from(market)]);
        let before = world.market(market);
        let quote = world.margin(&trader.margin).quote.0;
        let count = asset.one() / 1000 * (1 + rng.below(400 * 1000 * 150 * 100_000_000 / asset.price as u64));
        let closing = mine.b != 0 && rng.below(5) < 3;
        let (delta, outcome) = if closing {
            let open = mine.b.unsigned_abs() as u64;
            let count = if rng.below(2) == 0 {
                open
            } else {
                count.min(open / 2) / before.core.params.step * before.core.params.step
            };
            let side = if mine.b > 0 { Side::Short } else { Side::Long };
            (signed(side, count), world.close(trader, market, count))
        } else {
            let side = if mine.b == 0 {
                rng.pick(&Side::BOTH)
            } else if mine.b > 0 {
                Side::Long
            } else {
                Side::Short
            };
            (signed(side, count), world.open(trader, market, side, count))
        };
        let Ok(outcome) = outcome else { continue };
        trades += 1;
        let cost = Cost::of(&before.core, delta);
        let realised = if closing {
            mine.close(delta.unsigned_abs(), &cost)
        } else {
            mine.open(delta, &cost);
            0
        };
        let (trade, after) = (outcome.trade(), world.market(market));
        assert_eq!((i128::from(trade.curve), i128::from(trade.spread)), (cost.curve, cost.spread), "{what}");
        let fee = trade.fee_pool + trade.fee_insurance + trade.fee_protocol;
        assert_eq!(i128::from(fee), cost.fee, "{what}");
        assert_eq!(
            (i128::from(trade.realised), trade.paid, trade.claim),
            (realised, trade.realised, 0),
            "{what}"
        );
        let account = world.margin(&trader.margin);
        assert_eq!(i128::from(account.quote.0 - quote), realised - cost.fee, "{what}");
        assert_eq!(Held::in_account(&account, market), *mine, "{what}");
        assert_eq!(i128::from(before.core.book.cash) - i128::from(after.core.book.cash), realised, "{what}");
    }
    assert!(trades > 100, "seed {seed}: only {trades} trades went through");
}
