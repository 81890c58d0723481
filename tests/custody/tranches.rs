//! Two tranches: the senior earns a coupon by the clock and loses last, the junior has the rest.

use bulwark_sdk::address;
use bulwark_sdk::engine::pool::TrancheKind;
use bulwark_sdk::engine::units::Side;
use bulwark_sdk::program::state::{Market, Pool};
use bulwark_tests::fixtures::*;
use bulwark_tests::{SOL, Trader, World};

use crate::provider::*;
use crate::support::*;

const JUNIOR: TrancheKind = TrancheKind::Junior;
const SENIOR: TrancheKind = TrancheKind::Senior;
const YEAR: i64 = 31_536_000;

/// What both tranches are worth, by the pool's own numbers, now.
fn values(world: &World) -> [u64; 2] {
    let (mut core, nav) = (world.pool().core, nav(world));
    core.accrue(world.now());
    TrancheKind::BOTH.map(|kind| core.tranche_value(kind, nav.low).expect("value"))
}

/// Junior and senior of so much, in idle cash.
fn pool_of(junior: u64, senior: u64) -> (World, Provider, Provider) {
    let mut world = World::empty();
    let junior = Provider::with_shares(&mut world, JUNIOR, junior);
    let senior = Provider::with_shares(&mut world, SENIOR, senior);
    (world, junior, senior)
}

#[test]
fn senior_shares_are_issued_at_the_index_whatever_the_pool_earned() {
    let (mut world, _, senior) = pool_of(4_000_000, 1_000_000);
    assert_eq!(senior.held(&world), 1_000_000, "a unit each");
    earn(&mut world, 3_000_000);
    let next = Provider::with_shares(&mut world, SENIOR, 500_000);
    assert_eq!((next.held(&world), next.worth(&world)), (500_000, 500_000));
    // After a year a share costs 1.08, less the rounding of the index in the 17th digit.
    world.advance(YEAR);
    let late = Provider::of(&mut world, SENIOR, 1_080_000);
    let added = late.mint(&mut world, 1_080_000);
    assert_eq!((added.tranche, added.shares, added.nav), (1, 1_000_000, 8_500_000));
    assert_eq!(
        [late.worth(&world), senior.worth(&world), next.worth(&world)],
        [1_079_999, 1_079_999, 539_999]
    );
    assert_eq!(supply(&world, SENIOR), 2_500_000);
}

#[test]
fn a_unit_that_buys_less_than_a_senior_share_is_not_taken() {
    let (mut world, _, _) = pool_of(4_000_000, 1_000_000);
    world.advance(YEAR);
    let late = Provider::of(&mut world, SENIOR, 2);
    let add = late.add(&world, 1, 0);
    refuse(&mut world, &add, &[&late.trader.key], "TooSmallForOneShare");
    let add = late.add(&world, 2, 2);
    refuse(&mut world, &add, &[&late.trader.key], "BelowMinimumShares");
    assert_eq!(late.mint(&mut world, 2).shares, 1);
}

#[test]
fn the_coupon_is_the_rate_in_one_step_and_no_more_than_compounding_in_many() {
    for slices in [1, 12, 365] {
        let (mut world, junior, senior) = pool_of(40_000_000, 10_000_000);
        let taker = Provider::of(&mut world, JUNIOR, 1_000_000);
        let mut index = 1_u128 << 56;
        for _ in 0..slices {
            world.advance(YEAR / slices);
            // Any deposit accrues.
            taker.mint(&mut world, 1_000);
            let seconds = u128::try_from(YEAR / slices).expect("positive");
            index += index * 80_000 * seconds / (1_000_000 * 31_536_000);
            assert_eq!(u128::from(world.pool().core.senior_index), index);
        }
        let worth = senior.worth(&world);
        // 8 %, and at most e^0.08.
        assert!((10_799_999..=10_832_870).contains(&worth), "{worth}");
        assert_eq!(worth == 10_799_999, slices == 1, "{worth}");
        // It is the junior's: nobody put anything in.
        let rest = 40_000_000 - (worth - 10_000_000);
        assert!(junior.worth(&world).abs_diff(rest) <= 40 * u64::try_from(slices).expect("few"));
    }
}

#[test]
fn nothing_accrues_while_there_is_no_senior_and_nothing_is_owed_for_that_time() {
    let mut world = World::empty();
    Provider::with_shares(&mut world, JUNIOR, 1_000_000);
    world.advance(YEAR);
    let senior = Provider::with_shares(&mut world, SENIOR, 100_000);
    assert_eq!((world.pool().core.senior_index, senior.worth(&world)), (1 << 56, 100_000));
    world.advance(YEAR / 4);
    assert_eq!(senior.worth(&world), 101_999, "a quarter of 8 %, rounded down");
}

#[test]
fn senior_shares_are_limited_by_what_the_junior_is_worth_to_the_unit() {
    let mut world = World::empty();
    Provider::with_shares(&mut world, JUNIOR, 1_000_000);
    let senior = Provider::of(&mut world, SENIOR, 10_000_000);
    let says = "the senior claim would be 750001 quote units, the junior tranche allows 750000";
    let add = senior.add(&world, 750_001, 0);
    refuse_saying(&mut world, &add, &[&senior.trader.key], ("SeniorRatio", says));
    senior.mint(&mut world, 750_000);
    // Losses of the junior make no room, income and deposits do.
    lose(&mut world, 100_000);
    let says = "the senior claim would be 750001 quote units, the junior tranche allows 675000";
    let add = senior.add(&world, 1, 0);
    refuse_saying(&mut world, &add, &[&senior.trader.key], ("SeniorRatio", says));
    earn(&mut world, 500_000);
    senior.mint(&mut world, 300_000);
    Provider::with_shares(&mut world, JUNIOR, 1_000_000);
    senior.mint(&mut world, 750_000);
    let add = senior.add(&world, 1, 0);
    refuse(&mut world, &add, &[&senior.trader.key], "SeniorRatio");
    // The coupon grows past the limit by itself; then there is no more until the junior follows.
    world.advance(YEAR);
    let add = senior.add(&world, 2, 0);
    refuse(&mut world, &add, &[&senior.trader.key], "SeniorRatio");
    let [junior, claim] = values(&world);
    assert!(claim * 4 > junior * 3, "{claim} {junior}");
}

#[test]
fn a_ratio_of_zero_forbids_and_the_junior_needs_no_senior() {
    let mut world = World::empty();
    world.tamper::<Pool>(&address::pool(), |pool| pool.core.params.max_senior_ratio_ppm = 0);
    let junior = Provider::with_shares(&mut world, JUNIOR, 1_000_000);
    let senior = Provider::of(&mut world, SENIOR, 1);
    let add = senior.add(&world, 1, 0);
    refuse(&mut world, &add, &[&senior.trader.key], "SeniorRatio");
    junior.request(&mut world, 0, 1_000_000);
    world.advance(DELAY);
    assert_eq!(junior.redeem(&mut world, 0).shares_left, 0);
}

/// A pool of 100,000 and 60,000 dollars, all of it in SOL, and a trader long a thousand SOL of 150 dollars.
struct Crash {
    world: World,
    junior: Provider,
    senior: Provider,
    trader: Trader,
}

impl Crash {
    fn new() -> Self {
        let mut world = markets();
        let junior = Provider::with_shares(&mut world, JUNIOR, 100_000 * DOLLAR);
        let senior = Provider::with_shares(&mut world, SENIOR, 60_000 * DOLLAR);
        world.tamper::<Market>(&address::market(SOL), |m| m.core.params.target_weight_ppm = 1_000_000);
        assert_eq!(allocate(&mut world, SOL).unsigned_abs(), 160_000 * DOLLAR);
        let trader = world.funded_trader(20_000 * DOLLAR);
        world.open(&trader, SOL, Side::Long, 1_000 * SOL_ASSET.one()).expect("open");
        Self { world, junior, senior, trader }
    }

    /// The price moves and its average with it.
    fn price(&mut self, dollars: i64) {
        self.world.settle_price(SOL, dollars * PRINT);
        // To the unit: what is left of the average's distance is not the matter here.
        self.world.tamper::<Market>(&address::market(SOL), |m| m.core.oracle.ema = m.core.oracle.price);
        self.world.set_price(BTC, BTC_ASSET.price);
    }

    /// What the tranches are worth, thousands of dollars, fees and spread of a trade rounded away.
    fn thousands(&self) -> [u64; 2] {
        values(&self.world).map(|value| (value + 500 * DOLLAR) / (1_000 * DOLLAR))
    }
}

#[test]
fn the_junior_takes_losses_first_and_the_senior_when_it_is_gone() {
    // A dollar more is a thousand dollars for the trader.
    for (price, expected) in [(150, [100, 60]), (200, [50, 60]), (250, [0, 60]), (280, [0, 30])] {
        for realised in [false, true] {
            let mut crash = Crash::new();
            crash.price(price);
            if realised {
                crash.world.close(&crash.trader, SOL, u64::MAX).expect("close");
                let won = quote(&crash.world, &crash.trader.margin) - 20_000 * DOLLAR as i64;
                assert!(won.abs_diff((price - 150) * 1_000 * DOLLAR as i64) < 500 * DOLLAR, "{won}");
            }
            assert_eq!(crash.thousands(), expected, "{price} {realised}");
            // And a provider's part is what the tranche is worth: one holds all of it.
            let [junior, senior] = values(&crash.world);
            assert_eq!(crash.senior.worth(&crash.world), senior);
            assert!(junior.abs_diff(crash.junior.worth(&crash.world)) <= 1_000);
            assert!(
                junior == 0 || senior.abs_diff(60_000 * DOLLAR) < 20 * DOLLAR,
                "paid in full, with a coupon"
            );
        }
    }
}

#[test]
fn a_market_that_is_drained_takes_no_more_than_its_cash_and_the_pool_recovers_senior_first() {
    let mut crash = Crash::new();
    earn(&mut crash.world, 5_000 * DOLLAR);
    crash.price(400);
    crash.world.close(&crash.trader, SOL, u64::MAX).expect("close");
    // 250,000 won, 160,000 there; the 5,000 idle are not the trader's, and all of them the senior's.
    assert_eq!(crash.world.market(SOL).core.book.cash, 0);
    assert_eq!(values(&crash.world), [0, 5_000 * DOLLAR]);

    // The junior has nothing to ask for, the senior its part: half the shares, half of what is there.
    let request = crash.junior.request_instruction(&crash.world, 0, 100_000 * DOLLAR);
    let says = ("WorthNothing", "the shares are worth 0 quote units");
    refuse_saying(&mut crash.world, &request, &[&crash.junior.trader.key], says);
    assert_eq!(crash.senior.request(&mut crash.world, 0, 30_000 * DOLLAR), 2_500 * DOLLAR);
    crash.world.advance(MIN_AGE);
    crash.senior.cancel(&mut crash.world, 0);

    // Nobody comes in: a deposit would fill the hole and not be worth what was paid.
    let claim = {
        let mut core = crash.world.pool().core;
        core.accrue(crash.world.now());
        core.senior_claim().expect("claim")
    };
    let says = format!("senior shares are owed {claim} quote units of a pool worth {}", 5_000 * DOLLAR);
    for tranche in TrancheKind::BOTH {
        let late = Provider::of(&mut crash.world, tranche, DOLLAR);
        let add = late.add(&crash.world, DOLLAR, 0);
        refuse_saying(&mut crash.world, &add, &[&late.trader.key], ("SeniorImpaired", &says));
    }
    // Income goes to the senior until it has what it is owed, and then to the junior.
    for (income, expected) in [(20_000, [0, 25_000]), (30_000, [0, 55_000])] {
        earn(&mut crash.world, income * DOLLAR);
        assert_eq!(values(&crash.world), expected.map(|thousands: u64| thousands * DOLLAR));
    }
    earn(&mut crash.world, 25_000 * DOLLAR);
    assert_eq!(values(&crash.world), [80_000 * DOLLAR - claim, claim]);
    assert!(crash.senior.worth(&crash.world) == claim && claim > 60_000 * DOLLAR);
    let late = Provider::of(&mut crash.world, JUNIOR, DOLLAR);
    assert!(late.mint(&mut crash.world, DOLLAR).shares > DOLLAR, "cheap, for the others have lost");
}

#[test]
fn a_loss_on_paper_is_undone_by_the_price_and_by_nothing_else() {
    let mut crash = Crash::new();
    let before = [crash.junior.worth(&crash.world), crash.senior.worth(&crash.world)];
    crash.price(290);
    assert_eq!(crash.thousands(), [0, 20]);
    crash.price(150);
    let [junior, senior] = [crash.junior.worth(&crash.world), crash.senior.worth(&crash.world)];
    // Meanwhile the senior earned its coupon of an hour or two, at the junior's cost.
    assert!(senior >= before[1] && senior - before[1] < 10 * DOLLAR, "{senior}");
    assert!((before[0] + before[1]).abs_diff(junior + senior) <= 2, "{junior} {senior}");
}

#[test]
fn attack_running_from_a_loss_between_request_and_payment() {
    // Both ask before the crash; paid is what there is after it, the senior first.
    let mut crash = Crash::new();
    crash.junior.request(&mut crash.world, 0, 50_000 * DOLLAR);
    crash.senior.request(&mut crash.world, 0, 30_000 * DOLLAR);
    crash.world.advance(DELAY);
    crash.price(280);
    crash.world.close(&crash.trader, SOL, u64::MAX).expect("close");
    assert!(allocate(&mut crash.world, SOL) < 0);
    let redeem = crash.junior.redeem_instruction(&crash.world, 0, 0);
    refuse(&mut crash.world, &redeem, &[&crash.junior.trader.key], "WorthNothing");
    let all = nav(&crash.world).low;
    let redeemed = crash.senior.redeem(&mut crash.world, 0);
    assert_eq!(redeemed.paid + redeemed.fee, all / 2, "half of the shares, half of what is left");
    assert_eq!(redeemed.shares_left, 0);
}
