//! Who signs: a key pair in a file, or one that was handed over in memory. It is never shown.

use std::fmt::{self, Display};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use solana_keypair::{Keypair, read_keypair_file};

use super::{ConfigError, text};

/// Where the key pair is.
#[derive(Clone)]
pub enum Wallet {
    /// In a file: a JSON array of 64 bytes, as `solana-keygen` writes it. `~/` is the home folder.
    File(PathBuf),
    /// In memory.
    Memory(Arc<Keypair>),
}

impl Wallet {
    /// The key pair itself.
    ///
    /// # Errors
    /// [`ConfigError::Wallet`] when the file cannot be read, or is no key pair.
    pub fn open(&self) -> Result<Arc<Keypair>, ConfigError> {
        let path = match self {
            Self::Memory(keypair) => return Ok(keypair.clone()),
            Self::File(path) => path,
        };
        let opened = read_keypair_file(from_home(path));
        opened.map(Arc::new).map_err(|error| ConfigError::Wallet(path.clone(), error.to_string()))
    }

    /// The same, with a file's path seen from a folder.
    #[must_use]
    pub fn seen_from(self, folder: &Path) -> Self {
        match self {
            Self::File(path) if !path.starts_with("~") => Self::File(folder.join(path)),
            other => other,
        }
    }
}

fn from_home(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), std::env::var_os("HOME")) {
        (Ok(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => path.to_path_buf(),
    }
}

impl Default for Wallet {
    fn default() -> Self {
        Self::File("~/.config/solana/id.json".into())
    }
}

impl FromStr for Wallet {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self::File(text.into()))
    }
}

impl Display for Wallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Memory(_) => f.write_str("(in memory)"),
        }
    }
}

impl fmt::Debug for Wallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl PartialEq for Wallet {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File(one), Self::File(two)) => one == two,
            (Self::Memory(one), Self::Memory(two)) => one == two,
            _ => false,
        }
    }
}

impl<'de> Deserialize<'de> for Wallet {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        text::read(from)
    }
}

impl Serialize for Wallet {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}
