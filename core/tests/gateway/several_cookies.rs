//! Several cookies of one name: left over, or set by another host.

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::session_id::SessionId;
use bff_core::gateway::Gateway;
use serde_json::json;

use crate::support::*;

/// Returns the `Authorization` with which a GET with these cookies is forwarded; `None` if it is refused.
fn token_of(gateway: &mut Gateway, cookies: &str) -> Option<String> {
    let effects = gateway.ask(1, &head("GET", &[("cookie", cookies)]), NOW);
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
        let mut gateway = gateway(json!({"phantom_token": null}));
        for cookies in [
            format!("{planted}; {}", at("token")),
            format!("{}; {planted}", at("token")),
        ] {
            assert_eq!(
                token_of(&mut gateway, &cookies).as_deref(),
                Some("Bearer token"),
                "{cookies}"
            );
        }
        assert_eq!(token_of(&mut gateway, planted), None, "{planted}");
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
    let mut gateway = gateway(json!({"phantom_token": null}));
    let mut token_of = |cookies: &[&str]| token_of(&mut gateway, &cookies.join("; "));
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
            refused(&mut gateway(json!({})), &post(&[&at, planted])),
            Some(401),
            "{planted}"
        );
        for cookies in [[&at, &csrf, planted], [planted, &csrf, &at]] {
            assert!(
                is_admitted(&mut gateway(json!({})), &post(&cookies.map(String::as_str))),
                "{planted}"
            );
        }
    }
}
