//! I15: stake in cooldown is slashed like the rest, and nobody leaves with another's money.
//!
//! Rounding: shares and payments round down, so nobody's shares are worth less by what others do, exactly. A slash takes
//! from the cooling side what it takes from the active one, or less than a unit more.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::EngineError;
use bulwark_engine::backstop::{Backstop, COOLDOWN, Stake, UnstakeRequest, VIRTUAL, WINDOW};
use model::pool::any_amount;
use model::{Exact, config, int, ratio};
use proptest::prelude::*;

const STAKERS: usize = 4;

#[derive(Clone, Copy, Debug)]
enum Op {
    Stake { who: usize, amount: u64 },
    Request { who: usize, part: u64 },
    Unstake { who: usize, available: u64 },
    Restake { who: usize },
    Earn { income: u64 },
    Slash { ppm: u64 },
    Wait { seconds: i64 },
}

fn any_op() -> impl Strategy<Value = Op> {
    let who = 0..STAKERS;
    prop_oneof![
        4 => (who.clone(), any_amount(40)).prop_map(|(who, amount)| Op::Stake { who, amount }),
        4 => (who.clone(), 1..=8_u64).prop_map(|(who, part)| Op::Request { who, part }),
        4 => (who.clone(), prop_oneof![1 => Just(u64::MAX), 1 => any_amount(40)]).prop_map(|(who, available)| Op::Unstake { who, available }),
        1 => who.prop_map(|who| Op::Restake { who }),
        2 => any_amount(38).prop_map(|income| Op::Earn { income }),
        2 => (0..=500_000_u64).prop_map(|ppm| Op::Slash { ppm }),
        3 => prop_oneof![Just(COOLDOWN), Just(WINDOW), 0..COOLDOWN].prop_map(|seconds| Op::Wait { seconds }),
    ]
}

#[derive(Clone, Default, Debug)]
struct World {
    backstop: Backstop,
    shares: [u64; STAKERS],
    requests: [UnstakeRequest; STAKERS],
    now: i64,
    came: u128,
    paid: u128,
}

/// `shares` of a side, not rounded: the lower of their part with and without the virtual stake.
fn worth(side: &Stake, shares: u64) -> Exact {
    if shares == 0 {
        return int(0);
    }
    let with_virtual = ratio(side.value + VIRTUAL, side.shares + VIRTUAL);
    int(shares) * with_virtual.min(ratio(side.value, side.shares))
}

impl World {
    fn values(&self) -> Vec<Exact> {
        let of = |who: usize| {
            worth(&self.backstop.active, self.shares[who])
                + worth(&self.backstop.cooling, self.requests[who].shares)
        };
        (0..STAKERS).map(of).collect()
    }

    fn apply(&mut self, op: Op) -> Result<Option<usize>, EngineError> {
        let mut next = self.clone();
        let who = next.run(op)?;
        *self = next;
        Ok(who)
    }

    /// Who did it, if a staker did.
    fn run(&mut self, op: Op) -> Result<Option<usize>, EngineError> {
        let backstop = &mut self.backstop;
        match op {
            Op::Stake { who, amount } => {
                self.shares[who] += backstop.stake(amount)?;
                self.came += u128::from(amount);
                Ok(Some(who))
            }
            Op::Request { who, part } => {
                if self.requests[who].shares != 0 {
                    return Ok(Some(who));
                }
                let shares = if part == 8 { self.shares[who] } else { self.shares[who] / 8 * part };
                self.requests[who] = backstop.request(shares, self.now)?;
                self.shares[who] -= shares;
                Ok(Some(who))
            }
            Op::Unstake { who, available } => {
                let before = self.requests[who];
                let cooling = backstop.cooling;
                let paid = backstop.unstake(&mut self.requests[who], available, self.now)?;
                let elapsed = self.now - before.requested_at;
                assert!((COOLDOWN..=COOLDOWN + WINDOW).contains(&elapsed) && !before.is_over(self.now));
                let due = worth(&cooling, before.shares).floor().min(int(before.value));
                // All, or the part that is available: shares round up, what they were worth then rounds down.
                let part = (int(available) / due.clone().max(int(1))).min(int(1));
                let (shares, value) =
                    ((int(before.shares) * &part).ceil(), (int(before.value) * part).floor());
                let taken = before.shares - self.requests[who].shares;
                assert_eq!(int(taken), shares);
                assert_eq!(int(before.value - self.requests[who].value), value);
                let now = worth(&cooling, taken).floor();
                assert_eq!(int(paid), now.min(value).min(int(available)), "the lower of then and now");
                if int(available) >= due {
                    assert_eq!((int(paid), self.requests[who].shares), (due, 0));
                }
                self.paid += u128::from(paid);
                Ok(Some(who))
            }
            Op::Restake { who } => {
                self.shares[who] += backstop.restake(&mut self.requests[who])?;
                Ok(Some(who))
            }
            Op::Earn { income } => {
                let cooling = backstop.cooling;
                let taken = backstop.earn(income)?;
                assert_eq!(taken, if backstop.active.shares == 0 { 0 } else { income });
                assert_eq!(backstop.cooling, cooling, "nothing for who leaves");
                self.came += u128::from(taken);
                Ok(None)
            }
            Op::Slash { ppm } => {
                let before = *backstop;
                let all = before.value()?;
                let limit = u64::try_from(u128::from(all) * u128::from(ppm) / 1_000_000).unwrap();
                let taken = backstop.slash(u64::MAX, limit)?;
                assert_eq!(taken, limit);
                let lost = before.cooling.value - backstop.cooling.value;
                let fair =
                    ratio(u128::from(taken) * u128::from(before.cooling.value), u128::from(all).max(1));
                assert!(int(lost) >= fair && int(lost) < fair + int(1));
                assert_eq!(lost + before.active.value - backstop.active.value, taken);
                let shares = |b: &Backstop| (b.active.shares, b.cooling.shares);
                assert_eq!(shares(backstop), shares(&before));
                self.paid += u128::from(taken);
                Ok(None)
            }
            Op::Wait { seconds } => {
                self.now += seconds;
                Ok(None)
            }
        }
    }
}

proptest! {
    #![proptest_config(config(600))]

    #[test]
    fn over_any_history_nobody_takes_from_the_others_and_the_sums_agree(
        ops in prop::collection::vec(any_op(), 1..60),
    ) {
        let mut world = World { now: 1_700_000_000, ..World::default() };
        for &op in &ops {
            let before = world.values();
            let Ok(actor) = world.apply(op) else { continue };
            let after = world.values();
            let slashed = matches!(op, Op::Slash { .. });
            for who in (0..STAKERS).filter(|&who| Some(who) != actor && !slashed) {
                prop_assert!(after[who] >= before[who], "{:?}: {} to {}", op, before[who], after[who]);
            }
            if let (Some(who), Op::Stake { amount, .. }) = (actor, op) {
                prop_assert!(after[who] <= &before[who] + int(amount), "no more than it brought");
            }
            if let (Some(who), Op::Request { .. } | Op::Restake { .. }) = (actor, op) {
                prop_assert!(after[who] <= before[who], "moving gains nothing");
            }
            let backstop = &world.backstop;
            let sum = |shares: &dyn Fn(usize) -> u64| (0..STAKERS).map(shares).sum::<u64>();
            prop_assert_eq!(backstop.active.shares, sum(&|who| world.shares[who]));
            prop_assert_eq!(backstop.cooling.shares, sum(&|who| world.requests[who].shares));
            prop_assert_eq!(world.came, world.paid + u128::from(backstop.value().unwrap()));
            let owed = after.iter().fold(int(0), |sum, value| sum + value);
            prop_assert!(owed <= int(backstop.value().unwrap()), "nobody is owed what is not there");
        }
    }

    #[test]
    fn the_same_share_is_taken_from_who_stays_and_who_leaves(
        stays in 1_u64..1 << 40, leaves in 1_u64..1 << 40, ppm in 0..=500_000_u64,
    ) {
        let mut backstop = Backstop::default();
        let stayer = backstop.stake(stays).unwrap();
        let leaver = backstop.stake(leaves).unwrap();
        let mut request = backstop.request(leaver, 0).unwrap();
        let all = backstop.value().unwrap();
        let taken = backstop.slash(u64::MAX, u64::try_from(u128::from(all) * u128::from(ppm) / 1_000_000).unwrap()).unwrap();
        let left = int(1) - ratio(taken, all);
        let paid = int(backstop.unstake(&mut request, u64::MAX, COOLDOWN).unwrap());
        let (fair, kept) = (int(leaves) * &left, worth(&backstop.active, stayer));
        prop_assert!(paid <= fair && paid > &fair - int(3), "{} of {}", paid, fair);
        prop_assert!(kept >= int(stays) * &left - int(1), "{}", kept);
    }

    /// Who stakes first and lets the share price rise by income (the only way) pays at least half of it for nothing,
    /// and the second staker loses no more than a share's worth and a unit.
    #[test]
    fn the_first_staker_cannot_inflate_the_price(
        first in 1_u64..1 << 20, income in 0_u64..1 << 45, second in 1_u64..1 << 45,
    ) {
        let mut backstop = Backstop::default();
        let attacker = backstop.stake(first).unwrap();
        backstop.earn(income).unwrap();
        let price = ratio(backstop.active.value + VIRTUAL, backstop.active.shares + VIRTUAL);
        match backstop.stake(second) {
            Err(error) => {
                prop_assert_eq!(error, EngineError::TooSmallForOneShare);
                prop_assert!(int(second) < price);
            }
            Ok(shares) => {
                let victim = worth(&backstop.active, shares);
                prop_assert!(victim > int(second) - &price - int(1), "{} of {}", victim, second);
                let gain = worth(&backstop.active, attacker) - int(first) - int(income);
                prop_assert!(gain <= int(0), "{}", gain);
            }
        }
    }
}

#[test]
fn cooldown_and_window_to_the_second_by_hand() {
    let mut backstop = Backstop::default();
    assert_eq!(backstop.stake(1_000), Ok(1_000));
    let request = backstop.request(400, 50).unwrap();
    assert_eq!(request, UnstakeRequest { shares: 400, value: 400, requested_at: 50 });
    assert_eq!((backstop.active.value, backstop.cooling.value), (600, 400));
    let at = |now| backstop.clone().unstake(&mut request.clone(), u64::MAX, now);
    let opens = 50 + 14 * 86_400;
    assert_eq!(at(opens - 1), Err(EngineError::UnstakeTooEarly { seconds_left: 1 }));
    assert_eq!(at(50), Err(EngineError::UnstakeTooEarly { seconds_left: 14 * 86_400 }));
    assert_eq!(at(opens), Ok(400));
    assert_eq!(at(opens + 2 * 86_400), Ok(400));
    assert_eq!(at(opens + 2 * 86_400 + 1), Err(EngineError::UnstakeTooLate));
    let mut late = request;
    assert_eq!(backstop.restake(&mut late), Ok(400));
    assert_eq!(
        (backstop.active, backstop.cooling),
        (Stake { value: 1_000, shares: 1_000 }, Stake::default())
    );
}

#[test]
fn a_slash_by_hand() {
    let mut backstop =
        Backstop { active: Stake { value: 700, shares: 700 }, cooling: Stake { value: 300, shares: 300 } };
    assert_eq!(backstop.slash(500, 101), Ok(101));
    // 30.3 rounded up.
    assert_eq!((backstop.active.value, backstop.cooling.value), (630, 269));
    assert_eq!(backstop.slash(1, 1_000), Ok(1));
    assert_eq!((backstop.active.value, backstop.cooling.value), (630, 268));
    assert_eq!(backstop.slash(u64::MAX, u64::MAX), Ok(898));
    assert_eq!(backstop.value(), Ok(0));
    assert_eq!(backstop.slash(1, 1), Ok(0));
}

#[test]
fn what_a_request_gained_since_goes_to_who_stays_by_hand() {
    let mut backstop =
        Backstop { active: Stake { value: 500, shares: 500 }, cooling: Stake { value: 100, shares: 100 } };
    let mut request = UnstakeRequest { shares: 100, value: 60, requested_at: 0 };
    assert_eq!(backstop.unstake(&mut request, u64::MAX, COOLDOWN), Ok(60));
    assert_eq!((backstop.active.value, backstop.cooling), (540, Stake::default()));
}

#[test]
fn what_is_not_available_stays_requested_by_hand() {
    let mut backstop =
        Backstop { active: Stake { value: 500, shares: 500 }, cooling: Stake { value: 900, shares: 1_000 } };
    let mut request = UnstakeRequest { shares: 600, value: 600, requested_at: 0 };
    assert_eq!(backstop.unstake(&mut request, 0, COOLDOWN), Err(EngineError::ZeroAmount));
    // Worth 540 of then 600; 180 are there: a third of the shares.
    assert_eq!(backstop.unstake(&mut request, 180, COOLDOWN), Ok(180));
    assert_eq!(request, UnstakeRequest { shares: 400, value: 400, requested_at: 0 });
    assert_eq!((backstop.active.value, backstop.cooling), (500, Stake { value: 720, shares: 800 }));
    assert_eq!(backstop.unstake(&mut request, 1_000, COOLDOWN), Ok(360));
    assert_eq!((request.shares, request.value), (0, 0));
    assert_eq!(backstop.cooling, Stake { value: 360, shares: 400 });
    // What shares are worth beyond the request stays with who is cooling if nobody is active.
    let mut backstop = Backstop { active: Stake::default(), cooling: Stake { value: 300, shares: 200 } };
    let mut request = UnstakeRequest { shares: 100, value: 90, requested_at: 0 };
    assert_eq!(backstop.unstake(&mut request, 45, COOLDOWN), Ok(45));
    assert_eq!((request.shares, request.value), (50, 45));
    assert_eq!((backstop.active, backstop.cooling), (Stake::default(), Stake { value: 255, shares: 150 }));
    assert!(!request.is_over(COOLDOWN + WINDOW) && request.is_over(COOLDOWN + WINDOW + 1));
}

#[test]
fn refusals_by_hand() {
    let mut backstop = Backstop::default();
    assert_eq!(backstop.earn(5), Ok(0), "nobody is there to earn");
    assert_eq!(backstop.stake(0), Err(EngineError::ZeroAmount));
    backstop.active = Stake { value: 9_000, shares: 1_000 };
    assert_eq!(backstop.stake(4), Err(EngineError::TooSmallForOneShare), "a share is worth 5");
    assert_eq!(backstop.stake(5), Ok(1));
    assert_eq!(backstop.request(0, 0), Err(EngineError::ZeroAmount));
    let refused = backstop.request(1_002, 0);
    assert_eq!(refused, Err(EngineError::InsufficientBalance { balance: 1_001, needed: 1_002 }));
    assert_eq!(backstop.restake(&mut UnstakeRequest::default()), Err(EngineError::ZeroAmount));
    for now in [0, COOLDOWN, 1_700_000_000] {
        assert_eq!(
            backstop.unstake(&mut UnstakeRequest::default(), u64::MAX, now),
            Err(EngineError::ZeroAmount)
        );
    }
    backstop.active.value = u64::MAX - 1_000;
    assert_eq!(backstop.stake(u64::MAX), Err(EngineError::Overflow));
}
