//! The ports of the processes.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use rustix::fd::OwnedFd;
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{AddressFamily, SocketType, bind, socket, sockopt};

use crate::component::Component;
use crate::error::Error;

/// One port for each listener, all at 127.0.0.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// Envoy's TLS listener, which browsers use.
    pub public: u16,
    /// The web host.
    pub web_host: u16,
    /// The business API.
    pub api: u16,
    /// The service's endpoints.
    pub bff: u16,
    /// The authorization server.
    pub authorization_server: u16,
    /// The service's health, readiness and metrics.
    pub bff_admin: u16,
    /// Envoy's admin interface.
    pub envoy_admin: u16,
    /// The second replica of the service.
    pub second_bff: u16,
    /// The second replica's health, readiness and metrics.
    pub second_bff_admin: u16,
    /// Redis.
    pub redis: u16,
}

impl Ports {
    /// The demo's ports, as in `envoy/envoy.yaml`.
    pub const DEMO: Ports = Ports {
        public: 8443,
        web_host: 3001,
        api: 3002,
        bff: 3003,
        authorization_server: 3004,
        bff_admin: 3005,
        envoy_admin: 9901,
        second_bff: 3013,
        second_bff_admin: 3015,
        redis: 6379,
    };

    /// How many ports the programs behind Envoy and Envoy's admin interface have.
    pub(crate) const COUNT_BEHIND_ENVOY: u16 = 9;

    /// The demo's public port, and for everything else consecutive ports from `first`; `None` if there are not enough of them.
    pub(crate) fn starting_at(first: u16) -> Option<Ports> {
        first
            .checked_add(Ports::COUNT_BEHIND_ENVOY - 1)
            .filter(|_| first != 0)?;
        Some(Ports {
            public: Ports::DEMO.public,
            web_host: first,
            api: first + 1,
            bff: first + 2,
            authorization_server: first + 3,
            bff_admin: first + 4,
            envoy_admin: first + 5,
            second_bff: first + 6,
            second_bff_admin: first + 7,
            redis: first + 8,
        })
    }

    /// Ports that are free now, each a [`free_port`].
    pub fn free() -> Ports {
        Ports {
            public: free_port(),
            web_host: free_port(),
            api: free_port(),
            bff: free_port(),
            authorization_server: free_port(),
            bff_admin: free_port(),
            envoy_admin: free_port(),
            second_bff: free_port(),
            second_bff_admin: free_port(),
            redis: free_port(),
        }
    }

    /// Fails if one of them is in use. The ports of components that are not started do not matter.
    pub(crate) fn check(&self, without: &[Component]) -> Result<(), Error> {
        use Component::{Api, AuthorizationServer, Bff, Envoy, Redis, SecondBff, WebHost};
        let mut seen = Vec::new();
        for (component, port, what) in [
            (Envoy, self.public, "Envoy (what the browser opens)"),
            (WebHost, self.web_host, "the web host"),
            (Api, self.api, "the API"),
            (Bff, self.bff, "the service"),
            (
                AuthorizationServer,
                self.authorization_server,
                "the authorization server",
            ),
            (Bff, self.bff_admin, "the service's admin listener"),
            (Envoy, self.envoy_admin, "Envoy's admin interface"),
            (SecondBff, self.second_bff, "the second replica of the service"),
            (
                SecondBff,
                self.second_bff_admin,
                "the admin listener of the second replica of the service",
            ),
            (Redis, self.redis, "Redis"),
        ] {
            if without.contains(&component) {
                continue;
            }
            if let Some((_, other)) = seen.iter().find(|(taken, _)| *taken == port) {
                return Err(Error::new(format!(
                    "port {port} is configured for {other} and for {what}: choose other ports with BFF_DEMO_PORT or \
                     BFF_DEMO_PORTS"
                )));
            }
            let variable = match port == self.public {
                true => "BFF_DEMO_PORT",
                false => "BFF_DEMO_PORTS",
            };
            bind_port(port, true).map_err(|error| {
                Error::new(format!(
                    "port {port} of {what} is unavailable: {error}: stop the demo if it is already running, or the program that \
                     listens at 127.0.0.1:{port}; or choose other ports with {variable}"
                ))
            })?;
            seen.push((port, what));
        }
        Ok(())
    }
}

/// A socket bound to this port. It does not listen: a process that another thread is starting inherits it for a
/// moment, and would keep the port in use. With `shared`, other sockets may bind the port as well.
fn bind_port(port: u16, shared: bool) -> io::Result<OwnedFd> {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
    sockopt::set_socket_reuseaddr(&socket, shared)?;
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?;
    Ok(socket)
}

/// A port that is free now. It is below those that the system uses for outgoing connections, and no two calls return the
/// same one, not even in two processes that run at the same time.
///
/// # Panics
/// If other processes hold every port.
pub fn free_port() -> u16 {
    static BLOCK: Mutex<Option<Block>> = Mutex::new(None);
    let mut current = BLOCK.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        match current.as_mut().and_then(Block::next) {
            Some(port) => return port,
            // The previous block stays this process's own: its ports may be in use.
            None => std::mem::forget(current.replace(Block::acquire())),
        }
    }
}

/// Consecutive ports that belong to this process until it exits: it has bound the first of them, so no other process
/// can bind it. That port has no other use.
struct Block {
    _first: OwnedFd,
    left: Range<u16>,
}

impl Block {
    const ALL: Range<u16> = 20_000..32_000;
    const PORT_COUNT: u16 = 60;

    fn acquire() -> Block {
        // Processes that start one after the other begin at different places: connections of the previous one may still be
        // closing.
        let start = std::process::id() as usize * 7;
        let starts = || Block::ALL.step_by(Block::PORT_COUNT.into());
        let mut blocks = starts().cycle().skip(start % starts().len()).take(starts().len());
        blocks
            .find_map(Block::at)
            .expect("no free ports from 20000 to 31999: stop other runs of the tests")
    }

    fn at(start: u16) -> Option<Block> {
        let first = bind_port(start, false).ok()?;
        Some(Block {
            _first: first,
            left: start + 1..start + Block::PORT_COUNT,
        })
    }

    /// The next port of the block that no socket listens at.
    fn next(&mut self) -> Option<u16> {
        self.left.find(|port| bind_port(*port, true).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn free_ports_are_never_handed_out_twice() {
        let (one, other) = (Ports::free(), Ports::free());
        let all = |ports: Ports| [ports.public, ports.web_host, ports.api, ports.bff, ports.envoy_admin];
        assert!(all(one).iter().all(|port| !all(other).contains(port)));
    }

    /// The operating system rejects the second of two sockets, of one process or of two.
    #[test]
    fn a_block_of_ports_belongs_to_one_at_a_time() {
        let first = Block::acquire();
        let start = first.left.start - 1;
        assert!(Block::at(start).is_none());
        assert_ne!(Block::acquire().left, first.left);
    }

    #[test]
    fn a_port_that_somebody_listens_on_is_left_out() {
        let mut block = Block::acquire();
        let first = block.left.start;
        let _taken = TcpListener::bind(("127.0.0.1", first)).expect("free");
        assert!(block.next().is_some_and(|port| port > first));
    }

    #[test]
    fn a_taken_port_is_named_before_anything_starts() {
        let ports = Ports::free();
        let _taken = TcpListener::bind(("127.0.0.1", ports.bff)).expect("free");
        let message = ports.check(&[]).expect_err("taken").to_string();
        assert!(
            message.contains(&format!("port {} of the service is unavailable", ports.bff)),
            "{message}"
        );
    }

    /// Between fork and exec, a child has every open socket of its parent.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_port_is_free_also_while_another_thread_starts_a_process() {
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        std::process::Command::new("true").status().expect("true");
                    }
                });
            }
            let faults = (0..300).filter_map(|_| Ports::free().check(&[]).err()).count();
            done.store(true, Ordering::Relaxed);
            assert_eq!(faults, 0);
        });
    }

    #[test]
    fn the_ports_of_what_is_not_started_may_be_taken() {
        let ports = Ports::free();
        let _taken = TcpListener::bind(("127.0.0.1", ports.public)).expect("free");
        assert!(ports.check(&[Component::Envoy]).is_ok());
    }

    #[test]
    fn one_port_for_two_listeners_is_found() {
        let mut ports = Ports::free();
        ports.public = ports.api;
        let message = ports.check(&[]).expect_err("one for two").to_string();
        assert!(message.contains("is configured for Envoy"), "{message}");
    }
}
