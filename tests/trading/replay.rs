//! An indexer that applies the events from zero reproduces every balance.

mod distress;
mod fund;
mod indexer;

use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::trigger::TriggerKind::{Limit, StopLoss, TakeProfit};
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::{Pubkey, address};
use bulwark_tests::fixtures::{BTC_ASSET, DOLLAR, SOL_ASSET};
use bulwark_tests::{BTC, SOL, SOL_VAULT, Trader, World};

use self::indexer::Indexer;
use crate::support::{PubkeyOf as _, Rng};

/// Applies what is new and compares with the chain.
fn catch_up(indexer: &mut Indexer, read: &mut usize, world: &World, what: &str) {
    for event in &world.journal[*read..] {
        indexer.apply(event);
    }
    *read = world.journal.len();
    indexer.tidy();
    let chain = Indexer::of_chain(world);
    assert_eq!(indexer.markets, chain.markets, "{what}");
    for (key, account) in &chain.accounts {
        assert_eq!(indexer.accounts.get(key), Some(account), "{what}: {key}");
    }
    assert_eq!(*indexer, chain, "{what}");
    indexer.check_books(world, what);
}

struct Actor {
    trader: Trader,
    sol: Pubkey,
}

/// One random action; refusals are part of the history and leave no event.
fn act(world: &mut World, rng: &mut Rng, actors: &[Actor]) {
    let actor = &actors[rng.below(actors.len() as u64) as usize];
    let (trader, market) = (&actor.trader, rng.pick(&[SOL, BTC]));
    let asset = World::asset(market);
    let lots = asset.lots_worth(1 + rng.below(30_000)) / 100_000_000 * 100_000_000;
    match rng.below(23) {
        0..=7 => {
            let held = world.margin(&trader.margin);
            let side = held.position(market).and_then(|slot| held.positions[slot].side().ok());
            let _ = world.open(trader, market, side.unwrap_or(rng.pick(&Side::BOTH)), lots);
        }
        8..=9 => drop(world.close(trader, market, if rng.below(3) > 0 { u64::MAX } else { lots / 4 })),
        10 => drop(world.deposit(trader, rng.below(2_000) * DOLLAR)),
        11 => drop(world.withdraw(trader, 0, (trader.tokens, rng.below(4_000 * DOLLAR)))),
        12 => {
            let listing = world.listings.vaults[usize::from(SOL_VAULT)];
            let from = (actor.sol, rng.below(5) * SOL_ASSET.one());
            let deposit = ix::deposit(trader.key.pubkey_(), trader.margin, &listing, from);
            let _ = world.send(&[deposit], &[&trader.key]);
        }
        13 => drop(world.withdraw(trader, SOL_VAULT, (actor.sol, rng.below(5) * SOL_ASSET.one()))),
        14 => {
            for actor in actors {
                let _ = world.send(&[ix::settle_position(actor.trader.margin, market)], &[]);
            }
        }
        15 => drop(world.send(&[ix::sweep_market(market)], &[])),
        16 => drop(world.send(&[ix::allocate_liquidity(&world.listings, market)], &[])),
        20 => {
            let account = world.margin(&trader.margin);
            let margin = ix::Margin { address: trader.margin, account: &account };
            let (kind, side) = (rng.pick(&[Limit, TakeProfit, StopLoss]), rng.pick(&Side::BOTH));
            let buys = (kind == Limit) == (side == Side::Long);
            let limit_price = if buys { u64::MAX } else { 0 };
            let order = ix::TriggerOrder {
                kind,
                side,
                trigger_price: world.market(market).core.mark().to_bits(),
                order: ix::Order { market, lots, limit_price },
                expiry: world.now() + 300,
            };
            let place =
                ix::place_trigger(&world.listings, trader.key.pubkey_(), margin, &order).expect("builds");
            let _ = world.send(&[place], &[&trader.key]);
        }
        21..=22 => {
            let keeper = actors.iter().map(|a| a.trader.margin).find(|key| *key != trader.margin);
            let account = world.margin(&trader.margin);
            let margin = ix::Margin { address: trader.margin, account: &account };
            for id in account.triggers.iter().filter(|t| t.is_set()).map(|t| t.id) {
                let keeper = keeper.filter(|_| rng.below(3) > 0);
                let execute = ix::execute_trigger(&world.listings, margin, id, keeper).expect("builds");
                let _ = world.send(&[execute], &[]);
            }
        }
        17 if rng.below(3) == 0 => drop(world.add_liquidity(trader, rng.below(1_000) * DOLLAR)),
        _ => {
            let percent = i64::try_from(75 + rng.below(51)).expect("small");
            for (market, asset) in [(SOL, SOL_ASSET), (BTC, BTC_ASSET)] {
                if !world.market(market).core.is_settling() {
                    world.move_price(market, asset.price / 100 * percent);
                }
            }
            world.refresh_sol_vault();
        }
    }
}

#[test]
fn the_events_of_a_random_history_reproduce_every_balance() {
    // Trades, trades that leave a claim, claims paid, losses collected, money lent, returned, fees swept; triggers
    // executed for nothing, for a fee, cancelled.
    let mut counts = [0; 10];
    for seed in [1, 2_026, 7_919] {
        let mut rng = Rng::new(seed);
        // Markets with little money of their own: profits exceed it now and then.
        let mut world = World::empty();
        for asset in [SOL_ASSET, BTC_ASSET] {
            let params =
                MarketParams { target_weight_ppm: 50_000, max_skew_ppm: 2_000_000, ..asset.market_params() };
            world.list_market(&asset, params);
        }
        world.list_vault(&SOL_ASSET, 9, u64::MAX);
        let provider = world.trader(1_000_000 * DOLLAR);
        world.add_liquidity(&provider, 400_000 * DOLLAR).expect("add_liquidity");
        for market in [SOL, BTC] {
            world.send(&[ix::allocate_liquidity(&world.listings, market)], &[]).expect("allocate_liquidity");
        }
        let mut actors = Vec::new();
        for _ in 0..6 {
            let trader = world.trader(400_000 * DOLLAR);
            world.deposit(&trader, 100_000 * DOLLAR).expect("deposit");
            let mint = world.listings.vaults[usize::from(SOL_VAULT)].mint;
            let sol = world.create_tokens(mint, trader.key.pubkey_(), 1_000 * SOL_ASSET.one());
            actors.push(Actor { trader, sol });
        }
        let (mut indexer, mut read) = (Indexer::default(), 0);
        for step in 0..800 {
            act(&mut world, &mut rng, &actors);
            catch_up(&mut indexer, &mut read, &world, &format!("seed {seed} step {step}"));
        }
        for event in &world.journal {
            match event {
                Event::Traded(e) => counts[usize::from(e.claim > 0)] += 1,
                Event::PositionSettled(e) if e.claim_paid > 0 => counts[2] += 1,
                Event::PositionSettled(e) if e.loss > 0 => counts[3] += 1,
                Event::LiquidityAllocated(e) => counts[4 + usize::from(e.amount < 0)] += 1,
                Event::MarketSwept(_) => counts[6] += 1,
                Event::TriggerExecuted(e) => counts[7 + usize::from(e.fee > 0)] += 1,
                Event::TriggerCancelled(_) => counts[9] += 1,
                _ => {}
            }
        }
    }
    println!("{counts:?}");
    assert!(counts[0] > 300 && counts.iter().all(|n| *n > 0), "too tame: {counts:?}");
}

#[test]
fn a_refused_transaction_leaves_no_event() {
    let mut world = World::new();
    let trader = world.funded_trader(100 * DOLLAR);
    let events = world.journal.len();
    world.open(&trader, SOL, Side::Long, 1_000 * SOL_ASSET.one()).expect_err("too large");
    assert_eq!(world.journal.len(), events);
    world.open(&trader, SOL, Side::Long, SOL_ASSET.one()).expect("open");
    assert_eq!(world.journal.len(), events + 1, "one instruction, one event");
}
