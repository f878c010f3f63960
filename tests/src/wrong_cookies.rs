//! Cookies that are invalid in every way, and unsafe methods: requests that must be refused.

use bff_core::cookie::purpose::Purpose;
use bff_core::encoding::base64url;
use demo_system::System;

use crate::http1::Request;
use crate::sealing::Seals;
use crate::user_agent::{AT, AUTH, CSRF, CSRF_HEADER, ID, LOGIN, UserAgent};

/// Unsafe methods: the usual ones, and two of WebDAV.
pub const UNSAFE: [&str; 6] = ["POST", "PUT", "PATCH", "DELETE", "PROPPATCH", "MKCOL"];

/// Every way in which a cookie can be invalid, as Cookie headers, each with a description.
pub fn wrong_cookies(system: &System, user: &UserAgent, name: &str, purpose: Purpose) -> Vec<(String, String)> {
    let valid = &user.cookies[name];
    let seals = Seals::of(system, "example");
    let (value, session) = seals.open(purpose, valid);
    let foreign = Seals::of(system, "another");
    let unknown = Seals::with(
        "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20",
        "example",
    );
    let mut cases = vec![
        ("absent".to_owned(), user.cookie_header_with(name, None)),
        ("empty".to_owned(), user.cookie_header_with(name, Some(""))),
    ];
    let mut change = |what: String, value: &str| cases.push((what, user.cookie_header_with(name, Some(value))));
    let sealed = base64url::decode(valid.as_bytes()).expect("base64url");
    // Version, key id, nonce, ciphertext, tag.
    for place in [0, 1, 5, 29, sealed.len() - 17, sealed.len() - 16, sealed.len() - 1] {
        let mut bytes = sealed.clone();
        bytes[place] ^= 1;
        change(format!("altered by a bit in byte {place}"), &base64url::encode(&bytes));
    }
    for place in [0, valid.len() / 2, valid.len() - 1] {
        let mut bytes = valid.clone().into_bytes();
        bytes[place] ^= 1;
        change(
            format!("altered by a bit in character {place}"),
            &String::from_utf8(bytes).expect("text"),
        );
    }
    for end in [1, 10, valid.len() / 2, valid.len() - 1] {
        change(format!("cut at {end}"), &valid[..end]);
    }
    for junk in ["%%%%junk", "=", "A", ".", "AAAA"] {
        change(format!("with {junk} behind it"), &format!("{valid}{junk}"));
    }
    for other in [AT, CSRF, AUTH, ID].into_iter().filter(|other| *other != name) {
        change(format!("replaced by {other}"), &user.cookies[other]);
    }
    let mut stranger = UserAgent::new(system);
    assert_eq!(stranger.bff("POST", "/bff/login/start").status, 200);
    change("replaced by a login cookie".to_owned(), &stranger.cookies[LOGIN]);
    change("expired".to_owned(), &seals.seal(purpose, &value, session, -1));
    change(
        "of another deployment".to_owned(),
        &foreign.seal(purpose, &value, session, 60),
    );
    change(
        "of an unknown key".to_owned(),
        &unknown.seal(purpose, &value, session, 60),
    );
    change(
        "of version 1".to_owned(),
        "AcYBf995tTBVsLtQLvOuLUZXHm2c-XqP8t7SKmhBiQtzy5CAw4h_RF6rXyg6kHrvhb8x4WaLQC6h3mw6a3O3Q9A",
    );
    for other in [AT, CSRF, AUTH, ID].into_iter().filter(|other| *other != name) {
        let mut swapped = user.clone();
        swapped.cookies.insert(name.to_owned(), user.cookies[other].clone());
        swapped.cookies.insert(other.to_owned(), valid.clone());
        cases.push((format!("swapped with {other}"), swapped.cookie_header()));
    }
    cases
}

/// A request with the page's Origin and CSRF header, and with these cookies.
pub fn with_cookies(user: &UserAgent, method: &str, path: &str, cookies: &str) -> Request {
    let request = Request::new(method, path)
        .header("origin", &user.origin)
        .header(CSRF_HEADER, &user.csrf);
    if cookies.is_empty() {
        request
    } else {
        request.header("cookie", cookies)
    }
}
