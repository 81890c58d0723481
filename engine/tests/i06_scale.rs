//! I6 and I8 at scale: a loss is unwound over 128 buckets however many positions there are, and each settles for the same share.
//!
//! The books of 10, 1 000 and 100 000 positions are one book cut into ever smaller parts: the buckets hold the same, so the
//! waterfall must report the same. Rounding: a member that settles loses the exact share of its profit, or up to a lot's worth
//! and a unit more; closing rounds by less than a unit. All that is left of it in `cash` when the last member has gone.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::ladder::{BUCKETS, Bucket, FRACTION_ONE, WHOLE};
use bulwark_engine::market::{Market, MarketParams};
use bulwark_engine::position::{Holding, Position};
use bulwark_engine::trade::{Order, Owes};
use bulwark_engine::units::{Quote, Side};
use bulwark_engine::waterfall::{Fund, Loss, WaterfallReport};
use model::world::{NOW, ONE, PARAMS, admit, market, oracle, order, price};
use model::{int, of_price, ratio};

/// Side, lots and quote of each of ten positions, in units of the smallest part: entries from 0.6 to 1.4 around a mark of 0.9.
const TEN: [(Side, u64, i64); 10] = [
    (Side::Long, 40, -24),
    (Side::Long, 30, -21),
    (Side::Long, 50, -40),
    (Side::Long, 20, -19),
    (Side::Long, 70, -84),
    (Side::Short, 35, 49),
    (Side::Short, 45, 54),
    (Side::Short, 60, 60),
    (Side::Short, 25, 20),
    (Side::Short, 50, 35),
];
/// Parts of the largest book.
const MOST: u64 = 10_000;
/// Lots and quote units of the smallest part's unit: no part loses anything by the cut.
const UNIT: u64 = 1_000;
const CASH: u64 = 1 << 40;
const DEBT: u64 = 100_000_001;

/// Everything that is closed is closed at the mark.
const FLAT: MarketParams =
    MarketParams { taker_fee_ppm: 0, base_spread_ppm: 0, conf_spread_ppm: 0, max_impact_ppm: 0, ..PARAMS };

fn built(parts: u64) -> (Box<Market>, Vec<Position>) {
    let mut market = market(&FLAT, ONE, CASH);
    let scale = UNIT * MOST / parts;
    let mut members = vec![];
    for _ in 0..parts {
        for (side, lots, quote) in TEN {
            members.push(admit(&mut market, side, lots * scale, quote * scale.cast_signed()));
        }
    }
    market.oracle = oracle(ONE / 10 * 9);
    (market, members)
}

/// Buckets that the unwind has changed.
fn changed(before: &Market, after: &Market) -> usize {
    let differs = |side| {
        let [a, b] = [before, after].map(|market| &market.book.side(side).buckets);
        (0..BUCKETS).filter(|&i| a[i] != b[i]).count()
    };
    differs(Side::Long) + differs(Side::Short)
}

/// What resolving, settling and closing leaves: the report, and the units that rounding left in `cash`.
fn run(parts: u64) -> (WaterfallReport, [Bucket; BUCKETS], u64) {
    let (mut market, mut members) = built(parts);
    assert_eq!(members.len(), usize::try_from(parts * 10).unwrap());
    let before = market.clone();
    let loss = Loss { debt: DEBT, side: Side::Long, now: NOW };
    let report = market.resolve(&mut Fund::default(), &loss).unwrap();
    assert!(changed(&before, &market) <= BUCKETS);
    assert_eq!(
        changed(&before, &market),
        3,
        "two and three of the shorts' entries share no bucket; two are no winners"
    );
    let mut buckets = market.book.short.buckets;
    for bucket in &mut buckets {
        bucket.members /= u32::try_from(parts).unwrap();
    }

    // The factor that all winners share; of the first unwind nothing rounds.
    let share = ratio(report.fraction, FRACTION_ONE);
    let mark = of_price(market.mark());
    let grain = &mark + int(1);
    let (mut paid, mut taken) = (0_i64, int(0));
    for (i, member) in members.iter_mut().enumerate() {
        let holding = Holding { lots: member.lots, quote: member.quote };
        let worth = |h: Holding| int(h.lots.0) * &mark + int(h.quote.0);
        let was = worth(holding);
        let settled = market.settle(member, (Owes::default(), NOW)).unwrap();
        assert_eq!((settled.quote_change, member.unwind), (Quote::ZERO, WHOLE.min(member.unwind)));
        let is = worth(Holding { lots: member.lots, quote: member.quote });
        let (_, lots, quote) = TEN[i % 10];
        let winner = member.side() == Ok(Side::Short) && int(quote) > int(lots) * &mark;
        let lost = &was - &is;
        if winner {
            assert!(lost >= &share * &was && lost < &share * &was + &grain, "{lost} of {was}");
            taken += lost;
        } else {
            assert_eq!(lost, int(0), "a loser, or the other side");
        }
        let close = Order { lots: Order::ALL, ..order(1) };
        let report = market.decrease(member, &close).unwrap();
        assert!(int(report.realised.0) <= is && int(report.realised.0) > &is - int(2));
        assert!(!member.is_open() && report.claim == 0);
        paid += report.quote_change.0;
    }

    // To the unit: what was in cash went to members, to the loss and to the insurance; what is left is the pool's.
    let book = &market.book;
    let out = report.first_loss + report.deleveraged + report.pool + report.traders + report.surplus;
    assert_eq!(i128::from(book.cash) + i128::from(paid) + i128::from(out), i128::from(CASH));
    assert_eq!((report.total(), book.insurance, book.fees.total()), (Ok(DEBT), report.surplus, Ok(0)));
    assert_eq!((book.positions, book.long.lots, book.short.lots), (0, 0, 0));
    assert_eq!(
        (book.long.cost, book.short.cost),
        (Quote::ZERO, Quote::ZERO),
        "dust has gone with the last members"
    );
    // What the pool would have without rounding: its equity less what it paid for the loss beyond the winners' share.
    let equity = int(before.book.cash) - exact_pnl(&before);
    let unrounded = equity - int(report.pool)
        + (int(0) - int(report.deleveraged + report.surplus))
        + &share * winners(&before);
    let left = int(book.cash) - unrounded;
    assert!(left >= int(0) && left < (&grain + int(2)) * int(parts * 10), "{left}");
    assert!(taken >= int(report.deleveraged + report.surplus), "no less was taken than is booked");
    (report, buckets, u64::try_from(left.floor().to_integer()).unwrap())
}

/// What all members are worth, not rounded.
fn exact_pnl(market: &Market) -> model::Exact {
    let mark = of_price(market.mark());
    Side::BOTH.into_iter().fold(int(0), |sum, side| {
        let holding = market.book.side(side).holding().unwrap();
        sum + int(holding.lots.0) * &mark + int(holding.quote.0)
    })
}

/// What the shorts in profit are worth, not rounded.
fn winners(market: &Market) -> model::Exact {
    let mark = of_price(market.mark());
    let shorts = TEN.into_iter().filter(|&(side, lots, quote)| {
        side == Side::Short && int(quote) > int(lots) * of_price(price(ONE / 10 * 9))
    });
    let unit = int(UNIT * MOST);
    shorts.fold(int(0), |sum, (_, lots, quote)| sum + (int(quote) - int(lots) * &mark) * &unit)
}

#[test]
fn ten_a_thousand_and_a_hundred_thousand_positions_are_unwound_alike() {
    let (report, buckets, left) = run(1);
    assert!(report.deleveraged > 0 && report.fraction < FRACTION_ONE / 2, "{report:?}");
    let (second, same, more) = run(100);
    assert_eq!((second, same == buckets), (report, true), "a thousand");
    let (third, same, most) = run(MOST);
    assert_eq!((third, same == buckets), (report, true), "a hundred thousand");
    println!(
        "{report:?}\nrounding left to the pool, quote units: {left} of 10, {more} of 1 000, {most} of 100 000 positions"
    );
    assert!(left <= more && more <= most);
}
