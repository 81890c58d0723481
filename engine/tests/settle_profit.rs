//! Who owes quote can't keep a profit: settling realises it as far as he owes and the market can pay, at a Fresh price.
//!
//! It is variation margin the other way round: equity stays what it is to the unit, of the account and of the market. Losses
//! are realised only as far as claims wait for more than the market can pay. Where an exit so soon would pay a toxic-exit fee,
//! a profit waits until it would not.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::book::Book;
use bulwark_engine::debt::{Debts, owed};
use bulwark_engine::ladder::FRACTION_ONE;
use bulwark_engine::market::Market;
use bulwark_engine::position::{Holding, Position};
use bulwark_engine::trade::{Owes, SettleReport};
use bulwark_engine::units::{Quote, Side};
use bytemuck::Zeroable;
use fixed::types::I80F48;
use model::world::{NOW, ONE, PARAMS, admit, any_lots, any_side, market, oracle, price};
use model::{Exact, config, int, of_carry, of_price, pnl};
use proptest::prelude::*;

/// A market, an account's position in it, and what the account owes here and elsewhere.
#[derive(Clone)]
struct Scene {
    market: Box<Market>,
    position: Position,
    elsewhere: Box<Book>,
    debts: Debts,
    quote: Quote,
    now: i64,
}

impl std::fmt::Debug for Scene {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let book = &self.market.book;
        let lost = [0, 1].map(|index| self.debts.lost(index));
        write!(
            f,
            "{:?} at {:?}, cash {}, unbacked {}, claims {}, quote {:?}, lost {lost:?}",
            self.position,
            self.market.mark(),
            book.cash,
            book.unbacked,
            book.unpaid_claims,
            self.quote
        )
    }
}

impl Scene {
    fn holding(&self) -> Holding {
        if !self.position.is_open() {
            return Holding::default();
        }
        self.market.book.side(self.position.side().unwrap()).member(&self.position).unwrap()
    }

    fn pnl(&self) -> Exact {
        let Ok(side) = self.position.side() else { return int(0) };
        let carry = of_carry(self.market.book.side(side).carry);
        pnl(self.holding(), &of_price(self.market.mark()), &carry)
    }

    fn market_equity(&self) -> Exact {
        let (book, mark) = (&self.market.book, of_price(self.market.mark()));
        Side::BOTH.into_iter().fold(int(book.cash), |sum, side| {
            let ladder = book.side(side);
            sum - pnl(ladder.holding().unwrap(), &mark, &of_carry(ladder.carry))
        })
    }

    /// As `settle_position` does it.
    fn settle(&mut self) -> SettleReport {
        let here = self.debts.share(0, self.quote).unwrap();
        let owes = Owes { here, all: owed(self.quote) };
        self.debts.lift(0, &mut self.market.book).unwrap();
        let side = self.position.side().unwrap();
        let report = self.market.settle(&mut self.position, (owes, self.now)).unwrap();
        let place = ((0, side), (self.quote, report.quote_change));
        self.quote = self.debts.post(place.0, place.1, &mut self.market.book).unwrap();
        report
    }
}

prop_compose! {
    fn any_scene()(
        side in any_side(), lots in any_lots(33), entry in ONE / 2..ONE * 2, mark in ONE / 2..ONE * 2, carry in -(1_i64 << 45)..1 << 45,
        others in prop::collection::vec((any_side(), any_lots(33), ONE / 2..ONE * 2), 0..5), cash in prop_oneof![Just(0), any_lots(36)],
        unbacked in prop_oneof![2 => Just(0), 1 => any_lots(34)], claim in prop_oneof![2 => Just(0), 1 => any_lots(34)],
        unwind in prop::option::of(0..FRACTION_ONE / 2), lost in prop::collection::vec((0..2_u16, any_side(), any_lots(33)), 0..4),
        deposit in prop_oneof![Just(0), any_lots(33)], validity in prop_oneof![3 => Just(0), 1 => 1..4_u8],
    ) -> Scene {
        let mut market = market(&PARAMS, ONE, cash);
        market.book.side_mut(side).carry.set(I80F48::from_bits(i128::from(carry)));
        let enter = |market: &mut Market, (side, lots, entry): (Side, u64, u64)| {
            let cost = int(lots) * (of_price(price(entry)) - of_carry(market.book.side(side).carry));
            let q = if side == Side::Long { (-cost).floor() } else { cost.floor() };
            admit(market, side, lots, i64::try_from(q.to_integer()).unwrap())
        };
        let position = enter(&mut market, (side, lots, entry));
        for &other in &others {
            enter(&mut market, other);
        }
        if claim > 0 {
            admit(&mut market, Side::Short, 0, claim.cast_signed());
            market.book.unpaid_claims += claim;
        }
        market.oracle = oracle(mark);
        if let Some(h) = unwind {
            market.book.side_mut(side).unwind(price(mark), h).unwrap();
        }
        (market.book.cash, market.book.unbacked) = (market.book.cash + unbacked, unbacked);
        let (mut debts, mut elsewhere, mut quote) = (Debts::zeroed(), Box::new(Book::zeroed()), Quote::ZERO);
        for &(index, side, amount) in &lost {
            let book = if index == 0 { &mut market.book } else { &mut *elsewhere };
            book.cash += amount;
            debts.lift(index, book).unwrap();
            quote = debts.post((index, side), (quote, Quote(-amount.cast_signed())), book).unwrap();
        }
        quote = Quote(quote.0 + deposit.cast_signed());
        match validity {
            1 => market.oracle.conf = mark / 50,
            2 => market.oracle.publish_time = NOW - 61,
            3 => market.oracle.divergent = 1,
            _ => {}
        }
        Scene { market, position, elsewhere, debts, quote, now: NOW }
    }
}

fn is_fresh(scene: &Scene) -> bool {
    let oracle = &scene.market.oracle;
    oracle.conf == 0 && oracle.divergent == 0 && oracle.publish_time == NOW
}

proptest! {
    #![proptest_config(config(2_000))]

    /// `min(PnL, owed, payable)`, where what the account itself owes here does not count against it; with lots only.
    #[test]
    fn a_profit_is_realised_as_far_as_its_holder_owes_and_the_market_can_pay(scene in any_scene()) {
        let (before, mut scene) = (scene.clone(), scene);
        prop_assume!(before.holding().lots.0 != 0);
        let worth = i64::try_from(before.pnl().floor().to_integer()).unwrap();
        let others = before.market.book.unbacked - before.debts.held(0).unwrap();
        let payable = before.market.book.cash.saturating_sub(others);
        let report = scene.settle();
        let expected = if worth > 0 && is_fresh(&before) { worth.unsigned_abs().min(owed(before.quote)).min(payable) } else { 0 };
        prop_assert_eq!(report.profit, expected);
        // A loss only as far as claims wait for more than there is.
        let waits = before.market.book.unpaid_claims.saturating_sub(payable);
        let loss = if worth < 0 && is_fresh(&before) { worth.unsigned_abs().min(waits) } else { 0 };
        prop_assert_eq!((report.loss, report.claim_paid, report.forgone), (loss, 0, 0));
        prop_assert_eq!(report.quote_change.0, expected.cast_signed() - loss.cast_signed());
        prop_assert_eq!(scene.quote.0 - before.quote.0, report.quote_change.0);
        prop_assert!(expected == 0 || scene.quote <= Quote::ZERO, "it only repays");

        // To the unit nobody's equity moves, but for dust of an unwind that leaves with its last member, to the pool.
        let [was, is] = [&before, &scene].map(|s| int(s.quote.0) + s.pnl());
        prop_assert_eq!(is, was);
        let rose = scene.market_equity() - before.market_equity();
        let dust = before.market.book.side(before.position.side().unwrap()).bucket(before.position.bucket).unwrap().unwind != 1 << 63;
        prop_assert!(rose == int(0) || dust && rose > int(0), "{}", rose);
        prop_assert_eq!(i128::from(before.market.book.cash) - i128::from(scene.market.book.cash), i128::from(report.quote_change.0));
        prop_assert_eq!(scene.holding().lots, before.holding().lots);

        // Repaid here first, on either side; the rest of it to where he owes besides.
        let fresh = |scene: &Scene| [0, 1].map(|index| scene.debts.share(index, scene.quote).unwrap());
        let ([here, there], [left, other]) = (fresh(&before), fresh(&scene));
        let first = here.min(expected);
        let more = owed(scene.quote).saturating_sub(owed(before.quote));
        prop_assert!(left.abs_diff(here - first + more) <= 4, "{} of {} after {}", left, here, expected);
        prop_assert!(other.abs_diff(there - (expected - first).min(there)) <= 4, "{} of {} after {}", other, there, expected);
        prop_assert_eq!(scene.market.book.unbacked - others, scene.debts.held(0).unwrap());
        prop_assert_eq!(scene.elsewhere.unbacked, before.elsewhere.unbacked, "it hears of it when they meet");
    }

    /// A position that gave its profit is filed where it is now: at an entry nearer to the mark, in profit by what is left.
    #[test]
    fn a_position_is_filed_again_under_the_entry_that_it_has_now(scene in any_scene()) {
        let (before, mut scene) = (scene.clone(), scene);
        prop_assume!(before.holding().lots.0 != 0);
        let report = scene.settle();
        let (side, position) = (scene.position.side().unwrap(), scene.position);
        let ladder = scene.market.book.side(side);
        let held = Holding { lots: position.lots, quote: position.quote };
        prop_assert_eq!(held, scene.holding(), "nothing is pending");
        let entry = held.entry().unwrap();
        prop_assert_eq!(position.bucket, ladder.key(entry));
        prop_assert_eq!(scene.market.book.positions, before.market.book.positions);
        prop_assert_eq!(scene.market.book.unpaid_claims, before.market.book.unpaid_claims);
        let bucket = ladder.bucket(position.bucket).unwrap();
        let bounded = if side == Side::Long { bucket.bound >= entry } else { bucket.bound <= entry };
        prop_assert!(bounded);
        if report.profit > 0 {
            let was = before.holding().entry().unwrap();
            let nearer = if side == Side::Long { entry >= was } else { entry <= was };
            prop_assert!(nearer);
            prop_assert_eq!(held.quote.0, before.holding().quote.0 - report.profit.cast_signed());
            // Settling again finds nothing more to take unless more is owed.
            let again = scene.settle();
            prop_assert!(again.profit == 0 || owed(before.quote) > report.profit);
        }
    }
}

/// A long of 1 000 lots bought at 1, mark 1.5: a profit of 500.
fn by_hand(cash: u64, [here, there]: [u64; 2]) -> Scene {
    let mut market = market(&PARAMS, ONE, cash);
    let position = admit(&mut market, Side::Long, 1_000, -1_000);
    market.oracle = oracle(ONE / 2 * 3);
    let (mut debts, mut elsewhere) = (Debts::zeroed(), Box::new(Book::zeroed()));
    market.book.cash += here;
    let change = |x: u64| Quote(-x.cast_signed());
    let quote = debts.post((0, Side::Short), (Quote::ZERO, change(here)), &mut market.book).unwrap();
    let quote = debts.post((1, Side::Long), (quote, change(there)), &mut elsewhere).unwrap();
    Scene { market, position, elsewhere, debts, quote, now: NOW }
}

#[test]
fn a_profit_repays_this_market_first_and_then_the_others_by_hand() {
    // 100 owed here, 250 elsewhere, the pool has 1 000 here: 350 of the 500 are realised.
    let mut scene = by_hand(1_000, [100, 250]);
    let report = scene.settle();
    assert_eq!((report.profit, report.quote_change, scene.quote), (350, Quote(350), Quote(0)));
    assert_eq!((scene.position.lots.0, scene.position.quote), (1_000, Quote(-1_350)));
    let book = &scene.market.book;
    assert_eq!((book.cash, book.unbacked, book.long.cost, book.positions), (750, 0, Quote(-1_350), 1));
    assert_eq!((scene.debts.lost[0], scene.debts.held(1), scene.elsewhere.unbacked), ([0, 0], Ok(250), 250));
    assert_eq!(
        scene.debts.share(1, scene.quote),
        Ok(0),
        "repaid: the other market hears of it when they meet"
    );
    assert_eq!(scene.settle().profit, 0);
    // 50 are there besides what he owes himself: 150 in all.
    let mut scene = by_hand(50, [100, 250]);
    assert_eq!((scene.settle().profit, scene.quote, scene.market.book.cash), (150, Quote(-200), 0));
    // Others owe as much as there is: he is paid from what he owes himself alone.
    let mut scene = by_hand(50, [100, 250]);
    scene.market.book.unbacked += 50;
    assert_eq!((scene.settle().profit, scene.market.book.cash, scene.market.book.unbacked), (100, 50, 50));
    // Who owes nothing keeps his profit.
    assert_eq!(by_hand(1_000, [0, 0]).settle().profit, 0);
}

#[test]
fn a_profit_waits_until_an_exit_would_pay_no_toxic_fee_by_hand() {
    for (age, profit) in [(0, 0), (29, 0), (30, 350)] {
        let mut scene = by_hand(1_000, [100, 250]);
        (scene.market.params.toxic_window, scene.market.params.toxic_fee_ppm) = (30, 10_000);
        scene.position.increased_at = NOW - age;
        assert_eq!(scene.settle().profit, profit, "{age} s after the increase");
    }
}

#[test]
fn a_loss_is_realised_as_far_as_claims_wait_for_it_by_hand() {
    // A long of 1 000 lots bought at 1, mark 0.5: a loss of 500; claims of 300 wait for cash of 100.
    let mut scene = by_hand(100, [0, 0]);
    scene.market.oracle = oracle(ONE / 2);
    let mut claim = admit(&mut scene.market, Side::Short, 0, 300);
    scene.market.book.unpaid_claims = 300;
    let report = scene.settle();
    assert_eq!((report.loss, scene.quote, scene.position.quote), (200, Quote(-200), Quote(-800)));
    assert_eq!(
        (scene.settle().loss, scene.market.book.payable()),
        (0, 100),
        "he owes it: it is not asked for twice"
    );
    // He brings it, the market hears of it, and the claim is paid in full.
    scene.quote = Quote::ZERO;
    assert_eq!((scene.settle().loss, scene.market.book.payable()), (0, 300));
    let report = scene.market.settle(&mut claim, (Owes::default(), NOW)).unwrap();
    assert_eq!((report.claim_paid, scene.market.book.unpaid_claims, scene.market.book.cash), (300, 0, 0));
}
