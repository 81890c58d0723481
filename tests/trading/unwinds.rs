//! Pending unwinds: whoever looks at a member sees the same two numbers, and members never sum above their
//! bucket.

use bulwark_sdk::address;
use bulwark_sdk::engine::book::Book;
use bulwark_sdk::engine::ladder::UnwindReport;
use bulwark_sdk::engine::margin::HealthType;
use bulwark_sdk::engine::units::{NormalPrice, Side};
use bulwark_sdk::event::Event;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::state::Market;
use bulwark_tests::fixtures::{DOLLAR, PRINT};
use bulwark_tests::{Copies, Trader, World};

use crate::support::{Held, MARKET, free_params, move_uni, refused, signed, uni_world};

const STEP: u64 = 1_000_000;
const THIRD: u64 = (1 << 32) / 3;

/// Three winners, one loser and one on the other side. Longs: from 125, 125.5, 130 and 151, a short from 125;
/// the price is 150. Shorts: from 175, 174.5, 170 and 149, a long from 175.
fn scene(side: Side) -> (World, Vec<Trader>) {
    let mut world = uni_world(free_params());
    let traders: Vec<Trader> = (0..5).map(|_| world.funded_trader(1_000_000 * DOLLAR)).collect();
    let price = |long: i64| if side == Side::Long { long } else { 300 * PRINT - long };
    let trades = [
        (4, 125 * PRINT, 100_003, side.opposite()),
        (0, 12_500_000_001, 80_001, side),
        (1, 12_550_000_000, 333_333, side),
        (2, 13_000_000_000, 55_555, side),
        (3, 151 * PRINT, 44_444, side),
    ];
    for (who, at, steps, side) in trades {
        move_uni(&mut world, price(at));
        world.open(&traders[who], MARKET, side, steps * STEP).expect("open");
    }
    move_uni(&mut world, 150 * PRINT);
    (world, traders)
}

/// Unwinds the winners of a side by `h`, in the market's account. The sum of all claims on it falls, its cash
/// and every token stay: I1 holds, and I3.
fn unwind(world: &mut World, side: Side, h: u64) -> UnwindReport {
    let mut report = UnwindReport::default();
    world.tamper::<Market>(&address::market(MARKET), |m| {
        let price = m.core.mark();
        report = m.core.book.side_mut(side).unwind(price, h).expect("unwind");
    });
    report
}

/// The two numbers of a member by the definition: `b·A/A_joined` and `q·A/A_joined`, both towards −∞.
fn member(world: &World, who: &Trader) -> Held {
    let (market, account) = (world.market(MARKET), world.margin(&who.margin));
    let Some(slot) = account.position(MARKET) else { return Held::default() };
    let position = account.positions[slot];
    let bucket =
        market.core.book.side(position.side().expect("side")).bucket(position.bucket).expect("bucket");
    let (factor, joined) = (i128::from(bucket.unwind), i128::from(position.unwind));
    let share = |x: i64| (i128::from(x) * factor).div_euclid(joined);
    Held { b: share(position.lots.0), q: share(position.quote.0) }
}

fn pnl(world: &World, who: &Trader) -> i128 {
    member(world, who).pnl(world.market(MARKET).core.mark().to_bits())
}

/// Σ members ≤ bucket ≤ Σ members + dust in signed lots and cost, bucket by bucket, and the program's own
/// check says so too. An unwind rounds a bucket up by less than a unit, settling rounds a member down by less than one.
fn require_sums(world: &mut World, traders: &[Trader], roundings: u64) {
    let market = world.market(MARKET);
    for side in Side::BOTH {
        for (number, bucket) in market.core.book.side(side).buckets.iter().enumerate() {
            let mut sum = Held::default();
            let mut members = 0;
            for who in traders {
                let account = world.margin(&who.margin);
                let Some(slot) = account.position(MARKET) else { continue };
                let position = account.positions[slot];
                if position.side == side.to_byte() && usize::from(position.bucket) == number {
                    let held = member(world, who);
                    (sum.b, sum.q, members) = (sum.b + held.b, sum.q + held.q, members + 1);
                }
            }
            let lots = i128::from(signed(side, bucket.lots));
            let (cost, dust) = (i128::from(bucket.cost.0), i128::from(roundings));
            assert!(sum.b <= lots && sum.q <= cost, "{side:?} {number}: {sum:?} in {lots}, {cost}");
            assert!(
                lots <= sum.b + dust && cost <= sum.q + dust,
                "{side:?} {number}: {sum:?} in {lots}, {cost}"
            );
            assert_eq!(members, i128::from(bucket.members));
        }
    }
    let check = ix::check_invariants(None, Some(MARKET), traders.iter().map(|t| t.margin));
    let outcome = world.send(&[check], &[]).expect("check_invariants");
    assert!(matches!(&outcome.events[..], [Event::InvariantsChecked(e)] if e.ok), "{:?}", outcome.events);
}

#[test]
fn winners_lose_the_same_share_of_profit_and_losers_nothing() {
    for side in Side::BOTH {
        let (mut world, traders) = scene(side);
        let before: Vec<i128> = traders.iter().map(|t| pnl(&world, t)).collect();
        assert!(before[..3].iter().all(|p| *p > 0) && before[3..].iter().all(|p| *p < 0));
        let report = unwind(&mut world, side, THIRD);
        assert!(report.buckets >= 2 && report.booked > 0);
        require_sums(&mut world, &traders, 6);
        let mut taken = 0;
        for (who, before) in traders.iter().zip(before) {
            let after = pnl(&world, who);
            let expected = if before > 0 { before - before * i128::from(THIRD) / (1 << 32) } else { before };
            assert!((expected - 3..=expected).contains(&after), "{before} became {after}, not {expected}");
            taken += before - after;
        }
        assert!(taken >= i128::from(report.booked), "{taken} taken, {} booked", report.booked);
    }
}

#[test]
fn settling_applies_a_pending_unwind_and_changes_no_value() {
    for side in Side::BOTH {
        let (mut world, traders) = scene(side);
        unwind(&mut world, side, THIRD);
        unwind(&mut world, side, THIRD / 2);
        for who in &traders {
            let (stored, expected) =
                (Held::in_account(&world.margin(&who.margin), MARKET), member(&world, who));
            let healths = [HealthType::Init, HealthType::Withdraw, HealthType::Maint]
                .map(|k| world.health(&who.margin, k));
            let position = world.margin(&who.margin).positions[0];
            let sdk = Copies::of(&world).snapshot().pnl(&position).expect("pnl");
            assert_eq!(i128::from(sdk.0), pnl(&world, who), "the SDK sees the pending unwind");
            let outcome =
                world.send(&[ix::settle_position(who.margin, MARKET)], &[]).expect("settle_position");
            let [Event::PositionSettled(event)] = &outcome.events[..] else { panic!("{:?}", outcome.events) };
            assert_eq!(i128::from(event.unwound_lots), stored.b.abs() - expected.b.abs());
            assert_eq!(i128::from(event.unwound_quote), expected.q - stored.q);
            assert_eq!((event.claim_paid, event.loss), (0, 0));
            assert_eq!(Held::in_account(&world.margin(&who.margin), MARKET), expected);
            let after = [HealthType::Init, HealthType::Withdraw, HealthType::Maint]
                .map(|k| world.health(&who.margin, k));
            assert_eq!(after, healths);
            require_sums(&mut world, &traders, 12);
        }
    }
}

/// The book without the bounds of its buckets, which settling may move by the rounding of an entry.
fn book(world: &World) -> Book {
    let mut book = world.market(MARKET).core.book;
    for bucket in book.long.buckets.iter_mut().chain(&mut book.short.buckets) {
        bucket.bound = NormalPrice(0);
    }
    book
}

#[test]
fn a_trade_on_a_pending_unwind_is_a_trade_after_settling() {
    for side in Side::BOTH {
        let (mut world, traders) = scene(side);
        unwind(&mut world, side, THIRD);
        for who in &traders[..3] {
            for lots in [u64::MAX, 7_777 * STEP] {
                let (mut pending, mut settled) = (world.fork(), world.fork());
                settled.send(&[ix::settle_position(who.margin, MARKET)], &[]).expect("settle_position");
                for w in [&mut pending, &mut settled] {
                    w.close(who, MARKET, lots).expect("close");
                }
                let (a, b) = (pending.margin(&who.margin), settled.margin(&who.margin));
                assert_eq!((a.quote, a.positions), (b.quote, b.positions), "close {lots}");
                assert_eq!(book(&pending), book(&settled), "close {lots}");
                require_sums(&mut pending, &traders, 6);
            }
            let (mut pending, mut settled) = (world.fork(), world.fork());
            settled.send(&[ix::settle_position(who.margin, MARKET)], &[]).expect("settle_position");
            for w in [&mut pending, &mut settled] {
                w.open(who, MARKET, side, 3_333 * STEP).expect("open");
            }
            let (a, b) = (pending.margin(&who.margin), settled.margin(&who.margin));
            assert_eq!((a.quote, a.positions), (b.quote, b.positions), "open");
            assert_eq!(book(&pending), book(&settled), "open");
            require_sums(&mut pending, &traders, 6);
        }
    }
}

#[test]
fn the_program_and_the_sdk_agree_on_health_with_a_pending_unwind() {
    for side in Side::BOTH {
        // All but the requirement may be withdrawn, to the unit, while the unwind is pending.
        let (mut world, traders) = scene(side);
        unwind(&mut world, side, THIRD);
        for who in &traders[..3] {
            let room =
                world.health(&who.margin, HealthType::Withdraw).excess().expect("fits").units_or_zero();
            let mut world = world.fork();
            let over = world.withdraw(who, 0, (who.tokens, room + 1)).expect_err("a unit more");
            assert!(over.is("InsufficientMargin"), "{over:?}");
            world.withdraw(who, 0, (who.tokens, room)).expect("all of it");
        }
    }
}

#[test]
fn members_never_sum_above_their_bucket_however_many_unwinds_follow() {
    for side in Side::BOTH {
        let (mut world, traders) = scene(side);
        for round in 0..12_u64 {
            unwind(&mut world, side, THIRD >> (round % 4));
            require_sums(&mut world, &traders, 7 + 2 * round);
            let who = &traders[(round % 3) as usize];
            if round % 2 == 1 && world.margin(&who.margin).positions[0].is_open() {
                world.send(&[ix::settle_position(who.margin, MARKET)], &[]).expect("settle_position");
                require_sums(&mut world, &traders, 7 + 2 * round);
            }
        }
        for who in &traders {
            world.close(who, MARKET, u64::MAX).expect("close");
        }
        let book = world.market(MARKET).core.book;
        assert_eq!(
            (book.long.lots, book.long.cost.0, book.short.lots, book.short.cost.0),
            (0, 0, 0, 0),
            "no dust is left"
        );
    }
}

#[test]
fn a_position_unwound_to_dust_can_be_closed_and_one_unwound_to_nothing_is_freed_by_settling() {
    let (mut world, traders) = scene(Side::Long);
    let small = world.funded_trader(1_000 * DOLLAR);
    move_uni(&mut world, 125 * PRINT);
    world.open(&small, MARKET, Side::Long, 81 * STEP).expect("open");
    move_uni(&mut world, 150 * PRINT);
    while unwind(&mut world, Side::Long, (1 << 32) - 1).buckets > 0 {}
    // A share of 2^-32 is left: no multiple of the step, and far below the least notional.
    for who in &traders[..3] {
        let held = member(&world, who);
        assert!(held.b > 0 && held.b < 100, "{held:?}");
        let out = world.close(who, MARKET, u64::MAX).expect("dust is closed whole");
        assert_eq!(i128::from(out.trade().lots), -held.b);
        assert_eq!(world.margin(&who.margin).position(MARKET), None);
    }
    let held = member(&world, &small);
    assert_eq!(held, Held { b: 0, q: -1 });
    let close = world.close_instruction(&small, MARKET, u64::MAX);
    refused(&mut world, close, &[&small.key], "ZeroAmount", "nothing is left to close");
    let quote = world.margin(&small.margin).quote.0;
    world.send(&[ix::settle_position(small.margin, MARKET)], &[]).expect("settle_position");
    let account = world.margin(&small.margin);
    assert_eq!(
        (account.position(MARKET), account.quote.0),
        (None, quote - 1),
        "the dust is the account's to pay"
    );
    world.withdraw(&small, 0, (small.tokens, account.quote.units_or_zero())).expect("all of it");
    assert_eq!(world.margin(&small.margin).quote.0, 0);
}
