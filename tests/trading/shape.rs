//! The largest account fits one transaction, and the usual ones are cheap.

use bulwark_sdk::Instruction;
use bulwark_sdk::engine::margin::HealthType;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::state::{MarginAccount, Market};
use bulwark_tests::fixtures::{Asset, DOLLAR, SOL_ASSET};
use bulwark_tests::{SOL, Trader, World};

use crate::support::{PubkeyOf as _, refused};

/// Bytes that a transaction may have on the wire.
pub const PACKET: usize = 1_232;
const NAMES: [&str; 17] = [
    "M00", "M01", "M02", "M03", "M04", "M05", "M06", "M07", "M08", "M09", "M10", "M11", "M12", "M13", "M14",
    "M15", "M16",
];

pub fn asset(n: usize) -> Asset {
    Asset { name: NAMES[n], ..SOL_ASSET }
}

pub fn index(n: usize) -> u16 {
    u16::try_from(n).expect("small")
}

/// 17 markets and 8 volatile collaterals, all Fresh, and a trader with 15 positions and 8 collaterals.
pub fn crowd() -> (World, Trader, Vec<bulwark_sdk::Pubkey>) {
    let mut world = World::empty();
    for n in 0..17 {
        let params = bulwark_sdk::engine::market::MarketParams {
            target_weight_ppm: 50_000,
            ..asset(n).market_params()
        };
        world.list_market(&asset(n), params);
    }
    for n in 0..8 {
        world.list_vault(&asset(n), 9, u64::MAX);
    }
    let provider = world.trader(50_000_000 * DOLLAR);
    world.add_liquidity(&provider, 50_000_000 * DOLLAR).expect("add_liquidity");
    for n in 0..17 {
        world.send(&[ix::allocate_liquidity(&world.listings, index(n))], &[]).expect("allocate_liquidity");
    }
    let trader = world.funded_trader(100_000 * DOLLAR);
    let tokens =
        (1..=8).map(|v| world.deposit_collateral(&trader, v, SOL_ASSET.one()).expect("collateral")).collect();
    for n in 0..15 {
        world.open(&trader, index(n), Side::BOTH[n % 2], SOL_ASSET.one()).expect("open");
    }
    (world, trader, tokens)
}

/// Bytes on the wire if the owner pays himself.
pub fn wire(instruction: &Instruction, owner: &bulwark_sdk::Pubkey) -> usize {
    let message = solana_message::Message::new(std::slice::from_ref(instruction), Some(owner));
    let signatures = usize::from(message.header.num_required_signatures);
    1 + 64 * signatures + message.serialize().len()
}

#[test]
fn an_account_is_at_most_four_kibibytes() {
    let (world, trader, _) = crowd();
    assert_eq!(world.svm.get_account(&trader.margin).expect("account").data.len(), MarginAccount::SPACE);
    assert_eq!(world.svm.get_account(&world.listings.markets[&0]).expect("market").data.len(), Market::SPACE);
}

#[test]
fn an_account_of_16_positions_and_8_collaterals_does_everything_in_one_transaction() {
    let (mut world, trader, tokens) = crowd();
    let owner = trader.key.pubkey_();

    let open = world.open_instruction(&trader, 15, Side::Long, SOL_ASSET.one());
    assert!(wire(&open, &owner) <= PACKET, "open: {} bytes", wire(&open, &owner));
    let outcome = world.send(&[open], &[&trader.key]).expect("the 16th position");
    println!("open at full shape: {} units", outcome.compute_units);
    assert!(outcome.compute_units <= 75_000, "open: {}", outcome.compute_units);
    for kind in [HealthType::Init, HealthType::Withdraw, HealthType::Maint] {
        world.health(&trader.margin, kind).require().expect("healthy");
    }

    let increase = world.open_instruction(&trader, 15, Side::Long, SOL_ASSET.one());
    let units = world.send(&[increase], &[&trader.key]).expect("increase").compute_units;
    assert!(units <= 75_000, "increase: {units}");

    let full = world.open_instruction(&trader, 16, Side::Long, SOL_ASSET.one());
    refused(&mut world, full, &[&trader.key], "NoFreePositionSlot", "the 17th position");

    for (vault, to) in [(0, trader.tokens), (1, tokens[0])] {
        let account = world.margin(&trader.margin);
        let margin = ix::Margin { address: trader.margin, account: &account };
        let withdraw = ix::withdraw(&world.listings, margin, vault, (to, 1)).expect("builds");
        assert!(wire(&withdraw, &owner) <= PACKET, "withdraw: {} bytes", wire(&withdraw, &owner));
        let units = world.send(&[withdraw], &[&trader.key]).expect("withdraw").compute_units;
        println!("withdraw at full shape: {units} units");
        assert!(units <= 100_000, "withdraw: {units}");
    }

    // A close that helps needs no leg; one that does not is shown them all: a Wide price makes it so.
    for n in 0..16 {
        let mut world = world.fork();
        let close = world.close_instruction(&trader, index(n), u64::MAX);
        assert!(wire(&close, &owner) <= PACKET, "close: {} bytes", wire(&close, &owner));
        let units = world.send(&[close], &[&trader.key]).expect("close").compute_units;
        assert!(units <= 75_000, "close: {units}");
    }
    let price = asset(15).price;
    world.advance(1);
    world.print(&asset(15), price, u64::try_from(price / 20).expect("positive"));
    world.send(&[ix::refresh_market(15, World::oracles(&asset(15)))], &[]).expect("refresh");
    let close = world.close_instruction(&trader, 15, u64::MAX);
    let outcome = world.send(&[close], &[&trader.key]).expect("the whole account is checked");
    println!("close with the whole account at full shape: {} units", outcome.compute_units);
    assert!(outcome.compute_units <= 75_000, "close: {}", outcome.compute_units);
    assert_eq!(world.margin(&trader.margin).position(15), None);
}

#[test]
fn a_full_account_is_closed_down_to_nothing() {
    let (mut world, trader, tokens) = crowd();
    world.open(&trader, 15, Side::Long, SOL_ASSET.one()).expect("open");
    for n in 0..16 {
        world.close(&trader, index(n), u64::MAX).expect("close");
    }
    for (vault, to) in (1..=8).zip(tokens) {
        world.withdraw(&trader, vault, (to, SOL_ASSET.one())).expect("withdraw");
    }
    let quote = world.margin(&trader.margin).quote.units_or_zero();
    world.withdraw(&trader, 0, (trader.tokens, quote)).expect("withdraw");
    let close = ix::close_margin_account(trader.key.pubkey_(), trader.margin);
    world.send(&[close], &[&trader.key]).expect("close_margin_account");
}

#[test]
fn a_ninth_collateral_is_refused_and_a_freed_slot_is_reused() {
    let (mut world, trader, tokens) = crowd();
    world.list_vault(&asset(8), 9, u64::MAX);
    let ninth = world.deposit_collateral(&trader, 9, 5).expect_err("all slots are taken");
    assert!(ninth.is("NoFreeCollateralSlot"), "{ninth:?}");
    world.withdraw(&trader, 3, (tokens[2], SOL_ASSET.one())).expect("withdraw");
    world.deposit_collateral(&trader, 9, 5).expect("the freed slot");
    world.close(&trader, 4, u64::MAX).expect("close");
    world.open(&trader, 15, Side::Long, SOL_ASSET.one()).expect("the freed slot");
    let account = world.margin(&trader.margin);
    assert_eq!((account.position(15), account.collaterals[2].vault), (Some(4), 9));
    world.open(&trader, 16, Side::Long, SOL_ASSET.one()).expect("the 16th position, legs in slot order");
}

/// Compute units of every everyday instruction at one position.
fn everyday() -> Vec<(&'static str, u64, u64)> {
    let mut world = World::new();
    let trader = world.trader(10_000 * DOLLAR);
    let mut used = Vec::new();
    used.push(("deposit", world.deposit(&trader, 9_000 * DOLLAR).expect("deposit").compute_units, 7_500));
    let open = world.open(&trader, SOL, Side::Long, SOL_ASSET.one()).expect("open");
    used.push(("open", open.compute_units, 16_000));
    used.push((
        "increase",
        world.open(&trader, SOL, Side::Long, SOL_ASSET.one()).expect("open").compute_units,
        16_000,
    ));
    used.push((
        "deposit with a position",
        world.deposit(&trader, 1_000 * DOLLAR).expect("deposit").compute_units,
        7_500,
    ));
    used.push(("refresh_market", world.move_price(SOL, 151_00000000).compute_units, 11_000));
    let withdraw = world.withdraw(&trader, 0, (trader.tokens, DOLLAR)).expect("withdraw");
    used.push(("withdraw", withdraw.compute_units, 11_000));
    let settle = world.send(&[ix::settle_position(trader.margin, SOL)], &[]).expect("settle_position");
    used.push(("settle_position", settle.compute_units, 8_000));
    let part = world.close(&trader, SOL, SOL_ASSET.one()).expect("close");
    used.push(("close part", part.compute_units, 16_000));
    used.push(("close", world.close(&trader, SOL, u64::MAX).expect("close").compute_units, 16_000));
    let withdraw = world.withdraw(&trader, 0, (trader.tokens, DOLLAR)).expect("withdraw");
    used.push(("withdraw with nothing open", withdraw.compute_units, 11_000));
    used
}

#[test]
fn everyday_instructions_stay_within_their_compute_budget() {
    let used = everyday();
    for (what, units, limit) in &used {
        println!("{what}: {units} of {limit}");
    }
    let over: Vec<_> = used.iter().filter(|(_, units, limit)| units > limit).collect();
    assert!(over.is_empty(), "over budget: {over:?}");
}
