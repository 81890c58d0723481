//! What stands behind the markets: the reserve, and how far open interest may grow.

use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::program::events::BankruptcyResolved;
use bulwark_sdk::{address, instruction as ix};
use bulwark_tests::fixtures::{DOLLAR, PRINT};
use bulwark_tests::{Signer as _, Trader};

use crate::support::*;

const MAX_OI: u64 = 1_250 * ONE;

/// Open interest asks for 2 % backing, and may be 1,250 UNI a side. 1,500 dollars of reserve and as much stake; 1,000 UNI
/// long, which are 125,000 dollars and ask for 2,500.
fn scene() -> (Stage, Trader, Trader) {
    let mut base = MarketParams { max_oi: MAX_OI, ..params() };
    base.waterfall.backing_ppm = 20_000;
    let mut stage = Stage::with(base);
    let giver = stage.trader(10_000 * DOLLAR);
    stage.fund_insurance(&giver, 1_500 * DOLLAR).expect("fund_insurance");
    stage.stake(&giver, 1_500 * DOLLAR).expect("stake_backstop");
    let long = stage.holder(100_000, (A, Side::Long), 1_000 * ONE);
    (stage, giver, long)
}

fn sweep(stage: &mut Stage, market: u16) -> u32 {
    match &stage.send(&[ix::sweep_market(market)], &[]).expect("sweep_market").events[..] {
        [Event::MarketSwept(e)] => {
            assert_eq!(e.oi_scale_ppm, stage.market(market).core.oi_scale_ppm);
            e.oi_scale_ppm
        }
        other => panic!("one event of a sweep, not {other:?}"),
    }
}

/// Somebody without anything owes so many dollars to the UNI market, and the waterfall pays.
fn lose(stage: &mut Stage, dollars: u64) -> BankruptcyResolved {
    let debtor = stage.trader(0);
    stage.take_quote(&debtor.margin, (dollars * DOLLAR).into());
    stage.owe(&debtor.margin, A, Side::Long);
    stage.refresh();
    resolved(&stage.resolve_bankruptcy(&debtor.margin, A).expect("resolve_bankruptcy"))
}

#[test]
fn what_covers_less_than_one_and_a_half_of_what_is_asked_for_scales_the_cap_of_open_interest() {
    let (mut stage, giver, long) = scene();
    assert_eq!(stage.market(A).core.oi_scale_ppm, 1_000_000, "nobody has looked yet");
    // 3,000 of 3,750.
    assert_eq!(sweep(&mut stage, A), 800_000);
    let cover = stage.fund_core().cover;
    assert_eq!((cover.required, cover.own), (2_500 * DOLLAR, 0));
    // 80 % of 1,250 UNI are 1,000.
    let more = stage.open_instruction(&long, A, Side::Long, ONE / 1_000);
    refused(&mut stage, more.clone(), &[&long.key], "OpenInterestCap", "a step more");
    stage.fork().holder(200_000, (B, Side::Long), 1_001 * ONE); // the other market is not scaled yet
    stage.fork().close(&long, A, ONE).expect("a close never asks");
    stage.fork().holder(200_000, (A, Side::Short), 1_000 * ONE);
    // 750 more are all that is asked for, to the unit.
    let mut short = stage.fork();
    short.fund_insurance(&giver, 749 * DOLLAR + DOLLAR / 2).expect("fund_insurance");
    assert_eq!(sweep(&mut short, A), 999_866);
    stage.fund_insurance(&giver, 750 * DOLLAR).expect("fund_insurance");
    let still = stage.market(A).core.oi_scale_ppm;
    assert_eq!(still, 800_000, "when the market is swept next");
    assert_eq!(sweep(&mut stage, A), 1_000_000);
    stage.send(&[more], &[&long.key]).expect("open");
}

#[test]
fn a_bankruptcy_scales_it_down_at_once() {
    let (mut stage, _, long) = scene();
    sweep(&mut stage, A);
    // 100 dollars of the reserve: 2,900 of 3,750.
    let e = lose(&mut stage, 100);
    assert_eq!((e.reserve, e.oi_scale_ppm), (100 * DOLLAR, 773_333));
    assert_eq!(stage.market(A).core.oi_scale_ppm, 773_333);
    let more = stage.open_instruction(&long, A, Side::Long, ONE / 1_000);
    refused(&mut stage, more, &[&long.key], "OpenInterestCap", "966.67 UNI");
    // A quarter of 1,400 less the 100, and half of the stake: 3,000 − 100 − 250 − 750.
    let e = lose(&mut stage, 5_000);
    assert_eq!((e.reserve, e.backstop), (250 * DOLLAR, 750 * DOLLAR));
    assert_eq!(e.oi_scale_ppm, 1_900 * 1_000_000 / 3_750);
}

#[test]
fn all_markets_share_what_there_is_each_as_it_was_when_swept() {
    let (mut stage, _, _) = scene();
    stage.holder(200_000, (A, Side::Short), 900 * ONE);
    assert_eq!(sweep(&mut stage, A), 800_000);
    stage.holder(100_000, (B, Side::Short), 500 * ONE);
    // 3,000 of 1.5 · (2,500 + 1,250).
    assert_eq!(sweep(&mut stage, B), 533_333);
    assert_eq!(stage.market(A).core.oi_scale_ppm, 800_000);
    assert_eq!(sweep(&mut stage, A), 533_333);
    // The larger side counts, at the live price: 1,000 UNI at 150 dollars ask for 3,000.
    stage.settle_at(A, 150 * PRINT);
    assert_eq!(sweep(&mut stage, A), 3_000 * 1_000_000 / 6_375);
    // The market's own insurance is behind it too, and what the pool loses first: 1 % of what it has.
    stage.insure(A, 1_000 * DOLLAR);
    assert_eq!(sweep(&mut stage, A), 4_000 * 1_000_000 / 6_375);
    stage.set_params(A, |p| p.waterfall.first_loss_ppm = 100);
    let scale = sweep(&mut stage, A);
    let own = stage.fund_core().cover.own;
    near(
        own.into(),
        1_000_000_000 + (4_000_000 - 2_500) * 100,
        1_000,
        "a thousand and 0.01 % of four million",
    );
    assert_eq!(u64::from(scale), (3_000 * DOLLAR + own) * 1_000_000 / (6_375 * DOLLAR));
}

#[test]
fn without_anything_behind_it_no_risk_is_taken() {
    let mut base = params();
    base.waterfall.backing_ppm = 20_000;
    let mut stage = Stage::with(base);
    let long = stage.holder(100_000, (A, Side::Long), ONE);
    assert_eq!(sweep(&mut stage, A), 0);
    let more = stage.open_instruction(&long, A, Side::Long, ONE);
    refused(&mut stage, more, &[&long.key], "OpenInterestCap", "nothing");
    stage.close(&long, A, u64::MAX).expect("one can always leave");
    assert_eq!(sweep(&mut stage, A), 1_000_000, "nothing is asked for");
}

#[test]
fn a_donation_is_the_reserves_and_nobody_elses() {
    let (mut stage, giver, _) = scene();
    let (before, tokens) = (stage.fund_core(), stage.vault(0).core.recorded);
    let outcome = stage.fund_insurance(&giver, 123).expect("fund_insurance");
    let Event::InsuranceFunded(e) = &outcome.events[0] else { panic!("{outcome:?}") };
    assert_eq!((e.amount, e.sequence + 1), (123, stage.fund().sequence));
    let after = stage.fund_core();
    assert_eq!((after.reserve, after.backstop), (before.reserve + 123, before.backstop));
    assert_eq!(stage.vault(0).core.recorded, tokens + 123);
    // Tokens that are just sent to the vault are nobody's.
    let vault = stage.listings.vaults[0].token_account;
    let balance = stage.token_balance(&vault);
    stage.write_tokens(vault, |t| t.amount = balance + 1_000);
    stage.donated.insert(0, 1_000);
    sweep(&mut stage, A);
    assert_eq!(stage.fund_core().reserve, after.reserve);
}

#[test]
fn the_reserve_has_no_way_out_but_the_waterfall() {
    let (mut stage, giver, long) = scene();
    let shares = stage.create_tokens(address::backstop_mint(), giver.key.pubkey(), 0);
    let keys = (giver.key.pubkey(), giver.tokens, shares);
    let mut reserve = stage.fund_core().reserve;
    let mut same = |stage: &Stage, what: &str| {
        let now = stage.fund_core().reserve;
        assert!(now >= reserve, "{what}: {now} of {reserve}");
        reserve = now;
    };
    let stake = ix::stake_backstop(&stage.listings, keys, (500 * DOLLAR, 0)).expect("builds");
    stage.send(&[stake], &[&giver.key]).expect("stake_backstop");
    same(&stage, "stake");
    let ticket = stage.request_unstake(&giver, shares, (1, 400 * DOLLAR)).expect("request_unstake");
    let back = stage.request_unstake(&giver, shares, (2, 100 * DOLLAR)).expect("request_unstake");
    same(&stage, "request");
    stage.cancel_unstake(&giver, &back, shares).expect("cancel_unstake");
    same(&stage, "cancel");
    stage.advance(14 * 86_400);
    stage.unstake(&giver, &ticket, 400 * DOLLAR).expect("unstake");
    same(&stage, "unstake");
    stage.refresh();
    stage.close(&long, A, u64::MAX).expect("close");
    for market in [A, B] {
        sweep(&mut stage, market);
        let allocate = ix::allocate_liquidity(&stage.listings, market);
        let _ = stage.send(&[allocate], &[]);
        let _ = stage.send(&[ix::rebalance_market(market)], &[]);
    }
    same(&stage, "sweep, allocate, rebalance");
    let e = lose(&mut stage, 10_000);
    assert_eq!(e.reserve, 375 * DOLLAR, "a quarter");
    let e = lose(&mut stage, 10_000);
    assert_eq!(e.reserve, 0, "no more of it today");
}
