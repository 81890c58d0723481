//! Operations whose results on chain and on the host have to agree: everything about integers that the compiler
//! turns into a call, a sequence or an instruction of its own on SBPF, and memory with run-time lengths.
//!
//! A [`case`] reads one input record (`a: u128`, `b: u128`, `shift: u32`, padding) and writes [`RESULTS`] results of
//! [`RESULT`] bytes: a tag (1 for a value, 2 for none) and the value sign- or zero-extended to 128 bits.
#![no_std]

/// Bytes of an input record.
pub const INPUT: usize = 40;
/// Bytes of one result.
pub const RESULT: usize = 17;
/// Results of one case.
pub const RESULTS: usize = 70;
/// Bytes of an output record.
pub const OUTPUT: usize = RESULTS * RESULT;

/// Runs every operation on one input record, and returns how many results it wrote.
pub fn case(input: &[u8], output: &mut [u8]) -> usize {
    let a = u128::from_le_bytes(input[..16].try_into().unwrap());
    let b = u128::from_le_bytes(input[16..32].try_into().unwrap());
    let shift = u32::from_le_bytes(input[32..36].try_into().unwrap());
    let mut out = Results { bytes: output, count: 0 };
    unsigned_128(&mut out, a, b, shift);
    signed_128(&mut out, a as i128, b as i128, shift);
    words_64(&mut out, [a as u64, b as u64, (a >> 64) as u64], shift);
    words_32(&mut out, a as u32, b as u32, shift);
    out.u64(Some(memory(a as u64 ^ b as u64)));
    out.count
}

struct Results<'a> {
    bytes: &'a mut [u8],
    count: usize,
}

impl Results<'_> {
    #[inline(never)]
    fn u128(&mut self, value: Option<u128>) {
        let record = &mut self.bytes[self.count * RESULT..][..RESULT];
        record[0] = if value.is_some() { 1 } else { 2 };
        record[1..].copy_from_slice(&value.unwrap_or(0).to_le_bytes());
        self.count += 1;
    }

    #[inline(always)]
    fn i128(&mut self, value: Option<i128>) {
        self.u128(value.map(|v| v as u128))
    }

    #[inline(always)]
    fn u64(&mut self, value: Option<u64>) {
        self.u128(value.map(u128::from))
    }

    #[inline(always)]
    fn i64(&mut self, value: Option<i64>) {
        self.i128(value.map(i128::from))
    }
}

// Not inlined: each group is a function of its own, as in a program, within the 4096 bytes of a stack frame.
#[inline(never)]
fn unsigned_128(out: &mut Results, a: u128, b: u128, shift: u32) {
    out.u128(Some(a.wrapping_add(b)));
    out.u128(Some(a.wrapping_sub(b)));
    out.u128(Some(a.wrapping_mul(b)));
    out.u128(a.checked_add(b));
    out.u128(a.checked_sub(b));
    out.u128(a.checked_mul(b));
    out.u128(a.checked_div(b));
    out.u128(a.checked_rem(b));
    out.u128(a.checked_shl(shift));
    out.u128(a.checked_shr(shift));
    out.u128(Some(a.saturating_mul(b)));
    out.u128(Some(a.rotate_left(shift)));
    out.u128(Some(a.swap_bytes()));
    let (leading, trailing) = (u128::from(a.leading_zeros()), u128::from(a.trailing_zeros()));
    out.u128(Some(leading << 64 | trailing << 32 | u128::from(a.count_ones())));
    out.u128(Some(u128::from(a > b) | u128::from(a >= b) << 1 | u128::from(a == b) << 2));
    out.u128(Some(a.isqrt()));
    out.u128(u128::from(a as u64).checked_pow(shift & 7));
}

#[inline(never)]
fn signed_128(out: &mut Results, a: i128, b: i128, shift: u32) {
    out.i128(Some(a.wrapping_mul(b)));
    out.i128(a.checked_add(b));
    out.i128(a.checked_sub(b));
    out.i128(a.checked_mul(b));
    out.i128(a.checked_div(b));
    out.i128(a.checked_rem(b));
    out.i128(a.checked_div_euclid(b));
    out.i128(a.checked_rem_euclid(b));
    out.i128(a.checked_neg());
    out.i128(a.checked_abs());
    out.i128(a.checked_shl(shift));
    out.i128(a.checked_shr(shift));
    out.i128(Some(a.saturating_mul(b)));
    out.i128(Some(a.saturating_add(b)));
    let (product, overflow) = a.overflowing_mul(b);
    out.i128(Some(product ^ i128::from(overflow)));
    out.i128(Some(i128::from(a > b) | i128::from(a >= b) << 1 | a.signum() << 8));
    out.i64(i64::try_from(a).ok());
    out.u64(u64::try_from(a).ok());
}

#[inline(never)]
fn words_64(out: &mut Results, [a, b, c]: [u64; 3], shift: u32) {
    out.u64(a.checked_add(b));
    out.u64(a.checked_sub(b));
    out.u64(a.checked_mul(b));
    out.u64(a.checked_div(b));
    out.u64(a.checked_rem(b));
    out.u64(a.checked_shl(shift));
    let (leading, trailing) = (u64::from(a.leading_zeros()), u64::from(a.trailing_zeros()));
    out.u64(Some(leading | trailing << 8 | u64::from(a.count_ones()) << 16));
    let product = u128::from(a) * u128::from(b);
    out.u128(Some(product));
    out.u128(product.checked_div(u128::from(c)));
    out.u64(product.checked_div(u128::from(c)).and_then(|q| u64::try_from(q).ok()));

    let (x, y, z) = (a as i64, b as i64, c as i64);
    out.i64(x.checked_add(y));
    out.i64(x.checked_sub(y));
    out.i64(x.checked_mul(y));
    out.i64(x.checked_div(y));
    out.i64(x.checked_rem(y));
    out.i64(x.checked_rem_euclid(y));
    out.i64(x.checked_shr(shift));
    let product = i128::from(x) * i128::from(y);
    out.i128(product.checked_div(i128::from(z)));
    out.i64(product.checked_div_euclid(i128::from(z)).and_then(|q| i64::try_from(q).ok()));
    out.i64(Some(x.signum().wrapping_add(x.wrapping_abs())));
}

#[inline(never)]
fn words_32(out: &mut Results, a: u32, b: u32, shift: u32) {
    out.u64(a.checked_add(b).map(u64::from));
    out.u64(a.checked_mul(b).map(u64::from));
    out.u64(a.checked_div(b).map(u64::from));
    out.u64(a.checked_rem(b).map(u64::from));
    out.u64(Some(u64::from(a.rotate_left(shift)) | u64::from(a.swap_bytes()) << 32));

    let (x, y) = (a as i32, b as i32);
    out.i64(x.checked_add(y).map(i64::from));
    out.i64(x.checked_sub(y).map(i64::from));
    out.i64(x.checked_mul(y).map(i64::from));
    out.i64(x.checked_div(y).map(i64::from));
    out.i64(x.checked_rem(y).map(i64::from));
    out.i64(x.checked_shr(shift).map(i64::from));
    out.i64(Some(i64::from(x as i16) + i64::from(x as i8)));
    out.i64((x as i16).checked_mul(y as i16).map(i64::from));
    out.i64((x as i8).checked_div(y as i8).map(i64::from));
}

/// memcpy, memmove, memset, memcmp and bcmp with run-time lengths and overlaps, folded into one hash.
#[inline(never)]
fn memory(seed: u64) -> u64 {
    let mut state = seed | 1;
    let mut below = |limit: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % limit) as usize
    };
    let mut hash = 0xcbf2_9ce4_8422_2325;
    let mut fold = |word: u64| hash = (hash ^ word).wrapping_mul(0x0100_0000_01b3);

    let mut bytes = [0u8; 296];
    for chunk in bytes.chunks_exact_mut(8) {
        chunk.copy_from_slice(&(below(u64::MAX) as u64).to_le_bytes());
    }
    for _ in 0..3 {
        let (length, x, y) = (below(140), below(150), below(150));
        bytes.copy_within(x..x + length, y);
        let mut copy = [0u8; 140];
        copy[..length].copy_from_slice(&bytes[x..x + length]);
        let filled = below(120);
        bytes[y..y + filled].fill(below(256) as u8);
        let compared = below(140);
        fold(copy[..compared].cmp(&bytes[x..x + compared]) as i8 as u64);
        fold(u64::from(bytes[x..x + compared % 60] == bytes[y..y + compared % 60]));
        for chunk in bytes.chunks_exact(8) {
            fold(u64::from_le_bytes(chunk.try_into().unwrap()));
        }
    }
    hash
}
