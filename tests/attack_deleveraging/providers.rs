//! Providers of liquidity who leave between a loss and its resolution.

use bulwark_sdk::engine::pool::TrancheKind;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::state::RedeemTicket;
use bulwark_sdk::{Pubkey, address};
use bulwark_tests::fixtures::DOLLAR;
use bulwark_tests::{Failure, Outcome, Signer, Trader, World};

use crate::stage::market;
use crate::support::*;

/// A provider with a tenth of the pool and a ticket for all of it that is open; somebody else's long of 3,000 units has
/// 20,000 dollars. Nothing is insured.
fn open_ticket() -> (Scene, Trader, Pubkey, Trader) {
    let mut scene = Scene::of(World::empty(), [market(false); 2]);
    let provider = scene.trader(1_000_000 * DOLLAR);
    let shares = scene.add_liquidity(&provider, 1_000_000 * DOLLAR).expect("add_liquidity");
    let amount = scene.token_balance(&shares);
    let keys = (provider.key.pubkey(), scene.payer.pubkey(), shares);
    let request = ix::request_redeem(&scene.listings, TrancheKind::Junior, keys, (1, amount));
    scene.send(&[request], &[&provider.key]).expect("request_redeem");
    let ticket = address::redeem_ticket(&provider.key.pubkey(), 1);
    scene.wait(216_001);
    let loser = scene.funded_trader(20_000 * DOLLAR);
    scene.hold(&loser, A, Side::Long, 3_000 * ONE);
    (scene, provider, ticket, loser)
}

fn redeem(scene: &mut Scene, who: &Trader, ticket: &Pubkey) -> Result<Outcome, Failure> {
    let ticket: Box<RedeemTicket> = scene.get(ticket);
    let call = ix::redeem(&scene.listings, &ticket, (who.tokens, 0)).expect("builds");
    scene.send(&[call], &[&who.key])
}

/// What the provider has after the price has fallen to 110 dollars, of which 25,000 dollars are lost to the pool; he redeems
/// before the position is closed (0), before (1) or after it is resolved (2). And what all others have in pool and fund then.
fn leaves(when: usize) -> [i128; 2] {
    let (mut scene, provider, ticket, loser) = open_ticket();
    scene.go(A, 11_000);
    for step in 0..3 {
        if step == when {
            redeem(&mut scene, &provider, &ticket).expect("redeems");
        }
        match step {
            0 => drop(scene.close_out(&loser, None)),
            1 => nearly(scene.resolve(&loser, A).pool, 25_000 * DOLLAR),
            _ => {}
        }
    }
    [scene.wealth([&provider]), scene.venue()]
}

#[test]
fn attack_a_provider_who_redeems_between_liquidation_and_resolution_takes_nothing_with_him() {
    // What the loser has not paid is not in the value at which he leaves.
    let [before, after] = [leaves(1), leaves(2)];
    println!("{before:?} before, {after:?} after the resolution");
    assert!(before[0] <= after[0] + 1_000, "{before:?} {after:?}");
    assert!(before[1] >= after[1] - 1_000, "the others lose nothing by it");
}

#[test]
fn attack_a_provider_who_redeems_before_the_liquidation_takes_his_part_of_the_loss_at_most() {
    // A position under water counts as what it has lost until somebody closes it: who leaves in that slot leaves his part of what
    // will not be paid to the others, an eleventh of 25,000 dollars. He has asked a day before and has a window of six hours.
    let [before, after] = [leaves(0), leaves(2)];
    println!("{before:?} before the liquidation, {after:?} after the resolution");
    let gained = before[0] - after[0];
    assert!(gained <= dollars(25_000) / 11 + 1_000, "{gained}");
    assert!(after[1] - before[1] <= gained + 1_000);
}

#[test]
fn attack_a_provider_who_enters_before_a_resolution_buys_nothing_cheap() {
    // He would like to pay the low value and hold the high one: shares cost the highest value of the pool, and the fund's
    // payment for the bankrupt is nobody's gain but of those who were there.
    for insured in [false, true] {
        let (mut scene, _, _, loser) = open_ticket();
        if insured {
            scene.insure(A, 100_000 * DOLLAR);
        }
        scene.go(A, 11_000);
        scene.close_out(&loser, None);
        let own = scene.trader(1_000_000 * DOLLAR);
        let shares = scene.add_liquidity(&own, 1_000_000 * DOLLAR);
        let shares = match shares {
            Ok(shares) => shares,
            Err(failure) => panic!("{failure:?}"),
        };
        scene.resolve(&loser, A);
        let amount = scene.token_balance(&shares);
        let pool = scene.pool();
        let worth = scene.ask(|s| {
            s.markets
                .values()
                .map(|m| m.core)
                .try_fold(bulwark_sdk::engine::pool::Nav::of_pool(&pool.core), |nav, market| {
                    nav.plus_market(&market)
                })
        });
        let worth =
            pool.core.share_value(TrancheKind::Junior, amount, worth.expect("nav").high).expect("value");
        println!("insured {insured}: a million has become {worth}");
        assert!(worth <= 1_000_000 * DOLLAR, "{worth}");
    }
}
