//! A newtype per unit.
//!
//! Lots, quote amounts, prices and ratios are all integers on the wire; mixing them up is the oldest way
//! to lose money. Each has its own type here, only meaningful arithmetic compiles, and what can round says
//! in its name which way. Nothing wraps: an amount that does not fit is [`EngineError::Overflow`].

use bytemuck::{Pod, Zeroable};
use fixed::types::I80F48;

use crate::wide::{self, Round};
use crate::{EngineError, Result};

/// 100 % in parts per million.
pub const PPM: u64 = 1_000_000;
/// The same as parameters have it.
pub const PPM_ONE: u32 = 1_000_000;

/// Largest magnitude of lots in one amount, 2^60: sums of a few amounts and twice a skew stay in `i64`.
pub const MAX_LOTS: u64 = 1 << 60;

/// Fraction bits of a [`NormalPrice`].
pub const NORMAL_FRACTION: u32 = 48;

/// Signed amount of the quote token, in its smallest unit (USDC: 1e-6).
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Pod, Zeroable)]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct Quote(pub i64);

impl Quote {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// The amount `units`, given as a token amount.
    ///
    /// # Errors
    /// [`EngineError::Overflow`] from 2^63 on.
    pub fn from_units(units: u64) -> Result<Self> {
        i64::try_from(units).map(Self).map_err(|_| EngineError::Overflow)
    }

    /// `self + other`.
    ///
    /// # Errors
    /// [`EngineError::Overflow`] if the sum does not fit.
    pub fn plus(self, other: Self) -> Result<Self> {
        self.0.checked_add(other.0).map(Self).ok_or(EngineError::Overflow)
    }

    /// `self − other`.
    ///
    /// # Errors
    /// [`EngineError::Overflow`] if the difference does not fit.
    pub fn minus(self, other: Self) -> Result<Self> {
        self.0.checked_sub(other.0).map(Self).ok_or(EngineError::Overflow)
    }

    /// The token amount of a balance that is not negative; zero for a negative one.
    #[must_use]
    pub fn units_or_zero(self) -> u64 {
        u64::try_from(self.0).unwrap_or(0)
    }
}

/// Signed base amount in lots of 10^-`lot_decimals`; long > 0.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Pod, Zeroable)]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct Lots(pub i64);

impl Lots {
    /// No lots.
    pub const ZERO: Self = Self(0);

    /// `count` lots on `side`.
    ///
    /// # Errors
    /// [`EngineError::Overflow`] above [`MAX_LOTS`].
    pub fn on(side: Side, count: u64) -> Result<Self> {
        if count > MAX_LOTS {
            return Err(EngineError::Overflow);
        }
        let count = i64::try_from(count).map_err(|_| EngineError::Overflow)?;
        Ok(Self(match side {
            Side::Long => count,
            Side::Short => count.wrapping_neg(),
        }))
    }

    /// `self + other`.
    ///
    /// # Errors
    /// [`EngineError::Overflow`] if the magnitude exceeds [`MAX_LOTS`].
    pub fn plus(self, other: Self) -> Result<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) if sum.unsigned_abs() <= MAX_LOTS => Ok(Self(sum)),
            _ => Err(EngineError::Overflow),
        }
    }

    /// `−self`; the magnitude is at most [`MAX_LOTS`], so that it always fits.
    #[must_use]
    pub fn negated(self) -> Self {
        Self(self.0.wrapping_neg())
    }

    /// Magnitude in lots.
    #[must_use]
    pub fn count(self) -> u64 {
        self.0.unsigned_abs()
    }
}

/// Which way a position profits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Side {
    /// Profits when the price rises.
    Long = 0,
    /// Profits when the price falls.
    Short = 1,
}

impl Side {
    /// Both sides, in the order in which accounts store them.
    pub const BOTH: [Self; 2] = [Self::Long, Self::Short];

    /// The other side.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Long => Self::Short,
            Self::Short => Self::Long,
        }
    }

    /// The stored form.
    #[must_use]
    pub const fn to_byte(self) -> u8 {
        match self {
            Self::Long => 0,
            Self::Short => 1,
        }
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`] for anything but 0 and 1.
    pub const fn from_byte(byte: u8) -> Result<Self> {
        match byte {
            0 => Ok(Self::Long),
            1 => Ok(Self::Short),
            _ => Err(EngineError::Corrupt("side")),
        }
    }
}

/// Price in quote units per lot, unsigned Q32.32 (the bits of a `U32F32`), between [`Price::MIN`] and [`Price::MAX`].
///
/// The lower end keeps the rounding of Q32.32 under 1 ppm; the upper end lets `P − C` fit 64 bits with 48
/// of fraction, so that a position's value is one 64 × 64 bit product.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Pod, Zeroable)]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct Price(u64);

impl Price {
    /// Least price: 2^-12 quote units per lot.
    pub const MIN: Self = Self(1 << 20);
    /// Largest price: 2^14 quote units per lot.
    pub const MAX: Self = Self(1 << 46);

    /// The price whose Q32.32 form is `bits`.
    ///
    /// # Errors
    /// [`EngineError::PriceOutOfRange`] outside [`Price::MIN`]`..=`[`Price::MAX`].
    pub fn from_bits(bits: u64) -> Result<Self> {
        let price = Self(bits);
        if price < Self::MIN || price > Self::MAX { Err(EngineError::PriceOutOfRange) } else { Ok(price) }
    }

    /// The Q32.32 form; 0 for a price that was never set.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// Worth of `lots` in quote units, rounded down.
    ///
    /// # Errors
    /// [`EngineError::Overflow`] if it does not fit.
    pub fn mul_floor(self, lots: u64) -> Result<u64> {
        wide::shift_right(wide::product(lots, self.to_bits()), 32, Round::Down)
    }

    /// Worth of `lots` in quote units, rounded up.
    ///
    /// # Errors
    /// [`EngineError::Overflow`] if it does not fit.
    pub fn mul_ceil(self, lots: u64) -> Result<u64> {
        wide::shift_right(wide::product(lots, self.to_bits()), 32, Round::Up)
    }
}

/// Accumulated carry of one side in quote units per lot, signed Q80.48, stored as its 16 bytes so that
/// accounts need no 128-bit alignment.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct CarryIndex([u64; 2]);

impl CarryIndex {
    /// The index as a number.
    #[must_use]
    pub fn get(self) -> I80F48 {
        let [low, high] = self.0;
        I80F48::from_bits(wide::join_signed(low, high))
    }

    /// Stores `value`.
    pub fn set(&mut self, value: I80F48) {
        self.0 = wide::split_signed(value.to_bits());
    }

    /// `lots × self` in quote units, rounded down (towards −∞).
    ///
    /// # Errors
    /// [`EngineError::Overflow`] if it does not fit, or from an index of ±2^15 on.
    pub fn mul_floor(self, lots: Lots) -> Result<Quote> {
        let index = i64::try_from(self.get().to_bits()).map_err(|_| EngineError::Overflow)?;
        NormalPrice(index).mul_floor(lots)
    }
}

/// Carry-normalised price `P − C` in quote units per lot, signed Q16.48.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Pod, Zeroable)]
#[cfg_attr(feature = "idl-build", derive(anchor_lang::AnchorSerialize))]
pub struct NormalPrice(pub i64);

impl NormalPrice {
    /// `price − carry`.
    ///
    /// # Errors
    /// [`EngineError::Overflow`] if it is not within ±2^15 quote units per lot.
    pub fn new(price: Price, carry: CarryIndex) -> Result<Self> {
        let price = i128::from(price.to_bits()).wrapping_shl(16);
        price
            .checked_sub(carry.get().to_bits())
            .and_then(|x| i64::try_from(x).ok())
            .map(Self)
            .ok_or(EngineError::Overflow)
    }

    /// `lots × self` in quote units, rounded down (towards −∞).
    ///
    /// # Errors
    /// [`EngineError::Overflow`] if it does not fit.
    pub fn mul_floor(self, lots: Lots) -> Result<Quote> {
        let product = wide::product_signed(lots.0, self.0);
        i64::try_from(product >> NORMAL_FRACTION).map(Quote).map_err(|_| EngineError::Overflow)
    }
}

/// `amount · ppm / 1e6`, rounded down, by two 64-bit divisions.
///
/// # Errors
/// [`EngineError::Overflow`] if the result does not fit.
pub fn ppm_floor(amount: u64, ppm: u32) -> Result<u64> {
    ppm_of(amount, ppm, 0)
}

/// `amount · ppm / 1e6`, rounded up, by two 64-bit divisions.
///
/// # Errors
/// [`EngineError::Overflow`] if the result does not fit.
pub fn ppm_ceil(amount: u64, ppm: u32) -> Result<u64> {
    ppm_of(amount, ppm, PPM.wrapping_sub(1))
}

/// Splits the amount at 1e6: both partial products fit 64 bits for every ratio up to 2^32 ppm.
fn ppm_of(amount: u64, ppm: u32, carry_in: u64) -> Result<u64> {
    let ppm = u64::from(ppm);
    let (millions, rest) = (amount / PPM, amount % PPM);
    let small = rest.wrapping_mul(ppm).wrapping_add(carry_in) / PPM; // rest < 2^20, ppm < 2^32
    millions.checked_mul(ppm).and_then(|x| x.checked_add(small)).ok_or(EngineError::Overflow)
}
