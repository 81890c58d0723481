//! A market that settles: a frozen price, losses first, then the same part of every claim.

use bulwark_sdk::Instruction;
use bulwark_sdk::address;
use bulwark_sdk::engine::trigger::TriggerKind;
use bulwark_sdk::engine::units::{Price, Side};
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction::{self as ix, TriggerOrder};
use bulwark_sdk::program::events::PositionSettled;
use bulwark_sdk::program::state::Market;
use bulwark_tests::fixtures::{DOLLAR, PRINT};
use bulwark_tests::{Failure, Outcome, Signer as _, Trader, World};

use crate::instances::margin;
use crate::support::*;

/// 125 dollars less 13/128.
const CRASHED: i64 = 112 * PRINT + PRINT * 39 / 128;

/// A long of 100 UNI on 1,000 dollars ruined its market, which has `cash` left to pay it with; who took it over at the mark.
///
/// Shorts of 8 and 12 UNI won 101.5625 and 152.34375 dollars before half of it was unwound, a long of 4 lost 50.78125, each but
/// for the curve. Somebody else holds DUO.
pub struct Scene {
    pub stage: Stage,
    pub bankrupt: Trader,
    pub taker: Trader,
    pub winners: [Trader; 2],
    pub loser: Trader,
    pub other: Trader,
}

impl Scene {
    /// Everything but the resolution.
    pub fn ruined(cash: u64) -> Self {
        let mut stage = Stage::new();
        let bankrupt = stage.holder(1_000, (A, Side::Long), 100 * ONE);
        let winners = [8, 12].map(|uni| stage.holder(10_000, (A, Side::Short), uni * ONE));
        let loser = stage.holder(5_000, (A, Side::Long), 4 * ONE);
        let other = stage.holder(10_000, (B, Side::Long), 10 * ONE);
        let taker = stage.funded_trader(1_000_000 * DOLLAR);
        stage.settle_at(A, CRASHED);
        stage.take_over(&taker, &bankrupt, A, u64::MAX);
        stage.drain(A, cash);
        Self { stage, bankrupt, taker, winners, loser, other }
    }

    /// The market settles: 280 dollars less what the waterfall took.
    pub fn new() -> Self {
        let mut scene = Self::ruined(280 * DOLLAR);
        scene.ruin();
        scene
    }

    /// Resolves the bankruptcy; the market settles.
    pub fn ruin(&mut self) -> u64 {
        let outcome = self.stage.resolve_bankruptcy(&self.bankrupt.margin, A).expect("resolve_bankruptcy");
        assert!(resolved(&outcome).traders > 0);
        match outcome.events.last() {
            Some(Event::MarketSettling(e)) => {
                assert_eq!((e.market, i128::from(e.price)), (A, self.stage.mark(A)));
                e.price
            }
            other => panic!("{other:?}"),
        }
    }

    pub fn fork(&self) -> Self {
        let copy = |t: &Trader| Trader { key: t.key.insecure_clone(), ..*t };
        Self {
            stage: self.stage.fork(),
            bankrupt: copy(&self.bankrupt),
            taker: copy(&self.taker),
            winners: self.winners.each_ref().map(copy),
            loser: copy(&self.loser),
            other: copy(&self.other),
        }
    }

    /// Who has a position in the market.
    pub fn holders(&self) -> [&Trader; 4] {
        [&self.winners[0], &self.winners[1], &self.loser, &self.taker]
    }

    /// Settles all positions; what is left are claims.
    pub fn settle_all(&mut self) {
        for i in 0..4 {
            let key = self.holders()[i].margin;
            self.stage.settle(&key, A).expect("settle_position");
        }
        assert_eq!(self.stage.market(A).core.book.positions, 0);
    }

    pub fn claim(&self, n: usize) -> u64 {
        self.stage.position(&self.winners[n].margin, A).quote.units_or_zero()
    }

    pub fn cash(&self) -> u64 {
        self.stage.market(A).core.book.cash
    }

    pub fn claims(&self) -> [u64; 2] {
        [self.claim(0), self.claim(1)]
    }
}

pub fn settled(result: Result<Outcome, Failure>) -> PositionSettled {
    match &result.expect("settle_position").events[..] {
        [Event::PositionSettled(e)] => e.clone(),
        other => panic!("one event of a settlement, not {other:?}"),
    }
}

#[test]
fn everything_but_settling_is_refused() {
    let mut scene = Scene::ruined(280 * DOLLAR);
    let loser = &scene.loser;
    // A stop-loss and an entry wait.
    let place = |stage: &Stage, kind, side| {
        let order = ix::Order {
            market: A,
            lots: ONE,
            limit_price: if kind == TriggerKind::Limit { u64::MAX } else { 0 },
        };
        let trigger_price = stage.market(A).core.mark().to_bits();
        let order = TriggerOrder { kind, side, trigger_price, order, expiry: stage.now() + 86_400 };
        margin(stage, &loser.margin, |m| ix::place_trigger(&stage.listings, loser.key.pubkey(), m, &order))
    };
    for kind in [TriggerKind::StopLoss, TriggerKind::Limit] {
        let call = place(&scene.stage, kind, Side::Long).expect("builds");
        scene.stage.send(&[call], &[&scene.loser.key]).expect("place_trigger");
    }
    let triggers: Vec<_> = scene
        .stage
        .margin(&scene.loser.margin)
        .triggers
        .iter()
        .filter(|t| t.is_set())
        .map(|t| t.id)
        .collect();
    scene.ruin();
    // Whoever is below his requirement of nothing would be liquidated elsewhere.
    scene.stage.take_quote(&scene.loser.margin, 5_000_000_000);
    let (stage, loser) = (&mut scene.stage, &scene.loser);
    let build = |call: &dyn Fn(ix::Margin<'_>) -> Instruction| margin(stage, &loser.margin, call);
    let calls: Vec<(&str, Instruction, &str)> = vec![
        ("open", stage.open_instruction(loser, A, Side::Long, ONE), "Settling"),
        ("open the other side", stage.open_instruction(&scene.other, A, Side::Short, ONE), "Settling"),
        ("close", stage.close_instruction(loser, A, u64::MAX), "Settling"),
        (
            "stop-loss",
            build(&|m| ix::execute_trigger(&stage.listings, m, triggers[0], None).expect("builds")),
            "Settling",
        ),
        (
            "entry",
            build(&|m| ix::execute_trigger(&stage.listings, m, triggers[1], None).expect("builds")),
            "Settling",
        ),
        ("liquidate", stage.liquidate_instruction(&scene.taker, &loser.margin, A, u64::MAX), "Settling"),
        (
            "liquidate_to_pool",
            build(&|m| ix::liquidate_to_pool(&stage.listings, m, A, None).expect("builds")),
            "Settling",
        ),
        (
            "auto_deleverage",
            build(&|m| ix::auto_deleverage(&stage.listings, m, A, None).expect("builds")),
            "Settling",
        ),
        ("rebalance", ix::rebalance_market(A), "Settling"),
        ("refresh", ix::refresh_market(A, World::oracles(&UNI)), "Settling"),
        ("allocate", ix::allocate_liquidity(&stage.listings, A), "Settling"),
    ];
    let keys = [&loser.key, &scene.taker.key, &scene.other.key];
    for days in [0, 1, 30] {
        stage.advance(days * 86_400);
        stage.refresh_one(B, 0);
        stage.print(&UNI, CRASHED, 0);
        for (what, call, name) in &calls {
            // Time can't change it; triggers would have expired.
            if days == 0 || !(*what == "stop-loss" || *what == "entry") {
                let signers: Vec<_> = keys
                    .iter()
                    .copied()
                    .filter(|k| call.accounts.iter().any(|a| a.is_signer && a.pubkey == k.pubkey()))
                    .collect();
                refused(stage, call.clone(), &signers, name, what);
            }
        }
    }
    stage.settle(&loser.margin, A).expect("settle_position");
    stage.send(&[ix::sweep_market(A)], &[]).expect("fees are no trade");
}

#[test]
fn positions_settle_at_the_frozen_price_whenever_and_in_whatever_order() {
    let scene = Scene::new();
    let price = scene.stage.mark(A);
    assert_eq!(price, (1_i128 << 32) * 115 / 1_024);
    let run = |order: [usize; 4], days: i64| {
        let mut scene = scene.fork();
        let holders = scene.holders().map(|t| t.margin);
        for i in order {
            scene.stage.advance(days * 86_400);
            let before = scene.stage.quote(&holders[i]);
            let cash = scene.cash();
            let e = settled(scene.stage.settle(&holders[i], A));
            assert_eq!((e.position_lots, e.claim_paid, e.profit, e.forgone), (0, 0, 0, 0));
            // What was lost is in the market's cash at once.
            assert_eq!(before - scene.stage.quote(&holders[i]), i128::from(e.loss));
            assert_eq!(scene.cash() - cash, e.loss);
        }
        let quotes = holders.map(|key| scene.stage.quote(&key));
        (quotes, scene.claims(), scene.cash())
    };
    let (quotes, claims, cash) = run([0, 1, 2, 3], 0);
    // Half of 101.5625 and 0.096 of the curve, half of 152.34375 and 0.129; lost are 50.78125 and 0.041.
    near(claims[0].into(), 50_829_250, 1, "the first claim");
    near(claims[1].into(), 76_236_375, 1, "the second");
    near(5_000_000_000 - quotes[2], 50_822_250, 1, "the loss");
    assert_eq!(quotes[..2], [10_000_000_000; 2], "nobody is paid yet");
    assert!(cash > 50_781_250 && cash < claims[0] + claims[1]);
    for order in [[3, 2, 1, 0], [2, 0, 3, 1], [1, 3, 0, 2]] {
        assert_eq!(run(order, 0), (quotes, claims, cash), "{order:?}");
        assert_eq!(run(order, 40), (quotes, claims, cash), "{order:?}, 40 days between them");
    }
}

#[test]
fn claims_wait_for_every_position_and_are_then_paid_the_same_part_in_any_order() {
    let mut scene = Scene::new();
    let [first, second, loser, taker] = scene.holders().map(|t| t.margin);
    for key in [first, taker, second] {
        scene.stage.settle(&key, A).expect("settle_position");
        is(scene.stage.settle(&first, A), "ClaimsWait");
    }
    scene.stage.settle(&loser, A).expect("the last one");
    let (claims, cash) = (scene.claims().map(i128::from), i128::from(scene.cash()));
    let all: i128 = claims.iter().sum();
    assert!(cash < all, "{cash} for {all}");
    let run = |order: [usize; 2]| {
        let mut scene = scene.fork();
        let mut paid = [0; 2];
        for i in order {
            let key = scene.winners[i].margin;
            let e = settled(scene.stage.settle(&key, A));
            assert_eq!(i128::from(e.claim_paid + e.forgone), claims[i], "what is not paid is gone");
            assert!(!scene.stage.position(&key, A).is_open());
            assert_eq!(scene.stage.quote(&key) - 10_000_000_000, i128::from(e.claim_paid));
            is(scene.stage.settle(&key, A), "NoPosition");
            paid[i] = e.claim_paid.into();
        }
        let book = scene.stage.market(A).core.book;
        assert_eq!(i128::from(book.cash), cash - paid.iter().sum::<i128>(), "never more than there is");
        assert!(book.cash <= 2, "dust");
        assert_eq!((book.unpaid_claims, book.positions, book.unbacked), (0, 0, 0));
        scene.stage.check_invariants(A, &[]);
        paid
    };
    let (one, two) = (run([0, 1]), run([1, 0]));
    for i in 0..2 {
        near(one[i], claims[i] * cash / all, 2, "pro rata");
        near(one[i], two[i], 1, "whoever comes first");
    }
}

#[test]
fn many_claims_are_paid_alike_however_they_are_shuffled() {
    // Shorts of 1 to 6 UNI at as many entries, and a loser.
    let mut stage = Stage::new();
    let bankrupt = stage.holder(1_000, (A, Side::Long), 100 * ONE);
    let mut shorts = Vec::new();
    for uni in 1..=6_u32 {
        stage.settle_at(A, (124 + i64::from(uni % 3)) * PRINT);
        shorts.push(stage.holder(10_000, (A, Side::Short), u64::from(uni) * ONE));
    }
    stage.settle_at(A, CRASHED);
    let taker = stage.funded_trader(1_000_000 * DOLLAR);
    stage.take_over(&taker, &bankrupt, A, u64::MAX);
    stage.drain(A, 280 * DOLLAR);
    stage.resolve_bankruptcy(&bankrupt.margin, A).expect("resolve_bankruptcy");
    assert!(stage.market(A).core.is_settling());
    for who in shorts.iter().chain([&taker]) {
        stage.settle(&who.margin, A).expect("settle_position");
    }
    let cash = i128::from(stage.market(A).core.book.cash);
    let claims: Vec<i128> = shorts.iter().map(|s| stage.position(&s.margin, A).quote.0.into()).collect();
    let sum: i128 = claims.iter().sum();
    for shuffle in [[0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0], [3, 0, 5, 1, 4, 2], [2, 4, 1, 5, 0, 3]] {
        let (mut stage, mut left) = (stage.fork(), cash);
        for i in shuffle {
            let paid = i128::from(settled(stage.settle(&shorts[i].margin, A)).claim_paid);
            near(paid, claims[i] * cash / sum, 4, "pro rata but for dust");
            left -= paid;
        }
        assert!((0..=6).contains(&left) && i128::from(stage.market(A).core.book.cash) == left, "{left}");
    }
}

#[test]
fn the_frozen_price_is_the_better_one_for_the_market_and_both_must_say_that_it_is_short() {
    // Taken over and all, the traders are long: the lower price is the better one. At 111.33 they are owed 92 dollars less,
    // more than is missing.
    let price = |bits: u64| Price::from_bits(bits).expect("a price");
    let per_lot = |cents: u64| (cents << 32) / 100_000;
    for (average, frozen) in
        [(11_250, Some(false)), (11_300, Some(false)), (11_220, Some(true)), (11_133, None)]
    {
        let mut scene = Scene::ruined(280 * DOLLAR);
        scene.stage.tamper::<Market>(&address::market(A), |m| m.core.oracle.ema = price(per_lot(average)));
        let live = scene.stage.market(A).core.mark().to_bits();
        match frozen {
            None => {
                let e =
                    resolved(&scene.stage.resolve_bankruptcy(&scene.bankrupt.margin, A).expect("resolve"));
                assert!(e.traders > 0 && !scene.stage.market(A).core.is_settling(), "{e:?}");
                scene.stage.refresh();
            }
            Some(lower) => {
                let wanted = if lower { per_lot(average) } else { live };
                assert_eq!(scene.ruin(), wanted, "{average}");
                let oracle = scene.stage.market(A).core.oracle;
                assert_eq!((oracle.price, oracle.ema, oracle.conf), (price(wanted), price(wanted), 0));
            }
        }
    }
}

#[test]
fn other_markets_live_on_untouched() {
    let mut scene = Scene::ruined(280 * DOLLAR);
    let (duo, holder) = (address::market(B), scene.other.margin);
    let bytes =
        |scene: &Scene| [duo, holder].map(|key| scene.stage.svm.get_account(&key).expect("there").data);
    let before = bytes(&scene);
    scene.ruin();
    scene.settle_all();
    for i in 0..2 {
        let key = scene.winners[i].margin;
        scene.stage.settle(&key, A).expect("the claim");
    }
    assert!(bytes(&scene) == before);
    let stage = &mut scene.stage;
    stage.open(&scene.other, B, Side::Long, ONE).expect("open");
    stage.move_to(B, 120 * PRINT);
    stage.close(&scene.other, B, u64::MAX).expect("close");
    let provider = stage.trader(1_000 * DOLLAR);
    stage.add_liquidity(&provider, 1_000 * DOLLAR).expect("the pool is open");
    stage.send(&[ix::sweep_market(B)], &[]).expect("sweep_market");
}

#[test]
fn what_is_left_goes_back_to_the_pool_and_the_accounts_can_be_closed() {
    let mut scene = Scene::new();
    scene.settle_all();
    // As if a claimant had forfeited: more is there than is claimed.
    scene.stage.drain(A, 1_000 * DOLLAR);
    let (claims, committed) = (scene.claims(), scene.stage.market(A).core.book.committed);
    let allocate = ix::allocate_liquidity(&scene.stage.listings, A);
    refused(&mut scene.stage, allocate.clone(), &[], "Settling", "the claims come first");
    for (winner, claim) in scene.winners.iter().zip(claims) {
        let e = settled(scene.stage.settle(&winner.margin, A));
        assert_eq!((e.claim_paid, e.forgone), (claim, 0), "in full");
    }
    let (left, idle) = (scene.cash(), scene.stage.pool().core.idle);
    assert_eq!(left, 1_000 * DOLLAR - claims[0] - claims[1]);
    scene.stage.refresh_one(B, 0);
    scene.stage.send(std::slice::from_ref(&allocate), &[]).expect("allocate_liquidity");
    assert_eq!((scene.cash(), scene.stage.pool().core.idle), (0, idle + left));
    assert_eq!(scene.stage.market(A).core.book.committed, committed - left.min(committed));
    refused(&mut scene.stage, allocate, &[], "NothingToAllocate", "nothing is lent to it again");
    for who in [&scene.winners[0], &scene.winners[1], &scene.loser, &scene.taker, &scene.bankrupt] {
        let quote = scene.stage.margin(&who.margin).quote.units_or_zero();
        if quote > 0 {
            scene.stage.withdraw(who, 0, (who.tokens, quote)).expect("withdraw");
        }
        let close = ix::close_margin_account(who.key.pubkey(), who.margin);
        scene.stage.send(&[close], &[&who.key]).expect("close_margin_account");
    }
    let holder = &scene.other;
    scene.stage.close(holder, B, u64::MAX).expect("and the others trade");
}
