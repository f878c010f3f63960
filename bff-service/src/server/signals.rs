//! The signals of the service: SIGHUP reloads the configuration, SIGTERM shuts down gracefully, SIGINT and SIGQUIT
//! immediately.

use std::io;

/// The kind of shutdown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shutdown {
    /// SIGTERM: the service finishes the requests in progress.
    Graceful,
    /// SIGINT or SIGQUIT.
    Immediate,
}

/// The signals of this process. Several listeners may wait for the same signal.
#[cfg(unix)]
pub struct Signals {
    hangup: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    quit: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    /// Starts to listen. Must run where tokio runs.
    ///
    /// # Errors
    /// The system does not let the process handle a signal.
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

/// Other systems have only Ctrl-C.
#[cfg(not(unix))]
pub struct Signals;

#[cfg(not(unix))]
impl Signals {
    /// Starts to listen.
    ///
    /// # Errors
    /// None on these systems.
    pub fn listen() -> io::Result<Signals> {
        Ok(Signals)
    }

    /// Never returns: there is no SIGHUP.
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
