//! The legs of an account: the worst goes first, whoever calls; no more goes than has to; hedges count.

use bulwark_sdk::engine::margin::RiskGroups;
use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::listings::VaultListing;
use bulwark_sdk::{address, instruction as ix};
use bulwark_tests::fixtures::{self, DOLLAR, QUOTE_DECIMALS};
use bulwark_tests::{Signer, Trader, World};

use crate::support::*;

/// A long of 12,500 dollars in A and one of 10,000 in B, on 1,300 dollars; both have fallen.
fn two_legs() -> (Scene, Trader, Trader) {
    let mut scene = Scene::new(params());
    let victim = scene.funded_trader(1_300 * DOLLAR);
    let taker = scene.funded_trader(100_000 * DOLLAR);
    scene.hold(&victim, A, Side::Long, 100 * ONE);
    scene.hold(&victim, B, Side::Long, 80 * ONE);
    scene.go(A, 12_100);
    scene.go(B, 12_150);
    (scene, victim, taker)
}

#[test]
fn attack_32_the_caller_does_not_choose_the_leg() {
    let (mut scene, victim, taker) = two_legs();
    assert_eq!(scene.first(&victim), Some(A));
    for lots in [0, ONE, u64::MAX] {
        refused(scene.liquidate(&taker, &victim.margin, B, lots), "NotTheWorst");
    }
    refused(scene.liquidate_to_pool(&victim.margin, B, None), "NotTheWorst");
    // Nor by leaving a leg out, passing another one for it, or the same market twice.
    let call = scene.liquidate_instruction(&taker, &victim.margin, B, u64::MAX);
    let legs = call.accounts.len() - 1;
    let own = call.accounts[legs].pubkey;
    assert_eq!(own, address::market(A));
    let mut without = call.clone();
    without.accounts.truncate(legs);
    let failure = scene.send(&[without], &[&taker.key]).expect_err("a leg is missing");
    assert!(failure.is("AccountMissing"), "{failure:?}");
    for (key, name) in [
        (address::market(B), "DuplicateAccount"),
        (scene.listings.vaults[1].address, "WrongAccount"),
        (taker.margin, "DuplicateAccount"),
    ] {
        let mut other = call.clone();
        other.accounts[legs].pubkey = key;
        let failure = scene.send(&[other], &[&taker.key]).expect_err("another account");
        assert!(failure.is(name), "{name}: {failure:?}");
    }
    scene.liquidate(&taker, &victim.margin, A, u64::MAX).expect("the worst");
}

#[test]
fn attack_27_no_more_is_taken_than_maintenance_asks_for() {
    let (mut scene, victim, taker) = two_legs();
    let [equity, requirement] = scene.health(&victim);
    assert!(equity < requirement && equity > requirement * 8 / 10, "{equity} {requirement}");
    let taken = fill(&scene.liquidate(&taker, &victim.margin, A, u64::MAX).expect("takes over"));
    assert!(taken.lots < 40 * ONE, "a part: {}", taken.lots);
    let [equity, requirement] = scene.health(&victim);
    let ppm = i128::from(equity) * 1_000_000 / i128::from(requirement);
    assert!((1_049_000..1_052_000).contains(&ppm), "105 %, not {ppm}");
    refused(scene.liquidate(&taker, &victim.margin, A, u64::MAX), "Healthy");
}

/// Both markets in one group whose smaller side counts for 40 %.
fn grouped() -> Scene {
    let mut world = World::bare();
    let mint = fixtures::address("USDC");
    world.create_mint(mint, QUOTE_DECIMALS);
    let mut args = world.initialize_args();
    args.exchange_params.risk_groups = RiskGroups { offset_ppm: [600_000; 8] };
    let deployer = world.deployer.insecure_clone();
    let init = ix::initialize_exchange(deployer.pubkey(), (mint, address::TOKEN_PROGRAM), args);
    world.send(&[init], &[&deployer]).expect("initialize_exchange");
    world.listings.vaults.push(VaultListing::of_mint(mint, address::TOKEN_PROGRAM));
    Scene::of(world, [MarketParams { risk_group: 1, ..free() }; 2])
}

/// What one call at the start of the auction leaves of a long of 12,500 dollars in a group, hedged by this many short units:
/// equity over requirement in ppm, and lots taken.
fn hedged(short: u64) -> (i128, u64) {
    let mut scene = grouped();
    let victim = scene.funded_trader(if short == 0 { 770 } else { 800 } * DOLLAR);
    let taker = scene.funded_trader(100_000 * DOLLAR);
    scene.hold(&victim, A, Side::Long, 100 * ONE);
    if short > 0 {
        scene.hold(&victim, B, Side::Short, short);
    }
    scene.go(A, 12_100);
    scene.go(B, 12_530);
    let [equity, requirement] = scene.health(&victim);
    assert!(equity < requirement, "{equity} {requirement}");
    let taken = fill(&scene.liquidate(&taker, &victim.margin, A, u64::MAX).expect("takes over"));
    let [equity, requirement] = scene.health(&victim);
    (i128::from(equity) * 1_000_000 / i128::from(requirement), taken.lots)
}

#[test]
fn attack_no_more_of_an_account_in_a_risk_group_is_taken_than_of_any_other() {
    // M1: without a short in the group there is nothing that the offset could take back.
    let (ppm, lots) = hedged(0);
    assert!((1_049_000..1_053_000).contains(&ppm) && lots < 10 * ONE, "105 %, not {ppm}: {lots} lots");
}

#[test]
fn attack_no_more_of_a_hedged_account_is_taken_than_of_any_other() {
    // A short of 2,500 dollars: the long stays the larger side down to 20 of its 100 units, so each lot that is taken frees
    // all of its requirement. Nine units would do.
    let (ppm, lots) = hedged(20 * ONE);
    assert!((1_049_000..1_060_000).contains(&ppm), "105 %, not {ppm}: {lots} lots");
}

#[test]
fn attack_a_hedge_is_not_taken_away_to_make_the_account_worse() {
    // Long and short of nearly the same size: the long goes first, and whatever is taken, equity over requirement rises
    // or stays until the account is well again, at every moment of the auction.
    for slots in [0, 5, 10, 20, 60] {
        let mut scene = grouped();
        let victim = scene.funded_trader(900 * DOLLAR);
        let taker = scene.funded_trader(100_000 * DOLLAR);
        scene.hold(&victim, A, Side::Long, 100 * ONE);
        scene.hold(&victim, B, Side::Short, 95 * ONE);
        scene.go(A, 12_450);
        scene.go(B, 12_480);
        let out = scene.health(&victim);
        let taken = u64::try_from(out[0] - out[1] * 9 / 10).expect("above");
        tamper_account(&mut scene, &victim, |a| a.quote.0 -= taken.cast_signed());
        scene.tamper::<bulwark_sdk::program::state::Pool>(&address::pool(), |p| p.core.idle += taken);
        let ratio = |s: &Scene| s.health(&victim)[0] as f64 / s.health(&victim)[1] as f64;
        let market = scene.first(&victim).expect("in trouble");
        scene.liquidate(&taker, &victim.margin, market, 0).expect("starts");
        scene.call_for(&taker, &victim, market, slots);
        let mut before = ratio(&scene);
        let mut calls = 0;
        while let Some(market) = scene.first(&victim) {
            scene.liquidate(&taker, &victim.margin, market, u64::MAX).expect("takes over");
            if scene
                .margin(&victim.margin)
                .positions
                .iter()
                .any(bulwark_sdk::engine::position::Position::is_open)
            {
                assert!(ratio(&scene) >= before - 1e-6, "{slots}: {before} became {}", ratio(&scene));
                before = ratio(&scene);
            }
            calls += 1;
            scene.wait(1);
            assert!(calls < 20, "it ends");
        }
        assert!(scene.health(&victim)[0] >= 0);
    }
}

#[test]
fn attack_15_who_calls_first_changes_what_the_victim_keeps_by_rounding_only() {
    // Three in trouble, six orders: everybody ends with the same, and so does the venue.
    let mut scene = Scene::new(free());
    let victims: Vec<Trader> = [700, 690, 685].map(|d| scene.funded_trader(d * DOLLAR)).into();
    let balance = scene.funded_trader(100_000 * DOLLAR);
    for victim in &victims {
        scene.hold(victim, A, Side::Long, 100 * ONE);
    }
    scene.hold(&balance, A, Side::Short, 300 * ONE);
    scene.go(A, 12_100);
    for victim in &victims {
        scene.liquidate_to_pool(&victim.margin, A, None).expect("starts");
    }
    for _ in 0..2 {
        scene.wait(25);
        for victim in &victims {
            called(scene.liquidate(&balance, &victim.margin, A, 0));
        }
    }
    let mut results = Vec::new();
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut scene = scene.fork();
        for n in order {
            scene.liquidate_to_pool(&victims[n].margin, A, None).expect("the pool takes it");
        }
        let mut row: Vec<i128> = victims.iter().map(|v| scene.wealth([v])).collect();
        row.push(scene.venue());
        results.push(row);
    }
    for row in &results {
        for (a, b) in row.iter().zip(&results[0]) {
            // The pool's curve is nearly flat, so what is left is a cent.
            assert!(a.abs_diff(*b) <= 10_000, "{row:?}");
        }
    }
}
