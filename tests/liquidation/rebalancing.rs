//! Winners are unwound when the pool's money in a market is used up.

use bulwark_sdk::address;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::events::MarketRebalanced;
use bulwark_sdk::program::state::Market;
use bulwark_tests::fixtures::{DOLLAR, PRINT};
use bulwark_tests::{Failure, Trader};

use crate::support::*;

/// 125 dollars and an eighth, a half and three quarters of it; per lot 9/64, 17/128 and 35/256 quote units.
const EIGHTH: i64 = 140 * PRINT + PRINT * 5 / 8;
const SIXTEENTH: i64 = 132 * PRINT + PRINT * 13 / 16;
const BETWEEN: i64 = 136 * PRINT + PRINT * 23 / 32;

/// Longs of 40 UNI at 125 and of 30 at 132.8125, a short of 10 at 132.8125; the price is 140.625.
///
/// Won: 40 · 15.625 = 625 and 30 · 7.8125 = 234.375; lost: 78.125.
struct Scene {
    stage: Stage,
    winners: [Trader; 2],
    loser: Trader,
}

impl Scene {
    fn new(cash: u64) -> Self {
        let mut stage = Stage::new();
        let first = stage.holder(10_000, (A, Side::Long), 40 * ONE);
        stage.settle_at(A, SIXTEENTH);
        let second = stage.holder(10_000, (A, Side::Long), 30 * ONE);
        let loser = stage.holder(10_000, (A, Side::Short), 10 * ONE);
        stage.settle_at(A, EIGHTH);
        stage.drain(A, cash);
        let scene = Self { stage, winners: [first, second], loser };
        // The curve took 0.1 dollars from the first, 0.219 from the second and gave 0.086 to the short.
        near(scene.won(), 859_375_000 - 100_000 - 219_140, 2, "won");
        near(scene.owed(), 781_250_000 - 100_000 - 219_140 + 86_328, 2, "owed");
        scene
    }

    fn profit(&self, who: &Trader) -> i128 {
        self.stage.equity(&who.margin) - self.stage.quote(&who.margin)
    }

    /// What the winners are owed at the mark.
    fn won(&self) -> i128 {
        self.winners.iter().map(|w| self.profit(w)).sum()
    }

    /// What all traders are owed at the mark.
    fn owed(&self) -> i128 {
        self.won() + self.profit(&self.loser)
    }

    fn average(&mut self, price: u64) {
        self.stage.tamper::<Market>(&address::market(A), |m| {
            m.core.oracle.ema = bulwark_sdk::engine::units::Price::from_bits(price).expect("a price");
        });
    }

    fn settle(&mut self) {
        for who in self.winners.iter().chain([&self.loser]) {
            self.stage.settle(&who.margin, A).expect("settle_position");
        }
    }

    fn check(&mut self) {
        let [first, second] = &self.winners;
        self.stage.check_invariants(A, &[first, second, &self.loser]);
    }
}

fn rebalance(stage: &mut Stage) -> Result<MarketRebalanced, Failure> {
    let outcome = stage.send(&[ix::rebalance_market(A)], &[])?;
    match &outcome.events[..] {
        [Event::MarketRebalanced(e)] => Ok(e.clone()),
        other => panic!("one event of a rebalance, not {other:?}"),
    }
}

#[track_caller]
fn refuses(stage: &mut Stage, name: &str) {
    refused(stage, ix::rebalance_market(A), &[], name, "rebalance_market");
}

/// Recomputes an event from what it says alone.
fn recompute(e: &MarketRebalanced) {
    let (deficit, winners) = (i128::from(e.deficit), i128::from(e.winners));
    let exact = ceil(deficit << 32, winners).min(1 << 31);
    assert_eq!(i128::from(e.fraction), exact, "{e:?}");
    near(e.booked.into(), (winners * exact) >> 32, 4, "what it brought");
}

#[test]
fn all_winners_lose_the_same_share_of_what_is_missing_and_losers_nothing() {
    let mut scene = Scene::new(400 * DOLLAR);
    let (won, owed) = (scene.won(), scene.owed());
    let lost = scene.profit(&scene.loser);
    let profits = scene.winners.each_ref().map(|w| scene.profit(w));
    let held = scene.winners.each_ref().map(|w| scene.stage.position(&w.margin, A));
    let before = scene.stage.market(A);
    let e = rebalance(&mut scene.stage).expect("381 dollars are missing");
    near(e.deficit.into(), owed - 400_000_000, 2, "missing");
    near(e.winners.into(), won, 2, "won");
    recompute(&e);
    near(e.booked.into(), e.deficit.into(), 2, "all of it, but for rounding");
    assert_eq!((e.market, e.side, e.sequence + 1), (A, 0, scene.stage.market(A).sequence));
    assert_eq!(i128::from(e.price), scene.stage.mark(A));
    let after = scene.stage.market(A).core.book;
    assert_eq!(before.core.book.long.lots - after.long.lots, e.lots);
    assert_eq!((before.core.book.cash, before.core.book.short), (after.cash, after.short), "no money moves");
    let left = (1 << 32) - i128::from(e.fraction);
    let positions = |s: &Scene| s.winners.each_ref().map(|w| s.stage.position(&w.margin, A));
    assert_eq!(positions(&scene).map(|p| p.lots), held.map(|p| p.lots), "nobody is settled yet");
    scene.settle();
    let rest = positions(&scene);
    for i in 0..2 {
        near(rest[i].lots.0.into(), (i128::from(held[i].lots.0) * left) >> 32, 1, "the same share of lots");
        near(rest[i].quote.0.into(), (i128::from(held[i].quote.0) * left) >> 32, 1, "and of what they cost");
        let profit = scene.profit(&scene.winners[i]);
        near(profit, (profits[i] * left) >> 32, 2, "so the same share of profit");
    }
    assert_eq!(scene.profit(&scene.loser), lost);
    near(scene.owed(), 400_000_000, 8, "now there is as much as is owed");
    assert!(scene.owed() <= 400_000_000);
    scene.check();
}

#[test]
fn while_the_market_is_worth_something_at_either_price_nobody_is_unwound() {
    // At 125 dollars the first longs are even, the second lost 234 and the short won 78: nothing is owed.
    let mut scene = Scene::new(400 * DOLLAR);
    scene.average(1 << 29);
    refuses(&mut scene.stage, "NotExhausted");
    let mut turned = Scene::new(400 * DOLLAR);
    let high = turned.stage.market(A).core.mark().to_bits();
    turned.stage.move_to(A, 125 * PRINT);
    turned.average(high);
    refuses(&mut turned.stage, "NotExhausted");
    // To the unit.
    let owed = u64::try_from(scene.owed()).expect("owed");
    for cash in [owed + 1, owed] {
        refuses(&mut Scene::new(cash).stage, "NotExhausted");
    }
}

#[test]
fn an_unwind_that_would_bring_nothing_but_rounding_is_refused() {
    // Per 2^32: a unit of 859 million is 5, two are 10, three are 15. Lots taken are rounded down (9/64 of a unit each), what
    // they cost is rounded up, of 40 and of 30 UNI: 46 + 34 lots for 6 + 5, 93 + 69 for 12 + 10, 139 + 104 for 18 + 14 units.
    let owed = u64::try_from(Scene::new(400 * DOLLAR).owed()).expect("owed");
    for missing in [1, 2] {
        refuses(&mut Scene::new(owed - missing).stage, "NoWinners");
    }
    let mut scene = Scene::new(owed - 3);
    let e = rebalance(&mut scene.stage).expect("34.17 less 32");
    assert_eq!((e.deficit, e.fraction, e.lots, e.booked), (3, 15, 139 + 104, 2));
    recompute(&e);
    refuses(&mut scene.stage, "NoWinners");
}

#[test]
fn what_is_missing_is_the_smaller_number_of_the_two_prices() {
    // At 136.71875: 40 · 11.71875 + 30 · 3.90625 − 10 · 3.90625 = 546.875, and 0.233 of the curve less.
    let smaller = 546_875_000 - 232_812 - 400_000_000;
    let bits = (1_u64 << 32) / 256 * 35;
    let mut scene = Scene::new(400 * DOLLAR);
    scene.average(bits);
    let e = rebalance(&mut scene.stage).expect("rebalance");
    near(e.deficit.into(), smaller, 2, "at the average");
    near(e.winners.into(), scene.won(), 2, "who has won at the live price pays");
    recompute(&e);
    let mut scene = Scene::new(400 * DOLLAR);
    let high = scene.stage.market(A).core.mark().to_bits();
    scene.stage.move_to(A, BETWEEN);
    scene.average(high);
    let e = rebalance(&mut scene.stage).expect("rebalance");
    near(e.deficit.into(), smaller, 2, "at the live price");
    near(e.winners.into(), 468_750_000 + 117_187_500 - 319_140, 2, "won there");
    recompute(&e);
}

#[test]
fn half_at_most_in_a_call_and_as_often_as_it_takes() {
    // Without any cash the winners can have what the loser lost: 78.2 dollars of 859.
    let mut scene = Scene::new(0);
    let mut events = Vec::new();
    for _ in 0..4 {
        events.push(rebalance(&mut scene.stage).expect("more than rounding is missing"));
    }
    // What is missing: 781, 351.6, 136.7, 29.3; of 859, 429.7, 214.8, 107.4.
    assert_eq!(events.iter().map(|e| e.fraction == 1 << 31).collect::<Vec<_>>(), [true, true, true, false]);
    for (e, [missing, of]) in events.iter().zip([[781, 859], [351, 429], [136, 214], [29, 107]]) {
        recompute(e);
        assert_eq!([e.deficit / DOLLAR, e.winners / DOLLAR], [missing, of]);
    }
    for pair in events.windows(2) {
        near(
            pair[1].deficit.into(),
            i128::from(pair[0].deficit) - i128::from(pair[0].booked),
            1,
            "what is left",
        );
        assert_eq!(pair[1].sequence, pair[0].sequence + 1);
    }
    // What rounding leaves is a few units, and nobody loses more than as many by one call more.
    let mut more = scene.stage.fork();
    if let Ok(e) = rebalance(&mut more) {
        assert!(e.deficit <= 4 && e.fraction <= 4 * (1 << 32) / e.winners + 1, "{e:?}");
    }
    scene.settle();
    let lost = -scene.profit(&scene.loser);
    assert!(scene.won() <= lost && scene.won() > lost - 20, "{} of {lost}", scene.won());
    scene.check();
}

#[test]
fn it_ends() {
    let mut scene = Scene::new(0);
    for _ in 0..100 {
        if let Err(failure) = rebalance(&mut scene.stage) {
            assert!(failure.is("NoWinners"), "what is missing is rounding: {failure:?}");
            return;
        }
    }
    scene.settle();
    panic!("not after 100 calls: of {} the winners have {}", -scene.profit(&scene.loser), scene.won());
}

#[test]
fn it_makes_no_difference_when_a_winner_is_settled() {
    let run = |settle_between: bool| {
        let mut scene = Scene::new(0);
        for _ in 0..4 {
            rebalance(&mut scene.stage).expect("four times");
            if settle_between {
                scene.settle();
            }
        }
        scene.settle();
        scene.check();
        scene.winners.each_ref().map(|w| scene.profit(w))
    };
    let (late, early) = (run(false), run(true));
    for i in 0..2 {
        near(early[i], late[i], 12, "but for rounding");
    }
}

#[test]
fn where_the_heavy_side_has_no_winners_the_other_one_pays() {
    // Shorts of 20 UNI at 156.25 have won 468.75 at 132.8125; longs of 21, or 20, at 140.625 have lost 164 or 156.
    for (longs, skew) in [(21, 1), (20, 0)] {
        let mut stage = Stage::new();
        stage.settle_at(A, 156 * PRINT + PRINT / 4);
        let short = stage.holder(10_000, (A, Side::Short), 20 * ONE);
        stage.settle_at(A, EIGHTH);
        let long = stage.holder(10_000, (A, Side::Long), longs * ONE);
        stage.settle_at(A, SIXTEENTH);
        stage.drain(A, 100 * DOLLAR);
        let profit = |stage: &Stage, who: &Trader| stage.equity(&who.margin) - stage.quote(&who.margin);
        let (won, lost) = (profit(&stage, &short), profit(&stage, &long));
        near(won, 468_750_000, 100_000, "won");
        assert_eq!(stage.market(A).core.book.skew().expect("skew").0, skew * 1_000_000_000);
        let e = rebalance(&mut stage).expect("more is owed than there is");
        assert_eq!(e.side, 1, "the shorts");
        near(e.deficit.into(), won + lost - 100_000_000, 2, "missing");
        near(e.winners.into(), won, 2, "won");
        recompute(&e);
        stage.settle(&short.margin, A).expect("settle_position");
        assert_eq!(profit(&stage, &long), lost);
        near(profit(&stage, &short), 100_000_000 - lost, 6, "what there is");
        stage.check_invariants(A, &[&short, &long]);
    }
}

/// A short of 20 UNI that won 468.75 dollars, a long of so many that won 7.8125 each, and one of 20 that lost 156.25, but for
/// the curve; and what they are owed in all.
fn both_win(uni: u64) -> (Stage, [Trader; 3], u64) {
    let mut stage = Stage::new();
    stage.settle_at(A, 156 * PRINT + PRINT / 4);
    let short = stage.holder(10_000, (A, Side::Short), 20 * ONE);
    stage.settle_at(A, 125 * PRINT);
    let first = stage.holder(10_000, (A, Side::Long), uni * ONE);
    stage.settle_at(A, EIGHTH);
    let second = stage.holder(10_000, (A, Side::Long), 20 * ONE);
    stage.settle_at(A, SIXTEENTH);
    let all = [short, first, second];
    let owed: i128 = all.iter().map(|t| stage.equity(&t.margin) - stage.quote(&t.margin)).sum();
    near(owed, 312_500_000 + i128::from(uni) * 7_812_500, 1_000_000, "owed");
    (stage, all, u64::try_from(owed).expect("owed"))
}

#[test]
fn where_the_heavy_side_is_owed_less_than_is_missing_the_side_that_is_owed_more_pays() {
    let run = |uni: u64, missing: u64| {
        let (mut stage, [short, first, second], owed) = both_win(uni);
        stage.drain(A, owed - missing);
        assert!(stage.market(A).core.book.skew().expect("skew").0 > 0, "longs are the heavy side");
        let e = rebalance(&mut stage).expect("more is owed than there is");
        assert_eq!(e.deficit, missing);
        recompute(&e);
        stage.check_invariants(A, &[&short, &first, &second]);
        e
    };
    // One UNI of longs won 7.8125 dollars and, from −20 to −19 UNI of skew, 19.5 millionths of 125. 5 dollars are missing: more
    // than half of that, so half now.
    let e = run(1, 5 * DOLLAR);
    near(e.winners.into(), 7_812_500 + 2_437, 1, "the longs");
    assert_eq!((e.side, e.fraction), (0, 1 << 31));
    // To the unit: what they are owed, and one more, which is the shorts'.
    let longs = e.winners;
    let e = run(1, longs);
    assert_eq!((e.side, e.winners, e.fraction), (0, longs, 1 << 31));
    let e = run(1, longs + 1);
    assert_eq!(e.side, 1);
    near(e.winners.into(), 468_750_000 - 31_250, 1, "the shorts, from 0 to −20");
    near(e.booked.into(), longs.into(), 2, "all that is missing");
    // 59 UNI of longs won 460.9375 dollars, 61 won 476.5625, less 10.5 millionths of 7,625 from −20 to 41: where more is
    // missing than either side is owed, the one that is owed more pays half of it.
    for (uni, side, winners) in [(59, 1, 468_750_000 - 31_250), (61, 0, 476_562_500 - 80_062)] {
        let e = run(uni, 700 * DOLLAR);
        assert_eq!((e.side, e.fraction), (side, 1 << 31), "{uni}");
        near(e.winners.into(), winners, 1, "won");
    }
}

#[test]
fn without_a_bucket_wholly_in_profit_nobody_is_unwound() {
    // Of 100 UNI at 125 and one at 127 in the same bucket, the second has lost a dollar at 126.
    let mut stage = Stage::new();
    let first = stage.holder(10_000, (A, Side::Long), 100 * ONE);
    stage.settle_at(A, 127 * PRINT);
    let second = stage.holder(10_000, (A, Side::Long), ONE);
    stage.settle_at(A, 126 * PRINT);
    stage.drain(A, 0);
    refuses(&mut stage, "NoWinners");
    // When the second is gone and the first is filed anew, there is somebody.
    stage.close(&second, A, u64::MAX).expect("close");
    refuses(&mut stage, "NoWinners");
    stage.settle(&first.margin, A).expect("settle_position");
    let e = rebalance(&mut stage).expect("a winner");
    recompute(&e);
    stage.settle(&first.margin, A).expect("settle_position");
    stage.check_invariants(A, &[&first]);
}

#[test]
fn it_needs_a_fresh_price_as_young_as_a_trades() {
    let scene = Scene::new(400 * DOLLAR);
    let at = |change: &dyn Fn(&mut Stage)| {
        let mut stage = scene.stage.fork();
        change(&mut stage);
        rebalance(&mut stage).err().and_then(|failure| failure.name)
    };
    assert_eq!(at(&|s| s.advance(5)), None);
    assert_eq!(at(&|s| s.advance(6)).as_deref(), Some("PriceStale"));
    let wide = |s: &mut Stage| {
        s.advance(1);
        s.refresh_one(A, 3 * PRINT.unsigned_abs());
    };
    assert_eq!(at(&wide).as_deref(), Some("PriceWide"));
    let disputed = |s: &mut Stage| s.tamper::<Market>(&address::market(A), |m| m.core.oracle.divergent = 1);
    assert_eq!(at(&disputed).as_deref(), Some("PriceDivergent"));
}
