//! The environment variables of the proxy, and the connections that use it.

use super::*;

fn read(variables: &[(&str, &str)]) -> Result<Proxy, ProxyError> {
    Proxy::from_env(|name| {
        let found = variables.iter().find(|(other, _)| *other == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

fn goes_through(proxy: &Proxy, host: &str, port: u16) -> bool {
    proxy.server_for(host, port).is_some()
}

#[test]
fn without_https_proxy_there_is_none_whatever_else_the_environment_says() {
    for variables in [
        &[][..],
        &[("HTTPS_PROXY", "")],
        &[("HTTP_PROXY", "http://proxy:3128"), ("NO_PROXY", "*")],
        &[("NO_PROXY", "not//an entry")],
    ] {
        assert!(!goes_through(&read(variables).unwrap(), "login.example.com", 443));
    }
}

#[test]
fn the_proxy_is_the_one_of_https_proxy_in_either_spelling_and_the_lower_case_one_counts() {
    let shown = |variables: &[(&str, &str)]| {
        let proxy = read(variables).unwrap();
        proxy.server_for("login.example.com", 443).unwrap().to_string()
    };
    let (upper, lower) = (
        ("HTTPS_PROXY", "http://upper.example:3128"),
        ("https_proxy", "http://lower.example:8080/"),
    );
    assert_eq!(shown(&[upper]), "http://upper.example:3128 (HTTPS_PROXY)");
    assert_eq!(shown(&[upper, lower]), "http://lower.example:8080 (https_proxy)");
    assert_eq!(
        shown(&[("HTTPS_PROXY", "proxy:3128")]),
        "http://proxy:3128 (HTTPS_PROXY)"
    );
    assert_eq!(
        shown(&[("HTTPS_PROXY", "http://proxy")]),
        "http://proxy:80 (HTTPS_PROXY)"
    );
    assert_eq!(
        shown(&[("HTTPS_PROXY", "http://[2001:db8::1]:3128")]),
        "http://[2001:db8::1]:3128 (HTTPS_PROXY)"
    );
}

#[test]
fn the_credentials_of_the_proxy_are_decoded_and_never_shown() {
    let proxy = read(&[("HTTPS_PROXY", "http://us%40er:p%3A%C3%A4ss@proxy:3128")]).unwrap();
    let server = proxy.server_for("login.example.com", 443).unwrap();
    let expected = format!("Basic {}", STANDARD.encode("us@er:p:äss"));
    assert_eq!(server.authorization(), Some(expected.as_str()));
    let shown = format!("{proxy:?} {server} {server:?}");
    for secret in ["us@er", "us%40er", "ss@", "%C3%A4", &STANDARD.encode("us@er:p:äss")] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn a_proxy_url_that_cannot_be_meant_is_refused_with_its_variable_and_without_its_value() {
    for url in [
        "http://",
        "http://:secret@",
        "https://user:secret@proxy:3128",
        "socks5://user:secret@proxy:1080",
        "http://user:secret@proxy:3128/proxy.pac",
        "http://user:secret@proxy:3128?a=b",
        "http://user:secret@proxy:99999",
        "http://user:sec%zzret@proxy:3128",
        "http://us%3Aer:secret@proxy:3128",
    ] {
        let error = read(&[("HTTPS_PROXY", url)]).unwrap_err();
        assert_eq!(error.variable, "HTTPS_PROXY");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[test]
fn loopback_is_never_reached_through_the_proxy() {
    let proxy = read(&[("HTTPS_PROXY", "http://proxy:3128")]).unwrap();
    for host in [
        "localhost",
        "login.example.localhost",
        "LOCALHOST.",
        "127.0.0.1",
        "127.9.9.9",
        "[::1]",
        "::ffff:127.0.0.1",
    ] {
        assert!(!goes_through(&proxy, host, 443), "{host}");
    }
    assert!(goes_through(&proxy, "localhost.example.com", 443));
}

#[test]
fn no_proxy_names_hosts_domains_addresses_networks_and_ports() {
    for (list, direct, through) in [
        ("*", &["login.example.com", "10.1.2.3", "[2001:db8::1]"][..], &[][..]),
        (
            "example.com",
            &["example.com", "login.example.com", "LOGIN.Example.COM."],
            &["notexample.com", "example.com.evil.test"],
        ),
        (
            ".example.com",
            &["example.com", "login.example.com"],
            &["notexample.com"],
        ),
        ("*.example.com", &["login.example.com"], &["notexample.com"]),
        (
            "other.test, Login.example.com ",
            &["login.example.com"],
            &["example.com"],
        ),
        ("other.test login.example.com", &["login.example.com"], &["example.com"]),
        ("login.example.com:443", &["login.example.com"], &[]),
        ("login.example.com:8443", &[], &["login.example.com"]),
        ("10.0.0.0/8", &["10.1.2.3"], &["11.1.2.3", "ten.example.com"]),
        ("10.1.2.3", &["10.1.2.3"], &["10.1.2.4"]),
        ("10.1.2.3:443,10.1.2.4:8443", &["10.1.2.3"], &["10.1.2.4"]),
        ("0.0.0.0/0", &["192.0.2.1"], &["[2001:db8::1]"]),
        ("2001:db8::/32", &["[2001:db8::1]"], &["[2001:db9::1]"]),
        ("[2001:db8::1]:443", &["[2001:db8::1]"], &["[2001:db8::2]"]),
        ("2001:db8::1", &["[2001:db8::1]"], &["192.0.2.1"]),
    ] {
        let proxy = read(&[("HTTPS_PROXY", "http://proxy:3128"), ("NO_PROXY", list)]).unwrap();
        for host in direct {
            assert!(!goes_through(&proxy, host, 443), "{list}: {host}");
        }
        for host in through {
            assert!(goes_through(&proxy, host, 443), "{list}: {host}");
        }
    }
}

#[test]
fn an_entry_of_no_proxy_that_would_never_match_is_refused() {
    for list in [
        "10.0.0.0/33",
        "10.0.0.0/x",
        "10.1.*",
        "http://login.example.com",
        "login.example.com:https",
        "a,.,b",
    ] {
        let error = read(&[("HTTPS_PROXY", "http://proxy:3128"), ("no_proxy", list)]).unwrap_err();
        assert_eq!(error.variable, "no_proxy", "{list}");
    }
}
