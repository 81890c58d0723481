//! Changes: proposed, waited for, executed, listed from, cancelled.

mod cancel;
mod creating;
mod hash;
pub mod kinds;
mod listing;
mod number;
mod rent;
mod targets;
mod time;
mod void;
