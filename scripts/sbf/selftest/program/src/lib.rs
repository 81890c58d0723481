//! The program of the self-test. It has one writable account and two instructions:
//!
//! * `[0]`: the account holds a number of cases, their inputs and room for their outputs; all cases are run.
//! * `[1, kind, 0]`: panics in the given way. The zero is only known at run time, and the runner finds the line that
//!   the runtime has to report by the comment at its end.

use selftest_ops::{INPUT, OUTPUT, case};

/// Offset of the account's data length in the runtime's input: the number of accounts, flags, key, owner, lamports.
const DATA_LENGTH: usize = 8 + 8 + 32 + 32 + 8;
/// Room that the runtime leaves for the account to grow.
const SPARE: usize = 10 * 1024;

/// # Safety
///
/// `input` is what the runtime passes for one account.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn entrypoint(input: *mut u8) -> u64 {
    // SAFETY: the layout of the runtime's input, in which everything has eight-byte alignment.
    let (data, instruction) = unsafe {
        let length = *input.add(DATA_LENGTH).cast::<u64>() as usize;
        let data = core::slice::from_raw_parts_mut(input.add(DATA_LENGTH + 8), length);
        let rent_epoch = (DATA_LENGTH + 8 + length + SPARE).next_multiple_of(8);
        let length = *input.add(rent_epoch + 8).cast::<u64>() as usize;
        (data, core::slice::from_raw_parts(input.add(rent_epoch + 16), length))
    };
    match *instruction {
        [1, kind, zero] => panics(kind, zero, data),
        _ => run(data),
    }
}

fn run(data: &mut [u8]) -> u64 {
    let (count, records) = data.split_first_chunk_mut::<8>().unwrap();
    let (inputs, outputs) = records.split_at_mut(u64::from_le_bytes(*count) as usize * INPUT);
    for (input, output) in inputs.chunks_exact(INPUT).zip(outputs.chunks_exact_mut(OUTPUT)) {
        case(input, output);
    }
    0
}

fn panics(kind: u8, zero: u8, data: &[u8]) -> u64 {
    let value = match kind {
        0 => zero - 1,                                            // panic: overflow
        1 => data[data.len() + usize::from(zero)],                // panic: index
        2 => 100 / zero,                                          // panic: division
        3 => panic!("formatted {zero}"),                          // panic: explicit
        4 => zero.checked_sub(1).unwrap(),                        // panic: unwrap
        _ => u8::try_from(i32::from(zero) - 1).expect("message"), // panic: expect
    };
    u64::from(value)
}
