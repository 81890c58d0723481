//! What a keeper has earned is what its balance says.

use bulwark_keeper::report::amount::Amount;
use bulwark_keeper::report::history::{Earnings, Entries, Entry};
use bulwark_keeper::report::{Identity, Own};
use bulwark_sdk::engine::margin::HealthType;
use bulwark_sdk::engine::trigger::TriggerKind;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction::{self as ix, Margin, Order, TriggerOrder};
use bulwark_sdk::program::events::Liquidated;
use bulwark_tests::fixtures::{DOLLAR, PRINT, SOL_ASSET, TRIGGER_FEE};
use bulwark_tests::{BTC, Outcome, SOL, SOL_VAULT, Signer, Trader, World};

use crate::scene::{edge_and_rock, report_on, whose};

/// Everything that has happened on a chain, as a node would tell it, newest first.
fn journal(world: &World) -> Entries {
    let entry = |event: &Event| Entry {
        slot: 7,
        time: Some(70),
        fee: 5_000,
        own_fee: true,
        events: vec![event.clone()],
        ..Entry::default()
    };
    Entries { read: world.journal.iter().rev().map(entry).collect(), ..Entries::default() }
}

fn liquidated(outcome: &Outcome) -> &Liquidated {
    let found = outcome.events.iter().find_map(|event| match event {
        Event::Liquidated(liquidated) => Some(liquidated),
        _ => None,
    });
    found.expect("a liquidation")
}

/// The one on the edge has fallen below its requirement, and a keeper with fifty thousand dollars is there.
fn fallen() -> (World, Trader, Trader) {
    let (mut world, edge, _) = edge_and_rock();
    let keeper = world.funded_trader(50_000 * DOLLAR);
    world.move_price(SOL, 143 * PRINT);
    (world, edge, keeper)
}

#[test]
fn pay_for_handing_to_the_pool_is_what_the_keeper_has_got() {
    let (mut world, edge, keeper) = fallen();
    let outcome = world.liquidate_to_pool(&edge.margin, SOL, Some(keeper.margin)).expect("to the pool");
    let earnings = Earnings::of(&keeper.margin, &journal(&world)).expect("earnings");
    let got = world.margin(&keeper.margin).quote.0 - 50_000_000_000;
    assert!(got > 0);
    assert_eq!((earnings.to_pool.count, earnings.to_pool.amount), (1, got.into()));
    assert_eq!(earnings.to_pool.amount, liquidated(&outcome).keeper.into());
    assert_eq!(earnings.pay(), got.into());
    assert_eq!(earnings.moved[&0].deposited, (50_000 * DOLLAR).into());
    // The one who lost the position has earned nothing: he has been liquidated.
    let lost = Earnings::of(&edge.margin, &journal(&world)).expect("earnings");
    assert_eq!((lost.liquidated.count, lost.pay()), (1, Amount::ZERO));
    assert_eq!(lost.liquidated.amount, liquidated(&outcome).quote_change.into());
}

#[test]
fn deposits_pay_and_realised_pnl_less_fees_are_the_balance_after_a_takeover_is_sold() {
    let (mut world, edge, keeper) = fallen();
    let outcome = world.liquidate(&keeper, &edge.margin, SOL, u64::MAX).expect("takes over");
    let taken = liquidated(&outcome).clone();
    world.close(&keeper, SOL, u64::MAX).expect("sells it");
    let earnings = Earnings::of(&keeper.margin, &journal(&world)).expect("earnings");
    assert_eq!((earnings.takeovers.count, earnings.concession), (1, taken.concession.into()));
    let notional = (u128::from(taken.lots) * u128::from(taken.price)).div_ceil(1 << 32);
    assert_eq!(earnings.takeovers.amount.0, i128::try_from(notional).expect("fits"));
    assert_eq!(earnings.trades.count, 1);
    let told = earnings.moved[&0].deposited.0 + earnings.pay().0 + earnings.trades.amount.0;
    let told = told - earnings.trade_fees.0 - earnings.toxic_fees.0;
    assert_eq!(told, i128::from(world.margin(&keeper.margin).quote.0));
}

#[test]
fn collateral_is_bought_for_less_than_it_is_worth() {
    let mut world = World::new();
    let (debtor, keeper) = (world.funded_trader(10 * DOLLAR), world.funded_trader(50_000 * DOLLAR));
    world.deposit_collateral(&debtor, SOL_VAULT, 20 * SOL_ASSET.one()).expect("collateral");
    world.open(&debtor, BTC, Side::Long, bulwark_tests::fixtures::BTC_ASSET.one() * 6 / 10).expect("open");
    world.move_price(BTC, 57_000 * PRINT);
    world.print(&SOL_ASSET, 150 * PRINT, 1);
    world.refresh_sol_vault();
    let outcome = world.liquidate_collateral(&keeper, &debtor.margin, SOL_VAULT, u64::MAX).expect("buys");
    let [Event::CollateralSold(sold)] = &outcome.events[..] else { panic!("{outcome:?}") };
    let earnings = Earnings::of(&keeper.margin, &journal(&world)).expect("earnings");
    let worth = (u128::from(sold.amount) * u128::from(sold.price)) >> 32;
    let gain = i128::try_from(worth).expect("fits") - i128::from(sold.proceeds);
    assert!(gain > 0, "{gain}");
    assert_eq!((earnings.collateral.count, earnings.collateral.amount), (1, Amount(gain)));
}

#[test]
fn fees_for_triggers_of_others_are_earned_and_for_ones_own_they_are_not() {
    let (mut world, edge, rock) = edge_and_rock();
    let keeper = world.funded_trader(50_000 * DOLLAR);
    for trader in [&rock, &keeper] {
        if trader.margin == keeper.margin {
            world.open(trader, SOL, Side::Long, SOL_ASSET.one()).expect("open");
        }
        let account = world.margin(&trader.margin);
        let price = world.market(SOL).core.mark().to_bits();
        let order = Order { market: SOL, lots: u64::MAX, limit_price: 0 };
        let (kind, side) = (TriggerKind::TakeProfit, Side::Long);
        let trigger = TriggerOrder { kind, side, trigger_price: price, order, expiry: world.now() + 3_600 };
        let margin = Margin { address: trader.margin, account: &account };
        let place =
            ix::place_trigger(&world.listings, trader.key.pubkey(), margin, &trigger).expect("builds");
        world.send(&[place], &[&trader.key]).expect("placed");
        let account = world.margin(&trader.margin);
        let margin = Margin { address: trader.margin, account: &account };
        let paid = (trader.margin != keeper.margin).then_some(keeper.margin);
        let execute = ix::execute_trigger(&world.listings, margin, 1, paid).expect("builds");
        world.send(&[execute], &[]).expect("executed");
    }
    let earnings = Earnings::of(&keeper.margin, &journal(&world)).expect("earnings");
    assert_eq!((earnings.triggers.count, earnings.triggers.amount), (1, TRIGGER_FEE.into()));
    assert_eq!(earnings.trades.count, 2, "its own position: opened, and closed by its own trigger");
    let nobody = Earnings::of(&edge.margin, &journal(&world)).expect("earnings");
    assert_eq!(nobody.triggers.count, 0);
}

#[test]
fn what_failed_has_cost_its_fee_and_done_nothing_else() {
    let (mut world, edge, keeper) = fallen();
    let outcome = world.liquidate_to_pool(&edge.margin, SOL, Some(keeper.margin)).expect("to the pool");
    let done = Entry {
        slot: 9,
        time: Some(90),
        fee: 5_000,
        own_fee: true,
        events: outcome.events,
        ..Entry::default()
    };
    let failed = Entry { slot: 8, time: None, failed: true, fee: 7_000, ..done.clone() };
    let others =
        Entry { slot: 3, time: Some(30), own_fee: false, events: Vec::new(), failed: true, ..done.clone() };
    let one = Entries { read: vec![done.clone()], ..Entries::default() };
    let all = Entries { read: vec![done, failed, others], missing: 2, cut: true };
    let [one, all] = [one, all].map(|entries| Earnings::of(&keeper.margin, &entries).expect("earnings"));
    assert_eq!((all.to_pool, all.pay()), (one.to_pool, one.pay()));
    assert_eq!((one.lamports, one.failed), (5_000, 0));
    assert_eq!((all.lamports, all.failed), (12_000, 1), "the fee of another wallet is not ours");
    assert_eq!((all.span.slots, all.span.times), (Some([3, 9]), Some([30, 90])));
    assert_eq!((all.span.transactions, all.span.missing, all.span.cut), (3, 2, true));
}

#[test]
fn the_own_account_shows_what_it_holds_and_what_is_free() {
    let (mut world, edge, keeper) = fallen();
    world.liquidate(&keeper, &edge.margin, SOL, u64::MAX).expect("takes over");
    world.deposit_collateral(&keeper, SOL_VAULT, SOL_ASSET.one()).expect("collateral");
    world.refresh_sol_vault();
    let identity = Identity { own: whose(&keeper), history: Ok(journal(&world)) };
    let report = report_on(&world, &[&edge, &keeper], (Some(&identity), &[]));
    let own: Own = report.own.expect("own");
    let holdings = own.holdings.expect("open");
    let (maint, init) =
        [HealthType::Maint, HealthType::Init].map(|kind| world.health(&keeper.margin, kind)).into();
    assert_eq!((holdings.equity, holdings.requirement), (maint.equity.into(), maint.requirement.into()));
    assert_eq!(holdings.free_initial, init.excess().expect("excess").into());
    let [held] = &holdings.positions[..] else { panic!("{holdings:?}") };
    assert_eq!((held.market, held.side, held.pnl), (SOL, "long", world.pnl(&keeper.margin, SOL).into()));
    assert_eq!(
        (holdings.collaterals[0].vault, holdings.collaterals[0].tokens.as_str()),
        (SOL_VAULT, "1.000000000")
    );
    assert_eq!(own.earnings.expect("earnings").takeovers.count, 1);
}
