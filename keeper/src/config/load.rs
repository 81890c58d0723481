//! File, flags and environment made one configuration.
//!
//! The file comes first, then the environment, then flags: each says only what it changes. Every mistake of the file is told
//! with its line; what others say is put into the same form as the file and read by the same rules, so that there is one set of
//! rules. Paths of the file are seen from its folder, those of flags from where the keeper is started.

use std::path::{Path, PathBuf};

use clap::Args;
use toml::{Table, Value};

use super::{Config, ConfigError, Role, Wallet};

/// What flags and environment say; whatever is there overrides the file.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Configuration file. Without one, defaults hold: those of a local network.
    #[arg(long, short, value_name = "FILE", env = "BULWARK_KEEPER_CONFIG")]
    pub config: Option<PathBuf>,
    /// Kinds of work to do.
    #[arg(long, value_name = "ROLE,…", value_delimiter = ',', env = "BULWARK_KEEPER_ROLES")]
    pub roles: Vec<Role>,
    /// JSON-RPC of a node.
    #[arg(long, value_name = "URL", env = "BULWARK_KEEPER_RPC_URL", hide_env_values = true)]
    pub rpc_url: Option<String>,
    /// Websocket of a node.
    #[arg(long, value_name = "URL", env = "BULWARK_KEEPER_WS_URL", hide_env_values = true)]
    pub ws_url: Option<String>,
    /// Genesis hash of the cluster that is meant.
    #[arg(long, value_name = "HASH", env = "BULWARK_KEEPER_GENESIS")]
    pub genesis: Option<String>,
    /// File with the key pair that pays fees and is owner or delegate of the margin account.
    #[arg(long, value_name = "FILE", env = "BULWARK_KEEPER_KEYPAIR")]
    pub keypair: Option<PathBuf>,
    /// Margin account that takes positions over, where it is not the key pair's own.
    #[arg(long, value_name = "ADDRESS", env = "BULWARK_KEEPER_MARGIN_ACCOUNT")]
    pub margin_account: Option<String>,
    /// Number of the key pair's own margin account.
    #[arg(long, value_name = "N", env = "BULWARK_KEEPER_SUB_ID")]
    pub sub_id: Option<u16>,
    /// Finds and simulates everything, and sends nothing.
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        env = "BULWARK_KEEPER_DRY_RUN"
    )]
    pub dry_run: Option<bool>,
    /// Address and port of /metrics and /healthz; "" for none.
    #[arg(long, value_name = "ADDRESS", env = "BULWARK_KEEPER_LISTEN")]
    pub listen: Option<String>,
    /// Form of the log: text or json.
    #[arg(long, value_name = "FORMAT", env = "BULWARK_KEEPER_LOG_FORMAT")]
    pub log_format: Option<String>,
    /// What is logged, in the form of RUST_LOG.
    #[arg(long, value_name = "FILTER", env = "BULWARK_KEEPER_LOG_FILTER")]
    pub log_filter: Option<String>,
    /// Any other key of the file, such as limits.concurrency=4. In the environment several are separated by semicolons.
    #[arg(
        long,
        value_name = "KEY=VALUE",
        value_delimiter = ';',
        env = "BULWARK_KEEPER_SET",
        hide_env_values = true
    )]
    pub set: Vec<String>,
}

impl Overrides {
    /// What flags of their own say, in the form of the file.
    fn table(&self) -> Table {
        let text = |text: &Option<String>| text.clone().map(Value::String);
        let path = self.keypair.as_deref().map(|path| Value::String(path.to_string_lossy().into_owned()));
        let roles: Vec<Value> = self.roles.iter().map(|role| Value::from(role.as_str())).collect();
        let roles = (!roles.is_empty()).then_some(Value::Array(roles));
        let values = [
            ("roles", roles),
            ("keypair", path),
            ("margin_account", text(&self.margin_account)),
            ("sub_id", self.sub_id.map(|number| Value::from(u32::from(number)))),
            ("dry_run", self.dry_run.map(Value::Boolean)),
            ("cluster.rpc_url", text(&self.rpc_url)),
            ("cluster.ws_url", text(&self.ws_url)),
            ("cluster.genesis", text(&self.genesis)),
            ("http.listen", text(&self.listen)),
            ("log.format", text(&self.log_format)),
            ("log.filter", text(&self.log_filter)),
        ];
        let mut table = Table::new();
        for (key, value) in values {
            if let Some(value) = value {
                merge(&mut table, at(key, value));
            }
        }
        table
    }
}

impl Config {
    /// The configuration that a file, the environment and flags give together.
    ///
    /// # Errors
    /// [`ConfigError`], with every number that is out of bounds.
    pub fn load(overrides: &Overrides) -> Result<Self, ConfigError> {
        let mut table = overrides.config.as_deref().map_or_else(|| Ok(Table::new()), read_file)?;
        merge(&mut table, overrides.table());
        let mut config = decode(&table)?;
        for set in &overrides.set {
            (table, config) = apply(&table, set)?;
        }
        config.check()?;
        Ok(config)
    }

    /// The configuration that a text gives, as a file in the present folder would.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text)
            .map_err(|error| ConfigError::File(PathBuf::from("configuration"), error.to_string()))?;
        config.check()?;
        Ok(config)
    }
}

/// A file by itself, with the key pair's path seen from its folder.
fn read_file(path: &Path) -> Result<Table, ConfigError> {
    let text =
        std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable(path.to_path_buf(), error))?;
    let wrong = |error: toml::de::Error| ConfigError::File(path.to_path_buf(), error.to_string());
    // Only the text knows its lines, so that types are checked here already.
    let config: Config = toml::from_str(&text).map_err(wrong)?;
    let mut table: Table = toml::from_str(&text).map_err(wrong)?;
    if let (Some(keypair), Some(folder)) = (table.get_mut("keypair"), path.parent()) {
        let wallet: Wallet = config.keypair.seen_from(folder);
        *keypair = Value::String(wallet.to_string());
    }
    Ok(table)
}

/// With one more `key=value`: a value of TOML, or text where that does not fit.
fn apply(table: &Table, set: &str) -> Result<(Table, Config), ConfigError> {
    let form =
        || ConfigError::Override(format!("--set {set:?}: write KEY=VALUE, such as limits.concurrency=4"));
    let (key, value) = set.split_once('=').ok_or_else(form)?;
    let (key, value) = (key.trim(), value.trim());
    if key.is_empty() || key.split('.').any(str::is_empty) {
        return Err(form());
    }
    let with = |value: Value| {
        let mut table = table.clone();
        merge(&mut table, at(key, value));
        decode(&table).map(|config| (table, config))
    };
    let plain = || with(Value::String(value.to_string()));
    match value.parse::<Value>() {
        Ok(read) => with(read).or_else(|error| plain().map_err(|_| error)),
        Err(_) => plain(),
    }
}

fn decode(table: &Table) -> Result<Config, ConfigError> {
    table.clone().try_into().map_err(|error: toml::de::Error| {
        let lines: Vec<_> =
            error.to_string().lines().map(str::to_string).filter(|line| !line.is_empty()).collect();
        ConfigError::Override(lines.join(" "))
    })
}

/// A table with one value at a path of keys.
fn at(key: &str, value: Value) -> Table {
    match key.split_once('.') {
        Some((first, rest)) => Table::from_iter([(first.to_string(), Value::Table(at(rest, value)))]),
        None => Table::from_iter([(key.to_string(), value)]),
    }
}

/// Puts one table's values into another; tables in it key by key.
fn merge(into: &mut Table, from: Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(old)), Value::Table(new)) => merge(old, new),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}
