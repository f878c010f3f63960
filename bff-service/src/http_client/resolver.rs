//! Names to addresses, by the system's resolver, and to loopback where it does not know a `localhost` name.
//!
//! RFC 6761, section 6.3: `localhost` and every name below it are loopback. Browsers follow this; many C libraries know
//! only `localhost` itself, so that without this the service could not reach what the browser reaches.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use super::proxy::without_brackets;

/// The addresses of a host.
pub(super) async fn lookup(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let name = without_brackets(host).to_owned();
    let by_system = move || (name.as_str(), port).to_socket_addrs().map(Vec::from_iter);
    // The system's resolver blocks, and a slow DNS server must not hold up the whole worker.
    match tokio::task::spawn_blocking(by_system).await? {
        Ok(addresses) if !addresses.is_empty() => Ok(addresses),
        _ if is_localhost(host) => Ok(loopback(port)),
        other => other,
    }
}

/// Whether this is `localhost` or a name below it, with or without the dot of the root.
pub(super) fn is_localhost(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost")
}

fn loopback(port: u16) -> Vec<SocketAddr> {
    vec![(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn names_below_localhost_are_loopback() {
        for host in [
            "localhost",
            "login.example.localhost",
            "LOGIN.Example.LocalHost",
            "login.example.localhost.",
        ] {
            let addresses = lookup(host, 8443).await.unwrap();
            assert!(!addresses.is_empty(), "{host}");
            assert!(
                addresses
                    .iter()
                    .all(|address| address.ip().is_loopback() && address.port() == 8443),
                "{host}"
            );
        }
    }

    #[test]
    fn names_that_only_look_like_localhost_are_not() {
        for host in ["localhost.example.com", "notlocalhost", "example.com", "", "."] {
            assert!(!is_localhost(host), "{host}");
        }
    }

    #[tokio::test]
    async fn an_ipv6_address_in_brackets_is_an_address() {
        let addresses = lookup("[::1]", 443).await.unwrap();
        assert_eq!(addresses, [SocketAddr::from((Ipv6Addr::LOCALHOST, 443))]);
    }
}
