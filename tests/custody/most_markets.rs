//! As many markets as there may be: the whole pool is valued by one transaction.

use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::pool::TrancheKind;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::oracle::OracleSource;
use bulwark_sdk::program::state::{ChangePayload, Exchange};
use bulwark_sdk::{Instruction, Pubkey, address};
use bulwark_tests::fixtures::{self, *};
use bulwark_tests::{Keypair, Signer, World};
use solana_message::{AddressLookupTableAccount, Message, VersionedMessage, v0};
use solana_transaction::versioned::VersionedTransaction;

use crate::provider::*;
use crate::support::*;

/// Most bytes of a transaction.
const PACKET: usize = 1_232;
/// Compute units of a transaction that asks for no more.
const COMPUTE: u64 = 200_000;
/// Owns lookup tables.
const LOOKUP_TABLES: Pubkey = anchor_lang::pubkey!("AddressLookupTab1e1111111111111111111111111");

/// All the markets that may be listed, each with a fortieth of the pool; every oracle is that of SOL.
fn all_markets() -> World {
    let mut world = World::empty();
    for index in 0..Exchange::MAX_MARKETS {
        let params = MarketParams { target_weight_ppm: 25_000, ..SOL_ASSET.market_params() };
        assert_eq!(world.list_market(&SOL_ASSET, params), index);
    }
    world
}

/// The steps that list one more: a change may say so whether there is room or not.
fn one_more(world: &mut World) -> ([Instruction; 2], Keypair) {
    let admin = world.admin.insecure_clone();
    world.print(&SOL_ASSET, SOL_ASSET.price, 1);
    let sources = [fixtures::pyth_source(SOL_ASSET.feed(0)), OracleSource::NONE];
    let listing = ChangePayload::CreateMarket { sources, params: SOL_ASSET.listed_params() };
    let change = world.approve(listing).expect("an executed change");
    let (keys, index) = ((admin.pubkey(), world.payer.pubkey()), world.exchange().market_count);
    (ix::create_market(keys, index, World::oracles(&SOL_ASSET), &change), admin)
}

#[test]
fn the_32nd_market_is_the_last_one() {
    assert_eq!(Exchange::MAX_MARKETS, 32);
    let mut world = all_markets();
    assert_eq!(world.exchange().market_count, 32);
    let ([first, second], admin) = one_more(&mut world);
    for step in [&first, &second] {
        refuse(&mut world, step, &[&admin], "TooManyListings");
    }
    // Half a market that was begun while there was room is finished while there is room, and only then.
    let mut world = World::empty();
    world.tamper::<Exchange>(&address::exchange(), |e| e.market_count = 31);
    let ([first, second], admin) = one_more(&mut world);
    accept(&mut world, &first, &[&admin]);
    let svm = world.svm.clone();
    world.tamper::<Exchange>(&address::exchange(), |e| e.market_count = 32);
    refuse(&mut world, &second, &[&admin], "TooManyListings");
    world.svm = svm;
    accept(&mut world, &second, &[&admin]);
    assert_eq!(world.exchange().market_count, 32);
}

/// A lookup table of these addresses, as its program writes one that was filled long ago.
fn lookup_table(world: &mut World, addresses: Vec<Pubkey>) -> AddressLookupTableAccount {
    let key = fixtures::address("lookup table");
    // State 1, never deactivated, last extended at slot 0, no authority; 56 bytes in all before the addresses.
    let mut data = 1_u32.to_le_bytes().to_vec();
    data.extend(u64::MAX.to_le_bytes());
    data.resize(56, 0);
    data.extend(addresses.iter().flat_map(Pubkey::to_bytes));
    world.set_account(key, LOOKUP_TABLES, data);
    AddressLookupTableAccount { key, addresses }
}

/// Bytes of a transaction: a count, the signatures, the message.
fn size(signatures: u8, message: &[u8]) -> usize {
    1 + 64 * usize::from(signatures) + message.len()
}

/// Sends an instruction in a transaction of the second form, with a lookup table: its size and compute units.
fn send_with(
    world: &mut World,
    table: &AddressLookupTableAccount,
    all: &[Instruction],
    key: &Keypair,
) -> (usize, u64) {
    let (payer, hash) = (world.payer.insecure_clone(), world.svm.latest_blockhash());
    let message = v0::Message::try_compile(&payer.pubkey(), all, std::slice::from_ref(table), hash);
    let message = VersionedMessage::V0(message.expect("compiles"));
    let signatures = message.header().num_required_signatures;
    let bytes = size(signatures, &message.serialize());
    let signers: Vec<&Keypair> = [&payer, key].into_iter().take(usize::from(signatures)).collect();
    let transaction = VersionedTransaction::try_new(message, &signers[..]).expect("signed");
    let done = world.svm.send_transaction(transaction).unwrap_or_else(|failed| panic!("{failed:?}"));
    let _ = bulwark_tests::ledger::check(world);
    (bytes, done.compute_units_consumed)
}

#[test]
fn with_positions_in_all_markets_every_instruction_of_the_pool_fits_a_transaction_with_a_lookup_table() {
    let mut world = all_markets();
    let provider = Provider::of(&mut world, TrancheKind::Junior, 10_001_000 * DOLLAR);
    provider.mint(&mut world, 10_000_000 * DOLLAR);
    for market in 0..Exchange::MAX_MARKETS {
        allocate(&mut world, market);
    }
    // Long and short in every market, of different size.
    for side in Side::BOTH {
        for markets in [0..16, 16..32] {
            let trader = world.funded_trader(100_000 * DOLLAR);
            for market in markets {
                let whole = if side == Side::Long { 2 + u64::from(market) } else { 1 };
                world.open(&trader, market, side, whole * SOL_ASSET.one()).expect("open");
            }
        }
    }
    provider.request(&mut world, 0, 1_000 * DOLLAR);
    world.advance(DELAY);
    world.print(&SOL_ASSET, 151 * PRINT, 1);
    for market in 0..Exchange::MAX_MARKETS {
        accept(&mut world, &ix::refresh_market(market, World::oracles(&SOL_ASSET)), &[]);
        let book = world.market(market).core.book;
        assert!(book.long.lots > book.short.lots && book.short.lots > 0);
    }
    let table = lookup_table(&mut world, (0..Exchange::MAX_MARKETS).map(address::market).collect());
    let instructions = [
        ("add_liquidity", provider.add(&world, 1_000 * DOLLAR, 0)),
        ("request_redeem", provider.request_instruction(&world, 1, 1_000 * DOLLAR)),
        ("redeem", provider.redeem_instruction(&world, 0, 0)),
        ("allocate_liquidity", ix::allocate_liquidity(&world.listings, 31)),
    ];
    for (name, instruction) in instructions {
        let all = [instruction];
        // 32 addresses are 1,024 bytes: named one by one they do not fit beside the rest. In a table each is one byte.
        let plain = Message::new(&all, Some(&world.payer.pubkey()));
        let without = size(plain.header.num_required_signatures, &plain.serialize());
        assert!(without > PACKET, "{name}: {without} bytes");
        let (with, compute) = send_with(&mut world, &table, &all, &provider.trader.key);
        println!("{name}: {without} bytes, {with} with a table, {compute} CU");
        assert!(with <= PACKET, "{name}: {with} bytes");
        assert!(compute <= COMPUTE, "{name}: {compute} CU");
        shares_add_up(&world);
    }
    assert_eq!(lamports(&world, &provider.ticket_key(0)), 0, "redeemed, whole");
}
