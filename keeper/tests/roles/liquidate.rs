//! Who is in trouble is helped: by the pool at once where it wants the position, else by the keeper once it pays, else by the
//! pool in the end.

use bulwark_keeper::config::Role;
use bulwark_keeper::roles::inventory;
use bulwark_keeper::work::Work;
use bulwark_sdk::address;
use bulwark_sdk::engine::auction::{LAPSE_SLOTS, TAKEOVER_SLOTS};
use bulwark_sdk::engine::margin::HealthType;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::program::events::LiquidationKind;
use bulwark_sdk::program::state::{Exchange, Market};
use bulwark_tests::fixtures::DOLLAR;
use bulwark_tests::{BTC, SOL, Trader, World};

use crate::bot::{Bot, Did};
use crate::stage::*;

/// A liquidator with so many dollars.
fn liquidator(world: &mut World, dollars: u64) -> Bot {
    Bot::new(world, dollars).only([Role::Liquidate])
}

/// SOL's traders are half a million long, and a position of 100,000 dollars on 6,000 is in trouble at the price that the oracle
/// has printed and nobody has refreshed to.
fn scene(side: Side) -> (World, Trader, i64) {
    let mut world = World::new();
    holder(&mut world, 1_000_000, (SOL, Side::Long), 500_000);
    let victim = holder(&mut world, 6_000, (SOL, side), 100_000);
    let price = at(SOL, if side == Side::Long { 965 } else { 1_035 });
    world.advance(1);
    print(&mut world, SOL, price);
    assert!(!in_trouble(&world, &victim.margin), "not at the stored price");
    (world, victim, price)
}

#[test]
fn what_the_pool_wants_it_gets_at_once_and_the_keeper_is_paid() {
    let (mut world, victim, _) = scene(Side::Long);
    let mut bot = liquidator(&mut world, 0);
    assert_eq!(bot.find(&world), [Work::Liquidate(victim.margin)]);
    let takes = {
        let (state, account) = (bot.state(&world), world.margin(&victim.margin));
        let snapshot = state.snapshot();
        let distress = snapshot.distress(&account, world.slot()).expect("judged").expect("in trouble");
        snapshot.pool_takes(&account, SOL, &distress).expect("an offer")
    };
    let (_, outcome, earned) = only(bot.round(&mut world));
    let [fill] = &liquidations(&outcome)[..] else { panic!("{outcome:?}") };
    assert_eq!((fill.kind, fill.lots), (LiquidationKind::PoolReduction, takes), "as the SDK says");
    assert!(earned > 0);
    assert_eq!((bot.purse(&world).quote.0, fill.keeper), (earned, earned.unsigned_abs()));
    assert!(!in_trouble(&world, &victim.margin));
    assert_eq!(bot.find(&world), []);
}

#[test]
fn a_keeper_without_a_margin_account_hands_to_the_pool_all_the_same() {
    let (mut world, victim, _) = scene(Side::Long);
    let mut bot = liquidator(&mut world, 0);
    let close = bulwark_sdk::instruction::close_margin_account(
        bulwark_tests::Signer::pubkey(&bot.trader.key),
        bot.trader.margin,
    );
    world.send(&[close], &[&bot.trader.key]).expect("an empty account");
    let (work, outcome, _) = only(bot.round(&mut world));
    assert_eq!((work, liquidations(&outcome).len()), (Work::Liquidate(victim.margin), 1));
}

#[test]
fn what_the_pool_does_not_want_is_taken_over_and_closed_as_soon_as_that_pays() {
    let (mut world, victim, price) = scene(Side::Short);
    let mut bot = liquidator(&mut world, 100_000);
    let (first, outcome, _) = only(bot.round(&mut world));
    assert_eq!((first, is_call(&outcome)), (Work::Liquidate(victim.margin), true), "the auction begins");
    let (before, began) = (bot.purse(&world).quote.0, world.slot());
    for _ in 0..20 {
        world.advance_slots(1);
        print(&mut world, SOL, price);
        if bot.find(&world).is_empty() {
            continue;
        }
        let (state, accounts) =
            (bot.state(&world), [&victim.margin, &bot.trader.margin].map(|k| world.margin(k)));
        let (snapshot, [account, purse]) = (state.snapshot(), [&*accounts[0], &*accounts[1]]);
        let distress = snapshot.distress(account, world.slot()).expect("judged").expect("in trouble");
        let what = ([account, purse], (SOL, u64::MAX));
        let taken = snapshot.take_over(what.0, what.1, &distress).expect("an offer");
        let gain = snapshot.gain_of_closing(purse, &taken).expect("a gain");
        let taken = taken.report;
        let (_, outcome, earned) = only(bot.round(&mut world));
        if is_call(&outcome) {
            assert!(gain <= 0, "it would have paid {gain}");
            continue;
        }
        let [fill] = &liquidations(&outcome)[..] else { panic!("{outcome:?}") };
        assert_eq!(fill.kind, LiquidationKind::Takeover);
        let says = (taken.lots, taken.concession, taken.cost.0, taken.quote_change.0);
        let moved = world.margin(&victim.margin).quote.0 - account.quote.0;
        assert_eq!((fill.lots, fill.concession, fill.cost, moved), says, "as the SDK says, to the unit");
        let closed = bot.purse(&world);
        assert_eq!((closed.quote.0 - before, earned), (gain, gain), "what was foreseen came");
        assert!(gain > 0 && !closed.has_positions(), "flat and richer: {gain}");
        assert!(!in_trouble(&world, &victim.margin) && world.slot() - began < 20);
        return;
    }
    panic!("nothing was taken over");
}

#[test]
fn until_a_takeover_pays_the_auction_is_kept_running_by_a_call_every_few_slots() {
    let (mut world, victim, price) = scene(Side::Short);
    let mut bot = liquidator(&mut world, 0);
    only(bot.round(&mut world));
    let began = world.margin(&victim.margin).auction.started;
    let mut done = done(work_off(&mut bot, &mut world, (SOL, price), TAKEOVER_SLOTS - 1));
    assert_eq!(world.margin(&victim.margin).auction.started, began, "it never lapsed");
    assert!(done.iter().all(|(_, _, outcome, _)| is_call(outcome)));
    let slots: Vec<u64> = done.drain(..).map(|(slot, ..)| slot).collect();
    assert!(slots.windows(2).all(|pair| (4..LAPSE_SLOTS).contains(&(pair[1] - pair[0]))), "{slots:?}");
    // Nobody wanted it: the pool takes it, and the keeper gets a tip if the market has one to give.
    set_params(&mut world, SOL, |params| params.deleverage.keeper_tip = DOLLAR);
    world.tamper::<Market>(&address::market(SOL), |m| m.core.book.insurance += 10 * DOLLAR);
    world.tamper::<bulwark_sdk::program::state::Pool>(&address::pool(), |p| p.core.idle -= 10 * DOLLAR);
    world.advance_slots(1);
    print(&mut world, SOL, price);
    let (_, outcome, earned) = only(bot.round(&mut world));
    let [fill] = &liquidations(&outcome)[..] else { panic!("{outcome:?}") };
    assert_eq!((fill.elapsed, fill.kind), (TAKEOVER_SLOTS, LiquidationKind::PoolTakeover));
    assert_eq!(earned, DOLLAR.cast_signed());
    assert!(!in_trouble(&world, &victim.margin));
}

#[test]
fn no_takeover_is_worth_more_than_the_largest_allowed() {
    let (mut world, victim, price) = scene(Side::Short);
    let mut bot = liquidator(&mut world, 100_000);
    bot.rules.max_takeover = 10_000 * DOLLAR;
    let done = done(work_off(&mut bot, &mut world, (SOL, price), 40));
    let fills: Vec<_> = done.iter().flat_map(|(_, _, outcome, _)| liquidations(outcome)).collect();
    assert!(fills.len() > 2, "{fills:?}");
    let mark = world.market(SOL).core.mark();
    for fill in &fills {
        assert!(mark.mul_floor(fill.lots).expect("a worth") <= 10_000 * DOLLAR, "{fill:?}");
    }
    assert!(!in_trouble(&world, &victim.margin) && !bot.purse(&world).has_positions());
}

#[test]
fn without_a_largest_takeover_all_that_is_offered_is_taken() {
    let (mut world, victim, price) = scene(Side::Short);
    let mut bot = liquidator(&mut world, 100_000);
    bot.rules.max_takeover = u64::MAX;
    let done = done(work_off(&mut bot, &mut world, (SOL, price), 40));
    let takeovers = done.iter().flat_map(|(_, _, outcome, _)| liquidations(outcome));
    assert!(takeovers.filter(|fill| fill.kind == LiquidationKind::Takeover).count() > 0);
    assert!(!in_trouble(&world, &victim.margin));
}

#[test]
fn what_may_not_be_begun_is_not_named() {
    let (mut world, victim, _) = scene(Side::Short);
    let mut bot = liquidator(&mut world, 100_000);
    assert_eq!(bot.find(&world), [Work::Liquidate(victim.margin)]);
    bot.resting.push(Work::Liquidate(victim.margin));
    assert_eq!(bot.find(&world), []);
}

#[test]
fn no_takeover_asks_for_margin_that_has_to_stay_free() {
    for (own, free) in [(3_000, 100), (3_000, 2_000), (3_000, 2_990)] {
        let (mut world, _, price) = scene(Side::Short);
        let mut bot = liquidator(&mut world, own);
        bot.rules.min_free_margin = free * DOLLAR;
        let done = done(work_off(&mut bot, &mut world, (SOL, price), 60));
        let fills: Vec<_> = done.iter().flat_map(|(_, _, outcome, _)| liquidations(outcome)).collect();
        let mark = world.market(SOL).core.mark();
        for fill in fills.iter().filter(|fill| fill.kind == LiquidationKind::Takeover) {
            let asks = mark.mul_floor(fill.lots).expect("a worth") / 20;
            let has = bot.purse(&world).quote.units_or_zero() - free * DOLLAR;
            assert!(asks <= has + fill.concession, "{asks} of {has}");
        }
        assert!(!fills.is_empty());
        assert!(bot.purse(&world).quote.0 >= (own * DOLLAR).cast_signed(), "no loss");
    }
}

#[test]
fn inventory_is_kept_up_to_its_limit_and_what_is_beyond_it_is_unloaded() {
    let (mut world, victim, price) = scene(Side::Short);
    let mut bot = liquidator(&mut world, 100_000);
    bot.rules.max_inventory = 200_000 * DOLLAR;
    let (_, outcome, earned) = only(bot.round(&mut world));
    let [fill] = &liquidations(&outcome)[..] else { panic!("{outcome:?}") };
    assert_eq!(count(&outcome, |event| matches!(event, Event::Traded(_))), 0, "taken over and kept");
    assert_eq!((earned, lots(&world, &bot.trader.margin, SOL)), (fill.concession.cast_signed(), fill.lots));
    assert!(!in_trouble(&world, &victim.margin));
    assert_eq!(bot.find(&world), [], "it is within the limit");
    bot.rules.max_inventory = 10_000 * DOLLAR;
    world.advance_slots(1);
    print(&mut world, SOL, price);
    assert_eq!(only(bot.round(&mut world)).0, Work::Unload(SOL));
    let kept = inventory(&bot.state(&world).snapshot(), &bot.purse(&world));
    assert!((9_400 * DOLLAR..=9_500 * DOLLAR).contains(&kept), "a twentieth below the limit: {kept}");
    assert_eq!(bot.find(&world), []);
    // The largest position goes first, as far as it takes.
    world.set_price(SOL, price);
    open(&mut world, &bot.trader, (BTC, Side::Long), 8_000);
    world.advance_slots(1);
    print(&mut world, SOL, price);
    let did = bot.rounds(&mut world, 2);
    assert_eq!(did.into_iter().map(|(work, _)| work).collect::<Vec<_>>(), [Work::Unload(SOL)]);
    assert!(lots(&world, &bot.trader.margin, BTC) > 0);
}

#[test]
fn without_inventory_a_position_of_its_own_is_never_closed() {
    let mut world = World::new();
    let trader = holder(&mut world, 50_000, (SOL, Side::Long), 100_000);
    let mut bot = Bot::of(trader).only([Role::Liquidate]);
    assert_eq!(bot.rules.max_inventory, 0);
    assert_eq!(bot.find(&world), []);
}

#[test]
fn its_own_account_is_left_to_others_when_it_is_in_trouble() {
    let (mut world, victim, _) = scene(Side::Long);
    let margin = victim.margin;
    let mut bot = Bot::of(victim).only([Role::Liquidate]);
    assert_eq!(bot.find(&world), []);
    assert_eq!(bot.book().troubled().count(), 1);
    let mut other = liquidator(&mut world, 0);
    assert_eq!(other.find(&world), [Work::Liquidate(margin)]);
}

#[test]
fn a_position_of_its_own_on_the_other_side_does_not_stop_it_from_handing_to_the_pool() {
    for side in [Side::Long, Side::Short] {
        let (mut world, victim, price) = scene(side);
        let opposite = if side == Side::Long { Side::Short } else { Side::Long };
        // Small, so that the traders' skew stays long.
        let trader = holder(&mut world, 50_000, (SOL, opposite), 5_000);
        let mut bot = Bot::of(trader).only([Role::Liquidate]);
        let held = lots(&world, &bot.trader.margin, SOL);
        let done = done(work_off(&mut bot, &mut world, (SOL, price), TAKEOVER_SLOTS + 1));
        assert!(!in_trouble(&world, &victim.margin), "{side:?}");
        let kinds: Vec<_> =
            done.iter().flat_map(|(_, _, o, _)| liquidations(o)).map(|fill| fill.kind).collect();
        let wanted =
            if side == Side::Long { LiquidationKind::PoolReduction } else { LiquidationKind::PoolTakeover };
        assert_eq!(kinds, [wanted]);
        assert_eq!(lots(&world, &bot.trader.margin, SOL), held, "its own position is what it was");
    }
}

#[test]
fn a_position_of_its_own_on_the_same_side_is_what_it_was_after_a_takeover() {
    let (mut world, victim, price) = scene(Side::Short);
    let trader = holder(&mut world, 50_000, (SOL, Side::Short), 5_000);
    let mut bot = Bot::of(trader).only([Role::Liquidate]);
    let held = lots(&world, &bot.trader.margin, SOL);
    let done = done(work_off(&mut bot, &mut world, (SOL, price), 30));
    assert!(!in_trouble(&world, &victim.margin));
    let fills: Vec<_> = done.iter().flat_map(|(_, _, outcome, _)| liquidations(outcome)).collect();
    assert!(
        fills.iter().all(|fill| fill.kind == LiquidationKind::Takeover) && !fills.is_empty(),
        "{fills:?}"
    );
    assert_eq!(lots(&world, &bot.trader.margin, SOL), held);
}

#[test]
fn a_takeover_beside_its_own_position_is_judged_by_what_it_brings_and_not_by_what_is_realised() {
    // Its own position is half as large as what it takes over, and has lost or won much.
    for opened_at in [1_000, 1_035, 1_060] {
        let (mut world, victim, price) = scene(Side::Short);
        let mut own = world.fork();
        own.set_price(SOL, at(SOL, opened_at));
        let trader = holder(&mut own, 50_000, (SOL, Side::Short), 50_000);
        world = own;
        let mut bot = Bot::of(trader).only([Role::Liquidate]);
        let owns = |world: &World, bot: &Bot| bot.purse(world).quote.0 + world.pnl(&bot.trader.margin, SOL);
        let mut taken = 0;
        for _ in 0..TAKEOVER_SLOTS {
            world.advance(1);
            world.set_price(SOL, price);
            let before = owns(&world, &bot);
            for (_, did) in bot.round(&mut world) {
                let Did::Done(outcome, earned) = did else { continue };
                let fills = liquidations(&outcome);
                if fills.iter().any(|fill| fill.kind == LiquidationKind::Takeover) {
                    taken += 1;
                    let brought = owns(&world, &bot) - before;
                    assert!(
                        (brought - earned).abs() <= 8 && earned > 0,
                        "{brought} came, {earned} were seen"
                    );
                }
            }
        }
        assert!(taken > 0, "opened at {opened_at}");
        assert!(!in_trouble(&world, &victim.margin));
    }
}

/// Long 100,000 dollars of SOL and 60,000 of BTC on 9,500, both fallen; longs outweigh shorts in both markets.
fn two_positions() -> (World, Trader) {
    let mut world = World::new();
    for market in [SOL, BTC] {
        holder(&mut world, 1_000_000, (market, Side::Long), 500_000);
    }
    let victim = world.funded_trader(9_500 * DOLLAR);
    open(&mut world, &victim, (BTC, Side::Long), 60_000);
    open(&mut world, &victim, (SOL, Side::Long), 100_000);
    world.advance(1);
    for market in [SOL, BTC] {
        print(&mut world, market, at(market, 960));
    }
    (world, victim)
}

#[test]
fn of_two_positions_the_one_that_asks_for_more_goes_first() {
    let (mut world, victim) = two_positions();
    let mut bot = liquidator(&mut world, 0);
    let did = bot.rounds(&mut world, 5);
    let fills = did.iter().flat_map(|(_, did)| match did {
        Did::Done(outcome, _) => liquidations(outcome),
        other => panic!("{other:?}"),
    });
    let markets: Vec<u16> = fills.map(|fill| fill.market).collect();
    assert_eq!(markets[0], SOL);
    assert!(!in_trouble(&world, &victim.margin));
    assert!(world.health(&victim.margin, HealthType::Maint).equity.0 > 0);
}

#[test]
fn positions_that_offset_each_other_are_worked_off_as_the_engine_says() {
    let mut world = World::new();
    world.tamper::<Exchange>(&address::exchange(), |e| e.params.risk_groups.offset_ppm[0] = 500_000);
    for market in [SOL, BTC] {
        set_params(&mut world, market, |params| params.risk_group = 1);
        holder(&mut world, 1_000_000, (market, Side::Long), 500_000);
    }
    let victim = world.funded_trader(9_500 * DOLLAR);
    open(&mut world, &victim, (SOL, Side::Long), 100_000);
    open(&mut world, &victim, (BTC, Side::Short), 60_000);
    let mut bot = liquidator(&mut world, 100_000);
    let mut fills = Vec::new();
    world.advance(1);
    for _ in 0..60 {
        world.advance_slots(1);
        print(&mut world, SOL, at(SOL, 960));
        print(&mut world, BTC, at(BTC, 1_045));
        for (_, did) in bot.round(&mut world) {
            if let Did::Done(outcome, _) = did {
                fills.extend(liquidations(&outcome));
            }
        }
    }
    assert!(!fills.is_empty() && !in_trouble(&world, &victim.margin), "{fills:?}");
    assert!(!bot.purse(&world).has_positions());
}

#[test]
fn who_is_above_maintenance_margin_at_the_oracles_price_is_left_alone_though_the_stored_one_is_worse() {
    let (mut world, victim, price) = scene(Side::Long);
    let mut bot = liquidator(&mut world, 0);
    world.set_price(SOL, price);
    assert!(in_trouble(&world, &victim.margin));
    world.advance(1);
    print(&mut world, SOL, at(SOL, 1_000));
    assert_eq!(bot.find(&world), []);
}

#[test]
fn a_takeover_that_would_earn_too_little_is_left_to_others() {
    let (mut world, victim, price) = scene(Side::Short);
    let mut bot = liquidator(&mut world, 100_000);
    bot.rules.min_profit = (100_000 * DOLLAR).cast_signed();
    let done = done(work_off(&mut bot, &mut world, (SOL, price), TAKEOVER_SLOTS + 1));
    let kinds: Vec<_> = done.iter().flat_map(|(_, _, o, _)| liquidations(o)).map(|fill| fill.kind).collect();
    assert_eq!(kinds, [LiquidationKind::PoolTakeover], "the auction ran all its time");
    assert!(!in_trouble(&world, &victim.margin));
}

#[test]
fn nobody_is_named_while_no_price_can_be_used() {
    let (mut world, victim, price) = scene(Side::Long);
    let mut bot = liquidator(&mut world, 100_000);
    world.set_price(SOL, price);
    world.advance(30);
    assert!(in_trouble(&world, &victim.margin), "it still is");
    assert_eq!(bot.find(&world), [], "but a liquidation is a fill, and the price is too old for one");
    print(&mut world, SOL, price);
    assert_eq!(bot.find(&world), [Work::Liquidate(victim.margin)]);
    let traded = |event: &Event| matches!(event, Event::Traded(_));
    assert_eq!(count(&only(bot.round(&mut world)).1, traded), 0);
}
