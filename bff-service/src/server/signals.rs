//! The signals that the service obeys: SIGHUP reads anew, SIGTERM ends in good order, SIGINT and SIGQUIT at once.

use std::io;

/// How the service is told to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shutdown {
    /// By whoever runs it: requests are finished.
    Graceful,
    /// From a keyboard.
    Immediate,
}

/// Those of this process, each waited for by as many as like.
#[cfg(unix)]
pub struct Signals {
    hangup: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    quit: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    /// Begins to listen. Must run where tokio runs.
    pub fn listen() -> io::Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    /// Waits for the next SIGHUP.
    pub async fn hangup(&mut self) {
        self.hangup.recv().await;
    }

    /// Waits for the next signal that ends the service.
    pub async fn shutdown(&mut self) -> Shutdown {
        tokio::select! {
            _ = self.terminate.recv() => Shutdown::Graceful,
            _ = self.interrupt.recv() => Shutdown::Immediate,
            _ = self.quit.recv() => Shutdown::Immediate,
        }
    }
}

/// Elsewhere there is Ctrl-C alone.
#[cfg(not(unix))]
pub struct Signals;

#[cfg(not(unix))]
impl Signals {
    /// Begins to listen.
    pub fn listen() -> io::Result<Signals> {
        Ok(Signals)
    }

    /// There is no such signal.
    pub async fn hangup(&mut self) {
        std::future::pending().await
    }

    /// Waits for Ctrl-C.
    pub async fn shutdown(&mut self) -> Shutdown {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Shutdown::Immediate
    }
}
