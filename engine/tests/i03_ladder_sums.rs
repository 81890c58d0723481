//! I3: a side is the sum of its buckets, a bucket is the sum of its members and dust, and every position is
//! in the bucket that it names.
//!
//! The dust, proven, in signed lots and in quote units alike. A bucket of the amount `v` is scaled by bounds of `A'/A`, which
//! lies in `(1 − h − 1/A, 1 − h]`: rounding towards +∞ costs less than `1 + v/A`, or less than `2 + |v|/A` for `v < 0`, where
//! `v/A` is rounded up first; less than 1 if `A·(1 − h)` is whole, as always in the first unwind. A member that leaves with an
//! unwind pending rounds towards −∞ by less than 1, as does one that stays. So, since the bucket was last empty,
//! `0 ≤ bucket − Σ members ≤ Σ those of its unwinds + departures with an unwind pending + members with one pending`.
//! A short that leaves may hold more lots than its bucket has left; the bucket then keeps none, which only makes
//! the difference smaller, and what stays is short, so it is not less than nothing. Both differences being
//! positive, a bucket is worth no less than its members wherever `P ≥ C`.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use std::collections::HashMap;

use bulwark_engine::audit::MemberSum;
use bulwark_engine::ladder::{BUCKETS, Bucket, FRACTION_ONE, Ladder, WHOLE};
use bulwark_engine::position::{Holding, Position};
use bulwark_engine::units::{Lots, Side};
use model::world::{
    ACCOUNTS, Done, HALF, ONE, Op, PARAMS, World, any_lend, any_move, any_trade, any_unwind, grain, join,
    ladder, plain, price,
};
use model::{Exact, config, int, of_normal, ratio};
use proptest::prelude::*;

/// What a history has done to a bucket since it was empty.
#[derive(Clone)]
struct Past {
    /// Of lots and of cost.
    roundings: [Exact; 2],
    worst: Option<Exact>,
}

impl Default for Past {
    fn default() -> Self {
        Self { roundings: [int(0), int(0)], worst: None }
    }
}

impl Past {
    fn round(&mut self, [lots, cost]: [Exact; 2]) {
        let [a, b] = &mut self.roundings;
        *a += lots;
        *b += cost;
    }
}

type Key = (u8, u8);

fn key_of(position: &Position) -> Option<Key> {
    position.is_open().then_some((position.side, position.bucket))
}

/// Follows the ladder from outside.
#[derive(Default)]
struct Witness(HashMap<Key, Past>);

impl Witness {
    fn see(&mut self, op: &Op, before: &World, after: &World) {
        if let Op::Unwind { side, h } = *op {
            for number in 0..BUCKETS {
                let [a, b] = [before, after].map(|w| w.market.book.side(side).buckets[number]);
                if a.unwind != b.unwind {
                    let past = self.0.entry((side.to_byte(), u8::try_from(number).unwrap())).or_default();
                    let lots = Lots::on(side, a.lots).unwrap().0;
                    past.round([lots, a.cost.0].map(|amount| grain(a.unwind, h, amount)));
                }
            }
        }
        if let Op::Increase { who, .. } | Op::Decrease { who, .. } | Op::Settle { who } = *op {
            self.see_member(&before.accounts[who].position, &after.accounts[who].position, before, after);
        }
    }

    fn see_member(&mut self, was: &Position, is: &Position, before: &World, after: &World) {
        if let Some(key) = key_of(was) {
            let bucket = bucket(before, key);
            if bucket.members == 1 {
                self.0.remove(&key);
            } else if bucket.unwind != was.unwind {
                self.0.entry(key).or_default().round([int(1), int(1)]);
            }
        }
        if let Some(key) = key_of(is) {
            assert_eq!(bucket(after, key).unwind, is.unwind, "a member has just joined");
            let past = self.0.entry(key).or_default();
            if is.lots.0 != 0 {
                let (min, max) = (ratio(i64::MIN, 1_u64 << 48), ratio(i64::MAX, 1_u64 << 48));
                let entry = (-int(is.quote.0) / int(is.lots.0)).max(min).min(max);
                past.worst = Some(match (past.worst.take(), is.side) {
                    (None, _) => entry,
                    (Some(worst), 0) => worst.max(entry),
                    (Some(worst), _) => worst.min(entry),
                });
            }
        }
    }

    fn require(&self, world: &World) {
        for side in Side::BOTH {
            let ladder = world.market.book.side(side);
            let mut sums = [MemberSum::default(); BUCKETS];
            for account in
                world.accounts.iter().filter(|a| a.position.is_open() && a.position.side() == Ok(side))
            {
                ladder.count_member(&mut sums, &account.position).unwrap();
            }
            assert_eq!(ladder.agrees_with(&sums), Ok(true), "the audit that programs and keepers run");
            let lots: u64 = ladder.buckets.iter().map(|b| b.lots).sum();
            let cost: i64 = ladder.buckets.iter().map(|b| b.cost.0).sum();
            assert_eq!((lots, cost), (ladder.lots, ladder.cost.0), "totals are the sums of the buckets");
            for (number, bucket) in (0..).zip(&ladder.buckets) {
                self.require_bucket(world, (side, number), bucket);
            }
        }
    }

    fn require_bucket(&self, world: &World, (side, number): (Side, u8), bucket: &Bucket) {
        let members = world.members(side, &[number]);
        assert_eq!(members.len(), usize::try_from(bucket.members).unwrap());
        if members.is_empty() {
            assert_eq!(*bucket, Bucket::empty(side), "a bucket without members is clear");
            return;
        }
        let pending = |&&who: &&usize| world.accounts[who].position.unwind != bucket.unwind;
        let past = self.0.get(&(side.to_byte(), number)).cloned().unwrap_or_default();
        let pending = u64::try_from(members.iter().filter(pending).count()).unwrap();
        let dust = past.roundings.map(|roundings| roundings + int(pending));
        let lots: i64 = members.iter().map(|&who| world.holding(who).lots.0).sum();
        let cost: i64 = members.iter().map(|&who| world.holding(who).quote.0).sum();
        let held = Lots::on(side, bucket.lots).unwrap().0;
        let over = [held - lots, bucket.cost.0 - cost];
        let small = |(&over, dust): (&i64, &Exact)| over >= 0 && &int(over) <= dust;
        assert!(over.iter().zip(&dust).all(small), "{side:?} {over:?} of {dust:?}");
        assert!(bucket.unwind != WHOLE || over == [0, 0], "exact before the first unwind: {over:?}");
        match past.worst {
            None => assert_eq!(bucket.bound, Bucket::empty(side).bound, "claims have no entry"),
            Some(worst) => {
                let (bound, step) = (of_normal(bucket.bound), ratio(1, 1_u64 << 48));
                let over = if side == Side::Long { bound - worst } else { worst - bound };
                assert!(over >= int(0) && over < step, "the bound is the worst entry, rounded to the worse");
            }
        }
    }
}

fn bucket(world: &World, (side, number): Key) -> Bucket {
    *world.market.book.side(Side::from_byte(side).unwrap()).bucket(number).unwrap()
}

fn any_history() -> impl Strategy<Value = Vec<Op>> {
    let step = prop_oneof![8 => any_trade(), 2 => any_move(), 2 => any_unwind(), 1 => any_lend()];
    prop::collection::vec(step, 1..80)
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn every_sum_bound_and_count_holds_after_every_operation(history in any_history()) {
        let (mut world, mut witness) = (World::new(&PARAMS, HALF, 1 << 40), Witness::default());
        for op in &history {
            let before = world.clone();
            if world.apply(op).is_ok() {
                witness.see(op, &before, &world);
                witness.require(&world);
            }
        }
    }

    /// Nobody is ever locked in: whatever happened, a settled position can close.
    #[test]
    fn every_position_can_leave_and_the_ladder_is_clear_after_the_last(history in any_history()) {
        let mut world = World::new(&PARAMS, HALF, 1 << 40);
        for op in &history {
            let _ = world.apply(op);
        }
        world.apply(&Op::Lend { left: 1 << 50 }).unwrap();
        for who in 0..ACCOUNTS {
            // Once for the unwind; once more if that left no lots but something owed: a claim.
            for _ in 0..2 {
                if world.accounts[who].position.is_open() {
                    let settled = world.apply(&Op::Settle { who });
                    prop_assert!(settled.is_ok(), "{:?}", settled);
                }
            }
            if world.accounts[who].position.is_open() {
                let closed = world.apply(&Op::Decrease { who, eighths: 8 });
                prop_assert!(matches!(closed, Ok(Done::Trade(_))), "{:?}", closed);
            }
            prop_assert!(!world.accounts[who].position.is_open());
        }
        for side in Side::BOTH {
            let ladder = world.market.book.side(side);
            prop_assert_eq!((ladder.lots, ladder.cost.0), (0, 0));
            prop_assert!(ladder.buckets.iter().all(|b| *b == Bucket::empty(side)));
        }
    }

    /// Section 3: sixteen steps per octave, eight octaves around the price at creation, clamped.
    #[test]
    fn the_key_of_an_entry_is_its_octave_and_sixteenth(
        at in 30..33_u32, octave in 20..46_u32, sixteenth in 0..16_u64, rest in 0..u64::MAX,
    ) {
        let ladder = ladder(Side::Long, 1 << at);
        let (first, width) = ((1_u64 << octave) + (sixteenth << (octave - 4)), 1_u64 << (octave - 4));
        let bits = first + rest % width;
        let expected = (i64::from(octave) - i64::from(at) + 4) * 16 + i64::try_from(sixteenth).unwrap();
        let expected = if octave + 4 < at { 0 } else { expected.min(127) };
        prop_assert_eq!(i64::from(ladder.key(plain(price(bits)))), expected);
    }

    #[test]
    fn an_entry_is_the_exact_quotient_rounded_to_the_sides_worse(
        lots in prop_oneof![-1_000_i64..1_000, any::<i64>()], quote in prop_oneof![-1_000_i64..1_000, any::<i64>()],
    ) {
        let holding = Holding {
            lots: Lots(lots),
            quote: bulwark_engine::units::Quote(quote),
        };
        let Some(entry) = holding.entry() else {
            prop_assert_eq!(lots, 0);
            return Ok(());
        };
        let one = int(1_u64 << 48);
        let exact = -int(quote) / int(lots) * &one;
        let rounded = if lots > 0 { exact.ceil() } else { exact.floor() };
        let clamped = rounded.max(int(i64::MIN)).min(int(i64::MAX));
        prop_assert_eq!(int(entry.0), clamped);
    }
}

#[test]
fn an_audit_finds_what_does_not_agree() {
    let mut long = ladder(Side::Long, ONE);
    let positions = [join(&mut long, 100, -100), join(&mut long, 200, -202)];
    let mut sums = [MemberSum::default(); BUCKETS];
    long.count_member(&mut sums, &positions[0]).unwrap();
    assert_eq!(long.agrees_with(&sums), Ok(true), "one member is not known");
    long.count_member(&mut sums, &positions[1]).unwrap();
    assert_eq!(long.agrees_with(&sums), Ok(true));
    type Change = fn(&mut Ladder);
    let changes: [Change; 6] = [
        |l| l.lots += 1,
        |l| l.cost.0 -= 1,
        |l| l.buckets[64].lots -= 1,
        |l| l.buckets[64].cost.0 -= 1,
        |l| l.buckets[64].members = 1,
        |l| {
            l.buckets[64].lots += 1; // not what its members hold, though the totals agree
            l.lots += 1;
        },
    ];
    for change in changes {
        let mut damaged = long.clone();
        change(&mut damaged);
        assert_eq!(damaged.agrees_with(&sums), Ok(false));
    }
}

#[test]
fn an_audit_of_an_unwound_bucket_finds_members_worth_more_than_it() {
    for side in Side::BOTH {
        let (sign, at) = if side == Side::Long { (-1, 2 * ONE) } else { (1, HALF) };
        let mut ladder = ladder(side, ONE);
        let positions = [join(&mut ladder, 101, sign * 101), join(&mut ladder, 201, sign * 203)];
        ladder.unwind(price(at), FRACTION_ONE / 3).unwrap();
        let mut sums = [MemberSum::default(); BUCKETS];
        for position in &positions {
            assert_eq!(ladder.agrees_with(&sums), Ok(true), "{side:?}: not all are known");
            ladder.count_member(&mut sums, position).unwrap();
        }
        assert_eq!(ladder.agrees_with(&sums), Ok(true), "{side:?}");
        // Members may be worth less than the bucket, by any dust; not more by one lot or one unit.
        let bucket = ladder.buckets[64];
        (sums[64].lots, sums[64].cost) = (bucket.lots, bucket.cost);
        let (worth_less, worth_more) = if side == Side::Long { (-1, 1) } else { (1, -1) };
        for (lots, cost, agrees) in
            [(0, 0, true), (worth_less, 0, true), (0, -1, true), (worth_more, 0, false), (0, 1, false)]
        {
            let mut changed = sums;
            changed[64].lots = bucket.lots.checked_add_signed(lots).unwrap();
            changed[64].cost.0 += cost;
            assert_eq!(ladder.agrees_with(&changed), Ok(agrees), "{side:?} {lots} {cost}");
            changed[64].members += 1;
            assert_eq!(ladder.agrees_with(&changed), Ok(false), "one member too many");
        }
        // One of two: a long can't hold more lots than its bucket; a short can, by the dust.
        sums[64].members = 1;
        sums[64].lots += 1;
        assert_eq!(ladder.agrees_with(&sums), Ok(side == Side::Short));
    }
}

#[test]
fn an_unwound_short_keeps_a_lot_more_and_can_leave_a_bucket_that_has_none_left() {
    // Three shorts of one lot at 1; seven eighths are unwound at 0.5. Each still owes a lot: ceil(1/8).
    let mut short = ladder(Side::Short, ONE);
    let mut members = [0; 3].map(|_| join(&mut short, 1, 1));
    let other = join(&mut short, 1_000, 2_000); // entered at 2: another bucket
    let report = short.unwind(price(HALF), FRACTION_ONE / 8 * 7).unwrap();
    assert_eq!((report.buckets, short.buckets[64].lots, short.buckets[64].cost.0), (2, 0, 1));
    assert_eq!((short.lots, short.cost.0), (125, 251), "floor(3/8) and 125; ceil(3/8) and 250");
    for member in &mut members {
        let unwound = short.settle(member).unwrap();
        assert_eq!((unwound.lots, unwound.quote.0), (0, -1));
        assert_eq!((member.lots.0, member.quote.0), (-1, 0));
        short.leave(member).unwrap();
        assert_eq!((short.buckets[64].lots, short.lots), (0, 125), "no lot of another bucket goes with it");
    }
    assert_eq!((short.buckets[64], short.cost.0), (Bucket::empty(Side::Short), 250), "dust is gone");
    // A bucket that was never unwound forgives nothing, nor does a long.
    let mut short = ladder(Side::Short, ONE);
    let _ = [join(&mut short, 1, 1), join(&mut short, 1, 1)];
    let damaged = Position { lots: Lots(-3), ..members[0] };
    assert!(short.leave(&Position { unwind: WHOLE, ..damaged }).is_err());
    let mut long = ladder(Side::Long, HALF);
    let _ = [join(&mut long, 1, -1), join(&mut long, 2, -2)];
    long.unwind(price(2 * ONE), FRACTION_ONE / 2).unwrap();
    let number = long.buckets.iter().position(|b| b.members == 2).unwrap();
    let damaged =
        Position { bucket: u8::try_from(number).unwrap(), lots: Lots(4), unwind: WHOLE / 2, ..other };
    assert!(long.leave(&damaged).is_err());
}

#[test]
fn three_members_sum_by_hand() {
    let mut long = ladder(Side::Long, ONE);
    // Entries 1, 1.01 and 1.02 share the sixteenth from 1 to 1.0625: bucket 4 · 16.
    let positions = [join(&mut long, 100, -100), join(&mut long, 200, -202), join(&mut long, 50, -51)];
    assert!(positions.iter().all(|p| p.bucket == 64));
    assert_eq!((long.lots, long.cost.0, long.buckets[64].members), (350, -353, 3));
    assert_eq!(of_normal(long.buckets[64].bound).ceil(), int(2));
    long.leave(&positions[0]).unwrap();
    assert_eq!((long.lots, long.cost.0, long.buckets[64].members), (250, -253, 2));
    long.leave(&positions[1]).unwrap();
    long.leave(&positions[2]).unwrap();
    assert_eq!(long.buckets[64], Bucket::empty(Side::Long));
    assert!(long.leave(&positions[2]).is_err(), "nobody leaves twice");
}
