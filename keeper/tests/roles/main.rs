//! What the keeper finds and plans, sent to the compiled program in the embedded runtime.

mod bot;
mod crash;
