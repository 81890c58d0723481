//! Compute units of every instruction on the compiled program.
//!
//! Prints the table and writes `target/bench/cu.json`. `--write` rewrites the committed table `bench/cu.md`;
//! `--check` fails when a number is more than 2 % above it or over its budget, or when a row is missing.

mod measure;
mod shapes;
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bulwark_sdk::program::state::{Change, Exchange, InsuranceFund, MarginAccount, Market, Pool, Vault};
use bulwark_sdk::units::format_amount;
use bulwark_tests::World;
use bulwark_tests::world::program_bytes;

use table::{Table, markdown, thousands};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Print,
    Check,
    Write,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mode = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Mode::Print,
        ["--check"] => Mode::Check,
        ["--write"] => Mode::Write,
        _ => return Err("usage: bulwark-bench [--check | --write]".into()),
    };
    let table = measure::all()?;
    print!("{}", table.to_markdown());
    let json = serde_json::to_string_pretty(&table.to_json()).map_err(|e| e.to_string())?;
    write(&target().join("bench/cu.json"), &format!("{json}\n"))?;
    let committed = root().join("bench/cu.md");
    if mode == Mode::Write {
        write(&committed, &document(&table))?;
    }
    for line in table.over_budget() {
        println!("{line}");
    }
    if mode == Mode::Check { check(&table, &committed) } else { Ok(()) }
}

/// Compares with the committed table.
fn check(table: &Table, path: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let committed = Table::from_markdown(&text).map_err(|e| format!("{}: {e}", path.display()))?;
    for line in table.improvements(&committed) {
        println!("fell, `make bench-write` would keep it: {line}");
    }
    let offences = table.offences(&committed);
    if offences.is_empty() {
        println!("no number is over its budget or more than 2 % above bench/cu.md");
        return Ok(());
    }
    Err(format!("against bench/cu.md:\n  {}", offences.join("\n  ")))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    folder.and_then(|()| std::fs::write(path, text)).map_err(|e| format!("{}: {e}", path.display()))
}

/// The text of `bench/cu.md`.
fn document(table: &Table) -> String {
    format!(
        "# What the program costs\n\n\
         Written by `make bench-write`; `make bench-check` and CI fail when a number rises by more than 2 % over \
         this table,\nexceeds its budget, or has no row here.\n\n\
         ## Compute units\n\n\
         Of a transaction with this instruction alone, on the compiled program. The embedded runtime has the features and\n\
         the token programs of mainnet, where a transfer of a classic token is about 100 units.\n\n\
         | shape | the trader holds | listed |\n|-------|------------------|--------|\n{}\n\
         * Trades and settlement use the position in the last slot; `open_position` fills that slot, \
         `(increase)` adds to it.\n\
         * `close_position (whole account)` is a close at a spread that costs more than the margin it frees: \
         the account's\n  other legs must be valued.\n\
         * `refresh_market (carry)` is of a market with a skew: funding and borrow accrue.\n\
         * `execute_trigger` is a limit entry that fills the last slot, `(cancelled)` one that the account has no \
         margin for\n  any more. `redeem` pays a whole ticket while there are senior shares.\n\
         * `propose_change`, `execute_change`, `cancel_change` and `tighten` are of a market's parameters, the largest payload \
         with the\n  longest table, `(sources)` of two new oracles of a market.\n\
         * `create_market` takes two calls; the more expensive one is shown.\n\
         * `liquidate` and `liquidate_collateral` are between two accounts of the shape; `(start)` only begins the \
         auction,\n  `(takeover)` is by the pool when nobody else came.\n\
         * `(128 buckets)`: winners in every bucket of a side, each unwound before. The number of positions does \
         not matter.\n\
         * `check_invariants` is passed the quote vault, a market and as many of its members as the shape has \
         positions.\n\
         * A program-derived address that is not found at the first attempt costs 1,500 more for every further \
         one. The new\n  address of `propose_change`, `create_vault`, `open_margin_account`, `request_redeem` and `request_unstake` is one \
         that is, those of\n  `create_market` and `initialize_exchange` can't be chosen.\n\n\
         {}\n\
         ## Accounts\n\n{}\n\
         ## Program\n\nThe binary has {} bytes.\n",
        shapes::SHAPES.map(describe).concat(),
        table.to_markdown(),
        accounts(),
        thousands(size(&program_bytes())),
    )
}

fn describe(shape: shapes::Shape) -> String {
    let plural = |n: u16, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let holds =
        format!("{}, {}", plural(shape.positions, "position"), plural(shape.collaterals, "collateral"));
    let listed =
        format!("{}, {}", plural(shape.positions, "market"), plural(shape.collaterals, "volatile vault"));
    format!("| {} | {holds} | {listed} |\n", shape.name)
}

/// Size and rent of every account type.
fn accounts() -> String {
    let svm = World::bare().svm;
    let mut lines = vec![["account", "bytes", "rent, lamports", "rent, SOL"].map(String::from).to_vec()];
    let types = [
        ("Exchange", Exchange::SPACE),
        ("Vault", Vault::SPACE),
        ("Market", Market::SPACE),
        ("MarginAccount", MarginAccount::SPACE),
        ("Pool", Pool::SPACE),
        ("InsuranceFund", InsuranceFund::SPACE),
        ("Change", Change::SPACE),
    ];
    for (name, space) in types {
        let lamports = svm.minimum_balance_for_rent_exemption(space);
        let bytes = u64::try_from(space).unwrap_or(u64::MAX);
        let sol = format_amount(i64::try_from(lamports).unwrap_or(i64::MAX), 9);
        lines.push(vec![name.into(), thousands(bytes), thousands(lamports), sol]);
    }
    markdown(&lines)
}

fn size(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
