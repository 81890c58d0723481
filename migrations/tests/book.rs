//! The book's page of values: what the risk files of the repository set. `make book-pages` writes it.

#[path = "../../tests/book/page.rs"]
#[allow(dead_code, reason = "what other pages of the reference are made with")]
mod page;

use std::fmt::Write as _;
use std::path::Path;

use bulwark_migrate::RiskFile;
use bulwark_sdk::engine::tighten::Governed;

use page::number;

const HEAD: &str = "\
# Values

<!-- Made by migrations/tests/book.rs from the risk files: `make book-pages` writes it. -->

What the two risk files of the repository set, in the integers of the program: lots, smallest units of a token, ppm, seconds. The files themselves
are in human units. `localnet.toml` is what `make localnet` starts; `mainnet.toml` is an example to be read before it is used. What each parameter is,
its bounds and steps are in the [table of parameters](parameters.md).
";

/// A file by its name.
fn load(name: &str) -> (&str, RiskFile) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    (name, RiskFile::load(&path).unwrap_or_else(|error| panic!("{error}")))
}

/// A table with one column for each set of parameters.
fn table<P: Governed>(title: &str, sets: &[(String, P)]) -> String {
    let mut text = format!("\n## {title}\n\n| parameter |");
    for (name, _) in sets {
        write!(text, " {name} |").expect("a string");
    }
    writeln!(text, "\n|---|{}", "---:|".repeat(sets.len())).expect("a string");
    let columns: Vec<Vec<u64>> = sets.iter().map(|(_, set)| set.values().into_iter().collect()).collect();
    for (row, rule) in P::RULES.iter().enumerate() {
        let cells: Vec<String> = columns.iter().map(|column| number(column[row])).collect();
        writeln!(text, "| `{}` | {} |", rule.name, cells.join(" | ")).expect("a string");
    }
    text
}

#[test]
fn the_page_of_values_is_current() {
    let files = [load("localnet.toml"), load("mainnet.toml")];
    let (mut markets, mut vaults) = (Vec::new(), Vec::new());
    for (name, file) in &files {
        let short = name.trim_end_matches(".toml");
        markets.extend(file.markets.iter().map(|m| (format!("{} ({short})", m.name), m.params)));
        let all = std::iter::once(&file.quote).chain(&file.vaults);
        vaults.extend(all.map(|v| (format!("{} ({short})", v.name), v.params)));
    }
    let name = |name: &str| name.trim_end_matches(".toml").to_string();
    let pools: Vec<_> = files.iter().map(|(file, f)| (name(file), f.pool)).collect();
    let exchanges: Vec<_> = files.iter().map(|(file, f)| (name(file), f.exchange)).collect();
    let funds: Vec<_> = files.iter().map(|(file, f)| (name(file), f.insurance)).collect();
    let tables = [
        table("Markets", &markets),
        table("Vaults", &vaults),
        table("Pool", &pools),
        table("Exchange", &exchanges),
        table("Insurance fund", &funds),
    ];
    page::check("values.md", &format!("{HEAD}{}", tables.concat()));
}
