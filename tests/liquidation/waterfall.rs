//! Who pays for a loss: each tier alone, all in order, and the limits of a day.

use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::program::events::BankruptcyResolved;
use bulwark_tests::fixtures::{DOLLAR, PRINT};
use bulwark_tests::{Trader, World};

use crate::support::*;

/// 125 dollars less 13/128.
const CRASHED: i64 = 112 * PRINT + PRINT * 39 / 128;

/// A market after a crash: a bankrupt account, who took its position over, and who won.
struct Crash {
    stage: Stage,
    bankrupt: Trader,
    taker: Trader,
    winner: Option<Trader>,
    /// What is owed.
    debt: u64,
}

impl Crash {
    /// A long of 100 UNI on 1,000 dollars that lost 1,269.53125 and 0.625 of the curve; a short of so many UNI that won 12.6953125
    /// dollars on each and a bit of the curve.
    fn new(winning: u64) -> Self {
        let mut stage = Stage::new();
        let bankrupt = stage.holder(1_000, (A, Side::Long), 100 * ONE);
        let winner = (winning > 0).then(|| stage.holder(100_000, (A, Side::Short), winning * ONE));
        let taker = stage.funded_trader(1_000_000 * DOLLAR);
        stage.settle_at(A, CRASHED);
        stage.take_over(&taker, &bankrupt, A, u64::MAX);
        let debt = u64::try_from(-stage.quote(&bankrupt.margin)).expect("a debt");
        assert_eq!(debt, 270_156_250);
        Self { stage, bankrupt, taker, winner, debt }
    }

    fn fork(&self) -> Self {
        let copy = |t: &Trader| Trader { key: t.key.insecure_clone(), ..*t };
        Self {
            stage: self.stage.fork(),
            bankrupt: copy(&self.bankrupt),
            taker: copy(&self.taker),
            winner: self.winner.as_ref().map(copy),
            debt: self.debt,
        }
    }

    /// What the shorts are owed at mark, by hand.
    fn winners(&self) -> i128 {
        self.winner.as_ref().map_or(0, |w| self.stage.equity(&w.margin) - self.stage.quote(&w.margin))
    }

    /// Resolves, and checks what holds of every resolution.
    fn resolve(&mut self) -> BankruptcyResolved {
        let owed = -self.stage.quote(&self.bankrupt.margin);
        let before = books(&self.stage);
        let outcome = self.stage.resolve_bankruptcy(&self.bankrupt.margin, A).expect("resolve_bankruptcy");
        let e = resolved(&outcome);
        let parts =
            [e.insurance, e.reserve, e.backstop, e.first_loss, e.deleveraged, e.pool, e.traders, e.unpaid];
        assert_eq!(parts.iter().sum::<u64>(), e.debt, "the parts sum to the debt: {e:?}");
        assert_eq!((i128::from(e.debt), e.unpaid, e.side), (owed, 0, 0));
        assert_eq!(self.stage.quote(&self.bankrupt.margin), 0, "nothing is owed any more");
        assert!(self.stage.margin(&self.bankrupt.margin).debts.is_clear());
        assert_eq!(self.stage.market(A).core.book.unbacked, 0);
        assert_eq!(books(&self.stage).total(), before.total());
        let members: Vec<_> = [Some(&self.taker), self.winner.as_ref()].into_iter().flatten().collect();
        self.stage.check_invariants(A, &members);
        e
    }
}

fn fund(world: &mut World, reserve: u64, stake: u64) {
    let giver = world.trader(reserve + stake);
    if reserve > 0 {
        world.fund_insurance(&giver, reserve).expect("fund_insurance");
    }
    if stake > 0 {
        world.stake(&giver, stake).expect("stake_backstop");
    }
}

/// What every tier paid, in order.
fn tiers(e: &BankruptcyResolved) -> [u64; 7] {
    [e.insurance, e.reserve, e.backstop, e.first_loss, e.deleveraged, e.pool, e.traders]
}

#[test]
fn each_tier_alone_pays_it_all_if_it_can_and_none_below_is_touched() {
    let crash = Crash::new(1_000);
    let debt = crash.debt;
    let alone = |n: usize, prepare: fn(&mut Stage)| {
        let mut crash = crash.fork();
        prepare(&mut crash.stage);
        let e = crash.resolve();
        let mut wanted = [0; 7];
        wanted[n] = debt;
        if n == 4 {
            // What rounding leaves of the debt falls to the tier below.
            assert!(e.pool <= 2, "{e:?}");
            (wanted[4], wanted[5]) = (debt - e.pool, e.pool);
        }
        assert_eq!(tiers(&e), wanted);
        (crash, e)
    };
    let (crash_1, _) = alone(0, |s| {
        s.insure(A, 1_000 * DOLLAR);
        fund(s, 10_000 * DOLLAR, 10_000 * DOLLAR);
    });
    assert_eq!(crash_1.stage.insurance(A), i128::from(1_000 * DOLLAR - debt));
    let (crash_2, _) = alone(1, |s| fund(s, 10_000 * DOLLAR, 10_000 * DOLLAR));
    let fund_core = crash_2.stage.fund_core();
    assert_eq!(
        (fund_core.reserve, fund_core.backstop.active.value),
        (10_000 * DOLLAR - debt, 10_000 * DOLLAR)
    );
    let (crash_3, _) = alone(2, |s| fund(s, 0, 10_000 * DOLLAR));
    assert_eq!(crash_3.stage.fund_core().backstop.active.value, 10_000 * DOLLAR - debt);
    // 1 % of four million.
    let (crash_4, e) = alone(3, |s| s.set_params(A, |p| p.waterfall.first_loss_ppm = 10_000));
    assert_eq!(
        (e.fraction, crash_4.stage.position(&crash_4.winner.as_ref().expect("winner").margin, A).lots.0),
        (0, -1_000_000_000_000)
    );
    let (_, e) = alone(4, |_| ());
    assert!(e.fraction > 0);
    let mut nobody = Crash::new(0);
    let (cash, debt) = (nobody.stage.market(A).core.book.cash, nobody.debt);
    let e = nobody.resolve();
    assert_eq!(tiers(&e), [0, 0, 0, 0, 0, debt, 0], "without winners the pool");
    assert_eq!(nobody.stage.market(A).core.book.cash, cash - debt);
}

#[test]
fn all_tiers_in_order_each_to_its_limit_and_the_market_settles() {
    // 20 UNI of shorts have won about 254 dollars: half of it is 127.
    let mut crash = Crash::new(20);
    let (debt, winners) = (i128::from(crash.debt), crash.winners());
    assert!((253_906_250..254_400_000).contains(&winners), "{winners}");
    crash.stage.insure(A, 5 * DOLLAR);
    fund(&mut crash.stage, 40 * DOLLAR, 30 * DOLLAR);
    crash.stage.set_params(A, |p| p.waterfall.first_loss_ppm = 100_000);
    crash.stage.drain(A, 280 * DOLLAR);
    // What the market is worth: its cash less what the winners, and who took over at the mark, are owed.
    let taken = crash.stage.equity(&crash.taker.margin) - 1_000_000 * i128::from(DOLLAR);
    near(taken, 0, 1, "taken over at the mark");
    let equity = 280_000_000 - winners;
    let e = crash.resolve();
    assert_eq!(
        (e.insurance, e.reserve, e.backstop),
        (5 * DOLLAR, 10 * DOLLAR, 15 * DOLLAR),
        "all, a quarter, half"
    );
    near(e.first_loss.into(), equity / 10, 2, "a tenth of the market's equity");
    near(e.winners.into(), winners, 2, "what the winners were owed");
    near(e.deleveraged.into(), winners / 2, 3, "half of it");
    assert_eq!(e.fraction, 1 << 31);
    near(e.pool.into(), equity - equity / 10, 6, "the rest of the equity");
    let paid: u64 = tiers(&e)[..6].iter().sum();
    assert_eq!(
        i128::from(e.traders),
        debt - i128::from(paid),
        "what is left, out of what the traders are owed"
    );
    assert!(e.traders > 60 * DOLLAR, "{e:?}");
    let market = crash.stage.market(A);
    assert_eq!(market.status, 2);
    assert!(market.core.is_settling());
}

#[test]
fn a_market_whose_traders_can_still_be_paid_goes_on() {
    // The pool's equity is enough to the unit; or one dollar is missing.
    for (left, settles) in [(0, false), (-1, true)] {
        let mut crash = Crash::new(20);
        let winners = crash.winners();
        // Tier 5 pays half of the winners' 254, tier 6 the equity.
        let rest = i128::from(crash.debt) - winners / 2;
        let cash = winners + rest + 6 + left * 1_000_000;
        crash.stage.drain(A, u64::try_from(cash).expect("cash"));
        let e = crash.resolve();
        assert_eq!(e.traders > 0, settles, "{e:?}");
        assert_eq!(crash.stage.market(A).core.is_settling(), settles);
    }
}

#[test]
fn in_a_thin_market_the_winners_pay_before_the_fund() {
    let mut crash = Crash::new(20);
    let winners = crash.winners();
    crash.stage.insure(A, 5 * DOLLAR);
    fund(&mut crash.stage, 40 * DOLLAR, 30 * DOLLAR);
    crash.stage.set_params(A, |p| p.waterfall.tail = 1);
    let mut small = crash.fork();
    let e = crash.resolve();
    assert_eq!(e.insurance, 5 * DOLLAR, "its own insurance is first all the same");
    near(e.deleveraged.into(), winners / 2, 3, "then half of the winners' profit");
    assert_eq!((e.reserve, e.backstop), (10 * DOLLAR, 15 * DOLLAR), "then the fund");
    assert_eq!(e.pool, e.debt - e.insurance - e.deleveraged - e.reserve - e.backstop);
    // With insurance for more than half of it, the fund is not touched.
    small.stage.insure(A, 140 * DOLLAR);
    let e = small.resolve();
    assert!(e.reserve <= 2, "but for what rounding leaves: {e:?}");
    assert_eq!(tiers(&e), [145 * DOLLAR, e.reserve, 0, 0, e.debt - 145 * DOLLAR - e.reserve, 0, 0]);
}

#[test]
fn the_limits_are_those_of_a_day_and_leak() {
    // Two bankrupt accounts; the tiers' limits are far below either debt.
    let mut crash = Crash::new(20);
    let stage = &mut crash.stage;
    stage.settle_at(A, 125 * PRINT);
    let second = stage.holder(1_000, (A, Side::Long), 100 * ONE);
    stage.settle_at(A, CRASHED);
    stage.take_over(&crash.taker, &second, A, u64::MAX);
    fund(stage, 40 * DOLLAR, 32 * DOLLAR);
    let first = crash.resolve_one();
    assert_eq!((first.reserve, first.backstop), (10 * DOLLAR, 16 * DOLLAR));
    near(first.deleveraged.into(), i128::from(first.winners) / 2, 3, "half");
    crash.bankrupt = second;
    let mut later = crash.fork();
    // At once: nothing. A quarter of 30 is less than the 10 that were drawn, half of 16 less than the 16.
    let e = crash.resolve_one();
    assert_eq!((e.reserve, e.backstop, e.deleveraged, e.fraction), (0, 0, 0, 0));
    assert_eq!(e.pool, e.debt);
    // Half a day later half of what was drawn has leaked: 7.5 − (10 − 5) = 2.5 and 8 − (16 − 8) = 0.
    later.stage.advance(43_200);
    later.stage.refresh();
    let mut day = later.fork();
    let e = later.resolve_one();
    assert_eq!((e.reserve, e.backstop), (2_500_000, 0));
    // Winners: (127 + 127) / 2 = 127 is the limit, half of it has leaked: 63.5.
    near(e.deleveraged.into(), i128::from(first.deleveraged) / 2, 4, "half of the limit");
    // A whole day after the first, nothing of it counts any more: a quarter of 30 and half of 16, and of the winners half of
    // the 127 that they are owed now.
    day.stage.advance(43_199);
    day.stage.refresh();
    let mut early = day.fork();
    day.stage.advance(1);
    day.stage.refresh();
    let e = day.resolve_one();
    assert_eq!((e.reserve, e.backstop, e.fraction), (7_500_000, 8_000_000, 1 << 31));
    near(e.deleveraged.into(), i128::from(e.winners) / 2, 3, "half of what is left");
    // A second earlier 10 / 86,400 and 16 / 86,400 dollars are still in the way.
    let e = early.resolve_one();
    assert_eq!((e.reserve, e.backstop), (7_500_000 - 116, 8_000_000 - 186));
}

impl Crash {
    /// As [`Crash::resolve`] where others owe too.
    fn resolve_one(&mut self) -> BankruptcyResolved {
        resolved(&self.stage.resolve_bankruptcy(&self.bankrupt.margin, A).expect("resolve_bankruptcy"))
    }
}

#[test]
fn all_winners_give_the_same_share_losers_and_who_is_even_nothing_and_they_settle_when_they_like() {
    let mut crash = Crash::new(20);
    let stage = &mut crash.stage;
    stage.settle_at(A, 125 * PRINT);
    let [late, split] = [17, 23].map(|uni| stage.holder(10_000, (A, Side::Short), uni * ONE));
    stage.settle_at(A, 106 * PRINT);
    let loser = stage.holder(10_000, (A, Side::Short), 9 * ONE);
    stage.settle_at(A, CRASHED);
    let winner = crash.winner.as_ref().expect("winner");
    let winners = [winner, &late, &split];
    let all: Vec<_> = winners.iter().map(|w| stage.equity(&w.margin)).collect();
    let positions: Vec<_> = winners.iter().map(|w| stage.position(&w.margin, A)).collect();
    let (lost, lots) = (stage.equity(&loser.margin), stage.position(&loser.margin, A));
    let e = resolved(&stage.resolve_bankruptcy(&crash.bankrupt.margin, A).expect("resolve"));
    assert!(e.pool <= 2 && e.deleveraged + e.pool == e.debt, "their profit is enough: {e:?}");
    let profit: i128 = winners.iter().zip(&all).map(|(w, equity)| equity - stage.quote(&w.margin)).sum();
    near(e.winners.into(), profit, 3, "what they were owed");
    // The least share in units of 2^-32 that brings the debt.
    assert_eq!(i128::from(e.fraction), ceil(i128::from(e.debt) << 32, e.winners.into()));
    let mut sum = 0;
    for ((who, equity), position) in winners.into_iter().zip(&all).zip(&positions) {
        assert_eq!(stage.position(&who.margin, A).lots, position.lots, "nobody is settled yet");
        stage.settle(&who.margin, A).expect("settle_position");
        let (after, quote) = (stage.position(&who.margin, A), stage.quote(&who.margin));
        let left = (1 << 32) - i128::from(e.fraction);
        near(
            after.lots.0.into(),
            (i128::from(position.lots.0) * left) >> 32,
            1,
            "the same share of the lots",
        );
        near(
            after.quote.0.into(),
            (i128::from(position.quote.0) * left) >> 32,
            1,
            "and of q: at its own entry",
        );
        let (profit, given) = (equity - quote, equity - stage.equity(&who.margin));
        near(given, (profit * i128::from(e.fraction)) >> 32, 2, "the same share of profit");
        sum += given;
    }
    assert!(
        sum >= i128::from(e.deleveraged) && sum - i128::from(e.deleveraged) < 10,
        "taken covers booked: {sum}"
    );
    assert_eq!(
        (stage.equity(&loser.margin), stage.position(&loser.margin, A)),
        (lost, lots),
        "a loser is untouched"
    );
    stage.settle(&loser.margin, A).expect("settle_position");
    assert_eq!(stage.position(&loser.margin, A).lots, lots.lots);
    stage.check_invariants(A, &[winner, &late, &split, &loser, &crash.taker]);
}

#[test]
fn the_loss_of_a_short_is_paid_by_longs() {
    let mut stage = Stage::new();
    let bankrupt = stage.holder(1_000, (A, Side::Short), 100 * ONE);
    let winner = stage.holder(100_000, (A, Side::Long), 200 * ONE);
    let taker = stage.funded_trader(1_000_000 * DOLLAR);
    stage.settle_at(A, 137 * PRINT + PRINT / 2);
    stage.take_over(&taker, &bankrupt, A, u64::MAX);
    let e = resolved(&stage.resolve_bankruptcy(&bankrupt.margin, A).expect("resolve"));
    assert!(e.side == 1 && e.pool <= 2 && e.deleveraged + e.pool == e.debt, "{e:?}");
    near(e.winners.into(), stage.equity(&winner.margin) - stage.quote(&winner.margin), 5, "longs");
    stage.check_invariants(A, &[&winner, &taker]);
}

#[test]
fn it_works_without_any_open_interest() {
    // Field note 15: a loss divided by open interest.
    for insured in [0, 1_000 * DOLLAR] {
        let mut stage = Stage::new();
        let bankrupt = stage.holder(1_000, (A, Side::Long), 100 * ONE);
        stage.move_to(A, CRASHED);
        let fill = liquidated(&stage.liquidate_to_pool(&bankrupt.margin, A, None).expect("to the pool"));
        assert_eq!((fill.lots, stage.market(A).core.book.long.lots), (100 * ONE, 0));
        stage.insure(A, insured);
        let debt = u64::try_from(-stage.quote(&bankrupt.margin)).expect("a debt");
        let outcome = stage.resolve_bankruptcy(&bankrupt.margin, A).expect("resolve");
        assert_eq!(outcome.events.len(), 1, "{outcome:?}");
        let wanted = if insured > 0 { [debt, 0, 0, 0, 0, 0, 0] } else { [0, 0, 0, 0, 0, debt, 0] };
        assert_eq!(tiers(&resolved(&outcome)), wanted);
        assert!(!outcome.events.iter().any(|e| matches!(e, Event::MarketSettling(_))));
    }
}
