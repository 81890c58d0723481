//! A delegate trades; he does not move what the account holds to somebody else at a price that nobody knows.

use bulwark_sdk::engine::sale::{DECAY, OUTAGE};
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::instruction::{self as ix, Liquidator, Margin};
use bulwark_sdk::{Instruction, Pubkey};
use bulwark_tests::fixtures::DOLLAR;
use bulwark_tests::{Signer, Trader};

use crate::support::*;

const LOTS: u64 = 100 * ONE;

/// The delegate's own account owes 2,000 dollars and holds gold; the owner's has 100,000 dollars.
fn delegated() -> (Scene, Trader, Trader) {
    let mut scene = Scene::new(free());
    let [delegate, owner] = [scene.with_gold(1_000, 16 * ONE), scene.funded_trader(100_000 * DOLLAR)];
    scene.hold(&delegate, A, Side::Long, 3 * LOTS / 2);
    scene.go(A, 10_500);
    scene.close(&delegate, A, u64::MAX).expect("close");
    let set = scene.delegate_instruction(&owner, delegate.key.pubkey());
    scene.send(&[set], &[&owner.key]).expect("set_delegate");
    (scene, delegate, owner)
}

/// The owner's account buys gold of the delegate's, signed by this one.
fn buy(scene: &Scene, (owner, seller): (&Trader, &Trader), authority: Pubkey, amount: u64) -> Instruction {
    let (own, account) = (scene.margin(&owner.margin), scene.margin(&seller.margin));
    let buyer = Liquidator { authority, margin: Margin { address: owner.margin, account: &own } };
    let seller = Margin { address: seller.margin, account: &account };
    ix::liquidate_collateral(&scene.listings, buyer, (seller, None), (GOLD, amount, u64::MAX))
        .expect("builds")
}

#[test]
fn attack_a_delegate_does_not_buy_his_own_dead_gold_with_the_owners_money() {
    // Its last price was 125 dollars and it is worth nothing any more. The delegate would have the owner pay five sixths of that.
    let (mut scene, delegate, owner) = delegated();
    scene.dead[2] = true;
    let died = scene.vault(GOLD).core.oracle.publish_time;
    let before = scene.wealth([&owner]);
    for after in [OUTAGE + 1_000, OUTAGE + DECAY / 6, OUTAGE + DECAY / 2, OUTAGE + DECAY, OUTAGE + 2 * DECAY]
    {
        scene.set_clock(died + after);
        scene.refresh();
        for amount in [0, 1, ONE, u64::MAX] {
            let call = buy(&scene, (&owner, &delegate), delegate.key.pubkey(), amount);
            refused(scene.send(&[call], &[&delegate.key]), "Unauthorized");
        }
        assert_eq!(scene.wealth([&owner]), before);
        // The owner may, if he likes.
        let mut other = scene.fork();
        let call = buy(&other, (&owner, &delegate), owner.key.pubkey(), ONE);
        sold(&other.send(&[call], &[&owner.key]).expect("the owner decides"));
    }
}

#[test]
fn attack_a_delegate_who_buys_at_a_price_of_now_takes_nothing_from_the_owner() {
    // Before it is dead it has to be priced; at a price of now the owner gets more than he pays.
    let (mut scene, delegate, owner) = delegated();
    let before = scene.wealth([&owner]);
    let mut stale = scene.fork();
    stale.dead[2] = true;
    for slots in [15, 140, 1_500, 200_000] {
        stale.wait(slots);
        let call = buy(&stale, (&owner, &delegate), delegate.key.pubkey(), u64::MAX);
        let failure = stale.send(&[call], &[&delegate.key]).expect_err("no price");
        assert!(failure.is("PriceStale") || failure.is("Healthy"), "{slots}: {failure:?}");
    }
    for slots in [0, 20, 500] {
        scene.wait(slots);
        let call = buy(&scene, (&owner, &delegate), delegate.key.pubkey(), ONE);
        scene.send(&[call], &[&delegate.key]).expect("a delegate may trade");
        assert!(scene.wealth([&owner]) > before);
    }
    assert_eq!(scene.gold(&owner), 3 * ONE);
}
