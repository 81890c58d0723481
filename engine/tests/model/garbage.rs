//! Bytes that no sequence of operations wrote.

use bulwark_engine::market::Market;
use bulwark_engine::position::Position;
use bulwark_engine::units::Price;
use proptest::prelude::*;

use super::world::{HALF, PARAMS};

/// Words at the edges of every type that the bytes are read as.
pub fn any_word() -> impl Strategy<Value = u64> {
    prop_oneof![
        3 => any::<u64>(),
        2 => (0..64_u32, -1..=1_i64).prop_map(|(k, d)| (1_u64 << k).wrapping_add_signed(d)),
        1 => Just(0),
        1 => Just(u64::MAX),
        1 => Just(i64::MAX.cast_unsigned()),
        2 => (0..64_u32, any::<u64>()).prop_map(|(k, x)| x >> k),
    ]
}

/// Fills a pod from a short cycle of words, so that a case stays small enough to generate and to read.
pub fn pod<T: bytemuck::Pod>(words: &[u64]) -> Box<T> {
    let mut value = Box::new(T::zeroed());
    let bytes = bytemuck::bytes_of_mut(&mut *value);
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for chunk in bytes.chunks_mut(8) {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let count = u64::try_from(words.len()).unwrap();
        let word = words[usize::try_from((state >> 33) % count).unwrap()];
        chunk.copy_from_slice(&word.to_le_bytes()[..chunk.len()]);
    }
    value
}

prop_compose! {
    /// Garbage, with the fields that would end every operation at once mostly sound.
    pub fn any_market()(
        words in prop::collection::vec(any_word(), 1..40), sides in 0..8_u8, price in any::<bool>(),
        bits in 1_u64 << 20..=1 << 46, sane in any::<bool>(),
    ) -> Box<Market> {
        let mut market = pod::<Market>(&words);
        if sides != 0 {
            market.book.long.side = 0;
            market.book.short.side = 1;
        }
        if price {
            market.oracle = super::world::oracle(HALF);
            market.oracle.price = Price::from_bits(bits).unwrap();
        }
        if sane {
            market.params = PARAMS;
        }
        market
    }
}

prop_compose! {
    /// Garbage, or a member of some bucket.
    pub fn any_position()(words in prop::collection::vec(any_word(), 4..8), sane in any::<bool>(), side in 0..2_u8) -> Position {
        let mut position = *pod::<Position>(&words);
        if sane {
            position.side = side;
            position.in_use = 1;
            position.bucket %= 128;
        }
        position
    }
}
