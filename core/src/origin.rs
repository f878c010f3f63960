//! Which web origins may call us (RFC 6454).

use std::fmt;
use std::net::Ipv6Addr;

use crate::bytes;

/// The list of trusted origins; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedOrigins {
    /// Lower case, without a default port.
    origins: Vec<String>,
}

impl TrustedOrigins {
    /// Reads a list of `scheme://host[:port]`. Outside `demo`, plain http is for `localhost` only.
    ///
    /// # Errors
    /// Names the entry and says what to write.
    pub fn parse(list: &[String], demo: bool) -> Result<Self, OriginError> {
        if list.is_empty() {
            return Err(OriginError {
                entry: String::new(),
                fault: Fault::Empty,
            });
        }
        let origins = list.iter().map(|entry| {
            read(entry, demo).map_err(|fault| OriginError {
                // Without what may be a password.
                entry: entry
                    .rsplit_once('@')
                    .map_or_else(|| entry.clone(), |(_, host)| format!("…@{host}")),
                fault,
            })
        });
        Ok(Self {
            origins: origins.collect::<Result<_, _>>()?,
        })
    }

    /// Whether the value of an Origin header is one of the list: equal but for the case of ASCII letters.
    pub fn is_trusted(&self, origin: &[u8]) -> bool {
        self.origins
            .iter()
            .any(|trusted| bytes::equal(trusted.as_bytes(), origin) || trusted.as_bytes().eq_ignore_ascii_case(origin))
    }

    /// The origins, in lower case and without default ports.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.origins.iter().map(String::as_str)
    }
}

fn read(entry: &str, demo: bool) -> Result<String, Fault> {
    let origin = entry.to_ascii_lowercase();
    let (scheme, authority) = origin.split_once("://").ok_or(Fault::Form)?;
    let (host, port) = match authority.rsplit_once(':') {
        // The colon of an IPv6 address in brackets is not a port's.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(legal),
    };
    if !is_host {
        return Err(Fault::Form);
    }
    if let Some(port) = port
        && (port.starts_with(['0', '+']) || port.parse::<u16>().is_err())
    {
        return Err(Fault::Form);
    }
    let default_port = match scheme {
        "https" => "443",
        "http" if demo || host == "localhost" || host.ends_with(".localhost") => "80",
        "http" => return Err(Fault::Plain),
        _ => return Err(Fault::Form),
    };
    Ok(match port {
        Some(port) if port != default_port => format!("{scheme}://{host}:{port}"),
        _ => format!("{scheme}://{host}"),
    })
}

/// An entry of the list cannot be an origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginError {
    entry: String,
    fault: Fault,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Empty,
    Form,
    Plain,
}

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entry = &self.entry;
        match self.fault {
            Fault::Empty => f.write_str(
                "the list is empty: write the web origin of the application, for example `https://www.example.com`",
            ),
            Fault::Form => write!(
                f,
                "`{entry}` is not an origin: write scheme, host and, where it is not the default, port, with nothing behind them, for example `https://www.example.com`"
            ),
            Fault::Plain => write!(f, "`{entry}` is plain http: write https, since secure cookies need it"),
        }
    }
}

impl std::error::Error for OriginError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(entry: &str) -> Result<TrustedOrigins, OriginError> {
        TrustedOrigins::parse(&[entry.to_owned()], false)
    }

    #[test]
    fn the_case_of_scheme_and_host_does_not_count_and_everything_else_does() {
        let origins = parse("https://www.Example.com").unwrap();
        assert!(origins.is_trusted(b"https://www.example.com") && origins.is_trusted(b"HTTPS://WWW.EXAMPLE.COM"));
        for other in [
            &b""[..],
            b"null",
            b"http://www.example.com",
            b"https://www.example.com:8443",
            b"https://www.example.com/",
            b"https://www.example.com.evil.com",
            b"https://evil.com",
            b"https://xwww.example.com",
            b"https://www.example.com\xff",
            b" https://www.example.com",
            b"https://www.example.com,https://www.example.com",
        ] {
            assert!(!origins.is_trusted(other), "{}", other.escape_ascii());
        }
    }

    #[test]
    fn a_default_port_is_left_out_as_browsers_do() {
        assert_eq!(parse("https://a.example:443"), parse("https://a.example"));
        assert!(
            parse("https://a.example:8443")
                .unwrap()
                .is_trusted(b"https://a.example:8443")
        );
        assert!(
            parse("https://[2001:db8::1]:8443")
                .unwrap()
                .is_trusted(b"https://[2001:db8::1]:8443")
        );
        assert!(parse("http://localhost:3000").is_ok());
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for entry in [
            "",
            "*",
            "null",
            "www.example.com",
            "https://",
            "https://a/",
            "https://a?b",
            "https://u@a",
            "https://*.a",
            "https://a:",
            "https://a:0",
            "https://a:99999",
            "ftp://a",
            "https://a b",
            "https://a:443:443",
            "https://a:+443",
            "https://[]",
            "https://[a]b]",
        ] {
            assert_eq!(parse(entry).unwrap_err().fault, Fault::Form, "{entry}");
        }
        for entry in [
            "http://www.example.com",
            "http://notlocalhost",
            "http://localhost.example.com",
        ] {
            assert_eq!(parse(entry).unwrap_err().fault, Fault::Plain, "{entry}");
            assert!(
                TrustedOrigins::parse(&[entry.to_owned()], true).is_ok(),
                "{entry} in demo mode"
            );
        }
        assert!(parse("http://www.example.localhost").is_ok());
        assert!(TrustedOrigins::parse(&[], true).is_err());
    }

    #[test]
    fn an_error_never_shows_a_password() {
        let error = parse("https://user:hunter2@a.example").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
}
