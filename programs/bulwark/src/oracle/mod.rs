//! What an oracle account says.
//!
//! A price enters Bulwark here and nowhere else. Each source publishes its account in its own
//! format, and the formats agree on little: Pyth writes a signed price with a decimal exponent and
//! a confidence, Switchboard a median of samples scaled by 10^18. This module turns any of them
//! into one [`Print`], and refuses everything that is not the account the market was
//! configured with.
//!
//! It is pure reading. Bytes, an owner and an address go in; a number or a reason comes out. There
//! is no clock, no state and no conversion to lots: whether the price is fresh, wide, divergent or
//! out of range is judged by the caller (`risk.md` section 4). For that reason it is total: bytes
//! of any content and length give an answer, never a panic, and nothing is allocated.
//!
//! Two checks come before anything is read. The *owner* is the program that must have written the
//! account, for anybody may create an account holding any bytes. The *feed* says which of that
//! program's prices is meant: Pyth pull updates may be posted to any address by anyone and carry
//! their feed id inside, while a Pyth push or a Switchboard feed *is* its address. A genuine price
//! of the wrong asset is the oldest oracle bug there is (field note 5), so no path skips either.

use anchor_lang::prelude::{AnchorDeserialize, AnchorSerialize, Pubkey, pubkey};
use bulwark_engine::price::Print;
use bytemuck::{Pod, Zeroable};

pub mod pyth_pull;
pub mod pyth_push;
pub mod switchboard;

/// Which format an oracle account has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum SourceKind {
    /// No source is configured: no account satisfies it.
    None = 0,
    /// A Pyth `PriceUpdateV2`, posted by anyone through the Pyth receiver.
    PythPull = 1,
    /// A legacy Pyth price account, written by the Pyth oracle program.
    PythPush = 2,
    /// A Switchboard On-Demand `PullFeedAccountData`.
    Switchboard = 3,
}

impl TryFrom<u8> for SourceKind {
    type Error = OracleError;

    /// Fails with [`OracleError::WrongAccount`] on a number that names no kind.
    fn try_from(kind: u8) -> Result<Self, OracleError> {
        match kind {
            0 => Ok(Self::None),
            1 => Ok(Self::PythPull),
            2 => Ok(Self::PythPush),
            3 => Ok(Self::Switchboard),
            _ => Err(OracleError::WrongAccount),
        }
    }
}

/// Programs whose accounts are believed, on mainnet and on devnet: no key can name a program of its own as an oracle.
pub const OWNERS: [(SourceKind, Pubkey); 5] = [
    (SourceKind::PythPull, pubkey!("rec5EKMGg6MxZYaMdyBfgwp4d5rB9T1VQH5pJv5LtFJ")),
    (SourceKind::PythPush, pubkey!("FsJ3A3u2vn5cTVofAjvy6y5kwABJAqYWpe4975bi2epH")),
    (SourceKind::PythPush, pubkey!("gSbePebfvPy7tRqimPoVecS2UsBvYv46ynrzWocc92s")),
    (SourceKind::Switchboard, pubkey!("SBondMDrcV3K4kxZR1HNVT7osZxAHVHgYXL5Ze1oMUv")),
    (SourceKind::Switchboard, pubkey!("Aio4gaXjXzJNVLtzwtNVmSqGKpANtXhybbkhtAC94ji2")),
];

/// One configured source, as markets and vaults store it. All zeros means "none".
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct OracleSource {
    /// The program that must own the account.
    pub owner: Pubkey,
    /// Which price of that program: for [`SourceKind::PythPull`] the feed id inside the update,
    /// for [`SourceKind::PythPush`] and [`SourceKind::Switchboard`] the account's address.
    pub feed: [u8; 32],
    /// A [`SourceKind`].
    pub kind: u8,
    /// Zero; makes the size a multiple of eight.
    pub _padding: [u8; 7],
}

const _: () = assert!(size_of::<OracleSource>() == 72 && align_of::<OracleSource>() == 1);

impl OracleSource {
    /// No source; [`read`] refuses every account for it.
    pub const NONE: Self =
        Self { owner: Pubkey::new_from_array([0; 32]), feed: [0; 32], kind: 0, _padding: [0; 7] };

    /// Whether the configuration names the account's address: then nobody can choose which account to pass.
    pub fn pins_address(&self) -> bool {
        matches!(SourceKind::try_from(self.kind), Ok(SourceKind::PythPush | SourceKind::Switchboard))
    }

    /// Whether the owner is a program that writes this kind of account, see [`OWNERS`], or no source is configured.
    pub fn is_known(&self) -> bool {
        let kind = SourceKind::try_from(self.kind);
        let is_known = OWNERS.iter().any(|(known, owner)| kind == Ok(*known) && *owner == self.owner);
        (is_known && self._padding == [0; 7]) || *self == Self::NONE
    }

    /// Whether a source is configured at all.
    pub const fn is_some(&self) -> bool {
        self.kind != 0
    }
}

/// Why an account yields no price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OracleError {
    /// The account belongs to another program than the configured one.
    WrongOwner,
    /// The account is not the configured one, or no known kind of source is configured.
    WrongAccount,
    /// The account is a price of another feed than the configured one.
    WrongFeed,
    /// Nobody vouches for the price as the source demands: a Pyth update without the full guardian
    /// quorum, a Switchboard feed that an authority may overwrite.
    NotFullyVerified,
    /// Too short, of another account type, or with fields no such account can have.
    Malformed,
    /// The source itself says that it has no price now: not trading, no result, or too few samples.
    NotTrading,
    /// The price is zero or below.
    NonPositivePrice,
}

/// Reads the account at `address`, owned by `owner` and holding `data`, as the configured `source`.
///
/// Fails if it is not that source's account, or holds no usable price; see [`OracleError`].
pub fn read(
    source: &OracleSource,
    address: &Pubkey,
    owner: &Pubkey,
    data: &[u8],
) -> Result<Print, OracleError> {
    let kind = SourceKind::try_from(source.kind)?;
    if kind == SourceKind::None {
        return Err(OracleError::WrongAccount);
    }
    if *owner != source.owner {
        return Err(OracleError::WrongOwner);
    }
    if kind == SourceKind::PythPull {
        return pyth_pull::parse(&source.feed, data);
    }
    if address.to_bytes() != source.feed {
        return Err(OracleError::WrongAccount);
    }
    if kind == SourceKind::PythPush { pyth_push::parse(data) } else { switchboard::parse(data) }
}

/// The `N` bytes that start at `offset`.
#[inline]
fn field<const N: usize>(data: &[u8], offset: usize) -> Result<[u8; N], OracleError> {
    let tail = data.get(offset..).ok_or(OracleError::Malformed)?;
    tail.first_chunk::<N>().copied().ok_or(OracleError::Malformed)
}

/// A price that the source keeps signed.
#[inline]
fn positive(price: i64) -> Result<u64, OracleError> {
    match u64::try_from(price) {
        Ok(price) if price > 0 => Ok(price),
        _ => Err(OracleError::NonPositivePrice),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects, missing_docs)]
pub(crate) mod tests {
    use super::*;

    const KINDS: [u8; 3] = [1, 2, 3];

    /// The valid account of each kind, with the source that names it.
    fn valid(kind: u8) -> (OracleSource, Pubkey, Vec<u8>) {
        let feed = [7; 32];
        let source = OracleSource { owner: Pubkey::new_from_array([9; 32]), feed, kind, _padding: [0; 7] };
        let address = Pubkey::new_from_array(feed);
        let data = match kind {
            1 => pyth_pull::tests::account(feed),
            2 => pyth_push::tests::account(),
            _ => switchboard::tests::account(),
        };
        (source, address, data)
    }

    /// xorshift64: a fixed stream of bytes for totality tests.
    pub(crate) fn random_bytes(seed: u64, len: usize) -> Vec<u8> {
        let mut state = seed | 1;
        let mut bytes = Vec::with_capacity(len + 8);
        while bytes.len() < len {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend_from_slice(&state.to_le_bytes());
        }
        bytes.truncate(len);
        bytes
    }

    #[test]
    fn each_kind_reads_its_own_account_only() {
        for kind in KINDS {
            let (source, address, data) = valid(kind);
            assert!(read(&source, &address, &source.owner, &data).is_ok(), "kind {kind}");
            for other in KINDS.into_iter().filter(|other| *other != kind) {
                let source = OracleSource { kind: other, ..source };
                assert!(read(&source, &address, &source.owner, &data).is_err(), "{kind} as {other}");
            }
        }
    }

    #[test]
    fn attack_account_of_another_program() {
        for kind in KINDS {
            let (source, address, data) = valid(kind);
            let attacker = Pubkey::new_from_array([8; 32]);
            assert_eq!(read(&source, &address, &attacker, &data), Err(OracleError::WrongOwner));
        }
    }

    #[test]
    fn attack_account_of_another_feed() {
        let elsewhere = Pubkey::new_from_array([6; 32]);
        for kind in [2, 3] {
            let (source, _, data) = valid(kind);
            assert_eq!(read(&source, &elsewhere, &source.owner, &data), Err(OracleError::WrongAccount));
        }
        // A pull update may live anywhere, but its feed id is pinned, bit for bit.
        let (source, _, data) = valid(1);
        assert!(read(&source, &elsewhere, &source.owner, &data).is_ok());
        for byte in 0..32 {
            let mut source = source;
            source.feed[byte] ^= 1;
            assert_eq!(read(&source, &elsewhere, &source.owner, &data), Err(OracleError::WrongFeed));
        }
    }

    #[test]
    fn no_source_accepts_nothing() {
        for kind in KINDS {
            let (source, address, data) = valid(kind);
            for none in [0, 4, 255] {
                let source = OracleSource { kind: none, ..source };
                assert_eq!(read(&source, &address, &source.owner, &data), Err(OracleError::WrongAccount));
            }
        }
        let system = Pubkey::default();
        assert_eq!(read(&OracleSource::NONE, &system, &system, &[]), Err(OracleError::WrongAccount));
        assert!(!OracleSource::NONE.is_some());
        assert_eq!(bytemuck::bytes_of(&OracleSource::NONE), [0; 72]);
    }

    #[test]
    fn kinds_round_trip() {
        for kind in [SourceKind::None, SourceKind::PythPull, SourceKind::PythPush, SourceKind::Switchboard] {
            #[allow(clippy::as_conversions)]
            let byte = kind as u8;
            assert_eq!(SourceKind::try_from(byte), Ok(kind));
        }
    }

    #[test]
    fn every_truncation_is_refused() {
        for kind in KINDS {
            let (source, address, data) = valid(kind);
            for len in 0..data.len() {
                let cut = &data[..len];
                assert_eq!(
                    read(&source, &address, &source.owner, cut),
                    Err(OracleError::Malformed),
                    "{kind} {len}"
                );
            }
            let longer = [data, vec![0xff; 40]].concat();
            assert!(read(&source, &address, &source.owner, &longer).is_ok());
        }
    }

    #[test]
    fn any_bytes_get_an_answer() {
        for kind in KINDS {
            let (source, address, data) = valid(kind);
            for seed in 0..4_000_u64 {
                // Pure noise of any length, then noise in one place of a valid account.
                let noise = random_bytes(seed * 2 + 1, usize::try_from(seed).unwrap());
                let _ = read(&source, &address, &source.owner, &noise);
                let mut touched = data.clone();
                let at = usize::try_from(seed * 7919).unwrap() % data.len();
                let end = (at + 16).min(data.len());
                touched[at..end].copy_from_slice(&random_bytes(seed + 77, end - at));
                if let Ok(seen) = read(&source, &address, &source.owner, &touched) {
                    assert!(seen.price > 0);
                }
            }
        }
    }
}
