//! The auction: what it offers at which slot, for how many lots, to whom the fee goes, and when it ends.

use bulwark_sdk::Instruction;
use bulwark_sdk::engine::auction::LAPSE_SLOTS;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction::{self as ix, Liquidator, Margin, Order};
use bulwark_sdk::program::events::LiquidationKind;
use bulwark_tests::fixtures::{DOLLAR, PRINT};
use bulwark_tests::{Signer as _, Trader};

use crate::support::*;

/// 125 dollars less a sixteenth: a lot is worth 15/128 of a quote unit.
const FALLEN: i64 = 117 * PRINT + PRINT * 3 / 16;

/// A long of 100 UNI on 1,000 dollars that has lost a sixteenth, and somebody with 100,000 dollars. The curve took 0.625
/// dollars of 12,500 at the entry, so the equity is 1,000 − 781.25 − 0.625 = 218.125 and the requirement 3.1 % of 11,718.75.
fn scene() -> (Stage, Trader, Trader) {
    let mut stage = Stage::new();
    let victim = stage.holder(1_000, (A, Side::Long), 100 * ONE);
    let taker = stage.funded_trader(100_000 * DOLLAR);
    stage.move_to(A, FALLEN);
    assert_eq!(stage.equity(&victim.margin), 218_125_000);
    assert_eq!(
        (stage.notional(&victim.margin, A), stage.requirement(&victim.margin)),
        (11_718_750_000, 363_281_250)
    );
    (stage, victim, taker)
}

/// A call with a limit price.
fn liquidate_at(
    stage: &Stage,
    taker: &Trader,
    victim: &Trader,
    (lots, limit_price): (u64, u64),
) -> Instruction {
    let (own, account) = (stage.margin(&taker.margin), stage.margin(&victim.margin));
    let margin = Margin { address: taker.margin, account: &own };
    let taker = Liquidator { authority: taker.key.pubkey(), margin };
    let victim = Margin { address: victim.margin, account: &account };
    ix::liquidate(&stage.listings, taker, victim, Order { market: A, lots, limit_price }).expect("builds")
}

#[test]
fn a_call_for_no_lots_starts_the_auction_and_moves_nothing() {
    let (mut stage, victim, taker) = scene();
    let before = state(&stage);
    let outcome = stage.liquidate(&taker, &victim.margin, A, 0).expect("starts");
    let [Event::AuctionCalled(started)] = &outcome.events[..] else { panic!("{outcome:?}") };
    let slot = stage.slot();
    assert_eq!((started.account, started.market, started.elapsed), (victim.margin, A, 0));
    assert_eq!(started.sequence + 1, stage.market(A).sequence);
    let auction = stage.margin(&victim.margin).auction;
    assert_eq!((auction.started, auction.touched), (slot, slot));
    let changed: Vec<_> =
        state(&stage).into_iter().filter(|(k, v)| before.get(k) != Some(v)).map(|(k, _)| k).collect();
    assert_eq!(changed.len(), 2, "the account's auction and the market's sequence");
    assert_eq!((stage.equity(&victim.margin), stage.insurance(A)), (218_125_000, 0));
    // The next one says that it is still in trouble.
    for elapsed in [0, 7] {
        if elapsed > 0 {
            stage.pass(elapsed);
        }
        let outcome = stage.liquidate(&taker, &victim.margin, A, 0).expect("keeps it running");
        let [Event::AuctionCalled(called)] = &outcome.events[..] else { panic!("{outcome:?}") };
        assert_eq!(called.elapsed, elapsed);
        let auction = stage.margin(&victim.margin).auction;
        assert_eq!((auction.started, auction.touched), (slot, slot + elapsed));
    }
}

#[test]
fn a_call_of_the_pool_that_comes_too_early_starts_the_auction() {
    let (mut stage, victim, taker) = scene();
    // The longs are the lighter side.
    stage.holder(100_000, (A, Side::Short), 200 * ONE);
    let outcome = stage.liquidate_to_pool(&victim.margin, A, None).expect("starts");
    let [Event::AuctionCalled(started)] = &outcome.events[..] else { panic!("{outcome:?}") };
    assert_eq!((started.account, started.elapsed), (victim.margin, 0));
    stage.pass(10);
    assert_eq!(stage.take_over(&taker, &victim, A, u64::MAX).elapsed, 10, "the same auction");
}

#[test]
fn concession_fee_and_size_are_those_of_the_formula_at_every_slot() {
    let (mut scene, victim, taker) = scene();
    scene.liquidate(&taker, &victim.margin, A, 0).expect("starts");
    let mut last = (0, 0);
    for elapsed in [0, 5, 10, 15, 20, 40] {
        let mut stage = scene.fork();
        stage.keep_calling((&taker, &victim), A, elapsed);
        let wanted = terms(218_125_000, 363_281_250, stage.mark(A), elapsed);
        let fill = stage.take_over(&taker, &victim, A, u64::MAX);
        assert_eq!((fill.kind, fill.elapsed), (LiquidationKind::Takeover, elapsed));
        assert_eq!(fill.lots, wanted.lots.min(100 * ONE), "slot {elapsed}");
        let worth = worth(fill.lots, stage.mark(A));
        near(fill.concession.into(), part(worth, wanted.concession), 4, "concession");
        near(fill.insurance.into(), part(worth, wanted.fee), 4, "fee");
        assert_eq!(i128::from(fill.cost), i128::from(fill.concession) - worth, "mark less the concession");
        assert!((i128::from(fill.concession), fill.lots) >= last, "it rises");
        last = (fill.concession.into(), fill.lots);
        if elapsed >= 20 {
            // At π_zero only the whole position restores: π_zero · N is the whole equity.
            assert_eq!(fill.lots, 100 * ONE);
            near(fill.concession.into(), 218_125_000, 4, "all of it");
            near(stage.quote(&victim.margin), 0, 4, "nothing is left, and no debt");
        }
    }
    // By hand, first call: 0.2 % and 0.5 % of x, x = 163.3203125 / (3.255 % − 0.7 %) = 6,392.18 dollars.
    let fill = scene.take_over(&taker, &victim, A, u64::MAX);
    near(worth(fill.lots, scene.mark(A)), 6_392_184_000, 117_188, "within a step");
    near(fill.concession.into(), 12_784_368, 235, "0.2 %");
}

#[test]
fn below_an_equity_of_0_8_percent_it_starts_at_a_quarter_of_what_is_there() {
    let (mut stage, victim, taker) = scene();
    stage.move_to(A, 115 * PRINT + PRINT * 15 / 64); // 115.234375: equity 22.8125 of 11,523.4375
    assert_eq!(stage.equity(&victim.margin), 22_812_500);
    let fill = stage.take_over(&taker, &victim, A, u64::MAX);
    near(fill.concession.into(), 22_812_500 / 4, 4, "a quarter");
    near(fill.insurance.into(), 22_812_500 * 3 / 4, 4, "the rest is fee");
    assert_eq!(fill.lots, 100 * ONE, "what costs π_zero in all restores nothing in part");
    near(stage.quote(&victim.margin), 0, 8, "left");
    assert!(stage.quote(&victim.margin) >= 0, "a fee never makes equity negative");
}

#[test]
fn without_equity_there_is_neither_concession_nor_fee() {
    let (mut stage, victim, taker) = scene();
    stage.move_to(A, 113 * PRINT); // 1,200.625 dollars lost
    let (before, owed) = (stage.equity(&victim.margin), stage.equity(&taker.margin));
    assert!((-200_626_000..-200_624_000).contains(&before), "{before}");
    let fill = stage.take_over(&taker, &victim, A, u64::MAX);
    assert_eq!((fill.concession, fill.insurance, fill.lots), (0, 0, 100 * ONE));
    near(stage.quote(&victim.margin), before, 1, "the debt is the loss");
    near(stage.equity(&taker.margin), owed, 1, "the mark costs nothing");
    assert_eq!(stage.market(A).core.book.unbacked, stage.quote(&victim.margin).unsigned_abs() as u64);
}

#[test]
fn a_fill_restores_5_percent_above_the_requirement_not_a_step_more_and_ends_the_auction() {
    let (mut stage, victim, taker) = scene();
    stage.liquidate(&taker, &victim.margin, A, 0).expect("starts");
    stage.pass(10);
    let fill = stage.take_over(&taker, &victim, A, u64::MAX);
    let (equity, requirement) = (stage.equity(&victim.margin), stage.requirement(&victim.margin));
    assert!(20 * equity >= 21 * requirement, "{equity} of {requirement}");
    // A step is worth 117 187.5 units; it frees 1.7 % of that.
    assert!(20 * equity - 21 * requirement < 20 * 117_188 * 2 / 100, "{equity} of {requirement}");
    let auction = stage.margin(&victim.margin).auction;
    assert_eq!((auction.started, auction.touched, auction.ratio), (0, 0, 0), "it is over");
    assert_eq!(stage.position(&victim.margin, A).lots.0, i64::try_from(100 * ONE - fill.lots).expect("lots"));
    is(stage.liquidate(&taker, &victim.margin, A, u64::MAX), "Healthy");
    is(stage.liquidate_to_pool(&victim.margin, A, None), "Healthy");
}

#[test]
fn what_would_be_left_below_the_minimum_goes_too() {
    // The scene in small: the minimum is a thousand dollars at most.
    let mut stage = Stage::new();
    let victim = stage.holder(150, (A, Side::Long), 15 * ONE);
    let taker = stage.funded_trader(100_000 * DOLLAR);
    stage.move_to(A, FALLEN);
    // 956 dollars are to go at the start, 802 would be left.
    for (least, whole) in [(802 * DOLLAR, false), (803 * DOLLAR, true)] {
        let mut stage = stage.fork();
        stage.set_params(A, |p| p.min_notional = least);
        let fill = stage.take_over(&taker, &victim, A, u64::MAX);
        assert_eq!(fill.lots == 15 * ONE, whole, "{fill:?}");
    }
    // Who asks for less may not leave less either.
    stage.set_params(A, |p| p.min_notional = 900 * DOLLAR);
    let part = stage.liquidate_instruction(&taker, &victim.margin, A, 9 * ONE);
    refused(&mut stage, part, &[&taker.key], "BelowMinNotional", "6 UNI would be left");
    let part = stage.liquidate_instruction(&taker, &victim.margin, A, 6 * ONE);
    refused(&mut stage, part, &[&taker.key], "BelowMinNotional", "the taker would hold 6 UNI");
}

#[test]
fn the_fee_goes_to_the_markets_insurance_and_the_parts_sum() {
    let (mut stage, victim, taker) = scene();
    let (cash, before) = (i128::from(stage.market(A).core.book.cash), stage.quote(&victim.margin));
    let (taken, ledger) = (stage.equity(&taker.margin), books(&stage));
    let fill = stage.take_over(&taker, &victim, A, u64::MAX);
    assert_eq!(stage.insurance(A), i128::from(fill.insurance));
    near(stage.insurance(A), 6_392_184_000 / 200, 600, "0.5 % of 6,392 dollars");
    assert_eq!(
        i128::from(stage.market(A).core.book.cash),
        cash - i128::from(fill.paid),
        "the loss moved to cash"
    );
    assert_eq!(stage.quote(&victim.margin), before + i128::from(fill.paid) - i128::from(fill.insurance));
    near(
        stage.equity(&taker.margin) - taken,
        fill.concession.into(),
        1,
        "the taker is ahead by the concession",
    );
    assert_eq!(books(&stage).total(), ledger.total());
    let book = stage.market(A).core.book;
    assert_eq!((book.long.lots, book.short.lots), (100 * ONE, 0), "open interest stays");
    stage.check_invariants(A, &[&victim, &taker]);
}

#[test]
fn the_limit_price_bounds_what_is_paid() {
    let (mut stage, victim, taker) = scene();
    let mark = u64::try_from(stage.mark(A)).expect("a price");
    // At the start 99.8 % of the mark is paid.
    let paid = mark / 1_000 * 998;
    let low = liquidate_at(&stage, &taker, &victim, (u64::MAX, paid - mark / 1_000_000));
    refused(&mut stage, low, &[&taker.key], "LimitPrice", "a millionth less");
    let fits = liquidate_at(&stage, &taker, &victim, (u64::MAX, paid + mark / 1_000_000));
    let fill = liquidated(&stage.send(&[fits], &[&taker.key]).expect("fits"));
    near(-i128::from(fill.cost), part(worth(fill.lots, stage.mark(A)), WHOLE / 1_000 * 998), 4, "paid");
    // Nobody could meet a price of nothing.
    let (mut stage, victim, taker) = scene();
    let nothing = liquidate_at(&stage, &taker, &victim, (u64::MAX, 0));
    refused(&mut stage, nothing, &[&taker.key], "PriceOutOfRange", "no price");
}

#[test]
fn less_than_the_offer_may_be_taken_in_steps_and_more_is_cut_to_it() {
    let (mut stage, victim, taker) = scene();
    for odd in [1, params().step - 1, params().step + 1] {
        let call = stage.liquidate_instruction(&taker, &victim.margin, A, odd);
        refused(&mut stage, call, &[&taker.key], "NotAMultipleOfStep", "an odd size");
    }
    let offered = stage.fork().take_over(&taker, &victim, A, u64::MAX).lots;
    assert_eq!(stage.fork().take_over(&taker, &victim, A, offered + ONE).lots, offered);
    assert_eq!(stage.take_over(&taker, &victim, A, 10 * ONE).lots, 10 * ONE);
    assert!(stage.margin(&victim.margin).auction.started > 0, "it is not over yet");
    let (equity, requirement) = (stage.equity(&victim.margin), stage.requirement(&victim.margin));
    assert!(equity * 363_281_250 >= 218_125_000 * requirement, "E/MM did not fall");
}

#[test]
fn cutting_a_takeover_into_parts_of_one_slot_pays_nothing() {
    let (mut whole, victim, taker) = scene();
    whole.liquidate(&taker, &victim.margin, A, 0).expect("starts");
    whole.keep_calling((&taker, &victim), A, 15);
    let mut parts = whole.fork();
    let fill = whole.take_over(&taker, &victim, A, 60 * ONE);
    assert_eq!((fill.elapsed, fill.lots), (15, 60 * ONE));
    let sum: u64 = (0..6).map(|_| parts.take_over(&taker, &victim, A, 10 * ONE).concession).sum();
    assert!(
        sum <= fill.concession && fill.concession - sum < 12,
        "{sum} in parts, {} at once",
        fill.concession
    );
}

#[test]
fn without_a_call_in_10_slots_a_new_auction_begins() {
    let (mut stage, victim, taker) = scene();
    stage.liquidate(&taker, &victim.margin, A, 0).expect("starts");
    let began = stage.slot();
    assert_eq!(LAPSE_SLOTS, 10);
    stage.pass(LAPSE_SLOTS);
    let mut late = stage.fork();
    late.pass(1);
    // At slot 10 it still runs, half way from 0.2 % to 3.1 % · 218.125 / 363.28125 = 1.86133… %: 1.030666… % of 1,171.875.
    let fill = stage.take_over(&taker, &victim, A, 10 * ONE);
    assert_eq!(fill.elapsed, 10);
    near(fill.concession.into(), 12_078_125, 4, "half way");
    assert_eq!(stage.margin(&victim.margin).auction.started, began);
    // At 11 it starts from the lowest, and can be started.
    let mut started = late.fork();
    let outcome = started.liquidate(&taker, &victim.margin, A, 0).expect("starts anew");
    let [Event::AuctionCalled(called)] = &outcome.events[..] else { panic!("{outcome:?}") };
    assert_eq!((called.elapsed, started.margin(&victim.margin).auction.started), (0, began + 11));
    let fill = late.take_over(&taker, &victim, A, 10 * ONE);
    assert_eq!(fill.elapsed, 0);
    near(fill.concession.into(), 1_171_875_000 / 500, 4, "0.2 %");
    // Calls keep it alive.
    stage.pass(LAPSE_SLOTS);
    assert_eq!(stage.take_over(&taker, &victim, A, 10 * ONE).elapsed, 20);
}

#[test]
fn between_100_and_105_percent_it_is_neither_liquidated_nor_forgotten() {
    let (mut stage, victim, taker) = scene();
    stage.liquidate(&taker, &victim.margin, A, 0).expect("starts");
    let began = stage.slot();
    // 363.28 are needed; 365 are there.
    stage.write_tokens(victim.tokens, |t| t.amount = 1_000 * DOLLAR);
    stage.deposit(&victim, 146_875_000).expect("deposit");
    assert_eq!(stage.equity(&victim.margin), 365_000_000);
    is(stage.liquidate(&taker, &victim.margin, A, u64::MAX), "Healthy");
    stage.pass(10);
    assert_eq!(stage.margin(&victim.margin).auction.started, began, "field note 28: a flag, but it lapses");
    // It falls again: the same auction.
    stage.move_to(A, FALLEN - PRINT);
    let fill = stage.take_over(&taker, &victim, A, 10 * ONE);
    assert_eq!(fill.elapsed, stage.slot() - began);
}

#[test]
fn an_account_that_may_increase_again_is_out_of_its_auction() {
    let (mut stage, victim, taker) = scene();
    stage.liquidate(&taker, &victim.margin, A, 0).expect("starts");
    stage.write_tokens(victim.tokens, |t| t.amount = 2_000 * DOLLAR);
    stage.deposit(&victim, 2_000 * DOLLAR).expect("deposit");
    stage.open(&victim, A, Side::Long, ONE).expect("initial margin is there");
    assert_eq!(stage.margin(&victim.margin).auction.started, 0);
}

#[test]
fn shorts_are_taken_over_above_the_mark() {
    let mut stage = Stage::new();
    let victim = stage.holder(1_000, (A, Side::Short), 100 * ONE);
    let taker = stage.funded_trader(100_000 * DOLLAR);
    stage.move_to(A, 132 * PRINT + PRINT * 13 / 16); // 132.8125: 781.25 dollars lost
    let (equity, requirement) = (stage.equity(&victim.margin), stage.requirement(&victim.margin));
    assert_eq!((equity, requirement), (218_125_000, 411_718_750));
    stage.liquidate(&taker, &victim.margin, A, 0).expect("starts");
    stage.pass(10);
    let (taken, wanted) = (stage.equity(&taker.margin), terms(equity, requirement, stage.mark(A), 10));
    let mark = u64::try_from(stage.mark(A)).expect("a price");
    let high = liquidate_at(&stage, &taker, &victim, (u64::MAX, mark / 100 * 102));
    refused(&mut stage, high, &[&taker.key], "LimitPrice", "2 % above the mark");
    let fill = stage.take_over(&taker, &victim, A, u64::MAX);
    assert_eq!((fill.side, fill.lots), (1, wanted.lots));
    let worth = worth(fill.lots, stage.mark(A));
    near(fill.concession.into(), part(worth, wanted.concession), 4, "concession");
    near(fill.cost.into(), worth + i128::from(fill.concession), 1, "bought above the mark");
    near(stage.equity(&taker.margin) - taken, fill.concession.into(), 1, "the taker's");
    assert!(20 * stage.equity(&victim.margin) >= 21 * stage.requirement(&victim.margin));
    assert_eq!(stage.position(&taker.margin, A).lots.0, -i64::try_from(fill.lots).expect("lots"));
}

#[test]
fn the_event_carries_every_number_of_the_fill() {
    let (mut stage, victim, taker) = scene();
    stage.liquidate(&taker, &victim.margin, A, 0).expect("starts");
    stage.pass(10);
    let (before, old) = (stage.position(&victim.margin, A), stage.quote(&victim.margin));
    let fill = stage.take_over(&taker, &victim, A, u64::MAX);
    assert_eq!((fill.account, fill.liquidator, fill.market), (victim.margin, taker.margin, A));
    assert_eq!((fill.sequence + 1, i128::from(fill.price)), (stage.market(A).sequence, stage.mark(A)));
    let (left, taken) = (stage.position(&victim.margin, A), stage.position(&taker.margin, A));
    assert_eq!((fill.position_lots, fill.position_quote), (left.lots.0, left.quote.0));
    assert_eq!((fill.liquidator_lots, fill.liquidator_quote), (taken.lots.0, taken.quote.0));
    assert_eq!(taken.lots.count(), fill.lots);
    assert_eq!(taken.quote.0, fill.cost, "bought at the cost, without carry");
    // Value is conserved: what was realised and what is left is what was there.
    assert_eq!(fill.realised, -fill.cost + before.quote.0 - left.quote.0);
    assert_eq!((fill.paid, fill.claim, fill.keeper), (fill.realised, 0, 0));
    assert_eq!(fill.quote_change, fill.paid - fill.insurance);
    assert_eq!(stage.quote(&victim.margin), old + i128::from(fill.quote_change));
    assert_eq!((fill.unwound_lots, fill.unwound_quote), (0, 0));
}

#[test]
fn a_healthy_account_is_refused_by_every_call() {
    let mut stage = Stage::new();
    let victim = stage.holder(1_000, (A, Side::Long), 100 * ONE);
    let taker = stage.funded_trader(100_000 * DOLLAR);
    stage.deposit_collateral(&victim, TOKEN, ONE).expect("collateral");
    for lots in [0, ONE, u64::MAX] {
        let call = stage.liquidate_instruction(&taker, &victim.margin, A, lots);
        refused(&mut stage, call, &[&taker.key], "Healthy", "a takeover");
    }
    let account = stage.margin(&victim.margin);
    let margin = Margin { address: victim.margin, account: &account };
    let call = ix::liquidate_to_pool(&stage.listings, margin, A, Some(taker.margin)).expect("builds");
    refused(&mut stage, call, &[], "Healthy", "the pool");
    is(stage.liquidate_collateral(&taker, &victim.margin, TOKEN, u64::MAX), "Healthy");
    // To the unit or two that the worth of the collateral rounds: 95 % of 121 dollars count.
    stage.move_to(A, 121 * PRINT);
    let spare = stage.equity(&victim.margin) + 114_950_000 - stage.requirement(&victim.margin);
    assert!(spare > 3);
    stage.take_quote(&victim.margin, spare - 2);
    is(stage.liquidate(&taker, &victim.margin, A, 0), "Healthy");
    stage.take_quote(&victim.margin, 4);
    stage.liquidate(&taker, &victim.margin, A, 0).expect("in trouble");
}
