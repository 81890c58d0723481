//! Oracle accounts, made up.
//!
//! Tests, the local network, the demonstration and the stress run all need prices that the program
//! takes for real ones. They come from here and nowhere else: each builder returns the bytes of one
//! oracle account as its program would have written them, to be stored under that program's id.
//! Fields that Bulwark does not read are filled in as well, plausibly, so that other readers (an
//! explorer, the oracle's own SDK) see a whole account.
//!
//! The layouts are written a second time here, on purpose: a builder that shared its offsets with
//! the program's parser would agree with it even where both are wrong.

use anchor_lang::prelude::{Pubkey, pubkey};

/// The Pyth receiver: owner of every [`pyth_pull`] account.
pub const PYTH_RECEIVER: Pubkey = pubkey!("rec5EKMGg6MxZYaMdyBfgwp4d5rB9T1VQH5pJv5LtFJ");
/// The legacy Pyth oracle program on mainnet: owner of every [`pyth_push`] account.
pub const PYTH_PUSH_PROGRAM: Pubkey = pubkey!("FsJ3A3u2vn5cTVofAjvy6y5kwABJAqYWpe4975bi2epH");
/// Switchboard On-Demand on mainnet: owner of every [`switchboard`] account.
pub const SWITCHBOARD_ON_DEMAND: Pubkey = pubkey!("SBondMDrcV3K4kxZR1HNVT7osZxAHVHgYXL5Ze1oMUv");

/// Samples in a [`switchboard`] result, and the minimum its feed asks for.
pub const SWITCHBOARD_SAMPLES: u8 = 3;

/// One price as a source would publish it: `price · 10^exponent ± conf · 10^exponent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Print {
    /// Mantissa; signed, for tests of refused prices.
    pub price: i64,
    /// Half-width of the uncertainty, in the unit of `price`.
    pub conf: u64,
    /// Power of ten.
    pub exponent: i32,
    /// Unix seconds.
    pub publish_time: i64,
    /// Slot in which the account was written.
    pub posted_slot: u64,
}

/// How far a Pyth pull update was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verification {
    /// The whole guardian quorum; the only one Bulwark accepts.
    Full,
    /// Only so many signatures.
    Partial(u8),
}

/// Status of a Pyth push aggregate; the values are those on chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum PushStatus {
    /// Not updating, for an unknown reason.
    Unknown = 0,
    /// Updating; the only one Bulwark accepts.
    Trading = 1,
    /// Trading in the product is halted.
    Halted = 2,
    /// An auction is setting the price.
    Auction = 3,
    /// The confidence is too wide to count.
    Ignored = 4,
}

/// A `PriceUpdateV2`: 134 bytes in Borsh order, the last one unused when fully verified.
pub fn pyth_pull(feed_id: [u8; 32], print: &Print, verification: Verification) -> Vec<u8> {
    let mut data = Vec::with_capacity(134);
    data.extend([0x22, 0xf1, 0x23, 0x63, 0x9d, 0x7e, 0xf4, 0xcd]); // discriminator
    data.extend([0x77; 32]); // write authority
    match verification {
        Verification::Full => data.push(1),
        Verification::Partial(signatures) => data.extend([0, signatures]),
    }
    data.extend(feed_id);
    data.extend(print.price.to_le_bytes());
    data.extend(print.conf.to_le_bytes());
    data.extend(print.exponent.to_le_bytes());
    data.extend(print.publish_time.to_le_bytes());
    data.extend(print.publish_time.saturating_sub(1).to_le_bytes()); // previous publish time
    data.extend(print.price.to_le_bytes()); // EMA price
    data.extend(print.conf.to_le_bytes()); // EMA conf
    data.extend(print.posted_slot.to_le_bytes());
    data.resize(134, 0);
    data
}

/// A legacy price account of 3,312 bytes with one publisher. The print is also the previous price,
/// one second earlier, so a reader that falls back on it when the feed is not trading is caught.
pub fn pyth_push(print: &Print, status: PushStatus) -> Vec<u8> {
    let mut data = vec![0; 3312];
    let status = u32::from(status as u8).to_le_bytes();
    put(&mut data, 0, 0xa1b2_c3d4_u32.to_le_bytes()); // magic
    put(&mut data, 4, 2_u32.to_le_bytes()); // version
    put(&mut data, 8, 3_u32.to_le_bytes()); // account type: price
    put(&mut data, 12, 3312_u32.to_le_bytes()); // size in use
    put(&mut data, 16, 1_u32.to_le_bytes()); // price type: price
    put(&mut data, 20, print.exponent.to_le_bytes());
    put(&mut data, 24, 1_u32.to_le_bytes()); // publishers
    put(&mut data, 28, 1_u32.to_le_bytes()); // publishers in the aggregate
    put(&mut data, 32, print.posted_slot.to_le_bytes()); // last slot
    put(&mut data, 40, print.posted_slot.to_le_bytes()); // valid slot
    put(&mut data, 48, print.price.to_le_bytes()); // EMA price
    put(&mut data, 72, print.conf.to_le_bytes()); // EMA conf
    put(&mut data, 96, print.publish_time.to_le_bytes());
    data[104] = 1; // minimum of publishers
    put(&mut data, 112, [0x70; 32]); // product account
    put(&mut data, 176, print.posted_slot.saturating_sub(1).to_le_bytes());
    put(&mut data, 184, print.price.to_le_bytes()); // previous price
    put(&mut data, 192, print.conf.to_le_bytes()); // previous conf
    put(&mut data, 200, print.publish_time.saturating_sub(1).to_le_bytes());
    put(&mut data, 240, [0x71; 32]); // publisher
    // The aggregate, the publisher's part in it, and the publisher's latest price.
    for info in [208, 272, 304] {
        put(&mut data, info, print.price.to_le_bytes());
        put(&mut data, info + 8, print.conf.to_le_bytes());
        put(&mut data, info + 16, status);
        put(&mut data, info + 24, print.posted_slot.to_le_bytes());
    }
    data
}

/// A `PullFeedAccountData` of 3,208 bytes whose result is the median of three samples: the print's
/// price, and one on either side so that the range is the print's `conf`. All were taken at
/// `publish_time`.
///
/// # Panics
///
/// If the price or the confidence does not fit an i128 scaled by 10^18.
pub fn switchboard(print: &Print) -> Vec<u8> {
    let value = scaled(print.price.into(), print.exponent);
    let range = scaled(print.conf.into(), print.exponent);
    let (low, high) = (value - range / 2, value - range / 2 + range);
    let mut data = vec![0; 3208];
    put(&mut data, 0, [196, 27, 108, 196, 10, 215, 219, 40]); // discriminator
    for (index, sample) in [value, low, high].into_iter().enumerate() {
        let submission = 8 + 64 * index;
        put(&mut data, submission, [0x50 + index as u8; 32]); // oracle
        put(&mut data, submission + 32, print.posted_slot.to_le_bytes()); // signed at
        put(&mut data, submission + 40, print.posted_slot.to_le_bytes()); // landed at
        put(&mut data, submission + 48, sample.to_le_bytes());
        put(&mut data, 2952 + 8 * index, print.publish_time.to_le_bytes());
    }
    put(&mut data, 2056, [0x60; 32]); // authority
    put(&mut data, 2088, [0x61; 32]); // queue
    put(&mut data, 2120, [0x62; 32]); // feed hash
    put(&mut data, 2168, 1_000_000_000_u64.to_le_bytes()); // maximum variance: 1 %
    put(&mut data, 2176, 1_u32.to_le_bytes()); // minimum of responses
    put(&mut data, 2180, *b"bulwark fixture");
    data[2215] = SWITCHBOARD_SAMPLES; // minimum of samples
    put(&mut data, 2216, print.publish_time.to_le_bytes()); // last update
    let mean = (value + low + high) / 3;
    // Value, standard deviation, mean, range, minimum, maximum.
    for (index, number) in [value, range / 2, mean, range, low, high].into_iter().enumerate() {
        put(&mut data, 2264 + 16 * index, number.to_le_bytes());
    }
    data[2360] = SWITCHBOARD_SAMPLES;
    data[2361] = 0; // the submission that is the median
    for slot in [2368, 2376, 2384] {
        put(&mut data, slot, print.posted_slot.to_le_bytes()); // slot, first and last slot
    }
    put(&mut data, 2392, 250_u32.to_le_bytes()); // maximum staleness, slots
    data
}

/// `mantissa · 10^exponent`, scaled by 10^18.
fn scaled(mantissa: i128, exponent: i32) -> i128 {
    let power = exponent + 18;
    let unit = 10_i128.checked_pow(power.unsigned_abs()).expect("exponent in range");
    if power < 0 { mantissa / unit } else { mantissa.checked_mul(unit).expect("price in range") }
}

fn put<const N: usize>(data: &mut [u8], offset: usize, bytes: [u8; N]) {
    data[offset..offset + N].copy_from_slice(&bytes);
}
