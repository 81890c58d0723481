//! Field note 3: parameters that change in the middle of a liquidation. Whatever is tightened or executed while an account is
//! in auction, the fills after it keep the promises of I7, and somebody can always go on.

use bulwark_sdk::engine::auction::TAKEOVER_SLOTS;
use bulwark_sdk::engine::deleverage::DeleverageParams;
use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::price::OracleParams;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::engine::volatility::VolatilityParams;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::events::{Liquidated, LiquidationKind};
use bulwark_sdk::program::state::{ChangePayload, MarketStatus};
use bulwark_tests::fixtures::DOLLAR;
use bulwark_tests::{Signer, Trader};
use solana_clock::Clock;

use crate::payloads::{loose_market, tight_market, tight_vault};
use crate::support::*;

/// A change of parameters by name.
type Change = (&'static str, fn(&MarketParams) -> MarketParams);

/// What the guardian may do at once.
const TIGHTENINGS: [Change; 3] = [
    ("everything", |p| tight_market(p, true)),
    ("maintenance margin", |p| MarketParams { mmf_ppm: 38_750, ..*p }),
    ("caps", |p| MarketParams {
        max_oi: 0,
        max_share_ppm: 0,
        max_skew_ppm: p.max_skew_ppm / 2,
        imf_ppm: 1_000_000,
        ..*p
    }),
];

/// What a change may do, either way.
const CHANGES: [Change; 13] = [
    ("everything looser", loose_market),
    ("a lower maintenance margin", |p| MarketParams {
        mmf_ppm: 24_800,
        imf_ppm: 40_000,
        max_gap_ppm: 15_200,
        max_impact_ppm: 2_500,
        liquidation_fee_ppm: 2_500,
        ..*p
    }),
    ("a higher fee", |p| MarketParams { liquidation_fee_ppm: 7_500, mmf_ppm: 38_750, ..*p }),
    ("a lower fee", |p| MarketParams { liquidation_fee_ppm: 2_500, ..*p }),
    ("more impact", |p| MarketParams { max_impact_ppm: 10_000, mmf_ppm: 38_750, ..*p }),
    ("less impact", |p| MarketParams { max_impact_ppm: 2_500, ..*p }),
    ("a steeper curve", |p| MarketParams { skew_scale: p.skew_scale / 2, ..*p }),
    ("a coarse step", |p| MarketParams { step: 2 * p.step, ..*p }),
    ("a high least worth", |p| MarketParams { min_notional: 2 * p.min_notional, ..*p }),
    ("a dear trade", |p| MarketParams {
        taker_fee_ppm: 10_000,
        base_spread_ppm: 10_000,
        conf_spread_ppm: 5_000_000,
        ..*p
    }),
    ("volatile margins", |p| MarketParams {
        volatility: VolatilityParams {
            mmf_sigma_ppm: 500_000,
            imf_sigma_ppm: 500_000,
            spread_sigma_ppm: 1_000_000,
            sigma_floor_ppm: 5,
        },
        ..*p
    }),
    ("a strict oracle", |p| MarketParams {
        oracle: OracleParams { max_conf_ppm: 5_000, max_trade_age: 3, max_margin_age: 30, ..p.oracle },
        ..*p
    }),
    ("another keeper's tip", |p| MarketParams {
        deleverage: DeleverageParams { keeper_tip: 10 * DOLLAR, ..p.deleverage },
        ..*p
    }),
];

/// An account in auction: 100 units of A and 40 of B on 700 dollars, after a fall of A; somebody who bids, and a keeper.
fn in_auction(slots: u64) -> (Scene, Trader, Trader, Trader) {
    let mut scene = Scene::new(params());
    let victim = scene.funded_trader(900 * DOLLAR);
    let taker = scene.funded_trader(1_000_000 * DOLLAR);
    let keeper = scene.funded_trader(DOLLAR);
    scene.hold(&victim, A, Side::Long, 100 * ONE);
    scene.hold(&victim, B, Side::Short, 40 * ONE);
    scene.go(A, 12_100);
    let [equity, required] = scene.health(&victim);
    assert!(0 < equity && equity < required, "{equity} of {required}");
    called(scene.liquidate(&taker, &victim.margin, A, 0));
    scene.call_for(&taker, &victim, A, slots);
    (scene, victim, taker, keeper)
}

/// Executes a change now that was proposed in good time.
fn execute(scene: &mut Scene, payload: ChangePayload) {
    let clock = scene.svm.get_sysvar::<Clock>();
    let wait = payload.wait(scene.exchange().params.delay, &scene.pool().core.params);
    scene.set_clock(clock.unix_timestamp - wait);
    let nonce = scene.propose(payload).expect("within bounds and steps");
    scene.svm.set_sysvar(&clock);
    scene.world.execute(nonce, None).expect("ripe");
}

/// Applies a tightening at once.
fn tighten(scene: &mut Scene, payload: ChangePayload) {
    let guardian = scene.guardian.insecure_clone();
    let call = ix::tighten(&scene.listings, guardian.pubkey(), payload).expect("a listed target");
    scene.send(&[call], &[&guardian]).expect("tighter");
}

/// Checks I7 of a fill, from the health and the maintenance fraction of the moment before it: equity over requirement has not
/// fallen, the fee leaves no hole, and no more was taken than restores the account to 1.05, by arithmetic of its own.
#[track_caller]
fn require_i7(
    scene: &Scene,
    (before, mmf_ppm): ([i64; 2], u32),
    (fill, victim): (&Liquidated, &Trader),
    why: &str,
) {
    let [equity, required] = before.map(i128::from);
    let [after, still] = scene.health(victim).map(i128::from);
    // A unit of rounding each.
    assert!(
        after * required >= (equity - 2) * still,
        "{why}: {equity}/{required} -> {after}/{still}: {fill:?}"
    );
    assert!(after >= 0, "{why}: {after}");
    let core = scene.market(fill.market).core;
    let mark = |lots: u64| i128::from(core.mark().mul_ceil(lots).expect("fits"));
    let worth = mark(fill.lots);
    let (concession, fee) =
        (i128::from(fill.concession), i128::from(fill.insurance + i64::try_from(fill.keeper).expect("fits")));
    if fill.kind == LiquidationKind::Takeover {
        // Nothing dearer than what keeps equity over requirement.
        let neutral = worth * i128::from(mmf_ppm) * equity / required / 1_000_000;
        assert!(concession + fee.max(0) <= neutral + 2, "{why}: {concession} + {fee} of {neutral}");
    }
    // (1.05·MM − E) / (1.05·mmf − π − fee) of notional.
    let missing = (required * 105 - equity * 100) * 1_000_000 * worth;
    let frees = worth * i128::from(mmf_ppm) * 105 - (concession + fee.max(0)) * 100_000_000;
    let rest = scene.lots(victim, fill.market).unsigned_abs();
    if frees > 0 && rest > 0 {
        let needed = missing / frees;
        let step = mark(core.params.step);
        assert!(worth <= needed + step + needed / 1_000 + 2, "{why}: {worth} taken, {needed} needed");
    }
}

/// Fills what there is to fill, by whoever can, until the account is out of trouble: each keeps the promises. How many.
fn to_the_end(scene: &mut Scene, [victim, taker, keeper]: [&Trader; 3], why: &str) -> usize {
    let mut fills = 0;
    for round in 0..400 {
        let Some(market) = scene.first(victim) else {
            let [equity, required] = scene.health(victim);
            assert!(equity >= required, "{why}: {equity} of {required}");
            for market in [A, B] {
                let failure = scene.liquidate(taker, &victim.margin, market, u64::MAX).expect_err(why);
                assert!(failure.is("Healthy") || failure.is("NoPosition"), "{why}: {failure:#?}");
            }
            return fills;
        };
        let before = (scene.health(victim), scene.market(market).core.mmf_ppm());
        let bid = scene.liquidate(taker, &victim.margin, market, u64::MAX);
        let call = match bid {
            Ok(call) => call,
            // Nobody has the margin any more: the pool takes it when its time has come.
            Err(failure) => {
                let able = ["InsufficientMargin", "ProfitCap", "OpenInterestCap", "BelowMinNotional"];
                assert!(able.iter().any(|name| failure.is(name)), "{why}: {failure:#?}");
                scene.liquidate_to_pool(&victim.margin, market, Some(keeper.margin)).expect("never stuck")
            }
        };
        for fill in liquidated(&call) {
            require_i7(scene, before, (&fill, victim), why);
            fills += 1;
        }
        scene.wait(3);
        scene.consistent(market, &[victim, taker]);
        assert!(round < 300, "{why}: it does not end");
    }
    fills
}

#[test]
fn attack_a_tightening_within_an_auction_keeps_its_promises() {
    for slots in [0, 9, 30] {
        for (why, change) in TIGHTENINGS {
            let (mut scene, victim, taker, keeper) = in_auction(slots);
            let params = change(&scene.market(A).core.params);
            tighten(&mut scene, ChangePayload::MarketParams { market: A, params });
            let fills = to_the_end(&mut scene, [&victim, &taker, &keeper], why);
            assert!(fills > 0, "{why}");
        }
    }
}

#[test]
fn attack_a_change_within_an_auction_keeps_its_promises() {
    for slots in [0, 9, 30] {
        for (why, change) in CHANGES {
            let (mut scene, victim, taker, keeper) = in_auction(slots);
            let params = change(&scene.market(A).core.params);
            execute(&mut scene, ChangePayload::MarketParams { market: A, params });
            let fills = to_the_end(&mut scene, [&victim, &taker, &keeper], why);
            println!("{why} after {slots} slots: {fills} fills");
        }
    }
}

#[test]
fn attack_a_change_within_an_auction_does_not_stop_the_pools_takeover() {
    for (why, change) in CHANGES.iter().chain(&TIGHTENINGS) {
        let (mut scene, victim, taker, keeper) = in_auction(TAKEOVER_SLOTS - 5);
        let params = change(&scene.market(A).core.params);
        execute(&mut scene, ChangePayload::MarketParams { market: A, params });
        scene.wait(5);
        let mut fills = 0;
        for _ in 0..400 {
            let Some(market) = scene.first(&victim) else { break };
            let before = (scene.health(&victim), scene.market(market).core.mmf_ppm());
            let call = scene.liquidate_to_pool(&victim.margin, market, Some(keeper.margin)).expect(why);
            for fill in liquidated(&call) {
                require_i7(&scene, before, (&fill, &victim), why);
                fills += 1;
            }
            scene.wait(3);
            scene.consistent(market, &[&victim, &taker]);
        }
        assert!(scene.first(&victim).is_none(), "{why}");
        assert!(fills > 0, "{why}");
    }
}

#[test]
fn attack_reducing_only_and_pausing_stop_no_auction() {
    let (mut scene, victim, taker, keeper) = in_auction(5);
    for market in [A, B] {
        tighten(
            &mut scene,
            ChangePayload::MarketStatus { market, status: MarketStatus::ReduceOnly, price: 0 },
        );
    }
    let guardian = scene.guardian.insecure_clone();
    for (market, bits) in [(None, 15), (Some(A), 5), (Some(B), 5)] {
        scene.send(&[ix::set_pause(guardian.pubkey(), market, bits)], &[&guardian]).expect("may pause");
    }
    assert!(to_the_end(&mut scene, [&victim, &taker, &keeper], "paused") > 0);
}

#[test]
fn attack_raising_the_margin_at_once_liquidates_nobody_in_the_same_moment() {
    // Just above its requirement of 3.1 %: the fraction drifts by a tenth an hour, so there is time to add margin.
    let mut scene = Scene::new(params());
    let (victim, taker) = (scene.funded_trader(700 * DOLLAR), scene.funded_trader(100_000 * DOLLAR));
    scene.hold(&victim, A, Side::Long, 100 * ONE);
    scene.go(A, 12_200);
    let [equity, required] = scene.health(&victim);
    assert!(equity >= required && equity < required * 21 / 20, "{equity} of {required}");
    let guardian_params = tight_market(&scene.market(A).core.params, true);
    tighten(&mut scene, ChangePayload::MarketParams { market: A, params: guardian_params });
    refused(scene.liquidate(&taker, &victim.margin, A, u64::MAX), "Healthy");
    assert_eq!(scene.health(&victim)[1], required);
    scene.wait(3);
    let drifted = scene.health(&victim)[1];
    assert!(drifted <= required + required / 1_000, "{required} -> {drifted}");
    for _ in 0..6 {
        scene.wait(9_000); // an hour
    }
    let [_, most] = scene.health(&victim);
    assert!((most - required * 5 / 4).abs() <= required / 500, "{required} -> {most}");
}

#[test]
fn attack_raising_a_haircut_at_once_takes_one_step_of_the_collateral_and_no_second_one() {
    // Unlike the margin it does not drift: 2.5 % of the collateral's worth stops counting at once, and once a week.
    let mut scene = Scene::new(params());
    let (victim, taker) = (scene.with_gold(1, 10 * ONE), scene.funded_trader(100_000 * DOLLAR));
    scene.hold(&victim, A, Side::Long, 100 * ONE);
    scene.go(A, 11_700);
    let before = scene.health(&victim);
    assert!(before[0] >= before[1], "{before:?}");
    refused(scene.liquidate(&taker, &victim.margin, A, u64::MAX), "Healthy");
    let stricter = |scene: &Scene| {
        let params = tight_vault(&scene.vault(GOLD).core.params, true);
        ChangePayload::VaultParams { vault: GOLD, params }
    };
    let payload = stricter(&scene);
    tighten(&mut scene, payload);
    let after = scene.health(&victim);
    near(before[0] - after[0], 1_250 * DOLLAR / 40);
    assert_eq!(before[1], after[1]);
    assert!(after[0] < after[1], "{after:?}");
    let mmf_ppm = scene.market(A).core.mmf_ppm();
    let call = scene.liquidate(&taker, &victim.margin, A, u64::MAX).expect("at once");
    require_i7(&scene, (after, mmf_ppm), (&fill(&call), &victim), "a haircut");
    let guardian = scene.guardian.insecure_clone();
    let payload = stricter(&scene);
    let again = ix::tighten(&scene.listings, guardian.pubkey(), payload).expect("a listed target");
    scene.wait(9_000 * 167); // a week less an hour
    refused(scene.send(&[again], &[&guardian]), "StepTooSoon");
}

#[test]
fn attack_settling_within_an_auction_settles_everybody() {
    let (mut scene, victim, taker, _) = in_auction(5);
    tighten(
        &mut scene,
        ChangePayload::MarketStatus { market: A, status: MarketStatus::ReduceOnly, price: 0 },
    );
    execute(&mut scene, ChangePayload::MarketStatus { market: A, status: MarketStatus::Settling, price: 0 });
    // At a frozen price a position needs no margin: what is left is healthy.
    refused(scene.liquidate(&taker, &victim.margin, A, u64::MAX), "Healthy");
    let before = scene.worth(&victim.margin);
    for _ in 0..2 {
        let _ = scene.settle(&victim.margin, A);
    }
    assert_eq!(scene.lots(&victim, A), 0);
    near(scene.worth(&victim.margin), before);
    let [equity, required] = scene.health(&victim);
    assert!(equity >= required, "what is left in B needs less: {equity} of {required}");
    scene.close(&victim, B, u64::MAX).expect("close");
    let left = u64::try_from(scene.quote(&victim)).expect("positive");
    scene.withdraw(&victim, 0, (victim.tokens, left)).expect("out");
}
