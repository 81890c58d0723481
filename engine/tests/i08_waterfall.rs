//! I8: who pays for a loss, in which order and how far.
//!
//! Rounding: an unwind books what it was asked for but for a lot and a unit per bucket and a part in 2^32; what it books
//! beyond goes to the market's insurance, what it books short falls to the pool's money.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::EngineError;
use bulwark_engine::backstop::{Backstop, Stake};
use bulwark_engine::book::Fees;
use bulwark_engine::ladder::FRACTION_ONE;
use bulwark_engine::market::{Market, MarketParams};
use bulwark_engine::position::Position;
use bulwark_engine::units::{Quote, Side};
use bulwark_engine::waterfall::{Fund, Loss, MAX_UNWIND, WaterfallParams, WaterfallReport};
use model::pool::any_amount;
use model::world::{NOW, ONE, PARAMS, WATERFALL, admit, any_lots, any_side, market, oracle, price};
use model::{Exact, config, int, of_carry, of_price, pnl, ratio};
use num_traits::Signed;
use proptest::prelude::*;

const DAY: i64 = 86_400;

#[derive(Clone, Debug)]
struct Scene {
    market: Box<Market>,
    members: Vec<Position>,
    fund: Fund,
}

const fn limits(reserve_share_ppm: u32, first_loss_ppm: u32, tail: u8) -> MarketParams {
    let waterfall = WaterfallParams { reserve_share_ppm, first_loss_ppm, tail, ..WATERFALL };
    MarketParams { waterfall, ..PARAMS }
}

impl Scene {
    fn resolve(&mut self, debt: u64, side: Side, now: i64) -> Result<WaterfallReport, EngineError> {
        self.market.oracle.publish_time = now;
        self.market.resolve(&mut self.fund, &Loss { debt, side, now })
    }

    fn value(&self, member: &Position) -> Exact {
        let ladder = self.market.book.side(member.side().unwrap());
        pnl(ladder.member(member).unwrap(), &of_price(self.market.mark()), &of_carry(ladder.carry))
    }

    fn equity(&self) -> i64 {
        self.market.book.equity(self.market.mark()).unwrap().0
    }

    /// Money that the tiers have: insurance, reserve, stake, cash, fees.
    fn money(&self) -> u128 {
        let stake = self.fund.backstop.value().unwrap();
        [self.market.book.tokens().unwrap(), self.fund.reserve, stake].into_iter().map(u128::from).sum()
    }

    /// Buckets that an unwind would scale, and the worth of a lot: what an unwind rounds by.
    fn grain(&self, side: Side) -> Exact {
        let mut ladder = *self.market.book.side(side);
        let winners = ladder.winners(self.market.mark()).unwrap();
        let lot = (of_price(self.market.mark()) - of_carry(ladder.carry)).abs() + int(1);
        let buckets = ladder.unwind(self.market.mark(), 1).unwrap().buckets;
        lot * int(buckets) + ratio(winners, FRACTION_ONE) + int(2)
    }
}

prop_compose! {
    fn any_scene()(
        entries in prop::collection::vec((any_side(), any_lots(34), ONE / 2..ONE * 2), 0..8), mark in ONE / 2..ONE * 2,
        cash in any_amount(36), insurance in any_amount(30), reserve in any_amount(34),
        stake in (any_amount(34), any_amount(34)), reserve_share_ppm in 0..=1_000_000_u32,
        first_loss_ppm in prop_oneof![Just(0), 0..=100_000_u32], tail in 0..2_u8, fees in [0..1_u64 << 20, 0..1 << 20, 0..1 << 20],
    ) -> Scene {
        let mut market = market(&limits(reserve_share_ppm, first_loss_ppm, tail), ONE, cash);
        market.book.insurance = insurance;
        let [pool, insurance, protocol] = fees;
        market.book.fees = Fees { pool, insurance, protocol };
        let members = entries.iter().map(|&(side, lots, entry)| {
            let cost = price(entry).mul_floor(lots).unwrap().cast_signed();
            admit(&mut market, side, lots, if side == Side::Long { -cost } else { cost })
        }).collect();
        market.oracle = oracle(mark);
        let side = |value| Stake { value, shares: value };
        let backstop = Backstop { active: side(stake.0), cooling: side(stake.1) };
        Scene { market, members, fund: Fund { reserve, backstop, ..Fund::default() } }
    }
}

fn share_of(amount: u64, ppm: u32) -> u64 {
    u64::try_from(u128::from(amount) * u128::from(ppm) / 1_000_000).unwrap()
}

proptest! {
    #![proptest_config(config(600))]

    #[test]
    fn the_parts_sum_to_the_debt_and_no_tier_is_used_before_the_one_above_is_at_its_limit(
        scene in any_scene(), debt in any_amount(36).prop_map(|debt| debt.max(1)), side in any_side(),
    ) {
        let (before, mut scene) = (scene.clone(), scene);
        let report = scene.resolve(debt, side, NOW).unwrap();
        let WaterfallReport { insurance, reserve, backstop, first_loss, deleveraged, pool, traders, unpaid, .. } = report;
        prop_assert_eq!(report.total(), Ok(debt));
        let (book, was) = (&scene.market.book, &before.market.book);
        let params = before.market.params.waterfall;
        // What each gave is what each has less, and all of it.
        prop_assert_eq!(was.insurance - insurance + report.surplus, book.insurance);
        prop_assert_eq!(before.fund.reserve - reserve, scene.fund.reserve);
        prop_assert_eq!(before.fund.backstop.value().unwrap() - backstop, scene.fund.backstop.value().unwrap());
        let fees = was.fees.total().unwrap() - book.fees.total().unwrap();
        prop_assert_eq!(was.cash - first_loss - deleveraged - pool - report.surplus - (traders - fees), book.cash);
        prop_assert_eq!(before.money() - u128::from(debt - unpaid), scene.money());

        let reserve_limit = share_of(before.fund.reserve, params.reserve_share_ppm);
        let backstop_limit = before.fund.backstop.value().unwrap() / 2;
        prop_assert!(reserve <= reserve_limit && backstop <= backstop_limit);
        prop_assert!(report.fraction <= MAX_UNWIND);
        prop_assert!(insurance == was.insurance || insurance == debt);
        let last = pool + traders + unpaid;
        let later = deleveraged + last;
        let grain = before.grain(side.opposite());
        // Short of the most by rounding only, unless there is no cash to pay from or nobody in profit.
        let [longs, shorts] = scene.market.draws.winners;
        let drawn = if side == Side::Short { longs } else { shorts };
        let most = drawn.level == report.winners / 2;
        let exhausted = most || book.cash == 0 || report.winners == 0;
        let others = reserve + backstop + first_loss;
        let tail = params.tail != 0;
        if tail {
            prop_assert!(others == 0 || exhausted || int(others + last) <= grain.clone());
            prop_assert!(others + later == 0 || insurance == was.insurance);
        } else {
            prop_assert!(reserve == 0 && backstop == 0 && first_loss == 0 && later == 0 || insurance == was.insurance);
            prop_assert!(later == 0 || first_loss == 0 || backstop == backstop_limit);
        }
        prop_assert!(backstop + first_loss == 0 || reserve == reserve_limit);
        prop_assert!(first_loss == 0 || backstop == backstop_limit);
        if !tail && later > 0 {
            let first = share_of(u64::try_from(before.equity()).unwrap_or(0), params.first_loss_ppm);
            prop_assert_eq!((reserve, backstop), (reserve_limit, backstop_limit));
            prop_assert_eq!(first_loss, first.min(was.cash));
        }
        prop_assert!(last == 0 || exhausted || int(last) <= grain);
        // Traders pay when the pool has nothing left here, from the cash that they are owed; then the fees, the pool's first.
        prop_assert!(traders == 0 || scene.equity() <= 0 || book.cash == 0);
        prop_assert!(traders == fees || scene.equity() <= -i64::try_from(traders - fees).unwrap());
        prop_assert!(fees == 0 || book.cash == 0);
        prop_assert!(book.fees.insurance == was.fees.insurance || book.fees.pool == 0);
        prop_assert!(book.fees.protocol == was.fees.protocol || book.fees.pool + book.fees.insurance == 0);
        prop_assert!(unpaid == 0 || book.tokens() == Ok(0), "nothing is left unpaid that the market has tokens for");
        if first_loss + pool > 0 && traders == 0 {
            prop_assert!(scene.equity() >= 0, "{}", scene.equity());
        }
    }

    #[test]
    fn winners_give_the_same_half_at_most_and_losers_nothing(
        scene in any_scene(), debt in any_amount(36).prop_map(|debt| debt.max(1)), side in any_side(),
    ) {
        let (before, mut scene) = (scene.clone(), scene);
        let report = scene.resolve(debt, side, NOW).unwrap();
        let share = ratio(report.fraction, FRACTION_ONE);
        prop_assert!(share <= ratio(1, 2));
        let lot = of_price(scene.market.mark()) + int(1);
        let mut taken = int(0);
        for member in &before.members {
            let (value, lost) = (before.value(member), before.value(member) - scene.value(member));
            if member.side() == Ok(side) || !value.is_positive() {
                prop_assert_eq!(lost, int(0), "the same side, and who is not in profit");
                continue;
            }
            let bucket = |scene: &Scene| scene.market.book.side(side.opposite()).bucket(member.bucket).unwrap().unwind;
            if bucket(&before) == bucket(&scene) {
                prop_assert_eq!(&lost, &int(0));
            } else {
                let fair = &share * &value;
                prop_assert!(lost >= fair && lost <= &fair + &lot + int(1), "{} of {}", lost, fair);
            }
            taken += lost;
        }
        prop_assert!(taken >= int(report.deleveraged) + int(report.surplus));
    }

    /// Of a day's limit there may be drawn all at once, and again what leaks: in any window of `w` days `(1 + w)` limits.
    #[test]
    fn a_days_draws_on_reserve_and_backstop_stay_within_the_limit_and_what_leaked(
        reserve in 1_u64 << 20..1 << 34, share in 0..=1_000_000_u32, stake in 1_u64 << 20..1 << 34,
        losses in prop::collection::vec((any_amount(34), 0..DAY / 4), 1..30),
    ) {
        // As large as ever: the largest limits.
        let fund = Fund { reserve, backstop: Backstop { active: Stake { value: stake, shares: stake }, ..Backstop::default() }, ..Fund::default() };
        let mut scene = Scene { market: market(&limits(share, 0, 0), ONE, 0), members: vec![], fund };
        let (mut now, mut drawn, all) = (NOW, vec![], [share_of(reserve, share), stake / 2]);
        for &(debt, wait) in &losses {
            now += wait;
            scene.fund = fund;
            let report = scene.resolve(debt.max(1), Side::Long, now).unwrap();
            let taken = [report.reserve, report.backstop];
            prop_assert!(taken[0] <= all[0] && taken[1] <= all[1]);
            prop_assert_eq!(report.total(), Ok(debt.max(1)));
            drawn.push((now, taken));
            for (start, &(from, _)) in drawn.iter().enumerate() {
                for (tier, limit) in all.into_iter().enumerate() {
                    let sum: u128 = drawn[start..].iter().map(|&(_, taken)| u128::from(taken[tier])).sum();
                    prop_assert!(int(sum) <= int(limit) * (int(1) + ratio(now - from, DAY)), "{} since {}", sum, from);
                }
            }
        }
        // A day later all of it is there again.
        scene.fund = fund;
        let report = scene.resolve(u64::MAX >> 2, Side::Long, now + DAY).unwrap();
        prop_assert_eq!([report.reserve, report.backstop], all);
    }

    /// However many losses there are in a day, of one side or of both: what is left of a winner's position is half of it or
    /// more. Each event rounds its fraction up, and what the winners are owed down by a lot and a unit per bucket.
    #[test]
    fn a_days_losses_take_no_more_than_half_of_a_winners_profit(
        scene in any_scene(), debts in prop::collection::vec((any_amount(36), any_side(), 0..600_i64), 1..20),
        one in prop::option::of(any_side()),
    ) {
        let (before, mut scene, mut now) = (scene.clone(), scene, NOW);
        let mut waited = 0;
        for &(debt, side, wait) in &debts {
            (now, waited) = (now + wait, waited + wait);
            scene.resolve(debt.max(1), one.unwrap_or(side), now).unwrap();
        }
        let n = int(debts.len());
        for side in Side::BOTH {
            let (was, is) = (before.market.book.side(side), scene.market.book.side(side));
            let winners = int(was.winners(before.market.mark()).unwrap().max(1));
            let slack = &n * (ratio(1, FRACTION_ONE) + before.grain(side) * int(2) / &winners);
            let half = ratio(1, 2) * (int(1) + ratio(waited, DAY)) + slack;
            for (was, is) in was.buckets.iter().zip(&is.buckets).filter(|(was, _)| was.members != 0) {
                let taken = int(1) - ratio(is.unwind, was.unwind);
                prop_assert!(taken <= half, "{} of {}: {:?}", taken, half, debts);
            }
        }
    }

    #[test]
    fn without_first_loss_the_pool_is_last_and_with_it_loses_no_more_than_its_share_a_day(
        cash in 1_u64 << 20..1 << 34, share in 0..=100_000_u32, debts in prop::collection::vec(any_amount(34), 1..10),
    ) {
        let mut scene = Scene { market: market(&limits(0, share, 0), ONE, cash), members: vec![], fund: Fund::default() };
        let mut first = 0;
        for debt in debts {
            first += scene.resolve(debt.max(1), Side::Short, NOW).unwrap().first_loss;
            prop_assert!(first <= share_of(cash, share), "of the equity that there was");
        }
        prop_assert!(share > 0 || first == 0);
    }

    /// The rest of a loss may be tried again: it ends, for every try pays or finds nothing to pay from.
    #[test]
    fn trying_again_with_the_rest_works_and_ends(scene in any_scene(), debt in 1_u64 << 30..1 << 38, side in any_side()) {
        let (mut scene, mut left) = (scene, debt);
        for _ in 0..80 {
            let money = scene.money();
            let report = scene.resolve(left, side, NOW).unwrap();
            prop_assert_eq!(scene.money() + u128::from(left - report.unpaid), money);
            if report.unpaid == 0 || report.unpaid == left && report.fraction == 0 {
                return Ok(());
            }
            left = report.unpaid;
        }
        let stays = scene.clone().resolve(left, side, NOW).unwrap();
        prop_assert_eq!(stays.unpaid, left, "nothing is left to take");
    }
}

fn by_hand(tail: u8) -> Scene {
    // A short of 1 000 lots sold at 1 and bought at 0.5 now: profit 500. A long of 100 that has lost 50.
    let mut market = market(&limits(200_000, 100_000, tail), ONE, 1_000);
    market.book.insurance = 10;
    let members =
        vec![admit(&mut market, Side::Short, 1_000, 1_000), admit(&mut market, Side::Long, 100, -100)];
    market.oracle = oracle(ONE / 2);
    let backstop =
        Backstop { active: Stake { value: 150, shares: 150 }, cooling: Stake { value: 50, shares: 50 } };
    Scene { market, members, fund: Fund { reserve: 100, backstop, ..Fund::default() } }
}

fn parts(report: &WaterfallReport) -> [u64; 8] {
    let WaterfallReport { insurance, reserve, backstop, first_loss, deleveraged, pool, .. } = *report;
    [insurance, reserve, backstop, first_loss, deleveraged, pool, report.traders, report.unpaid]
}

#[test]
fn both_orders_by_hand() {
    let run = |tail, debt| parts(&by_hand(tail).resolve(debt, Side::Long, NOW).unwrap());
    assert_eq!(run(0, 10), [10, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(run(0, 25), [10, 15, 0, 0, 0, 0, 0, 0]);
    assert_eq!(run(0, 100), [10, 20, 70, 0, 0, 0, 0, 0]);
    // E_m = 1 000 − 500 + 50 = 550: the first loss is 55 at most.
    assert_eq!(run(0, 185), [10, 20, 100, 55, 0, 0, 0, 0]);
    // A fifth of the winners' lots and quote: what rounds away falls to the pool.
    assert_eq!(run(0, 285), [10, 20, 100, 55, 99, 1, 0, 0]);
    // Half of 500 from the winners, then what is left of the equity: 550 − 55.
    assert_eq!(run(0, 500), [10, 20, 100, 55, 250, 65, 0, 0]);
    assert_eq!(run(0, 1_000), [10, 20, 100, 55, 250, 495, 70, 0]);
    assert_eq!(run(1, 100), [10, 1, 0, 0, 89, 0, 0, 0], "rounding falls to the next");
    assert_eq!(run(1, 270), [10, 10, 0, 0, 250, 0, 0, 0]);
    assert_eq!(run(1, 500), [10, 20, 100, 55, 250, 65, 0, 0]);
}

#[test]
fn the_slash_hits_both_sides_and_the_first_loss_leaks_by_hand() {
    let mut scene = by_hand(0);
    let report = scene.resolve(185, Side::Long, NOW).unwrap();
    assert_eq!(report.winners, 500);
    assert_eq!((scene.fund.backstop.active.value, scene.fund.backstop.cooling.value), (75, 25));
    assert_eq!(scene.market.draws.reserve.level, 20);
    assert_eq!(scene.market.draws.first_loss.level, 55);
    // Half a day later: 16 a day of the 80 that are left. Of the 20 that were drawn half has leaked, for a day empties it.
    let report = scene.resolve(1_000, Side::Long, NOW + DAY / 2).unwrap();
    assert_eq!(report.reserve, 16 - (20 - 10));
}

#[test]
fn without_open_interest_insurance_pays_and_a_debt_of_nothing_is_refused() {
    let mut scene = by_hand(0);
    scene.market = market(&limits(200_000, 100_000, 0), ONE, 0);
    scene.market.book.insurance = 40;
    assert_eq!(parts(&scene.resolve(30, Side::Long, NOW).unwrap()), [30, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(parts(&scene.resolve(500, Side::Short, NOW).unwrap()), [10, 20, 100, 0, 0, 0, 0, 370]);
    assert_eq!(scene.resolve(0, Side::Long, NOW), Err(EngineError::ZeroAmount));
    assert_eq!(scene.market.book.equity(price(ONE)), Ok(Quote::ZERO));
}

#[test]
fn what_an_unwind_takes_beyond_the_loss_goes_to_insurance_by_hand() {
    // Shorts in profit by 2^35: the least fraction, one part in 2^32, takes 8 for a loss of 1.
    let mut scene = by_hand(1);
    scene.market = market(&limits(200_000, 100_000, 1), ONE, 1_000);
    admit(&mut scene.market, Side::Short, 1 << 36, 1 << 36);
    scene.market.oracle = oracle(ONE / 2);
    let report = scene.resolve(1, Side::Long, NOW).unwrap();
    assert_eq!((report.winners, report.fraction), (1 << 35, 1));
    assert_eq!((report.deleveraged, report.surplus), (1, 7));
    assert_eq!((scene.market.book.cash, scene.market.book.insurance), (992, 7));
}

/// A large profit on one side must not wash away what a small one on the other has given already.
#[test]
fn each_side_gives_half_a_day_by_hand() {
    // Shorts in profit by 1 000, longs (far below) by 10^9.
    let mut market = market(&limits(0, 0, 1), ONE, 1 << 50);
    let short = admit(&mut market, Side::Short, 2_000, 2_000);
    admit(&mut market, Side::Long, 4_000_000_000, -1_000_000_000);
    market.oracle = oracle(ONE / 2);
    let mut scene = Scene { market, members: vec![short], fund: Fund::default() };
    assert_eq!(scene.resolve(5_000, Side::Long, NOW).unwrap().deleveraged, 500);
    assert_eq!(scene.resolve(100, Side::Short, NOW + 600).unwrap().deleveraged, 99);
    let again = scene.resolve(5_000, Side::Long, NOW + 600).unwrap().deleveraged;
    // Ten minutes later 1/144 of the 500 have leaked.
    assert!(again <= 4, "{again} more of the same shorts");
}
