//! Collateral is bought from who has to sell it, as far as the keeper may and can.

use bulwark_keeper::config::Role;
use bulwark_keeper::work::Work;
use bulwark_sdk::engine::auction::COLLATERAL_LAPSE_SLOTS;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::program::events::CollateralSold;
use bulwark_tests::fixtures::{AUTO_EXCHANGE_THRESHOLD, DOLLAR, SOL_ASSET};
use bulwark_tests::{BTC, Outcome, SOL, SOL_VAULT, Trader, World};

use crate::bot::Bot;
use crate::stage::*;

/// A debtor with 100 SOL, 15,000 dollars, who owes so much for BTC; and a buyer with so many dollars.
fn scene(owed: u64, dollars: u64) -> (World, Trader, Bot) {
    let mut world = World::new();
    let debtor = world.trader(0);
    world.deposit_collateral(&debtor, SOL_VAULT, 100 * SOL_ASSET.one()).expect("collateral");
    indebt(&mut world, &debtor, owed, BTC);
    let mut bot = Bot::new(&mut world, dollars).only([Role::Liquidate]);
    bot.rules.max_collateral = 100_000 * DOLLAR;
    world.advance(1);
    print(&mut world, SOL, at(SOL, 1_000));
    (world, debtor, bot)
}

fn sales(outcome: &Outcome) -> Vec<CollateralSold> {
    let of = |event: &Event| if let Event::CollateralSold(e) = event { Some(e.clone()) } else { None };
    outcome.events.iter().filter_map(of).collect()
}

fn held(world: &World, bot: &Bot) -> u64 {
    bot.purse(world).collaterals.iter().map(|slot| slot.amount).sum()
}

#[test]
fn in_trouble_all_that_is_needed_is_bought_at_the_discount_and_that_is_what_it_earns() {
    let (mut world, debtor, mut bot) = scene(14_500, 100_000);
    assert_eq!(bot.find(&world), [Work::Liquidate(debtor.margin)]);
    let (_, outcome, earned) = only(bot.round(&mut world));
    let [sale] = &sales(&outcome)[..] else { panic!("{outcome:?}") };
    let worth = world.vault(SOL_VAULT).core.oracle.price.mul_floor(sale.amount).expect("a worth");
    assert_eq!(earned, (worth - sale.proceeds).cast_signed());
    // 0.2 % at the start.
    assert!(earned.unsigned_abs().abs_diff(worth / 500) <= 5, "{earned} of {worth}");
    assert_eq!(bot.purse(&world).quote.0, (100_000 * DOLLAR - sale.proceeds).cast_signed());
    assert!(!in_trouble(&world, &debtor.margin));
    assert!((0..=2).contains(&world.margin(&debtor.margin).quote.0), "all of the debt is paid");
    assert_eq!(bot.find(&world), []);
}

#[test]
fn no_more_collateral_is_held_than_allowed_and_nothing_fails_at_the_limit() {
    let (mut world, debtor, mut bot) = scene(15_500, 100_000);
    bot.rules.max_collateral = 6_000 * DOLLAR;
    let all = done(work_off(&mut bot, &mut world, (SOL, at(SOL, 1_000)), 300));
    let worth = world.vault(SOL_VAULT).core.oracle.price.mul_floor(held(&world, &bot)).expect("a worth");
    assert!(worth <= 6_000 * DOLLAR && worth > 5_999 * DOLLAR, "{worth}");
    assert_eq!(all.iter().map(|(_, _, outcome, _)| sales(outcome).len()).sum::<usize>(), 1);
    assert!(in_trouble(&world, &debtor.margin));
    kept_running(&world, &debtor, &all);
}

#[test]
fn an_empty_purse_keeps_the_auction_running_for_whoever_can_buy() {
    let (mut world, debtor, mut bot) = scene(15_500, 0);
    let all = done(work_off(&mut bot, &mut world, (SOL, at(SOL, 1_000)), 300));
    assert!(all.iter().all(|(_, _, outcome, _)| is_call(outcome)));
    kept_running(&world, &debtor, &all);
}

/// The auction began once, and calls came often enough and seldom enough.
#[track_caller]
fn kept_running(world: &World, debtor: &Trader, all: &[(u64, Work, Outcome, i64)]) {
    let auction = world.margin(&debtor.margin).auction;
    let first = all.iter().map(|(slot, ..)| *slot).min().expect("a call");
    assert!(auction.started <= first, "it never lapsed: {} after {first}", auction.started);
    let slots: Vec<u64> = all.iter().map(|(slot, ..)| *slot).collect();
    assert!(slots.windows(2).all(|pair| pair[1] - pair[0] <= COLLATERAL_LAPSE_SLOTS), "{slots:?}");
    assert!(slots.len() <= 300 / 20, "{} calls in 300 slots", slots.len());
}

/// Somebody with a few lamports, who owes more than they are weighed at.
fn dust(world: &mut World, (lamports, owed): (u64, u64)) -> Trader {
    let debtor = world.trader(0);
    world.deposit_collateral(&debtor, SOL_VAULT, lamports).expect("collateral");
    indebt_units(world, &debtor, owed, BTC);
    debtor
}

/// A thousandth of a SOL, 15 cents.
const CENTS: (u64, u64) = (1_000_000, 147_000);

#[test]
fn what_is_worth_less_than_its_auction_is_bought_at_once_and_for_good() {
    for what in [CENTS, (1, 1), (1, 1_000), (7, 2), (999, 5_000), (100_000, 15_000)] {
        let (mut world, _, mut bot) = scene(0, 1_000);
        bot.rules.sol_price = Some(150 * DOLLAR);
        bot.rules.min_profit = DOLLAR.cast_signed();
        let debtor = dust(&mut world, what);
        assert!(in_trouble(&world, &debtor.margin));
        let all = done(work_off(&mut bot, &mut world, (SOL, at(SOL, 1_000)), 300));
        let [(_, work, outcome, _)] = &all[..] else { panic!("{what:?}: {all:?}") };
        assert_eq!((work, sales(outcome).len()), (&Work::Liquidate(debtor.margin), 1));
        let left = world.margin(&debtor.margin).collaterals.iter().any(|slot| slot.amount != 0);
        assert!(!left || !in_trouble(&world, &debtor.margin), "{what:?}");
    }
}

#[test]
fn nobody_calls_for_what_is_worth_less_than_its_auction() {
    for (sol_price, calls) in [(Some(150 * DOLLAR), false), (Some(75 * DOLLAR), true)] {
        let (mut world, _, mut bot) = scene(0, 0);
        bot.rules.sol_price = sol_price;
        dust(&mut world, CENTS);
        let all = done(work_off(&mut bot, &mut world, (SOL, at(SOL, 1_000)), 100));
        assert_eq!(!all.is_empty(), calls, "{all:?}");
    }
}

#[test]
fn a_gain_below_what_a_transaction_costs_is_left_to_others() {
    let (world, debtor, mut bot) = scene(1_001, 100_000);
    assert_eq!(bot.find(&world), [Work::SellCollateral(debtor.margin)]);
    // 0.2 % of a thousand dollars: two dollars. A transaction at a million dollars per SOL: five.
    bot.rules.sol_price = Some(1_000_000 * DOLLAR);
    assert_eq!(bot.find(&world), []);
}

#[test]
fn what_the_purse_can_pay_is_bought_and_no_more() {
    let (mut world, debtor, mut bot) = scene(15_500, 2_000);
    bot.rules.min_free_margin = 0;
    let (_, outcome, _) = only(bot.round(&mut world));
    let [sale] = &sales(&outcome)[..] else { panic!("{outcome:?}") };
    assert!(sale.proceeds <= 2_000 * DOLLAR && sale.proceeds > 1_990 * DOLLAR, "{}", sale.proceeds);
    assert!(in_trouble(&world, &debtor.margin));
}

#[test]
fn margin_that_has_to_stay_free_is_not_spent() {
    for position in [0, 20_000] {
        let (mut world, _, mut bot) = scene(15_500, 3_000);
        if position > 0 {
            world.set_price(SOL, at(SOL, 1_000));
            open(&mut world, &bot.trader, (BTC, Side::Long), position);
        }
        bot.rules.min_free_margin = 1_500 * DOLLAR;
        work_off(&mut bot, &mut world, (SOL, at(SOL, 1_000)), 20);
        let purse = bot.purse(&world);
        assert!(held(&world, &bot) > 0);
        let health = world.ask(|snapshot| {
            snapshot.health(&purse, bulwark_sdk::engine::margin::HealthType::Init).expect("health")
        });
        assert!(health.excess().expect("an excess").units_or_zero() >= 1_500 * DOLLAR, "{health:?}");
    }
}

#[test]
fn who_owes_more_than_the_exchange_lends_has_to_sell_and_who_owes_less_has_not() {
    let lends = AUTO_EXCHANGE_THRESHOLD / DOLLAR;
    for (owed, sells) in [(lends - 1, false), (lends, false), (lends + 1, true)] {
        let (mut world, debtor, mut bot) = scene(owed, 100_000);
        assert!(!in_trouble(&world, &debtor.margin));
        if !sells {
            assert_eq!(bot.find(&world), [], "{owed}");
            continue;
        }
        let (work, outcome, earned) = only(bot.round(&mut world));
        assert_eq!((work, sales(&outcome).len()), (Work::SellCollateral(debtor.margin), 1));
        assert!(earned > 0);
        assert!((0..=2).contains(&world.margin(&debtor.margin).quote.0));
        assert_eq!(bot.find(&world), []);
    }
}

#[test]
fn a_keeper_that_can_not_buy_does_not_try_to() {
    for (dollars, most) in [(0, 100_000), (100_000, 0)] {
        let (world, _, mut bot) = scene(5_000, dollars);
        bot.rules.max_collateral = most * DOLLAR;
        assert_eq!(bot.find(&world), []);
    }
}

#[test]
fn a_sale_that_a_debt_asks_for_waits_for_a_price_that_is_beyond_doubt() {
    let (mut world, debtor, mut bot) = scene(5_000, 100_000);
    world.advance(1);
    // 3 % of the price: wide.
    world.print(&SOL_ASSET, SOL_ASSET.price, SOL_ASSET.price.unsigned_abs() / 33);
    assert_eq!(bot.find(&world), []);
    world.advance(1);
    print(&mut world, SOL, at(SOL, 1_000));
    assert_eq!(bot.find(&world), [Work::SellCollateral(debtor.margin)]);
}

#[test]
fn a_small_debt_is_called_in_when_claims_wait_for_it() {
    let (mut world, debtor, mut bot) = scene(500, 100_000);
    assert_eq!(bot.find(&world), [], "half of what the exchange lends");
    // Somebody wins in BTC, whose market has nothing to spare.
    let winner = holder(&mut world, 10_000, (BTC, Side::Short), 10_000);
    world.move_price(BTC, at(BTC, 900));
    drain(&mut world, BTC, 500 * DOLLAR); // it holds as much back
    world.close(&winner, BTC, u64::MAX).expect("a thousand dollars won");
    assert!(world.margin(&winner.margin).position_in(BTC).is_some_and(|p| p.is_claim()));
    print(&mut world, SOL, at(SOL, 1_000));
    let (work, outcome, _) = only(bot.round(&mut world));
    assert_eq!((work, sales(&outcome).len()), (Work::SellCollateral(debtor.margin), 1));
    assert!(world.margin(&debtor.margin).quote.0 >= 0);
    assert_eq!(bot.find(&world), []);
}

#[test]
fn of_several_collaterals_one_with_a_price_is_bought() {
    let (mut world, debtor, mut bot) = scene(14_500, 100_000);
    // As much again in BTC, whose price nobody knows any more.
    world.list_vault(&bulwark_tests::fixtures::BTC_ASSET, 8, 1_000_000_000);
    world.deposit_collateral(&debtor, SOL_VAULT + 1, 100_000_000).expect("collateral");
    indebt(&mut world, &debtor, 70_000, BTC);
    world.advance(30);
    print(&mut world, SOL, at(SOL, 1_000));
    let (work, outcome, _) = only(bot.round(&mut world));
    assert_eq!(work, Work::Liquidate(debtor.margin));
    assert_eq!(sales(&outcome).iter().map(|sale| sale.vault).collect::<Vec<_>>(), [SOL_VAULT]);
}
