//! A random walk over the compiled program, checked after every step.
//!
//! Ten actors do at random what the program offers, while prices drift, jump, widen, disagree and go stale. After
//! every step, accepted or refused, all accounts are compared with those before it: the invariants of
//! [`checks`] must hold, and everybody must own what an eager model, the [`reference`](mod@reference), says. A walk is a function of its
//! seed: what fails once fails again.
//!
//! | module | for |
//! |---|---|
//! | [`stage`] | who and what there is |
//! | [`step`] | what can happen |
//! | [`choose`] | what happens next |
//! | [`state`] | all accounts at a moment |
//! | [`exact`] | the formulas, in plain 128-bit integers |
//! | [`ladder`] | buckets, and what an unwind leaves of them |
//! | [`health`] | what an account is worth and needs |
//! | [`auction`] | what a liquidation offers |
//! | [`dynamics`] | carry, volatility and the outflow limit |
//! | [`ledger`] | who owns what |
//! | [`reference`](mod@reference) | what everybody should own |
//! | [`checks`] | what must hold |
//! | [`rescue`] | whether everybody in trouble can be helped |
//! | [`coverage`] | what has been seen on the way |
//! | [`rng`] | numbers that depend on the seed alone |
//!
//! To add an instruction: a variant and an arm in [`step`], a habit in [`choose`], an arm for its event in
//! [`reference`](mod@reference), and one in `checks/value.rs` if it moves value between accounts; what it may be refused for
//! goes to `checks/liveness.rs`. To add a check: a function of a
//! [`checks::Moment`] and a line in the list of [`checks`].

pub mod auction;
pub mod checks;
pub mod choose;
pub mod coverage;
pub mod dynamics;
pub mod exact;
pub mod health;
pub mod ladder;
pub mod ledger;
pub mod reference;
pub mod rescue;
pub mod rng;
pub mod stage;
pub mod state;
pub mod step;

use std::collections::VecDeque;
use std::fmt;

use bulwark_sdk::{Instruction, Pubkey};

use crate::world::World;
use checks::{Broken, Moment};
use choose::Chooser;
use coverage::Coverage;
use reference::{Ledger, Reference};
use stage::{Sent, Stage, VAULTS, narrow};
use state::State;
use step::Step;

/// Steps that a failure tells of.
const REMEMBERED: usize = 20;

/// Steps between two attempts to help everybody.
const RESCUED: u64 = 100;

/// A walk under way.
pub struct Walk {
    /// The chain.
    pub world: World,
    /// Who and what there is.
    pub stage: Stage,
    /// What has been seen.
    pub coverage: Coverage,
    seed: u64,
    chooser: Chooser,
    reference: Reference,
    state: State,
    ledger: Ledger,
    recent: VecDeque<String>,
}

/// A walk that found something.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed of the walk.
    pub seed: u64,
    /// The number of the step, from one.
    pub step: u64,
    /// The checks that failed and what they say.
    pub broken: Vec<Broken>,
    /// The last steps and what became of them.
    pub recent: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the walk with seed {} fails at step {}", self.seed, self.step)?;
        for line in &self.recent {
            writeln!(f, "  {line}")?;
        }
        for (name, what) in &self.broken {
            writeln!(f, "{name}: {what}")?;
        }
        Ok(())
    }
}

impl Walk {
    /// A walk that has not begun.
    ///
    /// # Panics
    /// If the stage can't be built.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let (world, stage) = Stage::build();
        let state = stage.state(&world);
        let (reference, ledger) = (Reference::new(&state), Ledger::read(&state));
        let chooser = Chooser::new(seed, &stage);
        Self {
            world,
            stage,
            coverage: Coverage::default(),
            seed,
            chooser,
            reference,
            state,
            ledger,
            recent: VecDeque::new(),
        }
    }

    /// Goes on for `steps` steps.
    ///
    /// # Errors
    /// What was found.
    pub fn run(&mut self, steps: u64) -> Result<(), Failure> {
        for _ in 0..steps {
            let step = self.chooser.next(&self.state);
            let broken = self.take(&step);
            if !broken.is_empty() {
                let recent = self.recent.iter().cloned().collect();
                return Err(Failure { seed: self.seed, step: self.coverage.steps, broken, recent });
            }
        }
        Ok(())
    }

    /// Takes one step and says which checks fail.
    ///
    /// # Panics
    /// If an instruction can't be built.
    pub fn take(&mut self, step: &Step) -> Vec<Broken> {
        self.take_and(step, |_| ())
    }

    /// As [`Walk::take`] for a program that would do more than it does: `meddle` changes the chain after the step and
    /// before the checks look.
    ///
    /// # Panics
    /// If an instruction can't be built.
    pub fn take_and(&mut self, step: &Step, meddle: impl FnOnce(&mut Self)) -> Vec<Broken> {
        let plan = step.instructions(&self.world, &self.stage, &self.state).expect("builds");
        step.happen(&mut self.world, &self.stage);
        let sent: Option<Sent> = plan.as_ref().map(|p| stage::send(&mut self.world, &self.stage, p));
        let signers = signers(plan.as_deref().unwrap_or_default());
        self.remember(step, sent.as_ref());
        meddle(self);

        let after = self.stage.state(&self.world);
        let mut followed = Ok(());
        self.reference.begin();
        self.world.journal.extend(sent.iter().flatten().flatten().cloned());
        for event in sent.iter().flatten().flatten() {
            followed =
                followed.and_then(|()| self.reference.apply(event, &self.stage, [&self.state, &after]));
        }
        if let (Step::LiquidateCollateral { account, flaw: step::Flaw::None, .. }, Some(Ok(events))) =
            (step, sent.as_ref())
            && events.is_empty()
        {
            followed = followed.and_then(|()| self.reference.collateral_called(*account, &after));
        }
        let is = Ledger::read(&after);
        let donated = |vault| i128::from(self.world.donated.get(&narrow(vault)).copied().unwrap_or(0));
        let moment = Moment {
            stage: &self.stage,
            step,
            sent: sent.as_ref(),
            signers: &signers,
            before: &self.state,
            after: &after,
            was: &self.ledger,
            is: &is,
            reference: &self.reference,
            followed,
            donated: std::array::from_fn::<_, VAULTS, _>(donated),
        };
        self.coverage.note(&moment);
        let mut broken = checks::broken(&moment);
        if broken.is_empty() && self.coverage.steps.is_multiple_of(RESCUED) {
            let helped = rescue::i14_everybody_can_be_helped(&self.world, &self.stage);
            self.coverage.see("somebody helped on a copy", helped.as_ref().is_ok_and(|rounds| *rounds > 0));
            broken.extend(helped.err().map(|found| ("I14: everybody can be helped", found)));
        }
        (self.state, self.ledger) = (after, is);
        broken
    }

    fn remember(&mut self, step: &Step, sent: Option<&Sent>) {
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        let outcome = match sent {
            None => String::new(),
            Some(Ok(events)) => format!(" → {events:?}"),
            Some(Err(name)) => format!(" → refused: {name}"),
        };
        self.recent.push_back(format!("{step:?}{outcome}"));
    }
}

/// What a panic on the way would otherwise leave untold.
impl Drop for Walk {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let recent = self.recent.iter().cloned().collect();
            let (seed, step, broken) = (self.seed, self.coverage.steps + 1, Vec::new());
            eprintln!("{}", Failure { seed, step, broken, recent });
        }
    }
}

fn signers(instructions: &[Instruction]) -> Vec<Pubkey> {
    let accounts = instructions.iter().flat_map(|i| &i.accounts);
    accounts.filter(|a| a.is_signer).map(|a| a.pubkey).collect()
}
