//! A risk file applied to the compiled program in an embedded runtime.

mod guard;
mod listing;
mod proposals;
mod resume;
mod support;
mod upload;
