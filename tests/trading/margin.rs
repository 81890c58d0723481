//! Initial margin opens, maintenance margin lets stay, and nothing keeps anyone from closing.

use bulwark_sdk::address;
use bulwark_sdk::engine::margin::HealthType;
use bulwark_sdk::engine::trade::Order;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::health::Intent;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::state::Market;
use bulwark_tests::fixtures::{BTC_ASSET, DOLLAR, PRINT, SOL_ASSET};
use bulwark_tests::{BTC, Copies, SOL, Trader, World};

use crate::support::{Held, MARKET, ceil, move_uni, refresh, refused, uni_params, uni_world};

const LOTS: u64 = 800_000_000_000;

/// `E_init − IM` of one position and a quote balance, from the definitions, in exact integers.
fn excess(world: &World, held: Held, quote: i128) -> i128 {
    let core = world.market(MARKET).core;
    let (live, average) = (core.oracle.price.to_bits(), core.oracle.ema.to_bits());
    let strict = if held.b > 0 { live.min(average) } else { live.max(average) };
    let pnl = held.pnl(strict);
    let counted = if pnl > 0 { pnl * i128::from(core.params.profit_weight_ppm) / 1_000_000 } else { pnl };
    let notional = ceil(held.b.abs() * i128::from(live.max(average)), 1 << 32);
    quote + counted - ceil(notional * i128::from(core.params.imf_ppm), 1_000_000)
}

#[test]
fn initial_margin_is_exact_to_the_unit() {
    for (price, side) in [
        (125, Side::Long),
        (125, Side::Short),
        (131, Side::Long),
        (131, Side::Short),
        (119, Side::Long),
        (119, Side::Short),
    ] {
        let what = format!("{side:?} at {price}");
        let mut world = uni_world(uni_params());
        let trader = world.trader(1_000_000 * DOLLAR);
        move_uni(&mut world, price * PRINT);
        let order = Order { lots: LOTS, limit: None, now: world.now() };
        let copies = Copies::of(&world);
        let preview = copies
            .snapshot()
            .quote(&world.margin(&trader.margin), (MARKET, Intent::Open(side)), &order)
            .expect("preview");
        let held = Held { b: i128::from(preview.position.lots.0), q: i128::from(preview.position.quote.0) };
        let needed = -excess(&world, held, i128::from(preview.report.quote_change.0));
        let needed = u64::try_from(needed).expect("positive");
        world.deposit(&trader, needed - 1).expect("deposit");
        let open = world.open_instruction(&trader, MARKET, side, LOTS);
        refused(&mut world, open, &[&trader.key], "InsufficientMargin", &what);
        world.deposit(&trader, 1).expect("deposit");
        world.open(&trader, MARKET, side, LOTS).expect(&what);
        let health = world.health(&trader.margin, HealthType::Init);
        assert_eq!(health.excess().expect("fits").0, 0, "{what}: the SDK agrees");
    }
}

#[test]
fn unrealised_profit_counts_at_its_weight_for_opening_and_not_at_all_for_withdrawing() {
    let mut world = uni_world(uni_params());
    let trader = world.funded_trader(20_000 * DOLLAR);
    world.open(&trader, MARKET, Side::Long, LOTS).expect("open");
    for _ in 0..40 {
        world.advance(59);
        move_uni(&mut world, 150 * PRINT);
    }
    // Average and price are the same within a little: 20,000 dollars of profit, half of it counts.
    let held = Held::in_account(&world.margin(&trader.margin), MARKET);
    let quote = i128::from(world.margin(&trader.margin).quote.0);
    assert_eq!(
        i128::from(world.health(&trader.margin, HealthType::Init).excess().expect("fits").0),
        excess(&world, held, quote)
    );
    let core = world.market(MARKET).core;
    let notional =
        ceil(held.b * i128::from(core.oracle.price.to_bits().max(core.oracle.ema.to_bits())), 1 << 32);
    let room = quote - ceil(notional * 50_000, 1_000_000);
    let room = u64::try_from(room).expect("positive");
    let over = world.withdraw(&trader, 0, (trader.tokens, room + 1)).expect_err("one unit of profit");
    assert!(over.is("InsufficientMargin"), "{over:?}");
    world.withdraw(&trader, 0, (trader.tokens, room)).expect("all but the requirement");
    assert_eq!(world.health(&trader.margin, HealthType::Withdraw).excess().expect("fits").0, 0);
}

#[test]
fn closing_needs_no_initial_margin() {
    // Equity between maintenance (3.3 %) and initial margin (5 %), and below maintenance, and below zero.
    for (price, quote_after) in
        [(121 * PRINT, "below IM"), (119 * PRINT, "below MM"), (110 * PRINT, "bankrupt")]
    {
        for lots in [LOTS / 4, u64::MAX] {
            let mut world = uni_world(uni_params());
            let trader = world.funded_trader(7_000 * DOLLAR);
            world.open(&trader, MARKET, Side::Long, LOTS).expect("open");
            move_uni(&mut world, price);
            assert!(world.health(&trader.margin, HealthType::Init).require().is_err(), "{quote_after}");
            let open = world.open_instruction(&trader, MARKET, Side::Long, LOTS / 800);
            refused(&mut world, open, &[&trader.key], "InsufficientMargin", quote_after);
            let before = world.health(&trader.margin, HealthType::Maint).excess().expect("fits");
            world.close(&trader, MARKET, lots).unwrap_or_else(|e| panic!("{quote_after} {lots}: {e:?}"));
            let after = world.health(&trader.margin, HealthType::Maint).excess().expect("fits");
            assert!(after > before, "{quote_after}: closing helps");
        }
    }
}

/// A trader long in both markets; SOL may go anywhere.
fn two_legs(deposit: u64) -> (World, Trader) {
    let mut world = World::new();
    let trader = world.funded_trader(deposit);
    world.open(&trader, SOL, Side::Long, 1_000 * SOL_ASSET.one()).expect("open");
    world.open(&trader, BTC, Side::Long, BTC_ASSET.one()).expect("open");
    (world, trader)
}

#[test]
fn attack_a_stale_leg_does_not_stop_a_close_that_helps() {
    for deposit in [12_000, 100_000] {
        let (mut world, trader) = two_legs(deposit * DOLLAR);
        world.advance(3_600);
        refresh(&mut world, (SOL, &SOL_ASSET), 149 * PRINT, 1);
        // Neither the stale market nor any other account is needed.
        let mut close = world.close_instruction(&trader, SOL, u64::MAX);
        close.accounts.truncate(4);
        world.send(&[close], &[&trader.key]).expect("helps by itself");
        let close = world.close_instruction(&trader, BTC, u64::MAX);
        refused(&mut world, close, &[&trader.key], "PriceStale", "the stale one waits for its own price");
    }
}

#[test]
fn a_close_that_harms_is_refused_on_an_unhealthy_account_and_allowed_on_a_healthy_one() {
    // A confidence of 5 % makes the spread dearer than the 3.3 % of margin that the close frees.
    for (deposit, healthy) in [(12_000, false), (100_000, true)] {
        let (mut world, trader) = two_legs(deposit * DOLLAR);
        refresh(&mut world, (BTC, &BTC_ASSET), 58_000 * PRINT, 1);
        world.advance(1);
        world.print(&SOL_ASSET, 144 * PRINT, 720_000_000);
        world.send(&[ix::refresh_market(SOL, World::oracles(&SOL_ASSET))], &[]).expect("refresh");
        let health = world.health(&trader.margin, HealthType::Maint);
        assert_eq!(health.require().is_ok(), healthy, "{health:?}");
        let mut alone = world.close_instruction(&trader, SOL, u64::MAX);
        alone.accounts.truncate(4);
        refused(&mut world, alone, &[&trader.key], "AccountMissing", "the whole account decides");
        if healthy {
            world.close(&trader, SOL, u64::MAX).expect("healthy afterwards");
            assert!(world.health(&trader.margin, HealthType::Maint).require().is_ok());
        } else {
            let close = world.close_instruction(&trader, SOL, u64::MAX);
            refused(&mut world, close, &[&trader.key], "InsufficientMargin", "harms an unhealthy account");
        }
    }
}

#[test]
fn a_close_that_harms_waits_for_the_price_of_every_leg() {
    let (mut world, trader) = two_legs(100_000 * DOLLAR);
    world.deposit_collateral(&trader, bulwark_tests::SOL_VAULT, SOL_ASSET.one()).expect("collateral");
    for (what, refreshed, passes) in
        [("a stale market", 0, false), ("a stale vault", 1, false), ("all", 2, true)]
    {
        let mut world = world.fork();
        world.advance(61);
        if refreshed > 0 {
            refresh(&mut world, (BTC, &BTC_ASSET), BTC_ASSET.price, 1);
        }
        world.advance(1);
        world.print(&SOL_ASSET, SOL_ASSET.price, 750_000_000);
        world.send(&[ix::refresh_market(SOL, World::oracles(&SOL_ASSET))], &[]).expect("refresh");
        if refreshed > 1 {
            world.refresh_sol_vault();
        }
        let close = world.close_instruction(&trader, SOL, u64::MAX);
        if passes {
            world.send(&[close], &[&trader.key]).expect(what);
        } else {
            refused(&mut world, close, &[&trader.key], "PriceStale", what);
        }
    }
}

#[test]
fn a_close_that_harms_may_leave_exactly_the_maintenance_margin() {
    // Find the balance with which a harmful close just passes, by moving the balance alone.
    let (mut world, trader) = two_legs(100_000 * DOLLAR);
    world.advance(1);
    world.print(&SOL_ASSET, 150 * PRINT, 750_000_000);
    world.send(&[ix::refresh_market(SOL, World::oracles(&SOL_ASSET))], &[]).expect("refresh");
    let mut after = world.fork();
    after.close(&trader, SOL, u64::MAX).expect("healthy");
    let spare = after.health(&trader.margin, HealthType::Maint).excess().expect("fits").0;
    for (take, passes) in [(spare, true), (spare + 1, false)] {
        let mut world = world.fork();
        // Out of the account and into the market's insurance: I1 holds.
        let take_units = u64::try_from(take).expect("positive");
        world.tamper::<bulwark_sdk::program::state::MarginAccount>(&trader.margin, |a| a.quote.0 -= take);
        world.tamper::<Market>(&address::market(BTC), |m| m.core.book.insurance += take_units);
        let close = world.close_instruction(&trader, SOL, u64::MAX);
        if passes {
            world.send(&[close], &[&trader.key]).expect("E = MM is healthy");
            assert_eq!(world.health(&trader.margin, HealthType::Maint).excess().expect("fits").0, 0);
        } else {
            refused(&mut world, close, &[&trader.key], "InsufficientMargin", "one unit less");
        }
    }
}

#[test]
fn attack_a_debt_is_checked_even_where_nothing_is_required() {
    // The position is gone, a debt remains, and the requirement is zero: collateral may leave only above it.
    let mut world = World::new();
    let trader = world.trader(0);
    let sol = world
        .deposit_collateral(&trader, bulwark_tests::SOL_VAULT, 100 * SOL_ASSET.one())
        .expect("collateral");
    world.open(&trader, BTC, Side::Long, BTC_ASSET.one() / 10).expect("open");
    refresh(&mut world, (BTC, &BTC_ASSET), 50_000 * PRINT, 1);
    world.close(&trader, BTC, u64::MAX).expect("close");
    let debt = -world.margin(&trader.margin).quote.0;
    assert!(debt > 1_000 * DOLLAR as i64);
    let health = world.health(&trader.margin, HealthType::Withdraw);
    assert_eq!(health.requirement.0, 0);
    let all =
        world.withdraw(&trader, bulwark_tests::SOL_VAULT, (sol, 100 * SOL_ASSET.one())).expect_err("debt");
    assert!(all.is("InsufficientMargin"), "{all:?}");
    // 10 % haircut on 150 dollars: what must stay covers the debt.
    let stay = ceil(i128::from(debt) * 1_000_000_000, 135 * i128::from(DOLLAR)) as u64 + 100;
    world
        .withdraw(&trader, bulwark_tests::SOL_VAULT, (sol, 100 * SOL_ASSET.one() - stay))
        .expect("above the debt");
    let more = world.withdraw(&trader, bulwark_tests::SOL_VAULT, (sol, 1_000)).expect_err("debt");
    assert!(more.is("InsufficientMargin"), "{more:?}");
    let quote = world.withdraw(&trader, 0, (trader.tokens, 1)).expect_err("no borrowing");
    assert!(quote.is("InsufficientBalance"), "{quote:?}");
}
