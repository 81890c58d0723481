//! The process with the endpoint.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// How long the endpoint may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Node that the endpoint needs at least.
const NODE: u32 = 20;

/// Ports to listen on; 0 for any free one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// JSON-RPC.
    pub rpc: u16,
    /// Websocket.
    pub ws: u16,
}

impl Ports {
    /// Those of a Solana test validator, 8899 and 8900.
    pub const USUAL: Self = Self { rpc: 8899, ws: 8900 };
    /// Any that are free.
    pub const ANY: Self = Self { rpc: 0, ws: 0 };
}

/// Where the endpoint is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Urls {
    /// JSON-RPC.
    pub rpc_url: String,
    /// Websocket.
    pub ws_url: String,
}

/// A running endpoint. It ends when this is dropped.
#[derive(Debug)]
pub struct Endpoint {
    urls: Urls,
    child: Child,
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Endpoint {
    /// Starts it: slots of `slot_ms` milliseconds, an empty chain.
    ///
    /// # Errors
    /// Node or its packages are missing or too old, or a port is in use.
    pub async fn start(ports: Ports, slot_ms: u32) -> Result<Self> {
        require_node().await?;
        let script = script();
        let mut child = Command::new("node")
            .arg(&script)
            .args(["--rpc-port", &ports.rpc.to_string(), "--ws-port", &ports.ws.to_string()])
            .args(["--slot-ms", &slot_ms.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} does not start", script.display()))?;
        let commands = child.stdin.take().context("the endpoint has no stdin")?;
        let output = child.stdout.take().context("the endpoint has no stdout")?;
        let mut answers = BufReader::new(output).lines();
        let urls = answer(&mut answers).await?;
        Ok(Self { urls, child, commands, answers })
    }

    /// Where it is. It stays there when it is started anew.
    #[must_use]
    pub fn urls(&self) -> &Urls {
        &self.urls
    }

    /// Cuts every connection; the chain stays as it is.
    ///
    /// # Errors
    /// The process is gone.
    pub async fn drop_connections(&mut self) -> Result<()> {
        self.command("drop").await
    }

    /// Cuts every connection, and begins with an empty chain.
    ///
    /// # Errors
    /// The process is gone.
    pub async fn restart(&mut self) -> Result<()> {
        self.command("restart").await
    }

    /// Ends it, and waits until its ports are free.
    ///
    /// # Errors
    /// The process does not end.
    pub async fn stop(mut self) -> Result<()> {
        self.commands.write_all(b"stop\n").await.ok();
        timeout(PATIENCE, self.child.wait()).await.context("the endpoint does not stop")??;
        Ok(())
    }

    async fn command(&mut self, command: &str) -> Result<()> {
        self.commands.write_all(format!("{command}\n").as_bytes()).await.context("the endpoint is gone")?;
        answer(&mut self.answers).await?;
        Ok(())
    }
}

async fn answer(answers: &mut Lines<BufReader<ChildStdout>>) -> Result<Urls> {
    let line = timeout(PATIENCE, answers.next_line()).await.context("the endpoint does not answer")??;
    let line = line.context("the endpoint ended: its message is above")?;
    serde_json::from_str(&line).with_context(|| format!("the endpoint said {line:?}"))
}

async fn require_node() -> Result<()> {
    let how = format!(
        "the local endpoint needs node {NODE} or later: install it from https://nodejs.org, with nvm (`nvm install {NODE}`) \
         or from deb.nodesource.com (Debian 12's own is too old)"
    );
    let output = Command::new("node").arg("--version").output().await.context(how.clone())?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_string();
    let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < NODE) {
        bail!("node is {version}: {how}");
    }
    Ok(())
}

/// The repository.
#[must_use]
pub fn repository() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_path_buf()
}

fn script() -> PathBuf {
    repository().join("localnet/endpoint.mjs")
}
