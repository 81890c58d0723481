//! Crashes and large books on the compiled program: who pays what, and what it costs.

mod book;
mod books;
mod crash;
mod exposed;
mod keepers;
mod payers;
mod reduce;
