//! Pyth pull: a `PriceUpdateV2`, posted by the Pyth receiver.
//!
//! Pyth signs prices off chain; whoever needs one brings the message, and the receiver program
//! checks the guardians' signatures and writes the result into an account that the poster chose.
//! The address therefore means nothing. What makes an update trustworthy is its owner, the feed id
//! inside, and its verification level: `Full` says that the whole guardian quorum signed. `Partial`
//! says that as many signatures were checked as the poster cared to pay for, which may be one; such
//! an update is a real account of the real receiver and must be refused all the same.
//!
//! The layout is Borsh, so the level's encoding shifts all that follows: one byte for `Full`, two
//! for `Partial`. The account is allocated for the longer form, hence 134 bytes of which a `Full`
//! update uses 133. Since only `Full` is accepted, every field has one fixed offset.
//!
//! | offset | field | |
//! |---|---|---|
//! | 0 | discriminator | 8 bytes |
//! | 8 | write authority | 32 bytes |
//! | 40 | verification level | 1 = `Full` |
//! | 41 | feed id | 32 bytes |
//! | 73 | price | i64 |
//! | 81 | conf | u64 |
//! | 89 | exponent | i32 |
//! | 93 | publish time | i64, Unix seconds |
//! | 101 | previous publish time, EMA price, EMA conf, posted slot | 4 × 8 bytes, unused |

use super::{OracleError, Print, field, positive};

/// First eight bytes of every `PriceUpdateV2`: `sha256("account:PriceUpdateV2")`, cut.
const DISCRIMINATOR: [u8; 8] = [0x22, 0xf1, 0x23, 0x63, 0x9d, 0x7e, 0xf4, 0xcd];
/// Length the receiver allocates for every update.
const LEN: usize = 134;
/// The verification level of an update signed by the full guardian quorum.
const FULL: u8 = 1;
/// The verification level of an update of which only some signatures were checked.
const PARTIAL: u8 = 0;

const VERIFICATION_LEVEL: usize = 40;
const FEED_ID: usize = 41;
const PRICE: usize = 73;
const CONF: usize = 81;
const EXPONENT: usize = 89;
const PUBLISH_TIME: usize = 93;

/// Reads a `PriceUpdateV2` of the given feed. The caller has checked the owner.
///
/// The exponent and the publish time are Pyth's own; the confidence is one standard deviation of
/// the publishers' spread.
///
/// # Errors
///
/// `Malformed`, `NotFullyVerified`, `WrongFeed` or `NonPositivePrice`, checked in that order.
pub fn parse(feed_id: &[u8; 32], data: &[u8]) -> Result<Print, OracleError> {
    // With the length known, the compiler drops the bounds checks of the fields below.
    let data: &[u8; LEN] = data.first_chunk().ok_or(OracleError::Malformed)?;
    if field(data, 0)? != DISCRIMINATOR {
        return Err(OracleError::Malformed);
    }
    match field(data, VERIFICATION_LEVEL)? {
        [FULL] => {}
        [PARTIAL] => return Err(OracleError::NotFullyVerified),
        _ => return Err(OracleError::Malformed),
    }
    if field(data, FEED_ID)? != *feed_id {
        return Err(OracleError::WrongFeed);
    }
    Ok(Print {
        price: positive(i64::from_le_bytes(field(data, PRICE)?))?,
        conf: u64::from_le_bytes(field(data, CONF)?),
        exponent: i32::from_le_bytes(field(data, EXPONENT)?),
        publish_time: i64::from_le_bytes(field(data, PUBLISH_TIME)?),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects, missing_docs)]
pub(crate) mod tests {
    use super::*;
    use crate::oracle::tests::random_bytes;

    const FEED: [u8; 32] = [7; 32];

    /// BTC at 97,123.45 ± 31.5, written field by field in Borsh order.
    fn update(verification: &[u8], feed_id: [u8; 32], price: i64) -> Vec<u8> {
        let mut data = vec![0x22, 0xf1, 0x23, 0x63, 0x9d, 0x7e, 0xf4, 0xcd];
        data.extend([0xaa; 32]);
        data.extend(verification);
        data.extend(feed_id);
        data.extend(price.to_le_bytes());
        data.extend(3_150_000_000_u64.to_le_bytes());
        data.extend((-8_i32).to_le_bytes());
        data.extend(1_760_000_000_i64.to_le_bytes());
        data.extend(1_759_999_999_i64.to_le_bytes());
        data.extend([0x11; 16]);
        data.extend(400_000_000_u64.to_le_bytes());
        data.resize(LEN, 0);
        data
    }

    pub(crate) fn account(feed_id: [u8; 32]) -> Vec<u8> {
        update(&[1], feed_id, 9_712_345_000_000)
    }

    #[test]
    fn reads_every_field() {
        let seen = parse(&FEED, &account(FEED)).unwrap();
        let expected = Print {
            price: 9_712_345_000_000,
            conf: 3_150_000_000,
            exponent: -8,
            publish_time: 1_760_000_000,
        };
        assert_eq!(seen, expected);
    }

    #[test]
    fn attack_partially_verified_update() {
        for signatures in 0..=255 {
            let data = update(&[0, signatures], FEED, 9_712_345_000_000);
            assert_eq!(parse(&FEED, &data), Err(OracleError::NotFullyVerified));
        }
        // A feed id chosen so that the longer form lines up with `Full` does not help either.
        let mut data = account(FEED);
        data[VERIFICATION_LEVEL] = 0;
        assert_eq!(parse(&FEED, &data), Err(OracleError::NotFullyVerified));
    }

    #[test]
    fn unknown_verification_level_is_malformed() {
        for level in 2..=255 {
            let data = update(&[level], FEED, 1);
            assert_eq!(parse(&FEED, &data), Err(OracleError::Malformed));
        }
    }

    #[test]
    fn other_account_types_are_malformed() {
        for bit in 0..64 {
            let mut data = account(FEED);
            data[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(parse(&FEED, &data), Err(OracleError::Malformed));
        }
    }

    #[test]
    fn every_truncation_is_malformed() {
        let data = account(FEED);
        assert_eq!(data.len(), LEN);
        for len in 0..LEN {
            assert_eq!(parse(&FEED, &data[..len]), Err(OracleError::Malformed));
        }
    }

    #[test]
    fn attack_price_of_another_feed() {
        for byte in 0..32 {
            let mut other = FEED;
            other[byte] ^= 0x80;
            assert_eq!(parse(&FEED, &account(other)), Err(OracleError::WrongFeed));
        }
    }

    #[test]
    fn price_must_be_positive() {
        for price in [0, -1, i64::MIN] {
            assert_eq!(parse(&FEED, &update(&[1], FEED, price)), Err(OracleError::NonPositivePrice));
        }
        for price in [1, i64::MAX] {
            assert_eq!(
                parse(&FEED, &update(&[1], FEED, price)).unwrap().price,
                u64::try_from(price).unwrap()
            );
        }
    }

    #[test]
    fn any_bytes_after_the_discriminator_get_an_answer() {
        for seed in 0..10_000 {
            let mut data = random_bytes(seed, LEN);
            data[..8].copy_from_slice(&DISCRIMINATOR);
            data[VERIFICATION_LEVEL] = 1;
            let feed = field(&data, FEED_ID).unwrap();
            let negative = data[PRICE + 7] & 0x80 != 0;
            assert_eq!(parse(&feed, &data).is_err(), negative);
        }
    }
}
