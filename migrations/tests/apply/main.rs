//! A risk file applied to the compiled program in an embedded runtime.

mod proposals;
mod resume;
mod support;
mod upload;
