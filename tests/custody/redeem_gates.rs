//! Gates of a redemption: what idle cash, exposure, the senior's cushion or the vault do not allow stays in the ticket
//! and is paid later. Each says by how much.

use bulwark_sdk::address;
use bulwark_sdk::engine::pool::TrancheKind;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::instruction as ix;
use bulwark_sdk::program::events::Redeemed;
use bulwark_sdk::program::state::{Market, Pool, Vault};
use bulwark_tests::fixtures::*;
use bulwark_tests::{SOL, World};

use crate::provider::*;
use crate::support::*;

const JUNIOR: TrancheKind = TrancheKind::Junior;
const SENIOR: TrancheKind = TrancheKind::Senior;
const MILLION: u64 = 1_000_000 * DOLLAR;

/// A redemption that the gate refuses in the words `says`.
#[track_caller]
fn shut(world: &mut World, provider: &Provider, says: (&str, &str)) {
    let redeem = provider.redeem_instruction(world, 0, 0);
    refuse_saying(world, &redeem, &[&provider.trader.key], says);
}

/// Ten million in the pool, all of A's but one, four of them in each market and two idle.
fn ten_millions() -> (World, Provider, Provider) {
    let mut world = markets();
    let a = Provider::with_shares(&mut world, JUNIOR, 9 * MILLION);
    let b = Provider::with_shares(&mut world, JUNIOR, MILLION);
    for market in [SOL, BTC] {
        assert_eq!(allocate(&mut world, market).unsigned_abs(), 4 * MILLION);
    }
    (world, a, b)
}

#[test]
fn idle_cash_pays_what_there_is_and_allocation_brings_the_rest_back() {
    let (mut world, a, b) = ten_millions();
    let (value, others) = (a.request(&mut world, 0, 5 * MILLION), b.worth(&world));
    assert_eq!(value, 5 * MILLION);
    wait(&mut world, DELAY);
    // 2,002,002.002002 less 0.1 % is two million, to the unit.
    let first = a.redeem(&mut world, 0);
    assert_eq!((first.paid, first.fee, world.pool().core.idle), (2 * MILLION, 2_002_002_003, 0));
    assert_eq!((first.shares, first.shares_left), (2_002_002_002_003, 5 * MILLION - 2_002_002_002_003));
    let ticket = a.ticket(&world, 0);
    assert_eq!((ticket.core.shares, ticket.core.requested_at), (first.shares_left, GENESIS));
    assert_eq!(ticket.core.value, first.shares_left);

    let (mut paid, mut burned) = (first.paid, first.shares);
    for market in [SOL, BTC] {
        let asked = ticket_after_fee(&world, &a);
        let says = format!("redemption of {asked} quote units, the pool has 0 idle");
        shut(&mut world, &a, ("PoolIdle", &says));
        // What is pending is kept out of the markets, so there is more than the target in this one.
        let pending = worth(&world, JUNIOR, a.ticket(&world, 0).core.shares);
        let base = nav(&world).low - pending;
        let target = base / 10 * 4 + base % 10 * 4 / 10;
        let back = allocate(&mut world, market);
        assert_eq!(back.unsigned_abs(), 4 * MILLION - target);
        assert!(back < 0);
        let part = a.redeem(&mut world, 0);
        (paid, burned) = (paid + part.paid, burned + part.shares);
        if market == SOL {
            assert_eq!((part.paid, world.pool().core.idle), (back.unsigned_abs(), 0));
        } else {
            assert_eq!(part.shares_left, 0);
        }
    }
    assert_eq!(burned, 5 * MILLION);
    // Five million less 0.1 %; three parts lose a unit of value and one of fee each at most.
    assert!(value - value / 1_000 - paid <= 6, "{paid}");
    assert_eq!((a.quote(&world), world.vault(0).core.recorded), (paid, 10 * MILLION - paid));
    assert!(b.worth(&world) >= others);
}

/// What a whole ticket would be paid: its worth is what it was.
fn ticket_after_fee(world: &World, provider: &Provider) -> u64 {
    let core = provider.ticket(world, 0).core;
    let whole = core.value.min(worth(world, provider.tranche, core.shares));
    whole - whole.div_ceil(1_000)
}

#[test]
fn attack_pending_money_is_not_pushed_back_into_the_markets() {
    let (mut world, a, _) = ten_millions();
    a.request(&mut world, 0, 9 * MILLION);
    // Nine million of ten are on their way out: each market may have four tenths of one.
    for market in [SOL, BTC] {
        assert_eq!(
            allocate(&mut world, market),
            -i64::try_from(4 * MILLION - 400_000 * DOLLAR).expect("fits")
        );
        let again = ix::allocate_liquidity(&world.listings, market);
        refuse(&mut world, &again, &[], "NothingToAllocate");
    }
    assert_eq!(world.pool().core.idle, 9_200_000 * DOLLAR);
    wait(&mut world, DELAY);
    for market in [SOL, BTC] {
        let again = ix::allocate_liquidity(&world.listings, market);
        refuse(&mut world, &again, &[], "NothingToAllocate");
    }
    assert_eq!(a.redeem(&mut world, 0).shares_left, 0);
}

/// A hundred thousand in the pool, forty of them in SOL, where a trader is long forty.
fn exposed() -> (World, Provider, bulwark_tests::Trader) {
    let mut world = markets();
    let a = Provider::with_shares(&mut world, JUNIOR, 100_000 * DOLLAR);
    allocate(&mut world, SOL);
    let trader = world.funded_trader(10_000 * DOLLAR);
    world.open(&trader, SOL, Side::Long, 260 * SOL_ASSET.one()).expect("open");
    (world, a, trader)
}

#[test]
fn a_redemption_leaves_the_exposure_covered_to_the_unit() {
    let (mut world, a, trader) = exposed();
    a.request(&mut world, 0, 80_000 * DOLLAR);
    wait(&mut world, DELAY);
    let before = nav(&world);
    // 260 SOL of 150 dollars are 39,000; 0.15 units a lot are rounded to 2^-32.
    assert!(before.used.abs_diff(39_000 * DOLLAR) < 300);
    let room = before.low - (u128::from(before.used) * 1_000_000).div_ceil(800_000) as u64;
    assert!(room < world.pool().core.idle, "else it is not this gate");
    let Redeemed { paid, shares_left, .. } = a.redeem(&mut world, 0);
    assert!(paid <= room && room - paid <= 1, "{paid} of {room}");
    assert!(shares_left > 0);
    let after = nav(&world);
    assert_eq!((after.used, after.low), (before.used, before.low - paid));
    assert!(after.used * 10 <= after.low * 8 && after.used * 10 > (after.low - 3) * 8);

    let asked = ticket_after_fee(&world, &a);
    let cap = u128::from(after.low - asked) * 800_000 / 1_000_000;
    let says = format!(
        "the markets use {} quote units of the pool, after the redemption it would allow {cap}",
        after.used
    );
    shut(&mut world, &a, ("PoolUtilisation", &says));
    // The trader leaves, and so does the rest of the money.
    world.close(&trader, SOL, u64::MAX).expect("close");
    assert!(allocate(&mut world, SOL) < 0);
    assert_eq!(a.redeem(&mut world, 0).shares_left, 0);
}

#[test]
fn the_senior_is_paid_past_the_cushion_but_not_past_the_exposure() {
    let (mut world, _, _) = exposed();
    let senior = Provider::with_shares(&mut world, SENIOR, 70_000 * DOLLAR);
    senior.request(&mut world, 0, 70_000 * DOLLAR);
    world.tamper::<Pool>(&address::pool(), |pool| pool.core.params.max_senior_ratio_ppm = 0);
    wait(&mut world, DELAY);
    assert_eq!(senior.redeem(&mut world, 0).shares_left, 0, "of 170,000 are 100,000 left for 39,000");
    // Two fifths of it all: of 170,000 only 72,500 may go, with 45,000 of them lost, 27,500.
    let (mut world, _, _) = exposed();
    let senior = Provider::with_shares(&mut world, SENIOR, 70_000 * DOLLAR);
    senior.request(&mut world, 0, 70_000 * DOLLAR);
    world.tamper::<Pool>(&address::pool(), |pool| pool.core.params.max_utilisation_ppm = 400_000);
    lose(&mut world, 45_000 * DOLLAR);
    wait(&mut world, DELAY);
    let paid = senior.redeem(&mut world, 0).paid;
    assert!(paid.abs_diff(27_500 * DOLLAR) < 50 * DOLLAR, "{paid}");
    let redeem = senior.redeem_instruction(&world, 0, 0);
    refuse(&mut world, &redeem, &[&senior.trader.key], "PoolUtilisation");
}

#[test]
fn junior_money_does_not_leave_beneath_the_senior_and_follows_when_the_senior_has_left() {
    let mut world = World::empty();
    let junior = Provider::with_shares(&mut world, JUNIOR, 1_000_000);
    let senior = Provider::with_shares(&mut world, SENIOR, 600_000);
    junior.request(&mut world, 0, 1_000_000);
    senior.request(&mut world, 0, 600_000);
    world.advance(DELAY);
    // After a day the senior is owed 600,131 and needs 800,175 beneath it; the junior has 999,869.
    let redeemed = junior.redeem(&mut world, 0);
    assert_eq!((redeemed.paid, redeemed.nav), (199_694, 1_600_000));
    let core = world.pool().core;
    let rest = core.tranche_value(JUNIOR, core.idle).expect("value");
    assert_eq!((core.senior_claim(), rest), (Ok(600_131), 800_175));
    let asked = ticket_after_fee(&world, &junior);
    let says = format!(
        "the senior claim would be 600131 quote units, the junior tranche allows {}",
        (rest - asked) * 3 / 4
    );
    shut(&mut world, &junior, ("SeniorRatio", &says));
    // Nor is more senior issued on top.
    let late = Provider::of(&mut world, SENIOR, 1_000);
    let add = late.add(&world, 1_000, 0);
    refuse(&mut world, &add, &[&late.trader.key], "SeniorRatio");

    // The senior is not held by that gate, and when it has gone the junior follows.
    assert_eq!(senior.redeem(&mut world, 0).shares_left, 0);
    assert_eq!(junior.redeem(&mut world, 0).shares_left, 0);
    let core = world.pool().core;
    assert_eq!((core.junior.shares, core.senior.shares), (0, 0));
    // Fees of everybody who left, and the coupon that nobody asked for.
    assert_eq!(core.idle, 1_600_000 - junior.quote(&world) - senior.quote(&world));
}

/// A tenth of what stood in the quote vault may leave it in an hour.
fn a_tenth_an_hour(world: &mut World) {
    let vault = world.listings.vaults[0].address;
    world.tamper::<Vault>(&vault, |v| {
        (v.core.params.outflow.floor, v.core.params.outflow.max_ppm) = (0, 100_000);
    });
}

#[test]
fn the_vaults_limit_pays_a_part_each_hour_until_all_is_paid() {
    let mut world = World::empty();
    let a = Provider::with_shares(&mut world, JUNIOR, 400_000);
    Provider::with_shares(&mut world, JUNIOR, 600_000);
    a_tenth_an_hour(&mut world);
    a.request(&mut world, 0, 300_000);
    world.advance(DELAY);
    // A million stood for a day.
    assert_eq!(a.redeem(&mut world, 0).paid, 100_000);
    let asked = ticket_after_fee(&world, &a);
    shut(
        &mut world,
        &a,
        ("OutflowLimit", &format!("{asked} is more than the 0 that may leave the vault now")),
    );
    // Half an hour: the anchor is half way to 900,000, and of 950,000 stay 855,000.
    world.advance(1_800);
    let paid = a.redeem(&mut world, 0).paid;
    assert!(paid <= 45_000 && 45_000 - paid <= 2, "{paid}");
    // An hour later each: a tenth of 855,000, and the rest of 299,700.
    for (tenth, left) in [(85_500, true), (69_200, false)] {
        world.advance(3_600);
        let Redeemed { paid, shares_left, .. } = a.redeem(&mut world, 0);
        assert!(paid.abs_diff(tenth) <= 8, "{paid}");
        assert_eq!(shares_left > 0, left);
    }
    assert_eq!(lamports(&world, &a.ticket_key(0)), 0);
    assert!(a.quote(&world).abs_diff(299_700) <= 8);
}

#[test]
fn the_tightest_gate_decides() {
    // Idle 60,000; exposure allows 51,250; the vault a tenth of 110,000 that stood for a day.
    let (mut world, a, _) = exposed();
    a.request(&mut world, 0, 80_000 * DOLLAR);
    a_tenth_an_hour(&mut world);
    wait(&mut world, DELAY);
    let paid = a.redeem(&mut world, 0).paid;
    let left = world.vault(0).core.releasable(world.now()).expect("releasable");
    assert!(paid + left == 11_000 * DOLLAR && left <= 1, "{paid}");
    let redeem = a.redeem_instruction(&world, 0, 0);
    refuse(&mut world, &redeem, &[&a.trader.key], "OutflowLimit");
    // Nothing idle is tighter still: the other market has it all, but for 5,000 earned since.
    let (mut world, a, _) = exposed();
    world.tamper::<Market>(&address::market(BTC), |m| m.core.params.target_weight_ppm = 1_000_000);
    assert_eq!(allocate(&mut world, BTC).unsigned_abs(), 60_000 * DOLLAR);
    earn(&mut world, 5_000 * DOLLAR);
    a.request(&mut world, 0, 80_000 * DOLLAR);
    a_tenth_an_hour(&mut world);
    wait(&mut world, DELAY);
    let paid = a.redeem(&mut world, 0).paid;
    assert!(5_000 * DOLLAR - paid <= 1, "{paid}");
}
