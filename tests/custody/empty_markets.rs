//! A market without positions is worth its cash whatever its price: a dead oracle there stands in nobody's way.

use bulwark_sdk::engine::pool::TrancheKind;
use bulwark_sdk::engine::units::{Price, Side};
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::state::Market;
use bulwark_sdk::{Instruction, address};
use bulwark_tests::fixtures::*;
use bulwark_tests::{Keypair, SOL, Trader, World};

use crate::provider::*;
use crate::support::*;

/// A million dollars of a provider, four tenths of it in SOL and in BTC each; a ticket that is a day old, and 100,000
/// dollars more to hand out.
fn new() -> (World, Provider) {
    let mut world = markets();
    let provider = Provider::of(&mut world, TrancheKind::Junior, 2_000_000 * DOLLAR);
    provider.mint(&mut world, 1_000_000 * DOLLAR);
    for market in [SOL, BTC] {
        allocate(&mut world, market);
    }
    provider.request(&mut world, 0, 1_000 * DOLLAR);
    world.advance(DELAY);
    earn(&mut world, 100_000 * DOLLAR);
    (world, provider)
}

/// Everything that needs the pool's value: adding, asking, being paid, and allocating for either market.
fn instructions(world: &World, provider: &Provider) -> [Instruction; 5] {
    [
        provider.add(world, 1_000, 0),
        provider.request_instruction(world, 1, 1_000),
        provider.redeem_instruction(world, 0, 0),
        ix::allocate_liquidity(&world.listings, SOL),
        ix::allocate_liquidity(&world.listings, BTC),
    ]
}

/// Each of these goes through, on a chain of its own.
#[track_caller]
fn all_go(world: &mut World, provider: &Provider) {
    let key: &Keypair = &provider.trader.key;
    for instruction in instructions(world, provider) {
        let svm = world.svm.clone();
        accept(world, &instruction, &[key]);
        world.svm = svm;
    }
}

/// Each of these is refused by this name.
#[track_caller]
fn none_goes(world: &mut World, provider: &Provider, name: &str) {
    for instruction in instructions(world, provider) {
        refuse(world, &instruction, &[&provider.trader.key], name);
    }
}

/// What is wrong with a price, and how it comes about.
type Spoil = fn(&mut Market);
const SPOILED: [(&str, Spoil); 3] = [
    ("PriceStale", |m| m.core.oracle.publish_time = 0),
    ("PriceWide", |m| m.core.oracle.conf = m.core.oracle.price.to_bits() / 100 + 1),
    ("PriceDivergent", |m| m.core.oracle.divergent = 1),
];

/// A trader with so many dollars on these sides of a market.
fn positions(world: &mut World, market: u16, sides: &[Side]) -> Vec<Trader> {
    let lots = World::asset(market).lots_worth(600) / World::asset(market).one() * World::asset(market).one();
    let lots = lots.max(World::asset(market).one() / 100);
    sides
        .iter()
        .map(|side| {
            let trader = world.funded_trader(10_000 * DOLLAR);
            world.open(&trader, market, *side, lots).expect("open");
            trader
        })
        .collect()
}

#[test]
fn without_positions_no_price_is_needed_at_all() {
    let (mut world, provider) = new();
    // The last print is a day old; a year later it is a year old.
    for passed in [0, WINDOW] {
        world.set_clock(GENESIS + DELAY + passed);
        all_go(&mut world, &provider);
        for market in [SOL, BTC] {
            for (_, spoil) in SPOILED {
                let svm = world.svm.clone();
                world.tamper(&address::market(market), spoil);
                all_go(&mut world, &provider);
                world.svm = svm;
            }
        }
    }
}

#[test]
fn one_position_of_either_side_or_both_makes_the_price_matter() {
    for (market, empty) in [(SOL, BTC), (BTC, SOL)] {
        for sides in [&[Side::Long][..], &[Side::Short], &[Side::Long, Side::Short]] {
            let (mut world, provider) = new();
            // The empty market's price stays as old as it is.
            world.set_price(market, World::asset(market).price);
            let traders = positions(&mut world, market, sides);
            all_go(&mut world, &provider);
            let skew = world.market(market).core.book.skew().expect("skew").count();
            assert_eq!(skew == 0, sides.len() == 2);
            for (name, spoil) in SPOILED {
                let svm = world.svm.clone();
                world.tamper(&address::market(market), spoil);
                none_goes(&mut world, &provider, name);
                world.svm = svm.clone();
                world.tamper(&address::market(empty), spoil);
                all_go(&mut world, &provider);
                world.svm = svm;
            }
            // The last one leaves, and the price does not matter any more.
            for trader in &traders {
                world.close(trader, market, u64::MAX).expect("close");
            }
            world.tamper(&address::market(market), SPOILED[0].1);
            all_go(&mut world, &provider);
        }
    }
}

#[test]
fn the_pool_is_worth_the_same_at_any_price_of_an_empty_market() {
    // One that had positions and has their fees and losses, and one that never had any.
    let (mut world, provider) = new();
    world.set_price(SOL, SOL_ASSET.price);
    let traders = positions(&mut world, SOL, &[Side::Long, Side::Short]);
    world.move_price(SOL, 140 * PRINT);
    for trader in traders {
        world.close(&trader, SOL, u64::MAX).expect("close");
    }
    let outcomes = |world: &mut World| {
        let added = provider.mint(&mut world.fork(), 1_000_000);
        let asked = provider.request(&mut world.fork(), 1, 1_000_000);
        let paid = provider.redeem(&mut world.fork(), 0);
        let moved = [SOL, BTC].map(|market| allocate(&mut world.fork(), market));
        (added, asked, paid, moved)
    };
    let expected = outcomes(&mut world);
    for market in [SOL, BTC] {
        for (price, average) in [(1_u64 << 21, 1 << 21), (1 << 45, 1 << 45), (1 << 21, 1 << 45)] {
            let mut world = world.fork();
            world.tamper::<Market>(&address::market(market), |m| {
                m.core.oracle.price = Price::from_bits(price).expect("in range");
                m.core.oracle.ema = Price::from_bits(average).expect("in range");
                m.core.oracle.publish_time = 0;
            });
            assert_eq!(outcomes(&mut world), expected);
        }
    }
}
