//! Governance over the program as compiled: changes and their delay, every parameter, who signs, and who holds which
//! office; by the multisig that stands in for Squads, and by Squads' own instructions around ours. And what changes are about:
//! the life of a market, oracles, pauses, fees.

mod broken;
mod calls;
mod cast;
mod changes;
mod closing;
mod explain;
mod feeds;
mod fees;
mod governed;
mod lifecycle;
mod multisig;
mod oracles;
mod outage;
mod parameters;
mod pauses;
mod reuse;
mod roles;
mod scene;
mod settling;
mod signing;
mod sources;
mod squads;
mod squads_instructions;
mod stage;
mod threat_model;
mod tickets;
