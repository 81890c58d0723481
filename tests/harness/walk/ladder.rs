//! The buckets of a market's side, followed on their own.
//!
//! The [`reference`](mod@super::reference) files every position itself and applies an unwind to every member at once. What a bucket
//! as a whole rounds to is taken over from the chain, once it is found to be within what its rounding allows.

use bulwark_sdk::engine::ladder::{BUCKETS, Ladder as OnChain};
use bulwark_sdk::engine::units::Side;

use super::dynamics::Total;
use super::exact::{Held, Joined, Mark, UNIT, WHOLE, floor, mul_div_ceil, mul_div_floor, sign};
use super::reference::{Verdict, require};

/// Factor below which a bucket is not unwound any more.
const LEAST: i128 = 1 << 40;
/// A share of 1.0 in the unit of an unwind.
pub const SHARE: i128 = 1 << 32;

/// Positions with nearby entry prices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Lots, without sign.
    pub lots: i128,
    /// Carry-normalised quote.
    pub cost: i128,
    /// Worst entry of any member.
    pub bound: i128,
    /// What unwinds have left, of 2^63.
    pub left: i128,
    /// Positions and claims.
    pub members: u32,
}

/// One side of a market.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ladder {
    /// Side.
    pub side: Side,
    /// The octave in the middle.
    middle: u8,
    /// The buckets.
    pub buckets: Vec<Bucket>,
}

/// What an unwind did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unwind {
    /// Profit by which the market's debt to its traders fell, rounded down.
    pub booked: i128,
    /// Lots by which open interest fell.
    pub lots: i128,
}

/// Bucket of a break-even price in Q32.32: 16 steps per octave, eight octaves around that of the price at creation.
#[must_use]
pub fn bucket_of(break_even: i128, middle: u8) -> usize {
    if break_even > i128::from(u64::MAX) {
        return BUCKETS - 1;
    }
    let octave = i128::from(break_even.max(1).ilog2());
    let lowest = i128::from(middle) - 4;
    if octave < lowest.max(4) {
        return 0;
    }
    let step = (break_even >> (octave - 4)) - 16;
    usize::try_from((octave - lowest) * 16 + step).map_or(0, |bucket| bucket.min(BUCKETS - 1))
}

impl Bucket {
    fn empty(side: Side) -> Self {
        let bound = if side == Side::Long { i64::MIN } else { i64::MAX };
        Self { lots: 0, cost: 0, bound: bound.into(), left: WHOLE, members: 0 }
    }
}

impl Ladder {
    /// Reads one.
    ///
    /// # Panics
    /// If it has no side.
    #[must_use]
    pub fn read(ladder: &OnChain) -> Self {
        let bucket = |b: &bulwark_sdk::engine::ladder::Bucket| Bucket {
            lots: b.lots.into(),
            cost: b.cost.0.into(),
            bound: b.bound.0.into(),
            left: b.unwind.into(),
            members: b.members,
        };
        let side = ladder.side().expect("a side");
        Self { side, middle: ladder.octave, buckets: ladder.buckets.iter().map(bucket).collect() }
    }

    /// Signed lots and quote of all buckets.
    #[must_use]
    pub fn total(&self) -> Total {
        let sum = self.buckets.iter().fold((0, 0), |(b, q), each| (b + each.lots, q + each.cost));
        (sign(self.side) * sum.0, sum.1)
    }

    /// Takes a position out. The last one takes with it what rounding has left.
    ///
    /// # Errors
    /// If it is no member.
    pub fn leave(&mut self, held: &Held) -> Verdict {
        let side = self.side;
        let bucket = &mut self.buckets[held.joined.bucket];
        require(bucket.members > 0, || format!("{held:?} leaves an empty bucket"))?;
        bucket.members -= 1;
        bucket.lots -= held.b.abs();
        bucket.cost -= held.q;
        if bucket.lots < 0 && side == Side::Short && bucket.left != WHOLE {
            bucket.lots = 0; // of unwound shorts the bucket has fewer lots than its members
        }
        require(bucket.lots >= 0, || format!("{held:?} leaves {bucket:?}"))?;
        if bucket.members == 0 {
            *bucket = Bucket::empty(side);
        }
        Ok(())
    }

    /// Files a position under its entry price; a claim stays in the bucket that it is from.
    pub fn join(&mut self, held: &mut Held, mark: &Mark) {
        let entry = held.entry();
        let key = |entry: i128| bucket_of((entry + mark.carry(self.side)) >> 16, self.middle);
        let number = entry.map_or(held.joined.bucket, key);
        let bucket = &mut self.buckets[number];
        bucket.lots += held.b.abs();
        bucket.cost += held.q;
        bucket.members += 1;
        bucket.bound = match (self.side, entry) {
            (Side::Long, Some(entry)) => bucket.bound.max(entry),
            (Side::Short, Some(entry)) => bucket.bound.min(entry),
            (_, None) => bucket.bound,
        };
        held.joined = Joined { b: held.b, q: held.q, left: bucket.left, bucket: number };
    }

    /// Numbers of the buckets whose every member is in profit.
    #[must_use]
    pub fn in_profit(&self, mark: &Mark) -> Vec<usize> {
        let price = mark.price - mark.carry(self.side);
        let wins = |bucket: &Bucket| match self.side {
            _ if bucket.members == 0 || bucket.left < LEAST => false,
            Side::Long => price > bucket.bound,
            Side::Short => price < bucket.bound,
        };
        (0..BUCKETS).filter(|&i| wins(&self.buckets[i])).collect()
    }

    fn value(&self, (lots, cost): (i128, i128), mark: &Mark) -> i128 {
        sign(self.side) * lots * (mark.price - mark.carry(self.side)) + cost * UNIT
    }

    /// What those buckets are owed together, rounded down.
    #[must_use]
    pub fn winners(&self, mark: &Mark) -> i128 {
        let numbers = self.in_profit(mark);
        let sum = |of: fn(&Bucket) -> i128| numbers.iter().map(|&i| of(&self.buckets[i])).sum::<i128>();
        floor(self.value((sum(|b| b.lots), sum(|b| b.cost)), mark)).max(0)
    }

    /// Takes the share `h` of 2^32 from every bucket in profit, as `now` has it: what is left of a bucket is its share
    /// rounded in favour of its members' sum, and less by at most two units and what the last bit of the factor is.
    ///
    /// # Errors
    /// If the chain's bucket is beyond that.
    pub fn unwind(&mut self, h: i128, mark: &Mark, now: &Self) -> Result<(Unwind, Vec<usize>), String> {
        let (numbers, before) = (self.in_profit(mark), self.total());
        for &i in &numbers {
            let (was, is) = (self.buckets[i], now.buckets[i]);
            let left = mul_div_floor(was.left, SHARE - h, SHARE);
            let told = (is.left, is.bound, is.members);
            let expected = (left, was.bound, was.members);
            require(told == expected, || format!("bucket {i}: {told:?} for {expected:?}"))?;
            let signed = sign(self.side);
            for (was, is) in [(signed * was.lots, signed * is.lots), (was.cost, is.cost)] {
                let exact = mul_div_ceil(was, left, self.buckets[i].left);
                let most = exact + 2 + was.abs() / self.buckets[i].left;
                require((exact..=most).contains(&is), || format!("bucket {i}: {is} for {exact}"))?;
            }
            self.buckets[i] = is;
        }
        let after = self.total();
        let change = ((before.0 - after.0) * sign(self.side), before.1 - after.1);
        let booked = floor(self.value(change, mark)).max(0);
        Ok((Unwind { booked, lots: change.0.max(0) }, numbers))
    }
}
