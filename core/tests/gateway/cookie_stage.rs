//! The cookie stage: what a request of a browser must have.

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::session_id::SessionId;
use bff_core::request::head::RequestHead;
use serde_json::json;

use crate::support::*;

const UNSAFE: [&str; 7] = ["POST", "PUT", "PATCH", "DELETE", "PROPPATCH", "MKCOL", "INVENTED"];
const SAFE: [&str; 3] = ["GET", "HEAD", "OPTIONS"];

#[test]
fn a_request_with_everything_is_admitted_whatever_its_method() {
    for method in UNSAFE.iter().chain(&SAFE) {
        assert!(
            is_admitted(&mut gateway(json!({})), &valid(method, "token")),
            "{method}"
        );
    }
    assert!(
        is_admitted(&mut gateway(json!({})), &head("GET", &[("cookie", &at("token"))])),
        "a plain same-origin read"
    );
}

#[test]
fn an_unsafe_method_needs_origin_csrf_header_and_csrf_cookie() {
    let both = format!("{}; {}", at("token"), csrf());
    for method in UNSAFE {
        for lines in [
            &[("x-example-csrf", CSRF), ("cookie", both.as_str())][..],
            &[("origin", ORIGIN), ("cookie", &both)],
            &[("origin", ORIGIN), ("x-example-csrf", "other"), ("cookie", &both)],
            &[("origin", ORIGIN), ("x-example-csrf", ""), ("cookie", &both)],
            &[
                ("origin", ORIGIN),
                ("x-example-csrf", CSRF),
                ("x-example-csrf", CSRF),
                ("cookie", &both),
            ],
            &[("origin", ORIGIN), ("x-example-csrf", CSRF), ("cookie", &at("token"))],
            &[("origin", ORIGIN), ("x-example-csrf", CSRF), ("cookie", &csrf())],
        ] {
            assert_eq!(
                refused(&mut gateway(json!({})), &head(method, lines)),
                Some(401),
                "{method} {lines:?}"
            );
        }
    }
}

#[test]
fn a_missing_method_counts_as_unsafe() {
    let lines = [("cookie".to_owned(), at("token").into_bytes())];
    assert_eq!(refused(&mut gateway(json!({})), &head_of(lines.to_vec())), Some(401));
    assert_eq!(refused(&mut gateway(json!({})), &RequestHead::default()), Some(401));
}

#[test]
fn the_csrf_value_of_another_session_is_refused() {
    let other = seal_as(Purpose::Csrf, CSRF, SessionId([8; 32]), NOW + 300);
    let cookies = format!("{}; example-csrf={other}", at("token"));
    let request = head(
        "POST",
        &[("origin", ORIGIN), ("x-example-csrf", CSRF), ("cookie", &cookies)],
    );
    assert_eq!(refused(&mut gateway(json!({})), &request), Some(401));
}

#[test]
fn an_untrusted_origin_is_refused_on_every_method_however_it_is_sent() {
    for method in SAFE {
        for origins in [
            &["https://evil.example"][..],
            &["null"],
            &[""],
            &[ORIGIN, "https://evil.example"],
            &[ORIGIN, ORIGIN],
        ] {
            let cookie = at("token");
            let lines: Vec<_> = origins
                .iter()
                .map(|origin| ("origin", *origin))
                .chain([("cookie", cookie.as_str())])
                .collect();
            assert_eq!(
                refused(&mut gateway(json!({})), &head(method, &lines)),
                Some(401),
                "{method} {origins:?}"
            );
        }
    }
}

#[test]
fn fetch_metadata_of_other_sites_is_refused() {
    let cookie = at("token");
    let site = |site: &'static str, more: &[(&'static str, &'static str)]| {
        let lines: Vec<_> = [("sec-fetch-site", site), ("cookie", cookie.as_str())]
            .into_iter()
            .chain(more.iter().copied())
            .collect();
        head("GET", &lines)
    };
    let navigation = json!({"bff_token": {"allow_navigation": true}});
    assert_eq!(refused(&mut gateway(json!({})), &site("cross-site", &[])), Some(401));
    assert_eq!(
        refused(&mut gateway(json!({})), &site("cross-site", &[("origin", ORIGIN)])),
        Some(401)
    );
    assert_eq!(
        refused(&mut gateway(json!({})), &site("same-site", &[])),
        Some(401),
        "an image on a sibling domain"
    );
    assert_eq!(
        refused(
            &mut gateway(json!({})),
            &site("same-site", &[("sec-fetch-mode", "navigate")])
        ),
        Some(401)
    );
    assert_eq!(
        refused(
            &mut gateway(navigation.clone()),
            &site("same-site", &[("sec-fetch-mode", "no-cors")])
        ),
        Some(401)
    );
    assert_eq!(
        refused(
            &mut gateway(navigation.clone()),
            &site("cross-site", &[("sec-fetch-mode", "navigate")])
        ),
        Some(401)
    );
    assert!(is_admitted(
        &mut gateway(navigation),
        &site("same-site", &[("sec-fetch-mode", "navigate")])
    ));
    assert!(is_admitted(
        &mut gateway(json!({})),
        &site("same-site", &[("origin", ORIGIN)])
    ));
    assert!(
        is_admitted(&mut gateway(json!({})), &site("same-origin", &[]))
            && is_admitted(&mut gateway(json!({})), &site("none", &[]))
    );
}

#[test]
fn a_websocket_upgrade_needs_an_origin() {
    let cookie = at("token");
    for lines in [
        [("upgrade", "websocket"), ("cookie", cookie.as_str())],
        [(":protocol", "websocket"), ("cookie", &cookie)],
    ] {
        assert_eq!(
            refused(&mut gateway(json!({})), &head("GET", &lines)),
            Some(401),
            "{lines:?}"
        );
        let lines = [lines[0], lines[1], ("origin", ORIGIN)];
        assert!(is_admitted(&mut gateway(json!({})), &head("GET", &lines)), "{lines:?}");
    }
}

#[test]
fn require_header_asks_for_it_on_reads_as_well() {
    let changes = json!({"bff_token": {"require_header": true}});
    assert_eq!(
        refused(&mut gateway(changes.clone()), &head("GET", &[("cookie", &at("token"))])),
        Some(401)
    );
    assert!(is_admitted(&mut gateway(changes), &valid("GET", "token")));
}

#[test]
fn without_verify_csrf_the_origin_is_still_needed() {
    let changes = json!({"bff_token": {"verify_csrf": false}});
    assert!(is_admitted(
        &mut gateway(changes.clone()),
        &head("POST", &[("origin", ORIGIN), ("cookie", &at("token"))])
    ));
    assert_eq!(
        refused(&mut gateway(changes), &head("POST", &[("cookie", &at("token"))])),
        Some(401)
    );
}

#[test]
fn a_cookie_that_is_absent_expired_or_misplaced_is_refused() {
    let sealed = |purpose, expires_at| seal_as(purpose, "token", SESSION, expires_at);
    let valid = sealed(Purpose::AccessToken, NOW + 300);
    let mut cookies = vec![
        String::new(),
        "example-at=".to_owned(),
        format!("example-at={}", sealed(Purpose::AccessToken, NOW)),
        format!("example-at={valid}%%%%junk"),
        format!("example-at=\"{valid}\""),
        format!("Example-at={valid}"),
        format!("example-at.1={}; example-at.3={}", &valid[..10], &valid[10..]),
    ];
    for purpose in [Purpose::Login, Purpose::RefreshToken, Purpose::IdToken, Purpose::Csrf] {
        cookies.push(format!("example-at={}", sealed(purpose, NOW + 300)));
    }
    for cookie in cookies {
        assert_eq!(
            refused(&mut gateway(json!({})), &head("GET", &[("cookie", &cookie)])),
            Some(401),
            "{cookie}"
        );
    }
    let parts = format!("example-at.1={}; example-at.2={}", &valid[..10], &valid[10..]);
    assert!(
        is_admitted(&mut gateway(json!({})), &head("GET", &[("cookie", &parts)])),
        "parts are joined"
    );
}

#[test]
fn a_token_with_characters_that_no_token_has_reaches_no_header() {
    for token in ["a b", "a\r\nx: y", "a\0", "\u{e4}", ""] {
        assert_eq!(
            refused(&mut gateway(json!({"phantom_token": null})), &valid("GET", token)),
            Some(401),
            "{token:?}"
        );
    }
    // RFC 6749, appendix A.12, without the space. Outside ASCII: all characters of two bytes.
    for character in '\0'..='\u{7ff}' {
        let is_legal = character.is_ascii_graphic();
        for token in [format!("{character}a"), format!("a{character}")] {
            assert_eq!(
                refused(&mut gateway(json!({"phantom_token": null})), &valid("GET", &token)),
                (!is_legal).then_some(401),
                "{token:?}"
            );
        }
    }
}

#[test]
fn allow_tokens_lets_a_bearer_token_by_only_without_our_cookies() {
    let changes = json!({"bff_token": {"allow_tokens": true}});
    let bearer = [("authorization", "Bearer token")];
    assert!(is_admitted(&mut gateway(changes.clone()), &head("POST", &bearer)));
    let with_cookie = [("authorization", "Bearer token"), ("cookie", "example-at=x")];
    assert_eq!(
        refused(&mut gateway(changes.clone()), &head("GET", &with_cookie)),
        Some(401)
    );
    assert_eq!(refused(&mut gateway(changes.clone()), &head("GET", &[])), Some(401));
    let planted = [
        bearer[0],
        ("cookie", "example-id=x; example-auth.1=y; a=b; example-login=z"),
    ];
    assert!(
        is_admitted(&mut gateway(changes), &head("GET", &planted)),
        "set by anybody"
    );
    assert_eq!(
        refused(&mut gateway(json!({})), &head("GET", &bearer)),
        Some(401),
        "it is off by default"
    );
}
