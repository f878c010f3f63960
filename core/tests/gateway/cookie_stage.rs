//! The cookie stage: what a browser's request must show.

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::session_id::SessionId;
use bff_core::gateway::Gateway;
use bff_core::request::head::RequestHead;
use serde_json::json;

use crate::support::*;

const UNSAFE: [&str; 7] = ["POST", "PUT", "PATCH", "DELETE", "PROPPATCH", "MKCOL", "INVENTED"];
const SAFE: [&str; 3] = ["GET", "HEAD", "OPTIONS"];

#[test]
fn a_request_with_everything_is_admitted_whatever_its_method() {
    for method in UNSAFE.iter().chain(&SAFE) {
        assert!(admitted(&mut gate(json!({})), &good(method, "token")), "{method}");
    }
    assert!(
        admitted(&mut gate(json!({})), &head("GET", &[("cookie", &at("token"))])),
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
                refused(&mut gate(json!({})), &head(method, lines)),
                Some(401),
                "{method} {lines:?}"
            );
        }
    }
}

#[test]
fn a_missing_method_counts_as_unsafe() {
    let lines = [("cookie".to_owned(), at("token").into_bytes())];
    assert_eq!(
        refused(&mut gate(json!({})), &RequestHead::new(lines.to_vec())),
        Some(401)
    );
    assert_eq!(refused(&mut gate(json!({})), &RequestHead::new(Vec::new())), Some(401));
}

#[test]
fn the_csrf_value_of_another_session_is_refused() {
    let other = seal_as(Purpose::Csrf, CSRF, SessionId([8; 32]), NOW + 300);
    let cookies = format!("{}; example-csrf={other}", at("token"));
    let request = head(
        "POST",
        &[("origin", ORIGIN), ("x-example-csrf", CSRF), ("cookie", &cookies)],
    );
    assert_eq!(refused(&mut gate(json!({})), &request), Some(401));
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
                refused(&mut gate(json!({})), &head(method, &lines)),
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
    assert_eq!(refused(&mut gate(json!({})), &site("cross-site", &[])), Some(401));
    assert_eq!(
        refused(&mut gate(json!({})), &site("cross-site", &[("origin", ORIGIN)])),
        Some(401)
    );
    assert_eq!(
        refused(&mut gate(json!({})), &site("same-site", &[])),
        Some(401),
        "an image on a sibling domain"
    );
    assert_eq!(
        refused(
            &mut gate(json!({})),
            &site("same-site", &[("sec-fetch-mode", "navigate")])
        ),
        Some(401)
    );
    assert_eq!(
        refused(
            &mut gate(navigation.clone()),
            &site("same-site", &[("sec-fetch-mode", "no-cors")])
        ),
        Some(401)
    );
    assert_eq!(
        refused(
            &mut gate(navigation.clone()),
            &site("cross-site", &[("sec-fetch-mode", "navigate")])
        ),
        Some(401)
    );
    assert!(admitted(
        &mut gate(navigation),
        &site("same-site", &[("sec-fetch-mode", "navigate")])
    ));
    assert!(admitted(
        &mut gate(json!({})),
        &site("same-site", &[("origin", ORIGIN)])
    ));
    assert!(
        admitted(&mut gate(json!({})), &site("same-origin", &[])) && admitted(&mut gate(json!({})), &site("none", &[]))
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
            refused(&mut gate(json!({})), &head("GET", &lines)),
            Some(401),
            "{lines:?}"
        );
        let lines = [lines[0], lines[1], ("origin", ORIGIN)];
        assert!(admitted(&mut gate(json!({})), &head("GET", &lines)), "{lines:?}");
    }
}

#[test]
fn require_header_asks_for_it_on_reads_as_well() {
    let changes = json!({"bff_token": {"require_header": true}});
    assert_eq!(
        refused(&mut gate(changes.clone()), &head("GET", &[("cookie", &at("token"))])),
        Some(401)
    );
    assert!(admitted(&mut gate(changes), &good("GET", "token")));
}

#[test]
fn without_verify_csrf_the_origin_is_still_needed() {
    let changes = json!({"bff_token": {"verify_csrf": false}});
    assert!(admitted(
        &mut gate(changes.clone()),
        &head("POST", &[("origin", ORIGIN), ("cookie", &at("token"))])
    ));
    assert_eq!(
        refused(&mut gate(changes), &head("POST", &[("cookie", &at("token"))])),
        Some(401)
    );
}

#[test]
fn a_cookie_that_is_absent_expired_or_misplaced_is_refused() {
    let sealed = |purpose, expires_at| seal_as(purpose, "token", SESSION, expires_at);
    let good = sealed(Purpose::AccessToken, NOW + 300);
    let mut cookies = vec![
        String::new(),
        "example-at=".to_owned(),
        format!("example-at={}", sealed(Purpose::AccessToken, NOW)),
        format!("example-at={good}%%%%junk"),
        format!("example-at=\"{good}\""),
        format!("Example-at={good}"),
        format!("example-at.1={}; example-at.3={}", &good[..10], &good[10..]),
    ];
    for purpose in [Purpose::Login, Purpose::RefreshToken, Purpose::IdToken, Purpose::Csrf] {
        cookies.push(format!("example-at={}", sealed(purpose, NOW + 300)));
    }
    for cookie in cookies {
        assert_eq!(
            refused(&mut gate(json!({})), &head("GET", &[("cookie", &cookie)])),
            Some(401),
            "{cookie}"
        );
    }
    let parts = format!("example-at.1={}; example-at.2={}", &good[..10], &good[10..]);
    assert!(
        admitted(&mut gate(json!({})), &head("GET", &[("cookie", &parts)])),
        "parts are joined"
    );
}

/// What a GET with these cookies is let in with; `None`: it is refused.
fn token_of(gate: &mut Gateway, cookies: &str) -> Option<String> {
    let effects = gate.ask(1, &head("GET", &[("cookie", cookies)]), NOW);
    mutations(&effects).and_then(authorization)
}

#[test]
fn cookies_that_other_hosts_can_set_neither_count_nor_lock_out() {
    let of_mallory = |purpose| seal_as(purpose, "mallory", SessionId([8; 32]), NOW + 300);
    let (auth, id, login) = (
        of_mallory(Purpose::RefreshToken),
        of_mallory(Purpose::IdToken),
        of_mallory(Purpose::Login),
    );
    for planted in [
        "example-id.7=",
        "example-id.7=x; example-id.7=x; example-id=y",
        "example-auth=a; example-auth=b",
        "example-login=a; example-login.1=b",
        &format!("example-auth={auth}; example-id={id}; example-login={login}"),
    ] {
        let mut gate = gate(json!({"phantom_token": null}));
        for cookies in [
            format!("{planted}; {}", at("token")),
            format!("{}; {planted}", at("token")),
        ] {
            assert_eq!(
                token_of(&mut gate, &cookies).as_deref(),
                Some("Bearer token"),
                "{cookies}"
            );
        }
        assert_eq!(token_of(&mut gate, planted), None, "{planted}");
    }
}

#[test]
fn of_several_access_tokens_the_one_counts_that_opens_and_those_of_two_sessions_are_refused() {
    let sealed = |token: &str, session: u8, expires_at: u64| {
        let session = SessionId([session; 32]);
        format!(
            "example-at={}",
            seal_as(Purpose::AccessToken, token, session, expires_at)
        )
    };
    let (older, newer) = (sealed("older", 7, NOW + 10), sealed("newer", 7, NOW + 300));
    let (expired, mallory) = (sealed("expired", 7, NOW), sealed("mallory", 8, NOW + 300));
    let no_cookie = "example-at=garbage; example-at=; example-at.2=x; example-at.1=y";
    let mut gate = gate(json!({"phantom_token": null}));
    let mut token_of = |cookies: &[&str]| token_of(&mut gate, &cookies.join("; "));
    assert_eq!(token_of(&[&newer, &newer]).as_deref(), Some("Bearer newer"));
    for [one, other] in [[&older, &newer], [&newer, &older], [&expired, &newer]] {
        assert_eq!(token_of(&[one, other]).as_deref(), Some("Bearer newer"));
        assert_eq!(token_of(&[one, no_cookie, other]).as_deref(), Some("Bearer newer"));
        for cookies in [[&mallory, one, other], [one, &mallory, other], [one, other, &mallory]] {
            assert_eq!(token_of(&cookies.map(String::as_str)), None);
        }
    }
    assert_eq!(
        token_of(&[&expired, &mallory]),
        None,
        "an expired one says whose it was"
    );
    assert_eq!(token_of(&[&expired, &expired]), None);
    assert_eq!(token_of(&[no_cookie]), None);
    assert_eq!(token_of(&[no_cookie, &newer]).as_deref(), Some("Bearer newer"));
    let flood = "example-at=garbage; ".repeat(500);
    assert_eq!(token_of(&[&newer, &flood]).as_deref(), Some("Bearer newer"));
    assert_eq!(token_of(&[&flood, &newer]), None, "no more than a few are looked at");
}

#[test]
fn of_several_csrf_cookies_the_one_counts_that_is_of_the_session() {
    let planted = [
        "example-csrf=x".to_owned(),
        format!("example-csrf={}", seal_as(Purpose::Csrf, "other", SESSION, NOW + 300)),
        format!(
            "example-csrf={}",
            seal_as(Purpose::Csrf, CSRF, SessionId([8; 32]), NOW + 300)
        ),
    ];
    let post = |cookies: &[&str]| {
        let cookies = cookies.join("; ");
        head(
            "POST",
            &[("origin", ORIGIN), ("x-example-csrf", CSRF), ("cookie", &cookies)],
        )
    };
    let (at, csrf) = (at("token"), csrf());
    for planted in &planted {
        assert_eq!(
            refused(&mut gate(json!({})), &post(&[&at, planted])),
            Some(401),
            "{planted}"
        );
        for cookies in [[&at, &csrf, planted], [planted, &csrf, &at]] {
            assert!(
                admitted(&mut gate(json!({})), &post(&cookies.map(String::as_str))),
                "{planted}"
            );
        }
    }
}

/// The head that goes upstream, as sorted lines.
fn upstream(request: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut gate = gate(json!({"phantom_token": null}));
    let effects = gate.ask(1, &head("GET", request), NOW);
    let edits = mutations(&effects).expect("forwarded");
    let kept = request
        .iter()
        .filter(|(name, _)| !edits.remove.iter().any(|gone| gone == name) && !edits.set().any(|(set, _)| set == *name));
    let set = edits
        .set()
        .map(|(name, value)| (name.to_owned(), String::from_utf8(value.to_vec()).unwrap()));
    let mut lines: Vec<_> = kept
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .chain(set)
        .collect();
    lines.sort();
    lines
}

#[test]
fn upstream_goes_one_authorization_and_nothing_of_ours() {
    let ours = format!("a=1; {}; b=2;{}", at("token"), csrf());
    let lines = upstream(&[
        ("accept", "*/*"),
        ("authorization", "Bearer mine"),
        ("authorization", "Basic mine"),
        ("cookie", &ours),
        ("cookie", "example-login=x; c=\"3\""),
        ("x-example-csrf", CSRF),
        ("x_example_csrf", CSRF),
    ]);
    let expected = [
        ("accept", "*/*"),
        ("authorization", "Bearer token"),
        ("cookie", "a=1; b=2; c=\"3\""),
    ];
    assert_eq!(lines, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn a_cookie_header_of_ours_alone_goes_away_whole() {
    assert_eq!(
        upstream(&[("cookie", &at("token"))]),
        [("authorization".to_owned(), "Bearer token".to_owned())]
    );
}

#[test]
fn cookies_that_are_to_be_dropped_do_not_reach_the_api_and_the_others_do_byte_for_byte() {
    let drop = json!({"bff_token": {"drop_cookies": ["sso", "sso.sig"], "allow_tokens": true}});
    let cookie_of = |lines: &[(&str, &str)]| {
        let mut gate = gate(drop.clone());
        let effects = gate.ask(1, &head("GET", lines), NOW);
        let (_, id) = flight(&effects).unwrap();
        let effects = gate.on_introspection(id, &active(json!({"exp": NOW + 100})), NOW);
        let edits = mutations(&effects).expect("forwarded");
        let left = edits.set().find(|(name, _)| *name == "cookie");
        let left = left.map(|(_, value)| String::from_utf8(value.to_vec()).unwrap());
        (left, edits.remove.iter().any(|name| name == "cookie"))
    };
    let ours = at("token");
    let with = |cookies: &str| cookie_of(&[("cookie", &format!("{ours}; {cookies}"))]);
    let kept = |text: &str| (Some(text.to_owned()), false);
    assert_eq!(
        with("sso=1; a=\"b\";  c;sso.sig=2;SSO=3; ssoo=4"),
        kept("a=\"b\";  c;SSO=3; ssoo=4")
    );
    assert_eq!(with("sso =1;\tsso.sig=2; sso=3"), (None, true), "nothing is left");
    assert_eq!(with("sso; =sso"), kept("sso; =sso"), "these have another name, or none");
    // Also where a bearer token lets the request in.
    let bearer = ("authorization", "Bearer token");
    assert_eq!(cookie_of(&[bearer, ("cookie", "sso=1; a=b")]), kept("a=b"));
    assert_eq!(cookie_of(&[bearer, ("cookie", "sso=1")]), (None, true));
}

#[test]
fn a_token_with_characters_that_no_token_has_reaches_no_header() {
    for token in ["a b", "a\r\nx: y", "a\0", "\u{e4}", ""] {
        assert_eq!(
            refused(&mut gate(json!({"phantom_token": null})), &good("GET", token)),
            Some(401),
            "{token:?}"
        );
    }
    // RFC 6749, appendix A.12, without the space. Beyond ASCII these are the characters of two bytes.
    for character in '\0'..='\u{7ff}' {
        let is_legal = character.is_ascii_graphic();
        for token in [format!("{character}a"), format!("a{character}")] {
            assert_eq!(
                refused(&mut gate(json!({"phantom_token": null})), &good("GET", &token)),
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
    assert!(admitted(&mut gate(changes.clone()), &head("POST", &bearer)));
    let with_cookie = [("authorization", "Bearer token"), ("cookie", "example-at=x")];
    assert_eq!(
        refused(&mut gate(changes.clone()), &head("GET", &with_cookie)),
        Some(401)
    );
    assert_eq!(refused(&mut gate(changes.clone()), &head("GET", &[])), Some(401));
    let planted = [
        bearer[0],
        ("cookie", "example-id=x; example-auth.1=y; a=b; example-login=z"),
    ];
    assert!(admitted(&mut gate(changes), &head("GET", &planted)), "set by anybody");
    assert_eq!(
        refused(&mut gate(json!({})), &head("GET", &bearer)),
        Some(401),
        "it is off by default"
    );
}
