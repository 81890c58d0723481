//! Turns the compiled engine for the TypeScript SDK into a TypeScript file that holds it as text, so that neither node nor a
//! browser has to load anything.
//!
//! Crates of others export functions of their own, and import some, as soon as they are compiled to WebAssembly. Only what
//! the engine's own exports need is kept, and that imports nothing.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use walrus::{Module, ModuleConfig};

/// What the engine exports: its functions and its memory.
const EXPORTS: [&str; 4] = ["bulwark_alloc", "bulwark_ask", "bulwark_free", "memory"];

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args_os().skip(1).map(PathBuf::from);
    let (from, to) = args.next().zip(args.next()).context("usage: bulwark-wasm-bundle FILE.wasm FILE.ts")?;
    let mut module = ModuleConfig::new().generate_name_section(false).parse_file(&from)?;
    bundle(&mut module)?;
    let bytes = module.emit_wasm();
    let text = STANDARD.encode(&bytes);
    std::fs::write(&to, format!("// Compiled from sdk/wasm.\nexport const engineBytes =\n  \"{text}\";\n"))?;
    println!("{}: {} bytes of WebAssembly", to.display(), bytes.len());
    Ok(())
}

fn bundle(module: &mut Module) -> anyhow::Result<()> {
    let (ours, theirs): (Vec<_>, Vec<_>) =
        module.exports.iter().partition(|export| EXPORTS.contains(&export.name.as_str()));
    ensure!(ours.len() == EXPORTS.len(), "the engine does not export {EXPORTS:?}");
    for export in theirs.into_iter().map(walrus::Export::id).collect::<Vec<_>>() {
        module.exports.delete(export);
    }
    let sections: Vec<_> = module.customs.iter().map(|(id, _)| id).collect();
    for section in sections {
        module.customs.delete(section);
    }
    walrus::passes::gc::run(module);
    let imports: Vec<_> =
        module.imports.iter().map(|import| format!("{}.{}", import.module, import.name)).collect();
    ensure!(imports.is_empty(), "the engine may import nothing, and asks for {imports:?}");
    Ok(())
}
