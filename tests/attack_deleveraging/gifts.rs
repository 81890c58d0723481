//! A bankrupt who deposits dust of a collateral, so as not to be resolved: what that holds up, and for how long.

use bulwark_sdk::engine::sale::OUTAGE;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::instruction::{self as ix, Liquidator, Margin};
use bulwark_sdk::program::state::MarginAccount;
use bulwark_sdk::{Instruction, Pubkey};
use bulwark_tests::fixtures::DOLLAR;
use bulwark_tests::{Signer, Trader, World};

use crate::stage::market;
use crate::support::*;

/// A bankrupt who owes 400 dollars and has gold in his wallet, and a keeper with quote.
fn bankrupt() -> (Scene, Trader, Pubkey, Trader) {
    let mut scene = Scene::of(World::empty(), [market(false); 2]);
    scene.fund_with(10_000, 0);
    let loser = scene.bankrupt(A, Side::Long, 400 * DOLLAR);
    let mint = scene.listings.vaults[usize::from(GOLD)].mint;
    let gold = scene.create_tokens(mint, loser.key.pubkey(), 1_000);
    let keeper = scene.funded_trader(1_000 * DOLLAR);
    (scene, loser, gold, keeper)
}

/// The bankrupt deposits a unit of gold.
fn give(scene: &mut Scene, who: &Trader, gold: Pubkey) {
    let vault = scene.listings.vaults[usize::from(GOLD)];
    let gift = ix::deposit(who.key.pubkey(), who.margin, &vault, (gold, 1));
    scene.send(&[gift], &[&who.key]).expect("anyone may deposit");
}

/// Buys what the bankrupt holds by then and resolves, in one transaction.
fn buy_and_resolve(scene: &Scene, who: &Trader, keeper: &Trader) -> [Instruction; 2] {
    let (own, account) = (scene.margin(&keeper.margin), scene.margin(&who.margin));
    let margin = Margin { address: who.margin, account: &account };
    let buyer = Liquidator {
        authority: keeper.key.pubkey(),
        margin: Margin { address: keeper.margin, account: &own },
    };
    let order = (GOLD, u64::MAX, u64::MAX);
    let buy = ix::liquidate_collateral(&scene.listings, buyer, (margin, None), order).expect("builds");
    let empty = MarginAccount { collaterals: Default::default(), ..*account };
    let margin = Margin { address: who.margin, account: &empty };
    [buy, ix::resolve_bankruptcy(&scene.listings, margin, A).expect("builds")]
}

#[test]
fn attack_a_unit_of_gold_of_a_bankrupt_holds_up_nothing() {
    let (mut scene, loser, gold, keeper) = bankrupt();
    give(&mut scene, &loser, gold);
    refused(scene.resolve_bankruptcy(&loser.margin, A), "NotBankrupt");
    // A stranger can't do it for him.
    let stranger = scene.trader(0);
    let vault = scene.listings.vaults[usize::from(GOLD)];
    let own = scene.create_tokens(vault.mint, stranger.key.pubkey(), 1_000);
    let other = scene.bankrupt(A, Side::Long, DOLLAR);
    let gift = ix::deposit(stranger.key.pubkey(), other.margin, &vault, (own, 1));
    refused(scene.send(&[gift], &[&stranger.key]), "NewCollateralByStranger");
    scene.resolve(&other, A);
    // However often he deposits: whoever resolves buys it in the same transaction, for a unit of quote.
    let calls = buy_and_resolve(&scene, &loser, &keeper);
    for _ in 0..20 {
        give(&mut scene, &loser, gold);
    }
    let before = scene.wealth([&keeper]);
    let event = resolved(&scene.send(&calls, &[&keeper.key]).expect("in one transaction"));
    assert!(event.reserve + 3 >= 400 * DOLLAR, "{event:?}");
    assert!(before - scene.wealth([&keeper]) <= 3);
    assert_eq!(scene.market(A).core.book.unbacked, 0);
}

#[test]
fn attack_a_unit_of_dead_gold_of_a_bankrupt_holds_it_up_for_a_day_at_most() {
    // While nobody knows the price of any listed collateral, a unit of that can't be sold for a day; then it can, whatever for.
    // The debt waits where it was lost, and nobody is paid from it meanwhile.
    let (mut scene, loser, gold, keeper) = bankrupt();
    scene.dead[2] = true;
    let died = scene.vault(GOLD).core.oracle.publish_time;
    scene.wait(20);
    give(&mut scene, &loser, gold);
    for seconds in [60, 700, 40_000, OUTAGE - 60] {
        scene.set_clock(died + seconds);
        scene.refresh();
        let calls = buy_and_resolve(&scene, &loser, &keeper);
        refused(scene.send(&calls, &[&keeper.key]), "PriceStale");
        refused(scene.resolve_bankruptcy(&loser.margin, A), "NotBankrupt");
        assert_eq!(scene.market(A).core.book.unbacked, 400 * DOLLAR);
    }
    scene.set_clock(died + OUTAGE + 10);
    scene.refresh();
    for _ in 0..5 {
        give(&mut scene, &loser, gold);
    }
    let calls = buy_and_resolve(&scene, &loser, &keeper);
    let event = resolved(&scene.send(&calls, &[&keeper.key]).expect("in one transaction"));
    assert!(event.reserve + 3 >= 400 * DOLLAR, "{event:?}");
}
