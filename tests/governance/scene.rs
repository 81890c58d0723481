//! What the tests of listings, pauses and fees share: markets that are listed and moved on by real instructions alone, and
//! refusals that must leave the chain as it was.

use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::pool::TrancheKind;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::listings::Listings;
use bulwark_sdk::program::oracle::OracleSource;
use bulwark_sdk::program::state::{ChangePayload, MarketStatus};
use bulwark_sdk::{Instruction, Pubkey, address};
use bulwark_tests::fixtures::{self, Asset, DOLLAR, PRINT};
use bulwark_tests::{Keypair, Outcome, Signer as _, Trader, World};

pub use bulwark_tests::expect::{accept, event, label, refuse, with_account};

pub use crate::stage::{funded, lamports, refused};

/// A base asset at 125 dollars: 0.125 quote units a lot, which Q32.32 holds exactly.
pub const UNI: Asset = Asset { name: "UNI", lot_decimals: 9, price: 125 * PRINT };
/// Another one, at 250 dollars.
pub const DUO: Asset = Asset { name: "DUO", lot_decimals: 9, price: 250 * PRINT };
/// One UNI or DUO in lots.
pub const ONE: u64 = 1_000_000_000;
/// Index of the market that the stories are about.
pub const A: u16 = 0;
/// Index of another market that trades beside it.
pub const B: u16 = 1;

/// Lamports of somebody who is [`funded`].
pub const RICH: u64 = 10_000_000_000;

// ---- changes ----

/// Proposes a change and lets its delay pass. Returns its number.
#[track_caller]
pub fn ripe(world: &mut World, payload: ChangePayload) -> u64 {
    let nonce = world.propose(payload).expect("propose_change");
    world.set_clock(world.change(nonce).timelock.eta);
    nonce
}

/// The refusal to propose this.
#[track_caller]
pub fn refuse_proposal(world: &mut World, payload: ChangePayload, name: &str) {
    let admin = world.admin.insecure_clone();
    let keys = (admin.pubkey(), world.payer.pubkey());
    let nonce = world.exchange().next_change;
    let propose = ix::propose_change(&world.listings, keys, nonce, payload).expect("a listed target");
    refuse(world, &propose, &[&admin], name);
}

/// The refusal to execute a change, with the accounts of new sources if it is one of sources.
#[track_caller]
pub fn refuse_execution(world: &mut World, (nonce, oracles): (u64, Option<ix::OracleAccounts>), name: &str) {
    let change = world.change(nonce);
    let execute = ix::execute_change(&world.listings, &change, oracles).expect("a listed target");
    refuse(world, &execute, &[], name);
}

/// The guardian's, or anybody's, `tighten`.
pub fn tighten(world: &World, who: &Keypair, payload: ChangePayload) -> Instruction {
    ix::tighten(&world.listings, who.pubkey(), payload).expect("a listed target")
}

/// The move of a market to another status, at the oracle's price if it is to settle.
pub fn to(market: u16, status: MarketStatus) -> ChangePayload {
    ChangePayload::MarketStatus { market, status, price: 0 }
}

/// The settlement of a market at a named price, Q32.32 quote units per lot.
pub fn settle_at(market: u16, price: u64) -> ChangePayload {
    ChangePayload::MarketStatus { market, status: MarketStatus::Settling, price }
}

// ---- markets ----

/// Refreshes a market with a print of now: dollars with eight decimals, and the confidence.
#[track_caller]
pub fn print(world: &mut World, (market, asset): (u16, &Asset), (price, conf): (i64, u64)) -> Outcome {
    world.print(asset, price, conf);
    accept(world, &ix::refresh_market(market, World::oracles(asset)), &[])
}

/// Executes the listing of a market that was proposed and waited for; its rent is paid by `payer`. The market is reduce-only.
#[track_caller]
pub fn create(world: &mut World, (asset, nonce): (&Asset, u64), payer: &Keypair) -> u16 {
    world.print(asset, asset.price, 0);
    world.execute(nonce, None).expect("execute_change");
    let (admin, change) = (world.admin.insecure_clone(), world.change(nonce));
    let index = world.exchange().next_market().expect("a free index");
    let keys = (admin.pubkey(), payer.pubkey());
    let create = ix::create_market(keys, index, World::oracles(asset), &change);
    world.send(&create, &[&admin, payer]).expect("create_market");
    world.listings.markets.insert(index, address::market(index));
    index
}

/// What lists a market of an asset with one Pyth source.
pub fn listing(asset: &Asset, params: MarketParams) -> ChangePayload {
    let sources = [fixtures::pyth_source(asset.feed(0)), OracleSource::NONE];
    ChangePayload::CreateMarket { sources, params }
}

/// Lists a market by its change, as governance does; it is reduce-only.
#[track_caller]
pub fn list(world: &mut World, asset: &Asset, params: MarketParams) -> u16 {
    let payer = world.payer.insecure_clone();
    let nonce = ripe(world, listing(asset, params));
    create(world, (asset, nonce), &payer)
}

/// Activates a reduce-only market by its change, with the asset's first price.
#[track_caller]
pub fn activate(world: &mut World, (market, asset): (u16, &Asset)) {
    let nonce = ripe(world, to(market, MarketStatus::Active));
    print(world, (market, asset), (asset.price, 0));
    world.execute(nonce, None).expect("execute_change");
}

/// The guardian lets a market only be reduced.
#[track_caller]
pub fn stop(world: &mut World, market: u16) {
    let guardian = world.guardian.insecure_clone();
    let stop = tighten(world, &guardian, to(market, MarketStatus::ReduceOnly));
    accept(world, &stop, &[&guardian]);
}

/// Gives a market the pool money that it should have.
#[track_caller]
pub fn allocate(world: &mut World, market: u16) -> Outcome {
    let allocate = ix::allocate_liquidity(&world.listings, market);
    accept(world, &allocate, &[])
}

/// Settles a reduce-only market by its change, at the price of the print that it gets then.
#[track_caller]
pub fn settle(world: &mut World, (market, asset): (u16, &Asset), price: i64) -> Outcome {
    let nonce = ripe(world, to(market, MarketStatus::Settling));
    print(world, (market, asset), (price, 0));
    world.execute(nonce, None).expect("execute_change")
}

/// Closes a market that has settled, and forgets it.
#[track_caller]
pub fn close(world: &mut World, market: u16) -> Outcome {
    let payer = world.market(market).payer;
    let outcome = accept(world, &ix::close_market(market, payer), &[]);
    world.listings = Listings::new(world.listings.vaults.clone(), &world.exchange());
    outcome
}

/// What a market is: its status, whether it is suspended, its revision and its generation.
pub fn life(world: &World, market: u16) -> (MarketStatus, bool, u32, u8) {
    let market = world.market(market);
    let all = [MarketStatus::ReduceOnly, MarketStatus::Active, MarketStatus::Settling];
    let status = all.into_iter().find(|status| market.is(*status)).expect("a status");
    (status, market.suspended_at != 0, market.revision, market.generation)
}

/// An exchange with the UNI and the DUO market, both activated by changes and paid for by a [`funded`] somebody, and 10 million dollars
/// of junior liquidity, of which one is in either market. Returns who has provided it, and his shares.
pub fn two_markets() -> (World, Trader, Pubkey) {
    let mut world = World::empty();
    let payer = funded(&mut world);
    let listings = [UNI, DUO]
        .map(|asset| (asset, world.propose(listing(&asset, asset.listed_params())).expect("propose_change")));
    world.set_clock(world.change(listings[1].1).timelock.eta);
    for (asset, nonce) in &listings {
        create(&mut world, (asset, *nonce), &payer);
    }
    let active =
        [A, B].map(|market| world.propose(to(market, MarketStatus::Active)).expect("propose_change"));
    world.set_clock(world.change(active[1]).timelock.eta);
    refresh(&mut world);
    for nonce in active {
        world.execute(nonce, None).expect("execute_change");
    }
    let provider = world.trader(20_000_000 * DOLLAR);
    let shares = world.add_liquidity(&provider, 10_000_000 * DOLLAR).expect("add_liquidity");
    for market in [A, B] {
        world.send(&[ix::allocate_liquidity(&world.listings, market)], &[]).expect("allocate_liquidity");
    }
    (world, provider, shares)
}

/// Refreshes the UNI and the DUO market, as far as they are there and trade, with their first prices.
pub fn refresh(world: &mut World) {
    for (market, asset) in [(A, UNI), (B, DUO)] {
        if world.listings.market(market).is_some() && !world.market(market).core.is_settling() {
            print(world, (market, &asset), (asset.price, 0));
        }
    }
}

/// What junior shares are worth now, by the SDK.
pub fn worth(world: &World, shares: u64) -> u64 {
    let pool = world.pool();
    world.ask(|snapshot| snapshot.share_value(&pool, TrancheKind::Junior, shares)).expect("value")
}

/// Quote balance of a margin account.
pub fn quote(world: &World, margin: &Pubkey) -> i64 {
    world.margin(margin).quote.0
}
