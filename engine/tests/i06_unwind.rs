//! I6: an unwind takes the same share of every winner's profit, and nothing from anybody else.
//!
//! A member that settles keeps `floor` of its signed lots and `floor` of its quote: a long holds up to a lot
//! less, a short owes up to a lot more. So wherever `P ≥ C` either loses the exact share, or up to a lot's worth
//! and a unit more, and never gains.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::EngineError;
use bulwark_engine::ladder::{FRACTION_ONE, Ladder, MIN_UNWIND, WHOLE, unwind_fraction};
use bulwark_engine::position::{Holding, Position};
use bulwark_engine::units::{Lots, Side};
use fixed::types::I80F48;
use model::world::{
    ACCOUNTS, HALF, ONE, Op, PARAMS, Twin, any_fraction, any_lots, any_side, grain, join, ladder, price,
};
use model::{Exact, config, int, of_carry, of_price, pnl, ratio};
use num_traits::{Signed, Zero};
use proptest::prelude::*;

/// A ladder, its members, and a price.
#[derive(Clone, Debug)]
struct Case {
    ladder: Box<Ladder>,
    side: Side,
    members: Vec<Position>,
    mark: u64,
}

impl Case {
    /// Members with these lots and entry prices.
    fn new(side: Side, carry: i64, entries: &[(u64, u64)], mark: u64) -> Self {
        let mut ladder = ladder(side, ONE);
        ladder.carry.set(I80F48::from_bits(i128::from(carry)));
        let members = entries.iter().map(|&(lots, entry)| {
            let cost = int(lots) * (of_price(price(entry)) - of_carry(ladder.carry));
            let q = if side == Side::Long { (-cost).floor() } else { cost.floor() };
            (lots, i64::try_from(q.to_integer()).unwrap())
        });
        let quotes: Vec<_> = members.collect();
        let members = quotes.into_iter().map(|(lots, q)| join(&mut ladder, lots, q)).collect();
        Self { ladder, side, members, mark }
    }

    fn value(&self, holding: Holding) -> Exact {
        pnl(holding, &of_price(price(self.mark)), &of_carry(self.ladder.carry))
    }

    /// PnL of each member as it would settle now.
    fn values(&self) -> Vec<Exact> {
        self.members.iter().map(|p| self.value(self.ladder.member(p).unwrap())).collect()
    }

    /// Worth of a lot: |P − C|.
    fn lot(&self) -> Exact {
        (of_price(price(self.mark)) - of_carry(self.ladder.carry)).abs()
    }

    /// The share of a member that is left.
    fn left(&self, member: &Position) -> Exact {
        ratio(self.ladder.bucket(member.bucket).unwrap().unwind, member.unwind)
    }
}

prop_compose! {
    fn any_case()(
        side in any_side(), carry in -(1_i64 << 46)..(1_i64 << 46),
        entries in prop::collection::vec((any_lots(36), ONE / 2..ONE * 2), 1..12),
        even in any::<bool>(), mark in ONE / 4..ONE * 4,
    ) -> Case {
        // Often somebody has entered at the very mark.
        let mark = if even { entries[0].1 } else { mark };
        Case::new(side, carry, &entries, mark)
    }
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn a_loser_and_a_just_even_member_are_untouched_by_an_unwind(case in any_case(), h in any_fraction()) {
        let mut after = case.clone();
        after.ladder.unwind(price(case.mark), h).unwrap();
        for (member, value) in case.members.iter().zip(case.values()) {
            if !value.is_positive() {
                let held = Holding { lots: member.lots, quote: member.quote };
                prop_assert_eq!(after.ladder.member(member).unwrap(), held);
            }
        }
    }

    #[test]
    fn only_a_bucket_with_somebody_not_in_profit_is_spared(case in any_case()) {
        let mut after = case.clone();
        after.ladder.unwind(price(case.mark), FRACTION_ONE / 2).unwrap();
        let step = ratio(1, 1_u64 << 48); // the bound is rounded to the worse
        for (number, (a, b)) in (0_u8..).zip(case.ladder.buckets.iter().zip(&after.ladder.buckets)) {
            let spared = a.members != 0 && a.unwind == b.unwind;
            let straddles = case.members.iter().zip(case.values()).any(|(member, value)| {
                member.bucket == number && value <= int(member.lots.count()) * &step
            });
            prop_assert!(!spared || straddles);
        }
    }

    #[test]
    fn every_winner_loses_the_same_share_to_within_a_lot_and_a_unit(case in any_case(), h in any_fraction()) {
        let mut after = case.clone();
        after.ladder.unwind(price(case.mark), h).unwrap();
        let most = case.lot() + int(1);
        for ((member, before), now) in case.members.iter().zip(case.values()).zip(after.values()) {
            let left = after.left(member);
            prop_assert!(left == int(1) || within_a_bit(&left, h));
            let (loss, share) = (&before - now, (int(1) - &left) * &before);
            prop_assert!(loss >= share && loss < &share + &most, "{} of {}", loss, share);
            prop_assert!(loss >= int(0), "nobody gains");
            // So at every other price above the carry: lots and quote each round down.
            let held = after.ladder.member(member).unwrap();
            prop_assert!(int(held.lots.0) <= &left * int(member.lots.0), "{:?}", held);
            prop_assert!(int(held.quote.0) <= &left * int(member.quote.0), "{:?}", held);
            prop_assert!(held.lots.count() <= member.lots.count(), "nobody is made to hold more");
        }
    }

    /// Whoever settles after each unwind, or not, never has more than its share of what it began with.
    #[test]
    fn settling_in_between_never_leaves_more_than_the_share(
        case in any_case(), unwinds in prop::collection::vec((any_fraction(), any::<u16>()), 1..10),
    ) {
        let (mut after, mut shares) = (case.clone(), case.values());
        for &(h, who_settles) in &unwinds {
            let before = after.ladder.clone();
            after.ladder.unwind(price(case.mark), h).unwrap();
            for (who, share) in shares.iter_mut().enumerate() {
                let bucket = after.members[who].bucket;
                *share *= ratio(after.ladder.bucket(bucket).unwrap().unwind, before.bucket(bucket).unwrap().unwind);
                if who_settles >> who & 1 == 1 {
                    after.ladder.settle(&mut after.members[who]).unwrap();
                }
            }
            for (value, share) in after.values().iter().zip(&shares) {
                prop_assert!(value <= share, "{} of {}", value, share);
            }
        }
    }

    /// Two accounts with the two halves of a position lose what one with the whole loses.
    #[test]
    fn splitting_a_position_changes_nothing(
        case in any_case(), h in any_fraction(), part in 0..1_000_u64, first in any_lots(30), second in any_lots(30),
    ) {
        // One bucket, and lots whose cost is whole: the parts enter at exactly the price of the whole.
        let (entry, first, second) = (ONE + (part << 18), first << 14, second << 14);
        let mut whole = Case::new(case.side, 0, &[(first + second, entry)], case.mark);
        let mut split = Case::new(case.side, 0, &[(first, entry), (second, entry)], case.mark);
        let before = [whole.values(), split.values()].map(|v| v.into_iter().sum::<Exact>());
        for side in [&mut whole, &mut split] {
            side.ladder.unwind(price(case.mark), h).unwrap();
        }
        let [a, b] = [whole.values(), split.values()].map(|v| v.into_iter().sum::<Exact>());
        let difference = ((&before[0] - a) - (&before[1] - b)).abs();
        prop_assert!(difference <= (case.lot() + int(1)) * int(3), "{}", difference);
    }

    /// After any unwinds the members together have lost at least that by which T fell, exactly, on both sides;
    /// the first unwind's `booked` is no more. A later one may book again what an unwind too small for its
    /// rounding had put on T, which `booked` can't say: less than the [`grain`] of lots and cost per bucket.
    #[test]
    fn no_less_is_taken_than_t_falls(case in any_case(), unwinds in prop::collection::vec(any_fraction(), 1..8)) {
        let mut after = case.clone();
        let (mut booked, mut rose, mut fell) = (int(0), int(0), int(0));
        let whole: Exact = case.values().into_iter().sum();
        for (i, &h) in unwinds.iter().enumerate() {
            let owed = after.value(after.ladder.holding().unwrap());
            let buckets = after.ladder.buckets;
            let report = after.ladder.unwind(price(case.mark), h).unwrap();
            let change = owed - after.value(after.ladder.holding().unwrap());
            prop_assert_eq!(int(report.booked), change.floor().max(Exact::zero()));
            let grains = buckets.iter().zip(&after.ladder.buckets).filter(|(a, b)| a.unwind != b.unwind);
            let most = grains.fold(int(0), |sum, (a, _)| {
                let lots = Lots::on(case.side, a.lots).unwrap().0;
                sum + case.lot() * grain(a.unwind, h, lots) + grain(a.unwind, h, a.cost.0)
            });
            prop_assert!(-change.clone() <= most && (report.buckets == 0 || -change.clone() < most), "{}", change);
            booked += int(report.booked);
            rose += (-change.clone()).max(Exact::zero());
            fell += change;
            let taken = &whole - after.values().into_iter().sum::<Exact>();
            prop_assert!(taken >= fell, "{} of {}", taken, fell);
            prop_assert!(i > 0 || taken >= booked, "{} of {}", taken, booked);
            prop_assert!(&taken + &rose >= booked, "{} of {}", taken, booked);
        }
    }

    #[test]
    fn winners_are_owed_at_least_the_stated_sum(case in any_case()) {
        let stated = int(case.ladder.winners(price(case.mark)).unwrap());
        let owed: Exact = case.values().into_iter().filter(Signed::is_positive).sum();
        prop_assert!(stated <= owed, "{} of {}", stated, owed);
    }

    #[test]
    fn a_deficit_is_booked_but_for_a_lot_and_a_unit_per_bucket(case in any_case(), part in 0..=1_u64 << 16) {
        let winners = case.ladder.winners(price(case.mark)).unwrap();
        let deficit = u64::try_from((u128::from(winners) * u128::from(part)) >> 16).unwrap();
        let h = unwind_fraction(deficit, winners, FRACTION_ONE - 1).unwrap();
        let mut after = case.clone();
        let report = after.ladder.unwind(price(case.mark), h).unwrap();
        let slack = (case.lot() + int(1)) * int(report.buckets) + int(1);
        // All of it would be h = 1: the most is one part in 2^32 less. Each A is rounded down by a part in 2^63.
        let grain = ratio(winners, FRACTION_ONE) + int(1);
        let booked = int(report.booked);
        prop_assert!(booked >= int(deficit) - &slack - &grain, "{} of {}", booked, deficit);
        prop_assert!(booked <= int(deficit) + slack + grain, "{} of {}", booked, deficit);
    }

    #[test]
    fn an_unwind_never_raises_open_interest_and_reports_what_fell(case in any_case(), h in any_fraction()) {
        let mut after = case.clone();
        let report = after.ladder.unwind(price(case.mark), h).unwrap();
        prop_assert_eq!(case.ladder.lots - after.ladder.lots, report.lots);
        let fell = case.value(case.ladder.holding().unwrap()) - case.value(after.ladder.holding().unwrap());
        prop_assert_eq!(int(report.booked), fell.floor().max(Exact::zero()));
    }
}

/// `A'` is `A·(1 − h)`, rounded down.
fn within_a_bit(left: &Exact, h: u64) -> bool {
    let exact = ratio(FRACTION_ONE - h, FRACTION_ONE);
    left <= &exact && left > &(exact - ratio(1, WHOLE))
}

proptest! {
    #![proptest_config(config(100))]

    /// A hundred histories of opening, moving, unwinding and settling against the eager model: each settling
    /// with an unwind pending costs less than a lot and a unit, each opening less than 6 units, and none gives any.
    #[test]
    fn many_consecutive_unwinds_leave_what_the_eager_model_leaves(
        opened in prop::collection::vec((any_side(), any_lots(33)), ACCOUNTS),
        steps in prop::collection::vec(
            prop_oneof![
                2 => (ONE / 8..ONE * 2).prop_map(|bits| Op::Price { bits }),
                3 => (any_side(), 0..=FRACTION_ONE / 2).prop_map(|(side, h)| Op::Unwind { side, h }),
                2 => (0..ACCOUNTS).prop_map(|who| Op::Settle { who }),
            ],
            1..60,
        ),
    ) {
        let mut twin = Twin::new(&PARAMS, HALF, 1 << 50);
        for (who, &(side, lots)) in opened.iter().enumerate() {
            let _ = twin.apply(&Op::Price { bits: HALF + HALF / 8 * u64::try_from(who).unwrap() });
            let _ = twin.apply(&Op::Increase { who, side, lots });
        }
        let mut settled = [0_u32; ACCOUNTS];
        for op in &steps {
            if let Op::Unwind { side, .. } = *op {
                let at = twin.world.normal(side);
                for who in twin.world.members(side, &twin.world.unwound_buckets(side)) {
                    let (b, q) = twin.world.unrounded(who);
                    prop_assert!((b * &at + q).is_positive(), "only winners are unwound");
                }
            }
            if twin.apply(op).is_err() {
                continue;
            }
            if let Op::Settle { who } = *op {
                settled[who] += 1;
            }
            let lot = of_price(twin.world.market.mark()) + int(1);
            for (who, &settled) in settled.iter().enumerate() {
                // One unit more for the 63 bits of A, over at most 60 unwinds of at most 2^36 units.
                let slack = &lot * int(settled + 1) + int(6 + 1);
                let less = twin.model.value(who) - twin.world.value(who);
                prop_assert!(less < slack && less > int(-1), "{:?}: {} less, for {}", op, less, slack);
            }
        }
    }
}

#[test]
fn a_half_unwind_by_hand() {
    // Long 100 at 0.5 and 100 at 0.9, mark 0.75: profit 25 and loss 15. Half of the first is gone.
    let mut case = Case::new(Side::Long, 0, &[(100, ONE / 2), (100, ONE / 10 * 9)], ONE / 4 * 3);
    assert_eq!(case.ladder.winners(price(case.mark)), Ok(25));
    let report = case.ladder.unwind(price(case.mark), FRACTION_ONE / 2).unwrap();
    assert_eq!((report.buckets, report.lots, report.booked), (1, 50, 12));
    let held = case.ladder.member(&case.members[0]).unwrap();
    assert_eq!((held.lots.0, held.quote.0), (50, -25));
    let mut winner = case.members[0];
    let unwound = case.ladder.settle(&mut winner).unwrap();
    assert_eq!((unwound.lots, unwound.quote.0), (50, 25));
    assert_eq!(case.ladder.settle(&mut winner).unwrap().lots, 0, "once");
}

#[test]
fn a_short_whose_lots_round_up_does_not_gain_by_hand() {
    // 21 lots sold for 20, mark 0.9: worth 1.1. Of 95 % there are 19.95 lots and 19.000… units: 20 and 19.
    let mut short = ladder(Side::Short, ONE);
    let member = join(&mut short, 21, 20);
    let at = price(ONE / 10 * 9);
    let worth = |ladder: &Ladder| pnl(ladder.member(&member).unwrap(), &of_price(at), &int(0));
    let before = worth(&short);
    let report = short.unwind(at, 214_748_364).unwrap();
    let held = short.member(&member).unwrap();
    assert_eq!((held.lots.0, held.quote.0), (-20, 19));
    assert!(worth(&short) < before.clone() * ratio(95, 100) && before < ratio(111, 100), "1 of 1.1");
    // The bucket rounds the other way: 19 lots, 20 units. T rose by rounding; nothing is booked.
    assert_eq!((short.lots, short.cost.0, report.booked, report.lots), (19, 20, 0, 2));
}

#[test]
fn a_just_even_member_spares_its_bucket_and_one_bit_of_price_decides() {
    let case = |mark| Case::new(Side::Long, 0, &[(1 << 32, ONE)], mark);
    assert_eq!(case(ONE).ladder.unwind(price(ONE), 1 << 31).unwrap().buckets, 0);
    assert_eq!(case(ONE + 1).ladder.unwind(price(ONE + 1), 1 << 31).unwrap().buckets, 1);
    let case = |mark| Case::new(Side::Short, 0, &[(1 << 32, ONE)], mark);
    assert_eq!(case(ONE).ladder.unwind(price(ONE), 1 << 31).unwrap().buckets, 0);
    assert_eq!(case(ONE - 1).ladder.unwind(price(ONE - 1), 1 << 31).unwrap().buckets, 1);
}

#[test]
fn doubling_the_deficit_doubles_what_is_taken() {
    let case = Case::new(Side::Short, 0, &[(1 << 40, ONE)], ONE / 2);
    let winners = case.ladder.winners(price(case.mark)).unwrap();
    let taken = |deficit| {
        let h = unwind_fraction(deficit, winners, FRACTION_ONE / 2).unwrap();
        case.clone().ladder.unwind(price(case.mark), h).unwrap().booked
    };
    let (one, two) = (taken(1 << 30), taken(1 << 31));
    assert!(one.abs_diff(1 << 30) <= 130 && two.abs_diff(1 << 31) <= 130, "{one} {two}");
}

#[test]
fn a_fraction_is_rounded_up_and_ends_at_its_limit() {
    assert_eq!(unwind_fraction(1, 3, FRACTION_ONE / 2), Ok(1_431_655_766));
    assert_eq!(unwind_fraction(2, 3, FRACTION_ONE / 2), Ok(FRACTION_ONE / 2));
    assert_eq!(unwind_fraction(3, 3, 7), Ok(7));
    assert_eq!(unwind_fraction(0, 3, 7), Ok(0));
    assert_eq!(unwind_fraction(5, 0, 7), Ok(7));
}

#[test]
fn all_of_it_is_refused_and_nothing_changes_nothing() {
    let mut case = Case::new(Side::Long, 0, &[(1000, ONE / 2)], ONE);
    let refused = case.ladder.unwind(price(ONE), FRACTION_ONE);
    assert!(matches!(refused, Err(EngineError::ParameterOutOfBounds { .. })));
    let before = case.ladder.clone();
    case.ladder.unwind(price(ONE), 0).unwrap();
    assert_eq!(before, case.ladder);
}

#[test]
fn a_bucket_unwound_below_2_to_the_40_is_skipped_and_never_reaches_zero() {
    let mut case = Case::new(Side::Long, 0, &[(1 << 40, ONE / 2)], ONE);
    let number = usize::from(case.members[0].bucket);
    // 2^63 → 2^41 by halves, still above; the last possible unwind leaves a factor of 2^8 or more.
    for _ in 0..22 {
        assert_eq!(case.ladder.unwind(price(ONE), FRACTION_ONE / 2).unwrap().buckets, 1);
    }
    assert_eq!(case.ladder.buckets[number].unwind, 2 * MIN_UNWIND);
    assert_eq!(case.ladder.unwind(price(ONE), FRACTION_ONE / 2).unwrap().buckets, 1);
    assert_eq!(case.ladder.buckets[number].unwind, MIN_UNWIND);
    assert_eq!(case.ladder.unwind(price(ONE), FRACTION_ONE - 1).unwrap().buckets, 1);
    assert_eq!(case.ladder.buckets[number].unwind, 1 << 8);
    let before = case.ladder.clone();
    assert_eq!(case.ladder.unwind(price(ONE), FRACTION_ONE - 1).unwrap().buckets, 0);
    assert_eq!(case.ladder.winners(price(ONE)), Ok(0));
    assert_eq!(before, case.ladder);
    // Whoever joins such a bucket holds all of what it brought.
    let joined = join(&mut case.ladder, 1000, -500);
    assert_eq!(joined.unwind, 1 << 8);
    assert_eq!(case.ladder.member(&joined).unwrap().lots.0, 1000);
}
