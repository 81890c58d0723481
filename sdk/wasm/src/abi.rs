//! What the module exports: memory for a question, the call, and the return of the memory.
//!
//! A question is written to `bulwark_alloc(length)` and asked with `bulwark_ask(pointer, length)`, which takes it. The
//! answer is at the upper half of what that returns, as long as the lower half says; `bulwark_free` takes it back.

use std::alloc::{Layout, alloc, dealloc};

fn layout(length: usize) -> Option<Layout> {
    Layout::array::<u8>(length.max(1)).ok()
}

/// Memory for `length` bytes; null if there is none.
#[unsafe(no_mangle)]
pub extern "C" fn bulwark_alloc(length: usize) -> *mut u8 {
    // SAFETY: the layout is of at least one byte.
    layout(length).map_or(std::ptr::null_mut(), |layout| unsafe { alloc(layout) })
}

/// Takes memory of [`bulwark_alloc`] or of an answer back.
///
/// # Safety
/// `pointer` and `length` are those of one [`bulwark_alloc`] or answer that was not taken back yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bulwark_free(pointer: *mut u8, length: usize) {
    if let Some(layout) = layout(length) {
        // SAFETY: the caller's promise; both kinds were allocated with this layout.
        unsafe { dealloc(pointer, layout) }
    }
}

/// Answers the question in this memory, and takes it back. The answer's pointer is the upper half, its length the lower.
///
/// # Safety
/// `pointer` and `length` are those of one [`bulwark_alloc`], filled, and not taken back yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bulwark_ask(pointer: *mut u8, length: usize) -> u64 {
    // SAFETY: the caller's promise.
    let answer = crate::reply(unsafe { std::slice::from_raw_parts(pointer, length) });
    // SAFETY: as above; the question is not used any more.
    unsafe { bulwark_free(pointer, length) };
    let answer = answer.into_boxed_slice();
    let length = answer.len() as u64;
    let pointer = Box::into_raw(answer).cast::<u8>() as usize as u64;
    (pointer << 32) | length
}
