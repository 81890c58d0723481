//! Who is in profit: positions by entry price, sixteen steps an octave, and what unwinding the winners among them takes.

use std::collections::BTreeMap;

use super::{ModelMarket, ModelPosition, ceil};

/// Octave of the entry price, and sixteenth of it.
pub type Key = (u32, i128);

/// A position that was never unwound.
const WHOLE: i128 = 1 << 63;

/// Positions with nearby entries.
struct Bucket {
    /// Sum of signed lots.
    lots: i128,
    /// Sum of their quote.
    quote: i128,
    /// The worst entry, carry taken off, 48 fractional bits.
    worst: i128,
    /// What is left of a position that came at [`WHOLE`].
    left: i128,
    members: u32,
}

/// One side of a market.
pub struct ModelLadder {
    /// 1 for longs, -1 for shorts.
    sign: i128,
    /// What a lot has paid since the beginning, 48 fractional bits.
    pub carry: i128,
    buckets: BTreeMap<Key, Bucket>,
}

/// What an unwind took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unwound {
    /// What the winners were owed.
    pub winners: i128,
    /// Share of it that was unwound, in units of 2^-32.
    pub fraction: i128,
    /// What the market owes less.
    pub booked: i128,
    /// Lots that are gone.
    pub lots: i128,
}

impl ModelLadder {
    /// A side without positions.
    pub fn new(sign: i128) -> Self {
        Self { sign, carry: 0, buckets: BTreeMap::new() }
    }

    /// Sum of signed lots.
    pub fn lots(&self) -> i128 {
        self.buckets.values().map(|b| b.lots).sum()
    }

    /// Sum of quote.
    pub fn quote(&self) -> i128 {
        self.buckets.values().map(|b| b.quote).sum()
    }

    fn key(&self, entry: i128) -> Key {
        let price = (entry + self.carry) >> 16;
        let octave = price.ilog2();
        (octave, (price >> (octave - 4)) & 15)
    }

    /// Entry price, rounded to the worse.
    fn entry(&self, position: &ModelPosition) -> i128 {
        let exact = -(position.quote << 48) * self.sign;
        if self.sign > 0 { ceil(exact, position.lots.abs()) } else { exact.div_euclid(position.lots.abs()) }
    }

    /// Buckets of which every member is in profit at `price`, 48 fractional bits with the carry taken off.
    fn winning(&mut self, price: i128) -> impl Iterator<Item = &mut Bucket> {
        let sign = self.sign;
        self.buckets.values_mut().filter(move |b| (price - b.worst) * sign > 0)
    }
}

impl ModelMarket {
    /// Lots and quote of a position as unwinds have left them, both rounded down.
    pub fn held(&self, position: &ModelPosition) -> (i128, i128) {
        let Some((side, key, at)) = position.filed else { return (position.lots, position.quote) };
        let left = self.sides[side].buckets[&key].left;
        let of = |number: i128| (number * left).div_euclid(at);
        (of(position.lots), of(position.quote))
    }

    /// Applies what was unwound to a position and takes it off the ladder. The last one takes the dust of a bucket along.
    pub fn take_out(&mut self, position: &mut ModelPosition) {
        let (lots, quote) = self.held(position);
        (position.lots, position.quote) = (lots, quote);
        let Some((side, key, _)) = position.filed.take() else { return };
        let ladder = &mut self.sides[side];
        let bucket = ladder.buckets.get_mut(&key).expect("a bucket");
        bucket.members -= 1;
        if bucket.members == 0 {
            ladder.buckets.remove(&key);
            return;
        }
        // Unwound shorts hold up to a lot each more than their bucket.
        let rest = bucket.lots - lots;
        bucket.lots = if rest * ladder.sign < 0 { 0 } else { rest };
        bucket.quote -= quote;
    }

    /// Puts a position on its side's ladder; a claim stays where it was. One that holds nothing is gone.
    pub fn put_back(&mut self, position: &mut ModelPosition, side: usize) {
        self.put_back_at(position, side, None);
    }

    /// As [`ModelMarket::put_back`], for a position that was at `key`.
    pub fn put_back_at(&mut self, position: &mut ModelPosition, side: usize, key: Option<Key>) {
        if position.lots == 0 && position.quote == 0 {
            return;
        }
        let ladder = &mut self.sides[side];
        let entry = (position.lots != 0).then(|| ladder.entry(position));
        let key = entry.map_or_else(|| key.expect("a claim was a position"), |entry| ladder.key(entry));
        let sign = ladder.sign;
        let bucket = ladder.buckets.entry(key).or_insert(Bucket {
            lots: 0,
            quote: 0,
            worst: -sign * i128::from(i64::MAX),
            left: WHOLE,
            members: 0,
        });
        bucket.lots += position.lots;
        bucket.quote += position.quote;
        bucket.members += 1;
        if let Some(entry) = entry {
            bucket.worst = if sign > 0 { bucket.worst.max(entry) } else { bucket.worst.min(entry) };
        }
        position.filed = Some((side, key, bucket.left));
    }

    /// What the winners of a side are owed, rounded down.
    pub fn winners(&mut self, side: usize) -> i128 {
        let price = self.normal(side);
        let sum: i128 = self.sides[side].winning(price).map(|b| b.lots * price + (b.quote << 48)).sum();
        sum.max(0) >> 48
    }

    /// Unwinds so much of every winner of a side that it brings in `wanted`, but half of it at most. No bucket of this story is
    /// unwound twice, so what is left of one is exact.
    pub fn unwind(&mut self, side: usize, wanted: i128) -> Unwound {
        let (price, winners) = (self.normal(side), self.winners(side));
        let fraction = ceil(wanted << 32, winners).min(1 << 31);
        let kept = (1 << 32) - fraction;
        let (mut freed, mut gone) = (0, 0); // the former with 48 fractional bits
        for bucket in self.sides[side].winning(price) {
            assert_eq!(bucket.left, WHOLE, "unwound once");
            let (lots, quote) = (ceil(bucket.lots * kept, 1 << 32), ceil(bucket.quote * kept, 1 << 32));
            freed += (bucket.lots - lots) * price + ((bucket.quote - quote) << 48);
            gone += (bucket.lots - lots).abs();
            (bucket.lots, bucket.quote, bucket.left) = (lots, quote, kept << 31);
        }
        Unwound { winners, fraction, booked: freed.max(0) >> 48, lots: gone }
    }

    /// Unwinds the winning longs by what the market lacks. Returns that too.
    pub fn rebalance(&mut self) -> (i128, Unwound) {
        let deficit = -self.equity();
        (deficit, self.unwind(0, deficit))
    }
}
