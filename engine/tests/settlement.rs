//! A market that settles pays everybody the same part, whoever comes first.
//!
//! Rounding: a payment rounds down, and what that leaves is shared by who comes later: the `k`-th to come gets less than a unit
//! less than the exact part, and less than `k` units more. Together they get all of `cash` that is owed, to the unit; where an
//! unwind left dust in a bucket, what is owed counts up to the dust more until its last member is paid.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::EngineError;
use bulwark_engine::ladder::FRACTION_ONE;
use bulwark_engine::margin::Relief;
use bulwark_engine::market::Market;
use bulwark_engine::position::Position;
use bulwark_engine::price::{Reading, Selection};
use bulwark_engine::settlement::PATIENCE;
use bulwark_engine::trade::{Owes, SettleReport};
use bulwark_engine::units::{Quote, Side};
use model::world::{NOW, ONE, PARAMS, admit, any_lots, any_side, market, oracle, order, price};
use model::{Exact, config, int, of_carry, of_price, pnl};
use proptest::prelude::*;

/// The last second for which debts hold up claims.
const LATER: i64 = NOW + PATIENCE;

#[derive(Clone, Debug)]
struct Scene {
    market: Box<Market>,
    members: Vec<Position>,
}

impl Scene {
    /// Exact worth of a member as it would settle.
    fn value(&self, member: &Position) -> Exact {
        let ladder = self.market.book.side(member.side().unwrap());
        pnl(ladder.member(member).unwrap(), &of_price(self.market.mark()), &of_carry(ladder.carry))
    }

    fn settle(&mut self, who: usize) -> Result<SettleReport, EngineError> {
        let mut next = self.clone();
        let report = next.market.settle(&mut next.members[who], (Owes::default(), LATER))?;
        *self = next;
        Ok(report)
    }

    fn claims(&self) -> u64 {
        self.members.iter().map(|member| member.quote.units_or_zero()).sum()
    }
}

prop_compose! {
    fn any_scene(unwound: bool)(
        entries in prop::collection::vec((any_side(), any_lots(34), ONE / 2..ONE * 2), 1..12), average in ONE / 2..ONE * 2,
        close in any::<bool>(), cash in prop_oneof![Just(0), any_lots(36)], mark in ONE / 2..ONE * 2,
        unwinds in prop::collection::vec((any_side(), 0..FRACTION_ONE / 2), 0..3),
    ) -> Scene {
        let mut market = market(&PARAMS, ONE, cash);
        let members = entries.iter().map(|&(side, lots, entry)| {
            // Often many in one bucket.
            let entry = if close { ONE + entry / 64 } else { entry };
            let cost = price(entry).mul_floor(lots).unwrap().cast_signed();
            admit(&mut market, side, lots, if side == Side::Long { -cost } else { cost })
        }).collect();
        market.oracle = oracle(mark);
        market.oracle.ema = price(average);
        if unwound {
            for (side, h) in unwinds {
                market.book.side_mut(side).unwind(price(mark), h).unwrap();
            }
        }
        Scene { market, members }
    }
}

/// Positions in an order, then claims in another.
fn run(scene: &mut Scene, orders: [usize; 2]) -> Vec<(usize, SettleReport)> {
    let (n, mut done) = (scene.members.len(), vec![]);
    for (pass, start) in orders.into_iter().enumerate() {
        for who in (0..n).map(|i| (start + i) % n) {
            if scene.members[who].is_open() {
                let report = scene.settle(who);
                assert!(report.is_ok(), "{pass} {who}: {report:?}");
                done.push((who, report.unwrap()));
            }
        }
    }
    done
}

proptest! {
    #![proptest_config(config(600))]

    #[test]
    fn the_frozen_price_is_the_better_one_for_the_market_and_nothing_moves_any_more(scene in any_scene(true)) {
        let (before, mut market) = (scene.market.clone(), scene.market);
        market.carry.funding_rate = 1 << 40;
        let frozen = market.begin_settling(None, NOW).unwrap();
        let [live, average] = [before.mark(), before.oracle.ema].map(|at| before.book.traders_pnl(at).unwrap());
        prop_assert_eq!(market.book.traders_pnl(frozen).unwrap(), live.min(average));
        prop_assert!(frozen == before.mark() || frozen == before.oracle.ema && average < live);
        prop_assert_eq!((market.mark(), market.oracle.ema, market.oracle.conf), (frozen, frozen, 0));
        prop_assert_eq!((market.mmf_ppm(), market.imf_ppm()), (0, Ok(0)));
        let still = market.clone();
        market.accrue(LATER).unwrap();
        prop_assert_eq!(&still.book, &market.book, "no carry");
        let settling = Err(EngineError::Settling);
        let mut position = Position::new(0, Side::Long);
        prop_assert_eq!(market.increase(&mut position, Side::Long, &order(10)).map(|_| ()), settling);
        let mut held = scene.members[0];
        prop_assert_eq!(market.decrease(&mut held, &order(1)).map(|_| ()), settling);
        prop_assert_eq!(market.lot(&held, Relief::default(), NOW).map(|_| ()), settling);
        prop_assert_eq!(market.rebalance(NOW).map(|_| ()), settling);
        prop_assert_eq!(market.begin_settling(None, NOW).map(|_| ()), settling);
        let print = Selection::Primary(Reading { price: price(ONE), conf: 0, publish_time: LATER });
        prop_assert_eq!(market.refresh(print, LATER), settling);
        prop_assert_eq!(market.cutoff(5, LATER).map(|_| ()), settling);
    }

    /// Without unwinds everything is exact.
    #[test]
    fn everybody_is_paid_the_same_part_of_his_profit_in_whatever_order(
        scene in any_scene(false), orders in [any::<prop::sample::Index>(), any::<prop::sample::Index>()],
    ) {
        let mut scene = scene;
        scene.market.begin_settling(None, NOW).unwrap();
        let (before, n) = (scene.clone(), scene.members.len());
        let done = run(&mut scene, orders.map(|index| index.index(n)));
        let (mut lost, mut claimed) = (0, 0);
        for (who, report) in &done[..n] {
            let value = before.value(&before.members[*who]).floor();
            prop_assert_eq!(int(report.quote_change.0), value.clone().min(int(0)), "losers pay at once, winners wait");
            lost += report.loss;
            claimed += u64::try_from(value.to_integer()).unwrap_or(0);
        }
        let cash = before.market.book.cash + lost;
        let (mut left, mut owed, mut paid) = (cash, claimed, 0);
        for (k, (who, report)) in done[n..].iter().enumerate() {
            let claim = u64::try_from(before.value(&before.members[*who]).floor().to_integer()).unwrap();
            prop_assert_eq!(report.claim_paid + report.forgone, claim);
            let now = u128::from(claim) * u128::from(left.min(owed)) / u128::from(owed);
            prop_assert_eq!(u128::from(report.claim_paid), now);
            let fair = int(claim) * int(cash.min(claimed)) / int(claimed);
            let got = int(report.claim_paid);
            prop_assert!(got > &fair - int(1) && (got < &fair + int(k) || got == fair), "{} of {}", report.claim_paid, fair);
            (left, owed, paid) = (left - report.claim_paid, owed - claim, paid + report.claim_paid);
        }
        prop_assert_eq!(paid, cash.min(claimed), "all of it, to the unit");
        prop_assert_eq!(scene.market.book.cash, cash - paid);
        prop_assert!(scene.members.iter().all(|member| !member.is_open()));
        let book = &scene.market.book;
        prop_assert_eq!((book.long.lots, book.short.lots, book.long.cost, book.short.cost), (0, 0, Quote::ZERO, Quote::ZERO));
        prop_assert_eq!(book.unpaid_claims, 0);
    }

    /// After unwinds too the market comes to its end: nobody waits for lots that are only dust.
    #[test]
    fn after_unwinds_everybody_is_paid_too_and_never_more_than_there_is(
        scene in any_scene(true), orders in [any::<prop::sample::Index>(), any::<prop::sample::Index>()],
    ) {
        let mut scene = scene;
        scene.market.begin_settling(None, NOW).unwrap();
        let (cash, n) = (scene.market.book.cash, scene.members.len());
        let done = run(&mut scene, orders.map(|index| index.index(n)));
        let (lost, paid) = done.iter().fold((0, 0), |(lost, paid), (_, r)| (lost + r.loss, paid + r.claim_paid));
        prop_assert_eq!(scene.market.book.cash, cash + lost - paid);
        prop_assert!(scene.members.iter().all(|member| !member.is_open()));
        let book = &scene.market.book;
        prop_assert_eq!((book.long.lots, book.short.lots, book.long.cost, book.short.cost), (0, 0, Quote::ZERO, Quote::ZERO));
    }

    #[test]
    fn no_claim_is_paid_before_the_last_position_is_settled_and_every_debt_is_paid(
        scene in any_scene(false), first in any::<prop::sample::Index>(), unbacked in any_lots(20),
    ) {
        let mut scene = scene;
        scene.market.begin_settling(None, NOW).unwrap();
        scene.market.book.unbacked = unbacked;
        let (n, start) = (scene.members.len(), first.index(scene.members.len()));
        for who in (0..n).map(|i| (start + i) % n) {
            scene.settle(who).unwrap();
            let open = scene.members.iter().filter(|m| m.is_open() && !m.is_claim()).count();
            let open = u64::try_from(open).unwrap();
            prop_assert_eq!(scene.market.book.positions, open);
            let wait = EngineError::ClaimsWait { positions: open, unbacked };
            for claim in (0..n).filter(|&who| scene.members[who].is_claim()) {
                prop_assert_eq!(scene.clone().settle(claim).map(|_| ()), Err(wait));
            }
        }
        scene.market.book.unbacked = 0;
        let claims = scene.claims();
        let there = scene.market.book.cash;
        for who in 0..n {
            if scene.members[who].is_open() {
                scene.settle(who).unwrap();
            }
        }
        prop_assert_eq!(there - scene.market.book.cash, there.min(claims));
    }
}

#[test]
fn three_fifths_for_everybody_by_hand() {
    // Longs of 100 and 200 at 1, a short of 50 at 1, the price 2: owed 100 and 200, 50 to come; cash 130.
    let mut market = market(&PARAMS, ONE, 130);
    let members = vec![
        admit(&mut market, Side::Long, 100, -100),
        admit(&mut market, Side::Long, 200, -200),
        admit(&mut market, Side::Short, 50, 50),
    ];
    market.oracle = oracle(2 * ONE);
    let mut scene = Scene { market, members };
    assert_eq!(scene.market.begin_settling(None, NOW), Ok(price(2 * ONE)));
    let first = scene.settle(0).unwrap();
    assert_eq!((first.claim_paid, first.loss, scene.members[0].quote), (0, 0, Quote(100)));
    assert!(matches!(scene.settle(0), Err(EngineError::ClaimsWait { positions: 2, unbacked: 0 })));
    scene.settle(1).unwrap();
    assert_eq!(scene.settle(2).map(|report| (report.loss, report.quote_change)), Ok((50, Quote(-50))));
    let paid = |report: SettleReport| (report.claim_paid, report.forgone, report.quote_change);
    assert_eq!(scene.settle(1).map(paid), Ok((120, 80, Quote(120))));
    assert_eq!(scene.settle(0).map(paid), Ok((60, 40, Quote(60))));
    assert_eq!(scene.market.book.cash, 0);
}

/// A winner who owes: his claim counts against his debt before its time, and then he waits like everybody.
#[test]
fn a_claim_is_set_off_against_what_its_holder_owes_by_hand() {
    let mut market = market(&PARAMS, ONE, 300);
    let members = vec![admit(&mut market, Side::Long, 100, -100), admit(&mut market, Side::Long, 200, -200)];
    market.oracle = oracle(2 * ONE);
    let mut scene = Scene { market, members };
    scene.market.begin_settling(None, NOW).unwrap();
    scene.settle(0).unwrap();
    let Scene { market, members } = &mut scene;
    // He owes 60; the market held them back until his debt was lifted.
    let report = market.settle(&mut members[0], (Owes { here: 60, all: 60 }, LATER)).unwrap();
    assert_eq!((report.claim_paid, report.forgone, report.quote_change), (60, 0, Quote(60)));
    assert_eq!((members[0].quote, market.book.cash), (Quote(40), 240));
    let again = market.clone().settle(&mut members[0].clone(), (Owes::default(), LATER));
    assert_eq!(again, Err(EngineError::ClaimsWait { positions: 1, unbacked: 0 }));
    // A debt larger than the claim takes all of it, as far as there is cash.
    let report =
        market.clone().settle(&mut members[0].clone(), (Owes { here: 1_000, all: 1_000 }, LATER)).unwrap();
    assert_eq!((report.claim_paid, report.quote_change), (40, Quote(40)));
    scene.settle(1).unwrap();
    assert_eq!([0, 1].map(|who| scene.settle(who).unwrap().claim_paid), [40, 200]);
}

/// Two longs of one bucket, unwound by a third: 67 lots are booked, of which they hold 33 each.
#[test]
fn dust_of_an_unwind_does_not_keep_claims_waiting_by_hand() {
    let mut market = market(&PARAMS, ONE, 1_000);
    let members = vec![admit(&mut market, Side::Long, 50, -50), admit(&mut market, Side::Long, 50, -50)];
    market.oracle = oracle(2 * ONE);
    market.book.long.unwind(price(2 * ONE), FRACTION_ONE / 3).unwrap();
    let mut scene = Scene { market, members };
    scene.market.begin_settling(None, NOW).unwrap();
    for who in [0, 1, 0, 1] {
        let report = scene.settle(who);
        assert!(report.is_ok(), "{who}: {report:?}");
    }
}
