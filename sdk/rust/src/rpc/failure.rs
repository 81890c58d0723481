//! Why a transaction failed, in the program's own words.
//!
//! A failed transaction carries a number. Whose number it is, the log says: a token program that Bulwark calls has other
//! errors than Bulwark itself.

use std::fmt;

use anchor_lang::error::ERROR_CODE_OFFSET;
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use bulwark::errors::BulwarkError;
use bytemuck::Contiguous;
use solana_instruction_error::InstructionError;
use solana_signature::Signature;
use solana_transaction_error::TransactionError;
use thiserror::Error;

use crate::address;

use super::anchor_errors;

/// What an instruction failed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The program refused.
    Bulwark(BulwarkError),
    /// The framework refused before the program's code ran: a wrong or missing account, usually.
    Anchor {
        /// Number.
        code: u32,
        /// Name, such as `ConstraintSeeds`.
        name: String,
        /// What it says.
        message: String,
        /// Name of the account it is about, if the log says so.
        account: Option<String>,
    },
    /// Another program's own error.
    Other {
        /// That program.
        program: Pubkey,
        /// Its number.
        code: u32,
        /// What its log says last, if anything.
        message: Option<String>,
    },
    /// The runtime refused.
    Runtime(TransactionError),
}

/// A transaction that failed, in simulation or on the chain.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct Failure {
    /// Its signature; `None` if it was simulated and never sent.
    pub signature: Option<Signature>,
    /// Which of the caller's instructions failed, from 0; `None` if it is none of them.
    pub instruction: Option<usize>,
    /// Why.
    pub cause: Cause,
    /// What the runtime calls it.
    pub error: TransactionError,
    /// The log, as far as the node gives it.
    pub logs: Vec<String>,
    /// Compute units it used, if the node says so.
    pub units: Option<u64>,
}

/// What is known of a failed transaction besides its error.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// The log.
    pub logs: Vec<String>,
    /// Compute units it used.
    pub units: Option<u64>,
    /// Its signature, if it was sent.
    pub signature: Option<Signature>,
}

/// The program's error with this number, 6000 and up.
///
/// ```
/// use bulwark_sdk::program::errors::BulwarkError;
/// use bulwark_sdk::rpc::failure::program_error;
///
/// assert_eq!(program_error(6001), Some(BulwarkError::ZeroAmount));
/// assert_eq!(program_error(5999), None);
/// ```
#[must_use]
pub fn program_error(code: u32) -> Option<BulwarkError> {
    code.checked_sub(ERROR_CODE_OFFSET).and_then(BulwarkError::from_integer)
}

impl Failure {
    /// Explains a failed transaction. The first `extra` of its instructions are not the caller's.
    #[must_use]
    pub fn new(error: TransactionError, instructions: &[Instruction], extra: usize, trace: Trace) -> Self {
        let Trace { logs, units, signature } = trace;
        let failed = match &error {
            TransactionError::InstructionError(index, _) => Some(usize::from(*index)),
            _ => None,
        };
        let program = failed.and_then(|index| instructions.get(index)).map(|failed| failed.program_id);
        let cause = match &error {
            TransactionError::InstructionError(_, InstructionError::Custom(code)) => {
                let blamed = blamed(&logs).or(program).unwrap_or_default();
                Cause::of_code(blamed, *code, &logs)
            }
            other => Cause::Runtime(other.clone()),
        };
        let instruction = failed.and_then(|index| index.checked_sub(extra));
        Self { signature, instruction, cause, error, logs, units }
    }

    /// The program's own error, if it is that.
    #[must_use]
    pub fn program_error(&self) -> Option<BulwarkError> {
        match self.cause {
            Cause::Bulwark(error) => Some(error),
            _ => None,
        }
    }
}

impl Cause {
    fn of_code(program: Pubkey, code: u32, logs: &[String]) -> Self {
        if program != address::PROGRAM {
            return Self::Other { program, code, message: last_error(logs) };
        }
        if let Some(error) = program_error(code) {
            return Self::Bulwark(error);
        }
        match anchor_errors::of_code(code) {
            Some(error) => {
                let (name, message, account) = (error.name(), error.to_string(), account_in(logs));
                Self::Anchor { code, name, message, account }
            }
            None => Self::Other { program, code, message: last_error(logs) },
        }
    }
}

/// The program that failed first: those that called it fail after it, with its number.
fn blamed(logs: &[String]) -> Option<Pubkey> {
    logs.iter().find_map(|line| {
        let (program, rest) = line.strip_prefix("Program ")?.split_once(' ')?;
        rest.starts_with("failed: ").then(|| program.parse().ok()).flatten()
    })
}

/// `mint` of `Program log: AnchorError caused by account: mint. Error Code: …`.
fn account_in(logs: &[String]) -> Option<String> {
    let named = |line: &String| {
        let rest = line.strip_prefix("Program log: AnchorError caused by account: ")?;
        Some(rest.split_once('.')?.0.to_string())
    };
    logs.iter().rev().find_map(named)
}

/// What a program says for itself: token programs begin with `Error:`; the system program writes lines of its own.
fn last_error(logs: &[String]) -> Option<String> {
    let said = |line: &String| match line.strip_prefix("Program log: Error: ") {
        Some(message) => Some(message.to_string()),
        None => (!line.starts_with("Program ") && line != "Log truncated").then(|| line.clone()),
    };
    logs.iter().rev().find_map(said)
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bulwark(error) => write!(f, "{}: {error}", error.name()),
            Self::Anchor { name, message, account: Some(account), .. } => {
                write!(f, "{name} of {account}: {message}")
            }
            Self::Anchor { name, message, .. } => write!(f, "{name}: {message}"),
            Self::Other { program, code, message: Some(message) } => {
                write!(f, "error {code} of program {program}: {message}")
            }
            Self::Other { program, code, message: None } => write!(f, "error {code} of program {program}"),
            Self::Runtime(TransactionError::InstructionError(_, error)) => error.fmt(f),
            Self::Runtime(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.signature {
            Some(signature) => write!(f, "{signature} failed")?,
            None => write!(f, "not sent, its simulation failed")?,
        }
        if let Some(instruction) = self.instruction {
            write!(f, ": instruction {instruction}")?;
        }
        write!(f, ": {}", self.cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::{PROGRAM, SYSTEM_PROGRAM, TOKEN_PROGRAM};

    fn instruction(program_id: Pubkey) -> Instruction {
        Instruction { program_id, accounts: Vec::new(), data: Vec::new() }
    }

    fn failure(code: u32, logs: &[String]) -> Failure {
        let error = TransactionError::InstructionError(2, InstructionError::Custom(code));
        let all = [SYSTEM_PROGRAM, SYSTEM_PROGRAM, PROGRAM].map(instruction);
        Failure::new(error, &all, 1, Trace { logs: logs.to_vec(), ..Trace::default() })
    }

    #[test]
    fn every_error_of_the_program_is_found_by_its_number() {
        let first = u32::from(BulwarkError::Overflow);
        assert_eq!(first, 6000);
        let last = first + BulwarkError::MAX_VALUE;
        for code in first..=last {
            assert_eq!(program_error(code).map(u32::from), Some(code));
        }
        assert_eq!((program_error(first - 1), program_error(last + 1)), (None, None));
    }

    #[test]
    fn the_programs_error_is_told_by_name_and_message() {
        let log = format!("Program {PROGRAM} failed: custom program error: 0x1771");
        let failure = failure(6001, &[log]);
        assert_eq!(failure.program_error(), Some(BulwarkError::ZeroAmount));
        let text = failure.to_string();
        let expected = "not sent, its simulation failed: instruction 1: ZeroAmount: amount is zero";
        assert!(text.starts_with(expected), "{text}");
    }

    #[test]
    fn a_called_programs_error_is_not_taken_for_ours() {
        let logs = [
            format!("Program {PROGRAM} invoke [1]"),
            format!("Program {TOKEN_PROGRAM} invoke [2]"),
            "Program log: Error: insufficient funds".to_string(),
            format!("Program {TOKEN_PROGRAM} failed: custom program error: 0x1770"),
            format!("Program {PROGRAM} failed: custom program error: 0x1770"),
        ];
        let message = Some("insufficient funds".to_string());
        assert_eq!(failure(6000, &logs).cause, Cause::Other { program: TOKEN_PROGRAM, code: 6000, message });
    }

    #[test]
    fn the_system_programs_error_is_told_in_its_words() {
        let logs = [
            format!("Program {SYSTEM_PROGRAM} invoke [1]"),
            "Transfer: insufficient lamports 5, need 7".to_string(),
            format!("Program {SYSTEM_PROGRAM} failed: custom program error: 0x1"),
        ];
        let text = failure(1, &logs).to_string();
        assert!(text.ends_with(": Transfer: insufficient lamports 5, need 7"), "{text}");
    }

    #[test]
    fn anchors_error_names_the_account() {
        let log = "Program log: AnchorError caused by account: pool. Error Code: ConstraintSeeds. Error Number: 2006.";
        let cause = failure(2006, &[log.to_string()]).cause;
        let Cause::Anchor { code: 2006, name, account, .. } = &cause else { panic!("{cause:?}") };
        assert_eq!((name.as_str(), account.as_deref()), ("ConstraintSeeds", Some("pool")));
        assert!(cause.to_string().starts_with("ConstraintSeeds of pool: "), "{cause}");
    }

    #[test]
    fn what_no_instruction_did_is_the_runtimes() {
        let failure = Failure::new(TransactionError::AccountNotFound, &[], 1, Trace::default());
        assert_eq!((failure.instruction, failure.program_error()), (None, None));
        assert_eq!(failure.cause, Cause::Runtime(TransactionError::AccountNotFound));
        let error = TransactionError::InstructionError(0, InstructionError::Custom(1));
        let budget = Failure::new(error, &[instruction(SYSTEM_PROGRAM)], 1, Trace::default());
        assert_eq!(budget.instruction, None, "an instruction that was put in front");
        assert_eq!(budget.cause, Cause::Other { program: SYSTEM_PROGRAM, code: 1, message: None });
    }
}
