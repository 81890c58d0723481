//! What a market's account and its members' must agree on (I3).
//!
//! Totals must equal the sum of the buckets. A bucket that was never unwound equals the sum of its members
//! to the unit; an unwound one is worth at least as much: if all members are known, their signed lots and
//! their cost do not sum to more than the bucket's. Some of the members never hold more lots than the bucket
//! (for shorts, unless it was unwound).

use bytemuck::{Pod, Zeroable};

use crate::ladder::{BUCKETS, Bucket, Ladder, WHOLE};
use crate::position::Position;
use crate::units::{Quote, Side};
use crate::{EngineError, Result};

/// Sums over the known members of one bucket.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct MemberSum {
    /// Σ|b| after pending unwinds, lots.
    pub lots: u64,
    /// Σq after pending unwinds, quote units.
    pub cost: Quote,
    /// Members counted.
    pub members: u64,
}

/// Sums over the known members of a side, by bucket.
pub type MemberSums = [MemberSum; BUCKETS];

impl Ladder {
    /// Counts a member in.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`] if it names no bucket, [`EngineError::Overflow`].
    pub fn count_member(&self, sums: &mut MemberSums, position: &Position) -> Result<()> {
        let holding = self.member(position)?;
        let sum = sums.get_mut(usize::from(position.bucket)).ok_or(EngineError::Corrupt("bucket number"))?;
        sum.lots = sum.lots.checked_add(holding.lots.count()).ok_or(EngineError::Overflow)?;
        sum.cost = sum.cost.plus(holding.quote)?;
        sum.members = sum.members.checked_add(1).ok_or(EngineError::Overflow)?;
        Ok(())
    }

    /// Whether totals and buckets agree with each other and with the members counted.
    ///
    /// # Errors
    /// [`EngineError::Overflow`] if a sum does not fit, which is a disagreement too.
    pub fn agrees_with(&self, sums: &MemberSums) -> Result<bool> {
        let (mut lots, mut cost) = (0_u64, Quote::ZERO);
        for (bucket, sum) in self.buckets.iter().zip(sums) {
            lots = lots.checked_add(bucket.lots).ok_or(EngineError::Overflow)?;
            cost = cost.plus(bucket.cost)?;
            if !bucket_agrees(self.side()?, bucket, sum) {
                return Ok(false);
            }
        }
        Ok(lots == self.lots && cost == self.cost)
    }
}

fn bucket_agrees(side: Side, bucket: &Bucket, sum: &MemberSum) -> bool {
    let all_known = sum.members == u64::from(bucket.members);
    let lots = match (side, bucket.unwind == WHOLE) {
        (_, true) | (Side::Long, false) => sum.lots <= bucket.lots,
        (Side::Short, false) => !all_known || sum.lots >= bucket.lots,
    };
    let exact = sum.lots == bucket.lots && sum.cost == bucket.cost;
    sum.members <= u64::from(bucket.members)
        && lots
        && (!all_known || sum.cost <= bucket.cost)
        && (!all_known || bucket.unwind != WHOLE || exact)
}
