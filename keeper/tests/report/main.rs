//! The report: its numbers against the program in an embedded runtime, its reading against a local network.

mod earnings;
mod life;
mod risks;
mod scene;
mod shocks;
mod text;
