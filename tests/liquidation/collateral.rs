//! Collateral of an account in trouble, or of one that owes too much, is sold for quote.

use bulwark_sdk::engine::auction::COLLATERAL_LAPSE_SLOTS;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction::{self as ix, Liquidator, Margin};
use bulwark_sdk::program::events::CollateralSold;
use bulwark_sdk::program::state::MarginAccount;
use bulwark_sdk::{Instruction, Pubkey};
use bulwark_tests::fixtures::{DOLLAR, PRINT};
use bulwark_tests::{Failure, Outcome, Signer as _, Trader};

use crate::support::*;

/// 125 dollars less 10/128.
const FALLEN: i64 = 115 * PRINT + PRINT * 15 / 64;

/// 10 UNI, no quote, and a long of 100 DUO that has lost 976.5625 and 0.625 dollars: 1,187.5 count, 357.2265625 are required.
fn scene() -> (Stage, Trader, Trader) {
    let mut stage = Stage::new();
    let victim = stage.trader(0);
    stage.deposit_collateral(&victim, TOKEN, 10 * ONE).expect("collateral");
    stage.open(&victim, B, Side::Long, 100 * ONE).expect("open");
    let buyer = stage.funded_trader(100_000 * DOLLAR);
    stage.move_to(B, FALLEN);
    assert_eq!((stage.quote(&victim.margin), stage.requirement(&victim.margin)), (0, 357_226_563));
    (stage, victim, buyer)
}

/// An account of 10 UNI and nothing else that owes so much for the DUO market.
fn debtor(owed: u64) -> (Stage, Trader, Trader) {
    let mut stage = Stage::new();
    let debtor = stage.trader(0);
    stage.deposit_collateral(&debtor, TOKEN, 10 * ONE).expect("collateral");
    let buyer = stage.funded_trader(100_000 * DOLLAR);
    stage.take_quote(&debtor.margin, owed.into());
    stage.owe(&debtor.margin, B, Side::Long);
    (stage, debtor, buyer)
}

fn sold(result: Result<Outcome, Failure>) -> CollateralSold {
    match &result.expect("liquidate_collateral").events[..] {
        [Event::CollateralSold(e)] => e.clone(),
        other => panic!("one event of a sale, not {other:?}"),
    }
}

fn held(stage: &Stage, margin: &Pubkey) -> u64 {
    stage.margin(margin).collaterals.iter().filter(|c| c.vault == TOKEN).map(|c| c.amount).sum()
}

/// Discount, parts per billion of the price.
fn ppb(e: &CollateralSold) -> i128 {
    (i128::from(e.discount) * 1_000_000_000) >> 32
}

fn call(stage: &Stage, buyer: &Trader, victim: &Trader, args: (u16, u64, u64)) -> Instruction {
    let (own, account) = (stage.margin(&buyer.margin), stage.margin(&victim.margin));
    let margin = Margin { address: buyer.margin, account: &own };
    let buyer = Liquidator { authority: buyer.key.pubkey(), margin };
    let victim = Margin { address: victim.margin, account: &account };
    ix::liquidate_collateral(&stage.listings, buyer, (victim, None), args).expect("builds")
}

#[test]
fn an_account_in_trouble_sells_what_brings_in_its_requirement() {
    let (mut stage, victim, buyer) = scene();
    let e = sold(stage.liquidate_collateral(&buyer, &victim.margin, TOKEN, u64::MAX));
    // 357.226563 dollars at 99.8 % of 125: 2.86354… UNI.
    near(e.amount.into(), 357_226_563 * 8 * 1_000 / 998, 9, "amount");
    near(e.proceeds.into(), 357_226_563, 1, "proceeds");
    near(ppb(&e), 2_000_000, 1, "0.2 % at the start");
    assert_eq!((e.account, e.liquidator, e.vault), (victim.margin, buyer.margin, TOKEN));
    assert_eq!(e.sequence + 1, stage.vault(TOKEN).sequence);
    assert_eq!(i128::from(e.price), i128::from(1_u64 << 32) / 8);
    assert_eq!(stage.quote(&victim.margin), i128::from(e.proceeds));
    assert_eq!(stage.quote(&buyer.margin), 100_000_000_000 - i128::from(e.proceeds));
    assert_eq!((held(&stage, &victim.margin), held(&stage, &buyer.margin)), (10 * ONE - e.amount, e.amount));
    assert_eq!(stage.vault(TOKEN).core.recorded, 10 * ONE, "the tokens stay in the vault");
    // It may still be in trouble, but has nothing more to sell for this.
    is(stage.liquidate_collateral(&buyer, &victim.margin, TOKEN, u64::MAX), "ZeroAmount");
}

#[test]
fn a_buyer_may_take_less_and_gets_no_more_than_is_due() {
    let (mut stage, victim, buyer) = scene();
    let all = sold(stage.fork().liquidate_collateral(&buyer, &victim.margin, TOKEN, u64::MAX)).amount;
    assert_eq!(sold(stage.fork().liquidate_collateral(&buyer, &victim.margin, TOKEN, 9 * ONE)).amount, all);
    let e = sold(stage.liquidate_collateral(&buyer, &victim.margin, TOKEN, ONE));
    assert_eq!((e.amount, e.proceeds), (ONE, 124_750_001), "rounded up: the buyer acts");
    // Of nothing nothing is sold: it only calls the auction.
    let (owned, slot) = (held(&stage, &victim.margin), stage.slot());
    let zero = stage.liquidate_collateral(&buyer, &victim.margin, TOKEN, 0).expect("a call");
    assert!(zero.events.is_empty() && held(&stage, &victim.margin) == owned);
    assert_eq!(stage.margin(&victim.margin).auction.touched, slot);
    // A single unit, worth an eighth of a quote unit: the buyer pays one.
    let e = sold(stage.liquidate_collateral(&buyer, &victim.margin, TOKEN, 1));
    assert_eq!((e.amount, e.proceeds), (1, 1));
}

#[test]
fn with_positions_the_discount_rises_to_the_haircut_in_20_slots() {
    let (mut scene, victim, buyer) = scene();
    let starter = scene.funded_trader(100_000 * DOLLAR);
    scene.liquidate(&starter, &victim.margin, B, 0).expect("starts");
    for (slots, discount) in [(0, 2_000_000), (5, 14_000_000), (10, 26_000_000), (19, 47_600_000)] {
        let mut stage = scene.fork();
        stage.keep_calling((&starter, &victim), B, slots);
        let e = sold(stage.liquidate_collateral(&buyer, &victim.margin, TOKEN, ONE));
        near(ppb(&e), discount, 1, "discount");
        near(e.proceeds.into(), 125_000_000 - 125 * discount / 1_000, 1, "proceeds");
    }
    // At the haircut the account is worth what it was: only what it owes is sold for.
    scene.keep_calling((&starter, &victim), B, 20);
    is(scene.liquidate_collateral(&buyer, &victim.margin, TOKEN, u64::MAX), "ZeroAmount");
    scene.take_quote(&victim.margin, 100_000_000);
    scene.owe(&victim.margin, B, Side::Long);
    let equity = |s: &Stage| s.equity(&victim.margin) + i128::from(held(s, &victim.margin)) * 95 / 800;
    let before = equity(&scene);
    let e = sold(scene.liquidate_collateral(&buyer, &victim.margin, TOKEN, u64::MAX));
    near(ppb(&e), 50_000_000, 1, "discount");
    near(e.proceeds.into(), 100_000_000, 1, "what it owes");
    near(equity(&scene), before, 2, "worth");
}

#[test]
fn without_positions_it_goes_on_to_everything_and_then_the_account_is_bankrupt() {
    // 10 UNI count 1,187.5 dollars; 1,190 are owed.
    let (mut scene, debtor, buyer) = debtor(1_190 * DOLLAR);
    sold(scene.liquidate_collateral(&buyer, &debtor.margin, TOKEN, ONE / 1_000));
    assert_eq!(scene.margin(&debtor.margin).auction.collateral_only, 1);
    // Within an hour, which is 9,000 slots, if somebody calls every 20 seconds and lets no more than 50 slots pass.
    assert_eq!(COLLATERAL_LAPSE_SLOTS, 50);
    let wait = |stage: &mut Stage, slots: u64| {
        let mut left = slots;
        while left > 0 {
            let step = left.min(COLLATERAL_LAPSE_SLOTS);
            stage.pass(step);
            left -= step;
            stage.liquidate_collateral(&buyer, &debtor.margin, TOKEN, 0).expect("still in trouble");
        }
    };
    wait(&mut scene, 50);
    let table = [
        (0, 50_000_000),
        (900, 145_000_000),
        (4_500, 525_000_000),
        (9_000, 1_000_000_000),
        (9_100, 1_000_000_000),
    ];
    for (slots, discount) in table {
        let mut stage = scene.fork();
        wait(&mut stage, slots);
        let e = sold(stage.liquidate_collateral(&buyer, &debtor.margin, TOKEN, ONE));
        near(ppb(&e), discount, 1, "discount");
        near(e.proceeds.into(), 125_000_000 - 125 * discount / 1_000, 1, "proceeds");
    }
    let mut late = scene.fork();
    late.pass(COLLATERAL_LAPSE_SLOTS);
    let e = sold(late.fork().liquidate_collateral(&buyer, &debtor.margin, TOKEN, ONE));
    // 5 % and 95 % of 50/9,000.
    near(ppb(&e), 55_277_778, 1, "50 slots without a call: it runs on");
    late.pass(1);
    let e = sold(late.liquidate_collateral(&buyer, &debtor.margin, TOKEN, ONE));
    near(ppb(&e), 2_000_000, 1, "nobody called: another auction");
    wait(&mut scene, 9_000);
    is(scene.resolve_bankruptcy(&debtor.margin, B), "NotBankrupt");
    let owed = -scene.quote(&debtor.margin);
    let e = sold(scene.liquidate_collateral(&buyer, &debtor.margin, TOKEN, u64::MAX));
    assert_eq!((e.amount, e.proceeds), (10 * ONE - ONE / 1_000, 0), "for nothing");
    let e = resolved(&scene.resolve_bankruptcy(&debtor.margin, B).expect("bankrupt now"));
    assert_eq!(i128::from(e.debt), owed);
}

#[test]
fn the_auction_of_the_positions_is_not_that_of_the_collateral() {
    // After 40 slots of liquidating positions the collateral does not start at a discount of 5 %.
    let (mut stage, victim, buyer) = scene();
    stage.liquidate(&buyer, &victim.margin, B, 0).expect("starts");
    stage.keep_calling((&buyer, &victim), B, 40);
    stage.move_to(B, 112 * PRINT);
    assert_eq!(stage.take_over(&buyer, &victim, B, u64::MAX).elapsed, 40);
    assert!(stage.quote(&victim.margin) < -1_187_500_000, "all is debt");
    let e = sold(stage.liquidate_collateral(&buyer, &victim.margin, TOKEN, ONE));
    near(ppb(&e), 2_000_000, 1, "0.2 %");
}

#[test]
fn a_healthy_account_sells_only_what_it_owes_beyond_the_threshold() {
    for (owed, sells) in [(1_000 * DOLLAR, false), (1_000 * DOLLAR + 1, true)] {
        let (mut stage, debtor, buyer) = debtor(owed);
        if !sells {
            let call = call(&stage, &buyer, &debtor, (TOKEN, u64::MAX, u64::MAX));
            refused(&mut stage, call, &[&buyer.key], "Healthy", "at the threshold");
            continue;
        }
        stage.pass(20);
        let e = sold(stage.liquidate_collateral(&buyer, &debtor.margin, TOKEN, u64::MAX));
        near(ppb(&e), 2_000_000, 1, "0.2 %, however late");
        near(e.proceeds.into(), owed.into(), 1, "all it owes");
        assert!((0..=1).contains(&stage.quote(&debtor.margin)));
        assert_eq!(stage.margin(&debtor.margin).auction.started, 0, "no auction");
        stage.settle(&debtor.margin, B).expect("nothing is held back any more");
        assert_eq!(stage.market(B).core.book.unbacked, 0);
    }
}

/// Somebody has a claim on a market that has nothing but what is owed.
fn somebody_waits(stage: &mut Stage, market: u16) {
    let winner = stage.holder(100_000, (market, Side::Long), 100 * ONE);
    stage.settle_at(market, 126 * PRINT);
    let unbacked = stage.market(market).core.book.unbacked;
    stage.drain(market, unbacked);
    stage.close(&winner, market, u64::MAX).expect("close");
    assert!(stage.market(market).core.book.unpaid_claims > 99 * DOLLAR);
    stage.settle_at(A, 125 * PRINT);
}

#[test]
fn while_somebody_waits_for_it_any_debt_is_due() {
    let (mut stage, debtor, buyer) = debtor(100 * DOLLAR);
    is(stage.press_debtor(&buyer, (&debtor.margin, Some(B)), TOKEN, u64::MAX), "Healthy");
    somebody_waits(&mut stage, B);
    // Not without naming the market, nor by naming one that nothing is owed for.
    is(stage.liquidate_collateral(&buyer, &debtor.margin, TOKEN, u64::MAX), "Healthy");
    is(stage.press_debtor(&buyer, (&debtor.margin, Some(A)), TOKEN, u64::MAX), "Healthy");
    let mut other = stage.fork();
    somebody_waits(&mut other, A);
    is(other.press_debtor(&buyer, (&debtor.margin, Some(A)), TOKEN, u64::MAX), "Healthy");
    let e = sold(stage.press_debtor(&buyer, (&debtor.margin, Some(B)), TOKEN, u64::MAX));
    near(e.proceeds.into(), 100_000_000, 1, "what it owes");
    near(ppb(&e), 2_000_000, 1, "0.2 %");
    stage.settle(&debtor.margin, B).expect("settle_position");
    assert_eq!(stage.market(B).core.book.payable(), 100 * DOLLAR, "now the winner can be paid");
}

#[test]
fn a_sale_needs_the_price_of_a_trade() {
    type Prepare = fn() -> (Stage, Trader, Trader);
    let cases: [(&str, Prepare, [Option<&str>; 3]); 2] = [
        ("margin", scene, [None, Some("PriceStale"), None]),
        ("debt", || debtor(1_100 * DOLLAR), [None, Some("PriceStale"), Some("PriceWide")]),
    ];
    for (what, prepare, wanted) in cases {
        let (stage, victim, buyer) = prepare();
        let at = |age: i64, conf: u64| {
            let mut stage = stage.fork();
            stage.advance(1);
            let mint = stage.listings.vaults[usize::from(TOKEN)].mint;
            stage.print(&UNI, 125 * PRINT, conf);
            let oracles = bulwark_tests::World::oracles(&UNI);
            stage.send(&[ix::refresh_vault((TOKEN, &mint), oracles)], &[]).expect("refresh_vault");
            stage.advance(age);
            stage.refresh_one(B, 0);
            let result = stage.liquidate_collateral(&buyer, &victim.margin, TOKEN, ONE / 10);
            result.err().map(|failure| failure.name.expect("a name"))
        };
        // 1.5 % of confidence are worth 17.8 dollars on what counts; 147 are missing.
        let got = [at(5, 0), at(6, 0), at(0, 187_500_000)];
        assert_eq!(
            got.map(|n| n.unwrap_or_default()),
            wanted.map(|n| n.unwrap_or_default().to_string()),
            "{what}"
        );
    }
}

#[test]
fn doubt_about_the_collateral_counts_for_the_account() {
    // 146.89 dollars are missing: 10 UNI count 95 % of a confidence of 16 dollars more.
    let (mut stage, victim, buyer) = scene();
    for (conf, name) in [(15 * PRINT, None), (16 * PRINT, Some("Healthy"))] {
        stage.advance(1);
        stage.print(&UNI, 125 * PRINT, conf.unsigned_abs());
        let mint = stage.listings.vaults[usize::from(TOKEN)].mint;
        let oracles = bulwark_tests::World::oracles(&UNI);
        stage.send(&[ix::refresh_vault((TOKEN, &mint), oracles)], &[]).expect("refresh_vault");
        stage.refresh_one(B, 0);
        let result = stage.fork().liquidate_collateral(&buyer, &victim.margin, TOKEN, ONE / 10);
        assert_eq!(result.as_ref().err().and_then(|f| f.name.as_deref()), name);
        if let Ok(outcome) = result {
            let e = sold(Ok(outcome));
            near(e.proceeds.into(), 12_500_000 * 998 / 1_000, 1, "sold at the price itself");
        }
    }
}

#[test]
fn a_dead_price_can_not_be_sold_at_until_it_fades_within_a_week() {
    let (stage, victim, buyer) = scene();
    let day = 86_400;
    let at = |seconds: i64| {
        let mut stage = stage.fork();
        // DUO falls further, so that the account is in trouble without a haircut too.
        stage.take_quote(&victim.margin, 300_000_000);
        stage.owe(&victim.margin, B, Side::Long);
        let time = stage.vault(TOKEN).core.oracle.publish_time;
        stage.set_clock(time + seconds);
        stage.refresh_one(B, 0);
        stage.liquidate_collateral(&buyer, &victim.margin, TOKEN, ONE)
    };
    is(at(60), "PriceStale");
    is(at(600), "PriceStale");
    is(at(601), "PriceStale");
    is(at(day), "PriceStale");
    for (seconds, discount) in [(4 * day, 500_000_000), (7 * day, 1_000_000_000), (30 * day, 1_000_000_000)] {
        let e = sold(at(seconds));
        near(ppb(&e), discount, 1, "discount");
        near(e.proceeds.into(), 125_000_000 - 125 * discount / 1_000, 1, "proceeds");
    }
}

#[test]
fn the_buyer_pays_with_quote_that_he_has_and_holds_initial_margin_after_it() {
    let (mut stage, victim, _) = scene();
    // 2 UNI cost 249.5 dollars and what rounding adds.
    for (quote, enough) in [(249_500_000, false), (249_500_001, true)] {
        let buyer = stage.funded_trader(quote);
        let call = call(&stage, &buyer, &victim, (TOKEN, 2 * ONE, u64::MAX));
        if enough {
            stage.fork().send(&[call], &[&buyer.key]).expect("all he has");
        } else {
            refused(&mut stage, call, &[&buyer.key], "InsufficientBalance", "a unit short");
        }
    }
    let mut with = |dollars: u64| {
        let buyer = stage.holder(1_000, (A, Side::Short), 40 * ONE);
        stage.take_quote(&buyer.margin, i128::from((1_000 - dollars) * DOLLAR));
        let mut stage = stage.fork();
        stage.liquidate_collateral(&buyer, &victim.margin, TOKEN, 2 * ONE)
    };
    // 40 UNI short ask for 250 dollars and have lost 0.1 to the curve; 2 UNI count 225 of the 249.5 that they cost: 274.6.
    is(with(274), "InsufficientMargin");
    sold(with(275));
}

#[test]
fn who_may_not_buy_what() {
    let (mut stage, victim, buyer) = scene();
    let own = call(&stage, &victim, &victim, (TOKEN, ONE, u64::MAX));
    refused(&mut stage, own, &[&victim.key], "DuplicateAccount", "himself");
    let mut quote = call(&stage, &buyer, &victim, (TOKEN, ONE, u64::MAX));
    quote.accounts[4].pubkey = stage.listings.vaults[0].address;
    refused(&mut stage, quote, &[&buyer.key], "WrongAccount", "the quote vault");
    // A price is a limit on what a unit costs: 99.8 % of an eighth of a quote unit.
    let price = (1_u64 << 32) / 8 / 1_000 * 998;
    for (limit, name) in
        [(price + 1_000, None), (price - 1_000, Some("LimitPrice")), (0, Some("PriceOutOfRange"))]
    {
        let call = call(&stage, &buyer, &victim, (TOKEN, ONE, limit));
        match name {
            Some(name) => refused(&mut stage, call, &[&buyer.key], name, "a limit"),
            None => drop(stage.fork().send(&[call], &[&buyer.key]).expect("within the limit")),
        }
    }
    let full = call(&stage, &buyer, &victim, (TOKEN, ONE, u64::MAX));
    let slots = |stage: &mut Stage, amount: u64| {
        stage.tamper::<MarginAccount>(&buyer.margin, |account| {
            for (slot, vault) in account.collaterals.iter_mut().zip(10..) {
                (slot.vault, slot.amount) = (vault, amount);
            }
        });
    };
    slots(&mut stage, 1);
    refused(&mut stage, full.clone(), &[&buyer.key], "NoFreeCollateralSlot", "eight others");
    slots(&mut stage, 0);
    stage.send(&[full], &[&buyer.key]).expect("a free slot");
    // An account that has none of it.
    let poor = stage.holder(1_000, (B, Side::Long), 100 * ONE);
    stage.move_to(B, 110 * PRINT);
    let none = call(&stage, &buyer, &poor, (TOKEN, ONE, u64::MAX));
    refused(&mut stage, none, &[&buyer.key], "InsufficientBalance", "none there");
}
