//! Long walks: `walk [--steps N] [--seed S] [--until-seed M]`.
//!
//! Walks [`LENGTH`] steps with seed `S`, as many with the next, and so on until `N` steps are done or the walk of seed
//! `M` is. Prints what was seen; fails with the seed, the step and the last operations if an invariant breaks.

use std::process::ExitCode;
use std::time::Instant;

use bulwark_tests::walk::Walk;
use bulwark_tests::walk::coverage::Coverage;

/// Steps of one walk: in a longer one the markets have been drained, and less and less happens.
const LENGTH: u64 = 4_000;

/// What the command line asks for.
struct Arguments {
    steps: u64,
    seed: u64,
    until: u64,
}

impl Arguments {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let (mut steps, mut seed, mut until) = (None, 1, None);
        while let Some(name) = arguments.next() {
            let number = arguments.next().and_then(|text| text.parse::<u64>().ok());
            let number = number.ok_or_else(|| format!("{name}: a number is missing"))?;
            match name.as_str() {
                "--steps" => steps = Some(number),
                "--seed" => seed = number,
                "--until-seed" => until = Some(number),
                _ => return Err(format!("{name}? --steps N, --seed S or --until-seed M")),
            }
        }
        let steps = steps.unwrap_or(if until.is_some() { u64::MAX } else { LENGTH });
        Ok(Self { steps, seed, until: until.unwrap_or(u64::MAX) })
    }
}

fn main() -> ExitCode {
    match Arguments::read(std::env::args().skip(1)).and_then(|arguments| run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), String> {
    let (began, mut coverage, mut seed) = (Instant::now(), Coverage::default(), arguments.seed);
    loop {
        let mut walk = Walk::new(seed);
        let found = walk.run(LENGTH.min(arguments.steps - coverage.steps));
        coverage.add(&walk.coverage);
        found.map_err(|failure| format!("{coverage}\n{failure}"))?;
        if coverage.steps >= arguments.steps || seed >= arguments.until {
            break;
        }
        seed += 1;
    }
    let each = began.elapsed().as_micros() / u128::from(coverage.steps.max(1));
    println!("{coverage}seeds {} to {seed}: every invariant held; {each} us a step", arguments.seed);
    Ok(())
}
