//! Who signs. A role is a key pair's file, or the address of somebody whose key is not here: a multisig, a cold wallet.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use bulwark_sdk::Pubkey;
use solana_keypair::Keypair;
use solana_signer::Signer;
use thiserror::Error;

use crate::file::RiskFile;

/// A role as the file names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Somebody whose key is not here.
    Address(Pubkey),
    /// A key pair: 64 bytes as a JSON array.
    File(PathBuf),
}

impl Role {
    /// An address if it is one, else a file relative to `folder`; `~/` is the home folder.
    #[must_use]
    pub fn parse(text: &str, folder: &Path) -> Self {
        if let Ok(address) = Pubkey::from_str(text) {
            return Self::Address(address);
        }
        match (text.strip_prefix("~/"), std::env::var_os("HOME")) {
            (Some(rest), Some(home)) => Self::File(PathBuf::from(home).join(rest)),
            _ => Self::File(folder.join(text)),
        }
    }
}

/// Why a key pair can't be used.
#[derive(Debug, Error)]
pub enum PartyError {
    /// The file can't be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no key pair.
    #[error("{}: must be a key pair: a JSON array of 64 bytes, as solana-keygen writes it", .0.display())]
    NoKeypair(PathBuf),
}

/// Somebody, with a key pair if it is here.
#[derive(Debug)]
pub struct Party {
    /// Address.
    pub address: Pubkey,
    /// Key pair.
    pub keypair: Option<Keypair>,
}

impl Party {
    /// Takes a role up.
    ///
    /// # Errors
    /// [`PartyError`] if its key pair can't be used.
    pub fn load(role: &Role) -> Result<Self, PartyError> {
        match role {
            Role::Address(address) => Ok(Self { address: *address, keypair: None }),
            Role::File(path) => Ok(Self::from(read_keypair(path)?)),
        }
    }
}

impl From<Keypair> for Party {
    fn from(keypair: Keypair) -> Self {
        Self { address: keypair.pubkey(), keypair: Some(keypair) }
    }
}

impl From<Pubkey> for Party {
    fn from(address: Pubkey) -> Self {
        Self { address, keypair: None }
    }
}

/// Everybody whom a file names.
#[derive(Debug)]
pub struct Parties {
    /// The program's upgrade authority.
    pub deployer: Party,
    /// The exchange's admin.
    pub admin: Party,
    /// Pays.
    pub payer: Party,
    /// The guardian.
    pub guardian: Pubkey,
    /// Owner of the token account that protocol fees are collected to.
    pub fee_recipient: Pubkey,
    /// Key pair of the program's address, for the first deployment.
    pub program: Option<Keypair>,
}

impl Parties {
    /// Takes up the roles of a file.
    ///
    /// # Errors
    /// [`PartyError`] for a key pair that is named and can't be used.
    pub fn load(file: &RiskFile) -> Result<Self, PartyError> {
        let roles = &file.roles;
        Ok(Self {
            deployer: Party::load(&roles.deployer)?,
            admin: Party::load(&roles.admin)?,
            payer: Party::load(&roles.payer)?,
            guardian: Party::load(&roles.guardian)?.address,
            fee_recipient: Party::load(&roles.fee_recipient)?.address,
            program: file.program.keypair.as_deref().map(read_keypair).transpose()?,
        })
    }
}

/// Reads a key pair: 64 bytes as a JSON array.
///
/// # Errors
/// [`PartyError`].
pub fn read_keypair(path: &Path) -> Result<Keypair, PartyError> {
    let unreadable = |source| PartyError::Unreadable { path: path.to_path_buf(), source };
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let bytes: Option<Vec<u8>> = serde_json::from_str(&text).ok();
    bytes
        .and_then(|bytes| Keypair::try_from(bytes.as_slice()).ok())
        .ok_or_else(|| PartyError::NoKeypair(path.to_path_buf()))
}
