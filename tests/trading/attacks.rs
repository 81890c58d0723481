//! Attacks from the public record that no other file of this suite is about; the number is that of the
//! field note.

use bulwark_sdk::engine::margin::HealthType;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::instruction as ix;
use bulwark_tests::fixtures::{BTC_ASSET, DOLLAR, PRINT, SOL_ASSET};
use bulwark_tests::{BTC, SOL, SOL_VAULT, World};

use crate::support::{Cost, MARKET, move_uni, refresh, refused, state, uni_params, uni_world};

const LOTS: u64 = 80_000_000_000;

#[test]
fn attack_11_no_fill_is_at_a_lagging_price() {
    // The average lags far behind after a jump; what gates health must not fill.
    let mut world = uni_world(uni_params());
    let trader = world.funded_trader(100_000 * DOLLAR);
    move_uni(&mut world, 150 * PRINT);
    let core = world.market(MARKET).core;
    assert!(core.oracle.ema.to_bits() < core.oracle.price.to_bits() / 100 * 86);
    for side in Side::BOTH {
        let mut world = world.fork();
        let trade = world.open(&trader, MARKET, side, LOTS).expect("open").trade().clone();
        assert_eq!(trade.price, core.oracle.price.to_bits());
        let paid = trade.curve.unsigned_abs();
        assert!(paid.abs_diff(12_000 * DOLLAR) < 10 * DOLLAR, "80 at 150 dollars within impact, not {paid}");
    }
}

#[test]
fn attack_11_a_price_that_is_too_old_to_trade_is_no_free_option() {
    let mut world = uni_world(uni_params());
    let trader = world.funded_trader(100_000 * DOLLAR);
    move_uni(&mut world, 125 * PRINT);
    world.advance(5);
    world.open(&trader, MARKET, Side::Long, LOTS).expect("5 s old");
    world.advance(1);
    for instruction in [
        world.open_instruction(&trader, MARKET, Side::Long, LOTS),
        world.close_instruction(&trader, MARKET, u64::MAX),
    ] {
        refused(&mut world, instruction, &[&trader.key], "PriceStale", "6 s old");
    }
}

#[test]
fn attack_12_a_pumped_market_pays_no_unrealised_profit_out() {
    // Mango, JELLY: a thin market is pumped tenfold, the profit is withdrawn against other assets.
    let mut world = World::new();
    let attacker = world.funded_trader(20_000 * DOLLAR);
    world.open(&attacker, SOL, Side::Long, 1_000 * SOL_ASSET.one()).expect("open");
    let victim = world.funded_trader(50_000 * DOLLAR);
    for pump in [2, 4, 10] {
        for _ in 0..60 {
            world.advance(60);
            refresh(&mut world, (SOL, &SOL_ASSET), 150 * pump * PRINT, 0);
        }
        world.move_price(BTC, BTC_ASSET.price);
        assert!(world.health(&attacker.margin, HealthType::Maint).equity.0 > 100_000 * DOLLAR.cast_signed());
        // Nothing beyond the deposit leaves, and margin grows with the pumped price.
        let room = world.health(&attacker.margin, HealthType::Withdraw).excess().expect("fits").0;
        assert!(room < 20_000 * DOLLAR.cast_signed(), "pumped {pump} times: {room}");
        let over = u64::try_from(room.max(0)).expect("positive") + 1;
        let failure = world.withdraw(&attacker, 0, (attacker.tokens, over)).expect_err("profit on paper");
        assert!(failure.is("InsufficientMargin"), "{failure:?}");
    }
    // Nor does it carry a position of more than its weight elsewhere: half of the profit, at the strict price.
    let health = world.health(&attacker.margin, HealthType::Init);
    let full = world.health(&attacker.margin, HealthType::Maint);
    assert!(health.equity.0 < full.equity.0 / 2 + 10_000 * DOLLAR.cast_signed());
    assert_eq!(world.margin(&victim.margin).quote.0, 50_000 * DOLLAR.cast_signed());
}

#[test]
fn attack_12_a_realised_pump_takes_no_more_than_the_markets_own_cash() {
    let mut world = World::new();
    let attacker = world.funded_trader(200_000 * DOLLAR);
    world.open(&attacker, SOL, Side::Long, 6_000 * SOL_ASSET.one()).expect("open");
    let before = state(&world);
    let (cash, quote) = (world.market(SOL).core.book.cash, world.margin(&attacker.margin).quote.0);
    refresh(&mut world, (SOL, &SOL_ASSET), 1_500 * PRINT, 0);
    let trade = world.close(&attacker, SOL, u64::MAX).expect("close").trade().clone();
    assert!(trade.realised > 8_000_000 * DOLLAR.cast_signed(), "nine times 900,000 dollars");
    assert_eq!(trade.paid, cash.cast_signed(), "the market's cash and not a unit more");
    let fee = trade.fee_pool + trade.fee_insurance + trade.fee_protocol;
    assert_eq!(world.margin(&attacker.margin).quote.0 - quote, trade.paid - fee.cast_signed());
    for (key, data) in state(&world) {
        let own = key == attacker.margin || key == bulwark_sdk::address::market(SOL);
        assert!(own || before.get(&key) == Some(&data), "{key} was touched");
    }
    let allocate = ix::allocate_liquidity(&world.listings, SOL);
    refused(&mut world, allocate, &[], "NothingToAllocate", "no refill");
}

#[test]
fn attack_12_a_sudden_pump_is_capped_by_the_average() {
    // Initial margin values a long at the lower of price and average: the jump counts for nothing at first.
    let mut world = uni_world(uni_params());
    let trader = world.funded_trader(6_000 * DOLLAR);
    world.open(&trader, MARKET, Side::Long, 800_000_000_000).expect("open");
    let before = world.health(&trader.margin, HealthType::Init).excess().expect("fits");
    move_uni(&mut world, 250 * PRINT);
    let after = world.health(&trader.margin, HealthType::Init).excess().expect("fits");
    assert!(after < before, "twice the price, twice the requirement, no credit yet");
}

#[test]
fn attack_19_all_but_a_unit_short_is_what_may_be_withdrawn() {
    // The largest withdrawal by the SDK passes, one unit more does not, at prices where everything rounds.
    for (price, side) in [(123_45678901, Side::Long), (131_11111111, Side::Short), (119_98765432, Side::Long)]
    {
        let mut world = uni_world(uni_params());
        let trader = world.funded_trader(20_000 * DOLLAR);
        world.open(&trader, MARKET, side, 777_777_000_000).expect("open");
        move_uni(&mut world, price);
        let room = world.health(&trader.margin, HealthType::Withdraw).excess().expect("fits").units_or_zero();
        assert!(room > 1_000 * DOLLAR);
        let over = world.withdraw(&trader, 0, (trader.tokens, room + 1)).expect_err("one unit more");
        assert!(over.is("InsufficientMargin"), "{over:?}");
        world.withdraw(&trader, 0, (trader.tokens, room)).expect("the largest");
        let again = world.withdraw(&trader, 0, (trader.tokens, 1)).expect_err("nothing is left");
        assert!(again.is("InsufficientMargin"), "{again:?}");
    }
}

#[test]
fn attack_20_everything_can_be_withdrawn_after_odd_trades() {
    let mut world = World::new();
    let trader = world.funded_trader(20_000 * DOLLAR);
    let sol = world.deposit_collateral(&trader, SOL_VAULT, 1_234_567_891).expect("collateral");
    for (n, price) in [(1, 151_23456789), (2, 148_76543211), (3, 150_00000001)] {
        for side in Side::BOTH {
            world.open(&trader, SOL, side, n * 1_371_000_000).expect("open");
            world.move_price(SOL, price);
            world.close(&trader, SOL, n * 333_000_000).expect("part");
            world.move_price(SOL, 150 * PRINT + 7);
            world.close(&trader, SOL, u64::MAX).expect("rest");
        }
    }
    let quote = world.margin(&trader.margin).quote.units_or_zero();
    let over = world.withdraw(&trader, 0, (trader.tokens, quote + 1)).expect_err("more than there is");
    assert!(over.is("InsufficientBalance"), "{over:?}");
    world.withdraw(&trader, 0, (trader.tokens, quote)).expect("all quote");
    world.withdraw(&trader, SOL_VAULT, (sol, 1_234_567_891)).expect("all collateral");
    let account = world.margin(&trader.margin);
    assert!(account.is_empty(), "{account:?}");
}

#[test]
fn attack_21_the_shares_of_a_fee_are_its_parts_and_nothing_more() {
    let mut world = uni_world(uni_params());
    let trader = world.funded_trader(100_000 * DOLLAR);
    let mut sums = [0; 3];
    for n in 0..30 {
        move_uni(&mut world, 125 * PRINT + n * 987_654);
        let lots = 81_000_000 + u64::try_from(n).expect("small") * 7_000_000;
        let expected = Cost::of(&world.market(MARKET).core, lots.cast_signed()).fee;
        let open = world.open(&trader, MARKET, Side::Long, lots).expect("open").trade().clone();
        let parts = [open.fee_pool, open.fee_insurance, open.fee_protocol];
        assert_eq!(i128::from(parts.iter().sum::<u64>()), expected);
        assert_eq!(parts[1], u64::try_from(expected).expect("small") * 20 / 100, "insurance is rounded down");
        assert_eq!(parts[2], u64::try_from(expected).expect("small") * 10 / 100, "so is the protocol");
        let close = world.close(&trader, MARKET, u64::MAX).expect("close").trade().clone();
        for (sum, (a, b)) in sums.iter_mut().zip(parts.into_iter().zip([
            close.fee_pool,
            close.fee_insurance,
            close.fee_protocol,
        ])) {
            *sum += a + b;
        }
    }
    let fees = world.market(MARKET).core.book.fees;
    assert_eq!([fees.pool, fees.insurance, fees.protocol], sums);
    world.send(&[ix::sweep_market(MARKET)], &[]).expect("sweep");
    world.send(&[ix::sweep_market(MARKET)], &[]).expect("sweeping again moves nothing");
    assert_eq!(world.exchange().protocol_fees, sums[2]);
}

#[test]
fn attack_25_no_trade_flips_a_position() {
    let mut world = uni_world(uni_params());
    let trader = world.funded_trader(100_000 * DOLLAR);
    for side in Side::BOTH {
        world.open(&trader, MARKET, side, LOTS).expect("open");
        world.open(&trader, MARKET, side, LOTS / 2).expect("a partial increase keeps the side");
        let account = world.margin(&trader.margin);
        assert_eq!(
            (account.positions[0].side, account.positions[0].lots.count()),
            (side as u8, LOTS / 2 * 3)
        );
        let close = world.close_instruction(&trader, MARKET, 2 * LOTS);
        refused(&mut world, close, &[&trader.key], "CloseExceedsPosition", "through zero");
        world.close(&trader, MARKET, u64::MAX).expect("close");
    }
}

#[test]
fn attack_31_no_position_is_too_small_to_close() {
    // The price falls until a smallest position is far below the minimum: it can still be closed whole.
    let mut world = uni_world(uni_params());
    let trader = world.funded_trader(1_000 * DOLLAR);
    world.open(&trader, MARKET, Side::Long, 80_000_000).expect("10 dollars");
    move_uni(&mut world, PRINT);
    let part = world.close_instruction(&trader, MARKET, 40_000_000);
    refused(&mut world, part, &[&trader.key], "BelowMinNotional", "a smaller rest");
    world.close(&trader, MARKET, u64::MAX).expect("8 cents");
}
