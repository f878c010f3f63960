//! The list of trusted web origins (RFC 6454).

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::encoding::bytes;

/// The list of trusted origins; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedOrigins {
    /// In lower case, without default ports.
    origins: Vec<String>,
}

impl TrustedOrigins {
    /// Parses a list of `scheme://host[:port]`. Accepts http only for `localhost` and names below it, unless
    /// `demo` is true.
    ///
    /// # Errors
    /// The list is empty, or an entry is invalid. The message names the entry and says what to write.
    pub fn parse(list: &[String], demo: bool) -> Result<Self, InvalidOrigin> {
        if list.is_empty() {
            return Err(InvalidOrigin::Empty);
        }
        let origins = list.iter().map(|entry| parse_entry(entry, demo));
        Ok(Self {
            origins: origins.collect::<Result<_, _>>()?,
        })
    }

    /// Whether the value of an Origin header is in the list, ignoring the case of ASCII letters.
    pub fn is_trusted(&self, origin: &[u8]) -> bool {
        self.origins.iter().any(|trusted| {
            bytes::is_equal(trusted.as_bytes(), origin) || trusted.as_bytes().eq_ignore_ascii_case(origin)
        })
    }

    /// Returns the origins, in lower case and without default ports.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.origins.iter().map(String::as_str)
    }
}

fn parse_entry(entry: &str, demo: bool) -> Result<String, InvalidOrigin> {
    // Without what may be a password.
    let shown = || {
        entry
            .rsplit_once('@')
            .map_or_else(|| entry.to_owned(), |(_, host)| format!("…@{host}"))
    };
    let malformed = || InvalidOrigin::Malformed(shown());
    let origin = entry.to_ascii_lowercase();
    let (scheme, authority) = origin.split_once("://").ok_or_else(malformed)?;
    let (host, port) = match authority.rsplit_once(':') {
        // A colon inside the brackets of an IPv6 address does not precede a port.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let sent = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => Some(format!("[{}]", spell_ipv6(address.parse().map_err(|_| malformed())?))),
        None if host.is_empty() || !host.bytes().all(is_allowed) => return Err(malformed()),
        None if is_ipv4(host) => Some(parse_ipv4(host).ok_or_else(malformed)?.to_string()),
        None => None,
    };
    if let Some(sent) = sent.filter(|sent| sent != host) {
        return Err(InvalidOrigin::Spelling {
            entry: shown(),
            host: sent,
        });
    }
    if let Some(port) = port
        && (port.starts_with(['0', '+']) || port.parse::<u16>().is_err())
    {
        return Err(malformed());
    }
    let default_port = match scheme {
        "https" => "443",
        "http" if demo || host == "localhost" || host.ends_with(".localhost") => "80",
        "http" => return Err(InvalidOrigin::Http(shown())),
        _ => return Err(malformed()),
    };
    Ok(match port {
        Some(port) if port != default_port => format!("{scheme}://{host}:{port}"),
        _ => format!("{scheme}://{host}"),
    })
}

/// Spells an IPv6 address as browsers do (WHATWG URL, "host serializing"): as in RFC 5952, but without dotted IPv4.
fn spell_ipv6(address: Ipv6Addr) -> String {
    match (address.to_ipv4_mapped(), address.segments()) {
        (Some(_), [.., high, low]) => format!("::ffff:{high:x}:{low:x}"),
        (None, _) => address.to_string(),
    }
}

/// Whether browsers parse the host as an IPv4 address: its last label is a number (WHATWG URL, section 3.5).
fn is_ipv4(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let last = host.rsplit_once('.').map_or(host, |(_, last)| last);
    let hexadecimal = last.strip_prefix("0x");
    (!last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()))
        || hexadecimal.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Returns the address that browsers take such a host for: numbers may be octal or hexadecimal, and the last one fills
/// the remaining bytes (WHATWG URL, section 3.5).
fn parse_ipv4(host: &str) -> Option<Ipv4Addr> {
    let numbers = host.strip_suffix('.').unwrap_or(host).split('.').map(|label| {
        if let Some(digits) = label.strip_prefix("0x") {
            return match digits {
                "" => Some(0),
                digits => u64::from_str_radix(digits, 16).ok(),
            };
        }
        match label.strip_prefix('0').filter(|digits| !digits.is_empty()) {
            Some(digits) => u64::from_str_radix(digits, 8).ok(),
            None => label.parse().ok(),
        }
    });
    let numbers: Vec<u64> = numbers.collect::<Option<_>>()?;
    let (last, first) = numbers.split_last()?;
    let mut address: u32 = 0;
    for number in first {
        address = address
            .checked_mul(256)?
            .checked_add(u32::from(u8::try_from(*number).ok()?))?;
    }
    let bits = 32_u32.checked_sub(u32::try_from(first.len()).ok()?.checked_mul(8)?)?;
    let address = u64::from(address).checked_shl(bits)?.checked_add(*last)?;
    let fits = last.checked_shr(bits) == Some(0);
    fits.then(|| u32::try_from(address).ok().map(Ipv4Addr::from)).flatten()
}

/// Why a list of origins is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOrigin {
    /// The list has no entry.
    #[error("the list is empty: write the web origin of the application, for example `https://www.example.com`")]
    Empty,
    /// An entry is not an origin.
    #[error(
        "invalid origin `{0}`: write scheme, host and, unless it is the default, port, and nothing after them, for example `https://www.example.com`"
    )]
    Malformed(String),
    /// An entry has an address that browsers spell differently.
    #[error("no browser sends `{entry}`: write its host as `{host}`, as browsers do")]
    Spelling {
        /// The entry.
        entry: String,
        /// The host as browsers spell it.
        host: String,
    },
    /// An entry has the scheme http, and its host is neither `localhost` nor a name below it.
    #[error("`{0}` uses http: write https, which secure cookies require")]
    Http(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(entry: &str) -> Result<TrustedOrigins, InvalidOrigin> {
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
            assert!(matches!(parse(entry), Err(InvalidOrigin::Malformed(_))), "{entry}");
        }
        for entry in [
            "http://www.example.com",
            "http://notlocalhost",
            "http://localhost.example.com",
        ] {
            assert!(matches!(parse(entry), Err(InvalidOrigin::Http(_))), "{entry}");
            assert!(
                TrustedOrigins::parse(&[entry.to_owned()], true).is_ok(),
                "{entry} in demo mode"
            );
        }
        assert!(parse("http://www.example.localhost").is_ok());
        assert!(TrustedOrigins::parse(&[], true).is_err());
    }

    #[test]
    fn an_address_that_browsers_spell_otherwise_is_refused_with_their_spelling() {
        for (entry, host) in [
            ("https://192.168.0.010", "192.168.0.8"),
            ("https://192.168.000.1:8443", "192.168.0.1"),
            ("https://192.168.1", "192.168.0.1"),
            ("https://192.168.0.1.", "192.168.0.1"),
            ("https://0xC0A80001", "192.168.0.1"),
            ("https://0xc0.0250.0.0x1", "192.168.0.1"),
            ("https://3232235521", "192.168.0.1"),
            ("https://0", "0.0.0.0"),
            ("https://[2001:DB8:0:0:0:0:0:1]", "[2001:db8::1]"),
            ("https://[2001:0db8::1]:8443", "[2001:db8::1]"),
            ("https://[2001:db8::0:1]", "[2001:db8::1]"),
            ("https://[::ffff:192.0.2.1]", "[::ffff:c000:201]"),
            ("https://[::192.0.2.1]", "[::c000:201]"),
        ] {
            let error = parse(entry).unwrap_err();
            let expected = InvalidOrigin::Spelling {
                entry: entry.to_owned(),
                host: host.to_owned(),
            };
            assert_eq!(error, expected);
            assert!(error.to_string().contains(&format!("`{host}`")), "{error}");
        }
        for entry in [
            "https://192.168.0.256",
            "https://192.168.0.08",
            "https://1.2.3.4.5",
            "https://256.1.1.1",
            "https://www.example.42",
            "https://4294967296",
        ] {
            assert!(matches!(parse(entry), Err(InvalidOrigin::Malformed(_))), "{entry}");
        }
        for entry in [
            "https://192.168.0.8",
            "https://[2001:db8::1]",
            "https://[::1]:8443",
            "https://[::ffff:c000:201]",
            "https://1.example",
            "https://0x1.example",
        ] {
            let origin = entry.as_bytes();
            assert!(parse(entry).unwrap().is_trusted(origin), "{entry}");
        }
    }

    #[test]
    fn an_error_never_shows_a_password() {
        let error = parse("https://user:hunter2@a.example").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
}
