//! Writes what the TypeScript SDK is compared with: `parity FOLDER`.
//!
//! Random walks over the compiled program bring accounts of all kinds about. At many moments of theirs everything that the
//! Rust SDK says is written down, beside the bytes that it says it of. Numbers are decimal text, so that no reader rounds
//! them. What is written is a function of the seeds.

mod instructions;
mod leaves;
mod portfolios;
mod scene;
mod wide;

use std::path::PathBuf;
use std::process::ExitCode;

use bulwark_tests::walk::Walk;
use bulwark_tests::walk::rng::Rng;
use serde_json::{Value, json};

use scene::Scene;

/// Walks, one for each seed.
const SEEDS: [u64; 3] = [1, 2, 3];
/// Moments of a walk that are written down.
const MOMENTS: u64 = 24;
/// Steps between two of them.
const APART: u64 = 40;

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: parity FOLDER");
        return ExitCode::FAILURE;
    };
    match write(&folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("parity: {}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}

fn write(folder: &std::path::Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let (mut scenes, mut events) = (Vec::new(), Vec::new());
    for seed in SEEDS {
        let (mut walk, mut rng) = (Walk::new(seed), Rng::new(seed));
        for _ in 0..MOMENTS {
            if let Err(failure) = walk.run(APART) {
                return Err(std::io::Error::other(failure.to_string()));
            }
            let scene = Scene::of(&walk.world, &walk.stage);
            scenes.push(scene.write(&mut rng));
            scenes.push(wide::of(&scene, &mut rng).write(&mut rng));
        }
        events.extend(walk.world.journal.iter().map(leaves::event));
    }
    let portfolios: usize =
        scenes.iter().map(|scene| scene["portfolios"].as_array().map_or(0, Vec::len)).sum();
    let others = instructions::without_account();
    let save = |name: &str, value: &Value| std::fs::write(folder.join(name), value.to_string());
    save("scenes.json", &json!(scenes))?;
    save("events.json", &json!(events))?;
    save("instructions.json", &json!(others))?;
    println!("{} moments, {portfolios} portfolios, {} events", scenes.len(), events.len());
    Ok(())
}
