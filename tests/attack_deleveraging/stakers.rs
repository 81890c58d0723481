//! Stakers who leave before a loss, or who come for the income alone.

use bulwark_sdk::engine::backstop::{COOLDOWN, WINDOW};
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::{Pubkey, address};
use bulwark_tests::fixtures::DOLLAR;
use bulwark_tests::{Signer, Trader, World};

use crate::stage::market;
use crate::support::*;

const LOTS: u64 = 100 * ONE;

/// Two stakers of 10,000 dollars each.
fn staked() -> (Scene, [(Trader, Pubkey); 2]) {
    let mut scene = Scene::of(World::empty(), [market(false); 2]);
    let stakers = [(); 2].map(|()| {
        let who = scene.trader(10_000 * DOLLAR);
        let shares = scene.stake(&who, 10_000 * DOLLAR).expect("stake");
        (who, shares)
    });
    (scene, stakers)
}

/// Asks for all of it.
fn request(scene: &mut Scene, (who, shares): &(Trader, Pubkey)) -> Pubkey {
    let amount = scene.token_balance(shares);
    scene.request_unstake(who, *shares, (1, amount)).expect("request_unstake")
}

#[test]
fn attack_a_staker_who_has_asked_to_leave_pays_like_one_who_stays() {
    // In the cooldown, in its last second, and after its window.
    for waited in [0, COOLDOWN - 60, COOLDOWN + WINDOW + 60] {
        let (mut scene, stakers) = staked();
        let ticket = request(&mut scene, &stakers[0]);
        scene.advance(waited);
        scene.refresh();
        let loser = scene.bankrupt(A, Side::Long, 4_000 * DOLLAR);
        assert_eq!(scene.resolve(&loser, A).backstop, 4_000 * DOLLAR);
        let fund = scene.fund().core.backstop;
        near(fund.active.value, 8_000 * DOLLAR);
        near(fund.cooling.value, 8_000 * DOLLAR);
        if waited > COOLDOWN {
            refused(scene.unstake(&stakers[0].0, &ticket, 0), "UnstakeTooLate");
            continue;
        }
        refused(scene.unstake(&stakers[0].0, &ticket, 0), "UnstakeTooEarly");
        scene.advance(COOLDOWN - waited);
        scene.unstake(&stakers[0].0, &ticket, 0).expect("in his window");
        near(scene.wealth([&stakers[0].0]), dollars(8_000));
    }
}

#[test]
fn attack_a_staker_in_his_window_leaves_before_a_loss_at_the_price_of_a_fortnight() {
    // Between the liquidation and its resolution he is in time if he happens to be in his window: two days after fourteen without
    // income, and then he has to begin again. Those who stay pay what he would have paid; no more than half of what they have.
    let mut left = [0; 2];
    for (n, leaves) in [false, true].into_iter().enumerate() {
        let (mut scene, stakers) = staked();
        let ticket = request(&mut scene, &stakers[0]);
        // Income of the fortnight: 700 dollars, of which stakers have half.
        scene.advance(COOLDOWN);
        scene.refresh();
        scene.tamper::<bulwark_sdk::program::state::Market>(&address::market(A), |m| {
            m.core.book.fees.insurance += 700 * DOLLAR;
        });
        scene.tamper::<bulwark_sdk::program::state::Pool>(&address::pool(), |p| p.core.idle -= 700 * DOLLAR);
        scene.send(&[ix::sweep_market(A)], &[]).expect("sweep_market");
        let reserve = scene.fund().core.reserve;
        assert_eq!(scene.fund().core.backstop.cooling.value, 10_000 * DOLLAR, "he has none of it");
        let loser = scene.funded_trader(700 * DOLLAR);
        scene.hold(&loser, A, Side::Long, LOTS);
        scene.go(A, 9_800);
        scene.close_out(&loser, None);
        if leaves {
            scene.unstake(&stakers[0].0, &ticket, 0).expect("in his window");
        }
        let event = scene.resolve(&loser, A);
        near(event.debt, 2_000 * DOLLAR);
        near(event.reserve, reserve / 4);
        near(event.backstop, 2_000 * DOLLAR - reserve / 4);
        if !leaves {
            scene.unstake(&stakers[0].0, &ticket, 0).expect("in his window");
        }
        left[n] = scene.wealth([&stakers[0].0]);
    }
    println!("{left:?}");
    let saved = left[1] - left[0];
    near(left[1], dollars(10_000));
    // His half of what the stake paid, less the income that he did not have.
    assert!(saved <= dollars(1_000) && saved - dollars(175) <= dollars(825), "{saved}");
}

#[test]
fn attack_who_stakes_for_the_income_alone_gets_what_nobody_has_swept() {
    // A thousand dollars of fees wait for the fund, half of that for stakers. He stakes nine times as much as is there, sweeps and
    // asks to leave, in one transaction: nine tenths of it are his, for a fortnight of 180,000 dollars that are slashed first. Whoever
    // sweeps before him leaves him nothing: it takes anybody one call, and every keeper is paid by the bound of what has gathered.
    for swept in [false, true] {
        let (mut scene, stakers) = staked();
        scene.tamper::<bulwark_sdk::program::state::Market>(&address::market(A), |m| {
            m.core.book.fees.insurance += 1_000 * DOLLAR;
        });
        scene
            .tamper::<bulwark_sdk::program::state::Pool>(&address::pool(), |p| p.core.idle -= 1_000 * DOLLAR);
        if swept {
            scene.send(&[ix::sweep_market(A)], &[]).expect("sweep_market");
        }
        let own = scene.trader(180_000 * DOLLAR);
        let shares = scene.create_tokens(address::backstop_mint(), own.key.pubkey(), 0);
        let stake = ix::stake_backstop(
            &scene.listings,
            (own.key.pubkey(), own.tokens, shares),
            (180_000 * DOLLAR, 0),
        );
        let calls = [stake.expect("builds"), ix::sweep_market(A)];
        scene.send(&calls, &[&own.key]).expect("stakes and sweeps");
        let ticket = request(&mut scene, &(same(&own), shares));
        // A loss on the next day finds him there.
        let mut slashed = scene.fork();
        let loser = slashed.bankrupt(A, Side::Long, 10_000 * DOLLAR);
        slashed.resolve(&loser, A);
        for (scene, most) in [(&mut scene, if swept { 0 } else { 450 }), (&mut slashed, -8_000)] {
            scene.advance(COOLDOWN);
            scene.unstake(&own, &ticket, 0).expect("in his window");
            let gained = scene.wealth([&own]) - dollars(180_000);
            println!("swept before {swept}: {gained}");
            assert!(gained <= dollars(most), "{gained}");
        }
        assert!(scene.fund().core.backstop.active.value >= 20_000 * DOLLAR, "nobody's stake has shrunk");
        drop(stakers);
    }
}
