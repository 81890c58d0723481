//! The interface description that clients are made from, `idl/bulwark.json`: it describes the program as compiled, and it
//! shows which instructions can move tokens at all.

mod description;
mod destinations;
mod layouts;
mod money;
mod support;
