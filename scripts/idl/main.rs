//! Prints the interface description of the program crate in the folder that is named, as `anchor build` would write it.
//! It is made from what the program's own macros know, by a test build of the program.

use std::path::PathBuf;

use anchor_lang_idl::build::IdlBuilder;
use anchor_lang_idl::types::Idl;
use anyhow::{Context as _, ensure};
use regex::{Captures, Regex};

fn main() -> anyhow::Result<()> {
    let folder = std::env::args_os().nth(1).context("usage: bulwark-idl FOLDER_OF_THE_PROGRAM")?;
    let folder = PathBuf::from(folder).canonicalize()?;
    // The profile is this tool's alone: Anchor's macros read the environment that they are compiled in.
    let cargo_args = ["--lib", "--locked", "--profile", "idl"].map(String::from).to_vec();
    let idl = IdlBuilder::new().program_path(folder).cargo_args(cargo_args).build()?;
    println!("{}", serde_json::to_string_pretty(&plain_names(&idl)?)?);
    Ok(())
}

/// Two types of one name keep their module paths in Anchor's description, and no client generator likes those. An account
/// of the program and the engine's struct inside it, its `core`, are such pairs: `Market` and `MarketCore`.
fn plain_names(idl: &Idl) -> anyhow::Result<Idl> {
    let path = Regex::new(r#""(\w+)::(?:\w+::)*(\w+)""#)?;
    let text = serde_json::to_string(idl)?;
    let text = path.replace_all(&text, |path: &Captures<'_>| {
        let suffix = if path[1] == idl.metadata.name { "" } else { "Core" };
        format!("\"{}{suffix}\"", &path[2])
    });
    let mut idl: Idl = serde_json::from_str(&text)?;
    idl.accounts.sort_by(|a, b| a.name.cmp(&b.name));
    idl.types.sort_by(|a, b| a.name.cmp(&b.name));
    let twins = idl.types.windows(2).find(|pair| pair[0].name == pair[1].name);
    ensure!(twins.is_none(), "two types of one name: {twins:?}");
    Ok(idl)
}
