//! The price at which governance settles a market: the oracle's while it lives, a named one once it has been dead for a day.

use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::state::MarketStatus;
use bulwark_tests::fixtures::{Asset, DOLLAR, PRINT};
use bulwark_tests::{Outcome, Trader, World};

use crate::scene::*;
use MarketStatus::{ReduceOnly, Settling};

/// Seconds without a price after which one can be named.
const DEAD: i64 = 86_400;

/// Two UNI of a side in a market that can only be reduced.
fn stopped(side: Side) -> (World, Trader) {
    let (mut world, ..) = two_markets();
    let trader = world.funded_trader(10_000 * DOLLAR);
    world.open(&trader, A, side, 2 * ONE).expect("open");
    stop(&mut world, A);
    (world, trader)
}

/// Live price and average, Q32.32.
fn prices(world: &World) -> [u64; 2] {
    let oracle = world.market(A).core.oracle;
    [oracle.price.to_bits(), oracle.ema.to_bits()]
}

/// The price that a settlement has frozen.
#[track_caller]
fn frozen(world: &World, outcome: &Outcome) -> u64 {
    let market = world.market(A);
    let Event::MarketSettling(settling) = &outcome.events[0] else { panic!("{:?}", outcome.events) };
    let Event::MarketStatusChanged(changed) = &outcome.events[1] else { panic!("{:?}", outcome.events) };
    assert_eq!((settling.market, changed.market, changed.status, changed.outage), (A, A, Settling, false));
    assert_eq!((settling.sequence + 1, settling.sequence + 2), (changed.sequence, market.sequence));
    assert_eq!(life(world, A).0, Settling);
    assert_eq!(market.core.settling_since, world.now());
    assert_eq!((prices(world), market.core.oracle.conf), ([settling.price; 2], 0));
    settling.price
}

/// What a position brings at a price of Q32.32 quote units per lot, rounded down.
fn pnl(world: &World, trader: &Trader, price: u64) -> i64 {
    let account = world.margin(&trader.margin);
    let position = account.positions[account.position(A).expect("a position")];
    let worth = (i128::from(position.lots.0) * i128::from(price)) >> 32;
    i64::try_from(worth).expect("fits") + position.quote.0
}

#[test]
fn governance_settles_at_the_better_one_of_live_price_and_average_for_the_market() {
    for (side, print_at, lower) in [
        (Side::Long, 130, true),
        (Side::Long, 120, true),
        (Side::Short, 130, false),
        (Side::Short, 120, false),
    ] {
        let (mut world, trader) = stopped(side);
        let nonce = ripe(&mut world, to(A, Settling));
        print(&mut world, (A, &UNI), (print_at * PRINT, 0));
        let [live, average] = prices(&world);
        assert_eq!(live, (u64::try_from(print_at).expect("positive") << 32) / 1_000);
        assert!(live.abs_diff(average) > live / 50, "two prices");
        let outcome = world.execute(nonce, None).expect("execute_change");
        let price = frozen(&world, &outcome);
        assert_eq!(price, if lower { live.min(average) } else { live.max(average) }, "{side:?} {print_at}");
        // Everybody is settled at it, whenever.
        world.advance(1_000_000);
        let (before, expected) = (quote(&world, &trader.margin), pnl(&world, &trader, price));
        world.settle(&trader.margin, A).expect("settle_position");
        if expected > 0 {
            world.settle(&trader.margin, A).expect("the claim");
        }
        assert_eq!(quote(&world, &trader.margin) - before, expected);
        close(&mut world, A);
    }
}

#[test]
fn a_price_that_is_not_fresh_settles_nothing() {
    let (mut world, _) = stopped(Side::Long);
    let nonce = ripe(&mut world, to(A, Settling));
    refuse_execution(&mut world, (nonce, None), "PriceStale");
    print(&mut world, (A, &UNI), (UNI.price, UNI.price.unsigned_abs() / 99));
    refuse_execution(&mut world, (nonce, None), "PriceWide");
    world.advance(1);
    print(&mut world, (A, &UNI), (UNI.price, 0));
    world.advance(61);
    refuse_execution(&mut world, (nonce, None), "PriceStale");
    assert_eq!(life(&world, A).0, ReduceOnly);
    world.set_clock(world.now() - 1);
    world.execute(nonce, None).expect("a minute old");
}

#[test]
fn nobody_names_a_price_while_the_oracle_lives() {
    let (mut world, _) = stopped(Side::Long);
    let last = prices(&world)[0];
    let named = world.propose(settle_at(A, last)).expect("propose_change");
    let nonce = ripe(&mut world, to(A, Settling));
    // Nothing printed since it was proposed; then the oracle comes back, and is silent again for a day less or more.
    print(&mut world, (A, &UNI), (UNI.price, 0));
    for (passed, silent) in [(0, 0), (61, 61), (DEAD - 61, DEAD)] {
        world.advance(passed);
        assert_eq!(world.now() - world.market(A).core.oracle.publish_time, silent);
        refuse_execution(&mut world, (named, None), "OracleAlive");
    }
    // The price of the oracle is too old all the while, before the day is over and after it.
    refuse_execution(&mut world, (nonce, None), "PriceStale");
    world.advance(1);
    refuse_execution(&mut world, (nonce, None), "PriceStale");
    let outcome = world.execute(named, None).expect("execute_change");
    assert_eq!(frozen(&world, &outcome), last);
}

#[test]
fn a_named_price_is_at_least_half_of_the_last_one_and_at_most_twice() {
    let (mut world, _) = stopped(Side::Long);
    // An odd last price: half of it is no price.
    let mut dollars = UNI.price;
    while prices(&world)[0].is_multiple_of(2) {
        dollars += 1;
        world.advance(1);
        print(&mut world, (A, &UNI), (dollars, 0));
    }
    let last = prices(&world)[0];
    let prices = [last / 2, last / 2 + 1, last, 2 * last, 2 * last + 1, 1, u64::MAX];
    let names =
        ["ParameterOutOfBounds", "", "", "", "ParameterOutOfBounds", "PriceOutOfRange", "PriceOutOfRange"];
    let changes = prices.map(|price| world.propose(settle_at(A, price)).expect("propose_change"));
    world.set_clock(world.change(changes[6]).timelock.eta);
    assert!(world.now() - world.market(A).core.oracle.publish_time > DEAD);
    for ((price, name), nonce) in prices.into_iter().zip(names).zip(changes) {
        let mut world = world.fork();
        if name.is_empty() {
            let outcome = world.execute(nonce, None).expect("within its bounds");
            assert_eq!(frozen(&world, &outcome), price);
        } else {
            refuse_execution(&mut world, (nonce, None), name);
        }
    }
}

#[test]
fn everybody_is_settled_at_a_named_price_and_no_print_changes_it() {
    let (mut world, winner) = stopped(Side::Short);
    let last = prices(&world)[0];
    let named = last / 10 * 9;
    let nonce = ripe(&mut world, settle_at(A, named));
    let outcome = world.execute(nonce, None).expect("execute_change");
    assert_eq!(frozen(&world, &outcome), named);
    // The oracle is back a second too late.
    world.advance(1);
    world.print(&UNI, UNI.price, 0);
    refuse(&mut world, &ix::refresh_market(A, World::oracles(&UNI)), &[], "Settling");
    let (before, expected) = (quote(&world, &winner.margin), pnl(&world, &winner, named));
    assert!(expected > 24_000_000, "a tenth of 250 dollars, less costs: {expected}");
    world.settle(&winner.margin, A).expect("settle_position");
    world.settle(&winner.margin, A).expect("the claim");
    assert_eq!(quote(&world, &winner.margin) - before, expected);
    close(&mut world, A);
}

#[test]
fn a_suspended_market_is_settled_without_being_stopped_first() {
    let (mut world, ..) = two_markets();
    world.advance(3_601);
    accept(&mut world, &ix::suspend_market(A), &[]);
    let last = prices(&world)[0];
    let nonce = ripe(&mut world, settle_at(A, last));
    let outcome = world.execute(nonce, None).expect("execute_change");
    frozen(&world, &outcome);
    assert!(!life(&world, A).1, "and is not suspended any more");
    close(&mut world, A);
}

#[test]
fn a_market_whose_lots_are_worth_next_to_nothing_is_settled_at_a_named_price() {
    // A hundredth of a unit a lot, the least that can be listed; below 2^-12 no print is a price.
    let fallen = Asset { name: "UNI", lot_decimals: 9, price: 10 * PRINT + 1 };
    let small = MarketParams { min_notional: 1, ..UNI.listed_params() };
    let mut world = World::empty();
    let provider = world.trader(10_000_000 * DOLLAR);
    world.add_liquidity(&provider, 10_000_000 * DOLLAR).expect("add_liquidity");
    list(&mut world, &fallen, small);
    activate(&mut world, (A, &fallen));
    allocate(&mut world, A);
    let [long, short] = [Side::Long, Side::Short].map(|side| {
        let trader = world.funded_trader(10_000 * DOLLAR);
        world.open(&trader, A, side, 100 * ONE).expect("open");
        trader
    });
    world.advance(1);
    print(&mut world, (A, &fallen), (3 * PRINT / 10, 0));
    let last = prices(&world)[0];
    assert!(last > 1 << 20 && last < (1 << 20) * 5 / 4, "0.0003 units a lot, a quarter above the least");
    world.advance(1);
    let refresh = ix::refresh_market(A, World::oracles(&fallen));
    for price in [2 * PRINT / 10, 1] {
        world.print(&fallen, price, 0);
        refuse(&mut world, &refresh, &[], "PriceOutOfRange");
    }
    // Nobody can trade, settle or be liquidated by a price that is not there: governance settles.
    world.advance(3_601);
    accept(&mut world, &ix::suspend_market(A), &[]);
    let close_long = world.close_instruction(&long, A, u64::MAX);
    refuse(&mut world, &close_long, &[&long.key], "PriceStale");
    let changes =
        [last / 10 * 9, last / 10 * 7].map(|price| world.propose(settle_at(A, price)).expect("propose"));
    world.set_clock(world.change(changes[1]).timelock.eta);
    world.print(&fallen, 2 * PRINT / 10, 0);
    refuse(&mut world, &refresh, &[], "PriceOutOfRange");
    refuse_execution(&mut world, (changes[1], None), "PriceOutOfRange");
    let outcome = world.execute(changes[0], None).expect("execute_change");
    let price = frozen(&world, &outcome);
    assert_eq!(price, last / 10 * 9);
    let gains = [&long, &short].map(|trader| pnl(&world, trader, price));
    assert!(gains[0] < -960_000_000 && gains[1] > 960_000_000, "97 of 100 cents: {gains:?}");
    let before = [&long, &short].map(|trader| quote(&world, &trader.margin));
    for trader in [&long, &short, &short] {
        world.settle(&trader.margin, A).expect("settle_position");
    }
    let after = [&long, &short].map(|trader| quote(&world, &trader.margin));
    assert_eq!([after[0] - before[0], after[1] - before[1]], gains);
    close(&mut world, A);
    assert_eq!(world.exchange().markets().count(), 0);
}
