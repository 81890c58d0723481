//! A price that nobody has refreshed speaks for the account, as far as it may have moved: by a quarter of the leg's worth.
//!
//! Who liquidates has to refresh a leg that matters, and one that doesn't can't stop him. A stale position requires nothing, a
//! stale collateral has no haircut. A dead or disputed price speaks for nobody: the leg counts at its last price. A claim needs
//! no price. Doubt only ever helps the account: more of it never turns "healthy" or "refresh first" into "liquidate".

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::EngineError;
use bulwark_engine::collateral::Collateral;
use bulwark_engine::margin::{Health, HealthType, Portfolio, RiskGroups, STALE_DOUBT_PPM};
use bulwark_engine::market::{Market, MarketParams};
use bulwark_engine::position::Position;
use bulwark_engine::price::DEAD_AFTER;
use bulwark_engine::units::{Quote, Side};
use model::config;
use model::vault::collateral;
use model::world::{NOW, ONE, PARAMS, admit, any_lots, any_side, market, oracle};
use proptest::prelude::*;

/// How sure a price is, by its age in seconds, its confidence and whether it is disputed.
#[derive(Clone, Copy, Debug)]
struct Certainty {
    age: i64,
    conf: u64,
    disputed: bool,
}

impl Certainty {
    const FRESH: Self = Self { age: 0, conf: 0, disputed: false };

    const fn is_stale(self) -> bool {
        !self.disputed && self.age > 60 && self.age <= DEAD_AFTER
    }

    const fn is_unknown(self) -> bool {
        self.disputed || self.age > 60
    }
}

/// A position and the market that it is in, or an amount of a collateral.
#[derive(Clone, Debug)]
enum Leg {
    Position(Box<Market>, Position),
    Token(Collateral, u64),
}

/// A leg to be.
#[derive(Clone, Copy, Debug)]
struct Plan {
    token: bool,
    side: Side,
    amount: u64,
    mark: u64,
    group: u8,
    sure: Certainty,
}

fn any_certainty() -> impl Strategy<Value = Certainty> {
    let age = prop_oneof![3 => 0..=60_i64, 3 => 61..=DEAD_AFTER, 1 => DEAD_AFTER + 1..86_400];
    (age, prop_oneof![2 => Just(0), 1 => 0..ONE / 4], prop::bool::weighted(0.1))
        .prop_map(|(age, conf, disputed)| Certainty { age, conf, disputed })
}

fn any_plan() -> impl Strategy<Value = Plan> {
    (any::<bool>(), any_side(), any_lots(34), ONE / 2..ONE * 2, 0..3_u8, any_certainty())
        .prop_map(|(token, side, amount, mark, group, sure)| Plan { token, side, amount, mark, group, sure })
}

impl Plan {
    /// Positions were entered at one.
    fn leg(self) -> Leg {
        let Self { token, side, amount, mark, group, sure } = self;
        let mut oracle = oracle(mark);
        (oracle.publish_time, oracle.conf, oracle.divergent) =
            (NOW - sure.age, sure.conf, u8::from(sure.disputed));
        if token {
            return Leg::Token(collateral([300_000, 100_000], oracle), amount);
        }
        let mut market = market(&MarketParams { risk_group: group, ..PARAMS }, ONE, 1 << 50);
        let cost = amount.cast_signed();
        let position = admit(&mut market, side, amount, if side == Side::Long { -cost } else { cost });
        market.oracle = oracle;
        Leg::Position(market, position)
    }

    /// Equity and requirement at the stored price, and what may be there beyond: by a wide price, and by a stale one.
    fn parts(self) -> ([i64; 2], [i64; 2]) {
        let Self { token, side, amount, mark, sure, .. } = self;
        let worth = |bits: u64| u128::from(amount) * u128::from(bits);
        let floor = |bits| i64::try_from(worth(bits) >> 32).unwrap();
        let ceil = |bits| i64::try_from(worth(bits).div_ceil(1 << 32)).unwrap();
        let part = |x: i64, ppm: i64| i64::try_from(i128::from(x) * i128::from(ppm) / 1_000_000).unwrap();
        let quarter = |x: i64| part(x + 3, i64::from(STALE_DOUBT_PPM));
        let is_wide = !sure.is_unknown() && sure.conf > mark / 100;
        if token {
            let whole = floor(mark);
            let counted = part(whole, 900_000);
            return match sure {
                sure if sure.is_stale() => ([counted, 0], [0, whole - counted + quarter(whole)]),
                sure if sure.is_unknown() => ([whole, 0], [0, 0]),
                _ if is_wide => ([counted, 0], [part(floor(mark + sure.conf), 900_000) - counted, 0]),
                _ => ([counted, 0], [0, 0]),
            };
        }
        let entry = amount.cast_signed();
        let (pnl, better) = match side {
            Side::Long => (floor(mark) - entry, floor(mark + sure.conf) - entry),
            Side::Short => (entry - ceil(mark), entry - ceil(mark - sure.conf)),
        };
        let needed = i64::try_from((i128::from(ceil(mark)) * 120_000 + 999_999) / 1_000_000).unwrap();
        match sure {
            sure if sure.is_stale() => ([pnl, 0], [0, quarter(ceil(mark))]),
            sure if sure.is_unknown() => ([pnl, 0], [0, 0]),
            _ if is_wide => ([pnl, needed], [better - pnl, 0]),
            _ => ([pnl, needed], [0, 0]),
        }
    }
}

const GROUPS: RiskGroups = RiskGroups { offset_ppm: [600_000; 8] };

/// The account of these legs and this quote balance.
fn portfolio(plans: &[Plan], quote: i64) -> Portfolio {
    let (mut sum, what) = (Portfolio::default(), (HealthType::Liquidate, NOW));
    sum.add(Health { equity: Quote(quote), requirement: Quote::ZERO }).unwrap();
    for plan in plans {
        match plan.leg() {
            Leg::Token(token, amount) => sum.count_collateral(&token, amount, what).unwrap(),
            Leg::Position(market, position) => drop(sum.count(&market, &position, what).unwrap()),
        }
    }
    sum
}

/// Equity and requirement without quote, and what may be there beyond because of wide and of stale prices.
fn sums(plans: &[Plan]) -> ([i64; 2], [i64; 2]) {
    let (mut equity, mut doubt, mut groups) = (0, [0; 2], [[0_i64; 2]; 3]);
    for plan in plans {
        let ([worth, needed], [wide, stale]) = plan.parts();
        (equity, doubt) = (equity + worth, [doubt[0] + wide, doubt[1] + stale]);
        groups[usize::from(plan.group)][usize::from(plan.side.to_byte())] += needed;
    }
    let [alone, one, two] = groups;
    let offset = |[long, short]: [i64; 2]| long.max(short) + (long.min(short) * 4 + 9) / 10;
    ([equity, alone[0] + alone[1] + offset(one) + offset(two)], doubt)
}

/// 2 for a healthy account, 1 if a refresh has to decide, 0 in trouble.
fn rank(portfolio: &Portfolio) -> u8 {
    match portfolio.in_trouble(&GROUPS) {
        Ok(_) => 0,
        Err(EngineError::RefreshFirst) => 1,
        other => {
            assert!(matches!(other, Err(EngineError::Healthy { .. })), "{other:?}");
            2
        }
    }
}

/// A quote balance around which the answer turns.
fn balance(plans: &[Plan], turn: usize, slip: i64) -> i64 {
    let ([equity, needed], [wide, stale]) = sums(plans);
    needed - equity - [0, wide, wide + stale][turn] + slip
}

fn any_slip() -> impl Strategy<Value = i64> {
    prop_oneof![3 => -2..=2_i64, 1 => -(1_i64 << 36)..1 << 36]
}

proptest! {
    #![proptest_config(config(2_000))]

    #[test]
    fn in_trouble_is_who_is_below_his_requirement_with_all_doubt_in_his_favour(
        plans in prop::collection::vec(any_plan(), 1..6), turn in 0..3_usize, slip in any_slip(),
    ) {
        let quote = balance(&plans, turn, slip);
        let ([equity, needed], [wide, stale]) = sums(&plans);
        let (sum, live) = (portfolio(&plans, quote), equity + quote);
        let health = Health { equity: Quote(live), requirement: Quote(needed) };
        prop_assert_eq!(sum.health(&GROUPS), Ok(health));
        prop_assert_eq!(sum.equity_in_doubt(), Ok(Quote(live + wide + stale)));
        let expected = if live + wide >= needed {
            Err(EngineError::Healthy { equity: live + wide, requirement: needed })
        } else if live + wide + stale >= needed {
            Err(EngineError::RefreshFirst)
        } else {
            Ok(health)
        };
        prop_assert_eq!(sum.in_trouble(&GROUPS), expected);
    }

    /// A price that becomes wider, or stale instead of narrow, and more of a collateral, however sure its price is.
    #[test]
    fn more_doubt_never_takes_an_account_nearer_to_its_liquidation(
        plans in prop::collection::vec(any_plan(), 1..6), who in any::<prop::sample::Index>(), turn in 0..3_usize, slip in any_slip(),
        conf in 0..ONE / 4, age in 61..=DEAD_AFTER, more in any_lots(34), change in 0..3_u8,
    ) {
        let (mut plans, who) = (plans.clone(), who.index(plans.len()));
        if change == 1 {
            plans[who].sure = Certainty::FRESH;
        }
        let quote = balance(&plans, turn, slip);
        let before = rank(&portfolio(&plans, quote));
        match change {
            0 => plans[who].sure.conf += conf,
            1 => plans[who].sure.age = age,
            _ if plans[who].token => plans[who].amount += more,
            _ => {}
        }
        let after = rank(&portfolio(&plans, quote));
        prop_assert!(after >= before, "{} after {}", after, before);
    }

    /// An account that lacks more than a quarter of what a stale leg is worth, with the leg itself counted, is liquidated without
    /// a refresh of it; one that lacks less is not.
    #[test]
    fn a_stale_leg_holds_up_a_liquidation_only_if_it_may_decide(
        plan in any_plan(), dust in any_plan(), age in 61..=DEAD_AFTER, missing in 1..1_i64 << 36,
    ) {
        let plan = Plan { token: false, group: 0, sure: Certainty::FRESH, ..plan };
        let dust = Plan { group: 0, sure: Certainty { age, ..Certainty::FRESH }, ..dust };
        let ([worth, _], [_, stale]) = dust.parts();
        let ([equity, needed], _) = plan.parts();
        let quote = needed - missing - equity - worth;
        let expected = u8::from(stale >= missing);
        prop_assert_eq!(rank(&portfolio(&[plan, dust], quote)), expected);
        // The same with a price that nobody can refresh: it speaks for nobody.
        for sure in [Certainty { age: DEAD_AFTER + 1, ..dust.sure }, Certainty { disputed: true, ..dust.sure }] {
            let dead = Plan { sure, ..dust };
            let ([worth, nothing], doubt) = dead.parts();
            prop_assert_eq!((nothing, doubt), (0, [0; 2]));
            prop_assert_eq!(rank(&portfolio(&[plan, dead], needed - missing - equity - worth)), 0);
        }
    }

    /// What a market owes it owes at any price.
    #[test]
    fn a_claim_is_without_doubt(claim in any_lots(34), side in any_side(), sure in any_certainty(), slip in -2..=2_i64) {
        let plan = Plan { token: false, side, amount: 1_000, mark: ONE, group: 0, sure };
        let Leg::Position(mut market, _) = plan.leg() else { return Ok(()) };
        let claim = admit(&mut market, side, 0, claim.cast_signed());
        let mut sum = Portfolio::default();
        sum.count(&market, &claim, (HealthType::Liquidate, NOW)).unwrap();
        sum.add(Health { equity: Quote(slip - claim.quote.0), requirement: Quote::ZERO }).unwrap();
        let health = Health { equity: Quote(slip), requirement: Quote::ZERO };
        prop_assert_eq!((sum.health(&GROUPS), sum.equity_in_doubt()), (Ok(health), Ok(Quote(slip))));
        prop_assert_eq!(rank(&sum), if slip >= 0 { 2 } else { 0 });
    }
}

#[test]
fn a_stale_leg_by_hand() {
    // A long of 10 000 at 1, fresh: requires 1 200. Another of 1 000 at 1, without a refresh for 61 s: requires nothing, and
    // may be worth 250 more.
    let long = |amount, age| {
        let sure = Certainty { age, ..Certainty::FRESH };
        Plan { token: false, side: Side::Long, amount, mark: ONE, group: 0, sure }
    };
    let ranks = |age, quotes: [i64; 3]| {
        quotes.map(|quote| rank(&portfolio(&[long(10_000, 0), long(1_000, age)], quote)))
    };
    assert_eq!(ranks(60, [1_320, 1_319, 0]), [2, 0, 0], "fresh: both require, and nothing is in doubt");
    assert_eq!(ranks(61, [1_200, 950, 949]), [2, 1, 0]);
    assert_eq!(ranks(600, [1_200, 950, 949]), [2, 1, 0]);
    assert_eq!(ranks(601, [1_200, 1_199, 950]), [2, 0, 0], "dead: its last price, and nothing required");
    // 1 000 tokens at 1 count 900; stale up to 1 250.
    let token = |age| Plan { token: true, ..long(1_000, age) };
    let ranks =
        |age, quotes: [i64; 3]| quotes.map(|quote| rank(&portfolio(&[long(10_000, 0), token(age)], quote)));
    assert_eq!(ranks(60, [300, 299, 0]), [2, 0, 0]);
    assert_eq!(ranks(61, [300, -50, -51]), [2, 1, 0]);
    assert_eq!(ranks(601, [200, 199, -50]), [2, 0, 0], "dead: without haircut, for a day");
}
