//! `allocate_liquidity` and `sweep_market`: pool money goes where targets say, fees to whom they belong.

use bulwark_sdk::engine::units::Side;
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::events::{LiquidityAllocated, MarketSwept};
use bulwark_sdk::program::state::{InsuranceFund, Market, MarketStatus, Vault};
use bulwark_sdk::{Instruction, address};
use bulwark_tests::fixtures::*;
use bulwark_tests::{SOL, World};

use crate::instances::ETH_ASSET;
use crate::support::*;

const MILLION: u64 = 1_000_000 * DOLLAR;

fn allocate(world: &World, market: u16) -> Instruction {
    ix::allocate_liquidity(&world.listings, market)
}

/// Allocates; what moved.
#[track_caller]
fn moved(world: &mut World, market: u16) -> i64 {
    let allocate = allocate(world, market);
    let outcome = accept(world, &allocate, &[]);
    let Event::LiquidityAllocated(allocated) = event(&outcome) else { panic!("{outcome:?}") };
    assert_eq!(allocated.committed, world.market(market).core.book.committed);
    allocated.amount
}

/// Principal that a market was lent and has not given back.
fn committed(world: &World, market: u16) -> u64 {
    world.market(market).core.book.committed
}

#[track_caller]
fn nothing(world: &mut World, market: u16) {
    let allocate = allocate(world, market);
    refuse(world, &allocate, &[], "NothingToAllocate");
}

/// Cash of a market and idle money of the pool, millions of dollars.
fn millions(world: &World, market: u16) -> [u64; 2] {
    [world.market(market).core.book.cash, world.pool().core.idle].map(|amount| {
        assert_eq!(amount % MILLION, 0);
        amount / MILLION
    })
}

fn set_weight(world: &mut World, market: u16, ppm: u32) {
    world.tamper::<Market>(&address::market(market), |m| m.core.params.target_weight_ppm = ppm);
}

/// Two markets with a target of 40 % each, and ten millions idle.
fn idle() -> World {
    let mut world = World::empty();
    world.list_market(&SOL_ASSET, SOL_ASSET.market_params());
    world.list_market(&BTC_ASSET, BTC_ASSET.market_params());
    let provider = world.trader(10 * MILLION);
    world.add_liquidity(&provider, 10 * MILLION).expect("add_liquidity");
    world
}

#[test]
fn a_market_gets_its_target_exactly_and_once() {
    let mut world = idle();
    for (market, pool_sequence, left) in [(SOL, 1, 6), (BTC, 2, 2)] {
        let allocate = allocate(&world, market);
        let outcome = accept(&mut world, &allocate, &[]);
        let amount = i64::try_from(4 * MILLION).expect("fits");
        let expected = LiquidityAllocated {
            market,
            sequence: 0,
            pool_sequence,
            amount,
            committed: amount.unsigned_abs(),
        };
        assert_eq!(event(&outcome), &Event::LiquidityAllocated(expected));
        assert_eq!(millions(&world, market), [4, left]);
        nothing(&mut world, market);
    }
    assert_eq!((world.market(SOL).sequence, world.pool().sequence), (1, 3));
    // New money raises the target, whoever sends the instruction.
    let provider = world.trader(MILLION);
    world.add_liquidity(&provider, MILLION).expect("add_liquidity");
    assert_eq!(moved(&mut world, SOL).unsigned_abs(), MILLION / 10 * 4);
}

#[test]
fn what_is_above_the_target_goes_back() {
    let mut world = World::new();
    set_weight(&mut world, SOL, 300_000);
    assert_eq!(moved(&mut world, SOL), -i64::try_from(MILLION).expect("fits"));
    assert_eq!((millions(&world, SOL), committed(&world, SOL)), ([3, 3], 3 * MILLION));
    nothing(&mut world, SOL);
    set_weight(&mut world, SOL, 400_000);
    assert_eq!(moved(&mut world, SOL), i64::try_from(MILLION).expect("fits"));
    assert_eq!((millions(&world, SOL), committed(&world, SOL)), ([4, 2], 4 * MILLION));
}

#[test]
fn no_market_gets_more_than_there_is() {
    let mut world = World::new();
    set_weight(&mut world, SOL, 1_000_000);
    // The target is ten, four are there, two are idle.
    assert_eq!(moved(&mut world, SOL).unsigned_abs(), 2 * MILLION);
    assert_eq!(millions(&world, SOL), [6, 0]);
    nothing(&mut world, SOL);
}

#[test]
fn attack_a_market_that_lost_its_cash_is_not_refilled() {
    let mut world = World::new();
    let trader = world.funded_trader(100_000 * DOLLAR);
    world.open(&trader, SOL, Side::Long, 5_000 * SOL_ASSET.one()).expect("open");
    world.settle_price(SOL, 300 * PRINT);
    world.set_price(BTC, BTC_ASSET.price);
    world.close(&trader, SOL, u64::MAX).expect("close");
    let cash = world.market(SOL).core.book.cash;
    assert!(cash < 4 * MILLION - 700_000 * DOLLAR, "{cash}");
    nothing(&mut world, SOL);
    // Emptied wholly, it is still owed nothing: what it lost was its share.
    let vault = world.listings.vaults[0];
    world.tamper::<Market>(&address::market(SOL), |m| m.core.book.cash = 0);
    world.tamper::<Vault>(&vault.address, |v| v.core.recorded -= cash);
    world.write_tokens(vault.token_account, |tokens| tokens.amount -= cash);
    nothing(&mut world, SOL);
    assert_eq!(world.pool().core.idle, 2 * MILLION);
    // Only a target above all that it was ever lent brings it more, and only by what it is above.
    set_weight(&mut world, SOL, 700_000);
    assert_eq!(moved(&mut world, SOL).unsigned_abs(), 6 * MILLION / 10 * 7 - 4 * MILLION);
}

#[test]
fn a_market_that_earned_keeps_its_target_and_gives_back_the_rest_to_the_unit() {
    let mut world = World::new();
    let trader = world.funded_trader(100_000 * DOLLAR);
    world.open(&trader, SOL, Side::Long, 1_000 * SOL_ASSET.one()).expect("open");
    world.settle_price(SOL, 120 * PRINT);
    world.set_price(BTC, BTC_ASSET.price);
    world.close(&trader, SOL, u64::MAX).expect("close");
    let cash = world.market(SOL).core.book.cash;
    assert!(cash > 4 * MILLION + 30_000 * DOLLAR, "{cash}");
    // 2 million idle and 4 in the other market.
    let target = (6 * MILLION + cash) / 10 * 4 + (6 * MILLION + cash) % 10 * 4 / 10;
    assert_eq!(moved(&mut world, SOL), -i64::try_from(cash - target).expect("fits"));
    assert_eq!(world.market(SOL).core.book.cash, target);
    assert_eq!(world.pool().core.idle, 2 * MILLION + cash - target);
    // The profit was realised, and there was more of it than went back: no principal did.
    assert_eq!(committed(&world, SOL), 4 * MILLION);
    // With a smaller target the profit that stayed goes first, and principal after it.
    set_weight(&mut world, SOL, 300_000);
    let back = moved(&mut world, SOL).unsigned_abs();
    assert!(back > target - 4 * MILLION, "{back}");
    assert_eq!(committed(&world, SOL), target - back);
    assert_eq!(world.market(SOL).core.book.cash, target - back);
}

#[test]
fn what_traders_lose_on_paper_is_lent_back_when_the_price_returns() {
    let mut world = World::new();
    let trader = world.funded_trader(100_000 * DOLLAR);
    world.open(&trader, SOL, Side::Long, 1_000 * SOL_ASSET.one()).expect("open");
    // The spread that the trader paid is equity of the market already: its share of that goes back.
    assert!(moved(&mut world, SOL) < 0);
    let money = |world: &World| (world.market(SOL).core.book.cash, world.pool().core.idle);
    let (cash, idle) = money(&world);
    assert_eq!(committed(&world, SOL), cash, "nothing was realised: all cash is principal");
    let settle = |world: &mut World, price| {
        world.settle_price(SOL, price);
        world.tamper::<Market>(&address::market(SOL), |m| m.core.oracle.ema = m.core.oracle.price);
        world.set_price(BTC, BTC_ASSET.price);
    };
    for _ in 0..3 {
        settle(&mut world, 120 * PRINT);
        let back = moved(&mut world, SOL);
        // 30,000 dollars on paper; four tenths of that is the market's own.
        assert_eq!(back.unsigned_abs() / DOLLAR, 18_000);
        assert!(back < 0);
        assert_eq!(money(&world), (cash - back.unsigned_abs(), idle + back.unsigned_abs()));
        assert_eq!(committed(&world, SOL), cash - back.unsigned_abs(), "principal");
        nothing(&mut world, SOL);
        settle(&mut world, 150 * PRINT);
        assert_eq!(moved(&mut world, SOL), -back);
        assert_eq!(money(&world), (cash, idle));
        assert_eq!(committed(&world, SOL), cash);
        nothing(&mut world, SOL);
    }
}

#[test]
fn a_reduce_only_market_gives_back_all_that_its_skew_does_not_need() {
    for lots in [0, 1_000 * SOL_ASSET.one()] {
        let mut world = World::new();
        if lots > 0 {
            let trader = world.funded_trader(100_000 * DOLLAR);
            world.open(&trader, SOL, Side::Short, lots).expect("open");
        }
        let status = MarketStatus::ReduceOnly.to_byte();
        world.tamper::<Market>(&address::market(SOL), |m| m.status = status);
        let equity = world.market(SOL).core.book.equity(world.market(SOL).core.mark()).expect("equity").0;
        // With max_skew at 100 % the notional stays: 150 dollars a SOL, but 0.15 units a lot are rounded to 2^-32.
        let price = (15_u128 << 32) / 100;
        let needed = (price * u128::from(lots)).div_ceil(1 << 32);
        assert!(needed.abs_diff(u128::from(lots) * 15 / 100) < 300);
        let amount = moved(&mut world, SOL);
        assert_eq!(i128::from(equity + amount), i128::try_from(needed).expect("fits"));
        nothing(&mut world, SOL);
    }
}

#[test]
fn a_price_that_is_not_fresh_stops_allocation_in_that_market_and_in_any_other() {
    type Spoil = fn(&mut Market);
    let table: [(&str, Spoil); 3] = [
        ("PriceStale", |m| m.core.oracle.publish_time = GENESIS - 61),
        ("PriceWide", |m| m.core.oracle.conf = m.core.oracle.price.to_bits() / 100 + 1),
        ("PriceDivergent", |m| m.core.oracle.divergent = 1),
    ];
    // Positions in both, and a million more to hand out.
    let mut traded = World::new();
    in_both_markets(&mut traded);
    let provider = traded.trader(MILLION);
    traded.add_liquidity(&provider, MILLION).expect("add_liquidity");
    for (name, spoil) in table {
        for market in [SOL, BTC] {
            let mut world = traded.fork();
            world.tamper(&address::market(market), spoil);
            let allocate = allocate(&world, SOL);
            refuse(&mut world, &allocate, &[], name);
        }
    }
    let (mut fresh, mut old) = (traded.fork(), traded.fork());
    for market in [SOL, BTC] {
        old.tamper::<Market>(&address::market(market), |m| m.core.oracle.publish_time = GENESIS - 60);
    }
    let expected = moved(&mut fresh, SOL);
    assert!(expected > 0);
    assert_eq!(moved(&mut old, SOL), expected);
}

#[test]
fn the_other_markets_must_all_follow_in_order() {
    let mut world = idle();
    world.list_market(&ETH_ASSET, ETH_ASSET.market_params());
    let allocate = allocate(&world, BTC);
    assert_eq!(allocate.accounts.len(), 5);
    let mut swapped = allocate.clone();
    swapped.accounts.swap(3, 4);
    refuse(&mut world, &swapped, &[], "WrongAccount");
    for left in [3, 4] {
        let mut missing = allocate.clone();
        missing.accounts.truncate(left);
        refuse(&mut world, &missing, &[], "AccountMissing");
    }
    refuse(&mut world, &with_account(&allocate, 4, address::market(SOL)), &[], "WrongAccount");
    refuse(&mut world, &with_account(&allocate, 3, address::market(BTC)), &[], "DuplicateAccount");
    refuse(&mut world, &with_account(&allocate, 4, address::exchange()), &[], "WrongAccount");
    accept(&mut world, &allocate, &[]);
}

#[test]
fn a_sweep_hands_each_part_of_the_fees_to_its_owner_and_leaves_none() {
    let mut world = World::new();
    let trader = world.funded_trader(100_000 * DOLLAR);
    let (mut pool, mut insurance, mut protocol) = (0, 0, 0);
    for side in [Side::Long, Side::Long] {
        let outcome = world.open(&trader, SOL, side, 7 * SOL_ASSET.one()).expect("open");
        let trade = outcome.trade();
        (pool, insurance, protocol) =
            (pool + trade.fee_pool, insurance + trade.fee_insurance, protocol + trade.fee_protocol);
    }
    // Two fills of 1050 dollars, 5 basis points, a fifth and a tenth of it; give or take the impact.
    assert!(
        protocol.abs_diff(105_000) < 100 && insurance.abs_diff(2 * protocol) <= 4,
        "{protocol} {insurance}"
    );

    let before = (world.pool().core.idle, world.market(SOL).sequence, world.pool().sequence);
    let outcome = accept(&mut world, &ix::sweep_market(SOL), &[]);
    let (sequence, pool_sequence) = (before.1, before.2);
    let swept = MarketSwept {
        market: SOL,
        sequence,
        pool_sequence,
        pool,
        fund_sequence: 0,
        insurance,
        staked: 0,
        protocol,
        oi_scale_ppm: 1_000_000,
    };
    assert_eq!(event(&outcome), &Event::MarketSwept(swept));
    assert_eq!(world.pool().core.idle, before.0 + pool);
    assert_eq!(world.get::<InsuranceFund>(&address::insurance_fund()).core.reserve, insurance);
    assert_eq!(world.exchange().protocol_fees, protocol);
    assert_eq!(world.market(SOL).core.book.fees.total(), Ok(0));

    // Once more moves nothing.
    let outcome = accept(&mut world, &ix::sweep_market(SOL), &[]);
    let Event::MarketSwept(again) = event(&outcome) else { panic!("{outcome:?}") };
    assert_eq!((again.pool, again.insurance, again.protocol), (0, 0, 0));
    assert_eq!((world.pool().core.idle, world.exchange().protocol_fees), (before.0 + pool, protocol));
}
