//! I17: a market's traders are never paid more in total than its cash, its insurance and what they lost.
//!
//! Whatever is traded, settled, unwound or accrued, at whatever prices: what went to winners is what the pool lent and what
//! losers brought, and not a unit of any other market, of idle cash or of fees.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::carry::CarryParams;
use bulwark_engine::market::MarketParams;
use model::config;
use model::world::{
    Done, HALF, ONE, Op, PARAMS, World, any_fraction, any_lend, any_move, any_trade, any_unwind,
};
use proptest::prelude::*;

/// What came and went, quote units.
#[derive(Clone, Copy, Debug, Default)]
struct Flows {
    /// Realised profits and claims that were paid.
    paid: i128,
    /// Realised losses.
    lost: i128,
}

impl Flows {
    fn count(&mut self, done: &Done) {
        match done {
            Done::Trade(report) if report.paid.0 > 0 => self.paid += i128::from(report.paid.0),
            Done::Trade(report) => self.lost -= i128::from(report.paid.0),
            Done::Settle(report) => {
                self.paid += i128::from(report.claim_paid);
                self.lost += i128::from(report.loss);
            }
            Done::Unwind(_) | Done::Moved => {}
        }
    }
}

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![8 => any_trade(), 4 => any_move(), 1 => any_unwind(), 1 => any_lend()]
}

/// A market in which everything is on that could pay or take: fees, toxic-exit fee, funding and borrow.
fn lively() -> MarketParams {
    MarketParams { toxic_window: 30, toxic_fee_ppm: 10_000, carry: CarryParams::DEFAULT, ..PARAMS }
}

proptest! {
    #![proptest_config(config(600))]

    #[test]
    fn i17_traders_are_paid_from_their_markets_cash_and_their_own_losses_alone(
        ops in proptest::collection::vec(any_op(), 1..60),
        cash in prop_oneof![Just(0), 0..1_u64 << 34, Just(1_u64 << 50)],
        bits in HALF..ONE,
    ) {
        let mut world = World::new(&lively(), bits, cash);
        let (mut flows, began) = (Flows::default(), world.market.book.insurance);
        for op in &ops {
            let Ok(done) = world.apply(op) else { continue };
            flows.count(&done);
            let (book, lent) = (&world.market.book, i128::from(cash) - world.outside);
            prop_assert_eq!(i128::from(book.cash), lent + flows.lost - flows.paid, "{:?}", op);
            prop_assert!(flows.paid <= lent + flows.lost, "{:?} of {} lent", flows, lent);
            prop_assert_eq!(book.insurance, began, "nothing but the waterfall touches it");
        }
    }

    /// Claims that are larger than all there is stay claims: closing, settling and unwinding again and again pays out what is
    /// there once, and nobody twice.
    #[test]
    fn i17_what_is_not_there_is_not_paid(
        lots in 1_u64 << 20..1 << 30, rise in 2..8_u64, cash in 0..1_u64 << 20, h in any_fraction(),
    ) {
        let mut world = World::new(&PARAMS, HALF, 1 << 50);
        let mut flows = Flows::default();
        let side = bulwark_engine::units::Side::Long;
        for who in 0..3 {
            flows.count(&world.apply(&Op::Increase { who, side, lots }).unwrap());
        }
        world.apply(&Op::Lend { left: cash }).unwrap();
        world.apply(&Op::Price { bits: HALF * rise }).unwrap();
        world.apply(&Op::Unwind { side, h }).unwrap();
        for _ in 0..3 {
            for who in 0..3 {
                for op in [Op::Decrease { who, eighths: 8 }, Op::Settle { who }] {
                    if let Ok(done) = world.apply(&op) {
                        flows.count(&done);
                    }
                }
            }
        }
        prop_assert!(flows.paid <= i128::from(cash) + flows.lost, "{:?} of {}", flows, cash);
        prop_assert!(world.claims() > 0 || flows.paid <= i128::from(cash));
    }
}
