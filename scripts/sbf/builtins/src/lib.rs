//! Runtime support functions ("libcalls") for Solana programs compiled by upstream
//! rustc and LLVM 23.
//!
//! LLVM 23's BPF backend passes an i128 argument in two registers and returns an i128
//! from a libcall in the register pair R0:R2. rustc (up to 1.96) returns any value over
//! 64 bits through an out-pointer, so the 128-bit functions of `compiler_builtins` do not
//! match the calls that LLVM emits. `extern "unadjusted"` is the plain LLVM signature.
//!
//! Compiled once to bitcode and handed to the linker as one more input: its strong symbols
//! replace the weak ones of `compiler_builtins`.
#![cfg_attr(target_arch = "bpf", no_std, feature(abi_unadjusted), allow(internal_features))]

/// An unsigned 128-bit number as (low, high) words: whole-u128 operators would call back into here.
type Wide = (u64, u64);

const LOW: u64 = u32::MAX as u64;

/// Quotient of native 64-bit words; the caller guarantees `b != 0`.
#[inline(always)]
fn quot(a: u64, b: u64) -> u64 {
    // SAFETY: every call site has excluded zero.
    unsafe {
        if b == 0 {
            core::hint::unreachable_unchecked()
        }
    }
    a / b
}

/// Number of leading zero bits by halving: BPF has no such instruction.
#[inline(always)]
fn leading_zeros(mut x: u64) -> u32 {
    if x == 0 {
        return 64;
    }
    let mut n = 0;
    macro_rules! halve { ($($bits:literal)*) => {$( if x >> (64 - $bits) == 0 { n += $bits; x <<= $bits; } )*} }
    halve!(32 16 8 4 2 1);
    n
}

#[inline(always)]
fn widening_mul(a: u64, b: u64) -> Wide {
    let (a1, a0, b1, b0) = (a >> 32, a & LOW, b >> 32, b & LOW);
    let low = a0.wrapping_mul(b0);
    let mid = a1.wrapping_mul(b0).wrapping_add(low >> 32);
    let mid2 = a0.wrapping_mul(b1).wrapping_add(mid & LOW);
    let high = a1.wrapping_mul(b1).wrapping_add(mid >> 32).wrapping_add(mid2 >> 32);
    ((mid2 << 32) | (low & LOW), high)
}

#[inline(always)]
pub fn mul(a: Wide, b: Wide) -> Wide {
    let (low, high) = widening_mul(a.0, b.0);
    (low, high.wrapping_add(a.0.wrapping_mul(b.1)).wrapping_add(a.1.wrapping_mul(b.0)))
}

#[inline(always)]
fn sub(a: Wide, b: Wide) -> Wide {
    let (low, borrow) = a.0.overflowing_sub(b.0);
    (low, a.1.wrapping_sub(b.1).wrapping_sub(borrow as u64))
}

#[inline(always)]
fn shl(a: Wide, n: u32) -> Wide {
    if n == 0 { a } else { (a.0 << (n & 63), (a.1 << (n & 63)) | (a.0 >> ((64 - n) & 63))) }
}

/// One 32-bit digit of schoolbook division: `rest = high:next` by normalized `d`, `high < d`.
#[inline(always)]
fn digit(high: u64, next: u64, d: u64) -> (u64, u64) {
    let (d1, d0) = (d >> 32, d & LOW);
    let mut q = quot(high, d1);
    let mut rest = high.wrapping_sub(q.wrapping_mul(d1));
    // The estimate from the top digit is at most two too large.
    while rest <= LOW && (q > LOW || q.wrapping_mul(d0) > (rest << 32 | next)) {
        q -= 1;
        rest = rest.wrapping_add(d1);
    }
    (q, (high << 32 | next).wrapping_sub(q.wrapping_mul(d)))
}

/// `high:low / d` for `high < d`: (quotient, remainder), both one word.
#[inline(always)]
fn div_word(high: u64, low: u64, d: u64) -> (u64, u64) {
    let s = leading_zeros(d);
    let (low, high) = shl((low, high), s);
    let d = d << (s & 63);
    let (q1, rest) = digit(high, low >> 32, d);
    let (q0, rest) = digit(rest, low & LOW, d);
    (q1 << 32 | q0, rest >> (s & 63))
}

/// (n / d, n % d); `d == 0` gives (0, n), which safe Rust has excluded before.
#[inline(always)]
pub fn div_rem(n: Wide, d: Wide) -> (Wide, Wide) {
    if d.1 == 0 {
        if d.0 == 0 {
            return ((0, 0), n);
        }
        if n.1 == 0 {
            let q = quot(n.0, d.0);
            return ((q, 0), (n.0.wrapping_sub(q.wrapping_mul(d.0)), 0));
        }
        if d.0 <= LOW {
            // Short division in 32-bit digits: every partial dividend fits one word.
            let q2 = quot(n.1, d.0);
            let part = (n.1.wrapping_sub(q2.wrapping_mul(d.0))) << 32 | n.0 >> 32;
            let q1 = quot(part, d.0);
            let part = (part.wrapping_sub(q1.wrapping_mul(d.0))) << 32 | n.0 & LOW;
            let q0 = quot(part, d.0);
            return ((q1 << 32 | q0, q2), (part.wrapping_sub(q0.wrapping_mul(d.0)), 0));
        }
        let q_high = quot(n.1, d.0);
        let high = n.1.wrapping_sub(q_high.wrapping_mul(d.0));
        let (q_low, rest) = if high == 0 {
            let q = quot(n.0, d.0);
            (q, n.0.wrapping_sub(q.wrapping_mul(d.0)))
        } else {
            div_word(high, n.0, d.0)
        };
        return ((q_low, q_high), (rest, 0));
    }
    if n.1 < d.1 {
        return ((0, 0), n);
    }
    // The quotient fits one word. Divide half of n by the top word of the normalized divisor,
    // scale back, step down once so that it is never too large, and correct upwards.
    let s = leading_zeros(d.1);
    let top = shl(d, s).1;
    let (estimate, _) = div_word(n.1 >> 1, n.1 << 63 | n.0 >> 1, top);
    let mut q = (estimate >> ((63 - s) & 63)).saturating_sub(1);
    let mut rest = sub(n, mul((q, 0), d));
    while rest.1 > d.1 || (rest.1 == d.1 && rest.0 >= d.0) {
        q += 1;
        rest = sub(rest, d);
    }
    ((q, 0), rest)
}

#[inline(always)]
fn negate_if(yes: bool, a: Wide) -> Wide {
    if yes { sub((0, 0), a) } else { a }
}

/// Truncating signed division: the quotient has the sign of n·d, the remainder that of n.
#[inline(always)]
pub fn signed_div_rem(n: Wide, d: Wide) -> (Wide, Wide) {
    let (n_neg, d_neg) = ((n.1 as i64) < 0, (d.1 as i64) < 0);
    let (q, r) = div_rem(negate_if(n_neg, n), negate_if(d_neg, d));
    (negate_if(n_neg != d_neg, q), negate_if(n_neg, r))
}

#[cfg(target_arch = "bpf")]
mod exports {
    use super::*;

    #[inline(always)]
    fn split(x: u128) -> Wide {
        (x as u64, (x >> 64) as u64)
    }
    #[inline(always)]
    fn join(x: Wide) -> u128 {
        (x.1 as u128) << 64 | x.0 as u128
    }

    #[unsafe(no_mangle)]
    pub extern "unadjusted" fn __multi3(a: u128, b: u128) -> u128 {
        join(mul(split(a), split(b)))
    }
    #[unsafe(no_mangle)]
    pub extern "unadjusted" fn __udivti3(n: u128, d: u128) -> u128 {
        join(div_rem(split(n), split(d)).0)
    }
    #[unsafe(no_mangle)]
    pub extern "unadjusted" fn __umodti3(n: u128, d: u128) -> u128 {
        join(div_rem(split(n), split(d)).1)
    }
    #[unsafe(no_mangle)]
    pub extern "unadjusted" fn __divti3(n: u128, d: u128) -> u128 {
        join(signed_div_rem(split(n), split(d)).0)
    }
    #[unsafe(no_mangle)]
    pub extern "unadjusted" fn __modti3(n: u128, d: u128) -> u128 {
        join(signed_div_rem(split(n), split(d)).1)
    }

    /// Runtime syscalls are called by the hash of their name (static syscalls, SBPF v3).
    macro_rules! syscall {
        ($hash:literal, ($($t:ty),*), ($($v:expr),*)) => {{
            let f: unsafe extern "C" fn($($t),*) -> u64 = core::mem::transmute($hash as usize);
            f($($v),*);
        }};
    }
    /// A syscall costs at least 10 compute units; below this many bytes a loop is cheaper.
    const LOOP_BELOW: usize = 40;

    #[unsafe(no_mangle)]
    pub unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, n: usize) -> *mut u8 {
        unsafe {
            if n > LOOP_BELOW {
                syscall!(0x717CC4A3, (*mut u8, *const u8, usize), (to, from, n));
            } else {
                up(to, from, n);
            }
            to
        }
    }
    #[unsafe(no_mangle)]
    pub unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, n: usize) -> *mut u8 {
        unsafe {
            if n > LOOP_BELOW {
                syscall!(0x434371F8, (*mut u8, *const u8, usize), (to, from, n));
            } else if (to as usize) <= (from as usize) {
                up(to, from, n);
            } else {
                let mut i = n;
                while i >= 8 {
                    i -= 8;
                    (to.add(i) as *mut u64).write_unaligned((from.add(i) as *const u64).read_unaligned());
                }
                while i > 0 {
                    i -= 1;
                    to.add(i).write(from.add(i).read());
                }
            }
            to
        }
    }
    #[unsafe(no_mangle)]
    pub unsafe extern "C" fn memset(to: *mut u8, value: i32, n: usize) -> *mut u8 {
        unsafe {
            if n > 2 * LOOP_BELOW {
                syscall!(0x3770FB22, (*mut u8, u8, usize), (to, value as u8, n));
            } else {
                let word = u64::from(value as u8).wrapping_mul(0x0101_0101_0101_0101);
                let mut i = 0;
                while n - i >= 8 {
                    (to.add(i) as *mut u64).write_unaligned(word);
                    i += 8;
                }
                while i < n {
                    to.add(i).write(value as u8);
                    i += 1;
                }
            }
            to
        }
    }
    #[unsafe(no_mangle)]
    pub unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, n: usize) -> i32 {
        unsafe {
            if n > LOOP_BELOW {
                let mut order = 0i32;
                syscall!(0x5FDCDE31, (*const u8, *const u8, usize, *mut i32), (a, b, n, &mut order));
                return order;
            }
            let mut i = 0;
            while n - i >= 8
                && (a.add(i) as *const u64).read_unaligned() == (b.add(i) as *const u64).read_unaligned()
            {
                i += 8;
            }
            while i < n {
                let order = i32::from(a.add(i).read()) - i32::from(b.add(i).read());
                if order != 0 {
                    return order;
                }
                i += 1;
            }
            0
        }
    }
    #[unsafe(no_mangle)]
    pub unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, n: usize) -> i32 {
        unsafe { memcmp(a, b, n) }
    }

    /// Copies upwards, a word at a time while it can.
    #[inline(always)]
    unsafe fn up(to: *mut u8, from: *const u8, n: usize) {
        unsafe {
            let mut i = 0;
            while n - i >= 8 {
                (to.add(i) as *mut u64).write_unaligned((from.add(i) as *const u64).read_unaligned());
                i += 8;
            }
            while i < n {
                to.add(i).write(from.add(i).read());
                i += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of every width, dense around powers of two.
    fn draw(state: &mut u64) -> u128 {
        let mut next = || {
            *state ^= *state << 13;
            *state ^= *state >> 7;
            *state ^= *state << 17;
            *state
        };
        let x = (u128::from(next()) << 64) | u128::from(next());
        let x = match next() % 8 {
            0 => u128::MAX,
            1 => 1 << (x % 128),
            2 => (1u128 << (x % 128)).wrapping_sub(1),
            3 => x & (u128::from(next()) << 64),
            _ => x,
        };
        x >> (next() % 128)
    }

    #[test]
    fn agrees_with_the_host() {
        let split = |x: u128| (x as u64, (x >> 64) as u64);
        let join = |x: Wide| (u128::from(x.1) << 64) | u128::from(x.0);
        let mut state = 0x9E37_79B9_7F4A_7C15;
        for _ in 0..5_000_000 {
            let (a, b) = (draw(&mut state), draw(&mut state));
            assert_eq!(join(mul(split(a), split(b))), a.wrapping_mul(b));
            if b == 0 {
                continue;
            }
            let (q, r) = div_rem(split(a), split(b));
            assert_eq!((join(q), join(r)), (a / b, a % b), "{a} / {b}");
            let (q, r) = signed_div_rem(split(a), split(b));
            let (sa, sb) = (a as i128, b as i128);
            assert_eq!(
                (join(q) as i128, join(r) as i128),
                (sa.wrapping_div(sb), sa.wrapping_rem(sb)),
                "{sa} / {sb}"
            );
        }
    }
}
