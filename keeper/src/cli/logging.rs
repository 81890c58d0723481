//! What a keeper writes while it works: lines of text or of JSON, to the standard error, without secrets.

use std::io::{self, Stderr, Write};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::config::{Config, ConfigError, Log, LogFormat, Secrets};

/// Begins to write. `RUST_LOG` overrides the configured filter.
///
/// # Errors
/// [`ConfigError::Override`] when `RUST_LOG` is no filter, or something writes already.
pub fn begin(config: &Config) -> Result<(), ConfigError> {
    let filter = filter(&config.log, std::env::var("RUST_LOG").ok())?;
    let to = Discreet { secrets: Secrets::of(config), to: io::stderr };
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(to);
    let begun = match config.log.format {
        LogFormat::Text => lines.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    begun.map_err(|error| ConfigError::Override(format!("log: {error}")))
}

/// The filter of the environment if there is one, else that of the configuration.
pub(super) fn filter(log: &Log, environment: Option<String>) -> Result<EnvFilter, ConfigError> {
    let environment = environment.filter(|text| !text.is_empty());
    let (name, text) = environment.map_or(("log.filter", log.filter.clone()), |text| ("RUST_LOG", text));
    EnvFilter::try_new(&text).map_err(|error| ConfigError::Override(format!("{name}: {text:?}: {error}")))
}

/// Writes without secrets. Each event comes in one piece, so that no secret is cut in two.
pub(super) struct Discreet<M> {
    pub(super) secrets: Secrets,
    pub(super) to: M,
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Discreet<M> {
    type Writer = Hiding<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Hiding { secrets: self.secrets.clone(), to: self.to.make_writer() }
    }
}

/// See [`Discreet`].
pub(super) struct Hiding<W = Stderr> {
    secrets: Secrets,
    to: W,
}

impl<W: Write> Write for Hiding<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        self.to.write_all(self.secrets.hide(&text).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
