//! Which leg goes first, and at which prices an account is judged.

use bulwark_sdk::address;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::program::state::{Exchange, Market};
use bulwark_tests::Trader;
use bulwark_tests::fixtures::{DOLLAR, PRINT};

use crate::support::*;

/// 125 dollars less a sixteenth.
const FALLEN: i64 = 117 * PRINT + PRINT * 3 / 16;

/// Long 100 UNI and `duo` DUO on so many dollars; UNI has lost a sixteenth, 781.25 dollars.
fn scene(dollars: u64, duo: u64) -> (Stage, Trader, Trader) {
    let mut stage = Stage::new();
    let victim = stage.holder(10_000, (A, Side::Long), 100 * ONE);
    stage.open(&victim, B, Side::Long, duo).expect("open");
    stage.take_quote(&victim.margin, i128::from((10_000 - dollars) * DOLLAR));
    let taker = stage.funded_trader(100_000 * DOLLAR);
    stage.move_to(A, FALLEN);
    (stage, victim, taker)
}

#[test]
fn the_leg_that_requires_most_goes_first_whoever_calls() {
    // 363.28 dollars for UNI, 232.5 for 60 DUO; about 418 are there.
    let (mut stage, victim, taker) = scene(1_200, 60 * ONE);
    assert_eq!(stage.requirement(&victim.margin), 363_281_250 + 232_500_000);
    assert!(stage.equity(&victim.margin) < 420_000_000);
    for lots in [0, u64::MAX] {
        let wrong = stage.liquidate_instruction(&taker, &victim.margin, B, lots);
        refused(&mut stage, wrong, &[&taker.key], "NotTheWorst", "the smaller leg");
    }
    is(stage.liquidate_to_pool(&victim.margin, B, None), "NotTheWorst");
    let ratio = (stage.equity(&victim.margin), stage.requirement(&victim.margin));
    let fill = stage.take_over(&taker, &victim, A, u64::MAX);
    // π_zero = 3.1 % · 417.88 / 595.78; the whole account's health counts, not the leg's.
    let wanted = terms(ratio.0, ratio.1, stage.mark(A), 0);
    assert_eq!(fill.lots, wanted.lots.min(100 * ONE));
    near(fill.concession.into(), part(worth(fill.lots, stage.mark(A)), wanted.concession), 4, "concession");
    let after = (stage.equity(&victim.margin), stage.requirement(&victim.margin));
    assert!(after.0 * ratio.1 >= ratio.0 * after.1, "E/MM did not fall");
}

#[test]
fn of_two_that_require_the_same_either_may_go() {
    let (mut stage, victim, taker) = scene(1_800, 100 * ONE);
    stage.move_to(B, FALLEN);
    assert_eq!(stage.notional(&victim.margin, A), stage.notional(&victim.margin, B));
    for market in [A, B] {
        assert_eq!(stage.fork().take_over(&taker, &victim, market, ONE).market, market);
    }
    // A bit less of one, and it is the other one's turn.
    let fill = stage.take_over(&taker, &victim, A, ONE);
    assert_eq!(fill.lots, ONE);
    is(stage.liquidate(&taker, &victim.margin, A, ONE), "NotTheWorst");
    assert_eq!(stage.take_over(&taker, &victim, B, ONE).lots, ONE);
}

#[test]
fn a_leg_whose_oracle_is_disputed_is_skipped() {
    // 168 dollars are there, DUO alone asks for 232.5: in trouble even if UNI asks for nothing.
    let (mut stage, victim, taker) = scene(950, 60 * ONE);
    stage.tamper::<Market>(&address::market(A), |m| m.core.oracle.divergent = 1);
    // It asks for nothing, so it is not the worst.
    is(stage.liquidate(&taker, &victim.margin, A, u64::MAX), "NotTheWorst");
    is(stage.liquidate_to_pool(&victim.margin, A, None), "NotTheWorst");
    let fill = stage.take_over(&taker, &victim, B, u64::MAX);
    // Equity at the last price of UNI, requirement of DUO alone.
    let equity = 950_000_000 - 781_250_000 - 625_000 - 225_000;
    let wanted = terms(equity, 232_500_000, stage.mark(B), 0);
    assert_eq!(fill.lots, wanted.lots.min(60 * ONE));
    near(fill.concession.into(), part(worth(fill.lots, stage.mark(B)), wanted.concession), 4, "concession");
    // With 250 dollars it is healthy as long as the dispute lasts.
    let (mut stage, victim, taker) = scene(1_032, 60 * ONE);
    let mut agreed = stage.fork();
    agreed.liquidate(&taker, &victim.margin, A, 0).expect("in trouble");
    stage.tamper::<Market>(&address::market(A), |m| m.core.oracle.divergent = 1);
    is(stage.liquidate(&taker, &victim.margin, B, 0), "Healthy");
}

#[test]
fn the_only_leg_can_not_go_at_a_price_that_is_disputed_or_dead() {
    // The price has fallen by 16: 600 dollars are missing, and nothing is asked for.
    for dead in [false, true] {
        let mut stage = Stage::new();
        let victim = stage.holder(1_000, (A, Side::Long), 100 * ONE);
        let taker = stage.funded_trader(100_000 * DOLLAR);
        stage.move_to(A, 109 * PRINT);
        stage.tamper::<Market>(&address::market(A), |m| m.core.oracle.divergent = u8::from(!dead));
        stage.advance(if dead { 601 } else { 1 });
        let name = if dead { "PriceStale" } else { "PriceDivergent" };
        is(stage.liquidate(&taker, &victim.margin, A, u64::MAX), name);
        is(stage.liquidate_to_pool(&victim.margin, A, None), name);
    }
}

#[test]
fn a_stale_leg_must_be_refreshed_until_it_is_dead() {
    let (stage, victim, taker) = scene(950, 60 * ONE);
    let printed = stage.now();
    let at = |age: i64, market: u16| {
        let mut stage = stage.fork();
        stage.set_clock(printed + age);
        stage.refresh_one(B, 0);
        stage.liquidate(&taker, &victim.margin, market, 0).err().and_then(|failure| failure.name)
    };
    // The position itself must have the price of a trade: 5 seconds.
    assert_eq!(at(5, A), None);
    assert_eq!(at(6, A).as_deref(), Some("PriceStale"));
    // A minute old it counts as it is and goes first; older it must be refreshed; after ten minutes it is skipped.
    assert_eq!(at(60, B).as_deref(), Some("NotTheWorst"));
    assert_eq!(at(61, B).as_deref(), Some("PriceStale"));
    assert_eq!(at(600, B).as_deref(), Some("PriceStale"));
    assert_eq!(at(601, B), None);
}

#[test]
fn a_dead_leg_counts_at_its_last_price_and_asks_for_nothing() {
    let (mut stage, victim, taker) = scene(950, 60 * ONE);
    stage.advance(601);
    stage.refresh_one(B, 0);
    let fill = stage.take_over(&taker, &victim, B, u64::MAX);
    let equity = 950_000_000 - 781_250_000 - 625_000 - 225_000;
    near(
        fill.concession.into(),
        part(worth(fill.lots, stage.mark(B)), terms(equity, 232_500_000, stage.mark(B), 0).concession),
        4,
        "π",
    );
    let (mut stage, victim, taker) = scene(1_032, 60 * ONE);
    stage.advance(601);
    stage.refresh_one(B, 0);
    is(stage.liquidate(&taker, &victim.margin, B, 0), "Healthy");
}

#[test]
fn a_wide_price_liquidates_only_who_is_in_trouble_at_its_better_end() {
    for (side, price) in [(Side::Long, FALLEN), (Side::Short, 132 * PRINT + PRINT * 13 / 16)] {
        let mut stage = Stage::new();
        let victim = stage.holder(1_000, (A, side), 100 * ONE);
        let taker = stage.funded_trader(100_000 * DOLLAR);
        stage.move_to(A, price);
        // 218.125 of 363.28 or 411.72: 145.156 or 193.594 dollars are missing, on 100 UNI.
        let missing = stage.requirement(&victim.margin) - stage.equity(&victim.margin);
        assert_eq!(missing, if side == Side::Long { 145_156_250 } else { 193_593_750 });
        let conf = u64::try_from(missing).expect("missing"); // /100 per UNI, in prints of eight decimals: the same number
        let at = |conf: u64| {
            let mut stage = stage.fork();
            stage.advance(1);
            stage.refresh_one(A, conf);
            stage.liquidate(&taker, &victim.margin, A, u64::MAX).map(|outcome| liquidated(&outcome))
        };
        let limit = u64::try_from(price / 100).expect("a price");
        assert!(conf > limit, "wider than 1 %");
        // Fresh up to 1 %: nothing is given.
        let fresh = at(limit - 1).expect("in trouble");
        let wide = at(conf - 1_000).expect("in trouble at the better end too");
        assert_eq!(
            (wide.lots, wide.concession, wide.insurance),
            (fresh.lots, fresh.concession, fresh.insurance)
        );
        assert!(at(conf + 1_000).expect_err("not in trouble at the better end").is("Healthy"));
        is(at_pool(&stage, &victim, conf + 1_000), "Healthy");
        assert_eq!(at_pool(&stage, &victim, conf - 1_000).map(|_| ()).map_err(|f| f.name), Ok(()));
    }
}

/// What the pool says to the account at this confidence.
fn at_pool(
    stage: &Stage,
    victim: &Trader,
    conf: u64,
) -> Result<bulwark_tests::Outcome, bulwark_tests::Failure> {
    let mut stage = stage.fork();
    stage.advance(1);
    stage.refresh_one(A, conf);
    stage.liquidate_to_pool(&victim.margin, A, None)
}

#[test]
fn doubt_about_another_leg_counts_for_the_account_too() {
    // 418 − 0.85 of 595.78 dollars: 177.88 are missing; DUO's confidence of 3 dollars is worth 180 on 60.
    let (mut stage, victim, taker) = scene(1_200, 60 * ONE);
    let missing = stage.requirement(&victim.margin) - stage.equity(&victim.margin);
    near(missing, 177_881_250, 1, "missing");
    stage.advance(1);
    stage.refresh_one(B, 3 * PRINT as u64);
    stage.refresh_one(A, 0);
    is(stage.liquidate(&taker, &victim.margin, A, 0), "Healthy");
    stage.advance(1);
    stage.refresh_one(B, 29 * PRINT as u64 / 10);
    stage.refresh_one(A, 0);
    stage.liquidate(&taker, &victim.margin, A, 0).expect("174 dollars of doubt are not enough");
}

/// Both markets in group 1, whose smaller side counts 40 %.
fn grouped(stage: &mut Stage) {
    stage.tamper::<Exchange>(&address::exchange(), |e| e.params.risk_groups.offset_ppm[0] = 600_000);
    for market in [A, B] {
        stage.set_params(market, |p| p.risk_group = 1);
    }
}

#[test]
fn in_a_risk_group_only_the_part_that_is_freed_for_sure_counts() {
    let mut stage = Stage::new();
    grouped(&mut stage);
    let victim = stage.holder(1_000, (A, Side::Long), 100 * ONE);
    stage.open(&victim, B, Side::Short, 100 * ONE).expect("open");
    let taker = stage.funded_trader(100_000 * DOLLAR);
    stage.move_to(A, FALLEN);
    let equity = stage.equity(&victim.margin);
    assert_eq!(equity, 1_000_000_000 - 781_250_000 - 2 * 625_000);
    // 387.5 for the shorts and 40 % of 363.28125 for the longs.
    let requirement = 532_812_500;
    is(stage.liquidate(&taker, &victim.margin, A, 0), "NotTheWorst");
    stage.liquidate(&taker, &victim.margin, B, 0).expect("starts");
    stage.keep_calling((&taker, &victim), B, 20);
    let fill = stage.take_over(&taker, &victim, B, u64::MAX);
    // The shorts count 24.21875 more than the longs: a sixteenth of them is freed in full. π_zero = 3.1 % · 217.5 / 532.8125.
    near(fill.concession.into(), 781_250_000 * 31_000 / 1_000_000 * equity / requirement, 4, "π_zero");
    assert_eq!((fill.lots, fill.insurance), (100 * ONE / 16, 0));
    let (left, needed) = (stage.equity(&victim.margin), 363_281_250 * 14 / 10);
    assert!(left * requirement >= equity * needed, "E/MM did not fall");
    // Now they are even, and only 40 % of 3.1 % are sure; the rest goes at once. π_zero = 1.24 % · E / 508.59375.
    let (equity, requirement) = (left, needed);
    stage.pass(1);
    let fill = stage.take_over(&taker, &victim, B, u64::MAX);
    assert_eq!((fill.lots, fill.insurance), (100 * ONE / 16 * 15, 0));
    near(fill.concession.into(), 11_718_750_000 * 12_400 / 1_000_000 * equity / requirement, 6, "π_zero");
    let (left, needed) = (stage.equity(&victim.margin), stage.requirement(&victim.margin));
    assert_eq!(needed, 363_281_250, "the longs alone");
    assert!(left * requirement >= equity * needed, "E/MM did not fall");
}

#[test]
fn in_a_risk_group_a_part_below_the_minimum_does_not_go_first() {
    // As above: a sixteenth of 12,500 dollars is freed in full, 781.25.
    for (least, parts) in [(781_250_000, 1), (781_250_001, 16)] {
        let mut stage = Stage::new();
        grouped(&mut stage);
        let victim = stage.holder(1_000, (A, Side::Long), 100 * ONE);
        stage.open(&victim, B, Side::Short, 100 * ONE).expect("open");
        let taker = stage.funded_trader(100_000 * DOLLAR);
        stage.move_to(A, FALLEN);
        stage.set_params(B, |p| p.min_notional = least);
        let (equity, requirement) = (stage.equity(&victim.margin), 532_812_500);
        stage.liquidate(&taker, &victim.margin, B, 0).expect("starts");
        stage.keep_calling((&taker, &victim), B, 20);
        let fill = stage.take_over(&taker, &victim, B, u64::MAX);
        assert_eq!((fill.lots, fill.insurance), (100 * ONE / 16 * parts, 0), "{least}");
        // What goes at once with it frees 40 % of 3.1 % for sure: all of it at 1.24 % · 217.5 / 532.8125.
        let mmf = if parts == 1 { 31_000 } else { 12_400 };
        let worth = 781_250_000 * i128::from(parts);
        near(fill.concession.into(), worth * mmf / 1_000_000 * equity / requirement, 6, "π_zero");
        let needed = if parts == 1 { 363_281_250 * 14 / 10 } else { 363_281_250 };
        assert!(stage.equity(&victim.margin) * requirement >= equity * needed, "E/MM did not fall");
    }
}

#[test]
fn in_a_risk_group_without_another_side_everything_is_as_without_it() {
    let (mut stage, victim, taker) = scene(1_200, 60 * ONE);
    let mut plain = stage.fork();
    grouped(&mut stage);
    let [a, b] = [&mut stage, &mut plain].map(|stage| stage.take_over(&taker, &victim, A, u64::MAX));
    assert_eq!((a.lots, a.concession, a.insurance), (b.lots, b.concession, b.insurance));
}

#[test]
fn a_pending_unwind_of_the_account_is_applied_before_the_fill() {
    let mut stage = Stage::new();
    let victim = stage.holder(1_000, (A, Side::Long), 100 * ONE);
    let taker = stage.funded_trader(100_000 * DOLLAR);
    stage.move_to(A, 140 * PRINT + PRINT * 5 / 8);
    stage.unwind_half(A, Side::Long);
    stage.move_to(A, 106 * PRINT + PRINT / 4);
    // Half of it is gone at its entry: 50 UNI that lost 18.75 dollars each, and 0.3125 of the curve.
    let before = stage.position(&victim.margin, A);
    assert_eq!(before.lots.0, 100_000_000_000, "not settled yet");
    let (equity, requirement) = (1_000_000_000 - 937_500_000 - 312_500, ceil(5_312_500_000 * 31, 1_000));
    let fill = stage.take_over(&taker, &victim, A, u64::MAX);
    assert_eq!((fill.unwound_lots, fill.unwound_quote), (50 * ONE, 12_500_625_000 / 2));
    let wanted = terms(equity, requirement, stage.mark(A), 0);
    assert_eq!(fill.lots, wanted.lots.min(50 * ONE));
    near(fill.concession.into(), part(worth(fill.lots, stage.mark(A)), wanted.concession), 4, "π");
    assert_eq!(fill.position_lots, i64::try_from(50 * ONE - fill.lots).expect("lots"));
    stage.check_invariants(A, &[&victim, &taker]);
}

#[test]
fn a_pending_unwind_of_who_takes_over_is_applied_before_too() {
    let mut stage = Stage::new();
    let taker = stage.holder(100_000, (A, Side::Long), 10 * ONE);
    stage.settle_at(A, 140 * PRINT + PRINT * 5 / 8);
    stage.unwind_half(A, Side::Long);
    let victim = stage.holder(1_000, (A, Side::Long), 80 * ONE);
    stage.move_to(A, 131 * PRINT + PRINT / 4);
    let held = stage.position(&taker.margin, A);
    assert_eq!(held.lots.0, 10_000_000_000, "not settled yet");
    let fill = stage.take_over(&taker, &victim, A, 20 * ONE);
    assert_eq!(fill.unwound_lots, 0, "of the account in trouble");
    assert_eq!(fill.liquidator_lots, 25_000_000_000, "5 of 10, and 20");
    assert_eq!(fill.liquidator_quote, held.quote.0.div_euclid(2) + fill.cost);
    stage.check_invariants(A, &[&victim, &taker]);
}
