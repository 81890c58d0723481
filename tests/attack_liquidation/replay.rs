//! Nothing that was signed for one account runs on the one that follows it at its address.

use bulwark_sdk::engine::units::Side;
use bulwark_sdk::instruction as ix;
use bulwark_tests::Signer;
use bulwark_tests::fixtures::DOLLAR;

use crate::support::*;

const LOTS: u64 = 100 * ONE;

#[test]
fn attack_47_a_signed_liquidation_is_not_replayed_on_a_recreated_account() {
    let mut scene = Scene::new(params());
    let victim = scene.with_gold(10, 20 * ONE);
    let taker = scene.funded_trader(50_000 * DOLLAR);
    scene.hold(&victim, A, Side::Long, 3 * LOTS / 2);
    scene.go(A, 11_000);
    // The liquidator signs, somebody keeps the bytes.
    let takeover = scene.liquidate_instruction(&taker, &victim.margin, A, u64::MAX);
    let (own, account) = (scene.margin(&taker.margin), scene.margin(&victim.margin));
    let buyer = ix::Liquidator {
        authority: taker.key.pubkey(),
        margin: ix::Margin { address: taker.margin, account: &own },
    };
    let margin = ix::Margin { address: victim.margin, account: &account };
    let sale = ix::liquidate_collateral(&scene.listings, buyer, (margin, None), (GOLD, u64::MAX, u64::MAX));
    let sale = sale.expect("builds");
    for call in [&takeover, &sale] {
        scene.fork().send(std::slice::from_ref(call), &[&taker.key]).expect("good now");
    }
    // He closes his account and opens it again, with as much money.
    let all = scene.quote(&taker).unsigned_abs();
    scene.withdraw(&taker, 0, (taker.tokens, all)).expect("withdraw");
    let close = ix::close_margin_account(taker.key.pubkey(), taker.margin);
    scene.send(&[close], &[&taker.key]).expect("close");
    scene.svm.airdrop(&taker.key.pubkey(), 1_000_000_000).expect("airdrop");
    let open = ix::open_margin_account(taker.key.pubkey(), scene.payer.pubkey(), 0);
    scene.send(&[open], &[&taker.key]).expect("open");
    scene.deposit(&taker, all).expect("deposit");
    for call in [&takeover, &sale] {
        refused(scene.send(std::slice::from_ref(call), &[&taker.key]), "WrongIncarnation");
    }
}

#[test]
fn attack_47_the_victim_cannot_swap_its_position_behind_a_signed_takeover() {
    // The victim pays in, closes its account, opens it anew and lets another position get into trouble: what the liquidator
    // signed says at what price he takes lots of which market, and no more.
    let mut scene = Scene::new(params());
    let victim = scene.funded_trader(700 * DOLLAR);
    let taker = scene.funded_trader(50_000 * DOLLAR);
    scene.hold(&victim, A, Side::Long, LOTS);
    scene.go(A, 12_150);
    let (own, account) = (scene.margin(&taker.margin), scene.margin(&victim.margin));
    let liquidator = ix::Liquidator {
        authority: taker.key.pubkey(),
        margin: ix::Margin { address: taker.margin, account: &own },
    };
    let margin = ix::Margin { address: victim.margin, account: &account };
    // At 121.50 dollars or less, ten units.
    let limit = scene.market(A).core.mark().to_bits();
    let order = ix::Order { market: A, lots: 10 * ONE, limit_price: limit };
    let signed = ix::liquidate(&scene.listings, liquidator, margin, order).expect("builds");
    scene.fork().send(std::slice::from_ref(&signed), &[&taker.key]).expect("good now");
    for (side, cents) in [(Side::Short, 13_300), (Side::Long, 12_300)] {
        let mut scene = scene.fork();
        scene.close(&victim, A, u64::MAX).expect("close");
        let rest = scene.quote(&victim).unsigned_abs();
        scene.withdraw(&victim, 0, (victim.tokens, rest)).expect("withdraw");
        let close = ix::close_margin_account(victim.key.pubkey(), victim.margin);
        scene.send(&[close], &[&victim.key]).expect("close");
        scene.svm.airdrop(&victim.key.pubkey(), 1_000_000_000).expect("airdrop");
        let open = ix::open_margin_account(victim.key.pubkey(), scene.payer.pubkey(), 0);
        scene.send(&[open], &[&victim.key]).expect("open");
        scene.settle_at(A, 12_800);
        scene.create_and_deposit(&victim, 700 * DOLLAR);
        scene.hold(&victim, A, side, LOTS);
        scene.go(A, cents);
        assert!(scene.first(&victim).is_some());
        let before = scene.wealth([&taker]);
        let sent = scene.send(std::slice::from_ref(&signed), &[&taker.key]);
        match side {
            // A short taken over at more than he asked for at least: the limit is a floor there.
            Side::Short => assert!(sent.is_ok() && scene.wealth([&taker]) >= before),
            Side::Long => refused(sent, "LimitPrice"),
        }
    }
}

#[test]
fn attack_a_delegate_of_yesterday_takes_nothing_over() {
    let mut scene = Scene::new(params());
    let victim = scene.funded_trader(700 * DOLLAR);
    let taker = scene.funded_trader(50_000 * DOLLAR);
    let delegate = scene.keypair();
    scene.hold(&victim, A, Side::Long, LOTS);
    scene.go(A, 12_150);
    let set = scene.delegate_instruction(&taker, delegate.pubkey());
    scene.send(&[set], &[&taker.key]).expect("set_delegate");
    let call = |scene: &Scene| {
        let mut call = scene.liquidate_instruction(&taker, &victim.margin, A, u64::MAX);
        call.accounts[0].pubkey = delegate.pubkey();
        call
    };
    let signed = call(&scene);
    scene.fork().send(std::slice::from_ref(&signed), &[&delegate]).expect("a delegate may trade");
    let unset = scene.delegate_instruction(&taker, Default::default());
    scene.send(&[unset], &[&taker.key]).expect("set_delegate");
    refused(scene.send(&[signed], &[&delegate]), "Unauthorized");
}
