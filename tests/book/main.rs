//! The pages of the book that are made from the program: parameters, instructions, events, errors.
//!
//! They are committed, and these tests fail when one is not what the program says now. `make book-pages` writes them.

mod fields;
mod interface;
mod page;
mod parameters;
mod probe;
