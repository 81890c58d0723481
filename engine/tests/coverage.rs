//! Risk may not outgrow what stands behind it: sums over many markets are exact, the scale is `min(1, CR / 1.5)`, and every
//! cap of open interest follows it.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::EngineError;
use bulwark_engine::backstop::{Backstop, Stake};
use bulwark_engine::coverage::Cover;
use bulwark_engine::market::{Market, MarketParams};
use bulwark_engine::position::Position;
use bulwark_engine::units::Side;
use bulwark_engine::waterfall::{Fund, WaterfallParams};
use model::pool::any_amount;
use model::world::{ONE, PARAMS, WATERFALL, admit, any_lots, market, oracle, order};
use model::{config, int, of_price, ratio};
use num_traits::Zero;
use proptest::prelude::*;

fn with(backing_ppm: u32, first_loss_ppm: u32, cash: u64) -> Box<Market> {
    let waterfall = WaterfallParams { backing_ppm, first_loss_ppm, ..WATERFALL };
    market(&MarketParams { waterfall, ..PARAMS }, ONE, cash)
}

/// Whatever a market may come to: lots on both sides, cash, insurance, price.
type Change = (usize, [u64; 2], u64, u64, u64);

fn any_change() -> impl Strategy<Value = Change> {
    (0..8_usize, [any_amount(36), any_amount(36)], any_amount(36), any_amount(36), ONE / 2..ONE * 2)
}

fn change(market: &mut Market, (_, lots, cash, insurance, mark): Change) {
    market.book.initialize(bulwark_engine::units::Price::from_bits(ONE).unwrap());
    market.oracle = oracle(mark);
    for (side, lots) in Side::BOTH.into_iter().zip(lots).filter(|&(_, lots)| lots > 0) {
        let worth = lots.cast_signed();
        admit(market, side, lots, if side == Side::Long { -worth } else { worth });
    }
    (market.book.cash, market.book.insurance) = (cash, insurance);
}

fn emptied(market: &Market) -> Box<Market> {
    let mut fresh = Box::new(*market);
    for ladder in [&mut fresh.book.long, &mut fresh.book.short] {
        *ladder = bytemuck::Zeroable::zeroed();
    }
    fresh
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn the_sums_are_those_of_the_markets_whatever_happens_and_in_whatever_order(
        params in prop::collection::vec((0..=500_000_u32, 0..=100_000_u32), 8),
        changes in prop::collection::vec(any_change(), 1..40), reserve in any_amount(40), stake in any_amount(40),
    ) {
        let mut markets: Vec<_> = params.iter().map(|&(backing, first)| with(backing, first, 0)).collect();
        let backstop = Backstop { active: Stake { value: stake, shares: stake }, ..Backstop::default() };
        let mut fund = Fund { reserve, backstop, ..Fund::default() };
        for &step in &changes {
            let (market, (backing, first)) = (&mut markets[step.0], params[step.0]);
            let mut next = emptied(market);
            change(&mut next, step);
            *market = next;
            fund.cover(market).unwrap();
            // The market's own part: ceil of OI·P·backing, floor of the first loss.
            let (book, mark) = (&market.book, of_price(market.mark()));
            let worth = (int(book.long.lots.max(book.short.lots)) * mark).ceil();
            prop_assert_eq!(int(market.cover.required), (worth * ratio(backing, 1_000_000)).ceil());
            let equity = int(book.equity(market.mark()).unwrap().units_or_zero());
            let own = int(book.insurance) + (equity * ratio(first, 1_000_000)).floor();
            prop_assert_eq!(int(market.cover.own), own);
            // The sums.
            let sum = |part: &dyn Fn(&Cover) -> u64| markets.iter().map(|m| part(&m.cover)).sum::<u64>();
            prop_assert_eq!(fund.cover.required, sum(&|c| c.required));
            prop_assert_eq!(fund.cover.own, sum(&|c| c.own));
            prop_assert_eq!(markets[step.0].oi_scale_ppm, fund.scale_ppm().unwrap());
        }
    }

    #[test]
    fn the_scale_is_two_thirds_of_the_coverage_rounded_down(
        required in any_amount(60), reserve in any_amount(60), stake in [any_amount(58), any_amount(58)], own in any_amount(60),
    ) {
        let side = |value| Stake { value, shares: value };
        let backstop = Backstop { active: side(stake[0]), cooling: side(stake[1]) };
        let fund = Fund { reserve, backstop, cover: Cover { required, own }, ..Fund::default() };
        let scale = int(fund.scale_ppm().unwrap());
        let there = int(reserve) + int(stake[0]) + int(stake[1]) + int(own);
        if required == 0 {
            prop_assert_eq!(scale, int(1_000_000));
            return Ok(());
        }
        // One and a half times what is required is rounded up to a unit: where it is no whole number, half a unit is missing.
        let wanted = int(required) * ratio(3, 2);
        let exact = (&there / &wanted).min(int(1)) * int(1_000_000);
        prop_assert!(scale <= exact, "never more than the formula");
        let least = ((&there / wanted.ceil()).min(int(1)) * int(1_000_000)).floor();
        prop_assert_eq!(&scale, &least);
        prop_assert!(required % 2 != 0 || scale == exact.floor());
        prop_assert!(there.is_zero() == scale.is_zero() || scale.is_zero() && exact < int(1));
    }

    #[test]
    fn the_cap_of_open_interest_is_scaled_to_the_lot(
        cap in any_lots(34), scale in 0..=1_000_000_u32, already in any_amount(30),
    ) {
        let mut market = market(&PARAMS, ONE, 1 << 50);
        market.params.max_oi = cap;
        market.oi_scale_ppm = scale;
        if already > 0 {
            admit(&mut market, Side::Long, already, -already.cast_signed());
        }
        let allowed = u64::try_from(u128::from(cap) * u128::from(scale) / 1_000_000).unwrap();
        let open = |lots: u64| {
            let (mut market, mut position) = (market.clone(), Position::new(0, Side::Long));
            market.increase(&mut position, Side::Long, &order(lots)).map(|_| ())
        };
        match allowed.checked_sub(already) {
            Some(room) if room > 0 => {
                prop_assert_eq!(open(room), Ok(()));
                prop_assert_eq!(open(room + 1), Err(EngineError::OpenInterestCap { lots: allowed + 1, cap: allowed }));
            }
            _ => prop_assert_eq!(open(1), Err(EngineError::OpenInterestCap { lots: already + 1, cap: allowed })),
        }
    }
}

#[test]
fn a_shrinking_backstop_shrinks_the_caps_by_hand() {
    // 100 000 lots at 1, backing 10 %: 10 000 asked for, 15 000 for whole caps.
    let mut market = with(100_000, 0, 0);
    admit(&mut market, Side::Long, 100_000, -100_000);
    market.book.insurance = 3_000;
    let backstop = Backstop { active: Stake { value: 4_000, shares: 4_000 }, ..Backstop::default() };
    let mut fund = Fund { reserve: 8_000, backstop, ..Fund::default() };
    fund.cover(&mut market).unwrap();
    assert_eq!((market.cover, market.oi_scale_ppm), (Cover { required: 10_000, own: 3_000 }, 1_000_000));
    fund.reserve = 0;
    fund.cover(&mut market).unwrap();
    assert_eq!(
        (fund.cover, market.oi_scale_ppm),
        (Cover { required: 10_000, own: 3_000 }, 466_666),
        "7 of 15"
    );
    (fund.backstop, market.book.insurance) = (Backstop::default(), 0);
    fund.cover(&mut market).unwrap();
    assert_eq!((fund.cover.own, market.oi_scale_ppm), (0, 0));
    // A fund that never knew the market.
    let refused = Fund::default().cover(&mut market);
    assert!(matches!(refused, Err(EngineError::Corrupt(_))));
}

#[test]
fn income_is_split_between_stakers_and_reserve_by_hand() {
    let active = Stake { value: 1_000, shares: 1_000 };
    let backstop = Backstop { active, ..Backstop::default() };
    let mut fund = Fund { stake_income_ppm: 333_333, backstop, ..Fund::default() };
    assert_eq!(fund.earn(10), Ok([3, 7]));
    assert_eq!((fund.backstop.active.value, fund.reserve), (1_003, 7));
    fund.backstop = Backstop::default();
    assert_eq!(fund.earn(10), Ok([0, 10]), "nobody stakes: all of it is reserve");
    assert_eq!(fund.reserve, 17);
}
