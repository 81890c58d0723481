//! What the client of the SDK sends, on the compiled program: an account at maximum shape.

use std::collections::BTreeMap;

use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::oracle::{OracleSource, SourceKind};
use bulwark_sdk::program::state::Market;
use bulwark_sdk::rpc::fees::{FeePolicy, MAX_COMPUTE_UNITS};
use bulwark_sdk::rpc::pack::{Footprint, MAX_BYTES, MAX_LOCKS, PackError, pack};
use bulwark_sdk::rpc::plan::{Packing, split};
use bulwark_sdk::rpc::tables::lookup_table_keys;
use bulwark_sdk::rpc::{AddressLookupTableAccount, MarketContext};
use bulwark_sdk::{Instruction, Pubkey, address};
use bulwark_tests::fixtures::{self, Asset, DOLLAR, EXPONENT, SOL_ASSET};
use bulwark_tests::oracle_accounts::{self, PYTH_RECEIVER, Print, Verification};
use bulwark_tests::{Signer, Trader, World};
use solana_compute_budget_interface::ComputeBudgetInstruction;
use solana_transaction::versioned::VersionedTransaction;

/// Owns lookup tables.
const LOOKUP_TABLES: Pubkey = anchor_lang::pubkey!("AddressLookupTab1e1111111111111111111111111");
const NAMES: [&str; 16] = [
    "M00", "M01", "M02", "M03", "M04", "M05", "M06", "M07", "M08", "M09", "M10", "M11", "M12", "M13", "M14",
    "M15",
];
/// The collaterals, none of them the base of a market: the shape with most accounts.
const TOKENS: [&str; 8] = ["C00", "C01", "C02", "C03", "C04", "C05", "C06", "C07"];
/// The market of the last position: the one that is traded.
const TRADED: u16 = 15;

fn asset(name: &'static str) -> Asset {
    Asset { name, ..SOL_ASSET }
}

/// 16 markets and 8 volatile collaterals of 24 feeds, and a trader who has something of all of them.
fn full_account() -> (World, Trader) {
    let mut world = World::empty();
    for name in NAMES {
        let params = MarketParams { target_weight_ppm: 50_000, ..asset(name).market_params() };
        world.list_market(&asset(name), params);
    }
    for name in TOKENS {
        world.list_vault(&asset(name), 9, u64::MAX);
    }
    let provider = world.trader(50_000_000 * DOLLAR);
    world.add_liquidity(&provider, 50_000_000 * DOLLAR).expect("add_liquidity");
    for market in 0..=TRADED {
        world.send(&[ix::allocate_liquidity(&world.listings, market)], &[]).expect("allocate_liquidity");
    }
    let trader = world.funded_trader(100_000 * DOLLAR);
    for vault in 1..=8 {
        world.deposit_collateral(&trader, vault, SOL_ASSET.one()).expect("collateral");
    }
    for market in 0..=TRADED {
        let side = Side::BOTH[usize::from(market) % 2];
        world.open(&trader, market, side, SOL_ASSET.one()).expect("open");
    }
    world.svm.airdrop(&trader.key.pubkey(), 1_000_000_000).expect("airdrop");
    (world, trader)
}

/// Prices of now, where clients look for them.
fn print_sponsored(world: &mut World) {
    for name in NAMES.into_iter().chain(TOKENS) {
        let feed = asset(name).feed(0);
        let print = Print {
            price: SOL_ASSET.price,
            conf: 1,
            exponent: EXPONENT,
            publish_time: world.now(),
            posted_slot: 0,
        };
        let data = oracle_accounts::pyth_pull(feed, &print, Verification::Full);
        world.set_account(address::pyth_feed(0, &feed), PYTH_RECEIVER, data);
    }
}

fn context(world: &World) -> MarketContext {
    let exchange = world.exchange();
    let markets: BTreeMap<_, _> = exchange.markets().map(|index| (index, world.market(index))).collect();
    let vaults: BTreeMap<_, _> = (0..exchange.vault_count).map(|index| (index, world.vault(index))).collect();
    let (pool, insurance_fund, now) = (world.pool(), world.fund(), world.now());
    MarketContext { slot: 0, clock_slot: world.slot(), now, exchange, pool, insurance_fund, markets, vaults }
}

/// The exchange's table, as its program writes one that was filled long ago.
fn table(world: &mut World, addresses: Vec<Pubkey>) -> AddressLookupTableAccount {
    let key = fixtures::address("lookup table");
    // State 1, never deactivated, last extended at slot 0, no authority; 56 bytes in all before the addresses.
    let mut data = 1_u32.to_le_bytes().to_vec();
    data.extend(u64::MAX.to_le_bytes());
    data.resize(56, 0);
    data.extend(addresses.iter().flat_map(Pubkey::to_bytes));
    world.set_account(key, LOOKUP_TABLES, data);
    AddressLookupTableAccount { key, addresses }
}

fn trade_and_refreshes(world: &World, trader: &Trader) -> (Instruction, Vec<Instruction>) {
    let trade = world.open_instruction(trader, TRADED, Side::BOTH[1], SOL_ASSET.one());
    let account = world.margin(&trader.margin);
    let refreshes = context(world).snapshot().refresh_account(&account, Some(TRADED)).expect("known legs");
    (trade, refreshes)
}

/// Sends one transaction of the trader with the fees that a client sets. Returns what it took.
fn send(
    world: &mut World,
    trader: &Trader,
    instructions: &[Instruction],
    tables: &[AddressLookupTableAccount],
) -> (Footprint, u64) {
    let mut all = vec![
        ComputeBudgetInstruction::set_compute_unit_limit(MAX_COMPUTE_UNITS),
        ComputeBudgetInstruction::set_compute_unit_price(1),
    ];
    all.extend_from_slice(instructions);
    let blockhash = world.svm.latest_blockhash();
    let message = pack(&trader.key.pubkey(), &all, tables, blockhash).expect("fits");
    let footprint = Footprint::of(&message);
    let transaction = VersionedTransaction::try_new(message, &[&trader.key]).expect("signed");
    let done = world.svm.send_transaction(transaction).unwrap_or_else(|failed| panic!("{failed:?}"));
    let _ = bulwark_tests::ledger::check(world);
    (footprint, done.compute_units_consumed)
}

#[test]
fn the_fullest_account_refreshes_everything_and_trades_in_one_transaction() {
    let (mut world, trader) = full_account();
    world.advance(3_600);
    print_sponsored(&mut world);
    let (trade, refreshes) = trade_and_refreshes(&world, &trader);
    assert_eq!(refreshes.len(), 16 + 8, "everything is old");
    let keys = lookup_table_keys(&world.listings, &context(&world));
    let tables = [table(&mut world, keys)];
    let payer = trader.key.pubkey();
    let packing = Packing { payer, tables: &tables, fee: FeePolicy::Fixed(1) };
    let whole = split(packing, &refreshes, std::slice::from_ref(&trade)).expect("fits");
    assert_eq!(whole, [[refreshes, vec![trade]].concat()], "one transaction");
    let lots = world.margin(&trader.margin).positions[usize::from(TRADED)].lots.count();
    let (footprint, compute) = send(&mut world, &trader, &whole[0], &tables);
    println!("{} bytes, {} locks, {compute} CU", footprint.bytes, footprint.locks);
    assert!(footprint.bytes <= MAX_BYTES && footprint.locks <= MAX_LOCKS);
    assert!(compute <= 300_000, "{compute} CU");
    assert_eq!(
        world.margin(&trader.margin).positions[usize::from(TRADED)].lots.count(),
        lots + SOL_ASSET.one()
    );
}

#[test]
fn without_a_table_the_refreshes_go_ahead_and_the_trade_follows() {
    let (mut world, trader) = full_account();
    world.advance(3_600);
    print_sponsored(&mut world);
    let (trade, refreshes) = trade_and_refreshes(&world, &trader);
    let packing = Packing { payer: trader.key.pubkey(), tables: &[], fee: FeePolicy::Fixed(1) };
    let parts = split(packing, &refreshes, std::slice::from_ref(&trade)).expect("fits");
    let last = parts.last().expect("the trade's");
    assert!(parts.len() > 1 && last.last() == Some(&trade));
    for part in &parts {
        send(&mut world, &trader, part, &[]);
    }
}

#[test]
fn with_two_sources_each_there_are_too_many_locks_and_two_transactions_do() {
    let (mut world, trader) = full_account();
    for market in 0..=TRADED {
        let feed = fixtures::address(&format!("second feed {market}")).to_bytes();
        let source =
            OracleSource { owner: PYTH_RECEIVER, feed, kind: SourceKind::PythPull as u8, _padding: [0; 7] };
        world.tamper::<Market>(&address::market(market), |m| m.sources[1] = source);
    }
    world.advance(3_600);
    let (trade, refreshes) = trade_and_refreshes(&world, &trader);
    let keys = lookup_table_keys(&world.listings, &context(&world));
    let tables = [table(&mut world, keys)];
    let packing = Packing { payer: trader.key.pubkey(), tables: &tables, fee: FeePolicy::Fixed(1) };
    let all = [&refreshes[..], std::slice::from_ref(&trade)].concat();
    assert!(matches!(packing.fits(&all), Err(PackError::TooManyLocks { .. })));
    let parts = split(packing, &refreshes, std::slice::from_ref(&trade)).expect("fits");
    assert_eq!(parts.len(), 2);
    assert_eq!(parts[1].first(), refreshes.first(), "the traded market's own price is the youngest");
}
