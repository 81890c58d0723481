//! Exposure is reduced at the mark, down to a cut-off leverage that falls.

use bulwark_sdk::address;
use bulwark_sdk::engine::deleverage::MAX_GAP_SLOTS;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::program::events::LiquidationKind;
use bulwark_sdk::program::state::Market;
use bulwark_tests::Trader;
use bulwark_tests::fixtures::{DOLLAR, PRINT};

use crate::instances::margin;
use crate::support::*;

/// A long of 12,500 dollars on 1,000, 12.508 times, against an inventory cap of 10,000; and a short of 1,250.
///
/// What is held cost 0.625 dollars of the curve, 100 UNI up to a skew of 100 on a scale of a million; the short was paid
/// 0.11875 more than the mark, 10 UNI at a skew of 95 on average.
fn scene() -> (Stage, Trader, Trader) {
    let mut stage = Stage::new();
    let long = stage.holder(1_000, (A, Side::Long), 100 * ONE);
    let short = stage.holder(100_000, (A, Side::Short), 10 * ONE);
    stage.set_params(A, |p| p.deleverage.inventory_cap = 10_000 * DOLLAR);
    (stage, long, short)
}

/// As if a refresh had found the exposure `slots` ago.
fn started(stage: &mut Stage, slots: u64) {
    let slot = stage.slot();
    stage.tamper::<Market>(&address::market(A), |m| {
        m.core.deleveraging_since = slot - slots;
    });
}

fn since(stage: &Stage) -> u64 {
    stage.market(A).core.deleveraging_since
}

#[test]
fn the_cutoff_falls_from_the_refresh_that_found_the_exposure_though_nobody_calls() {
    // 32.258 · 0.95^n is 12.813 at n = 18 and 12.173 at n = 19: it reaches 12.508 after 38 slots.
    let (mut stage, long, _) = scene();
    assert_eq!(since(&stage), 0, "nobody has looked yet");
    is(stage.auto_deleverage(&long.margin, A, None), "BelowCutoff");
    assert_eq!(since(&stage), 0, "what is refused is not remembered");
    stage.refresh();
    let found = stage.slot();
    assert_eq!(since(&stage), found);
    for _ in 0..36 {
        stage.pass(1);
    }
    let mut late = stage.fork();
    stage.pass(1);
    assert_eq!((stage.slot(), since(&stage)), (found + 37, found));
    is(stage.auto_deleverage(&long.margin, A, None), "BelowCutoff");
    stage.pass(1);
    let fill = liquidated(&stage.auto_deleverage(&long.margin, A, None).expect("the first slot"));
    // 999.375 · 12.17268… = 12,165.08: 334.92 too much, 2.679… UNI.
    assert_eq!((fill.elapsed, fill.lots), (38, 2_680_000_000));
    // The slot counts, not the refreshes: one is enough, and the price must be one to trade at.
    late.advance_slots(2);
    assert_eq!(late.slot(), found + 38);
    let fill = liquidated(&late.auto_deleverage(&long.margin, A, None).expect("no refresh since"));
    assert_eq!((fill.elapsed, fill.lots), (38, 2_680_000_000));
}

#[test]
fn the_clock_ends_with_the_refresh_that_finds_no_exposure_and_starts_anew() {
    // Exposed above 10,000 dollars: 80 UNI. Over at 9,000: 72 UNI.
    let (mut stage, long, short) = scene();
    stage.refresh();
    let found = since(&stage);
    stage.open(&short, A, Side::Short, 10 * ONE).expect("open");
    stage.pass(20);
    assert_eq!(since(&stage), found, "80 UNI: not above the cap, but it goes on until 72");
    stage.open(&short, A, Side::Short, 8 * ONE - ONE / 1_000).expect("open");
    stage.pass(20);
    assert_eq!(since(&stage), found, "72.001 UNI");
    let mut over = stage.fork();
    over.open(&short, A, Side::Short, ONE / 1_000).expect("open");
    assert_eq!(since(&over), found, "a trade does not look");
    is(over.auto_deleverage(&long.margin, A, None), "NotExposed");
    over.refresh();
    assert_eq!(since(&over), 0, "72 UNI");
    // 80 UNI do not start it again, 80.001 do, from the highest leverage.
    over.close(&short, A, 8 * ONE).expect("close");
    over.pass(20);
    assert_eq!(since(&over), 0);
    over.close(&short, A, ONE / 1_000).expect("close");
    over.pass(3);
    assert_eq!(since(&over), over.slot());
    is(over.auto_deleverage(&long.margin, A, None), "BelowCutoff");
    over.pass(MAX_GAP_SLOTS);
    over.pass(38 - MAX_GAP_SLOTS);
    let fill = liquidated(&over.auto_deleverage(&long.margin, A, None).expect("38 slots later"));
    assert_eq!(fill.elapsed, 38);
}

#[test]
fn without_a_refresh_in_25_slots_the_cutoff_starts_anew() {
    assert_eq!(MAX_GAP_SLOTS, 25);
    let (mut scene, long, _) = scene();
    scene.refresh();
    let found = scene.slot();
    for (gap, begins) in [(25, found), (26, found + 20 + 26)] {
        let mut stage = scene.fork();
        stage.pass(20);
        stage.pass(gap);
        assert_eq!(since(&stage), begins, "{gap}");
        if begins == found {
            let fill = liquidated(&stage.auto_deleverage(&long.margin, A, None).expect("since slot 38"));
            assert_eq!(fill.elapsed, 45);
            continue;
        }
        is(stage.auto_deleverage(&long.margin, A, None), "BelowCutoff");
        stage.pass(20);
        stage.pass(17);
        is(stage.auto_deleverage(&long.margin, A, None), "BelowCutoff");
        stage.pass(1);
        let fill = liquidated(&stage.auto_deleverage(&long.margin, A, None).expect("38 slots later"));
        // As in the first round: 2.679… UNI.
        assert_eq!((fill.elapsed, fill.lots), (38, 2_680_000_000));
    }
}

#[test]
fn a_refused_call_leaves_the_cutoff_where_it_was() {
    let (mut stage, long, _) = scene();
    let call = margin(&stage, &long.margin, |m| {
        bulwark_sdk::instruction::auto_deleverage(&stage.listings, m, A, None).expect("builds")
    });
    refused(&mut stage, call, &[], "BelowCutoff", "32.26 times at the start");
}

#[test]
fn an_account_above_the_cutoff_is_reduced_to_it_at_the_mark_and_loses_nothing() {
    // n steps of 5 %: 32.258 · 0.95^18 = 12.813 is above the account's 12.508, 0.95^20 makes 11.564.
    let (mut scene, long, short) = scene();
    started(&mut scene, 37);
    is(scene.auto_deleverage(&long.margin, A, None), "BelowCutoff");
    let mut stage = scene.fork();
    started(&mut stage, 40);
    let (equity, insurance) = (stage.equity(&long.margin), stage.insurance(A));
    let fill = liquidated(&stage.auto_deleverage(&long.margin, A, None).expect("above it"));
    assert_eq!((fill.kind, fill.elapsed, fill.liquidator), (LiquidationKind::Deleveraging, 40, long.margin));
    // 999.375 dollars · 11.5640620 = 11,556.834: 943.166 too much, 7.545… UNI.
    assert_eq!(fill.lots, 7_546_000_000);
    assert_eq!((fill.concession, fill.insurance, fill.keeper), (0, 0, 0));
    near(stage.equity(&long.margin), equity, 1, "nobody loses equity");
    assert_eq!(stage.insurance(A), insurance);
    is(stage.auto_deleverage(&short.margin, A, None), "LighterSide");
    is(stage.auto_deleverage(&long.margin, A, None), "BelowCutoff");
    stage.check_invariants(A, &[&long, &short]);
}

#[test]
fn nothing_is_reduced_while_skew_and_profit_are_below_their_limits() {
    // The skew is 90 UNI: 11,250 dollars.
    for (cap, name) in [(11_250 * DOLLAR, "NotExposed"), (11_250 * DOLLAR - 1, "BelowCutoff")] {
        let (mut stage, long, _) = scene();
        stage.set_params(A, |p| p.deleverage.inventory_cap = cap);
        is(stage.auto_deleverage(&long.margin, A, None), name);
        stage.refresh();
        assert_eq!(since(&stage) != 0, name == "BelowCutoff");
    }
}

#[test]
fn it_goes_on_below_the_cap_and_ends_at_nine_tenths_of_it() {
    // Two slots each: 32.258 · 0.95^19 … 0.95^23 = 12.173, 11.564, 10.986, 10.437, 9.915 times 999.375 dollars. In UNI at 125:
    // 97.3207, 92.4547, 87.8319, 83.4403, 79.2683 rounded down to a thousandth, and the skew is 10 less. Nine tenths of the
    // cap are 9,000 dollars, a skew of 72 UNI: the last call takes 1.44 UNI, not 4.172.
    let (mut stage, long, short) = scene();
    started(&mut stage, 36);
    let equity = stage.equity(&long.margin);
    for left in [97_320, 92_454, 87_831, 83_440, 82_000] {
        assert_ne!(since(&stage), 0, "{left}");
        stage.pass(2);
        stage.auto_deleverage(&long.margin, A, None).expect("above the cut-off");
        let lots = stage.position(&long.margin, A).lots.0;
        assert_eq!(lots / 1_000_000, left);
    }
    assert_eq!(stage.market(A).core.book.skew().expect("skew").0, 72_000_000_000, "the target to the lot");
    assert_eq!(since(&stage), 0, "over at once, without a refresh");
    near(stage.equity(&long.margin), equity, 5, "a unit each time at most");
    started(&mut stage, 200);
    is(stage.auto_deleverage(&long.margin, A, None), "NotExposed");
    stage.check_invariants(A, &[&long, &short]);
}

/// The same at 140.625 dollars, an eighth more: a skew of 90 UNI is owed 1,406.25 less 0.625 plus 0.11875 of the curve.
const OWED: i128 = 1_405_743_750;

#[test]
fn profit_above_its_share_of_cash_is_exposure_until_it_is_below_the_target() {
    let (mut scene, long, short) = scene();
    scene.set_params(A, |p| {
        p.deleverage.inventory_cap = u64::MAX;
        (p.deleverage.profit_high_ppm, p.deleverage.profit_target_ppm) = (800_000, 700_000);
    });
    scene.settle_at(A, 140 * PRINT + PRINT * 5 / 8);
    // 80 % of 1,757.179688 dollars are what is owed; of a unit less they are a unit less.
    for (cash, exposed) in [(1_757_179_688, false), (1_757_179_687, true)] {
        let mut stage = scene.fork();
        stage.drain(A, cash);
        stage.refresh();
        assert_eq!(since(&stage) != 0, exposed, "{cash}");
        let name = if exposed { "BelowCutoff" } else { "NotExposed" };
        is(stage.auto_deleverage(&long.margin, A, None), name);
    }
    let stage = &mut scene;
    stage.drain(A, 1_757_179_687);
    started(stage, 60);
    let equity = stage.equity(&long.margin);
    let owed = |stage: &Stage| {
        let worth = |who: &Trader| stage.equity(&who.margin) - stage.quote(&who.margin);
        worth(&long) + worth(&short)
    };
    assert_eq!(owed(stage), OWED);
    let mut calls = 0;
    while since(stage) != 0 {
        let before = owed(stage);
        assert!(before * 10 > i128::from(stage.market(A).core.book.cash) * 7, "above 70 %: {before}");
        if stage.auto_deleverage(&long.margin, A, None).is_ok() {
            calls += 1;
        }
        stage.pass(2);
    }
    // Every dollar realised leaves the cash too: over at 70 % of what is left.
    assert!(calls > 1 && owed(stage) * 10 <= i128::from(stage.market(A).core.book.cash) * 7);
    near(stage.equity(&long.margin), equity, calls, "paid in full");
    is(stage.auto_deleverage(&long.margin, A, None), "NotExposed");
    stage.check_invariants(A, &[&long, &short]);
}

#[test]
fn the_tip_is_flat_and_at_most_half_a_taker_fee_and_what_the_insurance_has() {
    // 7.546 UNI are 943.25 dollars: the fee would be 0.471625.
    let table = [
        // Tip, insurance; paid.
        (200_000, 1_000 * DOLLAR, 200_000_u64),
        (DOLLAR, 1_000 * DOLLAR, 235_812),
        (DOLLAR, 100_000, 100_000),
        (DOLLAR, 0, 0),
        (0, 1_000 * DOLLAR, 0),
    ];
    for (tip, insured, paid) in table {
        let (mut stage, long, _) = scene();
        let keeper = stage.funded_trader(16 * DOLLAR);
        stage.set_params(A, |p| (p.deleverage.keeper_tip, p.taker_fee_ppm) = (tip, 500));
        stage.insure(A, insured);
        started(&mut stage, 40);
        let (equity, quote) = (stage.equity(&long.margin), stage.quote(&keeper.margin));
        let mut alone = stage.fork();
        let outcome = stage.auto_deleverage(&long.margin, A, Some(keeper.margin)).expect("reduced");
        let fill = liquidated(&outcome);
        assert_eq!((fill.liquidator, fill.lots), (keeper.margin, 7_546_000_000));
        assert_eq!((fill.keeper, fill.insurance), (paid, -paid.cast_signed()));
        assert_eq!(stage.quote(&keeper.margin) - quote, i128::from(paid));
        assert_eq!(stage.insurance(A), i128::from(insured - paid));
        near(stage.equity(&long.margin), equity, 1, "not from the account");
        assert!(stage.market(A).core.book.fees.total().expect("fees") == 0, "nor is there a fee");
        let fill = liquidated(&alone.auto_deleverage(&long.margin, A, None).expect("reduced"));
        assert_eq!((fill.keeper, alone.insurance(A)), (0, i128::from(insured)), "without a keeper it stays");
        let own = margin(&stage, &long.margin, |m| {
            bulwark_sdk::instruction::auto_deleverage(&stage.listings, m, A, Some(long.margin))
                .expect("builds")
        });
        refused(&mut stage, own, &[], "DuplicateAccount", "the account itself is no keeper");
    }
}

#[test]
fn the_order_of_accounts_and_calls_in_a_slot_does_not_matter() {
    // Longs of 100, 60 and 40 UNI at 12.5, 15 and 5 times.
    let mut stage = Stage::new();
    let longs = [(1_000, 100), (500, 60), (1_000, 40)]
        .map(|(dollars, uni)| stage.holder(dollars, (A, Side::Long), uni * ONE));
    stage.set_params(A, |p| p.deleverage.inventory_cap = 10_000 * DOLLAR);
    started(&mut stage, 40);
    let run = |order: &[usize]| {
        let mut stage = stage.fork();
        let done: Vec<_> =
            order.iter().map(|i| stage.auto_deleverage(&longs[*i].margin, A, None).is_ok()).collect();
        (longs.each_ref().map(|l| (stage.position(&l.margin, A).lots, stage.quote(&l.margin))), done)
    };
    let (wanted, done) = run(&[0, 1, 2]);
    assert_eq!(done, [true, true, false], "5 times is below 11.56");
    for (order, ok) in
        [([2, 1, 0], [false, true, true]), ([1, 2, 0], [true, false, true]), ([0, 0, 1], [true, false, true])]
    {
        assert_eq!(run(&order), (wanted, ok.to_vec()), "{order:?}");
    }
    assert_eq!(wanted[2].0.0, 40_000_000_000);
}

#[test]
fn the_leverage_is_that_of_one_market_against_all_the_account_has() {
    // Without the rest 12.508 times. 40 DUO that won 15.625 each less 0.1 of the curve, and 8 UNI at 118.75: 1,574.9 more.
    let (mut stage, long, short) = scene();
    stage.deposit_collateral(&long, TOKEN, 8 * ONE).expect("collateral");
    stage.open(&long, B, Side::Long, 40 * ONE).expect("open");
    stage.settle_at(B, 140 * PRINT + PRINT * 5 / 8);
    let equity = stage.equity(&long.margin) + 950_000_000;
    assert_eq!(equity, 999_375_000 + 625_000_000 - 100_000 + 950_000_000);
    // 12,500 / 2,574.275 = 4.856: 32.258 · 0.95^36 = 5.089, 0.95^37 makes 4.835.
    started(&mut stage, 73);
    is(stage.auto_deleverage(&long.margin, A, None), "BelowCutoff");
    stage.pass(1);
    let call = margin(&stage, &long.margin, |m| {
        bulwark_sdk::instruction::auto_deleverage(&stage.listings, m, A, None).expect("builds")
    });
    assert_eq!(call.accounts.len(), 5, "the DUO market and the UNI vault follow");
    for legs in [3, 4] {
        let mut short = call.clone();
        short.accounts.truncate(legs);
        refused(&mut stage, short, &[], "AccountMissing", "without its legs it would seem poorer");
    }
    let fill = liquidated(&stage.auto_deleverage(&long.margin, A, None).expect("above the cut-off"));
    // 2,574.275 · 4.83488… = 12,446.3…: 0.43 UNI too much.
    let cutoff = 32.258_064_516 * 0.95_f64.powi(37);
    let over = ((12_500.0 - 2_574.275 * cutoff) / 125.0 * 1_000.0).ceil();
    assert!((fill.lots as f64 / 1e6 - over).abs() < 1e-6, "{} {over}", fill.lots);
    assert_eq!(stage.position(&long.margin, B).lots.0, 40_000_000_000, "the other leg stays");
    assert_eq!(held(&stage, &long), 8 * ONE);
    near(stage.equity(&long.margin) + 950_000_000, equity, 1, "nobody loses equity");
    stage.check_invariants(A, &[&long, &short]);
}

fn held(stage: &Stage, who: &Trader) -> u64 {
    stage.margin(&who.margin).collaterals.iter().filter(|c| c.vault == TOKEN).map(|c| c.amount).sum()
}

#[test]
fn a_late_call_takes_no_more_than_brings_the_market_to_its_target() {
    // The skew is 90 UNI, the target 72; nobody called for 80 seconds.
    let (mut stage, long, _) = scene();
    stage.refresh();
    for _ in 0..20 {
        stage.pass(10);
    }
    let fill = liquidated(&stage.auto_deleverage(&long.margin, A, None).expect("above 0.19 times"));
    assert!(fill.lots <= 18 * ONE + ONE / 1_000, "{} lots", fill.lots);
}

#[test]
fn a_late_caller_chooses_among_those_above_the_cutoff_and_takes_nobody_below_it() {
    // 100 UNI at 12.5 times and 30 at 0.375 times: 120 more than the shorts have, 48 too many.
    let (mut stage, long, _) = scene();
    let careful = stage.holder(10_000, (A, Side::Long), 30 * ONE);
    stage.refresh();
    for _ in 0..20 {
        stage.pass(10);
    }
    let equity = stage.equity(&careful.margin);
    let first = liquidated(&stage.auto_deleverage(&careful.margin, A, None).expect("0.375 is above 0.19"));
    near(stage.equity(&careful.margin), equity, 1, "nobody loses equity");
    is(stage.auto_deleverage(&careful.margin, A, None), "BelowCutoff");
    let second = liquidated(&stage.auto_deleverage(&long.margin, A, None).expect("the rest"));
    assert!(first.lots < 15 * ONE, "{} lots", first.lots);
    assert!(first.lots + second.lots <= 48 * ONE + 2 * ONE / 1_000, "{} and {}", first.lots, second.lots);
    is(stage.auto_deleverage(&long.margin, A, None), "NotExposed");
}
