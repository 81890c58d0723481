//! Attacks on governance: whoever holds the keys takes nothing that is not his, and keeps nobody in.

mod after_the_delay;
mod april_2026;
mod auction;
mod griefing;
mod impostures;
mod in_force;
mod kept_in;
mod leaving;
mod outsiders;
mod payloads;
mod stage;
#[path = "../attack_liquidation/support.rs"]
mod support;
mod volley;
