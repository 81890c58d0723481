//! Sizes, limit prices and caps: each at its exact boundary, each by name.

use bulwark_sdk::address;
use bulwark_sdk::engine::market::MarketParams;
use bulwark_sdk::engine::trade::Order;
use bulwark_sdk::engine::units::{PPM, Side};
use bulwark_sdk::health::Intent;
use bulwark_sdk::program::state::{Market, MarketStatus, Pause};
use bulwark_tests::fixtures::{DOLLAR, PRINT};
use bulwark_tests::{Copies, Trader, World};

use crate::support::{Cost, MARKET, close_at, move_uni, open_at, refused, signed, uni_params, uni_world};

const STEP: u64 = 1_000_000;
/// 800 units of base: 100,000 dollars.
const LOTS: u64 = 800_000_000_000;

fn set(world: &mut World, change: impl FnOnce(&mut MarketParams)) {
    world.tamper::<Market>(&address::market(MARKET), |m| change(&mut m.core.params));
}

/// A market at 125 dollars with 300,000 dollars of longs, and a trader who holds nothing yet.
fn busy() -> (World, Trader, Trader) {
    let mut world = uni_world(uni_params());
    let (other, trader) = (world.funded_trader(1_000_000 * DOLLAR), world.funded_trader(1_000_000 * DOLLAR));
    move_uni(&mut world, 125 * PRINT);
    world.open(&other, MARKET, Side::Long, 3 * LOTS).expect("open");
    (world, other, trader)
}

/// An open is refused with `name` under `tight`, and goes through under `loose`.
fn boundary(
    world: &World,
    who: &Trader,
    side: Side,
    (tight, loose): (impl Fn(&mut MarketParams), impl Fn(&mut MarketParams)),
    name: &str,
) {
    let (mut tightened, mut loosened) = (world.fork(), world.fork());
    set(&mut tightened, tight);
    let open = tightened.open_instruction(who, MARKET, side, LOTS);
    refused(&mut tightened, open, &[&who.key], name, "one below");
    set(&mut loosened, loose);
    loosened.open(who, MARKET, side, LOTS).unwrap_or_else(|e| panic!("{name} at the boundary: {e:#?}"));
}

/// The book after the trader's open, by the SDK's preview.
fn book_after(world: &World, who: &Trader, side: Side) -> Box<Market> {
    let copies = Copies::of(world);
    let order = Order { lots: LOTS, limit: None, now: world.now() };
    let (mut market, mut account) = (world.market(MARKET), *world.margin(&who.margin));
    copies.snapshot().quote(&account, (MARKET, Intent::Open(side)), &order).expect("preview");
    let slot = account.position_or_free(MARKET, side).expect("slot");
    market.core.increase(slot, side, &order).expect("increase");
    market
}

#[test]
fn open_interest_is_capped_at_max_oi_to_the_lot() {
    let (world, _, trader) = busy();
    boundary(
        &world,
        &trader,
        Side::Long,
        (|p| p.max_oi = 4 * LOTS - 1, |p| p.max_oi = 4 * LOTS),
        "OpenInterestCap",
    );
    boundary(&world, &trader, Side::Short, (|p| p.max_oi = LOTS - 1, |p| p.max_oi = LOTS), "OpenInterestCap");
}

#[test]
fn an_accounts_share_of_its_side_is_capped_above_the_floor() {
    let (mut world, _, trader) = busy();
    set(&mut world, |p| p.share_floor = 0);
    boundary(
        &world,
        &trader,
        Side::Long,
        (|p| p.max_share_ppm = 249_999, |p| p.max_share_ppm = 250_000),
        "ShareCap",
    );
    // Alone on its side above the floor, nobody may hold it all; at the floor he may.
    set(&mut world, |p| p.max_share_ppm = 999_999);
    boundary(
        &world,
        &trader,
        Side::Short,
        (|p| p.share_floor = LOTS - 1, |p| p.share_floor = LOTS),
        "ShareCap",
    );
}

#[test]
fn skew_is_capped_by_the_markets_equity() {
    let (world, _, trader) = busy();
    let book = book_after(&world, &trader, Side::Long).core.book;
    let price = world.market(MARKET).core.mark();
    let equity = u128::try_from(book.equity(price).expect("equity").0).expect("positive");
    // 400,000 dollars of skew against equity, in ppm rounded up.
    let cap =
        u32::try_from((400_000_u128 * u128::from(DOLLAR) * u128::from(PPM)).div_ceil(equity)).expect("ppm");
    boundary(
        &world,
        &trader,
        Side::Long,
        (|p| p.max_skew_ppm = cap - 1, |p| p.max_skew_ppm = cap),
        "SkewCap",
    );
}

#[test]
fn an_increase_that_reduces_skew_is_not_capped_by_it() {
    let (mut world, _, trader) = busy();
    set(&mut world, |p| p.max_skew_ppm = 0);
    let open = world.open_instruction(&trader, MARKET, Side::Long, STEP * 1_000);
    refused(&mut world, open, &[&trader.key], "SkewCap", "more skew");
    world.open(&trader, MARKET, Side::Short, 3 * LOTS).expect("down to zero");
    let open = world.open_instruction(&trader, MARKET, Side::Short, STEP * 1_000);
    refused(&mut world, open, &[&trader.key], "SkewCap", "beyond zero");
}

#[test]
fn traders_profit_is_capped_by_the_markets_cash() {
    let (mut world, _, trader) = busy();
    move_uni(&mut world, 150 * PRINT);
    for side in Side::BOTH {
        let book = book_after(&world, &trader, side).core.book;
        let profit = book.traders_pnl(world.market(MARKET).core.mark()).expect("pnl").0;
        assert!(profit > 50_000 * DOLLAR as i64, "the other trader gained 20 % of 300,000");
        let cap = (profit as u128 * u128::from(PPM)).div_ceil(u128::from(book.cash)) as u32;
        boundary(
            &world,
            &trader,
            side,
            (|p| p.profit_cap_ppm = cap - 1, |p| p.profit_cap_ppm = cap),
            "ProfitCap",
        );
    }
}

#[test]
fn impact_is_capped_where_the_curve_is_clamped() {
    let (world, _, trader) = busy();
    // 4 · 8·10^11 lots on a scale of 10^15: 3,200 ppm.
    boundary(
        &world,
        &trader,
        Side::Long,
        (|p| p.max_impact_ppm = 3_199, |p| p.max_impact_ppm = 3_200),
        "ImpactTooLarge",
    );
    let mut world = world;
    set(&mut world, |p| p.max_impact_ppm = 0);
    world.open(&trader, MARKET, Side::Short, LOTS).expect("nearer to zero is never refused");
}

#[test]
fn a_cap_of_zero_forbids() {
    let (world, other, trader) = busy();
    type Zero = fn(&mut MarketParams);
    let caps: [(&str, Zero); 5] = [
        ("OpenInterestCap", |p| p.max_oi = 0),
        ("ShareCap", |p| p.max_share_ppm = 0),
        ("SkewCap", |p| p.max_skew_ppm = 0),
        ("ImpactTooLarge", |p| p.max_impact_ppm = 0),
        ("ProfitCap", |p| p.profit_cap_ppm = 0),
    ];
    for (name, zero) in caps {
        let mut world = world.fork();
        set(&mut world, zero);
        let open = world.open_instruction(&trader, MARKET, Side::Long, STEP * 1_000);
        refused(&mut world, open, &[&trader.key], name, "increase");
        world.close(&other, MARKET, u64::MAX).unwrap_or_else(|e| panic!("{name} stops a close: {e:?}"));
    }
}

#[test]
fn reduce_only_and_paused_refuse_increases_and_nothing_else() {
    type Set = fn(&mut World);
    let states: [(&str, Set); 3] = [
        ("ReduceOnly", |w| {
            w.tamper::<Market>(&address::market(MARKET), |m| m.status = MarketStatus::ReduceOnly as u8)
        }),
        ("Paused", |w| w.tamper::<Market>(&address::market(MARKET), |m| m.pause = Pause::INCREASE.0)),
        ("Paused", |w| w.pause(Pause::INCREASE.0)),
    ];
    for (name, set) in states {
        let (mut world, other, trader) = busy();
        set(&mut world);
        for (who, side) in [(&trader, Side::Short), (&other, Side::Long)] {
            let open = world.open_instruction(who, MARKET, side, LOTS);
            refused(&mut world, open, &[&who.key], name, "open");
        }
        world.deposit(&trader, 0).expect_err("zero is refused as ever");
        world.close(&other, MARKET, LOTS).expect("partial close");
        world.close(&other, MARKET, u64::MAX).expect("close");
        world.withdraw(&other, 0, (other.tokens, 1)).expect("withdraw");
    }
    // Every other pause bit leaves both alone.
    for bits in [Pause::WITHDRAW.0, Pause::LIQUIDITY.0, Pause::STAKE.0, !Pause::INCREASE.0] {
        let (mut world, other, trader) = busy();
        world.pause(bits);
        world.open(&trader, MARKET, Side::Short, LOTS).expect("open");
        world.close(&other, MARKET, u64::MAX).expect("close");
    }
}

#[test]
fn a_size_that_is_not_one_is_refused_by_name() {
    let (mut world, other, trader) = busy();
    let largest = 1_u64 << 60;
    let opens = [
        (0, "ZeroAmount"),
        (1, "NotAMultipleOfStep"),
        (STEP - 1, "NotAMultipleOfStep"),
        (LOTS + 1, "NotAMultipleOfStep"),
        (79 * STEP, "BelowMinNotional"),
        (u64::MAX, "NotAMultipleOfStep"),
        (u64::MAX / STEP * STEP, "Overflow"),
        (i64::MAX as u64 / STEP * STEP, "Overflow"),
        ((largest / STEP + 1) * STEP, "Overflow"),
        (largest / 2 / STEP * STEP, "ImpactTooLarge"),
    ];
    for side in Side::BOTH {
        for (lots, name) in opens {
            let open = world.open_instruction(&trader, MARKET, side, lots);
            refused(&mut world, open, &[&trader.key], name, &format!("open {side:?} {lots}"));
        }
    }
    // The largest amount of all: the skew of the longs does not leave room for it, nor the impact for its negative.
    for (side, name) in [(Side::Long, "Overflow"), (Side::Short, "ImpactTooLarge")] {
        let open = world.open_instruction(&trader, MARKET, side, largest / STEP * STEP);
        refused(&mut world, open, &[&trader.key], name, "2^60");
    }
    let held = 3 * LOTS;
    let closes = [
        (0, "ZeroAmount"),
        (1, "NotAMultipleOfStep"),
        (held + 1, "CloseExceedsPosition"),
        (held + STEP, "CloseExceedsPosition"),
        (u64::MAX - 1, "CloseExceedsPosition"),
        (i64::MAX as u64, "CloseExceedsPosition"),
        (held - 79 * STEP, "BelowMinNotional"),
    ];
    for (lots, name) in closes {
        let close = world.close_instruction(&other, MARKET, lots);
        refused(&mut world, close, &[&other.key], name, &format!("close {lots}"));
    }
    let close = world.close_instruction(&trader, MARKET, u64::MAX);
    refused(&mut world, close, &[&trader.key], "NoPosition", "nothing to close");
    world.close(&other, MARKET, held - 80 * STEP).expect("10 dollars may stay");
    world.open(&trader, MARKET, Side::Short, 80 * STEP).expect("10 dollars may be opened");
    world.close(&other, MARKET, 80 * STEP).expect("the whole by its number");
    world.close(&trader, MARKET, u64::MAX).expect("the whole by u64::MAX");
}

#[test]
fn the_opposite_side_is_refused_until_the_position_is_closed() {
    let (mut world, other, trader) = busy();
    let open = world.open_instruction(&other, MARKET, Side::Short, LOTS);
    refused(&mut world, open, &[&other.key], "OppositeSide", "short on a long");
    world.open(&trader, MARKET, Side::Short, LOTS).expect("open");
    let open = world.open_instruction(&trader, MARKET, Side::Long, LOTS);
    refused(&mut world, open, &[&trader.key], "OppositeSide", "long on a short");
    world.close(&trader, MARKET, u64::MAX).expect("close");
    world.open(&trader, MARKET, Side::Long, LOTS).expect("flat: either side");
}

/// The worst limit price that lets a fill of this cost through: a buyer pays at most ceil(Δ·limit), a seller
/// receives at least floor(|Δ|·limit).
fn tightest(delta: i64, cost: &Cost) -> u64 {
    let (lots, paid) = (i128::from(delta.unsigned_abs()), cost.total());
    let bits = if delta > 0 {
        ((paid - 1) << 32).div_euclid(lots) + 1
    } else {
        -((paid - 1) << 32).div_euclid(lots) - 1
    };
    u64::try_from(bits).expect("a price")
}

#[test]
fn the_limit_price_binds_at_its_exact_boundary() {
    for side in Side::BOTH {
        let (mut world, _, trader) = busy();
        let open = signed(side, LOTS);
        let limit = tightest(open, &Cost::of(&world.market(MARKET).core, open));
        // A price better for the trader by a step of 2^-32 is refused.
        let better = if side == Side::Long { limit - 1 } else { limit + 1 };
        let instruction = open_at(&world, &trader, (MARKET, side), LOTS, better);
        refused(&mut world, instruction, &[&trader.key], "LimitPrice", &format!("open {side:?}"));
        let instruction = open_at(&world, &trader, (MARKET, side), LOTS, limit);
        world.send(&[instruction], &[&trader.key]).expect("at the boundary");

        let close = -open / 2;
        let limit = tightest(close, &Cost::of(&world.market(MARKET).core, close));
        let better = if side == Side::Long { limit + 1 } else { limit - 1 };
        let instruction = close_at(&world, &trader, MARKET, LOTS / 2, better);
        refused(&mut world, instruction, &[&trader.key], "LimitPrice", &format!("close {side:?}"));
        let instruction = close_at(&world, &trader, MARKET, LOTS / 2, limit);
        world.send(&[instruction], &[&trader.key]).expect("at the boundary");
    }
}

#[test]
fn a_limit_that_no_fill_can_meet_is_refused_and_the_generous_end_takes_any() {
    let (mut world, _, trader) = busy();
    for (side, impossible, any) in [(Side::Long, 0, u64::MAX), (Side::Short, u64::MAX, 0)] {
        let instruction = open_at(&world, &trader, (MARKET, side), LOTS, impossible);
        refused(&mut world, instruction, &[&trader.key], "PriceOutOfRange", "open");
        let instruction = open_at(&world, &trader, (MARKET, side), LOTS, any);
        world.send(&[instruction], &[&trader.key]).expect("any price");
        let instruction = close_at(&world, &trader, MARKET, u64::MAX, any);
        refused(&mut world, instruction, &[&trader.key], "PriceOutOfRange", "close");
        let instruction = close_at(&world, &trader, MARKET, u64::MAX, impossible);
        world.send(&[instruction], &[&trader.key]).expect("any price");
    }
}
