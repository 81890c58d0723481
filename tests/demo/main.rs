//! The life of a market, told on the compiled program: `demo [bulwark.so]`.
//!
//! | module | for |
//! |---|---|
//! | [`story`] | what happens, in order |
//! | [`stage`] | who acts, and how an action is shown and checked |
//! | [`distress`] | the same for accounts in trouble |
//! | [`exit`] | the same for accounts that are closed |
//! | [`model`] | every number, worked out a second time |
//! | [`show`] | how it looks |

mod distress;
mod exit;
mod model;
mod show;
mod stage;
mod story;

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the demonstration failed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> stage::Result {
    if let Some(path) = std::env::args_os().nth(1).map(PathBuf::from) {
        if !path.is_file() {
            return Err(format!("there is no {}; `make build` compiles the program", path.display()));
        }
        bulwark_tests::world::use_program(path);
    }
    story::tell()
}
