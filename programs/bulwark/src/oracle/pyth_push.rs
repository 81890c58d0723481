//! Pyth push: the legacy price account, which the Pyth oracle program rewrites by itself.
//!
//! One account per feed at a fixed address, so the address is the feed and the caller has pinned
//! it. The account keeps an aggregate of up to 32 publishers with a status; only `Trading` means
//! that enough of them agree. In any other status the account still shows its previous price, and
//! the SDK's usual accessor quietly returns that one: here the status is checked instead, for a
//! halted feed has no price to trade at.
//!
//! The format is read by Pyth's own crate. It lays a Rust struct over the bytes, which is safe only
//! if they are aligned (it panics otherwise) and if the bytes of its enums name a variant (it does
//! not look). The runtime aligns account data, but this module promises an answer for any bytes, so
//! length, alignment and the enums that are read are checked first. Where each of them lies is asked
//! of the crate's type, not written down a second time.

use core::mem::offset_of;

use pyth_sdk_solana::state::{MAGIC, SolanaPriceAccount, load_price_account};

use super::{OracleError, Print, field, positive};

const _: () = assert!(size_of::<SolanaPriceAccount>() == 3312);

const PRICE_TYPE: usize = offset_of!(SolanaPriceAccount, ptype);
const STATUS: usize = offset_of!(SolanaPriceAccount, agg.status);

/// `PriceType::Price`, a 32-bit enum on chain.
const TYPE_PRICE: [u8; 4] = [1, 0, 0, 0];
/// `PriceStatus::Trading`, a 32-bit enum on chain. The SDK takes its upper bytes for the corporate
/// action, of which there is only the zero one.
const STATUS_TRADING: [u8; 4] = [1, 0, 0, 0];

/// Reads a legacy Pyth price account. The caller has checked owner and address.
///
/// The exponent is Pyth's own, the publish time is that of the aggregate, and the confidence is one
/// standard deviation of the publishers' spread.
///
/// # Errors
///
/// `Malformed` (also if `data` is not aligned to eight bytes, which account data always is),
/// `NotTrading` or `NonPositivePrice`.
pub fn parse(data: &[u8]) -> Result<Print, OracleError> {
    let aligned = data.as_ptr().cast::<SolanaPriceAccount>().is_aligned();
    if !aligned || data.len() < size_of::<SolanaPriceAccount>() {
        return Err(OracleError::Malformed);
    }
    if field(data, 0)? != MAGIC.to_le_bytes() || field(data, PRICE_TYPE)? != TYPE_PRICE {
        return Err(OracleError::Malformed);
    }
    if field(data, STATUS)? != STATUS_TRADING {
        return Err(OracleError::NotTrading);
    }
    let account: &SolanaPriceAccount = load_price_account(data).map_err(|_| OracleError::Malformed)?;
    Ok(Print {
        price: positive(account.agg.price)?,
        conf: account.agg.conf,
        exponent: account.expo,
        publish_time: account.get_publish_time(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects, missing_docs)]
pub(crate) mod tests {
    use super::*;
    use crate::oracle::tests::random_bytes;

    /// SOL at 187.65432100 ± 0.09, written by offset. `Vec` hands out memory aligned to eight bytes
    /// or more for a block of this size; the runtime promises the same.
    pub(crate) fn account() -> Vec<u8> {
        let mut data = vec![0; 3312];
        put(&mut data, 0, &0xa1b2_c3d4_u32.to_le_bytes()); // magic
        put(&mut data, 4, &2_u32.to_le_bytes()); // version
        put(&mut data, 8, &3_u32.to_le_bytes()); // account type: price
        put(&mut data, 12, &3312_u32.to_le_bytes()); // size
        put(&mut data, 16, &1_u32.to_le_bytes()); // price type
        put(&mut data, 20, &(-8_i32).to_le_bytes()); // exponent
        put(&mut data, 96, &1_760_000_000_i64.to_le_bytes()); // timestamp
        put(&mut data, 184, &18_000_000_000_i64.to_le_bytes()); // previous price
        put(&mut data, 192, &1_u64.to_le_bytes()); // previous conf
        put(&mut data, 200, &1_750_000_000_i64.to_le_bytes()); // previous timestamp
        put(&mut data, 208, &18_765_432_100_i64.to_le_bytes()); // aggregate price
        put(&mut data, 216, &9_000_000_u64.to_le_bytes()); // aggregate conf
        put(&mut data, 224, &1_u32.to_le_bytes()); // status: trading
        put(&mut data, 232, &400_000_000_u64.to_le_bytes()); // slot
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
    fn reads_the_aggregate() {
        let expected =
            Print { price: 18_765_432_100, conf: 9_000_000, exponent: -8, publish_time: 1_760_000_000 };
        assert_eq!(parse(&account()), Ok(expected));
    }

    #[test]
    fn attack_previous_price_of_a_halted_feed() {
        for status in (0..=255_u8).filter(|status| *status != 1) {
            assert_eq!(with(224, &[status]), Err(OracleError::NotTrading));
        }
        for upper in 225..228 {
            assert_eq!(with(upper, &[1]), Err(OracleError::NotTrading));
        }
    }

    #[test]
    fn other_account_types_are_malformed() {
        for bit in 0..32 {
            let flipped = 0xa1b2_c3d4_u32 ^ (1 << bit);
            assert_eq!(with(0, &flipped.to_le_bytes()), Err(OracleError::Malformed));
        }
        for other in [0_u32, 1, 2, 3, 4, u32::MAX] {
            let bytes = other.to_le_bytes();
            assert_eq!(with(4, &bytes).is_ok(), other == 2, "version {other}");
            assert_eq!(with(8, &bytes).is_ok(), other == 3, "account type {other}");
            assert_eq!(with(16, &bytes).is_ok(), other == 1, "price type {other}");
        }
    }

    #[test]
    fn price_must_be_positive() {
        for price in [0, -1, i64::MIN] {
            assert_eq!(with(208, &price.to_le_bytes()), Err(OracleError::NonPositivePrice));
        }
        assert_eq!(with(208, &i64::MAX.to_le_bytes()).unwrap().price, u64::MAX / 2);
    }

    #[test]
    fn every_truncation_is_malformed() {
        let data = account();
        for len in 0..data.len() {
            assert_eq!(parse(&data[..len]), Err(OracleError::Malformed));
        }
    }

    #[test]
    fn misaligned_bytes_do_not_panic() {
        let shifted = [vec![0; 8], account()].concat();
        for shift in 1..8 {
            let mut moved = shifted.clone();
            moved.copy_within(8..8 + 3312, shift);
            assert_eq!(parse(&moved[shift..shift + 3312]), Err(OracleError::Malformed));
        }
    }

    #[test]
    fn any_bytes_behind_the_header_get_an_answer() {
        for seed in 0..2_000 {
            let mut data = random_bytes(seed, 3312);
            data[..20].copy_from_slice(&account()[..20]);
            data[224..228].copy_from_slice(&STATUS_TRADING);
            let negative = data[215] & 0x80 != 0;
            assert_eq!(parse(&data).is_err(), negative);
        }
    }
}
