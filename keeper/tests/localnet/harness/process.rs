//! The binary, as somebody would run it: a configuration file, signals, a log, and metrics over HTTP.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::reading::Reading;
use super::stage::{Stage, soon};

/// A keeper in a process of its own.
pub struct Process {
    child: Child,
    log: PathBuf,
    listen: String,
}

/// A folder that belongs to a test, empty.
pub fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("keeper").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// An address that nobody listens on.
fn free() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// The configuration file of a keeper that signs for a funded wallet.
fn configure(stage: &Stage, folder: &Path, (wallet, listen): (&str, &str)) -> PathBuf {
    let (urls, file) = (stage.network.description(), folder.join("keeper.toml"));
    stage.network.wallets().write(Some(folder)).unwrap();
    let text = format!(
        "keypair = \"{wallet}.json\"\n\n[cluster]\nrpc_url = \"{}\"\nws_url = \"{}\"\n\n[http]\nlisten = \"{listen}\"\n",
        urls.rpc_url, urls.ws_url
    );
    fs::write(&file, text).unwrap();
    file
}

impl Process {
    /// `keeper run` with these flags, of a wallet, with its files in a folder.
    pub fn start(stage: &Stage, (wallet, folder): (&str, &Path), flags: &[&str]) -> Self {
        let (listen, log) = (free(), folder.join("log"));
        let file = configure(stage, folder, (wallet, &listen));
        let to = File::options().create(true).append(true).open(&log).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_keeper"))
            .args(["run", "--config"])
            .arg(file)
            .args(flags)
            .stdin(Stdio::null())
            .stdout(to.try_clone().unwrap())
            .stderr(to)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self { child, log, listen }
    }

    /// What it wrote.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Sends a signal by its name: `TERM`, `INT`, `KILL`.
    pub async fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status().await;
        assert!(sent.unwrap().success());
    }

    /// Waits until it has ended.
    pub async fn end(mut self) -> (ExitStatus, String) {
        let status = soon(self.child.wait()).await.unwrap();
        (status, self.log())
    }

    /// A page that it serves, with its head; `None` while nobody listens.
    pub async fn page(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(&self.listen).await.ok()?;
        let request = format!("GET {path} HTTP/1.0\r\nHost: keeper\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        Some(answer)
    }

    /// What it counts; nothing while nobody listens.
    pub async fn reading(&self) -> Reading {
        self.page("/metrics").await.map(|text| Reading::of(&text)).unwrap_or_default()
    }

    /// Waits until what it counts is so.
    pub async fn until(&self, so: impl Fn(&Reading) -> bool) {
        soon(async {
            while !so(&self.reading().await) {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        })
        .await;
    }

    /// Waits until it has read everything and its streams stand.
    pub async fn at_work(&self) {
        self.until(|reading| reading.get("synced") == 1).await;
    }

    /// Bytes of it that are in memory.
    pub fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() * 1_024
    }
}
