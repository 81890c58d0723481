//! Switchboard On-Demand: a `PullFeedAccountData`.
//!
//! Oracles sign samples, anyone submits them, and the Switchboard program keeps up to 32 of them in
//! the feed's account together with a `result` over the recent ones: median, spread and number. The
//! feed's own settings say how many samples make a result. The address is the feed and the caller
//! has pinned it.
//!
//! The account is read by offset, because the `switchboard-on-demand` crate is heavy for five
//! fields. Three readings need a reason:
//!
//! * *Confidence is the range*, not the standard deviation. A result has few samples, often three,
//!   and for so few a standard deviation says little. The range is a bound: if one sample is honest, the
//!   median is off by no more than that. It errs on the wide side, where trading pauses.
//! * *Publish time is that of the median sample.* `last_update_timestamp` moves whenever anything is
//!   submitted, so one new sample would make a median of old ones look fresh, and a price that is
//!   known to be old is a free option. The earlier of the two counts; where the sample has no time
//!   (zero, in feeds from before the field existed) the feed's is all there is.
//! * *A feed its authority may write to is refused*: it is one key's word, not a median.
//!
//! Values are i128 scaled by 10^18, which an [`Print`] cannot hold above 18.4 units. A larger
//! price is divided once, by the first of 10^6, 10^12 and 10^19 that makes it fit. What remains has
//! at least twelve digits, so the loss is below 1e-12 of the price; below 18.4 nothing is lost.

use super::{OracleError, Print, field};

/// First eight bytes of every `PullFeedAccountData`.
const DISCRIMINATOR: [u8; 8] = [196, 27, 108, 196, 10, 215, 219, 40];
/// Discriminator and structure.
const LEN: usize = 3208;

// Offsets in the account, discriminator included; `switchboard-on-demand` 0.13.0, where `result` is
// at 2264.
const PERMIT_WRITE_BY_AUTHORITY: usize = 2213;
const MIN_SAMPLE_SIZE: usize = 2215;
const LAST_UPDATE_TIMESTAMP: usize = 2216;
const RESULT_VALUE: usize = 2264;
const RESULT_RANGE: usize = 2312;
const RESULT_NUM_SAMPLES: usize = 2360;
const RESULT_SUBMISSION_IDX: usize = 2361;
const RESULT_SLOT: usize = 2368;
const SUBMISSION_TIMESTAMPS: usize = 2952;

/// Reads a Switchboard On-Demand feed. The caller has checked owner and address.
///
/// The confidence is the range of the samples, rounded up and saturating; the publish time is the
/// earlier of the median sample's and the feed's; the exponent is -18, -12, -6 or 1.
///
/// # Errors
///
/// `Malformed`, `NotTrading` (no result yet, or too few samples), `NotFullyVerified` (writable by the feed's
/// authority) or `NonPositivePrice`.
pub fn parse(data: &[u8]) -> Result<Print, OracleError> {
    // With the length known, the compiler drops the bounds checks of the fields below.
    let data: &[u8; LEN] = data.first_chunk().ok_or(OracleError::Malformed)?;
    if field(data, 0)? != DISCRIMINATOR {
        return Err(OracleError::Malformed);
    }
    if u64::from_le_bytes(field(data, RESULT_SLOT)?) == 0 {
        return Err(OracleError::NotTrading);
    }
    let [min_sample_size] = field(data, MIN_SAMPLE_SIZE)?;
    let [num_samples] = field(data, RESULT_NUM_SAMPLES)?;
    // A minimum of zero would be met by a result without samples.
    if num_samples < min_sample_size.max(1) {
        return Err(OracleError::NotTrading);
    }
    if field(data, PERMIT_WRITE_BY_AUTHORITY)? != [0] {
        return Err(OracleError::NotFullyVerified);
    }
    let value = match u128::try_from(i128::from_le_bytes(field(data, RESULT_VALUE)?)) {
        Ok(value) if value > 0 => value,
        _ => return Err(OracleError::NonPositivePrice),
    };
    let range = i128::from_le_bytes(field(data, RESULT_RANGE)?);
    let range = u128::try_from(range).map_err(|_| OracleError::Malformed)?;
    let publish_time = publish_time(data)?;
    let (unit, exponent) = unit_for(value);
    // Most assets need no division, and a 128-bit one is the dearest step here.
    let (price, conf) = match unit {
        1 => (value, range),
        _ => (value.checked_div(unit).ok_or(OracleError::Malformed)?, range.div_ceil(unit)),
    };
    Ok(Print {
        price: u64::try_from(price).map_err(|_| OracleError::Malformed)?,
        conf: u64::try_from(conf).unwrap_or(u64::MAX),
        exponent,
        publish_time,
    })
}

/// When the median sample was taken, in Unix seconds.
fn publish_time(data: &[u8; LEN]) -> Result<i64, OracleError> {
    let feed = i64::from_le_bytes(field(data, LAST_UPDATE_TIMESTAMP)?);
    let [index] = field(data, RESULT_SUBMISSION_IDX)?;
    let times = data.get(SUBMISSION_TIMESTAMPS..).ok_or(OracleError::Malformed)?;
    let (times, _) = times.as_chunks::<8>();
    let sample = times.get(usize::from(index)).ok_or(OracleError::Malformed)?;
    match i64::from_le_bytes(*sample) {
        0 => Ok(feed),
        sample => Ok(sample.min(feed)),
    }
}

/// The power of ten that brings a value scaled by 10^18 into a `u64`, and the exponent then left.
#[inline]
fn unit_for(value: u128) -> (u128, i32) {
    const E6: u128 = 1_000_000;
    const E12: u128 = 1_000_000_000_000;
    const E19: u128 = 10_000_000_000_000_000_000;
    const MAX: u128 = 0xffff_ffff_ffff_ffff;
    const MAX_E6: u128 = MAX * E6;
    const MAX_E12: u128 = MAX * E12;
    // The last unit always suffices: i128::MAX / 10^19 = 1.7e19 < 2^64.
    if value <= MAX {
        (1, -18)
    } else if value <= MAX_E6 {
        (E6, -12)
    } else if value <= MAX_E12 {
        (E12, -6)
    } else {
        (E19, 1)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects, missing_docs)]
pub(crate) mod tests {
    use super::*;
    use crate::oracle::tests::random_bytes;

    const E18: i128 = 1_000_000_000_000_000_000;
    const NOW: i64 = 1_760_000_000;

    /// Three samples around 2.5, spread over 0.01; the median is sample 1, two seconds older than
    /// the last submission.
    pub(crate) fn account() -> Vec<u8> {
        let mut data = vec![0; 3208];
        put(&mut data, 0, &[196, 27, 108, 196, 10, 215, 219, 40]);
        put(&mut data, 2215, &[3]); // min_sample_size
        put(&mut data, 2216, &NOW.to_le_bytes()); // last_update_timestamp
        put(&mut data, 2264, &(E18 * 5 / 2).to_le_bytes()); // result.value
        put(&mut data, 2280, &(E18 / 250).to_le_bytes()); // result.std_dev
        put(&mut data, 2296, &(E18 * 3).to_le_bytes()); // result.mean
        put(&mut data, 2312, &(E18 / 100).to_le_bytes()); // result.range
        put(&mut data, 2360, &[3, 1]); // result.num_samples, result.submission_idx
        put(&mut data, 2368, &400_000_000_u64.to_le_bytes()); // result.slot
        for (index, age) in [0, 2, 4].into_iter().enumerate() {
            put(&mut data, 2952 + 8 * index, &(NOW - age).to_le_bytes()); // submission_timestamps
        }
        data
    }

    fn put(data: &mut [u8], offset: usize, bytes: &[u8]) {
        data[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    fn with(offset: usize, bytes: &[u8]) -> Result<Print, OracleError> {
        let mut data = account();
        put(&mut data, offset, bytes);
        parse(&data)
    }

    #[test]
    fn reads_the_median_and_its_range() {
        let expected = Print {
            price: 2_500_000_000_000_000_000,
            conf: 10_000_000_000_000_000,
            exponent: -18,
            publish_time: NOW - 2,
        };
        assert_eq!(parse(&account()), Ok(expected));
    }

    #[test]
    fn attack_old_median_refreshed_by_a_new_sample() {
        // Whatever is submitted later, the median keeps its own age ...
        assert_eq!(with(2216, &(NOW + 1_000).to_le_bytes()).unwrap().publish_time, NOW - 2);
        // ... and a sample cannot be newer than the account.
        assert_eq!(with(2960, &(NOW + 1).to_le_bytes()).unwrap().publish_time, NOW);
        assert_eq!(with(2960, &0_i64.to_le_bytes()).unwrap().publish_time, NOW);
        assert_eq!(with(2361, &[2]).unwrap().publish_time, NOW - 4);
        for index in 32..=255 {
            assert_eq!(with(2361, &[index]), Err(OracleError::Malformed));
        }
    }

    #[test]
    fn too_few_samples_are_refused() {
        for samples in 0..=255 {
            assert_eq!(with(2360, &[samples]).is_ok(), samples >= 3);
        }
        assert_eq!(with(2360, &[2]), Err(OracleError::NotTrading));
        // A zero minimum forbids an empty result rather than allowing it.
        let mut data = account();
        put(&mut data, 2215, &[0]);
        assert!(parse(&data).is_ok());
        put(&mut data, 2360, &[0]);
        assert_eq!(parse(&data), Err(OracleError::NotTrading));
    }

    #[test]
    fn attack_feed_written_by_its_authority() {
        for permit in 1..=255 {
            assert_eq!(with(2213, &[permit]), Err(OracleError::NotFullyVerified));
        }
    }

    #[test]
    fn a_feed_without_result_has_no_price() {
        assert_eq!(with(2368, &[0; 8]), Err(OracleError::NotTrading));
    }

    #[test]
    fn price_must_be_positive_and_range_not_negative() {
        for value in [0, -1, i128::MIN] {
            assert_eq!(with(2264, &value.to_le_bytes()), Err(OracleError::NonPositivePrice));
        }
        for range in [-1, i128::MIN] {
            assert_eq!(with(2312, &range.to_le_bytes()), Err(OracleError::Malformed));
        }
    }

    #[test]
    fn other_account_types_are_malformed() {
        for bit in 0..64 {
            let mut data = account();
            data[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(parse(&data), Err(OracleError::Malformed));
        }
    }

    #[test]
    fn every_truncation_is_malformed() {
        let data = account();
        for len in 0..data.len() {
            assert_eq!(parse(&data[..len]), Err(OracleError::Malformed));
        }
    }

    /// `price · 10^exponent`, scaled back by 10^18.
    fn scaled(mantissa: u64, exponent: i32) -> u128 {
        u128::from(mantissa) * 10_u128.pow(u32::try_from(exponent + 18).unwrap())
    }

    #[test]
    fn conversion_keeps_twelve_digits() {
        let max = i128::from(u64::MAX);
        let edges = [max, max * 1_000_000, max * 1_000_000_000_000].map(|edge| [edge - 1, edge, edge + 1]);
        let decades =
            (0..39).flat_map(|power| [1, 3, 9].map(|digit| 10_i128.pow(power).saturating_mul(digit)));
        for value in edges.into_iter().flatten().chain(decades).chain([i128::MAX]) {
            let seen = with(2264, &value.to_le_bytes()).unwrap();
            let (value, back) = (u128::try_from(value).unwrap(), scaled(seen.price, seen.exponent));
            assert!(back <= value, "rounds down");
            assert!(value - back <= value / 1_000_000_000_000, "{value} came back as {back}");
        }
        // The span of real assets: 1e-9 is exact, 1e9 is exact too.
        for value in [1_000_000_001, E18 * 1_000_000_000 + 1_000_000_000_000] {
            let seen = with(2264, &value.to_le_bytes()).unwrap();
            assert_eq!(i128::try_from(scaled(seen.price, seen.exponent)), Ok(value));
        }
    }

    #[test]
    fn confidence_shares_the_unit_and_rounds_up() {
        let mut data = account();
        put(&mut data, 2264, &(E18 * 97_000).to_le_bytes());
        for (range, conf) in
            [(0, 0), (1, 1), (1_000_000, 1), (1_000_001, 2), (E18, 1_000_000_000_000), (i128::MAX, u64::MAX)]
        {
            put(&mut data, 2312, &range.to_le_bytes());
            let seen = parse(&data).unwrap();
            assert_eq!((seen.price, seen.conf, seen.exponent), (97_000_000_000_000_000, conf, -12));
        }
    }

    #[test]
    fn any_bytes_behind_the_discriminator_get_an_answer() {
        for seed in 0..2_000 {
            let mut data = random_bytes(seed, LEN);
            data[..8].copy_from_slice(&DISCRIMINATOR);
            data[2213] = 0;
            let negative = (data[2264 + 15] | data[2312 + 15]) & 0x80 != 0;
            let refused = negative || data[2360] < data[2215] || data[2361] >= 32;
            assert_eq!(parse(&data).is_err(), refused);
        }
    }
}
