//! Who owes a settling market holds the others up for a week, no longer, and nobody is paid from what he owes.
//!
//! Claims are set off against the holder's own debt first. Then they wait until no position is left and nobody else owes, or a
//! week has passed; then everybody is paid the same part of what is there without the debts, in whatever order: the `k`-th to
//! come gets less than a unit less than the exact part, and less than `k` units more. What debtors bring later is the pool's.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::debt::{Debts, owed};
use bulwark_engine::margin::{Health, HealthType};
use bulwark_engine::market::Market;
use bulwark_engine::position::Position;
use bulwark_engine::settlement::PATIENCE;
use bulwark_engine::trade::{Owes, SettleReport};
use bulwark_engine::units::{Quote, Side};
use bulwark_engine::{EngineError, Result, allocation};
use bytemuck::Zeroable;
use model::world::{NOW, ONE, PARAMS, admit, any_lots, any_side, market};
use model::{config, int};
use proptest::prelude::*;

/// The last second for which debts hold up claims, and the first for which they don't.
const WAITING: i64 = NOW + PATIENCE;
const OVER: i64 = WAITING + 1;

/// An account: a claim, or nothing, and what it owes the market.
#[derive(Clone, Debug)]
struct Holder {
    position: Position,
    debts: Debts,
    quote: Quote,
}

#[derive(Clone)]
struct Scene {
    market: Box<Market>,
    holders: Vec<Holder>,
}

impl std::fmt::Debug for Scene {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let book = &self.market.book;
        let each: Vec<_> = self.holders.iter().map(|h| (h.position.quote, h.quote)).collect();
        write!(f, "cash {}, unbacked {}, claims and balances {each:?}", book.cash, book.unbacked)
    }
}

impl Scene {
    /// A settling market in which all positions are settled: claims and debts, and what was left of the pool's money.
    fn new(accounts: &[(Side, u64, u64)], cash: u64) -> Self {
        let mut market = market(&PARAMS, ONE, cash);
        let mut holders = vec![];
        for &(side, claim, debt) in accounts {
            let position = match claim {
                0 => Position::EMPTY,
                _ => admit(&mut market, side, 0, claim.cast_signed()),
            };
            market.book.unpaid_claims += claim;
            let mut debts = Debts::zeroed();
            market.book.cash += debt;
            let change = Quote(-debt.cast_signed());
            let quote = debts.post((0, side), (Quote::ZERO, change), &mut market.book).unwrap();
            holders.push(Holder { position, debts, quote });
        }
        market.begin_settling(None, NOW).unwrap();
        Self { market, holders }
    }

    /// As `settle_position` does it. An error changes nothing.
    fn settle(&mut self, who: usize, now: i64) -> Result<SettleReport> {
        let mut next = self.clone();
        let (book, holder) = (&mut next.market, &mut next.holders[who]);
        let here = holder.debts.share(0, holder.quote)?;
        holder.debts.lift(0, &mut book.book)?;
        let side = holder.position.side()?;
        let report = book.settle(&mut holder.position, (Owes { here, all: owed(holder.quote) }, now))?;
        let place = ((0, side), (holder.quote, report.quote_change));
        holder.quote = holder.debts.post(place.0, place.1, &mut book.book)?;
        *self = next;
        Ok(report)
    }

    /// The debtor brings what he owes, and meets the market.
    fn repay(&mut self, who: usize) {
        let holder = &mut self.holders[who];
        holder.quote = Quote(holder.quote.0.max(0));
        holder.debts.lift(0, &mut self.market.book).unwrap();
        let place = ((0, Side::Long), (holder.quote, Quote::ZERO));
        holder.debts.post(place.0, place.1, &mut self.market.book).unwrap();
    }

    fn claims(&self) -> u64 {
        self.holders.iter().map(|holder| holder.position.quote.units_or_zero()).sum()
    }

    /// What a claim counts for in maintenance margin.
    fn counts(&self, who: usize) -> Health {
        let position = &self.holders[who].position;
        Health::of_position(&self.market, position, HealthType::Liquidate, OVER).unwrap()
    }
}

/// Sides, claims and debts.
fn any_accounts() -> impl Strategy<Value = Vec<(Side, u64, u64)>> {
    let claim = prop_oneof![1 => Just(0), 4 => any_lots(34)];
    let debt = prop_oneof![2 => Just(0), 1 => any_lots(34)];
    prop::collection::vec((any_side(), claim, debt), 1..10)
}

prop_compose! {
    fn any_scene()(accounts in any_accounts(), cash in prop_oneof![Just(0), any_lots(36)]) -> Scene {
        Scene::new(&accounts, cash)
    }
}

proptest! {
    #![proptest_config(config(600))]

    /// What a claim is set off for leaves with the debt: for the others it is as if neither had been. It comes first, at any
    /// time, and is never more than the claim or the debt; what is left of the claim waits.
    #[test]
    fn a_claim_is_set_off_before_anything_is_paid_and_the_others_have_no_less(
        accounts in any_accounts(), cash in prop_oneof![Just(0), any_lots(36)], claim in any_lots(34), debt in any_lots(34),
        side in any_side(), now in NOW..OVER + 1_000, open in 0..2_u64,
    ) {
        let (mut accounts, who) = (accounts, 0);
        accounts.insert(who, (side, claim, debt));
        let mut scene = Scene::new(&accounts, cash);
        scene.market.book.positions = open;
        let before = scene.clone();
        let report = scene.settle(who, now).unwrap();
        let (holder, book, was) = (&scene.holders[who], &scene.market.book, &before.market.book);
        let set_off = claim.min(debt);
        prop_assert_eq!((report.claim_paid, report.forgone, report.quote_change.0), (set_off, 0, set_off.cast_signed()));
        prop_assert_eq!((owed(holder.quote), holder.debts.total, holder.debts.held(0)), (debt - set_off, debt - set_off, Ok(debt - set_off)));
        prop_assert_eq!((was.cash - book.cash, was.unbacked - book.unbacked), (set_off, set_off));
        prop_assert_eq!((book.payable(), book.unpaid_claims), (was.payable(), was.unpaid_claims - set_off));
        prop_assert_eq!(holder.position.is_open(), claim > set_off);
        if claim > set_off {
            prop_assert_eq!(holder.position.quote.units_or_zero(), claim - set_off);
            let due = open == 0 && (now > WAITING || book.unbacked == 0);
            prop_assert_eq!(scene.market.pays_claims(0, now), due);
            let wait = EngineError::ClaimsWait { positions: open, unbacked: book.unbacked };
            prop_assert_eq!(scene.clone().settle(who, now).map(|_| ()), if due { Ok(()) } else { Err(wait) });
        }
    }

    /// However much and however little others owe: until the week is over nothing is paid, and after it all is.
    #[test]
    fn a_debtor_holds_up_the_claims_of_others_for_a_week_and_no_longer(
        claims in prop::collection::vec((any_side(), any_lots(34)), 1..8), debt in prop_oneof![Just(1), any_lots(34)],
        cash in prop_oneof![Just(0), any_lots(36)], early in NOW..=WAITING, late in OVER..i64::MAX,
    ) {
        let mut accounts: Vec<_> = claims.iter().map(|&(side, claim)| (side, claim, 0)).collect();
        accounts.push((Side::Short, 0, debt));
        let scene = Scene::new(&accounts, cash);
        let wait = EngineError::ClaimsWait { positions: 0, unbacked: debt };
        for who in 0..claims.len() {
            for now in [NOW, early, WAITING] {
                prop_assert_eq!(scene.clone().settle(who, now).map(|_| ()), Err(wait));
            }
        }
        let mut paid = scene.clone();
        for who in 0..claims.len() {
            paid.settle(who, late).unwrap();
        }
        prop_assert!(paid.holders.iter().all(|holder| !holder.position.is_open()));
        // Who pays what he owes ends the waiting at once, and with positions left not even a week does.
        let mut repaid = scene.clone();
        repaid.repay(claims.len());
        prop_assert!((0..claims.len()).all(|who| repaid.settle(who, NOW).is_ok()));
        let mut open = scene;
        open.market.book.positions = 1;
        prop_assert!((0..claims.len()).all(|who| open.clone().settle(who, late).is_err()));
    }

    /// Own debts are set off, then everybody is paid from what is there without the debts that are left: the same part.
    #[test]
    fn everybody_gets_the_same_part_of_what_is_payable_in_any_order_and_late_debts_are_the_pools(
        scene in any_scene(), start in any::<prop::sample::Index>(), stride in any::<prop::sample::Index>(),
    ) {
        let (mut scene, n) = (scene.clone(), scene.holders.len());
        let strides: Vec<usize> = (1..=n).filter(|&s| num_integer::gcd(s, n) == 1).collect();
        let (start, stride) = (start.index(n), strides[stride.index(strides.len())]);
        let order: Vec<usize> = (0..n).map(|i| (start + i * stride) % n).collect();
        for &who in &order {
            if scene.holders[who].position.is_open() && owed(scene.holders[who].quote) > 0 {
                scene.settle(who, NOW).unwrap();
            }
        }
        let (payable, all, cash) = (scene.market.book.payable(), scene.claims(), scene.market.book.cash);
        let (mut owed_to, mut left, mut paid, mut k) = (all, payable, 0, 0);
        let claimants: Vec<usize> = order.iter().copied().filter(|&who| scene.holders[who].position.is_open()).collect();
        for who in claimants {
            let claim = scene.holders[who].position.quote.units_or_zero();
            let best = scene.counts(who);
            let report = scene.settle(who, OVER).unwrap();
            let exact = u128::from(claim) * u128::from(left.min(owed_to)) / u128::from(owed_to);
            prop_assert_eq!(u128::from(report.claim_paid), exact);
            prop_assert_eq!((report.claim_paid + report.forgone, report.quote_change.0), (claim, report.claim_paid.cast_signed()));
            prop_assert!(report.quote_change <= best.equity && best.equity.0 <= claim.cast_signed());
            let fair = int(claim) * int(payable.min(all)) / int(all);
            let got = int(report.claim_paid);
            prop_assert!(got > &fair - int(1) && (got < &fair + int(k) || got == fair), "{} of {}", got, fair);
            (owed_to, left, paid, k) = (owed_to - claim, left - report.claim_paid, paid + report.claim_paid, k + 1);
        }
        let book = &scene.market.book;
        prop_assert_eq!((paid, book.cash, book.unpaid_claims), (payable.min(all), cash - paid, 0), "all of it, to the unit, and no more");
        // While debts are left the pool gets nothing; what they bring stays in cash, and then all of it is the pool's.
        let mut idle = 0;
        let debtors: Vec<usize> = (0..n).filter(|&who| owed(scene.holders[who].quote) > 0).collect();
        for &who in &debtors {
            prop_assert_eq!(scene.market.book.is_settled(), Ok(false));
            prop_assert_eq!(allocation::allocate(&mut scene.market, &mut idle, 0), Err(EngineError::Settling));
            scene.repay(who);
        }
        prop_assert_eq!((scene.market.book.is_settled(), scene.market.book.unbacked), (Ok(true), 0));
        let there = scene.market.book.cash;
        let moved = allocation::allocate(&mut scene.market, &mut idle, 0).unwrap();
        prop_assert_eq!((moved.0, idle, scene.market.book.cash), (-there.cast_signed(), there, 0));
    }

    /// A claim counts for what it may bring at best once no position is left, and for nothing where new risk is taken.
    #[test]
    fn a_claim_on_a_settling_market_counts_for_what_it_may_bring(scene in any_scene(), open in 0..2_u64) {
        let mut scene = scene;
        scene.market.book.positions = open;
        let (all, cash) = (scene.claims(), scene.market.book.cash);
        for who in 0..scene.holders.len() {
            let position = scene.holders[who].position;
            if !position.is_open() {
                continue;
            }
            let claim = position.quote.units_or_zero();
            let best = u128::from(claim) * u128::from(cash.min(all)) / u128::from(all);
            let best = if open == 0 { i64::try_from(best).unwrap() } else { claim.cast_signed() };
            let counts = |kind| Health::of_position(&scene.market, &position, kind, OVER).unwrap();
            let nothing = Health::default();
            for kind in [HealthType::Maint, HealthType::Liquidate] {
                prop_assert_eq!(counts(kind), Health { equity: Quote(best), ..nothing });
            }
            prop_assert_eq!([HealthType::Init, HealthType::Withdraw].map(counts), [nothing; 2]);
        }
    }

    /// A market that trades presses its debtors for no more than what its claims wait for; one that settles for all.
    #[test]
    fn debtors_are_pressed_for_what_is_waited_for(
        claims in prop_oneof![Just(0), any_lots(34)], cash in any_lots(34), unbacked in any_lots(34), due in any_lots(34),
    ) {
        let mut market = market(&PARAMS, ONE, cash);
        (market.book.unpaid_claims, market.book.unbacked) = (claims, unbacked);
        prop_assert_eq!(market.pressing(due), due.min(claims.saturating_sub(cash.saturating_sub(unbacked))));
        market.begin_settling(None, NOW).unwrap();
        prop_assert_eq!(market.pressing(due), due);
    }
}

#[test]
fn a_week_set_off_and_shares_by_hand() {
    // Claims of 100 and 300; the first owes 40, a third 60; 50 are the pool's: cash 150, of which 50 are payable.
    let accounts = [(Side::Long, 100, 40), (Side::Short, 300, 0), (Side::Long, 0, 60)];
    let mut scene = Scene::new(&accounts, 50);
    let state = |scene: &Scene| (scene.market.book.cash, scene.market.book.unbacked, scene.claims());
    assert_eq!((state(&scene), scene.market.book.payable()), ((150, 100, 400), 50));
    // Maintenance: at best 150 of 400.
    assert_eq!([0, 1].map(|who| scene.counts(who).equity.0), [37, 112]);
    let paid = |report: SettleReport| (report.claim_paid, report.forgone);
    assert_eq!(scene.settle(0, NOW).map(paid), Ok((40, 0)), "set off at once, in full");
    assert_eq!(state(&scene), (110, 60, 360));
    let wait = EngineError::ClaimsWait { positions: 0, unbacked: 60 };
    assert_eq!([0, 1].map(|who| scene.settle(who, WAITING).map(paid)), [Err(wait), Err(wait)]);
    // 50 for claims of 60 and 300: 8.3 and 41.7.
    assert_eq!([0, 1].map(|who| scene.settle(who, OVER).map(paid)), [Ok((8, 52)), Ok((42, 258))]);
    assert_eq!(state(&scene), (60, 60, 0));
    let mut idle = 0;
    let refused = allocation::allocate(&mut scene.market, &mut idle, 0);
    assert_eq!(refused, Err(EngineError::Settling), "60 are owed yet");
    scene.repay(2);
    assert_eq!((scene.market.book.is_settled(), state(&scene)), (Ok(true), (60, 0, 0)));
    assert_eq!(allocation::allocate(&mut scene.market, &mut idle, 0), Ok(Quote(-60)));
}

#[test]
fn what_is_held_back_for_the_holder_himself_does_not_hold_him_up_by_hand() {
    // He has repaid his 40 by a deposit of 50; the market has not heard of it.
    let mut scene = Scene::new(&[(Side::Long, 100, 40)], 200);
    scene.holders[0].quote = Quote(10);
    assert_eq!((scene.market.book.unbacked, scene.market.pays_claims(0, NOW)), (40, false));
    assert!(scene.market.pays_claims(40, NOW));
    let report = scene.settle(0, NOW).unwrap();
    assert_eq!((report.claim_paid, report.forgone, scene.holders[0].quote), (100, 0, Quote(110)));
    assert_eq!((scene.market.book.is_settled(), scene.market.book.cash), (Ok(true), 140));
}
