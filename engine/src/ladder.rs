//! Who is in profit, known without a list of accounts.
//!
//! Each side of a market keeps 128 buckets keyed by entry price: 16 linear steps per octave, eight octaves
//! around the price at creation, like an HDR histogram. A bucket knows the sum of its members and the worst
//! entry among them, so the buckets *wholly* in profit at a price, and what their members are owed, follow
//! from 128 additions. That makes solvency readable in one account, and deleveraging a constant-cost
//! operation: [`Ladder::unwind`] scales whole buckets, members settle lazily when next touched.
//!
//! Two limits of that knowledge: entries more than four octaves from the price at creation share the end buckets,
//! and a bucket remembers its worst entry until its last member has left or was filed again
//! (`settle_position`). Either can only make fewer buckets count as winners, never more.
//!
//! Unwinding a fraction `h` treats that fraction of every winning trade as if it had never been opened:
//! `b` and `q` both shrink, so by linearity PnL becomes `(1 − h)·PnL` at every price.
//!
//! Invariant I3: totals = Σ buckets; Σ members ≤ bucket in signed lots and in cost, so in worth at every price
//! above the carry; a position is in the bucket it names. Invariant I6: nobody loses more than a share of
//! profit, all the same share; losers nothing.

use bytemuck::{Pod, Zeroable};

use crate::position::{Holding, Position};
use crate::units::{CarryIndex, Lots, NORMAL_FRACTION, NormalPrice, Price, Quote, Side};
use crate::wide::{self, Round};
use crate::{EngineError, Result};

/// Buckets per side.
pub const BUCKETS: usize = 128;
/// Linear steps per octave, as a power of two.
const STEP_BITS: u32 = 4;
/// Octaves below the octave of the price at creation; as many less one lie above it.
const OCTAVES_BELOW: u32 = 4;
/// Unwind factor 1.0.
pub const WHOLE: u64 = 1 << 63;
/// A bucket below this factor has been unwound to nothing worth taking and is skipped.
pub const MIN_UNWIND: u64 = 1 << 40;
/// Fraction bits of the fraction in [`Ladder::unwind`].
const FRACTION_BITS: u32 = 32;
/// A fraction of 1.0 in the unit of [`Ladder::unwind`].
pub const FRACTION_ONE: u64 = 1 << FRACTION_BITS;

/// Positions with nearby entry prices.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct Bucket {
    /// Σ|b| of the members; after unwinds at least that for longs and at most that for shorts.
    pub lots: u64,
    /// Σq of the members, at least.
    pub cost: Quote,
    /// Worst carry-normalised entry of any member: the highest of longs, the lowest of shorts.
    pub bound: NormalPrice,
    /// Unwind factor A: share of a position joined at 1.0 that is left.
    pub unwind: u64,
    /// Positions and claims in the bucket.
    pub members: u32,
    /// Explicit padding.
    pub _padding: u32,
}

impl Bucket {
    /// A bucket without members.
    #[must_use]
    pub const fn empty(side: Side) -> Self {
        let bound = NormalPrice(match side {
            Side::Long => i64::MIN,
            Side::Short => i64::MAX,
        });
        Self { lots: 0, cost: Quote::ZERO, bound, unwind: WHOLE, members: 0, _padding: 0 }
    }

    /// Whether its members are unwound at `price`: all in profit, and not unwound to nothing already.
    fn wins(&self, side: Side, price: NormalPrice) -> bool {
        self.wholly_in_profit(side, price) && self.unwind >= MIN_UNWIND
    }

    /// Whether every member is in profit at `price`.
    fn wholly_in_profit(&self, side: Side, price: NormalPrice) -> bool {
        self.members != 0
            && match side {
                Side::Long => price > self.bound,
                Side::Short => price < self.bound,
            }
    }
}

/// One side of a market: totals, carry and the buckets.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct Ladder {
    /// Open interest of the side: Σ lots of the buckets.
    pub lots: u64,
    /// Σ cost of the buckets, quote units.
    pub cost: Quote,
    /// Carry index of the side.
    pub carry: CarryIndex,
    /// [`Side`] as a byte.
    pub side: u8,
    /// Exponent of the Q32.32 price at creation: the octave in the middle.
    pub octave: u8,
    /// Explicit padding.
    pub _padding: [u8; 6],
    /// The buckets, lowest entries first.
    pub buckets: [Bucket; BUCKETS],
}

/// What settling a pending unwind took from a position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unwound {
    /// Lots taken.
    pub lots: u64,
    /// Change of `q`, quote units.
    pub quote: Quote,
}

/// What an unwind of a side did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnwindReport {
    /// Buckets that were scaled.
    pub buckets: u32,
    /// Lots by which open interest fell.
    pub lots: u64,
    /// Profit by which `T(P)` fell, quote units, rounded down.
    pub booked: u64,
}

impl Ladder {
    /// Prepares the zeroed ladder of a new market in place.
    pub fn initialize(&mut self, side: Side, price: Price) {
        self.side = side.to_byte();
        self.octave = u8::try_from(price.to_bits().max(1).ilog2()).unwrap_or(u8::MAX);
        self.buckets.fill(Bucket::empty(side));
    }

    /// The side.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`].
    pub fn side(&self) -> Result<Side> {
        Side::from_byte(self.side)
    }

    /// Sum of all members: what the side's traders hold.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn holding(&self) -> Result<Holding> {
        Ok(Holding { lots: Lots::on(self.side()?, self.lots)?, quote: self.cost })
    }

    /// The bucket of an entry price: `16·octave + step`, clamped at the ends.
    ///
    /// `entry` is carry-normalised; the key is the price at which the position breaks even now.
    #[must_use]
    pub fn key(&self, entry: NormalPrice) -> u8 {
        let break_even = i128::from(entry.0).saturating_add(self.carry.get().to_bits()) >> 16;
        let Ok(bits) = u64::try_from(break_even.max(0)) else { return LAST };
        let octave = bits.max(1).ilog2();
        let lowest = u32::from(self.octave).saturating_sub(OCTAVES_BELOW);
        if octave < lowest.max(STEP_BITS) {
            return 0;
        }
        let step = bits.wrapping_shr(octave.wrapping_sub(STEP_BITS)) & 15;
        let first = u64::from(octave.wrapping_sub(lowest)).wrapping_shl(STEP_BITS);
        u8::try_from(first.saturating_add(step)).unwrap_or(LAST).min(LAST)
    }

    /// The two numbers of a member with its pending unwind applied. Nothing is written.
    ///
    /// `b' = floor(b·A/A_joined)`, `q' = floor(q·A/A_joined)`, both towards −∞: a long's lots are worth
    /// something, a short's are owed, so that either rounds against the member.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`] if the position cannot be a member.
    pub fn member(&self, position: &Position) -> Result<Holding> {
        let (lots, quote) = (position.lots, position.quote);
        let current = self.bucket(position.bucket)?.unwind;
        if current == position.unwind {
            return Ok(Holding { lots, quote });
        }
        let joined = position.unwind;
        let lots = Lots(wide::mul_div_floor_signed(lots.0, current, joined)?);
        let quote = Quote(wide::mul_div_floor_signed(quote.0, current, joined)?);
        Ok(Holding { lots, quote })
    }

    /// Applies a pending unwind to a member.
    ///
    /// # Errors
    /// As [`Ladder::member`].
    pub fn settle(&self, position: &mut Position) -> Result<Unwound> {
        let left = self.member(position)?;
        let taken = Unwound {
            lots: position.lots.count().saturating_sub(left.lots.count()),
            quote: left.quote.minus(position.quote)?,
        };
        position.lots = left.lots;
        position.quote = left.quote;
        position.unwind = self.bucket(position.bucket)?.unwind;
        Ok(taken)
    }

    /// Adds a position to the bucket of its entry price. A claim has none and takes the bucket it names.
    ///
    /// # Errors
    /// [`EngineError::Overflow`]; then nothing has changed.
    pub fn join(&mut self, position: &mut Position) -> Result<()> {
        let (side, count) = (self.side()?, position.lots.count());
        let entry = Holding { lots: position.lots, quote: position.quote }.entry();
        let key = entry.map_or(position.bucket, |entry| self.key(entry));
        let lots = self
            .lots
            .checked_add(count)
            .filter(|&x| x <= crate::units::MAX_LOTS)
            .ok_or(EngineError::Overflow)?;
        let cost = self.cost.plus(position.quote)?;
        let bucket = self.bucket_mut(key)?;
        let bucket_lots = bucket.lots.checked_add(count).ok_or(EngineError::Overflow)?;
        let bucket_cost = bucket.cost.plus(position.quote)?;
        let members = bucket.members.checked_add(1).ok_or(EngineError::Overflow)?;
        bucket.lots = bucket_lots;
        bucket.cost = bucket_cost;
        bucket.members = members;
        bucket.bound = match (side, entry) {
            (Side::Long, Some(entry)) => bucket.bound.max(entry),
            (Side::Short, Some(entry)) => bucket.bound.min(entry),
            (_, None) => bucket.bound,
        };
        position.unwind = bucket.unwind;
        position.bucket = key;
        self.lots = lots;
        self.cost = cost;
        Ok(())
    }

    /// Takes a settled position out of its bucket. The last one to leave takes the rounding dust of past
    /// unwinds out of the totals with it: it belongs to the pool.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`] if the position is not settled or cannot be a member; then nothing has
    /// changed.
    pub fn leave(&mut self, position: &Position) -> Result<()> {
        const ERROR: EngineError = EngineError::Corrupt("ladder: not a member");
        let side = self.side()?;
        let bucket = self.bucket(position.bucket)?;
        if bucket.unwind != position.unwind {
            return Err(EngineError::Corrupt("ladder: unsettled position"));
        }
        let members = bucket.members.checked_sub(1).ok_or(ERROR)?;
        let lots = match (bucket.lots.checked_sub(position.lots.count()), side) {
            (Some(lots), _) => lots,
            (None, Side::Short) if bucket.unwind != WHOLE => 0, // lots of unwound shorts sum to less
            (None, _) => return Err(ERROR),
        };
        let cost = bucket.cost.minus(position.quote)?;
        let (left, gone_lots, gone_cost) = if members == 0 {
            (Bucket::empty(side), bucket.lots, bucket.cost)
        } else {
            let gone = bucket.lots.saturating_sub(lots);
            (Bucket { lots, cost, members, ..*bucket }, gone, position.quote)
        };
        let total_lots = self.lots.checked_sub(gone_lots).ok_or(ERROR)?;
        let total_cost = self.cost.minus(gone_cost)?;
        *self.bucket_mut(position.bucket)? = left;
        self.lots = total_lots;
        self.cost = total_cost;
        Ok(())
    }

    /// `Π⁺(P)`: PnL of the buckets wholly in profit together, quote units rounded down. Exact but for the bucket that
    /// straddles the price, which it leaves out, and the rounding dust of past unwinds, which it counts in: at most a lot
    /// and a unit per member, and two and `2^-40` of the bucket per unwind.
    ///
    /// # Errors
    /// [`EngineError::Overflow`].
    pub fn winners(&self, price: Price) -> Result<u64> {
        let (side, price) = (self.side()?, NormalPrice::new(price, self.carry)?);
        let (mut lots, mut cost) = (0_u64, Quote::ZERO);
        for bucket in self.buckets.iter().filter(|bucket| bucket.wins(side, price)) {
            lots = lots.checked_add(bucket.lots).ok_or(EngineError::Overflow)?;
            cost = cost.plus(bucket.cost)?;
        }
        Ok(Holding { lots: Lots::on(side, lots)?, quote: cost }.pnl(price)?.units_or_zero())
    }

    /// Unwinds the fraction `h / 2^32` of every position in the buckets wholly in profit at `price`, at its
    /// own entry price.
    ///
    /// `A' = floor(A·(1 − h))`; the bucket is scaled by a bound of the very ratio `A'/A` that members will use, which is
    /// exact for a bucket that was never unwound, its signed lots and its cost rounded towards +∞ where members round
    /// towards −∞, so that Σ members ≤ bucket however many unwinds follow. Buckets below [`MIN_UNWIND`] are skipped.
    ///
    /// # Errors
    /// [`EngineError::ParameterOutOfBounds`] for `h ≥ 1`; [`EngineError::Overflow`] never for a stored state.
    pub fn unwind(&mut self, price: Price, h: u64) -> Result<UnwindReport> {
        if h >= FRACTION_ONE {
            let max = FRACTION_ONE.wrapping_sub(1);
            return Err(EngineError::ParameterOutOfBounds { name: "unwind fraction", value: h, min: 0, max });
        }
        let (side, at) = (self.side()?, NormalPrice::new(price, self.carry)?);
        let before = self.holding()?;
        let mut report = UnwindReport::default();
        let (mut lots, mut cost) = (0_u64, Quote::ZERO);
        for bucket in self.buckets.iter_mut().filter(|bucket| bucket.wins(side, at)) {
            let scaled = scale_bucket(side, bucket, h)?;
            lots = lots.saturating_add(bucket.lots.saturating_sub(scaled.lots)); // at most the side's
            cost = cost.plus(scaled.cost)?.minus(bucket.cost)?;
            *bucket = scaled;
            report.buckets = report.buckets.wrapping_add(1); // at most 128
        }
        self.lots = self.lots.saturating_sub(lots);
        self.cost = self.cost.plus(cost)?;
        let after = self.holding()?;
        report.lots = before.lots.count().saturating_sub(after.lots.count());
        report.booked = difference_floor(before, after, at)?;
        Ok(report)
    }

    /// The bucket with this number.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`] beyond the last.
    pub fn bucket(&self, number: u8) -> Result<&Bucket> {
        self.buckets.get(usize::from(number)).ok_or(EngineError::Corrupt("bucket number"))
    }

    fn bucket_mut(&mut self, number: u8) -> Result<&mut Bucket> {
        self.buckets.get_mut(usize::from(number)).ok_or(EngineError::Corrupt("bucket number"))
    }
}

/// Number of the last bucket.
const LAST: u8 = 127;

/// The bucket after the fraction `h / 2^32` of every member is gone.
fn scale_bucket(side: Side, bucket: &Bucket, h: u64) -> Result<Bucket> {
    let left = FRACTION_ONE.saturating_sub(h);
    let scaled = wide::product(bucket.unwind, left);
    // A'/A lies in (1 − h − 1/A, 1 − h]: bounds by shifts, where a division of 128 bits would cost ten times as much.
    let exact = wide::low(scaled).trailing_zeros() >= FRACTION_BITS;
    let lost = |value: u64| {
        if exact { 0 } else { value.checked_div(bucket.unwind).unwrap_or(0).wrapping_add(1) }
    };
    let below = |value: u64| times(value, left, Round::Down).saturating_sub(lost(value));
    let (lots, cost) = (bucket.lots, bucket.cost.0.unsigned_abs());
    let lots = if side == Side::Long { times(lots, left, Round::Up) } else { below(lots) };
    let negative = bucket.cost.0 < 0;
    let cost = if negative { below(cost) } else { times(cost, left, Round::Up) };
    let unwind = times(bucket.unwind, left, Round::Down);
    Ok(Bucket { lots, cost: Quote(wide::with_sign(cost, negative)?), unwind, ..*bucket })
}

/// `value · left / 2^32` for a share of at most 2^32, so at most `value`.
fn times(value: u64, left: u64, round: Round) -> u64 {
    let product = wide::product(value, left);
    let more = round == Round::Up && wide::low(product) & (FRACTION_ONE.wrapping_sub(1)) != 0;
    wide::low(product >> FRACTION_BITS).wrapping_add(u64::from(more))
}

/// `PnL(before) − PnL(after)` of the exact sums, rounded down; zero if rounding turned it negative.
fn difference_floor(before: Holding, after: Holding, price: NormalPrice) -> Result<u64> {
    let lots = before.lots.plus(after.lots.negated())?;
    Ok(Holding { lots, quote: before.quote.minus(after.quote)? }.pnl(price)?.units_or_zero())
}

/// The least fraction that takes `deficit` from `winners`: `ceil(D·2^32 / Π⁺)`, at most `max`.
///
/// # Errors
/// [`EngineError::Overflow`] never for `max` below 2^32.
pub fn unwind_fraction(deficit: u64, winners: u64, max: u64) -> Result<u64> {
    if deficit >= winners {
        return Ok(max);
    }
    Ok(wide::mul_div(deficit, FRACTION_ONE, winners, Round::Up)?.min(max))
}

const _: () = assert!(size_of::<Bucket>() == 40 && size_of::<Ladder>() == 40 + 40 * BUCKETS);

/// Exponent of the fraction of a carry-normalised price over that of a price.
const _: () = assert!(NORMAL_FRACTION == 32 + 16);
