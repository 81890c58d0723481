//! Victim, taker and keeper are one person: whatever of the three calls ends the position, he has not more than before.

use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::units::Side;
use bulwark_tests::fixtures::{DOLLAR, KEEPER_TIP};
use bulwark_tests::{Failure, Outcome, Trader, World};

use crate::support::*;

/// Lots of the position that gets into trouble: 12,500 dollars at 125.
const LOTS: u64 = 100 * ONE;

fn tipping() -> MarketParams {
    let deleverage =
        bulwark_sdk::engine::deleverage::DeleverageParams { keeper_tip: KEEPER_TIP, ..params().deleverage };
    MarketParams { deleverage, ..params() }
}

/// The attacker's account with a position below its margin, and another account of his. `heavy`: it makes the skew.
fn trouble(side: Side, heavy: bool, cents: i64) -> (Scene, [Trader; 2]) {
    let mut scene = Scene::new(tipping());
    scene.insure(A, 1_000 * DOLLAR);
    let [own, other] = [700, 100_000].map(|amount| scene.funded_trader(amount * DOLLAR));
    if !heavy {
        let honest = scene.funded_trader(100_000 * DOLLAR);
        scene.hold(&honest, A, side.opposite(), 2 * LOTS);
    }
    scene.hold(&own, A, side, LOTS);
    scene.go(A, if side == Side::Long { 12_500 - cents } else { 12_500 + cents });
    (scene, [own, other])
}

#[test]
fn attack_taking_over_from_oneself_gains_nothing() {
    for side in Side::BOTH {
        // 84 %, 40 % and 5 % of the requirement, and a loss of 250 dollars more than there is.
        for cents in [330, 480, 650, 950] {
            let (scene, [own, other]) = trouble(side, true, cents);
            for slots in [0, 1, 10, 20, 49, 120] {
                let mut scene = scene.fork();
                scene.liquidate(&other, &own.margin, A, 0).expect("starts the auction");
                scene.call_for(&other, &own, A, slots);
                let before = (scene.wealth([&own, &other]), scene.venue());
                let taken = fill(&scene.liquidate(&other, &own.margin, A, u64::MAX).expect("takes over"));
                let after = (scene.wealth([&own, &other]), scene.venue());
                assert!(after.0 <= before.0, "{side:?} {cents} {slots}: {before:?} {after:?}");
                assert!(after.1 >= before.1, "{side:?} {cents} {slots}: {before:?} {after:?}");
                let cost = before.0 - after.0 - i128::from(taken.insurance);
                assert!((0..=1).contains(&cost), "the fee is all that it costs: {cost}");
                assert!(scene.health(&own)[0] >= 0 || cents == 950, "and it leaves no debt behind");
            }
        }
    }
}

#[test]
fn attack_handing_ones_position_to_the_pool_for_ones_own_keeper_gains_nothing() {
    for side in Side::BOTH {
        for (heavy, cents) in
            [(true, 330), (true, 650), (true, 950), (false, 330), (false, 650), (false, 950)]
        {
            let (scene, [own, other]) = trouble(side, heavy, cents);
            for slots in [0, 30, 50, 120] {
                let mut scene = scene.fork();
                scene.liquidate(&other, &own.margin, A, 0).expect("starts the auction");
                scene.call_for(&other, &own, A, slots);
                let before = (scene.wealth([&own, &other]), scene.venue());
                let outcome = scene.liquidate_to_pool(&own.margin, A, Some(other.margin));
                if !heavy && slots < 50 {
                    assert_eq!(called(outcome), slots);
                    continue;
                }
                let given = fill(&outcome.expect("the pool takes it"));
                let gained = scene.wealth([&own, &other]) - before.0;
                // Half a taker fee at most, where the account had nothing to pay it with: opening has cost a whole one,
                // and the spread.
                let half_fee = i128::from(given.lots) * 125 / 1_000 * 250 / 1_000_000 * 11 / 10;
                assert!(gained <= half_fee, "{side:?} {heavy} {cents} {slots}: {gained} {given:?}");
                assert!(scene.venue() - before.1 >= -half_fee, "{side:?} {heavy} {cents} {slots}");
            }
        }
    }
}

#[test]
fn attack_cycles_of_opening_and_being_handed_to_the_pool_lose_money() {
    // The keeper is the attacker's, the tip is a dollar, the market's insurance is there to be milked.
    let (mut scene, [_, keeper]) = trouble(Side::Long, true, 0);
    let mut party: Vec<Trader> = vec![same(&keeper)];
    let (start, mut tips) = (scene.wealth(&party), 0);
    let mut brought = 0;
    for n in 0..20 {
        let own = scene.funded_trader(800 * DOLLAR);
        brought += dollars(800);
        scene.hold(&own, A, if n % 2 == 0 { Side::Long } else { Side::Short }, LOTS);
        // One unit of the price up and down: the account is moved to trouble by the attacker himself, who takes money out.
        scene.go(A, if n % 2 == 0 { 11_900 } else { 13_100 });
        tips += scene.close_out(&own, Some(keeper.margin)).iter().map(|f| f.keeper).sum::<u64>();
        party.push(own);
        scene.settle_at(A, 12_500);
    }
    assert!(tips > 0, "the keeper was paid {tips}");
    let end = scene.wealth(&party);
    assert!(
        end < start + brought - 20 * dollars(9),
        "each turn costs its fees and more: {start} {brought} {end}"
    );
    assert!(scene.market(A).core.book.insurance >= 1_000 * DOLLAR, "nothing was milked");
}

#[test]
fn attack_buying_ones_own_collateral_moves_money_from_one_pocket_to_the_other() {
    let mut scene = Scene::new(params());
    let own = scene.with_gold(100, 100 * ONE);
    let buyer = scene.funded_trader(50_000 * DOLLAR);
    scene.hold(&own, A, Side::Long, 4 * LOTS);
    scene.go(A, 9_750);
    assert!(scene.health(&own)[0] < scene.health(&own)[1]);
    for slots in [0, 10, 19, 20, 100] {
        let mut scene = scene.fork();
        scene.liquidate(&buyer, &own.margin, A, 0).expect("starts the auction");
        scene.call_for(&buyer, &own, A, slots);
        if slots >= 20 {
            // For as much off as it counted for less, no sale restores the account: the position has to go.
            refused(scene.liquidate_collateral(&buyer, &own.margin, GOLD, u64::MAX), "ZeroAmount");
            continue;
        }
        let before = (scene.wealth([&own, &buyer]), scene.venue());
        let sale = sold(&scene.liquidate_collateral(&buyer, &own.margin, GOLD, u64::MAX).expect("buys"));
        assert_eq!((scene.wealth([&own, &buyer]), scene.venue()), before, "{slots}");
        // Never more off than the collateral counted for less: 5 %.
        assert!(sale.discount <= (1 << 32) / 20, "{slots}: {}", sale.discount);
        assert!(scene.health(&own)[0] >= 0, "the account owes no more than it has");
    }
}

#[test]
fn attack_21_an_account_that_is_well_cannot_be_liquidated_by_any_call() {
    let mut scene = Scene::new(params());
    let own = scene.with_gold(700, ONE / 100);
    let other = scene.funded_trader(100_000 * DOLLAR);
    scene.hold(&own, A, Side::Long, LOTS);
    // At the very unit: equity is the requirement.
    scene.go(A, 12_400);
    let [equity, requirement] = scene.health(&own);
    assert!(equity > requirement);
    let spare = u64::try_from(equity - requirement).expect("positive");
    tamper_account(&mut scene, &own, |a| a.quote.0 -= spare.cast_signed());
    scene
        .tamper::<bulwark_sdk::program::state::Pool>(&bulwark_sdk::address::pool(), |p| p.core.idle += spare);
    assert_eq!(scene.health(&own)[0], scene.health(&own)[1]);
    let before = scene.margin(&own.margin);
    type Call = fn(&mut World, &Trader, &Trader) -> Result<Outcome, Failure>;
    let calls: [Call; 4] = [
        |w, other, own| w.liquidate(other, &own.margin, A, 0),
        |w, other, own| w.liquidate(other, &own.margin, A, u64::MAX),
        |w, other, own| w.liquidate_to_pool(&own.margin, A, Some(other.margin)),
        |w, other, own| w.liquidate_collateral(other, &own.margin, GOLD, u64::MAX),
    ];
    for call in calls {
        refused(call(&mut scene.world, &other, &own), "Healthy");
    }
    assert_eq!(bytemuck::bytes_of(&*scene.margin(&own.margin)), bytemuck::bytes_of(&*before));
    // A unit less, and any of them goes through.
    tamper_account(&mut scene, &own, |a| a.quote.0 -= 1);
    scene.tamper::<bulwark_sdk::program::state::Pool>(&bulwark_sdk::address::pool(), |p| p.core.idle += 1);
    for call in &calls[..3] {
        call(&mut scene.fork().world, &other, &own).expect("a unit below");
    }
}

#[test]
fn attack_an_account_does_not_liquidate_itself() {
    let (mut scene, [own, _]) = trouble(Side::Long, true, 330);
    scene.deposit_collateral(&own, GOLD, 1).expect("a unit of it");
    refused(scene.liquidate(&own, &own.margin, A, u64::MAX), "DuplicateAccount");
    let margin = own.margin;
    refused(scene.liquidate_to_pool(&margin, A, Some(margin)), "DuplicateAccount");
    refused(scene.liquidate_collateral(&own, &margin, GOLD, u64::MAX), "DuplicateAccount");
}
