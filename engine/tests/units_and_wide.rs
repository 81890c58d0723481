//! Units and wide products against big integers.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests assert"
)]

mod model;

use bulwark_engine::EngineError;
use bulwark_engine::units::{
    CarryIndex, Lots, MAX_LOTS, NormalPrice, Price, Quote, Side, ppm_ceil, ppm_floor,
};
use bulwark_engine::wide::{self, Round};
use fixed::types::I80F48;
use model::config;
use num_bigint::BigInt;
use num_integer::Integer;
use proptest::prelude::*;

/// 0, 1, 2^k, 2^k ± 1, MAX and anything between.
fn any_word() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        Just(u64::MAX),
        (0..64_u32, -1..=1_i64).prop_map(|(k, d)| (1_u64 << k).wrapping_add_signed(d)),
        any::<u64>(),
        (0..64_u32, any::<u64>()).prop_map(|(k, x)| x >> k),
    ]
}

fn any_wide() -> impl Strategy<Value = u128> {
    prop_oneof![
        3 => (any_word(), any_word()).prop_map(|(low, high)| wide::join(low, high)),
        2 => (0..128_u32, -1..=1_i128).prop_map(|(k, d)| (1_u128 << k).wrapping_add_signed(d)),
        1 => any_word().prop_map(u128::from),
    ]
}

fn any_round() -> impl Strategy<Value = Round> {
    prop_oneof![Just(Round::Down), Just(Round::Up)]
}

/// The quotient of what is not negative, or nothing if it does not fit or does not exist.
fn quotient<T: TryFrom<BigInt>>(n: &BigInt, d: &BigInt, round: Round) -> Option<T> {
    if *d == BigInt::from(0) {
        return None;
    }
    T::try_from(if round == Round::Up { n.div_ceil(d) } else { n.div_floor(d) }).ok()
}

proptest! {
    #![proptest_config(config(4_000))]

    #[test]
    fn products_and_words_are_exact(a in any_word(), b in any_word(), c in any::<i64>(), d in any::<i64>()) {
        prop_assert_eq!(BigInt::from(wide::product(a, b)), BigInt::from(a) * b);
        prop_assert_eq!(BigInt::from(wide::product_signed(c, d)), BigInt::from(c) * d);
        let joined = wide::join(a, b);
        prop_assert_eq!((wide::low(joined), wide::high(joined)), (a, b));
    }

    #[test]
    fn mul_div_is_the_exact_quotient_rounded_as_named(
        a in any_word(), b in any_word(), d in any_word(), round in any_round(),
    ) {
        let exact = quotient(&(BigInt::from(a) * b), &d.into(), round);
        prop_assert_eq!(wide::mul_div(a, b, d, round).ok(), exact);
    }

    #[test]
    fn signed_mul_div_rounds_towards_the_named_infinity(a in any_word(), b in any_word(), d in any_word()) {
        let a = a.cast_signed();
        let product = BigInt::from(a) * b;
        let (floor, ceil) = (quotient(&product, &d.into(), Round::Down), quotient(&product, &d.into(), Round::Up));
        prop_assert_eq!(wide::mul_div_floor_signed(a, b, d).ok(), floor);
        prop_assert_eq!(wide::mul_div_ceil_signed(a, b, d).ok(), ceil);
    }

    #[test]
    fn mul_div_wide_is_the_exact_quotient_rounded_as_named(
        a in any_wide(), b in any_word(), d in any_word(), round in any_round(),
    ) {
        let exact = quotient(&(BigInt::from(a) * b), &(BigInt::from(d) << 32_u32), round);
        prop_assert_eq!(wide::mul_div_wide(a, b, d, round).ok(), exact);
    }

    #[test]
    fn mul_div_wide_is_exact_where_the_quotient_fits(
        a in any::<u128>(), b in any_word(), d in any_word(), k in 0..96_u32, round in any_round(),
    ) {
        let exact = quotient(&(BigInt::from(a >> k) * b), &(BigInt::from(d) << 32_u32), round);
        prop_assert_eq!(wide::mul_div_wide(a >> k, b, d, round).ok(), exact);
    }

    #[test]
    fn shift_right_is_the_exact_quotient(value in any_wide(), bits in 0..64_u32, round in any_round()) {
        let exact = quotient(&value.into(), &(BigInt::from(1) << bits), round);
        prop_assert_eq!(wide::shift_right(value, bits, round).ok(), exact);
    }

    #[test]
    fn a_share_in_ppm_is_the_exact_quotient(amount in any_word(), ppm in any::<u32>()) {
        let product = BigInt::from(amount) * ppm;
        let million = BigInt::from(1_000_000);
        prop_assert_eq!(ppm_floor(amount, ppm).ok(), quotient(&product, &million, Round::Down));
        prop_assert_eq!(ppm_ceil(amount, ppm).ok(), quotient(&product, &million, Round::Up));
    }

    #[test]
    fn a_notional_is_the_exact_product_rounded_as_named(lots in any_word(), bits in 1_u64 << 20..=1 << 46) {
        let (price, one) = (Price::from_bits(bits).unwrap(), BigInt::from(1_u64 << 32));
        let product = BigInt::from(lots) * bits;
        prop_assert_eq!(price.mul_floor(lots).ok(), quotient(&product, &one, Round::Down));
        prop_assert_eq!(price.mul_ceil(lots).ok(), quotient(&product, &one, Round::Up));
    }

    #[test]
    fn a_price_exists_exactly_within_its_range(bits in any_word()) {
        prop_assert_eq!(Price::from_bits(bits).is_ok(), (1 << 20..=1_u64 << 46).contains(&bits));
    }

    #[test]
    fn a_carry_index_keeps_every_bit_and_multiplies_exactly(low in any_word(), high in any_word(), lots in any::<i64>()) {
        let bits = i128::from_le_bytes(wide::join(low, high).to_le_bytes());
        let mut index = CarryIndex::default();
        index.set(I80F48::from_bits(bits));
        prop_assert_eq!(index.get().to_bits(), bits);
        let exact = i64::try_from(bits).ok().and_then(|_| {
            quotient(&(BigInt::from(bits) * lots), &(BigInt::from(1) << 48_u32), Round::Down).map(Quote)
        });
        prop_assert_eq!(index.mul_floor(Lots(lots)).ok(), exact);
    }

    #[test]
    fn a_normal_price_is_price_less_carry_and_multiplies_exactly(
        bits in 1_u64 << 20..=1 << 46, low in any_word(), sign in any::<bool>(), lots in any::<i64>(),
    ) {
        let carry = if sign { i128::from(low) } else { -i128::from(low) };
        let mut index = CarryIndex::default();
        index.set(I80F48::from_bits(carry));
        let exact = i64::try_from((i128::from(bits) << 16) - carry).ok().map(NormalPrice);
        let normal = NormalPrice::new(Price::from_bits(bits).unwrap(), index).ok();
        prop_assert_eq!(normal, exact);
        if let Some(normal) = normal {
            let value = quotient(&(BigInt::from(normal.0) * lots), &(BigInt::from(1) << 48_u32), Round::Down);
            prop_assert_eq!(normal.mul_floor(Lots(lots)).ok(), value.map(Quote));
        }
    }

    #[test]
    fn signed_amounts_add_exactly_or_say_overflow(a in any_word(), b in any_word()) {
        let (a, b) = (a.cast_signed(), b.cast_signed());
        prop_assert_eq!(Quote(a).plus(Quote(b)).ok().map(|x| x.0), a.checked_add(b));
        prop_assert_eq!(Quote(a).minus(Quote(b)).ok().map(|x| x.0), a.checked_sub(b));
        let sum = a.checked_add(b).filter(|x| x.unsigned_abs() <= MAX_LOTS);
        prop_assert_eq!(Lots(a).plus(Lots(b)).ok().map(|x| x.0), sum);
    }
}

#[test]
fn the_least_signed_word_fits_and_its_negation_does_not() {
    let least = 1_u64 << 63;
    assert_eq!(wide::with_sign(least, true), Ok(i64::MIN));
    assert_eq!(wide::with_sign(least, false), Err(EngineError::Overflow));
    assert_eq!(wide::mul_div_floor_signed(i64::MIN, 3, 3), Ok(i64::MIN));
    assert_eq!(wide::mul_div_ceil_signed(i64::MIN, 5, 5), Ok(i64::MIN));
    assert_eq!(wide::mul_div_floor_signed(i64::MIN, 4, 3), Err(EngineError::Overflow));
}

#[test]
fn lots_take_the_sign_of_their_side_up_to_the_largest_magnitude() {
    assert_eq!(Lots::on(Side::Long, 7), Ok(Lots(7)));
    assert_eq!(Lots::on(Side::Short, 7), Ok(Lots(-7)));
    assert_eq!(Lots::on(Side::Short, MAX_LOTS).map(Lots::count), Ok(MAX_LOTS));
    assert_eq!(Lots::on(Side::Long, MAX_LOTS + 1), Err(EngineError::Overflow));
}

#[test]
fn a_side_is_read_back_as_it_was_stored_and_nothing_else_is_a_side() {
    for side in Side::BOTH {
        assert_eq!(Side::from_byte(side.to_byte()), Ok(side));
        assert_eq!(side.opposite().opposite(), side);
        assert_ne!(side.opposite(), side);
    }
    assert!((2..=u8::MAX).all(|byte| Side::from_byte(byte).is_err()));
}
