//! Proposals for an admin whose key is not here, such as a multisig: files to be taken to where it signs.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bulwark_sdk::{Instruction, Pubkey};
use serde::Serialize;
use solana_message::Message;

use crate::apply::ApplyError;
use crate::plan::Step;

/// What every explanation begins with: a change has the number that comes next when it is proposed.
const ORDER: &str = "Sign the proposals of this folder in the order of their numbers, none before the ones in front of it.\n\n";

/// Files of one proposal.
pub(crate) const FILES: u64 = 2;

#[derive(Serialize)]
struct Proposal<'a> {
    title: &'a str,
    signer: String,
    instructions: Vec<Described>,
    /// The whole message without a blockhash, as multisig programs and wallets import it.
    message_base64: String,
    message_base58: String,
}

#[derive(Serialize)]
struct Described {
    program: String,
    accounts: Vec<Meta>,
    data_base64: String,
}

#[derive(Serialize)]
struct Meta {
    address: String,
    signer: bool,
    writable: bool,
}

/// Writes what `admin` has to sign to `NNN-title.json`, and what it means to `NNN-title.txt`.
pub(crate) fn write(
    (folder, number): (&Path, usize),
    step: &Step,
    admin: &Pubkey,
    instructions: &[Instruction],
) -> Result<Vec<PathBuf>, ApplyError> {
    let number = number.div_ceil(2).max(1);
    let words: String = step.title.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { ' ' }).collect();
    let name = words.split_whitespace().collect::<Vec<_>>().join("-");
    let message = Message::new(instructions, Some(admin)).serialize();
    let proposal = Proposal {
        title: &step.title,
        signer: admin.to_string(),
        instructions: instructions.iter().map(describe).collect(),
        message_base64: BASE64_STANDARD.encode(&message),
        message_base58: bs58::encode(&message).into_string(),
    };
    let json = serde_json::to_string_pretty(&proposal).unwrap_or_default();
    let files = [("json", format!("{json}\n")), ("txt", format!("{ORDER}{step}"))];
    let write = |(kind, text): (&str, String)| {
        let path = folder.join(format!("{number:03}-{name}.{kind}"));
        let written = fs::create_dir_all(folder).and_then(|()| fs::write(&path, text));
        written.map_err(|source| ApplyError::Write { path: path.clone(), source })?;
        Ok(path)
    };
    files.into_iter().map(write).collect()
}

/// `Ok` if a folder has no proposals: what an earlier run wrote may be signed already, or be wrong by now.
pub(crate) fn require_none(folder: &Path) -> Result<(), ApplyError> {
    let unreadable = |source| ApplyError::Write { path: folder.to_path_buf(), source };
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(unreadable)?,
    };
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let numbered = name
            .split_once('-')
            .is_some_and(|(number, _)| number.len() >= 3 && number.bytes().all(|byte| byte.is_ascii_digit()));
        if numbered {
            return Err(ApplyError::OldProposals(path));
        }
    }
    Ok(())
}

fn describe(instruction: &Instruction) -> Described {
    let meta = |meta: &bulwark_sdk::AccountMeta| Meta {
        address: meta.pubkey.to_string(),
        signer: meta.is_signer,
        writable: meta.is_writable,
    };
    Described {
        program: instruction.program_id.to_string(),
        accounts: instruction.accounts.iter().map(meta).collect(),
        data_base64: BASE64_STANDARD.encode(&instruction.data),
    }
}
