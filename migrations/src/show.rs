//! Plans as people read them.

use std::fmt;

use crate::plan::{Plan, Signer, Step, Waiting};

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = match self.signer {
            Signer::Deployer => "deployer",
            Signer::Admin => "admin",
            Signer::Anyone => "anyone",
        };
        writeln!(f, "{} (by {by})", self.title)?;
        write!(f, "{}", self.explanation)?;
        self.later.iter().try_for_each(|later| writeln!(f, "  later: {later}"))?;
        self.blocked.iter().try_for_each(|blocked| writeln!(f, "  BLOCKED: {blocked}"))
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_done() {
            writeln!(f, "nothing to do: the chain is what the file says")?;
        }
        for (index, step) in self.steps.iter().enumerate() {
            write!(f, "{}. {step}", index + 1)?;
        }
        for Waiting { nonce, title, eta, seconds_left, later } in &self.waiting {
            writeln!(f, "waiting: change {nonce}: {title}: can be executed in {seconds_left} s, from {eta}")?;
            later.iter().try_for_each(|later| writeln!(f, "  later: {later}"))?;
        }
        self.later.iter().try_for_each(|later| writeln!(f, "later: {later}"))?;
        self.notes.iter().try_for_each(|note| writeln!(f, "note: {note}"))?;
        self.conflicts.iter().try_for_each(|conflict| writeln!(f, "CONFLICT: {conflict}"))
    }
}
