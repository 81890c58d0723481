//! Attacks on the waterfall and on deleveraging: whoever tries, gains nothing and stops nobody.

mod buckets;
mod claims;
mod decoys;
mod exposure;
mod forfeits;
mod gifts;
mod leaving;
mod many;
mod providers;
mod rebalancing;
mod self_trade;
mod settling;
mod sides;
mod stage;
mod stakers;
#[path = "../attack_liquidation/support.rs"]
mod support;
mod tips;
mod unwinds;
