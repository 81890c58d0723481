//! I5: exposure is reduced at nobody's cost, from the most leveraged down, until the target. I9: more collateral never
//! means that more is taken.
//!
//! Rounding, in quote units: the mark is rounded in favour of the account by less than one, the carry of what was closed
//! against it by less than one. Whoever leaves an unwound bucket may take dust with it.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::EngineError;
use bulwark_engine::deleverage::{DeleverageParams, MAX_GAP_SLOTS, cutoff};
use bulwark_engine::ladder::{FRACTION_ONE, unwind_fraction};
use bulwark_engine::market::{Market, MarketParams};
use bulwark_engine::position::Position;
use bulwark_engine::units::{Quote, Side};
use bulwark_engine::waterfall::MAX_UNWIND;
use fixed::types::I80F48;
use model::world::{NOW, ONE, PARAMS, admit, any_lots, any_side, market, oracle, price};
use model::{Exact, config, int, of_carry, of_price, pnl, ratio};
use num_traits::Signed;
use proptest::prelude::*;

/// 1.0 of a leverage.
const LEVERAGE: u64 = 1 << 32;

#[derive(Clone, Debug)]
struct Scene {
    market: Box<Market>,
    members: Vec<Position>,
    /// Equity of each account beyond its position.
    quotes: Vec<i64>,
}

impl Scene {
    fn value(&self, who: usize) -> Exact {
        let member = &self.members[who];
        let quote = int(self.quotes[who]);
        if !member.is_open() {
            return quote;
        }
        let ladder = self.market.book.side(member.side().unwrap());
        quote + pnl(ladder.member(member).unwrap(), &of_price(self.market.mark()), &of_carry(ladder.carry))
    }

    fn equity(&self, who: usize) -> Quote {
        Quote(i64::try_from(self.value(who).floor().to_integer()).unwrap())
    }

    fn market_equity(&self) -> Exact {
        let (book, mark) = (&self.market.book, of_price(self.market.mark()));
        Side::BOTH.into_iter().fold(int(book.cash), |sum, side| {
            let ladder = book.side(side);
            sum - pnl(ladder.holding().unwrap(), &mark, &of_carry(ladder.carry))
        })
    }

    fn lots(&self, who: usize) -> u64 {
        let member = &self.members[who];
        if !member.is_open() {
            return 0;
        }
        self.market.book.side(member.side().unwrap()).member(member).unwrap().lots.count()
    }

    fn skew(&self) -> i64 {
        self.market.book.skew().unwrap().0
    }

    /// Reduces an account. An error changes nothing.
    fn reduce(
        &mut self,
        who: usize,
        cutoff: u64,
    ) -> Result<bulwark_engine::liquidation::LiquidationReport, EngineError> {
        let (mut next, equity) = (self.clone(), self.equity(who));
        let report = next.market.deleverage_position(&mut next.members[who], (equity, cutoff), NOW)?;
        next.quotes[who] += report.quote_change.0;
        let report = next.market.pay_keeper(report, true)?;
        *self = next;
        Ok(report)
    }
}

prop_compose! {
    fn any_scene()(
        entries in prop::collection::vec((any_side(), any_lots(33), ONE / 2..ONE * 2, 0..3_000_000_u32), 1..8),
        mark in ONE / 2..ONE * 2, carry in [-(1_i64 << 45)..1 << 45, -(1_i64 << 45)..1 << 45],
        step in prop_oneof![3 => Just(1), 1 => 1..1_000_u64], least in prop_oneof![3 => Just(1), 1 => any_lots(20)],
        tip in 0..1_000_u64, insurance in prop_oneof![0..1_000_u64, Just(1 << 40)], cash in prop_oneof![1 => 0..1_u64 << 30, 2 => Just(1 << 50)],
    ) -> Scene {
        // Reduced down to nothing: the least inventory cap.
        let deleverage = DeleverageParams {
            inventory_cap: 1, keeper_tip: tip.min(least), profit_high_ppm: 500_000, profit_target_ppm: 50_000,
        };
        let params = MarketParams { step, min_notional: least, deleverage, ..PARAMS };
        let mut market = market(&params, ONE, cash);
        market.book.insurance = insurance;
        for (side, carry) in Side::BOTH.into_iter().zip(carry) {
            market.book.side_mut(side).carry.set(I80F48::from_bits(i128::from(carry)));
        }
        let members: Vec<_> = entries.iter().map(|&(side, lots, entry, _)| {
            let cost = int(lots) * (of_price(price(entry)) - of_carry(market.book.side(side).carry));
            let q = if side == Side::Long { (-cost).floor() } else { cost.floor() };
            admit(&mut market, side, lots, i64::try_from(q.to_integer()).unwrap())
        }).collect();
        market.oracle = oracle(mark);
        let quotes = vec![0; members.len()];
        let mut scene = Scene { market, members, quotes };
        for (who, &(_, lots, _, part)) in entries.iter().enumerate() {
            // Equity: any part of the worth of the position, up to three times.
            let wanted = int(lots) * of_price(price(mark)) * ratio(part, 1_000_000) - scene.value(who);
            scene.quotes[who] = i64::try_from(wanted.floor().to_integer()).unwrap();
        }
        scene
    }
}

fn any_cutoff() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), any_lots(36)]
}

proptest! {
    #![proptest_config(config(600))]

    #[test]
    fn equity_and_nav_stay_the_skew_falls_and_only_who_is_above_the_cutoff_is_touched(
        scene in any_scene(), who in any::<prop::sample::Index>(), cutoff in any_cutoff(),
    ) {
        let (before, mut scene, who) = (scene.clone(), scene, who.index(8));
        prop_assume!(who < before.members.len());
        let (equity, held, mark) = (before.equity(who), before.lots(who), before.market.mark());
        let side = before.members[who].side().unwrap();
        let (skew, params) = (before.skew(), before.market.params);
        let notional = mark.mul_floor(held).unwrap();
        let allowed = (int(equity.units_or_zero()) * ratio(cutoff, LEVERAGE)).floor();
        let report = match scene.reduce(who, cutoff) {
            Err(EngineError::LighterSide) => {
                prop_assert!(skew == 0 || (skew > 0) != (side == Side::Long));
                return Ok(());
            }
            Err(EngineError::BelowCutoff { notional: told, allowed: most }) => {
                prop_assert!(told == notional && int(most) == allowed && most >= told);
                return Ok(());
            }
            report => report.unwrap(),
        };
        prop_assert!((skew > 0) == (side == Side::Long) && skew != 0 && int(notional) > allowed);
        // Nobody's value moves but by rounding, the account's never to its harm by more than the carry's.
        let change = scene.value(who) - before.value(who);
        prop_assert!(change < int(1) && change > int(-1), "{}", change);
        let nav = scene.market_equity() - before.market_equity();
        prop_assert!(nav < int(1) && nav > int(-1), "{}", nav);
        prop_assert_eq!(&nav + change, int(0), "to each other");
        for other in (0..before.members.len()).filter(|&other| other != who) {
            prop_assert_eq!(scene.value(other), before.value(other), "bystanders");
        }
        // The skew falls by what was closed, and does not turn round.
        prop_assert!(report.lots > 0 && scene.lots(who) == held - report.lots);
        prop_assert_eq!(scene.skew().unsigned_abs(), skew.unsigned_abs() - report.lots);
        // No less than down to the cut-off, unless the skew is gone; no more than a step beyond it, unless too little is left.
        let left = mark.mul_floor(held - report.lots).unwrap();
        let enough = int(left) <= allowed || scene.skew() == 0;
        prop_assert!(enough, "{} left, {} allowed", left, allowed);
        let whole = report.lots == held || scene.skew() == 0;
        prop_assert!(whole || report.lots % params.step == 0 && left >= params.min_notional);
        let kept = int(held) - int(report.lots) + int(params.step);
        prop_assert!(whole || kept * of_price(mark) + int(1) >= allowed, "a step more than needed");
        // The tip: flat, at most half a taker fee, from the insurance.
        let fee = (int(mark.mul_floor(report.lots).unwrap()) * ratio(params.taker_fee_ppm, 1_000_000)).floor();
        let tip = int(params.deleverage.keeper_tip).min((fee / int(2)).floor());
        let tip = tip.min(int(before.market.book.insurance));
        prop_assert_eq!(int(report.keeper), tip);
        prop_assert_eq!(scene.market.book.insurance, before.market.book.insurance - report.keeper);
        prop_assert_eq!(report.insurance.0, -report.keeper.cast_signed());
    }

    /// I9.
    #[test]
    fn more_collateral_never_means_that_more_is_taken(
        scene in any_scene(), who in any::<prop::sample::Index>(), cutoff in any_cutoff(), more in any_lots(33),
    ) {
        let (mut poorer, mut richer, who) = (scene.clone(), scene, who.index(8));
        prop_assume!(who < poorer.members.len());
        richer.quotes[who] += i64::try_from(more).unwrap();
        let taken = |scene: &mut Scene| scene.reduce(who, cutoff).map_or(0, |report| report.lots);
        prop_assert!(taken(&mut richer) <= taken(&mut poorer));
    }

    /// However leveraged an account is: no step more than what brings skew and profit to their targets, and no less. In quote
    /// units what is realised, what the traders are owed and what that may be round by less than two each.
    #[test]
    fn nobody_is_reduced_further_than_the_targets_ask_for(
        scene in any_scene(), who in any::<prop::sample::Index>(), cap in any_lots(35), target in 50_000..=900_000_u32,
    ) {
        let (mut scene, who) = (scene.clone(), who.index(scene.members.len()));
        let deleverage = &mut scene.market.params.deleverage;
        (deleverage.inventory_cap, deleverage.profit_target_ppm) = (cap, target);
        let (before, held, skew) = (scene.clone(), scene.lots(who), scene.skew().unsigned_abs());
        let Ok(report) = scene.reduce(who, 0) else { return Ok(()) };
        let (book, mark) = (&before.market.book, before.market.mark());
        if report.lots == held.min(skew) {
            return Ok(()); // all of it, or the skew is gone
        }
        let inventory = int(u128::from(cap) * 9 / 10);
        let own = (before.value(who) - int(before.quotes[who])).max(int(0));
        let owed = int(book.traders_pnl(mark).unwrap().0);
        let exposed = |lots: u64, slack: i64| {
            let realised = (&own * int(lots) / int(held)).min(int(book.payable()));
            let most = (int(book.payable()) - &realised) * ratio(target, 1_000_000);
            [int(skew - lots) * of_price(mark) + int(slack.signum()) > inventory, &owed - realised + int(slack) > most]
        };
        prop_assert_eq!(exposed(report.lots, -6), [false, false], "it is enough");
        let step = before.market.params.step;
        prop_assert!(report.lots <= step || exposed(report.lots - step, 6) != [false, false], "a step more than asked for");
    }

    /// Within a slot the cut-off is the same for all: while the target is not reached, who comes first decides nothing.
    #[test]
    fn the_order_of_accounts_within_a_slot_does_not_matter(scene in any_scene(), cutoff in any_cutoff(), start in any::<prop::sample::Index>()) {
        let mut scene = scene;
        // Carry would be rounded by other parts; skew to spare.
        for side in Side::BOTH {
            prop_assume!(scene.members.iter().any(|m| m.side() == Ok(side)));
        }
        let more = admit(&mut scene.market, Side::Long, 1 << 40, -(1 << 40));
        prop_assert!(more.is_open());
        let n = scene.members.len();
        let run = |order: &mut dyn Iterator<Item = usize>| {
            let mut scene = scene.clone();
            for who in order {
                let _ = scene.reduce(who, cutoff);
            }
            (scene.members.iter().map(|m| (m.lots, m.quote)).collect::<Vec<_>>(), scene.quotes.clone(), scene.market.book.cash, scene.skew())
        };
        let start = start.index(n);
        let forward = run(&mut (0..n));
        if scene.market.book.cash >= 1 << 50 {
            prop_assert_eq!(&forward, &run(&mut (0..n).rev()));
            prop_assert_eq!(&forward, &run(&mut (0..n).map(|i| (i + start) % n)));
        }
    }

    #[test]
    fn a_rebalance_takes_the_same_share_of_all_winners_when_the_market_is_used_up_at_both_prices(
        scene in any_scene(), average in ONE / 2..ONE * 2,
    ) {
        let mut scene = scene;
        scene.market.oracle.ema = price(average);
        let before = scene.clone();
        let book = &before.market.book;
        let equity = [before.market.mark(), price(average)].map(|at| book.equity(at).unwrap()).into_iter().max().unwrap();
        let report = match scene.market.rebalance(NOW) {
            Err(EngineError::NotExhausted { equity: told }) => {
                prop_assert!(told == equity.0 && told >= 0);
                return Ok(());
            }
            Err(EngineError::NoWinners) => {
                // Nobody is known to be in profit, or what is missing is less than what an unwind rounds by.
                let nothing = Side::BOTH.into_iter().all(|side| {
                    let (owed, mark) = (book.side(side).winners(before.market.mark()).unwrap(), before.market.mark());
                    let fraction = unwind_fraction(equity.0.unsigned_abs(), owed, MAX_UNWIND).unwrap();
                    owed == 0 || { *book.side(side) }.unwind(mark, fraction).unwrap().booked == 0
                });
                prop_assert!(equity < Quote::ZERO && nothing);
                return Ok(());
            }
            report => report.unwrap(),
        };
        prop_assert_eq!(report.deficit, equity.0.unsigned_abs());
        // The heavy side, or the other one if that is owed more and the heavy one less than what is missing.
        let heavy = if before.skew() < 0 { Side::Short } else { Side::Long };
        let owed = |side: Side| book.side(side).winners(before.market.mark()).unwrap();
        let short = owed(heavy) < report.deficit && owed(heavy.opposite()) > owed(heavy);
        prop_assert_eq!(report.side, if short { heavy.opposite() } else { heavy });
        prop_assert!(report.booked > 0);
        let winners = book.side(report.side).winners(before.market.mark()).unwrap();
        let needed = (int(report.deficit) * int(FRACTION_ONE) / int(winners)).ceil().min(int(MAX_UNWIND));
        prop_assert_eq!((report.winners, int(report.fraction)), (winners, needed));
        let lot = (of_price(before.market.mark()) - of_carry(book.side(report.side).carry)).abs() + int(1);
        let share = ratio(report.fraction, FRACTION_ONE);
        for who in 0..before.members.len() {
            let (was, is) = (&before.value(who) - int(before.quotes[who]), before.value(who) - scene.value(who));
            let member = &before.members[who];
            if member.side() != Ok(report.side) || !was.is_positive() {
                prop_assert_eq!(is, int(0), "losers and the lighter side");
                continue;
            }
            let factor = |scene: &Scene| scene.market.book.side(report.side).bucket(member.bucket).unwrap().unwind;
            let fair = if factor(&before) == factor(&scene) { int(0) } else { &share * was };
            prop_assert!(is >= fair && is <= &fair + &lot, "{} of {}", is, fair);
        }
        // Covered but for rounding: a lot and a unit per bucket, and the grain of the fraction; or half of all is taken.
        let slack = &lot * int(128) + ratio(winners, FRACTION_ONE) + int(2);
        prop_assert!(report.fraction == MAX_UNWIND || int(report.booked) >= int(report.deficit) - slack);
        let rose = scene.market_equity() - before.market_equity();
        prop_assert!(rose >= int(report.booked) && rose < int(report.booked) + int(1));
        prop_assert_eq!(scene.market.book.cash, book.cash, "no money moves");
    }
}

/// Each of at most twenty roundings takes less than 2^-32 of a cut-off of at most 2^52, or a unit; powers of less than a
/// millionth are rounded to Q32 too. Until leverage is a thousandth it agrees to a millionth with the exact power.
#[test]
fn the_cutoff_falls_by_five_percent_every_two_slots() {
    for mmf in [1, 5_000, 5_001, 12_345, 50_000, 120_000, 333_333, 800_000, 1_000_000] {
        let (mut exact, mut last) = (int(LEVERAGE) * ratio(1_000_000, mmf), u64::MAX);
        for step in 0..1_100_u64 {
            let [now, next] = [0, 1].map(|odd| cutoff(mmf, 2 * step + odd).unwrap());
            assert!(now == next && now <= last, "{now} after {last}");
            assert!(now < last || now < 20, "it falls with every step");
            assert!(
                step >= 200 || int(now) <= exact && int(now) >= &exact * ratio(999_999, 1_000_000) - int(20)
            );
            (last, exact) = (now, if step < 200 { exact * ratio(95, 100) } else { exact });
        }
        assert_eq!((last, cutoff(mmf, u64::MAX)), (0, Ok(0)));
    }
    assert_eq!(cutoff(0, 0), Err(EngineError::Overflow));
}

/// A long of 1 000 lots and shorts of 400, in a market of this much cash.
fn exposed(cash: u64, cap: u64) -> Scene {
    let deleverage = DeleverageParams {
        inventory_cap: cap,
        keeper_tip: 1,
        profit_high_ppm: 500_000,
        profit_target_ppm: 200_000,
    };
    let mut market = market(&MarketParams { deleverage, ..PARAMS }, ONE, cash);
    market.book.insurance = 100;
    let members = vec![
        admit(&mut market, Side::Long, 600, -600),
        admit(&mut market, Side::Long, 400, -400),
        admit(&mut market, Side::Short, 400, 400),
    ];
    Scene { market, members, quotes: vec![100, 400, 400] }
}

#[test]
fn it_begins_above_the_cap_and_ends_at_nine_tenths_by_hand() {
    let call = |scene: &mut Scene, slot| scene.market.cutoff(slot, NOW);
    let mut idle = exposed(1_000, 600);
    assert_eq!(call(&mut idle, 5), Err(EngineError::NotExposed), "600 of 600");
    let mut scene = exposed(1_000, 599);
    // mmf 12 %: at most 8.33 times.
    assert_eq!(call(&mut scene, 5), Ok(35_791_394_133));
    assert_eq!(scene.market.deleveraging_since, 5);
    assert_eq!(
        scene.reduce(0, 35_791_394_133),
        Err(EngineError::BelowCutoff { notional: 600, allowed: 833 })
    );
    assert_eq!(call(&mut scene, 7), cutoff(120_000, 2));
    assert_eq!(scene.reduce(2, 1), Err(EngineError::LighterSide));
    // At 5.5 times the first is reduced to 550: 550 − … the skew is 550, the target 539.
    let report = scene.reduce(0, 11 * LEVERAGE / 2).unwrap();
    assert_eq!((report.lots, scene.skew(), report.keeper), (50, 550, 0), "of a fee of 0.025 nothing");
    assert_eq!(scene.market.deleveraging_since, 5, "not there yet");
    assert_eq!(call(&mut scene, 9), cutoff(120_000, 4), "below the cap, above the target: it goes on");
    assert_eq!(scene.reduce(0, 539 * LEVERAGE / 100 + 1).map(|r| r.lots), Ok(11));
    assert_eq!(scene.market.deleveraging_since, 0, "539: over");
    assert_eq!(call(&mut scene, 9), Err(EngineError::NotExposed));
    // The clock runs from the first refresh that finds exposure, whether anybody calls or not, until one finds none.
    let mut scene = exposed(1_000, 599);
    for slot in [5, 6, 6 + MAX_GAP_SLOTS] {
        scene.market.watch_exposure(slot).unwrap();
        assert_eq!(scene.market.deleveraging_since, 5);
    }
    let last = 6 + 2 * MAX_GAP_SLOTS;
    assert_eq!(call(&mut scene, last), cutoff(120_000, last - 5));
    let late = last + MAX_GAP_SLOTS + 1;
    assert_eq!(call(&mut scene, late), cutoff(120_000, 0), "while nobody looks it does not fall");
    assert_eq!(scene.market.deleveraging_since, late);
    scene.market.params.deleverage.inventory_cap = 667; // 600 is just below nine tenths
    scene.market.watch_exposure(late + 1).unwrap();
    assert_eq!(scene.market.deleveraging_since, 0);
    scene.market.params.deleverage.inventory_cap = 599;
    assert_eq!(call(&mut scene, late + 2), cutoff(120_000, 0), "a new beginning");
}

#[test]
fn profit_above_its_share_of_cash_is_exposure_too_by_hand() {
    // At 1.5 the skew of 600 is owed 300.
    let mut scene = exposed(600, u64::MAX);
    scene.market.oracle = oracle(ONE / 2 * 3);
    assert_eq!(scene.market.cutoff(5, NOW), Err(EngineError::NotExposed), "300 of 600: half");
    scene.market.book.cash = 599;
    assert!(scene.market.cutoff(5, NOW).is_ok());
    scene.market.oracle.conf = ONE;
    assert!(matches!(scene.market.cutoff(6, NOW), Err(EngineError::PriceNotUsable { .. })));
}
