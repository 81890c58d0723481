//! What the keeper finds and plans, sent to the compiled program in the embedded runtime.

mod allocate;
mod bankruptcy;
mod bot;
mod collateral;
mod crash;
mod deleverage;
mod idle;
mod liquidate;
mod refresh;
mod settle;
mod stage;
mod trigger;
mod walk;
