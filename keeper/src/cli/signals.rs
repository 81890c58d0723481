//! SIGINT and SIGTERM: the first asks a keeper to end, the second ends it.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Exit code of what was told twice to end.
pub const ENDED_AT_ONCE: i32 = 130;

/// Tells whether a keeper is to end. Clones tell the same.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Waits until it is to end.
    pub async fn wait(mut self) {
        // Nobody can tell it any more when the other end is gone: then it goes on.
        if self.0.wait_for(|stop| *stop).await.is_err() {
            std::future::pending().await
        }
    }

    /// Whether it is to end.
    #[must_use]
    pub fn is_set(&self) -> bool {
        *self.0.borrow()
    }
}

/// Hears signals from now on.
///
/// # Errors
/// When the system refuses.
pub fn listen() -> std::io::Result<Stop> {
    let signals = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let (tell, stop) = watch::channel(false);
    tokio::spawn(hear(signals, tell));
    Ok(Stop(stop))
}

async fn hear(mut signals: (Signal, Signal), tell: watch::Sender<bool>) {
    let name = next(&mut signals).await;
    tracing::info!("{name}: what is under way may end; a second signal ends at once");
    tell.send_replace(true);
    let name = next(&mut signals).await;
    tracing::warn!("{name} again: ended at once, what was under way is not waited for");
    std::process::exit(ENDED_AT_ONCE);
}

async fn next((interrupt, terminate): &mut (Signal, Signal)) -> &'static str {
    tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    }
}
