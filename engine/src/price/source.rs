//! Which source counts.
//!
//! A market names a primary and perhaps a secondary source. The secondary is used only while the primary is
//! dead; two that are alive and disagree make the price Divergent. Accounts are passed by whoever refreshes,
//! so a source that the market has seen alive must be passed alive.

use super::{MAX_LEAD_SECONDS, OracleParams, OracleState, Reading, age};
use crate::units::ppm_floor;
use crate::{EngineError, Result};

/// What the sources together say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    /// The primary source is valid.
    Primary(Reading),
    /// Only the secondary source is valid.
    Secondary(Reading),
    /// Both are valid and agree: the primary's reading, and when the secondary was published.
    Agreed(Reading, i64),
    /// Both are valid and differ by more than `max_divergence_ppm`: when each was published.
    Divergent([i64; 2]),
}

impl Selection {
    /// The reading that counts; none while the sources disagree.
    #[must_use]
    pub const fn reading(&self) -> Option<Reading> {
        match self {
            Self::Primary(reading) | Self::Secondary(reading) | Self::Agreed(reading, _) => Some(*reading),
            Self::Divergent(_) => None,
        }
    }
}

/// Decides which source counts. `None` stands for a source that is unreadable or not configured.
///
/// A source that `state` has seen within `max_margin_age` must be passed alive: whoever refreshes can neither
/// choose the fallback nor leave out the source that would dispute the price, by passing an old account. For a
/// source whose address is pinned there is no choice: the caller clears its times with
/// [`OracleState::trusting`].
///
/// # Errors
/// [`EngineError::NoValidSource`] if none is young enough for margin, [`EngineError::PublishTimeInFuture`] if none
/// is but one is too far ahead of the clock,
/// [`EngineError::PrimaryStillValid`] and [`EngineError::SecondaryStillValid`] as above,
/// [`EngineError::PublishTimeWentBack`] if a print is older than the last one that `state` remembers of its source
/// (none of a trusted one: only the oracle itself can take its account back).
pub fn select(
    state: &OracleState,
    params: &OracleParams,
    [primary, secondary]: [Option<Reading>; 2],
    now: i64,
) -> Result<Selection> {
    let lead = |r: &Reading| r.publish_time.saturating_sub(now);
    let limit = i64::from(params.max_margin_age);
    let valid = |reading: Option<Reading>| {
        reading.filter(|r| age(now, r.publish_time) <= limit && lead(r) <= MAX_LEAD_SECONDS)
    };
    // An old print must not raise, hide or end a dispute: its passer may have chosen it.
    for (reading, seen) in [(valid(primary), state.primary_time), (valid(secondary), state.secondary_time)] {
        if let Some(Reading { publish_time: offered, .. }) = reading.filter(|r| r.publish_time < seen) {
            return Err(EngineError::PublishTimeWentBack { offered, stored: seen });
        }
    }
    match (valid(primary), valid(secondary)) {
        (Some(a), Some(b)) => {
            let (low, high) = (a.price.min(b.price).to_bits(), a.price.max(b.price).to_bits());
            if high.saturating_sub(low) <= ppm_floor(low, params.max_divergence_ppm)? {
                return Ok(Selection::Agreed(a, b.publish_time));
            }
            Ok(Selection::Divergent([a.publish_time, b.publish_time]))
        }
        (Some(a), None) => match age(now, state.secondary_time) {
            age_seconds if age_seconds <= limit => Err(EngineError::SecondaryStillValid { age_seconds }),
            _ => Ok(Selection::Primary(a)),
        },
        (None, Some(b)) => match age(now, state.primary_time) {
            age_seconds if age_seconds <= limit => Err(EngineError::PrimaryStillValid { age_seconds }),
            _ => Ok(Selection::Secondary(b)),
        },
        (None, None) => {
            let ahead = [primary, secondary].into_iter().flatten().map(|r| lead(&r)).max();
            if let Some(lead_seconds) = ahead.filter(|&l| l > MAX_LEAD_SECONDS) {
                return Err(EngineError::PublishTimeInFuture { lead_seconds });
            }
            let ages = [primary, secondary].into_iter().flatten().map(|r| age(now, r.publish_time));
            let age_seconds = ages.min().unwrap_or(i64::MAX);
            Err(EngineError::NoValidSource { age_seconds, limit_seconds: limit })
        }
    }
}
